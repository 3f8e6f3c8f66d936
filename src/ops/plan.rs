//! Planning: choose the nodes, make the batches, simulate (many times), and say what comes of it.

use super::scenario::NodeChoice;
use crate::cluster::draw::Draws;
use crate::cluster::{Catalog, Cluster, Finding, NodeIdx, OwnerIdx, Severity, SpecIdx, State, View};
use crate::disruption::BudgetIndex;
use crate::groups::GroupPacker;
use crate::plan::document::{Guards, Intent, Plan};
use crate::plan::forecast::{BatchForecast, FailureForecast, Forecast, NodeForecast, PodElsewhere, Spread};
use crate::plan::options::{Options, ProcedureKind};
use crate::plan::select::{chosen, without_oceans};
use crate::plan::{Baseline, Facts, batches, preflight, prerequisites};
use crate::runner::{Failure, Outcome, Packer, Runner, StopMode};
use crate::scheduler::SchedulerConfig;
use crate::sim::autoscaler::AutoscalerOptions;
use crate::sim::world::{RunInput, RunResult, World};
use crate::sim::{Delays, SimOptions};
use crate::snapshot::StartDelays;
use crate::trace::{Event, EventKind, Metrics, MetricsBuilder, NodeRole, Observation};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a plan is made of, read and validated.
pub struct Request {
    /// The cluster, its groups in the catalogue.
    pub cluster: Cluster,
    /// What the reader noticed.
    pub findings: Vec<Finding>,
    /// SHA-256 of the dump.
    pub snapshot_sha256: String,
    /// Start delays of the dump.
    pub measured: StartDelays,
    /// Which nodes are old.
    pub nodes: NodeChoice,
    /// Parameters of the migration.
    pub options: Options,
    /// Parameters of the simulation.
    pub sim: SimOptions,
    /// The autoscaler.
    pub autoscaler: AutoscalerOptions,
    /// The scheduler.
    pub scheduler: SchedulerConfig,
    /// Groups as they were described, for the plan document.
    pub groups: serde_json::Value,
    /// Seed.
    pub seed: u64,
    /// How many runs.
    pub replications: u32,
    /// Threads; 0 for all cores.
    pub threads: usize,
}

/// A plan with all that was found out on the way.
pub struct Planned {
    /// The plan document.
    pub plan: Plan,
    /// The prediction in it.
    pub forecast: Forecast,
    /// Every figure of the run with the median duration.
    pub metrics: Metrics,
    /// That run.
    pub run: RunResult,
    /// Durations of all runs, in the order of the replications.
    pub durations_ms: Vec<i64>,
    catalog: Arc<Catalog>,
}

impl Planned {
    /// The trace of the run with the median duration, event by event.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let view = View { catalog: &self.catalog, state: &self.run.state };
        self.run.observations.iter().map(move |o| o.render(view))
    }
    /// What never changed during the runs.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
    /// Exit status of a command that predicts this.
    pub fn exit_status(&self) -> i32 {
        self.run.outcome.exit_status()
    }
}

/// Why no plan can be made of a request.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The request makes no sense upon this cluster.
    #[error("{0}")]
    Input(String),
    /// An invariant of the simulation broke.
    #[error(
        "a bug of nodeferry: {violation} (seed {seed}, version {version}); please report it with the dump or scenario"
    )]
    Violation {
        /// What broke.
        violation: String,
        /// Seed of the run.
        seed: u64,
        /// Version.
        version: &'static str,
    },
}

/// What all runs of one plan share.
struct Shared {
    catalog: Arc<Catalog>,
    state: State,
    intent: Arc<Intent>,
    packer: Arc<dyn Packer>,
    old_nodes: Vec<NodeIdx>,
    sim: Arc<SimOptions>,
    delays: Arc<Delays>,
    autoscaler: AutoscalerOptions,
    scheduler: SchedulerConfig,
    budgets: Arc<BudgetIndex>,
    stop_at: Option<(i64, StopMode)>,
}

