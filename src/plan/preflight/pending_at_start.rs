//! Pods that are unschedulable before anything is touched.

use super::Facts;
use crate::cluster::{Finding, Severity};
use crate::plan::options::UnscheduledAtStart;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let s = facts.view.state;
    let pods: Vec<_> = s
        .live_pods()
        .filter(|p| s.pods[*p].unschedulable && s.pods[*p].node.is_none() && s.pods[*p].is_active())
        .collect();
    let refuse = facts.options.unscheduled() == UnscheduledAtStart::Refuse;
    facts
        .by_workload(pods)
        .into_iter()
        .map(|(object, pods)| {
            let (severity, what) = match refuse {
                true => (Severity::Error, "the migration refuses to start"),
                false => (Severity::Info, "they are left out of account"),
            };
            Finding::new(
                severity,
                "pending-at-start",
                object,
                format!("pods are unschedulable already, {what}: {}", facts.names(&pods)),
                "Make room for them or delete them, or plan with --unscheduled-at-start ignore.",
            )
        })
        .collect()
}
