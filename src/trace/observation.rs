//! An event as it is kept while a run goes on: indices instead of names, so that a million of them are small.

use super::event::{Event, EventKind, NodeRole, PodDetail};
use crate::cluster::{
    BudgetIdx, CPU, Catalog, GroupIdx, Idx, MEMORY, NodeIdx, OwnerIdx, OwnerKind, PodIdx, State, View,
};
use crate::groups::is_oceans;

/// An event with indices; [`Observation::render`] gives it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Milliseconds since the migration started.
    pub t_ms: i64,
    /// What happened.
    pub kind: EventKind,
    /// Batch it belongs to, where it belongs to one.
    pub batch: Option<u32>,
    /// Pod.
    pub pod: Option<PodIdx>,
    /// Node.
    pub node: Option<NodeIdx>,
    /// Group.
    pub group: Option<GroupIdx>,
    /// Budget.
    pub budget: Option<BudgetIdx>,
    /// A workload's ready pods.
    pub workload: Option<WorkloadNow>,
    /// What few events have.
    pub detail: Option<Box<Detail>>,
}

/// A workload and how many of its pods are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkloadNow {
    /// The workload.
    pub owner: OwnerIdx,
    /// Its pods that are ready and not being deleted.
    pub ready: u32,
    /// How many it wants.
    pub wanted: u32,
}

/// What few events have besides indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in [`Event`]
pub struct Detail {
    pub initial: bool,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub code: Option<u16>,
    pub outcome: Option<String>,
    pub nodes: Option<u32>,
    pub pods: Option<u32>,
    pub allowed: Option<i64>,
    pub healthy: Option<i64>,
    pub desired: Option<i64>,
    pub expected: Option<i64>,
    /// Ready pods under a budget at the start.
    pub ready: Option<u32>,
    pub budgets: Vec<BudgetIdx>,
    pub by: Option<String>,
    pub waited_ms: Option<u64>,
    pub lost_ms: Option<u64>,
    pub requested_cpu_milli: Option<i64>,
    pub requested_memory_bytes: Option<i64>,
    pub role: Option<NodeRole>,
    pub machine_type: Option<String>,
    pub until_ms: Option<u64>,
    pub state: Option<String>,
    pub pod_details: Vec<PodDetail>,
    /// Name of a node that the cluster may no longer have.
    pub node_name: Option<String>,
    pub sim_only: bool,
}

impl Observation {
    /// An observation of `kind` at `t_ms` with nothing else set.
    pub fn new(t_ms: i64, kind: EventKind) -> Observation {
        Observation {
            t_ms,
            kind,
            batch: None,
            pod: None,
            node: None,
            group: None,
            budget: None,
            workload: None,
            detail: None,
        }
    }
    /// With a pod.
    pub fn pod(mut self, pod: PodIdx) -> Observation {
        self.pod = Some(pod);
        self
    }
    /// With a node.
    pub fn node(mut self, node: impl Into<Option<NodeIdx>>) -> Observation {
        self.node = node.into();
        self
    }
    /// With a group.
    pub fn group(mut self, group: impl Into<Option<GroupIdx>>) -> Observation {
        self.group = group.into();
        self
    }
    /// With a budget.
    pub fn budget(mut self, budget: BudgetIdx) -> Observation {
        self.budget = Some(budget);
        self
    }
    /// With a workload's ready pods.
    pub fn workload(mut self, now: WorkloadNow) -> Observation {
        self.workload = Some(now);
        self
    }
    /// With a batch.
    pub fn batch(mut self, batch: impl Into<Option<u32>>) -> Observation {
        self.batch = batch.into();
        self
    }
    /// With details.
    pub fn detail(mut self, detail: Detail) -> Observation {
        self.detail = Some(Box::new(detail));
        self
    }

