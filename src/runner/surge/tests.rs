//! Surge presets, rule by rule.

use crate::cluster::NodeIdx;
use crate::intent::Options;
use crate::intent::options::{BatchSize, ProcedureKind, SurgeOptions, SurgePreset, Undrainable, UpdateStrategy};
use crate::runner::testing::{Fives, Meddling, World};
use crate::runner::{Ms, Outcome};
use std::sync::Arc;

const MINUTE: Ms = 60_000;

fn options(preset: SurgePreset) -> Options {
    Options {
        procedure: ProcedureKind::Surge,
        surge: SurgeOptions { preset, ..SurgeOptions::default() },
        ..Options::default()
    }
}

/// AKS with so many surge nodes.
fn aks(surge: u32) -> Options {
    let mut o = options(SurgePreset::Aks);
    o.surge.max_surge = Some(BatchSize::Nodes(surge));
    o
}

fn run(w: &mut World, batch: &[usize], options: Options) -> (Outcome, String) {
    let intent = w.intent(&[batch], options);
    w.run(&intent, Arc::new(Fives));
    let (_, outcome, failure) = w.finished.clone().unwrap_or_else(|| panic!("it never ended:\n{}", w.log.join("\n")));
    (outcome, failure.map_or(String::new(), |f| format!("{}: {}", f.reason, f.cause)))
}

const COMPLETED: (Outcome, String) = (Outcome::Completed, String::new());

fn count(w: &World, what: &str) -> usize {
    w.log.iter().filter(|l| l.contains(what)).count()
}

/// When something was asked for or announced.
fn times(w: &World, what: &str) -> Vec<Ms> {
    w.log.iter().filter(|l| l.contains(what)).filter_map(|l| l.split(' ').next()?.parse().ok()).collect()
}

/// The totals of new nodes that were asked for.
fn totals(w: &World) -> Vec<&str> {
    let of = |t: &'static str| move |l: &String| l.contains(t);
    w.log.iter().filter(|l| of("EnsureNodes")(l)).filter_map(|l| l.split("total: ").nth(1)).map(|t| &t[..1]).collect()
}

/// Names of the nodes that are there.
fn nodes(w: &World) -> Vec<String> {
    let s = &w.state;
    let mut names: Vec<String> = s.live_nodes().map(|n| s.node_name(&w.catalog, n).to_owned()).collect();
    names.sort();
    names
}

/// The most nodes that there were at once, by when each came and went.
fn peak(w: &World) -> usize {
    let s = &w.state;
    let mut moments: Vec<(Ms, i64)> = s.nodes.iter().map(|n| (n.created, 1)).collect();
    for (i, _) in s.nodes.entries().filter(|(_, n)| n.gone) {
        let gone = |l: &&String| l.contains(&format!("RetireNode {{ node: NodeIdx({})", i.0));
        let reimaged = |l: &&String| l.contains(&format!("ReimageNode {{ node: NodeIdx({})", i.0));
        let at = |l: &String| l.split(' ').next().and_then(|t| t.parse::<Ms>().ok());
        let left = w.log.iter().find(gone).and_then(at).map(|t| t + 5000);
        moments.push((left.or(w.log.iter().find(reimaged).and_then(at)).expect("it went"), -1));
    }
    moments.sort();
    let mut now = 0;
    moments
        .iter()
        .map(|m| {
            now += m.1;
            now
        })
        .max()
        .unwrap_or(0) as usize
}

#[test]
fn a_new_machine_with_the_name_of_one_that_was_given_back_is_a_new_node() {
    for preset in [SurgePreset::Gke, SurgePreset::Eks] {
        let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
        w.names_return = true;
        w.provider_ids(|n| Some(format!("aws:///eu-west-1a/i-old-{n}")));
        let mut o = options(preset);
        // Each new machine comes after an old one went, so that it finds a name.
        if preset == SurgePreset::Gke {
            (o.surge.max_surge, o.surge.max_unavailable) = (Some(BatchSize::Nodes(0)), Some(BatchSize::Nodes(1)));
        }
        assert_eq!(run(&mut w, &[0, 1, 2], o), COMPLETED, "{}", w.log.join("\n"));
        assert_eq!(count(&w, "RegisteredAgain"), 0);
        assert!(nodes(&w).iter().any(|n| n.starts_with("old-")), "a name returned: {:?}", nodes(&w));
    }
}

