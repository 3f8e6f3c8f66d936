//! A budget that can never be met: its pods' evictions are refused for ever.

use super::Facts;
use crate::cluster::{BudgetIdx, Finding, PodIdx, Severity};
use crate::disruption::holder::{Holder, holder, parts};
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
        let held: Vec<PodIdx> = pods.into_iter().filter(|p| !escapes(facts.view, budget, *p)).collect();
        let Some((why, remedy)) = never(facts.view, budget).filter(|_| !held.is_empty()) else { continue };
        for pods in parts(facts.view, &held) {
            // Somebody else lets them go: `budget_holders` says who.
            let holder = holder(facts.view, facts.budgets, budget, &pods);
            if matches!(holder, Some(Holder::Operator(_) | Holder::Jobs { .. })) {
                continue;
            }
            findings.push(Finding::new(
                Severity::Error,
                "budget-never-met",
                format!("PodDisruptionBudget/{}", facts.view.catalog.budget_text(budget)),
                format!(
                    "{why}, so evictions of its pods on old nodes are always refused: {}{}",
                    facts.names(&pods),
                    over_several(facts, &held)
                ),
                remedy.clone(),
            ));
        }
    }
    findings
}

/// Whose pods a budget holds, where they are of several workloads: their pods are counted together.
fn over_several(facts: &Facts<'_>, pods: &[PodIdx]) -> String {
    let workloads: Vec<String> = facts.by_workload(pods.iter().copied()).into_keys().collect();
    match workloads.len() {
        0 | 1 => String::new(),
        _ => format!(" (of {}, which the budget counts together)", workloads.join(", ")),
    }
}
