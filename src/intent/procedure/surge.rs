//! Parameters of `surge`.

use super::{Access, BarePods, DrainLimit, Procedure, access};
use crate::intent::options::{BatchSize, DAY, MINUTE, Options, Percent, Problems, SECOND};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which provider's node-pool upgrade to imitate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SurgePreset {
    /// EKS managed node group.
    Eks,
    /// AKS node pool, rolling.
    #[default]
    Aks,
    /// GKE surge.
    Gke,
}

/// A count or a percentage of the nodes, rounded up.
pub type CountOrPercent = BatchSize;

/// What becomes of a node that could not be drained in time (AKS `undrainableNodeBehavior`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undrainable {
    /// The upgrade fails, and the node is made schedulable again.
    #[default]
    Schedule,
    /// The node is kept cordoned, its surge node replaces it, and the upgrade goes on.
    Cordon,
    /// Its pods are deleted, past their budgets.
    Force,
}

/// Parameters of a surge; what is None is as the preset has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SurgeOptions {
    /// Whose upgrade. Default aks.
    pub preset: SurgePreset,
    /// Extra nodes at once. AKS 10 %, GKE 1; EKS grows its group by itself.
    pub max_surge: Option<CountOrPercent>,
    /// Old nodes taken without a surge node at once. EKS 1, others 0.
    pub max_unavailable: Option<u32>,
    /// How long a node's pods may resist, in ms. EKS 15 min, AKS 30 min, GKE 60 min.
    pub node_timeout_ms: Option<i64>,
    /// What then. EKS and AKS `schedule` (the upgrade fails), GKE `force`.
    pub undrainable: Option<Undrainable>,
    /// Wait after each node's drain, in ms. EKS 60 s, others 0.
    pub node_soak_ms: Option<i64>,
    /// How long to wait for a surge node, in ms (C). Default 15 min.
    pub new_nodes_timeout_ms: Option<i64>,
}

/// A surge's parameters with the preset's filled in (MIGRATIONS §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurgeParameters {
    /// Whose upgrade.
    pub preset: SurgePreset,
    /// Extra nodes at once; None: EKS's own rule, max(2 × zones, max_unavailable).
    pub max_surge: Option<CountOrPercent>,
    /// Old nodes at once without a surge node (EKS: at once at all).
    pub max_unavailable: u32,
    /// How long a node's pods may resist, in ms.
    pub node_timeout_ms: i64,
    /// What then.
    pub undrainable: Undrainable,
    /// Wait after each node's drain, in ms.
    pub node_soak_ms: i64,
    /// How long to wait for a surge node, in ms.
    pub new_nodes_timeout_ms: i64,
}

impl SurgeParameters {
    /// Whether no node could ever begin.
    pub fn is_stuck(&self) -> bool {
        self.max_unavailable == 0 && self.max_surge == Some(BatchSize::Nodes(0))
    }
}

impl SurgeOptions {
    /// The parameters with the preset's where none is given.
    pub fn resolved(&self) -> SurgeParameters {
        let (surge, unavailable, timeout, undrainable, soak) = match self.preset {
            SurgePreset::Eks => (None, 1, 15 * MINUTE, Undrainable::Schedule, 60 * SECOND),
            SurgePreset::Aks => (Some(BatchSize::Percent(Percent(10))), 0, 30 * MINUTE, Undrainable::Schedule, 0),
            SurgePreset::Gke => (Some(BatchSize::Nodes(1)), 0, 60 * MINUTE, Undrainable::Force, 0),
        };
        SurgeParameters {
            preset: self.preset,
            max_surge: self.max_surge.or(surge),
            max_unavailable: self.max_unavailable.unwrap_or(unavailable),
            node_timeout_ms: self.node_timeout_ms.unwrap_or(timeout),
            undrainable: self.undrainable.unwrap_or(undrainable),
            node_soak_ms: self.node_soak_ms.unwrap_or(soak),
            new_nodes_timeout_ms: self.new_nodes_timeout_ms.unwrap_or(15 * MINUTE),
        }
    }
}

/// See the module.
pub(super) struct Surge;

impl Procedure for Surge {
    fn name(&self) -> &'static str {
        "surge"
    }

    /// All at once: its own window is the limit.
    fn batch_size(&self) -> BatchSize {
        BatchSize::Percent(Percent(100))
    }

    fn problem(&self, options: &Options) -> Option<&'static str> {
        if options.surge.resolved().is_stuck() {
            return Some("options.surge: max_surge and max_unavailable are both 0; one of them must be at least 1");
        }
        if !options.to_groups.is_empty() {
            return Some(
                "options.to_groups (--to): a surge launches its nodes in the groups of the old ones; choose another procedure to move to other groups",
            );
        }
        (!options.source_groups_may_grow).then_some(
            "options.source_groups_may_grow is false, but a surge launches its nodes in the groups of the old ones; leave it true, or choose another procedure",
        )
    }

    fn access(&self, options: &Options) -> &'static [Access] {
        access(options.surge.resolved().undrainable == Undrainable::Force)
    }

    fn bare_pods(&self, _options: &Options) -> BarePods {
        BarePods { evicted: true, by: "surge" }
    }

    fn least_drain_ms(&self, pods: &[i64], _options: &Options, stop_ms: i64) -> i64 {
        if pods.iter().any(|n| *n > 0) { stop_ms } else { 0 }
    }

    fn drain_limit(&self, options: &Options) -> Option<DrainLimit> {
        let p = options.surge.resolved();
        let forces = p.undrainable == Undrainable::Force;
        Some(DrainLimit { ms: p.node_timeout_ms, option: "surge.node_timeout_ms", forces })
    }

    fn taints_first(&self, options: &Options) -> bool {
        options.surge.preset == SurgePreset::Eks
    }
}

impl SurgeOptions {
    pub(in crate::intent) fn check(&self, problems: &mut Problems) {
        problems.range("surge.node_timeout_ms", self.node_timeout_ms.unwrap_or(0), 0, DAY, " ms");
        problems.range("surge.node_soak_ms", self.node_soak_ms.unwrap_or(0), 0, DAY, " ms");
        problems.range("surge.max_unavailable", i64::from(self.max_unavailable.unwrap_or(0)), 0, 100, "");
    }
}
