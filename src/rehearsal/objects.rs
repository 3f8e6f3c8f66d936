//! Objects as the API shows them: the dump's own JSON, with what the simulation knows better laid over it.

use crate::cluster::{
    BudgetIdx, BudgetStatus, Catalog, NodeIdx, OwnerIdx, OwnerKind, Phase, PodIdx, SpecIdx, State, Sym,
};
use crate::snapshot::time::format_rfc3339;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Where an object stands: plural of its kind, namespace (empty if it has none) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `pods`.
    pub plural: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Place {
    /// A place.
    pub fn new(plural: &'static str, namespace: &str, name: &str) -> Place {
        Place { plural, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// The objects that all others are made from; shared by all runs of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    /// The dump's objects of the kinds that are served, in the dump's order.
    pub served: Vec<(Place, Arc<Value>)>,
    by_place: FxHashMap<Place, Arc<Value>>,
    specs: FxHashMap<SpecIdx, Arc<Value>>,
    owners: FxHashMap<OwnerIdx, Place>,
}

/// The plural of an owner's kind, if it is one that is served.
fn plural_of(kind: OwnerKind) -> Option<&'static str> {
    Some(match kind {
        OwnerKind::Deployment => "deployments",
        OwnerKind::ReplicaSet => "replicasets",
        OwnerKind::ReplicationController => "replicationcontrollers",
        OwnerKind::StatefulSet => "statefulsets",
        OwnerKind::DaemonSet => "daemonsets",
        OwnerKind::Job => "jobs",
        OwnerKind::Node | OwnerKind::Custom => return None,
    })
}

/// The kind of an object among those that are served.
pub fn resource_of(object: &Value) -> Option<&'static crate::session::api::Resource> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    super::paths::SERVED.iter().find(|r| r.api_version == api_version && r.kind == kind)
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

impl Bases {
    /// The bases of a cluster whose objects were `originals`.
    pub fn new(catalog: &Catalog, state: &State, originals: &[Value]) -> Bases {
        let mut bases = Bases::default();
        for object in originals {
            let Some(resource) = resource_of(object) else { continue };
            let namespace = match (resource.namespaced, text(object, "/metadata/namespace")) {
                (false, _) => "",
                (true, "") => "default",
                (true, namespace) => namespace,
            };
            let place = Place::new(resource.plural, namespace, text(object, "/metadata/name"));
            let object = Arc::new(object.clone());
            if bases.by_place.insert(place.clone(), object.clone()).is_none() {
                bases.served.push((place, object));
            }
        }
        for (owner, o) in catalog.owners.entries() {
            let namespace = catalog.text(catalog.namespaces[o.namespace].name);
            let place = plural_of(o.kind).map(|p| Place::new(p, namespace, catalog.text(o.name)));
            if let Some(place) = place.filter(|p| bases.by_place.contains_key(p)) {
                bases.owners.insert(owner, place);
            }
        }
        for (_, pod) in state.pods.entries() {
            let place = pod_place(catalog, state, pod.spec, pod.name);
            if let Some(object) = bases.by_place.get(&place) {
                bases.specs.insert(pod.spec, object.clone());
            }
        }
        for (spec, s) in catalog.specs.entries() {
            let template = s.owner.and_then(|o| Some((o, bases.by_place.get(bases.owners.get(&o)?)?)));
            if let (None, Some((owner, object))) = (bases.specs.get(&spec), template) {
                let pod = pod_of_template(catalog, owner, object);
                bases.specs.insert(spec, Arc::new(pod));
            }
        }
        bases
    }
    /// The dump's object at a place.
    pub fn at(&self, place: &Place) -> Option<&Arc<Value>> {
        self.by_place.get(place)
    }

    /// A pod as it is now.
    pub fn pod(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> (Place, Value) {
        let p = &state.pods[pod];
        let place = pod_place(catalog, state, p.spec, p.name);
        let uid = state.name(catalog, p.uid);
        let base = self.specs.get(&p.spec);
        let mut object = base.map_or_else(|| bare_pod(catalog, p.spec), |b| (**b).clone());
        let original = text(&object, "/metadata/uid") == uid;
        let meta = &mut object["metadata"];
        meta["name"] = place.name.as_str().into();
        meta["namespace"] = place.namespace.as_str().into();
        meta["uid"] = uid.into();
        meta["creationTimestamp"] = moment(catalog, p.created).into();
        if let Some(deletion) = p.deleting {
            meta["deletionTimestamp"] = moment(catalog, deletion.deadline).into();
            meta["deletionGracePeriodSeconds"] = ((deletion.deadline - deletion.asked) / 1000).into();
        } else if let Some(meta) = meta.as_object_mut() {
            meta.shift_remove("deletionTimestamp");
            meta.shift_remove("deletionGracePeriodSeconds");
        }
        if !original {
            // Binding copied the first pod's node's topology onto it; a clone has its own.
            for key in ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"] {
                if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
                    labels.shift_remove(key);
                }
            }
            object["status"] = json!({});
        }
        if let Some(spec) = object["spec"].as_object_mut() {
            match p.node {
                Some(node) => spec.insert("nodeName".into(), state.node_name(catalog, node).into()),
                None => spec.shift_remove("nodeName"),
            };
        }
        pod_status(catalog, state, pod, &mut object["status"]);
        (place, object)
    }

    /// A node as it is now; `annotations` are what was patched onto it.
    pub fn node(&self, catalog: &Catalog, state: &State, node: NodeIdx) -> (Place, Value) {
        let n = &state.nodes[node];
        let name = state.node_name(catalog, node);
        let place = Place::new("nodes", "", name);
        let uid = state.name(catalog, n.spec.uid);
        let base = self.by_place.get(&place).filter(|b| text(b, "/metadata/uid") == uid);
        let mut object = base.map_or_else(|| launched_node(catalog, state, node), |b| (**b).clone());
        let spec = &mut object["spec"];
        if let Some(spec) = spec.as_object_mut() {
            spec.shift_remove("unschedulable");
            spec.shift_remove("taints");
        } else {
            *spec = json!({});
        }
        if n.unschedulable {
            spec["unschedulable"] = true.into();
        }
        if !n.taints.is_empty() {
            let taints = n.taints.iter().map(|t| {
                let mut taint = json!({"key": state.name(catalog, t.key), "effect": t.effect.as_str()});
                let value = state.name(catalog, t.value);
                if !value.is_empty() {
                    taint["value"] = value.into();
                }
                taint
            });
            spec["taints"] = taints.collect();
        }
        let ready = if n.ready { "True" } else { "False" };
        set_condition(&mut object["status"], "Ready", |c| c["status"] = ready.into());
        (place, object)
    }

    /// A controller as it is now.
    pub fn owner(&self, state: &State, owner: OwnerIdx) -> Option<(Place, Value)> {
        let place = self.owners.get(&owner)?;
        let mut object = (**self.by_place.get(place)?).clone();
        if let Some(replicas) = state.replicas[owner] {
            object["spec"]["replicas"] = replicas.into();
        }
        Some((place.clone(), object))
    }

    /// A budget as it is now.
    pub fn budget(&self, catalog: &Catalog, state: &State, budget: BudgetIdx) -> Option<(Place, Value)> {
        let b = &catalog.budgets[budget];
        let namespace = catalog.text(catalog.namespaces[b.namespace].name);
        let place = Place::new("poddisruptionbudgets", namespace, catalog.text(b.name));
        let mut object = (**self.by_place.get(&place)?).clone();
        object["status"] = budget_status(catalog, state, &state.budgets[budget]);
        Some((place, object))
    }
}

