//! A node that no Virtual Node Group matches: Ocean cannot make one like it (MIGRATIONS §1, VNG match).

use super::Facts;
use crate::cluster::{Finding, NodeIdx, Severity};
use crate::groups::{GroupMatch, match_by_pods, match_node};
use crate::plan::options::ProcedureKind;

/// The match of a node as the procedure's cloud makes it: by the node on Azure, by its pods on AWS.
pub fn matched(facts: &Facts<'_>, node: NodeIdx) -> GroupMatch {
    match facts.options.procedure {
        ProcedureKind::OceanAws => match_by_pods(facts.view, facts.templates, node),
        _ => match_node(facts.view, node),
    }
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
    facts
        .old
        .iter()
        .filter_map(|n| match matched(facts, *n) {
            m @ GroupMatch::None { .. } => Some((n, nearest_text(facts, &m))),
            _ => None,
        })
        .map(|(n, text)| {
            Finding::new(
                Severity::Error,
                "no-matching-group",
                format!("Node/{}", facts.node(*n)),
                format!("no Virtual Node Group matches it, so it does not pass validation: {text}"),
                "Create a Virtual Node Group with its labels and taints.",
            )
        })
        .collect()
}
