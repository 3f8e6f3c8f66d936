//! Required affinity on `kubernetes.azure.com/scalesetpriority`: Ocean cannot migrate such pods (docs/reference/ocean.md).

use super::Facts;
use crate::cluster::{Finding, Severity};
use crate::groups::spot::{KEY, requires_priority};
use crate::intent::options::OceanCloud;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    if facts.options.procedure.ocean() != Some(OceanCloud::Azure) {
        return Vec::new();
    }
    let pods = facts.moving().into_iter().flat_map(|m| m.1).filter(|p| requires_priority(facts.view, *p));
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
