//! Whether the judge sees what it is there for: somebody does everything that an execution must not do.

use super::judge::{Promise, Verdict};
use super::world::World;
use crate::bed::client::Client;
use crate::bed::rest::wait;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// Each deed, and what must be said of it.
const COMPLAINTS: [&str; 6] = [
    "was deleted without an eviction",
    "which is not cordoned",
    "which is not to be drained",
    "was cordoned and is none of the old nodes",
    "is cordoned and should not be",
    "still has",
];

/// Deletes, evicts and cordons against the rules; what is wrong in the end is what was not noticed.
pub fn rogue(world: &World, _: u64) -> Result<Verdict> {
    let client = &world.plane.client;
    let nodes = world.old()?;
    // Only the first node is old; the second is none of the rogue's business.
    let seen = world.judged(&nodes[..1], &Promise::Drained, |_| {
        let (first, second) = (&nodes[0], &nodes[1]);
        client.delete(&path(&pod_on(client, first)?), &json!({}))?.ok()?;
        evict(client, &pod_on(client, first)?)?;
        cordon(client, second, json!(true))?;
        evict(client, &pod_on(client, second)?)?;
        cordon(client, first, json!(true))?;
        std::thread::sleep(Duration::from_secs(2));
        world.rest()
    })?;
    let mut verdict = Verdict::default();
    for complaint in COMPLAINTS {
        let noticed = seen.wrong.iter().any(|w| w.contains(complaint));
        verdict.says(noticed, || format!("nobody noticed that something {complaint}: {:?}", seen.wrong));
    }
    for node in &nodes[..2] {
        cordon(client, node, Value::Null)?;
    }
    Ok(verdict)
}

fn path(pod: &Value) -> String {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    format!("/api/v1/namespaces/{}/pods/{}", text("namespace"), text("name"))
}

/// A running pod of a Deployment on a node.
fn pod_on(client: &Client, node: &str) -> Result<Value> {
    let pods = client.list("/api/v1/pods")?.0;
    let here = |p: &&Value| {
        p["spec"]["nodeName"] == node && p["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet" && {
            let deleted = p["metadata"]["deletionTimestamp"].is_string();
            !deleted && p["status"]["phase"] == "Running"
        }
    };
    pods.iter().find(here).cloned().with_context(|| format!("no pod on {node} to do something wrong to"))
}

fn evict(client: &Client, pod: &Value) -> Result<()> {
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]},
    });
    // Its budget may have to be counted anew after the deed before.
    wait("a budget with something to give", || {
        let answer = client.create(&format!("{}/eviction", path(pod)), &eviction)?;
        Ok(answer.code != 429 && answer.ok().is_ok())
    })
}

fn cordon(client: &Client, node: &str, unschedulable: Value) -> Result<()> {
    client.merge(&format!("/api/v1/nodes/{node}"), &json!({"spec": {"unschedulable": unschedulable}}))?.ok()?;
    Ok(())
}
