//! The engine as a value: stepping, forking, injecting, sharing out and leaving the trace away change no byte of what happens.

use nodeferry::cluster::{OwnerKind, Phase, PodIdx};
use nodeferry::experiment::{
    Experiment, Inject, InjectError, MergeError, RunFigures, RunResult, RunSummary, Simulation, Sink, replicate,
    replication_seed,
};
use nodeferry::intent::NodeId;
use nodeferry::request::input::request_of_scenario;
use nodeferry::request::plan::experiment_of;
use nodeferry::request::scenario::Scenario;
use nodeferry::runner::{Answer, Call, NodeRef, Outcome, PodRef, StopMode};
use nodeferry::sim::faults::{Component, Fault, Window};
use nodeferry::trace::{EventKind, Metrics};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub(crate) fn experiment(scenario: &Value) -> Experiment {
    let scenario = Scenario::parse(&scenario.to_string(), Path::new("engine.json")).expect("a scenario");
    experiment_of(request_of_scenario(&scenario, false).expect("a cluster")).expect("an experiment")
}

/// All that a run says, line by line.
pub(crate) fn told(run: &RunResult) -> Vec<String> {
    let view = run.view();
    let events = run.observations.iter().map(|o| serde_json::to_string(&o.render(view)).expect("an event"));
    let mut told: Vec<String> = events.collect();
    told.extend(run.lines.iter().map(|l| format!("{l:?}")));
    told.push(format!("{:?} {:?} {:?} {:?} {:?}", run.outcome, run.failure, run.exits, run.returned_ms, run.figures));
    told.push(format!("{} ms, {:?}", run.duration_ms, run.violations));
    told
}

pub(crate) fn assert_same(left: &[String], right: &[String], what: &Value) {
    let differs = left.iter().zip(right).find(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}");
    assert_eq!(left.len(), right.len(), "{what}");
}

/// Small clusters, any procedure, any autoscaler, three batches.
pub(crate) fn scenarios() -> impl Strategy<Value = Value> {
    let beside = (
        select(vec!["kubectl-drain", "ocean-aws", "ocean-azure", "surge"]),
        select(vec!["none", "reactive", "ocean", "karpenter"]),
    );
    (0u64..1000, 4u32..=6, 1u32..=3, beside).prop_map(|(seed, nodes, new_nodes, (procedure, autoscaler))| {
        json!({
            "scenario": "engine",
            "cluster": {"generate": {"seed": seed, "nodes": nodes, "new_nodes": new_nodes, "pods_per_node": 4, "zones": 2}},
            "nodes": {"selector": "agentpool=old"},
            "options": {
                "procedure": procedure, "batch_size": "34%", "unscheduled_at_start": "ignore",
                "kubectl_drain": {"timeout_ms": 60_000, "force": true},
            },
            "autoscaler": {"kind": autoscaler},
        })
    })
}

/// What may go wrong from `from` on.
pub(crate) fn faults(from: i64) -> Vec<Value> {
    let window = json!({"from_ms": from, "until_ms": from + 40_000});
    vec![
        json!({"fault": "launch_failure", "window": window, "probability_ppm": 500_000}),
        json!({"fault": "capacity_shortage", "window": {"from_ms": from}, "available": 1}),
        json!({"fault": "slow_nodes", "window": window, "extra_ms": 30_000, "probability_ppm": 700_000}),
        json!({"fault": "crash_loop", "window": window, "probability_ppm": 200_000}),
        json!({"fault": "node_loss", "node": "new-0000", "at_ms": from}),
        json!({"fault": "outage", "component": "api-server", "window": window}),
        json!({"fault": "outage", "component": "scheduler", "window": window}),
        json!({"fault": "outage", "component": "controller-manager", "window": window}),
        json!({"fault": "outage", "component": "autoscaler", "window": window}),
        json!({"fault": "deletion_refused", "window": window}),
        json!({"fault": "uncordon_refused", "window": window}),
        json!({"fault": "manual_pods", "at_ms": from, "count": 3, "namespace": "made-by-hand", "cpu": "200m", "memory": "64Mi"}),
        json!({"fault": "manual_pods", "at_ms": from, "count": 2, "name": "one-more", "cpu": "3", "node_selector": {"agentpool": "old"}}),
    ]
}

