//! A stand-in for the kubelets of all nodes: pods start, stop and vanish after set delays, leases are renewed.

use super::client::Client;
use anyhow::Result;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Annotation of a pod: seconds from bound to Running and Ready; below 0 never.
pub const START: &str = "oracle/start-seconds";
/// Annotation of a pod: seconds from deletion to gone.
pub const STOP: &str = "oracle/stop-seconds";

/// The kubelets' delays where a pod's annotation says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// From bound to Running and Ready.
    pub start: Duration,
    /// From deletion to gone.
    pub stop: Duration,
    /// How long after a renewal of a node's lease that failed it is tried again.
    pub renew_again: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Delays { start: Duration::from_secs(2), stop: Duration::from_secs(1), renew_again: Duration::from_millis(500) }
    }
}

/// Running kubelets; dropping them stops them.
pub struct Kubelets {
    stopped: Arc<AtomicBool>,
    silent: Arc<Silent>,
}

/// Nodes whose kubelets are dead.
type Silent = Mutex<BTreeSet<String>>;

/// What is to be done to one pod, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    Start,
    Remove,
}

/// When, which pod (path and uid), what.
type Due = Reverse<(Instant, String, String, Job)>;

/// How many calls the kubelets make at once: on a real cluster each node has its own.
const HANDS: usize = 8;
/// How long a kubelet waits before it says again what the API server did not take.
const RETRY: Duration = Duration::from_millis(100);
const LEASE_PERIOD: Duration = Duration::from_secs(10);

impl Kubelets {
    /// Starts them: one thread follows the pods, one keeps the time, a few make the calls, one renews leases.
    pub fn start(client: &Client, delays: Delays) -> Kubelets {
        let kubelets = Kubelets { stopped: Arc::default(), silent: Arc::default() };
        let (seen, pods) = channel();
        let (due, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        kubelets.spawn(client, move |client, stopped| follow(client, stopped, &seen));
        let silent = kubelets.silent.clone();
        kubelets.spawn(client, move |_, stopped| keep_time(stopped, &silent, delays, &pods, &due));
        for _ in 0..HANDS {
            let jobs = jobs.clone();
            kubelets.spawn(client, move |client, stopped| work(client, stopped, &jobs));
        }
        let silent = kubelets.silent.clone();
        kubelets.spawn(client, move |client, stopped| renew(client, stopped, &silent, delays.renew_again));
        kubelets
    }
    fn spawn(&self, client: &Client, body: impl FnOnce(&Client, &AtomicBool) + Send + 'static) {
        let (client, stopped) = (client.clone(), self.stopped.clone());
        std::thread::spawn(move || body(&client, &stopped));
    }
}

impl Kubelets {
    /// A node's kubelet dies: it renews its lease a last time, and no pod of it starts or ends any more.
    pub fn silence(&self, client: &Client, node: &str) -> Result<()> {
        client.merge(&format!("{LEASES}/{node}"), &lease(node))?.ok()?;
        self.die(node);
        Ok(())
    }

