//! Several clusters under one clock: each has the bytes of its own run, and what is done to one is nothing to the others.

use crate::engine::{assert_same, experiment, faults, quickstart, scenarios, told};
use nodeferry::experiment::{
    At, Experiment, Inject, InjectError, Life, RunFigures, RunResult, Simulation, Sink, SiteEvent, SiteIdx,
    SitesResult, SitesSummary, replicate, replicate_sites, site_seed,
};
use nodeferry::runner::{Answer, Call, NodeRef, Outcome, PodRef};
use nodeferry::sim::faults::{Component, Fault};
use nodeferry::trace::EventKind;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const SECOND: SiteIdx = SiteIdx(1);

/// A pair or a triple of scenarios.
fn several() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(scenarios(), 2..=3)
}

fn under_one_clock(alone: &[Experiment]) -> Experiment {
    alone[1..].iter().fold(alone[0].clone(), |all, next| all.beside(next))
}

/// All that a run says, and the cluster at its end.
fn all_of(run: &RunResult) -> Vec<String> {
    let mut all = told(run);
    all.push(format!("{} steps", run.steps));
    all.extend(format!("{:#?}", run.state).lines().map(str::to_owned));
    all
}

/// The cluster of an experiment with nobody who migrates it, and so much going wrong that something happens.
fn left_alone(scenario: &Value, faults: &[Value]) -> Experiment {
    let mut scenario = scenario.clone();
    scenario["sim"] = json!({"faults": faults});
    Experiment::of_cluster(experiment(&scenario).site().clone())
}

