//! The runner's calls, turned into requests, and the answers turned back.
//!
//! Every call is idempotent or guarded: an eviction and a deletion carry the uid, a cordon the version of the node it was
//! decided upon and the mark of this execution, a demand for nodes an absolute number. So a call whose answer was lost can
//! be made again, by this process or the next.

use super::api::{Exchange, Method, NODE_CLAIMS, NODES, PODS, Program, Request, Response, percent};
use super::mirror::{Mirror, text, uid};
use crate::cluster::View;
use crate::plan::execution::{Provision, Retirement};
use crate::plan::{NodeId, Options};
use crate::runner::progress::Demand;
use crate::runner::refs::PodId;
use crate::runner::{Action, Answer, Ms, TaintText};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Annotation of a node that we cordoned: the name of the execution.
pub const CORDONED_BY: &str = "nodeferry.io/cordoned-by";
/// Annotation of a node whose cordon of ours never came: what is still under way fails by the version that this gives it.
const SETTLED_BY: &str = "nodeferry.io/settled-by";
/// What a journal calls the giving back of a node.
pub(crate) const RETIRE: &str = "retire";
/// A lost call is answered as lost after so long, so that nobody hammers a server that is away.
const LOST_MS: Ms = 1000;
/// Conflicts in a row after which a write is given up.
const MOST_CONFLICTS: u32 = 20;
/// Exit status of a program that asks to be run again later (sysexits.h, EX_TEMPFAIL).
const TRY_AGAIN: i32 = 75;

/// A call in names, which outlive the view.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Cordon { node: NodeId, on: bool },
    Taint { node: NodeId, taint: TaintText, on: bool },
    Evict { pod: PodId, grace_ms: Option<Ms> },
    Delete { pod: PodId, grace_ms: Option<Ms> },
    GetPod { pod: PodId },
    GetNode { node: NodeId },
    FindNode { node: NodeId },
    ListPods { node: NodeId },
    Ensure { key: String, group: String, machine: String, zone: String, total: u32 },
    Freeze { group: String, on: bool },
    Retire { node: NodeId, group: Option<String>, provider_id: String },
    Check { batch: u32 },
    Approval { batch: u32 },
}

/// What a call has asked and waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum At {
    Write,
    Reread,
    Page(Vec<Value>),
    Claims,
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
    /// Versions of cordoned nodes, by uid, from just before their pods were listed: what a node is given back by.
    pub looked: &'a mut BTreeMap<String, String>,
    /// Batches that were approved.
    pub approved: &'a BTreeMap<u32, String>,
    pub page: u32,
    /// What a person should know.
    pub notes: &'a mut Vec<String>,
    /// What the API server did not answer, or had no time for.
    pub trouble: &'a mut Vec<String>,
}

