//! Faults: what goes wrong in a scenario, and when.

use crate::cluster::draw::Draws;
use crate::cluster::{Catalog, GroupIdx, NodeIdx, PodIdx, State, time_problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a fault is on: from (included) to (excluded), in milliseconds since the migration's start; always by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// First millisecond.
    pub from_ms: i64,
    /// First millisecond that is over; never if not given.
    pub until_ms: Option<i64>,
}

impl Window {
    /// Whether `now` is within.
    pub fn contains(&self, now: i64) -> bool {
        now >= self.from_ms && self.until_ms.is_none_or(|u| now < u)
    }
}

/// Which machines a fault is about: all that match every field given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MachineFilter {
    /// Group id or name.
    pub group: Option<String>,
    /// Zone.
    pub zone: Option<String>,
    /// Machine type.
    pub machine_type: Option<String>,
}

/// Which pods a fault is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PodFilter {
    /// Namespace; all if not given.
    pub namespace: Option<String>,
    /// Labels that the pod must have, all of them.
    pub match_labels: BTreeMap<String, String>,
}

/// Who is away during an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The API server: nothing is read, written, scheduled or repaired.
    ApiServer,
    /// kube-controller-manager: no replacement is created, no budget recomputed, no taint written.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// The autoscaler (and the provider's API that launches machines).
    Autoscaler,
    /// The vendor's controller in the cluster, through which the migration itself acts.
    MigrationController,
}

impl Component {
    /// Its name, as a file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Component::ApiServer => "api-server",
            Component::ControllerManager => "controller-manager",
            Component::Scheduler => "scheduler",
            Component::Autoscaler => "autoscaler",
            Component::MigrationController => "migration-controller",
        }
    }
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A launch fails with this probability.
    LaunchFailure {
        /// Which machines.
        #[serde(default)]
        machines: MachineFilter,
        /// When.
        #[serde(default)]
        window: Window,
        /// Parts per million; 1000000 is always.
        #[serde(default = "always")]
        probability_ppm: u32,
    },
    /// The provider has no more than so many machines to give.
    CapacityShortage {
        /// Which machines.
        #[serde(default)]
        machines: MachineFilter,
        /// When.
        #[serde(default)]
        window: Window,
        /// How many can still be had within the window.
        #[serde(default)]
        available: u32,
    },
    /// New nodes take longer, or never become Ready.
    SlowNodes {
        /// Which machines.
        #[serde(default)]
        machines: MachineFilter,
        /// When the launch is requested.
        #[serde(default)]
        window: Window,
        /// Parts per million.
        #[serde(default = "always")]
        probability_ppm: u32,
        /// Added to the launch delay, in milliseconds.
        #[serde(default)]
        extra_ms: i64,
        /// Never become Ready.
        #[serde(default)]
        never_ready: bool,
    },
    /// Pods that start within the window never become ready.
    CrashLoop {
        /// Which pods.
        #[serde(default)]
        pods: PodFilter,
        /// When they start.
        #[serde(default)]
        window: Window,
        /// Parts per million.
        #[serde(default = "always")]
        probability_ppm: u32,
    },
    /// A node stops answering for good.
    NodeLoss {
        /// Node name.
        node: String,
        /// When, in milliseconds since the migration's start.
        at_ms: i64,
    },
    /// A pod's containers end for good, as when its kubelet evicts it under pressure: it is not started again in its place. The API server
    /// learns of it when it is there.
    PodFailure {
        /// Namespace.
        namespace: String,
        /// Pod name.
        pod: String,
        /// When, in milliseconds since the migration's start.
        at_ms: i64,
    },
    /// Somebody deletes a node's object (`kubectl delete node`); its instance remains.
    NodeDeleted {
        /// Node name.
        node: String,
        /// When, in milliseconds since the migration's start.
        at_ms: i64,
    },
    /// A component is away.
    Outage {
        /// Who.
        component: Component,
        /// When.
        window: Window,
    },
    /// The provider refuses to end these machines.
    DeletionRefused {
        /// Node name; all if not given.
        #[serde(default)]
        node: Option<String>,
        /// When.
        #[serde(default)]
        window: Window,
    },
    /// Uncordoning is refused (permissions, connectivity).
    UncordonRefused {
        /// Node name; all if not given.
        #[serde(default)]
        node: Option<String>,
        /// When.
        #[serde(default)]
        window: Window,
    },
    /// Cordoning is refused: an admission policy, a missing permission.
    CordonRefused {
        /// Node name; all if not given.
        #[serde(default)]
        node: Option<String>,
        /// When.
        #[serde(default)]
        window: Window,
        /// HTTP status of the refusal: 403, or 422 as a ValidatingAdmissionPolicy answers by default. Default 403.
        #[serde(default = "forbidden")]
        code: u16,
    },
    /// Somebody uncordons a node by hand.
    Uncordon {
        /// Node name.
        node: String,
        /// When, in milliseconds since the migration's start.
        at_ms: i64,
    },
    /// A node is deleted and registered again under its name, with another uid: it is schedulable, and its pods are lost.
    NodeRegisteredAgain {
        /// Node name.
        node: String,
        /// When it is deleted, in milliseconds since the migration's start.
        at_ms: i64,
        /// So long after that it is registered again, in milliseconds. Default 5 s.
        #[serde(default = "five_seconds")]
        after_ms: i64,
    },
    /// Somebody creates pods by hand during the migration.
    ManualPods {
        /// When, in milliseconds since the migration's start.
        at_ms: i64,
        /// How many.
        count: u32,
        /// Namespace.
        #[serde(default = "default_namespace")]
        namespace: String,
        /// Name, to which a number is appended.
        #[serde(default = "manual_name")]
        name: String,
        /// cpu request, a quantity.
        #[serde(default)]
        cpu: Option<String>,
        /// Memory request, a quantity.
        #[serde(default)]
        memory: Option<String>,
        /// Node selector.
        #[serde(default)]
        node_selector: BTreeMap<String, String>,
        /// A pod template (`metadata`, `spec`) that they are made of; requests and selector above count only without one. Volumes of claims are
        /// left out, for nobody makes the claims.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        template: Option<Map<String, Value>>,
    },
}

