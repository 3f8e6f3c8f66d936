//! Ocean's migration, rule by rule.

use super::{Doing, aws, azure};
use crate::intent::Options;
use crate::intent::options::{AwaitedPods, ProcedureKind, UnscheduledAtStart};
use crate::runner::procedure::words;
use crate::runner::stand::{NodeIs, PoolIs};
use crate::runner::testing::{Fives, Meddling, World};
use crate::runner::{Ms, Outcome};
use std::collections::{BTreeMap, BTreeSet};
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
    let expected = ["STARTING", "AWAIT_REPLACEMENTS", "DRAIN_NODES", "VALIDATE_DRAIN", "HANDLE_UNSCHEDULE"];
    assert_eq!(states(&w, " State {")[..5], expected);
    assert_eq!(states(&w, " State {")[5..], ["TERMINATE_NODES", "AWAIT_TERMINATION", "FINISHED"]);
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

/// What is done to a world and its options so that the migration fails.
type Tweak = fn(&mut World, &mut Options);

/// Each of the seven failures: what brings it about, its message on AKS and on EKS (without the beginning that all have), and how
/// its cause begins.
const SEVEN: [(Tweak, &str, &str, &str); 7] = [
    (
        |_, o| o.ocean.controller_reports = Some(false),
        "connectivity issues. Make sure the Spotinst controller is installed and working properly.",
        "connectivity issues. Make sure the Spotinst controller is installed and working properly.",
        "the Spotinst controller does not report",
    ),
    (
        |w, _| w.capacity = 0,
        "the inability to spin up enough new nodes. Make sure all required Virtual Node Groups are configured.",
        "inability to spin up enough new instances. Make sure all required Virtual Node Groups are configured.",
        "group pool: 0 of 1 new nodes are Ready",
    ),
    (
        |_, o| o.ocean.technical_timeout_ms = Some(30_000),
        "technical timeout.",
        "technical timeout.",
        "after 30 s, batch 1 of 2 was under way: waiting for new nodes: group pool: 0 of 1 new nodes are Ready",
    ),
    (
        |w, _| w.slots = 0,
        "the failure to schedule pods for new nodes.",
        "failure to schedule pods on new nodes.",
        "Deployment/default/web has 1 of 2 ready replicas; pod default/web-0x is unschedulable",
    ),
    (
        |w, _| {
            w.stuck.insert("old-0".into());
        },
        "failure to terminate old nodes.",
        "failure to terminate old instances.",
        "still there: old-0 (old-0: the role may not delete it)",
    ),
    (
        |w, o| {
            w.stuck.insert("old-0".into());
            // On EKS a stop keeps what is drained unless the stop itself says otherwise.
            o.terminate_nodes = Some(true);
            w.stop_at = Some(70_000);
            w.stop_terminates = Some(true);
        },
        "the failure to terminate old nodes during the migration Stop process.",
        "failure to terminate old instances during migration stop process.",
        "still there: old-0 (old-0: the role may not delete it)",
    ),
    (
        |w, _| {
            w.no_uncordon = true;
            w.stop_at = Some(30_000);
        },
        "failure to reschedule old nodes during the migration stop process.",
        "failure to reschedule old instances during migration stop process.",
        "still cordoned: old-0 (no)",
    ),
];

#[test]
fn every_failure_of_both_clouds_has_its_message_to_the_letter_and_a_cause() {
    for procedure in [ProcedureKind::OceanAzure, ProcedureKind::OceanAws] {
        for (tweak, aks, eks, cause) in SEVEN {
            let mut w = World::new(2, 0, &[("web", &[0, 1])]);
            let mut o = options(procedure);
            tweak(&mut w, &mut o);
            let (outcome, text) = run(&mut w, &[&[0], &[1]], o);
            assert_eq!(outcome, Outcome::Failed, "{text}");
            let failure = w.finished.expect("it ended").2.expect("a failure");
            let message = if procedure == ProcedureKind::OceanAzure { aks } else { eks };
            assert_eq!(failure.message, format!("The migration has stopped due to {message}"));
            assert!(failure.cause.starts_with(cause), "{procedure:?} {text}");
            assert!(!failure.advice.is_empty() && !failure.remedy.is_empty());
        }
    }
}

