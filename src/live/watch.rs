//! Watches: lines of JSON, one event each, until the server or the network ends them.

use super::client::{Client, bounded, content_type, retry_after};
use super::secrets;
use crate::session::answer::{self, MOST_OF_AN_EVENT, Said};
use crate::session::{Resource, WatchEvent};
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http_body_util::BodyExt;
use kube::client::Body;
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

impl Client {
    /// Watches a collection and hands on every event; returns after the one that ends the watch. Where the credentials are not accepted and others
    /// can be read, it is asked for once more.
    pub async fn watch(&self, resource: &Resource, resource_version: &str, mut hand_on: impl FnMut(WatchEvent)) {
        let (read, mut events) = (self.inner().0, 0);
        let mut refused = None;
        self.watch_once(resource, resource_version, |event| match event {
            WatchEvent::Error { code: 401, .. } if events == 0 => refused = Some(event),
            event => {
                events += 1;
                hand_on(event);
            }
        })
        .await;
        match refused {
            Some(_) if self.renew(read).await => self.watch_once(resource, resource_version, hand_on).await,
            Some(event) => hand_on(event),
            None => {}
        }
    }

    async fn watch_once(&self, resource: &Resource, resource_version: &str, mut hand_on: impl FnMut(WatchEvent)) {
        // A compressed stream would have to be read a piece a time, which not every reader of the library's does.
        let request = http::Request::get(path(resource, resource_version))
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity")
            .body(Body::empty());
        let request = match request {
            Ok(request) => request,
            Err(e) => return hand_on(WatchEvent::Closed(format!("the watch cannot be asked for: {e}"))),
        };
        let answer = match tokio::time::timeout(super::client::TIMEOUT, self.inner().1.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return hand_on(WatchEvent::Closed(secrets::of_client(&e))),
            Err(_) => return hand_on(WatchEvent::Closed("the watch was not answered in time".into())),
        };
        let (head, body) = answer.into_parts();
        let says_other = content_type(&head.headers).is_some_and(|t| !answer::is_json(t));
        match head.status.as_u16() {
            200 if !says_other => read(resource, body, hand_on).await,
            status => hand_on(refused(status, &head.headers, body).await),
        }
    }
}

/// What the answer to a watch is that is no stream of events.
async fn refused(status: u16, headers: &http::HeaderMap, body: Body) -> WatchEvent {
    let read = async {
        match bounded(body, MOST_OF_AN_EVENT).await {
            Ok(Some(bytes)) => answer::read(status, retry_after(headers), content_type(headers), &bytes),
            _ => answer::oversized(status, content_type(headers), MOST_OF_AN_EVENT),
        }
    };
    let Ok(response) = tokio::time::timeout(super::client::TIMEOUT, read).await else {
        return WatchEvent::Closed(format!("the watch was answered {status}, and not to the end"));
    };
    match answer::take(response, "no watch", |_| Err::<(), _>("a single object".into())) {
        Said::Refused(r) => WatchEvent::Error { code: r.code, message: r.message },
        Said::Unknown(u) => WatchEvent::Foreign(u.why),
        Said::Is(()) => WatchEvent::Closed(String::new()),
    }
}

async fn read(resource: &Resource, mut body: Body, mut hand_on: impl FnMut(WatchEvent)) {
    let mut lines = Lines::default();
    loop {
        let last = match tokio::time::timeout(SILENCE, body.frame()).await {
            Err(_) => Some(WatchEvent::Closed("the watch was silent for too long".into())),
            Ok(Some(Err(e))) => {
                Some(WatchEvent::Closed(format!("the connection of the watch broke: {}", secrets::of_client(&e))))
            }
            Ok(None) => Some(lines.end()),
            Ok(Some(Ok(frame))) => {
                lines.add(frame.data_ref().map_or(&[][..], |data| data));
                None
            }
        };
        while let Some(line) = lines.next() {
            let event = match line {
                Ok(line) => answer::event(resource, &line),
                Err(why) => WatchEvent::Foreign(why),
            };
            let over = event.is_last();
            hand_on(event);
            if over {
                return;
            }
        }
        if let Some(last) = last {
            return hand_on(last);
        }
    }
}

/// Lines out of the pieces of a stream.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// So many of them were looked through, and end no line.
    seen: usize,
}

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }
    /// The next line, or why there cannot be one.
    fn next(&mut self) -> Option<Result<Vec<u8>, String>> {
        let Some(at) = self.bytes[self.seen..].iter().position(|b| *b == b'\n').map(|at| at + self.seen) else {
            self.seen = self.bytes.len();
            let too_long = self.seen > MOST_OF_AN_EVENT;
            return too_long.then(|| Err(format!("a line of the watch has more than {} MiB", MOST_OF_AN_EVENT >> 20)));
        };
        let rest = self.bytes.split_off(at + 1);
        self.seen = 0;
        Some(Ok(std::mem::replace(&mut self.bytes, rest)))
    }
    fn end(&self) -> WatchEvent {
        match self.bytes.is_empty() {
            true => WatchEvent::Closed(String::new()),
            false => WatchEvent::Closed("the watch ended in the middle of an event".into()),
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
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "spec": {"containers": []},
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "resourceVersion": "42"}});
        let lines = [
            json!({"type": "ADDED", "object": pod}),
            json!({"type": "DELETED", "object": pod}),
            json!({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "50"}}}),
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
    fn a_page_is_no_watch_whatever_its_status() {
        let page = |head: &str| format!("HTTP/1.1 {head}\r\nContent-Type: text/html\r\n\r\n<html>\nsign in\n</html>\n");
        for head in ["200 OK", "302 Found", "403 Forbidden", "404 Not Found", "503 Unavailable"] {
            let answer = page(head);
            let (events, _) = watched(move |_| answer.clone());
            assert!(
                matches!(&events[..], [WatchEvent::Foreign(why)] if why.contains("text/html")),
                "{head}: {events:?}"
            );
        }
        // Without a content type its lines are read.
        let (events, _) = watched(|_| "HTTP/1.1 200 OK\r\n\r\n<html>\nsign in\n</html>\n".into());
        assert!(matches!(&events[..], [WatchEvent::Foreign(why)] if why.contains("no JSON")), "{events:?}");
    }

    #[test]
    fn what_comes_in_pieces_is_put_together() {
        let mut lines = Lines::default();
        for piece in ["{\"a\":", "1}\n{\"b\"", ":2}\n", "{"] {
            lines.add(piece.as_bytes());
        }
        let next = |lines: &mut Lines| lines.next().map(|l| String::from_utf8(l.expect("a line")).expect("text"));
        assert_eq!(next(&mut lines).as_deref(), Some("{\"a\":1}\n"));
        assert_eq!(next(&mut lines).as_deref(), Some("{\"b\":2}\n"));
        assert_eq!(next(&mut lines), None);
        assert!(matches!(lines.end(), WatchEvent::Closed(why) if why.contains("middle")));
        lines.add(&vec![b' '; MOST_OF_AN_EVENT]);
        assert!(matches!(lines.next(), Some(Err(why)) if why.contains("16 MiB")));
    }

    #[test]
    fn nodes_have_no_namespace_in_their_path() {
        assert!(path(&NODES, "").starts_with("/api/v1/nodes?watch=true"));
    }
}
