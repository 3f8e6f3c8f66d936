//! Makes [`Metrics`] from events that pass by one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::capacity::Ledger;
use super::ending::{Ending, RoomAtEnd};
use super::event::{Event, EventKind, NodeRole};
use super::harm::HarmCount;
use super::lineage::{Loss, OwnerLineage};
use super::metrics::{Arrival, BatchRow, BudgetPoint, BudgetSeries, Departure, Metrics, NodeRow, PodRow};
use super::waits;
use super::workloads::{NODE_LOST, Tracker};

/// `pod_terminated` reasons of pods that ended by themselves: nothing was disrupted.
const ENDED_BY_ITSELF: [&str; 3] = ["Completed", "Succeeded", "ScaledDown"];

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pending,
    Bound,
    Gone,
}

/// What is remembered of a pod.
#[derive(Debug)]
struct Pod {
    name: String,
    owner: Option<String>,
    phase: Phase,
    node: Option<usize>,
    cpu_milli: i64,
    memory_bytes: i64,
    ready: bool,
    created_ms: Option<u64>,
    bound_ms: Option<u64>,
    ready_ms: Option<u64>,
    attached_ms: Option<u64>,
    backoff_ms: u64,
    flush_ms: u64,
    /// Its row, once it has one.
    row: Option<usize>,
    /// The row of the pod it took the place of.
    predecessor: Option<usize>,
    /// Its departure is already told to the owner's lineage.
    lost: bool,
}

/// Rows that are counted as disrupted at the moment.
type OpenRows = Vec<bool>;

/// Takes a run's events in order of time and keeps what [`Metrics`] needs; holds no event.
///
/// Feed it while the run goes on where the events themselves are not wanted.
#[derive(Debug)]
pub struct MetricsBuilder {
    out: Metrics,
    ledger: Ledger,
    nodes: FxHashMap<String, usize>,
    pods: Vec<Pod>,
    by_uid: FxHashMap<String, usize>,
    by_name: FxHashMap<String, usize>,
    owners: FxHashMap<String, OwnerLineage<String>>,
    open: OpenRows,
    batches: BTreeMap<u32, BatchRow>,
    budgets: IndexMap<String, BudgetSeries>,
    workloads: Tracker<String, String>,
    current_batch: Option<u32>,
    /// Launches asked for without a node's name, by group.
    requests: FxHashMap<Option<String>, VecDeque<u64>>,
    /// Launches asked for by name.
    named_requests: FxHashMap<String, u64>,
    last_ms: u64,
    finished: bool,
}

impl Default for MetricsBuilder {
    fn default() -> Self {
        MetricsBuilder {
            out: Metrics::default(),
            ledger: Ledger::default(),
            nodes: FxHashMap::default(),
            pods: Vec::new(),
            by_uid: FxHashMap::default(),
            by_name: FxHashMap::default(),
            owners: FxHashMap::default(),
            open: OpenRows::new(),
            batches: BTreeMap::new(),
            budgets: IndexMap::new(),
            workloads: Tracker::with_points(),
            current_batch: None,
            requests: FxHashMap::default(),
            named_requests: FxHashMap::default(),
            last_ms: 0,
            finished: false,
        }
    }
}

