//! What a migration does to workloads anywhere in the cluster: harm, its exit status, and the figures held against an independent count.

use nodeferry::cluster::{OwnerKind, View};
use nodeferry::request::input::request_of_scenario;
use nodeferry::request::plan::{Planned, Request, plan};
use nodeferry::request::scenario::Scenario;
use nodeferry::trace::observation::workload_text;
use nodeferry::trace::{Event, EventKind, HarmKind, Metrics, WaitFor, WorkloadRow};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn request(scenario: &Value) -> Request {
    let text = scenario.to_string();
    let scenario = Scenario::parse(&text, Path::new("harm.yaml")).expect("a scenario");
    request_of_scenario(&scenario, false).expect("a request")
}

fn planned(scenario: &Value) -> Planned {
    plan(request(scenario), &|| ()).expect("a plan")
}

/// A node of a pool with room for so many thousandths of a core.
fn node(name: &str, pool: &str, cpu: i64) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": {"agentpool": pool, "kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": format!("{cpu}m"), "memory": "64Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]}})
}

/// What a workload's pods ask for and where they are.
struct Pods<'a> {
    kind: &'a str,
    name: &'a str,
    cpu: i64,
    priority: i64,
    nodes: &'a [&'a str],
    /// How many of them are ready.
    ready: usize,
}

/// A workload with its pods, one on each of the nodes.
fn workload(w: &Pods<'_>) -> Vec<Value> {
    let labels = json!({"app": w.name});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": format!("{}m", w.cpu)}}}]}});
    let uid = format!("uid-{}", w.name);
    let mut objects = Vec::new();
    let mut owner = None;
    if !w.kind.is_empty() {
        let version = if w.kind == "Job" { "batch/v1" } else { "apps/v1" };
        let mut spec = json!({"replicas": w.nodes.len(), "selector": {"matchLabels": labels}, "template": template});
        if w.kind == "Job" {
            spec = json!({"parallelism": w.nodes.len(), "completions": w.nodes.len(), "backoffLimit": 0, "selector": {"matchLabels": labels}, "template": template});
        }
        objects.push(json!({"apiVersion": version, "kind": w.kind, "metadata": {"name": w.name, "namespace": "d", "uid": uid}, "spec": spec, "status": {"replicas": w.nodes.len(), "active": w.nodes.len()}}));
        owner = Some(json!([{"apiVersion": version, "kind": w.kind, "name": w.name, "uid": uid, "controller": true}]));
    }
    for (i, node) in w.nodes.iter().enumerate() {
        let ready = if i < w.ready { "True" } else { "False" };
        let mut metadata = json!({"name": format!("{}-{i}", w.name), "namespace": "d", "uid": format!("{uid}-{i}"), "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"});
        if let Some(owner) = &owner {
            metadata["ownerReferences"] = owner.clone();
        }
        objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"nodeName": node, "priority": w.priority, "containers": [{"name": "c", "resources": {"requests": {"cpu": format!("{}m", w.cpu)}}}]},
            "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:08Z"}]}}));
    }
    objects
}

/// A budget that demands so many of so many healthy pods.
fn budget(name: &str, least: usize, healthy: usize) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "d", "generation": 1},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": name}}},
        "status": {"observedGeneration": 1, "disruptionsAllowed": healthy.saturating_sub(least), "currentHealthy": healthy, "desiredHealthy": least, "expectedPods": healthy}})
}

fn scenario(objects: Vec<Vec<Value>>, more: Value) -> Value {
    let mut s = json!({
        "scenario": "harm",
        "cluster": {"objects": objects.concat()},
        "nodes": {"selector": "agentpool=old"},
        "options": {"cordon": "all-first", "batch_size": 1},
        "autoscaler": {"kind": "none"},
        "sim": {"delays": {"start": {"constant": {"ms": 8000}}, "stop": {"constant": {"ms": 2000}}}},
    });
    let Value::Object(more) = more else { panic!("an object") };
    for (key, value) in more {
        match (&mut s[&key], value) {
            (Value::Object(own), Value::Object(more)) => own.extend(more),
            (own, value) => *own = value,
        }
    }
    s
}

