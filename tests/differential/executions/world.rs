//! A control plane with its kubelets, two pools of nodes, and where the pods are now.

use super::cluster;
use super::executor::{Executor, Intent, START, STOP};
use super::identity::{self, Token};
use super::judge::{self, Promise, Rules, Verdict};
use super::watch::Watch;
use crate::bed::client::Client;
use crate::bed::controlplane::{Component, ControlPlane};
use crate::bed::kubelets::{Delays, Kubelets};
use crate::bed::rest::{budgets_are_counted, pods_are_ready, wait};
use anyhow::{Result, anyhow};
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A predicted duration may be off by so many percent.
const NEAR_PERCENT: f64 = 5.0;
/// Or by so many seconds, where that is more: of a short migration a busy machine's hiccup is more than some percent.
const NEAR_SECONDS: f64 = 1.0;

/// So many others write at the same time while a write is timed: for each eviction of a migration, controllers, the scheduler and kubelets
/// make a dozen calls.
const BESIDE: usize = 4;
/// From one write of a probe to its next.
const REST: Duration = Duration::from_millis(15);

/// A cluster on which things are tried.
pub struct World {
    binary: PathBuf,
    /// What else must live as long as the cluster; ended before it.
    pub beside: Vec<Component>,
    /// The control plane.
    pub plane: ControlPlane,
    _kubelets: Kubelets,
    directory: PathBuf,
    /// Nodes of each pool.
    pub size: usize,
    /// Whether the pods are on the second pool.
    turned: Cell<bool>,
    /// The ServiceAccount's kubeconfig, with the rights that nodeferry ships.
    pub kubeconfig: PathBuf,
    /// The token in it.
    pub token: std::cell::RefCell<Token>,
}

/// A cluster of the size that is promised: more than 20 old nodes, more than 200 pods.
pub fn large(binary: &Path, directory: &Path) -> Result<World> {
    let world = World::start(binary, directory, cluster::NODES)?;
    cluster::add_nodes(&world.plane.client, "blue", &cluster::names("blue", world.size))?;
    cluster::populate(&world.plane.client, 1)?;
    cluster::add_nodes(&world.plane.client, "green", &cluster::names("green", world.size))?;
    world.rest()?;
    cluster::make_one_unready(&world.plane.client)?;
    // Its budget counts it out.
    std::thread::sleep(Duration::from_millis(500));
    Ok(world)
}

/// A third of it.
pub fn small(binary: &Path, directory: &Path) -> Result<World> {
    let world = World::start(binary, directory, cluster::NODES.div_ceil(3))?;
    cluster::add_nodes(&world.plane.client, "blue", &cluster::names("blue", world.size))?;
    cluster::populate(&world.plane.client, 3)?;
    cluster::add_nodes(&world.plane.client, "green", &cluster::names("green", world.size))?;
    world.rest()?;
    Ok(world)
}