/// What is kept of a run that is not shown.
struct Summary {
    outcome: Outcome,
    failure: Option<Failure>,
    duration_ms: i64,
}

impl Shared {
    fn run(&self, seed: u64) -> Result<RunResult, PlanError> {
        let view = View { catalog: &self.catalog, state: &self.state };
        let runner = Runner::new(self.intent.clone(), view, self.packer.clone()).map_err(PlanError::Input)?;
        let mut result = World::new(RunInput {
            catalog: self.catalog.clone(),
            state: self.state.clone(),
            runner: Some(runner),
            old_nodes: self.old_nodes.clone(),
            options: self.sim.clone(),
            delays: self.delays.clone(),
            autoscaler: self.autoscaler.clone(),
            scheduler: self.scheduler.clone(),
            budgets: self.budgets.clone(),
            seed,
            stop_at: self.stop_at,
        })
        .run();
        if let Some(failure) = &mut result.failure {
            let waiting = self.waiting_pods(&result.observations, &result.state);
            failure.cause.push_str(&waiting);
            failure.cause.push_str(&self.full_groups(&result.state));
        }
        match result.violations.first() {
            Some(v) => Err(PlanError::Violation { violation: v.to_string(), seed, version: env!("CARGO_PKG_VERSION") }),
            None => Ok(result),
        }
    }
}

impl Shared {
    /// What the scheduler said of pods that wait at the end, a workload once, the latest first: the filter behind a failure.
    fn waiting_pods(&self, observations: &[Observation], state: &State) -> String {
        const NAMED: usize = 3;
        let mut workloads = Vec::new();
        let mut text = String::new();
        for o in observations.iter().rev().filter(|o| o.kind == EventKind::PodUnschedulable) {
            let Some((pod, message)) = o.pod.zip(o.detail.as_ref().and_then(|d| d.message.as_deref())) else {
                continue;
            };
            let p = &state.pods[pod];
            let workload = (self.catalog.specs[p.spec].owner, p.spec);
            let known = workloads.iter().any(|w: &(Option<OwnerIdx>, SpecIdx)| match workload.0 {
                Some(owner) => w.0 == Some(owner),
                None => *w == workload,
            });
            if p.gone || p.node.is_some() || known {
                continue;
            }
            workloads.push(workload);
            text.push_str(&format!("\npod {} waits: {message}", state.pod_text(&self.catalog, pod)));
            if workloads.len() == NAMED {
                break;
            }
        }
        text
    }
    /// Groups that had no more machines to give at the end, in words, to be added to a failure's cause.
    fn full_groups(&self, state: &State) -> String {
        let full = self.catalog.groups.entries().filter_map(|(group, g)| {
            let nodes = state.nodes.iter().filter(|n| !n.gone && n.group == Some(group)).count();
            (nodes > 0 && nodes >= g.max_count as usize).then(|| {
                let assumed = if g.max_is_assumed { ", which is assumed" } else { "" };
                format!("\nnode group {} is at its maximum of {} nodes{assumed}", self.catalog.text(g.id), g.max_count)
            })
        });
        full.collect()
    }
}

/// The seed of one replication; the first has the seed itself.
pub fn replication_seed(seed: u64, nth: u32) -> u64 {
    match nth {
        0 => seed,
        n => Draws::new(seed).fork("replication", u64::from(n)).seed,
    }
}

/// Makes a plan. `progress` is called once for each run that ended, from any thread.
///
/// # Errors
/// Says what of the request cannot be met: no such node, a parameter out of range, a broken invariant.
pub fn plan(mut request: Request, progress: &(dyn Fn() + Sync)) -> Result<Planned, PlanError> {
    let (batches, left_out) = batches_of(&request)?;
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let mut intent = Intent::new(view, &batches, request.options.clone());
    intent.groups = request.groups.clone();
    intent.scheduler = request.scheduler.document.clone();
    intent.simulation = serde_json::json!({
        "sim": request.sim, "autoscaler": request.autoscaler, "seed": request.seed, "replications": request.replications,
    });
    request.findings.extend(left_out);
    forecast(request, intent, batches, progress)
}

