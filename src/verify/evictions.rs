//! Replays a recording of budgets and evictions: what the disruption controller stored, what the eviction API said.
//!
//! A directory holds `cluster.json` (a dump with the budgets' stored status) and `verdicts.jsonl` (a dry-run eviction of
//! every pod, one a line), and may hold `changes.jsonl` (what happened then, a step a line); each may be gzipped.

use super::changes::{self, Step};
pub use super::eviction_report::{ChangeCounts, EvictionReport, Mismatch};
use super::eviction_report::{Recorded, answer_text, computed_text, says_the_same, status_text};
use super::recording::{VerifyError, lines, load, load_if_there, values};
use crate::cluster::{BudgetIdx, Catalog, Idx, PodIdx, State};
use crate::disruption::arithmetic::{Tally, compute, failures};
use crate::disruption::{BudgetIndex, verdict};
use crate::snapshot::Snapshot;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::path::Path;

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
