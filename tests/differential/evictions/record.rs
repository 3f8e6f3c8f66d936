//! Makes a world, lets the controller settle, and writes down the cluster and a verdict on every pod.

use super::changes;
use super::definitions::CUSTOMS;
use super::plane::{Plane, namespace, path_of};
use super::steps::Step;
use super::world::{Pod, World};
use crate::bed::client::{Answer, Client};
use crate::bed::dump::dump;
use crate::bed::recording::{write_json, write_lines};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Records the world as `cluster.json`, `verdicts.jsonl` and `changes.jsonl`.
pub fn record(plane: &mut Plane, world: &World, steps: &[Step], directory: &Path) -> Result<()> {
    let (cluster, verdicts, changes) = observe(plane, world, steps)?;
    write_json(directory, "cluster.json", &cluster)?;
    write_lines(directory, "verdicts.jsonl", &verdicts)?;
    write_lines(directory, "changes.jsonl", &changes)
}

/// Makes the world and gives the cluster at rest, a verdict on every pod, and what came of the steps.
pub fn observe(plane: &mut Plane, world: &World, steps: &[Step]) -> Result<(Value, Vec<Value>, Vec<Value>)> {
    let uids = create(plane.client(), world)?;
    plane.sentinel.wait()?;
    let cluster = cluster(plane.client())?;
    let verdicts = world.pods.iter().map(|pod| evict(plane.client(), &pod.namespace, pod.name(), true));
    let verdicts = verdicts.collect::<Result<Vec<Value>>>()?;
    let changes = changes::record(plane, world, &uids, steps)?;
    Ok((cluster, verdicts, changes))
}

/// The cluster with its custom resources, as kubectl prints it.
fn cluster(client: &Client) -> Result<Value> {
    let customs: Vec<String> = CUSTOMS.iter().map(|c| c.path()).collect();
    let mut further = vec!["/apis/apiextensions.k8s.io/v1/customresourcedefinitions"];
    further.extend(customs.iter().map(String::as_str));
    dump(client, &further)
}

/// Creates everything; budgets between the pods, so that the controller sees both orders.
/// Gives the owners' uids.
pub fn create(client: &Client, world: &World) -> Result<Vec<String>> {
    for name in &world.namespaces {
        namespace(client, name)?;
    }
    let mut uids: Vec<String> = Vec::new();
    for owner in &world.owners {
        let mut object = owner.object.clone();
        if let Some(references) = owner.parent.as_ref().and_then(|p| p.resolve(&world.owners, &uids)) {
            object["metadata"]["ownerReferences"] = references;
        }
        let made = client.create(&owner.collection(), &object)?.ok().with_context(|| object.to_string())?;
        uids.push(made["metadata"]["uid"].as_str().unwrap_or_default().to_owned());
    }
    let (before, after) = world.budgets.split_at(world.budgets.len() / 2);
    for budget in before {
        create_budget(client, budget)?;
    }
    for pod in &world.pods {
        create_pod(client, world, &uids, pod)?;
    }
    for budget in after {
        create_budget(client, budget)?;
    }
    Ok(uids)
}

/// Makes a pod and lets it be as it shall be.
pub fn create_pod(client: &Client, world: &World, uids: &[String], pod: &Pod) -> Result<()> {
    let collection = format!("/api/v1/namespaces/{}/pods", pod.namespace);
    let mut object = pod.object.clone();
    if let Some(references) = pod.controller.resolve(&world.owners, uids) {
        object["metadata"]["ownerReferences"] = references;
    }
    client.create(&collection, &object)?.ok().with_context(|| object.to_string())?;
    let path = path_of(&collection, &object);
    if let Some(status) = &pod.status {
        client.patch(&format!("{path}/status"), &json!({"status": status}))?.ok().with_context(|| path.clone())?;
    }
    if pod.deleted {
        client.delete(&path, &json!({}))?.ok().with_context(|| path.clone())?;
    }
    Ok(())
}

fn create_budget(client: &Client, budget: &super::world::Budget) -> Result<()> {
    let path = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", budget.namespace);
    client.create(&path, &budget.object)?.ok().with_context(|| budget.object.to_string())?;
    Ok(())
}

/// Asks for an eviction; a line of `verdicts.jsonl`.
pub fn evict(client: &Client, namespace: &str, pod: &str, dry: bool) -> Result<Value> {
    let mut eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}});
    if dry {
        eviction["deleteOptions"] = json!({"dryRun": ["All"]});
    }
    let answer = client.create(&format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction"), &eviction)?;
    Ok(line(namespace, pod, &answer))
}

fn line(namespace: &str, pod: &str, answer: &Answer) -> Value {
    let mut line = json!({"pod": format!("{namespace}/{pod}"), "code": answer.code, "retry_after": answer.retry_after});
    for key in ["reason", "message", "causes"] {
        line[key] = Value::Null;
    }
    if answer.code != 201 {
        line["reason"] = answer.body["reason"].clone();
        line["message"] = answer.body["message"].clone();
        line["causes"] = answer.body["details"]["causes"].clone();
    }
    line
}
