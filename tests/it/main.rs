//! Integration tests.

mod snapshot;
mod verify_evictions;
