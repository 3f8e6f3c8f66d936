//! Ocean's migration, rule by rule.

use super::{aws, azure};
use crate::plan::Options;
use crate::plan::options::{OceanOptions, ProcedureKind, UnscheduledAtStart};
use crate::runner::testing::{Fives, World};
use crate::runner::{Ms, Outcome};
use std::sync::Arc;

fn options(procedure: ProcedureKind) -> Options {
    Options { procedure, ..Options::default() }
}

fn run(w: &mut World, batches: &[&[usize]], options: Options) -> (Outcome, String) {
    let intent = w.intent(batches, options);
    w.run(&intent, Arc::new(Fives));
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (outcome, failure.map_or(String::new(), |f| format!("{} <- {}", f.message, f.cause)))
}

fn states(w: &World, kind: &str) -> Vec<String> {
    let state = |l: &String| l.split("state: \"").nth(1).and_then(|s| s.split('"').next()).map(str::to_owned);
    w.log.iter().filter(|l| l.contains(kind)).filter_map(state).collect()
}

fn times(w: &World, what: &str) -> Vec<Ms> {
    w.log.iter().filter(|l| l.contains(what)).filter_map(|l| l.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn replacements_come_first_and_evictions_are_spread_over_two_minutes() {
    let mut w = World::new(1, 0, &[("web", &[0; 10])]);
    assert_eq!(run(&mut w, &[&[0]], options(ProcedureKind::OceanAws)), (Outcome::Completed, String::new()));
    let evictions = times(&w, " Evict {");
    assert!(evictions[0] >= w.launch_ms, "not before the new nodes are Ready");
    let gaps: Vec<Ms> = evictions.windows(2).map(|p| p[1] - p[0]).collect();
    assert_eq!(gaps, [12_000; 9], "10 pods: one per 12 s");
    let expected = ["STARTING", "STARTING", "AWAIT_REPLACEMENTS", "DRAIN_NODES", "VALIDATE_DRAIN", "HANDLE_UNSCHEDULE"];
    assert_eq!(states(&w, " State {")[..6], expected);
    assert_eq!(states(&w, " State {")[6..], ["TERMINATE_NODES", "AWAIT_TERMINATION", "FINISHED"]);
    assert!(states(&w, " State {").iter().all(|s| aws::STATES.contains(&s.as_str())));
}

#[test]
fn a_budget_holds_its_node_or_is_forced_after_a_minute() {
    for (respect, outcome) in [(true, Outcome::PartlyCompleted), (false, Outcome::Completed)] {
        let mut w = World::new(2, 0, &[("web", &[0, 0, 1])]);
        w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        let mut o = options(ProcedureKind::OceanAzure);
        o.ocean.respect_pdb = respect;
        let (got, failure) = run(&mut w, &[&[0], &[1]], o);
        assert_eq!(got, outcome, "{failure}");
        let nodes = states(&w, "NodeState");
        assert!(nodes.iter().all(|s| azure::NODE_STATES.contains(&s.as_str())));
        assert_eq!(nodes.contains(&"NOT_REPLACED_DUE_TO_PDB".to_owned()), respect);
        assert_eq!(times(&w, "PodForced").is_empty(), respect);
        if !respect {
            let first = times(&w, " Evict {")[0];
            let forced = times(&w, " DeletePod {")[0];
            assert!((60_000..61_000).contains(&(forced - first)), "{first} {forced}");
        } else {
            assert!(failure.contains("default/web-0 on node old-0: The disruption budget web needs"), "{failure}");
            assert_eq!(times(&w, "Uncordon").len(), 1);
        }
    }
}

#[test]
fn every_failure_has_oceans_message_and_a_cause() {
    let aks = |tweak: &dyn Fn(&mut World, &mut OceanOptions)| {
        let mut w = World::new(2, 0, &[("web", &[0, 1])]);
        let mut o = options(ProcedureKind::OceanAzure);
        tweak(&mut w, &mut o.ocean);
        let (outcome, failure) = run(&mut w, &[&[0], &[1]], o);
        assert_eq!(outcome, Outcome::Failed, "{failure}");
        failure
    };
    let told = aks(&|_, o| o.controller_reports = Some(false));
    assert!(told.starts_with("The migration has stopped due to connectivity issues. Make sure the Spotinst controller is installed and working properly. <- the Spotinst"), "{told}");
    let told = aks(&|w, _| w.capacity = 0);
    assert!(told.starts_with("The migration has stopped due to the inability to spin up enough new nodes. Make sure all required Virtual Node Groups are configured. <- group pool: 0 of 1"), "{told}");
    let told = aks(&|_, o| o.technical_timeout_ms = Some(30_000));
    assert!(told.starts_with("The migration has stopped due to technical timeout. <- batch 1"), "{told}");
    let told = aks(&|w, _| w.slots = 0);
    assert!(told.starts_with("The migration has stopped due to the failure to schedule pods for new nodes. <- Deployment/default/web has 1 of 2 ready"), "{told}");
    let told = aks(&|w, _| {
        w.stuck.insert("old-0".into());
    });
    assert!(told.starts_with("The migration has stopped due to failure to terminate old nodes. <- still there: old-0 (old-0: the role may not"), "{told}");
    let told = aks(&|w, _| {
        w.stuck.insert("old-0".into());
        w.stop_at = Some(70_000);
    });
    assert!(told.starts_with("The migration has stopped due to the failure to terminate old nodes during the migration Stop process. <- still there: old-0"), "{told}");
    let told = aks(&|w, _| {
        w.no_uncordon = true;
        w.stop_at = Some(30_000);
    });
    assert!(told.starts_with("The migration has stopped due to failure to reschedule old nodes during the migration stop process. <- still cordoned: old-0"), "{told}");
}

#[test]
fn unschedulable_pods_refuse_the_start() {
    for (choice, outcome) in
        [(UnscheduledAtStart::Refuse, Outcome::Failed), (UnscheduledAtStart::Ignore, Outcome::Completed)]
    {
        let mut w = World::new(1, 0, &[("web", &[0])]);
        let pod = w.state.create_pod(&w.catalog, crate::cluster::SpecIdx(0), crate::cluster::Sym(0), 0);
        w.state.set_unschedulable_pod(pod, true);
        let o = Options { unscheduled_at_start: Some(choice), ..options(ProcedureKind::OceanAzure) };
        let (got, failure) = run(&mut w, &[&[0]], o);
        assert_eq!(got, outcome, "{failure}");
        if outcome == Outcome::Failed {
            assert!(failure.starts_with("The migration has stopped due to the failure to schedule pods for new nodes. <- 1 pod unschedulable"), "{failure}");
            assert_eq!(times(&w, " Cordon").len(), 0);
        }
    }
}

#[test]
fn a_stop_waits_for_pods_uncordons_what_was_not_drained_and_keeps_what_moved() {
    let mut w = World::new(2, 0, &[("web", &[0, 0, 0, 0])]);
    w.stop_at = Some(100_000);
    let mut o = options(ProcedureKind::OceanAws);
    o.unscheduled_at_start = None;
    assert_eq!(run(&mut w, &[&[0], &[1]], o).0, Outcome::Stopped);
    let evictions = times(&w, " Evict {");
    assert!(!evictions.is_empty() && evictions.len() < 4 && evictions.iter().all(|t| *t <= 100_000));
    assert_eq!(times(&w, "Uncordon").len(), 1);
    assert_eq!(times(&w, "RetireNode").len(), 0);
    let states = states(&w, " State {");
    assert!(states.contains(&"STOPPING".to_owned()) && states.last().is_some_and(|s| s == "STOPPED"), "{states:?}");
}

#[test]
fn too_few_replaced_nodes_stop_the_next_batch() {
    let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
    w.refuses.insert("web-0".into(), (Ms::MAX, 403));
    let (outcome, failure) = run(&mut w, &[&[0], &[1], &[2]], options(ProcedureKind::OceanAzure));
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        failure.contains("0 of 1 nodes of batch 1 are healthy, 50 % must be; node old-0: pod default/web-0"),
        "{failure}"
    );
}

#[test]
fn stand_alone_pods_may_hold_their_node() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    w.stand_alone("lone", 0);
    let mut o = options(ProcedureKind::OceanAws);
    o.ocean.evict_stand_alone_pods = false;
    o.ocean.batch_min_healthy_percent = 1;
    let (outcome, failure) = run(&mut w, &[&[0, 1]], o);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert!(failure.contains("node old-0: pod default/lone has no controller"), "{failure}");
    assert_eq!(states(&w, "NodeState"), ["REQUIRES_MANUAL_MIGRATION"]);
}

#[test]
fn resumed_after_every_event_it_reaches_the_same_end() {
    let story = |resume: bool| {
        let mut w = World::new(3, 0, &[("web", &[0, 0, 1, 2]), ("db", &[1, 2])]);
        w.refuses.insert("web-1".into(), (100_000, 429));
        w.refuses.insert("db-1".into(), (Ms::MAX, 429));
        w.resume_always = resume;
        run(&mut w, &[&[0, 1], &[2]], options(ProcedureKind::OceanAws));
        w.log
    };
    assert_eq!(story(false), story(true));
}
