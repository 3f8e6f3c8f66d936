//! A fair stand-in for cluster-autoscaler: what pending pods make it launch at the next scan.

use super::scans::{Policy, Scans, Situation};
use super::{Autoscaler, AutoscalerOptions};
use crate::cluster::PodIdx;
use crate::groups::{Choice, PackOptions, Packing, pack};
use std::sync::Arc;

/// The cheapest that takes the pods.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reactive;

/// Its entry in the table.
pub fn autoscaler(options: Arc<AutoscalerOptions>) -> Box<dyn Autoscaler> {
    Box::new(Scans::new(Reactive, options))
}

impl Policy for Reactive {
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

/// What to launch for pending pods: the cheapest (or least wasteful) group and machine type that takes them, after what is under way.
pub fn cheapest(situation: &Situation<'_>, options: &AutoscalerOptions, pending: &[PodIdx]) -> Packing {
    let packing = PackOptions {
        choice: options.choice.unwrap_or(Choice::Cheapest),
        headroom: options.headroom.unwrap_or(false),
        ..situation.pack_options()
    };
    pack(situation.view, situation.templates, pending, &packing)
}
