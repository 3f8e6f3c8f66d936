//! Labels and taints that Kubernetes, clouds and provisioners set themselves, which say nothing about what a user wants of a node.

use crate::cluster::{Catalog, NodeSpec, Sym, Taint};

/// Domains whose labels are the system's; subdomains included.
///
/// Kubernetes and its cluster API, the clouds, the provisioners and installers (Ocean, Karpenter, eksctl, kOps, k3s, Rancher), and what
/// device plugins find out about a machine's hardware.
const DOMAINS: &[&str] = &[
    "kubernetes.io",
    "k8s.io",
    "x-k8s.io",
    "kubernetes.azure.com",
    "azure.com",
    "eks.amazonaws.com",
    "amazonaws.com",
    "k8s.aws",
    "aws.com",
    "eksctl.io",
    "cloud.google.com",
    "gke.io",
    "alibabacloud.com",
    "aliyun.com",
    "spotinst.io",
    "spot.io",
    "karpenter.sh",
    "karpenter.kwok.sh",
    "openshift.io",
    "k3s.io",
    "cattle.io",
    "oci.oraclecloud.com",
    "digitalocean.com",
    "scaleway.com",
    "nvidia.com",
    "amd.com",
    "intel.com",
];

/// Domains below those that users write labels in: what a kubelet may not set for itself is set by people.
const USERS: &[&str] = &["node-restriction.kubernetes.io"];

/// Labels without a domain that AKS (and older clouds) put on every node.
const PLAIN: &[&str] = &["storageprofile", "storagetier", "kwok-partition"];

/// Labels without a domain that are AKS's own on its nodes, and a user's on others.
const AKS_PLAIN: &[&str] = &["agentpool"];

/// The domain of the labels that AKS puts on its nodes, with a slash.
const AKS_DOMAIN: &str = "kubernetes.azure.com/";

/// Whether `domain` is `of`, or below it.
fn is_within(domain: &str, of: &str) -> bool {
    domain == of || domain.strip_suffix(of).is_some_and(|head| head.ends_with('.'))
}

/// Whether a label key is the system's: `kubernetes.io`, `k8s.io`, `topology.*`, clouds' and provisioners' domains (docs/reference/ocean.md#match-of-nodes-and-virtual-node-groups).
///
/// `alibabacloud.com` and its like hold node labels only; a user's own labels live under a domain of their own or none.
pub fn is_system_label(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, _)) if USERS.iter().any(|d| is_within(domain, d)) => false,
        Some((domain, _)) => {
            domain.starts_with("topology.")
                || domain == "eks-node-viewer"
                || DOMAINS.iter().any(|d| is_within(domain, d))
        }
        None => PLAIN.contains(&key),
    }
}

/// Whether a taint is the system's (`node.kubernetes.io/…`, cloud initialisation, provisioners' life-cycle taints).
///
/// So are the taints of start-up agents (`ebs.csi.aws.com/agent-not-ready`), which go by themselves, and what AKS puts on its Spot pools
/// (`kubernetes.azure.com/scalesetpriority`): Ocean chooses by itself what is Spot.
pub fn is_system_taint(key: &str) -> bool {
    key.starts_with("node.kubernetes.io/")
        || key.starts_with("node.cloudprovider.kubernetes.io/")
        || key.starts_with("node.cilium.io/")
        || key.starts_with("spotinst.io/")
        || key.ends_with("/agent-not-ready")
        || matches!(
            key,
            "kubernetes.azure.com/scalesetpriority"
                | "karpenter.sh/disrupted"
                | "karpenter.sh/disruption"
                | "karpenter.sh/unregistered"
                | "ToBeDeletedByClusterAutoscaler"
                | "DeletionCandidateOfClusterAutoscaler"
        )
}

/// The labels of a node that its user gave, in order of their keys' text.
///
/// On AKS (a label of `kubernetes.azure.com`, or a provider id of `azure://`) its own are set aside too: `agentpool`, and what only repeats
/// a label of that domain without the domain (`accelerator` beside `kubernetes.azure.com/accelerator`). Elsewhere `agentpool` is a user's.
pub fn custom_labels(catalog: &Catalog, node: &NodeSpec) -> Vec<(Sym, Sym)> {
    let labels = &node.labels;
    let aks = is_aks(catalog, node);
    let repeats = |key: &str, value: Sym| {
        let long = catalog.names.get(&format!("{AKS_DOMAIN}{key}"));
        long.is_some_and(|k| labels.get(k) == Some(value))
    };
    let aks_own = |key: &str, value: Sym| aks && (AKS_PLAIN.contains(&key) || repeats(key, value));
    let mut custom: Vec<(Sym, Sym)> = labels
        .iter()
        .filter(|(key, value)| {
            let text = catalog.text(*key);
            !is_system_label(text) && !aks_own(text, *value)
        })
        .collect();
    custom.sort_by(|a, b| catalog.text(a.0).cmp(catalog.text(b.0)));
    custom
}

