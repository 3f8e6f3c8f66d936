//! What a generated cluster shall look like: every knob, its default and its bounds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GenerateError;
use super::names::{is_dns_label, is_dns_subdomain, is_label_key, is_label_value};
use super::trap::Trap;

/// Parameters of a synthetic cluster; the same parameters give the same bytes.
///
/// Percentages are 0 to 100. Sizes of machines are what pods can have (allocatable), after the kubelet's reservations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GenerateParams {
    /// The seed of all draws.
    pub seed: u64,
    /// How many old nodes to make: those that the migration empties.
    pub nodes: u32,
    /// How many new nodes to make: Ready and empty but for DaemonSets. 0 where a node group shall launch them.
    pub new_nodes: u32,
    /// The machines of the old nodes, drawn by weight.
    pub old_machines: Vec<Machine>,
    /// The machines of the new nodes, drawn by weight; empty means those of the old nodes.
    pub new_machines: Vec<Machine>,
    /// The node label that names a node's pool.
    pub pool_label: String,
    /// The old nodes' pool.
    pub old_pool: String,
    /// The new nodes' pool.
    pub new_pool: String,
    /// The region, a prefix of the zones' names.
    pub region: String,
    /// How many zones (1 to 26), named region + "a", "b", …; nodes take turns.
    pub zones: u32,
    /// A second pool of old nodes with a taint and an extended resource, like one with GPUs.
    pub special_pool: SpecialPool,
    /// Make workloads until they request this share of the old nodes' cpu, in percent (at most 100). Default 60, or 95 when `pods_per_node` is given.
    pub fill_percent: Option<u32>,
    /// Make workloads until there are this many pods per old node on average, DaemonSets' not counted. A `fill_percent` given as well bounds it; without one it is an error when they do not fit.
    pub pods_per_node: Option<u32>,
    /// The namespaces that workloads live in.
    pub namespaces: Vec<String>,
    /// What kinds of workloads to make.
    pub mix: WorkloadMix,
    /// How many DaemonSets to make; each has a pod on every node, new ones included.
    pub daemon_sets: u32,
    /// Replicas of a workload.
    pub replicas: Range,
    /// cpu request of a pod in thousandths of a core; round figures within the range, small ones as likely as large ones.
    pub cpu_millis: Range,
    /// Memory request of a pod in MiB; round figures within the range, small ones as likely as large ones.
    pub memory_mib: Range,
    /// Share of the workloads with replicas that have a budget, in percent. Such a budget always lets at least one healthy pod go; the others are traps.
    pub budget_percent: u32,
    /// Which forms the budgets have.
    pub budget_mix: BudgetMix,
    /// Share of the budgets with `unhealthyPodEvictionPolicy: AlwaysAllow`, in percent.
    pub always_allow_percent: u32,
    /// Share of the StatefulSets whose pods have a volume bound to a zone, in percent.
    pub zonal_volume_percent: u32,
    /// Size of those volumes in GiB.
    pub volume_gib: Range,
    /// Their StorageClass (WaitForFirstConsumer).
    pub storage_class: String,
    /// Their CSI driver.
    pub csi_driver: String,
    /// How many of the driver's volumes a node can attach.
    pub attach_limit: u32,
    /// Share of the workloads that spread over zones by a constraint of their own, in percent.
    pub spread_percent: u32,
    /// Share of those whose constraint is `DoNotSchedule` (the others `ScheduleAnyway`), in percent.
    pub spread_hard_percent: u32,
    /// Share of the workloads whose pods refuse to share a node, in percent.
    pub anti_affinity_percent: u32,
    /// Share of the workloads pinned to nodes with `disktype: ssd` (some 60 % of the old ones, all of the new ones), in percent.
    pub node_selector_percent: u32,
    /// Share of the workloads with an emptyDir volume, in percent.
    pub empty_dir_percent: u32,
    /// Share of the workloads with a priority class (`generated-high` or `generated-low`), in percent.
    pub priority_percent: u32,
    /// Share of the Deployments with a Service, in percent.
    pub service_percent: u32,
    /// The pod annotation that holds the seconds from scheduled to ready; null for none.
    pub start_annotation: Option<String>,
    /// The pod annotation that holds the seconds from the order to stop until the pod is gone; null for none.
    pub stop_annotation: Option<String>,
    /// Seconds from scheduled to ready, one draw a workload; the pods' conditions agree with it.
    pub start_seconds: Range,
    /// Seconds that a pod takes to stop, one draw a workload.
    pub stop_seconds: Range,
    /// `terminationGracePeriodSeconds` of every pod.
    pub grace_seconds: u32,
    /// Deliberate traps, in addition to everything else.
    pub traps: Vec<Trap>,
}

