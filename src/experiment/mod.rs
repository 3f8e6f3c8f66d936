//! An experiment as a VALUE: prepared once, run as often as one likes, each run stepped, forked and injected with faults.
//!
//! An [`Experiment`] holds what all runs share (cluster, intent, delays, budgets, scheduler, autoscaler) and never changes. A
//! [`Simulation`] is one run of it under a seed: a `Clone` value with a clock of its own. What happens in it goes to a [`Sink`];
//! the figures of a run ([`RunFigures`]) are folded from the same events whether they are kept or not. A [`RunSummary`] collects the
//! figures of many runs and merges with others, so that replications can be shared out.
//!
//! ```
//! use nodeferry::experiment::{Experiment, Inject, Sink};
//! # use nodeferry::request::{input::request_of_scenario, plan::experiment_of, scenario::Scenario};
//! # let text = r#"{"scenario": "doc", "cluster": {"generate": {"nodes": 4, "new_nodes": 4, "pods_per_node": 4}},
//! #     "nodes": {"selector": "agentpool=old"}}"#;
//! # let scenario = Scenario::parse(text, std::path::Path::new("doc.yaml")).unwrap();
//! let experiment: Experiment = experiment_of(request_of_scenario(&scenario, false).unwrap()).unwrap();
//! let mut run = experiment.start(1, Sink::Summary);
//! run.advance_to(1_000);
//! let mut worse = run.fork(None); // the same draws from here on
//! let fault = r#"{"fault": "node_loss", "node": "new-0001", "at_ms": 5000}"#;
//! worse.inject(Inject::Fault(serde_json::from_str(fault).unwrap())).unwrap();
//! let (plain, worse) = (run.finish(), worse.finish());
//! println!("{} ms, with a node lost {} ms", plain.duration_ms, worse.duration_ms);
//! assert!(plain.figures.outcome.is_some() && worse.figures.outcome.is_some());
//! ```

mod figures;
mod inject;
mod replicate;
mod simulation;
mod sink;
mod summary;

pub use figures::{BatchFigures, RunFigures};
pub use inject::{Inject, InjectError};
pub use replicate::{ReplicateError, replicate, replication_seed};
pub use simulation::{Progress, RunResult, Simulation};
pub use sink::Sink;
pub use summary::{MergeError, RunSummary};

use crate::intent::Intent;
use crate::runner::{Packer, Runner, StopMode};
use crate::sim::SiteSpec;
use std::sync::Arc;

/// What all runs share: cheap to clone, never changed.
#[derive(Clone, Debug)]
pub struct Experiment(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    site: Arc<SiteSpec>,
    intent: Arc<Intent>,
    /// The runner that has not begun; each run starts with a copy.
    runner: Runner,
}

impl Experiment {
    /// An intent over a cluster. `packer` plans the new nodes of procedures that launch them.
    ///
    /// # Errors
    /// Says which nodes of the intent the cluster lacks, or which parameter is out of range.
    pub fn prepare(
        site: impl Into<Arc<SiteSpec>>,
        intent: Arc<Intent>,
        packer: Arc<dyn Packer>,
    ) -> Result<Experiment, String> {
        let site = site.into();
        let runner = Runner::new(intent.clone(), site.view(), packer)?.with_order_seed(site.options.order_seed);
        Ok(Experiment(Arc::new(Prepared { site, intent, runner })))
    }

    /// The cluster and the rules it goes by.
    pub fn site(&self) -> &SiteSpec {
        &self.0.site
    }

    /// What is wanted.
    pub fn intent(&self) -> &Arc<Intent> {
        &self.0.intent
    }

    /// A run under a seed that stands at its beginning.
    pub fn start(&self, seed: u64, sink: Sink) -> Simulation {
        Simulation::new(self.clone(), seed, sink)
    }

    /// A run from its beginning to its end.
    pub fn run(&self, seed: u64, sink: Sink) -> RunResult {
        self.start(seed, sink).finish()
    }

    fn runner(&self) -> Runner {
        self.0.runner.clone()
    }

    /// When somebody stops it, if anybody does.
    fn stop_at(&self) -> Option<(i64, StopMode)> {
        self.0.site.options.stop()
    }
}
