//! What `nodeferry bench` measures: placements, migrations as they grow, reading, replications.
//!
//! The room reads no clock and no memory figures: whoever measures hands in a [`Meter`]. Each migration is a [`Case`] of its own, which
//! the command line measures in a process of its own, so that what one leaves behind is not counted to the next.

pub mod migration;
pub mod placement;
mod reading;
mod replications;

pub use migration::{Case, Measured, Series};

use crate::request::error::InputError;
use crate::request::plan::PlanError;
use placement::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// What a measurement is made with.
pub trait Meter {
    /// Seconds that this process has used so far.
    fn seconds(&mut self) -> f64;

    /// Forgets the peak of this process's memory: from here on it is measured again.
    fn reset_peak(&mut self);

    /// The peak since, in bytes; none where the system does not tell.
    fn peak_bytes(&mut self) -> Option<u64>;
}

/// Which clock the times are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// CPU time of the process, on all its threads, user and system.
    Cpu,
    /// Time on the wall, where the system does not tell the CPU time: other work on the machine counts.
    Wall,
}

/// What `nodeferry bench -o json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of nodeferry.
    pub version: String,
    /// Whether it is an optimized build; figures of another say nothing.
    pub optimized: bool,
    /// Which clock the times are of.
    pub clock: Clock,
    /// Whether this is the short series.
    pub quick: bool,
    /// Placements per second.
    pub placements_per_s: Placements,
    /// Migrations, from the parsed cluster to the summary of one run, by size.
    pub migration: Vec<Migration>,
    /// How time and memory grow.
    pub growth: Growth,
    /// How fast dumps are read.
    pub reading: Reading,
    /// Many runs of one migration.
    pub replications: Replications,
}

/// Placements per second on 5,000 nodes with ten pods each, under the default profile and sampling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Placements {
    /// 300 kinds of pods with 20 different requests: a third spread by their Service, a third by a soft constraint of their own.
    pub requests: f64,
    /// The same with 3,000 kinds.
    pub requests_3000_kinds: f64,
    /// 300 kinds with a required spread over zones.
    pub spread: f64,
    /// 300 kinds whose pods share no host.
    pub anti_affinity: f64,
    /// 300 kinds that stay in the zone of their first pod.
    pub affinity: f64,
    /// 300 kinds, a volume bound in a zone for each pod, and nodes that attach 24.
    pub volumes: f64,
    /// 300 kinds that fit nowhere, each tried after one node changed, with message and preemption.
    pub failing: f64,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct Migration {
    /// Old nodes; as many new ones are there, or are launched.
    pub nodes: u32,
    /// Pods at the start.
    pub pods: u64,
    /// The procedure.
    pub procedure: String,
    /// Seconds from the parsed cluster to the summary, thousandths.
    pub seconds: Seconds,
    /// Most memory that the process held from the parsed cluster to the summary, that cluster included; none where the system does not tell.
    pub peak_bytes: Option<u64>,
}

/// Seconds to a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct Seconds(u64);

impl Seconds {
    /// As a number.
    pub fn get(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl From<f64> for Seconds {
    fn from(seconds: f64) -> Seconds {
        Seconds((seconds.max(0.0) * 1e3).round() as u64)
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> f64 {
        seconds.get()
    }
}

/// How time and memory grow: the largest `kubectl-drain` of the series against one of half its nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Growth {
    /// Time for twice the nodes, as a multiple.
    pub time_ratio: Option<f64>,
    /// Memory for twice the nodes, as a multiple; none where it is not measured.
    pub memory_ratio: Option<f64>,
}

impl Growth {
    /// Where the two migrations stand that growth is measured by: the largest one that has one of half its nodes beside it, and that one.
    pub fn pair(migrations: &[Migration]) -> Option<[usize; 2]> {
        let drains = || migrations.iter().enumerate().filter(|(_, m)| m.procedure == migration::DRAIN_NAME);
        let half_of = |m: &Migration| drains().find(|(_, half)| half.nodes * 2 == m.nodes);
        let pairs = drains().filter_map(|(place, m)| Some((m.nodes, [place, half_of(m)?.0])));
        pairs.max_by_key(|(nodes, _)| *nodes).map(|(_, pair)| pair)
    }

    /// Of these two.
    pub fn of(migrations: &[Migration]) -> Growth {
        let Some([large, half]) = Growth::pair(migrations).map(|pair| pair.map(|place| &migrations[place])) else {
            return Growth::default();
        };
        let ratio = |large: f64, half: f64| (half > 0.0).then(|| hundredths(large / half));
        Growth {
            time_ratio: ratio(large.seconds.get(), half.seconds.get()),
            memory_ratio: large.peak_bytes.zip(half.peak_bytes).and_then(|(l, h)| ratio(l as f64, h as f64)),
        }
    }
}

/// How fast a dump is read, from its bytes to a cluster, in millions of bytes a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// kubectl's JSON.
    pub json_mb_per_s: f64,
    /// The same as gzip packs it, by the bytes that it has unpacked.
    #[serde(default)]
    pub gzip_mb_per_s: f64,
    /// The same as YAML.
    pub yaml_mb_per_s: f64,
}

/// Many runs of one migration: 250 old and 250 new nodes, 5,000 pods, batches of 25 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replications {
    /// Runs to the end, a second of one core.
    pub per_s: f64,
    /// A copy of a run in the middle, made and dropped: the median, in milliseconds.
    pub fork_ms: f64,
}

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A cluster that cannot be made.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A migration that cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A figure that is not what was measured: the run did not end well.
    #[error("the migration that is measured ended {0}: this is a bug of nodeferry, please report it")]
    Ended(String),
}

