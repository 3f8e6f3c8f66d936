//! How soon a list or watch that failed is asked for again, as client-go's reflector does it (`tools/cache/reflector.go`, v0.36.3:
//! `wait.Backoff.DelayWithReset`): from 0.8 s on, doubled each time, at most 30 s, each with as much again by chance; from the start again once
//! nothing has failed for two minutes, and not as soon as something succeeds. So a server whose watches all end at once, or are too old again
//! and again, is asked ever more rarely.

use crate::cluster::draw::Draws;
use crate::runner::Ms;

/// The first time.
const FIRST_MS: Ms = 800;
/// The most, without what chance adds.
const MOST_MS: Ms = 30_000;
/// Nothing has failed for so long: from the start again.
const RESET_MS: Ms = 120_000;
/// What a server asks for is granted up to so long (C): a minute hence all may be different.
const MOST_PATIENCE_MS: Ms = 60_000;
/// So many failures in a row are worth a note (C): single ones are daily business.
const NOTED: u32 = 4;

/// The waits of one kind's lists and watches.
#[derive(Debug)]
pub(super) struct Pace {
    draws: Draws,
    name: &'static str,
    /// How often it waited, in all.
    nth: u64,
    /// How often in a row.
    row: u32,
    /// The end of the latest wait.
    last: Option<Ms>,
    step: Ms,
}

impl Pace {
    /// Of a kind; `seed` is the process's, so that many of them do not ask at the same moments.
    pub fn new(seed: u64, name: &'static str) -> Pace {
        Pace { draws: Draws::new(seed), name, nth: 0, row: 0, last: None, step: FIRST_MS }
    }

    /// When to ask again, after a failure now.
    pub fn next(&mut self, now: Ms, at_least: Option<Ms>) -> Ms {
        if self.last.is_none_or(|at| now.saturating_sub(at) >= RESET_MS) {
            (self.step, self.row) = (FIRST_MS, 0);
        }
        let chance = self.draws.between(self.name, "reflector", self.nth, 0, self.step.unsigned_abs());
        let wait = self.step.saturating_add_unsigned(chance).max(at_least.unwrap_or(0).min(MOST_PATIENCE_MS));
        self.step = self.step.saturating_mul(2).min(MOST_MS);
        (self.nth, self.row) = (self.nth + 1, self.row.saturating_add(1));
        let at = now.saturating_add(wait);
        self.last = Some(at);
        at
    }

    /// Whether the latest failure is the one in a row with which a person should hear of it.
    pub fn is_notable(&self) -> bool {
        self.row == NOTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_as_a_reflector_does() {
        let mut pace = Pace::new(7, "pods");
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..10 {
            let at = pace.next(now, None);
            waits.push(at - now);
            now = at + 5;
        }
        for (i, wait) in waits.iter().enumerate() {
            let step = (FIRST_MS << i.min(10)).min(MOST_MS);
            assert!((step..=2 * step).contains(wait), "{i}: {wait} of {step}");
        }
        assert!(waits.iter().any(|w| *w != (FIRST_MS << 3).min(MOST_MS)), "chance has its part: {waits:?}");
        // What works for a while in between does not set it back, a quiet time does.
        let after_a_minute = pace.next(now + 60_000, None) - (now + 60_000);
        assert!(after_a_minute >= MOST_MS, "{after_a_minute}");
        let later = now + 60_000 + after_a_minute + RESET_MS;
        assert!(pace.next(later, None) - later <= 2 * FIRST_MS);
    }

    #[test]
    fn a_server_may_ask_for_patience_and_not_for_an_hour() {
        let mut pace = Pace::new(1, "nodes");
        assert!(pace.next(0, Some(20_000)) >= 20_000);
        assert_eq!(Pace::new(1, "nodes").next(0, Some(i64::MAX)), MOST_PATIENCE_MS);
        assert_eq!(Pace::new(1, "nodes").next(i64::MAX, None), i64::MAX);
    }

    #[test]
    fn a_row_of_failures_is_noted_once() {
        let mut pace = Pace::new(1, "nodes");
        let mut noted = 0;
        let mut now = 0;
        for _ in 0..50 {
            now = pace.next(now, None);
            noted += u32::from(pace.is_notable());
        }
        assert_eq!(noted, 1);
    }
}
