//! Arenas whose copies share what neither has changed since they parted.

use super::ids::Idx;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// Items that are copied together when one of them changes in a copy.
const CHUNK: usize = 32;

/// As [`super::Arena`], and cheap to clone: full chunks are shared, and copied when something in them is changed; only the last items are copied at
/// once. For what is large or owns memory of its own, and of which a run changes a part.
#[derive(Clone)]
pub struct SharedArena<I, T> {
    full: Vec<Arc<[T]>>,
    /// Fewer than a chunk.
    last: Vec<T>,
    marker: PhantomData<fn(I) -> I>,
}

impl<I, T> Default for SharedArena<I, T> {
    fn default() -> Self {
        SharedArena { full: Vec::new(), last: Vec::new(), marker: PhantomData }
    }
}

impl<I: Idx, T> SharedArena<I, T> {
    /// Appends an item; its index stays valid for as long as the arena lives.
    pub fn push(&mut self, item: T) -> I {
        let index = I::new(self.len());
        self.last.push(item);
        if self.last.len() == CHUNK {
            self.full.push(std::mem::take(&mut self.last).into());
        }
        index
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK + self.last.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.full.iter().flat_map(|chunk| chunk.iter()).chain(&self.last)
    }

    /// All items with their indices, in order.
    pub fn entries(&self) -> impl Iterator<Item = (I, &T)> {
        self.iter().enumerate().map(|(i, t)| (I::new(i), t))
    }

    /// Takes all items out.
    pub fn clear(&mut self) {
        self.full.clear();
        self.last.clear();
    }

    /// The item, if the index is within.
    #[inline]
    pub fn get(&self, index: I) -> Option<&T> {
        let at = index.at();
        match self.full.get(at / CHUNK) {
            Some(chunk) => chunk.get(at % CHUNK),
            None => self.last.get(at - self.full.len() * CHUNK),
        }
    }
}

impl<I: Idx, T: Clone> SharedArena<I, T> {
    /// Makes it so long, with new items like this one.
    pub fn grow(&mut self, len: usize, item: T) {
        while self.len() < len {
            self.push(item.clone());
        }
    }

    /// All items in order, mutable: what was shared is copied.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.full.iter_mut().flat_map(|chunk| Arc::make_mut(chunk).iter_mut()).chain(&mut self.last)
    }
}

impl<I: Idx, T> Index<I> for SharedArena<I, T> {
    type Output = T;

    #[inline]
    fn index(&self, index: I) -> &T {
        let at = index.at();
        match self.full.get(at / CHUNK) {
            Some(chunk) => &chunk[at % CHUNK],
            None => &self.last[at - self.full.len() * CHUNK],
        }
    }
}

impl<I: Idx, T: Clone> IndexMut<I> for SharedArena<I, T> {
    #[inline]
    fn index_mut(&mut self, index: I) -> &mut T {
        let at = index.at();
        let full = self.full.len() * CHUNK;
        match self.full.get_mut(at / CHUNK) {
            Some(chunk) => &mut Arc::make_mut(chunk)[at % CHUNK],
            None => &mut self.last[at - full],
        }
    }
}

impl<I: Idx, T: PartialEq> PartialEq for SharedArena<I, T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<I: Idx, T: fmt::Debug> fmt::Debug for SharedArena<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<I: Idx, T: Serialize> Serialize for SharedArena<I, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, I: Idx, T: Deserialize<'de>> Deserialize<'de> for SharedArena<I, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

impl<I: Idx, T> FromIterator<T> for SharedArena<I, T> {
    fn from_iter<It: IntoIterator<Item = T>>(iter: It) -> Self {
        let mut arena = SharedArena::default();
        iter.into_iter().for_each(|item| _ = arena.push(item));
        arena
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::OwnerIdx;

    #[test]
    fn copies_share_chunks_and_go_their_own_ways() {
        let mut one: SharedArena<OwnerIdx, Vec<u32>> = (0..100).map(|i| vec![i]).collect();
        let mut other = one.clone();
        assert!(one.full.iter().zip(&other.full).all(|(a, b)| Arc::ptr_eq(a, b)));
        one[OwnerIdx(40)].push(7);
        other[OwnerIdx(99)].push(8);
        other.push(Vec::new());
        let same: Vec<bool> = one.full.iter().zip(&other.full).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
        assert_eq!(same, [true, false, true]);
        assert_eq!((&one[OwnerIdx(40)], &other[OwnerIdx(40)]), (&vec![40, 7], &vec![40]));
        assert_eq!((&one[OwnerIdx(99)], &other[OwnerIdx(99)]), (&vec![99], &vec![99, 8]));
        assert_eq!((one.len(), other.len(), one.get(OwnerIdx(100)), one == other), (100, 101, None, false));
        let sums = |arena: &SharedArena<OwnerIdx, Vec<u32>>| arena.entries().map(|(i, v)| i.0 + v[0]).sum::<u32>();
        assert_eq!(sums(&one), 99 * 100);
        other.iter_mut().for_each(Vec::clear);
        assert_eq!((other.iter().flatten().count(), one.iter().flatten().count()), (0, 101));
    }
}
