//! What a scheduling cycle ends in, and how its failure is worded.

use super::names::{PluginId, PluginSet};
use super::plugin::Rejection;
use crate::cluster::{Catalog, NodeIdx};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The end of one scheduling cycle. Nothing is bound by it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Where to, or why not.
    pub verdict: Verdict,
    /// How many nodes were found feasible (the sample, if nodes were sampled).
    pub feasible: usize,
    /// How many nodes were looked at.
    pub evaluated: usize,
    /// It is the next best node of a search for a pod like it; no other was looked at.
    pub hinted: bool,
    /// Feasible nodes with their scores, if asked for and more than one node was feasible.
    pub explanation: Option<Box<Explanation>>,
}

impl Decision {
    /// The chosen node.
    pub fn node(&self) -> Option<NodeIdx> {
        match &self.verdict {
            Verdict::Node(node) => Some(*node),
            Verdict::Unschedulable(_) => None,
        }
    }
    /// Why there is none.
    pub fn failure(&self) -> Option<&Arc<Failure>> {
        match &self.verdict {
            Verdict::Node(_) => None,
            Verdict::Unschedulable(failure) => Some(failure),
        }
    }
}

/// Where a pod goes, or why it cannot.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The chosen node.
    Node(NodeIdx),
    /// No node; shared between pods of one class while nothing changes.
    Unschedulable(Arc<Failure>),
}

/// How the feasible nodes compare.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// Feasible nodes in the order in which they were found.
    pub feasible: Vec<NodeIdx>,
    /// Normalised and weighted scores of each plugin that was not skipped, in step with `feasible`.
    pub plugins: Vec<(PluginId, Vec<i64>)>,
    /// Sums, in step with `feasible`.
    pub totals: Vec<i64>,
    /// The nodes with the highest sum.
    pub best: Vec<NodeIdx>,
}

/// Why no node will do (framework `FitError` and its `Diagnosis`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Number of nodes in the cluster; 0 is an error of its own, retried with backoff.
    pub nodes: usize,
    /// A plugin rejected the pod before any node was looked at.
    pub pre_filter: Option<Rejection>,
    /// The first refusal of each node looked at, sorted by node.
    pub statuses: Vec<(NodeIdx, Rejection)>,
    /// What holds for the nodes not looked at, where a plugin narrowed the set.
    pub absent: Option<Rejection>,
    /// Plugins whose events may make the pod schedulable.
    pub rejectors: PluginSet,
}

impl Failure {
    /// What keeps the pod from one node.
    pub fn status(&self, node: NodeIdx) -> Option<&Rejection> {
        match self.statuses.binary_search_by_key(&node, |s| s.0) {
            Ok(i) => Some(&self.statuses[i].1),
            Err(_) => self.pre_filter.as_ref().or(self.absent.as_ref()),
        }
    }
    /// Nodes where preemption may help, by index (`NodesForStatusCode(Unschedulable)`); `live` are all nodes.
    pub fn preemptible(&self, live: impl Iterator<Item = NodeIdx>) -> Vec<NodeIdx> {
        live.filter(|n| self.status(*n).is_some_and(Rejection::is_resolvable)).collect()
    }
    /// The message of the PodScheduled condition: `0/N nodes are available: …. <post_filter>`.
    ///
    /// `post_filter` is preemption's part ("no new claims to deallocate, preemption: …"), empty if it did not run.
    /// Source: S/framework/types.go `FitError.Error`.
    pub fn message(&self, catalog: &Catalog, post_filter: &str) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".to_string();
        }
        let mut message = format!("0/{} nodes are available:", self.nodes);
        match &self.pre_filter {
            Some(rejection) => {
                let _ = write!(message, " {}.", rejection.message(catalog));
            }
            None => {
                let parts = histogram(catalog, self.statuses.iter().map(|s| &s.1), self.absent.as_ref(), self.nodes);
                if !parts.is_empty() {
                    let _ = write!(message, " {}.", parts.join(", "));
                }
            }
        }
        if !post_filter.is_empty() {
            let _ = write!(message, " {post_filter}");
        }
        message
    }
}

/// Reasons with their counts, as `<count> <reason>`, sorted as text; nodes without a status count for `absent`.
pub fn histogram<'a>(
    catalog: &Catalog,
    statuses: impl Iterator<Item = &'a Rejection>,
    absent: Option<&Rejection>,
    nodes: usize,
) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut explicit = 0;
    for status in statuses {
        explicit += 1;
        for reason in &status.reasons {
            *counts.entry(reason.text(catalog).into_owned()).or_default() += 1;
        }
    }
    if let (Some(absent), true) = (absent, explicit < nodes) {
        for reason in &absent.reasons {
            *counts.entry(reason.text(catalog).into_owned()).or_default() += nodes - explicit;
        }
    }
    let mut parts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    parts
}