/// The old nodes of a request in batches, and findings of nodes that were left out of them.
///
/// # Errors
/// A parameter out of range, or a choice that no node meets.
pub fn batches_of(request: &Request) -> Result<(Vec<Vec<NodeIdx>>, Vec<Finding>), PlanError> {
    let problems = request.options.problems();
    if !problems.is_empty() {
        return Err(PlanError::Input(problems.join("; ")));
    }
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let (nodes, left_out) = choose(view, &request.nodes, &request.options)?;
    Ok((batches(view, &nodes, &request.options).map_err(PlanError::Input)?, left_out))
}

/// Simulates a given intent and says what comes of it.
///
/// # Errors
/// As [`plan`].
pub fn forecast(
    request: Request,
    mut intent: Intent,
    batches: Vec<Vec<NodeIdx>>,
    progress: &(dyn Fn() + Sync),
) -> Result<Planned, PlanError> {
    let Request {
        cluster,
        mut findings,
        snapshot_sha256,
        measured,
        sim,
        autoscaler,
        scheduler,
        seed,
        replications,
        threads,
        ..
    } = request;
    let Cluster { catalog, state } = cluster;
    let view = View { catalog: &catalog, state: &state };
    let old_nodes: Vec<NodeIdx> = batches.iter().flatten().copied().collect();
    let delays = Arc::new(Delays::new(&sim.delays, &measured));
    let launch_is_given = !catalog.groups.is_empty() && catalog.groups.iter().all(|g| g.launch_delay.is_some());
    findings.extend(delays.origins.iter().filter(|f| !(launch_is_given && f.object == "Delay/launch")).cloned());
    findings.extend(sim.gates.findings(&intent.options.gates));
    let budgets = Arc::new(BudgetIndex::new(&catalog));
    let packer = GroupPacker::new(view, &intent.options);
    let facts =
        Facts { view, old: &old_nodes, options: &intent.options, templates: packer.templates(), budgets: &budgets };
    findings.extend(preflight(&facts));
    let (prerequisites, unmet) = prerequisites::judge(&facts);
    findings.extend(unmet);
    findings.sort();
    findings.dedup();
    intent.guards = Guards::accepting(&findings);
    let baseline = Baseline::of(view, &snapshot_sha256);
    let terminate_drained = intent.options.stop_terminates_drained;
    let stop_at = intent.options.stop_at_ms.map(|at| (at, StopMode { terminate_drained }));
    let shared = Shared {
        packer: Arc::new(packer),
        intent: Arc::new(intent.clone()),
        old_nodes,
        sim: Arc::new(sim),
        delays,
        autoscaler,
        scheduler,
        budgets,
        stop_at,
        catalog: catalog.clone(),
        state,
    };
    let (summaries, only) = replicate(&shared, seed, replications.max(1), threads, progress)?;
    let durations_ms: Vec<i64> = summaries.iter().map(|s| s.duration_ms).collect();
    let median = median_index(&durations_ms);
    let run = match only {
        Some(run) => run,
        None => shared.run(replication_seed(seed, median as u32))?,
    };
    let metrics = metrics_of(&catalog, &run);
    let mut predicted = Forecast {
        outcome: run.outcome.text().to_owned(),
        reason: run.failure.as_ref().map(|f| f.reason.clone()),
        message: run.failure.as_ref().map(|f| f.message.clone()),
        duration_ms: Spread::of(&durations_ms),
        batches: batch_forecasts(&intent, &metrics, &run),
        migration_state: metrics.states.migration.clone(),
        nodes: node_forecasts(&intent, &metrics),
        pools: metrics.states.pools.values().cloned().collect(),
        pods_forced: metrics.states.forced.clone(),
        failures: failures(&summaries),
        findings,
        prerequisites,
        pods_moved: metrics.pods_moved,
        pods_moved_twice: metrics.pods_moved_twice,
        did_not_reach_ocean: did_not_reach_ocean(&intent, &metrics),
        peak_nodes: metrics.peak_nodes,
        node_hours: (metrics.node_ms() / 3_600) as f64 / 1000.0,
        cost: metrics.cost_micros.map(|c| (c / 10_000) as f64 / 100.0),
        outcomes: BTreeMap::new(),
        replications: summaries.len() as u32,
        seed,
        snapshot_sha256,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    predicted.findings.extend(elsewhere_finding(intent.options.procedure, &predicted));
    predicted.findings.sort();
    for outcome in [Outcome::Completed, Outcome::PartlyCompleted, Outcome::Failed, Outcome::Stopped] {
        let n = summaries.iter().filter(|s| s.outcome == outcome).count();
        if n > 0 {
            predicted.outcomes.insert(outcome.text().to_owned(), share(n, summaries.len()));
        }
    }
    let value = serde_json::to_value(&predicted)
        .map_err(|e| PlanError::Input(format!("the forecast cannot be written: {e}")))?;
    Ok(Planned { plan: Plan::new(intent, baseline, value), forecast: predicted, metrics, run, durations_ms, catalog })
}

/// The old nodes that a choice means, with what is said of those that were left out: Ocean's procedures migrate no node that is Ocean's
/// already.
pub(crate) fn choose(
    view: View<'_>,
    choice: &NodeChoice,
    options: &Options,
) -> Result<(Vec<NodeIdx>, Vec<Finding>), PlanError> {
    if view.state.live_nodes().next().is_none() {
        return Err(PlanError::Input(
            "the dump has no nodes: was the kind asked for? (kubectl get nodes -o json)".into(),
        ));
    }
    let nodes = chosen(view, choice).map_err(PlanError::Input)?;
    match options.procedure.is_ocean() {
        true => without_oceans(view, choice, nodes).map_err(PlanError::Input),
        false => Ok((nodes, Vec::new())),
    }
}

/// Runs the replications on a pool of threads; the result is in the order of the replications, whatever the pool. A
/// single run is handed on whole; of many, only what the statistics need is kept.
fn replicate(
    shared: &Shared,
    seed: u64,
    replications: u32,
    threads: usize,
    progress: &(dyn Fn() + Sync),
) -> Result<(Vec<Summary>, Option<RunResult>), PlanError> {
    let summarise =
        |run: &RunResult| Summary { outcome: run.outcome, failure: run.failure.clone(), duration_ms: run.duration_ms };
    if replications == 1 {
        let run = shared.run(seed)?;
        progress();
        return Ok((vec![summarise(&run)], Some(run)));
    }
    let one = |nth: u32| {
        let run = shared.run(replication_seed(seed, nth))?;
        progress();
        Ok(summarise(&run))
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| PlanError::Input(format!("cannot start {threads} threads: {e}")))?;
    let summaries: Result<Vec<Summary>, PlanError> =
        pool.install(|| (0..replications).into_par_iter().map(one).collect());
    Ok((summaries?, None))
}

/// Index of the run with the median duration: the lower median, the earliest of equals.
fn median_index(durations_ms: &[i64]) -> usize {
    let median = Spread::of(durations_ms).p50;
    durations_ms.iter().position(|d| *d == median).unwrap_or(0)
}

fn share(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}

fn metrics_of(catalog: &Catalog, run: &RunResult) -> Metrics {
    let view = View { catalog, state: &run.state };
    let mut builder = MetricsBuilder::default();
    for observation in &run.observations {
        builder.observe(&observation.render(view));
    }
    builder.finish()
}

/// Failures by reason, the most frequent first, then by code.
fn failures(summaries: &[Summary]) -> Vec<FailureForecast> {
    let mut by_reason: BTreeMap<&str, (usize, &Failure)> = BTreeMap::new();
    for failure in summaries.iter().filter_map(|s| s.failure.as_ref()) {
        by_reason.entry(&failure.reason).or_insert((0, failure)).0 += 1;
    }
    let mut list: Vec<(usize, &Failure)> = by_reason.into_values().collect();
    list.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.reason.cmp(&b.1.reason)));
    list.into_iter()
        .map(|(n, f)| FailureForecast {
            reason: f.reason.clone(),
            probability: share(n, summaries.len()),
            message: f.message.clone(),
            cause: f.cause.clone(),
            remedy: f.remedy.clone(),
            advice: f.advice.clone(),
        })
        .collect()
}

