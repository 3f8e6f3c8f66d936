//! Autoscalers beside a migration: what pending pods make them launch, which empty nodes they end.
//!
//! An [`Autoscaler`] is an actor of the site; each has a folder of its own and a line in the table below. What those have in common
//! that scan for pending pods and empty nodes is in [`scans`]. Machines are the [`Provider`]'s, which a procedure uses too.

pub mod karpenter;
pub mod none;
pub mod ocean;
mod options;
pub mod reactive;
pub mod scans;

pub use options::AutoscalerOptions;

use super::ctx::Ctx;
use super::event::Timer;
use super::provider::Provider;
use crate::cluster::{Change, GroupIdx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An autoscaler of one cluster, as an actor of its simulation.
pub trait Autoscaler: fmt::Debug + Send + Sync {
    /// The run begins: pods that are pending already and nodes that are empty already are there to be seen.
    fn begin(&mut self, ctx: &mut Ctx<'_>, provider: &Provider);

    /// Something changed.
    fn on_change(&mut self, ctx: &mut Ctx<'_>, provider: &Provider, change: Change);

    /// A moment that it asked for has come ([`Timer::Autoscaler`]).
    fn on_timer(&mut self, ctx: &mut Ctx<'_>, provider: &mut Provider, timer: Timer);

    /// Keeps hands off a group, or takes that back.
    fn freeze(&mut self, group: GroupIdx, scale_up: bool, scale_down: bool);

    /// Never grows these groups, whatever is frozen and unfrozen meanwhile: a migration leaves them.
    fn never_grow(&mut self, groups: &[GroupIdx]);

    /// A copy of it as it is now.
    fn boxed(&self) -> Box<dyn Autoscaler>;
}

impl Clone for Box<dyn Autoscaler> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// The table of autoscalers: a kind as options name it (in kebab-case), and what makes one of it.
macro_rules! autoscalers {
    ($($(#[$about:meta])* $kind:ident => $make:path,)+) => {
        /// Which autoscaler runs beside the migration.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum AutoscalerKind {
            $($(#[$about])* $kind,)+
        }

        impl AutoscalerKind {
            /// All of them.
            pub const ALL: &[AutoscalerKind] = &[$(AutoscalerKind::$kind),+];

            /// Its name in options.
            pub fn name(self) -> String {
                serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
            }

            /// The kind of a name.
            pub fn named(name: &str) -> Option<AutoscalerKind> {
                AutoscalerKind::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }

        /// The autoscaler that the options name.
        pub fn of_options(options: Arc<AutoscalerOptions>) -> Box<dyn Autoscaler> {
            match options.kind {
                $(AutoscalerKind::$kind => $make(options),)+
            }
        }
    };
}

autoscalers! {
    /// None: nodes come and go only where the procedure asks for them.
    #[default]
    None => none::autoscaler,
    /// Ocean: pending pods in Ocean's order of groups, headroom, a cooldown between its activities.
    Ocean => ocean::autoscaler,
    /// A stand-in for cluster-autoscaler and its like: pending pods are seen at the next scan, empty nodes go after a while.
    Reactive => reactive::autoscaler,
    /// The same with Karpenter's batching: it decides when no further pending pod has come for a while.
    Karpenter => karpenter::autoscaler,
}

#[cfg(test)]
mod tests;
