//! A pod that no group and no remaining node can host: it stays pending for ever once evicted.

use super::Facts;
use super::hosts::homeless;
use crate::cluster::{Finding, PodIdx, Severity};
use rustc_hash::FxHashMap;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    report(facts, false, "pod-no-host", |facts, _, text| {
        let nearest = text;
        (
            match facts.only_oceans() {
                true => format!("no group and no remaining node of Ocean's can host its pods ({nearest})"),
                false => format!("no group and no remaining node can host its pods ({nearest})"),
            },
            match facts.view.catalog.groups.is_empty() {
                true => "Describe a node group that fits with --groups.".to_owned(),
                false => "Make a group with the labels, taints, machine types and zones it asks for, or loosen what the pod asks.".into(),
            },
        )
    })
}

/// The homeless pods by workload, as findings.
pub(super) fn report(
    facts: &Facts<'_>,
    by_volume: bool,
    code: &str,
    words: impl Fn(&Facts<'_>, PodIdx, &str) -> (String, String),
) -> Vec<Finding> {
    let found: Vec<_> = homeless(facts).into_iter().filter(|(_, h)| h.by_volume == by_volume).collect();
    let why: FxHashMap<_, _> = found.iter().map(|(p, h)| (*p, h)).collect();
    facts
        .by_workload(found.iter().map(|f| f.0))
        .into_iter()
        .map(|(object, pods)| {
            let (message, remedy) = words(facts, pods[0], &why[&pods[0]].text(facts));
            Finding::new(Severity::Error, code, object, format!("{message}: {}", facts.names(&pods)), remedy)
        })
        .collect()
}
