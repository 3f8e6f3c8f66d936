//! Typed indices and the arenas they index.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A position in an [`Arena`].
pub trait Idx: Copy + Eq + Ord + fmt::Debug {
    /// The index at position `position`.
    fn new(position: usize) -> Self;
    /// The position as a number.
    fn at(self) -> usize;
}

impl Idx for usize {
    fn new(position: usize) -> usize {
        position
    }

    fn at(self) -> usize {
        self
    }
}

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);
        impl Idx for $name {
            fn new(position: usize) -> Self { $name(u32::try_from(position).expect("an arena holds fewer than 2^32 items")) }
            fn at(self) -> usize { self.0 as usize }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!(stringify!($name), "({})"), self.0) }
        }
    )*};
}

indices! {
    /// A node; never reused within a run.
    NodeIdx
    /// A pod; never reused within a run. A replacement is a new index with the same [`SpecIdx`].
    PodIdx
    /// What a pod was created as: identity-free fields shared by a live pod and its clones.
    SpecIdx
    /// What the scheduler sees of a pod, interned: equal shapes share an index.
    ShapeIdx
    /// A controller (or the name of one that the dump lacks).
    OwnerIdx
    /// A PodDisruptionBudget.
    BudgetIdx
    /// A namespace.
    NsIdx
    /// A resource kind: 0 cpu (milli), 1 memory (bytes), 2 ephemeral storage (bytes), then the others as found.
    ResIdx
    /// A PersistentVolume.
    PvIdx
    /// A PersistentVolumeClaim.
    PvcIdx
    /// A StorageClass.
    ClassIdx
    /// A node group.
    GroupIdx
    /// A machine type.
    MachineIdx
}

/// A vector that is indexed by one type of index only.
#[derive(Clone, PartialEq, Eq)]
pub struct Arena<I, T> {
    items: Vec<T>,
    marker: PhantomData<fn(I) -> I>,
}

impl<I, T> Default for Arena<I, T> {
    fn default() -> Self {
        Arena { items: Vec::new(), marker: PhantomData }
    }
}

impl<I: Idx, T> Arena<I, T> {
    /// Appends an item; its index stays valid for ever.
    pub fn push(&mut self, item: T) -> I {
        let index = I::new(self.items.len());
        self.items.push(item);
        index
    }
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// All items in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }
    /// All items with their indices, in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.items.iter().enumerate().map(|(i, t)| (I::new(i), t))
    }
    /// All indices, in order.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.items.len()).map(I::new)
    }
    /// The item, if the index is within.
    pub fn get(&self, index: I) -> Option<&T> {
        self.items.get(index.at())
    }
    /// The items as a slice.
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
    /// All items in order, mutable.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }
}

impl<I: Idx, T> Index<I> for Arena<I, T> {
    type Output = T;
    fn index(&self, index: I) -> &T {
        &self.items[index.at()]
    }
}

impl<I: Idx, T> IndexMut<I> for Arena<I, T> {
    fn index_mut(&mut self, index: I) -> &mut T {
        &mut self.items[index.at()]
    }
}

impl<I, T: fmt::Debug> fmt::Debug for Arena<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

impl<I, T> FromIterator<T> for Arena<I, T> {
    fn from_iter<It: IntoIterator<Item = T>>(iter: It) -> Self {
        Arena { items: iter.into_iter().collect(), marker: PhantomData }
    }
}
