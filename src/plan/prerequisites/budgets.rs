//! Disruption budgets let the pods of the selected nodes go.

use super::{Judgement, Rule, count, some};
use crate::cluster::PodIdx;
use crate::disruption::holder::{Holder, holder, parts};
use crate::disruption::never::{escapes, has_two, never};
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;
use crate::plan::preflight::budget_never_met::covered;
use std::collections::BTreeSet;

/// See the module.
pub const RULE: Rule = Rule {
    name: "disruption-budgets",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "Node validation checks: Pod Disruption Budget.",
        _ => "When respectPdb is set to True, Ocean will not replace a node if the PDB is violated.",
    },
    source: super::migration_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let (catalog, state) = (facts.view.catalog, facts.view.state);
    let inventory = &catalog.inventory;
    let two: Vec<PodIdx> =
        facts.moving().into_iter().flat_map(|m| m.1).filter(|p| has_two(facts.view, facts.budgets, *p)).collect();
    let (mut hold, mut stale, mut wait) = (Vec::new(), Vec::new(), Vec::new());
    let (mut others, mut codes) = (Vec::new(), BTreeSet::new());
    let covered = covered(facts);
    for (budget, pods) in &covered {
        let pods: Vec<PodIdx> = pods.iter().copied().filter(|p| !escapes(facts.view, *budget, *p)).collect();
        let (status, is_never) = (&state.budgets[*budget], never(facts.view, *budget).is_some());
        for pods in parts(facts.view, &pods) {
            let text = || format!("{} ({})", catalog.budget_text(*budget), count(pods.len(), "pod"));
            let holder = (status.allowed <= 0 || is_never).then(|| holder(facts.view, facts.budgets, *budget, &pods));
            // Somebody else decides when these let their pods go.
            if let Some((by, code)) = holder.flatten().as_ref().and_then(decides) {
                others.push(format!("{}: {by}", text()));
                codes.insert(code);
            } else if is_never {
                hold.push(text());
            } else if status.observed_generation < catalog.budgets[*budget].generation {
                stale.push(text());
            } else if status.allowed <= 0 {
                wait.push(text());
            }
        }
    }
    let covering = match covered.len() {
        0 => "no budget covers a pod of the selected nodes".to_owned(),
        n => format!("pods of the selected nodes are under {}", count(n, "budget")),
    };
    if !facts.options.ocean.respect_pdb {
        return Judgement::pass(format!(
            "{covering}; budgets are not respected: pods that one holds are deleted in the end"
        ));
    }
    if !hold.is_empty() || !two.is_empty() {
        let mut facts_text = Vec::new();
        if !hold.is_empty() {
            facts_text.push(format!("can never be met: {}", some(&hold, 5)));
        }
        if !two.is_empty() {
            facts_text.push(format!("{} under two budgets: {}", count(two.len(), "pod"), facts.names(&two)));
        }
        let judgement = Judgement::fail(
            facts_text.join("; "),
            "Allow a disruption for the time of the migration (maxUnavailable 1), leave one budget per pod, or force budgets (--force-pdb).",
        );
        let judgement = if hold.is_empty() { judgement } else { judgement.see("budget-never-met") };
        return if two.is_empty() { judgement } else { judgement.see("two-budgets") };
    }
    if !inventory.has("Pod") || (!inventory.has("PodDisruptionBudget") && covered.is_empty()) {
        return Judgement::unknown(
            "the dump has no budgets, so it does not show whether there are any",
            "Add poddisruptionbudgets to the dump; if there are none, this can be ignored.",
        )
        .see("no-budgets-in-dump");
    }
    if !stale.is_empty() {
        return Judgement::unknown(
            format!("the stored status is not that of the budget as it is now: {}", some(&stale, 5)),
            "Take the dump again once the disruption controller has looked at them.",
        )
        .see("budget-stale");
    }
    if !others.is_empty() {
        let judgement = Judgement::unknown(
            format!("allowing no disruption now: {}", some(&others, 5)),
            "See what is said of these budgets; a node that they hold for longer than its draining timeout is not replaced.",
        );
        return codes.into_iter().fold(judgement, Judgement::see);
    }
    if !wait.is_empty() {
        return Judgement::unknown(
            format!("allowing no disruption now: {}; whether they do in time depends on their other pods", some(&wait, 5)),
            "See why their other pods are not ready; a node that they hold for longer than its draining timeout is not replaced.",
        )
        .see("budget-exhausted-now");
    }
    Judgement::pass(match covered.len() {
        0 => covering,
        _ => format!("{covering}, all of which allow a disruption now"),
    })
}

/// Who decides about a budget other than its own amounts, in words, and the finding that says more.
fn decides(holder: &Holder) -> Option<(String, &'static str)> {
    match holder {
        Holder::Operator(manager) => Some((format!("{} decides", manager.name()), "budget-of-operator")),
        Holder::Jobs { jobs, .. } => Some((format!("until {} has ended", some(jobs, 3)), "budget-over-job")),
        Holder::Broken(_) => None,
    }
}
