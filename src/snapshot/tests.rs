//! The reader by rule: forms of input, phases, templates, what is missing, what is broken.

use super::*;
use serde_json::json;

fn pod(name: &str, rest: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "a", "resources": {"requests": {"cpu": "100m", "memory": "1Mi"}}}]},
        "status": {"phase": "Running", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}]}});
    merge(&mut pod, rest);
    pod
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (k, v) in from {
                merge(into.entry(k).or_insert(Value::Null), v);
            }
        }
        (into, from) => *into = from,
    }
}

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "a"},
            "annotations": {"number": "8", "yes": "true"}},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "10", "example.com/gpu": 1},
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T01:00:00Z"}],
            "nodeInfo": {"kubeletVersion": "v1.36.3"}}})
}

fn cluster() -> Vec<Value> {
    vec![
        node("n2"),
        node("n1"),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "shop", "uid": "r",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d", "controller": true}]},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}}),
        pod("web-1-a", owned("ReplicaSet", "r")),
        pod("web-1-b", owned("ReplicaSet", "r")),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "shop", "generation": 1},
            "spec": {"maxUnavailable": "50%", "selector": {"matchLabels": {"app": "web"}}},
            "status": {"currentHealthy": 2, "observedGeneration": 1, "disruptionsAllowed": 1, "disruptedPods": {"web-1-a": "2026-01-01T00:59:00Z"}}}),
    ]
}

fn owned(kind: &str, uid: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}, "ownerReferences":
        [{"apiVersion": "apps/v1", "kind": kind, "name": "web-1", "uid": uid, "controller": true}]}})
}

fn read(objects: &[Value]) -> Snapshot {
    Snapshot::from_objects(objects).unwrap()
}

fn codes(s: &Snapshot) -> Vec<&str> {
    s.findings.iter().map(|f| f.code.as_str()).collect()
}

/// Everything about a snapshot but its hash and the forms of its input.
fn text(s: &Snapshot) -> String {
    format!("{:?} {:?} {:?} {:?}", s.cluster.catalog, s.cluster.state, s.findings, s.delays)
}

fn from_text(parts: &[&str]) -> Result<Snapshot, ReadError> {
    let source = |(i, t): (usize, &&str)| Source::new(format!("file-{i}"), t.as_bytes().to_vec()).unwrap();
    Snapshot::from_sources(&parts.iter().enumerate().map(source).collect::<Vec<_>>())
}

#[test]
fn every_form_of_input_gives_the_same_cluster() {
    let objects = cluster();
    let wanted = text(&read(&objects));
    let list =
        json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}).to_string();
    let single: Vec<String> = objects.iter().map(|o| serde_json::to_string_pretty(o).unwrap()).collect();
    let yaml: Vec<String> = objects.iter().map(|o| serde_saphyr::to_string(o).unwrap()).collect();
    let yaml_list = serde_saphyr::to_string(&serde_json::from_str::<Value>(&list).unwrap()).unwrap();
    let halves: Vec<String> = [&objects[..5], &objects[5..]]
        .iter()
        .map(|h| json!({"apiVersion": "v1", "kind": "List", "items": h}).to_string())
        .collect();
    for (form, parts) in [
        ("list", vec![list.as_str()]),
        ("documents", vec![&*single.join("\n")]),
        ("files", single.iter().map(String::as_str).collect()),
        ("yaml", vec![&*format!("---\n{}", yaml.join("\n---\n"))]),
        ("yaml list", vec![yaml_list.as_str()]),
        ("lists", halves.iter().map(String::as_str).collect()),
    ] {
        assert_eq!(text(&from_text(&parts).unwrap_or_else(|e| panic!("{form}: {e}"))), wanted, "{form}");
    }
}

#[test]
fn directories_and_gzip_are_read_and_the_hash_is_that_of_the_unpacked_bytes() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let objects = cluster();
    let text_of = |h: &[Value]| json!({"apiVersion": "v1", "kind": "List", "items": h}).to_string();
    std::fs::write(dir.path().join("a.json"), text_of(&objects[..5])).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text_of(&objects[5..]).as_bytes()).unwrap();
    std::fs::write(dir.path().join("b.json.gz"), gz.finish().unwrap()).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "not a dump").unwrap();
    let s = read_paths(&[dir.path().to_path_buf()]).unwrap();
    assert_eq!(text(&s), text(&read(&objects)));
    let both = text_of(&objects[..5]) + &text_of(&objects[5..]);
    assert_eq!(s.sha256, hex(&Sha256::digest(both.as_bytes())));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(read_paths(&[empty.path().to_path_buf()]), Err(ReadError::EmptyDirectory { .. })));
    assert!(matches!(read_paths(&["no/such/file".into()]), Err(ReadError::Io { .. })));
}

