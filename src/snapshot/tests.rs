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
    for code in ["node-missing", "pod-gated", "pod-terminating-overdue", "no-budgets-in-dump"] {
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
    // One orphan among three pods is more than what changes while a dump is taken.
    let violations: Vec<&str> = strict_violations(&s.findings).iter().map(|f| f.code.as_str()).collect();
    assert_eq!(violations, ["dump-not-whole"], "a missing owner itself is modelled");
}

#[test]
fn a_list_of_nothing_says_that_there_is_nothing() {
    let without = |kind: &str| -> Vec<Value> { cluster().into_iter().filter(|o| o["kind"] != kind).collect() };
    for (kind, code, empty) in [
        (
            "PodDisruptionBudget",
            "no-budgets-in-dump",
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudgetList", "items": []}),
        ),
        (
            "Service",
            "no-services-in-dump",
            json!({"apiVersion": "v1", "kind": "ServiceList", "metadata": {}, "items": null}),
        ),
        ("Namespace", "no-namespaces-in-dump", json!({"apiVersion": "v1", "kind": "NamespaceList", "metadata": {}})),
    ] {
        let mut objects = without(kind);
        assert!(codes(&read(&objects)).contains(&code));
        objects.push(empty);
        assert_eq!(codes(&read(&objects)), Vec::<&str>::new(), "{kind}");
    }
    // No nodes are no nodes, however that is said.
    let mut objects = without("Node");
    objects.push(json!({"apiVersion": "v1", "kind": "NodeList", "items": []}));
    assert!(codes(&read(&objects)).contains(&"no-nodes-in-dump"));
    // `kubectl get` prints a List of nothing: then the file is called after what was asked for.
    let list = |o: &[Value]| json!({"apiVersion": "v1", "kind": "List", "items": o}).to_string().into_bytes();
    let rest = Source::new("dump/rest.json", list(&without("PodDisruptionBudget"))).unwrap();
    for (name, found) in [("dump/poddisruptionbudgets.policy.json.gz", false), ("dump/other.json", true)] {
        let empty = Source::new(name, list(&[])).unwrap();
        let s = Snapshot::from_sources(&[rest.clone(), empty]).unwrap();
        assert_eq!(codes(&s).contains(&"no-budgets-in-dump"), found, "{name}");
    }
}

#[test]
fn objects_without_a_kind_are_of_the_kind_that_their_file_is_called_after() {
    let mut bare = cluster();
    for object in &mut bare {
        object.as_object_mut().unwrap().remove("apiVersion");
    }
    let of = |kind: &str| -> Value {
        let strip = |o: &Value| {
            let mut o = o.clone();
            o.as_object_mut().unwrap().remove("kind");
            o
        };
        bare.iter().filter(|o| o["kind"] == kind).map(strip).collect()
    };
    let file = |name: &str, value: &Value| Source::new(name, value.to_string().into_bytes()).unwrap();
    let rest: Vec<Value> = cluster().into_iter().filter(|o| o["kind"] != "Node" && o["kind"] != "Pod").collect();
    let sources =
        [file("b/nodes.json", &of("Node")), file("b/rest.json", &json!(rest)), file("b/pods/shop.json", &of("Pod"))];
    let s = Snapshot::from_sources(&sources).unwrap();
    assert_eq!((s.counts["Node"], s.counts["Pod"]), (2, 2));
    assert_eq!(codes(&s), Vec::<&str>::new());
    let error =
        Snapshot::from_sources(&[file("b/things.json", &of("Node"))]).map(|s| text(&s)).unwrap_err().to_string();
    assert!(error.contains("b/things.json: [0] is no Kubernetes object: kind is missing"), "{error}");
}

#[test]
fn what_a_directory_holds_beside_objects_is_said_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("all.json", json!(cluster()).to_string());
    write("host/cpu.json", "{\"cores\": 8}\n[\"a note\"]".into());
    write("version.yaml", "version: 3\n---\nwords\n".into());
    write(".git/config.json", "nonsense".into());
    write("._all.json", "nonsense".into());
    let s = read_paths(&[dir.path().to_path_buf()]).unwrap();
    assert_eq!(codes(&s), vec!["document-passed-over"; 4]);
    assert!(s.findings[0].message.contains("document 1: kind is missing"), "{}", s.findings[0].message);
    // The same files by name are an error.
    assert!(read_paths(&[dir.path().join("all.json"), dir.path().join("host/cpu.json")]).is_err());
    // What is cut off is an error wherever it is.
    write("pods/cut.json", "{\"kind\": \"PodList\", ".into());
    let error = read_paths(&[dir.path().to_path_buf()]).map(|s| text(&s)).unwrap_err().to_string();
    assert!(error.contains("cut.json is no valid JSON: it ends on line 1"), "{error}");
}

