//! Answers that are none: what somebody between us and the API server says in its place. A proxy whose login has expired
//! answers everything with a page; one that filters leaves objects out of lists; connections are cut in the middle.

use super::luck::{Fate, Luck};
use crate::cluster::draw::Draws;
use crate::runner::Ms;
use crate::session::answer;
use crate::session::{Method, Request, Resource, Response, WatchEvent};
use serde_json::{Value, json};

/// What is said instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// 200 and a page.
    Page,
    /// 200 and JSON of somebody else.
    Stranger,
    /// The truth, cut off at so many thousandths of its length.
    Cut(u16),
    /// The truth with some bytes changed, lost or doubled, by this number. Drawn by tests only: where a byte is changed
    /// within a text, nothing tells it from the truth.
    Garbled(u64),
    /// The truth, under another content type.
    Mistyped,
    /// The list without its items, the object without its metadata.
    Hollow,
    /// An object, or a list, of another kind.
    OtherKind,
    /// The list with nothing in it: a proxy that shows us none of the objects.
    Emptied,
    /// More than anybody would read.
    Endless,
    /// 302 to a login page.
    Redirect,
    /// 404 and a page.
    PageNotFound,
    /// 404 in the words of an API server that serves nothing at the path, as other servers in Go say it too.
    NoSuchPath,
    /// 401 or 403 and a page.
    Denied(u16),
    /// 502 or 503 and a page.
    Maintenance(u16),
}

/// Which requests a span of lies is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    All,
    /// All that read.
    Reads,
    /// All that write.
    Writes,
    /// Lists.
    Lists,
    /// Lists of one node's pods.
    NodeLists,
    /// Single objects.
    Objects,
    /// Watches.
    Watches,
}

/// A time in which something else answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Until this moment.
    pub until: Ms,
    /// What it answers.
    pub reach: Reach,
    /// How; None for another way each time.
    pub lie: Option<Lie>,
}

const PAGE: &str =
    "<!doctype html>\n<html><head><title>Sign in</title></head><body>Your session has expired.</body></html>";
const ALL: [Reach; 7] =
    [Reach::All, Reach::Reads, Reach::Writes, Reach::Lists, Reach::NodeLists, Reach::Objects, Reach::Watches];

impl Lie {
    /// One by a number.
    pub fn of(number: u64) -> Lie {
        let rest = number / 16;
        match number % 16 {
            0 | 1 => Lie::Page,
            2 => Lie::Stranger,
            3 | 4 => Lie::Cut((rest % 1000) as u16),
            5 => Lie::Mistyped,
            6 | 7 => Lie::Hollow,
            8 => Lie::OtherKind,
            9 | 10 => Lie::Emptied,
            11 => Lie::Endless,
            12 => Lie::Redirect,
            13 => [Lie::PageNotFound, Lie::NoSuchPath][(rest % 2) as usize],
            14 => Lie::Denied([401, 403][(rest % 2) as usize]),
            _ => Lie::Maintenance([502, 503][(rest % 2) as usize]),
        }
    }

    /// What is answered; `truth` is what the server itself says, if it was asked.
    pub fn told(self, truth: Option<&Response>) -> Response {
        let page = |status| answer::read(status, None, Some("text/html; charset=utf-8"), PAGE.as_bytes());
        let json = |body: Value| Response::Http { status: 200, retry_after_ms: None, body };
        let Some(Response::Http { status, retry_after_ms, body }) = truth else { return self.untrue() };
        match self {
            Lie::Cut(thousandths) => {
                let bytes = body.to_string().into_bytes();
                // All but the last byte is as good as any other part.
                let kept = (bytes.len() * usize::from(thousandths) / 1000).min(bytes.len().saturating_sub(1));
                answer::read(*status, *retry_after_ms, Some("application/json"), &bytes[..kept])
            }
            Lie::Garbled(number) => {
                let bytes = garbled(body.to_string().into_bytes(), number);
                answer::read(*status, *retry_after_ms, Some("application/json"), &bytes)
            }
            Lie::Mistyped => answer::read(*status, None, Some("text/plain"), body.to_string().as_bytes()),
            Lie::Hollow => {
                let mut hollow = body.clone();
                if let Some(fields) = hollow.as_object_mut() {
                    for field in ["items", "status", "metadata"] {
                        fields.shift_remove(field);
                    }
                }
                if let Some(metadata) = body.get("metadata").filter(|_| body["items"].is_array()) {
                    hollow["metadata"] = metadata.clone();
                }
                json(hollow)
            }
            Lie::OtherKind => {
                let list = if body["items"].is_array() { "List" } else { "" };
                let mut other = body.clone();
                other["kind"] = format!("ConfigMap{list}").into();
                other["apiVersion"] = "v1".into();
                json(other)
            }
            Lie::Emptied if body["items"].is_array() => {
                let mut emptied = body.clone();
                emptied["items"] = json!([]);
                if let Some(metadata) = emptied["metadata"].as_object_mut() {
                    for field in ["continue", "remainingItemCount"] {
                        metadata.shift_remove(field);
                    }
                }
                json(emptied)
            }
            Lie::Emptied => page(200),
            other => other.untrue(),
        }
    }

