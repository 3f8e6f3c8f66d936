//! DynamicResources: scores 0 for pods without resource claims (P/dynamicresources); claims are not modelled.

use super::Plugin;
use super::Scoring;
use super::pod_topology_spread::Scratch;
use crate::cluster::{KubernetesVersion, Rules};
use crate::scheduler::PluginId;
use crate::scheduler::plugin::Point;

/// What preemption's message starts with while the plugin is on: nothing could be deallocated.
pub const POST_FILTER: &str = "no new claims to deallocate";

/// The plugin.
pub struct DynamicResources;

impl Plugin for DynamicResources {
    const ID: PluginId = PluginId::DynamicResources;
    const POINTS: &'static [Point] = &[
        Point::PreEnqueue,
        Point::PreFilter,
        Point::Filter,
        Point::PostFilter,
        Point::Score,
        Point::Reserve,
        Point::PreBind,
    ];
    const NEEDS: &'static [(Point, Point)] =
        &[(Point::Filter, Point::PreFilter), (Point::PostFilter, Point::PreFilter)];

    /// It scores since 1.35.
    fn runs_at(point: Point, version: KubernetesVersion) -> bool {
        Self::POINTS.contains(&point) && (point != Point::Score || version >= KubernetesVersion::V1_35)
    }

    fn default_weight(rules: Rules) -> Option<i64> {
        rules.dynamic_resources
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        scoring.fill(out, |_| 0);
        true
    }

    fn post_filter(_preemption: Option<&str>) -> Option<String> {
        Some(POST_FILTER.to_owned())
    }
}
