//! What EKS, AKS and GKE do when they upgrade a node pool: a sliding window of surge nodes and unavailable ones
//! (MIGRATIONS §4, presets).
//!
//! Of a group's n old nodes at most `arrived + max_unavailable` have begun, where `arrived` counts the new nodes that
//! are Ready; new nodes are asked for up to min(n, surge + done), for AKS and GKE in the zones of the nodes that they replace. So AKS's
//! last buffer nodes, GKE's last surge nodes and the surplus of EKS's group are not made (C). It is not the same as draining them at the
//! end: pods that landed there would be moved a second time, and the procedure would take longer (docs/fidelity.md says so).

#[cfg(test)]
mod tests;

use super::batch_run::{BatchRun, End};
use super::client::Ask;
use super::common::Fate;
use super::context::Cx;
use super::evictor::Evictor;
use super::interface::{Announcement, Answer, CallId, Ms};
use super::look::{Found, Looks, some};
use super::outcome::{Failure, Reason};
use super::refs::N;
use super::retire::{Left, Retire};
use crate::cluster::PodIdx;
use crate::intent::options::{BatchSize, CordonWhen, Percent, SurgeParameters, SurgePreset, Undrainable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A refused eviction is retried after so long (C; kubectl's own interval).
const RETRY_MS: Ms = 5000;
/// Calls on nodes that were refused or lost are repeated after so long (C).
const CALL_RETRY_MS: Ms = 10_000;
/// After the last node: how long to wait for workloads (C).
const SETTLE_MS: Ms = 600_000;

/// Where an old node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Waiting,
    Cordoning,
    Draining {
        deadline: Ms,
    },
    /// EKS cordons after the drain.
    LateCordon,
    Soaking {
        until: Ms,
    },
    Retiring,
    /// It stays, and is looked at before it counts as replaced.
    Looking,
    Done,
    /// Kept cordoned.
    Held,
}

/// An old node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Old {
    n: N,
    /// Place of its pool.
    pool: usize,
    /// The demand for the node that replaces it.
    #[serde(default)]
    demand: Option<u32>,
    step: Step,
}

/// The old nodes of one group and machine type, and their replacements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pool {
    /// The demand of its first old node; the others may be for other zones.
    demand: u32,
    count: u32,
    surge: u32,
    /// Old nodes that have begun.
    started: u32,
    /// Old nodes that are over.
    done: u32,
    /// New nodes that are Ready.
    arrived: u32,
    /// When new nodes were last asked for or came.
    since: Ms,
    /// Places of old nodes that have not begun, in order.
    waiting: VecDeque<usize>,
}

/// One batch: usually all nodes at once, for the window is the limit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Surge {
    olds: Vec<Old>,
    pools: Vec<Pool>,
    /// Places of old nodes that have begun and are not over, in the order in which they began.
    active: Vec<usize>,
    evictor: Evictor,
    retire: Retire,
    #[serde(default)]
    looks: Looks,
    /// Nodes that are drained a second time.
    #[serde(default)]
    again_drained: Vec<N>,
    /// Taints under way (EKS).
    tainting: u32,
    again: Vec<(Ms, Ask)>,
    dirty: bool,
    stopped: bool,
    failed: Option<Failure>,
    settle_deadline: Option<Ms>,
    new_nodes_timeout: Ms,
}

