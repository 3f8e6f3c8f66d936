//! The cluster as the API last showed it: objects by name, and the view that is made of them for the runner.
//!
//! A list, a watch and the answers to our own calls all tell of the same objects, in no common order. Four rules put
//! them in one: of two versions of an object the later (`resourceVersion`) stands; what an answer said is gone stays
//! gone until the watch says so too; what lists and watches have told the end of does not come back by an answer that was
//! late; and what a list shows is there, unless the watch told its end, whatever an older or equally old list lacked.

use super::api::{BUDGETS, FOLLOWED, NODES, PODS, Resource};
use crate::cluster::{
    BudgetIdx, BudgetStatus, Catalog, Cluster, ForeignDocument, NodeIdx, NodeState, OwnerIdx, PodIdx, PodState, State,
    View,
};
use crate::snapshot::groups::{self, MachineCatalogue};
use crate::snapshot::{Decoder, ReadError, Snapshot};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An object's place: kind (its place in [`FOLLOWED`]), namespace, name.
type Key = (usize, String, String);

/// An object in the view before and in the view now.
pub(crate) struct Seen<I, S> {
    /// As it was; its index is of the view before, which is the view now unless that was made anew.
    pub was: Option<(I, S)>,
    /// As it is in the view now.
    pub is: Option<I>,
}

/// What changed between two views.
#[derive(Default)]
pub(crate) struct Renewed {
    /// The view before, if the view now was made anew: indices are others.
    pub before: Option<Snapshot>,
    /// Pods that were told of since, by uid.
    pub pods: Vec<Seen<PodIdx, PodState>>,
    /// Nodes, by uid.
    pub nodes: Vec<Seen<NodeIdx, NodeState>>,
    /// Budgets whose status changed.
    pub budgets: Vec<BudgetIdx>,
    /// Owners whose replica count changed.
    pub owners: Vec<OwnerIdx>,
}

/// How much a change of an object concerns the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Not at all: a heartbeat, a count that we keep ourselves.
    Nothing,
    /// What the state can be told.
    Light,
    /// The catalogue changes: the view is made anew.
    Heavy,
}

/// An object by which it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl Known {
    /// What an object is known by.
    pub fn of(object: &Value) -> Known {
        let text = |p| text(object, p).to_owned();
        Known { namespace: text("/metadata/namespace"), name: text("/metadata/name"), uid: text("/metadata/uid") }
    }
    /// `shop/web-1`.
    pub fn text(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// What a list lacks of what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// So many objects that it should have are known.
    pub known: usize,
    /// Those that it lacks.
    pub lost: Vec<Known>,
}

/// A list that lacks so many objects and more, and half of those that are known, is read a second time.
const MANY: usize = 5;

impl Missing {
    /// Whether a list has lost so much that it is read a second time before it is believed.
    pub fn is_much(&self) -> bool {
        self.lost.len() >= MANY && 2 * self.lost.len() >= self.known
    }
    /// `12 of 20 known pods`.
    pub fn words(&self, plural: &str) -> String {
        format!("{} of {} known {plural}", self.lost.len(), self.known)
    }
}

/// Something that an answer says of an object against what is known of it: kind, object, node.
type Claim = (usize, Known, String);

/// So many uids are kept whose end the watch told.
const MOST_ENDED: usize = 50_000;

/// The latest uids whose end the watch told.
#[derive(Debug, Default)]
struct Ended {
    uids: BTreeSet<(usize, String)>,
    order: VecDeque<(usize, String)>,
}

impl Ended {
    fn insert(&mut self, ended: (usize, String)) {
        if self.uids.insert(ended.clone()) {
            self.order.push_back(ended);
        }
        if self.order.len() > MOST_ENDED
            && let Some(oldest) = self.order.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }
}

