//! Ocean's migration against its documents: what is launched, which virtual node group a node matches, and what is missing.

use crate::cli::{Dir, Ran, nodeferry};
use serde_json::{Value, json};

/// A node of four cores with labels besides those that every node has.
fn node(name: &str, machine: &str, more: Value, taints: Value) -> Value {
    let mut labels = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": "eastus-1", "node.kubernetes.io/instance-type": machine,
    });
    labels.as_object_mut().expect("an object").extend(more.as_object().expect("labels").clone());
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": format!("node-{name}"), "labels": labels},
        "spec": {"taints": taints},
        "status": {
            "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.33.4"},
        },
    })
}

fn aks(pool: &str) -> Value {
    json!({"agentpool": pool, "kubernetes.azure.com/agentpool": pool})
}

fn with(mut labels: Value, key: &str, value: &str) -> Value {
    labels[key] = value.into();
    labels
}

/// A ReplicaSet with a pod on each of these nodes, and what their spec has besides.
fn workload(name: &str, nodes: &[&str], more: &Value) -> Vec<Value> {
    let labels = json!({ "app": name });
    let mut spec =
        json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}}}]});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("fields").clone());
    let uid = format!("rs-{name}");
    let mut items = vec![json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "shop", "uid": uid},
        "spec": {
            "replicas": nodes.len(), "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec.clone()},
        },
    })];
    for (i, node) in nodes.iter().enumerate() {
        let mut spec = spec.clone();
        spec["nodeName"] = (*node).into();
        items.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{name}-{i}"), "namespace": "shop", "uid": format!("pod-{name}-{i}"), "labels": labels,
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": uid, "controller": true},
                ],
            },
            "spec": spec,
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }));
    }
    items
}

fn dump(dir: &Dir, items: Vec<Value>) -> String {
    let mut all = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "ns"}})];
    all.extend(items);
    dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string())
}

/// Azure's virtual node groups, as its API lists them: (id, zone, labels, taints, machine type).
fn vngs(dir: &Dir, groups: &[(&str, &str, Value, Value, &str)]) -> String {
    let items: Vec<Value> = groups
        .iter()
        .map(|(id, zone, labels, taints, machine)| {
            json!({
                "id": id, "name": id, "availabilityZones": [zone], "labels": labels, "taints": taints,
                "nodeCountLimits": {"minCount": 0, "maxCount": 20}, "vmSizes": {"preferredVmSizes": [machine]},
            })
        })
        .collect();
    dir.file("vng.json", &json!({"response": {"items": items}}).to_string())
}

fn plan(dir: &Dir, args: &[&str]) -> Ran {
    let mut all = vec!["plan"];
    all.extend(args);
    nodeferry(dir, &all)
}

fn codes(forecast: &Value) -> Vec<&str> {
    forecast["findings"].as_array().expect("findings").iter().filter_map(|f| f["code"].as_str()).collect()
}

fn finding<'v>(forecast: &'v Value, code: &str) -> &'v Value {
    let all = forecast["findings"].as_array().expect("findings");
    all.iter().find(|f| f["code"] == code).unwrap_or_else(|| panic!("no {code} in {:?}", codes(forecast)))
}

fn launched(forecast: &Value) -> u64 {
    forecast["batches"].as_array().expect("batches").iter().filter_map(|b| b["launched"].as_u64()).sum()
}

/// Three old nodes with four pods, and a node that is not Ocean's with room for all of them.
fn with_a_spare_node(dir: &Dir, spare: Value) -> [String; 2] {
    let mut items: Vec<Value> = ["o0", "o1", "o2"].map(|n| node(n, "d4", aks("old"), json!([]))).to_vec();
    items.push(node("spare", "d4", spare, json!([])));
    items.extend(workload("web", &["o0", "o1", "o2", "o0"], &json!({})));
    [dump(dir, items), vngs(dir, &[("vng-1", "1", json!({}), json!([]), "d4")])]
}

