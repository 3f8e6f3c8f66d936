//! What autoscalers have in common that look for pending pods and empty nodes: scans, backoff, machines under way, emptiness.

use super::{Autoscaler, AutoscalerOptions};
use crate::cluster::*;
use crate::groups::{Launch, PackOptions, Packing, Shortage, Templates};
use crate::sim::ctx::Ctx;
use crate::sim::event::Timer;
use crate::sim::provider::Provider;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub mod scale_down;

/// How long a node that became Ready still counts as one that pending pods will find: the scheduler's longest backoff and a retry.
const SETTLING_MS: i64 = 15_000;

/// What a decision looks at.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// Milliseconds since the snapshot.
    pub now: i64,
    /// The cluster.
    pub view: View<'a>,
    /// What groups would make.
    pub templates: &'a Templates,
    /// Groups that may not be scaled up.
    pub frozen: Vec<GroupIdx>,
    /// Machines that were asked for and have no node yet.
    pub in_flight: Vec<Launch>,
    /// Nodes that are not Ready yet, or only just.
    pub starting: Vec<NodeIdx>,
    /// What failed lately.
    pub shortages: Vec<Shortage>,
}

impl Situation<'_> {
    /// The part of the packing's options that the situation gives. Ready nodes are left out: the scheduler has just refused them.
    pub fn pack_options(&self) -> PackOptions {
        PackOptions {
            frozen: self.frozen.clone(),
            in_flight: self.in_flight.clone(),
            starting: self.starting.clone(),
            shortages: self.shortages.clone(),
            ..PackOptions::default()
        }
    }
}

/// How one autoscaler decides, and when it looks.
pub trait Policy: Clone + fmt::Debug + Send + Sync + 'static {
    /// It looks at every tick of its scan interval while a pod waits, else when [`Policy::looks_at`] says.
    const LOOKS_AT_TICKS: bool = true;

    /// The scheduler says that it finds no node for a pod.
    fn seen(&mut self, _now: i64, _options: &AutoscalerOptions, _pod: PodIdx) {}

    /// Whether it decides at this look; `waits` tells whether a pod still waits.
    fn decides(&mut self, _now: i64, _options: &AutoscalerOptions, _waits: &dyn Fn(PodIdx) -> bool) -> bool {
        true
    }

    /// When it looks next, if not at ticks.
    fn looks_at(&self) -> Option<i64> {
        None
    }

    /// Whether a pod of this priority starts machines.
    fn starts_for(&self, options: &AutoscalerOptions, priority: i32) -> bool {
        priority >= options.priority_cutoff
    }

    /// What to launch for pending pods.
    fn decide(
        &self,
        situation: &Situation<'_>,
        options: &AutoscalerOptions,
        last_activity: Option<i64>,
        pending: &[PodIdx],
    ) -> Packing;
}

/// An autoscaler that scans, with a policy of its own.
#[derive(Clone, Debug)]
pub struct Scans<P> {
    policy: P,
    pub(super) options: Arc<AutoscalerOptions>,
    frozen_up: BTreeSet<GroupIdx>,
    /// Groups that it never grows, whatever is frozen and unfrozen meanwhile.
    never_up: BTreeSet<GroupIdx>,
    frozen_down: BTreeSet<GroupIdx>,
    /// The scan that is asked for.
    pub(super) next_scan: Option<i64>,
    last_activity: Option<i64>,
    /// Pods that the scheduler found no node for, until a scan sees that they have one or are gone.
    waiting: BTreeSet<PodIdx>,
    /// Since when nodes of groups are empty.
    empty_since: BTreeMap<NodeIdx, i64>,
    /// Nodes launched during the run, with the moment they became Ready.
    young: BTreeMap<NodeIdx, Option<i64>>,
    /// What failed, and until when it is not tried.
    backoff: Vec<(Shortage, i64)>,
    /// How many scans launched machines while a pod waited, and when the last of them was; looked up only.
    tries: FxHashMap<PodIdx, (u32, i64)>,
}

