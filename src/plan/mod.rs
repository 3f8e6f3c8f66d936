//! What we INTEND: which nodes together, how a batch goes, what stands in the way.

pub mod baseline;
pub mod document;
pub mod options;

pub use baseline::Baseline;
pub use document::{Guards, Intent, NodeId, PLAN_VERSION, Plan};
pub use options::Options;
