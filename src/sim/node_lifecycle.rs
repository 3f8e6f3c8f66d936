//! What happens to nodes and to pods because of their nodes: taints, taint evictions, collection of orphans.

use super::ctx::Ctx;
use super::event::Timer;
use super::heartbeats::{MONITOR_PERIOD_MS, Rhythm, look_from, reconnected_after_ms};
use crate::cluster::{Change, Effect, NodeChange, NodeIdx, Phase, PodIdx, PodShape, Sym, Taint};
use crate::disruption::{delete_pod, deletion::has_blocking_finalizer};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The garbage collector runs this often (pkg/controller/podgc `gcCheckPeriod`).
pub const GC_PERIOD_MS: i64 = 20_000;
/// A missing node's pods are left alone for so long (podgc `quarantineTime`).
pub const QUARANTINE_MS: i64 = 40_000;
/// Between two nodes of a zone that get a NoExecute taint: `--node-eviction-rate` 0.1 a second.
const EVICTION_SPACING_MS: i64 = 10_000;
/// The same in a zone of more than 50 nodes of which 55 % are away: `--secondary-node-eviction-rate` 0.01.
const SECONDARY_SPACING_MS: i64 = 100_000;
/// `--large-cluster-size-threshold`: smaller zones evict nothing while partially away.
const LARGE_ZONE: usize = 50;

/// Node lifecycle, taint eviction and pod garbage collection (pkg/controller/{nodelifecycle,tainteviction,podgc}, 1.36).
#[derive(Clone, Debug, Default)]
pub struct NodeLifecycle {
    /// Lost nodes and the moment at which each is found not to answer.
    lost: BTreeMap<NodeIdx, i64>,
    /// When each node found away gets its NoExecute taint; None if its zone's state forbids it.
    no_execute: BTreeMap<NodeIdx, Option<i64>>,
    /// When each zone may taint its next node.
    next_in_zone: BTreeMap<Option<Sym>, i64>,
    /// When each pod on a tainted node is evicted.
    evictions: BTreeMap<PodIdx, i64>,
    /// Deleted nodes whose pods remain, and when they may be collected.
    quarantine: BTreeMap<NodeIdx, Option<i64>>,
    collecting: bool,
    silence: Silence,
}

/// What the node controller has not heard since the API server was away.
#[derive(Clone, Debug, Default)]
struct Silence {
    /// When it was back last, and since when it had been away.
    outage: Option<(i64, i64)>,
    /// The last sign of life of each node before an outage, and when the next one is seen.
    heard: BTreeMap<NodeIdx, (i64, i64)>,
    /// When each node is found silent.
    due: BTreeMap<NodeIdx, i64>,
    /// Nodes that were found silent and whose kubelets have not reported since, with the pods that were marked.
    found: BTreeMap<NodeIdx, Vec<PodIdx>>,
    /// Nodes that reported again: their NoExecute taint goes at the controller's look after this moment.
    released: BTreeMap<NodeIdx, i64>,
    /// Pods that their kubelets are to report ready again.
    unready: BTreeMap<NodeIdx, Vec<PodIdx>>,
}

/// When a pod leaves a node with these taints: None if it may stay, else after so many milliseconds
/// (tainteviction `getMinTolerationTime` over the tolerations that are used).
pub fn evicted_after_ms(shape: &PodShape, taints: &[Taint]) -> Option<i64> {
    let mut after: Option<i64> = None;
    for taint in taints.iter().filter(|t| t.effect == Effect::NoExecute) {
        match shape.tolerations.iter().find(|t| t.tolerates(taint)) {
            None => return Some(0),
            Some(toleration) => {
                if let Some(seconds) = toleration.seconds {
                    let ms = seconds.max(0).saturating_mul(1000);
                    after = Some(after.map_or(ms, |a| a.min(ms)));
                }
            }
        }
    }
    after
}

