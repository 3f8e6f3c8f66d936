//! Our disruption controller beside the recording: it sees the same pods, and must store the same statuses by itself.

use super::event::Seen;
use super::view::View;
use crate::cluster::{BudgetIdx, BudgetStatus, Change, PodChange, PodIdx, RateLimit};
use crate::disruption::eviction::Effect;
use crate::disruption::{Request, Wake, Worker, apply, verdict};

/// A client without limits: how long a status takes is not compared.
const UNLIMITED: RateLimit = RateLimit { qps: 0, burst: 0 };

/// A view whose statuses are our worker's own.
pub(super) struct Model {
    pub(super) view: View,
    worker: Worker,
    wakes: Vec<Wake>,
    cursor: u64,
}

impl Model {
    /// It as it stands at the first event.
    pub(super) fn new(view: View) -> Model {
        let mut model = Model { worker: worker(&view), wakes: Vec::new(), cursor: view.state.cursor(), view };
        model.restart(0);
        model
    }
    /// A new worker, for what the old one knew of labels and selectors no longer holds.
    fn restart(&mut self, now: i64) {
        self.worker = worker(&self.view);
        self.wakes = self.worker.begin(&self.view.catalog, &self.view.state, now);
    }
    /// Lets our statuses be the recorded ones, so that one difference does not make others.
    pub(super) fn adopt(&mut self, truth: &View, now: i64) {
        let same = self.view.state.budgets.iter().eq(truth.state.budgets.iter());
        self.view = truth.clone();
        self.cursor = self.view.state.cursor();
        if !same {
            self.restart(now);
        }
    }
    /// A pod or an owner as a watch shows it. Every event of a pod calls the controller, whatever of the pod changed.
    pub(super) fn see(&mut self, seen: &Seen, now: i64) {
        let before = self.view.state.pods.len();
        let relabelled = match seen {
            Seen::Pod { state, .. } => self.view.pod(state.uid).is_some_and(|p| {
                let spec = self.view.state.pods[p].spec;
                self.view.catalog.specs[spec].labels != self.view.catalog.specs[state.spec].labels
            }),
            Seen::Owner { gone, .. } => *gone,
            Seen::Budget { .. } => false,
        };
        let known = match seen {
            Seen::Pod { state, .. } => self.view.pod(state.uid),
            _ => None,
        };
        self.view.apply(seen);
        if relabelled {
            self.cursor = self.view.state.cursor();
            self.restart(now);
        }
        let added = (self.view.state.pods.len() > before).then_some(PodIdx(before as u32));
        if let Some(pod) = known.or(added) {
            self.observe(Change::Pod(pod, PodChange::Ready), now);
        }
        self.run(now);
    }
    /// An eviction was granted and charged; whether we grant it too.
    pub(super) fn charge(&mut self, pod: PodIdx, budget: BudgetIdx, now: i64) -> bool {
        let (catalog, index) = (self.view.catalog.clone(), self.view.index.clone());
        let answer = verdict(&catalog, &self.view.state, &index, pod);
        let granted = answer.effect == Effect::Charge(budget);
        if granted {
            apply(&catalog, &mut self.view.state, pod, &answer, Request::default(), now);
        }
        self.run(now);
        granted
    }
    /// A budget's spec was edited.
    pub(super) fn edit(&mut self, budget: BudgetIdx, spec: &crate::cluster::Budget, now: i64) {
        if self.view.edit(budget, spec) {
            self.restart(now);
        }
        self.observe(Change::Budget(budget), now);
        self.run(now);
    }
    /// A budget's status was written by hand.
    pub(super) fn plant(&mut self, budget: BudgetIdx, status: BudgetStatus, now: i64) {
        self.view.state.set_budget(budget, status);
        self.run(now);
    }
    fn observe(&mut self, change: Change, now: i64) {
        self.wakes.extend(self.worker.observe(&self.view.catalog, &self.view.state, change, now));
    }
    /// Lets the worker do all it has to do until now.
    pub(super) fn run(&mut self, now: i64) {
        loop {
            let changes = self.view.state.changes_since(self.cursor).to_vec();
            self.cursor = self.view.state.cursor();
            for change in changes {
                self.observe(change, now);
            }
            let at = |wake: &Wake| match wake {
                Wake::Look { at, .. } | Wake::Recheck { at, .. } => *at,
            };
            let due = (0..self.wakes.len()).filter(|i| at(&self.wakes[*i]) <= now);
            let Some(first) = due.min_by_key(|i| (at(&self.wakes[*i]), *i)) else { return };
            match self.wakes.remove(first) {
                Wake::Look { budget, at } => {
                    let (catalog, state) = (&self.view.catalog, &mut self.view.state);
                    self.wakes.extend(self.worker.look(catalog, state, budget, at));
                }
                Wake::Recheck { budget, at } => self.wakes.extend(self.worker.recheck(budget, at)),
            }
        }
    }
}

fn worker(view: &View) -> Worker {
    Worker::new(&view.catalog, &view.state, view.index.clone(), UNLIMITED, 0)
}