impl Surge {
    fn parameters(cx: &Cx<'_>) -> SurgeParameters {
        cx.options.surge.resolved()
    }
    /// Sorts the batch's nodes into pools. Err names a node whose group is not known.
    fn pools(&mut self, cx: &mut Cx<'_>) -> Result<(), String> {
        let p = Self::parameters(cx);
        // Of the pools, in their order.
        let mut keys: Vec<String> = Vec::new();
        for n in cx.common.here() {
            let Some(node) = cx.node(n) else {
                cx.settle(n, Fate::Retired, "the node was gone before its turn");
                continue;
            };
            if cx.is_left(n) {
                continue;
            }
            let state = &cx.view.state.nodes[node];
            let matched = cx.packer.match_node(cx.view, node, &[]);
            let Some(g) = state.group.or(matched.clone().ok().flatten()) else {
                let why = matched.err().map_or(String::new(), |w| format!(": {w}"));
                return Err(format!("node {} belongs to no known group{why}", cx.node_name(n)));
            };
            let c = cx.view.catalog;
            let group = c.text(c.groups[g].id).to_owned();
            // A machine type that the group no longer offers is left to the group's choice.
            let machine = state.spec.machine.filter(|m| c.groups[g].machines.contains(m));
            let machine = machine.map(|m| c.text(c.machines[m].name).to_owned());
            let zones = c.groups[g].zones.len().max(1) as u32;
            let key = format!("surge-{}/{group}/{}", cx.common.batch, machine.as_deref().unwrap_or("any"));
            // AKS reimages the node that it has drained, GKE upgrades zone by zone: both keep each zone's nodes. EKS leaves it to its group.
            let zone = state.spec.labels.get(c.known.zone);
            let zone = zone.filter(|z| p.preset != SurgePreset::Eks && c.groups[g].zones.contains(z));
            let zone = zone.map(|z| c.text(z).to_owned());
            let zone_key = zone.as_ref().map_or(key.clone(), |z| format!("{key}/{z}"));
            let demand = cx.demand(zone_key, group, machine, zone);
            let pool = match keys.iter().position(|k| *k == key) {
                Some(i) => i,
                None => {
                    keys.push(key);
                    self.pools.push(Pool {
                        demand,
                        count: 0,
                        surge: zones,
                        started: 0,
                        done: 0,
                        arrived: 0,
                        since: cx.now,
                        waiting: VecDeque::new(),
                    });
                    self.pools.len() - 1
                }
            };
            self.pools[pool].count += 1;
            self.pools[pool].waiting.push_back(self.olds.len());
            self.olds.push(Old { n, pool, demand: Some(demand), step: Step::Waiting });
        }
        if p.preset == SurgePreset::Gke {
            let zones: Vec<Option<String>> = self.olds.iter().map(|o| self.zone(cx, o)).collect();
            for q in &mut self.pools {
                q.waiting.make_contiguous().sort_by(|a, b| zones[*a].cmp(&zones[*b]));
            }
        }
        for q in &mut self.pools {
            q.surge = match p.max_surge {
                None => (2 * q.surge).max(p.max_unavailable),
                Some(BatchSize::Nodes(k)) => k,
                Some(BatchSize::Percent(Percent(k))) => (q.count * k).div_ceil(100),
            };
        }
        Ok(())
    }
    /// The zone of the node that replaces an old one, where it is kept.
    fn zone(&self, cx: &Cx<'_>, old: &Old) -> Option<String> {
        cx.common.demands[old.demand? as usize].zone.clone()
    }
    /// The demands of a pool, each once.
    fn demands(&self, pool: usize) -> BTreeSet<u32> {
        let of = self.olds.iter().filter(|o| o.pool == pool).map(|o| o.demand.unwrap_or(self.pools[pool].demand));
        of.collect()
    }
    /// Asks for as many new nodes as the window has room for: one for each old node in the order in which they are drained, in its zone
    /// where zones are kept.
    fn ensure(&mut self, cx: &mut Cx<'_>, pool: usize) {
        let q = &self.pools[pool];
        let total = q.count.min(q.surge + q.done) as usize;
        let begun = self.olds.iter().filter(|o| o.pool == pool && o.step != Step::Waiting);
        let waiting = q.waiting.iter().map(|k| &self.olds[*k]);
        let mut wanted: BTreeMap<u32, u32> = BTreeMap::new();
        for old in begun.chain(waiting).take(total) {
            *wanted.entry(old.demand.unwrap_or(q.demand)).or_default() += 1;
        }
        for (demand, total) in wanted {
            if total > cx.common.demands[demand as usize].total {
                cx.ensure(demand, total);
                self.pools[pool].since = cx.now;
            }
        }
    }
    fn count_arrived(&mut self, cx: &Cx<'_>) {
        if std::mem::take(&mut self.dirty) {
            let got = cx.arrived();
            let of: Vec<BTreeSet<u32>> = (0..self.pools.len()).map(|i| self.demands(i)).collect();
            for (q, demands) in self.pools.iter_mut().zip(of) {
                let now: u32 = demands.into_iter().map(|d| got[d as usize]).sum();
                if now > q.arrived {
                    q.since = cx.now;
                }
                q.arrived = q.arrived.max(now);
            }
        }
    }
    /// Whether another node of a pool may begin.
    fn may_start(&self, cx: &Cx<'_>, pool: usize) -> bool {
        let (p, q) = (Self::parameters(cx), &self.pools[pool]);
        if p.preset == SurgePreset::Eks {
            // The group is grown first, once; then max_unavailable nodes at a time.
            return q.arrived >= q.count.min(q.surge) && q.started - q.done < p.max_unavailable.max(1);
        }
        q.started < q.arrived + p.max_unavailable
    }
    fn start_nodes(&mut self, cx: &mut Cx<'_>) {
        if self.tainting > 0 || self.stopped || self.failed.is_some() {
            return;
        }
        for pool in 0..self.pools.len() {
            while self.may_start(cx, pool) {
                let Some(k) = self.pools[pool].waiting.pop_front() else { break };
                self.begin_node(cx, k);
            }
        }
    }
    fn begin_node(&mut self, cx: &mut Cx<'_>, k: usize) {
        let (n, pool) = (self.olds[k].n, self.olds[k].pool);
        self.pools[pool].started += 1;
        self.active.push(k);
        cx.settle(n, Fate::InProgress, "");
        let eks = Self::parameters(cx).preset == SurgePreset::Eks;
        match cx.node(n) {
            None => self.finish(cx, k, Fate::Retired, ""),
            Some(_) if cx.is_left(n) => self.finish(cx, k, Fate::Failed, ""),
            Some(_) if !eks && cx.needs_cordon(n) => {
                cx.ask(Ask::Cordon(n));
                self.olds[k].step = Step::Cordoning;
            }
            Some(_) => self.drain(cx, k),
        }
    }
    fn drain(&mut self, cx: &mut Cx<'_>, k: usize) {
        self.olds[k].step = Step::Draining { deadline: cx.now + Self::parameters(cx).node_timeout_ms };
        self.evictor.plan(cx, self.olds[k].n, 0);
    }
    /// A node is over: the window moves on.
    fn finish(&mut self, cx: &mut Cx<'_>, k: usize, fate: Fate, why: &str) {
        let pool = self.olds[k].pool;
        self.active.retain(|a| *a != k);
        cx.settle(self.olds[k].n, fate, why);
        let replaced = cx.common.nodes[self.olds[k].n.at()].fate.is_replaced();
        self.olds[k].step = if replaced { Step::Done } else { Step::Held };
        self.pools[pool].done += 1;
        if self.failed.is_none() && !self.stopped {
            self.ensure(cx, pool);
        }
    }
    fn soak(&mut self, cx: &mut Cx<'_>, k: usize) {
        self.olds[k].step = Step::Soaking { until: cx.now + Self::parameters(cx).node_soak_ms };
    }
    fn emptied(&mut self, cx: &mut Cx<'_>, k: usize) {
        let n = self.olds[k].n;
        // Pods that arrived meanwhile have to go too, if it is the same node that they are on; and none may arrive any more.
        if !cx.is_closed(n) || self.looks.has(n) {
            return;
        }
        if Evictor::has_news(cx, n) {
            return self.looks.add(cx, n);
        }
        cx.settle(n, Fate::Drained, "");
        let Some(node) = cx.node(n) else { return self.finish(cx, k, Fate::Retired, "") };
        let batch = cx.common.batch;
        cx.say(Announcement::NodeDrained { batch, node });
        if cx.needs_cordon(n) {
            cx.ask(Ask::Cordon(n));
            self.olds[k].step = Step::LateCordon;
        } else {
            self.soak(cx, k);
        }
    }
    /// A node's pods resisted for too long.
    fn timed_out(&mut self, cx: &mut Cx<'_>, k: usize) {
        let (n, p) = (self.olds[k].n, Self::parameters(cx));
        let (pods, refused) = self.evictor.remaining(cx, n);
        let why = pods.join("; ");
        if p.undrainable == Undrainable::Force {
            self.evictor.force(cx, n);
            self.evictor.end_at_once(cx, n);
            self.olds[k].step = Step::Draining { deadline: Ms::MAX };
            return;
        }
        self.evictor.cancel(cx, Some(n));
        if let Some(node) = cx.node(n) {
            let batch = cx.common.batch;
            let reason = if p.preset == SurgePreset::Eks { "PodEvictionFailure" } else { "DrainTimeout" };
            cx.say(Announcement::DrainFailed { batch, node, reason, message: why.clone() });
        }
        let fate = if refused { Fate::HeldByBudget } else { Fate::Failed };
        self.finish(cx, k, fate, &why);
        if p.undrainable == Undrainable::Schedule && self.failed.is_none() {
            let minutes = p.node_timeout_ms / 60_000;
            let cause = format!("node {} was not empty after {minutes} min: {why}", cx.node_name(n));
            self.failed = Some(cx.failure(Reason::NodeTimeout, cause));
        }
    }
    /// Ends the nodes whose machines are gone, or are not to be.
    fn retire(&mut self, cx: &mut Cx<'_>) {
        for (n, left) in self.retire.step(cx) {
            let Some(k) = self.olds.iter().position(|o| o.n == n) else { continue };
            match left {
                Left::Gone => self.finish(cx, k, Fate::Retired, ""),
                Left::Kept(why) => self.finish(cx, k, Fate::Failed, &why),
                Left::Late => {
                    let cause = self.retire.late(cx, &[n]);
                    self.failed.get_or_insert(cx.failure(Reason::NodesNotTerminated, cause));
                    self.finish(cx, k, Fate::Drained, "its machine could not be given back");
                }
            }
        }
    }
    /// Ends the nodes that were seen to be empty; those to which pods came are drained once more.
    fn look(&mut self, cx: &mut Cx<'_>) {
        for (n, found) in self.looks.step(cx) {
            let Some(k) = self.olds.iter().position(|o| o.n == n) else { continue };
            match found {
                Found::Pods(_) | Found::Going(_) if matches!(self.olds[k].step, Step::Draining { .. }) => {
                    self.evictor.plan(cx, n, 0);
                }
                found if self.olds[k].step != Step::Looking => drop(cx.believe(n, found)),
                Found::Pods(pods) if !self.stopped && !self.again_drained.contains(&n) => {
                    let text = format!("is drained once more; pods came after it had been drained: {}", some(&pods));
                    cx.warn(n, Reason::PodsLeft, text);
                    self.again_drained.push(n);
                    cx.settle(n, Fate::InProgress, "");
                    self.drain(cx, k);
                }
                Found::Gone => self.finish(cx, k, Fate::Retired, ""),
                found => {
                    cx.believe(n, found);
                    self.finish(cx, k, Fate::Drained, "");
                }
            }
        }
    }
    /// Moves every node whose time has come.
    fn run(&mut self, cx: &mut Cx<'_>) {
        for k in self.active.clone() {
            if cx.is_left(self.olds[k].n) && !matches!(self.olds[k].step, Step::Retiring | Step::Looking) {
                self.evictor.cancel(cx, Some(self.olds[k].n));
                self.looks.forget(self.olds[k].n);
                self.again.retain(|a| a.1 != Ask::Cordon(self.olds[k].n));
                self.finish(cx, k, Fate::Failed, "");
            }
        }
        self.evictor.run(cx);
        self.retire(cx);
        self.look(cx);
        for k in self.active.clone() {
            let n = self.olds[k].n;
            match self.olds[k].step {
                Step::Draining { .. } if self.evictor.left(n) == 0 => self.emptied(cx, k),
                Step::Draining { deadline } if cx.now >= deadline => self.timed_out(cx, k),
                _ => {}
            }
            match self.olds[k].step {
                Step::Soaking { until } if cx.now >= until && cx.options.terminates() => {
                    self.retire.add(cx, n);
                    self.olds[k].step = Step::Retiring;
                }
                Step::Soaking { until } if cx.now >= until => {
                    self.looks.add(cx, n);
                    self.olds[k].step = Step::Looking;
                }
                _ => {}
            }
        }
    }
    /// Whether nothing is under way that must be waited for.
    fn is_quiet(&self) -> bool {
        let over = self.stopped || self.failed.is_some();
        self.active.is_empty() && (over || self.pools.iter().all(|q| q.waiting.is_empty()))
    }
    /// New nodes that do not come, while nothing else can go on.
    fn starved(&self, cx: &Cx<'_>) -> Option<Failure> {
        let wanted =
            |i: usize| -> u32 { self.demands(i).into_iter().map(|d| cx.common.demands[d as usize].total).sum() };
        let (i, q) = self.pools.iter().enumerate().find(|(i, q)| {
            q.arrived < wanted(*i)
                && q.started < q.count
                && q.started == q.done
                && cx.now >= q.since + self.new_nodes_timeout
        })?;
        let of: Vec<_> = self.demands(i).into_iter().map(|d| &cx.common.demands[d as usize]).collect();
        let trouble = of.iter().find(|d| !d.trouble.is_empty());
        let trouble = trouble.map_or(String::new(), |d| match &d.zone {
            Some(zone) => format!(" (zone {zone}: {})", d.trouble),
            None => format!(" ({})", d.trouble),
        });
        let group = &cx.common.demands[q.demand as usize].group;
        let cause = format!("group {group}: {} of {} new nodes are Ready{trouble}", q.arrived, wanted(i));
        Some(cx.failure(Reason::NoNewNodes, cause))
    }
    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopped = true;
        self.evictor.cancel(cx, None);
        for k in self.active.clone() {
            let o = &mut self.olds[k];
            if matches!(o.step, Step::Cordoning | Step::Draining { .. }) {
                o.step = Step::Waiting;
                self.looks.forget(o.n);
                cx.settle(o.n, Fate::Waiting, "");
                self.active.retain(|a| *a != k);
            }
        }
    }
    fn end(&mut self, cx: &Cx<'_>) -> Option<End> {
        let deadline = *self.settle_deadline.get_or_insert(cx.now + SETTLE_MS);
        let mut late = None;
        if !cx.is_whole() {
            if cx.now < deadline {
                return None;
            }
            late = Some(cx.failure(Reason::PodsNotScheduled, cx.not_whole()));
        }
        Some(match self.failed.take() {
            Some(failure) => End::Abort { exit: None, failure },
            None if self.stopped => End::Stopped { failure: None },
            None => End::Next { exit: None, failure: late },
        })
    }
}

