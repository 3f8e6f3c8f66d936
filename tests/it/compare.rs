//! `compare`: plans and traces, or dumps, side by side.

use super::cli::{Dir, nodeferry};

fn dump(dir: &Dir, name: &str, nodes: &str) -> String {
    let out = dir.path(name);
    let ran = nodeferry(dir, &["generate", "--nodes", nodes, "--new-nodes", "4", "--seed", "3", "--out", &out]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    name.to_owned()
}

#[test]
fn plans_stand_side_by_side_and_what_differs_is_explained_once() {
    let dir = Dir::new();
    dump(&dir, "d.json.gz", "8");
    for (size, file) in [("1", "one.json"), ("2", "two.json"), ("8", "all.json")] {
        let trace = format!("{file}l");
        let args =
            ["plan", "d.json.gz", "-l", "agentpool=old", "--batch-size", size, "--plan", file, "--trace", &trace];
        let ran = nodeferry(&dir, &args);
        assert!([0, 4, 6].contains(&ran.status), "{}", ran.stderr);
    }
    let ran = nodeferry(&dir, &["compare", "one.json", "two.json", "all.json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let row = |name: &str| ran.stdout.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_owned();
    assert_eq!(
        row("batch size").split_whitespace().collect::<Vec<_>>(),
        ["batch", "size", "1", "2", "8"],
        "{}",
        ran.stdout
    );
    assert_eq!(row("batches").split_whitespace().collect::<Vec<_>>(), ["batches", "8", "4", "1"], "{}", ran.stdout);
    assert!(ran.stdout.contains("The same in all: procedure kubectl-drain; old nodes 8;"), "{}", ran.stdout);
    for part in ["one.json → two.json", "one.json → all.json", "batch_size: 1 → 2", "batch_size: 1 → 8"] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    // What is said of many nodes in the same words is one line.
    assert!(ran.stdout.contains("node … moves to another batch: 7 ("), "{}", ran.stdout);

    // A plan stands beside what came of it, too, and traces beside each other.
    let mixed = nodeferry(&dir, &["compare", "one.json", "one.jsonl"]);
    assert!(mixed.status == 0 && mixed.stdout.contains("a plan and a run"), "{}{}", mixed.stdout, mixed.stderr);
    let traces = nodeferry(&dir, &["compare", "one.jsonl", "two.jsonl", "-o", "json"]).json();
    assert_eq!(traces["kinds"], serde_json::json!(["trace", "trace"]));
    assert!(traces["differences"][0]["sections"].as_array().is_some_and(|s| !s.is_empty()), "{traces}");
    let same = nodeferry(&dir, &["compare", "one.json", "one.json"]);
    assert!(
        same.stdout.contains("All figures are the same.") && same.stdout.contains("nothing differs"),
        "{}",
        same.stdout
    );
}

#[test]
fn dumps_stand_side_by_side() {
    let dir = Dir::new();
    let (few, many) = (dump(&dir, "few.json.gz", "4"), dump(&dir, "many.json", "9"));
    let ran = nodeferry(&dir, &["compare", &few, &many]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let nodes = ran.stdout.lines().find(|l| l.starts_with("nodes")).unwrap_or_default();
    assert_eq!(nodes.split_whitespace().collect::<Vec<_>>(), ["nodes", "8", "13"], "{}", ran.stdout);
    assert!(ran.stdout.contains("node … is new: 5 (old-0004, old-0005, old-0006, …)"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let dir = Dir::new();
    dump(&dir, "d.json", "2");
    nodeferry(&dir, &["plan", "d.json", "-l", "agentpool=old", "--plan", "p.json"]);
    dir.file("s.yaml", "scenario: s\ncluster: {generate: {nodes: 2}}\n");
    for (files, says) in [
        (&["d.json"][..], &["2"][..]),
        (&["d.json", "p.json"], &["d.json is a dump and p.json is none"]),
        (&["p.json", "s.yaml"], &["s.yaml is a scenario", "nodeferry plan s.yaml --plan"]),
        (&["p.json", "missing.json"], &["missing.json"]),
    ] {
        let ran = nodeferry(&dir, &[&["compare"], files].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{files:?}: {}", ran.stderr);
        says.iter().for_each(|s| assert!(ran.stderr.contains(s), "{files:?}: {s:?} is not in {}", ran.stderr));
    }
}
