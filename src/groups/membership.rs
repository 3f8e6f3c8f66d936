//! Which nodes are Ocean's already: it launched them and manages them, so there is nothing to migrate on them.
//!
//! Ocean labels what it launches with `spotinst.io/node-lifecycle` (`spot`, `od`) and with the id of the virtual node group (on AWS:
//! launch specification) that it launched from (MIGRATIONS §5).

use crate::cluster::{GroupOrigin, NodeIdx, View};

/// The label of every node that Ocean launched; its value is the life cycle, `spot` or `od`.
pub const LIFECYCLE_LABEL: &str = "spotinst.io/node-lifecycle";

/// Labels that name the virtual node group of a node.
///
/// Only the first is seen on nodes of the wild; the others are spellings of the same that we accept (C).
pub const VNG_LABELS: &[&str] = &[
    "spotinst.io/ocean-vng-id",
    "spotinst.io/vng-id",
    "spotinst.io/ocean-launch-spec-id",
    "spotinst.io/launch-spec-id",
    "spotinst.io/launchspec-id",
];

/// The domain of Ocean's labels.
const DOMAIN: &str = "spotinst.io/";

/// Whether a node is Ocean's already: by its labels, or by the group that it was launched from.
///
/// A node that a run launches for a group of Ocean's origin is one too.
pub fn is_oceans(view: View<'_>, node: NodeIdx) -> bool {
    oceans_mark(view, node).is_some()
}

/// By what a node is Ocean's, as text for a message (`label spotinst.io/node-lifecycle=od`); None if it is not.
pub fn oceans_mark(view: View<'_>, node: NodeIdx) -> Option<String> {
    let (catalog, state) = (view.catalog, &view.state.nodes[node]);
    let labels = &state.spec.labels;
    let value = |key: &str| Some(view.state.name(catalog, labels.get(catalog.names.get(key)?)?));
    if let Some(lifecycle) = value(LIFECYCLE_LABEL) {
        return Some(format!("label {LIFECYCLE_LABEL}={lifecycle}"));
    }
    let named = VNG_LABELS.iter().find_map(|key| value(key).filter(|v| !v.is_empty()).map(|v| (*key, v)));
    if let Some((key, vng)) = named {
        return Some(format!("label {key}={vng}"));
    }
    let is_ocean = |origin| matches!(origin, GroupOrigin::OceanAws | GroupOrigin::OceanAzure);
    // Another spelling of such a label, told by its value: the id of a group that was given.
    let spelt = labels.iter().find(|(key, id)| {
        catalog.text(*key).starts_with(DOMAIN) && catalog.groups.iter().any(|g| is_ocean(g.origin) && g.id == *id)
    });
    if let Some((key, id)) = spelt {
        return Some(format!("label {}={}", catalog.text(key), view.state.name(catalog, id)));
    }
    let group = catalog.groups.get(state.group?).filter(|g| is_ocean(g.origin))?;
    Some(format!("launched from virtual node group {}", catalog.text(group.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::tests::World;

    #[test]
    fn oceans_nodes_are_known_by_label_and_by_group() {
        let mut w = World::new();
        let m = w.machine("m4", 4000, 16, None);
        let vng = w.group("vng-1", &[], &[m], 10);
        w.catalog.groups[vng].origin = GroupOrigin::OceanAzure;
        w.group("mine", &[("team", "api")], &[m], 10);
        let cases: &[(&[(&str, &str)], Option<&str>)] = &[
            (&[("spotinst.io/node-lifecycle", "od")], Some("label spotinst.io/node-lifecycle=od")),
            (&[("spotinst.io/ocean-vng-id", "vng-9")], Some("label spotinst.io/ocean-vng-id=vng-9")),
            (&[("spotinst.io/ocean-vng-id", "")], None),
            (&[("spotinst.io/some-group", "vng-1")], Some("label spotinst.io/some-group=vng-1")),
            (&[("spotinst.io/restrict-scale-down", "true")], None),
            (&[("example.com/node-lifecycle", "spot"), ("pool", "vng-1")], None),
            (&[("team", "api")], None),
        ];
        for (i, (labels, _)) in cases.iter().enumerate() {
            w.node(&format!("n{i}"), labels, 4000, 16);
        }
        let mut cluster = w.build();
        let view = View { catalog: &cluster.catalog, state: &cluster.state };
        for (node, (labels, mark)) in view.state.live_nodes().zip(cases) {
            assert_eq!(oceans_mark(view, node).as_deref(), *mark, "{labels:?}");
            assert_eq!(is_oceans(view, node), mark.is_some());
        }
        // A node without labels that was launched from one of Ocean's groups.
        let last = cluster.state.live_nodes().last().unwrap();
        cluster.state.nodes[last].group = Some(vng);
        let view = View { catalog: &cluster.catalog, state: &cluster.state };
        assert_eq!(oceans_mark(view, last).as_deref(), Some("launched from virtual node group vng-1"));
    }
}
