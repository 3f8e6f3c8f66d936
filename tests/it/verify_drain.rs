//! Recorded migrations with the real `kubectl drain`, simulated.

use crate::recording;
use nodeferry::verify::drain::{Figures, verify_drain};

fn ends_as_recorded(name: &str, batches: usize) {
    let Some(dir) = recording(name) else { return };
    let report = verify_drain(&dir, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
    let table = report.render_table();
    assert_eq!(report.batches.len(), batches, "{name}\n{table}");
    assert!(report.is_perfect(), "{name}\n{table}");
    for b in &report.batches {
        let figures = |f: &Figures| (f.evictions, f.refusals, f.moved_twice);
        assert_eq!(figures(&b.actual), figures(&b.predicted), "{name}\n{table}");
    }
    assert_eq!(report.placements.actual, report.placements.predicted, "{name}\n{table}");
}

#[test]
fn drain_v1_ends_as_recorded() {
    ends_as_recorded("drain-v1", 4);
}

#[test]
fn drain_v2_ends_as_recorded() {
    ends_as_recorded("drain-v2", 3);
}

#[test]
fn drain_v3_ends_as_recorded() {
    ends_as_recorded("drain-v3", 2);
}

#[test]
fn a_directory_without_recording_says_what_is_missing() {
    let empty = tempfile::tempdir().expect("a directory");
    let error = verify_drain(empty.path(), 1).expect_err("nothing is there");
    assert!(error.to_string().contains("neither cluster.json nor cluster.json.gz"), "{error}");
}
