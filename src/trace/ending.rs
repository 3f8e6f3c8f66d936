//! Where a migration ends: its nodes by group and instance type, what they cost, what room is left, and what it launched in pools that it leaves.

use super::event::NodeRole;
use super::metrics::{CapacityPoint, NodeRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes of one group and instance type.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GroupNodes {
    /// Node group; null for nodes of none.
    pub group: Option<String>,
    /// Instance type, where known.
    pub machine_type: Option<String>,
    /// Nodes when the migration starts.
    pub before: u64,
    /// Nodes when the cluster has most.
    pub peak: u64,
    /// Nodes when the migration ends.
    pub after: u64,
    /// Of these the old ones that were drained and are still there.
    pub drained: u64,
}

/// What is free at the end, on ready nodes that are not old and were not cordoned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Headroom {
    /// Such nodes.
    pub nodes: u64,
    /// Thousandths of a core that no pod requests.
    pub cpu_milli: i64,
    /// The same of what these nodes can allocate, in percent, cut.
    pub cpu_percent: i64,
    /// Bytes that no pod requests.
    pub memory_bytes: i64,
    /// The same of what these nodes can allocate, in percent, cut.
    pub memory_percent: i64,
}

/// Nodes that were launched in a group that the migration leaves: all of its nodes are to be emptied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrownSource {
    /// The group.
    pub group: String,
    /// Nodes launched there.
    pub launched: u64,
    /// Pods that run there at the end, without those of DaemonSets.
    pub pods: u64,
}

/// Where a migration ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ending {
    /// Nodes by group and instance type.
    pub groups: Vec<GroupNodes>,
    /// When the cluster first has most nodes, milliseconds.
    pub peak_ms: u64,
    /// How many nodes more than before there are at most.
    pub surge: u64,
    /// Price of all nodes per hour when it starts, millionths of the currency unit; null if any node's price is unknown.
    pub price_before_micros: Option<u64>,
    /// The same when the cluster has most nodes.
    pub price_peak_micros: Option<u64>,
    /// The same when it ends.
    pub price_after_micros: Option<u64>,
    /// What the run costs more than the nodes of the start would in that time, millionths of the currency unit; negative if it costs less.
    pub extra_cost_micros: Option<i64>,
    /// What is free at the end.
    pub headroom: Headroom,
    /// Groups that the migration leaves and in which nodes were launched.
    pub grown_sources: Vec<GrownSource>,
}

/// What one node has at the end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoomAtEnd {
    pub ready: bool,
    pub cpu: (i64, i64),
    pub memory: (i64, i64),
    pub pods: u64,
}

impl Ending {
    /// Made from the rows of nodes and the steps of the capacity. `rooms`: allocatable, requested and pods of each node that is there at the end.
    pub(super) fn of(
        nodes: &[NodeRow],
        capacity: &[CapacityPoint],
        (start_ms, end_ms): (u64, u64),
        cost_micros: Option<u64>,
        rooms: &BTreeMap<usize, RoomAtEnd>,
    ) -> Ending {
        let peak =
            capacity.iter().filter(|c| c.t_ms <= end_ms).max_by_key(|c| (c.nodes_present, std::cmp::Reverse(c.t_ms)));
        let peak_ms = peak.map_or(start_ms, |c| c.t_ms);
        let there = |n: &NodeRow, at: u64| n.added_ms <= at && n.deleted_ms.is_none_or(|gone| gone > at);
        let mut groups: BTreeMap<(Option<String>, Option<String>), GroupNodes> = BTreeMap::new();
        for n in nodes {
            let key = (n.group.clone(), n.machine_type.clone());
            let row = groups.entry(key.clone()).or_insert_with(|| GroupNodes {
                group: key.0,
                machine_type: key.1,
                ..GroupNodes::default()
            });
            let after = there(n, end_ms);
            row.before += u64::from(n.initial);
            row.peak += u64::from(there(n, peak_ms));
            row.after += u64::from(after);
            row.drained += u64::from(after && n.role == NodeRole::Old && n.drained_ms.is_some());
        }
        let price = |wanted: &dyn Fn(&NodeRow) -> bool| -> Option<u64> {
            nodes.iter().filter(|n| wanted(n)).map(|n| n.price_micros_per_hour).sum()
        };
        let before = price(&|n| n.initial).filter(|_| !nodes.is_empty());
        let spent = before.map(|p| u128::from(p) * u128::from(end_ms.saturating_sub(start_ms)) / 3_600_000);
        let extra = cost_micros.zip(spent).map(|(cost, spent)| {
            i64::try_from(i128::from(cost) - i128::try_from(spent).unwrap_or(i128::MAX)).unwrap_or(i64::MAX)
        });
        let first = nodes.iter().filter(|n| n.initial).count() as u64;
        let most = nodes.iter().filter(|n| there(n, peak_ms)).count() as u64;
        Ending {
            groups: groups.into_values().collect(),
            peak_ms,
            surge: most.saturating_sub(first),
            price_before_micros: before,
            price_peak_micros: price(&|n| there(n, peak_ms)).filter(|_| !nodes.is_empty()),
            price_after_micros: price(&|n| there(n, end_ms)).filter(|_| !nodes.is_empty()),
            extra_cost_micros: extra,
            headroom: headroom(nodes, rooms),
            grown_sources: grown_sources(nodes, rooms),
        }
    }
}

fn headroom(nodes: &[NodeRow], rooms: &BTreeMap<usize, RoomAtEnd>) -> Headroom {
    let mut h = Headroom::default();
    let (mut cpu, mut memory) = (0, 0);
    for (index, room) in rooms {
        let n = &nodes[*index];
        let cordoned = n.cordoned_ms.is_some() && n.uncordoned_ms.is_none_or(|u| Some(u) < n.cordoned_ms);
        if !room.ready || cordoned || n.role == NodeRole::Old {
            continue;
        }
        h.nodes += 1;
        cpu += room.cpu.0;
        memory += room.memory.0;
        h.cpu_milli += (room.cpu.0 - room.cpu.1).max(0);
        h.memory_bytes += (room.memory.0 - room.memory.1).max(0);
    }
    let percent = |free: i64, of: i64| if of > 0 { (i128::from(free) * 100 / i128::from(of)) as i64 } else { 0 };
    h.cpu_percent = percent(h.cpu_milli, cpu);
    h.memory_percent = percent(h.memory_bytes, memory);
    h
}

fn grown_sources(nodes: &[NodeRow], rooms: &BTreeMap<usize, RoomAtEnd>) -> Vec<GrownSource> {
    let of = |role| {
        nodes.iter().filter(move |n| n.initial && (n.role == NodeRole::Old) == role).filter_map(|n| n.group.as_ref())
    };
    let stays: BTreeSet<&String> = of(false).collect();
    // A group of which some nodes stay is not being left: that it makes up for the others is what is wanted of it.
    let left: BTreeSet<&String> = of(true).filter(|g| !stays.contains(g)).collect();
    let mut grown: BTreeMap<&String, GrownSource> = BTreeMap::new();
    for (index, n) in nodes.iter().enumerate().filter(|(_, n)| n.role == NodeRole::New) {
        let Some(group) = n.group.as_ref().filter(|g| left.contains(g)) else { continue };
        let row = grown.entry(group).or_insert_with(|| GrownSource { group: group.clone(), ..GrownSource::default() });
        row.launched += 1;
        row.pods += rooms.get(&index).map_or(0, |r| r.pods);
    }
    grown.into_values().collect()
}