/// Each old node at the end, where the provider has words for that.
fn node_forecasts(intent: &Intent, metrics: &Metrics) -> Vec<NodeForecast> {
    if metrics.states.migration.is_none() {
        return Vec::new();
    }
    let planned = (0u32..).zip(&intent.batches).flat_map(|(b, nodes)| nodes.iter().map(move |n| (b, n)));
    planned
        .map(|(batch, id)| {
            let now = metrics.states.nodes.get(&id.name).cloned();
            NodeForecast {
                name: id.name.clone(),
                batch,
                state: now.as_ref().map(|n| n.state.clone()),
                message: now.as_ref().and_then(|n| n.message.clone()),
                pod_details: now.map(|n| n.pod_details).unwrap_or_default(),
            }
        })
        .collect()
}

/// Pods that a procedure of Ocean's moved, but not to Ocean.
pub(crate) fn did_not_reach_ocean(intent: &Intent, metrics: &Metrics) -> Option<Vec<PodElsewhere>> {
    intent.options.procedure.is_ocean().then(|| {
        let mut pods: Vec<PodElsewhere> = metrics
            .not_on_ocean()
            .map(|(a, n)| PodElsewhere { node: n.name.clone(), pod: a.pod.clone(), old: n.role == NodeRole::Old })
            .collect();
        pods.sort();
        pods
    })
}

