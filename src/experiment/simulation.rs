//! One run of an experiment.

use super::Experiment;
use super::figures::{RunFigures, RunFold};
use super::sink::{Sink, Trace};
use crate::cluster::{OwnerIdx, SpecIdx, State, View};
use crate::runner::{Answer, CallId, Failure, Outcome};
use crate::sim::Violation;
use crate::sim::world::{Line, World};
use crate::trace::Observation;
use std::collections::BTreeMap;

/// One run of an experiment: a value with a clock of its own.
#[derive(Clone)]
pub struct Simulation {
    experiment: Experiment,
    seed: u64,
    world: World,
    sink: Sink,
    fold: RunFold,
    /// How far its clock was let go, if that is later than the last event.
    reached_ms: i64,
}

/// How far a simulation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Milliseconds since the migration's start.
    pub now_ms: i64,
    /// Batches in all.
    pub batches: u32,
    /// Batches that have begun.
    pub batches_begun: u32,
    /// Batches that have ended.
    pub batches_ended: u32,
    /// Old nodes in all.
    pub nodes: u32,
    /// Old nodes whose pods have moved.
    pub nodes_replaced: u32,
    /// Events handled.
    pub steps: u64,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
}

/// How a run ended, and what happened in it.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, unless it completed.
    pub failure: Option<Failure>,
    /// Milliseconds from start to end.
    pub duration_ms: i64,
    /// What there is to count.
    pub figures: RunFigures,
    /// What happened, in order; empty unless the sink kept it.
    pub observations: Vec<Observation>,
    /// What the imitated command printed: batch, stream, line; empty unless the sink kept it.
    pub lines: Vec<Line>,
    /// Exit status of the imitated command, by batch.
    pub exits: BTreeMap<u32, i32>,
    /// When the imitated command returned, by batch.
    pub returned_ms: BTreeMap<u32, i64>,
    /// Broken invariants: bugs of ours.
    pub violations: Vec<Violation>,
    /// The cluster at the end (and the names of all that was made).
    pub state: State,
    /// Events handled.
    pub steps: u64,
}

impl Simulation {
    pub(super) fn new(experiment: Experiment, seed: u64, sink: Sink) -> Simulation {
        let world = World::new(experiment.site(), seed, &[], Some(experiment.runner()), experiment.stop_at());
        let mut simulation = Simulation { experiment, seed, world, sink, fold: RunFold::default(), reached_ms: 0 };
        simulation.collect();
        simulation
    }

    /// Lets the next moment come and all that happens in it; false if the run has ended already.
    pub fn step(&mut self) -> bool {
        let stepped = self.world.step();
        self.collect();
        stepped
    }

    /// Lets all happen that happens up to and including this moment.
    pub fn advance_to(&mut self, ms: i64) {
        self.settle_beginning();
        while self.world.ended().is_none() && self.world.next_moment().is_some_and(|next| next <= ms) {
            self.step();
        }
        if self.world.ended().is_none() {
            self.reached_ms = self.reached_ms.max(ms);
        }
    }

    /// Lets batches begin and end until `batches` of them have ended, or the run has.
    pub fn advance_past(&mut self, batches: u32) {
        while self.batches_ended() < batches && self.step() {}
    }

    /// A copy that goes its own way from here. Nothing that is drawn from here on differs, unless another seed is given.
    pub fn fork(&self, seed: Option<u64>) -> Simulation {
        let mut fork = self.clone();
        if let Some(seed) = seed {
            fork.seed = seed;
            fork.world.draw_from(seed);
        }
        fork
    }

