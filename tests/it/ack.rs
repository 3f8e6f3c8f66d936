//! `nodeferry ack` as people meet it: from a dump to facts, preflight, plan and simulation.

use super::cli::{Dir, Ran, nodeferry, nodeferry_of};
use serde_json::{Value, json};
use std::path::Path;

fn node(name: &str, master: bool) -> Value {
    let mut labels = json!({"ack.aliyun.com": "c8a1", "topology.kubernetes.io/region": "cn-hangzhou", "kubernetes.io/hostname": name});
    if master {
        labels["node-role.kubernetes.io/master"] = "".into();
    }
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": labels},
        "spec": {"providerID": format!("cn-hangzhou.i-{name}")},
        "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}, "nodeInfo": {"kubeletVersion": "v1.36.0"},
            "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn pod(name: &str, node: &str, owner: &str, ready: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system", "uid": format!("uid-{name}"), "labels": {"app": owner},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": format!("uid-{owner}"), "controller": true}]},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}})
}

fn replica_set(name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "kube-system", "uid": format!("uid-{name}")},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}})
}

/// Three masters, two of them with a pod of CoreDNS on them; two workers with a pod of something that has one replica.
fn dump(dir: &Dir) -> String {
    let mut items: Vec<Value> = ["m1", "m2", "m3"].map(|n| node(n, true)).to_vec();
    items.extend(["w1", "w2"].map(|n| node(n, false)));
    items.push(replica_set("coredns", 2));
    items.push(replica_set("metrics", 1));
    items.push(json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "gpushare-device-plugin-ds", "namespace": "kube-system", "uid": "ds"},
        "spec": {"selector": {"matchLabels": {"app": "gpu"}}, "template": {"metadata": {"labels": {"app": "gpu"}},
            "spec": {"nodeSelector": {"gpushare": "true"}, "containers": [{"name": "c", "image": "x"}]}}}}));
    items.push(pod("coredns-1", "m1", "coredns", "True"));
    items.push(pod("coredns-2", "m2", "coredns", "True"));
    items.push(pod("metrics-1", "w1", "metrics", "True"));
    dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}

const FACTS: &str = r#"
ack_facts: 1
cluster: {type: dedicated, state: running, version: 1.36.0-aliyun.1, time_zone: Asia/Shanghai, allow_listed: true}
api_server: {internal_slb: {id: lb-1, specification: slb.s1.small}, has_public_slb: true}
bucket: {name: move, endpoint: oss-cn-hangzhou-internal.aliyuncs.com, exists: true, region: cn-hangzhou, hotlink_protection: false}
ram:
  policy: k8sMasterRolePolicy-Ros-1
  document: {Version: "1", Statement: [{Effect: Allow, Action: "oss:*", Resource: "*"}]}
masters:
  m1: {cloud_assistant: true, tmp_free_bytes: 10737418240, etcd_certificates: true}
  m2: {cloud_assistant: true, tmp_free_bytes: 10737418240, etcd_certificates: true}
  m3: {cloud_assistant: true, tmp_free_bytes: 10737418240, etcd_certificates: true}
check: {status: Succeeded, failed: []}
acknowledged: {no_rollback: true, no_new_dedicated_cluster: true, masters_unknown: true, machines_billed: true, signing_keys_travel: true, public_address_lost: true, cgpu_upgrade: true}
"#;

fn verdict(preflight: &Value, code: &str) -> String {
    let rules = preflight["rules"].as_array().expect("rules");
    rules.iter().find(|r| r["rule"] == code).map_or("none", |r| r["verdict"].as_str().unwrap_or("?")).to_owned()
}

