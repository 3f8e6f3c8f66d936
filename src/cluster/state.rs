//! The mutable part of a cluster: compact, copied for each run, with a log of changes and one undo log.

use super::budget::BudgetStatus;
use super::catalog::{Catalog, joined};
use super::ids::*;
use super::intern::Sym;
use super::labels::{Labels, Selector};
use super::node::{NodeSpec, NodeState};
use super::pod::{Deletion, Phase, PodState};
use super::shared::SharedArena;
use super::taint::Taint;
use super::volume::{Attachment, Pv, PvcState};
use smallvec::SmallVec;
use std::sync::Arc;

/// What changed, for those who keep something derived from the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A pod.
    Pod(PodIdx, PodChange),
    /// A node.
    Node(NodeIdx, NodeChange),
    /// An owner's replica count.
    Owner(OwnerIdx),
    /// A budget's status.
    Budget(BudgetIdx),
    /// A claim.
    Claim(PvcIdx),
    /// A volume.
    Volume(PvIdx),
    /// A volume was attached to a node.
    Attached(NodeIdx),
    /// A volume was detached from a node.
    Detached(NodeIdx),
    /// The outermost hypothesis opened; if [`Change::RolledBack`] follows, what lies between never happened.
    Supposed,
    /// The outermost hypothesis was taken back.
    RolledBack,
    /// The outermost hypothesis was kept: what lies since [`Change::Supposed`] happened.
    Kept,
}

/// What changed of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodChange {
    /// Created.
    Added,
    /// Bound to its node.
    Bound,
    /// Taken off its node by an undo or a hypothesis; its `node` is None again. The node it left is given.
    Unbound(NodeIdx),
    /// Phase; the one before is given.
    Phase(Phase),
    /// Readiness.
    Ready,
    /// Deletion asked for.
    Deleting,
    /// The object is gone (its last node and phase remain readable).
    Removed,
    /// Nominated to a node, or no longer.
    Nominated,
    /// Judged unschedulable, or no longer.
    Unschedulable,
}

/// What changed of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// Appeared.
    Added,
    /// The object is gone.
    Removed,
    /// Cordoned or uncordoned.
    Unschedulable,
    /// Taints.
    Taints,
    /// Readiness.
    Ready,
}

/// How to take a change back.
#[derive(Clone, Copy, Debug)]
enum Undo {
    Bind(PodIdx),
    /// The pod, its node, and where it stood among the node's pods.
    Detach(PodIdx, NodeIdx, u32),
    AddNode(NodeIdx),
    AddPod(PodIdx),
}

/// A point to roll back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Mark {
    undo: usize,
}

/// Symbols from here on are of names made during a run: behind any that a catalogue has, or will have when it grows.
const FIRST_MADE: u32 = 1 << 31;

/// The mutable part of a cluster.
///
/// Every mutation goes through a method, which keeps the sums (`requested`, a node's pods), raises the node's
/// version and appends to the log of changes.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Nodes, also those gone.
    pub nodes: Arena<NodeIdx, NodeState>,
    /// Pods, also those gone.
    pub pods: Arena<PodIdx, PodState>,
    /// Status of each budget.
    pub budgets: Arena<BudgetIdx, BudgetStatus>,
    /// `spec.replicas` of each owner now.
    pub replicas: Arena<OwnerIdx, Option<i64>>,
    /// Pods of each owner that exist, in order of creation.
    pub owned: SharedArena<OwnerIdx, Vec<PodIdx>>,
    /// Volumes, also those provisioned during the run.
    pub volumes: Arena<PvIdx, Arc<Pv>>,
    /// The claim each volume is bound to.
    pub volume_claim: Arena<PvIdx, Option<PvcIdx>>,
    /// How each claim stands.
    pub claims: Arena<PvcIdx, PvcState>,
    /// Volumes attached to each node, the oldest attachment first.
    attached: Vec<Vec<PvIdx>>,
    /// The same by volume: the nodes that it is attached to.
    holders: Vec<SmallVec<[NodeIdx; 1]>>,
    /// Sums of requests of the pods that occupy each node: `requested[node * dims + resource]`.
    requested: Vec<i64>,
    /// Sums of the scorer's non-zero requests.
    nonzero: Vec<[i64; 2]>,
    clones: Vec<u32>,
    dims: usize,
    extra_names: SharedArena<usize, Arc<str>>,
    changes: Vec<Change>,
    forgotten: u64,
    undo: Vec<Undo>,
    hypotheses: u32,
}

