//! Which nodes are Ocean's already: it launched them and manages them, so there is nothing to migrate on them.
//!
//! Ocean labels what it launches with `spotinst.io/node-lifecycle` (`spot`, `od`) and with the id of the virtual node group (on AWS:
//! launch specification) that it launched from (docs/reference/ocean.md#match-of-nodes-and-virtual-node-groups).

use super::labels::{POOL_LABELS, VNG_LABELS};
use crate::cluster::{GroupIdx, GroupOrigin, Labels, NodeGroup, NodeIdx, Sym, View};
use smallvec::SmallVec;

/// The label of every node that Ocean launched; its value is the life cycle, `spot` or `od`.
pub const LIFECYCLE_LABEL: &str = "spotinst.io/node-lifecycle";

/// The label that names the Ocean cluster of a node.
pub const CLUSTER_LABEL: &str = "spotinst.io/ocean-id";

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
    let named = VNG_LABELS
        .iter()
        .chain([&CLUSTER_LABEL])
        .find_map(|key| value(key).filter(|v| !v.is_empty()).map(|v| (*key, v)));
    if let Some((key, vng)) = named {
        return Some(format!("label {key}={vng}"));
    }
    // Another spelling of such a label, told by its value: the id of a group that was given.
    let spelt = labels.iter().find(|(key, id)| {
        catalog.text(*key).starts_with(DOMAIN) && catalog.groups.iter().any(|g| is_vng(g) && g.id == *id)
    });
    if let Some((key, id)) = spelt {
        return Some(format!("label {}={}", catalog.text(key), view.state.name(catalog, id)));
    }
    let group = catalog.groups.get(state.group?).filter(|g| is_vng(g))?;
    Some(format!("launched from virtual node group {}", catalog.text(group.id)))
}

/// Whether a group was read from Ocean's own description.
fn is_vng(group: &NodeGroup) -> bool {
    matches!(group.origin, GroupOrigin::OceanAws | GroupOrigin::OceanAzure)
}

/// Whether a node counts as Ocean's in a run of one of its procedures: it is, or the run launched it for groups of another form that stand
/// in for Ocean's (C). Where Ocean's own descriptions were given, only what comes from them counts.
pub fn counts_as_oceans(view: View<'_>, node: NodeIdx) -> bool {
    let state = &view.state.nodes[node];
    let launched = || state.created > 0 && state.group.is_some() && !view.catalog.groups.iter().any(is_vng);
    is_oceans(view, node) || launched()
}

/// The groups that old nodes leave: Ocean launches in none of them.
///
/// A group read off the nodes, or a Karpenter pool, is left by every old node of it. A group of our own form may describe the virtual node
/// group that is to replace the nodes, which has their labels and so seems to be theirs: it is left only if it is their pool by name, that is
/// if one of its labels or its name is what the nodes' pool label says (C). A virtual node group is never left: its nodes are Ocean's already.
pub fn left_groups(view: View<'_>, old: &[NodeIdx]) -> Vec<GroupIdx> {
    let mut left: Vec<GroupIdx> = Vec::new();
    // Nodes of one pool say the same of their group.
    let keys: Vec<Sym> = POOL_LABELS.iter().filter_map(|(key, _)| view.catalog.names.get(key)).collect();
    let mut asked: Vec<(GroupIdx, SmallVec<[Option<Sym>; 8]>)> = Vec::new();
    for node in old {
        let Some(index) = view.state.nodes[*node].group else { continue };
        if left.contains(&index) {
            continue;
        }
        let labels = &view.state.nodes[*node].spec.labels;
        let pool = (index, keys.iter().map(|k| labels.get(*k)).collect());
        if asked.contains(&pool) {
            continue;
        }
        asked.push(pool);
        let is_left = view.catalog.groups.get(index).is_some_and(|g| match g.origin {
            GroupOrigin::Inferred | GroupOrigin::Karpenter => true,
            GroupOrigin::OceanAws | GroupOrigin::OceanAzure => false,
            GroupOrigin::Own => is_pool_of(g, &keys, labels),
        });
        if is_left {
            left.push(index);
        }
    }
    left.sort_unstable();
    left
}

/// Whether a group is the pool that a node's labels name.
fn is_pool_of(group: &NodeGroup, keys: &[Sym], labels: &Labels) -> bool {
    keys.iter()
        .filter_map(|k| labels.get(*k).map(|v| (*k, v)))
        .any(|(k, v)| group.labels.get(k) == Some(v) || group.id == v || group.name == v)
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
            (&[("spotinst.io/ocean-id", "o-1")], Some("label spotinst.io/ocean-id=o-1")),
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

    #[test]
    fn a_group_is_left_by_the_nodes_of_its_pool() {
        let mut w = World::new();
        let m = w.machine("m4", 4000, 16, None);
        let groups = [
            w.group("old", &[("team", "api")], &[m], 10),
            w.group("pool", &[("agentpool", "old"), ("team", "api")], &[m], 10),
            w.group("vng", &[("team", "api")], &[m], 10),
        ];
        w.node("a", &[("agentpool", "old"), ("team", "api")], 4000, 16);
        let mut c = w.build();
        let node = NodeIdx(0);
        let mut left = |group, origin| {
            c.state.nodes[node].group = Some(group);
            std::sync::Arc::make_mut(&mut c.catalog).groups[group].origin = origin;
            !left_groups(View { catalog: &c.catalog, state: &c.state }, &[node]).is_empty()
        };
        assert!(left(groups[0], GroupOrigin::Own), "the pool's name");
        assert!(left(groups[1], GroupOrigin::Own), "the pool's label");
        assert!(!left(groups[2], GroupOrigin::Own), "a virtual node group with the node's labels");
        assert!(left(groups[2], GroupOrigin::Inferred) && left(groups[2], GroupOrigin::Karpenter));
        assert!(!left(groups[2], GroupOrigin::OceanAws));
    }
}
