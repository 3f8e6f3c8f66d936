//! Migrations of generated clusters, from the parsed cluster to the summary of one run.

use super::{BenchError, Meter, Seconds};
use crate::cluster::State;
use crate::experiment::Sink;
use crate::request::input::{InputError, request_of_scenario};
use crate::request::plan::{Request, experiment_of};
use crate::request::scenario::Scenario;
use crate::runner::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// `kubectl drain` of old nodes onto as many new ones.
const DRAIN: &str = include_str!("../../benches/plans/drain-5000.yaml");
/// Ocean's procedure on AKS, which launches the new nodes.
const OCEAN: &str = include_str!("../../benches/plans/ocean-azure-5000.yaml");
/// The procedure by whose series growth is measured.
pub(super) const DRAIN_NAME: &str = "kubectl-drain";
const OCEAN_NAME: &str = "ocean-azure";
/// Pods on each old node.
const PODS_PER_NODE: u32 = 30;
/// Virtual milliseconds after which a run is given up: 30 days.
const HORIZON_MS: i64 = 30 * 24 * 3_600_000;

/// A migration of so many old nodes. As text: `kubectl-drain/400/30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    procedure: &'static str,
    /// Old nodes; for `kubectl-drain` there are as many new ones, else they are launched.
    pub nodes: u32,
    /// Pods on each of them.
    pub pods_per_node: u32,
}

/// Which migrations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Some that take seconds.
    Quick,
    /// The table: up to 6,400 old nodes, and the two scenarios of 5,000.
    Full,
    /// And 50,000 + 50,000 nodes.
    Huge,
}

impl Series {
    /// Its migrations, in the order in which they are measured.
    pub fn cases(self) -> Vec<Case> {
        let case = |procedure, nodes| Case { procedure, nodes, pods_per_node: PODS_PER_NODE };
        let (drains, oceans): (&[u32], &[u32]) = match self {
            Series::Quick => (&[200, 400, 800], &[400]),
            Series::Full | Series::Huge => (&[100, 200, 400, 800, 1_600, 3_200, 6_400, 5_000], &[400, 800, 5_000]),
        };
        let mut cases: Vec<Case> = drains.iter().map(|n| case(DRAIN_NAME, *n)).collect();
        cases.extend(oceans.iter().map(|n| case(OCEAN_NAME, *n)));
        if self == Series::Huge {
            cases.push(Case { pods_per_node: 20, ..case(DRAIN_NAME, 50_000) });
        }
        cases
    }
}

impl Case {
    /// The procedure's name.
    pub fn procedure(&self) -> &str {
        self.procedure
    }

    fn request(&self) -> Result<Request, InputError> {
        let text = if self.procedure == DRAIN_NAME { DRAIN } else { OCEAN };
        let mut scenario = Scenario::parse(text, Path::new("bench.yaml"))?;
        if let Some(params) = &mut scenario.cluster.generate {
            params.nodes = self.nodes;
            params.new_nodes = if self.procedure == DRAIN_NAME { self.nodes } else { 0 };
            params.pods_per_node = Some(self.pods_per_node);
        }
        scenario.sim.horizon_ms = Some(HORIZON_MS);
        request_of_scenario(&scenario, false)
    }

    /// Makes the cluster and measures one run.
    ///
    /// # Errors
    /// The run did not come to its end.
    pub fn measure(&self, meter: &mut dyn Meter) -> Result<Measured, BenchError> {
        let request = self.request()?;
        let pods = pods_of(&request.cluster.state);
        let seed = request.seed;
        meter.reset_peak();
        let before = meter.seconds();
        let run = experiment_of(request)?.run(seed, Sink::Summary);
        let seconds = Seconds::from(meter.seconds() - before);
        let peak_bytes = meter.peak_bytes();
        match run.outcome {
            Outcome::Completed | Outcome::PartlyCompleted => Ok(Measured { pods, seconds, peak_bytes }),
            other => Err(BenchError::Ended(other.text().to_owned())),
        }
    }
}

fn pods_of(state: &State) -> u64 {
    state.live_pods().count() as u64
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.procedure, self.nodes, self.pods_per_node)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let wrong =
            || format!("{text:?} is no migration; expected PROCEDURE/NODES/PODS_PER_NODE, as {DRAIN_NAME}/400/30");
        let parts: Vec<&str> = text.split('/').collect();
        let [procedure, nodes, pods] = parts[..] else { return Err(wrong()) };
        let procedure = [DRAIN_NAME, OCEAN_NAME].into_iter().find(|p| *p == procedure).ok_or_else(wrong)?;
        let number = |text: &str| text.parse().ok().filter(|n| *n > 0).ok_or_else(wrong);
        Ok(Case { procedure, nodes: number(nodes)?, pods_per_node: number(pods)? })
    }
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Pods at the start.
    pub pods: u64,
    /// Seconds from the parsed cluster to the summary.
    pub seconds: Seconds,
    /// Most memory in that time.
    pub peak_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for case in Series::Huge.cases() {
            assert_eq!(case.to_string().parse(), Ok(case));
        }
        for text in ["kubectl-drain/400", "surge/4/3", "kubectl-drain/0/3", "kubectl-drain/x/3"] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }

    /// Counts up at each look.
    struct Ticks(f64);

    impl Meter for Ticks {
        fn seconds(&mut self) -> f64 {
            self.0 += 1.5;
            self.0
        }
        fn reset_peak(&mut self) {}
        fn peak_bytes(&mut self) -> Option<u64> {
            Some(7)
        }
    }

    #[test]
    fn both_migrations_run_to_their_end_small() {
        for text in ["kubectl-drain/10/5", "ocean-azure/10/5"] {
            let case: Case = text.parse().expect("a case");
            let measured = case.measure(&mut Ticks(0.0)).expect("a run");
            assert!(measured.pods > 40, "{text}: {measured:?}");
            assert_eq!((measured.seconds.get(), measured.peak_bytes), (1.5, Some(7)));
        }
    }
}
