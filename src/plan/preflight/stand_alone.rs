//! Pods without a controller: evicted they are lost, kept they hold their node.

use super::Facts;
use crate::cluster::{Finding, Severity};
use crate::disruption::holds::is_stand_alone;
use crate::intent::procedure::BarePods;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let BarePods { evicted: lost, by: flag } = facts.options.bare_pods();
    let mut findings = Vec::new();
    for (node, pods) in facts.moving() {
        for pod in pods.into_iter().filter(|p| is_stand_alone(facts.view, *p)) {
            let (object, node) = (facts.pod(pod), facts.node(node));
            findings.push(if lost {
                Finding::new(
                    Severity::Warning,
                    "stand-alone-pod-lost",
                    object,
                    format!("it has no controller: evicted from {node}, nothing recreates it"),
                    "Give it a controller, or note that it must be created again by hand.",
                )
            } else {
                Finding::new(
                    Severity::Error,
                    "stand-alone-pod-holds-node",
                    object,
                    format!("it has no controller and may not be evicted ({flag} is false), so {node} is not emptied"),
                    format!("Give it a controller, move it by hand, or set {flag} to true."),
                )
            });
        }
    }
    findings
}
