//! How many nodes a group may still get.

use super::template::Template;
use crate::cluster::*;

/// What a group has now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nodes, with those in flight.
    pub nodes: u32,
    /// Their allocatable by resource (Karpenter counts capacity, which a dump of a group need not tell; ours is the smaller sum).
    pub resources: Vec<i64>,
}

impl Usage {
    /// Counts nodes of a template.
    pub fn add(&mut self, template: &Template, count: u32) {
        self.nodes += count;
        self.resources.resize(self.resources.len().max(template.allocatable.len()), 0);
        for (sum, one) in self.resources.iter_mut().zip(&template.allocatable) {
            *sum = sum.saturating_add(one.saturating_mul(i64::from(count)));
        }
    }
}

/// What each group has: its nodes that exist.
pub fn usage(view: View<'_>) -> Arena<GroupIdx, Usage> {
    let dims = view.catalog.resources.len();
    let mut all: Arena<GroupIdx, Usage> =
        view.catalog.groups.iter().map(|_| Usage { nodes: 0, resources: vec![0; dims] }).collect();
    for node in view.state.live_nodes() {
        let state = &view.state.nodes[node];
        let Some(group) = state.group.filter(|g| g.at() < all.len()) else { continue };
        all[group].nodes += 1;
        for (sum, one) in all[group].resources.iter_mut().zip(&state.spec.allocatable) {
            *sum += one;
        }
    }
    all
}

/// How many more nodes of a template its group may get: by count and by limits on resources.
///
/// Karpenter refuses a node that would bring the pool above a limit; so does Ocean's `resourceLimits`.
pub fn room(group: &NodeGroup, used: &Usage, template: &Template) -> u32 {
    if group.template_only {
        return 0;
    }
    let by_count = group.max_count.saturating_sub(used.nodes);
    group.limits.iter().fold(by_count, |room, (resource, limit)| {
        let one = template.allocatable.get(resource.at()).copied().unwrap_or(0);
        let have = used.resources.get(resource.at()).copied().unwrap_or(0);
        if one <= 0 {
            return room;
        }
        room.min(u32::try_from((limit.saturating_sub(have) / one).max(0)).unwrap_or(u32::MAX))
    })
}

/// Why a group gets no more nodes, as text.
pub fn full_text(catalog: &Catalog, group: &NodeGroup, used: &Usage) -> String {
    if group.max_count <= used.nodes {
        let assumed = if group.max_is_assumed { ", an assumed maximum" } else { "" };
        return format!("it is full: {} of at most {} nodes{assumed}", used.nodes, group.max_count);
    }
    let limits: Vec<String> = group
        .limits
        .iter()
        .map(|(r, limit)| {
            let have = used.resources.get(r.at()).copied().unwrap_or(0);
            format!("{} {have} of at most {limit}", catalog.text(catalog.resources[r.at()]))
        })
        .collect();
    format!("its limits are reached: {}", limits.join(", "))
}

/// The maximum count that is assumed for a group that states none: twice what it has now, and at least ten more.
///
/// Ours (C): enough to replace every node of the group before the first old one goes, and no more than that by much.
pub fn assumed_max(nodes_now: u32) -> u32 {
    (nodes_now.saturating_mul(2)).max(nodes_now.saturating_add(10))
}
