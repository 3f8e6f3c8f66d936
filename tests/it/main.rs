//! Integration tests.

mod groups;
mod snapshot;
mod verify_decisions;
mod verify_evictions;
