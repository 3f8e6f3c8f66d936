//! Ocean's autoscaler beside a migration: pending pods by its order of groups, headroom on top (docs/reference/ocean.md).
//!
//! The launches ahead of a drain are the procedure's, which asks for them by `EnsureNodes`.

use super::scans::{Policy, Scans, Situation};
use super::{Autoscaler, AutoscalerOptions};
use crate::cluster::PodIdx;
use crate::groups::{Choice, PackOptions, Packing, pack};
use std::sync::Arc;

/// Ocean's way to decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ocean;

/// Its entry in the table.
pub fn autoscaler(options: Arc<AutoscalerOptions>) -> Box<dyn Autoscaler> {
    Box::new(Scans::new(Ocean, options))
}

impl Policy for Ocean {
    /// Nothing within the cooldown after the last activity.
    fn decide(
        &self,
        situation: &Situation<'_>,
        options: &AutoscalerOptions,
        last_activity: Option<i64>,
        pending: &[PodIdx],
    ) -> Packing {
        if last_activity.is_some_and(|last| situation.now < last + options.cooldown_ms) {
            return Packing::default();
        }
        let packing = PackOptions {
            choice: options.choice.unwrap_or(Choice::Ocean),
            headroom: options.headroom.unwrap_or(true),
            ..situation.pack_options()
        };
        pack(situation.view, situation.templates, pending, &packing)
    }
}
