//! How long things take: start and stop of pods, launch of machines.
//!
//! A delay is a distribution, found in this order: the pod's own annotation (seconds, if the scenario names the key),
//! the first workload rule whose selector matches, the group's (launches), the scenario's global one, the one
//! measured from the dump (starts), the named default.

use crate::cluster::draw::Draws;
use crate::cluster::{Catalog, Delay, Finding, GroupIdx, Owner, OwnerIdx, PodIdx, Severity, SpecIdx, State};
use crate::snapshot::StartDelays;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Default stop delay where nothing else is known: a dump cannot tell it.
pub const DEFAULT_STOP: Delay = Delay::Constant { ms: 2_000 };
/// Default start delay where the dump has too few samples.
pub const DEFAULT_START: Delay = Delay::LogNormal { median_ms: 5_000, p95_ms: 30_000 };
/// Default launch delay (request to Ready): an assumption, not a measurement.
pub const DEFAULT_LAUNCH: Delay = Delay::LogNormal { median_ms: 60_000, p95_ms: 150_000 };
/// Default time from the request to end a machine to the end of its Node object.
pub const DEFAULT_RETIRE: Delay = Delay::Constant { ms: 30_000 };
/// How often the run time of a Job's pod is drawn, until one is longer than the pod has run for.
const TRIES: u64 = 32;
/// Fewest samples from which a start delay is believed.
pub const ENOUGH_SAMPLES: usize = 5;

/// Delays of pods and machines as a scenario sets them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DelayOptions {
    /// Bound → ready, for all pods.
    pub start: Option<Delay>,
    /// Deletion → containers stopped, for all pods; never longer than the pod's grace period.
    pub stop: Option<Delay>,
    /// Started → finished, for the pods of Jobs. Where nobody says so, that of the earlier Jobs of the same CronJob in the dump; else they run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Delay>,
    /// Launch requested → node Ready, where the group says nothing.
    pub launch: Option<Delay>,
    /// Share of the launch delay (parts per million) after which the Node object appears, not yet Ready. Default 800000.
    pub registered_ppm: Option<u32>,
    /// Machine given back → Node object gone.
    pub retire: Option<Delay>,
    /// Annotation that holds a pod's start delay in seconds.
    pub start_annotation: Option<String>,
    /// Annotation that holds a pod's stop delay in seconds.
    pub stop_annotation: Option<String>,
    /// What is assumed of the stop of a pod that nobody measured, where its spec declares a preStop hook or a grace above 30 s (C).
    /// Default log-uniform.
    #[serde(skip_serializing_if = "DeclaredStops::is_default")]
    pub declared_stops: DeclaredStops,
    /// Rules for workloads; the first whose selector matches counts.
    pub workloads: Vec<WorkloadDelay>,
}

/// What is assumed of the stop of a pod whose spec declares a preStop hook or a grace above 30 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeclaredStops {
    /// Log-uniform from what its hook sleeps (at least 1 s) to its grace.
    #[default]
    LogUniform,
    /// As long as its hook sleeps, at least the stop delay of all pods.
    Sleep,
    /// As any other pod.
    Ignore,
}

impl DeclaredStops {
    fn is_default(&self) -> bool {
        *self == DeclaredStops::default()
    }
}

/// The default of `terminationGracePeriodSeconds` (core/v1): a longer one was chosen by somebody.
const DEFAULT_GRACE_MS: i64 = 30_000;

/// Delays of some pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadDelay {
    /// `Kind/namespace/name` of the workload, as a trace names it; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Namespace; all if not given.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Labels that the pod must have, all of them.
    #[serde(default)]
    pub match_labels: std::collections::BTreeMap<String, String>,
    /// Bound → ready.
    #[serde(default)]
    pub start: Option<Delay>,
    /// Deletion → containers stopped.
    #[serde(default)]
    pub stop: Option<Delay>,
    /// Started → finished, of pods of Jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Delay>,
}

/// How long a volume takes to be detached.
#[derive(Clone, Copy, Debug)]
pub struct Detach {
    /// Milliseconds.
    pub ms: i64,
    /// Nobody said so.
    pub is_default: bool,
}

