//! Two runs side by side: the figures, where the time went, and event by event.

use super::{Diff, Section};
use crate::execution::run_file::Run;
use crate::report::format::duration;
use crate::trace::metrics::{BatchRow, NodeRow, PodRow};
use crate::trace::{Metrics, compare};

/// What differs between two runs. Times may differ by `tolerance_ms` without being named.
pub fn diff(a: &Run, b: &Run, tolerance_ms: u64) -> Diff {
    let (x, y) = (Metrics::from_events(&a.events), Metrics::from_events(&b.events));
    let events = compare(("first", &a.events), ("second", &b.events), tolerance_ms);
    let lines = events.differences.iter().map(|d| format!("{} {}: {}", duration(d.t_ms), d.subject, d.words)).collect();
    Diff::new(
        "runs",
        vec![
            Section { title: "Figures", lines: figures(&x, &y, tolerance_ms) },
            Section { title: "Where the time went", lines: batches(&x, &y, tolerance_ms) },
            Section { title: "Event by event", lines },
        ],
    )
}

fn figures(x: &Metrics, y: &Metrics, tolerance_ms: u64) -> Vec<String> {
    let end = |m: &Metrics| match (&m.outcome, &m.reason) {
        (Some(o), Some(r)) => format!("{o} ({r})"),
        (Some(o), None) => o.clone(),
        _ => "not ended".into(),
    };
    let mut lines = Vec::new();
    let mut say = |what: &str, x: String, y: String| {
        if x != y {
            lines.push(format!("{what}: {x} → {y}"));
        }
    };
    say("outcome", end(x), end(y));
    if x.duration_ms().abs_diff(y.duration_ms()) > tolerance_ms {
        say("duration", duration(x.duration_ms()), duration(y.duration_ms()));
    }
    for (what, x, y) in [
        ("batches", x.batches.len() as u64, y.batches.len() as u64),
        ("evictions", x.evictions, y.evictions),
        ("refused", x.refused, y.refused),
        ("new nodes", x.launched, y.launched),
        ("launches that failed", x.launch_failures, y.launch_failures),
        ("pods moved", x.pods_moved, y.pods_moved),
        ("pods moved twice", x.pods_moved_twice, y.pods_moved_twice),
        ("most nodes at once", x.peak_nodes, y.peak_nodes),
    ] {
        say(what, x.to_string(), y.to_string());
    }
    lines
}

/// Batches that took another time, each with what may have made the difference.
fn batches(x: &Metrics, y: &Metrics, tolerance_ms: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for a in &x.batches {
        let Some(b) = y.batches.iter().find(|b| b.index == a.index) else { continue };
        let took = |r: &BatchRow| r.start_ms.zip(r.end_ms).map(|(s, e)| e.saturating_sub(s));
        let (Some(p), Some(q)) = (took(a), took(b)) else { continue };
        if p.abs_diff(q) <= tolerance_ms {
            continue;
        }
        let direction = if q > p { "longer" } else { "shorter" };
        // What made a tenth of the difference is worth a word.
        let least_ms = tolerance_ms.max(p.abs_diff(q) / 10);
        let mut why = reasons(&Parts::of(x, a), &Parts::of(y, b), least_ms);
        why.extend(node_that_differs(x, y, a, least_ms));
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
        lines.push(format!(
            "batch {} took {} {direction} ({} → {}){why}",
            a.index + 1,
            duration(p.abs_diff(q)),
            duration(p),
            duration(q)
        ));
    }
    lines
}

/// The batch's node whose emptying took the most longer or shorter: procedures that go node by node add such times up.
fn node_that_differs(x: &Metrics, y: &Metrics, batch: &BatchRow, least_ms: u64) -> Option<String> {
    // All nodes of a batch may be cordoned before the first is emptied.
    let took = |n: &NodeRow| Some(n.drained_ms?.saturating_sub(n.first_eviction_ms.or(n.cordoned_ms)?));
    let pairs = batch.old_nodes.iter().filter_map(|n| {
        let a = x.nodes.get(*n)?;
        let b = y.nodes.iter().find(|b| b.initial && b.name == a.name)?;
        Some((a.name.as_str(), took(a)?, took(b)?))
    });
    let (name, a, b) = pairs.max_by_key(|(name, a, b)| (a.abs_diff(*b), std::cmp::Reverse(*name)))?;
    (a.abs_diff(b) > least_ms).then(|| format!("node {name} was emptied in {} → {}", duration(a), duration(b)))
}

