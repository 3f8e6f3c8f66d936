//! The simulated API server: requests in, answers out. It keeps the objects as JSON with their versions; what a write does is decided
//! by the one body that the plain simulation calls too ([`crate::sim::apiserver`]).

use super::facts::{Fact, Who};
use super::objects::{Bases, Place};
use super::paths::Target;
use super::status;
use super::store::Store;
use crate::cluster::{NodeIdx, PodIdx};
use crate::runner::{Answer, Call, ObjId, TaintText};
use crate::session::api::{NODE_CLAIMS, NODES};
use crate::session::{Exchange, Method, Response};
use crate::sim::apiserver::{NodePatch, Preconditions, Refusal, Removal, Served};
use crate::sim::world::{Told, World};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What comes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// An answer.
    Now(Response),
    /// An answer that [`Server::advance`] will bring under this number.
    Later(u64),
}

/// What the world is working on.
enum Waiting {
    /// An eviction or deletion of the pod of this name.
    Pod { name: String },
    /// A check before a batch.
    Check,
}

/// The simulated API server.
pub struct Server {
    world: World,
    store: Store,
    bases: Arc<Bases>,
    /// Annotations that were patched onto nodes; null where one was taken off.
    annotations: BTreeMap<NodeIdx, Map<String, Value>>,
    waiting: BTreeMap<u64, Waiting>,
    /// Who asked last to evict a pod.
    askers: BTreeMap<PodIdx, Who>,
    next_call: u64,
    /// Answers that came within an operation and wait for [`Server::advance`].
    answered: Vec<(u64, Response)>,
    pub(super) launch_failures: Vec<String>,
    /// Machines that a program was asked to reimage, by provider id.
    pub(super) reimaged: BTreeSet<String>,
    /// Every node has a NodeClaim.
    claims: bool,
    facts: Vec<Fact>,
}

impl Server {
    /// A server over a world at its snapshot, whose objects are those of the dump.
    pub fn new(world: World, bases: Arc<Bases>, claims: bool) -> Server {
        let store = Store::new(bases.served.iter().map(|(p, o)| (p.clone(), o.clone())));
        let mut server = Server {
            world,
            store,
            bases,
            annotations: BTreeMap::new(),
            waiting: BTreeMap::new(),
            askers: BTreeMap::new(),
            next_call: 0,
            answered: Vec::new(),
            launch_failures: Vec::new(),
            reimaged: BTreeSet::new(),
            claims,
            facts: Vec::new(),
        };
        server.world.advance_to(0);
        server.absorb();
        for node in server.world.state().live_nodes().collect::<Vec<_>>() {
            server.claim(node);
        }
        server
    }

    /// The world behind it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Its objects.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Forgets what happened up to now, as etcd's compaction does.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// What happened since the facts were taken last, in order.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    pub(super) fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Time passes; the answers that became ready on the way are returned.
    pub fn advance(&mut self, moment: i64) -> Vec<(u64, Response)> {
        self.world.advance_to(moment);
        self.absorb();
        std::mem::take(&mut self.answered)
    }

