//! List and watch, one kind of object each: whatever fails, is late or is too old, the mirror gets there in the end.
//!
//! A list is believed only if it holds against what is known. One that lacks many objects at once, or says of one what
//! cannot be, is read a second time; and of the pods and nodes that a list lacks each is asked for by its name before it
//! counts as gone.

use super::answer::{Answered, Page, Unknown};
use super::api::{Exchange, NODES, PODS, Request, RequestId, Resource, WatchEvent, percent};
use super::mirror::{Known, Mirror, text, uid};
use super::pace::Pace;
use crate::runner::Ms;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};

/// A list that is not believed is read a second time after so long (C).
const SECOND_MS: Ms = 500;
/// A watch that ends sooner than this was none, whatever it brought: a proxy that does not stream ends each at once.
const SHORT_MS: Ms = 1000;
/// Of what a list lacks so many objects are asked for at most (C).
const MOST_ASKED: usize = 50;

/// A list as far as its pages have come.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Listing {
    /// Objects of the pages so far.
    pub items: Vec<Value>,
    /// Resource version; of several pages the oldest.
    pub version: String,
    /// Where the next page begins; empty after the last.
    pub next: String,
}

impl Listing {
    /// Whether an object that was read after the list was there before it, and the list lacks it.
    pub fn lacks(&self, object: &Value) -> bool {
        let was_there =
            version(object).parse::<u64>().ok().zip(self.version.parse().ok()).is_some_and(|(of, list)| of <= list);
        was_there && !self.items.iter().any(|i| uid(i) == uid(object))
    }

    /// Takes in the next page.
    ///
    /// # Errors
    /// It begins anew (a cache that does not look at the query answered it, and would for ever), or has a uid twice.
    pub fn add(&mut self, page: Page) -> Result<(), String> {
        if !page.next.is_empty() && page.next == self.next {
            return Err("a page of the list continues where it began".into());
        }
        self.next = page.next;
        let number = |v: &str| v.parse::<u64>().ok();
        if self.version.is_empty() || number(&page.version) < number(&self.version) {
            self.version = page.version;
        }
        self.items.extend(page.items);
        if !self.next.is_empty() {
            return Ok(());
        }
        let mut uids = BTreeSet::new();
        match self.items.iter().find(|i| !uids.insert(uid(i))) {
            Some(twice) => Err(format!("the list has the uid {} twice", uid(twice))),
            None => Ok(()),
        }
    }
}

/// Where one kind stands.
#[derive(Debug)]
enum State {
    /// Lists at this moment.
    ToList(Ms),
    /// A page is under way.
    Listing(RequestId, Listing),
    /// The list is complete and lacks these: the first is asked for.
    Asking(RequestId, Listing, VecDeque<Known>),
    /// It is said that the kind is not served: what is, of its group (false) or at all (true), is asked for.
    Discovering(RequestId, bool),
    /// Watches from this moment on.
    ToWatch(Ms),
    /// A watch is open, since when, and whether it brought anything.
    Watching(RequestId, Ms, bool),
    /// The server does not serve the kind.
    Absent,
}

/// What a follower cannot help by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server refuses for good (401, 403): status and message.
    Refused(u16, String),
}

/// What comes of an answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Followed {
    /// What is asked for next, at once.
    pub ask: Option<Request>,
    /// What a person should know.
    pub note: Option<String>,
    /// What is no answer of the API server's, though it looks like one.
    pub lie: Option<String>,
}

/// Follows one kind.
#[derive(Debug)]
pub(crate) struct Follower {
    resource: Resource,
    page: u32,
    state: State,
    version: String,
    /// When what failed is asked for again.
    pace: Pace,
    /// What a person should know.
    note: Option<String>,
    /// Objects that the first list must have, or that must be gone: the plan's nodes.
    expected: Vec<Known>,
    /// There must be some: a first list without a single one is never believed.
    expects_some: bool,
    /// The list under way is a second one.
    again: bool,
    /// It was listed at least once.
    pub listed: bool,
}