/// A dump of `n` pods of one ReplicaSet, with what its status and a budget say of them.
fn counted(pods: usize, set: i64, budget: Value) -> Vec<Value> {
    let mut objects = cluster();
    objects.retain(|o| o["kind"] != "Pod" && o["kind"] != "PodDisruptionBudget");
    merge(&mut objects[5], json!({"status": {"replicas": set}}));
    objects.extend((0..pods).map(|i| pod(&format!("web-1-{i}"), owned("ReplicaSet", "r"))));
    objects.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}));
    let last = objects.last_mut().unwrap();
    merge(last, json!({"status": {"observedGeneration": 1}}));
    merge(last, budget);
    objects
}

#[test]
fn a_dump_is_its_own_witness_that_pods_are_missing() {
    let healthy = |n: i64| json!({"status": {"currentHealthy": n, "expectedPods": n}});
    let percent = json!({"spec": {"minAvailable": "50%"}, "status": {"currentHealthy": 0, "expectedPods": 4}});
    for (objects, wanted) in [
        (counted(3, 3, healthy(3)), &[][..]),
        (counted(0, 3, healthy(0)), &["dump-not-whole", "no-pods-in-dump", "pods-missing"]),
        (counted(1, 3, healthy(1)), &["dump-not-whole", "pods-missing"]),
        (counted(1, 1, healthy(3)), &["dump-not-whole", "pods-missing"]),
        // Of a percentage the expected pods are the controllers' replicas, which may not be there yet.
        (counted(2, 2, percent.clone()), &["budget-stale"]),
        // A few of many came or went while the dump was taken.
        (counted(39, 40, healthy(39)), &["pods-missing"]),
        // A status that is older than its spec says nothing.
        (
            counted(2, 2, json!({"metadata": {"generation": 2}, "status": {"currentHealthy": 9, "expectedPods": 9}})),
            &["budget-stale"],
        ),
    ] {
        let s = read(&objects);
        let mut found = codes(&s);
        found.retain(|c| *c != "node-overcommitted");
        assert_eq!(found, wanted, "{:?}", s.findings);
    }
    let s = read(&counted(1, 3, healthy(3)));
    let texts: Vec<&str> = not_whole(&s.findings).iter().map(|f| f.message.as_str()).collect();
    assert!(texts.iter().all(|t| t.starts_with("this dump is not whole: ")), "{texts:?}");
    assert!(texts[0].contains("count 2 pods that it lacks, of 3 (ReplicaSet/shop/web-1: 1 of 3)"), "{texts:?}");
}

#[test]
fn every_controller_that_counts_its_pods_is_a_witness() {
    let base = |kind: &str, api: &str, status: Value| {
        let mut objects = vec![node("n1"), pod("other", json!({}))];
        objects
            .push(json!({"apiVersion": api, "kind": kind, "metadata": {"name": "w", "namespace": "shop", "uid": "w"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "w"}}}}));
        merge(&mut objects[2], json!({ "status": status }));
        if kind == "ReplicationController" {
            objects[2]["spec"]["selector"] = json!({"app": "w"});
        }
        objects
    };
    for (kind, api, status) in [
        ("ReplicaSet", "apps/v1", json!({"replicas": 2})),
        ("StatefulSet", "apps/v1", json!({"replicas": 2})),
        ("ReplicationController", "v1", json!({"replicas": 2})),
        ("Deployment", "apps/v1", json!({"replicas": 2})),
        ("DaemonSet", "apps/v1", json!({"currentNumberScheduled": 2})),
        ("Job", "batch/v1", json!({"active": 2})),
    ] {
        let mut objects = base(kind, api, status);
        let s = read(&objects);
        let (found, object) = (codes(&s), format!("{kind}/shop/w"));
        assert!(
            found.contains(&"dump-not-whole") && s.findings.iter().any(|f| f.object == object),
            "{kind}: {:?}",
            s.findings
        );
        let owner = json!({"metadata": {"labels": {"app": "w"}, "ownerReferences":
            [{"apiVersion": api, "kind": kind, "name": "w", "uid": "w", "controller": true}]}});
        objects.extend(["w-0", "w-1"].map(|n| pod(n, owner.clone())));
        assert!(!codes(&read(&objects)).contains(&"dump-not-whole"), "{kind}");
        // Pods of nodes that the dump lacks are left out, and were there.
        for lost in &mut objects[3..] {
            merge(lost, json!({"spec": {"nodeName": "elsewhere"}}));
        }
        let found = codes(&read(&objects)).join(" ");
        assert!(!found.contains("dump-not-whole") && found.contains("node-missing"), "{kind}: {found}");
    }
}

