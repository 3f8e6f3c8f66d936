//! Answers that are none, and what an execution makes of them: nothing.

use nodeferry::rehearsal::judge::Broken;
use nodeferry::rehearsal::lies::Lie;
use nodeferry::rehearsal::luck::{Fate, Profile};
use nodeferry::rehearsal::stage::{Rehearsal, Rehearsed, Stage};
use nodeferry::rehearsal::stage_of_scenario;
use nodeferry::request::scenario::Scenario;
use nodeferry::session::journal::{self, Record};
use nodeferry::session::{Method, Request};
use std::cell::Cell;
use std::path::Path;
use std::sync::OnceLock;

/// Two old nodes with four and two pods, which move to a new one; the old ones' Node objects are deleted.
fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let node = |name: &str, pool: &str| {
            format!(
                "  - {{apiVersion: v1, kind: Node, metadata: {{name: {name}, creationTimestamp: '2026-11-01T00:00:00Z', labels: {{pool: {pool}}}}}, \
                 status: {{allocatable: {{cpu: '8', memory: 16Gi, pods: '20'}}, conditions: [{{type: Ready, status: 'True'}}]}}}}\n"
            )
        };
        let pod = |n: usize, on: &str| {
            format!(
                "  - {{apiVersion: v1, kind: Pod, metadata: {{name: web-{n}, creationTimestamp: '2026-11-01T00:00:0{n}Z', labels: {{app: web}}, \
                 ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: rs, controller: true}}]}}, \
                 spec: {{nodeName: {on}, containers: [{{name: c, resources: {{requests: {{cpu: 100m}}}}}}]}}, \
                 status: {{phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}}}\n"
            )
        };
        let text = format!(
            "scenario: answers\ncluster:\n  objects:\n{}{}{}\
             \x20 - {{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{name: web, uid: rs}}, spec: {{replicas: 6, selector: {{matchLabels: {{app: web}}}}}}}}\n\
             {}nodes: {{selector: pool=old}}\n\
             options:\n  horizon_ms: 7200000\n  batch_size: 1\n  cordon: all-first\n  terminate_nodes: true\n  execution: {{retire: {{'*': {{by: node}}}}}}\n\
             sim: {{delays: {{retire: {{constant: {{ms: 0}}}}}}}}\n",
            node("old-1", "old"),
            node("old-2", "old"),
            node("new-1", "new"),
            (1..=6).map(|n| pod(n, if n <= 4 { "old-1" } else { "old-2" })).collect::<String>(),
        );
        let scenario = Scenario::parse(&text, Path::new("answers.yaml")).expect("a scenario");
        stage_of_scenario(&scenario).expect("a stage")
    })
}

/// Runs the execution with somebody between it and the API server.
pub(crate) fn through(between: impl FnMut(i64, &Request) -> Option<Fate>) -> Rehearsed {
    Rehearsal::new(stage(), 1, Profile::None, true).through(Box::new(between)).run()
}

pub(crate) fn outcome(done: &Rehearsed) -> &'static str {
    done.end.as_ref().map_or("NOT ENDED", |e| e.0.text())
}

pub(crate) fn notes(done: &Rehearsed) -> Vec<String> {
    let journal = journal::read(&done.journal).expect("a journal");
    let notes = journal.entries.into_iter().filter_map(|e| match e.record {
        Record::Note { text } => Some(text),
        _ => None,
    });
    notes.collect()
}

fn is_get(request: &Request) -> bool {
    matches!(request, Request::Api(e) if e.method == Method::Get)
}
fn is_node_list(request: &Request) -> bool {
    matches!(request, Request::Api(e) if is_get(request) && e.path.contains("fieldSelector="))
}
fn lied(lie: Lie) -> Option<Fate> {
    Some(Fate::Lied { lie, served: false })
}

#[test]
fn a_login_page_for_the_lists_of_nodes_pods_empties_nothing() {
    const MINUTES: i64 = 20 * 60_000;
    let asked = Cell::new(0);
    let done = through(|now, request| {
        let lies = now < MINUTES && is_node_list(request);
        asked.set(asked.get() + u64::from(lies));
        if lies { lied(Lie::Page) } else { None }
    });
    assert_eq!(done.broken, []);
    assert_eq!((outcome(&done), done.evictions), ("COMPLETED", 6));
    assert!(done.duration_ms > MINUTES, "it ended while nobody could know that it was over");
    // Every ten seconds in the end, not every second.
    assert!((60..200).contains(&asked.get()), "asked {} times in 20 minutes", asked.get());
    let notes = notes(&done);
    let told =
        notes.iter().filter(|n| n.contains("list pods of node old-1: the answer is no PodList: 200 text/html")).count();
    assert_eq!(told, 1, "{notes:#?}");
    assert!(notes.iter().any(|n| n.contains("the answers are the API server's again")), "{notes:#?}");
}

