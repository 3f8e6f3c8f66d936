//! Simulates recorded migrations with `kubectl drain` from the dump taken just before, and compares what came of them.
//!
//! What must be equal: exit statuses and error lines. What must be near: how long each drain took, how long until all
//! was whole again, and both together. What depends on luck (which of equal nodes a pod went to, and so how many
//! pods moved twice) is shown and not judged.

mod result;

use super::recording::{VerifyError, lines, load, scheduler_config};
use crate::cluster::{Catalog, Delay, PodIdx, State};
use crate::intent::options::{BatcherKind, Options};
use crate::plan::verdict::DEFAULT_REQUIRE;
use crate::request::control_plane::ControlPlane;
use crate::request::plan::{Planned, Request, plan};
use crate::request::scenario::NodeChoice;
use crate::runner::Stream;
use crate::scheduler::SchedulerConfig;
use crate::sim::SimOptions;
use crate::snapshot::{Snapshot, Source};
use crate::trace::EventKind;
use comfy_table::{Table, presets};
use result::{Recorded, RecordedBatch, WatchEvent, ms, read_result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How far a predicted time may be from the recorded one, in milliseconds, if that is more than [`NEAR_PERCENT`].
const NEAR_MS: i64 = 1000;
/// How far a predicted time may be from the recorded one, in percent.
const NEAR_PERCENT: i64 = 3;

/// What came of one batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Exit status of `kubectl drain`; null if it never returned.
    pub exit: Option<i32>,
    /// From its start to its return, in seconds.
    pub drain_s: f64,
    /// From its return until all was whole again, in seconds; null if not within the limit.
    pub settle_s: Option<f64>,
    /// Pods that were marked for deletion.
    pub evictions: usize,
    /// Refused evictions, each retry counted.
    pub refusals: usize,
    /// Of the pods evicted, those that had been made since the first batch: they moved twice.
    pub moved_twice: usize,
    /// Lines that tell what went wrong, sorted, each once, without what chance decides (see docs/recordings.md).
    pub errors: Vec<String>,
}

/// One batch, recorded and predicted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchReport {
    /// Its nodes.
    pub nodes: Vec<String>,
    /// What was recorded.
    pub actual: Figures,
    /// What the model says.
    pub predicted: Figures,
    /// With several seeds: the predictions' spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<BatchSpread>,
}

/// How predictions spread over seeds, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BatchSpread {
    /// Time of the drain.
    pub drain_s: Spread,
    /// Time until whole; runs that were not whole in time count with the limit.
    pub settle_s: Spread,
}

/// Least, median (the lower of two) and most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

/// A recorded figure beside the predicted one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Pair<T> {
    pub actual: T,
    pub predicted: T,
}

/// Seconds from the start of the first batch to the end of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Duration {
    pub actual_s: f64,
    pub predicted_s: f64,
    /// With several seeds: the predictions' spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
}

/// One thing that should be equal or near and is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Which batch, from 1; null for what concerns the whole migration.
    pub batch: Option<usize>,
    /// `exit`, `errors`, `drain`, `settle`, `batch`.
    pub what: &'static str,
    /// What was recorded.
    pub recorded: String,
    /// What the model says.
    pub ours: String,
}

/// How far a predicted migration equals the recorded one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrainReport {
    /// Batch by batch.
    pub batches: Vec<BatchReport>,
    /// The whole migration.
    pub duration: Duration,
    /// Pods evicted.
    pub moved: Pair<usize>,
    /// Pods evicted that had been made since the first batch.
    pub moved_twice: Pair<usize>,
    /// Pods on the nodes of each pool at the end.
    pub placements: Pair<BTreeMap<String, usize>>,
    /// Over how many seeds the spreads are.
    pub seeds: u32,
    /// What differs of all that is judged.
    pub mismatches: Vec<Mismatch>,
}