/// What a batch's time is made of, as far as a trace tells it: the slowest of each kind, with whose it was.
struct Parts {
    refused: u64,
    stop: Option<(u64, String)>,
    schedule: Option<(u64, String)>,
    start: Option<(u64, String)>,
    launch: Option<(u64, String)>,
}

impl Parts {
    fn of(metrics: &Metrics, batch: &BatchRow) -> Parts {
        let pods: Vec<&PodRow> = metrics.pods.iter().filter(|p| p.batch == Some(batch.index)).collect();
        let whose = |p: &PodRow| p.owner.clone().unwrap_or_else(|| p.pod.clone());
        let slowest = |span: fn(&PodRow) -> Option<u64>| {
            pods.iter().filter_map(|p| Some((span(p)?, whose(p)))).max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)))
        };
        let launches = batch.new_nodes.iter().filter_map(|n| metrics.nodes.get(*n));
        Parts {
            refused: batch.refused,
            stop: slowest(|p| Some(p.terminated_ms?.saturating_sub(p.evicted_ms?))),
            schedule: slowest(|p| Some(p.bound_ms?.saturating_sub(p.created_ms?))),
            start: slowest(|p| Some(p.ready_ms?.saturating_sub(p.bound_ms?))),
            launch: launches
                .filter_map(|n| {
                    let asked = n.requested_ms.unwrap_or(n.added_ms);
                    Some((n.ready_ms?.saturating_sub(asked), n.group.clone().unwrap_or_else(|| "no group".into())))
                })
                .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))),
        }
    }
}

fn reasons(a: &Parts, b: &Parts, least_ms: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    for (what, x, y) in [
        ("slowest launch", &a.launch, &b.launch),
        ("longest wait for a node", &a.schedule, &b.schedule),
        ("slowest start", &a.start, &b.start),
        ("slowest stop", &a.stop, &b.stop),
    ] {
        let ms = |p: &Option<(u64, String)>| p.as_ref().map_or(0, |p| p.0);
        if ms(x).abs_diff(ms(y)) > least_ms {
            let said = |p: &Option<(u64, String)>| {
                p.as_ref().map_or("none".into(), |p| format!("{} ({})", duration(p.0), p.1))
            };
            reasons.push(format!("{what} {} → {}", said(x), said(y)));
        }
    }
    if a.refused != b.refused {
        reasons.push(format!("evictions refused {} → {}", a.refused, b.refused));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Event, EventKind, synthetic};

    fn run(events: Vec<Event>) -> Run {
        Run { events, execution: None }
    }

    #[test]
    fn a_run_is_the_same_as_itself() {
        let a = run(synthetic::small());
        assert!(diff(&a, &a, 0).is_same());
    }

    #[test]
    fn a_slow_start_is_named_where_the_time_went() {
        let left = synthetic::small();
        let metrics = Metrics::from_events(&left);
        let second = metrics.batches[1].clone();
        let pod = metrics.pods.iter().find(|p| p.batch == Some(1) && p.ready_ms.is_some()).expect("a pod that moved");
        let (name, owner) = (pod.replacement.clone(), pod.owner.clone().expect("an owner"));
        let mut right = left.clone();
        // Everything after the slow pod's start is ten minutes later.
        let at = right
            .iter()
            .position(|e| e.event == EventKind::PodReady && e.pod == name)
            .expect("the replacement becomes ready");
        let moved = right.remove(at);
        let end = second.end_ms.expect("an end");
        let later = |e: &mut Event| e.t_ms += if e.t_ms >= end { 600_000 } else { 0 };
        right.iter_mut().for_each(later);
        let after = right.iter().position(|e| e.t_ms >= end).expect("the batch ends");
        right.insert(after, Event { t_ms: end + 599_000, ..moved });
        right.sort_by_key(|e| e.t_ms);
        let d = diff(&run(left), &run(right), 1_000);
        let time = d.sections.iter().find(|s| s.title == "Where the time went").expect("time went somewhere");
        assert_eq!(time.lines.len(), 1, "{:?}", time.lines);
        assert!(time.lines[0].starts_with("batch 2 took 10m 00s longer"), "{:?}", time.lines);
        assert!(
            time.lines[0].contains(&format!("({owner})")) && time.lines[0].contains("slowest start"),
            "{:?}",
            time.lines
        );
    }
}
