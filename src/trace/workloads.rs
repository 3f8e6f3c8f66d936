//! How available each workload is: its ready pods counted as they change, and what is folded from that.
//!
//! [`ReadyCounts`] counts by events (nothing is scanned after the start) and is the author of `workload_changed`; [`Tracker`] folds those events,
//! with the budgets', into a [`Track`] a workload. DaemonSets and static pods are left out: they come and go with their nodes.

use super::event::EventKind;
use super::harm::WorkloadRow;
use super::observation::{Detail, Observation, WorkloadNow, workload};
use crate::cluster::{
    Arena, BudgetIdx, Catalog, Idx, OwnerIdx, OwnerKind, Phase, PodChange, PodIdx, SharedArena, SpecIdx, State, View,
};
use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

/// Why a Job's pod has to begin again (`reason` of `job_pod_lost`): its node is gone, or not Ready. Nobody evicted it.
pub const NODE_LOST: &str = "NodeLost";

/// A pod that counts as a ready replica: ready, and neither ended nor being deleted.
fn is_ready(state: &State, pod: PodIdx) -> bool {
    let p = &state.pods[pod];
    p.ready && p.is_active()
}

/// The workload of each owner; None where its pods come and go with their node.
fn workloads(catalog: &Catalog) -> Arena<OwnerIdx, Option<OwnerIdx>> {
    let of = |owner| {
        let top = workload(catalog, owner);
        (!matches!(catalog.owners[top].kind, OwnerKind::DaemonSet | OwnerKind::Node)).then_some(top)
    };
    catalog.owners.indices().map(of).collect()
}

/// How many pods an owner says it wants; None where nothing says so (a Job, a custom resource, an owner that the dump lacks).
fn stated(view: View<'_>, owner: OwnerIdx) -> Option<u32> {
    let o = &view.catalog.owners[owner];
    let replicas = view.state.replicas[owner].filter(|_| !o.missing && o.kind != OwnerKind::Job)?;
    Some(u32::try_from(replicas.max(0)).unwrap_or(u32::MAX))
}

/// A workload as it is now, counted from all its pods; one that states no number wants the active ones.
pub fn count(view: View<'_>, of: OwnerIdx) -> WorkloadNow {
    let (mut ready, mut active) = (0, 0);
    for owner in view.catalog.owners.indices().filter(|o| workload(view.catalog, *o) == of) {
        for pod in &view.state.owned[owner] {
            ready += u32::from(is_ready(view.state, *pod));
            active += u32::from(view.state.pods[*pod].is_active());
        }
    }
    WorkloadNow { owner: of, ready, wanted: stated(view, of).unwrap_or(active) }
}

/// Whether a Job has reached its `activeDeadlineSeconds`: it ends by itself then, and wants no pods.
fn is_past_deadline(catalog: &Catalog, owner: OwnerIdx, now: i64) -> bool {
    catalog.owners[owner].job.as_ref().and_then(|j| j.deadline_ms).is_some_and(|deadline| now >= deadline)
}

/// The workload that a pod counts for, if any.
pub fn workload_of(view: View<'_>, pod: PodIdx) -> Option<OwnerIdx> {
    let owner = view.catalog.specs[view.state.pods[pod].spec].owner?;
    let top = workload(view.catalog, owner);
    (!matches!(view.catalog.owners[top].kind, OwnerKind::DaemonSet | OwnerKind::Node)).then_some(top)
}

/// The ready pods of each workload, kept by the changes of pods.
#[derive(Clone, Debug)]
pub struct ReadyCounts {
    of: Arc<Arena<OwnerIdx, Option<OwnerIdx>>>,
    ready: Arena<OwnerIdx, u32>,
    wanted: Arena<OwnerIdx, u32>,
    counted: FixedBitSet,
}