/// How long each figure is measured: until so many seconds have passed.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Seconds.
    pub seconds: f64,
    /// Runs of the migration that is run many times.
    pub runs: u32,
}

impl Effort {
    /// That of the short series.
    pub const QUICK: Effort = Effort { seconds: 0.3, runs: 5 };
    /// That of the long one.
    pub const FULL: Effort = Effort { seconds: 2.0, runs: 50 };
}

/// Measures placements; `progress` is told the name of each case before it begins.
pub fn placements(effort: Effort, meter: &mut dyn Meter, progress: &mut dyn FnMut(&str)) -> Placements {
    let mut measured = |name: &str, kinds: usize, case: placement::Case| {
        progress(name);
        let full = World::new(NODES, kinds, case);
        let (mut rates, mut used) = (Vec::new(), 0.0);
        while used < effort.seconds || rates.len() < 3 {
            let mut world = full.clone();
            let before = meter.seconds();
            black_box(world.round(ROUND));
            let took = meter.seconds() - before;
            used += took;
            rates.push(ROUND as f64 / took.max(1e-9));
        }
        median(&mut rates).round()
    };
    use placement::Case;
    Placements {
        requests: measured("300 kinds of pods", 300, Case::Requests),
        requests_3000_kinds: measured("3,000 kinds of pods", 3_000, Case::Requests),
        spread: measured("required spread over zones", 300, Case::Spread),
        anti_affinity: measured("required anti-affinity by host", 300, Case::AntiAffinity),
        affinity: measured("required affinity by zone", 300, Case::Affinity),
        volumes: measured("zonal volumes", 300, Case::Volumes),
        failing: measured("pods that fit nowhere", 300, Case::Failing),
    }
}

/// Nodes of the cluster that placements are measured on.
const NODES: usize = 5_000;
/// Pods decided on in one measured round.
const ROUND: usize = 5_000;

/// Measures how fast dumps are read.
///
/// # Errors
/// None that is not a bug.
pub fn reading(effort: Effort, meter: &mut dyn Meter) -> Result<Reading, BenchError> {
    reading::measure(effort, meter)
}

/// Measures many runs of one migration.
///
/// # Errors
/// None that is not a bug.
pub fn replications(effort: Effort, meter: &mut dyn Meter) -> Result<Replications, BenchError> {
    replications::measure(effort, meter)
}

/// The middle one, or the lower of two.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(nodes: u32, procedure: &str, seconds: f64, peak_bytes: Option<u64>) -> Migration {
        let procedure = procedure.to_owned();
        Migration { nodes, pods: 30 * u64::from(nodes), procedure, seconds: seconds.into(), peak_bytes }
    }

    #[test]
    fn growth_is_of_the_largest_drain_and_its_half() {
        let mut all = vec![
            migration(100, "kubectl-drain", 1.0, Some(100)),
            migration(400, "kubectl-drain", 5.0, Some(400)),
            migration(800, "kubectl-drain", 10.5, Some(820)),
            migration(1600, "ocean-azure", 40.0, None),
            migration(5000, "kubectl-drain", 70.0, Some(9000)),
        ];
        let growth = Growth::of(&all);
        assert_eq!((growth.time_ratio, growth.memory_ratio), (Some(2.1), Some(2.05)));
        all[2].peak_bytes = None;
        assert_eq!(Growth::of(&all).memory_ratio, None);
        all.truncate(2);
        assert_eq!(Growth::of(&all), Growth::default(), "none is half of another");
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
