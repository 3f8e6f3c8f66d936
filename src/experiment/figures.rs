//! The figures of one run, folded from its observations as they come; they are counted as [`crate::trace::metrics`] says.

use crate::cluster::{Idx, NodeIdx, OwnerKind, PodIdx, View};
use crate::runner::Outcome;
use crate::trace::observation::workload;
use crate::trace::{Detail, EventKind, NodeRole, Observation};
use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The figures of one run. Times are milliseconds since the migration's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFigures {
    /// How it ended; none while it has not.
    pub outcome: Option<Outcome>,
    /// Code of the reason, unless it completed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// From the start to the end, or to the latest event.
    pub duration_ms: i64,
    /// Pods that were evicted, or deleted by the drain itself; each counted once.
    pub evictions: u64,
    /// Evictions that the API granted, each answer counted.
    pub granted: u64,
    /// Evictions that it refused, retries included.
    pub refused: u64,
    /// Pods preempted.
    pub preempted: u64,
    /// Pods that the migration made leave.
    pub pods_moved: u64,
    /// Nodes launched.
    pub launched: u64,
    /// Launches that failed.
    pub launch_failures: u64,
    /// Most nodes present at the end of any instant.
    pub peak_nodes: u64,
    /// Node-milliseconds of all nodes.
    pub node_ms: u64,
    /// The batches that began, in order.
    pub batches: Vec<BatchFigures>,
}

/// One batch of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFigures {
    /// Counted from 0.
    pub index: u32,
    /// When it began.
    pub start_ms: i64,
    /// When it ended; none if it did not.
    pub end_ms: Option<i64>,
    /// How it ended.
    pub outcome: Option<String>,
}

impl RunFigures {
    /// The figures of a run that was kept.
    pub fn of<'o>(observations: impl IntoIterator<Item = &'o Observation>, view: View<'_>) -> RunFigures {
        let mut fold = RunFold::default();
        observations.into_iter().for_each(|o| fold.observe(o, view));
        fold.figures()
    }
}

/// A pod that the scheduler could not place, with what it said, in the order in which it said so.
pub(super) struct Waiting<'f> {
    pub pod: PodIdx,
    pub message: &'f str,
}

/// The figures of a run under way.
#[derive(Clone, Debug, Default)]
pub(super) struct RunFold {
    out: RunFigures,
    present: u64,
    /// When each node that is present was added.
    added: BTreeMap<NodeIdx, i64>,
    old: FixedBitSet,
    /// Nodes that were cordoned at any time.
    cordoned: FixedBitSet,
    evicted: FixedBitSet,
    /// Pods that were evicted or preempted: their end is told already.
    departed: FixedBitSet,
    gone: FixedBitSet,
    /// What the scheduler said last of each pod that has no node, numbered in order.
    waiting: BTreeMap<PodIdx, (u64, String)>,
    said: u64,
}

fn insert(set: &mut FixedBitSet, at: usize) -> bool {
    set.grow(at + 1);
    !set.put(at)
}

impl RunFold {
    /// Takes the next observation. `view` is the cluster then or at any later moment.
    pub fn observe(&mut self, o: &Observation, view: View<'_>) {
        if o.t_ms != self.out.duration_ms {
            self.close_instant();
            self.out.duration_ms = o.t_ms;
        }
        let none = Detail::default();
        let detail = o.detail.as_deref().unwrap_or(&none);
        match (o.kind, o.node, o.pod) {
            (EventKind::MigrationFinished, ..) => {
                self.out.outcome = detail.outcome.as_deref().and_then(outcome_of);
                self.out.reason.clone_from(&detail.reason);
            }
            (EventKind::BatchStarted | EventKind::BatchFinished, ..) => self.batch(o, detail),
            (EventKind::NodeLaunchFailed, ..) => self.out.launch_failures += 1,
            (EventKind::NodeAdded, Some(node), _) => self.node_added(node, o.t_ms, detail),
            (EventKind::NodeDeleted, Some(node), _) => self.node_deleted(node, o.t_ms),
            (EventKind::NodeCordoned, Some(node), _) => _ = insert(&mut self.cordoned, node.at()),
            (EventKind::EvictionAccepted, _, Some(pod)) => {
                self.out.granted += u64::from(detail.reason.is_none());
                if insert(&mut self.evicted, pod.at()) {
                    self.out.evictions += 1;
                    self.out.pods_moved += 1;
                }
                insert(&mut self.departed, pod.at());
            }
            (EventKind::EvictionRefused, ..) => self.out.refused += 1,
            (EventKind::PodPreempted, _, Some(pod)) => {
                self.out.preempted += 1;
                insert(&mut self.departed, pod.at());
            }
            (EventKind::PodUnschedulable, _, Some(pod)) => {
                if let Some(message) = &detail.message {
                    self.said += 1;
                    self.waiting.insert(pod, (self.said, message.clone()));
                }
            }
            (EventKind::PodBound, _, Some(pod)) => _ = self.waiting.remove(&pod),
            (EventKind::PodTerminated, _, Some(pod)) => self.pod_terminated(pod, o, detail, view),
            _ => {}
        }
    }

