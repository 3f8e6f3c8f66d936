//! Kubernetes Events on nodes: what was done to a node is seen by `kubectl describe node`, too.
//!
//! Best effort: they are sent beside the session, are never waited for, and a queue that is full drops them.

use super::client::Client;
use super::clock;
use crate::runner::is_left_reason;
use crate::session::{Entry, Exchange, Method, Record};
use crate::snapshot::time::format_rfc3339;
use crate::trace::{Event, EventKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Where Events about objects without a namespace belong.
pub const NAMESPACE: &str = "default";
/// Events that wait to be sent; more are dropped.
const QUEUE: usize = 256;
/// A pause is said at so many of the nodes that wait.
const MOST_PAUSED: usize = 10;
/// In the end they may take so long.
const LAST: Duration = Duration::from_secs(3);

/// Sends Events about an execution's nodes.
pub struct NodeEvents {
    send: Option<mpsc::Sender<Value>>,
    task: JoinHandle<()>,
    execution: String,
    /// uids of the old nodes, by name.
    uids: BTreeMap<String, String>,
    /// Old nodes that are cordoned, and not drained yet.
    open: BTreeSet<String>,
    sent: u64,
}

impl NodeEvents {
    /// Begins; `uids` are the old nodes' by name. Must be called within a runtime.
    pub fn new(client: Client, execution: &str, uids: BTreeMap<String, String>) -> NodeEvents {
        let (send, mut queue) = mpsc::channel(QUEUE);
        let task = tokio::spawn(async move {
            while let Some(body) = queue.recv().await {
                let path = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events");
                client.perform(&Exchange { method: Method::Post, path, body: Some(body) }).await;
            }
        });
        NodeEvents { send: Some(send), task, execution: execution.into(), uids, open: BTreeSet::new(), sent: 0 }
    }

    /// Sends what an entry tells of a node, if anything.
    pub fn entry(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Happened(event) => {
                // Of nodes that are not the plan's, others have something to tell.
                let Some(node) = event.node.as_ref().filter(|n| self.uids.contains_key(*n)) else { return };
                match event.event {
                    EventKind::NodeCordoned => _ = self.open.insert(node.clone()),
                    EventKind::NodeDrained | EventKind::NodeUncordoned | EventKind::NodeDeleted => {
                        self.open.remove(node);
                    }
                    _ => {}
                }
                if let Some(told) = told(event) {
                    self.send(node, &told);
                }
            }
            // It may be that not even this is allowed any more.
            Record::Paused { why: Some(why) } => {
                let note = format!("The migration is paused: {why}");
                let told = Told { reason: "NodeferryPaused", action: "Pause", warning: true, note };
                // Where none is cordoned and waits, one of the plan stands for all.
                let nodes =
                    if self.open.is_empty() { self.uids.keys().take(1).cloned().collect() } else { self.open.clone() };
                for node in nodes.iter().take(MOST_PAUSED) {
                    self.send(node, &told);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, node: &str, told: &Told) {
        let (Some(uid), Some(send)) = (self.uids.get(node), &self.send) else { return };
        self.sent += 1;
        let body = body(&self.execution, self.sent, clock::unix_ms(), node, uid, told);
        let _ = send.try_send(body);
    }

    /// Waits a moment for those that are on their way.
    pub async fn finish(mut self) {
        self.send = None;
        let abort = self.task.abort_handle();
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            abort.abort();
        }
    }
}

/// What an Event says.
struct Told {
    reason: &'static str,
    action: &'static str,
    warning: bool,
    note: String,
}

fn told(event: &Event) -> Option<Told> {
    event.node.as_ref()?;
    let batch = event.batch.map(|b| format!(" (batch {})", b + 1)).unwrap_or_default();
    let why = event.message.as_deref().or(event.reason.as_deref()).map(|m| format!(": {m}")).unwrap_or_default();
    let said = event.message.as_deref().unwrap_or("needs a person to look at it");
    let of = |reason, action, warning, note: String| Some(Told { reason, action, warning, note });
    match event.event {
        EventKind::NodeCordoned => of("NodeferryCordoned", "Cordon", false, format!("Cordoned to be migrated{batch}")),
        EventKind::NodeUncordoned => {
            of("NodeferryUncordoned", "Uncordon", false, format!("Made schedulable again{why}"))
        }
        EventKind::NodeDrained => {
            of("NodeferryDrained", "Drain", false, format!("All that had to leave it has left{batch}"))
        }
        EventKind::DrainFailed if event.reason.as_deref().is_some_and(is_left_reason) => {
            of("NodeferryDrainFailed", "Drain", true, format!("Does not count as replaced{batch}{why}"))
        }
        EventKind::DrainFailed => {
            of("NodeferryDrainFailed", "Drain", true, format!("Could not be drained{batch}{why}"))
        }
        EventKind::NodeWarning => of("NodeferryWarning", "Look", true, format!("This node{batch} {said}")),
        EventKind::NodeDeleted => of("NodeferryRetired", "Retire", false, format!("Given back{batch}")),
        _ => None,
    }
}

fn body(execution: &str, count: u64, unix_ms: i64, node: &str, uid: &str, told: &Told) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        // Named after the execution and a counter of this process, as client-go names them after a time.
        "metadata": {"name": format!("{execution}.{unix_ms:x}.{count}"), "namespace": NAMESPACE},
        "eventTime": format_rfc3339(unix_ms, 6),
        "reportingController": "nodeferry", "reportingInstance": execution,
        "action": told.action, "reason": told.reason,
        "type": if told.warning { "Warning" } else { "Normal" },
        // An Event's note has at most 1024 bytes.
        "note": told.note.chars().take(250).collect::<String>(),
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, ok, runtime};

    fn happened(kind: EventKind, node: &str) -> Entry {
        let mut event = Event::new(5, kind);
        (event.node, event.batch, event.message) = (Some(node.into()), Some(1), Some("a budget".into()));
        Entry { seq: 1, t_ms: 5, record: Record::Happened(Box::new(event)) }
    }

    #[test]
    fn what_happens_to_nodes_is_sent_and_nothing_else() {
        let sent = runtime().block_on(async {
            let server = Server::answering(|_| ok(&json!({}))).await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let mut events = NodeEvents::new(client, "run-1", [("old-1".to_owned(), "u-1".to_owned())].into());
            events.entry(&happened(EventKind::DrainFailed, "old-1"));
            events.entry(&happened(EventKind::PodReady, "old-1"));
            events.entry(&happened(EventKind::NodeCordoned, "another-pool-1"));
            events.finish().await;
            server.requests()
        });
        assert_eq!(sent.len(), 1);
        assert!(sent[0].starts_with("POST /apis/events.k8s.io/v1/namespaces/default/events "));
        let body: Value = serde_json::from_str(sent[0].split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["regarding"]["uid"], "u-1");
        assert_eq!(
            (&body["type"], &body["note"]),
            (&json!("Warning"), &json!("Could not be drained (batch 2): a budget"))
        );
    }

    #[test]
    fn a_pause_is_said_at_the_nodes_that_wait() {
        let sent = runtime().block_on(async {
            let server = Server::answering(|_| ok(&json!({}))).await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let uids = ["old-1", "old-2", "old-3"].map(|n| (n.to_owned(), format!("u-{n}")));
            let mut events = NodeEvents::new(client, "run-1", uids.into());
            for (kind, node) in [
                (EventKind::NodeCordoned, "old-1"),
                (EventKind::NodeCordoned, "old-2"),
                (EventKind::NodeDrained, "old-2"),
            ] {
                events.entry(&happened(kind, node));
            }
            let why = Some("the API server does not let us evict pod a".to_owned());
            events.entry(&Entry { seq: 4, t_ms: 9, record: Record::Paused { why } });
            events.entry(&Entry { seq: 5, t_ms: 9, record: Record::Paused { why: None } });
            events.finish().await;
            server.requests()
        });
        let paused: Vec<&String> = sent.iter().filter(|r| r.contains("NodeferryPaused")).collect();
        assert_eq!(paused.len(), 1, "{sent:?}");
        assert!(paused[0].contains("u-old-1") && paused[0].contains("does not let us evict pod a"), "{paused:?}");
    }
}
