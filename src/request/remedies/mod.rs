//! What would help, tried: one edit for each blocker, applied to a copy of the cluster or the plan, and simulated under the same seeds.

mod candidates;
mod edits;

use self::candidates::{Failing, candidates};
use self::edits::Candidate;
use super::ensemble::{Ensemble, Simulated, metrics_of};
use super::error::PlanError;
use crate::cluster::{Cluster, Finding, NodeIdx, State, View};
use crate::experiment::{Experiment, RunResult, Sink};
use crate::intent::{Intent, batches};
use crate::plan::remedy::TriedRemedy;
use crate::plan::verdict::{RunEnding, RunRow, RunsVerdict};
use crate::runner::{GroupPacker, Outcome};
use crate::sim::SiteSpec;
use crate::snapshot::StartDelays;
use crate::trace::Metrics;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Endings of which one run each is looked at, the most frequent first: each reason of giving up has blockers of its own.
const ENDINGS: usize = 3;
/// Edits that are tried for each at most, each with one run.
const TRIED: usize = 10;
/// Remedies that are offered at most, each simulated as often as the prediction itself.
const OFFERED: usize = 3;

/// A prediction that does not complete in all runs, and what it was made of.
pub(super) struct Ground<'a> {
    pub ensemble: Ensemble<'a>,
    pub measured: &'a StartDelays,
    pub intent: &'a Intent,
    pub batches: &'a [Vec<NodeIdx>],
    pub simulated: &'a Simulated,
    /// Figures of the run that is shown.
    pub metrics: &'a Metrics,
    /// What was found beforehand.
    pub findings: &'a [Finding],
}

impl Ground<'_> {
    fn view(&self) -> View<'_> {
        self.ensemble.experiment.site().view()
    }

    /// The experiment with some edits made.
    fn fork(&self, edits: &[&Candidate]) -> Result<Experiment, PlanError> {
        let site = self.ensemble.experiment.site();
        let mut cluster = Cluster { catalog: site.catalog.clone(), state: site.state.clone() };
        let mut intent = self.intent.clone();
        for edit in edits {
            edit.change.apply(&mut cluster, &mut intent.options);
        }
        let old: Vec<NodeIdx> = self.batches.iter().flatten().copied().collect();
        if intent.options != self.intent.options {
            let view = View { catalog: &cluster.catalog, state: &cluster.state };
            let again = batches(view, &old, &intent.options).map_err(PlanError::Input)?;
            intent.batches = Intent::new(view, &again, intent.options.clone()).batches;
        }
        let (options, autoscaler) = ((*site.options).clone(), (*site.autoscaler).clone());
        let mut edited = SiteSpec::new(cluster, old, options, self.measured, autoscaler, site.scheduler.clone());
        edited.admission = site.admission.clone();
        let packer = GroupPacker::new(edited.view(), &intent.options);
        Experiment::prepare(edited, Arc::new(intent), Arc::new(packer)).map_err(PlanError::Input)
    }

    /// The run that fails, with some edits made; none if it still does not complete, or the edits make no sense together.
    fn screened(&self, failing: u32, edits: &[&Candidate]) -> Result<Option<RunResult>, PlanError> {
        let Ok(experiment) = self.fork(edits) else { return Ok(None) };
        let run = self.ensemble.of(&experiment).one(failing, Sink::trace())?;
        Ok((run.outcome == Outcome::Completed).then_some(run))
    }

    /// What all runs say with some edits made.
    fn verdict(&self, edits: &[&Candidate]) -> Result<RunsVerdict, PlanError> {
        let experiment = self.fork(edits)?;
        self.ensemble.of(&experiment).verdict(self.simulated.verdict.require_percent)
    }
}

/// Remedies that make more runs complete, those first that make the most.
pub(super) fn tried(ground: &Ground<'_>) -> Result<Vec<TriedRemedy>, PlanError> {
    let mut sets: Vec<Vec<Candidate>> = Vec::new();
    // Of each ending the first that helps: where each has a cause of its own, they may have to be made together.
    let mut firsts: Vec<Candidate> = Vec::new();
    for row in examined(ground) {
        let list = listed(ground, row)?;
        let mut helpful = alone(ground, row.run, &list)?;
        if helpful.is_empty() {
            helpful.extend(together(ground, row.run, &list)?);
        }
        for edit in helpful.first().into_iter().flatten() {
            if firsts.iter().all(|f| f.blocker != edit.blocker) {
                firsts.push(edit.clone());
            }
        }
        let is_new = |edits: &Vec<Candidate>, sets: &[Vec<Candidate>]| sets.iter().all(|s| texts(s) != texts(edits));
        for edits in helpful {
            if is_new(&edits, &sets) {
                sets.push(edits);
            }
        }
    }
    let mut remedies = Vec::new();
    for edits in &sets {
        remedies.extend(offered(ground, edits)?);
    }
    let all = |r: &TriedRemedy| r.completed == r.runs;
    if firsts.len() > 1 && !remedies.iter().any(all) && sets.iter().all(|s| texts(s) != texts(&firsts)) {
        let best = remedies.iter().map(|r| r.completed).max().unwrap_or(0);
        remedies.extend(offered(ground, &firsts)?.filter(|r| r.completed > best));
    }
    // Of those that help as much, the one that was found first.
    remedies.sort_by_key(|r| std::cmp::Reverse(r.completed));
    remedies.truncate(OFFERED);
    Ok(remedies)
}

