//! What makes nodes: Karpenter, node classes, images of nodes, Fargate.

use super::{Ask, Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::Edit;
use crate::transfer::finding::Severity;
use serde_json::Value;
use std::collections::BTreeMap;

const POOL: Code = code(
    "transfer-karpenter",
    Severity::ByHand,
    "a NodePool of Karpenter is not rendered: its class is of AWS; node pools are proposed instead",
);
const CLASS: Code = code("transfer-node-class", Severity::Note, "a node class of AWS is not rendered");
const IMAGE: Code = code(
    "transfer-node-image",
    Severity::ByHand,
    "nodes run a custom image or user data: AKS takes none, kubelet configuration and DaemonSets take their place",
);
const IMAGE_OPEN: Code = code(
    "transfer-node-image-open",
    Severity::Blocks,
    "nobody has said that what the custom image or user data does is taken care of",
);
const FAMILY: Code = code(
    "transfer-node-system",
    Severity::Note,
    "nodes run Bottlerocket or Amazon Linux: paths on the host and tools differ from Azure Linux and Ubuntu",
);
const ARCHITECTURE: Code =
    code("transfer-node-architecture", Severity::Note, "nodes of ARM or Windows: pools of their own are needed");
const FARGATE: Code = code("transfer-fargate", Severity::ByHand, "pods run on Fargate: on the target they need nodes");
const HOST_PATH: Code = code(
    "transfer-host-path",
    Severity::ByHand,
    "pods mount a path of their node, which is another system on the target",
);
const ACCELERATOR: Code = code("transfer-accelerator", Severity::Blocks, "pods ask for a device that only AWS has");

/// The rule.
pub(super) const RULE: Rule = Rule {
    subject: "Nodes",
    codes: &[POOL, CLASS, IMAGE, IMAGE_OPEN, FAMILY, ARCHITECTURE, FARGATE, HOST_PATH, ACCELERATOR],
    judge,
};

/// Whether a node class says how its nodes are made in a way that AKS cannot take.
fn is_custom(class: &super::Item) -> Vec<&'static str> {
    let mut why = Vec::new();
    if class.text("/spec/amiFamily") == Some("Custom") {
        why.push("amiFamily Custom");
    }
    if class.text("/spec/userData").is_some_and(|u| !u.trim().is_empty()) {
        why.push("userData");
    }
    let terms = class.object.pointer("/spec/amiSelectorTerms").and_then(Value::as_array);
    if terms.is_some_and(|t| t.iter().any(|t| t.get("alias").is_none())) {
        why.push("amiSelectorTerms");
    }
    if class.object.pointer("/spec/kubelet").is_some() {
        why.push("kubelet");
    }
    why
}

