//! What there is in a cluster: every object by kind, name and uid, and how its nodes and workloads stand.

use super::standing::{Look, controller, name_of, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Form of an inventory.
const VERSION: u32 = 1;

/// Why an inventory cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The namespace kube-system is not among the objects.
    #[error(
        "namespace kube-system cannot be read, so that it is not known which cluster this is; the permission to list namespaces is missing"
    )]
    NoCluster,
    /// What was written cannot be read.
    #[error("the inventory is damaged ({0}); it was made before the cut-over and cannot be made again after it")]
    Damaged(String),
}

/// An object of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Its uid.
    pub uid: String,
    /// uid of its controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it was created; RFC 3339.
    pub created: String,
}

/// All objects, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Form.
    inventory_version: u32,
    /// uid of the namespace kube-system.
    pub cluster: String,
    /// When the newest of the objects was created; RFC 3339, by the API server's clock.
    pub newest: String,
    /// Kind (`Deployment.apps`), then `namespace/name`.
    pub objects: BTreeMap<String, BTreeMap<String, Kept>>,
    /// Kinds that could not be read.
    pub left_out: BTreeSet<String>,
    /// How nodes and workloads stand.
    pub look: Look,
}

impl Inventory {
    /// Of the objects of a dump.
    ///
    /// # Errors
    /// Which cluster it is, is not among them.
    pub fn of(
        objects: &[Value],
        left_out: BTreeSet<String>,
        masters: &BTreeSet<String>,
    ) -> Result<Inventory, InventoryError> {
        let mut inventory = Inventory {
            inventory_version: VERSION,
            cluster: String::new(),
            newest: String::new(),
            objects: BTreeMap::new(),
            left_out,
            look: Look::of(objects, masters),
        };
        for object in objects {
            let kept = Kept {
                uid: text(object, "/metadata/uid").to_owned(),
                owner: controller(object).map(|o| text(o, "/uid").to_owned()),
                created: text(object, "/metadata/creationTimestamp").to_owned(),
            };
            if kept.created > inventory.newest {
                inventory.newest.clone_from(&kept.created);
            }
            let (kind, name) = (kind_of(object), name_of(object));
            if kind == "Namespace" && name == "kube-system" {
                inventory.cluster.clone_from(&kept.uid);
            }
            inventory.objects.entry(kind).or_default().insert(name, kept);
        }
        match inventory.cluster.is_empty() {
            true => Err(InventoryError::NoCluster),
            false => Ok(inventory),
        }
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of each kind.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.objects.iter().map(|(kind, objects)| (kind.clone(), objects.len())).collect()
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// It is not what was written.
    pub fn parse(bytes: &[u8]) -> Result<Inventory, InventoryError> {
        let read: Inventory = crate::typed::from_json(bytes)
            .map_err(|e| InventoryError::Damaged(format!("at {}: {}", e.path, e.what)))?;
        match read.inventory_version {
            VERSION => Ok(read),
            v => Err(InventoryError::Damaged(format!("inventory_version is {v}; this nodeferry reads {VERSION}"))),
        }
    }
}

/// `Deployment.apps`, `Pod`.
fn kind_of(object: &Value) -> String {
    let kind = text(object, "/kind");
    match text(object, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}"),
        None => kind.to_owned(),
    }
}
