//! Hints of the plugins that look at the node alone: NodeUnschedulable, TaintToleration, NodeAffinity.

use super::ClusterEvent;
use crate::cluster::{Catalog, NodeIdx, PodIdx, State};
use crate::scheduler::config::Profile;

/// A node added schedulable, or uncordoned (`nodeunschedulable isSchedulableAfterNodeChange`).
pub(super) fn unschedulable(state: &State, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::NodeAdded(node) => !state.nodes[*node].unschedulable,
        ClusterEvent::Uncordoned(_) => true,
        _ => false,
    }
}

/// A node added without, or rid of, taints that the pod does not tolerate (`tainttoleration isSchedulableAfterNodeChange`).
pub(super) fn taints(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    let shape = catalog.shape(state.pods[pod].spec);
    match event {
        ClusterEvent::NodeAdded(node) => shape.first_untolerated(&state.nodes[*node].taints).is_none(),
        ClusterEvent::Taints { before, after, .. } => {
            shape.first_untolerated(before).is_some() && shape.first_untolerated(after).is_none()
        }
        _ => false,
    }
}

/// A node added that matches the profile's added affinity, and the pod's required affinity and node selector
/// (`nodeaffinity isSchedulableAfterNodeChange`; labels never change here).
pub(super) fn affinity(profile: &Profile, catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::NodeAdded(node) => {
            let spec = &state.nodes[*node].spec;
            let added = profile.added_affinity.as_ref();
            added.is_none_or(|a| a.matches(&spec.labels, spec.name, &catalog.names))
                && matches_node(catalog, state, pod, *node)
        }
        _ => false,
    }
}

fn matches_node(catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx) -> bool {
    let shape = catalog.shape(state.pods[pod].spec);
    let spec = &state.nodes[node].spec;
    shape.node_selector.iter().all(|(key, value)| spec.labels.get(*key) == Some(*value))
        && shape.node_affinity.as_ref().is_none_or(|a| a.matches(&spec.labels, spec.name, &catalog.names))
}
