//! Ocean on AKS: its words (MIGRATIONS §1, Azure bodies).

use super::{Stage, Words};
use crate::runner::Fate;

/// Every status of a migration.
pub const STATES: [&str; 5] = ["IN_PROGRESS", "COMPLETED", "PARTLY_COMPLETED", "FAILED", "STOPPED"];

/// Every status of an old node.
pub const NODE_STATES: [&str; 7] = [
    "TO_BE_REPLACED",
    "IN_PROGRESS",
    "REPLACED",
    "COULD_NOT_BE_REPLACED",
    "NOT_REPLACED_DUE_TO_PDB",
    "NOT_REPLACED_DUE_TO_RSD",
    "DID_NOT_REPLACE",
];

/// Every status of a node pool's scaling.
pub const SCALE_STATES: [&str; 4] = ["SCALING", "COMPLETED", "FAILED", "PARTIAL_SUCCESS"];

/// See the module.
pub(super) const WORDS: Words = Words {
    started: Some("IN_PROGRESS"),
    completed: Some("COMPLETED"),
    partly: Some("PARTLY_COMPLETED"),
    failed: Some("FAILED"),
    stopped: Some("STOPPED"),
    stopping: None,
    rescheduling: None,
    failing: None,
    stage,
    node,
};

fn stage(stage: &Stage) -> Option<&'static str> {
    // The status does not change from stage to stage; of the pools' scaling the beginning is told.
    (*stage == Stage::Replacements).then_some("SCALING")
}

fn node(fate: Fate) -> Option<&'static str> {
    Some(match fate {
        Fate::Waiting => "TO_BE_REPLACED",
        Fate::InProgress => "IN_PROGRESS",
        Fate::Drained | Fate::Retired => "REPLACED",
        Fate::HeldByBudget => "NOT_REPLACED_DUE_TO_PDB",
        Fate::HeldByRestriction => "NOT_REPLACED_DUE_TO_RSD",
        Fate::HeldByStandAlone => "DID_NOT_REPLACE",
        Fate::Invalid | Fate::Failed => "COULD_NOT_BE_REPLACED",
    })
}
