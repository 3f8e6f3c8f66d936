//! A process at the gate, at the proof and at the deletions, against an API that a test answers.

use super::*;
use crate::ack::execution::Inventory;
use crate::ack::execution::tests::entries;
use crate::execution::ack_dir::AckDir;
use crate::live::clock::unix_ms;
use crate::live::program::Programs;
use crate::live::testing::{Server, ok, runtime, status};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

struct Heard(Vec<String>);

impl Observer<Entry> for Heard {
    fn entry(&mut self, _: &Entry, words: Option<&str>) {
        self.0.extend(words.map(str::to_owned));
    }
    fn say(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

fn namespace(uid: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "kube-system", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}})
}

fn node(ready: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1", "uid": "u-m1", "resourceVersion": "1"},
        "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
}

/// Answers `/readyz` and lists; `node` is the only one where there is one.
fn api(request: &str, uid: &str, node: Option<Value>) -> String {
    let path = request.split(['?', ' ']).nth(1).unwrap_or_default();
    let list = |items: Vec<Value>| ok(&json!({"metadata": {"resourceVersion": "9"}, "items": items}));
    match path {
        "/readyz" => "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "/api/v1/namespaces" => list(vec![namespace(uid)]),
        "/api/v1/nodes" => list(node.into_iter().collect()),
        "/api/v1/nodes/m1" => match node {
            Some(node) => ok(&node),
            None => {
                let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                    "details": {"name": "m1", "kind": "nodes"}});
                ok(&gone).replacen("200 OK", "404 Not Found", 1)
            }
        },
        _ => list(Vec::new()),
    }
}

