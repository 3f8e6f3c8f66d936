//! The control plane of an ACK cluster is SWAPPED under the running cluster: what has to be so beforehand.
//!
//! The hot migration of Alibaba Cloud's Container Service for Kubernetes moves the control plane of a dedicated cluster from its masters
//! to a managed one; nodes and pods stay. What has to be known of the cluster are facts ([`facts::AckFacts`]) that a file states, outputs of
//! the vendor's own commands show, or a dump shows ([`Known`]); no two of them may contradict each other. Each of the [`rules`] judges them.

mod dump;
pub mod execution;
pub mod facts;
mod gather;
pub mod known;
pub mod plan;
pub mod preflight;
pub mod rules;
pub mod simulate;
mod skeleton;
pub mod steps;
#[cfg(test)]
mod tests;
mod vendor;

pub use dump::masters;
pub use facts::AckFacts;
pub use known::{FactsError, Known};
pub use plan::{ACK_PLAN_VERSION, AckPlan};
pub use preflight::Preflight;
pub use rules::PreflightOptions;
pub use skeleton::skeleton;

use crate::intent::Options;

/// Options of the drain of the masters where nothing else is asked for: all of them in one batch, so that no pod moves from one to another.
pub fn drain_all(options: &mut Options) {
    if options.batch_size.is_none() && options.listed_batches.is_empty() {
        options.batch_size = "100%".parse().ok();
    }
}
