//! Invariants of a run, judged at every transition: real clusters start out overcommitted, stale and under surge, so
//! only what we do is judged, not what was there.

use crate::cluster::{Catalog, Change, Idx, NodeIdx, PodChange, PodIdx, State};
use std::fmt;

/// A broken invariant: a bug of ours, to be reported with seed and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Milliseconds since the migration started.
    pub t_ms: i64,
    /// Which invariant.
    pub rule: &'static str,
    /// What broke it.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} ms: {}: {}", self.t_ms, self.rule, self.text)
    }
}

/// The checkers of one run; on in release too.
#[derive(Clone, Debug, Default)]
pub struct Checkers {
    last_ms: i64,
    deleted_by: Vec<bool>,
    /// What was broken, at most [`Checkers::MOST`].
    pub violations: Vec<Violation>,
}

impl Checkers {
    /// More violations than this are not kept.
    pub const MOST: usize = 20;

    fn broken(&mut self, t_ms: i64, rule: &'static str, text: String) {
        if self.violations.len() < Self::MOST {
            self.violations.push(Violation { t_ms, rule, text });
        }
    }

    /// Time never goes back.
    pub fn time(&mut self, now: i64) {
        if now < self.last_ms {
            let last = self.last_ms;
            self.broken(now, "time-goes-forward", format!("an event at {now} ms after one at {last} ms"));
        }
        self.last_ms = now;
    }

    /// A pod was placed by the scheduler: no placement of ours overcommits a resource that the pod asks for.
    pub fn placed(&mut self, now: i64, catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx) {
        let shape = catalog.shape(state.pods[pod].spec);
        let spec = &state.nodes[node].spec;
        let requested = state.requested(node);
        for (resource, _) in &shape.requests.amounts {
            if requested[resource.at()] > spec.allocatable(*resource) {
                self.broken(
                    now,
                    "no-overcommit",
                    format!(
                        "{} on {}: {} of {} requested after the placement, {} allocatable",
                        state.pod_text(catalog, pod),
                        state.node_name(catalog, node),
                        requested[resource.at()],
                        catalog.text(catalog.resources[resource.at()]),
                        spec.allocatable(*resource)
                    ),
                );
            }
        }
        if state.nodes[node].pods.len() as i64 > spec.pod_slots {
            self.broken(
                now,
                "no-overcommit",
                format!(
                    "{}: {} pods for {} slots",
                    state.node_name(catalog, node),
                    state.nodes[node].pods.len(),
                    spec.pod_slots
                ),
            );
        }
        if state.nodes[node].gone {
            self.broken(
                now,
                "bound-to-a-node",
                format!("{} bound to a node that is gone", state.pod_text(catalog, pod)),
            );
        }
    }

    /// An eviction was granted: the stored status, or one of the API's bypasses, allowed it.
    pub fn evicted(&mut self, now: i64, catalog: &Catalog, state: &State, pod: PodIdx, allowed: bool) {
        if !allowed {
            self.broken(
                now,
                "eviction-allowed",
                format!("{} evicted against its budget", state.pod_text(catalog, pod)),
            );
        }
    }

    /// A change of the state: a bound pod that vanishes was deleted before, or its node was lost.
    pub fn change(&mut self, now: i64, catalog: &Catalog, state: &State, change: Change) {
        let Change::Pod(pod, what) = change else {
            return;
        };
        if self.deleted_by.len() <= pod.at() {
            self.deleted_by.resize(pod.at() + 1, false);
        }
        let p = &state.pods[pod];
        match what {
            PodChange::Deleting => self.deleted_by[pod.at()] = true,
            PodChange::Added => self.deleted_by[pod.at()] = p.deleting.is_some(),
            PodChange::Removed => {
                let excused = self.deleted_by[pod.at()]
                    || p.phase.is_terminal()
                    || p.node.is_none_or(|n| state.nodes[n].gone || !state.nodes[n].ready);
                if !excused {
                    self.broken(
                        now,
                        "nothing-vanishes",
                        format!("{} removed without a deletion", state.pod_text(catalog, pod)),
                    );
                }
            }
            _ => {}
        }
    }
}
