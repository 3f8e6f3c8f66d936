//! Domains: nodes grouped by the value of a label key.

use crate::cluster::{Idx, Labels, NodeIdx, State, Sym};
use rustc_hash::FxHashMap;

/// So many domains, and the lack of one, have a bit each in a word.
pub const FEW: usize = 63;

/// The domain of a node that lacks the key.
pub const NO_DOMAIN: u32 = u32::MAX;

/// A label key that some rule groups nodes by, as a position in [`Topology`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopoKey(pub u32);

/// One key's domains.
#[derive(Clone, Debug)]
pub struct Domains {
    /// The label key.
    pub key: Sym,
    /// Domain of each node by index, [`NO_DOMAIN`] where it lacks the key.
    pub of: Vec<u32>,
    /// How many distinct values were ever seen.
    pub len: usize,
    /// Some node lacks the key, or did.
    pub some_lack: bool,
    ids: FxHashMap<Sym, u32>,
}

impl Domains {
    /// Those of few domains for which something holds, as bits; None if there are too many.
    pub fn few(&self, holds: impl Fn(usize) -> bool) -> Option<u64> {
        (self.len < FEW).then(|| (0..self.len).fold(0, |bits, domain| bits | u64::from(holds(domain)) << domain))
    }

    /// The place of a node's domain in a list of all domains, those without the key at its end.
    #[inline]
    pub fn slot(&self, node: NodeIdx) -> usize {
        self.of.get(node.at()).map_or(self.len, |domain| (*domain as usize).min(self.len))
    }

    /// The domain of a value, if a node was ever seen with it.
    pub fn of_value(&self, value: Sym) -> Option<usize> {
        self.ids.get(&value).map(|d| *d as usize)
    }

    /// Every one of few domains, as bits.
    pub fn every(&self) -> u64 {
        (1 << self.len.min(FEW)) - 1
    }

    /// The nodes of those domains of few that have a bit, and those without the key if `lacking`.
    pub fn open(&self, bits: u64, lacking: bool) -> Open<'_> {
        let every = self.every();
        let open = bits & every | u64::from(lacking) << self.len.min(FEW);
        Open { domains: self, bits: open, is_all: open == every | u64::from(self.some_lack) << self.len.min(FEW) }
    }

    fn add_node(&mut self, node: NodeIdx, labels: &Labels) {
        if self.of.len() <= node.at() {
            self.of.resize(node.at() + 1, NO_DOMAIN);
        }
        if let Some(value) = labels.get(self.key) {
            let next = self.len as u32;
            let id = *self.ids.entry(value).or_insert(next);
            self.len = self.len.max(id as usize + 1);
            self.of[node.at()] = id;
        } else {
            self.some_lack = true;
        }
    }
}

/// Domains of few that a pod may go to.
#[derive(Clone, Copy)]
pub struct Open<'a> {
    domains: &'a Domains,
    /// A bit for each, the last for nodes without the key.
    bits: u64,
    is_all: bool,
}

impl Open<'_> {
    /// Whether a node lies in one of them.
    #[inline]
    pub fn has(&self, node: NodeIdx) -> bool {
        self.bits >> self.domains.slot(node) & 1 == 1
    }

    /// Whether every node does.
    pub fn is_all(&self) -> bool {
        self.is_all
    }
}

/// The domains of every key that was asked about.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    tables: Vec<Domains>,
    keys: FxHashMap<Sym, TopoKey>,
}

impl Topology {
    /// The position of a key; its domains are read off all nodes when it is new.
    pub fn key(&mut self, key: Sym, state: &State) -> TopoKey {
        if let Some(known) = self.keys.get(&key) {
            return *known;
        }
        let index = TopoKey(self.tables.len() as u32);
        let mut table = Domains { key, of: Vec::new(), len: 0, some_lack: false, ids: FxHashMap::default() };
        for (node, n) in state.nodes.entries() {
            table.add_node(node, &n.spec.labels);
        }
        self.tables.push(table);
        self.keys.insert(key, index);
        index
    }
    /// Reads a new node's labels.
    pub fn add_node(&mut self, node: NodeIdx, labels: &Labels) {
        self.tables.iter_mut().for_each(|t| t.add_node(node, labels));
    }
    /// One key's domains.
    pub fn domains(&self, key: TopoKey) -> &Domains {
        &self.tables[key.0 as usize]
    }
    /// The domain of a node under a key.
    pub fn domain(&self, key: TopoKey, node: NodeIdx) -> Option<usize> {
        match self.tables[key.0 as usize].of.get(node.at()) {
            None | Some(&NO_DOMAIN) => None,
            Some(domain) => Some(*domain as usize),
        }
    }
}