#[test]
fn room_on_nodes_that_are_not_oceans_spares_no_launch() {
    let dir = Dir::new();
    let [dump, groups] = with_a_spare_node(&dir, aks("spare"));
    let args = [&dump, "--groups", &groups, "-l", "agentpool=old", "--procedure", "ocean-azure", "--batch-size", "50%"];
    let forecast = plan(&dir, &[&args[..], &["-o", "json"]].concat()).json();
    assert_eq!(forecast["outcome"], "COMPLETED");
    assert!(launched(&forecast) >= 1, "{}", forecast["batches"]);
    // The scheduler binds where there is room all the same: each such pod is named with its node.
    let elsewhere = forecast["did_not_reach_ocean"].as_array().expect("a list");
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|p| p["node"] == "spare" && p["old"] == false));
    assert!(elsewhere.iter().all(|p| p["pod"].as_str().is_some_and(|p| p.starts_with("shop/web-"))), "{elsewhere:?}");
    let told = finding(&forecast, "did-not-reach-ocean");
    let (message, remedy) = (told["message"].as_str().unwrap_or_default(), told["remedy"].as_str().unwrap_or_default());
    assert!(
        message.starts_with(&format!("{} pods did not reach Ocean (on spare: shop/web-", elsewhere.len())),
        "{told}"
    );
    assert!(remedy.starts_with("Cordon spare "), "{told}");
    let text = plan(&dir, &args).stdout;
    assert!(text.contains(&format!("  elsewhere    {} pods did not reach Ocean\n", elsewhere.len())), "{text}");

    // Where the room of any node counts, nothing is launched, and none of the pods reaches Ocean.
    let any = plan(&dir, &[&args[..], &["--free-room", "any", "-o", "json"]].concat()).json();
    assert_eq!((launched(&any), any["did_not_reach_ocean"].as_array().map(Vec::len)), (0, Some(4)));
    let bad = plan(&dir, &[&args[..], &["--free-room", "some"]].concat());
    assert!(bad.status == 2 && bad.stderr.contains("ocean-nodes, any"), "{}", bad.stderr);
    // Other procedures know no Ocean.
    let drained = plan(&dir, &[&dump, "-l", "agentpool=old", "-o", "json"]).json();
    assert_eq!(drained["did_not_reach_ocean"], Value::Null);
}

#[test]
fn room_on_oceans_own_nodes_is_used() {
    let dir = Dir::new();
    for label in ["spotinst.io/node-lifecycle", "spotinst.io/ocean-vng-id"] {
        let [dump, groups] = with_a_spare_node(&dir, with(aks("oc"), label, "vng-1"));
        let args = [&dump, "--groups", &groups, "-l", "agentpool=old", "--procedure", "ocean-azure"];
        let forecast = plan(&dir, &[&args[..], &["--cordon", "all-first", "-o", "json"]].concat()).json();
        let reached = (&forecast["outcome"], launched(&forecast), &forecast["did_not_reach_ocean"]);
        assert_eq!(reached, (&json!("COMPLETED"), 0, &json!([])), "{label}");
    }
}

#[test]
fn a_pod_that_lands_on_a_node_still_to_be_drained_moves_twice() {
    let dir = Dir::new();
    let mut items: Vec<Value> = ["o0", "o1"].map(|n| node(n, "d4", aks("old"), json!([]))).to_vec();
    items.extend(workload("web", &["o0", "o0", "o0", "o0"], &json!({})));
    let dump = dump(&dir, items);
    let groups = vngs(&dir, &[("vng-1", "1", json!({}), json!([]), "d4")]);
    let args = [&dump, "--groups", &groups, "--nodes", "o0,o1", "--procedure", "ocean-azure", "--batch-size", "50%"];
    let forecast = plan(&dir, &[&args[..], &["-o", "json"]].concat()).json();
    assert_eq!(forecast["outcome"], "COMPLETED");
    let twice = forecast["pods_moved_twice"].as_u64().expect("a number");
    assert!(twice > 0 && forecast["pods_moved"] == 4 + twice, "{forecast}");
    let first = plan(&dir, &[&args[..], &["--cordon", "all-first", "-o", "json"]].concat()).json();
    assert_eq!((&first["pods_moved"], &first["pods_moved_twice"]), (&json!(4), &json!(0)));
}

