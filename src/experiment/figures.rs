//! The figures of one run, folded from its observations as they come; they are counted as [`crate::trace::metrics`] says.

use super::moves::{Moves, stays_with_node};
use crate::cluster::{BudgetIdx, Idx, NodeIdx, OwnerIdx, OwnerKind, PodIdx, View};
use crate::runner::Outcome;
use crate::trace::observation::WorkloadNow;
use crate::trace::workloads::{NODE_LOST, Tracker, workload_of};
use crate::trace::{Detail, EventKind, HarmCount, NodeRole, Observation};
use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

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
    /// Lines of pods, each standing for the one before it, that it made leave more than once.
    #[serde(default)]
    pub pods_moved_twice: u64,
    /// Nodes launched.
    pub launched: u64,
    /// Launches that failed.
    pub launch_failures: u64,
    /// Most nodes present at the end of any instant.
    pub peak_nodes: u64,
    /// How many nodes more than at the start that is.
    #[serde(default)]
    pub surge_nodes: u64,
    /// Node-milliseconds of all nodes.
    pub node_ms: u64,
    /// Millionths of the currency unit for all nodes over the run; none if any price is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost_micros: Option<u64>,
    /// The batches that began, in order.
    pub batches: Vec<BatchFigures>,
    /// The harm that it did to workloads anywhere in the cluster.
    #[serde(default)]
    pub harm: HarmCount,
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

    /// The figures of several clusters under one clock as those of one: counts, node-time and costs are added up, the duration is the
    /// longest, the outcome and its reason are the worst (the first of equals), and the batches stand in the order in which they began.
    /// Peaks are added up too, as if all came at one moment: those who saw the run know better.
    pub fn together<'f>(sites: impl IntoIterator<Item = &'f RunFigures>) -> RunFigures {
        let mut all = RunFigures { cost_micros: Some(0), ..RunFigures::default() };
        for site in sites {
            if worse(site.outcome) > worse(all.outcome) {
                (all.outcome, all.reason) = (site.outcome, site.reason.clone());
            }
            all.duration_ms = all.duration_ms.max(site.duration_ms);
            all.evictions += site.evictions;
            all.granted += site.granted;
            all.refused += site.refused;
            all.preempted += site.preempted;
            all.pods_moved += site.pods_moved;
            all.pods_moved_twice += site.pods_moved_twice;
            all.launched += site.launched;
            all.launch_failures += site.launch_failures;
            all.peak_nodes += site.peak_nodes;
            all.surge_nodes += site.surge_nodes;
            all.node_ms += site.node_ms;
            all.harm.add(site.harm);
            all.cost_micros = all.cost_micros.zip(site.cost_micros).and_then(|(a, b)| a.checked_add(b));
            all.batches.extend(site.batches.iter().cloned());
        }
        // Stable: of those that began at one moment the first cluster's come first.
        all.batches.sort_by_key(|b| b.start_ms);
        all
    }
}

/// How bad an outcome is, as a verdict ranks them; no outcome is none.
fn worse(outcome: Option<Outcome>) -> u8 {
    match outcome {
        None => 0,
        Some(Outcome::Completed) => 1,
        Some(Outcome::Stopped) => 2,
        Some(Outcome::PartlyCompleted) => 3,
        Some(Outcome::Failed) => 4,
    }
}

/// A price is by the hour, time is in milliseconds.
const MS_PER_HOUR: u128 = 3_600_000;

/// A pod that the scheduler could not place, with what it said, in the order in which it said so.
pub(super) struct Waiting<'f> {
    pub pod: PodIdx,
    pub message: &'f str,
}

/// The figures of a run under way.
#[derive(Clone, Debug, Default)]
pub(super) struct RunFold {
    out: RunFigures,
    /// When the latest observation was.
    at_ms: i64,
    /// The migration has ended: its duration is known.
    ended: bool,
    present: u64,
    at_start: u64,
    /// When each node that is present was added, and its price.
    added: BTreeMap<NodeIdx, (i64, Option<u64>)>,
    /// Node-milliseconds by their price an hour, of nodes that are gone.
    cost: u128,
    /// A node without a price was there, or none at all.
    is_unpriced: bool,
    moves: Moves,
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
    workloads: Tracker<OwnerIdx, BudgetIdx>,
}

fn insert(set: &mut FixedBitSet, at: usize) -> bool {
    set.grow(at + 1);
    !set.put(at)
}

