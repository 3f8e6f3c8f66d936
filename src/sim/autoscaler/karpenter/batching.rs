//! Karpenter's batching of pending pods (`pkg/controllers/provisioning`: `Batcher`, `PodController`).
//!
//! The first pod that cannot be placed opens a window; each further one makes it last until nothing has come for a while, up to a limit.
//! Then one decision is taken for all. A pod that still waits is told again every ten seconds.

use crate::cluster::PodIdx;
use crate::sim::autoscaler::AutoscalerOptions;
use std::collections::{BTreeMap, BTreeSet};

/// `PodController.Reconcile` comes back to a pod that still waits after so long.
const AGAIN_MS: i64 = 10_000;

/// The window that is open, if any, and when pods that wait are told again.
#[derive(Clone, Debug, Default)]
pub struct Batching {
    open: Option<Open>,
    again: BTreeMap<PodIdx, i64>,
}

#[derive(Clone, Debug)]
struct Open {
    /// When it ends at the latest.
    latest: i64,
    /// When it ends if nothing comes.
    until: i64,
    /// Pods that were told in it; the same pod does not make it longer.
    pods: BTreeSet<PodIdx>,
}

impl Batching {
    /// The scheduler says that it finds no node for a pod.
    pub fn seen(&mut self, now: i64, options: &AutoscalerOptions, pod: PodIdx) {
        self.again.entry(pod).or_insert(now + AGAIN_MS);
        self.told(now, options, pod);
    }
    fn told(&mut self, now: i64, options: &AutoscalerOptions, pod: PodIdx) {
        let open = self.open.get_or_insert_with(|| Open {
            latest: now + options.batch_max_ms,
            until: i64::MAX,
            pods: BTreeSet::new(),
        });
        if open.pods.insert(pod) {
            open.until = open.latest.min(now + options.batch_idle_ms);
        }
    }
    /// Goes on to this moment; whether a window has ended, so that it is to be decided now.
    pub fn ends(&mut self, now: i64, options: &AutoscalerOptions, waits: impl Fn(PodIdx) -> bool) -> bool {
        self.again.retain(|pod, _| waits(*pod));
        let due: Vec<PodIdx> = self.again.iter().filter(|(_, at)| **at <= now).map(|(pod, _)| *pod).collect();
        for pod in due {
            self.again.insert(pod, now + AGAIN_MS);
            self.told(now, options, pod);
        }
        self.open.take_if(|o| o.until <= now).is_some()
    }
    /// When it must be looked at next.
    pub fn next(&self) -> Option<i64> {
        self.open.iter().map(|o| o.until).chain(self.again.values().copied()).min()
    }
}
