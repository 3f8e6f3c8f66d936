//! The cluster that is migrated: two pools of nodes, workloads of every kind, budgets of every form.

use crate::bed::client::Client;
use crate::bed::kubelets::{START, STOP, running};
use crate::bed::nodes;
use crate::bed::rest::{budgets_are_counted, create_node, nodes_are_ready, pods_are_ready, wait};
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Label of a node that says which pool it is of.
pub const POOL: &str = "agentpool";
/// Nodes of each pool.
pub const NODES: usize = 22;
const NAMESPACE: &str = "shop";

/// Who makes a workload's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deployment,
    ReplicaSet,
    Ordered,
    Parallel,
    Controller,
    Job,
    Daemon,
}

/// A workload: name, kind, replicas, CPU in thousandths of a core, budget.
type Row = (&'static str, Kind, u64, u64, Option<fn() -> Value>);

/// Every form of a budget, on every kind of owner that can have one.
const WORKLOADS: [Row; 12] = [
    ("web", Kind::Deployment, 50, 200, Some(|| json!({"maxUnavailable": "20%"}))),
    ("api", Kind::Deployment, 30, 200, Some(|| json!({"maxUnavailable": 8}))),
    ("cart", Kind::Deployment, 24, 200, Some(|| json!({"minAvailable": "60%"}))),
    (
        "search",
        Kind::Deployment,
        20,
        200,
        Some(|| json!({"minAvailable": 12, "unhealthyPodEvictionPolicy": "IfHealthyBudget"})),
    ),
    (
        "cache",
        Kind::Deployment,
        12,
        200,
        Some(|| json!({"maxUnavailable": "50%", "unhealthyPodEvictionPolicy": "AlwaysAllow"})),
    ),
    ("queue", Kind::Deployment, 26, 200, None),
    ("db", Kind::Ordered, 9, 300, Some(|| json!({"maxUnavailable": 1}))),
    ("log", Kind::Parallel, 12, 300, Some(|| json!({"minAvailable": 8}))),
    ("old-style", Kind::Controller, 8, 200, Some(|| json!({"maxUnavailable": "50%"}))),
    ("bare-set", Kind::ReplicaSet, 8, 200, None),
    ("import", Kind::Job, 4, 200, None),
    ("agent", Kind::Daemon, 0, 100, None),
];

/// Whose pod is unready at the start: its budget lets it go always.
const UNREADY: &str = "cache";

/// A node of a pool as its kubelet would report it.
pub fn node(pool: &str, name: &str) -> Value {
    let room = json!({"cpu": "4", "memory": "16Gi", "pods": "60"});
    json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, POOL: pool, "topology.kubernetes.io/zone": "z1",
            "node.kubernetes.io/instance-type": "standard-4", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
        }},
        "spec": {"taints": [], "providerID": format!("test://{name}")},
        "status": nodes::status(&room, &room),
    })
}

/// Names of a pool's first nodes.
pub fn names(pool: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{pool}-{i:02}")).collect()
}

/// Adds nodes to a pool.
pub fn add_nodes(client: &Client, pool: &str, names: &[String]) -> Result<()> {
    for name in names {
        create_node(client, &node(pool, name))?;
    }
    wait("the nodes", || nodes_are_ready(client))
}

