//! Planning: choose the nodes, make the batches, simulate (many times), and say what comes of it.

use super::ensemble::{Ensemble, Simulated, events, metrics_of};
pub use super::error::PlanError;
use super::remedies;
use super::scenario::NodeChoice;
use super::uncertain;
use crate::cluster::{Catalog, Cluster, Finding, ForeignDocument, NodeIdx, Severity, View};
use crate::experiment::{Experiment, RunResult, RunSummary};
use crate::intent::batches;
use crate::intent::options::{Options, ProcedureKind};
use crate::intent::select::{chosen, without_oceans};
use crate::intent::{Guards, Intent};
use crate::plan::Plan;
use crate::plan::forecast::{BatchForecast, FailureForecast, Forecast, NodeForecast, PodElsewhere, Spread};
use crate::plan::{Baseline, Facts, RunRow, RunsVerdict, SimulationSettings, preflight, prerequisites};
use crate::runner::packer::Closed;
use crate::runner::{GroupPacker, Outcome, Packer};
use crate::scheduler::SchedulerConfig;
use crate::sim::autoscaler::AutoscalerOptions;
use crate::sim::{SimOptions, SiteSpec};
use crate::snapshot::time::format_rfc3339;
use crate::snapshot::{Admission, StartDelays};
use crate::trace::harm::worst;
use crate::trace::{Event, Metrics, NodeRole, WorkloadRow, harm};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a plan is made of, read and validated.
#[derive(Clone)]
pub struct Request {
    /// The cluster, its groups in the catalogue.
    pub cluster: Cluster,
    /// What the reader noticed.
    pub findings: Vec<Finding>,
    /// SHA-256 of the dump.
    pub snapshot_sha256: String,
    /// Start delays of the dump.
    pub measured: StartDelays,
    /// What its API server adds to pods that are created; None where no pods can be injected into a run.
    pub admission: Option<Arc<Admission>>,
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
    pub groups: Vec<ForeignDocument>,
    /// Seed.
    pub seed: u64,
    /// How many runs.
    pub replications: u32,
    /// Percent of them that must complete for exit status 0.
    pub require_percent: f64,
    /// Threads; 0 for all cores.
    pub threads: usize,
    /// Each assumed delay is halved and doubled, and all is simulated again.
    pub uncertain: bool,
    /// Where not all runs complete, remedies are tried.
    pub remedies: bool,
}

/// A plan with all that was found out on the way.
pub struct Planned {
    /// The plan document.
    pub plan: Plan,
    /// The prediction in it.
    pub forecast: Forecast,
    /// Every figure of the run that is shown.
    pub metrics: Metrics,
    /// That run.
    pub run: RunResult,
    /// All runs, in the order of the replications.
    pub runs: Vec<RunRow>,
    /// What all runs say together.
    pub verdict: RunsVerdict,
    catalog: Arc<Catalog>,
}

impl Planned {
    /// The trace of the run that is shown, event by event; of several runs `migration_started` says which it is.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        events(&self.catalog, &self.run, &self.verdict)
    }

    /// What never changed during the runs.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Exit status of a command that predicts this.
    pub fn exit_status(&self) -> i32 {
        self.verdict.exit_status
    }
}

/// Makes a plan. `progress` is called once for each run that ended, from any thread.
///
/// # Errors
/// Says what of the request cannot be met: no such node, a parameter out of range, a broken invariant.
pub fn plan(mut request: Request, progress: &(dyn Fn() + Sync)) -> Result<Planned, PlanError> {
    let (intent, batches, left_out) = intend(&request)?;
    request.findings.extend(left_out);
    forecast(request, intent, batches, progress)
}

/// The experiment of a request: the intent that [`plan`] would make, over its cluster.
///
/// # Errors
/// As [`plan`].
pub fn experiment_of(request: Request) -> Result<Experiment, PlanError> {
    let (intent, batches, _) = intend(&request)?;
    let Request { cluster, measured, admission, sim, autoscaler, scheduler, .. } = request;
    let mut site = SiteSpec::new(cluster, batches.into_iter().flatten(), sim, &measured, autoscaler, scheduler);
    site.admission = admission;
    let packer = GroupPacker::new(site.view(), &intent.options);
    Experiment::prepare(site, Arc::new(intent), Arc::new(packer)).map_err(PlanError::Input)
}

