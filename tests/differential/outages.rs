//! The API server goes away and comes back: which nodes are NotReady, when, and which pods leave, by the real controllers and in the
//! simulation.
//!
//! At which moment each kubelet renews its lease, and when the controllers' watches are open again, is drawn in the simulation; what
//! really happened must be what one of some draws says, to five seconds.

use crate::Compared;
use crate::bed::client::Client;
use crate::bed::controlplane::ControlPlane;
use crate::bed::dump::dump;
use crate::bed::kubelets::{Delays, Kubelets, running};
use crate::bed::nodes;
use crate::bed::recording::write_json;
use anyhow::{Result, bail};
use nodeferry::scheduler::SchedulerConfig;
use nodeferry::sim::autoscaler::AutoscalerOptions;
use nodeferry::sim::faults::{Component, Fault, Window};
use nodeferry::sim::world::World;
use nodeferry::sim::{SimOptions, SiteSpec};
use nodeferry::snapshot::read_paths;
use nodeferry::snapshot::time::parse_rfc3339;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the API server is away where nobody asks for more, in seconds.
pub const SHORT: [u64; 2] = [20, 60];
/// Too long for every day.
pub const LONG: [u64; 1] = [360];

/// What is watched after it is back.
const WATCHED: Duration = Duration::from_secs(35);
/// Leases are renewed and seen before it goes.
const SETTLED: Duration = Duration::from_secs(16);
const POLL: Duration = Duration::from_millis(200);
/// How far apart a real and a simulated moment may be.
const APART_MS: i64 = 5_000;
/// A kubelet's report comes at a moment of its own within its period.
const REPORT_APART_MS: i64 = APART_MS + nodeferry::sim::heartbeats::PERIOD_MS;
const NODES: usize = 6;
/// `tolerationSeconds` of each node's pods.
const TOLERATED: [i64; 3] = [0, 5, 300];
/// Draws that are tried.
const DRAWS: u64 = 64;

/// Lets the API server go and come and compares.
pub fn check(binary: &Path, seed: u64, directory: &Path, away_s: &[u64]) -> Result<Compared> {
    let plane = ControlPlane::start(binary, &[])?;
    let client = &plane.client;
    let moment = Duration::from_millis(100);
    // A kubelet that could not renew its lease waits for its next time.
    let delays = Delays { start: moment, stop: moment, renew_again: Duration::from_secs(10) };
    let _kubelets = Kubelets::start(client, delays);
    for i in 0..NODES {
        nodes::add(client, &node(i))?;
        for seconds in TOLERATED {
            client.create("/api/v1/namespaces/default/pods", &pod(i, seconds))?.ok()?;
        }
    }
    let mut compared = Compared { about: String::new(), tried: 0, equal: 0, differences: None };
    let mut differences = Vec::new();
    for away in away_s {
        settle(client)?;
        let file = format!("before-{away}s.json");
        write_json(directory, &file, &dump(client, &[])?)?;
        plane.kill_api_server()?;
        let gone = Instant::now();
        std::thread::sleep(Duration::from_secs(*away));
        plane.launch_api_server()?;
        // On a busy machine it takes a while until it serves again, and then until its controllers may do what they want.
        let (real, back) = watch(client, answers(client)?)?;
        let away_ms = (back - gone).as_millis() as i64;
        let site = site(&directory.join(&file))?;
        let draws = seed * DRAWS..(seed + 1) * DRAWS;
        let agreeing = draws.clone().filter(|draw| real.agrees(&simulated(&site, away_ms, *draw))).count();
        compared.tried += 1;
        compared.equal += usize::from(agreeing > 0);
        compared.about += &format!(
            "{away_ms} ms away: {} nodes not ready, {} pods evicted, as {agreeing} of {DRAWS} draws say; ",
            real.not_ready.len(),
            real.evicted.len()
        );
        if agreeing == 0 {
            let said = simulated(&site, away_ms, draws.start);
            differences.push(format!("{away_ms} ms away: really {real:?}, the simulation says for instance {said:?}"));
        }
    }
    compared.about = compared.about.trim_end_matches("; ").to_owned();
    compared.differences = (!differences.is_empty()).then(|| differences.join("\n"));
    Ok(compared)
}