impl DrainReport {
    /// Whether exits and error lines are equal, and all times near.
    pub fn is_perfect(&self) -> bool {
        self.mismatches.is_empty()
    }
    /// A table of the batches, what cannot be judged, and what differs.
    pub fn render_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let mut header =
            vec!["batch", "", "exit", "drain s", "settle s", "evictions", "refusals", "moved twice", "errors"];
        if self.seeds > 1 {
            header.extend(["drain s over seeds", "settle s over seeds"]);
        }
        table.set_header(header);
        for (i, b) in self.batches.iter().enumerate() {
            for (side, f) in [("recorded", &b.actual), ("predicted", &b.predicted)] {
                let number = if side == "recorded" { (i + 1).to_string() } else { String::new() };
                let mut row = vec![
                    number,
                    side.to_owned(),
                    exit_text(f.exit),
                    format!("{:.1}", f.drain_s),
                    settle_text(f.settle_s),
                    f.evictions.to_string(),
                    f.refusals.to_string(),
                    f.moved_twice.to_string(),
                    f.errors.len().to_string(),
                ];
                if let (Some(s), "predicted") = (&b.spread, side) {
                    row.extend([s.drain_s.text(), s.settle_s.text()]);
                }
                table.add_row(row);
            }
        }
        let d = &self.duration;
        let over = d.spread.map(|s| format!(" ({} over {} seeds)", s.text(), self.seeds)).unwrap_or_default();
        let mut text = format!(
            "{table}\nwhole migration: recorded {:.1} s, predicted {:.1} s{over}\n\
             pods moved: recorded {}, predicted {}; moved twice: recorded {}, predicted {}\n",
            d.actual_s,
            d.predicted_s,
            self.moved.actual,
            self.moved.predicted,
            self.moved_twice.actual,
            self.moved_twice.predicted
        );
        let pools: BTreeSet<&String> = self.placements.actual.keys().chain(self.placements.predicted.keys()).collect();
        for pool in pools {
            let count = |side: &BTreeMap<String, usize>| side.get(pool).copied().unwrap_or(0);
            let (actual, predicted) = (count(&self.placements.actual), count(&self.placements.predicted));
            text.push_str(&format!("pods on {pool} at the end: recorded {actual}, predicted {predicted}\n"));
        }
        if self.mismatches.is_empty() {
            text.push_str(&format!(
                "\nNo difference: exits and error lines are equal, times within {NEAR_PERCENT} % or {} s.\n",
                NEAR_MS / 1000
            ));
        }
        for m in &self.mismatches {
            let of = m.batch.map_or("the whole migration".to_owned(), |b| format!("batch {b}"));
            text.push_str(&format!("\n{of}: {}\n  recorded: {}\n  ours: {}\n", m.what, m.recorded, m.ours));
        }
        text
    }
}

fn exit_text(exit: Option<i32>) -> String {
    exit.map_or("none".to_owned(), |e| e.to_string())
}

fn settle_text(settle: Option<f64>) -> String {
    settle.map_or("not in time".to_owned(), |s| format!("{s:.1}"))
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied().unwrap_or_default();
        Spread { min: at(0), median: at(values.len().saturating_sub(1) / 2), max: at(values.len().saturating_sub(1)) }
    }
    fn text(&self) -> String {
        format!("{:.1} / {:.1} / {:.1}", self.min, self.median, self.max)
    }
}

/// Whether a predicted time is near enough to the recorded one, both in milliseconds.
fn is_near(actual: i64, predicted: i64) -> bool {
    (actual - predicted).abs() <= NEAR_MS.max(actual * NEAR_PERCENT / 100)
}

