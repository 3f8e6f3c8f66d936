//! Many variants of one migration, simulated under the same seeds and ranked.
//!
//! Every variant has its runs under the seeds of the others (common random numbers): what differs between two is what was varied. Runs come in
//! rounds of a fixed size. After each, the variants of which it is not clear yet whether they meet what is required, and those that differ from
//! the best by less than chance does, have another round. All of this follows from the figures, so that the result is the same for any number of
//! threads.

pub mod figure;
pub mod show;

use crate::experiment::{RunFigures, RunSummary};
use crate::plan::verdict::{RunEnding, RunsVerdict, wilson};
use crate::request::error::PlanError;
use crate::request::plan::Request;
use crate::request::runs::Runs;
use crate::trace::{Harm, Metrics, harm};
use figure::{Condition, Figures, Measure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One setting of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Which option.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is wanted of the variants.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What must hold, beside the share of runs that must complete.
    pub conditions: Vec<Condition>,
    /// What is least in the best variant; the first counts most.
    pub best: Vec<Measure>,
    /// Most rounds that a variant has.
    pub rounds: u32,
}

/// Why most of the runs that did not complete did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// How they ended.
    pub ending: RunEnding,
    /// Code of the reason; null where the ending has none (completed with harm).
    pub reason: Option<String>,
    /// In how many runs.
    pub runs: u32,
    /// The imitated system's message.
    pub message: String,
    /// What brought it about, in the first run that met it.
    pub cause: String,
    /// What would lift it.
    pub remedy: String,
}

/// What became of a variant.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What sets it apart.
    pub settings: Vec<Setting>,
    /// What came of it, or why it cannot be planned.
    pub result: Result<Tried, String>,
}

/// A variant that was simulated.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What its runs say together.
    pub verdict: RunsVerdict,
    /// Its figures.
    pub figures: Figures,
    /// Of those that did not complete, why most did not.
    pub why: Option<Why>,
    /// What is required and it does not meet, as it was written.
    pub misses: Vec<String>,
    /// No variant that meets all is better in one of the two first figures of the ranking and no worse in the other.
    pub pareto: bool,
}

impl Tried {
    /// Whether it meets all that is required.
    pub fn is_good(&self) -> bool {
        self.misses.is_empty()
    }
}

/// What came of all variants.
#[derive(Clone, Debug)]
pub struct Swept {
    /// Random seed of all of them.
    pub seed: u64,
    /// Runs of a round.
    pub round: u32,
    /// Percent of the runs that must complete.
    pub require_percent: f64,
    /// What was ranked by.
    pub best_by: Vec<Measure>,
    /// The variants in their order.
    pub variants: Vec<Judged>,
    /// The best of those that meet all.
    pub best: Option<usize>,
}

/// Why there is no sweep.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// No variant can be planned.
    #[error("no variant can be planned; the first: {0}")]
    Nothing(String),
    /// A simulation broke.
    #[error("{variant}: {source}")]
    Plan {
        /// Which variant.
        variant: String,
        /// Why.
        source: PlanError,
    },
}

/// A variant on its way.
struct Trying {
    settings: Vec<Setting>,
    runs: Result<RunSummary, String>,
}

