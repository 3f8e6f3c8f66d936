//! Which kinds are recorded: all that the reader knows, and what describes node groups.

use crate::session::Resource;
use crate::session::api::resource as kind;

/// What is asked for, in the order of the dump. Secrets and ConfigMaps are not among it, and never asked for.
pub const RECORDED: &[Resource] = &[
    kind("v1", "Namespace", "namespaces", false),
    kind("v1", "Node", "nodes", false),
    kind("v1", "Pod", "pods", true),
    kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    kind("apps/v1", "Deployment", "deployments", true),
    kind("apps/v1", "ReplicaSet", "replicasets", true),
    kind("apps/v1", "StatefulSet", "statefulsets", true),
    kind("apps/v1", "DaemonSet", "daemonsets", true),
    kind("batch/v1", "Job", "jobs", true),
    kind("v1", "ReplicationController", "replicationcontrollers", true),
    kind("v1", "Service", "services", true),
    kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    kind("v1", "PersistentVolume", "persistentvolumes", false),
    kind("storage.k8s.io/v1", "StorageClass", "storageclasses", false),
    kind("storage.k8s.io/v1", "CSINode", "csinodes", false),
    kind("storage.k8s.io/v1", "CSIDriver", "csidrivers", false),
    kind("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", false),
    kind("storage.k8s.io/v1", "CSIStorageCapacity", "csistoragecapacities", true),
    kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", false),
    kind("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", false),
    kind("v1", "LimitRange", "limitranges", true),
    kind("v1", "ResourceQuota", "resourcequotas", true),
    kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    kind("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "verticalpodautoscalers", true),
    kind("resource.k8s.io/v1", "ResourceClaim", "resourceclaims", true),
    kind("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
    kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false),
    kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    kind("karpenter.sh/v1", "NodePool", "nodepools", false),
    kind("karpenter.sh/v1", "NodeClaim", "nodeclaims", false),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::api::FOLLOWED;
    use crate::snapshot::group;

    #[test]
    fn what_a_session_follows_is_recorded_too() {
        for resource in FOLLOWED {
            assert!(RECORDED.contains(resource), "{}", resource.kind);
        }
    }

    #[test]
    fn every_kind_that_the_reader_knows_is_recorded() {
        let recorded: Vec<(&str, &str)> = RECORDED.iter().map(|r| (group(r.api_version), r.kind)).collect();
        for known in crate::snapshot::KNOWN {
            assert!(recorded.contains(known), "{known:?} is read from dumps and not recorded");
        }
        assert!(!RECORDED.iter().any(|r| ["Secret", "ConfigMap"].contains(&r.kind)));
    }
}
