//! Whether what happened was right, from what was watched and from what is there in the end; nothing of nodeferry is asked.

use super::cluster::POOL;
use super::executor::START;
use super::watch::{Event, Kind};
use crate::bed::client::Client;
use anyhow::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What was looked at, and what was wrong.
#[derive(Default)]
pub struct Verdict {
    /// How many facts were looked at.
    pub tried: usize,
    /// Those that are wrong.
    pub wrong: Vec<String>,
    /// Figures for people.
    pub said: Vec<String>,
}

impl Verdict {
    /// Notes whether something holds.
    pub fn says(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.tried += 1;
        if !holds {
            self.wrong.push(otherwise());
        }
    }
    /// Takes another's in, under a name.
    pub fn absorb(&mut self, name: &str, other: Verdict) {
        self.tried += other.tried;
        self.wrong.extend(other.wrong.into_iter().map(|w| format!("{name}: {w}")));
        self.said.extend(other.said.into_iter().map(|s| format!("{name}: {s}")));
    }
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

fn is_terminating(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

fn is_healthy(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|c| c["status"] == "True")
        && !is_terminating(pod)
        && pod["status"]["phase"] == "Running"
}

fn is_daemon(pod: &Value) -> bool {
    text(pod, "/metadata/ownerReferences/0/kind") == "DaemonSet"
}

/// How many pods a count or a percentage of so many is, rounded up as the controller does it.
fn count(value: &Value, of: u64) -> Option<u64> {
    match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => Some((s.trim_end_matches('%').parse::<u64>().ok()? * of).div_ceil(100)),
        _ => None,
    }
}

/// The cluster as the events have made it so far.
#[derive(Default)]
struct Replay {
    pods: BTreeMap<String, Value>,
    nodes: BTreeMap<String, Value>,
    budgets: BTreeMap<String, Value>,
    /// For each budget: pods whose disruption its status has allowed while it had one to give.
    granted: BTreeMap<String, BTreeSet<String>>,
    evictions: usize,
    unseen: usize,
}

impl Replay {
    fn budgets_of(&self, pod: &Value) -> Vec<&Value> {
        let app = &pod["metadata"]["labels"]["app"];
        let of = |b: &&Value| {
            b["metadata"]["namespace"] == pod["metadata"]["namespace"]
                && b["spec"]["selector"]["matchLabels"]["app"] == *app
        };
        self.budgets.values().filter(of).collect()
    }
    /// Pods of a budget that are healthy, and how many it demands of those its owners want.
    fn health(&self, budget: &Value, wanted: &BTreeMap<String, u64>) -> (u64, u64) {
        let app = text(budget, "/spec/selector/matchLabels/app");
        let healthy = self.pods.values().filter(|p| text(p, "/metadata/labels/app") == app && is_healthy(p)).count();
        let of = wanted.get(app).copied().unwrap_or(0);
        let spec = &budget["spec"];
        let demanded = match (count(&spec["minAvailable"], of), count(&spec["maxUnavailable"], of)) {
            (Some(n), _) => n,
            (None, Some(n)) => of.saturating_sub(n),
            (None, None) => 0,
        };
        (healthy as u64, demanded)
    }
    fn budget(&mut self, event: &Event) {
        let name = text(&event.object, "/metadata/name").to_owned();
        let before = self.budgets.get(&name);
        let allowed = before.and_then(|b| b["status"]["disruptionsAllowed"].as_i64()).unwrap_or(0);
        // A pod of a StatefulSet may come again before the controller has struck out its name: a new time, then, is a
        // new grant.
        let had = |pod: &str| before.and_then(|b| b["status"]["disruptedPods"].get(pod));
        let now = event.object["status"]["disruptedPods"].as_object().into_iter().flatten();
        let fresh: Vec<String> = now.filter(|(pod, at)| had(pod) != Some(at)).map(|(pod, _)| pod.clone()).collect();
        if allowed > 0 || event.blind {
            self.granted.entry(name.clone()).or_default().extend(fresh);
        }
        self.budgets.insert(name, event.object.clone());
    }
    fn pod(&mut self, event: &Event, rules: &Rules<'_>, verdict: &mut Verdict) {
        let uid = text(&event.object, "/metadata/uid").to_owned();
        let before = self.pods.get(&uid).cloned();
        let leaves =
            before.as_ref().is_some_and(|b| !is_terminating(b)) && (event.gone || is_terminating(&event.object));
        match event.gone {
            true => self.pods.remove(&uid),
            false => self.pods.insert(uid, event.object.clone()),
        };
        match before {
            Some(before) if leaves && event.blind => {
                let _ = before;
                self.unseen += 1;
            }
            Some(before) if leaves => self.leaves(&before, &event.object, rules, verdict),
            _ => {}
        }
    }
    /// A pod is deleted: by an eviction, of a pod that had to go, from a cordoned node, within its budget.
    fn leaves(&mut self, before: &Value, now: &Value, rules: &Rules<'_>, verdict: &mut Verdict) {
        let (name, node) = (text(now, "/metadata/name"), text(now, "/spec/nodeName"));
        let target = condition(now, "DisruptionTarget").map(|c| text(c, "/reason")).unwrap_or_default();
        if is_daemon(now) {
            verdict
                .says(target != "EvictionByEvictionAPI", || format!("{name} of a DaemonSet was evicted from {node}"));
            return;
        }
        verdict.says(target == "EvictionByEvictionAPI", || {
            format!("{name} on {node} was deleted without an eviction ({target:?})")
        });
        self.evictions += 1;
        verdict.says(rules.may_empty(node), || format!("{name} was evicted from {node}, which is not to be drained"));
        let cordoned = self.nodes.get(node).is_some_and(|n| n["spec"]["unschedulable"] == true);
        verdict.says(cordoned, || format!("{name} was evicted from {node}, which is not cordoned"));
        let was_healthy = is_healthy(before);
        for budget in self.budgets_of(now) {
            let of = text(budget, "/metadata/name");
            let (healthy, demanded) = self.health(budget, rules.wanted);
            let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
            if !was_healthy && (always || healthy >= demanded) {
                continue;
            }
            let granted = self.granted.get(of).is_some_and(|g| g.contains(name));
            verdict.says(granted, || format!("{name} was evicted though budget {of} had nothing to give"));
            verdict.says(!was_healthy || healthy >= demanded, || {
                format!("{name}'s eviction left {healthy} healthy pods of budget {of}, which demands {demanded}")
            });
        }
        // A name that comes again (StatefulSets) needs a new grant.
        for granted in self.granted.values_mut() {
            granted.remove(name);
        }
    }
    fn node(&mut self, event: &Event, rules: &Rules<'_>, verdict: &mut Verdict) {
        let name = text(&event.object, "/metadata/name").to_owned();
        let cordoned = event.object["spec"]["unschedulable"] == true;
        let was = self.nodes.get(&name).is_some_and(|n| n["spec"]["unschedulable"] == true);
        if cordoned && !was {
            verdict.says(rules.may_empty(&name), || format!("{name} was cordoned and is none of the old nodes"));
        }
        if event.gone {
            let may_go = rules.may_go.contains(&name) || is_surge_node(&name) && rules.may_empty(&name);
            verdict.says(may_go, || format!("{name} is gone and should not be"));
            let left: Vec<&str> = self
                .pods
                .values()
                .filter(|p| text(p, "/spec/nodeName") == name && !is_daemon(p) && !is_finished(p))
                .map(|p| text(p, "/metadata/name"))
                .collect();
            verdict.says(left.is_empty(), || format!("{name} went with unfinished pods on it: {}", left.join(", ")));
            self.nodes.remove(&name);
        } else {
            self.nodes.insert(name, event.object.clone());
        }
    }
}

