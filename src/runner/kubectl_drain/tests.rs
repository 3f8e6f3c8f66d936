//! `kubectl drain`, rule by rule.

use crate::cluster::{NodeIdx, RateLimit};
use crate::intent::Options;
use crate::intent::options::{AfterLimit, CordonWhen, KubectlDrainOptions, KubectlVersion};
use crate::runner::testing::{Meddling, World};
use crate::runner::{NoLaunches, Outcome, Stream};
use std::sync::Arc;

fn options() -> Options {
    Options {
        kubectl_drain: KubectlDrainOptions {
            timeout_ms: 90_000,
            settle_timeout_ms: Some(90_000),
            after_settle_timeout: AfterLimit::GoOn,
            ..KubectlDrainOptions::default()
        },
        ..Options::default()
    }
}

fn run(w: &mut World, batches: &[&[usize]], options: Options) -> (Outcome, Option<String>) {
    let intent = w.intent(batches, options);
    w.run(&intent, Arc::new(NoLaunches));
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (outcome, failure.map(|f| format!("{}: {}", f.reason, f.cause)))
}

fn lines(w: &World, stream: Stream) -> Vec<&str> {
    w.lines.iter().filter(|l| l.1 == stream).map(|l| l.2.as_str()).collect()
}

#[test]
fn cordons_all_then_drains_one_after_the_other() {
    let mut w = World::new(2, 1, &[("web", &[0, 0, 1])]);
    assert_eq!(run(&mut w, &[&[0, 1]], options()), (Outcome::Completed, None));
    assert_eq!(
        lines(&w, Stream::Stdout),
        [
            "node/old-0 cordoned",
            "node/old-1 cordoned",
            "evicting pod default/web-1",
            "evicting pod default/web-0",
            "pod/web-0 evicted",
            "pod/web-1 evicted",
            "node/old-0 drained",
            "evicting pod default/web-2",
            "pod/web-2 evicted",
            "node/old-1 drained",
        ]
    );
}

#[test]
fn a_budget_that_is_never_met_ends_in_kubectls_lines_and_exit_1() {
    let mut w = World::new(3, 1, &[("web", &[0, 0, 1])]);
    w.refuses.insert("web-1".into(), (Ms::MAX, 429));
    let (outcome, failure) = run(&mut w, &[&[0, 1], &[2]], options());
    assert_eq!(outcome, Outcome::PartlyCompleted);
    let failure = failure.expect("a failure");
    assert!(
        failure.starts_with("held-by-budget: pod default/web-1 on node old-0: The disruption budget web needs"),
        "{failure}"
    );
    let e = lines(&w, Stream::Stderr);
    let retry = "error when evicting pods/\"web-1\" -n \"default\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.";
    assert_eq!(e.iter().filter(|l| **l == retry).count(), 18, "every 5 s for 90 s, as recorded");
    let timeout = "error when evicting pods/\"web-1\" -n \"default\": global timeout reached: 1m30s";
    assert_eq!(
        e[18..],
        [
            &format!("There are pending pods in node \"old-0\" when an error occurred: {timeout}"),
            "pod/web-1",
            &format!("error: unable to drain node \"old-0\" due to error: {timeout}, continuing command..."),
            "There are pending nodes to be drained:",
            " old-0",
            timeout,
        ]
    );
    assert!(w.log.iter().any(|l| l.contains("CommandReturned { batch: 0, exit: 1 }")));
    assert!(w.log.iter().any(|l| l.contains("CommandReturned { batch: 1, exit: 0 }")));
}

type Ms = crate::runner::Ms;

#[test]
fn a_refusal_that_is_no_budgets_is_not_reported_as_one() {
    let mut w = World::new(3, 1, &[("web", &[0, 0, 1])]);
    w.refuses.insert("web-1".into(), (Ms::MAX, 409));
    let (outcome, failure) = run(&mut w, &[&[0, 1], &[2]], options());
    assert_eq!(outcome, Outcome::PartlyCompleted);
    let failure = failure.expect("a failure");
    assert!(failure.starts_with("some-not-replaced: node old-0: error when evicting pods/\"web-1\""), "{failure}");
}

