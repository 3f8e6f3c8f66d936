//! Deliberate traps: things that hold a migration up, each by its own name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kind of trap and how often to set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trap {
    /// Which trap.
    pub trap: TrapKind,
    /// How many of it.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// What a trap is; the objects of the `n`-th are named `trap-<kind with dashes>-<n>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrapKind {
    /// A Deployment of two under a budget with `maxUnavailable: 0`.
    BudgetNeverMet,
    /// A Deployment of two under a budget with `minAvailable: 2`.
    BudgetMinAvailableEqualsReplicas,
    /// A Deployment of two whose pods are under two budgets: the eviction API answers 500.
    TwoBudgetsOnePod,
    /// A Deployment whose node selector names the old pool, so that no new node can host it.
    UnschedulableSelector,
    /// A StatefulSet with a volume in a zone that only one additional old node has.
    ZonalVolumeWithoutNode,
    /// A pod that no controller recreates.
    StandAlonePod,
    /// A Deployment whose pod carries label and annotation `spotinst.io/restrict-scale-down: "true"`.
    RestrictScaleDown,
    /// A Deployment whose pod carries annotation `cluster-autoscaler.kubernetes.io/safe-to-evict: "false"`.
    SafeToEvictFalse,
    /// A Deployment whose pod asks for more than any node has: unschedulable from the start.
    PendingPod,
    /// An old node whose kubelet stopped posting a minute ago; its pods are not ready.
    NotReadyNode,
    /// An old node that is cordoned already.
    CordonedNode,
    /// An old node whose pods request more than it now offers.
    OvercommittedNode,
    /// A budget whose stored status is out of date: by its counters (even numbers) or by its generation (odd ones).
    StaleBudget,
    /// A pod of a Deployment that is being deleted already; its replacement runs.
    TerminatingPod,
    /// A Deployment of two, one of whose pods crash-loops, under a budget that therefore allows nothing.
    CrashLoopingPod,
    /// A running Job.
    JobRunning,
    /// A Deployment whose pod fills an additional old node, twice as large as any other.
    HugePod,
    /// A Deployment whose pod keeps data in an emptyDir: `kubectl drain` asks for a flag.
    LocalStoragePod,
    /// A Deployment with a pod in every zone that refuses to share the zone with another.
    AntiAffinitySaturated,
}

impl TrapKind {
    /// Every kind, in the order in which they are set.
    pub const ALL: [Self; 19] = [
        Self::BudgetNeverMet,
        Self::BudgetMinAvailableEqualsReplicas,
        Self::TwoBudgetsOnePod,
        Self::UnschedulableSelector,
        Self::ZonalVolumeWithoutNode,
        Self::StandAlonePod,
        Self::RestrictScaleDown,
        Self::SafeToEvictFalse,
        Self::PendingPod,
        Self::NotReadyNode,
        Self::CordonedNode,
        Self::OvercommittedNode,
        Self::StaleBudget,
        Self::TerminatingPod,
        Self::CrashLoopingPod,
        Self::JobRunning,
        Self::HugePod,
        Self::LocalStoragePod,
        Self::AntiAffinitySaturated,
    ];

    /// The name as parameters write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BudgetNeverMet => "budget_never_met",
            Self::BudgetMinAvailableEqualsReplicas => "budget_min_available_equals_replicas",
            Self::TwoBudgetsOnePod => "two_budgets_one_pod",
            Self::UnschedulableSelector => "unschedulable_selector",
            Self::ZonalVolumeWithoutNode => "zonal_volume_without_node",
            Self::StandAlonePod => "stand_alone_pod",
            Self::RestrictScaleDown => "restrict_scale_down",
            Self::SafeToEvictFalse => "safe_to_evict_false",
            Self::PendingPod => "pending_pod",
            Self::NotReadyNode => "not_ready_node",
            Self::CordonedNode => "cordoned_node",
            Self::OvercommittedNode => "overcommitted_node",
            Self::StaleBudget => "stale_budget",
            Self::TerminatingPod => "terminating_pod",
            Self::CrashLoopingPod => "crash_looping_pod",
            Self::JobRunning => "job_running",
            Self::HugePod => "huge_pod",
            Self::LocalStoragePod => "local_storage_pod",
            Self::AntiAffinitySaturated => "anti_affinity_saturated",
        }
    }

    /// The name of the objects of the `nth` trap of this kind.
    pub(super) fn object_name(self, nth: u32) -> String {
        format!("trap-{}-{nth}", self.as_str().replace('_', "-"))
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `kind` or `kind=count`, as a command line gives it.
impl FromStr for Trap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = text.split_once('=').unwrap_or((text, "1"));
        let trap = TrapKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = TrapKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("no trap is called \"{name}\"; the traps are {}", known.join(", "))
        })?;
        let count = count.parse().map_err(|_| format!("\"{count}\" is not a count of traps; write {name}=2"))?;
        Ok(Self { trap, count })
    }
}
