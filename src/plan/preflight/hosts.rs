//! Where a pod could live: on what groups make, or on a node that stays.

use super::Facts;
use crate::cluster::{GroupIdx, NodeIdx, PodIdx, ResIdx};
use crate::groups::eligible::refusal;
use crate::groups::volumes::VolumeNeeds;
use crate::groups::{Refusal, Template};
use rustc_hash::{FxHashMap, FxHashSet};

/// Why a pod has no home: what each group refuses, and each node that stays (a code and how many nodes).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Homeless {
    /// First refusal of each group.
    pub groups: Vec<Refusal>,
    /// Refusals of nodes that stay, by text.
    pub nodes: Vec<(String, u32)>,
    /// Every refusal is about a volume's zone.
    pub by_volume: bool,
}

/// Whether a node that stays could ever host a pod, were it empty; else why not (the scheduler's filters that do not
/// depend on other pods).
pub(super) fn node_refusal(
    facts: &Facts<'_>,
    node: NodeIdx,
    pod: PodIdx,
    needs: &VolumeNeeds,
) -> Option<(bool, String)> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let (n, shape) = (&s.nodes[node], c.shape(s.pods[pod].spec));
    let labels = &n.spec.labels;
    if shape.node_selector.iter().any(|(k, v)| labels.get(*k) != Some(*v)) {
        return Some((false, "do not match the node selector".into()));
    }
    if shape.node_affinity.as_ref().is_some_and(|a| !a.matches(labels, n.spec.name, &c.names)) {
        return Some((false, "do not match the required node affinity".into()));
    }
    // A cordon may be lifted, but not by this migration.
    if n.unschedulable {
        return Some((false, "are cordoned".into()));
    }
    let passing = [c.known.not_ready_taint, c.known.unreachable_taint, c.known.unschedulable_taint];
    let lasting: Vec<_> = n.taints.iter().filter(|t| !passing.contains(&t.key)).copied().collect();
    if shape.first_untolerated(&lasting).is_some() {
        return Some((false, "have a taint that is not tolerated".into()));
    }
    let short = shape.requests.amounts.iter().find(|(r, a)| n.spec.allocatable(ResIdx(r.0)) < *a);
    if let Some((r, _)) = short {
        return Some((false, format!("have too little {} even if empty", c.text(c.resources[r.0 as usize]))));
    }
    needs.refusal(facts.view, labels, n.spec.name).map(|t| (true, t))
}

/// The moving pods for which there is no home, with why; equal pods are judged once.
pub fn homeless(facts: &Facts<'_>) -> Vec<(PodIdx, Homeless)> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let old: FxHashSet<NodeIdx> = facts.old.iter().copied().collect();
    let stays: Vec<NodeIdx> = s.live_nodes().filter(|n| !old.contains(n) && facts.is_home(*n)).collect();
    let left = facts.closed();
    let mut known: FxHashMap<(u32, VolumeNeeds), Option<Homeless>> = FxHashMap::default();
    let mut found = Vec::new();
    for (_, pods) in facts.moving() {
        for pod in pods {
            let spec = &c.specs[s.pods[pod].spec];
            if spec.owner.is_none() {
                continue;
            }
            let needs = VolumeNeeds::of(facts.view, spec);
            let key = (spec.shape.0, needs);
            if !known.contains_key(&key) {
                let verdict = judge(facts, &stays, &left, pod, &key.1);
                known.insert(key.clone(), verdict);
            }
            if let Some(Some(h)) = known.get(&key) {
                found.push((pod, h.clone()));
            }
        }
    }
    found
}

fn judge(
    facts: &Facts<'_>,
    stays: &[NodeIdx],
    left: &[GroupIdx],
    pod: PodIdx,
    needs: &VolumeNeeds,
) -> Option<Homeless> {
    let c = facts.view.catalog;
    let shape = c.shape(facts.view.state.pods[pod].spec);
    let mut h = Homeless::default();
    for group in c.groups.indices().filter(|g| !c.groups[*g].template_only && c.groups[*g].max_count > 0) {
        if left.contains(&group) {
            h.groups.push(Refusal { group, code: "source-group", text: facts.options.closed_reason().into() });
            continue;
        }
        let mut first = None;
        for template in facts.templates.of(group) {
            match refusal(facts.view, template, shape, needs) {
                None => return None,
                some => first = first.or(some),
            }
        }
        h.groups.extend(first);
    }
    let mut by_volume = h.groups.iter().filter(|r| r.code != "source-group").all(|r| r.code == "volume-zone");
    for node in stays {
        let (volume, text) = node_refusal(facts, *node, pod, needs)?;
        by_volume &= volume;
        match h.nodes.iter_mut().find(|n| n.0 == text) {
            Some(n) => n.1 += 1,
            None => h.nodes.push((text, 1)),
        }
    }
    // A volume keeps it if there would be a home without it.
    let free = VolumeNeeds::default();
    let may = |t: &Template| !left.contains(&t.group);
    h.by_volume = !needs.volumes.is_empty()
        && (by_volume
            || facts.templates.all().iter().any(|t| may(t) && refusal(facts.view, t, shape, &free).is_none())
            || stays.iter().any(|n| node_refusal(facts, *n, pod, &free).is_none()));
    Some(h)
}

impl Homeless {
    /// All refusals as one text.
    pub fn text(&self, facts: &Facts<'_>) -> String {
        let group = |r: &Refusal| {
            format!("group {}: {}", facts.view.catalog.text(facts.view.catalog.groups[r.group].id), r.text)
        };
        let mut parts: Vec<String> = self.groups.iter().take(4).map(group).collect();
        if self.groups.len() > 4 {
            parts.push(format!("{} more groups", self.groups.len() - 4));
        }
        let whose = if facts.only_oceans() { " of Ocean's" } else { "" };
        parts.extend(self.nodes.iter().map(|(t, n)| format!("{n} remaining nodes{whose} {t}")));
        if parts.is_empty() {
            parts.push(format!("there is no group and no remaining node{whose}"));
        }
        parts.join("; ")
    }
}
