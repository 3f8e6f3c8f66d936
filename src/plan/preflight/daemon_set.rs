//! DaemonSet pods that `kubectl drain` stumbles over.

use super::Facts;
use crate::cluster::{Finding, OwnerKind, Severity};
use crate::intent::select::PodChoice;
use std::collections::BTreeMap;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    if !facts.options.procedure.procedure().drains_as_kubectl() {
        return Vec::new();
    }
    let flags = &facts.options.kubectl_drain;
    let choice = PodChoice::new(facts.options);
    let mut sets: BTreeMap<String, (bool, u32)> = BTreeMap::new();
    for node in facts.old {
        for pod in s.nodes[*node].pods.iter().filter(|p| choice.takes(facts.view, **p)) {
            let owner = c.specs[s.pods[*pod].spec].owner.map(|o| (o, &c.owners[o]));
            if let Some((index, owner)) = owner.filter(|(_, o)| o.kind == OwnerKind::DaemonSet) {
                sets.entry(c.owner_text(index)).or_insert((owner.missing, 0)).1 += 1;
            }
        }
    }
    let mut findings = Vec::new();
    for (object, (missing, n)) in sets {
        if missing && !flags.force {
            findings.push(Finding::new(
                Severity::Error,
                "daemonset-missing",
                object,
                format!("the DaemonSet of {n} pods on old nodes is not in the dump: kubectl drain refuses their nodes"),
                "If it does not exist, set kubectl_drain.force; else ask for the kind daemonsets when dumping.",
            ));
        } else if !missing && !flags.ignore_daemonsets {
            findings.push(Finding::new(
                Severity::Error,
                "daemonset-refused",
                object,
                format!("{n} of its pods are on old nodes, which kubectl drain refuses without --ignore-daemonsets"),
                "Set kubectl_drain.ignore_daemonsets to true.",
            ));
        }
    }
    findings
}
