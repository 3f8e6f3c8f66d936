//! What becomes of single calls.

use super::*;
use crate::intent::execution::ExecutionOptions;
use crate::runner::{GroupRef, Named, NodeRef, PodRef};
use crate::session::Response;
use crate::session::answer::Wanted;
use crate::session::answer::testing::failure;
use std::collections::BTreeMap;

fn id(name: &str) -> NodeRef {
    NodeId { name: name.to_owned(), uid: format!("uid-{name}") }.into()
}
fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "5",
        "labels": {"pool": "p"}}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}})
}
fn http(status: u16, message: &str) -> Response {
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "message": message});
    let body = if status < 300 { done } else { failure(status, message) };
    Response::Http { status, retry_after_ms: None, body }
}
/// What an answer is to what this call asks at this point.
fn read(op: &Call, at: &At, response: Response) -> Answered {
    let exchange = match (op, at) {
        (Call::Evict { pod, .. }, _) => {
            let path = format!("{}/eviction", PODS.object(&pod.namespace, &pod.name));
            Exchange { method: Method::Post, path, body: None }
        }
        (Call::DeletePod { pod, .. }, _) => {
            Exchange { method: Method::Delete, path: PODS.object(&pod.namespace, &pod.name), body: None }
        }
        (Call::GetPod { pod }, _) => Exchange::get(PODS.object(&pod.namespace, &pod.name)),
        (Call::RetireNode { .. }, At::Claims(_)) => Exchange::get(claims(500, "")),
        (Call::RetireNode { .. }, At::Write) => {
            Exchange { method: Method::Delete, path: NODE_CLAIMS.object("", "claim"), body: None }
        }
        (Call::RetireNode { node, .. }, At::Object) => {
            Exchange { method: Method::Delete, path: NODES.object("", &node.name), body: None }
        }
        (Call::ListPods { node }, At::Page(..)) => Exchange::get(pods_of(node, 500, "")),
        (Call::ListPods { .. }, At::Lacking(_, lost)) => {
            let first = lost.front().expect("one that it lacks");
            Exchange::get(PODS.object(&first.namespace, &first.name))
        }
        (Call::Cordon { node } | Call::Uncordon { node } | Call::Taint { node, .. }, At::Write) => {
            Exchange { method: Method::Patch, path: NODES.object("", &node.name), body: None }
        }
        (
            Call::Cordon { node }
            | Call::Uncordon { node }
            | Call::Taint { node, .. }
            | Call::RetireNode { node, .. }
            | Call::GetNode { node }
            | Call::FindNode { node },
            _,
        ) => Exchange::get(NODES.object("", &node.name)),
        other => panic!("{other:?} asks for nothing"),
    };
    Wanted::of_exchange(&exchange).read(response)
}
fn demand(group: &str, machine: &str, total: u32) -> Demand {
    Demand {
        key: format!("batch-1/{group}/{machine}"),
        group: group.to_owned(),
        machine: Some(machine.to_owned()),
        zone: None,
        total,
        trouble: String::new(),
        again_at: None,
    }
}

/// What calls are made upon.
struct Calls {
    mirror: Mirror,
    options: Options,
    known: BTreeSet<String>,
    demands: Vec<Demand>,
    reimaged: Vec<(NodeId, String)>,
    looked: BTreeMap<String, String>,
    /// What was told to people.
    told: Vec<String>,
}

