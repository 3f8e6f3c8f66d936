//! The token bucket of client-go's rate limiters, in integer time.

use serde::{Deserialize, Serialize};

/// A client's limits: sustained calls a second, and how many may go at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls a second; 0 for no limit.
    pub qps: u32,
    /// Calls at once.
    pub burst: u32,
}

/// A token bucket (client-go `util/flowcontrol`, golang.org/x/time/rate): each call takes one token, in order, and
/// waits until it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    limit: RateLimit,
    /// Tokens in thousandths of a token times `qps`-milliseconds: one token is 1000 units, `qps` units arrive a millisecond.
    units: i64,
    at_ms: i64,
}

const TOKEN: i64 = 1000;

impl TokenBucket {
    /// A full bucket at `now_ms`.
    pub fn new(limit: RateLimit, now_ms: i64) -> TokenBucket {
        TokenBucket { limit, units: i64::from(limit.burst) * TOKEN, at_ms: now_ms }
    }
    /// Takes a token and says at which moment the call may go (`now_ms` if at once). Calls queue up behind each other.
    pub fn reserve(&mut self, now_ms: i64) -> i64 {
        if self.limit.qps == 0 {
            return now_ms;
        }
        let qps = i64::from(self.limit.qps);
        if now_ms > self.at_ms {
            let cap = i64::from(self.limit.burst) * TOKEN;
            self.units = self.units.saturating_add(qps.saturating_mul(now_ms - self.at_ms)).min(cap);
            self.at_ms = now_ms;
        }
        self.units -= TOKEN;
        if self.units >= 0 { now_ms } else { self.at_ms + (-self.units + qps - 1) / qps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_sustained_rate() {
        let mut b = TokenBucket::new(RateLimit { qps: 5, burst: 10 }, 0);
        let times: Vec<i64> = (0..13).map(|_| b.reserve(0)).collect();
        assert_eq!(times[..10], [0; 10]);
        assert_eq!(times[10..], [200, 400, 600]);
        assert_eq!(b.reserve(100_000), 100_000, "rests until full again");
    }

    #[test]
    fn no_limit_never_waits() {
        let mut b = TokenBucket::new(RateLimit { qps: 0, burst: 0 }, 0);
        assert_eq!((0..100).map(|_| b.reserve(7)).max(), Some(7));
    }
}
