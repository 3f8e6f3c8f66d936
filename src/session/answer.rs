//! What an answer says: read at one place, by what was asked for.
//!
//! Between us and the API server there may be others: a proxy whose login has expired answers 200 with a page, one under
//! maintenance 404 with another, a connection is cut in the middle. So an answer counts only if it is what was asked for:
//! the object of that kind and name, a list of that kind with `items` and a resource version, a `Status` of the API
//! server. Even a refusal counts only as such a `Status`, and only one that says `NotFound` of the very object proves that
//! the object is gone. Everything else is [`Answered::Unknown`], as if no answer had come: nobody knows whether the request
//! had its effect, and nothing is concluded.

use super::api::{
    Exchange, FOLLOWED, Foreign, LEASES, Method, NODE_CLAIMS, PODS, Request, Resource, Response, WatchEvent,
};
use super::mirror::text;
use crate::runner::{Answer, Denial, Ms};
use crate::snapshot::unreadable;
use serde_json::{Map, Value};

/// A page of a list may have so many bytes: 500 objects of half a MiB each.
#[cfg(feature = "live")]
const MOST_OF_A_LIST: usize = 256 << 20;
/// Any other answer: etcd takes objects of 1.5 MiB (its `--max-request-bytes`), JSON makes them longer.
#[cfg(feature = "live")]
const MOST_OF_AN_OBJECT: usize = 16 << 20;
/// What is no API server may ask for patience no longer than this (C): a page for people says an hour.
const MOST_PATIENCE_MS: Ms = 30_000;
/// So many characters of something foreign are shown.
const SHOWN: usize = 40;
/// So many fields of a foreign JSON object are named.
const FIELDS: usize = 5;

// --- from bytes ---

/// How many bytes an answer to this may have; one that goes on is not read to its end.
#[cfg(feature = "live")]
pub(crate) fn most_bytes(exchange: &Exchange) -> usize {
    let lists = exchange.method == Method::Get && exchange.path.contains("limit=");
    if lists { MOST_OF_A_LIST } else { MOST_OF_AN_OBJECT }
}

/// How many bytes an event of a watch may have.
#[cfg(feature = "live")]
pub(crate) const MOST_OF_AN_EVENT: usize = MOST_OF_AN_OBJECT;

/// An answer as it came over HTTP. It must say that it is JSON, if it says what it is, and be it.
pub(crate) fn read(status: u16, retry_after_ms: Option<Ms>, content_type: Option<&str>, bytes: &[u8]) -> Response {
    let says_json = content_type.map(is_json);
    let problem = match serde_json::from_slice(bytes) {
        Ok(body) if says_json != Some(false) => return Response::Http { status, retry_after_ms, body },
        Ok(_) => None,
        Err(e) => Some(e.to_string()),
    };
    let plain = String::from_utf8_lossy(bytes);
    let mut what = vec![content_type.unwrap_or("no content type").to_owned(), format!("{} bytes", bytes.len())];
    match (says_json, problem) {
        // What calls itself JSON may hold a credential: only what the parser says of it is told.
        (Some(true), Some(problem)) => what.push(format!("not valid JSON ({problem})")),
        _ if bytes.is_empty() => {}
        _ => what.push(format!("begins {:?}", beginning(&plain))),
    }
    let page_not_found = status == 404 && says_json != Some(true) && plain.trim() == "404 page not found";
    Response::Foreign(Foreign { status, retry_after_ms, what: what.join(", "), page_not_found })
}

/// An answer that was longer than [`most_bytes`].
pub(crate) fn oversized(status: u16, content_type: Option<&str>, most: usize) -> Response {
    let what = format!("{}, more than {} MiB", content_type.unwrap_or("no content type"), most >> 20);
    Response::Foreign(Foreign { status, retry_after_ms: None, what, page_not_found: false })
}

/// Whether a media type is one of JSON's.
pub(crate) fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}

