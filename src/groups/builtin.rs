//! Labels and taints that Kubernetes, clouds and provisioners set themselves, which say nothing about what a user wants of a node.

use crate::cluster::{Catalog, Labels, Sym, Taint};

/// Domains whose labels are the system's; subdomains included.
const DOMAINS: &[&str] = &[
    "kubernetes.io",
    "k8s.io",
    "kubernetes.azure.com",
    "azure.com",
    "eks.amazonaws.com",
    "amazonaws.com",
    "k8s.aws",
    "aws.com",
    "cloud.google.com",
    "gke.io",
    "alibabacloud.com",
    "aliyun.com",
    "spotinst.io",
    "karpenter.sh",
    "karpenter.kwok.sh",
    "kwok.x-k8s.io",
    "openshift.io",
    "oci.oraclecloud.com",
    "doks.digitalocean.com",
];

/// Labels without a domain that AKS (and older clouds) put on every node.
const PLAIN: &[&str] = &["storageprofile", "storagetier", "kwok-partition"];

/// Whether a label key is the system's: `kubernetes.io`, `k8s.io`, `topology.*`, clouds' and provisioners' domains (MIGRATIONS §1, choice C).
///
/// `alibabacloud.com` and its like hold node labels only; a user's own labels live under a domain of their own or none.
pub fn is_system_label(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, _)) => {
            domain.starts_with("topology.")
                || domain == "eks-node-viewer"
                || DOMAINS
                    .iter()
                    .any(|d| domain == *d || domain.strip_suffix(d).is_some_and(|head| head.ends_with('.')))
        }
        None => PLAIN.contains(&key),
    }
}

/// Whether a taint is the system's (`node.kubernetes.io/…`, cloud initialisation, provisioners' life-cycle taints).
pub fn is_system_taint(key: &str) -> bool {
    key.starts_with("node.kubernetes.io/")
        || key.starts_with("node.cloudprovider.kubernetes.io/")
        || matches!(
            key,
            "karpenter.sh/disrupted"
                | "karpenter.sh/disruption"
                | "karpenter.sh/unregistered"
                | "ToBeDeletedByClusterAutoscaler"
                | "DeletionCandidateOfClusterAutoscaler"
        )
}

/// The labels of a node that its user gave, in order of their keys' text.
///
/// `agentpool` is AKS's own beside `kubernetes.azure.com/agentpool`, and a user's without it.
pub fn custom_labels(catalog: &Catalog, labels: &Labels) -> Vec<(Sym, Sym)> {
    let aks = catalog.names.get("kubernetes.azure.com/agentpool").is_some_and(|k| labels.get(k).is_some());
    let mut custom: Vec<(Sym, Sym)> = labels
        .iter()
        .filter(|(key, _)| {
            let text = catalog.text(*key);
            !is_system_label(text) && (!aks || text != "agentpool")
        })
        .collect();
    custom.sort_by(|a, b| catalog.text(a.0).cmp(catalog.text(b.0)));
    custom
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

    #[test]
    fn system_labels_are_told_by_domain() {
        for key in [
            "kubernetes.io/hostname",
            "beta.kubernetes.io/arch",
            "node.kubernetes.io/instance-type",
            "topology.ebs.csi.aws.com/zone",
            "kubernetes.azure.com/agentpool",
            "eks.amazonaws.com/nodegroup",
            "karpenter.sh/nodepool",
            "spotinst.io/node-lifecycle",
            "storagetier",
        ] {
            assert!(is_system_label(key), "{key}");
        }
        for key in ["team", "agentpool", "openb/gpu-model", "example.com/pool", "notkubernetes.io/x"] {
            assert!(!is_system_label(key), "{key}");
        }
    }

    #[test]
    fn agentpool_is_aks_own_only_on_aks() {
        let mut c = Catalog::new();
        let (plain, aks, v) =
            (c.names.intern("agentpool"), c.names.intern("kubernetes.azure.com/agentpool"), c.names.intern("a"));
        assert_eq!(custom_labels(&c, &Labels::new([(plain, v)])), [(plain, v)]);
        assert_eq!(custom_labels(&c, &Labels::new([(plain, v), (aks, v)])), []);
    }
}
