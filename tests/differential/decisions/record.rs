//! One pod after the other through the real scheduler, whose log says how it scored.

use super::cluster::{OWNERS, World};
use super::config::Config;
use super::pods::Pod;
use crate::bed::client::Client;
use crate::bed::controlplane::{Component, ControlPlane};
use crate::bed::dump::dump;
use crate::bed::kubelets::running;
use crate::bed::nodes;
use crate::bed::recording::{write, write_json, write_lines};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long a decision may take, with victims leaving and volumes being bound.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// What watchers of objects other than pods get to see a change.
const SETTLE: Duration = Duration::from_millis(40);

/// A control plane for decisions: the scheduler is started apart, and nobody makes, deletes or collects pods but the recorder.
pub const PLANE: [&str; 4] = [
    "--without",
    "kube-scheduler",
    "--arg",
    "kube-controller-manager=--controllers=*,-replicaset-controller,-statefulset-controller,-replicationcontroller-controller,-garbage-collector-controller",
];

/// Makes the cluster, lets the real scheduler decide on each pod, and writes all of it down.
pub fn record(binary: &Path, config: &Config, world: &World, pods: &[Pod], directory: &Path) -> Result<()> {
    let plane = ControlPlane::start(binary, &PLANE)?;
    let client = &plane.client;
    create(client, world, PATIENCE)?;
    let mut scheduler = Scheduler::start(&plane, &config.document)?;
    write(directory, "scheduler.yaml", &serde_json::to_vec_pretty(&config.document)?)?;
    write_json(directory, "cluster.json", &dump(client, &[])?)?;
    // Pods are seen in order, but budgets and claims have watches and controllers of their own.
    let others = |(path, _): &(String, Value)| path.contains("poddisruptionbudgets") || path.contains("claims");
    let settle = if world.objects.iter().any(others) { SETTLE } else { Duration::ZERO };
    let mut lines = Vec::new();
    for pod in pods {
        let line = decide(client, &mut scheduler, settle, (pod.0, &pod.1));
        if line.is_err() {
            // What was decided before helps to find out why.
            write_lines(directory, "decisions.jsonl", &lines)?;
        }
        lines.extend(line?);
    }
    write_lines(directory, "decisions.jsonl", &lines)
}

/// Creates all objects and waits until the controllers have done with them; for volumes of claims only so long, as there may be none.
pub fn create(client: &Client, world: &World, volumes: Duration) -> Result<()> {
    for (path, object) in &world.objects {
        let answer = client.create(path, object)?;
        // Attempts of a shrinking run share a cluster: namespaces and priority classes of the one before are still there.
        if answer.code == 409 {
            continue;
        }
        answer.ok().with_context(|| format!("{path}: {object}"))?;
    }
    for node in &world.nodes {
        nodes::add(client, node)?;
    }
    wait(PATIENCE, || settled(client))?;
    // Claims that stay without a volume are a state like any other.
    let _ = wait(volumes, || claimed(client));
    std::thread::sleep(SETTLE);
    Ok(())
}

