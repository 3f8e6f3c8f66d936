//! Pods with emptyDir volumes: `kubectl drain` refuses them without its flag.

use super::Facts;
use crate::cluster::{Finding, Severity};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let o = facts.options;
    if !o.procedure.procedure().drains_as_kubectl() || o.kubectl_drain.delete_emptydir_data {
        return Vec::new();
    }
    let pods = facts.moving().into_iter().flat_map(|m| m.1);
    let local = pods.filter(|p| facts.view.catalog.shape(facts.view.state.pods[*p].spec).has_empty_dir());
    facts
        .by_workload(local)
        .into_iter()
        .map(|(object, pods)| {
            Finding::new(
                Severity::Error,
                "local-storage-refused",
                object,
                format!(
                    "its pods have emptyDir volumes, which kubectl drain refuses without --delete-emptydir-data: {}",
                    facts.names(&pods)
                ),
                "Set kubectl_drain.delete_emptydir_data to true if the data may be lost.",
            )
        })
        .collect()
}
