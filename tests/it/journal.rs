//! A journal's directory and the commands upon it, as people use them, while a process writes and after it is gone.

use crate::cli::{Dir, Ran, nodeferry};
use nodeferry::cluster::{NodeIdx, View};
use nodeferry::execution::journal_dir::{JournalDir, JournalWriter, Order};
use nodeferry::intent::gates::{ApprovalGate, ApproveWhen, Gates};
use nodeferry::intent::{Intent, Options, batches, select};
use nodeferry::plan::{Baseline, Plan};
use nodeferry::runner::{Input, NoLaunches, Outbox, Runner};
use nodeferry::session::journal::{Began, Call, Entry, JOURNAL_VERSION, ProgressLog, Record};
use nodeferry::snapshot::Snapshot;
use nodeferry::snapshot::generate::{GenerateParams, generate};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The beginning of an execution of a plan.
pub(crate) fn began(plan: Plan) -> Began {
    Began {
        journal_version: JOURNAL_VERSION,
        nodeferry: "0.1.0".into(),
        execution: "shop-1".into(),
        cluster: "5d1c6d0e".into(),
        context: "kind-shop".into(),
        unix_ms: 1_795_229_856_000,
        plan_sha256: "00".repeat(32),
        pass_env: Vec::new(),
        plan,
    }
}

/// What an execution has written down when its first calls are about to leave.
fn first_entries() -> Vec<Entry> {
    let params =
        GenerateParams { seed: 5, nodes: 6, new_nodes: 4, pods_per_node: Some(4), ..GenerateParams::default() };
    let snapshot = Snapshot::from_objects(&generate(&params).expect("a cluster")).expect("it is read");
    let (catalog, state) = (snapshot.cluster.catalog, snapshot.cluster.state);
    let view = View { catalog: &catalog, state: &state };
    let gates = Gates { check: None, approval: Some(ApprovalGate { when: ApproveWhen::AfterFirst, limit_ms: None }) };
    let options = Options { gates, ..Options::default() };
    let old: Vec<NodeIdx> =
        select(view, &[], Some(&format!("{}={}", params.pool_label, params.old_pool))).expect("an old pool");
    let intent = Intent::new(view, &batches(view, &old, &options).expect("batches"), options);
    let mut runner = Runner::new(Arc::new(intent.clone()), view, Arc::new(NoLaunches)).expect("the plan fits");
    let mut out = Outbox::default();
    runner.handle(0, view, Input::Tick, &mut out);
    let progress = serde_json::to_value(runner.progress()).expect("JSON");
    let calls = runner.open_calls().into_iter().map(|id| Call {
        call: id.0,
        what: "get-node".into(),
        object: "old-1".into(),
        uid: String::new(),
    });
    let mut records = vec![Record::Began(Box::new(began(Plan::new(intent, Baseline::default()))))];
    records.extend(ProgressLog::new().records(progress, calls.collect()));
    (0..).zip(records).map(|(seq, record)| Entry { seq, t_ms: seq as i64 * 1500, record }).collect()
}

fn written(dir: &Dir) -> (String, JournalWriter) {
    let path = dir.path("shop");
    let mut writer = JournalDir::at(&path).create().expect("made");
    first_entries().iter().for_each(|e| writer.append(e).expect("written"));
    writer.sync().expect("safe");
    (path, writer)
}

fn ok(dir: &Dir, args: &[&str]) -> Ran {
    let ran = nodeferry(dir, args);
    assert_eq!(ran.status, 0, "{args:?}: {}", ran.stderr);
    ran
}

fn refused(dir: &Dir, args: &[&str]) -> String {
    let ran = nodeferry(dir, args);
    assert_eq!((ran.status, &ran.stdout[..]), (2, ""), "{args:?}: {}", ran.stderr);
    ran.stderr
}

