//! What a pod itself says against being moved: that it has no controller, or a mark that holds its node.

use crate::cluster::{PodIdx, View};

/// Whether nothing recreates a pod: no controller at all.
pub fn is_stand_alone(view: View<'_>, pod: PodIdx) -> bool {
    let spec = &view.catalog.specs[view.state.pods[pod].spec];
    spec.owner.is_none() && !spec.mirror
}

/// Keys and the value that holds a node (docs/ocean.md), as label or annotation.
const HOLDS: [(&str, &str); 2] =
    [("spotinst.io/restrict-scale-down", "true"), ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false")];

/// The key by which a pod holds its node, if it does.
pub fn holds(view: View<'_>, pod: PodIdx) -> Option<&'static str> {
    let (c, spec) = (view.catalog, &view.catalog.specs[view.state.pods[pod].spec]);
    HOLDS.iter().find_map(|(key, value)| {
        let (k, v) = (c.names.get(key)?, c.names.get(value)?);
        (spec.labels.get(k) == Some(v) || spec.annotations.contains(&(k, v))).then_some(*key)
    })
}
