//! NodeAffinity: node selector and node affinity (P/nodeaffinity).

use super::normalize::by_highest;
use super::pod_topology_spread::Scratch;
use super::{JudgesBy, Plugin, Scoring};
use crate::cluster::{Interner, NodeIdx, NodeSelector, NodeSelectorTerm, NodeState, Operator, PodShape, Rules, Sym};
use crate::scheduler::counts::node_matches;
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::sight::Sight;
use crate::scheduler::{PluginId, PodView, Rejection};

/// Its words.
pub const REASON: &str = "node(s) didn't match Pod's node affinity/selector";
/// Words for the profile's added affinity.
pub const REASON_ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";
/// Words for terms that name no common node.
pub const REASON_CONFLICT: &str = "pod affinity terms conflict";

/// Whether a node meets the pod's own selector and required affinity.
pub fn admits(shape: &PodShape, node: &NodeState, names: &Interner) -> bool {
    node_matches(&shape.node_selector, shape.node_affinity.as_ref(), node, names)
}

/// Whether a node meets the profile's added affinity.
pub fn admits_enforced(added: Option<&NodeSelector>, node: &NodeState, names: &Interner) -> bool {
    added.is_none_or(|a| a.matches(&node.spec.labels, node.spec.name, names))
}

/// Raw score: sum of the weights of the preferred terms that match, the profile's own included.
pub fn raw_score(
    terms: &[(i32, NodeSelectorTerm)],
    added: &[(i32, NodeSelectorTerm)],
    node: &NodeState,
    names: &Interner,
) -> i64 {
    let matching = |t: &&(i32, NodeSelectorTerm)| t.1.matches(&node.spec.labels, node.spec.name, names);
    terms.iter().chain(added).filter(matching).map(|t| i64::from(t.0)).sum()
}

/// Nodes that required affinity names by `metadata.name`: intersected within a term, united over terms; None for no restriction.
pub fn named_nodes(affinity: Option<&NodeSelector>) -> Option<Vec<Sym>> {
    let terms = affinity.map(|a| &a.terms).filter(|t| !t.is_empty())?;
    let mut all = Vec::new();
    for term in terms {
        let mut named: Option<Vec<Sym>> = None;
        for field in term.fields.iter().filter(|f| f.operator == Operator::In) {
            let values = &field.values;
            named = Some(match named {
                None => values.to_vec(),
                Some(before) => before.into_iter().filter(|v| values.contains(v)).collect(),
            });
        }
        all.extend(named?);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// Whether preferred node affinity is scored for such pods.
pub fn prefers(sight: Sight<'_>, shape: &PodShape) -> bool {
    sight.config.weight(PluginId::NodeAffinity) != 0
        && (!shape.preferred_node_affinity.is_empty() || !sight.config.added_preferred.is_empty())
}

/// The plugin.
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    const ID: PluginId = PluginId::NodeAffinity;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter, Point::PreScore, Point::Score];
    const JUDGES_BY: JudgesBy = JudgesBy::Node;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(2)
    }

    fn refuses(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
        let (n, names) = (&sight.state.nodes[node], &sight.catalog.names);
        !admits_enforced(sight.config.added_affinity.as_ref(), n, names) || !admits(shape, n, names)
    }

    fn rejection(sight: Sight<'_>, _shape: &PodShape, node: NodeIdx) -> Rejection {
        let (n, names) = (&sight.state.nodes[node], &sight.catalog.names);
        let enforced = admits_enforced(sight.config.added_affinity.as_ref(), n, names);
        Rejection::unresolvable(Self::ID, if enforced { REASON } else { REASON_ENFORCED })
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        let (sight, shape) = (scoring.sight, scoring.shape);
        if !prefers(sight, shape) {
            return false;
        }
        let (own, added) = (&shape.preferred_node_affinity, &sight.config.added_preferred);
        scoring.fill(out, |n| raw_score(own, added, &sight.state.nodes[n], &sight.catalog.names));
        by_highest(out, false);
        true
    }

    /// A node added that matches the profile's added affinity, and the pod's required affinity and node selector
    /// (`nodeaffinity isSchedulableAfterNodeChange`; labels never change here).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => {
                let (n, names) = (&view.state.nodes[*node], &view.catalog.names);
                admits_enforced(view.config.added_affinity.as_ref(), n, names) && admits(view.shape(), n, names)
            }
            _ => false,
        }
    }
}
