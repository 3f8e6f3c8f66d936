//! A node that no Virtual Node Group matches: Ocean cannot make one like it (docs/reference/ocean.md#match-of-nodes-and-virtual-node-groups).

use super::Facts;
use crate::cluster::{Finding, GroupIdx, NodeIdx, Severity};
use crate::groups::{Difference, GroupMatch, Matcher, remedy};
use crate::intent::options::OceanCloud;
use std::collections::BTreeMap;

/// What matches nodes as the procedure's cloud does it: by the node on Azure, by its pods on AWS.
pub fn matcher<'a>(facts: &Facts<'a>, left: &'a [GroupIdx]) -> Matcher<'a> {
    Matcher::new(facts.view, facts.templates, facts.options.procedure.ocean() == Some(OceanCloud::Aws), left)
}

/// What the nearest group differs in, as text.
pub fn nearest_text(facts: &Facts<'_>, found: &GroupMatch) -> String {
    match found {
        GroupMatch::None { nearest: Some((group, differences)) } => {
            let d: Vec<&str> = differences.iter().take(4).map(|d| d.text.as_str()).collect();
            let id = facts.view.catalog.text(facts.view.catalog.groups[*group].id);
            format!("nearest is {id}, but {}", d.join(", "))
        }
        _ => "there is no group".into(),
    }
}

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    if !facts.options.procedure.is_ocean() {
        return Vec::new();
    }
    let left = facts.closed();
    let matcher = matcher(facts, &left);
    let mut findings = Vec::new();
    let mut notes: BTreeMap<(GroupIdx, &str), (Difference, Vec<NodeIdx>)> = BTreeMap::new();
    for node in facts.old {
        match matcher.find(*node) {
            GroupMatch::Default => {}
            GroupMatch::Group(group) => {
                for note in matcher.notes(*node, group) {
                    notes.entry((group, note.code)).or_insert((note, Vec::new())).1.push(*node);
                }
            }
            found @ GroupMatch::None { .. } => findings.push(Finding::new(
                Severity::Error,
                "no-matching-group",
                format!("Node/{}", facts.node(*node)),
                format!(
                    "no Virtual Node Group matches it, so it does not pass validation: {}",
                    nearest_text(facts, &found)
                ),
                remedy(facts.view, *node, &found),
            )),
        }
    }
    findings.extend(notes.into_iter().map(|((group, _), (note, mut nodes))| {
        nodes.dedup();
        let more = if nodes.len() > 1 { format!(" and {} more", nodes.len() - 1) } else { String::new() };
        Finding::new(
            Severity::Info,
            "group-match-note",
            format!("NodeGroup/{}", facts.view.catalog.text(facts.view.catalog.groups[group].id)),
            format!("node {}{more} matches it, though {}", facts.node(nodes[0]), note.text),
            "None needed: a match goes by labels and taints (AWS: by the pods), and its nodes are as the group makes them.",
        )
    }));
    findings
}
