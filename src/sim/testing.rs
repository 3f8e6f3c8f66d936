//! A bench for the actors of this room: the world without scheduler and runner. A pending pod is bound at once to the
//! first node that is ready and not cordoned.

use super::controllers::Controllers;
use super::ctx::Ctx;
use super::delays::{DelayOptions, Delays};
use super::event::{EventQueue, Timer};
use super::faults::{Fault, Faults};
use super::kubelet::Kubelet;
use super::node_lifecycle::NodeLifecycle;
use super::options::SimOptions;
use crate::cluster::draw::Draws;
use crate::cluster::*;
use crate::disruption::testing::{World, node_spec};
use crate::snapshot::StartDelays;
use crate::trace::Observation;
use std::sync::Arc;

/// The actors over a small world.
pub struct Bench {
    pub catalog: Catalog,
    pub state: State,
    pub now: i64,
    pub options: SimOptions,
    /// Whether pending pods are bound.
    pub places: bool,
    timers: EventQueue,
    delays: Delays,
    faults: Faults,
    pub events: Vec<Observation>,
    controllers: Controllers,
    kubelet: Kubelet,
    lifecycle: NodeLifecycle,
    cursor: u64,
}

macro_rules! ctx {
    ($b:ident) => {
        Ctx {
            now: $b.now,
            catalog: &$b.catalog,
            state: &mut $b.state,
            timers: &mut $b.timers,
            draws: &Draws::new(1),
            options: &$b.options,
            delays: &$b.delays,
            faults: &$b.faults,
            events: &mut $b.events,
        }
    };
}

impl Bench {
    /// A bench at time 0: pods start in 2 s and stop in 1 s, calls and latencies as upstream.
    pub fn new(world: World) -> Bench {
        Bench::with(world, SimOptions::default())
    }
    /// A bench with other options; its start and stop delays are set.
    pub fn with(mut world: World, options: SimOptions) -> Bench {
        let state = world.state();
        Bench::over(world.catalog, state, options)
    }
    /// The same over any state.
    pub fn over(catalog: Catalog, state: State, mut options: SimOptions) -> Bench {
        options.delays = DelayOptions {
            start: Some(Delay::Constant { ms: 2_000 }),
            stop: Some(Delay::Constant { ms: 1_000 }),
            ..options.delays
        };
        let mut bench = Bench {
            controllers: Controllers::new(&catalog, &state, &options),
            delays: Delays::new(&options.delays, &StartDelays::default()),
            faults: Faults::new(&options.faults),
            cursor: state.cursor(),
            catalog,
            state,
            now: 0,
            options,
            places: true,
            timers: EventQueue::default(),
            events: vec![],
            kubelet: Kubelet::default(),
            lifecycle: NodeLifecycle::default(),
        };
        let b = &mut bench;
        b.kubelet.begin(&mut ctx!(b));
        b.lifecycle.begin(&mut ctx!(b));
        b.controllers.begin(&mut ctx!(b));
        bench
    }
    /// Adds a ready node.
    pub fn node(&mut self, name: &str) -> NodeIdx {
        let name = self.state.make_name(name);
        let spec = node_spec(name, self.catalog.resources.len());
        self.state.add_node(Arc::new(spec), None, true, self.now)
    }
    /// Deletes a pod with its own grace.
    pub fn delete(&mut self, pod: PodIdx) {
        crate::disruption::delete_pod(&self.catalog, &mut self.state, pod, self.now, None);
        self.spread();
    }
    /// A node stops answering.
    pub fn lose(&mut self, node: NodeIdx) {
        let b = self;
        b.kubelet.lose(&mut ctx!(b), node);
        b.lifecycle.lose(&mut ctx!(b), node);
    }
    /// The API server is back that was away since then.
    pub fn api_server_is_back(&mut self, since: i64) {
        let b = self;
        b.lifecycle.api_server_is_back(&mut ctx!(b), since);
    }

    /// The controllers run again that were away.
    pub fn controllers_are_back(&mut self) {
        let b = self;
        b.lifecycle.restarted(&mut ctx!(b));
    }

    /// Lets time pass up to and including `until`.
    pub fn run_to(&mut self, until: i64) {
        self.spread();
        while let Some((at, timer)) = self.timers.pop_until(until) {
            self.now = at;
            let b = &mut *self;
            match timer {
                Timer::Bound(pod) => b.kubelet.start(&mut ctx!(b), pod),
                Timer::NodeMonitor => {
                    for node in b.lifecycle.monitor(&mut ctx!(b)) {
                        b.kubelet.unheard(node);
                    }
                }
                _ => {
                    b.kubelet.on_timer(&mut ctx!(b), timer);
                    b.lifecycle.on_timer(&mut ctx!(b), timer);
                    b.controllers.on_timer(&mut ctx!(b), timer);
                }
            }
            self.spread();
        }
        self.now = until;
    }
    /// The reasons of Jobs that have failed, in order.
    pub fn failed_jobs(&self) -> Vec<String> {
        let failed = self.events.iter().filter(|e| e.kind == crate::trace::EventKind::JobFailed);
        failed.filter_map(|e| e.detail.as_ref()?.reason.clone()).collect()
    }
    fn spread(&mut self) {
        loop {
            let changes = self.state.changes_since(self.cursor).to_vec();
            self.cursor = self.state.cursor();
            for change in &changes {
                let b = &mut *self;
                b.kubelet.on_change(&mut ctx!(b), *change);
                b.lifecycle.on_change(&mut ctx!(b), *change);
                b.controllers.on_change(&mut ctx!(b), *change);
            }
            if changes.is_empty() && !(self.places && self.place()) {
                return;
            }
        }
    }
    fn place(&mut self) -> bool {
        let open = |n: &NodeIdx| {
            let n = &self.state.nodes[*n];
            n.ready && !n.unschedulable && !n.gone
        };
        let Some(node) = self.state.live_nodes().find(open) else {
            return false;
        };
        let waits = |p: &PodIdx| {
            let p = &self.state.pods[*p];
            p.node.is_none() && p.phase == Phase::Pending && p.deleting.is_none()
        };
        let Some(pod) = self.state.live_pods().find(waits) else {
            return false;
        };
        self.state.bind(&self.catalog, pod, node, self.now);
        self.timers.schedule(self.now, Timer::Bound(pod));
        true
    }
    /// `name phase+marks` of an owner's pods that exist: `*` ready, `!` terminating.
    pub fn pods(&self, owner: OwnerIdx) -> Vec<String> {
        let text = |pod: &PodIdx| {
            let p = &self.state.pods[*pod];
            let ready = if p.ready { "*" } else { "" };
            let dying = if p.deleting.is_some() { "!" } else { "" };
            let name = self.state.name(&self.catalog, p.name);
            format!("{name} {:?}{ready}{dying}", p.phase)
        };
        self.state.owned[owner].iter().map(text).collect()
    }
    /// How many of an owner's pods are active.
    pub fn active(&self, owner: OwnerIdx) -> usize {
        let active = |p: &&PodIdx| self.state.pods[**p].is_active();
        self.state.owned[owner].iter().filter(active).count()
    }
    /// Adds a fault.
    pub fn fault(&mut self, fault: Fault) {
        let mut list = self.faults.list().to_vec();
        list.push(fault);
        self.faults = Faults::new(&list);
    }
    /// Sets a node's taints besides the managed ones.
    pub fn uncordon(&mut self, node: NodeIdx, cordoned: bool) {
        self.state.set_unschedulable(node, cordoned);
    }
}
