//! A world with a runner, as one who steps it sees it: what happened since, how far it is, and what can be done to it.

use super::World;
use crate::cluster::draw::Draws;
use crate::cluster::{Catalog, State, View};
use crate::runner::{Answer, Call, CallId, Failure, Outcome, Runner, StopMode, Stream};
use crate::sim::Violation;
use crate::sim::event::Timer;
use crate::sim::faults::{Component, Fault};
use crate::trace::Observation;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Calls from this number on are not the runner's: it never hears of them.
pub(super) const OTHERS: u64 = 1 << 63;

/// A line that the imitated command printed: its batch, where to, the text.
pub type Line = (u32, Stream, String);

impl World {
    /// The runner in it.
    pub fn runner(&self) -> Option<&Runner> {
        self.driver.runner.as_ref()
    }

    /// Whether the first instant has been settled.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// How the run ended, once it has.
    pub fn ended(&self) -> Option<(Outcome, Option<&Failure>)> {
        self.ended.as_ref().map(|(outcome, failure)| (*outcome, failure.as_ref()))
    }

    /// From now on the cluster is left to itself: the run has ended, and nobody makes calls or stops it.
    pub fn without_runner(&mut self) {
        self.ended = None;
        self.driver.runner = None;
        self.driver.is_nobody = true;
        self.lives_on = true;
        self.driver.runner_wakeup = None;
        self.driver.stop_at = None;
        self.site.observations.clear();
    }

    /// Lets the next moment come in a cluster that is left to itself.
    pub fn go_on(&mut self) {
        if let Some(next) = self.next_moment() {
            self.reach(next);
        }
    }

    /// The cluster now.
    pub fn view(&self) -> View<'_> {
        self.site.view()
    }

    /// Events handled so far.
    pub fn steps(&self) -> u64 {
        self.site.steps
    }

    /// What happened since it was taken last, in order.
    pub fn take_observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.site.observations)
    }

    /// Gives the list back that was taken, read to its end: the next observations need no new one.
    pub fn reuse(&mut self, mut list: Vec<Observation>) {
        if self.site.observations.is_empty() {
            list.clear();
            self.site.observations = list;
        }
    }

    /// From now on what the imitated command prints is not kept.
    pub fn without_lines(&mut self) {
        self.driver.outbox.without_lines = true;
    }

    /// What the imitated command printed since it was taken last.
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.driver.lines)
    }

    /// Exit status of the imitated command, by batch.
    pub fn exits(&self) -> &BTreeMap<u32, i32> {
        &self.driver.exits
    }

    /// When the imitated command returned, by batch.
    pub fn returned_ms(&self) -> &BTreeMap<u32, i64> {
        &self.driver.returned_ms
    }

    /// The parts that outlive the run: the cluster at its end with the catalogue of its indices, and broken invariants.
    pub fn into_parts(self) -> (Arc<Catalog>, State, Vec<Violation>) {
        (self.site.catalog, self.site.state, self.site.checkers.violations)
    }

    /// From now on the runner is serialised and resumed before every input: the end must be the same.
    pub fn restart_runner_before_every_input(&mut self) {
        self.driver.restarts = true;
    }

    /// What is drawn from now on is drawn for this seed; what was drawn stays.
    pub fn draw_from(&mut self, seed: u64) {
        self.site.draws = Draws::new(seed);
    }

    /// From now on this can go wrong too, as if it stood last in the scenario's list.
    pub fn add_fault(&mut self, fault: Fault) {
        let moment = fault.wakes_at().filter(|at| *at >= self.site.now);
        let nth = self.site.faults.add(fault);
        if let Some(at) = moment {
            self.site.timers.schedule(at, Timer::Fault(nth));
        }
    }

    /// Lets somebody add to the catalogue what is made later: pod specs, with their names and namespaces.
    ///
    /// # Errors
    /// What stood against it; then nothing is changed.
    pub fn grow_catalog<T, E>(&mut self, grow: impl FnOnce(&mut Catalog) -> Result<T, E>) -> Result<T, E> {
        let mut catalog = Catalog::clone(&self.site.catalog);
        let grown = grow(&mut catalog)?;
        self.site.state.catalog_grew(&catalog);
        self.site.disruption.catalog_grew(&catalog);
        self.site.catalog = Arc::new(catalog);
        Ok(grown)
    }

    /// How many faults its list has.
    pub fn faults(&self) -> usize {
        self.site.faults.list().len()
    }

    /// A component that is away is there again at `at`, which is neither in the past nor after the next moment; false if it is not away.
    pub fn restore(&mut self, at: i64, component: Component) -> bool {
        self.pass_to(at);
        self.site.restore(component)
    }

    /// Somebody stops the migration at `at`, which is not in the past.
    pub fn stop_at(&mut self, at: i64, mode: StopMode) {
        self.driver.stop_at = Some((at, mode));
    }

    /// The present moment comes to be `at`, which is neither in the past nor after the next moment.
    fn pass_to(&mut self, at: i64) {
        self.site.now = self.site.now.max(at);
        self.site.checkers.time(self.site.now);
    }

    /// Somebody else makes a call at `at`, which is neither in the past nor after the next moment. Returns its number, under which
    /// [`World::answer_of`] finds what became of it.
    pub fn call_of_others(&mut self, at: i64, call: Call) -> CallId {
        self.pass_to(at);
        let id = OTHERS + self.calls.of_others;
        self.calls.of_others += 1;
        self.calls.under_way.insert(id, call);
        self.perform(id);
        self.settle();
        CallId(id)
    }

    /// What became of a call of somebody else; None while it is not answered.
    pub fn answer_of(&self, call: CallId) -> Option<&Answer> {
        self.driver.told.answers.iter().find(|(id, _)| *id == call.0).and_then(|(_, answer)| answer.as_ref().ok())
    }
}
