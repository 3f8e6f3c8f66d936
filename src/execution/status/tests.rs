//! The same journal, seen at different lengths.

use super::*;
use crate::session::journal::testing::{story, written};
use crate::session::journal::{Journal, read};

fn journal(entries: &[Entry]) -> Journal {
    read(&written(entries)).expect("what was written is read")
}

fn status(entries: &[Entry], process: Option<&str>) -> Status {
    Status::from_journal(&journal(entries), process.map(String::from), Vec::new()).expect("it folds")
}

#[test]
fn whether_somebody_works_at_it() {
    let (entries, _) = story();
    let left = entries.iter().position(|e| matches!(e.record, Record::Interrupted { .. })).expect("it is left");
    assert_eq!(status(&entries[..left], Some("process 7")).state, State::Running);
    assert_eq!(status(&entries[..left], None).state, State::Killed);
    let interrupted = status(&entries[..=left], None);
    assert_eq!((interrupted.state, interrupted.interrupted.as_deref()), (State::Interrupted, Some("killed")));
    let resumed = status(&entries[..left + 2], None);
    assert_eq!((resumed.state, resumed.processes), (State::Killed, 2), "the second process said nothing");
    let ended = status(&entries, None);
    assert_eq!((ended.state, ended.outcome), (State::Ended, Some(Outcome::Completed)));
    assert!(ended.nodes.iter().all(|n| n.fate.is_replaced()), "{:?}", ended.nodes);
    assert_eq!(ended.batches.len(), 2);
    assert!(ended.batches.iter().all(|b| b.report.as_ref().is_some_and(|r| r.outcome == Some(Outcome::Completed))));
}

#[test]
fn calls_and_refusals() {
    let (entries, _) = story();
    let evicts = |r: &Record| matches!(r, Record::Intends { calls, .. } if calls.iter().any(|c| c.what == "evict"));
    let intends = entries.iter().position(|e| evicts(&e.record)).expect("pods are evicted");
    let open = status(&entries[..=intends], None).open_calls;
    assert_eq!(open.iter().map(|c| &c.call.object[..]).collect::<Vec<_>>(), ["default/web-0"]);
    let answered = status(&entries[..intends + 2], None);
    assert_eq!(answered.open_calls, []);
    let refusals: Vec<String> =
        answered.refusals.iter().map(|r| format!("{} {} {} {}", r.what, r.object, r.times, &r.answer[..3])).collect();
    assert_eq!(refusals, ["evict default/web-0 1 429"]);
    for (answer, refused) in
        [("429 TooManyRequests: x", true), ("500 : x", true), ("accepted", false), ("gone", false), ("lost", false)]
    {
        assert_eq!(is_refusal(answer), refused, "{answer}");
    }
}

#[test]
fn before_anything_was_done() {
    let (entries, _) = story();
    let s = status(&entries[..1], Some("process 7"));
    assert_eq!(s.doing, "nothing was done yet");
    assert!(s.nodes.iter().all(|n| n.fate == Fate::Waiting) && s.nodes.len() == 2);
    let text = s.text("here", None);
    assert!(text.starts_with("shop-1: running (process 7); nothing was done yet\n"), "{text}");
    assert!(text.contains("2 nodes not touched."), "{text}");
}

#[test]
fn a_node_that_is_cordoned_before_its_turn_is_shown() {
    let (entries, _) = story();
    let mut s = status(&entries[..1], None);
    s.nodes[1].cordoned = true;
    let text = s.text("here", None);
    assert!(text.contains("old-1      2  not begun  by us\n\n1 node not touched."), "{text}");
}

#[test]
fn as_people_read_it() {
    let (mut entries, _) = story();
    let stopped = entries.iter().position(|e| matches!(e.record, Record::StopAsked(_))).expect("a stop");
    entries.truncate(stopped + 1);
    let asked = vec![Order::Approve { batch: 1, by: "ada\u{1b}[2J".into() }];
    let s = Status::from_journal(&journal(&entries), None, asked).expect("it folds");
    let text = s.text("here", None);
    for wanted in [
        "shop-1: nobody carries it out (its process was killed); batch 1 of 2 is under way\n",
        "  stop      asked for; nodes that are drained are given back\n",
        "  asked     batch 2 may start, says ada\\u001b[2J; not taken up yet\n",
        "  go on     nodeferry resume here\n",
        "under way\n",
        "in progress",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    assert_eq!(serde_json::to_value(&s).expect("JSON")["state"], "killed");
}