impl MetricsBuilder {
    /// Takes the next event; its time is not before that of the one before it.
    pub fn observe(&mut self, e: &Event) {
        self.workload_event(e);
        // What is watched after the end only shows which workloads become ready again.
        if self.finished && e.t_ms > self.out.end_ms && e.event == EventKind::WorkloadChanged {
            return;
        }
        self.ledger.at(e.t_ms);
        self.last_ms = self.last_ms.max(e.t_ms);
        match e.event {
            EventKind::MigrationStarted => {
                self.out.start_ms = e.t_ms;
                self.out.shown.clone_from(&e.message);
            }
            EventKind::MigrationFinished => self.migration_finished(e),
            EventKind::BatchStarted | EventKind::BatchFinished => self.batch_event(e),
            EventKind::BudgetChanged => self.budget_changed(e),
            EventKind::NodeLaunchRequested | EventKind::NodeLaunchFailed => self.launch_event(e),
            EventKind::NodeAdded => self.node_added(e),
            EventKind::NodeCordoned
            | EventKind::NodeReady
            | EventKind::NodeNotReady
            | EventKind::NodeDrained
            | EventKind::DrainFailed
            | EventKind::NodeDeleted
            | EventKind::NodeUncordoned => self.node_event(e),
            EventKind::EvictionAccepted => self.eviction_accepted(e),
            EventKind::EvictionRefused => self.eviction_refused(e),
            EventKind::PodPreempted => self.pod_preempted(e),
            EventKind::PodTerminated => self.pod_terminated(e),
            EventKind::PodCreated => self.pod_created(e),
            EventKind::PodBound => self.pod_bound(e),
            EventKind::PodReady => self.pod_ready(e),
            EventKind::PodUnschedulable => self.pod_unschedulable(e),
            EventKind::PodWaited | EventKind::PodAttached => self.pod_waited(e),
            EventKind::GateWaiting | EventKind::GateOpened | EventKind::NodeWarning => {}
            EventKind::WorkloadChanged
            | EventKind::JobPodLost
            | EventKind::JobFailed
            | EventKind::PodCreationRefused => {}
            EventKind::MigrationState | EventKind::NodeState | EventKind::PoolState | EventKind::PodForced => {
                self.out.states.observe(e);
            }
        }
    }

    /// All figures of what was observed.
    pub fn finish(mut self) -> Metrics {
        let end_ms = if self.finished { self.out.end_ms } else { self.last_ms };
        self.out.end_ms = end_ms;
        self.out.arrivals = self.arrivals();
        self.out.workloads = self.workloads.rows(end_ms, true, String::clone, String::clone);
        self.out.workloads.sort_by(|a, b| a.workload.cmp(&b.workload));
        self.out.harm = HarmCount::of(&self.out.workloads);
        let rooms = self.rooms_at_end();
        let (capacity, peak) = self.ledger.finish(end_ms.max(self.last_ms));
        self.out.capacity = capacity;
        self.out.peak_nodes = peak;
        self.budgets.sort_keys();
        self.out.budgets = self.budgets.into_values().collect();
        for (i, node) in self.out.nodes.iter().enumerate() {
            let Some(batch) = node.batch else { continue };
            let row = self.batches.entry(batch).or_insert_with(|| BatchRow { index: batch, ..BatchRow::default() });
            match node.role {
                NodeRole::New => row.new_nodes.push(i),
                NodeRole::Old | NodeRole::Other => row.old_nodes.push(i),
            }
        }
        // What was reimaged in place bears the name of an old node: no machine was launched for it.
        let old: BTreeSet<&str> = self.out.nodes.iter().filter(|n| n.initial).map(|n| n.name.as_str()).collect();
        for row in self.batches.values_mut() {
            let launched = row.new_nodes.iter().filter(|i| !old.contains(self.out.nodes[**i].name.as_str()));
            row.launched = launched.count() as u64;
            row.nodes = row.nodes.max(row.old_nodes.len() as u32);
        }
        self.out.batches = self.batches.into_values().collect();
        let waits = waits::of(&self.out);
        self.out.batches.iter_mut().zip(waits).for_each(|(batch, waits)| batch.waits = waits);
        let mut cost: Option<u128> = Some(0);
        for node in &self.out.nodes {
            let ms = node.deleted_ms.unwrap_or(end_ms).saturating_sub(node.added_ms.max(self.out.start_ms));
            *self.out.node_ms_by_side.get_mut(node.role) += ms;
            cost = cost.zip(node.price_micros_per_hour).map(|(sum, p)| sum + u128::from(p) * u128::from(ms));
        }
        self.out.cost_micros =
            cost.filter(|_| !self.out.nodes.is_empty()).and_then(|sum| u64::try_from(sum / 3_600_000).ok());
        let out = &self.out;
        let span = (out.start_ms, end_ms);
        self.out.ending = Ending::of(&out.nodes, &out.capacity, span, out.cost_micros, &rooms);
        self.out
    }

