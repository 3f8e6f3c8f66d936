//! What a cluster IS: nodes, pods, owners, budgets, volumes, node groups.

pub mod draw;
