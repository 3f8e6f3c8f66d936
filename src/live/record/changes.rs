//! What happens after a dump: watches of nodes and pods for a while, an event a line, and the delays that were seen.

use super::super::client::{Client, ConnectError};
use super::super::clock;
use super::Recorded;
use super::kinds::RECORDED;
use super::list::{Listed, list};
use crate::live::record::observed::{Observed, Sight};
use crate::live::redact::Redaction;
use crate::session::{Resource, WatchEvent};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc;

/// Kinds that are watched: pods, nodes, and the claims from which Karpenter makes nodes.
const WATCHED: &[&str] = &["pods", "nodes", "nodeclaims"];

/// Watches for so long and writes `{"t":…,"type":…,"object":…}` lines, `t` in milliseconds since 1970.
///
/// # Errors
/// A file that cannot be written, or a list that fails after a watch was too old.
pub async fn follow(
    client: &Client,
    recorded: &Recorded,
    redaction: &Redaction,
    lasting: Duration,
    mut out: impl Write,
) -> Result<Observed, FollowError> {
    let mut observed = Observed::default();
    let mut known = Known::default();
    let begun = clock::unix_ms();
    for object in &recorded.objects {
        observed.see(0, Sight::Initial, object);
        known.see(Sight::Applied, object);
    }
    let (send, mut events) = mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    for resource in RECORDED.iter().filter(|r| WATCHED.contains(&r.plural)) {
        if let Some(version) = recorded.versions.get(resource.plural) {
            tasks.spawn(again(client.clone(), *resource, version.clone(), send.clone()));
        }
    }
    drop(send);
    let end = tokio::time::sleep(lasting);
    tokio::pin!(end);
    loop {
        let (sight, mut object) = tokio::select! {
            () = &mut end => break,
            event = events.recv() => match event {
                Some(Ok(event)) => event,
                Some(Err(e)) => return Err(FollowError::Api(e)),
                None => break,
            },
        };
        redaction.apply(&mut object);
        let now = clock::unix_ms();
        observed.see(now - begun, sight, &object);
        serde_json::to_writer(&mut out, &json!({"t": now, "type": known.see(sight, &object), "object": object}))
            .map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(observed)
}

/// Why the watching ended early.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The API.
    #[error(transparent)]
    Api(#[from] ConnectError),
    /// The file.
    #[error("cannot write what the watches show: {0}")]
    Io(#[from] std::io::Error),
}

/// uids of the objects that there are.
#[derive(Default)]
struct Known(BTreeSet<String>);

impl Known {
    /// The word of the wire for what was seen of an object. That a watch began anew is none of the reader's business: what was known
    /// before is not added.
    fn see(&mut self, sight: Sight, object: &Value) -> &'static str {
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        match sight {
            Sight::Deleted => {
                self.0.remove(uid);
                "DELETED"
            }
            _ if self.0.insert(uid.to_owned()) => "ADDED",
            _ => "MODIFIED",
        }
    }
}

type Seen = Result<(Sight, Value), ConnectError>;

/// Watches a kind again and again from where it was; what happened while a version was too old is lost, and taken up from a new list.
async fn again(client: Client, resource: Resource, mut version: String, send: mpsc::UnboundedSender<Seen>) {
    loop {
        let mut gone = false;
        let mut wait = false;
        client
            .watch(&resource, &version.clone(), |event| {
                let (sight, object) = match event {
                    WatchEvent::Applied(object) => (Sight::Applied, object),
                    WatchEvent::Deleted(object) => (Sight::Deleted, object),
                    WatchEvent::Bookmark(at) => return version = at,
                    WatchEvent::Error { code, .. } => return (gone, wait) = (code == 410, true),
                    WatchEvent::Closed(why) => return wait = !why.is_empty(),
                    WatchEvent::Foreign(_) => return wait = true,
                };
                if let Some(at) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                    version = at.to_owned();
                }
                let _ = send.send(Ok((sight, object)));
            })
            .await;
        if gone {
            match list(&client, &resource.collection(), resource.api_version, resource.kind).await {
                Ok(Listed::Objects(_, at)) => version = at,
                Ok(Listed::LeftOut(_)) => return,
                Err(e) => return drop(send.send(Err(e))),
            }
        }
        if wait {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, runtime};

    #[test]
    fn what_comes_changes_and_goes_is_written_in_the_words_of_the_wire() {
        let node = |uid: &str, version: u32| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": uid, "uid": uid, "resourceVersion": version.to_string()}});
        let line = |kind: &str, object: Value| format!("{}\n", json!({"type": kind, "object": object}));
        let body: String = [
            // A watch that begins without a version tells of all there is as added.
            line("ADDED", node("old", 2)),
            line("ADDED", node("new", 3)),
            line("MODIFIED", node("new", 4)),
            line("DELETED", node("new", 5)),
        ]
        .concat();
        let recorded = Recorded {
            objects: vec![node("old", 1)],
            versions: [("nodes", "1".to_owned())].into(),
            ..Recorded::default()
        };
        let mut out = Vec::new();
        runtime().block_on(async {
            let server = Server::answering(move |request| match request.contains("resourceVersion=1&") {
                true => format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
                false => "HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n".to_owned(),
            })
            .await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let lasting = Duration::from_millis(700);
            follow(&client, &recorded, &Redaction::default(), lasting, &mut out).await.expect("it is written");
        });
        let lines = String::from_utf8(out).expect("text");
        let said: Vec<String> = lines
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).expect("JSON"))
            .map(|v| {
                format!(
                    "{} {}",
                    v["type"].as_str().expect("a type"),
                    v["object"]["metadata"]["name"].as_str().expect("a name")
                )
            })
            .collect();
        assert_eq!(said, ["MODIFIED old", "ADDED new", "MODIFIED new", "DELETED new"], "{lines}");
    }
}
