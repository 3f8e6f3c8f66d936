//! Dedicated Virtual Node Groups exist for workloads with labels and taints of their own.

use super::{Judgement, Rule, count, has_vngs, some};
use crate::cluster::Severity;
use crate::groups::GroupMatch;
use crate::intent::options::OceanCloud;
use crate::plan::preflight::hosts::homeless;
use crate::plan::preflight::{Facts, vng_match};
use std::collections::BTreeMap;

/// See the module.
pub const RULE: Rule = Rule {
    name: "dedicated-groups",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => {
            "Dedicated Virtual Node Groups for your workload to enable the Ocean Autoscaler to scale up nodes."
        }
        _ => "Dedicated Virtual Node Groups for your workload will enable the Ocean Autoscaler to scale up nodes.",
    },
    source: super::prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let catalog = facts.view.catalog;
    if !has_vngs(facts.view) {
        return Judgement::unknown(
            "no Virtual Node Groups were given; groups read off the nodes are not Ocean's",
            "Give the Virtual Node Groups with --groups (the answer of Ocean's API, or a file of your own).",
        )
        .finding(Severity::Info, "virtual-node-groups-unknown", "NodeGroup");
    }
    let left = facts.left();
    let matcher = vng_match::matcher(facts, &left);
    let (mut matches, mut without): (BTreeMap<String, usize>, Vec<String>) = (BTreeMap::new(), Vec::new());
    for node in facts.old {
        match matcher.find(*node) {
            GroupMatch::Default => *matches.entry("Default".into()).or_default() += 1,
            GroupMatch::Group(g) => *matches.entry(catalog.text(catalog.groups[g].id).to_owned()).or_default() += 1,
            GroupMatch::None { .. } => without.push(facts.node(*node).to_owned()),
        }
    }
    if !without.is_empty() {
        return Judgement::fail(
            format!("no Virtual Node Group matches {}: {}", count(without.len(), "node"), some(&without, 5)),
            "Create Virtual Node Groups with their labels and taints.",
        )
        .see("no-matching-group");
    }
    let stranded: Vec<_> = homeless(facts).into_iter().filter(|(_, h)| !h.by_volume).map(|(p, _)| p).collect();
    if !stranded.is_empty() {
        return Judgement::fail(
            format!("no Virtual Node Group can host {}: {}", count(stranded.len(), "pod"), facts.names(&stranded)),
            "Create a Virtual Node Group with the labels, taints and machine types that they ask for.",
        )
        .see("pod-no-host");
    }
    let list: Vec<String> = matches.iter().map(|(id, n)| format!("{n} {id}")).collect();
    Judgement::pass(format!("every node has a match: {}", some(&list, 5)))
}
