//! How a plan is CARRIED OUT: the batch state machine, its procedures, and why it ends.

pub mod interface;
pub mod outcome;

pub use interface::*;
pub use outcome::{Failure, Outcome};

use crate::cluster::View;
use crate::plan::Intent;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How far a run is: with the plan and a fresh list of the cluster it can be resumed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// Set once the migration has ended.
    pub outcome: Option<Outcome>,
    /// Why, unless it completed.
    pub failure: Option<Failure>,
}

/// The batch algorithm as a state machine.
pub struct Runner {
    progress: Progress,
}

impl Runner {
    /// A run of `intent` that has not begun; it begins at the first input.
    ///
    /// # Errors
    /// Says which node of the plan the cluster lacks.
    pub fn new(_intent: Arc<Intent>, _view: View<'_>, _packer: Arc<dyn Packer>) -> Result<Runner, String> {
        Ok(Runner { progress: Progress { outcome: None, failure: None } })
    }
    /// Goes on from `progress` over a fresh view. Answers to the calls of [`Runner::open_calls`] may still come; a
    /// driver that lost them feeds `Answer::Unknown` for each.
    ///
    /// # Errors
    /// Says what of the plan the cluster lacks.
    pub fn resume(
        _intent: Arc<Intent>,
        progress: Progress,
        _view: View<'_>,
        _packer: Arc<dyn Packer>,
    ) -> Result<Runner, String> {
        Ok(Runner { progress })
    }
    /// Takes an input at `now`, which never goes back, and puts calls and announcements into `out`.
    pub fn handle(&mut self, _now: Ms, _view: View<'_>, _input: Input<'_>, _out: &mut Outbox) {}
    /// When the driver must call again at the latest; None if the runner only waits for the world (or has ended).
    pub fn next_wakeup(&self) -> Option<Ms> {
        None
    }
    /// How far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
    /// Calls that are under way and unanswered, in order.
    pub fn open_calls(&self) -> Vec<CallId> {
        Vec::new()
    }
    /// The outcome, once it has ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.progress.outcome
    }
}
