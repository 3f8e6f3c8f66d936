//! Machines: from the request to the Ready node, and from the retirement to the end of the object.

use crate::cluster::{Effect, GroupIdx, Idx, MachineIdx, NodeChange, NodeIdx, NodeSpec, Sym, Taint};
use crate::sim::ctx::Ctx;
use crate::sim::event::Timer;
use crate::sim::faults::{Component, MachineAt};
use crate::trace::{Detail, EventKind, Observation, witness};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node that is registered again is Ready so long after.
const READY_AGAIN_MS: i64 = 1_000;

/// A machine that somebody asks for.
#[derive(Clone, Debug)]
pub struct LaunchRequest {
    /// Group.
    pub group: GroupIdx,
    /// Machine type.
    pub machine: MachineIdx,
    /// Zone, if the group has zones.
    pub zone: Option<Sym>,
    /// Batch it is launched for.
    pub batch: Option<u32>,
    /// What its node offers, all but name, hostname and uid (`groups::template`).
    pub template: NodeSpec,
}

#[derive(Clone, Debug)]
struct Launch {
    request: LaunchRequest,
    key: String,
    ready_at: i64,
    never_ready: bool,
    done: bool,
}

/// The provider's side: machines under way, machines being ended.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    launches: Vec<Launch>,
    /// Those that have no Node object yet, in the order in which they were asked for.
    unregistered: BTreeSet<u32>,
    /// The launch of each node that was launched.
    of_node: BTreeMap<NodeIdx, u32>,
    per_group: BTreeMap<GroupIdx, u32>,
    granted: BTreeMap<usize, u32>,
    retiring: BTreeSet<NodeIdx>,
    /// Nodes whose machines are being reimaged, and when what takes their place is Ready.
    reimaging: BTreeMap<NodeIdx, i64>,
}

impl Machines {
    /// Asks the provider for a machine. Err says why it refuses (a fault of the scenario, an outage, a full group).
    pub fn launch(&mut self, ctx: &mut Ctx<'_>, request: LaunchRequest) -> Result<(), &'static str> {
        let group = &ctx.catalog.groups[request.group];
        let nth = self.per_group.entry(request.group).or_default();
        *nth += 1;
        let key = format!("{}-new-{:03}", ctx.catalog.text(group.name), nth);
        let at = MachineAt {
            group: request.group,
            zone: request.zone.map(|z| ctx.catalog.text(z)),
            machine_type: ctx.catalog.text(ctx.catalog.machines[request.machine].name),
        };
        let observed = |kind| Observation::new(ctx.now, kind).group(request.group).batch(request.batch);
        let machine_type = Some(at.machine_type.to_owned());
        ctx.events.push(observed(EventKind::NodeLaunchRequested).detail(Detail {
            machine_type: machine_type.clone(),
            message: Some(key.clone()),
            ..Detail::default()
        }));
        let problem = if ctx.faults.outage(Component::Autoscaler, ctx.now).is_some() {
            Some("ProviderUnavailable")
        } else {
            ctx.faults.launch_problem(ctx.catalog, ctx.draws, ctx.now, at, &key, |i| {
                self.granted.get(&i).copied().unwrap_or(0)
            })
        };
        if let Some(reason) = problem {
            ctx.events.push(observed(EventKind::NodeLaunchFailed).detail(Detail {
                reason: Some(reason.to_owned()),
                machine_type,
                message: Some(key),
                ..Detail::default()
            }));
            return Err(reason);
        }
        for shortage in ctx.faults.shortages(ctx.catalog, ctx.now, at) {
            *self.granted.entry(shortage).or_default() += 1;
        }
        let (registered, ready) = ctx.delays.launch_ms(ctx.catalog, ctx.draws, request.group, &key);
        let (extra, never_ready) = ctx.faults.slowness(ctx.catalog, ctx.draws, ctx.now, at, &key);
        let n = self.launches.len() as u32;
        ctx.timers.schedule(ctx.now + registered + extra, Timer::Launch(n));
        self.launches.push(Launch { request, key, ready_at: ctx.now + ready + extra, never_ready, done: false });
        self.unregistered.insert(n);
        Ok(())
    }

    /// Machines that were started so far, whatever became of them.
    pub fn started(&self) -> u32 {
        self.launches.len() as u32
    }
    /// Machines of a group that were asked for and are not Ready yet.
    pub fn under_way(&self, group: GroupIdx) -> u32 {
        self.launches.iter().filter(|l| !l.done && l.request.group == group).count() as u32
    }
    /// Machines under way that have no Node object yet, with what they will offer.
    pub fn unregistered(&self) -> impl Iterator<Item = &LaunchRequest> {
        self.unregistered.iter().map(|n| &self.launches[*n as usize].request)
    }

    /// A machine registers: its Node object appears, not Ready.
    pub fn register(&mut self, ctx: &mut Ctx<'_>, nth: u32) {
        let Some(launch) = self.launches.get_mut(nth as usize) else {
            return;
        };
        let mut spec = launch.request.template.clone();
        let name = ctx.state.make_name(&launch.key);
        spec.name = name;
        spec.uid = ctx.state.make_name(&format!("sim-node-{}", ctx.state.nodes.len()));
        spec.created = ctx.now;
        spec.labels.set(ctx.catalog.known.hostname, name);
        crate::groups::template::name_labels(&mut spec.labels, name);
        // admission plugin nodetaint: a node is born with not-ready:NoSchedule (docs/reference/kubernetes.md#controllers-and-nodes).
        spec.taints.push(Taint {
            key: ctx.catalog.known.not_ready_taint,
            value: ctx.catalog.known.empty,
            effect: Effect::NoSchedule,
        });
        let node = ctx.state.add_node(Arc::new(spec), Some(launch.request.group), false, ctx.now);
        self.unregistered.remove(&nth);
        self.of_node.insert(node, nth);
        let seen = witness::node(ctx.now, node, &ctx.state.nodes[node], NodeChange::Added);
        ctx.events.extend(seen.map(|seen| seen.batch(launch.request.batch)));
        if launch.never_ready {
            return;
        }
        ctx.timers.schedule(launch.ready_at.max(ctx.now), Timer::NodeReady(node));
    }

    /// A node's object is deleted, and another one is registered under its name after so long; its pods are lost.
    pub fn register_again(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx, after_ms: i64) {
        self.deleted(ctx, node);
        ctx.after(after_ms, Timer::RegisterAgain(node));
    }
    /// A node that was deleted is registered again, as another object of another machine (a group has made its machine anew,
    /// with the name that it had): schedulable, and Ready soon after.
    pub fn registered_again(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        let before = &ctx.state.nodes[node];
        let (mut spec, group) = ((*before.spec).clone(), before.group);
        spec.uid = ctx.state.make_name(&format!("sim-node-{}", ctx.state.nodes.len()));
        spec.created = ctx.now;
        let machine = format!("simulated:///{}/{}", ctx.state.name(ctx.catalog, spec.name), ctx.state.nodes.len());
        spec.provider_id = Some(ctx.state.make_name(&machine));
        let known = ctx.catalog.known;
        spec.taints.retain(|t| t.key != known.unschedulable_taint && t.key != known.unreachable_taint);
        spec.taints.push(Taint { key: known.not_ready_taint, value: known.empty, effect: Effect::NoSchedule });
        let again = ctx.state.add_node(Arc::new(spec), group, false, ctx.now);
        ctx.events.extend(witness::node(ctx.now, again, &ctx.state.nodes[again], NodeChange::Added));
        let ready = self.reimaging.remove(&node).unwrap_or(ctx.now + READY_AGAIN_MS);
        ctx.timers.schedule(ready.max(ctx.now), Timer::NodeReady(again));
    }

    /// Has a machine reimaged in place: its Node object goes at once, and another one is registered under its name as after a launch,
    /// which takes as long (C). Err says why the provider refuses.
    pub fn reimage(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) -> Result<(), &'static str> {
        if ctx.state.nodes[node].gone || self.reimaging.contains_key(&node) {
            return Ok(());
        }
        if ctx.faults.outage(Component::Autoscaler, ctx.now).is_some() {
            return Err("ProviderUnavailable");
        }
        let key = format!("{}-reimage", ctx.node_key(node));
        let group = ctx.state.nodes[node].group;
        let (registered, ready) = ctx.delays.boot_ms(ctx.catalog, ctx.draws, group, &key);
        self.reimaging.insert(node, ctx.now + ready);
        self.register_again(ctx, node, registered);
        Ok(())
    }

