//! nodeferry's own form of node groups: YAML or JSON with everything that a simulation can use.

use super::make::{Draft, DraftMachine};
use super::{GroupsError, Reader};
use crate::cluster::{Delay, GroupOrigin};
use crate::snapshot::complaint::plain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Node groups: where new nodes come from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupsFile {
    /// The groups, in order of creation (the first that matches a node counts).
    pub groups: Vec<Group>,
    /// Machine types that several groups name.
    #[serde(default)]
    pub machine_types: Vec<Machine>,
}

/// A node group (VNG, node pool, NodePool).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Identity; the name if not given.
    pub id: Option<String>,
    /// The default group: last in line, and what a node without labels and taints belongs to.
    pub default: bool,
    /// Lends its settings only, launches nothing.
    pub template_only: bool,
    /// Labels of its nodes, beside those that every node gets (hostname, zone, machine type, architecture, operating system).
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    pub taints: Vec<GroupTaint>,
    /// Zones; those of the cluster's nodes if not given; an empty list for nodes without a zone.
    pub zones: Option<Vec<String>>,
    /// Region, for the label; that of the zone's nodes if not given.
    pub region: Option<String>,
    /// Machine types in order of preference.
    pub machine_types: Vec<Machine>,
    /// Fewest nodes. Default 0.
    pub min_count: u32,
    /// Most nodes. If not given: twice the nodes it has now, at least ten more, and the output says so.
    pub max_count: Option<u32>,
    /// Most of each resource over all its nodes, by name (`cpu: "100"`, `memory: 400Gi`).
    pub limits: BTreeMap<String, Value>,
    /// Higher first. Default 0.
    pub weight: i32,
    /// Spare capacity it keeps.
    pub headroom: Vec<GroupHeadroom>,
    /// Spare capacity in percent of what is requested on its nodes. Default 0.
    pub auto_headroom_percent: u32,
    /// From the request of a machine to its node being Ready; the scenario's if not given.
    pub launch_delay: Option<Delay>,
    /// Probability that a launch fails, 0 to 1. Default 0.
    pub launch_failure_probability: f64,
    /// Share of spot machines in percent. Default 0.
    pub spot_percent: Option<u32>,
    /// Falls back to on-demand without spot capacity. Default false.
    pub fallback_to_on_demand: bool,
    /// Its nodes are not removed to pack tighter. Default false.
    pub restrict_scale_down: bool,
    /// Draining timeout in milliseconds.
    pub draining_timeout_ms: Option<i64>,
}

/// A taint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupTaint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// One kind of headroom: so many units of so much.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupHeadroom {
    /// Amounts of one unit by resource (`cpu: 500m`).
    pub unit: BTreeMap<String, Value>,
    /// How many units.
    pub units: u32,
}

/// A machine type. With only a name its size is that of the file's `machine_types`, of `--machine-types`, or of a node of that type.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Name, the value of `node.kubernetes.io/instance-type`.
    pub name: String,
    /// What pods can have of it, by resource, with `pods` (reservations taken off); extended resources too.
    pub allocatable: BTreeMap<String, Value>,
    /// What the machine has; with `reserved` an alternative to `allocatable`.
    pub capacity: BTreeMap<String, Value>,
    /// What the cloud and the kubelet keep of the capacity.
    pub reserved: BTreeMap<String, Value>,
    /// Labels that its nodes carry besides the group's.
    pub labels: BTreeMap<String, String>,
    /// Zones it is offered in; all if not given.
    pub zones: Vec<String>,
    /// Price per hour in any currency, the same for all.
    pub price_per_hour: Option<f64>,
    /// Spot price per hour.
    pub spot_price_per_hour: Option<f64>,
    /// Most attached volumes by CSI driver; as nodes of the type have it if not given.
    pub attach_limits: BTreeMap<String, i64>,
}

/// Reads a file of our own form into drafts. Unknown fields are refused.
pub(super) fn read(reader: &mut Reader<'_>, file: &str, value: &Value) -> Result<Vec<Draft>, GroupsError> {
    let parsed: GroupsFile = crate::typed::from_value(value).map_err(|e| GroupsError::Form {
        file: file.into(),
        path: e.path,
        problem: plain(&e.what),
        expected: "the form that `nodeferry schema groups` prints".into(),
    })?;
    for (i, machine) in parsed.machine_types.iter().enumerate() {
        let draft = draft_machine(file, &format!("machine_types[{i}]"), machine)?;
        reader.define(draft);
    }
    let mut drafts = Vec::new();
    for (i, group) in parsed.groups.iter().enumerate() {
        drafts.push(draft_group(file, &format!("groups[{i}]"), group)?);
    }
    Ok(drafts)
}

fn wrong(file: &str, path: String, problem: impl Into<String>, expected: &str) -> GroupsError {
    GroupsError::Form { file: file.into(), path, problem: problem.into(), expected: expected.into() }
}