impl<P: Policy> Autoscaler for Scans<P> {
    fn begin(&mut self, ctx: &mut Ctx<'_>, provider: &Provider) {
        let nodes: Vec<NodeIdx> = ctx.state.live_nodes().collect();
        nodes.into_iter().for_each(|n| self.watch_emptiness(ctx, provider, n));
        let pending: Vec<PodIdx> = ctx.state.live_pods().filter(|p| ctx.state.pods[*p].unschedulable).collect();
        pending.into_iter().for_each(|p| self.unschedulable(ctx, p));
    }

    fn on_change(&mut self, ctx: &mut Ctx<'_>, provider: &Provider, change: Change) {
        match change {
            Change::Node(node, NodeChange::Added) => {
                self.young.insert(node, None);
                self.watch_emptiness(ctx, provider, node);
            }
            Change::Node(node, NodeChange::Ready) if ctx.state.nodes[node].ready => {
                if let Some(since) = self.young.get_mut(&node) {
                    *since = Some(ctx.now);
                }
            }
            Change::Node(node, NodeChange::Removed) => {
                self.young.remove(&node);
                self.empty_since.remove(&node);
            }
            Change::Pod(pod, PodChange::Unschedulable) if ctx.state.pods[pod].unschedulable => {
                self.unschedulable(ctx, pod)
            }
            Change::Pod(pod, PodChange::Bound | PodChange::Removed | PodChange::Phase(_)) => {
                if let Some(node) = ctx.state.pods[pod].node {
                    self.watch_emptiness(ctx, provider, node);
                }
            }
            Change::Pod(_, PodChange::Unbound(node)) => self.watch_emptiness(ctx, provider, node),
            _ => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Ctx<'_>, provider: &mut Provider, timer: Timer) {
        if timer != Timer::Autoscaler || self.next_scan.is_none_or(|at| ctx.now < at) {
            return;
        }
        self.next_scan = None;
        self.backoff.retain(|(_, until)| ctx.now < *until);
        self.waiting.retain(|p| ctx.state.pods[*p].unschedulable && !ctx.state.pods[*p].gone);
        self.give_up_slow_machines(ctx, provider);
        let pods = &ctx.state.pods;
        let waits = |p: PodIdx| pods[p].unschedulable && pods[p].node.is_none() && !pods[p].gone;
        let decides = self.policy.decides(ctx.now, &self.options, &waits);
        let pending = if decides { self.pending(ctx) } else { Vec::new() };
        self.scale_up(ctx, provider, &pending);
        self.scale_down(ctx, provider);
        if !P::LOOKS_AT_TICKS {
            self.scan_at_its_time(ctx);
        } else if pending.is_empty() {
            self.scan_after_rest(ctx);
        } else {
            self.scan_at_next_tick(ctx);
        }
    }

    fn freeze(&mut self, group: GroupIdx, scale_up: bool, scale_down: bool) {
        set(&mut self.frozen_up, group, scale_up);
        set(&mut self.frozen_down, group, scale_down);
    }

    fn never_grow(&mut self, groups: &[GroupIdx]) {
        self.never_up.extend(groups.iter().copied());
    }

    fn boxed(&self) -> Box<dyn Autoscaler> {
        Box::new(self.clone())
    }
}

impl<P: Policy> Scans<P> {
    /// One that has seen nothing yet.
    pub fn new(policy: P, options: Arc<AutoscalerOptions>) -> Scans<P> {
        Scans {
            policy,
            options,
            frozen_up: BTreeSet::new(),
            never_up: BTreeSet::new(),
            frozen_down: BTreeSet::new(),
            next_scan: None,
            last_activity: None,
            waiting: BTreeSet::new(),
            empty_since: BTreeMap::new(),
            young: BTreeMap::new(),
            backoff: Vec::new(),
            tries: FxHashMap::default(),
        }
    }

    /// The scheduler finds no node for a pod.
    fn unschedulable(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        self.waiting.insert(pod);
        self.policy.seen(ctx.now, &self.options, pod);
        if P::LOOKS_AT_TICKS {
            self.scan_at_next_tick(ctx);
        } else {
            self.scan_at_its_time(ctx);
        }
    }

