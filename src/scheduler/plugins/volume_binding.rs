//! VolumeBinding.

use crate::cluster::NodeIdx;
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};

/// The VolumeBinding plugin.
#[derive(Clone, Debug, Default)]
pub struct VolumeBinding;

impl PodPlugin for VolumeBinding {
    const PLUGIN: PluginId = PluginId::VolumeBinding;
    fn pre_filter(&mut self, _view: PodView<'_>) -> PreFilter {
        PreFilter::Skip
    }
    fn filter(&self, _view: PodView<'_>, _node: NodeIdx) -> Result<(), Rejection> {
        Ok(())
    }
}
