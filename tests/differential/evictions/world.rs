//! What a seed puts into the cluster: plain data, so that a part of it can be left out and the rest tried again.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// All of it, in the order in which it is made.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub namespaces: Vec<String>,
    pub owners: Vec<Owner>,
    pub pods: Vec<Pod>,
    pub budgets: Vec<Budget>,
}

/// An object that owns pods.
#[derive(Clone, Debug)]
pub struct Owner {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    pub prefix: String,
    pub plural: String,
    /// None for a cluster-scoped one.
    pub namespace: Option<String>,
    pub object: Value,
    /// Its own controller.
    pub parent: Option<Reference>,
}

/// How something names its controller.
#[derive(Clone, Debug)]
pub enum Reference {
    None,
    /// One that was made, by this `apiVersion`.
    Owner {
        index: usize,
        api: String,
    },
    /// The same name, another uid: it was deleted and made anew.
    OtherUid(Box<Reference>),
    /// An owner, but not the controller.
    NotController(Box<Reference>),
    /// Nothing of that name is there.
    Absent {
        api: &'static str,
        kind: &'static str,
        name: String,
        uid: String,
    },
}

/// A pod and how it shall be.
#[derive(Clone, Debug)]
pub struct Pod {
    pub namespace: String,
    pub object: Value,
    pub controller: Reference,
    /// Patch of its status, if any.
    pub status: Option<Value>,
    /// Whether it is deleted in the end; a finalizer or its grace keeps it.
    pub deleted: bool,
}

/// A budget.
#[derive(Clone, Debug)]
pub struct Budget {
    pub namespace: String,
    pub object: Value,
}

impl Pod {
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }
}

impl Owner {
    /// Where its kind is created.
    pub fn collection(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", self.prefix, self.plural),
            None => format!("{}/{}", self.prefix, self.plural),
        }
    }
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }
}

impl Reference {
    /// The owner it means, if that was made.
    pub fn index(&self) -> Option<usize> {
        match self {
            Reference::Owner { index, .. } => Some(*index),
            Reference::OtherUid(of) | Reference::NotController(of) => of.index(),
            Reference::None | Reference::Absent { .. } => None,
        }
    }
    /// The same with other indices of owners.
    pub fn with_indices(self, indices: &BTreeMap<usize, usize>) -> Reference {
        match self {
            Reference::Owner { index, api } => {
                Reference::Owner { index: indices.get(&index).copied().unwrap_or(index), api }
            }
            Reference::OtherUid(of) => Reference::OtherUid(Box::new(of.with_indices(indices))),
            Reference::NotController(of) => Reference::NotController(Box::new(of.with_indices(indices))),
            other => other,
        }
    }
    /// The value of `ownerReferences`, given the uids of the owners made so far; None for none.
    pub fn resolve(&self, owners: &[Owner], uids: &[String]) -> Option<Value> {
        let one = |api: &str, kind: &Value, name: &str, uid: &str| json!([{"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": true}]);
        match self {
            Reference::None => None,
            Reference::Owner { index, api } => {
                let owner = owners.get(*index)?;
                Some(one(api, &owner.object["kind"], owner.name(), uids.get(*index)?))
            }
            Reference::OtherUid(of) => {
                let mut value = of.resolve(owners, uids)?;
                let uid = value[0]["uid"].as_str().unwrap_or_default();
                value[0]["uid"] = json!(format!("{}dead", &uid[..uid.len().saturating_sub(4)]));
                Some(value)
            }
            Reference::NotController(of) => {
                let mut value = of.resolve(owners, uids)?;
                value[0]["controller"] = json!(false);
                Some(value)
            }
            Reference::Absent { api, kind, name, uid } => Some(one(api, &json!(kind), name, uid)),
        }
    }
}
