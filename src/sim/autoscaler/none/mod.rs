//! No autoscaler: nothing is launched for pending pods, nothing is removed.

use super::{Autoscaler, AutoscalerOptions};
use crate::cluster::{Change, GroupIdx};
use crate::sim::ctx::Ctx;
use crate::sim::event::Timer;
use crate::sim::provider::Provider;
use std::sync::Arc;

/// Does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAutoscaler;

/// Its entry in the table.
pub fn autoscaler(_: Arc<AutoscalerOptions>) -> Box<dyn Autoscaler> {
    Box::new(NoAutoscaler)
}

impl Autoscaler for NoAutoscaler {
    fn begin(&mut self, _: &mut Ctx<'_>, _: &Provider) {}

    fn on_change(&mut self, _: &mut Ctx<'_>, _: &Provider, _: Change) {}

    fn on_timer(&mut self, _: &mut Ctx<'_>, _: &mut Provider, _: Timer) {}

    fn freeze(&mut self, _: GroupIdx, _: bool, _: bool) {}

    fn never_grow(&mut self, _: &[GroupIdx]) {}

    fn boxed(&self) -> Box<dyn Autoscaler> {
        Box::new(*self)
    }
}