#[test]
fn a_pod_without_controller_aborts_its_node_before_any_eviction() {
    let mut w = World::new(1, 1, &[("web", &[0])]);
    w.stand_alone("lone", 0);
    let (outcome, _) = run(&mut w, &[&[0]], options());
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(lines(&w, Stream::Stdout), ["node/old-0 cordoned"]);
    let fatal = "cannot delete Pods that declare no controller (use --force to override): default/lone";
    assert_eq!(
        lines(&w, Stream::Stderr),
        [
            &format!("error: unable to drain node \"old-0\" due to error: {fatal}, continuing command..."),
            "There are pending nodes to be drained:",
            " old-0",
            fatal,
        ]
    );
    assert!(w.state.nodes[crate::cluster::NodeIdx(0)].unschedulable, "the cordon stays");

    let mut w = World::new(1, 1, &[("web", &[0])]);
    w.stand_alone("lone", 0);
    let mut o = options();
    o.kubectl_drain.force = true;
    assert_eq!(run(&mut w, &[&[0]], o), (Outcome::Completed, None));
    assert_eq!(lines(&w, Stream::Stderr), ["Warning: deleting Pods that declare no controller: default/lone"]);
}

#[test]
fn an_internal_error_ends_that_pod_only() {
    let mut w = World::new(1, 1, &[("web", &[0, 0])]);
    w.refuses.insert("web-0".into(), (Ms::MAX, 500));
    let (outcome, _) = run(&mut w, &[&[0]], options());
    assert_eq!(outcome, Outcome::Failed);
    assert!(lines(&w, Stream::Stdout).contains(&"pod/web-1 evicted"));
    assert!(w.now < 20_000, "nothing is retried");
}

#[test]
fn the_errors_of_one_node_come_one_a_line_and_those_of_several_in_brackets() {
    let words = |nodes: &[usize]| {
        let mut w = World::new(2, 1, &[("web", &[0, 0, 1])]);
        w.refuses = ["web-0", "web-1", "web-2"].map(|n| (n.to_owned(), (Ms::MAX, 500))).into();
        run(&mut w, &[nodes], options());
        let lines = lines(&w, Stream::Stderr);
        let end = lines.iter().rposition(|l| l.starts_with(" old-")).expect("the pending nodes");
        lines[end + 1..]
            .iter()
            .map(|l| (l.matches("error when evicting").count(), l.starts_with('[')))
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&[0]), [(1, false), (1, false)]);
    assert_eq!(words(&[0, 1]), [(2, true), (1, false)]);
}

#[test]
fn evictions_go_at_kubectls_pace() {
    let on: Vec<usize> = vec![0; 30];
    let mut w = World::new(1, 1, &[("web", &on)]);
    run(&mut w, &[&[0]], options());
    let evictions: Vec<Ms> = w
        .log
        .iter()
        .filter(|l| l.contains(" Evict {"))
        .filter_map(|l| l.split(' ').next().and_then(|t| t.parse().ok()))
        .collect();
    assert_eq!(evictions.len(), 30);
    let first = evictions[0];
    assert_eq!((evictions[9] - first, evictions[29] - first), (0, 4000), "ten at once, then five a second");

    let mut w = World::new(1, 1, &[("web", &on)]);
    let mut o = options();
    o.client = Some(RateLimit { qps: 0, burst: 0 });
    run(&mut w, &[&[0]], o);
    assert!(w.now < 5000);
}

/// When the n-th call of a kind left.
fn calls(w: &World, kind: &str) -> Vec<Ms> {
    let kind = format!(" {kind} {{");
    let lines = w.log.iter().filter(|l| l.contains(&kind) && l.contains("->"));
    lines.filter_map(|l| l.split(' ').next().and_then(|t| t.parse().ok())).collect()
}

#[test]
fn the_last_pod_of_the_list_is_evicted_first() {
    let mut w = World::new(1, 1, &[("web", &[0; 12])]);
    run(&mut w, &[&[0]], options());
    let order: Vec<&str> =
        lines(&w, Stream::Stdout).into_iter().filter_map(|l| l.strip_prefix("evicting pod default/")).collect();
    // names sort as text: web-0, web-1, web-10, web-11, web-2, …
    assert_eq!((order[0], order[1], order[11]), ("web-9", "web-0", "web-8"), "{order:?}");
}

#[test]
fn nodes_are_read_at_kubectls_pace_before_the_first_is_cordoned() {
    let mut w = World::new(12, 1, &[("web", &[0])]);
    run(&mut w, &[&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]], options());
    let (reads, cordons) = (calls(&w, "GetNode"), calls(&w, "Cordon"));
    assert_eq!((reads.len(), cordons.len()), (12, 12));
    assert!(cordons[0] > reads[11] && reads[11] >= 390, "ten at once, then five a second: {reads:?}");
    let second = cordons[9] - cordons[0];
    assert!(second < 100, "the patches have a limiter of their own: {cordons:?}");
}

