//! Lists, page by page.

use super::super::client::{Client, ConnectError, refusal};
use crate::session::api::{named, percent};
use crate::session::{Exchange, Response};
use serde_json::Value;

/// Objects of one page.
const PAGE: u32 = 500;
/// A list whose continuation is too old begins again so often.
const BEGINNINGS: u32 = 5;

/// What became of a list.
pub(super) enum Listed {
    /// The objects, with `apiVersion` and `kind`, and the list's resource version.
    Objects(Vec<Value>, String),
    /// The server does not serve the kind, or we may not read it.
    LeftOut(String),
}

/// Lists a collection.
pub(super) async fn list(
    client: &Client,
    collection: &str,
    api_version: &str,
    kind: &str,
) -> Result<Listed, ConnectError> {
    let failed = |why: String| ConnectError::Request { what: format!("cannot list {kind} ({collection})"), why };
    for _ in 0..BEGINNINGS {
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let path = match token.is_empty() {
                true => format!("{collection}?limit={PAGE}"),
                false => format!("{collection}?limit={PAGE}&continue={}", percent(&token)),
            };
            let mut body = match client.patiently(&Exchange::get(path), true).await {
                Response::Http { status: 200, body, .. } => body,
                // The continuation is older than what the server still has: what was read so far belongs to another moment.
                Response::Http { status: 410, .. } => break,
                Response::Http { status: 404, .. } => {
                    return Ok(Listed::LeftOut("the server does not serve it".into()));
                }
                Response::Http { status: 403, .. } => return Ok(Listed::LeftOut("we may not list it".into())),
                Response::Http { status, body, .. } => return Err(failed(refusal(status, &body))),
                Response::Lost(why) => return Err(failed(why)),
                Response::Exited { .. } => return Err(failed("no answer of an API".into())),
            };
            token = body.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            let version =
                body.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(Value::Array(items)) = body.get_mut("items").map(Value::take) else {
                return Err(failed("the answer is no list".into()));
            };
            objects.extend(items.into_iter().map(|o| named(o, api_version, kind)));
            if token.is_empty() {
                return Ok(Listed::Objects(objects, version));
            }
        }
    }
    Err(failed(format!("its continuation was too old {BEGINNINGS} times; is the server overloaded?")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, ok, runtime, status};
    use serde_json::json;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    async fn pods(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> (Result<Listed, ConnectError>, Vec<String>) {
        let server = Server::answering(answer).await;
        let client = Client::plain(&server.url, Duration::from_secs(5));
        let listed = list(&client, "/api/v1/pods", "v1", "Pod").await;
        (listed, server.requests().iter().filter_map(|r| r.split(' ').nth(1).map(str::to_owned)).collect())
    }

    fn pod(name: &str) -> Value {
        json!({"metadata": {"name": name}})
    }

    #[test]
    fn pages_are_followed_and_a_page_that_is_gone_begins_anew() {
        let times = AtomicU32::new(0);
        let (listed, asked) = runtime().block_on(pods(move |request| {
            if !request.contains("continue=") {
                return ok(&json!({"metadata": {"resourceVersion": "7", "continue": "a=b"}, "items": [pod("x")]}));
            }
            match times.fetch_add(1, Ordering::Relaxed) {
                0 => status(410, "The provided continue parameter is too old"),
                _ => ok(&json!({"metadata": {"resourceVersion": "7"}, "items": [pod("y")]})),
            }
        }));
        let Ok(Listed::Objects(objects, version)) = listed else { panic!("no list") };
        let names: Vec<&str> = objects.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
        assert_eq!((names, version.as_str()), (vec!["x", "y"], "7"));
        assert_eq!(objects[0].to_string(), r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}"#);
        let next = "/api/v1/pods?limit=500&continue=a%3Db";
        assert_eq!(asked, ["/api/v1/pods?limit=500", next, "/api/v1/pods?limit=500", next]);
    }

    #[test]
    fn what_is_not_served_or_not_allowed_is_left_out_and_anything_else_is_an_error() {
        let of = |code: u16| runtime().block_on(pods(move |_| status(code, "no"))).0;
        assert!(matches!(of(404), Ok(Listed::LeftOut(why)) if why.contains("serve")));
        assert!(matches!(of(403), Ok(Listed::LeftOut(why)) if why.contains("may not")));
        let Err(e) = of(401) else { panic!("listed") };
        assert_eq!(
            e.to_string(),
            "cannot list Pod (/api/v1/pods): the API server answers 401 (the credentials are missing, wrong or expired): no"
        );
    }

    #[test]
    fn a_busy_server_is_asked_again() {
        let times = AtomicU32::new(0);
        let (listed, asked) = runtime().block_on(pods(move |_| match times.fetch_add(1, Ordering::Relaxed) {
            0 => status(429, "busy").replacen("\r\n", "\r\nRetry-After: 0\r\n", 1),
            _ => ok(&json!({"metadata": {}, "items": []})),
        }));
        assert!(matches!(listed, Ok(Listed::Objects(o, _)) if o.is_empty()));
        assert_eq!(asked.len(), 2);
    }
}
