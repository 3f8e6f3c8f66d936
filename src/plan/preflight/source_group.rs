//! No group is left to launch in: Ocean launches nothing in the groups that the old nodes leave.

use super::Facts;
use crate::cluster::{Finding, GroupIdx, GroupOrigin, Severity};

/// See the module. Where other groups are there, what they lack is other rules'; that they are only pools read off the nodes is said.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    if !facts.options.procedure.is_ocean() {
        return Vec::new();
    }
    let left = facts.left();
    let groups = &facts.view.catalog.groups;
    let id = |g: GroupIdx| facts.view.catalog.text(groups[g].id);
    let others: Vec<GroupIdx> = groups.indices().filter(|g| !groups[*g].template_only && !left.contains(g)).collect();
    if others.is_empty() {
        return left.into_iter().map(|g| only(id(g))).collect();
    }
    if others.iter().any(|g| groups[*g].origin != GroupOrigin::Inferred) {
        return Vec::new();
    }
    let names: Vec<&str> = others.iter().map(|g| id(*g)).collect();
    vec![Finding::new(
        Severity::Warning,
        "groups-stand-in",
        "NodeGroup",
        format!(
            "no Virtual Node Groups were given: pools that were read off the nodes stand in for them ({})",
            names.join(", ")
        ),
        REMEDY,
    )]
}

const REMEDY: &str = "Give the Virtual Node Groups with --groups; nodeferry discover DUMP --write-groups FILE writes what the nodes need.";

fn only(group: &str) -> Finding {
    Finding::new(
        Severity::Error,
        "source-group-only",
        format!("NodeGroup/{group}"),
        "the old nodes leave this group, and Ocean launches only in Virtual Node Groups of its own: no other group is known, so nothing can be launched",
        REMEDY,
    )
}
