//! Many runs of one migration, and copies of one under way.

use super::{BenchError, Effort, Meter, Replications, hundredths, median};
use crate::experiment::{Sink, replication_seed};
use crate::request::input::request_of_scenario;
use crate::request::plan::experiment_of;
use crate::request::scenario::Scenario;
use crate::runner::Outcome;
use std::hint::black_box;
use std::path::Path;

/// Two hundred and fifty old and as many new nodes, 5,000 pods, four batches.
const SCENARIO: &str = "
scenario: replications
cluster: {generate: {nodes: 250, new_nodes: 250, pods_per_node: 20, cpu_millis: {min: 50, max: 200}, memory_mib: {min: 64, max: 256}}}
nodes: {selector: agentpool=old}
options: {batch_size: '25%'}
";
/// Copies that are made and dropped.
const FORKS: usize = 101;

pub(super) fn measure(effort: Effort, meter: &mut dyn Meter) -> Result<Replications, BenchError> {
    let scenario =
        Scenario::parse(SCENARIO, Path::new("bench.yaml")).map_err(crate::request::error::InputError::from)?;
    let experiment = experiment_of(request_of_scenario(&scenario, false)?)?;
    let before = meter.seconds();
    for nth in 0..effort.runs {
        let run = experiment.run(replication_seed(scenario.seed, nth), Sink::Summary);
        if run.outcome == Outcome::Failed {
            return Err(BenchError::Ended(run.outcome.text().to_owned()));
        }
    }
    let per_s = f64::from(effort.runs) / (meter.seconds() - before).max(1e-9);
    let mut run = experiment.start(scenario.seed, Sink::Summary);
    run.advance_past(2);
    let mut forks = Vec::with_capacity(FORKS);
    for _ in 0..FORKS {
        let before = meter.seconds();
        drop(black_box(run.fork(None)));
        forks.push((meter.seconds() - before) * 1e3);
    }
    Ok(Replications { per_s: hundredths(per_s), fork_ms: hundredths(median(&mut forks)) })
}
