//! Any bytes give a snapshot or an error, never a panic; and the same bytes give the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeferry::snapshot::{Snapshot, Source};

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::new("fuzz", bytes.to_vec()) else { return };
    let sources = [source];
    if let Ok(first) = Snapshot::from_sources(&sources) {
        let second = Snapshot::from_sources(&sources).expect("read once, read twice");
        assert_eq!(format!("{:?}", first.cluster), format!("{:?}", second.cluster));
    }
});
