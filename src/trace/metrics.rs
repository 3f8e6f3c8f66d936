//! Every figure that plots, CSV files and the plan's JSON show, made from the events alone.
//!
//! # How it is counted
//!
//! - **Evictions** are accepted ones, counted once a pod; a batch's and a node's are those of its pods.
//!   A pod deleted by the drain itself (`--disable-eviction`) counts as evicted. **Refused** are answers
//!   other than acceptance, each retry counted.
//! - **Moved** is a pod that the migration made leave: its eviction was accepted, or it was terminated on
//!   a cordoned old node without having been evicted, preempted or ended by itself (its node was killed
//!   under it). DaemonSet and static pods are not moved unless they were evicted.
//! - **Replacements** are joined by owner and order (see `lineage.rs`): the runner knows no lineage.
//! - **Moved twice** counts lineages: pods that were moved and whose predecessor under the same owner, as
//!   joined above, had been moved earlier in the run. A lineage moved three times counts once.
//! - **Arrivals** are pods that took the place of a moved one (of any of its line) and are bound to a node at the end. Those on a node that
//!   is not Ocean's **did not reach Ocean**; where that node is still to be drained, they will be moved again.
//! - **Disrupted** is a pod that was terminated and whose replacement is not ready. If the replacement is
//!   itself terminated before it was ready, the place passes on and is still counted once. Pods without
//!   owner, DaemonSet and static pods, and pods that ended by themselves (`reason` `Completed`, `Succeeded` or
//!   `ScaledDown`) are not counted: nothing is to replace them.
//! - **Ready** pods of a workload are those with condition Ready that are not being deleted: an evicted pod is none from the moment of its eviction, as
//!   for Services and budgets. **At zero** is a workload without one that had one at the start; **below a budget** counts from the stored statuses,
//!   where fewer are healthy than the budget demands and than were ready at the start. See `harm.rs`.
//! - **Pending** is a pod created and neither bound nor terminated.
//! - **Node-time** runs from a node's `node_added` (or the start) to its `node_deleted` (or the end), for
//!   every node of the cluster, ready or not; **cost** is that time at the node's price, and unknown as
//!   soon as one node's price is.

use std::borrow::Borrow;

use serde::Serialize;

use super::builder::MetricsBuilder;
use super::ending::Ending;
use super::event::{Event, NodeRole};
use super::harm::{HarmCount, WorkloadRow};
use super::states::ProviderStates;
use super::waits::BatchWait;

pub use super::capacity::{BySide, CapacityPoint};

/// All figures of one run. Times are milliseconds since the migration started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// `COMPLETED`, `PARTLY_COMPLETED`, `FAILED` or `STOPPED`; none if the trace has no end.
    pub outcome: Option<String>,
    /// Short cause of the outcome.
    pub reason: Option<String>,
    /// The outcome in words.
    pub message: Option<String>,
    /// Which of several runs the trace is of, in words, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// Time of `migration_started`.
    pub start_ms: u64,
    /// Time of `migration_finished`, or of the last event.
    pub end_ms: u64,
    /// One row a batch, by index.
    pub batches: Vec<BatchRow>,
    /// One row a node, in order of appearance.
    pub nodes: Vec<NodeRow>,
    /// One row for each pod that was evicted, refused, preempted or terminated, in order of its first such event.
    pub pods: Vec<PodRow>,
    /// Steps of the cluster's capacity, one for each instant at which it changed; the last at `end_ms`.
    pub capacity: Vec<CapacityPoint>,
    /// One series a budget, by name.
    pub budgets: Vec<BudgetSeries>,
    /// One row a workload, and a bare pod that is gone, by name.
    pub workloads: Vec<WorkloadRow>,
    /// The harm of the run, counted.
    pub harm: HarmCount,
    /// Accepted evictions.
    pub evictions: u64,
    /// Refused evictions, retries included.
    pub refused: u64,
    /// Pods preempted.
    pub preempted: u64,
    /// Nodes launched.
    pub launched: u64,
    /// Launches that failed.
    pub launch_failures: u64,
    /// Pods moved.
    pub pods_moved: u64,
    /// Lineages moved more than once.
    pub pods_moved_twice: u64,
    /// Where the pods that took the places of moved ones are at the end, in order of their creation.
    pub arrivals: Vec<Arrival>,
    /// Where it ends: nodes, prices and what is free.
    pub ending: Ending,
    /// Most nodes present at the end of any instant.
    pub peak_nodes: u64,
    /// Node-milliseconds by side; see [`Metrics::node_ms`] for their sum.
    pub node_ms_by_side: BySide<u64>,
    /// Millionths of the currency unit for all nodes over the run; none if any price is unknown.
    pub cost_micros: Option<u64>,
    /// How all ended in the provider's words, where it has any.
    #[serde(skip_serializing_if = "is_default")]
    pub states: ProviderStates,
}

