//! Executions on a simulated API, with faults by seed, before one is made on a real one.

mod seeds;

pub use seeds::{Plain, Rehearsals, RehearseError, Seeds, plain, rehearse, stage_of_plan, stage_of_scenario};
