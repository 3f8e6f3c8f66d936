//! The recorded truth about budgets and evictions, at 100 % in every column.

use nodeferry::ops::verify::evictions::verify_evictions;
use std::path::Path;

#[test]
fn recorded_evictions_are_reproduced() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/evictions-v1");
    if !directory.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no recordings at {}", directory.display());
        eprintln!("LEFT OUT: no recordings at {}", directory.display());
        return;
    }
    let report = verify_evictions(&directory).expect("the recording is readable");
    let table = report.render_table();
    assert_eq!((report.budgets, report.alone, report.verdicts), (113, 63, 890), "{table}");
    assert!(report.is_perfect() && report.mismatches.is_empty(), "{table}");
}

#[test]
fn a_directory_without_recording_says_what_is_missing() {
    let empty = tempfile::tempdir().expect("a directory");
    let error = verify_evictions(empty.path()).expect_err("nothing is there");
    assert!(error.to_string().contains("neither cluster.json nor cluster.json.gz"), "{error}");
}