impl World {
    /// A control plane without nodes, with an identity for nodeferry.
    pub fn start(binary: &Path, directory: &Path, size: usize) -> Result<World> {
        std::fs::create_dir_all(directory)?;
        let plane = ControlPlane::start(binary, &[])?;
        let kubelets = Kubelets::start(&plane.client, Delays { start: START, stop: STOP, ..Delays::default() });
        identity::install(&plane.client)?;
        let kubeconfig = directory.join("kubeconfig");
        let token = identity::token(&plane.client, &plane.kubeconfig(), &kubeconfig)?;
        Ok(World {
            binary: binary.to_owned(),
            beside: Vec::new(),
            plane,
            _kubelets: kubelets,
            directory: directory.to_owned(),
            size,
            turned: Cell::new(false),
            kubeconfig,
            token: token.into(),
        })
    }
    /// Another cluster, whose nodes bear the names of this one's.
    pub fn twin(&self) -> Result<World> {
        let twin = World::start(&self.binary, &self.directory.join("twin"), self.size)?;
        for pool in ["blue", "green"] {
            cluster::add_nodes(&twin.plane.client, pool, &cluster::names(pool, self.size))?;
        }
        Ok(twin)
    }
    /// Drains these nodes four at a time, as `kubectl drain` does it.
    pub fn drain<'a>(&self, nodes: &'a [String], cordon: &str) -> Result<Intent<'a>> {
        Ok(Intent {
            nodes,
            options: json!({
                "procedure": "kubectl-drain", "batch_size": 4, "cordon": cordon, "client": {"qps": PACE.0, "burst": PACE.1},
            }),
            groups: None,
            autoscaler: json!({"kind": "none"}),
            machines: json!({}),
            latency: self.latency()?,
        })
    }
    /// Waits until all pods are ready and all budgets counted.
    pub fn rest(&self) -> Result<()> {
        wait("the pods", || pods_are_ready(&self.plane.client)).map_err(|e| anyhow!("{e}: {}", self.unready()))?;
        std::thread::sleep(Duration::from_millis(500));
        wait("the budgets", || budgets_are_counted(&self.plane.client))
    }
    /// Pods that are not ready, and nodes that are not as in a cluster at rest, in words.
    fn unready(&self) -> String {
        let list = |path: &str| self.plane.client.list(path).map(|l| l.0).unwrap_or_default();
        let pods = list("/api/v1/pods").into_iter().filter(|p| {
            !p["status"]["conditions"]
                .as_array()
                .is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
        });
        let pods = pods.map(|p| {
            let (meta, status) = (&p["metadata"], &p["status"]);
            let deleted = if meta["deletionTimestamp"].is_string() { ", being deleted" } else { "" };
            format!(
                "{} on {}: {}{deleted} {}",
                meta["name"], p["spec"]["nodeName"], status["phase"], status["conditions"]
            )
        });
        let nodes = list("/api/v1/nodes").into_iter().filter(|n| n["spec"]["taints"].is_array());
        let nodes = nodes.map(|n| format!("node {} has taints {}", n["metadata"]["name"], n["spec"]["taints"]));
        pods.chain(nodes).collect::<Vec<String>>().join("; ")
    }
    /// An executor for a case, as the ServiceAccount.
    pub fn executor(&self, case: &str) -> Result<Executor> {
        Executor::new(self.directory.join(case), &self.kubeconfig)
    }
    /// How long a write takes on this machine now, while others write as in a migration: the median of some.
    pub fn latency(&self) -> Result<Duration> {
        let (client, over) = (&self.plane.client, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..BESIDE)
                .map(|n| {
                    let over = &over;
                    scope.spawn(move || probe(client, &format!("beside-{n}"), || !over.load(Ordering::Relaxed)))
                })
                .collect();
            let mut left = 31;
            let times = probe(client, "probe", || {
                left -= 1;
                left >= 0
            });
            over.store(true, Ordering::Relaxed);
            for other in others {
                other.join().map_err(|_| anyhow!("a thread that measures panicked"))??;
            }
            let mut times = times?;
            times.sort();
            Ok(times[times.len() / 2].max(Duration::from_millis(1)))
        })
    }
    /// The pool that the pods are on, node by node. The other one takes pods again.
    pub fn old(&self) -> Result<Vec<String>> {
        let (from, to) = if self.turned.get() { ("green", "blue") } else { ("blue", "green") };
        cluster::uncordon(&self.plane.client, &cluster::names(to, self.size))?;
        Ok(cluster::names(from, self.size))
    }
    /// The pods are on the other pool now.
    pub fn turn(&self) {
        self.turned.set(!self.turned.get());
    }
    /// Watches while something is done, and judges what happened and what is there in the end.
    pub fn judged(
        &self,
        old: &[String],
        promise: &Promise,
        done: impl FnOnce(&mut Verdict) -> Result<()>,
    ) -> Result<Verdict> {
        self.judged_of(old, old, promise, done)
    }
    /// The same where some of the nodes that may be touched are promised nothing.
    pub fn judged_of(
        &self,
        touched: &[String],
        old: &[String],
        promise: &Promise,
        done: impl FnOnce(&mut Verdict) -> Result<()>,
    ) -> Result<Verdict> {
        let client = &self.plane.client;
        let touched: BTreeSet<String> = touched.iter().cloned().collect();
        let old: BTreeSet<String> = old.iter().cloned().collect();
        let none = BTreeSet::new();
        let touched = if matches!(promise, Promise::Untouched) { &none } else { &touched };
        let goes = matches!(promise, Promise::Gone | Promise::Replaced | Promise::Reimaged);
        let may_go = if goes { &old } else { &none };
        let wanted = judge::wanted(client)?;
        let mut verdict = Verdict::default();
        let watch = Watch::start(client)?;
        done(&mut verdict)?;
        let seen = watch.finish(client)?;
        verdict.absorb("watched", judge::events(&seen, &Rules { old: touched, may_go, wanted: &wanted }));
        verdict.absorb("in the end", judge::end(client, &old, promise)?);
        let token = self.token.borrow();
        let found = leaked(&self.directory, &token.text)?;
        verdict.says(found.is_empty(), || format!("the token is written down in {}", found.join(", ")));
        Ok(verdict)
    }
}