impl Op {
    /// The call behind an action of the runner.
    pub fn of(view: View<'_>, action: &Action) -> Op {
        let (c, s) = (view.catalog, view.state);
        let node = |n| NodeId::of(view, n);
        let pod = |p| PodId::of(view, p);
        let group = |g| c.text(c.groups[g].id).to_owned();
        match action {
            Action::Cordon { node: n } => Op::Cordon { node: node(*n), on: true },
            Action::Uncordon { node: n } => Op::Cordon { node: node(*n), on: false },
            Action::Taint { node: n, taint } => Op::Taint { node: node(*n), taint: taint.clone(), on: true },
            Action::Untaint { node: n, taint } => Op::Taint { node: node(*n), taint: taint.clone(), on: false },
            Action::Evict { pod: p, grace_ms, .. } => Op::Evict { pod: pod(*p), grace_ms: *grace_ms },
            Action::DeletePod { pod: p, grace_ms, .. } => Op::Delete { pod: pod(*p), grace_ms: *grace_ms },
            Action::GetPod { pod: p } => Op::GetPod { pod: pod(*p) },
            Action::GetNode { node: n } => Op::GetNode { node: node(*n) },
            Action::FindNode { id } => Op::FindNode { node: id.clone() },
            Action::ListPods { node: n } => Op::ListPods { node: node(*n) },
            Action::EnsureNodes { key, group: g, machine, zone, total } => Op::Ensure {
                key: key.clone(),
                group: group(*g),
                machine: machine.map_or(String::new(), |m| c.text(c.machines[m].name).to_owned()),
                zone: zone.map_or(String::new(), |z| s.name(c, z).to_owned()),
                total: *total,
            },
            Action::FreezeGroup { group: g, .. } => Op::Freeze { group: group(*g), on: true },
            Action::UnfreezeGroup { group: g } => Op::Freeze { group: group(*g), on: false },
            Action::RetireNode { node: n } => Op::Retire {
                node: node(*n),
                group: s.nodes[*n].group.map(group),
                provider_id: s.nodes[*n].spec.provider_id.map_or(String::new(), |p| s.name(c, p).to_owned()),
            },
            Action::Check { batch } => Op::Check { batch: *batch },
            Action::AwaitApproval { batch } => Op::Approval { batch: *batch },
        }
    }
    /// What it does, in a word; the object it does it to; its uid.
    pub fn words(&self) -> (&'static str, String, String) {
        let of = |word, node: &NodeId| (word, node.name.clone(), node.uid.clone());
        let pod = |word, pod: &PodId| (word, pod.text(), pod.uid.clone());
        let other = |word, name: String| (word, name, String::new());
        match self {
            Op::Cordon { node, on: true } => of("cordon", node),
            Op::Cordon { node, on: false } => of("uncordon", node),
            Op::Taint { node, on: true, .. } => of("taint", node),
            Op::Taint { node, on: false, .. } => of("untaint", node),
            Op::Evict { pod: p, .. } => pod("evict", p),
            Op::Delete { pod: p, .. } => pod("delete-pod", p),
            Op::GetPod { pod: p } => pod("get-pod", p),
            Op::GetNode { node } => of("get-node", node),
            Op::FindNode { node } => of("look-at-node", node),
            Op::ListPods { node } => of("list-pods", node),
            Op::Ensure { key, group, total, .. } => other("ensure-nodes", format!("{group}: {total} for {key}")),
            Op::Freeze { group, on: true } => other("freeze", group.clone()),
            Op::Freeze { group, on: false } => other("unfreeze", group.clone()),
            Op::Retire { node, .. } => of(RETIRE, node),
            Op::Check { batch } => other("check", format!("batch {batch}")),
            Op::Approval { batch } => other("await-approval", format!("batch {batch}")),
        }
    }
    /// Whether it only reads.
    pub fn only_reads(&self) -> bool {
        matches!(
            self,
            Op::GetPod { .. } | Op::GetNode { .. } | Op::FindNode { .. } | Op::ListPods { .. } | Op::Approval { .. }
        )
    }
    /// What no two calls may be under way upon at once: the uid of the object it writes.
    pub fn writes_to(&self) -> Option<&str> {
        match self {
            Op::Cordon { node, .. } | Op::Taint { node, .. } | Op::Retire { node, .. } => Some(&node.uid),
            Op::Evict { pod, .. } | Op::Delete { pod, .. } => Some(&pod.uid),
            Op::Ensure { key, .. } => Some(key),
            _ => None,
        }
    }

    // --- from the beginning ---

