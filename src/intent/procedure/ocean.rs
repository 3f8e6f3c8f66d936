//! Parameters of `ocean-aws` and `ocean-azure`.

use super::{Access, BarePods, DrainLimit, Procedure, access};
use crate::intent::options::{DAY, MINUTE, Options, Problems, SECOND, UnscheduledAtStart, is_default};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// Where Ocean migrates workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OceanCloud {
    /// EKS.
    Aws,
    /// AKS.
    Azure,
}

/// See the module.
pub(super) struct Ocean(pub OceanCloud);

impl Procedure for Ocean {
    fn name(&self) -> &'static str {
        match self.0 {
            OceanCloud::Aws => "ocean-aws",
            OceanCloud::Azure => "ocean-azure",
        }
    }

    fn ocean(&self) -> Option<OceanCloud> {
        Some(self.0)
    }

    fn unscheduled(&self) -> UnscheduledAtStart {
        UnscheduledAtStart::Refuse
    }

    fn largest_batch_percent(&self) -> u32 {
        match self.0 {
            OceanCloud::Aws => 50,
            OceanCloud::Azure => 100,
        }
    }

    fn access(&self, options: &Options) -> &'static [Access] {
        access(!options.ocean.respect_pdb)
    }

    fn bare_pods(&self, options: &Options) -> BarePods {
        BarePods { evicted: options.ocean.evict_stand_alone_pods, by: "--evict-stand-alone-pods" }
    }

    fn drain_limit(&self, options: &Options) -> Option<DrainLimit> {
        Some(DrainLimit { ms: options.ocean.draining_timeout_ms, option: "ocean.draining_timeout_ms", forces: false })
    }

    /// All nodes at once; n evictions spread over the spread start spread/n apart.
    fn least_drain_ms(&self, pods: &[i64], options: &Options, stop_ms: i64) -> i64 {
        let spread = options.ocean.eviction_spread_ms;
        pods.iter().map(|n| if *n > 0 { spread * (n - 1) / n + stop_ms } else { 0 }).max().unwrap_or(0)
    }
}

impl OceanOptions {
    /// The oldest version of the controller that a migration needs; empty for any. The migration on AWS needs the second generation (D).
    pub fn oldest_controller(&self, cloud: Option<OceanCloud>) -> &str {
        let usual = if cloud == Some(OceanCloud::Aws) { "2" } else { "" };
        self.oldest_controller.as_deref().unwrap_or(usual)
    }

    pub(in crate::intent) fn check(&self, cloud: Option<OceanCloud>, problems: &mut Problems) {
        let healthy = i64::from(self.batch_min_healthy_percent);
        problems.range("ocean.batch_min_healthy_percent", healthy, 1, 100, " %");
        problems.range("ocean.eviction_spread_ms", self.eviction_spread_ms, 0, DAY, " ms");
        problems.range("ocean.eviction_retry_ms", self.eviction_retry_ms, 100, DAY, " ms");
        problems.range("ocean.force_after_ms", self.force_after_ms, 0, DAY, " ms");
        let draining = match cloud {
            Some(OceanCloud::Azure) => (300 * SECOND, 3600 * SECOND),
            _ => (SECOND, DAY),
        };
        problems.range("ocean.draining_timeout_ms", self.draining_timeout_ms, draining.0, draining.1, " ms");
        for (name, v) in [
            ("ocean.new_nodes_timeout_ms", self.new_nodes_timeout_ms),
            ("ocean.pods_timeout_ms", self.pods_timeout_ms),
            ("ocean.connectivity_timeout_ms", self.connectivity_timeout_ms),
        ] {
            problems.range(name, v, SECOND, 366 * DAY, " ms");
        }
        if crate::cluster::version::minor_of(&self.oldest_kubernetes).is_none() {
            problems.say(format!(
                "options.ocean.oldest_kubernetes is {:?}; expected the first two numbers of a version, such as 1.33",
                self.oldest_kubernetes
            ));
        }
        let is_version = |v: &&str| v.starts_with(|c: char| c.is_ascii_digit());
        if let Some(v) = self.oldest_controller.as_deref().filter(|v| !is_version(v)) {
            problems.say(format!("options.ocean.oldest_controller is {v:?}; expected a version such as 2 or 2.0.50"));
        }
    }
}