impl NodeLifecycle {
    /// Goes on with what the snapshot shows: cordons not yet tainted, NoExecute taints, pods of nodes that are gone.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>) {
        for node in ctx.state.live_nodes().collect::<Vec<_>>() {
            if ctx.state.nodes[node].unschedulable != self.is_cordon_tainted(ctx, node) {
                ctx.after(ctx.options.taint_latency_ms, Timer::Taint(node));
            }
            self.plan_evictions(ctx, node);
        }
    }

    /// A node stops answering for good: it is found out after the monitor's grace.
    pub fn lose(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        let at = ctx.now + ctx.options.node_monitor_grace_ms;
        self.lost.insert(node, at);
        ctx.timers.schedule(at, Timer::Taint(node));
    }

    /// The API server is back that was away since `from`. Nodes of which nothing was heard for longer than the grace are found silent when
    /// the controller looks, unless it sees a renewed lease before.
    pub fn api_server_is_back(&mut self, ctx: &mut Ctx<'_>, from: i64) {
        let (now, grace) = (ctx.now, ctx.options.node_monitor_grace_ms);
        self.silence.outage = Some((from, now));
        let reconnected = now + reconnected_after_ms(ctx.draws, "node-lifecycle", from, now - from);
        for node in ctx.state.live_nodes().collect::<Vec<_>>() {
            let n = &ctx.state.nodes[node];
            if !n.ready || self.lost.contains_key(&node) {
                continue;
            }
            let rhythm = Rhythm::of(ctx.draws, &ctx.node_key(node));
            let life = match self.silence.heard.get(&node) {
                // What was renewed after the outage before had not been seen when this one began.
                Some((life, seen)) if *seen > from => *life,
                _ => look_from(rhythm.last_before(from).max(n.created)),
            };
            let seen = rhythm.next_from(now).max(reconnected);
            self.silence.heard.insert(node, (life, seen));
            let due = look_from(now.max(life + grace) + 1);
            if due < seen {
                self.silence.due.insert(node, due);
                ctx.timers.schedule(due, Timer::NodeMonitor);
            }
        }
    }

    /// The controller runs again that was away: it knows of no sign of life, and each node has its grace from now on.
    pub fn restarted(&mut self, ctx: &mut Ctx<'_>) {
        self.silence.due.clear();
        let at = ctx.now + ctx.options.node_monitor_grace_ms;
        for (node, found) in &mut self.lost {
            if ctx.state.nodes[*node].ready && *found < at {
                *found = at;
                ctx.timers.schedule(at, Timer::Taint(*node));
            }
        }
    }

    /// The controller looks at its nodes: those that it finds silent, though their kubelets live.
    pub fn monitor(&mut self, ctx: &mut Ctx<'_>) -> Vec<NodeIdx> {
        let is_due = |n: &NodeIdx| self.silence.due.get(n).is_some_and(|at| *at <= ctx.now);
        let due: Vec<NodeIdx> = self.silence.due.keys().copied().filter(is_due).collect();
        self.silence.due.retain(|n, _| !due.contains(n));
        let there = |n: &NodeIdx| ctx.state.nodes[*n].ready && !ctx.state.nodes[*n].gone;
        let silent: Vec<NodeIdx> = due.into_iter().filter(there).collect();
        // All of one look are marked before the state of their zones is judged (`handleDisruption`).
        for node in &silent {
            let pods = self.mark_away(ctx, *node);
            self.silence.released.remove(node);
            self.silence.found.insert(*node, pods);
        }
        for node in &silent {
            self.plan_no_execute(ctx, *node);
            self.write_taints(ctx, *node);
            let next = Rhythm::of(ctx.draws, &ctx.node_key(*node)).next_from(ctx.now + 1);
            ctx.timers.schedule(next, Timer::Heartbeat(*node));
        }
        silent
    }

    /// A kubelet finds that its node is called unready, and reports it ready. The NoSchedule taint follows at once, the NoExecute taint at
    /// the controller's next look (`processTaintBaseEviction`).
    fn heartbeat(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        let Some(pods) = self.silence.found.remove(&node) else { return };
        if ctx.state.nodes[node].gone || self.lost.contains_key(&node) {
            return;
        }
        ctx.state.set_node_ready(node, true);
        ctx.after(ctx.options.taint_latency_ms, Timer::Taint(node));
        let is_tainted = self.no_execute.get(&node).copied().flatten().is_some_and(|at| at <= ctx.now);
        if is_tainted {
            let look = look_from(ctx.now + 1);
            self.silence.released.insert(node, look);
            ctx.timers.schedule(look, Timer::Taint(node));
        } else {
            self.no_execute.remove(&node);
        }
        // It learns from its own watch that its pods were marked.
        let (from, back) = self.silence.outage.unwrap_or((ctx.now, ctx.now));
        let watches = back + reconnected_after_ms(ctx.draws, &ctx.node_key(node), from, back - from);
        self.silence.unready.entry(node).or_default().extend(pods);
        ctx.timers.schedule(watches.max(ctx.now), Timer::PodsReported(node));
    }

    /// A kubelet reports its pods as they are: those that were marked because of it are ready.
    fn pods_reported(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        for pod in self.silence.unready.remove(&node).unwrap_or_default() {
            let p = &ctx.state.pods[pod];
            if !p.gone && p.deleting.is_none() && p.phase == Phase::Running && !self.lost.contains_key(&node) {
                ctx.state.set_ready(pod, true, ctx.now);
            }
        }
    }

    /// Sees cordons, taints and nodes that vanish.
    pub fn on_change(&mut self, ctx: &mut Ctx<'_>, change: Change) {
        match change {
            Change::Node(node, NodeChange::Unschedulable) => {
                ctx.after(ctx.options.taint_latency_ms, Timer::Taint(node));
            }
            Change::Node(node, NodeChange::Taints) => self.plan_evictions(ctx, node),
            Change::Node(node, NodeChange::Removed) => {
                self.quarantine.insert(node, None);
                if !self.collecting {
                    self.collecting = true;
                    let next = (ctx.now.div_euclid(GC_PERIOD_MS) + 1) * GC_PERIOD_MS;
                    ctx.timers.schedule(next, Timer::PodGc);
                }
            }
            _ => {}
        }
    }

    /// A moment has come: to taint, to evict, to collect.
    pub fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: Timer) {
        match timer {
            Timer::Taint(node) if !ctx.state.nodes[node].gone => self.taint(ctx, node),
            Timer::TaintEviction(pod) => self.evict(ctx, pod),
            Timer::Heartbeat(node) => self.heartbeat(ctx, node),
            Timer::PodsReported(node) => self.pods_reported(ctx, node),
            Timer::PodGc => self.collect(ctx),
            _ => {}
        }
    }

    fn is_cordon_tainted(&self, ctx: &Ctx<'_>, node: NodeIdx) -> bool {
        let key = ctx.catalog.known.unschedulable_taint;
        ctx.state.nodes[node].taints.iter().any(|t| t.key == key)
    }

    fn taint(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        if self.lost.get(&node).is_some_and(|at| *at <= ctx.now) && ctx.state.nodes[node].ready {
            self.mark_away(ctx, node);
            self.plan_no_execute(ctx, node);
        }
        self.write_taints(ctx, node);
    }

    fn write_taints(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        if self.silence.released.get(&node).is_some_and(|at| *at <= ctx.now) {
            self.silence.released.remove(&node);
            self.no_execute.remove(&node);
        }
        let known = ctx.catalog.known;
        let managed = [known.unschedulable_taint, known.unreachable_taint];
        let n = &ctx.state.nodes[node];
        let mut taints: SmallVec<[Taint; 2]> = n.taints.iter().filter(|t| !managed.contains(&t.key)).copied().collect();
        let mut add = |key: Sym, effect: Effect| {
            taints.push(Taint { key, value: known.empty, effect });
        };
        if n.unschedulable {
            add(known.unschedulable_taint, Effect::NoSchedule);
        }
        let is_silent = self.lost.contains_key(&node) || self.silence.found.contains_key(&node);
        if is_silent && !n.ready {
            add(known.unreachable_taint, Effect::NoSchedule);
        }
        let due = self.no_execute.get(&node).copied().flatten();
        if (is_silent && !n.ready || self.silence.released.contains_key(&node)) && due.is_some_and(|at| at <= ctx.now) {
            add(known.unreachable_taint, Effect::NoExecute);
        }
        ctx.state.set_taints(node, taints);
    }

    /// The monitor's grace is over: the node is not Ready, nor are its pods (`MarkPodsNotReady`). Those that were ready.
    fn mark_away(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) -> Vec<PodIdx> {
        ctx.state.set_node_ready(node, false);
        let pods = ctx.state.nodes[node].pods.clone();
        let ready = pods.into_iter().filter(|p| ctx.state.pods[*p].ready).collect::<Vec<_>>();
        for pod in &ready {
            ctx.state.set_ready(*pod, false, ctx.now);
        }
        ready
    }

    /// The NoExecute taint of a node that was found away waits for its zone's turn.
    fn plan_no_execute(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        let zone = zone_of(ctx, node);
        // Until 1.33 the pass that finds the node away still judges by what the one before had found.
        let later = if ctx.catalog.kubernetes.rules().no_execute_a_pass_later { MONITOR_PERIOD_MS } else { 0 };
        let due = spacing_ms(ctx, zone).map(|spacing| {
            let next = self.next_in_zone.entry(zone).or_insert(ctx.now);
            let at = (*next).max(ctx.now + later);
            *next = at + spacing;
            at
        });
        self.no_execute.insert(node, due);
        if let Some(at) = due {
            ctx.timers.schedule(at, Timer::Taint(node));
        }
    }

    fn plan_evictions(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) {
        let n = &ctx.state.nodes[node];
        if n.taints.iter().all(|t| t.effect != Effect::NoExecute) {
            // Whoever was to leave may stay (tainteviction `processPodOnNode`: the work is cancelled).
            if !self.evictions.is_empty() {
                n.pods.iter().for_each(|pod| _ = self.evictions.remove(pod));
            }
            return;
        }
        for pod in n.pods.clone() {
            let shape = ctx.catalog.shape(ctx.state.pods[pod].spec);
            let Some(after) = evicted_after_ms(shape, &ctx.state.nodes[node].taints) else {
                continue;
            };
            let at = ctx.now + after;
            if self.evictions.get(&pod).is_none_or(|known| at < *known) {
                self.evictions.insert(pod, at);
                ctx.timers.schedule(at, Timer::TaintEviction(pod));
            }
        }
    }

    /// Deletes a pod whose time on a tainted node is over; budgets are not asked.
    fn evict(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        if self.evictions.get(&pod).is_none_or(|at| *at > ctx.now) {
            return;
        }
        self.evictions.remove(&pod);
        let p = &ctx.state.pods[pod];
        let Some(node) = p.node.filter(|_| !p.gone && p.deleting.is_none()) else {
            return;
        };
        let taints = &ctx.state.nodes[node].taints;
        if evicted_after_ms(ctx.catalog.shape(p.spec), taints).is_some() {
            delete_pod(ctx.catalog, ctx.state, pod, ctx.now, None);
        }
    }

    /// One run of the garbage collector: pods of nodes that are gone for longer than the quarantine are removed by force.
    fn collect(&mut self, ctx: &mut Ctx<'_>) {
        let mut kept = BTreeMap::new();
        for (node, due) in std::mem::take(&mut self.quarantine) {
            let pods = ctx.state.nodes[node].pods.clone();
            match due {
                _ if pods.is_empty() => {}
                Some(at) if at <= ctx.now => {
                    for pod in pods {
                        self.remove_orphan(ctx, pod);
                    }
                }
                known => {
                    kept.insert(node, known.or(Some(ctx.now + QUARANTINE_MS)));
                }
            }
        }
        self.quarantine = kept;
        self.collecting = !self.quarantine.is_empty();
        if self.collecting {
            ctx.after(GC_PERIOD_MS, Timer::PodGc);
        }
    }

    fn remove_orphan(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        ctx.state.set_ready(pod, false, ctx.now);
        ctx.state.set_phase(ctx.catalog, pod, Phase::Failed);
        ctx.state.set_deleting(pod, ctx.now, 0);
        if !has_blocking_finalizer(ctx.catalog, ctx.state, pod) {
            ctx.state.remove_pod(ctx.catalog, pod);
        }
    }
}

