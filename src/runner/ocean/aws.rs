//! Ocean on EKS: its words (MIGRATIONS §1, AWS bodies).

use super::Words;
use crate::runner::Outcome;
use crate::runner::states::{Doing, NodeIs};

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

/// The published states of an instance. Others are not known, so none is shown for them (C).
pub const INSTANCE_STATES: [&str; 1] = ["REQUIRES_MANUAL_MIGRATION"];

/// The kinds of a pod of an instance: one without a controller, and any other.
pub const POD_KINDS: [&str; 2] = ["STAND_ALONE_POD", "UNKNOWN"];

/// See the module.
pub(super) const WORDS: Words = Words { doing, node, pool: |_| None, pod_kinds: Some(POD_KINDS) };

/// The names are published, their order is not (C): the enum has no word for the time between two batches and while the next
/// one's nodes are cordoned, so a batch begins as the migration did; what is awaited after a stop is part of `STOPPING`; a
/// migration that left nodes out is `FINISHED_ERROR`.
fn doing(doing: Doing) -> Option<&'static str> {
    Some(match doing {
        Doing::Starting => "STARTING",
        Doing::AwaitingNodes => "AWAIT_REPLACEMENTS",
        Doing::Draining => "DRAIN_NODES",
        Doing::Validating => "VALIDATE_DRAIN",
        Doing::AwaitingPods => "HANDLE_UNSCHEDULE",
        Doing::Terminating => "TERMINATE_NODES",
        Doing::AwaitingTermination => "AWAIT_TERMINATION",
        Doing::Stopping => "STOPPING",
        Doing::Failing => "ERROR",
        Doing::Rescheduling => "RESCHEDULE_NODES",
        Doing::Ended(Outcome::Completed) => "FINISHED",
        Doing::Ended(Outcome::PartlyCompleted | Outcome::Failed) => "FINISHED_ERROR",
        Doing::Ended(Outcome::Stopped) => "STOPPED",
    })
}

fn node(is: NodeIs) -> Option<&'static str> {
    (is == NodeIs::HeldByStandAlone).then_some("REQUIRES_MANUAL_MIGRATION")
}
