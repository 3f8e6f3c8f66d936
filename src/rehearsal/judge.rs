//! Judges of a rehearsal: what must never happen, whatever goes wrong. They look at what truly happened at the server and
//! at the journal's safe entries, and ask none of the code they judge.

use super::facts::{Fact, Who};
use super::objects::{Bases, Place};
use super::server::Server;
use crate::cluster::{Catalog, GroupIdx, Idx, NodeIdx, OwnerKind, PodIdx, State};
use crate::intent::Options;
use crate::intent::options::ProcedureKind;
use crate::runner::{Ms, Outcome};
use crate::session::journal::{Entry, Record};
use crate::session::{Exchange, Method, Request, Response};
use crate::sim::apiserver::Grant;
use crate::trace::EventKind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Milliseconds since the beginning.
    pub t_ms: Ms,
    /// Which rule.
    pub rule: &'static str,
    /// What broke it.
    pub text: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} ms: {}: {}", self.t_ms, self.rule, self.text)
    }
}

/// That a node was registered again is not known to us for so long, at most: the watch may be away.
const UNKNOWN_MS: Ms = 300_000;

/// A Lease lasts for so long.
const LEASE_MS: Ms = 30_000;
/// What left together is answered within so long.
const TOGETHER_MS: Ms = 200;
/// Sorts of calls that may be under way at a time.
const SORTS: i64 = 4;
/// More than so many are not kept.
const MOST: usize = 10;

/// A node that takes no new pods.
#[derive(Clone, Copy, Debug)]
struct Cordon {
    by: Who,
    /// Somebody else asked for it too.
    others_too: bool,
    since: Ms,
    /// A process asked for it that goes on with a copy of the journal.
    by_copy: bool,
}

/// What an old node (or what bears its name) is in truth, and since when; and when we were shown it last.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    takes_since: Option<Ms>,
    laden_since: Option<Ms>,
    node_shown: Option<Ms>,
    pods_shown: Option<Ms>,
}

/// A time in which nothing is allowed.
#[derive(Clone, Copy, Debug)]
struct Revocation {
    from: Ms,
    until: Ms,
    /// When we heard of it first.
    heard: Option<Ms>,
    /// Requests that write and left since then.
    sent: u32,
}

/// The judges of one rehearsal.
pub struct Judge {
    bases: Arc<Bases>,
    old: BTreeSet<NodeIdx>,
    may_delete: bool,
    /// Nodes that are launched in groups of old ones may be drained and given back at the end (surge): how many nodes there were at first,
    /// and the old nodes' groups.
    surplus: Option<(usize, BTreeSet<GroupIdx>)>,
    /// Names of old nodes that we had reimaged: what bears them takes pods, as it should.
    reimaged: BTreeSet<String>,
    /// Old nodes are tainted before their pods leave, and cordoned after that (EKS).
    taints: bool,
    /// Pods that are on an old node in the end are to be counted: no selector leaves some of them there.
    counts_pods: bool,
    /// Old nodes by name: what they are in truth, and when that was shown to us last.
    truth: BTreeMap<String, Truth>,
    /// Up to which version of the store the truth was looked at, and when each was the latest.
    versions: Vec<(u64, Ms)>,
    cordons: BTreeMap<NodeIdx, Cordon>,
    /// When each node was cordoned last.
    cordoned_at: BTreeMap<NodeIdx, Ms>,
    /// When giving a node's machine back was asked for last, by name: a request may arrive long after it left.
    asked_back: BTreeMap<String, Ms>,
    /// Nodes that we gave back, and when what came first of it was asked for.
    retired: BTreeMap<NodeIdx, Ms>,
    started: BTreeMap<String, (u32, u32)>,
    /// Objects of calls that the safe entries announce: what, object.
    announced: BTreeSet<(String, String)>,
    /// Up to which entry each journal was read: ours, and its copy.
    read: [u64; 2],
    /// Another process holds the Lease, as far as each process knows: ours, and that of the copy.
    lease_lost: [bool; 2],
    /// Who renewed the Lease last, and when it arrived; None if that was none of ours.
    renewed: Option<(String, Ms)>,
    /// Nothing is allowed.
    revoked: Option<Revocation>,
    /// When we said how it ended.
    finished_at: Option<Ms>,
    /// Evictions that were granted to us.
    pub evictions: u64,
    /// What was broken.
    pub broken: Vec<Broken>,
}

