//! Nodes that fail: when they are tainted, and which of their pods are evicted when, by the real controllers and by our rule.

use crate::Compared;
use crate::bed::client::Client;
use crate::bed::controlplane::ControlPlane;
use crate::bed::dump::dump;
use crate::bed::kubelets::{Delays, Kubelets};
use crate::bed::nodes;
use crate::bed::recording::write_json;
use crate::luck::Luck;
use anyhow::{Result, bail};
use nodeferry::sim::node_lifecycle::evicted_after_ms;
use nodeferry::snapshot::read_paths;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// From the last sign of life to NotReady; upstream's 50 s would only take longer.
const GRACE: Duration = Duration::from_secs(14);
/// What the controllers may be late: their periods of a second, and a busy machine.
const LATE: Duration = Duration::from_millis(2500);
/// Tolerations are drawn up to so many seconds; who tolerates longer must still be there then.
const LONGEST: i64 = 8;
const PODS: usize = 10;
const POLL: Duration = Duration::from_millis(100);

/// One node reports itself unready, one falls silent, one is removed, one stays well.
const UNREADY: &str = "unready";
const SILENT: &str = "silent";
const REMOVED: &str = "removed";
const WELL: &str = "well";

/// Loses nodes and compares.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let mut luck = Luck::new(seed);
    let grace = format!("kube-controller-manager=--node-monitor-grace-period={}s", GRACE.as_secs());
    let period = "kube-controller-manager=--node-monitor-period=1s";
    let plane = ControlPlane::start(binary, &["--arg", &grace, "--arg", period])?;
    let client = &plane.client;
    let delays = Delays { start: Duration::from_millis(100), stop: Duration::from_millis(100), ..Delays::default() };
    let kubelets = Kubelets::start(client, delays);
    for name in [UNREADY, SILENT, REMOVED, WELL] {
        nodes::add(client, &node(name))?;
        for i in 0..PODS {
            client.create("/api/v1/namespaces/default/pods", &pod(&mut luck, name, i))?.ok()?;
        }
    }
    wait(|| Ok(pods(client)?.values().all(|p| p["status"]["phase"] == "Running")))?;
    // The silent node's lease must be there before it is renewed a last time.
    wait(|| Ok(kubelets.silence(client, SILENT).is_ok()))?;
    let silent_since = Instant::now();
    nodes::not_ready(client, UNREADY)?;
    nodes::remove(client, REMOVED)?;

    let mut report = Report::default();
    let mut gone: BTreeMap<String, Instant> = BTreeMap::new();
    let mut tainted: BTreeMap<&str, Instant> = BTreeMap::new();
    let until = Instant::now() + GRACE + Duration::from_secs(LONGEST as u64) + LATE * 2;
    while Instant::now() < until {
        for name in [UNREADY, SILENT] {
            if !tainted.contains_key(name) && has_no_execute(client, name)? {
                tainted.insert(name, Instant::now());
                write_json(directory, &format!("{name}.json"), &dump(client, &[])?)?;
            }
        }
        let there = pods(client)?;
        for name in [UNREADY, SILENT, WELL].iter().flat_map(|n| (0..PODS).map(move |i| pod_name(n, i))) {
            let leaves = there.get(&name).is_none_or(|p| p["metadata"]["deletionTimestamp"].is_string());
            if leaves {
                gone.entry(name).or_insert_with(Instant::now);
            }
        }
        std::thread::sleep(POLL);
    }
    report.moment("the silent node is tainted", GRACE, tainted.get(SILENT).map(|t| *t - silent_since));
    for name in [UNREADY, SILENT] {
        let Some(since) = tainted.get(name) else {
            report.says(false, format!("{name}: the node never got a NoExecute taint"));
            continue;
        };
        for (pod, after) in predicted(&directory.join(format!("{name}.json")), name)? {
            let real = gone.get(&pod).map(|t| t.saturating_duration_since(*since));
            match after.filter(|a| *a <= Duration::from_secs(LONGEST as u64)) {
                Some(after) => report.moment(&format!("{pod} is evicted"), after, real),
                None => report.says(real.is_none(), format!("{pod} should have stayed and left after {real:?}")),
            }
        }
    }
    let well = (0..PODS).filter(|i| gone.contains_key(&pod_name(WELL, *i))).count();
    report.says(well == 0, format!("{well} pods left the node that is well"));
    let removed = client.get(&format!("/api/v1/nodes/{REMOVED}"))?.code;
    report.says(removed == 404, format!("the removed node answers {removed}"));
    Ok(report.compared())
}

