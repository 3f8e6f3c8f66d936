//! The counting rules of `metrics.rs`, one by one.

use super::*;
use crate::trace::synthetic;

fn at(t_ms: u64, kind: EventKind, set: impl FnOnce(&mut Event)) -> Event {
    let mut e = Event::new(t_ms, kind);
    set(&mut e);
    e
}

fn node(t_ms: u64, name: &str, role: NodeRole) -> Event {
    at(t_ms, EventKind::NodeAdded, |e| {
        e.node = Some(name.into());
        e.role = Some(role);
        e.initial = role != NodeRole::New;
        e.cpu_milli = Some(4_000);
        e.memory_bytes = Some(8_000);
        e.requested_cpu_milli = e.initial.then_some(1_000);
        e.requested_memory_bytes = e.initial.then_some(500);
        e.price_micros_per_hour = Some(1_000_000);
    })
}

fn on_node(t_ms: u64, kind: EventKind, name: &str) -> Event {
    at(t_ms, kind, |e| e.node = Some(name.into()))
}

fn pod(t_ms: u64, kind: EventKind, name: &str, node: Option<&str>) -> Event {
    at(t_ms, kind, |e| {
        e.pod = Some(format!("ns/{name}"));
        e.uid = Some(format!("uid-{name}"));
        e.owner = Some("Deployment/ns/web".into());
        e.node = node.map(str::to_owned);
        e.cpu_milli = Some(1_000);
        e.memory_bytes = Some(500);
    })
}

use EventKind as K;

#[test]
fn requests_follow_pods_from_old_to_new() {
    let m = Metrics::from_events(&[
        node(0, "a", NodeRole::Old),
        node(10, "b", NodeRole::New),
        on_node(20, K::NodeReady, "b"),
        pod(30, K::EvictionAccepted, "p", Some("a")),
        pod(31, K::PodCreated, "q", None),
        pod(35, K::PodBound, "q", Some("b")),
        pod(40, K::PodTerminated, "p", Some("a")),
        pod(50, K::PodReady, "q", Some("b")),
        on_node(60, K::NodeDeleted, "a"),
    ]);
    let cpu: Vec<(u64, i64, i64, i64, i64)> = m
        .capacity
        .iter()
        .map(|p| {
            let (r, a) = (p.cpu_requested_milli, p.cpu_allocatable_milli);
            (p.t_ms, r.old, a.old, r.new, a.new)
        })
        .collect();
    assert_eq!(
        cpu,
        [
            (0, 1_000, 4_000, 0, 0),
            (10, 1_000, 4_000, 0, 0),
            (20, 1_000, 4_000, 0, 4_000),
            (31, 1_000, 4_000, 0, 4_000),
            (35, 1_000, 4_000, 1_000, 4_000),
            (40, 0, 4_000, 1_000, 4_000),
            (50, 0, 4_000, 1_000, 4_000),
            (60, 0, 0, 1_000, 4_000),
        ]
    );
    let waits: Vec<(i64, i64)> = m.capacity.iter().map(|p| (p.pending_pods, p.disrupted_pods)).collect();
    assert_eq!(waits, [(0, 0), (0, 0), (0, 0), (1, 0), (0, 0), (0, 1), (0, 0), (0, 0)]);
    assert_eq!(m.peak_nodes, 2);
    assert_eq!(m.node_ms_by_side.old + m.node_ms_by_side.new, 60 + 50);
    let row = &m.pods[0];
    assert_eq!(row.replacement.as_deref(), Some("ns/q"));
    assert_eq!((row.created_ms, row.bound_ms, row.ready_ms), (Some(31), Some(35), Some(50)));
    assert_eq!((row.from_node, row.to_node), (Some(0), Some(1)));
}

#[test]
fn what_stays_on_a_deleted_node_leaves_with_it() {
    let m = Metrics::from_events(&[
        node(0, "a", NodeRole::Old),
        on_node(5, K::NodeDeleted, "a"),
        pod(9, K::PodTerminated, "p", Some("a")),
    ]);
    let last = m.capacity.last().expect("a step");
    assert_eq!((last.cpu_requested_milli.old, last.memory_requested_bytes.old), (0, 0));
}