    /// Runs to the end.
    pub fn finish(mut self) -> RunResult {
        while self.step() {}
        let (outcome, failure) = match self.world.ended() {
            Some((outcome, failure)) => (outcome, failure.cloned()),
            None => (Outcome::Failed, None),
        };
        let failure = failure.map(|mut failure| {
            failure.cause.push_str(&self.waiting_pods());
            failure.cause.push_str(&self.full_groups());
            failure
        });
        let Trace { observations, lines } = self.sink.into_trace();
        let (duration_ms, steps) = (self.world.now(), self.world.steps());
        let (exits, returned_ms) = (self.world.exits().clone(), self.world.returned_ms().clone());
        let (state, violations) = self.world.into_parts();
        RunResult {
            outcome,
            failure,
            duration_ms,
            figures: self.fold.figures(),
            observations: observations.into_vec(),
            lines,
            exits,
            returned_ms,
            violations,
            state,
            steps,
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let runner = self.world.runner().map(crate::runner::Runner::progress);
        let reports = runner.map_or(&[][..], |p| p.batches());
        let replaced = runner.map_or(0, |p| p.nodes().filter(|(_, fate)| fate.is_replaced()).count());
        let batches = &self.experiment.intent().batches;
        Progress {
            now_ms: self.now_ms(),
            batches: batches.len() as u32,
            batches_begun: reports.len() as u32,
            batches_ended: self.batches_ended(),
            nodes: batches.iter().map(|b| b.len() as u32).sum(),
            nodes_replaced: replaced as u32,
            steps: self.world.steps(),
            outcome: self.world.ended().map(|e| e.0),
        }
    }

    fn batches_ended(&self) -> u32 {
        let reports = self.world.runner().map_or(&[][..], |r| r.progress().batches());
        reports.iter().filter(|r| r.end_ms.is_some()).count() as u32
    }

    /// Its figures up to now.
    pub fn figures(&self) -> RunFigures {
        self.fold.figures()
    }

    /// Milliseconds since the migration's start.
    pub fn now_ms(&self) -> i64 {
        self.world.now().max(self.reached_ms)
    }

    /// When something happens next; none if nothing will.
    pub fn next_ms(&self) -> Option<i64> {
        self.world.next_moment()
    }

    /// The seed from which it draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The experiment that it is a run of.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The cluster now.
    pub fn view(&self) -> View<'_> {
        self.world.view()
    }

    /// What became of a call that was injected; none while it is not answered.
    pub fn answer_of(&self, call: CallId) -> Option<&Answer> {
        self.world.answer_of(call)
    }

    /// From now on the runner is serialised and resumed before every input: the end must be the same.
    pub fn restart_runner_before_every_input(&mut self) {
        self.world.restart_runner_before_every_input();
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// What happens at the very beginning, before any event, if it has not yet.
    pub(super) fn settle_beginning(&mut self) {
        if !self.world.has_begun() {
            self.step();
        }
    }

    /// Hands on what happened since.
    pub(super) fn collect(&mut self) {
        for observation in self.world.take_observations() {
            self.fold.observe(&observation, self.world.view());
            self.sink.observe(observation, self.world.view());
        }
        let lines = self.world.take_lines();
        self.sink.print(lines);
    }

    /// What the scheduler said of pods that wait at the end, a workload once, the latest first: the filter behind a failure.
    fn waiting_pods(&self) -> String {
        const NAMED: usize = 3;
        let View { catalog, state } = self.world.view();
        let mut workloads = Vec::new();
        let mut text = String::new();
        for waiting in self.fold.waiting() {
            let p = &state.pods[waiting.pod];
            let workload = (catalog.specs[p.spec].owner, p.spec);
            let known = workloads.iter().any(|w: &(Option<OwnerIdx>, SpecIdx)| match workload.0 {
                Some(owner) => w.0 == Some(owner),
                None => *w == workload,
            });
            if p.gone || p.node.is_some() || known {
                continue;
            }
            workloads.push(workload);
            text.push_str(&format!("\npod {} waits: {}", state.pod_text(catalog, waiting.pod), waiting.message));
            if workloads.len() == NAMED {
                break;
            }
        }
        text
    }

    /// Groups that had no more machines to give at the end, in words, to be added to a failure's cause.
    fn full_groups(&self) -> String {
        let View { catalog, state } = self.world.view();
        let full = catalog.groups.entries().filter_map(|(group, g)| {
            let nodes = state.nodes.iter().filter(|n| !n.gone && n.group == Some(group)).count();
            (nodes > 0 && nodes >= g.max_count as usize).then(|| {
                let assumed = if g.max_is_assumed { ", which is assumed" } else { "" };
                format!("\nnode group {} is at its maximum of {} nodes{assumed}", catalog.text(g.id), g.max_count)
            })
        });
        full.collect()
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
