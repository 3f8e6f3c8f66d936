//! What depends on what: ownership, selectors, configuration, claims, backends, names of Services in texts, webhooks, definitions.
//!
//! An arrow goes from who depends to what it depends on. Names of Services in environments, arguments and configuration are weak arrows: they are
//! read off texts, and a program may know a Service by other ways that nobody sees.

use super::claims;
use super::inventory::{Inventory, Item};
use super::object::ObjectId;
use super::rules::{self, Standing};
use super::services::{Services, services, services_named};
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde_json::{Map, Value};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Why an object depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is in the namespace.
    Namespace,
    /// Its kind is defined by it.
    Definition,
    /// A Service, budget or policy selects its pods; a claim's pod.
    Selects,
    /// It uses the ConfigMap, Secret, service account, class or claim.
    Uses,
    /// It sends requests there: a backend of an Ingress, a webhook.
    Backend,
    /// It scales the workload.
    Scales,
    /// It binds the role or account.
    Binds,
    /// A text names the Service.
    Names,
}

impl Why {
    /// As it is shown.
    pub fn text(self) -> &'static str {
        match self {
            Why::Namespace => "in",
            Why::Definition => "defined by",
            Why::Selects => "selects",
            Why::Uses => "uses",
            Why::Backend => "sends to",
            Why::Scales => "scales",
            Why::Binds => "binds",
            Why::Names => "names",
        }
    }

    /// Read off a text.
    pub fn is_weak(self) -> bool {
        self == Why::Names
    }
}

/// The graph of the objects that move.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    graph: DiGraph<ObjectId, Why>,
    index: BTreeMap<ObjectId, NodeIndex>,
}

impl Graph {
    /// The graph of an inventory.
    pub fn of(inventory: &Inventory) -> Graph {
        let mut graph = Graph::default();
        let moving: Vec<&Item> = inventory.items().filter(|i| rules::standing(i) == Standing::Moves).collect();
        for item in &moving {
            let node = graph.graph.add_node(item.id.clone());
            graph.index.insert(item.id.clone(), node);
        }
        let services = services(moving.iter().map(|i| &i.object));
        let definitions: BTreeMap<(&str, &str), &ObjectId> = inventory
            .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
            .filter_map(|d| Some(((d.text("/spec/group")?, d.text("/spec/names/kind")?), &d.id)))
            .collect();
        let mut workloads: BTreeMap<Option<&str>, Vec<&Item>> = BTreeMap::new();
        for item in moving.iter().copied().filter(|i| rules::template(i).is_some()) {
            workloads.entry(item.id.namespace()).or_default().push(item);
        }
        for item in &moving {
            graph.common(&definitions, item);
            graph.references(inventory, item);
            graph.selects(item, workloads.get(&item.id.namespace()).map_or(&[][..], Vec::as_slice));
            graph.names(inventory, item, &services);
        }
        graph
    }

