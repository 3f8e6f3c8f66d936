//! Pods that ask not to be moved: `restrict-scale-down` and `safe-to-evict: "false"`.

use super::Facts;
use crate::cluster::{Finding, PodIdx, Severity, View};

/// Keys and the value that holds a node (MIGRATIONS §1: drain), as label or annotation.
const HOLDS: [(&str, &str); 2] =
    [("spotinst.io/restrict-scale-down", "true"), ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false")];

/// The key by which a pod holds its node, if it does.
pub fn holds(view: View<'_>, pod: PodIdx) -> Option<&'static str> {
    let (c, spec) = (view.catalog, &view.catalog.specs[view.state.pods[pod].spec]);
    HOLDS.iter().find_map(|(key, value)| {
        let (k, v) = (c.names.get(key)?, c.names.get(value)?);
        (spec.labels.get(k) == Some(v) || spec.annotations.contains(&(k, v))).then_some(*key)
    })
}

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
