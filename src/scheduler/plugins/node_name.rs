//! NodeName: a pod that names its node goes there (P/nodename).
//!
//! It never refuses here: a pod with `spec.nodeName` is bound already and does not come before the scheduler.

/// Its words.
pub const REASON: &str = "node(s) didn't match the requested node name";
