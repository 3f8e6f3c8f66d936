//! What the trace and the runner learn of a change.

use super::Site;
use crate::cluster::{Change, NodeChange, PodChange, View};
use crate::runner::ObjId;
use crate::trace::witness;
use rustc_hash::FxHashSet;

/// So many objects are compared one by one.
const FEW: usize = 16;

/// Objects that are not as they were since somebody took them, each once, in the order of their first change.
#[derive(Clone, Debug, Default)]
pub(in crate::sim) struct Changed {
    objects: Vec<ObjId>,
    /// The same objects once they are many, else none.
    many: FxHashSet<ObjId>,
}

impl Changed {
    fn note(&mut self, object: ObjId) {
        let is_new = match self.objects.len() {
            n if n < FEW => !self.objects.contains(&object),
            n => {
                if n == FEW {
                    self.many.extend(&self.objects);
                }
                self.many.insert(object)
            }
        };
        if is_new {
            self.objects.push(object);
        }
    }

    /// Takes them out.
    pub(in crate::sim) fn take(&mut self) -> Vec<ObjId> {
        if self.objects.len() >= FEW {
            self.many = FxHashSet::default();
        }
        std::mem::take(&mut self.objects)
    }

    /// Gives the list back that was taken: the next objects need no new one.
    pub(in crate::sim) fn reuse(&mut self, mut list: Vec<ObjId>) {
        if self.objects.is_empty() {
            list.clear();
            self.objects = list;
        }
    }

    /// Whether there is none.
    pub(in crate::sim) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl Site {
    /// Reports a change to the trace and to the runner.
    pub(super) fn observe(&mut self, change: Change) {
        let now = self.now;
        let object = match change {
            Change::Pod(p, _) => Some(ObjId::Pod(p)),
            Change::Node(n, _) => Some(ObjId::Node(n)),
            Change::Owner(o) => Some(ObjId::Owner(o)),
            Change::Budget(b) => Some(ObjId::Budget(b)),
            _ => None,
        };
        object.into_iter().for_each(|object| self.changed.note(object));
        let seen = match change {
            // Reported by who does it: a binding when it reaches the API server, the others with their reasons.
            Change::Pod(_, PodChange::Bound | PodChange::Unschedulable) | Change::Node(_, NodeChange::Added) => None,
            Change::Pod(pod, what) => witness::pod(now, pod, &self.state.pods[pod], what),
            Change::Node(node, what) => witness::node(now, node, &self.state.nodes[node], what)
                .map(|seen| seen.batch(self.batch_of.get(&node).copied())),
            Change::Budget(budget) => Some(witness::budget(now, budget, &self.state.budgets[budget])),
            _ => None,
        };
        self.observations.extend(seen);
        let view = View { catalog: &self.catalog, state: &self.state };
        match change {
            Change::Pod(pod, what) => self.observations.extend(self.ready.pod_changed(now, view, pod, what)),
            Change::Owner(owner) => self.observations.extend(self.ready.owner_changed(now, view, owner)),
            _ => {}
        }
    }
}