    /// The event with its names, from the cluster at any later moment (indices are never reused).
    pub fn render(&self, view: View<'_>) -> Event {
        let View { catalog, state } = view;
        let mut e = Event::new(u64::try_from(self.t_ms).unwrap_or(0), self.kind);
        e.batch = self.batch;
        if let Some(node) = self.node {
            let n = &state.nodes[node];
            e.node = Some(state.node_name(catalog, node).to_owned());
            if matches!(self.kind, EventKind::NodeAdded) {
                e.uid = Some(state.name(catalog, n.spec.uid).to_owned());
                e.cpu_milli = Some(n.spec.allocatable(CPU));
                e.memory_bytes = Some(n.spec.allocatable(MEMORY));
                e.pod_slots = Some(n.spec.pod_slots);
                e.ocean = is_oceans(view, node);
                e.price_micros_per_hour = n.spec.price_micros_per_hour;
                e.group = n.group.map(|g| catalog.text(catalog.groups[g].id).to_owned());
                e.machine_type = n
                    .spec
                    .machine
                    .map(|m| catalog.text(catalog.machines[m].name))
                    .or_else(|| n.spec.labels.get(catalog.known.instance_type).map(|t| catalog.text(t)))
                    .map(str::to_owned);
            }
        }
        if let Some(pod) = self.pod {
            let p = &state.pods[pod];
            let spec = &catalog.specs[p.spec];
            e.pod = Some(state.pod_text(catalog, pod));
            e.uid = Some(state.name(catalog, p.uid).to_owned());
            e.owner = spec.owner.map(|o| catalog.owner_text(workload(catalog, o)));
            let requests = spec.resized.as_deref().unwrap_or(&catalog.shapes[spec.shape.at()].requests);
            e.cpu_milli = Some(requests.get(CPU));
            e.memory_bytes = Some(requests.get(MEMORY));
        }
        if let Some(group) = self.group {
            e.group = Some(catalog.text(catalog.groups[group].id).to_owned());
        }
        e.budget = self.budget.map(|b| catalog.budget_text(b));
        if let Some(w) = self.workload {
            e.owner = Some(catalog.owner_text(w.owner));
            if self.kind == EventKind::WorkloadChanged {
                (e.ready, e.wanted) = (Some(w.ready), Some(w.wanted));
            }
        }
        if let Some(d) = self.detail.as_deref() {
            e.initial = d.initial;
            e.reason.clone_from(&d.reason);
            e.message.clone_from(&d.message);
            e.code = d.code;
            e.outcome.clone_from(&d.outcome);
            e.nodes = d.nodes;
            e.pods = d.pods;
            e.allowed = d.allowed;
            e.healthy = d.healthy;
            e.desired = d.desired;
            e.expected = d.expected;
            e.ready = e.ready.or(d.ready);
            e.budgets = d.budgets.iter().map(|b| catalog.budget_text(*b)).collect();
            e.by.clone_from(&d.by);
            e.waited_ms = d.waited_ms;
            e.lost_ms = d.lost_ms;
            e.requested_cpu_milli = d.requested_cpu_milli;
            e.requested_memory_bytes = d.requested_memory_bytes;
            e.role = d.role;
            e.until_ms = d.until_ms;
            e.state.clone_from(&d.state);
            e.pod_details.clone_from(&d.pod_details);
            if let Some(name) = &d.node_name {
                e.node = Some(name.clone());
            }
            e.sim_only = d.sim_only;
            if let Some(machine) = &d.machine_type {
                e.machine_type = Some(machine.clone());
            }
        }
        e
    }
}

/// `Kind/namespace/name` of the workload that a pod belongs to; `Pod/namespace/name` of a bare pod.
pub fn workload_text(catalog: &Catalog, state: &State, pod: PodIdx) -> String {
    match catalog.specs[state.pods[pod].spec].owner {
        Some(owner) => catalog.owner_text(workload(catalog, owner)),
        None => format!("Pod/{}", state.pod_text(catalog, pod)),
    }
}

/// The workload a pod belongs to: the highest owner in its chain of a kind that Kubernetes itself knows.
///
/// A Deployment for the pods of its ReplicaSets, but not the custom resource above several workloads:
/// under that, pods that do not stand for one another would be joined.
pub(crate) fn workload(catalog: &Catalog, owner: OwnerIdx) -> OwnerIdx {
    let known = |o: OwnerIdx| !matches!(catalog.owners[o].kind, OwnerKind::Custom | OwnerKind::Node);
    let mut top = owner;
    // Owner chains are short; the bound guards against a cycle in a hand-made dump.
    for _ in 0..16 {
        match catalog.owners[top].parent.filter(|p| known(*p)) {
            Some(parent) => top = parent,
            None => break,
        }
    }
    top
}
