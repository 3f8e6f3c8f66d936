//! What a cluster IS: nodes, pods, owners, budgets, volumes, node groups.
//!
//! [`Catalog`] is what never changes during a run and is shared by all runs; [`State`] is what does, small and
//! copied for each run. Both are arenas with typed indices; strings are symbols. Nothing here knows where a
//! cluster came from, what schedules it or what happens next.

pub mod admission;
pub mod budget;
pub mod catalog;
pub mod components;
pub mod condition;
pub mod declared;
pub mod delay;
pub mod draw;
pub mod finding;
pub mod fixtures;
pub mod foreign;
pub mod group;
pub mod ids;
pub mod intern;
pub mod inventory;
pub mod labels;
pub mod node;
pub mod operator;
pub mod owner;
pub mod plain;
pub mod pod;
pub mod provider;
pub mod quantity;
pub mod rate_limit;
pub mod shared;
pub mod state;
pub mod taint;
pub mod version;
pub mod volume;

pub use admission::{Asked, Quota, QuotaCharge, QuotaCharges, QuotaLimit, QuotaScope, Webhook};
pub use budget::{Amount, Budget, BudgetStatus, Demand};
pub use catalog::{CPU, Catalog, EPHEMERAL, MEMORY, Namespace, Service, WellKnown};
pub use condition::Condition;
pub use declared::{Broken, Declared, START_PATIENCE_MS};
pub use delay::{Delay, LONGEST_MS, duration_text, time_problem};
pub use finding::{Finding, Severity};
pub use foreign::ForeignDocument;
pub use group::{GroupOrigin, Headroom, MachineType, NodeGroup};
pub use ids::*;
pub use intern::{Interner, Sym};
pub use inventory::{AutoscaledGroup, AutoscalerStatus, Inventory, OceanConfig};
pub use labels::{Labels, NodeSelector, NodeSelectorTerm, Operator, Requirement, Selector};
pub use node::{AttachLimit, NodeImage, NodeSpec, NodeState};
pub use operator::Manager;
pub use owner::{FailureAction, JobSpec, Owner, OwnerKind, ScaleSource};
pub use pod::{
    ClaimRef, Deletion, HostPort, Phase, PodShape, PodSpec, PodState, PodTerm, Requests, SpreadConstraint, Volume,
    WhenUnsatisfiable,
};
pub use quantity::{Quantity, QuantityError};
pub use rate_limit::{RateLimit, TokenBucket};
pub use shared::SharedArena;
pub use state::{Change, Mark, NodeChange, PodChange, State};
pub use taint::{Effect, Taint, Toleration};
pub use version::{KubernetesVersion, Rules};
pub use volume::{AccessModes, Attachment, CsiDriver, Pv, Pvc, PvcState, StorageClass};

use std::sync::Arc;

/// A cluster at one moment: the shared catalogue and a state.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What never changes.
    pub catalog: Arc<Catalog>,
    /// What does.
    pub state: State,
}

/// What somebody who only reads sees of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What never changes.
    pub catalog: &'a Catalog,
    /// What does.
    pub state: &'a State,
}