#[test]
fn a_machine_of_which_no_id_is_known_is_the_old_one_by_its_name() {
    let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
    w.names_return = true;
    let mut o = options(SurgePreset::Gke);
    (o.surge.max_surge, o.surge.max_unavailable) = (Some(BatchSize::Nodes(0)), Some(BatchSize::Nodes(1)));
    assert_ne!(run(&mut w, &[0, 1, 2], o).0, Outcome::Completed);
}

// --- GKE ---

#[test]
fn gke_takes_one_node_at_a_time_after_its_surge_node() {
    let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
    assert_eq!(run(&mut w, &[0, 1, 2], options(SurgePreset::Gke)), COMPLETED);
    assert_eq!(totals(&w), ["1", "2", "3"], "a surge node per old node, one by one");
    assert_eq!((count(&w, "RetireNode"), peak(&w), nodes(&w).len()), (3, 4, 3));
    assert!(w.now >= 3 * w.launch_ms);
}

#[test]
fn gke_without_a_surge_node_makes_the_new_node_after_the_old_one_and_waits_for_the_last() {
    let mut w = World::new(3, 1, &[("web", &[0, 1, 2])]);
    let mut o = options(SurgePreset::Gke);
    (o.surge.max_surge, o.surge.max_unavailable) = (Some(BatchSize::Nodes(0)), Some(BatchSize::Nodes(1)));
    assert_eq!(run(&mut w, &[0, 1, 2], o), COMPLETED);
    assert_eq!((totals(&w), peak(&w), nodes(&w).len()), (vec!["1", "2", "3"], 4, 4));
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

// --- AKS ---

#[test]
fn aks_takes_as_many_as_it_has_surge_nodes() {
    let mut w = World::new(4, 0, &[("web", &[0, 1, 2, 3])]);
    assert_eq!(run(&mut w, &[0, 1, 2, 3], aks(4)), COMPLETED);
    assert!(w.now < 3 * w.launch_ms, "one buffer of four, and four that are reimaged at once: {}", w.now);
    assert_eq!(peak(&w), 8);
}

#[test]
fn aks_reimages_in_place_and_removes_its_surge_node_last() {
    let mut w = World::new(2, 0, &[("a", &[0]), ("b", &[0]), ("c", &[1]), ("d", &[1])]);
    assert_eq!(run(&mut w, &[0, 1], aks(1)), COMPLETED);
    assert_eq!((totals(&w), peak(&w), nodes(&w)), (vec!["1"], 3, vec!["old-0".to_owned(), "old-1".into()]));
    assert_eq!((count(&w, "ReimageNode"), count(&w, "RetireNode")), (2, 1));
    let (reimaged, removed) = (times(&w, "ReimageNode"), times(&w, "RetireNode"));
    assert!(reimaged[1] >= reimaged[0] + w.launch_ms, "the second begins when the first is back");
    assert!(removed[0] >= reimaged[1] + w.launch_ms, "the surge node goes when all are back");
    // Those that had moved to the surge node move once more.
    assert!(w.log.iter().any(|l| l.contains("NodeDrained { batch: 0, node: NodeIdx(2)")));
    let spec = |n: u32| w.state.nodes[NodeIdx(n)].spec.uid;
    assert!(spec(0) != spec(3), "what comes back is another Node object");
}

#[test]
fn a_machine_that_is_reimaged_under_its_node_object_is_made_schedulable_again() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    w.reimages_under_its_uid = true;
    assert_eq!(run(&mut w, &[0, 1], aks(1)), COMPLETED);
    assert_eq!((count(&w, "Uncordon"), count(&w, "RetireNode")), (2, 1));
    assert!(w.state.live_nodes().all(|n| !w.state.nodes[n].unschedulable) && nodes(&w) == ["old-0", "old-1"]);
}