#[test]
fn older_kubectls_evict_again_without_reading_the_pod() {
    for (minor, reads) in [(34, 0), (35, 1)] {
        let mut w = World::new(1, 1, &[("web", &[0])]);
        w.refuses.insert("web-0".into(), (3_000, 429));
        let mut o = options();
        o.kubectl_drain.version = KubectlVersion { minor };
        assert_eq!(run(&mut w, &[&[0]], o), (Outcome::Completed, None));
        let evictions = calls(&w, "Evict");
        let between = calls(&w, "GetPod").into_iter().filter(|t| *t > evictions[0] && *t < evictions[1]).count();
        assert_eq!((evictions.len(), between), (2, reads), "1.{minor}");
    }
}

#[test]
fn older_kubectls_cannot_delete_twice() {
    for (minor, says) in [(35, "cannot delete cannot delete Pods that"), (36, "cannot delete Pods that")] {
        let mut w = World::new(1, 1, &[]);
        w.stand_alone("lone", 0);
        let mut o = options();
        o.kubectl_drain.version = KubectlVersion { minor };
        assert_eq!(run(&mut w, &[&[0]], o).0, Outcome::Failed);
        let last = lines(&w, Stream::Stderr).last().copied().unwrap_or_default();
        assert!(last.starts_with(says), "1.{minor}: {last}");
    }
}

#[test]
fn disable_eviction_deletes_past_budgets() {
    let mut w = World::new(1, 1, &[("web", &[0, 0])]);
    w.refuses.insert("web-0".into(), (Ms::MAX, 429));
    let mut o = options();
    o.kubectl_drain.disable_eviction = true;
    assert_eq!(run(&mut w, &[&[0]], o), (Outcome::Completed, None));
    assert_eq!(
        lines(&w, Stream::Stdout),
        ["node/old-0 cordoned", "pod/web-0 deleted", "pod/web-1 deleted", "node/old-0 drained"]
    );
}

#[test]
fn a_deletion_that_takes_too_long_is_one_error_without_a_pod() {
    let mut w = World::new(1, 1, &[("web", &[0, 0])]);
    w.stop_ms = 60_000;
    let mut o = options();
    o.kubectl_drain.disable_eviction = true;
    o.kubectl_drain.timeout_ms = 5_000;
    run(&mut w, &[&[0]], o);
    let e = lines(&w, Stream::Stderr);
    assert_eq!(e[0], "There are pending pods in node \"old-0\" when an error occurred: context deadline exceeded");
    assert_eq!(e.last(), Some(&"error: context deadline exceeded"));
}

#[test]
fn the_time_for_deletions_begins_when_all_are_asked_for() {
    let on: Vec<usize> = vec![0; 28];
    let mut w = World::new(1, 1, &[("web", &on)]);
    w.stop_ms = 60_000;
    let mut o = options();
    o.kubectl_drain.disable_eviction = true;
    o.kubectl_drain.timeout_ms = 5_000;
    run(&mut w, &[&[0]], o);
    let late = w.lines.iter().find(|l| l.2.ends_with("context deadline exceeded")).expect("a timeout");
    assert_eq!(late.0 / 1000, 4 + 5, "28 deletions, a cordon and a list: ten at once, then five a second");
}

#[test]
fn a_pod_selector_leaves_the_other_pods_where_they_are() {
    for (selector, evicted) in [("app=web", "web-0"), ("app!=web", "api-0"), ("app notin (api, db)", "web-0")] {
        let mut w = World::new(1, 1, &[("web", &[0]), ("api", &[0])]);
        w.budget("web", "web", None);
        w.budget("api", "api", None);
        let mut o = options();
        o.kubectl_drain.pod_selector = selector.into();
        assert_eq!(run(&mut w, &[&[0]], o), (Outcome::Completed, None));
        let lines = lines(&w, Stream::Stdout);
        assert_eq!(
            lines[1..],
            [&format!("evicting pod default/{evicted}"), &format!("pod/{evicted} evicted"), "node/old-0 drained"]
        );
    }
}

