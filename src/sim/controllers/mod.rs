//! The controllers that keep workloads whole, one file a kind.
//!
//! Each kind's file decides, purely, what its controller would do about one owner ([`Sync`]); the queue, the expectations
//! and the rate-limited client are here and the same for all. A controller wakes for events alone, so an owner that had
//! fewer or more pods than it wants when the snapshot was taken stays so until something of it changes, as in a
//! cluster that has come to rest.

pub(in crate::sim) mod admission;
mod client;
mod daemonset;
mod job;
mod memory;
mod names;
mod ranking;
mod replicaset;
mod statefulset;

use super::ctx::Ctx;
use super::event::Timer;
use super::options::SimOptions;
use crate::cluster::{
    Catalog, Change, NodeChange, NodeIdx, OwnerIdx, OwnerKind, PodChange, PodIdx, SharedArena, SpecIdx, State, Sym,
    View, Webhook,
};
use crate::disruption::delete_pod;
use crate::trace::observation::{WorkloadNow, workload};
use crate::trace::{Detail, EventKind, Observation};
use admission::{Admission, Refused};
use client::Client;
use job::JobEnd;
use memory::{Memory, Status};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most pods created or deleted by one look (replicaset `BurstReplicas`, job `MaxPodCreateDeletePerSync`).
pub const BURST: usize = 500;
/// The first and the longest pause of an owner whose calls are refused (client-go `DefaultTypedControllerRateLimiter`).
const PAUSES_MS: (i64, i64) = (5, 1_000_000);
/// The same of the Job controller (job `DefaultJobApiBackOff`, `MaxJobApiBackOff`).
const JOB_PAUSES_MS: (i64, i64) = (1_000, 60_000);
/// The Job controller gathers events for so long (job `SyncJobBatchPeriod`).
pub const JOB_BATCH_MS: i64 = 1_000;

/// What a controller does to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Creates a clone of what `spec` was.
    Create {
        /// What it is created as.
        spec: SpecIdx,
        /// Its name; None for a generated one.
        name: Option<Sym>,
        /// The node a DaemonSet made it for.
        node: Option<NodeIdx>,
    },
    /// Deletes a pod, with its own grace.
    Delete(PodIdx),
}

/// What a controller decided about an owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    /// Calls, in order.
    pub actions: Vec<Action>,
    /// Calls go out in batches of 1, 2, 4 …, each after the one before (`slowStartBatch`); else all at once.
    pub slow_start: bool,
    /// When to look again without an event.
    pub again_at: Option<i64>,
    /// A Job ends as failed.
    pub failed: Option<JobEnd>,
}

impl Sync {
    fn create(&mut self, spec: SpecIdx, name: Option<Sym>) {
        self.actions.push(Action::Create { spec, name, node: None });
    }
}

/// All workload controllers of a cluster.
#[derive(Clone, Debug)]
pub struct Controllers {
    memories: SharedArena<OwnerIdx, Memory>,
    clients: BTreeMap<OwnerKind, Client>,
    daemon_sets: Vec<OwnerIdx>,
    /// DaemonSets whose pod found no room on a node.
    starved: BTreeMap<NodeIdx, BTreeSet<OwnerIdx>>,
    admission: Admission,
    writes: BTreeMap<u64, (OwnerIdx, Action)>,
    next_write: u64,
    /// Each pod's part in the status of its owner.
    parts: Vec<Status>,
}

impl Controllers {
    /// The controllers as they stand when the snapshot was taken: nothing to do.
    pub fn new(catalog: &Catalog, state: &State, options: &SimOptions) -> Controllers {
        let kinds = [
            OwnerKind::Deployment,
            OwnerKind::ReplicaSet,
            OwnerKind::ReplicationController,
            OwnerKind::StatefulSet,
            OwnerKind::DaemonSet,
            OwnerKind::Job,
            OwnerKind::Custom,
        ];
        let client = |kind| (kind, Client::new(options.controller_client));
        let daemon = |i: &OwnerIdx| catalog.owners[*i].kind == OwnerKind::DaemonSet;
        Controllers {
            memories: memory::all(catalog, state),
            clients: kinds.into_iter().map(client).collect(),
            daemon_sets: catalog.owners.indices().filter(daemon).collect(),
            starved: BTreeMap::new(),
            admission: Admission::new(catalog, state),
            writes: BTreeMap::new(),
            next_write: 0,
            parts: state.pods.iter().map(Status::of).collect(),
        }
    }

