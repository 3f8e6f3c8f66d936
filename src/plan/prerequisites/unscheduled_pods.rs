//! No pod is unschedulable before the start.

use super::{Judgement, Rule, count};
use crate::intent::options::UnscheduledAtStart;
use crate::plan::preflight::Facts;

/// See the module.
pub const RULE: Rule = Rule {
    name: "unscheduled-pods",
    requirement: |_| "A migration does not start while there are unscheduled pods in the cluster.",
    source: super::migration_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let s = facts.view.state;
    if !facts.view.catalog.inventory.has("Pod") {
        return Judgement::unknown("the dump has no pods", "Add pods of all namespaces to the dump.")
            .see("no-pods-in-dump");
    }
    let pending =
        |p: &crate::cluster::PodIdx| s.pods[*p].unschedulable && s.pods[*p].node.is_none() && s.pods[*p].is_active();
    let pods: Vec<_> = s.live_pods().filter(pending).collect();
    match (pods.is_empty(), facts.options.unscheduled()) {
        (true, _) => Judgement::pass("no pod is unschedulable"),
        (false, UnscheduledAtStart::Ignore) => {
            Judgement::pass(format!("unschedulable, and ignored as asked: {}", count(pods.len(), "pod")))
                .see("pending-at-start")
        }
        (false, UnscheduledAtStart::Refuse) => Judgement::fail(
            format!("unschedulable: {} ({})", count(pods.len(), "pod"), facts.names(&pods)),
            "Make room for them or delete them, or plan with --unscheduled-at-start ignore.",
        )
        .see("pending-at-start"),
    }
}