fn is_default(states: &ProviderStates) -> bool {
    *states == ProviderStates::default()
}

impl Metrics {
    /// Makes every figure in one pass over `events`, which are in order of time.
    pub fn from_events(events: impl IntoIterator<Item = impl Borrow<Event>>) -> Metrics {
        let mut builder = MetricsBuilder::default();
        for event in events {
            builder.observe(event.borrow());
        }
        builder.finish()
    }

    /// Names of the nodes that a row's indices stand for.
    pub fn node_names(&self, nodes: &[usize]) -> Vec<&str> {
        let named = nodes.iter().filter_map(|n| self.nodes.get(*n));
        named.map(|n| n.name.as_str()).collect()
    }

    /// How long the run took, milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms)
    }

    /// Node-milliseconds of all sides.
    pub fn node_ms(&self) -> u64 {
        let BySide { old, new, other } = self.node_ms_by_side;
        old + new + other
    }

    /// Node-hours with three decimals, the last one cut: `12.345`.
    pub fn node_hours(&self) -> String {
        let milli_hours = self.node_ms() / 3_600;
        format!("{}.{:03}", milli_hours / 1_000, milli_hours % 1_000)
    }

    /// Cost in currency units with two decimals, rounded to the nearest; none if any price is unknown.
    pub fn cost(&self) -> Option<String> {
        let cents = (self.cost_micros? + 5_000) / 10_000;
        Some(format!("{}.{:02}", cents / 100, cents % 100))
    }

    /// Arrivals on nodes that are not Ocean's, for a run of one of its procedures: with the node's row.
    ///
    /// Where any node is marked as Ocean's, the mark decides; else every node that was launched during the run counts as Ocean's (its groups
    /// were described in another form than Ocean's).
    pub fn not_on_ocean(&self) -> impl Iterator<Item = (&Arrival, &NodeRow)> {
        let marked = self.nodes.iter().any(|n| n.ocean);
        let reached = move |n: &NodeRow| if marked { n.ocean } else { n.role == NodeRole::New };
        self.arrivals.iter().map(|a| (a, &self.nodes[a.node])).filter(move |(_, n)| !reached(n))
    }

    /// Budgets by how much they held the run up: most refusals, then longest without a disruption
    /// allowed, then fewest allowed, then name. Budgets never refused and never at 0 are last.
    pub fn tightest_budgets(&self) -> Vec<&BudgetSeries> {
        let mut all: Vec<&BudgetSeries> = self.budgets.iter().collect();
        all.sort_by_key(|b| {
            use std::cmp::Reverse;
            (Reverse(b.refused), Reverse(b.zero_ms(self.end_ms)), b.min_allowed(), &b.budget)
        });
        all
    }
}

/// A pod that took the place of a moved one, where it is at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// `namespace/name`.
    pub pod: String,
    /// Index into [`Metrics::nodes`] of the node it is bound to.
    pub node: usize,
}

/// One batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BatchRow {
    /// Counted from 0.
    pub index: u32,
    /// How many old nodes it is to empty.
    pub nodes: u32,
    /// Indices into [`Metrics::nodes`] of the old nodes told of with this batch.
    pub old_nodes: Vec<usize>,
    /// Indices into [`Metrics::nodes`] of the nodes launched for it.
    pub new_nodes: Vec<usize>,
    /// When it started; none for a batch that only other events name.
    pub start_ms: Option<u64>,
    /// When it finished; none if it never did.
    pub end_ms: Option<u64>,
    /// Evictions accepted.
    pub evictions: u64,
    /// Evictions refused, retries included.
    pub refused: u64,
    /// Nodes launched.
    pub launched: u64,
    /// What it waited for, the longest first.
    pub waits: Vec<BatchWait>,
    /// How it ended; none if it never did.
    pub outcome: Option<String>,
    /// Short cause of the outcome.
    pub reason: Option<String>,
    /// The outcome in words.
    pub message: Option<String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRow {
    /// Name.
    pub name: String,
    /// Which side it is on.
    pub role: NodeRole,
    /// True if it was there when the migration started.
    pub initial: bool,
    /// Batch that emptied it or that it was launched for.
    pub batch: Option<u32>,
    /// Node group.
    pub group: Option<String>,
    /// Machine type.
    pub machine_type: Option<String>,
    /// It is Ocean's, by its labels or its virtual node group.
    pub ocean: bool,
    /// Price, millionths of the currency unit per hour.
    pub price_micros_per_hour: Option<u64>,
    /// When its launch was asked for, joined by name or by group and order.
    pub requested_ms: Option<u64>,
    /// When it appeared.
    pub added_ms: u64,
    /// When it was first ready.
    pub ready_ms: Option<u64>,
    /// When it was first cordoned.
    pub cordoned_ms: Option<u64>,
    /// When an eviction of one of its pods was first answered.
    pub first_eviction_ms: Option<u64>,
    /// When its last pod to be moved was gone.
    pub drained_ms: Option<u64>,
    /// When its drain was given up.
    pub drain_failed_ms: Option<u64>,
    /// When it was uncordoned again.
    pub uncordoned_ms: Option<u64>,
    /// When it was deleted.
    pub deleted_ms: Option<u64>,
    /// Evictions of its pods accepted.
    pub evictions: u64,
    /// Evictions of its pods refused, retries included.
    pub refused: u64,
    /// Pods moved off it.
    pub moved: u64,
}

