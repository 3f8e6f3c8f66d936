//! Hints of NodeResourcesFit and NodePorts.

use super::ClusterEvent;
use crate::cluster::{Catalog, HostPort, NodeSpec, PodIdx, PodShape, State};

/// Any removal of a pod that held room; a node added whose empty self would hold the pod (`noderesources/fit.go`).
pub(super) fn fit(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::PodRemoved { .. } => true,
        ClusterEvent::NodeAdded(node) => fits_empty(catalog.shape(state.pods[pod].spec), &state.nodes[*node].spec),
        _ => false,
    }
}

/// `isFit` on a node without pods.
fn fits_empty(shape: &PodShape, node: &NodeSpec) -> bool {
    node.pod_slots >= 1 && shape.requests.amounts.iter().all(|(r, amount)| *amount <= node.allocatable(*r))
}

/// A node added, or a pod removed that shares a host port (`nodeports isSchedulableAfterPodDeleted`).
pub(super) fn ports(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::NodeAdded(_) => true,
        ClusterEvent::PodRemoved { pod: removed, .. } => {
            let wanted = &catalog.shape(state.pods[pod].spec).host_ports;
            let freed = &catalog.shape(state.pods[*removed].spec).host_ports;
            wanted.iter().any(|w| freed.iter().any(|f| conflict(w, f)))
        }
        _ => false,
    }
}

fn conflict(a: &HostPort, b: &HostPort) -> bool {
    a.protocol == b.protocol && a.port == b.port && (a.ip == b.ip || a.ip.is_none() || b.ip.is_none())
}
