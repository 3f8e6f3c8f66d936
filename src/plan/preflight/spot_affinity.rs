//! Required affinity on `kubernetes.azure.com/scalesetpriority`: Ocean cannot migrate such pods (MIGRATIONS §1).

use super::Facts;
use crate::cluster::{Finding, PodIdx, Severity};
use crate::plan::options::ProcedureKind;

/// The label that Ocean on AKS owns.
const KEY: &str = "kubernetes.azure.com/scalesetpriority";

/// Whether a pod requires a scale-set priority.
pub fn requires_priority(facts: &Facts<'_>, pod: PodIdx) -> bool {
    let Some(key) = facts.view.catalog.names.get(KEY) else { return false };
    let shape = facts.view.catalog.shape(facts.view.state.pods[pod].spec);
    shape.node_selector.iter().any(|(k, _)| *k == key)
        || shape
            .node_affinity
            .as_ref()
            .is_some_and(|a| a.terms.iter().any(|t| t.expressions.iter().any(|e| e.key == key)))
}

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    if facts.options.procedure != ProcedureKind::OceanAzure {
        return Vec::new();
    }
    let pods = facts.moving().into_iter().flat_map(|m| m.1).filter(|p| requires_priority(facts, *p));
    facts
        .by_workload(pods)
        .into_iter()
        .map(|(object, pods)| {
            Finding::new(
                Severity::Error,
                "spot-affinity",
                object,
                format!("required affinity on {KEY} cannot be migrated, so its nodes do not pass validation: {}", facts.names(&pods)),
                "Drop the requirement, or tolerate the taint kubernetes.azure.com/scalesetpriority=spot:NoSchedule instead.",
            )
        })
        .collect()
}
