//! A volume whose zone has no node: the pod that mounts it has no home although its other wishes could be met.

use super::Facts;
use super::no_host::report;
use crate::cluster::{Finding, PodIdx};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    report(facts, true, "volume-zone", |facts, pod, text| {
        let remedy = match is_on_one_node(facts, pod) {
            true => {
                "Move the data to a volume elsewhere first, or let the workload make it again: its volume is on a disk of its node, and goes with it."
            }
            false => "Add the volume's zone to a group that fits, or move the data to a volume elsewhere first.",
        };
        (
            format!("its volume can be used neither on a node that a group makes nor on one that remains ({text})"),
            remedy.into(),
        )
    })
}

/// Whether a volume of a pod is bound to a node by its name.
fn is_on_one_node(facts: &Facts<'_>, pod: PodIdx) -> bool {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let claims = c.specs[s.pods[pod].spec].claims.iter().filter_map(|r| r.claim);
    let places = claims.filter_map(|claim| s.volumes[s.claims[claim].volume?].node_affinity.as_ref());
    let mut terms = places.flat_map(|p| &p.terms);
    terms.any(|t| !t.fields.is_empty() || t.expressions.iter().any(|e| e.key == c.known.hostname))
}
