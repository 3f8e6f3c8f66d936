//! Rehearsals: a plan is carried out upon the simulated API, seed by seed, while everything goes wrong that may.

use crate::cluster::{NodeIdx, View};
use crate::experiment::{Experiment, Sink};
use crate::intent::{Intent, batches};
use crate::plan::{Baseline, Plan};
use crate::rehearsal::luck::Profile;
use crate::rehearsal::objects::{Bases, resource_of};
use crate::rehearsal::programs::simulated;
use crate::rehearsal::stage::{Rehearsal, Rehearsed, Stage};
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, InputError};
use crate::request::plan::{PlanError, Request, choose};
use crate::request::scenario::{ClusterSource, Scenario};
use crate::runner::GroupPacker;
use crate::runner::{Ms, Outcome};
use crate::session::Began;
use crate::session::journal::JOURNAL_VERSION;
use crate::sim::SiteSpec;
use crate::snapshot::{Source, objects_of};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why nothing can be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Anything else that is wrong with what is asked.
    #[error("{0}")]
    Other(String),
}

/// Which seeds, under which faults.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// How much goes wrong.
    pub profile: Profile,
    /// Keep the whole log of each.
    pub verbose: bool,
    /// Threads; 0 for all cores.
    pub threads: usize,
}

/// How the plain simulation of a seed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// How.
    pub outcome: Outcome,
    /// After so long.
    pub duration_ms: Ms,
    /// Evictions that were admitted.
    pub evictions: u64,
    /// A budget held some back.
    pub held_back: bool,
}

/// How all rehearsals of one plan went.
#[derive(Clone, Debug, Default)]
pub struct Rehearsals {
    /// By outcome, how many.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Seeds.
    pub seeds: u64,
    /// Processes that were started.
    pub processes: u64,
    /// Requests that left.
    pub requests: u64,
    /// Evictions that were granted.
    pub evictions: u64,
    /// Entries of all journals.
    pub entries: u64,
    /// Virtual time in all.
    pub duration_ms: Ms,
    /// In how many seeds each fault struck.
    pub struck: BTreeMap<&'static str, u64>,
    /// The seeds in which a rule was broken, with their logs.
    pub failed: Vec<Rehearsed>,
    /// All seeds, if their logs were asked for.
    pub all: Vec<Rehearsed>,
}

/// A session differs from the plain simulation by so much at most where nothing goes wrong: what it reads before it
/// begins, requests that the simulation makes as one, and moments that the API writes in whole seconds.
const SLACK_MS: Ms = 5_000;
/// Where budgets hold evictions back, a few milliseconds decide which of two pods of one budget goes first, and the other waits for whole
/// retries: in 750 rehearsals it made up to 6 % of the duration, longer or shorter. So many per cent are allowed for.
const LUCK_PERCENT: Ms = 10;

// --- the stage ---

/// The stage of a scenario.
///
/// # Errors
/// A scenario whose cluster or plan cannot be made.
pub fn stage_of_scenario(scenario: &Scenario) -> Result<Stage, RehearseError> {
    let objects = prepared(objects_of(&input::sources_of_scenario(scenario)?).map_err(InputError::from)?);
    let mut scenario = scenario.clone();
    scenario.cluster = ClusterSource { objects: objects.clone(), ..ClusterSource::default() };
    let mut request = input::request_of_scenario(&scenario, false)?;
    simulated(&mut request.options.execution, &mut request.options.gates);
    let problems = request.options.problems();
    if !problems.is_empty() {
        return Err(RehearseError::Other(problems.join("; ")));
    }
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let (nodes, _) = choose(view, &request.nodes, &request.options)?;
    let cut = batches(view, &nodes, &request.options).map_err(PlanError::Input)?;
    let mut intent = Intent::new(view, &cut, request.options.clone());
    intent.groups = request.groups.clone();
    stage(request, intent, objects)
}