/// Two pods of high priority on the old node; the only other one is full of pods of low priority under a budget.
fn preempting(more: Value) -> Value {
    let nodes = vec![node("old-1", "old", 4000), node("new-1", "new", 4000)];
    let pay = Pods { kind: "ReplicaSet", name: "pay", cpu: 1500, priority: 1000, nodes: &["old-1", "old-1"], ready: 2 };
    let sums = Pods {
        kind: "ReplicaSet",
        name: "sums",
        cpu: 1200,
        priority: -10,
        nodes: &["new-1", "new-1", "new-1"],
        ready: 3,
    };
    scenario(vec![nodes, workload(&pay), workload(&sums), vec![budget("sums", 3, 3)]], more)
}

fn row<'m>(metrics: &'m Metrics, workload: &str) -> &'m WorkloadRow {
    metrics.workloads.iter().find(|w| w.workload == workload).unwrap_or_else(|| panic!("no row of {workload}"))
}

fn kinds(p: &Planned, workload: &str) -> Vec<HarmKind> {
    p.forecast.harm.iter().filter(|h| h.workload == workload).map(|h| h.kind).collect()
}

#[test]
fn a_batch_waits_for_those_that_were_preempted_for_its_pods() {
    let p = planned(&preempting(json!({})));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("FAILED", 3));
    assert_eq!(p.forecast.reason.as_deref(), Some("pods-not-scheduled"));
    let cause = &p.forecast.failures[0].cause;
    assert!(cause.contains("ReplicaSet/d/sums has 0 of 3 ready replicas; its pods were preempted"), "{cause}");
    assert_eq!(kinds(&p, "ReplicaSet/d/sums"), [HarmKind::WorkloadBroken, HarmKind::BudgetBroken]);
    let sums = row(&p.metrics, "ReplicaSet/d/sums");
    assert_eq!((sums.ready_start, sums.ready_least, sums.ready_end, sums.broken), (3, 0, 0, true));
    assert_eq!(sums.preempted, BTreeMap::from([("ReplicaSet/d/pay".to_owned(), 3)]));
    assert!(sums.zero_ms > 600_000 && sums.below_budget_ms > 600_000, "{sums:?}");
}

#[test]
fn every_procedure_waits_for_those_that_were_preempted() {
    // The new node is as small as the old one, and has room for two of the three that were preempted.
    let mut s = preempting(json!({"options": {"procedure": "surge", "surge": {"max_surge": 0, "max_unavailable": 1}}}));
    s["cluster"]["objects"][0]["status"]["allocatable"]["cpu"] = json!("3000m");
    let p = planned(&s);
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("FAILED", 3));
    let cause = &p.forecast.failures[0].cause;
    assert!(cause.starts_with("ReplicaSet/d/sums has 2 of 3 ready replicas; its pods were preempted"), "{cause}");
    let worst = &p.forecast.harm[0];
    assert!(worst.grave && worst.message.contains("2 of 3 pods are ready at the end (3 at the start)"), "{worst:?}");
}

/// A node that the migration has nothing to do with is lost while the second batch waits for its turn; its pod is not waited for.
fn losing(soak_ms: i64, room: i64) -> Planned {
    let nodes = vec![
        node("old-1", "old", 4000),
        node("old-2", "old", 4000),
        node("new-1", "new", room),
        // As large as its pod: no pod of the first batch is placed there and lost with it.
        node("other-1", "other", 1500),
    ];
    let web = Pods { kind: "ReplicaSet", name: "web", cpu: 500, priority: 0, nodes: &["old-1", "old-1"], ready: 2 };
    let sums = Pods { kind: "ReplicaSet", name: "sums", cpu: 1500, priority: 0, nodes: &["other-1"], ready: 1 };
    let more = json!({
        "options": {"soak_ms": soak_ms},
        "sim": {"delays": {"start": {"constant": {"ms": 20_000}}}, "faults": [{"fault": "node_loss", "node": "other-1", "at_ms": 1000}]},
    });
    planned(&scenario(vec![nodes, workload(&web), workload(&sums)], more))
}