fn zone_of(ctx: &Ctx<'_>, node: NodeIdx) -> Option<Sym> {
    let labels = &ctx.state.nodes[node].spec.labels;
    labels.get(ctx.catalog.known.zone).or_else(|| labels.get(ctx.catalog.known.zone_beta))
}

/// How far apart a zone's nodes are tainted now; None if not at all (`ComputeZoneState`, `handleDisruption`: evictions
/// stop when every zone is fully away, and in small zones that are partially away).
fn spacing_ms(ctx: &Ctx<'_>, zone: Option<Sym>) -> Option<i64> {
    let (mut all, mut away, mut any_ready) = (0_usize, 0_usize, false);
    for node in ctx.state.live_nodes() {
        let ready = ctx.state.nodes[node].ready;
        any_ready |= ready;
        if zone_of(ctx, node) == zone {
            all += 1;
            away += usize::from(!ready);
        }
    }
    if !any_ready {
        return None;
    }
    let partially = away > 2 && away < all && away * 100 >= all * 55;
    match partially {
        false => Some(EVICTION_SPACING_MS),
        true if all > LARGE_ZONE => Some(SECONDARY_SPACING_MS),
        true => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Toleration, WellKnown};
    use crate::disruption::testing::World;
    use crate::sim::testing::Bench;

    fn toleration(key: Sym, seconds: Option<i64>) -> Toleration {
        Toleration { key: Some(key), value: None, effect: Some(Effect::NoExecute), seconds }
    }

    fn taint(known: &WellKnown, key: Sym) -> Taint {
        Taint { key, value: known.empty, effect: Effect::NoExecute }
    }

    #[test]
    fn the_least_of_the_tolerations_that_are_used_counts() {
        let w = World::new();
        let known = w.catalog.known;
        let mut shape = w.catalog.shapes[0].clone();
        let both = [taint(&known, known.not_ready_taint), taint(&known, known.zone)];
        assert_eq!(evicted_after_ms(&shape, &[]), None);
        assert_eq!(evicted_after_ms(&shape, &both), Some(0));
        shape.tolerations = vec![
            toleration(known.not_ready_taint, Some(300)),
            toleration(known.zone, None),
            toleration(known.region, Some(1)),
        ];
        assert_eq!(evicted_after_ms(&shape, &both), Some(300_000));
        assert_eq!(evicted_after_ms(&shape, &both[1..]), None);
    }

    #[test]
    fn a_cordon_is_tainted_shortly_after_and_untainted_with_it() {
        let mut b = Bench::new(World::new());
        b.uncordon(NodeIdx(0), true);
        b.run_to(9);
        assert_eq!(b.state.nodes[NodeIdx(0)].taints.len(), 0);
        b.run_to(10);
        assert_eq!(b.state.nodes[NodeIdx(0)].taints.len(), 1);
        b.uncordon(NodeIdx(0), false);
        b.run_to(20);
        assert_eq!(b.state.nodes[NodeIdx(0)].taints.len(), 0);
    }

    #[test]
    fn a_lost_nodes_pods_are_unready_then_deleted_then_stuck_until_the_node_goes() {
        let mut w = World::new();
        let rs = w.owner(crate::cluster::OwnerKind::ReplicaSet, "r", Some(1));
        let pod = w.pod("r-1", "x", Some(rs), true);
        let mut b = Bench::new(w);
        let spare = b.node("n1");
        b.lose(NodeIdx(0));
        b.run_to(49_999);
        assert!(b.state.pods[pod].ready, "nobody knows yet");
        b.run_to(50_000);
        assert!(!b.state.pods[pod].ready);
        assert_eq!(b.state.nodes[NodeIdx(0)].taints.len(), 2);
        // No toleration in this world: at once, without asking a budget.
        assert!(b.state.pods[pod].deleting.is_some());
        b.run_to(100_000);
        assert!(!b.state.pods[pod].gone, "no kubelet ends it");
        assert_eq!(b.state.nodes[spare].pods.len(), 1, "its replacement runs");
        b.state.remove_node(NodeIdx(0));
        b.run_to(159_999);
        assert!(!b.state.pods[pod].gone);
        b.run_to(160_000);
        assert!(b.state.pods[pod].gone, "20 s grid, 40 s quarantine");
    }

    /// pkg/controller/nodelifecycle `monitorNodeHealth`: until 1.33 `processTaintBaseEviction` gets the condition as it was.
    #[test]
    fn until_1_33_pods_of_a_lost_node_are_evicted_a_pass_later() {
        let evicted = crate::cluster::KubernetesVersion::ALL.map(|version| {
            let mut w = World::new();
            w.catalog.kubernetes = version;
            let rs = w.owner(crate::cluster::OwnerKind::ReplicaSet, "r", Some(1));
            let pod = w.pod("r-1", "x", Some(rs), true);
            let mut b = Bench::new(w);
            b.node("n1");
            b.lose(NodeIdx(0));
            b.run_to(50_000);
            let at_once = b.state.pods[pod].deleting.is_some();
            b.run_to(55_000);
            assert!(b.state.pods[pod].deleting.is_some());
            at_once
        });
        assert_eq!(evicted, [false, true, true, true]);
    }

    /// pkg/controller/nodelifecycle `handleDisruption`: where no node is Ready nobody is evicted.
    #[test]
    fn nodes_that_are_silent_after_an_outage_are_tainted_only_beside_others_and_their_kubelets_go_on() {
        for others in [false, true] {
            let mut w = World::new();
            let rs = w.owner(crate::cluster::OwnerKind::ReplicaSet, "r", Some(1));
            let pod = w.pod("r-1", "x", Some(rs), true);
            let mut b = Bench::new(w);
            let (first, second) = (NodeIdx(0), b.node("n1"));
            b.run_to(150_000);
            // The controller's watches are open again long after its next look.
            let draws = crate::cluster::draw::Draws::new(1);
            let late = |since: &i64| reconnected_after_ms(&draws, "node-lifecycle", *since, 150_000 - since) > 12_000;
            b.api_server_is_back((30_000..40_000).find(late).expect("a draw"));
            if others {
                b.node("n2");
            }
            b.run_to(154_999);
            assert!(b.state.nodes[first].ready && b.state.nodes[second].ready);
            b.run_to(155_000);
            assert!(!b.state.nodes[first].ready && !b.state.nodes[second].ready && !b.state.pods[pod].ready);
            let taints = |b: &Bench| (b.state.nodes[first].taints.len(), b.state.nodes[second].taints.len());
            assert_eq!(taints(&b), if others { (2, 1) } else { (1, 1) }, "one at once, the next ten seconds later");
            assert_eq!(b.state.pods[pod].deleting.is_some(), others);
            b.run_to(158_000);
            assert_eq!(b.state.pods[pod].gone, others, "a kubelet that lives ends its pod");
            b.run_to(170_100);
            assert!(b.state.nodes[first].ready && b.state.nodes[second].ready);
            assert_eq!(taints(&b), (0, 0));
            b.run_to(230_000);
            assert!(others || b.state.pods[pod].ready, "it was well all the time");
        }
    }

    #[test]
    fn a_controller_that_runs_again_gives_each_node_its_grace() {
        let mut w = World::new();
        let rs = w.owner(crate::cluster::OwnerKind::ReplicaSet, "r", Some(1));
        w.pod("r-1", "x", Some(rs), true);
        let mut b = Bench::new(w);
        b.lose(NodeIdx(0));
        b.run_to(30_000);
        b.controllers_are_back();
        b.run_to(79_999);
        assert!(b.state.nodes[NodeIdx(0)].ready);
        b.run_to(80_000);
        assert!(!b.state.nodes[NodeIdx(0)].ready);
    }
}
