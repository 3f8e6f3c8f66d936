//! The recorded truth about budgets and evictions, at 100 % in every column.

use crate::recording;
use nodeferry::request::scenario::Scenario;
use nodeferry::snapshot::Snapshot;
use nodeferry::verify::evictions::{replay_evictions, verify_evictions};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn recorded_evictions_are_reproduced() {
    let Some(directory) = recording("evictions-v1") else { return };
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

#[test]
fn changes_are_replayed_and_a_false_status_is_found() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/recorded-disrupted-elsewhere.yaml");
    let text = std::fs::read_to_string(&path).expect("the scenario is there");
    let scenario = Scenario::parse(&text, &path).expect("it is a scenario");
    let recorded = scenario.recorded.expect("with what was recorded");
    let replay = |changes: &[Value]| {
        let snapshot = Snapshot::from_objects(&scenario.cluster.objects).expect("the cluster is readable");
        replay_evictions(snapshot, &recorded.verdicts, changes).expect("the changes are readable")
    };
    let report = replay(&recorded.changes);
    let counts = report.changes.expect("there are changes");
    assert!(report.is_perfect() && report.mismatches.is_empty(), "{}", report.render_table());
    assert_eq!((counts.steps, counts.writes, counts.settled, counts.worker), (1, 1, 1, 1));

    let mut false_ones = recorded.changes.clone();
    false_ones[0]["events"][1]["object"]["status"]["currentHealthy"] = json!(1);
    let report = replay(&false_ones);
    let what: Vec<&str> = report.mismatches.iter().map(|m| m.what).collect();
    assert_eq!(what, ["write", "status at rest", "status by our worker"]);

    let mut no_answer = recorded.changes.clone();
    no_answer[0]["verdicts"] = json!([{"pod": "ns-0/app-1-0", "code": 429}, {"pod": "ns-0/nobody", "code": 201}]);
    let report = replay(&no_answer);
    let what: Vec<&str> = report.mismatches.iter().map(|m| m.what).collect();
    assert_eq!(what, ["verdict", "verdict"]);
}
