//! A stand-in for Karpenter: it decides as the reactive one does, but batches pending pods as Karpenter does instead of scanning, and
//! knows no cutoff by priority.

mod batching;

pub use batching::Batching;

use super::reactive::cheapest;
use super::scans::{Policy, Scans, Situation};
use super::{Autoscaler, AutoscalerOptions};
use crate::cluster::PodIdx;
use crate::groups::Packing;
use std::sync::Arc;

/// Karpenter's batches of pending pods.
#[derive(Clone, Debug, Default)]
pub struct Karpenter {
    batching: Batching,
}

/// Its entry in the table.
pub fn autoscaler(options: Arc<AutoscalerOptions>) -> Box<dyn Autoscaler> {
    Box::new(Scans::new(Karpenter::default(), options))
}

impl Policy for Karpenter {
    const LOOKS_AT_TICKS: bool = false;

    fn seen(&mut self, now: i64, options: &AutoscalerOptions, pod: PodIdx) {
        self.batching.seen(now, options, pod);
    }

    fn decides(&mut self, now: i64, options: &AutoscalerOptions, waits: &dyn Fn(PodIdx) -> bool) -> bool {
        self.batching.ends(now, options, waits)
    }

    fn looks_at(&self) -> Option<i64> {
        self.batching.next()
    }

    fn starts_for(&self, _: &AutoscalerOptions, _priority: i32) -> bool {
        true
    }

    fn decide(
        &self,
        situation: &Situation<'_>,
        options: &AutoscalerOptions,
        _: Option<i64>,
        pending: &[PodIdx],
    ) -> Packing {
        cheapest(situation, options, pending)
    }
}
