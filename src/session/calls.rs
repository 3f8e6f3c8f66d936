//! The runner's calls, turned into requests, and the answers turned back.
//!
//! Every call is idempotent or guarded: an eviction and a deletion carry the uid, a cordon the version of the node it was
//! decided upon and the mark of this execution, a demand for nodes an absolute number. So a call whose answer was lost can
//! be made again, by this process or the next.

use super::answer::{Answered, Page, Unknown};
use super::api::{Exchange, Method, NODE_CLAIMS, NODES, PODS, Program, Request, Resource, percent};
use super::mirror::{Known, Mirror, text, uid};
use super::reflect::{Listing, lied, spread};
use crate::intent::execution::{Provision, Reimage, Retirement};
use crate::intent::{NodeId, Options};
use crate::runner::common::Demand;
use crate::runner::refs::PodId;
use crate::runner::{Answer, Call, Ms, TaintText};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Annotation of a node that we cordoned: the name of the execution.
pub const CORDONED_BY: &str = "nodeferry.io/cordoned-by";
/// Annotation of a node whose cordon of ours never came: what is still under way fails by the version that this gives it.
const SETTLED_BY: &str = "nodeferry.io/settled-by";
/// What a journal calls the giving back of a node.
pub(crate) const RETIRE: &str = "retire";
/// A server that asks for more patience is not heard (C): the runner has limits of its own.
const MOST_PATIENCE_MS: Ms = 60_000;
/// A program that was lost is answered as lost after so long.
const LOST_MS: Ms = 1000;
/// Of the pods that a node's list lacks so many are asked for at most (C).
const MOST_ASKED: usize = 50;
/// Conflicts in a row after which a write is given up.
const MOST_CONFLICTS: u32 = 20;
/// Exit status of a program that asks to be run again later (sysexits.h, EX_TEMPFAIL).
const TRY_AGAIN: i32 = 75;

/// What is wrong with the answer to a patch of taints.
const TAINTS_NOT_WRITTEN: &str = "the answer shows the node's taints as if they had not been written";

/// What a call has asked and waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum At {
    Write,
    Reread,
    /// A page of a node's pods; and whether this is the list's second reading.
    Page(Listing, bool),
    /// The list is complete and lacks these pods: the first of them.
    Lacking(Listing, VecDeque<Known>),
    /// The page of all claims that begins here.
    Claims(String),
    Program,
    Object,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// This is asked, and then it goes on.
    Ask(Request, At),
    /// It is answered.
    Done(Answer),
    /// It is answered with the pod of this namespace and name, as the mirror has it.
    Found(PodId),
    /// It is answered at this moment.
    DoneAt(Ms, Answer),
    /// It begins again at this moment.
    AgainAt(Ms),
    /// It waits for somebody outside.
    Park,
}

/// What calls need to know of the execution.
pub(crate) struct Terms<'a> {
    pub now: Ms,
    pub execution: &'a str,
    pub options: &'a Options,
    pub mirror: &'a mut Mirror,
    /// uids of the nodes there were when the batch began.
    pub known_nodes: &'a BTreeSet<String>,
    /// Demands for nodes of the batch under way.
    pub demands: &'a [Demand],
    /// uids of nodes that were given back, or are about to be.
    pub retiring: &'a BTreeSet<String>,
    /// Nodes of the batch under way that were asked to be reimaged, each with its group.
    pub reimaged: &'a [(NodeId, String)],
    /// Versions of cordoned nodes, by uid, from just before their pods were listed: what a node is given back by.
    pub looked: &'a mut BTreeMap<String, String>,
    /// Batches that were approved.
    pub approved: &'a BTreeMap<u32, String>,
    pub page: u32,
    /// What a person should know.
    pub notes: &'a mut Vec<String>,
    /// What the API server had no time for.
    pub trouble: &'a mut Vec<String>,
    /// What is no answer of the API server's, though it looks like one.
    pub foreign: &'a mut Vec<String>,
    /// There is trouble of this kind already, and it was told.
    pub is_lied_to: bool,
    /// A call that is not answered this time is answered as lost after so long.
    pub lost_ms: Ms,
}

