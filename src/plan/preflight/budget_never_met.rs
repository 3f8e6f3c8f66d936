//! A budget that can never be met: its pods' evictions are refused for ever.

use super::Facts;
use crate::cluster::{BudgetIdx, Finding, PodIdx, Severity};
use crate::disruption::never::{escapes, never};
use std::collections::BTreeMap;

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

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (budget, pods) in covered(facts) {
        let pods: Vec<PodIdx> = pods.into_iter().filter(|p| !escapes(facts.view, budget, *p)).collect();
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