fn draft_group(file: &str, at: &str, group: &Group) -> Result<Draft, GroupsError> {
    if group.name.is_empty() {
        return Err(wrong(file, format!("{at}.name"), "it is missing", "a name"));
    }
    if !(0.0..=1.0).contains(&group.launch_failure_probability) {
        let found = group.launch_failure_probability.to_string();
        return Err(wrong(
            file,
            format!("{at}.launch_failure_probability"),
            format!("found {found}"),
            "a number from 0 to 1",
        ));
    }
    if group.max_count.is_some_and(|m| m < group.min_count) {
        return Err(wrong(file, format!("{at}.max_count"), "it is below min_count", "at least min_count"));
    }
    if let Some(problem) = group.launch_delay.as_ref().and_then(Delay::problem) {
        return Err(wrong(file, format!("{at}.launch_delay"), problem, "a distribution of milliseconds"));
    }
    let mut taints = Vec::new();
    for (i, t) in group.taints.iter().enumerate() {
        let effect = super::make::effect(&t.effect).ok_or_else(|| {
            wrong(file, format!("{at}.taints[{i}].effect"), format!("found {}", t.effect), super::make::EFFECTS)
        })?;
        taints.push((t.key.clone(), t.value.clone(), effect));
    }
    let machines = group.machine_types.iter().enumerate();
    let machines = machines.map(|(i, m)| draft_machine(file, &format!("{at}.machine_types[{i}]"), m));
    let mut headroom = Vec::new();
    for (i, h) in group.headroom.iter().enumerate() {
        headroom.push((amounts(file, &format!("{at}.headroom[{i}].unit"), &h.unit)?, h.units));
    }
    Ok(Draft {
        id: group.id.clone().unwrap_or_else(|| group.name.clone()),
        name: group.name.clone(),
        origin: GroupOrigin::Own,
        is_default: group.default,
        template_only: group.template_only,
        labels: group.labels.clone().into_iter().collect(),
        requirements: Vec::new(),
        taints,
        zones: group.zones.clone(),
        region: group.region.clone(),
        machines: machines.collect::<Result<_, _>>()?,
        min_count: group.min_count,
        max_count: group.max_count,
        limits: amounts(file, &format!("{at}.limits"), &group.limits)?,
        weight: group.weight,
        headroom,
        auto_headroom_percent: group.auto_headroom_percent.min(1000),
        launch_delay: group.launch_delay.clone(),
        launch_failure_ppm: libm::round(group.launch_failure_probability * 1e6) as u32,
        spot_percent: group.spot_percent.map(|p| p.min(100)),
        fallback_to_od: group.fallback_to_on_demand,
        restrict_scale_down: group.restrict_scale_down,
        draining_timeout_ms: group.draining_timeout_ms,
        kubernetes_version: None,
        pod_slots: None,
        without_machines: None,
    })
}

fn draft_machine(file: &str, at: &str, machine: &Machine) -> Result<DraftMachine, GroupsError> {
    if machine.name.is_empty() {
        return Err(wrong(file, format!("{at}.name"), "it is missing", "the machine type's name"));
    }
    if !machine.allocatable.is_empty() && !machine.capacity.is_empty() {
        return Err(wrong(file, at.to_string(), "it gives both allocatable and capacity", "one of them"));
    }
    let mut size = amounts(file, &format!("{at}.allocatable"), &machine.allocatable)?;
    if size.is_empty() {
        size = amounts(file, &format!("{at}.capacity"), &machine.capacity)?;
        for (name, kept) in amounts(file, &format!("{at}.reserved"), &machine.reserved)? {
            if let Some(amount) = size.iter_mut().find(|a| a.0 == name) {
                amount.1 = amount.1.saturating_sub(kept).max(0);
            }
        }
    }
    let price = |key: &str, price: Option<f64>| match price {
        None => Ok(None),
        Some(p) => crate::groups::price::micros(p)
            .map(Some)
            .ok_or_else(|| wrong(file, format!("{at}.{key}"), format!("found {p}"), "a price from 0 to a million")),
    };
    let pods = size.iter().position(|a| a.0 == "pods").map(|i| size.remove(i).1);
    Ok(DraftMachine {
        name: machine.name.clone(),
        allocatable: (!size.is_empty()).then_some(size),
        pod_slots: pods,
        labels: machine.labels.clone().into_iter().collect(),
        zones: machine.zones.clone(),
        price: price("price_per_hour", machine.price_per_hour)?,
        spot_price: price("spot_price_per_hour", machine.spot_price_per_hour)?,
        attach_limits: (!machine.attach_limits.is_empty())
            .then(|| machine.attach_limits.iter().map(|(d, n)| (d.clone(), Some(*n))).collect()),
    })
}

/// Amounts by resource, cpu in milli.
fn amounts(file: &str, at: &str, map: &BTreeMap<String, Value>) -> Result<Vec<(String, i64)>, GroupsError> {
    map.iter()
        .map(|(name, value)| {
            let quantity = super::machines::quantity(value).ok_or_else(|| {
                super::fields::form(file, &format!("{at}.{name}"), value, "a quantity (500m, 16Gi, 8)")
            })?;
            Ok((name.clone(), if name == "cpu" { quantity.milli_value() } else { quantity.value() }))
        })
        .collect()
}
