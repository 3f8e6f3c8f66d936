//! What a session says to the world outside and what it hears: requests without sockets, answers without clocks.
//!
//! A driver (`live`, or the simulated API) performs each [`Request`] and answers it exactly once, but a watch, which
//! brings any number of [`WatchEvent`]s before its end. Nothing here knows a host, a token or a file.

use crate::runner::Ms;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Identity of a request within one process; never written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A kind of object that the API serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// `v1`, `apps/v1`.
    pub api_version: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// `pods`.
    pub plural: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

pub(crate) const fn resource(
    api_version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> Resource {
    Resource { api_version, kind, plural, namespaced }
}

/// Nodes.
pub const NODES: Resource = resource("v1", "Node", "nodes", false);
/// Pods.
pub const PODS: Resource = resource("v1", "Pod", "pods", true);
/// Disruption budgets.
pub const BUDGETS: Resource = resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true);
/// Leases.
pub const LEASES: Resource = resource("coordination.k8s.io/v1", "Lease", "leases", true);
/// Karpenter's claims.
pub const NODE_CLAIMS: Resource = resource("karpenter.sh/v1", "NodeClaim", "nodeclaims", false);

/// The kinds that a session lists and watches: what the runner's view is made of.
pub const FOLLOWED: &[Resource] = &[
    resource("v1", "Namespace", "namespaces", false),
    NODES,
    resource("apps/v1", "Deployment", "deployments", true),
    resource("apps/v1", "ReplicaSet", "replicasets", true),
    resource("apps/v1", "StatefulSet", "statefulsets", true),
    resource("apps/v1", "DaemonSet", "daemonsets", true),
    resource("batch/v1", "Job", "jobs", true),
    resource("v1", "ReplicationController", "replicationcontrollers", true),
    BUDGETS,
    PODS,
];

impl Resource {
    /// `/api/v1/pods`, `/apis/apps/v1/deployments`: the collection over all namespaces.
    pub fn collection(&self) -> String {
        format!("{}/{}", self.root(), self.plural)
    }
    /// `/api/v1/namespaces/default/pods/web-1`; the namespace is left out for kinds without one.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.within(namespace))
    }
    /// `/api/v1/namespaces/default/pods`: where an object is created.
    pub fn within(&self, namespace: &str) -> String {
        match self.namespaced {
            true => format!("{}/namespaces/{namespace}/{}", self.root(), self.plural),
            false => self.collection(),
        }
    }

    /// An object of this kind, with `apiVersion` and `kind` in front: items of lists and some answers lack them.
    pub fn named(&self, object: Value) -> Value {
        named(object, self.api_version, self.kind)
    }
    fn root(&self) -> String {
        match self.api_version.contains('/') {
            true => format!("/apis/{}", self.api_version),
            false => format!("/api/{}", self.api_version),
        }
    }
}

/// An object with its `apiVersion` and `kind` in front.
pub fn named(object: Value, api_version: &str, kind: &str) -> Value {
    let mut named = Map::new();
    named.insert("apiVersion".into(), api_version.into());
    named.insert("kind".into(), kind.into());
    if let Value::Object(rest) = object {
        named.extend(rest.into_iter().filter(|(k, _)| k != "apiVersion" && k != "kind"));
    }
    Value::Object(named)
}

/// A value for a query, percent-encoded (RFC 3986: all but unreserved characters).
pub fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// An HTTP method that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named after the methods
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    /// A patch by server-side apply.
    Apply,
    Delete,
}

impl Method {
    /// The word of the wire.
    pub fn text(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch | Method::Apply => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// One exchange with the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Method. A patch is a merge patch (`application/merge-patch+json`), an apply `application/apply-patch+yaml`, everything else
    /// `application/json`.
    pub method: Method,
    /// Path and query, beginning with `/`; values of the query are percent-encoded.
    pub path: String,
    /// Body, if the method has one.
    pub body: Option<Value>,
}

impl Exchange {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Exchange {
        Exchange { method: Method::Get, path: path.into(), body: None }
    }
    /// Whether it may change something.
    pub fn writes(&self) -> bool {
        self.method != Method::Get
    }
}

/// A program to be run: a provisioner's or a gate's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Program and arguments, templates filled in; no shell is between.
    pub argv: Vec<String>,
    /// `NODEFERRY_…` variables, on top of the environment that nodeferry itself has.
    pub env: Vec<(String, String)>,
    /// It is killed after so long, in ms.
    pub timeout_ms: Ms,
}

