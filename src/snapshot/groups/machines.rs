//! Sizes of machine types that a group only names: from a catalogue file, else from the nodes of the dump.

use super::GroupsError;
use super::fields::{Fields, form};
use super::machine_labels::{INSTANCE_TYPE, is_of_machine};
use crate::cluster::*;
use crate::groups::price;
use crate::snapshot::requests::is_counted;
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the kubelet and the system keep for themselves where a catalogue gives capacity and no node of the type tells the
/// allocatable: what Karpenter's kwok provider assumes (cpu in milli, memory in bytes).
pub const ASSUMED_RESERVATION: [i64; 2] = [100, 10 << 20];

/// A machine type of known size.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    /// Allocatable by resource name, cpu in milli.
    pub allocatable: BTreeMap<String, i64>,
    pub pod_slots: i64,
    pub labels: Vec<(String, String)>,
    /// What nodes of the type state of it by labels of Karpenter's providers.
    pub stated: Vec<(String, String)>,
    pub zones: Vec<String>,
    pub price: Option<u64>,
    pub spot_price: Option<u64>,
    pub attach_limits: Option<Vec<(String, Option<i64>)>>,
    /// From a catalogue's capacity less the assumed reservation.
    pub assumed_reservation: bool,
}

impl Known {
    /// cpu in milli.
    pub fn cpu(&self) -> i64 {
        self.allocatable.get("cpu").copied().unwrap_or(0)
    }
    /// Memory in bytes.
    pub fn memory(&self) -> i64 {
        self.allocatable.get("memory").copied().unwrap_or(0)
    }
    /// The value under a label key.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().chain(&self.stated).find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// Machine types by name, in the order of the catalogue, then of the dump.
#[derive(Clone, Debug, Default)]
pub struct MachineCatalogue {
    pub(super) types: IndexMap<String, Known>,
}

impl MachineCatalogue {
    /// Reads a catalogue in Karpenter's form: a list of `{name, architecture, operatingSystems, resources, offerings}`.
    ///
    /// # Errors
    /// Says where the value is not of this form.
    pub fn parse(file: &str, value: &Value) -> Result<MachineCatalogue, GroupsError> {
        let list = value.as_array().ok_or_else(|| form(file, "", value, "a list of machine types"))?;
        let mut types = IndexMap::new();
        for (i, item) in list.iter().enumerate() {
            let (name, known) = read_type(Fields::of(file, format!("[{i}]"), item)?)?;
            types.insert(name, known);
        }
        Ok(MachineCatalogue { types })
    }

    /// Adds what the nodes of a cluster tell: allocatable that is observed stands before a catalogue's, prices stay.
    pub(super) fn learn(&mut self, cluster: &Cluster) {
        let catalog = &*cluster.catalog;
        for node in cluster.state.live_nodes() {
            let spec = &cluster.state.nodes[node].spec;
            let Some(name) = spec.labels.get(catalog.known.instance_type) else { continue };
            let known = self.types.entry(catalog.text(name).to_string()).or_default();
            // What a node states of its machine type stands before what could be made of the type's name and size.
            let labels = spec.labels.iter().map(|(k, v)| (catalog.text(k), catalog.text(v)));
            for (key, value) in labels.filter(|(k, _)| is_of_machine(k) && *k != INSTANCE_TYPE) {
                if known.label(key).is_none() {
                    let common = key.starts_with("kubernetes.io/");
                    let list = if common { &mut known.labels } else { &mut known.stated };
                    list.push((key.to_string(), value.to_string()));
                }
            }
            if !known.allocatable.is_empty() && !known.assumed_reservation {
                continue;
            }
            let amounts = spec.allocatable.iter().zip(&catalog.resources).filter(|(a, _)| **a != 0);
            known.allocatable = amounts.map(|(a, r)| (catalog.text(*r).to_string(), *a)).collect();
            known.pod_slots = spec.pod_slots;
            known.assumed_reservation = false;
            let limit = |l: &AttachLimit| (catalog.text(l.driver).to_string(), l.count);
            known.attach_limits = spec.attach_limits.as_ref().map(|l| l.iter().map(limit).collect());
        }
    }
}

fn read_type(mut fields: Fields<'_>) -> Result<(String, Known), GroupsError> {
    let name = fields.text("name")?.ok_or_else(|| fields.missing("name", "the machine type's name"))?.to_string();
    let mut known = Known { assumed_reservation: true, ..Known::default() };
    let resources = fields.get("resources").or_else(|| fields.get("capacity"));
    let resources =
        resources.and_then(Value::as_object).ok_or_else(|| fields.missing("resources", "amounts by resource"))?;
    for (resource, amount) in resources {
        let quantity =
            quantity(amount).ok_or_else(|| fields.wrong(&format!("resources.{resource}"), amount, "a quantity"))?;
        match resource.as_str() {
            "pods" => known.pod_slots = quantity.value(),
            "cpu" => {
                known
                    .allocatable
                    .insert("cpu".into(), quantity.milli_value().saturating_sub(ASSUMED_RESERVATION[0]).max(0));
            }
            "memory" => {
                known
                    .allocatable
                    .insert("memory".into(), quantity.value().saturating_sub(ASSUMED_RESERVATION[1]).max(0));
            }
            other if is_counted(other) => {
                known.allocatable.insert(other.into(), quantity.value());
            }
            _ => {}
        }
    }
    if let Some(arch) = fields.text("architecture")? {
        known.labels.push(("kubernetes.io/arch".into(), arch.into()));
    }
    if let Some(os) = fields.texts("operatingSystems")?.first() {
        known.labels.push(("kubernetes.io/os".into(), (*os).into()));
    }
    for offering in fields.children("offerings")? {
        read_offering(&mut known, offering)?;
    }
    Ok((name, known))
}

/// Takes zone, price and capacity type of one offering; the lowest price of each capacity type counts.
fn read_offering(known: &mut Known, mut fields: Fields<'_>) -> Result<(), GroupsError> {
    if fields.flag("Available")?.or(fields.flag("available")?) == Some(false) {
        return Ok(());
    }
    let price = fields.get("Price").or_else(|| fields.get("price")).and_then(Value::as_f64).and_then(price::micros);
    let mut requirements = fields.children("Requirements")?;
    requirements.extend(fields.children("requirements")?);
    let mut spot = false;
    for mut r in requirements {
        let key = r.text("key")?.unwrap_or_default();
        let values = r.texts("values")?;
        match key {
            "topology.kubernetes.io/zone" => {
                for zone in values {
                    if !known.zones.iter().any(|z| z == zone) {
                        known.zones.push(zone.to_string());
                    }
                }
            }
            "karpenter.sh/capacity-type" => spot = values.contains(&"spot"),
            _ => {}
        }
    }
    let slot = if spot { &mut known.spot_price } else { &mut known.price };
    *slot = match (*slot, price) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Ok(())
}

/// A quantity from a string or a number.
pub(super) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(s) => Quantity::parse(s).ok(),
        Value::Number(n) => Quantity::parse(&n.to_string()).ok(),
        _ => None,
    }
}
