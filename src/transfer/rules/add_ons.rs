//! Add-ons and agents of EKS: what takes their place, or that nothing does.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;

const TWIN: Code = code("transfer-add-on", Severity::Note, "an add-on of EKS is not rendered: the target has its own");
const BY_HAND: Code = code(
    "transfer-add-on-by-hand",
    Severity::ByHand,
    "an add-on of AWS is not rendered, and something has to be set up in its place",
);
const NONE: Code = code("transfer-add-on-without-twin", Severity::Blocks, "an add-on of AWS that has no twin");
const SETTINGS: Code =
    code("transfer-add-on-settings", Severity::ByHand, "an add-on that runs in both clouds is set up for AWS");

/// The rule.
pub(super) const RULE: Rule = Rule { subject: "Add-ons and agents", codes: &[TWIN, BY_HAND, NONE, SETTINGS], judge };

/// What becomes of an add-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    /// The target has its own.
    Own,
    /// Something is set up.
    ByHand,
    /// Nothing.
    None,
}
use Becomes::{ByHand, None as Nothing, Own};

/// Add-ons by the names of their workloads (a name may go on with `-…`), or of their application label.
const ADD_ONS: &[(&[&str], Becomes, &str)] = &[
    (&["aws-node"], Own, "the network plug-in of the target"),
    (&["kube-proxy", "coredns", "metrics-server"], Own, "AKS runs its own"),
    (
        &["ebs-csi-controller", "ebs-csi-node", "ebs-csi-node-windows", "aws-ebs-csi-driver"],
        Own,
        "the disk driver of AKS (disk.csi.azure.com)",
    ),
    (&["efs-csi-controller", "efs-csi-node", "aws-efs-csi-driver"], Own, "the file driver of AKS (file.csi.azure.com)"),
    (
        &["s3-csi-controller", "s3-csi-node", "aws-mountpoint-s3-csi-driver"],
        ByHand,
        "the blob driver: az aks update --enable-blob-driver",
    ),
    (
        &["fsx-csi-controller", "fsx-csi-node", "aws-fsx-csi-driver"],
        Nothing,
        "no driver of AKS mounts FSx; Azure Managed Lustre and Azure NetApp Files have drivers of their own",
    ),
    (&["snapshot-controller"], Own, "AKS runs its own"),
    (
        &["aws-load-balancer-controller"],
        Own,
        "Azure's cloud provider makes load balancers; Gateways are served by application routing with Istio",
    ),
    (
        &["cluster-autoscaler"],
        ByHand,
        "the cluster autoscaler of AKS, a setting of each pool (--enable-cluster-autoscaler)",
    ),
    (&["karpenter"], ByHand, "node auto-provisioning of AKS (Karpenter), or pools with the cluster autoscaler"),
    (&["aws-node-termination-handler"], Own, "AKS drains spot nodes and those that are maintained by itself"),
    (
        &["eks-pod-identity-agent"],
        Own,
        "Workload Identity: its webhook runs in AKS (--enable-workload-identity --enable-oidc-issuer)",
    ),
    (&["pod-identity-webhook", "amazon-eks-pod-identity-webhook"], Own, "Workload Identity"),
    (&["eks-node-monitoring-agent", "node-problem-detector"], Own, "AKS runs node-problem-detector"),
    (
        &["aws-guardduty-agent", "amazon-guardduty-agent"],
        ByHand,
        "Microsoft Defender for Containers: az aks update --enable-defender",
    ),
    (
        &["secrets-store-csi-driver-provider-aws", "csi-secrets-store-provider-aws"],
        ByHand,
        "the Key Vault provider: az aks enable-addons --addons azure-keyvault-secrets-provider",
    ),
    (
        &["aws-privateca-issuer", "aws-pca-issuer"],
        Nothing,
        "AWS Private CA has no twin that cert-manager could use in its place; choose another issuer",
    ),
    (
        &["cloudwatch-agent", "amazon-cloudwatch-observability", "amazon-cloudwatch-observability-controller-manager"],
        ByHand,
        "Azure Monitor: az aks enable-addons --addons monitoring, and managed Prometheus (az aks update --enable-azure-monitor-metrics)",
    ),
    (
        &["fluent-bit", "aws-for-fluent-bit", "fluentd-cloudwatch", "aws-fluent-bit"],
        ByHand,
        "container insights of Azure Monitor collect logs: az aks enable-addons --addons monitoring",
    ),
    (
        &["adot-collector", "aws-otel-collector", "opentelemetry-operator-aws", "aws-otel-eks-ci"],
        ByHand,
        "managed Prometheus and Application Insights, or the collector with Azure's exporter",
    ),
    (
        &["xray-daemon", "aws-xray-daemon"],
        ByHand,
        "Application Insights, by the OpenTelemetry SDK or its Azure exporter",
    ),
    (
        &["appmesh-controller", "aws-app-mesh-controller"],
        ByHand,
        "the Istio add-on: az aks mesh enable; its rules have to be rewritten",
    ),
    (&["aws-gateway-api-controller", "gateway-api-controller"], ByHand, "the Gateway API with application routing"),
    (&["vpc-resource-controller", "aws-vpc-resource-controller"], Own, "the network plug-in of the target"),
    (
        &["aws-network-policy-agent"],
        ByHand,
        "the engine for network policies is chosen when the cluster is made (--network-dataplane cilium)",
    ),
    (&["neuron-device-plugin", "neuron-scheduler", "my-scheduler-neuron"], Nothing, "Azure has no Neuron devices"),
    (&["aws-efa-k8s-device-plugin"], Nothing, "Azure has no EFA; sizes with InfiniBand take its place"),
    (&["dcgm-exporter-aws", "kubernetes-dashboard-aws"], ByHand, "install it from its own chart"),
];

