//! What a replay of budgets and evictions compares, and how far both sides agree.

use crate::cluster::BudgetStatus;
use crate::disruption::Verdict;
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

/// How far the model agrees with a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EvictionReport {
    /// Budgets of the dump.
    pub budgets: usize,
    /// Those that share no pod with another: only their status can be recomputed from the dump alone.
    pub alone: usize,
    /// Of these, those whose recomputed status equals the stored one.
    pub status_equal: usize,
    /// Recorded verdicts.
    pub verdicts: usize,
    /// Of these, those with the recorded code.
    pub code_equal: usize,
    /// Of these, those with the recorded reason, message, causes and Retry-After.
    pub message_equal: usize,
    /// What came of the changes, if the recording has any.
    pub changes: Option<ChangeCounts>,
    /// Everything that differs, with both sides.
    pub mismatches: Vec<Mismatch>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// `PodDisruptionBudget/namespace/name` or `Pod/namespace/name`.
    pub object: String,
    /// `status`, `code`, `message` or `pod`.
    pub what: &'static str,
    /// What was recorded.
    pub recorded: String,
    /// What the model says.
    pub computed: String,
}

/// One line of `verdicts.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Recorded {
    pub(super) pod: String,
    pub(super) code: u16,
    reason: Option<String>,
    message: Option<String>,
    pub(super) causes: Option<Vec<RecordedCause>>,
    /// The header as text.
    pub(super) retry_after: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct RecordedCause {
    reason: String,
    pub(super) message: String,
}

impl EvictionReport {
    /// Whether everything agrees.
    pub fn is_perfect(&self) -> bool {
        self.status_equal == self.alone
            && self.code_equal == self.verdicts
            && self.message_equal == self.verdicts
            && self.changes.is_none_or(|c| c.is_perfect())
    }
    /// A table of the shares, and every mismatch with both sides.
    pub fn render_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["", "equal", "of", "share"]);
        let mut rows = vec![
            ("budget status", self.status_equal, self.alone),
            ("eviction code", self.code_equal, self.verdicts),
            ("eviction message", self.message_equal, self.verdicts),
        ];
        if let Some(c) = &self.changes {
            rows.extend([
                ("answer while things change", c.verdicts_equal, c.verdicts),
                ("status written", c.writes_equal, c.writes),
                ("status at rest", c.settled_equal, c.settled),
                ("status by our worker", c.worker_equal, c.worker),
            ]);
        }
        for (name, equal, of) in rows {
            table.add_row([name.to_owned(), equal.to_string(), of.to_string(), share(equal, of)]);
        }
        let shared = self.budgets - self.alone;
        let mut text = format!(
            "{table}\n{} budgets, of which {shared} share pods with another and go stale: not recomputed.\n",
            self.budgets
        );
        for m in &self.mismatches {
            text.push_str(&format!(
                "\n{} {}\n  recorded: {}\n  computed: {}\n",
                m.object, m.what, m.recorded, m.computed
            ));
        }
        text
    }
    pub(super) fn differs(&mut self, object: String, what: &'static str, recorded: String, computed: String) {
        self.mismatches.push(Mismatch { object, what, recorded, computed });
    }
}

/// Percent with one digit, rounded down so that only everything is 100.0 %.
fn share(equal: usize, of: usize) -> String {
    if of == 0 {
        return "none".into();
    }
    let tenths = equal * 1000 / of;
    format!("{}.{} %", tenths / 10, tenths % 10)
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

pub(super) fn status_text(s: &BudgetStatus) -> String {
    let failed = match &s.sync_failed {
        Some(message) => format!(", SyncFailed: {message}"),
        None => String::new(),
    };
    format!(
        "allowed {}, healthy {}, desired {}, expected {}, generation {}, {} disrupted{failed}",
        s.allowed,
        s.healthy,
        s.desired,
        s.expected,
        s.observed_generation,
        s.disrupted.len()
    )
}

pub(super) fn says_the_same(line: &Recorded, answer: &Verdict) -> bool {
    let causes = line.causes.as_deref().unwrap_or_default();
    line.reason.as_deref() == answer.reason
        && line.message == answer.message
        && line.retry_after == answer.retry_after_s.map(|s| s.to_string())
        && causes.len() == answer.causes.len()
        && causes.iter().zip(&answer.causes).all(|(a, b)| a.reason == b.reason && a.message == b.message)
}

pub(super) fn answer_text(line: &Recorded) -> String {
    let causes = line.causes.as_deref().unwrap_or_default();
    let causes: Vec<&str> = causes.iter().map(|c| &*c.message).collect();
    format!("{} {:?} {:?} {causes:?} retry after {:?}", line.code, line.reason, line.message, line.retry_after)
}

pub(super) fn computed_text(answer: &Verdict) -> String {
    let causes: Vec<&str> = answer.causes.iter().map(|c| &*c.message).collect();
    format!(
        "{} {:?} {:?} {causes:?} retry after {:?}",
        answer.code, answer.reason, answer.message, answer.retry_after_s
    )
}