    /// What each node has that is there at the end, with its pods but those of DaemonSets and static ones.
    fn rooms_at_end(&self) -> BTreeMap<usize, RoomAtEnd> {
        let mut rooms: BTreeMap<usize, RoomAtEnd> = self.ledger.rooms().collect();
        for (index, pod) in self.pods.iter().enumerate() {
            let node = pod.node.filter(|_| pod.phase == Phase::Bound && !pod.lost && !self.stays_with_node(index));
            if let Some(room) = node.and_then(|n| rooms.get_mut(&n)) {
                room.pods += 1;
            }
        }
        rooms
    }

    /// Pods that are bound, not leaving, and stand for one that was moved.
    fn arrivals(&self) -> Vec<Arrival> {
        let bound = |p: &&Pod| p.phase == Phase::Bound && !p.lost;
        let moved = |p: &Pod| p.predecessor.is_some_and(|row| self.out.pods[row].moves > 0);
        let of = |p: &Pod| moved(p).then(|| p.node.map(|node| Arrival { pod: p.name.clone(), node })).flatten();
        self.pods.iter().filter(bound).filter_map(of).collect()
    }

    /// Hands on what concerns the availability of workloads.
    fn workload_event(&mut self, e: &Event) {
        let w = &mut self.workloads;
        if let (EventKind::BudgetChanged, Some(budget)) = (e.event, &e.budget) {
            let start = e.initial.then_some(e.ready.unwrap_or(0));
            return w.budget(budget, e.t_ms, e.healthy.unwrap_or(0), e.desired.unwrap_or(0), start);
        }
        if e.event == EventKind::MigrationFinished {
            return w.end(e.t_ms);
        }
        match (&e.owner, &e.pod) {
            (Some(owner), _) => match e.event {
                EventKind::WorkloadChanged => {
                    let (ready, wanted) = (e.ready.unwrap_or(0), e.wanted.unwrap_or(0));
                    match e.initial {
                        true => w.begins(owner, ready, wanted, owner.starts_with("Job/"), e.budgets.iter().cloned()),
                        false => w.changed(owner, e.t_ms, ready, wanted),
                    }
                }
                EventKind::PodPreempted => w.preempted(owner, e.by.as_deref().unwrap_or("a pod of higher priority")),
                EventKind::PodForced => w.forced(owner),
                EventKind::EvictionAccepted if e.reason.is_some() => w.forced(owner),
                EventKind::JobFailed => w.job_failed(owner),
                EventKind::JobPodLost => {
                    w.job_pod_lost(owner, e.lost_ms.unwrap_or(0), e.reason.as_deref() == Some(NODE_LOST))
                }
                _ => {}
            },
            (None, Some(pod)) => match e.event {
                EventKind::EvictionAccepted | EventKind::PodForced => w.bare_pod(pod.clone()).evicted = true,
                EventKind::PodPreempted => w.bare_pod(pod.clone()).preempted_by.clone_from(&e.by),
                EventKind::PodTerminated if e.reason.is_none() => {
                    w.bare_pod(pod.clone()).gone_ms.get_or_insert(e.t_ms);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn migration_finished(&mut self, e: &Event) {
        self.finished = true;
        self.out.end_ms = e.t_ms;
        self.out.outcome.clone_from(&e.outcome);
        self.out.reason.clone_from(&e.reason);
        self.out.message.clone_from(&e.message);
    }

    fn batch_event(&mut self, e: &Event) {
        let Some(index) = e.batch else { return };
        let row = batch_row(&mut self.batches, index);
        if e.event == EventKind::BatchStarted {
            row.start_ms.get_or_insert(e.t_ms);
            row.nodes = row.nodes.max(e.nodes.unwrap_or(0));
            self.current_batch = Some(index);
        } else {
            row.end_ms = Some(e.t_ms);
            row.outcome.clone_from(&e.outcome);
            row.reason.clone_from(&e.reason);
            row.message.clone_from(&e.message);
            if self.current_batch == Some(index) {
                self.current_batch = None;
            }
        }
    }

    /// The event's own batch, else its node's, else the one running.
    fn batch_of(&self, e: &Event, node: Option<usize>) -> Option<u32> {
        e.batch.or_else(|| node.and_then(|n| self.out.nodes[n].batch)).or(self.current_batch)
    }

    fn budget_series(&mut self, name: &str) -> &mut BudgetSeries {
        let new = || BudgetSeries { budget: name.to_owned(), refused: 0, points: Vec::new() };
        self.budgets.entry(name.to_owned()).or_insert_with(new)
    }

    fn budget_changed(&mut self, e: &Event) {
        let Some(name) = &e.budget else { return };
        let point = BudgetPoint {
            t_ms: e.t_ms,
            allowed: e.allowed.unwrap_or(0),
            healthy: e.healthy.unwrap_or(0),
            desired: e.desired.unwrap_or(0),
            expected: e.expected.unwrap_or(0),
        };
        let points = &mut self.budget_series(name).points;
        match points.last_mut() {
            Some(last) if last.t_ms == e.t_ms => *last = point,
            _ => points.push(point),
        }
    }

    fn launch_event(&mut self, e: &Event) {
        let failed = e.event == EventKind::NodeLaunchFailed;
        self.out.launch_failures += u64::from(failed);
        match (&e.node, failed) {
            (Some(node), false) => _ = self.named_requests.insert(node.clone(), e.t_ms),
            (Some(node), true) => _ = self.named_requests.remove(node),
            (None, false) => {
                let queue = self.requests.entry(e.group.clone()).or_default();
                queue.extend(std::iter::repeat_n(e.t_ms, e.nodes.unwrap_or(1) as usize));
            }
            (None, true) => {
                let queue = self.requests.entry(e.group.clone()).or_default();
                queue.drain(..queue.len().min(e.nodes.unwrap_or(1) as usize));
            }
        }
    }

    fn node_added(&mut self, e: &Event) {
        let Some(name) = &e.node else { return };
        let role = e.role.unwrap_or(if e.initial { NodeRole::Other } else { NodeRole::New });
        let requested_ms = (!e.initial).then(|| self.request_of(name, e)).flatten();
        let batch = e.batch.or(if e.initial { None } else { self.current_batch });
        let row = NodeRow {
            name: name.clone(),
            role,
            initial: e.initial,
            batch,
            group: e.group.clone(),
            machine_type: e.machine_type.clone(),
            ocean: e.ocean,
            price_micros_per_hour: e.price_micros_per_hour,
            requested_ms,
            added_ms: e.t_ms,
            ready_ms: e.initial.then_some(e.t_ms),
            cordoned_ms: None,
            first_eviction_ms: None,
            drained_ms: None,
            drain_failed_ms: None,
            uncordoned_ms: None,
            deleted_ms: None,
            evictions: 0,
            refused: 0,
            moved: 0,
        };
        let index = self.out.nodes.len();
        self.out.launched += u64::from(!e.initial);
        self.out.nodes.push(row);
        self.nodes.insert(name.clone(), index);
        self.ledger.node_added(index, role, e);
    }

    /// When the launch of the node that now appears was asked for.
    fn request_of(&mut self, name: &str, e: &Event) -> Option<u64> {
        if let Some(at) = self.named_requests.remove(name) {
            return Some(at);
        }
        self.requests.get_mut(&e.group)?.pop_front()
    }

    fn node_event(&mut self, e: &Event) {
        let Some(&index) = e.node.as_ref().and_then(|n| self.nodes.get(n)) else {
            return;
        };
        let row = &mut self.out.nodes[index];
        if row.role != NodeRole::New {
            row.batch = row.batch.or(e.batch);
        }
        match e.event {
            EventKind::NodeCordoned => _ = row.cordoned_ms.get_or_insert(e.t_ms),
            EventKind::NodeReady => _ = row.ready_ms.get_or_insert(e.t_ms),
            EventKind::NodeNotReady if row.initial && e.t_ms == row.added_ms => row.ready_ms = None,
            EventKind::NodeDrained => row.drained_ms = Some(e.t_ms),
            EventKind::DrainFailed => row.drain_failed_ms = Some(e.t_ms),
            EventKind::NodeUncordoned => row.uncordoned_ms = Some(e.t_ms),
            EventKind::NodeDeleted => row.deleted_ms = Some(e.t_ms),
            _ => {}
        }
        match e.event {
            EventKind::NodeReady => self.ledger.node_ready(index, true),
            EventKind::NodeNotReady => self.ledger.node_ready(index, false),
            EventKind::NodeDeleted => self.ledger.node_deleted(index),
            _ => {}
        }
    }

    /// The pod an event is about; a pod never heard of was bound when the migration started.
    fn pod_of(&mut self, e: &Event) -> Option<usize> {
        let name = e.pod.as_ref()?;
        let known = match &e.uid {
            Some(uid) => self.by_uid.get(uid),
            None => self.by_name.get(name),
        };
        let index = match known {
            Some(&index) => index,
            None => self.add_pod(e, Phase::Bound)?,
        };
        let node = e.node.as_ref().and_then(|n| self.nodes.get(n)).copied();
        let pod = &mut self.pods[index];
        if pod.phase == Phase::Bound {
            pod.node = pod.node.or(node);
        }
        if pod.owner.is_none() {
            pod.owner.clone_from(&e.owner);
        }
        if let (0, Some(cpu)) = (pod.cpu_milli, e.cpu_milli) {
            pod.cpu_milli = cpu;
        }
        if let (0, Some(memory)) = (pod.memory_bytes, e.memory_bytes) {
            pod.memory_bytes = memory;
        }
        Some(index)
    }

    fn add_pod(&mut self, e: &Event, phase: Phase) -> Option<usize> {
        let name = e.pod.clone()?;
        let index = self.pods.len();
        match &e.uid {
            Some(uid) => _ = self.by_uid.insert(uid.clone(), index),
            None => _ = self.by_name.insert(name.clone(), index),
        }
        self.pods.push(Pod {
            name,
            owner: e.owner.clone(),
            phase,
            node: None,
            cpu_milli: e.cpu_milli.unwrap_or(0),
            memory_bytes: e.memory_bytes.unwrap_or(0),
            ready: false,
            created_ms: None,
            bound_ms: None,
            ready_ms: None,
            attached_ms: None,
            backoff_ms: 0,
            flush_ms: 0,
            row: None,
            predecessor: None,
            lost: false,
        });
        Some(index)
    }

    /// The pod's row, made now if it has none.
    fn row_of(&mut self, index: usize, e: &Event) -> usize {
        if let Some(row) = self.pods[index].row {
            return row;
        }
        let batch = self.batch_of(e, self.pods[index].node);
        let pod = &mut self.pods[index];
        let row = self.out.pods.len();
        pod.row = Some(row);
        let moves = pod.predecessor.map_or(0, |p| self.out.pods[p].moves);
        self.out.pods.push(PodRow {
            pod: pod.name.clone(),
            owner: pod.owner.clone(),
            uid: e.uid.clone(),
            batch,
            from_node: pod.node,
            departure: Departure::Stays,
            evicted_ms: None,
            terminated_ms: None,
            refused: 0,
            first_refused_ms: None,
            last_refusal: None,
            last_refusal_budget: None,
            replacement: None,
            created_ms: None,
            bound_ms: None,
            ready_ms: None,
            to_node: None,
            attached_ms: None,
            backoff_ms: 0,
            flush_ms: 0,
            unschedulable: 0,
            unschedulable_message: None,
            moves,
        });
        self.open.push(false);
        row
    }

    fn eviction_accepted(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        let row = self.row_of(index, e);
        if self.out.pods[row].departure == Departure::Evicted {
            return; // the same pod again: the API accepts the eviction of a pod that is terminating
        }
        self.out.evictions += 1;
        let node = self.pods[index].node;
        if let Some(batch) = self.batch_of(e, node) {
            batch_row(&mut self.batches, batch).evictions += 1;
        }
        if let Some(node) = node {
            let node = &mut self.out.nodes[node];
            node.evictions += 1;
            node.first_eviction_ms.get_or_insert(e.t_ms);
        }
        let out = &mut self.out.pods[row];
        out.batch = e.batch.or(out.batch);
        out.departure = Departure::Evicted;
        out.evicted_ms = Some(e.t_ms);
        self.count_move(index, row);
        self.lose(index, row, false);
    }

    fn eviction_refused(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        let row = self.row_of(index, e);
        let node = self.pods[index].node;
        self.out.refused += 1;
        if let Some(batch) = self.batch_of(e, node) {
            batch_row(&mut self.batches, batch).refused += 1;
        }
        if let Some(node) = node {
            let node = &mut self.out.nodes[node];
            node.refused += 1;
            node.first_eviction_ms.get_or_insert(e.t_ms);
        }
        if let Some(budget) = &e.budget {
            self.budget_series(budget).refused += 1;
        }
        let out = &mut self.out.pods[row];
        out.refused += 1;
        out.first_refused_ms.get_or_insert(e.t_ms);
        out.last_refusal = e.reason.clone().or_else(|| e.message.clone());
        out.last_refusal_budget.clone_from(&e.budget);
    }

    fn pod_preempted(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        self.out.preempted += 1;
        let row = self.row_of(index, e);
        let out = &mut self.out.pods[row];
        if out.departure == Departure::Stays {
            out.departure = Departure::Preempted;
            out.evicted_ms = Some(e.t_ms);
        }
        self.lose(index, row, false);
    }

    fn pod_terminated(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        if self.pods[index].phase == Phase::Gone {
            return;
        }
        self.free(index);
        let by_itself = e.reason.as_ref().is_some_and(|r| ENDED_BY_ITSELF.contains(&r.as_str()));
        let told = self.pods[index].row.is_some_and(|r| self.out.pods[r].departure != Departure::Stays);
        if !told && (by_itself || self.stays_with_node(index)) {
            return self.ended_by_itself(index);
        }
        let row = self.row_of(index, e);
        self.out.pods[row].terminated_ms = Some(e.t_ms);
        if !told {
            self.out.pods[row].departure = Departure::Terminated;
            let killed = self.pods[index]
                .node
                .is_some_and(|n| self.out.nodes[n].role == NodeRole::Old && self.out.nodes[n].cordoned_ms.is_some());
            if killed {
                self.count_move(index, row);
            }
            self.lose(index, row, false);
        }
        self.open_place(index, row);
    }

    /// Gives back what the pod held: its place in the queue or its room on the node.
    fn free(&mut self, index: usize) {
        let pod = &mut self.pods[index];
        match (pod.phase, pod.node) {
            (Phase::Pending, _) => self.ledger.pending(-1),
            (Phase::Bound, Some(node)) => self.ledger.request(node, -pod.cpu_milli, -pod.memory_bytes),
            _ => {}
        }
        pod.phase = Phase::Gone;
    }

    /// DaemonSet and static pods come and go with their node: nothing replaces them elsewhere.
    fn stays_with_node(&self, index: usize) -> bool {
        self.pods[index].owner.as_ref().is_some_and(|o| o.starts_with("DaemonSet/") || o.starts_with("Node/"))
    }

    fn ended_by_itself(&mut self, index: usize) {
        self.close_place(self.pods[index].predecessor);
        if !self.stays_with_node(index) {
            self.tell_lineage(index, usize::MAX, true);
        }
    }

    fn count_move(&mut self, index: usize, row: usize) {
        self.out.pods_moved += 1;
        if let Some(node) = self.pods[index].node {
            self.out.nodes[node].moved += 1;
        }
        let out = &mut self.out.pods[row];
        out.moves += 1;
        self.out.pods_moved_twice += u64::from(out.moves == 2);
    }

    /// The pod is leaving: its owner will replace it, or has done so.
    fn lose(&mut self, index: usize, row: usize, by_itself: bool) {
        if !self.pods[index].lost && !self.stays_with_node(index) {
            self.tell_lineage(index, row, by_itself);
        }
    }

    fn tell_lineage(&mut self, index: usize, row: usize, by_itself: bool) {
        let pod = &mut self.pods[index];
        pod.lost = true;
        let Some(owner) = &pod.owner else { return };
        let lineage = self.owners.entry(owner.clone()).or_default();
        lineage.forget(index);
        let taken = lineage.lost(Loss { pod: row, name: pod.name.clone(), by_itself });
        if let Some(replacement) = taken {
            self.join(row, replacement);
        }
    }

    /// `replacement` took the place of the pod of `row`; what it has already reached is copied.
    fn join(&mut self, row: usize, replacement: usize) {
        if row == usize::MAX {
            return; // took the place of a pod that ended by itself
        }
        let pod = &mut self.pods[replacement];
        pod.predecessor = Some(row);
        let out = &mut self.out.pods[row];
        out.replacement = Some(pod.name.clone());
        out.created_ms = pod.created_ms;
        out.bound_ms = pod.bound_ms;
        out.ready_ms = pod.ready_ms;
        out.to_node = pod.node;
        (out.attached_ms, out.backoff_ms, out.flush_ms) = (pod.attached_ms, pod.backoff_ms, pod.flush_ms);
    }

    /// A pod is gone: its place is disrupted until its replacement is ready.
    fn open_place(&mut self, index: usize, row: usize) {
        self.close_place(self.pods[index].predecessor);
        let replaceable = self.pods[index].owner.is_some() && !self.stays_with_node(index);
        if replaceable && self.out.pods[row].ready_ms.is_none() && !self.open[row] {
            self.open[row] = true;
            self.ledger.disrupted(1);
        }
    }

    fn close_place(&mut self, row: Option<usize>) {
        if let Some(open) = row.and_then(|r| self.open.get_mut(r)).filter(|open| **open) {
            *open = false;
            self.ledger.disrupted(-1);
        }
    }

    fn pod_created(&mut self, e: &Event) {
        let Some(index) = self.add_pod(e, Phase::Pending) else {
            return;
        };
        self.pods[index].created_ms = Some(e.t_ms);
        self.ledger.pending(1);
        if e.initial || self.stays_with_node(index) {
            return;
        }
        let Some(owner) = &e.owner else { return };
        let lineage = self.owners.entry(owner.clone()).or_default();
        let name = &self.pods[index].name;
        if let Some(row) = lineage.created(index, |n| n == name) {
            self.join(row, index);
        }
    }

    fn pod_bound(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        let node = e.node.as_ref().and_then(|n| self.nodes.get(n)).copied();
        let pod = &mut self.pods[index];
        if pod.phase == Phase::Pending {
            self.ledger.pending(-1);
        }
        pod.phase = Phase::Bound;
        pod.node = node;
        pod.bound_ms = Some(e.t_ms);
        let (cpu, memory, predecessor) = (pod.cpu_milli, pod.memory_bytes, pod.predecessor);
        if let Some(node) = node {
            self.ledger.request(node, cpu, memory);
        }
        if let Some(row) = predecessor {
            self.out.pods[row].bound_ms = Some(e.t_ms);
            self.out.pods[row].to_node = node;
        }
    }

    fn pod_ready(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        let pod = &mut self.pods[index];
        if pod.ready {
            return;
        }
        pod.ready = true;
        pod.ready_ms = Some(e.t_ms);
        if let Some(row) = pod.predecessor {
            self.out.pods[row].ready_ms.get_or_insert(e.t_ms);
            self.close_place(Some(row));
        }
    }

    fn pod_waited(&mut self, e: &Event) {
        let Some(index) = self.pod_of(e) else { return };
        let pod = &mut self.pods[index];
        match (e.event, e.reason.as_deref()) {
            (EventKind::PodAttached, _) => pod.attached_ms = Some(e.t_ms),
            (_, Some("Backoff")) => pod.backoff_ms = e.waited_ms.unwrap_or(0),
            _ => pod.flush_ms = e.waited_ms.unwrap_or(0),
        }
        if let Some(row) = pod.predecessor {
            let out = &mut self.out.pods[row];
            (out.attached_ms, out.backoff_ms, out.flush_ms) = (pod.attached_ms, pod.backoff_ms, pod.flush_ms);
        }
    }

    fn pod_unschedulable(&mut self, e: &Event) {
        let Some(row) = self.pod_of(e).and_then(|i| self.pods[i].predecessor) else {
            return;
        };
        let out = &mut self.out.pods[row];
        out.unschedulable += 1;
        out.unschedulable_message = e.message.clone().or_else(|| e.reason.clone());
    }
}

fn batch_row(rows: &mut BTreeMap<u32, BatchRow>, index: u32) -> &mut BatchRow {
    rows.entry(index).or_insert_with(|| BatchRow { index, ..BatchRow::default() })
}

#[cfg(test)]
mod tests;
