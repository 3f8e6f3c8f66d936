//! What we INTEND: which nodes together, how a batch goes, what stands in the way.

pub mod baseline;
pub mod batcher;
pub mod bounds;
pub mod document;
pub mod execution;
pub mod forecast;
pub mod ocean_rules;
pub mod options;
pub mod preflight;
pub mod prerequisites;
pub mod select;
#[cfg(test)]
mod tests;

pub use baseline::Baseline;
pub use batcher::batches;
pub use bounds::{Bound, LeastDelays, lower_bound};
pub use document::{Guards, Intent, NodeId, PLAN_VERSION, Plan};
pub use execution::{ExecutionOptions, Gates, Provision, Retirement};
pub use forecast::{BatchForecast, FailureForecast, Forecast, PodElsewhere, Spread};
pub use options::Options;
pub use preflight::{Facts, preflight};
pub use prerequisites::{Prerequisite, Verdict};
pub use select::select;