#[test]
fn what_was_created_by_hand_is_named_where_pods_find_no_place() {
    let mut w = World::new(1, 0, &[("web", &[0])]);
    w.stand_alone("lone", 0);
    w.slots = 0;
    w.meddling = vec![(62_000, Meddling::CreatesByHand("load-test"))];
    let (outcome, failure) = run(&mut w, &[&[0]], options(ProcedureKind::OceanAzure));
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        failure.contains(
            "pod default/web-0x is unschedulable; created by hand since the start, 1 pod in all, 1 of them not scheduled: \
             pod default/load-test"
        ),
        "{failure}"
    );
    let remedy = w.finished.and_then(|f| f.2).map(|f| f.remedy);
    assert_eq!(
        remedy.as_deref(),
        Some("Delete what was created by hand, or make room for it and for the named pods, then plan again.")
    );
}

#[test]
fn pods_by_hand_that_find_no_place_may_be_waited_for_as_well() {
    for (awaited, outcome) in [(AwaitedPods::Evicted, Outcome::Completed), (AwaitedPods::Cluster, Outcome::Failed)] {
        let mut w = World::new(1, 0, &[("web", &[0])]);
        w.stand_alone("lone", 0);
        w.meddling = vec![(30_000, Meddling::CreatesByHand("load-test"))];
        let mut o = options(ProcedureKind::OceanAzure);
        o.ocean.awaited_pods = awaited;
        let (got, failure) = run(&mut w, &[&[0]], o);
        assert_eq!(got, outcome, "{failure}");
        let cause = "The migration has stopped due to the failure to schedule pods for new nodes. <- pod default/load-test is not \
                     scheduled; created by hand since the start, 1 pod in all, 1 of them not scheduled: pod default/load-test";
        assert_eq!(failure, if outcome == Outcome::Failed { cause } else { "" });
    }
}

