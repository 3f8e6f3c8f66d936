//! The virtual node groups that nodes lack, written in their cloud's own form: what `discover --write-groups` writes.
//!
//! One for each combination of labels and taints, however many nodes share it. What is written reads back (`snapshot/groups`) as groups
//! that the nodes match.

use crate::cluster::*;
use crate::groups::builtin::{custom_labels, custom_taints, is_aks};
use crate::groups::matching::moving_pods;
use crate::groups::{GroupMatch, Matcher, Templates, is_oceans};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Labels that every node of a kind gets by itself: no group gives them.
const BY_ITSELF: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// Labels of control-plane nodes, which no group makes.
const CONTROL_PLANE: &[&str] = &["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Most characters of a group's name.
const NAME: usize = 50;

/// A cloud of Ocean's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// EKS: groups are `launchSpec`, and nodes match by their pods.
    Aws,
    /// AKS: groups are `virtualNodeGroup`, and nodes match by their labels and taints.
    Azure,
}

impl Cloud {
    /// The cloud of a cluster: that of its groups, else that which its nodes' labels and provider ids tell; None if neither does.
    pub fn of(cluster: &Cluster) -> Option<Cloud> {
        let (catalog, state) = (&*cluster.catalog, &cluster.state);
        let of_group = catalog.groups.iter().find_map(|g| match g.origin {
            GroupOrigin::OceanAws => Some(Cloud::Aws),
            GroupOrigin::OceanAzure => Some(Cloud::Azure),
            GroupOrigin::Karpenter | GroupOrigin::Own | GroupOrigin::Inferred => None,
        });
        let of_node = |n: NodeIdx| {
            let spec = &state.nodes[n].spec;
            let aws = |key: &str| key.starts_with("eks.amazonaws.com/") || key.starts_with("alpha.eksctl.io/");
            if is_aks(catalog, spec) {
                Some(Cloud::Azure)
            } else if spec.labels.iter().any(|(k, _)| aws(catalog.text(k)))
                || spec.provider_id.is_some_and(|id| catalog.text(id).starts_with("aws://"))
            {
                Some(Cloud::Aws)
            } else {
                None
            }
        };
        of_group.or_else(|| state.live_nodes().find_map(of_node))
    }
}

/// What is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MissingGroups {
    /// Request bodies, `{"launchSpec": …}` or `{"virtualNodeGroup": …}`, in the order of their first nodes.
    pub bodies: Vec<Value>,
    /// How many nodes they are for.
    pub nodes: usize,
    /// There were groups that were only read off the nodes, which do not count.
    pub inferred: bool,
    /// Pods that no group can help, with why: theirs is a demand for one particular node.
    pub beyond: Vec<String>,
}

/// Labels and taints in order of their text: what makes two nodes of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    labels: BTreeMap<String, String>,
    taints: Vec<(String, String, &'static str)>,
    windows: bool,
}

