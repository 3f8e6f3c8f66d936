//! A saved plan upon another state of its cluster: the request that simulates it again.

use super::control_plane::ControlPlane;
use super::input::{self, Loaded};
use super::plan::Request;
use crate::cluster::{NodeIdx, View};
use crate::plan::{Baseline, Plan, SimulationSettings};
use crate::snapshot::Source;

/// The world that a plan was simulated in.
///
/// # Errors
/// It was not simulated.
pub fn settings(plan: &Plan) -> Result<SimulationSettings, String> {
    let missing = "the plan has no `simulation`, which says how the cluster behaves: make it with nodeferry plan";
    plan.simulation.clone().ok_or_else(|| missing.to_owned())
}

/// A plan laid upon a cluster.
pub struct Laid {
    /// What simulates it.
    pub request: Request,
    /// Its batches, as nodes of this cluster.
    pub batches: Vec<Vec<NodeIdx>>,
    /// What differs from the cluster that it was made upon, a line each.
    pub drift: Vec<String>,
}

/// Lays a plan upon a cluster that was read.
///
/// # Errors
/// Nodes of the plan that the cluster lacks, or settings that are not understood.
pub fn lay(plan: &Plan, loaded: Loaded) -> Result<Laid, String> {
    let settings = settings(plan)?;
    let mut request = input::request_of_cluster(loaded);
    request.options = plan.intent.options.clone();
    request.sim = settings.sim;
    request.autoscaler = settings.autoscaler;
    request.seed = settings.seed;
    request.replications = settings.replications.max(1);
    request.require_percent = settings.require_percent;
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let batches = plan.intent.resolve(view)?;
    let drift = plan.baseline.drift(&Baseline::of(view, &request.snapshot_sha256));
    Ok(Laid { request, batches, drift })
}

/// Reads a dump with the plan's own groups, and under its own control plane.
///
/// # Errors
/// A dump, groups or a scheduler's configuration that cannot be read.
pub fn read(plan: &Plan, sources: &[Source]) -> Result<Loaded, String> {
    let control_plane = ControlPlane::of_plan(plan);
    let loaded = match &plan.intent.groups[..] {
        [] => input::cluster_of_dump(sources, &[], None, &control_plane, false),
        groups => input::cluster_with_values(sources, groups, None, &control_plane, false),
    };
    loaded.map_err(|e| e.to_string())
}