/// Makes the workloads on the nodes that are there, each divided by `share`, and waits until all is at rest.
pub fn populate(client: &Client, share: u64) -> Result<()> {
    client.create("/api/v1/namespaces", &json!({"metadata": {"name": NAMESPACE}}))?.ok()?;
    wait("the service account", || {
        Ok(client.get(&format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"))?.code == 200)
    })?;
    for (name, kind, replicas, cpu, budget) in WORKLOADS {
        let (path, object) = workload(name, kind, replicas.div_ceil(share), cpu);
        client.create(&path, &object)?.ok().with_context(|| format!("{name}: {object}"))?;
        if let Some(budget) = budget {
            let path = format!("/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets");
            let mut spec = divided(budget(), share);
            spec["selector"] = json!({"matchLabels": {"app": name}});
            let object = json!({"metadata": {"name": name}, "spec": spec});
            client.create(&path, &object)?.ok().with_context(|| format!("budget of {name}"))?;
        }
    }
    wait("the pods", || pods_are_ready(client))?;
    wait("the budgets", || budgets_are_counted(client))
}

/// A budget's count over fewer pods; a percentage stays.
fn divided(mut budget: Value, share: u64) -> Value {
    for key in ["maxUnavailable", "minAvailable"] {
        if let Some(n) = budget[key].as_u64() {
            budget[key] = json!((n / share).max(1));
        }
    }
    budget
}

/// One pod of a budget that lets unready pods go runs and is not ready any more.
pub fn make_one_unready(client: &Client) -> Result<()> {
    let pods = client.list(&format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{UNREADY}"))?.0;
    let pod = pods.first().context("no pod to make unready")?;
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    client.patch(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}/status"), &running(pod, false))?.ok()?;
    Ok(())
}

/// Lets nodes take pods again.
pub fn uncordon(client: &Client, names: &[String]) -> Result<()> {
    for name in names {
        client.merge(&format!("/api/v1/nodes/{name}"), &json!({"spec": {"unschedulable": null}}))?.ok()?;
    }
    Ok(())
}

fn workload(name: &str, kind: Kind, replicas: u64, cpu: u64) -> (String, Value) {
    let labels = json!({"app": name});
    let request = json!({"cpu": format!("{cpu}m"), "memory": "128Mi"});
    let mut spec = json!({
        "terminationGracePeriodSeconds": 5,
        "containers": [{"name": "main", "image": "registry.example/main:v1", "resources": {"requests": request}}],
    });
    if kind == Kind::Job {
        spec["restartPolicy"] = json!("Never");
    }
    // kubectl waits whole seconds. What ends or begins near one, or near when another node's turn comes, would be the machine's luck: a
    // pod of an OrderedReady set with one to spare must be ready well before, and a Job's, held by a finalizer until its controller
    // looks after another second, gone well between.
    let annotations = match kind {
        Kind::Ordered => json!({START: "0.2"}),
        Kind::Job => json!({STOP: "1.5"}),
        _ => json!({}),
    };
    let template = json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec});
    let spec = match kind {
        Kind::Controller => json!({"replicas": replicas, "selector": labels, "template": template}),
        Kind::Job => {
            json!({"parallelism": replicas, "completions": replicas, "backoffLimit": 1000, "template": template})
        }
        Kind::Daemon => {
            // As agents are: on every node whatever its taints, so that nobody who drains nodes needs to see to it.
            let mut template = template;
            template["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
            json!({"selector": {"matchLabels": labels}, "template": template})
        }
        Kind::Ordered | Kind::Parallel => json!({
            "replicas": replicas, "selector": {"matchLabels": labels}, "template": template, "serviceName": name,
            "podManagementPolicy": if kind == Kind::Ordered { "OrderedReady" } else { "Parallel" },
        }),
        Kind::Deployment | Kind::ReplicaSet => {
            json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template})
        }
    };
    let place = match kind {
        Kind::Deployment => "apis/apps/v1/namespaces/shop/deployments",
        Kind::ReplicaSet => "apis/apps/v1/namespaces/shop/replicasets",
        Kind::Ordered | Kind::Parallel => "apis/apps/v1/namespaces/shop/statefulsets",
        Kind::Controller => "api/v1/namespaces/shop/replicationcontrollers",
        Kind::Job => "apis/batch/v1/namespaces/shop/jobs",
        Kind::Daemon => "apis/apps/v1/namespaces/shop/daemonsets",
    };
    (format!("/{place}"), json!({"metadata": {"name": name, "labels": labels}, "spec": spec}))
}
