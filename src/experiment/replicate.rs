//! Many runs of one experiment, each under a seed of its own.

use super::{Experiment, MergeError, RunSummary, Sink, SiteIdx, SitesSummary};
use crate::cluster::draw::Draws;
use rayon::prelude::*;
use std::ops::Range;

/// Why the runs have no summary.
#[derive(Debug, thiserror::Error)]
pub enum ReplicateError {
    /// An invariant of the simulation broke: a bug of ours.
    #[error("{violation} (seed {seed})")]
    Violation {
        /// What broke.
        violation: String,
        /// Seed of the run.
        seed: u64,
    },
    /// No threads.
    #[error("cannot start {threads} threads: {why}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        why: String,
    },
    /// Two runs of one replication differ: a bug of ours.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// The seed of one replication; the first has the seed itself.
pub fn replication_seed(seed: u64, nth: u32) -> u64 {
    match nth {
        0 => seed,
        n => Draws::new(seed).fork("replication", u64::from(n)).seed,
    }
}

/// The seed from which one of several clusters draws; the first has the seed itself. Clusters whose objects have the same names would
/// else have the same draws.
pub fn site_seed(seed: u64, site: SiteIdx) -> u64 {
    match site {
        SiteIdx::FIRST => seed,
        SiteIdx(n) => Draws::new(seed).fork("site", u64::from(n)).seed,
    }
}

fn pool(threads: usize) -> Result<rayon::ThreadPool, ReplicateError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|e| ReplicateError::Threads { threads, why: e.to_string() })
}

/// Calls a function for each number below `n` on a pool of threads (0: as many as there are cores), and returns what it gives in the order of the
/// numbers: the same for any number of threads.
///
/// # Errors
/// The first error in that order that is met, or threads that cannot be started.
pub fn each<T: Send, E: Send + From<ReplicateError>>(
    n: u32,
    threads: usize,
    one: impl Fn(u32) -> Result<T, E> + Sync + Send,
) -> Result<Vec<T>, E> {
    let pool = pool(threads)?;
    let all: Vec<Result<T, E>> = pool.install(|| (0..n).into_par_iter().map(one).collect());
    all.into_iter().collect()
}

/// [`replicate_sites`] of the first cluster, or the only one.
///
/// # Errors
/// A broken invariant, or threads that cannot be started.
pub fn replicate(
    experiment: &Experiment,
    seed: u64,
    replications: Range<u32>,
    threads: usize,
    progress: &(dyn Fn() + Sync),
) -> Result<RunSummary, ReplicateError> {
    let sites = replicate_sites(experiment, seed, replications, threads, progress)?;
    Ok(sites.into_first())
}

/// Runs a range of an experiment's replications on a pool of threads (0: as many as there are cores); nothing is kept of a run but its
/// figures. The summary is the same for any number of threads, and shards of a range merge to the summary of the whole. `progress`
/// is called once for each run that ended, from any thread.
///
/// # Errors
/// A broken invariant, or threads that cannot be started.
pub fn replicate_sites(
    experiment: &Experiment,
    seed: u64,
    replications: Range<u32>,
    threads: usize,
    progress: &(dyn Fn() + Sync),
) -> Result<SitesSummary, ReplicateError> {
    let one = |nth: u32| {
        let own = replication_seed(seed, nth);
        let run = experiment.start(own, Sink::Summary).finish_all();
        if let Some(violation) = run.sites.iter().find_map(|s| s.violations.first()) {
            return Err(ReplicateError::Violation { violation: violation.to_string(), seed: own });
        }
        progress();
        Ok(SitesSummary::of(seed, nth, &run))
    };
    pool(threads)?
        .install(|| replications.into_par_iter().map(one).try_reduce(SitesSummary::default, |a, b| Ok(a.merge(b)?)))
}
