//! From a decision that differs to the smallest cluster and pod upon which it still does.

use super::cluster::World;
use super::config::Config;
use super::pods::Pod;
use super::record::{PLANE, Scheduler, create, decide, with_owner};
use crate::bed::client::Client;
use crate::bed::controlplane::ControlPlane;
use crate::bed::dump::dump;
use crate::bed::kubelets::running;
use anyhow::{Result, bail};
use nodeferry::snapshot::{Snapshot, Source};
use nodeferry::verify::decisions::replay_decisions;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to go on making a case smaller.
const PATIENCE: Duration = Duration::from_secs(240);

/// Part of a case that may be left out.
#[derive(Clone)]
enum Part {
    Object(String, Value),
    Node(Value),
    /// A pod where it was placed.
    Placed(Value),
    /// A field of the pod's spec, by name.
    Field(String),
}

/// A scenario with the smallest case found, for a recording's decision that differs; None if it does not differ upon a
/// cluster that is made at once.
pub fn shrink(
    binary: &Path,
    config: &Config,
    world: &World,
    pods: &[Pod],
    directory: &Path,
    decision: usize,
    name: &str,
) -> Result<Option<Value>> {
    let text = std::fs::read_to_string(directory.join("decisions.jsonl"))?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let original =
        |line: &Value| pods.iter().map(|p| &p.1).find(|p| p["metadata"]["name"] == line["pod"]["metadata"]["name"]);
    let Some(subject) = original(&lines[decision]) else { bail!("decision {decision} is about no pod of ours") };
    let mut parts = parts_of(world, &lines[..decision], original);
    parts.extend(subject["spec"].as_object().into_iter().flatten().map(|(key, _)| Part::Field(key.clone())));
    let plane = ControlPlane::start(binary, &PLANE)?;
    let mut scheduler = Scheduler::start(&plane, &config.document)?;
    let mut attempt = |parts: &[Part]| try_case(&plane.client, &mut scheduler, config, parts, subject, name);
    let Some(mut smallest) = attempt(&parts)? else { return Ok(None) };
    // A smaller case may be one that cannot be made, for a pod needs its claim; that is no smaller case then.
    let mut attempt = |parts: &[Part]| attempt(parts).unwrap_or(None);
    let until = Instant::now() + PATIENCE;
    let mut size = parts.len().div_ceil(2);
    while Instant::now() < until {
        let mut from = 0;
        while from < parts.len() && Instant::now() < until {
            let mut fewer = parts.clone();
            fewer.drain(from..(from + size).min(parts.len()));
            match attempt(&fewer) {
                Some(case) => (smallest, parts) = (case, fewer),
                None => from += size,
            }
        }
        if size == 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    Ok(Some(smallest))
}

/// All that there was before a decision, the pods as they were asked for and where they are.
fn parts_of<'a>(world: &World, before: &[Value], original: impl Fn(&Value) -> Option<&'a Value>) -> Vec<Part> {
    let gone = |name: &Value| before.iter().any(|l| l["victims"].as_array().is_some_and(|v| v.contains(name)));
    let placed = before.iter().filter(|l| l["node"].is_string() && !gone(&l["pod"]["metadata"]["name"]));
    let placed = placed.filter_map(|line| {
        let mut pod = original(line)?.clone();
        pod["spec"]["nodeName"] = line["node"].clone();
        Some(Part::Placed(pod))
    });
    let objects = world.objects.iter().cloned().map(|(path, object)| Part::Object(path, object));
    placed.chain(world.nodes.iter().cloned().map(Part::Node)).chain(objects).collect()
}

/// The case as a scenario if we still say other than the real scheduler. A case that cannot be made shows nothing.
fn try_case(
    client: &Client,
    scheduler: &mut Scheduler,
    config: &Config,
    parts: &[Part],
    subject: &Value,
    name: &str,
) -> Result<Option<Value>> {
    clear(client)?;
    let mut world = World { objects: Vec::new(), nodes: Vec::new() };
    let (mut placed, mut pod) = (Vec::new(), subject.clone());
    pod["spec"] = json!({"containers": subject["spec"]["containers"], "terminationGracePeriodSeconds": 1});
    for part in parts.iter().cloned() {
        match part {
            Part::Object(path, object) => world.objects.push((path, object)),
            Part::Node(node) => world.nodes.push(node),
            Part::Placed(pod) => placed.push(pod),
            Part::Field(key) => pod["spec"][&key] = subject["spec"][&key].clone(),
        }
    }
    create(client, &world, Duration::from_millis(500))?;
    place(client, &placed)?;
    std::thread::sleep(Duration::from_millis(300));
    let cluster = dump(client, &[])?;
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let Some(line) = decide(client, scheduler, Duration::from_millis(50), (&namespace, &pod))? else { return Ok(None) };
    let source = Source::of_text("case", serde_json::to_vec(&cluster)?);
    let text = config.document.to_string();
    let report = replay_decisions(Snapshot::from_sources(&[source])?, Some(&text), std::slice::from_ref(&line))?;
    if report.is_perfect() {
        return Ok(None);
    }
    Ok(Some(scenario(name, config, &cluster, line)))
}

fn scenario(name: &str, config: &Config, cluster: &Value, line: Value) -> Value {
    // What the server makes by itself is of no account.
    let own = |o: &&Value| {
        let name = o["metadata"]["name"].as_str().unwrap_or_default();
        !(name.starts_with("system-") || name.starts_with("kube-") || name == "kubernetes")
    };
    let objects: Vec<&Value> = cluster["items"].as_array().into_iter().flatten().filter(own).collect();
    json!({
        "scenario": name,
        "story": "A real scheduler decided so upon this cluster, and nodeferry did not.",
        "cluster": {"objects": objects},
        "recorded": {"scheduler": config.document, "decisions": [line]},
    })
}

/// Bound, running and ready pods, without a scheduler's help.
fn place(client: &Client, pods: &[Value]) -> Result<()> {
    for pod in pods {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let made = client.create(&path, &with_owner(client, namespace, pod)?)?.ok()?;
        let name = made["metadata"]["name"].as_str().unwrap_or_default();
        client.patch(&format!("{path}/{name}/status"), &running(&made, true))?.ok()?;
    }
    Ok(())
}

/// Deletes everything that a case made.
fn clear(client: &Client) -> Result<()> {
    const KINDS: [&str; 13] = [
        "/api/v1/pods",
        "/api/v1/nodes",
        "/apis/storage.k8s.io/v1/csinodes",
        "/apis/storage.k8s.io/v1/csidrivers",
        "/apis/storage.k8s.io/v1/storageclasses",
        "/api/v1/persistentvolumeclaims",
        "/api/v1/persistentvolumes",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/node.k8s.io/v1/runtimeclasses",
        "/api/v1/services",
        "/api/v1/replicationcontrollers",
        "/apis/apps/v1/replicasets",
        "/apis/apps/v1/statefulsets",
    ];
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let mut left = 0;
        for kind in KINDS {
            for object in client.list(kind)?.0 {
                let metadata = &object["metadata"];
                let name = metadata["name"].as_str().unwrap_or_default();
                if name == "kubernetes" {
                    continue;
                }
                left += 1;
                let (root, plural) = kind.rsplit_once('/').unwrap_or_default();
                let path = match metadata["namespace"].as_str() {
                    Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
                    None => format!("{kind}/{name}"),
                };
                client.delete(&path, &json!({"gracePeriodSeconds": 0}))?;
            }
        }
        if left == 0 {
            std::thread::sleep(Duration::from_millis(50));
            return Ok(());
        }
        if Instant::now() > until {
            bail!("{left} objects of the last case do not go away");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
