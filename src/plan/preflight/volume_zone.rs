//! A volume whose zone has no node: the pod that mounts it has no home although its other wishes could be met.

use super::Facts;
use super::no_host::report;
use crate::cluster::Finding;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    report(facts, true, "volume-zone", |_, text| {
        (
            format!("its volume can be used neither on a node that a group makes nor on one that remains ({text})"),
            "Add the volume's zone to a group that fits, or move the data to a volume elsewhere first.".into(),
        )
    })
}
