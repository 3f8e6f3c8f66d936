//! A budget that allows nothing now, though it could: the drain waits for its pods to become healthy.

use super::Facts;
use super::budget_never_met::covered;
use crate::cluster::{Finding, Severity};
use crate::disruption::never::{escapes, never};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (budget, pods) in covered(facts) {
        let s = &facts.view.state.budgets[budget];
        let blocked = pods.iter().filter(|p| !escapes(facts.view, budget, **p)).count();
        if s.allowed > 0 || blocked == 0 || never(facts.view, budget).is_some() {
            continue;
        }
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
    findings
}