/// Simulates the recording in a directory (`cluster.json`, `result.json`, `events.jsonl`, gzipped or not, and
/// `scheduler.yaml` if it is there) and compares. The first of `seeds` seeds is the prediction, all of them its spread:
/// what the real system leaves to races is as it is mostly with the first, and drawn with the others.
///
/// # Errors
/// A file that is missing or cannot be read, or a migration that cannot be simulated.
pub fn verify_drain(dir: &Path, seeds: u32) -> Result<DrainReport, VerifyError> {
    let recording = DrainRecording::load(dir)?;
    let migration = &recording.migration;
    let first = migration.simulate(1)?;
    let mut report = recording.names.compare(&migration.recorded, &recording.events, &first);
    if seeds > 1 {
        let mut runs = vec![migration.recorded.times(&first)];
        for seed in 2..=u64::from(seeds) {
            runs.push(migration.recorded.times(&migration.simulate(seed)?));
        }
        report.seeds = seeds;
        for (i, batch) in report.batches.iter_mut().enumerate() {
            let seconds = |f: &dyn Fn(&Times) -> i64| Spread::of(runs.iter().map(|r| secs(f(&r[i]))).collect());
            batch.spread = Some(BatchSpread { drain_s: seconds(&|t| t.drain()), settle_s: seconds(&|t| t.settle()) });
        }
        let whole = runs.iter().map(|r| secs(r.last().map_or(0, |t| t.whole) - r.first().map_or(0, |t| t.start)));
        report.duration.spread = Some(Spread::of(whole.collect()));
    }
    Ok(report)
}

/// A recording that was read, for comparison with several runs.
pub struct DrainRecording {
    migration: Migration,
    names: Names,
    events: Vec<WatchEvent>,
}

impl DrainRecording {
    /// Reads a directory as [`verify_drain`] does.
    ///
    /// # Errors
    /// A file that is missing or cannot be read.
    pub fn load(dir: &Path) -> Result<DrainRecording, VerifyError> {
        let cluster = load(dir, "cluster.json")?;
        let result = load(dir, "result.json")?;
        let events = lines(&load(dir, "events.jsonl")?)?;
        let config = scheduler_config(dir)?;
        let recorded = read_result(&result)?;
        let migration = Migration { cluster, config, recorded, file: result.name };
        Ok(DrainRecording { names: Names::new(&migration)?, migration, events })
    }
    /// Compares with the run of one seed.
    ///
    /// # Errors
    /// A migration that cannot be simulated.
    pub fn compare(&self, seed: u64) -> Result<DrainReport, VerifyError> {
        Ok(self.names.compare(&self.migration.recorded, &self.events, &self.migration.simulate(seed)?))
    }
}

fn secs(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// What a run is made of.
struct Migration {
    cluster: Source,
    config: Option<String>,
    recorded: Recorded,
    file: String,
}

impl Migration {
    /// The cluster just before the first drain, and the scheduler's configuration.
    fn snapshot(&self) -> Result<(Snapshot, SchedulerConfig), VerifyError> {
        let mut snapshot = Snapshot::from_sources(std::slice::from_ref(&self.cluster))?;
        let config = ControlPlane::recorded(self.config.as_deref())?.settle(&mut snapshot)?;
        Ok((snapshot, config))
    }
    fn simulate(&self, seed: u64) -> Result<Planned, VerifyError> {
        let recorded = &self.recorded;
        let (snapshot, scheduler) = self.snapshot()?;
        let mut options = Options {
            batcher: BatcherKind::Listed,
            listed_batches: recorded.batches.iter().map(|b| b.nodes.clone()).collect(),
            client: recorded.kubectl_client,
            ..Options::default()
        };
        options.kubectl_drain = recorded.drain_options(&self.file)?;
        // What was recorded is kubectl alone.
        options.kubectl_drain.evict_successors_elsewhere = true;
        options.kubectl_drain.drain_again = false;
        let mut sim = SimOptions {
            draw_equal_nodes: seed > 1,
            order_seed: (seed > 1).then_some(seed),
            controller_client: recorded.controller_client,
            scheduler_client: recorded.scheduler_client,
            ..SimOptions::default()
        };
        sim.delays.start = Some(Delay::Constant { ms: ms(recorded.pods_start_seconds_default) });
        sim.delays.stop = Some(Delay::Constant { ms: ms(recorded.pods_stop_seconds_default) });
        sim.delays.start_annotation = Some(recorded.start_annotation.clone());
        sim.delays.stop_annotation = Some(recorded.stop_annotation.clone());
        let request = Request {
            cluster: snapshot.cluster,
            findings: snapshot.findings,
            snapshot_sha256: snapshot.sha256,
            measured: snapshot.delays,
            admission: None,
            nodes: NodeChoice {
                names: recorded.batches.iter().flat_map(|b| b.nodes.clone()).collect(),
                ..NodeChoice::default()
            },
            options,
            sim,
            autoscaler: Default::default(),
            scheduler,
            groups: Vec::new(),
            seed,
            replications: 1,
            require_percent: DEFAULT_REQUIRE,
            threads: 1,
            uncertain: false,
            remedies: false,
        };
        Ok(plan(request, &|| ())?)
    }
}

/// The moments of a batch, in milliseconds from one common start.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    start: i64,
    returned: i64,
    /// All was whole again, or the limit was reached.
    whole: i64,
    late: bool,
}

