//! The plan document: what is intended, upon which cluster, and what was forecast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do. Pods are not in it: they churn; evictions and launches are decided when their batch starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Old nodes by batch, in order.
    pub batches: Vec<Vec<NodeId>>,
}

/// A node by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeId {
    /// Name.
    pub name: String,
    /// `metadata.uid`; a node of the same name and another uid is another node.
    pub uid: String,
}
