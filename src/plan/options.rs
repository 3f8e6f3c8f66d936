//! Every parameter of a migration: its meaning, range and default.

use super::execution::{ExecutionOptions, Gates};
use super::select::LabelSelectorText;
use crate::cluster::RateLimit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// How a batch goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcedureKind {
    /// `kubectl drain` of the batch, then a wait for all workloads to be whole: what works on any cluster.
    #[default]
    KubectlDrain,
    /// Ocean's workload migration on EKS.
    OceanAws,
    /// Ocean's workload migration on AKS.
    OceanAzure,
    /// What EKS, AKS and GKE do when they upgrade a node pool.
    Surge,
}

impl ProcedureKind {
    /// The name of the command line (`kubectl-drain`).
    pub fn name(self) -> &'static str {
        match self {
            ProcedureKind::KubectlDrain => "kubectl-drain",
            ProcedureKind::OceanAws => "ocean-aws",
            ProcedureKind::OceanAzure => "ocean-azure",
            ProcedureKind::Surge => "surge",
        }
    }
    /// Whether it is one of Ocean's.
    pub fn is_ocean(self) -> bool {
        matches!(self, ProcedureKind::OceanAws | ProcedureKind::OceanAzure)
    }
    /// Whether it launches the replacements itself, ahead of the drain.
    pub fn launches(self) -> bool {
        self != ProcedureKind::KubectlDrain
    }
}

impl std::str::FromStr for ProcedureKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kubectl-drain" => Ok(ProcedureKind::KubectlDrain),
            "ocean-aws" => Ok(ProcedureKind::OceanAws),
            "ocean-azure" => Ok(ProcedureKind::OceanAzure),
            "surge" => Ok(ProcedureKind::Surge),
            _ => Err(format!("no procedure {text:?}; expected one of kubectl-drain, ocean-aws, ocean-azure, surge")),
        }
    }
}

/// Which nodes go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatcherKind {
    /// Ordered by size, cut into equal batches (Ocean's).
    #[default]
    Size,
    /// As few pods of one budget in one batch as its allowance, best effort.
    BudgetAware,
    /// As given in `listed_batches`.
    Listed,
}

impl BatcherKind {
    /// The name of the command line.
    pub fn name(self) -> &'static str {
        match self {
            BatcherKind::Size => "size",
            BatcherKind::BudgetAware => "budget-aware",
            BatcherKind::Listed => "listed",
        }
    }
}

impl std::str::FromStr for BatcherKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "size" => Ok(BatcherKind::Size),
            "budget-aware" => Ok(BatcherKind::BudgetAware),
            "listed" => Ok(BatcherKind::Listed),
            _ => Err(format!("no batcher {text:?}; expected one of size, budget-aware, listed")),
        }
    }
}

/// What the percentage of a batch is of; Ocean's documents say both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PercentOf {
    /// The number of selected nodes.
    #[default]
    Selected,
    /// The number of nodes the cluster has (its target capacity).
    TargetCapacity,
}

/// How many nodes a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BatchSize {
    /// So many nodes.
    Nodes(u32),
    /// A percentage in text, `"20%"`.
    Percent(Percent),
}

/// A percentage written `"20%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}%", self.0))
    }
}
impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match text.parse::<BatchSize>() {
            Ok(BatchSize::Percent(p)) => Ok(p),
            Ok(BatchSize::Nodes(_)) => {
                Err(serde::de::Error::custom(format!("{text:?} is no percentage; write \"20%\"")))
            }
            Err(e) => Err(serde::de::Error::custom(e)),
        }
    }
}
impl JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9]+%$"})
    }
}

impl std::str::FromStr for BatchSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "batch size {text:?}: expected a percentage such as 20% (1 to 100) or a number of nodes of at least 1"
            )
        };
        match text.strip_suffix('%') {
            Some(p) => match p.parse::<u32>() {
                Ok(p) if (1..=100).contains(&p) => Ok(BatchSize::Percent(Percent(p))),
                _ => Err(bad()),
            },
            None => match text.parse::<u32>() {
                Ok(n) if n >= 1 => Ok(BatchSize::Nodes(n)),
                _ => Err(bad()),
            },
        }
    }
}

