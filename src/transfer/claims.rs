//! Claims of workloads: those that pods name, and those that a StatefulSet makes.

use super::inventory::{Inventory, Item};
use super::object::ObjectId;
use super::rules;
use crate::cluster::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub namespace: String,
    pub name: String,
    /// What it asks for, or what its volume has where that is more; None where the input does not say it.
    pub bytes: Option<i64>,
    pub class: Option<String>,
}

fn bytes(text: Option<&str>) -> Option<i64> {
    Some(Quantity::parse(text?).ok()?.value())
}

fn claim(namespace: &str, name: &str, object: &Value) -> Claim {
    let text = |place: &str| object.pointer(place).and_then(Value::as_str);
    let class = text("/spec/storageClassName")
        .or_else(|| text("/metadata/annotations/volume.beta.kubernetes.io~1storage-class"))
        .filter(|c| !c.is_empty());
    Claim {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        bytes: bytes(text("/spec/resources/requests/storage")).max(bytes(text("/status/capacity/storage"))),
        class: class.map(str::to_owned),
    }
}

/// How many pods a workload runs; a DaemonSet one on each node of the input.
pub(super) fn pods(inventory: &Inventory, item: &Item) -> Option<u32> {
    rules::template(item)?;
    let number = |place: &str, or: u64| item.object.pointer(place).and_then(Value::as_u64).unwrap_or(or);
    let pods = match item.id.kind() {
        "DaemonSet" => match item.object.pointer("/status/desiredNumberScheduled").and_then(Value::as_u64) {
            Some(desired) => desired,
            None => inventory.of_kind("", "Node").count().max(1) as u64,
        },
        "Job" => number("/spec/parallelism", 1),
        "CronJob" | "ScaledJob" => 0,
        "Pod" => 1,
        _ => number("/spec/replicas", 1),
    };
    Some(u32::try_from(pods).unwrap_or(u32::MAX))
}

/// The claims of a workload, in order of their names; none for what runs no pods.
pub(super) fn claims_of(inventory: &Inventory, item: &Item) -> Vec<Claim> {
    let Some(template) = rules::template(item) else { return Vec::new() };
    let namespace = item.id.namespace().unwrap_or_default();
    let mut all: BTreeMap<String, Claim> = BTreeMap::new();
    let find = |name: &str| inventory.find("", "PersistentVolumeClaim", Some(namespace), name);
    let volumes = item.object.pointer(&format!("{template}/spec/volumes")).and_then(Value::as_array);
    for name in volumes.into_iter().flatten().filter_map(|v| v.pointer("/persistentVolumeClaim/claimName")?.as_str()) {
        let none = Claim { namespace: namespace.to_owned(), name: name.to_owned(), bytes: None, class: None };
        all.insert(name.to_owned(), find(name).map_or(none, |c| claim(namespace, name, &c.object)));
    }
    let templates = item.object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let first = item.object.pointer("/spec/ordinals/start").and_then(Value::as_u64).unwrap_or(0);
    for template in templates.into_iter().flatten() {
        let Some(of) = template.pointer("/metadata/name").and_then(Value::as_str) else { continue };
        for i in 0..u64::from(pods(inventory, item).unwrap_or(0)) {
            let name = format!("{of}-{}-{}", item.id.name(), first.saturating_add(i));
            let object = find(&name).map_or(template, |c| &c.object);
            all.insert(name.clone(), claim(namespace, &name, object));
        }
    }
    all.into_values().collect()
}

/// Claims that no workload of the input uses.
pub(super) fn unused(inventory: &Inventory) -> Vec<ObjectId> {
    let used: std::collections::BTreeSet<(String, String)> = inventory
        .items()
        .filter(|i| !i.is_owned())
        .flat_map(|i| claims_of(inventory, i))
        .map(|c| (c.namespace, c.name))
        .collect();
    inventory
        .of_kind("", "PersistentVolumeClaim")
        .filter(|c| !used.contains(&(c.id.namespace().unwrap_or_default().to_owned(), c.id.name().to_owned())))
        .map(|c| c.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::rules::tests::inventory;

    #[test]
    fn a_stateful_set_has_a_claim_for_each_template_and_pod() {
        let inventory = inventory(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  replicas: 2\n  ordinals: {start: 1}\n  template: {spec: {volumes: [{name: v, persistentVolumeClaim: {claimName: shared}}]}}\n  volumeClaimTemplates:\n  - {metadata: {name: data}, spec: {storageClassName: gp3, resources: {requests: {storage: 8Gi}}}}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data-db-2, namespace: shop}\nspec: {storageClassName: gp3, resources: {requests: {storage: 8Gi}}}\nstatus: {capacity: {storage: 16Gi}}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: old, namespace: shop}\nspec: {}\n",
        );
        let db = inventory.of_kind("apps", "StatefulSet").next().expect("it is there");
        let claims: Vec<(String, Option<i64>)> =
            claims_of(&inventory, db).into_iter().map(|c| (c.name, c.bytes)).collect();
        assert_eq!(
            claims,
            [
                ("data-db-1".to_owned(), Some(8 << 30)),
                ("data-db-2".to_owned(), Some(16 << 30)),
                ("shared".to_owned(), None)
            ]
        );
        assert_eq!(
            unused(&inventory).iter().map(ObjectId::as_str).collect::<Vec<_>>(),
            ["PersistentVolumeClaim/shop/old"]
        );
    }
}
