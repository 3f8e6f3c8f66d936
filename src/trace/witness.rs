//! Which event a change of the cluster is: the one author of a trace's cluster events, for simulated and live runs alike.
//!
//! A simulation reads the changes from the state's log. A live run sees objects as they were and as they are:
//! [`changes_of_pod`] and [`changes_of_node`] say which changes lie between the two.

use super::event::{EventKind, NodeRole};
use super::observation::{Detail, Observation};
use super::workloads::ReadyCounts;
use crate::cluster::{
    Arena, BudgetIdx, BudgetStatus, CPU, Idx, MEMORY, NodeChange, NodeIdx, NodeState, PodChange, PodIdx, PodState,
    SpecIdx, View,
};

/// The cluster at the start: every figure can be made from the trace alone.
///
/// `counts` are the workloads' ready pods; `budgets_of` the budgets over a pod.
pub fn initial<'b>(
    view: View<'_>,
    is_old: impl Fn(NodeIdx) -> bool,
    counts: &ReadyCounts,
    budgets_of: impl Fn(SpecIdx) -> &'b [BudgetIdx],
) -> Vec<Observation> {
    let (c, s) = (view.catalog, view.state);
    let mut seen = Vec::new();
    for node in s.live_nodes() {
        let requested = s.requested(node);
        seen.push(Observation::new(0, EventKind::NodeAdded).node(node).detail(Detail {
            initial: true,
            role: Some(if is_old(node) { NodeRole::Old } else { NodeRole::Other }),
            pods: Some(s.nodes[node].pods.len() as u32),
            requested_cpu_milli: requested.get(CPU.at()).copied(),
            requested_memory_bytes: requested.get(MEMORY.at()).copied(),
            ..Detail::default()
        }));
    }
    let pending = |p: &PodIdx| s.pods[*p].node.is_none() && !s.pods[*p].phase.is_terminal();
    for pod in s.live_pods().filter(pending) {
        let detail = Detail { initial: true, ..Detail::default() };
        seen.push(Observation::new(0, EventKind::PodCreated).pod(pod).detail(detail));
    }
    let mut ready: Arena<BudgetIdx, u32> = c.budgets.iter().map(|_| 0).collect();
    for pod in s.live_pods().filter(|p| s.pods[*p].ready && s.pods[*p].is_active()) {
        budgets_of(s.pods[pod].spec).iter().for_each(|b| ready[*b] += 1);
    }
    for b in c.budgets.indices() {
        let detail = Detail { initial: true, ready: Some(ready[b]), ..figures(&s.budgets[b]) };
        seen.push(Observation::new(0, EventKind::BudgetChanged).budget(b).detail(detail));
    }
    seen.extend(counts.initial(view, budgets_of));
    seen
}

/// What a change of a pod is, `is` being the pod after it (for one that is gone: as it was last). None for what a trace does not have.
pub fn pod(now: i64, pod: PodIdx, is: &PodState, what: PodChange) -> Option<Observation> {
    let ended_by_itself = is.phase.is_terminal() && is.deleting.is_none();
    let kind = match what {
        PodChange::Added => EventKind::PodCreated,
        PodChange::Bound => EventKind::PodBound,
        PodChange::Ready if is.ready => EventKind::PodReady,
        PodChange::Unschedulable if is.unschedulable && is.node.is_none() => EventKind::PodUnschedulable,
        // A pod that ended by itself was reported when it did.
        PodChange::Removed if !ended_by_itself => EventKind::PodTerminated,
        PodChange::Phase(before) if ended_by_itself && !before.is_terminal() => EventKind::PodTerminated,
        _ => return None,
    };
    let seen = Observation::new(now, kind).pod(pod).node(is.node);
    Some(match what {
        PodChange::Phase(_) => seen.detail(Detail { reason: Some("Completed".to_owned()), ..Detail::default() }),
        _ => seen,
    })
}

/// What a change of a node is, `is` being the node after it (for one that is gone: as it was last). None for what a trace does not have.
pub fn node(now: i64, node: NodeIdx, is: &NodeState, what: NodeChange) -> Option<Observation> {
    let kind = match what {
        NodeChange::Added => EventKind::NodeAdded,
        NodeChange::Unschedulable if is.unschedulable => EventKind::NodeCordoned,
        NodeChange::Unschedulable => EventKind::NodeUncordoned,
        NodeChange::Ready if is.ready => EventKind::NodeReady,
        NodeChange::Ready => EventKind::NodeNotReady,
        NodeChange::Removed => EventKind::NodeDeleted,
        NodeChange::Taints => return None,
    };
    let seen = Observation::new(now, kind).node(node);
    Some(match what {
        NodeChange::Added => seen.detail(Detail { role: Some(NodeRole::New), ..Detail::default() }),
        _ => seen,
    })
}

/// A budget's stored status has changed.
pub fn budget(now: i64, budget: BudgetIdx, is: &BudgetStatus) -> Observation {
    Observation::new(now, EventKind::BudgetChanged).budget(budget).detail(figures(is))
}

fn figures(status: &BudgetStatus) -> Detail {
    Detail {
        allowed: Some(status.allowed),
        healthy: Some(status.healthy),
        desired: Some(status.desired),
        expected: Some(status.expected),
        ..Detail::default()
    }
}