#[test]
fn lost_calls_are_named_when_the_connection_is_given_up() {
    let mut w = World::new(1, 0, &[("web", &[0])]);
    w.loses_from = Some(60_000);
    let mut o = options(ProcedureKind::OceanAws);
    o.ocean.connectivity_timeout_ms = 60_000;
    let (outcome, failure) = run(&mut w, &[&[0]], o);
    assert_eq!(outcome, Outcome::Failed);
    let cause = "<- calls were refused or lost for 60 s; the last of them to evict pod default/web-0: no answer";
    assert!(failure.ends_with(cause), "{failure}");
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
    let kinds = "pods: [PodOfNode { pod: \"default/lone\", kind: \"STAND_ALONE_POD\" }, \
                 PodOfNode { pod: \"default/web-0\", kind: \"UNKNOWN\" }]";
    assert!(w.log.iter().any(|l| l.contains("NodeState") && l.contains(kinds)), "{}", w.log.join("\n"));
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

// --- what the clouds' own APIs would say ---

#[test]
fn every_word_of_a_cloud_stands_for_something_and_every_stage_has_its_word() {
    use Doing::*;
    use Outcome::{Completed, Failed, PartlyCompleted, Stopped};
    let aws = |d| (words(ProcedureKind::OceanAws).doing)(d).expect("EKS has a word");
    let azure = |d| (words(ProcedureKind::OceanAzure).doing)(d).expect("AKS has a word");
    let table = [
        (Starting, "STARTING", "IN_PROGRESS"),
        (AwaitingNodes, "AWAIT_REPLACEMENTS", "IN_PROGRESS"),
        (Draining, "DRAIN_NODES", "IN_PROGRESS"),
        (Validating, "VALIDATE_DRAIN", "IN_PROGRESS"),
        (AwaitingPods, "HANDLE_UNSCHEDULE", "IN_PROGRESS"),
        (Terminating, "TERMINATE_NODES", "IN_PROGRESS"),
        (AwaitingTermination, "AWAIT_TERMINATION", "IN_PROGRESS"),
        (Stopping, "STOPPING", "IN_PROGRESS"),
        (Failing, "ERROR", "IN_PROGRESS"),
        (Rescheduling, "RESCHEDULE_NODES", "IN_PROGRESS"),
        (Ended(Completed), "FINISHED", "COMPLETED"),
        (Ended(PartlyCompleted), "FINISHED_ERROR", "PARTLY_COMPLETED"),
        (Ended(Failed), "FINISHED_ERROR", "FAILED"),
        (Ended(Stopped), "STOPPED", "STOPPED"),
    ];
    for (doing, on_eks, on_aks) in table {
        assert_eq!((aws(doing), azure(doing)), (on_eks, on_aks), "{doing:?}");
    }
    let all = |words: &mut dyn Iterator<Item = &'static str>| words.collect::<BTreeSet<_>>();
    assert_eq!(all(&mut table.iter().map(|t| t.1)), aws::STATES.into());
    assert_eq!(all(&mut table.iter().map(|t| t.2)), azure::STATES.into());
    let nodes = [
        (NodeIs::Waiting, None, "TO_BE_REPLACED"),
        (NodeIs::InProgress, None, "IN_PROGRESS"),
        (NodeIs::Replaced, None, "REPLACED"),
        (NodeIs::HeldByBudget, None, "NOT_REPLACED_DUE_TO_PDB"),
        (NodeIs::HeldByRestriction, None, "NOT_REPLACED_DUE_TO_RSD"),
        (NodeIs::HeldByStandAlone, Some("REQUIRES_MANUAL_MIGRATION"), "DID_NOT_REPLACE"),
        (NodeIs::LeftOut, None, "DID_NOT_REPLACE"),
        (NodeIs::NotReplaced, None, "COULD_NOT_BE_REPLACED"),
    ];
    for (is, on_eks, on_aks) in nodes {
        let word = |p| (words(p).node)(is);
        assert_eq!((word(ProcedureKind::OceanAws), word(ProcedureKind::OceanAzure)), (on_eks, Some(on_aks)), "{is:?}");
    }
    assert_eq!(all(&mut nodes.iter().filter_map(|n| n.1)), aws::INSTANCE_STATES.into());
    assert_eq!(all(&mut nodes.iter().map(|n| n.2)), azure::NODE_STATES.into());
    let pools = [PoolIs::Scaling, PoolIs::Ready, PoolIs::Failed, PoolIs::Partly];
    let pool = words(ProcedureKind::OceanAzure).pool;
    assert_eq!(all(&mut pools.iter().filter_map(|p| pool(*p))), azure::SCALE_STATES.into());
    for p in [ProcedureKind::KubectlDrain, ProcedureKind::Surge] {
        let silent = words(p);
        assert_eq!(
            ((silent.doing)(Starting), (silent.node)(NodeIs::Waiting), (silent.pool)(pools[0])),
            (None, None, None)
        );
    }
}

/// A story of two batches: what it is called, how the world and the options are made, and what is announced of the migration on
/// EKS, of the last state of each node on AKS, and of the new pool there.
struct Story {
    name: &'static str,
    nodes: usize,
    batches: &'static [&'static [usize]],
    tweak: Tweak,
    outcome: Outcome,
    eks: &'static [&'static str],
    aks_nodes: &'static [&'static str],
    aks_pool: &'static [&'static str],
}

