//! Whether there is room for all pods that move: what the groups may still launch and what remains free.

use super::Facts;
use super::hosts::homeless;
use crate::cluster::{Finding, PodIdx, Severity};
use crate::groups::{PackOptions, pack};
use rustc_hash::FxHashSet;

/// See the module. Pods that have no home at all are other rules'; machines of old nodes that are terminated while the
/// migration goes on make room in their groups, so this is a warning.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let nowhere: FxHashSet<PodIdx> = homeless(facts).into_iter().map(|h| h.0).collect();
    let pods: Vec<PodIdx> = facts
        .moving()
        .into_iter()
        .flat_map(|m| m.1)
        .filter(|p| !nowhere.contains(p) && facts.owner(*p).is_some())
        .collect();
    let oceans_only = facts.only_oceans();
    let (exclude, left) = (facts.old.to_vec(), facts.closed());
    let options = PackOptions {
        use_existing: true,
        oceans_only,
        exclude,
        left,
        left_reason: facts.options.closed_reason(),
        ..PackOptions::default()
    };
    let packing = pack(facts.view, facts.templates, &pods, &options);
    let mut findings = Vec::new();
    for lack in packing.unhosted.iter().take(20) {
        let reasons: Vec<String> = lack
            .reasons
            .iter()
            .take(3)
            .map(|r| format!("{}: {}", facts.view.catalog.text(facts.view.catalog.groups[r.group].id), r.text))
            .collect();
        let why =
            if reasons.is_empty() { "no group, and the remaining nodes are full".into() } else { reasons.join("; ") };
        for (object, pods) in facts.by_workload(lack.pods.iter().copied()) {
            findings.push(Finding::new(
                Severity::Warning,
                "capacity-short",
                object,
                format!(
                    "if all old nodes were gone at once there would be no room for {} of its pods ({why}): {}",
                    pods.len(),
                    facts.names(&pods)
                ),
                "Raise the groups' maximum counts, add a group, or move fewer nodes.",
            ));
        }
    }
    findings
}
