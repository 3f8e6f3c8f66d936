//! The verdict of many runs: how often the migration completes, how else it ends, how its figures spread, and the exit status that follows.

use crate::runner::Outcome;
use crate::runner::outcome::HARMED;
use crate::trace::time::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Runs of a prediction for which no number was given, up to [`MANY_PODS`] pods (C).
pub const DEFAULT_RUNS: u32 = 30;
/// Runs of a prediction for which no number was given, of larger clusters (C).
pub const DEFAULT_RUNS_OF_MANY: u32 = 5;
/// Pods up to which a prediction has [`DEFAULT_RUNS`] runs (C).
pub const MANY_PODS: usize = 20_000;

/// How many runs a prediction has where no number was given: by the pods of the cluster, never by a clock.
pub fn default_runs(pods: usize) -> u32 {
    if pods <= MANY_PODS { DEFAULT_RUNS } else { DEFAULT_RUNS_OF_MANY }
}

/// Percent of the runs that must complete where nothing else is required.
pub const DEFAULT_REQUIRE: f64 = 100.0;

/// Why a percentage cannot be required.
pub fn require_problem(percent: f64) -> Option<String> {
    let allowed = (0.0..=100.0).contains(&percent);
    (!allowed).then(|| format!("{percent} percent of the runs cannot be required; expected 0 to 100"))
}

/// The most runs of one verdict.
const MOST_RUNS: u32 = 1_000_000;

/// Why there cannot be so many runs.
pub fn replications_problem(runs: u32) -> Option<String> {
    let allowed = (1..=MOST_RUNS).contains(&runs);
    (!allowed).then(|| format!("is {runs}; expected at least 1 and at most {MOST_RUNS}"))
}

/// One run, as `runs.csv` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Which of the runs, counted from 0.
    pub run: u32,
    /// Its seed: `--seed` with `--replications 1` simulates it again.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Code of the reason, unless it completed.
    pub reason: Option<String>,
    /// From start to end, milliseconds.
    pub duration_ms: i64,
    /// Most nodes at once.
    pub peak_nodes: u64,
    /// How many nodes more than at the start that is.
    pub surge_nodes: u64,
    /// Cost of the cluster over the run, millionths of the currency unit; none if any price is unknown.
    pub cost_micros: Option<u64>,
    /// Entries of the run's list of harm.
    pub harm: u64,
    /// One of them is grave: a workload is left broken, or a budget was broken, and no option ordered it.
    pub harmed: bool,
    /// Node-milliseconds of the cluster.
    pub node_ms: u64,
    /// Pods that the migration made leave.
    pub pods_moved: u64,
    /// Lines of pods that were moved more than once.
    pub pods_moved_twice: u64,
    /// Evictions refused, each retry counted.
    pub refused: u64,
}

impl RunRow {
    /// How it ended, harm counted.
    pub fn ending(&self) -> RunEnding {
        match self.outcome {
            Outcome::Completed if !self.harmed => RunEnding::Completed,
            Outcome::Completed => RunEnding::CompletedWithHarm,
            Outcome::Stopped => RunEnding::Stopped,
            Outcome::PartlyCompleted => RunEnding::PartlyCompleted,
            Outcome::Failed => RunEnding::Failed,
        }
    }
}

/// How a run ended, harm counted; from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunEnding {
    /// Every old node was emptied, and no workload was harmed.
    Completed,
    /// Somebody stopped it, as asked.
    Stopped,
    /// Some old nodes were emptied, some were not.
    PartlyCompleted,
    /// Every old node was emptied, but a workload was harmed.
    CompletedWithHarm,
    /// It gave up.
    Failed,
}

impl RunEnding {
    /// Exit status of a command that predicts it.
    pub fn exit_status(self) -> i32 {
        match self {
            RunEnding::Completed => Outcome::Completed.exit_status(),
            RunEnding::Stopped => Outcome::Stopped.exit_status(),
            RunEnding::PartlyCompleted => Outcome::PartlyCompleted.exit_status(),
            RunEnding::CompletedWithHarm => HARMED,
            RunEnding::Failed => Outcome::Failed.exit_status(),
        }
    }

