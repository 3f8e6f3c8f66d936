//! TaintToleration: nodes with taints that the pod does not tolerate (P/tainttoleration).

use crate::cluster::{Catalog, Effect, NodeState, PodShape, Taint};

/// Its words.
pub const REASON: &str = "node(s) had untolerated taint(s)";

/// Its words until 1.34, with the taint.
pub fn named(catalog: &Catalog, taint: &Taint) -> String {
    format!("node(s) had untolerated taint {{{}: {}}}", catalog.text(taint.key), catalog.text(taint.value))
}

/// Whether a node lets a pod pass: no taint of NoSchedule or NoExecute that it does not tolerate.
pub fn admits(shape: &PodShape, node: &NodeState) -> bool {
    shape.first_untolerated(&node.taints).is_none()
}

/// Raw score: how many PreferNoSchedule taints it does not tolerate. The fewer the better.
pub fn raw_score(shape: &PodShape, node: &NodeState) -> u32 {
    let untolerated = |taint: &&crate::cluster::Taint| {
        taint.effect == Effect::PreferNoSchedule && !shape.tolerations.iter().any(|t| t.tolerates(taint))
    };
    node.taints.iter().filter(untolerated).count() as u32
}