/// A delay that holds where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// Bound → ready.
    Start,
    /// Deletion → containers stopped.
    Stop,
    /// Launch requested → node Ready.
    Launch,
    /// Machine given back → Node object gone.
    Retire,
}

/// Delays of one run, resolved.
#[derive(Clone, Debug)]
pub struct Delays {
    options: DelayOptions,
    start: Delay,
    start_of: BTreeMap<OwnerIdx, Delay>,
    /// How long pods of Jobs run whose CronJob has finished ones in the dump.
    run_of: BTreeMap<OwnerIdx, Delay>,
    stop: Delay,
    launch: Delay,
    retire: Delay,
    /// What is assumed of declared stops is multiplied by this (numerator, denominator).
    declared_times: (u32, u32),
    registered_ppm: u32,
    /// Where each came from, for the output.
    pub origins: Vec<Finding>,
}

impl Delays {
    /// Resolves the options against what was measured.
    pub fn new(options: &DelayOptions, measured: &StartDelays) -> Delays {
        let mut origins = Vec::new();
        // A start delay that the scenario gives holds for every pod; else a workload with enough samples has its own.
        let start_of: BTreeMap<OwnerIdx, Delay> = match &options.start {
            Some(_) => BTreeMap::new(),
            None => measured
                .by_owner
                .iter()
                .filter(|(_, samples)| samples.len() >= ENOUGH_SAMPLES)
                .map(|(owner, samples)| (*owner, Delay::Empirical { samples_ms: samples.clone() }))
                .collect(),
        };
        let mut say = |what: &str, text: String| {
            origins.push(Finding::new(
                Severity::Info,
                "delay-origin",
                format!("Delay/{what}"),
                text,
                format!("set delays.{what} in a scenario if you know better"),
            ));
        };
        let start = match &options.start {
            Some(d) => {
                say("start", format!("start delay given: {}", describe(d)));
                d.clone()
            }
            None if measured.accepted() >= ENOUGH_SAMPLES => {
                say(
                    "start",
                    format!(
                        "start delay measured from {} pods of the dump (scheduled to ready, median {} ms), {} workloads by their own samples; {} rejected as outliers, {} because they had restarted",
                        measured.accepted(),
                        measured.overall_ms[measured.accepted() / 2],
                        start_of.len(),
                        measured.outliers,
                        measured.restarted
                    ),
                );
                Delay::Empirical { samples_ms: measured.overall_ms.clone() }
            }
            None => {
                say(
                    "start",
                    format!(
                        "start delay assumed: {}; the dump has {} usable samples ({} rejected), {} are needed",
                        describe(&DEFAULT_START),
                        measured.accepted(),
                        measured.rejected(),
                        ENOUGH_SAMPLES
                    ),
                );
                DEFAULT_START
            }
        };
        let mut given = |what: &str, value: &Option<Delay>, default: Delay, why: &str| match value {
            Some(d) => {
                say(what, format!("{what} delay given: {}", describe(d)));
                d.clone()
            }
            None => {
                say(what, format!("{what} delay assumed: {}; {why}", describe(&default)));
                default
            }
        };
        let stop = given("stop", &options.stop, DEFAULT_STOP, "a dump cannot tell it");
        let launch =
            given("launch", &options.launch, DEFAULT_LAUNCH, "a dump cannot tell how long a machine takes to boot");
        let retire = given("retire", &options.retire, DEFAULT_RETIRE, "a dump cannot tell it");
        Delays {
            options: options.clone(),
            start,
            start_of,
            run_of: BTreeMap::new(),
            stop,
            launch,
            retire,
            declared_times: (1, 1),
            registered_ppm: options.registered_ppm.unwrap_or(800_000),
            origins,
        }
    }