impl BatchRun for Surge {
    fn begin(&mut self, cx: &mut Cx<'_>) {
        let p = Self::parameters(cx);
        let force = (p.undrainable == Undrainable::Force).then_some(p.node_timeout_ms);
        self.evictor = Evictor::new(RETRY_MS, force);
        self.new_nodes_timeout = p.new_nodes_timeout_ms;
        self.dirty = true;
        if let Err(cause) = self.pools(cx) {
            self.olds.clear();
            self.failed = Some(cx.failure(Reason::NoNewNodes, cause));
            return;
        }
        // With cordon all-first the nodes are cordoned already; EKS's taint does the same for its preset.
        if p.preset == SurgePreset::Eks && cx.options.cordon != CordonWhen::AllFirst {
            for o in &self.olds {
                cx.common.client.ask(cx.now, Ask::Taint(o.n));
                self.tainting += 1;
            }
        }
        for pool in 0..self.pools.len() {
            self.ensure(cx, pool);
        }
    }

    fn answer(&mut self, cx: &mut Cx<'_>, _id: CallId, ask: Ask, answer: Answer) {
        if self.evictor.answer(cx, ask, &answer)
            || self.retire.answer(cx, ask, &answer)
            || self.looks.answer(cx, ask, &answer)
        {
            return;
        }
        if let (Ask::Cordon(n) | Ask::Taint(n), Answer::Refused { code: 400..=428 | 430..=499, message, .. }) =
            (ask, &answer)
        {
            match cx.cordon_refused(n, message) {
                Some(at) => self.again.push((at, ask)),
                None if matches!(ask, Ask::Taint(_)) => self.tainting = self.tainting.saturating_sub(1),
                None => {}
            }
            return;
        }
        let failed = matches!(answer, Answer::Refused { .. } | Answer::Unknown);
        let place = |n: N| self.olds.iter().position(|o| o.n == n);
        match ask {
            _ if failed => {
                if let (Ask::Ensure { demand, .. }, Answer::Refused { message, .. }) = (ask, answer) {
                    cx.common.demands[demand as usize].trouble = message;
                }
                self.again.push((cx.now + CALL_RETRY_MS, ask));
            }
            Ask::Taint(_) => self.tainting = self.tainting.saturating_sub(1),
            Ask::Cordon(n) => match place(n).map(|k| (k, self.olds[k].step)) {
                Some((k, Step::Cordoning)) => self.drain(cx, k),
                Some((k, Step::LateCordon)) => self.soak(cx, k),
                _ => {}
            },
            _ => {}
        }
    }