#[test]
fn a_lineage_moved_three_times_is_moved_twice_once() {
    let mut events = vec![node(0, "a", NodeRole::Old)];
    for n in 0..3 {
        let (old, new) = (format!("p{n}"), format!("p{}", n + 1));
        let t = 10 * (n + 1);
        events.push(pod(t, K::EvictionAccepted, &old, Some("a")));
        events.push(pod(t, K::EvictionAccepted, &old, Some("a"))); // again while terminating
        events.push(pod(t + 1, K::PodCreated, &new, None));
        events.push(pod(t + 2, K::PodBound, &new, Some("a")));
        events.push(pod(t + 3, K::PodTerminated, &old, Some("a")));
    }
    let m = Metrics::from_events(&events);
    assert_eq!((m.evictions, m.pods_moved, m.pods_moved_twice), (3, 3, 1));
    assert_eq!(m.pods.iter().map(|p| p.moves).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(m.nodes[0].moved, 3);
}

#[test]
fn a_place_passed_on_is_disrupted_once() {
    let m = Metrics::from_events(&[
        node(0, "a", NodeRole::Old),
        pod(10, K::EvictionAccepted, "p", Some("a")),
        pod(11, K::PodCreated, "q", None),
        pod(12, K::PodBound, "q", Some("a")),
        pod(13, K::PodTerminated, "p", Some("a")),
        pod(20, K::PodPreempted, "q", Some("a")),
        pod(21, K::PodCreated, "r", None),
        pod(22, K::PodTerminated, "q", Some("a")),
        pod(30, K::PodBound, "r", Some("a")),
        pod(40, K::PodReady, "r", Some("a")),
    ]);
    let disrupted: Vec<(u64, i64)> = m.capacity.iter().map(|p| (p.t_ms, p.disrupted_pods)).collect();
    assert!(disrupted.iter().all(|(_, n)| (0..=1).contains(n)), "{disrupted:?}");
    assert!(disrupted.iter().all(|(t, n)| (*n == 1) == (13..40).contains(t)), "{disrupted:?}");
    assert_eq!((m.preempted, m.pods_moved, m.pods_moved_twice), (1, 1, 0));
}

#[test]
fn daemons_completions_and_strays_are_not_disrupted() {
    let mut daemon = pod(10, K::PodTerminated, "d", Some("a"));
    daemon.owner = Some("DaemonSet/ns/agent".into());
    let mut done = pod(11, K::PodTerminated, "j", Some("a"));
    done.owner = Some("Job/ns/once".into());
    done.reason = Some("Completed".into());
    let mut stray = pod(12, K::EvictionAccepted, "s", Some("a"));
    stray.owner = None;
    let mut stray_gone = pod(13, K::PodTerminated, "s", Some("a"));
    stray_gone.owner = None;
    let m = Metrics::from_events(&[node(0, "a", NodeRole::Old), daemon, done, stray, stray_gone]);
    assert!(m.capacity.iter().all(|p| p.disrupted_pods == 0));
    assert_eq!(m.pods.len(), 1);
    assert_eq!(m.pods_moved, 1);
}

#[test]
fn a_pod_killed_with_its_cordoned_node_is_moved() {
    let m = Metrics::from_events(&[
        node(0, "a", NodeRole::Old),
        node(0, "c", NodeRole::Other),
        on_node(5, K::NodeCordoned, "a"),
        pod(9, K::PodTerminated, "p", Some("a")),
        pod(9, K::PodTerminated, "q", Some("c")),
    ]);
    assert_eq!(m.pods_moved, 1);
    assert_eq!(m.pods[0].departure, Departure::Terminated);
}

#[test]
fn refusals_are_counted_where_they_belong() {
    let refused = |t| {
        at(t, K::EvictionRefused, |e| {
            e.pod = Some("ns/p".into());
            e.uid = Some("u".into());
            e.node = Some("a".into());
            e.batch = Some(0);
            e.budget = Some("ns/b".into());
            e.reason = Some("DisruptionBudget".into());
        })
    };
    let budget = |t, allowed| {
        at(t, K::BudgetChanged, |e| {
            e.budget = Some("ns/b".into());
            e.allowed = Some(allowed);
        })
    };
    let m = Metrics::from_events(&[
        node(0, "a", NodeRole::Old),
        budget(0, 1),
        budget(4, 0),
        refused(5),
        refused(10),
        budget(20, 1),
    ]);
    assert_eq!((m.refused, m.batches[0].refused, m.nodes[0].refused, m.pods[0].refused), (2, 2, 2, 2));
    assert_eq!(m.pods[0].departure, Departure::Stays);
    let b = m.tightest_budgets()[0];
    assert_eq!((b.refused, b.zero_ms(m.end_ms), b.min_allowed()), (2, 16, Some(0)));
}

#[test]
fn launches_are_joined_by_group_and_order() {
    let launch = |t, kind, nodes| {
        at(t, kind, |e| {
            e.group = Some("g".into());
            e.nodes = nodes;
        })
    };
    let mut n1 = node(50, "n1", NodeRole::New);
    n1.group = Some("g".into());
    let mut n2 = node(60, "n2", NodeRole::New);
    n2.group = Some("g".into());
    let m = Metrics::from_events(&[
        launch(1, K::NodeLaunchRequested, Some(2)),
        launch(9, K::NodeLaunchFailed, None),
        launch(20, K::NodeLaunchRequested, None),
        n1,
        n2,
    ]);
    assert_eq!(m.nodes.iter().map(|n| n.requested_ms).collect::<Vec<_>>(), [Some(1), Some(20)]);
    assert_eq!((m.launched, m.launch_failures), (2, 1));
}

#[test]
fn cost_is_unknown_with_one_unknown_price() {
    let mut a = node(0, "a", NodeRole::Old);
    let end = at(3_600_000, K::MigrationFinished, |e| e.outcome = Some("COMPLETED".into()));
    let m = Metrics::from_events(&[a.clone(), end.clone()]);
    assert_eq!((m.cost().as_deref(), m.node_hours().as_str()), (Some("1.00"), "1.000"));
    a.price_micros_per_hour = None;
    let m = Metrics::from_events(&[a, end]);
    assert_eq!(m.cost(), None);
    assert_eq!(m.outcome.as_deref(), Some("COMPLETED"));
}

#[test]
fn a_whole_run_adds_up() {
    let m = Metrics::from_events(synthetic::small());
    assert_eq!((m.batches.len(), m.nodes.len(), m.pods.len()), (5, 22, 60));
    assert_eq!((m.evictions, m.pods_moved, m.pods_moved_twice), (60, 60, 0));
    assert_eq!(m.batches.iter().map(|b| b.evictions).sum::<u64>(), 60);
    assert_eq!(m.batches.iter().map(|b| (b.nodes, b.launched)).collect::<Vec<_>>(), [(2, 2); 5]);
    assert_eq!(m.batches.iter().map(|b| b.refused).sum::<u64>(), m.refused);
    assert!(m.pods.iter().all(|p| p.ready_ms.is_some() && p.to_node.is_some()));
    assert!(m.nodes.iter().filter(|n| n.role == NodeRole::New).all(|n| n.requested_ms.is_some()));
    let last = m.capacity.last().expect("a step");
    assert_eq!((last.t_ms, last.disrupted_pods, last.pending_pods), (m.end_ms, 0, 3));
    assert_eq!((last.nodes.old, last.nodes.new, last.nodes.other), (0, 10, 2));
    assert_eq!(last.cpu_requested_milli.new, 60 * 500);
}

#[test]
fn large_and_failed_runs_add_up() {
    let m = Metrics::from_events(synthetic::large());
    assert_eq!((m.batches.len(), m.evictions), (10, 15_000));
    let m = Metrics::from_events(synthetic::one_by_one());
    assert_eq!(m.outcome.as_deref(), Some("FAILED"));
    assert_eq!(m.nodes.iter().filter(|n| n.drain_failed_ms.is_some()).count(), 1);
}

#[test]
fn what_was_moved_but_not_to_ocean_is_where_it_is_at_the_end() {
    let run = |marked: bool| {
        let m = Metrics::from_events(&[
            node(0, "a", NodeRole::Old),
            node(0, "b", NodeRole::Old),
            node(0, "other", NodeRole::Other),
            Event { ocean: marked, ..node(10, "new", NodeRole::New) },
            node(10, "foreign", NodeRole::New),
            // p moves to a node that is still to be drained, and from there to Ocean.
            pod(30, K::EvictionAccepted, "p", Some("a")),
            pod(31, K::PodCreated, "p2", None),
            pod(32, K::PodBound, "p2", Some("b")),
            pod(40, K::EvictionAccepted, "p2", Some("b")),
            pod(41, K::PodCreated, "p3", None),
            pod(42, K::PodBound, "p3", Some("new")),
            // q ends elsewhere, r on a node that somebody else launched, s waits.
            pod(50, K::EvictionAccepted, "q", Some("b")),
            pod(51, K::PodCreated, "q2", None),
            pod(52, K::PodBound, "q2", Some("other")),
            pod(60, K::EvictionAccepted, "r", Some("b")),
            pod(61, K::PodCreated, "r2", None),
            pod(62, K::PodBound, "r2", Some("foreign")),
            pod(70, K::EvictionAccepted, "s", Some("b")),
            pod(71, K::PodCreated, "s2", None),
            // Never moved.
            pod(80, K::PodReady, "t", Some("other")),
        ]);
        let not: Vec<(String, String)> = m.not_on_ocean().map(|(a, n)| (a.pod.clone(), n.name.clone())).collect();
        (m.arrivals.len(), m.pods_moved_twice, not)
    };
    let elsewhere = |pod: &str, node: &str| (format!("ns/{pod}"), node.to_owned());
    assert_eq!(run(true), (3, 1, vec![elsewhere("q2", "other"), elsewhere("r2", "foreign")]));
    // Without a mark all that came during the run counts as Ocean's.
    assert_eq!(run(false), (3, 1, vec![elsewhere("q2", "other")]));
}
