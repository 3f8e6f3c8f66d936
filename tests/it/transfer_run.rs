//! `nodeferry transfer simulate` as people meet it, and what `execute` refuses before it looks at any cluster.

use super::cli::{Dir, nodeferry};
use serde_json::{Value, json};

const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/transfers/shop.json");

/// The plan with something changed.
fn changed(dir: &Dir, change: impl FnOnce(&mut Value)) -> String {
    let text = std::fs::read_to_string(PLAN).expect("the plan");
    let mut plan: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut plan);
    dir.file("changed.json", &plan.to_string())
}

#[test]
fn a_plan_is_simulated_with_times_of_ones_own_and_on_a_target_of_ones_own() {
    let dir = Dir::new();
    let ran = nodeferry(&dir, &["transfer", "simulate", PLAN]);
    assert!(ran.status == 0 && ran.stdout.contains("no dump of the target is given"), "{}{}", ran.stdout, ran.stderr);
    let slow = dir.file("times.yaml", "copy: {fixed_ms: 0, bytes_per_second: 1048576}\n");
    let ran = nodeferry(&dir, &["transfer", "simulate", PLAN, "--simulation", &slow, "-o", "json"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert_eq!(ran.json()["failure"]["step"], "w2.copy");
    // A target that has nodes, and no storage class.
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"},
        "status": {"allocatable": {"cpu": "1", "memory": "4Gi", "pods": "110"}, "nodeInfo": {"kubeletVersion": "v1.34.0"},
            "conditions": [{"type": "Ready", "status": "True"}]}});
    let dump = dir.file("aks.json", &json!({"apiVersion": "v1", "kind": "List", "items": [node]}).to_string());
    let ran = nodeferry(&dir, &["transfer", "simulate", PLAN, "--target-dump", &dump]);
    assert!(
        ran.status == 3 && ran.stdout.contains("the target has no storage class managed-csi"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}

#[test]
fn bad_input_is_named() {
    let dir = Dir::new();
    let bad = dir.file("times.yaml", "look_ms: 0\n");
    let ran = nodeferry(&dir, &["transfer", "simulate", PLAN, "--simulation", &bad]);
    assert!(ran.status == 2 && ran.stderr.contains("look_ms is 0; it must be above 0"), "{}", ran.stderr);
    let bad =
        dir.file("times.yaml", "commands: {w9.copy: 1}\ncopy: {fixed_ms: 9223372036854775807, bytes_per_second: 1}\n");
    let ran = nodeferry(&dir, &["transfer", "simulate", PLAN, "--simulation", &bad]);
    assert!(ran.status == 2 && ran.stderr.contains("step w9.copy, which the plan does not have"), "{}", ran.stderr);
    assert!(ran.stderr.contains("copy.fixed_ms is 9223372036854775807; expected at most"), "{}", ran.stderr);
    let other = changed(&dir, |plan| plan["transfer_plan_version"] = json!(9));
    let ran = nodeferry(&dir, &["transfer", "simulate", &other]);
    assert!(ran.status == 2 && ran.stderr.contains("transfer_plan_version is 9"), "{}", ran.stderr);
}

#[test]
fn what_nobody_may_begin_is_refused_before_any_cluster_is_looked_at() {
    let dir = Dir::new();
    let execute = |plan: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["transfer", "execute", plan].iter().chain(more).copied().collect();
        let ran = nodeferry(&dir, &arguments);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        ran.stderr
    };
    let finding = json!({"severity": "blocks", "code": "transfer-fsx", "object": "PersistentVolume/v", "field": "", "message": "FSx has no twin",
        "remedy": "move it by hand", "origin": "v.yaml:1"});
    let blocked = changed(&dir, |plan| plan["findings"]["open"] = json!([finding]));
    assert!(execute(&blocked, &[]).contains("transfer-fsx PersistentVolume/v: FSx has no twin"));
    let open = changed(&dir, |plan| {
        plan["waves"][3]["steps"][1]["action"]["cut_over"]["commands"] = json!(["./dns.sh <zone>"])
    });
    assert!(execute(&open, &[]).contains("nobody has filled in <zone>"));
    assert!(execute(PLAN, &["--yes-gate", "no-such"]).contains("the plan has no such gate (it has: cut-over)"));
    // Nobody is at the terminal, so a yes says which plan it is for.
    let said = execute(PLAN, &["--yes"]);
    assert!(said.contains("Read it, then say --yes="), "{said}");
    assert!(said.contains("runs at w2.back.unfence, if its wave is taken back: psql"), "{said}");
    assert!(said.contains("gives its programs PATH"), "{said}");
    assert!(execute(PLAN, &["--yes=000000000000"]).contains("the plan is not the one that was confirmed"));
    assert!(execute(PLAN, &[]).contains("which cluster is the source? give --source-context"));
    let status = nodeferry(&dir, &["transfer", "status", &dir.path("none")]);
    assert!(status.status == 2 && status.stderr.contains("there is no journal"), "{}", status.stderr);
}

#[test]
fn a_journal_is_named_by_its_directory_or_its_file_and_gates_of_ways_back_are_approved_too() {
    let dir = Dir::new();
    let text = std::fs::read_to_string(PLAN).expect("the plan");
    let mut plan: Value = serde_json::from_str(&text).expect("JSON");
    let gate = json!({"gate": {"name": "resume shop", "question": "it goes on", "mandatory": true, "commands": []}});
    plan["waves"][0]["rollback"] =
        json!([{"id": "w0.back.gate", "what": "resume", "timeout_ms": 1000, "after": [], "action": gate}]);
    let at = |name: &str| json!({"context": name, "cluster": name});
    let began = json!({"transfer_journal_version": 1, "nodeferry": "0", "execution": "run-1", "source": at("eks"), "target": at("aks"),
        "unix_ms": 0, "plan_sha256": "00", "places": {}, "approved": [], "predicted": null, "plan": plan});
    let began = json!({"seq": 0, "t_ms": 0, "record": "began", "data": began});
    let journal = dir.file("transfer.jsonl", &format!("{began}\n"));
    let ran = nodeferry(&dir, &["transfer", "approve", &journal, "resume shop"]);
    assert!(ran.status == 0 && ran.stdout.contains("gate resume shop of run-1 is approved"), "{}", ran.stderr);
    let ran = nodeferry(&dir, &["stop", &journal, "-o", "json"]);
    let said = ran.json()["message"].to_string();
    assert!(said.contains("asked run-1 to stop after the step under way; no process carries it out now"), "{said}");
    let ran = nodeferry(&dir, &["transfer", "stop", &journal, "--now"]);
    assert!(ran.status == 0 && ran.stdout.contains("there is nothing to end"), "{}{}", ran.stdout, ran.stderr);
    let ended =
        json!({"seq": 1, "t_ms": 9, "record": "ended", "data": {"outcome": "STOPPED", "message": "m", "remedy": "r"}});
    let journal = dir.file("transfer.jsonl", &format!("{began}\n{ended}\n"));
    let ran = nodeferry(&dir, &["transfer", "status", &journal]);
    assert!(ran.status == 0 && ran.stdout.contains("STOPPED: m"), "{}{}", ran.stdout, ran.stderr);
    let ran = nodeferry(&dir, &["transfer", "stop", &journal]);
    assert!(ran.status == 0 && ran.stdout.contains("there is nothing to stop"), "{}{}", ran.stdout, ran.stderr);
    let ran = nodeferry(&dir, &["transfer", "approve", &journal, "cut-over"]);
    assert!(ran.status == 2 && ran.stderr.contains("has ended already"), "{}", ran.stderr);
}
