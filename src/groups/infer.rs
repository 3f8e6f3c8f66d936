//! Node groups read off a dump that came without any, and which group each node belongs to.

use super::builtin::{custom_labels, custom_taints, is_system_label, taint_text};
use super::difference::GroupMatch;
use super::labels::{POOL_LABELS, VNG_LABELS};
use super::limits::assumed_max;
use crate::cluster::*;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Labels of control-plane nodes, which belong to no group.
const CONTROL_PLANE: &[&str] = &["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// A label with more values than this, most of them on one node only, is a node's identity, not its kind.
const IDENTITY_VALUES: usize = 16;

/// What makes nodes one machine type: its label, labels that tell kinds apart, and allocatable where there is no label.
type Kind = (Option<Sym>, Vec<(Sym, Sym)>, Option<Vec<i64>>);

/// What makes nodes one group: the pool they name (or their labels and taints as text) and their taints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pool {
    label: Option<(Sym, Sym)>,
    text: String,
    taints: String,
}

/// Reads groups off the nodes: by the pool label of EKS, AKS, GKE, Karpenter, Ocean and others, else by sets of labels and taints.
///
/// Appends them to the catalogue with machine types as the nodes have them, and sets each node's group. Maximum counts are assumed
/// ([`assumed_max`]: twice what is there, at least ten more), prices unknown; findings say so. Control-plane nodes are left out.
pub fn infer_groups(cluster: &mut Cluster) -> Vec<Finding> {
    let mut pools: IndexMap<Pool, Vec<NodeIdx>> = IndexMap::new();
    for node in cluster.state.live_nodes() {
        if let Some(pool) = pool_of(cluster, node) {
            pools.entry(pool).or_default().push(node);
        }
    }
    let mut ids = BTreeSet::new();
    let mut made = Vec::new();
    for (pool, nodes) in pools {
        let mut id = pool.text.clone();
        let mut n = 2;
        while !ids.insert(id.clone()) {
            id = format!("{}-{n}", pool.text);
            n += 1;
        }
        let group = make_group(cluster, &id, &nodes);
        let index = Arc::make_mut(&mut cluster.catalog).groups.push(group);
        for node in &nodes {
            cluster.state.nodes[*node].group = Some(index);
        }
        made.push((index, nodes.len(), pool.label.map(|l| l.0)));
    }
    cluster.state.catalog_grew(&cluster.catalog);
    findings(&cluster.catalog, &made)
}

fn pool_of(cluster: &Cluster, node: NodeIdx) -> Option<Pool> {
    let catalog = &*cluster.catalog;
    let state = &cluster.state.nodes[node];
    let labels = &state.spec.labels;
    let has = |key: &str| catalog.names.get(key).and_then(|k| labels.get(k).map(|v| (k, v)));
    if CONTROL_PLANE.iter().any(|k| has(k).is_some()) {
        return None;
    }
    let taints =
        custom_taints(catalog, &state.taints).iter().map(|t| taint_text(catalog, t)).collect::<Vec<_>>().join(",");
    if let Some(label) = POOL_LABELS.iter().find_map(|(key, _)| has(key)) {
        return Some(Pool { label: Some(label), text: catalog.text(label.1).to_string(), taints });
    }
    let custom = custom_labels(catalog, &state.spec);
    let known: Vec<String> = custom
        .iter()
        .filter(|(_, v)| Some(*v) != labels.get(catalog.known.hostname) && *v != state.spec.name)
        .map(|(k, v)| format!("{}={}", catalog.text(*k), catalog.text(*v)))
        .collect();
    let text = match (known.is_empty(), taints.is_empty()) {
        (true, true) => "default".to_string(),
        (false, true) => known.join(","),
        (true, false) => taints.clone(),
        (false, false) => format!("{},{taints}", known.join(",")),
    };
    Some(Pool { label: None, text, taints })
}

