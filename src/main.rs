//! nodeferry.
fn main(){}
