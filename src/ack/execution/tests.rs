//! What is compared and folded: commands, tasks, inventories, journals.

use super::*;
use crate::ack::simulate::AckSimOptions;
use crate::intent::command::split;
use crate::plan::verdict::Percentiles;
use crate::runner::Outcome;
use crate::trace::lines::{read, write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_command_is_split_at_white_space_and_quotes_keep_words_together() {
    for (command, words) in [
        ("./begin.sh", vec!["./begin.sh"]),
        ("  a  b\tc ", vec!["a", "b", "c"]),
        (r#"aliyun --body '{"a": "b c"}' x"#, vec!["aliyun", "--body", r#"{"a": "b c"}"#, "x"]),
        (r#"a "b \" 'c'" d\ e '\' ''"#, vec!["a", "b \" 'c'", "d e", "\\", ""]),
    ] {
        assert_eq!(split(command).expect("words"), words, "{command}");
    }
    for (command, problem) in
        [("", "empty"), ("   ", "empty"), ("a 'b", "not closed"), ("a \"b", "not closed"), ("a\\", "backslash")]
    {
        let why = split(command).expect_err(command);
        assert!(why.contains(problem), "{command}: {why}");
    }
}

#[test]
fn places_are_filled_in_and_other_braces_stay() {
    let context = Context { cluster_id: "c1".into(), task_id: "T-9".into(), ..Context::default() };
    let words = ["/clusters/{cluster_id}/x", r#"{"task": "{task_id}", "other": {"a": 1}}"#].map(str::to_owned);
    assert_eq!(substitute(&words, &context), ["/clusters/c1/x", r#"{"task": "T-9", "other": {"a": 1}}"#]);
    assert!(context.environment().contains(&("NODEFERRY_CLUSTER_ID".to_owned(), "c1".to_owned())));
}

#[test]
fn of_a_task_only_its_state_is_kept() {
    let key = "-----BEGIN RSA PRIVATE KEY----- sEcReT";
    let text = json!({"state": "running", "stages": [{"state": "success", "outputs": {"key": key}}, {"state": "running", "name": "snapshot"}]});
    let task = TaskState::parse(&text.to_string()).expect("a task");
    assert_eq!((task.state.as_str(), task.stage.as_deref()), ("running", Some("snapshot")));
    let failed = json!({"state": "fail", "current_stage": "sleep", "error": {"code": "E", "message": key}});
    let failed = TaskState::parse(&failed.to_string()).expect("a task");
    assert!(failed.failed() && !failed.succeeded());
    assert!(!format!("{failed:?} {task:?}").contains("sEcReT"), "{failed:?}");
    assert_eq!(failed.text(), "the task is \"fail\" in stage sleep: E: (not shown: it may hold a key)");
    for bad in ["", "sEcReT", "[1]", "{}", r#"{"state": 7}"#] {
        let why = TaskState::parse(bad).expect_err(bad);
        assert!(why.contains("state") && !why.contains("sEcReT"), "{why}");
    }
    assert_eq!(task_id(r#" {"task_id": "T-1", "request_id": "r"} "#), Ok("T-1".to_owned()));
    assert!(task_id(r#"{"task": "T-1"}"#).is_err() && task_id("sEcReT").is_err_and(|why| !why.contains("sEcReT")));
}

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";
const LATER: &str = "2026-01-03T00:00:00Z";

fn object(kind: &str, namespace: &str, name: &str, uid: &str, created: &str) -> Value {
    let api = match kind {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => "apps/v1",
        _ => "v1",
    };
    let mut object =
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "uid": uid, "creationTimestamp": created}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

fn of(mut object: Value, kind: &str, name: &str, uid: &str) -> Value {
    object["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "uid": uid, "controller": true}]);
    object
}

fn node(name: &str, ready: &str) -> Value {
    let mut node = object("Node", "", name, &format!("u-{name}"), EARLY);
    node["status"] = json!({"conditions": [{"type": "Ready", "status": ready}]});
    node
}

fn pod(name: &str, on: &str, created: &str) -> Value {
    let mut pod = of(object("Pod", "shop", name, &format!("u-{name}"), created), "ReplicaSet", "web-1", "u-rs");
    pod["spec"] = json!({"nodeName": on});
    pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    pod
}

/// A master, two workers, a Deployment with three pods.
fn cluster() -> Vec<Value> {
    vec![
        object("Namespace", "", "kube-system", "u-cluster", EARLY),
        node("m1", "True"),
        node("w1", "True"),
        node("w2", "True"),
        object("Deployment", "shop", "web", "u-web", EARLY),
        of(object("ReplicaSet", "shop", "web-1", "u-rs", EARLY), "Deployment", "web", "u-web"),
        pod("a", "w1", EARLY),
        pod("b", "w1", EARLY),
        pod("c", "w2", LATE),
        object("Service", "shop", "web", "u-svc", EARLY),
    ]
}

fn inventory(objects: &[Value]) -> Inventory {
    Inventory::of(objects, BTreeSet::new(), &BTreeSet::from(["m1".to_owned()])).expect("an inventory")
}

fn without(objects: &[Value], uid: &str) -> Vec<Value> {
    objects.iter().filter(|o| o["metadata"]["uid"] != uid).cloned().collect()
}

#[test]
fn the_same_objects_are_the_same_and_what_controllers_replace_is_no_difference() {
    let before = inventory(&cluster());
    assert_eq!((before.cluster.as_str(), before.newest.as_str(), before.len()), ("u-cluster", LATE, 10));
    let same = Comparison::of(&before, &before);
    assert!(same.is_same() && same.same == 10 && same.new == 0 && same.lines().is_empty(), "{same:?}");
    let mut after = without(&cluster(), "u-b");
    after.push(pod("d", "w2", LATER));
    let replaced = Comparison::of(&before, &inventory(&after));
    assert!(replaced.is_same(), "{replaced:?}");
    assert_eq!((replaced.replaced, replaced.new, replaced.counts["Pod"]), (1, 1, (3, 3)));
    let text = serde_json::to_vec(&before).expect("JSON");
    assert_eq!(Inventory::parse(&text).expect("an inventory"), before);
    assert!(Inventory::parse(&text[..text.len() / 2]).is_err());
}

#[test]
fn what_differs_is_noticed_whichever_way() {
    let before = inventory(&cluster());
    let compared = |objects: &[Value]| Comparison::of(&before, &inventory(objects));
    // Gone, though nothing removes it.
    let gone = compared(&without(&cluster(), "u-svc"));
    assert_eq!((gone.is_same(), gone.lines()), (false, vec!["lost: Service shop/web (uid u-svc) is gone".to_owned()]));
    // Another object under its name.
    let mut other = without(&cluster(), "u-svc");
    other.push(object("Service", "shop", "web", "u-other", LATER));
    let other = compared(&other);
    assert_eq!(other.lines(), ["lost: Service shop/web (uid u-svc) has uid u-other"]);
    // A pod of before that had gone: what came back is older.
    let mut older = without(&cluster(), "u-c");
    older.push(pod("z", "m1", EARLY));
    let older = compared(&older);
    assert!(
        !older.is_same() && older.lines()[0].starts_with("not there before, and older than what was: Pod shop/z"),
        "{older:?}"
    );
    // All pods are others: no controller does that at once.
    let others: Vec<Value> =
        cluster().into_iter().filter(|o| o["kind"] != "Pod").chain([pod("x", "w1", LATER)]).collect();
    assert_eq!(compared(&others).differing, 3);
    // A pod that nobody makes again.
    let mut bare = cluster();
    bare.push(object("Pod", "shop", "bare", "u-bare", EARLY));
    assert!(!Comparison::of(&inventory(&bare), &before).is_same());
    // Another cluster.
    let mut another = cluster();
    another[0]["metadata"]["uid"] = "u-2".into();
    assert_eq!(compared(&another).other_cluster.as_deref(), Some("u-2"));
    // Kinds that cannot be read any more say nothing.
    let services = BTreeSet::from(["Service".to_owned()]);
    let unread =
        Inventory::of(&without(&cluster(), "u-svc"), services.clone(), &BTreeSet::new()).expect("an inventory");
    let unread = Comparison::of(&before, &unread);
    assert_eq!((unread.unreadable, unread.differing), (services, 0));
    assert!(
        Inventory::of(&[node("w1", "True")], BTreeSet::new(), &BTreeSet::new()).is_err(),
        "which cluster is not known"
    );
}

#[test]
fn nodes_and_workloads_stand_as_before_or_are_named() {
    let masters = BTreeSet::from(["m1".to_owned()]);
    let look = |objects: &[Value]| Look::of(objects, &masters);
    let before = look(&cluster());
    assert_eq!(before.ready, BTreeMap::from([("Deployment/shop/web".to_owned(), 3)]));
    assert_eq!(before.masters_that_report(), ["m1"]);
    let mut now = cluster();
    now[1] = node("m1", "Unknown");
    now[2] = node("w1", "Unknown");
    now[6]["status"]["conditions"][0]["status"] = "False".into();
    now[7]["metadata"]["deletionTimestamp"] = LATER.into();
    let after = look(&now);
    assert!(after.masters_that_report().is_empty());
    assert_eq!(after.short_of(&before), ["node w1 does not report", "Deployment/shop/web has 1 of 3 ready pods"]);
    let gone = look(&without(&now, "u-w1"));
    assert_eq!(gone.nodes_gone(&before), ["w1"]);
    assert_eq!(gone.short_of(&before), ["Deployment/shop/web has 1 of 3 ready pods"]);
    assert!(look(&cluster()).short_of(&before).is_empty());
    // A DaemonSet has a pod less where a node is gone, and is not short for that.
    let agent = |name: &str, on: &str| of(pod(name, on, EARLY), "DaemonSet", "agent", "u-ds");
    let with_agents: Vec<Value> = cluster().into_iter().chain([agent("x", "w1"), agent("y", "w2")]).collect();
    let before = look(&with_agents);
    let short = look(&without(&with_agents, "u-x")).short_of(&before);
    assert_eq!(short, ["DaemonSet/shop/agent has 1 of 2 ready pods"]);
    let gone = without(&without(&with_agents, "u-x"), "u-w1");
    assert!(look(&gone).short_of(&before).is_empty());
    assert_ne!(fingerprint(&now), fingerprint(&cluster()));
}

#[test]
fn what_is_on_masters_is_seen_but_what_goes_with_them() {
    let masters = BTreeSet::from(["m1".to_owned()]);
    let mut objects = cluster();
    objects[1]["spec"] = json!({"unschedulable": true});
    let mut daemon = of(pod("ds", "m1", EARLY), "DaemonSet", "agent", "u-ds");
    daemon["metadata"]["uid"] = "u-d".into();
    let mut mirror = pod("api", "m1", EARLY);
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "1"});
    objects.extend([daemon, mirror]);
    assert!(not_drained(&objects, &masters).is_empty());
    objects.push(pod("z", "m1", EARLY));
    objects[1]["spec"] = json!({});
    assert_eq!(not_drained(&objects, &masters), ["m1 takes new pods", "pod shop/z on m1"]);
}

fn began() -> Began {
    let plan = json!({
        "ack_plan_version": 1, "nodeferry": "0", "cluster": {"id": "c1"},
        "preflight": crate::ack::Preflight::of(
            &crate::ack::Known::of_texts(empty().view(), None, Vec::new()).expect("facts"), empty().view(), &Default::default(), ""),
        "open": [], "exit_status": 0, "masters": [{"node": "m1", "instance": "i-1", "pods_to_move": []}],
        "drain": crate::plan::Plan::new(
            serde_json::from_value(json!({"batches": [[{"name": "m1", "uid": "u-m1"}]], "options": crate::intent::Options::default()})).expect("an intent"),
            crate::plan::Baseline::default()),
        "permissions": [], "afterwards": [],
        "cut_over": {"before": [], "call": {"method": "POST", "path": "/clusters/c1/migrate", "body": {"oss_bucket_name": "b", "oss_bucket_endpoint": "e"}},
            "command": "aliyun", "follow": "", "snapshot": "", "steps": [], "until_cut_over_ms": 960_000, "rollback_ms": 240_000,
            "signed_url_ms": 2_400_000, "no_rollback": ""},
    });
    let plan = crate::ack::AckPlan::parse(&plan.to_string()).expect("a plan");
    Began {
        ack_journal_version: JOURNAL_VERSION,
        nodeferry: "0".into(),
        execution: "run-1".into(),
        cluster: "u-cluster".into(),
        context: "test".into(),
        unix_ms: 1_795_258_200_000,
        plan_sha256: String::new(),
        pass_env: Vec::new(),
        begin: Vec::new(),
        poll: Vec::new(),
        accepted: Vec::new(),
        limits: Limits::of(&plan),
        simulation: AckSimOptions::default(),
        plan,
    }
}

/// A cluster with nothing in it.
struct Empty(crate::cluster::Cluster);

impl Empty {
    fn view(&self) -> crate::cluster::View<'_> {
        crate::cluster::View { catalog: &self.0.catalog, state: &self.0.state }
    }
}

fn empty() -> Empty {
    Empty(crate::snapshot::Snapshot::from_objects(&[node("m1", "True")]).expect("a dump").cluster)
}

/// A whole migration, an entry a second.
pub(crate) fn entries() -> Vec<Entry> {
    let p = |ms| Percentiles { p5: ms, p50: ms, p95: ms };
    let predicted = Predicted { runs: 30, outage_ms: p(2_000), rush_ms: p(3_000), quiet_ms: p(5_000) };
    let same = Comparison { same: 10, ..Comparison::default() };
    let records = vec![
        Record::Began(Box::new(began())),
        Record::DrainBegan,
        Record::DrainEnded { outcome: Outcome::Completed, why: String::new() },
        Record::Inventoried { counts: BTreeMap::from([("Pod".to_owned(), 3)]), left_out: Vec::new() },
        Record::Predicted(Some(predicted)),
        Record::GateOpened,
        Record::BeginAnnounced,
        Record::Begun { task_id: Some("T-1".into()) },
        Record::Away { since_ms: 8_000, seen: true },
        Record::Back { since_ms: 10_000, seen: true },
        Record::Proved(same),
        Record::MastersUnknown { since_ms: 12_500 },
        Record::Settled { last_change_ms: 13_000, watched: true, nodes_gone: Vec::new() },
        Record::DeleteAnnounced { node: "m1".into(), uid: "u-m1".into() },
        Record::Deleted { node: "m1".into() },
        Record::Ended { outcome: Outcome::Completed, reason: None, message: "done".into(), remedy: "release".into() },
    ];
    records.into_iter().zip(0u64..).map(|(record, seq)| Entry { seq, t_ms: seq as i64 * 1_000, record }).collect()
}

#[test]
fn a_journal_is_read_back_and_a_torn_line_is_left_out() {
    let entries = entries();
    let bytes: Vec<u8> = entries.iter().flat_map(|e| write(e).expect("a line")).collect();
    let (back, kept) = read::<Entry>(&bytes).expect("a journal");
    assert_eq!((&back, kept), (&entries, bytes.len() as u64));
    // Cut at any byte it is a shorter one, never another.
    for cut in 0..bytes.len() {
        let (some, kept) = read::<Entry>(&bytes[..cut]).expect("a shorter journal");
        assert_eq!(some, entries[..some.len()]);
        assert!(kept <= cut as u64);
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for wrong in [
        [lines[0], lines[2]].concat(),
        [lines[0], lines[1], lines[1]].concat(),
        [lines[1]].concat(),
        [lines[0], b"{\"seq\": 1}\n"].concat(),
        [lines[0], b"nonsense\n"].concat(),
    ] {
        let problem = read::<Entry>(&wrong).expect_err("a damaged journal");
        assert!(problem.line >= 1, "{problem}");
    }
}

#[test]
fn the_state_is_folded_and_a_stop_is_possible_until_it_is_begun() {
    let entries = entries();
    let stage = |n: usize| State::fold(&entries[..n]).expect("a state");
    let stages: Vec<Stage> = (1..=entries.len()).map(|n| stage(n).stage).collect();
    use Stage::*;
    assert_eq!(
        stages,
        [
            Drain, Drain, Inventory, Inventory, Inventory, Gate, Gate, Gate, Away, Prove, Settle, Settle, Delete,
            Delete, Delete, Ended
        ]
    );
    let may_stop: Vec<bool> = (1..=entries.len()).map(|n| stage(n).may_stop()).collect();
    assert_eq!(may_stop.iter().filter(|m| **m).count(), 6, "not once it was announced");
    assert_eq!((stage(7).begun, stage(8).begun), (Begun::Perhaps, Begun::Yes));
    assert!(State::fold(&[]).is_none() && State::fold(&entries[1..]).is_none());
    assert!(entries.iter().all(|e| e.record.words(&stage(1)).is_none_or(|w| !w.is_empty())));
}

#[test]
fn the_report_lays_predicted_beside_actual() {
    let entries = entries();
    let report = AckReport::of(&entries, None, "dir").expect("a report");
    let rows: Vec<(&str, Option<i64>, bool)> =
        report.lengths.iter().map(|l| (l.what, l.actual_ms, l.is_exact)).collect();
    assert_eq!(rows, [("outage", Some(2_000), true), ("rush", Some(3_000), true), ("quiet", Some(5_000), true)]);
    assert!(report.lengths.iter().all(|l| l.difference_percent == Some(0.0)));
    assert_eq!((report.state, report.stage, report.outcome), ("ended", "ended", Some("COMPLETED")));
    let text = report.text(None);
    assert!(
        text.contains("Billed until they are released: i-1 (m1)") && text.contains("Masters deleted: m1"),
        "{text}"
    );
    // Under way, the wait says when it is given up.
    let gate = AckReport::of(&entries[..6], Some("process 7".into()), "dir").expect("a report");
    assert_eq!((gate.state, gate.stage, gate.until_ms), ("running", "gate", Some(5_000 + 24 * 3_600_000)));
    assert!(gate.next.contains("console"), "{}", gate.next);
    let killed = AckReport::of(&entries[..9], None, "dir").expect("a report");
    assert_eq!((killed.state, killed.next.as_str()), ("killed", "nodeferry resume dir goes on"));
    // What nobody saw is an upper bound.
    let mut unseen = entries;
    unseen[9].record = Record::Back { since_ms: 10_000, seen: false };
    let unseen = AckReport::of(&unseen, None, "dir").expect("a report");
    assert!(!unseen.lengths[0].is_exact && unseen.text(None).contains("at most 2 s"), "{}", unseen.text(None));
}
