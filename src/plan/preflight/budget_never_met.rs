//! A budget that can never be met: its pods' evictions are refused for ever.

use super::Facts;
use crate::cluster::{Amount, BudgetIdx, Demand, Finding, PodIdx, Selector, Severity, View};
use std::collections::BTreeMap;

/// Why a budget allows no disruption however healthy its pods are, and what would lift it; None if waiting may help.
///
/// Upstream: kubernetes v1.36.3 `pkg/controller/disruption` (`getExpectedPodCount`, `trySync`): desired = minAvailable, or
/// expected − maxUnavailable, and disruptions are allowed only while more than desired are healthy.
pub fn never(view: View<'_>, budget: BudgetIdx) -> Option<(String, String)> {
    let (spec, status) = (&view.catalog.budgets[budget], &view.state.budgets[budget]);
    if let Selector::Invalid(why) = &spec.selector {
        return Some((format!("its selector is invalid: {why}"), "Mend the selector.".into()));
    }
    if let Some(why) = &status.sync_failed {
        return Some((
            format!("it failed to sync: {why}"),
            "Give its pods a controller with a scale subresource, or use minAvailable with a number.".into(),
        ));
    }
    let expected = status.expected;
    let raise =
        |n: i64| format!("Raise the replicas above {n}, or allow a disruption (maxUnavailable 1), or force budgets.");
    match spec.demand {
        None => Some(("it has neither minAvailable nor maxUnavailable".into(), "Give it one of the two.".into())),
        Some(Demand::MaxUnavailable(Amount::Count(n))) if n <= 0 => Some((
            format!("maxUnavailable is {n}"),
            "Set maxUnavailable to 1 for the time of the migration, or force budgets.".into(),
        )),
        Some(Demand::MaxUnavailable(Amount::Percent(p))) if p <= 0 => Some((
            format!("maxUnavailable is {p} %"),
            "Set maxUnavailable to 1 for the time of the migration, or force budgets.".into(),
        )),
        Some(Demand::MinAvailable(Amount::Percent(p))) if p >= 100 => Some((
            format!("minAvailable is {p} %"),
            "Lower minAvailable, or use maxUnavailable 1, or force budgets.".into(),
        )),
        Some(Demand::MinAvailable(Amount::Count(n))) if expected > 0 && n >= expected => {
            Some((format!("minAvailable is {n} of {expected} pods"), raise(n)))
        }
        Some(Demand::MinAvailable(Amount::Percent(p))) if expected > 0 && (p * expected + 99) / 100 >= expected => {
            Some((format!("minAvailable {p} % of {expected} pods is all of them"), raise(expected)))
        }
        _ => None,
    }
}

/// Budgets that cover pods on old nodes, with those pods; pods under more than one are another rule's.
pub(crate) fn covered(facts: &Facts<'_>) -> BTreeMap<BudgetIdx, Vec<PodIdx>> {
    let mut map: BTreeMap<BudgetIdx, Vec<PodIdx>> = BTreeMap::new();
    for (_, pods) in facts.moving() {
        for pod in pods {
            if let [budget] = facts.budgets.budgets_of(facts.view.state.pods[pod].spec) {
                map.entry(*budget).or_default().push(pod);
            }
        }
    }
    map
}

/// Whether an eviction of this pod could get around the budget: pending pods always can, unready ones if it says so.
pub fn escapes(facts: &Facts<'_>, budget: BudgetIdx, pod: PodIdx) -> bool {
    let p = &facts.view.state.pods[pod];
    p.phase == crate::cluster::Phase::Pending || (!p.ready && facts.view.catalog.budgets[budget].always_allow_unhealthy)
}

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (budget, pods) in covered(facts) {
        let pods: Vec<PodIdx> = pods.into_iter().filter(|p| !escapes(facts, budget, *p)).collect();
        let Some((why, remedy)) = never(facts.view, budget).filter(|_| !pods.is_empty()) else { continue };
        findings.push(Finding::new(
            Severity::Error,
            "budget-never-met",
            format!("PodDisruptionBudget/{}", facts.view.catalog.budget_text(budget)),
            format!("{why}, so evictions of its pods on old nodes are refused for ever: {}", facts.names(&pods)),
            remedy,
        ));
    }
    findings
}
