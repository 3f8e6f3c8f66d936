//! A budget that allows nothing now, though it could: the drain waits for its pods to become healthy.

use super::Facts;
use super::budget_never_met::covered;
use crate::cluster::{Finding, PodIdx, Severity};
use crate::disruption::holder::{holder, parts};
use crate::disruption::never::{escapes, never};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (budget, pods) in covered(facts) {
        let s = &facts.view.state.budgets[budget];
        let held: Vec<PodIdx> = pods.into_iter().filter(|p| !escapes(facts.view, budget, *p)).collect();
        let waits = s.allowed <= 0 && !held.is_empty() && never(facts.view, budget).is_none();
        for pods in parts(facts.view, &held).into_iter().filter(|_| waits) {
            // Where somebody else decides when they go, `budget_holders` says who.
            if holder(facts.view, facts.budgets, budget, &pods).is_some() {
                continue;
            }
            let blocked = pods.len();
            findings.push(Finding::new(
                Severity::Warning,
                "budget-exhausted-now",
                format!("PodDisruptionBudget/{}", facts.view.catalog.budget_text(budget)),
                format!(
                    "allows no disruption now: {} of {} pods are healthy and {} must be; {blocked} of its pods are on old nodes and wait",
                    s.healthy, s.expected, s.desired
                ),
                "See why its other pods are not ready; the drain goes on once they are.",
            ));
        }
    }
    findings
}