proptest! {
    // The same cases every time: a test that fails must fail again. PROPTEST_CASES=500 looks further.
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(12),
        failure_persistence: None,
        max_shrink_iters: 40,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_126),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_fork_after_any_batch_ends_as_a_run_of_its_own(scenario in scenarios(), batches in 0u32..3, seed in 0u64..100) {
        let experiment = experiment(&scenario);
        let whole = told(&experiment.run(seed, Sink::trace()));
        let mut run = experiment.start(seed, Sink::trace());
        run.advance_past(batches);
        let fork = run.fork(None);
        assert_same(&told(&fork.finish()), &whole, &scenario);
        // What the fork did is nothing to the run that it was taken from.
        assert_same(&told(&run.finish()), &whole, &scenario);
    }

    #[test]
    fn an_injected_fault_is_as_one_of_the_scenario(
        scenario in scenarios(), batches in 0u32..3, which in 0usize..13, later in 1i64..20_000,
    ) {
        let plain = experiment(&scenario);
        let mut run = plain.start(3, Sink::trace());
        run.advance_past(batches);
        if run.progress().outcome.is_some() {
            return Ok(());
        }
        let fault = faults(run.now_ms() + later).swap_remove(which);
        let parsed: Fault = serde_json::from_value(fault.clone()).expect("a fault");
        let mut fork = run.fork(None);
        prop_assert_eq!(fork.inject(Inject::Fault(parsed)), Ok(None));
        let mut told_of = scenario.clone();
        told_of["sim"] = json!({"faults": [fault]});
        let faulty = experiment(&told_of);
        assert_same(&told(&fork.finish()), &told(&faulty.run(3, Sink::trace())), &told_of);
    }

    #[test]
    fn stepping_and_waiting_end_as_running_does(scenario in scenarios(), seed in 0u64..100, stride in 1i64..30_000) {
        let experiment = experiment(&scenario);
        let whole = told(&experiment.run(seed, Sink::trace()));
        let mut stepped = experiment.start(seed, Sink::trace());
        let mut last = 0;
        while stepped.step() {
            prop_assert!(stepped.now_ms() >= last, "time goes forward");
            last = stepped.now_ms();
        }
        assert_same(&told(&stepped.finish()), &whole, &scenario);
        let mut waited = experiment.start(seed, Sink::trace());
        let mut at = 0;
        while waited.progress().outcome.is_none() {
            at += stride;
            waited.advance_to(at);
            prop_assert!(waited.progress().outcome.is_some() || waited.now_ms() == at);
        }
        assert_same(&told(&waited.finish()), &whole, &scenario);
    }

    #[test]
    fn any_shards_of_replications_merge_to_the_same_bytes(scenario in scenarios(), seed in 0u64..100, a in 0u32..6, b in 0u32..6) {
        let experiment = experiment(&scenario);
        let shard = |range| replicate(&experiment, seed, range, 1, &|| ()).expect("runs");
        let bytes = |s: &RunSummary| serde_json::to_string(s).expect("JSON");
        let whole = replicate(&experiment, seed, 0..5, 2, &|| ()).expect("runs");
        prop_assert_eq!(whole.len(), 5);
        let (from, to) = (a.min(b).min(5), a.max(b).min(5));
        // Written and read, as they would come from other machines; overlapping; in any order.
        let parts: Vec<RunSummary> = [shard(0..from), shard(from..to), shard(to..5), shard(from..5)]
            .iter()
            .map(|s| serde_json::from_str(&bytes(s)).expect("what was written"))
            .collect();
        let merge = |order: &[usize]| {
            order.iter().try_fold(RunSummary::default(), |sum, i| sum.merge(parts[*i].clone())).expect("one experiment")
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            prop_assert_eq!(bytes(&merge(&order)), bytes(&whole));
        }
        let right = parts[1].clone().merge(parts[2].clone()).and_then(|s| parts[0].clone().merge(s)).expect("one experiment");
        prop_assert_eq!(bytes(&right), bytes(&whole));
    }

    #[test]
    fn the_figures_are_the_same_whether_the_trace_is_kept_or_not(scenario in scenarios(), seed in 0u64..100) {
        let experiment = experiment(&scenario);
        let kept = experiment.run(seed, Sink::trace());
        let summary = experiment.run(seed, Sink::Summary);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = seen.clone();
        let shown = experiment.run(seed, Sink::Callback(Arc::new(move |o, _| list.lock().expect("a list").push(o.what.clone()))));
        prop_assert!(summary.observations.is_empty() && shown.observations.is_empty());
        prop_assert_eq!(&*seen.lock().expect("a list"), &kept.observations);
        let view = kept.view();
        for figures in [&summary.figures, &shown.figures, &RunFigures::of(&kept.observations, view)] {
            prop_assert_eq!(figures, &kept.figures);
        }
        prop_assert_eq!((summary.outcome, &summary.failure, summary.duration_ms), (kept.outcome, &kept.failure, kept.duration_ms));
        // And they are what the trace's own figures are.
        let metrics = Metrics::from_events(kept.observations.iter().map(|o| o.render(view)));
        let f = &kept.figures;
        prop_assert_eq!(f.outcome.map(Outcome::text), metrics.outcome.as_deref());
        prop_assert_eq!(&f.reason, &metrics.reason);
        prop_assert_eq!(
            [f.duration_ms as u64, f.evictions, f.refused, f.preempted, f.launched, f.launch_failures, f.pods_moved, f.pods_moved_twice,
             f.peak_nodes, f.node_ms],
            [metrics.duration_ms(), metrics.evictions, metrics.refused, metrics.preempted, metrics.launched,
             metrics.launch_failures, metrics.pods_moved, metrics.pods_moved_twice, metrics.peak_nodes, metrics.node_ms()]
        );
        prop_assert_eq!(f.cost_micros, metrics.cost_micros);
        let at_start = metrics.nodes.iter().filter(|n| n.initial).count() as u64;
        prop_assert_eq!(f.surge_nodes, metrics.peak_nodes - at_start);
        let batches: Vec<_> = metrics.batches.iter().filter(|b| b.start_ms.is_some()).collect();
        prop_assert_eq!(f.batches.len(), batches.len());
        for (own, row) in f.batches.iter().zip(batches) {
            prop_assert_eq!((Some(own.start_ms as u64), own.end_ms.map(|t| t as u64)), (row.start_ms, row.end_ms));
            prop_assert_eq!((own.index, &own.outcome), (row.index, &row.outcome));
        }
    }
}