impl RunFold {
    /// Takes the next observation. `view` is the cluster then or at any later moment.
    pub fn observe(&mut self, o: &Observation, view: View<'_>) {
        self.workload_event(o, view);
        // What is watched after the end only shows which workloads become ready again.
        if self.ended && o.kind == EventKind::WorkloadChanged {
            return;
        }
        if o.t_ms != self.at_ms {
            self.close_instant();
            self.at_ms = o.t_ms;
        }
        if !self.ended {
            self.out.duration_ms = o.t_ms;
        }
        static NONE: LazyLock<Detail> = LazyLock::new(Detail::default);
        let detail = o.detail.as_deref().unwrap_or_else(|| &NONE);
        match (o.kind, o.node, o.pod) {
            (EventKind::MigrationFinished, ..) => {
                self.ended = true;
                self.out.outcome = detail.outcome.as_deref().and_then(outcome_of);
                self.out.reason.clone_from(&detail.reason);
            }
            (EventKind::BatchStarted | EventKind::BatchFinished, ..) => self.batch(o, detail),
            (EventKind::NodeLaunchFailed, ..) => self.out.launch_failures += 1,
            (EventKind::NodeAdded, Some(node), _) => self.node_added(node, o.t_ms, detail, view),
            (EventKind::NodeDeleted, Some(node), _) => self.node_deleted(node, o.t_ms),
            (EventKind::NodeCordoned, Some(node), _) => _ = insert(&mut self.cordoned, node.at()),
            (EventKind::EvictionAccepted, _, Some(pod)) => {
                self.out.granted += u64::from(detail.reason.is_none());
                if insert(&mut self.evicted, pod.at()) {
                    self.out.evictions += 1;
                    self.moved(pod);
                    self.moves.lost(pod, false, view);
                }
                insert(&mut self.departed, pod.at());
            }
            (EventKind::EvictionRefused, _, pod) => {
                self.out.refused += 1;
                pod.into_iter().for_each(|pod| self.moves.seen(pod));
            }
            (EventKind::PodPreempted, _, Some(pod)) => {
                self.out.preempted += 1;
                self.moves.seen(pod);
                self.moves.lost(pod, false, view);
                insert(&mut self.departed, pod.at());
            }
            (EventKind::PodCreated, _, Some(pod)) if !detail.initial => self.moves.created(pod, view),
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
        out.surge_nodes = out.peak_nodes.saturating_sub(self.at_start);
        let end = ms(out.duration_ms);
        out.harm = HarmCount::of(&self.workloads.rows(end, false, |_| String::new(), |_| String::new()));
        let mut cost = Some(self.cost).filter(|_| !self.is_unpriced && (out.peak_nodes > 0));
        for (added, price) in self.added.values() {
            let spent = ms(out.duration_ms - added);
            out.node_ms += spent;
            cost = cost.zip(*price).map(|(sum, price)| sum + u128::from(price) * u128::from(spent));
        }
        out.cost_micros = cost.and_then(|sum| u64::try_from(sum / MS_PER_HOUR).ok());
        out
    }

    /// Nodes that are there now.
    pub fn present(&self) -> u64 {
        self.present
    }

    /// The migration made a pod leave.
    fn moved(&mut self, pod: PodIdx) {
        self.out.pods_moved += 1;
        self.out.pods_moved_twice += u64::from(self.moves.moved(pod) == 2);
    }

    /// Pods that the scheduler could not place and that have found no node since, as far as the events tell; the latest first.
    pub fn waiting(&self) -> Vec<Waiting<'_>> {
        let mut waiting: Vec<_> = self.waiting.iter().collect();
        waiting.sort_by_key(|(_, (said, _))| std::cmp::Reverse(*said));
        waiting.into_iter().map(|(pod, (_, message))| Waiting { pod: *pod, message }).collect()
    }

    /// Whether a workload is less ready than it was at the start and wants to be.
    pub fn is_short(&self) -> bool {
        self.workloads.is_short()
    }

