//! Workloads change clusters and clouds: from EKS to AKS, analysed, rendered for the target and planned in waves.
//!
//! A [`mapping`] holds what only people know (registries, identities, classes, hosts). What is found in the source's objects is a [`finding`], and
//! what has to be done is the [`plan`].

pub mod commands;
pub mod execution;
pub mod finding;
pub mod mapping;
pub mod object;
pub mod plan;
pub mod simulate;

pub use commands::{Commands, Places};
pub use finding::{Severity, TransferFinding};
pub use mapping::{MAPPING_VERSION, Mapping};
pub use object::ObjectId;
pub use plan::{TRANSFER_PLAN_VERSION, TransferPlan};