/// Simulates variants. `make` makes the request of the variant of a number; it is called once for each round, so that no more than one is held.
/// `progress` is called for each run that ended, from any thread.
///
/// # Errors
/// No variant can be planned, or a broken invariant of the simulation.
pub fn sweep(
    variants: Vec<Vec<Setting>>,
    make: &dyn Fn(usize) -> Result<Request, String>,
    goal: &Goal,
    progress: &(dyn Fn() + Sync),
) -> Result<Swept, SweepError> {
    let mut about: Option<(u64, u32, f64)> = None;
    let mut all: Vec<Trying> = Vec::new();
    for (nth, settings) in variants.into_iter().enumerate() {
        let runs = match make(nth) {
            Err(why) => Err(why),
            Ok(request) => {
                let round = request.replications.max(1);
                about.get_or_insert((request.seed, round, request.require_percent));
                match Runs::of(request) {
                    Err(PlanError::Input(why)) => Err(why),
                    Err(source) => return Err(SweepError::Plan { variant: name(&settings), source }),
                    Ok(runs) => {
                        let first = runs.figures(0..round, progress);
                        Ok(first.map_err(|source| SweepError::Plan { variant: name(&settings), source })?)
                    }
                }
            }
        };
        all.push(Trying { settings, runs });
    }
    let Some((seed, round, require_percent)) = about.filter(|_| all.iter().any(|v| v.runs.is_ok())) else {
        let first = all.into_iter().find_map(|v| Some(format!("{}: {}", name(&v.settings), v.runs.err()?)));
        return Err(SweepError::Nothing(first.unwrap_or_default()));
    };
    for _ in 1..goal.rounds {
        let unclear = unclear(&all, seed, require_percent, goal);
        if unclear.is_empty() {
            break;
        }
        for i in unclear {
            let Ok(old) = &all[i].runs else { continue };
            let have = old.len() as u32;
            let failed = |source| SweepError::Plan { variant: name(&all[i].settings), source };
            let runs = make(i).map_err(PlanError::Input).and_then(Runs::of).map_err(failed)?;
            let more = runs.figures(have..have + round, progress).map_err(failed)?;
            let both = old.clone().merge(more).map_err(|e| failed(PlanError::Input(e.to_string())))?;
            all[i].runs = Ok(both);
        }
    }
    let mut judged: Vec<Judged> = Vec::new();
    for (nth, trying) in all.into_iter().enumerate() {
        let result = match trying.runs {
            Err(why) => Err(why),
            Ok(summary) => {
                let failed = |source| SweepError::Plan { variant: name(&trying.settings), source };
                let runs = make(nth).map_err(PlanError::Input).and_then(Runs::of).map_err(failed)?;
                Ok(tried(&runs, &summary, require_percent, goal).map_err(failed)?)
            }
        };
        judged.push(Judged { settings: trying.settings, result });
    }
    let keys: Vec<Option<Vec<i64>>> = judged.iter().map(|v| Some(good(v)?.figures.key(&goal.best))).collect();
    let best = (0..keys.len()).filter(|i| keys[*i].is_some()).min_by_key(|i| (keys[*i].clone(), *i));
    for i in 0..judged.len() {
        let pareto = keys[i].as_ref().is_some_and(|own| !keys.iter().flatten().any(|other| dominates(other, own)));
        if let Ok(tried) = &mut judged[i].result {
            tried.pareto = pareto;
        }
    }
    Ok(Swept { seed, round, require_percent, best_by: goal.best.clone(), variants: judged, best })
}

fn good(variant: &Judged) -> Option<&Tried> {
    variant.result.as_ref().ok().filter(|t| t.is_good())
}

/// `batch-size=10%, procedure=kubectl-drain`.
pub fn name(settings: &[Setting]) -> String {
    settings.iter().map(|s| format!("{}={}", s.name, s.value)).collect::<Vec<_>>().join(", ")
}

/// Better in one of the two first figures, and in none worse.
fn dominates(a: &[i64], b: &[i64]) -> bool {
    let pairs = || a.iter().zip(b).take(2);
    pairs().all(|(a, b)| a <= b) && pairs().any(|(a, b)| a < b)
}

fn tried(runs: &Runs, summary: &RunSummary, require_percent: f64, goal: &Goal) -> Result<Tried, PlanError> {
    let verdict = RunsVerdict::of(&runs.rows(summary), require_percent);
    let price = runs
        .metrics(verdict.shown.run, &verdict)?
        .ending
        .price_after_micros
        .map(|p| i64::try_from(p).unwrap_or(i64::MAX));
    let all: Vec<&RunFigures> = summary.runs().map(|(_, f)| f).collect();
    let figures = Figures::of(&all, price);
    let mut misses = Vec::new();
    if !verdict.met {
        misses.push(format!("--require {require_percent}"));
    }
    misses.extend(goal.conditions.iter().filter(|c| !figures.meets(c)).map(|c| c.text.clone()));
    let mut why = why(&verdict, summary);
    if let Some(harmed) = why.as_mut().filter(|w| w.ending == RunEnding::CompletedWithHarm) {
        let rows = runs.rows(summary);
        let first = rows.iter().find(|r| r.ending() == RunEnding::CompletedWithHarm);
        harmed.cause = match first {
            Some(row) => harm_text(&runs.metrics(row.run, &verdict)?),
            None => String::new(),
        };
    }
    Ok(Tried { verdict, figures, why, misses, pareto: false })
}

/// The grave harm of a run in words, the gravest first.
fn harm_text(metrics: &Metrics) -> String {
    const SHOWN: usize = 3;
    let grave: Vec<Harm> = harm(&metrics.workloads).into_iter().filter(|h| h.grave && !h.ordered).collect();
    let mut texts: Vec<String> =
        grave.iter().take(SHOWN).map(|h| format!("{} {}: {}", h.kind.as_str(), h.workload, h.message)).collect();
    if grave.len() > SHOWN {
        texts.push(format!("{} more", grave.len() - SHOWN));
    }
    texts.join("; ")
}

fn why(verdict: &RunsVerdict, summary: &RunSummary) -> Option<Why> {
    let ending = verdict.endings.iter().skip(1).find(|e| e.runs > 0)?;
    let reason = ending.reasons.first();
    let failures = summary.failures();
    let failure = reason.and_then(|r| failures.iter().find(|(_, f)| f.reason == r.reason)).map(|(_, f)| *f);
    let text = |of: fn(&crate::runner::Failure) -> &str| failure.map_or_else(String::new, |f| of(f).to_owned());
    Some(Why {
        ending: ending.ending,
        reason: reason.map(|r| r.reason.clone()),
        runs: reason.map_or(ending.runs, |r| r.runs),
        message: text(|f| &f.message),
        cause: text(|f| &f.cause),
        remedy: text(|f| &f.remedy),
    })
}

