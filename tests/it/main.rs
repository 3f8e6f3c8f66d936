//! Integration tests.

mod snapshot;
