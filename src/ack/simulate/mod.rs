//! The cut-over SIMULATED: the drain of the masters, the outage of the API server, and what comes afterwards, many times.

mod lengths;
mod options;
mod risk;
mod run;
mod timeline;

pub use lengths::{Break, Length, Lengths, OutageRange};
pub use options::{AckSimOptions, FailureRates, StepTrouble, Trouble};
pub use risk::WorkloadRisk;
pub use run::{AckRun, Hit, RunError, Rush};
pub use timeline::{CutOverFailure, REASONS, StepRun};

use crate::cluster::NodeIdx;
use crate::experiment::{Experiment, each, replication_seed};
use crate::plan::verdict::{Percentiles, RunsVerdict};
use crate::plan::{RunRow, Spread};
use crate::report::format::{count, duration};
use crate::report::table::{Align, Table};
use crate::runner::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Workloads that the text lists.
const SHOWN: usize = 10;

/// What is simulated: an experiment that drains the masters, and how often.
pub struct Ground<'a> {
    /// The drain of the masters.
    pub experiment: &'a Experiment,
    /// The masters.
    pub masters: BTreeSet<NodeIdx>,
    /// Parameters.
    pub options: &'a AckSimOptions,
    /// Seed of the first run.
    pub seed: u64,
    /// How many runs, at least 1.
    pub replications: u32,
    /// Percent of them that must complete for exit status 0.
    pub require_percent: f64,
    /// Outages of which is shown what breaks.
    pub lengths: Option<OutageRange>,
}

/// What comes of the migration, over all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AckResult {
    /// What all runs say together; its `shown` is the run below. A run completes if the API server comes back managed, and completes with harm if a
    /// workload has fewer ready pods when the watch ends than when the outage began.
    pub verdict: RunsVerdict,
    /// Every failure met in any run, the most frequent first, then by code.
    pub failures: Vec<AckFailure>,
    /// How long the drain of the masters takes, milliseconds.
    pub drain_ms: Spread,
    /// How long the API server is away, milliseconds, of the runs in which it comes back.
    pub outage_ms: Percentiles<i64>,
    /// From the first step until all is quiet again, likewise.
    pub quiet_ms: Percentiles<i64>,
    /// From the return of the API server until all is quiet again, likewise.
    pub rush_ms: Percentiles<i64>,
    /// The run that is shown.
    pub shown: AckRun,
    /// Rates of failures, as they were stated or are assumed.
    pub failure_rates: FailureRates,
    /// How many times failures were drawn for `workloads`.
    pub draws: u32,
    /// What a failure during the outage does to each workload; the most endangered first.
    pub workloads: Vec<WorkloadRisk>,
    /// Workloads that were not as before when the watch ended, with the share of the runs in which they were not.
    pub not_as_before: BTreeMap<String, f64>,
    /// From which length of the outage on what breaks; only with a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Lengths>,
    /// Parameters of the simulation.
    pub options: AckSimOptions,
    /// Version of nodeferry.
    pub version: String,
}

/// A way to fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AckFailure {
    /// Share of the runs, 0 to 1.
    pub probability: f64,
    /// Code, message and remedy, of the first run that met it.
    #[serde(flatten)]
    pub failure: CutOverFailure,
}

