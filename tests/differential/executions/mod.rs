//! Whole executions by nodeferry itself on a live control plane, undisturbed and disturbed.
//!
//! What happens is watched beside the executor and judged by that alone: every workload whole, no eviction against the rules, nodes as
//! promised; and, where nothing was injected, the predicted duration near the real one.

mod cases;
pub mod cluster;
mod cordons;
pub mod executor;
pub mod identity;
mod judge;
mod karpenter;
mod liar;
pub mod machines;
mod reach;
mod rights;
mod rogue;
mod watch;
pub mod world;

use crate::Compared;
use anyhow::{Context, Result, anyhow};
use judge::Verdict;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Instant;
use world::World;

/// What is tried on one cluster, one after the other: each leaves the pods where the next one finds them.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    body: fn(&World, u64) -> Result<Verdict>,
    /// It has the machine to itself, for its duration is held against the predicted one.
    alone: bool,
}

const fn case(name: &'static str, body: fn(&World, u64) -> Result<Verdict>) -> Case {
    Case { name, body, alone: false }
}
const fn timed(name: &'static str, body: fn(&World, u64) -> Result<Verdict>) -> Case {
    Case { name, body, alone: true }
}

/// A cluster, and what is tried on it.
struct Lane {
    name: &'static str,
    make: fn(&Path, &Path) -> Result<World>,
    cases: &'static [Case],
}

/// The cases before and after those that are not timed are tried one by one, these in all lanes at the same time, since they wait most of it.
const LANES: [Lane; 5] = [
    Lane {
        name: "large",
        make: world::large,
        cases: &[timed("straight", cases::straight), case("killed", cases::killed)],
    },
    Lane {
        name: "small",
        make: world::small,
        cases: &[
            timed("stop", cases::stop),
            case("reached", reach::reached),
            case("rogue", rogue::rogue),
            case("outage", cases::outage),
            case("cordons denied", cordons::denied),
            case("uncordoned", cordons::uncordoned),
            case("token", cases::token),
            case("lied to", liar::lied_to),
            case("never told the truth", liar::never_told_the_truth),
            case("another cluster", cases::another_cluster),
            timed("surge", cases::surge),
            // The old pool is gone after it.
            timed("surge grows", cases::surge_grows),
        ],
    },
    Lane {
        name: "rights",
        make: world::small,
        cases: &[
            case("rights revoked", rights::revoked),
            case("evictions denied", rights::evictions_denied),
            case("two processes", rights::two_processes),
        ],
    },
    // On a cluster of its own: after the cases of the small one its pods did not come to rest, which is not understood yet.
    Lane { name: "again", make: world::small, cases: &[case("registered again", cordons::registered_again)] },
    Lane { name: "karpenter", make: karpenter::make, cases: &[timed("karpenter", karpenter::migrate)] },
];

/// Carries all of them out; NODEFERRY_EXECUTIONS names a single lane or case.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let only = std::env::var("NODEFERRY_EXECUTIONS").unwrap_or_default();
    let mut lanes: Vec<Run> = LANES
        .iter()
        .map(|lane| Run::new(lane, &only, binary, seed, directory))
        .filter(|run| !run.cases.is_empty() && run.is_possible())
        .collect();
    for lane in &mut lanes {
        lane.advance_while(|case| case.alone)?;
    }
    let beside: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            lanes.iter_mut().map(|lane| scope.spawn(move || lane.advance_while(|case| !case.alone))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(anyhow!("a lane panicked")))).collect()
    });
    beside.into_iter().collect::<Result<Vec<()>>>()?;
    let mut whole = Verdict::default();
    for mut lane in lanes {
        lane.advance_while(|_| true)?;
        whole.tried += lane.verdict.tried;
        whole.wrong.append(&mut lane.verdict.wrong);
        whole.said.append(&mut lane.verdict.said);
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
        let wanted = |case: &&Case| only.is_empty() || only == lane.name || only == case.name;
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
    /// Makes the cluster if there is none yet, and tries the next cases upon it, as long as they are such.
    fn advance_while(&mut self, is_such: impl Fn(&Case) -> bool) -> Result<()> {
        let name = self.lane.name;
        while let Some(case) = self.cases.front().copied().filter(&is_such) {
            self.cases.pop_front();
            if self.world.is_none() {
                let begun = Instant::now();
                let made = (self.lane.make)(&self.binary, &self.directory);
                self.world = Some(made.with_context(|| format!("making the cluster {name}"))?);
                self.verdict.said.push(format!("{name}: cluster made in {:.1} s", begun.elapsed().as_secs_f64()));
            }
            let Some(world) = &self.world else { break };
            let begun = Instant::now();
            let verdict = (case.body)(world, self.seed).with_context(|| format!("{} on {name}", case.name))?;
            self.verdict.absorb(case.name, verdict);
            self.verdict.said.push(format!("{}: all in {:.1} s", case.name, begun.elapsed().as_secs_f64()));
        }
        if self.cases.is_empty() {
            // What is over takes nothing from those that come.
            self.world = None;
        }
        Ok(())
    }
}