    /// The first request, or the answer if none is needed.
    pub fn begin(&self, t: &mut Terms<'_>) -> Next {
        match self {
            Op::Cordon { node, on } => self.cordon(t, node, *on),
            Op::Taint { node, taint, on } => self.taint(t, node, taint, *on),
            Op::Evict { pod, grace_ms } => self.evict(t, pod, *grace_ms),
            Op::Delete { pod, grace_ms } => Next::Ask(
                Request::Api(Exchange {
                    method: Method::Delete,
                    path: PODS.object(&pod.namespace, &pod.name),
                    body: Some(delete_options(&pod.uid, *grace_ms)),
                }),
                At::Write,
            ),
            Op::GetPod { pod } => get(PODS.object(&pod.namespace, &pod.name), At::Reread),
            Op::GetNode { node } | Op::FindNode { node } => get(NODES.object("", &node.name), At::Reread),
            Op::ListPods { node } => {
                let seen = known_node(t.mirror, node).filter(|o| is_cordoned(o));
                match seen.map(|o| text(o, "/metadata/resourceVersion").to_owned()) {
                    Some(version) => t.looked.insert(node.uid.clone(), version),
                    None => t.looked.remove(&node.uid),
                };
                get(pods_of(node, t.page, ""), At::Page(Vec::new()))
            }
            Op::Ensure { group, .. } => match t.options.execution.provision(group) {
                Provision::Wait => Next::Done(Answer::Accepted),
                Provision::Command { command, timeout_ms, .. } => self.run(t, &command, timeout_ms),
            },
            Op::Freeze { .. } => Next::Done(Answer::Accepted),
            // Gone by itself; whatever bears its name now is not to be given back.
            Op::Retire { node, .. } if known_node(t.mirror, node).is_none() => Next::Done(Answer::Gone),
            Op::Retire { node, group, .. } => match t.options.execution.retirement(group.as_deref()) {
                // Nobody has made it schedulable since its pods were listed, or this is a conflict.
                Some(Retirement::Node) => match t.looked.get(&node.uid) {
                    Some(version) => delete_node(node, Some(version)),
                    None => Next::Done(Answer::refused(
                        409,
                        "Conflict",
                        "the node was not cordoned when its pods were listed",
                    )),
                },
                Some(Retirement::Nodeclaim) => get(NODE_CLAIMS.collection(), At::Claims),
                Some(Retirement::Command { command, timeout_ms, .. }) => self.run(t, command, *timeout_ms),
                None => Next::Done(Answer::refused(
                    403,
                    "NoRetirement",
                    "the plan does not say how nodes of this group are given back (execution.retire)",
                )),
            },
            Op::Check { .. } => match &t.options.gates.check {
                Some(check) => self.run(t, &check.command, check.timeout_ms),
                None => Next::Done(Answer::Accepted),
            },
            Op::Approval { batch } if t.approved.contains_key(batch) => Next::Done(Answer::Accepted),
            Op::Approval { .. } => Next::Park,
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
            Op::Ensure { key, group, machine, zone, total } => vec![
                ("key", format!("{}/{key}", t.execution)),
                ("group", group.clone()),
                ("machine", machine.clone()),
                ("zone", zone.clone()),
                ("total", total.to_string()),
                ("desired", Self::staying(t, group).saturating_add(Self::wanted(t, group, *total)).to_string()),
                execution,
            ],
            Op::Retire { node, group, provider_id } => vec![
                ("key", format!("{}/retire/{}", t.execution, node.uid)),
                ("node", node.name.clone()),
                ("provider_id", provider_id.clone()),
                ("group", group.clone().unwrap_or_default()),
                execution,
            ],
            Op::Check { batch } => vec![("batch", batch.to_string()), execution],
            _ => vec![execution],
        }
    }
    /// Nodes of a group that were there when the batch began and are not being given back.
    fn staying(t: &Terms<'_>, group: &str) -> u32 {
        Self::count_nodes(t, group, |uid| t.known_nodes.contains(uid) && !t.retiring.contains(uid))
    }
    /// New nodes of a group that all demands of the batch want together, be it for several machine types or zones.
    fn wanted(t: &Terms<'_>, group: &str, at_least: u32) -> u32 {
        let all = t.demands.iter().filter(|d| d.group == group).map(|d| d.total);
        all.fold(0, u32::saturating_add).max(at_least)
    }
    /// Whether the demands for a group are met: as many of its nodes came since the batch began.
    pub fn holds(&self, t: &Terms<'_>) -> bool {
        match self {
            Op::Ensure { group, total, .. } => {
                Self::count_nodes(t, group, |uid| !t.known_nodes.contains(uid)) >= Self::wanted(t, group, *total)
            }
            _ => true,
        }
    }
    fn count_nodes(t: &Terms<'_>, group: &str, counts: impl Fn(&str) -> bool) -> u32 {
        let Some(view) = t.mirror.view() else { return 0 };
        let (c, s) = (view.catalog, view.state);
        let of = |n: &crate::cluster::NodeState| n.group.is_some_and(|g| c.text(c.groups[g].id) == group);
        let n = s.nodes.iter().filter(|n| !n.gone && of(n) && counts(s.name(c, n.spec.uid))).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    // --- answers ---

    /// Goes on with the response to what was asked.
    pub fn answered(&self, t: &mut Terms<'_>, at: At, conflicts: u32, response: Response) -> Next {
        let (status, retry_after_ms, body) = match response {
            Response::Exited { code, output } => return self.exited(t, code, &output),
            Response::Lost(why) => {
                let (word, object, _) = self.words();
                let said = if at == At::Program { &mut *t.notes } else { &mut *t.trouble };
                said.push(format!("{word} {object}: no answer: {why}"));
                return Next::DoneAt(t.now + LOST_MS, Answer::Unknown);
            }
            Response::Http { status, retry_after_ms, body } => (status, retry_after_ms, body),
        };
        let answer = Refusal { status, retry_after_ms, body: &body };
        if answer.is_passing(matches!(self, Op::Evict { .. })) {
            let (word, object, _) = self.words();
            t.trouble.push(format!("{word} {object}: {status}: {}", text(&body, "/message")));
            return Next::DoneAt(t.now + retry_after_ms.unwrap_or(LOST_MS).max(LOST_MS), Answer::Unknown);
        }
        match self {
            Op::Cordon { node, .. } | Op::Taint { node, .. } => match (at, status) {
                (_, 404) => self.gone(t, node),
                (At::Write, 200) => {
                    t.mirror.apply(NODES, NODES.named(body));
                    Next::Done(Answer::Accepted)
                }
                // The node is not as it was: look again before it is decided anew. A 422 or 403 is the word of admission (a
                // ValidatingAdmissionPolicy denies with 422 unless it names another reason) or of validation: a refusal.
                (At::Write, 409) if conflicts < MOST_CONFLICTS => get(NODES.object("", &node.name), At::Reread),
                (At::Write, 422) if conflicts < MOST_CONFLICTS && is_of_another(&body) => {
                    get(NODES.object("", &node.name), At::Reread)
                }
                (At::Reread, 200) if uid(&body) != node.uid => self.gone(t, node),
                (At::Reread, 200) => {
                    let cordoned = is_cordoned(&body);
                    let next = match self {
                        Op::Cordon { on: false, .. } if !cordoned => settle(&body, node, t),
                        _ => Next::AgainAt(t.now),
                    };
                    t.mirror.apply(NODES, NODES.named(body));
                    next
                }
                _ => Next::Done(answer.refused()),
            },
            Op::Evict { pod, .. } | Op::Delete { pod, .. } => match status {
                200..=202 => Next::Done(Answer::Accepted),
                404 => {
                    t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    Next::Done(Answer::Gone)
                }
                409 if is_other_uid(&body) => {
                    t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    Next::Done(Answer::UidChanged)
                }
                _ => Next::Done(answer.refused()),
            },
            Op::GetPod { pod } => match status {
                200 => {
                    if uid(&body) != pod.uid {
                        t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    }
                    t.mirror.apply(PODS, PODS.named(body));
                    Next::Found(pod.clone())
                }
                404 => {
                    t.mirror.bury(PODS, &pod.namespace, &pod.name, &pod.uid);
                    Next::Done(Answer::Gone)
                }
                _ => Next::Done(answer.refused()),
            },
            Op::GetNode { node } | Op::FindNode { node } => match status {
                200 if uid(&body) == node.uid => {
                    t.mirror.apply(NODES, NODES.named(body));
                    Next::Done(Answer::Accepted)
                }
                200 => {
                    let gone = self.gone(t, node);
                    t.mirror.apply(NODES, NODES.named(body));
                    if matches!(self, Op::FindNode { .. }) { Next::Done(Answer::UidChanged) } else { gone }
                }
                404 => self.gone(t, node),
                _ => Next::Done(answer.refused()),
            },
            Op::ListPods { node } => self.page(t, node, at, status, body),
            Op::Retire { node, provider_id, .. } => self.retired(t, node, provider_id, at, status, &body),
            _ => Next::Done(answer.refused()),
        }
    }
    fn gone(&self, t: &mut Terms<'_>, node: &NodeId) -> Next {
        t.mirror.bury(NODES, "", &node.name, &node.uid);
        Next::Done(Answer::Gone)
    }
    fn page(&self, t: &mut Terms<'_>, node: &NodeId, at: At, status: u16, mut body: Value) -> Next {
        let At::Page(mut items) = at else { return Next::AgainAt(t.now) };
        match status {
            200 => {
                let next = text(&body, "/metadata/continue").to_owned();
                let version = text(&body, "/metadata/resourceVersion").to_owned();
                let new = body.pointer_mut("/items").map(Value::take);
                items.extend(
                    new.as_ref().and_then(Value::as_array).into_iter().flatten().map(|i| PODS.named(i.clone())),
                );
                if !next.is_empty() {
                    return get(pods_of(node, t.page, &next), At::Page(items));
                }
                t.mirror.replace_pods_of(&node.name, &version, items);
                Next::Done(Answer::Accepted)
            }
            // The pages grew too old: from the start.
            410 => Next::AgainAt(t.now),
            _ => Next::Done(Refusal { status, retry_after_ms: None, body: &body }.refused()),
        }
    }
    fn retired(&self, t: &mut Terms<'_>, node: &NodeId, provider_id: &str, at: At, status: u16, body: &Value) -> Next {
        match (at, status) {
            (At::Claims, 200) => {
                // The instance counts, where both are known: the claim of another one may name a node of this name by now.
                let of = |c: &&Value| match text(c, "/status/providerID") {
                    "" => text(c, "/status/nodeName") == node.name,
                    _ if provider_id.is_empty() => text(c, "/status/nodeName") == node.name,
                    of => of == provider_id,
                };
                match body.pointer("/items").and_then(Value::as_array).into_iter().flatten().find(of) {
                    Some(claim) => Next::Ask(
                        Request::Api(Exchange {
                            method: Method::Delete,
                            path: NODE_CLAIMS.object("", text(claim, "/metadata/name")),
                            body: Some(delete_options(uid(claim), None)),
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
            (At::Claims, 404) => {
                Next::Done(Answer::refused(404, "NotFound", "the server knows no NodeClaims; is Karpenter installed?"))
            }
            (At::Reread, 200) if uid(body) == node.uid => {
                t.mirror.apply(NODES, NODES.named(body.clone()));
                Next::Done(Answer::refused(409, "Conflict", "the node changed after its pods had been listed"))
            }
            (_, 200..=202 | 404) => Next::Done(Answer::Accepted),
            // Either it is not as it was, or another bears its name.
            (At::Object, 409) => get(NODES.object("", &node.name), At::Reread),
            // A claim of that name with another uid: ours is gone.
            (At::Write, 409) if is_other_uid(body) => Next::Done(Answer::Accepted),
            _ => Next::Done(Refusal { status, retry_after_ms: None, body }.refused()),
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
            (Op::Retire { node, .. }, Some(0)) if known_node(t.mirror, node).is_some() => delete_node(node, None),
            (_, Some(0)) => Next::Done(Answer::Accepted),
            (Op::Retire { group, .. }, Some(TRY_AGAIN)) => {
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

/// A response that is no success.
struct Refusal<'a> {
    status: u16,
    retry_after_ms: Option<Ms>,
    body: &'a Value,
}

impl Refusal<'_> {
    fn refused(&self) -> Answer {
        Answer::Refused {
            code: self.status,
            reason: text(self.body, "/reason").to_owned(),
            cause: text(self.body, "/details/causes/0/message").to_owned(),
            message: text(self.body, "/message").to_owned(),
            retry_after_ms: self.retry_after_ms,
        }
    }
    /// Whether the server, not the request, is in trouble. To an eviction a 429 is a budget's or the server's word, both
    /// the runner's to read; and a 500 without a reason says that two budgets cover the pod.
    fn is_passing(&self, eviction: bool) -> bool {
        match self.status {
            429 => !eviction,
            500 => !eviction || !text(self.body, "/reason").is_empty(),
            502..=504 => true,
            _ => false,
        }
    }
}

/// Whether a conflict says that the object of this name is another by now. The server looks before it begins to delete and
/// once more when it writes, each in words of its own (apiserver `rest.BeforeDelete`, `storage.Preconditions.Check`).
fn is_other_uid(body: &Value) -> bool {
    let message = text(body, "/message");
    message.contains("the UID in the precondition") || message.contains("UID in precondition")
}

/// Whether an admission policy or webhook denies a request, in its own words: a policy may do so with a 401 (apiserver
/// `validating/plugin.go`, `webhook/errors/statuserror.go`), which says nothing of who we are.
pub(crate) fn is_denied(body: &Value) -> bool {
    let message = text(body, "/message");
    message.contains("denied request") || message.contains("denied the request")
}

/// Whether a patch was refused because the object that bears the name is another: its uid cannot be changed (apimachinery
/// `validation.ValidateObjectMetaAccessorUpdate`).
fn is_of_another(body: &Value) -> bool {
    let causes = body.pointer("/details/causes").and_then(Value::as_array);
    causes.into_iter().flatten().any(|c| text(c, "/field") == "metadata.uid")
}

fn get(path: String, at: At) -> Next {
    Next::Ask(Request::Api(Exchange::get(path)), at)
}

fn pods_of(node: &NodeId, page: u32, next: &str) -> String {
    let next = if next.is_empty() { String::new() } else { format!("&continue={}", percent(next)) };
    let field = percent(&format!("spec.nodeName={}", node.name));
    format!("{}?fieldSelector={field}&limit={page}{next}", PODS.collection())
}

/// A node as the mirror has it, if it is still the same.
fn known_node<'m>(mirror: &'m Mirror, node: &NodeId) -> Option<&'m Value> {
    mirror.object(NODES, "", &node.name).filter(|o| uid(o) == node.uid)
}

/// Whether a node is cordoned.
fn is_cordoned(node: &Value) -> bool {
    node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false)
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