impl ReadyCounts {
    /// The counts at the start.
    pub fn new(view: View<'_>) -> ReadyCounts {
        let View { catalog, state } = view;
        let of = workloads(catalog);
        let mut counts = ReadyCounts {
            ready: catalog.owners.iter().map(|_| 0).collect(),
            wanted: catalog.owners.iter().map(|_| 0).collect(),
            counted: FixedBitSet::with_capacity(state.pods.len()),
            of: Arc::new(of),
        };
        for pod in state.live_pods() {
            let Some(w) = counts.workload(catalog, state, pod) else { continue };
            counts.wanted[w] += u32::from(state.pods[pod].is_active());
            if is_ready(state, pod) {
                counts.ready[w] += 1;
                counts.counted.insert(pod.at());
            }
        }
        for (owner, w) in counts.of.entries().filter(|(o, w)| **w == Some(*o)) {
            debug_assert_eq!(*w, Some(owner));
            if let Some(wanted) = stated(view, owner) {
                counts.wanted[owner] = wanted;
            }
        }
        counts
    }

    /// The workloads at the start, each with the budgets over its pods; what wants and has no pod is left out.
    pub fn initial<'b>(&self, view: View<'_>, budgets_of: impl Fn(SpecIdx) -> &'b [BudgetIdx]) -> Vec<Observation> {
        let View { catalog, state } = view;
        let mut budgets: BTreeMap<OwnerIdx, Vec<BudgetIdx>> = BTreeMap::new();
        let mut last = None;
        for pod in state.live_pods() {
            let Some(w) = self.workload(catalog, state, pod) else { continue };
            let found = budgets.entry(w).or_default();
            let covering = budgets_of(state.pods[pod].spec);
            // A workload's pods are mostly under the same budgets.
            if last == Some((w, covering.as_ptr())) {
                continue;
            }
            last = Some((w, covering.as_ptr()));
            found.extend(covering.iter().filter(|b| !found.contains(b)).copied().collect::<Vec<_>>());
        }
        let tops = self.of.entries().filter(|(o, w)| **w == Some(*o)).map(|(o, _)| o);
        tops.filter(|o| self.wanted[*o] > 0 || budgets.contains_key(o))
            .map(|owner| {
                let budgets = budgets.get(&owner).cloned().unwrap_or_default();
                let detail = Detail { initial: true, budgets, ..Detail::default() };
                Observation::new(0, EventKind::WorkloadChanged).workload(self.now(owner)).detail(detail)
            })
            .collect()
    }

    fn now(&self, owner: OwnerIdx) -> WorkloadNow {
        WorkloadNow { owner, ready: self.ready[owner], wanted: self.wanted[owner] }
    }

    fn workload(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> Option<OwnerIdx> {
        let owner = catalog.specs[state.pods[pod].spec].owner?;
        // What was injected during the run was not there at the start.
        self.of.get(owner).copied().flatten()
    }

    /// A pod has changed: what that makes of its workload.
    pub fn pod_changed(
        &mut self,
        now: i64,
        view: View<'_>,
        pod: PodIdx,
        what: PodChange,
    ) -> impl Iterator<Item = Observation> + use<> {
        let relevant =
            matches!(what, PodChange::Ready | PodChange::Deleting | PodChange::Removed | PodChange::Phase(_));
        let w = relevant.then(|| self.workload(view.catalog, view.state, pod)).flatten();
        let lost = w.and_then(|w| self.lost_work(now, view, pod, what, w));
        let changed = w.and_then(|w| self.recounted(now, view, pod, w));
        lost.into_iter().chain(changed)
    }

    fn recounted(&mut self, now: i64, view: View<'_>, pod: PodIdx, w: OwnerIdx) -> Option<Observation> {
        let ready = is_ready(view.state, pod);
        self.counted.grow(pod.at() + 1);
        if self.counted.contains(pod.at()) == ready {
            return None;
        }
        self.counted.set(pod.at(), ready);
        let count = &mut self.ready[w];
        *count = if ready { *count + 1 } else { count.saturating_sub(1) };
        if view.catalog.owners[w].is_job() {
            // What has done its work is wanted no more; what the Job goes on with is.
            let done = view.state.pods[pod].phase == Phase::Succeeded && view.state.pods[pod].deleting.is_none();
            let wanted = &mut self.wanted[w];
            *wanted = if done && !ready { wanted.saturating_sub(1) } else { (*wanted).max(*count) };
        }
        if is_past_deadline(view.catalog, w, now) {
            self.wanted[w] = 0;
        }
        Some(Observation::new(now, EventKind::WorkloadChanged).workload(self.now(w)))
    }

    /// A Job's pod that has to go before it is done begins again: what it did is lost.
    fn lost_work(&self, now: i64, view: View<'_>, pod: PodIdx, what: PodChange, w: OwnerIdx) -> Option<Observation> {
        let p = &view.state.pods[pod];
        view.catalog.owners[w].job.as_ref().filter(|j| !j.finished && !j.suspended)?;
        if is_past_deadline(view.catalog, w, now) {
            return None;
        }
        let goes = match what {
            PodChange::Deleting => true,
            PodChange::Removed => p.deleting.is_none(),
            _ => false,
        };
        (goes && p.phase == Phase::Running).then(|| {
            let lost_ms = Some(u64::try_from(now - p.started).unwrap_or(0));
            let node = p.node.map(|n| &view.state.nodes[n]);
            let reason = node.is_some_and(|n| n.gone || !n.ready).then(|| NODE_LOST.to_owned());
            let seen = Observation::new(now, EventKind::JobPodLost).pod(pod).node(p.node).workload(self.now(w));
            seen.detail(Detail { lost_ms, reason, ..Detail::default() })
        })
    }

    /// An owner's number of replicas has changed.
    pub fn owner_changed(&mut self, now: i64, view: View<'_>, owner: OwnerIdx) -> Option<Observation> {
        let wanted = stated(view, owner).filter(|_| self.of.get(owner) == Some(&Some(owner)))?;
        (std::mem::replace(&mut self.wanted[owner], wanted) != wanted)
            .then(|| Observation::new(now, EventKind::WorkloadChanged).workload(self.now(owner)))
    }
}