    /// Serves a request of somebody now.
    pub fn serve(&mut self, who: Who, exchange: &Exchange) -> Reply {
        let Some(target) = Target::parse(&exchange.path) else {
            return Reply::Now(super::paths::discovered(&exchange.path).unwrap_or_else(status::no_such_path));
        };
        let body = exchange.body.as_ref().unwrap_or(&Value::Null);
        let kind = target.resource.plural;
        let reply = match (exchange.method, &target.name, target.subresource.as_deref()) {
            (Method::Get, None, None) => Reply::Now(self.list(&target, self.store.version())),
            (Method::Get, Some(_), None) => Reply::Now(self.get(&target, self.store.version())),
            (Method::Post, Some(name), Some("eviction")) if kind == "pods" => {
                let options = &body["deleteOptions"];
                self.remove_pod(who, Place::new("pods", &target.namespace, name), options, true)
            }
            (Method::Delete, Some(name), None) if kind == "pods" => {
                self.remove_pod(who, Place::new("pods", &target.namespace, name), body, false)
            }
            (Method::Delete, Some(name), None) if kind == "nodes" => Reply::Now(self.delete_node(who, name, body)),
            (Method::Delete, Some(name), None) if kind == "nodeclaims" => {
                Reply::Now(self.delete_claim(who, name, body))
            }
            (Method::Patch, Some(name), None) if kind == "nodes" => Reply::Now(self.patch_node(who, name, body)),
            (Method::Post, None, None) if kind == "leases" => Reply::Now(self.create_lease(&target, body)),
            (Method::Put, Some(name), None) if kind == "leases" => {
                let place = Place::new("leases", &target.namespace, name);
                Reply::Now(self.update_lease(place, body))
            }
            (Method::Delete, Some(name), None) if kind == "leases" => {
                let place = Place::new("leases", &target.namespace, name);
                Reply::Now(self.delete_lease(&place, body))
            }
            _ => Reply::Now(status::failure(405, "MethodNotAllowed", "the server does not allow this method on it")),
        };
        self.absorb();
        reply
    }

    /// Serves a read from the past: what a cache that lags behind would answer.
    pub fn serve_stale(&self, exchange: &Exchange, version: u64) -> Option<Response> {
        let target = Target::parse(&exchange.path)?;
        if exchange.method != Method::Get || target.subresource.is_some() || version < self.store.compacted() {
            return None;
        }
        Some(match target.name {
            Some(_) => self.get(&target, version),
            None => self.list(&target, version),
        })
    }

    // --- reading ---

    fn get(&self, target: &Target, version: u64) -> Response {
        let name = target.name.as_deref().unwrap_or_default();
        let place = Place::new(target.resource.plural, &target.namespace, name);
        let found = match version == self.store.version() {
            true => self.store.get(&place).cloned(),
            false => self.store.at(place.plural, version).and_then(|o| o.get(&(place.namespace, place.name)).cloned()),
        };
        match found {
            Some(object) => status::http(200, (*object).clone()),
            None => status::not_found(target.resource.plural, name),
        }
    }

