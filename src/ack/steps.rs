//! The steps of the cut-over as the vendor's procedure publishes them, with their timeouts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of the cut-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// The control plane of all masters is put to sleep: the manifests of its static pods are moved aside, and the API server is polled until it is away.
    Sleep,
    /// The leader of etcd is found.
    FindLeader,
    /// Snapshot of etcd, its keys moved under the cluster's own prefix, upload to the bucket.
    Snapshot,
    /// The keys that sign service account tokens and front-proxy requests are read.
    ReadKeys,
    /// The managed control plane restores the snapshot, and the load balancer is switched to it.
    Restore,
}

/// What is published of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepInfo {
    /// Which.
    pub kind: StepKind,
    /// Its name, as files and texts have it.
    pub name: &'static str,
    /// What happens in it.
    pub what: &'static str,
    /// When it is given up, in milliseconds; None where nothing is published.
    pub timeout_ms: Option<i64>,
    /// Whether an error in it is rolled back; after the cut-over nothing is.
    pub rolled_back: bool,
}

/// The steps, in order. That the keys are read after the snapshot is ours (C); the rest is the published order.
pub const STEPS: [StepInfo; 5] = [
    StepInfo {
        kind: StepKind::Sleep,
        name: "sleep",
        what: "the manifests of the control plane's static pods are moved aside on all masters, five at once, and the API server is polled until it is away",
        timeout_ms: Some(240_000),
        rolled_back: true,
    },
    StepInfo {
        kind: StepKind::FindLeader,
        name: "find-leader",
        what: "the leader of etcd is found",
        timeout_ms: Some(60_000),
        rolled_back: true,
    },
    StepInfo {
        kind: StepKind::Snapshot,
        name: "snapshot",
        what: "a snapshot of etcd is taken on its leader, its keys are moved under /<cluster id>, and it is uploaded to the bucket",
        timeout_ms: Some(600_000),
        rolled_back: true,
    },
    StepInfo {
        kind: StepKind::ReadKeys,
        name: "read-keys",
        what: "the service account and front-proxy keys are read on a master; they show in the command's output",
        timeout_ms: Some(60_000),
        rolled_back: true,
    },
    StepInfo {
        kind: StepKind::Restore,
        name: "restore",
        what: "cut-over: the managed control plane restores the snapshot from a signed URL, and the load balancer is switched to it",
        timeout_ms: None,
        rolled_back: false,
    },
];

/// Masters on which a command runs at once; an error on one is an error of the step.
pub const MASTERS_AT_ONCE: usize = 5;
/// How long the sleep step itself polls the API server. It is longer than the step's timeout, so that what the step would do then never runs.
pub const SLEEP_POLLS_MS: i64 = 300_000;
/// When the outer rollback, on all masters, is given up.
pub const ROLLBACK_TIMEOUT_MS: i64 = 240_000;
/// How long the signed URL of the snapshot is good for, from the upload on: it bounds the managed restore.
pub const SIGNED_URL_MS: i64 = 2_400_000;

/// When all steps that are rolled back have run into their limits, one after the other, in milliseconds.
pub fn until_cut_over_ms() -> i64 {
    STEPS.iter().filter(|s| s.rolled_back).filter_map(|s| s.timeout_ms).sum()
}

impl StepKind {
    /// What is published of it.
    pub fn info(self) -> &'static StepInfo {
        // In the order of the variants.
        &STEPS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_stands_at_its_place() {
        assert!(STEPS.iter().enumerate().all(|(i, s)| s.kind as usize == i && s.kind.info().name == s.name));
        assert!(SLEEP_POLLS_MS > StepKind::Sleep.info().timeout_ms.expect("published"));
    }
}