fn is_finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// What an execution is allowed to do.
pub struct Rules<'a> {
    /// Nodes that it may cordon and drain.
    pub old: &'a BTreeSet<String>,
    /// Nodes that it may end.
    pub may_go: &'a BTreeSet<String>,
    /// Pods that each label `app` wants.
    pub wanted: &'a BTreeMap<String, u64>,
}

impl Rules<'_> {
    /// Whether a node may be cordoned and drained: an old one, or one that a surge has launched in its pool.
    fn may_empty(&self, node: &str) -> bool {
        let pool = |name: &str| name.split('-').next().map(str::to_owned);
        self.old.contains(node) || is_surge_node(node) && self.old.iter().next().is_some_and(|o| pool(o) == pool(node))
    }
}

/// Whether the provider's command made a node for a surge: its name has the key of the demand.
fn is_surge_node(name: &str) -> bool {
    name.contains("-surge-")
}

/// Goes through all that was seen.
pub fn events(events: &[Event], rules: &Rules<'_>) -> Verdict {
    let (mut replay, mut verdict) = (Replay::default(), Verdict::default());
    for event in events {
        match event.kind {
            Kind::Budget => replay.budget(event),
            Kind::Node => replay.node(event, rules, &mut verdict),
            Kind::Pod => replay.pod(event, rules, &mut verdict),
        }
    }
    let unseen = match replay.unseen {
        0 => String::new(),
        n => format!(", {n} more left while the API server was away from the watch"),
    };
    verdict.said.push(format!("{} evictions watched{unseen}", replay.evictions));
    verdict
}

/// How many pods each label `app` wants, from the workloads that carry it.
pub fn wanted(client: &Client) -> Result<BTreeMap<String, u64>> {
    let mut wanted = BTreeMap::new();
    for (path, key) in WORKLOADS {
        for object in client.list(path)?.0 {
            let replicas = object.pointer(key).and_then(Value::as_u64).unwrap_or(1);
            wanted.insert(text(&object, "/metadata/labels/app").to_owned(), replicas);
        }
    }
    Ok(wanted)
}

