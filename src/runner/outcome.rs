//! How a migration ends, and why: one table from condition to outcome, message and exit status.

use serde::{Deserialize, Serialize};

/// How a batch or a migration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Every old node was emptied (and terminated, if asked).
    Completed,
    /// Some old nodes were, some were not; nothing is broken.
    PartlyCompleted,
    /// It gave up.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl Outcome {
    /// The word of the wire (`PARTLY_COMPLETED`).
    pub fn text(self) -> &'static str {
        match self {
            Outcome::Completed => "COMPLETED",
            Outcome::PartlyCompleted => "PARTLY_COMPLETED",
            Outcome::Failed => "FAILED",
            Outcome::Stopped => "STOPPED",
        }
    }
    /// Exit status of a command that predicts this outcome (2 is kept for bad input).
    pub fn exit_status(self) -> i32 {
        match self {
            Outcome::Completed | Outcome::Stopped => 0,
            Outcome::Failed => 3,
            Outcome::PartlyCompleted => 4,
        }
    }
}

/// Why a batch or a migration did not complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// Stable code, kebab-case.
    pub reason: String,
    /// The imitated system's message, to the letter where it has one.
    pub message: String,
    /// What brought it about: the pod, the node, the budget, the filter that refused.
    pub cause: String,
    /// What would lift it.
    pub remedy: String,
}