/// Ready and wanted pods from `t_ms` until the next point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ReadyPoint {
    /// Milliseconds since the migration started.
    pub t_ms: u64,
    /// Pods that are ready and not being deleted.
    pub ready: u32,
    /// Pods that the workload wants.
    pub wanted: u32,
}

/// One workload as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// It is a Job.
    pub job: bool,
    /// The budgets over its pods, by place in the tracker.
    pub budgets: Vec<usize>,
    /// Wanted at the start and now.
    pub wanted: (u32, u32),
    /// Ready at the start.
    pub ready_start: u32,
    /// Ready now; after the migration's end as it was then.
    pub ready: u32,
    /// Least ready, and when first.
    pub least: (u32, u64),
    /// Time without a ready pod, of a workload that had one at the start.
    pub zero_ms: u64,
    zero_since: Option<u64>,
    /// Since when it is less ready than it was at the start (and wants to be).
    pub short_since: Option<u64>,
    /// When it was last made good.
    pub ready_again_ms: Option<u64>,
    /// Its pods that were preempted, by the workload that they had to go for.
    pub preempted: BTreeMap<String, u64>,
    /// Its pods that were deleted past their budgets.
    pub forced: u64,
    /// A Job that ended as failed.
    pub job_failed: bool,
    /// Pods of a Job that had to begin again, and how long they had run in all.
    pub lost: (u64, u64),
    /// Those of them whose node was lost.
    pub lost_with_node: u64,
    /// Its ready pods over time, where they are kept.
    pub points: Vec<ReadyPoint>,
}

impl Track {
    /// As many pods as have to be ready that the workload is no worse off than at the start.
    pub fn floor(&self) -> u32 {
        self.ready_start.min(self.wanted.1)
    }

    fn is_touched(&self) -> bool {
        self.least.0 < self.ready_start || self.job_failed || self.lost.0 > 0 || !self.preempted.is_empty()
    }

    fn close(&mut self, t_ms: u64) {
        if let Some(since) = self.zero_since.take() {
            self.zero_ms += t_ms.saturating_sub(since);
        }
    }
}

/// One budget as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct BudgetTrack {
    /// Ready pods under it at the start.
    start: i64,
    below_ms: u64,
    below_since: Option<u64>,
}