/// What a request wants: its old nodes chosen and put into batches, and findings of nodes that were left out of them.
fn intend(request: &Request) -> Result<(Intent, Vec<Vec<NodeIdx>>, Vec<Finding>), PlanError> {
    let (batches, left_out) = batches_of(request)?;
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let mut intent = Intent::new(view, &batches, request.options.clone());
    intent.groups = request.groups.clone();
    Ok((intent, batches, left_out))
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
    if let Some(unknown) = Closed::of(&request.options).unknown(view.catalog) {
        return Err(PlanError::Input(unknown));
    }
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
        require_percent,
        threads,
        uncertain: varied,
        remedies: wanted,
        ..
    } = request;
    let old_nodes: Vec<NodeIdx> = batches.iter().flatten().copied().collect();
    let starts = starts(&sim, &cluster.catalog, &intent.options)?;
    let settings = SimulationSettings {
        sim: sim.clone(),
        autoscaler: autoscaler.clone(),
        scheduler: scheduler.record.clone(),
        seed,
        replications,
        require_percent,
    };
    let site = SiteSpec::new(cluster, old_nodes.iter().copied(), sim, &measured, autoscaler, scheduler);
    let (view, catalog) = (site.view(), site.catalog.clone());
    let launch_is_given = !catalog.groups.is_empty() && catalog.groups.iter().all(|g| g.launch_delay.is_some());
    findings.extend(site.delays.origins.iter().filter(|f| !(launch_is_given && f.object == "Delay/launch")).cloned());
    findings.extend(site.options.gates.findings(&intent.options.gates));
    let packer = GroupPacker::new(view, &intent.options);
    let facts = Facts {
        view,
        old: &old_nodes,
        options: &intent.options,
        templates: packer.templates(),
        budgets: &site.budgets,
        given_run: &|pod| site.delays.given_run(view.catalog, view.state, pod).cloned(),
    };
    findings.extend(preflight(&facts));
    let (prerequisites, unmet) = prerequisites::judge(&facts);
    findings.extend(unmet);
    findings.sort();
    findings.dedup();
    intent.guards = Guards::accepting(&findings);
    let baseline = Baseline::of(view, &snapshot_sha256);
    let (shared, packer): (Arc<Intent>, Arc<dyn Packer>) = (Arc::new(intent.clone()), Arc::new(packer));
    let experiment = Experiment::prepare(site, shared.clone(), packer.clone()).map_err(PlanError::Input)?;
    let ensemble = Ensemble { experiment: &experiment, seed, runs: replications.max(1), threads, progress };
    let simulated = ensemble.simulate(require_percent)?;
    let metrics = metrics_of(&catalog, &simulated.shown, &simulated.verdict);
    let uncertainty = match varied {
        true => Some(uncertain::vary(&ensemble, &measured, &shared, &packer, &simulated.verdict)?),
        false => None,
    };
    let remedies = match wanted {
        true => remedies::tried(&remedies::Ground {
            ensemble,
            measured: &measured,
            intent: &intent,
            batches: &batches,
            simulated: &simulated,
            metrics: &metrics,
            findings: &findings,
        })?,
        false => Vec::new(),
    };
    let Simulated { summary, rows, verdict, shown: run } = simulated;
    let mut predicted = Forecast {
        verdict: Some(verdict.clone()),
        outcome: run.outcome.text().to_owned(),
        reason: run.failure.as_ref().map(|f| f.reason.clone()),
        message: run.failure.as_ref().map(|f| f.message.clone()),
        starts,
        duration_ms: Spread::of(&summary.durations_ms()),
        batches: batch_forecasts(&intent, &metrics, &run),
        migration_state: metrics.states.migration.clone(),
        nodes: node_forecasts(&intent, &metrics),
        pools: metrics.states.pools.values().cloned().collect(),
        pods_forced: metrics.states.forced.clone(),
        failures: failures(&summary),
        remedies,
        uncertainty,
        harm: harm(&metrics.workloads),
        harm_count: metrics.harm,
        worst_workloads: worst_workloads(&metrics),
        findings,
        prerequisites,
        pods_moved: metrics.pods_moved,
        pods_moved_twice: metrics.pods_moved_twice,
        did_not_reach_ocean: did_not_reach_ocean(&intent, &metrics),
        peak_nodes: metrics.peak_nodes,
        node_hours: (metrics.node_ms() / 3_600) as f64 / 1000.0,
        ending: metrics.ending.clone(),
        rests_on: rests_on(&catalog, &run, &metrics),
        cost: metrics.cost_micros.map(|c| (c / 10_000) as f64 / 100.0),
        outcomes: BTreeMap::new(),
        replications: summary.len() as u32,
        seed,
        snapshot_sha256,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    predicted.findings.extend(elsewhere_finding(intent.options.procedure, &predicted));
    predicted.findings.extend(grown_findings(&intent.options, &predicted));
    predicted.findings.sort();
    for outcome in [Outcome::Completed, Outcome::PartlyCompleted, Outcome::Failed, Outcome::Stopped] {
        let n = summary.count(outcome);
        if n > 0 {
            predicted.outcomes.insert(outcome.text().to_owned(), share(n, summary.len()));
        }
    }
    let plan = Plan::new(intent, baseline).simulated(settings, predicted.clone());
    Ok(Planned { plan, forecast: predicted, metrics, run, runs: rows, verdict, catalog })
}

