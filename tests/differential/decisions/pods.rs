//! Random pods over every feature that the scheduler looks at.

use super::Shape;
use super::cluster::{APPS, CLAIMS, IMAGES, NAMESPACES, OWNERS, ZONES, node_name};
use crate::luck::Luck;
use serde_json::{Value, json};

/// A pod and its namespace.
pub type Pod = (&'static str, Value);

/// So many pods, each with some of the features.
pub fn draw(luck: &mut Luck, shape: &Shape, count: usize) -> Vec<Pod> {
    (0..count).map(|i| pod(luck, shape, i)).collect()
}

fn pod(luck: &mut Luck, shape: &Shape, i: usize) -> Pod {
    let namespace = NAMESPACES[luck.between(0, 2) as usize];
    let mut labels = json!({"app": luck.one(&APPS), "version": luck.one(&["1", "2"])});
    if luck.percent(40) {
        labels["tier"] = json!(luck.one(&["front", "back"]));
    }
    let mut spec = json!({"containers": containers(luck, shape), "terminationGracePeriodSeconds": 1});
    if luck.percent(20) {
        spec["initContainers"] = init_containers(luck);
    }
    if luck.percent(8) {
        spec["resources"] = json!({"requests": {"cpu": luck.one(&["3", "3500m"]), "memory": "4Gi"}});
    }
    if luck.percent(8) {
        spec["runtimeClassName"] = json!("sandboxed");
    }
    if luck.percent(15) {
        spec["nodeSelector"] = node_selector(luck);
    }
    let affinity = affinity(luck, shape);
    if affinity != json!({}) {
        spec["affinity"] = affinity;
    }
    if luck.percent(30) {
        spec["topologySpreadConstraints"] = spread(luck);
    }
    if luck.percent(35) {
        spec["tolerations"] = tolerations(luck);
    }
    if luck.percent(if shape.tight { 60 } else { 5 }) {
        spec["priorityClassName"] = json!(luck.one(&["low", "mid", "high", "meek"]));
    }
    if shape.tight && luck.percent(20) {
        let mut names = vec![luck.between(0, CLAIMS as i64 - 1)];
        if luck.percent(30) {
            names.push(luck.between(0, CLAIMS as i64 - 1));
        }
        names.dedup();
        let volume =
            |c: &i64| json!({"name": format!("v{c}"), "persistentVolumeClaim": {"claimName": format!("c{c}")}});
        spec["volumes"] = json!(names.iter().map(volume).collect::<Vec<Value>>());
    }
    let mut metadata = json!({"name": format!("pod-{i:03}"), "namespace": namespace});
    if let Some((kind, api, _)) =
        OWNERS.iter().zip(APPS).find(|(_, app)| labels["app"] == *app && luck.percent(60)).map(|o| o.0)
    {
        // The recorder fills in the owner's uid.
        let owner = json!({"kind": kind, "apiVersion": api, "name": labels["app"], "uid": "", "controller": true});
        metadata["ownerReferences"] = json!([owner]);
    }
    metadata["labels"] = labels;
    (namespace, json!({"metadata": metadata, "spec": spec}))
}

fn requests(luck: &mut Luck, shape: &Shape) -> Value {
    let mut requests = json!({});
    if luck.percent(85) {
        requests["cpu"] = match shape.tight {
            true => json!(luck.one(&["100m", "400m", "700m", "0.95", "1100m"])),
            false => json!(luck.one(&["50m", "100m", "333m", "0.5", "1", "1500m", "3"])),
        };
    }
    if luck.percent(80) {
        requests["memory"] = json!(luck.one(&["64Mi", "100M", "128974848", "0.3Gi", "512Mi", "1Gi", "1500M", "129e6"]));
    }
    if luck.percent(10) {
        requests["ephemeral-storage"] = json!(luck.one(&["1Gi", "3G"]));
    }
    requests
}

fn containers(luck: &mut Luck, shape: &Shape) -> Value {
    let count = luck.between(1, 3).min(luck.between(1, 3));
    let all = (0..count).map(|i| {
        let mut container = json!({"name": format!("c{i}"), "image": luck.one(&IMAGES)});
        let requests = requests(luck, shape);
        if requests != json!({}) {
            container["resources"] = json!({"requests": requests});
        }
        if luck.percent(6) {
            container["resources"]["limits"]["example.com/gpu"] = json!(luck.one(&["1", "2"]));
        }
        if luck.percent(3) {
            container["resources"]["limits"]["other.example.com/dongle"] = json!("1");
        }
        if luck.percent(3) {
            container["resources"]["requests"]["cpu"] = json!("100m");
            container["resources"]["requests"]["memory"] = json!("64Mi");
            container["resources"]["limits"]["hugepages-2Mi"] = json!("64Mi");
        }
        if luck.percent(8) {
            let mut port = json!({"containerPort": 80, "hostPort": luck.between(8080, 8083)});
            if luck.percent(40) {
                port["hostIP"] = json!(luck.one(&["127.0.0.1", "10.0.0.1", "0.0.0.0"]));
            }
            if luck.percent(30) {
                port["protocol"] = json!("UDP");
            }
            container["ports"] = json!([port]);
        }
        container
    });
    Value::Array(all.collect())
}

fn init_containers(luck: &mut Luck) -> Value {
    let all = (0..luck.between(1, 3)).map(|i| {
        let mut container = json!({"name": format!("i{i}"), "image": luck.one(&IMAGES), "resources": {"requests": {
            "cpu": luck.one(&["10m", "600m", "900m"]), "memory": luck.one(&["32Mi", "700Mi"]),
        }}});
        if luck.percent(40) {
            container["restartPolicy"] = json!("Always");
        }
        container
    });
    Value::Array(all.collect())
}

fn node_selector(luck: &mut Luck) -> Value {
    match luck.between(0, 3) {
        0 => json!({"topology.kubernetes.io/zone": luck.one(&ZONES)}),
        1 => json!({"kubernetes.io/arch": "arm64"}),
        2 => json!({"disktype": luck.one(&["ssd", "hdd", "floppy"])}),
        _ => json!({"disktype": "ssd", "kubernetes.io/arch": "amd64"}),
    }
}

fn node_requirement(luck: &mut Luck) -> Value {
    match luck.between(0, 6) {
        0 => {
            json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": luck.some(&ZONES, 60).into_iter().chain(["z0"]).collect::<Vec<_>>()})
        }
        1 => json!({"key": "disktype", "operator": "NotIn", "values": ["hdd"]}),
        2 => json!({"key": "rack", "operator": "Exists"}),
        3 => json!({"key": "generation", "operator": "DoesNotExist"}),
        4 => json!({"key": "generation", "operator": "Gt", "values": [luck.one(&["1", "4"])]}),
        5 => json!({"key": "generation", "operator": "Lt", "values": ["6"]}),
        _ => json!({"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}),
    }
}

fn node_term(luck: &mut Luck, shape: &Shape) -> Value {
    let expressions: Vec<Value> = (0..luck.between(1, 2)).map(|_| node_requirement(luck)).collect();
    let mut term = json!({"matchExpressions": expressions});
    if luck.percent(8) {
        let names: Vec<String> = vec![node_name(luck.between(0, shape.nodes as i64 - 1) as usize)];
        let operator = luck.one(&["In", "NotIn"]);
        term["matchFields"] = json!([{"key": "metadata.name", "operator": operator, "values": names}]);
        if luck.percent(50) {
            term.as_object_mut().map(|t| t.remove("matchExpressions"));
        }
    }
    term
}

fn selector(luck: &mut Luck) -> Value {
    match luck.between(0, 5) {
        0 => {
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": [luck.one(&APPS), luck.one(&APPS)]}]})
        }
        1 => json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        2 => {
            json!({"matchLabels": {"app": luck.one(&APPS)}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]})
        }
        3 if luck.percent(30) => json!({}),
        _ => json!({"matchLabels": {"app": luck.one(&APPS)}}),
    }
}

fn pod_term(luck: &mut Luck) -> Value {
    let key = luck.one(&["topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack", "kubernetes.io/hostname"]);
    let mut term = json!({"topologyKey": key, "labelSelector": selector(luck)});
    match luck.between(0, 9) {
        0 => term["namespaces"] = json!([luck.one(&NAMESPACES)]),
        1 => term["namespaceSelector"] = json!({}),
        2 => term["namespaceSelector"] = json!({"matchLabels": {"team": luck.one(&["red", "blue"])}}),
        3 => term["matchLabelKeys"] = json!(["version"]),
        4 => term["mismatchLabelKeys"] = json!(["version"]),
        _ => {}
    }
    term
}

fn affinity(luck: &mut Luck, shape: &Shape) -> Value {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let mut affinity = json!({});
    if luck.percent(15) {
        let terms: Vec<Value> = (0..luck.between(1, 2)).map(|_| node_term(luck, shape)).collect();
        affinity["nodeAffinity"][REQUIRED] = json!({"nodeSelectorTerms": terms});
    }
    if luck.percent(20) {
        let preferred = (0..luck.between(1, 3))
            .map(|_| json!({"weight": luck.between(1, 100), "preference": node_term(luck, shape)}));
        affinity["nodeAffinity"][PREFERRED] = Value::Array(preferred.collect());
    }
    for (kind, required, preferred) in [("podAffinity", 8, 15), ("podAntiAffinity", 14, 15)] {
        if luck.percent(required) {
            affinity[kind][REQUIRED] = Value::Array((0..luck.between(1, 2)).map(|_| pod_term(luck)).collect());
        }
        if luck.percent(preferred) {
            let terms = (0..luck.between(1, 2))
                .map(|_| json!({"weight": luck.between(1, 100), "podAffinityTerm": pod_term(luck)}));
            affinity[kind][PREFERRED] = Value::Array(terms.collect());
        }
    }
    affinity
}

fn spread(luck: &mut Luck) -> Value {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for _ in 0..luck.between(1, 2) {
        let key = luck.one(&["topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack"]);
        let hard = luck.percent(45);
        if seen.contains(&(key, hard)) {
            continue;
        }
        seen.push((key, hard));
        let mut constraint = json!({
            "maxSkew": luck.between(1, 3), "topologyKey": key,
            "whenUnsatisfiable": if hard { "DoNotSchedule" } else { "ScheduleAnyway" },
        });
        if luck.percent(90) {
            constraint["labelSelector"] = selector(luck);
        }
        if hard && luck.percent(20) {
            constraint["minDomains"] = json!(luck.between(1, 6));
        }
        if luck.percent(25) {
            constraint["nodeAffinityPolicy"] = json!(luck.one(&["Honor", "Ignore"]));
        }
        if luck.percent(25) {
            constraint["nodeTaintsPolicy"] = json!(luck.one(&["Honor", "Ignore"]));
        }
        if luck.percent(15) && constraint["labelSelector"].is_object() {
            constraint["matchLabelKeys"] = json!(["version"]);
        }
        all.push(constraint);
    }
    Value::Array(all)
}

fn tolerations(luck: &mut Luck) -> Value {
    let all = [
        json!({"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}),
        json!({"key": "dedicated", "operator": "Exists"}),
        json!({"key": "spot", "operator": "Exists", "effect": "PreferNoSchedule"}),
        json!({"key": "weight", "operator": "Equal", "value": "7", "effect": "NoExecute", "tolerationSeconds": 60}),
        json!({"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}),
        json!({"operator": "Exists"}),
    ];
    let chosen = luck.some(&all, 30);
    Value::Array(chosen)
}