impl Call {
    /// What it does, in a word; the object it does it to; its uid.
    pub(crate) fn words(&self) -> (&'static str, String, String) {
        let of = |word, node: &NodeId| (word, node.name.clone(), node.uid.clone());
        let pod = |word, pod: &PodId| (word, pod.text(), pod.uid.clone());
        let other = |word, name: String| (word, name, String::new());
        match self {
            Call::Cordon { node } => of("cordon", node),
            Call::Uncordon { node } => of("uncordon", node),
            Call::Taint { node, .. } => of("taint", node),
            Call::Untaint { node, .. } => of("untaint", node),
            Call::Evict { pod: p, .. } => pod("evict", p),
            Call::DeletePod { pod: p, .. } => pod("delete-pod", p),
            Call::GetPod { pod: p } => pod("get-pod", p),
            Call::GetNode { node } => of("get-node", node),
            Call::FindNode { node } => of("look-at-node", node),
            Call::ListPods { node } => of("list-pods", node),
            Call::EnsureNodes { key, group, total, .. } => {
                other("ensure-nodes", format!("{}: {total} for {key}", group.id))
            }
            Call::FreezeGroup { group, .. } => other("freeze", group.id.clone()),
            Call::UnfreezeGroup { group } => other("unfreeze", group.id.clone()),
            Call::RetireNode { node, .. } => of(RETIRE, node),
            Call::ReimageNode { node, .. } => of("reimage", node),
            Call::Check { batch } => other("check", format!("batch {batch}")),
            Call::AwaitApproval { batch } => other("await-approval", format!("batch {batch}")),
        }
    }
    /// Whether it only reads.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(
            self,
            Call::GetPod { .. }
                | Call::GetNode { .. }
                | Call::FindNode { .. }
                | Call::ListPods { .. }
                | Call::AwaitApproval { .. }
        )
    }
    /// What no two calls may be under way upon at once: the uid of the object it writes.
    pub(crate) fn writes_to(&self) -> Option<&str> {
        match self {
            Call::Cordon { node }
            | Call::Uncordon { node }
            | Call::Taint { node, .. }
            | Call::Untaint { node, .. }
            | Call::RetireNode { node, .. }
            | Call::ReimageNode { node, .. } => Some(&node.uid),
            Call::Evict { pod, .. } | Call::DeletePod { pod, .. } => Some(&pod.uid),
            Call::EnsureNodes { key, .. } => Some(key),
            _ => None,
        }
    }

    // --- from the beginning ---

    /// The first request, or the answer if none is needed.
    pub(crate) fn begin(&self, t: &mut Terms<'_>) -> Next {
        match self {
            Call::Cordon { node } => self.cordon(t, node, true),
            Call::Uncordon { node } => self.cordon(t, node, false),
            Call::Taint { node, taint } => self.taint(t, node, taint, true),
            Call::Untaint { node, taint } => self.taint(t, node, taint, false),
            Call::Evict { pod, grace_ms, .. } => self.evict(t, pod, *grace_ms),
            Call::DeletePod { pod, grace_ms, .. } => Next::Ask(
                Request::Api(Exchange {
                    method: Method::Delete,
                    path: PODS.object(&pod.namespace, &pod.name),
                    body: Some(delete_options(&pod.uid, *grace_ms)),
                }),
                At::Write,
            ),
            Call::GetPod { pod } => get(PODS.object(&pod.namespace, &pod.name), At::Reread),
            Call::GetNode { node } | Call::FindNode { node } => get(NODES.object("", &node.name), At::Reread),
            Call::ListPods { node } => {
                let seen = known_node(t.mirror, node).filter(|o| is_cordoned(o));
                match seen.map(|o| text(o, "/metadata/resourceVersion").to_owned()) {
                    Some(version) => t.looked.insert(node.uid.clone(), version),
                    None => t.looked.remove(&node.uid),
                };
                get(pods_of(node, t.page, ""), At::Page(Listing::default(), false))
            }
            Call::EnsureNodes { group, .. } => match t.options.execution.provision(group) {
                Provision::Wait => Next::Done(Answer::Accepted),
                Provision::Command { command, timeout_ms, .. } => self.run(t, &command, timeout_ms),
            },
            Call::FreezeGroup { .. } | Call::UnfreezeGroup { .. } => Next::Done(Answer::Accepted),
            // Gone by itself; whatever bears its name now is not to be given back.
            Call::RetireNode { node, .. } if known_node(t.mirror, node).is_none() => Next::Done(Answer::Gone),
            Call::RetireNode { node, group, .. } => match t.options.execution.retirement(group.as_deref()) {
                // Nobody has made it schedulable since its pods were listed, or this is a conflict.
                Some(Retirement::Node) => match t.looked.get(&node.uid) {
                    Some(version) => delete_node(node, Some(version)),
                    None => Next::Done(Answer::refused(
                        409,
                        "Conflict",
                        "the node was not cordoned when its pods were listed",
                    )),
                },
                Some(Retirement::Nodeclaim) => get(claims(t.page, ""), At::Claims(String::new())),
                Some(Retirement::Command { command, timeout_ms, .. }) => self.run(t, command, *timeout_ms),
                None => Next::Done(Answer::refused(
                    403,
                    "NoRetirement",
                    "the plan does not say how nodes of this group are given back (execution.retire)",
                )),
            },
            // It has gone to be reimaged already, or by itself: what comes back is awaited.
            Call::ReimageNode { node, .. } if known_node(t.mirror, node).is_none() => Next::Done(Answer::Gone),
            Call::ReimageNode { group, .. } => match t.options.execution.reimage(group.as_deref()) {
                Some(Reimage::Command { command, timeout_ms, .. }) => self.run(t, command, *timeout_ms),
                None => Next::Done(Answer::refused(
                    403,
                    "NoReimage",
                    "the plan does not say how nodes of this group are reimaged (execution.reimage)",
                )),
            },
            Call::Check { .. } => match &t.options.gates.check {
                Some(check) => self.run(t, &check.command, check.timeout_ms),
                None => Next::Done(Answer::Accepted),
            },
            Call::AwaitApproval { batch } if t.approved.contains_key(batch) => Next::Done(Answer::Accepted),
            Call::AwaitApproval { .. } => Next::Park,
        }
    }
    fn cordon(&self, t: &mut Terms<'_>, node: &NodeId, on: bool) -> Next {
        let Some(object) = known_node(t.mirror, node) else { return Next::Done(Answer::Gone) };
        let is = is_cordoned(object);
        let ours = mark(object) == t.execution;
        match (is, on) {
            (true, true) if ours => return Next::Done(Answer::Accepted),
            // The mirror may lag behind a cordon of ours whose answer was lost: only the server knows.
            (false, false) => return get(NODES.object("", &node.name), At::Reread),
            // Somebody else's cordon: neither to be made nor to be taken back by us.
            (true, true) => return Next::Done(Answer::Unchanged),
            (true, false) if !ours => return Next::Done(Answer::Unchanged),
            _ => {}
        }
        let (mark, unschedulable) = if on { (json!(t.execution), json!(true)) } else { (Value::Null, Value::Null) };
        patch(object, node, json!({"annotations": {CORDONED_BY: mark}}), json!({"unschedulable": unschedulable}))
    }
    fn taint(&self, t: &mut Terms<'_>, node: &NodeId, taint: &TaintText, on: bool) -> Next {
        let Some(object) = known_node(t.mirror, node) else { return Next::Done(Answer::Gone) };
        let before: Vec<Value> = object.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
        let same = |v: &Value| text(v, "/key") == taint.key && text(v, "/effect") == taint.effect;
        let mut after: Vec<Value> = before.iter().filter(|v| !same(v)).cloned().collect();
        if on {
            let value = if taint.value.is_empty() { json!({}) } else { json!({"value": taint.value}) };
            let mut new = json!({"key": taint.key, "effect": taint.effect});
            json_patch::merge(&mut new, &value);
            after.push(new);
        }
        if before.iter().any(same) == on {
            return Next::Done(Answer::Accepted);
        }
        patch(object, node, json!({}), json!({"taints": after}))
    }
    fn evict(&self, t: &mut Terms<'_>, pod: &PodId, grace_ms: Option<Ms>) -> Next {
        // The server would charge the budget of the pod that bears the name now before it saw that the uid is another.
        if t.mirror.object(PODS, &pod.namespace, &pod.name).is_some_and(|o| uid(o) != pod.uid) {
            return Next::Done(Answer::UidChanged);
        }
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace}, "deleteOptions": delete_options(&pod.uid, grace_ms)});
        let path = format!("{}/eviction", PODS.object(&pod.namespace, &pod.name));
        Next::Ask(Request::Api(Exchange { method: Method::Post, path, body: Some(body) }), At::Write)
    }

    // --- programs ---

    fn run(&self, t: &mut Terms<'_>, command: &[String], timeout_ms: Ms) -> Next {
        let values = self.values(t);
        let fill = |part: &String| values.iter().fold(part.clone(), |p, (k, v)| p.replace(&format!("{{{k}}}"), v));
        let env = values.iter().map(|(k, v)| (format!("NODEFERRY_{}", k.to_uppercase()), v.clone())).collect();
        Next::Ask(Request::Run(Program { argv: command.iter().map(fill).collect(), env, timeout_ms }), At::Program)
    }
    /// What a program is told.
    fn values(&self, t: &Terms<'_>) -> Vec<(&'static str, String)> {
        let execution = ("execution", t.execution.to_owned());
        match self {
            Call::EnsureNodes { key, group, machine, zone, total, .. } => vec![
                ("key", format!("{}/{key}", t.execution)),
                ("group", group.id.clone()),
                ("machine", machine.as_ref().map_or(String::new(), |m| m.id.clone())),
                ("zone", zone.as_ref().map_or(String::new(), |z| z.id.clone())),
                ("total", total.to_string()),
                ("desired", Self::staying(t, group).saturating_add(Self::wanted(t, group, *total)).to_string()),
                execution,
            ],
            Call::RetireNode { node, group, provider_id } | Call::ReimageNode { node, group, provider_id } => vec![
                ("key", format!("{}/{}/{}", t.execution, self.words().0, node.uid)),
                ("node", node.name.clone()),
                ("provider_id", provider_id.clone()),
                ("group", group.clone().unwrap_or_default()),
                execution,
            ],
            Call::Check { batch } => vec![("batch", batch.to_string()), execution],
            _ => vec![execution],
        }
    }
    /// Nodes of a group that were there when the batch began and are not being given back; one that is reimaged stays, though its Node object
    /// is another's afterwards.
    fn staying(t: &Terms<'_>, group: &str) -> u32 {
        let stays = |_: &str, uid: &str| {
            t.known_nodes.contains(uid) && !t.retiring.contains(uid) && !t.reimaged.iter().any(|r| r.0.uid == uid)
        };
        let reimaged = t.reimaged.iter().filter(|(_, of)| *of == group).count();
        Self::count_nodes(t, group, stays) + u32::try_from(reimaged).unwrap_or(u32::MAX)
    }
    /// New nodes of a group that all demands of the batch want together, be it for several machine types or zones.
    fn wanted(t: &Terms<'_>, group: &str, at_least: u32) -> u32 {
        let all = t.demands.iter().filter(|d| d.group == group).map(|d| d.total);
        all.fold(0, u32::saturating_add).max(at_least)
    }
    /// Whether the demands for a group are met: as many of its nodes came since the batch began.
    pub(crate) fn holds(&self, t: &Terms<'_>) -> bool {
        match self {
            Call::EnsureNodes { group, total, .. } => {
                let is_new = |name: &str, uid: &str| {
                    !t.known_nodes.contains(uid) && !t.reimaged.iter().any(|r| r.0.name == name)
                };
                Self::count_nodes(t, group, is_new) >= Self::wanted(t, group, *total)
            }
            _ => true,
        }
    }
    /// How many nodes of a group count, by name and uid.
    fn count_nodes(t: &Terms<'_>, group: &str, counts: impl Fn(&str, &str) -> bool) -> u32 {
        let Some(view) = t.mirror.view() else { return 0 };
        let (c, s) = (view.catalog, view.state);
        let of = |n: &crate::cluster::NodeState| n.group.is_some_and(|g| c.text(c.groups[g].id) == group);
        let there = s.nodes.iter().filter(|n| !n.gone && of(n));
        let n = there.filter(|n| counts(s.name(c, n.spec.name), s.name(c, n.spec.uid))).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    // --- answers ---

    /// Goes on with the answer to what was asked.
    pub(crate) fn answered(&self, t: &mut Terms<'_>, at: At, conflicts: u32, answered: Answered) -> Next {
        let answered = match answered {
            Answered::Exited { code, output } => return self.exited(t, code, &output),
            Answered::Unknown(Unknown { why, .. }) if at == At::Program => {
                let (word, object, _) = self.words();
                t.notes.push(format!("{word} {object}: {why}"));
                return Next::DoneAt(t.now + LOST_MS, Answer::Unknown);
            }
            // Whether it had its effect nobody knows; that it was none was told.
            Answered::Unknown(unknown) => return unanswered(t, unknown.retry_after_ms),
            Answered::Refused(r) if r.is_passing(matches!(self, Call::Evict { .. })) => {
                let (word, object, _) = self.words();
                t.trouble.push(format!("{word} {object}: {}: {}", r.code, r.message));
                return unanswered(t, r.retry_after_ms);
            }
            other => other,
        };
        match self {
            Call::Cordon { node } | Call::Uncordon { node } | Call::Taint { node, .. } | Call::Untaint { node, .. } => {
                self.node_written(t, node, at, conflicts, answered)
            }
            Call::Evict { pod, .. } | Call::DeletePod { pod, .. } => match answered {
                Answered::Done | Answered::Object(_) => Next::Done(Answer::Accepted),
                Answered::Absent => {
                    t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    Next::Done(Answer::Gone)
                }
                Answered::Refused(r) if r.is_other_uid() => {
                    t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    Next::Done(Answer::UidChanged)
                }
                other => self.otherwise(t, other),
            },
            Call::GetPod { pod } => match answered {
                Answered::Object(object) => match self.doubted(t, PODS, &object) {
                    Some(next) => next,
                    None => {
                        if uid(&object) != pod.uid {
                            t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                        }
                        t.mirror.apply(PODS, object);
                        Next::Found(PodId::clone(&pod.id))
                    }
                },
                Answered::Absent => {
                    t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    Next::Done(Answer::Gone)
                }
                other => self.otherwise(t, other),
            },
            Call::GetNode { node } | Call::FindNode { node } => match answered {
                Answered::Object(object) => match self.doubted(t, NODES, &object) {
                    Some(next) => next,
                    None if uid(&object) == node.uid => {
                        t.mirror.apply(NODES, object);
                        Next::Done(Answer::Accepted)
                    }
                    None => {
                        let gone = self.gone(t, node);
                        t.mirror.apply(NODES, object);
                        if matches!(self, Call::FindNode { .. }) { Next::Done(Answer::UidChanged) } else { gone }
                    }
                },
                Answered::Absent => self.gone(t, node),
                other => self.otherwise(t, other),
            },
            Call::ListPods { node } => self.listed(t, node, at, answered),
            Call::RetireNode { node, provider_id, .. } => self.retired(t, node, provider_id, at, answered),
            _ => self.otherwise(t, answered),
        }
    }
    /// An answer to a patch of a node, or to the look at it.
    fn node_written(&self, t: &mut Terms<'_>, node: &NodeId, at: At, conflicts: u32, answered: Answered) -> Next {
        match (at, answered) {
            (_, Answered::Absent) => self.gone(t, node),
            (At::Write, Answered::Object(object)) => {
                if let Some(why) = self.lacks_effect(node, &object) {
                    return self.none(t, &why);
                }
                t.mirror.apply(NODES, object);
                Next::Done(Answer::Accepted)
            }
            // The node is not as it was: look again before it is decided. A 422 or 403 is the word of admission (a
            // ValidatingAdmissionPolicy denies with 422 unless it names another reason) or of validation: a refusal.
            (At::Write, Answered::Refused(r))
                if conflicts < MOST_CONFLICTS && (r.code == 409 || r.code == 422 && r.is_of_another_uid()) =>
            {
                get(NODES.object("", &node.name), At::Reread)
            }
            (At::Reread, Answered::Object(object)) => {
                if let Some(next) = self.doubted(t, NODES, &object) {
                    return next;
                }
                if uid(&object) != node.uid {
                    return self.gone(t, node);
                }
                let next = match self {
                    Call::Uncordon { .. } if !is_cordoned(&object) => settle(&object, node, t),
                    _ => Next::AgainAt(t.now),
                };
                t.mirror.apply(NODES, object);
                next
            }
            (_, other) => self.otherwise(t, other),
        }
    }
    /// What an answer to a patch shows that cannot be: the node as it was written, another node's, or not written at all.
    fn lacks_effect(&self, node: &NodeId, object: &Value) -> Option<String> {
        if uid(object) != node.uid {
            return Some(format!("the answer is a node of uid {:?}, not {:?}", uid(object), node.uid));
        }
        let (cordoned, tainted) = (is_cordoned(object), |taint| has_taint(object, taint));
        match self {
            Call::Cordon { .. } if !cordoned => {
                Some("the answer shows the node schedulable, as if it had not been written".into())
            }
            Call::Uncordon { .. } if cordoned => {
                Some("the answer shows the node unschedulable, as if it had not been written".into())
            }
            Call::Taint { taint, .. } if !tainted(taint) => Some(TAINTS_NOT_WRITTEN.into()),
            Call::Untaint { taint, .. } if tainted(taint) => Some(TAINTS_NOT_WRITTEN.into()),
            _ => None,
        }
    }
    fn gone(&self, t: &mut Terms<'_>, node: &NodeId) -> Next {
        t.mirror.bury(NODES, "", &node.name, &node.uid);
        Next::Done(Answer::Gone)
    }
    /// What an answer says against what never changes is not believed at once.
    fn doubted(&self, t: &mut Terms<'_>, resource: Resource, object: &Value) -> Option<Next> {
        let doubt = t.mirror.doubts(resource, object)?;
        Some(self.none(t, &format!("the answer says something that does not change: {doubt}")))
    }
    /// An answer that is none after all.
    fn none(&self, t: &mut Terms<'_>, why: &str) -> Next {
        let (word, object, _) = self.words();
        t.foreign.push(format!("{word} {object}: {why}"));
        unanswered(t, None)
    }
    /// Any other answer: a refusal is the runner's to hear, and what answers another question is no answer.
    fn otherwise(&self, t: &mut Terms<'_>, answered: Answered) -> Next {
        match answered {
            Answered::Refused(refusal) => Next::Done(refusal.answer()),
            _ => unanswered(t, None),
        }
    }
    fn listed(&self, t: &mut Terms<'_>, node: &NodeId, at: At, answered: Answered) -> Next {
        match (at, answered) {
            (At::Page(mut listing, again), Answered::Page(page)) => {
                if let Err(why) = listing.add(page) {
                    return self.none(t, &why);
                }
                match listing.next.is_empty() {
                    true => self.held_against(t, node, listing, again),
                    false => get(pods_of(node, t.page, &listing.next), At::Page(listing, again)),
                }
            }
            (At::Lacking(listing, mut lost), Answered::Object(object)) => match lost.pop_front() {
                Some(asked) if uid(&object) == asked.uid || is_on(&object, node) && listing.lacks(&object) => {
                    t.foreign.push(lied(&format!("list pods of node {}", node.name), PODS, &asked));
                    unanswered(t, None)
                }
                _ => self.believed(t, node, listing, lost),
            },
            (At::Lacking(listing, mut lost), Answered::Absent) => {
                lost.pop_front();
                self.believed(t, node, listing, lost)
            }
            // The pages grew too old: from the start.
            (At::Page(..), Answered::Refused(r)) if r.code == 410 => Next::AgainAt(t.now),
            (_, other) => self.otherwise(t, other),
        }
    }
    /// A list of a node's pods is complete: held against what is known, before it is believed.
    fn held_against(&self, t: &mut Terms<'_>, node: &NodeId, listing: Listing, again: bool) -> Next {
        let doubts: Vec<String> = listing.items.iter().filter_map(|i| t.mirror.doubts(PODS, i)).collect();
        if let Some(doubt) = doubts.first() {
            return self.none(t, &format!("the list says something that does not change: {doubt}"));
        }
        let missing = t.mirror.missing_of(&node.name, &listing.version, &listing.items);
        if missing.is_much() && !again {
            if !t.is_lied_to {
                t.notes.push(format!(
                    "list pods of node {}: the list lacks {}; it is read a second time before it is believed",
                    node.name,
                    missing.words("pods")
                ));
            }
            return get(pods_of(node, t.page, ""), At::Page(Listing::default(), true));
        }
        self.believed(t, node, listing, spread(missing.lost, MOST_ASKED))
    }
    /// A list that lacks nothing any more, or the look at the next pod that it lacks.
    fn believed(&self, t: &mut Terms<'_>, node: &NodeId, listing: Listing, lost: VecDeque<Known>) -> Next {
        if let Some(first) = lost.front() {
            return get(PODS.object(&first.namespace, &first.name), At::Lacking(listing, lost));
        }
        t.mirror.replace_pods_of(&node.name, &listing.version, listing.items);
        Next::Done(Answer::Accepted)
    }
    fn retired(&self, t: &mut Terms<'_>, node: &NodeId, provider_id: &str, at: At, answered: Answered) -> Next {
        match (at, answered) {
            (At::Claims(asked), Answered::Page(page)) if !asked.is_empty() && page.next == asked => {
                self.none(t, "a page of the list continues where it began")
            }
            (At::Claims(_), Answered::Page(page)) => self.claimed(t, node, provider_id, &page),
            (At::Claims(_), Answered::NotServed) => {
                Next::Done(Answer::refused(404, "NotFound", "the server knows no NodeClaims; is Karpenter installed?"))
            }
            (At::Reread, Answered::Object(object)) => match self.doubted(t, NODES, &object) {
                Some(next) => next,
                None if uid(&object) == node.uid => {
                    t.mirror.apply(NODES, object);
                    Next::Done(Answer::refused(409, "Conflict", "the node changed after its pods had been listed"))
                }
                None => Next::Done(Answer::Accepted),
            },
            (_, Answered::Done | Answered::Object(_) | Answered::Absent) => Next::Done(Answer::Accepted),
            // Either it is not as it was, or another bears its name.
            (At::Object, Answered::Refused(r)) if r.code == 409 => get(NODES.object("", &node.name), At::Reread),
            // A claim of that name with another uid: ours is gone.
            (At::Write, Answered::Refused(r)) if r.is_other_uid() => Next::Done(Answer::Accepted),
            (_, other) => self.otherwise(t, other),
        }
    }
    /// Of all claims that of the node is deleted.
    fn claimed(&self, t: &mut Terms<'_>, node: &NodeId, provider_id: &str, page: &Page) -> Next {
        // The instance counts, where both are known: the claim of another one may name a node of this name by now.
        let of = |c: &&Value| match text(c, "/status/providerID") {
            "" => text(c, "/status/nodeName") == node.name,
            _ if provider_id.is_empty() => text(c, "/status/nodeName") == node.name,
            of => of == provider_id,
        };
        match page.items.iter().find(of).map(Known::of) {
            None if !page.next.is_empty() => get(claims(t.page, &page.next), At::Claims(page.next.clone())),
            Some(claim) => Next::Ask(
                Request::Api(Exchange {
                    method: Method::Delete,
                    path: NODE_CLAIMS.object("", &claim.name),
                    body: Some(delete_options(&claim.uid, None)),
                }),
                At::Write,
            ),
            None if known_node(t.mirror, node).is_none() => Next::Done(Answer::Gone),
            None => Next::Done(Answer::refused(
                404,
                "NotFound",
                "no NodeClaim belongs to this node; it was not made by Karpenter",
            )),
        }
    }
    fn exited(&self, t: &mut Terms<'_>, code: Option<i32>, output: &str) -> Next {
        let (word, object, _) = self.words();
        let said = output.trim();
        if !said.is_empty() || code != Some(0) {
            let status = code.map_or("killed by a signal".to_owned(), |c| format!("exit status {c}"));
            t.notes.push(format!("{word} {object}: {status}: {said}"));
        }
        match (self, code) {
            (Call::RetireNode { node, .. }, Some(0)) if known_node(t.mirror, node).is_some() => delete_node(node, None),
            (_, Some(0)) => Next::Done(Answer::Accepted),
            (Call::ReimageNode { group, .. }, Some(TRY_AGAIN)) => {
                let reimage = t.options.execution.reimage(group.as_deref());
                let every = reimage.map_or(LOST_MS, |Reimage::Command { every_ms, .. }| *every_ms);
                Next::AgainAt(t.now + every)
            }
            (Call::RetireNode { group, .. }, Some(TRY_AGAIN)) => {
                let every = match t.options.execution.retirement(group.as_deref()) {
                    Some(Retirement::Command { every_ms, .. }) => *every_ms,
                    _ => LOST_MS,
                };
                Next::AgainAt(t.now + every)
            }
            _ => {
                let status = code.map_or("a signal".to_owned(), |c| format!("exit status {c}"));
                Next::Done(Answer::refused(502, "ProgramFailed", &format!("the program ended with {status}: {said}")))
            }
        }
    }
}

