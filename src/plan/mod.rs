//! What we INTEND: which nodes together, how a batch goes, what stands in the way.

pub mod document;

pub use document::Intent;
