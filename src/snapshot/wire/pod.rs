//! Pods as the API writes them.

use super::scalar::{List, Map, Pairs, Text, Time, count, or_default, positive, seconds};
use super::selector::{LabelSelector, NodeSelector, NodeSelectorTerm};
use super::{Condition, Meta};
use crate::cluster::Quantity;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Amounts by resource name.
pub type ResourceList<'a> = Map<'a, Quantity>;

/// `v1.Pod`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: PodSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: PodStatus<'a>,
}

/// `v1.PodTemplateSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodTemplate<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: PodSpec<'a>,
}

/// `v1.PodSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec<'a> {
    #[serde(borrow)]
    pub node_name: Option<Text<'a>>,
    pub containers: List<Container<'a>>,
    pub init_containers: List<Container<'a>>,
    pub resources: Option<Resources<'a>>,
    pub overhead: ResourceList<'a>,
    pub priority: Option<i32>,
    pub priority_class_name: Option<Text<'a>>,
    pub preemption_policy: Option<Text<'a>>,
    pub node_selector: Pairs<'a>,
    pub affinity: Option<Affinity<'a>>,
    pub tolerations: List<Toleration<'a>>,
    pub topology_spread_constraints: List<SpreadConstraint<'a>>,
    pub scheduler_name: Option<Text<'a>>,
    pub scheduling_gates: List<IgnoredAny>,
    #[serde(deserialize_with = "seconds")]
    pub termination_grace_period_seconds: Option<i64>,
    #[serde(deserialize_with = "positive")]
    pub active_deadline_seconds: Option<i64>,
    pub restart_policy: Option<Text<'a>>,
    pub runtime_class_name: Option<Text<'a>>,
    pub host_network: Option<bool>,
    pub volumes: List<Volume<'a>>,
    pub resource_claims: List<IgnoredAny>,
    pub os: Option<PodOs<'a>>,
}

/// `spec.os`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodOs<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// `requests` and `limits`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources<'a> {
    #[serde(borrow)]
    pub requests: ResourceList<'a>,
    pub limits: ResourceList<'a>,
}

/// `v1.Container`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub image: Option<Text<'a>>,
    #[serde(deserialize_with = "or_default")]
    pub resources: Resources<'a>,
    pub restart_policy: Option<Text<'a>>,
    pub restart_policy_rules: List<RestartRule<'a>>,
    pub ports: List<Port<'a>>,
    pub lifecycle: Option<Lifecycle<'a>>,
    pub readiness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
}

/// `v1.ContainerRestartRule`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RestartRule<'a> {
    #[serde(borrow)]
    pub action: Text<'a>,
}

/// `lifecycle` of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Lifecycle<'a> {
    #[serde(borrow)]
    pub pre_stop: Option<Hook<'a>>,
}

/// A hook's action; any other than these two is only known to be there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hook<'a> {
    #[serde(borrow)]
    pub exec: Option<ExecAction<'a>>,
    pub sleep: Option<SleepAction>,
}

/// A command.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExecAction<'a> {
    #[serde(borrow)]
    pub command: List<Text<'a>>,
}

/// Sleeps within the kubelet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SleepAction {
    #[serde(deserialize_with = "seconds")]
    pub seconds: i64,
}

/// A probe, as far as it delays a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    #[serde(deserialize_with = "count")]
    pub initial_delay_seconds: i64,
}

impl Container<'_> {
    /// An init container that keeps running beside the others.
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

/// `v1.ContainerPort`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port<'a> {
    pub host_port: Option<u16>,
    pub container_port: Option<u16>,
    #[serde(borrow, rename = "hostIP")]
    pub host_ip: Option<Text<'a>>,
    pub protocol: Option<Text<'a>>,
}

/// `v1.Affinity`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity<'a> {
    #[serde(borrow)]
    pub node_affinity: Option<NodeAffinity<'a>>,
    pub pod_affinity: Option<PodAffinity<'a>>,
    pub pod_anti_affinity: Option<PodAffinity<'a>>,
}

impl<'a> Affinity<'a> {
    /// All terms to other pods.
    pub fn pod_terms(&self) -> impl Iterator<Item = &PodTerm<'a>> {
        let both = self.pod_affinity.iter().chain(self.pod_anti_affinity.iter());
        both.flat_map(|a| a.required.iter().chain(a.preferred.iter().map(|p| &p.pod_affinity_term)))
    }
}

/// `v1.NodeAffinity`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeAffinity<'a> {
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector<'a>>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: List<PreferredNode<'a>>,
}

/// `v1.PreferredSchedulingTerm`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PreferredNode<'a> {
    #[serde(deserialize_with = "or_default")]
    pub weight: i32,
    #[serde(borrow, deserialize_with = "or_default")]
    pub preference: NodeSelectorTerm<'a>,
}

/// `v1.PodAffinity` and `v1.PodAntiAffinity`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodAffinity<'a> {
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: List<PodTerm<'a>>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: List<PreferredPod<'a>>,
}