pub(crate) fn quickstart() -> Experiment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quickstart.yaml");
    let text = std::fs::read_to_string(&path).expect("a scenario");
    let scenario = Scenario::parse(&text, &path).expect("a scenario");
    experiment_of(request_of_scenario(&scenario, false).expect("a cluster")).expect("an experiment")
}

#[test]
fn a_fork_under_another_seed_shares_the_past_and_draws_another_future() {
    let experiment = quickstart();
    let mut run = experiment.start(1, Sink::trace());
    run.advance_past(2);
    let at = run.now_ms();
    assert_eq!((run.progress().batches_ended, run.progress().batches, run.progress().nodes), (2, 5, 10));
    let (same, other) = (run.fork(None), run.fork(Some(99)));
    assert_eq!((same.seed(), other.seed()), (1, 99));
    let (same, other) = (same.finish(), other.finish());
    let until = same.observations.iter().filter(|o| o.t_ms <= at).count();
    assert!(until > 50, "{until}");
    assert_eq!(same.observations[..until], other.observations[..until]);
    assert_ne!(same.observations, other.observations);
}

#[test]
fn others_call_and_stop_and_the_runner_goes_on() {
    let experiment = quickstart();
    let mut run = experiment.start(1, Sink::trace());
    run.advance_to(1_000);
    // Somebody cordons a new node: an event of its own, which no answer tells the runner of.
    let named = |name: &str| {
        let view = run.view();
        view.state.live_nodes().find(|n| view.state.node_name(view.catalog, *n) == name).expect("a node")
    };
    let node = named("new-0000");
    let mut fork = run.fork(None);
    let call = fork
        .inject(Inject::Call(Call::Cordon { node: NodeRef::of(run.view(), node) }))
        .expect("it is under way")
        .expect("a call");
    assert_eq!(fork.answer_of(call), Some(&Answer::Accepted));
    assert!(fork.view().state.nodes[node].unschedulable && !run.view().state.nodes[node].unschedulable);
    let ended = fork.finish();
    assert!(
        ended.observations.iter().any(|o| (o.kind, o.t_ms, o.node) == (EventKind::NodeCordoned, 1_000, Some(node)))
    );
    assert!(ended.violations.is_empty(), "{:?}", ended.violations);
    assert_eq!(ended.outcome, Outcome::PartlyCompleted);
    // Somebody evicts a pod that a budget protects: the answer takes a while, and is a refusal.
    let protected = {
        let view = run.view();
        let trapped = |p: &_| view.state.pod_text(view.catalog, *p).contains("trap-budget-never-met");
        view.state.live_pods().find(trapped).expect("a pod")
    };
    let mut fork = run.fork(None);
    // By its name and uid only: where the view has it is a hint.
    let pod = PodRef::from(PodRef::of(run.view(), protected).id);
    let evict = Call::Evict { pod, precondition: true, grace_ms: None };
    let call = fork.inject(Inject::Call(evict)).expect("it is under way").expect("a call");
    fork.advance_to(5_000);
    assert!(matches!(fork.answer_of(call), Some(Answer::Refused { code: 429, .. })), "{:?}", fork.answer_of(call));
    // Somebody stops it.
    let mut fork = run.fork(None);
    fork.inject(Inject::Stop(StopMode { terminate_drained: None })).expect("it is under way");
    assert_eq!(fork.finish().outcome, Outcome::Stopped);
}

