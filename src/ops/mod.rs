//! What people DO with it: plan with replications, verify, test, re-simulate, discover.

pub mod verify;
