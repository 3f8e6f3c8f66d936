//! NodeVolumeLimits.

use crate::cluster::NodeIdx;
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};

/// The NodeVolumeLimits plugin.
#[derive(Clone, Debug, Default)]
pub struct NodeVolumeLimits;

impl PodPlugin for NodeVolumeLimits {
    const PLUGIN: PluginId = PluginId::NodeVolumeLimits;
    fn pre_filter(&mut self, _view: PodView<'_>) -> PreFilter {
        PreFilter::Skip
    }
    fn filter(&self, _view: PodView<'_>, _node: NodeIdx) -> Result<(), Rejection> {
        Ok(())
    }
}
