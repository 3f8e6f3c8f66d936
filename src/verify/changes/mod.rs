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

use super::evictions::{EvictionReport, Recorded};
use super::recording::VerifyError;
use crate::snapshot::Snapshot;
use event::{Event, Seen, prepare};
use judge::Judge;
use serde::{Deserialize, Serialize};
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

/// How far a replay of changes agrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// Steps.
    pub steps: usize,
    /// Answers to evictions.
    pub verdicts: usize,
    /// Of these, those that some view explains.
    pub verdicts_equal: usize,
    /// Statuses written: by the controller, and by evictions.
    pub writes: usize,
    /// Of these, those that some view explains.
    pub writes_equal: usize,
    /// Statuses at rest of budgets that the controller was called for.
    pub settled: usize,
    /// Of these, those that are as they should be.
    pub settled_equal: usize,
    /// Statuses at rest that our worker had to arrive at by itself: of budgets that shared no changed pod in the step.
    pub worker: usize,
    /// Of these, those it did arrive at.
    pub worker_equal: usize,
}

impl ChangeCounts {
    /// Whether everything agrees.
    pub fn is_perfect(&self) -> bool {
        self.verdicts == self.verdicts_equal
            && self.writes == self.writes_equal
            && self.settled == self.settled_equal
            && self.worker == self.worker_equal
    }
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
