//! DefaultPreemption: pods of lower priority make room (P/defaultpreemption). What it does is in `scheduler::preemption`.

use super::Plugin;
use crate::scheduler::PluginId;
use crate::scheduler::plugin::Point;

/// The plugin. It leaves the decision whether an event is worth a try to the plugins that rejected the pod.
pub struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    const ID: PluginId = PluginId::DefaultPreemption;
    const POINTS: &'static [Point] = &[Point::PreEnqueue, Point::PostFilter];

    fn post_filter(preemption: Option<&str>) -> Option<String> {
        preemption.map(|text| format!("preemption: {text}"))
    }
}