/// Writes an object of its own again and again, with a short rest in between, and says how long each write took.
fn probe(client: &Client, name: &str, mut again: impl FnMut() -> bool) -> Result<Vec<Duration>> {
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    client.create(path, &json!({"metadata": {"name": name}}))?;
    let mut times = Vec::new();
    while again() {
        let begun = Instant::now();
        let label = times.len().to_string();
        client.merge(&format!("{path}/{name}"), &json!({"metadata": {"labels": {"n": label}}}))?.ok()?;
        times.push(begun.elapsed());
        std::thread::sleep(REST);
    }
    Ok(times)
}

/// Files below a directory, but for the kubeconfig itself, in which a credential stands.
fn leaked(directory: &Path, token: &str) -> Result<Vec<String>> {
    let mut found = Executor::new(directory.to_owned(), directory)?.files_with(token)?;
    found.retain(|f| !f.ends_with("/kubeconfig"));
    Ok(found)
}

/// The client's pace: above kubectl's own, and slow enough that even on a busy machine two evictions seldom meet at one budget. Where they do, the
/// API server lets one of them wait for half a second, and luck decides whether.
pub const PACE: (u32, u32) = (10, 1);

/// So many processes for each processor and more: then times say nothing of the prediction.
const OVERLOAD: f64 = 3.0;

/// How many processes want to run, if that is far more than can.
pub fn overload() -> Option<f64> {
    let load: f64 = std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()?;
    let processors = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    (load > OVERLOAD * processors).then_some(load)
}

/// Words of a prediction that is off.
pub const OFF: &str = "more than 5 %";

/// Holds what was predicted against what was.
pub fn near(verdict: &mut Verdict, predicted: Duration, actual: Option<Duration>) {
    let Some(actual) = actual else {
        verdict.says(false, || "the journal does not say when the migration began and ended".into());
        return;
    };
    let (predicted, actual) = (predicted.as_secs_f64(), actual.as_secs_f64());
    let off = (predicted - actual) / actual * 100.0;
    verdict.said.push(format!("predicted {predicted:.1} s, actual {actual:.1} s: {off:+.1} %"));
    if let Some(load) = overload() {
        verdict.said.push(format!("NOT JUDGED: {load:.0} processes wait for this machine's processors"));
        return;
    }
    let near = off.abs() <= NEAR_PERCENT || (predicted - actual).abs() <= NEAR_SECONDS;
    verdict.says(near, || format!("predicted {predicted:.1} s, actual {actual:.1} s: {off:+.1} %, {OFF}"));
}

/// Arguments that start the execution of the plan.
pub const EXECUTE: [&str; 5] = ["execute", "plan.json", "--journal", "journal", "--yes"];
/// Arguments that go on with it.
pub const RESUME: [&str; 2] = ["resume", "journal"];
