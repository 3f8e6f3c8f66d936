//! Which node group a node matches, by its own labels and taints or by the pods on it (docs/reference/ocean.md#match-of-nodes-and-virtual-node-groups).
//!
//! Ocean's document names labels and taints (Azure), selectors, affinity and tolerations (AWS), and nothing else: machine types, zones and
//! sizes that differ are notes, for people migrate in order to change them.

use super::builtin::{custom_labels, custom_taints, is_system_label, taint_text};
use super::difference::{Difference, GroupMatch};
use super::eligible::{self, Refusal};
use super::pack::{Choice, SOURCE_GROUP, order_groups};
use super::remedy;
use super::template::Templates;
use super::volumes::{VolumeNeeds, requirement_text, selector_text};
use crate::cluster::*;

/// Matches nodes as one of Ocean's clouds does.
#[derive(Clone, Debug)]
pub struct Matcher<'a> {
    view: View<'a>,
    templates: &'a Templates,
    by_pods: bool,
    left: &'a [GroupIdx],
}

impl<'a> Matcher<'a> {
    /// By the pods on a node (AWS), or by its own labels and taints (Azure). Groups that are being left (`left`) match nothing.
    pub fn new(view: View<'a>, templates: &'a Templates, by_pods: bool, left: &'a [GroupIdx]) -> Matcher<'a> {
        Matcher { view, templates, by_pods, left }
    }

    /// What a node matches.
    pub fn find(&self, node: NodeIdx) -> GroupMatch {
        let pods = if self.by_pods { moving_pods(self.view, node) } else { Vec::new() };
        if pods.is_empty() { self.by_node(node) } else { self.by_its_pods(&pods) }
    }

    /// What is worth knowing about a match, though it is no reason against it: the group's machine types, zones and sizes are others.
    pub fn notes(&self, node: NodeIdx, group: GroupIdx) -> Vec<Difference> {
        let mut notes = node_notes(self.view, node, group);
        if self.by_pods {
            let pods = moving_pods(self.view, node);
            notes.extend(pods.iter().filter_map(|p| self.pod_note(group, *p)));
        }
        notes
    }

    fn by_node(&self, node: NodeIdx) -> GroupMatch {
        let catalog = self.view.catalog;
        let labels = custom_labels(catalog, &self.view.state.nodes[node].spec);
        let taints = custom_taints(catalog, &self.view.state.nodes[node].taints);
        if labels.is_empty() && taints.is_empty() {
            return GroupMatch::Default;
        }
        let mut nearest = Nearest::default();
        for (index, group) in catalog.groups.entries() {
            let mut differences = node_differences(catalog, group, &labels, &taints);
            differences.extend(self.unusable(index));
            if differences.is_empty() {
                return GroupMatch::Group(index);
            }
            nearest.consider(index, differences);
        }
        GroupMatch::None { nearest: nearest.0 }
    }

    /// Of the groups that Ocean would scale up for one of these pods the one that takes most of them; of several the one whose machines
    /// have room for most, then the first in Ocean's order. None if there is a pod that no group takes.
    fn by_its_pods(&self, pods: &[PodIdx]) -> GroupMatch {
        let catalog = self.view.catalog;
        let shape = |p: &PodIdx| catalog.shape(self.view.state.pods[*p].spec);
        let chooser = pods.iter().find(|p| is_constrained(shape(p))).unwrap_or(&pods[0]);
        let mut order = order_groups(catalog, Choice::Ocean, shape(chooser));
        let rest: Vec<GroupIdx> = catalog.groups.indices().filter(|g| !order.contains(g)).collect();
        order.extend(rest);
        let mut homeless: Vec<PodIdx> = pods.to_vec();
        let mut best: Option<((usize, usize), GroupIdx)> = None;
        let mut refused_by = Vec::new();
        for group in order {
            let refused: Vec<(PodIdx, Difference)> =
                pods.iter().filter_map(|p| self.pod_difference(group, *p).map(|d| (*p, d))).collect();
            if let Some(unusable) = self.unusable(group) {
                refused_by.push((group, refused, Some(unusable)));
                continue;
            }
            homeless.retain(|p| refused.iter().any(|r| r.0 == *p));
            let cramped = pods.iter().filter(|p| self.pod_room(group, **p).is_some()).count();
            let key = (refused.len(), cramped);
            if refused.len() < pods.len() && best.is_none_or(|b| key < b.0) {
                best = Some((key, group));
            }
            refused_by.push((group, refused, None));
        }
        match best {
            Some((_, group)) if homeless.is_empty() => GroupMatch::Group(group),
            _ => {
                let mut nearest = Nearest::default();
                for (group, refused, unusable) in refused_by {
                    let own = refused.into_iter().filter(|(p, _)| homeless.contains(p)).map(|(_, d)| d);
                    nearest.consider(group, own.chain(unusable).collect());
                }
                GroupMatch::None { nearest: nearest.0 }
            }
        }
    }

    /// Why a group is none that Ocean launches in, whatever it is like.
    fn unusable(&self, group: GroupIdx) -> Option<Difference> {
        let catalog = self.view.catalog;
        if catalog.groups[group].template_only {
            let text = "the group only lends its settings and launches nothing".into();
            return Some(Difference::new("template-only", text, String::new()));
        }
        let left = self.left.contains(&group);
        left.then(|| Difference::new("source-group", SOURCE_GROUP.into(), String::new()))
    }

    /// Why no node of a group takes a pod, by its selector, affinity and tolerations; None if one does.
    fn pod_difference(&self, group: GroupIdx, pod: PodIdx) -> Option<Difference> {
        let (catalog, state) = (self.view.catalog, self.view.state);
        let shape = catalog.shape(state.pods[pod].spec);
        let refusal = constraint(self.view, self.templates, group, shape)?;
        let remedy = remedy::for_pod(catalog, group, shape, refusal.code);
        Some(Difference::new("pod", format!("pod {}: {}", state.pod_text(catalog, pod), refusal.text), remedy))
    }

    /// Why no machine of a group that takes a pod has room for it (or a volume forbids it); None if one has, or none is known.
    fn pod_room(&self, group: GroupIdx, pod: PodIdx) -> Option<Refusal> {
        let spec = self.view.state.pods[pod].spec;
        let (shape, needs) =
            (self.view.catalog.shape(spec), VolumeNeeds::of(self.view, &self.view.catalog.specs[spec]));
        let mut first = None;
        for template in self.templates.of(group) {
            match eligible::refusal(self.view, template, shape, &needs) {
                None => return None,
                Some(r) => first = first.or(Some(r).filter(|r| !is_constraint(r.code))),
            }
        }
        first
    }

    fn pod_note(&self, group: GroupIdx, pod: PodIdx) -> Option<Difference> {
        let text = self.view.state.pod_text(self.view.catalog, pod);
        if let Some(d) = self.pod_difference(group, pod) {
            return Some(Difference::new("pod-elsewhere", format!("another group takes {}", d.text), String::new()));
        }
        let r = self.pod_room(group, pod)?;
        Some(Difference::new("pod-room", format!("pod {text}: {}", r.text), String::new()))
    }
}

/// The group with the fewest differences; the first of equals.
#[derive(Default)]
struct Nearest(Option<(GroupIdx, Vec<Difference>)>);

impl Nearest {
    fn consider(&mut self, group: GroupIdx, differences: Vec<Difference>) {
        if self.0.as_ref().is_none_or(|(_, least)| differences.len() < least.len()) {
            self.0 = Some((group, differences));
        }
    }
}

/// Matches a node by its labels and taints, as Ocean's discovery does on Azure.
///
/// A node without custom labels and taints is `Default`. Else the first group whose labels (with those its machine types bring) cover
/// the node's custom ones and whose taints are equal. Groups that only lend their settings do not count.
pub fn match_node(view: View<'_>, node: NodeIdx) -> GroupMatch {
    Matcher::new(view, &Templates::default(), false, &[]).find(node)
}

/// Matches a node by the pods on it, as Ocean's discovery does on AWS: the best group for their selectors, affinity and tolerations.
/// DaemonSets' and static pods, terminal ones and those that are going do not count; without any other the node itself is matched.
pub fn match_by_pods(view: View<'_>, templates: &Templates, node: NodeIdx) -> GroupMatch {
    Matcher::new(view, templates, true, &[]).find(node)
}

/// In what a node with these labels and taints differs from the nodes of a group.
fn node_differences(catalog: &Catalog, group: &NodeGroup, labels: &[(Sym, Sym)], taints: &[Taint]) -> Vec<Difference> {
    let id = catalog.text(group.id);
    let mut found = Vec::new();
    let mut say = |code, text: String, remedy: String| found.push(Difference::new(code, text, remedy));
    for (key, value) in labels {
        let label = format!("{}={}", catalog.text(*key), catalog.text(*value));
        match group_label(catalog, group, *key, *value) {
            Ok(()) => {}
            Err(None) => say("label", format!("the group lacks label {label}"), format!("add label {label} to {id}")),
            Err(Some(other)) => {
                say("label", format!("the node has {label}, the group {}", catalog.text(other)), String::new())
            }
        }
    }
    let theirs = custom_taints(catalog, &group.taints);
    for t in taints.iter().filter(|t| !theirs.contains(t)) {
        let taint = taint_text(catalog, t);
        say("taint-missing", format!("the group lacks taint {taint}"), format!("add taint {taint} to {id}"));
    }
    for t in theirs.iter().filter(|t| !taints.contains(t)) {
        let taint = taint_text(catalog, t);
        say("taint-extra", format!("the group has taint {taint}"), format!("remove taint {taint} from {id}"));
    }
    found
}

/// What of a node's place and machine a group does not offer.
fn node_notes(view: View<'_>, node: NodeIdx, group: GroupIdx) -> Vec<Difference> {
    let (catalog, group) = (view.catalog, &view.catalog.groups[group]);
    let labels = &view.state.nodes[node].spec.labels;
    let mut notes = Vec::new();
    if let Some(zone) = labels.get(catalog.known.zone).filter(|z| !group.zones.is_empty() && !group.zones.contains(z)) {
        let text = format!("zone {} is not among the group's", catalog.text(zone));
        notes.push(Difference::new("zone", text, String::new()));
    }
    let has_type = |k: Sym| group.machines.iter().any(|m| catalog.machines[*m].name == k);
    let kind = labels.get(catalog.known.instance_type);
    if let Some(kind) = kind.filter(|k| !group.machines.is_empty() && !has_type(*k)) {
        let text = format!("machine type {} is not among the group's", catalog.text(kind));
        notes.push(Difference::new("machine-type", text, String::new()));
    }
    notes
}

/// Whether a group's nodes carry a label with this value: by the group's labels, its requirements, or one of its machine types.
/// The error is the value they carry instead, if any.
fn group_label(catalog: &Catalog, group: &NodeGroup, key: Sym, value: Sym) -> Result<(), Option<Sym>> {
    if let Some(own) = group.labels.get(key) {
        return if own == value { Ok(()) } else { Err(Some(own)) };
    }
    if let Some(r) = group.requirements.expressions.iter().find(|r| r.key == key && r.operator == Operator::In) {
        return if r.values.contains(&value) { Ok(()) } else { Err(r.values.first().copied()) };
    }
    let mut other = None;
    for machine in group.machines.iter().map(|m| &catalog.machines[*m]) {
        match machine.labels.get(key) {
            Some(v) if v == value => return Ok(()),
            v => other = other.or(v),
        }
    }
    Err(other)
}

/// Codes of refusals that a pod's selector, affinity and tolerations give.
fn is_constraint(code: &str) -> bool {
    matches!(code, "node-selector" | "node-affinity" | "taint")
}

/// Whether a pod asks for particular nodes.
fn is_constrained(shape: &PodShape) -> bool {
    !shape.node_selector.is_empty() || shape.node_affinity.is_some()
}

/// What of a pod's selector, affinity and tolerations keeps it from every node of a group.
fn constraint(view: View<'_>, templates: &Templates, group: GroupIdx, shape: &PodShape) -> Option<Refusal> {
    let known = templates.of(group);
    if known.is_empty() {
        return by_description(view.catalog, group, shape);
    }
    let mut first = None;
    for template in known {
        match eligible::constraint(view.catalog, template, shape) {
            None => return None,
            some => first = first.or(some),
        }
    }
    first
}

/// The same for a group of which no machine type is known: labels that its description lacks and that the system sets (zone, machine
/// type, architecture) may be anything.
fn by_description(catalog: &Catalog, group: GroupIdx, shape: &PodShape) -> Option<Refusal> {
    let g = &catalog.groups[group];
    let open = |key: Sym| g.labels.get(key).is_none() && is_system_label(catalog.text(key));
    let no = |code, text| Some(Refusal { group, code, text });
    let selector = shape.node_selector.iter().find(|(k, v)| g.labels.get(*k) != Some(*v) && !open(*k));
    if let Some((key, value)) = selector {
        return no("node-selector", format!("node selector asks for {}={}", catalog.text(*key), catalog.text(*value)));
    }
    let holds = |t: &NodeSelectorTerm| {
        t.fields.is_empty() && t.expressions.iter().all(|r| open(r.key) || r.matches(&g.labels, &catalog.names))
    };
    if let Some(affinity) = shape.node_affinity.as_ref().filter(|a| !a.terms.iter().any(holds)) {
        return no("node-affinity", format!("required node affinity asks for {}", selector_text(catalog, affinity)));
    }
    let taint = shape.first_untolerated(&g.taints)?;
    no("taint", format!("taint {} is not tolerated", taint_text(catalog, taint)))
}

/// Pods that a migration must find another place for: bound there, not terminal, not leaving, neither a DaemonSet's nor static.
pub fn moving_pods(view: View<'_>, node: NodeIdx) -> Vec<PodIdx> {
    view.state.nodes[node].pods.iter().copied().filter(|pod| must_move(view, *pod)).collect()
}

/// Whether a pod is one of [`moving_pods`].
pub fn must_move(view: View<'_>, pod: PodIdx) -> bool {
    let p = &view.state.pods[pod];
    let spec = &view.catalog.specs[p.spec];
    let daemon =
        || spec.owner.is_some_and(|o| matches!(view.catalog.owners[o].kind, OwnerKind::DaemonSet | OwnerKind::Node));
    p.deleting.is_none() && p.occupies() && !spec.mirror && !daemon()
}

/// A group's requirements as text, for tables.
pub fn requirements_text(catalog: &Catalog, group: &NodeGroup) -> String {
    let parts: Vec<String> = group.requirements.expressions.iter().map(|r| requirement_text(catalog, r)).collect();
    parts.join(", ")
}
