//! What Ocean looks at before it starts: the controller, and each selected node (docs/reference/ocean.md#batches).

use super::controller;
use crate::cluster::{GroupIdx, NodeIdx, PodIdx, View};
use crate::disruption::holder::{Holder, holder};
use crate::disruption::{BudgetIndex, holds, never};
use crate::groups::Templates;
use crate::groups::eligible::refusal;
use crate::groups::matching::moving_pods;
use crate::groups::spot;
use crate::groups::volumes::VolumeNeeds;
use crate::intent::Options;
use crate::intent::options::OceanCloud;
use crate::runner::common::Fate;
use crate::runner::context::Cx;
use crate::runner::interface::Packer;
use crate::runner::outcome::Reason;
use crate::runner::refs::N;
use rustc_hash::FxHashMap;

/// One reason why a node does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What becomes of the node.
    pub fate: Fate,
    /// Stable code: `no-matching-group`, `spot-affinity`, `spot-toleration-missing`, `volume-zone`, `pod-no-host`, `stand-alone-pod`,
    /// `restrict-scale-down`, `budget-never-met`, `two-budgets`.
    pub code: &'static str,
    /// What is so.
    pub text: String,
}

/// Judges every selected node and says why the migration cannot start at all, if it cannot. Nodes that do not pass get
/// their fate here and are left out of their batches; at least one must pass (D).
pub(crate) fn refuse_start(cx: &mut Cx<'_>) -> Option<(Reason, String)> {
    if !cx.options.procedure.is_ocean() {
        return None;
    }
    if let Some(why) = controller::does_not_report(cx.view, cx.options) {
        return Some((Reason::Connectivity, why));
    }
    let old: Vec<NodeIdx> = cx.tables.nodes.iter().flatten().copied().collect();
    let validation = Validation::new(cx.view, cx.options, cx.packer, &old);
    let mut passed = 0;
    for n in (0..cx.common.nodes.len() as u32).map(N) {
        let verdict = match cx.node(n) {
            None => Some((Fate::Invalid, "the node does not exist any more".to_owned())),
            Some(node) => validation.obstacles(node).into_iter().next().map(|o| (o.fate, o.text)),
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
        .zip(cx.common.node_ids.iter())
        .take(10)
        .map(|(n, id)| format!("node {}: {}", id.name, n.why))
        .collect();
    if cx.common.nodes.len() > 10 {
        causes.push(format!("and {} more", cx.common.nodes.len() - 10));
    }
    Some((Reason::NoValidNode, causes.join("; ")))
}

/// The validation of nodes before a migration, as Ocean does it of each that is selected.
pub struct Validation<'a> {
    view: View<'a>,
    options: &'a Options,
    packer: &'a dyn Packer,
    /// Groups that give no new nodes.
    closed: Vec<GroupIdx>,
    budgets: BudgetIndex,
    /// What groups can make; empty where no rule asks.
    templates: Templates,
    /// Pods that no group could ever host, with why.
    nowhere: FxHashMap<PodIdx, String>,
}

impl<'a> Validation<'a> {
    /// Of the nodes `old` that are to be migrated together.
    pub fn new(view: View<'a>, options: &'a Options, packer: &'a dyn Packer, old: &[NodeIdx]) -> Validation<'a> {
        let nowhere = homeless(view, packer, old);
        let spot = options.procedure.ocean() == Some(OceanCloud::Azure) && spot::may_matter(view);
        let templates = if spot || !nowhere.is_empty() { Templates::new(view) } else { Templates::default() };
        let closed = packer.closed(view, old);
        Validation { view, options, packer, closed, budgets: BudgetIndex::new(view.catalog), templates, nowhere }
    }

    /// Whether it is for its volumes alone that a pod has no place.
    fn is_held_by_volume(&self, pod: PodIdx) -> bool {
        let spec = self.view.state.pods[pod].spec;
        let needs = VolumeNeeds::of(self.view, &self.view.catalog.specs[spec]);
        let (shape, none) = (self.view.catalog.shape(spec), VolumeNeeds::default());
        !needs.is_empty() && self.templates.all().iter().any(|t| refusal(self.view, t, shape, &none).is_none())
    }

    /// Why a node does not pass, the first of them first; empty if it does.
    pub fn obstacles(&self, node: NodeIdx) -> Vec<Obstacle> {
        let mut found = Vec::new();
        if let Err(why) = self.packer.match_node(self.view, node, &self.closed) {
            let text = format!("no Virtual Node Group matches it: {why}");
            found.push(Obstacle { fate: Fate::Invalid, code: "no-matching-group", text });
        }
        for pod in moving_pods(self.view, node) {
            self.pod_obstacles(pod, &mut found);
        }
        found
    }

    fn pod_obstacles(&self, pod: PodIdx, found: &mut Vec<Obstacle>) {
        let (view, o) = (self.view, &self.options.ocean);
        let azure = self.options.procedure.ocean() == Some(OceanCloud::Azure);
        let name = view.state.pod_text(view.catalog, pod);
        let mut say = |fate, code, text| found.push(Obstacle { fate, code, text });
        if azure && spot::requires_priority(view, pod) {
            let text = format!("pod {name} requires kubernetes.azure.com/scalesetpriority, which cannot be migrated");
            say(Fate::Invalid, "spot-affinity", text);
        }
        if azure && let Some(group) = spot::needs_toleration(view, &self.templates, pod) {
            let text = format!("pod {name} does not tolerate spot nodes, and group {group} launches no others");
            say(Fate::Invalid, "spot-toleration-missing", text);
        }
        if let Some(why) = self.nowhere.get(&pod) {
            let code = if self.is_held_by_volume(pod) { "volume-zone" } else { "pod-no-host" };
            say(Fate::Invalid, code, format!("no group can host pod {name} ({why})"));
        }
        if !o.evict_stand_alone_pods && holds::is_stand_alone(view, pod) {
            let text = format!("pod {name} has no controller and may not be evicted");
            say(Fate::HeldByStandAlone, "stand-alone-pod", text);
        }
        if let Some(key) = holds::holds(view, pod).filter(|_| o.respect_restrict_scale_down) {
            say(Fate::HeldByRestriction, "restrict-scale-down", format!("pod {name} carries {key}"));
        }
        if let Some((code, why)) = never_evicted(view, &self.budgets, pod).filter(|_| o.respect_pdb) {
            say(Fate::HeldByBudget, code, format!("pod {name}: {why}"));
        }
    }
}

/// Pods of old nodes that no group could ever host, with why.
fn homeless(view: View<'_>, packer: &dyn Packer, old: &[NodeIdx]) -> FxHashMap<PodIdx, String> {
    let owned = |p: &PodIdx| view.catalog.specs[view.state.pods[*p].spec].owner.is_some();
    let pods: Vec<PodIdx> = old.iter().flat_map(|n| moving_pods(view, *n)).filter(owned).collect();
    let packing = packer.pack(view, &pods, old);
    packing.unplaceable.into_iter().filter(|u| u.permanent).map(|u| (u.pod, u.why)).collect()
}

/// Why a pod's evictions are always refused, if they are, with the rule's code. Where an operator or the end of a Job decides about its budget
/// the drain finds out: the node passes.
fn never_evicted(view: View<'_>, budgets: &BudgetIndex, pod: PodIdx) -> Option<(&'static str, String)> {
    if never::has_two(view, budgets, pod) {
        return Some(("two-budgets", "it is under more than one disruption budget".into()));
    }
    let [budget] = budgets.budgets_of(view.state.pods[pod].spec) else { return None };
    if never::escapes(view, *budget, pod) {
        return None;
    }
    let (why, _) = never::never(view, *budget)?;
    if matches!(holder(view, budgets, *budget, &[pod]), Some(Holder::Operator(_) | Holder::Jobs { .. })) {
        return None;
    }
    let budget = view.catalog.budget_text(*budget);
    Some(("budget-never-met", format!("disruption budget {budget} can never be met: {why}")))
}