/// A moment at which nothing else happens, so that it does not matter whether the outage still lasts then.
const BACK_MS: i64 = 91_987;

#[test]
fn an_outage_that_is_begun_and_ended_by_hand_is_that_of_a_scenario() {
    let experiment = quickstart();
    for component in [Component::ApiServer, Component::ControllerManager, Component::Scheduler] {
        let mut run = experiment.start(3, Sink::trace());
        run.advance_to(2_000);
        let mut by_hand = run.fork(None);
        by_hand.inject(Inject::Outage(component)).expect("it is under way");
        by_hand.advance_to(BACK_MS);
        by_hand.inject(Inject::Restore(component)).expect("it is away");
        let again = by_hand.inject(Inject::Restore(component));
        assert_eq!(again, Err(InjectError::NotAway(component.as_str(), BACK_MS)));
        let window = Window { from_ms: 2_000, until_ms: Some(BACK_MS) };
        run.inject(Inject::Fault(Fault::Outage { component, window })).expect("it is under way");
        let (by_hand, run) = (told(&by_hand.finish()), told(&run.finish()));
        assert_same(&by_hand, &run, &json!(component));
    }
}

#[test]
fn nodes_are_not_ready_for_a_moment_after_an_outage_that_was_longer_than_their_grace() {
    let experiment = quickstart();
    // When nodes are NotReady, and Ready again, after the API server was back.
    let after = |away_ms: i64, seed: u64| {
        let mut run = experiment.start(seed, Sink::trace());
        let window = Window { from_ms: 2_000, until_ms: Some(2_000 + away_ms) };
        run.inject(Inject::Fault(Fault::Outage { component: Component::ApiServer, window })).expect("it is under way");
        let ended = run.finish();
        assert!(ended.violations.is_empty(), "{:?}", ended.violations);
        let all = |kind| ended.observations.iter().filter(move |o| o.kind == kind);
        let times = |kind| all(kind).map(|o| o.t_ms - 2_000 - away_ms).filter(|t| *t > 0).collect::<Vec<i64>>();
        (times(EventKind::NodeNotReady), times(EventKind::NodeReady))
    };
    for seed in 1..=6 {
        assert_eq!(after(20_000, seed), (vec![], vec![]), "seed {seed}");
    }
    for away_ms in [60_000, 360_000] {
        let runs: Vec<_> = (1..=6).map(|seed| after(away_ms, seed)).collect();
        for (not_ready, ready) in &runs {
            assert!(not_ready.iter().all(|t| *t <= 5_000) && ready.iter().all(|t| *t <= 15_000), "{runs:?}");
            assert_eq!(not_ready.len(), ready.len(), "{runs:?}");
        }
        assert!(
            runs.iter().filter(|r| !r.0.is_empty()).count() >= 4,
            "most watches are not open again so soon: {runs:?}"
        );
    }
}

