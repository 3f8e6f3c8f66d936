//! Executions on a simulated API, with faults by seed, before one is made on a real one.
//!
//! The API server is the simulation's ([`crate::sim::apiserver`]); here it speaks HTTP and JSON ([`server`]), answers wrongly or late,
//! and a process with a disk runs a session against it ([`stage`]), while judges ([`judge`]) read the simulated world.

pub mod disk;
pub mod facts;
pub mod judge;
pub mod lies;
pub mod luck;
pub mod nature;
pub mod objects;
pub mod paths;
pub mod programs;
mod seeds;
pub mod server;
pub mod stage;
pub mod status;
pub mod store;
mod trouble;

pub use seeds::{Plain, Rehearsals, RehearseError, Seeds, plain, rehearse, stage_of_plan, stage_of_scenario};
