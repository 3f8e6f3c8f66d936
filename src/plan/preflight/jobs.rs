//! Jobs whose pods are moved: what they have done is lost, and an eviction may count as a failure; or they are let finish first
//! (`wait_for_jobs`), as long as the procedure waits for a node.

use super::Facts;
use crate::cluster::{FailureAction, Finding, JobSpec, OwnerIdx, Phase, PodIdx, Severity, duration_text};
use crate::disruption::holder::ends_at;
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
        if let Some(owner) = c.specs[s.pods[pod].spec].owner.filter(|o| c.owners[*o].is_job()) {
            moving.entry(owner).or_default().push(pod);
        }
    }
    let judge = |(owner, pods): (OwnerIdx, Vec<PodIdx>)| {
        let object = c.owner_text(owner);
        // One that has not started has done no work.
        let is_awaited = |p: &PodIdx| facts.options.wait_for_jobs && s.pods[*p].phase == Phase::Running;
        let (waits, pods): (Vec<PodIdx>, Vec<PodIdx>) = pods.into_iter().partition(is_awaited);
        if !waits.is_empty() {
            return Some(awaited(facts, object, &waits));
        }
        // What becomes of a Job that the dump lacks is not known (`owner-missing`).
        let job = c.owners[owner].job.as_ref()?;
        let run = pods.iter().map(|p| -s.pods[*p].started).max().unwrap_or(0);
        let lost = format!(
            "its pods begin again from the start when they are moved; up to {} of work are lost: {}",
            duration_text(run),
            facts.names(&pods)
        );
        if job.on_disruption == FailureAction::Ignore {
            return Some(Finding::new(
                Severity::Warning,
                "job-work-lost",
                object,
                format!("{lost}; its podFailurePolicy does not count the eviction as a failure"),
                "Wait until it has ended, or let it keep its progress outside of its pod.",
            ));
        }
        if let Some(detail) = ends_at_once(job, &facts.names(&pods)) {
            return Some(Finding::new(
                Severity::Warning,
                "job-ends-for-good",
                object,
                detail,
                "Wait until it has ended, or give it a podFailurePolicy that ignores DisruptionTarget (only when it is created).",
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

/// What the first eviction ends of a Job, if its rules are such: the Job, or the indexes of its pods.
fn ends_at_once(job: &JobSpec, names: &str) -> Option<String> {
    let index = "the indexes of its pods have failed and are not tried again once these are moved, so that the Job ends as failed";
    match (job.on_disruption, job.backoff_limit_per_index) {
        (FailureAction::FailJob, _) => Some(format!(
            "a rule of its podFailurePolicy fails the Job when a pod is evicted: once one is moved the Job has failed, and nothing begins it again: {names}"
        )),
        (FailureAction::FailIndex, Some(_)) => {
            Some(format!("a rule of its podFailurePolicy fails the index of a pod that is evicted: {index}: {names}"))
        }
        (FailureAction::Count, Some(0)) => {
            Some(format!("its backoffLimitPerIndex is 0, and an eviction counts as a failure: {index}: {names}"))
        }
        _ => None,
    }
}

/// Pods of a Job that are let finish before they are evicted.
fn awaited(facts: &Facts<'_>, object: String, pods: &[PodIdx]) -> Finding {
    let ends = pods.iter().try_fold(i64::MIN, |latest, p| Some(latest.max(ends_at(facts.view, *p)?)));
    let limit = facts.options.drain_limit();
    let all =
        |end: &dyn Fn(PodIdx) -> Option<i64>| pods.iter().try_fold(i64::MIN, |latest, p| Some(latest.max(end(*p)?)));
    let given = all(&|p| given_end(facts, p));
    let expected = all(&|p| given_end(facts, p).or_else(|| measured_end(facts, p)));
    let origin = match given {
        Some(_) => "by the run time that is given (delays.run, delays.workloads)",
        None => "by the longest of the earlier Jobs of its CronJob",
    };
    // What comes first counts: the Job's own end, or its deadline.
    let end = match (ends, expected) {
        (Some(deadline), Some(end)) if end < deadline => {
            format!("about {} after the dump, {origin}", duration_text(end))
        }
        (Some(deadline), _) => {
            format!("at the latest {} after the dump by activeDeadlineSeconds", duration_text(deadline))
        }
        (None, Some(end)) => format!("about {} after the dump, {origin}", duration_text(end)),
        (None, None) => "when is not known".to_owned(),
    };
    let ends = ends.into_iter().chain(expected).min();
    let bound = match limit {
        Some(l) if l.forces => {
            format!("{} allows {}, then they are deleted and begin again", l.option, duration_text(l.ms))
        }
        Some(l) => format!(
            "{} allows {}, then those that still run stay, and their node is not replaced",
            l.option,
            duration_text(l.ms)
        ),
        None => "the drain has no limit of its own".to_owned(),
    };
    let in_time = ends.is_some_and(|end| limit.is_none_or(|l| end <= l.ms));
    let remedy = match limit {
        _ if in_time => "None needed: they end in time.".to_owned(),
        None => "Wait until it has ended, or give its activeDeadlineSeconds.".to_owned(),
        Some(l) => format!("Raise {} above what it still needs, or wait until it has ended.", l.option),
    };
    Finding::new(
        if in_time { Severity::Info } else { Severity::Warning },
        "job-waited-for",
        object,
        format!(
            "its running pods are let finish before they are evicted (wait_for_jobs): {end}; {bound}: {}",
            facts.names(pods)
        ),
        remedy,
    )
}

/// When a pod has done its work if it takes as long as is given (in 95 of 100 draws at most), in milliseconds since the dump.
fn given_end(facts: &Facts<'_>, pod: PodIdx) -> Option<i64> {
    let took = (facts.given_run)(pod)?.p95();
    Some(facts.view.state.pods[pod].started.saturating_add(took).max(0))
}

/// When a pod has done its work if it takes as long as the longest of the earlier Jobs of its CronJob, in milliseconds since the dump.
fn measured_end(facts: &Facts<'_>, pod: PodIdx) -> Option<i64> {
    let (c, p) = (facts.view.catalog, &facts.view.state.pods[pod]);
    let owner = &c.owners[c.specs[p.spec].owner?];
    let cron_job = owner.job.as_ref()?.cron_job?;
    let earlier = c.owners.iter().filter(|o| o.namespace == owner.namespace);
    let took = earlier.filter_map(|o| o.job.as_ref().filter(|j| j.cron_job == Some(cron_job))?.took_ms).max()?;
    Some(p.started.saturating_add(took).max(0))
}