    fn pod_changed(&mut self, cx: &mut Cx<'_>, pod: PodIdx) {
        self.evictor.pod_changed(cx, pod);
    }

    fn node_changed(&mut self) {
        self.dirty = true;
    }

    fn resumed(&mut self, cx: &mut Cx<'_>) {
        self.dirty = true;
        self.evictor.refresh(cx);
    }

    fn step(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        if cx.common.stop.is_some() && !self.stopped {
            self.stop(cx);
        }
        let due: Vec<Ask> = self.again.iter().filter(|a| a.0 <= cx.now).map(|a| a.1).collect();
        self.again.retain(|a| a.0 > cx.now);
        for ask in due {
            cx.ask(ask);
        }
        // A node that is over makes room for the next, which may be empty and over at once.
        for _ in 0..=self.olds.len() {
            let before: Vec<u32> = self.pools.iter().map(|q| q.started + q.done).collect();
            self.run(cx);
            self.count_arrived(cx);
            self.start_nodes(cx);
            if self.pools.iter().map(|q| q.started + q.done).eq(before) {
                break;
            }
        }
        self.evictor.run(cx);
        if self.failed.is_none() && !self.stopped {
            self.failed = self.starved(cx);
        }
        if self.is_quiet() { self.end(cx) } else { None }
    }

    fn next_wakeup(&self, _now: Ms) -> Option<Ms> {
        let nodes = self.active.iter().filter_map(|k| match self.olds[*k].step {
            Step::Draining { deadline } if deadline == Ms::MAX => None,
            Step::Draining { deadline } => Some(deadline),
            Step::Soaking { until } => Some(until),
            _ => None,
        });
        let starving = self
            .pools
            .iter()
            .filter(|q| q.started < q.count && q.started == q.done && !self.stopped && self.failed.is_none())
            .map(|q| q.since + self.new_nodes_timeout);
        let again = self.again.iter().map(|a| a.0);
        nodes
            .chain(starving)
            .chain(again)
            .chain(self.evictor.next_at())
            .chain(self.retire.next_wakeup())
            .chain(self.looks.next_wakeup())
            .chain(self.settle_deadline)
            .min()
    }
}