#[test]
fn a_facts_file_is_written_filled_in_and_judged() {
    let dir = Dir::new();
    let (dump, facts) = (dump(&dir), dir.path("facts.yaml"));
    let ran = nodeferry(&dir, &["ack", "preflight", &dump, "--write-facts", &facts]);
    assert_eq!(ran.status, 3, "CoreDNS is on the masters: {}{}", ran.stdout, ran.stderr);
    let written = std::fs::read_to_string(&facts).expect("the facts");
    assert!(
        written.contains("id: c8a1") && written.contains("instance: i-m1") && written.contains("time_zone: null"),
        "{written}"
    );
    let again = nodeferry(&dir, &["ack", "preflight", &dump, "--write-facts", &facts]);
    assert!(again.status == 2 && again.stderr.contains("--overwrite"), "{}", again.stderr);
    let judged = nodeferry(&dir, &["ack", "preflight", &dump, "--facts", &facts, "-o", "json"]).json();
    assert_eq!(verdict(&judged, "ack-cluster-id"), "pass");
    assert_eq!(verdict(&judged, "ack-time-zone"), "unknown");
    let filled = dir.file("filled.yaml", FACTS);
    let ran = nodeferry(&dir, &["ack", "preflight", &dump, "--facts", &filled, "-o", "json"]);
    let judged = ran.json();
    assert_eq!(
        (ran.status, judged["failed"].as_u64(), judged["unknown"].as_u64()),
        (3, Some(1), Some(0)),
        "{}",
        ran.stdout
    );
    assert_eq!(verdict(&judged, "ack-system-pods-on-masters"), "fail");
    let text = nodeferry(&dir, &["ack", "preflight", &dump, "--facts", &filled]).stdout;
    assert!(text.contains("kube-system/coredns-1 on m1") && text.contains("kubectl drain m1 m2 m3"), "{text}");
}

