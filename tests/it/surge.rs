//! Upgrades of node pools as EKS, AKS and GKE document and users report them, end to end.

use nodeferry::request::input::request_of_scenario;
use nodeferry::request::plan::{Planned, plan};
use nodeferry::request::scenario::Scenario;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::path::Path;

const MINUTE: i64 = 60_000;

fn planned(scenario: &Value) -> Planned {
    let text = scenario.to_string();
    let scenario = Scenario::parse(&text, Path::new("surge.yaml")).expect("a scenario");
    plan(request_of_scenario(&scenario, false).expect("a request"), &|| ()).expect("a plan")
}

/// The n-th node of the pool, in one of so many zones.
fn node(n: usize, zones: usize) -> Value {
    let (name, zone) = (format!("pool-{n:02}"), format!("z{}", n % zones));
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": {
            "agentpool": "pool", "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone, "node.kubernetes.io/instance-type": "four"}},
        "spec": {"providerID": format!("cloud:///{name}")},
        "status": {"allocatable": {"cpu": "3920m", "memory": "14Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]}})
}

/// A ReplicaSet of pods of half a core on these nodes.
fn workload(name: &str, nodes: &[usize]) -> Vec<Value> {
    let labels = json!({"app": name});
    let spec = json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}}}]});
    let meta = |name: &str| json!({"name": name, "namespace": "d", "uid": format!("uid-{name}"), "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"});
    let mut objects = vec![json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta(name),
        "spec": {"replicas": nodes.len(), "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        "status": {"replicas": nodes.len()}})];
    for (i, node) in nodes.iter().enumerate() {
        let (mut metadata, mut spec) = (meta(&format!("{name}-{i}")), spec.clone());
        metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": format!("uid-{name}"), "controller": true}]);
        spec["nodeName"] = json!(format!("pool-{node:02}"));
        objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
            "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}]}}));
    }
    objects
}

/// A pool of so many nodes in so many zones, all of it to be upgraded; delays are the defaults.
fn upgrade(nodes: usize, zones: usize, workloads: Vec<Vec<Value>>, surge: Value) -> Value {
    let mut objects: Vec<Value> = (0..nodes).map(|n| node(n, zones)).collect();
    objects.extend(workloads.concat());
    let names: Vec<String> = (0..zones).map(|z| format!("z{z}")).collect();
    json!({
        "scenario": "surge",
        "cluster": {"objects": objects},
        "groups": {"inline": {
            "machine_types": [{"name": "four", "allocatable": {"cpu": "3920m", "memory": "14Gi", "pods": "110"}}],
            "groups": [{"name": "pool", "labels": {"agentpool": "pool"}, "zones": names, "machine_types": [{"name": "four"}], "max_count": 60}],
        }},
        "nodes": {"selector": "agentpool=pool"},
        "options": {"procedure": "surge", "surge": surge},
        "autoscaler": {"kind": "none"},
        "replications": 1,
    })
}

/// Nodes of the pool before, at the peak and after.
fn sizes(p: &Planned) -> (u64, u64, u64) {
    let groups = &p.forecast.ending.groups;
    groups.iter().fold((0, 0, 0), |s, g| (s.0 + g.before, s.1 + g.peak, s.2 + g.after))
}

/// Names of the nodes that are there at the end.
fn names(p: &Planned) -> Vec<&str> {
    let mut names: Vec<&str> =
        p.metrics.nodes.iter().filter(|n| n.deleted_ms.is_none()).map(|n| n.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_example_of_aks_two_nodes_and_one_surge_node() {
    let pods = [("a", 0), ("b", 0), ("c", 1), ("d", 1)].map(|(name, on)| workload(name, &[on]));
    let p = planned(&upgrade(2, 1, pods.to_vec(), json!({"preset": "aks", "max_surge": 1})));
    assert_eq!(p.forecast.outcome, "COMPLETED", "{:?}", p.forecast.failures);
    assert_eq!((sizes(&p), p.forecast.pods_moved_twice), ((2, 3, 2), 2));
    assert_eq!(names(&p), ["pool-00", "pool-01"], "reimaged under their names");
    let surge = p.metrics.nodes.iter().find(|n| n.name.starts_with("pool-new")).expect("a surge node");
    let back = p.metrics.nodes.iter().filter(|n| !n.initial && n.name.len() == "pool-00".len());
    assert_eq!(back.clone().count(), 2);
    assert!(back.filter_map(|n| n.ready_ms).all(|t| t <= surge.cordoned_ms.unwrap()), "it is drained last");
}

#[test]
fn an_eks_group_of_three_nodes_in_three_zones_has_nine_at_its_peak() {
    let web = workload("web", &[0, 1, 2, 0]);
    let api = workload("api", &[0, 1, 2]);
    let p = planned(&upgrade(3, 3, vec![web, api], json!({"preset": "eks"})));
    assert_eq!(p.forecast.outcome, "COMPLETED", "{:?}", p.forecast.failures);
    assert_eq!((sizes(&p), p.forecast.ending.surge), ((3, 9, 3), 6));
    assert!(p.forecast.pods_moved_twice > 0);
    // It shrinks by one: no two surplus nodes are gone or on their way at once.
    let mut gone: Vec<(u64, u64)> =
        p.metrics.nodes.iter().filter(|n| !n.initial).filter_map(|n| Some((n.cordoned_ms?, n.deleted_ms?))).collect();
    gone.sort_unstable();
    assert_eq!(gone.len(), 6);
    assert!(gone.windows(2).all(|w| w[0].1 <= w[1].0), "{gone:?}");
    // Every zone has one again.
    let minutes = p.forecast.duration_ms.p50 / MINUTE;
    assert!((20..=40).contains(&minutes), "reported are 25 to 30 minutes: {minutes}");
}

#[test]
fn an_eks_group_of_twenty_nodes_takes_more_than_an_hour() {
    let all: Vec<usize> = (0..20).collect();
    let mut s = upgrade(20, 3, vec![workload("web", &all)], json!({"preset": "eks"}));
    s["replications"] = json!(5);
    let p = planned(&s);
    assert_eq!((p.forecast.outcome.as_str(), sizes(&p)), ("COMPLETED", (20, 26, 20)));
    let (least, most) = (p.forecast.duration_ms.min / MINUTE, p.forecast.duration_ms.max / MINUTE);
    assert!(80 <= least && most <= 120, "{least} to {most} min");
    // The documented steps and the machines' delays alone.
    let s = upgrade(20, 3, vec![workload("web", &all)], json!({"preset": "eks", "node_interval_ms": 0}));
    let minutes = planned(&s).forecast.duration_ms.p50 / MINUTE;
    assert!((50..80).contains(&minutes), "{minutes}");
    let s = upgrade(20, 3, vec![workload("web", &all)], json!({"preset": "eks", "max_unavailable": "25%"}));
    let p = planned(&s);
    assert_eq!(sizes(&p), (20, 26, 20));
    assert!(p.forecast.duration_ms.p50 / MINUTE < 45, "five at once: {}", p.forecast.duration_ms.p50);
}

#[test]
fn gke_moves_zone_by_zone_and_has_no_surplus() {
    let all: Vec<usize> = (0..6).collect();
    let p = planned(&upgrade(6, 3, vec![workload("web", &all)], json!({"preset": "gke", "max_surge": 2})));
    assert_eq!((p.forecast.outcome.as_str(), sizes(&p)), ("COMPLETED", (6, 8, 6)));
    let gone =
        |n: usize| p.metrics.nodes.iter().find(|r| r.name == format!("pool-{n:02}")).unwrap().deleted_ms.unwrap();
    let cordoned =
        |n: usize| p.metrics.nodes.iter().find(|r| r.name == format!("pool-{n:02}")).unwrap().cordoned_ms.unwrap();
    // Zones z0: 0 and 3, z1: 1 and 4, z2: 2 and 5.
    assert!(gone(0).max(gone(3)) <= cordoned(1).min(cordoned(4)));
    assert!(gone(1).max(gone(4)) <= cordoned(2).min(cordoned(5)));
}

/// Any surge of a cluster in which nothing goes wrong.
fn surges() -> impl Strategy<Value = Value> {
    let sizes = (1usize..=6, 1usize..=3, 0u64..1000);
    let surge = (select(vec!["eks", "aks", "gke"]), 0u32..=3, 1u32..=3, any::<bool>());
    (sizes, surge).prop_map(|((nodes, zones, seed), (preset, surge, unavailable, minimal))| {
        let mut s = json!({"preset": preset, "max_unavailable": unavailable});
        match preset {
            "eks" if minimal => s["update_strategy"] = json!("minimal"),
            "eks" => {}
            _ => s["max_surge"] = json!(surge),
        }
        let all: Vec<usize> = (0..nodes).chain(0..nodes).collect();
        let mut scenario = upgrade(nodes, zones, vec![workload("web", &all), workload("db", &[0])], s);
        scenario["seed"] = json!(seed);
        scenario
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_surge_that_completes_leaves_the_group_as_large_as_it_was_and_every_pod_placed(s in surges()) {
        let p = planned(&s);
        prop_assert_eq!(p.forecast.outcome.as_str(), "COMPLETED", "{:?}", p.forecast.failures);
        let (before, _, after) = sizes(&p);
        prop_assert_eq!(before, after);
        for w in &p.metrics.workloads {
            prop_assert_eq!((w.ready_start, w.broken), (w.ready_end, false), "{}", w.workload);
        }
        // No old machine is left as it was.
        prop_assert!(p.metrics.nodes.iter().all(|n| !n.initial || n.deleted_ms.is_some()));
    }
}
