//! The disruption controller's one worker: its queue, its rate-limited writes, its conflicts with evictions.

use super::controller::DisruptionController;
use super::matching::BudgetIndex;
use crate::cluster::{Arena, BudgetIdx, BudgetStatus, Catalog, Change, RateLimit, State, TokenBucket};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// First delay of a retry (client-go `DefaultTypedControllerRateLimiter`: 5 ms, doubled, at most 1000 s).
const RETRY_MS: i64 = 5;

/// A moment at which the worker wants to be called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// To look at a budget ([`Worker::look`]).
    Look {
        /// When.
        at: i64,
        /// At which.
        budget: BudgetIdx,
    },
    /// To put a budget into the queue again ([`Worker::recheck`]).
    Recheck {
        /// When.
        at: i64,
        /// Which.
        budget: BudgetIdx,
    },
}

/// A status computed and waiting for the client's limiter.
#[derive(Clone, Debug)]
struct Write {
    budget: BudgetIdx,
    at: i64,
    /// The status it was computed from: if another has been stored since, the write is a conflict.
    base: BudgetStatus,
    status: BudgetStatus,
}

/// The disruption controller with its queue (disruption.go `worker`, `processNextWorkItem`, `sync`): one worker, a
/// client limited like every controller's, so that a status lags where many budgets change at once; and an eviction
/// that takes from the status meanwhile makes the write a conflict, which is retried.
#[derive(Clone, Debug)]
pub struct Worker {
    controller: DisruptionController,
    client: TokenBucket,
    latency_ms: i64,
    queued: Arena<BudgetIdx, bool>,
    rechecks: BTreeMap<BudgetIdx, i64>,
    failures: BTreeMap<BudgetIdx, u32>,
    writing: Option<Write>,
    /// Budgets whose turn came while the worker waited.
    waiting: VecDeque<BudgetIdx>,
}

