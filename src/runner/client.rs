//! The client that carries calls out: one rate limiter per API group, calls in the order in which they were asked for.

use super::interface::{ApiGroup, CallId, Ms};
use super::refs::{N, P};
use crate::cluster::{RateLimit, TokenBucket};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A call in terms that survive a restart: objects by their place in [`super::progress::Common`]'s lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    Cordon(N),
    Uncordon(N),
    Taint(N),
    Untaint(N),
    Evict {
        pod: P,
        precondition: bool,
        grace_ms: Option<Ms>,
    },
    Delete {
        pod: P,
        precondition: bool,
        grace_ms: Option<Ms>,
    },
    GetPod(P),
    GetNode(N),
    ListPods(N),
    /// The n-th demand of the run shall have `total` nodes.
    Ensure {
        demand: u32,
        total: u32,
    },
    /// The n-th of the run's group names.
    Freeze {
        group: u32,
        scale_up: bool,
        scale_down: bool,
    },
    Unfreeze {
        group: u32,
    },
    Retire(N),
    /// The check before a batch.
    Check {
        batch: u32,
    },
    /// The approval of a batch.
    AwaitApproval {
        batch: u32,
    },
}

impl Ask {
    /// The node that the call cordons, if it does.
    pub fn cordons(self) -> Option<N> {
        match self {
            Ask::Cordon(n) => Some(n),
            _ => None,
        }
    }
    /// Whether it asks a gate between batches, which is not the API's.
    pub fn is_gate(self) -> bool {
        matches!(self, Ask::Check { .. } | Ask::AwaitApproval { .. })
    }
    fn api_group(self) -> ApiGroup {
        match self {
            Ask::Evict { .. } => ApiGroup::Policy,
            Ask::GetNode(_) => ApiGroup::Builder,
            Ask::Ensure { .. } | Ask::Freeze { .. } | Ask::Unfreeze { .. } | Ask::Retire(_) => ApiGroup::Provider,
            Ask::Check { .. } | Ask::AwaitApproval { .. } => ApiGroup::Provider,
            _ => ApiGroup::Core,
        }
    }
}

/// A call that waits for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Queued {
    at: Ms,
    id: CallId,
    ask: Ask,
}

/// The client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    limit: RateLimit,
    buckets: BTreeMap<ApiGroup, TokenBucket>,
    queue: Vec<Queued>,
    /// Calls that left and are unanswered.
    pub open: BTreeMap<CallId, Ask>,
    next: u64,
}

impl Client {
    pub fn new(limit: RateLimit) -> Client {
        Client { limit, buckets: BTreeMap::new(), queue: Vec::new(), open: BTreeMap::new(), next: 0 }
    }
    /// A fresh process: full buckets, and nothing of the old one is waited for.
    pub fn restart(&mut self) {
        self.buckets.clear();
        self.queue.clear();
        self.open.clear();
    }
    /// Takes a token of a group and says when the call may go. The provider's API is not limited by us.
    pub fn reserve(&mut self, group: ApiGroup, now: Ms) -> Ms {
        if group == ApiGroup::Provider {
            return now;
        }
        let limit = self.limit;
        self.buckets.entry(group).or_insert_with(|| TokenBucket::new(limit, now)).reserve(now)
    }
    /// Asks for a call; it leaves when its token is there.
    pub fn ask(&mut self, now: Ms, ask: Ask) -> CallId {
        let at = self.reserve(ask.api_group(), now);
        let id = CallId(self.next);
        self.next += 1;
        let place = self.queue.partition_point(|q| (q.at, q.id) <= (at, id));
        self.queue.insert(place, Queued { at, id, ask });
        id
    }
    /// Drops waiting calls that nobody wants any more.
    pub fn withdraw(&mut self, mut unwanted: impl FnMut(Ask) -> bool) {
        self.queue.retain(|q| !unwanted(q.ask));
    }
    /// Calls that may leave now, in order; they are open from here on.
    pub fn leaving(&mut self, now: Ms) -> Vec<(CallId, Ask)> {
        let n = self.queue.partition_point(|q| q.at <= now);
        let leaving: Vec<_> = self.queue.drain(..n).map(|q| (q.id, q.ask)).collect();
        self.open.extend(leaving.iter().copied());
        leaving
    }
    /// When the next call leaves.
    pub fn next_at(&self) -> Option<Ms> {
        self.queue.first().map(|q| q.at)
    }
    /// Calls that are unanswered or wait to leave.
    pub fn pending(&self) -> impl Iterator<Item = Ask> + '_ {
        self.open.values().copied().chain(self.queue.iter().map(|q| q.ask))
    }
    /// Whether nothing waits and nothing is unanswered.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.open.is_empty()
    }
}