    /// The figures up to now.
    pub fn figures(&self) -> RunFigures {
        let mut out = self.out.clone();
        out.peak_nodes = out.peak_nodes.max(self.present);
        out.node_ms += self.added.values().map(|added| ms(out.duration_ms - added)).sum::<u64>();
        out
    }

    /// Pods that the scheduler could not place and that have found no node since, as far as the events tell; the latest first.
    pub fn waiting(&self) -> Vec<Waiting<'_>> {
        let mut waiting: Vec<_> = self.waiting.iter().collect();
        waiting.sort_by_key(|(_, (said, _))| std::cmp::Reverse(*said));
        waiting.into_iter().map(|(pod, (_, message))| Waiting { pod: *pod, message }).collect()
    }

    fn close_instant(&mut self) {
        self.out.peak_nodes = self.out.peak_nodes.max(self.present);
    }

    fn batch(&mut self, o: &Observation, detail: &Detail) {
        let Some(index) = o.batch else { return };
        if o.kind == EventKind::BatchStarted {
            self.out.batches.push(BatchFigures { index, start_ms: o.t_ms, ..BatchFigures::default() });
        } else if let Some(batch) = self.out.batches.iter_mut().rfind(|b| b.index == index) {
            (batch.end_ms, batch.outcome) = (Some(o.t_ms), detail.outcome.clone());
        }
    }

    fn node_added(&mut self, node: NodeIdx, now: i64, detail: &Detail) {
        self.present += 1;
        self.out.launched += u64::from(!detail.initial);
        self.added.insert(node, now);
        if detail.role == Some(NodeRole::Old) {
            insert(&mut self.old, node.at());
        }
    }

    fn node_deleted(&mut self, node: NodeIdx, now: i64) {
        if let Some(added) = self.added.remove(&node) {
            self.present -= 1;
            self.out.node_ms += ms(now - added);
        }
    }

    /// A pod that goes without having been evicted or preempted has moved if its cordoned old node was ended under it.
    fn pod_terminated(&mut self, pod: PodIdx, o: &Observation, detail: &Detail, view: View<'_>) {
        self.waiting.remove(&pod);
        if !insert(&mut self.gone, pod.at()) || self.departed.contains(pod.at()) {
            return;
        }
        let by_itself = detail.reason.is_some();
        let killed = o.node.is_some_and(|n| self.old.contains(n.at()) && self.cordoned.contains(n.at()));
        if killed && !by_itself && !stays_with_node(view, pod) {
            self.out.pods_moved += 1;
        }
    }
}

fn outcome_of(text: &str) -> Option<Outcome> {
    let all = [Outcome::Completed, Outcome::PartlyCompleted, Outcome::Failed, Outcome::Stopped];
    all.into_iter().find(|o| o.text() == text)
}

fn ms(duration: i64) -> u64 {
    u64::try_from(duration).unwrap_or(0)
}

/// DaemonSet and static pods come and go with their node.
fn stays_with_node(view: View<'_>, pod: PodIdx) -> bool {
    let owner = view.catalog.specs[view.state.pods[pod].spec].owner;
    owner.is_some_and(|o| {
        matches!(view.catalog.owners[workload(view.catalog, o)].kind, OwnerKind::DaemonSet | OwnerKind::Node)
    })
}