#[test]
fn workloads_that_stay_behind_end_the_wait_at_its_limit() {
    // Whether it goes on or stops there: a workload that is down for good fails the migration (docs/outcomes.md).
    for (after, outcome) in [(AfterLimit::GoOn, Outcome::Failed), (AfterLimit::Stop, Outcome::Failed)] {
        let mut w = World::new(2, 0, &[("web", &[0, 1])]);
        let mut o = options();
        o.kubectl_drain.after_settle_timeout = after;
        let (got, failure) = run(&mut w, &[&[0], &[1]], o);
        assert_eq!(got, outcome);
        let failure = failure.expect("a failure");
        let cause =
            "pods-not-scheduled: Deployment/default/web has 0 of 2 ready replicas; pod default/web-1x is unschedulable";
        assert_eq!(failure, cause);
    }
}

#[test]
fn a_stop_leaves_the_cordon_of_somebody_who_had_taken_ours_back() {
    // Taken back once it is made again, and ours; taken back twice it is somebody else's matter, cordoned or not.
    for (meddling, uncordoned, cordoned) in [
        (vec![(8_000, Meddling::Uncordons(2))], true, false),
        (vec![(8_000, Meddling::Uncordons(2)), (9_000, Meddling::Uncordons(2))], false, false),
        (
            vec![(8_000, Meddling::Uncordons(2)), (9_000, Meddling::Uncordons(2)), (12_000, Meddling::Cordons(2))],
            false,
            true,
        ),
    ] {
        let mut w = World::new(3, 1, &[("web", &[0, 0, 0])]);
        w.refuses.insert("web-1".into(), (Ms::MAX, 429));
        w.stop_at = Some(20_000);
        w.resume_always = true;
        w.meddling = meddling;
        let (outcome, _) = run(&mut w, &[&[0], &[1], &[2]], Options { cordon: CordonWhen::AllFirst, ..options() });
        assert_eq!(outcome, Outcome::Stopped);
        let uncordons = |n: u32| w.log.iter().any(|l| l.contains(&format!("Uncordon {{ node: {:?}", NodeIdx(n))));
        assert_eq!([0, 1, 2].map(uncordons), [true, true, uncordoned], "{}", w.log.join("\n"));
        assert_eq!(w.state.nodes[NodeIdx(2)].unschedulable, cordoned);
    }
}

#[test]
fn a_stop_evicts_nothing_more() {
    let mut w = World::new(3, 1, &[("web", &[0, 1, 2])]);
    w.stop_at = Some(1500);
    let (outcome, _) = run(&mut w, &[&[0], &[1], &[2]], options());
    assert_eq!(outcome, Outcome::Stopped);
    assert_eq!(w.log.iter().filter(|l| l.contains(" Evict {")).count(), 1);
    w.refuses.clear();
}

#[test]
fn resumed_after_every_event_it_reaches_the_same_end() {
    let story = |resume: bool| {
        let mut w = World::new(3, 1, &[("web", &[0, 0, 1, 2]), ("db", &[1, 2])]);
        w.refuses.insert("web-1".into(), (12_000, 429));
        w.refuses.insert("db-1".into(), (Ms::MAX, 429));
        w.resume_always = resume;
        run(&mut w, &[&[0, 1], &[2]], options());
        w.log
    };
    assert_eq!(story(false), story(true));
}

#[test]
fn daemon_sets_are_skipped_refused_or_missing() {
    let world = |missing| {
        let mut w = World::new(1, 1, &[("agent", &[0]), ("web", &[0])]);
        let agent = crate::cluster::OwnerIdx(0);
        w.catalog.owners[agent].kind = crate::cluster::OwnerKind::DaemonSet;
        w.catalog.owners[agent].missing = missing;
        w
    };
    let mut w = world(false);
    assert_eq!(run(&mut w, &[&[0]], options()), (Outcome::Completed, None));
    assert_eq!(lines(&w, Stream::Stderr), ["Warning: ignoring DaemonSet-managed Pods: default/agent-0"]);
    assert!(!lines(&w, Stream::Stdout).contains(&"evicting pod default/agent-0"));

    let mut w = world(false);
    let mut o = options();
    o.kubectl_drain.ignore_daemonsets = false;
    assert_eq!(run(&mut w, &[&[0]], o).0, Outcome::Failed);
    let e = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/agent-0";
    assert_eq!(lines(&w, Stream::Stderr).last(), Some(&e));

    let mut w = world(true);
    assert_eq!(run(&mut w, &[&[0]], options()).0, Outcome::Failed);
    let e = "cannot delete daemonsets.apps \"agent\" not found: default/agent-0";
    assert_eq!(lines(&w, Stream::Stderr).last(), Some(&e));

    let mut w = world(true);
    let mut o = options();
    o.kubectl_drain.force = true;
    assert_eq!(run(&mut w, &[&[0]], o).0, Outcome::Completed);
    assert!(lines(&w, Stream::Stdout).contains(&"pod/agent-0 evicted"));
}

