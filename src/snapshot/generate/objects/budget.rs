//! PodDisruptionBudgets with the status that the disruption controller would have left.

use serde_json::{Value, json};

use super::super::model::{Budget, BudgetForm, Kind, Model, Stale, Workload};
use super::super::names::timestamp;
use super::{metadata, workloads};

pub(super) fn each<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    let guarded = workloads(model, |w| !w.budgets.is_empty());
    let mut all: Vec<(&Workload, &Budget)> =
        guarded.into_iter().flat_map(|w| w.budgets.iter().map(move |b| (w, b))).collect();
    all.sort_by(|a, b| (&a.0.namespace, &a.1.name).cmp(&(&b.0.namespace, &b.1.name)));
    for (workload, budget) in all {
        out(object(model, workload, budget))?;
    }
    Ok(())
}

fn object(model: &Model<'_>, workload: &Workload, budget: &Budget) -> Value {
    let mut meta = metadata(model, "PodDisruptionBudget", Some(&workload.namespace), &budget.name, workload.created);
    meta["generation"] = if budget.stale == Some(Stale::Generation) { 2 } else { 1 }.into();
    let mut spec = match budget.form {
        BudgetForm::MinAvailable(count) => json!({"minAvailable": count}),
        BudgetForm::MinAvailablePercent(percent) => json!({"minAvailable": format!("{percent}%")}),
        BudgetForm::MaxUnavailable(count) => json!({"maxUnavailable": count}),
        BudgetForm::MaxUnavailablePercent(percent) => json!({"maxUnavailable": format!("{percent}%")}),
    };
    spec["selector"] = if budget.expressions {
        json!({"matchExpressions": [{"key": "app", "operator": "In", "values": [&workload.name]}]})
    } else {
        json!({"matchLabels": {"app": &workload.name}})
    };
    if budget.always_allow {
        spec["unhealthyPodEvictionPolicy"] = "AlwaysAllow".into();
    }
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec, "status": status(model, workload, budget)})
}

/// pkg/controller/disruption/disruption.go, 1.36: `getExpectedPodCount`, `countHealthyPods`, `updatePdbStatus`.
fn status(model: &Model<'_>, workload: &Workload, budget: &Budget) -> Value {
    // A whole number of minAvailable counts the pods; every other form asks the owner for its scale, and a pod alone has none.
    let scale = if workload.kind == Kind::StandAlone { 0 } else { u64::from(workload.replicas) };
    let form = if budget.stale == Some(Stale::Generation) { BudgetForm::MaxUnavailable(0) } else { budget.form };
    let (expected, desired) = match form {
        BudgetForm::MinAvailable(count) => (workload.pods.len() as u64, count),
        BudgetForm::MinAvailablePercent(percent) => (scale, (scale * percent).div_ceil(100)),
        BudgetForm::MaxUnavailable(count) => (scale, scale.saturating_sub(count)),
        BudgetForm::MaxUnavailablePercent(percent) => (scale, scale.saturating_sub((scale * percent).div_ceil(100))),
    };
    let healthy = model.healthy(workload).saturating_sub(u64::from(budget.stale == Some(Stale::Counters)));
    let allowed = if expected == 0 { 0 } else { healthy.saturating_sub(desired) };
    let (reason, answer) = if allowed > 0 { ("SufficientPods", "True") } else { ("InsufficientPods", "False") };
    json!({
        "conditions": [{
            "lastTransitionTime": timestamp(workload.created + 30), "message": "", "observedGeneration": 1,
            "reason": reason, "status": answer, "type": "DisruptionAllowed",
        }],
        "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed, "expectedPods": expected, "observedGeneration": 1,
    })
}
