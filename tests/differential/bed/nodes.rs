//! Nodes as their kubelets and an autoscaler make them: added, reported unready, removed.

use super::client::Client;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// What the kubelet of a node reports that is ready and has so much.
pub fn status(capacity: &Value, allocatable: &Value) -> Value {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "set", "message": ""});
    json!({
        "capacity": capacity, "allocatable": allocatable,
        "conditions": [
            condition("MemoryPressure", "False"), condition("DiskPressure", "False"),
            condition("PIDPressure", "False"), condition("Ready", "True"),
        ],
        "nodeInfo": {
            "kubeletVersion": "v1.36.3", "architecture": "amd64", "operatingSystem": "linux", "bootID": "",
            "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "osImage": "",
            "systemUUID": "",
        },
    })
}

/// Adds a node with its labels, taints and status (images among it). Admission taints it `not-ready`, which the node controller would take
/// away in its own time; here it is as described at once.
pub fn add(client: &Client, node: &Value) -> Result<()> {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    client.create("/api/v1/nodes", node)?.ok().with_context(|| format!("{node}"))?;
    client.merge(&format!("/api/v1/nodes/{name}"), &json!({"spec": {"taints": node["spec"]["taints"]}}))?.ok()?;
    Ok(())
}

/// A kubelet that lives and reports its node unready.
pub fn not_ready(client: &Client, name: &str) -> Result<()> {
    let condition =
        json!({"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "set by a test"});
    client.patch(&format!("/api/v1/nodes/{name}/status"), &json!({"status": {"conditions": [condition]}}))?.ok()?;
    Ok(())
}

/// Removes a node, as when its machine is gone.
pub fn remove(client: &Client, name: &str) -> Result<()> {
    client.delete(&format!("/api/v1/nodes/{name}"), &json!({}))?.ok()?;
    Ok(())
}