/// The variants that another round would tell more of, in their order.
fn unclear(all: &[Trying], seed: u64, require_percent: f64, goal: &Goal) -> Vec<usize> {
    let judged: Vec<Option<(bool, bool, Vec<i64>)>> = all
        .iter()
        .map(|v| {
            let summary = v.runs.as_ref().ok()?;
            let runs: Vec<&RunFigures> = summary.runs().map(|(_, f)| f).collect();
            let figures = Figures::of(&runs, None);
            let completed = completed(summary, seed, require_percent);
            let met = f64::from(completed) * 100.0 >= require_percent * runs.len() as f64;
            let (low, high) = wilson(completed, runs.len() as u32);
            let share = require_percent / 100.0;
            // That all must complete is settled by the first run that does not.
            let open = require_percent < 100.0 && low < share && share < high;
            let conditions = goal.conditions.iter().filter(|c| c.measure.figure != figure::Figure::Price);
            let fits = conditions.into_iter().all(|c| figures.meets(c));
            Some((met && fits, open && fits, figures.key(&goal.best)))
        })
        .collect();
    let meeting = |i: &usize| judged[*i].as_ref().is_some_and(|j| j.0);
    let leader = (0..all.len()).filter(meeting).min_by_key(|i| (judged[*i].as_ref().map(|j| j.2.clone()), *i));
    let mut unclear: Vec<usize> = (0..all.len()).filter(|i| judged[*i].as_ref().is_some_and(|j| j.1)).collect();
    if let (Some(leader), Some(measure)) = (leader, goal.best.first()) {
        let close = |i: &usize| *i != leader && is_close(&all[leader], &all[*i], *measure);
        let rivals: Vec<usize> = (0..all.len()).filter(meeting).filter(close).collect();
        if !rivals.is_empty() {
            unclear.push(leader);
            unclear.extend(rivals);
        }
    }
    unclear.sort_unstable();
    unclear.dedup();
    unclear
}

fn completed(summary: &RunSummary, seed: u64, require_percent: f64) -> u32 {
    RunsVerdict::of(&crate::request::runs::rows(summary, seed), require_percent).completed_runs()
}

/// Whether two variants differ by less than chance does: zero is within the 95 % interval of the mean difference of their runs under equal seeds.
fn is_close(a: &Trying, b: &Trying, measure: Measure) -> bool {
    let (Ok(a), Ok(b)) = (&a.runs, &b.runs) else { return false };
    let pairs = a.runs().zip(b.runs()).map(|((_, a), (_, b))| Some(measure.figure.of(b)? - measure.figure.of(a)?));
    let Some(differences) = pairs.collect::<Option<Vec<i64>>>() else { return false };
    zero_is_within(&differences)
}

/// Student's interval with the normal quantile, in integers: `mean² ≤ 1.96² · variance / n`.
fn zero_is_within(differences: &[i64]) -> bool {
    let n = differences.len() as i128;
    let sum: i128 = differences.iter().map(|d| i128::from(*d)).sum();
    let squares: i128 = differences.iter().map(|d| i128::from(*d) * i128::from(*d)).sum();
    // n² times the variance, but for n - 1.
    let spread = n * squares - sum * sum;
    // Without any spread more runs would show the same.
    n > 1 && spread > 0 && sum * sum * (n - 1) * 10_000 <= 38_416 * spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_close_where_zero_is_within_the_interval_of_their_differences() {
        assert!(zero_is_within(&[-10, 10, -12, 12, 1]));
        assert!(!zero_is_within(&[10, 11, 12, 10, 11]), "all are later");
        assert!(!zero_is_within(&[0, 0, 0]), "the same: more runs say no more");
        assert!(!zero_is_within(&[5]), "one run says nothing of a spread");
        // 1.96 standard errors: mean 2, standard deviation of 4 values 2.
        assert!(zero_is_within(&[0, 0, 4, 4]) && !zero_is_within(&[1, 1, 3, 3]));
    }

    #[test]
    fn one_dominates_what_is_worse_in_one_figure_and_better_in_none() {
        assert!(dominates(&[1, 2], &[1, 3]) && dominates(&[1, 2], &[2, 3]));
        assert!(!dominates(&[1, 2], &[1, 2]) && !dominates(&[1, 3], &[2, 2]));
        assert!(dominates(&[1], &[2]) && !dominates(&[1, 2, 9], &[1, 2, 10]), "the third only breaks ties");
    }
}
