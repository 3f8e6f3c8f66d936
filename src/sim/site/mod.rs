//! One simulated cluster: its state, its clock and the actors that work on it, without anybody who calls its API.

mod seen;
mod spec;

use seen::Changed;
pub use spec::SiteSpec;

use super::autoscaler::{self, Autoscaler};
use super::budgets::Budgets;
use super::checkers::Checkers;
use super::controllers::Controllers;
use super::ctx::Ctx;
use super::delays::Delays;
use super::event::{EventQueue, Timer};
use super::faults::{Component, Fault, Faults};
use super::kubelet::Kubelet;
use super::node_lifecycle::NodeLifecycle;
use super::options::SimOptions;
use super::provider::Provider;
use super::scheduling::Scheduling;
use super::volumes::Volumes;
use crate::cluster::draw::Draws;
use crate::cluster::{Catalog, Change, GroupIdx, MachineIdx, NodeIdx, PodChange, PodIdx, State, Sym, View, Webhook};
use crate::runner::NodeRef;
use crate::trace::workloads::ReadyCounts;
use crate::trace::{Detail, EventKind, Observation, witness};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A [`Ctx`] over the fields of a site, leaving its actors free to be borrowed.
macro_rules! ctx {
    ($w:ident) => {
        Ctx {
            now: $w.now,
            catalog: &$w.catalog,
            state: &mut $w.state,
            timers: &mut $w.timers,
            draws: &$w.draws,
            options: &$w.options,
            delays: &$w.delays,
            faults: &$w.faults,
            events: &mut $w.observations,
        }
    };
}

/// One simulated cluster: a value that can be cloned at any moment.
#[derive(Clone)]
pub struct Site {
    pub(in crate::sim) catalog: Arc<Catalog>,
    pub(in crate::sim) state: State,
    /// The nodes of the start by name.
    by_name: Arc<FxHashMap<String, NodeIdx>>,
    /// How many nodes there were at the start, those gone included.
    at_start: usize,
    pub(in crate::sim) timers: EventQueue,
    pub(in crate::sim) draws: Draws,
    pub(in crate::sim) options: Arc<SimOptions>,
    delays: Arc<Delays>,
    pub(in crate::sim) faults: Faults,
    /// Milliseconds since the snapshot.
    pub(in crate::sim) now: i64,
    kubelet: Kubelet,
    lifecycle: NodeLifecycle,
    controllers: Controllers,
    pub(in crate::sim) disruption: Budgets,
    pub(in crate::sim) provider: Provider,
    volumes: Volumes,
    pub(in crate::sim) autoscaler: Box<dyn Autoscaler>,
    scheduling: Scheduling,
    pub(in crate::sim) checkers: Checkers,
    /// Up to where the actors have read the changes of the state.
    cursor: u64,
    /// Ready pods by workload, for the trace.
    pub(in crate::sim) ready: ReadyCounts,
    /// What happened since somebody took it.
    pub(in crate::sim) observations: Vec<Observation>,
    /// Objects that are not as they were since somebody took them, in the order of their first change.
    pub(in crate::sim) changed: Changed,
    /// The batch under way, and the batch of each old node that has one: the trace names them.
    pub(in crate::sim) batch: Option<u32>,
    pub(in crate::sim) batch_of: BTreeMap<NodeIdx, u32>,
    /// Timers whose component is away, nobody knows until when.
    parked: Vec<Timer>,
    /// Events handled.
    pub(in crate::sim) steps: u64,
}