#[test]
fn machine_type_and_zone_are_notes_and_no_reason_against_a_match() {
    let dir = Dir::new();
    let api = json!([{"key": "team", "value": "api", "effect": "NoSchedule"}]);
    let mut items = vec![
        node("plain", "d4", aks("old"), json!([])),
        node("api", "d4", with(aks("api"), "team", "api"), api.clone()),
        node("odd", "d4", with(aks("odd"), "accel", "nv"), json!([])),
        // The size of the machine that the groups make.
        node("other", "e8", aks("other"), json!([])),
    ];
    items.extend(workload("web", &["plain", "plain"], &json!({})));
    items.extend(workload("api", &["api", "api"], &json!({"tolerations": [{"key": "team", "operator": "Exists"}]})));
    let dump = dump(&dir, items);
    let team = json!({"team": "api"});
    let groups = vngs(
        &dir,
        &[
            ("vng-default", "2", json!({}), json!([]), "e8"),
            ("vng-api", "2", team.clone(), api.clone(), "e8"),
            ("vng-api2", "2", team, api, "e8"),
        ],
    );
    let found = nodeferry(&dir, &["discover", &dump, "--groups", &groups, "-o", "json"]).json();
    let node = |name: &str| found["nodes"].as_array().and_then(|n| n.iter().find(|n| n["node"] == name)).expect(name);
    assert_eq!((&node("plain")["group"], &node("api")["group"]), (&json!("Default"), &json!("vng-api")));
    let notes: Vec<&Value> = node("api")["match_notes"].as_array().expect("notes").iter().map(|n| &n["code"]).collect();
    // Preferred sizes are a preference: the node's own size is not excluded.
    assert_eq!(notes, ["zone"]);
    let odd = node("odd");
    assert_eq!((&odd["group"], &odd["nearest"]["differences"][0]["code"]), (&Value::Null, &json!("label")));
    assert!(odd["remedy"].as_str().is_some_and(|r| r.starts_with("Add label accel=nv to vng-default, or ")), "{odd}");
    let table = nodeferry(&dir, &["discover", &dump, "--groups", &groups]).stdout;
    assert!(table.contains("vng-api (note: zone eastus-1 is not among the group's)"), "{table}");

    let args = [&dump, "--groups", &groups, "--nodes", "api,plain", "--procedure", "ocean-azure", "-o", "json"];
    let forecast = plan(&dir, &args).json();
    assert_eq!(forecast["outcome"], "COMPLETED", "{forecast}");
    assert!(!codes(&forecast).contains(&"no-matching-group") && codes(&forecast).contains(&"group-match-note"));
    let args = [&dump, "--groups", &groups, "--nodes", "odd", "--procedure", "ocean-azure", "-o", "json"];
    let forecast = plan(&dir, &args).json();
    assert_eq!((&forecast["outcome"], &forecast["reason"]), (&json!("FAILED"), &json!("no-valid-node")));
    assert_eq!(finding(&forecast, "no-matching-group")["remedy"], odd["remedy"]);
}

