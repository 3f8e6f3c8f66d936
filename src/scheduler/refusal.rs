//! What a node says to pods of one class as a small number: where the number is the one of before, so are the words, and no
//! refusal has to be made and compared.

use super::index::Index;
use super::names::PluginId;
use super::plugins::{CROSS_NODE, OF_THE_NODE, refuses};
use super::room::{EXACT, Room};
use super::sight::Sight;
use super::statics::{NodeSet, Parts, Statics};
use crate::cluster::{CPU, Idx, MEMORY, NodeIdx, PodShape, ShapeIdx};

/// How many numbers there are.
pub const CODES: usize = 19;
/// No plugin that looks at the node alone refuses it.
pub const FREE: usize = 0;
/// Fit: no pod slot is left; too little cpu; too little memory; more than the node has when it is empty.
const LACKS: [usize; 4] = [1, 2, 4, 8];
/// NodeAffinity.
const ELSEWHERE: usize = 16;
/// NodeUnschedulable.
const CORDONED: usize = 17;
/// TaintToleration.
const TAINTED: usize = 18;

/// The place of each number's refusal among the kinds of a failure ([`super::Statuses`]).
#[derive(Clone, Copy, Debug)]
pub struct Kinds([u8; CODES]);

impl Default for Kinds {
    fn default() -> Kinds {
        Kinds([u8::MAX; CODES])
    }
}

impl Kinds {
    /// The kind of a number's refusal, if one was made.
    #[inline]
    pub fn get(&self, code: usize) -> Option<u32> {
        let kind = self.0[code];
        (kind != u8::MAX).then_some(u32::from(kind))
    }

    /// Notes of which kind a number's refusal is.
    pub fn set(&mut self, code: Option<usize>, kind: u32) {
        if let (Some(code), Ok(kind)) = (code.filter(|c| *c != FREE), u8::try_from(kind)) {
            self.0[code] = kind;
        }
    }
}

/// Judges nodes for one class, as long as the state stays as it is.
pub struct Codes<'a> {
    sight: Sight<'a>,
    shape: &'a PodShape,
    admitted: &'a NodeSet,
    selected: Option<&'a NodeSet>,
    rooms: &'a [Room],
    /// Whether Fit filters.
    fits: bool,
    /// What must be left of cpu and memory; less than anything for what is not asked for.
    wanted: [f64; 2],
}

impl<'a> Codes<'a> {
    /// Of pods of a shape without ports and volumes that name no nodes. None for one that asks for more than such numbers can tell: other
    /// resources, or under a profile that filters in another order. The parts must be up to date.
    pub fn of(
        sight: Sight<'a>,
        index: &'a Index,
        statics: &'a Statics,
        shape: ShapeIdx,
        parts: Parts,
    ) -> Option<Codes<'a>> {
        let shape = &sight.catalog.shapes[shape.at()];
        let amounts = &shape.requests.amounts;
        let simple = amounts.iter().all(|(r, amount)| [CPU, MEMORY].contains(r) && (0..EXACT).contains(amount));
        if !simple || !in_usual_order(&sight.config.filter) {
            return None;
        }
        let wanted = |r| amounts.iter().find(|a| a.0 == r).map_or(f64::NEG_INFINITY, |a| a.1 as f64);
        Some(Codes {
            sight,
            shape,
            admitted: &statics.tolerating(parts).admitted,
            selected: statics.selected(parts),
            rooms: &index.rooms,
            fits: sight.config.filters(PluginId::NodeResourcesFit),
            wanted: [CPU, MEMORY].map(wanted),
        })
    }

    /// What a node says; None if no number tells.
    #[inline]
    pub fn code(&self, node: NodeIdx) -> Option<usize> {
        if !self.admitted.has(node) {
            return self.closed(node);
        }
        if self.selected.is_some_and(|selected| !selected.has(node)) {
            return self.sight.config.added_affinity.is_none().then_some(ELSEWHERE);
        }
        if !self.fits {
            return Some(FREE);
        }
        let room = &self.rooms[node.at()];
        let lacks = |i: usize| self.wanted[i] > room.capacity[i] - room.held[i];
        let too_large = |i: usize| self.wanted[i] > room.capacity[i];
        let is_final = self.sight.resolved.rules.too_large_is_final;
        let said = [!room.has_slot, lacks(0), lacks(1), is_final && (too_large(0) || too_large(1))];
        room.exact.then(|| LACKS.iter().zip(said).map(|(bit, said)| bit * usize::from(said)).sum())
    }

    /// A node that the cordon or a taint closes.
    #[cold]
    fn closed(&self, node: NodeIdx) -> Option<usize> {
        let (plugin, config) = (PluginId::NodeUnschedulable, self.sight.config);
        match config.filters(plugin) && refuses(plugin, self.sight, self.shape, node) {
            true => Some(CORDONED),
            false => (!self.sight.resolved.rules.taint_is_named).then_some(TAINTED),
        }
    }
}

/// Whether cordon, taints, affinity, fit and other nodes' pods are asked in this order, where they are asked.
fn in_usual_order(filter: &[PluginId]) -> bool {
    filter.iter().filter(|p| OF_THE_NODE.or(CROSS_NODE).contains(**p)).is_sorted()
}