/// Whether a node is one of AKS: by a label of its domain, or by its provider id.
pub fn is_aks(catalog: &Catalog, node: &NodeSpec) -> bool {
    node.labels.iter().any(|(key, _)| catalog.text(key).starts_with(AKS_DOMAIN))
        || node.provider_id.is_some_and(|id| catalog.text(id).starts_with("azure://"))
}

/// The taints of a node that its user gave, sorted by text.
pub fn custom_taints(catalog: &Catalog, taints: &[Taint]) -> Vec<Taint> {
    let mut custom: Vec<Taint> = taints.iter().copied().filter(|t| !is_system_taint(catalog.text(t.key))).collect();
    custom.sort_by_key(|t| (catalog.text(t.key), catalog.text(t.value), t.effect));
    custom
}

/// `key=value:Effect`, as kubectl prints a taint.
pub fn taint_text(catalog: &Catalog, taint: &Taint) -> String {
    match catalog.text(taint.value) {
        "" => format!("{}:{:?}", catalog.text(taint.key), taint.effect),
        value => format!("{}={value}:{:?}", catalog.text(taint.key), taint.effect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::tests::World;

    #[test]
    fn system_labels_are_known_by_domain() {
        for key in [
            "kubernetes.io/hostname",
            "beta.kubernetes.io/arch",
            "node.kubernetes.io/instance-type",
            "topology.ebs.csi.aws.com/zone",
            "kubernetes.azure.com/agentpool",
            "eks.amazonaws.com/nodegroup",
            "alpha.eksctl.io/nodegroup-name",
            "eksctl.io/cluster",
            "kops.k8s.io/instancegroup",
            "karpenter.sh/nodepool",
            "karpenter.azure.com/sku-name",
            "spotinst.io/node-lifecycle",
            "cluster.x-k8s.io/cluster-name",
            "nvidia.com/gpu.product",
            "storagetier",
        ] {
            assert!(is_system_label(key), "{key}");
        }
        for key in [
            "team",
            "agentpool",
            "openb/gpu-model",
            "example.com/pool",
            "notkubernetes.io/x",
            "noteksctl.io/x",
            "node-restriction.kubernetes.io/tier",
            "pci.node-restriction.kubernetes.io/scope",
        ] {
            assert!(!is_system_label(key), "{key}");
        }
        for key in ["kubernetes.azure.com/scalesetpriority", "ebs.csi.aws.com/agent-not-ready", "node.cilium.io/x"] {
            assert!(is_system_taint(key), "{key}");
        }
        assert!(!is_system_taint("CriticalAddonsOnly") && !is_system_taint("kubernetes.azure.com/team"));
    }

    #[test]
    fn plain_labels_are_aks_own_only_on_aks() {
        let mut w = World::new();
        w.node("user", &[("agentpool", "a"), ("accelerator", "x")], 1, 1);
        w.node("aks", &[("agentpool", "a"), ("accelerator", "x"), ("kubernetes.azure.com/accelerator", "x")], 1, 1);
        w.node("other", &[("agentpool", "a"), ("accelerator", "y"), ("kubernetes.azure.com/accelerator", "x")], 1, 1);
        w.node("by-id", &[("agentpool", "a")], 1, 1);
        let id = w.sym("azure:///subscriptions/x/virtualMachines/by-id");
        w.provider_id(3, id);
        let c = w.build();
        let keys = |n: u32| -> Vec<&str> {
            let spec = &c.state.nodes[crate::cluster::NodeIdx(n)].spec;
            custom_labels(&c.catalog, spec).iter().map(|(k, _)| c.catalog.text(*k)).collect()
        };
        assert_eq!(keys(0), ["accelerator", "agentpool"]);
        assert_eq!(keys(1), Vec::<&str>::new());
        assert_eq!(keys(2), ["accelerator"]);
        assert_eq!(keys(3), Vec::<&str>::new());
    }
}
