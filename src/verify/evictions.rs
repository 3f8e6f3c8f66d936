//! Replays a recording of budgets and evictions: what the disruption controller stored, what the eviction API said.
//!
//! A directory holds `cluster.json` (a dump with the budgets' stored status) and `verdicts.jsonl` (a dry-run eviction of
//! every pod, one a line), and may hold `changes.jsonl` (what happened then, a step a line); each may be gzipped.

use super::changes::{self, ChangeCounts, Step};
use super::recording::{VerifyError, lines, load, load_if_there, values};
use crate::cluster::{BudgetIdx, BudgetStatus, Catalog, Idx, PodIdx, State};
use crate::disruption::arithmetic::{Tally, compute, failures};
use crate::disruption::{BudgetIndex, Verdict, verdict};
use crate::snapshot::Snapshot;
use comfy_table::{Table, presets};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

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
    fn differs(&mut self, object: String, what: &'static str, recorded: String, computed: String) {
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

/// Replays the recording in a directory.
pub fn verify_evictions(directory: &Path) -> Result<EvictionReport, VerifyError> {
    let snapshot = Snapshot::from_sources(&[load(directory, "cluster.json")?])?;
    let verdicts: Vec<Recorded> = lines(&load(directory, "verdicts.jsonl")?)?;
    let steps: Vec<Step> = match load_if_there(directory, "changes.jsonl")? {
        Some(source) => lines(&source)?,
        None => Vec::new(),
    };
    replay(snapshot, &verdicts, &steps)
}

/// Replays verdicts and then changes, each as a line of its file, upon a cluster.
///
/// # Errors
/// A line that is not what its file holds.
pub fn replay_evictions(
    snapshot: Snapshot,
    verdicts: &[Value],
    changes: &[Value],
) -> Result<EvictionReport, VerifyError> {
    replay(snapshot, &values("verdicts", verdicts)?, &values("changes", changes)?)
}

fn replay(snapshot: Snapshot, verdicts: &[Recorded], steps: &[Step]) -> Result<EvictionReport, VerifyError> {
    let (catalog, state) = (&*snapshot.cluster.catalog, &snapshot.cluster.state);
    let index = BudgetIndex::new(catalog);
    let mut report =
        EvictionReport { budgets: catalog.budgets.len(), verdicts: verdicts.len(), ..EvictionReport::default() };
    check_statuses(catalog, state, &index, &mut report);
    check_verdicts(catalog, state, &index, verdicts, &mut report);
    if !steps.is_empty() {
        report.changes = Some(changes::replay(snapshot, steps, &mut report)?);
    }
    Ok(report)
}

/// Recomputes the status of every budget that shares no pod with another.
fn check_statuses(catalog: &Catalog, state: &State, index: &BudgetIndex, report: &mut EvictionReport) {
    let mut shares = vec![false; catalog.budgets.len()];
    for pod in state.pods.iter().filter(|p| !p.gone) {
        let budgets = index.budgets_of(pod.spec);
        if budgets.len() > 1 {
            for budget in budgets {
                shares[budget.at()] = true;
            }
        }
    }
    let tallies = Tally::count_all(catalog, state, index);
    let alone = catalog.budgets.indices().filter(|b| !shares[b.at()]);
    for budget in alone.collect::<Vec<BudgetIdx>>() {
        report.alone += 1;
        let tally = &tallies[budget.at()];
        let stored = &state.budgets[budget];
        let fresh = compute(catalog, state, budget, tally, 0).status;
        // A failure leaves all fields but one as they were, so it is judged by whether it fails, and by a text that
        // the real controller could have chosen: which pod it names first follows a map's order [ND].
        let possible = failures(catalog, state, budget, tally);
        let told = stored.sync_failed.as_ref().is_none_or(|message| possible.contains(message));
        if fresh == *stored && told {
            report.status_equal += 1;
        } else {
            let object = format!("PodDisruptionBudget/{}", catalog.budget_text(budget));
            let mut computed = status_text(&fresh);
            if possible.len() > 1 {
                computed.push_str(&format!(" (or another of {possible:?})"));
            }
            report.differs(object, "status", status_text(stored), computed);
        }
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

/// Asks for the verdict of every recorded pod.
fn check_verdicts(
    catalog: &Catalog,
    state: &State,
    index: &BudgetIndex,
    recorded: &[Recorded],
    report: &mut EvictionReport,
) {
    let pods: FxHashMap<String, PodIdx> = state.live_pods().map(|p| (state.pod_text(catalog, p), p)).collect();
    for line in recorded {
        let object = format!("Pod/{}", line.pod);
        let Some(pod) = pods.get(&line.pod) else {
            let recorded = answer_text(line);
            report.differs(object, "pod", recorded, "no such pod in the dump".into());
            continue;
        };
        let answer = verdict(catalog, state, index, *pod);
        let (code, message) = (line.code == answer.code, says_the_same(line, &answer));
        report.code_equal += usize::from(code);
        report.message_equal += usize::from(message);
        if !(code && message) {
            let what = if code { "message" } else { "code" };
            report.differs(object, what, answer_text(line), computed_text(&answer));
        }
    }
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
