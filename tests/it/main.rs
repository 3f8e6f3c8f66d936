//! Integration tests.

mod ack;
mod answers;
mod bounds;
mod cli;
mod compare;
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
#[cfg(feature = "live")]
mod plan_live;
#[cfg(all(feature = "live", target_os = "linux"))]
mod programs;
mod properties;
mod reading;
mod readme;
mod rehearse;
mod remedies;
mod resume;
mod rights;
mod rooms;
mod runs;
mod scheduler_config;
mod simulated_only;
mod sites;
mod snapshot;
mod surge;
mod sweep;
mod transfer_analyse;
mod transfer_applied;
#[cfg(feature = "live")]
mod transfer_run;
mod verify_decisions;
mod verify_drain;
mod verify_evictions;
mod what_if;

use std::path::{Path, PathBuf};

/// A recording of a real control plane: one that is shipped, or one of the collection beside the project, which users do not have. None, said aloud,
/// where there is none; with `NODEFERRY_RECORDINGS=required` it must be there.
fn recording(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = std::env::var_os("NODEFERRY_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let found = [root.join("tests/data"), beside].into_iter().map(|data| data.join(name)).find(|path| path.exists());
    if found.is_none() {
        let required = std::env::var("NODEFERRY_RECORDINGS").as_deref() == Ok("required");
        assert!(!required, "there is no recording {name}, neither in tests/data nor in ../shared/data");
        eprintln!("LEFT OUT: there is no recording {name}");
    }
    found
}
