//! Rights that go in the middle of an execution, webhooks that fail, watches that end at once: what is sent meanwhile, and how it ends.

use crate::answers::{notes, outcome, through};
use nodeferry::rehearsal::luck::Fate;
use nodeferry::session::journal::{self, Record};
use nodeferry::session::{Method, Request, Response};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

fn status(code: u16, reason: &str, message: &str) -> Option<Fate> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": message});
    Some(Fate::Refused(Response::Http { status: code, retry_after_ms: None, body }))
}

fn forbidden() -> Option<Fate> {
    let message = "pods \"x\" is forbidden: User \"ferry\" cannot create resource \"pods/eviction\" in API group \"\" in the namespace \"default\"";
    status(403, "Forbidden", message)
}

fn path(request: &Request) -> &str {
    match request {
        Request::Api(e) => &e.path,
        _ => "",
    }
}
fn evicts(request: &Request) -> bool {
    path(request).ends_with("/eviction")
}
fn is_of_lease(request: &Request) -> bool {
    path(request).contains("/leases")
}
fn writes(request: &Request) -> bool {
    matches!(request, Request::Api(e) if e.method != Method::Get) && !is_of_lease(request)
}

/// Pauses of a journal: why, and that it goes on.
fn pauses(bytes: &[u8]) -> Vec<Option<String>> {
    let entries = journal::read(bytes).expect("a journal").entries;
    let pauses = entries.into_iter().filter_map(|e| match e.record {
        Record::Paused { why } => Some(why),
        _ => None,
    });
    pauses.collect()
}

const MINUTE: i64 = 60_000;

#[test]
fn rights_that_go_and_come_back_cost_time_and_no_batch() {
    type Lost = fn(&Request) -> bool;
    let kinds: [(&str, Lost); 6] = [
        ("evict pod", evicts),
        ("node", |r| writes(r) && path(r).contains("/nodes/")),
        ("lease", is_of_lease),
        ("list pods of node", |r| path(r).contains("fieldSelector")),
        ("", |r| !matches!(r, Request::Run(_))),
        ("watch", |r| matches!(r, Request::Watch { .. })),
    ];
    for (what, lost) in kinds {
        // From the second eviction on, for four minutes; it is waited for five.
        let (evictions, since, sent) = (Cell::new(0), Cell::new(i64::MAX), Cell::new(0));
        let done = through(|now, request| {
            evictions.set(evictions.get() + u64::from(evicts(request)));
            if evictions.get() >= 2 {
                since.set(since.get().min(now));
            }
            let lost_now = (since.get()..since.get().saturating_add(4 * MINUTE)).contains(&now);
            sent.set(sent.get() + u64::from(lost_now && writes(request)));
            if lost_now && lost(request) { forbidden() } else { None }
        });
        assert_eq!(done.broken, [], "{what}");
        assert_eq!((outcome(&done), done.processes), ("COMPLETED", 1), "{what}: {:#?}", notes(&done));
        // Watches that are open stay so; it is a while until one is asked for.
        if what == "watch" && pauses(&done.journal).is_empty() {
            continue;
        }
        assert!(done.duration_ms > 4 * MINUTE, "{what}: over after {} ms", done.duration_ms);
        assert!(sent.get() < 30, "{what}: {} requests that write in four minutes", sent.get());
        let pauses = pauses(&done.journal);
        let [Some(why), None] = &pauses[..] else { panic!("{what}: {pauses:#?}") };
        let said = "Nothing more is sent until it does";
        assert!(why.contains(what) && why.contains("403") && why.contains(said) && why.contains("5m"), "{why}");
        assert!(notes(&done).iter().any(|n| n.contains("lets us again, after ")), "{:#?}", notes(&done));
    }
}

/// What is refused right after trouble with the network, or whose next answer is lost, is no more allowed than before.
#[test]
fn answers_that_are_lost_say_nothing_of_rights() {
    let (evictions, since, sent) = (Cell::new(0), Cell::new(i64::MAX), Cell::new(0));
    let done = through(|now, request| {
        if !evicts(request) {
            return None;
        }
        evictions.set(evictions.get() + 1);
        if evictions.get() >= 2 {
            since.set(since.get().min(now));
        }
        if !(since.get()..since.get().saturating_add(4 * MINUTE)).contains(&now) {
            return None;
        }
        sent.set(sent.get() + 1);
        if sent.get() % 2 == 1 { Some(Fate::LostBefore) } else { forbidden() }
    });
    assert_eq!(done.broken, []);
    assert_eq!((outcome(&done), done.processes), ("COMPLETED", 1), "{:#?}", notes(&done));
    // Tried after 2, 4, 8 and 16 s and then every 20 s: 15 times, and each time once more, for the first answer is lost.
    assert!(sent.get() <= 32, "{} evictions in four minutes", sent.get());
    let pauses = pauses(&done.journal);
    assert!(matches!(&pauses[..], [Some(_), None]), "{pauses:#?}");
}

