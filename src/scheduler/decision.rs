//! What a scheduling cycle ends in, and how its failure is worded.

use super::names::{PluginId, PluginSet};
use super::plugin::Rejection;
use crate::cluster::{Catalog, Idx, NodeIdx};
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
    /// The first refusal of each node looked at.
    pub statuses: Statuses,
    /// What holds for the nodes not looked at, where a plugin narrowed the set.
    pub absent: Option<Rejection>,
    /// Plugins whose events may make the pod schedulable.
    pub rejectors: PluginSet,
}

/// Refusals by node. Many nodes refuse in the same words, which are kept once.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// Sorted by node, with the place among `kinds`.
    nodes: Vec<(NodeIdx, u32)>,
    /// Different refusals, with the number of nodes; those of no node stay.
    kinds: Vec<(Rejection, usize)>,
    /// The kind written last, which is often the next one too.
    recent: usize,
}

impl Statuses {
    /// How many nodes have one.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node has one.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What a node said.
    pub fn get(&self, node: NodeIdx) -> Option<&Rejection> {
        Some(&self.kinds[self.kind_of(node)? as usize].0)
    }

    /// The place among the kinds of what a node said.
    pub(super) fn kind_of(&self, node: NodeIdx) -> Option<u32> {
        self.place(node).ok().map(|at| self.nodes[at].1)
    }

    /// Where a node stands, or would.
    #[inline]
    fn place(&self, node: NodeIdx) -> Result<usize, usize> {
        // Most are written in order, and where all nodes have one a node's place is its index.
        match self.nodes.get(node.at()) {
            Some(there) if there.0 == node => Ok(node.at()),
            _ if self.nodes.last().is_none_or(|last| last.0 < node) => Err(self.nodes.len()),
            _ => self.nodes.binary_search_by_key(&node, |s| s.0),
        }
    }

    /// All, by node.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIdx, &Rejection)> {
        self.nodes.iter().map(|(node, kind)| (*node, &self.kinds[*kind as usize].0))
    }

    /// The different refusals, with the number of nodes.
    pub fn kinds(&self) -> impl Iterator<Item = (&Rejection, usize)> {
        self.kinds.iter().filter(|k| k.1 > 0).map(|k| (&k.0, k.1))
    }

    /// Nodes whose refusal is of some kind, by index.
    pub fn of_kind(&self, is: impl Fn(&Rejection) -> bool) -> Vec<NodeIdx> {
        let wanted: Vec<bool> = self.kinds.iter().map(|k| k.1 > 0 && is(&k.0)).collect();
        if !wanted.contains(&true) {
            return Vec::new();
        }
        self.nodes.iter().filter(|s| wanted[s.1 as usize]).map(|s| s.0).collect()
    }

    /// Writes what a node says now.
    pub fn set(&mut self, node: NodeIdx, rejection: Rejection) {
        let kind = self.kind(rejection);
        self.set_kind(node, kind);
    }

    /// The place of a refusal among the kinds, which it gets if it is new.
    pub(super) fn kind(&mut self, rejection: Rejection) -> u32 {
        let is_recent = self.kinds.get(self.recent).is_some_and(|k| k.0 == rejection);
        self.recent =
            match is_recent.then_some(self.recent).or_else(|| self.kinds.iter().position(|k| k.0 == rejection)) {
                Some(known) => known,
                None => {
                    self.kinds.push((rejection, 0));
                    self.kinds.len() - 1
                }
            };
        self.recent as u32
    }

    /// Writes that a node says now what is at this place among the kinds.
    pub(super) fn set_kind(&mut self, node: NodeIdx, kind: u32) {
        self.kinds[kind as usize].1 += 1;
        match self.place(node) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.nodes[at].1, kind);
                self.kinds[before as usize].1 -= 1;
            }
            Err(at) => self.nodes.insert(at, (node, kind)),
        }
    }

    /// Forgets a node.
    pub fn remove(&mut self, node: NodeIdx) {
        if let Ok(at) = self.place(node) {
            let (_, kind) = self.nodes.remove(at);
            self.kinds[kind as usize].1 -= 1;
        }
    }
}

impl FromIterator<(NodeIdx, Rejection)> for Statuses {
    fn from_iter<T: IntoIterator<Item = (NodeIdx, Rejection)>>(all: T) -> Statuses {
        let mut statuses = Statuses::default();
        all.into_iter().for_each(|(node, rejection)| statuses.set(node, rejection));
        statuses
    }
}

impl PartialEq for Statuses {
    fn eq(&self, other: &Statuses) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Statuses {}

impl Failure {
    /// What keeps the pod from one node.
    pub fn status(&self, node: NodeIdx) -> Option<&Rejection> {
        self.statuses.get(node).or(self.pre_filter.as_ref()).or(self.absent.as_ref())
    }

    /// Nodes where preemption may help, by index (`NodesForStatusCode(Unschedulable)`); `live` are all nodes.
    pub fn preemptible(&self, live: impl Iterator<Item = NodeIdx>) -> Vec<NodeIdx> {
        let others = self.pre_filter.as_ref().or(self.absent.as_ref());
        match others.is_some_and(Rejection::is_resolvable) {
            true => live.filter(|n| self.status(*n).is_some_and(Rejection::is_resolvable)).collect(),
            false => self.statuses.of_kind(Rejection::is_resolvable),
        }
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
                let parts = histogram(catalog, self.statuses.kinds(), self.absent.as_ref(), self.nodes);
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

/// Reasons with their counts, as `<count> <reason>`, sorted as text; `statuses` come with their numbers of nodes, and nodes
/// without one count for `absent`.
pub fn histogram<'a>(
    catalog: &Catalog,
    statuses: impl Iterator<Item = (&'a Rejection, usize)>,
    absent: Option<&Rejection>,
    nodes: usize,
) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut explicit = 0;
    for (status, count) in statuses {
        explicit += count;
        for reason in &status.reasons {
            *counts.entry(reason.text(catalog).into_owned()).or_default() += count;
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