#[test]
fn a_machine_that_cannot_be_reimaged_fails_the_upgrade_and_its_surge_node_is_removed() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    w.stuck.insert("old-0".into());
    let (outcome, cause) = run(&mut w, &[0, 1], aks(1));
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        cause.starts_with("no-new-nodes: node old-0 was to be reimaged, and is not Ready again (old-0: the role"),
        "{cause}"
    );
    assert_eq!((nodes(&w), count(&w, "RetireNode")), (vec!["old-0".to_owned(), "old-1".into()], 1));
}

#[test]
fn aks_goes_on_in_place_if_no_surge_node_comes_and_it_may() {
    let story = |unavailable| {
        let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
        w.capacity = 0;
        let mut o = aks(2);
        o.surge.max_unavailable = Some(BatchSize::Nodes(unavailable));
        (run(&mut w, &[0, 1, 2], o), w)
    };
    let ((outcome, cause), _) = story(0);
    assert_eq!(outcome, Outcome::Failed);
    assert!(cause.starts_with("no-new-nodes"), "{cause}");
    let (end, w) = story(1);
    assert_eq!((end, count(&w, "ReimageNode"), count(&w, "RetireNode"), peak(&w)), (COMPLETED, 3, 0, 3));
    assert!(times(&w, "Evict")[0] >= 15 * MINUTE, "after the surge nodes were waited for");
}

#[test]
fn a_pod_that_resists_fails_the_upgrade_or_keeps_its_node_or_is_deleted() {
    let story = |undrainable| {
        let mut w = World::new(2, 0, &[("web", &[0, 1])]);
        w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        let mut o = aks(1);
        o.surge.undrainable = Some(undrainable);
        let end = run(&mut w, &[0, 1], o);
        (end, w)
    };
    let unschedulable = |w: &World| w.state.live_nodes().filter(|n| w.state.nodes[*n].unschedulable).count();
    let ((outcome, cause), w) = story(Undrainable::Schedule);
    assert_eq!(outcome, Outcome::Failed);
    assert!(cause.starts_with("node-timeout: node old-0 was not empty after 30 min: pod default/web-0"), "{cause}");
    assert_eq!((count(&w, "Uncordon"), unschedulable(&w), nodes(&w).len()), (1, 0, 2), "the surge node is removed");
    let ((outcome, cause), w) = story(Undrainable::Cordon);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert!(cause.starts_with("held-by-budget"), "{cause}");
    assert_eq!((count(&w, "ReimageNode"), count(&w, "Uncordon"), unschedulable(&w)), (1, 0, 1), "it stays cordoned");
    assert_eq!(nodes(&w).len(), 3, "a surge node is kept in its place");
    let ((outcome, _), w) = story(Undrainable::Force);
    assert_eq!((outcome, count(&w, "PodForced"), nodes(&w).len()), (Outcome::Completed, 1, 2));
}

#[test]
fn more_blocked_nodes_than_are_allowed_fail_the_upgrade() {
    let story = |most| {
        let mut w = World::new(4, 0, &[("web", &[0, 1, 2, 3])]);
        w.refuses.insert("web-0".into(), (Ms::MAX, 429));
        w.refuses.insert("web-1".into(), (Ms::MAX, 429));
        let mut o = aks(1);
        o.surge.undrainable = Some(Undrainable::Cordon);
        o.surge.max_blocked_nodes = most;
        (run(&mut w, &[0, 1, 2, 3], o), w)
    };
    let ((outcome, cause), w) = story(None);
    assert_eq!(outcome, Outcome::Failed, "as many as max_surge, unless it is said");
    assert!(
        cause.contains("2 nodes could not be drained and are left cordoned, where max_blocked_nodes allows 1"),
        "{cause}"
    );
    assert_eq!(count(&w, "ReimageNode"), 0);
    let ((outcome, _), w) = story(Some(BatchSize::Nodes(2)));
    assert_eq!((outcome, count(&w, "ReimageNode"), nodes(&w).len()), (Outcome::PartlyCompleted, 2, 6));
    assert_eq!(peak(&w), 7, "another surge node for each that is kept");
}

