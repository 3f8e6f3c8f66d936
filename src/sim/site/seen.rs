//! What a change of the cluster tells the trace and the runner.

use super::Site;
use crate::cluster::{Change, NodeChange, PodChange};
use crate::runner::{ObjId, observe};
use crate::trace::{Detail, EventKind, Observation};

impl Site {
    /// What a change tells the trace and the runner.
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
            Change::Pod(pod, what) => {
                let p = &self.state.pods[pod];
                let kind = match what {
                    PodChange::Added => EventKind::PodCreated,
                    PodChange::Ready if p.ready => EventKind::PodReady,
                    PodChange::Removed => EventKind::PodTerminated,
                    PodChange::Phase(before)
                        if p.phase.is_terminal() && !before.is_terminal() && p.deleting.is_none() =>
                    {
                        EventKind::PodTerminated
                    }
                    _ => return,
                };
                // A pod that ended by itself has been told already.
                if kind == EventKind::PodTerminated
                    && matches!(what, PodChange::Removed)
                    && p.phase.is_terminal()
                    && p.deleting.is_none()
                {
                    return;
                }
                let seen = Observation::new(now, kind).pod(pod).node(p.node);
                match kind == EventKind::PodTerminated && p.deleting.is_none() && p.phase.is_terminal() {
                    true => seen.detail(Detail { reason: Some("Completed".to_owned()), ..Detail::default() }),
                    false => seen,
                }
            }
            Change::Node(node, what) => {
                let n = &self.state.nodes[node];
                let kind = match what {
                    NodeChange::Unschedulable if n.unschedulable => EventKind::NodeCordoned,
                    NodeChange::Unschedulable => EventKind::NodeUncordoned,
                    NodeChange::Ready if n.ready => EventKind::NodeReady,
                    NodeChange::Ready => EventKind::NodeNotReady,
                    NodeChange::Removed => EventKind::NodeDeleted,
                    _ => return,
                };
                Observation::new(now, kind).node(node).batch(self.batch_of.get(&node).copied())
            }
            Change::Budget(budget) => Observation::new(now, EventKind::BudgetChanged)
                .budget(budget)
                .detail(observe::budget_figures(&self.state.budgets[budget])),
            _ => return,
        };
        self.observations.push(seen);
    }
}