/// A bare pod that somebody made leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarePod {
    /// It was evicted, or deleted by the drain itself.
    pub evicted: bool,
    /// It was preempted, for a pod of this workload.
    pub preempted_by: Option<String>,
    /// When it was gone.
    pub gone_ms: Option<u64>,
}

/// Folds the events of workloads and budgets, which come in order of time. Workloads and budgets are known by keys.
#[derive(Clone, Debug)]
pub struct Tracker<W, B> {
    places: FxHashMap<W, usize>,
    keys: Vec<W>,
    tracks: SharedArena<usize, Track>,
    budget_places: FxHashMap<B, usize>,
    budget_keys: Vec<B>,
    budgets: Vec<BudgetTrack>,
    /// Bare pods that somebody made leave, by `namespace/name`.
    bare: BTreeMap<String, BarePod>,
    keep_points: bool,
    ended: bool,
    short: usize,
}

impl<W, B> Default for Tracker<W, B> {
    fn default() -> Self {
        Tracker {
            places: FxHashMap::default(),
            keys: Vec::new(),
            tracks: SharedArena::default(),
            budget_places: FxHashMap::default(),
            budget_keys: Vec::new(),
            budgets: Vec::new(),
            bare: BTreeMap::new(),
            keep_points: false,
            ended: false,
            short: 0,
        }
    }
}

impl<W: Hash + Eq + Clone, B: Hash + Eq + Clone> Tracker<W, B> {
    /// A tracker that keeps the ready pods over time.
    pub fn with_points() -> Self {
        Tracker { keep_points: true, ..Tracker::default() }
    }

    fn budget_place(&mut self, budget: &B) -> usize {
        let (places, budgets, keys) = (&mut self.budget_places, &mut self.budgets, &mut self.budget_keys);
        *places.entry(budget.clone()).or_insert_with(|| {
            keys.push(budget.clone());
            budgets.push(BudgetTrack::default());
            budgets.len() - 1
        })
    }

    /// A workload that is there at the start.
    pub fn begins(&mut self, key: &W, ready: u32, wanted: u32, job: bool, budgets: impl IntoIterator<Item = B>) {
        let budgets = budgets.into_iter().map(|b| self.budget_place(&b)).collect();
        let track = Track {
            job,
            budgets,
            wanted: (wanted, wanted),
            ready_start: ready,
            ready,
            least: (ready, 0),
            points: if self.keep_points { vec![ReadyPoint { t_ms: 0, ready, wanted }] } else { Vec::new() },
            ..Track::default()
        };
        self.places.insert(key.clone(), self.tracks.len());
        self.keys.push(key.clone());
        self.tracks.push(track);
    }

    fn track(&mut self, key: &W) -> Option<&mut Track> {
        self.places.get(key).map(|i| &mut self.tracks[*i])
    }

    /// A workload's ready or wanted pods have changed. One that was not there at the start has nothing to lose.
    pub fn changed(&mut self, key: &W, t_ms: u64, ready: u32, wanted: u32) {
        let (keep, ended) = (self.keep_points, self.ended);
        let Some(place) = self.places.get(key).copied() else { return };
        let t = &mut self.tracks[place];
        t.wanted.1 = wanted;
        if !ended {
            t.ready = ready;
            if ready < t.least.0 {
                t.least = (ready, t_ms);
            }
            if keep {
                match t.points.last_mut() {
                    Some(last) if last.t_ms == t_ms => *last = ReadyPoint { t_ms, ready, wanted },
                    _ => t.points.push(ReadyPoint { t_ms, ready, wanted }),
                }
            }
            match (ready == 0 && t.ready_start > 0 && wanted > 0, t.zero_since) {
                (true, None) => t.zero_since = Some(t_ms),
                (false, Some(since)) => {
                    t.zero_ms += t_ms - since;
                    t.zero_since = None;
                }
                _ => {}
            }
        }
        match (ready < t.floor(), t.short_since) {
            (true, None) => {
                t.short_since = Some(t_ms);
                t.ready_again_ms = None;
                self.short += 1;
            }
            (false, Some(_)) => {
                t.short_since = None;
                t.ready_again_ms = Some(t_ms);
                self.short -= 1;
            }
            _ => {}
        }
    }

