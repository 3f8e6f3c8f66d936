//! A migration on the real control plane, written down in the form of `drain-v1`.

use super::draw::{Migration, Piece, Then};
use super::watch::Watch;
use crate::bed::client::Client;
use crate::bed::controlplane::ControlPlane;
use crate::bed::dump::dump;
use crate::bed::kubelets::{Delays, Kubelets, running};
use crate::bed::recording::{write_json, write_lines};
use crate::bed::rest::{budgets_are_counted, create_node, nodes_are_ready, pods_are_ready, wait};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long nothing may have changed until it counts as at rest.
const REST: Duration = Duration::from_millis(1200);
const POLL: Duration = Duration::from_millis(10);

/// Makes the cluster, drains it, and writes all of it down.
pub fn record(binary: &Path, migration: &Migration, directory: &Path) -> Result<()> {
    let (qps, burst) = migration.controller_client;
    let limits = [
        format!("--arg=kube-controller-manager=--kube-api-qps={qps}"),
        format!("--arg=kube-controller-manager=--kube-api-burst={burst}"),
    ];
    let plane = ControlPlane::start(binary, &limits.each_ref().map(String::as_str))?;
    let client = &plane.client;
    let _kubelets = Kubelets::start(client, Delays::default());
    prepare(client, migration)?;
    write_json(directory, "cluster.json", &dump(client, &[])?)?;
    // kubectl keeps what it learns of the API; it shall know it when the first drain begins.
    kubectl(&plane, &["get".into(), "nodes".into()], Instant::now())?;
    let told = kubectl(&plane, &["version".into(), "--client".into(), "-o=json".into()], Instant::now())?;
    let version: Value = serde_json::from_str(&told.stdout)?;
    let origin = Instant::now();
    let watch = Watch::start(client, origin)?;
    let (mut batches, mut clock) = (Vec::new(), Clock::default());
    for batch in &migration.batches {
        let nodes: Vec<String> = batch.iter().map(|i| migration.node(*i)).collect();
        let mut args = vec!["drain".to_owned()];
        args.extend(nodes.iter().cloned());
        args.extend(migration.args.iter().cloned());
        args.push(format!("--timeout={}s", migration.timeout_s));
        let marks = watch.mark(client, &nodes)?;
        clock.stop(origin.elapsed());
        let said = kubectl(&plane, &args, origin)?;
        let end = origin.elapsed();
        let start = said.lines.first().map_or(end, |l| l.0);
        clock.go_on(start);
        let until = end + Duration::from_secs(migration.settle_timeout_s);
        let mut settled = None;
        while settled.is_none() && origin.elapsed() < until {
            settled = watch.is_whole(&marks).then(|| origin.elapsed());
            std::thread::sleep(POLL);
        }
        batches.push(json!({
            "nodes": nodes, "start": clock.seconds(start), "end": clock.seconds(end),
            "settled": settled.map(|s| clock.seconds(s)), "exit": said.exit, "stdout": said.stdout, "stderr": said.stderr,
            "lines": said.lines.iter().map(|(t, stream, line)| json!([clock.seconds(*t), stream, line])).collect::<Vec<Value>>(),
        }));
    }
    let result = json!({
        "batches": batches, "timeout_s": migration.timeout_s, "settle_timeout_s": migration.settle_timeout_s, "args": migration.args,
        "controller_client": {"qps": qps, "burst": burst}, "scheduler_client": {"qps": 1000, "burst": 2000},
        "kubectl": version["clientVersion"]["gitVersion"], "pods_start_seconds_default": 2.0, "pods_stop_seconds_default": 1.0,
    });
    write_json(directory, "result.json", &result)?;
    write_lines(directory, "events.jsonl", &watch.lines(|t| clock.seconds(t)))
}

/// The recording's clock: it stands still from the end of a batch to the first word of the next kubectl, whose start as a process
/// and look at the API's kinds depend on the machine alone and are no part of the model.
#[derive(Default)]
struct Clock {
    pauses: Vec<(Duration, Duration)>,
}

impl Clock {
    fn stop(&mut self, at: Duration) {
        self.pauses.push((at, at));
    }
    fn go_on(&mut self, at: Duration) {
        if let Some(pause) = self.pauses.last_mut() {
            pause.1 = at;
        }
    }
    /// A moment in seconds; one within a pause is the pause's.
    fn seconds(&self, at: Duration) -> f64 {
        let paused: Duration = self.pauses.iter().map(|(from, to)| at.min(*to).saturating_sub(*from)).sum();
        (at.saturating_sub(paused).as_secs_f64() * 1000.0).round() / 1000.0
    }
}

/// What a kubectl said and how it ended.
struct Said {
    exit: i32,
    stdout: String,
    stderr: String,
    /// Each line with its moment.
    lines: Vec<Line>,
}

