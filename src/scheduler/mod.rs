//! How Kubernetes PLACES: the decision cycle of kube-scheduler 1.36 with its default profile, one file a plugin.
//!
//! Pods are compiled into classes (what the scheduler sees of them, labels projected onto keys that some selector
//! mentions), and classes into parts that many of them share: tolerations, node affinity, requests. What depends on a part
//! and one node is kept by part and recomputed only where the node changed; what depends on other nodes (spread, affinity) rests on counts kept from the state's change log. Pods with volumes are
//! asked about pod by pod ([`PodPlugin`]). Nothing here binds: [`Scheduler::decide`] says where, the caller binds.
//!
//! Upstream paths in comments: `S/` is `pkg/scheduler`, `P/` is `S/framework/plugins`, of kubernetes v1.36.3.

mod backoff;
mod batch;
mod carriers;
mod class;
pub mod config;
pub mod config_file;
mod counts;
mod cycle;
pub mod decision;
pub mod event;
mod fit;
mod ident;
mod index;
pub mod names;
mod node_order;
pub mod plugin;
pub mod plugins;
pub mod preemption;
pub mod queue;
mod record;
mod refusal;
mod room;
mod sight;
mod statics;
mod syntax;
mod tally;
#[cfg(test)]
pub(crate) mod testbed;
mod tie;
mod topology;

pub use config::{Batching, DefaultConstraint, DefaultSpread, FitStrategy, Notice, Profile, SchedulerConfig, TieBreak};
pub use config_file::{ConfigError, document};
pub use cycle::Scheduler;
pub use decision::{Decision, Explanation, Failure, Statuses, Verdict, histogram};
pub use names::{PluginId, PluginSet};
pub use plugin::{Code, PodPlugin, PodView, PreFilter, Reason, Rejection};
pub use record::ControlPlaneRecord;
