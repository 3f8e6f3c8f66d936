//! The same bytes from the debug and the release build, and for any number of threads.

use crate::cli::{Dir, nodeferry_of};
use std::path::{Path, PathBuf};

/// A scenario with luck in everything: starts, launches, faults, several runs.
const LUCK: &str = r#"
scenario: luck
cluster:
  generate: {seed: 11, nodes: 8, new_nodes: 2, pods_per_node: 6, zones: 3, traps: [{trap: crash_looping_pod}, {trap: stand_alone_pod}]}
nodes: {selector: agentpool=old}
options: {unscheduled_at_start: ignore}
autoscaler: {kind: reactive}
seed: 5
replications: 6
"#;

/// Ocean's procedures launch nothing in the group that the nodes leave, so that they need groups of their own.
fn luck_of(procedure: &str) -> String {
    let pool = match procedure {
        "ocean-aws" => "eks.amazonaws.com/nodegroup",
        "ocean-azure" => "kubernetes.azure.com/agentpool",
        _ => return LUCK.to_owned(),
    };
    let group = |disk: &str| {
        let machines = "[{name: standard-4}, {name: standard-8}]";
        format!("  - {{name: {disk}, labels: {{disktype: {disk}}}, machine_types: {machines}, max_count: 30}}\n")
    };
    let groups = format!("groups:\n  inline:\n    groups:\n  {}  {}", group("ssd"), group("hdd"));
    let scenario = LUCK.replace("selector: agentpool=old", &format!("selector: {pool}=old"));
    scenario.replace("seed: 11", &format!("pool_label: {pool}, seed: 11")) + &groups
}

/// Forecast, plan and trace as one binary writes them.
fn written(binary: &Path, dir: &Dir, name: &str, procedure: &str, threads: &str) -> Vec<Vec<u8>> {
    let (plan, trace) = (dir.path(&format!("{name}.plan")), dir.path(&format!("{name}.trace")));
    let scenario = dir.file("luck.yaml", &luck_of(procedure));
    let args = [
        "plan",
        &scenario,
        "--procedure",
        procedure,
        "--threads",
        threads,
        "-o",
        "json",
        "--plan",
        &plan,
        "--trace",
        &trace,
    ];
    let ran = nodeferry_of(binary, dir, &args, "");
    assert!([0, 3, 4].contains(&ran.status), "{} {}", ran.status, ran.stderr);
    let read = |p: &str| std::fs::read(p).expect("the file was written");
    vec![ran.stdout.into_bytes(), read(&plan), read(&trace)]
}

const PROCEDURES: [&str; 4] = ["kubectl-drain", "ocean-aws", "ocean-azure", "surge"];

#[test]
fn one_and_two_threads_write_the_same_bytes() {
    let dir = Dir::new();
    let own = Path::new(env!("CARGO_BIN_EXE_nodeferry"));
    for procedure in PROCEDURES {
        let one = written(own, &dir, "one", procedure, "1");
        assert!(one == written(own, &dir, "two", procedure, "2"), "{procedure}: 1 and 2 threads differ");
    }
}

#[test]
fn debug_and_release_builds_write_the_same_bytes() {
    let Some(release) = std::env::var_os("NODEFERRY_RELEASE_BIN").map(PathBuf::from) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "in CI NODEFERRY_RELEASE_BIN must be set (scripts/test does)"
        );
        eprintln!("LEFT OUT: debug against release: NODEFERRY_RELEASE_BIN is not set (scripts/test sets it)");
        return;
    };
    let dir = Dir::new();
    let own = Path::new(env!("CARGO_BIN_EXE_nodeferry"));
    for procedure in PROCEDURES {
        let debug = written(own, &dir, "debug", procedure, "1");
        assert!(debug == written(&release, &dir, "release", procedure, "1"), "{procedure}: debug and release differ");
    }
}