    /// What the migration does, as a sentence goes on after "it".
    fn verb(self) -> &'static str {
        match self {
            RunEnding::Completed => "completes",
            RunEnding::Stopped => "is stopped as asked",
            RunEnding::PartlyCompleted => "completes in part",
            RunEnding::CompletedWithHarm => "completes but harms workloads",
            RunEnding::Failed => "fails",
        }
    }
}

/// What all runs say together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunsVerdict {
    /// The verdict in a sentence.
    pub text: String,
    /// How many runs.
    pub runs: u32,
    /// Percent of the runs that must complete (`--require`).
    pub require_percent: f64,
    /// Whether that share of them completed.
    pub met: bool,
    /// 0 if it is met, else that of the most frequent other ending; of equally frequent ones that of the worst.
    pub exit_status: i32,
    /// How the runs ended: `COMPLETED` first, even if no run did; then the most frequent first, the worst of equals before the others.
    pub endings: Vec<EndingShare>,
    /// The run of which trace, batches and plots are shown.
    pub shown: ShownRun,
    /// Figures of all runs.
    pub all: RunSpreads,
    /// Figures of the runs that completed without harm; left out if none did, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<RunSpreads>,
    /// Figures of all others; left out likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_completed: Option<RunSpreads>,
}

/// How many of the runs ended so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndingShare {
    /// How they ended.
    pub ending: RunEnding,
    /// How many runs.
    pub runs: u32,
    /// Their share, 0 to 1.
    pub share: f64,
    /// Lower end of the share's Wilson score interval at 95 %.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Codes of their reasons with how many of these runs had each; the most frequent first, then by code.
    pub reasons: Vec<ReasonCount>,
}

/// How many of the runs that ended alike had this reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonCount {
    /// Stable code.
    pub reason: String,
    /// How many runs.
    pub runs: u32,
}

/// The run that is shown: of the most frequent ending (the worst of equals), and within it of the most frequent reason, the one whose
/// duration is nearest their median (the lower of two; the earliest run of equals).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownRun {
    /// Which of the runs, counted from 0.
    pub run: u32,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub ending: RunEnding,
    /// Code of the reason, unless it completed.
    pub reason: Option<String>,
    /// How many runs ended like it, reason included.
    pub of_runs: u32,
    /// The same in words.
    pub text: String,
}

/// Percentiles by nearest rank: each is a value that occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles<T> {
    /// 5th.
    pub p5: T,
    /// Median (the lower of two).
    pub p50: T,
    /// 95th.
    pub p95: T,
}

impl<T: Copy + Ord + Default> Percentiles<T> {
    /// Of some values; the least one of the type if there is none.
    pub fn of(values: impl IntoIterator<Item = T>) -> Percentiles<T> {
        let mut sorted: Vec<T> = values.into_iter().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let position = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            sorted.get(position).copied().unwrap_or_default()
        };
        Percentiles { p5: rank(5), p50: rank(50), p95: rank(95) }
    }
}

impl<T: Copy> Percentiles<T> {
    fn map<U>(self, f: impl Fn(T) -> U) -> Percentiles<U> {
        Percentiles { p5: f(self.p5), p50: f(self.p50), p95: f(self.p95) }
    }
}

/// How the figures of some runs spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSpreads {
    /// How many runs.
    pub runs: u32,
    /// From start to end, milliseconds.
    pub duration_ms: Percentiles<i64>,
    /// Most nodes at once.
    pub peak_nodes: Percentiles<u64>,
    /// How many nodes more than at the start that is.
    pub surge_nodes: Percentiles<u64>,
    /// Cost of the whole cluster over the run in currency units; null if any price is unknown.
    pub cost: Option<Percentiles<f64>>,
    /// Node-hours of the whole cluster over the run.
    pub node_hours: Percentiles<f64>,
    /// Pods that the migration made leave.
    pub pods_moved: Percentiles<u64>,
    /// Pods whose predecessor had been moved before.
    pub pods_moved_twice: Percentiles<u64>,
    /// Evictions refused, each retry counted.
    pub refused: Percentiles<u64>,
    /// Entries of the list of harm.
    pub harm: Percentiles<u64>,
}

