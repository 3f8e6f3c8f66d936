//! Fit and balance of each node for what a pod asks for, kept while the node stays as it is.

use super::config::FitStrategy;
use super::index::Index;
use super::names::PluginId;
use super::plugins::{balanced_allocation, node_resources_fit, refuses};
use super::room::{EXACT, Room};
use super::sight::Sight;
use crate::cluster::{CPU, Idx, MEMORY, NodeIdx, PodShape, ResIdx, State};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// All tables together keep no more nodes' figures than this (4 bytes each).
const MOST_CELLS: usize = 1 << 23;

/// The score of a node that has no room.
pub const NO_ROOM: i64 = i64::MIN;

/// The same in a cell.
const NONE: i32 = i32::MIN;
/// A cell whose node has changed since; scores are above it.
const STALE: i32 = i32::MIN + 1;

/// The rules for one kind of request under a profile that scores cpu and memory alone, the emptier the better.
#[derive(Clone, Debug)]
struct Formula {
    /// What must be left; less than anything for what is not asked for.
    wanted: [f64; 2],
    /// What is asked for.
    asked: [f64; 2],
    /// What Fit's scorer takes for it.
    incoming: [f64; 2],
    /// Other resources, which are not scored.
    others: SmallVec<[(ResIdx, i64); 2]>,
    /// Weights of cpu and memory within Fit's score.
    shares: [i64; 2],
    fit: i64,
    /// Weight of balance, if that is scored.
    balance: Option<i64>,
    by_change: bool,
}

impl Formula {
    fn of(sight: Sight<'_>, shape: &PodShape, balance: bool) -> Option<Formula> {
        let (config, resolved) = (sight.config, sight.resolved);
        let scores = |scored: &[(ResIdx, i64)]| {
            scored.len() == 2 && [CPU, MEMORY].iter().all(|r| scored.iter().any(|s| s.0 == *r && s.1 > 0))
        };
        let applies = config.fit == FitStrategy::LeastAllocated
            && config.filters(PluginId::NodeResourcesFit)
            && scores(&resolved.fit.0)
            && scores(&resolved.balanced.0);
        let asked = [CPU, MEMORY].map(|r| shape.requests.get(r));
        let figures = asked.iter().chain(&shape.incoming_nonzero);
        if !applies || !figures.into_iter().all(|f| (0..EXACT).contains(f)) {
            return None;
        }
        let share = |r: ResIdx| resolved.fit.0.iter().find(|s| s.0 == r).map_or(0, |s| s.1);
        let others = shape.requests.amounts.iter().copied();
        Some(Formula {
            wanted: asked.map(|a| if a == 0 { f64::NEG_INFINITY } else { a as f64 }),
            asked: asked.map(|a| a as f64),
            incoming: shape.incoming_nonzero.map(|a| a as f64),
            others: others.filter(|(r, _)| ![CPU, MEMORY].contains(r) && !resolved.ignored.has(*r)).collect(),
            shares: [CPU, MEMORY].map(share),
            fit: config.weight(PluginId::NodeResourcesFit),
            balance: balance.then(|| config.weight(PluginId::NodeResourcesBalancedAllocation)),
            by_change: resolved.rules.balance_by_change,
        })
    }

    #[inline]
    fn score(&self, room: &Room, state: &State, node: NodeIdx) -> Option<i64> {
        let fits = |i: usize| self.wanted[i] <= room.capacity[i] - room.held[i];
        if !(room.has_slot && fits(0) && fits(1)) {
            return None;
        }
        if !self.others.is_empty() {
            let (spec, requested) = (&state.nodes[node].spec, state.requested(node));
            if !self.others.iter().all(|(r, amount)| *amount <= spec.allocatable(*r) - requested[r.at()]) {
                return None;
            }
        }
        let least = [0, 1].map(|i| i64::from(room.least(i, self.incoming[i])));
        let fit = match self.shares {
            [cpu, memory] if cpu == memory => (least[0] + least[1]) / 2,
            [cpu, memory] => (cpu * least[0] + memory * least[1]) / (cpu + memory),
        };
        let mut sum = self.fit * fit;
        if let Some(weight) = self.balance {
            let with = i64::from(room.balance_with(self.asked));
            sum += weight * if self.by_change { 50 + (50 + with - i64::from(room.balance)) / 2 } else { with };
        }
        Some(sum)
    }
}

/// What a pod asks for, as far as it decides fit and balance, under the profile of that index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    profile: usize,
    amounts: Vec<(ResIdx, i64)>,
    incoming_nonzero: [i64; 2],
}

/// Figures of the nodes for one kind of request.
#[derive(Clone, Debug)]
struct Table {
    /// Fit and balance by node, weighted; [`NONE`] if the pod does not fit, [`STALE`] if that is not known. Shared with copies of the
    /// scheduler until one of them uses it.
    cells: Arc<Vec<i32>>,
    /// Up to which touch of a node they are known.
    touches: u64,
    used: u64,
    formula: Option<Formula>,
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
    pub fn place(&mut self, sight: Sight<'_>, shape: &PodShape, balance: bool) -> u32 {
        let asked = Asked {
            profile: sight.profile,
            amounts: shape.requests.amounts.clone(),
            incoming_nonzero: shape.incoming_nonzero,
        };
        let next = self.all.len() as u32;
        let id = *self.ids.entry(asked).or_insert(next);
        if id == next {
            let formula = Formula::of(sight, shape, balance);
            self.all.push(Table { cells: Arc::default(), touches: 0, used: 0, formula });
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
        if kept {
            table.catch_up(index, nodes);
        }
        let Table { cells, formula, .. } = table;
        let cells: &mut [i32] = match kept {
            true => Arc::<Vec<i32>>::make_mut(cells),
            false => &mut [],
        };
        let rules = Rules { sight, shape, balance, formula: formula.as_ref(), rooms: &index.rooms };
        Fits { rules, cells }
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
                old.cells = Arc::default();
            }
        }
        let fits = self.cells + more <= MOST_CELLS;
        if fits {
            let cells = Arc::make_mut(&mut self.all[id].cells);
            cells.reserve_exact(more);
            cells.resize(wanted, STALE);
            self.cells += more;
        }
        fits
    }
}