/// Pods made by hand that a budget covers, on a node that is emptied: all that knows pods by their specs must know those too.
#[test]
fn pods_made_by_hand_are_pods_as_any_others() {
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "by-hand", "namespace": "default", "uid": "budget-by-hand", "generation": 1},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "by-hand"}}},
        "status": {"observedGeneration": 1, "currentHealthy": 0, "desiredHealthy": 2, "expectedPods": 0, "disruptionsAllowed": 0},
    });
    let mut scenario = json!({
        "scenario": "engine",
        "cluster": {"generate": {"nodes": 5, "new_nodes": 3, "pods_per_node": 3}, "objects": [budget]},
        "nodes": {"selector": "agentpool=old"},
        "options": {"batch_size": "34%", "unscheduled_at_start": "ignore", "kubectl_drain": {"timeout_ms": 60_000, "force": true}},
    });
    let plain = experiment(&scenario);
    let mut run = plain.start(5, Sink::trace());
    run.advance_to(1_000);
    let mut list = Vec::new();
    for (name, at_ms) in [("by-hand", 1_001), ("late", 70_000)] {
        let fault = json!({"fault": "manual_pods", "at_ms": at_ms, "count": 3, "name": name, "node_selector": {"agentpool": "old"}});
        list.push(fault.clone());
        assert_eq!(run.inject(Inject::Fault(serde_json::from_value(fault).expect("a fault"))), Ok(None));
    }
    let run = run.finish();
    scenario["sim"] = json!({"faults": list});
    assert_same(&told(&run), &told(&experiment(&scenario).run(5, Sink::trace())), &scenario);
    let view = run.view();
    let of_hand = |o: &&nodeferry::trace::Observation| {
        o.pod.is_some_and(|p| view.state.pod_text(view.catalog, p).starts_with("default/by-hand-"))
    };
    let count = |kind| run.observations.iter().filter(of_hand).filter(|o| o.kind == kind).count();
    assert_eq!(count(EventKind::PodCreated), 3);
    assert!(count(EventKind::EvictionAccepted) + count(EventKind::EvictionRefused) > 0);
    assert!(run.violations.is_empty(), "{:?}", run.violations);
}