impl Site {
    /// A cluster at the moment of its snapshot, its actors awake. `more` goes wrong besides what the options say.
    pub fn new(spec: &SiteSpec, seed: u64, more: &[Fault]) -> Site {
        let (catalog, state) = (spec.catalog.clone(), spec.state.clone());
        let options = spec.options.clone();
        let mut faults = Faults::new(&options.faults);
        more.iter().for_each(|fault| _ = faults.add(fault.clone()));
        let mut site = Site {
            timers: EventQueue::default(),
            draws: Draws::new(seed),
            now: 0,
            kubelet: Kubelet::default(),
            lifecycle: NodeLifecycle::default(),
            controllers: Controllers::new(&catalog, &state, &options),
            disruption: Budgets::new(&catalog, &state, spec.budgets.clone(), &options),
            provider: Provider::new(spec.templates.clone(), spec.autoscaler.fallbacks),
            volumes: Volumes::default(),
            autoscaler: autoscaler::of_options(spec.autoscaler.clone()),
            scheduling: Scheduling::new(&catalog, &state, spec.scheduler.clone(), &options),
            checkers: Checkers::default(),
            cursor: state.cursor(),
            ready: ReadyCounts::new(View { catalog: &catalog, state: &state }),
            observations: Vec::new(),
            changed: Changed::default(),
            batch: None,
            batch_of: BTreeMap::new(),
            parked: Vec::new(),
            steps: 0,
            by_name: spec.by_name.clone(),
            at_start: state.nodes.len(),
            delays: spec.delays.clone(),
            catalog,
            state,
            options,
            faults,
        };
        site.begin(&spec.old_nodes);
        site
    }

