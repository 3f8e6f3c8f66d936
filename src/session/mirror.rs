//! The cluster as the API last showed it: objects by name, and the view that is made of them for the runner.
//!
//! A list, a watch and the answers to our own calls all tell of the same objects, in no common order. Two rules put
//! them in one: of two versions of an object the later (`resourceVersion`) stands, and what an answer said is gone stays
//! gone until the watch says so too.

use super::api::{FOLLOWED, NODES, PODS, Resource};
use crate::cluster::{NodeIdx, PodIdx, View};
use crate::snapshot::groups::{self, MachineCatalogue};
use crate::snapshot::{Decoder, ReadError, Snapshot};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An object's place: kind (its place in [`FOLLOWED`]), namespace, name.
type Key = (usize, String, String);

/// What changed between two views.
pub(crate) struct Renewed {
    /// The view before; None for the first.
    pub before: Option<Snapshot>,
    /// uids of the pods that were told of since, sorted.
    pub pods: BTreeSet<String>,
    /// uids of the nodes, sorted.
    pub nodes: BTreeSet<String>,
    /// Something else changed: workloads, budgets, namespaces.
    pub others: bool,
}

/// The mirror.
#[derive(Debug)]
pub(crate) struct Mirror {
    origin_unix_ms: i64,
    background: Vec<Value>,
    /// Node groups as the plan describes them; empty to infer them.
    groups: Vec<(String, Value)>,
    objects: BTreeMap<Key, Value>,
    /// uids that an answer said are gone, though the watch has not.
    buried: BTreeSet<(usize, String)>,
    pods: BTreeSet<String>,
    nodes: BTreeSet<String>,
    others: bool,
    dirty: bool,
    snapshot: Option<Snapshot>,
    pod_index: FxHashMap<String, PodIdx>,
    node_index: FxHashMap<String, NodeIdx>,
}

/// A text of an object, by JSON pointer; empty if it is not there.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// `metadata.uid`.
pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// A kind's place in [`FOLLOWED`]; the last for one that is not followed.
fn place(resource: Resource) -> usize {
    FOLLOWED.iter().position(|r| *r == resource).unwrap_or(FOLLOWED.len())
}

/// Whether version `a` is older than `b`. Versions are numbers to be compared since Kubernetes 1.35 (KEP 5504) and were
/// in fact before; what is no number is taken to be new.
fn older(a: &Value, b: &Value) -> bool {
    let version = |v: &Value| text(v, "/metadata/resourceVersion").parse::<u64>().ok();
    matches!((version(a), version(b)), (Some(a), Some(b)) if a < b)
}

impl Mirror {
    /// An empty mirror; times of its views are milliseconds since `origin_unix_ms`.
    pub fn new(origin_unix_ms: i64, background: Vec<Value>, groups: &Value) -> Mirror {
        let groups = groups.as_array().into_iter().flatten().map(|v| ("groups of the plan".to_owned(), v.clone()));
        Mirror {
            origin_unix_ms,
            background,
            groups: groups.collect(),
            objects: BTreeMap::new(),
            buried: BTreeSet::new(),
            pods: BTreeSet::new(),
            nodes: BTreeSet::new(),
            others: false,
            dirty: false,
            snapshot: None,
            pod_index: FxHashMap::default(),
            node_index: FxHashMap::default(),
        }
    }

    // --- what the API says ---