#[test]
fn what_cannot_be_injected_says_why_and_changes_nothing() {
    let experiment = quickstart();
    let mut run = experiment.start(1, Sink::trace());
    run.advance_to(2_000);
    let fault = |text: &str| Inject::Fault(serde_json::from_str(text).expect("a fault"));
    let lost = fault(r#"{"fault": "node_loss", "node": "new-0000", "at_ms": 1999}"#);
    assert_eq!(run.inject(lost), Err(InjectError::Past { at_ms: 1_999, now_ms: 2_000 }));
    let manual =
        |cpu: &str| fault(&json!({"fault": "manual_pods", "at_ms": 5_000, "count": 1, "cpu": cpu}).to_string());
    let error = run.inject(manual("a lot")).expect_err("no quantity").to_string();
    assert!(error.contains("manual_pods") && error.contains("cpu") && error.contains("a lot"), "{error}");
    let mut unknown = experiment.site().clone();
    unknown.admission = None;
    let mut unknown = Experiment::of_cluster(unknown).start(1, Sink::Summary);
    assert_eq!(unknown.inject(manual("1")), Err(InjectError::NoAdmission));
    let node = NodeId { name: "nowhere".into(), uid: "of-no-node".into() };
    let nowhere = Inject::Call(Call::Uncordon { node: node.into() });
    let error = run.inject(nowhere).expect_err("no such node").to_string();
    assert!(error.contains("node nowhere") && error.contains("view"), "{error}");
    let whole = told(&experiment.run(1, Sink::trace()));
    while run.step() {}
    assert_eq!(run.inject(Inject::Stop(StopMode { terminate_drained: None })), Err(InjectError::Ended));
    assert_same(&told(&run.finish()), &whole, &json!("quickstart"));
}

#[test]
fn summaries_of_different_experiments_do_not_merge() {
    let experiment = quickstart();
    let one = |seed, nth| RunSummary::of(seed, nth, &experiment.run(replication_seed(seed, nth), Sink::Summary));
    assert_eq!(one(1, 0).merge(one(2, 0)), Err(MergeError::Seeds(1, 2)));
    let other = RunSummary::of(1, 0, &experiment.run(7, Sink::Summary));
    assert_eq!(one(1, 0).merge(other), Err(MergeError::Run(0)));
    let failures = one(1, 0).merge(one(1, 1)).expect("one experiment");
    assert_eq!(
        failures.failures().iter().map(|(n, f)| (*n, f.reason.as_str())).collect::<Vec<_>>(),
        [(2, "held-by-budget")]
    );
}

/// The bench's scenario makes a cluster: it was refused once, and nobody ran the bench.
#[test]
fn the_bench_has_a_cluster() {
    let text = include_str!("../../benches/migration.yaml");
    let scenario = Scenario::parse(text, Path::new("migration.yaml")).expect("a scenario");
    let request = request_of_scenario(&scenario, false).expect("a cluster");
    assert_eq!(request.cluster.state.live_nodes().count(), 400);
}

/// While the API server is away nobody learns that a pod has ended for good; a node that somebody deletes is gone at once.
#[test]
fn a_pod_that_ends_during_an_outage_is_reported_after_it() {
    let with = |namespace: &str, pod: &str| {
        experiment(
            &json!({"scenario": "faults", "cluster": {"generate": {"nodes": 3, "pods_per_node": 4}}, "sim": {"faults": [
            {"fault": "outage", "component": "api-server", "window": {"from_ms": 1000, "until_ms": 61000}},
            {"fault": "pod_failure", "namespace": namespace, "pod": pod, "at_ms": 5000},
            {"fault": "node_deleted", "node": "old-0002", "at_ms": 120_000}]}}),
        )
    };
    let first = with("none", "none");
    let view = first.site().view();
    let is_owned = |p: &PodIdx| {
        let p = &view.state.pods[*p];
        let owner = view.catalog.specs[p.spec].owner;
        let owned = owner.is_some_and(|o| view.catalog.owners[o].kind == OwnerKind::ReplicaSet);
        owned && p.ready && p.node.is_some_and(|n| view.state.node_name(view.catalog, n) != "old-0002")
    };
    let pod = view.state.live_pods().find(is_owned).expect("a pod of a ReplicaSet");
    let name = view.state.pod_text(view.catalog, pod);
    let (namespace, pod_name) = name.split_once('/').expect("namespace/name");
    let left_alone = Experiment::of_cluster(with(namespace, pod_name).site().clone());
    let mut run = left_alone.start(1, Sink::Summary);
    let state = |run: &Simulation| (run.view().state.pods[pod].phase, run.view().state.pods[pod].ready);
    run.advance_to(60_999);
    assert_eq!(state(&run), (Phase::Running, true), "nobody has heard of it");
    run.advance_to(61_000);
    assert_eq!(state(&run), (Phase::Failed, false));
    let is_there = |run: &Simulation| {
        let view = run.view();
        view.state.live_nodes().any(|n| view.state.node_name(view.catalog, n) == "old-0002")
    };
    run.advance_to(119_999);
    assert!(is_there(&run));
    run.advance_to(120_000);
    assert!(!is_there(&run));
}
