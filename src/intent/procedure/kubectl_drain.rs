//! Parameters of `kubectl-drain`.

use super::{Access, BarePods, DrainLimit, Procedure, access};
use crate::cluster::RateLimit;
use crate::intent::options::{DAY, MINUTE, Options, Problems};
use crate::intent::selector::LabelSelectorText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do when a batch's workloads are not whole within the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AfterLimit {
    /// Start the next batch.
    GoOn,
    /// End the migration.
    #[default]
    Stop,
}

/// A version of kubectl, `"1.36"`, where versions drain differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubectlVersion {
    /// The number after `1.`.
    pub minor: u32,
}

impl Default for KubectlVersion {
    fn default() -> Self {
        KubectlVersion { minor: 36 }
    }
}

impl KubectlVersion {
    /// Whether a pod is read again after a refused eviction (v0.35.0 `pkg/drain/drain.go`; up to v0.34 the pod as it
    /// was listed is evicted again, without a GET in between).
    pub fn rereads(self) -> bool {
        self.minor >= 35
    }
    /// Up to v0.35 a pod without a controller is refused with "cannot delete cannot delete …"
    /// (`pkg/drain/filters.go`, `unmanagedFatal`).
    pub fn says_cannot_delete_twice(self) -> bool {
        self.minor <= 35
    }
}

impl std::str::FromStr for KubectlVersion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        match (parts.next(), parts.next().map(str::parse)) {
            (Some("1"), Some(Ok(minor))) => Ok(KubectlVersion { minor }),
            _ => Err(format!("no version of kubectl: {text:?}; expected one such as 1.36")),
        }
    }
}

impl Serialize for KubectlVersion {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("1.{}", self.minor))
    }
}
impl<'de> Deserialize<'de> for KubectlVersion {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for KubectlVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KubectlVersion".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^v?1\\.[0-9]+"})
    }
}

/// The flags of `kubectl drain`, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubectlDrainOptions {
    /// Whose drain: kubectl's version. Default 1.36.
    pub version: KubectlVersion,
    /// `--ignore-daemonsets`. Default true (kubectl's own default is false, with which nearly no node can be drained).
    pub ignore_daemonsets: bool,
    /// `--delete-emptydir-data`. Default true, for the same reason.
    pub delete_emptydir_data: bool,
    /// `--force`: delete pods that no controller recreates. Default false.
    pub force: bool,
    /// `--timeout` per node, in ms; 0 for none. Default 10 minutes (kubectl's own default is none).
    pub timeout_ms: i64,
    /// `--grace-period` in seconds; −1 for the pods' own. Default −1.
    pub grace_period_seconds: i64,
    /// `--disable-eviction`: delete, past all budgets. Default false.
    pub disable_eviction: bool,
    /// `--skip-wait-for-delete-timeout` in seconds; 0 for none. Default 0.
    pub skip_wait_for_delete_timeout_seconds: i64,
    /// `--pod-selector`: look at pods with these labels only, in kubectl's text form; empty for all. Default empty.
    pub pod_selector: String,
    /// A pod that a budget held back, and that has a successor of its name on another node by now (a StatefulSet's), is read
    /// again by kubectl, which then evicts the successor. False: the successor is left alone (C). True: as kubectl does it, for
    /// comparison with recordings; an execution names the uid of the pod that it means, and evicts the successor too. Default false.
    pub evict_successors_elsewhere: bool,
    /// Drained nodes are looked at once more, and one to which pods came meanwhile is drained a second time (C). False: it is
    /// left as it is, and does not count as replaced. Default true.
    pub drain_again: bool,
    /// While workloads are waited for, a pod counts when it has been ready for `minReadySeconds` of its workload, which is when its controller
    /// calls it available (C); budgets count it as soon as it is ready. False: it counts as soon as it is ready. Default true.
    #[serde(skip_serializing_if = "is_true")]
    pub await_available: bool,
    /// How long to wait after a batch until all workloads are whole, in ms; None for ever. Default 10 minutes.
    pub settle_timeout_ms: Option<i64>,
    /// What to do when they are not. Default stop.
    pub after_settle_timeout: AfterLimit,
    /// What to do after `kubectl drain` ended with an error. Default go on: the other batches do not depend on it.
    pub after_drain_error: AfterLimit,
    /// What to do after a batch of which admission (a webhook, a policy) let not a single eviction through (C). Default stop: it would be the same with
    /// the others, whose nodes would be cordoned for nothing.
    #[serde(skip_serializing_if = "is_stop")]
    pub after_denial: AfterLimit,
}