#[test]
fn status_and_history_while_it_runs_and_after_it_was_killed() {
    let dir = Dir::new();
    let (path, writer) = written(&dir);
    let me = format!("process {}", std::process::id());
    let running = ok(&dir, &["status", &path]).stdout;
    assert!(running.starts_with(&format!("shop-1: running ({me}); batch 1 of ")), "{running}");
    assert!(running.contains("NO ANSWER YET  OBJECT"), "{running}");
    drop(writer);
    let state = |name: &str| {
        let ran = ok(&dir, &["status", &path, "-o", "json"]);
        serde_json::from_str::<Value>(&ran.stdout).expect("JSON")[name].clone()
    };
    assert_eq!(state("state"), "killed");
    assert_eq!(state("batch"), 0);
    assert_eq!(state("latest"), "2026-11-21T02:57:39.000Z");

    let lines = ok(&dir, &["history", &path]).stdout;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "a checkpoint is no news: {lines:?}");
    assert!(lines[0].starts_with("2026-11-21T02:57:36.000Z            shop-1 begins: 6 nodes in "), "{lines:?}");
    assert!(lines[1].starts_with("2026-11-21T02:57:39.000Z            asks: get-node old-1"), "{lines:?}");
    assert_eq!(ok(&dir, &["history", &path, "--all"]).stdout.lines().count(), 3);
    assert_eq!(ok(&dir, &["history", &path, "--batch", "2"]).stdout, "");
}

#[test]
fn orders_reach_the_process_that_carries_it_out() {
    let dir = Dir::new();
    let (path, writer) = written(&dir);
    let said = ok(&dir, &["stop", &path, "--terminate-drained", "false"]).stdout;
    assert!(said.ends_with("takes it up within a second or two\n"), "{said}");
    let said = ok(&dir, &["approve", &path, "--batch", "2", "--by", "ada", "-o", "json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&said).expect("JSON")["asked"]["batch"], 1);
    let none_waits = refused(&dir, &["approve", &path]);
    assert!(none_waits.contains("no batch of shop-1 waits for approval"), "{none_waits}");

    let (asked, _) = writer.dir().asked().expect("looked at");
    let orders: Vec<Order> = asked.iter().map(|a| a.order.clone()).collect();
    let approval = Order::Approve { batch: 1, by: "ada".into() };
    assert_eq!(orders, [Order::Stop { terminate_drained: Some(false) }, approval]);
    let status = ok(&dir, &["status", &path]).stdout;
    assert!(status.contains("  asked     batch 2 may start, says ada; not taken up yet\n"), "{status}");
    asked.iter().for_each(|a| writer.dir().taken(a).expect("taken"));
    assert!(!ok(&dir, &["status", &path]).stdout.contains("not taken up"));

    drop(writer);
    let said = ok(&dir, &["stop", &path]).stdout;
    assert!(
        said.contains(&format!("no process carries it out now: nodeferry resume {path} will take it up")),
        "{said}"
    );
}

#[test]
fn what_is_no_journal_is_refused_in_words() {
    let dir = Dir::new();
    let (path, _) = written(&dir);
    let file = dir.path("shop/journal.jsonl");
    let whole = std::fs::read(&file).expect("the journal");
    for command in ["status", "history", "stop", "approve"] {
        let missing = refused(&dir, &[command, &dir.path("nowhere")]);
        assert!(missing.contains("there is no journal.jsonl; expected the directory"), "{missing}");
        let mut damaged = whole.clone();
        damaged[100] ^= 1;
        std::fs::write(&file, &damaged).expect("damaged");
        let text = refused(&dir, &[command, &path]);
        assert!(text.contains("journal, line 1 (byte 0): the checksum says"), "{text}");
        std::fs::write(&file, &whole).expect("mended");
    }
    std::fs::write(&file, &whole[..whole.len() - 1]).expect("torn");
    assert!(ok(&dir, &["status", &path]).stdout.contains("the line breaks off after"));
    let ran = ok(&dir, &["history", &path, "--all"]);
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(ran.stderr.contains("note: journal, line 3"), "{}", ran.stderr);
}

/// The sums as docs/journal.md describes them, made here once more.
#[test]
fn the_sums_are_those_of_the_document() {
    let dir = Dir::new();
    let (_, _writer) = written(&dir);
    let text = std::fs::read_to_string(dir.path("shop/journal.jsonl")).expect("the journal");
    let mut before = "0".repeat(16);
    for (n, line) in text.lines().enumerate() {
        let (body, sum) = line.rsplit_once(",\"sum\":").expect("a sum");
        let digest = Sha256::digest(format!("{before}{body}"));
        before = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum, format!("\"{before}\"}}"));
        assert_eq!(serde_json::from_str::<Value>(line).expect("JSON")["seq"], n);
    }
}