/// A line: when, on which stream, what.
type Line = (Duration, &'static str, String);

fn kubectl(plane: &ControlPlane, args: &[String], origin: Instant) -> Result<Said> {
    let mut command = plane.command("kubectl");
    command.args(args).env("HOME", plane.directory()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
    let out = child.stdout.take().map(|from| listen(from, "stdout", origin, lines.clone()));
    let err = child.stderr.take().map(|from| listen(from, "stderr", origin, lines.clone()));
    let status = child.wait()?;
    let text = |from: Option<JoinHandle<String>>| from.and_then(|f| f.join().ok()).unwrap_or_default();
    let (stdout, stderr) = (text(out), text(err));
    let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    let exit = status.code().with_context(|| format!("kubectl {args:?}: {status}"))?;
    Ok(Said { exit, stdout, stderr, lines })
}

fn listen(
    from: impl Read + Send + 'static,
    stream: &'static str,
    origin: Instant,
    lines: Arc<Mutex<Vec<Line>>>,
) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            text.push_str(&line);
            text.push('\n');
            lines.lock().unwrap_or_else(PoisonError::into_inner).push((origin.elapsed(), stream, line));
        }
        text
    })
}

/// The cluster as it shall be just before the first drain.
fn prepare(client: &Client, migration: &Migration) -> Result<()> {
    client.create("/api/v1/namespaces", &json!({"metadata": {"name": "shop"}}))?.ok()?;
    for node in &migration.old {
        create_node(client, node)?;
    }
    wait("the nodes", || nodes_are_ready(client))?;
    wait("the service accounts", || {
        let code = |n: &str| {
            Ok::<u16, anyhow::Error>(client.get(&format!("/api/v1/namespaces/{n}/serviceaccounts/default"))?.code)
        };
        Ok(code("default")? == 200 && code("shop")? == 200)
    })?;
    for piece in &migration.pieces {
        for (path, object) in &piece.objects {
            let object = with_uid(client, object)?;
            client.create(path, &object)?.ok().with_context(|| format!("{path}: {object}"))?;
        }
    }
    wait("the pods", || pods_are_ready(client))?;
    for node in &migration.new {
        create_node(client, node)?;
    }
    wait("the new nodes", || nodes_are_ready(client))?;
    wait("the pods of new nodes", || pods_are_ready(client))?;
    for piece in &migration.pieces {
        happen(client, piece, |t| matches!(t, Then::Ends(..)))?;
    }
    wait("the pods after some ended", || pods_are_ready(client))?;
    for piece in &migration.pieces {
        happen(client, piece, |t| !matches!(t, Then::Ends(..)))?;
    }
    std::thread::sleep(REST);
    wait("the budgets", || budgets_are_counted(client))
}

/// A mirror pod's owner is the node, which has its uid only now.
fn with_uid(client: &Client, object: &Value) -> Result<Value> {
    let mut object = object.clone();
    let owners = object["metadata"]["ownerReferences"].as_array_mut();
    for owner in owners.into_iter().flatten().filter(|o| o["kind"] == "Node") {
        let name = owner["name"].as_str().unwrap_or_default();
        owner["uid"] = client.get(&format!("/api/v1/nodes/{name}"))?.ok()?["metadata"]["uid"].take();
    }
    Ok(object)
}

/// What happens to some of a piece's pods.
fn happen(client: &Client, piece: &Piece, which: impl Fn(&Then) -> bool) -> Result<()> {
    let due: Vec<&Then> = piece.then.iter().filter(|t| which(t)).collect();
    let Some((_, object)) = piece.objects.first().filter(|_| !due.is_empty()) else { return Ok(()) };
    let label = |o: &Value| o["metadata"]["labels"]["app"].as_str().map(str::to_owned);
    let app = label(object).or_else(|| label(&object["spec"]["template"])).unwrap_or_default();
    let pods = client.list(&format!("/api/v1/pods?labelSelector=app%3D{app}"))?.0;
    let active = |p: &&Value| !matches!(p["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let pods: Vec<&Value> = pods.iter().filter(active).collect();
    for then in due {
        let (Then::Unready(i) | Then::Ends(i, _) | Then::Deleted(i)) = *then;
        let Some(pod) = pods.get(i) else { continue };
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods/{}", text("namespace"), text("name"));
        match then {
            Then::Unready(_) => {
                let mut status = running(pod, false);
                for container in status["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                    container["restartCount"] = json!(3);
                }
                client.patch(&format!("{path}/status"), &status)?.ok()?;
            }
            Then::Ends(_, phase) => {
                let mut status = running(pod, false);
                status["status"]["phase"] = json!(phase);
                client.patch(&format!("{path}/status"), &status)?.ok()?;
            }
            Then::Deleted(_) => {
                client.delete(&path, &json!({"gracePeriodSeconds": 1}))?.ok()?;
            }
        }
    }
    Ok(())
}