impl Calls {
    /// A cluster of these nodes, all of group `p`, with executions of these options.
    fn new(execution: ExecutionOptions, nodes: &[&str]) -> Calls {
        let groups = crate::cluster::ForeignDocument::new(json!({
            "machine_types": [{"name": "small", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": 20}}],
            "groups": [{"name": "p", "labels": {"pool": "p"}, "machine_types": [{"name": "small"}]}],
        }));
        let mut mirror = Mirror::new(0, Vec::new(), &[groups.expect("a document")]);
        nodes.iter().for_each(|n| mirror.apply(NODES, node(n)));
        mirror.renew().expect("read");
        let options = Options { execution, ..Options::default() };
        Calls {
            mirror,
            options,
            known: BTreeSet::new(),
            demands: Vec::new(),
            reimaged: Vec::new(),
            looked: BTreeMap::new(),
            told: Vec::new(),
        }
    }
    fn with(&mut self, f: impl FnOnce(&mut Terms<'_>) -> Next) -> Next {
        let (mut notes, mut trouble, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        let next = f(&mut Terms {
            now: 0,
            execution: "run-1",
            options: &self.options,
            mirror: &mut self.mirror,
            known_nodes: &self.known,
            demands: &self.demands,
            reimaged: &self.reimaged,
            retiring: &BTreeSet::from(["uid-going".to_owned()]),
            looked: &mut self.looked,
            approved: &BTreeMap::new(),
            page: 500,
            notes: &mut notes,
            trouble: &mut trouble,
            foreign: &mut foreign,
            is_lied_to: false,
            lost_ms: 1000,
        });
        self.told.extend([notes, trouble, foreign].concat());
        next
    }
    fn begin(&mut self, op: &Call) -> Next {
        self.with(|t| op.begin(t))
    }
    fn answered(&mut self, op: &Call, at: At, response: Response) -> Next {
        let answered = read(op, &at, response);
        self.with(|t| op.answered(t, at, 0, answered))
    }
}

fn retire() -> Call {
    Call::RetireNode { node: id("old-1"), group: None, provider_id: String::new() }
}
fn retired(at: At, response: Response) -> Next {
    Calls::new(ExecutionOptions::default(), &["old-1"]).answered(&retire(), at, response)
}

#[test]
fn a_machine_is_given_back_only_if_the_answer_says_so() {
    let is_refused = |next: &Next| matches!(next, Next::Done(Answer::Refused { .. }));
    assert_eq!(retired(At::Write, http(200, "")), Next::Done(Answer::Accepted));
    assert_eq!(retired(At::Object, http(404, "")), Next::Done(Answer::Accepted));
    for other in OF_ANOTHER_UID {
        assert_eq!(retired(At::Write, http(409, other)), Next::Done(Answer::Accepted));
    }
    // Any other conflict has changed nothing; and where no NodeClaims are served, none was deleted.
    assert!(is_refused(&retired(At::Write, http(409, "the object has been modified"))));
    let no_such_kind = http(404, "the server could not find the requested resource");
    let Next::Done(Answer::Refused { message, .. }) = retired(At::Claims(String::new()), no_such_kind) else {
        panic!("accepted")
    };
    assert!(message.contains("knows no NodeClaims"), "{message}");
}

#[test]
fn a_group_is_told_the_sum_of_its_demands() {
    let command = serde_json::from_value(
        json!({"provision": {"p": {"by": "command", "command": ["resize", "{desired}", "{total}"]}}}),
    );
    let of = |machine: &str, total| Call::EnsureNodes {
        key: format!("batch-1/p/{machine}"),
        group: GroupRef::from("p".to_owned()),
        machine: Some(Named::from(machine.to_owned())),
        zone: None,
        total,
        beyond_max: false,
    };
    // Two stay, one is going, one of the three that are wanted has come.
    let mut c = Calls::new(command.expect("options"), &["stays-1", "stays-2", "going", "new-1"]);
    c.known = ["stays-1", "stays-2", "going"].iter().map(|n| format!("uid-{n}")).collect();
    c.demands = vec![demand("p", "small", 2), demand("p", "large", 1), demand("other", "small", 7)];
    let Next::Ask(Request::Run(program), _) = c.begin(&of("large", 1)) else { panic!("no program") };
    assert_eq!(program.argv, ["resize", "5", "1"]);
    c.with(|t| {
        assert!(!of("large", 1).holds(t), "the one that came may be the other's");
        Next::Park
    });
}

#[test]
fn a_machine_is_reimaged_by_a_program_alone() {
    let of = |node: &str| Call::ReimageNode { node: id(node), group: Some("p".into()), provider_id: "i-1".into() };
    let Next::Done(Answer::Refused { code: 403, message, .. }) =
        Calls::new(ExecutionOptions::default(), &["old-1"]).begin(&of("old-1"))
    else {
        panic!("not refused")
    };
    assert!(message.contains("execution.reimage"), "{message}");
    let execution: ExecutionOptions = serde_json::from_value(
        json!({"reimage": {"*": {"by": "command", "command": ["reimage", "{provider_id}", "{node}"], "every_ms": 7000}}}),
    )
    .expect("options");
    let mut c = Calls::new(execution, &["old-1"]);
    let Next::Ask(Request::Run(program), At::Program) = c.begin(&of("old-1")) else { panic!("no program") };
    assert_eq!(program.argv, ["reimage", "i-1", "old-1"]);
    let key = program.env.iter().find(|(k, _)| k == "NODEFERRY_KEY").map(|(_, v)| v.as_str());
    assert_eq!(key, Some("run-1/reimage/uid-old-1"));
    let mut ended = |code| {
        let answered = Answered::Exited { code: Some(code), output: String::new() };
        c.with(|t| of("old-1").answered(t, At::Program, 0, answered))
    };
    assert_eq!(ended(75), Next::AgainAt(7000), "asked again");
    assert_eq!(ended(0), Next::Done(Answer::Accepted));
    assert!(matches!(ended(1), Next::Done(Answer::Refused { code: 502, .. })));
    // Its Node object has gone for it: what comes back is awaited.
    assert_eq!(c.begin(&of("gone")), Next::Done(Answer::Gone));
}

#[test]
fn a_node_that_is_reimaged_counts_for_its_group_whether_it_is_there_or_not() {
    let provision = json!({"provision": {"p": {"by": "command", "command": ["resize", "{desired}"]}}});
    let execution: ExecutionOptions = serde_json::from_value(provision).expect("options");
    let ensure = Call::EnsureNodes {
        key: "k".into(),
        group: GroupRef::from("p".to_owned()),
        machine: None,
        zone: None,
        total: 1,
        beyond_max: true,
    };
    let desired = |nodes: &[&str]| {
        let mut c = Calls::new(execution.clone(), nodes);
        c.known = ["old-1", "old-2"].iter().map(|n| format!("uid-{n}")).collect();
        c.demands = vec![demand("p", "small", 1)];
        c.reimaged = vec![(NodeId { name: "old-1".into(), uid: "uid-old-1".into() }, "p".into())];
        let holds = c.with(|t| if ensure.holds(t) { Next::Park } else { Next::AgainAt(0) });
        let Next::Ask(Request::Run(program), _) = c.begin(&ensure) else { panic!("no program") };
        (program.argv[1].clone(), holds == Next::Park)
    };
    assert_eq!(desired(&["old-1", "old-2"]), ("3".into(), false), "before");
    assert_eq!(desired(&["old-2"]), ("3".into(), false), "meanwhile");
    assert_eq!(desired(&["old-2", "surge"]), ("3".into(), true), "with its surge node");
}

/// What apiserver v0.36.3 says: `rest.BeforeDelete` and the eviction's own look; `storage.Preconditions.Check`.
const OF_ANOTHER_UID: [&str; 2] = [
    "Operation cannot be fulfilled on Pod \"a\": the UID in the precondition (1) does not match the UID in record (2). The object might have been deleted and then recreated",
    "Operation cannot be fulfilled on pods \"a\": Precondition failed: UID in precondition: 1, UID in object meta: 2",
];

#[test]
fn a_pod_of_another_uid_is_known_by_either_of_the_servers_messages() {
    let pod = PodRef::from(PodId { namespace: "d".into(), name: "a".into(), uid: "1".into() });
    for op in [
        Call::Evict { pod: pod.clone(), precondition: true, grace_ms: None },
        Call::DeletePod { pod, precondition: true, grace_ms: None },
    ] {
        let answered =
            |message: &str| Calls::new(ExecutionOptions::default(), &[]).answered(&op, At::Write, http(409, message));
        for other in OF_ANOTHER_UID {
            assert_eq!(answered(other), Next::Done(Answer::UidChanged));
        }
        let modified = "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply your changes to the latest version and try again";
        assert!(matches!(answered(modified), Next::Done(Answer::Refused { code: 409, .. })));
    }
}

fn is(body: Value) -> Response {
    Response::Http { status: 200, retry_after_ms: None, body }
}
fn page(status: u16) -> Response {
    crate::session::answer::read(status, None, Some("text/html"), b"<html>sign in</html>")
}
fn pod(name: &str, version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "d", "uid": format!("u-{name}"),
        "resourceVersion": version}, "spec": {"nodeName": "old-1", "containers": []}})
}
fn list(version: &str, pods: &[&str]) -> Response {
    let items: Vec<Value> = pods.iter().map(|p| pod(p, "4")).collect();
    is(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}))
}
fn is_unknown(next: &Next) -> bool {
    matches!(next, Next::DoneAt(1000, Answer::Unknown))
}
/// A list of a node's pods is asked for; where it goes on.
fn asks(next: Next) -> (String, At) {
    let Next::Ask(Request::Api(e), at) = next else { panic!("it asks for nothing: {next:?}") };
    (e.path, at)
}