impl Judge {
    /// Judges of a plan's execution, before it begins.
    pub fn new(bases: Arc<Bases>, state: &State, old: &BTreeSet<NodeIdx>, options: &Options) -> Judge {
        let cordoned = state.live_nodes().filter(|n| state.nodes[*n].unschedulable);
        let cordons: BTreeMap<NodeIdx, Cordon> =
            cordoned.map(|n| (n, Cordon { by: Who::Other, others_too: true, since: 0, by_copy: false })).collect();
        Judge {
            bases,
            old: old.iter().copied().collect(),
            may_delete: options.deletes_pods(),
            surplus: (options.procedure == ProcedureKind::Surge)
                .then(|| (state.nodes.len(), old.iter().filter_map(|n| state.nodes[*n].group).collect())),
            reimaged: BTreeSet::new(),
            taints: options.taints_first(),
            counts_pods: options.kubectl_drain.pod_selector.is_empty()
                && options.kubectl_drain.skip_wait_for_delete_timeout_seconds == 0,
            truth: BTreeMap::new(),
            versions: Vec::new(),
            cordoned_at: cordons.keys().map(|n| (*n, 0)).collect(),
            cordons,
            asked_back: BTreeMap::new(),
            retired: BTreeMap::new(),
            started: BTreeMap::new(),
            announced: BTreeSet::new(),
            read: [0; 2],
            lease_lost: [false; 2],
            renewed: None,
            revoked: None,
            finished_at: None,
            evictions: 0,
            broken: Vec::new(),
        }
    }
    /// Whether anything was announced that changes the cluster.
    pub fn has_begun(&self) -> bool {
        !self.announced.is_empty()
    }
    /// Notes that a rule was broken.
    pub fn note(&mut self, t_ms: Ms, rule: &'static str, text: impl Into<String>) {
        if self.broken.len() < MOST {
            self.broken.push(Broken { t_ms, rule, text: text.into() });
        }
    }

    // --- what is written down ---

    /// Reads the entries that are safe.
    pub fn safe(&mut self, copy: bool, entries: &[Entry]) {
        let from = entries.partition_point(|e| e.seq < self.read[usize::from(copy)]);
        for entry in &entries[from..] {
            self.read[usize::from(copy)] = entry.seq + 1;
            if let Record::Intends { calls, .. } = &entry.record {
                self.announced.extend(calls.iter().map(|c| (c.what.clone(), c.object.clone())));
            }
        }
    }
    /// An entry is written: a node that is drained has nothing on it that had to leave.
    pub fn appended(&mut self, now: Ms, server: &Server, entry: &Entry) {
        let Record::Happened(event) = &entry.record else { return };
        let (c, s) = (server.world().catalog(), server.world().state());
        let node = event.node.as_deref().and_then(|n| server.node_of(n));
        let Some(node) = node.filter(|_| event.event == EventKind::NodeDrained) else { return };
        let left: Vec<String> = s
            .live_pods()
            .filter(|p| s.pods[*p].node == Some(node) && must_move(c, s, *p))
            .map(|p| s.pod_text(c, p))
            .collect();
        if !left.is_empty() {
            let text = format!("{} is drained, it says, with {} on it", s.node_name(c, node), left.join(", "));
            self.note(now, "drained-is-empty", text);
        }
    }
    /// Somebody goes on with a copy of the journal, whose next entry has this number.
    pub fn copied(&mut self, next: u64) {
        (self.read[1], self.lease_lost[1]) = (next, false);
    }

