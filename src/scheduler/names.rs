//! The plugins of the default profile by name, and small sets of them.

/// A plugin of kube-scheduler 1.36 that can reject or score, in the order in which the default profile filters
/// (`pkg/scheduler/apis/config/v1/default_plugins.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // Kubernetes' own names
pub enum PluginId {
    SchedulingGates,
    NodeUnschedulable,
    NodeName,
    TaintToleration,
    NodeAffinity,
    NodePorts,
    NodeResourcesFit,
    VolumeRestrictions,
    NodeVolumeLimits,
    VolumeBinding,
    VolumeZone,
    PodTopologySpread,
    InterPodAffinity,
    DynamicResources,
    DefaultPreemption,
    NodeResourcesBalancedAllocation,
    ImageLocality,
    NodeDeclaredFeatures,
}

impl PluginId {
    /// All, in filter order.
    pub const ALL: [PluginId; 18] = [
        PluginId::SchedulingGates,
        PluginId::NodeUnschedulable,
        PluginId::NodeName,
        PluginId::TaintToleration,
        PluginId::NodeAffinity,
        PluginId::NodePorts,
        PluginId::NodeResourcesFit,
        PluginId::VolumeRestrictions,
        PluginId::NodeVolumeLimits,
        PluginId::VolumeBinding,
        PluginId::VolumeZone,
        PluginId::PodTopologySpread,
        PluginId::InterPodAffinity,
        PluginId::DynamicResources,
        PluginId::DefaultPreemption,
        PluginId::NodeResourcesBalancedAllocation,
        PluginId::ImageLocality,
        PluginId::NodeDeclaredFeatures,
    ];

    /// The name that logs, configuration and recordings use.
    pub fn name(self) -> &'static str {
        match self {
            PluginId::SchedulingGates => "SchedulingGates",
            PluginId::NodeUnschedulable => "NodeUnschedulable",
            PluginId::NodeName => "NodeName",
            PluginId::TaintToleration => "TaintToleration",
            PluginId::NodeAffinity => "NodeAffinity",
            PluginId::NodePorts => "NodePorts",
            PluginId::NodeResourcesFit => "NodeResourcesFit",
            PluginId::VolumeRestrictions => "VolumeRestrictions",
            PluginId::NodeVolumeLimits => "NodeVolumeLimits",
            PluginId::VolumeBinding => "VolumeBinding",
            PluginId::VolumeZone => "VolumeZone",
            PluginId::PodTopologySpread => "PodTopologySpread",
            PluginId::InterPodAffinity => "InterPodAffinity",
            PluginId::DynamicResources => "DynamicResources",
            PluginId::DefaultPreemption => "DefaultPreemption",
            PluginId::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            PluginId::ImageLocality => "ImageLocality",
            PluginId::NodeDeclaredFeatures => "NodeDeclaredFeatures",
        }
    }
    /// The plugin called `name`.
    pub fn by_name(name: &str) -> Option<PluginId> {
        PluginId::ALL.into_iter().find(|p| p.name() == name)
    }
    /// Its position in [`PluginId::ALL`].
    pub fn at(self) -> usize {
        self as usize
    }
}

/// A set of plugins, such as those that rejected a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PluginSet(u32);

impl PluginSet {
    /// No plugin.
    pub const EMPTY: PluginSet = PluginSet(0);

    /// Just these.
    pub const fn of(plugins: &[PluginId]) -> PluginSet {
        let mut bits = 0;
        let mut i = 0;
        while i < plugins.len() {
            bits |= 1 << plugins[i] as u32;
            i += 1;
        }
        PluginSet(bits)
    }
    /// Adds one.
    pub fn insert(&mut self, plugin: PluginId) {
        self.0 |= 1 << plugin as u32;
    }
    /// Whether it is in.
    pub fn contains(self, plugin: PluginId) -> bool {
        self.0 & (1 << plugin as u32) != 0
    }
    /// Those in both.
    #[must_use]
    pub fn and(self, other: PluginSet) -> PluginSet {
        PluginSet(self.0 & other.0)
    }
    /// Those in either.
    #[must_use]
    pub fn or(self, other: PluginSet) -> PluginSet {
        PluginSet(self.0 | other.0)
    }
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Its plugins in filter order.
    pub fn iter(self) -> impl Iterator<Item = PluginId> {
        PluginId::ALL.into_iter().filter(move |p| self.contains(*p))
    }
}

impl FromIterator<PluginId> for PluginSet {
    fn from_iter<T: IntoIterator<Item = PluginId>>(plugins: T) -> PluginSet {
        let mut set = PluginSet::EMPTY;
        for plugin in plugins {
            set.insert(plugin);
        }
        set
    }
}
