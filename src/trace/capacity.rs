//! Keeps the sums of nodes, room and requests by side while events pass by.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::ending::RoomAtEnd;
use super::event::{Event, NodeRole};

/// One value for each side of the migration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BySide<T> {
    /// Nodes selected to be emptied and retired.
    pub old: T,
    /// Nodes launched during the run.
    pub new: T,
    /// Nodes that were there and were not selected.
    pub other: T,
}

impl<T> BySide<T> {
    /// The side's value.
    pub fn get(&self, role: NodeRole) -> &T {
        match role {
            NodeRole::Old => &self.old,
            NodeRole::New => &self.new,
            NodeRole::Other => &self.other,
        }
    }

    /// The side's value, to be changed.
    pub fn get_mut(&mut self, role: NodeRole) -> &mut T {
        match role {
            NodeRole::Old => &mut self.old,
            NodeRole::New => &mut self.new,
            NodeRole::Other => &mut self.other,
        }
    }
}

/// The cluster as it is from `t_ms` until the next point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CapacityPoint {
    /// Milliseconds since the migration started.
    pub t_ms: u64,
    /// Ready nodes.
    pub nodes: BySide<i64>,
    /// Nodes in the cluster, ready or not.
    pub nodes_present: i64,
    /// Allocatable of the ready nodes, thousandths of a core.
    pub cpu_allocatable_milli: BySide<i64>,
    /// Requested by the pods bound to the side's nodes, thousandths of a core.
    pub cpu_requested_milli: BySide<i64>,
    /// Allocatable of the ready nodes, bytes.
    pub memory_allocatable_bytes: BySide<i64>,
    /// Requested by the pods bound to the side's nodes, bytes.
    pub memory_requested_bytes: BySide<i64>,
    /// Pods created and on no node.
    pub pending_pods: i64,
    /// Pods terminated whose replacement is not ready yet (see [`super::metrics`]).
    pub disrupted_pods: i64,
}

/// What is known of one node's room.
#[derive(Debug, Clone, Copy)]
struct Room {
    role: NodeRole,
    ready: bool,
    cpu_milli: i64,
    memory_bytes: i64,
    requested_cpu_milli: i64,
    requested_memory_bytes: i64,
}

/// The running sums; a step is kept for each instant at which one of them changed.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    now: CapacityPoint,
    steps: Vec<CapacityPoint>,
    rooms: FxHashMap<usize, Room>,
    peak_nodes: i64,
    dirty: bool,
}

impl Ledger {
    /// Moves the clock to `t_ms`, closing the step of the instant before.
    pub fn at(&mut self, t_ms: u64) {
        if t_ms != self.now.t_ms {
            self.close_step();
            self.now.t_ms = t_ms;
        }
    }

    fn close_step(&mut self) {
        if self.dirty {
            self.steps.push(self.now.clone());
            self.peak_nodes = self.peak_nodes.max(self.now.nodes_present);
            self.dirty = false;
        }
    }

    /// Each node that is there: ready, and allocatable and requested of CPU and memory.
    pub fn rooms(&self) -> impl Iterator<Item = (usize, RoomAtEnd)> + '_ {
        let mut nodes: Vec<usize> = self.rooms.keys().copied().collect();
        nodes.sort_unstable();
        nodes.into_iter().filter_map(|node| {
            let room = self.rooms.get(&node)?;
            let cpu = (room.cpu_milli, room.requested_cpu_milli);
            let memory = (room.memory_bytes, room.requested_memory_bytes);
            Some((node, RoomAtEnd { ready: room.ready, cpu, memory, pods: 0 }))
        })
    }

    /// All steps and the most nodes present at the end of any instant; the last step is at `end_ms`.
    pub fn finish(mut self, end_ms: u64) -> (Vec<CapacityPoint>, u64) {
        self.at(end_ms);
        self.dirty = true;
        self.close_step();
        (self.steps, self.peak_nodes.try_into().unwrap_or(0))
    }

    /// `node` appears, ready if it was there from the start.
    pub fn node_added(&mut self, node: usize, role: NodeRole, e: &Event) {
        let room = Room {
            role,
            ready: false,
            cpu_milli: e.cpu_milli.unwrap_or(0),
            memory_bytes: e.memory_bytes.unwrap_or(0),
            requested_cpu_milli: 0,
            requested_memory_bytes: 0,
        };
        if self.rooms.insert(node, room).is_none() {
            self.now.nodes_present += 1;
            self.dirty = true;
        }
        let (cpu, memory) = (e.requested_cpu_milli, e.requested_memory_bytes);
        self.request(node, cpu.unwrap_or(0), memory.unwrap_or(0));
        if e.initial {
            self.node_ready(node, true);
        }
    }

    /// `node` becomes ready or stops being so.
    pub fn node_ready(&mut self, node: usize, ready: bool) {
        let Some(room) = self.rooms.get_mut(&node).filter(|r| r.ready != ready) else {
            return;
        };
        room.ready = ready;
        let sign = if ready { 1 } else { -1 };
        *self.now.nodes.get_mut(room.role) += sign;
        *self.now.cpu_allocatable_milli.get_mut(room.role) += sign * room.cpu_milli;
        *self.now.memory_allocatable_bytes.get_mut(room.role) += sign * room.memory_bytes;
        self.dirty = true;
    }

    /// `node` leaves with all that was still on it.
    pub fn node_deleted(&mut self, node: usize) {
        self.node_ready(node, false);
        let Some(room) = self.rooms.remove(&node) else {
            return;
        };
        *self.now.cpu_requested_milli.get_mut(room.role) -= room.requested_cpu_milli;
        *self.now.memory_requested_bytes.get_mut(room.role) -= room.requested_memory_bytes;
        self.now.nodes_present -= 1;
        self.dirty = true;
    }

    /// Adds to what the pods on `node` request; nothing happens for a node that has left.
    pub fn request(&mut self, node: usize, cpu_milli: i64, memory_bytes: i64) {
        let Some(room) = self.rooms.get_mut(&node) else {
            return;
        };
        room.requested_cpu_milli += cpu_milli;
        room.requested_memory_bytes += memory_bytes;
        *self.now.cpu_requested_milli.get_mut(room.role) += cpu_milli;
        *self.now.memory_requested_bytes.get_mut(room.role) += memory_bytes;
        self.dirty |= cpu_milli != 0 || memory_bytes != 0;
    }

    /// Adds to the number of pending pods.
    pub fn pending(&mut self, by: i64) {
        self.now.pending_pods += by;
        self.dirty = true;
    }

    /// Adds to the number of disrupted pods.
    pub fn disrupted(&mut self, by: i64) {
        self.now.disrupted_pods += by;
        self.dirty |= by != 0;
    }
}
