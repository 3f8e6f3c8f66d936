//! NodeDeclaredFeatures (in the default profile since 1.36): what a pod needs of the features that a kubelet declares
//! (P/nodedeclaredfeatures).

use super::{JudgesBy, Plugin};
use crate::cluster::{KubernetesVersion, NodeIdx, PodShape, Rules};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::sight::Sight;
use crate::scheduler::{PluginId, PodView, Rejection};

/// Its words.
pub const REASON: &str = "node(s) didn't match Pod's required features";

/// The plugin.
pub struct NodeDeclaredFeatures;

impl Plugin for NodeDeclaredFeatures {
    const ID: PluginId = PluginId::NodeDeclaredFeatures;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter];
    const SINCE: KubernetesVersion = KubernetesVersion::V1_35;
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter)];
    const JUDGES_BY: JudgesBy = JudgesBy::Node;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded];

    fn default_weight(rules: Rules) -> Option<i64> {
        rules.declared_features.then_some(0)
    }

    fn applies(_sight: Sight<'_>, shape: &PodShape) -> bool {
        !shape.features.is_empty()
    }

    fn refuses(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
        !shape.features.is_empty() && {
            let declared = &sight.state.nodes[node].spec.declared_features;
            shape.features.iter().any(|f| !declared.contains(f))
        }
    }

    fn rejection(_sight: Sight<'_>, _shape: &PodShape, _node: NodeIdx) -> Rejection {
        Rejection::unresolvable(Self::ID, REASON)
    }

    /// A new node may have the features.
    fn says_queue(_view: PodView<'_>, event: &ClusterEvent) -> bool {
        matches!(event, ClusterEvent::NodeAdded(_))
    }
}
