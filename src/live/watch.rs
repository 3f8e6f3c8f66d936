//! Watches: lines of JSON, one event each, until the server or the network ends them.

use super::client::Client;
use super::secrets;
use crate::session::{Resource, WatchEvent};
use futures::{AsyncBufRead, AsyncBufReadExt};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The server is asked to end a watch after so long; the session then goes on from where it was.
const ASKED_SECONDS: u64 = 120;
/// A watch that is silent for longer than the server was asked to keep it is a dead connection.
const SILENCE: Duration = Duration::from_secs(ASKED_SECONDS + 20);

/// Path of a watch of a whole collection.
fn path(resource: &Resource, resource_version: &str) -> String {
    let collection = resource.collection();
    format!(
        "{collection}?watch=true&allowWatchBookmarks=true&resourceVersion={resource_version}&timeoutSeconds={ASKED_SECONDS}"
    )
}

/// One line.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    object: Value,
}

/// What a line says; None for a kind of event that is unknown.
fn event(line: &[u8]) -> Option<WatchEvent> {
    let line: Line = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(e) => return Some(WatchEvent::Closed(format!("a line of the watch is no JSON: {e}"))),
    };
    match line.kind.as_str() {
        "ADDED" | "MODIFIED" => Some(WatchEvent::Applied(line.object)),
        "DELETED" => Some(WatchEvent::Deleted(line.object)),
        "BOOKMARK" => {
            line.object.pointer("/metadata/resourceVersion")?.as_str().map(|v| WatchEvent::Bookmark(v.into()))
        }
        "ERROR" => Some(WatchEvent::Error {
            code: line.object["code"].as_u64().and_then(|c| u16::try_from(c).ok()).unwrap_or(500),
            message: line.object["message"].as_str().unwrap_or_default().into(),
        }),
        _ => None,
    }
}

fn ends(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Error { .. } | WatchEvent::Closed(_))
}

impl Client {
    /// Watches a collection and hands on every event; returns after the one that ends the watch.
    pub async fn watch(&self, resource: &Resource, resource_version: &str, mut hand_on: impl FnMut(WatchEvent)) {
        let request = http::Request::get(path(resource, resource_version)).body(Vec::new());
        let request = match request {
            Ok(request) => request,
            Err(e) => return hand_on(WatchEvent::Closed(format!("the watch cannot be asked for: {e}"))),
        };
        let answer = match tokio::time::timeout(super::client::TIMEOUT, self.inner().request_stream(request)).await {
            Ok(answer) => answer,
            Err(_) => return hand_on(WatchEvent::Closed("the watch was not answered in time".into())),
        };
        match answer {
            Ok(lines) => read(lines, hand_on).await,
            Err(kube::Error::Api(status)) => {
                hand_on(WatchEvent::Error { code: status.code, message: status.message.clone() });
            }
            Err(e) => hand_on(WatchEvent::Closed(secrets::of_client(&e))),
        }
    }
}

async fn read(lines: impl AsyncBufRead, mut hand_on: impl FnMut(WatchEvent)) {
    let mut lines = std::pin::pin!(lines);
    let mut line = Vec::new();
    loop {
        line.clear();
        let event = match tokio::time::timeout(SILENCE, lines.read_until(b'\n', &mut line)).await {
            Err(_) => WatchEvent::Closed("the watch was silent for too long".into()),
            Ok(Err(e)) => WatchEvent::Closed(format!("the connection of the watch broke: {e}")),
            Ok(Ok(0)) => WatchEvent::Closed(String::new()),
            Ok(Ok(_)) if !line.ends_with(b"\n") => {
                WatchEvent::Closed("the watch ended in the middle of an event".into())
            }
            Ok(Ok(_)) => match event(&line) {
                Some(event) => event,
                None => continue,
            },
        };
        let over = ends(&event);
        hand_on(event);
        if over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, runtime, status};
    use crate::session::api::{NODES, PODS};
    use serde_json::json;

    fn watched(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Vec<WatchEvent>, Vec<String>) {
        runtime().block_on(async {
            let server = Server::answering(answer).await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let mut events = Vec::new();
            client.watch(&PODS, "41", |e| events.push(e)).await;
            (events, server.requests())
        })
    }

    #[test]
    fn each_line_is_an_event_and_the_end_is_one_too() {
        let pod = json!({"metadata": {"name": "web-1", "resourceVersion": "42"}});
        let lines = [
            json!({"type": "ADDED", "object": pod}),
            json!({"type": "DELETED", "object": pod}),
            json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "50"}}}),
        ];
        let body: String = lines.iter().map(|l| format!("{l}\n")).collect();
        let (events, asked) = watched(move |_| format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
        assert!(asked[0].starts_with(
            "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=41&timeoutSeconds=120 HTTP/1.1"
        ));
        let expected = [
            WatchEvent::Applied(pod.clone()),
            WatchEvent::Deleted(pod),
            WatchEvent::Bookmark("50".into()),
            WatchEvent::Closed(String::new()),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn a_version_that_is_too_old_is_told_with_its_code_wherever_it_is_said() {
        let line = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}});
        let expected = [WatchEvent::Error { code: 410, message: "too old".into() }];
        assert_eq!(watched(move |_| format!("HTTP/1.1 200 OK\r\n\r\n{line}\n")).0, expected);
        assert_eq!(watched(|_| status(410, "too old")).0, expected);
    }

    #[test]
    fn half_a_line_is_no_event() {
        let (events, _) = watched(|_| "HTTP/1.1 200 OK\r\n\r\n{\"type\":\"ADDED\",\"object\":{}}".into());
        assert_eq!(events, [WatchEvent::Closed("the watch ended in the middle of an event".into())]);
    }

    #[test]
    fn nodes_have_no_namespace_in_their_path() {
        assert!(path(&NODES, "").starts_with("/api/v1/nodes?watch=true"));
    }
}