    fn list(&self, target: &Target, version: u64) -> Response {
        let (version, after) = match target.query.get("continue") {
            None => (version, None),
            Some(token) => match continued(token) {
                Some(c) => (c.0, Some(c.1)),
                None => return status::failure(400, "BadRequest", "continue key is not valid"),
            },
        };
        let Some(objects) = self.store.at(target.resource.plural, version) else {
            return status::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter",
            );
        };
        let limit = target.query.get("limit").and_then(|l| l.parse::<usize>().ok()).filter(|l| *l > 0);
        let mut items = Vec::new();
        let (mut token, mut remaining) = (None, 0usize);
        for (key, object) in &objects {
            let past = after.as_ref().is_none_or(|a| key > a);
            let here = target.namespace.is_empty() || key.0 == target.namespace;
            if !past || !here || !selected(target, object) {
                continue;
            }
            if limit.is_some_and(|l| items.len() >= l) {
                remaining += 1;
                continue;
            }
            token = Some(format!("{version}:{}/{}", key.0, key.1));
            items.push(bare(object));
        }
        let mut meta = json!({"resourceVersion": version.to_string()});
        if let (Some(token), true) = (token, remaining > 0) {
            meta["continue"] = token.into();
            meta["remainingItemCount"] = remaining.into();
        }
        let kind = format!("{}List", target.resource.kind);
        let body = json!({
            "kind": kind, "apiVersion": target.resource.api_version, "metadata": meta, "items": items,
        });
        status::http(200, body)
    }

    // --- pods ---

    /// Evicts or deletes a pod.
    fn remove_pod(&mut self, who: Who, place: Place, options: &Value, evict: bool) -> Reply {
        let if_so = preconditions(&options["preconditions"], self.store.get(&place));
        let pod = match self.world.pod_named(&place.namespace, &place.name, if_so) {
            Ok(pod) => pod,
            Err(refusal) => return Reply::Now(status::refused("pods", &place.name, &refusal)),
        };
        let grace_ms = options["gracePeriodSeconds"].as_i64().map(|s| s * 1000);
        let name = place.name.clone();
        if !evict {
            let node = self.world.state().pods[pod].node;
            let already = self.world.state().pods[pod].deleting.is_some();
            self.note(Fact::PodDeleted { who, place, node, already });
        } else {
            self.note(Fact::EvictionAsked { who, pod, by_name: options["preconditions"]["uid"].is_null() });
            self.askers.insert(pod, who);
        }
        self.wait_for(Waiting::Pod { name }, |world, id| {
            world.remove_pod(id, Removal { pod, by_uid: true, grace_ms }, evict);
        })
    }

    /// A check before a batch.
    pub(super) fn check(&mut self, batch: u32) -> Reply {
        self.wait_for(Waiting::Check, |world, id| world.call(id, Call::Check { batch }))
    }

    /// A call that the world may take time for.
    fn wait_for(&mut self, waiting: Waiting, call: impl FnOnce(&mut World, u64)) -> Reply {
        let id = self.next_call;
        self.next_call += 1;
        self.waiting.insert(id, waiting);
        call(&mut self.world, id);
        self.absorb();
        match self.answered.iter().position(|a| a.0 == id) {
            Some(i) => Reply::Now(self.answered.remove(i).1),
            None => Reply::Later(id),
        }
    }

    /// The pod with a uid, if it exists.
    pub fn pod_of(&self, uid: &str) -> Option<PodIdx> {
        let (c, s) = (self.world.catalog(), self.world.state());
        s.live_pods().find(|p| s.name(c, s.pods[*p].uid) == uid)
    }

    /// The node with a name, if it exists.
    pub fn node_of(&self, name: &str) -> Option<NodeIdx> {
        self.world.node_named(name)
    }

    // --- nodes ---

    fn patch_node(&mut self, who: Who, name: &str, patch: &Value) -> Response {
        let place = Place::new(NODES.plural, "", name);
        let (Some(object), Some(node)) = (self.store.get(&place), self.node_of(name)) else {
            return status::not_found("nodes", name);
        };
        let mut patched = (**object).clone();
        merge(&mut patched, patch);
        let unschedulable = patched["spec"]["unschedulable"].as_bool().unwrap_or(false);
        let before = self.world.state().nodes[node].unschedulable;
        let taints = patch["spec"].get("taints").map(|_| taints_of(&patched["spec"]["taints"]));
        let if_so = preconditions(&patch["metadata"], Some(object));
        let served = self.world.patch_node(node, if_so, &NodePatch { unschedulable: Some(unschedulable), taints });
        if let Err(refusal) = served {
            return status::refused("nodes", name, &refusal);
        }
        if unschedulable != before {
            self.note(Fact::Cordon { who, node, on: unschedulable });
        } else if unschedulable && who == Who::Other {
            self.note(Fact::CordonedToo { node });
        }
        if let Some(annotations) = patch["metadata"]["annotations"].as_object() {
            let kept = self.annotations.entry(node).or_default();
            annotations.iter().for_each(|(k, v)| {
                kept.insert(k.clone(), v.clone());
            });
        }
        self.render_node(node);
        self.absorb();
        self.store.get(&place).map_or_else(|| status::not_found("nodes", name), |o| status::http(200, (**o).clone()))
    }

    fn delete_node(&mut self, who: Who, name: &str, options: &Value) -> Response {
        let place = Place::new(NODES.plural, "", name);
        let Some(node) = self.node_of(name) else { return status::not_found("nodes", name) };
        let if_so = preconditions(&options["preconditions"], self.store.get(&place));
        if let Err(refusal) = self.world.delete_node(node, if_so) {
            return status::refused("nodes", name, &refusal);
        }
        self.note(Fact::Retired { who, node, name: name.to_owned() });
        self.absorb();
        status::success(200)
    }

    fn delete_claim(&mut self, who: Who, name: &str, options: &Value) -> Response {
        let place = Place::new(NODE_CLAIMS.plural, "", name);
        let Some(object) = self.store.get(&place).cloned() else { return status::not_found("nodeclaims", name) };
        if let Err(refusal) = held_against(&object, &options["preconditions"]) {
            return status::refused("nodeclaims", name, &refusal);
        }
        let node = object["status"]["nodeName"].as_str().unwrap_or_default().to_owned();
        // A refusal of the provider shows in the claim staying, as it does with Karpenter.
        let _ = self.retire(who, &node);
        status::http(200, (*object).clone())
    }

    /// The provider ends a node's machine; true once it is gone. Err is its refusal.
    pub(super) fn retire(&mut self, who: Who, name: &str) -> Result<bool, String> {
        let Some(node) = self.node_of(name) else { return Ok(true) };
        if self.world.is_retiring(node) {
            return Ok(false);
        }
        self.note(Fact::Retired { who, node, name: name.to_owned() });
        match self.provider_call(Call::retire(self.world.view(), node)) {
            Answer::Refused { message, .. } => Err(message),
            Answer::Unknown => Err("the provider does not answer".into()),
            _ => Ok(self.node_of(name).is_none()),
        }
    }

    /// The provider reimages a node's machine. Err is its refusal.
    pub(super) fn reimage(&mut self, who: Who, name: &str) -> Result<(), String> {
        let Some(node) = self.node_of(name) else { return Ok(()) };
        self.note(Fact::Reimaged { who, node, name: name.to_owned() });
        match self.provider_call(Call::reimage(self.world.view(), node)) {
            Answer::Refused { message, .. } => Err(message),
            Answer::Unknown => Err("the provider does not answer".into()),
            _ => Ok(()),
        }
    }

    /// A call to the provider, which answers at once.
    pub(super) fn provider_call(&mut self, call: Call) -> Answer {
        let id = self.next_call;
        self.next_call += 1;
        self.world.call(id, call);
        let mut told = self.world.take_told();
        let answer = told.answers.iter().position(|a| a.0 == id).and_then(|i| told.answers.remove(i).1.ok());
        self.take(told);
        answer.unwrap_or(Answer::Unknown)
    }

    /// A change by somebody who asks no API (a person, a machine that dies).
    pub fn edit<R>(&mut self, change: impl FnOnce(&mut World) -> R) -> R {
        let result = change(&mut self.world);
        self.absorb();
        result
    }

    fn render_node(&mut self, node: NodeIdx) {
        let (c, s) = (self.world.catalog(), self.world.state());
        if s.nodes[node].gone {
            return;
        }
        let (place, mut object) = self.bases.node(c, s, node);
        if let Some(annotations) = self.annotations.get(&node) {
            merge(&mut object["metadata"], &json!({"annotations": annotations}));
        }
        self.store.put(place, object);
        self.claim(node);
    }

    /// The NodeClaim of a node, as Karpenter has one for each of its own.
    fn claim(&mut self, node: NodeIdx) {
        let (c, s) = (self.world.catalog(), self.world.state());
        let name = s.node_name(c, node);
        let claim = Place::new(NODE_CLAIMS.plural, "", &format!("claim-{name}"));
        if !self.claims || self.store.get(&claim).is_some() {
            return;
        }
        let object = json!({
            "apiVersion": NODE_CLAIMS.api_version, "kind": NODE_CLAIMS.kind,
            "metadata": {"name": claim.name, "uid": format!("claim-of-{}", s.name(c, s.nodes[node].spec.uid))},
            "status": {"nodeName": name, "providerID": self.bases.node(c, s, node).1["spec"]["providerID"]},
        });
        self.store.put(claim, object);
    }

    // --- leases ---

    fn create_lease(&mut self, target: &Target, body: &Value) -> Response {
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let place = Place::new("leases", &target.namespace, name);
        if self.store.get(&place).is_some() {
            return status::failure(
                409,
                "AlreadyExists",
                format!("leases.coordination.k8s.io {name:?} already exists"),
            );
        }
        let mut lease = body.clone();
        lease["metadata"]["namespace"] = target.namespace.as_str().into();
        lease["metadata"]["uid"] = format!("lease-{}", self.store.version()).into();
        self.put_lease(place, lease, 201)
    }

    fn update_lease(&mut self, place: Place, body: &Value) -> Response {
        let Some(before) = self.store.get(&place) else {
            return status::not_found("leases.coordination.k8s.io", &place.name);
        };
        let version = &body["metadata"]["resourceVersion"];
        if let Err(refusal) = held_against(before, &json!({"resourceVersion": version})) {
            return status::refused("leases.coordination.k8s.io", &place.name, &refusal);
        }
        let mut lease = body.clone();
        lease["metadata"]["uid"] = before["metadata"]["uid"].clone();
        self.put_lease(place, lease, 200)
    }

    /// Writes a lease, whoever does it.
    pub fn put_lease(&mut self, place: Place, mut lease: Value, code: u16) -> Response {
        if lease["apiVersion"].is_null() {
            lease["apiVersion"] = "coordination.k8s.io/v1".into();
            lease["kind"] = "Lease".into();
        }
        self.store.put(place.clone(), lease);
        self.store
            .get(&place)
            .map_or_else(|| status::not_found("leases", &place.name), |o| status::http(code, (**o).clone()))
    }

    fn delete_lease(&mut self, place: &Place, options: &Value) -> Response {
        let Some(before) = self.store.get(place).cloned() else {
            return status::not_found("leases.coordination.k8s.io", &place.name);
        };
        if let Err(refusal) = held_against(&before, &options["preconditions"]) {
            return status::refused("leases.coordination.k8s.io", &place.name, &refusal);
        }
        self.store.delete(place);
        status::success(200)
    }

    // --- what the world tells ---

    fn absorb(&mut self) {
        let told = self.world.take_told();
        self.take(told);
    }

    fn take(&mut self, told: Told) {
        for grant in told.grants {
            let who = self.askers.get(&grant.pod).copied();
            self.facts.push(Fact::Granted { grant, who });
        }
        for object in told.changed {
            self.changed(object);
        }
        for (id, answer) in told.answers {
            if let Some(waiting) = self.waiting.remove(&id) {
                self.answered.push((id, word(&waiting, answer)));
            }
        }
        self.launch_failures.extend(told.launch_failed.into_iter().map(|f| f.message));
    }

    fn changed(&mut self, object: ObjId) {
        let (c, s) = (self.world.catalog(), self.world.state());
        let rendered = match object {
            ObjId::Pod(pod) if s.pods[pod].gone => {
                let place = super::objects::pod_place(c, s, s.pods[pod].spec, s.pods[pod].name);
                let uid = s.name(c, s.pods[pod].uid).to_owned();
                return self.drop_object(&place, &uid);
            }
            ObjId::Pod(pod) => Some(self.bases.pod(c, s, pod)),
            ObjId::Node(node) if s.nodes[node].gone => {
                let pods = s.live_pods().filter(|p| s.pods[*p].node == Some(node)).collect();
                self.facts.push(Fact::Ended { node, pods });
                let place = Place::new(NODES.plural, "", s.node_name(c, node));
                let uid = s.name(c, s.nodes[node].spec.uid).to_owned();
                let claim = self.claim_of(&place.name);
                self.drop_object(&place, &uid);
                if let Some(claim) = claim {
                    self.store.delete(&claim);
                }
                return;
            }
            ObjId::Node(node) => return self.render_node(node),
            ObjId::Owner(owner) => self.bases.owner(s, owner),
            ObjId::Budget(budget) => self.bases.budget(c, s, budget),
        };
        if let Some((place, object)) = rendered {
            self.store.put(place, object);
        }
    }

    fn drop_object(&mut self, place: &Place, uid: &str) {
        if self.store.get(place).is_some_and(|o| o["metadata"]["uid"] == uid) {
            self.store.delete(place);
        }
    }

    fn claim_of(&self, node: &str) -> Option<Place> {
        let found = self.store.all(NODE_CLAIMS.plural).find(|(_, o)| o["status"]["nodeName"] == node);
        found.map(|(key, _)| Place::new(NODE_CLAIMS.plural, &key.0, &key.1))
    }
}