impl Follower {
    pub fn new(resource: Resource, page: u32) -> Follower {
        Follower {
            resource,
            page,
            state: State::ToList(0),
            version: String::new(),
            pace: Pace::new(0, resource.plural),
            note: None,
            expected: Vec::new(),
            expects_some: false,
            again: false,
            listed: false,
        }
    }
    /// The same, that waits as chance has it by this seed.
    pub fn paced(mut self, seed: u64) -> Follower {
        self.pace = Pace::new(seed, self.resource.plural);
        self
    }

    /// The same, of whose first list these objects are expected.
    pub fn expecting(mut self, expected: Vec<Known>) -> Follower {
        self.expected = expected;
        self
    }
    /// The same, of whose objects there must be some.
    pub fn expecting_some(mut self, some: bool) -> Follower {
        self.expects_some = some;
        self
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
    pub fn sent(&mut self, now: Ms, id: RequestId) {
        self.state = match self.state {
            State::ToWatch(_) => State::Watching(id, now, false),
            _ => State::Listing(id, Listing::default()),
        };
    }
    /// When it has something to ask for.
    pub fn next_at(&self) -> Option<Ms> {
        match self.state {
            State::ToList(at) | State::ToWatch(at) => Some(at),
            _ => None,
        }
    }
    /// Without a resource version the server answers with what is so now, and not from a cache that may lag.
    fn list(&self, next: &str) -> Request {
        let next = if next.is_empty() { String::new() } else { format!("&continue={}", percent(next)) };
        Request::Api(Exchange::get(format!("{}?limit={}{next}", self.resource.collection(), self.page)))
    }
    /// When to ask again after a failure, which a person hears of if it is one of many.
    fn later(&mut self, now: Ms, at_least: Option<Ms>, why: &str) -> Ms {
        let at = self.pace.next(now, at_least);
        if self.pace.is_notable() {
            let plural = self.resource.plural;
            self.note = Some(format!(
                "lists and watches of {plural} end again and again ({why}); they are asked for again ever more rarely, up to once a minute"
            ));
        }
        at
    }

    /// What a person should know, once.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// Since when a watch is open, and whether it has brought anything.
    pub fn watches(&self) -> Option<(Ms, bool)> {
        match self.state {
            State::Watching(_, since, heard) => Some((since, heard)),
            _ => None,
        }
    }

    /// The answer to a list, or to the look at an object that a list lacks. Some request is to go out at once; the caller
    /// says under which number it did ([`Follower::sent_next`]).
    pub fn answered(&mut self, now: Ms, answered: Answered, mirror: &mut Mirror) -> Result<Followed, Trouble> {
        let mut followed = Followed::default();
        match std::mem::replace(&mut self.state, State::ToList(now)) {
            State::Listing(_, mut listing) => match answered {
                Answered::Page(page) => {
                    // All pages are of one moment, and nothing is filtered out of them: where more was to follow, there is more.
                    let breaks_off = !listing.next.is_empty() && page.items.is_empty();
                    let added = match breaks_off {
                        true => Err("a page has nothing in it, though more objects were to follow".to_owned()),
                        false => listing.add(page),
                    };
                    if let Err(why) = added {
                        self.state = State::ToList(self.later(now, None, &why));
                        followed.lie = Some(format!("list {}: {why}", self.resource.plural));
                        return Ok(followed);
                    }
                    if listing.next.is_empty() {
                        return Ok(self.held_against(now, listing, mirror));
                    }
                    followed.ask = Some(self.list(&listing.next));
                    self.state = State::Listing(RequestId(u64::MAX), listing);
                }
                // Many a proxy says so of every path: only what the server says of itself counts.
                Answered::NotServed if !self.listed && self.resource.api_version.contains('/') => {
                    followed.ask = Some(self.discover(false));
                }
                Answered::NotServed => followed.lie = Some(self.denied(now)),
                other => self.failed(now, other)?,
            },
            State::Asking(_, listing, mut lost) => {
                let Some(asked) = lost.pop_front() else { return Ok(self.believed(now, listing, mirror)) };
                match answered {
                    Answered::Absent => return Ok(self.ask_next(now, listing, lost, mirror)),
                    // Another bears its name: the list ought to have that one.
                    Answered::Object(object) if uid(&object) != asked.uid && !listing.lacks(&object) => {
                        return Ok(self.ask_next(now, listing, lost, mirror));
                    }
                    Answered::Object(_) => {
                        let lie = lied(&format!("list {}", self.resource.plural), self.resource, &asked);
                        self.state = State::ToList(self.later(now, None, &lie));
                        followed.lie = Some(lie);
                    }
                    other => self.failed(now, other)?,
                }
            }
            State::Discovering(_, of_all) => {
                let wanted = if of_all { self.resource.api_version } else { self.resource.plural };
                match answered {
                    // The kind is not served: there is none.
                    Answered::Served(names) if !names.iter().any(|n| n == wanted) => {
                        mirror.replace(self.resource, "", Vec::new());
                        (self.listed, self.state) = (true, State::Absent);
                    }
                    Answered::Served(_) => followed.lie = Some(self.denied(now)),
                    Answered::Unknown(u) if u.page_not_found && !of_all => followed.ask = Some(self.discover(true)),
                    other => self.failed(now, other)?,
                }
            }
            other => self.state = other,
        }
        Ok(followed)
    }
    /// Asks what is served of the kind's group, or at all.
    fn discover(&mut self, of_all: bool) -> Request {
        self.state = State::Discovering(RequestId(u64::MAX), of_all);
        let version = if of_all { String::new() } else { format!("/{}", self.resource.api_version) };
        Request::Api(Exchange::get(format!("/apis{version}")))
    }
    /// It was said that what is served is not.
    fn denied(&mut self, now: Ms) -> String {
        self.state = State::ToList(self.later(now, None, "404"));
        format!("list {}: 404, as if they were not served", self.resource.plural)
    }
    /// There is no list, and it is asked for again.
    fn failed(&mut self, now: Ms, answered: Answered) -> Result<(), Trouble> {
        let (retry_after_ms, why) = match &answered {
            Answered::Refused(r) => (r.retry_after_ms, format!("{}: {}", r.code, r.message)),
            Answered::Unknown(Unknown { retry_after_ms, why, .. }) => (*retry_after_ms, why.clone()),
            _ => (None, "no list".to_owned()),
        };
        self.state = State::ToList(self.later(now, retry_after_ms, &why));
        match answered {
            Answered::Refused(r) if matches!(r.code, 401 | 403) => Err(Trouble::Refused(r.code, r.message)),
            _ => Ok(()),
        }
    }
    /// A list is complete: held against what is known, before it is believed.
    fn held_against(&mut self, now: Ms, listing: Listing, mirror: &mut Mirror) -> Followed {
        if self.expects_some && !self.listed && listing.items.is_empty() {
            return self.not_one(now);
        }
        let mut missing = mirror.missing(self.resource, &listing.version, &listing.items);
        let doubts: Vec<String> = listing.items.iter().filter_map(|item| mirror.doubts(self.resource, item)).collect();
        let plural = self.resource.plural;
        let why = match doubts.first() {
            Some(doubt) => Some(format!("the list says something that does not change: {doubt}")),
            None if missing.is_much() => Some(format!("the list lacks {}", missing.words(plural))),
            None if !self.listed && self.resource == PODS && listing.items.is_empty() => {
                Some("the list has not a single one".into())
            }
            None => None,
        };
        if let Some(why) = why.filter(|_| !self.again || !doubts.is_empty()) {
            self.again = true;
            self.state = State::ToList(now.saturating_add(SECOND_MS));
            let note = format!("list {plural}: {why}; it is read a second time before it is believed");
            return Followed { note: Some(note), ..Followed::default() };
        }
        if !self.listed {
            let has = |k: &&Known| listing.items.iter().any(|i| uid(i) == k.uid);
            missing.lost.extend(self.expected.iter().filter(|k| !has(k)).cloned());
        }
        // Only these may be asked for one by one: the roles that we are given say so.
        let asked = [PODS, NODES].contains(&self.resource);
        let lost = if asked { spread(missing.lost, MOST_ASKED) } else { VecDeque::new() };
        self.ask_next(now, listing, lost, mirror)
    }
    /// The first list has not a single object, and there must be some. Nothing else would show that it is wrong: after a restart
    /// nothing is known that it could be held against, and nodes with work on them would seem to be empty.
    fn not_one(&mut self, now: Ms) -> Followed {
        self.state = State::ToList(self.later(now, None, "the list has not a single one"));
        let plural = self.resource.plural;
        let note = format!(
            "list {plural}: the list has not a single one, but the plan's cluster has workloads; it is not believed"
        );
        let first = !std::mem::replace(&mut self.again, true);
        Followed { note: first.then_some(note), ..Followed::default() }
    }
    fn ask_next(&mut self, now: Ms, listing: Listing, lost: VecDeque<Known>, mirror: &mut Mirror) -> Followed {
        let Some(first) = lost.front() else { return self.believed(now, listing, mirror) };
        let ask = Some(Request::Api(Exchange::get(self.resource.object(&first.namespace, &first.name))));
        self.state = State::Asking(RequestId(u64::MAX), listing, lost);
        Followed { ask, ..Followed::default() }
    }
    fn believed(&mut self, now: Ms, listing: Listing, mirror: &mut Mirror) -> Followed {
        mirror.replace(self.resource, &listing.version, listing.items);
        (self.version, self.listed, self.again) = (listing.version, true, false);
        self.state = State::ToWatch(now);
        Followed::default()
    }
    /// What an answer asked for went out.
    pub fn sent_next(&mut self, id: RequestId) {
        if let State::Listing(at, _) | State::Asking(at, ..) | State::Discovering(at, _) = &mut self.state {
            *at = id;
        }
    }

    /// Whether a watch is the one that is open.
    pub fn is_watching(&self, id: RequestId) -> bool {
        matches!(self.state, State::Watching(open, ..) if open == id)
    }
    /// An event of the watch.
    pub fn watched(&mut self, now: Ms, id: RequestId, event: WatchEvent, mirror: &mut Mirror) -> Result<(), Trouble> {
        let State::Watching(open, since, heard) = &mut self.state else { return Ok(()) };
        if *open != id {
            return Ok(());
        }
        let short = now.saturating_sub(*since) < SHORT_MS;
        *heard = true;
        match event {
            // The watch goes on from where it was, and what is said again is believed.
            WatchEvent::Applied(object) if mirror.doubts(self.resource, &object).is_some() => {
                self.state = State::ToWatch(self.later(now, None, "what it brings is doubted"));
            }
            WatchEvent::Applied(object) => {
                self.version = version(&object);
                mirror.watched(self.resource, self.resource.named(object));
            }
            WatchEvent::Deleted(object) => {
                self.version = version(&object);
                mirror.deleted(self.resource, &object);
            }
            WatchEvent::Bookmark(version) => self.version = version,
            WatchEvent::Error { code: code @ (401 | 403), message } => {
                self.state = State::ToWatch(self.later(now, None, &format!("{code}: {message}")));
                return Err(Trouble::Refused(code, message));
            }
            // Too old (410), or whatever else the server has to say: only a list helps.
            WatchEvent::Error { code, message } => {
                self.state = State::ToList(self.later(now, None, &format!("{code}: {message}")));
            }
            WatchEvent::Closed(why) if why.is_empty() && !short => self.state = State::ToWatch(now.saturating_add(10)),
            WatchEvent::Closed(why) if why.is_empty() => {
                self.state = State::ToWatch(self.later(now, None, "each watch ends as soon as it has begun"));
            }
            WatchEvent::Closed(why) | WatchEvent::Foreign(why) => {
                self.state = State::ToWatch(self.later(now, None, &why));
            }
        }
        Ok(())
    }
}

/// That a list lacks what is there.
pub(crate) fn lied(what: &str, resource: Resource, known: &Known) -> String {
    let (kind, name) = (resource.kind.to_lowercase(), known.text());
    format!("{what}: the list lacks {kind} {name}, which is there")
}

/// So many of these, evenly spread over them.
pub(crate) fn spread(all: Vec<Known>, most: usize) -> VecDeque<Known> {
    let (len, step) = (all.len(), all.len().div_ceil(most).max(1));
    debug_assert!(len.div_ceil(step) <= most || most == 0);
    all.into_iter().step_by(step).collect()
}

fn version(object: &Value) -> String {
    text(object, "/metadata/resourceVersion").to_owned()
}
