//! The unit of a migration: a node, by a name and uid that survive restarts and other dumps.

use crate::cluster::{NodeIdx, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeId {
    /// Name.
    pub name: String,
    /// `metadata.uid`; a node of the same name and another uid is another node.
    pub uid: String,
}

impl NodeId {
    /// The identity of a node of a view.
    pub fn of(view: View<'_>, node: NodeIdx) -> NodeId {
        let spec = &view.state.nodes[node].spec;
        NodeId {
            name: view.state.name(view.catalog, spec.name).to_owned(),
            uid: view.state.name(view.catalog, spec.uid).to_owned(),
        }
    }
}
