//! Two running pods that share a volume which can be attached to one node only: moved apart, one of them waits for it.

use super::Facts;
use crate::cluster::{Finding, PodIdx, PvcIdx, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let mut users: BTreeMap<PvcIdx, Vec<PodIdx>> = BTreeMap::new();
    for pod in s.live_pods().filter(|p| s.pods[*p].is_active() && s.pods[*p].node.is_some()) {
        for claim in c.specs[s.pods[pod].spec].claims.iter().filter_map(|r| r.claim) {
            users.entry(claim).or_default().push(pod);
        }
    }
    let moving: BTreeSet<PodIdx> = facts.moving().into_iter().flat_map(|m| m.1).collect();
    let judge = |(claim, pods): (PvcIdx, Vec<PodIdx>)| {
        let volume = s.claims[claim].volume?;
        let v = &s.volumes[volume];
        let attaches =
            v.driver.is_some_and(|d| c.drivers.iter().find(|k| k.name == d).is_none_or(|k| k.attach_required));
        // Kept together by an affinity of their own, they move together.
        let together = |p: &PodIdx| {
            let terms = &c.shape(s.pods[*p].spec).affinity;
            terms.iter().any(|t| t.topology_key == c.known.hostname)
        };
        let apart = pods.len() > 1 && pods.iter().any(|p| moving.contains(p)) && !pods.iter().all(together);
        if v.modes.rwx || v.modes.rox || !attaches || !apart {
            return None;
        }
        let owner = &c.claims[claim];
        Some(Finding::new(
            Severity::Warning,
            "volume-shared",
            format!("PersistentVolumeClaim/{}/{}", c.text(c.namespaces[owner.namespace].name), c.text(owner.name)),
            format!(
                "{} running pods share it, and its volume can be attached to one node at a time (ReadWriteOnce): placed on different nodes, all but one \
                 wait for it without end: {}",
                pods.len(),
                facts.names(&pods)
            ),
            "Keep them on one node (required pod affinity), run one replica with strategy Recreate, or use a volume with ReadWriteMany.",
        ))
    };
    users.into_iter().filter_map(judge).collect()
}