/// The mirror.
#[derive(Debug)]
pub(crate) struct Mirror {
    origin_unix_ms: i64,
    background: Vec<Value>,
    /// Node groups as the plan describes them; empty to infer them.
    groups: Vec<(String, Value)>,
    objects: BTreeMap<Key, Value>,
    /// Where the object of a uid is, by kind and uid.
    places: BTreeMap<(usize, String), Key>,
    /// Up to which version lists and watches have told everything, by kind.
    told: BTreeMap<usize, u64>,
    /// uids that an answer said are gone, though the watch has not; with the version of the list that lacked them.
    buried: BTreeMap<(usize, String), Option<u64>>,
    /// uids whose end the watch told, the latest of them.
    ended: Ended,
    /// What an answer said against what is known and what was not believed at once.
    doubted: BTreeSet<Claim>,
    /// Objects that were told of since the view was made, by kind and uid.
    touched: BTreeMap<(usize, String), Key>,
    weight: Weight,
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
    matches!((version(a), version(b)), (Some(a), Some(b)) if a < b)
}

fn version(object: &Value) -> Option<u64> {
    text(object, "/metadata/resourceVersion").parse().ok()
}

/// What a change of an object is to the view.
fn weigh(resource: Resource, before: &Value, after: &Value) -> Weight {
    let differs_but = |pointers: &[&str]| stripped(before, pointers) != stripped(after, pointers);
    match resource {
        PODS if differs_but(&[]) => Weight::Light,
        NODES if differs_but(NODE_STATE) => Weight::Heavy,
        NODES if differs_but(&["/status/images", "/status/volumesInUse", "/status/volumesAttached"]) => Weight::Light,
        BUDGETS if differs_but(&["/status"]) => Weight::Heavy,
        BUDGETS if differs_but(&[]) => Weight::Light,
        PODS | NODES | BUDGETS => Weight::Nothing,
        _ if differs_but(&["/status", "/metadata/annotations", "/metadata/generation", "/spec/replicas"]) => {
            Weight::Heavy
        }
        _ if before.pointer("/spec/replicas") != after.pointer("/spec/replicas") => Weight::Light,
        _ => Weight::Nothing,
    }
}

/// What of a node the state can be told, or nobody asks for.
const NODE_STATE: &[&str] = &[
    "/spec/unschedulable",
    "/spec/taints",
    "/metadata/annotations",
    "/status/conditions",
    "/status/images",
    "/status/volumesInUse",
    "/status/volumesAttached",
];

/// An object without its version, the times of its heartbeats, and what else is not to be compared.
fn stripped(object: &Value, pointers: &[&str]) -> Value {
    let mut object = object.clone();
    for pointer in pointers.iter().chain(&["/metadata/resourceVersion"]) {
        let Some((parent, field)) = pointer.rsplit_once('/') else { continue };
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(field);
        }
    }
    for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastHeartbeatTime");
        }
    }
    object
}

