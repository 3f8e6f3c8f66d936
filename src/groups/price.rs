//! What a node costs.

use crate::cluster::{Cluster, MachineIdx, MachineType, NodeGroup, NodeIdx, Sym};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Millionths in one currency unit.
pub const MICROS: u64 = 1_000_000;

/// The price of a node of a group, millionths of a currency unit per hour; None where unknown.
///
/// Where the group mixes spot and on-demand, the average by its share (docs/reference/ocean.md#autoscaler: spot 100 % on AWS by default).
pub fn price_of(group: &NodeGroup, machine: &MachineType) -> Option<u64> {
    let spot = u64::from(group.spot_percent.unwrap_or(0).min(100));
    match (machine.spot_price_micros_per_hour, machine.price_micros_per_hour) {
        (Some(s), Some(od)) => Some((s * spot + od * (100 - spot)) / 100),
        (Some(s), None) if spot == 100 => Some(s),
        (_, od) => od,
    }
}

/// The cost of a price over a time, in millionths of a currency unit, rounded down.
pub fn cost_micros(price_micros_per_hour: u64, ms: u64) -> u64 {
    u64::try_from(u128::from(price_micros_per_hour) * u128::from(ms) / 3_600_000).unwrap_or(u64::MAX)
}

/// Millionths from a decimal price as JSON and YAML give it (`0.0271`); None if negative, not finite or above a million.
pub fn micros(price: f64) -> Option<u64> {
    (price.is_finite() && (0.0..=1e6).contains(&price)).then(|| libm::round(price * MICROS as f64) as u64)
}

/// Gives the nodes of a cluster the prices of their machine types, where known: as their group has the type, else as any has it.
pub fn price_nodes(cluster: &mut Cluster) {
    let Cluster { catalog, state } = cluster;
    let mut by_name: FxHashMap<Sym, MachineIdx> = FxHashMap::default();
    for (index, machine) in catalog.machines.entries() {
        by_name.entry(machine.name).or_insert(index);
    }
    let nodes: Vec<NodeIdx> =
        state.live_nodes().filter(|n| state.nodes[*n].spec.price_micros_per_hour.is_none()).collect();
    for node in nodes {
        let known = state.nodes[node].spec.machine;
        let Some(name) =
            state.nodes[node].spec.labels.get(catalog.known.instance_type).or(known.map(|m| catalog.machines[m].name))
        else {
            continue;
        };
        let group = state.nodes[node].group.map(|g| &catalog.groups[g]);
        let own = group.and_then(|g| g.machines.iter().copied().find(|m| catalog.machines[*m].name == name));
        let Some(machine) = own.or_else(|| by_name.get(&name).copied()) else { continue };
        let kind = &catalog.machines[machine];
        let price = match group {
            Some(group) => price_of(group, kind),
            None => kind.price_micros_per_hour,
        };
        let spec = Arc::make_mut(&mut state.nodes[node].spec);
        spec.price_micros_per_hour = price;
        spec.machine = spec.machine.or(Some(machine));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_integers() {
        assert_eq!(micros(0.027_147_483_648), Some(27_147));
        assert_eq!(micros(-1.0), None);
        assert_eq!(micros(f64::NAN), None);
        assert_eq!(cost_micros(3_600_000, 1_000), 1_000);
    }
}
