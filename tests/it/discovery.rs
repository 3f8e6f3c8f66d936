//! Discovery as Ocean's API has it, nodes selected by what clouds call them, and the prerequisites of a migration: in the dumps that people have.

use crate::cli::{Dir, Ran, nodeferry};
use serde_json::{Value, json};

/// A dump of an AKS or EKS cluster, made object by object.
struct Dump(Vec<Value>);

impl Dump {
    fn new() -> Dump {
        let mut dump = Dump(Vec::new());
        for name in ["kube-system", "shop", "spot-system"] {
            dump.0.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": format!("ns-{name}")}}));
        }
        dump.0.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "shop", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": 1},
            "status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 4, "desiredHealthy": 3, "expectedPods": 4}}));
        dump
    }

    fn node(&mut self, name: &str, provider_id: &str, labels: Value, kubelet: &str) -> &mut Value {
        let mut all = json!({"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "z-1", "node.kubernetes.io/instance-type": "m"});
        for (key, value) in labels.as_object().expect("labels") {
            all[key] = value.clone();
        }
        self.0.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": format!("u-{name}"), "labels": all},
            "spec": {"providerID": provider_id}, "status": {"allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
            "nodeInfo": {"kubeletVersion": kubelet}, "conditions": [{"type": "Ready", "status": "True"}]}}));
        self.0.last_mut().expect("a node")
    }

    /// A Deployment with a pod on each of these nodes.
    fn deployment(&mut self, namespace: &str, name: &str, image: &str, nodes: &[&str]) {
        let labels = json!({"app": name});
        let spec = json!({"containers": [{"name": "c", "image": image, "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}}}]});
        let owner = |kind: &str, name: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
        let body = json!({"replicas": nodes.len(), "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}});
        let (d, r) = (format!("d-{name}"), format!("r-{name}"));
        if name == "web" {
            // The budget counts the pods that there are.
            let n = nodes.len();
            let budget = self.0.iter_mut().find(|o| o["kind"] == "PodDisruptionBudget").expect("the budget");
            budget["status"] = json!({"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": n, "desiredHealthy": n - 1, "expectedPods": n});
        }
        self.0.push(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace, "uid": d}, "spec": body}));
        self.0.push(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": format!("{name}-7d"), "namespace": namespace, "uid": r,
            "ownerReferences": owner("Deployment", name, &d)}, "spec": body}));
        for (i, node) in nodes.iter().enumerate() {
            let mut spec = spec.clone();
            spec["nodeName"] = json!(node);
            self.0.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{name}-{i}"), "namespace": namespace,
                "uid": format!("p-{name}-{i}"), "labels": labels, "ownerReferences": owner("ReplicaSet", &format!("{name}-7d"), &r)}, "spec": spec,
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
                    {"name": "c", "restartCount": 0, "state": {"running": {}}}]}}));
        }
    }

    /// Makes the last pod one that crashes again and again.
    fn crashing(&mut self, restarts: i64) {
        let status = &mut self.0.last_mut().expect("a pod")["status"];
        status["conditions"][0]["status"] = json!("False");
        status["containerStatuses"] =
            json!([{"name": "c", "restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    }

    fn file(&self, dir: &Dir) -> String {
        dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": self.0}).to_string())
    }
}

const V2: &str = "us-docker.pkg.dev/spotit-today/container-labs/spotinst-kubernetes-controller:v2.0.69";

fn scale_set(pool: &str, machine: u32) -> String {
    format!(
        "azure:///subscriptions/s/resourceGroups/mc_g/providers/Microsoft.Compute/virtualMachineScaleSets/aks-{pool}-3021-vmss/virtualMachines/{machine}"
    )
}

/// AKS: two old nodes, one of another pool, and one that Ocean launched; a controller that runs.
fn aks() -> Dump {
    let mut dump = Dump::new();
    let pool = |p: &str| json!({"kubernetes.azure.com/agentpool": p, "agentpool": p});
    for (name, of, machine) in [
        ("aks-old-3021-vmss000000", "old", 0),
        ("aks-old-3021-vmss000001", "old", 1),
        ("aks-db-3021-vmss000001", "db", 1),
    ] {
        dump.node(name, &scale_set(of, machine), pool(of), "v1.34.2");
    }
    let mut oceans = pool("ocspot1");
    oceans["spotinst.io/node-lifecycle"] = json!("spot");
    dump.node("aks-ocspot1-3021-vmss000000", &scale_set("ocspot1", 0), oceans, "v1.34.2");
    dump.deployment(
        "shop",
        "web",
        "web:1",
        &[
            "aks-old-3021-vmss000000",
            "aks-old-3021-vmss000001",
            "aks-db-3021-vmss000001",
            "aks-ocspot1-3021-vmss000000",
        ],
    );
    dump.deployment(
        "spot-system",
        "ocean-controller-ocean-kubernetes-controller",
        V2,
        &["aks-ocspot1-3021-vmss000000"],
    );
    dump
}

fn vngs(dir: &Dir) -> String {
    let groups = json!({"response": {"items": [{"id": "vng-1", "name": "default-vng", "labels": {}, "taints": [], "vmSizes": {"preferredVmSizes": ["m"]},
        "nodeCountLimits": {"minCount": 0, "maxCount": 20}}]}});
    dir.file("vng.json", &groups.to_string())
}

fn plan(dir: &Dir, dump: &str, more: &[&str]) -> Ran {
    let vng = vngs(dir);
    let mut args = vec!["plan", dump, "--groups", &vng, "--procedure", "ocean-azure", "-o", "json"];
    args.extend(more);
    nodeferry(dir, &args)
}

/// The nodes that a plan empties, sorted.
fn emptied(ran: &Ran) -> Vec<String> {
    let batches = ran.json()["batches"].as_array().cloned().unwrap_or_else(|| panic!("{}", ran.stderr));
    let nodes = batches.iter().flat_map(|b| b["nodes"].as_array().cloned().unwrap_or_default());
    let mut nodes: Vec<String> = nodes.map(|n| n.as_str().expect("a name").to_owned()).collect();
    nodes.sort();
    nodes
}

fn verdicts(result: &Value) -> Vec<(&str, &str)> {
    let list = result["prerequisites"].as_array().expect("prerequisites");
    list.iter().map(|p| (p["rule"].as_str().unwrap(), p["verdict"].as_str().unwrap())).collect()
}

#[test]
fn discovery_names_instances_and_pools_and_leaves_oceans_own_nodes_out() {
    let dir = Dir::new();
    let (dump, vng) = (aks().file(&dir), vngs(&dir));
    let found = nodeferry(&dir, &["discover", &dump, "--groups", &vng, "-o", "json", "--pods"]).json();
    let node = |name: &str| {
        let nodes = found["nodes"].as_array().expect("nodes");
        nodes.iter().find(|n| n["node"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let old = node("aks-old-3021-vmss000001");
    assert_eq!(
        (&old["instance_id"], &old["pool"], &old["asg"]),
        (&json!("aks-old-3021-vmss_1"), &json!("old"), &Value::Null)
    );
    assert_eq!((&old["group"], &old["migration"]["status"]), (&json!("Default"), &json!("ready")));
    assert_eq!(old["pods"][0]["pod"], "shop/web-1");
    assert_eq!(old["pods"][0]["owner"], "Deployment/shop/web");
    let oceans = node("aks-ocspot1-3021-vmss000000");
    assert_eq!(oceans["migration"]["status"], "already-ocean");
    assert_eq!((&oceans["group"], &oceans["managed_by_ocean"]), (&Value::Null, &json!(true)), "it is no Default");
    let text = nodeferry(&dir, &["discover", &dump, "--groups", &vng]).stdout;
    assert!(
        text.contains("3 nodes can be migrated (ocean-azure), 0 cannot, 1 is Ocean's already and is left out."),
        "{text}"
    );
    assert!(
        text.lines().any(|l| l.contains("aks-ocspot1-3021-vmss000000") && l.ends_with("Ocean's already")),
        "{text}"
    );
    assert!(!text.contains("shop/web-1 "), "pods are not listed unless asked for: {text}");
    // Without groups of Ocean's there is no migration to judge; whose node it is stays told.
    let bare = nodeferry(&dir, &["discover", &dump, "-o", "json"]).json();
    assert!(bare.get("prerequisites").is_none() && bare["nodes"][0].get("migration").is_none(), "{bare}");
    assert!(nodeferry(&dir, &["discover", &dump]).stdout.contains("vmss000000 (Ocean's)"));
}

#[test]
fn what_keeps_a_node_from_being_migrated_is_named() {
    let dir = Dir::new();
    let mut dump = aks();
    let pod = |name: &str, node: &str, spec: Value, metadata: Value| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        for (into, from) in [("spec", spec), ("metadata", metadata)] {
            for (key, value) in from.as_object().expect("fields") {
                pod[into][key] = value.clone();
            }
        }
        pod
    };
    let priority = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.azure.com/scalesetpriority", "operator": "NotIn", "values": ["spot"]}]}]}}}});
    dump.0.push(pod("picky", "aks-old-3021-vmss000000", priority, json!({})));
    dump.0.push(pod(
        "pinned",
        "aks-old-3021-vmss000001",
        json!({}),
        json!({"labels": {"spotinst.io/restrict-scale-down": "true"}}),
    ));
    dump.0.iter_mut().find(|o| o["metadata"]["name"] == "aks-db-3021-vmss000001").expect("the node")["metadata"]["labels"]
        ["team"] = json!("db");
    let (dump, vng) = (dump.file(&dir), vngs(&dir));
    let codes = |more: &[&str]| {
        let mut args = vec!["discover", &dump, "--groups", &vng, "-o", "json"];
        args.extend(more);
        let found = nodeferry(&dir, &args).json();
        let nodes = found["nodes"].as_array().expect("nodes").clone();
        let code = |n: &Value| n["migration"]["reasons"][0]["code"].as_str().unwrap_or("none").to_owned();
        nodes.iter().map(code).collect::<Vec<_>>()
    };
    // db, ocspot1, old 0, old 1.
    assert_eq!(codes(&[]), ["no-matching-group", "already-ocean", "spot-affinity", "none"]);
    assert_eq!(
        codes(&["--respect-restrict-scale-down", "true", "--node-pools", "old"]),
        ["spot-affinity", "restrict-scale-down"]
    );
    assert_eq!(codes(&["--evict-stand-alone-pods", "false", "--nodes", "aks-old-3021-vmss_1"]), ["stand-alone-pod"]);
}

#[test]
fn nodes_are_selected_by_name_instance_or_provider_id() {
    let dir = Dir::new();
    let dump = aks().file(&dir);
    let both = ["aks-db-3021-vmss000001".to_owned(), "aks-old-3021-vmss000000".to_owned()];
    // Azure is not of one mind about the case of its ids.
    let provider_id = scale_set("old", 0).replace("resourceGroups", "resourcegroups");
    for db in ["aks-db-3021-vmss000001", "aks-db-3021-vmss_1", "aks-db-3021-vmss/1"] {
        for old in ["aks-old-3021-vmss000000", "aks-old-3021-vmss_0", &provider_id] {
            assert_eq!(emptied(&plan(&dir, &dump, &["--nodes", &format!("{db},{old}")])), both, "{db} {old}");
        }
    }
    let refused = |nodes: &str, says: &[&str]| {
        let ran = plan(&dir, &dump, &["--nodes", nodes]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{nodes}");
        says.iter().for_each(|s| assert!(ran.stderr.contains(s), "{nodes}: {s} is not in {}", ran.stderr));
    };
    refused(
        "aks-old-3021-vmss000007",
        &["no node of the dump is called aks-old-3021-vmss000007", "near it: aks-old-3021-vmss000000"],
    );
    refused("aks-dp-3021-vmss_1", &["aks-dp-3021-vmss_1", "near it: aks-db-3021-vmss_1 (node aks-db-3021-vmss000001)"]);
    refused("zebra", &["zebra", "it has aks-db-3021-vmss000001"]);
    refused(
        "1",
        &[
            "1 means more than one node",
            "aks-db-3021-vmss000001",
            "aks-old-3021-vmss000001",
            "give the name or the provider id",
        ],
    );
    // In a scenario too.
    let scenario = |nodes: &str| {
        let text = format!(
            "scenario: s\ncluster: {{dump: [dump.json]}}\ngroups: {{files: [{}]}}\nnodes: {nodes}\noptions: {{procedure: ocean-azure}}\n",
            vngs(&dir)
        );
        nodeferry(&dir, &["plan", &dir.file("s.yaml", &text), "-o", "json"])
    };
    assert_eq!(emptied(&scenario("{names: [aks-db-3021-vmss_1, aks-old-3021-vmss000000]}")), both);
    assert_eq!(emptied(&scenario("{node_pools: [db]}")), both[..1]);
    let ran = scenario("{names: [a], node_pools: [db]}");
    assert!(ran.status == 2 && ran.stderr.contains("both names and node_pools"), "{}", ran.stderr);
}

#[test]
fn pools_select_their_nodes_and_exclude_names() {
    let dir = Dir::new();
    let dump = aks().file(&dir);
    assert_eq!(
        emptied(&plan(&dir, &dump, &["--node-pools", "old"])),
        ["aks-old-3021-vmss000000", "aks-old-3021-vmss000001"]
    );
    assert_eq!(emptied(&plan(&dir, &dump, &["--node-pools", "old,db"])).len(), 3);
    assert_eq!(
        emptied(&plan(&dir, &dump, &["--node-pools", "old", "-l", "kubernetes.io/hostname=aks-old-3021-vmss000001"]))
            .len(),
        1
    );
    let both = plan(&dir, &dump, &["--node-pools", "old", "--nodes", "aks-db-3021-vmss_1"]);
    assert!(both.status == 2 && both.stderr.contains("cannot be used with"), "{}", both.stderr);
    let none = plan(&dir, &dump, &["--node-pools", "olld"]);
    assert!(
        none.status == 2
            && none.stderr.contains("no node is in the pool olld; the nodes' labels name db, ocspot1, old"),
        "{}",
        none.stderr
    );
    let schema = nodeferry(&dir, &["schema", "scenario"]).json();
    let choice = &schema["$defs"]["NodeChoice"];
    assert!(choice["properties"]["node_pools"].is_object() && choice["not"].is_object(), "{choice}");
}

#[test]
fn a_node_that_is_oceans_is_refused_by_name_and_left_out_of_pools_and_selectors() {
    let dir = Dir::new();
    let dump = aks().file(&dir);
    for nodes in ["aks-ocspot1-3021-vmss000000", "aks-ocspot1-3021-vmss_0,aks-db-3021-vmss_1"] {
        let ran = plan(&dir, &dump, &["--nodes", nodes]);
        assert!(
            ran.status == 2
                && ran
                    .stderr
                    .contains("aks-ocspot1-3021-vmss000000 (label spotinst.io/node-lifecycle=spot) is Ocean's already"),
            "{}",
            ran.stderr
        );
    }
    for more in [["--node-pools", "old,ocspot1"], ["-l", "agentpool in (old,ocspot1)"]] {
        let ran = plan(&dir, &dump, &more);
        assert_eq!(emptied(&ran).len(), 2, "{more:?}");
        let findings = ran.json()["findings"].as_array().cloned().expect("findings");
        assert!(
            findings
                .iter()
                .any(|f| f["code"] == "ocean-node-left-out" && f["object"] == "Node/aks-ocspot1-3021-vmss000000"),
            "{more:?}"
        );
    }
    let all = plan(&dir, &dump, &["--node-pools", "ocspot1"]);
    assert!(all.status == 2 && all.stderr.contains("Ocean's already"), "{}", all.stderr);
    // Other procedures drain what they are told to.
    let drained = nodeferry(&dir, &["plan", &dump, "--nodes", "aks-ocspot1-3021-vmss000000", "-o", "json"]);
    assert_eq!(emptied(&drained).len(), 1);
}

#[test]
fn prerequisites_that_are_met_are_said_and_those_that_the_dump_does_not_show_too() {
    let dir = Dir::new();
    let dump = aks().file(&dir);
    let result = plan(&dir, &dump, &["--node-pools", "old"]).json();
    let unknown: Vec<&str> = verdicts(&result).into_iter().filter(|v| v.1 == "unknown").map(|v| v.0).collect();
    assert_eq!(
        unknown,
        ["cluster-autoscaler", "autoscaled-pools"],
        "the autoscaler of AKS runs outside of the cluster"
    );
    assert!(verdicts(&result).iter().all(|v| v.1 != "fail"), "{:?}", verdicts(&result));
    assert_eq!(result["outcome"], "COMPLETED");
    let controller = &result["prerequisites"][2];
    assert_eq!(controller["requirement"], "The Ocean Controller was installed and updated and runs in the cluster.");
    assert!(controller["fact"].as_str().is_some_and(|f| f.ends_with("is ready, version 2.0.69")), "{controller}");
    // The same in words, in discovery, and not with another procedure.
    let discovered = nodeferry(&dir, &["discover", &dump, "--groups", &vngs(&dir), "-o", "json"]).json();
    assert_eq!(verdicts(&discovered), verdicts(&result));
    let text =
        nodeferry(&dir, &["plan", &dump, "--groups", &vngs(&dir), "--procedure", "ocean-azure", "--node-pools", "old"])
            .stdout;
    assert!(
        text.contains("Prerequisites of Ocean's migration: 11 met, 0 not met, 2 that the dump does not show"),
        "{text}"
    );
    assert!(text.contains("  pass     ocean-controller"), "{text}");
    assert!(!nodeferry(&dir, &["plan", &dump, "--node-pools", "old"]).stdout.contains("Prerequisites"));
}

/// The cluster of a report: an old Kubernetes, a cluster-autoscaler, and Ocean's controller that crashes.
#[test]
fn a_controller_that_crashes_predicts_oceans_connectivity_failure() {
    let dir = Dir::new();
    let mut dump = Dump::new();
    for i in 0..3 {
        dump.node(
            &format!("o{i}"),
            &scale_set("old", i),
            json!({"kubernetes.azure.com/agentpool": "old", "agentpool": "old"}),
            "v1.19.3",
        );
    }
    dump.node(
        "sys",
        &scale_set("sys", 0),
        json!({"kubernetes.azure.com/agentpool": "sys", "agentpool": "sys"}),
        "v1.19.3",
    );
    dump.deployment("shop", "web", "web:1", &["o0", "o1", "o2", "o0"]);
    dump.deployment(
        "kube-system",
        "cluster-autoscaler",
        "registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.0",
        &["sys"],
    );
    dump.deployment("spot-system", "ocean-controller", "spotinst/ocean-controller:1.0.50", &["sys"]);
    dump.crashing(88);
    let dump = dump.file(&dir);
    let ran = plan(&dir, &dump, &["-l", "agentpool=old", "--batch-size", "50%"]);
    let result = ran.json();
    assert_eq!((ran.status, &result["reason"]), (3, &json!("connectivity")));
    assert_eq!(
        result["message"],
        "The migration has stopped due to connectivity issues. Make sure the Spotinst controller is installed and working properly."
    );
    let cause = result["failures"][0]["cause"].as_str().expect("a cause");
    assert!(
        cause.contains("spot-system/ocean-controller")
            && cause.contains("spot-system/ocean-controller-0 waits: CrashLoopBackOff, 88 restarts"),
        "{cause}"
    );
    assert_eq!(result["pods_moved"], 0);
    let failed: Vec<&str> = verdicts(&result).into_iter().filter(|v| v.1 == "fail").map(|v| v.0).collect();
    assert_eq!(failed, ["ocean-controller", "kubernetes-version", "cluster-autoscaler"]);
    let codes: Vec<&str> =
        result["findings"].as_array().expect("findings").iter().filter_map(|f| f["code"].as_str()).collect();
    for code in [
        "ocean-controller-not-ready",
        "kubernetes-version-old",
        "cluster-autoscaler-active",
        "autoscaled-pools-unknown",
    ] {
        assert!(codes.contains(&code), "{code} is not in {codes:?}");
    }
    // What comes once it is repaired, and with a version that counts as recent.
    let repaired =
        plan(&dir, &dump, &["-l", "agentpool=old", "--controller-reports", "true", "--oldest-kubernetes", "1.19"])
            .json();
    assert_eq!(repaired["outcome"], "COMPLETED");
    let version = verdicts(&repaired).into_iter().find(|v| v.0 == "kubernetes-version");
    assert_eq!(version, Some(("kubernetes-version", "pass")));
    assert!(
        plan(&dir, &dump, &["-l", "agentpool=old", "--oldest-kubernetes", "new"])
            .stderr
            .contains("oldest_kubernetes is \"new\"")
    );
}

#[test]
fn an_absent_controller_is_said_and_the_prediction_assumes_that_it_comes() {
    let dir = Dir::new();
    let mut dump = aks();
    dump.0.retain(|o| !o["metadata"]["name"].as_str().unwrap_or_default().starts_with("ocean-controller"));
    let file = dump.file(&dir);
    let result = plan(&dir, &file, &["--node-pools", "old"]).json();
    assert_eq!(result["outcome"], "COMPLETED");
    assert!(verdicts(&result).contains(&("ocean-controller", "fail")));
    let never = plan(&dir, &file, &["--node-pools", "old", "--controller-reports", "false"]).json();
    assert_eq!(never["reason"], "connectivity");
    // Without the kind in the dump it is no pass, and no fail.
    dump.0.retain(|o| o["kind"] != "Deployment");
    let result = plan(&dir, &dump.file(&dir), &["--node-pools", "old"]).json();
    for rule in ["ocean-controller", "cluster-autoscaler", "karpenter"] {
        assert!(verdicts(&result).contains(&(rule, "unknown")), "{rule}: {:?}", verdicts(&result));
    }
}

#[test]
fn on_aws_instances_have_their_ids_and_the_controller_must_be_of_the_second_generation() {
    let dir = Dir::new();
    let mut dump = Dump::new();
    let eks = |group: &str| json!({"eks.amazonaws.com/nodegroup": group});
    dump.node("ip-10-0-0-1.eu-west-1.compute.internal", "aws:///eu-west-1a/i-0aaa1", eks("old"), "v1.34.2");
    let named = dump.node("ip-10-0-0-2.eu-west-1.compute.internal", "aws:///eu-west-1b/i-0bbb2", eks("old"), "v1.34.2");
    named["metadata"]["annotations"] = json!({"example.com/asg-name": "eks-old-1a2b"});
    dump.node(
        "ip-10-0-0-3.eu-west-1.compute.internal",
        "aws:///eu-west-1b/i-0ccc3",
        json!({"alpha.eksctl.io/nodegroup-name": "ng"}),
        "v1.34.2",
    );
    dump.deployment(
        "shop",
        "web",
        "web:1",
        &["ip-10-0-0-1.eu-west-1.compute.internal", "ip-10-0-0-2.eu-west-1.compute.internal"],
    );
    dump.deployment(
        "kube-system",
        "spotinst-kubernetes-cluster-controller",
        "spotinst/kubernetes-cluster-controller:1.0.101",
        &["ip-10-0-0-3.eu-west-1.compute.internal"],
    );
    let dump = dump.file(&dir);
    let groups = json!([{"id": "ols-1", "name": "vng", "oceanId": "o-1", "labels": [], "instanceTypes": ["m"], "resourceLimits": {"maxInstanceCount": 20}}]);
    let groups = dir.file("specs.json", &groups.to_string());
    let found = nodeferry(&dir, &["discover", &dump, "--groups", &groups, "-o", "json"]).json();
    let of =
        |field: &str| found["nodes"].as_array().expect("nodes").iter().map(|n| n[field].clone()).collect::<Vec<_>>();
    assert_eq!(found["procedure"], "ocean-aws");
    assert_eq!(of("instance_id"), [json!("i-0aaa1"), json!("i-0bbb2"), json!("i-0ccc3")]);
    assert_eq!(of("pool"), [json!("old"), json!("old"), json!("ng")]);
    assert_eq!(of("asg"), [Value::Null, json!("eks-old-1a2b"), Value::Null]);
    assert!(
        found["notes"][0].as_str().is_some_and(|n| n.starts_with("asg is null for 2 of 3 nodes")),
        "{}",
        found["notes"]
    );
    let ran = nodeferry(
        &dir,
        &[
            "plan",
            &dump,
            "--groups",
            &groups,
            "--procedure",
            "ocean-aws",
            "--nodes",
            "i-0aaa1,ip-10-0-0-2.eu-west-1.compute.internal",
            "-o",
            "json",
        ],
    );
    assert_eq!(emptied(&ran).len(), 2);
    let result = ran.json();
    let failed: Vec<&str> = verdicts(&result).into_iter().filter(|v| v.1 == "fail").map(|v| v.0).collect();
    assert_eq!(failed, ["ocean-controller"], "{:?}", verdicts(&result));
    assert_eq!(result["prerequisites"][2]["requirement"], "Ocean Controller Version 2 installed in the cluster.");
    assert!(verdicts(&result).iter().all(|v| v.0 != "spot-toleration"), "AWS has no such taint");
    let wrong = nodeferry(
        &dir,
        &["plan", &dump, "--groups", &groups, "--procedure", "ocean-azure", "--node-pools", "old", "-o", "json"],
    )
    .json();
    assert!(verdicts(&wrong).contains(&("infrastructure", "fail")));
}