/// Where a pod stands.
pub fn pod_place(catalog: &Catalog, state: &State, spec: SpecIdx, name: Sym) -> Place {
    let namespace = catalog.namespaces[catalog.specs[spec].namespace].name;
    Place::new("pods", catalog.text(namespace), state.name(catalog, name))
}

/// A moment of the simulation in the API's words.
pub fn moment(catalog: &Catalog, ms: i64) -> String {
    format_rfc3339(catalog.taken_unix_ms + ms, 0)
}

/// A pod made from its controller's template.
fn pod_of_template(catalog: &Catalog, owner: OwnerIdx, controller: &Value) -> Value {
    let o = &catalog.owners[owner];
    let mut meta = controller.pointer("/spec/template/metadata").cloned().unwrap_or_else(|| json!({}));
    meta["ownerReferences"] = json!([{
        "apiVersion": catalog.text(o.api_version), "kind": catalog.text(o.kind_name), "name": catalog.text(o.name),
        "uid": catalog.text(o.uid), "controller": true, "blockOwnerDeletion": true,
    }]);
    let spec = controller.pointer("/spec/template/spec").cloned().unwrap_or_else(|| json!({}));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {}})
}

/// A pod of which the dump has neither an example nor a template (made by a fault): its labels, and nothing asked for.
fn bare_pod(catalog: &Catalog, spec: SpecIdx) -> Value {
    let labels: Map<String, Value> =
        catalog.specs[spec].labels.iter().map(|(k, v)| (catalog.text(k).to_owned(), catalog.text(v).into())).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "by-hand"}]}, "status": {},
    })
}

