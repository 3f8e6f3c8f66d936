//! Options of a simulated run, each with its named default.

use super::delays::DelayOptions;
use super::faults::Fault;
use super::gate_options::GateOptions;
use crate::cluster::{Catalog, RateLimit, time_problem};
use crate::runner::StopMode;
use crate::snapshot::time::parse_rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const WATCH_ON_MS: i64 = 600_000;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_watch_on_ms(ms: &i64) -> bool {
    *ms == WATCH_ON_MS
}

/// Options of a simulated run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimOptions {
    /// Virtual time after which a simulated run is ended as stuck, in milliseconds. Default null: an hour after the migration itself
    /// gives up (`options.horizon_ms`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon_ms: Option<i64>,
    /// When the migration begins (RFC 3339, such as 2026-11-27T20:00:00Z or 2026-11-27T21:00:00+01:00): windows by the calendar count from
    /// there. Default: the newest timestamp in the dump. An execution begins when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Somebody stops the simulated migration at this moment, in milliseconds. An execution is stopped by `nodeferry stop`, never by
    /// this. Default never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at_ms: Option<i64>,
    /// What that stop says of nodes that are drained by then: terminate them, or keep them (AWS: the stop call's own
    /// `shouldTerminateDrainedNodes`). Default: kept on AWS, on Azure as `terminate_nodes` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_terminates_drained: Option<bool>,
    /// The order in which `kubectl drain` starts a node's evictions is random: goroutines on several processors. Null: as on one
    /// processor, the last of the list and then the others in its order, which is also the order of an execution. A seed draws another
    /// possible order. Default null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_seed: Option<u64>,
    /// A call to the API server takes this long, one way and back, in milliseconds.
    pub api_latency_ms: i64,
    /// The client of each controller of kube-controller-manager (upstream: 20 a second, burst 30; each has its own limiter).
    pub controller_client: RateLimit,
    /// kube-scheduler's client (upstream: 50 a second, burst 100); every binding is a call.
    pub scheduler_client: RateLimit,
    /// Draw among equally good nodes, whatever the scheduler's version. Default false: as the version chooses from a list
    /// of nodes that is always in the same order, which in the real scheduler it is not.
    pub draw_equal_nodes: bool,
    /// From a pod's change to the budget's new status, in milliseconds.
    pub budget_latency_ms: i64,
    /// From a pod's change to its controller's look at it, in milliseconds.
    pub controller_latency_ms: i64,
    /// From a cordon to the taint that follows it, in milliseconds.
    pub taint_latency_ms: i64,
    /// From a pod's deletion to its kubelet's look at it, in milliseconds.
    pub kubelet_latency_ms: i64,
    /// From the end of a pod's containers to the call that ends its object, in milliseconds.
    pub pod_removal_ms: i64,
    /// From the end of the last pod that uses a volume to its detachment, in milliseconds.
    pub volume_detach_ms: i64,
    /// From a claim's selected node to its provisioned volume, in milliseconds.
    pub volume_provision_ms: i64,
    /// From a node's loss to its NotReady condition, in milliseconds (upstream: node-monitor-grace-period 50 s).
    pub node_monitor_grace_ms: i64,
    /// How long the cluster is watched after the migration's end where a workload is not as ready as at the start: one that does not become so
    /// counts as broken, in milliseconds (C). Default 10 min.
    #[serde(skip_serializing_if = "is_watch_on_ms")]
    pub watch_on_ms: i64,
    /// Delays of pods and machines.
    pub delays: DelayOptions,
    /// How long the gates between batches take.
    #[serde(skip_serializing_if = "GateOptions::is_default")]
    pub gates: GateOptions,
    /// What goes wrong, when.
    pub faults: Vec<Fault>,
}

impl Default for SimOptions {
    fn default() -> Self {
        SimOptions {
            horizon_ms: None,
            start: None,
            stop_at_ms: None,
            stop_terminates_drained: None,
            order_seed: None,
            api_latency_ms: 5,
            controller_client: RateLimit { qps: 20, burst: 30 },
            scheduler_client: RateLimit { qps: 50, burst: 100 },
            draw_equal_nodes: false,
            budget_latency_ms: 5,
            controller_latency_ms: 5,
            taint_latency_ms: 10,
            kubelet_latency_ms: 5,
            pod_removal_ms: 0,
            volume_detach_ms: 2_000,
            volume_provision_ms: 3_000,
            node_monitor_grace_ms: 50_000,
            watch_on_ms: WATCH_ON_MS,
            delays: DelayOptions::default(),
            gates: GateOptions::default(),
            faults: Vec::new(),
        }
    }
}

/// The cluster is watched after a migration for a day at most.
const LONGEST_WATCH_MS: i64 = 86_400_000;

impl SimOptions {
    /// When somebody stops the simulated migration, and what that stop says, if anybody does.
    pub fn stop(&self) -> Option<(i64, StopMode)> {
        let mode = StopMode { terminate_drained: self.stop_terminates_drained };
        self.stop_at_ms.map(|at| (at, mode))
    }

    /// When the migration begins, in milliseconds since 1970: as it says, or at the moment of the dump.
    pub fn start_unix_ms(&self, catalog: &Catalog) -> i64 {
        self.start.as_deref().and_then(parse_rfc3339).unwrap_or(catalog.taken_unix_ms)
    }

    /// What is out of range, in words; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(start) = self.start.as_deref().filter(|s| parse_rfc3339(s).is_none()) {
            problems.push(format!("sim.start is {start:?}; expected a time such as 2026-11-27T20:00:00Z"));
        }
        for (name, value) in [
            ("horizon_ms", self.horizon_ms.unwrap_or(0)),
            ("stop_at_ms", self.stop_at_ms.unwrap_or(0)),
            ("api_latency_ms", self.api_latency_ms),
            ("budget_latency_ms", self.budget_latency_ms),
            ("controller_latency_ms", self.controller_latency_ms),
            ("taint_latency_ms", self.taint_latency_ms),
            ("kubelet_latency_ms", self.kubelet_latency_ms),
            ("pod_removal_ms", self.pod_removal_ms),
            ("volume_detach_ms", self.volume_detach_ms),
            ("volume_provision_ms", self.volume_provision_ms),
            ("node_monitor_grace_ms", self.node_monitor_grace_ms),
            ("watch_on_ms", self.watch_on_ms),
        ] {
            if let Some(problem) = time_problem(value) {
                problems.push(format!("sim.{name} is {value}; {problem}"));
            }
        }
        if self.watch_on_ms > LONGEST_WATCH_MS {
            problems.push(format!(
                "sim.watch_on_ms is {}; expected at most {LONGEST_WATCH_MS}, which is a day",
                self.watch_on_ms
            ));
        }
        problems.extend(self.gates.problems());
        problems.extend(
            self.faults.iter().enumerate().filter_map(|(i, f)| Some(format!("sim.faults[{i}]: {}", f.problem()?))),
        );
        let delays = &self.delays;
        let own = [
            ("start", &delays.start),
            ("stop", &delays.stop),
            ("run", &delays.run),
            ("launch", &delays.launch),
            ("retire", &delays.retire),
        ];
        for (name, delay) in own {
            if let Some(problem) = delay.as_ref().and_then(crate::cluster::Delay::problem) {
                problems.push(format!("sim.delays.{name}: {problem}"));
            }
        }
        for (i, w) in delays.workloads.iter().enumerate() {
            for problem in [&w.start, &w.stop, &w.run].into_iter().flatten().filter_map(crate::cluster::Delay::problem)
            {
                problems.push(format!("sim.delays.workloads[{i}]: {problem}"));
            }
        }
        problems
    }
}