/// The stage of a plan upon a dump. `simulate` says how the world behaves, as the plan's own simulation had it.
///
/// # Errors
/// A dump that cannot be read, or that lacks nodes of the plan.
pub fn stage_of_plan(
    plan: &Plan,
    sources: &[Source],
    simulate: impl FnOnce(&mut Request) -> Result<(), String>,
) -> Result<Stage, RehearseError> {
    let objects = prepared(objects_of(sources).map_err(InputError::from)?);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let sources = [Source::of_text("the dump", list)];
    let control_plane = ControlPlane::of_plan(plan);
    let loaded = match &plan.intent.groups[..] {
        [] => input::cluster_of_dump(&sources, &[], None, &control_plane, false)?,
        groups => input::cluster_with_values(&sources, groups, None, &control_plane, false)?,
    };
    let mut request = input::request_of_cluster(loaded);
    request.options = plan.intent.options.clone();
    simulate(&mut request).map_err(RehearseError::Other)?;
    let mut intent = plan.intent.clone();
    simulated(&mut intent.options.execution, &mut intent.options.gates);
    request.options = intent.options.clone();
    stage(request, intent, objects)
}

/// The dump's objects, made fit to be served: whatever the API gives each object has a uid, nodes have a provider's id,
/// and there is the namespace by which a cluster is known.
fn prepared(mut objects: Vec<Value>) -> Vec<Value> {
    let text = |o: &Value, p: &str| o.pointer(p).and_then(Value::as_str).unwrap_or("").to_owned();
    let home = |o: &Value| text(o, "/kind") == "Namespace" && text(o, "/metadata/name") == "kube-system";
    if !objects.iter().any(home) {
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}));
    }
    for object in &mut objects {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let Some(resource) = resource_of(object) else { continue };
        if resource.namespaced && text(object, "/metadata/namespace").is_empty() {
            object["metadata"]["namespace"] = "default".into();
        }
        if text(object, "/metadata/uid").is_empty() {
            let namespace = text(object, "/metadata/namespace");
            object["metadata"]["uid"] = format!("{kind}/{namespace}/{name}").into();
        }
        if kind == "Node" && text(object, "/spec/providerID").is_empty() {
            object["spec"]["providerID"] = format!("simulated:///{name}").into();
        }
    }
    objects
}

fn stage(mut request: Request, intent: Intent, objects: Vec<Value>) -> Result<Stage, RehearseError> {
    // What is rehearsed is an execution, which draws nothing.
    request.sim.order_seed = None;
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let old_nodes: Vec<NodeIdx> = intent.resolve(view).map_err(RehearseError::Other)?.into_iter().flatten().collect();
    let baseline = Baseline::of(view, &request.snapshot_sha256);
    let cluster = objects
        .iter()
        .find(|o| o["kind"] == "Namespace" && o["metadata"]["name"] == "kube-system")
        .and_then(|o| o["metadata"]["uid"].as_str())
        .unwrap_or_default();
    let began = Began {
        journal_version: JOURNAL_VERSION,
        nodeferry: env!("CARGO_PKG_VERSION").into(),
        execution: "rehearsal".into(),
        cluster: cluster.to_owned(),
        context: "simulated".into(),
        unix_ms: request.sim.start_unix_ms(&request.cluster.catalog),
        plan_sha256: String::new(),
        pass_env: Vec::new(),
        plan: Plan::new(intent, baseline),
    };
    let mut stage = Stage {
        bases: Arc::new(Bases::new(&request.cluster.catalog, &request.cluster.state, &objects)),
        background: objects.into_iter().filter(|o| resource_of(o).is_none()).collect(),
        began,
        expected_ms: 0,
        site: Arc::new(SiteSpec::new(
            request.cluster,
            old_nodes,
            request.sim,
            &request.measured,
            request.autoscaler,
            request.scheduler,
        )),
    };
    stage.expected_ms = plain(&stage, request.seed)?.duration_ms;
    Ok(stage)
}

