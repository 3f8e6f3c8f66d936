//! No group is left to launch in: Ocean launches nothing in the groups that the old nodes leave.

use super::Facts;
use crate::cluster::{Finding, Severity};

/// See the module. Where other groups are there, what they lack is other rules'.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let left = facts.left();
    let groups = &facts.view.catalog.groups;
    let launches = |g: crate::cluster::GroupIdx| !groups[g].template_only && !left.contains(&g);
    if left.is_empty() || groups.indices().any(launches) {
        return Vec::new();
    }
    left.iter()
        .map(|g| {
            Finding::new(
                Severity::Error,
                "source-group-only",
                format!("NodeGroup/{}", facts.view.catalog.text(groups[*g].id)),
                "the old nodes leave this group, and Ocean launches only in Virtual Node Groups of its own: no other group is known, so nothing can be launched",
                "Give the Virtual Node Groups with --groups; nodeferry discover DUMP --write-groups FILE writes what the nodes need.",
            )
        })
        .collect()
}