/// What the world answered, in the API's words.
fn word(waiting: &Waiting, answer: Result<Answer, Refusal>) -> Response {
    match (waiting, answer) {
        (Waiting::Check, answer) => checked(answer.unwrap_or(Answer::Unknown)),
        (Waiting::Pod { .. }, Ok(_)) => status::success(201),
        (Waiting::Pod { name }, Err(refusal)) => status::refused("pods", name, &refusal),
    }
}

/// What a check's program says.
fn checked(answer: Answer) -> Response {
    match answer {
        Answer::Accepted => Response::Exited { code: Some(0), output: "healthy".into() },
        Answer::Refused { message, .. } => Response::Exited { code: Some(1), output: message },
        _ => Response::Lost("the check was killed: it took too long".into()),
    }
}

/// An item of a list: the API leaves kind and apiVersion to the list.
fn bare(object: &Value) -> Value {
    let mut item = object.clone();
    if let Some(fields) = item.as_object_mut() {
        fields.shift_remove("kind");
        fields.shift_remove("apiVersion");
    }
    item
}

/// Version and last key of a continue token.
fn continued(token: &str) -> Option<(u64, (String, String))> {
    let (version, key) = token.split_once(':')?;
    let (namespace, name) = key.split_once('/')?;
    Some((version.parse().ok()?, (namespace.to_owned(), name.to_owned())))
}

