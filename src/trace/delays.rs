//! Delays that a run really had: starts and stops of pods by workload, launches and ends of machines by group.
//!
//! - **start**: `pod_bound` → the pod's first `pod_ready`, of every pod that was bound during the run; from its node's
//!   first `node_ready` on where that comes later (a DaemonSet's pod is bound to a node that boots);
//! - **stop**: its first `eviction_accepted` → `pod_terminated`;
//! - **schedule**: `pod_created` → `pod_bound`, pods pending at the start left out;
//! - **launch**: `node_launch_requested` → the node's first `node_ready`; **boot**: `node_added` → the same.
//!
//! A sample that lies partly in a span in which nobody watched is left out: its ends are those of the span, not its own.

use super::event::{Event, EventKind};
use super::metrics::Metrics;
use rustc_hash::FxHashMap;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Samples in milliseconds by workload (`Kind/namespace/name`, `Pod/namespace/name` of a stand-alone pod) or group, sorted.
pub type Samples = BTreeMap<String, Vec<i64>>;

/// What delays a run had, or several runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenDelays {
    /// Bound → ready, by workload.
    pub start: Samples,
    /// Eviction accepted → gone, by workload.
    pub stop: Samples,
    /// Created → bound, by workload.
    pub schedule: Samples,
    /// Machine asked for → node ready, by group.
    pub launch: Samples,
    /// Node there → ready, by group.
    pub boot: Samples,
    /// Machine given back → Node object gone, by group; a trace alone cannot tell it.
    pub retire: Samples,
    /// Share of the launch delay after which the Node object was there, parts per million.
    pub registered_ppm: Vec<i64>,
    /// Samples left out because nobody watched for a part of them.
    pub unwatched: usize,
}

/// A span in which nobody watched, both ends included, in milliseconds.
pub type Gap = (u64, u64);

/// What is remembered of a pod.
#[derive(Default)]
struct Pod {
    node: Option<String>,
    created: Option<u64>,
    bound: Option<u64>,
    ready: bool,
    evicted: Option<u64>,
}

impl SeenDelays {
    /// The delays of one run. `gaps` are spans in which nobody watched, `retired` when each node's machine was given
    /// back, by name.
    pub fn of_run(events: &[Event], gaps: &[Gap], retired: &BTreeMap<String, u64>) -> SeenDelays {
        let mut seen = SeenDelays::default();
        seen.pods(events, gaps);
        seen.nodes(&Metrics::from_events(events), gaps, retired);
        seen.sort();
        seen
    }

    /// The delays of several runs together.
    pub fn of_runs(runs: impl IntoIterator<Item = impl Borrow<SeenDelays>>) -> SeenDelays {
        let mut all = SeenDelays::default();
        for run in runs {
            let run = run.borrow();
            let (ours, theirs) = (all.tables(), run.clone());
            let theirs = [theirs.start, theirs.stop, theirs.schedule, theirs.launch, theirs.boot, theirs.retire];
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                theirs.into_iter().for_each(|(key, samples)| ours.entry(key).or_default().extend(samples));
            }
            all.registered_ppm.extend(&run.registered_ppm);
            all.unwatched += run.unwatched;
        }
        all.sort();
        all
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        [&self.start, &self.stop, &self.launch, &self.boot, &self.retire].into_iter().all(BTreeMap::is_empty)
    }

    fn tables(&mut self) -> [&mut Samples; 6] {
        [&mut self.start, &mut self.stop, &mut self.schedule, &mut self.launch, &mut self.boot, &mut self.retire]
    }
    fn sort(&mut self) {
        self.tables().into_iter().flat_map(BTreeMap::values_mut).for_each(|s| s.sort_unstable());
        self.registered_ppm.sort_unstable();
    }

    fn pods(&mut self, events: &[Event], gaps: &[Gap]) {
        let mut pods: FxHashMap<&str, Pod> = FxHashMap::default();
        let mut booted: FxHashMap<&str, u64> = FxHashMap::default();
        for e in events {
            if let (EventKind::NodeReady, Some(node)) = (e.event, e.node.as_deref()) {
                booted.entry(node).or_insert(e.t_ms);
            }
            let Some(name) = e.pod.as_deref() else { continue };
            let pod = pods.entry(e.uid.as_deref().unwrap_or(name)).or_default();
            let key = || e.owner.clone().unwrap_or_else(|| format!("Pod/{name}"));
            match e.event {
                EventKind::PodCreated if !e.initial => pod.created = Some(e.t_ms),
                EventKind::PodBound => {
                    if let Some(from) = pod.created.filter(|_| pod.bound.is_none()) {
                        take(&mut self.schedule, &mut self.unwatched, gaps, key(), from, e.t_ms);
                    }
                    pod.bound.get_or_insert(e.t_ms);
                    pod.node.clone_from(&e.node);
                }
                EventKind::PodReady if !pod.ready => {
                    pod.ready = true;
                    if let Some(bound) = pod.bound {
                        let boot = pod.node.as_deref().and_then(|n| booted.get(n)).copied().unwrap_or(0);
                        let from = bound.max(boot);
                        take(&mut self.start, &mut self.unwatched, gaps, key(), from, e.t_ms);
                    }
                }
                EventKind::EvictionAccepted => _ = pod.evicted.get_or_insert(e.t_ms),
                EventKind::PodTerminated => {
                    if let Some(from) = pod.evicted.take() {
                        take(&mut self.stop, &mut self.unwatched, gaps, key(), from, e.t_ms);
                    }
                }
                _ => {}
            }
        }
    }

    fn nodes(&mut self, metrics: &Metrics, gaps: &[Gap], retired: &BTreeMap<String, u64>) {
        for node in &metrics.nodes {
            let key = || node.group.clone().unwrap_or_else(|| "no group".to_owned());
            if let Some((from, to)) = retired.get(&node.name).copied().zip(node.deleted_ms) {
                take(&mut self.retire, &mut self.unwatched, gaps, key(), from, to);
            }
            let Some(ready) = node.ready_ms.filter(|_| !node.initial) else { continue };
            take(&mut self.boot, &mut self.unwatched, gaps, key(), node.added_ms, ready);
            let Some(asked) = node.requested_ms else { continue };
            if take(&mut self.launch, &mut self.unwatched, gaps, key(), asked, ready) && ready > asked {
                let share = u128::from(node.added_ms.saturating_sub(asked)) * 1_000_000 / u128::from(ready - asked);
                self.registered_ppm.push(share.min(1_000_000) as i64);
            }
        }
    }
}

