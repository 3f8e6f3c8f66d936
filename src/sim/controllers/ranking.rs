//! Which pods a controller deletes first when it has too many.

use crate::cluster::{Phase, PodIdx, PodState, State};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The `n` first to go (pkg/controller `ActivePodsWithRanks.Less`): unbound, then pending, then unready, then those
/// that share a node with more ready ones, then the latest ready, the most restarted, the newest. (The real order among
/// pods of like age is coarser and ends in the uid, which is random \[ND\]; pod-deletion-cost is not read.)
pub fn first_to_go(state: &State, pods: &[PodIdx], n: usize) -> Vec<PodIdx> {
    let mut ready_on = BTreeMap::new();
    for pod in pods.iter().filter(|p| state.pods[**p].ready) {
        *ready_on.entry(state.pods[*pod].node).or_insert(0_u32) += 1;
    }
    let rank = |p: &PodState| {
        let phase = match p.phase {
            Phase::Pending => 0,
            Phase::Unknown => 1,
            _ => 2,
        };
        (
            p.node.is_some(),
            phase,
            p.ready,
            Reverse(ready_on.get(&p.node).copied().unwrap_or(0)),
            Reverse(if p.ready { p.ready_since } else { 0 }),
            Reverse(p.restarts),
            Reverse(p.created),
        )
    };
    let mut sorted = pods.to_vec();
    sorted.sort_by_key(|p| (rank(&state.pods[*p]), Reverse(*p)));
    sorted.truncate(n);
    sorted
}
