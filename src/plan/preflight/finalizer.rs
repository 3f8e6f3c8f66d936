//! Pods with finalizers: deleted, they stay until somebody takes the finalizer off.

use super::Facts;
use crate::cluster::{Finding, Severity};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let c = facts.view.catalog;
    let spec = |p| &c.specs[facts.view.state.pods[p].spec];
    let job = c.names.get("batch.kubernetes.io/job-tracking");
    // The Job controller takes its own finalizer off.
    let held = |p: &crate::cluster::PodIdx| spec(*p).finalizers.iter().any(|f| Some(*f) != job);
    let pods: Vec<_> = facts.moving().into_iter().flat_map(|m| m.1).filter(held).collect();
    facts
        .by_workload(pods)
        .into_iter()
        .map(|(object, pods)| {
            let names: Vec<&str> = spec(pods[0]).finalizers.iter().map(|f| c.text(*f)).collect();
            Finding::new(
                Severity::Warning,
                "pod-finalizer",
                object,
                format!(
                    "a finalizer ({}) may keep its deleted pods for ever; the simulation lets them go: {}",
                    names.join(", "),
                    facts.names(&pods)
                ),
                "Make sure that the controller that removes the finalizer runs during the migration.",
            )
        })
        .collect()
}
