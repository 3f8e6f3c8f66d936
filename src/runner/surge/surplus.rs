//! The end of an upgrade: the nodes that a group has more than before are drained and given back.
//!
//! EKS lowers the size of its Auto Scaling group by one at a time; which instance goes is the group's choice: its default termination policy
//! takes one of the zone with the most instances, of these the oldest (all have the same launch template by then). AKS removes its surge
//! nodes, but for one for each node that was left cordoned.

use super::pool::Way;
use super::{Old, Step, Surge};
use crate::cluster::NodeIdx;
use crate::runner::client::Ask;
use crate::runner::common::Fate;
use crate::runner::context::Cx;
use crate::runner::outcome::Reason;
use std::collections::BTreeMap;

impl Surge {
    /// Begins with the next surplus nodes, once all old nodes are over. Says whether all that had to go are gone.
    pub(super) fn remove_surplus(&mut self, cx: &mut Cx<'_>) -> bool {
        let way = Way::of(cx);
        // After a failure AKS still removes its surge nodes; EKS documents nothing, and leaves its group as it is (C).
        if self.stopped || self.failed.is_some() && way != Way::Reimages {
            return true;
        }
        let mut all = true;
        for pool in 0..self.pools.len() {
            all &= self.remove_of(cx, pool, way);
        }
        all
    }
    fn remove_of(&mut self, cx: &mut Cx<'_>, pool: usize, way: Way) -> bool {
        let under_way = |s: &Surge| s.active.iter().filter(|k| s.olds[**k].pool == pool).count();
        let failed = self.failed.is_some();
        if self.pools[pool].surplus.is_none() {
            if under_way(self) > 0 || !failed && !self.pools[pool].waiting.is_empty() {
                return false;
            }
            let awaits = self.pools[pool].arrived < self.asked(cx, pool);
            if awaits && !failed && !self.is_late(cx, pool) {
                return false;
            }
            let q = &mut self.pools[pool];
            let surplus = match way {
                _ if !cx.options.terminates() => 0,
                Way::Grows => q.arrived.saturating_sub(q.replaced),
                Way::Reimages => q.free(),
                Way::Replaces => 0,
            };
            q.surplus = Some(surplus);
            self.withdraw(cx, pool, way);
        }
        // EKS one after the other, as documented; AKS as many at once as it upgrades (C).
        let at_once = if way == Way::Grows { 1 } else { self.pools[pool].surge.max(1) as usize };
        while under_way(self) < at_once && self.pools[pool].surplus.unwrap_or(0) > under_way(self) as u32 {
            let Some(node) = self.next_surplus(cx, pool, way) else {
                // Somebody else has removed some.
                self.pools[pool].surplus = Some(under_way(self) as u32);
                break;
            };
            let n = cx.add_surplus(node);
            self.olds.push(Old { n, pool, demand: None, step: Step::Waiting, begun: None, surplus: true });
            self.begin_node(cx, self.olds.len() - 1);
        }
        self.pools[pool].surplus == Some(0)
    }
    /// New nodes that have not come by now are not asked for again: they would come while others go, or after them.
    fn withdraw(&mut self, cx: &mut Cx<'_>, pool: usize, way: Way) {
        let demands = self.demands(pool);
        for demand in &demands {
            cx.common.demands[*demand as usize].again_at = None;
        }
        self.again.retain(|(_, ask)| !matches!(ask, Ask::Ensure { demand, .. } if demands.contains(demand)));
        if way != Way::Replaces {
            let q = &self.pools[pool];
            let demand = &mut cx.common.demands[q.demand as usize];
            demand.total = demand.total.min(q.arrived);
        }
    }
    /// Which node goes next.
    fn next_surplus(&self, cx: &Cx<'_>, pool: usize, way: Way) -> Option<NodeIdx> {
        let demands = self.demands(pool);
        let (c, s) = (cx.view.catalog, cx.view.state);
        let of = cx.arrived_nodes().into_iter().filter(|(d, _)| demands.contains(&(*d as u32))).map(|(_, node)| node);
        let mut nodes: Vec<NodeIdx> = of.collect();
        nodes.sort_by_key(|n| (s.nodes[*n].created, s.node_name(c, *n)));
        if way == Way::Reimages {
            // The first ones stay in the place of those that are left cordoned.
            return nodes.get(self.pools[pool].blocked as usize).copied();
        }
        let zone = |n: &NodeIdx| s.nodes[*n].spec.labels.get(c.known.zone).map_or("", |z| s.name(c, z));
        let mut in_zone: BTreeMap<&str, u32> = BTreeMap::new();
        let group = nodes.first().and_then(|n| s.nodes[*n].group);
        for node in s.live_nodes().filter(|n| s.nodes[*n].group == group) {
            *in_zone.entry(zone(&node)).or_default() += 1;
        }
        let most = nodes.iter().map(|n| in_zone[zone(n)]).max()?;
        nodes.into_iter().find(|n| in_zone[zone(n)] == most)
    }
    /// A surplus node is over: gone, or left for this reason.
    pub(super) fn finish_surplus(&mut self, cx: &mut Cx<'_>, k: usize, fate: Fate, why: &str) {
        let (n, pool) = (self.olds[k].n, self.olds[k].pool);
        self.active.retain(|a| *a != k);
        cx.settle(n, fate, why);
        let node = &mut cx.common.nodes[n.at()];
        let removed = node.fate.is_replaced();
        if !removed && node.reason.is_none() {
            node.reason = Some(Reason::SurplusLeft);
        }
        if removed {
            let demand = &mut cx.common.demands[self.pools[pool].demand as usize];
            demand.total = demand.total.saturating_sub(1);
        }
        self.olds[k].step = if removed { Step::Done } else { Step::Held };
        if let Some(left) = &mut self.pools[pool].surplus {
            *left = left.saturating_sub(1);
        }
    }
}