    /// The cluster now.
    pub fn view(&self) -> View<'_> {
        View { catalog: &self.catalog, state: &self.state }
    }

    /// What an actor that is not of the site gets.
    pub(in crate::sim) fn ctx(&mut self) -> Ctx<'_> {
        let w = self;
        ctx!(w)
    }

    /// Tells the trace what is there, and wakes the actors.
    fn begin(&mut self, old_nodes: &BTreeSet<NodeIdx>) {
        let view = View { catalog: &self.catalog, state: &self.state };
        let index = self.disruption.index().clone();
        let is_old = |node| old_nodes.contains(&node);
        self.observations.extend(witness::initial(view, is_old, &self.ready, |spec| index.budgets_of(spec)));
        for (i, fault) in self.faults.list().iter().enumerate() {
            if let Some(at) = fault.wakes_at() {
                self.timers.schedule(at, Timer::Fault(i as u32));
            }
        }
        let w = self;
        w.kubelet.begin(&mut ctx!(w));
        w.lifecycle.begin(&mut ctx!(w));
        w.controllers.begin(&mut ctx!(w));
        w.disruption.begin(&mut ctx!(w));
        w.autoscaler.begin(&mut ctx!(w), &w.provider);
    }

    // --- time ---

    /// The next moment at which something happens by itself.
    pub fn next_moment(&self) -> Option<i64> {
        let scheduler =
            self.scheduling.next_wakeup().map(|at| match self.faults.outage(Component::Scheduler, at.max(self.now)) {
                Some(until) => until.unwrap_or(i64::MAX),
                // After an outage what was due is due now.
                None => at.max(self.now),
            });
        [self.timers.next_at(), scheduler].into_iter().flatten().min()
    }

    /// A moment comes.
    pub fn pass_to(&mut self, moment: i64) {
        self.now = moment.max(self.now);
        self.checkers.time(moment);
    }

    /// The next timer that is due and has its effect now; one whose component is away waits until it is back.
    pub fn pop_timer(&mut self) -> Option<Timer> {
        while let Some((_, timer)) = self.timers.pop_until(self.now) {
            self.steps += 1;
            match Self::needs(timer).and_then(|c| self.faults.outage(c, self.now)) {
                None => return Some(timer),
                Some(Some(until)) => self.timers.schedule(until, timer),
                Some(None) => self.parked.push(timer),
            }
        }
        None
    }

    /// Who has to be there for a timer to have its effect.
    fn needs(timer: Timer) -> Option<Component> {
        Some(match timer {
            Timer::Owner(_)
            | Timer::ControllerWrite(_)
            | Timer::Budget(_)
            | Timer::BudgetRecheck(_)
            | Timer::Taint(_)
            | Timer::TaintEviction(_)
            | Timer::NodeMonitor
            | Timer::PodGc
            | Timer::Detach(_) => Component::ControllerManager,
            Timer::Bound(_) => Component::Scheduler,
            Timer::Autoscaler => Component::Autoscaler,
            // The kubelet writes to the API server; machines boot without it but register with it.
            Timer::PodReady(_)
            | Timer::PodDeadline(_)
            | Timer::PodFinished(_)
            | Timer::PodFailed(_)
            | Timer::PodStopped(_)
            | Timer::PodRemoved(_)
            | Timer::Launch(_)
            | Timer::RegisterAgain(_)
            | Timer::NodeReady(_)
            | Timer::NodeDeleted(_)
            | Timer::Heartbeat(_)
            | Timer::PodsReported(_) => Component::ApiServer,
            Timer::Fault(_) | Timer::Call(_) => return None,
            Timer::EvictionLook(_) | Timer::EvictionWrite(_) | Timer::EvictionRetry(_) => return None,
            Timer::Gate(_) => return None,
        })
    }

    /// A moment that an actor of the site asked for has come.
    pub fn on_timer(&mut self, timer: Timer) {
        let w = self;
        match timer {
            Timer::Fault(i) => w.strike(i),
            Timer::Launch(n) => w.provider.machines.register(&mut ctx!(w), n),
            Timer::RegisterAgain(node) => w.provider.machines.registered_again(&mut ctx!(w), node),
            Timer::NodeReady(node) => w.provider.machines.ready(&mut ctx!(w), node),
            Timer::NodeDeleted(node) => w.provider.machines.deleted(&mut ctx!(w), node),
            Timer::NodeMonitor => {
                for node in w.lifecycle.monitor(&mut ctx!(w)) {
                    w.kubelet.unheard(node);
                }
            }
            Timer::Taint(_) | Timer::TaintEviction(_) | Timer::PodGc | Timer::Heartbeat(_) | Timer::PodsReported(_) => {
                w.lifecycle.on_timer(&mut ctx!(w), timer)
            }
            Timer::PodReady(_)
            | Timer::PodDeadline(_)
            | Timer::PodFinished(_)
            | Timer::PodFailed(_)
            | Timer::PodStopped(_)
            | Timer::PodRemoved(_) => {
                w.kubelet.on_timer(&mut ctx!(w), timer);
            }
            Timer::Owner(_) | Timer::ControllerWrite(_) => w.controllers.on_timer(&mut ctx!(w), timer),
            Timer::Budget(_) | Timer::BudgetRecheck(_) => w.disruption.on_timer(&mut ctx!(w), timer),
            Timer::Detach(node) => {
                for pod in w.volumes.detach(&mut ctx!(w), node) {
                    let attached =
                        Observation::new(w.now, EventKind::PodAttached).pod(pod).node(w.state.pods[pod].node);
                    w.observations.push(attached.detail(Detail { sim_only: true, ..Detail::default() }));
                    w.kubelet.start(&mut ctx!(w), pod);
                }
            }
            Timer::Bound(pod) => w.bound(pod),
            Timer::Autoscaler => {
                w.autoscaler.on_timer(&mut ctx!(w), &mut w.provider, timer);
            }
            // Calls are the API server's.
            Timer::Call(_)
            | Timer::EvictionLook(_)
            | Timer::EvictionWrite(_)
            | Timer::EvictionRetry(_)
            | Timer::Gate(_) => {}
        }
    }

    /// A binding reached the API server: the kubelet sees its pod.
    fn bound(&mut self, pod: PodIdx) {
        let w = self;
        let p = &w.state.pods[pod];
        if p.gone {
            return;
        }
        w.observations.extend(witness::pod(w.now, pod, p, PodChange::Bound));
        if w.volumes.mount(&mut ctx!(w), pod) {
            w.kubelet.start(&mut ctx!(w), pod);
        }
    }

    /// A fault strikes that strikes once.
    fn strike(&mut self, fault: u32) {
        match self.faults.list().get(fault as usize).cloned() {
            Some(Fault::NodeLoss { node, .. }) => {
                if let Some(node) = self.named(&node) {
                    self.lose(node);
                }
            }
            Some(Fault::PodFailure { namespace, pod, .. }) => {
                // Its kubelet reports it to the API server, which may be away.
                if let Some(pod) = self.pod_named(&namespace, &pod) {
                    self.timers.schedule(self.now, Timer::PodFailed(pod));
                }
            }
            Some(Fault::NodeDeleted { node, .. }) => {
                if let Some(node) = self.named(&node) {
                    self.vanish(node);
                }
            }
            Some(Fault::Outage { component, .. }) => self.is_back(component),
            Some(Fault::Uncordon { node, .. }) => {
                if let Some(node) = self.named(&node) {
                    self.state.set_unschedulable(node, false);
                }
            }
            Some(Fault::NodeRegisteredAgain { node, after_ms, .. }) => {
                if let Some(node) = self.named(&node) {
                    self.register_again(node, after_ms);
                }
            }
            Some(Fault::ManualPods { count, namespace, name, .. }) => {
                // The specs were made when the scenario was read: one per entry, named after it.
                let wanted = format!("{name}-{fault}");
                let spec = self.catalog.specs.entries().find(|(_, s)| {
                    self.catalog.text(s.name) == wanted
                        && self.catalog.text(self.catalog.namespaces[s.namespace].name) == namespace
                });
                if let Some((spec, _)) = spec {
                    for i in 0..count {
                        let pod_name = self.state.make_name(&format!("{name}-{i}"));
                        let _ = self.state.create_pod(&self.catalog, spec, pod_name, self.now);
                    }
                }
            }
            _ => {}
        }
    }

    /// An outage of a component has ended.
    fn is_back(&mut self, component: Component) {
        if self.faults.outage(component, self.now).is_some() {
            return;
        }
        let w = self;
        match (component, w.faults.away_since(component, w.now - 1)) {
            (Component::ApiServer, Some(since)) => w.lifecycle.api_server_is_back(&mut ctx!(w), since),
            (Component::ControllerManager, Some(_)) => w.lifecycle.restarted(&mut ctx!(w)),
            _ => {}
        }
    }

    /// Brings a component back that is away; false if it is not. What waited for it comes now.
    pub fn restore(&mut self, component: Component) -> bool {
        let Some(until) = self.faults.end_outages(component, self.now) else { return false };
        if let Some(until) = until {
            self.timers.bring_forward(until, self.now, |timer| Self::needs(timer).is_some());
        }
        for timer in std::mem::take(&mut self.parked) {
            self.timers.schedule(self.now, timer);
        }
        self.is_back(component);
        true
    }

    /// The node that has a name now.
    pub fn named(&self, name: &str) -> Option<NodeIdx> {
        let of_start = self.by_name.get(name).copied().filter(|n| !self.state.nodes[*n].gone);
        let since = || self.state.nodes.entries().skip(self.at_start).filter(|(_, n)| !n.gone).map(|(index, _)| index);
        of_start.or_else(|| since().find(|n| self.state.node_name(&self.catalog, *n) == name))
    }

    /// The node of a uid, if it exists.
    pub fn there(&self, node: &NodeRef) -> Option<NodeIdx> {
        node.find(self.view()).filter(|n| !self.state.nodes[*n].gone)
    }

    /// The pod that has a namespace and name now.
    pub fn pod_named(&self, namespace: &str, name: &str) -> Option<PodIdx> {
        let (c, s) = (&self.catalog, &self.state);
        let of = |p: &PodIdx| c.text(c.namespaces[c.specs[s.pods[*p].spec].namespace].name);
        s.live_pods().find(|p| s.name(c, s.pods[*p].name) == name && of(p) == namespace)
    }

    // --- changes ---

    /// The next change that the actors have not read; none once all are spread. What lies between a hypothesis and its rollback did not happen.
    pub fn next_change(&mut self) -> Option<Change> {
        loop {
            let unread = self.state.changes_since(self.cursor);
            let change = *unread.first()?;
            self.cursor += 1;
            match change {
                Change::Supposed => {
                    let end = unread.iter().position(|c| matches!(c, Change::RolledBack | Change::Kept));
                    if let Some(end) = end.filter(|end| unread[*end] == Change::RolledBack) {
                        self.cursor += end as u64;
                    }
                }
                Change::RolledBack | Change::Kept => {}
                change => return Some(change),
            }
        }
    }

    /// Hands a change to every actor, in a fixed order.
    pub fn spread(&mut self, change: Change) {
        self.observe(change);
        let w = self;
        w.checkers.change(w.now, &w.catalog, &w.state, change);
        w.kubelet.on_change(&mut ctx!(w), change);
        w.lifecycle.on_change(&mut ctx!(w), change);
        w.controllers.on_change(&mut ctx!(w), change);
        w.disruption.on_change(&mut ctx!(w), change);
        w.autoscaler.on_change(&mut ctx!(w), &w.provider, change);
        if let Change::Pod(pod, PodChange::Removed | PodChange::Phase(_)) = change {
            let p = &w.state.pods[pod];
            if p.gone || p.phase.is_terminal() {
                w.volumes.left(&mut ctx!(w), pod);
            }
        }
    }

    /// All changes are spread: the scheduler takes them in, and the log of what everybody has read is forgotten.
    pub fn changes_are_spread(&mut self) {
        self.scheduling.observe(&self.catalog, &self.state, self.now);
        let read = self.cursor.min(self.scheduling.cursor());
        self.state.forget_changes(read);
    }

    // --- the scheduler ---

    /// One scheduling cycle; false if no pod is to be tried now, or the scheduler is away.
    pub fn schedule_one(&mut self) -> bool {
        if self.faults.outage(Component::Scheduler, self.now).is_some() {
            return false;
        }
        let w = self;
        let tried = w.scheduling.step(&mut ctx!(w), &mut w.checkers);
        w.steps += u64::from(tried);
        tried
    }

    // --- the provider, and what others do ---

    /// Launches one machine of a group for the batch under way, be it beyond the group's maximum. Err is the provider's last refusal.
    pub fn launch(
        &mut self,
        group: GroupIdx,
        machine: Option<MachineIdx>,
        zone: Option<Sym>,
        beyond_max: bool,
    ) -> Result<(), &'static str> {
        let w = self;
        let batch = w.batch;
        w.provider.launch(&mut ctx!(w), group, machine, zone, batch, beyond_max)
    }

    /// Gives a machine back. Err says why the provider refuses.
    pub fn retire(&mut self, node: NodeIdx) -> Result<(), &'static str> {
        let w = self;
        w.provider.machines.retire(&mut ctx!(w), node)
    }

    /// Has the machine of a node reimaged in place: it is registered again under its name. Err says why the provider refuses.
    pub fn reimage(&mut self, node: NodeIdx) -> Result<(), &'static str> {
        let w = self;
        w.provider.machines.reimage(&mut ctx!(w), node)
    }

    /// A node stops answering for good.
    pub fn lose(&mut self, node: NodeIdx) {
        let w = self;
        w.kubelet.lose(&mut ctx!(w), node);
        w.lifecycle.lose(&mut ctx!(w), node);
    }

    /// A node's machine and object vanish at once, as when somebody ends a machine by hand.
    pub fn vanish(&mut self, node: NodeIdx) {
        let w = self;
        w.provider.machines.deleted(&mut ctx!(w), node);
    }

    /// Somebody deletes a node, and it is registered again under its name so long after.
    pub fn register_again(&mut self, node: NodeIdx, after_ms: i64) {
        let w = self;
        w.provider.machines.register_again(&mut ctx!(w), node, after_ms);
    }

    /// Whether calls of the runner are lost.
    pub fn is_away(&self) -> bool {
        let needed = [Component::ApiServer, Component::MigrationController];
        needed.into_iter().any(|c| self.faults.outage(c, self.now).is_some())
    }

    /// The webhook that refuses a pod's eviction, if one does.
    pub fn refuses_eviction(&self, pod: PodIdx) -> Option<&Webhook> {
        self.controllers.refuses_eviction(self.view(), pod)
    }

    /// What the cluster waits for, in words.
    pub fn pending_summary(&self) -> String {
        let pending: Vec<PodIdx> = self.state.live_pods().filter(|p| self.state.pods[*p].node.is_none()).collect();
        let named: Vec<String> = pending.iter().take(5).map(|p| self.state.pod_text(&self.catalog, *p)).collect();
        match pending.len() {
            0 => "no pod is pending".to_owned(),
            n => format!("{n} pods are pending: {}{}", named.join(", "), if n > 5 { ", …" } else { "" }),
        }
    }
}
