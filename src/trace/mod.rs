//! What HAPPENED: the events of a run and what is derived from them.
//!
//! [`Recorder`] collects [`Event`]s and writes them as JSON Lines, [`read_jsonl`] reads them back,
//! [`Metrics`] is every figure that plots, CSV files and the plan's JSON show (made from the events
//! alone), [`compare()`] lays two runs side by side in words.

mod builder;
mod capacity;
pub mod compare;
pub mod delays;
pub mod ending;
pub mod event;
pub mod harm;
pub(crate) mod lineage;
pub mod lines;
mod log;
pub mod metrics;
pub mod observation;
pub mod recorder;
pub mod states;
#[cfg(test)]
pub(crate) mod synthetic;
pub mod time;
pub mod waits;
pub mod witness;
pub mod workloads;

pub use builder::MetricsBuilder;
pub use compare::{Comparison, Difference, compare};
pub use delays::SeenDelays;
pub use ending::Ending;
pub use event::{Event, EventKind, NodeRole, PodDetail};
pub use harm::{Harm, HarmCount, HarmKind, WorkloadRow, harm};
pub use log::ObservationLog;
pub use metrics::Metrics;
pub use observation::{Detail, Observation};
pub use recorder::{Recorder, TraceError, read_jsonl};
pub use states::ProviderStates;
pub use waits::{BatchWait, WaitFor};
