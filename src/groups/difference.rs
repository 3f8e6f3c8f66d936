//! What a node matches, and what it differs in from what it does not.

use crate::cluster::GroupIdx;

/// What a node matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupMatch {
    /// No custom labels and no taints: the default group.
    Default,
    /// The first group, in creation order, that could make such a node.
    Group(GroupIdx),
    /// None could.
    None {
        /// The group that differs least, and how; the first of equals. None if there is no group at all.
        nearest: Option<(GroupIdx, Vec<Difference>)>,
    },
}

/// One thing in which a node differs from what a group makes, or for which a pod cannot run there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Difference {
    /// Stable code. Reasons for no match: `label`, `taint-missing`, `taint-extra`, `template-only`, `source-group`, `pod`. Notes to a match:
    /// `zone`, `machine-type`, `pod-elsewhere`, `pod-room`.
    pub code: &'static str,
    /// What is so, as text.
    pub text: String,
    /// What would end this difference, as half a sentence; empty where only another group does, or where nothing need be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Difference {
    pub(super) fn new(code: &'static str, text: String, remedy: String) -> Difference {
        Difference { code, text, remedy }
    }
}
