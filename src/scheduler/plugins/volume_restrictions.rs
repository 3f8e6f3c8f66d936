//! VolumeRestrictions.

use crate::cluster::NodeIdx;
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};

/// The VolumeRestrictions plugin.
#[derive(Clone, Debug, Default)]
pub struct VolumeRestrictions;

impl PodPlugin for VolumeRestrictions {
    const PLUGIN: PluginId = PluginId::VolumeRestrictions;
    fn pre_filter(&mut self, _view: PodView<'_>) -> PreFilter {
        PreFilter::Skip
    }
    fn filter(&self, _view: PodView<'_>, _node: NodeIdx) -> Result<(), Rejection> {
        Ok(())
    }
}