/// What a session asks of its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// One exchange; answered by [`Response::Http`] or [`Response::Lost`].
    Api(Exchange),
    /// A watch of a whole collection from a resource version on, with bookmarks (`allowWatchBookmarks=true`); brings
    /// [`WatchEvent`]s until one that ends it.
    Watch {
        /// Kind.
        resource: Resource,
        /// Where to begin: the version of the list, or of the latest event.
        resource_version: String,
    },
    /// A program; answered by [`Response::Exited`] or [`Response::Lost`].
    Run(Program),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The server answered.
    Http {
        /// Status code.
        status: u16,
        /// `Retry-After`, in ms.
        retry_after_ms: Option<Ms>,
        /// The body, as it was parsed; what it is to be was not looked at yet (`session::answer` does).
        body: Value,
    },
    /// Something answered over HTTP, and not with JSON: a login page, a proxy's error page, a body that was cut off.
    Foreign(Foreign),
    /// The program ended.
    Exited {
        /// Exit status; None if a signal ended it.
        code: Option<i32>,
        /// The end of what it printed (standard output and error, at most a few kB).
        output: String,
    },
    /// No answer came: the connection failed, or time ran out. It may or may not have had its effect. The text says why,
    /// without credentials.
    Lost(String),
}

/// An answer over HTTP that is no JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Status code.
    pub status: u16,
    /// `Retry-After`, in ms.
    pub retry_after_ms: Option<Ms>,
    /// What it is, for people: `text/html, 312 bytes, begins "<html>…"`.
    pub what: String,
    /// It is what an API server says at a path where it serves nothing (`404 page not found`). Many proxies say the same.
    pub page_not_found: bool,
}

/// What a watch brings.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// `ADDED` or `MODIFIED`: the object as it is now.
    Applied(Value),
    /// `DELETED`: the object as it was last.
    Deleted(Value),
    /// `BOOKMARK`: nothing else happened up to this resource version.
    Bookmark(String),
    /// `ERROR` with a Status; the watch is over. 410 means that its beginning is too old: list again.
    Error {
        /// `status.code`.
        code: u16,
        /// `status.message`.
        message: String,
    },
    /// The stream ended, in order (empty) or not (why). The watch is over.
    Closed(String),
    /// What came is no event of this watch: a page, a line that is no JSON, an object of another kind. The watch is over.
    Foreign(String),
}

impl WatchEvent {
    /// Whether it ends its watch.
    pub fn is_last(&self) -> bool {
        matches!(self, WatchEvent::Error { .. } | WatchEvent::Closed(_) | WatchEvent::Foreign(_))
    }
}

/// What goes into a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The answer to a request.
    Response(RequestId, Response),
    /// An event of a watch.
    Watch(RequestId, WatchEvent),
    /// Every entry up to this sequence number is safe on disk.
    Appended(u64),
    /// Somebody asks for an orderly stop.
    Stop(crate::runner::StopMode),
    /// Somebody approves: the gate before this batch (counted from 0) opens, now or when it is reached.
    Approve {
        /// Batch.
        batch: u32,
        /// Who.
        by: String,
    },
    /// End now, as it is; it can be resumed.
    Interrupt(String),
    /// The API server's clock is ahead of ours by so many milliseconds (behind, if below 0).
    ServerAhead(Ms),
    /// Time passed.
    Tick,
}

/// What comes out of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An entry for the journal, in order of its sequence numbers. With `sync`, the driver makes everything up to it safe
    /// (fsync) and says so with [`Input::Appended`]; without, it may keep it in memory until the next that has it.
    Append {
        /// The entry.
        entry: super::journal::Entry,
        /// Something waits for it.
        sync: bool,
    },
    /// A request to perform now.
    Send(RequestId, Request),
    /// A watch that is wanted no more; nothing of it may be fed any more.
    Cancel(RequestId),
}
