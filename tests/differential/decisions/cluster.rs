//! Random clusters: nodes, namespaces, services, volumes, priorities and budgets, as one would create them.

use super::Shape;
use crate::bed::nodes;
use crate::luck::Luck;
use serde_json::{Map, Value, json};

/// Objects by the path they are created at, in order.
pub struct World {
    /// Everything but nodes.
    pub objects: Vec<(String, Value)>,
    /// The nodes, with labels, taints and status as they shall be.
    pub nodes: Vec<Value>,
}

/// The namespaces in which pods live.
pub const NAMESPACES: [&str; 3] = ["default", "shop", "data"];
/// Values of the label `app` of pods.
pub const APPS: [&str; 6] = ["web", "api", "db", "cache", "queue", "batch"];
/// Zones of the nodes.
pub const ZONES: [&str; 4] = ["z0", "z1", "z2", "z3"];
/// Images that nodes may have.
pub const IMAGES: [&str; 5] = [
    "registry.example/web:v1",
    "registry.example/db:v2",
    "registry.example/tool",
    "registry.example/ml@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "registry.example/side:v3",
];
/// Claims that pods may use, by namespace.
pub const CLAIMS: usize = 10;

/// A cluster of a shape.
pub fn draw(luck: &mut Luck, shape: &Shape) -> World {
    let mut objects = Vec::new();
    for name in &NAMESPACES[1..] {
        let labels = json!({"team": luck.one(&["red", "blue"]), "kind": name});
        objects.push(("/api/v1/namespaces".to_owned(), json!({"metadata": {"name": name, "labels": labels}})));
    }
    for (name, value, policy) in [
        ("low", -5, "PreemptLowerPriority"),
        ("mid", 500, "PreemptLowerPriority"),
        ("high", 9000, "PreemptLowerPriority"),
        ("meek", 700, "Never"),
    ] {
        let class = json!({"metadata": {"name": name}, "value": value, "preemptionPolicy": policy});
        objects.push(("/apis/scheduling.k8s.io/v1/priorityclasses".to_owned(), class));
    }
    let overhead = json!({"metadata": {"name": "sandboxed"}, "handler": "sandboxed", "overhead": {"podFixed": {"cpu": "120m", "memory": "100Mi"}}});
    objects.push(("/apis/node.k8s.io/v1/runtimeclasses".to_owned(), overhead));
    for namespace in NAMESPACES {
        for app in luck.some(&APPS, 40) {
            let service =
                json!({"metadata": {"name": app}, "spec": {"selector": {"app": app}, "ports": [{"port": 80}]}});
            objects.push((format!("/api/v1/namespaces/{namespace}/services"), service));
        }
    }
    owners(&mut objects);
    if shape.tight {
        budgets(luck, &mut objects);
    }
    // An image has one size everywhere: where nodes disagree, the real scheduler takes that of the node it came to know
    // first, and since 1.35 its first list of nodes comes in the order of a map.
    let sizes: Vec<i64> = IMAGES.iter().map(|_| luck.between(10, 1500) * 1_000_000).collect();
    let nodes: Vec<Value> = (0..shape.nodes).map(|i| node(luck, shape, i, &sizes)).collect();
    if shape.tight || luck.percent(40) {
        volumes(luck, shape, &mut objects);
    }
    World { objects, nodes }
}

/// Kinds of owners whose selectors spread their pods by default, with the path they are created at.
pub const OWNERS: [(&str, &str, &str); 3] = [
    ("ReplicaSet", "apps/v1", "/apis/apps/v1/namespaces/{}/replicasets"),
    ("StatefulSet", "apps/v1", "/apis/apps/v1/namespaces/{}/statefulsets"),
    ("ReplicationController", "v1", "/api/v1/namespaces/{}/replicationcontrollers"),
];

/// One of each kind in each namespace, for the pods of the app of its name. Their controllers are switched off.
fn owners(objects: &mut Vec<(String, Value)>) {
    for namespace in NAMESPACES {
        for ((kind, _, path), app) in OWNERS.iter().zip(APPS) {
            let labels = json!({"app": app});
            let selector =
                if *kind == "ReplicationController" { labels.clone() } else { json!({"matchLabels": labels}) };
            let template =
                json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
            let spec = json!({"replicas": 3, "selector": selector, "template": template, "serviceName": "s"});
            let mut owner = json!({"metadata": {"name": app}, "spec": spec});
            if *kind != "StatefulSet" {
                owner["spec"].as_object_mut().map(|s| s.remove("serviceName"));
            }
            objects.push((path.replace("{}", namespace), owner));
        }
    }
}

fn budgets(luck: &mut Luck, objects: &mut Vec<(String, Value)>) {
    for namespace in NAMESPACES {
        for app in luck.some(&APPS, 30) {
            let spec = json!({"minAvailable": luck.between(0, 4), "selector": {"matchLabels": {"app": app}}});
            let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
            objects.push((path, json!({"metadata": {"name": app}, "spec": spec})));
        }
    }
}