impl Times {
    fn drain(&self) -> i64 {
        self.returned - self.start
    }
    fn settle(&self) -> i64 {
        self.whole - self.returned
    }
    fn figures(&self) -> Figures {
        Figures {
            drain_s: secs(self.drain()),
            settle_s: (!self.late).then_some(secs(self.settle())),
            ..Figures::default()
        }
    }
}

impl Recorded {
    /// The recorded moments of a batch.
    fn actual(&self, batch: &RecordedBatch) -> Times {
        let returned = ms(batch.end);
        let whole = batch.settled.map_or(returned + ms(self.settle_timeout_s), ms);
        Times { start: ms(batch.start), returned, whole, late: batch.settled.is_none() }
    }
    /// The predicted moments of every batch; a batch that never began has none but zeros.
    fn times(&self, planned: &Planned) -> Vec<Times> {
        let limit = ms(self.settle_timeout_s);
        let times = planned.forecast.batches.iter().map(|b| {
            let start = b.start_ms.unwrap_or(0) as i64;
            let returned = planned.run.returned_ms.get(&b.index).copied().unwrap_or(start);
            let whole = b.end_ms.map_or(returned, |e| e as i64);
            Times { start, returned, whole, late: b.end_ms.is_none() || whole - returned >= limit }
        });
        times.collect()
    }
}

/// What the dump calls things: names that it does not know are luck.
struct Names {
    /// Every word of it that names a pod, by namespace and name.
    pods: BTreeSet<String>,
    pools: BTreeMap<String, String>,
    /// Pods and their nodes at the start, by `namespace/name`.
    placed: BTreeMap<String, String>,
    /// Pods that were being deleted at the start: an eviction changes nothing about them.
    going: BTreeSet<PodIdx>,
}

impl Names {
    fn new(migration: &Migration) -> Result<Names, VerifyError> {
        let (snapshot, _) = migration.snapshot()?;
        let (catalog, state) = (&*snapshot.cluster.catalog, &snapshot.cluster.state);
        let name = |pod: PodIdx| state.name(catalog, state.pods[pod].name).to_owned();
        let label = catalog.names.get(&migration.recorded.pool_label);
        let pool = |node: &crate::cluster::NodeState| {
            let value = label.and_then(|l| node.spec.labels.get(l));
            value.map_or("nodes without the label", |v| state.name(catalog, v)).to_owned()
        };
        Ok(Names {
            pods: state.live_pods().map(name).collect(),
            pools: state.nodes.entries().map(|(i, n)| (state.node_name(catalog, i).to_owned(), pool(n))).collect(),
            placed: placed(catalog, state).collect(),
            going: state.live_pods().filter(|p| state.pods[*p].deleting.is_some()).collect(),
        })
    }

