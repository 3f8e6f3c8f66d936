//! Holding the model to account: recordings of the real system, replayed, and scenarios held against what they expect.

pub mod changes;
pub mod decisions;
pub mod drain;
pub mod eviction_report;
pub mod evictions;
pub mod expect;
pub mod recording;