#[test]
fn nothing_is_launched_in_the_group_that_is_being_left() {
    let dir = Dir::new();
    let [dump, _] = with_a_spare_node(&dir, aks("old"));
    for procedure in ["ocean-azure", "ocean-aws"] {
        let args = [&dump, "-l", "agentpool=old", "--procedure", procedure, "-o", "json"];
        let forecast = plan(&dir, &args).json();
        assert_eq!((&forecast["outcome"], launched(&forecast)), (&json!("FAILED"), 0), "{procedure}");
        let told = finding(&forecast, "source-group-only");
        assert_eq!((&told["severity"], &told["object"]), (&json!("error"), &json!("NodeGroup/old")));
        assert!(told["remedy"].as_str().is_some_and(|r| r.contains("--groups")), "{told}");
        let cause = forecast["failures"][0]["cause"].as_str().unwrap_or_default();
        assert!(cause.contains("it is being left"), "{procedure}: {cause}");
    }
    // A pool of our own form is no virtual node group if it is the nodes' own; a group with another name and no label of the pool is.
    let group = |name: &str, labels: &str| {
        let machine = "{name: d4, allocatable: {cpu: 4, memory: 16Gi, pods: 110}}";
        let text =
            format!("groups:\n- {{name: {name}, labels: {{{labels}}}, machine_types: [{machine}], max_count: 9}}\n");
        dir.file("own.yaml", &text)
    };
    let pool = group("anything", "kubernetes.azure.com/agentpool: old, agentpool: old");
    let args = [&dump, "--groups", &pool, "-l", "agentpool=old", "--procedure", "ocean-azure", "-o", "json"];
    assert_eq!(finding(&plan(&dir, &args).json(), "source-group-only")["object"], "NodeGroup/anything");
    let own = group("ocean-vng", "");
    let args = [&dump, "--groups", &own, "-l", "agentpool=old", "--procedure", "ocean-azure", "-o", "json"];
    let forecast = plan(&dir, &args).json();
    assert_eq!((&forecast["outcome"], &forecast["did_not_reach_ocean"]), (&json!("COMPLETED"), &json!([])));
    assert!(launched(&forecast) > 0);
}

/// Nodes that match nothing, on both clouds, with what their pods ask for.
fn unmatched(dir: &Dir, azure: bool) -> String {
    let pool = |p: &str| if azure { aks(p) } else { json!({"alpha.eksctl.io/nodegroup-name": p, "eksctl.io/x": "y"}) };
    let taints = json!([{"key": "team", "value": "api", "effect": "NoSchedule"}]);
    let mut items: Vec<Value> =
        ["a1", "a2"].map(|n| node(n, "d4", with(pool("a"), "team", "api"), taints.clone())).to_vec();
    items.push(node("b1", "d4", with(pool("b"), "accel", "nv"), json!([])));
    items.push(node("c1", "d4", pool("c"), json!([])));
    let api = json!({
        "tolerations": [{"key": "team", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "team", "operator": "In", "values": ["web", "api"]}]},
        ]}}},
    });
    items.extend(workload("api", &["a1", "a2"], &api));
    items.extend(workload("gpu", &["b1"], &json!({"nodeSelector": {"accel": "nv"}})));
    items.extend(workload("web", &["c1"], &json!({})));
    dump(dir, items)
}

