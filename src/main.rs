//! nodeferry.
fn main() {}
