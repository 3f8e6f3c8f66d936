//! The wall clock: read once when a process starts, and counted on from there by a clock that never goes back and does not stand still while
//! the machine sleeps.

use crate::runner::Ms;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::Instant;

/// Milliseconds since 1970, by the machine's clock.
#[allow(clippy::disallowed_methods)] // an execution takes place in wall time; nothing that is simulated asks for it
pub fn unix_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Time since the machine has started, the time asleep included: a Lease lapses while we sleep, which a clock that stands still then would
/// not show.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn awake_or_asleep() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0).min(999_999_999))
}

/// Where no clock of the kind is known, a time asleep shows when the wall clock is ahead of the other.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[allow(clippy::disallowed_methods)]
fn awake_or_asleep() -> Duration {
    static START: OnceLock<(std::time::Instant, std::time::SystemTime)> = OnceLock::new();
    let (instant, wall) = START.get_or_init(|| (std::time::Instant::now(), std::time::SystemTime::now()));
    instant.elapsed().max(wall.elapsed().unwrap_or_default())
}

/// Milliseconds since 1970 by the wall clock of the process's start, counted on from there: what is set meanwhile does not show.
pub fn counted_unix_ms() -> i64 {
    static START: OnceLock<(i64, Duration)> = OnceLock::new();
    let (unix, at) = START.get_or_init(|| (unix_ms(), awake_or_asleep()));
    let counted = awake_or_asleep().saturating_sub(*at).as_millis();
    unix.saturating_add(i64::try_from(counted).unwrap_or(i64::MAX))
}

/// Time since an execution began, over all its processes; never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    at_start: Ms,
    /// [`counted_unix_ms`] then.
    started: i64,
    began_unix_ms: i64,
}

impl Clock {
    /// The clock of an execution that began at `began_unix_ms` and whose journal has come to `latest`.
    pub fn since(began_unix_ms: i64, latest: Ms) -> Clock {
        let started = counted_unix_ms();
        Clock { at_start: at_start(started, began_unix_ms, latest), started, began_unix_ms }
    }

    /// Milliseconds since the execution began.
    pub fn now(&self) -> Ms {
        self.at_start.saturating_add(counted_unix_ms().saturating_sub(self.started).max(0))
    }

    /// The same as a time since 1970, as the session counts it.
    pub fn unix_ms(&self) -> i64 {
        self.began_unix_ms.saturating_add(self.now())
    }

    /// The instant at which [`Clock::now`] reaches `at`; now if it has. It is to be asked for again every second or so: instants stand still
    /// while the machine sleeps.
    pub fn instant(&self, at: Ms) -> Instant {
        // A wait of more than a month is asked for again when it is over.
        let wait = u64::try_from(at.saturating_sub(self.now())).unwrap_or(0).min(31 * 24 * 3_600_000);
        Instant::now() + Duration::from_millis(wait)
    }
}

/// A wall clock that was set back between two processes must not make the journal's time go back.
fn at_start(unix_ms: i64, began_unix_ms: i64, latest: Ms) -> Ms {
    unix_ms.saturating_sub(began_unix_ms).max(latest).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_does_not_turn_time_back() {
        assert_eq!(at_start(61_000, 1_000, 20_000), 60_000);
        assert_eq!(at_start(5_000, 1_000, 20_000), 20_000);
        assert_eq!(at_start(0, 1_000, 0), 0);
        assert_eq!(at_start(i64::MAX, i64::MIN, i64::MAX), i64::MAX);
    }

    #[test]
    fn time_goes_on_from_where_the_journal_is() {
        let clock = Clock::since(counted_unix_ms() + 3_600_000, 500);
        let first = clock.now();
        assert!((500..5_000).contains(&first), "{first}");
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.now() > first && clock.unix_ms() > counted_unix_ms() + 3_500_000);
        assert!(clock.instant(0) <= Instant::now() && clock.instant(first + 60_000) > Instant::now());
    }
}