impl RunSpreads {
    fn of(rows: &[&RunRow]) -> RunSpreads {
        let of = |figure: fn(&RunRow) -> u64| Percentiles::of(rows.iter().map(|r| figure(r)));
        let costs: Option<Vec<u64>> = rows.iter().map(|r| r.cost_micros).collect();
        RunSpreads {
            runs: rows.len() as u32,
            duration_ms: Percentiles::of(rows.iter().map(|r| r.duration_ms)),
            peak_nodes: of(|r| r.peak_nodes),
            surge_nodes: of(|r| r.surge_nodes),
            cost: costs.map(|c| Percentiles::of(c).map(|micros| (micros / 10_000) as f64 / 100.0)),
            node_hours: of(|r| r.node_ms).map(|ms| (ms / 3_600) as f64 / 1000.0),
            pods_moved: of(|r| r.pods_moved),
            pods_moved_twice: of(|r| r.pods_moved_twice),
            refused: of(|r| r.refused),
            harm: of(|r| r.harm),
        }
    }
}

/// The Wilson score interval of a share at 95 %: between which bounds the true probability lies, as far as so many runs can show.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American Statistical
/// Association 22 (1927).
pub fn wilson(successes: u32, of: u32) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (f64::from(of), f64::from(successes) / f64::from(of));
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let bound = |x: f64| to_four((x / (1.0 + z2 / n)).clamp(0.0, 1.0));
    // At its ends the interval reaches the end exactly; rounding may not take it off.
    let low = if successes == 0 { 0.0 } else { bound(centre - half) };
    let high = if successes == of { 1.0 } else { bound(centre + half) };
    (low, high)
}

/// Rounded to four decimals: more of them say nothing of a share of some tens of runs.
fn to_four(x: f64) -> f64 {
    (x * 10_000.0).round() / 10_000.0
}

/// A share as percents: whole ones, but never 0 or 100 for a share that is not.
pub fn percent(share: f64) -> String {
    let percents = share * 100.0;
    let rounded = percents.round();
    match percents {
        p if p > 0.0 && p < 0.1 => "under 0.1".to_owned(),
        p if p > 99.9 && p < 100.0 => "over 99.9".to_owned(),
        p if (p > 0.0 && rounded == 0.0) || (p < 100.0 && rounded == 100.0) => format!("{p:.1}"),
        _ => format!("{rounded:.0}"),
    }
}

impl RunsVerdict {
    /// Of at least one run, in order.
    pub fn of(rows: &[RunRow], require_percent: f64) -> RunsVerdict {
        let runs = rows.len() as u32;
        let endings = endings(rows);
        let completed = endings.first().map_or(0, |e| e.runs);
        let met = f64::from(completed) * 100.0 >= require_percent * f64::from(runs);
        let other = endings.iter().skip(1).map(|e| e.ending).next();
        let exit_status = if met { 0 } else { other.map_or(0, RunEnding::exit_status) };
        let shown = shown(rows, &endings);
        let (good, bad): (Vec<&RunRow>, Vec<&RunRow>) = rows.iter().partition(|r| r.ending() == RunEnding::Completed);
        let apart = !good.is_empty() && !bad.is_empty();
        let mut verdict = RunsVerdict {
            text: String::new(),
            runs,
            require_percent,
            met,
            exit_status,
            endings,
            shown,
            all: RunSpreads::of(&rows.iter().collect::<Vec<_>>()),
            completed: apart.then(|| RunSpreads::of(&good)),
            not_completed: apart.then(|| RunSpreads::of(&bad)),
        };
        verdict.text = verdict.sentence();
        verdict
    }

