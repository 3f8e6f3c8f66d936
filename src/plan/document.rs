//! The plan document: what is intended, upon which cluster, and what was forecast.

use super::options::Options;
use crate::cluster::{Finding, NodeIdx, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the plan's form; raised when an older reader would misread it.
pub const PLAN_VERSION: u32 = 1;

/// A plan: readable in a review, stable in a diff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub plan_version: u32,
    /// Version of nodeferry that wrote it.
    pub nodeferry: String,
    /// What to do.
    pub intent: Intent,
    /// What it was made upon.
    pub baseline: super::baseline::Baseline,
    /// What was predicted, for people and for comparison; never read back as an instruction.
    pub forecast: serde_json::Value,
}

impl Plan {
    /// A plan from its parts, with this program's version.
    pub fn new(intent: Intent, baseline: super::baseline::Baseline, forecast: serde_json::Value) -> Plan {
        Plan { plan_version: PLAN_VERSION, nodeferry: env!("CARGO_PKG_VERSION").into(), intent, baseline, forecast }
    }
    /// Reads a plan's text.
    ///
    /// # Errors
    /// Says where the text is no plan, or which version it has and which is understood.
    pub fn parse(text: &str) -> Result<Plan, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("the plan is not JSON: {e}"))?;
        match value.get("plan_version").and_then(serde_json::Value::as_u64) {
            Some(v) if v == u64::from(PLAN_VERSION) => {}
            Some(v) => {
                return Err(format!(
                    "plan_version is {v}; this nodeferry understands {PLAN_VERSION}: plan again with it"
                ));
            }
            None => {
                return Err(
                    "plan_version is missing: this is no plan of nodeferry's (see `nodeferry schema plan`)".into()
                );
            }
        }
        let plan: Plan =
            serde_path_to_error::deserialize(value).map_err(|e| format!("plan, at {}: {}", e.path(), e.inner()))?;
        plan.intent.names_each_once().map(|()| plan)
    }
}

/// What to do. Pods are not in it: they churn; evictions and launches are decided when their batch starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Old nodes by batch, in order.
    pub batches: Vec<Vec<NodeId>>,
    /// Every parameter.
    pub options: Options,
    /// The node groups as they were described, kept as text for review and re-simulation.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub groups: serde_json::Value,
    /// Delays, faults and seeds of the simulation that forecast it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub simulation: serde_json::Value,
    /// The control plane it was forecast with: Kubernetes' version, and the scheduler's configuration if one was given.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub scheduler: serde_json::Value,
    /// What must still be so when it is carried out.
    #[serde(default)]
    pub guards: Guards,
}

impl Intent {
    /// An intent from batches of node indices and options.
    pub fn new(view: View<'_>, batches: &[Vec<NodeIdx>], options: Options) -> Intent {
        let batches = batches.iter().map(|b| b.iter().map(|n| NodeId::of(view, *n)).collect()).collect();
        Intent {
            batches,
            options,
            groups: serde_json::Value::Null,
            simulation: serde_json::Value::Null,
            scheduler: serde_json::Value::Null,
            guards: Guards::default(),
        }
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
                "the plan is about nodes that the cluster lacks: {}; plan again upon a fresh dump",
                missing.join(", ")
            )),
        }
    }
}

/// A node by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeId {
    /// Name.
    pub name: String,
    /// `metadata.uid`; a node of the same name and another uid is another node.
    pub uid: String,
}

impl NodeId {
    /// The identity of a node of a view.
    pub fn of(view: View<'_>, node: NodeIdx) -> NodeId {
        let spec = &view.state.nodes[node].spec;
        NodeId {
            name: view.state.name(view.catalog, spec.name).to_owned(),
            uid: view.state.name(view.catalog, spec.uid).to_owned(),
        }
    }
}

/// What must still be so when the plan is carried out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Codes of findings that were accepted when the plan was made; a new one stops the execution.
    pub accepted_findings: Vec<String>,
    /// How many pods may have come or gone since, in percent.
    pub pod_drift_percent: u32,
}

impl Guards {
    /// Guards that accept these findings.
    pub fn accepting(findings: &[Finding]) -> Guards {
        let mut accepted: Vec<String> = findings.iter().map(|f| f.code.clone()).collect();
        accepted.sort();
        accepted.dedup();
        Guards { accepted_findings: accepted, pod_drift_percent: 20 }
    }
}