    /// The same at once, without a last word.
    pub fn die(&self, node: &str) {
        if let Ok(mut silent) = self.silent.lock() {
            silent.insert(node.to_owned());
        }
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn path(pod: &Value) -> String {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    format!("/api/v1/namespaces/{}/pods/{}", text("namespace"), text("name"))
}

/// Sends every pod as it is and as it changes; a lost watch is taken up from a new list.
fn follow(client: &Client, stopped: &AtomicBool, seen: &Sender<Value>) {
    let round = || -> Result<()> {
        let (pods, version) = client.list("/api/v1/pods")?;
        for pod in pods {
            seen.send(pod)?;
        }
        for event in client.watch("/api/v1/pods", &version)? {
            let mut event = event?;
            if event["type"] == "ERROR" || stopped.load(Ordering::Relaxed) {
                break;
            }
            if event["type"] != "DELETED" {
                seen.send(event["object"].take())?;
            }
        }
        Ok(())
    };
    while !stopped.load(Ordering::Relaxed) {
        if round().is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn delay(pod: &Value, annotation: &str, default: Duration) -> Option<Duration> {
    match pod["metadata"]["annotations"][annotation].as_str().and_then(|s| s.parse::<f64>().ok()) {
        None => Some(default),
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
    }
}

/// Turns what is seen of pods into jobs at their time, each pod's start and removal once.
fn keep_time(
    stopped: &AtomicBool,
    silent: &Silent,
    delays: Delays,
    pods: &Receiver<Value>,
    due: &Sender<(String, String, Job)>,
) {
    let mut heap: BinaryHeap<Due> = BinaryHeap::new();
    let mut planned: BTreeSet<(String, Job)> = BTreeSet::new();
    while !stopped.load(Ordering::Relaxed) {
        let now = Instant::now();
        while heap.peek().is_some_and(|d| d.0.0 <= now) {
            if let Some(Reverse((_, path, uid, job))) = heap.pop() {
                let _ = due.send((path, uid, job));
            }
        }
        let wait = heap.peek().map_or(Duration::from_millis(200), |d| d.0.0.saturating_duration_since(now));
        let pod = match pods.recv_timeout(wait.min(Duration::from_millis(200))) {
            Ok(pod) => pod,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Some(node) = pod["spec"]["nodeName"].as_str() else { continue };
        if silent.lock().is_ok_and(|s| s.contains(node)) {
            continue;
        }
        let terminating = pod["metadata"]["deletionTimestamp"].is_string();
        let (job, after) = match (terminating, pod["status"]["phase"].as_str()) {
            (true, _) => {
                let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(30);
                let stop = delay(&pod, STOP, delays.stop).unwrap_or(delays.stop);
                // Containers that never ran need no time to stop.
                let stop = if pod["status"]["phase"] == "Pending" { Duration::ZERO } else { stop };
                (Job::Remove, Some(stop.min(Duration::from_secs(grace))))
            }
            (false, Some("Pending")) if waits_for_data(&pod) => continue,
            (false, Some("Pending")) => (Job::Start, delay(&pod, START, delays.start)),
            _ => continue,
        };
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if let Some(after) = after.filter(|_| planned.insert((uid.clone(), job))) {
            heap.push(Reverse((Instant::now() + after, path(&pod), uid, job)));
        }
    }
}

/// Whether the init container that Velero gives a restored pod still waits for the data of its volumes. Who plays Velero's node agent ends
/// it: the pod is then initialized, and its containers start.
fn waits_for_data(pod: &Value) -> bool {
    let has = |list: &Value, holds: &dyn Fn(&Value) -> bool| list.as_array().is_some_and(|l| l.iter().any(holds));
    has(&pod["spec"]["initContainers"], &|c| c["name"] == "restore-wait")
        && !has(&pod["status"]["conditions"], &|c| c["type"] == "Initialized" && c["status"] == "True")
}

fn work(client: &Client, stopped: &AtomicBool, jobs: &Mutex<Receiver<(String, String, Job)>>) {
    while !stopped.load(Ordering::Relaxed) {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv_timeout(Duration::from_millis(200)),
            Err(_) => return,
        };
        let Ok((path, uid, job)) = job else { continue };
        let done = || match job {
            Job::Start => start(client, &path, &uid),
            Job::Remove => remove(client, &path, &uid),
        };
        // A kubelet does not give up because the API server is away.
        while done().is_err() && !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(RETRY);
        }
    }
}

/// The moment in the API's form.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// Patch of a status in which a pod runs and is ready, or is not.
pub fn running(pod: &Value, ready: bool) -> Value {
    let at = now();
    let truth = if ready { "True" } else { "False" };
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": at});
    let empty = Vec::new();
    let containers = pod["spec"]["containers"].as_array().unwrap_or(&empty).iter().map(|c| {
        json!({
            "name": c["name"], "image": c["image"], "imageID": "", "ready": ready, "started": ready, "restartCount": 0,
            "state": {"running": {"startedAt": at}},
        })
    });
    json!({"metadata": {"uid": pod["metadata"]["uid"]}, "status": {
        "phase": "Running",
        "conditions": [condition("Initialized", "True"), condition("Ready", truth), condition("ContainersReady", truth)],
        "containerStatuses": containers.collect::<Vec<Value>>(),
    }})
}

fn start(client: &Client, path: &str, uid: &str) -> Result<()> {
    let Some(pod) = client.get(path)?.found()? else { return Ok(()) };
    if pod["metadata"]["uid"] == uid && pod["status"]["phase"] == "Pending" {
        client.patch(&format!("{path}/status"), &running(&pod, true))?.taken()?;
    }
    Ok(())
}

/// Where a finalizer holds the object, what shows that the containers have stopped is its phase.
fn remove(client: &Client, path: &str, uid: &str) -> Result<()> {
    let pod = client.get(path)?.found()?.filter(|p| p["metadata"]["uid"] == uid);
    if let Some(pod) = pod.filter(|p| p["metadata"]["finalizers"].is_array()) {
        let phase = if pod["spec"]["restartPolicy"] == "Always" { "Succeeded" } else { "Failed" };
        let mut status = running(&pod, false);
        status["status"]["phase"] = json!(phase);
        client.patch(&format!("{path}/status"), &status)?.taken()?;
    }
    client.delete(path, &json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}))?.taken()?;
    Ok(())
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

fn lease(node: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now().replace('Z', ".000000Z")},
    })
}