/// The beginning of a text in one line.
fn beginning(plain: &str) -> String {
    let mut words = plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let mut line = String::new();
    while line.chars().count() <= SHOWN
        && let Some(word) = words.next()
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let cut = line.chars().count() > SHOWN || words.next().is_some();
    let shown: String = line.chars().take(SHOWN).collect();
    if cut { format!("{shown}…") } else { shown }
}

// --- what is asked for ---

/// What an answer must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// The request in words: `list pods of node a`.
    pub words: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    /// A page of the list of a kind; of pods maybe only those of a node.
    Page { resource: Resource, node: Option<String> },
    /// The object: read, created or changed.
    Object(Place),
    /// That it is deleted, or the object as it is while it goes.
    Deletion(Place),
    /// That a pod may be evicted.
    Eviction(Place),
    /// What is served: the kinds of a group's version, or (None) the versions of all groups.
    Served(Option<String>),
    /// The end of a program.
    Program,
    /// Nothing that we know.
    Nothing,
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    resource: Resource,
    namespace: String,
    name: String,
}

impl Place {
    fn text(&self) -> String {
        let kind = self.resource.kind.to_lowercase();
        match self.namespace.as_str() {
            "" => format!("{kind} {}", self.name),
            namespace => format!("{kind} {namespace}/{}", self.name),
        }
    }
}

impl Wanted {
    /// What the answer to a request must be.
    pub fn of(request: &Request) -> Wanted {
        match request {
            Request::Api(exchange) => Wanted::of_exchange(exchange),
            Request::Watch { resource, .. } => {
                Wanted { words: format!("watch {}", resource.plural), what: What::Nothing }
            }
            Request::Run(program) => {
                let name = program.argv.first().map_or("", String::as_str);
                Wanted { words: format!("run {name}"), what: What::Program }
            }
        }
    }

    /// What the answer to an exchange must be.
    pub fn of_exchange(exchange: &Exchange) -> Wanted {
        let (path, query) = exchange.path.split_once('?').unwrap_or((&exchange.path, ""));
        if let Some(version) = path.strip_prefix("/apis").filter(|v| v.is_empty() || v.matches('/').count() == 2) {
            let version = version.strip_prefix('/').map(str::to_owned);
            let words = format!("discover {}", version.as_deref().unwrap_or("groups"));
            return Wanted { words, what: What::Served(version) };
        }
        let known = FOLLOWED.iter().chain([&LEASES, &NODE_CLAIMS]);
        let Some((resource, namespace, rest)) = known.copied().find_map(|r| below(r, path)) else {
            return Wanted { words: format!("{} {path}", exchange.method.text()), what: What::Nothing };
        };
        let place = |name: &str| Place { resource, namespace: namespace.to_owned(), name: name.to_owned() };
        let (verb, what) = match (exchange.method, rest.as_slice()) {
            (Method::Get, []) => {
                let node = node_of(query);
                let of = node.as_ref().map_or(String::new(), |n| format!(" of node {n}"));
                let words = format!("list {}{of}", resource.plural);
                return Wanted { words, what: What::Page { resource, node } };
            }
            (Method::Get, [name]) => ("get", What::Object(place(name))),
            (Method::Patch, [name]) => ("patch", What::Object(place(name))),
            (Method::Put, [name]) => ("update", What::Object(place(name))),
            (Method::Post, []) => {
                let body = exchange.body.as_ref().unwrap_or(&Value::Null);
                ("create", What::Object(place(text(body, "/metadata/name"))))
            }
            (Method::Delete, [name]) => ("delete", What::Deletion(place(name))),
            (Method::Post, [name, "eviction"]) => ("evict", What::Eviction(place(name))),
            _ => (exchange.method.text(), What::Nothing),
        };
        let object = match &what {
            What::Object(place) | What::Deletion(place) | What::Eviction(place) => place.text(),
            _ => path.to_owned(),
        };
        Wanted { words: format!("{verb} {object}"), what }
    }

    /// Whether a program is waited for.
    pub fn is_program(&self) -> bool {
        self.what == What::Program
    }

