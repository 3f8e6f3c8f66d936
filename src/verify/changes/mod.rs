//! Replays what happened to budgets step by step: evictions, pods that come, change and go, edits, and every status that
//! the disruption controller wrote.
//!
//! The watch of pods, budgets and owners, in the order of their resource versions, gives the views that the controller
//! and the API can have had. Each answer and each status must follow from one of them: before an eviction was carried out,
//! from any view since the step began; after the controller has come to rest, from a view since the last change of a pod
//! that called it for sure. Beside that our own worker runs along, and must end each step with the statuses that were stored.

mod event;
mod judge;
mod model;
mod view;

use super::eviction_report::{ChangeCounts, EvictionReport, Recorded};
use super::recording::VerifyError;
use crate::snapshot::Snapshot;
use event::{Event, Seen, prepare};
use judge::Judge;
use serde::Deserialize;
use serde_json::Value;

/// One line of `changes.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Step {
    /// What was done, for people; only a `version` matters here: the resource version of a status written by hand.
    #[serde(default)]
    ops: Vec<Value>,
    /// Answers to its evictions.
    #[serde(default)]
    verdicts: Vec<Recorded>,
    /// What the watches showed until the controller was at rest, in the order of resource versions.
    #[serde(default)]
    events: Vec<Event>,
}

/// Replays the steps upon a snapshot; differences go to the report.
pub(super) fn replay(
    mut snapshot: Snapshot,
    steps: &[Step],
    report: &mut EvictionReport,
) -> Result<ChangeCounts, VerifyError> {
    let mut prepared: Vec<Vec<(i64, Seen)>> = Vec::with_capacity(steps.len());
    for (i, step) in steps.iter().enumerate() {
        prepared.push(prepare(&mut snapshot, i + 1, &step.events)?);
    }
    let mut judge = Judge::new(&snapshot, report);
    for (i, (step, events)) in steps.iter().zip(&prepared).enumerate() {
        judge.step(i + 1, step, events);
    }
    Ok(judge.counts)
}
