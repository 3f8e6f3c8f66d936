//! How nodes and workloads stand at a moment, and whether that is as before.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStands {
    /// It reports that it is ready.
    Ready,
    /// It reports that it is not.
    NotReady,
    /// Nothing was heard of it.
    Unknown,
}

/// Nodes and workloads at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Masters that are there.
    pub masters: BTreeMap<String, NodeStands>,
    /// Every other node.
    pub workers: BTreeMap<String, NodeStands>,
    /// Ready pods of each workload (`Deployment/shop/web`) that are not on masters; a pod without an owner is a workload of its own. Jobs end by
    /// themselves and are not among them.
    pub ready: BTreeMap<String, u32>,
    /// Nodes with a ready pod of each DaemonSet; static pods (`Node/kube-system/worker-1`) are here too. They come and go with their nodes.
    pub of_nodes: BTreeMap<String, BTreeSet<String>>,
}

/// A text in an object, empty where there is none.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `namespace/name`, or the name alone.
pub(super) fn name_of(object: &Value) -> String {
    let name = text(object, "/metadata/name");
    match text(object, "/metadata/namespace") {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    }
}

/// The reference to an object's controller.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    object.pointer("/metadata/ownerReferences")?.as_array()?.iter().find(|o| o["controller"] == true)
}

/// The status of the condition Ready; empty where there is none.
fn ready(object: &Value) -> &str {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.and_then(|c| c.iter().find(|c| c["type"] == "Ready")).map_or("", |c| text(c, "/status"))
}

/// How a node stands.
pub(super) fn node_stands(node: &Value) -> NodeStands {
    match ready(node) {
        "True" => NodeStands::Ready,
        "False" => NodeStands::NotReady,
        _ => NodeStands::Unknown,
    }
}

impl NodeStands {
    /// Of a node's object.
    pub fn of(node: &Value) -> NodeStands {
        node_stands(node)
    }
}

impl Look {
    /// Of objects, of which nodes, pods and ReplicaSets are looked at.
    pub fn of<'v>(objects: impl IntoIterator<Item = &'v Value> + Clone, masters: &BTreeSet<String>) -> Look {
        let mut look = Look::default();
        // A Deployment's pods are its ReplicaSets'.
        let mut above: BTreeMap<&str, String> = BTreeMap::new();
        for set in objects.clone().into_iter().filter(|o| o["kind"] == "ReplicaSet") {
            if let Some(owner) = controller(set) {
                above.insert(text(set, "/metadata/uid"), workload(owner, text(set, "/metadata/namespace")));
            }
        }
        for object in objects {
            match object["kind"].as_str() {
                Some("Node") => {
                    let name = text(object, "/metadata/name").to_owned();
                    let of = if masters.contains(&name) { &mut look.masters } else { &mut look.workers };
                    of.insert(name, node_stands(object));
                }
                Some("Pod") => look.pod(object, masters, &above),
                _ => {}
            }
        }
        look
    }

    fn pod(&mut self, pod: &Value, masters: &BTreeSet<String>, above: &BTreeMap<&str, String>) {
        let has_ended = text(pod, "/status/phase") == "Succeeded";
        let counts = ready(pod) == "True" && pod.pointer("/metadata/deletionTimestamp").is_none();
        if masters.contains(text(pod, "/spec/nodeName")) {
            return;
        }
        let of = match controller(pod) {
            Some(owner) if owner["kind"] == "Job" => return,
            Some(owner) => {
                let own = || workload(owner, text(pod, "/metadata/namespace"));
                above.get(text(owner, "/uid")).cloned().unwrap_or_else(own)
            }
            None => format!("Pod/{}", name_of(pod)),
        };
        if ["DaemonSet/", "Node/"].iter().any(|kind| of.starts_with(kind)) {
            if counts {
                self.of_nodes.entry(of).or_default().insert(text(pod, "/spec/nodeName").to_owned());
            }
            return;
        }
        if counts || has_ended && of.starts_with("Pod/") {
            *self.ready.entry(of).or_default() += 1;
        }
    }

    /// What is not as it was in `before`, a line each: nodes that do not report as ready and did, workloads with fewer ready pods. Nodes that are
    /// gone are none: nobody but a person deletes a node.
    pub fn short_of(&self, before: &Look) -> Vec<String> {
        let mut lines = Vec::new();
        for (node, stands) in &self.workers {
            let was = before.workers.get(node).copied();
            if *stands != NodeStands::Ready && was == Some(NodeStands::Ready) {
                let how =
                    if *stands == NodeStands::Unknown { "does not report" } else { "reports that it is not ready" };
                lines.push(format!("node {node} {how}"));
            }
        }
        for (workload, was) in &before.ready {
            let is = self.ready.get(workload).copied().unwrap_or(0);
            if is < *was {
                lines.push(format!("{workload} has {is} of {was} ready pods"));
            }
        }
        let none = BTreeSet::new();
        for (workload, nodes) in &before.of_nodes {
            let is = self.of_nodes.get(workload).unwrap_or(&none);
            let wanted: Vec<&String> = nodes.iter().filter(|n| self.workers.contains_key(*n)).collect();
            let there = wanted.iter().filter(|n| is.contains(**n)).count();
            if there < wanted.len() {
                lines.push(format!("{workload} has {there} of {} ready pods", wanted.len()));
            }
        }
        lines
    }

    /// Nodes of `before` but masters that are gone.
    pub fn nodes_gone(&self, before: &Look) -> Vec<String> {
        before.workers.keys().filter(|n| !self.workers.contains_key(*n)).cloned().collect()
    }

    /// Masters that report, by name.
    pub fn masters_that_report(&self) -> Vec<&str> {
        self.masters.iter().filter(|(_, s)| **s != NodeStands::Unknown).map(|(n, _)| n.as_str()).collect()
    }
}

