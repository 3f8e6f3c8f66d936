//! The queue by rule; upstream's own cases are in `pkg/scheduler/backend/queue/*_test.go`.

use super::*;
use crate::cluster::{NodeIdx, Phase, PodTerm, Selector};
use crate::scheduler::testbed::Bed;

const FIT: PluginSet = PluginSet::of(&[PluginId::NodeResourcesFit]);

/// A bed with a node of 1000m, specs of priority 0 and 10 that ask for 500m, and a queue.
fn bed() -> (Bed, SpecIdx, SpecIdx, NodeIdx, Queue) {
    let mut bed = Bed::new();
    let (low, high) = (bed.shape(500, 0), bed.shape(500, 10));
    let (low, high) = (bed.spec(low, &[]), bed.spec(high, &[]));
    bed.start();
    let node = bed.node("n1", 1000, &[]);
    let queue = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
    (bed, low, high, node, queue)
}

#[test]
fn priority_first_then_arrival() {
    let (mut bed, low, high, _, mut q) = bed();
    let (a, b, c) = (bed.pod(low, 0), bed.pod(high, 0), bed.pod(low, 0));
    q.observe(&bed.catalog, &bed.state, 0);
    let order: Vec<_> = std::iter::from_fn(|| q.pop(&bed.state, 0)).collect();
    assert_eq!(order, [b, a, c]);
}

