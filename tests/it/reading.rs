//! Files as people have them, through the command line: what is read, what is refused in which words, and whether findings say what the
//! run does.

use crate::cli::{Dir, Ran, nodeferry};
use serde_json::{Value, json};

fn node(name: &str, pool: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"pool": pool, "kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}, "nodeInfo": {"kubeletVersion": "v1.35.1"},
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-02-02T10:00:00Z"}]}})
}

/// A pod of a controller; of none without a kind.
fn pod(name: &str, node: &str, kind: &str, owner: &str) -> Value {
    let owners = match kind {
        "" => json!([]),
        "Job" => {
            json!([{"apiVersion": "batch/v1", "kind": kind, "name": owner, "uid": format!("uid-{owner}"), "controller": true}])
        }
        "ReplicationController" => {
            json!([{"apiVersion": "v1", "kind": kind, "name": owner, "uid": format!("uid-{owner}"), "controller": true}])
        }
        _ => {
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": format!("uid-{owner}"), "controller": true}])
        }
    };
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "bank", "uid": format!("uid-{name}"), "labels": {"app": "ledger"}, "ownerReferences": owners},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "example.com/ledger:2", "resources": {"requests": {"cpu": "250m"}}}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-02-02T10:00:00Z"}]}})
}

fn replica_set(replicas: i64, stated: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "ledger", "namespace": "bank", "uid": "uid-ledger"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "ledger"}},
            "template": {"metadata": {"labels": {"app": "ledger"}}, "spec": {"containers": [{"name": "c", "image": "example.com/ledger:2"}]}}},
        "status": {"replicas": stated}})
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn codes(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().map(|f| f["code"].as_str().unwrap_or_default().to_owned()).collect()
}

fn finding(ran: &Ran, code: &str) -> Value {
    let json = ran.json();
    let found = json["findings"].as_array().and_then(|l| l.iter().find(|f| f["code"] == code).cloned());
    found.unwrap_or_else(|| panic!("no {code} in {json:#}"))
}

/// A plan with its trace: the old pool is left.
fn plan(dir: &Dir, objects: &[Value], more: &[&str]) -> (Ran, Vec<Value>) {
    let file = dir.file("dump.json", &list(objects));
    let trace = dir.path("trace.jsonl");
    let mut args = vec!["plan", &file, "-l", "pool=old", "-o", "json", "--trace", &trace];
    args.extend(more);
    let ran = nodeferry(dir, &args);
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    (ran, text.lines().map(|l| serde_json::from_str(l).expect("an event")).collect())
}

