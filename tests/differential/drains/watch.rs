//! The watch of pods, written down and followed, so that the moment at which all is whole again is known.

use crate::bed::client::Client;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What counts of a pod.
struct Pod {
    owner: Option<String>,
    node: Option<String>,
    /// Neither finished nor being deleted.
    active: bool,
    ready: bool,
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    events: Vec<(Duration, String, Value)>,
    pods: BTreeMap<String, Pod>,
}

/// A running watch; it ends with its server.
#[derive(Clone)]
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
}

/// Owners that a batch is answerable for, and how many ready pods each must have: as at its start, or as many as it wants if
/// that is less; an owner without a replica count wants as many as it has.
pub struct Marks {
    /// By the topmost owner's uid: ready at the start, replicas wanted.
    owners: BTreeMap<String, (usize, Option<usize>)>,
    /// Topmost owner by a controller's uid, where another controller stands between.
    parents: BTreeMap<String, String>,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn controller(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|o| o["controller"] == true)
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"]
        .as_array()
        .is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

fn is_active(pod: &Value) -> bool {
    !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        && !pod["metadata"]["deletionTimestamp"].is_string()
}

impl Watch {
    /// Lists the pods and follows them from there; times count from `origin`.
    pub fn start(client: &Client, origin: Instant) -> Result<Watch> {
        let watch = Watch { seen: Arc::default() };
        let (pods, version) = client.list("/api/v1/pods")?;
        {
            let mut seen = watch.lock();
            for pod in &pods {
                seen.note("ADDED", pod);
            }
        }
        let events = client.watch("/api/v1/pods", &version)?;
        let mine = watch.clone();
        std::thread::spawn(move || {
            for event in events.map_while(Result::ok) {
                let (t, mut event) = (origin.elapsed(), event);
                let kind = event["type"].as_str().unwrap_or_default().to_owned();
                let mut seen = mine.lock();
                seen.note(&kind, &event["object"]);
                seen.events.push((t, kind, event["object"].take()));
            }
        });
        Ok(watch)
    }
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The lines of `events.jsonl` so far, with times by a clock.
    pub fn lines(&self, clock: impl Fn(Duration) -> f64) -> Vec<Value> {
        self.lock().events.iter().map(|(t, kind, pod)| line(clock(*t), kind, pod)).collect()
    }
    /// Marks the owners of all pods on nodes as ready as they are now; those of DaemonSets and nodes go with the node.
    pub fn mark(&self, client: &Client, nodes: &[String]) -> Result<Marks> {
        let mut wanted = BTreeMap::new();
        let mut parents = BTreeMap::new();
        let mut below = BTreeSet::new();
        for path in [
            "apps/v1/deployments",
            "apps/v1/replicasets",
            "apps/v1/statefulsets",
            "apps/v1/daemonsets",
            "batch/v1/jobs",
        ] {
            for object in client.list(&format!("/apis/{path}"))?.0 {
                owner(&object, &mut wanted, &mut parents, &mut below);
            }
        }
        for object in client.list("/api/v1/replicationcontrollers")?.0 {
            owner(&object, &mut wanted, &mut parents, &mut below);
        }
        let mut marks = Marks { owners: BTreeMap::new(), parents };
        let seen = self.lock();
        for pod in seen.pods.values().filter(|p| p.node.as_ref().is_some_and(|n| nodes.contains(n))) {
            let Some(top) = marks.top(pod).filter(|t| !below.contains(t)) else { continue };
            let ready = seen.ready(&marks, &top).0;
            let wanted = wanted.get(&top).copied().flatten();
            marks.owners.insert(top, (ready, wanted));
        }
        Ok(marks)
    }
    /// Whether all of them are whole.
    pub fn is_whole(&self, marks: &Marks) -> bool {
        let seen = self.lock();
        marks.owners.iter().all(|(owner, (at_start, wanted))| {
            let (ready, active) = seen.ready(marks, owner);
            ready >= *at_start.min(&wanted.unwrap_or(active))
        })
    }
}

fn owner(
    object: &Value,
    wanted: &mut BTreeMap<String, Option<usize>>,
    parents: &mut BTreeMap<String, String>,
    below: &mut BTreeSet<String>,
) {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    if let Some(above) = controller(object).and_then(|o| text(&o["uid"])) {
        parents.insert(uid.to_owned(), above);
    }
    if object["kind"] == "DaemonSet" {
        below.insert(uid.to_owned());
    }
    let replicas = object["spec"]["replicas"].as_u64().and_then(|n| usize::try_from(n).ok());
    wanted.insert(uid.to_owned(), replicas);
}

impl Marks {
    fn top(&self, pod: &Pod) -> Option<String> {
        let owner = pod.owner.as_ref()?;
        Some(self.parents.get(owner).unwrap_or(owner).clone())
    }
}

impl Seen {
    fn note(&mut self, kind: &str, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if kind == "DELETED" {
            self.pods.remove(&uid);
            return;
        }
        let owner = controller(pod).filter(|o| o["kind"] != "Node").and_then(|o| text(&o["uid"]));
        let node = text(&pod["spec"]["nodeName"]);
        self.pods.insert(uid, Pod { owner, node, active: is_active(pod), ready: is_ready(pod) });
    }
    /// How many pods of a topmost owner are ready, and how many are active.
    fn ready(&self, marks: &Marks, owner: &str) -> (usize, usize) {
        let active: Vec<&Pod> =
            self.pods.values().filter(|p| p.active && marks.top(p).as_deref() == Some(owner)).collect();
        (active.iter().filter(|p| p.ready).count(), active.len())
    }
}

fn line(t: f64, kind: &str, pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    json!({
        "t": t, "type": kind, "ns": metadata["namespace"], "pod": metadata["name"], "uid": metadata["uid"],
        "owner": controller(pod).map(|o| o["name"].clone()), "node": pod["spec"]["nodeName"], "phase": pod["status"]["phase"],
        "ready": is_ready(pod), "terminating": metadata["deletionTimestamp"].is_string(),
    })
}
