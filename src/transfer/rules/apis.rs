//! Versions of APIs that the target does not serve, and versions of clusters.

use super::{Ask, Code, Found, Ground, Rule, Sink, code};
use crate::cluster::version::minor_of;
use crate::transfer::finding::Severity;
use crate::transfer::inventory::{Inventory, Item};
use crate::transfer::object::ObjectId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CONVERTED: Code = code(
    "transfer-api-version",
    Severity::Rewritten,
    "an API version that the target does not serve, and whose successor has the same fields",
);
const REMOVED: Code = code(
    "transfer-api-version-removed",
    Severity::Blocks,
    "an API version that the target does not serve, and whose successor has other fields",
);
const OLDER: Code = code(
    "transfer-target-older",
    Severity::Blocks,
    "the target is older than the source: a backup may hold what it does not know",
);
const DEFINITION: Code = code(
    "transfer-definition-missing",
    Severity::ByHand,
    "a custom object whose definition is not in the input: it must be on the target beforehand",
);
const UNKNOWN: Code =
    code("transfer-target-version", Severity::Blocks, "the Kubernetes version of the target is not known");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Versions", codes: &[CONVERTED, REMOVED, OLDER, DEFINITION, UNKNOWN], judge };

/// Versions that are served no more: of which kind ("*" for all of them), from which minor version on, and the successor with the same fields, if any.
/// Source: Kubernetes' deprecation guide.
const GONE: &[(&str, &str, u32, Option<&str>)] = &[
    ("extensions/v1beta1", "Ingress", 22, None),
    ("extensions/v1beta1", "NetworkPolicy", 16, Some("networking.k8s.io/v1")),
    ("extensions/v1beta1", "PodSecurityPolicy", 16, None),
    ("extensions/v1beta1", "*", 16, Some("apps/v1")),
    ("apps/v1beta1", "*", 16, Some("apps/v1")),
    ("apps/v1beta2", "*", 16, Some("apps/v1")),
    ("networking.k8s.io/v1beta1", "Ingress", 22, None),
    ("networking.k8s.io/v1beta1", "IngressClass", 22, Some("networking.k8s.io/v1")),
    ("rbac.authorization.k8s.io/v1beta1", "*", 22, Some("rbac.authorization.k8s.io/v1")),
    ("scheduling.k8s.io/v1beta1", "*", 22, Some("scheduling.k8s.io/v1")),
    ("apiextensions.k8s.io/v1beta1", "*", 22, None),
    ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", 22, None),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", 22, None),
    ("apiregistration.k8s.io/v1beta1", "*", 22, Some("apiregistration.k8s.io/v1")),
    ("storage.k8s.io/v1beta1", "StorageClass", 22, Some("storage.k8s.io/v1")),
    ("storage.k8s.io/v1beta1", "CSIDriver", 22, Some("storage.k8s.io/v1")),
    ("batch/v1beta1", "CronJob", 25, Some("batch/v1")),
    ("policy/v1beta1", "PodDisruptionBudget", 25, Some("policy/v1")),
    ("policy/v1beta1", "PodSecurityPolicy", 25, None),
    ("autoscaling/v2beta1", "*", 25, None),
    ("autoscaling/v2beta2", "*", 26, Some("autoscaling/v2")),
    ("node.k8s.io/v1beta1", "*", 25, Some("node.k8s.io/v1")),
    ("discovery.k8s.io/v1beta1", "*", 25, None),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "*", 26, None),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "*", 29, None),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "*", 32, None),
];

/// Groups of Kubernetes itself with a dot, whose definitions are in no input.
fn is_kubernetes(group: &str) -> bool {
    !group.contains('.')
        || (group.ends_with(".k8s.io")
            && !group.contains(".x-k8s.io")
            && !["snapshot.storage.k8s.io", "gateway.networking.k8s.io", "metrics.k8s.io"].contains(&group))
}