/// The changes between a pod as it was (None: it was not there) and as it is (None: it is gone), in the order in which a pod goes through them.
pub fn changes_of_pod(was: Option<&PodState>, is: Option<&PodState>) -> Vec<PodChange> {
    let Some(is) = is else { return vec![PodChange::Removed] };
    let mut changes = Vec::new();
    let mut when = |happened: bool, change| changes.extend(happened.then_some(change));
    when(was.is_none(), PodChange::Added);
    when(is.node.is_some() && was.is_none_or(|w| w.node.is_none()), PodChange::Bound);
    when(is.unschedulable != was.is_some_and(|w| w.unschedulable), PodChange::Unschedulable);
    when(is.ready != was.is_some_and(|w| w.ready), PodChange::Ready);
    let before = was.map_or(crate::cluster::Phase::Pending, |w| w.phase);
    when(is.phase != before, PodChange::Phase(before));
    changes
}

/// The changes between a node as it was (None: it was not there) and as it is (None: it is gone), in the order in which a node goes through them.
pub fn changes_of_node(was: Option<&NodeState>, is: Option<&NodeState>) -> Vec<NodeChange> {
    let Some(is) = is else { return vec![NodeChange::Removed] };
    let mut changes = Vec::new();
    let mut when = |happened: bool, change| changes.extend(happened.then_some(change));
    when(was.is_none(), NodeChange::Added);
    when(is.ready != was.is_some_and(|w| w.ready), NodeChange::Ready);
    when(is.unschedulable != was.is_some_and(|w| w.unschedulable), NodeChange::Unschedulable);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::draw::Draws;
    use crate::cluster::{Change, Phase};
    use crate::snapshot::Snapshot;
    use serde_json::json;

    /// One change at a time, the log of a simulation and the two looks of a live run make the same events.
    #[test]
    fn the_log_and_two_looks_say_the_same() {
        let objects = [
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "n"},
                "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "d", "uid": "p"},
                "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending"}}),
        ];
        let cluster = Snapshot::from_objects(&objects).expect("a cluster").cluster;
        let (catalog, start) = (cluster.catalog, cluster.state);
        let (node_idx, pod_idx) = (NodeIdx(0), PodIdx(0));
        let mut events = 0;
        for seed in 0..40 {
            let draws = Draws::new(seed);
            let mut state = start.clone();
            for nth in 0..30 {
                let (pod_was, node_was) = (state.pods[pod_idx].clone(), state.nodes[node_idx].clone());
                let cursor = state.cursor();
                let yes = draws.below("p", "which way", nth, 2) == 0;
                match draws.below("p", "what", nth, 9) {
                    0 if pod_was.node.is_none() => state.bind(&catalog, pod_idx, node_idx, 0),
                    1 => state.set_unschedulable_pod(pod_idx, yes),
                    2 => state.set_ready(pod_idx, yes, 0),
                    3 if pod_was.deleting.is_none() => state.set_deleting(pod_idx, 0, 1000),
                    4 => state.set_phase(&catalog, pod_idx, if yes { Phase::Running } else { Phase::Succeeded }),
                    5 => state.set_unschedulable(node_idx, yes),
                    6 => state.set_node_ready(node_idx, yes),
                    7 if nth > 20 => state.remove_pod(&catalog, pod_idx),
                    8 if nth > 20 => state.remove_node(node_idx),
                    _ => {}
                }
                let (pod_is, node_is) = (&state.pods[pod_idx], &state.nodes[node_idx]);
                let log: Vec<Observation> = state
                    .changes_since(cursor)
                    .iter()
                    .filter_map(|change| match change {
                        Change::Pod(i, what) => pod(0, *i, pod_is, *what),
                        Change::Node(i, what) => node(0, *i, node_is, *what),
                        _ => None,
                    })
                    .collect();
                let there = |gone: bool| !gone;
                let pods = changes_of_pod(Some(&pod_was), there(pod_is.gone).then_some(pod_is));
                let nodes = changes_of_node(Some(&node_was), there(node_is.gone).then_some(node_is));
                let mut looks: Vec<Observation> = pods
                    .into_iter()
                    .filter_map(|c| pod(0, pod_idx, if pod_is.gone { &pod_was } else { pod_is }, c))
                    .collect();
                looks.extend(nodes.into_iter().filter_map(|c| node(0, node_idx, node_is, c)));
                assert_eq!(log, looks, "seed {seed}, step {nth}");
                events += log.len();
                if pod_is.gone || node_is.gone {
                    break;
                }
            }
        }
        assert!(events > 200, "only {events} events");
    }

    #[test]
    fn what_a_pod_went_through_between_two_looks_is_in_its_order() {
        let was = crate::cluster::fixtures::pod(crate::cluster::SpecIdx(0), crate::cluster::Sym(0));
        let is = PodState { node: Some(NodeIdx(3)), ready: true, phase: Phase::Running, ..was.clone() };
        let kinds = |was: Option<&PodState>, is: Option<&PodState>, last: &PodState| -> Vec<EventKind> {
            changes_of_pod(was, is).into_iter().filter_map(|c| pod(0, PodIdx(0), last, c)).map(|o| o.kind).collect()
        };
        use EventKind::{PodBound, PodCreated, PodReady, PodTerminated};
        assert_eq!(kinds(None, Some(&is), &is), [PodCreated, PodBound, PodReady]);
        assert_eq!(kinds(Some(&was), Some(&is), &is), [PodBound, PodReady]);
        assert_eq!(kinds(Some(&is), None, &is), [PodTerminated]);
        let done = PodState { phase: Phase::Succeeded, ready: false, ..is.clone() };
        assert_eq!(kinds(Some(&is), Some(&done), &done), [PodTerminated]);
        assert_eq!(kinds(Some(&done), None, &done), [], "its end was reported when it came");
    }
}
