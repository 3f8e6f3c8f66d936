//! What is left on disk of an execution, and what it shows: the journal's directory, how an execution stands, what happened in it.

pub mod ack_dir;
pub mod entry_dir;
pub mod executions;
pub mod history;
pub mod journal_dir;
pub mod run_file;
pub mod status;
pub mod transfer_dir;
