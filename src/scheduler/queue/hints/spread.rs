//! Hints of PodTopologySpread.

use super::ClusterEvent;
use crate::cluster::{Catalog, NodeIdx, PodIdx, SpreadConstraint, State, WhenUnsatisfiable};

/// A pod of the same namespace that a hard constraint counts came or went; a node with all the keys came, went or changed its
/// taints (`podtopologyspread/plugin.go`). A pod rejected without hard constraints of its own was rejected by configured
/// default ones, which are not known here: then every such event counts.
pub(super) fn spread(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::PodAssigned(other) | ClusterEvent::PodRemoved { pod: other, .. } => {
            counted(catalog, state, pod, *other)
        }
        ClusterEvent::NodeAdded(node) | ClusterEvent::NodeRemoved(node) | ClusterEvent::Taints { node, .. } => {
            has_all_keys(catalog, state, pod, *node)
        }
        _ => false,
    }
}

fn hard<'c>(catalog: &'c Catalog, state: &State, pod: PodIdx) -> impl Iterator<Item = &'c SpreadConstraint> {
    let constraints = &catalog.shape(state.pods[pod].spec).spread;
    constraints.iter().filter(|c| c.when == WhenUnsatisfiable::DoNotSchedule)
}

fn counted(catalog: &Catalog, state: &State, pod: PodIdx, other: PodIdx) -> bool {
    let (mine, theirs) = (&catalog.specs[state.pods[pod].spec], &catalog.specs[state.pods[other].spec]);
    if mine.namespace != theirs.namespace {
        return false;
    }
    let mut constraints = hard(catalog, state, pod).peekable();
    constraints.peek().is_none() || constraints.any(|c| c.selector.matches(&theirs.labels, &catalog.names))
}

fn has_all_keys(catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx) -> bool {
    let labels = &state.nodes[node].spec.labels;
    hard(catalog, state, pod).all(|c| labels.get(c.topology_key).is_some())
}
