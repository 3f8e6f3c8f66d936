//! cpu and memory that nodes have left, as formulas need them.

use crate::cluster::{CPU, Idx, MEMORY, NodeIdx, NodeState, ResIdx, State};

/// Capacities below this are divided exactly in floating point: a quotient of at most 100 then differs from the next
/// whole number by more than it is rounded by.
pub(super) const EXACT: i64 = 1 << 46;

/// cpu and memory of a node as the formulas need them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    pub(super) capacity: [f64; 2],
    pub(super) held: [f64; 2],
    /// Held by the scorer's non-zero requests.
    pub(super) nonzero: [f64; 2],
    /// Balance as it is.
    pub(super) balance: i32,
    /// A pod slot is left.
    pub(super) has_slot: bool,
    /// The figures are such that the formulas are exact.
    pub(super) exact: bool,
}

impl Room {
    /// Of a node as it is.
    pub fn of(index: NodeIdx, node: &NodeState, state: &State) -> Room {
        let pair = |of: &dyn Fn(ResIdx) -> i64| [CPU, MEMORY].map(of);
        let requested = state.requested(index);
        let capacity = pair(&|r| node.spec.allocatable(r));
        let held = pair(&|r| requested.get(r.at()).copied().unwrap_or(0));
        let nonzero = state.nonzero(index);
        let exact = capacity.iter().all(|c| (1..EXACT).contains(c))
            && held.iter().chain(&nonzero).all(|h| (0..EXACT).contains(h));
        let float = |pair: [i64; 2]| pair.map(|figure| figure as f64);
        let has_slot = (node.pods.len() as i64) < node.spec.pod_slots;
        let mut room =
            Room { capacity: float(capacity), held: float(held), nonzero: float(nonzero), balance: 0, has_slot, exact };
        room.balance = if exact { room.balance_with([0.0; 2]) } else { 0 };
        room
    }

    /// `balancedResourceScore` of cpu and memory with something more.
    #[inline]
    pub(super) fn balance_with(&self, asked: [f64; 2]) -> i32 {
        let share = |i: usize| ((self.held[i] + asked[i]) / self.capacity[i]).min(1.0);
        let deviation = ((share(0) - share(1)) / 2.0).abs();
        ((1.0 - deviation) * 100.0) as i32
    }

    /// `leastRequestedScore` of cpu or memory.
    #[inline]
    pub(super) fn least(&self, i: usize, incoming: f64) -> i32 {
        ((self.capacity[i] - (self.nonzero[i] + incoming)).max(0.0) * 100.0 / self.capacity[i]) as i32
    }
}