#[test]
fn nothing_is_concluded_from_a_page() {
    let pod_id = PodRef::from(PodId { namespace: "d".into(), name: "a".into(), uid: "u-a".into() });
    let node = id("old-1");
    let taint = TaintText { key: "k".into(), value: String::new(), effect: "NoSchedule".into() };
    let list = At::Page(Listing::default(), false);
    let lost =
        At::Lacking(Listing::default(), [Known { namespace: "d".into(), name: "a".into(), uid: "u-a".into() }].into());
    for (op, at) in [
        (Call::Evict { pod: pod_id.clone(), precondition: true, grace_ms: None }, At::Write),
        (Call::DeletePod { pod: pod_id.clone(), precondition: true, grace_ms: None }, At::Write),
        (Call::GetPod { pod: pod_id }, At::Reread),
        (Call::GetNode { node: node.clone() }, At::Reread),
        (Call::ListPods { node: node.clone() }, list),
        (Call::ListPods { node: node.clone() }, lost),
        (Call::Cordon { node: node.clone() }, At::Write),
        (Call::Cordon { node: node.clone() }, At::Reread),
        (Call::Uncordon { node: node.clone() }, At::Write),
        (Call::Taint { node, taint }, At::Write),
        (retire(), At::Claims(String::new())),
        (retire(), At::Write),
        (retire(), At::Object),
        (retire(), At::Reread),
    ] {
        let (mut c, before) = with_pods(&["a", "b"]);
        for status in [200, 201, 302, 401, 403, 404, 409, 410, 422, 429, 500, 503] {
            let next = c.answered(&op, at.clone(), page(status));
            assert!(is_unknown(&next), "{op:?} {at:?}: {status}: {next:?}");
            assert_eq!(known(&mut c), before, "{op:?} {at:?}: {status}");
        }
    }
}

