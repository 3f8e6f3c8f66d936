//! The old nodes of one group and machine type: how many new nodes they need when, and which of them may begin.

use super::{Old, Step, Surge};
use crate::cluster::{GroupIdx, MachineIdx, NodeIdx};
use crate::intent::options::{SurgeParameters, SurgePreset};
use crate::runner::common::Fate;
use crate::runner::context::Cx;
use crate::runner::interface::Ms;
use crate::runner::late_machines;
use crate::runner::outcome::{Failure, Reason};
use crate::runner::refs::N;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a preset comes by its new nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// EKS: the group grows first; its Auto Scaling group replaces each old node that is terminated; at the end it shrinks by one at a time.
    Grows,
    /// AKS: surge nodes come in addition, old nodes are reimaged in place, and the surge nodes are removed at the end.
    Reimages,
    /// GKE, and AKS where machines are not given back: each old node has a new node in its place, made before or after it.
    Replaces,
}

impl Way {
    pub fn of(cx: &Cx<'_>) -> Way {
        match cx.options.surge.preset {
            SurgePreset::Eks => Way::Grows,
            SurgePreset::Aks if cx.options.reimages() => Way::Reimages,
            _ => Way::Replaces,
        }
    }
}

/// The old nodes of one group and machine type, and their replacements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pool {
    /// The demand of its first old node; the others may be for other zones.
    pub demand: u32,
    pub count: u32,
    pub surge: u32,
    /// Old nodes that have begun.
    pub started: u32,
    /// Old nodes that are over.
    pub done: u32,
    /// Of these, those that were replaced.
    #[serde(default)]
    pub replaced: u32,
    /// Of these, those that are left cordoned while a surge node stands in for them.
    #[serde(default)]
    pub blocked: u32,
    /// New nodes that are Ready.
    pub arrived: u32,
    /// When new nodes were last asked for or came.
    pub since: Ms,
    /// Places of old nodes that have not begun, in order.
    pub waiting: VecDeque<usize>,
    /// Old nodes were tainted (EKS: as soon as the group has grown).
    #[serde(default)]
    pub tainted: bool,
    /// No surge node came: old nodes are upgraded in place without one (AKS).
    #[serde(default)]
    pub in_place: bool,
    /// Surplus nodes that are still to be removed; None before that is known.
    #[serde(default)]
    pub surplus: Option<u32>,
}

impl Pool {
    fn new(demand: u32, zones: u32, now: Ms) -> Pool {
        Pool {
            demand,
            count: 0,
            surge: zones,
            started: 0,
            done: 0,
            replaced: 0,
            blocked: 0,
            arrived: 0,
            since: now,
            waiting: VecDeque::new(),
            tainted: false,
            in_place: false,
            surplus: None,
        }
    }
    /// Surge nodes at hand that stand in for no node that is left behind.
    pub fn free(&self) -> u32 {
        self.arrived.saturating_sub(self.blocked)
    }
}

