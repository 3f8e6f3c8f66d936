//! NodePorts: host ports that another pod on the node holds (P/nodeports; `HostPortInfo.CheckConflict`).

use super::{JudgesBy, Plugin};
use crate::cluster::{Catalog, HostPort, NodeIdx, NodeState, PodShape, State};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::sight::Sight;
use crate::scheduler::{PluginId, PodView, Rejection};

/// Its words.
pub const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

/// Whether two ports conflict: same protocol and number, and same address or one of them 0.0.0.0.
pub fn conflict(a: &HostPort, b: &HostPort) -> bool {
    a.protocol == b.protocol && a.port == b.port && (a.ip.is_none() || b.ip.is_none() || a.ip == b.ip)
}

/// Whether two pods cannot share a node for their ports.
pub fn shapes_conflict(a: &PodShape, b: &PodShape) -> bool {
    a.host_ports.iter().any(|p| b.host_ports.iter().any(|q| conflict(p, q)))
}

/// Whether a node's ports are free for a pod.
pub fn admits(shape: &PodShape, node: &NodeState, catalog: &Catalog, state: &State) -> bool {
    shape.host_ports.is_empty() || !node.pods.iter().any(|p| shapes_conflict(shape, catalog.shape(state.pods[*p].spec)))
}

/// The plugin.
pub struct NodePorts;

impl Plugin for NodePorts {
    const ID: PluginId = PluginId::NodePorts;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter)];
    const JUDGES_BY: JudgesBy = JudgesBy::Node;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded, EventKind::PodRemoved];

    fn applies(_sight: Sight<'_>, shape: &PodShape) -> bool {
        !shape.host_ports.is_empty()
    }

    fn refuses(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
        !admits(shape, &sight.state.nodes[node], sight.catalog, sight.state)
    }

    fn rejection(_sight: Sight<'_>, _shape: &PodShape, _node: NodeIdx) -> Rejection {
        Rejection::unschedulable(Self::ID, REASON)
    }

    /// A node added, or a pod removed that shares a host port (`nodeports isSchedulableAfterPodDeleted`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::PodRemoved { pod: removed, .. } => {
                shapes_conflict(view.shape(), view.catalog.shape(view.state.pods[*removed].spec))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Sym;

    #[test]
    fn the_wildcard_address_conflicts_with_any() {
        let port = |ip: Option<u32>, protocol, port| HostPort { ip: ip.map(Sym), protocol: Sym(protocol), port };
        assert!(conflict(&port(None, 1, 80), &port(Some(9), 1, 80)));
        assert!(conflict(&port(Some(9), 1, 80), &port(Some(9), 1, 80)));
        assert!(!conflict(&port(Some(8), 1, 80), &port(Some(9), 1, 80)));
        assert!(!conflict(&port(None, 1, 80), &port(None, 2, 80)));
        assert!(!conflict(&port(None, 1, 80), &port(None, 1, 81)));
    }
}