/// A cluster with a node and these pods on it.
fn with_pods(pods: &[&str]) -> (Calls, Vec<String>) {
    let mut c = Calls::new(ExecutionOptions::default(), &["old-1"]);
    pods.iter().for_each(|p| c.mirror.apply(PODS, pod(p, "4")));
    let before = known(&mut c);
    (c, before)
}
fn known(c: &mut Calls) -> Vec<String> {
    let mut all = ["a", "b", "c", "d", "e", "f"].map(|p| c.mirror.object(PODS, "d", p).map(|_| p.to_owned())).to_vec();
    all.push(c.mirror.object(NODES, "", "old-1").map(|_| "old-1".to_owned()));
    all.into_iter().flatten().collect()
}

#[test]
fn a_pod_that_a_nodes_list_lacks_is_asked_for_before_it_is_gone() {
    let op = Call::ListPods { node: id("old-1") };
    let (mut c, _) = with_pods(&["a", "b"]);
    let (path, at) = asks(c.begin(&op));
    assert_eq!(path, "/api/v1/pods?fieldSelector=spec.nodeName%3Dold-1&limit=500");
    let (path, at) = asks(c.answered(&op, at, list("9", &["b"])));
    assert_eq!(path, "/api/v1/namespaces/d/pods/a");
    // It is there: the list was none.
    assert!(is_unknown(&c.answered(&op, at.clone(), is(pod("a", "4")))));
    assert_eq!(known(&mut c), ["a", "b", "old-1"]);
    assert_eq!(c.told, ["list pods of node old-1: the list lacks pod d/a, which is there"]);
    // It is not: the list is what it says.
    assert_eq!(c.answered(&op, at, http(404, "pods \"a\" not found")), Next::Done(Answer::Accepted));
    assert_eq!(known(&mut c), ["b", "old-1"]);
}