/// Waits until something holds.
fn wait(patience: Duration, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + patience;
    while !holds()? {
        if Instant::now() > until {
            bail!("the controllers have not come to rest within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether cordons are tainted, nodes counted ready, and budgets looked at.
fn settled(client: &Client) -> Result<bool> {
    let taint = |node: &Value, key: &str| {
        node["spec"]["taints"]
            .as_array()
            .is_some_and(|t| t.iter().any(|t| t["key"] == key && t["effect"] == "NoSchedule"))
    };
    let nodes = client.list("/api/v1/nodes")?.0;
    let nodes = nodes.iter().all(|n| {
        let cordoned = n["spec"]["unschedulable"] == true;
        cordoned == taint(n, "node.kubernetes.io/unschedulable") && !taint(n, "node.kubernetes.io/not-ready")
    });
    let budgets = client.list("/apis/policy/v1/poddisruptionbudgets")?.0;
    let budgets = budgets.iter().all(|b| b["status"]["observedGeneration"] == b["metadata"]["generation"]);
    Ok(nodes && budgets)
}

/// Whether all claims are bound that do not wait for a pod.
fn claimed(client: &Client) -> Result<bool> {
    let claims = client.list("/api/v1/persistentvolumeclaims")?.0;
    Ok(claims.iter().all(|c| c["spec"]["storageClassName"] != "now" || c["status"]["phase"] == "Bound"))
}

/// The real scheduler and what it writes to its log.
pub struct Scheduler {
    _process: Component,
    log: BufReader<File>,
    path: PathBuf,
}

/// Scores of one attempt: by node, by node and plugin.
#[derive(Default)]
struct Scores {
    totals: BTreeMap<String, i64>,
    plugins: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Scheduler {
    /// Starts it under a configuration, and waits until it has seen the cluster.
    pub fn start(plane: &ControlPlane, config: &Value) -> Result<Scheduler> {
        let mut config = config.clone();
        config["clientConnection"] = json!({"kubeconfig": plane.kubeconfig(), "qps": 1000, "burst": 2000});
        let file = plane.directory().join("differential-scheduler.json");
        std::fs::write(&file, serde_json::to_vec(&config)?)?;
        let path = plane.directory().join("differential-scheduler.log");
        let log = File::create(&path)?;
        let mut command = plane.component("kube-scheduler");
        command.arg(format!("--config={}", file.display())).args(["--secure-port=0", "--v=10"]);
        let process = command.stdout(Stdio::null()).stderr(log).spawn()?;
        let log = BufReader::new(File::open(&path)?);
        let mut scheduler = Scheduler { _process: Component(process), log, path };
        scheduler.wait_until_it_runs()?;
        Ok(scheduler)
    }
    fn wait_until_it_runs(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let text = std::fs::read_to_string(&self.path)?;
            if text.contains("All cache synced")
                || text.contains("Handlers synced")
                || text.contains("Caches are synced")
            {
                std::thread::sleep(Duration::from_millis(300));
                return Ok(());
            }
            if let Some(status) = self._process.0.try_wait()? {
                bail!("the scheduler ended with {status}: {text}");
            }
            std::thread::sleep(POLL);
        }
        bail!("the scheduler did not start; its log: {}", std::fs::read_to_string(&self.path)?)
    }
    /// Scores of a pod's last attempt, from what the log has got since the last call.
    fn scores(&mut self, pod: &str) -> Result<Scores> {
        let mut scores = Scores::default();
        let mut line = String::new();
        while self.log.read_line(&mut line)? > 0 {
            if line.contains(pod) {
                read(&line, pod, &mut scores);
            }
            line.clear();
        }
        Ok(scores)
    }
}

/// The value of `key="…"` in a log line.
fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let from = line.find(&format!(" {key}=\""))? + key.len() + 3;
    line[from..].split('"').next()
}

fn read(line: &str, pod: &str, scores: &mut Scores) {
    if quoted(line, "pod") != Some(pod) {
        return;
    }
    if line.contains("\"Attempting to schedule pod\"") {
        *scores = Scores::default();
    }
    let score = || line.trim_end().rsplit("score=").next()?.parse::<i64>().ok();
    let (Some(node), Some(score)) = (quoted(line, "node"), score()) else { return };
    if line.contains("\"Plugin scored node for pod\"") {
        if let Some(plugin) = quoted(line, "plugin") {
            scores.plugins.entry(node.to_owned()).or_default().insert(plugin.to_owned(), score);
        }
    } else if line.contains("final score for pod\"") {
        scores.totals.insert(node.to_owned(), score);
    }
}

/// A pod with its owner's uid, which only the server knows.
pub fn with_owner(client: &Client, namespace: &str, pod: &Value) -> Result<Value> {
    let mut pod = pod.clone();
    for owner in pod["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        let path =
            OWNERS.iter().find(|o| owner["kind"] == o.0).map(|o| o.2.replace("{}", namespace)).unwrap_or_default();
        let found = client.get(&format!("{path}/{}", owner["name"].as_str().unwrap_or_default()))?.ok()?;
        owner["uid"] = found["metadata"]["uid"].clone();
    }
    Ok(pod)
}

/// One pod: created, decided on, then running or deleted. Gives a line of `decisions.jsonl`; nothing for a pod that the API
/// does not take, as some combinations of features are not allowed.
pub fn decide(
    client: &Client,
    scheduler: &mut Scheduler,
    settle: Duration,
    (namespace, pod): (&str, &Value),
) -> Result<Option<Value>> {
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let answer = client.create(&pods, &with_owner(client, namespace, pod)?)?;
    if matches!(answer.code, 400 | 403 | 422) {
        return Ok(None);
    }
    let created = answer.ok()?;
    let name = created["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let path = format!("{pods}/{name}");
    let mut line = json!({"pod": created, "node": null, "message": null});
    let mut victims = BTreeSet::new();
    let until = Instant::now() + PATIENCE;
    loop {
        let now = client.get(&path)?.ok()?;
        let nominated = now["status"]["nominatedNodeName"].as_str();
        if let Some(node) = nominated {
            line["nominated"] = json!(node);
            remove_terminating(client, &mut victims)?;
        }
        if let Some(node) = now["spec"]["nodeName"].as_str() {
            line["node"] = json!(node);
            break;
        }
        let refused =
            now["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "PodScheduled");
        if let Some(refused) = refused.filter(|c| c["reason"] == "Unschedulable" && nominated.is_none()) {
            line["message"] = refused["message"].clone();
            break;
        }
        if Instant::now() > until {
            bail!("no decision on {namespace}/{name} within {PATIENCE:?}: {}", now["status"]);
        }
        std::thread::sleep(POLL);
    }
    line["victims"] = json!(victims);
    let scores = scheduler.scores(&format!("{namespace}/{name}"))?;
    line["scores"] = json!(scores.totals);
    line["plugin_scores"] = json!(scores.plugins);
    if line["node"].is_string() {
        client.patch(&format!("{path}/status"), &running(&line["pod"], true))?.ok()?;
    } else {
        client.delete(&path, &json!({"gracePeriodSeconds": 0}))?.ok()?;
    }
    std::thread::sleep(settle);
    Ok(Some(line))
}

/// Ends the pods that are being deleted for another, and remembers their names.
fn remove_terminating(client: &Client, victims: &mut BTreeSet<String>) -> Result<()> {
    for pod in client.list("/api/v1/pods")?.0 {
        let metadata = &pod["metadata"];
        if metadata["deletionTimestamp"].is_string() {
            let (namespace, name) =
                (metadata["namespace"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap_or_default());
            victims.insert(name.to_owned());
            client.delete(&format!("/api/v1/namespaces/{namespace}/pods/{name}"), &json!({"gracePeriodSeconds": 0}))?;
        }
    }
    Ok(())
}
