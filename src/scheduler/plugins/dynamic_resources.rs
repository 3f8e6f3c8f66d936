//! DynamicResources: scores 0 for pods without resource claims (P/dynamicresources); claims are not modelled.

/// What preemption's message starts with while the plugin is on: nothing could be deallocated.
pub const POST_FILTER: &str = "no new claims to deallocate";