/// The plain simulation of a seed: the same plan and world, without an API between.
///
/// # Errors
/// The plan does not fit the cluster, or the world broke a rule of its own.
pub fn plain(stage: &Stage, seed: u64) -> Result<Plain, RehearseError> {
    let intent = Arc::new(stage.began.plan.intent.clone());
    let packer = GroupPacker::of_procedure(stage.site.view(), &intent.options);
    let experiment = Experiment::prepare(stage.site.clone(), intent, packer).map_err(RehearseError::Other)?;
    let run = experiment.run(seed, Sink::Summary);
    if let Some(v) = run.violations.first() {
        return Err(RehearseError::Other(format!("a bug of nodeferry: {v} (seed {seed})")));
    }
    Ok(Plain {
        outcome: run.outcome,
        duration_ms: run.duration_ms,
        evictions: run.figures.granted,
        held_back: run.figures.refused > 0,
    })
}

// --- the seeds ---

/// Rehearses a plan with many seeds; the result is the same for any number of threads. `progress` is called after each.
///
/// # Errors
/// The plain simulation that a rehearsal without faults is compared with cannot be made.
pub fn rehearse(stage: &Stage, seeds: Seeds, progress: &(dyn Fn() + Sync)) -> Result<Rehearsals, RehearseError> {
    let one = |seed: u64| {
        let mut done = Rehearsal::new(stage, seed, seeds.profile, seeds.verbose).run();
        if seeds.profile == Profile::None {
            compare(&mut done, plain(stage, seed)?);
        }
        if !done.broken.is_empty() && !seeds.verbose {
            done.log = Rehearsal::new(stage, seed, seeds.profile, true).run().log;
        }
        progress();
        Ok(done)
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(seeds.threads)
        .build()
        .map_err(|e| RehearseError::Other(format!("cannot start {} threads: {e}", seeds.threads)))?;
    // In parts, so that a sweep of a hundred thousand does not keep them all.
    const PART: u64 = 1000;
    let mut total = Rehearsals::default();
    let mut from = 0;
    while from < seeds.count {
        let part = from..(from + PART).min(seeds.count);
        from = part.end;
        let done: Result<Vec<Rehearsed>, RehearseError> =
            pool.install(|| part.into_par_iter().map(|n| one(seeds.first.wrapping_add(n))).collect());
        done?.into_iter().for_each(|d| total.add(d, seeds.verbose));
    }
    Ok(total)
}

/// Where nothing goes wrong, an execution is what was simulated.
fn compare(done: &mut Rehearsed, plain: Plain) {
    let outcome = done.end.as_ref().map(|e| e.0);
    let late = done.duration_ms - plain.duration_ms;
    let luck = if plain.held_back { plain.duration_ms * LUCK_PERCENT / 100 } else { 0 };
    if outcome == Some(plain.outcome) && done.evictions == plain.evictions && late.abs() <= SLACK_MS.max(luck) {
        return;
    }
    done.broken.push(crate::rehearsal::judge::Broken {
        t_ms: done.duration_ms,
        rule: "as-simulated",
        text: format!(
            "{outcome:?} after {} ms with {} evictions; simulated: {:?} after {} ms with {}",
            done.duration_ms, done.evictions, plain.outcome, plain.duration_ms, plain.evictions
        ),
    });
}

impl Rehearsals {
    fn add(&mut self, done: Rehearsed, keep: bool) {
        self.seeds += 1;
        let otherwise = if done.refused { "REFUSED" } else { "NOT ENDED" };
        *self.outcomes.entry(done.end.as_ref().map_or(otherwise, |e| e.0.text())).or_default() += 1;
        self.processes += u64::from(done.processes);
        self.requests += done.requests;
        self.evictions += done.evictions;
        self.entries += done.entries as u64;
        self.duration_ms += done.duration_ms;
        for fault in &done.struck {
            *self.struck.entry(fault).or_default() += 1;
        }
        if keep {
            self.all.push(done.clone());
        }
        if !done.broken.is_empty() {
            self.failed.push(done);
        }
    }
}
