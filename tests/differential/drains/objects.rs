//! Kubernetes objects of a random migration.

use super::draw::Piece;
use crate::bed::kubelets::{START, STOP};
use crate::bed::nodes;
use serde_json::{Value, json};

/// Who makes a workload's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet { parallel: bool },
    DaemonSet,
    ReplicationController,
    Job,
    Pod,
}

/// What a workload's pods are like.
pub struct Template {
    /// Where they are.
    pub namespace: String,
    /// Their label `app`.
    pub app: String,
    /// Their label `team`.
    pub team: String,
    /// Request in thousandths of a core.
    pub cpu: i64,
    /// From bound to ready, in tenths of seconds.
    pub start_tenths: i64,
    /// From deleted to gone, in tenths of seconds.
    pub stop_tenths: i64,
    /// Has local storage.
    pub empty_dir: bool,
    /// Must run on nodes labelled so.
    pub needs_ssd: bool,
    /// Tolerates the new nodes' taint.
    pub tolerates: bool,
    /// No two on one node.
    pub spread: bool,
    /// A finalizer holds it.
    pub held: bool,
}

/// Name of the n-th node of a pool.
pub fn node_name(pool: &str, i: usize) -> String {
    format!("{pool}-{i:02}")
}

/// A node of a pool with so many thousandths of a core and GiB.
pub fn node(pool: &str, i: usize, (cpu, memory): (i64, i64), ssd: bool, taints: &[Value]) -> Value {
    let name = node_name(pool, i);
    let zone = format!("z{}", i % 2);
    let disk = if ssd { "ssd" } else { "hdd" };
    let room = json!({"cpu": format!("{cpu}m"), "memory": format!("{memory}Gi"), "pods": "60"});
    json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "agentpool": pool, "disktype": disk, "topology.kubernetes.io/zone": zone,
        }},
        "spec": {"taints": taints},
        "status": nodes::status(&room, &room),
    })
}

fn seconds(tenths: i64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn pod(kind: Kind, t: &Template) -> Value {
    let mut metadata = json!({
        "labels": {"app": t.app, "team": t.team},
        "annotations": {START: seconds(t.start_tenths), STOP: seconds(t.stop_tenths)},
    });
    if t.held {
        metadata["finalizers"] = json!(["nodeferry.example/held"]);
    }
    let request = json!({"cpu": format!("{}m", t.cpu), "memory": "128Mi"});
    let mut spec = json!({
        "containers": [{"name": "main", "image": "registry.example/main:v1", "resources": {"requests": request}}],
    });
    if kind == Kind::Job {
        spec["restartPolicy"] = json!("Never");
    }
    if t.empty_dir {
        spec["volumes"] = json!([{"name": "scratch", "emptyDir": {}}]);
    }
    if t.needs_ssd {
        spec["nodeSelector"] = json!({"disktype": "ssd"});
    }
    if t.tolerates {
        spec["tolerations"] = json!([{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]);
    }
    if t.spread {
        let term = json!({"labelSelector": {"matchLabels": {"app": t.app}}, "topologyKey": "kubernetes.io/hostname"});
        spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    }
    json!({"metadata": metadata, "spec": spec})
}

/// A workload with so many replicas, and the path it is created at.
pub fn workload(name: &str, kind: Kind, replicas: i64, t: &Template) -> (String, Value) {
    let mut template = pod(kind, t);
    if kind == Kind::Pod {
        template["metadata"]["name"] = json!(name);
        return (format!("/api/v1/namespaces/{}/pods", t.namespace), template);
    }
    let labels = json!({"app": t.app});
    let mut spec = json!({"selector": {"matchLabels": labels}, "template": template, "replicas": replicas});
    let (api, plural) = match kind {
        Kind::Deployment => ("apis/apps/v1", "deployments"),
        Kind::ReplicaSet => ("apis/apps/v1", "replicasets"),
        Kind::StatefulSet { parallel } => {
            spec["serviceName"] = json!(name);
            spec["podManagementPolicy"] = json!(if parallel { "Parallel" } else { "OrderedReady" });
            ("apis/apps/v1", "statefulsets")
        }
        Kind::DaemonSet => {
            spec = json!({"selector": {"matchLabels": labels}, "template": template});
            ("apis/apps/v1", "daemonsets")
        }
        Kind::ReplicationController => {
            spec["selector"] = labels;
            ("api/v1", "replicationcontrollers")
        }
        _ => {
            spec = json!({"template": template, "parallelism": replicas, "completions": replicas, "backoffLimit": 6});
            ("apis/batch/v1", "jobs")
        }
    };
    (format!("/{api}/namespaces/{}/{plural}", t.namespace), json!({"metadata": {"name": name}, "spec": spec}))
}

/// A static pod's mirror on a node; the recorder fills in the node's uid.
pub fn mirror(name: &str, node: &str) -> Piece {
    let t = Template {
        namespace: "default".into(),
        app: name.to_owned(),
        team: "red".into(),
        cpu: 50,
        start_tenths: 4,
        stop_tenths: 4,
        empty_dir: false,
        needs_ssd: false,
        tolerates: true,
        spread: false,
        held: false,
    };
    let mut pod = pod(Kind::Pod, &t);
    pod["metadata"]["name"] = json!(format!("{name}-{node}"));
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("set");
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Node", "name": node, "uid": "", "controller": true}]);
    pod["spec"]["nodeName"] = json!(node);
    Piece {
        name: format!("mirror pod {name} on {node}"),
        objects: vec![("/api/v1/namespaces/default/pods".to_owned(), pod)],
        then: Vec::new(),
    }
}