#[test]
fn what_completes_and_leaves_a_workload_broken_exits_with_6() {
    let p = losing(120_000, 1_500);
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 6), "{:?}", p.forecast.failures);
    assert_eq!(kinds(&p, "ReplicaSet/d/sums"), [HarmKind::WorkloadBroken]);
    assert!(row(&p.metrics, "ReplicaSet/d/sums").broken && !row(&p.metrics, "ReplicaSet/d/web").broken);
}

#[test]
fn what_is_still_starting_at_the_end_is_not_broken() {
    let p = losing(36_000, 4_000);
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 0), "{:?}", p.forecast.failures);
    let sums = row(&p.metrics, "ReplicaSet/d/sums");
    assert!(sums.ready_end == 0 && !sums.broken && sums.zero_ms > 0, "{sums:?}, ends at {}", p.metrics.end_ms);
    assert!(sums.ready_again_ms > Some(p.metrics.end_ms), "the cluster was watched after the end: {sums:?}");
}

#[test]
fn a_budget_that_preemption_breaks_for_a_while_is_grave_too() {
    let nodes = vec![node("old-1", "old", 4000), node("new-1", "new", 4000), node("new-2", "new", 3000)];
    let pay = Pods { kind: "ReplicaSet", name: "pay", cpu: 3500, priority: 1000, nodes: &["old-1"], ready: 1 };
    let sums = Pods { kind: "ReplicaSet", name: "sums", cpu: 1000, priority: 0, nodes: &["new-1", "new-1"], ready: 2 };
    let p = planned(&scenario(vec![nodes, workload(&pay), workload(&sums), vec![budget("sums", 2, 2)]], json!({})));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 6));
    assert_eq!(kinds(&p, "ReplicaSet/d/sums"), [HarmKind::BudgetBroken]);
    let sums = row(&p.metrics, "ReplicaSet/d/sums");
    assert!(!sums.broken && sums.ready_again_ms.is_some() && sums.below_budget_ms < 60_000, "{sums:?}");
    assert!(p.metrics.batches[0].end_ms >= sums.ready_again_ms, "the batch waited for it");
    assert!(!p.metrics.harm.is_zero_downtime());
}

#[test]
fn what_was_unready_before_is_no_harm_and_zero_downtime_is_said() {
    let nodes = vec![node("old-1", "old", 4000), node("old-2", "old", 4000), node("new-1", "new", 8000)];
    let web = Pods { kind: "ReplicaSet", name: "web", cpu: 100, priority: 0, nodes: &["old-1", "old-2"], ready: 2 };
    let sick = Pods { kind: "ReplicaSet", name: "sick", cpu: 100, priority: 0, nodes: &["new-1", "new-1"], ready: 0 };
    let objects = vec![nodes, workload(&web), workload(&sick), vec![budget("sick", 2, 0)]];
    let p = planned(&scenario(objects, json!({})));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 0));
    assert_eq!(p.forecast.harm, []);
    assert!(p.forecast.harm_count.is_zero_downtime());
    let text = nodeferry::report::summary::summary(&p.plan.intent, &p.forecast, None);
    assert!(text.contains("availability zero downtime"), "{text}");
    assert_eq!(row(&p.metrics, "ReplicaSet/d/web").ready_least, 1);
}