/// What was compared, and what differed.
#[derive(Default)]
struct Report {
    tried: usize,
    differences: Vec<String>,
}

impl Report {
    fn says(&mut self, holds: bool, otherwise: String) {
        self.tried += 1;
        if !holds {
            self.differences.push(otherwise);
        }
    }
    /// The real moment must be the predicted one or a little later; never sooner than a poll.
    fn moment(&mut self, what: &str, predicted: Duration, real: Option<Duration>) {
        let holds = real.is_some_and(|r| r + POLL * 4 >= predicted && r <= predicted + LATE);
        self.says(holds, format!("{what}: predicted after {predicted:?}, really {real:?}"));
    }
    fn compared(self) -> Compared {
        Compared {
            about: "nodes that fail: their taints, and which pods leave when".into(),
            tried: self.tried,
            equal: self.tried - self.differences.len(),
            differences: (!self.differences.is_empty()).then(|| self.differences.join("\n")),
        }
    }
}

fn wait(holds: impl Fn() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds()? {
        if Instant::now() > until {
            bail!("the cluster is not ready after 30 s");
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn pods(client: &Client) -> Result<BTreeMap<String, Value>> {
    let all = client.list("/api/v1/namespaces/default/pods")?.0;
    Ok(all.into_iter().map(|p| (p["metadata"]["name"].as_str().unwrap_or_default().to_owned(), p)).collect())
}

fn has_no_execute(client: &Client, node: &str) -> Result<bool> {
    let node = client.get(&format!("/api/v1/nodes/{node}"))?.ok()?;
    Ok(node["spec"]["taints"].as_array().into_iter().flatten().any(|t| t["effect"] == "NoExecute"))
}

/// What our rule says of every pod of a node, from a dump taken when the taint was there.
fn predicted(dump: &Path, node: &str) -> Result<Vec<(String, Option<Duration>)>> {
    let cluster = read_paths(&[dump.to_owned()])?.cluster;
    let (catalog, state) = (&*cluster.catalog, &cluster.state);
    let Some(index) = state.live_nodes().find(|n| state.node_name(catalog, *n) == node) else {
        bail!("{} has no node {node}", dump.display());
    };
    let say = |pod| {
        let pod = &state.pods[pod];
        let after = evicted_after_ms(catalog.shape(pod.spec), &state.nodes[index].taints);
        (state.name(catalog, pod.name).to_owned(), after.map(|ms| Duration::from_millis(ms as u64)))
    };
    Ok(state.nodes[index].pods.iter().copied().map(say).collect())
}

fn node(name: &str) -> Value {
    let size = json!({"cpu": "8", "memory": "16Gi", "pods": "110"});
    json!({
        // Each in a zone of its own: the controllers slow down where a zone loses more than one.
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": name, "topology.kubernetes.io/region": "eu"}},
        "spec": {"taints": []},
        "status": {"capacity": size, "allocatable": size, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn pod_name(node: &str, i: usize) -> String {
    format!("{node}-{i}")
}

fn pod(luck: &mut Luck, node: &str, i: usize) -> Value {
    let mut tolerations = Vec::new();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        if luck.percent(70) {
            let mut toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
            if luck.percent(85) {
                toleration["tolerationSeconds"] = json!(luck.between(-1, LONGEST));
            }
            tolerations.push(toleration);
        }
    }
    if luck.percent(15) {
        tolerations
            .push(json!({"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": luck.between(0, LONGEST)}));
    }
    json!({"metadata": {"name": pod_name(node, i)}, "spec": {
        "nodeName": node, "terminationGracePeriodSeconds": 1, "tolerations": tolerations,
        "containers": [{"name": "c", "image": "i"}],
    }})
}
