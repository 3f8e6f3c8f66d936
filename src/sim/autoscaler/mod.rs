//! Autoscalers beside a migration: what pending pods make them launch, which empty nodes they end.
//!
//! The decisions are pure functions, a file each ([`none`], [`ocean`], [`reactive`], [`scale_down`]); [`Autoscaler`] is the actor
//! around them: scans, cooldowns, backoff, machines under way. It also carries out the launches that a procedure asks for.

mod batching;
pub mod none;
pub mod ocean;
mod options;
pub mod reactive;
pub mod scale_down;

pub use options::{AutoscalerKind, AutoscalerOptions};

use super::ctx::Ctx;
use super::event::Timer;
use super::machines::{LaunchRequest, Machines};
use crate::cluster::*;
use crate::groups::{Launch, PackOptions, Packing, Shortage, Template, Templates, limits};
use batching::Batching;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

/// The autoscaler of one run.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    options: Arc<AutoscalerOptions>,
    templates: Arc<Templates>,
    frozen_up: BTreeSet<GroupIdx>,
    frozen_down: BTreeSet<GroupIdx>,
    /// The scan that is asked for.
    next_scan: Option<i64>,
    /// Karpenter's batching, which takes the place of scans there.
    batching: Batching,
    last_activity: Option<i64>,
    last_added: Option<i64>,
    /// Since when nodes of groups are empty.
    empty_since: BTreeMap<NodeIdx, i64>,
    /// Nodes launched during the run, with the moment they became Ready.
    young: BTreeMap<NodeIdx, Option<i64>>,
    /// What failed, and until when it is not tried.
    backoff: Vec<(Shortage, i64)>,
    /// How many machines were started for a pod; looked up only.
    /// How many scans launched machines while a pod waited, and when the last of them was.
    tries: FxHashMap<PodIdx, (u32, i64)>,
}