    /// A launched node becomes Ready; the node controller takes its taint away.
    pub fn ready(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        if ctx.state.nodes[node].gone {
            return;
        }
        self.is_done(node);
        let key = ctx.catalog.known.not_ready_taint;
        let taints = ctx.state.nodes[node].taints.iter().copied().filter(|t| t.key != key).collect();
        ctx.state.set_node_ready(node, true);
        ctx.state.set_taints(node, taints);
    }

    /// The machine of a node is not under way any more.
    fn is_done(&mut self, node: NodeIdx) {
        if let Some(nth) = self.of_node.get(&node) {
            self.launches[*nth as usize].done = true;
        }
    }

    /// Gives a machine back. Err says why the provider refuses.
    pub fn retire(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) -> Result<(), &'static str> {
        if ctx.state.nodes[node].gone || self.retiring.contains(&node) {
            return Ok(());
        }
        if ctx.faults.outage(Component::Autoscaler, ctx.now).is_some() {
            return Err("ProviderUnavailable");
        }
        if ctx.faults.deletion_refused(ctx.catalog, ctx.state, ctx.now, node) {
            return Err("DeletionRefused");
        }
        self.retiring.insert(node);
        let delay = ctx.delays.retire_ms(ctx.draws, &ctx.node_key(node));
        ctx.after(delay, Timer::NodeDeleted(node));
        Ok(())
    }

    /// Whether a machine is being ended.
    pub fn is_retiring(&self, node: NodeIdx) -> bool {
        self.retiring.contains(&node)
    }

    /// A retired machine is gone, and with it its Node object and what still ran there.
    pub fn deleted(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        self.retiring.remove(&node);
        if ctx.state.nodes[node].gone {
            return;
        }
        self.is_done(node);
        // The cloud's node controller deletes the object; its pods go with the machine, the garbage collector
        // removes their objects. Static pods' mirrors and DaemonSet pods go at once with their node.
        ctx.state.remove_node(node);
        debug_assert!(node.at() < ctx.state.nodes.len());
    }
}