impl std::fmt::Display for BatchSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BatchSize::Nodes(n) => write!(f, "{n}"),
            BatchSize::Percent(p) => write!(f, "{}%", p.0),
        }
    }
}

/// What to do about pods that are unschedulable before anything was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnscheduledAtStart {
    /// End at once (Ocean's rule).
    Refuse,
    /// Leave them out of account: only new ones count.
    Ignore,
}

/// When old nodes are cordoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CordonWhen {
    /// All before the first batch: nothing moves twice, but the old nodes' free room is lost at once.
    AllFirst,
    /// Each batch's when it starts.
    #[default]
    PerBatch,
}

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

/// A first, small batch that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Nodes in it, at least 1.
    pub nodes: u32,
    /// Wait after it, in ms, on top of the usual soak.
    #[serde(default)]
    pub soak_ms: i64,
}

/// A span of time in which batches may start, in ms since the migration started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Opens.
    pub from_ms: i64,
    /// Closes; a batch under way goes on.
    pub to_ms: i64,
    /// Opens again every so many ms; None for once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<i64>,
}

impl Window {
    /// The earliest moment at or after `now` at which it is open.
    pub fn next_open(&self, now: i64) -> Option<i64> {
        if now < self.from_ms {
            return Some(self.from_ms);
        }
        match self.every_ms {
            Some(every) if every > 0 => {
                let into = (now - self.from_ms) % every;
                Some(if into < self.to_ms - self.from_ms { now } else { now - into + every })
            }
            _ => (now < self.to_ms).then_some(now),
        }
    }
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
    /// In which order a node's evictions start is luck: goroutines on several processors. None: as on one processor, the
    /// last of the list and then the others in its order. A seed draws another possible order. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_seed: Option<u64>,
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
    /// How long to wait after a batch until all workloads are whole, in ms; None for ever. Default 10 minutes.
    pub settle_timeout_ms: Option<i64>,
    /// What to do when they are not. Default stop.
    pub after_settle_timeout: AfterLimit,
    /// What to do after `kubectl drain` ended with an error. Default go on: the other batches do not depend on it.
    pub after_drain_error: AfterLimit,
}

impl Default for KubectlDrainOptions {
    fn default() -> Self {
        KubectlDrainOptions {
            version: KubectlVersion::default(),
            order_seed: None,
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
            settle_timeout_ms: Some(10 * MINUTE),
            after_settle_timeout: AfterLimit::Stop,
            after_drain_error: AfterLimit::GoOn,
        }
    }
}

/// Which wording of Ocean's failure messages on AKS. The vendor's page was changed in August 2024: six of the seven have
/// "The migration has failed due to …" since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AksMessages {
    /// "The migration has stopped due to …", as the page was in July 2024.
    #[default]
    #[serde(rename = "2024-07")]
    July2024,
    /// "The migration has failed due to …", since August 2024.
    #[serde(rename = "2024-08")]
    August2024,
}

/// Whose free room spares a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FreeRoom {
    /// That of Ocean's own nodes only: pods move to nodes that Ocean manages, so room elsewhere is none.
    #[default]
    OceanNodes,
    /// That of every node that stays.
    Any,
}

impl std::str::FromStr for FreeRoom {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ocean-nodes" => Ok(FreeRoom::OceanNodes),
            "any" => Ok(FreeRoom::Any),
            _ => Err(format!("no free room {text:?}; expected one of ocean-nodes, any")),
        }
    }
}

/// Which pods must be scheduled and ready before a batch of Ocean's is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AwaitedPods {
    /// Those of the workloads that the batch evicts from: as many of each as were ready before.
    #[default]
    Evicted,
    /// These, and every other pod that was created since the start, by whomever.
    Cluster,
}

