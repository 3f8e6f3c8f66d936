//! What is written reads back, and then the nodes match.

use super::*;
use crate::snapshot::Snapshot;
use crate::snapshot::groups::{MachineCatalogue, groups_from_values};

/// A cluster from nodes (name, labels, taints) and pods on them (name, node, what its spec has besides).
fn cluster(nodes: &[(&str, Value, Value)], pods: &[(&str, &str, Value)]) -> Cluster {
    let mut items = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "ns"}})];
    for (name, labels, taints) in nodes {
        let mut all = json!({
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": "eastus-1", "node.kubernetes.io/instance-type": "m4",
        });
        all.as_object_mut().unwrap().extend(labels.as_object().unwrap().clone());
        items.push(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": all},
            "spec": {"taints": taints},
            "status": {
                "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }));
    }
    for (name, node, more) in pods {
        let mut spec =
            json!({"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        items.push(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")},
            "spec": spec, "status": {"phase": "Running"},
        }));
    }
    Snapshot::from_objects(&items).expect("reads").cluster
}

fn all(c: &Cluster) -> Vec<NodeIdx> {
    c.state.live_nodes().collect()
}

/// Reads the bodies into the cluster and says what each node matches then.
fn matched(c: &mut Cluster, bodies: &[Value], cloud: Cloud) -> Vec<String> {
    let text = serde_json::to_string(bodies).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    groups_from_values(&[("written.json".into(), value)], MachineCatalogue::default(), c).expect("reads back");
    let view = View { catalog: &c.catalog, state: &c.state };
    let templates = Templates::new(view);
    let matcher = Matcher::new(view, &templates, cloud == Cloud::Aws, &[]);
    let id = |n: NodeIdx| match matcher.find(n) {
        GroupMatch::Default => "Default".to_owned(),
        GroupMatch::Group(g) => c.catalog.text(c.catalog.groups[g].id).to_owned(),
        GroupMatch::None { nearest } => format!("{nearest:?}"),
    };
    c.state.live_nodes().map(id).collect()
}

#[test]
fn azure_gets_a_group_for_each_combination_of_labels_and_taints() {
    let gpu = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
    let aks = |more: Value| {
        let mut labels = json!({"kubernetes.azure.com/agentpool": "old", "agentpool": "old"});
        labels.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        labels
    };
    let nodes = [
        ("plain", aks(json!({})), json!([])),
        ("api-1", aks(json!({"team": "api"})), json!([])),
        ("api-2", aks(json!({"team": "api"})), json!([])),
        ("gpu-1", aks(json!({"team": "api"})), gpu.clone()),
        ("gpu-2", aks(json!({})), gpu),
        ("ocean", aks(json!({"team": "web", "spotinst.io/node-lifecycle": "spot"})), json!([])),
    ];
    let mut c = cluster(&nodes, &[]);
    assert_eq!(Cloud::of(&c), Some(Cloud::Azure));
    let missing = missing_groups(&c, &all(&c), Cloud::Azure, Some("o-1"));
    assert_eq!((missing.bodies.len(), missing.nodes), (3, 4));
    assert_eq!(
        missing.bodies[0],
        json!({"virtualNodeGroup": {
            "oceanId": "o-1", "name": "team-api", "availabilityZones": ["1"], "labels": {"team": "api"}, "taints": [],
        }})
    );
    let names: Vec<&Value> = missing.bodies.iter().map(|b| &b["virtualNodeGroup"]["name"]).collect();
    assert_eq!(names, ["team-api", "team-api-2", "gpu-yes"]);
    // In order of name: api-1, api-2, gpu-1, gpu-2, ocean, plain. A group may have labels that a node lacks, so that gpu-2 matches the first
    // with its taint.
    let got = matched(&mut c, &missing.bodies, Cloud::Azure);
    assert_eq!(got[..4], ["team-api", "team-api", "team-api-2", "team-api-2"]);
    assert_eq!(got[5], "Default");
    // Now that they are there nothing is missing.
    assert_eq!(missing_groups(&c, &all(&c), Cloud::Azure, None).bodies, Vec::<Value>::new());
}

#[test]
fn aws_gets_what_the_pods_ask_for() {
    let none = || json!([]);
    let eks = |pool: &str| json!({"eks.amazonaws.com/nodegroup": pool, "alpha.eksctl.io/nodegroup-name": pool});
    let taint = json!([{"key": "team", "value": "api", "effect": "NoSchedule"}]);
    let nodes =
        [("web", eks("web"), none()), ("api", json!({"team": "api", "eks.amazonaws.com/nodegroup": "api"}), taint)];
    let tolerates = json!([{"key": "team", "operator": "Exists"}]);
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "eks.amazonaws.com/nodegroup", "operator": "In", "values": ["db", "api"]}]},
    ]}}});
    let pods = [
        ("w", "web", json!({"nodeSelector": {"eks.amazonaws.com/nodegroup": "web"}})),
        ("a", "api", json!({"nodeSelector": {"team": "api"}, "tolerations": tolerates.clone()})),
        ("b", "api", json!({"affinity": affinity, "tolerations": tolerates})),
        ("lost", "web", json!({"nodeSelector": {"kubernetes.io/hostname": "web"}})),
    ];
    let mut c = cluster(&nodes, &pods);
    assert_eq!(Cloud::of(&c), Some(Cloud::Aws));
    let missing = missing_groups(&c, &all(&c), Cloud::Aws, None);
    assert_eq!(missing.beyond, ["pod shop/lost asks for node web"]);
    assert_eq!(
        missing.bodies[0],
        json!({"launchSpec": {
            "name": "nodegroup-api-team-api",
            "labels": [{"key": "eks.amazonaws.com/nodegroup", "value": "api"}, {"key": "team", "value": "api"}],
            "taints": [{"key": "team", "value": "api", "effect": "NoSchedule"}],
        }})
    );
    let got = matched(&mut c, &missing.bodies, Cloud::Aws);
    assert_eq!(got[0], "nodegroup-api-team-api");
    assert!(got[1].contains("kubernetes.io/hostname=web"), "beyond any group: {}", got[1]);
}

#[test]
fn a_taint_that_a_pod_never_tolerated_is_left_out() {
    let taint = json!([{"key": "spare", "value": "", "effect": "NoSchedule"}]);
    let c = &mut cluster(&[("n", json!({"team": "x"}), taint)], &[("w", "n", json!({"nodeSelector": {"team": "x"}}))]);
    assert_eq!(Cloud::of(c), None);
    let missing = missing_groups(c, &all(c), Cloud::Aws, None);
    assert_eq!(missing.bodies[0]["launchSpec"]["taints"], json!([]));
    assert_eq!(matched(c, &missing.bodies, Cloud::Aws), ["team-x"]);
}

#[test]
fn the_ocean_cluster_is_named_where_it_is_known() {
    let c = cluster(&[("n", json!({"spotinst.io/ocean-id": "o-1"}), json!([]))], &[]);
    assert_eq!(ocean_id(&[], &c).as_deref(), Some("o-1"));
    let other = json!({"response": {"items": [{"id": "vng-1", "oceanId": "o-2"}]}});
    assert_eq!(ocean_id(&[("f".into(), other)], &c), None, "two clusters");
}
