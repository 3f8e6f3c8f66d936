//! What happens after a dump: watches of nodes and pods for a while, an event a line, and the delays that were seen.

use super::super::client::{Client, ConnectError};
use super::super::clock;
use super::Recorded;
use super::kinds::RECORDED;
use super::list::{Listed, list};
use crate::ops::observed::{Observed, Sight};
use crate::ops::redact::Redaction;
use crate::session::{Resource, WatchEvent};
use serde_json::{Value, json};
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
    let begun = clock::unix_ms();
    for object in &recorded.objects {
        observed.see(0, Sight::Initial, object);
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
        let (kind, mut object) = tokio::select! {
            () = &mut end => break,
            event = events.recv() => match event {
                Some(Ok(event)) => event,
                Some(Err(e)) => return Err(FollowError::Api(e)),
                None => break,
            },
        };
        redaction.apply(&mut object);
        let now = clock::unix_ms();
        let sight = if kind == "DELETED" { Sight::Deleted } else { Sight::Applied };
        observed.see(now - begun, sight, &object);
        serde_json::to_writer(&mut out, &json!({"t": now, "type": kind, "object": object}))
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

type Seen = Result<(&'static str, Value), ConnectError>;

/// Watches a kind again and again from where it was; what happened while a version was too old is lost, and taken up from a new list.
async fn again(client: Client, resource: Resource, mut version: String, send: mpsc::UnboundedSender<Seen>) {
    loop {
        let mut gone = false;
        let mut wait = false;
        client
            .watch(&resource, &version.clone(), |event| {
                let (kind, object) = match event {
                    WatchEvent::Applied(object) => ("MODIFIED", object),
                    WatchEvent::Deleted(object) => ("DELETED", object),
                    WatchEvent::Bookmark(at) => return version = at,
                    WatchEvent::Error { code, .. } => return (gone, wait) = (code == 410, true),
                    WatchEvent::Closed(why) => return wait = !why.is_empty(),
                };
                if let Some(at) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                    version = at.to_owned();
                }
                let _ = send.send(Ok((kind, object)));
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
