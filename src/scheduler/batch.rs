//! Pods alike, one after the other: where the last one's node has no room for another, the next best of the same search
//! is tried first (gate OpportunisticBatching, since 1.35; S/framework/runtime/batch.go).
//!
//! Never so in the default profile: its spread constraints make all pods different.

use super::config::Batching;
use crate::cluster::{Catalog, NodeIdx, SpecIdx};

/// `maxBatchAge`.
const MAX_AGE_MS: i64 = 500;

/// What is kept of the last search under one profile.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    kept: Option<Kept>,
    /// The last cycle that placed a pod, and where.
    last: Option<(u64, NodeIdx)>,
}

/// The nodes that a search found and did not choose.
#[derive(Clone, Debug)]
struct Kept {
    spec: SpecIdx,
    heap: Vec<(NodeIdx, i64)>,
    since_ms: i64,
}

impl Batch {
    /// The node that took the last pod, if that was in the cycle before and a pod of this spec is like it.
    pub fn last_alike(
        &self,
        how: Batching,
        catalog: &Catalog,
        spec: SpecIdx,
        cycle: u64,
        now_ms: i64,
    ) -> Option<NodeIdx> {
        let (kept, (last, node)) = (self.kept.as_ref()?, self.last?);
        let usable = last + 1 == cycle
            && !kept.heap.is_empty()
            && now_ms - kept.since_ms <= MAX_AGE_MS
            && is_signed(how, catalog, spec)
            && are_alike(how, catalog, spec, kept.spec);
        usable.then_some(node)
    }
    /// The best of the nodes that are left, which it is no longer.
    pub fn next(&mut self) -> Option<NodeIdx> {
        pop(&mut self.kept.as_mut()?.heap)
    }
    /// Notes where a pod goes, and what else was found (`StoreScheduleResults`).
    #[allow(clippy::too_many_arguments)] // one cycle's end
    pub fn note(
        &mut self,
        how: Batching,
        catalog: &Catalog,
        spec: SpecIdx,
        cycle: u64,
        now_ms: i64,
        hint: Option<NodeIdx>,
        node: NodeIdx,
        found: Option<(&[NodeIdx], &[i64])>,
    ) {
        self.last = Some((cycle, node));
        if hint == Some(node) {
            return;
        }
        self.kept = found.filter(|_| is_signed(how, catalog, spec)).and_then(|(nodes, totals)| {
            let mut heap: Vec<(NodeIdx, i64)> = nodes.iter().copied().zip(totals.iter().copied()).collect();
            for i in (0..heap.len() / 2).rev() {
                sift_down(&mut heap, i);
            }
            pop(&mut heap);
            (!heap.is_empty()).then_some(Kept { spec, heap, since_ms: now_ms })
        });
    }
}

/// Whether pods of a spec have a signature (`SignPod` of each plugin).
fn is_signed(how: Batching, catalog: &Catalog, spec: SpecIdx) -> bool {
    let shape = catalog.shape(spec);
    let affine = !(shape.affinity.is_empty()
        && shape.anti_affinity.is_empty()
        && shape.preferred_affinity.is_empty()
        && shape.preferred_anti_affinity.is_empty());
    match how {
        Batching::Off => false,
        Batching::Pods { spread, affinity, .. } => {
            !(shape.has_resource_claims || (spread && !shape.spread.is_empty()) || (affinity && affine))
        }
    }
}

/// Whether their signatures are the same.
fn are_alike(how: Batching, catalog: &Catalog, a: SpecIdx, b: SpecIdx) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (&catalog.specs[a], &catalog.specs[b]);
    let labels = matches!(how, Batching::Pods { labels: true, .. });
    let claims = a.claims.iter().map(|c| (c.ephemeral, c.name)).eq(b.claims.iter().map(|c| (c.ephemeral, c.name)));
    a.shape == b.shape && claims && (!labels || a.labels == b.labels)
}

/// Go's `container/heap` down, the highest total on top.
fn sift_down(heap: &mut [(NodeIdx, i64)], mut at: usize) {
    loop {
        let left = 2 * at + 1;
        if left >= heap.len() {
            return;
        }
        let right = left + 1;
        let child = if right < heap.len() && heap[right].1 > heap[left].1 { right } else { left };
        if heap[child].1 <= heap[at].1 {
            return;
        }
        heap.swap(at, child);
        at = child;
    }
}

/// Its `Pop`.
fn pop(heap: &mut Vec<(NodeIdx, i64)>) -> Option<NodeIdx> {
    let last = heap.len().checked_sub(1)?;
    heap.swap(0, last);
    let top = heap.pop()?.0;
    sift_down(heap, 0);
    Some(top)
}