/// Parameters of Ocean's migrations; those marked (C) are unpublished and ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OceanOptions {
    /// `batchMinHealthyPercentage`, 1 to 100: the next batch starts if so many of this one's nodes were replaced. Default 50.
    pub batch_min_healthy_percent: u32,
    /// `respectPdb` (Azure), the opposite of `forcePodEvictionOnPdbFailure` (AWS): a node whose budgets do not allow it
    /// is not replaced. Default true.
    pub respect_pdb: bool,
    /// `respectRestrictScaleDown`: a pod labelled so holds its node. Default false.
    pub respect_restrict_scale_down: bool,
    /// `shouldEvictStandAlonePods`: pods without a controller are evicted, and nothing recreates them. Default true.
    pub evict_stand_alone_pods: bool,
    /// Whose free room spares the launch of a replacement: that of Ocean's own nodes, or of any (C). The scheduler binds pods wherever there
    /// is room all the same; what did not reach Ocean is counted. Default ocean-nodes.
    pub free_room: FreeRoom,
    /// Evictions of a node are spread over so long, in ms (10 pods → one per 12 s). Default 120 s.
    pub eviction_spread_ms: i64,
    /// A refused eviction is retried after so long, in ms (C). Default 5 s.
    pub eviction_retry_ms: i64,
    /// Where budgets are forced: a pod is deleted after so long of refusals, in ms. Default 60 s.
    pub force_after_ms: i64,
    /// `drainingTimeout` in ms: how long a node's drain may take, 300 s to 3600 s on AKS. Default 300 s.
    pub draining_timeout_ms: i64,
    /// How long to wait for new nodes, in ms (C). Default 15 min.
    pub new_nodes_timeout_ms: i64,
    /// How long to wait for evicted pods to be scheduled and ready, in ms (C). Default 20 min.
    pub pods_timeout_ms: i64,
    /// Which pods are waited for. Ocean's page for AKS speaks of unscheduled or unready pods in the cluster, its page on the
    /// EKS console of those of the workloads that are moved (C). Default evicted.
    #[serde(skip_serializing_if = "is_default")]
    pub awaited_pods: AwaitedPods,
    /// How long the whole migration may take before it ends with "technical timeout", in ms (C); None for no limit
    /// but the horizon. Default None.
    pub technical_timeout_ms: Option<i64>,
    /// How long calls may go unanswered or be refused by the server before it is "connectivity issues", in ms (C).
    /// Default 5 min.
    pub connectivity_timeout_ms: i64,
    /// The controller reports to Ocean: true plans as if it did, false makes the start fail with "connectivity issues". Default null: as
    /// the dump shows it. One that is there and not ready does not report; one that is absent is taken to be installed before the start (C).
    pub controller_reports: Option<bool>,
    /// The oldest Kubernetes that counts as recent, which Ocean does not publish (C). Default 1.33.
    pub oldest_kubernetes: String,
    /// The oldest version of Ocean's controller that a migration needs, such as `2.0.50`. Default null: 2 on AWS, any on AKS (C).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_controller: Option<String>,
    /// Wording of the failure messages of `ocean-azure`: `2024-07` or `2024-08`. Default 2024-07.
    #[serde(skip_serializing_if = "is_default")]
    pub aks_messages: AksMessages,
}

impl Default for OceanOptions {
    fn default() -> Self {
        OceanOptions {
            batch_min_healthy_percent: 50,
            respect_pdb: true,
            respect_restrict_scale_down: false,
            evict_stand_alone_pods: true,
            free_room: FreeRoom::default(),
            eviction_spread_ms: 120 * SECOND,
            eviction_retry_ms: 5 * SECOND,
            force_after_ms: 60 * SECOND,
            draining_timeout_ms: 300 * SECOND,
            new_nodes_timeout_ms: 15 * MINUTE,
            pods_timeout_ms: 20 * MINUTE,
            awaited_pods: AwaitedPods::default(),
            technical_timeout_ms: None,
            connectivity_timeout_ms: 5 * MINUTE,
            controller_reports: None,
            oldest_kubernetes: "1.33".into(),
            oldest_controller: None,
            aks_messages: AksMessages::default(),
        }
    }
}

