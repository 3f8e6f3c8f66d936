//! In which order nodes are looked at (S/backend/cache/node_tree.go): round-robin over zones in first-seen order.

use crate::cluster::{Labels, NodeIdx, Sym, WellKnown};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

type ZoneKey = (Option<Sym>, Option<Sym>);

/// The order of nodes.
#[derive(Clone, Debug, Default)]
pub struct NodeOrder {
    zones: IndexMap<ZoneKey, Vec<NodeIdx>, FxBuildHasher>,
    list: Vec<NodeIdx>,
    stale: bool,
}

/// Region and zone of a node (component-helpers `topology.GetZoneKey`): the deprecated labels win where they exist.
fn zone_key(labels: &Labels, known: &WellKnown) -> ZoneKey {
    let value = |beta, stable| labels.get(beta).or_else(|| labels.get(stable)).filter(|v| *v != known.empty);
    (value(known.region_beta, known.region), value(known.zone_beta, known.zone))
}

impl NodeOrder {
    /// Appends a node to its zone.
    pub fn add(&mut self, node: NodeIdx, labels: &Labels, known: &WellKnown) {
        self.zones.entry(zone_key(labels, known)).or_default().push(node);
        self.stale = true;
    }
    /// Takes a node away, and its zone if that is empty then.
    pub fn remove(&mut self, node: NodeIdx, labels: &Labels, known: &WellKnown) {
        let key = zone_key(labels, known);
        if let Some(nodes) = self.zones.get_mut(&key) {
            nodes.retain(|n| *n != node);
            if nodes.is_empty() {
                self.zones.shift_remove(&key);
            }
            self.stale = true;
        }
    }
    /// Brings [`NodeOrder::list`] up to date.
    pub fn refresh(&mut self) {
        if !self.stale {
            return;
        }
        self.stale = false;
        self.list.clear();
        let longest = self.zones.values().map(Vec::len).max().unwrap_or(0);
        for round in 0..longest {
            self.list.extend(self.zones.values().filter_map(|nodes| nodes.get(round)));
        }
    }
    /// All nodes in order, as of the last refresh.
    pub fn list(&self) -> &[NodeIdx] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Catalog;

    #[test]
    fn round_robin_over_zones_in_first_seen_order() {
        let mut catalog = Catalog::new();
        let zone = |name: &str, catalog: &mut Catalog| Labels::new([(catalog.known.zone, catalog.names.intern(name))]);
        let (a, b) = (zone("a", &mut catalog), zone("b", &mut catalog));
        let mut order = NodeOrder::default();
        for (node, labels) in [(0, &b), (1, &a), (2, &a), (3, &a), (4, &b)] {
            order.add(NodeIdx(node), labels, &catalog.known);
        }
        order.refresh();
        assert_eq!(order.list(), [0, 1, 4, 2, 3].map(NodeIdx));
        order.remove(NodeIdx(0), &b, &catalog.known);
        order.remove(NodeIdx(4), &b, &catalog.known);
        order.add(NodeIdx(5), &b, &catalog.known);
        order.refresh();
        assert_eq!(order.list(), [1, 5, 2, 3].map(NodeIdx), "an emptied zone comes back last");
    }
}