    /// The delays of a cluster: with what its pods declare, and how long its volumes take to be detached.
    pub fn of_cluster(options: &DelayOptions, detach: Detach, measured: &StartDelays, catalog: &Catalog) -> Delays {
        let mut delays = Delays::new(options, measured);
        let mut declares: BTreeSet<Option<OwnerIdx>> = BTreeSet::new();
        for (_, spec) in catalog.specs.entries().filter(|(i, _)| delays.declared_stop(catalog, *i).is_some()) {
            declares.insert(spec.owner.map(|o| catalog.top_owner(o)));
        }
        if let (false, Some(f)) = (declares.is_empty(), delays.origins.iter_mut().find(|f| f.object == "Delay/stop")) {
            let (n, of) = match declares.len() {
                1 => (1, "workload declares"),
                n => (n, "workloads declare"),
            };
            let what = match options.declared_stops {
                DeclaredStops::Sleep => "it stops as long as its hook sleeps",
                _ => "log-uniform from what the hook sleeps (at least 1 s) to the grace",
            };
            f.message = format!(
                "stop delay assumed: {}; a dump cannot tell it. {n} {of} a preStop hook or a grace above 30 s: {what}",
                describe(&delays.stop)
            );
            f.remedy =
                "set delays.stop, delays.workloads or delays.declared_stops in a scenario if you know better".into();
        }
        delays.measure_runs(catalog);
        if catalog.specs.iter().any(|s| s.claims.iter().any(|c| c.claim.is_some())) {
            let origin = if detach.is_default { "assumed" } else { "given" };
            let detach = detach.ms;
            delays.origins.push(Finding::new(
                Severity::Info,
                "delay-origin",
                "Delay/detach",
                format!("detach delay {origin}: {detach} ms from the end of the last pod that uses a volume until it can be attached elsewhere; a dump cannot tell it"),
                "set sim.volume_detach_ms in a scenario if you know better: disks of a cloud may take a minute and more",
            ));
        }
        delays
    }

    /// Takes from the finished Jobs of a CronJob how long the ones under way run.
    fn measure_runs(&mut self, catalog: &Catalog) {
        if let Some(run) = &self.options.run {
            let text = format!("run time of Jobs' pods given: {}", describe(run));
            self.origins.push(Finding::new(
                Severity::Info,
                "delay-origin",
                "Delay/run",
                text,
                "set delays.run in a scenario if you know better",
            ));
            return;
        }
        let mut samples: BTreeMap<_, Vec<i64>> = BTreeMap::new();
        let of_cron_job = |o: &Owner| o.job.as_ref().and_then(|j| Some((o.namespace, j.cron_job?)));
        for owner in catalog.owners.iter() {
            if let (Some(key), Some(took)) = (of_cron_job(owner), owner.job.as_ref().and_then(|j| j.took_ms)) {
                samples.entry(key).or_default().push(took);
            }
        }
        for (index, owner) in catalog.owners.entries() {
            let goes_on = owner.job.as_ref().is_some_and(|j| !j.finished && !j.suspended);
            if let Some(found) = of_cron_job(owner).filter(|_| goes_on).and_then(|key| samples.get(&key)) {
                let mut samples_ms = found.clone();
                samples_ms.sort_unstable();
                self.run_of.insert(index, Delay::Empirical { samples_ms });
            }
        }
        if !self.run_of.is_empty() {
            let (n, of) = match self.run_of.len() {
                1 => (1, "Job"),
                n => (n, "Jobs"),
            };
            self.origins.push(Finding::new(
                Severity::Info,
                "delay-origin",
                "Delay/run",
                format!("run time of the pods of {n} {of} measured from the earlier Jobs of their CronJobs in the dump; pods of other Jobs run on"),
                "set delays.run or delays.workloads in a scenario if you know better",
            ));
        }
    }

    /// Multiplies what is assumed of one delay; what is measured, given or declared stays.
    pub fn multiply(&mut self, which: Assumed, numerator: u32, denominator: u32) {
        let delay = match which {
            Assumed::Start => &mut self.start,
            Assumed::Stop => {
                self.declared_times = (numerator, denominator);
                &mut self.stop
            }
            Assumed::Launch => &mut self.launch,
            Assumed::Retire => &mut self.retire,
        };
        *delay = delay.times(numerator, denominator);
    }

