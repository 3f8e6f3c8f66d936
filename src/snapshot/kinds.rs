//! Kinds of objects: which are decoded, their groups, and what their resources are called.

/// Kinds that are decoded, with their group.
pub const KNOWN: &[(&str, &str)] = &[
    ("", "Node"),
    ("", "Namespace"),
    ("", "Service"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "LimitRange"),
    ("", "ResourceQuota"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
    ("policy", "PodDisruptionBudget"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "CSIStorageCapacity"),
    ("node.k8s.io", "RuntimeClass"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler"),
    ("resource.k8s.io", "ResourceClaim"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
];

/// The kind of that list that an object has, if it has one; workloads of the old group `extensions` are those of `apps`.
pub(super) fn known(api_version: &str, kind: &str) -> Option<&'static str> {
    let group = match group(api_version) {
        "extensions" => "apps",
        g => g,
    };
    KNOWN.iter().find(|(g, k)| *k == kind && *g == group).map(|(_, k)| *k)
}

/// The group of an `apiVersion`; "" for the core group.
pub(crate) fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(g, _)| g)
}

/// The name of a kind's resource, as the API's own are all formed.
pub(super) fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    if kind == "endpoints" {
        return kind;
    }
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}
