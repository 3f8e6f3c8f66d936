//! Whole executions by nodeferry itself on a live control plane, undisturbed and disturbed.
//!
//! What happens is watched beside the executor and judged by that alone: every workload whole, no eviction against the rules, nodes as
//! promised; and, where nothing was injected, the predicted duration near the real one.

mod cases;
mod cluster;
mod executor;
mod identity;
mod judge;
mod karpenter;
pub mod machines;
mod reach;
mod rogue;
mod watch;
mod world;

use crate::Compared;
use anyhow::{Context, Result, anyhow};
use judge::Verdict;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Instant;
use world::World;

/// What is tried on one cluster, one after the other: each leaves the pods where the next one finds them.
type Case = (&'static str, fn(&World, u64) -> Result<Verdict>);

/// A cluster, and what is tried on it.
struct Lane {
    name: &'static str,
    make: fn(&Path, &Path) -> Result<World>,
    cases: &'static [Case],
}

/// The first lane's first case has the machine to itself, for its duration is held against the predicted one; then lanes run at the same
/// time, since they wait most of it.
const LANES: [Lane; 3] = [
    Lane { name: "large", make: world::large, cases: &[("straight", cases::straight), ("killed", cases::killed)] },
    Lane {
        name: "small",
        make: world::small,
        cases: &[
            ("reached", reach::reached),
            ("rogue", rogue::rogue),
            ("outage", cases::outage),
            ("stop", cases::stop),
            ("token", cases::token),
            ("another cluster", cases::another_cluster),
            ("surge", cases::surge),
        ],
    },
    Lane { name: "karpenter", make: karpenter::make, cases: &[("karpenter", karpenter::migrate)] },
];

/// Carries all of them out; NODEFERRY_EXECUTIONS names a single lane or case.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let only = std::env::var("NODEFERRY_EXECUTIONS").unwrap_or_default();
    let mut lanes: Vec<Run> = LANES
        .iter()
        .map(|lane| Run::new(lane, &only, binary, seed, directory))
        .filter(|run| !run.cases.is_empty() && run.is_possible())
        .collect();
    if let Some(first) = lanes.first_mut() {
        first.advance()?;
    }
    let runs: Vec<Result<Verdict>> = std::thread::scope(|scope| {
        let threads: Vec<_> = lanes.into_iter().map(|run| scope.spawn(move || run.finish())).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(anyhow!("a lane panicked")))).collect()
    });
    let mut whole = Verdict::default();
    for verdict in runs {
        let verdict = verdict?;
        whole.tried += verdict.tried;
        whole.wrong.extend(verdict.wrong);
        whole.said.extend(verdict.said);
    }
    for line in &whole.said {
        println!("  {line}");
    }
    Ok(Compared {
        about: "executions on a live control plane".into(),
        tried: whole.tried,
        equal: whole.tried - whole.wrong.len(),
        differences: (!whole.wrong.is_empty()).then(|| whole.wrong.join("\n")),
    })
}

/// A lane under way.
struct Run {
    lane: &'static Lane,
    /// Cases that are still to be tried.
    cases: VecDeque<Case>,
    world: Option<World>,
    binary: PathBuf,
    directory: PathBuf,
    seed: u64,
    verdict: Verdict,
}

impl Run {
    fn new(lane: &'static Lane, only: &str, binary: &Path, seed: u64, directory: &Path) -> Run {
        let wanted = |case: &&Case| only.is_empty() || only == lane.name || only == case.0;
        Run {
            lane,
            cases: lane.cases.iter().filter(wanted).copied().collect(),
            world: None,
            binary: binary.to_owned(),
            directory: directory.join(lane.name),
            seed,
            verdict: Verdict::default(),
        }
    }
    /// Without Karpenter its lane cannot be tried, which in CI it must.
    fn is_possible(&self) -> bool {
        let there = self.lane.name != "karpenter" || karpenter::binary().is_some();
        if !there && std::env::var("CI").as_deref() != Ok("true") {
            eprintln!("LEFT OUT: executions with the real Karpenter: {} is not set", karpenter::BINARY);
            return false;
        }
        true
    }
    /// Makes the cluster if there is none yet, and tries the next case upon it.
    fn advance(&mut self) -> Result<()> {
        let name = self.lane.name;
        if self.world.is_none() {
            let begun = Instant::now();
            let made = (self.lane.make)(&self.binary, &self.directory);
            self.world = Some(made.with_context(|| format!("making the cluster {name}"))?);
            self.verdict.said.push(format!("{name}: cluster made in {:.1} s", begun.elapsed().as_secs_f64()));
        }
        if let (Some(world), Some((case, body))) = (&self.world, self.cases.pop_front()) {
            let begun = Instant::now();
            let verdict = body(world, self.seed).with_context(|| format!("{case} on {name}"))?;
            self.verdict.absorb(case, verdict);
            self.verdict.said.push(format!("{case}: all in {:.1} s", begun.elapsed().as_secs_f64()));
        }
        Ok(())
    }
    fn finish(mut self) -> Result<Verdict> {
        while !self.cases.is_empty() {
            self.advance()?;
        }
        Ok(self.verdict)
    }
}