impl Table {
    /// Forgets what is known of nodes that were touched since it was last used.
    fn catch_up(&mut self, index: &Index, nodes: usize) {
        let cells = Arc::make_mut(&mut self.cells);
        match index.touched_since(self.touches) {
            // Each node is touched about as often as any other: with so many of them, hardly one is as it was.
            Some(touched) if touched.len() < nodes => touched.iter().for_each(|node| cells[node.at()] = STALE),
            _ => cells.fill(STALE),
        }
        self.touches = index.touches();
    }
}

/// Whether weighted scores have room in a cell.
fn is_small(sight: Sight<'_>) -> bool {
    let weights =
        [PluginId::NodeResourcesFit, PluginId::NodeResourcesBalancedAllocation].map(|p| sight.config.weight(p));
    weights.iter().all(|w| w.abs() < 1 << 23)
}

/// Looks nodes up for one cycle.
pub struct Fits<'a> {
    rules: Rules<'a>,
    /// Empty if nothing is kept.
    cells: &'a mut [i32],
}

impl Fits<'_> {
    /// Fit and balance of a node, weighted; [`NO_ROOM`] if the pod does not fit.
    #[inline]
    pub fn score(&mut self, node: NodeIdx) -> i64 {
        match self.cells.get_mut(node.at()) {
            Some(known) if *known > STALE => i64::from(*known),
            Some(cell) => {
                if *cell == STALE {
                    *cell = self.rules.cell(node);
                }
                if *cell == NONE { NO_ROOM } else { i64::from(*cell) }
            }
            None => self.rules.score(node).unwrap_or(NO_ROOM),
        }
    }
}

/// What fit and balance of a node follow from.
struct Rules<'a> {
    sight: Sight<'a>,
    shape: &'a PodShape,
    balance: bool,
    formula: Option<&'a Formula>,
    rooms: &'a [Room],
}

impl Rules<'_> {
    #[inline(never)]
    fn cell(&self, node: NodeIdx) -> i32 {
        self.score(node).map_or(NONE, |score| score as i32)
    }

    #[inline]
    fn score(&self, node: NodeIdx) -> Option<i64> {
        let room = &self.rooms[node.at()];
        match self.formula {
            Some(formula) if room.exact => formula.score(room, self.sight.state, node),
            _ => by_rule(self.sight, self.shape, self.balance, node),
        }
    }
}

/// The plugins' own rules.
#[inline(never)]
fn by_rule(sight: Sight<'_>, shape: &PodShape, balance: bool, node: NodeIdx) -> Option<i64> {
    if sight.config.filters(PluginId::NodeResourcesFit) && refuses(PluginId::NodeResourcesFit, sight, shape, node) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::draw::Draws;
    use crate::scheduler::testbed::Bed;
    use crate::scheduler::{Scheduler, SchedulerConfig};

    /// The formulas give what the plugins' own rules give, also where a quotient is a whole number or nearly one.
    #[test]
    fn formulas_equal_the_rules() {
        let draws = Draws::new(3);
        let draw = |what: &str, nth: u64, n: u64| draws.below("formula", what, nth, n) as i64;
        for case in 0..60_u64 {
            let mut bed = Bed::new();
            let unit = [1, 1 << 20, 1 << 30, (1 << 33) + 1][case as usize % 4];
            let mut specs = Vec::new();
            for i in 0..4 {
                let nth = case * 10 + i;
                let mut shape = bed.shape(draw("cpu", nth, 900), 0);
                let memory = draw("memory", nth, 50) * unit;
                if memory > 0 {
                    shape.requests.amounts.push((MEMORY, memory));
                }
                shape.requests.nonzero[1] = memory.max(1);
                shape.incoming_nonzero = shape.requests.nonzero;
                specs.push(bed.spec(shape, &[]));
            }
            let nodes: Vec<_> = (0..6_u64)
                .map(|i| {
                    let mut spec = bed.node_spec(&format!("n{i}"), draw("capacity", case * 10 + i, 4000), &[]);
                    spec.allocatable[1] = draw("size", case * 10 + i, 100) * unit;
                    spec.pod_slots = 5;
                    spec
                })
                .collect();
            bed.start();
            for node in nodes {
                bed.state.add_node(std::sync::Arc::new(node), None, true, 0);
            }
            for i in 0..16_u64 {
                let node = NodeIdx(draw("node", case * 20 + i, 6) as u32);
                bed.running(specs[draw("spec", case * 20 + i, 4) as usize], node, 0);
            }
            let scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
            let sight = scheduler.sight(&bed.catalog, &bed.state, 0);
            for spec in specs {
                let shape = bed.catalog.shape(spec);
                let formula = Formula::of(sight, shape, true).expect("the default profile has a formula");
                for (index, node) in bed.state.nodes.entries() {
                    let room = Room::of(index, node, &bed.state);
                    if room.exact {
                        let rule = by_rule(sight, shape, true, index);
                        assert_eq!(formula.score(&room, &bed.state, index), rule, "case {case}: {room:?}");
                    }
                }
            }
        }
    }
}
