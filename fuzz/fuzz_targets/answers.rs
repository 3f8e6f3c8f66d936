//! A session whose API server answers anything at all: it goes on, waits, refuses or leaves; never a panic, and never a journal that cannot be
//! read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeferry::intent::Options;
use nodeferry::plan::{Baseline, Plan};
use nodeferry::session::api::{FOLLOWED, Foreign, Request, RequestId, Resource, Response, WatchEvent};
use nodeferry::session::journal::{JOURNAL_VERSION, Journal, Writer, fold, read};
use nodeferry::session::{Began, Input, Output, ProcessId, Session, Setup};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Steps of one run.
const MOST: usize = 400;

/// The input, taken byte by byte; zeros when it is used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.next() % 64).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(taken).into_owned()
    }

    /// A value of JSON that may be anything.
    fn value(&mut self, depth: u8) -> Value {
        match self.next() % 12 {
            0 => Value::Null,
            1 => Value::Bool(self.next() % 2 == 0),
            2 => json!(i64::from(self.next()) - 128),
            3 => Value::from([i64::MIN, i64::MAX, 0, -1][usize::from(self.next() % 4)]),
            4 => json!(1e308),
            5 => json!("2026-11-27T15:00:00Z"),
            6 | 7 => Value::String(self.text()),
            8 if depth > 0 => (0..self.next() % 4).map(|_| self.value(depth - 1)).collect(),
            9 if depth > 0 => {
                let fields = ["metadata", "spec", "status", "items", "name", "uid", "resourceVersion", "code", "reason"];
                let keys = (0..self.next() % 5).map(|_| fields[usize::from(self.next()) % fields.len()].to_owned());
                keys.collect::<Vec<_>>().into_iter().map(|key| (key, self.value(depth - 1))).collect()
            }
            _ => json!({}),
        }
    }

    /// An object as the API has them, with something in it changed or taken out.
    fn object(&mut self, resource: &Resource) -> Value {
        let name = ["old-1", "old-2", "new-1", "web-1", "web-2", "web", "nodeferry", "kube-system"][usize::from(self.next() % 8)];
        let mut object = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"name": name, "namespace": "default", "uid": format!("u-{name}"), "resourceVersion": "7", "labels": {"app": "web"}},
            "spec": {"nodeName": "old-1", "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1,
                "containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}], "unschedulable": self.next() % 2 == 0,
                "holderIdentity": "run-1", "leaseDurationSeconds": 30, "renewTime": "2026-11-27T15:00:00.000000Z"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "disruptionsAllowed": 1,
                "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                "expectedPods": 2, "currentHealthy": 2, "desiredHealthy": 1},
        });
        if !resource.namespaced {
            object["metadata"].as_object_mut().expect("an object").remove("namespace");
        }
        for _ in 0..self.next() % 3 {
            let places = [
                "/metadata", "/metadata/name", "/metadata/uid", "/metadata/resourceVersion", "/metadata/labels", "/spec", "/spec/nodeName",
                "/spec/containers", "/spec/replicas", "/spec/leaseDurationSeconds", "/spec/renewTime", "/spec/holderIdentity", "/status",
                "/status/phase", "/status/conditions", "/status/allocatable/cpu", "/status/disruptionsAllowed", "/kind",
            ];
            let place = places[usize::from(self.next()) % places.len()];
            let value = self.value(2);
            if let Some(at) = object.pointer_mut(place) {
                *at = value;
            }
        }
        object
    }

    fn resource(&mut self, path: &str) -> Resource {
        let named = FOLLOWED.iter().find(|r| path.split(['/', '?']).any(|part| part == r.plural));
        named.copied().unwrap_or(FOLLOWED[usize::from(self.next()) % FOLLOWED.len()])
    }

    fn response(&mut self, request: &Request) -> Response {
        let resource = match request {
            Request::Api(exchange) => self.resource(&exchange.path),
            _ => FOLLOWED[0],
        };
        let is_list = matches!(request, Request::Api(e) if !e.writes() && e.path.split('?').next().is_some_and(|p| p.ends_with(resource.plural)));
        match self.next() % 16 {
            0 => Response::Lost(self.text()),
            1 => Response::Foreign(Foreign { status: 200, retry_after_ms: None, what: self.text(), page_not_found: self.next() % 2 == 0 }),
            2 => Response::Exited { code: Some(i32::from(self.next())), output: self.text() },
            3 => {
                let status = [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504][usize::from(self.next() % 15)];
                let retry_after_ms = (self.next() % 2 == 0).then(|| [0, 1_000, i64::MAX, -1][usize::from(self.next() % 4)]);
                let reasons = ["Forbidden", "NotFound", "TooManyRequests", "Expired", "Conflict"];
                let reason = reasons[usize::from(self.next()) % reasons.len()];
                let body = match self.next() % 3 {
                    0 => self.value(3),
                    _ => json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": self.text(),
                        "reason": reason}),
                };
                Response::Http { status, retry_after_ms, body }
            }
            4 => Response::Http { status: 200, retry_after_ms: None, body: self.value(4) },
            _ if is_list => {
                let items: Vec<Value> = (0..self.next() % 5).map(|_| self.object(&resource)).collect();
                let more = if self.next() % 8 == 0 { "more" } else { "" };
                let body = json!({"apiVersion": resource.api_version, "kind": format!("{}List", resource.kind),
                    "metadata": {"resourceVersion": "7", "continue": more}, "items": items});
                Response::Http { status: 200, retry_after_ms: None, body }
            }
            _ => Response::Http { status: 200, retry_after_ms: None, body: self.object(&resource) },
        }
    }

    fn event(&mut self, resource: &Resource) -> WatchEvent {
        match self.next() % 8 {
            0 => WatchEvent::Deleted(self.object(resource)),
            1 => WatchEvent::Bookmark(self.text()),
            2 => WatchEvent::Error { code: [410, 403, 500][usize::from(self.next() % 3)], message: self.text() },
            3 => WatchEvent::Closed(self.text()),
            4 => WatchEvent::Foreign(self.text()),
            _ => WatchEvent::Applied(self.object(resource)),
        }
    }
}