#[test]
fn lists_that_are_cut_say_so() {
    let list = |meta: Value| {
        let items: Vec<Value> = cluster().into_iter().filter(|o| o["kind"] == "Pod").collect();
        json!({"apiVersion": "v1", "kind": "PodList", "metadata": meta, "items": items})
    };
    let rest: Vec<Value> = cluster().into_iter().filter(|o| o["kind"] != "Pod").collect();
    for (meta, wanted) in [
        (json!({"resourceVersion": "7"}), None),
        (json!({"continue": "", "remainingItemCount": 0}), None),
        (
            json!({"continue": "abc", "remainingItemCount": 4}),
            Some(
                "the PodList has 2 items and says by metadata.continue that it is the first part only, 4 more are left out",
            ),
        ),
        (json!({"continue": "abc"}), Some("how many more there are it does not say")),
    ] {
        let mut objects = rest.clone();
        objects.push(list(meta));
        let s = read(&objects);
        match wanted {
            None => assert_eq!(codes(&s), Vec::<&str>::new()),
            Some(wanted) => {
                assert_eq!(codes(&s), ["dump-not-whole"]);
                assert!(s.findings[0].message.contains(wanted), "{}", s.findings[0].message);
            }
        }
        let text = json!(objects).to_string();
        assert_eq!(codes(&from_text(&[&text]).unwrap()), codes(&s));
    }
}

#[test]
fn containers_that_cannot_start_are_said_whatever_the_reason() {
    let waiting = |list: &str, reason: &str| {
        json!({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}],
            (list): [{"name": "c", "restartCount": 0, "state": {"waiting": {"reason": reason}}}]}})
    };
    let unready = |phase: &str| json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}});
    let mut cases: Vec<(Value, Option<&str>)> = [
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreStartHookError",
        "SomethingNew",
    ]
    .map(|reason| (waiting("containerStatuses", reason), Some("pod-cannot-start")))
    .into();
    cases.extend([
        (waiting("initContainerStatuses", "RunContainerError"), Some("pod-cannot-start")),
        (waiting("initContainerStatuses", "CrashLoopBackOff"), Some("crash-looping")),
        (waiting("containerStatuses", "ContainerCreating"), None),
        (waiting("containerStatuses", "PodInitializing"), None),
        (unready("Running"), Some("pod-not-ready")),
        (unready("Pending"), None),
        (unready("Succeeded"), None),
        (json!({"status": {"containerStatuses": [{"name": "c", "restartCount": 2}]}}), Some("pods-restarting")),
    ]);
    for (status, wanted) in cases {
        let mut objects = cluster();
        objects.push(pod("p", status.clone()));
        let s = read(&objects);
        assert_eq!(codes(&s), wanted.into_iter().collect::<Vec<_>>(), "{status}");
    }
}

