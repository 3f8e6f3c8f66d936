//! Pods that may land on nodes of another architecture or operating system than the one they run on, because nothing of theirs says
//! which they need: whether their image is there for both is not known.

use super::Facts;
use super::hosts::node_refusal;
use crate::cluster::{Finding, NodeIdx, OwnerIdx, PodIdx, Severity, Sym};
use crate::groups::eligible::refusal;
use crate::groups::volumes::VolumeNeeds;
use std::collections::{BTreeMap, BTreeSet};

/// The label, and what it says in words.
const LABELS: [(&str, &str); 2] = [("kubernetes.io/arch", "architecture"), ("kubernetes.io/os", "operating system")];

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    LABELS.iter().flat_map(|(key, what)| differing(facts, key, what)).collect()
}

/// Which workloads have a ready pod on a node with which value.
fn running(facts: &Facts<'_>, key: Sym) -> BTreeSet<(OwnerIdx, Sym)> {
    let s = facts.view.state;
    let on = |p: PodIdx| {
        let node = s.pods[p].node.filter(|_| s.pods[p].ready)?;
        Some((facts.owner(p)?, s.nodes[node].spec.labels.get(key)?))
    };
    s.live_pods().filter_map(on).collect()
}

fn differing(facts: &Facts<'_>, key: &str, what: &str) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let Some(key_sym) = c.names.get(key) else { return Vec::new() };
    let old: BTreeSet<NodeIdx> = facts.old.iter().copied().collect();
    let stays: Vec<NodeIdx> = s.live_nodes().filter(|n| !old.contains(n) && facts.is_home(*n)).collect();
    let left = facts.left();
    let launched = || facts.templates.all().iter().filter(|t| !left.contains(&t.group));
    let mut known: BTreeMap<(u32, Sym), BTreeSet<Sym>> = BTreeMap::new();
    let mut on_both: Option<BTreeSet<(OwnerIdx, Sym)>> = None;
    let mut found: BTreeMap<(String, String), Vec<PodIdx>> = BTreeMap::new();
    for (node, pods) in facts.moving() {
        let Some(here) = s.nodes[node].spec.labels.get(key_sym) else { continue };
        let others = stays.iter().any(|n| s.nodes[*n].spec.labels.get(key_sym).is_some_and(|v| v != here))
            || launched().any(|t| t.labels.get(key_sym).is_some_and(|v| v != here));
        for pod in pods.into_iter().filter(|_| others) {
            let spec = &c.specs[s.pods[pod].spec];
            let shape = c.shape(s.pods[pod].spec);
            let differs = known.entry((spec.shape.0, here)).or_insert_with(|| {
                let needs = VolumeNeeds::of(facts.view, spec);
                let differs = |value: Option<Sym>| value.filter(|v| *v != here);
                let on_nodes = stays.iter().filter(|n| node_refusal(facts, **n, pod, &needs).is_none());
                let on_nodes = on_nodes.filter_map(|n| differs(s.nodes[*n].spec.labels.get(key_sym)));
                let on_new = launched().filter(|t| refusal(facts.view, t, shape, &needs).is_none());
                on_nodes.chain(on_new.filter_map(|t| differs(t.labels.get(key_sym)))).collect()
            });
            // A workload that runs on both already has images for both.
            if differs.is_empty() {
                continue;
            }
            let on_both = on_both.get_or_insert_with(|| running(facts, key_sym));
            let has_both = |v: Sym| facts.owner(pod).is_some_and(|owner| on_both.contains(&(owner, v)));
            let there: BTreeSet<&str> = differs.iter().filter(|v| !has_both(**v)).map(|v| c.text(*v)).collect();
            if !there.is_empty() {
                let there = there.into_iter().collect::<Vec<_>>().join(", ");
                found.entry((c.text(here).to_owned(), there)).or_default().push(pod);
            }
        }
    }
    let mut findings = Vec::new();
    for ((here, there), pods) in found {
        for (object, pods) in facts.by_workload(pods) {
            findings.push(Finding::new(
                Severity::Warning,
                "architecture-differs",
                object,
                format!(
                    "its pods run on nodes with {what} {here} and may be placed on nodes with {there}; the simulation lets them start there, which they \
                     do only if their images are made for it: {}",
                    facts.names(&pods)
                ),
                format!("Check that the images are made for {there}, or give the pods a node selector for {key}."),
            ));
        }
    }
    findings
}
