//! When a call whose answer was lost, or was none, is made again: later each time, until it is answered.

use crate::runner::Ms;
use std::collections::BTreeMap;

/// After the first time so long, so that nobody hammers a server that is away; doubled each time up to the most.
const FIRST_MS: Ms = 1000;
/// The most.
const MOST_MS: Ms = 10_000;

/// How often in a row each call was not answered.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    streaks: BTreeMap<String, u32>,
}

impl Backoff {
    /// How long a call waits if it is not answered this time.
    pub fn delay(&self, call: &str) -> Ms {
        let streak = self.streaks.get(call).copied().unwrap_or(0).min(10);
        (FIRST_MS << streak).min(MOST_MS)
    }
    /// It was not answered.
    pub fn lost(&mut self, call: String) {
        *self.streaks.entry(call).or_default() += 1;
    }
    /// It was answered.
    pub fn answered(&mut self, call: &str) {
        self.streaks.remove(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_waits_longer_each_time_until_it_is_answered() {
        let mut b = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(b.delay("list pods of node a"));
            b.lost("list pods of node a".into());
        }
        assert_eq!(waits, [1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(b.delay("list pods of node b"), 1000);
        b.answered("list pods of node a");
        assert_eq!(b.delay("list pods of node a"), 1000);
    }
}