impl Default for GenerateParams {
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 10,
            new_nodes: 0,
            old_machines: vec![
                Machine::new("standard-4", 3860, 13_312, 3),
                Machine::new("standard-8", 7820, 28_672, 1),
            ],
            new_machines: Vec::new(),
            pool_label: "agentpool".into(),
            old_pool: "old".into(),
            new_pool: "new".into(),
            region: "eu-1".into(),
            zones: 3,
            special_pool: SpecialPool::default(),
            fill_percent: None,
            pods_per_node: None,
            namespaces: ["payments", "platform", "search", "shop"].map(String::from).to_vec(),
            mix: WorkloadMix::default(),
            daemon_sets: 2,
            replicas: Range { min: 1, max: 6 },
            cpu_millis: Range { min: 50, max: 1000 },
            memory_mib: Range { min: 64, max: 2048 },
            budget_percent: 60,
            budget_mix: BudgetMix::default(),
            always_allow_percent: 20,
            zonal_volume_percent: 50,
            volume_gib: Range { min: 8, max: 256 },
            storage_class: "zonal".into(),
            csi_driver: "disk.csi.example.com".into(),
            attach_limit: 16,
            spread_percent: 20,
            spread_hard_percent: 50,
            anti_affinity_percent: 10,
            node_selector_percent: 10,
            empty_dir_percent: 10,
            priority_percent: 20,
            service_percent: 50,
            start_annotation: Some("oracle/start-seconds".into()),
            stop_annotation: Some("oracle/stop-seconds".into()),
            start_seconds: Range { min: 2, max: 20 },
            stop_seconds: Range { min: 1, max: 10 },
            grace_seconds: 30,
            traps: Vec::new(),
        }
    }
}

/// A machine type by what its nodes offer to pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "GenerateMachine")]
pub struct Machine {
    /// The machine type (label `node.kubernetes.io/instance-type`).
    pub name: String,
    /// Allocatable cpu in thousandths of a core.
    pub cpu_millis: u64,
    /// Allocatable memory in MiB.
    pub memory_mib: u64,
    /// The most pods that it runs.
    pub pods: u32,
    /// How often it is drawn, beside the weights of the others.
    pub weight: u64,
}

impl Machine {
    fn new(name: &str, cpu_millis: u64, memory_mib: u64, weight: u64) -> Self {
        Self { name: name.into(), cpu_millis, memory_mib, pods: 110, weight }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new("standard-4", 3860, 13_312, 1)
    }
}

/// A tainted pool of old nodes with an extended resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpecialPool {
    /// How many nodes; 0 for no such pool.
    pub nodes: u32,
    /// Its name, the value of the pool label.
    pub pool: String,
    /// Key of its `NoSchedule` taint.
    pub taint_key: String,
    /// Value of its taint.
    pub taint_value: String,
    /// The extended resource that its nodes have.
    pub resource: String,
    /// How many of the resource a node has; its pods ask for one each.
    pub per_node: u32,
    /// The machine of its nodes; the weight is not used.
    pub machine: Machine,
    /// Share of the Deployments and Jobs that live there, in percent (as far as there is room).
    pub workload_percent: u32,
}

impl Default for SpecialPool {
    fn default() -> Self {
        Self {
            nodes: 0,
            pool: "gpu".into(),
            taint_key: "sku".into(),
            taint_value: "gpu".into(),
            resource: "nvidia.com/gpu".into(),
            per_node: 4,
            machine: Machine::new("gpu-16", 15_820, 114_688, 1),
            workload_percent: 10,
        }
    }
}

/// The kinds of workloads, as shares (percent by habit; any sum will do).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadMix {
    /// Deployments, each with its ReplicaSet.
    pub deployment: u64,
    /// ReplicaSets without a Deployment.
    pub replica_set: u64,
    /// StatefulSets that start and stop in order (`OrderedReady`).
    pub stateful_set: u64,
    /// StatefulSets with `podManagementPolicy: Parallel`.
    pub stateful_set_parallel: u64,
    /// Running Jobs.
    pub job: u64,
    /// ReplicationControllers.
    pub replication_controller: u64,
    /// Pods that nothing recreates.
    pub stand_alone: u64,
    /// Custom resources (`widgets.example.com`) that own pods and have a `/scale` subresource.
    pub custom: u64,
}

impl Default for WorkloadMix {
    fn default() -> Self {
        Self {
            deployment: 70,
            replica_set: 5,
            stateful_set: 15,
            stateful_set_parallel: 5,
            job: 5,
            replication_controller: 0,
            stand_alone: 0,
            custom: 0,
        }
    }
}

