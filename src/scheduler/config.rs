//! The scheduler's parameters, with the default profile's values.

use super::names::{PluginId, PluginSet};
use crate::cluster::{NodeSelector, NodeSelectorTerm, WhenUnsatisfiable};

/// Parameters of one profile (KubeSchedulerConfiguration as far as it decides placements).
///
/// Defaults: S/apis/config/v1/{default_plugins,defaults}.go, 1.36.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    /// Scoring weight of each plugin that scores, in the order in which scores are listed; 0 for not enabled.
    pub weights: Vec<(PluginId, i64)>,
    /// Plugins that filter; all by default.
    pub filters_disabled: PluginSet,
    /// `percentageOfNodesToScore`; 0 is adaptive.
    pub percentage_of_nodes_to_score: i64,
    /// Fit's strategy.
    pub fit: FitStrategy,
    /// Fit's resources with their weights, by name.
    pub fit_resources: Vec<(String, i64)>,
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
    /// How one of several best nodes is chosen.
    pub tie_break: TieBreak,
    /// Least number of candidates of preemption, in percent of nodes.
    pub min_candidate_nodes_percentage: i64,
    /// Least number of candidates of preemption.
    pub min_candidate_nodes_absolute: i64,
}

/// How Fit scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum FitStrategy {
    /// The emptier the better.
    LeastAllocated,
    /// The fuller the better.
    MostAllocated,
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
}

/// How one of several best nodes is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TieBreak {
    /// 1.35 and 1.36: first maximum in preorder of the implicit heap over the feasible list (KUBERNETES §1.2 step 8).
    Preorder,
    /// Up to 1.34, and again after upstream PR #141024: each of the best as likely as the others, by the caller's draw.
    Uniform,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        SchedulerConfig {
            weights: vec![
                (PluginId::TaintToleration, 3),
                (PluginId::NodeAffinity, 2),
                (PluginId::NodeResourcesFit, 1),
                (PluginId::PodTopologySpread, 2),
                (PluginId::InterPodAffinity, 2),
                (PluginId::DynamicResources, 2),
                (PluginId::NodeResourcesBalancedAllocation, 1),
                (PluginId::ImageLocality, 1),
            ],
            filters_disabled: PluginSet::default(),
            percentage_of_nodes_to_score: 0,
            fit: FitStrategy::LeastAllocated,
            fit_resources: vec![("cpu".into(), 1), ("memory".into(), 1)],
            balanced_resources: vec!["cpu".into(), "memory".into()],
            hard_pod_affinity_weight: 1,
            ignore_preferred_terms_of_existing_pods: false,
            default_spread: DefaultSpread::System,
            added_affinity: None,
            added_preferred: Vec::new(),
            tie_break: TieBreak::Preorder,
            min_candidate_nodes_percentage: 10,
            min_candidate_nodes_absolute: 100,
        }
    }
}

impl SchedulerConfig {
    /// Weight of a plugin's score; 0 if it does not score.
    pub fn weight(&self, plugin: PluginId) -> i64 {
        self.weights.iter().find(|w| w.0 == plugin).map_or(0, |w| w.1)
    }
    /// Whether a plugin filters.
    pub fn filters(&self, plugin: PluginId) -> bool {
        !self.filters_disabled.contains(plugin)
    }
    /// How many feasible nodes end the search among `nodes` nodes (S/schedule_one.go `numFeasibleNodesToFind`).
    pub fn nodes_to_find(&self, nodes: usize) -> usize {
        const FEWEST: usize = 100;
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
