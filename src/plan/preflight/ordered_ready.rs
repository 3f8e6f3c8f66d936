//! A StatefulSet that creates its pods in order, and one of them is broken: no pod of a higher ordinal that is moved is created again.

use super::Facts;
use crate::cluster::{Finding, OwnerIdx, OwnerKind, PodIdx, Severity};
use std::collections::BTreeMap;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let ordinal = |p: PodIdx| c.specs[s.pods[p].spec].ordinal;
    let mut moving: BTreeMap<OwnerIdx, Vec<PodIdx>> = BTreeMap::new();
    for pod in facts.moving().into_iter().flat_map(|m| m.1) {
        let set = |o: &OwnerIdx| c.owners[*o].kind == OwnerKind::StatefulSet && !c.owners[*o].parallel;
        if let Some(owner) = c.specs[s.pods[pod].spec].owner.filter(set) {
            moving.entry(owner).or_default().push(pod);
        }
    }
    let judge = |(owner, pods): (OwnerIdx, Vec<PodIdx>)| {
        let broken = |p: &PodIdx| s.pods[*p].is_active() && c.inventory.broken.contains_key(&s.pods[*p].spec);
        let first = s.owned[owner].iter().copied().filter(broken).min_by_key(|p| ordinal(*p))?;
        let behind: Vec<PodIdx> = pods.into_iter().filter(|p| ordinal(*p) > ordinal(first)).collect();
        let why = &c.inventory.broken.get(&s.pods[first].spec)?.why;
        (!behind.is_empty()).then(|| {
            Finding::new(
                Severity::Error,
                "ordered-ready-blocked",
                c.owner_text(owner),
                format!(
                    "pod {} is broken ({why}), and podManagementPolicy OrderedReady creates no pod behind one that is not ready: evicted, these do \
                     not come back: {}",
                    s.pod_text(c, first),
                    facts.names(&behind)
                ),
                "Repair the broken pod first.",
            )
        })
    };
    moving.into_iter().filter_map(judge).collect()
}
