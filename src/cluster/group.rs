//! Node groups: where new nodes come from (VNGs, node pools, NodePools).

use super::delay::Delay;
use super::ids::*;
use super::intern::Sym;
use super::labels::{Labels, NodeSelectorTerm};
use super::taint::Taint;

/// Where a group's description came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupOrigin {
    /// Ocean AWS `launchSpec`.
    OceanAws,
    /// Ocean Azure `virtualNodeGroup`.
    OceanAzure,
    /// Karpenter NodePool.
    Karpenter,
    /// nodeferry's own form.
    Own,
    /// Read off the nodes of the dump.
    Inferred,
}

/// What one machine of a kind gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineType {
    /// Name, as `node.kubernetes.io/instance-type` has it.
    pub name: Sym,
    /// Allocatable by resource (reservations taken off), as long as the catalogue's list of resources; cpu in milli.
    pub allocatable: Vec<i64>,
    /// Pods it takes.
    pub pod_slots: i64,
    /// Labels that its nodes carry besides the group's (arch, instance family …).
    pub labels: Labels,
    /// Zones it is offered in; empty for all.
    pub zones: Vec<Sym>,
    /// Millionths of a currency unit per hour, where known.
    pub price_micros_per_hour: Option<u64>,
    /// Spot price, where known.
    pub spot_price_micros_per_hour: Option<u64>,
    /// Attach limits by CSI driver; None if unknown, then as the group's existing nodes have it.
    pub attach_limits: Option<Vec<super::node::AttachLimit>>,
}

/// Spare capacity a group keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Amounts of one unit by resource.
    pub unit: Vec<(ResIdx, i64)>,
    /// How many units.
    pub units: u32,
}

/// A node group.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeGroup {
    /// Identity (`ols-…`, pool name).
    pub id: Sym,
    /// Name.
    pub name: Sym,
    /// Where it came from.
    pub origin: GroupOrigin,
    /// Ocean's default VNG: last in line.
    pub is_default: bool,
    /// Only lends its settings to others, launches nothing itself.
    pub template_only: bool,
    /// Labels of its nodes.
    pub labels: Labels,
    /// Requirements on labels that leave a choice (Karpenter), beyond machine types and zones.
    pub requirements: NodeSelectorTerm,
    /// Taints of its nodes.
    pub taints: Vec<Taint>,
    /// Zones; empty where the provider chooses (nodes then carry no zone label).
    pub zones: Vec<Sym>,
    /// Region, for the topology label.
    pub region: Option<Sym>,
    /// Machine types, in order of preference.
    pub machines: Vec<MachineIdx>,
    /// Fewest nodes.
    pub min_count: u32,
    /// Most nodes; the count at which it is full.
    pub max_count: u32,
    /// Most of each resource over all nodes (Karpenter `limits`).
    pub limits: Vec<(ResIdx, i64)>,
    /// Karpenter weight, or other priority: higher first.
    pub weight: i32,
    /// Explicit headroom.
    pub headroom: Vec<Headroom>,
    /// Automatic headroom in percent of what is requested.
    pub auto_headroom_percent: u32,
    /// Launch requested → node Ready; None for the scenario's default.
    pub launch_delay: Option<Delay>,
    /// Probability that a launch fails, in parts per million.
    pub launch_failure_ppm: u32,
    /// Share of spot machines in percent, where known.
    pub spot_percent: Option<u32>,
    /// Falls back to on-demand when there is no spot capacity.
    pub fallback_to_od: bool,
    /// Nodes are not scaled down for packing.
    pub restrict_scale_down: bool,
    /// Draining timeout in milliseconds, where given.
    pub draining_timeout_ms: Option<i64>,
    /// Version of Kubernetes of its nodes, where it is pinned.
    pub kubernetes_version: Option<Sym>,
    /// `max_count` was not given but assumed; said in the output.
    pub max_is_assumed: bool,
}
