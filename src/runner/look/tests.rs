//! Nothing counts as replaced, and nothing as completed, before it was looked at.

use super::some;
use crate::intent::Options;
use crate::intent::options::{ProcedureKind, SurgePreset};
use crate::runner::testing::{Fives, Meddling, World};
use crate::runner::{Ms, Outcome};
use std::sync::Arc;

fn options(procedure: ProcedureKind) -> Options {
    let mut options = Options { procedure, terminate_nodes: Some(false), ..Options::default() };
    options.surge.preset = SurgePreset::Gke;
    options
}
const ALL: [ProcedureKind; 4] =
    [ProcedureKind::KubectlDrain, ProcedureKind::Surge, ProcedureKind::OceanAws, ProcedureKind::OceanAzure];

fn run(options: &Options, make: &dyn Fn(&mut World)) -> (World, Outcome, String) {
    let once = |resume: bool| {
        let mut w = World::new(2, 2, &[("web", &[0, 0, 1])]);
        w.resume_always = resume;
        make(&mut w);
        let intent = w.intent(&[&[0, 1]], options.clone());
        w.run(&intent, Arc::new(Fives));
        w
    };
    let (w, again) = (once(false), once(true));
    assert_eq!(w.log.iter().zip(&again.log).find(|(a, b)| a != b), None, "a restart changes it");
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (w, outcome, failure.map_or(String::new(), |f| format!("{}: {}", f.reason, f.cause)))
}
fn times(w: &World, what: &str) -> Vec<Ms> {
    w.log.iter().filter(|l| l.contains(what)).filter_map(|l| l.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn every_node_is_looked_at_before_the_end_and_its_pods_after_it() {
    for procedure in ALL {
        let (w, outcome, failure) = run(&options(procedure), &|_| ());
        assert_eq!((outcome, failure.as_str()), (Outcome::Completed, ""), "{procedure:?}");
        let batch = times(&w, "BatchFinished")[0];
        for n in 0..2 {
            let found = *times(&w, &format!("FindNode {{ node: NodeId {{ name: \"old-{n}\"")).last().expect("a look");
            let listed = *times(&w, &format!("ListPods {{ node: NodeIdx({n})")).last().expect("a list");
            assert!(batch <= found && found < listed && listed <= w.now, "{procedure:?}: {}", w.log.join("\n"));
        }
        assert!(w.now - batch <= 5, "it takes two calls: {}", w.now - batch);
    }
}

#[test]
fn a_pod_that_came_during_the_drain_is_moved_too() {
    for procedure in ALL {
        // It tolerates the cordon, or was bound as the cordon came; kubectl has listed its pods already.
        let late = |w: &mut World| {
            w.launch_ms = 100;
            w.refuses.insert("web-0".into(), (200_000, 429));
            w.meddling =
                vec![(if procedure == ProcedureKind::KubectlDrain { 2_000 } else { 150_000 }, Meddling::PutsPod(0))];
        };
        let (w, outcome, failure) = run(&options(procedure), &late);
        assert_eq!((outcome, failure.as_str()), (Outcome::Completed, ""), "{procedure:?}");
        let put = w.state.pods.entries().find(|(_, p)| w.state.name(&w.catalog, p.name) == "put").expect("it was put");
        assert!(put.1.gone, "{procedure:?}: {}", w.log.join("\n"));
    }
}

#[test]
fn kubectl_drains_once_more_and_not_a_third_time() {
    let late = |w: &mut World| {
        w.refuses.insert("web-0".into(), (20_000, 429));
        w.meddling = vec![(2_000, Meddling::PutsPod(0))];
    };
    let mut o = options(ProcedureKind::KubectlDrain);
    let (w, outcome, _) = run(&o, &late);
    assert_eq!((outcome, times(&w, "CommandReturned").len()), (Outcome::Completed, 2));
    assert_eq!(times(&w, "is drained once more; pods came after it had been drained: default/put").len(), 1);
    // It is held back for longer than the second drain takes.
    o.kubectl_drain.timeout_ms = 60_000;
    let (w, outcome, failure) = run(&o, &|w| {
        late(w);
        w.refuses.insert("put".into(), (Ms::MAX, 429));
    });
    assert_eq!((outcome, times(&w, "CommandReturned").len()), (Outcome::PartlyCompleted, 2));
    assert!(failure.starts_with("held-by-budget: pod default/put on node old-0"), "{failure}");
    // kubectl alone does not look.
    o.kubectl_drain.drain_again = false;
    let (w, outcome, failure) = run(&o, &late);
    assert_eq!((outcome, times(&w, "CommandReturned").len()), (Outcome::PartlyCompleted, 1));
    assert_eq!(failure, "pods-left: node old-0: pods came after it had been drained: default/put");
}

#[test]
fn a_pod_that_is_going_is_waited_for() {
    let (w, outcome, failure) = run(&options(ProcedureKind::KubectlDrain), &|w| {
        w.start_ms = 30_000;
        w.meddling = vec![(30_500, Meddling::PutsPod(0)), (30_600, Meddling::TakesPod)];
    });
    assert_eq!((outcome, failure.as_str()), (Outcome::Completed, ""));
    assert!(w.now > 31_600, "{}", w.log.join("\n"));
}

#[test]
fn what_the_api_does_not_show_is_not_believed() {
    let o = options(ProcedureKind::KubectlDrain);
    let (w, outcome, _) = run(&o, &|w| w.blind = (1_500, 60_000));
    assert_eq!(outcome, Outcome::Completed);
    assert!(w.now >= 60_000);
    let (w, outcome, failure) = run(&o, &|w| w.blind = (1_500, Ms::MAX));
    // Not a single node was seen to be empty.
    assert_eq!(outcome, Outcome::Failed, "{failure}");
    assert!(failure.starts_with("nothing-replaced: node old-0: the API does not show whether it is empty: nodes is"));
    assert!(w.log.iter().any(|l| l.contains("reason: \"NotVerified\"")));
}

#[test]
fn few_pods_are_named_and_more_are_counted() {
    let pods = |n: usize| (0..n).map(|i| format!("p{i}")).collect::<Vec<_>>();
    assert_eq!(some(&pods(2)), "p0, p1");
    assert_eq!(some(&pods(7)), "p0, p1, p2, p3, p4 and 2 more");
}

#[test]
fn a_drained_node_that_has_work_again_is_given_back_by_a_stop() {
    for procedure in ALL {
        let mut options = options(procedure);
        options.soak_ms = 1_000_000;
        let once = |meddling: &[(Ms, Meddling)]| {
            let mut w = World::new(2, 2, &[("web", &[0, 1])]);
            w.launch_ms = 100;
            w.meddling = meddling.to_vec();
            w.stop_at = Some(700_000);
            let intent = w.intent(&[&[0], &[1]], options.clone());

            let runner = w.run(&intent, Arc::new(Fives));
            let (_, outcome, failure) = w.finished.clone().expect("an end");
            (w, runner, outcome, failure.expect("a stop says why").cause)
        };
        let (w, _, outcome, cause) = once(&[]);
        assert_eq!(outcome, Outcome::Stopped, "{procedure:?}");
        assert!(cause.ends_with("not replaced: old-1"), "{procedure:?}: {cause}");
        assert!(
            w.state.nodes[crate::cluster::NodeIdx(0)].unschedulable,
            "{procedure:?}: it is empty and stays cordoned"
        );
        let (w, runner, outcome, cause) = once(&[(600_000, Meddling::PutsPod(0))]);
        assert_eq!(outcome, Outcome::Stopped, "{procedure:?}");
        assert!(cause.ends_with("not replaced: old-0, old-1"), "{procedure:?}: {cause}");
        assert!(!w.state.nodes[crate::cluster::NodeIdx(0)].unschedulable, "{procedure:?}: {}", w.log.join("\n"));
        assert!(runner.progress().common.nodes[0].why.contains("pods came after it had been drained: default/put"));
    }
}