/// Which provider's node-pool upgrade to imitate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SurgePreset {
    /// EKS managed node group.
    Eks,
    /// AKS node pool, rolling.
    #[default]
    Aks,
    /// GKE surge.
    Gke,
}

/// A count or a percentage of the nodes, rounded up.
pub type CountOrPercent = BatchSize;

/// What becomes of a node that could not be drained in time (AKS `undrainableNodeBehavior`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undrainable {
    /// The upgrade fails, and the node is made schedulable again.
    #[default]
    Schedule,
    /// The node is kept cordoned, its surge node replaces it, and the upgrade goes on.
    Cordon,
    /// Its pods are deleted, past their budgets.
    Force,
}

/// Parameters of a surge; what is None is as the preset has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SurgeOptions {
    /// Whose upgrade. Default aks.
    pub preset: SurgePreset,
    /// Extra nodes at once. AKS 10 %, GKE 1; EKS grows its group by itself.
    pub max_surge: Option<CountOrPercent>,
    /// Old nodes taken without a surge node at once. EKS 1, others 0.
    pub max_unavailable: Option<u32>,
    /// How long a node's pods may resist, in ms. EKS 15 min, AKS 30 min, GKE 60 min.
    pub node_timeout_ms: Option<i64>,
    /// What then. EKS and AKS `schedule` (the upgrade fails), GKE `force`.
    pub undrainable: Option<Undrainable>,
    /// Wait after each node's drain, in ms. EKS 60 s, others 0.
    pub node_soak_ms: Option<i64>,
    /// How long to wait for a surge node, in ms (C). Default 15 min.
    pub new_nodes_timeout_ms: Option<i64>,
}

/// A surge's parameters with the preset's filled in (MIGRATIONS §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurgeParameters {
    /// Whose upgrade.
    pub preset: SurgePreset,
    /// Extra nodes at once; None: EKS's own rule, max(2 × zones, max_unavailable).
    pub max_surge: Option<CountOrPercent>,
    /// Old nodes at once without a surge node (EKS: at once at all).
    pub max_unavailable: u32,
    /// How long a node's pods may resist, in ms.
    pub node_timeout_ms: i64,
    /// What then.
    pub undrainable: Undrainable,
    /// Wait after each node's drain, in ms.
    pub node_soak_ms: i64,
    /// How long to wait for a surge node, in ms.
    pub new_nodes_timeout_ms: i64,
}

impl SurgeParameters {
    /// Whether no node could ever begin.
    pub fn is_stuck(&self) -> bool {
        self.max_unavailable == 0 && self.max_surge == Some(BatchSize::Nodes(0))
    }
}

