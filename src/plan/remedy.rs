//! Remedies that were tried: an edit, applied to the cluster or the plan, and what all runs say then.

use super::verdict::{Percentiles, RunsVerdict};
use crate::trace::time::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One remedy, of one edit or of several that only help together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TriedRemedy {
    /// The edits and what comes of them, in a sentence.
    pub text: String,
    /// The edits, in the order in which to make them.
    pub edits: Vec<Edit>,
    /// How many runs were simulated with them.
    pub runs: u32,
    /// How many of these completed.
    pub completed: u32,
    /// Their share, 0 to 1.
    pub share: f64,
    /// Lower end of the share's Wilson score interval at 95 %.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Duration of the runs that completed, milliseconds.
    pub duration_ms: Percentiles<i64>,
}

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// What it changes, `Kind/namespace/name`, or `Plan`.
    pub object: String,
    /// What to do, in words.
    pub text: String,
    /// The command that does it, or the flag of `plan`, or the field of a file.
    pub command: String,
}

impl TriedRemedy {
    /// Edits, and the verdict of all runs with them.
    pub fn of(edits: Vec<Edit>, verdict: &RunsVerdict) -> TriedRemedy {
        let spreads = verdict.completed.as_ref().unwrap_or(&verdict.all);
        let completed = verdict.completed_runs();
        let (share, low, high) = verdict.endings.first().map_or((0.0, 0.0, 1.0), |e| (e.share, e.low, e.high));
        let texts: Vec<&str> = edits.iter().map(|e| e.text.as_str()).collect();
        let took = words(u64::try_from(spreads.duration_ms.p50).unwrap_or(0));
        let runs = if verdict.runs == 1 { "run" } else { "runs" };
        let text = format!("{}: completes in {completed} of {} {runs}, {took}", texts.join(", and "), verdict.runs);
        TriedRemedy { text, edits, runs: verdict.runs, completed, share, low, high, duration_ms: spreads.duration_ms }
    }
}