    /// What a response says, taken as the answer to this.
    pub fn read(&self, response: Response) -> Answered {
        if let Response::Exited { code, output } = response {
            return match self.what {
                What::Program => Answered::Exited { code, output },
                _ => Answered::Unknown(Unknown::lost("a program ended where an answer of the API was awaited".into())),
            };
        }
        match &self.what {
            What::Page { resource, node } => {
                let read = |body| page(resource, node.as_deref(), body).map(Answered::Page);
                let kind = format!("{}List", resource.kind);
                match take(response, &format!("no {kind}"), read) {
                    // That of a single object, or of a namespace, is not said of a list.
                    Said::Refused(r) if r.code == 404 && r.reason == "NotFound" => Answered::NotServed,
                    Said::Unknown(u) if u.page_not_found => Answered::NotServed,
                    other => other.into(),
                }
            }
            What::Object(place) => {
                let read = |body| object(place, body).map(Answered::Object);
                about(place, take(response, &format!("no {}", place.resource.kind), read))
            }
            What::Deletion(place) => {
                let read = |body| done(place, place.resource.kind, body);
                about(place, take(response, &format!("neither a Status nor a {}", place.resource.kind), read))
            }
            What::Eviction(place) => {
                let read = |body| done(place, "Eviction", body);
                about(place, take(response, "neither a Status nor an Eviction", read))
            }
            What::Served(version) => {
                let kind = if version.is_some() { "APIResourceList" } else { "APIGroupList" };
                take(response, &format!("no {kind}"), |body| served(kind, &body).map(Answered::Served)).into()
            }
            What::Program | What::Nothing => {
                let read = |_| Err::<Answered, _>("nothing was to be answered".into());
                take(response, "no answer to it", read).into()
            }
        }
    }
}

/// Namespace and further segments of a path of this kind.
fn below(resource: Resource, path: &str) -> Option<(Resource, &str, Vec<&str>)> {
    let group = if resource.api_version.contains('/') { "/apis/" } else { "/api/" };
    let rest = path.strip_prefix(group)?.strip_prefix(resource.api_version)?.strip_prefix('/')?;
    let segments: Vec<&str> = rest.split('/').collect();
    match segments.as_slice() {
        ["namespaces", namespace, plural, rest @ ..] if resource.namespaced && *plural == resource.plural => {
            Some((resource, namespace, rest.to_vec()))
        }
        // All namespaces, or a kind without.
        [plural, rest @ ..] if *plural == resource.plural && (rest.is_empty() || !resource.namespaced) => {
            (rest.len() < 2 || resource.plural != "namespaces").then(|| (resource, "", rest.to_vec()))
        }
        _ => None,
    }
}

/// The node whose pods a query selects.
fn node_of(query: &str) -> Option<String> {
    let selector = query.split('&').find_map(|part| part.strip_prefix("fieldSelector="))?;
    Some(selector.strip_prefix("spec.nodeName%3D")?.to_owned())
}

// --- what is answered ---

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answered {
    /// A page of the list.
    Page(Page),
    /// The object: as it is, as it was made or changed, or as it is while it is being deleted.
    Object(Value),
    /// Done, without an object to show.
    Done,
    /// The API server says that there is no such object.
    Absent,
    /// The answer to a list: it is said that no such kind is served.
    NotServed,
    /// Names of what is served: `jobs`, or `batch/v1`.
    Served(Vec<String>),
    /// The API server refuses.
    Refused(Refusal),
    /// A program ended.
    Exited {
        /// Exit status; None if a signal ended it.
        code: Option<i32>,
        /// The end of what it printed.
        output: String,
    },
    /// There is no answer, or none that is one.
    Unknown(Unknown),
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    /// Objects, with kind and apiVersion.
    pub items: Vec<Value>,
    /// Resource version of the list; never empty.
    pub version: String,
    /// Where the next page begins; empty after the last.
    pub next: String,
}

/// A `Status` of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: u16,
    pub reason: String,
    /// `details.causes[0].message`.
    pub cause: String,
    pub message: String,
    pub retry_after_ms: Option<Ms>,
    /// `details.name` and `details.kind`: what it is about; empty where it does not say.
    about: (String, String),
    /// A cause names `metadata.uid`.
    other_uid: bool,
}

