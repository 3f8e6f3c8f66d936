//! What is WANTED: which nodes, in which batches, between which gates, by which procedure with which options.
//!
//! An [`Intent`] says nothing of what was forecast or simulated, and nothing of pods: those churn, and are looked at when their batch
//! starts. The runner carries out an intent; a plan document (`plan`) keeps one beside its forecast.

pub mod batcher;
pub mod calendar;
pub mod command;
pub mod dangers;
pub mod execution;
pub mod gates;
pub mod guards;
pub mod options;
pub mod procedure;
pub mod select;
pub mod selector;
#[cfg(test)]
mod tests;
mod unit;

pub use batcher::batches;
pub use execution::{ExecutionOptions, Provision, Reimage, Retirement};
pub use gates::Gates;
pub use guards::Guards;
pub use options::Options;
pub use select::select;
pub use unit::NodeId;

use crate::cluster::{ForeignDocument, NodeIdx, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do. Pods are not in it: they churn; evictions and launches are decided when their batch starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Old nodes by batch, in order.
    pub batches: Vec<Vec<NodeId>>,
    /// Every parameter.
    pub options: Options,
    /// The node groups that new nodes come from, as they were described, in any form that `--groups` takes; empty to read them off
    /// the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ForeignDocument>,
    /// What must still be so when it is carried out.
    #[serde(default)]
    pub guards: Guards,
}

impl Intent {
    /// An intent from batches of node indices and options.
    pub fn new(view: View<'_>, batches: &[Vec<NodeIdx>], options: Options) -> Intent {
        let batches = batches.iter().map(|b| b.iter().map(|n| NodeId::of(view, *n)).collect()).collect();
        Intent { batches, options, groups: Vec::new(), guards: Guards::default() }
    }
    /// Whether each node stands in it once. Twice, it would be cordoned, drained and counted twice, and its machine be given
    /// back by one batch while another waits for it.
    ///
    /// # Errors
    /// Says which node stands in it twice, and in which batches.
    pub fn names_each_once(&self) -> Result<(), String> {
        let mut names = std::collections::BTreeMap::new();
        let mut uids = std::collections::BTreeMap::new();
        for (batch, id) in self.batches.iter().zip(1..).flat_map(|(nodes, b)| nodes.iter().map(move |id| (b, id))) {
            let place = |first: u32| match first == batch {
                true => format!("twice in batch {batch}"),
                false => format!("in batch {first} and again in batch {batch}"),
            };
            let what_to_do = "take it out of one place, or plan again";
            if let Some(first) = names.insert(id.name.as_str(), batch) {
                return Err(format!("the plan names node {} {}: {what_to_do}", id.name, place(first)));
            }
            // A dump of nothing but names has no uids.
            if let Some((first, other)) = uids.insert(id.uid.as_str(), (batch, &id.name)).filter(|_| !id.uid.is_empty())
            {
                let both = format!("{} (as node {other} and as node {})", place(first), id.name);
                return Err(format!("the plan names the node of uid {} {both}: {what_to_do}", id.uid));
            }
        }
        Ok(())
    }
    /// Indices of the batches' nodes in a cluster.
    ///
    /// # Errors
    /// Names the nodes that the cluster lacks, or has under another uid, or that stand in it twice.
    pub fn resolve(&self, view: View<'_>) -> Result<Vec<Vec<NodeIdx>>, String> {
        self.names_each_once()?;
        let by_name: rustc_hash::FxHashMap<&str, NodeIdx> =
            view.state.nodes.entries().map(|(i, _)| (view.state.node_name(view.catalog, i), i)).collect();
        let mut missing = Vec::new();
        let find = |id: &NodeId, missing: &mut Vec<String>| match by_name.get(id.name.as_str()) {
            Some(n) if NodeId::of(view, *n).uid == id.uid => Some(*n),
            Some(_) => {
                missing.push(format!("{} (there is one of that name with another uid)", id.name));
                None
            }
            None => {
                missing.push(id.name.clone());
                None
            }
        };
        let batches = self.batches.iter().map(|b| b.iter().filter_map(|id| find(id, &mut missing)).collect()).collect();
        match missing.is_empty() {
            true => Ok(batches),
            false => Err(format!(
                "the plan is about nodes that the cluster lacks: {}; plan again from a fresh dump",
                missing.join(", ")
            )),
        }
    }
}
