//! A small placer: every generated pod fits its node by resources, taints, selectors, spread and anti-affinity.
//!
//! It is no kube-scheduler, on purpose: it must be fast, deterministic, and leave a cluster as uneven as real ones are.

use super::model::{Amount, Apart, Model, Pool, Shape, Spread};
use crate::cluster::draw::{Draws, Stream};

/// How many drawn nodes are looked at before all of a zone are.
const SAMPLE: u64 = 8;

/// Which of the drawn nodes to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The emptiest of them, by cpu.
    Emptiest,
    /// The first that fits: what else is on the nodes then hardly matters, so one trap does not shift the next.
    First,
}

/// The open nodes by pool and zone, with what is used there.
pub(super) struct Placer {
    old: Vec<Zone>,
    special: Vec<Zone>,
}

#[derive(Default)]
struct Zone {
    nodes: Vec<usize>,
    /// Those of them with an SSD.
    ssd: Vec<usize>,
    cpu_used: u64,
    cpu_room: u64,
}

impl Placer {
    /// A placer over the model's open nodes.
    pub fn new(model: &Model<'_>) -> Self {
        let empty = || (0..model.zones.len()).map(|_| Zone::default()).collect::<Vec<_>>();
        let mut placer = Self { old: empty(), special: empty() };
        for (index, node) in model.nodes.iter().enumerate().filter(|(_, node)| !node.closed) {
            let zones = match node.pool {
                Pool::Old => &mut placer.old,
                Pool::Special => &mut placer.special,
                Pool::New => continue,
            };
            let zone = &mut zones[node.zone];
            zone.nodes.push(index);
            if node.ssd {
                zone.ssd.push(index);
            }
            zone.cpu_used += node.used.cpu_millis;
            zone.cpu_room += node.room.cpu_millis;
        }
        placer
    }

    /// Places up to `replicas` pods of a shape; the nodes, one a pod. Fewer come back when the cluster is full.
    pub fn place(
        &mut self,
        model: &mut Model<'_>,
        key: &str,
        shape: &Shape,
        replicas: u32,
        choice: Choice,
    ) -> Vec<usize> {
        let mut placed: Vec<usize> = Vec::with_capacity(replicas as usize);
        let zones = if shape.special { &mut self.special } else { &mut self.old };
        let mut counts = vec![0_u64; zones.len()];
        let search = Search { stream: Stream::of(key, "place"), draws: model.draws, shape, choice };
        for ordinal in 0..replicas {
            let found = zone_order(zones, &counts, shape).into_iter().find_map(|zone| {
                let node = search.in_zone(model, &zones[zone], u64::from(ordinal), &placed)?;
                Some((zone, node))
            });
            let Some((zone, node)) = found else { break };
            counts[zone] += 1;
            zones[zone].cpu_used += shape.ask.cpu_millis;
            model.nodes[node].used.add(&shape.ask);
            placed.push(node);
        }
        placed
    }
}

/// Zones with nodes for the shape, the workload's fewest pods first, then the emptiest; only those that its own constraints allow.
fn zone_order(zones: &[Zone], counts: &[u64], shape: &Shape) -> Vec<usize> {
    let mut order: Vec<usize> = (0..zones.len()).filter(|zone| !candidates(&zones[*zone], shape).is_empty()).collect();
    let fewest = order.iter().map(|zone| counts[*zone]).min().unwrap_or(0);
    if shape.spread == Some(Spread::Hard) {
        order.retain(|zone| counts[*zone] == fewest);
    }
    if shape.apart == Some(Apart::Zones) {
        order.retain(|zone| counts[*zone] == 0);
    }
    // a/b < c/d as a*d < c*b
    let emptier = |a: &Zone, b: &Zone| {
        (u128::from(a.cpu_used) * u128::from(b.cpu_room)).cmp(&(u128::from(b.cpu_used) * u128::from(a.cpu_room)))
    };
    order.sort_by(|a, b| counts[*a].cmp(&counts[*b]).then_with(|| emptier(&zones[*a], &zones[*b])).then(a.cmp(b)));
    order
}

fn candidates<'z>(zone: &'z Zone, shape: &Shape) -> &'z [usize] {
    if shape.ssd { &zone.ssd } else { &zone.nodes }
}

/// One workload's search for nodes.
struct Search<'s> {
    stream: Stream,
    draws: Draws,
    shape: &'s Shape,
    choice: Choice,
}

impl Search<'_> {
    fn in_zone(&self, model: &Model<'_>, zone: &Zone, ordinal: u64, placed: &[usize]) -> Option<usize> {
        let nodes = candidates(zone, self.shape);
        let fits = |node: usize| {
            let room = &model.nodes[node];
            self.shape.ask.fits(&room.used, &room.room)
                && !(self.shape.apart == Some(Apart::Nodes) && placed.contains(&node))
        };
        let mut best: Option<(bool, Load, usize)> = None;
        for nth in 0..SAMPLE {
            let draw = self.draws.at(self.stream, ordinal * SAMPLE + nth);
            let node = nodes[below(draw, nodes.len())];
            if !fits(node) {
                continue;
            }
            if self.choice == Choice::First && !placed.contains(&node) {
                return Some(node);
            }
            let rank = (placed.contains(&node), Load::of(&model.nodes[node].used, &model.nodes[node].room), node);
            if best.as_ref().is_none_or(|best| rank < *best) {
                best = Some(rank);
            }
        }
        if let Some((_, _, node)) = best {
            return Some(node);
        }
        let start = below(self.draws.at(self.stream, u64::MAX - ordinal), nodes.len());
        (0..nodes.len()).map(|step| nodes[(start + step) % nodes.len()]).find(|node| fits(*node))
    }
}

/// A node's use of cpu, in parts per million.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Load(u64);

impl Load {
    fn of(used: &Amount, room: &Amount) -> Self {
        Self(used.cpu_millis * 1_000_000 / room.cpu_millis.max(1))
    }
}

fn below(draw: u64, n: usize) -> usize {
    ((u128::from(draw) * n as u128) >> 64) as usize
}