impl State {
    /// An empty state for a catalogue whose resources, owners, budgets and claims are complete.
    pub fn new(catalog: &Catalog) -> State {
        State {
            budgets: catalog.budgets.iter().map(|_| BudgetStatus::default()).collect(),
            replicas: catalog.owners.iter().map(|o| o.replicas).collect(),
            owned: catalog.owners.iter().map(|_| Vec::new()).collect(),
            claims: catalog.claims.iter().map(|_| PvcState::default()).collect(),
            clones: vec![0; catalog.specs.len()],
            dims: catalog.resources.len(),
            ..State::default()
        }
    }

    /// Takes note that the catalogue has new resources, owners, budgets or claims: node groups were read or inferred after the cluster, or
    /// something was injected into a run.
    pub fn catalog_grew(&mut self, catalog: &Catalog) {
        let (old, new) = (self.dims, catalog.resources.len());
        if new > old {
            let mut wider = vec![0; self.nodes.len() * new];
            for (row, sums) in wider.chunks_mut(new).zip(self.requested.chunks(old.max(1))) {
                row[..old].copy_from_slice(sums);
            }
            self.requested = wider;
            self.dims = new;
        }
        for owner in catalog.owners.iter().skip(self.replicas.len()) {
            self.replicas.push(owner.replicas);
            self.owned.push(Vec::new());
        }
        for _ in self.budgets.len()..catalog.budgets.len() {
            self.budgets.push(BudgetStatus::default());
        }
        for _ in self.claims.len()..catalog.claims.len() {
            self.claims.push(PvcState::default());
        }
    }

    /// Whether names were made already, after which the catalogue must not grow.
    pub fn has_made_names(&self) -> bool {
        !self.extra_names.is_empty()
    }

    // --- names ---

    /// A symbol for a name made during the run. It equals no symbol of the catalogue, nor any made before.
    pub fn make_name(&mut self, text: &str) -> Sym {
        self.extra_names.push(text.into());
        Sym(FIRST_MADE + (self.extra_names.len() - 1) as u32)
    }
    /// The text of a symbol of the catalogue or of this run.
    pub fn name<'s>(&'s self, catalog: &'s Catalog, sym: Sym) -> &'s str {
        match sym.0.checked_sub(FIRST_MADE) {
            Some(i) => self.extra_names.get(i as usize).map_or("?", |n| n),
            None => catalog.text(sym),
        }
    }
    /// Name of a node.
    pub fn node_name<'s>(&'s self, catalog: &'s Catalog, node: NodeIdx) -> &'s str {
        self.name(catalog, self.nodes[node].spec.name)
    }
    /// `namespace/name` of a pod.
    pub fn pod_text(&self, catalog: &Catalog, pod: PodIdx) -> String {
        let p = &self.pods[pod];
        let ns = catalog.namespaces[catalog.specs[p.spec].namespace].name;
        joined([catalog.text(ns), self.name(catalog, p.name)])
    }

    // --- changes ---

    /// A cursor after the latest change.
    pub fn cursor(&self) -> u64 {
        self.forgotten + self.changes.len() as u64
    }
    /// The changes since a cursor, oldest first. A cursor before what was forgotten gets what is left.
    pub fn changes_since(&self, cursor: u64) -> &[Change] {
        let from = cursor.saturating_sub(self.forgotten).min(self.changes.len() as u64) as usize;
        &self.changes[from..]
    }
    /// Forgets the changes before a cursor that every reader has passed.
    pub fn forget_changes(&mut self, cursor: u64) {
        let n = cursor.saturating_sub(self.forgotten).min(self.changes.len() as u64) as usize;
        self.changes.drain(..n);
        self.forgotten += n as u64;
    }
    fn log(&mut self, change: Change) {
        self.changes.push(change);
    }

    // --- sums ---

