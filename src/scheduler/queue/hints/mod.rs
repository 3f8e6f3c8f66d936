//! Queueing hints: whether an event may make a pod schedulable that a plugin rejected.
//!
//! Each follows its plugin's `EventsToRegister` and hint functions in `pkg/scheduler/framework/plugins`, with the gate
//! SchedulerQueueingHints on. An event is judged by how its objects are now: for one that arrived while the pod was being tried
//! that may be a little later than the event itself.

mod affinity;
mod node;
mod resources;
mod spread;
mod volumes;

use super::event::ClusterEvent;
use crate::cluster::{Catalog, PodIdx, State};
use crate::scheduler::config::Profile;
use crate::scheduler::names::PluginId;
pub(crate) use volumes::disks_conflict;

/// Whether `plugin`, which rejected `pod`, says Queue to the event.
pub fn says_queue(
    plugin: PluginId,
    profile: &Profile,
    catalog: &Catalog,
    state: &State,
    pod: PodIdx,
    event: &ClusterEvent,
) -> bool {
    match plugin {
        PluginId::NodeUnschedulable => node::unschedulable(state, event),
        PluginId::NodeName => matches!(event, ClusterEvent::NodeAdded(_)),
        PluginId::TaintToleration => node::taints(catalog, state, pod, event),
        PluginId::NodeAffinity => node::affinity(profile, catalog, state, pod, event),
        PluginId::NodePorts => resources::ports(catalog, state, pod, event),
        PluginId::NodeResourcesFit => resources::fit(catalog, state, pod, event),
        PluginId::VolumeRestrictions => volumes::restrictions(catalog, state, pod, event),
        PluginId::NodeVolumeLimits => volumes::limits(catalog, state, pod, event),
        PluginId::VolumeBinding => volumes::binding(catalog, state, pod, event),
        PluginId::VolumeZone => volumes::zone(catalog, state, pod, event),
        PluginId::PodTopologySpread => spread::spread(profile, catalog, state, pod, event),
        PluginId::InterPodAffinity => affinity::affinity(catalog, state, pod, event),
        // Declared features are not modelled: a new node may have them.
        PluginId::NodeDeclaredFeatures => matches!(event, ClusterEvent::NodeAdded(_)),
        // DefaultPreemption leaves the decision to the plugins that rejected the pod; the rest never reject or listen to nothing here.
        PluginId::SchedulingGates
        | PluginId::DynamicResources
        | PluginId::DefaultPreemption
        | PluginId::NodeResourcesBalancedAllocation
        | PluginId::ImageLocality => false,
    }
}