impl Surge {
    pub(super) fn parameters(cx: &Cx<'_>) -> SurgeParameters {
        cx.options.surge.resolved()
    }
    /// Sorts the batch's nodes into pools. Err names a node whose group is not known.
    pub(super) fn pools(&mut self, cx: &mut Cx<'_>) -> Result<(), String> {
        let (p, way) = (Self::parameters(cx), Way::of(cx));
        let mut found = Vec::new();
        for n in cx.common.here() {
            let Some(node) = cx.node(n) else {
                cx.settle(n, Fate::Retired, "the node was gone before its turn");
                continue;
            };
            if !cx.is_left(n) {
                found.push((n, node, Self::origin(cx, n, node)?));
            }
        }
        // Of the pools, in their order.
        let mut keys: Vec<String> = Vec::new();
        for (n, node, (g, own)) in found.clone() {
            let c = cx.view.catalog;
            let group = c.text(c.groups[g].id).to_owned();
            // EKS and AKS upgrade a group as one. Where its nodes differ the group chooses: an Auto Scaling group takes its types in their order.
            let differs = found.iter().any(|(_, _, (other, machine))| *other == g && *machine != own);
            let machine = own.filter(|_| way == Way::Replaces || !differs);
            let machine = machine.map(|m| c.text(c.machines[m].name).to_owned());
            let zones = c.groups[g].zones.len().max(1) as u32;
            let key = format!("surge-{}/{group}/{}", cx.common.batch, machine.as_deref().unwrap_or("any"));
            // GKE upgrades zone by zone. EKS and AKS leave it to their group, which balances zones; what AKS reimages stays where it is.
            let zone = cx.view.state.nodes[node].spec.labels.get(c.known.zone);
            let zone = zone.filter(|z| way == Way::Replaces && c.groups[g].zones.contains(z));
            let zone = zone.map(|z| c.text(z).to_owned());
            let zone_key = zone.as_ref().map_or(key.clone(), |z| format!("{key}/{z}"));
            let demand = cx.demand(zone_key, group, machine, zone);
            let pool = match keys.iter().position(|k| *k == key) {
                Some(i) => i,
                None => {
                    keys.push(key);
                    self.pools.push(Pool::new(demand, zones, cx.now));
                    self.pools.len() - 1
                }
            };
            self.pools[pool].count += 1;
            self.pools[pool].waiting.push_back(self.olds.len());
            self.olds.push(Old { n, pool, demand: Some(demand), step: Step::Waiting, begun: None, surplus: false });
        }
        if p.preset == SurgePreset::Gke {
            let zones: Vec<Option<String>> = self.olds.iter().map(|o| self.zone(cx, o)).collect();
            for q in &mut self.pools {
                q.waiting.make_contiguous().sort_by(|a, b| zones[*a].cmp(&zones[*b]));
            }
        }
        for q in &mut self.pools {
            q.surge = p.surge_of(q.count, q.surge);
        }
        Ok(())
    }
    /// The group of an old node, and its machine type; one that the group no longer offers is left to the group's choice. Err names a node whose
    /// group is not known.
    fn origin(cx: &Cx<'_>, n: N, node: NodeIdx) -> Result<(GroupIdx, Option<MachineIdx>), String> {
        let state = &cx.view.state.nodes[node];
        let matched = || cx.packer.match_node(cx.view, node, &cx.packer.closed(cx.view, &[]));
        let g = match state.group.map_or_else(matched, |group| Ok(Some(group))) {
            Ok(Some(group)) => group,
            other => {
                let why = other.err().map_or(String::new(), |w| format!(": {w}"));
                return Err(format!("node {} belongs to no known group{why}", cx.node_name(n)));
            }
        };
        let machine = state.spec.machine.filter(|m| cx.view.catalog.groups[g].machines.contains(m));
        Ok((g, machine))
    }
    /// The zone of the node that replaces an old one, where it is kept.
    fn zone(&self, cx: &Cx<'_>, old: &Old) -> Option<String> {
        cx.common.demands[old.demand? as usize].zone.clone()
    }
    /// The zone in which a pool of GKE's is being upgraded: that of the nodes under way, else of the next one.
    fn turn(&self, cx: &Cx<'_>, pool: usize) -> Option<Option<String>> {
        let active = self.active.iter().map(|k| &self.olds[*k]).find(|o| o.pool == pool);
        let next = self.pools[pool].waiting.front().map(|k| &self.olds[*k]);
        let old = active.or(next).filter(|_| Self::parameters(cx).preset == SurgePreset::Gke)?;
        Some(self.zone(cx, old))
    }
    /// The demands of a pool, each once.
    pub(super) fn demands(&self, pool: usize) -> BTreeSet<u32> {
        let of = self.olds.iter().filter(|o| o.pool == pool && !o.surplus);
        of.map(|o| o.demand.unwrap_or(self.pools[pool].demand)).collect()
    }
    /// New nodes that were asked for.
    pub(super) fn asked(&self, cx: &Cx<'_>, pool: usize) -> u32 {
        self.demands(pool).into_iter().map(|d| cx.common.demands[d as usize].total).sum()
    }
    /// Asks for as many new nodes as there is need for now.
    pub(super) fn ensure(&mut self, cx: &mut Cx<'_>, pool: usize) {
        let q = &self.pools[pool];
        let mut wanted: BTreeMap<u32, u32> = BTreeMap::new();
        match Way::of(cx) {
            // Whoever is terminated is replaced, so that the group keeps its size until it shrinks.
            Way::Grows => _ = wanted.insert(q.demand, q.surge + q.replaced),
            Way::Reimages if q.in_place => {}
            Way::Reimages => _ = wanted.insert(q.demand, q.blocked + q.surge.min(q.count - q.done)),
            // One for each old node in the order in which they are drained, in its zone where zones are kept.
            Way::Replaces => {
                let total = q.count.min(q.surge + q.done) as usize;
                let turn = self.turn(cx, pool);
                let begun = self.olds.iter().filter(|o| o.pool == pool && o.step != Step::Waiting);
                let waiting = q.waiting.iter().map(|k| &self.olds[*k]);
                let in_turn = |o: &&Old| turn.as_ref().is_none_or(|zone| *zone == self.zone(cx, o));
                for old in begun.chain(waiting.take_while(in_turn)).take(total) {
                    *wanted.entry(old.demand.unwrap_or(q.demand)).or_default() += 1;
                }
            }
        }
        for (demand, total) in wanted {
            if total > cx.common.demands[demand as usize].total {
                cx.ensure(demand, total);
                self.pools[pool].since = cx.now;
            }
        }
    }
    pub(super) fn count_arrived(&mut self, cx: &Cx<'_>) {
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
    pub(super) fn may_start(&self, cx: &Cx<'_>, pool: usize) -> bool {
        let (p, q) = (Self::parameters(cx), &self.pools[pool]);
        let unavailable = p.unavailable_of(q.count);
        match Way::of(cx) {
            // The group is grown first; then so many at a time, each of which is over once its replacement is Ready.
            Way::Grows => {
                let kept = q.done - q.replaced;
                let most = unavailable.max(1);
                q.arrived >= q.surge && q.started - kept < q.arrived - q.surge + most && self.resting(cx, pool) < most
            }
            // A surge node stands in for each node that is away: drained, soaking, or being reimaged.
            Way::Reimages => {
                let alone = q.in_place || q.surge == 0;
                q.started - q.done < if alone { unavailable } else { q.free().min(q.surge) }
            }
            Way::Replaces => {
                let next = q.waiting.front().map(|k| self.zone(cx, &self.olds[*k]));
                let in_turn = self.turn(cx, pool).is_none_or(|zone| next == Some(zone));
                in_turn && q.started < q.arrived + unavailable
            }
        }
    }
    /// Old nodes of a pool whose turn has not taken its least time.
    fn resting(&self, cx: &Cx<'_>, pool: usize) -> u32 {
        let of = self.olds.iter().filter(|o| o.pool == pool && !o.surplus);
        of.filter(|o| o.begun.is_some_and(|at| cx.now < at + self.interval)).count() as u32
    }
    /// When the next old node of a pool may begin, as far as that is a matter of time alone.
    pub(super) fn next_turn(&self, now: Ms) -> Option<Ms> {
        if self.interval == 0 {
            return None;
        }
        let waits = |o: &&Old| !o.surplus && !self.pools[o.pool].waiting.is_empty();
        let ends = self.olds.iter().filter(waits).filter_map(|o| o.begun).map(|at| at + self.interval);
        ends.filter(|at| *at > now).min()
    }
    /// Whether new nodes are awaited in vain.
    pub(super) fn is_late(&self, cx: &Cx<'_>, pool: usize) -> bool {
        cx.now >= self.pools[pool].since + self.new_nodes_timeout
    }
    /// New nodes that do not come, while nothing else can go on.
    pub(super) fn starved(&mut self, cx: &Cx<'_>) -> Option<Failure> {
        let p = Self::parameters(cx);
        for i in 0..self.pools.len() {
            let (way, q) = (Way::of(cx), &self.pools[i]);
            let (arrived, asked) = (q.arrived, self.asked(cx, i));
            if arrived >= asked || q.started != q.done || !self.is_late(cx, i) || q.surplus.is_some() {
                continue;
            }
            if way == Way::Reimages {
                // It goes on with those that came; without any in place, if it may.
                if q.free() > 0 || q.waiting.is_empty() || q.in_place {
                    continue;
                }
                if p.unavailable_of(q.count) > 0 {
                    self.pools[i].in_place = true;
                    continue;
                }
            }
            let of: Vec<_> = self.demands(i).into_iter().map(|d| &cx.common.demands[d as usize]).collect();
            let trouble = of.iter().find(|d| !d.trouble.is_empty());
            let trouble = trouble.map_or(String::new(), |d| match &d.zone {
                Some(zone) => format!(" (zone {zone}: {})", d.trouble),
                None => format!(" ({})", d.trouble),
            });
            let group = &cx.common.demands[self.pools[i].demand as usize].group;
            let cause = format!("group {group}: {arrived} of {asked} new nodes are Ready{trouble}");
            let failure = cx.failure(Reason::NoNewNodes, cause);
            return Some(match trouble.is_empty() {
                true => failure.with_remedy(late_machines("surge.new_nodes_timeout_ms", self.new_nodes_timeout)),
                false => failure,
            });
        }
        None
    }
}
