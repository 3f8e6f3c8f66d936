//! One cluster in a run: its world, what was seen of it, and how far it is.

use super::figures::{RunFigures, RunFold};
use super::sink::{Sink, Trace};
use super::site::{Life, Prepared, SiteIdx};
use crate::cluster::{Catalog, OwnerIdx, SpecIdx, State, View};
use crate::intent::Intent;
use crate::runner::outcome::Reason;
use crate::runner::{Failure, Outcome, Runner};
use crate::sim::world::{Line, World};
use crate::sim::{SiteSpec, Violation};
use crate::trace::{Detail, EventKind, Observation};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// One cluster of a simulation, as whoever steps it may look at it.
#[derive(Clone)]
pub struct SiteRun {
    site: SiteIdx,
    prepared: Arc<Prepared>,
    life: Life,
    seed: u64,
    pub(super) world: World,
    sink: Sink,
    fold: RunFold,
}

/// How far a migration is.
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
    /// How it ended. Completed for a cluster that nobody migrates; its figures have no outcome.
    pub outcome: Outcome,
    /// Why, unless it completed.
    pub failure: Option<Failure>,
    /// Milliseconds from start to end: to the latest moment at which anything happened in this cluster.
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
    /// What the state's indices mean: the experiment's catalogue, with what was injected.
    pub catalog: Arc<Catalog>,
    /// Events handled.
    pub steps: u64,
}

impl RunResult {
    /// The cluster at the end.
    pub fn view(&self) -> View<'_> {
        View { catalog: &self.catalog, state: &self.state }
    }
}

impl SiteRun {
    pub(super) fn new(site: SiteIdx, prepared: Arc<Prepared>, life: Life, seed: u64, sink: Sink) -> SiteRun {
        let mut world = prepared.world(seed);
        if !sink.keeps_lines() {
            world.without_lines();
        }
        let mut run = SiteRun { site, prepared, life, seed, world, sink, fold: RunFold::default() };
        run.collect();
        run
    }

    // --- what it shows ---