    /// What a pod's spec declares of its stop; None where nothing is, or somebody said how long pods take to stop.
    fn declared_stop(&self, catalog: &Catalog, spec: SpecIdx) -> Option<Delay> {
        if self.options.stop.is_some() || self.options.declared_stops == DeclaredStops::Ignore {
            return None;
        }
        let grace = catalog.shape(spec).grace_ms;
        let hook = catalog.inventory.declared.get(&spec).and_then(|d| d.pre_stop_ms);
        if hook.is_none() && grace <= DEFAULT_GRACE_MS {
            return None;
        }
        let min_ms = hook.unwrap_or(0).max(1_000);
        match self.options.declared_stops {
            DeclaredStops::Sleep => Some(Delay::Constant { ms: min_ms }).filter(|_| hook.is_some_and(|h| h > 2_000)),
            // The kubelet does not wait longer than the grace, whatever the hook does.
            _ => {
                let (least, most) = (min_ms.min(grace.max(1)), grace.max(1));
                let (n, d) = (i64::from(self.declared_times.0), i64::from(self.declared_times.1.max(1)));
                // The hook and the grace are facts; which part of the span between them is likely is assumed.
                let within = |ms: i64| (ms.saturating_mul(n) / d).clamp(least, most);
                let (min_ms, max_ms) = if n > d { (within(least), most) } else { (least, within(most)) };
                Some(Delay::LogUniform { min_ms, max_ms })
            }
        }
    }

