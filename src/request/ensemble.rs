//! All runs of one experiment, and which of them is shown.

use super::error::PlanError;
use crate::cluster::{Catalog, View};
use crate::experiment::{
    Experiment, ReplicateError, RunFigures, RunResult, RunSummary, Sink, replicate, replication_seed,
};
use crate::plan::{RunRow, RunsVerdict};
use crate::runner::Outcome;
use crate::trace::{Event, EventKind, Metrics, MetricsBuilder};

/// Runs of one experiment.
#[derive(Clone, Copy)]
pub(super) struct Ensemble<'a> {
    pub experiment: &'a Experiment,
    pub seed: u64,
    pub runs: u32,
    pub threads: usize,
    pub progress: &'a (dyn Fn() + Sync),
}

/// What they came to.
pub(super) struct Simulated {
    pub summary: RunSummary,
    pub rows: Vec<RunRow>,
    pub verdict: RunsVerdict,
    /// The run that is shown, with its trace.
    pub shown: RunResult,
}

impl<'a> Ensemble<'a> {
    /// The same number of runs, under the same seeds, of another experiment.
    pub fn of<'b>(&self, experiment: &'b Experiment) -> Ensemble<'b>
    where
        'a: 'b,
    {
        Ensemble { experiment, progress: &|| (), ..*self }
    }

    /// Runs all. Of many only the figures are kept, and the one that is shown is run again for its trace; a single run is itself shown.
    pub fn simulate(&self, require_percent: f64) -> Result<Simulated, PlanError> {
        if self.runs == 1 {
            let shown = self.traced(0)?;
            (self.progress)();
            let summary = RunSummary::of(self.seed, 0, &shown);
            let rows = rows(&summary, self.seed);
            let verdict = RunsVerdict::of(&rows, require_percent);
            return Ok(Simulated { summary, rows, verdict, shown });
        }
        let summary = self.summary()?;
        let rows = rows(&summary, self.seed);
        let verdict = RunsVerdict::of(&rows, require_percent);
        let shown = self.traced(verdict.shown.run)?;
        Ok(Simulated { summary, rows, verdict, shown })
    }

    /// What all runs say, none of them kept.
    pub fn verdict(&self, require_percent: f64) -> Result<RunsVerdict, PlanError> {
        Ok(RunsVerdict::of(&rows(&self.summary()?, self.seed), require_percent))
    }

    /// One run, with its trace.
    pub fn traced(&self, nth: u32) -> Result<RunResult, PlanError> {
        self.one(nth, Sink::trace())
    }

    /// One run.
    pub fn one(&self, nth: u32, sink: Sink) -> Result<RunResult, PlanError> {
        let own = replication_seed(self.seed, nth);
        let run = self.experiment.run(own, sink);
        match run.violations.first() {
            Some(v) => Err(violation(v.to_string(), own)),
            None => Ok(run),
        }
    }

    fn summary(&self) -> Result<RunSummary, PlanError> {
        replicate(self.experiment, self.seed, 0..self.runs, self.threads, self.progress).map_err(|e| match e {
            ReplicateError::Violation { violation: v, seed } => violation(v, seed),
            other => PlanError::Input(other.to_string()),
        })
    }
}

pub(super) fn violation(violation: String, seed: u64) -> PlanError {
    PlanError::Violation { violation, seed, version: env!("CARGO_PKG_VERSION") }
}

/// The runs of a summary as rows.
pub(super) fn rows(summary: &RunSummary, seed: u64) -> Vec<RunRow> {
    let row = |(run, f): (u32, &RunFigures)| RunRow {
        run,
        seed: replication_seed(seed, run),
        outcome: f.outcome.unwrap_or(Outcome::Failed),
        reason: f.reason.clone(),
        duration_ms: f.duration_ms,
        peak_nodes: f.peak_nodes,
        surge_nodes: f.surge_nodes,
        cost_micros: f.cost_micros,
        harm: u64::from(f.harm.all),
        harmed: f.harm.is_grave(),
        node_ms: f.node_ms,
        pods_moved: f.pods_moved,
        pods_moved_twice: f.pods_moved_twice,
        refused: f.refused,
    };
    summary.runs().map(row).collect()
}

/// The events of the run that is shown; of several runs its beginning says which it is.
pub(super) fn events<'a>(
    catalog: &'a Catalog,
    run: &'a RunResult,
    verdict: &'a RunsVerdict,
) -> impl Iterator<Item = Event> + 'a {
    let view = View { catalog, state: &run.state };
    run.observations.iter().map(move |o| {
        let mut event = o.render(view);
        if verdict.runs > 1 && event.event == EventKind::MigrationStarted {
            event.message = Some(verdict.shown.text.clone());
        }
        event
    })
}

pub(super) fn metrics_of(catalog: &Catalog, run: &RunResult, verdict: &RunsVerdict) -> Metrics {
    let mut builder = MetricsBuilder::default();
    events(catalog, run, verdict).for_each(|event| builder.observe(&event));
    builder.finish()
}