/// A call whose answer is not known: it is answered as lost, later each time.
fn unanswered(t: &Terms<'_>, retry_after_ms: Option<Ms>) -> Next {
    let patience = retry_after_ms.unwrap_or(0).min(MOST_PATIENCE_MS);
    Next::DoneAt(t.now.saturating_add(t.lost_ms.max(patience)), Answer::Unknown)
}

fn get(path: String, at: At) -> Next {
    Next::Ask(Request::Api(Exchange::get(path)), at)
}

fn pods_of(node: &NodeId, page: u32, next: &str) -> String {
    let next = if next.is_empty() { String::new() } else { format!("&continue={}", percent(next)) };
    let field = percent(&format!("spec.nodeName={}", node.name));
    format!("{}?fieldSelector={field}&limit={page}{next}", PODS.collection())
}

fn claims(page: u32, next: &str) -> String {
    let next = if next.is_empty() { String::new() } else { format!("&continue={}", percent(next)) };
    format!("{}?limit={page}{next}", NODE_CLAIMS.collection())
}

/// A node as the mirror has it, if it is still the same.
fn known_node<'m>(mirror: &'m Mirror, node: &NodeId) -> Option<&'m Value> {
    mirror.object(NODES, "", &node.name).filter(|o| uid(o) == node.uid)
}