    /// Hands on what concerns the availability of workloads.
    fn workload_event(&mut self, o: &Observation, view: View<'_>) {
        let (w, t) = (&mut self.workloads, ms(o.t_ms));
        let detail = o.detail.as_deref();
        match (o.kind, o.workload, o.budget, o.pod) {
            (EventKind::WorkloadChanged, Some(WorkloadNow { owner, ready, wanted }), ..) => match detail {
                Some(d) if d.initial => {
                    let job = view.catalog.owners[owner].kind == OwnerKind::Job;
                    w.begins(&owner, ready, wanted, job, d.budgets.iter().copied());
                }
                _ => w.changed(&owner, t, ready, wanted),
            },
            (EventKind::JobFailed, Some(now), ..) => w.job_failed(&now.owner),
            (EventKind::JobPodLost, Some(now), ..) => {
                let with_node = detail.is_some_and(|d| d.reason.as_deref() == Some(NODE_LOST));
                w.job_pod_lost(&now.owner, detail.and_then(|d| d.lost_ms).unwrap_or(0), with_node);
            }
            (EventKind::BudgetChanged, _, Some(budget), _) => {
                let Some(d) = detail else { return };
                let start = d.initial.then_some(d.ready.unwrap_or(0));
                w.budget(&budget, t, d.healthy.unwrap_or(0), d.desired.unwrap_or(0), start);
            }
            (EventKind::MigrationFinished, ..) => w.end(t),
            (
                EventKind::PodPreempted | EventKind::PodForced | EventKind::EvictionAccepted | EventKind::PodTerminated,
                ..,
                Some(pod),
            ) => self.pod_leaves(o.kind, t, pod, detail, view),
            _ => {}
        }
    }

    fn pod_leaves(&mut self, kind: EventKind, t_ms: u64, pod: PodIdx, detail: Option<&Detail>, view: View<'_>) {
        let w = &mut self.workloads;
        let by = detail.and_then(|d| d.by.as_deref());
        let has_reason = detail.is_some_and(|d| d.reason.is_some());
        if view.catalog.specs[view.state.pods[pod].spec].owner.is_none() {
            let name = || view.state.pod_text(view.catalog, pod);
            match kind {
                EventKind::PodPreempted => w.bare_pod(name()).preempted_by = by.map(str::to_owned),
                EventKind::PodTerminated if has_reason => {}
                EventKind::PodTerminated => _ = w.bare_pod(name()).gone_ms.get_or_insert(t_ms),
                _ => w.bare_pod(name()).evicted = true,
            }
            return;
        }
        let Some(owner) = workload_of(view, pod) else { return };
        match kind {
            EventKind::PodPreempted => w.preempted(&owner, by.unwrap_or("a pod of higher priority")),
            EventKind::PodForced => w.forced(&owner),
            EventKind::EvictionAccepted if has_reason => w.forced(&owner),
            _ => {}
        }
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

    fn node_added(&mut self, node: NodeIdx, now: i64, detail: &Detail, view: View<'_>) {
        self.present += 1;
        self.at_start += u64::from(detail.initial);
        self.out.launched += u64::from(!detail.initial);
        self.added.insert(node, (now, view.state.nodes[node].spec.price_micros_per_hour));
        if detail.role == Some(NodeRole::Old) {
            insert(&mut self.old, node.at());
        }
    }

    fn node_deleted(&mut self, node: NodeIdx, now: i64) {
        if let Some((added, price)) = self.added.remove(&node) {
            self.present -= 1;
            let spent = ms(now - added);
            self.out.node_ms += spent;
            match price {
                Some(price) => self.cost += u128::from(price) * u128::from(spent),
                None => self.is_unpriced = true,
            }
        }
    }

    /// A pod that goes without having been evicted or preempted has moved if its cordoned old node was ended under it.
    fn pod_terminated(&mut self, pod: PodIdx, o: &Observation, detail: &Detail, view: View<'_>) {
        self.waiting.remove(&pod);
        if !insert(&mut self.gone, pod.at()) || self.departed.contains(pod.at()) {
            return;
        }
        let by_itself = detail.reason.is_some();
        if by_itself || stays_with_node(view, pod) {
            return self.moves.lost(pod, true, view);
        }
        self.moves.seen(pod);
        if o.node.is_some_and(|n| self.old.contains(n.at()) && self.cordoned.contains(n.at())) {
            self.moved(pod);
        }
        self.moves.lost(pod, false, view);
    }
}

fn outcome_of(text: &str) -> Option<Outcome> {
    let all = [Outcome::Completed, Outcome::PartlyCompleted, Outcome::Failed, Outcome::Stopped];
    all.into_iter().find(|o| o.text() == text)
}

fn ms(duration: i64) -> u64 {
    u64::try_from(duration).unwrap_or(0)
}
