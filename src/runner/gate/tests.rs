//! Waits between batches, told by hand.

use crate::intent::Options;
use crate::intent::gates::{ApprovalGate, ApproveWhen, CheckGate, Gates};
use crate::intent::options::Window;
use crate::runner::testing::{World, refused};
use crate::runner::{Answer, Ms, NoLaunches, Outcome};
use std::sync::Arc;

const SECOND: Ms = 1000;

fn check() -> CheckGate {
    CheckGate {
        command: vec!["healthy".into()],
        every_ms: 30 * SECOND,
        timeout_ms: 60 * SECOND,
        limit_ms: 100 * SECOND,
    }
}

fn no() -> Answer {
    refused(1, "exit status 1: errors above 1 %")
}

/// Three batches of one node each under `options`, with so answered gates; outcome and the words of the failure.
fn run(options: Options, gates: &[(Ms, Answer)], stop_at: Option<Ms>) -> (World, Outcome, String) {
    let mut w = World::new(3, 3, &[("web", &[0, 1, 2])]);
    w.gates = gates.iter().cloned().collect();
    w.stop_at = stop_at;
    w.resume_always = true;
    let intent = w.intent(&[&[0], &[1], &[2]], options);
    w.run(&intent, Arc::new(NoLaunches));
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (w, outcome, failure.map_or(String::new(), |f| format!("{}: {}", f.reason, f.cause)))
}

fn with(gates: Gates) -> Options {
    Options { gates, ..Options::default() }
}

fn times(w: &World, what: &str) -> Vec<Ms> {
    let at = |l: &String| l.split(' ').next().and_then(|t| t.parse().ok());
    w.log.iter().filter(|l| l.contains(what)).filter_map(at).collect()
}

#[test]
fn a_check_stands_before_each_batch_but_the_first_and_is_repeated_until_it_succeeds() {
    let answers = [(SECOND, no()), (SECOND, Answer::Unknown), (SECOND, Answer::Accepted)];
    let (w, outcome, _) = run(with(Gates { check: Some(check()), approval: None }), &answers, None);
    assert_eq!(outcome, Outcome::Completed);
    let asked = times(&w, "Check { batch: 1 }");
    assert_eq!(asked.len(), 3, "{}", w.log.join("\n"));
    assert_eq!([asked[1] - asked[0], asked[2] - asked[1]], [31 * SECOND; 2], "a second's run, then half a minute");
    assert_eq!(times(&w, "Check { batch: 0 }"), [] as [Ms; 0]);
    assert_eq!(times(&w, "Check { batch: 2 }").len(), 1);
    assert_eq!(times(&w, "Opened { batch: 1, wait: Check }"), times(&w, "BatchStarted { batch: 1"));
}

#[test]
fn a_check_that_does_not_succeed_in_time_fails_the_migration_in_its_own_words() {
    let answers: Vec<(Ms, Answer)> = (0..20).map(|_| (SECOND, no())).collect();
    let (w, outcome, why) = run(with(Gates { check: Some(check()), approval: None }), &answers, None);
    assert_eq!(outcome, Outcome::Failed);
    let expected = "check-failed: batch 2 of 3: the check did not succeed within its limit; last answer: exit status 1: errors above 1 %";
    assert_eq!(why, expected);
    let began = times(&w, "Waiting { batch: 1, wait: Check")[0];
    assert_eq!(w.finished.as_ref().map(|f| f.0), Some(began + 100 * SECOND));
    assert_eq!(times(&w, "BatchStarted").len(), 1);
}

#[test]
fn a_check_that_hangs_does_not_hold_the_migration_beyond_its_limit() {
    let (_, outcome, why) =
        run(with(Gates { check: Some(check()), approval: None }), &[(9_000 * SECOND, Answer::Accepted)], None);
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(why, "check-failed: batch 2 of 3: the check did not succeed within its limit");
}

#[test]
fn an_approval_is_asked_for_once_the_check_has_succeeded() {
    let approval = ApprovalGate { when: ApproveWhen::AfterFirst, limit_ms: None };
    let answers = [(SECOND, Answer::Accepted), (500 * SECOND, Answer::Unknown), (500 * SECOND, Answer::Accepted)];
    let (w, outcome, _) = run(with(Gates { check: Some(check()), approval: Some(approval) }), &answers, None);
    assert_eq!(outcome, Outcome::Completed);
    let (checked, asked) = (times(&w, "Opened { batch: 1, wait: Check }"), times(&w, "AwaitApproval { batch: 1 }"));
    assert_eq!(asked, [checked[0], checked[0] + 501 * SECOND], "a lost answer is asked for again");
    assert_eq!(times(&w, "AwaitApproval { batch: 2 }"), [] as [Ms; 0]);
}

#[test]
fn without_an_approval_in_time_what_is_done_stays_done() {
    let approval = ApprovalGate { when: ApproveWhen::EveryBatch, limit_ms: Some(60 * SECOND) };
    let answers = [(SECOND, Answer::Accepted), (900 * SECOND, Answer::Accepted)];
    let (w, outcome, why) = run(with(Gates { check: None, approval: Some(approval) }), &answers, None);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert_eq!(why, "not-approved: batch 3 of 3: nobody approved it within its limit");
    assert_eq!(times(&w, "BatchFinished").len(), 2);
}

#[test]
fn a_stop_ends_the_wait_at_once() {
    let approval = ApprovalGate { when: ApproveWhen::EveryBatch, limit_ms: None };
    let (w, outcome, _) =
        run(with(Gates { check: None, approval: Some(approval) }), &[(9_000 * SECOND, Answer::Accepted)], Some(77_000));
    // Two calls look at the node that was drained before.
    assert_eq!((outcome, w.finished.as_ref().map(|f| f.0)), (Outcome::Stopped, Some(77_002)));
}

#[test]
fn a_window_that_closed_meanwhile_is_waited_for_again() {
    let approval = ApprovalGate { when: ApproveWhen::AfterFirst, limit_ms: None };
    let windows = vec![Window { from_ms: 0, to_ms: 60 * SECOND, every_ms: Some(1_000 * SECOND) }];
    let options = Options { windows, ..with(Gates { check: None, approval: Some(approval) }) };
    let (w, outcome, _) = run(options, &[(400 * SECOND, Answer::Accepted)], None);
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(times(&w, "BatchStarted { batch: 1"), [1_000 * SECOND]);
    assert_eq!(times(&w, "Waiting { batch: 1, wait: Window").len(), 1, "{}", w.log.join("\n"));
}

#[test]
fn soak_and_window_are_told_of_only_where_they_take_time() {
    let (w, ..) = run(Options { soak_ms: 5 * SECOND, ..Options::default() }, &[], None);
    assert_eq!(times(&w, "Waiting").len(), 2);
    assert_eq!(times(&w, "Opened { batch: 1, wait: Soak }"), times(&w, "BatchStarted { batch: 1"));
    let (w, ..) = run(Options::default(), &[], None);
    assert_eq!(times(&w, "Waiting").len(), 0);
}

#[test]
fn the_horizon_says_what_was_waited_for() {
    let approval = ApprovalGate { when: ApproveWhen::AfterFirst, limit_ms: None };
    let options = Options { horizon_ms: 500 * SECOND, ..with(Gates { check: None, approval: Some(approval) }) };
    let (_, outcome, why) = run(options, &[(9_000 * SECOND, Answer::Accepted)], None);
    assert_eq!((outcome, why.as_str()), (Outcome::Failed, "horizon: batch 2 of 3 waited for its approval"));
}