impl Autoscaler {
    /// An autoscaler over what the groups would make; `frozen_up` are groups it may not grow.
    pub fn new(templates: Arc<Templates>, options: Arc<AutoscalerOptions>, frozen_up: &[GroupIdx]) -> Autoscaler {
        Autoscaler {
            options,
            templates,
            frozen_up: frozen_up.iter().copied().collect(),
            frozen_down: BTreeSet::new(),
            next_scan: None,
            batching: Batching::default(),
            last_activity: None,
            last_added: None,
            empty_since: BTreeMap::new(),
            young: BTreeMap::new(),
            backoff: Vec::new(),
            tries: FxHashMap::default(),
        }
    }
    /// Keeps hands off a group, or takes that back.
    pub fn freeze(&mut self, group: GroupIdx, scale_up: bool, scale_down: bool) {
        set(&mut self.frozen_up, group, scale_up);
        set(&mut self.frozen_down, group, scale_down);
    }
    /// The run begins: pods that are pending already and nodes that are empty already are seen at the first scan.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>) {
        if self.options.kind == AutoscalerKind::None {
            return;
        }
        let nodes: Vec<NodeIdx> = ctx.state.live_nodes().collect();
        nodes.into_iter().for_each(|n| self.watch_emptiness(ctx, n));
        let pending: Vec<PodIdx> = ctx.state.live_pods().filter(|p| ctx.state.pods[*p].unschedulable).collect();
        pending.into_iter().for_each(|p| self.unschedulable(ctx, p));
    }
    /// The scheduler finds no node for a pod.
    fn unschedulable(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        if self.options.kind != AutoscalerKind::Karpenter {
            return self.scan_at_next_tick(ctx);
        }
        self.batching.seen(ctx.now, &self.options, pod);
        self.scan_at_batch(ctx);
    }
    /// Something changed.
    pub fn on_change(&mut self, ctx: &mut Ctx<'_>, change: Change) {
        match change {
            Change::Node(node, NodeChange::Added) => {
                self.young.insert(node, None);
                self.watch_emptiness(ctx, node);
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
                    self.watch_emptiness(ctx, node);
                }
            }
            Change::Pod(_, PodChange::Unbound(node)) => self.watch_emptiness(ctx, node),
            _ => {}
        }
    }
    /// A scan is due.
    pub fn on_timer(&mut self, ctx: &mut Ctx<'_>, machines: &mut Machines, timer: Timer) {
        if timer != Timer::Autoscaler
            || self.options.kind == AutoscalerKind::None
            || self.next_scan.is_none_or(|at| ctx.now < at)
        {
            return;
        }
        self.next_scan = None;
        self.backoff.retain(|(_, until)| ctx.now < *until);
        self.give_up_slow_machines(ctx, machines);
        let batched = self.options.kind == AutoscalerKind::Karpenter;
        let decides = !batched || {
            let pods = &ctx.state.pods;
            let waits = |p: PodIdx| pods[p].unschedulable && pods[p].node.is_none() && !pods[p].gone;
            self.batching.ends(ctx.now, &self.options, waits)
        };
        let pending = if decides { self.pending(ctx) } else { Vec::new() };
        self.scale_up(ctx, machines, &pending);
        self.scale_down(ctx, machines);
        if batched {
            self.scan_at_batch(ctx);
        } else if pending.is_empty() {
            self.scan_after_rest(ctx);
        } else {
            self.scan_at_next_tick(ctx);
        }
    }

    /// Launches one machine of a group for a procedure: the type and zone asked for, else the group's choice. When that has no
    /// capacity, others of the group that are no smaller (in the same zone, if one was asked for) are tried. Err is the last refusal.
    pub fn launch(
        &mut self,
        ctx: &mut Ctx<'_>,
        machines: &mut Machines,
        group: GroupIdx,
        machine: Option<MachineIdx>,
        zone: Option<Sym>,
        batch: Option<u32>,
    ) -> Result<(), &'static str> {
        if ctx.catalog.groups.get(group).is_none() {
            return Err("NoSuchGroup");
        }
        let options = self.ways(ctx, machines, group, machine, zone);
        if options.is_empty() {
            return Err("NoMachineType");
        }
        let mut refusal = "GroupFull";
        for template in options.into_iter().take(1 + self.options.fallbacks as usize) {
            match self.launch_one(ctx, machines, &template, batch) {
                Ok(()) => return Ok(()),
                // A full group or an absent provider is the same for every type.
                Err(reason @ ("GroupFull" | "ProviderUnavailable")) => return Err(reason),
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }

    /// Templates that serve a request, the one asked for first; zones with the fewest nodes of the group first.
    fn ways(
        &self,
        ctx: &Ctx<'_>,
        machines: &Machines,
        group: GroupIdx,
        machine: Option<MachineIdx>,
        zone: Option<Sym>,
    ) -> Vec<Template> {
        let mut ways: Vec<&Template> =
            self.templates.of(group).iter().filter(|t| zone.is_none() || t.zone == zone).collect();
        let wanted =
            machine.and_then(|m| ways.iter().find(|t| t.machine == m).map(|t| (t.allocatable.clone(), t.pod_slots)));
        let in_zone = |zone: Option<Sym>| {
            let of_group = |n: &NodeIdx| {
                let node = &ctx.state.nodes[*n];
                node.group == Some(group) && node.spec.labels.get(ctx.catalog.known.zone) == zone
            };
            ctx.state.live_nodes().filter(of_group).count()
                + machines.unregistered().filter(|r| r.group == group && r.zone == zone).count()
        };
        if let (Some(machine), Some((least, slots))) = (machine, wanted) {
            ways.retain(|t| t.pod_slots >= slots && t.allocatable.iter().zip(&least).all(|(a, b)| a >= b));
            ways.sort_by_cached_key(|t| (t.machine != machine, in_zone(t.zone)));
        } else if machine.is_some() {
            return Vec::new();
        } else {
            let order = |t: &Template| ctx.catalog.groups[group].machines.iter().position(|m| *m == t.machine);
            ways.sort_by_cached_key(|t| (order(t), in_zone(t.zone)));
        }
        ways.into_iter().cloned().collect()
    }

    fn launch_one(
        &mut self,
        ctx: &mut Ctx<'_>,
        machines: &mut Machines,
        template: &Template,
        batch: Option<u32>,
    ) -> Result<(), &'static str> {
        let group = &ctx.catalog.groups[template.group];
        let mut used = limits::usage(View { catalog: ctx.catalog, state: ctx.state })[template.group].clone();
        for request in machines.unregistered().filter(|r| r.group == template.group) {
            if let Some(t) = self.templates.find(request.group, request.machine, request.zone) {
                used.add(t, 1);
            }
        }
        if limits::room(group, &used, template) == 0 {
            return Err("GroupFull");
        }
        let request = LaunchRequest {
            group: template.group,
            machine: template.machine,
            zone: template.zone,
            batch,
            template: self.templates.node_spec(template),
        };
        machines.launch(ctx, request)?;
        self.last_added = Some(ctx.now);
        Ok(())
    }

    /// Pods that a machine is to be started for.
    fn pending(&self, ctx: &Ctx<'_>) -> Vec<PodIdx> {
        let waits = |p: &PodIdx| {
            let pod = &ctx.state.pods[*p];
            let shape = ctx.catalog.shape(pod.spec);
            pod.unschedulable
                && pod.node.is_none()
                && pod.nominated.is_none()
                && pod.deleting.is_none()
                && !shape.gated
                && (shape.priority >= self.options.priority_cutoff || self.options.kind == AutoscalerKind::Karpenter)
        };
        ctx.state
            .live_pods()
            .filter(waits)
            .filter(|p| self.rests_until(*p).is_none_or(|until| until <= ctx.now))
            .collect()
    }

    /// Until when a pod starts no machines, because many were started for it in vain.
    fn rests_until(&self, pod: PodIdx) -> Option<i64> {
        let (tries, last) = *self.tries.get(&pod)?;
        (tries >= self.options.launches_per_pod).then_some(last + self.options.backoff_ms)
    }

    /// Asks for a scan when the first of the resting pods may start machines again.
    fn scan_after_rest(&mut self, ctx: &mut Ctx<'_>) {
        let waits = |p: &PodIdx| ctx.state.pods[*p].unschedulable && ctx.state.pods[*p].node.is_none();
        let rested =
            ctx.state.live_pods().filter(waits).filter_map(|p| self.rests_until(p)).filter(|at| *at > ctx.now).min();
        if let Some(at) = rested {
            self.scan(ctx, self.tick_at_or_after(at));
        }
    }

    fn situation<'a>(&'a self, ctx: &'a Ctx<'_>, machines: &Machines) -> Situation<'a> {
        let mut in_flight: BTreeMap<(GroupIdx, MachineIdx, Option<Sym>), u32> = BTreeMap::new();
        for request in machines.unregistered() {
            *in_flight.entry((request.group, request.machine, request.zone)).or_default() += 1;
        }
        let settles = |since: &Option<i64>, node: NodeIdx| match since {
            Some(ready) => ctx.now - ready < SETTLING_MS,
            None => ctx.now - ctx.state.nodes[node].created < self.options.max_provision_ms,
        };
        Situation {
            now: ctx.now,
            view: View { catalog: ctx.catalog, state: ctx.state },
            templates: &self.templates,
            frozen: self.frozen_up.iter().copied().collect(),
            in_flight: in_flight
                .into_iter()
                .map(|((group, machine, zone), count)| Launch { group, machine, zone, count })
                .collect(),
            starting: self.young.iter().filter(|(n, since)| settles(since, **n)).map(|(n, _)| *n).collect(),
            shortages: self.backoff.iter().map(|b| b.0).collect(),
        }
    }

    fn scale_up(&mut self, ctx: &mut Ctx<'_>, machines: &mut Machines, pending: &[PodIdx]) {
        if pending.is_empty() {
            return;
        }
        let situation = self.situation(ctx, machines);
        let decided: Packing = match self.options.kind {
            AutoscalerKind::None => none::decide(),
            AutoscalerKind::Ocean => ocean::decide(&situation, &self.options, self.last_activity, pending),
            AutoscalerKind::Reactive | AutoscalerKind::Karpenter => {
                reactive::decide(&situation, &self.options, pending)
            }
        };
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
            let Some(template) = self.templates.find(launch.group, launch.machine, launch.zone).cloned() else {
                continue;
            };
            for _ in 0..launch.count {
                if self.launch_one(ctx, machines, &template, None).is_err() {
                    let shortage =
                        Shortage { group: Some(launch.group), machine: Some(launch.machine), zone: launch.zone };
                    self.backoff.push((shortage, ctx.now + self.options.backoff_ms));
                    break;
                }
            }
        }
    }

    /// Machines that registered but never became Ready are ended; what they were for is launched anew.
    fn give_up_slow_machines(&mut self, ctx: &mut Ctx<'_>, machines: &mut Machines) {
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
                let _ = machines.retire(ctx, node);
            }
        }
    }

    fn scale_down(&mut self, ctx: &mut Ctx<'_>, machines: &mut Machines) {
        if !self.options.scale_down {
            return;
        }
        let quiet = self.last_added.is_none_or(|added| ctx.now - added >= self.options.delay_after_add_ms);
        if quiet {
            let frozen: Vec<GroupIdx> = self.frozen_down.iter().copied().collect();
            let view = View { catalog: ctx.catalog, state: ctx.state };
            let nodes = scale_down::removable(view, &self.options, &frozen, &self.empty_since, ctx.now);
            for node in nodes {
                if machines.is_retiring(node) {
                    self.empty_since.remove(&node);
                } else if machines.retire(ctx, node).is_ok() {
                    self.empty_since.remove(&node);
                    self.last_activity = Some(ctx.now);
                }
            }
        }
        self.scan_for_emptiness(ctx);
    }

    /// Notes whether a node of a group is empty, and asks for the scan at which it may go.
    fn watch_emptiness(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        if self.options.kind == AutoscalerKind::None
            || !self.options.scale_down
            || ctx.state.nodes[node].group.is_none()
        {
            return;
        }
        let empty =
            !ctx.state.nodes[node].gone && scale_down::is_empty(View { catalog: ctx.catalog, state: ctx.state }, node);
        match (empty, self.empty_since.contains_key(&node)) {
            (true, false) => {
                self.empty_since.insert(node, ctx.now);
                self.scan_for_emptiness(ctx);
            }
            (false, true) => {
                self.empty_since.remove(&node);
            }
            _ => {}
        }
    }

    /// Asks for a scan when the next empty node may go; one that could have gone but may not is looked at again after as long.
    fn scan_for_emptiness(&mut self, ctx: &mut Ctx<'_>) {
        let wait = self.options.unneeded_ms;
        let added = self.last_added.map_or(i64::MIN, |a| a + self.options.delay_after_add_ms);
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
        if self.options.kind != AutoscalerKind::None {
            self.scan(ctx, self.tick_at_or_after(ctx.now + 1));
        }
    }
    /// Karpenter looks when its window ends.
    fn scan_at_batch(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(at) = self.batching.next() {
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

#[cfg(test)]
mod tests;