fn setup() -> Setup {
    let batches = json!([[{"name": "old-1", "uid": "u-old-1"}], [{"name": "old-2", "uid": "u-old-2"}]]);
    let intent = serde_json::from_value(json!({"batches": batches, "options": Options::default()})).expect("an intent");
    let began = Began {
        journal_version: JOURNAL_VERSION,
        nodeferry: "0".into(),
        execution: "run-1".into(),
        cluster: "u-kube-system".into(),
        context: "fuzz".into(),
        unix_ms: 1_795_791_600_000,
        plan_sha256: String::new(),
        pass_env: Vec::new(),
        plan: Plan::new(intent, Baseline::default()),
    };
    Setup {
        began,
        background: Vec::new(),
        namespace: "kube-system".into(),
        process: ProcessId::new("host", "boot", 1, "random"),
        dead: None,
        resumed: None,
        page: 500,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let mut session = Session::new(setup());
    let (mut open, mut now): (BTreeMap<RequestId, Request>, i64) = (BTreeMap::new(), 0);
    let (mut writer, mut journal) = (Writer::default(), Vec::new());
    let mut inputs = vec![Input::Tick];
    for _ in 0..MOST {
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            session.handle(now, input, &mut out);
            let mut safe = None;
            for output in out {
                match output {
                    Output::Append { entry, sync } => {
                        journal.extend(writer.encode(&entry).expect("entries follow each other"));
                        safe = sync.then_some(entry.seq).or(safe);
                    }
                    Output::Send(id, request) => drop(open.insert(id, request)),
                    Output::Cancel(id) => drop(open.remove(&id)),
                }
            }
            inputs.extend(safe.map(Input::Appended));
        }
        if session.end().is_some() || bytes.is_empty() {
            break;
        }
        let chosen = open.keys().nth(usize::from(bytes.next()) % open.len().max(1)).copied();
        let input = match chosen.and_then(|id| Some((id, open.get(&id)?.clone()))) {
            Some((id, Request::Watch { resource, .. })) => {
                let event = bytes.event(&resource);
                if matches!(event, WatchEvent::Error { .. } | WatchEvent::Closed(_) | WatchEvent::Foreign(_)) {
                    open.remove(&id);
                }
                Input::Watch(id, event)
            }
            Some((id, request)) if bytes.next() % 8 != 0 => {
                open.remove(&id);
                Input::Response(id, bytes.response(&request))
            }
            _ => {
                now = session.next_wakeup().unwrap_or(now + 1_000).max(now);
                Input::Tick
            }
        };
        inputs.push(input);
    }
    if !journal.is_empty() {
        let Journal { entries, .. } = read(&journal).expect("what was written can be read");
        fold(&entries).expect("what was written can be gone on with");
    }
});
