//! What a controller remembers of an owner between two looks.

use super::Action;
use super::job::JobMemory;
use crate::cluster::{
    Catalog, NodeIdx, Owner, OwnerIdx, OwnerKind, PodIdx, PodState, ScaleSource, SharedArena, SpecIdx, State, Sym,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Events that one object may cause at once (client-go tools/record `defaultSpamBurst`).
const EVENT_BURST: u32 = 25;
/// Afterwards one in so long (`defaultSpamQPS` 1/300).
const EVENT_REST_MS: i64 = 300_000;

/// What a controller remembers of an owner.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// When it is to be looked at.
    pub due: Option<i64>,
    /// Calls decided and not yet sent.
    pub plan: VecDeque<Action>,
    /// Size of the next batch of calls.
    pub batch: usize,
    /// Calls sent and not yet answered.
    pub under_way: u32,
    /// What replacements are clones of, where any of its pods will do.
    pub source: Option<SpecIdx>,
    /// What replacements of an ordinal are clones of, and their name.
    pub by_ordinal: BTreeMap<u32, (SpecIdx, Sym)>,
    /// Pods of the snapshot that their owner named itself.
    pub named_specs: Vec<SpecIdx>,
    /// What a DaemonSet's pod on a node was.
    pub by_node: BTreeMap<NodeIdx, SpecIdx>,
    /// How many pods it keeps, where nothing else says so.
    pub kept: Option<i64>,
    /// Its kind was in the dump and it was not: nobody replaces its pods.
    pub orphaned: bool,
    /// A DaemonSet's pods on each node; those gone are dropped when the node is looked at.
    pub on_node: FxHashMap<NodeIdx, Vec<PodIdx>>,
    /// Nodes that a DaemonSet has to look at.
    pub nodes: BTreeSet<NodeIdx>,
    /// Creations refused in a row.
    pub refused: u32,
    /// Names drawn so far.
    pub named: u64,
    /// Status as last reported.
    pub status: Status,
    /// Status as it is: kept as pods change, for a DaemonSet has a pod on each of thousands of nodes.
    pub counted: Status,
    /// Hashes of the names that its pods have and had, where it has many: a name that is not among them is free.
    pub names: Option<FxHashSet<u64>>,
    /// Job bookkeeping.
    pub job: Option<JobMemory>,
    events_sent: u32,
    events_since: i64,
}

impl Memory {
    /// Whether one more event about the owner passes the recorder's spam filter.
    pub fn may_send_event(&mut self, now: i64) -> bool {
        let rested = ((now - self.events_since) / EVENT_REST_MS).max(0) as u32;
        if rested > 0 {
            self.events_sent = self.events_sent.saturating_sub(rested);
            self.events_since = now;
        }
        let may = self.events_sent < EVENT_BURST;
        self.events_sent += u32::from(may);
        may
    }
}

/// What an owner's status reports: how many pods it has, that are ready, and that are terminating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status([u32; 3]);

impl Status {
    /// Of one pod.
    pub fn of(pod: &PodState) -> Status {
        let active = pod.is_active();
        Status([active, active && pod.ready, !pod.gone && pod.deleting.is_some()].map(u32::from))
    }

    /// Of an owner, counted from its pods.
    pub fn count(state: &State, owner: OwnerIdx) -> Status {
        let mut status = Status::default();
        for pod in &state.owned[owner] {
            status.replace(Status::default(), Status::of(&state.pods[*pod]));
        }
        status
    }

    /// One pod's part in it has changed.
    pub fn replace(&mut self, before: Status, after: Status) {
        for (sum, (before, after)) in self.0.iter_mut().zip(before.0.into_iter().zip(after.0)) {
            *sum = (*sum + after) - before;
        }
    }
}

/// The memories of all owners at the snapshot.
pub fn all(catalog: &Catalog, state: &State) -> SharedArena<OwnerIdx, Memory> {
    let dumped: BTreeSet<(OwnerKind, Sym)> =
        catalog.owners.iter().filter(|o| !o.missing).map(|o| (o.kind, o.kind_name)).collect();
    catalog
        .owners
        .entries()
        .map(|(index, owner)| {
            let mut memory = sources(catalog, state, index);
            memory.orphaned = owner.missing && dumped.contains(&(owner.kind, owner.kind_name));
            memory.status = Status::count(state, index);
            memory.counted = memory.status;
            if keeps_what_it_has(owner) && state.replicas[index].is_none() {
                let active = |p: &&PodIdx| state.pods[**p].is_active();
                memory.kept = Some(state.owned[index].iter().filter(active).count() as i64);
            }
            memory.job = owner.job.as_ref().map(|spec| JobMemory::new(catalog, state, index, spec));
            memory
        })
        .collect()
}

/// An owner whose wish the dump does not tell: it is taken to want what it has.
fn keeps_what_it_has(owner: &Owner) -> bool {
    let counted = matches!(
        owner.kind,
        OwnerKind::Deployment | OwnerKind::ReplicaSet | OwnerKind::ReplicationController | OwnerKind::StatefulSet
    );
    owner.kind == OwnerKind::Custom || owner.scale != ScaleSource::Replicas || (counted && owner.missing)
}

/// What replacements are clones of: the owner's live pods, running ones first; else its template.
fn sources(catalog: &Catalog, state: &State, owner: OwnerIdx) -> Memory {
    let mut memory = Memory::default();
    for pod in &state.owned[owner] {
        let p = &state.pods[*pod];
        let spec = &catalog.specs[p.spec];
        memory.source.get_or_insert(p.spec);
        if spec.generate_name.is_none() {
            memory.named_specs.push(p.spec);
        }
        if let Some(ordinal) = spec.ordinal {
            memory.by_ordinal.insert(ordinal, (p.spec, p.name));
        }
        if let (OwnerKind::DaemonSet, Some(node)) = (catalog.owners[owner].kind, p.node) {
            memory.by_node.insert(node, p.spec);
            memory.on_node.entry(node).or_default().push(*pod);
        }
    }
    let ready = |p: &&PodIdx| state.pods[**p].is_active() && state.pods[**p].ready;
    let first_ready = state.owned[owner].iter().find(ready);
    memory.source = first_ready.map(|p| state.pods[*p].spec).or(memory.source).or(catalog.owners[owner].template);
    memory
}
