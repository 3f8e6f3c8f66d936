//! SchedulingGates: pods with gates are not tried (P/schedulinggates). Nothing here lifts a gate.

use super::Plugin;
use crate::scheduler::PluginId;
use crate::scheduler::plugin::Point;

/// The plugin.
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    const ID: PluginId = PluginId::SchedulingGates;
    const POINTS: &'static [Point] = &[Point::PreEnqueue];
}