/// Whether a node's kubelet has ever said how it is.
fn reports(node: &Value) -> bool {
    node["status"]["conditions"].as_array().is_some_and(|c| c.iter().any(|c| c["type"] == "Ready"))
}

/// Patch of the status with which a kubelet's first report makes its node ready.
fn ready() -> Value {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "set", "message": "", "lastHeartbeatTime": now(), "lastTransitionTime": now()});
    let conditions = [
        condition("MemoryPressure", "False"),
        condition("DiskPressure", "False"),
        condition("PIDPressure", "False"),
        condition("Ready", "True"),
    ];
    json!({"status": {"conditions": conditions, "nodeInfo": {"kubeletVersion": "v1.36.3"}}})
}

/// Whether a node's own condition says that nothing was heard of its kubelet.
fn is_unknown(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "Unknown"))
}

/// How long a node's second heartbeat comes before its time: each kubelet has a rhythm of its own.
fn early(node: &str) -> Duration {
    let sum: u64 = node.bytes().fold(7, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    Duration::from_millis(sum % LEASE_PERIOD.as_millis() as u64)
}

/// A node of which nothing was heard reports itself again: its pods, which the node controller called unready, are ready as before.
fn ready_again(client: &Client, node: &str) -> Result<()> {
    for pod in client.list(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}"))?.0 {
        let conditions = pod["status"]["conditions"].as_array();
        let unready = conditions.is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] != "True"));
        if unready && pod["status"]["phase"] == "Running" && !pod["metadata"]["deletionTimestamp"].is_string() {
            client.patch(&format!("{}/status", path(&pod)), &running(&pod, true))?.taken()?;
        }
    }
    Ok(())
}

/// Renews the leases of all nodes that live, as each kubelet does every ten seconds; a new node's at once. A kubelet whose node is called
/// unready because nothing was heard of it says at the same time that it is ready. Who made a node and did not say how it is (Karpenter's
/// kwok) leaves that to the kubelet, too.
fn renew(client: &Client, stopped: &AtomicBool, silent: &Silent, again: Duration) {
    let mut next: BTreeMap<String, Instant> = BTreeMap::new();
    let mut known: Vec<Value> = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(500));
        if let Ok((nodes, _)) = client.list("/api/v1/nodes") {
            known = nodes;
        }
        for name in known.iter().filter(|n| !reports(n)).filter_map(|n| n["metadata"]["name"].as_str()) {
            let _ = client.patch(&format!("/api/v1/nodes/{name}/status"), &ready());
        }
        let silent = silent.lock().map(|s| s.clone()).unwrap_or_default();
        for node in &known {
            let Some(name) = node["metadata"]["name"].as_str().filter(|n| !silent.contains(*n)) else { continue };
            match next.get(name) {
                Some(at) if *at > Instant::now() => {}
                Some(at) => {
                    let done = client.merge(&format!("{LEASES}/{name}"), &lease(name));
                    if is_unknown(node) {
                        let _ = client.patch(&format!("/api/v1/nodes/{name}/status"), &ready());
                        let _ = ready_again(client, name);
                    }
                    let after = match done.map(|a| a.code) {
                        Ok(code) if code < 300 => (*at + LEASE_PERIOD).max(Instant::now()),
                        // It went with its node, and is made again.
                        Ok(404) => {
                            next.remove(name);
                            continue;
                        }
                        _ => Instant::now() + again,
                    };
                    next.insert(name.to_owned(), after);
                }
                None if client.create(LEASES, &lease(name)).is_ok_and(|a| a.code < 300 || a.code == 409) => {
                    next.insert(name.to_owned(), Instant::now() + LEASE_PERIOD - early(name));
                }
                None => {}
            }
        }
    }
}