fn always() -> u32 {
    1_000_000
}
fn forbidden() -> u16 {
    403
}
fn five_seconds() -> i64 {
    5_000
}
fn default_namespace() -> String {
    "default".into()
}
fn manual_name() -> String {
    "by-hand".into()
}

/// So many pods one fault creates at most.
const MOST_MANUAL_PODS: u32 = 100_000;

impl Fault {
    /// What is out of range, in words; None if nothing is.
    pub fn problem(&self) -> Option<String> {
        match self {
            Fault::CordonRefused { code, .. } if !(400..500).contains(code) => {
                Some(format!("code is {code}; expected the HTTP status of a refusal, 403 or 422"))
            }
            Fault::ManualPods { count, .. } if *count > MOST_MANUAL_PODS => {
                Some(format!("count is {count}; expected at most {MOST_MANUAL_PODS}"))
            }
            _ => {
                let time = |(name, ms): (&str, i64)| Some(format!("{name} is {ms}; {}", time_problem(ms)?));
                let share = self.probability_ppm().filter(|ppm| *ppm > 1_000_000);
                let share =
                    share.map(|ppm| format!("probability_ppm is {ppm}; expected 0 to 1000000, which is always"));
                self.times().into_iter().find_map(time).or(share)
            }
        }
    }

    /// All times that it states, in milliseconds, with their names.
    fn times(&self) -> Vec<(&'static str, i64)> {
        let mut times: Vec<_> = self.moment().map(|at| ("at_ms", at)).into_iter().collect();
        match self {
            Fault::LaunchFailure { window, .. }
            | Fault::CapacityShortage { window, .. }
            | Fault::SlowNodes { window, .. }
            | Fault::CrashLoop { window, .. }
            | Fault::Outage { window, .. }
            | Fault::DeletionRefused { window, .. }
            | Fault::UncordonRefused { window, .. }
            | Fault::CordonRefused { window, .. } => {
                times.push(("window.from_ms", window.from_ms));
                times.extend(window.until_ms.map(|until| ("window.until_ms", until)));
            }
            _ => {}
        }
        match self {
            Fault::SlowNodes { extra_ms, .. } => times.push(("extra_ms", *extra_ms)),
            Fault::NodeRegisteredAgain { after_ms, .. } => times.push(("after_ms", *after_ms)),
            _ => {}
        }
        times
    }

