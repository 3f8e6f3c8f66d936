//! The scheduling cycle.

use super::config::SchedulerConfig;
use super::decision::Decision;
use super::plugin::Rejection;
use crate::cluster::{Catalog, NodeIdx, PodIdx, State};

/// The scheduler's derived knowledge of a state: classes, columns, counts.
#[derive(Clone, Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    cursor: u64,
}

impl Scheduler {
    /// A scheduler that has seen all of `state`.
    pub fn new(catalog: &Catalog, state: &State, config: SchedulerConfig) -> Scheduler {
        let mut scheduler = Scheduler { config, cursor: 0 };
        scheduler.sync(catalog, state);
        scheduler
    }
    /// The parameters.
    pub fn config(&self) -> &SchedulerConfig {
        &self.config
    }
    /// Up to where the change log was read; the log may be forgotten up to here.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }
    /// Reads the change log from where it was left. [`Scheduler::decide`] and [`Scheduler::check`] do so themselves.
    pub fn sync(&mut self, _catalog: &Catalog, state: &State) {
        self.cursor = state.cursor();
    }
    /// Runs one cycle for a pending pod. Binds nothing; the state is as before when it returns (hypotheses are taken back).
    ///
    /// `tie(n)` draws one of `n` equally good nodes; it is asked only with [`super::TieBreak::Uniform`].
    pub fn decide(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx, tie: &mut dyn FnMut(usize) -> usize) -> Decision {
        self.run(catalog, state, pod, tie, false)
    }
    /// As [`Scheduler::decide`], with every feasible node's scores.
    pub fn explain(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx, tie: &mut dyn FnMut(usize) -> usize) -> Decision {
        self.run(catalog, state, pod, tie, true)
    }
    fn run(&mut self, catalog: &Catalog, state: &mut State, _pod: PodIdx, _tie: &mut dyn FnMut(usize) -> usize, _explain: bool) -> Decision {
        self.sync(catalog, state);
        Decision { verdict: super::Verdict::Unschedulable(Default::default()), feasible: 0, evaluated: 0, explanation: None }
    }
    /// Runs the filters for one node as the state stands (also within a hypothesis), pods nominated to it taken into
    /// account (`RunFilterPluginsWithNominatedPods`). For preemption's dry run.
    ///
    /// # Errors
    /// The first refusal.
    pub fn check(&mut self, catalog: &Catalog, state: &mut State, _pod: PodIdx, _node: NodeIdx) -> Result<(), Rejection> {
        self.sync(catalog, state);
        Ok(())
    }
}
