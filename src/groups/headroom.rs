//! Spare capacity that groups keep: explicit units and an automatic percentage (Ocean).

use super::pack::{Packer, take, times};
use super::template::Templates;
use crate::cluster::*;

/// Launches nodes until each group's headroom is free on its kept and new nodes, as far as its limits go.
///
/// Explicit: so many units, each whole on one node. Automatic: that percentage of the cpu and memory requested on the group's nodes.
pub(crate) fn add(packer: &mut Packer<'_>) {
    let groups: Vec<GroupIdx> = packer.view.catalog.groups.indices().collect();
    for group in groups {
        let g = &packer.view.catalog.groups[group];
        if (g.headroom.is_empty() && g.auto_headroom_percent == 0) || packer.used[group].nodes == 0 {
            continue;
        }
        let mut free = free_of(packer, group);
        explicit(packer, group, &mut free);
        automatic(packer, group, &mut free);
    }
}

/// What is free on each node of a group that stays or is launched, with multiplicity.
fn free_of(packer: &Packer<'_>, group: GroupIdx) -> Vec<(Vec<i64>, u32)> {
    let view = packer.view;
    let stays = |n: &NodeIdx| {
        let node = &view.state.nodes[*n];
        node.group == Some(group) && node.ready && !node.unschedulable && !packer.excluded.contains(n.at())
    };
    let existing = view.state.live_nodes().filter(stays).map(|n| (packer.classes.dims.existing(view, n), 1));
    let of_group = |t: &usize| packer.templates.all()[*t].group == group;
    let new = packer.left.iter().filter(|(t, _, _)| of_group(t)).map(|(_, free, n)| (free.clone(), *n));
    existing.chain(new).collect()
}

/// The template that headroom of a group is launched as: the one launched most in this packing, else the first with room.
fn spare(packer: &Packer<'_>, templates: &Templates, group: GroupIdx) -> Option<usize> {
    let range = templates.range(group).filter(|t| packer.room(*t) > 0);
    range.min_by_key(|t| (std::cmp::Reverse(packer.launched[*t]), packer.in_zone[*t]))
}

fn launch_spare(packer: &mut Packer<'_>, group: GroupIdx) -> Option<Vec<i64>> {
    let template = spare(packer, packer.templates, group)?;
    let free = packer.fresh(template);
    packer.launch(template, 1, free.clone());
    packer.result.headroom_nodes += 1;
    Some(free)
}

fn explicit(packer: &mut Packer<'_>, group: GroupIdx, free: &mut Vec<(Vec<i64>, u32)>) {
    let slots = packer.classes.dims.slots();
    for headroom in packer.view.catalog.groups[group].headroom.clone() {
        let mut unit: Vec<(usize, i64)> = headroom.unit.iter().filter(|u| u.1 > 0).map(|(r, n)| (r.at(), *n)).collect();
        unit.push((slots, 1));
        let mut wanted = headroom.units;
        for (room, n) in free.iter_mut() {
            let each = times(room, &unit);
            let fits = each.saturating_mul(*n).min(wanted);
            // Spread evenly over the like nodes; the remainder is taken from all alike, which errs on the side of more headroom.
            take(room, &unit, fits.div_ceil((*n).max(1)).min(each));
            wanted -= fits;
        }
        while wanted > 0 {
            let Some(mut fresh) = launch_spare(packer, group) else { return };
            let fits = times(&fresh, &unit).min(wanted);
            if fits == 0 {
                return; // a unit larger than a node can never be kept
            }
            take(&mut fresh, &unit, fits);
            free.push((fresh, 1));
            wanted -= fits;
        }
    }
}

fn automatic(packer: &mut Packer<'_>, group: GroupIdx, free: &mut Vec<(Vec<i64>, u32)>) {
    let percent = i64::from(packer.view.catalog.groups[group].auto_headroom_percent);
    if percent == 0 {
        return;
    }
    for dim in [CPU.at(), MEMORY.at()] {
        let total = packer.used[group].resources.get(dim).copied().unwrap_or(0);
        let mut spare: i64 = free.iter().map(|(f, n)| f[dim].max(0) * i64::from(*n)).sum();
        let wanted = (total - spare).max(0) * percent / 100;
        while spare < wanted {
            let Some(fresh) = launch_spare(packer, group) else { return };
            if fresh[dim] <= 0 {
                return;
            }
            spare += fresh[dim];
            free.push((fresh, 1));
        }
    }
}
