//! What a plan document keeps of the simulation that forecast it, so that it can be simulated again.

use super::verdict::DEFAULT_REQUIRE;
use crate::scheduler::ControlPlaneRecord;
use crate::sim::SimOptions;
use crate::sim::autoscaler::AutoscalerOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The world that a plan was simulated in. An execution does not read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulationSettings {
    /// Delays, faults, latencies; a stop that is simulated.
    pub sim: SimOptions,
    /// The autoscaler beside the migration.
    pub autoscaler: AutoscalerOptions,
    /// The control plane: Kubernetes' version, and the scheduler's configuration if one was given.
    pub scheduler: ControlPlaneRecord,
    /// Seed of the first run.
    pub seed: u64,
    /// How many runs.
    pub replications: u32,
    /// Percent of them that must complete. Default 100.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub require_percent: f64,
}

fn all() -> f64 {
    DEFAULT_REQUIRE
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_all(percent: &f64) -> bool {
    *percent >= DEFAULT_REQUIRE
}
