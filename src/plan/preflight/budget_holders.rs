//! A budget that allows nothing now, and somebody else decides when it does: its operator, the Jobs whose pods it covers, or who
//! repairs its broken pods.

use super::Facts;
use super::budget_never_met::covered;
use crate::cluster::{BudgetIdx, Finding, Manager, PodIdx, Severity, duration_text};
use crate::disruption::holder::{Holder, broken_text, holder, parts};
use crate::disruption::never::{escapes, never};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (budget, pods) in covered(facts) {
        let pods: Vec<PodIdx> = pods.into_iter().filter(|p| !escapes(facts.view, budget, *p)).collect();
        let never = never(facts.view, budget).map(|n| n.0);
        let status = &facts.view.state.budgets[budget];
        if pods.is_empty() || (status.allowed > 0 && never.is_none()) {
            continue;
        }
        let now = never.clone().unwrap_or_else(|| {
            format!("{} of {} pods are healthy and {} must be", status.healthy, status.expected, status.desired)
        });
        for pods in parts(facts.view, &pods) {
            findings.extend(match holder(facts.view, facts.budgets, budget, &pods) {
                Some(Holder::Operator(manager)) => Some(of_operator(facts, budget, &pods, &now, &manager)),
                Some(Holder::Jobs { jobs, end_ms }) => Some(over_jobs(facts, budget, &pods, &now, (&jobs, end_ms))),
                Some(Holder::Broken(broken)) if never.is_none() => held_by_broken(facts, budget, &pods, &now, &broken),
                _ => None,
            });
        }
    }
    findings
}

fn object(facts: &Facts<'_>, budget: BudgetIdx) -> String {
    format!("PodDisruptionBudget/{}", facts.view.catalog.budget_text(budget))
}

fn of_operator(facts: &Facts<'_>, budget: BudgetIdx, pods: &[PodIdx], now: &str, manager: &Manager) -> Finding {
    Finding::new(
        Severity::Warning,
        "budget-of-operator",
        object(facts, budget),
        format!(
            "{now}, so evictions of its pods on old nodes are refused in the simulation: {}. It is managed by {} ({}), which {}; that is not \
             simulated, so how the migration ends is uncertain where it depends on this budget",
            facts.names(pods),
            manager.name(),
            manager.by,
            manager.does()
        ),
        manager.remedy(),
    )
}

fn over_jobs(
    facts: &Facts<'_>,
    budget: BudgetIdx,
    pods: &[PodIdx],
    now: &str,
    (jobs, end_ms): (&[String], Option<i64>),
) -> Finding {
    let names = facts.names(pods);
    let (until, remedy) = match (end_ms, facts.options.drain_limit()) {
        (None, _) => (
            "they are held until the Job ends; its end is not known, and in the simulation it does not end".to_owned(),
            "Wait until the Job has ended before its node is drained, or give it activeDeadlineSeconds; evicted past its budget it begins again.".to_owned(),
        ),
        (Some(end), Some(limit)) if end > limit.ms => (
            format!("they are held until the Job ends, at the latest {} after the dump by activeDeadlineSeconds, which is later than {} allows ({})",
                duration_text(end), limit.option, duration_text(limit.ms)),
            format!("Raise {} above {}, or wait until the Job has ended.", limit.option, duration_text(end)),
        ),
        (Some(end), _) => (
            format!("they are held until the Job ends, at the latest {} after the dump by activeDeadlineSeconds", duration_text(end)),
            "None needed: the drain goes on once the Job has ended.".to_owned(),
        ),
    };
    Finding::new(
        Severity::Warning,
        "budget-over-job",
        object(facts, budget),
        format!("{now}, so evictions of pods of {} are refused while they run: {names}; {until}", jobs.join(", ")),
        remedy,
    )
}

fn held_by_broken(
    facts: &Facts<'_>,
    budget: BudgetIdx,
    pods: &[PodIdx],
    now: &str,
    broken: &[PodIdx],
) -> Option<Finding> {
    // Pods that are not ready may go while as many are healthy as must be (`unhealthyPodEvictionPolicy: IfHealthyBudget`).
    let status = &facts.view.state.budgets[budget];
    let is_held = |p: &PodIdx| status.healthy < status.desired || !broken.contains(p);
    let held: Vec<PodIdx> = pods.iter().copied().filter(is_held).collect();
    let finding = Finding::new(
        Severity::Error,
        "budget-held-by-broken-pods",
        object(facts, budget),
        format!(
            "{now}; what replaces its broken pods is as broken ({}), so evictions of its pods on old nodes are refused until somebody repairs \
             them: {}",
            broken_text(facts.view, broken),
            facts.names(&held)
        ),
        "Repair the broken pods' workload first, then plan again.",
    );
    (!held.is_empty()).then_some(finding)
}