/// The groups that some nodes lack: those of `nodes` that match none, but for Ocean's own and the control plane's.
///
/// Groups that were only read off the nodes are not Ocean's, and match nothing. `ocean_id` is the Ocean cluster to create them in.
pub fn missing_groups(cluster: &Cluster, nodes: &[NodeIdx], cloud: Cloud, ocean_id: Option<&str>) -> MissingGroups {
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let templates = Templates::new(view);
    let groups = &view.catalog.groups;
    let inferred: Vec<GroupIdx> = groups.indices().filter(|g| groups[*g].origin == GroupOrigin::Inferred).collect();
    let matcher = Matcher::new(view, &templates, cloud == Cloud::Aws, &inferred);
    let has = |node: NodeIdx, key: &str| {
        view.catalog.names.get(key).is_some_and(|k| view.state.nodes[node].spec.labels.get(k).is_some())
    };
    let mut missing = MissingGroups { inferred: !inferred.is_empty(), ..MissingGroups::default() };
    let mut kinds: Vec<(Kind, BTreeSet<String>)> = Vec::new();
    for node in nodes.iter().copied() {
        if is_oceans(view, node) || CONTROL_PLANE.iter().any(|k| has(node, k)) {
            continue;
        }
        if !matches!(matcher.find(node), GroupMatch::None { .. }) {
            continue;
        }
        missing.nodes += 1;
        let kind = kind_of(view, node, cloud, &mut missing.beyond);
        let zone = view.state.nodes[node].spec.labels.get(view.catalog.known.zone);
        let zone = zone.map(|z| zone_number(view.state.name(view.catalog, z)).to_owned()).filter(|z| z != "0");
        match kinds.iter_mut().find(|k| k.0 == kind) {
            Some((_, zones)) => zones.extend(zone),
            None => kinds.push((kind, zone.into_iter().collect())),
        }
    }
    let mut names: BTreeSet<String> =
        groups.iter().flat_map(|g| [g.id, g.name]).map(|n| view.catalog.text(n).to_ascii_lowercase()).collect();
    for (kind, zones) in kinds {
        let name = name(&kind, &mut names);
        missing.bodies.push(match cloud {
            Cloud::Aws => launch_spec(&kind, &name, ocean_id),
            Cloud::Azure => virtual_node_group(&kind, &name, &zones, ocean_id),
        });
    }
    missing
}

/// Azure numbers its zones within a region: `westeurope-1` is zone 1.
fn zone_number(zone: &str) -> &str {
    match zone.rsplit_once('-') {
        Some((_, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => n,
        _ => zone,
    }
}

/// The labels and taints that a group for a node must have: the node's own, and on AWS what its pods ask for.
fn kind_of(view: View<'_>, node: NodeIdx, cloud: Cloud, beyond: &mut Vec<String>) -> Kind {
    let (catalog, state) = (view.catalog, view.state);
    let spec = &state.nodes[node].spec;
    let text = |s: Sym| state.name(catalog, s).to_owned();
    let mut labels: BTreeMap<String, String> =
        custom_labels(catalog, spec).into_iter().map(|(k, v)| (text(k), text(v))).collect();
    let mut taints = custom_taints(catalog, &state.nodes[node].taints);
    if cloud == Cloud::Aws {
        for pod in moving_pods(view, node) {
            let shape = catalog.shape(state.pods[pod].spec);
            for (key, value) in demanded(shape, &spec.labels) {
                let (key, value) = (text(key), text(value));
                if key == "kubernetes.io/hostname" {
                    beyond.push(format!("pod {} asks for node {value}", state.pod_text(catalog, pod)));
                } else if !BY_ITSELF.contains(&key.as_str()) && !key.starts_with("topology.") {
                    labels.entry(key).or_insert(value);
                }
            }
            // A pod may run under a taint that it does not tolerate: it was there first. Its group cannot have that taint.
            taints.retain(|t| shape.first_untolerated(std::slice::from_ref(t)).is_none());
        }
    }
    let windows = catalog.names.get("kubernetes.io/os").and_then(|k| spec.labels.get(k)).map(text);
    Kind {
        labels,
        taints: taints.iter().map(|t| (text(t.key), text(t.value), effect_name(t.effect))).collect(),
        windows: windows.as_deref() == Some("windows"),
    }
}

/// The labels that a pod demands of its node: its selector's, and those of a required affinity term, with the node's own values where it
/// has a value that will do.
fn demanded(shape: &PodShape, node: &Labels) -> Vec<(Sym, Sym)> {
    let mut all: Vec<(Sym, Sym)> = shape.node_selector.clone();
    let terms = shape.node_affinity.iter().flat_map(|a| &a.terms);
    // The term that the node satisfies as far as its labels go; else the first.
    let holds = |t: &&NodeSelectorTerm| {
        t.expressions.iter().all(|r| match r.operator {
            Operator::In => node.get(r.key).is_some_and(|v| r.values.contains(&v)),
            Operator::Exists => node.get(r.key).is_some(),
            Operator::NotIn | Operator::DoesNotExist | Operator::Gt | Operator::Lt => true,
        })
    };
    let term = terms.clone().find(holds).or_else(|| terms.clone().next());
    for r in term.iter().flat_map(|t| &t.expressions) {
        let own = node.get(r.key);
        let value = match r.operator {
            Operator::In => own.filter(|v| r.values.contains(v)).or_else(|| r.values.first().copied()),
            Operator::Exists | Operator::Gt | Operator::Lt => own,
            Operator::NotIn | Operator::DoesNotExist => None,
        };
        all.extend(value.map(|v| (r.key, v)));
    }
    all
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    }
}

/// A name that no other group has: made of the first labels, or of the first taint.
fn name(kind: &Kind, taken: &mut BTreeSet<String>) -> String {
    let pair = |k: &str, v: &str| {
        let key = k.rsplit('/').next().unwrap_or(k);
        if v.is_empty() { key.to_owned() } else { format!("{key}-{v}") }
    };
    let mut parts: Vec<String> = kind.labels.iter().take(3).map(|(k, v)| pair(k, v)).collect();
    if parts.is_empty() {
        parts.extend(kind.taints.first().map(|(k, v, _)| pair(k, v)));
    }
    if parts.is_empty() {
        parts.push(if kind.windows { "windows" } else { "default" }.to_owned());
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let base: String = parts.join("-").chars().map(plain).take(NAME).collect();
    let base = base.trim_matches('-').to_owned();
    let mut name = base.clone();
    let mut n = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{n}");
        n += 1;
    }
    name
}

fn taints_json(kind: &Kind) -> Value {
    kind.taints.iter().map(|(k, v, e)| json!({ "key": k, "value": v, "effect": e })).collect()
}

/// The fields that both clouds' forms begin with.
fn head(name: &str, ocean_id: Option<&str>) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(id) = ocean_id {
        body.insert("oceanId".into(), id.into());
    }
    body.insert("name".into(), name.into());
    body
}

