//! One simulated run: the actors, the clock that jumps, and the runner that is driven through it.

use super::autoscaler::Autoscaler;
use super::checkers::Checkers;
use super::controllers::Controllers;
use super::ctx::Ctx;
use super::delays::Delays;
use super::event::{EventQueue, Timer};
use super::evictions::{Evictions, Waiting, Write};
use super::faults::{Component, Fault, Faults};
use super::gates::Gates;
use super::kubelet::Kubelet;
use super::machines::Machines;
use super::node_lifecycle::NodeLifecycle;
use super::options::SimOptions;
use super::scheduling::Scheduling;
use super::site::SiteSpec;
use super::volumes::Volumes;
use crate::cluster::draw::Draws;
use crate::cluster::{BudgetIdx, Catalog, Change, NodeChange, NodeIdx, PodChange, PodIdx, State, View};
use crate::disruption::eviction::Effect;
use crate::disruption::{self, Request, Verdict};
use crate::runner::observe;
use crate::runner::{
    Action, Announcement, Answer, CallId, Failure, Input, ObjId, Outbox, Outcome, Output, Runner, StopMode, Stream,
};
use crate::trace::{Detail, EventKind, Observation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A [`Ctx`] over the fields of a world, leaving its actors free to be borrowed.
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

mod port;
mod run;

pub use port::{Grant, LaunchFailed, Told};
pub use run::Line;

/// Rounds of one instant after which a run is taken to be spinning.
const MOST_ROUNDS: u32 = 100_000;

/// A simulated world and the runner in it: a value that can be stepped, cloned and dropped at any moment.
#[derive(Clone)]
pub struct World {
    catalog: Arc<Catalog>,
    state: State,
    timers: EventQueue,
    draws: Draws,
    options: Arc<SimOptions>,
    delays: Arc<Delays>,
    faults: Faults,
    now: i64,
    kubelet: Kubelet,
    lifecycle: NodeLifecycle,
    controllers: Controllers,
    disruption: super::budgets::Budgets,
    machines: Machines,
    volumes: Volumes,
    autoscaler: Autoscaler,
    scheduling: Scheduling,
    checkers: Checkers,
    runner: Option<Runner>,
    told: Told,
    runner_wakeup: Option<i64>,
    outbox: Outbox,
    calls: BTreeMap<u64, Action>,
    calls_of_others: u64,
    evictions: Evictions,
    gates: Gates,
    ensured: BTreeMap<String, u32>,
    changed: Vec<ObjId>,
    changed_seen: BTreeSet<(u8, u32)>,
    cursor: u64,
    observations: Vec<Observation>,
    lines: Vec<(u32, Stream, String)>,
    exits: BTreeMap<u32, i32>,
    returned_ms: BTreeMap<u32, i64>,
    batch: Option<u32>,
    batch_of: BTreeMap<NodeIdx, u32>,
    stop_at: Option<(i64, StopMode)>,
    /// The first instant has been settled.
    begun: bool,
    ended: Option<(Outcome, Option<Failure>)>,
    /// The runner is serialised and resumed before every input; for tests.
    restarts: bool,
    steps: u64,
}

impl World {
    /// A world at the moment of its snapshot. `more` goes wrong besides what the site's options say. Without a runner somebody
    /// else makes the calls (see [`World::advance_to`]); `stop_at` is when somebody stops the migration, if anybody does.
    pub fn new(
        site: &SiteSpec,
        seed: u64,
        more: &[Fault],
        runner: Option<Runner>,
        stop_at: Option<(i64, StopMode)>,
    ) -> World {
        let (catalog, state) = (site.catalog.clone(), site.state.clone());
        let (options, delays) = (site.options.clone(), site.delays.clone());
        let mut faults = Faults::new(&options.faults);
        more.iter().for_each(|fault| _ = faults.add(fault.clone()));
        let mut world = World {
            timers: EventQueue::default(),
            draws: Draws::new(seed),
            now: 0,
            kubelet: Kubelet::default(),
            lifecycle: NodeLifecycle::default(),
            controllers: Controllers::new(&catalog, &state, &options),
            disruption: super::budgets::Budgets::new(&catalog, &state, site.budgets.clone(), &options),
            machines: Machines::default(),
            volumes: Volumes::default(),
            autoscaler: Autoscaler::new(site.templates.clone(), site.autoscaler.clone(), &[]),
            scheduling: Scheduling::new(&catalog, &state, site.scheduler.clone(), &options),
            checkers: Checkers::default(),
            runner_wakeup: runner.as_ref().map(|_| 0),
            runner,
            told: Told::default(),
            outbox: Outbox::default(),
            calls: BTreeMap::new(),
            calls_of_others: 0,
            evictions: Evictions::default(),
            gates: Gates::default(),
            ensured: BTreeMap::new(),
            changed: Vec::new(),
            changed_seen: BTreeSet::new(),
            cursor: state.cursor(),
            observations: Vec::new(),
            lines: Vec::new(),
            exits: BTreeMap::new(),
            returned_ms: BTreeMap::new(),
            batch: None,
            batch_of: BTreeMap::new(),
            stop_at,
            begun: false,
            ended: None,
            restarts: false,
            steps: 0,
            catalog,
            state,
            options,
            delays,
            faults,
        };
        world.begin(&site.old_nodes);
        world
    }

    /// Lets the next moment come and all that happens in it; false if the run has ended already. It ends with the runner, when
    /// nothing can happen any more, or at the horizon.
    pub fn step(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.settle();
            return true;
        }
        match self.next_moment() {
            None => self.give_up("nothing-left-to-happen", "no event is left, and the migration has not ended"),
            Some(next) if next > self.options.horizon_ms => {
                self.give_up("horizon", "the horizon of the run was reached before the migration ended");
            }
            Some(next) => self.reach(next),
        }
        true
    }

    // --- the clock ---

    /// The moment comes, and all that happens in it.
    fn reach(&mut self, moment: i64) {
        self.now = moment.max(self.now);
        self.checkers.time(moment);
        while let Some((_, timer)) = self.timers.pop_until(self.now) {
            self.steps += 1;
            self.dispatch(timer);
            self.spread_changes();
        }
        self.settle();
    }

    /// The next moment at which something happens by itself.
    pub fn next_moment(&self) -> Option<i64> {
        let scheduler =
            self.scheduling.next_wakeup().map(|at| match self.faults.outage(Component::Scheduler, at.max(self.now)) {
                Some(until) => until.unwrap_or(i64::MAX),
                None => at,
            });
        let stop = self.stop_at.map(|s| s.0);
        [self.timers.next_at(), scheduler, self.runner_wakeup, stop].into_iter().flatten().min()
    }

    /// Lets everything that can happen at this instant happen: changes spread, the scheduler empties its queue, the
    /// runner is called once a round.
    fn settle(&mut self) {
        for round in 0..MOST_ROUNDS {
            self.spread_changes();
            let mut moved = self.schedule();
            self.spread_changes();
            moved |= self.stop_if_asked();
            moved |= self.call_runner();
            if !moved || self.ended.is_some() {
                return;
            }
            if round + 1 == MOST_ROUNDS {
                self.give_up("spinning", "the same instant was handled too many times");
            }
        }
    }

    fn give_up(&mut self, reason: &str, message: &str) {
        let open = self.pending_summary();
        self.ended = Some((
            Outcome::Failed,
            Some(Failure {
                reason: reason.to_owned(),
                message: format!("{message} ({} ms)", self.now),
                cause: open,
                remedy:
                    "look at the findings and at the end of the trace; raise sim.horizon_ms if the run was only slow"
                        .into(),
            }),
        ));
        let failure = self.ended.as_ref().and_then(|e| e.1.as_ref());
        self.observations.push(Observation::new(self.now, EventKind::MigrationFinished).detail(Detail {
            outcome: Some(Outcome::Failed.text().to_owned()),
            reason: failure.map(|f| f.reason.clone()),
            message: failure.map(|f| f.message.clone()),
            ..Detail::default()
        }));
    }

    fn pending_summary(&self) -> String {
        let pending: Vec<PodIdx> = self.state.live_pods().filter(|p| self.state.pods[*p].node.is_none()).collect();
        let named: Vec<String> = pending.iter().take(5).map(|p| self.state.pod_text(&self.catalog, *p)).collect();
        match pending.len() {
            0 => "no pod is pending".to_owned(),
            n => format!("{n} pods are pending: {}{}", named.join(", "), if n > 5 { ", …" } else { "" }),
        }
    }

    // --- the beginning ---

    /// Tells the trace what is there, and wakes the actors.
    fn begin(&mut self, old_nodes: &BTreeSet<NodeIdx>) {
        let view = View { catalog: &self.catalog, state: &self.state };
        self.observations.extend(observe::initial(view, |node| old_nodes.contains(&node)));
        for (i, fault) in self.faults.list().iter().enumerate() {
            if let Some(at) = fault.moment() {
                self.timers.schedule(at, Timer::Fault(i as u32));
            }
        }
        let w = self;
        w.kubelet.begin(&mut ctx!(w));
        w.lifecycle.begin(&mut ctx!(w));
        w.controllers.begin(&mut ctx!(w));
        w.disruption.begin(&mut ctx!(w));
        w.autoscaler.begin(&mut ctx!(w));
    }

    // --- timers ---

    /// Who has to be there for a timer to have its effect.
    fn needs(timer: Timer) -> Option<Component> {
        Some(match timer {
            Timer::Owner(_)
            | Timer::ControllerWrite(_)
            | Timer::Budget(_)
            | Timer::BudgetRecheck(_)
            | Timer::Taint(_)
            | Timer::TaintEviction(_)
            | Timer::PodGc
            | Timer::Detach(_) => Component::ControllerManager,
            Timer::Scheduler | Timer::Bound(_) => Component::Scheduler,
            Timer::Autoscaler | Timer::AutoscalerGroup(_) => Component::Autoscaler,
            // The kubelet writes to the API server; machines boot without it but register with it.
            Timer::PodReady(_)
            | Timer::PodStopped(_)
            | Timer::PodRemoved(_)
            | Timer::PodFinished(_)
            | Timer::Launch(_)
            | Timer::NodeReady(_)
            | Timer::NodeDeleted(_) => Component::ApiServer,
            Timer::Fault(_) | Timer::Call(_) => return None,
            Timer::EvictionLook(_) | Timer::EvictionWrite(_) | Timer::EvictionRetry(_) => return None,
            Timer::Gate(_) | Timer::Runner => return None,
        })
    }

    fn dispatch(&mut self, timer: Timer) {
        if let Some(outage) = Self::needs(timer).and_then(|c| self.faults.outage(c, self.now)) {
            if let Some(until) = outage {
                self.timers.schedule(until, timer);
            }
            return;
        }
        let w = self;
        match timer {
            Timer::Fault(i) => w.strike(i),
            Timer::Call(id) => w.perform(id),
            Timer::EvictionLook(id) => w.eviction_look(id),
            Timer::EvictionWrite(id) => w.eviction_write(id),
            Timer::EvictionRetry(id) => w.eviction_retry(id),
            Timer::Gate(id) => {
                let answer = w.gates.answer(id);
                let lost = w.faults.outage(Component::MigrationController, w.now).is_some();
                w.reply(id, if lost { Answer::Unknown } else { answer });
            }
            Timer::Launch(n) => w.machines.register(&mut ctx!(w), n),
            Timer::NodeReady(node) => w.machines.ready(&mut ctx!(w), node),
            Timer::NodeDeleted(node) => w.machines.deleted(&mut ctx!(w), node),
            Timer::Taint(_) | Timer::TaintEviction(_) | Timer::PodGc => w.lifecycle.on_timer(&mut ctx!(w), timer),
            Timer::PodReady(_) | Timer::PodStopped(_) | Timer::PodRemoved(_) | Timer::PodFinished(_) => {
                w.kubelet.on_timer(&mut ctx!(w), timer);
            }
            Timer::Owner(_) | Timer::ControllerWrite(_) => w.controllers.on_timer(&mut ctx!(w), timer),
            Timer::Budget(_) | Timer::BudgetRecheck(_) => w.disruption.on_timer(&mut ctx!(w), timer),
            Timer::Detach(node) => {
                for pod in w.volumes.detach(&mut ctx!(w), node) {
                    w.kubelet.start(&mut ctx!(w), pod);
                }
            }
            Timer::Scheduler | Timer::Runner => {}
            Timer::Bound(pod) => w.bound(pod),
            Timer::Autoscaler | Timer::AutoscalerGroup(_) => {
                w.autoscaler.on_timer(&mut ctx!(w), &mut w.machines, timer);
            }
        }
    }

    /// A binding reached the API server: the kubelet sees its pod.
    fn bound(&mut self, pod: PodIdx) {
        let w = self;
        let p = &w.state.pods[pod];
        if p.gone {
            return;
        }
        w.observations.push(Observation::new(w.now, EventKind::PodBound).pod(pod).node(p.node));
        if w.volumes.mount(&mut ctx!(w), pod) {
            w.kubelet.start(&mut ctx!(w), pod);
        }
    }

    fn strike(&mut self, fault: u32) {
        match self.faults.list().get(fault as usize).cloned() {
            Some(Fault::NodeLoss { node, .. }) => {
                let found = self.state.live_nodes().find(|n| self.state.node_name(&self.catalog, *n) == node);
                if let Some(node) = found {
                    let w = self;
                    w.kubelet.lose(&mut ctx!(w), node);
                    w.lifecycle.lose(&mut ctx!(w), node);
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

    // --- changes ---

    /// Hands every new change to every actor, in a fixed order, until there is none.
    fn spread_changes(&mut self) {
        loop {
            let changes: Vec<Change> = self.state.changes_since(self.cursor).to_vec();
            if changes.is_empty() {
                break;
            }
            self.cursor = self.state.cursor();
            for change in happened(&changes) {
                self.observe(change);
                let w = &mut *self;
                w.checkers.change(w.now, &w.catalog, &w.state, change);
                w.evictions.on_change(change);
                w.kubelet.on_change(&mut ctx!(w), change);
                w.lifecycle.on_change(&mut ctx!(w), change);
                w.controllers.on_change(&mut ctx!(w), change);
                w.disruption.on_change(&mut ctx!(w), change);
                w.autoscaler.on_change(&mut ctx!(w), change);
                if let Change::Pod(pod, PodChange::Removed | PodChange::Phase(_)) = change {
                    let p = &w.state.pods[pod];
                    if p.gone || p.phase.is_terminal() {
                        w.volumes.left(&mut ctx!(w), pod);
                    }
                }
            }
        }
        self.scheduling.observe(&self.catalog, &self.state, self.now);
        let read = self.cursor.min(self.scheduling.cursor());
        self.state.forget_changes(read);
    }

    /// What a change tells the trace and the runner.
    fn observe(&mut self, change: Change) {
        let now = self.now;
        let (key, object) = match change {
            Change::Pod(p, _) => ((0, p.0), Some(ObjId::Pod(p))),
            Change::Node(n, _) => ((1, n.0), Some(ObjId::Node(n))),
            Change::Owner(o) => ((2, o.0), Some(ObjId::Owner(o))),
            Change::Budget(b) => ((3, b.0), Some(ObjId::Budget(b))),
            _ => ((9, 0), None),
        };
        if let Some(object) = object
            && self.changed_seen.insert(key)
        {
            self.changed.push(object);
        }
        let seen = match change {
            Change::Pod(pod, what) => {
                let p = &self.state.pods[pod];
                let kind = match what {
                    PodChange::Added => EventKind::PodCreated,
                    PodChange::Ready if p.ready => EventKind::PodReady,
                    PodChange::Removed => EventKind::PodTerminated,
                    PodChange::Phase(before)
                        if p.phase.is_terminal() && !before.is_terminal() && p.deleting.is_none() =>
                    {
                        EventKind::PodTerminated
                    }
                    _ => return,
                };
                // A pod that ended by itself has been told already.
                if kind == EventKind::PodTerminated
                    && matches!(what, PodChange::Removed)
                    && p.phase.is_terminal()
                    && p.deleting.is_none()
                {
                    return;
                }
                let seen = Observation::new(now, kind).pod(pod).node(p.node);
                match kind == EventKind::PodTerminated && p.deleting.is_none() && p.phase.is_terminal() {
                    true => seen.detail(Detail { reason: Some("Completed".to_owned()), ..Detail::default() }),
                    false => seen,
                }
            }
            Change::Node(node, what) => {
                let n = &self.state.nodes[node];
                let kind = match what {
                    NodeChange::Unschedulable if n.unschedulable => EventKind::NodeCordoned,
                    NodeChange::Unschedulable => EventKind::NodeUncordoned,
                    NodeChange::Ready if n.ready => EventKind::NodeReady,
                    NodeChange::Ready => EventKind::NodeNotReady,
                    NodeChange::Removed => EventKind::NodeDeleted,
                    _ => return,
                };
                Observation::new(now, kind).node(node).batch(self.batch_of.get(&node).copied())
            }
            Change::Budget(budget) => Observation::new(now, EventKind::BudgetChanged)
                .budget(budget)
                .detail(observe::budget_figures(&self.state.budgets[budget])),
            _ => return,
        };
        self.observations.push(seen);
    }

    // --- the scheduler ---

    fn schedule(&mut self) -> bool {
        if self.faults.outage(Component::Scheduler, self.now).is_some() {
            return false;
        }
        let w = self;
        let mut any = false;
        while w.scheduling.step(&mut ctx!(w), &mut w.checkers) {
            any = true;
            w.steps += 1;
            w.spread_changes();
        }
        any
    }

    // --- the runner ---

    fn stop_if_asked(&mut self) -> bool {
        match self.stop_at {
            Some((at, mode)) if at <= self.now => {
                self.stop_at = None;
                self.feed(Input::Stop(mode));
                true
            }
            _ => false,
        }
    }

    /// Tells the runner what changed, or that its time has come.
    fn call_runner(&mut self) -> bool {
        if !self.changed.is_empty() {
            let changed = std::mem::take(&mut self.changed);
            self.changed_seen.clear();
            self.feed(Input::Changed(&changed));
            return true;
        }
        if self.runner_wakeup.is_some_and(|at| at <= self.now) {
            self.runner_wakeup = None;
            self.feed(Input::Tick);
            return true;
        }
        false
    }

    fn feed(&mut self, input: Input<'_>) {
        if self.ended.is_some() {
            return;
        }
        let Some(runner) = &mut self.runner else { return self.told.take(input) };
        let view = View { catalog: &self.catalog, state: &self.state };
        if self.restarts {
            match runner.reborn(view) {
                Ok(again) => *runner = again,
                Err(e) => return self.give_up("resume-failed", &e),
            }
        }
        runner.handle(self.now, view, input, &mut self.outbox);
        self.runner_wakeup = runner.next_wakeup();
        let items: Vec<Output> = self.outbox.drain().collect();
        for item in items {
            match item {
                Output::Call(CallId(id), action) => {
                    self.calls.insert(id, action);
                    self.timers.schedule(self.now + self.options.api_latency_ms.max(0), Timer::Call(id));
                }
                Output::Announce(announcement) => self.announce(announcement),
            }
        }
    }

    /// A call of the runner reaches its server.
    fn perform(&mut self, id: u64) {
        let Some(action) = self.calls.remove(&id) else { return };
        let answer = match action {
            Action::Check { batch } | Action::AwaitApproval { batch } => {
                let w = self;
                return w.gates.begin(&mut ctx!(w), id, batch, matches!(action, Action::Check { .. }));
            }
            _ if self.is_away() => Answer::Unknown,
            Action::Evict { pod, precondition, grace_ms } => match self.evict(id, pod, precondition, grace_ms) {
                Some(answer) => answer,
                None => return,
            },
            _ => self.answer(&action),
        };
        self.reply(id, answer);
    }
    /// Whether calls of the runner are lost.
    fn is_away(&self) -> bool {
        let needed = [Component::ApiServer, Component::MigrationController];
        needed.into_iter().any(|c| self.faults.outage(c, self.now).is_some())
    }
    fn reply(&mut self, id: u64, answer: Answer) {
        self.spread_changes();
        if id >= run::OTHERS {
            return self.told.answers.push((id, answer));
        }
        self.feed(Input::Answer(CallId(id), answer));
    }

    fn answer(&mut self, action: &Action) -> Answer {
        match action {
            Action::Cordon { node } | Action::Uncordon { node } if self.state.nodes[*node].gone => Answer::Gone,
            Action::Cordon { node } => {
                self.state.set_unschedulable(*node, true);
                Answer::Accepted
            }
            Action::Uncordon { node } => {
                if self.faults.uncordon_refused(&self.catalog, &self.state, self.now, *node) {
                    return Answer::refused(403, "Forbidden", "uncordoning is refused (a fault of the scenario)");
                }
                self.state.set_unschedulable(*node, false);
                Answer::Accepted
            }
            Action::Taint { node, taint } => self.taint(*node, taint, true),
            Action::Untaint { node, taint } => self.taint(*node, taint, false),
            Action::Evict { .. } => Answer::Unknown, // answered by `evict`, in its time
            Action::DeletePod { pod, precondition: true, .. } if self.state.pods[*pod].gone => {
                self.other_uid_or_gone(*pod)
            }
            Action::DeletePod { pod, grace_ms, .. } => {
                let Some(pod) = self.current(*pod) else { return Answer::Gone };
                let node = self.state.pods[pod].node;
                let batch = node.and_then(|n| self.batch_of.get(&n).copied()).or(self.batch);
                self.observations.push(
                    Observation::new(self.now, EventKind::EvictionAccepted)
                        .pod(pod)
                        .node(node)
                        .batch(batch)
                        .detail(Detail { reason: Some("Deleted".to_owned()), ..Detail::default() }),
                );
                crate::disruption::delete_pod(&self.catalog, &mut self.state, pod, self.now, *grace_ms);
                Answer::Accepted
            }
            Action::GetNode { node } if self.state.nodes[*node].gone => Answer::Gone,
            Action::GetNode { .. } => Answer::Accepted,
            Action::GetPod { pod } => self.current(*pod).map_or(Answer::Gone, Answer::Pod),
            Action::ListPods { .. } => Answer::Accepted,
            Action::EnsureNodes { key, group, machine, zone, total } => {
                // What was launched counts, not what was asked for: a launch that failed can be asked for again.
                let had = self.ensured.get(key).copied().unwrap_or(0);
                for _ in had..*total {
                    let w = &mut *self;
                    let launched = w.autoscaler.launch(&mut ctx!(w), &mut w.machines, *group, *machine, *zone, w.batch);
                    match launched {
                        Ok(()) => *self.ensured.entry(key.clone()).or_default() += 1,
                        Err(reason) => {
                            let message = format!("the provider gave no machine: {reason}");
                            self.feed(Input::LaunchFailed { key, count: 1, reason, message: &message });
                        }
                    }
                }
                Answer::Accepted
            }
            Action::FreezeGroup { group, scale_up, scale_down } => {
                self.autoscaler.freeze(*group, *scale_up, *scale_down);
                Answer::Accepted
            }
            Action::UnfreezeGroup { group } => {
                self.autoscaler.freeze(*group, false, false);
                Answer::Accepted
            }
            Action::Check { .. } | Action::AwaitApproval { .. } => Answer::Unknown, // answered in their time
            Action::RetireNode { node } => {
                let w = self;
                match w.machines.retire(&mut ctx!(w), *node) {
                    Ok(()) => Answer::Accepted,
                    Err(reason) => Answer::refused(403, reason, "the provider refuses to end the machine"),
                }
            }
        }
    }

    /// The pod that bears the namespace and name of `pod` now: itself, or its successor under the same owner.
    fn current(&self, pod: PodIdx) -> Option<PodIdx> {
        let p = &self.state.pods[pod];
        if !p.gone {
            return Some(pod);
        }
        let name = self.state.name(&self.catalog, p.name);
        let owner = self.catalog.specs[p.spec].owner?;
        self.state.owned[owner]
            .iter()
            .copied()
            .find(|o| self.state.name(&self.catalog, self.state.pods[*o].name) == name)
    }

    /// A precondition on the uid: whoever bears the name now is another pod.
    fn other_uid_or_gone(&self, pod: PodIdx) -> Answer {
        if self.current(pod).is_some() { Answer::UidChanged } else { Answer::Gone }
    }

    /// An eviction reaches the API server. None if it is answered later: where a budget could protect the pod, the budgets are listed
    /// first, which may have to wait.
    fn evict(&mut self, id: u64, pod: PodIdx, precondition: bool, grace_ms: Option<i64>) -> Option<Answer> {
        let waiting = Waiting { pod, precondition, grace_ms };
        let lists = self.current(pod).is_some_and(|p| {
            let p = &self.state.pods[p];
            p.phase == crate::cluster::Phase::Running && p.deleting.is_none()
        });
        let at = if lists { self.evictions.list_at(self.now) } else { self.now };
        if at > self.now {
            self.evictions.wait(id, waiting);
            self.timers.schedule(at, Timer::EvictionLook(id));
            return None;
        }
        self.look(id, waiting)
    }
    /// The budgets are listed.
    fn eviction_look(&mut self, id: u64) {
        let Some(waiting) = self.evictions.listed(id) else { return };
        let answer = if self.is_away() { Some(Answer::Unknown) } else { self.look(id, waiting) };
        if let Some(answer) = answer {
            self.reply(id, answer);
        }
    }
    /// The API server looks at an eviction's pod and budget. None if it is answered later: where a budget has to be charged, its status
    /// is written first, a call of the server to itself.
    fn look(&mut self, id: u64, Waiting { pod, precondition, grace_ms }: Waiting) -> Option<Answer> {
        if precondition && self.state.pods[pod].gone {
            return Some(self.other_uid_or_gone(pod));
        }
        let Some(pod) = self.current(pod) else { return Some(Answer::Gone) };
        let verdict = disruption::verdict(&self.catalog, &self.state, self.disruption.index(), pod);
        if let Effect::Charge(budget) = verdict.effect {
            self.evictions.looked(id, pod, grace_ms, budget);
            self.timers.schedule(self.now + self.options.api_latency_ms.max(0), Timer::EvictionWrite(id));
            return None;
        }
        Some(self.evicted(pod, grace_ms, &verdict))
    }
    /// The new status of an eviction's budget arrives, if nobody else has written it since it was read.
    fn eviction_write(&mut self, id: u64) {
        let Some(pod) = self.evictions.get(id).map(|e| e.pod) else { return };
        if self.is_away() {
            self.evictions.forget(id);
            return self.reply(id, Answer::Unknown);
        }
        let name = self.state.pod_text(&self.catalog, pod);
        let answer = match self.evictions.write(id, &self.draws, &name) {
            None => return,
            Some(Write::Conflict(sleep)) => {
                return self.timers.schedule(self.now + sleep, Timer::EvictionRetry(id));
            }
            Some(Write::GivenUp(e)) => {
                let verdict = disruption::eviction::too_many_conflicts(&self.catalog, e.budget);
                self.evicted(pod, e.grace_ms, &verdict)
            }
            Some(Write::Done(e)) if self.state.pods[pod].gone => {
                disruption::eviction::charge(&self.catalog, &mut self.state, e.budget, pod, self.now);
                Answer::Gone
            }
            Some(Write::Done(e)) => {
                let verdict = Verdict::accept(Effect::Charge(e.budget));
                self.evicted(pod, e.grace_ms, &verdict)
            }
        };
        self.reply(id, answer);
    }
    /// After a conflict the API server looks at the budget again.
    fn eviction_retry(&mut self, id: u64) {
        let Some((pod, budget)) = self.evictions.get(id).map(|e| (e.pod, e.budget)) else { return };
        if self.is_away() {
            self.evictions.forget(id);
            return self.reply(id, Answer::Unknown);
        }
        let verdict = disruption::verdict_of_budget(&self.catalog, &self.state, budget);
        if verdict.is_accepted() {
            self.evictions.looked_again(id);
            return self.timers.schedule(self.now + self.options.api_latency_ms.max(0), Timer::EvictionWrite(id));
        }
        let grace_ms = self.evictions.forget(id).and_then(|e| e.grace_ms);
        let answer = self.evicted(pod, grace_ms, &verdict);
        self.reply(id, answer);
    }

    /// Carries out the verdict on an eviction, tells the trace, and words the answer.
    fn evicted(&mut self, pod: PodIdx, grace_ms: Option<i64>, verdict: &Verdict) -> Answer {
        let batch = self.state.pods[pod].node.and_then(|n| self.batch_of.get(&n).copied()).or(self.batch);
        let node = self.state.pods[pod].node;
        let may = self.disruption.allows(&self.catalog, &self.state, pod);
        if self.runner.is_none() && verdict.is_accepted() {
            self.note_grant(pod);
        }
        disruption::apply(&self.catalog, &mut self.state, pod, verdict, Request { grace_ms }, self.now);
        let cause = verdict.causes.first().map(|c| c.message.clone()).unwrap_or_default();
        let kind = if verdict.is_accepted() { EventKind::EvictionAccepted } else { EventKind::EvictionRefused };
        let mut observation = Observation::new(self.now, kind).pod(pod).node(node).batch(batch).detail(Detail {
            code: Some(verdict.code),
            reason: verdict.reason.map(str::to_owned),
            message: Some(if cause.is_empty() { verdict.message.clone().unwrap_or_default() } else { cause.clone() })
                .filter(|m| !m.is_empty()),
            ..Detail::default()
        });
        observation.budget = verdict.budget.or_else(|| self.first_budget(pod));
        self.observations.push(observation);
        if verdict.is_accepted() {
            self.checkers.evicted(self.now, &self.catalog, &self.state, pod, may);
            return Answer::Accepted;
        }
        Answer::Refused {
            code: verdict.code,
            reason: verdict.reason.unwrap_or_default().to_owned(),
            cause,
            message: verdict.message.clone().unwrap_or_default(),
            retry_after_ms: verdict.retry_after_s.map(|s| i64::from(s) * 1000),
        }
    }

    fn first_budget(&self, pod: PodIdx) -> Option<BudgetIdx> {
        self.disruption.index().budgets_of(self.state.pods[pod].spec).first().copied()
    }

    fn taint(&mut self, node: NodeIdx, taint: &crate::runner::TaintText, add: bool) -> Answer {
        use crate::cluster::{Effect, Taint};
        if self.state.nodes[node].gone {
            return Answer::Gone;
        }
        let effect = match taint.effect.as_str() {
            "PreferNoSchedule" => Effect::PreferNoSchedule,
            "NoExecute" => Effect::NoExecute,
            _ => Effect::NoSchedule,
        };
        // A key or value that the snapshot does not know is tolerated by no pod of it that names keys.
        let key = self.catalog.names.get(&taint.key).unwrap_or_else(|| self.state.make_name(&taint.key));
        let value = self.catalog.names.get(&taint.value).unwrap_or_else(|| self.state.make_name(&taint.value));
        let mut taints = self.state.nodes[node].taints.clone();
        let same =
            |t: &Taint, state: &State, catalog: &Catalog| t.effect == effect && state.name(catalog, t.key) == taint.key;
        taints.retain(|t| !same(t, &self.state, &self.catalog));
        if add {
            taints.push(Taint { key, value, effect });
        }
        self.state.set_taints(node, taints);
        Answer::Accepted
    }

    fn announce(&mut self, announcement: Announcement) {
        let now = self.now;
        let view = View { catalog: &self.catalog, state: &self.state };
        self.observations.extend(observe::announced(now, view, &announcement));
        match announcement {
            Announcement::BatchStarted { batch, nodes } => {
                self.batch = Some(batch);
                self.batch_of.extend(nodes.iter().map(|n| (*n, batch)));
            }
            Announcement::BatchFinished { batch, exit: Some(exit), .. } => {
                self.exits.insert(batch, exit);
            }
            Announcement::MigrationFinished { outcome, failure } => self.ended = Some((outcome, failure)),
            Announcement::CommandReturned { batch, exit } => {
                self.exits.insert(batch, exit);
                self.returned_ms.insert(batch, now);
            }
            Announcement::Line { batch, stream, text } => self.lines.push((batch, stream, text)),
            _ => {}
        }
    }
}

/// The changes that happened: those between a hypothesis and its rollback did not.
fn happened(changes: &[Change]) -> Vec<Change> {
    let mut kept = Vec::with_capacity(changes.len());
    let mut supposed = None;
    for change in changes {
        match change {
            Change::Supposed => supposed = Some(kept.len()),
            Change::RolledBack => kept.truncate(supposed.take().unwrap_or(kept.len())),
            Change::Kept => supposed = None,
            other => kept.push(*other),
        }
    }
    kept
}
