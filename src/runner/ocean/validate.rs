//! What Ocean looks at before it starts: the controller, and each selected node (MIGRATIONS §1, batch algorithm, 1).

use crate::cluster::{NodeIdx, PodIdx};
use crate::disruption::BudgetIndex;
use crate::groups::Templates;
use crate::groups::matching::moving_pods;
use crate::plan::options::ProcedureKind;
use crate::plan::preflight::{Facts, budget_never_met, restrict_scale_down, spot_affinity, stand_alone, two_budgets};
use crate::runner::context::Cx;
use crate::runner::outcome::Reason;
use crate::runner::progress::Fate;
use crate::runner::refs::N;
use rustc_hash::FxHashMap;

/// Judges every selected node and says why the migration cannot start at all, if it cannot. Nodes that do not pass get
/// their fate here and are left out of their batches; at least one must pass (D).
pub(crate) fn refuse_start(cx: &mut Cx<'_>) -> Option<(Reason, String)> {
    if !cx.options.procedure.is_ocean() {
        return None;
    }
    if !cx.options.ocean.controller_reports {
        return Some((Reason::Connectivity, "the Spotinst controller does not report".into()));
    }
    let old: Vec<NodeIdx> = cx.tables.nodes.iter().flatten().copied().collect();
    let nowhere = homeless(cx, &old);
    let budgets = BudgetIndex::new(cx.view.catalog);
    let templates = Templates::default();
    let mut passed = 0;
    for n in (0..cx.common.nodes.len() as u32).map(N) {
        let verdict = match cx.node(n) {
            None => Some((Fate::Invalid, "the node does not exist any more".to_owned())),
            Some(node) => {
                let facts =
                    Facts { view: cx.view, old: &old, options: cx.options, templates: &templates, budgets: &budgets };
                judge(cx, &facts, node, &nowhere)
            }
        };
        match verdict {
            None => passed += 1,
            Some((fate, why)) => cx.settle(n, fate, why),
        }
    }
    if passed > 0 {
        return None;
    }
    let mut causes: Vec<String> = cx
        .common
        .nodes
        .iter()
        .zip(&cx.common.node_ids)
        .take(10)
        .map(|(n, id)| format!("node {}: {}", id.name, n.why))
        .collect();
    if cx.common.nodes.len() > 10 {
        causes.push(format!("and {} more", cx.common.nodes.len() - 10));
    }
    Some((Reason::NoValidNode, causes.join("; ")))
}

/// Pods of old nodes that no group could ever host, with why.
fn homeless(cx: &Cx<'_>, old: &[NodeIdx]) -> FxHashMap<PodIdx, String> {
    let owned = |p: &PodIdx| cx.view.catalog.specs[cx.view.state.pods[*p].spec].owner.is_some();
    let pods: Vec<PodIdx> = old.iter().flat_map(|n| moving_pods(cx.view, *n)).filter(owned).collect();
    let packing = cx.packer.pack(cx.view, &pods, old);
    packing.unplaceable.into_iter().filter(|u| u.permanent).map(|u| (u.pod, u.why)).collect()
}

/// Why a node does not pass; None if it does.
fn judge(cx: &Cx<'_>, facts: &Facts<'_>, node: NodeIdx, nowhere: &FxHashMap<PodIdx, String>) -> Option<(Fate, String)> {
    if let Err(why) = cx.packer.match_node(cx.view, node, facts.old) {
        return Some((Fate::Invalid, format!("no Virtual Node Group matches it: {why}")));
    }
    let o = &cx.options.ocean;
    let text = |p: PodIdx| cx.view.state.pod_text(cx.view.catalog, p);
    for pod in moving_pods(cx.view, node) {
        if cx.options.procedure == ProcedureKind::OceanAzure && spot_affinity::requires_priority(facts, pod) {
            let why =
                format!("pod {} requires kubernetes.azure.com/scalesetpriority, which cannot be migrated", text(pod));
            return Some((Fate::Invalid, why));
        }
        if let Some(why) = nowhere.get(&pod) {
            return Some((Fate::Invalid, format!("no group can host pod {} ({why})", text(pod))));
        }
        if !o.evict_stand_alone_pods && stand_alone::is_stand_alone(facts, pod) {
            return Some((
                Fate::HeldByStandAlone,
                format!("pod {} has no controller and may not be evicted", text(pod)),
            ));
        }
        if let Some(key) = restrict_scale_down::holds(cx.view, pod).filter(|_| o.respect_restrict_scale_down) {
            return Some((Fate::HeldByRestriction, format!("pod {} carries {key}", text(pod))));
        }
        if let Some(why) = never_evicted(facts, pod).filter(|_| o.respect_pdb) {
            return Some((Fate::HeldByBudget, format!("pod {}: {why}", text(pod))));
        }
    }
    None
}

/// Why a pod's evictions are refused for ever, if they are.
fn never_evicted(facts: &Facts<'_>, pod: PodIdx) -> Option<String> {
    if two_budgets::has_two(facts, pod) {
        return Some("it is under more than one disruption budget".into());
    }
    let [budget] = facts.budgets.budgets_of(facts.view.state.pods[pod].spec) else { return None };
    if budget_never_met::escapes(facts, *budget, pod) {
        return None;
    }
    let (why, _) = budget_never_met::never(facts.view, *budget)?;
    Some(format!("disruption budget {} can never be met: {why}", facts.view.catalog.budget_text(*budget)))
}
