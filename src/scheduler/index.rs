//! What the scheduler derives from a state and keeps up to date from its change log.

use super::carriers::Carriers;
use super::counts::Counts;
use super::ident::Idents;
use super::node_order::NodeOrder;
use super::plugins::image_locality::Images;
use super::plugins::node_volume_limits::UsedVolumes;
use super::room::Room;
use super::topology::Topology;
use crate::cluster::{Catalog, Change, Idx, NodeChange, NodeIdx, PodChange, PodIdx, SharedArena, State, Sym};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// How a pod is counted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Placed {
    node: NodeIdx,
    /// Not being deleted.
    live: bool,
}

/// Everything derived that classes share.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Domains.
    pub topology: Topology,
    /// Kinds of pods.
    pub idents: Idents,
    /// Pods that selectors match, by node and domain.
    pub counts: Counts,
    /// Terms that placed pods carry.
    pub carriers: Carriers,
    /// Order of nodes.
    pub order: NodeOrder,
    /// Images on nodes.
    pub images: Images,
    /// Raised by every change that can alter a placement.
    pub generation: u64,
    /// Raised when a node appears or goes.
    pub nodes_generation: u64,
    /// cpu and memory of each node.
    pub rooms: Vec<Room>,
    /// Each node that appeared, went or changed its taints or cordon, oldest first.
    pub static_changes: Vec<NodeIdx>,
    /// Pods nominated to nodes, by node.
    pub nominated: BTreeMap<NodeIdx, Vec<PodIdx>>,
    /// Nodes by name, those that exist.
    pub by_name: FxHashMap<Sym, NodeIdx>,
    cursor: u64,
    listed: Vec<bool>,
    placed: Vec<Option<Placed>>,
    nominations: FxHashMap<PodIdx, NodeIdx>,
    /// The kind of each pod counted, by node.
    present: SharedArena<NodeIdx, Vec<u32>>,
    /// Volumes that count on nodes.
    pub used_volumes: UsedVolumes,
    /// Nodes whose verdicts may have changed, oldest first, and how many older ones were forgotten.
    touched: Vec<NodeIdx>,
    touched_before: u64,
}

impl Index {
    /// Derives everything from a state.
    pub fn new(catalog: &Catalog, state: &State) -> Index {
        let mut index = Index { cursor: state.cursor(), ..Index::default() };
        index.idents.read_keys(catalog);
        for node in state.live_nodes() {
            index.add_node(catalog, state, node);
        }
        for pod in state.pods.indices() {
            index.reconcile(catalog, state, pod);
            index.renominate(state, pod);
        }
        for node in state.live_nodes().filter(|n| !state.attached(*n).is_empty()) {
            index.used_volumes.attached(node);
        }
        index.used_volumes.refresh(catalog, state);
        index
    }
    /// Up to where the change log was read.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }
    /// Reads the change log from where it was left. False if the catalogue grew so that all must be derived anew.
    pub fn sync(&mut self, catalog: &Catalog, state: &State) -> bool {
        if self.idents.read_keys(catalog) {
            return false;
        }
        if self.cursor == state.cursor() {
            return true;
        }
        for change in state.changes_since(self.cursor) {
            self.apply(catalog, state, *change);
        }
        self.used_volumes.refresh(catalog, state);
        self.cursor = state.cursor();
        true
    }
    fn apply(&mut self, catalog: &Catalog, state: &State, change: Change) {
        match change {
            Change::Pod(_, PodChange::Ready | PodChange::Unschedulable) => {}
            Change::Pod(pod, PodChange::Nominated) => self.renominate(state, pod),
            Change::Pod(pod, _) => {
                self.reconcile(catalog, state, pod);
                self.renominate(state, pod);
            }
            Change::Node(node, NodeChange::Added) => self.add_node(catalog, state, node),
            Change::Node(node, NodeChange::Removed) => self.remove_node(catalog, state, node),
            Change::Node(node, NodeChange::Unschedulable | NodeChange::Taints) => {
                self.static_changes.push(node);
                self.recount(catalog, state, node);
                self.touch(state, node);
            }
            Change::Node(_, NodeChange::Ready) => {}
            Change::Attached(node) | Change::Detached(node) => {
                self.generation += 1;
                self.used_volumes.attached(node);
            }
            Change::Claim(claim) => {
                self.generation += 1;
                self.used_volumes.claim_changed(claim);
            }
            Change::Volume(_) => self.generation += 1,
            Change::Owner(_) | Change::Budget(_) | Change::Supposed | Change::RolledBack | Change::Kept => {}
        }
    }
    /// A node appeared, went or changed its taints.
    fn recount(&mut self, catalog: &Catalog, state: &State, node: NodeIdx) {
        let present = self.present.get(node).map_or(&[][..], |p| p);
        self.counts.node_changed(node, &state.nodes[node], &self.topology, &catalog.names, present, &self.idents);
    }