/// Carries on from the first `n` entries of a whole migration, changed so.
fn carried(
    n: usize,
    change: impl FnOnce(&mut State),
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (End, State, Vec<String>, Vec<String>) {
    let tmp = tempfile::tempdir().expect("a directory");
    let dir = AckDir::at(tmp.path().join("j"));
    let mut entries = entries();
    entries.truncate(n);
    if let Record::Began(began) = &mut entries[0].record {
        began.unix_ms = unix_ms();
    }
    let mut journal = dir.create().expect("a journal");
    entries.iter().for_each(|e| journal.append(e).expect("an entry"));
    let before =
        Inventory::of(&[namespace("u-cluster"), node("True")], BTreeSet::new(), &BTreeSet::from(["m1".to_owned()]));
    journal.keep(&before.expect("an inventory")).expect("it is kept");
    let mut state = State::fold(&entries).expect("a state");
    change(&mut state);
    let clock = Clock::since(state.began.unix_ms, state.t_ms);
    let mut heard = Heard(Vec::new());
    let (end, asked) = runtime().block_on(async {
        let server = Server::answering(answer).await;
        let client = Client::plain(&server.url, Duration::from_secs(5));
        let programs = Programs::unrecorded(&[]);
        let end =
            carry(&client, &programs, &mut journal, state, clock, &mut heard).await.expect("a journal that is kept");
        (end, server.requests())
    });
    let state = State::fold(&dir.read().expect("entries")).expect("a state");
    (end, state, heard.0, asked)
}

fn reason(state: &State) -> &str {
    state.ended.as_ref().and_then(|e| e.reason.as_deref()).unwrap_or_default()
}

#[test]
fn a_command_that_fails_begins_nothing_and_the_way_back_is_said() {
    let (end, state, heard, asked) = carried(
        6,
        |s| s.began.begin = ["sh", "-c", "echo sEcReT; echo why >&2; exit 3"].map(str::to_owned).to_vec(),
        |r| api(r, "u-cluster", Some(node("True"))),
    );
    assert_eq!((end, reason(&state)), (End::Ended(Outcome::Failed), "ack-not-begun"));
    let said = heard.join("\n");
    assert!(said.contains("why") && said.contains("exit status 3") && said.contains("kubectl uncordon m1"), "{said}");
    assert!(!said.contains("sEcReT") && asked.iter().all(|a| a.starts_with("GET ")), "{said}");
}

#[test]
fn what_left_the_drained_masters_is_no_drain_any_more() {
    let taken = |_: &mut State| {};
    let schedulable =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1", "uid": "u-m1"}, "spec": {}});
    let (end, state, heard, _) = carried(3, taken, move |r| api(r, "u-cluster", Some(schedulable.clone())));
    assert_eq!((end, reason(&state)), (End::Ended(Outcome::Failed), "ack-drain-ended"));
    assert!(heard.iter().any(|h| h.contains("m1 takes new pods")), "{heard:?}");
}

#[test]
fn nobody_knows_whether_a_command_was_run_and_it_is_not_run_again() {
    let mark = tempfile::tempdir().expect("a directory");
    let file = mark.path().join("mark");
    let touch = format!("touch {}", file.display());
    let (end, state, heard, _) = carried(
        7,
        |s| {
            s.began.begin = vec!["sh".to_owned(), "-c".to_owned(), touch];
            s.began.limits.begin_ms = 0;
        },
        |r| api(r, "u-cluster", Some(node("True"))),
    );
    assert_eq!(end, End::Interrupted);
    assert!(!file.exists());
    assert!(state.interrupted.as_ref().is_some_and(|(.., limit)| limit.as_deref() == Some("begin")), "{state:?}");
    assert!(heard.iter().any(|h| h.contains("nobody knows whether the migration was begun")), "{heard:?}");
}

#[test]
fn a_task_that_fails_at_once_ends_it() {
    let task = r#"{"state": "fail", "error": {"code": "NoBucket", "message": "no such bucket"}}"#;
    let (end, state, ..) = carried(
        8,
        |s| s.began.poll = ["echo", task].map(str::to_owned).to_vec(),
        |r| api(r, "u-cluster", Some(node("True"))),
    );
    assert_eq!((end, reason(&state)), (End::Ended(Outcome::Failed), "ack-task-failed"));
    assert!(state.ended.is_some_and(|e| e.message.contains("NoBucket: no such bucket")));
}

#[test]
fn an_api_server_that_stays_away_reaches_the_limit() {
    let (end, state, ..) = carried(9, |s| s.began.limits.away_ms = 0, |_| status(503, "away"));
    assert_eq!(end, End::Interrupted);
    let (why, remedy, limit) = state.interrupted.expect("why");
    assert_eq!(limit.as_deref(), Some("away"));
    assert!(
        why.contains("503") && remedy.contains("no rollback") && remedy.contains("nodeferry resume"),
        "{why} {remedy}"
    );
}

#[test]
fn a_rollback_that_does_not_come_reaches_its_own_limit() {
    let (end, state, ..) = carried(
        9,
        |s| {
            s.began.poll = ["echo", r#"{"state": "fail", "current_stage": "snapshot"}"#].map(str::to_owned).to_vec();
            s.began.plan.cut_over.rollback_ms = 0;
        },
        |_| status(503, "away"),
    );
    assert_eq!(end, End::Interrupted);
    let (why, remedy, _) = state.interrupted.expect("why");
    assert!(why.contains("in stage snapshot") && remedy.contains("/etc/kubernetes/manifests"), "{why} {remedy}");
}

#[test]
fn another_cluster_and_other_objects_are_noticed_and_nothing_is_deleted() {
    let (end, state, _, asked) = carried(10, |_| {}, |r| api(r, "u-other", Some(node("Unknown"))));
    assert_eq!((end, reason(&state)), (End::Ended(Outcome::Failed), "ack-another-cluster"));
    assert!(asked.iter().all(|a| a.starts_with("GET ")));
    let (end, state, ..) = carried(10, |_| {}, |r| api(r, "u-cluster", None));
    assert_eq!((end, reason(&state)), (End::Ended(Outcome::Failed), "ack-objects-differ"));
    assert!(state.compared.is_some_and(|c| c.lines() == ["lost: Node m1 (uid u-m1) is gone"]));
}

#[test]
fn a_master_is_deleted_by_its_uid_and_only_while_it_is_unknown() {
    let gone = std::sync::Arc::new(AtomicBool::new(false));
    let deleted = gone.clone();
    let (end, state, _, asked) = carried(
        13,
        |_| {},
        move |r| {
            let there = Some(node("Unknown")).filter(|_| !deleted.load(Ordering::Relaxed));
            if r.starts_with("DELETE ") {
                deleted.store(true, Ordering::Relaxed);
            }
            api(r, "u-cluster", there)
        },
    );
    assert_eq!((end, state.deleted.as_slice()), (End::Ended(Outcome::Completed), &["m1".to_owned()][..]));
    let deletions: Vec<&String> = asked.iter().filter(|a| a.starts_with("DELETE ")).collect();
    assert!(deletions.len() == 1 && deletions[0].contains(r#""preconditions":{"uid":"u-m1"}"#), "{deletions:?}");
    let (end, state, _, asked) = carried(13, |_| {}, |r| api(r, "u-cluster", Some(node("True"))));
    assert_eq!((end, reason(&state)), (End::Ended(Outcome::PartlyCompleted), "ack-masters-stay"));
    assert!(state.kept["m1"].contains("it reports again") && asked.iter().all(|a| a.starts_with("GET ")));
    // It was gone already: nothing is sent.
    let (end, state, heard, _) = carried(13, |_| {}, |r| api(r, "u-cluster", None));
    assert_eq!((end, state.deleted.len()), (End::Ended(Outcome::Completed), 1));
    assert!(heard.iter().any(|h| h.contains("deleted by somebody else")), "{heard:?}");
}