#[test]
fn a_cluster_is_linked_and_its_times_count_from_the_latest_moment() {
    let s = read(&cluster());
    let (catalog, state) = (&s.cluster.catalog, &s.cluster.state);
    assert_eq!(state.node_name(catalog, NodeIdx(0)), "n1", "nodes are in the order of their names");
    assert_eq!(state.requested(NodeIdx(0))[..2], [200, 2 << 20]);
    let gpu = catalog.names.get("example.com/gpu").unwrap();
    let gpu = ResIdx::new(catalog.resources.iter().position(|r| *r == gpu).unwrap());
    assert_eq!(state.nodes[NodeIdx(0)].spec.allocatable(gpu), 1);
    let owner = catalog.specs[state.pods[PodIdx(0)].spec].owner.unwrap();
    assert_eq!(catalog.owner_text(catalog.top_owner(owner)), "Deployment/shop/web");
    assert_eq!(state.owned[owner].len(), 2);
    assert_eq!(state.pods[PodIdx(0)].created, -3_600_000);
    assert_eq!(state.budgets[BudgetIdx(0)].disrupted, vec![(PodIdx(0), -60_000)]);
    assert_eq!(catalog.budgets[BudgetIdx(0)].demand, Some(Demand::MaxUnavailable(Amount::Percent(50))));
    assert_eq!(catalog.kubernetes_minor, Some(36));
    assert_eq!(s.delays.overall_ms, vec![5000, 5000]);
    assert_eq!(codes(&s), Vec::<&str>::new());
}

#[test]
fn pods_of_every_phase_and_state() {
    let terminating =
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:30:00Z", "deletionGracePeriodSeconds": 30}});
    let pending = json!({"spec": {"nodeName": null}, "status": {"phase": "Pending", "conditions":
        [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences":
        [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "uid-n1", "controller": true}]}});
    let mut objects = cluster();
    objects.truncate(4);
    objects.extend([
        pod("running", json!({})),
        pod("terminating", terminating),
        pod("pending", pending),
        pod("succeeded", json!({"status": {"phase": "Succeeded"}})),
        pod("failed", json!({"status": {"phase": "Failed"}})),
        pod("lost", json!({"spec": {"nodeName": "vanished"}})),
        pod("static", mirror),
        pod(
            "gated",
            json!({"spec": {"nodeName": null, "schedulingGates": [{"name": "g"}]}, "status": {"phase": "Pending"}}),
        ),
    ]);
    let s = read(&objects);
    let (catalog, state) = (&s.cluster.catalog, &s.cluster.state);
    let of = |name: &str| {
        let found = state.pods.entries().find(|(_, p)| state.name(catalog, p.name) == name);
        found.map(|(_, p)| (p, &catalog.specs[p.spec]))
    };
    let (running, spec) = of("running").unwrap();
    assert!(running.occupies() && running.ready && spec.owner.is_none());
    let (p, _) = of("terminating").unwrap();
    assert_eq!(p.deleting, Some(Deletion { asked: -1_830_000, deadline: -1_800_000 }));
    assert!(p.occupies() && !p.is_active());
    let (p, _) = of("pending").unwrap();
    assert!(p.unschedulable && p.node.is_none() && p.phase == Phase::Pending && !p.ready);
    for (name, phase) in [("succeeded", Phase::Succeeded), ("failed", Phase::Failed)] {
        let (p, _) = of(name).unwrap();
        assert!(p.phase == phase && !p.occupies() && p.node.is_some());
    }
    assert!(of("lost").is_none(), "garbage collection removes it");
    let (_, spec) = of("static").unwrap();
    assert!(spec.mirror && catalog.owners[spec.owner.unwrap()].kind == OwnerKind::Node);
    let (_, spec) = of("gated").unwrap();
    assert!(catalog.shapes[spec.shape.at()].gated);
    // running, terminating and static hold their requests.
    assert_eq!(state.requested(NodeIdx(0))[0], 300);
    let found = codes(&s);
    for code in ["node-missing", "pod-gated", "pod-terminating", "no-budgets-in-dump"] {
        assert!(found.contains(&code), "{code} in {found:?}");
    }
}