#[test]
fn a_bare_pod_is_harm_as_ordered_and_grave_where_it_is_not() {
    let nodes = || vec![node("old-1", "old", 4000), node("new-1", "new", 4000)];
    let bare = |node: &'static [&'static str], priority| {
        workload(&Pods { kind: "", name: "by-hand", cpu: 3000, priority, nodes: node, ready: 1 })
    };
    let force = json!({"options": {"kubectl_drain": {"force": true}}});
    let p = planned(&scenario(vec![nodes(), bare(&["old-1"], 0)], force));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 0));
    let gone = &p.forecast.harm[0];
    assert_eq!((gone.kind, gone.ordered, gone.grave), (HarmKind::BarePodGone, true, false));
    assert_eq!(gone.workload, "Pod/d/by-hand-0");
    // The same pod beside the migration, preempted: nobody ordered that.
    let pay = Pods { kind: "ReplicaSet", name: "pay", cpu: 3000, priority: 1000, nodes: &["old-1"], ready: 1 };
    let p = planned(&scenario(vec![nodes(), workload(&pay), bare(&["new-1"], 0)], json!({})));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 6));
    let gone = &p.forecast.harm[0];
    assert!(gone.grave && !gone.ordered && gone.message.contains("preempted by ReplicaSet/d/pay"), "{gone:?}");
}

#[test]
fn deletions_past_the_budgets_are_listed_as_ordered() {
    let nodes = vec![node("old-1", "old", 4000), node("new-1", "new", 4000)];
    let web = Pods { kind: "ReplicaSet", name: "web", cpu: 100, priority: 0, nodes: &["old-1", "old-1"], ready: 2 };
    let past = json!({"options": {"kubectl_drain": {"disable_eviction": true}}});
    let p = planned(&scenario(vec![nodes, workload(&web), vec![budget("web", 2, 2)]], past));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 0));
    let h = &p.forecast.harm[0];
    assert_eq!((h.kind, h.ordered, h.grave), (HarmKind::BudgetBroken, true, false), "{h:?}");
}

#[test]
fn a_job_that_the_drain_ends_for_good_is_broken() {
    let nodes = vec![node("old-1", "old", 4000), node("new-1", "new", 4000)];
    let sums = Pods { kind: "Job", name: "sums", cpu: 100, priority: 0, nodes: &["old-1"], ready: 1 };
    let mut objects = workload(&sums);
    let p = planned(&scenario(vec![nodes.clone(), objects.clone()], json!({})));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 6), "{:?}", p.forecast.failures);
    assert_eq!(kinds(&p, "Job/d/sums"), [HarmKind::JobFailed, HarmKind::JobRestarted]);
    // One that may fail more often begins again, with its work lost.
    objects[0]["spec"]["backoffLimit"] = json!(6);
    let p = planned(&scenario(vec![nodes, objects], json!({})));
    assert_eq!((p.forecast.outcome.as_str(), p.exit_status()), ("COMPLETED", 0));
    assert_eq!(kinds(&p, "Job/d/sums"), [HarmKind::JobRestarted]);
    let job = row(&p.metrics, "Job/d/sums");
    assert!(job.restarted == 1 && job.lost_ms == p.forecast.harm_count.lost_ms, "{job:?}");
}

#[test]
fn each_batch_says_what_it_waits_for() {
    let nodes = vec![node("old-1", "old", 4000), node("new-1", "new", 4000)];
    let web =
        Pods { kind: "ReplicaSet", name: "web", cpu: 100, priority: 0, nodes: &["old-1", "old-1", "old-1"], ready: 3 };
    let p = planned(&scenario(vec![nodes, workload(&web), vec![budget("web", 2, 3)]], json!({})));
    assert_eq!(p.forecast.outcome, "COMPLETED", "{:?}", p.forecast.failures);
    let batch = &p.forecast.batches[0];
    let length = batch.end_ms.zip(batch.start_ms).map_or(0, |(e, s)| e - s);
    let of = |what| batch.waits.iter().find(|w| w.what == what).map_or(0, |w| w.ms);
    // One after the other: while one starts the next is refused.
    assert!(of(WaitFor::Budget) > 12_000 && of(WaitFor::Start) > 7_000, "{:?}", batch.waits);
    assert_eq!(of(WaitFor::Launch) + of(WaitFor::Detach) + of(WaitFor::QueueFlush), 0);
    let sum: u64 = batch.waits.iter().map(|w| w.ms).sum();
    assert!(sum <= length && sum * 10 > length * 9, "{sum} of {length} ms: {:?}", batch.waits);
    let text = nodeferry::report::summary::summary(&p.plan.intent, &p.forecast, None);
    assert!(text.contains("batch 1: budget "), "{text}");
}

