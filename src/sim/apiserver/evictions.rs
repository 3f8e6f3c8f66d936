//! Evictions that the API server is working on: between the look at a budget and the write of its status, others come.
//!
//! The server reads the budget, decides, and writes the status back through its own client, on the condition that nobody
//! has written it since. Whoever comes second in the same moment finds a conflict, sleeps half a second and looks again
//! (pkg/registry/core/pod/storage/eviction.go, 1.36: `EvictionsRetry`, `checkAndDecrement`). Two pods of one budget that
//! `kubectl drain` evicts at once are such a pair.
//!
//! Before that it lists the budgets, at the newest version there is. Such a list comes from the watch cache, which must be told that it
//! has seen all; the server asks etcd for that ten times a second at most (`storage/cacher/progress`, since 1.31). So evictions that come faster
//! wait for each other, are let go together, and meet at their budget.

use super::Removal;
use crate::cluster::draw::Draws;
use crate::cluster::{BudgetIdx, Change, PodIdx};
use std::collections::BTreeMap;

/// `EvictionsRetry`: tries in all.
const TRIES: u32 = 20;
/// `EvictionsRetry`: the sleep after a conflict, and the most that its jitter adds (a tenth).
const SLEEP_MS: i64 = 500;
const JITTER_MS: u64 = 50;

/// `progressRequestPeriod`: from one question to etcd how far its watches are to the next.
const PROGRESS_MS: i64 = 100;

/// An eviction whose budget has been looked at.
#[derive(Clone, Debug)]
pub struct Eviction {
    /// Which pod.
    pub pod: PodIdx,
    /// `deleteOptions.gracePeriodSeconds`, in milliseconds.
    pub grace_ms: Option<i64>,
    /// The budget that it will be charged to.
    pub budget: BudgetIdx,
    /// How often the budget's status had been written when it was looked at.
    seen: u64,
    tries: u32,
}

/// What became of a write of a budget's status.
#[derive(Clone, Debug)]
pub enum Write {
    /// It stands.
    Done(Eviction),
    /// Somebody else wrote in between: look again after so many milliseconds.
    Conflict(i64),
    /// The last try ended in a conflict too.
    GivenUp(Eviction),
}

/// All of them, by the number of their call.
#[derive(Clone, Debug, Default)]
pub struct Evictions {
    written: BTreeMap<BudgetIdx, u64>,
    open: BTreeMap<u64, Eviction>,
    waiting: BTreeMap<u64, Removal>,
    /// When etcd was last asked how far the watch of budgets is, or will be.
    asked: Option<i64>,
    /// Something was written since the watch cache of budgets knew that it had seen all.
    stale: bool,
}

impl Evictions {
    /// Counts the writes of each budget's status, and notes others.
    pub fn on_change(&mut self, change: Change) {
        self.stale = true;
        if let Change::Budget(budget) = change {
            *self.written.entry(budget).or_default() += 1;
            // The cache sees it as an event, whose version is the newest.
            self.stale = false;
        }
    }

    /// When the budgets are listed for an eviction that arrives now.
    pub fn list_at(&mut self, now: i64) -> i64 {
        if !self.stale {
            return now;
        }
        let at = match self.asked {
            Some(asked) if now <= asked => asked,
            Some(asked) => now.max(asked + PROGRESS_MS),
            None => now,
        };
        self.asked = Some(at);
        self.stale = at > now;
        at
    }

    /// An eviction waits for the list.
    pub fn wait(&mut self, call: u64, removal: Removal) {
        self.waiting.insert(call, removal);
    }

    /// The list is there.
    pub fn listed(&mut self, call: u64) -> Option<Removal> {
        self.stale = false;
        self.waiting.remove(&call)
    }

    fn version(&self, budget: BudgetIdx) -> u64 {
        self.written.get(&budget).copied().unwrap_or(0)
    }

    /// A budget has been looked at for a call and allows it.
    pub fn looked(&mut self, call: u64, pod: PodIdx, grace_ms: Option<i64>, budget: BudgetIdx) {
        let seen = self.version(budget);
        self.open.insert(call, Eviction { pod, grace_ms, budget, seen, tries: 1 });
    }

