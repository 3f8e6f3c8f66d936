//! Pods that ask not to be moved: `restrict-scale-down` and `safe-to-evict: "false"`.

use super::Facts;
use crate::cluster::{Finding, Severity};
use crate::disruption::holds::holds;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    if !facts.options.procedure.is_ocean() {
        return Vec::new();
    }
    let respected = facts.options.ocean.respect_restrict_scale_down;
    let mut findings = Vec::new();
    for (node, pods) in facts.moving() {
        for pod in pods {
            let Some(key) = holds(facts.view, pod) else { continue };
            let (object, node) = (facts.pod(pod), facts.node(node));
            findings.push(if respected {
                Finding::new(
                    Severity::Error,
                    "restrict-scale-down",
                    object,
                    format!("{key} holds {node}, which is not replaced"),
                    "Plan with --respect-restrict-scale-down false, or take the mark off the pod.",
                )
            } else {
                Finding::new(
                    Severity::Info,
                    "restrict-scale-down-ignored",
                    object,
                    format!("{key} is not respected: it is evicted from {node}"),
                    "Plan with --respect-restrict-scale-down true to keep its node.",
                )
            });
        }
    }
    findings
}