/// What happened to nodes and pods, in milliseconds since the API server was back.
#[derive(Debug, Default, PartialEq)]
struct Course {
    not_ready: BTreeMap<String, i64>,
    ready_again: BTreeMap<String, i64>,
    evicted: BTreeMap<String, i64>,
}

impl Course {
    fn agrees(&self, other: &Course) -> bool {
        let near = |a: &BTreeMap<String, i64>, b: &BTreeMap<String, i64>, apart| {
            a.len() == b.len() && a.iter().all(|(name, at)| b.get(name).is_some_and(|b| (at - b).abs() <= apart))
        };
        near(&self.not_ready, &other.not_ready, APART_MS)
            && near(&self.ready_again, &other.ready_again, REPORT_APART_MS)
            && near(&self.evicted, &other.evicted, APART_MS)
    }

    fn node(&mut self, name: &str, ready: bool, at: i64) {
        if !ready {
            self.not_ready.entry(name.to_owned()).or_insert(at);
        } else if self.not_ready.contains_key(name) {
            self.ready_again.entry(name.to_owned()).or_insert(at);
        }
    }

    /// The same, counted from so much later.
    fn later_by(mut self, ms: i64) -> Course {
        for times in [&mut self.not_ready, &mut self.ready_again, &mut self.evicted] {
            times.values_mut().for_each(|at| *at -= ms);
        }
        self
    }

    fn pod_leaves(&mut self, name: &str, at: i64) {
        self.evicted.entry(name.to_owned()).or_insert(at);
    }
}

/// Waits until all is well, and a while longer.
fn settle(client: &Client) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let pods = client.list("/api/v1/namespaces/default/pods")?.0;
        let nodes = client.list("/api/v1/nodes")?.0;
        if pods.iter().all(|p| p["status"]["phase"] == "Running") && nodes.iter().all(is_ready) {
            // What the outage before has left: the stand-in for the kubelets says of a pod once that it is ready.
            for pod in pods.iter().filter(|p| !is_ready(p)) {
                let path = format!("/api/v1/namespaces/default/pods/{}/status", name(pod));
                client.patch(&path, &running(pod, true))?.ok()?;
            }
            std::thread::sleep(SETTLED);
            return Ok(());
        }
        if Instant::now() > until {
            bail!("the cluster is not ready after a minute");
        }
        std::thread::sleep(POLL);
    }
}

/// The condition Ready of a node or pod.
fn ready(object: &Value) -> Option<&Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == "Ready")
}

fn is_ready(object: &Value) -> bool {
    ready(object).is_some_and(|c| c["status"] == "True")
}