#[test]
fn a_nodes_list_that_lost_most_pods_is_read_twice() {
    let op = Call::ListPods { node: id("old-1") };
    let (mut c, _) = with_pods(&["a", "b", "c", "d", "e", "f"]);
    let (_, at) = asks(c.begin(&op));
    let (path, at) = asks(c.answered(&op, at, list("9", &["f"])));
    assert!(path.contains("fieldSelector="), "it is read again: {path}");
    let told =
        "list pods of node old-1: the list lacks 5 of 6 known pods; it is read a second time before it is believed";
    assert_eq!(c.told, [told]);
    // The second time it is complete.
    let all = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(c.answered(&op, at.clone(), list("9", &all)), Next::Done(Answer::Accepted));
    // Or as short as before: then each pod is asked for.
    let (path, mut at) = asks(c.answered(&op, at, list("9", &["f"])));
    assert!(path.ends_with("/pods/a"));
    for (gone, next) in [("a", Some("b")), ("b", Some("c")), ("c", Some("d")), ("d", Some("e")), ("e", None)] {
        let answered = c.answered(&op, at.clone(), http(404, &format!("pods {gone:?} not found")));
        match next {
            Some(next) => {
                let (path, then) = asks(answered);
                assert!(path.ends_with(next), "{path}");
                at = then;
            }
            None => assert_eq!(answered, Next::Done(Answer::Accepted)),
        }
    }
    assert_eq!(known(&mut c), ["f", "old-1"]);
}

#[test]
fn a_page_that_begins_anew_is_no_page() {
    let page = |kind: &str, version: &str| {
        let meta = json!({"resourceVersion": "9", "continue": "t"});
        is(json!({"kind": kind, "apiVersion": version, "metadata": meta, "items": []}))
    };
    let op = Call::ListPods { node: id("old-1") };
    let (mut c, before) = with_pods(&["a"]);
    let (path, at) = asks(c.answered(&op, At::Page(Listing::default(), false), page("PodList", "v1")));
    assert!(path.ends_with("&continue=t"), "{path}");
    assert!(is_unknown(&c.answered(&op, at, page("PodList", "v1"))));
    let claims = || page("NodeClaimList", "karpenter.sh/v1");
    let (path, at) = asks(c.answered(&retire(), At::Claims(String::new()), claims()));
    assert!(path.ends_with("&continue=t"), "{path}");
    assert!(is_unknown(&c.answered(&retire(), at, claims())));
    assert_eq!((c.told.len(), known(&mut c)), (2, before), "{:?}", c.told);
}

