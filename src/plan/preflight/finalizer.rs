//! Pods with finalizers: deleted, they stay until somebody takes the finalizer off.

use super::Facts;
use crate::cluster::{Finding, Severity, duration_text};

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
            // kubectl waits for the objects; the others for the end of the containers.
            let then = match (facts.options.procedure.procedure().drains_as_kubectl(), facts.options.drain_limit()) {
                (true, Some(limit)) => format!(
                    "the drain waits for them for {} ({}) and fails",
                    duration_text(limit.ms),
                    limit.option
                ),
                (true, None) => "the drain waits for them without end".to_owned(),
                (false, _) => "the procedure takes a pod whose containers have ended for gone, and goes on".to_owned(),
            };
            Finding::new(
                Severity::Warning,
                "pod-finalizer",
                object,
                format!(
                    "a finalizer ({}) keeps the objects of its deleted pods until somebody takes it off, and nobody does in the simulation: {then}: {}",
                    names.join(", "),
                    facts.names(&pods)
                ),
                "Make sure that the controller that removes the finalizer runs during the migration.",
            )
        })
        .collect()
}
