//! Evictions that are always refused: by a budget that can never be met, or because two budgets cover the pod.

use super::BudgetIndex;
use crate::cluster::{Amount, BudgetIdx, Demand, Phase, PodIdx, Selector, View};

/// Why a budget allows no disruption however healthy its pods are, and what would lift it; None if waiting may help.
///
/// Upstream: kubernetes v1.36.3 `pkg/controller/disruption` (`getExpectedPodCount`, `trySync`): desired = minAvailable, or
/// expected − maxUnavailable, and disruptions are allowed only while more than desired are healthy.
pub fn never(view: View<'_>, budget: BudgetIdx) -> Option<(String, String)> {
    let (spec, status) = (&view.catalog.budgets[budget], &view.state.budgets[budget]);
    if let Selector::Invalid(why) = &spec.selector {
        return Some((format!("its selector is invalid: {why}"), "Correct the selector.".into()));
    }
    if let Some(why) = &status.sync_failed {
        return Some((
            format!("it failed to sync: {why}"),
            "Give its pods a controller with a scale subresource, or use minAvailable with a number.".into(),
        ));
    }
    let expected = status.expected;
    // What is not ready uses up the allowance: one disruption more must be possible beside it.
    let unready = (expected - status.healthy).max(0);
    let enough = 1 + unready;
    let beside = match unready {
        0 => String::new(),
        1 => " (1 of its pods is not ready, which uses up one)".to_owned(),
        n => format!(" ({n} of its pods are not ready, which use up as many)"),
    };
    let allow = format!("allow a disruption (maxUnavailable {enough}{beside})");
    match spec.demand {
        None => Some(("it has neither minAvailable nor maxUnavailable".into(), "Give it one of the two.".into())),
        Some(Demand::MaxUnavailable(Amount::Count(n))) if n <= 0 => Some((
            format!("maxUnavailable is {n}"),
            format!("Set maxUnavailable to {enough}{beside} for the time of the migration, or force budgets."),
        )),
        Some(Demand::MaxUnavailable(Amount::Percent(p))) if p <= 0 => Some((
            format!("maxUnavailable is {p} %"),
            format!("Set maxUnavailable to {enough}{beside} for the time of the migration, or force budgets."),
        )),
        Some(Demand::MinAvailable(Amount::Percent(p))) if p >= 100 => Some((
            format!("minAvailable is {p} %"),
            format!("Lower minAvailable, or use maxUnavailable {enough}{beside}, or force budgets."),
        )),
        Some(Demand::MinAvailable(Amount::Count(n))) if expected > 0 && n >= expected => Some((
            format!("minAvailable is {n} of {expected} pods"),
            format!("Raise the replicas above {}, or {allow}, or force budgets.", n + unready),
        )),
        Some(Demand::MinAvailable(Amount::Percent(p))) if expected > 0 && (p * expected + 99) / 100 >= expected => {
            // The demand grows with the replicas.
            let is_enough = |replicas: &i64| replicas - unready > (p * replicas + 99) / 100;
            let raised = (expected + 1..expected + 1_000).find(is_enough);
            let raise = raised.map_or(String::new(), |n| format!("Raise the replicas to {n}, or "));
            let allow = if raise.is_empty() { allow.replacen('a', "A", 1) } else { allow };
            Some((
                format!("minAvailable {p} % of {expected} pods is all of them"),
                format!("{raise}{allow}, or force budgets."),
            ))
        }
        _ => None,
    }
}

/// Whether an eviction of this pod could get around the budget: pending pods always can, unready ones if it says so.
pub fn escapes(view: View<'_>, budget: BudgetIdx, pod: PodIdx) -> bool {
    let p = &view.state.pods[pod];
    p.phase == Phase::Pending || (!p.ready && view.catalog.budgets[budget].always_allow_unhealthy)
}

/// Whether evictions of a pod end in "more than one PodDisruptionBudget" (kubernetes v1.36.3
/// `pkg/registry/core/pod/storage/eviction.go`).
pub fn has_two(view: View<'_>, budgets: &BudgetIndex, pod: PodIdx) -> bool {
    let p = &view.state.pods[pod];
    p.phase != Phase::Pending && budgets.budgets_of(p.spec).len() > 1
}