    /// Bound → ready of a pod, in milliseconds.
    pub fn start_ms(&self, catalog: &Catalog, state: &State, draws: &Draws, pod: PodIdx) -> i64 {
        self.of_pod(
            catalog,
            state,
            draws,
            pod,
            "start",
            &self.options.start_annotation,
            |w| w.start.as_ref(),
            self.workload_start(catalog, state, pod),
            self.least_start(catalog, state, pod),
        )
    }
    /// No pod is ready before its probes begin; what somebody gave is believed.
    fn least_start(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> i64 {
        let declared = catalog.inventory.declared.get(&state.pods[pod].spec).filter(|_| self.options.start.is_none());
        declared.map_or(0, |d| d.initial_delay_ms)
    }
    /// The measured start delay of the pod's workload, or the one of all pods.
    fn workload_start(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> &Delay {
        let owner = catalog.specs[state.pods[pod].spec].owner.map(|o| catalog.top_owner(o));
        owner.and_then(|o| self.start_of.get(&o)).unwrap_or(&self.start)
    }
    /// Deletion → containers stopped of a pod, in milliseconds, not yet bounded by its grace period.
    pub fn stop_ms(&self, catalog: &Catalog, state: &State, draws: &Draws, pod: PodIdx) -> i64 {
        let declared = self.declared_stop(catalog, state.pods[pod].spec);
        let global = declared.as_ref().unwrap_or(&self.stop);
        self.of_pod(catalog, state, draws, pod, "stop", &self.options.stop_annotation, |w| w.stop.as_ref(), global, 0)
    }
    /// Started → finished of a pod of a Job, in milliseconds: longer than it has run for `ran_ms` already, which is the least. None if nobody knows.
    pub fn run_ms(&self, catalog: &Catalog, state: &State, draws: &Draws, pod: PodIdx, ran_ms: i64) -> Option<i64> {
        let owner = catalog.specs[state.pods[pod].spec].owner.filter(|o| catalog.owners[*o].is_job())?;
        let delay = self.given_run(catalog, state, pod).or_else(|| self.run_of.get(&owner))?;
        let key = state.pod_text(catalog, pod);
        // What is drawn is believed only where the pod can still have it.
        let drawn = (0..TRIES).map(|n| delay.sample(draws.u64(&key, "run", n))).find(|ms| *ms > ran_ms);
        Some(drawn.unwrap_or(ran_ms).max(0))
    }

    /// The run time that `delays.workloads` or `delays.run` gives the pod of a Job, if one of them does.
    pub fn given_run(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> Option<&Delay> {
        self.rule(catalog, state, pod, |w| w.run.as_ref()).or(self.options.run.as_ref())
    }

    /// Launch requested → (Node object appears, Ready), in milliseconds; `key` names the machine.
    pub fn launch_ms(&self, catalog: &Catalog, draws: &Draws, group: GroupIdx, key: &str) -> (i64, i64) {
        self.boot_ms(catalog, draws, Some(group), key)
    }
    /// The same of a machine that belongs to no group, or boots with a new image.
    pub fn boot_ms(&self, catalog: &Catalog, draws: &Draws, group: Option<GroupIdx>, key: &str) -> (i64, i64) {
        let delay = group.and_then(|g| catalog.groups[g].launch_delay.as_ref()).unwrap_or(&self.launch);
        let ready = delay.sample(draws.u64(key, "launch", 0));
        ((i128::from(ready) * i128::from(self.registered_ppm.min(1_000_000)) / 1_000_000) as i64, ready)
    }
    /// Machine given back → Node object gone, in milliseconds.
    pub fn retire_ms(&self, draws: &Draws, node: &str) -> i64 {
        self.retire.sample(draws.u64(node, "retire", 0))
    }

    /// What the first rule that matches a pod, and speaks of this, says.
    fn rule<'a>(
        &'a self,
        catalog: &Catalog,
        state: &State,
        pod: PodIdx,
        rule: impl Fn(&'a WorkloadDelay) -> Option<&'a Delay>,
    ) -> Option<&'a Delay> {
        let spec = &catalog.specs[state.pods[pod].spec];
        let named = self.options.workloads.iter().any(|w| w.owner.is_some());
        let owner = named.then(|| owner_text(catalog, state, pod));
        self.options.workloads.iter().find_map(|w| {
            let ns = catalog.text(catalog.namespaces[spec.namespace].name);
            let fits = (w.owner.is_none() || w.owner == owner)
                && w.namespace.as_deref().is_none_or(|n| n == ns)
                && w.match_labels.iter().all(|(k, v)| {
                    let value = catalog.names.get(k).and_then(|k| spec.labels.get(k));
                    value.is_some_and(|found| catalog.text(found) == v)
                });
            if fits { rule(w) } else { None }
        })
    }

    #[allow(clippy::too_many_arguments)] // two callers that differ in exactly these
    fn of_pod(
        &self,
        catalog: &Catalog,
        state: &State,
        draws: &Draws,
        pod: PodIdx,
        purpose: &str,
        annotation: &Option<String>,
        rule: impl Fn(&WorkloadDelay) -> Option<&Delay>,
        global: &Delay,
        least_ms: i64,
    ) -> i64 {
        let spec = &catalog.specs[state.pods[pod].spec];
        if let Some(ms) = annotation.as_ref().and_then(|key| annotated_ms(catalog, &spec.annotations, key)) {
            return ms;
        }
        let matching = self.rule(catalog, state, pod, rule);
        let (delay, least_ms) = matching.map_or((global, least_ms), |d| (d, 0));
        let sampled = match delay {
            Delay::Constant { ms } => *ms,
            _ => {
                delay.sample(draws.u64(&state.pod_text(catalog, pod), purpose, u64::from(state.pods[pod].incarnation)))
            }
        };
        sampled.max(least_ms)
    }
}

/// A pod's workload as a trace names it; a stand-alone pod's is itself.
fn owner_text(catalog: &Catalog, state: &State, pod: PodIdx) -> String {
    match catalog.specs[state.pods[pod].spec].owner {
        Some(owner) => catalog.owner_text(crate::trace::observation::workload(catalog, owner)),
        None => format!("Pod/{}", state.pod_text(catalog, pod)),
    }
}

/// Milliseconds that an annotation gives in seconds ("2", "0.5"); None if absent or not a number.
fn annotated_ms(
    catalog: &Catalog,
    annotations: &[(crate::cluster::Sym, crate::cluster::Sym)],
    key: &str,
) -> Option<i64> {
    let sym = catalog.names.get(key)?;
    let text = catalog.text(annotations.iter().find(|a| a.0 == sym)?.1);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok().filter(|w| *w >= 0)?;
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    Some(whole.checked_mul(1000)? + digits.parse::<i64>().ok()?)
}

/// A distribution in words.
pub fn describe(delay: &Delay) -> String {
    match delay {
        Delay::Constant { ms } => format!("constant {ms} ms"),
        Delay::Uniform { min_ms, max_ms } => format!("uniform {min_ms} to {max_ms} ms"),
        Delay::LogUniform { min_ms, max_ms } => format!("log-uniform {min_ms} to {max_ms} ms"),
        Delay::LogNormal { median_ms, p95_ms } => {
            format!("log-normal, median {median_ms} ms, p95 {p95_ms} ms")
        }
        Delay::Empirical { samples_ms } => format!("empirical, {} samples", samples_ms.len()),
    }
}
