//! The API's objects as far as we read them, borrowed from the input wherever it allows.

pub mod node;
pub mod pod;
pub mod policy;
pub mod scalar;
pub mod selector;
pub mod storage;
pub mod workload;

use scalar::{List, Pairs, Text, Time, or_default, seconds};
use serde::Deserialize;

/// `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub namespace: Option<Text<'a>>,
    pub uid: Text<'a>,
    pub generate_name: Option<Text<'a>>,
    pub labels: Pairs<'a>,
    pub annotations: Pairs<'a>,
    pub creation_timestamp: Option<Time>,
    pub deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "seconds")]
    pub deletion_grace_period_seconds: Option<i64>,
    pub generation: Option<i64>,
    pub finalizers: List<Text<'a>>,
    pub owner_references: List<OwnerReference<'a>>,
}

impl<'a> Meta<'a> {
    /// The owner that controls the object.
    pub fn controller(&self) -> Option<&OwnerReference<'a>> {
        self.owner_references.iter().find(|r| r.controller == Some(true))
    }
    /// Namespace of a namespaced object; `default` if none is written, as in manifests made by hand.
    pub fn ns(&self) -> &str {
        self.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or("default")
    }
    /// When it was created, in milliseconds since 1970; 0 if not said.
    pub fn created_ms(&self) -> i64 {
        self.creation_timestamp.map_or(0, |t| t.0)
    }
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    #[serde(borrow)]
    pub api_version: Text<'a>,
    pub kind: Text<'a>,
    pub name: Text<'a>,
    pub uid: Text<'a>,
    pub controller: Option<bool>,
}

/// An object of which only the metadata matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Bare<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
}

/// An object of which only the name is wanted, because the rest may be broken.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Name<'a>,
}

/// The name in `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Name<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub namespace: Option<Text<'a>>,
}

/// A condition of any object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    pub status: Text<'a>,
    pub reason: Option<Text<'a>>,
    pub message: Option<Text<'a>>,
    pub last_transition_time: Option<Time>,
    pub last_heartbeat_time: Option<Time>,
}

impl Condition<'_> {
    /// Whether it is True.
    pub fn holds(&self) -> bool {
        &*self.status == "True"
    }
    /// Whether its reason is `reason`.
    pub fn because(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }
}

/// The condition of a type among several.
pub fn condition<'c, 'a>(conditions: &'c [Condition<'a>], kind: &str) -> Option<&'c Condition<'a>> {
    conditions.iter().find(|c| &*c.kind == kind)
}
