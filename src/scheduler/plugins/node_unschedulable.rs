//! NodeUnschedulable: cordoned nodes take no pods but those that tolerate the cordon's taint (P/nodeunschedulable).

use super::{JudgesBy, Plugin};
use crate::cluster::{Effect, NodeIdx, NodeState, PodShape, Taint, WellKnown};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::sight::Sight;
use crate::scheduler::{PluginId, PodView, Rejection};

/// Its words.
pub const REASON: &str = "node(s) were unschedulable";

/// Whether a node lets a pod pass.
pub fn admits(shape: &PodShape, node: &NodeState, known: &WellKnown) -> bool {
    let taint = Taint { key: known.unschedulable_taint, value: known.empty, effect: Effect::NoSchedule };
    !node.unschedulable || shape.tolerations.iter().any(|t| t.tolerates(&taint))
}

/// The plugin.
pub struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    const ID: PluginId = PluginId::NodeUnschedulable;
    const POINTS: &'static [Point] = &[Point::Filter];
    const JUDGES_BY: JudgesBy = JudgesBy::Node;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded, EventKind::Uncordoned];

    fn refuses(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
        !admits(shape, &sight.state.nodes[node], &sight.catalog.known)
    }

    fn rejection(_sight: Sight<'_>, _shape: &PodShape, _node: NodeIdx) -> Rejection {
        Rejection::unresolvable(Self::ID, REASON)
    }

    /// A node added schedulable, or uncordoned (`nodeunschedulable isSchedulableAfterNodeChange`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let state = view.state;
        match event {
            ClusterEvent::NodeAdded(node) => !state.nodes[*node].unschedulable,
            ClusterEvent::Uncordoned(_) => true,
            _ => false,
        }
    }
}