#[test]
fn a_patch_whose_answer_shows_no_effect_is_not_done() {
    let (mut c, _) = with_pods(&[]);
    let op = Call::Cordon { node: id("old-1") };
    assert!(is_unknown(&c.answered(&op, At::Write, is(node("old-1")))));
    let mut cordoned = node("old-1");
    cordoned["spec"] = json!({"unschedulable": true});
    let mut another = cordoned.clone();
    another["metadata"]["uid"] = json!("another");
    assert!(is_unknown(&c.answered(&op, At::Write, is(another))));
    assert_eq!(c.told.len(), 2, "{:?}", c.told);
    assert_eq!(c.answered(&op, At::Write, is(cordoned)), Next::Done(Answer::Accepted));
}

#[test]
fn a_node_is_deleted_only_as_it_was_when_its_pods_were_listed() {
    let as_of = |version: &str, cordoned: bool| {
        let mut n = node("old-1");
        n["metadata"]["resourceVersion"] = json!(version);
        n["spec"]["unschedulable"] = json!(cordoned);
        n
    };
    let (list, retire) = (Call::ListPods { node: id("old-1") }, retire());
    let conflicts = |next: &Next| matches!(next, Next::Done(Answer::Refused { code: 409, .. }));
    let execution = serde_json::from_value(json!({"retire": {"*": {"by": "node"}}})).expect("options");
    let mut c = Calls::new(execution, &[]);
    c.mirror.apply(NODES, as_of("7", true));
    assert!(conflicts(&c.begin(&retire)), "nobody has looked");
    c.begin(&list);
    // The watch is ahead of the look: the look's version is what counts.
    c.mirror.apply(NODES, as_of("9", true));
    let Next::Ask(Request::Api(delete), at) = c.begin(&retire) else { panic!("it is asked for") };
    let preconditions = &delete.body.as_ref().expect("a body")["preconditions"];
    assert_eq!((delete.method, preconditions), (Method::Delete, &json!({"uid": "uid-old-1", "resourceVersion": "7"})));
    let Next::Ask(Request::Api(get), at) =
        c.answered(&retire, at, http(409, "the ResourceVersion in the precondition"))
    else {
        panic!("it looks what the conflict is")
    };
    assert_eq!(get.method, Method::Get);
    assert!(conflicts(&c.answered(&retire, at.clone(), is(as_of("11", false)))), "it is the same node, changed");
    c.begin(&list);
    assert!(conflicts(&c.begin(&retire)), "it is schedulable");
    let mut other = as_of("12", false);
    other["metadata"]["uid"] = json!("another");
    assert_eq!(c.answered(&retire, at.clone(), is(other)), Next::Done(Answer::Accepted), "another bears its name");
    assert_eq!(c.answered(&retire, at, http(404, "")), Next::Done(Answer::Accepted));
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": message});
    Response::Http { status: code, retry_after_ms: None, body }
}

/// What apiserver v0.36.3 says of a denied cordon: a ValidatingAdmissionPolicy without and with a reason of its own, a webhook, RBAC.
const DENIED: [(u16, &str, &str); 5] = [
    (422, "Invalid", "nodes \"old-1\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no"),
    (
        403,
        "Forbidden",
        "nodes \"old-1\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no",
    ),
    (
        401,
        "Unauthorized",
        "nodes \"old-1\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no",
    ),
    (400, "BadRequest", "admission webhook \"w.example.com\" denied the request: no"),
    (
        403,
        "Forbidden",
        "nodes \"old-1\" is forbidden: User \"ferry\" cannot patch resource \"nodes\" in API group \"\" at the cluster scope",
    ),
];

