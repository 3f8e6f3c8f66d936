//! DaemonSets (pkg/controller/daemon/daemon_controller.go, 1.36).

use super::memory::Memory;
use super::{Action, Sync};
use crate::cluster::{Catalog, Effect, NodeIdx, NodeState, OwnerIdx, Phase, PodIdx, PodShape, SpecIdx, State, Taint};

/// Taint keys that every DaemonSet pod tolerates with effect NoSchedule, besides what its template says
/// (daemon/util `AddOrUpdateDaemonPodTolerations`).
const TOLERATED: [&str; 4] = [
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];
/// The same with effect NoExecute.
const ENDURED: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// `podsShouldBeOnNode` for the nodes that changed or whose pod did: a node that should run a pod and has none (a
/// terminal one that is being deleted does not count) gets one, finished pods are deleted, and surplus ones but the
/// oldest.
pub fn sync(catalog: &Catalog, state: &State, memory: &mut Memory, owner: OwnerIdx) -> Sync {
    let mut sync = Sync { slow_start: true, ..Sync::default() };
    let nodes = std::mem::take(&mut memory.nodes);
    if catalog.owners[owner].deleting || memory.orphaned {
        return sync;
    }
    for node in nodes {
        if !state.nodes[node].gone {
            look_at(catalog, state, memory, owner, node, &mut sync);
        }
    }
    sync
}

fn look_at(catalog: &Catalog, state: &State, memory: &mut Memory, owner: OwnerIdx, node: NodeIdx, sync: &mut Sync) {
    let on_node = memory.on_node.entry(node).or_default();
    on_node.retain(|p| !state.pods[*p].gone);
    let there: Vec<PodIdx> = on_node
        .iter()
        .copied()
        .filter(|p| {
            let p = &state.pods[*p];
            !(p.phase.is_terminal() && p.deleting.is_some())
        })
        .collect();
    let (should_run, may_stay) = should_run(catalog, state, memory, owner, node);
    if there.is_empty() {
        if let (true, Some(spec)) = (should_run, source(catalog, memory, owner, node)) {
            sync.actions.push(Action::Create { spec, name: None, node: Some(node) });
        }
        return;
    }
    let live = there.iter().filter(|p| state.pods[**p].deleting.is_none());
    let mut running: Vec<PodIdx> = Vec::new();
    for pod in live {
        let finished = matches!(state.pods[*pod].phase, Phase::Failed | Phase::Succeeded);
        if finished || !may_stay {
            sync.actions.push(Action::Delete(*pod));
        } else {
            running.push(*pod);
        }
    }
    running.sort_by_key(|p| (state.pods[*p].created, *p));
    let surplus = running.into_iter().skip(1).map(Action::Delete);
    sync.actions.extend(surplus);
}

/// What the pod for a node is a clone of: the one it had; else any other of the DaemonSet, else the template.
fn source(catalog: &Catalog, memory: &Memory, owner: OwnerIdx, node: NodeIdx) -> Option<SpecIdx> {
    let had = memory.by_node.get(&node).copied();
    had.or(memory.source).or(catalog.owners[owner].template)
}

/// `NodeShouldRunDaemonPod`: (may be started here, may go on here). The node selector, affinity and tolerations are the
/// template's; live pods carry only the affinity to their own node, so without a template only nodes that had a pod
/// get one.
fn should_run(catalog: &Catalog, state: &State, memory: &Memory, owner: OwnerIdx, node: NodeIdx) -> (bool, bool) {
    let n = &state.nodes[node];
    let (shape, selected) = match catalog.owners[owner].template {
        Some(template) => {
            let shape = catalog.shape(template);
            (shape, selects(catalog, shape, n))
        }
        None => match memory.by_node.get(&node) {
            Some(spec) => (catalog.shape(*spec), true),
            None => return (false, true),
        },
    };
    if !selected {
        return (false, false);
    }
    let untolerated = |effect: Effect| n.taints.iter().any(|t| t.effect == effect && !tolerates(catalog, shape, t));
    let executes = untolerated(Effect::NoExecute);
    (!executes && !untolerated(Effect::NoSchedule), !executes)
}

/// Whether a DaemonSet's template selects a node by its labels and name.
pub fn selects(catalog: &Catalog, shape: &PodShape, node: &NodeState) -> bool {
    let labels = &node.spec.labels;
    shape.node_selector.iter().all(|(key, value)| labels.get(*key) == Some(*value))
        && shape.node_affinity.as_ref().is_none_or(|a| a.matches(labels, node.spec.name, &catalog.names))
}

fn tolerates(catalog: &Catalog, shape: &PodShape, taint: &Taint) -> bool {
    let key = catalog.text(taint.key);
    let given = match taint.effect {
        Effect::NoSchedule => TOLERATED.contains(&key),
        Effect::NoExecute => ENDURED.contains(&key),
        Effect::PreferNoSchedule => true,
    };
    given || shape.tolerations.iter().any(|t| t.tolerates(taint))
}

/// Whether a pod of `spec` has room on a node: resources and pod slots (P/noderesources/fit.go). Ports and volumes of
/// DaemonSet pods are not asked.
pub fn fits(catalog: &Catalog, state: &State, spec: SpecIdx, node: NodeIdx) -> bool {
    let n = &state.nodes[node];
    if n.gone || n.pods.len() as i64 >= n.spec.pod_slots {
        return false;
    }
    let requested = state.requested(node);
    let asked = &catalog.shape(spec).requests.amounts;
    asked.iter().all(|(resource, amount)| {
        let used = requested.get(crate::cluster::Idx::at(*resource)).copied().unwrap_or(0);
        *amount == 0 || used + amount <= n.spec.allocatable(*resource)
    })
}