    /// Pods that a machine is to be started for.
    fn pending(&self, ctx: &Ctx<'_>) -> Vec<PodIdx> {
        let waits = |p: &PodIdx| {
            let pod = &ctx.state.pods[*p];
            let shape = ctx.catalog.shape(pod.spec);
            pod.unschedulable
                && !pod.gone
                && pod.node.is_none()
                && pod.nominated.is_none()
                && pod.deleting.is_none()
                && !shape.gated
                && self.policy.starts_for(&self.options, shape.priority)
        };
        let rests = |p: &PodIdx| self.rests_until(*p).is_some_and(|until| until > ctx.now);
        self.waiting.iter().copied().filter(|p| waits(p) && !rests(p)).collect()
    }

    /// Until when a pod starts no machines, because many were started for it in vain.
    fn rests_until(&self, pod: PodIdx) -> Option<i64> {
        let (tries, last) = *self.tries.get(&pod)?;
        (tries >= self.options.launches_per_pod).then_some(last + self.options.backoff_ms)
    }

    /// Asks for a scan when the first of the resting pods may start machines again.
    fn scan_after_rest(&mut self, ctx: &mut Ctx<'_>) {
        let waits = |p: &&PodIdx| ctx.state.pods[**p].unschedulable && ctx.state.pods[**p].node.is_none();
        let waiting = self.waiting.iter().filter(waits);
        let rested = waiting.filter_map(|p| self.rests_until(*p)).filter(|at| *at > ctx.now).min();
        if let Some(at) = rested {
            self.scan(ctx, self.tick_at_or_after(at));
        }
    }

    fn situation<'a>(&'a self, ctx: &'a Ctx<'_>, provider: &'a Provider) -> Situation<'a> {
        let mut in_flight: BTreeMap<(GroupIdx, MachineIdx, Option<Sym>), u32> = BTreeMap::new();
        for request in provider.machines.unregistered() {
            *in_flight.entry((request.group, request.machine, request.zone)).or_default() += 1;
        }
        let settles = |since: &Option<i64>, node: NodeIdx| match since {
            Some(ready) => ctx.now - ready < SETTLING_MS,
            None => ctx.now - ctx.state.nodes[node].created < self.options.max_provision_ms,
        };
        Situation {
            now: ctx.now,
            view: View { catalog: ctx.catalog, state: ctx.state },
            templates: provider.templates(),
            frozen: self.frozen_up.union(&self.never_up).copied().collect(),
            in_flight: in_flight
                .into_iter()
                .map(|((group, machine, zone), count)| Launch { group, machine, zone, count })
                .collect(),
            starting: self.young.iter().filter(|(n, since)| settles(since, **n)).map(|(n, _)| *n).collect(),
            shortages: self.backoff.iter().map(|b| b.0).collect(),
        }
    }

    fn scale_up(&mut self, ctx: &mut Ctx<'_>, provider: &mut Provider, pending: &[PodIdx]) {
        if pending.is_empty() {
            return;
        }
        let situation = self.situation(ctx, provider);
        let decided = self.policy.decide(&situation, &self.options, self.last_activity, pending);
        if decided.launches.is_empty() {
            return;
        }
        self.last_activity = Some(ctx.now);
        let without: BTreeSet<PodIdx> = decided.unhosted.iter().flat_map(|u| u.pods.iter().copied()).collect();
        for pod in pending.iter().filter(|p| !without.contains(p)) {
            let rested = self.rests_until(*pod).is_some();
            let (tries, last) = self.tries.entry(*pod).or_default();
            (*tries, *last) = (if rested { 1 } else { *tries + 1 }, ctx.now);
        }
        for launch in decided.launches {
            let Some(template) = provider.templates().find(launch.group, launch.machine, launch.zone).cloned() else {
                continue;
            };
            for _ in 0..launch.count {
                if provider.launch_template(ctx, &template, None).is_err() {
                    let shortage =
                        Shortage { group: Some(launch.group), machine: Some(launch.machine), zone: launch.zone };
                    self.backoff.push((shortage, ctx.now + self.options.backoff_ms));
                    break;
                }
            }
        }
    }

