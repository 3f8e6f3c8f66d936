//! What the trace and the runner learn of a change.

use super::Site;
use crate::cluster::{Change, NodeChange, PodChange, View};
use crate::runner::ObjId;
use crate::trace::witness;

impl Site {
    /// Reports a change to the trace and to the runner.
    pub(super) fn observe(&mut self, change: Change) {
        let now = self.now;
        let (key, object) = match change {
            Change::Pod(p, _) => ((0, p.0), Some(ObjId::Pod(p))),
            Change::Node(n, _) => ((1, n.0), Some(ObjId::Node(n))),
            Change::Owner(o) => ((2, o.0), Some(ObjId::Owner(o))),
            Change::Budget(b) => ((3, b.0), Some(ObjId::Budget(b))),
            _ => ((9, 0), None),
        };
        if let Some(object) = object
            && self.changed_seen.insert(key)
        {
            self.changed.push(object);
        }
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
