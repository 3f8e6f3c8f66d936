//! The migration of an ACK cluster as it is asked for: what is known of the cluster, and the request to drain its masters.

use super::input::{self, InputError};
use super::plan::{PlanError, Request, batches_of, experiment_of};
use super::resimulate::{self, Laid};
use super::scenario::{AckScenario, Scenario};
use crate::ack::simulate::{self, AckResult, AckSimOptions, Ground, OutageRange, RunError};
use crate::ack::{FactsError, Known, Preflight, PreflightOptions, drain_all, masters};
use crate::cluster::{Cluster, NodeIdx, View};
use crate::plan::Plan;
use crate::snapshot::Source;

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The facts.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The drain.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The simulation.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There are no masters.
    #[error(
        "no node of the dump is a master: none has the label node-role.kubernetes.io/master or node-role.kubernetes.io/control-plane; the masters are drained first, so add all nodes to the dump (kubectl get nodes -o json)"
    )]
    NoMasters,
    /// The scenario has no `ack`.
    #[error(
        "scenario {0:?} has no `ack`: add it (facts, simulation; see `nodeferry schema scenario`), or use nodeferry plan"
    )]
    NoAck(String),
}

/// A migration that is asked for.
pub struct AckRequest {
    /// What is known.
    pub known: Known,
    /// The cluster of the dump.
    pub cluster: Cluster,
    /// What stands in the way.
    pub preflight: Preflight,
    /// The drain of its masters.
    pub drain: Request,
}

impl AckRequest {
    /// Of a request with its cluster: its nodes are the masters unless it names others, and they are drained in one batch unless it says otherwise.
    ///
    /// # Errors
    /// The cluster has no masters.
    pub fn of(mut drain: Request, known: Known, options: &PreflightOptions) -> Result<AckRequest, AckError> {
        let cluster = drain.cluster.clone();
        let view = View { catalog: &cluster.catalog, state: &cluster.state };
        let preflight = Preflight::of(&known, view, options, &drain.snapshot_sha256);
        if drain.nodes.is_empty() {
            let names = masters(view).into_iter().map(|n| view.state.node_name(view.catalog, n).to_owned());
            drain.nodes.names = names.collect();
        }
        if drain.nodes.is_empty() {
            return Err(AckError::NoMasters);
        }
        drain_all(&mut drain.options);
        Ok(AckRequest { known, cluster, preflight, drain })
    }

    /// Of a scenario.
    ///
    /// # Errors
    /// It has no `ack`, or cannot be read, or its facts contradict its cluster.
    pub fn of_scenario(scenario: &Scenario) -> Result<(AckRequest, AckScenario), AckError> {
        let Some(ack) = scenario.ack.clone() else { return Err(AckError::NoAck(scenario.scenario.clone())) };
        let drain = input::request_of_scenario(scenario, false)?;
        let view = View { catalog: &drain.cluster.catalog, state: &drain.cluster.state };
        let known = Known::stated(view, "ack.facts of the scenario", ack.facts.clone())?;
        Ok((AckRequest::of(drain, known, &ack.preflight)?, ack))
    }

    /// Simulates it.
    ///
    /// # Errors
    /// The drain makes no sense for this cluster, or a bug of ours.
    pub fn simulate(
        self,
        options: &AckSimOptions,
        lengths: Option<OutageRange>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<AckResult, AckError> {
        let (batches, _) = batches_of(&self.drain)?;
        simulated(self.drain, batches, options, lengths, progress)
    }
}

/// Simulates the drain of the masters and what follows it.
fn simulated(
    drain: Request,
    batches: Vec<Vec<NodeIdx>>,
    options: &AckSimOptions,
    lengths: Option<OutageRange>,
    progress: &(dyn Fn() + Sync),
) -> Result<AckResult, AckError> {
    let (seed, replications, require_percent) = (drain.seed, drain.replications, drain.require_percent);
    let experiment = experiment_of(drain)?;
    let ground = Ground {
        experiment: &experiment,
        masters: batches.into_iter().flatten().collect(),
        options,
        seed,
        replications,
        require_percent,
        lengths,
    };
    Ok(simulate::simulate(&ground, progress)?)
}

/// What is predicted of the outage from the state of a cluster whose masters are drained, by the plan of their drain.
///
/// # Errors
/// The plan was not simulated, or does not fit the cluster; or a bug of ours.
pub fn predict(drain: &Plan, sources: &[Source], options: &AckSimOptions) -> Result<AckResult, String> {
    let loaded = resimulate::read(drain, sources)?;
    let Laid { mut request, batches, .. } = resimulate::lay(drain, loaded)?;
    // Somebody who stops the plan's simulation does not stop its execution.
    request.sim.stop_at_ms = None;
    request.nodes.names = drain.intent.batches.iter().flatten().map(|n| n.name.clone()).collect();
    simulated(request, batches, options, None, &|| ()).map_err(|e| e.to_string())
}