impl Mirror {
    /// An empty mirror; times of its views are milliseconds since `origin_unix_ms`.
    pub fn new(origin_unix_ms: i64, background: Vec<Value>, groups: &[ForeignDocument]) -> Mirror {
        let groups = groups.iter().map(|g| ("groups of the plan".to_owned(), g.value().clone()));
        Mirror {
            origin_unix_ms,
            background,
            groups: groups.collect(),
            objects: BTreeMap::new(),
            places: BTreeMap::new(),
            told: BTreeMap::new(),
            buried: BTreeMap::new(),
            ended: Ended::default(),
            doubted: BTreeSet::new(),
            touched: BTreeMap::new(),
            weight: Weight::Nothing,
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
    fn touch(&mut self, key: &Key, uid: &str, weight: Weight) {
        if weight != Weight::Nothing {
            self.weight = self.weight.max(weight);
            let before = self.touched.insert((key.0, uid.to_owned()), key.clone());
            // The state cannot be told that an object has another name.
            if before.is_some_and(|b| b != *key) {
                self.weight = Weight::Heavy;
            }
        }
    }
    /// What it is to the view that an object comes or goes.
    fn coming_or_going(key: &Key) -> Weight {
        if key.0 == place(PODS) { Weight::Light } else { Weight::Heavy }
    }
    /// An object as it is now, or was at its version.
    pub fn apply(&mut self, resource: Resource, object: Value) {
        let key = Self::key(resource, &object);
        let burial = (key.0, uid(&object).to_owned());
        let came_after = |list: &Option<u64>| list.zip(version(&object)).is_some_and(|(list, v)| v > list);
        match self.buried.get(&burial) {
            // It changed after the list that lacked it: the list was none.
            Some(list) if came_after(list) => drop(self.buried.remove(&burial)),
            Some(_) => return,
            // It was there before its end was told, and the answer is late.
            None if !self.objects.contains_key(&key) && self.is_old(&key, &object) => return,
            None => {}
        }
        self.put(resource, key, object);
    }
    /// Whether lists and watches have told everything of an object's kind up to its version and more.
    fn is_old(&self, key: &Key, object: &Value) -> bool {
        version(object).is_some_and(|v| self.told.get(&key.0).is_some_and(|told| v <= *told))
    }
    /// An object of a list of this version.
    fn apply_listed(&mut self, resource: Resource, list: Option<u64>, object: Value) {
        let key = Self::key(resource, &object);
        let burial = (key.0, uid(&object).to_owned());
        match self.buried.get(&burial) {
            // A list that is as new has it: the one that lacked it was none.
            Some(Some(lacked)) if list.is_some_and(|list| list >= *lacked) => drop(self.buried.remove(&burial)),
            Some(_) => return,
            None if self.ended.uids.contains(&burial) => return,
            None => {}
        }
        self.put(resource, key, object);
    }
    fn put(&mut self, resource: Resource, key: Key, mut object: Value) {
        if self.objects.get(&key).is_some_and(|known| older(&object, known)) {
            return;
        }
        if let Some(meta) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            meta.remove("managedFields");
        }
        let new = uid(&object).to_owned();
        // A uid is in one place: what was said of another was wrong.
        if let Some(other) = self.places.get(&(key.0, new.clone())).filter(|k| **k != key).cloned() {
            self.take_away(&other);
        }
        let before = self.objects.insert(key.clone(), object);
        if let Some(before) = &before {
            self.places.remove(&(key.0, uid(before).to_owned()));
        }
        self.places.insert((key.0, new.clone()), key.clone());
        match before {
            Some(before) if uid(&before) == new => {
                let weight = weigh(resource, &before, &self.objects[&key]);
                self.touch(&key, &new, weight);
            }
            before => {
                if let Some(before) = before {
                    self.touch(&key, uid(&before), Self::coming_or_going(&key));
                }
                self.touch(&key, &new, Self::coming_or_going(&key));
            }
        }
    }
    /// An object is there no more.
    fn take_away(&mut self, key: &Key) {
        let Some(object) = self.objects.remove(key) else { return };
        let gone = uid(&object).to_owned();
        self.touch(key, &gone, Self::coming_or_going(key));
        self.places.remove(&(key.0, gone));
    }
    /// The watch says how an object is now.
    pub fn watched(&mut self, resource: Resource, object: Value) {
        let version = version(&object);
        self.apply(resource, object);
        self.is_told(resource, version);
    }
    /// Lists or watches have told everything up to a version.
    fn is_told(&mut self, resource: Resource, version: Option<u64>) {
        let told = self.told.entry(place(resource)).or_default();
        *told = (*told).max(version.unwrap_or(0));
    }
    /// The watch says that an object is gone.
    pub fn deleted(&mut self, resource: Resource, object: &Value) {
        self.is_told(resource, version(object));
        let key = Self::key(resource, object);
        let ended = (key.0, uid(object).to_owned());
        self.buried.remove(&ended);
        self.ended.insert(ended);
        if self.objects.get(&key).is_some_and(|known| uid(known) == uid(object)) {
            self.take_away(&key);
        }
    }
    /// An answer says that an object is gone, maybe ahead of the watch.
    pub fn bury(&mut self, resource: Resource, namespace: &str, name: &str, gone: &str) {
        let kind = place(resource);
        let key = (kind, namespace.to_owned(), name.to_owned());
        if self.objects.get(&key).is_some_and(|known| uid(known) == gone) {
            self.take_away(&key);
            self.buried.insert((kind, gone.to_owned()), None);
        }
    }
    /// A whole list: what it lacks is gone, unless it came after the list.
    pub fn replace(&mut self, resource: Resource, version: &str, items: Vec<Value>) {
        self.reconcile(resource, version, items, |_| true);
        self.is_told(resource, version.parse().ok());
        // The list is the truth now; what was buried before it will not be told of again. What it lacked may still turn out
        // to be there.
        let (kind, version) = (place(resource), version.parse().ok());
        self.buried.retain(|(of, _), list| *of != kind || (list.is_some() && *list >= version));
    }
    /// The pods of one node, as they were listed.
    pub fn replace_pods_of(&mut self, node: &str, version: &str, items: Vec<Value>) {
        self.reconcile(PODS, version, items, |o| text(o, "/spec/nodeName") == node);
    }
    fn reconcile(&mut self, resource: Resource, version: &str, items: Vec<Value>, concerns: impl Fn(&Value) -> bool) {
        let kind = place(resource);
        let list = version.parse().ok();
        for known in self.lacking(resource, version, &items, concerns).lost {
            let key = (kind, known.namespace, known.name);
            self.take_away(&key);
            self.buried.insert((kind, known.uid), list);
        }
        for item in items {
            self.apply_listed(resource, list, item);
        }
    }

    // --- what is not believed at once ---

    /// What a list lacks of what is known: what the store has by place and uid and the list does not, unless it came after
    /// the list.
    pub fn missing(&self, resource: Resource, version: &str, items: &[Value]) -> Missing {
        self.lacking(resource, version, items, |_| true)
    }
    /// The same of a list of the pods of one node.
    pub fn missing_of(&self, node: &str, version: &str, items: &[Value]) -> Missing {
        self.lacking(PODS, version, items, |o| text(o, "/spec/nodeName") == node)
    }
    fn lacking(
        &self,
        resource: Resource,
        version: &str,
        items: &[Value],
        concerns: impl Fn(&Value) -> bool,
    ) -> Missing {
        let listed: BTreeSet<Known> = items.iter().map(Known::of).collect();
        let kind = place(resource);
        let list = serde_json::json!({"metadata": {"resourceVersion": version}});
        let mut missing = Missing::default();
        let of_kind = (kind, String::new(), String::new())..(kind + 1, String::new(), String::new());
        for (_, object) in self.objects.range(of_kind).filter(|(_, o)| concerns(o) && !older(&list, o)) {
            missing.known += 1;
            let known = Known::of(object);
            if !listed.contains(&known) {
                missing.lost.push(known);
            }
        }
        missing
    }
    /// What an object is said to be against what is known of it, if that never changes: another uid with the same time of
    /// creation, another name of a uid, another node of a bound pod. Said once, it is doubted; said again, it is believed.
    pub fn doubts(&mut self, resource: Resource, object: &Value) -> Option<String> {
        let key = Self::key(resource, object);
        let said = Known::of(object);
        let why = match self.places.get(&(key.0, said.uid.clone())) {
            Some((_, namespace, name)) if (namespace, name) != (&key.1, &key.2) => {
                format!("its uid {} was that of {namespace}/{name}", said.uid)
            }
            _ => self.differs(resource, &key, object)?,
        };
        let claim = (key.0, said.clone(), text(object, "/spec/nodeName").to_owned());
        if self.doubted.remove(&claim) {
            return None;
        }
        self.doubted.insert(claim);
        Some(format!("{} {}: {why}", resource.kind.to_lowercase(), said.text()))
    }
    fn differs(&self, resource: Resource, key: &Key, object: &Value) -> Option<String> {
        let before = self.objects.get(key)?;
        let differs = |p: &str| {
            let (was, is) = (text(before, p), text(object, p));
            (!was.is_empty() && was != is).then(|| (was.to_owned(), is.to_owned()))
        };
        let born = "/metadata/creationTimestamp";
        let same_birth = !text(before, born).is_empty() && text(before, born) == text(object, born);
        match (differs("/metadata/uid"), differs("/spec/nodeName")) {
            (Some((was, is)), _) if same_birth => Some(format!("its uid was {was} and is said to be {is}")),
            (None, Some((was, is))) if resource == PODS => {
                Some(format!("it is on node {was} and is said to be on {is:?}"))
            }
            _ => None,
        }
    }

    // --- what is known ---

    /// All objects of a kind.
    pub fn objects_of(&self, resource: Resource) -> impl Iterator<Item = &Value> {
        let of = place(resource);
        self.objects.iter().filter(move |(key, _)| key.0 == of).map(|(_, object)| object)
    }

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
        self.weight != Weight::Nothing
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

    /// Brings the view up to date, if it is behind the objects: tells the state where that is enough, else makes it anew.
    ///
    /// # Errors
    /// Says which object cannot be read.
    pub fn renew(&mut self) -> Result<Option<Renewed>, String> {
        if !self.is_dirty() {
            return Ok(None);
        }
        let weight = std::mem::replace(&mut self.weight, Weight::Nothing);
        let touched = std::mem::take(&mut self.touched);
        let renewed = match self.snapshot.take() {
            Some(snapshot) if weight == Weight::Light => self.tell(snapshot, &touched),
            before => self.make(before, &touched),
        };
        renewed.map(Some).map_err(|e| format!("the cluster cannot be read: {e}"))
    }
    /// The object behind a touched uid, if it still is.
    fn present(&self, uid_of: &str, key: &Key) -> Option<&Value> {
        self.objects.get(key).filter(|o| uid(o) == uid_of)
    }
    /// Makes the view anew.
    fn make(
        &mut self,
        before: Option<Snapshot>,
        touched: &BTreeMap<(usize, String), Key>,
    ) -> Result<Renewed, ReadError> {
        let snapshot = self.decode()?;
        let (c, s) = (&snapshot.cluster.catalog, &snapshot.cluster.state);
        let pods: FxHashMap<_, _> = s.pods.entries().map(|(i, p)| (s.name(c, p.uid).to_owned(), i)).collect();
        let nodes: FxHashMap<_, _> = s.nodes.entries().map(|(i, n)| (s.name(c, n.spec.uid).to_owned(), i)).collect();
        let old_pods = std::mem::replace(&mut self.pod_index, pods);
        let old_nodes = std::mem::replace(&mut self.node_index, nodes);
        let mut renewed = Renewed { owners: c.owners.indices().collect(), ..Renewed::default() };
        if let Some(before) = &before {
            let state = &before.cluster.state;
            for (kind, uid) in touched.keys() {
                if *kind == place(PODS) {
                    let was = old_pods.get(uid).map(|i| (*i, state.pods[*i].clone())).filter(|(_, p)| !p.gone);
                    renewed.pods.push(Seen { was, is: self.pod(uid) });
                } else if *kind == place(NODES) {
                    let was = old_nodes.get(uid).map(|i| (*i, state.nodes[*i].clone()));
                    renewed.nodes.push(Seen { was, is: self.node(uid) });
                }
            }
            let status = |c: &Catalog, s: &State, b| (c.budget_text(b), s.budgets[b].clone());
            let known: BTreeMap<String, BudgetStatus> =
                before.cluster.catalog.budgets.indices().map(|b| status(&before.cluster.catalog, state, b)).collect();
            let changed = |b: &BudgetIdx| known.get(&c.budget_text(*b)) != Some(&s.budgets[*b]);
            renewed.budgets = c.budgets.indices().filter(changed).collect();
        }
        renewed.before = before;
        self.snapshot = Some(snapshot);
        Ok(renewed)
    }
    /// Tells the state what changed; the indices stay as they are.
    fn tell(&mut self, mut snapshot: Snapshot, touched: &BTreeMap<(usize, String), Key>) -> Result<Renewed, ReadError> {
        let mut renewed = Renewed::default();
        for ((kind, uid), key) in touched {
            match FOLLOWED.get(*kind) {
                Some(&PODS) => renewed.pods.extend(self.tell_pod(&mut snapshot, uid, key)?),
                Some(&NODES) => renewed.nodes.extend(self.tell_node(&mut snapshot, uid, key)?),
                Some(&BUDGETS) => renewed.budgets.extend(self.tell_budget(&mut snapshot, uid, key)?),
                _ => renewed.owners.extend(self.tell_owner(&mut snapshot, uid, key)),
            }
        }
        let state = &mut snapshot.cluster.state;
        state.forget_changes(state.cursor());
        self.snapshot = Some(snapshot);
        Ok(renewed)
    }
    fn tell_pod(
        &mut self,
        snapshot: &mut Snapshot,
        uid: &str,
        key: &Key,
    ) -> Result<Option<Seen<PodIdx, PodState>>, ReadError> {
        let decoded = match self.present(uid, key) {
            Some(object) => snapshot.decode_pods([object])?.pop(),
            None => None,
        };
        let Cluster { catalog, state } = &mut snapshot.cluster;
        let known = self.pod(uid).filter(|i| !state.pods[*i].gone);
        let was = known.map(|i| (i, state.pods[i].clone()));
        let is = match (known, decoded) {
            (Some(i), Some((_, seen))) => {
                state.set_pod(catalog, i, &seen);
                Some(i)
            }
            (Some(i), None) => {
                state.remove_pod(catalog, i);
                None
            }
            (None, Some((_, seen))) => {
                let i = state.add_pod(catalog, seen);
                self.pod_index.insert(uid.to_owned(), i);
                Some(i)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Seen { was, is }))
    }
    fn tell_node(
        &mut self,
        snapshot: &mut Snapshot,
        uid: &str,
        key: &Key,
    ) -> Result<Option<Seen<NodeIdx, NodeState>>, ReadError> {
        let (Some(object), Some(i)) = (self.present(uid, key), self.node(uid)) else { return Ok(None) };
        let Some(seen) = snapshot.decode_nodes([object])?.pop() else { return Ok(None) };
        let state = &mut snapshot.cluster.state;
        let was = Some((i, state.nodes[i].clone()));
        state.set_unschedulable(i, seen.unschedulable);
        state.set_node_ready(i, seen.ready);
        state.set_taints(i, seen.taints.into_iter().collect());
        Ok(Some(Seen { was, is: Some(i) }))
    }
    fn tell_budget(&self, snapshot: &mut Snapshot, uid: &str, key: &Key) -> Result<Option<BudgetIdx>, ReadError> {
        let Some(object) = self.present(uid, key) else { return Ok(None) };
        let Some(read) = snapshot.decode_budgets([object])?.pop() else { return Ok(None) };
        let Cluster { catalog, state } = &mut snapshot.cluster;
        let same = |b: &BudgetIdx| {
            let known = &catalog.budgets[*b];
            (known.namespace, known.name) == (read.spec.namespace, read.spec.name)
        };
        let Some(budget) = catalog.budgets.indices().find(same) else { return Ok(None) };
        let by_name = |name| state.pods.entries().find(|(_, p)| !p.gone && p.name == name).map(|(i, _)| i);
        let mut disrupted: Vec<(PodIdx, i64)> =
            read.disrupted.iter().filter_map(|(name, at)| by_name(*name).map(|p| (p, *at))).collect();
        disrupted.sort();
        state.set_budget(budget, BudgetStatus { disrupted, ..read.status });
        Ok(Some(budget))
    }
    fn tell_owner(&self, snapshot: &mut Snapshot, uid: &str, key: &Key) -> Option<OwnerIdx> {
        let object = self.present(uid, key)?;
        let Cluster { catalog, state } = &mut snapshot.cluster;
        let sym = catalog.names.get(uid)?;
        let owner = catalog.owners.indices().find(|o| catalog.owners[*o].uid == sym)?;
        state.set_replicas(owner, Some(object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)));
        Some(owner)
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