const STORIES: &[Story] = &[
    Story {
        name: "all goes well",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |_, _| {},
        outcome: Outcome::Completed,
        eks: &[
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "TERMINATE_NODES",
            "AWAIT_TERMINATION",
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "TERMINATE_NODES",
            "AWAIT_TERMINATION",
            "FINISHED",
        ],
        aks_nodes: &["REPLACED", "REPLACED"],
        aks_pool: &["SCALING", "COMPLETED", "SCALING", "COMPLETED"],
    },
    Story {
        name: "the controller does not report",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |_, o| o.ocean.controller_reports = Some(false),
        outcome: Outcome::Failed,
        eks: &["STARTING", "ERROR", "FINISHED_ERROR"],
        aks_nodes: &["TO_BE_REPLACED", "TO_BE_REPLACED"],
        aks_pool: &[],
    },
    Story {
        name: "one of two new nodes comes",
        nodes: 3,
        batches: &[&[0, 1], &[2]],
        tweak: |w, _| w.capacity = 1,
        outcome: Outcome::Failed,
        eks: &["STARTING", "AWAIT_REPLACEMENTS", "ERROR", "RESCHEDULE_NODES", "FINISHED_ERROR"],
        aks_nodes: &["COULD_NOT_BE_REPLACED", "COULD_NOT_BE_REPLACED", "TO_BE_REPLACED"],
        aks_pool: &["SCALING", "PARTIAL_SUCCESS"],
    },
    Story {
        name: "no new node comes in the first batch",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, _| w.capacity = 0,
        outcome: Outcome::Failed,
        eks: &["STARTING", "AWAIT_REPLACEMENTS", "ERROR", "RESCHEDULE_NODES", "FINISHED_ERROR"],
        aks_nodes: &["COULD_NOT_BE_REPLACED", "TO_BE_REPLACED"],
        aks_pool: &["SCALING", "FAILED"],
    },
    Story {
        name: "stopped while new nodes are awaited",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, _| w.stop_at = Some(30_000),
        outcome: Outcome::Stopped,
        eks: &["STARTING", "AWAIT_REPLACEMENTS", "STOPPING", "RESCHEDULE_NODES", "STOPPED"],
        aks_nodes: &["DID_NOT_REPLACE", "DID_NOT_REPLACE"],
        aks_pool: &["SCALING", "FAILED"],
    },
    Story {
        name: "stopped, and what is drained is terminated",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, _| {
            w.stop_at = Some(61_500);
            w.stop_terminates = Some(true);
        },
        outcome: Outcome::Stopped,
        eks: &[
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "STOPPING",
            "TERMINATE_NODES",
            "AWAIT_TERMINATION",
            "STOPPED",
        ],
        aks_nodes: &["REPLACED", "DID_NOT_REPLACE"],
        aks_pool: &["SCALING", "COMPLETED"],
    },
    Story {
        name: "pods find no place",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, _| w.slots = 0,
        outcome: Outcome::Failed,
        eks: &[
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "ERROR",
            "FINISHED_ERROR",
        ],
        // It is empty, but its pods are ready nowhere.
        aks_nodes: &["COULD_NOT_BE_REPLACED", "TO_BE_REPLACED"],
        aks_pool: &["SCALING", "COMPLETED"],
    },
    Story {
        name: "an instance stays",
        nodes: 2,
        batches: &[&[0, 1]],
        tweak: |w, _| {
            w.stuck.insert("old-1".into());
        },
        outcome: Outcome::Failed,
        eks: &[
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "TERMINATE_NODES",
            "AWAIT_TERMINATION",
            "ERROR",
            "FINISHED_ERROR",
        ],
        aks_nodes: &["REPLACED", "COULD_NOT_BE_REPLACED"],
        aks_pool: &["SCALING", "COMPLETED"],
    },
    Story {
        name: "a budget holds one",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, _| {
            w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        },
        outcome: Outcome::PartlyCompleted,
        // Nothing of the first batch is terminated; what its budget held is made schedulable again in the end.
        eks: &[
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "TERMINATE_NODES",
            "AWAIT_TERMINATION",
            "RESCHEDULE_NODES",
            "FINISHED_ERROR",
        ],
        aks_nodes: &["NOT_REPLACED_DUE_TO_PDB", "REPLACED"],
        aks_pool: &["SCALING", "COMPLETED", "SCALING", "COMPLETED"],
    },
    Story {
        name: "a pod without a controller holds one",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, o| {
            w.stand_alone("lone", 1);
            o.ocean.evict_stand_alone_pods = false;
        },
        outcome: Outcome::PartlyCompleted,
        eks: &[
            "STARTING",
            "AWAIT_REPLACEMENTS",
            "DRAIN_NODES",
            "VALIDATE_DRAIN",
            "HANDLE_UNSCHEDULE",
            "TERMINATE_NODES",
        ],
        aks_nodes: &["REPLACED", "DID_NOT_REPLACE"],
        aks_pool: &["SCALING", "COMPLETED"],
    },
    Story {
        name: "the horizon comes while pods are evicted",
        nodes: 2,
        batches: &[&[0], &[1]],
        tweak: |w, o| {
            w.refuses.insert("web-0".into(), (Ms::MAX, 429));
            o.horizon_ms = 100_000;
        },
        outcome: Outcome::Failed,
        eks: &["STARTING", "AWAIT_REPLACEMENTS", "DRAIN_NODES", "ERROR", "RESCHEDULE_NODES", "FINISHED_ERROR"],
        aks_nodes: &["COULD_NOT_BE_REPLACED", "TO_BE_REPLACED"],
        aks_pool: &["SCALING", "COMPLETED"],
    },
];