/// The old pool's nodes are full, and the new pool's one node has no room.
fn growing(more: Value) -> Value {
    let typed = |name: &str, pool: &str, cpu: i64, of: &str| {
        let mut n = node(name, pool, cpu);
        n["metadata"]["labels"]["node.kubernetes.io/instance-type"] = json!(of);
        n
    };
    let nodes = vec![
        typed("old-1", "old", 4000, "small"),
        typed("old-2", "old", 4000, "small"),
        typed("new-1", "new", 16000, "large"),
    ];
    let web = Pods {
        kind: "ReplicaSet",
        name: "web",
        cpu: 1800,
        priority: 0,
        nodes: &["old-1", "old-1", "old-2", "old-2"],
        ready: 4,
    };
    let full = Pods { kind: "ReplicaSet", name: "full", cpu: 15500, priority: 0, nodes: &["new-1"], ready: 1 };
    let mut s = scenario(vec![nodes, workload(&web), workload(&full)], json!({}));
    s["autoscaler"] = json!({"kind": "reactive"});
    s["sim"]["delays"]["launch"] = json!({"constant": {"ms": 60000}});
    for (key, value) in more.as_object().expect("an object") {
        s["options"][key] = value.clone();
    }
    s
}

#[test]
fn machines_of_the_pool_that_is_left_are_said_and_can_be_ruled_out() {
    let p = planned(&growing(json!({})));
    let grown = &p.forecast.ending.grown_sources;
    assert_eq!((p.forecast.outcome.as_str(), grown.len(), grown[0].launched, grown[0].pods), ("COMPLETED", 1, 2, 4));
    let found = p.forecast.findings.iter().find(|f| f.code == "left-group-grows").expect("a finding");
    assert_eq!((found.object.as_str(), found.remedy.contains("--to")), ("NodeGroup/old", true));
    let text = nodeferry::report::summary::summary(&p.plan.intent, &p.forecast, None);
    assert!(
        text.contains("left group   2 nodes launched in group old, which is being left; at the end 4 pods there"),
        "{text}"
    );
    assert!(p.forecast.rests_on[0].contains("the assumed maximum of node group old"), "{:?}", p.forecast.rests_on);
    let launch = p.forecast.batches.iter().flat_map(|b| &b.waits).filter(|w| w.what == WaitFor::Launch);
    assert!(launch.map(|w| w.ms).sum::<u64>() >= 100_000, "two launches of a minute");
    for ruled_out in [json!({"to_groups": ["new"]}), json!({"source_groups_may_grow": false})] {
        let p = planned(&growing(ruled_out.clone()));
        let launched = |g: &str| p.metrics.nodes.iter().filter(|n| !n.initial && n.group.as_deref() == Some(g)).count();
        assert_eq!((launched("old"), launched("new") > 0), (0, true), "{ruled_out}");
        assert!(p.forecast.ending.grown_sources.is_empty());
        assert!(!p.forecast.findings.iter().any(|f| f.code == "left-group-grows"));
    }
}

#[test]
fn a_group_of_which_nodes_stay_is_not_left() {
    let mut s = growing(json!({}));
    s["nodes"] = json!({"names": ["old-1"]});
    let p = planned(&s);
    assert!(p.metrics.launched > 0 && p.forecast.ending.grown_sources.is_empty());
}

