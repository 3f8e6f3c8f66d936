//! Quotas without room for a replacement while the pod that it replaces is still there.

use super::Facts;
use crate::cluster::{Finding, OwnerKind, PodIdx, Quota, QuotaLimit, Severity};
use crate::disruption::admission::quota_text;
use std::collections::BTreeMap;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    if c.inventory.quotas.is_empty() {
        return Vec::new();
    }
    // A bare pod has no replacement.
    let replaced = |p: &PodIdx| c.specs[s.pods[*p].spec].owner.is_some() && s.pods[*p].is_active();
    let mut moving: BTreeMap<_, Vec<PodIdx>> = BTreeMap::new();
    for pod in facts.moving().into_iter().flat_map(|m| m.1).filter(replaced) {
        moving.entry(c.specs[s.pods[pod].spec].namespace).or_default().push(pod);
    }
    let quotas = c.inventory.quotas.iter().enumerate();
    quotas.filter_map(|(place, quota)| judge(facts, place, quota, moving.get(&quota.namespace)?)).collect()
}

fn judge(facts: &Facts<'_>, place: usize, quota: &Quota, pods: &[PodIdx]) -> Option<Finding> {
    let limits = || quota.limits.iter().enumerate();
    let text = |l: &QuotaLimit| format!("{}: {} of {} used", l.resource, l.text(l.used), l.text(l.hard));
    let at = |i: usize, p: &PodIdx| need(facts, *p, place, i);
    // What is used beyond the limit already leaves no room even when the pod has gone.
    let over = |p: &PodIdx| limits().any(|(i, l)| at(i, p) > 0 && l.used > l.hard);
    let never: Vec<PodIdx> = pods.iter().copied().filter(over).collect();
    if !never.is_empty() {
        let full: Vec<String> = limits()
            .filter(|(i, l)| l.used > l.hard && never.iter().any(|p| at(*i, p) > 0))
            .map(|(_, l)| text(l))
            .collect();
        return Some(finding(
            facts,
            quota,
            Severity::Error,
            format!(
                "more is used than it allows ({}): once a pod is evicted its replacement is refused, also when the pod has gone, until others have gone: {}",
                full.join(", "),
                facts.names(&never)
            ),
            "Raise the quota above what is used, or remove what is not needed in its namespace.",
        ));
    }
    // A StatefulSet creates the next pod of a name only when the last is gone.
    let c = facts.view.catalog;
    let spec = |p: &PodIdx| &c.specs[facts.view.state.pods[*p].spec];
    let at_once = |p: &&PodIdx| spec(p).owner.is_some_and(|o| c.owners[o].kind != OwnerKind::StatefulSet);
    let lacks = |i: usize, l: &QuotaLimit, p: &PodIdx| at(i, p) > 0 && l.used + at(i, p) > l.hard;
    let waits: Vec<PodIdx> =
        pods.iter().filter(at_once).copied().filter(|p| limits().any(|(i, l)| lacks(i, l, p))).collect();
    if waits.is_empty() {
        return None;
    }
    let full: Vec<String> =
        limits().filter(|(i, l)| waits.iter().any(|p| lacks(*i, l, p))).map(|(_, l)| text(l)).collect();
    Some(finding(
        facts,
        quota,
        Severity::Warning,
        format!(
            "it has no room for a replacement while the pod that it replaces is still there ({}): the replacement is refused until that pod has \
             ended, and its controller tries again after pauses that double: {}",
            full.join(", "),
            facts.names(&waits)
        ),
        "Raise the quota by at least one pod for the time of the migration.",
    ))
}

fn finding(facts: &Facts<'_>, quota: &Quota, severity: Severity, message: String, remedy: &str) -> Finding {
    Finding::new(severity, "quota-without-room", quota_text(facts.view, quota), message, remedy)
}

/// What a pod uses of the `limit`-th limit of a quota.
fn need(facts: &Facts<'_>, pod: PodIdx, quota: usize, limit: usize) -> i64 {
    let charges = facts.view.catalog.inventory.quota_charges.get(&facts.view.state.pods[pod].spec);
    charges.and_then(|c| c.iter().find(|c| c.0 as usize == quota)).map_or(0, |c| c.1[limit])
}
