//! The scheduler's parameters: its profiles and its queue.

use super::backoff::QueueConfig;
use super::names::{PluginId, PluginSet};
use super::record::ControlPlaneRecord;
use crate::cluster::{Catalog, KubernetesVersion, NodeSelector, NodeSelectorTerm, RateLimit, Sym, WhenUnsatisfiable};
use std::sync::Arc;

/// Parameters of a scheduler (KubeSchedulerConfiguration as far as it decides placements).
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    /// Profiles, at least one; a pod is placed by the one whose name it gives.
    pub profiles: Vec<Arc<Profile>>,
    /// The scheduling queue, which all profiles share.
    pub queue: QueueConfig,
    /// `clientConnection`, where the file sets it.
    pub client: Option<RateLimit>,
    /// What the file asks for and is not modelled.
    pub notices: Vec<Notice>,
    /// What a plan document keeps of it.
    pub record: ControlPlaneRecord,
}

/// Something in a configuration that is not modelled; a finding is made of it by its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The finding's code.
    pub code: &'static str,
    /// What it is about (`Scheduler/default-scheduler/Coscheduling`).
    pub object: String,
    /// What is so.
    pub detail: String,
}

impl SchedulerConfig {
    /// The scheduler that a control plane of this version runs unless it is told otherwise.
    pub fn of_version(version: KubernetesVersion) -> SchedulerConfig {
        SchedulerConfig::of_profile(Profile::of_version(version))
    }
    /// A scheduler with one profile.
    pub fn of_profile(profile: Profile) -> SchedulerConfig {
        SchedulerConfig {
            profiles: vec![Arc::new(profile)],
            queue: QueueConfig::default(),
            client: None,
            notices: Vec::new(),
            record: ControlPlaneRecord::default(),
        }
    }
    /// The profile that places pods which name this scheduler (`frameworkForPod`).
    pub fn profile(&self, catalog: &Catalog, scheduler_name: Sym) -> Option<&Arc<Profile>> {
        let name = catalog.text(scheduler_name);
        self.profiles.iter().find(|p| p.name == name)
    }
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        SchedulerConfig::of_version(KubernetesVersion::default())
    }
}

/// Parameters of one profile. Defaults: S/apis/config/v1/{default_plugins,defaults}.go.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `schedulerName`.
    pub name: String,
    /// Plugins that are asked before nodes are looked at, in order.
    pub pre_filter: Vec<PluginId>,
    /// Plugins that filter, in order: the first that refuses a node words the refusal.
    pub filter: Vec<PluginId>,
    /// Plugins that are asked when no node will do, in order.
    pub post_filter: Vec<PluginId>,
    /// Plugins that score, in order, with their weights; a weight may be negative.
    pub score: Vec<(PluginId, i64)>,
    /// `percentageOfNodesToScore`; 0 is adaptive.
    pub percentage_of_nodes_to_score: i64,
    /// Fit's strategy.
    pub fit: FitStrategy,
    /// Fit's resources with their weights, by name.
    pub fit_resources: Vec<(String, i64)>,
    /// Extended resources that Fit does not check.
    pub ignored_resources: Vec<String>,
    /// Groups (what stands before the slash) of extended resources that Fit does not check.
    pub ignored_resource_groups: Vec<String>,
    /// Balanced allocation's resources, by name.
    pub balanced_resources: Vec<String>,
    /// Weight of existing pods' required affinity to the incoming pod.
    pub hard_pod_affinity_weight: i64,
    /// Ignore the preferred terms of existing pods unless the incoming pod has some.
    pub ignore_preferred_terms_of_existing_pods: bool,
    /// Spread constraints of pods that have none.
    pub default_spread: DefaultSpread,
    /// NodeAffinity `addedAffinity`, required part.
    pub added_affinity: Option<NodeSelector>,
    /// NodeAffinity `addedAffinity`, preferred part with weights.
    pub added_preferred: Vec<(i32, NodeSelectorTerm)>,
    /// Least number of candidates of preemption, in percent of nodes.
    pub min_candidate_nodes_percentage: i64,
    /// Least number of candidates of preemption.
    pub min_candidate_nodes_absolute: i64,
    /// Whether a search's nodes are kept for the next pod.
    pub batching: Batching,
}

/// Whether a search's nodes are kept for the next pod, and what makes two pods alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// Never: another version, extenders, or default spread constraints.
    Off,
    /// For pods alike.
    Pods {
        /// PodTopologySpread runs: pods with constraints are like no other.
        spread: bool,
        /// InterPodAffinity runs: so are pods with affinity to pods.
        affinity: bool,
        /// Labels must be the same.
        labels: bool,
    },
}

/// How Fit scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FitStrategy {
    /// The emptier the better.
    LeastAllocated,
    /// The fuller the better.
    MostAllocated,
    /// By points (utilisation 0..=100, score 0..=100) with straight lines between them.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// Which spread constraints hold for pods that have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultSpread {
    /// Soft: hostname with skew 3, zone with skew 5; nodes without a key are not ignored.
    System,
    /// As listed.
    List(Vec<DefaultConstraint>),
}

/// A default spread constraint; its selector comes from the pod's services and owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DefaultConstraint {
    /// Largest allowed difference.
    pub max_skew: i64,
    /// Label key.
    pub topology_key: String,
    /// Hard or soft.
    pub when: WhenUnsatisfiable,
    /// Fewer domains than this count as if one of them were empty.
    pub min_domains: i64,
    /// `nodeAffinityPolicy: Honor`.
    pub honor_node_affinity: bool,
    /// `nodeTaintsPolicy: Honor`.
    pub honor_node_taints: bool,
}

/// How one of several best nodes is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TieBreak {
    /// 1.35 and 1.36: first maximum in preorder of the implicit heap over the feasible list (docs/reference/kubernetes.md#choice-of-a-node).
    Preorder,
    /// Up to 1.34, and again after upstream PR #141024: each of the best as likely as the others, by the caller's draw.
    Uniform,
}

impl TieBreak {
    /// How a version chooses.
    pub fn of(version: KubernetesVersion) -> TieBreak {
        if version.rules().equals_by_heap { TieBreak::Preorder } else { TieBreak::Uniform }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Profile::of_version(KubernetesVersion::default())
    }
}

impl Profile {
    /// Weight of a plugin's score; 0 if it does not score.
    pub fn weight(&self, plugin: PluginId) -> i64 {
        self.score.iter().find(|w| w.0 == plugin).map_or(0, |w| w.1)
    }
    /// Whether a plugin filters.
    pub fn filters(&self, plugin: PluginId) -> bool {
        self.filter.contains(&plugin)
    }
    /// Those that filter.
    pub fn filter_set(&self) -> PluginSet {
        self.filter.iter().copied().collect()
    }
    /// Whether pods may push others out.
    pub fn preempts(&self) -> bool {
        self.post_filter.contains(&PluginId::DefaultPreemption)
    }
    /// How many feasible nodes end the search among `nodes` nodes (S/schedule_one.go `numFeasibleNodesToFind`); where
    /// nothing scores, the first will do (`hasScoring`).
    pub fn nodes_to_find(&self, nodes: usize) -> usize {
        const FEWEST: usize = 100;
        if self.score.is_empty() {
            return 1;
        }
        if nodes < FEWEST {
            return nodes;
        }
        let percentage = match self.percentage_of_nodes_to_score {
            0 => (50 - nodes as i64 / 125).max(5),
            given => given,
        };
        (nodes * percentage as usize / 100).max(FEWEST)
    }
}
