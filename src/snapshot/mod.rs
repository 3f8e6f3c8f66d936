//! How a cluster gets IN: kubectl JSON and YAML, node groups, generators.
pub mod generate;
