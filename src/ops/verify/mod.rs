//! Holding the model to account: recordings of the real system, replayed.

pub mod changes;
pub mod decisions;
pub mod drain;
pub mod evictions;
pub mod recording;
