//! How many pods a second the real scheduler places, and how many ours, on the same cluster.

use crate::bed::client::Client;
use crate::bed::controlplane::{Component, ControlPlane};
use crate::bed::{dump, nodes};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use nodeferry::cluster::{NodeIdx, Phase, PodIdx};
use nodeferry::report::format::thousands;
use nodeferry::report::table::{Align, Table};
use nodeferry::scheduler::{Scheduler, SchedulerConfig};
use nodeferry::snapshot::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Nobody is needed but the API server: nodes and pods are made here.
const PLANE: [&str; 4] = ["--without", "kube-scheduler", "--without", "kube-controller-manager"];
/// Requests to the API server at the same time.
const HANDS: usize = 8;
/// Kinds of pods: a third spread by a Service, a third by a soft constraint of their own, as in `nodeferry bench`.
const KINDS: usize = 30;
/// How long the real scheduler may take from one binding to the next, the first included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rounds of ours, of which the median counts.
const ROUNDS: usize = 5;

/// What is compared.
#[derive(Args, Debug)]
pub struct Asked {
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    nodes: u32,
    /// Pods to be placed; all must fit (about 100 a node do).
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(2..=150_000))]
    pods: u32,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

/// What one scheduler came to.
struct Placed {
    pods: usize,
    seconds: f64,
}

impl Placed {
    fn rate(&self) -> f64 {
        self.pods as f64 / self.seconds.max(1e-9)
    }
}

/// Makes the cluster, lets the real scheduler place all pods, places the same pods with ours, and prints both.
pub fn compare(binary: &Path, asked: &Asked) -> Result<()> {
    let plane = ControlPlane::start(binary, &PLANE)?;
    let client = &plane.client;
    let (count, pods) = (asked.nodes as usize, asked.pods as usize);
    eprintln!("making {count} nodes and {pods} pods");
    make(count, |i| nodes::add(client, &node(i)))?;
    make(KINDS.div_ceil(3), |i| client.create("/api/v1/namespaces/default/services", &service(3 * i))?.ok().map(drop))?;
    make(pods, |i| client.create("/api/v1/namespaces/default/pods", &pod(i))?.ok().map(drop))?;
    let list = dump::dump(client, &[])?;
    let objects = list["items"].as_array().cloned().unwrap_or_default();
    let snapshot = Snapshot::from_objects(&objects)?;
    eprintln!("the real scheduler");
    let real = real(&plane, pods)?;
    eprintln!("ours");
    let ours = ours(&snapshot, pods)?;
    drop(plane);
    match asked.output {
        Output::Table => print!("{}", as_text(asked, &real, &ours)),
        Output::Json => println!("{}", as_json(asked, &real, &ours)),
    }
    Ok(())
}

/// Does something for each of so many numbers, several at the same time.
fn make(count: usize, each: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let each = &each;
    std::thread::scope(|scope| {
        let hands: Vec<_> =
            (0..HANDS).map(|hand| scope.spawn(move || (hand..count).step_by(HANDS).try_for_each(each))).collect();
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or_else(|_| bail!("a thread ended early")))
    })
}

fn node(i: usize) -> Value {
    let name = format!("node-{i}");
    let zone = ["a", "b", "c"][i % 3];
    let has = json!({"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "110"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}},
        "spec": {"taints": null},
        "status": nodes::status(&has, &has),
    })
}

fn service(kind: usize) -> Value {
    let app = format!("app-{kind}");
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": app},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80}]},
    })
}

fn pod(i: usize) -> Value {
    let kind = i % KINDS;
    let app = format!("app-{kind}");
    let requests =
        json!({"cpu": format!("{}m", 50 + 50 * (kind % 4)), "memory": format!("{}Mi", 64 + 64 * (kind % 5))});
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": requests}}],
    });
    if kind % 3 == 1 {
        spec["topologySpreadConstraints"] = json!([{
            "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": app}},
        }]);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{i}"), "labels": {"app": app}}, "spec": spec})
}

