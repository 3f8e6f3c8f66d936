//! Ocean on EKS: its words (MIGRATIONS §1, AWS bodies).

use super::{Stage, Words};
use crate::runner::Fate;

/// Every state of a migration.
pub const STATES: [&str; 13] = [
    "STARTING",
    "AWAIT_REPLACEMENTS",
    "HANDLE_UNSCHEDULE",
    "DRAIN_NODES",
    "VALIDATE_DRAIN",
    "STOPPING",
    "ERROR",
    "RESCHEDULE_NODES",
    "TERMINATE_NODES",
    "AWAIT_TERMINATION",
    "FINISHED_ERROR",
    "STOPPED",
    "FINISHED",
];

/// The published states of an instance; others are not known (C: none is told).
pub const INSTANCE_STATES: [&str; 1] = ["REQUIRES_MANUAL_MIGRATION"];

/// See the module.
pub(super) const WORDS: Words = Words {
    started: Some("STARTING"),
    completed: Some("FINISHED"),
    partly: Some("FINISHED_ERROR"),
    failed: Some("FINISHED_ERROR"),
    stopped: Some("STOPPED"),
    stopping: Some("STOPPING"),
    rescheduling: Some("RESCHEDULE_NODES"),
    failing: Some("ERROR"),
    stage,
    node,
};

fn stage(stage: &Stage) -> Option<&'static str> {
    Some(match stage {
        Stage::Start | Stage::Cordon => "STARTING",
        Stage::Replacements => "AWAIT_REPLACEMENTS",
        Stage::Drain => "DRAIN_NODES",
        Stage::Validate => "VALIDATE_DRAIN",
        Stage::Unscheduled => "HANDLE_UNSCHEDULE",
        Stage::Terminate => "TERMINATE_NODES",
        Stage::AwaitTermination => "AWAIT_TERMINATION",
    })
}

fn node(fate: Fate) -> Option<&'static str> {
    (fate == Fate::HeldByStandAlone).then_some("REQUIRES_MANUAL_MIGRATION")
}
