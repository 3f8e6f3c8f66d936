//! Cordons that are refused or taken back, and nodes that are registered again under their names.

use crate::intent::Options;
use crate::intent::options::{AfterLimit, BatchSize, CordonWhen, ProcedureKind, SurgeOptions, SurgePreset};
use crate::runner::testing::{Fives, Meddling, World};
use crate::runner::{Fate, Ms, Outcome, Runner};
use std::sync::Arc;

/// Every procedure, with machines that are given back and without.
fn all() -> Vec<(String, Options)> {
    let mut all = Vec::new();
    for (procedure, preset) in [
        (ProcedureKind::KubectlDrain, SurgePreset::Aks),
        (ProcedureKind::OceanAws, SurgePreset::Aks),
        (ProcedureKind::OceanAzure, SurgePreset::Aks),
        (ProcedureKind::Surge, SurgePreset::Aks),
        (ProcedureKind::Surge, SurgePreset::Eks),
    ] {
        for terminates in [false, true] {
            let mut options = Options { procedure, terminate_nodes: Some(terminates), ..Options::default() };
            options.surge = SurgeOptions { preset, max_surge: Some(BatchSize::Nodes(2)), ..SurgeOptions::default() };
            options.ocean.batch_min_healthy_percent = 1;
            options.kubectl_drain.timeout_ms = 60_000;
            all.push((format!("{} {preset:?} {terminates}", procedure.name()), options));
        }
    }
    all
}
fn is_eks(options: &Options) -> bool {
    options.procedure == ProcedureKind::Surge && options.surge.preset == SurgePreset::Eks
}

/// Runs a story as it is and with a restart before every input: both must be the same.
fn tell(batches: &[&[usize]], options: &Options, make: &dyn Fn(&mut World)) -> (World, Runner) {
    let once = |resume: bool| {
        let mut w = World::new(3, 2, &[("web", &[0, 0, 1, 2])]);
        make(&mut w);
        w.resume_always = resume;
        let intent = w.intent(batches, options.clone());
        let runner = w.run(&intent, Arc::new(Fives));
        (w, runner)
    };
    let (w, runner) = once(false);
    let again = once(true).0;
    let differs = w.log.iter().zip(&again.log).find(|(a, b)| a != b);
    assert_eq!(differs, None, "a restart changes it");
    assert_eq!(w.log.len(), again.log.len());
    (w, runner)
}
fn end(w: &World) -> (Outcome, String) {
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (outcome, failure.map_or(String::new(), |f| format!("{}: {}", f.reason, f.cause)))
}
fn count(w: &World, what: &str) -> usize {
    w.log.iter().filter(|l| l.contains(what)).count()
}
fn evicted(w: &World, pod: u32) -> usize {
    count(w, &format!("Evict {{ pod: PodIdx({pod})"))
}
fn times(w: &World, what: &str) -> Vec<Ms> {
    w.log.iter().filter(|l| l.contains(what)).filter_map(|l| l.split(' ').next()?.parse().ok()).collect()
}
fn fate(runner: &Runner, n: usize) -> Fate {
    runner.progress().common.nodes[n].fate
}

#[test]
fn a_cordon_that_is_refused_twice_leaves_its_node_alone() {
    for (name, options) in all() {
        let (w, runner) = tell(&[&[0, 1], &[2]], &options, &|w| {
            w.no_cordon.insert("old-0".into(), (0, Ms::MAX));
        });
        let (outcome, failure) = end(&w);
        assert_eq!(outcome, Outcome::PartlyCompleted, "{name}: {failure}");
        assert!(failure.starts_with("cordon-refused: node old-0: it could not be cordoned: "), "{name}: {failure}");
        assert!(failure.contains("denied request: no"), "{name}: {failure}");
        assert_eq!(fate(&runner, 0), Fate::Failed, "{name}");
        assert!(fate(&runner, 1).is_replaced() && fate(&runner, 2).is_replaced(), "{name}");
        assert_eq!(count(&w, "Cordon { node: NodeIdx(0)"), 2, "{name}");
        assert_eq!(
            count(&w, "reason: \"CordonRefused\""),
            2,
            "{name}: reported when it is tried again and when it is not"
        );
        // EKS cordons when the pods are gone.
        if !is_eks(&options) {
            assert_eq!((evicted(&w, 0), evicted(&w, 1)), (0, 0), "{name}");
        }
        assert_eq!(count(&w, "RetireNode { node: NodeIdx(0)"), 0, "{name}");
    }
}

#[test]
fn nothing_is_evicted_where_no_node_can_be_cordoned() {
    for (name, options) in all().into_iter().filter(|o| !is_eks(&o.1)) {
        for cordon in [CordonWhen::PerBatch, CordonWhen::AllFirst] {
            let (w, _) = tell(&[&[0, 1], &[2]], &Options { cordon, ..options.clone() }, &|w| {
                w.no_cordon.insert("*".into(), (0, Ms::MAX));
            });
            let (outcome, failure) = end(&w);
            assert_eq!((outcome, count(&w, " Evict {")), (Outcome::Failed, 0), "{name}: {failure}");
            let reason = if options.procedure.is_ocean() { "batch-unhealthy: " } else { "nothing-replaced: " };
            assert!(failure.starts_with(reason) && failure.contains("denied request"), "{name}: {failure}");
        }
    }
}