#[test]
fn a_budget_may_refuse_the_second_eviction() {
    let story = |undrainable_surplus| {
        let mut w = World::new(2, 0, &[("web", &[0, 1])]);
        // A pod for each node. Its successor is named after it.
        w.slots = 1;
        w.refuses.insert("web-0x".into(), (Ms::MAX, 429));
        let mut o = aks(1);
        o.surge.undrainable_surplus = undrainable_surplus;
        (run(&mut w, &[0, 1], o), w)
    };
    let ((outcome, cause), w) = story(None);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert!(cause.starts_with("surplus-left: pod default/web-0x on node surge-0/pool/any/0"), "{cause}");
    assert_eq!((nodes(&w).len(), count(&w, "Uncordon")), (3, 1), "it stays, and takes pods again");
    let (end, w) = story(Some(Undrainable::Force));
    assert_eq!((end, count(&w, "PodForced"), nodes(&w).len()), (COMPLETED, 1, 2));
}

// --- EKS ---

#[test]
fn eks_grows_first_then_taints_all_and_cordons_when_the_pods_are_gone() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    assert_eq!(run(&mut w, &[0, 1], options(SurgePreset::Eks)), COMPLETED);
    let at = |what: &str| w.log.iter().position(|l| l.contains(what)).unwrap_or_else(|| panic!("{what} never came"));
    assert!(times(&w, "Taint { node: NodeIdx(0)")[0] >= w.launch_ms, "once the group has grown");
    assert!(at("Taint { node: NodeIdx(1)") < at("Evict"));
    assert!(at("Evict") < at("Cordon { node: NodeIdx(0)"));
    let (cordoned, retired) = (times(&w, "Cordon { node: NodeIdx(0)"), times(&w, "RetireNode { node: NodeIdx(0)"));
    assert!(retired[0] >= cordoned[0] + MINUTE, "60 s after each node");
}

#[test]
fn eks_replaces_what_it_terminates_and_shrinks_by_one_at_a_time() {
    let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
    assert_eq!(run(&mut w, &[0, 1, 2], options(SurgePreset::Eks)), COMPLETED);
    // One zone: two more than before.
    assert_eq!((totals(&w), peak(&w), nodes(&w).len()), (vec!["2", "3", "4", "5"], 5, 3));
    let retired = times(&w, "RetireNode");
    assert_eq!(retired.len(), 5);
    assert!(retired[1] - retired[0] >= 5 * MINUTE && retired[2] - retired[1] >= 5 * MINUTE, "{retired:?}");
    assert!(retired[4] - retired[3] >= MINUTE, "one is drained, rests and goes before the next: {retired:?}");
    let drained: Vec<bool> =
        (3..8).map(|n| count(&w, &format!("NodeDrained {{ batch: 0, node: NodeIdx({n})")) == 1).collect();
    assert_eq!(drained, [true, true, false, false, false], "the oldest");
}

#[test]
fn eks_with_the_minimal_strategy_never_has_more_nodes_than_before() {
    let mut w = World::new(3, 1, &[("web", &[0, 1, 2])]);
    let mut o = options(SurgePreset::Eks);
    o.surge.update_strategy = Some(UpdateStrategy::Minimal);
    assert_eq!(run(&mut w, &[0, 1, 2], o), COMPLETED);
    assert_eq!((totals(&w), peak(&w), count(&w, "RetireNode")), (vec!["1", "2", "3"], 4, 3));
}