    /// Lines that tell what went wrong, without those that chance orders (retries, throttling, pending lists) and
    /// with what chance makes in them (the order of several errors, names of pods made on the way) taken out.
    fn errors<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Vec<String> {
        let told = lines.filter(|l| l.starts_with("error: ") || l.contains("global timeout reached"));
        let set: BTreeSet<String> = told.map(|l| in_order(&self.without_made_names(l))).collect();
        set.into_iter().collect()
    }
    /// A pod that the dump does not know bears five characters that were drawn: they are luck.
    fn without_made_names(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        for (i, part) in line.split('"').enumerate() {
            if i > 0 {
                out.push('"');
            }
            let made = i % 2 == 1 && !self.pods.contains(part) && !self.pools.contains_key(part);
            match part.rsplit_once('-') {
                Some((owner, drawn)) if made && drawn.len() == 5 && self.is_known_owner(owner) => {
                    out.push_str(owner);
                    out.push_str("-*");
                }
                _ => out.push_str(part),
            }
        }
        out
    }
    fn is_known_owner(&self, owner: &str) -> bool {
        self.pods.iter().any(|p| p.rsplit_once('-').is_some_and(|(o, _)| o == owner))
    }

    fn compare(&self, recorded: &Recorded, events: &[WatchEvent], planned: &Planned) -> DrainReport {
        let mut batches = Vec::new();
        let mut mismatches = Vec::new();
        let predicted_times = recorded.times(planned);
        let none = Times::default();
        for (i, batch) in recorded.batches.iter().enumerate() {
            let actual_times = recorded.actual(batch);
            let times = predicted_times.get(i).unwrap_or(&none);
            let report = BatchReport {
                nodes: batch.nodes.clone(),
                actual: self.recorded_figures(recorded, events, i, actual_times),
                predicted: self.predicted_figures(planned, i as u32, times),
                spread: None,
            };
            judge(&mut mismatches, i + 1, &report, &actual_times, times);
            batches.push(report);
        }
        let span = |times: &mut dyn Iterator<Item = Times>| {
            let times: Vec<Times> = times.collect();
            times.last().map_or(0, |t| t.whole) - times.first().map_or(0, |t| t.start)
        };
        let actual = span(&mut recorded.batches.iter().map(|b| recorded.actual(b)));
        let predicted = span(&mut predicted_times.iter().copied());
        let sum = |f: fn(&Figures) -> usize| Pair {
            actual: batches.iter().map(|b| f(&b.actual)).sum(),
            predicted: batches.iter().map(|b| f(&b.predicted)).sum(),
        };
        DrainReport {
            duration: Duration { actual_s: secs(actual), predicted_s: secs(predicted), spread: None },
            moved: sum(|f| f.evictions),
            moved_twice: sum(|f| f.moved_twice),
            placements: Pair {
                actual: self.by_pool(self.recorded_placements(events).values()),
                predicted: {
                    let run = &planned.run;
                    let ends: Vec<_> = placed(planned.catalog(), &run.state).map(|p| p.1).collect();
                    self.by_pool(ends.iter())
                },
            },
            batches,
            seeds: 1,
            mismatches,
        }
    }

    fn recorded_figures(&self, recorded: &Recorded, events: &[WatchEvent], i: usize, times: Times) -> Figures {
        let batch = &recorded.batches[i];
        let first = recorded.batches.first().map_or(0.0, |b| b.start);
        // What is marked while the batch goes, up to the start of the next one.
        let until = recorded.batches.get(i + 1).map_or(f64::INFINITY, |b| b.start);
        let mut marked: BTreeSet<&str> = BTreeSet::new();
        let mut before: BTreeSet<&str> = BTreeSet::new();
        let mut made: BTreeSet<&str> = BTreeSet::new();
        let mut twice = 0;
        for e in events.iter().filter(|e| e.t < until) {
            if e.kind == "ADDED" && e.t >= first {
                made.insert(&e.uid);
            }
            let here = e.node.as_ref().is_some_and(|n| batch.nodes.contains(n));
            if e.terminating && e.t < batch.start {
                before.insert(&e.uid);
            } else if e.terminating && here && !before.contains(&*e.uid) && marked.insert(&e.uid) {
                twice += usize::from(made.contains(&*e.uid));
            }
        }
        Figures {
            exit: Some(batch.exit),
            evictions: marked.len(),
            refusals: batch.stderr.lines().filter(|l| is_refusal(l)).count(),
            moved_twice: twice,
            errors: self.errors(batch.stderr.lines()),
            ..times.figures()
        }
    }

