//! Manifests for the target: what the cluster wrote is stripped, what findings say is changed, and each change is traced to its finding.

pub mod commands;
pub mod files;
mod review;
mod strip;
pub mod velero;

use super::edit::{self, Edit};
use super::inventory::Inventory;
use super::object::ObjectId;
use super::plan::RenderedObject;
use super::rules::{self, Found, Standing};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub use review::review;
pub use strip::strip;

/// What is rendered.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// Objects for the target, by name.
    pub objects: Vec<RenderedObject>,
    /// Each object of the source that moves: as it is without what the cluster wrote, and what becomes of it.
    pub changes: Vec<Change>,
}

/// What becomes of an object of the source.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub id: ObjectId,
    /// Where it stands.
    pub origin: String,
    /// Without what the cluster wrote.
    pub before: Value,
    /// On the target; None where it is left out.
    pub after: Option<Value>,
    /// Objects that take its place or are made with it.
    pub made: Vec<Value>,
    /// Changes and the codes that cause them, in the order in which they are made.
    pub edits: Vec<(String, Edit)>,
}

/// Renders the objects that move, with the changes of their findings.
pub fn render(inventory: &Inventory, found: &[Found]) -> Rendered {
    let mut edits: BTreeMap<&ObjectId, Vec<(String, Edit)>> = BTreeMap::new();
    for found in found {
        let of = edits.entry(&found.finding.object).or_default();
        of.extend(found.edits.iter().map(|e| (found.finding.code.clone(), e.clone())));
    }
    let mut rendered = Rendered::default();
    let mut made: BTreeMap<ObjectId, RenderedObject> = BTreeMap::new();
    for item in inventory.items() {
        if rules::standing(item) != Standing::Moves {
            continue;
        }
        let before = strip(item);
        let edits = edits.remove(&item.id).unwrap_or_default();
        let mut after = before.clone();
        edits.iter().for_each(|(_, e)| edit::apply(&mut after, e));
        edit::settle(&mut after, &edits.iter().map(|(_, e)| e).collect::<Vec<_>>());
        let left = edits.iter().any(|(_, e)| *e == Edit::LeaveOut);
        let created: Vec<Value> = edits
            .iter()
            .filter_map(|(_, e)| match e {
                Edit::Create(object) => Some(object.clone()),
                _ => None,
            })
            .collect();
        for object in &created {
            if let Some(id) = ObjectId::of(object) {
                made.entry(id.clone()).or_insert(RenderedObject {
                    id,
                    from: Some(item.id.clone()),
                    object: object.clone(),
                });
            }
        }
        if !left {
            let id = ObjectId::of(&after).unwrap_or_else(|| item.id.clone());
            let from = (id != item.id).then(|| item.id.clone());
            made.insert(id.clone(), RenderedObject { id, from, object: after.clone() });
        }
        let after = (!left).then_some(after);
        rendered.changes.push(Change {
            id: item.id.clone(),
            origin: item.origin.clone(),
            before,
            after,
            made: created,
            edits,
        });
    }
    for namespace in rules::namespaces_made(inventory).into_keys() {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let id = ObjectId::new("v1", "Namespace", None, namespace);
        made.insert(id.clone(), RenderedObject { id, from: None, object });
    }
    rendered.objects = made.into_values().collect();
    rendered
}