fn pod_status(catalog: &Catalog, state: &State, pod: PodIdx, status: &mut Value) {
    let p = &state.pods[pod];
    if !status.is_object() {
        *status = json!({});
    }
    status["phase"] = phase_text(p.phase).into();
    if let Some(status) = status.as_object_mut() {
        match p.nominated {
            Some(node) => status.insert("nominatedNodeName".into(), state.node_name(catalog, node).into()),
            None => status.shift_remove("nominatedNodeName"),
        };
    }
    let bound = p.node.is_some();
    if bound {
        status["startTime"] = moment(catalog, p.started).into();
    }
    if bound || p.unschedulable {
        set_condition(status, "PodScheduled", |c| {
            c["status"] = if bound { "True" } else { "False" }.into();
            c["lastTransitionTime"] = moment(catalog, if bound { p.started } else { p.created }).into();
            if let Some(c) = c.as_object_mut() {
                match bound {
                    true => c.shift_remove("reason"),
                    false => c.insert("reason".into(), "Unschedulable".into()),
                };
            }
        });
    }
    if bound {
        set_condition(status, "Ready", |c| {
            c["status"] = if p.ready { "True" } else { "False" }.into();
            c["lastTransitionTime"] = moment(catalog, p.ready_since).into();
        });
    }
    if p.preempted {
        set_condition(status, "DisruptionTarget", |c| {
            c["status"] = "True".into();
            c["reason"] = "PreemptionByScheduler".into();
        });
    }
}

/// Edits the condition of a type, made if new.
fn set_condition(status: &mut Value, kind: &str, edit: impl FnOnce(&mut Value)) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    if let Some(list) = status["conditions"].as_array_mut() {
        let found = list.iter().position(|c| c["type"] == kind);
        let at = found.unwrap_or_else(|| {
            list.push(json!({"type": kind}));
            list.len() - 1
        });
        edit(&mut list[at]);
    }
}

/// A node that the simulation launched.
fn launched_node(catalog: &Catalog, state: &State, node: NodeIdx) -> Value {
    let n = &state.nodes[node];
    let text = |s: Sym| state.name(catalog, s);
    let labels: Map<String, Value> = n.spec.labels.iter().map(|(k, v)| (text(k).to_owned(), text(v).into())).collect();
    let annotations: Map<String, Value> =
        n.spec.annotations.iter().map(|(k, v)| (text(*k).to_owned(), text(*v).into())).collect();
    let mut allocatable = Map::new();
    for (i, amount) in n.spec.allocatable.iter().enumerate().filter(|(_, a)| **a > 0) {
        let amount = if i == 0 { format!("{amount}m") } else { amount.to_string() };
        allocatable.insert(catalog.text(catalog.resources[i]).to_owned(), amount.into());
    }
    allocatable.insert("pods".into(), n.spec.pod_slots.to_string().into());
    let name = text(n.spec.name);
    let provider = n.spec.provider_id.map_or_else(|| format!("simulated:///{name}"), |p| text(p).to_owned());
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "uid": text(n.spec.uid), "labels": labels, "annotations": annotations,
            "creationTimestamp": moment(catalog, n.created),
        },
        "spec": {"providerID": provider},
        "status": {
            "allocatable": allocatable,
            "capacity": allocatable,
            "conditions": [{"type": "Ready", "lastTransitionTime": moment(catalog, n.created)}],
            "nodeInfo": {"kubeletVersion": n.spec.kubelet_version.map_or("", text), "operatingSystem": "linux"},
        },
    })
}

fn budget_status(catalog: &Catalog, state: &State, status: &BudgetStatus) -> Value {
    let disrupted: Map<String, Value> = status
        .disrupted
        .iter()
        .map(|(pod, at)| (state.name(catalog, state.pods[*pod].name).to_owned(), moment(catalog, *at).into()))
        .collect();
    let allowed = status.allowed > 0;
    let mut condition = json!({
        "type": "DisruptionAllowed", "status": if allowed { "True" } else { "False" },
        "reason": if allowed { "SufficientPods" } else { "InsufficientPods" },
    });
    if let Some(why) = &status.sync_failed {
        condition["reason"] = "SyncFailed".into();
        condition["message"] = why.as_str().into();
    }
    json!({
        "disruptionsAllowed": status.allowed, "currentHealthy": status.healthy, "desiredHealthy": status.desired,
        "expectedPods": status.expected, "observedGeneration": status.observed_generation,
        "disruptedPods": disrupted, "conditions": [condition],
    })
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
        Phase::Unknown => "Unknown",
    }
}