#[test]
fn a_cordon_that_is_refused_for_a_moment_is_made_the_second_time() {
    for (name, options) in all() {
        for cordon in [CordonWhen::PerBatch, CordonWhen::AllFirst] {
            let (w, _) = tell(&[&[0, 1, 2]], &Options { cordon, ..options.clone() }, &|w| {
                w.no_cordon.insert("old-1".into(), (0, 9_000));
            });
            assert_eq!(end(&w), (Outcome::Completed, String::new()), "{name}");
        }
    }
}

#[test]
fn a_cordon_that_is_taken_back_once_is_made_again() {
    for (name, options) in all() {
        // A pod holds the node for a while, and meanwhile somebody makes it schedulable.
        let (w, _) = tell(&[&[0, 1, 2]], &options, &|w| {
            w.refuses.insert("web-0".into(), (200_000, 429));
            w.meddling = vec![(190_000, Meddling::Uncordons(0))];
        });
        let kubectl = options.procedure == ProcedureKind::KubectlDrain;
        if kubectl || is_eks(&options) {
            // kubectl has given up by then, and EKS keeps the pods away by a taint.
            continue;
        }
        assert_eq!(end(&w), (Outcome::Completed, String::new()), "{name}: {}", w.log.join("\n"));
        assert_eq!(times(&w, "Cordon { node: NodeIdx(0)").last(), Some(&190_000), "{name}");
        assert_eq!(count(&w, "reason: \"CordonLost\""), 1, "{name}");
    }
    let options = all().remove(0).1;
    let (w, _) = tell(&[&[0, 1, 2]], &options, &|w| {
        w.refuses.insert("web-0".into(), (20_000, 429));
        w.meddling = vec![(10_000, Meddling::Uncordons(0))];
    });
    assert_eq!(end(&w), (Outcome::Completed, String::new()), "{}", w.log.join("\n"));
    assert_eq!((count(&w, "Cordon { node: NodeIdx(0)"), count(&w, "reason: \"CordonLost\"")), (2, 1));
}

#[test]
fn a_cordon_that_is_taken_back_twice_leaves_its_node_to_a_person() {
    for (name, options) in all().into_iter().filter(|o| !is_eks(&o.1)) {
        // While the node is being drained: a budget holds one of its pods. After it a pod is deleted by an option or given up.
        let (w, runner) = tell(&[&[0, 1], &[2]], &options, &|w| {
            w.refuses.insert("web-0".into(), (Ms::MAX, 429));
            w.meddling = vec![(4_000, Meddling::Uncordons(0)), (4_500, Meddling::Uncordons(0))];
            w.launch_ms = 100;
        });
        let (outcome, failure) = end(&w);
        assert_eq!(outcome, Outcome::PartlyCompleted, "{name}: {failure}\n{}", w.log.join("\n"));
        assert!(
            failure.starts_with("cordon-lost: node old-0: somebody made it schedulable again"),
            "{name}: {failure}"
        );
        assert_eq!(fate(&runner, 0), Fate::Failed, "{name}");
        assert!(times(&w, "Evict { pod: PodIdx(0)").iter().all(|t| *t <= 4_500), "{name}: {}", w.log.join("\n"));
        assert_eq!(count(&w, "RetireNode { node: NodeIdx(0)"), 0, "{name}");
        assert!(
            !w.state.nodes[crate::cluster::NodeIdx(0)].unschedulable,
            "{name}: whoever made it schedulable has it so"
        );
    }
}

#[test]
fn a_cordon_that_cannot_be_made_again_leaves_its_node_to_a_person() {
    let options = all().remove(0).1;
    let (w, _) = tell(&[&[0, 1], &[2]], &options, &|w| {
        w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        w.no_cordon.insert("old-0".into(), (1_000, Ms::MAX));
        w.meddling = vec![(4_000, Meddling::Uncordons(0))];
    });
    let (outcome, failure) = end(&w);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert!(failure.starts_with("cordon-refused: node old-0: somebody made it schedulable again, and"), "{failure}");
    assert!(times(&w, "Evict { pod: PodIdx(0)").iter().all(|t| *t <= 4_000), "{}", w.log.join("\n"));
}

