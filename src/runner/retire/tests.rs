//! A node that has work again is not given back, nor reimaged.

use crate::intent::Options;
use crate::intent::options::{KubectlDrainOptions, ProcedureKind, SurgeOptions, SurgePreset};
use crate::runner::testing::{Fives, Meddling, World};
use crate::runner::{Fate, Ms, Outcome, Runner};
use std::sync::Arc;

/// Two nodes in one batch, drained at once; their pods take minutes to start anew (or their node soaks), and only then are they retired.
const BETWEEN: Ms = 250_000;

fn options(procedure: ProcedureKind) -> Options {
    Options {
        procedure,
        terminate_nodes: Some(true),
        kubectl_drain: KubectlDrainOptions { settle_timeout_ms: None, ..KubectlDrainOptions::default() },
        surge: SurgeOptions {
            preset: SurgePreset::Aks,
            max_surge: Some(crate::intent::options::BatchSize::Nodes(2)),
            node_soak_ms: Some(300_000),
            ..SurgeOptions::default()
        },
        ..Options::default()
    }
}

fn migrate(procedure: ProcedureKind, meddling: &[(Ms, Meddling)]) -> (World, Runner) {
    let mut w = World::new(2, 1, &[("web", &[0, 1])]);
    w.start_ms = 300_000;
    w.meddling = meddling.to_vec();
    w.resume_always = true;
    let intent = w.intent(&[&[0, 1]], options(procedure));
    let runner = w.run(&intent, Arc::new(Fives));
    (w, runner)
}

const ALL: [ProcedureKind; 4] =
    [ProcedureKind::KubectlDrain, ProcedureKind::Surge, ProcedureKind::OceanAws, ProcedureKind::OceanAzure];

fn retired(w: &World) -> Vec<usize> {
    (0..2).filter(|n| w.log.iter().any(|l| ends(l, *n))).collect()
}

/// Whether a line asks for the end of the n-th node's machine as it is: to be given back, or (surge of AKS) reimaged.
fn ends(line: &str, n: usize) -> bool {
    ["RetireNode", "ReimageNode"].iter().any(|call| line.contains(&format!("{call} {{ node: NodeIdx({n})")))
}

fn why(w: &World) -> String {
    w.finished.clone().and_then(|f| f.2).map_or(String::new(), |f| f.cause)
}

#[test]
fn undisturbed_both_nodes_are_listed_once_more_and_given_back() {
    for procedure in ALL {
        let (w, runner) = migrate(procedure, &[]);
        assert_eq!(retired(&w), [0, 1], "{procedure:?}");
        assert_eq!(runner.outcome(), Some(Outcome::Completed), "{procedure:?}: {}", w.log.join("\n"));
        let end = w.log.iter().rposition(|l| ends(l, 0)).expect("it happened");
        let lists = |l: &String| l.contains("ListPods { node: NodeIdx(0)");
        assert!(w.log[..end].iter().any(lists), "{procedure:?}");
    }
}

#[test]
fn a_node_that_somebody_made_schedulable_again_is_kept() {
    for procedure in ALL {
        let (w, runner) = migrate(procedure, &[(BETWEEN, Meddling::Uncordons(0))]);
        assert_eq!(retired(&w), [1], "{procedure:?}");
        assert_eq!(runner.progress().common.nodes[0].fate, Fate::Failed, "{procedure:?}");
        assert!(why(&w).contains("schedulable again"), "{procedure:?}: {}", why(&w));
    }
}

#[test]
fn a_node_to_which_a_pod_came_though_it_is_cordoned_is_kept() {
    for procedure in ALL {
        let (w, runner) = migrate(procedure, &[(BETWEEN, Meddling::PutsPod(1))]);
        assert_eq!(retired(&w), [0], "{procedure:?}");
        assert_eq!(runner.progress().common.nodes[1].fate, Fate::Failed, "{procedure:?}");
        assert!(why(&w).contains("pods came after") && why(&w).contains("default/put"), "{procedure:?}: {}", why(&w));
    }
}

#[test]
fn a_pod_that_is_going_is_waited_for() {
    for procedure in ALL {
        let (mut w, _) = migrate(procedure, &[]);
        let first = |w: &World| {
            let line = w.log.iter().find(|l| ends(l, 1)).expect("it was given back");
            line.split(' ').next().and_then(|t| t.parse::<Ms>().ok()).expect("a time")
        };
        let undisturbed = first(&w);
        w = migrate(procedure, &[(BETWEEN, Meddling::PutsPod(1)), (undisturbed - 500, Meddling::TakesPod)]).0;
        assert!((undisturbed + 500..undisturbed + 3000).contains(&first(&w)), "{procedure:?}");
    }
}
