//! NodeDeclaredFeatures (1.36 beta): what a pod needs of a kubelet's declared features (P/nodedeclaredfeatures).
//!
//! Not modelled: the features that a pod spec implies are a list in the scheduler's binary; no pod of the recordings implies one.

use super::Plugin;
use crate::cluster::{KubernetesVersion, Rules};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::{PluginId, PodView};

/// Its words.
pub const REASON: &str = "node(s) didn't match Pod's required features";

/// The plugin.
pub struct NodeDeclaredFeatures;

impl Plugin for NodeDeclaredFeatures {
    const ID: PluginId = PluginId::NodeDeclaredFeatures;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter];
    const SINCE: KubernetesVersion = KubernetesVersion::V1_35;
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter)];
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded];

    fn default_weight(rules: Rules) -> Option<i64> {
        rules.declared_features.then_some(0)
    }

    /// A new node may have the features.
    fn says_queue(_view: PodView<'_>, event: &ClusterEvent) -> bool {
        matches!(event, ClusterEvent::NodeAdded(_))
    }
}