/// Simulates the migration. `progress` is called once for each run that ended.
///
/// # Errors
/// A bug of ours.
pub fn simulate(ground: &Ground<'_>, progress: &(dyn Fn() + Sync)) -> Result<AckResult, RunError> {
    let options = ground.options;
    let both = each(ground.replications.max(1), 0, |nth| {
        let seed = replication_seed(ground.seed, nth);
        let one = run::run(ground.experiment, &ground.masters, options, nth, seed)?;
        progress();
        Ok::<_, RunError>(one)
    })?;
    // Who runs where when the outage begins hardly differs between runs: that of the first is taken.
    let exposed = both.first().map(|(_, exposed)| exposed.clone());
    let runs: Vec<AckRun> = both.into_iter().map(|(run, _)| run).collect();
    let rows: Vec<RunRow> = runs.iter().map(row).collect();
    let verdict = RunsVerdict::of(&rows, ground.require_percent);
    let shown = runs.get(verdict.shown.run as usize).or(runs.first()).cloned().ok_or(RunError::NoSite)?;
    let outages: Vec<i64> = runs.iter().filter_map(|r| r.outage_ms).collect();
    let exposed = exposed.unwrap_or_default();
    let quiet = |r: &AckRun| r.quiet_ms.map(|q| (q, q - r.outage_ms.unwrap_or(0)));
    let mut not_as_before: BTreeMap<String, f64> = BTreeMap::new();
    for workload in runs.iter().flat_map(|r| &r.not_as_before) {
        *not_as_before.entry(workload.clone()).or_default() += 1.0 / runs.len() as f64;
    }
    Ok(AckResult {
        failures: failures(&runs),
        drain_ms: Spread::of(&runs.iter().map(|r| r.drain_ms).collect::<Vec<_>>()),
        outage_ms: Percentiles::of(outages.iter().copied()),
        quiet_ms: Percentiles::of(runs.iter().filter_map(|r| Some(quiet(r)?.0))),
        rush_ms: Percentiles::of(runs.iter().filter_map(|r| Some(quiet(r)?.1))),
        failure_rates: options.failures,
        draws: options.draws,
        workloads: exposed.risks(options.failures, ground.seed, &outages, options.draws),
        not_as_before,
        lengths: ground.lengths.map(|range| lengths::lengths(ground, range, &exposed)).transpose()?,
        options: options.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        verdict,
        shown,
    })
}

fn row(run: &AckRun) -> RunRow {
    let end = run.quiet_ms.or_else(|| run.steps.last().map(|s| s.end_ms)).unwrap_or(0);
    let failed = run.failure.is_some();
    RunRow {
        run: run.run,
        seed: run.seed,
        outcome: if failed { Outcome::Failed } else { Outcome::Completed },
        reason: run.failure.as_ref().map(|f| f.reason.clone()),
        duration_ms: run.first_step_ms + end,
        peak_nodes: 0,
        surge_nodes: 0,
        cost_micros: None,
        harm: run.not_as_before.len() as u64,
        harmed: !run.not_as_before.is_empty(),
        node_ms: 0,
        pods_moved: 0,
        pods_moved_twice: 0,
        refused: 0,
    }
}

fn failures(runs: &[AckRun]) -> Vec<AckFailure> {
    let mut found: BTreeMap<&str, (u32, &CutOverFailure)> = BTreeMap::new();
    for failure in runs.iter().filter_map(|r| r.failure.as_ref()) {
        found.entry(&failure.reason).or_insert((0, failure)).0 += 1;
    }
    let mut list: Vec<(u32, &CutOverFailure)> = found.into_values().collect();
    list.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.reason.cmp(&b.1.reason)));
    let share = |n: u32| f64::from(n) / runs.len().max(1) as f64;
    list.into_iter().map(|(n, f)| AckFailure { probability: share(n), failure: f.clone() }).collect()
}

fn time(ms: i64) -> String {
    duration(u64::try_from(ms).unwrap_or(0))
}

/// A share in percent; small ones are not 0.
fn share_text(share: f64) -> String {
    match share * 100.0 {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.01 => "under 0.01 %".to_owned(),
        p if p < 10.0 => format!("{p:.2} %"),
        p => format!("{p:.0} %"),
    }
}

impl AckResult {
    /// Exit status of a command that predicts this.
    pub fn exit_status(&self) -> i32 {
        self.verdict.exit_status
    }