    /// Nothing is pending when a run begins. Owners that the dump lacks because their kind was not asked for, and those
    /// that say no count, are given the count they have, which budgets go by too.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>) {
        for (owner, o) in ctx.catalog.owners.entries() {
            let memory = self.memory(owner);
            if let (false, true, Some(kept)) = (memory.orphaned, o.missing, memory.kept) {
                ctx.state.set_replicas(owner, Some(kept));
            }
            if let Some(deadline) = o.job.as_ref().filter(|j| !j.finished).and_then(|j| j.deadline_ms) {
                self.enqueue_at(ctx, owner, deadline.max(ctx.now));
            }
        }
    }

    /// Wakes the owners that a change concerns.
    pub fn on_change(&mut self, ctx: &mut Ctx<'_>, change: Change) {
        self.admission.on_change(ctx.catalog, ctx.state, change);
        match change {
            Change::Pod(pod, what) => self.pod_changed(ctx, pod, what),
            Change::Owner(owner) => self.enqueue(ctx, owner),
            Change::Node(node, what) if what != NodeChange::Removed => {
                for i in 0..self.daemon_sets.len() {
                    self.wake_daemon(ctx, self.daemon_sets[i], node);
                }
            }
            _ => {}
        }
    }

    /// A look at an owner is due, or a call reaches the API server.
    pub fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: Timer) {
        match timer {
            Timer::Owner(owner) => {
                let due = &mut self.memories[owner].due;
                if due.is_some_and(|at| at <= ctx.now) {
                    *due = None;
                    self.look(ctx, owner);
                }
            }
            Timer::ControllerWrite(n) => self.write(ctx, n),
            _ => {}
        }
    }

    fn memory(&mut self, owner: OwnerIdx) -> &mut Memory {
        &mut self.memories[owner]
    }

    fn pod_changed(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx, what: PodChange) {
        let relevant = matches!(
            what,
            PodChange::Added
                | PodChange::Bound
                | PodChange::Phase(_)
                | PodChange::Ready
                | PodChange::Deleting
                | PodChange::Removed
        );
        if !relevant {
            return;
        }
        let node = ctx.state.pods[pod].node;
        if let (PodChange::Removed | PodChange::Phase(_), Some(node)) = (what, node) {
            for owner in self.starved.remove(&node).unwrap_or_default() {
                self.wake_daemon(ctx, owner, node);
            }
        }
        let Some(owner) = ctx.catalog.specs[ctx.state.pods[pod].spec].owner else {
            return;
        };
        self.recount(ctx, owner, pod, what);
        match ctx.catalog.owners[owner].kind {
            OwnerKind::Node => return,
            OwnerKind::DaemonSet => {
                if let Some(node) = node {
                    let memory = self.memory(owner);
                    memory.nodes.insert(node);
                    let pods = memory.on_node.entry(node).or_default();
                    if !pods.contains(&pod) {
                        pods.push(pod);
                    }
                }
            }
            OwnerKind::Job => {
                let (catalog, now) = (ctx.catalog, ctx.now);
                let pods = &ctx.state.pods[pod];
                job::note(catalog, self.memory(owner), owner, pod, pods, now);
                if job::keeps(catalog, ctx.state, &self.memories[owner], owner, pod) {
                    ctx.state.set_kept_by_job(pod, true);
                }
            }
            _ => {}
        }
        self.enqueue(ctx, owner);
    }

    /// A pod's part in its owner's status may be another.
    fn recount(&mut self, ctx: &Ctx<'_>, owner: OwnerIdx, pod: PodIdx, what: PodChange) {
        let at = crate::cluster::Idx::at(pod);
        if self.parts.len() <= at {
            self.parts.resize(at + 1, Status::default());
        }
        let p = &ctx.state.pods[pod];
        let after = Status::of(p);
        let before = std::mem::replace(&mut self.parts[at], after);
        let memory = &mut self.memories[owner];
        memory.counted.replace(before, after);
        if let (PodChange::Added, Some(names)) = (what, &mut memory.names) {
            names.insert(names::hash(ctx.state.name(ctx.catalog, p.name)));
        }
    }

    fn wake_daemon(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx, node: NodeIdx) {
        self.memory(owner).nodes.insert(node);
        self.enqueue(ctx, owner);
    }

    fn enqueue(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx) {
        let delay = match ctx.catalog.owners[owner].kind {
            OwnerKind::Job => JOB_BATCH_MS,
            _ => ctx.options.controller_latency_ms,
        };
        self.enqueue_at(ctx, owner, ctx.now + delay);
    }

    /// The queue keeps one entry an owner, the earliest (client-go delaying queue).
    fn enqueue_at(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx, at: i64) {
        let memory = self.memory(owner);
        if memory.due.is_none_or(|due| at < due) {
            memory.due = Some(at);
            ctx.timers.schedule(at, Timer::Owner(owner));
        }
    }

    /// One sync of an owner. While calls of the last one are under way its expectations are not met and nothing is
    /// decided; the last of them enqueues it again.
    fn look(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx) {
        if self.memories[owner].under_way > 0 {
            return;
        }
        let memory = &mut self.memories[owner];
        let (catalog, state) = (ctx.catalog, &*ctx.state);
        let sync = match catalog.owners[owner].kind {
            OwnerKind::Node => return,
            OwnerKind::StatefulSet => statefulset::sync(catalog, state, memory, owner, ctx.now),
            OwnerKind::Job => job::sync(catalog, state, memory, owner, ctx.now),
            OwnerKind::DaemonSet => daemonset::sync(catalog, state, memory, owner),
            OwnerKind::Deployment | OwnerKind::ReplicaSet | OwnerKind::ReplicationController | OwnerKind::Custom => {
                replicaset::sync(catalog, state, memory, owner)
            }
        };
        if let Some(at) = sync.again_at {
            self.enqueue_at(ctx, owner, at.max(ctx.now + 1));
        }
        if let Some(end) = sync.failed {
            let (ready, wanted) = (0, 0);
            let failed = Observation::new(ctx.now, EventKind::JobFailed);
            ctx.events.push(failed.workload(WorkloadNow { owner, ready, wanted }).detail(Detail {
                reason: Some(end.reason.to_owned()),
                message: Some(end.message),
                ..Detail::default()
            }));
        }
        self.let_go(ctx, owner);
        let memory = &mut self.memories[owner];
        memory.batch = if sync.slow_start { 1 } else { BURST };
        memory.plan = VecDeque::from(sync.actions);
        self.send_batch(ctx, owner);
        self.report_status(ctx, owner);
    }

    /// A Job takes its finalizer off pods that it kept until their indexes had replacements.
    fn let_go(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx) {
        if ctx.catalog.owners[owner].job.as_ref().is_none_or(|j| j.backoff_limit_per_index.is_none()) {
            return;
        }
        let memory = &self.memories[owner];
        let keeps = |p: PodIdx| job::keeps(ctx.catalog, ctx.state, memory, owner, p);
        let owned = ctx.state.owned[owner].iter().copied();
        let free: Vec<PodIdx> = owned.filter(|p| ctx.state.pods[*p].kept_by_job && !keeps(*p)).collect();
        for pod in free {
            ctx.state.set_kept_by_job(pod, false);
            // The status is written before the finalizer goes.
            ctx.after(2 * ctx.options.api_latency_ms, Timer::PodRemoved(pod));
        }
    }

    /// Sends the next batch of an owner's calls, each when the client's limiter lets it go.
    fn send_batch(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx) {
        let kind = ctx.catalog.owners[owner].kind;
        let memory = &mut self.memories[owner];
        let Some(client) = self.clients.get_mut(&kind) else {
            return;
        };
        let n = memory.batch.min(memory.plan.len());
        memory.batch = memory.batch.saturating_mul(2);
        memory.under_way = n as u32;
        for action in memory.plan.drain(..n) {
            let at = client.call(ctx.now) + ctx.options.api_latency_ms;
            self.writes.insert(self.next_write, (owner, action));
            ctx.timers.schedule(at, Timer::ControllerWrite(self.next_write));
            self.next_write += 1;
        }
    }

    /// A status that changed costs a call of the same client.
    fn report_status(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx) {
        let memory = &mut self.memories[owner];
        let status = memory.counted;
        debug_assert_eq!(status, Status::count(ctx.state, owner));
        if memory.status != status {
            memory.status = status;
            if let Some(client) = self.clients.get_mut(&ctx.catalog.owners[owner].kind) {
                client.call(ctx.now);
            }
        }
    }

    fn write(&mut self, ctx: &mut Ctx<'_>, n: u64) {
        let Some((owner, action)) = self.writes.remove(&n) else {
            return;
        };
        match action {
            Action::Delete(pod) => {
                delete_pod(ctx.catalog, ctx.state, pod, ctx.now, None);
            }
            Action::Create { spec, name, node } => {
                if let Some(refused) = self.create(ctx, owner, spec, name, node) {
                    // A DaemonSet looks at the node again, and at those that were to follow.
                    self.memory(owner).nodes.extend(node);
                    return self.refused(ctx, owner, refused);
                }
            }
        }
        // "SuccessfulCreate", "SuccessfulDelete": events go through the same client.
        let memory = &mut self.memories[owner];
        memory.refused = 0;
        if memory.may_send_event(ctx.now)
            && let Some(client) = self.clients.get_mut(&ctx.catalog.owners[owner].kind)
        {
            client.call(ctx.now);
        }
        memory.under_way = memory.under_way.saturating_sub(1);
        if memory.under_way == 0 {
            if memory.plan.is_empty() {
                self.enqueue(ctx, owner);
            } else {
                self.send_batch(ctx, owner);
            }
        }
    }

    /// The webhook that refuses a pod's eviction, if one does.
    pub fn refuses_eviction<'a>(&self, view: View<'a>, pod: PodIdx) -> Option<&'a Webhook> {
        self.admission.refuses_eviction(view, pod)
    }

    /// A pod could not be created: the rest of the batch is given up, and the owner is looked at again after a pause that doubles
    /// (client-go `DefaultTypedControllerRateLimiter`).
    fn refused(&mut self, ctx: &mut Ctx<'_>, owner: OwnerIdx, refused: Refused) {
        let (first, longest) = match ctx.catalog.owners[owner].is_job() {
            true => JOB_PAUSES_MS,
            false => PAUSES_MS,
        };
        let now = WorkloadNow { owner: workload(ctx.catalog, owner), ready: 0, wanted: 0 };
        ctx.events.push(Observation::new(ctx.now, EventKind::PodCreationRefused).workload(now).detail(Detail {
            code: Some(refused.code),
            reason: Some(refused.reason.to_owned()),
            message: Some(refused.message),
            sim_only: true,
            ..Detail::default()
        }));
        let memory = self.memory(owner);
        for action in std::mem::take(&mut memory.plan) {
            if let Action::Create { node, .. } = action {
                memory.nodes.extend(node);
            }
        }
        memory.refused = memory.refused.saturating_add(1);
        memory.under_way = memory.under_way.saturating_sub(1);
        let pause = (first << (memory.refused - 1).min(18)).min(longest);
        if memory.under_way == 0 {
            self.enqueue_at(ctx, owner, ctx.now + pause);
        }
    }

    /// Creates a pod; says why it is refused, if it is.
    fn create(
        &mut self,
        ctx: &mut Ctx<'_>,
        owner: OwnerIdx,
        spec: SpecIdx,
        name: Option<Sym>,
        node: Option<NodeIdx>,
    ) -> Option<Refused> {
        let spec = ctx.catalog.inventory.replacements.get(&spec).copied().unwrap_or(spec);
        let namespace = ctx.catalog.specs[spec].namespace;
        if ctx.catalog.namespaces[namespace].terminating {
            return None;
        }
        if let Some(node) = node
            && !daemonset::fits(ctx.catalog, ctx.state, spec, node)
        {
            // The real pod waits as pending for this one node; here it is created when something leaves the node.
            self.starved.entry(node).or_default().insert(owner);
            return None;
        }
        if !self.admission.is_idle() {
            let view = View { catalog: ctx.catalog, state: ctx.state };
            let text = name.map_or_else(
                || format!("{}-", ctx.catalog.text(ctx.catalog.owners[owner].name)),
                |n| ctx.state.name(ctx.catalog, n).to_owned(),
            );
            if let Some(refused) = self.admission.refuses_creation(view, spec, &text) {
                return Some(refused);
            }
        }
        let memory = &mut self.memories[owner];
        let name = match name {
            Some(name) => name,
            None => {
                let text = names::generate(ctx, owner, spec, memory);
                ctx.state.make_name(&text)
            }
        };
        let pod = ctx.state.create_pod(ctx.catalog, spec, name, ctx.now);
        // The quota is charged with the admission, before the next is judged.
        self.admission.on_change(ctx.catalog, ctx.state, Change::Pod(pod, PodChange::Added));
        if let Some(node) = node {
            // The scheduler would place it by its affinity to the node's name; nobody else can.
            ctx.state.bind(ctx.catalog, pod, node, ctx.now);
            ctx.after(0, Timer::Bound(pod));
        }
        None
    }
}

#[cfg(test)]
mod tests;
