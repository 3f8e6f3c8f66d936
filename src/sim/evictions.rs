//! Evictions that the API server is working on: between the look at a budget and the write of its status, others come.
//!
//! The server reads the budget, decides, and writes the status back through its own client, on the condition that nobody
//! has written it since. Whoever comes second in the same moment finds a conflict, sleeps half a second and looks again
//! (pkg/registry/core/pod/storage/eviction.go, 1.36: `EvictionsRetry`, `checkAndDecrement`). Two pods of one budget that
//! `kubectl drain` evicts at once are such a pair.

use crate::cluster::draw::Draws;
use crate::cluster::{BudgetIdx, Change, PodIdx};
use std::collections::BTreeMap;

/// `EvictionsRetry`: tries in all.
const TRIES: u32 = 20;
/// `EvictionsRetry`: the sleep after a conflict, and the most that its jitter adds (a tenth).
const SLEEP_MS: i64 = 500;
const JITTER_MS: u64 = 50;

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
}

impl Evictions {
    /// Counts the writes of each budget's status.
    pub fn on_change(&mut self, change: Change) {
        if let Change::Budget(budget) = change {
            *self.written.entry(budget).or_default() += 1;
        }
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
