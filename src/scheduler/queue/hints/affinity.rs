//! Hints of InterPodAffinity.

use super::ClusterEvent;
use crate::cluster::{Catalog, NodeIdx, PodIdx, PodSpec, PodTerm, State};

/// A pod that matches all affinity terms came; a pod that all anti-affinity terms match, in either direction, went; a node came
/// that has an affinity key, or any node if the pod has anti-affinity (`interpodaffinity/plugin.go`).
pub(super) fn affinity(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    let mine = &catalog.specs[state.pods[pod].spec];
    let shape = catalog.shape(state.pods[pod].spec);
    let rules = catalog.kubernetes.rules();
    match event {
        ClusterEvent::PodAssigned(other) => {
            matches_all(catalog, &shape.affinity, &catalog.specs[state.pods[*other].spec])
        }
        ClusterEvent::PodRemoved { up_to_priority: Some(_), .. } if !rules.nominees_count_in_hints => false,
        ClusterEvent::PodRemoved { pod: other, .. } => {
            let theirs = &catalog.specs[state.pods[*other].spec];
            let their_terms = &catalog.shape(state.pods[*other].spec).anti_affinity;
            matches_all(catalog, &shape.anti_affinity, theirs)
                || (rules.end_of_repeller_wakes && matches_all(catalog, their_terms, mine))
        }
        ClusterEvent::NodeAdded(node) => has_a_key(state, &shape.affinity, *node) || !shape.anti_affinity.is_empty(),
        _ => false,
    }
}

/// `podMatchesAllAffinityTerms`: no terms match nothing.
fn matches_all(catalog: &Catalog, terms: &[PodTerm], spec: &PodSpec) -> bool {
    !terms.is_empty()
        && terms.iter().all(|t| {
            (t.all_namespaces || t.namespaces.contains(&spec.namespace))
                && t.selector.matches(&spec.labels, &catalog.names)
        })
}

fn has_a_key(state: &State, terms: &[PodTerm], node: NodeIdx) -> bool {
    let labels = &state.nodes[node].spec.labels;
    terms.iter().any(|t| labels.get(t.topology_key).is_some())
}
