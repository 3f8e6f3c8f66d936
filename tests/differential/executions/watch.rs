//! What really happens to pods, budgets and nodes, seen beside the executor and without it.
//!
//! The three watches are put into one order by resource version: all objects of a cluster count in one etcd.

use crate::bed::client::Client;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Budget,
    Node,
    Pod,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Kind::Budget => "/apis/policy/v1/poddisruptionbudgets",
            Kind::Node => "/api/v1/nodes",
            Kind::Pod => "/api/v1/pods",
        }
    }
}

/// An object as it was from a version on.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its resource version; of a list, that of the object.
    pub version: u64,
    /// What it is.
    pub kind: Kind,
    /// It exists no more.
    pub gone: bool,
    /// It was found in a list after the watch was lost: what was before it may not have been seen.
    pub blind: bool,
    /// The object.
    pub object: Value,
}

/// Running watches.
pub struct Watch {
    stopped: Arc<AtomicBool>,
    events: Arc<Mutex<Vec<Event>>>,
    followers: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Lists all and follows it from there.
    pub fn start(client: &Client) -> Result<Watch> {
        let mut watch = Watch { stopped: Arc::default(), events: Arc::default(), followers: Vec::new() };
        for kind in [Kind::Budget, Kind::Node, Kind::Pod] {
            let mut follower = Follower {
                client: client.clone(),
                kind,
                known: BTreeMap::new(),
                stopped: watch.stopped.clone(),
                events: watch.events.clone(),
            };
            let from = follower.list(false)?;
            watch.followers.push(std::thread::spawn(move || follower.follow(from)));
        }
        Ok(watch)
    }
    /// Ends the watches once they have seen what is there now, and gives all that was seen in its order.
    pub fn finish(self, client: &Client) -> Result<Vec<Event>> {
        // A change of each kind made now comes after all others; a short rest lets it arrive.
        let mut behind = true;
        for _ in 0..100 {
            let newest = |kind: Kind| {
                let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                events.iter().filter(|e| e.kind == kind).map(|e| e.version).max().unwrap_or(0)
            };
            behind = false;
            for kind in [Kind::Budget, Kind::Node, Kind::Pod] {
                let there = client.list(kind.path())?.0.iter().map(version).max().unwrap_or(0);
                behind |= there > newest(kind);
            }
            if !behind {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::ensure!(!behind, "the watches beside the execution are behind by more than 10 s");
        self.stopped.store(true, Ordering::Relaxed);
        let mut events = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        events.sort_by_key(|e| e.version);
        Ok(events)
    }
}

/// One of the watches.
struct Follower {
    client: Client,
    kind: Kind,
    /// By uid, for what is gone when the watch was lost.
    known: BTreeMap<String, Value>,
    stopped: Arc<AtomicBool>,
    events: Arc<Mutex<Vec<Event>>>,
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or(0)
}

impl Follower {
    fn push(&mut self, event: Event) {
        let uid = event.object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        match event.gone {
            true => self.known.remove(&uid),
            false => self.known.insert(uid, event.object.clone()),
        };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
    fn list(&mut self, blind: bool) -> Result<String> {
        let (objects, from) = self.client.list(self.kind.path())?;
        let there: Vec<&Value> = objects.iter().map(|o| &o["metadata"]["uid"]).collect();
        let gone: Vec<Value> =
            self.known.values().filter(|k| !there.contains(&&k["metadata"]["uid"])).cloned().collect();
        let at = from.parse().unwrap_or(0);
        for object in gone {
            self.push(Event { version: at, kind: self.kind, gone: true, blind, object });
        }
        for object in objects {
            let known = self.known.get(object["metadata"]["uid"].as_str().unwrap_or_default());
            if known.is_none_or(|k| version(k) < version(&object)) {
                self.push(Event { version: version(&object), kind: self.kind, gone: false, blind, object });
            }
        }
        Ok(from)
    }
    fn follow(&mut self, mut from: String) {
        while !self.stopped.load(Ordering::Relaxed) {
            if self.round(&mut from).is_err() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    /// One watch until its end; what it was too late for is listed.
    fn round(&mut self, from: &mut String) -> Result<()> {
        for event in self.client.watch(self.kind.path(), from)? {
            let mut event = event?;
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            if event["type"] == "ERROR" {
                *from = self.list(true)?;
                break;
            }
            let gone = event["type"] == "DELETED";
            let object = event["object"].take();
            *from = version(&object).to_string();
            self.push(Event { version: version(&object), kind: self.kind, gone, blind: false, object });
        }
        Ok(())
    }
}