/// Node classes whose nodes are customised, with what they say.
pub(in crate::transfer) fn customised<'a>(g: &Ground<'a>) -> Vec<(&'a super::Item, Vec<&'static str>)> {
    let of = |i: &&super::Item| ["EC2NodeClass", "AWSNodeTemplate", "NodeConfig"].contains(&i.id.kind());
    let mut all: Vec<_> =
        g.inventory.items().filter(of).map(|i| (i, is_custom(i))).filter(|(_, why)| !why.is_empty()).collect();
    // A kubelet configuration in a NodePool (before v1).
    all.extend(
        g.inventory
            .items()
            .filter(|i| {
                i.id.kind() == "NodePool"
                    && i.id.group() == "karpenter.sh"
                    && i.object.pointer("/spec/template/spec/kubelet").is_some()
            })
            .map(|i| (i, vec!["kubelet"])),
    );
    all
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.inventory.items() {
        match (item.id.group(), item.id.kind()) {
            ("karpenter.sh", "NodePool" | "Provisioner") => {
                let requirements = item.object.pointer("/spec/template/spec/requirements").and_then(Value::as_array);
                let texts: Vec<String> = requirements
                    .into_iter()
                    .flatten()
                    .filter_map(|r| {
                        let values: Vec<&str> = r
                            .get("values")
                            .and_then(Value::as_array)
                            .into_iter()
                            .flatten()
                            .filter_map(Value::as_str)
                            .collect();
                        Some(format!(
                            "{} {} {}",
                            r.get("key")?.as_str()?,
                            r.get("operator")?.as_str()?,
                            values.join(",")
                        ))
                    })
                    .collect();
                sink.add(
                    Found::new(item, &POOL, "the pools of the plan do the same with the cluster autoscaler")
                        .at("/spec/template/spec/requirements")
                        .was(texts.join("; "))
                        .edit(Edit::LeaveOut)
                        .remedy("or turn on node auto-provisioning (az aks update --node-provisioning-mode Auto), and write a NodePool with class AKSNodeClass"),
                );
            }
            (
                "karpenter.k8s.aws" | "eks.amazonaws.com" | "crd.k8s.amazonaws.com",
                "EC2NodeClass" | "AWSNodeTemplate" | "NodeClass",
            ) => {
                sink.add(
                    Found::new(item, &CLASS, "subnets, security groups and images in it are of AWS")
                        .edit(Edit::LeaveOut),
                );
            }
            _ => {}
        }
    }
    for (item, why) in customised(g) {
        let why = why.join(", ");
        match &g.mapping.node_customization {
            Some(done) => sink.add(
                Found::new(item, &IMAGE, format!("{why}; the mapping says: {done}")).at("/spec").remedy("node-customization.yaml has a skeleton of the kubelet configuration and a DaemonSet"),
            ),
            None => sink.add(
                Found::new(item, &IMAGE_OPEN, format!("its nodes are customised ({why})")).at("/spec").ask(Ask::at(
                    &["node_customization"],
                    "where the kubelet configuration and DaemonSets are that do the same, or why none is needed; render writes a skeleton (node-customization.yaml)",
                )),
            ),
        }
    }
    let mut systems: BTreeMap<String, &super::Item> = BTreeMap::new();
    let mut architectures: BTreeMap<String, &super::Item> = BTreeMap::new();
    for node in g.inventory.of_kind("", "Node") {
        if let Some(os) = node.text("/status/nodeInfo/osImage") {
            systems.entry(os.to_owned()).or_insert(node);
        }
        let arch = node.text("/status/nodeInfo/architecture").unwrap_or("amd64");
        let system = node.text("/status/nodeInfo/operatingSystem").unwrap_or("linux");
        if arch != "amd64" || system != "linux" {
            architectures.entry(format!("{system}/{arch}")).or_insert(node);
        }
    }
    for (os, node) in systems {
        sink.add(Found::new(node, &FAMILY, "and nodes like it").at("/status/nodeInfo/osImage").was(os));
    }
    for (architecture, node) in architectures {
        sink.add(
            Found::new(node, &ARCHITECTURE, "and nodes like it; images must be there for it")
                .at("/status/nodeInfo")
                .was(architecture),
        );
    }
    if let Some(pod) = g
        .inventory
        .of_kind("", "Pod")
        .find(|p| p.labels().is_some_and(|l| l.contains_key("eks.amazonaws.com/fargate-profile")))
    {
        sink.add(
            Found::new(pod, &FARGATE, "and pods like it; they count for the pools of the plan")
                .at("/metadata/labels")
                .remedy("let the pools host them, or use virtual nodes"),
        );
    }
    for (item, template) in g.workloads() {
        let volumes = format!("{template}/spec/volumes");
        for (i, volume) in item.object.pointer(&volumes).and_then(Value::as_array).into_iter().flatten().enumerate() {
            if let Some(path) = volume.pointer("/hostPath/path").and_then(Value::as_str) {
                sink.add(
                    Found::new(item, &HOST_PATH, "see whether it is there, and the same")
                        .at(&format!("{volumes}/{i}/hostPath/path"))
                        .was(path),
                );
            }
        }
        for (at, container) in super::containers(item, template) {
            for list in ["requests", "limits"] {
                let resources = container.pointer(&format!("/resources/{list}")).and_then(Value::as_object);
                for (name, amount) in resources.into_iter().flatten() {
                    if name.starts_with("aws.amazon.com/") || name == "vpc.amazonaws.com/efa" {
                        let place = format!("{at}/resources/{list}{}", crate::transfer::edit::step(name));
                        sink.add(
                            Found::new(
                                item,
                                &ACCELERATOR,
                                format!("{name} is on no node of the target: its pods would stay Pending"),
                            )
                            .at(&place)
                            .was(amount.as_str().unwrap_or_default())
                            .remedy("use what Azure has (GPU sizes with nvidia.com/gpu, RDMA), with the images for it"),
                        );
                    }
                }
            }
        }
    }
}