#[test]
fn a_dump_is_read_from_standard_input() {
    let dir = Dir::new();
    let text = std::fs::read_to_string(dump(&dir)).expect("the dump");
    let ran = nodeferry_of(Path::new(env!("CARGO_BIN_EXE_nodeferry")), &dir, &["ack", "preflight", "-"], &text);
    assert!(ran.status == 3 && ran.stdout.contains("kube-system/coredns-1 on m1"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn contradictions_missing_facts_and_credentials_are_bad_input() {
    let dir = Dir::new();
    let dump = dump(&dir);
    let refused = |ran: &Ran, parts: &[&str]| {
        assert_eq!(ran.status, 2, "{}", ran.stdout);
        assert!(parts.iter().all(|p| ran.stderr.contains(p)), "{}", ran.stderr);
    };
    let facts = dir.file("facts.yaml", &FACTS.replace("version: 1.36", "id: c999, version: 1.36"));
    refused(
        &nodeferry(&dir, &["ack", "preflight", &dump, "--facts", &facts]),
        &["cluster.id", "c999", "c8a1", "label ack.aliyun.com"],
    );
    let facts = dir.file("facts.yaml", &FACTS.replace("name: move, ", ""));
    let ran = nodeferry(&dir, &["ack", "plan", &dump, "--facts", &facts, "--replications", "1"]);
    refused(&ran, &["facts.yaml: bucket.name is missing", "get it: aliyun ossutil"]);
    let ran = nodeferry(&dir, &["ack", "plan", &dump, "--replications", "1"]);
    refused(&ran, &["no facts file is given", "--write-facts"]);
    let profile = dir.file("profile.json", r#"{"profiles": [{"access_key_secret": "s3cr3t"}]}"#);
    let ran = nodeferry(&dir, &["ack", "preflight", &dump, "--output-of", &profile]);
    refused(&ran, &["profile.json", "credential"]);
    assert!(!ran.stderr.contains("s3cr3t"));
    let cut = dir.file("cut.json", r#"{"profiles": [{"access_key_secret": "s3cr3t" "mode": 1}]}"#);
    let ran = nodeferry(&dir, &["ack", "preflight", &dump, "--output-of", &cut]);
    refused(&ran, &["cut.json", "no valid JSON", "credential"]);
    assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    let only_workers = json!({"apiVersion": "v1", "kind": "List", "items": [node("w1", false)]}).to_string();
    let ran = nodeferry(&dir, &["ack", "simulate", &dir.file("workers.json", &only_workers)]);
    refused(&ran, &["no node of the dump is a master", "node-role.kubernetes.io/master"]);
    for (outage, part) in [
        ("soon", "--outage soon"),
        ("5m..1m", "ends before it begins"),
        ("9000h", "which is a year"),
        ("1m..9000h", "which is a year"),
    ] {
        refused(&nodeferry(&dir, &["ack", "simulate", &dump, "--outage", outage]), &[part]);
    }
    let wrong = dir.file("wrong.yaml", "trouble: [{what: hang}]\nwatch_ms: -1\n");
    let ran = nodeferry(&dir, &["ack", "simulate", &dump, "--simulation", &wrong]);
    refused(&ran, &["watch_ms is -1", "trouble[0]"]);
}

#[test]
fn a_plan_has_drain_permissions_cut_over_and_what_follows_in_the_same_bytes() {
    let dir = Dir::new();
    let (dump, facts) = (dump(&dir), dir.file("facts.yaml", FACTS));
    let plan = |name: &str| {
        let path = dir.path(name);
        let ran = nodeferry(&dir, &["ack", "plan", &dump, "--facts", &facts, "--replications", "2", "--plan", &path]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        (std::fs::read_to_string(&path).expect("the plan"), ran.stdout)
    };
    let ((first, text), (second, _)) = (plan("a.json"), plan("b.json"));
    assert!(first == second, "the same input gives the same bytes");
    let read = nodeferry::ack::AckPlan::parse(&first).expect("a plan");
    assert_eq!(read.open, [] as [String; 0], "the drain lifts what is on the masters");
    assert_eq!(serde_json::to_string_pretty(&read).expect("JSON") + "\n", first);
    let plan: Value = serde_json::from_str(&first).expect("JSON");
    let batch = plan["drain"]["intent"]["batches"][0].as_array().expect("a batch");
    assert_eq!(batch.iter().map(|n| n["name"].as_str().unwrap_or("?")).collect::<Vec<_>>(), ["m1", "m2", "m3"]);
    assert_eq!(plan["masters"][0]["pods_to_move"], json!(["kube-system/coredns-1"]));
    assert_eq!(plan["cut_over"]["call"]["path"], "/clusters/c8a1/migrate");
    assert_eq!(plan["cut_over"]["until_cut_over_ms"], 960_000);
    let commands = plan["afterwards"].to_string();
    for part in [
        "kubectl delete node m3",
        "aliyun ecs DeleteInstance --InstanceId i-m2",
        "AllocateEipAddress",
        "kubectl delete daemonset -n kube-system gpushare-device-plugin-ds",
        "oss://move/etcd_c8a1_",
    ] {
        assert!(commands.contains(part), "{part}: {commands}");
    }
    assert!(text.contains("1. Drain 3 masters (2 pods to move)") && text.contains("no rollback"), "{text}");
    // What is left of the plan by the facts: without a public address and without cGPU nothing is to be done for them.
    let unknown = dir.file("less.yaml", &FACTS.replace("allow_listed: true", "allow_listed: null"));
    let ran = nodeferry(&dir, &["ack", "plan", &dump, "--facts", &unknown, "--replications", "1", "-o", "json"]);
    assert_eq!((ran.status, ran.json()["open"].clone()), (4, json!(["ack-allow-list"])));
    let e = nodeferry::ack::AckPlan::parse(&first.replace("\"ack_plan_version\": 1", "\"ack_plan_version\": 9"))
        .expect_err("refused");
    assert!(e.contains("ack_plan_version is 9"), "{e}");
}

/// Steps that always take as long, and nothing that fails by itself.
const FIXED: &str = r#"
sleep: {constant: {ms: 20000}}
find_leader: {constant: {ms: 2000}}
snapshot: {constant: {ms: 50000}}
read_keys: {constant: {ms: 3000}}
restore: {constant: {ms: 105000}}
controllers: {constant: {ms: 16000}}
failures: {pods_per_million_hours: 0, nodes_per_million_hours: 0}
"#;

#[test]
fn a_simulation_shows_the_outage_and_when_all_is_quiet_again() {
    let dir = Dir::new();
    let (dump, fixed) = (dump(&dir), dir.file("fixed.yaml", FIXED));
    let args = ["ack", "simulate", &dump, "--simulation", &fixed, "--replications", "3", "-o", "json"];
    let ran = nodeferry(&dir, &args);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(nodeferry(&dir, &args).stdout == ran.stdout, "the same seed gives the same bytes");
    let result = ran.json();
    let shown = &result["shown"];
    assert_eq!((shown["outage_ms"].as_i64(), shown["controllers_back_ms"].as_i64()), (Some(180_000), Some(196_000)));
    // The new node controller gives the masters its grace of 50 s.
    assert_eq!(shown["masters_unknown_ms"], 246_000);
    assert_eq!(
        (shown["rush"]["nodes_not_ready"].as_u64(), shown["not_as_before"].as_array().map(Vec::len)),
        (Some(3), Some(0))
    );
    let metrics = &result["workloads"][0];
    assert_eq!(metrics["workload"], "ReplicaSet/kube-system/metrics");
    assert_eq!((metrics["left_if_a_pod_fails"].as_u64(), metrics["left_if_a_node_fails"].as_u64()), (Some(0), Some(0)));
    let text = nodeferry(&dir, &args[..args.len() - 2]).stdout;
    for part in ["The API server is away for 3m 00s (p50)", "masters are Unknown", "ReplicaSet/kube-system/metrics"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_longer_the_outage_the_more_breaks() {
    let dir = Dir::new();
    let (dump, fixed) = (
        dump(&dir),
        dir.file("fixed.yaml", &FIXED.replace("pods_per_million_hours: 0", "pods_per_million_hours: 20000")),
    );
    let ran = nodeferry(
        &dir,
        &["ack", "simulate", &dump, "--simulation", &fixed, "--replications", "1", "--outage", "30s..1h", "-o", "json"],
    );
    let lengths = &ran.json()["lengths"];
    let simulated = lengths["simulated"].as_array().expect("lengths");
    assert_eq!(
        (simulated.len(), simulated[0]["outage_ms"].as_i64(), simulated[7]["outage_ms"].as_i64()),
        (8, Some(30_000), Some(3_600_000))
    );
    let zero: Vec<f64> = simulated.iter().filter_map(|l| l["any_at_zero"].as_f64()).collect();
    assert!(zero[0] < zero[7] && zero[7] > 0.01, "{zero:?}");
    let breaks = lengths["breaks"].as_array().expect("breaks");
    let from: Vec<i64> = breaks.iter().filter_map(|b| b["from_ms"].as_i64()).collect();
    assert!(
        from.is_sorted() && from.contains(&2_400_000) && from.contains(&960_000) && !from.contains(&3_607_000),
        "{from:?}"
    );
    assert!(breaks.iter().any(|b| b["what"].as_str().is_some_and(|w| w.contains("1 % probability"))), "{breaks:?}");
    // One length instead of what the steps take.
    let ran = nodeferry(&dir, &["ack", "simulate", &dump, "--replications", "1", "--outage", "7m", "-o", "json"]);
    assert_eq!(ran.json()["shown"]["outage_ms"], 420_000);
}

#[test]
fn a_scenario_is_preflighted_and_simulated_like_a_dump() {
    let dir = Dir::new();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/ack-completes.yaml");
    assert_eq!(nodeferry(&dir, &["ack", "preflight", scenario]).status, 3);
    let ran = nodeferry(&dir, &["ack", "simulate", scenario]);
    assert!(ran.status == 0 && ran.stdout.contains("3m 00s"), "{}{}", ran.stdout, ran.stderr);
    // What a scenario says itself is not said again by a flag.
    let facts = dir.path("facts.yaml");
    for flag in ["--facts", "--write-facts"] {
        let ran = nodeferry(&dir, &["ack", "preflight", scenario, flag, &facts]);
        assert!(ran.status == 2 && ran.stderr.contains(flag), "{}", ran.stderr);
    }
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/quickstart.yaml");
    let ran = nodeferry(&dir, &["ack", "simulate", quickstart]);
    assert!(ran.status == 2 && ran.stderr.contains("has no `ack`"), "{}", ran.stderr);
}

/// A plan with a rule open that is unknown, and where it stands.
fn open_plan(dir: &Dir) -> String {
    let facts = dir.file("open.yaml", &FACTS.replace(", allow_listed: true", ""));
    let plan = dir.path("open.json");
    let dump = dump(dir);
    let ran = nodeferry(dir, &["ack", "plan", &dump, "--facts", &facts, "--replications", "1", "--plan", &plan]);
    assert_eq!(ran.status, 4, "{}{}", ran.stdout, ran.stderr);
    plan
}

#[test]
fn what_cannot_be_carried_out_is_refused_before_anything_is_asked() {
    let dir = Dir::new();
    let plan = open_plan(&dir);
    let ran = |arguments: &[&str]| {
        let ran = nodeferry(&dir, &[&["ack", "execute"], arguments].concat());
        assert_eq!(ran.status, 2, "{}{}", ran.stdout, ran.stderr);
        ran.stderr
    };
    let refused = ran(&[&plan, "--yes"]);
    assert!(refused.contains("ack-allow-list:") && refused.contains("--accept RULE"), "{refused}");
    assert!(ran(&[&plan, "--accept", "ack-bucket"]).contains("no such rule is open in the plan (ack-allow-list)"));
    assert!(ran(&[&plan, "--begin", "a 'b"]).contains("--begin: `a 'b` has a ' that is not closed"));
    assert!(ran(&[&plan, "--poll", ""]).contains("--poll: the command is empty"));
    assert!(ran(&[&plan, "--gate-limit", "soon"]).contains("--gate-limit soon"));
    let simulation = dir.file("simulation.json", r#"{"draws": 4000000000}"#);
    assert!(ran(&[&plan, "--simulation", &simulation]).contains("draws is 4000000000; expected at most 1000000"));
    let journal = dir.path("journal");
    std::fs::create_dir(&journal).expect("a directory");
    std::fs::write(Path::new(&journal).join("ack.jsonl"), "nonsense\n").expect("a file");
    let damaged = ran(&[&plan, "--accept", "ack-allow-list", "--journal", &journal]);
    assert!(damaged.contains("ack.jsonl: line 1"), "{damaged}");
    for command in ["status", "history", "report", "resume", "stop"] {
        let ran = nodeferry(&dir, &[command, &journal]);
        assert!(ran.status == 2 && ran.stderr.contains("ack.jsonl: line 1"), "{command}: {}", ran.stderr);
    }
    let other = dir.file("other.json", r#"{"ack_plan_version": 99}"#);
    assert!(ran(&[&other]).contains("ack_plan_version is 99"));
    let drain = dir.file("drain.json", "{}");
    assert!(ran(&[&drain]).contains("this is no plan of nodeferry ack plan"));
    // Nobody answers there.
    let kubeconfig = dir.file(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
         clusters: [{name: k, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {token: t0k3n}}]\n",
    );
    let away = ran(&[&plan, "--accept", "ack-allow-list", "--yes", "--kubeconfig", &kubeconfig]);
    assert!(away.contains("the plan does not know which cluster it is for") && !away.contains("t0k3n"), "{away}");
}

#[test]
fn what_a_scenario_expects_of_a_swap_that_it_has_not_is_an_error() {
    let dir = Dir::new();
    let text = "scenario: t\nstory: s\ncluster: {generate: {nodes: 2}}\nexpect: {outcome: COMPLETED, ack: {outage_ms: {min: 1}}}\n";
    let ran = nodeferry(&dir, &["test", &dir.file("s.yaml", text)]);
    assert!(
        ran.status == 2 && ran.stderr.contains("expect.ack is for a scenario with `ack`"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}
