//! Controllers of pods as the API writes them.

use super::pod::PodTemplate;
use super::scalar::{List, Pairs, Text, Time, count, or_default, seconds};
use super::selector::LabelSelector;
use super::{Bare, Condition, Meta};
use serde::Deserialize;

/// A Deployment, ReplicaSet, StatefulSet, DaemonSet or Job: their fields of one name mean the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Workload<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: WorkloadSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: WorkloadStatus<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkloadSpec<'a> {
    #[serde(deserialize_with = "count")]
    pub replicas: Option<i64>,
    #[serde(borrow)]
    pub selector: Option<LabelSelector<'a>>,
    #[serde(deserialize_with = "count")]
    pub min_ready_seconds: i64,
    pub template: Option<PodTemplate<'a>>,
    pub pod_management_policy: Option<Text<'a>>,
    pub ordinals: Option<Ordinals>,
    pub volume_claim_templates: List<Bare<'a>>,
    #[serde(deserialize_with = "count")]
    pub parallelism: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub completions: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub backoff_limit: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub backoff_limit_per_index: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub max_failed_indexes: Option<i64>,
    pub pod_replacement_policy: Option<Text<'a>>,
    pub pod_failure_policy: Option<FailurePolicy<'a>>,
    #[serde(deserialize_with = "or_default")]
    pub suspend: bool,
    pub completion_mode: Option<Text<'a>>,
    #[serde(deserialize_with = "seconds")]
    pub active_deadline_seconds: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub paused: bool,
    pub update_strategy: Option<Strategy<'a>>,
}

/// How a StatefulSet or DaemonSet brings its pods to a new template.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Strategy<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    pub rolling_update: Option<RollingUpdate>,
}

/// Its parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RollingUpdate {
    #[serde(deserialize_with = "count")]
    pub partition: Option<i64>,
}

/// StatefulSet `spec.ordinals`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ordinals {
    #[serde(deserialize_with = "or_default")]
    pub start: u32,
}

/// Job `spec.podFailurePolicy`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FailurePolicy<'a> {
    #[serde(borrow)]
    pub rules: List<FailureRule<'a>>,
}

/// One of its rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FailureRule<'a> {
    #[serde(borrow)]
    pub action: Text<'a>,
    pub on_exit_codes: Option<ExitCodes<'a>>,
    pub on_pod_conditions: List<ConditionPattern<'a>>,
}

/// `onPodConditions` of a rule: a condition's type, and its status, `True` if not given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConditionPattern<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    pub status: Option<Text<'a>>,
}

/// `onExitCodes` of a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExitCodes<'a> {
    #[serde(borrow)]
    pub operator: Text<'a>,
    pub values: List<i64>,
}

/// Its status, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkloadStatus<'a> {
    #[serde(deserialize_with = "count")]
    pub ready_replicas: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub replicas: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub current_number_scheduled: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub active: Option<i64>,
    pub observed_generation: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub updated_replicas: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub updated_number_scheduled: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub desired_number_scheduled: Option<i64>,
    pub start_time: Option<Time>,
    pub completion_time: Option<Time>,
    pub failed_indexes: Option<Text<'a>>,
    #[serde(deserialize_with = "count")]
    pub succeeded: i64,
    #[serde(deserialize_with = "count")]
    pub failed: i64,
    #[serde(borrow)]
    pub conditions: List<Condition<'a>>,
}

/// A ReplicationController, whose selector is a plain map.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplicationController<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: ReplicationControllerSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: WorkloadStatus<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReplicationControllerSpec<'a> {
    #[serde(deserialize_with = "count")]
    pub replicas: Option<i64>,
    #[serde(borrow)]
    pub selector: Option<Pairs<'a>>,
    #[serde(deserialize_with = "count")]
    pub min_ready_seconds: i64,
    pub template: Option<PodTemplate<'a>>,
}

/// `apiextensions.k8s.io/v1.CustomResourceDefinition`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Definition<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: DefinitionSpec<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DefinitionSpec<'a> {
    #[serde(borrow)]
    pub group: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub names: Names<'a>,
    pub scope: Text<'a>,
    pub versions: List<Version<'a>>,
}

/// Its names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Names<'a> {
    #[serde(borrow)]
    pub kind: Text<'a>,
    pub plural: Text<'a>,
}

/// One of its versions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Version<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub served: Option<bool>,
    pub subresources: Option<Subresources<'a>>,
}

/// The subresources of a version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Subresources<'a> {
    #[serde(borrow)]
    pub scale: Option<ScalePaths<'a>>,
}

/// Where `/scale` finds the replica count.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScalePaths<'a> {
    #[serde(borrow)]
    pub spec_replicas_path: Text<'a>,
}