/// When the condition Ready became what it is, in milliseconds since 1970: whole seconds.
fn changed(object: &Value) -> Option<i64> {
    parse_rfc3339(ready(object)?["lastTransitionTime"].as_str()?)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn wall_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// The moment at which the API server answers.
fn answers(client: &Client) -> Result<Instant> {
    let until = Instant::now() + Duration::from_secs(60);
    while client.list("/api/v1/nodes").is_err() {
        if Instant::now() > until {
            bail!("the API server does not answer a minute after it was started");
        }
        std::thread::sleep(POLL / 4);
    }
    Ok(Instant::now())
}

/// What happens after the API server is ready, and when that was. A node may be ready again before anybody has looked: then the condition of its pods, which
/// the controllers set and nobody sets back, shows when it was not.
fn watch(client: &Client, back: Instant) -> Result<(Course, Instant)> {
    let back_ms = wall_ms() - back.elapsed().as_millis() as i64;
    let (mut course, mut ready) = (Course::default(), None);
    let before: Vec<String> = (0..NODES).flat_map(|i| TOLERATED.map(|s| pod_name(i, s))).collect();
    while ready.unwrap_or(back).elapsed() < WATCHED {
        if ready.is_none() && client.get("/readyz").is_ok_and(|a| a.code == 200) {
            ready = Some(Instant::now());
        }
        let (Ok((nodes, _)), Ok((pods, _))) =
            (client.list("/api/v1/nodes"), client.list("/api/v1/namespaces/default/pods"))
        else {
            continue;
        };
        let at = back.elapsed().as_millis() as i64;
        for node in &nodes {
            course.node(name(node), is_ready(node), at);
        }
        for pod in pods.iter().filter(|p| !is_ready(p) && p["status"]["phase"] == "Running") {
            if let (Some(node), Some(since)) = (pod["spec"]["nodeName"].as_str(), changed(pod)) {
                course.node(node, false, since - back_ms);
            }
        }
        let stays = |n: &String| pods.iter().any(|p| name(p) == n && p["metadata"]["deletionTimestamp"].is_null());
        for pod in before.iter().filter(|n| !stays(n)) {
            course.pod_leaves(pod, at);
        }
        std::thread::sleep(POLL);
    }
    let Some(ready) = ready else { bail!("the API server answers and is not ready") };
    // Who was never seen unready may have been it all the same, and is ready by now.
    for node in client.list("/api/v1/nodes")?.0.iter().filter(|n| is_ready(n)) {
        course.node(name(node), true, WATCHED.as_millis() as i64);
    }
    Ok((course.later_by((ready - back).as_millis() as i64), ready))
}

/// The cluster of a dump, as the simulation has it.
fn site(dump: &Path) -> Result<SiteSpec> {
    let cluster = read_paths(&[dump.to_owned()])?.cluster;
    let (options, autoscaler) = (SimOptions::default(), AutoscalerOptions::default());
    Ok(SiteSpec::new(cluster, [], options, &Default::default(), autoscaler, SchedulerConfig::default()))
}

/// What the simulation says of it.
fn simulated(site: &SiteSpec, away_ms: i64, draw: u64) -> Course {
    // Its moment within the rhythm of the controllers' looks is anybody's guess.
    let from = 15_300 + (draw % 10) as i64 * 500;
    let window = Window { from_ms: from, until_ms: Some(from + away_ms) };
    let outage = Fault::Outage { component: Component::ApiServer, window };
    let mut world = World::new(site, draw, &[outage], None, None);
    let (mut course, end) = (Course::default(), from + away_ms + WATCHED.as_millis() as i64);
    while let Some(next) = world.next_moment().filter(|n| *n <= end) {
        world.advance_to(next);
        let (catalog, state, at) = (world.catalog(), world.state(), next - from - away_ms);
        for node in state.live_nodes() {
            course.node(state.node_name(catalog, node), state.nodes[node].ready, at);
        }
        for (_, pod) in state.pods.entries().filter(|(_, p)| p.gone || p.deleting.is_some()) {
            course.pod_leaves(state.name(catalog, pod.name), at);
        }
    }
    course
}

fn node(i: usize) -> Value {
    let size = json!({"cpu": "8", "memory": "16Gi", "pods": "110"});
    json!({
        "metadata": {"name": format!("node-{i}"), "labels": {
            "topology.kubernetes.io/zone": format!("zone-{}", i % 2), "topology.kubernetes.io/region": "eu"}},
        "spec": {"taints": []},
        "status": nodes::status(&size, &size),
    })
}

fn pod_name(i: usize, seconds: i64) -> String {
    format!("pod-{i}-{seconds}")
}

fn pod(i: usize, seconds: i64) -> Value {
    let toleration = |key: &str| {
        json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": seconds})
    };
    json!({"metadata": {"name": pod_name(i, seconds)}, "spec": {
        "nodeName": format!("node-{i}"), "terminationGracePeriodSeconds": 1,
        "tolerations": [toleration("not-ready"), toleration("unreachable")],
        "containers": [{"name": "c", "image": "i"}],
    }})
}