/// The forms of budgets, as shares (any sum will do).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetMix {
    /// `minAvailable: 2`
    pub min_available: u64,
    /// `minAvailable: 50%`
    pub min_available_percent: u64,
    /// `maxUnavailable: 1`
    pub max_unavailable: u64,
    /// `maxUnavailable: 25%`
    pub max_unavailable_percent: u64,
}

impl Default for BudgetMix {
    fn default() -> Self {
        Self { min_available: 30, min_available_percent: 15, max_unavailable: 40, max_unavailable_percent: 15 }
    }
}

/// Bounds of a draw, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GenerateRange")]
pub struct Range {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

impl GenerateParams {
    /// The share of the old nodes' cpu at which to stop, in percent.
    #[must_use]
    pub fn fill_limit(&self) -> u64 {
        u64::from(self.fill_percent.unwrap_or(if self.pods_per_node.is_some() { 95 } else { 60 }))
    }

    /// The zones' names.
    #[must_use]
    pub fn zone_names(&self) -> Vec<String> {
        (b'a'..=b'z').take(self.zones as usize).map(|letter| format!("{}{}", self.region, char::from(letter))).collect()
    }

    /// Checks what can be checked before anything is made.
    ///
    /// # Errors
    /// The first parameter that cannot be, why, and what to do.
    pub fn validate(&self) -> Result<(), GenerateError> {
        check(self.nodes > 0, "nodes", 0, "a cluster without old nodes has nothing to move", "give at least 1")?;
        let nodes = u64::from(self.nodes) + u64::from(self.new_nodes) + u64::from(self.special_pool.nodes);
        check(nodes <= 100_000, "nodes", nodes, "more than 100000 nodes in all", "make fewer")?;
        for (name, per_node) in [
            ("pods_per_node", self.pods_per_node.unwrap_or(0)),
            ("daemon_sets", self.daemon_sets),
            ("special_pool.per_node", self.special_pool.per_node),
        ] {
            check(per_node <= 1_000, name, per_node, "more than 1000 pods a node", "make fewer")?;
        }
        check((1..=26).contains(&self.zones), "zones", self.zones, "zones are named by a letter", "give 1 to 26")?;
        self.validate_shares()?;
        self.validate_ranges()?;
        self.validate_machines()?;
        self.validate_names()
    }

    fn validate_shares(&self) -> Result<(), GenerateError> {
        let shares = [
            ("fill_percent", self.fill_percent.unwrap_or(0)),
            ("budget_percent", self.budget_percent),
            ("always_allow_percent", self.always_allow_percent),
            ("zonal_volume_percent", self.zonal_volume_percent),
            ("spread_percent", self.spread_percent),
            ("spread_hard_percent", self.spread_hard_percent),
            ("anti_affinity_percent", self.anti_affinity_percent),
            ("node_selector_percent", self.node_selector_percent),
            ("empty_dir_percent", self.empty_dir_percent),
            ("priority_percent", self.priority_percent),
            ("service_percent", self.service_percent),
            ("special_pool.workload_percent", self.special_pool.workload_percent),
        ];
        for (name, share) in shares {
            check(share <= 100, name, share, "a share is at most 100 percent", "give 0 to 100")?;
        }
        let mix = self.mix.weights().iter().fold(0_u64, |sum, w| sum.saturating_add(*w));
        check(
            mix > 0 || self.fill_limit() == 0,
            "mix",
            mix,
            "no kind of workload has a share",
            "give one of them a share, or set fill_percent to 0",
        )?;
        let budgets = self.budget_mix.weights().iter().fold(0_u64, |sum, w| sum.saturating_add(*w));
        check(
            budgets > 0 || self.budget_percent == 0,
            "budget_mix",
            budgets,
            "no form of budget has a share",
            "give one a share, or set budget_percent to 0",
        )
    }

    fn validate_ranges(&self) -> Result<(), GenerateError> {
        let ranges = [
            ("replicas", self.replicas, 1, 10_000),
            ("cpu_millis", self.cpu_millis, 1, 1_000_000),
            ("memory_mib", self.memory_mib, 1, 100_000_000),
            ("volume_gib", self.volume_gib, 1, 1_000_000),
            ("start_seconds", self.start_seconds, 0, 86_400),
            ("stop_seconds", self.stop_seconds, 0, 86_400),
        ];
        for (name, range, least, most) in ranges {
            let shown = format!("{}..{}", range.min, range.max);
            check(range.min <= range.max, name, &shown, "the least exceeds the most", "exchange min and max")?;
            let bounds = format!("the bounds are {least} and {most}");
            check(range.min >= least && range.max <= most, name, &shown, &bounds, "choose values between them")?;
        }
        Ok(())
    }