/// `Deployment/shop/web`, of a reference within a namespace.
fn workload(owner: &Value, namespace: &str) -> String {
    format!("{}/{namespace}/{}", text(owner, "/kind"), text(owner, "/name"))
}

/// Pods on masters that are lost at the cut-over, `namespace/name on node`, and masters that take new pods. Static pods, pods of DaemonSets and pods
/// that have ended are none, as in the preflight.
pub fn not_drained(objects: &[Value], masters: &BTreeSet<String>) -> Vec<String> {
    let mut lines = Vec::new();
    for object in objects {
        let is_exempt = || {
            let of = controller(object).map_or("", |o| text(o, "/kind"));
            let is_mirror = object.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some();
            is_mirror
                || ["DaemonSet", "Node"].contains(&of)
                || ["Succeeded", "Failed"].contains(&text(object, "/status/phase"))
        };
        match object["kind"].as_str() {
            Some("Pod") if masters.contains(text(object, "/spec/nodeName")) && !is_exempt() => {
                lines.push(format!("pod {} on {}", name_of(object), text(object, "/spec/nodeName")));
            }
            Some("Node")
                if masters.contains(text(object, "/metadata/name")) && object["spec"]["unschedulable"] != true =>
            {
                lines.push(format!("{} takes new pods", text(object, "/metadata/name")));
            }
            _ => {}
        }
    }
    lines
}

/// What of nodes, pods and budgets is watched for a change: their condition, their place, their figures.
pub fn fingerprint(objects: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = objects
        .iter()
        .map(|o| {
            let seen = match o["kind"].as_str() {
                Some("Node") => format!("{} {} {}", ready(o), o["spec"]["unschedulable"], o["spec"]["taints"]),
                Some("Pod") => format!(
                    "{} {} {} {}",
                    ready(o),
                    o["spec"]["nodeName"],
                    o["status"]["phase"],
                    o.pointer("/metadata/deletionTimestamp").is_some()
                ),
                _ => ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]
                    .map(|key| o["status"][key].to_string())
                    .join(" "),
            };
            format!("{} {seen}", text(o, "/metadata/uid"))
        })
        .collect();
    lines.sort_unstable();
    lines
}
