//! How a migration, its old nodes and its new pools stand in their provider's words, by the events so far.

use super::event::{Event, EventKind, PodDetail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The latest state of everything that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProviderStates {
    /// Of the migration.
    pub migration: Option<String>,
    /// Of old nodes, by name.
    pub nodes: BTreeMap<String, NodeNow>,
    /// Of new pools, by the group's name.
    pub pools: BTreeMap<String, PoolNow>,
    /// Pods that were deleted past their budgets, in order of time.
    pub forced: Vec<ForcedPod>,
}

/// How an old node stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeNow {
    /// The provider's word (`NOT_REPLACED_DUE_TO_PDB`).
    pub state: String,
    /// Why, where there is more to say.
    pub message: Option<String>,
    /// Its pods that would have to move, where the provider lists them by kind.
    pub pod_details: Vec<PodDetail>,
}

/// How the scaling of a new pool stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolNow {
    /// The group's name.
    pub group: String,
    /// The provider's word (`PARTIAL_SUCCESS`).
    pub state: String,
    /// New nodes that were Ready when it entered this state.
    pub new_nodes: u32,
    /// How many of how many.
    pub message: String,
}

/// A pod that was deleted past its budgets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForcedPod {
    /// Milliseconds since the migration started.
    pub t_ms: u64,
    /// `namespace/name`.
    pub pod: String,
    /// Where it was.
    pub node: Option<String>,
    /// Batch, counted from 0.
    pub batch: Option<u32>,
    /// What its evictions had been refused with.
    pub message: String,
}

impl ProviderStates {
    /// Takes the next event; those that tell of no state are passed over.
    pub fn observe(&mut self, e: &Event) {
        let state = e.state.clone().unwrap_or_default();
        match e.event {
            EventKind::MigrationState => self.migration = Some(state),
            EventKind::NodeState => {
                let Some(node) = &e.node else { return };
                let now = NodeNow { state, message: e.message.clone(), pod_details: e.pod_details.clone() };
                self.nodes.insert(node.clone(), now);
            }
            EventKind::PoolState => {
                let Some(group) = &e.group else { return };
                let (new_nodes, message) = (e.nodes.unwrap_or(0), e.message.clone().unwrap_or_default());
                self.pools.insert(group.clone(), PoolNow { group: group.clone(), state, new_nodes, message });
            }
            EventKind::PodForced => self.forced.push(ForcedPod {
                t_ms: e.t_ms,
                pod: e.pod.clone().unwrap_or_default(),
                node: e.node.clone(),
                batch: e.batch,
                message: e.message.clone().unwrap_or_default(),
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_stands() {
        let event = |kind, node: Option<&str>, group: Option<&str>, state: &str| Event {
            node: node.map(str::to_owned),
            group: group.map(str::to_owned),
            state: Some(state.to_owned()),
            ..Event::new(5, kind)
        };
        let mut states = ProviderStates::default();
        for e in [
            event(EventKind::MigrationState, None, None, "IN_PROGRESS"),
            event(EventKind::NodeState, Some("old-0"), None, "TO_BE_REPLACED"),
            event(EventKind::NodeState, Some("old-1"), None, "TO_BE_REPLACED"),
            event(EventKind::PoolState, None, Some("ssd"), "SCALING"),
            event(EventKind::NodeState, Some("old-0"), None, "REPLACED"),
            event(EventKind::PoolState, None, Some("ssd"), "COMPLETED"),
            Event { node: Some("old-1".into()), ..Event::new(6, EventKind::NodeDrained) },
            Event { pod: Some("default/web".into()), ..Event::new(7, EventKind::PodForced) },
            event(EventKind::MigrationState, None, None, "PARTLY_COMPLETED"),
        ] {
            states.observe(&e);
        }
        assert_eq!(states.migration.as_deref(), Some("PARTLY_COMPLETED"));
        let nodes: Vec<_> = states.nodes.iter().map(|(n, now)| (n.as_str(), now.state.as_str())).collect();
        assert_eq!(nodes, [("old-0", "REPLACED"), ("old-1", "TO_BE_REPLACED")]);
        assert_eq!(states.pools["ssd"].state, "COMPLETED");
        assert_eq!((states.forced[0].t_ms, states.forced[0].pod.as_str()), (7, "default/web"));
    }
}