#[test]
fn empty_dir_needs_its_flag_and_finished_pods_do_not() {
    let mut w = World::new(1, 1, &[("web", &[0])]);
    let mut shape = w.catalog.shape(crate::cluster::SpecIdx(0)).clone();
    shape.volumes.push(crate::cluster::Volume::EmptyDir);
    let shape = w.catalog.intern_shape(shape);
    w.catalog.specs[crate::cluster::SpecIdx(0)].shape = shape;
    let mut o = options();
    o.kubectl_drain.delete_emptydir_data = false;
    assert_eq!(run(&mut w, &[&[0]], o.clone()).0, Outcome::Failed);
    let e = "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/web-0";
    assert_eq!(lines(&w, Stream::Stderr).last(), Some(&e));

    let mut w = World::new(1, 1, &[]);
    let pod = w.stand_alone("done", 0);
    w.state.set_phase(&w.catalog, pod, crate::cluster::Phase::Succeeded);
    assert_eq!(run(&mut w, &[&[0]], o).0, Outcome::Completed, "any finished pod can be removed");
    assert!(lines(&w, Stream::Stdout).contains(&"pod/done evicted"));
}

#[test]
fn all_first_cordons_every_old_node_before_the_first_batch() {
    let mut w = World::new(2, 1, &[("web", &[0, 1])]);
    let o = Options { cordon: crate::intent::options::CordonWhen::AllFirst, soak_ms: 60_000, ..options() };
    assert_eq!(run(&mut w, &[&[0], &[1]], o), (Outcome::Completed, None));
    assert_eq!(lines(&w, Stream::Stdout)[0], "node/old-0 already cordoned");
    assert!(w.now > 60_000, "the soak between the batches");
    let moved = w.log.iter().filter(|l| l.contains(" Evict {")).count();
    assert_eq!(moved, 2, "no pod moves twice");
}

#[test]
fn the_horizon_ends_a_wait_without_limit() {
    let mut w = World::new(1, 1, &[("web", &[0])]);
    w.refuses.insert("web-0".into(), (Ms::MAX, 429));
    let mut o = Options { horizon_ms: 60_000, ..options() };
    o.kubectl_drain.timeout_ms = 0;
    let (outcome, failure) = run(&mut w, &[&[0]], o);
    assert_eq!(outcome, Outcome::Failed);
    assert!(failure.is_some_and(|f| f.starts_with("horizon: batch 1 of 1 was under way")));
}

/// A StatefulSet's pod that a budget holds back is deleted by hand, and its successor comes up on a node.
fn replaced_on(node: usize, minor: u32, elsewhere: bool) -> World {
    let mut w = World::new(1, 1, &[("db", &[0, 0])]);
    w.refuses.insert("db-1".into(), (12_000, 429));
    w.meddling = vec![(7_000, Meddling::Replaces(1, node))];
    let mut o = options();
    o.kubectl_drain.version = KubectlVersion { minor };
    o.kubectl_drain.evict_successors_elsewhere = elsewhere;
    assert_eq!(run(&mut w, &[&[0]], o), (Outcome::Completed, None), "{}", w.log.join("\n"));
    w
}

#[test]
fn a_successor_that_runs_on_another_node_is_left_alone() {
    let successor = "Evict { pod: PodIdx(3)";
    for minor in [34, 36] {
        let w = replaced_on(1, minor, false);
        assert!(!w.log.iter().any(|l| l.contains(successor)), "1.{minor}: {}", w.log.join("\n"));
    }
    let w = replaced_on(1, 36, false);
    let said = "pod/db-1 has a successor on node new-0, which is left alone";
    assert!(lines(&w, Stream::Stdout).contains(&said), "{:?}", w.lines);
    // One that came up where it was has to leave.
    let w = replaced_on(0, 36, false);
    assert!(w.log.iter().any(|l| l.contains(successor)));
}