    fn probability_ppm(&self) -> Option<u32> {
        match self {
            Fault::LaunchFailure { probability_ppm, .. }
            | Fault::SlowNodes { probability_ppm, .. }
            | Fault::CrashLoop { probability_ppm, .. } => Some(*probability_ppm),
            _ => None,
        }
    }

    /// The moment at which the simulation has to look at it: when it strikes, or when the component is back that was away.
    pub fn wakes_at(&self) -> Option<i64> {
        match self {
            Fault::Outage { component: Component::ApiServer | Component::ControllerManager, window } => window.until_ms,
            other => other.moment(),
        }
    }

    /// The pod that is created by hand, as an object; None for a fault that creates none. It is the `nth` of the list, and its spec is
    /// named after that.
    pub fn manifest(&self, nth: usize) -> Option<Value> {
        let Fault::ManualPods { name, namespace, cpu, memory, node_selector, template, .. } = self else { return None };
        if let Some(template) = template {
            return Some(of_template(template, &format!("{name}-{nth}"), namespace));
        }
        let mut requests = serde_json::Map::new();
        for (resource, amount) in [("cpu", cpu), ("memory", memory)] {
            if let Some(amount) = amount {
                requests.insert(resource.into(), json!(amount));
            }
        }
        Some(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{name}-{nth}"), "namespace": namespace, "labels": {"app": name}},
            "spec": {
                "containers": [{"name": "c", "image": "by-hand", "resources": {"requests": requests}}],
                "nodeSelector": node_selector,
            },
            "status": {"phase": "Pending"},
        }))
    }

    /// The moment at which it strikes, for those that strike once.
    pub fn moment(&self) -> Option<i64> {
        match self {
            Fault::NodeLoss { at_ms, .. }
            | Fault::PodFailure { at_ms, .. }
            | Fault::NodeDeleted { at_ms, .. }
            | Fault::ManualPods { at_ms, .. }
            | Fault::Uncordon { at_ms, .. }
            | Fault::NodeRegisteredAgain { at_ms, .. } => Some(*at_ms),
            _ => None,
        }
    }
}

/// A pod of a template, without volumes of claims.
fn of_template(template: &Map<String, Value>, name: &str, namespace: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": template.get("metadata"), "spec": template.get("spec"), "status": {"phase": "Pending"},
    });
    pod["metadata"]["name"] = name.into();
    pod["metadata"]["namespace"] = namespace.into();
    let is_claim = |v: &Value| v["persistentVolumeClaim"].is_object();
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let gone: Vec<Value> = volumes.iter().filter(|v| is_claim(v)).map(|v| v["name"].clone()).collect();
    if let Some(volumes) = pod["spec"]["volumes"].as_array_mut() {
        volumes.retain(|v| !is_claim(v));
    }
    for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
        if let Some(mounts) = container["volumeMounts"].as_array_mut() {
            mounts.retain(|m| !gone.contains(&m["name"]));
        }
    }
    pod
}

/// The faults of one run.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    list: Arc<Vec<Fault>>,
}

