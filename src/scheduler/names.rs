//! The plugins by name, and small sets of them.

/// The table of plugins, in the order in which the default profile filters (`pkg/scheduler/apis/config/v1/default_plugins.go`): a
/// plugin's name, and its file in `plugins/`, which says all there is to say of it (`plugins::Plugin`).
///
/// What is made of the table is a macro that takes its lines.
macro_rules! plugins {
    ($make:ident) => {
        $make! {
            SchedulingGates in scheduling_gates,
            NodeUnschedulable in node_unschedulable,
            NodeName in node_name,
            TaintToleration in taint_toleration,
            NodeAffinity in node_affinity,
            NodePorts in node_ports,
            NodeResourcesFit in node_resources_fit,
            VolumeRestrictions in volume_restrictions,
            NodeVolumeLimits in node_volume_limits,
            VolumeBinding in volume_binding,
            VolumeZone in volume_zone,
            PodTopologySpread in pod_topology_spread,
            InterPodAffinity in inter_pod_affinity,
            DynamicResources in dynamic_resources,
            DefaultPreemption in default_preemption,
            NodeResourcesBalancedAllocation in balanced_allocation,
            ImageLocality in image_locality,
            NodeDeclaredFeatures in node_declared_features,
        }
    };
}
pub(super) use plugins;

macro_rules! ids {
    ($($name:ident in $file:ident,)*) => {
        /// A plugin of kube-scheduler that can reject or score, in the order of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // Kubernetes' own names
        pub enum PluginId {
            $($name),*
        }

        impl PluginId {
            /// All, in filter order.
            pub const ALL: [PluginId; [$(PluginId::$name),*].len()] = [$(PluginId::$name),*];

            /// The name that logs, configuration and recordings use.
            pub fn name(self) -> &'static str {
                match self {
                    $(PluginId::$name => stringify!($name)),*
                }
            }
        }
    };
}
plugins!(ids);

impl PluginId {
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

const _: () = assert!(PluginId::ALL.len() <= u32::BITS as usize, "a set of plugins has a bit for each");

impl PluginSet {
    /// No plugin.
    pub const EMPTY: PluginSet = PluginSet(0);

    /// Just these.
    pub const fn of(plugins: &[PluginId]) -> PluginSet {
        let mut set = PluginSet::EMPTY;
        let mut i = 0;
        while i < plugins.len() {
            set = set.with(plugins[i]);
            i += 1;
        }
        set
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, plugin: PluginId) -> PluginSet {
        PluginSet(self.0 | 1 << plugin as u32)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, others: PluginSet) -> PluginSet {
        PluginSet(self.0 & !others.0)
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
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let plugin = PluginId::ALL.get(bits.trailing_zeros() as usize).copied();
            bits &= bits.wrapping_sub(1);
            plugin
        })
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
