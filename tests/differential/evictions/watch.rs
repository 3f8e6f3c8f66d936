//! What happened, in the order of resource versions: watches of pods, budgets and their owners.

use super::definitions::GROUP;
use super::plane::wait;
use super::sentinel::{self, Seen};
use crate::bed::client::Client;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

const PODS: &str = "/api/v1/pods";
const BUDGETS: &str = "/apis/policy/v1/poddisruptionbudgets";

/// Events as they come, and how far each watch has come.
#[derive(Default)]
struct Log {
    events: Vec<(u64, Value)>,
    reached: BTreeMap<String, u64>,
}

/// Watches that run until the control plane goes.
pub struct History {
    log: Arc<Mutex<Log>>,
}

impl History {
    /// Begins now.
    pub fn start(client: &Client) -> Result<History> {
        let history = History { log: Arc::default() };
        let custom = |plural: &str| format!("/apis/{GROUP}/v1/{plural}");
        let apps = |plural: &str| format!("/apis/apps/v1/{plural}");
        let owners =
            [apps("deployments"), apps("replicasets"), apps("statefulsets"), custom("widgets"), custom("relics")];
        let paths = [PODS.to_owned(), BUDGETS.to_owned(), "/api/v1/replicationcontrollers".to_owned()];
        for path in paths.into_iter().chain(owners) {
            let version = client.list(&path)?.1;
            let (client, log) = (client.clone(), history.log.clone());
            std::thread::spawn(move || {
                let Ok(events) = client.watch(&path, &version) else { return };
                for event in events {
                    let Ok(event) = event else { return };
                    note(&log, &path, event);
                }
            });
        }
        Ok(history)
    }
    /// All events since the last call, once the watches have come as far as the controller and the changes of `owners` (path of the
    /// kind and a resource version).
    pub fn take(&self, seen: &Seen, owners: &[(String, u64)]) -> Result<Vec<Value>> {
        let mut goals = vec![(PODS.to_owned(), seen.pod), (BUDGETS.to_owned(), seen.budget)];
        goals.extend(owners.iter().cloned());
        wait("the watches have come as far as the controller", || {
            let Ok(log) = self.log.lock() else { return Ok(false) };
            Ok(goals.iter().all(|(path, version)| log.reached.get(path).is_some_and(|r| r >= version)))
        })?;
        let mut events = match self.log.lock() {
            Ok(mut log) => std::mem::take(&mut log.events),
            Err(_) => Vec::new(),
        };
        events.retain(|(_, e)| e["object"]["metadata"]["namespace"] != sentinel::NAMESPACE);
        events.sort_by_key(|(version, _)| *version);
        Ok(events.into_iter().map(|(_, event)| event).collect())
    }
}

fn note(log: &Mutex<Log>, path: &str, mut event: Value) {
    let t = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let version = version(&event["object"]);
    if let Some(metadata) = event["object"]["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if let Ok(mut log) = log.lock() {
        let event = json!({"t": t, "type": event["type"], "object": event["object"]});
        log.events.push((version, event));
        log.reached.insert(path.to_owned(), version);
    }
}

/// An object's resource version, which etcd counts for all kinds together.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or(0)
}
