//! Metrics of an execution in Prometheus' text form, over a listener that answers nothing else.

use crate::intent::Intent;
use crate::session::{Entry, Record};
use crate::trace::EventKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Duration;

/// So many connections are served at once.
const MOST_CONNECTIONS: usize = 32;
/// A connection that says nothing, or does not take its answer, is closed after so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where no connection can be accepted, it is tried again after so long.
const RETRY: Duration = Duration::from_secs(1);

/// What has been counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches of the plan.
    pub batches: u64,
    /// The batch under way, counted from 1; 0 before the first.
    pub batch: u64,
    /// Batches that ended.
    pub batches_ended: u64,
    /// Old nodes of the plan by how far they are: each counts where it is now, and no other node does.
    pub fates: BTreeMap<String, &'static str>,
    /// Those that were drained: a cordon that was taken back and made again does not change that.
    pub drained: BTreeSet<String>,
    /// Evictions accepted.
    pub accepted: u64,
    /// Evictions refused, each retry counted.
    pub refused: u64,
    /// Requests repeated because an answer was lost.
    pub lost: u64,
    /// The migration is over.
    pub ended: bool,
}

/// Where an old node is before anything was done with it.
const WAITING: &str = "waiting";

impl Counts {
    /// Before anything was done of a plan.
    pub fn of(intent: &Intent) -> Counts {
        let nodes = intent.batches.iter().flatten();
        Counts {
            batches: intent.batches.len() as u64,
            fates: nodes.map(|n| (n.name.clone(), WAITING)).collect(),
            ..Counts::default()
        }
    }
    /// Old nodes at one of these places.
    pub fn at(&self, fates: &[&str]) -> u64 {
        self.fates.values().filter(|f| fates.contains(f)).count() as u64
    }
    /// Takes an entry of the journal.
    pub fn entry(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Happened(event) => {
                let node = event.node.as_deref().unwrap_or_default();
                match event.event {
                    EventKind::NodeDrained => _ = self.drained.insert(node.to_owned()),
                    EventKind::DrainFailed => _ = self.drained.remove(node),
                    _ => {}
                }
                let fate = match event.event {
                    EventKind::NodeCordoned if self.drained.contains(node) => "drained",
                    EventKind::NodeCordoned => "cordoned",
                    EventKind::NodeUncordoned => "uncordoned",
                    EventKind::NodeDrained => "drained",
                    EventKind::DrainFailed => "failed",
                    EventKind::NodeDeleted => "retired",
                    _ => "",
                };
                if let (Some(at), false) = (event.node.as_ref().and_then(|n| self.fates.get_mut(n)), fate.is_empty()) {
                    *at = fate;
                }
                match event.event {
                    EventKind::BatchStarted => self.batch = event.batch.map_or(self.batch, |b| u64::from(b) + 1),
                    EventKind::BatchFinished => self.batches_ended += 1,
                    EventKind::EvictionAccepted => self.accepted += 1,
                    EventKind::EvictionRefused => self.refused += 1,
                    _ => {}
                }
            }
            Record::Answered { answer, .. } if answer.starts_with("lost") => self.lost += 1,
            Record::Ended { .. } => self.ended = true,
            _ => {}
        }
    }

    /// Prometheus' text form.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
            let _ = writeln!(text, "# HELP nodeferry_{name} {help}\n# TYPE nodeferry_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "nodeferry_{name}{labels} {value}");
            }
        };
        one("batches", "gauge", "Batches of the plan.", &[("", self.batches)]);
        one("batch", "gauge", "The batch under way, counted from 1.", &[("", self.batch)]);
        one("batches_ended_total", "counter", "Batches that ended.", &[("", self.batches_ended)]);
        let fates = ["cordoned", "uncordoned", "drained", "failed", "retired", WAITING];
        let nodes: Vec<(String, u64)> = fates.iter().map(|f| (format!("{{fate=\"{f}\"}}"), self.at(&[f]))).collect();
        let nodes: Vec<(&str, u64)> = nodes.iter().map(|(l, n)| (l.as_str(), *n)).collect();
        one("nodes", "gauge", "Old nodes by how far they are.", &nodes);
        let evictions = [("{answer=\"accepted\"}", self.accepted), ("{answer=\"refused\"}", self.refused)];
        one("evictions_total", "counter", "Evictions by their answer, each retry counted.", &evictions);
        one("answers_lost_total", "counter", "Requests of which no answer came.", &[("", self.lost)]);
        one("ended", "gauge", "1 once the migration is over.", &[("", u64::from(self.ended))]);
        text
    }
}