/// `v1.WeightedPodAffinityTerm`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PreferredPod<'a> {
    #[serde(deserialize_with = "or_default")]
    pub weight: i32,
    #[serde(borrow, deserialize_with = "or_default")]
    pub pod_affinity_term: PodTerm<'a>,
}

/// `v1.PodAffinityTerm`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodTerm<'a> {
    #[serde(borrow)]
    pub label_selector: Option<LabelSelector<'a>>,
    pub namespaces: List<Text<'a>>,
    pub namespace_selector: Option<LabelSelector<'a>>,
    pub topology_key: Text<'a>,
    pub match_label_keys: List<Text<'a>>,
    pub mismatch_label_keys: List<Text<'a>>,
}

/// `v1.Toleration`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Toleration<'a> {
    #[serde(borrow)]
    pub key: Option<Text<'a>>,
    pub operator: Option<Text<'a>>,
    pub value: Option<Text<'a>>,
    pub effect: Option<Text<'a>>,
    #[serde(deserialize_with = "seconds")]
    pub toleration_seconds: Option<i64>,
}

/// `v1.TopologySpreadConstraint`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SpreadConstraint<'a> {
    #[serde(deserialize_with = "positive")]
    pub max_skew: i64,
    #[serde(borrow)]
    pub topology_key: Text<'a>,
    pub when_unsatisfiable: Text<'a>,
    pub label_selector: Option<LabelSelector<'a>>,
    #[serde(deserialize_with = "positive")]
    pub min_domains: Option<i64>,
    pub node_affinity_policy: Option<Text<'a>>,
    pub node_taints_policy: Option<Text<'a>>,
    pub match_label_keys: List<Text<'a>>,
}

/// `v1.Volume`, as far as it decides where a pod can run.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub empty_dir: Option<IgnoredAny>,
    pub host_path: Option<HostPath<'a>>,
    pub persistent_volume_claim: Option<ClaimSource<'a>>,
    pub ephemeral: Option<IgnoredAny>,
    pub csi: Option<CsiSource<'a>>,
    pub image: Option<ImageSource<'a>>,
    pub gce_persistent_disk: Option<GceDisk<'a>>,
    pub aws_elastic_block_store: Option<AwsDisk<'a>>,
    pub iscsi: Option<Iscsi<'a>>,
    pub rbd: Option<Rbd<'a>>,
}

/// A path of the node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostPath<'a> {
    #[serde(borrow)]
    pub path: Text<'a>,
}

/// A claim by name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSource<'a> {
    #[serde(borrow)]
    pub claim_name: Text<'a>,
}

/// An inline CSI volume.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CsiSource<'a> {
    #[serde(borrow)]
    pub driver: Text<'a>,
}

/// An image mounted as a volume.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImageSource<'a> {
    #[serde(borrow)]
    pub reference: Text<'a>,
}

/// Legacy GCE disk.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GceDisk<'a> {
    #[serde(borrow)]
    pub pd_name: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub read_only: bool,
}

/// Legacy EBS disk.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AwsDisk<'a> {
    #[serde(borrow, rename = "volumeID")]
    pub volume_id: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub read_only: bool,
}

/// Legacy iSCSI disk.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Iscsi<'a> {
    #[serde(borrow)]
    pub iqn: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub read_only: bool,
}

/// Legacy Ceph disk.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rbd<'a> {
    #[serde(borrow)]
    pub monitors: List<Text<'a>>,
    pub pool: Option<Text<'a>>,
    pub image: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub read_only: bool,
}

/// `v1.PodStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus<'a> {
    #[serde(borrow)]
    pub phase: Option<Text<'a>>,
    pub conditions: List<Condition<'a>>,
    pub start_time: Option<Time>,
    pub nominated_node_name: Option<Text<'a>>,
    pub container_statuses: List<ContainerStatus<'a>>,
    pub init_container_statuses: List<ContainerStatus<'a>>,
    pub resources: Option<Resources<'a>>,
    pub allocated_resources: Option<ResourceList<'a>>,
}

/// `v1.ContainerStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(deserialize_with = "count")]
    pub restart_count: i64,
    pub resources: Option<Resources<'a>>,
    pub allocated_resources: Option<ResourceList<'a>>,
    pub state: Option<ContainerState<'a>>,
}

/// `v1.ContainerState`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContainerState<'a> {
    #[serde(borrow)]
    pub waiting: Option<Waiting<'a>>,
    pub running: Option<RunningState>,
    pub terminated: Option<TerminatedState<'a>>,
}

/// Why a container waits.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Waiting<'a> {
    #[serde(borrow)]
    pub reason: Option<Text<'a>>,
}

/// Since when a container runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RunningState {
    pub started_at: Option<Time>,
}

/// When a container ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TerminatedState<'a> {
    #[serde(borrow)]
    pub reason: Option<Text<'a>>,
    pub finished_at: Option<Time>,
}