/// Why a pod left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// It has not left: all evictions of it were refused.
    Stays,
    /// Its eviction was accepted.
    Evicted,
    /// A pod of higher priority took its place.
    Preempted,
    /// It was terminated by something else (its node went, somebody deleted it).
    Terminated,
}

impl Departure {
    /// The word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Departure::Stays => "stays",
            Departure::Evicted => "evicted",
            Departure::Preempted => "preempted",
            Departure::Terminated => "terminated",
        }
    }
}

/// One pod that left or that was to leave, and what took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodRow {
    /// `namespace/name`.
    pub pod: String,
    /// `Kind/namespace/name` of its top owner; none for stand-alone pods.
    pub owner: Option<String>,
    /// Its identity.
    pub uid: Option<String>,
    /// Batch in which it was evicted or refused.
    pub batch: Option<u32>,
    /// Index into [`Metrics::nodes`] of the node it was on.
    pub from_node: Option<usize>,
    /// Why it left.
    pub departure: Departure,
    /// When its eviction was accepted or it was preempted.
    pub evicted_ms: Option<u64>,
    /// When it was gone.
    pub terminated_ms: Option<u64>,
    /// Evictions refused before that.
    pub refused: u64,
    /// When the first of them was refused.
    pub first_refused_ms: Option<u64>,
    /// Cause of the last refusal.
    pub last_refusal: Option<String>,
    /// Budget of the last refusal.
    pub last_refusal_budget: Option<String>,
    /// `namespace/name` of the pod that took its place.
    pub replacement: Option<String>,
    /// When that was created.
    pub created_ms: Option<u64>,
    /// When that was bound to a node.
    pub bound_ms: Option<u64>,
    /// When that was first ready.
    pub ready_ms: Option<u64>,
    /// Index into [`Metrics::nodes`] of the node that was bound to.
    pub to_node: Option<usize>,
    /// When its volumes were attached, if it had to wait for them.
    pub attached_ms: Option<u64>,
    /// How long it backed off in the scheduler's queue before it was bound, milliseconds.
    pub backoff_ms: u64,
    /// How long it waited there for the flush, milliseconds.
    pub flush_ms: u64,
    /// How often no node was found for it.
    pub unschedulable: u64,
    /// What the scheduler said the last time.
    pub unschedulable_message: Option<String>,
    /// How many times this lineage was moved, this time included.
    pub moves: u32,
}

/// A budget's stored status from `t_ms` until the next point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetPoint {
    /// Milliseconds since the migration started.
    pub t_ms: u64,
    /// `status.disruptionsAllowed`.
    pub allowed: i64,
    /// `status.currentHealthy`.
    pub healthy: i64,
    /// `status.desiredHealthy`.
    pub desired: i64,
    /// `status.expectedPods`.
    pub expected: i64,
}

/// One budget over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetSeries {
    /// `namespace/name`.
    pub budget: String,
    /// Evictions it refused.
    pub refused: u64,
    /// Its status, a point for each change.
    pub points: Vec<BudgetPoint>,
}

impl BudgetSeries {
    /// How long it allowed no disruption up to `end_ms`, milliseconds.
    pub fn zero_ms(&self, end_ms: u64) -> u64 {
        let ends = self.points.iter().skip(1).map(|p| p.t_ms).chain([end_ms]);
        let spans = self.points.iter().zip(ends).filter(|(p, _)| p.allowed <= 0);
        spans.map(|(p, end)| end.saturating_sub(p.t_ms)).sum()
    }

    /// The fewest disruptions it ever allowed; none without a point.
    pub fn min_allowed(&self) -> Option<i64> {
        self.points.iter().map(|p| p.allowed).min()
    }
}
