//! The migration CARRIED OUT: what is written down of it, what is compared before and after, and what is said of it.
//!
//! No socket, file or clock is here: `live::ack` has them. A [`State`] is folded from the records of a journal, so that a process that
//! goes on after another was killed knows as much as that one did.

mod comparison;
mod inventory;
mod record;
mod report;
mod standing;
mod state;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod words;

pub(crate) use crate::report::format::time;
pub use comparison::Comparison;
pub use inventory::{Inventory, InventoryError};
pub use record::{Began, Entry, JOURNAL_VERSION, Limits, Predicted, Record};
pub use report::{AckReport, Compared};
pub use standing::{Look, NodeStands, fingerprint, not_drained};
pub use state::{Begun, Ended, Stage, State};
pub use task::{TaskState, task_id};
pub use words::{Context, substitute};

/// Reasons for which an execution ends without having completed, with what each means: docs/ack.md is held to this list.
pub const REASONS: &[(&str, &str)] = &[
    ("ack-drain-ended", "the masters are not drained: the cut-over has not begun, and nothing has moved but pods"),
    ("ack-not-begun", "the command that begins the migration (--begin) failed: nothing has moved"),
    ("ack-task-failed", "the vendor's task failed before the API server went away: nothing has moved"),
    ("ack-rolled-back", "the API server went away and came back with the old control plane: nothing has moved"),
    ("ack-another-cluster", "what answers at the address afterwards is another cluster: nothing is deleted"),
    ("ack-objects-differ", "it is the same cluster, but its objects are not the same: nothing is deleted"),
    ("ack-masters-stay", "masters that report again were not deleted: everything else is done"),
];

/// Waits that ended at their limit: the execution is interrupted, and `nodeferry resume` waits again.
pub const LIMITS: &[(&str, &str)] = &[
    ("gate", "nobody has begun the migration"),
    ("begin", "the migration was begun, and the API server has not gone away"),
    ("away", "the API server has not come back"),
    ("prove", "the API server is back, and the cluster cannot be read"),
    (
        "settle",
        "not everything stands as before: a node does not report, a workload is short of ready pods, or a master still reports",
    ),
    ("delete", "a master was not deleted"),
];