/// Whether an object is what the field selector asks for. Label selectors are not used by a session.
fn selected(target: &Target, object: &Value) -> bool {
    let selector = target.query.get("fieldSelector").map_or("", String::as_str);
    selector.split(',').filter(|s| !s.is_empty()).all(|term| {
        let (field, wanted) = term.split_once('=').unwrap_or((term, ""));
        let pointer = format!("/{}", field.replace('.', "/"));
        object.pointer(&pointer).and_then(Value::as_str).unwrap_or("") == wanted.trim_start_matches('=')
    })
}

/// What a request wants an object to be still; `stored` is the object.
fn preconditions<'a>(wanted: &'a Value, stored: Option<&'a Arc<Value>>) -> Preconditions<'a> {
    let version = |wanted| (wanted, stored.and_then(|o| o["metadata"]["resourceVersion"].as_str()).unwrap_or_default());
    Preconditions { uid: wanted["uid"].as_str(), version: wanted["resourceVersion"].as_str().map(version) }
}

/// Holds preconditions against an object that only the API has.
fn held_against(object: &Arc<Value>, wanted: &Value) -> Served {
    preconditions(wanted, Some(object)).check(object["metadata"]["uid"].as_str().unwrap_or_default())
}

/// Taints of a node's `spec`.
fn taints_of(taints: &Value) -> Vec<TaintText> {
    let text = |taint: &Value, key: &str| taint[key].as_str().unwrap_or("").to_owned();
    let taint = |t| TaintText { key: text(t, "key"), value: text(t, "value"), effect: text(t, "effect") };
    taints.as_array().into_iter().flatten().map(taint).collect()
}

/// A merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Some(target) = target.as_object_mut() {
        for (key, value) in patch {
            match value {
                Value::Null => {
                    target.shift_remove(key);
                }
                value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_adds_replaces_and_takes_away() {
        let mut v = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut v, &json!({"a": {"b": null, "e": {"f": 3}}, "d": [2]}));
        assert_eq!(v, json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]}));
    }
}
