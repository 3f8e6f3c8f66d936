//! Options of the autoscaler beside a migration.

use super::AutoscalerKind;
use crate::groups::Choice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of the autoscaler; defaults are upstream's where there is an upstream (docs/reference/kubernetes.md#controllers-and-nodes, docs/reference/ocean.md#autoscaler).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoscalerOptions {
    /// Which one. Default none.
    pub kind: AutoscalerKind,
    /// From one look at pending pods to the next, in milliseconds. cluster-autoscaler: 10 s.
    pub scan_interval_ms: i64,
    /// `karpenter` decides when no further pending pod has come for so long, in milliseconds. Karpenter's `BATCH_IDLE_DURATION`: 1 s.
    pub batch_idle_ms: i64,
    /// Or so long after the first of them, in milliseconds. Karpenter's `BATCH_MAX_DURATION`: 10 s.
    pub batch_max_ms: i64,
    /// Which group and machine type. Default: Ocean's order for `ocean`, else the cheapest (least waste where prices are unknown).
    pub choice: Option<Choice>,
    /// Keep headroom. Default: `ocean` does, others do not.
    pub headroom: Option<bool>,
    /// Between two activities of `ocean`, in milliseconds. Ocean: 300 s.
    pub cooldown_ms: i64,
    /// Remove empty nodes. Default true.
    pub scale_down: bool,
    /// A node is removed after it was empty for so long, in milliseconds. cluster-autoscaler: 10 min.
    pub unneeded_ms: i64,
    /// No removal for so long after a node was added, in milliseconds. cluster-autoscaler: 10 min.
    pub delay_after_add_ms: i64,
    /// A group, machine type and zone that failed is not tried again for so long, in milliseconds. cluster-autoscaler: 5 min at first.
    pub backoff_ms: i64,
    /// A machine that is not Ready after so long is given up and replaced, in milliseconds. cluster-autoscaler: 15 min.
    pub max_provision_ms: i64,
    /// Pods of lower priority start no machines, but for `karpenter`. cluster-autoscaler: −10.
    pub priority_cutoff: i32,
    /// How many other machine types and zones of the group are tried when one has no capacity. Default 3 (ours).
    pub fallbacks: u32,
    /// A pod that still waits after so many scans that started machines rests for `backoff_ms` (ours; a real autoscaler simulates
    /// the scheduler and sees that a machine would not help). Default 10.
    pub launches_per_pod: u32,
}

impl Default for AutoscalerOptions {
    fn default() -> Self {
        AutoscalerOptions {
            kind: AutoscalerKind::None,
            scan_interval_ms: 10_000,
            batch_idle_ms: 1_000,
            batch_max_ms: 10_000,
            choice: None,
            headroom: None,
            cooldown_ms: 300_000,
            scale_down: true,
            unneeded_ms: 600_000,
            delay_after_add_ms: 600_000,
            backoff_ms: 300_000,
            max_provision_ms: 900_000,
            priority_cutoff: -10,
            fallbacks: 3,
            launches_per_pod: 10,
        }
    }
}

impl AutoscalerOptions {
    /// What is out of range, each with where it stands and what was expected.
    pub fn problems(&self) -> Vec<String> {
        let day = 24 * 3_600_000;
        let times = [
            ("scan_interval_ms", self.scan_interval_ms, 100),
            ("batch_idle_ms", self.batch_idle_ms, 1),
            ("batch_max_ms", self.batch_max_ms, 1),
            ("cooldown_ms", self.cooldown_ms, 0),
            ("unneeded_ms", self.unneeded_ms, 0),
            ("delay_after_add_ms", self.delay_after_add_ms, 0),
            ("backoff_ms", self.backoff_ms, 0),
            ("max_provision_ms", self.max_provision_ms, 1),
        ];
        times
            .into_iter()
            .filter(|(_, value, min)| value < min || *value > day)
            .map(|(name, value, min)| format!("autoscaler.{name} is {value} ms; expected {min} to {day} ms"))
            .collect()
    }
}
