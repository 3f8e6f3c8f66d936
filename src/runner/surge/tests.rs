//! Surge presets, rule by rule.

use crate::intent::Options;
use crate::intent::options::{BatchSize, ProcedureKind, SurgeOptions, SurgePreset, Undrainable};
use crate::runner::testing::{Fives, World};
use crate::runner::{Ms, Outcome};
use std::sync::Arc;

fn options(preset: SurgePreset) -> Options {
    Options {
        procedure: ProcedureKind::Surge,
        surge: SurgeOptions { preset, ..SurgeOptions::default() },
        ..Options::default()
    }
}

fn run(w: &mut World, batch: &[usize], options: Options) -> (Outcome, String) {
    let intent = w.intent(&[batch], options);
    w.run(&intent, Arc::new(Fives));
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (outcome, failure.map_or(String::new(), |f| format!("{}: {}", f.reason, f.cause)))
}

fn count(w: &World, what: &str) -> usize {
    w.log.iter().filter(|l| l.contains(what)).count()
}

#[test]
fn gke_takes_one_node_at_a_time_after_its_surge_node() {
    let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
    assert_eq!(run(&mut w, &[0, 1, 2], options(SurgePreset::Gke)), (Outcome::Completed, String::new()));
    let totals: Vec<&str> = w.log.iter().filter_map(|l| l.split("total: ").nth(1)).map(|t| &t[..1]).collect();
    assert_eq!(totals, ["1", "2", "3"], "a surge node per old node, one by one");
    assert_eq!(count(&w, "RetireNode"), 3);
    assert!(w.now >= 3 * w.launch_ms);
}

#[test]
fn aks_takes_as_many_as_it_has_surge_nodes() {
    let mut w = World::new(4, 0, &[("web", &[0, 1, 2, 3])]);
    let mut o = options(SurgePreset::Aks);
    o.surge.max_surge = Some(BatchSize::Nodes(4));
    assert_eq!(run(&mut w, &[0, 1, 2, 3], o).0, Outcome::Completed);
    assert!(w.now < 2 * w.launch_ms, "one buffer of four: {}", w.now);
}

#[test]
fn eks_taints_all_first_and_cordons_when_the_pods_are_gone() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    assert_eq!(run(&mut w, &[0, 1], options(SurgePreset::Eks)).0, Outcome::Completed);
    let at = |what: &str| w.log.iter().position(|l| l.contains(what)).unwrap_or_else(|| panic!("{what} never came"));
    assert!(at("Taint { node: NodeIdx(1)") < at("Evict"));
    assert!(at("Evict") < at("Cordon { node: NodeIdx(0)"));
    assert!(w.now >= 120_000, "60 s after each node");
}

#[test]
fn a_pod_that_resists_fails_the_upgrade_or_keeps_its_node_or_is_deleted() {
    let story = |undrainable| {
        let mut w = World::new(2, 0, &[("web", &[0, 1])]);
        w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        let mut o = options(SurgePreset::Aks);
        o.surge.undrainable = Some(undrainable);
        let end = run(&mut w, &[0, 1], o);
        (end, w)
    };
    let ((outcome, cause), w) = story(Undrainable::Schedule);
    assert_eq!(outcome, Outcome::Failed);
    assert!(cause.starts_with("node-timeout: node old-0 was not empty after 30 min: pod default/web-0"), "{cause}");
    assert_eq!(count(&w, "Uncordon"), 1);
    let ((outcome, cause), w) = story(Undrainable::Cordon);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert!(cause.starts_with("held-by-budget"), "{cause}");
    assert_eq!(count(&w, "RetireNode"), 1);
    let ((outcome, _), w) = story(Undrainable::Force);
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(count(&w, "PodForced"), 1);
}

#[test]
fn without_new_nodes_it_ends() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    w.capacity = 0;
    let (outcome, cause) = run(&mut w, &[0, 1], options(SurgePreset::Gke));
    assert_eq!(outcome, Outcome::Failed);
    assert!(cause.starts_with("no-new-nodes: group pool: 0 of 1 new nodes are Ready"), "{cause}");
    assert_eq!(count(&w, "Evict"), 0);
}

#[test]
fn resumed_after_every_event_it_reaches_the_same_end() {
    let story = |resume: bool| {
        let mut w = World::new(3, 0, &[("web", &[0, 0, 1, 2]), ("db", &[1, 2])]);
        w.refuses.insert("web-1".into(), (100_000, 429));
        w.resume_always = resume;
        w.stop_at = Some(300_000);
        run(&mut w, &[0, 1, 2], options(SurgePreset::Gke));
        w.log
    };
    assert_eq!(story(false), story(true));
}
