//! Labels by which nodes say where they belong.

/// Labels that name a node's pool, in the order in which they are believed: provisioners before the clouds' own pools, for a
/// Karpenter or Ocean node may carry both.
pub const POOL_LABELS: &[(&str, &str)] = &[
    ("spotinst.io/ocean-vng-id", "Ocean"),
    ("spotinst.io/vng-id", "Ocean"),
    ("spotinst.io/ocean-launch-spec-id", "Ocean"),
    ("spotinst.io/launch-spec-id", "Ocean"),
    ("spotinst.io/launchspec-id", "Ocean"),
    ("karpenter.sh/nodepool", "Karpenter"),
    ("karpenter.sh/provisioner-name", "Karpenter"),
    ("eks.amazonaws.com/nodegroup", "EKS"),
    ("alpha.eksctl.io/nodegroup-name", "EKS"),
    ("kubernetes.azure.com/agentpool", "AKS"),
    ("agentpool", "AKS"),
    ("cloud.google.com/gke-nodepool", "GKE"),
    ("alibabacloud.com/nodepool-id", "ACK"),
    ("doks.digitalocean.com/node-pool", "DOKS"),
    ("k8s.scaleway.com/pool-name", "Scaleway"),
    ("ibm-cloud.kubernetes.io/worker-pool-name", "IKS"),
    ("kops.k8s.io/instancegroup", "kOps"),
];

/// Labels that name the virtual node group of a node.
///
/// Only the first is seen on nodes of the wild; the others are spellings of the same that we accept (C).
pub const VNG_LABELS: &[&str] = &[
    "spotinst.io/ocean-vng-id",
    "spotinst.io/vng-id",
    "spotinst.io/ocean-launch-spec-id",
    "spotinst.io/launch-spec-id",
    "spotinst.io/launchspec-id",
];
