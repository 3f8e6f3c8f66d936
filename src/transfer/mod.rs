//! Workloads change clusters and clouds: from EKS to AKS, analysed, rendered for the target and planned in waves.
//!
//! An [`Inventory`] of objects comes from manifests or a recorded dump, a [`Mapping`] holds what only people know (registries, identities, classes,
//! hosts). The [`rules`] find what is tied to AWS, each finding with what it becomes and the changes that it causes; [`render`] makes them. What has to
//! be done, in which order and why, is the [`plan`].

pub mod analysis;
mod checklist;
mod claims;
pub mod commands;
pub mod edit;
pub mod execution;
pub mod finding;
pub mod graph;
pub mod inventory;
pub mod mapping;
mod network;
pub mod object;
pub mod plan;
pub mod planner;
pub mod pools;
pub mod reduce;
pub mod render;
pub mod rules;
pub mod services;
pub mod simulate;
mod skeleton;
mod summary;
pub mod svg;
#[cfg(test)]
mod tests;
pub mod waves;
pub mod yaml;

pub use analysis::{Analysis, analyse};
pub use commands::{Commands, Places};
pub use finding::{Severity, TransferFinding};
pub use inventory::{Inventory, InventoryError};
pub use mapping::{MAPPING_VERSION, Mapping};
pub use object::ObjectId;
pub use plan::{TRANSFER_PLAN_VERSION, TransferPlan};
pub use skeleton::skeleton;

use object::ObjectId as Id;
use plan::ChecklistItem;

/// Names and questions of the checklist, in order.
pub fn checklist_questions() -> Vec<(&'static str, &'static str)> {
    checklist::questions()
}

/// The checklist with the evidence that the mapping gives.
pub fn checklist_of(inventory: &Inventory, mapping: &Mapping) -> Vec<ChecklistItem> {
    checklist::checklist(inventory, mapping)
}

/// Whether an object is a workload with claims, or a claim.
pub fn has_claims(inventory: &Inventory, id: &Id) -> bool {
    inventory
        .get(id)
        .is_some_and(|item| item.id.kind() == "PersistentVolumeClaim" || !claims::claims_of(inventory, item).is_empty())
}
