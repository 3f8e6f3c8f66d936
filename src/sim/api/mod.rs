//! A simulated API server, with faults: what a session is driven by when there is no cluster.

pub mod disk;
pub mod facts;
pub mod judge;
pub mod lies;
pub mod luck;
pub mod nature;
pub mod objects;
pub mod paths;
pub mod programs;
pub mod rehearsal;
pub mod server;
pub mod status;
pub mod store;
