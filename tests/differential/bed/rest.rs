//! When a cluster is at rest: nodes ready, workloads whole, budgets counted.

use super::client::Client;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a cluster may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something holds; an error if it does not in good time.
pub fn wait(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if holds()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{what} have not come to rest within {PATIENCE:?}")
}

/// Makes a node that is ready at once.
pub fn create_node(client: &Client, node: &Value) -> Result<()> {
    client.create("/api/v1/nodes", node)?.ok().with_context(|| format!("{node}"))?;
    // Admission adds `not-ready`; the node controller would take it away in its own time.
    let path = format!("/api/v1/nodes/{}", node["metadata"]["name"].as_str().unwrap_or_default());
    client.merge(&path, &json!({"spec": {"taints": node["spec"]["taints"]}}))?.ok()?;
    Ok(())
}

/// Whether no node is tainted as unready.
pub fn nodes_are_ready(client: &Client) -> Result<bool> {
    let untainted = |n: &Value| {
        let taints = n["spec"]["taints"].as_array();
        taints.is_none_or(|t| t.iter().all(|t| t["key"] != "node.kubernetes.io/not-ready"))
    };
    Ok(client.list("/api/v1/nodes")?.0.iter().all(untainted))
}

/// Whether every controller has the pods it wants, and every pod that has not ended is ready.
pub fn pods_are_ready(client: &Client) -> Result<bool> {
    let ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array();
        matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
            || conditions.is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
    };
    if !client.list("/api/v1/pods")?.0.iter().all(ready) {
        return Ok(false);
    }
    let mut controllers = Vec::new();
    for path in [
        "apis/apps/v1/deployments",
        "apis/apps/v1/replicasets",
        "apis/apps/v1/statefulsets",
        "api/v1/replicationcontrollers",
    ] {
        controllers.extend(client.list(&format!("/{path}"))?.0);
    }
    let whole = |c: &Value| c["spec"]["replicas"] == c["status"]["readyReplicas"];
    let nodes = client.list("/api/v1/nodes")?.0;
    // Taints keep it from some nodes; its controller knows which.
    let covers = |d: &Value| {
        let wanted = &d["status"]["desiredNumberScheduled"];
        d["status"]["numberReady"] == *wanted && wanted.as_u64().is_some_and(|n| n > 0) && {
            let free = nodes.iter().filter(|n| n["spec"]["taints"].as_array().is_none_or(Vec::is_empty)).count();
            wanted.as_u64()
                >= u64::try_from(free).ok().filter(|_| d["spec"]["template"]["spec"]["nodeSelector"].is_null())
        }
    };
    let sets = client.list("/apis/apps/v1/daemonsets")?.0;
    let jobs = client.list("/apis/batch/v1/jobs")?.0;
    let runs = |j: &Value| j["status"]["ready"] == j["spec"]["parallelism"];
    Ok(controllers.iter().all(whole) && sets.iter().all(covers) && jobs.iter().all(runs))
}

/// Whether the status of every budget is of its present form.
pub fn budgets_are_counted(client: &Client) -> Result<bool> {
    let budgets = client.list("/apis/policy/v1/poddisruptionbudgets")?.0;
    Ok(budgets.iter().all(|b| b["status"]["observedGeneration"] == b["metadata"]["generation"]))
}