    /// Notes that what a node has left may have changed.
    fn touch(&mut self, state: &State, node: NodeIdx) {
        self.generation += 1;
        self.rooms[node.at()] = Room::of(node, &state.nodes[node], state);
        if self.touched.len() > 1024 + 4 * self.listed.len() {
            let half = self.touched.len() / 2;
            self.touched.drain(..half);
            self.touched_before += half as u64;
        }
        self.touched.push(node);
    }
    fn add_node(&mut self, catalog: &Catalog, state: &State, index: NodeIdx) {
        let node = &state.nodes[index];
        if self.listed.len() <= index.at() {
            self.listed.resize(index.at() + 1, false);
            self.present.grow(index.at() + 1, Vec::new());
            self.rooms.resize(index.at() + 1, Room::default());
        }
        if node.gone || self.listed[index.at()] {
            return;
        }
        self.listed[index.at()] = true;
        self.nodes_generation += 1;
        self.static_changes.push(index);
        self.by_name.insert(node.spec.name, index);
        self.topology.add_node(index, &node.spec.labels);
        self.order.add(index, &node.spec.labels, &catalog.known);
        self.images.add_node(index, &node.spec);
        self.recount(catalog, state, index);
        self.touch(state, index);
    }
    fn remove_node(&mut self, catalog: &Catalog, state: &State, index: NodeIdx) {
        if !self.is_listed(index) {
            return;
        }
        self.listed[index.at()] = false;
        self.static_changes.push(index);
        self.nodes_generation += 1;
        let node = &state.nodes[index];
        // The scheduler's cache forgets a node with its pods; those that left it since have changes of their own to come.
        for pod in &node.pods {
            self.reconcile(catalog, state, *pod);
        }
        if self.by_name.get(&node.spec.name) == Some(&index) {
            self.by_name.remove(&node.spec.name);
        }
        self.order.remove(index, &node.spec.labels, &catalog.known);
        self.images.remove_node(index, &node.spec);
        self.recount(catalog, state, index);
        self.touch(state, index);
    }
    /// Where [`Index::touched_since`] goes on from now.
    pub fn touches(&self) -> u64 {
        self.touched_before + self.touched.len() as u64
    }

    /// Nodes whose verdicts may have changed since, with repeats; None if that is too long ago to be known.
    pub fn touched_since(&self, since: u64) -> Option<&[NodeIdx]> {
        Some(&self.touched[since.checked_sub(self.touched_before)? as usize..])
    }

    /// Whether the scheduler knows a node.
    pub fn is_listed(&self, node: NodeIdx) -> bool {
        self.listed.get(node.at()).copied().unwrap_or(false)
    }
    /// Makes a pod counted as the state has it.
    fn reconcile(&mut self, catalog: &Catalog, state: &State, pod: PodIdx) {
        let p = &state.pods[pod];
        let wanted = match p.node {
            Some(node) if p.occupies() && self.is_listed(node) => Some(Placed { node, live: p.deleting.is_none() }),
            _ => None,
        };
        if self.placed.len() <= pod.at() {
            if wanted.is_none() {
                return;
            }
            self.placed.resize(state.pods.len(), None);
        }
        let before = std::mem::replace(&mut self.placed[pod.at()], wanted);
        if before == wanted {
            return;
        }
        let names = &catalog.names;
        let shape = catalog.specs[p.spec].shape;
        for (placed, sign) in [(before, -1), (wanted, 1)] {
            let Some(Placed { node, live }) = placed else { continue };
            let (counts, labels) = (&self.counts, &state.nodes[node].spec.labels);
            let ident = self.idents.of_placed(catalog, p.spec, labels, |ident| counts.introduce(ident, names));
            let kind = &mut self.idents.all[ident as usize];
            let entry = kind.nodes.entry(node).or_default();
            entry[0] = (i64::from(entry[0]) + sign).max(0) as u32;
            entry[1] = (i64::from(entry[1]) + sign * i64::from(live)).max(0) as u32;
            if *entry == [0, 0] {
                kind.nodes.swap_remove(&node);
            }
            self.counts.change(kind, node, sign, sign * i64::from(live), &self.topology);
            let present = &mut self.present[node];
            match sign {
                1 => present.push(ident),
                _ => {
                    present.iter().position(|i| *i == ident).map(|i| present.swap_remove(i));
                }
            }
            if before.map(|b| b.node) != wanted.map(|w| w.node) {
                let shape_of = &catalog.shapes[shape.at()];
                self.carriers.change(shape, shape_of, node, sign, &mut self.topology, state);
                self.used_volumes.moved(catalog, state, pod, node, sign > 0);
            }
            self.touch(state, node);
        }
    }
    /// Makes a pod listed under the node it is nominated to, while it waits.
    fn renominate(&mut self, state: &State, pod: PodIdx) {
        let p = &state.pods[pod];
        let waits = p.node.is_none() && !p.gone && !p.phase.is_terminal();
        let wanted = p.nominated.filter(|_| waits);
        let before = match wanted {
            Some(node) => self.nominations.insert(pod, node),
            None => self.nominations.remove(&pod),
        };
        if before == wanted {
            return;
        }
        self.generation += 1;
        if let Some(node) = before
            && let Some(pods) = self.nominated.get_mut(&node)
        {
            pods.retain(|p| *p != pod);
            if pods.is_empty() {
                self.nominated.remove(&node);
            }
        }
        if let Some(node) = wanted {
            self.nominated.entry(node).or_default().push(pod);
        }
    }
}
