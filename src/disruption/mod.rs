//! How Kubernetes PROTECTS: which budgets cover a pod, what a budget's status says, and what an eviction is answered.
//!
//! All of it is pure: [`arithmetic`] recomputes a status, [`eviction`] gives the API server's verdict from the *stored*
//! status and carries it out, [`deletion`] is what a DELETE does to a pod, [`controller`] says which
//! change makes the real disruption controller look at which budget, and [`worker`] when: one worker behind a limited
//! client. [`admission`] is what else may refuse: webhooks and quotas. The clock is the caller's. [`never`] and [`holds`] say which pods no waiting would move.

pub mod admission;
pub mod arithmetic;
pub mod controller;
pub mod deletion;
pub mod eviction;
pub mod holder;
pub mod holds;
pub mod matching;
pub mod never;
#[cfg(test)]
pub(crate) mod testing;
pub mod worker;

pub use arithmetic::{Computed, Tally};
pub use controller::DisruptionController;
pub use deletion::{Deleted, delete_pod};
pub use eviction::{Cause, Request, Verdict, apply, evict, verdict, verdict_of_budget};
pub use holder::Holder;
pub use matching::BudgetIndex;
pub use worker::{Wake, Worker};
