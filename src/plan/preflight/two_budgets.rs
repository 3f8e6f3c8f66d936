//! Two budgets on one pod: the eviction API answers 500 and never evicts it.

use super::Facts;
use crate::cluster::{Finding, Severity};
use crate::disruption::never::has_two;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let pods = facts.moving().into_iter().flat_map(|m| m.1).filter(|p| has_two(facts.view, facts.budgets, *p));
    facts
        .by_workload(pods)
        .into_iter()
        .map(|(object, pods)| {
            let budgets = facts.budgets.budgets_of(facts.view.state.pods[pods[0]].spec);
            let names: Vec<String> = budgets.iter().map(|b| facts.view.catalog.budget_text(*b)).collect();
            Finding::new(
                Severity::Error,
                "two-budgets",
                object,
                format!(
                    "its pods are under {} budgets ({}), which the eviction API does not support (500): {}",
                    names.len(),
                    names.join(", "),
                    facts.names(&pods)
                ),
                "Leave one budget per pod: narrow the selectors or delete the others.",
            )
        })
        .collect()
}