fn fault(value: &Value) -> Fault {
    serde_json::from_value(value.clone()).expect("a fault")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(8),
        failure_persistence: None,
        max_shrink_iters: 20,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_127),
        ..ProptestConfig::default()
    })]

    #[test]
    fn clusters_under_one_clock_have_the_bytes_of_their_own_runs(list in several(), seed in 0u64..100) {
        let alone: Vec<Experiment> = list.iter().map(experiment).collect();
        let all = under_one_clock(&alone);
        let SitesResult { sites, figures } = all.start(seed, Sink::trace()).finish_all();
        prop_assert_eq!(sites.len(), list.len());
        for ((site, run), (own, scenario)) in all.sites().zip(&sites).zip(alone.iter().zip(&list)) {
            let own_seed = site_seed(seed, site);
            let own_run = own.run(own_seed, Sink::trace());
            assert_same(&all_of(run), &all_of(&own_run), scenario);
            // And so has what `only` takes out again.
            let taken = all.only(site).expect("it is there");
            assert_same(&told(&taken.run(own_seed, Sink::trace())), &told(&own_run), scenario);
        }
        let sum = |of: fn(&RunFigures) -> u64| sites.iter().map(|s| of(&s.figures)).sum::<u64>();
        let longest = sites.iter().map(|s| s.figures.duration_ms).max();
        prop_assert_eq!(Some(figures.duration_ms), longest);
        prop_assert_eq!(
            [figures.evictions, figures.pods_moved, figures.launched, figures.node_ms],
            [sum(|f| f.evictions), sum(|f| f.pods_moved), sum(|f| f.launched), sum(|f| f.node_ms)]
        );
        prop_assert_eq!(figures.peak_nodes, peak(&sites));
        prop_assert_eq!(figures.batches.len(), sites.iter().map(|s| s.figures.batches.len()).sum::<usize>());
    }

    #[test]
    fn a_fork_of_several_clusters_ends_as_a_run_of_its_own(list in several(), batches in 0u32..3, seed in 0u64..100) {
        let all = under_one_clock(&list.iter().map(experiment).collect::<Vec<_>>());
        let fresh = all.start(seed, Sink::trace()).finish_all();
        let mut run = all.start(seed, Sink::trace());
        run.advance_past(batches);
        let fork = run.fork(None).finish_all();
        let run = run.finish_all();
        prop_assert_eq!(&fork.figures, &fresh.figures);
        for (site, fresh) in fresh.sites.iter().enumerate() {
            assert_same(&all_of(&fork.sites[site]), &all_of(fresh), &list[site]);
            assert_same(&all_of(&run.sites[site]), &all_of(fresh), &list[site]);
        }
    }

    #[test]
    fn what_is_injected_into_one_cluster_is_nothing_to_the_others(
        list in several(), at_ms in 0i64..200_000, which in 0usize..13, into in 0u32..2, seed in 0u64..100,
    ) {
        let alone: Vec<Experiment> = list.iter().map(experiment).collect();
        let all = under_one_clock(&alone);
        let into = SiteIdx(into);
        let inject = fault(&faults(at_ms + 1).swap_remove(which));
        let mut run = all.start(seed, Sink::trace());
        run.advance_to(at_ms);
        // The same is done to a run of its own, at the same moment.
        let mut own = alone[into.0 as usize].start(site_seed(seed, into), Sink::trace());
        own.advance_to(at_ms);
        let injected = run.inject(into.at(Inject::Fault(inject.clone())));
        prop_assert_eq!(&injected.map(|_| ()), &own.inject(Inject::Fault(inject)).map(|_| ()));
        let run = run.finish_all();
        for (site, scenario) in all.sites().zip(&list) {
            let expected = match site == into {
                true => own.fork(None).finish(),
                false => alone[site.0 as usize].run(site_seed(seed, site), Sink::trace()),
            };
            assert_same(&all_of(&run.sites[site.0 as usize]), &all_of(&expected), scenario);
        }
    }

    #[test]
    fn a_cluster_that_nobody_migrates_lives_as_long_as_the_others(
        pair in (scenarios(), scenarios()), which in 0usize..12, seed in 0u64..100, first in select(vec![true, false]),
    ) {
        let beside = left_alone(&pair.1, &faults(3_000)[which..which + 2]);
        let (migrated, own_seed) = (experiment(&pair.0), |site| site_seed(seed, site));
        let (both, of_migrated, of_beside) = match first {
            true => (beside.beside(&migrated), SECOND, SiteIdx::FIRST),
            false => (migrated.beside(&beside), SiteIdx::FIRST, SECOND),
        };
        let mut run = both.start(seed, Sink::trace());
        while run.step() {}
        let end_ms = run.now_ms();
        let run = run.finish_all();
        let at = |site: SiteIdx| &run.sites[site.0 as usize];
        let own = migrated.run(own_seed(of_migrated), Sink::trace());
        assert_same(&all_of(at(of_migrated)), &all_of(&own), &pair.0);
        let own = beside.living(Life::Until(end_ms)).run(own_seed(of_beside), Sink::trace());
        assert_same(&all_of(at(of_beside)), &all_of(&own), &pair.1);
        prop_assert_eq!((own.outcome, own.figures.outcome), (Outcome::Completed, None));
    }

    #[test]
    fn a_cluster_that_lives_on_has_its_migration_as_it_is(scenario in scenarios(), more in 1i64..600_000, seed in 0u64..100) {
        let plain = experiment(&scenario);
        let own = plain.run(seed, Sink::trace());
        let until = own.duration_ms + more;
        let mut living = plain.living(Life::Until(until)).start(seed, Sink::trace());
        while living.progress().outcome.is_none() {
            prop_assert!(living.step());
        }
        // Its migration has ended, and somebody may still do something.
        living.advance_to(until);
        prop_assert_eq!(living.now_ms(), until);
        prop_assert_eq!(living.inject(Inject::Outage(Component::Scheduler)), Ok(None));
        living.advance_to(until + 1);
        prop_assert_eq!(living.inject(Inject::Outage(Component::Scheduler)), Err(InjectError::Ended));
        let lived = living.finish();
        // How ready workloads become after the end is looked at apart where the cluster stops with its migration.
        let ended = own.observations.iter().position(|o| o.kind == EventKind::MigrationFinished);
        let events = ended.map_or(own.observations.len(), |at| at + 1);
        prop_assert_eq!(&lived.observations[..events], &own.observations[..events]);
        prop_assert!(lived.observations[events..].iter().all(|o| (own.duration_ms..=until).contains(&o.t_ms)));
        prop_assert_eq!((lived.outcome, &lived.lines, &lived.exits), (own.outcome, &own.lines, &own.exits));
        prop_assert_eq!((lived.figures.outcome, lived.figures.duration_ms), (own.figures.outcome, own.figures.duration_ms));
        prop_assert!(lived.violations.is_empty(), "{:?}", lived.violations);
    }

    #[test]
    fn any_shards_of_several_clusters_merge_to_the_same_bytes(list in several(), seed in 0u64..100, cut in 0u32..4) {
        let all = under_one_clock(&list.iter().map(experiment).collect::<Vec<_>>());
        let shard = |range| replicate_sites(&all, seed, range, 1, &|| ()).expect("runs");
        let bytes = |s: &SitesSummary| serde_json::to_string(s).expect("JSON");
        let whole = replicate_sites(&all, seed, 0..4, 2, &|| ()).expect("runs");
        let parts: Vec<SitesSummary> = [shard(0..cut), shard(cut..4)]
            .iter()
            .map(|s| serde_json::from_str(&bytes(s)).expect("what was written"))
            .collect();
        for (a, b) in [(0, 1), (1, 0)] {
            let merged = parts[a].clone().merge(parts[b].clone()).expect("one experiment");
            prop_assert_eq!(bytes(&merged), bytes(&whole));
        }
        prop_assert_eq!(whole.together().count(), 4);
        prop_assert_eq!(&whole.into_first(), &replicate(&all, seed, 0..4, 1, &|| ()).expect("runs"));
    }
}

