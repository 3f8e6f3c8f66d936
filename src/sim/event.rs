//! The event queue: moments that actors asked for, in a total order.

use crate::cluster::{BudgetIdx, NodeIdx, OwnerIdx, PodIdx};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A moment that an actor asked for. One variant per actor and purpose; the order of the variants is the order in
/// which events of one millisecond are handled (a class), ties within a class in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The n-th fault of the scenario begins, ends or strikes.
    Fault(u32),
    /// A call of the runner reaches the API server.
    Call(u64),
    /// The API server has listed the budgets for an eviction (a call).
    EvictionLook(u64),
    /// The budget's new status, written for an eviction (a call), arrives.
    EvictionWrite(u64),
    /// An eviction (a call) has slept after a conflict.
    EvictionRetry(u64),
    /// A check has run to its end, or somebody approved (a call).
    Gate(u64),
    /// A requested machine becomes a node (the n-th launch).
    Launch(u32),
    /// A node that was deleted is registered again.
    RegisterAgain(NodeIdx),
    /// A launched node becomes Ready.
    NodeReady(NodeIdx),
    /// A retired node's machine is gone.
    NodeDeleted(NodeIdx),
    /// The node controller writes a node's taints.
    Taint(NodeIdx),
    /// The node controller looks at nodes from which it has not heard since the API server was away.
    NodeMonitor,
    /// A kubelet reports that its node is ready, which the node controller has taken to be silent.
    Heartbeat(NodeIdx),
    /// Such a kubelet reports its pods ready again.
    PodsReported(NodeIdx),
    /// The node controller evicts what does not tolerate a NoExecute taint.
    TaintEviction(PodIdx),
    /// The pod garbage collector runs.
    PodGc,
    /// A pod's containers are started and ready.
    PodReady(PodIdx),
    /// A pod's `activeDeadlineSeconds` are over.
    PodDeadline(PodIdx),
    /// The containers of a Job's pod have done their work.
    PodFinished(PodIdx),
    /// A kubelet reports that a pod's containers have ended for good.
    PodFailed(PodIdx),
    /// A pod's containers have stopped.
    PodStopped(PodIdx),
    /// A stopped pod's object is removed.
    PodRemoved(PodIdx),
    /// An owner's controller looks at its pods.
    Owner(OwnerIdx),
    /// A controller's rate-limited write goes out (the n-th).
    ControllerWrite(u64),
    /// The disruption controller looks at a budget.
    Budget(BudgetIdx),
    /// The disruption controller rechecks a budget's disrupted pods.
    BudgetRecheck(BudgetIdx),
    /// The attach/detach controller lets go of a node's volumes.
    Detach(NodeIdx),
    /// A binding reaches the API server.
    Bound(PodIdx),
    /// The autoscaler scans.
    Autoscaler,
}

impl Timer {
    /// The class that orders events of one millisecond.
    fn class(self) -> u8 {
        match self {
            Timer::Fault(_) => 0,
            Timer::Call(_) => 1,
            Timer::EvictionLook(_) => 2,
            Timer::EvictionWrite(_) => 3,
            Timer::EvictionRetry(_) => 4,
            Timer::Gate(_) => 5,
            Timer::Launch(_) => 6,
            Timer::NodeReady(_) => 7,
            Timer::NodeDeleted(_) => 8,
            Timer::Taint(_) => 9,
            Timer::TaintEviction(_) => 10,
            Timer::PodGc => 11,
            Timer::PodReady(_) => 12,
            Timer::PodStopped(_) => 13,
            Timer::PodRemoved(_) => 14,
            Timer::PodDeadline(_) => 15,
            Timer::PodFinished(_) => 30,
            Timer::Owner(_) => 16,
            Timer::ControllerWrite(_) => 17,
            Timer::Budget(_) => 18,
            Timer::BudgetRecheck(_) => 19,
            Timer::Detach(_) => 20,
            Timer::Bound(_) => 22,
            Timer::Autoscaler => 23,
            Timer::NodeMonitor => 27,
            Timer::Heartbeat(_) => 28,
            Timer::PodsReported(_) => 29,
            Timer::RegisterAgain(_) => 26,
            Timer::PodFailed(_) => 31,
        }
    }
}

/// Timers ordered by (time, class, sequence of asking).
#[derive(Clone, Debug, Default)]
pub struct EventQueue {
    heap: BinaryHeap<Reverse<(i64, u8, u64, Timer)>>,
    sequence: u64,
}

impl EventQueue {
    /// Asks for `timer` at `at_ms`.
    pub fn schedule(&mut self, at_ms: i64, timer: Timer) {
        self.sequence += 1;
        self.heap.push(Reverse((at_ms, timer.class(), self.sequence, timer)));
    }
    /// The moment of the next timer.
    pub fn next_at(&self) -> Option<i64> {
        self.heap.peek().map(|e| e.0.0)
    }
    /// Takes the next timer, if it is due by `until_ms`.
    pub fn pop_until(&mut self, until_ms: i64) -> Option<(i64, Timer)> {
        if self.next_at()? > until_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, _, timer))| (at, timer))
    }
    /// Timers that wait for `from` and are wanted come at `to`, in their order.
    pub fn bring_forward(&mut self, from: i64, to: i64, wanted: impl Fn(Timer) -> bool) {
        let heap = std::mem::take(&mut self.heap);
        let moved = |Reverse((at, class, sequence, timer)): Reverse<(i64, u8, u64, Timer)>| {
            let at = if at == from && wanted(timer) { to } else { at };
            Reverse((at, class, sequence, timer))
        };
        self.heap = heap.into_iter().map(moved).collect();
    }

    /// How many timers wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_by_class_then_by_order_of_asking() {
        let mut q = EventQueue::default();
        q.schedule(5, Timer::Autoscaler);
        q.schedule(5, Timer::PodReady(PodIdx(2)));
        q.schedule(5, Timer::PodReady(PodIdx(1)));
        q.schedule(4, Timer::PodGc);
        let order: Vec<Timer> = std::iter::from_fn(|| q.pop_until(10)).map(|e| e.1).collect();
        assert_eq!(order, [Timer::PodGc, Timer::PodReady(PodIdx(2)), Timer::PodReady(PodIdx(1)), Timer::Autoscaler]);
    }
}