#[test]
fn to_names_groups_that_are_there_and_no_surge() {
    let refused = |more: Value| plan(request(&growing(more)), &|| ()).err().map(|e| e.to_string()).unwrap_or_default();
    let e = refused(json!({"to_groups": ["nwe"]}));
    assert!(e.contains("no node group is called nwe; there are new, old"), "{e}");
    let surge = growing(json!({"to_groups": ["new"], "procedure": "surge"})).to_string();
    let e = Scenario::parse(&surge, Path::new("surge.yaml")).map(|_| ()).expect_err("refused").to_string();
    assert!(e.contains("a surge launches its nodes in the groups of the old ones"), "{e}");
}

#[test]
fn nodes_and_prices_before_at_the_peak_and_after() {
    let mut s = growing(json!({"to_groups": ["large"], "terminate_nodes": true}));
    s["groups"] = json!({"inline": {
        "machine_types": [
            {"name": "small", "allocatable": {"cpu": "4", "memory": "64Gi", "pods": "110"}, "price_per_hour": 0.25},
            {"name": "large", "allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"}, "price_per_hour": 1.0},
        ],
        "groups": [
            {"name": "small", "labels": {"agentpool": "old"}, "machine_types": [{"name": "small"}], "max_count": 9},
            {"name": "large", "labels": {"agentpool": "new"}, "machine_types": [{"name": "large"}], "max_count": 9},
        ],
    }});
    let p = planned(&s);
    assert_eq!(p.forecast.outcome, "COMPLETED", "{:?}", p.forecast.failures);
    let e = &p.forecast.ending;
    let rows: Vec<(&str, u64, u64, u64)> =
        e.groups.iter().map(|g| (g.group.as_deref().unwrap_or("-"), g.before, g.peak, g.after)).collect();
    assert_eq!(rows, [("large", 1, 2, 2), ("small", 2, 2, 0)]);
    assert_eq!(e.surge, 1);
    let prices = (e.price_before_micros, e.price_peak_micros, e.price_after_micros);
    assert_eq!(prices, (Some(1_500_000), Some(2_500_000), Some(2_000_000)));
    // What the run costs, less what the three nodes would have cost as long.
    let spent = 1_500_000 * p.metrics.end_ms / 3_600_000;
    let extra = p.metrics.cost_micros.map(|c| i64::try_from(c).unwrap() - i64::try_from(spent).unwrap());
    assert_eq!(e.extra_cost_micros, extra);
    assert_eq!((e.headroom.nodes, e.headroom.cpu_milli), (2, 32_000 - 15_500 - 4 * 1_800));
    assert!(p.forecast.rests_on.is_empty(), "the maxima are given");
}

#[test]
fn a_failure_by_an_assumed_maximum_says_so_first() {
    let mut s = growing(json!({"to_groups": ["new"], "kubectl_drain": {"settle_timeout_ms": 900_000}}));
    // Thirty pods that each fill a new node; at most eleven are assumed.
    let nodes: Vec<&str> = vec!["huge"; 30];
    let big = Pods { kind: "ReplicaSet", name: "big", cpu: 15000, priority: 0, nodes: &nodes, ready: 30 };
    let mut objects = vec![node("huge", "old", 450_000), node("new-1", "new", 16000)];
    objects[1]["metadata"]["labels"]["node.kubernetes.io/instance-type"] = json!("large");
    objects.extend(workload(&big));
    s["cluster"]["objects"] = json!(objects);
    let p = planned(&s);
    assert_eq!(p.forecast.outcome, "FAILED");
    let failure = &p.forecast.failures[0];
    assert!(
        failure
            .cause
            .starts_with("This rests on an assumption: node group new is at its maximum of 11 nodes, which is assumed"),
        "{failure:?}"
    );
    assert!(failure.remedy.starts_with("Give the real maximum"), "{failure:?}");
    assert!(p.forecast.rests_on[0].contains("it is full"), "{:?}", p.forecast.rests_on);
}

