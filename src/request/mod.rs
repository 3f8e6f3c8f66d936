//! What is asked for: a scenario or a dump with its groups and its control plane, read and checked, as one request, and the
//! plan that comes of it.

pub mod ack;
pub mod control_plane;
mod ensemble;
pub mod error;
pub mod input;
pub mod plan;
mod remedies;
pub mod resimulate;
pub mod runs;
pub mod scenario;
pub mod transfer;
mod uncertain;
