//! How what happens in a cluster, as far as a waiting pod may care, is read off the state's log of changes.

use crate::cluster::{Catalog, Change, NodeChange, NodeIdx, PodChange, PodIdx, State};
use crate::scheduler::event::{ClusterEvent, Taints};
use rustc_hash::FxHashMap;

/// What the log of changes means to the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A pod without a node appeared.
    Arrived(PodIdx),
    /// A pod needs no node any more (bound, terminal or removed).
    Left(PodIdx),
    /// An event that waiting pods may care about.
    Event(ClusterEvent),
}

/// Reads the log, remembering what the log does not tell (what was there before).
#[derive(Clone, Debug)]
pub struct Watcher {
    cursor: u64,
    taints: Vec<Taints>,
    claims_gone: Vec<bool>,
    volumes_seen: usize,
    nominated: FxHashMap<PodIdx, NodeIdx>,
}

impl Watcher {
    /// A watcher that has seen the state as it is.
    pub fn new(state: &State) -> Watcher {
        Watcher {
            cursor: state.cursor(),
            taints: state.nodes.iter().map(|n| n.taints.clone()).collect(),
            claims_gone: state.claims.iter().map(|c| c.gone).collect(),
            volumes_seen: state.volumes.len(),
            nominated: state
                .pods
                .entries()
                .filter(|(_, p)| !p.gone && p.node.is_none())
                .filter_map(|(i, p)| Some((i, p.nominated?)))
                .collect(),
        }
    }
    /// Up to where the log was read.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }
    /// What happened since the last look, oldest first. Hypotheses that were taken back never happened; one that is
    /// still open is not looked into.
    ///
    /// The log says what changed, not to what: an object that changed twice between two looks shows its last state
    /// both times, as an informer that coalesces updates would.
    pub fn read(&mut self, catalog: &Catalog, state: &State, out: &mut Vec<Meaning>) {
        let changes = state.changes_since(self.cursor);
        let mut i = 0;
        while i < changes.len() {
            if changes[i] == Change::Supposed {
                let end = changes[i..].iter().position(|c| matches!(c, Change::RolledBack | Change::Kept));
                match end {
                    None => break,
                    Some(n) if changes[i + n] == Change::RolledBack => {
                        self.catch_up(state);
                        i += n + 1;
                        continue;
                    }
                    Some(_) => {}
                }
            }
            self.interpret(catalog, state, changes[i], out);
            i += 1;
        }
        self.cursor = state.cursor() - (changes.len() - i) as u64;
    }

