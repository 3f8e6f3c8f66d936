//! Which node group a node matches, by its own labels and taints or by the pods on it (MIGRATIONS §1, VNG match).

use super::builtin::{custom_labels, custom_taints, taint_text};
use super::eligible;
use super::pack::{Choice, order_groups};
use super::template::Templates;
use super::volumes::{VolumeNeeds, requirement_text};
use crate::cluster::*;

/// What a node matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupMatch {
    /// No custom labels and no taints: the default group.
    Default,
    /// The first group, in creation order, that could make such a node.
    Group(GroupIdx),
    /// None could.
    None {
        /// The group that differs least, and how; the first of equals. None if there is no group at all.
        nearest: Option<(GroupIdx, Vec<Difference>)>,
    },
}

/// One thing in which a node differs from what a group makes, or for which a pod cannot run there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Difference {
    /// Stable code: `label`, `taint-missing`, `taint-extra`, `zone`, `machine-type`, `template-only`, `pod`.
    pub code: &'static str,
    /// What is so, as text.
    pub text: String,
}

/// Matches a node by its labels and taints, as Ocean's discovery does on Azure.
///
/// A node without custom labels and taints is `Default`. Else the first group whose labels (with those its machine types bring) cover
/// the node's custom ones, whose taints are equal, and whose zones and machine types allow it. Groups that only lend their settings
/// do not count.
pub fn match_node(view: View<'_>, node: NodeIdx) -> GroupMatch {
    let spec = &view.state.nodes[node].spec;
    let labels = custom_labels(view.catalog, &spec.labels);
    let taints = custom_taints(view.catalog, &view.state.nodes[node].taints);
    if labels.is_empty() && taints.is_empty() {
        return GroupMatch::Default;
    }
    let mut nearest: Option<(GroupIdx, Vec<Difference>)> = None;
    for (index, group) in view.catalog.groups.entries().filter(|(_, g)| !g.template_only) {
        let differences = node_differences(view.catalog, group, &spec.labels, &labels, &taints);
        if differences.is_empty() {
            return GroupMatch::Group(index);
        }
        if nearest.as_ref().is_none_or(|(_, least)| differences.len() < least.len()) {
            nearest = Some((index, differences));
        }
    }
    GroupMatch::None { nearest }
}

/// In what a node with these labels and taints differs from the nodes of a group.
fn node_differences(
    catalog: &Catalog,
    group: &NodeGroup,
    all: &Labels,
    custom: &[(Sym, Sym)],
    taints: &[Taint],
) -> Vec<Difference> {
    let kind = all.get(catalog.known.instance_type);
    let mut found = Vec::new();
    let mut say = |code, text: String| found.push(Difference { code, text });
    for (key, value) in custom {
        match group_label(catalog, group, kind, *key, *value) {
            Ok(()) => {}
            Err(None) => say("label", format!("the group lacks label {}={}", catalog.text(*key), catalog.text(*value))),
            Err(Some(other)) => say(
                "label",
                format!(
                    "the node has {}={}, the group {}",
                    catalog.text(*key),
                    catalog.text(*value),
                    catalog.text(other)
                ),
            ),
        }
    }
    let theirs = custom_taints(catalog, &group.taints);
    for t in taints.iter().filter(|t| !theirs.contains(t)) {
        say("taint-missing", format!("the group lacks taint {}", taint_text(catalog, t)));
    }
    for t in theirs.iter().filter(|t| !taints.contains(t)) {
        say("taint-extra", format!("the group has taint {}", taint_text(catalog, t)));
    }
    if let Some(zone) = all.get(catalog.known.zone).filter(|z| !group.zones.is_empty() && !group.zones.contains(z)) {
        say("zone", format!("zone {} is not among the group's", catalog.text(zone)));
    }
    let has_type = |k: Sym| group.machines.iter().any(|m| catalog.machines[*m].name == k);
    if let Some(kind) = kind.filter(|k| !group.machines.is_empty() && !has_type(*k)) {
        say("machine-type", format!("machine type {} is not among the group's", catalog.text(kind)));
    }
    found
}