    /// A budget's status. `start`: how many ready pods it covers, where this is its status at the start.
    pub fn budget(&mut self, key: &B, t_ms: u64, healthy: i64, desired: i64, start: Option<u32>) {
        if self.ended {
            return;
        }
        let place = self.budget_place(key);
        let b = &mut self.budgets[place];
        if let Some(start) = start {
            // A stored status may be older than the pods; it is not a loss of theirs.
            b.start = i64::from(start);
            return;
        }
        // What was below before the migration is none of its doing.
        match (healthy < desired.min(b.start), b.below_since) {
            (true, None) => b.below_since = Some(t_ms),
            (false, Some(since)) => {
                b.below_ms += t_ms - since;
                b.below_since = None;
            }
            _ => {}
        }
    }

    /// One of its pods was preempted for a pod of another workload.
    pub fn preempted(&mut self, key: &W, by: &str) {
        if let Some(t) = self.track(key) {
            *t.preempted.entry(by.to_owned()).or_default() += 1;
        }
    }

    /// One of its pods was deleted past its budgets.
    pub fn forced(&mut self, key: &W) {
        if let Some(t) = self.track(key) {
            t.forced += 1;
        }
    }

    /// A Job ended as failed.
    pub fn job_failed(&mut self, key: &W) {
        if let Some(t) = self.track(key) {
            t.job_failed = true;
        }
    }

    /// A pod of a Job has to begin again; its node was lost, or somebody made it leave.
    pub fn job_pod_lost(&mut self, key: &W, lost_ms: u64, with_node: bool) {
        if let Some(t) = self.track(key) {
            t.lost = (t.lost.0 + 1, t.lost.1 + lost_ms);
            t.lost_with_node += u64::from(with_node);
        }
    }

    /// What is known of a bare pod that somebody makes leave.
    pub fn bare_pod(&mut self, pod: String) -> &mut BarePod {
        self.bare.entry(pod).or_default()
    }

    /// The migration has ended: from now on only what becomes ready again is taken in.
    pub fn end(&mut self, t_ms: u64) {
        self.close(t_ms);
        self.ended = true;
    }

    fn close(&mut self, t_ms: u64) {
        if self.ended {
            return;
        }
        self.tracks.iter_mut().for_each(|t| t.close(t_ms));
        for b in &mut self.budgets {
            if let Some(since) = b.below_since.take() {
                b.below_ms += t_ms.saturating_sub(since);
            }
        }
    }

    /// Whether a workload is less ready than it was at the start and wants to be.
    pub fn is_short(&self) -> bool {
        self.short > 0
    }

    /// A row for each workload, in the order in which they came, and for each bare pod that is gone; `t_ms` is the last moment if the migration has
    /// no end. With `all` false only those that something happened to.
    pub fn rows(
        &self,
        t_ms: u64,
        all: bool,
        name: impl Fn(&W) -> String,
        budget_name: impl Fn(&B) -> String,
    ) -> Vec<WorkloadRow> {
        let mut closed = Tracker { budgets: self.budgets.clone(), ..Tracker::<W, B>::default() };
        closed.close(t_ms);
        let below = |t: &Track| t.budgets.iter().map(|b| closed.budgets[*b].below_ms).max().unwrap_or(0);
        let mut rows: Vec<WorkloadRow> = self
            .keys
            .iter()
            .zip(self.tracks.iter())
            .filter(|(_, t)| all || t.is_touched() || below(t) > 0)
            .map(|(key, t)| {
                let mut t = t.clone();
                t.close(if self.ended { 0 } else { t_ms });
                let budgets = t.budgets.iter().map(|b| budget_name(&self.budget_keys[*b])).collect();
                let below = below(&t);
                WorkloadRow::new(name(key), t, below, budgets)
            })
            .collect();
        let bare = self.bare.iter().filter_map(|(pod, b)| {
            let ordered = b.evicted && b.preempted_by.is_none();
            Some(WorkloadRow::bare_pod(pod, b.gone_ms?, t_ms, b.preempted_by.as_deref(), ordered))
        });
        rows.extend(bare);
        rows
    }
}
