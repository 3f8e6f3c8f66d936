//! Opening new nodes: the best template for the largest class that waits, filled with all that fits.

use super::{Choice, Packer, take, times};
use crate::cluster::*;
use fixedbitset::FixedBitSet;

/// What goes onto one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Pods by class.
    pub classes: Vec<(usize, u32)>,
    /// What is left.
    pub free: Vec<i64>,
}

impl Fill {
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

/// Opens nodes until every class has its place or no group takes it.
pub(crate) fn open_nodes(packer: &mut Packer<'_>) {
    let mut sent = Sent::default();
    for seed in 0..packer.classes.len() {
        while packer.classes.remaining(seed) > 0 {
            if !open_for(packer, &mut sent, seed) {
                break;
            }
        }
    }
}

/// Fills a fresh node of `template`: the seed first, then every waiting class by size; None fills with whatever fits.
///
/// Under Ocean's order a class rides along only where it would itself have been sent.
pub(crate) fn fill(packer: &Packer<'_>, template: usize, seed: Option<(usize, &[Option<GroupIdx>])>) -> Fill {
    let mut free = packer.fresh(template);
    let mut classes: Vec<(usize, u32)> = Vec::new();
    let group = packer.templates.all()[template].group;
    let sent = seed.filter(|_| packer.options.choice == Choice::Ocean).map(|s| s.1);
    let seed = seed.map(|s| s.0);
    // The seed is the first of those that wait; what fits no more is passed over.
    let mut from = seed.unwrap_or(0);
    while let Some(class) = packer.classes.next_fitting(from, &free) {
        from = class + 1;
        if !packer.classes.allows(class, template) {
            continue;
        }
        let waiting = packer.classes.remaining(class);
        let mut fits = times(&free, packer.classes.demand(class)).min(waiting);
        if fits == 0 || (Some(class) != seed && sent.is_some_and(|s| s[class] != Some(group))) {
            continue;
        }
        let enemies = packer.classes.conflicts(class);
        if !enemies.is_empty() {
            if classes.iter().any(|(c, _)| enemies.contains(c)) {
                continue;
            }
            if enemies.contains(&class) {
                fits = 1;
            }
        }
        take(&mut free, packer.classes.demand(class), fits);
        classes.push((class, fits));
    }
    Fill { classes, free }
}

/// Templates that may be launched now.
fn open_templates(packer: &Packer<'_>) -> FixedBitSet {
    let mut open = FixedBitSet::with_capacity(packer.templates.all().len());
    (0..packer.templates.all().len()).filter(|t| packer.room(*t) > 0).for_each(|t| open.insert(t));
    open
}

/// The first group in a class's order that can still launch a node for it.
fn first_group(packer: &Packer<'_>, open: &FixedBitSet, class: usize) -> Option<GroupIdx> {
    let can = |g: &GroupIdx| packer.templates.range(*g).any(|t| open.contains(t) && packer.classes.allows(class, t));
    packer.classes.order(class).iter().copied().find(can)
}

/// Where each class would be sent, as long as the same templates may be launched.
#[derive(Default)]
struct Sent {
    open: FixedBitSet,
    groups: Vec<Option<GroupIdx>>,
}

impl Sent {
    /// By class, under Ocean's order of groups.
    fn now(&mut self, packer: &Packer<'_>, open: &FixedBitSet) -> &[Option<GroupIdx>] {
        if self.groups.len() != packer.classes.len() || self.open != *open {
            self.open.clone_from(open);
            self.groups = (0..packer.classes.len()).map(|c| first_group(packer, open, c)).collect();
        }
        &self.groups
    }
}

/// Templates of a group that take a class and may be launched.
fn candidates(packer: &Packer<'_>, open: &FixedBitSet, class: usize, group: GroupIdx) -> Vec<usize> {
    packer.templates.range(group).filter(|t| open.contains(*t) && packer.classes.allows(class, *t)).collect()
}

/// Opens nodes for the seed: one kind, as often as its fill repeats. False if no group takes it.
fn open_for(packer: &mut Packer<'_>, sent: &mut Sent, seed: usize) -> bool {
    let open = open_templates(packer);
    let Some(first) = first_group(packer, &open, seed) else { return false };
    let mut choices = candidates(packer, &open, seed, first);
    if packer.options.choice != Choice::Ocean && !packer.options.prefer_home {
        // Every group of the same weight competes.
        let weight = |g: GroupIdx| (packer.view.catalog.groups[g].is_default, packer.view.catalog.groups[g].weight);
        let rivals = packer.classes.order(seed).iter().copied().filter(|g| *g != first && weight(*g) == weight(first));
        choices.extend(rivals.flat_map(|g| candidates(packer, &open, seed, g)).collect::<Vec<usize>>());
    }
    let sent: &[Option<GroupIdx>] = match packer.options.choice {
        Choice::Ocean => sent.now(packer, &open),
        Choice::Cheapest | Choice::LeastWaste => &[],
    };
    let fills: Vec<(usize, Fill)> = choices.iter().map(|t| (*t, fill(packer, *t, Some((seed, sent))))).collect();
    let priced = packer.options.choice != Choice::LeastWaste
        && fills.iter().all(|(t, _)| packer.templates.all()[*t].price_micros_per_hour.is_some());
    let Some(best) = fills.iter().map(|(t, f)| score(packer, priced, *t, f)).min() else { return false };
    let same: Vec<&(usize, Fill)> = fills.iter().filter(|(t, f)| score(packer, priced, *t, f) == best).collect();
    // Among equals one machine type of one group, in all zones where it can be filled alike.
    let kind = |t: usize| (packer.templates.all()[t].group, packer.templates.all()[t].machine);
    let (chosen, fill) = same[0].clone();
    let zones: Vec<usize> =
        same.iter().filter(|(t, f)| kind(*t) == kind(chosen) && f.classes == fill.classes).map(|(t, _)| *t).collect();
    let repeats = fill.classes.iter().map(|(c, n)| packer.classes.remaining(*c) / n).min().unwrap_or(1).max(1);
    let mut opened = 0;
    while opened < repeats {
        // The zone with the fewest nodes of the group; the first of equals.
        let Some(t) = zones.iter().copied().filter(|t| packer.room(*t) > 0).min_by_key(|t| packer.in_zone[*t]) else {
            break;
        };
        let at_once = if zones.len() == 1 { (repeats - opened).min(packer.room(t)) } else { 1 };
        packer.launch(t, at_once, fill.free.clone());
        for (class, n) in &fill.classes {
            packer.classes.place(*class, n * at_once);
        }
        opened += at_once;
    }
    opened > 0
}

/// Lower is better: cost per packed share, or share wasted; then the fewer nodes; then the machine's place in the group's preferences.
fn score(packer: &Packer<'_>, priced: bool, template: usize, fill: &Fill) -> (u128, std::cmp::Reverse<u128>) {
    let t = &packer.templates.all()[template];
    let fresh = packer.fresh(template);
    let yard = &packer.classes.yard;
    let used = |dim: usize| (fresh[dim] - fill.free[dim]).max(0) as u128;
    let packed: u128 =
        (0..packer.classes.dims.slots()).map(|d| used(d) * 1_000_000 / yard[d] as u128).sum::<u128>().max(1);
    let main = if priced {
        u128::from(t.price_micros_per_hour.unwrap_or(0)) * 1_000_000 / packed
    } else {
        // cluster-autoscaler's least-waste: the share of cpu and memory left over, to a tenth of a percent.
        let waste =
            |dim: usize| if fresh[dim] > 0 { fill.free[dim].max(0) as u128 * 1_000 / fresh[dim] as u128 } else { 0 };
        waste(CPU.at()) + waste(MEMORY.at())
    };
    (main, std::cmp::Reverse(packed))
}
