//! Fit and balance of each node for what a pod asks for, kept while the node stays as it is.

use super::class::{Sight, refuses};
use super::index::Index;
use super::names::PluginId;
use super::plugins::{balanced_allocation, node_resources_fit};
use crate::cluster::{Idx, NodeIdx, PodShape, ResIdx};
use rustc_hash::FxHashMap;

/// All tables together keep no more nodes' figures than this (8 bytes each).
const MOST_CELLS: usize = 1 << 23;

/// A node that has no room.
const NO_ROOM: i32 = i32::MIN;

/// What was found of one node.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The node's version that it is of.
    seen: u32,
    /// Fit and balance, weighted; [`NO_ROOM`] if the pod does not fit.
    score: i32,
}

const UNSEEN: Cell = Cell { seen: u32::MAX, score: NO_ROOM };

/// What a pod asks for, as far as it decides fit and balance, under the profile of that index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    profile: usize,
    amounts: Vec<(ResIdx, i64)>,
    incoming_nonzero: [i64; 2],
}

/// Figures of the nodes for one kind of request.
#[derive(Clone, Debug, Default)]
struct Table {
    cells: Vec<Cell>,
    used: u64,
}

/// Tables by request. There are few distinct requests in most clusters; where there are many, those that were not used
/// for long give their room to others, and what finds no room is computed each time.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    all: Vec<Table>,
    ids: FxHashMap<Asked, u32>,
    cells: usize,
    hand: usize,
    uses: u64,
}

impl Tables {
    /// The place of a shape's request.
    pub fn place(&mut self, profile: usize, shape: &PodShape) -> u32 {
        let asked = Asked {
            profile,
            amounts: shape.requests.amounts.clone(),
            incoming_nonzero: shape.incoming_nonzero,
        };
        let next = self.all.len() as u32;
        let id = *self.ids.entry(asked).or_insert(next);
        if id == next {
            self.all.push(Table::default());
        }
        id
    }

    /// Makes a request's table ready for one cycle.
    pub fn open<'a>(
        &'a mut self,
        sight: Sight<'a>,
        index: &'a Index,
        shape: &'a PodShape,
        balance: bool,
        id: u32,
    ) -> Fits<'a> {
        let nodes = sight.state.nodes.len();
        self.uses += 1;
        let known = self.all[id as usize].cells.len();
        let kept = known >= nodes || (is_small(sight) && self.grow(id as usize, nodes));
        let table = &mut self.all[id as usize];
        table.used = self.uses;
        let cells: &mut [Cell] = if kept { &mut table.cells } else { &mut [] };
        Fits { sight, versions: &index.version, shape, balance, cells }
    }

    /// Finds room for a table; false if there is none now.
    fn grow(&mut self, id: usize, nodes: usize) -> bool {
        // Nodes are added one by one: leave room for some.
        let wanted = nodes + nodes / 8;
        let more = wanted - self.all[id].cells.len();
        if self.cells + more > MOST_CELLS {
            self.hand = (self.hand + 1) % self.all.len();
            let old = &mut self.all[self.hand];
            if self.hand != id && self.uses - old.used > 4 * self.ids.len() as u64 {
                self.cells -= old.cells.len();
                old.cells = Vec::new();
            }
        }
        let fits = self.cells + more <= MOST_CELLS;
        if fits {
            self.all[id].cells.reserve_exact(more);
            self.all[id].cells.resize(wanted, UNSEEN);
            self.cells += more;
        }
        fits
    }
}

/// Whether weighted scores have room in a cell.
fn is_small(sight: Sight<'_>) -> bool {
    let weights = [PluginId::NodeResourcesFit, PluginId::NodeResourcesBalancedAllocation].map(|p| sight.config.weight(p));
    weights.iter().all(|w| w.abs() < 1 << 23)
}

/// Looks nodes up for one cycle.
pub struct Fits<'a> {
    sight: Sight<'a>,
    versions: &'a [u32],
    shape: &'a PodShape,
    balance: bool,
    /// Empty if nothing is kept.
    cells: &'a mut [Cell],
}

impl Fits<'_> {
    /// Fit and balance of a node, weighted; None if the pod does not fit.
    #[inline]
    pub fn score(&mut self, node: NodeIdx) -> Option<i64> {
        let i = node.at();
        match self.cells.get_mut(i) {
            Some(cell) => {
                if cell.seen != self.versions[i] {
                    let score = compute(self.sight, self.shape, self.balance, node);
                    *cell = Cell { seen: self.versions[i], score: score.map_or(NO_ROOM, |s| s as i32) };
                }
                (cell.score != NO_ROOM).then_some(i64::from(cell.score))
            }
            None => compute(self.sight, self.shape, self.balance, node),
        }
    }
}

/// The rules themselves.
#[inline(never)]
fn compute(sight: Sight<'_>, shape: &PodShape, balance: bool, node: NodeIdx) -> Option<i64> {
    if sight.config.filters(PluginId::NodeResourcesFit) && refuses(sight, PluginId::NodeResourcesFit, shape, node) {
        return None;
    }
    let n = &sight.state.nodes[node];
    let config = sight.config;
    let mut sum = 0;
    let fit = config.weight(PluginId::NodeResourcesFit);
    if fit != 0 {
        sum += fit * node_resources_fit::score(shape, &sight.resolved.fit, config, node, n, sight.state);
    }
    if balance {
        let weight = config.weight(PluginId::NodeResourcesBalancedAllocation);
        sum += weight * balanced_allocation::score(shape, sight.resolved, node, n, sight.state);
    }
    Some(sum)
}
