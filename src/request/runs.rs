//! Runs of one request, for those who want figures of many requests and a plan of none.

use super::ensemble::{self, Ensemble, metrics_of};
use super::error::PlanError;
use super::plan::{Request, experiment_of, starts};
use crate::experiment::{Experiment, ReplicateError, RunSummary, replicate};
use crate::plan::{RunRow, RunsVerdict};
use crate::trace::Metrics;
use std::ops::Range;

/// A request that is ready to run.
pub struct Runs {
    experiment: Experiment,
    seed: u64,
    threads: usize,
}

impl Runs {
    /// Those of a request, under its seed.
    ///
    /// # Errors
    /// As [`super::plan::plan`].
    pub fn of(request: Request) -> Result<Runs, PlanError> {
        starts(&request.sim, &request.cluster.catalog, &request.options)?;
        let (seed, threads) = (request.seed, request.threads);
        Ok(Runs { experiment: experiment_of(request)?, seed, threads })
    }

    /// The figures of some of the replications; `progress` is called for each that ended, from any thread. The same for any number of threads.
    ///
    /// # Errors
    /// A broken invariant of the simulation.
    pub fn figures(&self, nth: Range<u32>, progress: &(dyn Fn() + Sync)) -> Result<RunSummary, PlanError> {
        replicate(&self.experiment, self.seed, nth, self.threads, progress).map_err(|e| match e {
            ReplicateError::Violation { violation, seed } => ensemble::violation(violation, seed),
            other => PlanError::Input(other.to_string()),
        })
    }

    /// Every figure of one of the runs of a verdict.
    ///
    /// # Errors
    /// A broken invariant of the simulation.
    pub fn metrics(&self, nth: u32, verdict: &RunsVerdict) -> Result<Metrics, PlanError> {
        let runs = Ensemble {
            experiment: &self.experiment,
            seed: self.seed,
            runs: verdict.runs,
            threads: self.threads,
            progress: &|| (),
        };
        let run = runs.traced(nth)?;
        Ok(metrics_of(&self.experiment.site().catalog, &run, verdict))
    }

    /// The runs of a summary as rows, in order.
    pub fn rows(&self, summary: &RunSummary) -> Vec<RunRow> {
        rows(summary, self.seed)
    }
}

/// The runs of a summary under a seed as rows, in order.
pub fn rows(summary: &RunSummary, seed: u64) -> Vec<RunRow> {
    ensemble::rows(summary, seed)
}
