//! Disruption budgets let the pods of the selected nodes go.

use super::{Judgement, Rule, count, some};
use crate::cluster::PodIdx;
use crate::disruption::never::{escapes, has_two, never};
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;
use crate::plan::preflight::budget_never_met::covered;

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
    let covered = covered(facts);
    for (budget, pods) in &covered {
        let held = pods.iter().filter(|p| !escapes(facts.view, *budget, **p)).count();
        let text = || format!("{} ({})", catalog.budget_text(*budget), count(held, "pod"));
        if held > 0 && never(facts.view, *budget).is_some() {
            hold.push(text());
        } else if held > 0 && state.budgets[*budget].observed_generation < catalog.budgets[*budget].generation {
            stale.push(text());
        } else if held > 0 && state.budgets[*budget].allowed <= 0 {
            wait.push(text());
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