#[test]
fn priority_classes_that_every_cluster_has_are_not_missed() {
    for (class, value) in
        [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000), ("high", 0)]
    {
        let mut objects = cluster();
        objects.push(json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "shop", "uid": "ds"},
            "spec": {"template": {"spec": {"priorityClassName": class}}}}));
        let s = read(&objects);
        let daemon = s.cluster.catalog.owners.iter().find(|o| o.kind == OwnerKind::DaemonSet).unwrap();
        assert_eq!(s.cluster.catalog.shape(daemon.template.unwrap()).priority, value);
        assert_eq!(codes(&s).contains(&"no-priority-classes-in-dump"), value == 0, "{class}");
    }
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
    assert_eq!(violations, ["other-scheduler", "resource-claims"], "quotas are modelled");
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
        (list(bad_cpu), "file-0: items[0] (Pod shop/p, from line 1): spec.containers[0].resources.requests.cpu: expected a quantity"),
        (format!("\n\n{bad_cpu}"), "file-0: document 1 (Pod shop/p, from line 3): spec.containers[0]"),
        (list(r#"{"apiVersion": "v1", "metadata": {}}"#), "items[0] is no Kubernetes object: kind is missing"),
        (
            list(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": ""}, "status": {"allocatable": {"cpu": "x"}}}"#),
            "file-0: items[0] (Node without a name, from line 1): status.allocatable.cpu: expected a quantity",
        ),
        (
            list(r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop"}, "status": {"phase": 1}}"#),
            "items[0] (Pod without a name in namespace shop, from line 1): status.phase: expected a string",
        ),
        (
            r#"{"apiVersion": "meta.k8s.io/v1", "kind": "Table", "columnDefinitions": [], "rows": []}"#.to_owned(),
            "it is a Table, which the API server makes for people",
        ),
        ("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [".into(),
            "file-0 is no valid JSON: it ends on line 1 in the middle of a value; the file is cut off: make the dump again"),
        ("apiVersion: v1\nkind: [unclosed".into(), "file-0 is no valid YAML: it ends on line 2 within a list"),
        ("just words".into(), "document 1 is no Kubernetes object: it is a text or a number, no object; expected"),
        ("[7]".into(), "[0] is no Kubernetes object: it is a text or a number, no object"),
        ("[[[[{}]]]]".into(), "[0][0][0] is no Kubernetes object: lists are nested too deeply"),
        (r#"{"apiVersion": 1, "kind": "Pod"}"#.into(), "document 1 is no Kubernetes object: expected a string, found 1"),
        (r#"{"kind": "Node", "kind": "Node"}"#.into(), "kind stands twice in one object"),
        (format!("{}\nhello", list("")), "file-0 is no valid JSON: line 2: after an object comes what is none: hello; take it out"),
        (format!("{}\n{{,}}", list("")), "file-0 is no valid JSON: line 2: a key must be a string in double quotes: {,}"),
        ("NAME  READY  STATUS\nweb-1 1/1 Running\n".into(), "it is the table that kubectl prints for people; add -o json"),
        ("error: You must be logged in to the server (Unauthorized)\n".into(), "it is a message of kubectl, no objects"),
        ("<html><body>login</body></html>".into(), "it is a web page"),
        ("==== START logs for container a of pod b/c ====\nx\n".into(), "--output-directory=DIR"),
        ("kind: List\nitems: []\nkind: List\n".into(), "line 3: kind stands twice in one object; if several objects follow one another, put a line ---"),
        (list(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": 7}"#), "(Node n, from line 1): spec: expected an object, found 7"),
        ("  \n".into(), "file-0 is empty"),
        (list(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "creationTimestamp": "today"}}"#),
            "(Node n, from line 1): metadata.creationTimestamp: expected a time such as"),
        (list(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": ["a"]}}"#), "(Node n, from line 1): metadata.labels: expected an object, found a list"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{resources: {requests: {memory: lots}}}]}".into(),
            "document 1 (Pod p): spec.containers[0].resources.requests.memory: expected a quantity"),
    ] {
        let error = from_text(&[&input]).map(|s| text(&s)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{input}\n  gave   {error}\n  wanted {wanted}");
        for noise in ["serde", "saphyr", "Options", "invalid type", "<input>", "EOF", "`a `"] {
            assert!(!error.contains(noise), "{noise} in {error}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_called_by_their_name() {
    for (bytes, wanted) in [
        (&b"PK\x03\x04rest"[..], "f is a zip archive; unpack it"),
        (b"\xfd7zXZ\0...", "packed with xz"),
        (b"\x1f\x8bnonsense", "a gzip file that cannot be unpacked"),
        (b"k8s\0\x0a\x0b", "make the dump with `kubectl get"),
        (b"\xff\xfe{\0\x00\xd8", "f is not text in UTF-16 (byte 4); write it as UTF-8"),
        (b"\xe4pfel", "f is not text in UTF-8 (byte 0); write it as UTF-8"),
    ] {
        let error = Source::new("f", bytes.to_vec()).and_then(|s| Snapshot::from_sources(&[s]).map(|s| text(&s)));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\n  wanted {wanted}");
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

/// The same cases every time: a test that fails must fail again.
fn drawn(cases: u32) -> proptest::prelude::ProptestConfig {
    proptest::prelude::ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_127),
        ..Default::default()
    }
}

proptest::proptest! {
    #![proptest_config(drawn(512))]
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

}

proptest::proptest! {
    #![proptest_config(drawn(96))]
    /// What an API client writes as null is what it does not write, for every struct, map and list.
    #[test]
    fn null_is_nothing(seed in 0u64..1000, place in 0usize..1_000_000) {
        let objects = generated(seed);
        let list = json!(objects);
        let mut all = Vec::new();
        pointers(&list, "", &mut all);
        let is_field = |p: &&String| {
            let (parent, _) = p.rsplit_once('/').unwrap_or(("", ""));
            p.matches('/').count() > 1 && list.pointer(parent).is_some_and(Value::is_object)
        };
        let fields: Vec<&String> = all.iter().filter(is_field).collect();
        let composed = |p: &&&String| list.pointer(p).is_some_and(|v| v.is_object() || v.is_array());
        let composed: Vec<&&String> = fields.iter().filter(composed).collect();
        let field = composed[place % composed.len()];
        let (parent, key) = field.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let without = |null: bool| {
            let mut list = list.clone();
            let parent = list.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            match null {
                true => parent.insert(key.clone(), Value::Null),
                false => parent.shift_remove(&key),
            };
            list
        };
        let read = |list: &Value| from_text(&[&list.to_string()]).map(|s| text(&s)).map_err(|e| e.to_string());
        let (null, absent) = (read(&without(true)), read(&without(false)));
        proptest::prop_assert!(absent.is_ok(), "{field}: {absent:?}");
        proptest::prop_assert_eq!(null, absent, "{}", field);
        // An element that is null is an empty one, as Go reads it.
        let with = |element: Value| {
            let mut list = list.clone();
            if let Some(pods) = list.as_array_mut() {
                pods.iter_mut().filter(|o| o["kind"] == "Pod").for_each(|p| p["spec"]["tolerations"] = json!([element.clone(), {"operator": "Exists"}]));
            }
            read(&list)
        };
        proptest::prop_assert_eq!(with(Value::Null), with(json!({})));
    }

}

proptest::proptest! {
    #![proptest_config(drawn(12))]
    /// However a dump is wrapped, it is the same cluster.
    #[test]
    fn every_wrapping_gives_the_same_cluster(seed in 0u64..1000, piece in 1usize..40) {
        let objects = generated(seed);
        let wanted = text(&Snapshot::from_objects(&objects).unwrap());
        let list = |part: &[Value]| json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": part});
        let json_text = list(&objects).to_string();
        let pretty = serde_json::to_string_pretty(&json!(objects)).unwrap();
        let stream: Vec<String> = objects.iter().map(|o| serde_saphyr::to_string(o).unwrap()).collect();
        let lists: Vec<Value> = objects.chunks(piece).map(list).collect();
        let arrays: Vec<&[Value]> = objects.chunks(piece).collect();
        let utf16 = |mark: bool, encode: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(json_text.encode_utf16());
            units.flat_map(encode).collect()
        };
        let mut forms: Vec<(&str, Vec<u8>)> = vec![
            ("a List", json_text.clone().into_bytes()),
            ("an array", pretty.into_bytes()),
            ("an array of Lists", json!(lists).to_string().into_bytes()),
            ("a List of Lists", list(&lists).to_string().into_bytes()),
            ("an array of arrays", json!(arrays).to_string().into_bytes()),
            ("JSON texts", objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n").into_bytes()),
            ("a YAML stream", format!("---\n{}", stream.join("---\n")).into_bytes()),
            ("a YAML array", serde_saphyr::to_string(&objects).unwrap().into_bytes()),
            ("UTF-16 with a mark, little endian", utf16(true, u16::to_le_bytes)),
            ("UTF-16 with a mark, big endian", utf16(true, u16::to_be_bytes)),
            ("UTF-16 without a mark", utf16(false, u16::to_le_bytes)),
            ("UTF-8 with a mark", format!("\u{feff}{json_text}").into_bytes()),
        ];
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Vec::new();
        for (i, object) in objects.iter().enumerate() {
            let (name, content) = (format!("{:03}/sub/{i:06}.json", i / piece), object.to_string());
            std::fs::create_dir_all(dir.path().join(&name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(&name), &content).unwrap();
            archive.extend(super::tar::tests::entry(&format!("./bundle/{name}"), b'0', content.as_bytes()));
        }
        archive.extend([0; 1024]);
        forms.push(("an archive", archive));
        for (i, (form, bytes)) in forms.iter().enumerate() {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut gzip, bytes).unwrap();
            for (packed, bytes) in [(false, bytes.clone()), (true, gzip.finish().unwrap())] {
                let path = dir.path().with_extension(format!("{i}{}", if packed { ".gz" } else { "" }));
                std::fs::write(&path, bytes).unwrap();
                let read = read_paths(std::slice::from_ref(&path)).map(|s| text(&s)).map_err(|e| e.to_string());
                std::fs::remove_file(&path).unwrap();
                proptest::prop_assert!(read.as_ref() == Ok(&wanted), "{} {}: {:?}", form, packed, read.as_ref().err());
            }
        }
        let read = read_paths(&[dir.path().to_path_buf()]).map(|s| text(&s)).map_err(|e| e.to_string());
        proptest::prop_assert!(read.as_ref() == Ok(&wanted), "a directory of files: {:?}", read.as_ref().err());
    }
}

/// A valid dump like a real one: small, with traps.
fn generated(seed: u64) -> Vec<Value> {
    let traps = ["pending_pod", "budget_never_met", "stand_alone_pod"][seed as usize % 3];
    let params: generate::GenerateParams = serde_json::from_value(json!({
        "seed": seed, "nodes": 3, "new_nodes": 1, "pods_per_node": 4, "fill_percent": 50, "namespaces": ["a", "b"], "traps": [{"trap": traps}]
    }))
    .unwrap();
    generate::generate(&params).unwrap()
}

proptest::proptest! {
    #![proptest_config(drawn(512))]
    /// A shown quantity reads as the same.
    #[test]
    fn quantities_are_shown_as_they_are_read(n in -1_000_000_000_000i64..1_000_000_000_000, suffix in 0usize..17) {
        let suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e3", "e-3", "E2"];
        let q = Quantity::parse(&format!("{n}{}", suffixes[suffix])).unwrap();
        proptest::prop_assert_eq!(Quantity::parse(&q.to_string()), Ok(q));
    }
}

/// Objects with something else at one place each: text and value are read alike, and as serde_json reads them.
#[test]
fn objects_are_read_and_complained_of_as_serde_json_does() {
    use super::document::Raw;
    use super::wire::{node::Node, pod::Pod, policy::Budget, workload::Workload};

    macro_rules! check {
        ($type:ty) => {
            |object: &Value| {
                let text = serde_json::to_string_pretty(object).unwrap();
                let mut json = serde_json::Deserializer::from_str(&text);
                let serde = serde_path_to_error::deserialize::<_, $type>(&mut json);
                let serde = serde.map_err(|e| (e.path().to_string(), complaint::plain(&e.inner().to_string())));
                for ours in [Raw::Json(&text).decode::<$type>(), Raw::Value(object).decode()] {
                    // Where a list stands for an object, serde takes its items for the fields.
                    if matches!(&ours, Err((_, what)) if what == "expected an object, found a list") {
                        continue;
                    }
                    assert_eq!(format!("{ours:?}"), format!("{serde:?}"), "{object}");
                }
            }
        };
    }
    fn altered(value: &Value, check: &mut dyn FnMut(&dyn Fn(Value) -> Value), wrap: &dyn Fn(Value) -> Value) {
        check(wrap);
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    altered(item, check, &|v| {
                        let mut items = items.clone();
                        items[i] = v;
                        wrap(Value::Array(items))
                    });
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    altered(field, check, &|v| {
                        let mut fields = fields.clone();
                        fields.insert(key.clone(), v);
                        wrap(Value::Object(fields))
                    });
                }
            }
            _ => {}
        }
    }
    let params = generate::GenerateParams { nodes: 3, ..generate::GenerateParams::default() };
    let mut list = Vec::new();
    generate::write_list(&params, &mut list).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(70_000),
        json!(0.5),
        json!("x"),
        json!("é\n\"5%\""),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": null}),
    ];
    let mut seen = 0;
    for (kind, check) in [
        ("Pod", check!(Pod<'_>) as fn(&Value)),
        ("Node", check!(Node<'_>)),
        ("PodDisruptionBudget", check!(Budget<'_>)),
        ("Deployment", check!(Workload<'_>)),
    ] {
        let objects = list["items"].as_array().unwrap().iter().filter(|o| o["kind"] == kind);
        for object in objects.take(2) {
            check(object);
            let mut alter = |wrap: &dyn Fn(Value) -> Value| {
                for other in &others {
                    check(&wrap(other.clone()));
                    seen += 1;
                }
            };
            altered(object, &mut alter, &|v| v);
        }
    }
    assert!(seen > 2_000, "{seen}");
}

/// P/volumerestrictions `isVolumeConflict`: one monitor in common is enough.
#[test]
fn a_ceph_image_is_the_same_disk_by_each_of_its_monitors() {
    let rbd = |name: &str, monitors: &[&str]| {
        pod(
            name,
            json!({"spec": {"volumes": [{"name": "v", "rbd": {"monitors": monitors, "image": "i", "pool": "p"}}]}}),
        )
    };
    let mut objects = cluster();
    objects.extend([rbd("a", &["m1", "m2"]), rbd("b", &["m2", "m3"]), rbd("c", &["m4"])]);
    let s = read(&objects);
    let disks = |name: &str| -> Vec<Sym> {
        let c = &s.cluster.catalog;
        let spec = c.specs.iter().find(|p| c.text(p.name) == name).expect("it is there");
        let ids = c.shapes[spec.shape.at()].volumes.iter();
        ids.filter_map(|v| if let Volume::Disk { id, .. } = v { Some(*id) } else { None }).collect()
    };
    let share = |a: &str, b: &str| disks(a).iter().any(|d| disks(b).contains(d));
    assert_eq!((share("a", "b"), share("a", "c"), share("b", "c")), (true, false, false));
}

/// `matchPodFailurePolicy`: the first rule that fits decides; a condition's status is True if not given.
#[test]
fn rules_of_a_failure_policy_hold_in_order() {
    use FailureAction::{Count, FailIndex, FailJob, Ignore};
    let on = |action: &str| json!({"action": action, "onPodConditions": [{"type": "DisruptionTarget"}]});
    let codes = |action: &str, operator: &str, values: &[i64]| json!({"action": action, "onExitCodes": {"operator": operator, "values": values}});
    let other = json!({"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "False"}]});
    for (rules, expected) in [
        (vec![], Count),
        (vec![on("Ignore")], Ignore),
        (vec![on("FailJob"), on("Ignore")], FailJob),
        (vec![other, on("FailIndex")], FailIndex),
        (vec![codes("Count", "In", &[1, 137]), on("Ignore")], Count),
        (vec![codes("FailJob", "In", &[1, 42]), on("Ignore")], Ignore),
        (vec![codes("FailJob", "NotIn", &[0, 42]), on("Ignore")], FailJob),
        (vec![codes("FailJob", "NotIn", &[143]), on("Ignore")], Ignore),
    ] {
        let mut objects = cluster();
        objects.push(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "shop", "uid": "j"},
            "spec": {"podFailurePolicy": {"rules": rules}, "backoffLimitPerIndex": 2, "maxFailedIndexes": 5},
            "status": {"failedIndexes": "0,3-5"}}),
        );
        let s = read(&objects);
        let job = s.cluster.catalog.owners.iter().find_map(|o| o.job.clone()).expect("a job");
        assert_eq!(job.on_disruption, expected, "{rules:?}");
        assert_eq!((job.backoff_limit, job.backoff_limit_per_index), (i64::from(i32::MAX), Some(2)));
        assert_eq!((job.max_failed_indexes, job.failed_indexes), (Some(5), vec![0, 3, 4, 5]));
    }
}

#[test]
fn a_resource_that_no_node_offers_is_said() {
    let mut objects = cluster();
    let asks = |name: &str, resource: &str| {
        pod(
            name,
            json!({"spec": {"nodeName": null, "containers": [{"name": "c", "resources": {"requests": {resource: "1"}}}]},
            "status": {"phase": "Pending"}}),
        )
    };
    objects.extend([asks("a", "gpu.example/dra"), asks("b", "example.kubernetes.io/x")]);
    assert_eq!(codes(&read(&objects)).iter().filter(|c| **c == "extended-resource-absent").count(), 1);
}