#[test]
fn what_is_missing_is_said_and_never_read_as_none() {
    for (gone, code) in [
        ("Node", "no-nodes-in-dump"),
        ("PodDisruptionBudget", "no-budgets-in-dump"),
        ("Service", "no-services-in-dump"),
        ("Namespace", "no-namespaces-in-dump"),
        ("ReplicaSet", "no-replicasets-in-dump"),
        ("Deployment", "no-deployments-in-dump"),
        ("Pod", "no-pods-in-dump"),
    ] {
        let left: Vec<Value> = cluster().into_iter().filter(|o| o["kind"] != gone).collect();
        let s = read(&left);
        assert!(codes(&s).contains(&code), "without {gone}: {:?}", s.findings);
    }
    // The owner's kind is there, the owner is not.
    let mut objects = cluster();
    objects.push(pod("orphan", owned("ReplicaSet", "another")));
    let s = read(&objects);
    assert!(codes(&s).contains(&"owner-missing"), "{:?}", s.findings);
    assert_eq!(s.cluster.catalog.owners.iter().filter(|o| o.missing).count(), 1);
    assert!(strict_violations(&s.findings).is_empty(), "a missing owner is modelled");
}

#[test]
fn what_is_not_modelled_is_a_violation_of_strictness() {
    let mut objects = cluster();
    objects.push(pod("other", json!({"spec": {"schedulerName": "volcano"}})));
    objects.push(pod("claims", json!({"spec": {"resourceClaims": [{"name": "gpu"}]}})));
    objects.push(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop"}}));
    objects.push(json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}, "spec": 3}));
    let s = read(&objects);
    let violations: Vec<&str> = strict_violations(&s.findings).into_iter().map(|f| f.code.as_str()).collect();
    assert_eq!(violations, ["other-scheduler", "resource-claims", "resource-quota"]);
    assert_eq!(s.unknown.get("Widget.example.com"), Some(&1));
}

#[test]
fn a_template_gets_what_admission_would_add() {
    let mut objects = cluster();
    objects.extend([
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"}),
        json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata"}, "handler": "kata",
            "overhead": {"podFixed": {"cpu": "10m"}}, "scheduling": {"nodeSelector": {"kata": "yes"}}}),
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": "shop"},
            "spec": {"limits": [{"type": "Container", "defaultRequest": {"memory": "3Mi"}}]}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "shop", "uid": "ds"},
            "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {"metadata": {"labels": {"app": "agent"}},
                "spec": {"priorityClassName": "high", "runtimeClassName": "kata",
                    "containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": "50m"}}}]}}}}),
    ]);
    let s = read(&objects);
    let catalog = &s.cluster.catalog;
    let daemon = catalog.owners.iter().find(|o| o.kind == OwnerKind::DaemonSet).unwrap();
    let shape = catalog.shape(daemon.template.unwrap());
    assert_eq!(shape.requests.amounts, vec![(CPU, 60), (MEMORY, 3 << 20)]);
    assert_eq!((shape.priority, shape.may_preempt, shape.node_selector.len()), (7, false, 1));
    let cordoned =
        Taint { key: catalog.known.unschedulable_taint, value: catalog.known.empty, effect: Effect::NoSchedule };
    assert!(shape.tolerations.iter().any(|t| t.tolerates(&cordoned)));
}