    /// The budget has been looked at again.
    pub fn looked_again(&mut self, call: u64) {
        if let Some(budget) = self.open.get(&call).map(|e| e.budget) {
            let seen = self.version(budget);
            if let Some(e) = self.open.get_mut(&call) {
                (e.seen, e.tries) = (seen, e.tries + 1);
            }
        }
    }

    /// The eviction of a call.
    pub fn get(&self, call: u64) -> Option<&Eviction> {
        self.open.get(&call)
    }

    /// A call is answered without a write.
    pub fn forget(&mut self, call: u64) -> Option<Eviction> {
        self.open.remove(&call)
    }

    /// The write of a call's status arrives; `name` is the pod's, for the draw of the jitter.
    pub fn write(&mut self, call: u64, draws: &Draws, name: &str) -> Option<Write> {
        let e = self.open.get(&call)?;
        if e.seen != self.version(e.budget) {
            if e.tries < TRIES {
                let jitter = draws.below(name, "eviction-conflict", u64::from(e.tries), JITTER_MS) as i64;
                return Some(Write::Conflict(SLEEP_MS + jitter));
            }
            return self.open.remove(&call).map(Write::GivenUp);
        }
        self.open.remove(&call).map(Write::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: BudgetIdx = BudgetIdx(0);

    fn wrote(e: &mut Evictions, call: u64) -> Option<Write> {
        e.write(call, &Draws::new(1), "default/p")
    }

    #[test]
    fn of_two_that_looked_at_once_the_second_must_look_again() {
        let mut e = Evictions::default();
        e.looked(1, PodIdx(1), None, BUDGET);
        e.looked(2, PodIdx(2), None, BUDGET);
        assert!(matches!(wrote(&mut e, 1), Some(Write::Done(_))));
        e.on_change(Change::Budget(BUDGET));
        let Some(Write::Conflict(ms)) = wrote(&mut e, 2) else { panic!("no conflict") };
        assert!((500..550).contains(&ms), "{ms}");
        e.looked_again(2);
        assert!(matches!(wrote(&mut e, 2), Some(Write::Done(_))));
    }

    #[test]
    fn a_list_of_budgets_waits_for_the_next_word_of_etcd_if_anything_was_written() {
        let wrote = |e: &mut Evictions| e.on_change(Change::Pod(PodIdx(9), crate::cluster::PodChange::Bound));
        let mut e = Evictions::default();
        assert_eq!(e.list_at(1_000), 1_000);
        wrote(&mut e);
        // The first question goes out at once, those in the same moment are answered by it, later ones by the next, 100 ms after.
        assert_eq!(e.list_at(1_000), 1_000);
        assert_eq!(e.list_at(1_000), 1_000);
        wrote(&mut e);
        assert_eq!(e.list_at(1_030), 1_100);
        assert_eq!(e.list_at(1_080), 1_100);
        let removal = Removal { pod: PodIdx(1), by_uid: true, grace_ms: None };
        e.wait(7, removal);
        assert_eq!((e.listed(7), e.listed(7)), (Some(removal), None));
        // Nothing was written since: the cache is known to be fresh. A budget's own status makes it so too.
        assert_eq!(e.list_at(1_110), 1_110);
        wrote(&mut e);
        e.on_change(Change::Budget(BUDGET));
        assert_eq!(e.list_at(1_120), 1_120);
        wrote(&mut e);
        assert_eq!(e.list_at(1_500), 1_500);
    }

    #[test]
    fn after_twenty_conflicts_it_gives_up() {
        let mut e = Evictions::default();
        e.looked(1, PodIdx(1), None, BUDGET);
        let mut conflicts = 0;
        loop {
            e.on_change(Change::Budget(BUDGET));
            match wrote(&mut e, 1) {
                Some(Write::Conflict(_)) => conflicts += 1,
                Some(Write::GivenUp(_)) => break,
                other => panic!("{other:?}"),
            }
            e.looked_again(1);
        }
        assert_eq!(conflicts, 19);
        assert!(e.get(1).is_none());
    }
}
