//! When the node controller hears of nodes around an outage of the API server.
//!
//! Each kubelet renews its node's Lease and looks at its node's status every ten seconds, at moments of its own. The node controller
//! looks every five seconds at what its caches show, and takes the moment at which it sees a renewal as the node's last sign of life
//! (pkg/controller/nodelifecycle `tryUpdateNodeHealth`, 1.36). While the API server is away nothing is renewed and nothing can be
//! written. When it is back, the controller's watches are not at once: client-go waits longer and longer between its tries (client-go
//! `tools/cache` Reflector: from 0.8 s, doubled up to 30 s, each up to doubled by jitter), and until then it judges by what it saw last.

use crate::cluster::draw::Draws;

/// From one renewal of a node's Lease to the next: a quarter of its 40 s (pkg/kubelet `nodeLeaseRenewIntervalFraction`); a kubelet's
/// `nodeStatusUpdateFrequency` is as long.
pub const PERIOD_MS: i64 = 10_000;
/// `--node-monitor-period`.
pub const MONITOR_PERIOD_MS: i64 = 5_000;
/// A reflector's first pause, and its longest, without jitter.
const PAUSE_MS: i64 = 800;
const LONGEST_PAUSE_MS: i64 = 30_000;

/// The kubelet of one node, in its rhythm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm(i64);

impl Rhythm {
    /// That of the kubelet of a node of this name.
    pub fn of(draws: &Draws, node: &str) -> Rhythm {
        Rhythm(draws.below(node, "heartbeat", 0, PERIOD_MS as u64) as i64)
    }

    /// Its last heartbeat before a moment.
    pub fn last_before(self, moment: i64) -> i64 {
        self.next_from(moment) - PERIOD_MS
    }

    /// Its first heartbeat at a moment or after it.
    pub fn next_from(self, moment: i64) -> i64 {
        moment + (self.0 - moment).rem_euclid(PERIOD_MS)
    }
}

/// The controller's first look at a moment or after it.
pub fn look_from(moment: i64) -> i64 {
    moment + (-moment).rem_euclid(MONITOR_PERIOD_MS)
}

/// How long after the API server is back a watch is open again that broke when it went, `away_ms` before. `who` is the watcher.
pub fn reconnected_after_ms(draws: &Draws, who: &str, from: i64, away_ms: i64) -> i64 {
    let (mut tried, mut pause, mut nth) = (0, PAUSE_MS, 0);
    while tried < away_ms {
        let key = format!("{who} from {from}");
        tried += pause + draws.below(&key, "watch-pause", nth, pause as u64) as i64;
        (pause, nth) = ((pause * 2).min(LONGEST_PAUSE_MS), nth + 1);
    }
    tried - away_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_comes_every_ten_seconds_and_a_look_every_five() {
        let r = Rhythm(3_000);
        assert_eq!((r.last_before(3_000), r.next_from(3_000)), (-7_000, 3_000));
        assert_eq!((r.last_before(3_001), r.next_from(3_001)), (3_000, 13_000));
        assert_eq!((look_from(-1), look_from(0), look_from(1)), (0, 0, 5_000));
    }

    #[test]
    fn the_longer_the_outage_the_longer_a_watch_may_stay_away_up_to_a_minute() {
        let after = |away| (1..200).map(|s| reconnected_after_ms(&Draws::new(s), "c", 7, away)).collect::<Vec<_>>();
        let (short, long) = (after(1_000), after(600_000));
        assert!(short.iter().all(|ms| (0..=6_400).contains(ms)), "{short:?}");
        assert!(long.iter().all(|ms| (0..60_000).contains(ms)), "{long:?}");
        assert!(long.iter().any(|ms| *ms > 20_000));
        assert_eq!(reconnected_after_ms(&Draws::new(1), "c", 0, 0), 0);
    }
}