/// The newest Kubernetes version that the source shows: of its nodes' kubelets, else what the mapping says.
pub(in crate::transfer) fn source_version(inventory: &Inventory, said: Option<&str>) -> Option<String> {
    let shown = inventory
        .of_kind("", "Node")
        .filter_map(|n| n.text("/status/nodeInfo/kubeletVersion"))
        .filter_map(minor_of)
        .max();
    shown.map(|minor| format!("1.{minor}")).or_else(|| said.map(str::to_owned))
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let target = g.mapping.target.kubernetes_version.as_deref().and_then(minor_of);
    let source = source_version(g.inventory, g.mapping.source.kubernetes_version.as_deref());
    let origin = g.inventory.items().next().map_or(String::new(), |i| i.origin.clone());
    let cluster = Item { id: ObjectId::new("v1", "Cluster", None, "target"), object: Value::Null, origin, live: false };
    if target.is_none() {
        let ask =
            Ask::at(&["target", "kubernetes_version"], "az aks show -g GROUP -n NAME --query currentKubernetesVersion")
                .suggest(source.clone().unwrap_or("that of the source or newer".into()));
        sink.add(
            Found::new(
                &cluster,
                &UNKNOWN,
                "which APIs it serves depends on it, and a backup must not go to an older one",
            )
            .ask(ask),
        );
    }
    if let (Some(target), Some(source)) = (target, source.as_deref().and_then(minor_of))
        && target < source
    {
        sink.add(
            Found::new(&cluster, &OLDER, format!("the source runs 1.{source}, the target 1.{target}"))
                .remedy("upgrade the target first: az aks upgrade"),
        );
    }
    let defined: BTreeSet<(&str, &str)> = g
        .inventory
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .filter_map(|d| Some((d.text("/spec/group")?, d.text("/spec/names/kind")?)))
        .collect();
    let mut missing: BTreeMap<(&str, &str), &Item> = BTreeMap::new();
    for item in g.moving() {
        let (version, kind) = (item.api_version(), item.id.kind());
        let gone = GONE.iter().find(|(v, k, ..)| *v == version && (*k == kind || *k == "*"));
        if let Some((_, _, since, successor)) = gone.filter(|(_, _, since, _)| target.is_none_or(|t| t >= *since)) {
            one(item, *since, *successor, sink);
        }
        let group = item.id.group();
        let own = is_kubernetes(group) || super::resources::is_aws_group(group) || group == "karpenter.sh";
        if !own && !defined.contains(&(group, kind)) {
            missing.entry((group, kind)).or_insert(item);
        }
    }
    for ((group, kind), item) in missing {
        let message = format!("{kind} of {group}; other objects of the kind need it, too");
        sink
            .add(Found::new(item, &DEFINITION, message).at("/apiVersion").was(item.api_version()).remedy(match group {
            "keda.sh" => "az aks update --enable-keda brings it",
            "gateway.networking.k8s.io" => "az aks update --enable-gateway-api brings it",
            "secrets-store.csi.x-k8s.io" => "az aks enable-addons --addons azure-keyvault-secrets-provider brings it",
            "snapshot.storage.k8s.io" => "AKS has it",
            _ => "install what defines it (its chart or operator) on the target, or give its definition with the input",
        }));
    }
}

fn one(item: &Item, since: u32, successor: Option<&str>, sink: &mut Sink) {
    let version = item.api_version();
    let why = format!("served until 1.{}", since - 1);
    // Workloads of old versions had a default selector.
    let lacks_selector = successor == Some("apps/v1") && item.object.pointer("/spec/selector").is_none();
    match successor.filter(|_| !lacks_selector) {
        Some(successor) => sink.add(Found::new(item, &CONVERTED, why).set("/apiVersion", version, successor)),
        None => sink.add(Found::new(item, &REMOVED, why).at("/apiVersion").was(version).remedy(match item.id.kind() {
            "PodSecurityPolicy" => "use Pod Security Admission (labels of namespaces), and leave the object out",
            "HorizontalPodAutoscaler" | "Ingress" => "convert the manifest: kubectl convert -f FILE --output-version GROUP/v1, or read it again from the source, which serves the new version",
            _ => "write the manifest for the new version",
        })),
    }
}
