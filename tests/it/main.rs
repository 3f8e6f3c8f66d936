//! Integration tests.

mod snapshot;
mod verify_decisions;
mod verify_evictions;
