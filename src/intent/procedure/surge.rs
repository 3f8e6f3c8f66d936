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

/// Whether EKS launches new nodes before it terminates old ones (EKS `updateStrategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateStrategy {
    /// The group grows first, and shrinks to its old size at the end.
    #[default]
    Default,
    /// Old nodes are terminated before new ones are launched: the group never has more nodes than before.
    Minimal,
}

/// Parameters of a surge; what is None is as the preset has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SurgeOptions {
    /// Whose upgrade. Default aks.
    pub preset: SurgePreset,
    /// Extra nodes at once, a number or a percentage. AKS 10 %, GKE 1; EKS twice the zones of the group, at least max_unavailable.
    pub max_surge: Option<CountOrPercent>,
    /// Old nodes at once without a surge node, a number or a percentage: EKS 1 (at once at all), GKE 0. AKS 0: with max_surge 0 so many are
    /// upgraded in place; with both, only if no surge node comes.
    pub max_unavailable: Option<CountOrPercent>,
    /// EKS: whether the group grows first. Default default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<UpdateStrategy>,
    /// How long a node's pods may resist, in ms. EKS 15 min, AKS 30 min, GKE 60 min.
    pub node_timeout_ms: Option<i64>,
    /// What then. EKS and AKS `schedule` (the upgrade fails), GKE `force`. EKS's force flag is `force`.
    pub undrainable: Option<Undrainable>,
    /// AKS, with undrainable cordon: how many nodes may be left cordoned before the upgrade fails, a number or a percentage. Default max_surge;
    /// other presets any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_blocked_nodes: Option<CountOrPercent>,
    /// What becomes of a surplus node at the end that is not empty within node_timeout_ms. EKS `force`: reducing the size of a group respects
    /// budgets for 15 minutes and then terminates the node. AKS `schedule` (C): it stays, schedulable, and the group stays larger;
    /// `cordon`: it stays, cordoned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undrainable_surplus: Option<Undrainable>,
    /// Wait after each node's drain, in ms. EKS 60 s, also after a surplus node's (C); others 0.
    pub node_soak_ms: Option<i64>,
    /// The least time from the beginning of one old node to the beginning of the next in its place, in ms. EKS 5 min: what its own steps and those
    /// of Auto Scaling take is not documented; users report about 5 minutes a node. 0 leaves the documented steps alone. Others 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_interval_ms: Option<i64>,
    /// How long to wait for a new node, or for a reimaged one, in ms (C). Default 15 min.
    pub new_nodes_timeout_ms: Option<i64>,
}

/// A surge's parameters with the preset's filled in (docs/fidelity.md#surge-rule-by-rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurgeParameters {
    /// Whose upgrade.
    pub preset: SurgePreset,
    /// Extra nodes at once; None: EKS's own rule, max(2 × zones, max_unavailable).
    pub max_surge: Option<CountOrPercent>,
    /// Old nodes at once without a surge node (EKS: at once at all).
    pub max_unavailable: CountOrPercent,
    /// How long a node's pods may resist, in ms.
    pub node_timeout_ms: i64,
    /// What then.
    pub undrainable: Undrainable,
    /// How many nodes may be left cordoned; None: as many as max_surge (AKS), or any.
    pub max_blocked_nodes: Option<CountOrPercent>,
    /// What becomes of a surplus node that resists.
    pub undrainable_surplus: Undrainable,
    /// Wait after each node's drain, in ms.
    pub node_soak_ms: i64,
    /// The least time from one old node to the next in its place, in ms.
    pub node_interval_ms: i64,
    /// How long to wait for a surge node, or for a reimaged node, in ms.
    pub new_nodes_timeout_ms: i64,
}

impl SurgeParameters {
    /// Whether no node could ever begin.
    pub fn is_stuck(&self) -> bool {
        let none = BatchSize::Nodes(0);
        self.max_unavailable == none && self.max_surge == Some(none) && self.preset != SurgePreset::Eks
    }

    /// Extra nodes at once of so many nodes in so many zones.
    pub fn surge_of(&self, nodes: u32, zones: u32) -> u32 {
        match self.max_surge {
            None => (2 * zones).max(share(self.max_unavailable, nodes)),
            // More than there are nodes to upgrade are never needed.
            Some(surge) if self.preset == SurgePreset::Aks => share(surge, nodes).min(nodes),
            Some(surge) => share(surge, nodes),
        }
    }

    /// How many of so many nodes are taken without a surge node at once.
    pub fn unavailable_of(&self, nodes: u32) -> u32 {
        share(self.max_unavailable, nodes)
    }

    /// How many of so many nodes may be left cordoned; None for any.
    pub fn blocked_of(&self, nodes: u32) -> Option<u32> {
        let most = self.max_blocked_nodes.or(self.max_surge.filter(|_| self.preset == SurgePreset::Aks))?;
        Some(share(most, nodes))
    }
}

