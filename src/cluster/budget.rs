//! PodDisruptionBudgets: what they demand, and their stored status.

use super::ids::*;
use super::intern::Sym;
use super::labels::Selector;

/// `minAvailable` or `maxUnavailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// At least so many healthy.
    MinAvailable(Amount),
    /// At most so many not.
    MaxUnavailable(Amount),
}

/// A count or a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Pods.
    Count(i64),
    /// Percent of the expected pods.
    Percent(i64),
}

/// A PodDisruptionBudget's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Namespace.
    pub namespace: NsIdx,
    /// Name.
    pub name: Sym,
    /// `metadata.uid`.
    pub uid: Sym,
    /// Which pods (policy/v1: none → nothing, `{}` → all of the namespace).
    pub selector: Selector,
    /// What it demands; None if neither is given (or the text is invalid), which fails to sync.
    pub demand: Option<Demand>,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_allow_unhealthy: bool,
    /// `metadata.generation`.
    pub generation: i64,
}

/// A PodDisruptionBudget's status as stored; the eviction API believes this and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetStatus {
    /// `disruptionsAllowed`.
    pub allowed: i64,
    /// `currentHealthy`.
    pub healthy: i64,
    /// `desiredHealthy`.
    pub desired: i64,
    /// `expectedPods`.
    pub expected: i64,
    /// `observedGeneration`; 0 if it never synced.
    pub observed_generation: i64,
    /// `disruptedPods`: pods evicted that the controller has not yet seen go, with the moment (ms since the snapshot), sorted by pod.
    pub disrupted: Vec<(PodIdx, i64)>,
    /// Condition DisruptionAllowed: the message if its reason is `SyncFailed`.
    pub sync_failed: Option<String>,
}
