//! List and watch, one kind of object each: whatever fails, is late or is too old, the mirror gets there in the end.

use super::api::{Exchange, Request, RequestId, Resource, Response, WatchEvent, percent};
use super::mirror::{Mirror, text};
use crate::runner::Ms;
use serde_json::Value;

/// A failed list or watch is tried again after so long, doubled each time up to the most (ours; client-go: 0.8 s to 30 s).
const RETRY_MS: Ms = 500;
/// The most.
const MOST_MS: Ms = 10_000;

/// Where one kind stands.
#[derive(Debug)]
enum State {
    /// Lists at this moment.
    ToList(Ms),
    /// A page is under way; items of the pages before it.
    Listing(RequestId, Vec<Value>),
    /// Watches from this moment on.
    ToWatch(Ms),
    /// A watch is open.
    Watching(RequestId),
    /// The server does not serve the kind.
    Absent,
}

/// What a follower cannot help by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server refuses for good (401, 403): status and message.
    Refused(u16, String),
}

/// Follows one kind.
#[derive(Debug)]
pub(crate) struct Follower {
    resource: Resource,
    page: u32,
    state: State,
    version: String,
    failures: u32,
    /// It was listed at least once.
    pub listed: bool,
}

impl Follower {
    pub fn new(resource: Resource, page: u32) -> Follower {
        Follower { resource, page, state: State::ToList(0), version: String::new(), failures: 0, listed: false }
    }
    /// What to ask for now, if anything; the caller says under which number it went out ([`Follower::sent`]).
    pub fn due(&self, now: Ms) -> Option<Request> {
        match self.state {
            State::ToList(at) if at <= now => Some(self.list("")),
            State::ToWatch(at) if at <= now => {
                Some(Request::Watch { resource: self.resource, resource_version: self.version.clone() })
            }
            _ => None,
        }
    }
    /// A request of [`Follower::due`] went out.
    pub fn sent(&mut self, id: RequestId) {
        self.state = match self.state {
            State::ToWatch(_) => State::Watching(id),
            _ => State::Listing(id, Vec::new()),
        };
    }
    /// When it has something to ask for.
    pub fn next_at(&self) -> Option<Ms> {
        match self.state {
            State::ToList(at) | State::ToWatch(at) => Some(at),
            _ => None,
        }
    }
    fn list(&self, next: &str) -> Request {
        let next = if next.is_empty() { String::new() } else { format!("&continue={}", percent(next)) };
        Request::Api(Exchange::get(format!("{}?limit={}{next}", self.resource.collection(), self.page)))
    }
    fn later(&mut self, now: Ms, at_least: Option<Ms>) -> Ms {
        self.failures = (self.failures + 1).min(10);
        now + (RETRY_MS << (self.failures - 1)).min(MOST_MS).max(at_least.unwrap_or(0))
    }

    /// The answer to a list. Some request: the next page.
    pub fn answered(&mut self, now: Ms, response: Response, mirror: &mut Mirror) -> Result<Option<Request>, Trouble> {
        let State::Listing(_, items) = &mut self.state else { return Ok(None) };
        match response {
            Response::Http { status: 200, body, .. } => {
                let mut items = std::mem::take(items);
                let (next, version) = (text(&body, "/metadata/continue").to_owned(), version(&body));
                items.extend(self.items(body));
                if !next.is_empty() {
                    self.state = State::Listing(RequestId(u64::MAX), items);
                    return Ok(Some(self.list(&next)));
                }
                mirror.replace(self.resource, &version, items);
                (self.version, self.listed, self.failures) = (version, true, 0);
                self.state = State::ToWatch(now);
            }
            // The kind is not served: there is none.
            Response::Http { status: 404, .. } => {
                mirror.replace(self.resource, "", Vec::new());
                (self.listed, self.state) = (true, State::Absent);
            }
            Response::Http { status: status @ (401 | 403), body, .. } => {
                return Err(Trouble::Refused(status, text(&body, "/message").to_owned()));
            }
            Response::Http { retry_after_ms, .. } => self.state = State::ToList(self.later(now, retry_after_ms)),
            Response::Lost(_) | Response::Exited { .. } => self.state = State::ToList(self.later(now, None)),
        }
        Ok(None)
    }
    /// The next page went out.
    pub fn sent_page(&mut self, id: RequestId) {
        if let State::Listing(at, _) = &mut self.state {
            *at = id;
        }
    }
    fn items(&self, mut body: Value) -> Vec<Value> {
        let items = body.pointer_mut("/items").map(Value::take);
        let Some(Value::Array(items)) = items else { return Vec::new() };
        items.into_iter().map(|item| self.resource.named(item)).collect()
    }

    /// An event of the watch.
    pub fn watched(&mut self, now: Ms, id: RequestId, event: WatchEvent, mirror: &mut Mirror) -> Result<(), Trouble> {
        if !matches!(self.state, State::Watching(open) if open == id) {
            return Ok(());
        }
        match event {
            WatchEvent::Applied(object) => {
                (self.version, self.failures) = (version(&object), 0);
                mirror.watched(self.resource, self.resource.named(object));
            }
            WatchEvent::Deleted(object) => {
                (self.version, self.failures) = (version(&object), 0);
                mirror.deleted(self.resource, &object);
            }
            WatchEvent::Bookmark(version) => self.version = version,
            WatchEvent::Error { code: code @ (401 | 403), message } => return Err(Trouble::Refused(code, message)),
            // Too old (410), or whatever else the server has to say: only a list helps.
            WatchEvent::Error { code, .. } => {
                self.state = State::ToList(if code == 410 { now } else { self.later(now, None) });
            }
            WatchEvent::Closed(why) if why.is_empty() => self.state = State::ToWatch(now + 10),
            WatchEvent::Closed(_) => self.state = State::ToWatch(self.later(now, None)),
        }
        Ok(())
    }
}

fn version(object: &Value) -> String {
    text(object, "/metadata/resourceVersion").to_owned()
}
