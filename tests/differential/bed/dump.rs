//! A cluster as `kubectl get … -A -o json` prints it.

use super::client::Client;
use anyhow::Result;
use serde_json::{Value, json};

/// Where the kinds are that nodeferry's documentation asks for (docs/kubectl.md).
const KINDS: [&str; 20] = [
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/api/v1/pods",
    "/api/v1/persistentvolumes",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/services",
    "/api/v1/replicationcontrollers",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/storage.k8s.io/v1/csinodes",
    "/apis/storage.k8s.io/v1/csidrivers",
    "/apis/storage.k8s.io/v1/volumeattachments",
    "/apis/node.k8s.io/v1/runtimeclasses",
    "/api/v1/limitranges",
];

/// All objects of the kinds that nodeferry reads, and those under further paths (custom resources), as one list.
pub fn dump(client: &Client, further: &[&str]) -> Result<Value> {
    let mut items = Vec::new();
    for path in KINDS.iter().chain(further) {
        items.extend(client.list(path)?.0);
    }
    for item in &mut items {
        if let Some(metadata) = item["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    }
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}))
}