impl SurgeOptions {
    /// The parameters with the preset's where none is given.
    pub fn resolved(&self) -> SurgeParameters {
        let (surge, unavailable, timeout, undrainable, soak) = match self.preset {
            SurgePreset::Eks => (None, 1, 15 * MINUTE, Undrainable::Schedule, 60 * SECOND),
            SurgePreset::Aks => (Some(BatchSize::Percent(Percent(10))), 0, 30 * MINUTE, Undrainable::Schedule, 0),
            SurgePreset::Gke => (Some(BatchSize::Nodes(1)), 0, 60 * MINUTE, Undrainable::Force, 0),
        };
        SurgeParameters {
            preset: self.preset,
            max_surge: self.max_surge.or(surge),
            max_unavailable: self.max_unavailable.unwrap_or(unavailable),
            node_timeout_ms: self.node_timeout_ms.unwrap_or(timeout),
            undrainable: self.undrainable.unwrap_or(undrainable),
            node_soak_ms: self.node_soak_ms.unwrap_or(soak),
            new_nodes_timeout_ms: self.new_nodes_timeout_ms.unwrap_or(15 * MINUTE),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Every parameter of a migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How a batch goes. Default kubectl-drain.
    pub procedure: ProcedureKind,
    /// Which nodes together. Default size.
    pub batcher: BatcherKind,
    /// How many nodes a batch has: `"20%"` or a number. Default 20 % (surge: 100 %, since its window is the limit).
    pub batch_size: Option<BatchSize>,
    /// What the percentage is of. Default selected.
    pub percent_of: PercentOf,
    /// Node names by batch, for the batcher `listed`.
    pub listed_batches: Vec<Vec<String>>,
    /// When old nodes are cordoned. Default per-batch.
    pub cordon: CordonWhen,
    /// Pods that are unschedulable at the start: refuse or ignore. Default refuse for Ocean's procedures, else ignore.
    pub unscheduled_at_start: Option<UnscheduledAtStart>,
    /// Old nodes are terminated once empty. Default true, but false for kubectl-drain, which only empties them.
    pub terminate_nodes: Option<bool>,
    /// How long to wait for terminated nodes to be gone, in ms (C). Default 10 min.
    pub termination_timeout_ms: i64,
    /// A first, small batch. Default none.
    pub canary: Option<Canary>,
    /// Wait between batches, in ms. Default 0.
    pub soak_ms: i64,
    /// Spans in which batches may start. Default always.
    pub windows: Vec<Window>,
    /// What must be so between two batches: a check, an approval. Default nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub gates: Gates,
    /// Where machines come from and go to when the plan is carried out; the simulation does not look at it.
    #[serde(skip_serializing_if = "is_default")]
    pub execution: ExecutionOptions,
    /// The autoscaler may add nodes to groups that old nodes belong to. Default true: nobody stops it.
    pub source_groups_may_grow: bool,
    /// When the run is given up, in ms. Default 24 h.
    pub horizon_ms: i64,
    /// Stop is asked for at this moment, in ms. Default never.
    pub stop_at_ms: Option<i64>,
    /// What that stop says of nodes that are drained by then: terminate them, or keep them (AWS: the stop call's own
    /// `shouldTerminateDrainedNodes`). Default: kept on AWS, on Azure as `terminate_nodes` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_terminates_drained: Option<bool>,
    /// Limits of the client that carries it out, per API group. Default for kubectl-drain kubectl's 5 a second and 10
    /// at once, for the others 50 and 100 (C; their controllers are not published).
    pub client: Option<RateLimit>,
    /// Parameters of `kubectl-drain`.
    pub kubectl_drain: KubectlDrainOptions,
    /// Parameters of `ocean-aws` and `ocean-azure`.
    pub ocean: OceanOptions,
    /// Parameters of `surge`.
    pub surge: SurgeOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            procedure: ProcedureKind::default(),
            batcher: BatcherKind::default(),
            batch_size: None,
            percent_of: PercentOf::default(),
            listed_batches: Vec::new(),
            cordon: CordonWhen::default(),
            unscheduled_at_start: None,
            terminate_nodes: None,
            termination_timeout_ms: 10 * MINUTE,
            canary: None,
            soak_ms: 0,
            windows: Vec::new(),
            gates: Gates::default(),
            execution: ExecutionOptions::default(),
            source_groups_may_grow: true,
            horizon_ms: 24 * 60 * MINUTE,
            stop_at_ms: None,
            stop_terminates_drained: None,
            client: None,
            kubectl_drain: KubectlDrainOptions::default(),
            ocean: OceanOptions::default(),
            surge: SurgeOptions::default(),
        }
    }
}

