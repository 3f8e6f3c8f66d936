//! A world in VIRTUAL time: clock, event queue, kubelets, controllers, autoscalers, faults, checkers.
//!
//! Every actor is a value with two entry points, `on_change` (something in the cluster's state changed) and `on_timer`
//! (a moment it asked for has come). Both get a [`Ctx`]: the time, the catalogue, the state, the event queue and the
//! options of the run. Actors never call each other: what one does to the state reaches the others as a [`Change`],
//! in a fixed order, within the same instant. Times are integer milliseconds since the snapshot.
//!
//! [`Change`]: crate::cluster::Change

pub mod apiserver;
pub mod autoscaler;
pub mod budgets;
pub mod checkers;
pub mod controllers;
pub mod ctx;
pub mod delays;
pub mod event;
pub mod faults;
mod gate_options;
pub mod gates;
pub mod heartbeats;
pub mod kubelet;
pub mod node_lifecycle;
pub mod options;
pub mod provider;
pub mod scheduling;
pub mod site;
#[cfg(test)]
pub(crate) mod testing;
pub mod volumes;
pub mod world;

pub use checkers::{Checkers, Violation};
pub use ctx::Ctx;
pub use delays::Delays;
pub use event::{EventQueue, Timer};
pub use faults::{Fault, Faults};
pub use gate_options::GateOptions;
pub use options::SimOptions;
pub use site::SiteSpec;