/// Whether a pod is on a node.
fn is_on(pod: &Value, node: &NodeId) -> bool {
    text(pod, "/spec/nodeName") == node.name
}

/// Whether a node is cordoned.
fn is_cordoned(node: &Value) -> bool {
    node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false)
}

/// Whether a node bears a taint of this key and effect.
fn has_taint(node: &Value, taint: &TaintText) -> bool {
    let same = |v: &Value| text(v, "/key") == taint.key && text(v, "/effect") == taint.effect;
    node.pointer("/spec/taints").and_then(Value::as_array).is_some_and(|taints| taints.iter().any(same))
}

/// Whether a node is cordoned, and marked as cordoned by an execution.
pub(super) fn is_cordoned_by(node: &Value, execution: &str) -> bool {
    is_cordoned(node) && mark(node) == execution
}

/// Who marked a node as cordoned.
pub(crate) fn mark(node: &Value) -> &str {
    node.pointer("/metadata/annotations").and_then(|a| a.get(CORDONED_BY)).and_then(Value::as_str).unwrap_or("")
}

/// A merge patch upon the version of the node that was seen: another uid or version is a conflict.
fn patch(seen: &Value, node: &NodeId, metadata: Value, spec: Value) -> Next {
    let mut meta = json!({"uid": node.uid, "resourceVersion": text(seen, "/metadata/resourceVersion")});
    json_patch::merge(&mut meta, &metadata);
    // A null is what takes a field away in a merge patch, but `merge` above would take the null itself away.
    if let Some(annotations) = metadata.get("annotations") {
        meta["annotations"] = annotations.clone();
    }
    let body = json!({"metadata": meta, "spec": spec});
    Next::Ask(
        Request::Api(Exchange { method: Method::Patch, path: NODES.object("", &node.name), body: Some(body) }),
        At::Write,
    )
}

/// Nothing is to be taken back, but a cordon of ours may still be on its way: a new version of the node makes it a conflict.
fn settle(seen: &Value, node: &NodeId, t: &Terms<'_>) -> Next {
    let mark = format!("{} at {} ms", t.execution, t.now);
    patch(seen, node, json!({"annotations": {SETTLED_BY: mark}}), json!({}))
}

/// Deletes a Node object: the one of this uid, and of this version if one is given.
fn delete_node(node: &NodeId, version: Option<&String>) -> Next {
    let mut body = delete_options(&node.uid, None);
    if let Some(version) = version {
        body["preconditions"]["resourceVersion"] = json!(version);
    }
    let path = NODES.object("", &node.name);
    Next::Ask(Request::Api(Exchange { method: Method::Delete, path, body: Some(body) }), At::Object)
}

fn delete_options(uid: &str, grace_ms: Option<Ms>) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
    if let Some(ms) = grace_ms {
        options["gracePeriodSeconds"] = json!(ms / 1000);
    }
    options
}

#[cfg(test)]
mod tests;