impl Default for KubectlDrainOptions {
    fn default() -> Self {
        KubectlDrainOptions {
            version: KubectlVersion::default(),
            ignore_daemonsets: true,
            delete_emptydir_data: true,
            force: false,
            timeout_ms: 10 * MINUTE,
            grace_period_seconds: -1,
            disable_eviction: false,
            skip_wait_for_delete_timeout_seconds: 0,
            pod_selector: String::new(),
            evict_successors_elsewhere: false,
            drain_again: true,
            await_available: true,
            settle_timeout_ms: Some(10 * MINUTE),
            after_settle_timeout: AfterLimit::Stop,
            after_drain_error: AfterLimit::GoOn,
            after_denial: AfterLimit::Stop,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_true(is: &bool) -> bool {
    *is
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_stop(after: &AfterLimit) -> bool {
    *after == AfterLimit::Stop
}

/// See the module.
pub(super) struct KubectlDrain;

impl Procedure for KubectlDrain {
    fn name(&self) -> &'static str {
        "kubectl-drain"
    }

    fn launches(&self) -> bool {
        false
    }

    /// It only empties nodes.
    fn terminates(&self) -> bool {
        false
    }

    /// kubectl's own limits.
    fn client(&self) -> RateLimit {
        RateLimit { qps: 5, burst: 10 }
    }

    fn access(&self, options: &Options) -> &'static [Access] {
        access(options.kubectl_drain.disable_eviction)
    }

    fn bare_pods(&self, options: &Options) -> BarePods {
        BarePods { evicted: options.kubectl_drain.force, by: "kubectl_drain.force" }
    }

    /// One node after the other; within a node all at once, and each pod's own end.
    fn least_drain_ms(&self, pods: &[i64], options: &Options, stop_ms: i64) -> i64 {
        let limit = options.client();
        let all: i64 = pods.iter().sum();
        let paced = match limit.qps {
            0 => 0,
            qps => (all - i64::from(limit.burst)).max(0) * 1000 / i64::from(qps),
        };
        paced.max(pods.iter().filter(|n| **n > 0).map(|_| stop_ms).sum())
    }

    fn drain_limit(&self, options: &Options) -> Option<DrainLimit> {
        let ms = options.kubectl_drain.timeout_ms;
        (ms > 0).then_some(DrainLimit { ms, option: "kubectl_drain.timeout_ms", forces: false })
    }

    fn pod_selector<'o>(&self, options: &'o Options) -> &'o str {
        &options.kubectl_drain.pod_selector
    }

    fn drains_as_kubectl(&self) -> bool {
        true
    }
}

impl KubectlDrainOptions {
    pub(in crate::intent) fn check(&self, problems: &mut Problems) {
        problems.range("kubectl_drain.timeout_ms", self.timeout_ms, 0, 366 * DAY, " ms");
        problems.range("kubectl_drain.grace_period_seconds", self.grace_period_seconds, -1, 366 * 86_400, " s");
        let skip = self.skip_wait_for_delete_timeout_seconds;
        problems.range("kubectl_drain.skip_wait_for_delete_timeout_seconds", skip, 0, 366 * 86_400, " s");
        let settle = self.settle_timeout_ms.unwrap_or(0);
        problems.range("kubectl_drain.settle_timeout_ms", settle, 0, 366 * DAY, " ms");
        if let Some(Err(e)) = (!self.pod_selector.is_empty()).then(|| self.pod_selector.parse::<LabelSelectorText>()) {
            problems.say(format!("options.kubectl_drain.pod_selector: {e}"));
        }
    }
}