#[test]
fn groups_that_are_missing_are_written_and_then_the_nodes_match() {
    for (azure, wrapper, procedure) in [(true, "virtualNodeGroup", "ocean-azure"), (false, "launchSpec", "ocean-aws")] {
        let dir = Dir::new();
        let dump = unmatched(&dir, azure);
        let groups = if azure {
            vngs(&dir, &[("vng-1", "1", json!({}), json!([]), "d4")])
        } else {
            let spec = json!([{"launchSpec": {"id": "ols-1", "name": "vng-1", "oceanId": "o-7", "labels": [], "instanceTypes": ["d4"]}}]);
            dir.file("vng.json", &spec.to_string())
        };
        let written = dir.path("missing.json");
        let write = ["discover", &dump, "--groups", &groups, "--write-groups", &written];
        let ran = nodeferry(&dir, &write);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!("2 virtual node groups ({wrapper}) for 3 nodes that match none")),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.contains("add the Ocean cluster's oceanId"), azure, "{}", ran.stderr);
        let text = std::fs::read_to_string(&written).expect("a file");
        let bodies: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let taint = json!([{"key": "team", "value": "api", "effect": "NoSchedule"}]);
        let labels = |k: &str, v: &str| if azure { json!({ k: v }) } else { json!([{"key": k, "value": v}]) };
        let got: Vec<(&Value, &Value)> =
            bodies.iter().map(|b| (&b[wrapper]["labels"], &b[wrapper]["taints"])).collect();
        assert_eq!(got, [(&labels("team", "api"), &taint), (&labels("accel", "nv"), &json!([]))], "one for each kind");
        assert_eq!(bodies[0][wrapper]["oceanId"], if azure { Value::Null } else { json!("o-7") });

        // It is not overwritten but on request.
        let again = nodeferry(&dir, &write);
        assert!(again.status == 2 && again.stderr.contains("the file exists and is kept"), "{}", again.stderr);
        assert_eq!(std::fs::read_to_string(&written).expect("a file"), text);
        assert_eq!(nodeferry(&dir, &[&write[..], &["--overwrite"]].concat()).status, 0);

        // Read beside the others, every node matches, nothing is missing, and the migration goes through.
        let both = ["--groups", groups.as_str(), "--groups", written.as_str()];
        let found = nodeferry(&dir, &[&["discover", dump.as_str()][..], &both, &["-o", "json"]].concat()).json();
        let matched: Vec<&Value> = found["nodes"].as_array().expect("nodes").iter().map(|n| &n["group"]).collect();
        assert_eq!(matched[..3], ["team-api", "team-api", "accel-nv"]);
        // On AWS pods that ask for nothing go to the group with the most labels (D).
        assert_eq!(matched[3], if azure { "Default" } else { "accel-nv" });
        let other = dir.path("nothing.json");
        let ran =
            nodeferry(&dir, &[&["discover", dump.as_str()][..], &both, &["--write-groups", other.as_str()]].concat());
        assert!(ran.status == 0 && ran.stderr.contains("every node matches") && !std::path::Path::new(&other).exists());
        let args =
            [&[dump.as_str()][..], &both, &["--nodes", "a1,a2,b1,c1", "--procedure", procedure, "-o", "json"]].concat();
        let forecast = plan(&dir, &args).json();
        assert_eq!(forecast["outcome"], "COMPLETED", "{procedure}: {forecast}");
    }
}

#[test]
fn the_cloud_of_written_groups_is_told_or_asked_for() {
    let dir = Dir::new();
    let dump = dump(&dir, vec![node("n", "d4", json!({"team": "x"}), json!([]))]);
    let written = dir.path("missing.json");
    let ran = nodeferry(&dir, &["discover", &dump, "--write-groups", &written]);
    assert!(ran.status == 2 && ran.stderr.contains("say --cloud aws or --cloud azure"), "{}", ran.stderr);
    let ran = nodeferry(&dir, &["discover", &dump, "--write-groups", &written, "--cloud", "azure"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let bodies: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&written).expect("a file")).expect("JSON");
    assert_eq!(bodies[0]["virtualNodeGroup"]["labels"], json!({"team": "x"}));
}

#[test]
fn pools_read_off_the_nodes_only_stand_in_for_groups() {
    let dir = Dir::new();
    let [dump, _] = with_a_spare_node(&dir, aks("spare"));
    let args = [&dump, "--nodes", "o0,o1,o2", "--procedure", "ocean-azure", "-o", "json"];
    let forecast = plan(&dir, &args).json();
    let told = finding(&forecast, "groups-stand-in");
    assert!(
        told["severity"] == "warning" && told["message"].as_str().is_some_and(|m| m.ends_with("(spare)")),
        "{told}"
    );
    assert!(launched(&forecast) > 0 && !codes(&forecast).contains(&"source-group-only"));
}

#[test]
fn that_ocean_is_imitated_is_said_once() {
    let dir = Dir::new();
    let [dump, groups] = with_a_spare_node(&dir, aks("spare"));
    let said = |procedure: &str| {
        let text = plan(&dir, &[&dump, "--groups", &groups, "-l", "agentpool=old", "--procedure", procedure]).stdout;
        text.matches("Ocean's own controller is not asked").count()
    };
    assert_eq!([said("ocean-azure"), said("ocean-aws"), said("kubectl-drain"), said("surge")], [1, 1, 0, 0]);
}
