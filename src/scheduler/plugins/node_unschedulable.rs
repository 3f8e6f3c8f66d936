//! NodeUnschedulable: cordoned nodes take no pods but those that tolerate the cordon's taint (P/nodeunschedulable).

use crate::cluster::{Effect, NodeState, PodShape, Taint, WellKnown};

/// Its words.
pub const REASON: &str = "node(s) were unschedulable";

/// Whether a node lets a pod pass.
pub fn admits(shape: &PodShape, node: &NodeState, known: &WellKnown) -> bool {
    let taint = Taint { key: known.unschedulable_taint, value: known.empty, effect: Effect::NoSchedule };
    !node.unschedulable || shape.tolerations.iter().any(|t| t.tolerates(&taint))
}