/// Takes a sample unless a part of it was not watched; whether it did.
fn take(table: &mut Samples, unwatched: &mut usize, gaps: &[Gap], key: String, from: u64, to: u64) -> bool {
    if gaps.iter().any(|(a, b)| from <= *b && *a <= to) {
        *unwatched += 1;
        return false;
    }
    table.entry(key).or_default().push(i64::try_from(to.saturating_sub(from)).unwrap_or(i64::MAX));
    true
}

/// All samples of a table, sorted.
pub fn together(table: &Samples) -> Vec<i64> {
    let mut all: Vec<i64> = table.values().flatten().copied().collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(t_ms: u64, kind: EventKind, uid: &str) -> Event {
        let owner = Some("Deployment/shop/cart".to_owned());
        Event { pod: Some(format!("shop/{uid}")), uid: Some(uid.into()), owner, ..Event::new(t_ms, kind) }
    }
    fn node(t_ms: u64, kind: EventKind, name: &str) -> Event {
        Event { node: Some(name.into()), group: Some("pool".into()), ..Event::new(t_ms, kind) }
    }

    fn story() -> Vec<Event> {
        vec![
            Event { nodes: Some(1), group: Some("pool".into()), ..Event::new(0, EventKind::NodeLaunchRequested) },
            pod(100, EventKind::EvictionAccepted, "a"),
            pod(150, EventKind::PodCreated, "b"),
            pod(900, EventKind::PodTerminated, "a"),
            node(30_000, EventKind::NodeAdded, "new-1"),
            Event { node: Some("new-1".into()), ..pod(30_010, EventKind::PodBound, "agent") },
            node(40_000, EventKind::NodeReady, "new-1"),
            pod(40_150, EventKind::PodBound, "b"),
            pod(45_150, EventKind::PodReady, "b"),
            // A DaemonSet's pod was bound before its node was ready.
            Event { owner: Some("DaemonSet/kube-system/agent".into()), ..pod(45_200, EventKind::PodReady, "agent") },
            // A readiness that comes back is no start.
            pod(60_000, EventKind::PodReady, "b"),
            node(70_000, EventKind::NodeDeleted, "new-1"),
        ]
    }

    #[test]
    fn each_delay_has_its_two_ends() {
        let retired = BTreeMap::from([("new-1".to_owned(), 50_000)]);
        let seen = SeenDelays::of_run(&story(), &[], &retired);
        let of = |t: &Samples, key: &str| t.get(key).cloned().unwrap_or_default();
        assert_eq!(of(&seen.start, "Deployment/shop/cart"), [5_000]);
        assert_eq!(of(&seen.start, "DaemonSet/kube-system/agent"), [5_200]);
        assert_eq!(of(&seen.stop, "Deployment/shop/cart"), [800]);
        assert_eq!(of(&seen.schedule, "Deployment/shop/cart"), [40_000]);
        assert_eq!((of(&seen.launch, "pool"), of(&seen.boot, "pool")), (vec![40_000], vec![10_000]));
        assert_eq!((of(&seen.retire, "pool"), seen.registered_ppm.clone()), (vec![20_000], vec![750_000]));
        let twice = SeenDelays::of_runs([&seen, &seen]);
        assert_eq!(of(&twice.stop, "Deployment/shop/cart"), [800, 800]);
    }

    #[test]
    fn what_nobody_watched_is_left_out_and_counted() {
        let seen = SeenDelays::of_run(&story(), &[(42_000, 43_000)], &BTreeMap::new());
        assert!(seen.start.is_empty() && !seen.launch.is_empty());
        assert_eq!(seen.unwatched, 2, "the start of either pod");
        assert!(seen.retire.is_empty(), "nobody said when a machine was given back");
    }
}