    /// How many runs completed without harm.
    pub fn completed_runs(&self) -> u32 {
        self.endings.first().map_or(0, |e| e.runs)
    }

    fn sentence(&self) -> String {
        if self.runs == 1 {
            return self.sentence_of_one();
        }
        let interval = |e: &EndingShare| format!("{} to {} %", percent(e.low), percent(e.high));
        let mut text = String::new();
        for (i, e) in self.endings.iter().enumerate() {
            let _ = match i {
                0 => write!(
                    text,
                    "completes in {} % of {} runs (95 % interval {})",
                    percent(e.share),
                    self.runs,
                    interval(e)
                ),
                _ => write!(
                    text,
                    "; {} in {} % ({}){}",
                    e.ending.verb(),
                    percent(e.share),
                    interval(e),
                    reasons(e, e.reasons.len() > 1)
                ),
            };
        }
        let spreads = self.completed.as_ref().unwrap_or(&self.all);
        let Percentiles { p50, p95, .. } = spreads.duration_ms;
        let (takes, when) = match (self.completed_runs(), &self.completed) {
            (0, _) => ("ends after", ""),
            (_, Some(_)) => ("takes", " when it completes"),
            (_, None) => ("takes", ""),
        };
        let _ = write!(text, "; {takes} {} (p50), {} (p95){when}", duration(p50), duration(p95));
        text
    }

    fn sentence_of_one(&self) -> String {
        let ended = self.endings.iter().find(|e| e.runs > 0);
        let ended = ended.map_or_else(String::new, |e| format!("{}{}", e.ending.verb(), reasons(e, false)));
        format!("{ended}, after {}, in the only run that was simulated", duration(self.all.duration_ms.p50))
    }
}

fn duration(ms: i64) -> String {
    words(u64::try_from(ms).unwrap_or(0))
}

/// `: code, code`, with how many runs had each if wanted.
fn reasons(e: &EndingShare, counted: bool) -> String {
    let each = |r: &ReasonCount| match (counted, r.runs) {
        (false, _) => r.reason.clone(),
        (true, 1) => format!("{} (1 run)", r.reason),
        (true, n) => format!("{} ({n} runs)", r.reason),
    };
    let list: Vec<String> = e.reasons.iter().map(each).collect();
    if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) }
}

/// `COMPLETED` first, then the most frequent, of equals the worst.
fn endings(rows: &[RunRow]) -> Vec<EndingShare> {
    let mut by_ending: BTreeMap<RunEnding, Vec<&RunRow>> = BTreeMap::from([(RunEnding::Completed, Vec::new())]);
    for row in rows {
        by_ending.entry(row.ending()).or_default().push(row);
    }
    let mut list: Vec<EndingShare> = by_ending.iter().map(|(ending, of)| share_of(*ending, of, rows.len())).collect();
    list.sort_by_key(|e| (e.ending != RunEnding::Completed, std::cmp::Reverse((e.runs, e.ending))));
    list
}

fn share_of(ending: RunEnding, of: &[&RunRow], runs: usize) -> EndingShare {
    let (n, runs) = (of.len() as u32, runs as u32);
    let (low, high) = wilson(n, runs);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for reason in of.iter().filter_map(|r| r.reason.as_deref()) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<ReasonCount> =
        counts.into_iter().map(|(reason, runs)| ReasonCount { reason: reason.to_owned(), runs }).collect();
    reasons.sort_by_key(|r| std::cmp::Reverse(r.runs));
    EndingShare { ending, runs: n, share: to_four(f64::from(n) / f64::from(runs.max(1))), low, high, reasons }
}

