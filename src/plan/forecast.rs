//! What was predicted: the one object that `plan -o json` prints and the plan document keeps.

use super::prerequisites::Prerequisite;
use super::remedy::TriedRemedy;
use super::uncertainty::Uncertainty;
use super::verdict::RunsVerdict;
use crate::cluster::Finding;
use crate::intent::Options;
use crate::intent::options::ProcedureKind;
use crate::trace::ending::GrownSource;
use crate::trace::states::{ForcedPod, PoolNow};
use crate::trace::{BatchWait, Ending, Harm, HarmCount, PodDetail, WorkloadRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A prediction. Of several runs `outcome`, `batches`, the states and the figures without a spread are those of the run that is shown
/// (`verdict.shown`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// What all runs say together. Null in a plan that an older version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<RunsVerdict>,
    /// `COMPLETED`, `PARTLY_COMPLETED`, `FAILED`, `STOPPED`.
    pub outcome: String,
    /// Stable code of why, unless it completed.
    pub reason: Option<String>,
    /// Why in words, as the imitated system words it where it does.
    pub message: Option<String>,
    /// When it begins (RFC 3339, UTC); only where that counts, because of windows by the calendar, or was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// Milliseconds from start to end, over all replications.
    pub duration_ms: Spread,
    /// What the outcome rests on though it is only assumed, with how to give the fact; the text says it first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<String>,
    /// Batches in order.
    pub batches: Vec<BatchForecast>,
    /// The provider's word for how the migration ended (`FINISHED_ERROR`); left out for procedures that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_state: Option<String>,
    /// Each old node at the end in the provider's words, in the order of the plan; left out for procedures that have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeForecast>,
    /// Each group that new nodes were launched in, at the end, in the provider's words; left out where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolNow>,
    /// Pods that were deleted past their budgets; left out if there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods_forced: Vec<ForcedPod>,
    /// Every failure met in any replication, most probable first.
    pub failures: Vec<FailureForecast>,
    /// Edits that make more runs complete, each tried; left out if there is none, or none was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<TriedRemedy>,
    /// Which assumption decides; only with `--uncertain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// What it does to workloads anywhere in the cluster, the gravest first; beside the outcome, which is about the nodes only.
    #[serde(default)]
    pub harm: Vec<Harm>,
    /// The same counted, and how many workloads were without a ready pod for a time.
    #[serde(default)]
    pub harm_count: HarmCount,
    /// The workloads that fared worst, worst first, at most ten; all are in `workloads.csv`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst_workloads: Vec<WorkloadRow>,
    /// What was noticed: preflight, the input's diagnostics, origins of delays.
    pub findings: Vec<Finding>,
    /// What Ocean asks of the cluster, each with its verdict; only for Ocean's procedures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// Pods that the migration made leave.
    pub pods_moved: u64,
    /// Pods whose predecessor had been moved before.
    pub pods_moved_twice: u64,
    /// Pods that were moved and in the end are on a node that is not Ocean's, by node and name: the scheduler binds pods wherever there is
    /// room. Null unless the procedure is one of Ocean's.
    #[serde(default)]
    pub did_not_reach_ocean: Option<Vec<PodElsewhere>>,
    /// Most nodes at once.
    pub peak_nodes: u64,
    /// Node-hours of the whole cluster over the run.
    pub node_hours: f64,
    /// Where it ends: nodes by group and instance type, prices, surge, what is free.
    #[serde(default)]
    pub ending: Ending,
    /// Cost of the whole cluster over the run in currency units; null if any price is unknown.
    pub cost: Option<f64>,
    /// Outcomes and their shares (0 to 1) over all replications.
    pub outcomes: BTreeMap<String, f64>,
    /// How many times it was simulated.
    pub replications: u32,
    /// Seed of the first replication.
    pub seed: u64,
    /// SHA-256 of the dump.
    pub snapshot_sha256: String,
    /// Version of nodeferry.
    pub version: String,
}

impl Forecast {
    /// Machines that were launched in groups which the migration leaves, though nobody asked for it: a surge launches there on purpose, and
    /// `--to` may name such a group.
    pub fn grown_unasked<'f>(&'f self, options: &'f Options) -> impl Iterator<Item = &'f GrownSource> {
        let launches_there = options.procedure == ProcedureKind::Surge;
        let asked = move |g: &&GrownSource| launches_there || options.to_groups.contains(&g.group);
        self.ending.grown_sources.iter().filter(move |g| !asked(g))
    }
}

/// A pod that was moved, but not to Ocean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PodElsewhere {
    /// The node that it is on in the end.
    pub node: String,
    /// `namespace/name` of the pod that took the moved one's place.
    pub pod: String,
    /// The node is one of those that were to be drained.
    pub old: bool,
}

/// How a figure spreads over the replications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Least.
    pub min: i64,
    /// Median (the lower of two).
    pub p50: i64,
    /// 95th percentile (nearest rank).
    pub p95: i64,
    /// Most.
    pub max: i64,
}

impl Spread {
    /// Of some values; all 0 if there is none. Nearest-rank percentiles, so that each is a value that occurred.
    pub fn of(values: &[i64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let position = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            sorted.get(position).copied().unwrap_or(0)
        };
        Spread {
            min: sorted.first().copied().unwrap_or(0),
            p50: rank(50),
            p95: rank(95),
            max: sorted.last().copied().unwrap_or(0),
        }
    }
}

/// One batch as predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchForecast {
    /// Counted from 0.
    pub index: u32,
    /// Old nodes by name.
    pub nodes: Vec<String>,
    /// Milliseconds since the migration started; null if it never did.
    pub start_ms: Option<u64>,
    /// Milliseconds since the migration started; null if it never did.
    pub end_ms: Option<u64>,
    /// Evictions accepted.
    pub evictions: u64,
    /// Evictions refused, each retry counted.
    pub refused: u64,
    /// Nodes launched for it.
    pub launched: u64,
    /// What it waits for, the longest first; each moment counts for what lies furthest back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<BatchWait>,
    /// How it ended; null if it did not.
    pub outcome: Option<String>,
    /// Why, where there is a why.
    pub reason: Option<String>,
    /// Exit status of the imitated command, where there is one.
    pub exit: Option<i32>,
}

/// An old node at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeForecast {
    /// Name.
    pub name: String,
    /// Its batch, counted from 0.
    pub batch: u32,
    /// The provider's word (`REPLACED`); null where it has none for how this node ended.
    pub state: Option<String>,
    /// Why, where there is more to say.
    pub message: Option<String>,
    /// Its pods that would have to move, where the provider lists them by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_details: Vec<PodDetail>,
}

/// A way to fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureForecast {
    /// Stable code.
    pub reason: String,
    /// Share of the replications, 0 to 1.
    pub probability: f64,
    /// The imitated system's message, to the letter where it has one.
    pub message: String,
    /// The pod, node, budget and filter that brought it about (in the first replication that met it).
    pub cause: String,
    /// What would lift it.
    pub remedy: String,
    /// What the imitated system's own documentation advises, to the letter; left out if it has nothing on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let s = Spread::of(&[40, 10, 30, 20]);
        assert_eq!((s.min, s.p50, s.p95, s.max), (10, 20, 40, 40));
        assert_eq!(Spread::of(&[]), Spread::default());
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!(Spread::of(&hundred).p95, 95);
    }
}