fn make_group(cluster: &mut Cluster, id: &str, nodes: &[NodeIdx]) -> NodeGroup {
    let labels = common_labels(cluster, nodes);
    let machines = machine_types(cluster, nodes, &labels);
    let state = &cluster.state;
    let known = cluster.catalog.known;
    let mut zones: Vec<Sym> = Vec::new();
    for zone in nodes.iter().filter_map(|n| state.nodes[*n].spec.labels.get(known.zone)) {
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    zones.sort_by(|a, b| cluster.catalog.text(*a).cmp(cluster.catalog.text(*b)));
    let regions: BTreeSet<Option<Sym>> = nodes.iter().map(|n| state.nodes[*n].spec.labels.get(known.region)).collect();
    let region = if regions.len() == 1 { regions.into_iter().next().flatten() } else { None };
    let taints = custom_taints(&cluster.catalog, &state.nodes[nodes[0]].taints);
    let name = Arc::make_mut(&mut cluster.catalog).names.intern(id);
    NodeGroup {
        id: name,
        name,
        origin: GroupOrigin::Inferred,
        is_default: false,
        template_only: false,
        labels,
        requirements: NodeSelectorTerm::default(),
        taints,
        zones,
        region,
        machines,
        min_count: 0,
        max_count: assumed_max(nodes.len() as u32),
        limits: Vec::new(),
        weight: 0,
        headroom: Vec::new(),
        auto_headroom_percent: 0,
        launch_delay: None,
        launch_failure_ppm: 0,
        spot_percent: None,
        fallback_to_od: false,
        restrict_scale_down: false,
        draining_timeout_ms: None,
        kubernetes_version: None,
        max_is_assumed: true,
    }
}

/// Labels that every node of the group has alike, but for where and what machine each is.
fn common_labels(cluster: &Cluster, nodes: &[NodeIdx]) -> Labels {
    let first = &cluster.state.nodes[nodes[0]].spec.labels;
    let alike = |k: Sym, v: Sym| nodes.iter().all(|n| cluster.state.nodes[*n].spec.labels.get(k) == Some(v));
    Labels::new(first.iter().filter(|(k, v)| !is_place(cluster, nodes[0], *k, *v) && alike(*k, *v)))
}

/// Whether a label says where or which a node is (hostname, zone, region, machine type, topology keys, copies of its name or zone).
fn is_place(cluster: &Cluster, node: NodeIdx, key: Sym, value: Sym) -> bool {
    let catalog = &cluster.catalog;
    let known = &catalog.known;
    let spec = &cluster.state.nodes[node].spec;
    let text = catalog.text(key);
    [known.hostname, known.zone, known.region, known.zone_beta, known.region_beta, known.instance_type].contains(&key)
        || text == "beta.kubernetes.io/instance-type"
        || text.starts_with("topology.")
        || value == spec.name
        || [known.hostname, known.zone].iter().any(|k| spec.labels.get(*k) == Some(value) && is_system_label(text))
}

/// The machine types of a group's nodes, most frequent first.
///
/// Nodes are of one type when the instance-type label and the labels that tell kinds apart (GPU model, capacity type) agree; its
/// allocatable is the commonest of them, for kubelets report a few KiB more or less. Without the label, allocatable tells types apart
/// and the name is made from it, after a `~`, which no label value begins with.
fn machine_types(cluster: &mut Cluster, nodes: &[NodeIdx], common: &Labels) -> Vec<MachineIdx> {
    let kinds = kind_labels(cluster, nodes, common);
    let mut types: IndexMap<Kind, Vec<NodeIdx>> = IndexMap::new();
    for node in nodes {
        let spec = &cluster.state.nodes[*node].spec;
        let name = spec.labels.get(cluster.catalog.known.instance_type);
        let kind: Vec<(Sym, Sym)> = kinds.iter().filter_map(|k| spec.labels.get(*k).map(|v| (*k, v))).collect();
        let distinct = name.is_none().then(|| [&spec.allocatable[..], &[spec.pod_slots]].concat());
        types.entry((name, kind, distinct)).or_default().push(*node);
    }
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    types.into_iter().map(|((name, kind, _), members)| machine_type(cluster, name, kind, &members)).collect()
}

fn machine_type(cluster: &mut Cluster, name: Option<Sym>, kind: Vec<(Sym, Sym)>, members: &[NodeIdx]) -> MachineIdx {
    let mut seen: BTreeMap<(Vec<i64>, i64), usize> = BTreeMap::new();
    for node in members {
        let spec = &cluster.state.nodes[*node].spec;
        *seen.entry((spec.allocatable.clone(), spec.pod_slots)).or_default() += 1;
    }
    let commonest = seen.iter().rev().max_by_key(|(_, n)| **n).map(|(k, _)| k.clone());
    let (allocatable, pod_slots) = commonest.unwrap_or_default();
    let limits = members.iter().find_map(|n| cluster.state.nodes[*n].spec.attach_limits.clone());
    let price = members.iter().find_map(|n| cluster.state.nodes[*n].spec.price_micros_per_hour);
    let catalog = Arc::make_mut(&mut cluster.catalog);
    let name = name.unwrap_or_else(|| {
        let of = |r: ResIdx| allocatable.get(r.at()).copied().unwrap_or(0);
        catalog.names.intern(&format!("~{}m-{}Mi", of(CPU), of(MEMORY) >> 20))
    });
    let index = catalog.machines.push(MachineType {
        name,
        allocatable,
        pod_slots,
        labels: Labels::new(kind),
        zones: Vec::new(),
        price_micros_per_hour: price,
        spot_price_micros_per_hour: None,
        attach_limits: limits,
    });
    for node in members {
        Arc::make_mut(&mut cluster.state.nodes[*node].spec).machine = Some(index);
    }
    index
}

/// Label keys, in order of their text, that tell kinds of nodes in a group apart.
fn kind_labels(cluster: &Cluster, nodes: &[NodeIdx], common: &Labels) -> Vec<Sym> {
    let mut values: BTreeMap<Sym, (BTreeSet<Sym>, usize)> = BTreeMap::new();
    for node in nodes {
        for (k, v) in cluster.state.nodes[*node].spec.labels.iter() {
            if common.get(k).is_none() && !is_place(cluster, *node, k, v) {
                let entry = values.entry(k).or_default();
                entry.0.insert(v);
                entry.1 += 1;
            }
        }
    }
    let identity = |(v, n): &(BTreeSet<Sym>, usize)| v.len() > IDENTITY_VALUES && v.len() * 2 > *n;
    let mut keys: Vec<Sym> = values.iter().filter(|(_, seen)| !identity(seen)).map(|(k, _)| *k).collect();
    keys.sort_by(|a, b| cluster.catalog.text(*a).cmp(cluster.catalog.text(*b)));
    keys
}

fn findings(catalog: &Catalog, made: &[(GroupIdx, usize, Option<Sym>)]) -> Vec<Finding> {
    let mut keys: Vec<&str> = made.iter().filter_map(|(_, _, k)| k.map(|k| catalog.text(k))).collect();
    keys.sort_unstable();
    keys.dedup();
    let by = if keys.is_empty() { "sets of labels and taints".to_string() } else { keys.join(", ") };
    let list: Vec<String> = made
        .iter()
        .map(|(g, n, _)| {
            let group = &catalog.groups[*g];
            format!("{} ({n} nodes, at most {} assumed)", catalog.text(group.id), group.max_count)
        })
        .collect();
    if made.is_empty() {
        return vec![Finding::new(
            Severity::Info,
            "groups-inferred",
            "NodeGroup",
            "no node groups were given, and the nodes show none (those of the control plane belong to none): no node can be launched",
            "give the real groups with --groups",
        )];
    }
    let mut findings = vec![Finding::new(
        Severity::Info,
        "groups-inferred",
        "NodeGroup",
        format!(
            "no node groups were given; {} read off the nodes by {by}: {}. Maximum counts are assumed (twice the nodes of now, at least ten more)",
            made.len(),
            list.join(", ")
        ),
        "give the real groups with --groups",
    )];
    if made.iter().any(|(g, _, _)| {
        catalog.groups[*g].machines.iter().any(|m| catalog.machines[*m].price_micros_per_hour.is_none())
    }) {
        findings.push(Finding::new(
            Severity::Info,
            "price-unknown",
            "NodeGroup",
            "machine types read off the nodes have no price: costs are not predicted and machine types are chosen by least waste",
            "give prices with --groups or --machine-types",
        ));
    }
    findings
}

/// What a node matches where that is known without the rules of Ocean, which are about groups that Ocean made: a node that was made by
/// Karpenter, or that a group was read off, is of that group; with no group at all, and of the control plane, it is of none. None where
/// Ocean's rules are to be asked.
pub fn known_match(view: View<'_>, node: NodeIdx) -> Option<GroupMatch> {
    let groups = &view.catalog.groups;
    if let Some(group) = view.state.nodes[node].group {
        let known = matches!(groups[group].origin, GroupOrigin::Inferred | GroupOrigin::Karpenter);
        return known.then_some(GroupMatch::Group(group));
    }
    groups.iter().all(|g| g.origin == GroupOrigin::Inferred).then_some(GroupMatch::None { nearest: None })
}

/// Sets the group of each node that has none, for groups that were given.
///
/// A node belongs to a group when a pool label of the provisioner names the group's id or name; a group of our own form also has the
/// nodes that carry all its custom labels (at least one), equal taints and one of its machine types. The first group counts.
pub fn assign_groups(catalog: &Catalog, state: &mut State) {
    let nodes: Vec<NodeIdx> = state.live_nodes().collect();
    for node in nodes {
        if state.nodes[node].group.is_none() {
            let found = catalog.groups.entries().find(|(_, g)| belongs(catalog, &state.nodes[node], g)).map(|(i, _)| i);
            state.nodes[node].group = found;
        }
    }
}

fn belongs(catalog: &Catalog, node: &NodeState, group: &NodeGroup) -> bool {
    let labels = &node.spec.labels;
    let named = |keys: &[&str]| {
        keys.iter().any(|k| {
            let value = catalog.names.get(k).and_then(|k| labels.get(k));
            value.is_some_and(|v| v == group.id || v == group.name)
        })
    };
    match group.origin {
        GroupOrigin::OceanAws | GroupOrigin::OceanAzure => named(VNG_LABELS),
        GroupOrigin::Karpenter => named(&["karpenter.sh/nodepool", "karpenter.sh/provisioner-name"]),
        GroupOrigin::Inferred => false,
        GroupOrigin::Own => {
            let custom: Vec<(Sym, Sym)> = custom_or_pool(catalog, &group.labels);
            let kind = labels.get(catalog.known.instance_type);
            !custom.is_empty()
                && custom.iter().all(|(k, v)| labels.get(*k) == Some(*v))
                && custom_taints(catalog, &node.taints) == custom_taints(catalog, &group.taints)
                && (group.machines.is_empty()
                    || kind.is_none_or(|k| group.machines.iter().any(|m| catalog.machines[*m].name == k)))
        }
    }
}

/// Custom labels of a group and those that name its pool.
fn custom_or_pool(catalog: &Catalog, labels: &Labels) -> Vec<(Sym, Sym)> {
    let pool = |k: Sym| POOL_LABELS.iter().any(|(key, _)| *key == catalog.text(k));
    labels.iter().filter(|(k, _)| pool(*k) || !is_system_label(catalog.text(*k))).collect()
}