    fn predicted_figures(&self, planned: &Planned, batch: u32, times: &Times) -> Figures {
        let run = &planned.run;
        let lines = || {
            let lines = run.lines.iter().filter(move |l| l.0 == batch && l.1 == Stream::Stderr);
            lines.flat_map(|l| l.2.lines())
        };
        let evicted: BTreeSet<PodIdx> = run
            .observations
            .iter()
            .filter(|o| o.kind == EventKind::EvictionAccepted && o.batch == Some(batch))
            .filter_map(|o| o.pod)
            .filter(|p| !self.going.contains(p))
            .collect();
        let made: BTreeSet<PodIdx> = run
            .observations
            .iter()
            .filter(|o| o.kind == EventKind::PodCreated && o.detail.as_ref().is_none_or(|d| !d.initial))
            .filter_map(|o| o.pod)
            .collect();
        Figures {
            exit: run.exits.get(&batch).copied(),
            evictions: evicted.len(),
            refusals: lines().filter(|l| is_refusal(l)).count(),
            moved_twice: evicted.intersection(&made).count(),
            errors: self.errors(lines()),
            ..times.figures()
        }
    }

    /// Where every pod was at the end of the recording, by `namespace/name`.
    fn recorded_placements(&self, events: &[WatchEvent]) -> BTreeMap<String, String> {
        let mut placed = self.placed.clone();
        for e in events {
            let pod = format!("{}/{}", e.ns, e.pod);
            let over = e.kind == "DELETED" || matches!(e.phase.as_deref(), Some("Succeeded" | "Failed"));
            match &e.node {
                Some(node) if !over => placed.insert(pod, node.clone()),
                _ => placed.remove(&pod),
            };
        }
        placed
    }
    fn by_pool<'a>(&self, nodes: impl Iterator<Item = &'a String>) -> BTreeMap<String, usize> {
        let mut pools = BTreeMap::new();
        for node in nodes {
            let pool = self.pools.get(node).map_or("nodes that came later", |p| p);
            *pools.entry(pool.to_owned()).or_default() += 1;
        }
        pools
    }
}

/// Pods that hold room on a node, and which.
fn placed<'a>(catalog: &'a Catalog, state: &'a State) -> impl Iterator<Item = (String, String)> + 'a {
    state.live_pods().filter_map(move |p| {
        let pod = &state.pods[p];
        let node = pod.node.filter(|_| !pod.phase.is_terminal())?;
        Some((state.pod_text(catalog, p), state.node_name(catalog, node).to_owned()))
    })
}

/// Whether a line tells of an eviction that was refused and will be tried again.
fn is_refusal(line: &str) -> bool {
    line.starts_with("error when evicting pod") && line.contains("(will retry after")
}

/// A line with the errors of an aggregate in brackets sorted: they come in the order in which goroutines ended.
fn in_order(line: &str) -> String {
    let Some((head, rest)) = line.split_once('[') else { return line.to_owned() };
    let Some((inner, tail)) = rest.rsplit_once(']') else { return line.to_owned() };
    const JOINT: &str = ", error when ";
    let mut errors: Vec<String> = Vec::new();
    for (i, part) in inner.split(JOINT).enumerate() {
        errors.push(if i == 0 { part.to_owned() } else { format!("error when {part}") });
    }
    errors.sort();
    format!("{head}[{}]{tail}", errors.join(", "))
}

