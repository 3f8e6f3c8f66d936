//! The objects of a watch, decoded by the snapshot's own reader.

use super::super::recording::VerifyError;
use crate::cluster::{BudgetIdx, OwnerIdx, PodState};
use crate::snapshot::{RecordedBudget, Snapshot};
use serde::Deserialize;
use serde_json::Value;

/// An event of a watch.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    /// When it was seen, in milliseconds since 1970.
    t: i64,
    #[serde(rename = "type")]
    kind: Kind,
    object: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Added,
    Modified,
    Deleted,
}

/// What an event shows.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// A pod as it is now.
    Pod {
        state: PodState,
        /// The object is gone.
        gone: bool,
        /// It has the condition that an eviction sets.
        evicted: bool,
    },
    /// An owner's replica count; gone with the owner.
    Owner { owner: OwnerIdx, replicas: Option<i64>, gone: bool },
    /// A budget as it is now, and its resource version.
    Budget { budget: BudgetIdx, read: Box<RecordedBudget>, condition: Condition, version: u64 },
}

/// The condition DisruptionAllowed, and how many pods `disruptedPods` has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) disrupted: usize,
}

/// Decodes a step's events, with their times since the snapshot. What is neither pod, budget nor known owner is left out.
pub(super) fn prepare(snapshot: &mut Snapshot, step: usize, events: &[Event]) -> Result<Vec<(i64, Seen)>, VerifyError> {
    let problem = |text: String| VerifyError::Line { file: "changes".into(), line: step, problem: text };
    let mut seen = Vec::with_capacity(events.len());
    for event in events {
        let now = event.t - snapshot.cluster.catalog.taken_unix_ms;
        let read = match event.object["kind"].as_str() {
            Some("Pod") => pod(snapshot, event).map_err(|e| problem(e.to_string()))?,
            Some("PodDisruptionBudget") => budget(snapshot, event).map_err(|e| problem(e.to_string()))?,
            _ => owner(snapshot, event),
        };
        match read {
            Some(read) => seen.push((now, read)),
            None if event.object["kind"] == "PodDisruptionBudget" => {
                return Err(problem(format!("the dump lacks the budget {}", event.object["metadata"]["name"])));
            }
            None => {}
        }
    }
    Ok(seen)
}

fn pod(snapshot: &mut Snapshot, event: &Event) -> Result<Option<Seen>, crate::snapshot::ReadError> {
    let evicted = |c: &Value| c["type"] == "DisruptionTarget" && c["reason"] == "EvictionByEvictionAPI";
    let evicted = event.object["status"]["conditions"].as_array().is_some_and(|c| c.iter().any(evicted));
    let decoded = snapshot.decode_pods([&event.object])?.pop();
    Ok(decoded.map(|(_, state)| Seen::Pod { state, gone: event.kind == Kind::Deleted, evicted }))
}

fn budget(snapshot: &mut Snapshot, event: &Event) -> Result<Option<Seen>, crate::snapshot::ReadError> {
    let Some(read) = snapshot.decode_budgets([&event.object])?.pop() else { return Ok(None) };
    let budgets = &snapshot.cluster.catalog.budgets;
    let same = |i: &BudgetIdx| (budgets[*i].namespace, budgets[*i].name) == (read.spec.namespace, read.spec.name);
    let Some(budget) = budgets.indices().find(same) else { return Ok(None) };
    let status = &event.object["status"];
    let conditions = status["conditions"].as_array();
    let allowed = conditions.and_then(|c| c.iter().find(|c| c["type"] == "DisruptionAllowed"));
    let text = |key: &str| allowed.and_then(|c| c[key].as_str()).unwrap_or_default().to_owned();
    let condition = Condition {
        status: text("status"),
        reason: text("reason"),
        message: text("message"),
        disrupted: status["disruptedPods"].as_object().map_or(0, serde_json::Map::len),
    };
    let version = event.object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or(0);
    Ok(Some(Seen::Budget { budget, read: Box::new(read), condition, version }))
}

fn owner(snapshot: &Snapshot, event: &Event) -> Option<Seen> {
    let catalog = &snapshot.cluster.catalog;
    let uid = catalog.names.get(event.object["metadata"]["uid"].as_str()?)?;
    let owner = catalog.owners.indices().find(|o| catalog.owners[*o].uid == uid)?;
    let gone = event.kind == Kind::Deleted;
    let replicas = event.object["spec"]["replicas"].as_i64().filter(|_| !gone);
    Some(Seen::Owner { owner, replicas, gone })
}