#[test]
fn a_proxy_whose_login_expires_in_the_middle_empties_nothing() {
    for (lie, served) in [
        (Lie::Page, false),
        (Lie::Page, true),
        (Lie::Redirect, false),
        (Lie::Denied(401), false),
        (Lie::Denied(403), false),
        (Lie::PageNotFound, false),
        (Lie::NoSuchPath, false),
        (Lie::Stranger, true),
        (Lie::OtherKind, true),
        (Lie::Hollow, true),
        (Lie::Mistyped, true),
        (Lie::Cut(999), true),
        (Lie::Emptied, true),
        (Lie::Endless, true),
        (Lie::Maintenance(503), false),
    ] {
        // From the second eviction on, for five minutes; a drain has ten.
        let (evictions, since) = (Cell::new(0), Cell::new(i64::MAX));
        let done = through(|now, request| {
            if matches!(request, Request::Api(e) if e.path.ends_with("/eviction")) {
                evictions.set(evictions.get() + 1);
            }
            if evictions.get() >= 2 {
                since.set(since.get().min(now));
            }
            let lies = now >= since.get() && now < since.get().saturating_add(300_000);
            lies.then_some(Fate::Lied { lie, served })
        });
        assert_eq!(done.broken, [], "{lie:?}");
        assert_eq!(outcome(&done), "COMPLETED", "{lie:?}: {:#?}\n{:#?}", done.end, notes(&done));
        assert!(done.duration_ms > 300_000, "{lie:?}: it was over after {} ms", done.duration_ms);
    }
}

#[test]
fn lists_that_show_none_of_the_pods_are_not_believed_while_a_pod_can_be_asked_for() {
    // From the moment on when all has been listed, and to the end: nothing is ever given back.
    let lists = Cell::new(0);
    let done = through(|now, request| {
        lists.set(lists.get() + u64::from(is_node_list(request)));
        let lists = matches!(request, Request::Api(e) if is_get(request) && e.path.contains("limit="));
        (now > 1_000 && now < 3_600_000 && lists).then_some(Fate::Lied { lie: Lie::Emptied, served: true })
    });
    assert_eq!(done.broken, []);
    assert_eq!((outcome(&done), done.evictions), ("COMPLETED", 6));
    assert!(done.duration_ms > 3_600_000);
    let notes = notes(&done);
    assert!(notes.iter().any(|n| n.contains("the list lacks pod default/web-")), "{notes:#?}");
}

/// How many requests an undisturbed execution makes.
fn requests() -> u64 {
    static REQUESTS: OnceLock<u64> = OnceLock::new();
    *REQUESTS.get_or_init(|| {
        let done = through(|_, _| None);
        assert_eq!((done.broken.as_slice(), outcome(&done)), (&[][..], "COMPLETED"));
        done.requests
    })
}

/// Whatever happens to the bytes of an answer: no node counts as drained with a pod on it, and no machine is given back. Seeds that
/// were tried, spread over all requests of an execution: that a changed byte makes another true-looking answer nobody can rule out.
#[test]
fn no_change_of_an_answers_bytes_makes_a_node_count_as_drained() {
    let mut number = 1_u64;
    let spread = (0..200).map(|i| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (requests() * i / 200, number)
    });
    // The last one gave a pod of the first list another name.
    for (nth, number) in spread.chain([(11, 12_315_634_346_502_761_249)]) {
        let seen = Cell::new(0);
        let done = through(|_, request| {
            seen.set(seen.get() + 1);
            let it = seen.get() - 1 == nth && !matches!(request, Request::Watch { .. });
            it.then_some(Fate::Lied { lie: Lie::Garbled(number), served: true })
        });
        let is_lost = |b: &&Broken| ["nothing-lost", "drained-is-empty"].contains(&b.rule);
        let against: Vec<_> = done.broken.iter().filter(is_lost).collect();
        assert!(against.is_empty(), "request {nth}, change {number}: {against:?}");
    }
}

/// The same of many answers, one in three for ten minutes. That two of them are wrong in the same way nobody can rule out, so these
/// are seeds that were tried, and no property.
#[test]
fn nor_do_changes_of_many_answers() {
    // The last of them gave two pods one uid.
    for first in (1..60_u64).chain([11_550_570_312_152_030_508]) {
        let draws = Cell::new(first);
        let done = through(|now, request| {
            draws.set(draws.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            let it = now < 600_000 && (draws.get() >> 33) % 3 == 0 && !matches!(request, Request::Watch { .. });
            it.then_some(Fate::Lied { lie: Lie::Garbled(draws.get()), served: true })
        });
        let against: Vec<_> = done.broken.iter().filter(|b| b.rule == "nothing-lost").collect();
        assert!(against.is_empty(), "seed {first}: {against:?}");
    }
}