/// A Job of two pods under a budget on new nodes, of which one is lost, or one pod ends by itself.
#[test]
fn a_budget_of_a_job_is_broken_when_its_node_is_lost_and_not_when_its_pods_end() {
    let with = |sim: Value| {
        let nodes = vec![node("old-1", "old", 4000), node("new-1", "new", 4000), node("new-2", "new", 4000)];
        // The pod that moves takes a quarter of an hour to be ready: time enough to see what becomes of the Job.
        let web = Pods { kind: "ReplicaSet", name: "web", cpu: 100, priority: 0, nodes: &["old-1"], ready: 1 };
        let load = Pods { kind: "Job", name: "load", cpu: 100, priority: 0, nodes: &["new-1", "new-2"], ready: 2 };
        let mut job = workload(&load);
        job[0]["spec"]["backoffLimit"] = json!(6);
        let more = json!({"options": {"kubectl_drain": {"settle_timeout_ms": 1_800_000}}, "sim": sim});
        planned(&scenario(vec![nodes, workload(&web), job, vec![budget("load", 2, 2)]], more))
    };
    let slow = json!([{"owner": "ReplicaSet/d/web", "start": {"constant": {"ms": 900_000}}}]);
    let p = with(
        json!({"delays": {"workloads": slow}, "faults": [{"fault": "node_loss", "node": "new-2", "at_ms": 10_000}]}),
    );
    let harm = p.forecast.harm.iter().find(|h| h.kind == HarmKind::BudgetBroken).expect("it is below its budget");
    assert!(
        harm.workload == "Job/d/load" && harm.message.ends_with(": 1 of its pods were lost with their node"),
        "{harm:?}"
    );
    assert!(!harm.grave, "the migration did not do it");
    assert_eq!(row(&p.metrics, "Job/d/load").lost_with_node, 1);
    assert_eq!(
        Metrics::from_events(p.events().collect::<Vec<_>>()).workloads,
        p.metrics.workloads,
        "a saved trace has it all"
    );
    let mut list = slow.as_array().expect("a list").clone();
    list.push(json!({"owner": "Job/d/load", "run": {"constant": {"ms": 60_000}}}));
    let p = with(json!({"delays": {"workloads": list}}));
    assert!(!kinds(&p, "Job/d/load").contains(&HarmKind::BudgetBroken), "{:?}", p.forecast.harm);
}

/// Availability of one workload, counted by the test from the pods' own events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Own {
    start: u32,
    ready: u32,
    least: u32,
    zero_ms: u64,
    zero_since: Option<u64>,
    preempted: u64,
}

impl Own {
    fn set(&mut self, t_ms: u64, ready: u32) {
        self.ready = ready;
        self.least = self.least.min(ready);
        if let Some(since) = self.zero_since.take() {
            self.zero_ms += t_ms - since;
        }
        self.zero_since = (ready == 0 && self.start > 0).then_some(t_ms);
    }
}