/// Whether a group's nodes carry a label with this value: by the group's labels, its requirements, or one of its machine types.
/// The error is the value they carry instead, if any.
fn group_label(
    catalog: &Catalog,
    group: &NodeGroup,
    kind: Option<Sym>,
    key: Sym,
    value: Sym,
) -> Result<(), Option<Sym>> {
    if let Some(own) = group.labels.get(key) {
        return if own == value { Ok(()) } else { Err(Some(own)) };
    }
    if let Some(r) = group.requirements.expressions.iter().find(|r| r.key == key && r.operator == Operator::In) {
        return if r.values.contains(&value) { Ok(()) } else { Err(r.values.first().copied()) };
    }
    let machines = group.machines.iter().map(|m| &catalog.machines[*m]).filter(|m| kind.is_none_or(|k| m.name == k));
    let mut other = None;
    for machine in machines {
        match machine.labels.get(key) {
            Some(v) if v == value => return Ok(()),
            v => other = other.or(v),
        }
    }
    Err(other)
}

/// Matches a node by the pods on it, as Ocean's discovery does on AWS: the group, in the order in which Ocean would scale up for these
/// pods, that can host every one of them. DaemonSets' and static pods, terminal and stand-alone ones that are going do not count.
pub fn match_by_pods(view: View<'_>, templates: &Templates, node: NodeIdx) -> GroupMatch {
    let pods: Vec<PodIdx> = moving_pods(view, node);
    if pods.is_empty() {
        return match_node(view, node);
    }
    let shape = view.catalog.shape(view.state.pods[pods[0]].spec);
    let mut nearest: Option<(GroupIdx, Vec<Difference>)> = None;
    for group in order_groups(view.catalog, Choice::Ocean, shape) {
        let differences: Vec<Difference> =
            pods.iter().filter_map(|p| pod_difference(view, templates, group, *p)).collect();
        if differences.is_empty() {
            return GroupMatch::Group(group);
        }
        if nearest.as_ref().is_none_or(|(_, least)| differences.len() < least.len()) {
            nearest = Some((group, differences));
        }
    }
    GroupMatch::None { nearest }
}

/// Pods that a migration must find another place for: bound there, not terminal, not leaving, neither a DaemonSet's nor static.
pub fn moving_pods(view: View<'_>, node: NodeIdx) -> Vec<PodIdx> {
    let stays = |pod: &&PodIdx| {
        let p = &view.state.pods[**pod];
        let spec = &view.catalog.specs[p.spec];
        let daemon =
            spec.owner.is_some_and(|o| matches!(view.catalog.owners[o].kind, OwnerKind::DaemonSet | OwnerKind::Node));
        !daemon && !spec.mirror && p.deleting.is_none() && p.occupies()
    };
    view.state.nodes[node].pods.iter().filter(stays).copied().collect()
}

/// Why no node of a group can host a pod; None if one can.
pub fn pod_difference(view: View<'_>, templates: &Templates, group: GroupIdx, pod: PodIdx) -> Option<Difference> {
    let spec = view.state.pods[pod].spec;
    let needs = VolumeNeeds::of(view, &view.catalog.specs[spec]);
    let shape = view.catalog.shape(spec);
    let mut first = None;
    for template in templates.of(group) {
        match eligible::refusal(view, template, shape, &needs) {
            None => return None,
            some => first = first.or(some),
        }
    }
    let text = first.map_or_else(|| "the group has no machine type".to_string(), |r| r.text);
    Some(Difference { code: "pod", text: format!("pod {}: {text}", view.state.pod_text(view.catalog, pod)) })
}

/// A group's requirements as text, for tables.
pub fn requirements_text(catalog: &Catalog, group: &NodeGroup) -> String {
    let parts: Vec<String> = group.requirements.expressions.iter().map(|r| requirement_text(catalog, r)).collect();
    parts.join(", ")
}
