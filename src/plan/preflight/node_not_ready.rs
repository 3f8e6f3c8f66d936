//! Old nodes that are not Ready: no kubelet there ends a pod, so an evicted pod stays until its node object goes.

use super::Facts;
use crate::cluster::{Finding, Severity};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let lost = facts.old.iter().filter(|n| !facts.view.state.nodes[**n].ready);
    lost.map(|n| {
        Finding::new(
            Severity::Warning,
            "old-node-not-ready",
            format!("Node/{}", facts.node(*n)),
            "it is not Ready: evicted pods stay Terminating there until its kubelet answers or the node is deleted",
            "Delete the node instead of draining it, or use kubectl_drain.skip_wait_for_delete_timeout_seconds.",
        )
    })
    .collect()
}
