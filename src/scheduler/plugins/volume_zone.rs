//! VolumeZone.

use crate::cluster::NodeIdx;
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};

/// The VolumeZone plugin.
#[derive(Clone, Debug, Default)]
pub struct VolumeZone;

impl PodPlugin for VolumeZone {
    const PLUGIN: PluginId = PluginId::VolumeZone;
    fn pre_filter(&mut self, _view: PodView<'_>) -> PreFilter {
        PreFilter::Skip
    }
    fn filter(&self, _view: PodView<'_>, _node: NodeIdx) -> Result<(), Rejection> {
        Ok(())
    }
}
