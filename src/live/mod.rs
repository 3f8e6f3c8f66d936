//! The sockets: a Kubernetes client, watches, programs, signals and the loop that joins them to a session.
//!
//! No decision is taken here. A [`crate::session::Session`] says what is to be sent, written down and waited for; this room does it and
//! hands back what came of it. It is the only room with a wall clock besides `cli`.

pub mod ack;
mod attend;
pub mod client;
pub mod clock;
pub mod driver;
pub mod events;
pub mod metrics;
pub mod permissions;
pub mod process;
pub mod program;
pub mod proof;
pub mod record;
pub mod redact;
mod secrets;
#[cfg(test)]
mod testing;
pub mod transfer;
pub mod watch;

pub use attend::{CarryError, Observer};
pub use client::{Client, Target};

/// Namespace of the Lease, which all executions in a cluster must find in the same place.
pub const LEASE_NAMESPACE: &str = "kube-system";

/// Name of the Leases of a transfer, one in each namespace of the source that moves.
pub const TRANSFER_LEASE: &str = "nodeferry-transfer";