impl Worker {
    /// The worker as it stands at the snapshot: an empty queue, and the stored statuses taken as they are. An event is
    /// looked at `latency_ms` after it.
    pub fn new(
        catalog: &Catalog,
        state: &State,
        index: Arc<BudgetIndex>,
        client: RateLimit,
        latency_ms: i64,
    ) -> Worker {
        Worker {
            controller: DisruptionController::new(catalog, state, index),
            client: TokenBucket::new(client, i64::MIN / 4),
            latency_ms,
            queued: catalog.budgets.iter().map(|_| false).collect(),
            rechecks: BTreeMap::new(),
            failures: BTreeMap::new(),
            writing: None,
            waiting: VecDeque::new(),
        }
    }
    /// Takes the index of a catalogue that has new specs since; of those that it had nothing may differ.
    pub fn set_index(&mut self, index: Arc<BudgetIndex>) {
        self.controller.set_index(index);
    }
    /// Which budgets cover which pods.
    pub fn index(&self) -> &Arc<BudgetIndex> {
        self.controller.index()
    }
    /// The rechecks that evictions before the snapshot have left.
    pub fn begin(&mut self, catalog: &Catalog, state: &State, now: i64) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for (budget, status) in state.budgets.entries() {
            if !status.disrupted.is_empty() {
                let computed = self.controller.look(catalog, state, budget, now);
                wakes.extend(self.plan_recheck(budget, computed.recheck_at));
            }
        }
        wakes
    }
    /// Takes a change in and enqueues what it enqueues.
    pub fn observe(&mut self, catalog: &Catalog, state: &State, change: Change, now: i64) -> Option<Wake> {
        let budget = self.controller.observe(catalog, state, change)?;
        self.enqueue(budget, now + self.latency_ms)
    }
    /// A recheck is due.
    pub fn recheck(&mut self, budget: BudgetIdx, now: i64) -> Option<Wake> {
        if self.rechecks.get(&budget).is_none_or(|at| *at > now) {
            return None;
        }
        self.rechecks.remove(&budget);
        self.enqueue(budget, now + RETRY_MS)
    }
    /// Looks at a budget and writes its status, now or when the client lets it.
    pub fn look(&mut self, catalog: &Catalog, state: &mut State, budget: BudgetIdx, now: i64) -> Vec<Wake> {
        let mut wakes = Vec::new();
        match self.writing.take() {
            Some(write) if write.budget == budget && write.at <= now => {
                wakes.extend(self.finish(state, write, now));
            }
            Some(write) => {
                // The one worker waits for its client; this budget's turn comes after.
                self.writing = Some(write);
                self.waiting.push_back(budget);
                return wakes;
            }
            None => self.sync(catalog, state, budget, now, &mut wakes),
        }
        if self.writing.is_none()
            && let Some(budget) = self.waiting.pop_front()
        {
            wakes.push(Wake::Look { at: now, budget });
        }
        wakes
    }

    fn sync(&mut self, catalog: &Catalog, state: &mut State, budget: BudgetIdx, now: i64, wakes: &mut Vec<Wake>) {
        if !std::mem::replace(&mut self.queued[budget], false) {
            return;
        }
        let computed = self.controller.look(catalog, state, budget, now);
        wakes.extend(self.plan_recheck(budget, computed.recheck_at));
        let base = state.budgets[budget].clone();
        if computed.status == base {
            self.failures.remove(&budget);
            return;
        }
        let write = Write { budget, at: self.client.reserve(now), base, status: computed.status };
        if write.at <= now {
            wakes.extend(self.finish(state, write, now));
        } else {
            let at = write.at;
            self.writing = Some(write);
            wakes.push(Wake::Look { at, budget });
        }
    }

    fn enqueue(&mut self, budget: BudgetIdx, at: i64) -> Option<Wake> {
        let queued = &mut self.queued[budget];
        (!std::mem::replace(queued, true)).then_some(Wake::Look { at, budget })
    }

    fn finish(&mut self, state: &mut State, write: Write, now: i64) -> Option<Wake> {
        if state.budgets[write.budget] == write.base {
            self.failures.remove(&write.budget);
            state.set_budget(write.budget, write.status);
            return None;
        }
        let failures = self.failures.entry(write.budget).or_insert(0);
        let delay = (RETRY_MS << (*failures).min(17)).min(1_000_000);
        *failures += 1;
        self.enqueue(write.budget, now + delay)
    }

    /// One recheck a budget, the earliest (client-go delaying queue).
    fn plan_recheck(&mut self, budget: BudgetIdx, at: Option<i64>) -> Option<Wake> {
        let at = at?;
        if self.rechecks.get(&budget).is_some_and(|known| *known <= at) {
            return None;
        }
        self.rechecks.insert(budget, at);
        Some(Wake::Recheck { at, budget })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::super::{Request, arithmetic::DELETION_TIMEOUT_MS, evict};
    use super::*;
    use crate::cluster::{Amount, Demand, PodIdx};

    /// A worker driven by its own wakes.
    struct Bench {
        catalog: Catalog,
        state: State,
        worker: Worker,
        wakes: Vec<Wake>,
        cursor: u64,
        now: i64,
    }

    impl Bench {
        fn new(mut w: World, client: RateLimit) -> Bench {
            let state = w.state();
            let index = Arc::new(BudgetIndex::new(&w.catalog));
            let mut worker = Worker::new(&w.catalog, &state, index, client, 5);
            let wakes = worker.begin(&w.catalog, &state, 0);
            Bench { cursor: state.cursor(), catalog: w.catalog, state, worker, wakes, now: 0 }
        }
        fn spread(&mut self) {
            while self.cursor < self.state.cursor() {
                let changes = self.state.changes_since(self.cursor).to_vec();
                self.cursor = self.state.cursor();
                for change in changes {
                    let wake = self.worker.observe(&self.catalog, &self.state, change, self.now);
                    self.wakes.extend(wake);
                }
            }
        }
        fn run_to(&mut self, until: i64) {
            self.spread();
            let at = |w: &Wake| match w {
                Wake::Look { at, .. } | Wake::Recheck { at, .. } => *at,
            };
            while let Some(i) = (0..self.wakes.len()).min_by_key(|i| (at(&self.wakes[*i]), *i)) {
                if at(&self.wakes[i]) > until {
                    break;
                }
                let wake = self.wakes.remove(i);
                self.now = at(&wake);
                match wake {
                    Wake::Look { budget, .. } => {
                        let more = self.worker.look(&self.catalog, &mut self.state, budget, self.now);
                        self.wakes.extend(more);
                    }
                    Wake::Recheck { budget, .. } => {
                        self.wakes.extend(self.worker.recheck(budget, self.now));
                    }
                }
                self.spread();
            }
            self.now = until;
        }
        fn healthy(&self) -> Vec<i64> {
            self.state.budgets.iter().map(|s| s.healthy).collect()
        }
    }

    const ONE: Demand = Demand::MinAvailable(Amount::Count(1));
    const NO_LIMIT: RateLimit = RateLimit { qps: 0, burst: 0 };

    #[test]
    fn a_status_follows_its_pods_after_the_latency() {
        let mut w = World::new();
        let pod = w.pod("p", "web", None, true);
        w.budget("b", "web", ONE);
        let mut b = Bench::new(w, NO_LIMIT);
        b.state.set_ready(pod, false, 0);
        b.state.set_ready(pod, true, 0);
        b.run_to(4);
        assert_eq!(b.healthy(), [0]);
        b.run_to(5);
        assert_eq!(b.healthy(), [1]);
    }

    #[test]
    fn many_budgets_wait_for_the_limiter() {
        // 20 a second, burst 30: of 50 statuses 30 go at once, then one each 50 ms.
        let mut w = World::new();
        for i in 0..50 {
            w.pod(&format!("p-{i}"), &format!("a{i}"), None, true);
            w.budget(&format!("b{i}"), &format!("a{i}"), ONE);
        }
        let mut b = Bench::new(w, RateLimit { qps: 20, burst: 30 });
        for i in 0..50 {
            b.state.set_ready(PodIdx(i), false, 0);
            b.state.set_ready(PodIdx(i), true, 0);
        }
        let known = |b: &mut Bench, at: i64| {
            b.run_to(at);
            b.healthy().iter().sum::<i64>()
        };
        assert_eq!(known(&mut b, 5), 30);
        assert_eq!(known(&mut b, 54), 30);
        assert_eq!(known(&mut b, 55), 31);
        assert_eq!(known(&mut b, 1_005), 50);
    }

    #[test]
    fn an_eviction_while_a_write_waits_makes_it_a_conflict() {
        let mut w = World::new();
        for (i, app) in ["x", "web", "web", "web"].into_iter().enumerate() {
            w.pod(&format!("p-{i}"), app, None, true);
        }
        w.budget("a", "x", ONE);
        let web = w.budget("b", "web", ONE);
        let mut b = Bench::new(w, RateLimit { qps: 1, burst: 1 });
        let status = BudgetStatus {
            allowed: 2,
            healthy: 3,
            desired: 1,
            expected: 3,
            observed_generation: 1,
            ..BudgetStatus::default()
        };
        b.state.set_budget(web, status);
        b.run_to(10);
        b.state.set_ready(PodIdx(0), false, 10);
        b.state.set_ready(PodIdx(0), true, 10);
        b.run_to(20);
        assert_eq!(b.state.budgets[BudgetIdx(0)].healthy, 1, "the one token is spent");
        b.state.set_ready(PodIdx(1), false, 20);
        b.run_to(100);
        assert_eq!(b.state.budgets[web].healthy, 3, "the limiter holds the write back");
        let index = b.worker.index().clone();
        let answer = evict(&b.catalog, &mut b.state, &index, PodIdx(2), Request::default(), 100);
        assert!(answer.is_accepted(), "the stored status still allows it");
        b.run_to(3_000);
        let s = &b.state.budgets[web];
        assert_eq!((s.allowed, s.healthy), (0, 1), "looked at again after the conflict");
        assert!(s.disrupted.is_empty());
    }

    #[test]
    fn an_eviction_that_deleted_nothing_is_forgotten_after_two_minutes() {
        let mut w = World::new();
        w.pod("p", "web", None, true);
        let budget = w.budget("b", "web", ONE);
        let mut b = Bench::new(w, NO_LIMIT);
        let status =
            BudgetStatus { observed_generation: 1, disrupted: vec![(PodIdx(0), 0)], ..BudgetStatus::default() };
        b.state.set_budget(budget, status);
        b.run_to(DELETION_TIMEOUT_MS + RETRY_MS - 1);
        assert_eq!(b.healthy(), [0]);
        b.run_to(DELETION_TIMEOUT_MS + RETRY_MS);
        assert_eq!(b.healthy(), [1]);
        assert!(b.state.budgets[budget].disrupted.is_empty());
    }
}