#[test]
fn a_rejected_pod_waits_for_an_event_of_its_rejector_and_backs_off() {
    let (mut bed, low, _, node, mut q) = bed();
    let runner = bed.running(low, node, 0);
    let pod = bed.pod(low, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    assert_eq!(q.pop(&bed.state, 0), Some(pod));
    q.failed(&bed.catalog, &bed.state, pod, FIT, 0);
    assert_eq!(q.counts().waiting, 1);
    assert_eq!(q.pop(&bed.state, 10), None);
    // A pod elsewhere that is being deleted changes nothing yet; its end does.
    bed.state.set_deleting(runner, 20, 30_000);
    q.observe(&bed.catalog, &bed.state, 20);
    assert_eq!(q.counts().waiting, 1);
    bed.state.set_phase(&bed.catalog, runner, Phase::Succeeded);
    q.observe(&bed.catalog, &bed.state, 30);
    assert_eq!((q.counts().waiting, q.counts().backoff), (0, 1));
    // SchedulerPopFromBackoffQ: an idle scheduler does not wait for the backoff.
    assert_eq!(q.pop(&bed.state, 30), Some(pod));
    // The object's removal afterwards is no second event.
    q.failed(&bed.catalog, &bed.state, pod, FIT, 40);
    bed.state.remove_pod(&bed.catalog, runner);
    q.observe(&bed.catalog, &bed.state, 50);
    assert_eq!(q.counts().waiting, 1);
}

#[test]
fn backoff_holds_a_pod_behind_others_until_its_whole_second() {
    let (mut bed, low, high, node, mut q) = bed();
    let runner = bed.running(low, node, 0);
    let first = bed.pod(low, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    assert_eq!(q.pop(&bed.state, 500), Some(first));
    q.failed(&bed.catalog, &bed.state, first, FIT, 500);
    bed.state.remove_pod(&bed.catalog, runner);
    let other = bed.pod(high, 600);
    q.observe(&bed.catalog, &bed.state, 600);
    assert_eq!(q.pop(&bed.state, 600), Some(other));
    q.done(other);
    // Expiry 1000 (500 + 1000, cut), so the flush of second 2 takes it out.
    assert_eq!(q.counts().backoff, 1);
    q.observe(&bed.catalog, &bed.state, 1_999);
    assert_eq!(q.counts().active, 0);
    q.observe(&bed.catalog, &bed.state, 2_000);
    assert_eq!(q.counts().active, 1);
}

#[test]
fn events_while_in_flight_are_replayed() {
    let (mut bed, low, _, node, mut q) = bed();
    let runner = bed.running(low, node, 0);
    let pod = bed.pod(low, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    assert_eq!(q.pop(&bed.state, 0), Some(pod));
    bed.state.remove_pod(&bed.catalog, runner);
    q.failed(&bed.catalog, &bed.state, pod, FIT, 5);
    assert_eq!((q.counts().waiting, q.counts().backoff), (0, 1));
    assert!(q.events.is_empty(), "nobody needs the event any more");
}

#[test]
fn only_rejectors_are_asked() {
    let (mut bed, low, _, node, mut q) = bed();
    let runner = bed.running(low, node, 0);
    let pod = bed.pod(low, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    q.pop(&bed.state, 0);
    q.failed(&bed.catalog, &bed.state, pod, PluginSet::of(&[PluginId::TaintToleration]), 0);
    bed.state.remove_pod(&bed.catalog, runner);
    q.observe(&bed.catalog, &bed.state, 5);
    assert_eq!(q.counts().waiting, 1);
    let taint = bed.taint("t");
    bed.state.set_taints(node, taint);
    q.observe(&bed.catalog, &bed.state, 6);
    assert_eq!(q.counts().waiting, 1, "tainting helps nobody");
    bed.state.set_taints(node, Default::default());
    q.observe(&bed.catalog, &bed.state, 7);
    assert_eq!(q.counts().waiting, 0);
}

#[test]
fn errors_wait_for_the_flush_and_cannot_be_popped_from_backoff() {
    let (mut bed, low, _, _, mut q) = bed();
    let pod = bed.pod(low, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    q.pop(&bed.state, 0);
    q.failed(&bed.catalog, &bed.state, pod, PluginSet::EMPTY, 0);
    assert_eq!(q.pop(&bed.state, 10), None);
    assert_eq!(q.next_wakeup(), Some(2_000));
    assert_eq!(q.pop(&bed.state, 2_000), Some(pod));
}

#[test]
fn after_five_minutes_a_pod_is_tried_again_on_a_tick_of_thirty_seconds() {
    let (mut bed, low, _, _, mut q) = bed();
    let pod = bed.pod(low, 1_000);
    q.observe(&bed.catalog, &bed.state, 1_000);
    q.pop(&bed.state, 1_000);
    q.failed(&bed.catalog, &bed.state, pod, FIT, 1_000);
    assert_eq!(q.next_wakeup(), Some(330_000));
    assert_eq!(q.pop(&bed.state, 329_999), None);
    assert_eq!(q.pop(&bed.state, 330_000), Some(pod));
    // Exactly five minutes are not longer than five minutes.
    q.failed(&bed.catalog, &bed.state, pod, FIT, 360_000);
    assert_eq!(q.next_wakeup(), Some(690_000));
}

#[test]
fn a_new_node_wakes_only_those_it_could_hold() {
    let (mut bed, low, _, _, mut q) = bed();
    let big = bed.shape(4000, 0);
    let big = bed.spec(big, &[]);
    let (small_pod, big_pod) = (bed.pod(low, 0), bed.pod(big, 0));
    q.observe(&bed.catalog, &bed.state, 0);
    while let Some(pod) = q.pop(&bed.state, 0) {
        q.failed(&bed.catalog, &bed.state, pod, FIT, 0);
    }
    bed.node("n2", 1000, &[]);
    assert_eq!(q.counts().waiting, 2);
    q.observe(&bed.catalog, &bed.state, 5_000);
    assert_eq!(q.pop(&bed.state, 5_000), Some(small_pod));
    assert_eq!(q.pop(&bed.state, 5_000), None);
    assert!(q.holds(big_pod));
}

#[test]
fn what_was_only_supposed_never_happened() {
    let (mut bed, low, _, node, mut q) = bed();
    let runner = bed.running(low, node, 0);
    let pod = bed.pod(low, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    q.pop(&bed.state, 0);
    q.failed(&bed.catalog, &bed.state, pod, FIT, 0);
    let mark = bed.state.suppose();
    bed.state.detach(&bed.catalog, runner);
    bed.state.rollback(&bed.catalog, mark);
    q.observe(&bed.catalog, &bed.state, 1);
    assert_eq!(q.counts().waiting, 1);
}

#[test]
fn gated_and_deleted_pods_are_not_tried() {
    let (mut bed, low, _, _, mut q) = bed();
    let mut gated = bed.shape(100, 0);
    gated.gated = true;
    let gated = bed.spec(gated, &[]);
    let (gated, doomed) = (bed.pod(gated, 0), bed.pod(low, 0));
    q.observe(&bed.catalog, &bed.state, 0);
    bed.state.set_deleting(doomed, 0, 0);
    assert_eq!(q.pop(&bed.state, 0), None);
    assert!(q.holds(gated) && !q.holds(doomed));
    bed.state.remove_pod(&bed.catalog, gated);
    q.observe(&bed.catalog, &bed.state, 1);
    assert!(!q.holds(gated));
}

#[test]
fn a_preemptor_stays_out_while_its_preemption_runs() {
    let (mut bed, low, high, node, mut q) = bed();
    let (one, two) = (bed.running(low, node, 0), bed.running(low, node, 0));
    let pod = bed.pod(high, 0);
    q.observe(&bed.catalog, &bed.state, 0);
    q.pop(&bed.state, 0);
    q.preemption_started(pod);
    q.failed(&bed.catalog, &bed.state, pod, FIT, 0);
    bed.state.remove_pod(&bed.catalog, one);
    q.observe(&bed.catalog, &bed.state, 5_000);
    assert_eq!(q.counts().waiting, 1);
    // While gated it listens to nothing but removals.
    bed.node("n2", 1000, &[]);
    q.preemption_ended(pod);
    q.observe(&bed.catalog, &bed.state, 5_001);
    assert_eq!(q.counts().waiting, 1);
    bed.state.remove_pod(&bed.catalog, two);
    q.observe(&bed.catalog, &bed.state, 5_002);
    assert_eq!(q.pop(&bed.state, 5_002), Some(pod));
}

#[test]
fn a_nomination_given_up_wakes_pods_of_no_higher_priority() {
    let (mut bed, low, high, node, mut q) = bed();
    let (nominee, poor, rich) = (bed.pod(low, 0), bed.pod(low, 0), bed.pod(high, 0));
    q.observe(&bed.catalog, &bed.state, 0);
    while let Some(pod) = q.pop(&bed.state, 0) {
        q.failed(&bed.catalog, &bed.state, pod, FIT, 0);
    }
    bed.state.nominate(nominee, Some(node));
    q.observe(&bed.catalog, &bed.state, 5_000);
    assert_eq!(q.counts().waiting, 3);
    bed.state.nominate(nominee, None);
    q.observe(&bed.catalog, &bed.state, 5_000);
    assert_eq!(q.counts().waiting, 1, "{rich:?} is more important than what was freed; {poor:?} is not");
}

#[test]
fn anti_affinity_wakes_when_the_hated_pod_goes() {
    let (mut bed, low, _, node, _) = bed();
    let key = bed.catalog.known.hostname;
    let app = bed.sym("app");
    let web = bed.sym("web");
    let mut shape = bed.shape(100, 0);
    shape.anti_affinity = vec![PodTerm::new(
        Selector::All(vec![crate::cluster::Requirement {
            key: app,
            operator: crate::cluster::Operator::In,
            values: smallvec::smallvec![web],
            bound: None,
        }]),
        vec![crate::cluster::NsIdx(0)],
        key,
    )];
    let hater = bed.spec(shape, &[]);
    let shape = bed.shape(100, 0);
    let web = bed.spec(shape, &[("app", "web")]);
    bed.start();
    let node2 = bed.node("n1", 1000, &[]);
    assert_eq!(node, node2);
    let (loved, hated) = (bed.running(low, node, 0), bed.running(web, node, 0));
    let pod = bed.pod(hater, 0);
    let mut q = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
    q.pop(&bed.state, 0);
    q.failed(&bed.catalog, &bed.state, pod, PluginSet::of(&[PluginId::InterPodAffinity]), 0);
    bed.state.remove_pod(&bed.catalog, loved);
    q.observe(&bed.catalog, &bed.state, 1);
    assert_eq!(q.counts().waiting, 1);
    bed.state.remove_pod(&bed.catalog, hated);
    q.observe(&bed.catalog, &bed.state, 2);
    assert_eq!(q.counts().waiting, 0);
}

/// `isSchedulableAfterPodChange` knows the namespaces that a term names, and tries its namespace selector on no labels: a selector by labels
/// wakes nobody.
#[test]
fn affinity_wakes_for_named_namespaces_only() {
    for (named, unlabelled, woken) in [(true, false, true), (false, false, false), (false, true, true)] {
        let (mut bed, _, _, node, _) = bed();
        let (key, app, web) = (bed.catalog.known.hostname, bed.sym("app"), bed.sym("web"));
        let mut shape = bed.shape(100, 0);
        let values = smallvec::smallvec![web];
        let operator = crate::cluster::Operator::In;
        let is_web = crate::cluster::Requirement { key: app, operator, values, bound: None };
        let term = PodTerm::new(Selector::All(vec![is_web]), vec![crate::cluster::NsIdx(0)], key);
        let named_namespaces = if named { term.namespaces.clone() } else { Vec::new() };
        shape.affinity = vec![PodTerm { named_namespaces, takes_unlabelled: unlabelled, ..term }];
        let friend = bed.spec(shape, &[]);
        let shape = bed.shape(100, 0);
        let web = bed.spec(shape, &[("app", "web")]);
        bed.start();
        assert_eq!(bed.node("n1", 1000, &[]), node);
        let pod = bed.pod(friend, 0);
        let mut q = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
        q.pop(&bed.state, 0);
        q.failed(&bed.catalog, &bed.state, pod, PluginSet::of(&[PluginId::InterPodAffinity]), 0);
        bed.running(web, node, 1);
        q.observe(&bed.catalog, &bed.state, 1);
        assert_eq!(q.counts().waiting == 0, woken, "named {named}, on no labels {unlabelled}");
    }
}

/// Random arrivals, attempts, bindings, removals and nominations: no pod is ever lost or held twice, and what is rejected is tried
/// again within five and a half minutes at the latest.
#[test]
fn no_pod_is_lost_whatever_happens() {
    use crate::cluster::draw::Draws;
    for seed in 0..30 {
        let draws = Draws::new(seed);
        let (mut bed, low, high, node, mut q) = bed();
        let mut now = 0;
        for step in 0..300 {
            now += draws.below("queue", "wait", step, 4_000) as i64;
            let pods: Vec<PodIdx> = bed.state.live_pods().collect();
            let any = draws.pick("queue", "pod", step, &pods).copied();
            match (draws.below("queue", "what", step, 8), any) {
                (0..=2, _) => drop(bed.pod(if step % 3 == 0 { high } else { low }, now)),
                (3, Some(pod)) => bed.state.remove_pod(&bed.catalog, pod),
                (4, Some(pod)) if bed.state.pods[pod].node.is_none() => bed.state.nominate(pod, Some(node)),
                (5, Some(pod)) => bed.state.set_phase(&bed.catalog, pod, Phase::Failed),
                _ => {}
            }
            q.observe(&bed.catalog, &bed.state, now);
            for attempt in 0..draws.below("queue", "attempts", step, 4) {
                let Some(pod) = q.pop(&bed.state, now) else { break };
                match draws.below("queue", "end", step * 4 + attempt, 4) {
                    0 => {
                        bed.state.bind(&bed.catalog, pod, node, now);
                        q.done(pod);
                    }
                    1 => q.failed(&bed.catalog, &bed.state, pod, PluginSet::EMPTY, now),
                    _ => q.failed(&bed.catalog, &bed.state, pod, FIT, now),
                }
            }
            q.observe(&bed.catalog, &bed.state, now);
            let pending = |p: &PodIdx| bed.state.pods[*p].node.is_none() && !bed.state.pods[*p].phase.is_terminal();
            let pending = bed.state.live_pods().filter(pending).count();
            let c = q.counts();
            assert_eq!(c.active + c.backoff + c.waiting + c.in_flight, pending, "seed {seed}, step {step}");
            assert!(bed.state.live_pods().filter(|p| bed.state.pods[*p].node.is_some()).all(|p| !q.holds(p)));
        }
        let mut left: Vec<PodIdx> = bed.state.live_pods().filter(|p| q.holds(*p)).collect();
        now += 330_000;
        while let Some(pod) = q.pop(&bed.state, now) {
            left.retain(|p| *p != pod);
            q.done(pod);
        }
        assert_eq!(left, []);
        assert_eq!(q.next_wakeup(), None);
    }
}

/// A bed and a queue of a version, with the specs of [`bed`].
fn bed_of(version: crate::cluster::KubernetesVersion) -> (Bed, SpecIdx, SpecIdx, NodeIdx) {
    let (mut bed, low, high, node, _) = bed();
    bed.catalog.kubernetes = version;
    (bed, low, high, node)
}

/// `backoff_queue.go`: until 1.33 by `Attempts`, since by rejections, or errors in a row.
#[test]
fn a_rejection_after_an_error_backs_off_twice_as_long_until_1_33() {
    let expiry = crate::cluster::KubernetesVersion::ALL.map(|version| {
        let (mut bed, low, _, _) = bed_of(version);
        let pod = bed.pod(low, 0);
        let mut q = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
        for (now, rejectors) in [(0, PluginSet::EMPTY), (10_000, FIT)] {
            q.observe(&bed.catalog, &bed.state, now);
            assert_eq!(q.pop(&bed.state, now), Some(pod));
            q.failed(&bed.catalog, &bed.state, pod, rejectors, now);
        }
        q.entries[&pod].expiry
    });
    assert_eq!(expiry, [Some(12_000), Some(11_000), Some(11_000), Some(11_000)]);
}

/// `interpodaffinity/plugin.go isSchedulableAfterPodChange`: the other direction counts since 1.36.
#[test]
fn the_end_of_a_pod_that_kept_it_out_wakes_a_pod_since_1_36() {
    let woken = crate::cluster::KubernetesVersion::ALL.map(|version| {
        let (mut bed, low, _, _) = bed_of(version);
        let (app, web, key) = (bed.sym("app"), bed.sym("web"), bed.catalog.known.hostname);
        let requirement = crate::cluster::Requirement {
            key: app,
            operator: crate::cluster::Operator::In,
            values: smallvec::smallvec![web],
            bound: None,
        };
        let mut shape = bed.shape(100, 0);
        shape.anti_affinity = vec![PodTerm::new(Selector::All(vec![requirement]), vec![crate::cluster::NsIdx(0)], key)];
        let hater = bed.spec(shape, &[]);
        let shape = bed.shape(100, 0);
        let web = bed.spec(shape, &[("app", "web")]);
        bed.start();
        let node = bed.node("n1", 1000, &[]);
        let (hater, _) = (bed.running(hater, node, 0), bed.running(low, node, 0));
        let pod = bed.pod(web, 0);
        let mut q = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
        q.pop(&bed.state, 0);
        q.failed(&bed.catalog, &bed.state, pod, PluginSet::of(&[PluginId::InterPodAffinity]), 0);
        bed.state.remove_pod(&bed.catalog, hater);
        q.observe(&bed.catalog, &bed.state, 1);
        q.counts().waiting == 0
    });
    assert_eq!(woken, [false, false, false, true]);
}

/// `podtopologyspread/plugin.go involvedInTopologySpreading`: pods that are only nominated count since 1.36.
#[test]
fn a_nomination_given_up_wakes_pods_held_back_by_spread_since_1_36() {
    let woken = crate::cluster::KubernetesVersion::ALL.map(|version| {
        let (mut bed, _, _, _) = bed_of(version);
        let mut shape = bed.shape(100, 0);
        shape.spread = vec![crate::cluster::SpreadConstraint {
            max_skew: 1,
            topology_key: bed.catalog.known.hostname,
            when: crate::cluster::WhenUnsatisfiable::DoNotSchedule,
            selector: Selector::All(Vec::new()),
            min_domains: 1,
            honor_node_affinity: true,
            honor_node_taints: false,
        }];
        let spec = bed.spec(shape, &[]);
        bed.start();
        let node = bed.node("n1", 1000, &[]);
        let nominee = bed.pod(spec, 0);
        bed.state.nominate(nominee, Some(node));
        let pod = bed.pod(spec, 0);
        let mut q = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
        for _ in 0..2 {
            let tried = q.pop(&bed.state, 0).expect("one of the two");
            q.failed(&bed.catalog, &bed.state, tried, PluginSet::of(&[PluginId::PodTopologySpread]), 0);
        }
        bed.state.remove_pod(&bed.catalog, nominee);
        q.observe(&bed.catalog, &bed.state, 1);
        assert!(q.holds(pod));
        q.counts().waiting == 0
    });
    assert_eq!(woken, [false, false, false, true]);
}

/// eventhandlers.go `deletePodFromSchedulingQueue`: until 1.34 also where a pod leaves by getting its node.
#[test]
fn a_nominee_that_gets_its_node_wakes_others_until_1_34() {
    let woken = crate::cluster::KubernetesVersion::ALL.map(|version| {
        let (mut bed, low, high, node) = bed_of(version);
        let nominee = bed.pod(high, 0);
        bed.state.nominate(nominee, Some(node));
        let pod = bed.pod(low, 0);
        let mut q = Queue::new(QueueConfig::default(), &bed.catalog, &bed.state, 0);
        assert_eq!((q.pop(&bed.state, 0), q.pop(&bed.state, 0)), (Some(nominee), Some(pod)));
        q.failed(&bed.catalog, &bed.state, pod, FIT, 0);
        bed.state.nominate(nominee, None);
        bed.state.bind(&bed.catalog, nominee, node, 1);
        q.done(nominee);
        q.observe(&bed.catalog, &bed.state, 1);
        q.counts().waiting == 0
    });
    assert_eq!(woken, [true, true, false, false]);
}
