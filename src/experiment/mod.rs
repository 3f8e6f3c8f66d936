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
//!
//! Several clusters can share a clock. What joins them is whoever steps the run:
//!
//! ```
//! use nodeferry::experiment::{Experiment, Inject, Sink, SiteIdx};
//! use nodeferry::runner::{Call, NodeRef};
//! # use nodeferry::request::{input::request_of_scenario, plan::experiment_of, scenario::Scenario};
//! # let text = r#"{"scenario": "doc", "cluster": {"generate": {"nodes": 4, "new_nodes": 4, "pods_per_node": 4}},
//! #     "nodes": {"selector": "agentpool=old"}}"#;
//! # let scenario = Scenario::parse(text, std::path::Path::new("doc.yaml")).unwrap();
//! # let source: Experiment = experiment_of(request_of_scenario(&scenario, false).unwrap()).unwrap();
//! let target = Experiment::of_cluster(source.site().clone()); // the same cluster, which nobody migrates
//! let both = source.beside(&target);
//! let mut run = both.start(1, Sink::Summary);
//! run.advance_past(1); // a batch of the source has ended
//! let target = SiteIdx(1);
//! let view = run.at(target).unwrap().view();
//! let node = NodeRef::of(view, view.state.live_nodes().next().unwrap());
//! let call = run.inject(target.at(Inject::Call(Call::Cordon { node }))).unwrap().unwrap();
//! assert!(run.answer_of(call).is_some());
//! let ended = run.finish_all();
//! assert!(ended.sites[0].figures.outcome.is_some() && ended.sites[1].figures.outcome.is_none());
//! ```

mod figures;
mod inject;
mod moves;
mod replicate;
mod simulation;
mod sink;
mod site;
mod site_run;
mod summary;

pub use figures::{BatchFigures, RunFigures};
pub use inject::{Inject, InjectError};
pub use replicate::{ReplicateError, each, replicate, replicate_sites, replication_seed, site_seed};
pub use simulation::{Simulation, SitesResult};
pub use sink::Sink;
pub use site::{At, Life, SiteEvent, SiteIdx};
pub use site_run::{Progress, RunResult, SiteRun};
pub use summary::{MergeError, RunSummary, SitesSummary};

use crate::intent::Intent;
use crate::runner::Packer;
use crate::sim::SiteSpec;
use site::{Migration, Prepared};
use std::sync::Arc;

/// What all runs share: one cluster or several under one clock. Cheap to clone, never changed.
#[derive(Clone, Debug)]
pub struct Experiment {
    first: Arc<Prepared>,
    others: Arc<[Arc<Prepared>]>,
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
        let spec = site.into();
        let migration = Some(Migration::prepare(&spec, intent, packer)?);
        Ok(Experiment::of(Prepared { name: None, spec, migration, life: Life::default() }))
    }

    /// A cluster that nobody migrates: it lives, and whoever steps it may call and inject. For how long see [`Life`].
    pub fn of_cluster(site: impl Into<Arc<SiteSpec>>) -> Experiment {
        Experiment::of(Prepared { name: None, spec: site.into(), migration: None, life: Life::default() })
    }

    fn of(first: Prepared) -> Experiment {
        Experiment { first: Arc::new(first), others: Arc::new([]) }
    }

    /// This experiment and another under one clock: first the clusters of this one, in their order, then those of the other. What
    /// happens to one cluster is nothing to the others; what joins them is whoever steps the simulation.
    pub fn beside(&self, other: &Experiment) -> Experiment {
        let others = self.others.iter().chain([&other.first]).chain(other.others.iter());
        Experiment { first: self.first.clone(), others: others.cloned().collect() }
    }

    /// The same with each cluster living so long.
    pub fn living(&self, life: Life) -> Experiment {
        self.changed(|site| site.life = life)
    }

    /// The same with each cluster called so, as the lines of a trace of several name it. Name them before they are put beside each other.
    pub fn named(&self, name: &str) -> Experiment {
        self.changed(|site| site.name = Some(name.to_owned()))
    }

    fn changed(&self, change: impl Fn(&mut Prepared)) -> Experiment {
        let changed = |site: &Arc<Prepared>| {
            let mut site = Prepared::clone(site);
            change(&mut site);
            Arc::new(site)
        };
        Experiment { first: changed(&self.first), others: self.others.iter().map(changed).collect() }
    }

    /// The experiment with one of its clusters alone; None if there is no such cluster.
    pub fn only(&self, site: SiteIdx) -> Option<Experiment> {
        self.prepared().nth(site.0 as usize).map(|site| Experiment { first: site.clone(), others: Arc::new([]) })
    }

    /// Its clusters, in order.
    pub fn sites(&self) -> impl Iterator<Item = SiteIdx> + use<> {
        (0..=self.others.len() as u32).map(SiteIdx)
    }

    /// The first cluster and the rules it goes by; with one there is no other.
    pub fn site(&self) -> &SiteSpec {
        &self.first.spec
    }

    /// What is wanted of the first cluster, if anything is.
    pub fn intent(&self) -> Option<&Arc<Intent>> {
        self.first.migration.as_ref().map(|m| &m.intent)
    }

    /// A run under a seed that stands at its beginning. Each cluster draws from [`site_seed`] and has a sink like this of its own.
    pub fn start(&self, seed: u64, sink: Sink) -> Simulation {
        Simulation::new(self.clone(), seed, &sink)
    }

    /// A run from its beginning to its end: what became of the first cluster.
    pub fn run(&self, seed: u64, sink: Sink) -> RunResult {
        self.start(seed, sink).finish()
    }

    fn prepared(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        [&self.first].into_iter().chain(self.others.iter())
    }

    /// The clusters as they live in a run: where nothing of any is waited for, all live for a time of their own.
    fn lives(&self) -> Vec<(Arc<Prepared>, Life)> {
        let awaited = self.prepared().any(|s| s.is_awaited());
        let life = |s: &Arc<Prepared>| match s.life {
            _ if !awaited => s.own_life(),
            Life::Migration if s.migration.is_none() => Life::Others,
            life => life,
        };
        self.prepared().map(|s| (s.clone(), life(s))).collect()
    }
}
