//! What becomes of single calls.

use super::*;
use crate::plan::execution::ExecutionOptions;
use std::collections::BTreeMap;

fn id(name: &str) -> NodeId {
    NodeId { name: name.to_owned(), uid: format!("uid-{name}") }
}
fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "5",
        "labels": {"pool": "p"}}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}})
}
fn http(status: u16, message: &str) -> Response {
    Response::Http { status, retry_after_ms: None, body: json!({"message": message}) }
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

/// What happens to a call at a cluster of these nodes, all of group `p`, of which `known` were there when the batch began.
fn with<R>(
    execution: ExecutionOptions,
    nodes: &[&str],
    known: &[&str],
    demands: &[Demand],
    f: impl FnOnce(&mut Terms<'_>) -> R,
) -> R {
    let groups = json!([{
        "machine_types": [{"name": "small", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": 20}}],
        "groups": [{"name": "p", "labels": {"pool": "p"}, "machine_types": [{"name": "small"}]}],
    }]);
    let mut mirror = Mirror::new(0, Vec::new(), &groups);
    nodes.iter().for_each(|n| mirror.apply(NODES, node(n)));
    mirror.renew().expect("read");
    f(&mut Terms {
        now: 0,
        execution: "run-1",
        options: &Options { execution, ..Options::default() },
        mirror: &mut mirror,
        known_nodes: &known.iter().map(|n| format!("uid-{n}")).collect(),
        demands,
        retiring: &BTreeSet::from(["uid-going".to_owned()]),
        approved: &BTreeMap::new(),
        page: 500,
        notes: &mut Vec::new(),
        trouble: &mut Vec::new(),
    })
}

fn retire() -> Op {
    Op::Retire { node: id("old-1"), group: None, provider_id: String::new() }
}
fn retired(at: At, response: Response) -> Next {
    with(ExecutionOptions::default(), &["old-1"], &[], &[], |t| retire().answered(t, at, 0, response))
}

#[test]
fn a_machine_is_given_back_only_if_the_answer_says_so() {
    let is_refused = |next: &Next| matches!(next, Next::Done(Answer::Refused { .. }));
    assert_eq!(retired(At::Write, http(200, "")), Next::Done(Answer::Accepted));
    assert_eq!(retired(At::Object, http(404, "")), Next::Done(Answer::Accepted));
    let other = "Operation cannot be fulfilled: Precondition failed: UID in precondition: a, UID in object meta: b";
    assert_eq!(retired(At::Write, http(409, other)), Next::Done(Answer::Accepted));
    // Any other conflict has changed nothing; and where no NodeClaims are served, none was deleted.
    assert!(is_refused(&retired(At::Write, http(409, "the object has been modified"))));
    let Next::Done(Answer::Refused { message, .. }) = retired(At::Claims, http(404, "")) else { panic!("accepted") };
    assert!(message.contains("knows no NodeClaims"), "{message}");
}

#[test]
fn a_group_is_told_the_sum_of_its_demands() {
    let command = serde_json::from_value(
        json!({"provision": {"p": {"by": "command", "command": ["resize", "{desired}", "{total}"]}}}),
    );
    let of = |machine: &str, total| Op::Ensure {
        key: format!("batch-1/p/{machine}"),
        group: "p".into(),
        machine: machine.into(),
        zone: String::new(),
        total,
    };
    let demands = [demand("p", "small", 2), demand("p", "large", 1), demand("other", "small", 7)];
    // Two stay, one is going, one of the three that are wanted has come.
    let nodes = ["stays-1", "stays-2", "going", "new-1"];
    with(command.expect("options"), &nodes, &["stays-1", "stays-2", "going"], &demands, |t| {
        let Next::Ask(Request::Run(program), _) = of("large", 1).begin(t) else { panic!("no program") };
        assert_eq!(program.argv, ["resize", "5", "1"]);
        assert!(!of("large", 1).holds(t), "the one that came may be the other's");
    });
}
