//! Integration tests.

mod ack;
mod answers;
mod cli;
mod completeness;
mod determinism;
mod discovery;
mod dump_knows;
mod effects;
mod engine;
mod ensemble;
mod findings;
mod groups;
mod harm;
mod journal;
mod ocean;
mod ocean_states;
#[cfg(all(feature = "live", target_os = "linux"))]
mod programs;
mod properties;
mod reading;
mod readme;
mod rehearse;
mod remedies;
mod resume;
mod rooms;
mod runs;
mod scheduler_config;
mod simulated_only;
mod sites;
mod snapshot;
mod surge;
mod verify_decisions;
mod verify_drain;
mod verify_evictions;

use std::path::{Path, PathBuf};

/// A recording of a real control plane beside the project; None, said aloud, where there is none. In CI it must be there.
fn shared_data(name: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if dir.exists() {
        return Some(dir);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI the recordings must be there: {}", dir.display());
    eprintln!("LEFT OUT: no recording at {}", dir.display());
    None
}
