//! Remedies are tried before they are given, and assumptions are varied: what is said of them is true when one does it.

use crate::cli::{Dir, Ran, SHOP, nodeferry_of};
use serde_json::Value;
use std::path::Path;

fn run(dir: &Dir, args: &[&str]) -> Ran {
    nodeferry_of(Path::new(env!("CARGO_BIN_EXE_nodeferry")), dir, args, "")
}

/// The shop under a budget that allows nothing.
fn blocked() -> String {
    let demand = SHOP.replace("spec: {minAvailable: 2, selector", "spec: {maxUnavailable: 0, selector");
    let status = demand.replace(
        "desiredHealthy: 2, expectedPods: 3, disruptionsAllowed: 1",
        "desiredHealthy: 3, expectedPods: 3, disruptionsAllowed: 0",
    );
    assert_ne!(demand, SHOP);
    assert_ne!(status, demand);
    status
}

/// A pod that nothing recreates, on an old node.
const BARE_POD: &str = "    - apiVersion: v1
      kind: Pod
      metadata: {namespace: shop, name: by-hand, uid: uid-by-hand, labels: {app: by-hand}}
      spec: {nodeName: old-2, containers: [{name: c, image: c, resources: {requests: {cpu: 100m}}}]}
      status: {phase: Running, conditions: [{type: Ready, status: \"True\"}]}
nodes: {selector: pool=old}";

fn with_a_bare_pod(scenario: &str) -> String {
    scenario.replace("nodes: {selector: pool=old}", BARE_POD)
}

fn plan(dir: &Dir, scenario: &str, more: &[&str]) -> Ran {
    let file = dir.file("s.yaml", scenario);
    run(dir, &[&["plan", &file, "--replications", "5"][..], more].concat())
}

fn remedies(dir: &Dir, scenario: &str, more: &[&str]) -> Vec<Value> {
    let result = plan(dir, scenario, &[more, &["-o", "json"]].concat()).json();
    result["remedies"].as_array().cloned().unwrap_or_default()
}

fn commands(remedy: &Value) -> Vec<&str> {
    remedy["edits"].as_array().expect("edits").iter().filter_map(|e| e["command"].as_str()).collect()
}

#[test]
fn a_budget_that_allows_nothing_is_raised_by_a_patch_that_really_helps() {
    let dir = Dir::new();
    let said = plan(&dir, &blocked(), &[]);
    assert_eq!(said.status, 3, "{}", said.stdout);
    let offer = "raise maxUnavailable of shop/web to 1: completes in 5 of 5 runs, ";
    let command = r#"kubectl patch poddisruptionbudget web -n shop --type merge -p '{"spec":{"maxUnavailable":1}}'"#;
    assert!(
        said.stdout.contains(&format!("\nWhat helps (each tried in the same runs):\n  {offer}")),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains(&format!("\n    {command}\n")), "{}", said.stdout);
    let found = remedies(&dir, &blocked(), &[]);
    assert_eq!(found.len(), 1, "nothing else helps: {found:?}");
    // As predicted: the same as a cluster in which somebody has done it.
    let done = blocked().replace("maxUnavailable: 0", "maxUnavailable: 1").replace(
        "desiredHealthy: 3, expectedPods: 3, disruptionsAllowed: 0",
        "desiredHealthy: 2, expectedPods: 3, disruptionsAllowed: 1",
    );
    let after = plan(&dir, &done, &["-o", "json"]);
    assert_eq!(after.status, 0);
    assert_eq!(after.json()["verdict"]["all"]["duration_ms"], found[0]["duration_ms"]);
    assert!(remedies(&dir, &done, &[]).is_empty(), "what completes needs no remedy");
    assert!(remedies(&dir, &blocked(), &["--no-remedies"]).is_empty());
}

#[test]
fn what_only_helps_together_is_offered_together_and_nothing_beside_it() {
    let dir = Dir::new();
    let found = remedies(&dir, &with_a_bare_pod(&blocked()), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    let patch = r#"kubectl patch poddisruptionbudget web -n shop --type merge -p '{"spec":{"maxUnavailable":1}}'"#;
    assert_eq!(commands(&found[0]), [patch, "--evict-stand-alone-pods true"]);
    assert_eq!((&found[0]["runs"], &found[0]["completed"]), (&5.into(), &5.into()));
    // With one of them made, the other alone.
    let rest = remedies(&dir, &with_a_bare_pod(&blocked()), &["--evict-stand-alone-pods", "true"]);
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(commands(&rest[0]), [patch]);
}

#[test]
fn a_budget_of_an_operator_is_left_to_it() {
    let dir = Dir::new();
    let operated = blocked().replace(
        "ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: uid-web,",
        "ownerReferences: [{apiVersion: db.example.com/v1, kind: Cluster, name: web, uid: uid-cluster,",
    );
    assert_ne!(operated, blocked());
    let found = remedies(&dir, &operated, &[]);
    assert!(found.iter().all(|r| commands(r).iter().all(|c| !c.contains("patch poddisruptionbudget"))), "{found:?}");
}

/// The shop with one replica, which must be available.
fn of_one() -> String {
    let mut text = blocked();
    for name in ["web-1", "web-2"] {
        let from = text.find(&format!("        name: {name}\n")).expect("the pod");
        let start = text[..from].rfind("    - apiVersion: v1").expect("its start");
        let end = text[from..]
            .find("    - apiVersion: v1")
            .map_or_else(|| text.find("nodes: {selector").expect("the end"), |at| from + at);
        text.replace_range(start..end, "");
    }
    text.replace("replicas: 3", "replicas: 1").replace("maxUnavailable: 0", "minAvailable: 1").replace(
        "currentHealthy: 3, desiredHealthy: 3, expectedPods: 3",
        "currentHealthy: 1, desiredHealthy: 1, expectedPods: 1",
    )
}

#[test]
fn a_workload_of_one_pod_is_scaled_rather_than_its_budget_broken() {
    let dir = Dir::new();
    let found = remedies(&dir, &of_one(), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(commands(&found[0]), ["kubectl scale replicaset web -n shop --replicas=2"]);
    assert!(
        found[0]["text"]
            .as_str()
            .is_some_and(|t| t.starts_with("scale ReplicaSet/shop/web to 2 replicas: completes in 5 of 5 runs"))
    );
}

/// New nodes only come from a group; the shop's pods ask for more than the one new node has.
fn launching(groups: &str) -> String {
    let full = SHOP.replace(
        "allocatable: {cpu: \"8\", memory: 16Gi, pods: \"110\"}",
        "allocatable: {cpu: 600m, memory: 16Gi, pods: \"110\"}",
    );
    assert_ne!(full, SHOP);
    full.replace("options: {procedure", &format!("groups: {{inline: {{groups: [{groups}]}}}}\nautoscaler: {{kind: reactive}}\noptions: {{kubectl_drain: {{settle_timeout_ms: 300000}}, source_groups_may_grow: false, procedure"))
}

const MACHINE: &str = "machine_types: [{name: small, allocatable: {cpu: 600m, memory: 4Gi, pods: 110}}]";

#[test]
fn a_group_that_is_full_is_made_as_large_as_is_needed() {
    let dir = Dir::new();
    let scenario = launching(&format!("{{name: new, labels: {{pool: new}}, max_count: 1, {MACHINE}}}"));
    let found = remedies(&dir, &scenario, &[]);
    let texts: Vec<&str> = found.iter().filter_map(|r| r["text"].as_str()).collect();
    assert!(
        texts.iter().any(|t| t.starts_with("raise the maximum of group new from 1 to 3: completes in 5 of 5 runs")),
        "{texts:?}"
    );
    let with = |max: u32| scenario.replace("max_count: 1,", &format!("max_count: {max},"));
    assert_eq!(plan(&dir, &with(3), &[]).status, 0, "as many as were said");
    assert_ne!(plan(&dir, &with(2), &[]).status, 0, "and no fewer");
}

#[test]
fn a_budget_that_is_not_even_tried_is_raised_too() {
    let dir = Dir::new();
    // Ocean's procedures leave pods alone whose budget can never be met: nothing is refused.
    let result = |more: &[&str]| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/budget-holds-nodes.yaml");
        let file = file.to_str().expect("a path in UTF-8");
        run(&dir, &[&["plan", file, "--replications", "3", "-o", "json"][..], more].concat()).json()
    };
    let found = result(&[])["remedies"].as_array().cloned().expect("remedies");
    assert_eq!(found.len(), 1, "{found:?}");
    let raised = "raise maxUnavailable of payments/trap-budget-never-met-0 to 1: completes in 3 of 3 runs";
    assert!(found[0]["text"].as_str().is_some_and(|t| t.starts_with(raised)), "{found:?}");
}

#[test]
fn a_zone_that_no_group_offers_is_offered() {
    let dir = Dir::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/volume-zone-without-node.yaml");
    let text = std::fs::read_to_string(file).expect("a scenario");
    let plain = remedies(&dir, &text, &[]);
    assert!(plain.is_empty(), "without an autoscaler no group makes a node: {plain:?}");
    let found = remedies(&dir, &text, &["--autoscaler", "reactive"]);
    let zone = |r: &Value| {
        r["text"]
            .as_str()
            .is_some_and(|t| t.starts_with("offer zone eu-1-only-old-0 in group new: completes in 5 of 5"))
    };
    assert!(found.iter().any(zone), "{found:?}");
}

#[test]
fn a_taint_that_keeps_pods_from_new_nodes_is_tolerated() {
    let dir = Dir::new();
    let tainted = SHOP.replacen(
        "labels: {pool: new, kubernetes.io/hostname: new-1}}\n      spec: {}",
        "labels: {pool: new, kubernetes.io/hostname: new-1}}\n      spec: {taints: [{key: team, value: search, effect: NoSchedule}]}",
        1,
    );
    assert_ne!(tainted, SHOP);
    let found = remedies(&dir, &tainted, &[]);
    let expected = r#"kubectl patch replicaset web -n shop --type json -p '[{"op":"add","path":"/spec/template/spec/tolerations","value":[{"key":"team","operator":"Equal","value":"search","effect":"NoSchedule"}]}]'"#;
    assert!(found.iter().any(|r| commands(r) == [expected]), "{found:?}");
}

#[test]
fn the_assumption_that_decides_is_named() {
    let dir = Dir::new();
    // Nobody says how long a pod takes to start; twice as long is often longer than the drain waits.
    let unsaid = SHOP.replace("    start: {constant: {ms: 10000}}\n", "");
    let limited =
        unsaid.replace("procedure: kubectl-drain,", "procedure: kubectl-drain, kubectl_drain: {timeout_ms: 20000},");
    let file = dir.file("limited.yaml", &limited);
    let ran = run(&dir, &["plan", &file, "--uncertain", "--replications", "20", "-o", "json"]);
    let uncertainty = &ran.json()["uncertainty"];
    assert_eq!(uncertainty["decides"], "start", "{uncertainty}");
    let varied = uncertainty["assumptions"].as_array().expect("a list");
    let names: Vec<&str> = varied.iter().filter_map(|a| a["assumption"].as_str()).collect();
    assert_eq!(names, ["start"], "what is given is not varied");
    assert!(varied[0]["double"]["completed"].as_u64() < varied[0]["half"]["completed"].as_u64(), "{uncertainty}");
    let text = plan(&dir, &limited, &["--uncertain"]).stdout;
    assert!(
        text.contains("\nAssumptions (--uncertain): ") && text.contains("log-normal, median 5000 ms, p95 30000 ms"),
        "{text}"
    );
    // Everything given: nothing to vary.
    let all = plan(&dir, SHOP, &["--uncertain"]).stdout;
    assert!(
        all.contains("\nAssumptions (--uncertain): Nothing is assumed: every delay is given or measured.\n"),
        "{all}"
    );
    assert!(plan(&dir, &limited, &["-o", "json"]).json().get("uncertainty").is_none());
}

/// Two nodes: the pod of the first takes long to start in some runs, that of the second is held by a budget in all that come so far.
#[test]
fn each_way_of_giving_up_is_looked_at() {
    use crate::dump_knows::{budget, nodes, pod, replica_set};
    let mut objects = nodes();
    objects.extend([pod("slow-a", "old-1", "apps/v1", "ReplicaSet", "slow"), replica_set("slow", 1)]);
    objects.extend([pod("db-a", "old-2", "apps/v1", "ReplicaSet", "db"), replica_set("db", 1)]);
    objects.push(budget("db", serde_json::json!({"maxUnavailable": 0}), [1, 1, 1]));
    let scenario = serde_json::json!({
        "scenario": "two causes", "cluster": {"objects": objects}, "nodes": {"selector": "pool=old"}, "autoscaler": {"kind": "none"},
        "options": {"batch_size": 1, "cordon": "all-first", "batcher": "listed", "listed_batches": [["old-1"], ["old-2"]]},
        "sim": {"delays": {"start": {"constant": {"ms": 5000}}, "workloads": [{"owner": "ReplicaSet/team/slow", "start": {"uniform": {"min_ms": 0, "max_ms": 900_000}}}]}},
    });
    let dir = Dir::new();
    let file = dir.file("s.json", &scenario.to_string());
    let result = run(&dir, &["plan", &file, "--replications", "12", "-o", "json"]).json();
    let runs = |ending: &str| {
        let all = result["verdict"]["endings"].as_array().expect("endings");
        all.iter().find(|e| e["ending"] == ending).and_then(|e| e["runs"].as_u64()).unwrap_or(0)
    };
    let (failed, in_part) = (runs("FAILED"), runs("PARTLY_COMPLETED"));
    assert!(failed > 0 && in_part > 0 && failed + in_part == 12, "{}", result["verdict"]["endings"]);
    let found = result["remedies"].as_array().cloned().unwrap_or_default();
    assert_eq!(found.len(), 1, "{found:?}");
    let patch = r#"kubectl patch poddisruptionbudget db -n team --type merge -p '{"spec":{"maxUnavailable":1}}'"#;
    assert_eq!(commands(&found[0]), [patch]);
    assert_eq!(found[0]["completed"], in_part, "it helps those runs, and no others");
}

/// What a finding says to set, set: then it is gone and the migration completes; with one less it is not.
#[test]
fn what_the_finding_of_a_budget_says_to_do_is_enough_and_no_more_than_that() {
    use crate::dump_knows::{LONG_AGO, budget, nodes, plan, pod, replica_set, text, unready};
    use serde_json::json;
    let with = |pods: usize, broken: bool, demand: Value| {
        let desired = match &demand {
            d if d.get("maxUnavailable").is_some() => pods as i64 - d["maxUnavailable"].as_i64().expect("a count"),
            d => match d["minAvailable"].as_str() {
                Some(percent) => {
                    (percent.trim_end_matches('%').parse::<i64>().expect("percent") * pods as i64 + 99) / 100
                }
                None => d["minAvailable"].as_i64().expect("a count"),
            },
        };
        let mut objects = nodes();
        objects.push(replica_set("db", pods as i64));
        for i in 0..pods {
            let mut own =
                pod(&format!("db-{i}"), if i == 0 { "old-1" } else { "new-1" }, "apps/v1", "ReplicaSet", "db");
            if broken && i + 1 == pods {
                unready(&mut own, "Running", LONG_AGO, Some("CrashLoopBackOff"));
            }
            objects.push(own);
        }
        let healthy = pods as i64 - i64::from(broken);
        objects.push(budget("db", demand, [pods as i64, desired, healthy]));
        let p = plan(&objects, &[]);
        (p.outcome() == "COMPLETED", p.has("budget-never-met").then(|| text(&p.finding("budget-never-met"), "remedy")))
    };
    let (completes, remedy) = with(2, true, json!({"maxUnavailable": 0}));
    let remedy = remedy.expect("a remedy");
    assert!(
        !completes && remedy.starts_with("Set maxUnavailable to 2 (1 of its pods is not ready, which uses up one)"),
        "{remedy}"
    );
    assert!(with(2, true, json!({"maxUnavailable": 2})).0 && !with(2, true, json!({"maxUnavailable": 1})).0);
    let (_, remedy) = with(1, false, json!({"minAvailable": "60%"}));
    let remedy = remedy.expect("a remedy");
    assert!(remedy.starts_with("Raise the replicas to 3, or allow a disruption (maxUnavailable 1)"), "{remedy}");
    assert!(with(3, false, json!({"minAvailable": "60%"})).0 && !with(2, false, json!({"minAvailable": "60%"})).0);
    let (_, remedy) = with(2, true, json!({"minAvailable": 2}));
    let remedy = remedy.expect("a remedy");
    assert!(remedy.starts_with("Raise the replicas above 3, or allow a disruption (maxUnavailable 2"), "{remedy}");
    assert!(with(4, true, json!({"minAvailable": 2})).0 && !with(3, true, json!({"minAvailable": 2})).0);
}