impl Options {
    /// Whether old nodes are terminated, the procedure's default if not given.
    pub fn terminates(&self) -> bool {
        self.terminate_nodes.unwrap_or(self.procedure != ProcedureKind::KubectlDrain)
    }
    /// What to do about pods unschedulable at the start, the procedure's default if not given.
    pub fn unscheduled(&self) -> UnscheduledAtStart {
        self.unscheduled_at_start.unwrap_or(if self.procedure.is_ocean() {
            UnscheduledAtStart::Refuse
        } else {
            UnscheduledAtStart::Ignore
        })
    }
    /// The client's limits, the procedure's default if not given.
    pub fn client(&self) -> RateLimit {
        self.client.unwrap_or(match self.procedure {
            ProcedureKind::KubectlDrain => RateLimit { qps: 5, burst: 10 },
            _ => RateLimit { qps: 50, burst: 100 },
        })
    }
    /// The oldest version of Ocean's controller that a migration needs; empty for any. The migration on AWS needs the second
    /// generation (D).
    pub fn oldest_controller(&self) -> &str {
        let aws = self.procedure == ProcedureKind::OceanAws;
        self.ocean.oldest_controller.as_deref().unwrap_or(if aws { "2" } else { "" })
    }

    /// How many nodes a batch has, the procedure's default if not given.
    pub fn size(&self) -> BatchSize {
        self.batch_size.unwrap_or(BatchSize::Percent(Percent(if self.procedure == ProcedureKind::Surge {
            100
        } else {
            20
        })))
    }