    /// Number of resources that the sums are kept for.
    pub fn dims(&self) -> usize {
        self.dims
    }
    /// Sum of the requests of the pods that occupy a node, by resource.
    pub fn requested(&self, node: NodeIdx) -> &[i64] {
        &self.requested[node.at() * self.dims..(node.at() + 1) * self.dims]
    }
    /// Sum of the scorer's non-zero requests (cpu milli, memory bytes).
    pub fn nonzero(&self, node: NodeIdx) -> [i64; 2] {
        self.nonzero[node.at()]
    }
    fn charge(&mut self, catalog: &Catalog, pod: PodIdx, node: NodeIdx, sign: i64) {
        let spec = &catalog.specs[self.pods[pod].spec];
        let requests = spec.resized.as_deref().unwrap_or(&catalog.shapes[spec.shape.at()].requests);
        let base = node.at() * self.dims;
        for (resource, amount) in &requests.amounts {
            self.requested[base + resource.at()] += sign * amount;
        }
        let nonzero = &mut self.nonzero[node.at()];
        nonzero[0] += sign * requests.nonzero[0];
        nonzero[1] += sign * requests.nonzero[1];
        let state = &mut self.nodes[node];
        state.version += 1;
        if sign > 0 {
            state.pods.push(pod);
        } else if let Some(i) = state.pods.iter().position(|p| *p == pod) {
            state.pods.remove(i);
        }
    }

    // --- nodes ---

