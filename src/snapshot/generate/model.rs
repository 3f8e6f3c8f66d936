//! What will be written, before it is written: nodes, workloads, their pods and where they are.

use super::names::NOW;
use super::params::GenerateParams;
use crate::cluster::draw::Draws;

/// The namespace of the DaemonSets.
pub(super) const SYSTEM_NAMESPACE: &str = "kube-system";

/// A whole cluster, small enough to hold while its objects are streamed out.
pub(super) struct Model<'p> {
    pub params: &'p GenerateParams,
    pub draws: Draws,
    /// Zone names; those of the parameters first, then those that only traps have.
    pub zones: Vec<String>,
    pub nodes: Vec<Node>,
    pub workloads: Vec<Workload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Old,
    New,
    Special,
}

/// What a trap did to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    NotReady,
    Cordoned,
    Overcommitted,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub name: String,
    pub pool: Pool,
    /// Index into the zones.
    pub zone: usize,
    pub machine: String,
    /// Allocatable.
    pub room: Amount,
    /// Requested by its pods.
    pub used: Amount,
    pub ssd: bool,
    /// Seconds since 1970.
    pub created: u64,
    /// Made for one trap: takes no other pods but DaemonSets'.
    pub closed: bool,
    pub mark: Option<Mark>,
}

/// Amounts of what pods ask and nodes have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub cpu_millis: u64,
    pub memory_mib: u64,
    /// Of the special pool's resource.
    pub special: u64,
    pub pods: u64,
    /// Volumes of the CSI driver.
    pub volumes: u64,
}

impl Amount {
    pub fn add(&mut self, other: &Self) {
        self.cpu_millis += other.cpu_millis;
        self.memory_mib += other.memory_mib;
        self.special += other.special;
        self.pods += other.pods;
        self.volumes += other.volumes;
    }

    pub const fn fits(&self, used: &Self, room: &Self) -> bool {
        used.cpu_millis + self.cpu_millis <= room.cpu_millis
            && used.memory_mib + self.memory_mib <= room.memory_mib
            && used.special + self.special <= room.special
            && used.pods + self.pods <= room.pods
            && used.volumes + self.volumes <= room.volumes
    }
}

impl Node {
    /// The allocatable cpu that the dump shows: less than is used where the trap says so.
    pub fn offered_cpu_millis(&self) -> u64 {
        if self.mark == Some(Mark::Overcommitted) {
            (self.used.cpu_millis * 9 / 10).max(1)
        } else {
            self.room.cpu_millis
        }
    }

    pub fn ready(&self) -> bool {
        self.mark != Some(Mark::NotReady)
    }
}

/// Kinds of workloads, those of the mix first and in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    StatefulSetParallel,
    Job,
    ReplicationController,
    StandAlone,
    Custom,
    DaemonSet,
}

impl Kind {
    pub const MIX: [Self; 8] = [
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::StatefulSetParallel,
        Self::Job,
        Self::ReplicationController,
        Self::StandAlone,
        Self::Custom,
    ];

    /// The first part of its workloads' names.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deployment => "web",
            Self::ReplicaSet => "set",
            Self::StatefulSet => "db",
            Self::StatefulSetParallel => "cache",
            Self::Job => "job",
            Self::ReplicationController => "rc",
            Self::StandAlone => "pod",
            Self::Custom => "widget",
            Self::DaemonSet => "agent",
        }
    }

    pub const fn stateful(self) -> bool {
        matches!(self, Self::StatefulSet | Self::StatefulSetParallel)
    }
}

/// Where pods of a workload shall not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    Nodes,
    Zones,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    Hard,
    Soft,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    High,
    Low,
    NodeCritical,
}

impl Priority {
    pub const fn class(self) -> (&'static str, i64) {
        match self {
            Self::High => ("generated-high", 1000),
            Self::Low => ("generated-low", -10),
            Self::NodeCritical => ("system-node-critical", 2_000_001_000),
        }
    }
}

/// What a workload's pod template says.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub ask: Amount,
    /// Lives in the special pool: node selector, toleration and one of its resource.
    pub special: bool,
    pub ssd: bool,
    /// Node selector on the old pool (a trap).
    pub old_pool_only: bool,
    pub apart: Option<Apart>,
    pub spread: Option<Spread>,
    pub empty_dir: bool,
    /// GiB of the volume of each pod.
    pub volume_gib: Option<u64>,
    pub priority: Option<Priority>,
    pub start_seconds: u64,
    pub stop_seconds: u64,
    pub labels: Vec<(&'static str, &'static str)>,
    pub annotations: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub name: String,
    pub namespace: String,
    pub kind: Kind,
    /// What the owner wants.
    pub replicas: u32,
    pub shape: Shape,
    /// Seconds since 1970.
    pub created: u64,
    /// Hash of the pod template, as names show it.
    pub hash: String,
    pub pods: Vec<Pod>,
    pub budgets: Vec<Budget>,
    pub service: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub name: String,
    pub node: Option<usize>,
    /// Seconds since 1970; scheduled in the same second.
    pub created: u64,
    pub state: PodState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PodState {
    Running,
    Pending,
    /// Deleted a few seconds before the dump was taken.
    Terminating,
    CrashLooping,
}

#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub name: String,
    pub form: BudgetForm,
    pub always_allow: bool,
    /// The selector uses `matchExpressions` instead of `matchLabels`.
    pub expressions: bool,
    pub stale: Option<Stale>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetForm {
    MinAvailable(u64),
    MinAvailablePercent(u64),
    MaxUnavailable(u64),
    MaxUnavailablePercent(u64),
}

/// How a stored status lags behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    /// One healthy pod is not counted yet.
    Counters,
    /// The spec changed and was not looked at since.
    Generation,
}

impl Workload {
    /// "namespace/name", the key of its draws.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Model<'_> {
    /// Is the pod Ready as the dump shows it? A node that stopped posting takes its pods' readiness away.
    pub fn pod_ready(&self, pod: &Pod) -> bool {
        let up = matches!(pod.state, PodState::Running | PodState::Terminating);
        up && pod.node.is_some_and(|node| self.nodes[node].ready())
    }

    /// Pods Ready and not being deleted.
    pub fn healthy(&self, workload: &Workload) -> u64 {
        workload.pods.iter().filter(|pod| pod.state != PodState::Terminating && self.pod_ready(pod)).count() as u64
    }

    /// When a running pod became ready, in seconds since 1970.
    pub fn ready_at(&self, workload: &Workload, pod: &Pod) -> u64 {
        (pod.created + workload.shape.start_seconds).min(NOW)
    }
}

impl Workload {
    /// Pods that count as its replicas (not being deleted).
    pub fn live(&self) -> u64 {
        self.pods.iter().filter(|pod| pod.state != PodState::Terminating).count() as u64
    }

    /// Pods being deleted.
    pub fn terminating(&self) -> u64 {
        self.pods.len() as u64 - self.live()
    }
}