fn names(trace: &[Value], event: &str) -> Vec<String> {
    let of = trace.iter().filter(|e| e["event"] == event);
    of.map(|e| e["pod"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_is_said_of_missing_owners_is_what_the_run_does() {
    for (kind, code, said, replaced) in [
        ("ReplicaSet", "no-replicasets-in-dump", "evicted ones are replaced at once", true),
        ("StatefulSet", "no-statefulsets-in-dump", "evicted ones are replaced under their names", true),
        ("ReplicationController", "no-replication-controllers-in-dump", "evicted ones are replaced at once", true),
        ("Job", "no-jobs-in-dump", "evicted pods of Jobs are not replaced", false),
    ] {
        let dir = Dir::new();
        let objects = [node("old-1", "old"), node("new-1", "new"), pod("ledger-0", "old-1", kind, "ledger")];
        let (ran, trace) = plan(&dir, &objects, &[]);
        let message = finding(&ran, code)["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(said), "{kind}: {message}");
        assert_eq!(names(&trace, "eviction_accepted"), ["bank/ledger-0"], "{kind}");
        let created = names(&trace, "pod_created");
        assert_eq!(created.len(), usize::from(replaced), "{kind}: {created:?}");
        assert_eq!(created == ["bank/ledger-0"], kind == "StatefulSet", "{kind}: {created:?}");
    }
    // The owner's kind is in the dump, the owner is not: the pod is not replaced.
    let dir = Dir::new();
    let other = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "other", "namespace": "bank", "uid": "uid-other"}});
    let objects = [node("old-1", "old"), node("new-1", "new"), pod("ledger-0", "old-1", "ReplicaSet", "ledger"), other];
    let (ran, trace) = plan(&dir, &objects, &["--allow-partial-dump"]);
    assert!(finding(&ran, "owner-missing")["message"].as_str().unwrap_or_default().contains("nobody replaces the pod"));
    assert_eq!((names(&trace, "eviction_accepted").len(), names(&trace, "pod_created").len()), (1, 0));
    // Pods of a DaemonSet that nobody dumped: a drain refuses.
    let dir = Dir::new();
    let objects = [node("old-1", "old"), node("new-1", "new"), pod("agent-1", "old-1", "DaemonSet", "agent")];
    let (ran, trace) = plan(&dir, &objects, &[]);
    assert!(
        finding(&ran, "no-daemonsets-in-dump")["message"]
            .as_str()
            .unwrap_or_default()
            .contains("drains refuse their pods")
    );
    assert!(ran.status != 0 && names(&trace, "eviction_accepted").is_empty(), "{}", ran.stdout);
}

#[test]
fn budgets_over_missing_owners_go_by_the_pods_there_are() {
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "ledger", "namespace": "bank", "generation": 1},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "ledger"}}},
        "status": {"observedGeneration": 1, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3, "disruptionsAllowed": 1}});
    let dir = Dir::new();
    let mut objects = vec![node("old-1", "old"), node("new-1", "new"), budget];
    objects.extend((0..3).map(|i| pod(&format!("ledger-{i}"), "old-1", "ReplicaSet", "ledger")));
    let (ran, trace) = plan(&dir, &objects, &[]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    // One at a time: never two away.
    assert!(
        trace.iter().any(|e| e["event"] == "eviction_refused"),
        "a budget that cannot be computed would refuse for good"
    );
    assert_eq!(names(&trace, "eviction_accepted").len(), 3);
}