/// The body of `POST /ocean/aws/k8s/launchSpec`.
fn launch_spec(kind: &Kind, name: &str, ocean_id: Option<&str>) -> Value {
    let mut body = head(name, ocean_id);
    let labels: Value = kind.labels.iter().map(|(k, v)| json!({ "key": k, "value": v })).collect();
    body.insert("labels".into(), labels);
    body.insert("taints".into(), taints_json(kind));
    json!({ "launchSpec": body })
}

/// The body of `POST /ocean/azure/np/virtualNodeGroup`.
fn virtual_node_group(kind: &Kind, name: &str, zones: &BTreeSet<String>, ocean_id: Option<&str>) -> Value {
    let mut body = head(name, ocean_id);
    if !zones.is_empty() {
        body.insert("availabilityZones".into(), json!(zones));
    }
    body.insert("labels".into(), json!(kind.labels));
    body.insert("taints".into(), taints_json(kind));
    if kind.windows {
        body.insert("nodePoolProperties".into(), json!({ "osType": "Windows" }));
    }
    json!({ "virtualNodeGroup": body })
}

/// The Ocean cluster that groups or nodes name: `oceanId` of a description, or the nodes' label. None if there is none, or more than one.
pub fn ocean_id(descriptions: &[(String, Value)], cluster: &Cluster) -> Option<String> {
    let mut ids = BTreeSet::new();
    descriptions.iter().for_each(|(_, value)| collect_ids(value, &mut ids));
    let key = cluster.catalog.names.get(crate::groups::membership::CLUSTER_LABEL);
    let labels = cluster.state.live_nodes().filter_map(|n| cluster.state.nodes[n].spec.labels.get(key?));
    ids.extend(labels.map(|v| cluster.catalog.text(v).to_owned()));
    if ids.len() == 1 { ids.pop_first() } else { None }
}

fn collect_ids(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| collect_ids(v, ids)),
        Value::Object(fields) => {
            ids.extend(fields.get("oceanId").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned));
            fields.values().for_each(|v| collect_ids(v, ids));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
