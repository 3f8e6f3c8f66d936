//! Which empty nodes go.

use crate::cluster::*;
use crate::groups::matching::must_move;
use crate::sim::autoscaler::AutoscalerOptions;
use std::collections::BTreeMap;

/// Whether a node holds nothing that would have to move.
pub fn is_empty(view: View<'_>, node: NodeIdx) -> bool {
    let keeps = |p: &PodIdx| view.state.pods[*p].deleting.is_some() || must_move(view, *p);
    !view.state.nodes[node].pods.iter().any(keeps)
}

/// Nodes that were empty long enough, oldest emptiness first, never below a group's minimum.
///
/// Cordoned nodes are somebody else's business; nodes without a group are nobody's.
pub fn removable(
    view: View<'_>,
    options: &AutoscalerOptions,
    frozen: &[GroupIdx],
    empty_since: &BTreeMap<NodeIdx, i64>,
    now: i64,
) -> Vec<NodeIdx> {
    let mut counts: BTreeMap<GroupIdx, u32> = BTreeMap::new();
    for node in view.state.live_nodes() {
        if let Some(group) = view.state.nodes[node].group {
            *counts.entry(group).or_default() += 1;
        }
    }
    let mut due: Vec<(i64, NodeIdx)> = empty_since
        .iter()
        .filter(|(node, since)| now - **since >= options.unneeded_ms && !view.state.nodes[**node].gone)
        .map(|(node, since)| (*since, *node))
        .collect();
    due.sort();
    due.retain(|(_, node)| {
        let state = &view.state.nodes[*node];
        let Some(group) = state.group.filter(|g| !frozen.contains(g)) else { return false };
        let least = view.catalog.groups[group].min_count;
        let count = counts.entry(group).or_default();
        let may = !state.unschedulable && *count > least && is_empty(view, *node);
        if may {
            *count -= 1;
        }
        may
    });
    due.into_iter().map(|(_, node)| node).collect()
}
