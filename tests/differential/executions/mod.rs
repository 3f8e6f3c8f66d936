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
mod rogue;
mod watch;
mod world;

use crate::Compared;
use anyhow::{Result, anyhow};
use judge::Verdict;
use std::path::Path;
use world::World;

/// What is tried on one cluster, one after the other: each leaves the pods where the next one finds them.
type Case = (&'static str, fn(&World, u64) -> Result<Verdict>);

/// A cluster, and what is tried on it.
struct Lane {
    name: &'static str,
    make: fn(&Path, &Path) -> Result<World>,
    cases: &'static [Case],
}

/// Lanes run at the same time: they wait most of it.
const LANES: [Lane; 3] = [
    Lane { name: "large", make: world::large, cases: &[("straight", cases::straight), ("killed", cases::killed)] },
    Lane {
        name: "small",
        make: world::small,
        cases: &[
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

/// Carries all of them out; `only` names a lane or a case (NODEFERRY_EXECUTIONS).
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let only = std::env::var("NODEFERRY_EXECUTIONS").unwrap_or_default();
    let wanted = |lane: &Lane, case: &Case| only.is_empty() || only == lane.name || only == case.0;
    let mut whole = Verdict::default();
    let verdicts: Vec<Result<Verdict>> = std::thread::scope(|scope| {
        let lanes: Vec<_> = LANES
            .iter()
            .filter(|l| l.cases.iter().any(|c| wanted(l, c)))
            .map(|lane| scope.spawn(move || run(lane, binary, seed, &directory.join(lane.name), &|c| wanted(lane, c))))
            .collect();
        lanes.into_iter().map(|l| l.join().unwrap_or_else(|_| Err(anyhow!("a lane panicked")))).collect()
    });
    for verdict in verdicts {
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

fn run(lane: &Lane, binary: &Path, seed: u64, directory: &Path, wanted: &dyn Fn(&Case) -> bool) -> Result<Verdict> {
    let mut all = Verdict::default();
    let begun = std::time::Instant::now();
    let world = (lane.make)(binary, directory).map_err(|e| e.context(format!("making the cluster {}", lane.name)))?;
    all.said.push(format!("{}: cluster made in {:.1} s", lane.name, begun.elapsed().as_secs_f64()));
    for case in lane.cases.iter().filter(|c| wanted(c)) {
        let begun = std::time::Instant::now();
        let verdict = (case.1)(&world, seed).map_err(|e| e.context(format!("{} on {}", case.0, lane.name)))?;
        all.absorb(case.0, verdict);
        all.said.push(format!("{}: all in {:.1} s", case.0, begun.elapsed().as_secs_f64()));
    }
    Ok(all)
}
