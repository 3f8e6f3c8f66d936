//! The real Karpenter brings the new nodes and ends the old ones.

use super::cluster::{self, POOL};
use super::executor::Intent;
use super::judge::{Promise, Verdict};
use super::world::{EXECUTE, PACE, World, near};
use crate::bed::client::Client;
use crate::bed::controlplane::Component;
use crate::bed::rest::wait;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The environment variable that names the built Karpenter, as `scripts/test` sets it.
pub const BINARY: &str = "NODEFERRY_KARPENTER";
const POOLS: &str = "/apis/karpenter.sh/v1/nodepools";
const CLAIMS: &str = "/apis/karpenter.sh/v1/nodeclaims";

/// Path of Karpenter's binary; None where it was not built.
pub fn binary() -> Option<PathBuf> {
    std::env::var_os(BINARY).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// A cluster without nodes, and Karpenter, which makes those that the pods need in the pool `blue`.
pub fn make(plane: &Path, directory: &Path) -> Result<World> {
    let karpenter = binary().with_context(|| format!("{BINARY} is not set (scripts/karpenter path)"))?;
    let mut world = World::start(plane, directory, 0)?;
    let types = directory.join("instance-types.json");
    std::fs::write(&types, serde_json::to_vec(&machine_types())?)?;
    let log = File::create(directory.join("karpenter.log"))?;
    let process = Command::new(karpenter)
        .args(["--disable-leader-election=true", "--metrics-port=0", "--health-probe-port=0"])
        .arg(format!("--batch-idle-duration={}ms", IDLE.as_millis()))
        .arg(format!("--instance-types-file-path={}", types.display()))
        .env("KUBECONFIG", world.plane.kubeconfig())
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    world.beside.push(Component(process));
    let client = &world.plane.client;
    let class = "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses";
    wait("Karpenter's kinds", || Ok(client.get(POOLS)?.code == 200 && client.get(class)?.code == 200))?;
    let object =
        json!({"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": {"name": "default"}});
    client.create(class, &object)?.ok()?;
    client.create(POOLS, &pool("blue"))?.ok()?;
    cluster::populate(client, 3)?;
    Ok(world)
}

/// One type of machine in one zone.
fn machine_types() -> Value {
    let only = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    json!([{
        "name": "standard-4", "architecture": "amd64", "operatingSystems": ["linux"],
        "resources": {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "20Gi", "pods": "60"},
        "offerings": [{
            "Price": 0.1, "Available": true,
            "Requirements": [only("karpenter.sh/capacity-type", "on-demand"), only("topology.kubernetes.io/zone", "z1")],
        }],
    }])
}

fn pool(name: &str) -> Value {
    let only = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name},
        "spec": {
            // What it has disrupted by itself would be no work of ours.
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "Never"},
            "template": {
                "metadata": {"labels": {(POOL): name}},
                "spec": {
                    "expireAfter": "Never",
                    "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                    "requirements": [
                        only("karpenter.sh/capacity-type", "on-demand"), only("node.kubernetes.io/instance-type", "standard-4"),
                    ],
                },
            },
        },
    })
}

fn nodes_of(client: &Client, pool: &str) -> Result<Vec<String>> {
    let nodes = client.list(&format!("/api/v1/nodes?labelSelector={POOL}%3D{pool}"))?.0;
    Ok(nodes.iter().filter_map(|n| n["metadata"]["name"].as_str()).map(str::to_owned).collect())
}

/// Karpenter's delays by its sources, where its kwok's machines themselves take no time. From the claim to a node that takes pods: a node is
/// there at once, but after it has launched a claim the controller sleeps for a second before it registers the node and takes its taint away
/// (`nodeclaim/lifecycle`, `Reconcile`). From the claim's deletion to the node's end: it drains for at least five seconds and looks every second
/// (`node/termination`, `MinDrainTime`). Each has a handful of calls around it.
fn delays(latency: Duration) -> Value {
    let after = |ms: u64| json!({"constant": {"ms": ms + CALLS * latency.as_millis() as u64}});
    json!({"launch": after(1_000), "registered_ppm": 30_000, "retire": after(5_000)})
}

/// How long Karpenter waits for a further pod before it launches. With its default of a second the new pods are ready five seconds after the
/// first evictions were refused, which is when kubectl asks again: the machine's luck would decide who is first.
const IDLE: Duration = Duration::from_secs(4);

/// Calls of Karpenter's, one after the other, by which a claim becomes a node or ends one.
const CALLS: u64 = 6;

/// From the pool `blue`, which may not grow any more, to `green`.
pub fn migrate(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("migration")?;
    let client = &world.plane.client;
    let old = nodes_of(client, "blue")?;
    client.merge(&format!("{POOLS}/blue"), &json!({"spec": {"limits": {"cpu": "1"}}}))?.ok()?;
    client.create(POOLS, &pool("green"))?.ok()?;
    world.rest()?;
    let latency = world.latency()?;
    let mut verdict = world.judged(&old, &Promise::Gone, |verdict| {
        let predicted = executor.plan(&Intent {
            nodes: &old,
            options: json!({
                "procedure": "kubectl-drain", "batch_size": 2, "cordon": "all-first", "client": {"qps": PACE.0, "burst": PACE.1},
                "terminate_nodes": true,
                "execution": {"provision": {"*": {"by": "wait"}}, "retire": {"*": {"by": "nodeclaim"}}},
            }),
            groups: Some(json!({
                "machine_types": [{"name": "standard-4", "allocatable": {"cpu": "3900m", "memory": "16374Mi", "pods": 60}}],
                "groups": [
                    {"name": "blue", "labels": {(POOL): "blue"}, "zones": ["z1"], "machine_types": [{"name": "standard-4"}], "max_count": 0},
                    {"name": "green", "labels": {(POOL): "green"}, "zones": ["z1"], "machine_types": [{"name": "standard-4"}], "max_count": 40},
                ],
            })),
            autoscaler: json!({"kind": "karpenter", "batch_idle_ms": IDLE.as_millis() as u64, "scale_down": false}),
            latency,
            machines: delays(latency),
        })?;
        executor.run(&EXECUTE)?.with(0)?;
        near(verdict, predicted, executor.took("journal")?);
        Ok(())
    })?;
    let (left, new) = (nodes_of(client, "blue")?, nodes_of(client, "green")?);
    verdict.says(left.is_empty(), || format!("old nodes are still there: {}", left.join(", ")));
    verdict.says(!new.is_empty(), || "Karpenter made no new node".into());
    let claims = client.list(CLAIMS)?.0;
    verdict.says(claims.len() == new.len(), || format!("{} claims for {} new nodes", claims.len(), new.len()));
    verdict.said.push(format!("Karpenter ended {} nodes and brought {}", old.len(), new.len()));
    Ok(verdict)
}