    fn key(resource: Resource, object: &Value) -> Key {
        let kind = place(resource);
        (kind, text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned())
    }
    fn touched(&mut self, resource: Resource, uid: &str) {
        self.dirty = true;
        match resource {
            PODS => drop(self.pods.insert(uid.to_owned())),
            NODES => drop(self.nodes.insert(uid.to_owned())),
            _ => self.others = true,
        }
    }
    /// An object as it is now, or was at its version.
    pub fn apply(&mut self, resource: Resource, mut object: Value) {
        let key = Self::key(resource, &object);
        if self.buried.contains(&(key.0, uid(&object).to_owned())) {
            return;
        }
        if let Some(known) = self.objects.get(&key)
            && (older(&object, known) || *known == object)
        {
            return;
        }
        if let Some(meta) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            meta.remove("managedFields");
        }
        let new = uid(&object).to_owned();
        if let Some(before) = self.objects.insert(key, object) {
            let before = uid(&before).to_owned();
            if before != new {
                self.touched(resource, &before);
            }
        }
        self.touched(resource, &new);
    }
    /// The watch says that an object is gone.
    pub fn deleted(&mut self, resource: Resource, object: &Value) {
        let key = Self::key(resource, object);
        self.buried.remove(&(key.0, uid(object).to_owned()));
        if self.objects.get(&key).is_some_and(|known| uid(known) == uid(object)) {
            self.objects.remove(&key);
            self.touched(resource, uid(object));
        }
    }
    /// An answer says that an object is gone, maybe ahead of the watch.
    pub fn bury(&mut self, resource: Resource, namespace: &str, name: &str, gone: &str) {
        let kind = place(resource);
        let key = (kind, namespace.to_owned(), name.to_owned());
        if self.objects.get(&key).is_some_and(|known| uid(known) == gone) {
            self.objects.remove(&key);
            self.buried.insert((kind, gone.to_owned()));
            self.touched(resource, gone);
        }
    }
    /// A whole list: what it lacks is gone, unless it came after the list.
    pub fn replace(&mut self, resource: Resource, version: &str, items: Vec<Value>) {
        self.reconcile(resource, version, items, |_| true);
        // The list is the truth now; what was buried before it will not be told of again.
        let kind = place(resource);
        self.buried.retain(|(of, _)| *of != kind);
    }
    /// The pods of one node, as they were listed.
    pub fn replace_pods_of(&mut self, node: &str, version: &str, items: Vec<Value>) {
        self.reconcile(PODS, version, items, |o| text(o, "/spec/nodeName") == node);
    }
    fn reconcile(&mut self, resource: Resource, version: &str, items: Vec<Value>, concerns: impl Fn(&Value) -> bool) {
        let listed: BTreeSet<String> = items.iter().map(|i| uid(i).to_owned()).collect();
        let kind = place(resource);
        let list = serde_json::json!({"metadata": {"resourceVersion": version}});
        let gone: Vec<Key> = self
            .objects
            .range((kind, String::new(), String::new())..(kind + 1, String::new(), String::new()))
            .filter(|(_, o)| concerns(o) && !listed.contains(uid(o)) && !older(&list, o))
            .map(|(k, _)| k.clone())
            .collect();
        for key in gone {
            if let Some(object) = self.objects.remove(&key) {
                let uid = uid(&object).to_owned();
                self.touched(resource, &uid);
                self.buried.insert((kind, uid));
            }
        }
        for item in items {
            self.apply(resource, item);
        }
    }

    // --- what is known ---

    /// An object as it was last seen.
    pub fn object(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(place(resource), namespace.to_owned(), name.to_owned()))
    }
    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }
    /// Whether the view is behind the objects.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }
    /// The view, once there is one.
    pub fn view(&self) -> Option<View<'_>> {
        self.snapshot.as_ref().map(|s| View { catalog: &s.cluster.catalog, state: &s.cluster.state })
    }
    /// A pod of the view by uid.
    pub fn pod(&self, uid: &str) -> Option<PodIdx> {
        self.pod_index.get(uid).copied()
    }
    /// A node of the view by uid.
    pub fn node(&self, uid: &str) -> Option<NodeIdx> {
        self.node_index.get(uid).copied()
    }

    /// Makes the view anew, if it is behind the objects.
    ///
    /// # Errors
    /// Says which object cannot be read.
    pub fn renew(&mut self) -> Result<Option<Renewed>, String> {
        if !self.dirty {
            return Ok(None);
        }
        let snapshot = self.decode().map_err(|e| format!("the cluster cannot be read: {e}"))?;
        let (c, s) = (&snapshot.cluster.catalog, &snapshot.cluster.state);
        self.pod_index = s.pods.entries().map(|(i, p)| (s.name(c, p.uid).to_owned(), i)).collect();
        self.node_index = s.nodes.entries().map(|(i, n)| (s.name(c, n.spec.uid).to_owned(), i)).collect();
        self.dirty = false;
        Ok(Some(Renewed {
            before: self.snapshot.replace(snapshot),
            pods: std::mem::take(&mut self.pods),
            nodes: std::mem::take(&mut self.nodes),
            others: std::mem::take(&mut self.others),
        }))
    }
    fn decode(&self) -> Result<Snapshot, ReadError> {
        let mut decoder = Decoder::new();
        decoder.taken_at(self.origin_unix_ms);
        decoder.add_values("the cluster", self.background.iter().chain(self.objects.values()))?;
        let mut snapshot = decoder.finish(String::new())?;
        let cluster = &mut snapshot.cluster;
        let read = match self.groups.is_empty() {
            false => groups::groups_from_values(&self.groups, MachineCatalogue::default(), cluster),
            true => Ok(groups::inferred(&MachineCatalogue::default(), cluster)),
        };
        // A plan's groups were read before, when it was made; a cluster without any goes on without.
        drop(read);
        Ok(snapshot)
    }
}