/// Where a machine would be launched.
#[derive(Clone, Copy, Debug)]
pub struct MachineAt<'a> {
    /// Group.
    pub group: GroupIdx,
    /// Zone, if the group has zones.
    pub zone: Option<&'a str>,
    /// Machine type.
    pub machine_type: &'a str,
}

impl Faults {
    /// The faults of a scenario.
    pub fn new(list: &[Fault]) -> Faults {
        Faults { list: Arc::new(list.to_vec()) }
    }

    /// Adds one, as if it stood last in the scenario; its place in the list.
    pub fn add(&mut self, fault: Fault) -> u32 {
        let list = Arc::make_mut(&mut self.list);
        list.push(fault);
        (list.len() - 1) as u32
    }

    /// All of them, in the scenario's order.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }
    /// Whether a component is away now; if so, until when (None: for ever).
    pub fn outage(&self, component: Component, now: i64) -> Option<Option<i64>> {
        self.list.iter().find_map(|f| match f {
            Fault::Outage { component: c, window }
                if window.contains(now) && (*c == component || *c == Component::ApiServer) =>
            {
                Some(window.until_ms)
            }
            _ => None,
        })
    }
    /// Since when a component has been away that is away at a moment, by outages of which one follows the other.
    pub fn away_since(&self, component: Component, moment: i64) -> Option<i64> {
        let by = |moment: i64| {
            self.list.iter().find_map(|f| match f {
                Fault::Outage { component: c, window } if *c == component && window.contains(moment) => {
                    Some(window.from_ms)
                }
                _ => None,
            })
        };
        let mut since = by(moment)?;
        while let Some(earlier) = by(since - 1) {
            since = earlier;
        }
        Some(since)
    }

    /// Ends every outage of a component that is under way; when the last of them would have ended by itself (None: never). Outer None if
    /// it is not away.
    pub fn end_outages(&mut self, component: Component, now: i64) -> Option<Option<i64>> {
        let is_on =
            |f: &Fault| matches!(f, Fault::Outage { component: c, window } if *c == component && window.contains(now));
        if !self.list.iter().any(is_on) {
            return None;
        }
        let mut last = Some(now);
        for fault in Arc::make_mut(&mut self.list).iter_mut().filter(|f| is_on(f)) {
            if let Fault::Outage { window, .. } = fault {
                last = last.zip(window.until_ms).map(|(a, b)| a.max(b));
                window.until_ms = Some(now);
            }
        }
        Some(last)
    }

