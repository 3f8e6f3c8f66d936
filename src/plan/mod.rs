//! The plan DOCUMENT: an intent, the cluster that it was made for, what was forecast, and what stands in the way.

pub mod baseline;
pub mod bounds;
pub mod document;
pub mod forecast;
pub mod ocean_rules;
pub mod preflight;
pub mod prerequisites;
pub mod remedy;
pub mod simulation;
#[cfg(test)]
mod tests;
pub mod uncertainty;
pub mod verdict;

pub use baseline::Baseline;
pub use bounds::{Bound, LeastDelays, lower_bound};
pub use document::{PLAN_VERSION, Plan};
pub use forecast::{BatchForecast, FailureForecast, Forecast, PodElsewhere, Spread};
pub use preflight::{Facts, preflight};
pub use prerequisites::{Prerequisite, Verdict};
pub use simulation::SimulationSettings;
pub use verdict::{RunRow, RunsVerdict};