/// Counts independently: the pods of the cluster at the start, and then the trace's events of each pod, but none of its `workload_changed`.
fn counted(request: &Request, events: &[Event]) -> BTreeMap<String, Own> {
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let mut own: BTreeMap<String, Own> = BTreeMap::new();
    let mut ready: BTreeSet<String> = BTreeSet::new();
    for pod in view.state.live_pods() {
        let p = &view.state.pods[pod];
        let spec = &view.catalog.specs[p.spec];
        let Some(owner) = spec.owner else { continue };
        if matches!(view.catalog.owners[owner].kind, OwnerKind::DaemonSet | OwnerKind::Node) {
            continue;
        }
        let w = own.entry(workload_text(view.catalog, view.state, pod)).or_default();
        if p.ready && p.is_active() {
            w.start += 1;
            ready.insert(view.state.name(view.catalog, p.uid).to_owned());
        }
    }
    for w in own.values_mut() {
        (w.ready, w.least) = (w.start, w.start);
    }
    let mut leaving: BTreeSet<String> = BTreeSet::new();
    for e in events.iter().filter(|e| e.event != EventKind::WorkloadChanged) {
        if e.event == EventKind::MigrationFinished {
            own.values_mut().filter_map(|w| Some((w.zero_since.take()?, w))).for_each(|(s, w)| w.zero_ms += e.t_ms - s);
            break;
        }
        let (Some(uid), Some(w)) = (&e.uid, e.owner.as_ref().and_then(|o| own.get_mut(o))) else { continue };
        match e.event {
            EventKind::PodReady if !leaving.contains(uid) && ready.insert(uid.clone()) => w.set(e.t_ms, w.ready + 1),
            EventKind::EvictionAccepted | EventKind::PodPreempted | EventKind::PodTerminated => {
                w.preempted += u64::from(e.event == EventKind::PodPreempted);
                leaving.insert(uid.clone());
                if ready.remove(uid) {
                    w.set(e.t_ms, w.ready - 1);
                }
            }
            _ => {}
        }
    }
    own
}

/// Random clusters of up to 2,000 pods, some of them too full for what moves, so that pods are preempted.
#[test]
fn harm_is_what_an_independent_count_of_the_trace_says() {
    let (mut preempted, mut zero, mut broken) = (0, 0, 0);
    let mut most = 0;
    // Seed, old nodes, nodes that they may move to, procedure.
    let mut runs = vec![
        (2, 20, 8, "kubectl-drain"),
        (3, 50, 50, "kubectl-drain"),
        (7, 20, 20, "surge"),
        (4, 106, 106, "kubectl-drain"),
    ];
    runs.extend((10..18u64).map(|seed| (seed, 6, 2 + seed % 3, "kubectl-drain")));
    for (seed, nodes, spare, procedure) in runs {
        let s = json!({
            "scenario": "random",
            "cluster": {"generate": {"seed": seed, "nodes": nodes, "new_nodes": spare, "pods_per_node": 18, "cpu_millis": {"min": 100, "max": 300}, "memory_mib": {"min": 64, "max": 256}, "priority_percent": 40, "daemon_sets": 1, "zonal_volume_percent": 0}},
            "nodes": {"selector": "agentpool=old"},
            "options": {"procedure": procedure, "batch_size": "25%", "cordon": "all-first", "kubectl_drain": {"after_settle_timeout": "go-on", "settle_timeout_ms": 60000}},
            "autoscaler": {"kind": "none"},
            "seed": seed,
        });
        let p = planned(&s);
        let events: Vec<Event> = p.events().collect();
        let own = counted(&request(&s), &events);
        assert!(!own.is_empty());
        most = most.max(own.values().map(|w| w.start).sum());
        for (name, own) in &own {
            let w = row(&p.metrics, name);
            let theirs = (w.ready_start, w.ready_least, w.ready_end, w.zero_ms, w.preempted.values().sum::<u64>());
            assert_eq!(theirs, (own.start, own.least, own.ready, own.zero_ms, own.preempted), "seed {seed}: {name}");
            broken += u32::from(w.broken);
            zero += u32::from(w.zero_ms > 0);
            preempted += own.preempted;
        }
        assert_eq!(p.run.figures.harm, p.metrics.harm, "seed {seed}: the figures of the run and of its trace");
        let again = Metrics::from_events(&events);
        assert_eq!(again.workloads, p.metrics.workloads, "seed {seed}: a saved trace has it all");
    }
    assert!(most >= 1_900, "only {most} pods");
    assert!(preempted > 0 && zero > 0 && broken > 0, "{preempted} preempted, {zero} at zero, {broken} broken");
}