/// Which run is shown; see [`ShownRun`].
fn shown(rows: &[RunRow], endings: &[EndingShare]) -> ShownRun {
    let most = endings.iter().max_by_key(|e| (e.runs, e.ending));
    let ending = most.map_or(RunEnding::Completed, |e| e.ending);
    let reason = most.and_then(|e| e.reasons.first()).map(|r| r.reason.clone());
    let alike: Vec<&RunRow> = rows.iter().filter(|r| r.ending() == ending && r.reason == reason).collect();
    let median = Percentiles::of(alike.iter().map(|r| r.duration_ms)).p50;
    let row = alike.iter().find(|r| r.duration_ms == median);
    let (run, seed) = row.map_or((0, 0), |r| (r.run, r.seed));
    let of_runs = alike.len() as u32;
    let how = match &reason {
        Some(reason) => format!("{} ({reason})", ending.verb()),
        None => ending.verb().to_owned(),
    };
    let text = match rows.len() {
        1 => format!("the only run, seed {seed}"),
        n => format!(
            "run {} of {n} (seed {seed}), the one of median duration among the {of_runs} in which it {how}",
            run + 1
        ),
    };
    ShownRun { run, seed, ending, reason, of_runs, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: u32, outcome: Outcome, reason: &str, duration_ms: i64) -> RunRow {
        RunRow {
            run,
            seed: u64::from(run) + 100,
            outcome,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            duration_ms,
            peak_nodes: 10 + u64::from(run),
            surge_nodes: u64::from(run),
            cost_micros: Some(1_230_000),
            harm: 0,
            harmed: false,
            node_ms: 3_600_000,
            pods_moved: 5,
            pods_moved_twice: 0,
            refused: 2,
        }
    }

    /// Runs in order: how many ended how.
    fn rows(parts: &[(u32, Outcome, &str, i64)]) -> Vec<RunRow> {
        let mut list = Vec::new();
        for (n, outcome, reason, duration_ms) in parts {
            for i in 0..*n {
                list.push(row(list.len() as u32, *outcome, reason, duration_ms + i64::from(i) * 1_000));
            }
        }
        list
    }

    #[test]
    fn the_sentence_names_shares_reasons_and_times() {
        let rows = rows(&[
            (20, Outcome::Completed, "", 840_000),
            (5, Outcome::Failed, "pods-not-scheduled", 60_000),
            (1, Outcome::Failed, "drain-failed", 60_000),
            (4, Outcome::PartlyCompleted, "held-by-budget", 60_000),
        ]);
        let verdict = RunsVerdict::of(&rows, 100.0);
        assert_eq!(
            verdict.text,
            "completes in 67 % of 30 runs (95 % interval 49 to 81 %); \
             fails in 20 % (10 to 37 %): pods-not-scheduled (5 runs), drain-failed (1 run); \
             completes in part in 13 % (5 to 30 %): held-by-budget; \
             takes 14m 09s (p50), 14m 18s (p95) when it completes"
        );
        assert_eq!((verdict.met, verdict.exit_status), (false, 3));
        // Failed runs apart.
        let (good, bad) = (verdict.completed.expect("some completed"), verdict.not_completed.expect("some did not"));
        assert_eq!((good.runs, bad.runs, verdict.all.runs), (20, 10, 30));
        assert_eq!((good.duration_ms.p5, bad.duration_ms.p95, verdict.all.duration_ms.p5), (840_000, 64_000, 60_000));
        assert_eq!(good.cost.map(|c| c.p50), Some(1.23));
        // The run shown is one of the most frequent ending, and of median duration there.
        assert_eq!((verdict.shown.run, verdict.shown.seed, verdict.shown.of_runs), (9, 109, 20));
        assert!(verdict.shown.text.contains("run 10 of 30 (seed 109)"), "{}", verdict.shown.text);
    }

    #[test]
    fn what_is_required_decides_the_exit_status() {
        use Outcome::{Completed, Failed, PartlyCompleted, Stopped};
        let status = |parts: &[(u32, Outcome, &str, i64)], require| RunsVerdict::of(&rows(parts), require).exit_status;
        let most = [(19, Completed, "", 1_000), (1, PartlyCompleted, "held-by-budget", 1_000)];
        assert_eq!([status(&most, 100.0), status(&most, 95.0), status(&most, 95.1), status(&most, 0.0)], [4, 0, 4, 0]);
        // The most frequent other ending, not the worst.
        let more_in_part = [(3, Failed, "a", 0), (4, PartlyCompleted, "b", 0), (9, Completed, "", 0)];
        assert_eq!(status(&more_in_part, 100.0), 4);
        // Of an outcome all reasons together.
        let reasons = [(2, Failed, "a", 0), (2, Failed, "c", 0), (3, PartlyCompleted, "b", 0)];
        assert_eq!(status(&reasons, 100.0), 3);
        // Ties: the worse.
        assert_eq!(status(&[(4, PartlyCompleted, "b", 0), (4, Failed, "a", 0)], 100.0), 3);
        assert_eq!(status(&[(4, Stopped, "stopped", 0), (4, PartlyCompleted, "b", 0)], 100.0), 4);
        // Stopped as asked is no failure.
        assert_eq!(status(&[(5, Stopped, "stopped", 0)], 100.0), 0);
    }

    #[test]
    fn a_run_that_harms_workloads_does_not_count_as_completed() {
        let mut rows = rows(&[(10, Outcome::Completed, "", 1_000)]);
        rows.iter_mut().take(4).for_each(|r| r.harmed = true);
        let verdict = RunsVerdict::of(&rows, 100.0);
        assert_eq!((verdict.exit_status, verdict.completed_runs()), (6, 6));
        assert!(verdict.text.contains("completes but harms workloads in 40 % ("), "{}", verdict.text);
        assert_eq!(RunsVerdict::of(&rows, 60.0).exit_status, 0);
        rows.iter_mut().for_each(|r| r.harmed = true);
        let verdict = RunsVerdict::of(&rows, 100.0);
        assert_eq!((verdict.exit_status, verdict.shown.ending), (6, RunEnding::CompletedWithHarm));
        assert!(
            verdict.text.starts_with("completes in 0 % of 10 runs (95 % interval 0 to 28 %); "),
            "{}",
            verdict.text
        );
    }

    #[test]
    fn the_run_shown_is_of_the_most_frequent_ending_and_reason() {
        use Outcome::{Completed, Failed};
        let rows = rows(&[(5, Completed, "", 9_000), (2, Failed, "a", 1_000), (4, Failed, "b", 5_000)]);
        let shown = RunsVerdict::of(&rows, 100.0).shown;
        assert_eq!((shown.ending, shown.reason.as_deref(), shown.of_runs), (RunEnding::Failed, Some("b"), 4));
        assert_eq!((shown.run, shown.seed), (8, 108));
    }

    #[test]
    fn one_run_has_no_interval() {
        let text = |rows: &[RunRow]| RunsVerdict::of(rows, 100.0).text;
        let failed = text(&rows(&[(1, Outcome::Failed, "drain-failed", 61_000)]));
        assert_eq!(failed, "fails: drain-failed, after 1m 01s, in the only run that was simulated");
        assert!(
            text(&rows(&[(1, Outcome::Completed, "", 1_000)])).starts_with("completes, after 1 s, in the only run")
        );
    }

    #[test]
    fn wilsons_interval_is_that_of_the_tables() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        assert_eq!(wilson(81, 263), (0.2553, 0.3662));
        assert_eq!(wilson(15, 148), (0.0624, 0.1605));
        assert_eq!(wilson(0, 20), (0.0, 0.1611));
        assert_eq!(wilson(1, 29), (0.0061, 0.1718));
        assert_eq!((wilson(29, 29).1, wilson(0, 0)), (1.0, (0.0, 1.0)));
    }

    #[test]
    fn percents_are_whole_but_never_all_or_nothing_by_rounding() {
        assert_eq!([0.0, 0.5, 0.666, 1.0].map(percent), ["0", "50", "67", "100"]);
        assert_eq!([0.0004, 0.004, 0.996, 0.9996].map(percent), ["under 0.1", "0.4", "99.6", "over 99.9"]);
    }

    #[test]
    fn runs_by_default_go_by_the_pods() {
        assert_eq!([0, 20_000, 20_001].map(default_runs), [30, 30, 5]);
    }
}
