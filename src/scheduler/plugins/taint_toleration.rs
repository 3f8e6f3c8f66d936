//! TaintToleration: nodes with taints that the pod does not tolerate (P/tainttoleration).

use super::normalize::by_highest;
use super::pod_topology_spread::Scratch;
use super::{JudgesBy, Plugin, Scoring};
use crate::cluster::{Catalog, Effect, NodeIdx, NodeState, PodShape, Rules, Taint};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::{Code, Point};
use crate::scheduler::sight::Sight;
use crate::scheduler::{PluginId, PodView, Rejection};

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

/// The plugin.
pub struct TaintToleration;

impl Plugin for TaintToleration {
    const ID: PluginId = PluginId::TaintToleration;
    const POINTS: &'static [Point] = &[Point::Filter, Point::PreScore, Point::Score];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Score, Point::PreScore)];
    const JUDGES_BY: JudgesBy = JudgesBy::Node;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded, EventKind::Taints];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(3)
    }

    fn refuses(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
        !admits(shape, &sight.state.nodes[node])
    }

    fn rejection(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> Rejection {
        match shape.first_untolerated(&sight.state.nodes[node].taints) {
            Some(taint) if sight.resolved.rules.taint_is_named => {
                Rejection::text(Self::ID, Code::Unresolvable, named(sight.catalog, taint))
            }
            _ => Rejection::unresolvable(Self::ID, REASON),
        }
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        scoring.fill(out, |n| i64::from(raw_score(scoring.shape, &scoring.sight.state.nodes[n])));
        by_highest(out, true);
        true
    }

    /// A node added without, or rid of, taints that the pod does not tolerate (`tainttoleration isSchedulableAfterNodeChange`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        let shape = catalog.shape(state.pods[pod].spec);
        match event {
            ClusterEvent::NodeAdded(node) => shape.first_untolerated(&state.nodes[*node].taints).is_none(),
            ClusterEvent::Taints { before, after, .. } => {
                shape.first_untolerated(before).is_some() && shape.first_untolerated(after).is_none()
            }
            _ => false,
        }
    }
}