    /// Nodes that a hypothesis made keep their slots: make room for them.
    fn catch_up(&mut self, state: &State) {
        for node in state.nodes.as_slice().iter().skip(self.taints.len()) {
            self.taints.push(node.taints.clone());
        }
    }
    fn interpret(&mut self, catalog: &Catalog, state: &State, change: Change, out: &mut Vec<Meaning>) {
        match change {
            Change::Pod(pod, change) => self.pod(catalog, state, pod, change, out),
            Change::Node(node, change) => self.node(state, node, change, out),
            Change::Claim(claim) => {
                let gone = state.claims[claim].gone;
                let i = claim.0 as usize;
                if self.claims_gone.len() <= i {
                    self.claims_gone.resize(i + 1, true);
                }
                let was_gone = std::mem::replace(&mut self.claims_gone[i], gone);
                if !gone {
                    out.push(Meaning::Event(if was_gone {
                        ClusterEvent::ClaimAdded(claim)
                    } else {
                        ClusterEvent::ClaimChanged(claim)
                    }));
                }
            }
            Change::Volume(volume) => {
                let new = volume.0 as usize >= self.volumes_seen;
                self.volumes_seen = self.volumes_seen.max(volume.0 as usize + 1);
                out.push(Meaning::Event(if new {
                    ClusterEvent::VolumeAdded(volume)
                } else {
                    ClusterEvent::VolumeChanged(volume)
                }));
            }
            Change::Detached(node) => out.push(Meaning::Event(ClusterEvent::Detached(node))),
            Change::Attached(_)
            | Change::Owner(_)
            | Change::Budget(_)
            | Change::Supposed
            | Change::RolledBack
            | Change::Kept => {}
        }
    }
    fn node(&mut self, state: &State, node: NodeIdx, change: NodeChange, out: &mut Vec<Meaning>) {
        self.catch_up(state);
        match change {
            NodeChange::Added => out.push(Meaning::Event(ClusterEvent::NodeAdded(node))),
            NodeChange::Removed => out.push(Meaning::Event(ClusterEvent::NodeRemoved(node))),
            NodeChange::Unschedulable => {
                if !state.nodes[node].unschedulable {
                    out.push(Meaning::Event(ClusterEvent::Uncordoned(node)));
                }
            }
            NodeChange::Taints => {
                let after = state.nodes[node].taints.clone();
                let before = std::mem::replace(&mut self.taints[node.0 as usize], after.clone());
                if before != after {
                    out.push(Meaning::Event(ClusterEvent::Taints { node, before, after }));
                }
            }
            // Conditions: no plugin of the default profile listens.
            NodeChange::Ready => {}
        }
    }
    fn pod(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, change: PodChange, out: &mut Vec<Meaning>) {
        let p = &state.pods[pod];
        match change {
            PodChange::Added => {
                if p.phase.is_terminal() {
                    return;
                }
                if let (Some(node), None) = (p.nominated, p.node) {
                    self.nominated.insert(pod, node);
                }
                out.push(if p.node.is_some() {
                    Meaning::Event(ClusterEvent::PodAssigned(pod))
                } else {
                    Meaning::Arrived(pod)
                });
            }
            PodChange::Bound => {
                self.nominated.remove(&pod);
                out.push(Meaning::Left(pod));
                out.push(Meaning::Event(ClusterEvent::PodAssigned(pod)));
            }
            // A binding that failed: the scheduler forgets the pod, which fires the removal (schedule_one.go handleBindingCycleError).
            PodChange::Unbound(_) => {
                out.push(Meaning::Event(ClusterEvent::PodRemoved { pod, up_to_priority: None }));
            }
            PodChange::Phase(before) if !before.is_terminal() && p.phase.is_terminal() => {
                self.removed(catalog, state, pod, out);
            }
            PodChange::Removed if !p.phase.is_terminal() => self.removed(catalog, state, pod, out),
            PodChange::Nominated => {
                let before = match p.nominated {
                    Some(node) if p.node.is_none() && !p.gone => self.nominated.insert(pod, node),
                    _ => self.nominated.remove(&pod),
                };
                // updatePodInSchedulingQueue, hasNominatedNodeNameChanged: only while the pod has no node.
                // Until 1.34 a pod that gets its node leaves the handler of waiting pods as if it were deleted
                // (deletePodFromSchedulingQueue).
                let bound = p.node.is_some() && catalog.kubernetes.rules().bound_nominee_wakes;
                if before.is_some() && before != p.nominated && (p.node.is_none() || bound) && !p.gone {
                    out.push(Meaning::Event(self.given_up(catalog, state, pod)));
                }
            }
            PodChange::Phase(_)
            | PodChange::Removed
            | PodChange::Ready
            | PodChange::Deleting
            | PodChange::Unschedulable => {}
        }
    }
    fn removed(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, out: &mut Vec<Meaning>) {
        if state.pods[pod].node.is_some() {
            self.nominated.remove(&pod);
            out.push(Meaning::Event(ClusterEvent::PodRemoved { pod, up_to_priority: None }));
        } else {
            out.push(Meaning::Left(pod));
            if self.nominated.remove(&pod).is_some() {
                out.push(Meaning::Event(self.given_up(catalog, state, pod)));
            }
        }
    }
    fn given_up(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> ClusterEvent {
        let priority = catalog.shape(state.pods[pod].spec).priority;
        ClusterEvent::PodRemoved { pod, up_to_priority: Some(priority) }
    }
}
