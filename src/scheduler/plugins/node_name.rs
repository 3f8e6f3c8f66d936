//! NodeName: a pod that names its node goes there (P/nodename).
//!
//! It never refuses here: a pod with `spec.nodeName` is bound already and does not come before the scheduler.

use super::Plugin;
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::{PluginId, PodView};

/// Its words.
pub const REASON: &str = "node(s) didn't match the requested node name";

/// The plugin.
pub struct NodeName;

impl Plugin for NodeName {
    const ID: PluginId = PluginId::NodeName;
    const POINTS: &'static [Point] = &[Point::Filter];
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded];

    fn says_queue(_view: PodView<'_>, event: &ClusterEvent) -> bool {
        matches!(event, ClusterEvent::NodeAdded(_))
    }
}
