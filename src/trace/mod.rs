//! What HAPPENED: the events of a run and what is derived from them.

pub mod event;

pub use event::{Event, EventKind, NodeRole};
