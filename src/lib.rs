//! nodeferry moves a Kubernetes cluster's workloads from old nodes to new ones on a timetable it can show beforehand.

pub mod ack;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod compare;
pub mod discovery;
pub mod disruption;
pub mod execution;
pub mod experiment;
pub mod groups;
pub mod intent;
#[cfg(feature = "live")]
pub mod live;
pub mod plan;
pub mod private_file;
pub mod rehearsal;
pub mod report;
pub mod request;
pub mod runner;
pub mod scheduler;
pub mod session;
pub mod sim;
pub mod snapshot;
pub mod trace;
pub mod typed;
pub mod verify;
