//! Lists, page by page.

use super::super::client::{Client, ConnectError, foreign, refusal};
use crate::session::Exchange;
use crate::session::answer::{self, Said};
use crate::session::api::{named, percent};
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
    // Every API server serves the kinds without a group; who says otherwise is none.
    let is_optional = api_version.contains('/');
    for _ in 0..BEGINNINGS {
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let path = match token.is_empty() {
                true => format!("{collection}?limit={PAGE}"),
                false => format!("{collection}?limit={PAGE}&continue={}", percent(&token)),
            };
            let otherwise = format!("no {kind}List");
            let read = |r| answer::take(r, &otherwise, |body| answer::items(api_version, kind, body));
            let (items, version, next) = match client.patiently(&Exchange::get(path), true, read).await {
                Said::Is(page) => page,
                // The continuation is older than what the server still has: what was read so far belongs to another moment.
                Said::Refused(r) if r.code == 410 => break,
                Said::Refused(r) if r.code == 404 && r.reason == "NotFound" && is_optional => return Ok(not_served()),
                Said::Refused(r) if r.code == 403 => return Ok(Listed::LeftOut("we may not list it".into())),
                Said::Refused(r) => return Err(failed(refusal(&r))),
                Said::Unknown(u) if u.page_not_found && is_optional => return Ok(not_served()),
                Said::Unknown(u) => return Err(failed(foreign(u))),
            };
            if !next.is_empty() && next == token {
                return Err(failed(
                    "a page continues where it began; does a cache stand before the API server?".into(),
                ));
            }
            token = next;
            objects.extend(items.into_iter().map(|o| named(o, api_version, kind)));
            if token.is_empty() {
                return Ok(Listed::Objects(objects, version));
            }
        }
    }
    Err(failed(format!("its continuation was too old {BEGINNINGS} times; is the server overloaded?")))
}

fn not_served() -> Listed {
    Listed::LeftOut("the server does not serve it".into())
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
    fn a_kind_of_a_group_may_not_be_served_and_pods_always_are() {
        let of = |api_version: &'static str, kind: &'static str, answer: &'static str| {
            runtime().block_on(async move {
                let server = Server::answering(|_| answer.into()).await;
                let client = Client::plain(&server.url, Duration::from_secs(5));
                list(&client, "/x", api_version, kind).await
            })
        };
        let plain =
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\n404 page not found\n";
        let page = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
        assert!(matches!(of("karpenter.sh/v1", "NodePool", plain), Ok(Listed::LeftOut(why)) if why.contains("serve")));
        assert!(of("karpenter.sh/v1", "NodePool", page).is_err(), "a page is nobody's word");
        assert!(of("v1", "Pod", plain).is_err());
    }

    #[test]
    fn a_login_page_is_no_list_and_a_second_page_of_the_list_neither() {
        let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html>sign in";
        for first_too in [true, false] {
            let (listed, asked) =
                runtime().block_on(pods(move |request| match request.contains("continue=") || first_too {
                    true => page.to_owned(),
                    false => ok(&json!({"metadata": {"resourceVersion": "7", "continue": "c"}, "items": [pod("x")]})),
                }));
            let Err(e) = listed else { panic!("a list") };
            let e = e.to_string();
            assert!(
                e.starts_with("cannot list Pod (/api/v1/pods): the answer is no PodList: 200 text/html, 13 bytes"),
                "{e}"
            );
            assert!(e.contains("proxy"), "{e}");
            assert!(asked.len() >= 6, "it is asked again: {asked:?}");
        }
    }

    #[test]
    fn a_page_that_passes_is_waited_for() {
        let times = AtomicU32::new(0);
        let (listed, _) = runtime().block_on(pods(move |_| match times.fetch_add(1, Ordering::Relaxed) {
            0 => "HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>".into(),
            1 => ok(&json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []})),
            _ => ok(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [pod("x")]})),
        }));
        assert!(matches!(listed, Ok(Listed::Objects(o, _)) if o.len() == 1));
    }

    #[test]
    fn what_is_not_allowed_is_left_out_and_anything_else_is_an_error() {
        let of = |code: u16| runtime().block_on(pods(move |_| status(code, "no"))).0;
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
            _ => ok(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []})),
        }));
        assert!(matches!(listed, Ok(Listed::Objects(o, _)) if o.is_empty()));
        assert_eq!(asked.len(), 2);
    }
}