#[test]
fn broken_input_names_the_place_and_what_was_expected() {
    let list = |item: &str| format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{item}]}}"#);
    let bad_cpu = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1cores"}}}]}}"#;
    for (input, wanted) in [
        (list(bad_cpu), "file-0: items[0] (Pod shop/p): spec.containers[0].resources.requests.cpu: expected a quantity"),
        (bad_cpu.to_owned(), "file-0: document 1 (Pod shop/p): spec.containers[0]"),
        (list(r#"{"apiVersion": "v1", "metadata": {}}"#), "items[0] is no Kubernetes object: kind is missing"),
        ("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [".into(), "file-0 is no valid JSON: EOF"),
        ("apiVersion: v1\nkind: [unclosed".into(), "file-0 is no valid YAML"),
        ("just words".into(), "it is no mapping"),
        ("  \n".into(), "file-0 is empty"),
        (list(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "creationTimestamp": "today"}}"#),
            "(Node n): metadata.creationTimestamp: expected a time such as"),
        (list(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": ["a"]}}"#), "(Node n): metadata.labels"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{resources: {requests: {memory: lots}}}]}".into(),
            "document 1 (Pod p): spec.containers[0].resources.requests.memory: expected a quantity"),
    ] {
        let error = from_text(&[&input]).map(|s| text(&s)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{input}\n  gave   {error}\n  wanted {wanted}");
    }
}

#[test]
fn recorded_pods_join_the_catalogue_but_not_the_state() {
    let mut s = read(&cluster());
    let recorded = [pod(
        "new",
        json!({"spec": {"nodeName": null, "containers": [{"name": "c", "resources":
        {"requests": {"example.com/new": "2"}}}]}, "status": {"phase": "Pending"}}),
    )];
    let decoded = s.decode_pods(&recorded).unwrap();
    let (spec, pending) = (decoded[0].0, decoded[0].1.clone());
    let (catalog, state) = (&s.cluster.catalog, &mut s.cluster.state);
    assert_eq!((state.pods.len(), state.dims()), (2, catalog.resources.len()));
    let index = state.add_pod(catalog, pending);
    state.bind(catalog, index, NodeIdx(1), 0);
    assert_eq!(state.requested(NodeIdx(1)).last(), Some(&2));
    assert_eq!(catalog.shape(spec).requests.amounts.len(), 1);
    state.make_name("later");
    assert!(matches!(s.decode_pods(&recorded), Err(ReadError::TooLate)));
}

#[test]
fn recorded_pods_know_the_custom_kinds_of_the_dump() {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "Widget", "plural": "widgets"}, "versions": [
            {"name": "v1", "served": true, "subresources": {"scale": {"specReplicasPath": ".spec.replicas"}}}]}});
    let mut s = Snapshot::from_objects(&[node("n1"), definition]).unwrap();
    let owned = |kind: &str| {
        let reference =
            json!({"apiVersion": "example.com/v1", "kind": kind, "name": "w", "uid": kind, "controller": true});
        pod(kind, json!({"metadata": {"ownerReferences": [reference]}}))
    };
    let decoded = s.decode_pods(&[owned("Widget"), owned("Ghost")]).unwrap();
    let catalog = &s.cluster.catalog;
    let owners: Vec<&Owner> =
        decoded.iter().map(|(spec, _)| &catalog.owners[catalog.specs[*spec].owner.unwrap()]).collect();
    assert!(owners[0].missing && owners[0].scale == ScaleSource::Replicas);
    let ScaleSource::Refused(text) = owners[1].scale else { panic!("{:?}", owners[1]) };
    assert_eq!(catalog.text(text), "no matches for kind \"Ghost\" in version \"example.com/v1\"");
}

/// Values that fit nowhere, or only by type.
fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(1.5),
        json!(true),
        json!(""),
        json!("9Ei"),
        json!("-1"),
        json!("x%"),
        json!("150%"),
        json!([]),
        json!({}),
        json!([null]),
        json!([{}]),
        json!("9999-12-31T23:59:59Z"),
        json!("In"),
    ]
}

/// Pointers to everything within a value.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    let escaped = |k: &str| k.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| pointers(v, &format!("{at}/{}", escaped(k)), out)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), out)),
        _ => {}
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]
    /// Whatever a field holds, reading ends in a cluster or an error, and twice in the same.
    #[test]
    fn mutated_dumps_never_panic(changes in proptest::collection::vec((0usize..10_000, 0usize..100), 1..6)) {
        let mut list = json!({"apiVersion": "v1", "kind": "List", "items": cluster()});
        for (place, value) in changes {
            let mut all = Vec::new();
            pointers(&list, "", &mut all);
            let values = odd_values();
            if let Some(field) = list.pointer_mut(&all[place % all.len()]) {
                *field = values[value % values.len()].clone();
            }
        }
        let read = || Snapshot::from_objects(std::slice::from_ref(&list)).map(|s| text(&s)).map_err(|e| e.to_string());
        proptest::prop_assert_eq!(read(), read());
        // As text it goes another way to the same end.
        let as_text = from_text(&[&list.to_string()]).map(|s| text(&s));
        if let (Ok(a), Ok(b)) = (&as_text, read()) {
            proptest::prop_assert_eq!(a, &b);
        }
    }

    /// A shown quantity reads as the same.
    #[test]
    fn quantities_are_shown_as_they_are_read(n in -1_000_000_000_000i64..1_000_000_000_000, suffix in 0usize..17) {
        let suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e3", "e-3", "E2"];
        let q = Quantity::parse(&format!("{n}{}", suffixes[suffix])).unwrap();
        proptest::prop_assert_eq!(Quantity::parse(&q.to_string()), Ok(q));
    }
}
