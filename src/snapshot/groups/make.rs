//! From a draft in text to a group of the catalogue: sizes resolved, zones and maxima filled in, findings about what was assumed.

use super::Reader;
use super::machines::Known;
use super::ocean::Note;
use crate::cluster::*;
use crate::groups::limits::assumed_max;
use crate::snapshot::requests::most_offered;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a taint's effect may be.
pub(super) const EFFECTS: &str = "NoSchedule, PreferNoSchedule or NoExecute";

/// An effect from its name.
pub(super) fn effect(text: &str) -> Option<Effect> {
    match text {
        "NoSchedule" => Some(Effect::NoSchedule),
        "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
        "NoExecute" => Some(Effect::NoExecute),
        _ => None,
    }
}

/// An effect as vendors' APIs write it: their enums ignore case, and some separate words (`NO_SCHEDULE`). One that is not known is
/// taken for the strictest that a description of a group can mean, and noted.
pub(super) fn vendors_effect(text: &str, at: &str, notes: &mut Vec<Note>) -> Effect {
    let bare: String = text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    match bare.as_str() {
        "noschedule" => Effect::NoSchedule,
        "prefernoschedule" => Effect::PreferNoSchedule,
        "noexecute" => Effect::NoExecute,
        _ => {
            notes.push(("group-value-unknown", format!("{at}: the effect {text} is not known; NoSchedule is taken")));
            Effect::NoSchedule
        }
    }
}

/// A requirement on a label, in text.
#[derive(Clone, Debug)]
pub(super) struct DraftRequirement {
    pub key: String,
    pub operator: Operator,
    pub values: Vec<String>,
    /// As the file has it, for messages.
    pub said: String,
}

impl DraftRequirement {
    /// Whether a value (or its absence) satisfies it.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let number = |t: &str| t.parse::<i64>().ok();
        let compare = |greater: bool| {
            let bound = self.values.first().and_then(|v| number(v));
            match (value.and_then(number), bound) {
                (Some(n), Some(b)) => {
                    if greater {
                        n > b
                    } else {
                        n < b
                    }
                }
                _ => false,
            }
        };
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.iter().any(|w| w == v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.iter().any(|w| w == v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compare(true),
            Operator::Lt => compare(false),
        }
    }
}

/// A machine type as a file names it.
#[derive(Clone, Debug, Default)]
pub(super) struct DraftMachine {
    pub name: String,
    /// Amounts by resource, cpu in milli; None if only the name is given.
    pub allocatable: Option<Vec<(String, i64)>>,
    pub pod_slots: Option<i64>,
    pub labels: Vec<(String, String)>,
    pub zones: Vec<String>,
    pub price: Option<u64>,
    pub spot_price: Option<u64>,
    pub attach_limits: Option<Vec<(String, Option<i64>)>>,
}

/// A group as a file has it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub id: String,
    pub name: String,
    pub origin: GroupOrigin,
    pub is_default: bool,
    pub template_only: bool,
    pub labels: Vec<(String, String)>,
    pub requirements: Vec<DraftRequirement>,
    pub taints: Vec<(String, String, Effect)>,
    /// None for those of the cluster's nodes.
    pub zones: Option<Vec<String>>,
    pub region: Option<String>,
    pub machines: Vec<DraftMachine>,
    pub min_count: u32,
    pub max_count: Option<u32>,
    pub limits: Vec<(String, i64)>,
    pub weight: i32,
    pub headroom: Vec<(Vec<(String, i64)>, u32)>,
    pub auto_headroom_percent: u32,
    pub launch_delay: Option<Delay>,
    pub launch_failure_ppm: u32,
    pub spot_percent: Option<u32>,
    pub fallback_to_od: bool,
    pub restrict_scale_down: bool,
    pub draining_timeout_ms: Option<i64>,
    /// Version of Kubernetes of its nodes, where it is pinned.
    pub kubernetes_version: Option<String>,
    /// Pod slots that the group sets for all its machine types (Azure `maxPodsPerNode`).
    pub pod_slots: Option<i64>,
    /// Why there is no machine type, where it is not that no size is known.
    pub without_machines: Option<String>,
}

