//! Ocean on AKS: its words (MIGRATIONS §1, Azure bodies).

use super::Words;
use crate::runner::Outcome;
use crate::runner::states::{Doing, NodeIs, PoolIs};

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
pub(super) const WORDS: Words = Words { doing, node, pool, pod_kinds: None };

/// The status is the same from the first stage to the last.
fn doing(doing: Doing) -> Option<&'static str> {
    Some(match doing {
        Doing::Ended(Outcome::Completed) => "COMPLETED",
        Doing::Ended(Outcome::PartlyCompleted) => "PARTLY_COMPLETED",
        Doing::Ended(Outcome::Failed) => "FAILED",
        Doing::Ended(Outcome::Stopped) => "STOPPED",
        _ => "IN_PROGRESS",
    })
}

/// `DID_NOT_REPLACE` is a node that nobody tried to replace and nobody will: the migration was stopped before it, or it has a pod
/// without a controller that may not be evicted (C). A node that could not be replaced failed.
fn node(is: NodeIs) -> Option<&'static str> {
    Some(match is {
        NodeIs::Waiting => "TO_BE_REPLACED",
        NodeIs::InProgress => "IN_PROGRESS",
        NodeIs::Replaced => "REPLACED",
        NodeIs::HeldByBudget => "NOT_REPLACED_DUE_TO_PDB",
        NodeIs::HeldByRestriction => "NOT_REPLACED_DUE_TO_RSD",
        NodeIs::HeldByStandAlone | NodeIs::LeftOut => "DID_NOT_REPLACE",
        NodeIs::NotReplaced => "COULD_NOT_BE_REPLACED",
    })
}

fn pool(is: PoolIs) -> Option<&'static str> {
    Some(match is {
        PoolIs::Scaling => "SCALING",
        PoolIs::Ready => "COMPLETED",
        PoolIs::Partly => "PARTIAL_SUCCESS",
        PoolIs::Failed => "FAILED",
    })
}
