//! Which kinds are of the cluster and which of a namespace.

/// Kinds of the cluster by group (`*` for every kind of it), among them custom ones that migrations meet.
const CLUSTER: &[(&str, &[&str])] = &[
    ("", &["Namespace", "Node", "PersistentVolume", "ComponentStatus"]),
    ("apiextensions.k8s.io", &["*"]),
    ("apiregistration.k8s.io", &["*"]),
    ("admissionregistration.k8s.io", &["*"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("storage.k8s.io", &["StorageClass", "CSINode", "CSIDriver", "VolumeAttachment", "VolumeAttributesClass"]),
    ("scheduling.k8s.io", &["*"]),
    ("node.k8s.io", &["*"]),
    ("networking.k8s.io", &["IngressClass", "IPAddress", "ServiceCIDR"]),
    ("flowcontrol.apiserver.k8s.io", &["*"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("policy", &["PodSecurityPolicy"]),
    ("extensions", &["PodSecurityPolicy"]),
    ("snapshot.storage.k8s.io", &["VolumeSnapshotClass", "VolumeSnapshotContent"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("karpenter.sh", &["*"]),
    ("karpenter.k8s.aws", &["*"]),
    ("karpenter.azure.com", &["*"]),
    ("eks.amazonaws.com", &["*"]),
    ("elbv2.k8s.aws", &["IngressClassParams"]),
    ("crd.k8s.amazonaws.com", &["ENIConfig"]),
    ("vpcresources.k8s.aws", &["CNINode"]),
    ("appmesh.k8s.aws", &["Mesh"]),
    ("external-secrets.io", &["ClusterSecretStore", "ClusterExternalSecret"]),
    ("cert-manager.io", &["ClusterIssuer"]),
    ("keda.sh", &["ClusterTriggerAuthentication"]),
    ("cilium.io", &["CiliumClusterwideNetworkPolicy", "CiliumNode"]),
    ("crd.projectcalico.org", &["GlobalNetworkPolicy", "IPPool", "FelixConfiguration"]),
    ("kyverno.io", &["ClusterPolicy"]),
    ("constraints.gatekeeper.sh", &["*"]),
    ("templates.gatekeeper.sh", &["*"]),
];

/// Whether a kind is of the cluster; None for a custom kind that is not known here.
pub fn is_of_cluster(api_version: &str, kind: &str) -> Option<bool> {
    let group = api_version.split_once('/').map_or("", |(g, _)| g);
    if let Some((_, kinds)) = CLUSTER.iter().find(|(g, _)| *g == group) {
        return Some(kinds.contains(&"*") || kinds.contains(&kind));
    }
    // Kubernetes' own groups have no dot but the ones under k8s.io, which are listed as far as they have kinds of the cluster.
    match !group.contains('.') || group.ends_with(".k8s.io") {
        true => Some(false),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_know_where_they_live() {
        for (api, kind, is) in [
            ("v1", "Namespace", Some(true)),
            ("v1", "Service", Some(false)),
            ("apps/v1", "Deployment", Some(false)),
            ("rbac.authorization.k8s.io/v1", "Role", Some(false)),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", Some(true)),
            ("karpenter.sh/v1", "NodePool", Some(true)),
            ("keda.sh/v1alpha1", "ScaledObject", Some(false)),
            ("example.com/v1", "Thing", None),
        ] {
            assert_eq!(is_of_cluster(api, kind), is, "{api} {kind}");
        }
    }
}