    /// The objects.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.index.keys()
    }

    /// What an object depends on, and why, in order of names.
    pub fn needs(&self, id: &ObjectId) -> BTreeMap<&ObjectId, Why> {
        let Some(node) = self.index.get(id) else { return BTreeMap::new() };
        let edges = self.graph.edges(*node).map(|e| (&self.graph[e.target()], *e.weight()));
        let mut all = BTreeMap::new();
        for (target, why) in edges {
            // The strongest reason.
            let entry = all.entry(target).or_insert(why);
            *entry = (*entry).min(why);
        }
        all
    }

    /// Circles, each with its objects in order of names, in order of their first ones.
    pub fn cycles(&self) -> Vec<Vec<ObjectId>> {
        let mut cycles: Vec<Vec<ObjectId>> = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|c| c.len() > 1)
            .map(|c| {
                let mut ids: Vec<ObjectId> = c.into_iter().map(|n| self.graph[n].clone()).collect();
                ids.sort();
                ids
            })
            .collect();
        cycles.sort();
        cycles
    }

    /// Everything that some of the objects depend on, however far; one of them only where something depends on it.
    pub fn all_needs<'o>(&self, of: impl IntoIterator<Item = &'o ObjectId>) -> BTreeSet<&ObjectId> {
        let mut next: Vec<NodeIndex> = Vec::new();
        for id in of {
            next.extend(self.index.get(id).into_iter().flat_map(|n| self.graph.neighbors(*n)));
        }
        let mut seen: BTreeSet<&ObjectId> = BTreeSet::new();
        while let Some(node) = next.pop() {
            if seen.insert(&self.graph[node]) {
                next.extend(self.graph.neighbors(node));
            }
        }
        seen
    }

    /// For each object that depends on some of these, however far, the first of them by name.
    pub fn first_needs<'o>(&self, of: &BTreeSet<&'o ObjectId>) -> BTreeMap<&ObjectId, &'o ObjectId> {
        let mut first: BTreeMap<&ObjectId, &'o ObjectId> = BTreeMap::new();
        for id in of {
            let Some(node) = self.index.get(*id) else { continue };
            let users = |node: NodeIndex| self.graph.neighbors_directed(node, Direction::Incoming);
            let mut next: Vec<NodeIndex> = users(*node).collect();
            while let Some(node) = next.pop() {
                // Who depends on an object that has its first already has it, too.
                if let Entry::Vacant(entry) = first.entry(&self.graph[node]) {
                    entry.insert(*id);
                    next.extend(users(node));
                }
            }
        }
        first
    }

    /// The graph in the language of Graphviz; `label` gives each object its group (a wave).
    pub fn dot(&self, group: impl Fn(&ObjectId) -> Option<String>) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut groups: BTreeMap<Option<String>, Vec<&ObjectId>> = BTreeMap::new();
        self.index.keys().for_each(|id| groups.entry(group(id)).or_default().push(id));
        let mut out =
            "digraph transfer {\n  rankdir=RL;\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n".to_owned();
        for (name, ids) in groups {
            if let Some(name) = &name {
                let _ =
                    writeln!(out, "  subgraph {} {{\n    label={};", quoted(&format!("cluster_{name}")), quoted(name));
            }
            for id in ids {
                let text = format!("{}\n{}", id.kind(), id.as_str().split_once('/').map_or("", |(_, rest)| rest));
                let _ = writeln!(out, "    {} [label={}];", quoted(id.as_str()), quoted(&text).replace('\n', "\\n"));
            }
            if name.is_some() {
                out.push_str("  }\n");
            }
        }
        for id in self.index.keys() {
            for (target, why) in self.needs(id) {
                let style = if why.is_weak() { ", style=dashed" } else { "" };
                let _ = writeln!(
                    out,
                    "  {} -> {} [label={}{style}];",
                    quoted(id.as_str()),
                    quoted(target.as_str()),
                    quoted(why.text())
                );
            }
        }
        out.push_str("}\n");
        out
    }

    fn arrow(&mut self, from: &ObjectId, to: &ObjectId, why: Why) {
        if let (Some(a), Some(b)) = (self.index.get(from), self.index.get(to))
            && a != b
        {
            self.graph.add_edge(*a, *b, why);
        }
    }

    fn to(&mut self, item: &Item, group: &str, kind: &str, namespace: Option<&str>, name: &str, why: Why) {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        self.arrow(&item.id, &ObjectId::new(&version, kind, namespace, name), why);
    }

    fn common(&mut self, definitions: &BTreeMap<(&str, &str), &ObjectId>, item: &Item) {
        if let Some(namespace) = item.id.namespace() {
            self.to(item, "", "Namespace", None, namespace, Why::Namespace);
        }
        if let Some(definition) = definitions.get(&(item.id.group(), item.id.kind())) {
            self.arrow(&item.id, definition, Why::Definition);
        }
    }

    fn references(&mut self, inventory: &Inventory, item: &Item) {
        let namespace = item.id.namespace();
        if let Some(template) = rules::template(item) {
            self.pods(item, template);
            for claim in claims::claims_of(inventory, item) {
                self.to(item, "", "PersistentVolumeClaim", namespace, &claim.name, Why::Uses);
            }
        }
        let text = |place: &str| item.text(place);
        match (item.id.group(), item.id.kind()) {
            ("", "PersistentVolumeClaim") => {
                if let Some(class) = text("/spec/storageClassName") {
                    self.to(item, "storage.k8s.io", "StorageClass", None, class, Why::Uses);
                }
            }
            ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject") => {
                if let Some(name) = text("/spec/scaleTargetRef/name") {
                    let kind = text("/spec/scaleTargetRef/kind").unwrap_or("Deployment");
                    let api = text("/spec/scaleTargetRef/apiVersion").unwrap_or("apps/v1");
                    self.arrow(&item.id, &ObjectId::new(api, kind, namespace, name), Why::Scales);
                }
                for trigger in list(&item.object, "/spec/triggers") {
                    if let Some(name) = trigger.pointer("/authenticationRef/name").and_then(Value::as_str) {
                        self.to(item, "keda.sh", "TriggerAuthentication", namespace, name, Why::Uses);
                    }
                }
            }
            ("networking.k8s.io", "Ingress") => {
                let paths = list(&item.object, "/spec/rules").iter().flat_map(|r| list(r, "/http/paths"));
                let backends: Vec<&Value> =
                    paths.filter_map(|p| p.get("backend")).chain(item.object.pointer("/spec/defaultBackend")).collect();
                for name in backends.into_iter().filter_map(|b| b.pointer("/service/name")?.as_str()) {
                    self.to(item, "", "Service", namespace, name, Why::Backend);
                }
            }
            ("gateway.networking.k8s.io", _) => {
                for rule in list(&item.object, "/spec/rules") {
                    for backend in list(rule, "/backendRefs") {
                        let of = backend.get("namespace").and_then(Value::as_str).or(namespace);
                        if let Some(name) = backend.get("name").and_then(Value::as_str) {
                            self.to(item, "", "Service", of, name, Why::Backend);
                        }
                    }
                }
                for parent in list(&item.object, "/spec/parentRefs") {
                    let of = parent.get("namespace").and_then(Value::as_str).or(namespace);
                    if let Some(name) = parent.get("name").and_then(Value::as_str) {
                        self.to(item, "gateway.networking.k8s.io", "Gateway", of, name, Why::Uses);
                    }
                }
                if let Some(class) = text("/spec/gatewayClassName") {
                    self.to(item, "gateway.networking.k8s.io", "GatewayClass", None, class, Why::Uses);
                }
            }
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
                let (kind, name) =
                    (text("/roleRef/kind").unwrap_or_default(), text("/roleRef/name").unwrap_or_default());
                let of = if kind == "Role" { namespace } else { None };
                self.to(item, "rbac.authorization.k8s.io", kind, of, name, Why::Binds);
                for subject in list(&item.object, "/subjects") {
                    if subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount") {
                        let of = subject.get("namespace").and_then(Value::as_str).or(namespace);
                        self.to(
                            item,
                            "",
                            "ServiceAccount",
                            of,
                            subject.get("name").and_then(Value::as_str).unwrap_or_default(),
                            Why::Binds,
                        );
                    }
                }
            }
            ("admissionregistration.k8s.io", _) => {
                for hook in list(&item.object, "/webhooks") {
                    let service =
                        |field: &str| hook.pointer(&format!("/clientConfig/service/{field}")).and_then(Value::as_str);
                    if let (Some(of), Some(name)) = (service("namespace"), service("name")) {
                        self.to(item, "", "Service", Some(of), name, Why::Backend);
                    }
                }
            }
            ("apiregistration.k8s.io", "APIService") => {
                if let (Some(of), Some(name)) = (text("/spec/service/namespace"), text("/spec/service/name")) {
                    self.to(item, "", "Service", Some(of), name, Why::Backend);
                }
            }
            ("external-secrets.io", "ExternalSecret") => {
                let kind = text("/spec/secretStoreRef/kind").unwrap_or("SecretStore");
                let of = if kind == "SecretStore" { namespace } else { None };
                self.to(
                    item,
                    "external-secrets.io",
                    kind,
                    of,
                    text("/spec/secretStoreRef/name").unwrap_or_default(),
                    Why::Uses,
                );
            }
            _ => {}
        }
    }

    fn pods(&mut self, item: &Item, template: &str) {
        let namespace = item.id.namespace();
        self.to(item, "", "ServiceAccount", namespace, rules::service_account(item, template), Why::Uses);
        if let Some(class) = item.text(&format!("{template}/spec/priorityClassName")) {
            self.to(item, "scheduling.k8s.io", "PriorityClass", None, class, Why::Uses);
        }
        let map = |graph: &mut Graph, name: Option<&Value>| {
            if let Some(name) = name.and_then(Value::as_str) {
                graph.to(item, "", "ConfigMap", namespace, name, Why::Uses);
            }
        };
        for volume in list(&item.object, &format!("{template}/spec/volumes")) {
            map(self, volume.pointer("/configMap/name"));
            for source in list(volume, "/projected/sources") {
                map(self, source.pointer("/configMap/name"));
            }
            if let Some(name) = volume.pointer("/csi/volumeAttributes/secretProviderClass").and_then(Value::as_str) {
                self.to(item, "secrets-store.csi.x-k8s.io", "SecretProviderClass", namespace, name, Why::Uses);
            }
        }
        for (_, container) in rules::containers(item, template) {
            for variable in list(container, "/env") {
                map(self, variable.pointer("/valueFrom/configMapKeyRef/name"));
            }
            for source in list(container, "/envFrom") {
                map(self, source.pointer("/configMapRef/name"));
            }
        }
        for claim in list(&item.object, "/spec/volumeClaimTemplates") {
            if let Some(class) = claim.pointer("/spec/storageClassName").and_then(Value::as_str) {
                self.to(item, "storage.k8s.io", "StorageClass", None, class, Why::Uses);
            }
        }
    }

    /// Arrows from what selects pods to the workloads of the pods, which are among those of its namespace.
    fn selects(&mut self, item: &Item, workloads: &[&Item]) {
        let selector = match (item.id.group(), item.id.kind()) {
            ("", "Service") => item.object.pointer("/spec/selector").and_then(Value::as_object),
            ("policy", "PodDisruptionBudget") => {
                item.object.pointer("/spec/selector/matchLabels").and_then(Value::as_object)
            }
            _ => return,
        };
        let Some(selector) = selector.filter(|s| !s.is_empty()) else { return };
        for workload in workloads {
            let Some(template) = rules::template(workload) else { continue };
            let labels = workload.object.pointer(&format!("{template}/metadata/labels")).and_then(Value::as_object);
            if labels.is_some_and(|l| matches(selector, l)) {
                self.arrow(&item.id, &workload.id, Why::Selects);
            }
        }
    }

    /// Weak arrows: Services that the texts of a workload, or of its ConfigMaps, name.
    fn names(&mut self, inventory: &Inventory, item: &Item, services: &Services) {
        let Some(template) = rules::template(item) else { return };
        let namespace = item.id.namespace().unwrap_or_default();
        let mut texts: Vec<&str> = Vec::new();
        for (_, container) in rules::containers(item, template) {
            texts.extend(list(container, "/env").iter().filter_map(|v| v.get("value")?.as_str()));
            for field in ["/command", "/args"] {
                texts.extend(list(container, field).iter().filter_map(Value::as_str));
            }
        }
        let used: Vec<ObjectId> =
            self.needs(&item.id).into_keys().filter(|i| i.kind() == "ConfigMap").cloned().collect();
        for id in &used {
            let data = inventory.get(id).and_then(|i| i.object.get("data")).and_then(Value::as_object);
            texts.extend(data.into_iter().flatten().filter_map(|(_, v)| v.as_str()));
        }
        let named: BTreeSet<(&str, &str)> = texts.iter().flat_map(|t| services_named(t, services, namespace)).collect();
        for (of, name) in named {
            self.to(item, "", "Service", Some(of), name, Why::Names);
        }
    }
}

