//! One line of a trace: what happened, when, and to what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of thing happened; the wire form is snake_case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are the documentation; the table in docs/outputs.md explains each
pub enum EventKind {
    MigrationStarted,
    MigrationState,
    NodeState,
    PoolState,
    BatchStarted,
    NodeCordoned,
    NodeLaunchRequested,
    NodeLaunchFailed,
    NodeAdded,
    NodeReady,
    NodeNotReady,
    EvictionAccepted,
    EvictionRefused,
    PodForced,
    BudgetChanged,
    PodTerminated,
    PodCreated,
    PodBound,
    PodUnschedulable,
    PodReady,
    PodPreempted,
    PodWaited,
    PodAttached,
    NodeDrained,
    DrainFailed,
    NodeDeleted,
    NodeUncordoned,
    NodeWarning,
    WorkloadChanged,
    JobPodLost,
    JobFailed,
    PodCreationRefused,
    GateWaiting,
    GateOpened,
    BatchFinished,
    MigrationFinished,
}

/// A pod that is left on an old node, in its provider's terms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PodDetail {
    /// `namespace/name`.
    pub pod: String,
    /// The provider's word for its kind (`STAND_ALONE_POD`, `UNKNOWN`).
    pub kind: String,
}

/// Which side of the migration a node stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// Selected to be emptied and retired.
    Old,
    /// Launched during the run.
    New,
    /// In the cluster from the start and not selected.
    Other,
}

/// One event. Only the fields that apply are written; all times are milliseconds of virtual
/// (or, live, wall) time since the migration started.
///
/// The initial cluster is told too, so that every figure can be made from the trace alone: each
/// node of the snapshot has a `node_added` at `t_ms` 0 with `initial: true`, its allocatable
/// (`cpu_milli`, `memory_bytes`, `pod_slots`) and the sums its bound pods request
/// (`requested_cpu_milli`, `requested_memory_bytes`, `pods`). Pods pending at the start have a
/// `pod_created` with `initial: true`. Each budget has a `budget_changed` at `t_ms` 0 with
/// `initial: true` and its stored status.
///
/// What the figures rely on: every pod event carries `pod`, `uid` and `owner` (none for stand-alone
/// pods); the first event of a pod of the snapshot, and its `pod_terminated`, also `node`, `cpu_milli`
/// and `memory_bytes`; `pod_created` of later pods their requests. `pod_bound` names the node.
/// `pod_terminated` has the `reason` `Completed` or `ScaledDown` where the pod ended by itself: such a
/// pod is not disrupted. A drain that deletes instead of evicting tells `eviction_accepted` with the
/// reason `Deleted`. `node_launch_requested` has `group` and in `nodes` how many more are asked for
/// (1 if absent), or names the node. `node_cordoned`, `node_drained` and `drain_failed` carry the batch
/// that they belong to, and evictions do; `node_added` of a launched node the batch it was launched for.
///
/// `workload_changed` has the workload in `owner` (each of the cluster but DaemonSets and static pods), how many of its pods are `ready` (and not
/// being deleted) and how many are `wanted`, whenever one of the two changes, and at `t_ms` 0 with `initial: true` the names of the budgets over its
/// pods. After `migration_finished` it is the only event, with `sim_only: true`: the cluster is watched a little longer where a workload was not ready
/// again by then.
///
/// Where the provider's API has a word for it (`ocean-aws`, `ocean-azure`), `migration_state`, `node_state` (of an old node) and
/// `pool_state` (of a group's new nodes, `nodes` of them Ready by then) say in `state` what it would say, whenever that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the migration started.
    pub t_ms: u64,
    /// What happened.
    pub event: EventKind,
    /// Batch, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// Node name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The object's identity: the API's uid for what was in the snapshot, `sim-N` for what the simulation made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `Kind/namespace/name` of the pod's workload: the highest of its owners of a kind that Kubernetes
    /// itself knows (a Deployment, not the custom resource above it); absent for stand-alone pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Node group id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `namespace/name` of a PodDisruptionBudget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Short machine-readable cause, CamelCase or a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The full text, worded as the real system words it where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// HTTP code of an eviction's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Side of the migration (`node_added`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<NodeRole>,
    /// True for what was there when the migration started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initial: bool,
    /// Node: allocatable; pod: requested. Thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<i64>,
    /// Node: allocatable; pod: requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<i64>,
    /// Node: how many pods it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_slots: Option<i64>,
    /// Initial node: sum of its pods' requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_cpu_milli: Option<i64>,
    /// Initial node: sum of its pods' requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_memory_bytes: Option<i64>,
    /// Initial node: number of its pods; batch events: pods concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// Batch and migration events: nodes concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Node price, millionths of a currency unit per hour, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_micros_per_hour: Option<u64>,
    /// Node's machine type, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
    /// True for a node that is Ocean's: by its labels, or by the virtual node group that it was launched from (`node_added`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ocean: bool,
    /// Budget: `status.disruptionsAllowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<i64>,
    /// Budget: `status.currentHealthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<i64>,
    /// Budget: `status.desiredHealthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<i64>,
    /// Budget: `status.expectedPods`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,
    /// Workload: its pods that are ready and not being deleted. Budget, initially: how many such pods it covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// Workload: how many pods it wants (`spec.replicas`; where there is none, the pods that it had at the start).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u32>,
    /// Initial workload: the budgets over its pods, `namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<String>,
    /// Preempted pod: the workload (`Kind/namespace/name`, `Pod/namespace/name` of a bare pod) for whose pod it had to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Pod that waited in the scheduler's queue after it last found no node: how long, milliseconds (`reason`: `Backoff` or `QueueFlush`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// A Job's pod that was lost: how long it had run, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_ms: Option<u64>,
    /// Batch and migration end: `COMPLETED`, `PARTLY_COMPLETED`, `FAILED`, `STOPPED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Wait before a batch: when it is over, or the limit of a check or approval; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The provider's word for how a migration, an old node or a new pool stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Old node: its pods that would have to move, where the provider lists them by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_details: Vec<PodDetail>,
    /// True for what only a simulator can know; comparison of two traces leaves these out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sim_only: bool,
}

impl Event {
    /// An event of `kind` at `t_ms` with nothing else set.
    pub fn new(t_ms: u64, kind: EventKind) -> Event {
        Event {
            t_ms,
            event: kind,
            batch: None,
            node: None,
            pod: None,
            uid: None,
            owner: None,
            group: None,
            budget: None,
            reason: None,
            message: None,
            code: None,
            role: None,
            initial: false,
            cpu_milli: None,
            memory_bytes: None,
            pod_slots: None,
            requested_cpu_milli: None,
            requested_memory_bytes: None,
            pods: None,
            nodes: None,
            price_micros_per_hour: None,
            machine_type: None,
            ocean: false,
            allowed: None,
            healthy: None,
            desired: None,
            expected: None,
            ready: None,
            wanted: None,
            budgets: Vec::new(),
            by: None,
            waited_ms: None,
            lost_ms: None,
            outcome: None,
            until_ms: None,
            state: None,
            pod_details: Vec::new(),
            sim_only: false,
        }
    }
}
