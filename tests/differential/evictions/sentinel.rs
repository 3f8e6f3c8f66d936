//! How to know that the disruption controller has done with everything: a budget and a pod that are watched for it.

use super::plane::{namespace, wait};
use super::pods::running;
use super::watch::version;
use crate::bed::client::Client;
use anyhow::Result;
use serde_json::json;

/// Where they live.
pub const NAMESPACE: &str = "sentinel";
const BUDGETS: &str = "/apis/policy/v1/namespaces/sentinel/poddisruptionbudgets";
const POD: &str = "/api/v1/namespaces/sentinel/pods/sentinel";

/// Resource versions that the controller has come to at least.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub pod: u64,
    pub budget: u64,
}

/// The controller has one queue, one worker and a watch for each kind: when it has seen a change of this pod and of this
/// budget's spec, it has seen all changes before.
pub struct Sentinel {
    client: Client,
    ready: bool,
}

impl Sentinel {
    /// Makes the pod and the budget.
    pub fn new(client: &Client) -> Result<Sentinel> {
        namespace(client, NAMESPACE)?;
        let labels = json!({"app": "sentinel"});
        let spec = json!({"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": false, "nodeName": super::NODES[0]});
        let pod = json!({"metadata": {"name": "sentinel", "labels": labels}, "spec": spec});
        client.create("/api/v1/namespaces/sentinel/pods", &pod)?.ok()?;
        let budget =
            json!({"metadata": {"name": "sentinel"}, "spec": {"minAvailable": 0, "selector": {"matchLabels": labels}}});
        client.create(BUDGETS, &budget)?.ok()?;
        Ok(Sentinel { client: client.clone(), ready: false })
    }
    /// Waits until the controller is at rest. Twice, because what it writes calls it again.
    pub fn wait(&mut self) -> Result<Seen> {
        let mut seen = Seen::default();
        for _ in 0..2 {
            self.ready = !self.ready;
            let ready = if self.ready { "True" } else { "False" };
            let patched = self.client.patch(&format!("{POD}/status"), &json!({"status": running(ready)}))?.ok()?;
            let healthy = i64::from(self.ready);
            let budget = format!("{BUDGETS}/sentinel");
            // The amount changes each time, so that the generation does.
            let now = self.client.get(&budget)?.ok()?;
            let least = now["spec"]["minAvailable"].as_i64().unwrap_or(0) + 1;
            let edited = self.client.merge(&budget, &json!({"spec": {"minAvailable": least}}))?.ok()?;
            let generation = edited["metadata"]["generation"].clone();
            wait("the disruption controller sees the sentinel", || {
                let object = self.client.get(&budget)?.ok()?;
                seen = Seen { pod: version(&patched), budget: version(&object) };
                let status = &object["status"];
                Ok(status["observedGeneration"] == generation && status["currentHealthy"] == healthy)
            })?;
        }
        Ok(seen)
    }
}
