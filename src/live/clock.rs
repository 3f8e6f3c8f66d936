//! The wall clock: read once when a process starts, and counted on from there by a clock that never goes back.

use crate::runner::Ms;
use tokio::time::{Duration, Instant};

/// Milliseconds since 1970, by the machine's clock.
#[allow(clippy::disallowed_methods)] // an execution takes place in wall time; nothing that is simulated asks for it
pub fn unix_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Time since an execution began, over all its processes; never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    at_start: Ms,
    started: Instant,
}

impl Clock {
    /// The clock of an execution that began at `began_unix_ms` and whose journal has come to `latest`.
    pub fn since(began_unix_ms: i64, latest: Ms) -> Clock {
        Clock { at_start: at_start(unix_ms(), began_unix_ms, latest), started: Instant::now() }
    }
    /// Milliseconds since the execution began.
    pub fn now(&self) -> Ms {
        self.at_start.saturating_add(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
    /// The instant at which [`Clock::now`] reaches `at`; a moment ago if it has.
    pub fn instant(&self, at: Ms) -> Instant {
        // A wait of more than a month is asked for again when it is over.
        let wait = u64::try_from(at.saturating_sub(self.at_start)).unwrap_or(0).min(31 * 24 * 3_600_000);
        self.started + Duration::from_millis(wait)
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
    }
}
