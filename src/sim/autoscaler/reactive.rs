//! A fair stand-in for cluster-autoscaler and Karpenter: what pending pods make it launch.

use super::{AutoscalerOptions, Situation};
use crate::cluster::PodIdx;
use crate::groups::{Choice, PackOptions, Packing, pack};

/// What to launch for pending pods: the cheapest (or least wasteful) group and machine type that takes them, after what is under way.
pub fn decide(situation: &Situation<'_>, options: &AutoscalerOptions, pending: &[PodIdx]) -> Packing {
    let packing = PackOptions {
        choice: options.choice.unwrap_or(Choice::Cheapest),
        headroom: options.headroom.unwrap_or(false),
        ..situation.pack_options()
    };
    pack(situation.view, situation.templates, pending, &packing)
}