/// Namespaces that hold nothing but add-ons of AWS.
const NAMESPACES: [&str; 8] = [
    "amazon-cloudwatch",
    "amazon-guardduty",
    "aws-observability",
    "appmesh-system",
    "ack-system",
    "karpenter",
    "aws-application-networking-system",
    "amazon-vpc-resource-controller",
];

fn add_on(name: &str) -> Option<&'static (&'static [&'static str], Becomes, &'static str)> {
    let exact = ADD_ONS.iter().find(|(names, ..)| names.contains(&name));
    // A DaemonSet for other nodes, or a release of Helm, goes on after the name.
    let longer = |n: &str| n.contains('-') && name.strip_prefix(n).is_some_and(|rest| rest.starts_with('-'));
    exact.or_else(|| ADD_ONS.iter().find(|(names, ..)| names.iter().any(|n| longer(n))))
}

fn application(item: &Item) -> Option<&str> {
    let labels = item.labels()?;
    ["app.kubernetes.io/name", "k8s-app"].iter().find_map(|key| labels.get(*key)?.as_str())
}

/// Whether an object is part of an add-on that is not rendered.
pub(super) fn is_left(item: &Item) -> bool {
    let in_namespace = item.id.namespace().is_some_and(|n| NAMESPACES.contains(&n));
    let is_namespace = item.id.kind() == "Namespace" && NAMESPACES.contains(&item.id.name());
    // A user's own fluent-bit, coredns or metrics-server in a namespace of theirs stays theirs.
    let named = |name: &str| add_on(name).is_some_and(|(names, ..)| names.iter().any(|n| is_of_aws(n)));
    in_namespace
        || is_namespace
        || application(item).is_some_and(named)
        || (super::template(item).is_some() && named(item.id.name()))
}

/// Whether a name is one that only add-ons of AWS have.
fn is_of_aws(name: &str) -> bool {
    ["aws", "amazon", "eks", "ebs-", "efs-", "fsx-", "s3-csi", "adot", "appmesh", "neuron", "karpenter", "vpc-"]
        .iter()
        .any(|p| name.contains(p))
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.inventory.items() {
        if super::template(item).is_none() || item.is_owned() || item.id.kind() == "Pod" {
            continue;
        }
        let system = item.id.namespace().is_some_and(|n| n == "kube-system" || NAMESPACES.contains(&n));
        let found = add_on(item.id.name()).or_else(|| application(item).and_then(add_on));
        match found {
            Some((_, becomes, twin)) if system || is_left(item) => {
                let (code, remedy) = match becomes {
                    Own => (&TWIN, ""),
                    ByHand => (&BY_HAND, "set it up on the target before the first wave"),
                    Nothing => (&NONE, "decide what takes its place, and accept the finding in the mapping with that"),
                };
                sink.add(Found::new(item, code, *twin).remedy(remedy));
            }
            _ if system => {
                let known = ["eks-", "aws-"].iter().any(|p| item.id.name().starts_with(p));
                let message = match known {
                    true => "something of AWS that is not known here; it is not rendered",
                    false => "it runs in a namespace of the cluster's own, and is not rendered",
                };
                sink.add(
                    Found::new(item, &BY_HAND, message)
                        .remedy("install it on the target where it is needed, in a namespace of its own"),
                );
            }
            _ => settings(item, sink),
        }
    }
}

/// What runs in both clouds with arguments for AWS.
fn settings(item: &Item, sink: &mut Sink) {
    let Some(template) = super::template(item) else { return };
    for (at, container) in super::containers(item, template) {
        for list in ["args", "command"] {
            for (i, argument) in
                container.get(list).and_then(serde_json::Value::as_array).into_iter().flatten().enumerate()
            {
                let Some(text) = argument.as_str() else { continue };
                let lower = text.to_lowercase();
                let aws = ["--provider=aws", "--cloud-provider=aws", "--aws-", "--dns01-recursive-nameservers-aws"]
                    .iter()
                    .any(|a| lower.starts_with(a));
                if aws {
                    sink.add(Found::new(item, &SETTINGS, "an argument for AWS").at(&format!("{at}/{list}/{i}")).was(text).remedy(
                        "set it up for Azure (external-dns: --provider=azure with a managed identity that may write the zone)",
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_ons_are_known_by_name_and_not_by_likeness() {
        for (name, is) in [
            ("aws-node", true),
            ("aws-node-termination-handler", true),
            ("aws-load-balancer-controller", true),
            ("ebs-csi-node", true),
            ("karpenter", true),
            ("coredns", true),
            ("my-app", false),
            ("coredns-x", false),
            ("fluent-bit-config-reloader", true),
        ] {
            assert_eq!(add_on(name).is_some(), is, "{name}");
        }
        assert_eq!(
            add_on("aws-node-termination-handler").map(|a| a.2),
            Some("AKS drains spot nodes and those that are maintained by itself")
        );
    }
}
