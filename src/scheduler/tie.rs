//! Which of several best nodes is taken.

/// The first maximum in preorder of the implicit binary heap over the list (docs/reference/kubernetes.md#choice-of-a-node).
///
/// Why: 1.35 and 1.36 pop the best from a heap whose second key is set only by extenders (S/schedule_one.go
/// `nodeScoreHeap`); sifting up and down with ties left in place amounts to this order. 0 for an empty list.
pub fn preorder_first(totals: &[i64]) -> usize {
    let rank = |i: usize| {
        // The path from the root, left-aligned; of two on one path the upper one, which is shorter, comes first.
        let path = i as u64 + 1;
        path << path.leading_zeros() | u64::from(u64::BITS - path.leading_zeros())
    };
    // In two passes: few are best in the end, but many are when only those before them are known.
    let best = totals.iter().copied().max();
    let equals = totals.iter().enumerate().filter(|total| Some(*total.1) == best);
    equals.map(|total| total.0).min_by_key(|i| rank(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's container/heap does: Init, then Pop.
    fn heap_pop(totals: &[i64]) -> usize {
        fn down(h: &mut [usize], totals: &[i64], mut i: usize, n: usize) {
            loop {
                let left = 2 * i + 1;
                if left >= n {
                    return;
                }
                let right = left + 1;
                let child = if right < n && totals[h[right]] > totals[h[left]] { right } else { left };
                if totals[h[child]] <= totals[h[i]] {
                    return;
                }
                h.swap(i, child);
                i = child;
            }
        }
        let n = totals.len();
        let mut heap: Vec<usize> = (0..n).collect();
        for i in (0..n / 2).rev() {
            down(&mut heap, totals, i, n);
        }
        heap[0]
    }

    #[test]
    fn equals_what_the_heap_pops() {
        let draws = crate::cluster::draw::Draws::new(7);
        for case in 0..3000 {
            let n = 1 + draws.below("tie", "n", case, 40) as usize;
            let totals: Vec<i64> =
                (0..n).map(|i| draws.below("tie", "total", case * 64 + i as u64, 4) as i64).collect();
            assert_eq!(preorder_first(&totals), heap_pop(&totals), "{totals:?}");
        }
    }
}
