//! What a cluster and its provider say of a migration: what is on each node, the groups that its cloud lacks, the call of Ocean's API.

pub mod create_request;
pub mod discover;
pub mod write_groups;