#[test]
fn kubectl_itself_evicts_it_there() {
    let w = replaced_on(1, 36, true);
    assert!(w.log.iter().any(|l| l.contains("Evict { pod: PodIdx(3), precondition: false")), "{}", w.log.join("\n"));
}

const WEBHOOK_FAILS: &str = "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: dial tcp: connection refused";
const WEBHOOK_DENIES: &str = "admission webhook \"guard.example.com\" denied the request: not today";

#[test]
fn a_webhook_that_fails_or_denies_ends_the_node_at_once_and_the_migration_after_the_batch() {
    for (code, message, said) in [
        (500, WEBHOOK_FAILS, "admission webhook guard.example.com fails"),
        (403, WEBHOOK_DENIES, "admission webhook guard.example.com denies it"),
        (400, WEBHOOK_DENIES, "admission webhook guard.example.com denies it"),
    ] {
        let world = || {
            let mut w = World::new(3, 1, &[("web", &[0, 0, 1, 2])]);
            for pod in ["web-0", "web-1", "web-2", "web-3"] {
                w.refuses.insert(pod.into(), (Ms::MAX, code));
                w.says.insert(pod.into(), (message.into(), None));
            }
            w
        };
        let mut w = world();
        let (outcome, failure) = run(&mut w, &[&[0], &[1], &[2]], options());
        let failure = failure.expect("a failure");
        assert_eq!(outcome, Outcome::Failed, "nothing was replaced");
        assert!(failure.starts_with("evictions-denied: ") && failure.contains(said), "{failure}");
        assert!(w.finished.as_ref().is_some_and(|f| f.0 < 20_000), "kubectl gives up at once: {:?}", w.finished);
        let error = format!("error when evicting pods/\"web-0\" -n \"default\": {message}");
        assert!(lines(&w, Stream::Stderr).iter().any(|l| l.contains(&error)), "{:?}", lines(&w, Stream::Stderr));
        // The nodes of the other batches are as they were.
        assert!(!lines(&w, Stream::Stdout).iter().any(|l| l.contains("old-1")), "{:?}", lines(&w, Stream::Stdout));
        // As asked for, it goes on as kubectl would with the next nodes.
        let mut w = world();
        let mut others = options();
        others.kubectl_drain.after_denial = AfterLimit::GoOn;
        let failure = run(&mut w, &[&[0], &[1], &[2]], others).1.expect("a failure");
        assert!(!failure.contains("evictions-denied") && failure.contains(said), "{failure}");
        assert!(lines(&w, Stream::Stdout).iter().any(|l| l.contains("node/old-2 cordoned")));
    }
    // Where admission lets some through, the others may fare better, too.
    let mut w = World::new(3, 1, &[("web", &[0, 0, 1, 2])]);
    w.refuses.insert("web-0".into(), (Ms::MAX, 403));
    w.says.insert("web-0".into(), (WEBHOOK_DENIES.into(), None));
    let failure = run(&mut w, &[&[0], &[1], &[2]], options()).1.expect("a failure");
    assert!(failure.starts_with("some-not-replaced: ") && failure.contains("guard.example.com denies"), "{failure}");
}

#[test]
fn the_time_of_a_node_is_over_whatever_answers() {
    let ended = |w: &World| {
        w.log
            .iter()
            .find_map(|l| l.contains("DrainFailed").then(|| l.split(' ').next().unwrap().parse::<Ms>().unwrap()))
    };
    // No answer at all, and its pods' ends cannot be seen.
    for from in [5, 2_000] {
        let mut w = World::new(2, 1, &[("web", &[0, 0, 1])]);
        w.stop_ms = 3_600_000;
        w.loses = Some((from, 200_000));
        run(&mut w, &[&[0], &[1]], options());
        assert!(ended(&w).is_none_or(|at| (90_000..=201_500).contains(&at)), "{from}: {:?}", ended(&w));
        assert!(w.finished.is_some());
    }
    // A server that asks for an hour's patience, and one that asks for ten seconds again and again.
    for (after, latest) in [(3_600_000, 90_100), (10_000, 200_500)] {
        let mut w = World::new(2, 1, &[("web", &[0, 1])]);
        w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        w.says.insert("web-0".into(), ("slowly".into(), Some(after)));
        run(&mut w, &[&[0], &[1]], options());
        let at = ended(&w).expect("it fails");
        assert!((89_999..=latest).contains(&at), "{after}: {at}");
    }
}
