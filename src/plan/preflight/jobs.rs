//! Jobs whose pods are moved: what they have done is lost, and an eviction may count as a failure.

use super::Facts;
use crate::cluster::{Finding, OwnerIdx, PodIdx, Severity, duration_text};
use crate::disruption::never::escapes;
use std::collections::BTreeMap;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let mut moving: BTreeMap<OwnerIdx, Vec<PodIdx>> = BTreeMap::new();
    // One that a budget holds is not moved: it goes when its Job ends (`budget_holders`).
    let held = |p: &PodIdx| {
        let budgets = facts.budgets.budgets_of(s.pods[*p].spec);
        matches!(budgets, [b] if s.budgets[*b].allowed <= 0 && !escapes(facts.view, *b, *p))
    };
    for pod in facts.moving().into_iter().flat_map(|m| m.1).filter(|p| s.pods[*p].is_active() && !held(p)) {
        if let Some(owner) = c.specs[s.pods[pod].spec].owner.filter(|o| c.owners[*o].job.is_some()) {
            moving.entry(owner).or_default().push(pod);
        }
    }
    let judge = |(owner, pods): (OwnerIdx, Vec<PodIdx>)| {
        let job = c.owners[owner].job.as_ref()?;
        let object = c.owner_text(owner);
        let run = pods.iter().map(|p| -s.pods[*p].started).max().unwrap_or(0);
        let lost = format!(
            "its pods begin again from the start when they are moved; up to {} of work are lost: {}",
            duration_text(run),
            facts.names(&pods)
        );
        if job.ignores_disruption {
            return Some(Finding::new(
                Severity::Warning,
                "job-work-lost",
                object,
                format!("{lost}; its podFailurePolicy does not count the eviction as a failure"),
                "Wait until it has ended, or let it keep its progress outside of its pod.",
            ));
        }
        let after = job.failed + pods.len() as i64;
        Some(if after > job.backoff_limit {
            Finding::new(
                Severity::Warning,
                "job-ends-for-good",
                object,
                format!(
                    "{} of its pods have failed, backoffLimit is {}, and each eviction counts: once {} are moved the Job has failed, and nothing begins it again: {}",
                    job.failed,
                    job.backoff_limit,
                    pods.len(),
                    facts.names(&pods)
                ),
                "Wait until it has ended, or give it a podFailurePolicy that ignores DisruptionTarget (only when it is created), or raise backoffLimit.",
            )
        } else {
            Finding::new(
                Severity::Warning,
                "job-work-lost",
                object,
                format!(
                    "{lost}; each eviction counts against backoffLimit ({} of {} are used)",
                    job.failed, job.backoff_limit
                ),
                "Wait until it has ended, or let it keep its progress outside of its pod.",
            )
        })
    };
    moving.into_iter().filter_map(judge).collect()
}