fn volumes(luck: &mut Luck, shape: &Shape, objects: &mut Vec<(String, Value)>) {
    let classes = "/apis/storage.k8s.io/v1/storageclasses".to_owned();
    for (name, mode) in [("now", "Immediate"), ("later", "WaitForFirstConsumer")] {
        let class = json!({"metadata": {"name": name}, "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": mode});
        objects.push((classes.clone(), class));
    }
    if luck.percent(70) {
        let driver = json!({"metadata": {"name": "disk.example.com"}, "spec": {"attachRequired": true}});
        objects.push(("/apis/storage.k8s.io/v1/csidrivers".to_owned(), driver));
        for i in 0..shape.nodes {
            let name = node_name(i);
            let limit = luck.between(1, 6);
            let driver = json!({"name": "disk.example.com", "nodeID": name, "topologyKeys": [], "allocatable": {"count": limit}});
            let csi = json!({"metadata": {"name": name}, "spec": {"drivers": [driver]}});
            objects.push(("/apis/storage.k8s.io/v1/csinodes".to_owned(), csi));
        }
    }
    for namespace in NAMESPACES {
        for i in 0..CLAIMS {
            let name = format!("{namespace}-{i}");
            let class = luck.one(&["now", "later"]);
            let mode = luck.one(&["ReadWriteOnce", "ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]);
            let size = luck.one(&["1Gi", "5Gi"]);
            // Of volumes that fit equally well the real one takes the first of a map; so no two are of one size.
            let capacity = format!("{}Mi", 5 * 1024 + objects.len());
            let mut volume = json!({"metadata": {"name": name}, "spec": {
                "capacity": {"storage": capacity}, "accessModes": [mode], "storageClassName": class,
                "persistentVolumeReclaimPolicy": "Retain",
            }});
            if luck.percent(60) {
                volume["spec"]["csi"] = json!({"driver": "disk.example.com", "volumeHandle": name});
            } else {
                volume["spec"]["nfs"] = json!({"server": "nfs.example.com", "path": format!("/{name}")});
            }
            if luck.percent(60) {
                let zones = json!([luck.one(&ZONES), luck.one(&ZONES)]);
                volume["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "topology.kubernetes.io/zone", "operator": "In", "values": zones}
                ]}]}});
            }
            if luck.percent(20) {
                volume["metadata"]["labels"] =
                    json!({"topology.kubernetes.io/zone": luck.one(&["z0", "z1", "z0__z2"])});
            }
            objects.push(("/api/v1/persistentvolumes".to_owned(), volume));
            let claim = json!({"metadata": {"name": format!("c{i}")}, "spec": {
                "accessModes": [mode], "storageClassName": class, "resources": {"requests": {"storage": size}},
            }});
            objects.push((format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims"), claim));
        }
    }
}

/// Name of the nth node.
pub fn node_name(i: usize) -> String {
    format!("node-{i:03}")
}

fn node(luck: &mut Luck, shape: &Shape, i: usize, image_sizes: &[i64]) -> Value {
    let name = node_name(i);
    let mut labels = Map::new();
    let mut label = |key: &str, value: &str| labels.insert(key.to_owned(), json!(value));
    label("kubernetes.io/hostname", &name);
    label("kubernetes.io/os", "linux");
    label("kubernetes.io/arch", luck.one(&["amd64", "amd64", "arm64"]));
    if luck.percent(92) {
        label("topology.kubernetes.io/zone", luck.one(&ZONES));
        label("topology.kubernetes.io/region", "eu");
    }
    if luck.percent(80) {
        label("disktype", luck.one(&["ssd", "hdd", "tape"]));
    }
    if luck.percent(60) {
        label("rack", luck.one(&["r0", "r1", "r2", "r3", "r4", "r5"]));
    }
    if luck.percent(50) {
        label("generation", luck.one(&["1", "2", "5", "12", "x"]));
    }
    let (cpu, memory) = match shape.tight {
        true => *[(1, 2), (2, 4)].get(luck.between(0, 1) as usize).unwrap_or(&(1, 2)),
        false => *[(2, 8), (4, 16), (8, 16), (16, 64)].get(luck.between(0, 3) as usize).unwrap_or(&(4, 16)),
    };
    let mut capacity = json!({
        "cpu": cpu.to_string(), "memory": format!("{memory}Gi"), "pods": luck.one(&["6", "20", "110"]),
        "ephemeral-storage": luck.one(&["10Gi", "107374182400", "95551679124"]),
    });
    if luck.percent(25) {
        capacity["example.com/gpu"] = json!(luck.one(&["1", "4", "8"]));
    }
    if luck.percent(15) {
        capacity["hugepages-2Mi"] = json!("512Mi");
    }
    if luck.percent(15) {
        capacity["other.example.com/dongle"] = json!("3");
    }
    let mut allocatable = capacity.clone();
    if luck.percent(50) {
        allocatable["cpu"] = json!(format!("{}m", cpu * 1000 - luck.between(30, 270)));
        allocatable["memory"] = json!(format!("{}Ki", memory * 1024 * 1024 - luck.between(100_000, 700_000)));
    }
    let mut taints = Vec::new();
    if luck.percent(15) {
        taints.push(json!({"key": "dedicated", "value": luck.one(&["db", "batch"]), "effect": "NoSchedule"}));
    }
    if luck.percent(20) {
        taints.push(json!({"key": "spot", "value": "true", "effect": "PreferNoSchedule"}));
    }
    if luck.percent(8) {
        taints.push(json!({"key": "weight", "value": luck.one(&["3", "7", "heavy"]), "effect": luck.one(&["NoExecute", "PreferNoSchedule"])}));
    }
    let mut images = Vec::new();
    for (n, (image, size)) in IMAGES.iter().zip(image_sizes).enumerate() {
        if luck.percent(30) {
            let image = if n == 2 { format!("{image}:latest") } else { (*image).to_owned() };
            images.push(json!({"names": [image], "sizeBytes": size}));
        }
    }
    let mut status = nodes::status(&json!(capacity), &json!(allocatable));
    status["images"] = json!(images);
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, "unschedulable": luck.percent(5)},
        "status": status,
    })
}
