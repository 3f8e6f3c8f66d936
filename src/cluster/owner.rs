//! Controllers of pods.

use super::ids::*;
use super::intern::Sym;
use super::labels::Selector;

/// Kind of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // Kubernetes' own names
pub enum OwnerKind {
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    Job,
    /// Static pods are owned by their node.
    Node,
    /// A custom resource, or a kind we do not know.
    Custom,
}

/// Where the disruption controller finds an owner's replica count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleSource {
    /// `spec.replicas`, a kind it knows or whose CRD has a scale subresource.
    Replicas,
    /// No `/scale` (Job, DaemonSet): a budget over its pods fails to sync.
    None,
    /// `/scale` is there, but not where the controller asks for it (a cluster-scoped resource, or a version that is not
    /// the preferred one): it finds no controller for the pod.
    Unreachable,
    /// Asking for it fails with this text.
    Refused(Sym),
    /// The CRD is not in the dump, so it cannot be told.
    Unknown,
}

/// What a rule of a Job's `podFailurePolicy` does about a failed pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureAction {
    /// It counts against the limits, as without a policy.
    #[default]
    Count,
    /// It does not count.
    Ignore,
    /// The Job has failed.
    FailJob,
    /// The pod's index has failed and is not tried again.
    FailIndex,
}

/// What makes a Job go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// `spec.parallelism`.
    pub parallelism: i64,
    /// `spec.completions`; None for a work queue.
    pub completions: Option<i64>,
    /// `spec.backoffLimit`.
    pub backoff_limit: i64,
    /// `podReplacementPolicy: Failed`: the replacement waits for a terminal phase.
    pub replace_only_failed: bool,
    /// What `podFailurePolicy` does about a pod that a disruption ended.
    pub on_disruption: FailureAction,
    /// `spec.backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<i64>,
    /// `spec.maxFailedIndexes`.
    pub max_failed_indexes: Option<i64>,
    /// `status.failedIndexes`.
    pub failed_indexes: Vec<u32>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `completionMode: Indexed`.
    pub indexed: bool,
    /// `status.succeeded` and `status.failed` in the dump.
    pub succeeded: i64,
    /// See `succeeded`.
    pub failed: i64,
    /// When `activeDeadlineSeconds` ends it, in milliseconds since the snapshot; None if it has none, or has not started.
    pub deadline_ms: Option<i64>,
    /// Has condition Complete or Failed.
    pub finished: bool,
    /// The CronJob that made it.
    pub cron_job: Option<Sym>,
    /// How long it took, where it is complete and had one pod: `status.startTime` to `status.completionTime`, in milliseconds.
    pub took_ms: Option<i64>,
}

impl Owner {
    /// Whether its pods run to an end.
    pub fn is_job(&self) -> bool {
        self.kind == OwnerKind::Job
    }
}

/// A controller of pods or of other controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind.
    pub kind: OwnerKind,
    /// Kind as written (`Widget`).
    pub kind_name: Sym,
    /// `apiVersion`.
    pub api_version: Sym,
    /// Namespace.
    pub namespace: NsIdx,
    /// Name.
    pub name: Sym,
    /// `metadata.uid`.
    pub uid: Sym,
    /// Its own controller (a ReplicaSet's Deployment).
    pub parent: Option<OwnerIdx>,
    /// Only named by a pod, not in the dump.
    pub missing: bool,
    /// Being deleted.
    pub deleting: bool,
    /// When somebody created it, in milliseconds since the snapshot; None if that is not known, or another controller made it.
    pub created: Option<i64>,
    /// `spec.replicas` (default 1) where the kind has it.
    pub replicas: Option<i64>,
    /// Where budgets find its scale.
    pub scale: ScaleSource,
    /// `spec.selector`.
    pub selector: Selector,
    /// `spec.minReadySeconds`, in milliseconds.
    pub min_ready_ms: i64,
    /// StatefulSet with `podManagementPolicy: Parallel`.
    pub parallel: bool,
    /// StatefulSet `spec.ordinals.start`.
    pub first_ordinal: u32,
    /// Job fields.
    pub job: Option<JobSpec>,
    /// The pod template as a spec, where the dump has it (DaemonSets are charged to new nodes by it).
    pub template: Option<SpecIdx>,
    /// Names of `volumeClaimTemplates`.
    pub claim_templates: Vec<Sym>,
}