#[test]
fn a_partial_dump_is_refused_unless_it_is_allowed() {
    let mut objects = vec![node("old-1", "old"), node("new-1", "new"), replica_set(3, 3)];
    objects.push(pod("ledger-0", "old-1", "ReplicaSet", "ledger"));
    let dir = Dir::new();
    let (ran, _) = plan(&dir, &objects, &[]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(ran.stderr.starts_with("error: this dump is not whole:\n"), "{}", ran.stderr);
    for part in [
        "count 2 pods that it lacks, of 3 (ReplicaSet/bank/ledger: 1 of 3)",
        "all namespaces (-A)",
        "--allow-partial-dump",
    ] {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
    let (ran, trace) = plan(&dir, &objects, &["--allow-partial-dump"]);
    assert_eq!((ran.status, finding(&ran, "dump-not-whole")["severity"].as_str()), (0, Some("error")));
    assert!(
        finding(&ran, "pods-missing")["message"]
            .as_str()
            .unwrap_or_default()
            .contains("its controller creates it once another of its pods is evicted")
    );
    assert_eq!(names(&trace, "eviction_accepted"), ["bank/ledger-0"]);
    assert_eq!(names(&trace, "pod_created").len(), 3, "one for the evicted pod, two that the dump lacks");
    // discover shows it, as an error.
    let shown = nodeferry(&dir, &["discover", &dir.path("dump.json")]);
    assert!(
        shown.status == 0 && shown.stdout.contains("Errors") && shown.stdout.contains("dump-not-whole"),
        "{}",
        shown.stdout
    );
    let strict = nodeferry(&dir, &["discover", &dir.path("dump.json"), "--strict"]);
    assert!(strict.status == 2 && strict.stderr.contains("dump-not-whole"), "{}", strict.stderr);
    // A saved plan is not simulated on a partial dump either.
    let whole = [
        node("old-1", "old"),
        node("new-1", "new"),
        replica_set(1, 1),
        pod("ledger-0", "old-1", "ReplicaSet", "ledger"),
    ];
    let saved = dir.path("plan.json");
    assert_eq!(plan(&dir, &whole, &["--plan", &saved]).0.status, 0);
    let partial = dir.file("partial.json", &list(&objects));
    let again = nodeferry(&dir, &["simulate", &saved, &partial]);
    assert!(again.status == 2 && again.stderr.contains("this dump is not whole"), "{}", again.stderr);
    assert_eq!(nodeferry(&dir, &["simulate", &saved, &partial, "--allow-partial-dump"]).status, 0);
}

#[test]
fn pages_of_a_list_that_are_all_there_are_a_whole_list() {
    let dir = Dir::new();
    let pods: Vec<Value> = (0..3).map(|i| pod(&format!("ledger-{i}"), "old-1", "ReplicaSet", "ledger")).collect();
    let rest = dir.file("rest.json", &list(&[node("old-1", "old"), node("new-1", "new"), replica_set(3, 3)]));
    let page = |name: &str, pods: &[Value], metadata: Value| {
        dir.file(name, &json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": pods}).to_string())
    };
    let first = page("1.json", &pods[..1], json!({"continue": "abc", "remainingItemCount": 2}));
    let second = page("2.json", &pods[1..2], json!({"continue": "def", "remainingItemCount": 1}));
    let last = page("3.json", &pods[2..], json!({}));
    let plan = |pages: &[&String]| {
        let mut args = vec!["plan", rest.as_str()];
        args.extend(pages.iter().map(|p| p.as_str()));
        args.extend(["-l", "pool=old", "--replications", "1"]);
        nodeferry(&dir, &args)
    };
    let ran = plan(&[&first, &second, &last]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for pages in [vec![&first, &second], vec![&first, &last], vec![&first]] {
        let ran = plan(&pages);
        assert!(ran.status == 2 && ran.stderr.contains("metadata.continue"), "{pages:?}: {}", ran.stderr);
    }
}

#[test]
fn nodes_or_namespaces_that_were_not_asked_for_are_said() {
    let dir = Dir::new();
    // `kubectl get nodes -l pool=old`: pods are bound to nodes that are not there.
    let mut objects = vec![node("old-1", "old"), replica_set(4, 4)];
    objects.extend(
        (0..4).map(|i| pod(&format!("ledger-{i}"), ["old-1", "new-1", "new-2", "new-3"][i], "ReplicaSet", "ledger")),
    );
    let (ran, _) = plan(&dir, &objects, &[]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(
        ran.stderr.contains("Node: 3 of 4 pods are bound to 3 nodes that it lacks (new-1, new-2, new-3)"),
        "{}",
        ran.stderr
    );
    // A single one may have been deleted just now.
    objects.push(node("new-2", "new"));
    objects.push(node("new-3", "new"));
    assert!(codes(&plan(&dir, &objects, &[]).0).contains(&"node-missing".to_owned()));
    // Pods of one namespace only, in a cluster with others.
    let space = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut objects =
        vec![node("old-1", "old"), node("new-1", "new"), replica_set(1, 1), space("bank"), space("kube-system")];
    objects.push(pod("ledger-0", "old-1", "ReplicaSet", "ledger"));
    let (ran, _) = plan(&dir, &objects, &[]);
    let message = finding(&ran, "pods-of-one-namespace")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("in namespace bank"), "{message}");
    let mut proxy = pod("proxy-0", "old-1", "", "");
    proxy["metadata"]["namespace"] = json!("kube-system");
    objects.push(proxy);
    assert!(
        !codes(&plan(&dir, &objects, &["--evict-stand-alone-pods", "true"]).0)
            .contains(&"pods-of-one-namespace".to_owned())
    );
}

#[test]
fn what_kubectl_and_the_api_server_say_beside_objects_is_named() {
    let dir = Dir::new();
    let objects = list(&[node("old-1", "old"), node("new-1", "new")]);
    for (name, text, wanted) in [
        (
            "warned.json",
            format!("Warning: v1 ComponentStatus is deprecated in v1.19+\n{objects}"),
            "a message of kubectl stands before the objects",
        ),
        (
            "logged.json",
            format!("W1127 08:00:00.000000   12 loader.go:223] config not found\n{objects}"),
            "a message of kubectl stands before the objects",
        ),
        (
            "status.json",
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "code": 401})
                .to_string(),
            "it is a Status, the API server's answer to a request that failed (Unauthorized)",
        ),
    ] {
        let file = dir.file(name, &text);
        let ran = nodeferry(&dir, &["discover", &file]);
        assert!(ran.status == 2 && ran.stderr.contains(wanted), "{name}: {}{}", ran.stdout, ran.stderr);
    }
    let nodes = dir.file("nodes.json", &objects);
    for (config, wanted) in [
        ("profiles: 5", "at profiles: expected a list, found 5"),
        (
            "profiles: [{schedulerName: x, pluginConfig: [{name: NodeResourcesFit, args: {ignoredResources: 7}}]}]",
            "expected a list, found 7",
        ),
    ] {
        let text = format!("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n{config}\n");
        let file = dir.file("scheduler.yaml", &text);
        let ran = nodeferry(&dir, &["discover", &nodes, "--scheduler-config", &file]);
        assert!(
            ran.status == 2 && ran.stderr.contains(wanted) && !ran.stderr.contains("invalid type"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn pending_pods_that_have_room_are_no_error_beside_a_migration_that_completes() {
    let pending = |cpu: &str| {
        let mut p = pod("late-0", "", "ReplicaSet", "late");
        p["metadata"]["labels"] = json!({"app": "late"});
        p["spec"] = json!({"containers": [{"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu}}}]});
        p["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/2 nodes are available: 2 Insufficient cpu."}]});
        p
    };
    for (cpu, status, severity, outcome) in [("500m", 0, "warning", "COMPLETED"), ("7", 3, "error", "FAILED")] {
        let dir = Dir::new();
        // Nodes without labels of their own, which match Ocean's default group.
        let of_aks = |name: &str, pool: &str| {
            let mut node = node(name, pool);
            node["metadata"]["labels"] =
                json!({"kubernetes.azure.com/agentpool": pool, "kubernetes.io/hostname": name});
            node
        };
        let objects = [
            of_aks("old-1", "old"),
            of_aks("new-1", "new"),
            pod("ledger-0", "old-1", "ReplicaSet", "ledger"),
            pending(cpu),
        ];
        let file = dir.file("dump.json", &list(&objects));
        let ocean = ["--procedure", "ocean-azure", "--autoscaler", "none", "-o", "json"];
        let mut args = vec!["plan", &file, "-l", "kubernetes.azure.com/agentpool=old"];
        args.extend(ocean);
        let ran = nodeferry(&dir, &args);
        let json = ran.json();
        assert_eq!((ran.status, json["outcome"].as_str()), (status, Some(outcome)), "{}", ran.stdout);
        let found = finding(&ran, "pending-at-start");
        assert_eq!(found["severity"], severity);
        let text = found["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            text.contains("has room in this dump, and the simulation places them at once"),
            status == 0,
            "{text}"
        );
    }
}

#[test]
fn a_workload_that_is_down_for_good_fails_the_migration_though_every_node_is_empty() {
    let mut selective = pod("ledger-0", "old-1", "ReplicaSet", "ledger");
    selective["spec"]["nodeSelector"] = json!({"instance": "prod"});
    let dir = Dir::new();
    let (ran, _) = plan(
        &dir,
        &[node("old-1", "old"), node("new-1", "new"), selective],
        &["--procedure", "surge", "--autoscaler", "none"],
    );
    let json = ran.json();
    assert_eq!((ran.status, json["outcome"].as_str()), (3, Some("FAILED")), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("Every node was emptied, but workloads did not become fully ready again."),
        "{}",
        ran.stdout
    );
}

#[test]
fn nodes_of_the_clouds_pools_are_of_the_groups_that_were_read_off_them() {
    for (key, others) in [
        ("cloud.google.com/gke-nodepool", json!({})),
        ("eks.amazonaws.com/nodegroup", json!({})),
        ("kubernetes.azure.com/agentpool", json!({"agentpool": "a"})),
        ("karpenter.sh/nodepool", json!({"karpenter.sh/capacity-type": "on-demand"})),
    ] {
        let dir = Dir::new();
        let of = |name: &str, pool: &str| {
            let mut n = node(name, "x");
            let mut labels = json!({(key): pool, "kubernetes.io/os": "linux", "node.kubernetes.io/instance-type": "t"});
            for (k, v) in others.as_object().into_iter().flatten() {
                labels[k] = if v == "a" { pool.into() } else { v.clone() };
            }
            n["metadata"]["labels"] = labels;
            n
        };
        let ran = nodeferry(
            &dir,
            &["discover", &dir.file("d.json", &list(&[of("n-1", "blue"), of("n-2", "green")])), "-o", "json"],
        );
        let json = ran.json();
        let groups: Vec<_> = json["nodes"].as_array().expect("nodes").iter().map(|n| n["group"].as_str()).collect();
        assert_eq!(groups, [Some("blue"), Some("green")], "{key}");
        let counts: Vec<_> = json["groups"]
            .as_array()
            .expect("groups")
            .iter()
            .map(|g| (g["nodes"].as_u64(), g["matching_nodes"].as_u64()))
            .collect();
        assert_eq!(counts, [(Some(1), Some(1)), (Some(1), Some(1))], "{key}");
    }
    let dir = Dir::new();
    let mut control_plane = node("cp", "x");
    control_plane["metadata"]["labels"] = json!({"node-role.kubernetes.io/control-plane": ""});
    let ran = nodeferry(&dir, &["discover", &dir.file("d.json", &list(&[control_plane]))]);
    assert!(ran.stdout.contains("1 nodes match no group"), "{}", ran.stdout);
    assert!(ran.stdout.contains("no node groups were given, and the nodes show none"), "{}", ran.stdout);
}

#[test]
fn schedulers_beside_each_other() {
    let config = |name: Option<&str>, more: &str| {
        let name = name.map_or_else(String::new, |n| format!("schedulerName: {n}"));
        format!(
            "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n{more}profiles:\n- {{{name}}}\n"
        )
    };
    let packed = |name: &str, scheduler: &str| {
        let mut p = pod(name, "old-1", "ReplicaSet", scheduler);
        p["spec"]["schedulerName"] = scheduler.into();
        p
    };
    let objects =
        [node("old-1", "old"), node("new-1", "new"), packed("a", "default-scheduler"), packed("b", "packing")];
    let dir = Dir::new();
    let (default, packing) =
        (dir.file("default.yaml", &config(None, "")), dir.file("packing.yaml", &config(Some("packing"), "")));
    let run = |flags: &[&str]| {
        let mut args = vec![];
        for f in flags {
            args.extend(["--scheduler-config", f]);
        }
        let (ran, trace) = plan(&dir, &objects, &args);
        (codes(&ran), names(&trace, "pod_bound").len(), ran)
    };
    let (found, bound, _) = run(&[&default]);
    assert!(found.contains(&"other-scheduler".into()) && bound == 1, "{found:?}");
    let (found, bound, _) = run(&[&default, &packing]);
    assert!(
        !found.contains(&"other-scheduler".into()) && found.contains(&"schedulers-as-one".into()) && bound == 2,
        "{found:?}"
    );
    // A second scheduler's file beside Kubernetes' own default.
    let (found, bound, _) = run(&["default", &packing]);
    assert!(!found.contains(&"other-scheduler".into()) && bound == 2, "{found:?}");
    let (found, bound, _) = run(&[&packing]);
    assert!(found.contains(&"other-scheduler".into()) && bound == 1, "{found:?}");
    // The plan document keeps them all.
    let saved = dir.path("plan.json");
    let both = ["--scheduler-config", &default, "--scheduler-config", &packing, "--plan", &saved];
    assert_eq!(plan(&dir, &objects, &both).0.status, 0);
    let again = nodeferry(&dir, &["simulate", &saved, &dir.path("dump.json"), "-o", "json"]);
    assert!(again.status == 0 && !codes(&again).contains(&"other-scheduler".into()), "{}", again.stderr);
    // What cannot be.
    let two = dir.file("two.yaml", &format!("{}---\n{}", config(None, ""), config(Some("packing"), "")));
    let wrong = dir.file("wrong.yaml", "apiVersion: v1\nkind: [Config\n");
    for (flags, wanted) in [
        (
            vec![two.as_str()],
            "two.yaml holds 2 documents, of which kube-scheduler would read the first only; give each",
        ),
        (vec![&packing, &packing], "packing.yaml: the scheduler packing is in"),
        (vec![&wrong], "wrong.yaml is no valid YAML: it ends on line 2"),
    ] {
        let (_, _, ran) = {
            let mut args = vec!["discover", "dump.json"];
            for f in &flags {
                args.extend(["--scheduler-config", f]);
            }
            ((), (), nodeferry(&dir, &args))
        };
        assert!(ran.status == 2 && ran.stderr.contains(wanted), "{}", ran.stderr);
        assert!(!ran.stderr.contains("from_str") && !ran.stderr.contains("<input>"), "{}", ran.stderr);
    }
}

#[test]
fn groups_of_a_dump_and_of_a_directory() {
    let pool = |operator: &str| {
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "fresh"}, "spec": {"template": {"spec":
            {"requirements": [{"key": "karpenter.k8s.aws/instance-generation", "operator": operator, "values": ["5"]}]}}}})
    };
    let class = json!({"apiVersion": "karpenter.azure.com/v1", "kind": "AKSNodeClass", "metadata": {"name": "fresh"}});
    let mut machine = node("old-1", "old");
    machine["metadata"]["labels"]["node.kubernetes.io/instance-type"] = "m5.large".into();
    for (operator, said) in [
        ("Gte", None),
        ("Around", Some("requirement karpenter.k8s.aws/instance-generation Around 5: the operator is not known")),
    ] {
        let dir = Dir::new();
        let dump = dir.file("dump.json", &list(&[machine.clone(), pool(operator), class.clone()]));
        let ran = nodeferry(&dir, &["discover", &dump]);
        assert!(ran.status == 0 && ran.stdout.contains("m5.large"), "{}", ran.stderr);
        assert_eq!(ran.stdout.contains("group-requirement-not-read"), said.is_some(), "{}", ran.stdout);
        assert!(said.is_none_or(|s| ran.stdout.contains(s)), "{}", ran.stdout);
    }
    // A directory of groups: what is none is passed over; without any it is an error that names the directory.
    let dir = Dir::new();
    let dump = dir.file("dump.json", &list(&[machine]));
    std::fs::create_dir_all(dir.path("groups/deep")).expect("a directory");
    dir.file("groups/class.json", &class.to_string());
    let ran = nodeferry(&dir, &["discover", &dump, "--groups", &dir.path("groups")]);
    assert!(ran.status == 2 && ran.stderr.contains("groups holds no node group"), "{}", ran.stderr);
    dir.file("groups/deep/pool.json", &pool("Gt").to_string());
    let ran = nodeferry(&dir, &["discover", &dump, "--groups", &dir.path("groups")]);
    assert!(ran.status == 0 && ran.stdout.contains("fresh"), "{}", ran.stderr);
}

#[test]
fn a_small_file_that_unpacks_to_gigabytes_is_refused_with_little_memory() {
    use std::io::Write;
    let dir = Dir::new();
    let path = dir.path("bomb.json.gz");
    let mut gzip =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).expect("a file"), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| gzip.write_all(&zeros).expect("written"));
    gzip.finish().expect("written");
    let ran = nodeferry(&dir, &["discover", &path]);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(
        ran.stderr.contains("bomb.json.gz is packed more than 200 times, which no dump is; unpack it"),
        "{}",
        ran.stderr
    );

    let dump = dir.file("dump.json", "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}");
    let ran = nodeferry(&dir, &["discover", &dump, "--max-input", "20"]);
    assert!(ran.status == 2 && ran.stderr.contains("dump.json is larger than 20 bytes"), "{}", ran.stderr);
    let ran = nodeferry(&dir, &["--max-input", "none", "discover", &dump]);
    assert!(
        ran.status == 2 && ran.stderr.contains("expected bytes above 0, or an amount such as 500Mi"),
        "{}",
        ran.stderr
    );
}