    /// For people; `width` is the terminal's.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = format!("Verdict: {}\n", self.verdict.text);
        if self.verdict.runs > 1 {
            let _ = writeln!(out, "Shown: {}.", self.verdict.shown.text);
        }
        self.timeline(&mut out, width);
        let back = |p: Percentiles<i64>| format!("{} (p50), {} (p95)", time(p.p50), time(p.p95));
        if self.shown.outage_ms.is_some() || self.outage_ms.p50 > 0 {
            let _ = writeln!(out, "\nThe API server is away for {}.", back(self.outage_ms));
            let _ = writeln!(
                out,
                "All is quiet {} after the first step, {} after its return.",
                back(self.quiet_ms),
                back(self.rush_ms)
            );
        }
        self.rush_text(&mut out);
        for failure in &self.failures {
            let CutOverFailure { reason, message, remedy } = &failure.failure;
            let _ = writeln!(
                out,
                "\n{reason} ({} of the runs): {message}\n  remedy: {remedy}",
                share_text(failure.probability)
            );
        }
        self.risk_text(&mut out, width);
        if let Some(lengths) = &self.lengths {
            out.push_str(&lengths.text(width));
        }
        out.push_str("\nAssumed (C): how long each step takes, how long controllers wait for their leases, and the rates of failures; give your own with --simulation.\n");
        out
    }

    fn timeline(&self, out: &mut String, width: Option<u16>) {
        let run = &self.shown;
        let mut table =
            Table::new(&[("", Align::Left), ("BEGINS", Align::Right), ("ENDS", Align::Right), ("", Align::Left)]);
        let mut row = |what: &str, begin: String, end: String, how: &str| {
            _ = table.row([what.to_owned(), begin, end, how.to_owned()])
        };
        row("drain of the masters", time(0), time(run.drain_ms), "");
        let at = |ms: i64| time(run.first_step_ms + ms);
        for step in &run.steps {
            row(&step.step, at(step.start_ms), at(step.end_ms), if step.succeeded { "" } else { "FAILS" });
        }
        let marks = [
            ("API server is back", run.outage_ms),
            ("controllers work again", run.controllers_back_ms),
            ("masters are Unknown", run.masters_unknown_ms),
            ("budgets have caught up", run.budgets_caught_up_ms),
            ("all is quiet", run.quiet_ms),
        ];
        for (what, ms) in marks.into_iter().filter_map(|(what, ms)| Some((what, ms?))) {
            row(what, at(ms), String::new(), "");
        }
        let _ = write!(out, "\n{}", table.render(width));
        if !run.failed_meanwhile.is_empty() {
            let _ = writeln!(out, "Failed meanwhile in this run: {}.", run.failed_meanwhile.join(", "));
        }
        for hit in &run.hit {
            let how_long =
                hit.short_ms.map_or_else(|| "to the end of the watch".to_owned(), |ms| format!("for {}", time(ms)));
            let zero = if hit.at_zero { ", which left none" } else { "" };
            let _ = writeln!(
                out,
                "  {} lost {} of {} ready pods{zero}; short of them {how_long}",
                hit.workload, hit.lost, hit.ready
            );
        }
    }

    fn rush_text(&self, out: &mut String) {
        let (run, r) = (&self.shown, &self.shown.rush);
        if run.outage_ms.is_none() {
            return;
        }
        let _ = writeln!(
            out,
            "The rush: {} created (at most {} a second), {} bound (at most {} a second), {} ended, {} of budgets' status, {} found NotReady.",
            count(r.pods_created, "pod"),
            r.most_created_in_a_second,
            r.pods_bound,
            r.most_bound_in_a_second,
            r.pods_ended,
            count(r.budgets_written, "write"),
            count(r.nodes_not_ready, "node")
        );
        for (workload, share) in &self.not_as_before {
            let _ = writeln!(out, "Not as before when the watch ends: {workload} ({} of the runs)", share_text(*share));
        }
        if !run.nodes_lost.is_empty() {
            let _ = writeln!(out, "Nodes lost besides the masters: {}", run.nodes_lost.join(", "));
        }
    }

    fn risk_text(&self, out: &mut String, width: Option<u16>) {
        if self.workloads.is_empty() {
            return;
        }
        let FailureRates { pods_per_million_hours: pods, nodes_per_million_hours: nodes } = self.failure_rates;
        let _ = writeln!(
            out,
            "\nIf something fails meanwhile (nothing is replaced until the API server is back; {pods} pods and {nodes} nodes fail in a million hours of each, drawn {} times):",
            crate::report::format::thousands(u64::from(self.draws))
        );
        let columns = [
            ("WORKLOAD", Align::Left),
            ("READY", Align::Right),
            ("LEFT WITHOUT A POD", Align::Right),
            ("WITHOUT A NODE", Align::Right),
            ("LOSES PODS", Align::Right),
            ("LOSES ALL", Align::Right),
        ];
        let mut table = Table::new(&columns);
        for w in self.workloads.iter().take(SHOWN) {
            let node = format!("{} ({})", w.left_if_a_node_fails, w.worst_node);
            let left = w.left_if_a_pod_fails.to_string();
            table.row([
                w.workload.clone(),
                w.ready.to_string(),
                left,
                node,
                share_text(w.short),
                share_text(w.at_zero),
            ]);
        }
        let _ = write!(out, "{}", table.render(width));
        if let Some(more) = self.workloads.len().checked_sub(SHOWN).filter(|m| *m > 0) {
            let _ = writeln!(out, "and {}", count(more as u64, "more workload"));
        }
    }
}
