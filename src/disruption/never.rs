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
