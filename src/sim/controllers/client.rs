//! A controller's API client.

use crate::cluster::{RateLimit, TokenBucket};

/// One controller's client: kube-controller-manager gives each of its controllers a client of its own, with a limiter
/// of its own (`--kube-api-qps` 20, `--kube-api-burst` 30; cmd/kube-controller-manager `ClientOrDie`,
/// client-go `NewForConfig`). Writes of pods, of status and of events all pass it.
#[derive(Clone, Debug)]
pub struct Client {
    bucket: TokenBucket,
}

impl Client {
    /// A client that has rested.
    pub fn new(limit: RateLimit) -> Client {
        Client { bucket: TokenBucket::new(limit, i64::MIN / 4) }
    }
    /// Makes a call; the moment at which it leaves.
    pub fn call(&mut self, now: i64) -> i64 {
        self.bucket.reserve(now)
    }
}
