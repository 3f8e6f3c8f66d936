//! Pods that may take as long to stop as the procedure waits for their node, or longer.

use super::Facts;
use crate::cluster::{Finding, PodIdx, Severity, duration_text};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(limit) = facts.options.drain_limit() else { return Vec::new() };
    let (c, s) = (facts.view.catalog, facts.view.state);
    let grace = |p: PodIdx| c.shape(s.pods[p].spec).grace_ms;
    let long = |p: &PodIdx| grace(*p) >= limit.ms;
    let pods = facts.moving().into_iter().flat_map(|m| m.1).filter(long);
    let findings = facts.by_workload(pods).into_iter().map(|(object, pods)| {
        let grace = grace(pods[0]);
        let hook = c.inventory.declared.get(&s.pods[pods[0]].spec).and_then(|d| d.pre_stop_ms).filter(|ms| *ms > 0);
        let hook = hook.map_or(String::new(), |ms| format!(", and their preStop hook sleeps {}", duration_text(ms.min(grace))));
        let then = if limit.forces { "then they are deleted" } else { "then the drain of their node has failed" };
        Finding::new(
            Severity::Warning,
            "grace-reaches-limit",
            object,
            format!(
                "its pods may take up to {} to stop (terminationGracePeriodSeconds){hook}; {} allows {}, {then}: {}",
                duration_text(grace),
                limit.option,
                duration_text(limit.ms),
                facts.names(&pods)
            ),
            format!(
                "Raise {} above {}, shorten the grace and the hook, or give the time that the pods really take (delays.workloads).",
                limit.option,
                duration_text(grace)
            ),
        )
    });
    findings.collect()
}