#[test]
fn rights_that_stay_away_end_the_process_and_not_the_execution() {
    for (code, lost) in
        [(403, evicts as fn(&Request) -> bool), (403, is_of_lease), (401, |r| !matches!(r, Request::Run(_)))]
    {
        let (evictions, since) = (Cell::new(0), Cell::new(i64::MAX));
        let done = through(|now, request| {
            evictions.set(evictions.get() + u64::from(evicts(request)));
            if evictions.get() >= 2 {
                since.set(since.get().min(now));
            }
            let lost_now = (since.get()..since.get().saturating_add(12 * MINUTE)).contains(&now);
            match (lost_now && lost(request), code) {
                (false, _) => None,
                (true, 401) => status(401, "Unauthorized", "Unauthorized"),
                _ => forbidden(),
            }
        });
        assert_eq!(done.broken, []);
        assert!(done.end.is_some() && done.processes > 1, "{code}: {} processes, {:?}", done.processes, done.end);
        let entries = journal::read(&done.journal).expect("a journal").entries;
        let left: Vec<(i64, String)> = entries
            .into_iter()
            .filter_map(|e| match e.record {
                Record::Interrupted { why } => Some((e.t_ms - since.get(), why)),
                _ => None,
            })
            .collect();
        let (after, why) = left.first().expect("it left");
        assert!((5 * MINUTE..6 * MINUTE).contains(after), "{left:?}");
        assert!(why.contains(&code.to_string()) && why.contains("give the rights back"), "{why}");
    }
}

#[test]
fn what_admission_denies_is_no_lack_of_rights() {
    let denied = "admission webhook \"guard.example.com\" denied the request: User \"x\" cannot go today";
    let done = through(|_, request| if evicts(request) { status(403, "Forbidden", denied) } else { None });
    assert_eq!(done.broken, []);
    assert_eq!(pauses(&done.journal), []);
    let (outcome, failure) = done.end.expect("it ends");
    let failure = failure.expect("a failure");
    assert_eq!((outcome.text(), failure.reason.as_str()), ("FAILED", "evictions-denied"));
    assert!(failure.cause.contains("admission webhook guard.example.com denies it"), "{failure:?}");
}

#[test]
fn a_webhook_that_fails_is_named_and_is_no_trouble_of_the_server() {
    let fails =
        "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: no endpoints";
    let asked = Cell::new(0);
    let done = through(|_, request| {
        asked.set(asked.get() + u64::from(evicts(request)));
        if evicts(request) { status(500, "InternalError", fails) } else { None }
    });
    assert_eq!(done.broken, []);
    let failure = done.end.clone().and_then(|e| e.1).expect("a failure");
    assert!(failure.cause.contains("admission webhook guard.example.com fails"), "{failure:?}");
    assert_eq!(asked.get(), 4, "each pod of the first node once, as kubectl does it");
    assert!(!notes(&done).iter().any(|n| n.contains("in trouble")), "{:?}", notes(&done));
}

#[test]
fn watches_that_end_at_once_are_asked_for_ever_more_rarely() {
    for how in 0..3 {
        let asked: RefCell<BTreeMap<&str, u32>> = RefCell::default();
        let done = through(|now, request| {
            let Request::Watch { resource, .. } = request else { return None };
            if now > 20 * MINUTE {
                return None;
            }
            *asked.borrow_mut().entry(resource.plural).or_default() += 1;
            match how {
                0 => status(410, "Expired", "too old resource version"),
                1 => status(500, "InternalError", "no leader"),
                _ => status(429, "TooManyRequests", "too many requests"),
            }
        });
        assert_eq!(done.broken, []);
        // Its pods are polled; what it waits for otherwise it hears of late.
        assert_eq!(outcome(&done), "COMPLETED");
        let minutes = u32::try_from(done.duration_ms.min(20 * MINUTE) / MINUTE).expect("minutes");
        let asked = asked.into_inner();
        assert!(asked.values().all(|n| *n <= 8 + 2 * minutes), "{how}: in {minutes} minutes {asked:?}");
        if minutes > 1 {
            let said = notes(&done).iter().filter(|n| n.contains("end again and again")).count();
            assert!(said >= 1 && said <= asked.len(), "{:?}", notes(&done));
        }
    }
}
