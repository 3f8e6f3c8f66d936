//! Budgets, services, priority and runtime classes, limit ranges as the API writes them.

use super::pod::{ResourceList, Toleration};
use super::scalar::{IntOrString, List, Map, Pairs, Text, Time, count, or_default};
use super::selector::LabelSelector;
use super::{Condition, Meta};
use serde::Deserialize;

/// `policy/v1.PodDisruptionBudget`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Budget<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: BudgetSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: BudgetStatus<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BudgetSpec<'a> {
    pub min_available: Option<IntOrString>,
    pub max_unavailable: Option<IntOrString>,
    #[serde(borrow)]
    pub selector: Option<LabelSelector<'a>>,
    pub unhealthy_pod_eviction_policy: Option<Text<'a>>,
}

/// Its status.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BudgetStatus<'a> {
    #[serde(deserialize_with = "count")]
    pub disruptions_allowed: i64,
    #[serde(deserialize_with = "count")]
    pub current_healthy: i64,
    #[serde(deserialize_with = "count")]
    pub desired_healthy: i64,
    #[serde(deserialize_with = "count")]
    pub expected_pods: i64,
    #[serde(deserialize_with = "or_default")]
    pub observed_generation: i64,
    #[serde(borrow)]
    pub disrupted_pods: Map<'a, Option<Time>>,
    pub conditions: List<Condition<'a>>,
}

/// `v1.Service`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: ServiceSpec<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceSpec<'a> {
    #[serde(borrow)]
    pub selector: Option<Pairs<'a>>,
}

/// `scheduling.k8s.io/v1.PriorityClass`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PriorityClass<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub value: i32,
    #[serde(deserialize_with = "or_default")]
    pub global_default: bool,
    pub preemption_policy: Option<Text<'a>>,
}

/// `node.k8s.io/v1.RuntimeClass`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeClass<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    pub overhead: Option<Overhead<'a>>,
    pub scheduling: Option<Scheduling<'a>>,
}

/// `overhead`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Overhead<'a> {
    #[serde(borrow)]
    pub pod_fixed: ResourceList<'a>,
}

/// `scheduling`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Scheduling<'a> {
    #[serde(borrow)]
    pub node_selector: Pairs<'a>,
    pub tolerations: List<Toleration<'a>>,
}

/// `v1.LimitRange`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LimitRange<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: LimitRangeSpec<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LimitRangeSpec<'a> {
    #[serde(borrow)]
    pub limits: List<Limit<'a>>,
}

/// One of its limits.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limit<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    pub default_request: ResourceList<'a>,
    pub default: ResourceList<'a>,
}

/// `admissionregistration.k8s.io/v1` MutatingWebhookConfiguration or ValidatingWebhookConfiguration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhookConfiguration<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    pub webhooks: List<Webhook<'a>>,
}

/// One of its webhooks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Webhook<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub client_config: ClientConfig<'a>,
    pub rules: List<WebhookRule<'a>>,
    pub failure_policy: Option<Text<'a>>,
    pub namespace_selector: Option<LabelSelector<'a>>,
    pub object_selector: Option<LabelSelector<'a>>,
    pub match_conditions: List<MatchCondition<'a>>,
}

/// When it is asked: a condition in CEL.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MatchCondition<'a> {
    #[serde(borrow)]
    pub expression: Text<'a>,
}

/// Where it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientConfig<'a> {
    #[serde(borrow)]
    pub service: Option<ServiceReference<'a>>,
}

/// A Service by name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceReference<'a> {
    #[serde(borrow)]
    pub namespace: Text<'a>,
    pub name: Text<'a>,
}

/// What it is asked about.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WebhookRule<'a> {
    #[serde(borrow)]
    pub operations: List<Text<'a>>,
    pub api_groups: List<Text<'a>>,
    pub resources: List<Text<'a>>,
    pub scope: Option<Text<'a>>,
}

/// `v1.ResourceQuota`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResourceQuota<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: QuotaSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: QuotaStatus<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QuotaSpec<'a> {
    #[serde(borrow)]
    pub hard: ResourceList<'a>,
    pub scopes: List<Text<'a>>,
    pub scope_selector: Option<ScopeSelector<'a>>,
}

/// Its scopes with operators.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScopeSelector<'a> {
    #[serde(borrow)]
    pub match_expressions: List<ScopeRequirement<'a>>,
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScopeRequirement<'a> {
    #[serde(borrow)]
    pub scope_name: Text<'a>,
    pub operator: Text<'a>,
    pub values: List<Text<'a>>,
}

/// Its status.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct QuotaStatus<'a> {
    #[serde(borrow)]
    pub hard: ResourceList<'a>,
    pub used: ResourceList<'a>,
}
