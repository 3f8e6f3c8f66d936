//! Which Kubernetes a cluster's control plane is taken to be.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A minor version whose rules are known.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum KubernetesVersion {
    /// 1.33.
    #[serde(rename = "1.33")]
    V1_33,
    /// 1.34.
    #[serde(rename = "1.34")]
    V1_34,
    /// 1.35.
    #[serde(rename = "1.35")]
    V1_35,
    /// 1.36, the one that recordings come from and that is taken where nothing else is known.
    #[default]
    #[serde(rename = "1.36")]
    V1_36,
}

impl KubernetesVersion {
    /// All, the oldest first.
    pub const ALL: [KubernetesVersion; 4] =
        [KubernetesVersion::V1_33, KubernetesVersion::V1_34, KubernetesVersion::V1_35, KubernetesVersion::V1_36];

    /// The minor version.
    pub fn minor(self) -> u32 {
        33 + self as u32
    }
    /// The known version nearest to 1.`minor`.
    pub fn nearest(minor: u32) -> KubernetesVersion {
        let at = minor.saturating_sub(33).min(KubernetesVersion::ALL.len() as u32 - 1);
        KubernetesVersion::ALL[at as usize]
    }
}

/// What differs between the known versions, one field a rule. docs/fidelity.md names each one's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of equally good nodes the one on top of a heap is taken, not any of them by luck.
    pub equals_by_heap: bool,
    /// Balanced allocation scores what the pod changes, not what it comes to.
    pub balance_by_change: bool,
    /// A pod like the one before may be given that one's next best node (OpportunisticBatching).
    pub batches_pods: bool,
    /// Image volumes count for image locality as containers' images do.
    pub image_volumes_score: bool,
    /// A node that lacks a resource even when it is empty is not asked for preemption.
    pub too_large_is_final: bool,
    /// The refusal for a taint names it.
    pub taint_is_named: bool,
    /// The refusal for a ReadWriteOncePod claim in use is about nodes, in the plural.
    pub once_pod_is_counted: bool,
    /// A pod's backoff grows with all its attempts, not with rejections and errors apart.
    pub backoff_by_attempts: bool,
    /// A nominated pod counts for the hints of spread and pod affinity as one that has its node.
    pub nominees_count_in_hints: bool,
    /// The end of a pod whose anti-affinity kept another out wakes that one.
    pub end_of_repeller_wakes: bool,
    /// A nominated pod that gets its node wakes waiting pods of no higher priority as if it had been deleted.
    pub bound_nominee_wakes: bool,
    /// The refusal of an eviction says why the budget allows none, not always how many pods it needs.
    pub eviction_says_why: bool,
    /// A lost node gets its NoExecute taint one pass of the node monitor (5 s) after its condition.
    pub no_execute_a_pass_later: bool,
    /// A namespace selector of a pod being scheduled is tried on no labels too (`PodTerm::covers_all_when_scheduled`).
    pub namespace_selector_sees_no_labels: bool,
    /// A volume and a claim must agree in their VolumeAttributesClass (GA).
    pub attributes_class_counts: bool,
    /// A pod that gets its node gets that node's zone and region as labels (PodTopologyLabelsAdmission).
    pub pods_get_topology_labels: bool,
    /// DynamicResources is in the default profile, with this weight (0: it does not score).
    pub dynamic_resources: Option<i64>,
    /// NodeDeclaredFeatures is in the default profile.
    pub declared_features: bool,
    /// DynamicResources takes a `filterTimeout`.
    pub claim_filter_timeout: bool,
    /// DynamicResources takes a `bindingTimeout`.
    pub claim_binding_timeout: bool,
}

impl KubernetesVersion {
    /// The rules that hold in this version.
    pub fn rules(self) -> Rules {
        use KubernetesVersion::{V1_34, V1_35, V1_36};
        Rules {
            equals_by_heap: self >= V1_35,
            balance_by_change: self >= V1_36,
            batches_pods: self >= V1_35,
            image_volumes_score: self >= V1_36,
            too_large_is_final: self >= V1_34,
            taint_is_named: self < V1_35,
            once_pod_is_counted: self >= V1_34,
            backoff_by_attempts: self < V1_34,
            nominees_count_in_hints: self >= V1_36,
            end_of_repeller_wakes: self >= V1_36,
            bound_nominee_wakes: self < V1_35,
            eviction_says_why: self >= V1_35,
            no_execute_a_pass_later: self < V1_34,
            namespace_selector_sees_no_labels: self >= V1_34,
            attributes_class_counts: self >= V1_34,
            pods_get_topology_labels: self >= V1_35,
            dynamic_resources: match self {
                v if v >= V1_35 => Some(2),
                V1_34 => Some(0),
                _ => None,
            },
            declared_features: self >= V1_36,
            claim_filter_timeout: self >= V1_34,
            claim_binding_timeout: self >= V1_36,
        }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor())
    }
}

/// The minor version in a text such as `1.34`, `v1.34.2` or `v1.34.2-gke.100`; None if it is none of Kubernetes 1.
pub fn minor_of(text: &str) -> Option<u32> {
    let rest = text.trim_start_matches('v').strip_prefix("1.")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_and_kubelets_write_them() {
        for (text, minor) in [("1.33", 33), ("v1.34.2", 34), ("v1.36.3-eks-7d1f", 36), ("1.40", 40)] {
            assert_eq!(minor_of(text), Some(minor), "{text}");
        }
        assert!(["", "1", "v2.35", "new"].into_iter().all(|t| minor_of(t).is_none()));
        assert_eq!(
            [12, 33, 35, 40].map(|m| KubernetesVersion::nearest(m).to_string()),
            ["1.33", "1.33", "1.35", "1.36"]
        );
    }
}
