//! One run of an experiment: its clusters under one clock.

use super::Experiment;
use super::figures::RunFigures;
use super::replicate::site_seed;
use super::sink::Sink;
use super::site::{At, SiteIdx};
use super::site_run::{Progress, RunResult, SiteRun};
use crate::cluster::View;
use crate::runner::{Answer, CallId};

/// One run of an experiment: a value with a clock of its own.
///
/// Where it has several clusters, what happens at one moment happens first in the first one, and so on; each has the bytes of a run of
/// its own. What is said of "the run" without naming a cluster is of the first.
#[derive(Clone)]
pub struct Simulation {
    experiment: Experiment,
    seed: u64,
    sites: Vec<SiteRun>,
    peak: Peak,
    /// How far its clock was let go, if that is later than the last event.
    reached_ms: i64,
}

/// How all clusters of a run ended.
#[derive(Clone, Debug)]
pub struct SitesResult {
    /// Of each cluster what a run of its own would give, in order.
    pub sites: Vec<RunResult>,
    /// The figures of all together, as [`RunFigures::together`] adds them up.
    pub figures: RunFigures,
}

/// Most nodes of all clusters at the end of any moment.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    at_ms: i64,
    present: u64,
    most: u64,
}

impl Peak {
    fn observe(&mut self, at_ms: i64, present: u64) {
        if at_ms != self.at_ms {
            self.most = self.most();
            self.at_ms = at_ms;
        }
        self.present = present;
    }

    fn most(&self) -> u64 {
        self.most.max(self.present)
    }
}

impl Simulation {
    pub(super) fn new(experiment: Experiment, seed: u64, sink: &Sink) -> Simulation {
        let places = experiment.sites().zip(experiment.lives());
        let sites: Vec<SiteRun> = places
            .map(|(site, (prepared, life))| SiteRun::new(site, prepared, life, site_seed(seed, site), sink.clone()))
            .collect();
        let mut simulation = Simulation { experiment, seed, sites, peak: Peak::default(), reached_ms: 0 };
        simulation.count_nodes();
        simulation
    }

    // --- time ---

    /// Lets the next moment come and all that happens in it, in each cluster that has something to do then; false if the run has ended
    /// already.
    pub fn step(&mut self) -> bool {
        // With one cluster nothing else decides about its end.
        if let [site] = self.sites.as_mut_slice()
            && site.stops_with_migration()
        {
            return site.step();
        }
        let is_awaited = self.sites.iter().any(SiteRun::is_awaited);
        match self.sites.iter().filter_map(SiteRun::turn).min() {
            Some(moment) if is_awaited || moment <= self.now_ms() => {
                self.step_at(moment);
                true
            }
            _ => false,
        }
    }

    fn step_at(&mut self, moment: i64) {
        for site in self.sites.iter_mut().filter(|s| s.turn() == Some(moment)) {
            site.step();
        }
        self.count_nodes();
    }

    fn count_nodes(&mut self) {
        if self.sites.len() > 1 {
            let present = self.sites.iter().map(SiteRun::present).sum();
            self.peak.observe(self.latest_ms(), present);
        }
    }

    /// Lets all happen that happens up to and including this moment, in every cluster that has not stopped.
    pub fn advance_to(&mut self, ms: i64) {
        self.settle_beginning();
        while let Some(moment) = self.sites.iter().filter_map(SiteRun::turn).min().filter(|next| *next <= ms) {
            self.step_at(moment);
        }
        if !self.sites.iter().all(SiteRun::has_stopped) {
            self.reached_ms = self.reached_ms.max(ms);
        }
    }

    /// Lets batches begin and end until `batches` of them have ended, or the run has.
    pub fn advance_past(&mut self, batches: u32) {
        while self.first().outcome().is_none() && self.first().batches_ended() < batches && self.step() {}
    }

    /// A copy that goes its own way from here. Nothing that is drawn from here on differs, unless another seed is given.
    pub fn fork(&self, seed: Option<u64>) -> Simulation {
        let mut fork = self.clone();
        if let Some(seed) = seed {
            fork.seed = seed;
            let sites = self.experiment.sites().zip(&mut fork.sites);
            sites.for_each(|(site, run)| run.draw_from(site_seed(seed, site)));
        }
        fork
    }

    /// Runs to the end: what became of the first cluster. See [`Simulation::finish_all`].
    pub fn finish(mut self) -> RunResult {
        while self.step() {}
        self.sites.swap_remove(0).into_result()
    }

    /// Runs until no cluster is waited for any more (see [`Life`](super::Life)): what became of each.
    pub fn finish_all(mut self) -> SitesResult {
        while self.step() {}
        let most_nodes = self.peak.most();
        let sites: Vec<RunResult> = self.sites.into_iter().map(SiteRun::into_result).collect();
        let mut figures = RunFigures::together(sites.iter().map(|s| &s.figures));
        if sites.len() > 1 {
            figures.peak_nodes = most_nodes;
        }
        SitesResult { sites, figures }
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> i64 {
        self.latest_ms().max(self.reached_ms)
    }

    /// When anything happened last.
    fn latest_ms(&self) -> i64 {
        self.sites.iter().map(|s| s.world.now()).max().unwrap_or(0)
    }

    /// When something happens next in any cluster; none if nothing will.
    pub fn next_ms(&self) -> Option<i64> {
        self.sites.iter().filter_map(SiteRun::next_ms).min()
    }

    // --- its clusters ---

    /// Its clusters, in order.
    pub fn sites(&self) -> impl Iterator<Item = (SiteIdx, &SiteRun)> {
        self.experiment.sites().zip(&self.sites)
    }

    /// One of its clusters; None if there is no such cluster.
    pub fn at(&self, site: SiteIdx) -> Option<&SiteRun> {
        self.sites.get(site.0 as usize)
    }

    pub(super) fn at_mut(&mut self, site: SiteIdx) -> Option<&mut SiteRun> {
        self.sites.get_mut(site.0 as usize)
    }

    /// The first one: there is always one.
    fn first(&self) -> &SiteRun {
        &self.sites[0]
    }

    /// How far the first cluster's migration is.
    pub fn progress(&self) -> Progress {
        Progress { now_ms: self.now_ms(), ..self.first().progress() }
    }

    /// The first cluster's figures up to now.
    pub fn figures(&self) -> RunFigures {
        self.first().figures()
    }

    /// The first cluster now.
    pub fn view(&self) -> View<'_> {
        self.first().view()
    }

    /// The seed of the run; that of the first cluster too.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The experiment that it is a run of.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// What became of a call that was injected; none while it is not answered.
    pub fn answer_of(&self, call: At<CallId>) -> Option<&Answer> {
        self.at(call.site)?.world.answer_of(call.what)
    }

    /// From now on the runners are serialised and resumed before every input: the end must be the same.
    pub fn restart_runner_before_every_input(&mut self) {
        self.sites.iter_mut().for_each(|s| s.world.restart_runner_before_every_input());
    }

    /// What happens at the very beginning, before any event, if it has not yet.
    pub(super) fn settle_beginning(&mut self) {
        if self.sites.iter().any(|s| !s.world.has_begun()) {
            self.step_at(i64::MIN);
        }
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).field("sites", &self.sites).finish_non_exhaustive()
    }
}
