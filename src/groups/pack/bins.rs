//! Room on nodes that exist or are being launched.

use super::classes::specs_conflict;
use super::tree::LeastTree;
use super::{Packer, take, times};
use crate::cluster::*;
use crate::groups::builtin::is_system_taint;
use crate::groups::membership::counts_as_oceans;

/// Puts waiting pods onto nodes that are starting, and if asked onto those that are ready, schedulable and not excluded; returns how
/// many.
///
/// First fit in order of nodes; what the scheduler will then choose may differ, the room does not.
pub(crate) fn use_existing(packer: &mut Packer<'_>) -> u32 {
    let view = packer.view;
    let mut placed = 0;
    let options = packer.options;
    let home = |n: &NodeIdx| {
        let group = view.state.nodes[*n].group;
        !options.oceans_only || (counts_as_oceans(view, *n) && group.is_none_or(|g| !options.left.contains(&g)))
    };
    let starting = |n: &NodeIdx| !view.state.nodes[*n].gone && home(n);
    let usable = |n: &NodeIdx| {
        let node = &view.state.nodes[*n];
        options.use_existing
            && node.ready
            && !node.unschedulable
            && !packer.excluded.contains(n.at())
            && !options.starting.contains(n)
            && home(n)
    };
    let mut nodes: Vec<NodeIdx> = options.starting.iter().copied().filter(starting).collect();
    nodes.extend(view.state.live_nodes().filter(usable));
    if nodes.is_empty() {
        return 0;
    }
    let mut free: Vec<Vec<i64>> = nodes.iter().map(|n| packer.classes.dims.existing(view, *n)).collect();
    let mut guests: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    // Less than no room is what a node has: a pod fits where that is no more than less what it asks for.
    let less = |free: &[i64]| -> Vec<i64> { free.iter().map(|have| -have).collect() };
    let rows: Vec<Vec<i64>> = free.iter().map(|free| less(free)).collect();
    let mut room = LeastTree::new(free[0].len(), rows.iter().map(Vec::as_slice));
    let mut limits = vec![i64::MAX; free[0].len()];
    for class in 0..packer.classes.len() {
        limits.fill(i64::MAX);
        packer.classes.demand(class).iter().for_each(|(dim, amount)| limits[*dim] = -amount);
        let mut from = 0;
        loop {
            let waiting = packer.classes.remaining(class);
            if waiting == 0 {
                break;
            }
            let Some(i) = room.next(from, &limits) else { break };
            from = i + 1;
            let node = &nodes[i];
            let mut fits = times(&free[i], packer.classes.demand(class)).min(waiting);
            if fits == 0 || !accepts(packer, class, *node) {
                continue;
            }
            fits = fits.min(by_conflicts(packer, class, *node, &guests[i]));
            if fits > 0 {
                take(&mut free[i], packer.classes.demand(class), fits);
                room.set(i, less(&free[i]));
                guests[i].push(class);
                packer.classes.place(class, fits);
                placed += fits;
            }
        }
    }
    placed
}

/// Whether labels, taints and volumes let a class onto an existing node.
fn accepts(packer: &Packer<'_>, class: usize, node: NodeIdx) -> bool {
    let view = packer.view;
    let state = &view.state.nodes[node];
    let shape = packer.classes.shape(view, class);
    let labels = &state.spec.labels;
    packer.classes.zone(class).is_none_or(|z| labels.get(view.catalog.known.zone) == Some(z))
        && shape.node_selector.iter().all(|(k, v)| labels.get(*k) == Some(*v))
        && shape.node_affinity.as_ref().is_none_or(|a| a.matches(labels, state.spec.name, &view.catalog.names))
        && shape.first_untolerated(&lasting_taints(packer, node)).is_none()
        && packer.classes.volumes(class).refusal(view, labels, state.spec.name).is_none()
}

/// Taints of a node, but for the life-cycle ones of a node that is starting.
fn lasting_taints(packer: &Packer<'_>, node: NodeIdx) -> Vec<Taint> {
    let taints = packer.view.state.nodes[node].taints.iter().copied();
    let passing = packer.options.starting.contains(&node);
    taints.filter(|t| !passing || !is_system_taint(packer.view.catalog.text(t.key))).collect()
}

/// How many of a class conflicts leave room for: 0 beside an enemy, 1 if it is its own.
fn by_conflicts(packer: &Packer<'_>, class: usize, node: NodeIdx, guests: &[usize]) -> u32 {
    let enemies = packer.classes.conflicts(class);
    if enemies.is_empty() {
        return u32::MAX;
    }
    let spec = packer.classes.spec(class);
    let pods = &packer.view.state.nodes[node].pods;
    let resident = pods.iter().any(|p| specs_conflict(packer.view.catalog, spec, packer.view.state.pods[*p].spec));
    if resident || guests.iter().any(|g| enemies.contains(g)) {
        return 0;
    }
    if enemies.contains(&class) { 1 } else { u32::MAX }
}

/// Puts waiting pods onto nodes whose launch is under way; returns how many.
pub(crate) fn use_in_flight(packer: &mut Packer<'_>) -> u32 {
    let mut placed = 0;
    for launch in packer.options.in_flight.clone() {
        let range = packer.templates.range(launch.group);
        let same = |t: &usize| {
            let t = &packer.templates.all()[*t];
            t.machine == launch.machine && t.zone == launch.zone
        };
        let Some(template) = range.clone().find(same) else { continue };
        for _ in 0..launch.count {
            let fill = super::fill::fill(packer, template, None);
            if fill.is_empty() {
                break;
            }
            for (class, n) in fill.classes {
                packer.classes.place(class, n);
                placed += n;
            }
        }
    }
    placed
}
