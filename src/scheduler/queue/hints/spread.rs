//! Hints of PodTopologySpread.

use super::ClusterEvent;
use crate::cluster::{Catalog, NodeIdx, PodIdx, SpreadConstraint, State, WhenUnsatisfiable};
use crate::scheduler::config::{DefaultSpread, Profile};
use crate::scheduler::plugins::pod_topology_spread::default_constraints;
use std::borrow::Cow;

/// A pod of the same namespace that a hard constraint counts came or went; a node with all the keys came, went or changed its
/// taints (`podtopologyspread/plugin.go`).
pub(super) fn spread(profile: &Profile, catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    let hard = hard(profile, catalog, state, pod);
    match event {
        ClusterEvent::PodRemoved { up_to_priority: Some(_), .. }
            if !catalog.kubernetes.rules().nominees_count_in_hints =>
        {
            false
        }
        ClusterEvent::PodAssigned(other) | ClusterEvent::PodRemoved { pod: other, .. } => {
            counted(&hard, catalog, state, pod, *other)
        }
        ClusterEvent::NodeAdded(node) | ClusterEvent::NodeRemoved(node) | ClusterEvent::Taints { node, .. } => {
            has_all_keys(&hard, state, *node)
        }
        _ => false,
    }
}

/// The pod's own hard constraints, the profile's if it has none of any kind (`getConstraints`).
fn hard<'c>(profile: &Profile, catalog: &'c Catalog, state: &State, pod: PodIdx) -> Vec<Cow<'c, SpreadConstraint>> {
    let spec = state.pods[pod].spec;
    let own = &catalog.shape(spec).spread;
    let mut constraints: Vec<Cow<'c, SpreadConstraint>> = match own.is_empty() {
        // The system's own constraints are soft.
        true if profile.default_spread == DefaultSpread::System => Vec::new(),
        true => {
            let spec = &catalog.specs[spec];
            let all = 0..catalog.services.len();
            let local = all.filter(|s| catalog.services[*s].namespace == spec.namespace).collect();
            default_constraints(catalog, local, profile, spec).into_iter().map(Cow::Owned).collect()
        }
        false => own.iter().map(Cow::Borrowed).collect(),
    };
    constraints.retain(|c| c.when == WhenUnsatisfiable::DoNotSchedule);
    constraints
}

fn counted(hard: &[Cow<'_, SpreadConstraint>], catalog: &Catalog, state: &State, pod: PodIdx, other: PodIdx) -> bool {
    let (mine, theirs) = (&catalog.specs[state.pods[pod].spec], &catalog.specs[state.pods[other].spec]);
    mine.namespace == theirs.namespace && hard.iter().any(|c| c.selector.matches(&theirs.labels, &catalog.names))
}

fn has_all_keys(hard: &[Cow<'_, SpreadConstraint>], state: &State, node: NodeIdx) -> bool {
    let labels = &state.nodes[node].spec.labels;
    hard.iter().all(|c| labels.get(c.topology_key).is_some())
}