/// Where workloads are, and where each says how many pods it wants.
const WORKLOADS: [(&str, &str); 5] = [
    ("/apis/apps/v1/deployments", "/spec/replicas"),
    ("/apis/apps/v1/statefulsets", "/spec/replicas"),
    ("/apis/apps/v1/replicasets", "/spec/replicas"),
    ("/api/v1/replicationcontrollers", "/spec/replicas"),
    ("/apis/batch/v1/jobs", "/spec/parallelism"),
];

/// What must have become of the nodes.
pub enum Promise {
    /// Old nodes are cordoned and empty, all others as they were.
    Drained,
    /// Old nodes are gone.
    Gone,
    /// Old nodes are gone, and as many new ones are in their place.
    Replaced,
    /// Old nodes were reimaged: others have their names and take pods, and nothing else is left of it.
    Reimaged,
    /// Old nodes are either cordoned and empty or as before.
    DrainedOrUntouched,
    /// Nothing has changed.
    Untouched,
}

/// Looks at what is there in the end: nodes as promised, every workload whole.
pub fn end(client: &Client, old: &BTreeSet<String>, promise: &Promise) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let pods = client.list("/api/v1/pods")?.0;
    let nodes = client.list("/api/v1/nodes")?.0;
    let mut drained = 0;
    for node in &nodes {
        let (name, cordoned) = (text(node, "/metadata/name"), node["spec"]["unschedulable"] == true);
        let on = |p: &&Value| text(p, "/spec/nodeName") == name && !is_daemon(p) && !is_finished(p);
        let left = pods.iter().filter(on).count();
        if !old.contains(name) || matches!(promise, Promise::Untouched) {
            verdict.says(!cordoned, || format!("{name} is cordoned and should not be"));
            continue;
        }
        match promise {
            Promise::Gone | Promise::Replaced => verdict.says(false, || format!("{name} is still there")),
            Promise::Reimaged => verdict.says(!cordoned, || format!("{name} was reimaged and is cordoned")),
            Promise::DrainedOrUntouched if !cordoned => verdict.says(true, String::new),
            _ => {
                drained += 1;
                verdict.says(cordoned, || {
                    format!("{name} ({}) is not cordoned", text(node, &format!("/metadata/labels/{POOL}")))
                });
                verdict.says(left == 0, || format!("{name} is cordoned and still has {left} pods"));
            }
        }
    }
    let named = |is: &dyn Fn(&str) -> bool| nodes.iter().filter(|n| is(text(n, "/metadata/name"))).count();
    let (there, surge) = (named(&|n| old.contains(n)), named(&is_surge_node));
    let wanted = match promise {
        Promise::Replaced => Some((0, old.len())),
        Promise::Reimaged => Some((old.len(), 0)),
        _ => None,
    };
    if let Some(wanted) = wanted {
        verdict.says((there, surge) == wanted, || {
            format!("there are {there} old nodes and {surge} that a surge launched, not {wanted:?}")
        });
    }
    verdict.said.push(format!("{drained} of {} old nodes cordoned and empty", old.len()));
    whole(client, &mut verdict)?;
    Ok(verdict)
}

/// Whether all pods that a Job has now are ready. A Job whose pods were evicted makes new ones only after a backoff, which doubles each time:
/// if that ends at this very moment, they get the time that a pod takes to start.
fn job(client: &Client, path: &str, verdict: &mut Verdict) -> Result<()> {
    let until = Instant::now() + 5 * START;
    loop {
        let object = client.get(path)?.ok()?;
        let count = |key: &str| object["status"][key].as_u64().unwrap_or(0);
        let (failed, active, has) =
            (text(&object, "/status/conditions/0/type") == "Failed", count("active"), count("ready"));
        if failed || has == active || Instant::now() > until {
            verdict.says(!failed && has == active, || format!("{path} has {has} ready pods of {active} active ones"));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether every workload has all its pods ready.
fn whole(client: &Client, verdict: &mut Verdict) -> Result<()> {
    for (path, key) in WORKLOADS {
        for object in client.list(path)?.0 {
            let name = text(&object, "/metadata/name");
            if path.ends_with("jobs") {
                job(
                    client,
                    &format!("/apis/batch/v1/namespaces/{}/jobs/{name}", text(&object, "/metadata/namespace")),
                    verdict,
                )?;
                continue;
            }
            let wants = object.pointer(key).and_then(Value::as_u64).unwrap_or(1);
            let has = object["status"]["readyReplicas"].as_u64().unwrap_or(0);
            verdict.says(has == wants, || format!("{name} has {has} ready pods of {wants}"));
        }
    }
    for object in client.list("/apis/apps/v1/daemonsets")?.0 {
        let status = &object["status"];
        let name = text(&object, "/metadata/name");
        verdict.says(status["numberReady"] == status["desiredNumberScheduled"], || {
            format!("{name} has {} ready pods of {}", status["numberReady"], status["desiredNumberScheduled"])
        });
    }
    Ok(())
}