/// The same as a finding, with what would keep the pods from those nodes.
fn elsewhere_finding(procedure: ProcedureKind, forecast: &Forecast) -> Option<Finding> {
    let pods = forecast.did_not_reach_ocean.as_ref().filter(|p| !p.is_empty())?;
    let mut nodes: Vec<&str> = pods.iter().filter(|p| !p.old).map(|p| p.node.as_str()).collect();
    nodes.dedup();
    let remedy = match nodes.len() {
        0 => "Cordon all old nodes first (--cordon all-first): pods that land on one that is still to be drained are moved again.".to_owned(),
        _ => format!(
            "Cordon {} for the time of the migration, or give the pods a node selector or affinity for Ocean's nodes; those that ought to be there need nothing.",
            nodes.join(", ")
        ),
    };
    let text = crate::report::summary::elsewhere(pods);
    let object = format!("Procedure/{}", procedure.name());
    Some(Finding::new(Severity::Warning, "did-not-reach-ocean", object, text, remedy))
}

fn batch_forecasts(intent: &Intent, metrics: &Metrics, run: &RunResult) -> Vec<BatchForecast> {
    let nodes = |batch: &Vec<crate::plan::document::NodeId>| batch.iter().map(|n| n.name.clone()).collect();
    intent
        .batches
        .iter()
        .enumerate()
        .map(|(i, batch)| {
            let row = metrics.batches.iter().find(|b| b.index as usize == i);
            BatchForecast {
                index: i as u32,
                nodes: nodes(batch),
                start_ms: row.and_then(|r| r.start_ms),
                end_ms: row.and_then(|r| r.end_ms),
                evictions: row.map_or(0, |r| r.evictions),
                refused: row.map_or(0, |r| r.refused),
                launched: row.map_or(0, |r| r.launched),
                outcome: row.and_then(|r| r.outcome.clone()),
                reason: row.and_then(|r| r.reason.clone()),
                exit: run.exits.get(&(i as u32)).copied(),
            }
        })
        .collect()
}
