//! The API server of a simulated cluster: what it makes of each write that reaches it.
//!
//! There is one body of admission, preconditions, cordons, taints, evictions and deletions, and one [`Refusal`]. The plain simulation
//! makes typed calls to it; a rehearsal's server (`rehearsal`) reads HTTP requests, makes the same calls, and puts what came of them
//! into a `Status`. Objects as JSON, their resource versions, lists and watches are that server's own.

mod eviction;
mod evictions;
mod nodes;
mod pods;
mod refusal;

pub use nodes::NodePatch;
pub use pods::{Grant, Removal, current, named};
pub use refusal::{MODIFIED, Preconditions, Refusal, Served};

use crate::cluster::Change;
use evictions::Evictions;

/// An API server: what it is working on. The cluster itself is the site's.
#[derive(Clone, Debug, Default)]
pub struct ApiServer {
    evictions: Evictions,
    /// Evictions that were granted since they were taken; None if nobody takes them.
    grants: Option<Vec<Grant>>,
}

impl ApiServer {
    /// A server at rest, whose grants somebody takes with [`ApiServer::take_grants`].
    pub fn with_grants() -> ApiServer {
        ApiServer { grants: Some(Vec::new()), ..ApiServer::default() }
    }

    /// Sees what is written, by whomever.
    pub fn on_change(&mut self, change: Change) {
        self.evictions.on_change(change);
    }

    /// Evictions that were granted since they were taken last.
    pub fn take_grants(&mut self) -> Vec<Grant> {
        self.grants.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
