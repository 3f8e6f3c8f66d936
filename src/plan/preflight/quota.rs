//! Quotas without room for a replacement while the pod that it replaces is still there.

use super::Facts;
use crate::cluster::{CPU, EPHEMERAL, Finding, MEMORY, OwnerKind, PodIdx, Quota, ResIdx, Severity};
use std::collections::BTreeMap;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    if c.inventory.quotas.is_empty() {
        return Vec::new();
    }
    // A StatefulSet creates the next pod of a name only when the last is gone; a bare pod has no replacement.
    let at_once = |p: &PodIdx| {
        let owner = c.specs[s.pods[*p].spec].owner;
        owner.is_some_and(|o| c.owners[o].kind != OwnerKind::StatefulSet) && s.pods[*p].is_active()
    };
    let mut moving: BTreeMap<_, Vec<PodIdx>> = BTreeMap::new();
    for pod in facts.moving().into_iter().flat_map(|m| m.1).filter(at_once) {
        moving.entry(c.specs[s.pods[pod].spec].namespace).or_default().push(pod);
    }
    let judge = |quota: &Quota| {
        let pods = moving.get(&quota.namespace)?;
        let full: Vec<(String, Vec<PodIdx>)> = quota
            .limits
            .iter()
            .map(|(key, hard, used)| {
                let refused =
                    pods.iter().copied().filter(|p| need(facts, *p, key).is_some_and(|n| n > 0 && used + n > *hard));
                (format!("{key}: {used} of {hard} used"), refused.collect::<Vec<_>>())
            })
            .filter(|(_, refused)| !refused.is_empty())
            .collect();
        let refused = &full.first()?.1;
        let texts: Vec<&str> = full.iter().map(|f| f.0.as_str()).collect();
        Some(Finding::new(
            Severity::Warning,
            "quota-without-room",
            format!("ResourceQuota/{}/{}", c.text(c.namespaces[quota.namespace].name), c.text(quota.name)),
            format!(
                "it has no room for a replacement while the pod that it replaces is still there ({}): the replacement is refused until that pod is gone, \
                 and its controller tries again after pauses that double. The simulation creates it at once, so the real migration takes longer: {}",
                texts.join(", "),
                facts.names(refused)
            ),
            "Raise the quota by at least one pod for the time of the migration.",
        ))
    };
    c.inventory.quotas.iter().filter_map(judge).collect()
}

/// What a pod uses of what a quota limits; None where that is not known.
fn need(facts: &Facts<'_>, pod: PodIdx, key: &str) -> Option<i64> {
    let c = facts.view.catalog;
    let requests = &c.shape(facts.view.state.pods[pod].spec).requests;
    let resource = match key {
        "pods" | "count/pods" => return Some(1),
        "cpu" | "requests.cpu" => CPU,
        "memory" | "requests.memory" => MEMORY,
        "ephemeral-storage" | "requests.ephemeral-storage" => EPHEMERAL,
        other => {
            let name = c.names.get(other.strip_prefix("requests.")?)?;
            ResIdx(c.resources.iter().position(|r| *r == name)? as u32)
        }
    };
    Some(requests.get(resource))
}
