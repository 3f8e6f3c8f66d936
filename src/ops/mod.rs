//! What people DO with it: plan with replications, verify, test, re-simulate, discover.

pub mod actual;
pub mod calibrate;
pub mod control_plane;
pub mod create_request;
pub mod diff;
pub mod discover;
pub mod executions;
pub mod expect;
pub mod history;
pub mod input;
pub mod journal_dir;
pub mod observed;
pub mod plan;
pub mod redact;
pub mod rehearse;
pub mod resimulate;
pub mod run_file;
pub mod scenario;
pub mod status;
pub mod verify;
pub mod write_groups;