    /// From now on nothing is allowed, or (None) some of it is.
    pub fn revoked(&mut self, span: Option<(Ms, Ms)>) {
        self.revoked = span.map(|(from, until)| Revocation { from, until, heard: None, sent: 0 });
    }

    /// Another execution writes itself into the Lease by force: no protocol helps against that.
    pub fn lease_taken(&mut self) {
        self.renewed = None;
    }

    /// An exchange of ours was served: a Lease that it wrote is the writer's from now on.
    pub fn leased(&mut self, now: Ms, exchange: &Exchange, response: &Response) {
        if matches!(exchange.method, Method::Post | Method::Put)
            && let Response::Http { status: 200 | 201, body, .. } = response
            && body["kind"] == "Lease"
        {
            self.renewed = Some((body["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned(), now));
        }
    }

    /// A process reads an answer: who holds the Lease, or that it may not do something.
    pub fn told(&mut self, now: Ms, response: &Response, ours: &str, copy: bool) {
        if let (Some(revoked), Response::Http { status: 401 | 403, .. }) = (&mut self.revoked, response)
            && now >= revoked.from
        {
            revoked.heard.get_or_insert(now);
        }
        if let Response::Http { status: 200 | 201, body, .. } = response
            && body["kind"] == "Lease"
        {
            let holder = body["spec"]["holderIdentity"].as_str().unwrap_or_default();
            self.lease_lost[usize::from(copy)] = !holder.is_empty() && holder != ours;
        }
    }
    /// A request leaves: one that changes something must have been announced, and the Lease must be ours.
    pub fn sent(&mut self, now: Ms, request: &Request, ours: &str, copy: bool) {
        let Some((whats, object)) = announcement(request) else { return };
        if let Some((holder, at)) = &self.renewed
            && (holder != ours || now >= at + LEASE_MS)
        {
            let text = format!("{} left process {ours}, and the Lease is {holder}'s since {at} ms", words(request));
            self.note(now, "one-process", text);
        }
        if let Some(Revocation { until, heard: Some(heard), sent, .. }) = &mut self.revoked
            && now < *until
            && now > *heard + TOGETHER_MS
        {
            *sent += 1;
            // A call of each sort is tried, after 2 s, 4 s, and so on up to 20 s; a process that begins knows nothing yet, and may send nothing.
            let (n, since) = (i64::from(*sent), now - *heard);
            if n > SORTS * (4 + since / 20_000) {
                let text = format!("{n} requests that write left in {since} ms, though nothing is allowed");
                self.note(now, "rights-are-awaited", text);
            }
        }
        if matches!(whats, ["retire" | "reimage"]) {
            self.asked_back.insert(object.clone(), now);
        }
        if self.lease_lost[usize::from(copy)] {
            self.note(now, "lease-first", format!("{} left though another execution holds the Lease", words(request)));
        }
        let known = whats.iter().any(|w| {
            self.announced.iter().any(|(what, o)| what == w && (o == &object || o.ends_with(&format!(" for {object}"))))
        });
        if !known {
            self.note(now, "announced-first", format!("{} left before an entry announced it", words(request)));
        }
    }

    // --- what happened ---

    /// Whether a node may be drained and given back: an old one, or one that a surge has launched.
    fn may_empty(&self, s: &State, node: NodeIdx) -> bool {
        let launched = |(first, groups): &(usize, BTreeSet<GroupIdx>)| {
            node.at() >= *first && s.nodes[node].group.is_some_and(|g| groups.contains(&g))
        };
        self.old.contains(&node) || self.surplus.as_ref().is_some_and(launched)
    }
    /// Something happened at the server; what we did of it was asked for by a process with our journal, or with its copy.
    pub fn happened(&mut self, now: Ms, server: &Server, fact: Fact, copy: bool) {
        let (c, s) = (server.world().catalog(), server.world().state());
        match fact {
            Fact::Cordon { who, node, on: true } => {
                // A node that somebody uncordoned and cordoned again bears our mark still: the API shows no difference.
                let place = Place::new("nodes", "", s.node_name(c, node));
                let marked = server
                    .store()
                    .get(&place)
                    .is_some_and(|o| o["metadata"]["annotations"].get(crate::session::CORDONED_BY).is_some());
                let by = if marked { Who::Us } else { who };
                self.cordons.insert(node, Cordon { by, others_too: who == Who::Other, since: now, by_copy: copy });
                self.cordoned_at.insert(node, now);
            }
            Fact::Cordon { who, node, on: false } => {
                let before = self.cordons.remove(&node);
                if who == Who::Us && before.is_none_or(|b| b.by == Who::Other) {
                    let name = s.node_name(c, node).to_owned();
                    self.note(
                        now,
                        "others-cordons",
                        format!("{name} was cordoned by somebody else, and uncordoned by us"),
                    );
                }
            }
            Fact::CordonedToo { node } => {
                if let Some(cordon) = self.cordons.get_mut(&node) {
                    cordon.others_too = true;
                }
            }
            Fact::EvictionAsked { who: Who::Us, pod, by_name } => self.asked(now, c, s, pod, by_name),
            Fact::EvictionAsked { who: Who::Other, .. } => {}
            Fact::Granted { grant, who } => {
                self.evictions += u64::from(who == Some(Who::Us));
                self.granted(now, c, s, &grant);
            }
            Fact::PodDeleted { who, place, node, already } => {
                let ours = who == Who::Us && !already;
                let name = format!("{}/{}", place.namespace, place.name);
                if ours && !self.may_delete {
                    self.note(
                        now,
                        "no-deletions",
                        format!("{name} was deleted past its budgets; the plan does not allow it"),
                    );
                }
                if ours && node.is_some_and(|n| !self.may_empty(s, n)) {
                    self.note(now, "old-nodes-only", format!("{name} was deleted on a node that is not to be emptied"));
                }
            }
            Fact::Retired { who: Who::Us, node, name } => {
                let asked = self.asked_back.get(&name).copied().unwrap_or(now);
                self.retired.entry(node).or_insert(asked);
                self.retired(now, c, s, node, &name);
            }
            Fact::Retired { .. } => {}
            Fact::Reimaged { who, node, name } => {
                if who == Who::Us {
                    self.reimaged.insert(name.clone());
                    self.retired(now, c, s, node, &name);
                }
            }
            Fact::Ended { node, pods } if self.retired.contains_key(&node) => self.lost(now, c, s, node, &pods),
            Fact::Ended { .. } => {}
            Fact::Launched { key, started, total } => {
                let (sum, most) = self.started.entry(key.clone()).or_default();
                (*sum, *most) = (*sum + started, (*most).max(total));
                if *sum > *most {
                    let text = format!("{sum} machines were started for {key}, which asked for {most}");
                    self.note(now, "no-second-machine", text);
                }
            }
        }
    }
    fn asked(&mut self, now: Ms, c: &Catalog, s: &State, pod: PodIdx, by_name: bool) {
        let name = s.pod_text(c, pod);
        if by_name {
            self.note(now, "uid-precondition", format!("the eviction of {name} names no uid"));
        }
        let (on, node) = (s.pods[pod].node, s.pods[pod].node.filter(|n| self.may_empty(s, *n)));
        // One that bears the name of an old node is not it. Pods name their nodes by name only: as long as nobody has shown us
        // that it is another, we cannot know.
        if let Some(on) = on.filter(|_| node.is_none())
            && let Some(t) = self.truth.get(s.node_name(c, on))
            && now < s.nodes[on].created + UNKNOWN_MS
            && t.node_shown.is_none_or(|at| at < s.nodes[on].created)
        {
            return;
        }
        match node {
            None => self.note(now, "old-nodes-only", format!("{name} is not on a node that is to be emptied")),
            Some(node) if !self.taints && !self.cordoned_at.contains_key(&node) => {
                let on = s.node_name(c, node);
                self.note(now, "cordoned-first", format!("{name} is on {on}, which was never cordoned"));
            }
            Some(_) => {}
        }
    }
    /// The eviction API's rules, from the budgets' own JSON and what their status was just before.
    fn granted(&mut self, now: Ms, c: &Catalog, s: &State, grant: &Grant) {
        if grant.exempt {
            return;
        }
        let spec = s.pods[grant.pod].spec;
        let labels: BTreeMap<&str, &str> =
            c.specs[spec].labels.iter().map(|(k, v)| (s.name(c, k), s.name(c, v))).collect();
        let mut covering = Vec::new();
        for (budget, status) in &grant.statuses {
            let b = &c.budgets[*budget];
            let namespace = c.text(c.namespaces[b.namespace].name);
            let place = Place::new("poddisruptionbudgets", namespace, c.text(b.name));
            let object = self.bases.at(&place).cloned();
            if let Some(object) = object.filter(|o| selects(&o["spec"]["selector"], &labels)) {
                covering.push((object, status));
            }
        }
        let name = s.pod_text(c, grant.pod);
        match covering.as_slice() {
            [] => {}
            [(object, status)] => {
                let always = object["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
                let unready = !grant.ready && (always || (status.healthy >= status.desired && status.desired > 0));
                let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
                if !unready && (status.allowed <= 0 || status.observed_generation < generation) {
                    let text = format!("{name} was evicted with {} disruptions allowed", status.allowed);
                    self.note(now, "eviction-rules", text);
                }
            }
            several => {
                let text = format!("{name} was evicted though {} budgets cover it", several.len());
                self.note(now, "eviction-rules", text);
            }
        }
    }
    fn retired(&mut self, now: Ms, c: &Catalog, s: &State, node: NodeIdx, name: &str) {
        if !self.may_empty(s, node) {
            self.note(now, "old-nodes-only", format!("{name} was given back, and is no node of the plan"));
        }
        let since = self.had_to_move_until(node);
        let left: Vec<String> = s
            .live_pods()
            .filter(|p| s.pods[*p].node == Some(node) && s.pods[*p].started <= since && must_move(c, s, *p))
            .map(|p| s.pod_text(c, p))
            .collect();
        if !left.is_empty() {
            self.note(now, "nothing-lost", format!("{name} was given back with {} on it", left.join(", ")));
        }
    }

    /// Until when a pod must have started on a node for the plan to have had to move it. What came after somebody made
    /// the node schedulable again did not; nor what came after its machine was asked to be given back, which nobody can undo.
    fn had_to_move_until(&self, node: NodeIdx) -> Ms {
        let times = [self.cordoned_at.get(&node), self.retired.get(&node)];
        times.into_iter().flatten().copied().min().unwrap_or(Ms::MAX)
    }

    /// A machine that we gave back is gone, and these pods with it.
    fn lost(&mut self, now: Ms, c: &Catalog, s: &State, node: NodeIdx, pods: &[PodIdx]) {
        let since = self.had_to_move_until(node);
        let lost = |p: &&PodIdx| {
            let pod = &s.pods[**p];
            pod.started <= since && pod.deleting.is_none() && must_move(c, s, **p)
        };
        let lost: Vec<String> = pods.iter().filter(lost).map(|p| s.pod_text(c, *p)).collect();
        if !lost.is_empty() {
            let text = format!("{} ended with {} on it", s.node_name(c, node), lost.join(", "));
            self.note(now, "nothing-lost", text);
        }
    }

    // --- whether nodes are empty ---

    /// What old nodes are in truth now.
    pub fn observe(&mut self, now: Ms, server: &Server) {
        let version = server.store().version();
        if self.versions.last().is_some_and(|v| v.0 == version) {
            return;
        }
        self.versions.push((version, now));
        let (c, s) = (server.world().catalog(), server.world().state());
        for old in &self.old {
            let name = s.node_name(c, *old);
            // Itself, or what bears its name.
            let node = Some(*old).filter(|n| !s.nodes[*n].gone).or_else(|| server.node_of(name));
            let reimaged = self.reimaged.contains(name);
            let node = node.filter(|_| !reimaged);
            let takes = node.is_some_and(|n| !s.nodes[n].unschedulable);
            let has = |n: NodeIdx| s.nodes[n].pods.iter().any(|p| must_move(c, s, *p));
            let laden = self.counts_pods && node.is_some_and(has);
            let truth = self.truth.entry(name.to_owned()).or_default();
            truth.takes_since = takes.then(|| truth.takes_since.unwrap_or(now));
            truth.laden_since = laden.then(|| truth.laden_since.unwrap_or(now));
        }
    }
    /// When a version of the store was the latest.
    pub fn time_of(&self, version: u64) -> Ms {
        self.versions.partition_point(|v| v.0 <= version).checked_sub(1).map_or(0, |i| self.versions[i].1)
    }
    /// We are shown a node or its pods, as they were at `at`.
    pub fn showed(&mut self, exchange: &Exchange, at: Ms) {
        let Some(target) = super::paths::Target::parse(&exchange.path) else { return };
        if exchange.method != Method::Get || target.query.contains_key("continue") {
            return;
        }
        let of_node = target.query.get("fieldSelector").and_then(|f| f.strip_prefix("spec.nodeName="));
        match (target.resource.plural, &target.name, of_node) {
            ("nodes", Some(name), _) => self.truth.entry(name.clone()).or_default().node_shown = Some(at),
            ("pods", None, Some(name)) => self.truth.entry(name.to_owned()).or_default().pods_shown = Some(at),
            _ => {}
        }
    }
    /// We say how it ended: COMPLETED means that every node of the plan is gone, or cordoned and empty. What changed after
    /// we were shown it last nobody can know.
    pub fn finished(&mut self, now: Ms, server: &Server, outcome: Outcome, copy: bool) {
        self.observe(now, server);
        if !copy {
            self.finished_at = Some(now);
        }
        if outcome != Outcome::Completed {
            return;
        }
        for (name, t) in self.truth.clone() {
            let knew = |since: Option<Ms>, shown: Option<Ms>| since.is_some_and(|s| shown.is_none_or(|at| s < at));
            if knew(t.takes_since, t.node_shown) {
                self.note(now, "completed-is-empty", format!("COMPLETED, and {name} takes pods: {t:?}"));
            }
            if knew(t.laden_since, t.pods_shown) {
                self.note(now, "completed-is-empty", format!("COMPLETED, and {name} has pods that had to move: {t:?}"));
            }
        }
    }

    // --- the end ---

    /// It is over, and nothing of it is under way any more.
    pub fn ended(&mut self, now: Ms, server: &Server, outcome: Option<Outcome>) {
        let (c, s) = (server.world().catalog(), server.world().state());
        for v in server.world().violations().to_vec() {
            self.note(v.t_ms, v.rule, v.text);
        }
        if outcome != Some(Outcome::Stopped) {
            return;
        }
        for (node, cordon) in self.cordons.clone() {
            let ours = cordon.by == Who::Us && !cordon.others_too && self.old.contains(&node);
            // Whoever goes on with a copy once the stop is over was not asked to stop.
            let after = cordon.by_copy && self.finished_at.is_some_and(|at| cordon.since > at);
            if !ours || after || s.nodes[node].gone {
                continue;
            }
            let left: Vec<String> = s
                .live_pods()
                .filter(|p| s.pods[*p].node == Some(node) && s.pods[*p].started <= cordon.since && must_move(c, s, *p))
                .map(|p| s.pod_text(c, p))
                .collect();
            if !left.is_empty() {
                let name = s.node_name(c, node);
                let text =
                    format!("{name} was cordoned by us, holds {}, and is cordoned after the stop", left.join(", "));
                self.note(now, "stop-uncordons", text);
            }
        }
    }
}

/// Whether a pod has to leave a node before it is given back: all but DaemonSets', static and finished ones.
fn must_move(c: &Catalog, s: &State, pod: PodIdx) -> bool {
    let p = &s.pods[pod];
    let spec = &c.specs[p.spec];
    let stays = spec.owner.is_some_and(|o| matches!(c.owners[o].kind, OwnerKind::DaemonSet | OwnerKind::Node));
    !p.gone && !p.phase.is_terminal() && !stays && !spec.mirror
}

/// Whether a label selector as the API writes it selects labels.
fn selects(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    if selector.is_null() {
        return false;
    }
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let all = exact.map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).all(|(k, v)| labels.get(k) == Some(&v));
    all && selector["matchExpressions"].as_array().into_iter().flatten().all(|e| {
        let found = labels.get(e["key"].as_str().unwrap_or_default());
        let among = || e["values"].as_array().into_iter().flatten().any(|v| found == v.as_str().as_ref());
        match e["operator"].as_str().unwrap_or_default() {
            "In" => found.is_some() && among(),
            "NotIn" => found.is_none() || !among(),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    })
}

/// What must have been announced before a request leaves: words for it and the object's name. None for reads and the Lease.
fn announcement(request: &Request) -> Option<(&'static [&'static str], String)> {
    match request {
        Request::Watch { .. } => None,
        Request::Api(e) if !e.writes() => None,
        Request::Api(e) => exchange_announcement(e),
        Request::Run(program) => {
            let value = |key: &str| program.env.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
            if let Some(batch) = value("NODEFERRY_BATCH") {
                return Some((&["check"], format!("batch {batch}")));
            }
            if let Some(node) = value("NODEFERRY_NODE") {
                let reimages = value("NODEFERRY_KEY").is_some_and(|key| key.contains("/reimage/"));
                let whats: &'static [&'static str] = if reimages { &["reimage"] } else { &["retire"] };
                return Some((whats, node));
            }
            let key = value("NODEFERRY_KEY").unwrap_or_default();
            let (_, own) = key.split_once('/').unwrap_or(("", &key));
            Some((&["ensure-nodes"], own.to_owned()))
        }
    }
}

fn exchange_announcement(e: &Exchange) -> Option<(&'static [&'static str], String)> {
    let target = super::paths::Target::parse(&e.path)?;
    let name = target.name.clone().unwrap_or_default();
    Some(match (target.resource.plural, e.method) {
        ("leases", _) => return None,
        ("pods", Method::Post) => (&["evict"], format!("{}/{name}", target.namespace)),
        ("pods", _) => (&["delete-pod"], format!("{}/{name}", target.namespace)),
        ("nodes", Method::Delete) => (&["retire"], name),
        ("nodes", _) => (&["cordon", "uncordon", "taint", "untaint"], name),
        // Named after the claim; the call names the node.
        ("nodeclaims", _) => (&["retire"], name.trim_start_matches("claim-").to_owned()),
        _ => (&[], name),
    })
}

/// A request in words.
pub fn words(request: &Request) -> String {
    match request {
        Request::Api(e) => match &e.body {
            Some(body) => format!("{} {} {body}", e.method.text(), e.path),
            None => format!("{} {}", e.method.text(), e.path),
        },
        Request::Watch { resource, resource_version } => format!("WATCH {} from {resource_version}", resource.plural),
        Request::Run(p) => format!("RUN {}", p.argv.join(" ")),
    }
}

#[cfg(test)]
mod tests;