/// What a set of edits says to do.
fn texts(edits: &[Candidate]) -> Vec<&str> {
    edits.iter().map(|c| c.edit.text.as_str()).collect()
}

/// A run of each ending and reason by which runs give up, the most frequent first: of the run that is shown its own, else the first.
fn examined<'g>(ground: &'g Ground<'_>) -> Vec<&'g RunRow> {
    let (base, rows) = (&ground.simulated.verdict, &ground.simulated.rows);
    let gives_up = |e: RunEnding| matches!(e, RunEnding::Failed | RunEnding::PartlyCompleted);
    let mut found: Vec<(u32, &RunRow)> = Vec::new();
    for ending in base.endings.iter().filter(|e| e.runs > 0 && gives_up(e.ending)) {
        if ending.reasons.is_empty() {
            found.extend(rows.iter().find(|r| r.ending() == ending.ending).map(|row| (ending.runs, row)));
        }
        for reason in &ending.reasons {
            let is_so =
                |r: &&RunRow| r.ending() == ending.ending && r.reason.as_deref() == Some(reason.reason.as_str());
            let shown = rows.iter().find(|r| r.run == base.shown.run).filter(is_so);
            found.extend(shown.or_else(|| rows.iter().find(is_so)).map(|row| (reason.runs, row)));
        }
    }
    found.sort_by_key(|(runs, _)| std::cmp::Reverse(*runs));
    found.into_iter().take(ENDINGS).map(|(_, row)| row).collect()
}

/// The edits that may help a run that gives up.
fn listed(ground: &Ground<'_>, row: &RunRow) -> Result<Vec<Candidate>, PlanError> {
    let base = &ground.simulated.verdict;
    if row.run == base.shown.run {
        let shown = Failing { row, metrics: ground.metrics, state: &ground.simulated.shown.state };
        return Ok(candidates(ground, &shown));
    }
    let run = ground.ensemble.traced(row.run)?;
    let catalog = &ground.ensemble.experiment.site().catalog;
    let (metrics, state): (Metrics, &State) = (metrics_of(catalog, &run, base), &run.state);
    Ok(candidates(ground, &Failing { row, metrics: &metrics, state }))
}

/// Edits of which each alone lets the failing run complete; of a blocker the first.
fn alone(ground: &Ground<'_>, failing: u32, list: &[Candidate]) -> Result<Vec<Vec<Candidate>>, PlanError> {
    let mut helpful: Vec<Vec<Candidate>> = Vec::new();
    for candidate in list.iter().take(TRIED) {
        let lifted = helpful.iter().flatten().any(|h| h.blocker == candidate.blocker);
        if helpful.len() == OFFERED || lifted {
            continue;
        }
        if let Some(run) = ground.screened(failing, &[candidate])? {
            helpful.push(vec![candidate.no_more_than_needed(ground.view().catalog, &run)]);
        }
    }
    Ok(helpful)
}

/// Where no edit helps alone: those that lift something, one for each blocker, less those that are not needed.
fn together(ground: &Ground<'_>, failing: u32, list: &[Candidate]) -> Result<Option<Vec<Candidate>>, PlanError> {
    let mut blockers = BTreeSet::new();
    let all = list.iter().filter(|c| c.change.lifts() && blockers.insert(&c.blocker));
    let mut edits: Vec<&Candidate> = all.take(TRIED).collect();
    if edits.len() < 2 {
        return Ok(None);
    }
    let Some(mut run) = ground.screened(failing, &edits)? else { return Ok(None) };
    let mut at = 0;
    while at < edits.len() {
        let mut fewer = edits.clone();
        fewer.remove(at);
        match ground.screened(failing, &fewer)? {
            Some(other) => (edits, run) = (fewer, other),
            None => at += 1,
        }
    }
    Ok(Some(edits.into_iter().map(|c| c.no_more_than_needed(ground.view().catalog, &run)).collect()))
}

/// All runs with the edits made; none if not more of them complete than without.
fn offered(ground: &Ground<'_>, edits: &[Candidate]) -> Result<Option<TriedRemedy>, PlanError> {
    let base = ground.simulated.verdict.completed_runs();
    let refs: Vec<&Candidate> = edits.iter().collect();
    let verdict = ground.verdict(&refs)?;
    let helps = verdict.completed_runs() > base;
    Ok(helps.then(|| TriedRemedy::of(edits.iter().map(|c| c.edit.clone()).collect(), &verdict)))
}