impl Refusal {
    /// Whether an admission policy or webhook denies a request, in its own words: a policy may do so with a 401 (apiserver
    /// `validating/plugin.go`, `webhook/errors/statuserror.go`), which says nothing of who we are.
    pub fn is_denied(&self) -> bool {
        self.message.contains("denied request") || self.message.contains("denied the request")
    }

    /// Whether a patch was refused because the object that bears the name is another: its uid cannot be changed (apimachinery
    /// `validation.ValidateObjectMetaAccessorUpdate`).
    pub fn is_of_another_uid(&self) -> bool {
        self.other_uid
    }

    /// As the runner hears it.
    pub fn answer(self) -> Answer {
        Answer::Refused {
            code: self.code,
            reason: self.reason,
            cause: self.cause,
            message: self.message,
            retry_after_ms: self.retry_after_ms,
        }
    }
    /// Whether the server, not the request, is in trouble. To an eviction a 429 is a budget's or the server's word, both
    /// the runner's to read; and a 500 without a reason says that two budgets cover the pod.
    pub fn is_passing(&self, eviction: bool) -> bool {
        match self.code {
            429 => !eviction,
            // A webhook that fails is no trouble of the server's: it lasts until somebody sees to it, and kubectl gives up at once.
            500 if Denial::of(&self.message).is_some() => false,
            500 => !eviction || !self.reason.is_empty(),
            502..=504 => true,
            _ => false,
        }
    }
    /// Whether a conflict says that the object of this name is another by now. The server looks before it begins to delete
    /// and once more when it writes, each in words of its own (apiserver `rest.BeforeDelete`, `storage.Preconditions.Check`).
    pub fn is_other_uid(&self) -> bool {
        let says = |words| self.message.contains(words);
        self.code == 409 && (says("the UID in the precondition") || says("UID in precondition"))
    }
}

/// No answer, or none that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Why.
    pub why: String,
    /// When it may be asked for again, if anybody said so.
    pub retry_after_ms: Option<Ms>,
    /// Something did answer.
    pub foreign: bool,
    /// It is what an API server says at a path where it serves nothing.
    pub page_not_found: bool,
}

impl Unknown {
    /// No answer came.
    pub fn lost(why: String) -> Unknown {
        Unknown { why: format!("no answer: {why}"), retry_after_ms: None, foreign: false, page_not_found: false }
    }
    /// Something came that is no answer.
    pub fn foreign(why: String) -> Unknown {
        Unknown { why, retry_after_ms: None, foreign: true, page_not_found: false }
    }
}

/// An answer that is wanted as a `T`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said<T> {
    Is(T),
    Refused(Refusal),
    Unknown(Unknown),
}

impl From<Said<Answered>> for Answered {
    fn from(said: Said<Answered>) -> Answered {
        match said {
            Said::Is(answered) => answered,
            Said::Refused(refusal) => Answered::Refused(refusal),
            Said::Unknown(unknown) => Answered::Unknown(unknown),
        }
    }
}

