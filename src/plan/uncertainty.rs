//! How much a prediction owes to what was assumed: each assumed delay halved and doubled, and all runs simulated again.

use super::verdict::{Percentiles, RunsVerdict, percent};
use crate::trace::time::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `--uncertain` found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Uncertainty {
    /// What decides, in a sentence.
    pub text: String,
    /// The assumption that decides (`launch`): that which changes the exit status, else the share of completed runs, else the duration
    /// most. Null if none changes anything.
    pub decides: Option<String>,
    /// Every assumed delay.
    pub assumptions: Vec<VariedAssumption>,
}

/// One assumption, varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariedAssumption {
    /// Its key among the delays: `start`, `stop`, `launch`, `retire`; `volume_detach`, `volume_provision`.
    pub assumption: String,
    /// What was assumed, in words.
    pub assumed: String,
    /// All runs with half of it.
    pub half: Variation,
    /// All runs with twice as much.
    pub double: Variation,
}

/// What all runs say under one variation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Variation {
    /// How many runs.
    pub runs: u32,
    /// How many of them completed.
    pub completed: u32,
    /// Their share, 0 to 1.
    pub share: f64,
    /// Exit status that `plan` would have.
    pub exit_status: i32,
    /// Duration of the runs that completed, of all if none did; milliseconds.
    pub duration_ms: Percentiles<i64>,
}

impl Variation {
    /// Of a verdict.
    pub fn of(verdict: &RunsVerdict) -> Variation {
        let spreads = verdict.completed.as_ref().unwrap_or(&verdict.all);
        Variation {
            runs: verdict.runs,
            completed: verdict.completed_runs(),
            share: verdict.endings.first().map_or(0.0, |e| e.share),
            exit_status: verdict.exit_status,
            duration_ms: spreads.duration_ms,
        }
    }

    /// `87 %, 14m 02s (p50)`.
    pub fn words(&self) -> String {
        format!("{} %, {} (p50)", percent(self.share), duration(self.duration_ms.p50))
    }
}

fn duration(ms: i64) -> String {
    words(u64::try_from(ms).unwrap_or(0))
}

/// How much a variation changes: the exit status, then how many runs complete, then the median duration.
type Weight = (bool, u32, u64);

fn weight(base: &Variation, other: &Variation) -> Weight {
    (
        base.exit_status != other.exit_status,
        base.completed.abs_diff(other.completed),
        base.duration_ms.p50.abs_diff(other.duration_ms.p50),
    )
}

impl Uncertainty {
    /// Weighs the variations against the prediction as it stands.
    pub fn of(base: &Variation, assumptions: Vec<VariedAssumption>) -> Uncertainty {
        let heaviest = |a: &VariedAssumption| weight(base, &a.half).max(weight(base, &a.double));
        // Of equals the first: `max_by_key` would take the last.
        let decisive = assumptions.iter().rev().max_by_key(|a| heaviest(a)).filter(|a| heaviest(a) > (false, 0, 0));
        let text = match decisive {
            _ if assumptions.is_empty() => "Nothing is assumed: every delay is given or measured.".to_owned(),
            None => "None of the assumed delays changes the prediction.".to_owned(),
            Some(a) => decides(base, a, heaviest(a)),
        };
        Uncertainty { text, decides: decisive.map(|a| a.assumption.clone()), assumptions }
    }
}

fn decides(base: &Variation, a: &VariedAssumption, heaviest: Weight) -> String {
    let name = a.assumption.replace('_', " ");
    let (how, to) =
        if weight(base, &a.double) >= weight(base, &a.half) { ("double", &a.double) } else { ("half", &a.half) };
    let runs = |v: &Variation| format!("{} of {} runs", v.completed, v.runs);
    match heaviest {
        (true, ..) => format!(
            "The {name} delay decides: with {how} of what is assumed it completes in {} (exit status {}), as assumed in {} ({}).",
            runs(to),
            to.exit_status,
            runs(base),
            base.exit_status
        ),
        (false, 1.., _) => format!(
            "No assumed delay changes the exit status; the {name} delay weighs most: with {how} of what is assumed it completes in {}, as assumed in {}.",
            runs(to),
            runs(base)
        ),
        _ => format!(
            "No assumed delay changes how it ends; how long it takes depends most on the {name} delay: {} with half of what is assumed, {} as assumed, {} with double (p50).",
            duration(a.half.duration_ms.p50),
            duration(base.duration_ms.p50),
            duration(a.double.duration_ms.p50)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variation(completed: u32, exit_status: i32, p50: i64) -> Variation {
        let duration_ms = Percentiles { p5: p50, p50, p95: p50 };
        Variation { runs: 30, completed, share: f64::from(completed) / 30.0, exit_status, duration_ms }
    }

    fn varied(name: &str, half: Variation, double: Variation) -> VariedAssumption {
        VariedAssumption { assumption: name.into(), assumed: "constant 2000 ms".into(), half, double }
    }

    #[test]
    fn what_changes_the_exit_status_decides_before_what_changes_the_duration() {
        let base = variation(30, 0, 60_000);
        let slow = varied("launch", variation(30, 0, 10_000), variation(30, 0, 600_000));
        let breaks = varied("stop", variation(30, 0, 60_000), variation(29, 4, 61_000));
        let fewer = varied("start", variation(28, 0, 60_000), variation(30, 0, 61_000));
        let said = |list: &[&VariedAssumption]| Uncertainty::of(&base, list.iter().map(|a| (*a).clone()).collect());
        let all = said(&[&slow, &fewer, &breaks]);
        assert_eq!(all.decides.as_deref(), Some("stop"));
        assert_eq!(
            all.text,
            "The stop delay decides: with double of what is assumed it completes in 29 of 30 runs (exit status 4), as assumed in 30 of 30 runs (0)."
        );
        let two = said(&[&slow, &fewer]);
        assert_eq!(two.decides.as_deref(), Some("start"));
        assert!(two.text.contains("with half of what is assumed it completes in 28 of 30 runs"), "{}", two.text);
        let one = said(&[&slow]);
        assert!(one.text.contains("depends most on the launch delay: 10 s with half of what is assumed, 1m 00s as assumed, 10m 00s with double"), "{}", one.text);
    }

    #[test]
    fn what_changes_nothing_decides_nothing() {
        let base = variation(30, 0, 60_000);
        let same = varied("volume_detach", base.clone(), base.clone());
        assert_eq!(Uncertainty::of(&base, vec![same]).decides, None);
        assert!(Uncertainty::of(&base, Vec::new()).text.starts_with("Nothing is assumed"));
    }
}
