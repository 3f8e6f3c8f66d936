//! Plots are well-formed, the same every time, and survive runs of any shape.

use super::files;
use crate::plan::RunRow;
use crate::runner::Outcome;
use crate::trace::{Event, EventKind, Metrics, synthetic};

/// Runs of every shape that plots must survive: ordinary, many nodes, many batches, cut off, nearly empty.
fn runs() -> Vec<(&'static str, Vec<Event>)> {
    let small = synthetic::small();
    let cut = small[..small.len() / 2].to_vec();
    let empty = vec![Event::new(0, EventKind::MigrationStarted)];
    vec![
        ("small", small),
        ("large", synthetic::large()),
        ("one-by-one", synthetic::one_by_one()),
        ("cut", cut),
        ("cordoned-first", synthetic::cordoned_first()),
        ("one-batch", synthetic::one_batch()),
        ("empty", empty),
        ("long-names", long_names()),
        ("workloads", with_workloads()),
    ]
}

/// A run in which three workloads are less available for a time, one of them to the end.
fn with_workloads() -> Vec<Event> {
    let of = |t_ms, name: &str, ready, wanted| Event {
        owner: Some(format!("Deployment/shop/{name}")),
        ready: Some(ready),
        wanted: Some(wanted),
        initial: t_ms == 0,
        ..Event::new(t_ms, EventKind::WorkloadChanged)
    };
    let mut events = synthetic::small();
    for name in ["cart", "a-name-with-<&>-in-it", "pay"] {
        events.insert(0, of(0, name, 3, 3));
    }
    let end = events.iter().map(|e| e.t_ms).max().unwrap_or(0);
    events.extend([of(end / 4, "cart", 0, 3), of(end / 2, "cart", 3, 3), of(end / 3, "pay", 1, 4)]);
    events.sort_by_key(|e| e.t_ms);
    events
}

/// A run whose names and words are as long as they get.
fn long_names() -> Vec<Event> {
    let mut events = synthetic::small();
    for e in &mut events {
        if let Some(node) = &mut e.node {
            *node = format!("ip-10-0-112-{node}.eu-central-1.compute.internal");
        }
        if let Some(budget) = &mut e.budget {
            *budget = format!(
                "a-very-long-namespace-of-some-team-{budget}-with-a-name-that-somebody-generated-and-nobody-read-aloud-ever-since-it-was-written"
            );
        }
        if e.outcome.is_some() {
            e.outcome = Some("PARTLY_COMPLETED".into());
            e.reason = Some(
                "BatchHealthyPercentageBelowThresholdAfterReplacementNodesWereLaunchedAndTheDrainingTimeoutHadPassed"
                    .into(),
            );
            e.t_ms *= 30;
        }
    }
    events.sort_by_key(|e| e.t_ms);
    events
}

fn durations() -> Vec<u64> {
    (0..200u64).map(|i| 540_000 + (i * i * 7_919) % 240_000 + (i * 104_729) % 120_000).collect()
}

/// Runs that took so long.
fn rows() -> Vec<RunRow> {
    let row = |(run, duration_ms): (u32, u64)| RunRow {
        run,
        seed: u64::from(run),
        outcome: Outcome::Completed,
        reason: None,
        duration_ms: duration_ms as i64,
        peak_nodes: 3,
        surge_nodes: 1,
        cost_micros: None,
        harm: 0,
        harmed: false,
        node_ms: 0,
        pods_moved: 0,
        pods_moved_twice: 0,
        refused: 0,
    };
    (0..).zip(durations()).map(row).collect()
}

/// Every tag closed in order, every attribute quoted: what an XML reader asks for.
fn assert_well_formed(name: &str, svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("{name}: tag without end: {piece}"));
        assert!(!text.contains('&') || text.contains(';'), "{name}: bare &: {text}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: open quote: {tag}");
        if let Some(closing) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closing), "{name}");
        } else if !tag.ends_with('/') {
            open.push(tag.split([' ', '\n']).next().unwrap_or(tag));
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} not closed");
    assert!(svg.starts_with("<svg ") && !svg.contains("NaN"), "{name}");
}

#[test]
fn well_formed_and_the_same_every_time() {
    for (run, events) in runs() {
        let metrics = Metrics::from_events(&events);
        let drawn = files(&metrics, &durations());
        assert_eq!(drawn.len(), 7);
        for (name, svg) in &drawn {
            assert_well_formed(&format!("{run}/{name}"), svg);
        }
        assert_eq!(drawn, files(&Metrics::from_events(&events), &durations()), "{run}");
    }
}

#[test]
fn a_large_run_does_not_make_large_pictures() {
    for (name, svg) in files(&Metrics::from_events(synthetic::large()), &durations()) {
        assert!(svg.len() < 200_000, "{name} has {} bytes", svg.len());
    }
}

#[test]
fn names_are_escaped() {
    let mut events = synthetic::small();
    for e in events.iter_mut().filter(|e| e.node.as_deref() == Some("old-1")) {
        e.node = Some("<old> & \"1\"".into());
    }
    let drawn = files(&Metrics::from_events(&events), &[]);
    assert!(drawn[0].1.contains("&lt;old&gt; &amp; &quot;1&quot;"));
}

#[test]
fn no_replications_no_histogram() {
    let drawn = files(&Metrics::from_events(synthetic::small()), &[]);
    assert_eq!(drawn.len(), 6);
}

/// Writes the pictures of all runs where `REPORT_PICTURES` names a directory, to be looked at.
#[test]
fn pictures_to_look_at() {
    let Some(dir) = std::env::var_os("REPORT_PICTURES") else {
        return;
    };
    for (run, events) in runs() {
        let dir = std::path::Path::new(&dir).join(run);
        crate::report::write_report(&events, &[], &rows(), &dir).expect("the directory can be written to");
    }
}

#[test]
fn the_workloads_that_fare_worst_are_drawn_and_those_that_fare_well_are_not() {
    let svg = |events: Vec<Event>| {
        let drawn = files(&Metrics::from_events(&events), &[]);
        drawn.into_iter().find(|(name, _)| *name == "availability.svg").map(|(_, svg)| svg).unwrap_or_default()
    };
    let with = svg(with_workloads());
    assert!(with.contains("Deployment/shop/cart") && with.contains("Deployment/shop/pay"), "{with}");
    assert!(with.contains("broken at the end") && !with.contains("in-it"), "{with}");
    assert!(svg(synthetic::small()).contains("No workload had fewer ready pods"));
}