/// When the migration begins, where windows by the calendar make it count or somebody said so.
pub(super) fn starts(sim: &SimOptions, catalog: &Catalog, options: &Options) -> Result<Option<String>, PlanError> {
    if options.scheduled_windows.is_empty() && sim.start.is_none() {
        return Ok(None);
    }
    match sim.start_unix_ms(catalog) {
        0 => Err(PlanError::Input(
            "windows by the calendar need the time at which the migration begins, and the dump has no timestamp: give --start 2026-11-27T20:00:00Z (sim.start)".into(),
        )),
        unix_ms => Ok(Some(format_rfc3339(unix_ms, 0))),
    }
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

fn share(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}

/// The workloads that fared worst, as many as people read.
fn worst_workloads(metrics: &Metrics) -> Vec<WorkloadRow> {
    const SHOWN: usize = 10;
    // Their pods over time are for the plot.
    let row = |w: &WorkloadRow| WorkloadRow { points: Vec::new(), ..w.clone() };
    worst(&metrics.workloads).into_iter().take(SHOWN).map(row).collect()
}

/// Failures by reason, the most frequent first, then by code.
fn failures(summary: &RunSummary) -> Vec<FailureForecast> {
    summary
        .failures()
        .into_iter()
        .map(|(n, f)| FailureForecast {
            reason: f.reason.clone(),
            probability: share(n, summary.len()),
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

/// Machines that were launched in a pool which the migration leaves: it achieves nothing with them.
fn grown_findings(options: &Options, forecast: &Forecast) -> Vec<Finding> {
    forecast
        .grown_unasked(options)
        .map(|g| {
            Finding::new(
                Severity::Warning,
                "left-group-grows",
                format!("NodeGroup/{}", g.group),
                format!(
                    "{} launched in it, though the migration leaves it; {} there at the end",
                    crate::report::format::count(g.launched, "node"),
                    match g.pods {
                        1 => "1 pod runs".to_owned(),
                        n => format!("{n} pods run"),
                    }
                ),
                "Plan with --to and the groups that are to give new nodes (or options.source_groups_may_grow: false), and keep the cluster's own autoscaler from growing this group during the migration (its maximum at the nodes of now).",
            )
        })
        .collect()
}

/// What the outcome of the run that is shown rests on though nobody knows it: maxima that are assumed, of groups that grew, or that were full where
/// pods found no node.
fn rests_on(catalog: &Catalog, run: &RunResult, metrics: &Metrics) -> Vec<String> {
    let mut list = Vec::new();
    for (index, group) in catalog.groups.entries().filter(|(_, g)| g.max_is_assumed && !g.template_only) {
        let id = catalog.text(group.id);
        let launched =
            metrics.nodes.iter().filter(|n| n.role == NodeRole::New && n.group.as_deref() == Some(id)).count();
        let nodes = run.state.nodes.iter().filter(|n| !n.gone && n.group == Some(index)).count();
        let full = run.failure.is_some() && nodes >= group.max_count as usize;
        if launched > 0 || full {
            let grew = if full { "it is full" } else { "it grows" };
            list.push(format!(
                "the assumed maximum of node group {id}, {} nodes ({grew}); give the real one with --groups",
                group.max_count
            ));
        }
    }
    list
}

fn batch_forecasts(intent: &Intent, metrics: &Metrics, run: &RunResult) -> Vec<BatchForecast> {
    let nodes = |batch: &Vec<crate::intent::NodeId>| batch.iter().map(|n| n.name.clone()).collect();
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
                waits: row.map(|r| r.waits.clone()).unwrap_or_default(),
                outcome: row.and_then(|r| r.outcome.clone()),
                reason: row.and_then(|r| r.reason.clone()),
                exit: run.exits.get(&(i as u32)).copied(),
            }
        })
        .collect()
}