/// A listener that serves the counts.
pub struct MetricsServer {
    counts: Arc<Mutex<Counts>>,
    task: tokio::task::JoinHandle<()>,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens at an address (`127.0.0.1:9100`, `:0` for any port).
    ///
    /// # Errors
    /// An address that cannot be listened at.
    pub async fn start(address: &str, counts: Counts) -> std::io::Result<MetricsServer> {
        let address = if address.starts_with(':') { format!("127.0.0.1{address}") } else { address.to_owned() };
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Mutex::new(counts));
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    // No descriptor is free, or the like: that passes, and to ask at once would take all time.
                    tokio::time::sleep(RETRY).await;
                    continue;
                };
                // Who only holds a connection open must not take the descriptors of the execution: what is too much is closed.
                let Ok(permit) = free.clone().try_acquire_owned() else { continue };
                let text = shared.lock().map(|c| c.text()).unwrap_or_default();
                tokio::spawn(async move {
                    answer(socket, text).await;
                    drop(permit);
                });
            }
        });
        Ok(MetricsServer { counts, task, address })
    }
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// Takes an entry of the journal.
    pub fn entry(&self, entry: &Entry) {
        if let Ok(mut counts) = self.counts.lock() {
            counts.entry(entry);
        }
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut socket: TcpStream, text: String) {
    let mut request = [0u8; 2048];
    let read = socket.read(&mut request);
    let Ok(Ok(n)) = tokio::time::timeout(PATIENCE, read).await else { return };
    let found = request[..n].starts_with(b"GET /metrics ") || request[..n].starts_with(b"GET / ");
    let (status, body) = if found { ("200 OK", text) } else { ("404 Not Found", "see /metrics\n".to_owned()) };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let text = format!("{head}{body}");
    let written = async {
        let _ = socket.write_all(text.as_bytes()).await;
        let _ = socket.shutdown().await;
    };
    let _ = tokio::time::timeout(PATIENCE, written).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::client::Client;
    use crate::live::testing::runtime;
    use crate::session::{Exchange, Response};
    use crate::trace::Event;

    fn happened(kind: EventKind, node: Option<&str>) -> Entry {
        let mut event = Event::new(0, kind);
        (event.node, event.batch) = (node.map(str::to_owned), Some(0));
        Entry { seq: 0, t_ms: 0, record: Record::Happened(Box::new(event)) }
    }

    #[test]
    fn a_node_counts_where_it_is_now() {
        let old = ["a", "b", "c"].map(|n| (n.to_owned(), WAITING));
        let mut counts = Counts { batches: 2, fates: old.into(), ..Counts::default() };
        for entry in [
            happened(EventKind::BatchStarted, None),
            happened(EventKind::NodeCordoned, Some("a")),
            happened(EventKind::NodeCordoned, Some("b")),
            // Another's node, cordoned by another.
            happened(EventKind::NodeCordoned, Some("z")),
            happened(EventKind::EvictionRefused, None),
            happened(EventKind::NodeDrained, Some("a")),
        ] {
            counts.entry(&entry);
        }
        let text = counts.text();
        for line in [
            "nodeferry_batch 1",
            "nodeferry_nodes{fate=\"cordoned\"} 1",
            "nodeferry_nodes{fate=\"drained\"} 1",
            "nodeferry_nodes{fate=\"waiting\"} 1",
            "nodeferry_evictions_total{answer=\"refused\"} 1",
            "# TYPE nodeferry_evictions_total counter",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn they_are_served() {
        runtime().block_on(async {
            let server = MetricsServer::start(":0", Counts::default()).await.unwrap();
            server.entry(&happened(EventKind::EvictionAccepted, None));
            let client = Client::plain(&format!("http://{}", server.address()), std::time::Duration::from_secs(5));
            for (path, status) in [("/metrics", 200), ("/other", 404)] {
                // Prometheus' text is no JSON.
                let answer = client.perform(&Exchange::get(path)).await;
                assert!(matches!(&answer, Response::Foreign(f) if f.status == status), "{path}: {answer:?}");
            }
        });
    }
}
