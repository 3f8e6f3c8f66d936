//! The client that carries calls out: one rate limiter per API group, calls in the order in which they were asked for.

use super::interface::{ApiGroup, CallId, Ms};
use super::refs::{N, P};
use crate::cluster::{RateLimit, TokenBucket};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A call in terms that survive a restart: objects by their place in [`super::common::Common`]'s lists.
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
    /// Cordon a node again that somebody has made schedulable: ours, not the imitated command's.
    CordonAgain(N),
    /// Look which node bears the name: ours.
    LookNode(N),
    /// List the pods of the node that bears the name: ours.
    LookPods(N),
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
    /// Reimage the machine of an empty node in place.
    Reimage(N),
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
            Ask::Cordon(n) | Ask::CordonAgain(n) => Some(n),
            _ => None,
        }
    }
    /// Whether it belongs to the migration, not to the imitated client of a batch: it outlives that.
    pub fn is_own(self) -> bool {
        matches!(self, Ask::CordonAgain(_))
    }
    /// Whether it asks a gate between batches, which is not the API's.
    pub fn is_gate(self) -> bool {
        matches!(self, Ask::Check { .. } | Ask::AwaitApproval { .. })
    }
    fn api_group(self) -> ApiGroup {
        match self {
            Ask::Evict { .. } => ApiGroup::Policy,
            Ask::GetNode(_) => ApiGroup::Builder,
            Ask::CordonAgain(_) | Ask::LookNode(_) | Ask::LookPods(_) => ApiGroup::Own,
            Ask::Ensure { .. } | Ask::Freeze { .. } | Ask::Unfreeze { .. } => ApiGroup::Provider,
            Ask::Retire(_) | Ask::Reimage(_) => ApiGroup::Provider,
            Ask::Check { .. } | Ask::AwaitApproval { .. } => ApiGroup::Provider,
            _ => ApiGroup::Core,
        }
    }
}

/// Limits of our own calls, whatever client is imitated, unless that has none (C).
const OWN: RateLimit = RateLimit { qps: 50, burst: 100 };

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
    queue: VecDeque<Queued>,
    /// Calls that are to be asked for at a moment.
    #[serde(default)]
    later: Vec<(Ms, Ask)>,
    /// Calls that left and are unanswered.
    pub open: BTreeMap<CallId, Ask>,
    next: u64,
}

impl Client {
    pub fn new(limit: RateLimit) -> Client {
        Client {
            limit,
            buckets: BTreeMap::new(),
            queue: VecDeque::new(),
            later: Vec::new(),
            open: BTreeMap::new(),
            next: 0,
        }
    }

    /// A fresh process: full buckets, and of the old one nothing is waited for but the calls that are `kept`.
    pub fn restart(&mut self, kept: impl Fn(Ask) -> bool) {
        self.buckets.clear();
        self.queue.retain(|q| kept(q.ask));
        self.later.retain(|l| kept(l.1));
        self.open.retain(|_, ask| kept(*ask));
    }

    /// Takes a token of a group and says when the call may go. The provider's API is not limited by us.
    pub fn reserve(&mut self, group: ApiGroup, now: Ms) -> Ms {
        if group == ApiGroup::Provider {
            return now;
        }
        let limit = if group == ApiGroup::Own && self.limit.qps > 0 { OWN } else { self.limit };
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
    /// Asks for a call at `at`; it leaves when its token is there.
    pub fn ask_at(&mut self, at: Ms, ask: Ask) {
        self.later.push((at, ask));
    }
    /// Drops waiting calls that nobody wants any more.
    pub fn withdraw(&mut self, mut unwanted: impl FnMut(Ask) -> bool) {
        self.queue.retain(|q| !unwanted(q.ask));
        self.later.retain(|l| !unwanted(l.1));
    }
    /// Calls that may leave now, in order; they are open from here on.
    pub fn leaving(&mut self, now: Ms) -> Vec<(CallId, Ask)> {
        if self.next_at().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let (due, later): (Vec<_>, Vec<_>) = self.later.drain(..).partition(|l| l.0 <= now);
        self.later = later;
        for (_, ask) in due {
            self.ask(now, ask);
        }
        let n = self.queue.partition_point(|q| q.at <= now);
        let leaving: Vec<_> = self.queue.drain(..n).map(|q| (q.id, q.ask)).collect();
        self.open.extend(leaving.iter().copied());
        leaving
    }
    /// When the next call leaves.
    pub fn next_at(&self) -> Option<Ms> {
        self.queue.front().map(|q| q.at).into_iter().chain(self.later.iter().map(|l| l.0)).min()
    }
    /// Calls that are unanswered or wait to leave.
    pub fn pending(&self) -> impl Iterator<Item = Ask> + '_ {
        self.open.values().copied().chain(self.queue.iter().map(|q| q.ask)).chain(self.later.iter().map(|l| l.1))
    }
    /// Whether nothing waits and nothing is unanswered.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.later.is_empty() && self.open.is_empty()
    }
}