fn told(story: &Story, procedure: ProcedureKind, resume: bool) -> World {
    let pods: Vec<usize> = (0..story.nodes).flat_map(|n| [n; 5]).collect();
    // Five pods of one workload on each node, so that each node wants one new node; the first pod is of node 0.
    let mut w = World::new(story.nodes, 0, &[("web", &pods)]);
    let mut o = options(procedure);
    o.ocean.eviction_spread_ms = 0;
    (story.tweak)(&mut w, &mut o);
    w.resume_always = resume;
    assert_eq!(run(&mut w, story.batches, o).0, story.outcome, "{}", story.name);
    w
}

/// The states that were announced of each node, by name.
fn of_nodes(w: &World) -> BTreeMap<String, Vec<String>> {
    let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in w.log.iter().filter(|l| l.contains("NodeState {")) {
        let field =
            |name: &str| line.split(&format!("{name}: \"")).nth(1).and_then(|s| s.split('"').next()).map(str::to_owned);
        nodes.entry(field("node").expect("a name")).or_default().push(field("state").expect("a state"));
    }
    nodes
}

#[test]
fn each_story_goes_through_its_states() {
    let mut seen = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for story in STORIES {
        let aws = told(story, ProcedureKind::OceanAws, false);
        let migration = states(&aws, " State {");
        assert_eq!(migration[..story.eks.len()], *story.eks, "{}: {migration:?}", story.name);
        assert!(migration.windows(2).all(|p| p[0] != p[1]), "{}: one is told twice: {migration:?}", story.name);
        let azure = told(story, ProcedureKind::OceanAzure, false);
        let on_aks = states(&azure, " State {");
        assert_eq!(on_aks, ["IN_PROGRESS", story.outcome.text()], "{}", story.name);
        let nodes = of_nodes(&azure);
        let last: Vec<&str> = nodes.values().map(|n| n.last().map_or("", |s| s.as_str())).collect();
        assert_eq!(last, story.aks_nodes, "{}", story.name);
        for (name, states) in &nodes {
            assert!(!states.iter().rev().skip(1).any(|s| s == "REPLACED"), "{}: {name} {states:?}", story.name);
            assert!(states.windows(2).all(|p| p[0] != p[1]), "{}: {name} {states:?}", story.name);
            assert!(
                states[0] == "TO_BE_REPLACED" || states[0] == "DID_NOT_REPLACE",
                "{}: {name} {states:?}",
                story.name
            );
        }
        assert_eq!(states(&azure, "PoolState {"), story.aks_pool, "{}", story.name);
        let end = azure.log.iter().position(|l| l.contains("MigrationFinished")).expect("it ends");
        assert_eq!(end, azure.log.len() - 1, "{}: nothing is told after the end", story.name);
        seen[0].extend(migration);
        seen[1].extend(nodes.into_values().flatten());
        seen[2].extend(states(&azure, "PoolState {"));
        // Restarted before every input it tells the same, and nothing twice.
        for (procedure, log) in [(ProcedureKind::OceanAws, aws.log), (ProcedureKind::OceanAzure, azure.log)] {
            assert_eq!(told(story, procedure, true).log, log, "{}", story.name);
        }
    }
    let is_seen = |what: usize, words: &[&str]| words.iter().filter(|w| !seen[what].contains(**w)).count();
    assert_eq!(is_seen(0, &aws::STATES), 0, "{:?}", seen[0]);
    // Restrict-scale-down needs a label, which this world has not: tests/it/ocean.rs has it.
    assert_eq!(is_seen(1, &azure::NODE_STATES), 1, "{:?}", seen[1]);
    assert_eq!(is_seen(2, &azure::SCALE_STATES), 0, "{:?}", seen[2]);
}