    /// Machines that registered but never became Ready are ended; what they were for is launched anew.
    fn give_up_slow_machines(&mut self, ctx: &mut Ctx<'_>, provider: &mut Provider) {
        let late: Vec<NodeIdx> = self
            .young
            .iter()
            .filter(|(n, since)| {
                since.is_none() && ctx.now - ctx.state.nodes[**n].created >= self.options.max_provision_ms
            })
            .map(|(n, _)| *n)
            .collect();
        for node in late {
            if !ctx.state.nodes[node].ready {
                // A provider that refuses is asked again at the next scan.
                let _ = provider.machines.retire(ctx, node);
            }
        }
    }

    fn scale_down(&mut self, ctx: &mut Ctx<'_>, provider: &mut Provider) {
        if !self.options.scale_down {
            return;
        }
        let quiet = provider.last_launch_ms().is_none_or(|added| ctx.now - added >= self.options.delay_after_add_ms);
        if quiet {
            let frozen: Vec<GroupIdx> = self.frozen_down.iter().copied().collect();
            let view = View { catalog: ctx.catalog, state: ctx.state };
            let nodes = scale_down::removable(view, &self.options, &frozen, &self.empty_since, ctx.now);
            for node in nodes {
                if provider.machines.is_retiring(node) {
                    self.empty_since.remove(&node);
                } else if provider.machines.retire(ctx, node).is_ok() {
                    self.empty_since.remove(&node);
                    self.last_activity = Some(ctx.now);
                }
            }
        }
        self.scan_for_emptiness(ctx, provider);
    }

    /// Notes whether a node of a group is empty, and asks for the scan at which it may go.
    fn watch_emptiness(&mut self, ctx: &mut Ctx<'_>, provider: &Provider, node: NodeIdx) {
        if !self.options.scale_down || ctx.state.nodes[node].group.is_none() {
            return;
        }
        let empty =
            !ctx.state.nodes[node].gone && scale_down::is_empty(View { catalog: ctx.catalog, state: ctx.state }, node);
        match (empty, self.empty_since.contains_key(&node)) {
            (true, false) => {
                self.empty_since.insert(node, ctx.now);
                self.scan_for_emptiness(ctx, provider);
            }
            (false, true) => {
                self.empty_since.remove(&node);
            }
            _ => {}
        }
    }

    /// Asks for a scan when the next empty node may go; one that could have gone but may not is looked at again after as long.
    fn scan_for_emptiness(&mut self, ctx: &mut Ctx<'_>, provider: &Provider) {
        let wait = self.options.unneeded_ms;
        let added = provider.last_launch_ms().map_or(i64::MIN, |a| a + self.options.delay_after_add_ms);
        let later = ctx.now + wait.max(self.options.scan_interval_ms);
        let due = self
            .empty_since
            .values()
            .map(|since| (since + wait).max(added))
            .map(|at| if at > ctx.now { at } else { later })
            .min();
        if let Some(at) = due {
            self.scan(ctx, self.tick_at_or_after(at));
        }
    }

    fn tick_at_or_after(&self, at: i64) -> i64 {
        let interval = self.options.scan_interval_ms.max(1);
        (at.max(0) + interval - 1) / interval * interval
    }

    /// Scans are on a fixed grid from the run's start.
    fn scan_at_next_tick(&mut self, ctx: &mut Ctx<'_>) {
        self.scan(ctx, self.tick_at_or_after(ctx.now + 1));
    }

    /// Asks for a scan at the moment that the policy names.
    fn scan_at_its_time(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(at) = self.policy.looks_at() {
            self.scan(ctx, at);
        }
    }

    fn scan(&mut self, ctx: &mut Ctx<'_>, at: i64) {
        if self.next_scan.is_none_or(|next| at < next) {
            self.next_scan = Some(at);
            ctx.timers.schedule(at, Timer::Autoscaler);
        }
    }
}

fn set(groups: &mut BTreeSet<GroupIdx>, group: GroupIdx, on: bool) {
    if on {
        groups.insert(group);
    } else {
        groups.remove(&group);
    }
}