#[test]
fn nodes_of_batches_that_are_done_or_to_come_are_kept_cordoned_too() {
    let options = Options { cordon: CordonWhen::AllFirst, soak_ms: 60_000, ..all().remove(0).1 };
    let (w, _) = tell(&[&[0], &[1], &[2]], &options, &|w| {
        w.meddling = vec![(30_000, Meddling::Uncordons(0)), (30_000, Meddling::Uncordons(2))];
    });
    assert_eq!(end(&w), (Outcome::Completed, String::new()), "both are cordoned, and nothing came");
    assert_eq!((count(&w, "Cordon { node: NodeIdx(0)"), count(&w, "Cordon { node: NodeIdx(2)")), (2, 2));
    // A pod that came in the gap is seen in the end.
    let (w, runner) = tell(&[&[0], &[1], &[2]], &options, &|w| {
        w.meddling = vec![(30_000, Meddling::Uncordons(0)), (30_000, Meddling::PutsPod(0))];
    });
    let (outcome, failure) = end(&w);
    assert_eq!(outcome, Outcome::PartlyCompleted, "{failure}");
    assert_eq!(failure, "pods-left: node old-0: pods came after it had been drained: default/put");
    assert_eq!(runner.progress().batches()[0].outcome, Some(Outcome::Completed), "it was so when the batch ended");
    // A node whose batch begins per batch is nobody's before that.
    let (w, _) = tell(&[&[0], &[1], &[2]], &Options { cordon: CordonWhen::PerBatch, ..options }, &|w| {
        w.meddling = vec![(20_000, Meddling::Cordons(2)), (30_000, Meddling::Uncordons(2))];
    });
    assert_eq!(end(&w), (Outcome::Completed, String::new()));
    assert_eq!(count(&w, "Cordon { node: NodeIdx(2)"), 1);
}

#[test]
fn a_node_that_is_registered_again_under_its_name_is_not_the_plans() {
    for (name, options) in all() {
        let options = Options { soak_ms: 500_000, ..options };
        // While its batch is under way, after it, and before it.
        for (at, batches) in
            [(1_500, [&[0usize, 1] as &[usize], &[2]]), (400_000, [&[0, 1], &[2]]), (400_000, [&[2], &[0, 1]])]
        {
            // What was reimaged is nobody's concern any more.
            if options.reimages() && at > 1_500 && batches[0].contains(&0) {
                continue;
            }
            let (w, runner) = tell(&batches, &options, &|w| {
                w.launch_ms = 1_000;
                w.meddling = vec![(at, Meddling::RegistersAgain(0, false))];
            });
            let (outcome, failure) = end(&w);
            let n = batches.concat().iter().position(|i| *i == 0).expect("it is in the plan");
            assert_eq!(outcome, Outcome::PartlyCompleted, "{name} {at} {batches:?}: {failure}\n{}", w.log.join("\n"));
            assert!(failure.starts_with("node-registered-again: node old-0: it was deleted"), "{name}: {failure}");
            assert_eq!(fate(&runner, n), Fate::Failed, "{name}");
            assert_eq!(count(&w, "NodeWarning { batch"), 1, "{name}: {}", w.log.join("\n"));
            let s = &w.state;
            let again = s.nodes.entries().find(|(_, n)| s.name(&w.catalog, n.spec.uid) == "again-0");
            let again = again.expect("it was registered again").0.0;
            for call in ["RetireNode", "ReimageNode", "Cordon"] {
                assert_eq!(count(&w, &format!("{call} {{ node: NodeIdx({again})")), 0, "{name}: it is not touched");
            }
        }
    }
}

#[test]
fn a_node_that_is_registered_again_and_takes_no_pods_is_reported_only() {
    let options = Options { soak_ms: 60_000, ..all().remove(0).1 };
    let (w, _) = tell(&[&[0], &[1, 2]], &options, &|w| {
        w.meddling = vec![(30_000, Meddling::RegistersAgain(0, true))];
    });
    assert_eq!(end(&w), (Outcome::Completed, String::new()));
    assert_eq!(count(&w, "reason: \"RegisteredAgain\""), 1);
}

#[test]
fn after_drain_error_stop_ends_it_where_a_node_cannot_be_cordoned() {
    let mut options = all().remove(0).1;
    options.kubectl_drain.after_drain_error = AfterLimit::Stop;
    let (w, _) = tell(&[&[0, 1], &[2]], &options, &|w| {
        w.no_cordon.insert("old-0".into(), (0, Ms::MAX));
    });
    let (outcome, failure) = end(&w);
    assert_eq!(outcome, Outcome::Failed);
    assert!(failure.starts_with("drain-failed: node old-0: it could not be cordoned"), "{failure}");
    assert_eq!(evicted(&w, 3), 0, "the next batch does not begin");
}

#[test]
fn the_taint_that_keeps_pods_away_from_old_nodes_of_eks_is_replaced_by_a_cordon() {
    let (_, options) = all().into_iter().find(|o| is_eks(&o.1)).expect("it is among them");
    let (w, _) = tell(&[&[0, 1, 2]], &options, &|w| {
        w.refuses.insert("web-0".into(), (200_000, 429));
        w.meddling = vec![(100_000, Meddling::Untaints(0))];
    });
    assert_eq!(end(&w), (Outcome::Completed, String::new()), "{}", w.log.join("\n"));
    assert_eq!(times(&w, "Cordon { node: NodeIdx(0)").first(), Some(&100_000));
}