    fn validate_machines(&self) -> Result<(), GenerateError> {
        let listed = [("old_machines", &self.old_machines), ("new_machines", &self.new_machines)];
        for (name, machines) in listed {
            let total = machines.iter().fold(0_u64, |sum, m| sum.saturating_add(m.weight));
            let may_be_empty = name == "new_machines";
            check(
                total > 0 || (may_be_empty && machines.is_empty()),
                name,
                total,
                "no machine has a weight",
                "list at least one with a weight",
            )?;
        }
        let all = self.old_machines.iter().chain(&self.new_machines).chain([&self.special_pool.machine]);
        for machine in all {
            let whole = machine.cpu_millis > 0 && machine.memory_mib > 0 && machine.pods > 0;
            check(
                whole,
                "machines",
                &machine.name,
                "a machine without cpu_millis, memory_mib or pods hosts nothing",
                "give all three",
            )?;
            let small = machine.cpu_millis <= 100_000_000 && machine.memory_mib <= 1_000_000_000;
            check(
                small,
                "machines",
                &machine.name,
                "the machine has over 100000 cores (cpu_millis) or 1000 TiB (memory_mib)",
                "check the units: thousandths of a core and MiB",
            )?;
            check(
                is_label_value(&machine.name),
                "machines",
                &machine.name,
                "a machine's name is a label value",
                "use letters, digits, '-', '_' and '.'",
            )?;
        }
        Ok(())
    }

    fn validate_names(&self) -> Result<(), GenerateError> {
        check(!self.namespaces.is_empty(), "namespaces", "[]", "workloads need a namespace", "name at least one")?;
        for name in &self.namespaces {
            check(
                is_dns_label(name),
                "namespaces",
                name,
                "not a DNS label (RFC 1123)",
                "use lower-case letters, digits and '-', at most 63",
            )?;
        }
        check(
            is_dns_label(&self.region) && self.region.len() < 60,
            "region",
            &self.region,
            "zones named after it would not be label values",
            "use lower-case letters, digits and '-'",
        )?;
        for (name, value) in [("storage_class", &self.storage_class), ("csi_driver", &self.csi_driver)] {
            check(
                is_dns_subdomain(value),
                name,
                value,
                "not a DNS name (RFC 1123)",
                "use lower-case letters, digits, '-' and '.'",
            )?;
        }
        for (name, value) in
            [("old_pool", &self.old_pool), ("new_pool", &self.new_pool), ("special_pool.pool", &self.special_pool.pool)]
        {
            let lower = is_dns_label(value) && value.len() <= 24;
            check(
                lower,
                name,
                value,
                "nodes are named after their pool",
                "use lower-case letters, digits and '-', at most 24",
            )?;
        }
        let pools = self.old_pool != self.new_pool
            && self.old_pool != self.special_pool.pool
            && self.new_pool != self.special_pool.pool;
        check(pools, "old_pool", &self.old_pool, "two pools have the same name", "give each pool its own")?;
        let taint = &self.special_pool;
        check(
            is_label_value(&taint.taint_value),
            "special_pool.taint_value",
            &taint.taint_value,
            "not a label value",
            "use letters, digits, '-', '_' and '.'",
        )?;
        let keys = [
            ("pool_label", Some(&self.pool_label)),
            ("special_pool.taint_key", Some(&taint.taint_key)),
            ("special_pool.resource", Some(&taint.resource)),
            ("start_annotation", self.start_annotation.as_ref()),
            ("stop_annotation", self.stop_annotation.as_ref()),
        ];
        for (name, key) in keys.into_iter().filter_map(|(name, key)| Some((name, key?))) {
            check(is_label_key(key), name, key, "not a qualified name", "write it as name or domain.example/name")?;
        }
        let extended = taint.resource.contains('/') && !taint.resource.contains("kubernetes.io/");
        check(
            extended,
            "special_pool.resource",
            &taint.resource,
            "an extended resource has a domain, and not kubernetes.io",
            "write it as vendor.example/name",
        )
    }
}

impl WorkloadMix {
    /// The shares in the order of the workload kinds.
    pub(super) fn weights(&self) -> [u64; 8] {
        [
            self.deployment,
            self.replica_set,
            self.stateful_set,
            self.stateful_set_parallel,
            self.job,
            self.replication_controller,
            self.stand_alone,
            self.custom,
        ]
    }
}

impl BudgetMix {
    /// The shares in the order of the forms.
    pub(super) fn weights(&self) -> [u64; 4] {
        [self.min_available, self.min_available_percent, self.max_unavailable, self.max_unavailable_percent]
    }
}

fn check(holds: bool, parameter: &str, value: impl ToString, why: &str, remedy: &str) -> Result<(), GenerateError> {
    if holds {
        return Ok(());
    }
    Err(GenerateError::Parameter {
        parameter: parameter.into(),
        value: value.to_string(),
        why: why.into(),
        remedy: remedy.into(),
    })
}
