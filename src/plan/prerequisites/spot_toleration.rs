//! Pods that would have to run on spot nodes tolerate the taint that AKS puts on them.
//!
//! Without the toleration Ocean launches an on-demand node (D), which a group that is all spot and does not fall back to on-demand
//! cannot give.

use super::{Judgement, Rule, count, has_vngs};
use crate::cluster::{PodIdx, Severity};
use crate::groups::spot::{KEY, needs_toleration, tolerates_spot};
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;

/// See the module.
pub const RULE: Rule = Rule {
    name: "spot-toleration",
    requirement: |_| "Node validation checks: Whether Spot toleration exists.",
    source: |_| "Migrate AKS Workload using the Console",
    judge: |facts| (facts.options.procedure.ocean() == Some(OceanCloud::Azure)).then(|| judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let view = facts.view;
    if !has_vngs(view) {
        return Judgement::unknown(
            "no Virtual Node Groups were given, which say how many of their nodes are spot nodes",
            "Give the Virtual Node Groups with --groups.",
        )
        .see("virtual-node-groups-unknown");
    }
    let pods: Vec<PodIdx> = facts.moving().into_iter().flat_map(|m| m.1).collect();
    let without: Vec<PodIdx> = pods.iter().copied().filter(|p| !tolerates_spot(view, *p)).collect();
    let stuck: Vec<(PodIdx, String)> =
        without.iter().filter_map(|p| Some((*p, needs_toleration(view, facts.templates, *p)?))).collect();
    if let Some((_, group)) = stuck.first() {
        let names: Vec<PodIdx> = stuck.iter().map(|s| s.0).collect();
        let fact = format!(
            "{} without toleration of {KEY}=spot:NoSchedule can run in groups only that launch nothing but spot nodes ({group}): {}",
            count(stuck.len(), "pod"),
            facts.names(&names)
        );
        let mut judgement = Judgement::fail(
            fact,
            "Add the toleration, or set the group's strategy to fall back to on-demand (fallbackToOd) or to less than 100 % spot.",
        );
        for (object, _) in facts.by_workload(names).into_iter().take(20) {
            judgement = judgement.finding(Severity::Error, "spot-toleration-missing", object);
        }
        return judgement;
    }
    let spot = view.catalog.groups.iter().any(|g| g.spot_percent.is_some_and(|p| p > 0));
    Judgement::pass(match (without.len(), spot) {
        (0, _) => format!("all of {} tolerate spot nodes", count(pods.len(), "pod")),
        (_, false) => "the groups launch no spot nodes".to_owned(),
        (n, true) => {
            format!(
                "spot nodes are not tolerated by {n} of {}, for which Ocean launches on-demand nodes",
                count(pods.len(), "pod")
            )
        }
    })
}
