//! Where a migration stands: at its beginning, before a batch, in one, at its end.

use super::interface::{Ms, WaitFor};
use serde::{Deserialize, Serialize};

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Nothing was done.
    NotBegun,
    /// All old nodes are being cordoned.
    CordonAll,
    /// Waits for the soak's end, a window or a gate, then starts the next batch.
    Between(Gate),
    /// A batch is under way.
    Batch,
    /// Every batch was worked through; every node that counts as replaced is looked at once more.
    Looking,
    /// Nodes that were not drained are made schedulable again, freezes are lifted; since.
    Closing { since: Ms },
    /// Over.
    Ended,
}

/// What is passed one after the other before a batch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// The soak after the batch before, the canary's with it.
    Soak,
    /// A window in which batches may start.
    Window,
    /// A program must succeed.
    Check,
    /// A person must approve.
    Approval,
    /// The window, if it closed meanwhile.
    WindowAgain,
    /// Nothing stands before the batch any more.
    Open,
}

impl Stage {
    pub fn next(self) -> Stage {
        match self {
            Stage::Soak => Stage::Window,
            Stage::Window => Stage::Check,
            Stage::Check => Stage::Approval,
            Stage::Approval => Stage::WindowAgain,
            Stage::WindowAgain | Stage::Open => Stage::Open,
        }
    }
    pub fn waits_for(self) -> Option<WaitFor> {
        match self {
            Stage::Soak => Some(WaitFor::Soak),
            Stage::Window | Stage::WindowAgain => Some(WaitFor::Window),
            Stage::Check => Some(WaitFor::Check),
            Stage::Approval => Some(WaitFor::Approval),
            Stage::Open => None,
        }
    }
}

/// Where a migration stands between two batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gate {
    /// What it waits at.
    pub stage: Stage,
    /// When a soak or window is over, or the limit of a check or approval; None for no limit but the horizon.
    pub until: Option<Ms>,
    /// When to ask again, after a check that failed or an approval whose answer was lost.
    pub again: Option<Ms>,
}

impl Gate {
    /// When the runner must look again at the latest.
    pub fn next_wakeup(&self, now: Ms) -> Option<Ms> {
        match self.stage {
            Stage::Open => Some(now),
            _ => self.until.into_iter().chain(self.again).min(),
        }
    }
}