impl Reader<'_> {
    /// Adds a group to the catalogue.
    pub(super) fn add(&mut self, draft: Draft) {
        let object = format!("NodeGroup/{}", draft.name);
        let machines: Vec<MachineIdx> =
            draft.machines.iter().filter_map(|m| self.machine(&object, m, draft.pod_slots)).collect();
        if machines.is_empty() && !draft.template_only {
            let why = draft.without_machines.clone().unwrap_or_else(|| "no machine type of known size".into());
            self.say("group-without-machines", &object, format!("{why}: the group can launch nothing"));
        }
        if draft.origin != GroupOrigin::Own && draft.zones.is_none() && !self.zones.is_empty() {
            let zones = self.zones.join(", ");
            let message = format!("the description names no zones; those of the cluster's nodes are assumed: {zones}");
            self.say("group-zones-assumed", &object, message);
        }
        let zones = self.resolve_zones(draft.zones.clone().unwrap_or_else(|| self.zones.clone()));
        let catalog = Arc::make_mut(&mut self.cluster.catalog);
        let mut pairs = |pairs: &[(String, String)]| -> Labels {
            Labels::new(
                pairs.iter().map(|(k, v)| (catalog.names.intern(k), catalog.names.intern(v))).collect::<Vec<_>>(),
            )
        };
        let labels = pairs(&draft.labels);
        let expressions = draft.requirements.iter().map(|r| requirement(catalog, r)).collect();
        let group = NodeGroup {
            id: catalog.names.intern(&draft.id),
            name: catalog.names.intern(&draft.name),
            origin: draft.origin,
            is_default: draft.is_default,
            template_only: draft.template_only,
            labels,
            requirements: NodeSelectorTerm { expressions, fields: Vec::new() },
            taints: draft
                .taints
                .iter()
                .map(|(k, v, e)| Taint { key: catalog.names.intern(k), value: catalog.names.intern(v), effect: *e })
                .collect(),
            zones: zones.iter().map(|z| catalog.names.intern(z)).collect(),
            region: draft.region.as_deref().map(|r| catalog.names.intern(r)),
            machines,
            min_count: draft.min_count,
            max_count: draft.max_count.unwrap_or(0),
            limits: draft.limits.iter().map(|(r, n)| (catalog.resource(r), *n)).collect(),
            weight: draft.weight,
            headroom: draft
                .headroom
                .iter()
                .map(|(unit, units)| Headroom {
                    unit: unit.iter().map(|(r, n)| (catalog.resource(r), *n)).collect(),
                    units: *units,
                })
                .collect(),
            auto_headroom_percent: draft.auto_headroom_percent,
            launch_delay: draft.launch_delay,
            launch_failure_ppm: draft.launch_failure_ppm,
            spot_percent: draft.spot_percent,
            fallback_to_od: draft.fallback_to_od,
            restrict_scale_down: draft.restrict_scale_down,
            draining_timeout_ms: draft.draining_timeout_ms,
            kubernetes_version: draft.kubernetes_version.as_deref().map(|v| catalog.names.intern(v)),
            max_is_assumed: draft.max_count.is_none(),
        };
        catalog.groups.push(group);
    }

    /// A machine type of the catalogue; None, with a finding, if its size is not known.
    fn machine(&mut self, object: &str, draft: &DraftMachine, slots: Option<i64>) -> Option<MachineIdx> {
        let known = self.known.types.get(&draft.name).cloned();
        if draft.allocatable.is_none() && known.as_ref().is_none_or(|k| k.allocatable.is_empty()) {
            let message = format!(
                "machine type {}: neither the file, nor a catalogue, nor a node of the cluster tells its size; it is left out",
                draft.name
            );
            self.say("machine-size-unknown", object, message);
            return None;
        }
        let known = known.unwrap_or_default();
        if draft.allocatable.is_none() && known.assumed_reservation {
            self.reserved.insert(draft.name.clone());
        }
        let Known { allocatable, pod_slots, labels, zones, price, spot_price, attach_limits, .. } = known;
        let amounts = draft.allocatable.clone().unwrap_or_else(|| allocatable.into_iter().collect());
        let zones = self.resolve_zones(if draft.zones.is_empty() { zones } else { draft.zones.clone() });
        let catalog = Arc::make_mut(&mut self.cluster.catalog);
        let mut allocatable = Vec::new();
        for (resource, amount) in amounts.iter().filter(|a| a.0 != "pods") {
            let index = catalog.resource(resource);
            allocatable.resize(allocatable.len().max(index.at() + 1), 0);
            allocatable[index.at()] = most_offered(*amount);
        }
        let mut all = Labels::default();
        for (k, v) in labels.iter().chain(&draft.labels) {
            all.set(catalog.names.intern(k), catalog.names.intern(v));
        }
        let fallback = if pod_slots > 0 { pod_slots } else { 110 };
        let machine = MachineType {
            name: catalog.names.intern(&draft.name),
            allocatable,
            pod_slots: slots.or(draft.pod_slots).unwrap_or(fallback).clamp(0, i64::from(i32::MAX)),
            labels: all,
            zones: zones.iter().map(|z| catalog.names.intern(z)).collect(),
            price_micros_per_hour: draft.price.or(price),
            spot_price_micros_per_hour: draft.spot_price.or(spot_price),
            attach_limits: draft.attach_limits.clone().or(attach_limits).map(|l| {
                l.iter()
                    .map(|(d, count)| AttachLimit {
                        driver: catalog.names.intern(d),
                        count: count.map(|n| n.clamp(0, i64::from(i32::MAX))),
                    })
                    .collect()
            }),
        };
        let same = catalog.machines.entries().find(|(_, m)| **m == machine).map(|(i, _)| i);
        Some(same.unwrap_or_else(|| catalog.machines.push(machine)))
    }

    /// Azure numbers its zones within a region: `1` is `westeurope-1` where the cluster's nodes say so.
    fn resolve_zones(&self, zones: Vec<String>) -> Vec<String> {
        let full = |zone: String| {
            let tail = format!("-{zone}");
            self.zones
                .iter()
                .find(|z| **z != zone && z.ends_with(&tail))
                .filter(|_| !self.zones.contains(&zone))
                .cloned()
                .unwrap_or(zone)
        };
        zones.into_iter().map(full).collect()
    }

    /// Sets assumed maxima now that nodes know their groups, and says what was assumed.
    pub(super) fn settle(&mut self) {
        let mut counts = vec![0u32; self.cluster.catalog.groups.len()];
        for node in self.cluster.state.live_nodes() {
            if let Some(group) = self.cluster.state.nodes[node].group {
                counts[group.at()] += 1;
            }
        }
        let mut assumed = Vec::new();
        let catalog = Arc::make_mut(&mut self.cluster.catalog);
        for (group, now) in catalog.groups.iter_mut().zip(counts).filter(|(g, _)| g.max_is_assumed) {
            group.max_count = assumed_max(now).max(group.min_count);
            assumed.push((group.name, group.max_count));
        }
        for (name, max) in assumed {
            let object = format!("NodeGroup/{}", self.cluster.catalog.text(name));
            let message =
                format!("no maximum count is given; {max} is assumed (twice the nodes of now, at least ten more)");
            self.say("group-max-assumed", &object, message);
        }
        if !self.reserved.is_empty() {
            let names: Vec<&str> = self.reserved.iter().map(String::as_str).collect();
            let message = format!(
                "the catalogue gives the capacity of {}; 100m cpu and 10Mi memory are taken off for kubelet and system, as no node of these types tells more",
                names.join(", ")
            );
            self.say("machine-reservation-assumed", "MachineType", message);
        }
    }
}

fn requirement(catalog: &mut Catalog, r: &DraftRequirement) -> Requirement {
    Requirement {
        key: catalog.names.intern(&r.key),
        operator: r.operator,
        values: r.values.iter().map(|v| catalog.names.intern(v)).collect(),
        bound: match r.operator {
            Operator::Gt | Operator::Lt => r.values.first().and_then(|v| v.parse().ok()),
            _ => None,
        },
    }
}

/// Names of machine types, without repeats, in order.
pub(super) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<DraftMachine> {
    let mut seen = BTreeSet::new();
    names
        .into_iter()
        .filter(|n| seen.insert(*n))
        .map(|n| DraftMachine { name: n.into(), ..DraftMachine::default() })
        .collect()
}