fn judge(mismatches: &mut Vec<Mismatch>, batch: usize, report: &BatchReport, actual: &Times, predicted: &Times) {
    let (a, p) = (&report.actual, &report.predicted);
    if a.exit != p.exit {
        let (recorded, ours) = (exit_text(a.exit), exit_text(p.exit));
        mismatches.push(Mismatch { batch: Some(batch), what: "exit", recorded, ours });
    }
    if a.errors != p.errors {
        let only = |these: &[String], others: &[String]| {
            let lines: Vec<&str> = these.iter().filter(|e| !others.contains(e)).map(String::as_str).collect();
            if lines.is_empty() { "nothing that the other lacks".to_owned() } else { lines.join("\n            ") }
        };
        let (recorded, ours) = (only(&a.errors, &p.errors), only(&p.errors, &a.errors));
        mismatches.push(Mismatch { batch: Some(batch), what: "errors", recorded, ours });
    }
    differs(mismatches, Some(batch), "drain", actual.drain(), predicted.drain());
    if a.settle_s.is_some() == p.settle_s.is_some() {
        differs(mismatches, Some(batch), "settle", actual.settle(), predicted.settle());
    } else {
        let (recorded, ours) = (settle_text(a.settle_s), settle_text(p.settle_s));
        mismatches.push(Mismatch { batch: Some(batch), what: "settle", recorded, ours });
    }
    differs(mismatches, Some(batch), "batch", actual.whole - actual.start, predicted.whole - predicted.start);
}

/// Notes two times that are too far apart.
fn differs(mismatches: &mut Vec<Mismatch>, batch: Option<usize>, what: &'static str, actual: i64, predicted: i64) {
    if !is_near(actual, predicted) {
        let text = |ms: i64| format!("{:.2} s", secs(ms));
        mismatches.push(Mismatch { batch, what, recorded: text(actual), ours: text(predicted) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_a_second_or_three_percent() {
        for (actual, predicted, near) in
            [(15_000, 16_000, true), (15_000, 16_001, false), (100_000, 97_000, true), (100_000, 96_999, false)]
        {
            assert_eq!(is_near(actual, predicted), near, "{actual} {predicted}");
        }
    }

    #[test]
    fn errors_of_an_aggregate_are_a_set() {
        let line = |a, b| format!("error: unable to drain node \"n\" due to error: [{a}, {b}], continuing command...");
        let (a, b) = ("error when evicting pods/\"a\": x", "error when waiting for pod \"b\": y, z");
        assert_eq!(in_order(&line(a, b)), in_order(&line(b, a)));
        assert_eq!(in_order("error: one"), "error: one");
    }

    #[test]
    fn names_that_were_drawn_on_the_way_are_no_difference() {
        let names = Names {
            pods: ["web-6b9c-abcde".to_owned(), "db-0".to_owned()].into(),
            pools: [("old-1".to_owned(), "old".to_owned())].into(),
            placed: BTreeMap::new(),
            going: BTreeSet::new(),
        };
        let told = |line: &str| names.errors([line].into_iter());
        assert_eq!(told("error: pods/\"web-6b9c-fghij\" x"), ["error: pods/\"web-6b9c-*\" x"]);
        for kept in ["error: pods/\"web-6b9c-abcde\" x", "error: pods/\"db-0\" on \"old-1\"", "error: \"other-abcde\""]
        {
            assert_eq!(told(kept), [kept]);
        }
        assert!(told("Warning: nothing").is_empty());
    }

    #[test]
    fn a_spread_has_the_lower_median() {
        let s = Spread::of(vec![4.0, 1.0, 2.0, 3.0]);
        assert_eq!((s.min, s.median, s.max), (1.0, 2.0, 4.0));
    }
}