    /// What is answered by one who knows nothing of the truth.
    fn untrue(self) -> Response {
        let page = |status| answer::read(status, None, Some("text/html; charset=utf-8"), PAGE.as_bytes());
        let json = |body: Value| Response::Http { status: 200, retry_after_ms: None, body };
        match self {
            Lie::Stranger => json(json!({"error": "login_required", "error_description": "the session has expired"})),
            Lie::Hollow => json(json!({})),
            Lie::OtherKind => json(json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "login"}})),
            Lie::Endless => answer::oversized(200, Some("application/json"), 256 << 20),
            Lie::Redirect => page(302),
            Lie::PageNotFound => page(404),
            Lie::NoSuchPath => answer::read(404, None, Some("text/plain; charset=utf-8"), b"404 page not found\n"),
            Lie::Denied(status) | Lie::Maintenance(status) => page(status),
            Lie::Page | Lie::Cut(_) | Lie::Garbled(_) | Lie::Mistyped | Lie::Emptied => page(200),
        }
    }

    /// What a watch that is answered so brings.
    pub fn watched(self, resource: &Resource) -> WatchEvent {
        let line = match self.untrue() {
            Response::Http { body, .. } if self == Lie::OtherKind => {
                json!({"type": "ADDED", "object": body}).to_string()
            }
            Response::Http { body, .. } => body.to_string(),
            _ => PAGE.lines().next().unwrap_or_default().to_owned(),
        };
        answer::event(resource, line.as_bytes())
    }
}

impl Reach {
    /// Whether a request is among them.
    fn takes(self, request: &Request) -> bool {
        let exchange = match request {
            Request::Api(exchange) => exchange,
            Request::Watch { .. } => return matches!(self, Reach::All | Reach::Reads | Reach::Watches),
            Request::Run(_) => return false,
        };
        let reads = exchange.method == Method::Get;
        let lists = reads && exchange.path.contains("limit=");
        match self {
            Reach::All => true,
            Reach::Reads => reads,
            Reach::Writes => !reads,
            Reach::Lists => lists,
            Reach::NodeLists => lists && exchange.path.contains("fieldSelector="),
            Reach::Objects => reads && !lists,
            Reach::Watches => false,
        }
    }
}

impl Span {
    /// A span by a number.
    pub fn of(until: Ms, number: u64) -> Span {
        let reach = ALL[(number % ALL.len() as u64) as usize];
        let rest = number / ALL.len() as u64;
        Span { until, reach, lie: rest.is_multiple_of(2).then(|| Lie::of(rest / 2)) }
    }
    /// What it brings to the watches that are open when it begins; None if it leaves them alone.
    pub fn breaks_watches(&self) -> Option<Lie> {
        let takes = matches!(self.reach, Reach::All | Reach::Reads | Reach::Watches);
        // A stream that is open may outlive the login that it was opened with.
        self.lie.filter(|_| takes && self.until % 2 == 0)
    }
    /// What becomes of a request that arrives in it.
    pub fn fate(&self, luck: &mut Luck, now: Ms, request: &Request) -> Option<Fate> {
        (now < self.until && self.reach.takes(request)).then(|| lied(luck, request, self.lie))
    }
}