    /// Why a launch fails, if it does. `granted` says how many machines this fault has let through in its window.
    pub fn launch_problem(
        &self,
        catalog: &Catalog,
        draws: &Draws,
        now: i64,
        at: MachineAt<'_>,
        key: &str,
        granted: impl Fn(usize) -> u32,
    ) -> Option<&'static str> {
        let group = &catalog.groups[at.group];
        if group.launch_failure_ppm > 0
            && draws.chance(key, "group-launch-failure", 0, u64::from(group.launch_failure_ppm))
        {
            return Some("LaunchFailed");
        }
        self.list.iter().enumerate().find_map(|(i, f)| match f {
            Fault::LaunchFailure { machines, window, probability_ppm }
                if window.contains(now)
                    && machines.matches(catalog, at)
                    && draws.chance(key, "launch-failure", i as u64, u64::from(*probability_ppm)) =>
            {
                Some("LaunchFailed")
            }
            Fault::CapacityShortage { machines, window, available }
                if window.contains(now) && machines.matches(catalog, at) && granted(i) >= *available =>
            {
                Some("InsufficientCapacity")
            }
            _ => None,
        })
    }
    /// Indices of the capacity shortages that a machine counts against.
    pub fn shortages<'a>(
        &'a self,
        catalog: &'a Catalog,
        now: i64,
        at: MachineAt<'a>,
    ) -> impl Iterator<Item = usize> + 'a {
        self.list.iter().enumerate().filter_map(move |(i, f)| match f {
            Fault::CapacityShortage { machines, window, .. }
                if window.contains(now) && machines.matches(catalog, at) =>
            {
                Some(i)
            }
            _ => None,
        })
    }
    /// What slows a launch: (extra milliseconds, never Ready).
    pub fn slowness(&self, catalog: &Catalog, draws: &Draws, now: i64, at: MachineAt<'_>, key: &str) -> (i64, bool) {
        self.list.iter().enumerate().fold((0, false), |(extra, never), (i, f)| match f {
            Fault::SlowNodes { machines, window, probability_ppm, extra_ms, never_ready }
                if window.contains(now)
                    && machines.matches(catalog, at)
                    && draws.chance(key, "slow-node", i as u64, u64::from(*probability_ppm)) =>
            {
                (extra + extra_ms, never || *never_ready)
            }
            _ => (extra, never),
        })
    }
    /// Whether a pod that starts now never becomes ready.
    pub fn crash_loops(&self, catalog: &Catalog, state: &State, draws: &Draws, now: i64, pod: PodIdx) -> bool {
        self.list.iter().enumerate().any(|(i, f)| match f {
            Fault::CrashLoop { pods, window, probability_ppm } => {
                window.contains(now)
                    && pods.matches(catalog, state, pod)
                    && draws.chance(
                        &state.pod_text(catalog, pod),
                        &format!("crash-loop-{i}"),
                        u64::from(state.pods[pod].incarnation),
                        u64::from(*probability_ppm),
                    )
            }
            _ => false,
        })
    }
    /// Whether the provider refuses to end a machine now.
    pub fn deletion_refused(&self, catalog: &Catalog, state: &State, now: i64, node: NodeIdx) -> bool {
        self.list.iter().any(|f| match f {
            Fault::DeletionRefused { node: n, window } => {
                window.contains(now) && n.as_deref().is_none_or(|n| n == state.node_name(catalog, node))
            }
            _ => false,
        })
    }
    /// The status with which cordoning a node is refused now; None if it is not.
    pub fn cordon_refused(&self, catalog: &Catalog, state: &State, now: i64, node: NodeIdx) -> Option<u16> {
        self.list.iter().find_map(|f| match f {
            Fault::CordonRefused { node: n, window, code } => {
                let refused = window.contains(now) && n.as_deref().is_none_or(|n| n == state.node_name(catalog, node));
                refused.then_some(*code)
            }
            _ => None,
        })
    }
    /// Whether uncordoning a node is refused now.
    pub fn uncordon_refused(&self, catalog: &Catalog, state: &State, now: i64, node: NodeIdx) -> bool {
        self.list.iter().any(|f| match f {
            Fault::UncordonRefused { node: n, window } => {
                window.contains(now) && n.as_deref().is_none_or(|n| n == state.node_name(catalog, node))
            }
            _ => false,
        })
    }
}

impl MachineFilter {
    fn matches(&self, catalog: &Catalog, at: MachineAt<'_>) -> bool {
        let group = &catalog.groups[at.group];
        self.group.as_deref().is_none_or(|g| g == catalog.text(group.id) || g == catalog.text(group.name))
            && self.zone.as_deref().is_none_or(|z| at.zone == Some(z))
            && self.machine_type.as_deref().is_none_or(|m| m == at.machine_type)
    }
}

impl PodFilter {
    /// Whether a pod is meant.
    pub fn matches(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> bool {
        let spec = &catalog.specs[state.pods[pod].spec];
        let ns = catalog.text(catalog.namespaces[spec.namespace].name);
        self.namespace.as_deref().is_none_or(|n| n == ns)
            && self.match_labels.iter().all(|(k, v)| {
                let value = catalog.names.get(k).and_then(|k| spec.labels.get(k));
                value.is_some_and(|found| catalog.text(found) == v)
            })
    }
}
