//! Pods with `restrict-scale-down` hold their nodes only if that is respected.

use super::{Judgement, Rule, count};
use crate::cluster::PodIdx;
use crate::disruption::holds::holds;
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;

/// See the module.
pub const RULE: Rule = Rule {
    name: "restrict-scale-down",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "Node validation checks: Restrict Scale Down.",
        _ => "We recommend not respecting Restrict Scale Down to migrate and replace the node successfully",
    },
    source: super::migration_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    if !facts.view.catalog.inventory.has("Pod") {
        return Judgement::unknown("the dump has no pods", "Add pods of all namespaces to the dump.")
            .see("no-pods-in-dump");
    }
    let marked = |p: &PodIdx| holds(facts.view, *p).is_some();
    let held: Vec<(PodIdx, usize)> = facts
        .moving()
        .into_iter()
        .enumerate()
        .flat_map(|(i, (_, pods))| pods.into_iter().map(move |p| (p, i)))
        .filter(|(p, _)| marked(p))
        .collect();
    let pods: Vec<PodIdx> = held.iter().map(|h| h.0).collect();
    let mut nodes: Vec<usize> = held.iter().map(|h| h.1).collect();
    nodes.dedup();
    match (pods.is_empty(), facts.options.ocean.respect_restrict_scale_down) {
        (true, _) => Judgement::pass("no pod on the selected nodes carries it"),
        (false, false) => Judgement::pass(format!("it is on {}, and is not respected", count(pods.len(), "pod")))
            .see("restrict-scale-down-ignored"),
        (false, true) => Judgement::fail(
            format!(
                "it is on {}, which keep {} from being replaced: {}",
                count(pods.len(), "pod"),
                count(nodes.len(), "node"),
                facts.names(&pods)
            ),
            "Plan with --respect-restrict-scale-down false, or take the mark off the pods.",
        )
        .see("restrict-scale-down"),
    }
}