fn list<'v>(value: &'v Value, place: &str) -> &'v [Value] {
    value.pointer(place).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn matches(selector: &Map<String, Value>, labels: &Map<String, Value>) -> bool {
    selector.iter().all(|(k, v)| labels.get(k) == Some(v))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::rules::tests::inventory;

    const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
data: {url: 'http://api:8080'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: x, envFrom: [{configMapRef: {name: web}}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c, image: x, args: ['--back=http://web.shop.svc']}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
";

    #[test]
    fn arrows_go_to_what_is_needed_and_circles_are_found() {
        let graph = Graph::of(&inventory(SHOP));
        let needs = |id: &str| {
            let id: ObjectId = serde_json::from_value(id.into()).expect("a name");
            graph.needs(&id).into_iter().map(|(i, w)| format!("{} {i}", w.text())).collect::<Vec<_>>()
        };
        assert_eq!(
            needs("Deployment.apps/shop/web"),
            ["uses ConfigMap/shop/web", "in Namespace/shop", "names Service/shop/api"]
        );
        assert_eq!(
            needs("HorizontalPodAutoscaler.autoscaling/shop/web"),
            ["scales Deployment.apps/shop/web", "in Namespace/shop"]
        );
        assert_eq!(needs("Service/shop/api"), ["selects Deployment.apps/shop/api", "in Namespace/shop"]);
        let cycles: Vec<Vec<&str>> =
            vec![vec!["Deployment.apps/shop/api", "Deployment.apps/shop/web", "Service/shop/api", "Service/shop/web"]];
        assert_eq!(
            graph.cycles().iter().map(|c| c.iter().map(ObjectId::as_str).collect()).collect::<Vec<Vec<_>>>(),
            cycles
        );
        let dot = graph.dot(|_| Some("W1".to_owned()));
        assert!(
            dot.contains("\"Deployment.apps/shop/web\" -> \"Service/shop/api\" [label=\"names\", style=dashed];"),
            "{dot}"
        );
    }
}