    /// The cluster now.
    pub fn view(&self) -> View<'_> {
        self.world.view()
    }

    /// What it is called, if anything.
    pub fn name(&self) -> Option<&str> {
        self.prepared.name.as_deref()
    }

    /// The cluster and the rules it goes by.
    pub fn spec(&self) -> &SiteSpec {
        &self.prepared.spec
    }

    /// What is wanted of it, if anything is.
    pub fn intent(&self) -> Option<&Arc<Intent>> {
        self.prepared.migration.as_ref().map(|m| &m.intent)
    }

    /// The seed from which it draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its figures up to now.
    pub fn figures(&self) -> RunFigures {
        self.fold.figures()
    }

    /// How its migration ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.world.ended().map(|e| e.0)
    }

    /// Why its migration did not complete, once it has ended so.
    pub fn failure(&self) -> Option<&Failure> {
        self.world.ended().and_then(|(_, failure)| failure)
    }

    /// Broken invariants so far: bugs of ours.
    pub fn violations(&self) -> &[Violation] {
        self.world.violations()
    }

    /// Whether it has stopped with its migration.
    pub fn has_stopped(&self) -> bool {
        self.world.has_stopped()
    }

    /// When something happens in it next; none if nothing will.
    pub fn next_ms(&self) -> Option<i64> {
        let next = if self.has_stopped() { None } else { self.world.next_moment() };
        next.filter(|next| !self.is_over(*next))
    }

    /// How far its migration is.
    pub fn progress(&self) -> Progress {
        let runner = self.world.runner().map(Runner::progress);
        let reports = runner.map_or(&[][..], |p| p.batches());
        let replaced = runner.map_or(0, |p| p.nodes().filter(|(_, fate)| fate.is_replaced()).count());
        let batches = self.intent().map_or(&[][..], |i| &i.batches);
        Progress {
            now_ms: self.world.now(),
            batches: batches.len() as u32,
            batches_begun: reports.len() as u32,
            batches_ended: self.batches_ended(),
            nodes: batches.iter().map(|b| b.len() as u32).sum(),
            nodes_replaced: replaced as u32,
            steps: self.world.steps(),
            outcome: self.outcome(),
        }
    }

    pub(super) fn batches_ended(&self) -> u32 {
        let reports = self.world.runner().map_or(&[][..], |r| r.progress().batches());
        reports.iter().filter(|r| r.end_ms.is_some()).count() as u32
    }

    // --- what the simulation does with it ---

    /// Whether it lives no more at a moment.
    pub(super) fn is_over(&self, moment: i64) -> bool {
        match self.life {
            _ if self.has_stopped() => true,
            Life::Until(until) => moment > until && !self.world.migrates(),
            Life::Migration | Life::Others => false,
        }
    }

    /// Whether the run waits for it: a migration goes on, or something happens before its time is over.
    pub(super) fn is_awaited(&self) -> bool {
        self.world.migrates() || matches!(self.life, Life::Until(_)) && self.next_ms().is_some()
    }

    /// When it wants to be stepped; none if it never will. A migration that nothing will go on is given up last of all: until then
    /// somebody may still do something.
    pub(super) fn turn(&self) -> Option<i64> {
        if self.has_stopped() {
            return None;
        }
        if !self.world.has_begun() {
            return Some(i64::MIN);
        }
        self.next_ms().or(self.world.migrates().then_some(i64::MAX))
    }

    pub(super) fn step(&mut self) -> bool {
        let stepped = self.world.step();
        self.collect();
        stepped
    }

    /// Whether it stops with its migration, so that no other cluster and no moment decides about its end.
    pub(super) fn stops_with_migration(&self) -> bool {
        self.life == Life::Migration
    }

    /// Nodes in it now.
    pub(super) fn present(&self) -> u64 {
        self.fold.present()
    }

    pub(super) fn draw_from(&mut self, seed: u64) {
        self.seed = seed;
        self.world.draw_from(seed);
    }

    /// Hands on what happened since.
    pub(super) fn collect(&mut self) {
        let mut observations = self.world.take_observations();
        for observation in observations.drain(..) {
            self.fold.observe(&observation, self.world.view());
            self.sink.observe(self.site, observation, self.world.view());
        }
        self.world.reuse(observations);
        if self.sink.keeps_lines() {
            let lines = self.world.take_lines();
            self.sink.print(lines);
        }
    }

    pub(super) fn into_result(mut self) -> RunResult {
        let (outcome, failure) = match self.world.ended() {
            Some((outcome, failure)) => (outcome, failure.cloned()),
            None if self.world.migrates() => (Outcome::Failed, None),
            None => (Outcome::Completed, None),
        };
        let failure = failure.map(|mut failure| {
            failure.cause.push_str(&self.waiting_pods());
            let waits = !self.fold.waiting().is_empty() || failure.reason == Reason::NoNewNodes.code();
            let full = self.full_groups();
            if let Some((_, what)) = full.iter().find(|(assumed, _)| *assumed && waits) {
                failure.cause = format!("This rests on an assumption: {what}\n{}", failure.cause);
                failure.remedy =
                    format!("Give the real maximum of the group with --groups, then plan again. {}", failure.remedy);
            }
            full.iter().for_each(|(_, what)| _ = write!(failure.cause, "\n{what}"));
            failure
        });
        self.watch_on();
        let Trace { observations, lines } = self.sink.into_trace();
        let (duration_ms, steps) = (self.world.now(), self.world.steps());
        let (exits, returned_ms) = (self.world.exits().clone(), self.world.returned_ms().clone());
        let (catalog, state, violations) = self.world.into_parts();
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
            catalog,
            steps,
        }
    }

    /// Where a workload is not as ready as at the start when the migration ends, the cluster goes on without it for a while: does it become so?
    /// One that lives on shows it by itself.
    fn watch_on(&mut self) {
        if !self.fold.is_short() || self.world.ended().is_none() || !self.stops_with_migration() {
            return;
        }
        let mut after = self.world.clone();
        after.without_runner();
        let until = after.now().saturating_add(self.prepared.spec.options.watch_on_ms);
        while self.fold.is_short() && after.next_moment().is_some_and(|next| next <= until) {
            after.go_on();
            for mut observation in after.take_observations() {
                if observation.kind == EventKind::WorkloadChanged {
                    observation.detail = Some(Box::new(Detail { sim_only: true, ..Detail::default() }));
                    self.fold.observe(&observation, after.view());
                    self.sink.observe(self.site, observation, after.view());
                }
            }
        }
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

    /// Groups that had no more machines to give at the end, in words, to be added to a failure's cause; and whether their maximum is assumed.
    fn full_groups(&self) -> Vec<(bool, String)> {
        let View { catalog, state } = self.world.view();
        let full = catalog.groups.entries().filter_map(|(group, g)| {
            let nodes = state.nodes.iter().filter(|n| !n.gone && n.group == Some(group)).count();
            (nodes > 0 && nodes >= g.max_count as usize).then(|| {
                let assumed = if g.max_is_assumed { ", which is assumed" } else { "" };
                let text =
                    format!("node group {} is at its maximum of {} nodes{assumed}", catalog.text(g.id), g.max_count);
                (g.max_is_assumed, text)
            })
        });
        full.collect()
    }
}

impl std::fmt::Debug for SiteRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteRun")
            .field("name", &self.name())
            .field("seed", &self.seed)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