/// Most nodes of all clusters at the end of any moment, counted from what happened.
fn peak(sites: &[RunResult]) -> u64 {
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for o in sites.iter().flat_map(|s| &s.observations) {
        match o.kind {
            EventKind::NodeAdded => changes.push((o.t_ms, 1)),
            EventKind::NodeDeleted => changes.push((o.t_ms, -1)),
            _ => {}
        }
    }
    changes.sort_by_key(|c| c.0);
    let (mut present, mut most) = (0, 0);
    for moment in changes.chunk_by(|a, b| a.0 == b.0) {
        present += moment.iter().map(|c| c.1).sum::<i64>();
        most = most.max(present);
    }
    most as u64
}

/// Two clusters of which somebody outside makes one: when the first has emptied a batch, the second gets it.
fn step_together(mut run: Simulation) -> SitesResult {
    let mut done = 0;
    while run.step() {
        let ended = run.progress().batches_ended;
        if ended > done {
            done = ended;
            let target = run.at(SECOND).expect("there are two");
            let view = target.view();
            let node = view.state.live_nodes().nth(done as usize).expect("a node");
            let call = SECOND.at(Inject::Call(Call::Cordon { node: NodeRef::of(view, node) }));
            let call = run.inject(call).expect("it lives").expect("a call");
            assert_eq!((call.site, run.answer_of(call)), (SECOND, Some(&Answer::Accepted)));
        }
    }
    run.finish_all()
}

#[test]
fn whoever_steps_the_run_joins_its_clusters() {
    let source = quickstart();
    let target = Experiment::of_cluster(source.site().clone());
    let both = source.named("eks").beside(&target.named("aks"));
    let list = Arc::new(Mutex::new(Vec::new()));
    let shown = list.clone();
    let names = ["eks", "aks"];
    let sink = Sink::Callback(Arc::new(move |o: At<&_>, view| {
        let event = SiteEvent::of(names[o.site.0 as usize], o.what, view);
        shown.lock().expect("a list").push((o.what.t_ms, serde_json::to_string(&event).expect("an event")));
    }));
    let joined = step_together(both.start(1, sink));
    let [first, second] = &joined.sites[..] else { panic!("two clusters") };
    assert!(first.violations.is_empty() && second.violations.is_empty());
    let lines = list.lock().expect("a list");
    assert!(lines.is_sorted_by_key(|l| l.0), "one clock");
    let cordons = |site: &str| {
        let of = format!("{{\"site\":\"{site}\",");
        lines.iter().filter(|(_, l)| l.starts_with(&of) && l.contains("\"event\":\"node_cordoned\"")).count()
    };
    assert_eq!(cordons("aks") as u32, 5, "one for each batch: {}", cordons("aks"));
    assert!(cordons("eks") > 0);
    // It is the same when it is done again, and in a fork of mid-run.
    let again = step_together(both.start(1, Sink::trace()));
    let forked = step_together(both.start(1, Sink::trace()).fork(None));
    for (a, b) in again.sites.iter().zip(&forked.sites) {
        assert_same(&all_of(a), &all_of(b), &json!("again"));
    }
    assert_eq!((&again.figures, &again.sites[1].figures), (&joined.figures, &second.figures));
}

#[test]
fn a_call_to_a_cluster_that_nobody_migrates_is_answered() {
    let alone = Experiment::of_cluster(quickstart().site().clone());
    let mut run = alone.start(1, Sink::trace());
    run.advance_to(1_000);
    let view = run.view();
    let protected =
        view.state.live_pods().find(|p| view.state.pod_text(view.catalog, *p).contains("trap-budget-never-met"));
    let pod = PodRef::of(view, protected.expect("a pod"));
    let evict = Inject::Call(Call::Evict { pod, precondition: true, grace_ms: None });
    let call = run.inject(evict).expect("it lives").expect("a call");
    run.advance_to(5_000);
    assert!(matches!(run.answer_of(call), Some(Answer::Refused { code: 429, .. })), "{:?}", run.answer_of(call));
    let nowhere = run.inject(SECOND.at(Inject::Outage(Component::Scheduler)));
    assert_eq!(nowhere, Err(InjectError::NoSuchSite(SECOND, 1)));
    assert!(run.at(SECOND).is_none() && alone.only(SECOND).is_none());
    // Nobody says for how long it lives: a day, and the run ends.
    let end = run.finish();
    assert!(end.duration_ms <= 86_400_000 && end.violations.is_empty(), "{} ms", end.duration_ms);
}