/// Reads a response; `otherwise` says what an answer is that `read` does not take (`no PodList`).
pub(crate) fn take<T>(response: Response, otherwise: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Said<T> {
    let (status, retry_after_ms, body) = match response {
        Response::Http { status, retry_after_ms, body } => (status, retry_after_ms, body),
        Response::Foreign(f) => {
            let why = match f.status {
                200..300 => format!("the answer is {otherwise}: {} {}", f.status, f.what),
                status => format!("{status} without a Status of the API server: {}", f.what),
            };
            let retry_after_ms = f.retry_after_ms.map(|ms| ms.min(MOST_PATIENCE_MS));
            let unknown = Unknown { retry_after_ms, ..Unknown::foreign(why) };
            return Said::Unknown(Unknown { page_not_found: f.page_not_found, ..unknown });
        }
        Response::Lost(why) => return Said::Unknown(Unknown::lost(why)),
        Response::Exited { .. } => return Said::Unknown(Unknown::lost("no answer of an API".into())),
    };
    let why = match status {
        200..=202 => match read(body) {
            Ok(answered) => return Said::Is(answered),
            Err(why) => format!("the answer is {otherwise}: {why}"),
        },
        400.. => match refusal(status, retry_after_ms, &body) {
            Ok(refusal) => return Said::Refused(refusal),
            Err(why) => format!("{status} without a Status of the API server: {why}"),
        },
        _ => format!("the answer is {otherwise}: {status} {}", outline(&body)),
    };
    let retry_after_ms = retry_after_ms.map(|ms| ms.min(MOST_PATIENCE_MS));
    Said::Unknown(Unknown { retry_after_ms, ..Unknown::foreign(why) })
}

fn refusal(status: u16, retry_after_ms: Option<Ms>, body: &Value) -> Result<Refusal, String> {
    is_of("v1", "Status", body)?;
    let code = body.get("code").and_then(Value::as_u64);
    if text(body, "/kind") != "Status" || text(body, "/status") != "Failure" {
        return Err(outline(body));
    }
    if code.is_some_and(|c| c != u64::from(status)) {
        return Err(format!("it is one of code {}", code.unwrap_or(0)));
    }
    let causes = body.pointer("/details/causes").and_then(Value::as_array);
    Ok(Refusal {
        other_uid: causes.into_iter().flatten().any(|c| text(c, "/field") == "metadata.uid"),
        code: status,
        reason: text(body, "/reason").to_owned(),
        cause: text(body, "/details/causes/0/message").to_owned(),
        message: text(body, "/message").to_owned(),
        retry_after_ms,
        about: (text(body, "/details/name").to_owned(), text(body, "/details/kind").to_owned()),
    })
}

/// A 404 about the very object says that it is gone. About anything else (an eviction meets a budget that is being
/// deleted, a proxy knows no such path) it says nothing of the object.
fn about(place: &Place, said: Said<Answered>) -> Answered {
    let refusal = match said {
        Said::Refused(refusal) if refusal.code == 404 => refusal,
        other => return other.into(),
    };
    let (name, kind) = &refusal.about;
    let names_it = name.is_empty() || *name == place.name;
    let is_kind = [place.resource.plural, place.resource.kind, ""].contains(&kind.as_str());
    let no_path = name.is_empty() && refusal.message.contains("could not find the requested resource");
    if refusal.reason == "NotFound" && names_it && is_kind && !no_path {
        return Answered::Absent;
    }
    let why = format!("404 that is not about it: {} {}", refusal.reason, refusal.message);
    Answered::Unknown(Unknown { retry_after_ms: refusal.retry_after_ms, ..Unknown::foreign(why.trim_end().to_owned()) })
}

// --- kinds ---

/// Holds a value against a kind. What does not say its kind is taken for what was asked for, as client-go's decoder takes
/// it (apimachinery `json.Serializer.Decode`, the default kind); the fields must tell then.
pub(crate) fn is_of(api_version: &str, kind: &str, value: &Value) -> Result<(), String> {
    let Some(fields) = value.as_object() else { return Err(outline(value)) };
    let says = |key: &str, wanted: &str| fields.get(key).is_none_or(|v| v == wanted);
    if says("kind", kind) && says("apiVersion", api_version) { Ok(()) } else { Err(outline(value)) }
}

/// What a JSON value is, without what it holds: its kind, or the names of its fields.
fn outline(value: &Value) -> String {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => return "JSON null".into(),
        Value::Array(_) => return "a JSON array".into(),
        _ => return "a JSON scalar".into(),
    };
    match (text(value, "/kind"), text(value, "/apiVersion"), text(value, "/message")) {
        ("", ..) => unnamed(fields),
        ("Status", _, message) if !message.is_empty() => format!("a Status: {}", beginning(message)),
        (kind, "", _) => format!("a {}", beginning(kind)),
        (kind, version, _) => format!("a {} of {}", beginning(kind), beginning(version)),
    }
}

fn unnamed(fields: &Map<String, Value>) -> String {
    let names: Vec<String> = fields.keys().take(FIELDS).map(|k| beginning(k)).collect();
    let more = if fields.len() > FIELDS { ", …" } else { "" };
    match names.is_empty() {
        true => "an empty JSON object".into(),
        false => format!("a JSON object with the fields {}{more}", names.join(", ")),
    }
}