/// A count, or a percentage of so many nodes, rounded up.
fn share(of: CountOrPercent, nodes: u32) -> u32 {
    match of {
        BatchSize::Nodes(n) => n,
        BatchSize::Percent(Percent(p)) => (nodes * p).div_ceil(100),
    }
}

impl SurgeOptions {
    /// The parameters with the preset's where none is given.
    pub fn resolved(&self) -> SurgeParameters {
        let none = BatchSize::Nodes(0);
        let (surge, unavailable, timeout, undrainable) = match self.preset {
            SurgePreset::Eks => (None, BatchSize::Nodes(1), 15 * MINUTE, Undrainable::Schedule),
            SurgePreset::Aks => (Some(BatchSize::Percent(Percent(10))), none, 30 * MINUTE, Undrainable::Schedule),
            SurgePreset::Gke => (Some(BatchSize::Nodes(1)), none, 60 * MINUTE, Undrainable::Force),
        };
        let is_eks = self.preset == SurgePreset::Eks;
        let minimal = is_eks && self.update_strategy == Some(UpdateStrategy::Minimal);
        let (soak, interval) = if is_eks { (60 * SECOND, 5 * MINUTE) } else { (0, 0) };
        SurgeParameters {
            preset: self.preset,
            max_surge: if minimal { Some(none) } else { self.max_surge.or(surge) },
            max_unavailable: self.max_unavailable.unwrap_or(unavailable),
            node_timeout_ms: self.node_timeout_ms.unwrap_or(timeout),
            undrainable: self.undrainable.unwrap_or(undrainable),
            max_blocked_nodes: self.max_blocked_nodes,
            undrainable_surplus: self.undrainable_surplus.unwrap_or(match is_eks {
                true => Undrainable::Force,
                false => Undrainable::Schedule,
            }),
            node_soak_ms: self.node_soak_ms.unwrap_or(soak),
            node_interval_ms: self.node_interval_ms.unwrap_or(interval),
            new_nodes_timeout_ms: self.new_nodes_timeout_ms.unwrap_or(15 * MINUTE),
        }
    }

    /// What of the parameters is another preset's, or does not go together.
    fn problem(&self) -> Option<&'static str> {
        let p = self.resolved();
        if p.is_stuck() {
            return Some("options.surge: max_surge and max_unavailable are both 0; one of them must be at least 1");
        }
        if self.preset == SurgePreset::Eks && self.max_unavailable == Some(BatchSize::Nodes(0)) {
            return Some("options.surge.max_unavailable is 0; EKS takes 1 to 100 nodes at once");
        }
        if self.update_strategy.is_some() && self.preset != SurgePreset::Eks {
            return Some("options.surge.update_strategy is EKS's; leave it out, or choose preset eks");
        }
        if self.update_strategy == Some(UpdateStrategy::Minimal) && self.max_surge.is_some() {
            return Some("options.surge: update_strategy minimal launches no extra nodes; leave max_surge out");
        }
        if self.max_blocked_nodes.is_some() && p.undrainable != Undrainable::Cordon {
            return Some(
                "options.surge.max_blocked_nodes needs undrainable cordon: no other value leaves nodes behind",
            );
        }
        None
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
        if let Some(problem) = options.surge.problem() {
            return Some(problem);
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
        let p = options.surge.resolved();
        let removes = p.preset != SurgePreset::Gke && options.terminates();
        access(p.undrainable == Undrainable::Force || removes && p.undrainable_surplus == Undrainable::Force)
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

    /// EKS raises the maximum of its Auto Scaling group; AKS and GKE hold only their autoscalers to one (C).
    fn launches_beyond_max(&self) -> bool {
        true
    }

    fn reimages(&self, options: &Options) -> bool {
        options.surge.preset == SurgePreset::Aks && options.terminates()
    }
}

impl SurgeOptions {
    pub(in crate::intent) fn check(&self, problems: &mut Problems) {
        problems.range("surge.node_timeout_ms", self.node_timeout_ms.unwrap_or(0), 0, DAY, " ms");
        problems.range("surge.node_soak_ms", self.node_soak_ms.unwrap_or(0), 0, DAY, " ms");
        problems.range("surge.node_interval_ms", self.node_interval_ms.unwrap_or(0), 0, DAY, " ms");
        // EKS takes 100 at most; no node pool has more than 100,000 nodes.
        let counts = [
            ("surge.max_unavailable", self.max_unavailable, 100),
            ("surge.max_surge", self.max_surge, 100_000),
            ("surge.max_blocked_nodes", self.max_blocked_nodes, 100_000),
        ];
        for (name, count, most) in counts {
            if let Some(BatchSize::Nodes(n)) = count {
                problems.range(name, i64::from(n), 0, most, "");
            }
        }
    }
}