#[test]
fn a_denied_cordon_is_refused_and_a_conflict_is_looked_into() {
    let cordon = Call::Cordon { node: id("old-1") };
    for (code, reason, message) in DENIED {
        let mut c = Calls::new(ExecutionOptions::default(), &["old-1"]);
        let Next::Done(Answer::Refused { code: is, message: told, .. }) =
            c.answered(&cordon, At::Write, status(code, reason, message))
        else {
            panic!("{code} {message} is no refusal")
        };
        assert_eq!((is, told.as_str()), (code, message));
    }
    let mut c = Calls::new(ExecutionOptions::default(), &["old-1"]);
    let modified =
        status(409, "Conflict", "Operation cannot be fulfilled on nodes \"old-1\": the object has been modified");
    assert!(matches!(c.answered(&cordon, At::Write, modified), Next::Ask(Request::Api(_), At::Reread)));
    // The uid is part of the patch: of another node it cannot be set.
    let mut other =
        status(422, "Invalid", "Node \"old-1\" is invalid: metadata.uid: Invalid value: \"1\": field is immutable");
    if let Response::Http { body, .. } = &mut other {
        body["details"] = json!({"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]});
    }
    assert!(matches!(c.answered(&cordon, At::Write, other), Next::Ask(Request::Api(_), At::Reread)));
    let get = Wanted::of_exchange(&Exchange::get(NODES.object("", "old-1")));
    let is_denied = |code, reason, message| match get.read(status(code, reason, message)) {
        Answered::Refused(r) => r.is_denied(),
        other => panic!("{other:?} is no refusal"),
    };
    assert!(DENIED[..4].iter().all(|d| is_denied(d.0, d.1, d.2)));
    assert!(!is_denied(401, "Unauthorized", "Unauthorized"));
}

#[test]
fn a_look_at_a_node_tells_itself_from_another_that_bears_its_name() {
    let find = Call::FindNode { node: id("old-1") };
    assert!(find.only_reads());
    let is = |body: Value| Response::Http { status: 200, retry_after_ms: None, body };
    let mut c = Calls::new(ExecutionOptions::default(), &["old-1"]);
    let Next::Ask(Request::Api(get), At::Reread) = c.begin(&find) else { panic!("it is asked for") };
    assert_eq!((get.method, get.path.as_str()), (Method::Get, "/api/v1/nodes/old-1"));
    assert_eq!(c.answered(&find, At::Reread, is(node("old-1"))), Next::Done(Answer::Accepted));
    let mut other = node("old-1");
    other["metadata"]["uid"] = json!("another");
    other["metadata"]["resourceVersion"] = json!("9");
    assert_eq!(c.answered(&find, At::Reread, is(other)), Next::Done(Answer::UidChanged));
    assert_eq!(
        c.mirror.object(NODES, "", "old-1").map(uid),
        Some("another"),
        "the view has it when the answer is heard"
    );
    // What bears the name of a node that is gone is not given back in its place.
    assert_eq!(c.begin(&retire()), Next::Done(Answer::Gone));
    let mut c = Calls::new(ExecutionOptions::default(), &["old-1"]);
    assert_eq!(c.answered(&find, At::Reread, http(404, "")), Next::Done(Answer::Gone));
    assert_eq!(c.mirror.object(NODES, "", "old-1"), None);
}

#[test]
fn a_nodeclaim_is_known_by_its_instance() {
    let claim = |name: &str, provider: &str| {
        let mut claim =
            json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "status": {"nodeName": "old-1"}});
        if !provider.is_empty() {
            claim["status"]["providerID"] = json!(provider);
        }
        claim
    };
    let of = |mine: &str, claims: Vec<Value>| {
        let op = Call::RetireNode { node: id("old-1"), group: None, provider_id: mine.into() };
        let list = Response::Http {
            status: 200,
            retry_after_ms: None,
            body: json!({"metadata": {"resourceVersion": "1"}, "items": claims}),
        };
        match Calls::new(ExecutionOptions::default(), &["old-1"]).answered(&op, At::Claims(String::new()), list) {
            Next::Ask(Request::Api(delete), _) => delete.path.rsplit('/').next().unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(of("aws:///1", vec![claim("another", "aws:///2"), claim("mine", "aws:///1")]), "mine");
    assert!(of("aws:///1", vec![claim("another", "aws:///2")]).contains("no NodeClaim belongs to this node"));
    assert_eq!(of("aws:///1", vec![claim("named", "")]), "named");
    assert_eq!(of("", vec![claim("named", "aws:///2")]), "named");
}