/// Items, resource version and continuation of a list, whatever its items are.
///
/// # Errors
/// Says what it is, or what it lacks.
pub(crate) fn items(api_version: &str, kind: &str, mut body: Value) -> Result<(Vec<Value>, String, String), String> {
    is_of(api_version, &format!("{kind}List"), &body)?;
    let next = match body.pointer("/metadata/continue") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(token)) => token.clone(),
        Some(_) => return Err("its metadata.continue is no text".into()),
    };
    if next.is_empty() && body.pointer("/metadata/remainingItemCount").and_then(Value::as_i64).unwrap_or(0) > 0 {
        return Err("it says that items remain, and not where they continue".into());
    }
    let version = text(&body, "/metadata/resourceVersion").to_owned();
    match body.get_mut("items").map(Value::take) {
        // Anybody may call something `items`.
        Some(Value::Array(_)) if version.is_empty() && text(&body, "/kind").is_empty() => Err(outline(&body)),
        Some(Value::Array(items)) => Ok((items, version, next)),
        Some(_) => Err("its items are no array".into()),
        None if text(&body, "/kind").is_empty() => Err(outline(&body)),
        None => Err("it has no items".into()),
    }
}

fn page(resource: &Resource, node: Option<&str>, body: Value) -> Result<Page, String> {
    let (mut items, version, next) = items(resource.api_version, resource.kind, body)?;
    if version.is_empty() {
        return Err("it has no metadata.resourceVersion".into());
    }
    for item in &mut items {
        let name = text(item, "/metadata/name").to_owned();
        let wrong = |why: String| format!("its item {name:?} is none: {why}");
        identified(resource, item).map_err(wrong)?;
        let on = text(item, "/spec/nodeName");
        if node.is_some_and(|n| n != on) {
            return Err(format!("its item {name:?} is on node {on:?}, which was not asked for"));
        }
        *item = resource.named(item.take());
    }
    Ok(Page { items, version, next })
}

/// An object as an API server stores it: of this kind, with what it is known by, and readable.
fn identified(resource: &Resource, object: &Value) -> Result<(), String> {
    is_of(resource.api_version, resource.kind, object)?;
    let mut wanted = vec!["/metadata/name", "/metadata/resourceVersion"];
    if resource.namespaced {
        wanted.push("/metadata/namespace");
    }
    // A Lease is known by its name and its holder.
    if *resource != LEASES {
        wanted.push("/metadata/uid");
    }
    if let Some(missing) = wanted.iter().find(|p| text(object, p).is_empty()) {
        return Err(match object.get("metadata") {
            None => outline(object),
            Some(_) => format!("it has no {}", missing[1..].replace('/', ".")),
        });
    }
    // The reader takes an array for an object whose fields all have defaults.
    if let Some(field) = ["metadata", "spec", "status"].iter().find(|f| object.get(**f).is_some_and(|v| !v.is_object()))
    {
        return Err(format!("its {field} is no object"));
    }
    if *resource == PODS && !object.pointer("/spec/containers").is_some_and(Value::is_array) {
        return Err("it has no spec.containers".into());
    }
    match unreadable(resource.api_version, resource.kind, object) {
        None => Ok(()),
        Some(problem) => Err(problem),
    }
}

fn object(place: &Place, body: Value) -> Result<Value, String> {
    identified(&place.resource, &body)?;
    is_at(place, &body)?;
    Ok(place.resource.named(body))
}

fn is_at(place: &Place, object: &Value) -> Result<(), String> {
    let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    if name != place.name || (place.resource.namespaced && namespace != place.namespace) {
        return Err(format!("it is {namespace}/{name}").replace(" /", " "));
    }
    Ok(())
}

