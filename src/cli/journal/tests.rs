//! What is asked of whom, and what is refused.

use super::*;
use crate::intent::Options;
use crate::intent::gates::{ApprovalGate, ApproveWhen, Gates};
use crate::session::journal::testing::story_with;
use crate::session::journal::{Entry, Record};

/// Two batches, the second of which needs an approval.
fn story() -> Vec<Entry> {
    let approval = Some(ApprovalGate { when: ApproveWhen::AfterFirst, limit_ms: None });
    let (mut entries, _) = story_with(Options { gates: Gates { check: None, approval }, ..Options::default() });
    // Nobody has approved or stopped it.
    entries.retain(|e| !matches!(e.record, Record::Approved { .. } | Record::StopAsked(_)));
    (0..).zip(&mut entries).for_each(|(seq, e)| e.seq = seq);
    entries
}

fn until(entries: &[Entry], is_last: impl Fn(&Record) -> bool) -> &[Entry] {
    let last = entries.iter().position(|e| is_last(&e.record)).expect("there is such an entry");
    &entries[..=last]
}

fn waits(record: &Record) -> bool {
    matches!(record, Record::Intends { calls, .. } if calls.iter().any(|c| c.what == "await-approval"))
}

fn written(entries: &[Entry]) -> (tempfile::TempDir, JournalDir) {
    let tmp = tempfile::tempdir().expect("a temporary directory");
    let dir = JournalDir::at(tmp.path());
    let mut writer = dir.create().expect("made");
    entries.iter().for_each(|e| writer.append(e).expect("written"));
    (tmp, dir)
}

fn args(dir: &JournalDir) -> JournalArgs {
    JournalArgs { dir: dir.path().to_owned(), output: Output::Table }
}

fn approval(dir: &JournalDir, batch: Option<u32>) -> Result<Told> {
    give_approval(&ApproveArgs { journal: args(dir), batch, by: Some("ada".into()) })
}

fn a_stop(dir: &JournalDir, now: bool) -> Told {
    let args = StopArgs { journal: args(dir), terminate_drained: (!now).then_some(true), now };
    ask_to_stop(&args).expect("it can be asked for")
}

#[test]
fn the_batch_that_waits_is_approved() {
    let entries = story();
    let (_tmp, dir) = written(until(&entries, waits));
    let told = approval(&dir, None).expect("one waits");
    assert!(told.text.starts_with("approved batch 2 of shop-1; no process carries it out now: nodeferry resume "));
    let by_ada = Order::Approve { batch: 1, by: "ada".into() };
    assert_eq!(dir.pending().expect("looked at"), [by_ada]);
    let text = told.status.text("here", None);
    assert!(text.contains("  waits     batch 2 waits for its approval: nodeferry approve here\n"), "{text}");
}

#[test]
fn who_carries_it_out_is_said() {
    let entries = story();
    let (_tmp, dir) = written(until(&entries, waits));
    let _writer = dir.reopen().expect("this process carries it out");
    let me = format!("process {}", std::process::id());
    let text = approval(&dir, None).expect("one waits").text;
    assert_eq!(text, format!("approved batch 2 of shop-1; {me} takes it up within a second or two"));
    assert_eq!(a_stop(&dir, true).text, format!("asked {me} to end now"));
    assert!(matches!(dir.pending().expect("looked at")[..], [Order::Approve { .. }, Order::Interrupt { .. }]));
}

#[test]
fn a_batch_that_does_not_wait_is_approved_by_name_only() {
    let entries = story();
    let (_tmp, dir) = written(&entries[..6]);
    let refusal = |batch| approval(&dir, batch).expect_err("it is refused").to_string();
    let nothing = refusal(None);
    assert!(
        nothing.starts_with("no batch of shop-1 waits for approval (batch 1 of 2 is under way); name one"),
        "{nothing}"
    );
    assert_eq!(refusal(Some(3)), "there is no batch 3: the plan has 2");
    assert_eq!(refusal(Some(1)), "batch 1 has begun already; there is nothing to approve");
    assert!(approval(&dir, Some(2)).expect("beforehand").asked.is_some());

    let (mut entries, _) = story_with(Options::default());
    entries.truncate(4);
    let (_tmp, dir) = written(&entries);
    let refused = approval(&dir, Some(2)).expect_err("the plan does not ask for it").to_string();
    assert!(refused.ends_with("batches that need it: none"), "{refused}");
}

#[test]
fn a_stop_waits_for_a_process_and_an_end_now_does_not() {
    let entries = story();
    let (_tmp, dir) = written(&entries[..6]);
    let told = a_stop(&dir, true);
    assert!(told.asked.is_none() && told.text.starts_with("no process carries shop-1 out; there is nothing to end"));
    assert_eq!(dir.pending().expect("looked at"), []);
    let told = a_stop(&dir, false);
    assert!(told.text.contains("asked for an orderly stop of shop-1; no process carries it out now: nodeferry resume"));
    assert_eq!(dir.pending().expect("looked at"), [Order::Stop { terminate_drained: Some(true) }]);
}

#[test]
fn what_has_ended_is_neither_stopped_nor_approved() {
    let (_tmp, dir) = written(&story());
    let told = a_stop(&dir, false);
    assert_eq!(told.text, "shop-1 has ended already (COMPLETED); there is nothing to stop");
    assert_eq!(dir.pending().expect("looked at"), []);
    let refused = approval(&dir, Some(2)).expect_err("nothing is to come").to_string();
    assert_eq!(refused, "shop-1 has ended already (COMPLETED); no batch is to come");
}

#[test]
fn the_journal_itself_names_its_directory() {
    let (_tmp, dir) = written(&story());
    let file = JournalArgs { dir: dir.path().join("journal.jsonl"), output: Output::Table };
    assert_eq!(file.dir(), dir);
    // A file of the directory in which one stands.
    let here = JournalArgs { dir: PathBuf::from("Cargo.toml"), output: Output::Table };
    assert_eq!(here.dir(), JournalDir::at("."));
}

#[test]
fn a_batch_that_the_plan_has_not_is_refused() {
    let (_tmp, dir) = written(&story());
    let refused = show_history(&history_args(Some(dir.path().to_owned()), Some(9))).expect_err("refused");
    assert_eq!(refused.to_string(), "--batch 9: the plan of shop-1 has 2 batches");
}

fn history_args(journal: Option<PathBuf>, batch: Option<u32>) -> HistoryArgs {
    HistoryArgs { journal, output: Output::Table, batch, all: false, dir: None, cluster: None }
}

#[test]
fn a_list_of_a_directory_that_is_not_there_is_refused() {
    let args = HistoryArgs { dir: Some(PathBuf::from("/nowhere/at/all")), ..history_args(None, None) };
    let refused = list_executions(&args).expect_err("refused");
    assert_eq!(refused.to_string(), "cannot read the directory /nowhere/at/all; check the path (--dir)");
}