    /// Everything that is out of range, each with where it stands, what it is and what was expected.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |name: &str, value: i64, min: i64, max: i64, unit: &str| {
            if value < min || value > max {
                problems.push(format!("options.{name} is {value}{unit}; expected {min}{unit} to {max}{unit}"));
            }
        };
        let (o, k, day) = (&self.ocean, &self.kubectl_drain, 24 * 60 * MINUTE);
        if let Some(BatchSize::Percent(Percent(p))) = self.batch_size {
            let max = if self.procedure == ProcedureKind::OceanAws { 50 } else { 100 };
            range("batch_size", i64::from(p), 1, max, " %");
        }
        if let Some(BatchSize::Nodes(n)) = self.batch_size {
            range("batch_size", i64::from(n), 1, i64::from(u32::MAX), " nodes");
        }
        range("horizon_ms", self.horizon_ms, 1, 366 * day, " ms");
        range("soak_ms", self.soak_ms, 0, 366 * day, " ms");
        if let Some(c) = self.client {
            range("client.burst", i64::from(c.burst), i64::from(c.qps > 0), 1_000_000, "");
        }
        if let Some(c) = self.canary {
            range("canary.nodes", i64::from(c.nodes), 1, i64::from(u32::MAX), "");
            range("canary.soak_ms", c.soak_ms, 0, 366 * day, " ms");
        }
        range("ocean.batch_min_healthy_percent", i64::from(o.batch_min_healthy_percent), 1, 100, " %");
        range("ocean.eviction_spread_ms", o.eviction_spread_ms, 0, day, " ms");
        range("ocean.eviction_retry_ms", o.eviction_retry_ms, 100, day, " ms");
        range("ocean.force_after_ms", o.force_after_ms, 0, day, " ms");
        let draining =
            if self.procedure == ProcedureKind::OceanAzure { (300 * SECOND, 3600 * SECOND) } else { (SECOND, day) };
        range("ocean.draining_timeout_ms", o.draining_timeout_ms, draining.0, draining.1, " ms");
        for (name, v) in [
            ("ocean.new_nodes_timeout_ms", o.new_nodes_timeout_ms),
            ("ocean.pods_timeout_ms", o.pods_timeout_ms),
            ("termination_timeout_ms", self.termination_timeout_ms),
            ("ocean.connectivity_timeout_ms", o.connectivity_timeout_ms),
        ] {
            range(name, v, SECOND, 366 * day, " ms");
        }
        range("kubectl_drain.timeout_ms", k.timeout_ms, 0, 366 * day, " ms");
        range("kubectl_drain.grace_period_seconds", k.grace_period_seconds, -1, 366 * 86_400, " s");
        range(
            "kubectl_drain.skip_wait_for_delete_timeout_seconds",
            k.skip_wait_for_delete_timeout_seconds,
            0,
            366 * 86_400,
            " s",
        );
        range("kubectl_drain.settle_timeout_ms", k.settle_timeout_ms.unwrap_or(0), 0, 366 * day, " ms");
        let s = &self.surge;
        range("surge.node_timeout_ms", s.node_timeout_ms.unwrap_or(0), 0, day, " ms");
        range("surge.node_soak_ms", s.node_soak_ms.unwrap_or(0), 0, day, " ms");
        range("surge.max_unavailable", i64::from(s.max_unavailable.unwrap_or(0)), 0, 100, "");
        if let Some(Err(e)) = (!k.pod_selector.is_empty()).then(|| k.pod_selector.parse::<LabelSelectorText>()) {
            problems.push(format!("options.kubectl_drain.pod_selector: {e}"));
        }
        if self.procedure == ProcedureKind::Surge && s.resolved().is_stuck() {
            problems
                .push("options.surge: max_surge and max_unavailable are both 0; one of them must be at least 1".into());
        }
        for (i, w) in self.windows.iter().enumerate() {
            let span = w.to_ms - w.from_ms;
            if w.from_ms < 0 || span <= 0 || w.every_ms.is_some_and(|e| e < span) {
                problems.push(format!(
                    "options.windows[{i}] is {} ms to {} ms; expected 0 <= from_ms < to_ms, and every_ms at least as long as the window",
                    w.from_ms, w.to_ms
                ));
            }
        }
        if crate::cluster::version::minor_of(&o.oldest_kubernetes).is_none() {
            problems.push(format!(
                "options.ocean.oldest_kubernetes is {:?}; expected the first two numbers of a version, such as 1.33",
                o.oldest_kubernetes
            ));
        }
        if let Some(v) = o.oldest_controller.as_deref().filter(|v| !v.starts_with(|c: char| c.is_ascii_digit())) {
            problems.push(format!("options.ocean.oldest_controller is {v:?}; expected a version such as 2 or 2.0.50"));
        }
        problems.extend(self.gates.problems());
        problems.extend(self.execution.problems());
        if self.batcher == BatcherKind::Listed && self.listed_batches.is_empty() {
            problems.push(
                "options.batcher is listed, but options.listed_batches is empty; give the node names of each batch"
                    .into(),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_survive_the_wire() {
        let o = Options::default();
        assert_eq!(o.problems(), Vec::<String>::new());
        let text = serde_json::to_string(&o).expect("serialises");
        assert_eq!(serde_json::from_str::<Options>(&text).expect("parses"), o);
        assert_eq!(serde_json::from_str::<Options>("{}").expect("parses"), o);
    }

    #[test]
    fn unknown_and_out_of_range_parameters_are_told() {
        let e = serde_json::from_str::<Options>(r#"{"bacth_size":"20%"}"#).expect_err("unknown field").to_string();
        assert!(e.contains("bacth_size"), "{e}");
        let o: Options = serde_json::from_str(r#"{"procedure":"ocean-aws","batch_size":"60%"}"#).expect("parses");
        assert_eq!(o.problems(), ["options.batch_size is 60 %; expected 1 % to 50 %"]);
        let mut o = Options::default();
        o.kubectl_drain.pod_selector = "a in b".into();
        assert!(o.problems()[0].starts_with("options.kubectl_drain.pod_selector: selector part"), "{:?}", o.problems());
        assert!("0%".parse::<BatchSize>().is_err() && "x".parse::<BatchSize>().is_err());
    }

    #[test]
    fn a_window_opens_again() {
        let w = Window { from_ms: 100, to_ms: 200, every_ms: Some(1000) };
        assert_eq!([0, 100, 199, 200, 1150].map(|t| w.next_open(t)), [100, 100, 199, 1100, 1150].map(Some));
        assert_eq!(Window { every_ms: None, ..w }.next_open(200), None);
    }
}