/// Starts the real scheduler and follows its bindings: the time is that from the first to the last.
fn real(plane: &ControlPlane, pods: usize) -> Result<Placed> {
    let bindings = watch(&plane.client);
    let file = plane.directory().join("compare-scheduler.json");
    // Its own limit of 50 requests a second would be all that is measured.
    let connection = json!({"kubeconfig": plane.kubeconfig(), "qps": 100_000, "burst": 100_000});
    let config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "clientConnection": connection, "leaderElection": {"leaderElect": false},
    });
    std::fs::write(&file, serde_json::to_vec(&config)?)?;
    let mut command = plane.component("kube-scheduler");
    command.arg(format!("--config={}", file.display())).arg("--secure-port=0");
    let log = plane.directory().join("compare-scheduler.log");
    let output = std::fs::File::create(&log)?;
    let _scheduler = Component(command.stdout(Stdio::null()).stderr(output).spawn()?);
    let (mut bound, mut first) = (BTreeSet::new(), None);
    while bound.len() < pods {
        match bindings.recv_timeout(PATIENCE) {
            Ok((name, at)) => {
                bound.insert(name);
                if bound.len() == pods {
                    let seconds = first.map_or(0.0, |first: Instant| (at - first).as_secs_f64());
                    return Ok(Placed { pods: pods - 1, seconds });
                }
                first.get_or_insert(at);
            }
            Err(RecvTimeoutError::Timeout) => {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                bail!(
                    "the real scheduler has placed {} of {pods} pods and then none for {PATIENCE:?}; do they all fit? Its log ends:\n{}",
                    bound.len(),
                    last.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the API server no longer answers about pods"),
        }
    }
    bail!("there are no pods to place")
}

/// Names of pods as they are bound, with the time; some more than once.
fn watch(client: &Client) -> Receiver<(String, Instant)> {
    let client = client.clone();
    let (sender, receiver) = channel();
    let report = move |pod: &Value| match (pod["metadata"]["name"].as_str(), pod["spec"]["nodeName"].as_str()) {
        (Some(name), Some(_)) => sender.send((name.to_owned(), Instant::now())).is_ok(),
        _ => true,
    };
    std::thread::spawn(move || -> Result<()> {
        // A watch may end at any time; what it missed is in the next list.
        loop {
            let (pods, version) = client.list("/api/v1/pods")?;
            let mut wanted = pods.iter().all(&report);
            let mut events = client.watch("/api/v1/pods", &version)?.map_while(Result::ok);
            wanted = wanted && events.all(|event| report(&event["object"]));
            if !wanted {
                return Ok(());
            }
        }
    });
    receiver
}

/// Places the pending pods of a snapshot with our scheduler, one after the other.
fn ours(snapshot: &Snapshot, pods: usize) -> Result<Placed> {
    let catalog = &snapshot.cluster.catalog;
    let pending: Vec<PodIdx> = {
        let state = &snapshot.cluster.state;
        let waits = |p: &PodIdx| state.pods[*p].node.is_none() && state.pods[*p].phase == Phase::Pending;
        state.live_pods().filter(waits).collect()
    };
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let mut state = snapshot.cluster.state.clone();
        let mut scheduler = Scheduler::new(catalog, &state, SchedulerConfig::of_version(catalog.kubernetes));
        let start = Instant::now();
        let mut place = |pod: &PodIdx| -> Option<NodeIdx> {
            let node = scheduler.decide(catalog, &mut state, *pod, &mut |_| 0).node()?;
            state.bind(catalog, *pod, node, 0);
            let read = scheduler.cursor();
            state.forget_changes(read);
            Some(node)
        };
        let placed = pending.iter().filter_map(&mut place).count();
        seconds.push(start.elapsed().as_secs_f64());
        if placed != pods {
            bail!("ours has placed {placed} of {pods} pods, and the real one all of them: please report this");
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Placed { pods, seconds: *seconds.get(ROUNDS / 2).context("there was no round")? })
}

fn as_text(asked: &Asked, real: &Placed, ours: &Placed) -> String {
    let title = format!("{} PODS ON {} NODES", thousands(asked.pods.into()), thousands(asked.nodes.into()));
    let mut table = Table::new(&[(&title, Align::Left), ("SECONDS", Align::Right), ("PER SECOND", Align::Right)]);
    for (name, placed) in [("kube-scheduler through its API server", real), ("nodeferry in memory", ours)] {
        table.row([name.to_owned(), format!("{:.3}", placed.seconds), thousands(placed.rate() as u64)]);
    }
    format!("{}\nOurs places {:.0} times as many.\n", table.render(None), ours.rate() / real.rate())
}

fn as_json(asked: &Asked, real: &Placed, ours: &Placed) -> Value {
    json!({
        "nodes": asked.nodes, "pods": asked.pods,
        "real_per_s": real.rate().round(), "ours_per_s": ours.rate().round(),
        "ratio": (ours.rate() / real.rate()).round(),
    })
}