    /// Adds a node with the taints of its spec.
    pub fn add_node(&mut self, spec: Arc<NodeSpec>, group: Option<GroupIdx>, ready: bool, now: i64) -> NodeIdx {
        let taints = spec.taints.iter().copied().collect();
        let node = self.nodes.push(NodeState {
            spec,
            unschedulable: false,
            ready,
            taints,
            group,
            created: now,
            gone: false,
            version: 0,
            pods: Vec::new(),
        });
        self.requested.resize(self.nodes.len() * self.dims, 0);
        self.nonzero.push([0, 0]);
        if self.hypotheses > 0 {
            self.undo.push(Undo::AddNode(node));
        }
        self.log(Change::Node(node, NodeChange::Added));
        node
    }
    /// Removes a node's object; its pods stay until somebody removes them, as in the real system.
    pub fn remove_node(&mut self, node: NodeIdx) {
        self.nodes[node].gone = true;
        self.nodes[node].version += 1;
        self.log(Change::Node(node, NodeChange::Removed));
    }
    /// Sets `spec.unschedulable`. The taint that follows is the node controller's to add.
    pub fn set_unschedulable(&mut self, node: NodeIdx, unschedulable: bool) {
        if self.nodes[node].unschedulable != unschedulable {
            self.nodes[node].unschedulable = unschedulable;
            self.nodes[node].version += 1;
            self.log(Change::Node(node, NodeChange::Unschedulable));
        }
    }
    /// Replaces a node's taints.
    pub fn set_taints(&mut self, node: NodeIdx, taints: SmallVec<[Taint; 2]>) {
        if self.nodes[node].taints != taints {
            self.nodes[node].taints = taints;
            self.nodes[node].version += 1;
            self.log(Change::Node(node, NodeChange::Taints));
        }
    }
    /// Sets a node's Ready condition.
    pub fn set_node_ready(&mut self, node: NodeIdx, ready: bool) {
        if self.nodes[node].ready != ready {
            self.nodes[node].ready = ready;
            self.nodes[node].version += 1;
            self.log(Change::Node(node, NodeChange::Ready));
        }
    }
    /// Indices of the nodes that exist, in order.
    pub fn live_nodes(&self) -> impl Iterator<Item = NodeIdx> + '_ {
        self.nodes.entries().filter(|(_, n)| !n.gone).map(|(i, _)| i)
    }

    // --- pods ---

    /// Adds a pod. One that has a node and is not terminal is charged to it.
    pub fn add_pod(&mut self, catalog: &Catalog, pod: PodState) -> PodIdx {
        let owner = catalog.specs[pod.spec].owner;
        let (node, occupies) = (pod.node, pod.occupies());
        let index = self.pods.push(pod);
        if let Some(owner) = owner {
            self.owned[owner].push(index);
        }
        if let (Some(node), true) = (node, occupies) {
            self.charge(catalog, index, node, 1);
        }
        if self.hypotheses > 0 {
            self.undo.push(Undo::AddPod(index));
        }
        self.log(Change::Pod(index, PodChange::Added));
        index
    }
    /// A fresh pending pod from `spec`, as a controller creates it.
    pub fn create_pod(&mut self, catalog: &Catalog, spec: SpecIdx, name: Sym, now: i64) -> PodIdx {
        let uid = self.make_name(&format!("sim-{}", self.pods.len()));
        if self.clones.len() <= spec.at() {
            self.clones.resize(spec.at() + 1, 0);
        }
        self.clones[spec.at()] += 1;
        let incarnation = self.clones[spec.at()];
        self.add_pod(
            catalog,
            PodState {
                spec,
                name,
                uid,
                phase: Phase::Pending,
                node: None,
                ready: false,
                ready_since: now,
                created: now,
                started: now,
                deleting: None,
                nominated: None,
                unschedulable: false,
                preempted: false,
                restarts: 0,
                incarnation,
                kept_by_job: false,
                gone: false,
            },
        )
    }
    /// Binds a pending pod to a node.
    pub fn bind(&mut self, catalog: &Catalog, pod: PodIdx, node: NodeIdx, now: i64) {
        debug_assert!(self.pods[pod].node.is_none() && !self.pods[pod].gone);
        self.pods[pod].node = Some(node);
        self.pods[pod].started = now;
        if self.pods[pod].occupies() {
            self.charge(catalog, pod, node, 1);
        }
        if self.hypotheses > 0 {
            self.undo.push(Undo::Bind(pod));
        }
        self.log(Change::Pod(pod, PodChange::Bound));
    }
    /// Whether a selector selects a pod, which has its node's zone and region as labels once it has a node (PodTopologyLabels
    /// admission).
    pub fn is_selected(&self, catalog: &Catalog, selector: &Selector, pod: PodIdx) -> bool {
        let p = &self.pods[pod];
        let labels = &catalog.specs[p.spec].labels;
        // Few selectors mention them: nothing else is asked before that.
        let mentioned = selector.mentions(catalog.known.zone) || selector.mentions(catalog.known.region);
        if let (true, Some(node)) = (mentioned, p.node) {
            let of_node = &self.nodes[node].spec.labels;
            let got = catalog.topology_labels().filter_map(|k| Some((k, of_node.get(k)?)));
            let labels = Labels::new(labels.iter().chain(got));
            return selector.matches(&labels, &catalog.names);
        }
        selector.matches(labels, &catalog.names)
    }
    /// Takes a pod off its node as if it were not there; within a hypothesis only.
    pub fn detach(&mut self, catalog: &Catalog, pod: PodIdx) {
        debug_assert!(self.hypotheses > 0, "only a hypothesis takes a bound pod away");
        if let Some(node) = self.pods[pod].node {
            let place = self.nodes[node].pods.iter().position(|p| *p == pod).unwrap_or(0);
            if self.pods[pod].occupies() {
                self.charge(catalog, pod, node, -1);
            }
            self.pods[pod].node = None;
            self.undo.push(Undo::Detach(pod, node, place as u32));
            self.log(Change::Pod(pod, PodChange::Unbound(node)));
        }
    }
    /// Puts a pod back that the same hypothesis took away; within a hypothesis only.
    pub fn reattach(&mut self, catalog: &Catalog, pod: PodIdx, node: NodeIdx) {
        debug_assert!(self.hypotheses > 0 && self.pods[pod].node.is_none());
        self.pods[pod].node = Some(node);
        if self.pods[pod].occupies() {
            self.charge(catalog, pod, node, 1);
        }
        self.undo.push(Undo::Bind(pod));
        self.log(Change::Pod(pod, PodChange::Bound));
    }
    /// Sets a pod's phase; a terminal one frees its node's resources.
    pub fn set_phase(&mut self, catalog: &Catalog, pod: PodIdx, phase: Phase) {
        let before = self.pods[pod].phase;
        if before == phase {
            return;
        }
        let occupied = self.pods[pod].occupies();
        self.pods[pod].phase = phase;
        if occupied
            && !self.pods[pod].occupies()
            && let Some(node) = self.pods[pod].node
        {
            self.charge(catalog, pod, node, -1);
        }
        self.log(Change::Pod(pod, PodChange::Phase(before)));
    }
    /// Sets a pod's Ready condition.
    pub fn set_ready(&mut self, pod: PodIdx, ready: bool, now: i64) {
        if self.pods[pod].ready != ready {
            self.pods[pod].ready = ready;
            self.pods[pod].ready_since = now;
            self.log(Change::Pod(pod, PodChange::Ready));
        }
    }
    /// Sets whether its Job's finalizer keeps a pod beyond its end.
    pub fn set_kept_by_job(&mut self, pod: PodIdx, kept: bool) {
        self.pods[pod].kept_by_job = kept;
    }
    /// Sets the deletion timestamp. A second deletion may only shorten the deadline.
    pub fn set_deleting(&mut self, pod: PodIdx, now: i64, grace_ms: i64) {
        let deadline = now + grace_ms;
        match &mut self.pods[pod].deleting {
            Some(d) => d.deadline = d.deadline.min(deadline),
            none => {
                *none = Some(Deletion { asked: now, deadline });
                self.log(Change::Pod(pod, PodChange::Deleting));
            }
        }
    }
    /// Writes what the API says of a pod that is known: everything but what it was created as.
    pub fn set_pod(&mut self, catalog: &Catalog, pod: PodIdx, seen: &PodState) {
        if let (None, Some(node)) = (self.pods[pod].node, seen.node) {
            self.bind(catalog, pod, node, seen.started);
        }
        self.set_phase(catalog, pod, seen.phase);
        self.set_ready(pod, seen.ready, seen.ready_since);
        if let Some(d) = seen.deleting {
            self.set_deleting(pod, d.asked, d.deadline - d.asked);
        }
        self.nominate(pod, seen.nominated);
        self.set_unschedulable_pod(pod, seen.unschedulable);
        let p = &mut self.pods[pod];
        (p.started, p.preempted, p.restarts) = (seen.started, seen.preempted, seen.restarts);
    }
    /// Removes a pod's object.
    pub fn remove_pod(&mut self, catalog: &Catalog, pod: PodIdx) {
        if self.pods[pod].gone {
            return;
        }
        if let (true, Some(node)) = (self.pods[pod].occupies(), self.pods[pod].node) {
            self.charge(catalog, pod, node, -1);
        }
        if let Some(owner) = catalog.specs[self.pods[pod].spec].owner {
            // In order of creation, which is that of the indices.
            let pods = &mut self.owned[owner];
            if let Ok(at) = pods.binary_search(&pod) {
                pods.remove(at);
            }
        }
        self.pods[pod].gone = true;
        self.pods[pod].ready = false;
        self.pods[pod].nominated = None;
        self.log(Change::Pod(pod, PodChange::Removed));
    }
    /// Sets or clears a nomination.
    pub fn nominate(&mut self, pod: PodIdx, node: Option<NodeIdx>) {
        if self.pods[pod].nominated != node {
            self.pods[pod].nominated = node;
            self.log(Change::Pod(pod, PodChange::Nominated));
        }
    }
    /// Sets the verdict PodScheduled=False/Unschedulable, or lifts it.
    pub fn set_unschedulable_pod(&mut self, pod: PodIdx, unschedulable: bool) {
        if self.pods[pod].unschedulable != unschedulable {
            self.pods[pod].unschedulable = unschedulable;
            self.log(Change::Pod(pod, PodChange::Unschedulable));
        }
    }
    /// Indices of the pods that exist, in order of creation.
    pub fn live_pods(&self) -> impl Iterator<Item = PodIdx> + '_ {
        self.pods.entries().filter(|(_, p)| !p.gone).map(|(i, _)| i)
    }

    // --- budgets, owners, volumes ---

    /// Writes a budget's status.
    pub fn set_budget(&mut self, budget: BudgetIdx, status: BudgetStatus) {
        if self.budgets[budget] != status {
            self.budgets[budget] = status;
            self.log(Change::Budget(budget));
        }
    }
    /// Writes an owner's `spec.replicas`.
    pub fn set_replicas(&mut self, owner: OwnerIdx, replicas: Option<i64>) {
        if self.replicas[owner] != replicas {
            self.replicas[owner] = replicas;
            self.log(Change::Owner(owner));
        }
    }
    /// Adds a volume.
    pub fn add_volume(&mut self, volume: Arc<Pv>, claim: Option<PvcIdx>) -> PvIdx {
        let index = self.volumes.push(volume);
        self.volume_claim.push(claim);
        self.log(Change::Volume(index));
        index
    }
    /// Binds a claim and a volume to each other.
    pub fn bind_claim(&mut self, claim: PvcIdx, volume: PvIdx) {
        self.claims[claim].volume = Some(volume);
        self.claims[claim].bind_completed = true;
        self.volume_claim[volume] = Some(claim);
        self.log(Change::Claim(claim));
        self.log(Change::Volume(volume));
    }
    /// Writes a claim's state.
    pub fn set_claim(&mut self, claim: PvcIdx, state: PvcState) {
        if self.claims[claim] != state {
            self.claims[claim] = state;
            self.log(Change::Claim(claim));
        }
    }
    /// Attaches a volume to a node, if it is not yet.
    pub fn attach(&mut self, attachment: Attachment) {
        let node = attachment.node.at();
        if self.attached.len() <= node {
            self.attached.resize(node + 1, Vec::new());
        }
        if !self.attached[node].contains(&attachment.volume) {
            self.attached[node].push(attachment.volume);
            let volume = attachment.volume.at();
            if self.holders.len() <= volume {
                self.holders.resize(volume + 1, SmallVec::new());
            }
            self.holders[volume].push(attachment.node);
            self.nodes[attachment.node].version += 1;
            self.log(Change::Attached(attachment.node));
        }
    }
    /// Detaches a volume from a node.
    pub fn detach_volume(&mut self, attachment: Attachment) {
        let volumes = self.attached.get_mut(attachment.node.at());
        let Some(volumes) = volumes.filter(|v| v.contains(&attachment.volume)) else { return };
        volumes.retain(|v| *v != attachment.volume);
        self.holders[attachment.volume.at()].retain(|node| *node != attachment.node);
        self.nodes[attachment.node].version += 1;
        self.log(Change::Detached(attachment.node));
    }
    /// Nodes that a volume is attached to, oldest attachment first.
    pub fn holders(&self, volume: PvIdx) -> &[NodeIdx] {
        self.holders.get(volume.at()).map_or(&[], |nodes| nodes)
    }
    /// Volumes attached to a node, oldest attachment first.
    pub fn attached(&self, node: NodeIdx) -> &[PvIdx] {
        self.attached.get(node.at()).map_or(&[], |v| v)
    }

    // --- hypotheses ---

    /// Opens a hypothesis: what follows (bind, detach, add node, add pod; nothing else) can be rolled back.
    pub fn suppose(&mut self) -> Mark {
        if self.hypotheses == 0 {
            self.log(Change::Supposed);
        }
        self.hypotheses += 1;
        Mark { undo: self.undo.len() }
    }
    /// Takes back all since the mark and closes the hypothesis.
    pub fn rollback(&mut self, catalog: &Catalog, mark: Mark) {
        while self.undo.len() > mark.undo {
            match self.undo.pop() {
                Some(Undo::Bind(pod)) => {
                    if let Some(node) = self.pods[pod].node {
                        if self.pods[pod].occupies() {
                            self.charge(catalog, pod, node, -1);
                        }
                        self.pods[pod].node = None;
                        self.log(Change::Pod(pod, PodChange::Unbound(node)));
                    }
                }
                Some(Undo::Detach(pod, node, place)) => {
                    self.pods[pod].node = Some(node);
                    if self.pods[pod].occupies() {
                        self.charge(catalog, pod, node, 1);
                        // Back to where it stood: the order of a node's pods is that of their arrival.
                        let pods = &mut self.nodes[node].pods;
                        if let Some(pod) = pods.pop() {
                            pods.insert((place as usize).min(pods.len()), pod);
                        }
                    }
                    self.log(Change::Pod(pod, PodChange::Bound));
                }
                Some(Undo::AddNode(node)) => self.remove_node(node),
                Some(Undo::AddPod(pod)) => self.remove_pod(catalog, pod),
                None => break,
            }
        }
        // Nodes and pods added by the hypothesis keep their (gone) slots: ids are never reused.
        self.hypotheses -= 1;
        if self.hypotheses == 0 {
            self.log(Change::RolledBack);
        }
    }
    /// Keeps all since the mark and closes the hypothesis.
    pub fn keep(&mut self, mark: Mark) {
        self.hypotheses -= 1;
        if self.hypotheses == 0 {
            self.undo.truncate(mark.undo);
            self.log(Change::Kept);
        }
    }
}