/// Bytes of which some are not as they were.
fn garbled(mut bytes: Vec<u8>, number: u64) -> Vec<u8> {
    let draws = Draws::new(number);
    let draw = |what: &str, below: usize| draws.below("garbled", what, 0, below.max(1) as u64) as usize;
    if bytes.is_empty() {
        return bytes;
    }
    let at = draw("at", bytes.len());
    let end = (at + 1 + draw("length", 40)).min(bytes.len());
    match draw("how", 6) {
        0 => bytes[at] ^= 1 << draw("bit", 8),
        1 => bytes[at] = b' ' + draw("byte", 95) as u8,
        2 => drop(bytes.drain(at..end)),
        3 => {
            let doubled = bytes[at..end].to_vec();
            bytes.splice(at..at, doubled);
        }
        4 => bytes[at..end].reverse(),
        _ => {
            if let Some(digit) = bytes[at..].iter_mut().find(|b| b.is_ascii_digit()) {
                *digit = b'0' + draw("digit", 10) as u8;
            }
        }
    }
    bytes
}

/// What becomes of a request that is answered by somebody else: now and then one is.
pub fn single(luck: &mut Luck, request: &Request) -> Option<Fate> {
    let name = match request {
        Request::Api(e) => format!("lie {} {}", e.method.text(), e.path.split('?').next().unwrap_or_default()),
        Request::Watch { resource, .. } => format!("lie watch {}", resource.plural),
        Request::Run(_) => return None,
    };
    luck.strikes(&name, 50_000).then(|| lied(luck, request, None))
}

fn lied(luck: &mut Luck, request: &Request, lie: Option<Lie>) -> Fate {
    let lie = lie.unwrap_or_else(|| Lie::of(luck.between("lie which", 0, u64::MAX)));
    // Who answers in the server's place may have asked it first.
    let writes = matches!(request, Request::Api(e) if e.writes());
    Fate::Lied { lie, served: !writes || luck.between("lie served", 0, 1) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::status;
    use crate::session::Exchange;
    use crate::session::answer::{Answered, Wanted};
    use crate::session::api::{FOLLOWED, NODES, PODS};
    use std::collections::BTreeSet;

    fn truth(request: &Request) -> Response {
        let Request::Api(e) = request else { panic!("a watch") };
        let meta = |name: &str| json!({"name": name, "namespace": "d", "uid": "u", "resourceVersion": "7"});
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": meta("a"),
            "spec": {"nodeName": "n", "containers": []}, "status": {}});
        match (e.method, e.path.contains("limit=")) {
            (Method::Get, true) => status::http(
                200,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [pod]}),
            ),
            (Method::Get, false) => status::http(200, pod),
            _ => status::success(201),
        }
    }

    #[test]
    fn no_lie_but_an_emptied_list_passes_for_an_answer() {
        let post = |path: &str| Exchange { method: Method::Post, path: path.into(), body: Some(json!({})) };
        let requests = [
            Exchange::get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn&limit=500"),
            Exchange::get("/api/v1/namespaces/d/pods/a"),
            post("/api/v1/namespaces/d/pods/a/eviction"),
        ]
        .map(Request::Api);
        let mut seen = BTreeSet::new();
        for number in 0..20_000 {
            let lie = Lie::of(number);
            for request in &requests {
                let wanted = Wanted::of(request);
                let honest = truth(request);
                assert!(!matches!(wanted.read(honest.clone()), Answered::Unknown(_)), "the truth is an answer");
                for truth in [Some(&honest), None] {
                    match wanted.read(lie.told(truth)) {
                        Answered::Unknown(_) => {}
                        Answered::Page(page) => assert!(lie == Lie::Emptied && page.items.is_empty(), "{lie:?}"),
                        Answered::NotServed => assert_eq!(lie, Lie::NoSuchPath),
                        other => panic!("{lie:?} passes for {other:?}"),
                    }
                }
            }
            seen.insert(format!("{lie:?}").split('(').next().unwrap_or_default().to_owned());
        }
        assert_eq!(seen.len(), 13, "{seen:?}");
    }

    #[test]
    fn no_lie_passes_for_an_event_of_a_watch() {
        for number in 0..1_000 {
            for resource in FOLLOWED.iter().filter(|r| [NODES, PODS].contains(r)) {
                let event = Lie::of(number).watched(resource);
                assert!(matches!(event, WatchEvent::Foreign(_)), "{event:?}");
            }
        }
    }
}
