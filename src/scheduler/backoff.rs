//! How long a rejected pod waits before it may be tried again.

/// Settings of the scheduling queue; `Default` is upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// `podInitialBackoffSeconds`, in milliseconds (default 1 s).
    pub initial_backoff_ms: i64,
    /// `podMaxBackoffSeconds`, in milliseconds (default 10 s); 0 turns backoff off.
    pub max_backoff_ms: i64,
    /// `--pod-max-in-unschedulable-pods-duration`, in milliseconds (default 5 min).
    pub max_unschedulable_ms: i64,
    /// How often the former is looked at, in milliseconds (upstream: 30 s, counted from the scheduler's start).
    pub flush_every_ms: i64,
    /// Feature gate SchedulerPopFromBackoffQ (on in 1.36): an idle scheduler takes pods that are still backing off.
    pub pop_from_backoff: bool,
}

impl Default for QueueConfig {
    fn default() -> QueueConfig {
        QueueConfig {
            initial_backoff_ms: 1_000,
            max_backoff_ms: 10_000,
            max_unschedulable_ms: 300_000,
            flush_every_ms: 30_000,
            pop_from_backoff: true,
        }
    }
}

/// `backoffQOrderingWindowDuration`: expiries are cut down to it, and the flush runs at its multiples.
const WINDOW_MS: i64 = 1_000;

impl QueueConfig {
    /// Cuts a moment down to the ordering window (`backoff_queue.go alignToWindow`).
    pub fn align(&self, at_ms: i64) -> i64 {
        if self.pop_from_backoff { at_ms.div_euclid(WINDOW_MS) * WINDOW_MS } else { at_ms }
    }
    /// Duration of the backoff after `attempts` failures, 0 for none (`calculateBackoffDuration`).
    pub fn duration(&self, attempts: u32) -> i64 {
        if attempts == 0 || self.max_backoff_ms == 0 {
            return 0;
        }
        let shift = (attempts - 1).min(62);
        if self.initial_backoff_ms > self.max_backoff_ms >> shift {
            return self.max_backoff_ms;
        }
        self.initial_backoff_ms << shift
    }
    /// When the backoff of a pod ends that failed at `timestamp` for the `attempts`-th time; None if it has none (`getBackoffTime`).
    pub fn expiry(&self, timestamp: i64, attempts: u32) -> Option<i64> {
        (attempts > 0 && self.max_backoff_ms > 0).then(|| self.align(timestamp + self.duration(attempts)))
    }
    /// Whether a backoff that ends at `expiry` still lasts: equality with the current window counts (`isPodBackingoff`).
    pub fn lasts(&self, expiry: Option<i64>, now: i64) -> bool {
        expiry.is_some_and(|e| e >= self.align(now))
    }
    /// The whole-second tick whose flush takes a pod with this expiry out of the backoff queue.
    pub fn tick_after(expiry: i64) -> i64 {
        (expiry.div_euclid(WINDOW_MS) + 1) * WINDOW_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_maximum() {
        let c = QueueConfig::default();
        let seen: Vec<i64> = (0..8).map(|n| c.duration(n)).collect();
        assert_eq!(seen, [0, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
        assert_eq!(c.duration(u32::MAX), 10_000);
    }

    #[test]
    fn expiry_is_cut_to_whole_seconds_and_lasts_through_its_window() {
        let c = QueueConfig::default();
        let expiry = c.expiry(1_700, 1);
        assert_eq!(expiry, Some(2_000));
        assert!(c.lasts(expiry, 2_999));
        assert!(!c.lasts(expiry, 3_000));
        assert_eq!(QueueConfig::tick_after(2_000), 3_000);
        assert_eq!(c.expiry(-1_300, 1), Some(-1_000));
    }
}