#[test]
fn eks_takes_max_unavailable_nodes_at_once() {
    let story = |unavailable| {
        let mut w = World::new(4, 0, &[("web", &[0, 1, 2, 3])]);
        let mut o = options(SurgePreset::Eks);
        o.surge.max_unavailable = Some(BatchSize::Nodes(unavailable));
        assert_eq!(run(&mut w, &[0, 1, 2, 3], o), COMPLETED);
        (times(&w, "Evict"), totals(&w).iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
    };
    let (evictions, totals) = story(4);
    assert!(evictions[3] == evictions[0] && totals[0] == "4", "the group grows by as many: {totals:?}");
    let (evictions, totals) = story(2);
    assert!(
        evictions[1] == evictions[0] && evictions[2] >= evictions[0] + 5 * MINUTE && totals[0] == "2",
        "{evictions:?}"
    );
}

#[test]
fn eks_shrinks_past_budgets_after_fifteen_minutes() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    w.refuses.insert("web-0x".into(), (Ms::MAX, 429));
    assert_eq!(run(&mut w, &[0, 1], options(SurgePreset::Eks)), COMPLETED);
    assert_eq!((count(&w, "PodForced"), nodes(&w).len()), (1, 2));
    let refused: Vec<Ms> = times(&w, "-> Refused");
    assert!(times(&w, "DeletePod")[0] - refused[0] >= 15 * MINUTE, "{refused:?}");
}

#[test]
fn replacements_that_do_not_come_end_an_eks_update() {
    let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
    w.capacity = 3;
    let (outcome, cause) = run(&mut w, &[0, 1, 2], options(SurgePreset::Eks));
    assert_eq!(outcome, Outcome::Failed);
    assert!(cause.starts_with("no-new-nodes: group pool: 3 of 4 new nodes are Ready"), "{cause}");
}

// --- all ---

#[test]
fn a_stop_leaves_surplus_nodes_and_takes_cordons_back() {
    for preset in [SurgePreset::Eks, SurgePreset::Aks, SurgePreset::Gke] {
        for stop_at in [30_000, 61_500, 100_000, 200_000, 1_300_000, 1_350_000] {
            let mut w = World::new(3, 0, &[("web", &[0, 1, 2])]);
            w.stop_at = Some(stop_at);
            let end = run(&mut w, &[0, 1, 2], options(preset));
            let cordoned = w.state.live_nodes().filter(|n| w.state.nodes[*n].unschedulable).count();
            assert!(matches!(end.0, Outcome::Stopped | Outcome::Completed), "{preset:?} {stop_at}: {end:?}");
            assert_eq!(cordoned, 0, "{preset:?} {stop_at}");
            assert!(nodes(&w).len() >= 3, "{preset:?} {stop_at}");
        }
    }
}

#[test]
fn somebody_who_cordons_back_a_surplus_node_keeps_it() {
    let mut w = World::new(2, 0, &[("web", &[0, 1])]);
    // It is drained (its soak goes on) when somebody wants it.
    let mut o = options(SurgePreset::Eks);
    o.surge.node_interval_ms = Some(0);
    let mut undisturbed = World::new(2, 0, &[("web", &[0, 1])]);
    assert_eq!(run(&mut undisturbed, &[0, 1], o.clone()), COMPLETED);
    let drained = times(&undisturbed, "NodeDrained { batch: 0, node: NodeIdx(2)")[0];
    w.meddling = vec![(drained + 1000, Meddling::Uncordons(2))];
    let (outcome, cause) = run(&mut w, &[0, 1], o);
    assert_eq!(outcome, Outcome::PartlyCompleted);
    assert!(cause.starts_with("surplus-left") && cause.contains("made schedulable again"), "{cause}");
}

#[test]
fn resumed_after_every_event_it_reaches_the_same_end() {
    let story = |preset, stop_at, resume: bool| {
        let mut w = World::new(3, 0, &[("web", &[0, 0, 1, 2]), ("db", &[1, 2])]);
        w.refuses.insert("web-1".into(), (100_000, 429));
        w.refuses.insert("db-0x".into(), (1_500_000, 429));
        w.resume_always = resume;
        w.stop_at = stop_at;
        run(&mut w, &[0, 1, 2], options(preset));
        w.log
    };
    for preset in [SurgePreset::Eks, SurgePreset::Aks, SurgePreset::Gke] {
        for stop_at in [None, Some(300_000), Some(1_400_000)] {
            assert_eq!(story(preset, stop_at, false), story(preset, stop_at, true), "{preset:?}");
        }
    }
}