/// What a discovery document names: the kinds of a group's version, or the versions of all groups.
fn served(kind: &str, body: &Value) -> Result<Vec<String>, String> {
    is_of("v1", kind, body)?;
    let texts = |list: Option<&Value>, key: &str| -> Option<Vec<String>> {
        list?.as_array()?.iter().map(|v| Some(v.get(key)?.as_str()?.to_owned())).collect()
    };
    let all = match kind {
        "APIResourceList" => texts(body.get("resources"), "name"),
        _ => body.get("groups").and_then(Value::as_array).and_then(|groups| {
            let versions = groups.iter().map(|g| texts(g.get("versions"), "groupVersion"));
            versions.collect::<Option<Vec<_>>>().map(|v| v.concat())
        }),
    };
    all.ok_or_else(|| outline(body))
}

/// A write that is done: a `Status` of success, or the object that it concerns.
fn done(place: &Place, kind: &str, body: Value) -> Result<Answered, String> {
    match text(&body, "/kind") {
        "Status" if text(&body, "/apiVersion") == "v1" && text(&body, "/status") == "Success" => {
            let about = text(&body, "/details/name");
            match about.is_empty() || about == place.name {
                true => Ok(Answered::Done),
                false => Err(format!("it is about {about}")),
            }
        }
        named if named == kind => {
            is_at(place, &body)?;
            match kind == place.resource.kind {
                true => object(place, body).map(Answered::Object),
                false => Ok(Answered::Done),
            }
        }
        _ => Err(outline(&body)),
    }
}

// --- watches ---

/// What a line of a watch of this kind says.
pub(crate) fn event(resource: &Resource, line: &[u8]) -> WatchEvent {
    let mut line: Value = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(_) => {
            let shown = beginning(&String::from_utf8_lossy(line));
            return WatchEvent::Foreign(format!("a line of the watch is no JSON: begins {shown:?}"));
        }
    };
    let Some(object) = line.get_mut("object").map(Value::take).filter(Value::is_object) else {
        return WatchEvent::Foreign(format!("a line of the watch is no event: {}", outline(&line)));
    };
    let event = match text(&line, "/type") {
        "ADDED" | "MODIFIED" => WatchEvent::Applied(object),
        "DELETED" => WatchEvent::Deleted(object),
        "BOOKMARK" => match is_of(resource.api_version, resource.kind, &object) {
            Ok(()) => WatchEvent::Bookmark(text(&object, "/metadata/resourceVersion").to_owned()),
            Err(what) => WatchEvent::Foreign(format!("a bookmark of the watch is {what}")),
        },
        "ERROR" if text(&object, "/kind") == "Status" => WatchEvent::Error {
            code: object["code"].as_u64().and_then(|c| u16::try_from(c).ok()).unwrap_or(500),
            message: text(&object, "/message").to_owned(),
        },
        "ERROR" => WatchEvent::Foreign(format!("an error of the watch is no Status but {}", outline(&object))),
        other => WatchEvent::Foreign(format!("a line of the watch is no event: its type is {:?}", beginning(other))),
    };
    watched(resource, event)
}

/// An event as a watch of this kind may bring it; anything else ends the watch.
pub(crate) fn watched(resource: &Resource, event: WatchEvent) -> WatchEvent {
    let problem = match &event {
        WatchEvent::Applied(object) | WatchEvent::Deleted(object) => identified(resource, object).err(),
        WatchEvent::Bookmark(version) if version.is_empty() => Some("a bookmark without a version".into()),
        _ => None,
    };
    match problem {
        None => event,
        Some(why) => WatchEvent::Foreign(format!("an event of the watch is about no {}: {why}", resource.kind)),
    }
}

/// Answers for the tests of those who hear them.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use serde_json::json;

    /// A `Status` of failure as an API server says it.
    pub(crate) fn failure(code: u16, message: &str) -> Value {
        let reason = match code {
            404 => "NotFound",
            409 => "Conflict",
            _ => "Test",
        };
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
            "message": message, "code": code})
    }
    /// A refusal.
    pub(crate) fn refused(code: u16) -> Answered {
        let response = Response::Http { status: code, retry_after_ms: None, body: failure(code, "no") };
        take(response, "", |_| Err::<Answered, _>(String::new())).into()
    }
}

#[cfg(test)]
mod tests;
