//! Which of many items in a fixed order is the next that stays within limits: a tree of the least of each stretch.

/// Above every limit that is asked for.
const NEVER: i64 = i64::MAX;

/// Items with an amount in each dimension, in a fixed order. Of each stretch (a half, a quarter, … of all) the least amount in each dimension
/// is kept, so that a stretch in which nothing can stay within the limits is passed over at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeastTree {
    dims: usize,
    /// Leaves, a power of two; the first `len` are items.
    leaves: usize,
    len: usize,
    /// Of each node of the tree, in each dimension: the root is the first, those below node n are 2n and 2n + 1, items are the last.
    least: Vec<i64>,
}

impl LeastTree {
    /// A tree over items of so many dimensions each.
    pub fn new<'i>(dims: usize, items: impl ExactSizeIterator<Item = &'i [i64]>) -> LeastTree {
        let len = items.len();
        let leaves = len.next_power_of_two();
        let mut least = vec![NEVER; 2 * leaves * dims];
        for (row, item) in least[leaves * dims..].chunks_exact_mut(dims.max(1)).zip(items) {
            row.copy_from_slice(item);
        }
        let mut tree = LeastTree { dims, leaves, len, least };
        (1..leaves).rev().for_each(|node| _ = tree.refresh(node));
        tree
    }

    /// The next item from `from` on that has no more than the limit in any dimension.
    pub fn next(&self, from: usize, limits: &[i64]) -> Option<usize> {
        if from >= self.len {
            return None;
        }
        let mut node = self.leaves + from;
        loop {
            if self.row(node).iter().zip(limits).all(|(least, limit)| least <= limit) {
                if node >= self.leaves {
                    return Some(node - self.leaves);
                }
                node *= 2;
                continue;
            }
            // The stretch that comes after this one, as large as it can be.
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
    }

    /// An item has other amounts now.
    pub fn set(&mut self, item: usize, amounts: impl IntoIterator<Item = i64>) {
        let at = (self.leaves + item) * self.dims;
        for (old, new) in self.least[at..at + self.dims].iter_mut().zip(amounts) {
            *old = new;
        }
        let mut node = (self.leaves + item) / 2;
        while node > 0 && self.refresh(node) {
            node /= 2;
        }
    }

    /// An item stays within no limit any more.
    pub fn remove(&mut self, item: usize) {
        self.set(item, std::iter::repeat_n(NEVER, self.dims));
    }

    fn row(&self, node: usize) -> &[i64] {
        &self.least[node * self.dims..(node + 1) * self.dims]
    }

    /// Takes the least of the two stretches of a node; whether that is another than before.
    fn refresh(&mut self, node: usize) -> bool {
        let (above, below) = self.least.split_at_mut(2 * node * self.dims);
        let mut changed = false;
        for (d, old) in above[node * self.dims..(node + 1) * self.dims].iter_mut().enumerate() {
            let new = below[d].min(below[self.dims + d]);
            changed |= *old != new;
            *old = new;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::draw::Draws;

    #[test]
    fn the_next_within_limits_is_the_one_that_a_walk_finds() {
        let draws = Draws::new(11);
        let mut count = 0;
        let mut below = |n: u64| {
            count += 1;
            draws.below("tree", "amount", count, n) as i64
        };
        for len in [0usize, 1, 2, 3, 7, 8, 9, 100] {
            let mut items: Vec<[i64; 2]> = (0..len).map(|_| [below(20), below(20)]).collect();
            let mut tree = LeastTree::new(2, items.iter().map(|i| i.as_slice()));
            for _ in 0..300 {
                let (from, limits) = (below(len as u64 + 2) as usize, [below(12), below(12)]);
                let within = |i: &usize| items[*i][0] <= limits[0] && items[*i][1] <= limits[1];
                assert_eq!(tree.next(from, &limits), (from..len).find(within), "{len} {from} {limits:?}");
                if len == 0 {
                    continue;
                }
                let at = below(len as u64) as usize;
                if below(5) == 0 {
                    items[at] = [NEVER; 2];
                    tree.remove(at);
                } else {
                    items[at] = [below(20), below(20)];
                    tree.set(at, items[at]);
                }
            }
        }
    }
}
