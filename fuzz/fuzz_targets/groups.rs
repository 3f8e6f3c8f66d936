//! Any bytes give node groups or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeferry::cluster::{Catalog, Cluster, State};
use nodeferry::snapshot::Source;
use nodeferry::snapshot::groups::groups_from_sources;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::new("fuzz", bytes.to_vec()) else { return };
    let catalog = Catalog::new();
    let mut cluster = Cluster { state: State::new(&catalog), catalog: Arc::new(catalog) };
    let _ = groups_from_sources(&[source], Default::default(), &mut cluster);
});
