//! The cycle by rule, and what is kept incrementally against what is derived anew.

use super::*;
use crate::cluster::draw::Draws;
use crate::cluster::*;
use crate::scheduler::FitStrategy;
use crate::scheduler::testbed::Bed;

fn decide(scheduler: &mut Scheduler, bed: &mut Bed, pod: PodIdx) -> Decision {
    scheduler.explain(&bed.catalog, &mut bed.state, pod, &mut |_| 0)
}

fn selector(bed: &mut Bed, key: &str, value: &str) -> Selector {
    let (key, value) = (bed.sym(key), bed.sym(value));
    Selector::All(vec![Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None }])
}

fn term(bed: &mut Bed, app: &str, key: &str) -> PodTerm {
    PodTerm::new(selector(bed, "app", app), vec![NsIdx(0)], bed.sym(key))
}

fn constraint(bed: &mut Bed, app: &str, key: &str, when: WhenUnsatisfiable) -> SpreadConstraint {
    SpreadConstraint {
        max_skew: 1,
        topology_key: bed.sym(key),
        when,
        selector: selector(bed, "app", app),
        min_domains: 1,
        honor_node_affinity: true,
        honor_node_taints: false,
    }
}

/// S/schedule_one.go `numFeasibleNodesToFind`.
#[test]
fn the_sample_shrinks_with_the_cluster() {
    let config = Profile::default();
    assert_eq!([99, 100, 400, 1000, 5000, 6000].map(|n| config.nodes_to_find(n)), [99, 100, 188, 420, 500, 300]);
    let config = Profile { percentage_of_nodes_to_score: 100, ..config };
    assert_eq!(config.nodes_to_find(400), 400);
}

/// S/schedule_one.go `findNodesThatPassFilters`: the search goes on where it stopped.
#[test]
fn the_next_search_starts_where_the_last_one_stopped() {
    let mut bed = Bed::new();
    let shape = bed.shape(100, 0);
    let spec = bed.spec(shape, &[]);
    bed.start();
    for i in 0..120 {
        bed.node(&format!("n{i}"), 4000, &[]);
    }
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
    let pod = bed.pod(spec, 0);
    for start in [0, 100, 80] {
        assert_eq!(scheduler.next_start, start);
        let decision = decide(&mut scheduler, &mut bed, pod);
        assert_eq!((decision.feasible, decision.evaluated), (100, 100));
    }
}

/// S/framework/types.go `FitError.Error`: counted reasons, sorted as text.
#[test]
fn a_refusal_counts_its_reasons() {
    let mut bed = Bed::new();
    let taint = bed.taint("dedicated");
    let shape = bed.shape(5000, 0);
    let spec = bed.spec(shape, &[]);
    bed.start();
    let nodes = ["a", "b", "c"].map(|n| bed.node(n, 4000, &[]));
    bed.state.set_taints(nodes[1], taint);
    bed.state.set_unschedulable(nodes[2], true);
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
    let pod = bed.pod(spec, 0);
    let decision = decide(&mut scheduler, &mut bed, pod);
    let failure = decision.failure().expect("nothing fits");
    let message = failure.message(&bed.catalog, "preemption: no.");
    let words = "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. preemption: no.";
    assert_eq!(message, words);
    assert!(failure.preemptible(bed.state.live_nodes()).is_empty(), "5 CPUs fit no empty node either");
    assert!(failure.rejectors.contains(PluginId::NodeResourcesFit));
}

/// P/nodeaffinity PreFilter: `metadata.name In` narrows the nodes; the others count as not satisfying the plugin.
#[test]
fn a_named_node_is_the_only_one_looked_at() {
    let mut bed = Bed::new();
    let name = bed.sym("a");
    let mut shape = bed.shape(5000, 0);
    let field = Requirement {
        key: bed.sym("metadata.name"),
        operator: Operator::In,
        values: [name].into_iter().collect(),
        bound: None,
    };
    shape.node_affinity =
        Some(NodeSelector { terms: vec![NodeSelectorTerm { expressions: Vec::new(), fields: vec![field] }] });
    let spec = bed.spec(shape, &[]);
    bed.start();
    for name in ["a", "b", "c"] {
        bed.node(name, 4000, &[]);
    }
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
    let pod = bed.pod(spec, 0);
    let decision = decide(&mut scheduler, &mut bed, pod);
    let message = decision.failure().expect("it does not fit").message(&bed.catalog, "");
    assert_eq!(
        message,
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    );
}

/// S/schedule_one.go `evaluateNominatedNode`: the nominated node is tried first; others yield to the nomination.
#[test]
fn a_nominated_pod_goes_where_it_was_promised_and_others_yield() {
    let mut bed = Bed::new();
    let (high, low) = (bed.shape(3000, 10), bed.shape(3000, 0));
    let (high, low) = (bed.spec(high, &[]), bed.spec(low, &[]));
    bed.start();
    let nodes = ["a", "b"].map(|n| bed.node(n, 4000, &[]));
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
    let (first, second) = (bed.pod(high, 0), bed.pod(low, 0));
    bed.state.nominate(first, Some(nodes[0]));
    assert_eq!(decide(&mut scheduler, &mut bed, second).node(), Some(nodes[1]), "the first node is promised");
    assert_eq!(decide(&mut scheduler, &mut bed, first).node(), Some(nodes[0]));
    assert!(bed.state.pods[first].node.is_none() && bed.state.requested(nodes[0])[0] == 0, "nothing was changed");
}

/// A class that failed says so again without a search, until something changes.
#[test]
fn a_failure_is_remembered_until_something_changes() {
    let mut bed = Bed::new();
    let shape = bed.shape(3000, 0);
    let spec = bed.spec(shape, &[]);
    bed.start();
    let node = bed.node("a", 4000, &[]);
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
    let there = bed.running(spec, node, 0);
    let (a, b) = (bed.pod(spec, 0), bed.pod(spec, 0));
    let first = decide(&mut scheduler, &mut bed, a).failure().cloned().expect("full");
    let again = decide(&mut scheduler, &mut bed, b).failure().cloned().expect("full");
    assert!(Arc::ptr_eq(&first, &again));
    bed.state.remove_pod(&bed.catalog, there);
    assert_eq!(decide(&mut scheduler, &mut bed, a).node(), Some(node));
}

/// Specs of every kind of cross-node rule, for the comparison below.
fn mixed(bed: &mut Bed) -> Vec<SpecIdx> {
    let mut specs = Vec::new();
    for (i, app) in ["a", "b", "c", "d"].into_iter().enumerate() {
        for kind in 0..5 {
            let mut shape = bed.shape(200 + 100 * i as i64, 0);
            match kind {
                0 => shape.anti_affinity = vec![term(bed, app, "kubernetes.io/hostname")],
                1 => shape.affinity = vec![term(bed, app, "zone")],
                2 => shape.preferred_affinity = vec![(10, term(bed, "a", "zone"))],
                3 => shape.spread = vec![constraint(bed, app, "zone", WhenUnsatisfiable::DoNotSchedule)],
                _ => {
                    let soft = WhenUnsatisfiable::ScheduleAnyway;
                    shape.spread =
                        vec![constraint(bed, app, "zone", soft), constraint(bed, app, "kubernetes.io/hostname", soft)];
                }
            }
            specs.push(bed.spec(shape, &[("app", app), ("other", "x")]));
        }
    }
    specs
}

#[test]
fn what_is_kept_equals_what_is_derived_anew() {
    let mut bed = Bed::new();
    let specs = mixed(&mut bed);
    let taint = bed.taint("dedicated");
    let templates: Vec<NodeSpec> = (0..40)
        .map(|i| bed.node_spec(&format!("n{i}"), 2000 + 500 * (i % 3), &[("zone", ["x", "y", "z"][i as usize % 3])]))
        .collect();
    bed.start();
    let mut templates = templates.into_iter();
    for template in templates.by_ref().take(12) {
        bed.state.add_node(Arc::new(template), None, true, 0);
    }
    let mut kept = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
    let draws = Draws::new(11);
    let mut placed: Vec<PodIdx> = Vec::new();
    let pick = |what: &str, nth: u64, n: usize| draws.below("incremental", what, nth, n as u64) as usize;
    for step in 0..600_u64 {
        match pick("what", step, 20) {
            0 => templates.next().into_iter().for_each(|t| {
                bed.state.add_node(Arc::new(t), None, true, 0);
            }),
            1 if bed.state.live_nodes().count() > 6 => {
                let node = bed.state.live_nodes().nth(pick("node", step, 5)).expect("there are more");
                bed.state.remove_node(node);
            }
            2 => {
                let node = bed.state.live_nodes().nth(pick("node", step, 5)).expect("there are more");
                let taints = if bed.state.nodes[node].taints.is_empty() { taint.clone() } else { Default::default() };
                bed.state.set_taints(node, taints);
            }
            3..=6 if !placed.is_empty() => {
                let pod = placed.swap_remove(pick("pod", step, placed.len()));
                match pick("end", step, 3) {
                    0 => bed.state.set_phase(&bed.catalog, pod, Phase::Succeeded),
                    1 => bed.state.set_deleting(pod, 0, 1000),
                    _ => bed.state.remove_pod(&bed.catalog, pod),
                }
            }
            7 if !placed.is_empty() => {
                let mark = bed.state.suppose();
                bed.state.detach(&bed.catalog, placed[pick("pod", step, placed.len())]);
                kept.sync(&bed.catalog, &bed.state);
                bed.state.rollback(&bed.catalog, mark);
            }
            _ => {}
        }
        let pod = bed.pod(specs[pick("spec", step, specs.len())], 0);
        let mut anew = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default());
        let (mine, theirs) = (decide(&mut kept, &mut bed, pod), decide(&mut anew, &mut bed, pod));
        compare(step, &mine, &theirs);
        match mine.node() {
            Some(node) => {
                bed.state.bind(&bed.catalog, pod, node, 0);
                placed.push(pod);
            }
            None => bed.state.remove_pod(&bed.catalog, pod),
        }
    }
    assert!(placed.len() > 20, "the clusters of this test hold some pods: {}", placed.len());
}

/// The same scores for the same nodes; the order of nodes depends on history, so that the choice may differ among the best.
fn compare(step: u64, mine: &Decision, theirs: &Decision) {
    let sorted = |d: &Decision| {
        let e = d.explanation.as_ref()?;
        let mut nodes: Vec<(NodeIdx, i64)> = e.feasible.iter().copied().zip(e.totals.iter().copied()).collect();
        nodes.sort_unstable();
        let sums: Vec<i64> = (0..e.feasible.len()).map(|i| e.plugins.iter().map(|p| p.1[i]).sum()).collect();
        assert_eq!(sums, e.totals, "step {step}: columns and rules agree");
        Some(nodes)
    };
    assert_eq!(sorted(mine), sorted(theirs), "step {step}");
    assert_eq!(mine.feasible, theirs.feasible, "step {step}");
    assert_eq!(mine.failure().map(|f| f.statuses.clone()), theirs.failure().map(|f| f.statuses.clone()), "step {step}");
}

/// A scheduler with the default profile changed at will.
fn scheduler_of(bed: &Bed, change: impl FnOnce(&mut Profile)) -> Scheduler {
    let mut profile = Profile::default();
    change(&mut profile);
    Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::of_profile(profile))
}

/// S/framework/runtime/framework.go `RunFilterPlugins`: the first refusal counts, so the order words the message.
#[test]
fn the_order_of_the_filters_words_the_refusal() {
    let mut bed = Bed::new();
    let shape = bed.shape(5000, 0);
    let ssd = (bed.sym("disk"), bed.sym("ssd"));
    let spec = bed.spec(PodShape { node_selector: vec![ssd], ..shape }, &[]);
    bed.start();
    bed.node("n0", 4000, &[]);
    let pod = bed.pod(spec, 0);
    let said = |bed: &mut Bed, filter: &[PluginId]| {
        let mut scheduler = scheduler_of(bed, |p| p.filter = filter.to_vec());
        let decision = decide(&mut scheduler, bed, pod);
        decision.failure().map(|f| (f.message(&bed.catalog, ""), f.rejectors.iter().collect::<Vec<_>>()))
    };
    use PluginId::{NodeAffinity, NodeResourcesFit};
    let affinity = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.".to_string();
    let fit = "0/1 nodes are available: 1 Insufficient cpu.".to_string();
    let first = said(&mut bed, &[NodeAffinity, NodeResourcesFit]);
    assert_eq!(first, Some((affinity.clone(), vec![NodeAffinity])));
    assert_eq!(said(&mut bed, &[NodeResourcesFit, NodeAffinity]), Some((fit, vec![NodeResourcesFit])));
    assert_eq!(said(&mut bed, &[NodeAffinity]), Some((affinity, vec![NodeAffinity])));
    assert_eq!(said(&mut bed, &[]), None, "nothing refuses it");
}

/// S/schedule_one.go `hasScoring`: without scores the first feasible node is taken, and the search goes on after it.
#[test]
fn where_nothing_scores_the_first_node_will_do() {
    let mut bed = Bed::new();
    let shape = bed.shape(100, 0);
    let spec = bed.spec(shape, &[]);
    bed.start();
    let nodes: Vec<NodeIdx> = (0..3).map(|i| bed.node(&format!("n{i}"), 4000, &[])).collect();
    let mut scheduler = scheduler_of(&bed, |p| p.score.clear());
    for i in [0, 1, 2, 0] {
        let pod = bed.pod(spec, 0);
        let decision = decide(&mut scheduler, &mut bed, pod);
        assert_eq!((decision.node(), decision.feasible), (Some(nodes[i]), 1));
    }
}

/// P/noderesources: packing, spreading, and by a shape.
#[test]
fn the_strategy_of_fit_decides_between_fuller_and_emptier() {
    let mut bed = Bed::new();
    let shape = bed.shape(1000, 0);
    let spec = bed.spec(shape, &[]);
    bed.start();
    let [empty, half, fuller] = ["empty", "half", "fuller"].map(|n| bed.node(n, 10_000, &[]));
    for (node, held) in [(half, 4), (fuller, 7)] {
        for _ in 0..held {
            let pod = bed.pod(spec, 0);
            bed.state.bind(&bed.catalog, pod, node, 0);
        }
    }
    let pod = bed.pod(spec, 0);
    let chosen = |bed: &mut Bed, fit: FitStrategy| {
        let mut scheduler = scheduler_of(bed, |p| {
            p.score = vec![(PluginId::NodeResourcesFit, 1)];
            p.fit_resources = vec![("cpu".into(), 1)];
            p.fit = fit;
        });
        decide(&mut scheduler, bed, pod).node()
    };
    assert_eq!(chosen(&mut bed, FitStrategy::LeastAllocated), Some(empty));
    assert_eq!(chosen(&mut bed, FitStrategy::MostAllocated), Some(fuller));
    let half_full = FitStrategy::RequestedToCapacityRatio(vec![(0, 0), (50, 100), (100, 0)]);
    assert_eq!(chosen(&mut bed, half_full), Some(half));
}

/// A weight may be negative, and turns a plugin round.
#[test]
fn a_negative_weight_turns_a_plugin_round() {
    let mut bed = Bed::new();
    let shape = bed.shape(1000, 0);
    let spec = bed.spec(shape, &[]);
    bed.start();
    let [_, full] = ["empty", "full"].map(|n| bed.node(n, 10_000, &[]));
    let there = bed.pod(spec, 0);
    bed.state.bind(&bed.catalog, there, full, 0);
    let pod = bed.pod(spec, 0);
    let mut scheduler = scheduler_of(&bed, |p| p.score = vec![(PluginId::NodeResourcesFit, -3)]);
    let decision = decide(&mut scheduler, &mut bed, pod);
    assert_eq!(decision.node(), Some(full));
    assert!(decision.explanation.is_some_and(|e| e.totals.iter().all(|t| *t < 0)));
}

/// P/noderesources/fit.go `fitsRequest`: only extended resources can be left out.
#[test]
fn ignored_resources_are_not_checked() {
    let mut bed = Bed::new();
    let gpu = bed.catalog.resource("example.com/gpu");
    let huge = bed.catalog.resource("hugepages-2Mi");
    let mut shape = bed.shape(100, 0);
    shape.requests.amounts.extend([(gpu, 1), (huge, 1)]);
    let spec = bed.spec(shape, &[]);
    bed.start();
    bed.node("n0", 4000, &[]);
    let pod = bed.pod(spec, 0);
    let said = |bed: &mut Bed, resources: &[&str], groups: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_string()).collect();
        let mut scheduler = scheduler_of(bed, |p| {
            p.ignored_resources = owned(resources);
            p.ignored_resource_groups = owned(groups);
        });
        let decision = decide(&mut scheduler, bed, pod);
        decision.failure().map(|f| f.message(&bed.catalog, "")).unwrap_or_default()
    };
    let both = "0/1 nodes are available: 1 Insufficient example.com/gpu, 1 Insufficient hugepages-2Mi.";
    let one = "0/1 nodes are available: 1 Insufficient hugepages-2Mi.";
    assert_eq!(said(&mut bed, &[], &[]), both);
    assert_eq!(said(&mut bed, &["example.com/gpu"], &[]), one);
    assert_eq!(said(&mut bed, &["hugepages-2Mi"], &["example.com"]), one);
    assert_eq!(said(&mut bed, &[], &["example"]), both);
}

/// Pods are judged by the profile whose name they give, over one common state.
#[test]
fn each_profile_places_its_own_pods() {
    let mut bed = Bed::new();
    let shape = bed.shape(1000, 0);
    let spread = bed.spec(shape.clone(), &[]);
    let packed = PodShape { scheduler_name: bed.sym("packing"), ..shape };
    let packed = bed.spec(packed, &[]);
    bed.start();
    let [empty, fuller] = ["empty", "fuller"].map(|n| bed.node(n, 10_000, &[]));
    let there = bed.pod(spread, 0);
    bed.state.bind(&bed.catalog, there, fuller, 0);
    let profile = |name: &str, fit| {
        let score = vec![(PluginId::NodeResourcesFit, 1)];
        Arc::new(Profile { name: name.into(), fit, score, ..Profile::default() })
    };
    let profiles =
        vec![profile("default-scheduler", FitStrategy::LeastAllocated), profile("packing", FitStrategy::MostAllocated)];
    let config = SchedulerConfig { profiles, ..SchedulerConfig::default() };
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, config);
    for (spec, node) in [(spread, empty), (packed, fuller)] {
        let pod = bed.pod(spec, 0);
        assert_eq!(decide(&mut scheduler, &mut bed, pod).node(), Some(node));
    }
}

/// P/nodeaffinity: what the profile adds is asked before what the pod asks for.
#[test]
fn added_affinity_refuses_in_its_own_words() {
    let mut bed = Bed::new();
    let shape = bed.shape(100, 0);
    let spec = bed.spec(shape, &[]);
    let (key, value) = (bed.sym("pool"), bed.sym("a"));
    let pool = Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None };
    let selector = NodeSelector { terms: vec![NodeSelectorTerm { expressions: vec![pool], fields: Vec::new() }] };
    bed.start();
    bed.node("n0", 4000, &[("pool", "b")]);
    let pod = bed.pod(spec, 0);
    let mut scheduler = scheduler_of(&bed, |p| p.added_affinity = Some(selector));
    let decision = decide(&mut scheduler, &mut bed, pod);
    let said = decision.failure().map(|f| f.message(&bed.catalog, "")).unwrap_or_default();
    assert_eq!(said, "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity.");
}

/// What a fresh bed's scheduler says under each version, from 1.33 on.
fn by_version<T>(mut ask: impl FnMut(&mut Bed) -> T) -> [T; 4] {
    KubernetesVersion::ALL.map(|version| {
        let mut bed = Bed::new();
        bed.catalog.kubernetes = version;
        ask(&mut bed)
    })
}

/// The message of a pod that fits nowhere.
fn refusal(bed: &mut Bed, pod: PodIdx) -> String {
    let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::of_version(bed.catalog.kubernetes));
    let decision = decide(&mut scheduler, bed, pod);
    decision.failure().map(|f| f.message(&bed.catalog, "")).unwrap_or_default()
}

/// S/schedule_one.go: `selectHost` until 1.34, `sortedNodeScores` since.
#[test]
fn equals_are_drawn_until_1_34_and_taken_off_a_heap_since() {
    let drawn = by_version(|bed| {
        let shape = bed.shape(100, 0);
        let spec = bed.spec(shape, &[]);
        bed.start();
        let nodes = ["n0", "n1", "n2"].map(|n| bed.node(n, 4000, &[]));
        let pod = bed.pod(spec, 0);
        let config = SchedulerConfig::of_version(bed.catalog.kubernetes);
        let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, config);
        let decision = scheduler.decide(&bed.catalog, &mut bed.state, pod, &mut |n| n - 1);
        decision.node() == Some(nodes[2])
    });
    assert_eq!(drawn, [true, true, false, false]);
}

/// P/tainttoleration: the taint is named until 1.34.
#[test]
fn a_refused_taint_is_named_until_1_34() {
    let said = by_version(|bed| {
        let shape = bed.shape(100, 0);
        let spec = bed.spec(shape, &[]);
        bed.start();
        let node = bed.node("n0", 4000, &[]);
        let (key, value) = (bed.sym("team"), bed.sym("a"));
        let taint = Taint { key, value, effect: Effect::NoSchedule };
        bed.state.set_taints(node, [taint].into_iter().collect());
        let pod = bed.pod(spec, 0);
        refusal(bed, pod)
    });
    let named = "0/1 nodes are available: 1 node(s) had untolerated taint {team: a}.";
    let plain = "0/1 nodes are available: 1 node(s) had untolerated taint(s).";
    assert_eq!(said, [named, named, plain, plain]);
}

/// P/noderesources/fit.go `InsufficientResource.Unresolvable`, since 1.34: preemption is not asked about such nodes.
#[test]
fn a_pod_larger_than_the_node_is_final_since_1_34() {
    let preemptible = by_version(|bed| {
        let shape = bed.shape(5000, 0);
        let spec = bed.spec(shape, &[]);
        bed.start();
        bed.node("n0", 4000, &[]);
        let pod = bed.pod(spec, 0);
        let config = SchedulerConfig::of_version(bed.catalog.kubernetes);
        let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, config);
        let decision = decide(&mut scheduler, bed, pod);
        decision.failure().map(|f| f.preemptible(bed.state.live_nodes()).len())
    });
    assert_eq!(preemptible, [Some(1), Some(0), Some(0), Some(0)]);
}

/// P/noderesources/balanced_allocation.go: since 1.36 what the pod changes (PR #135573).
#[test]
fn balance_is_scored_by_change_since_1_36() {
    let scores = by_version(|bed| {
        let mut shape = bed.shape(1000, 0);
        shape.requests.amounts.push((MEMORY, 32 << 30));
        let spec = bed.spec(shape, &[]);
        bed.start();
        let [_, second] = ["n0", "n1"].map(|n| bed.node(n, 2000, &[]));
        let half = bed.pod(spec, 0);
        bed.state.bind(&bed.catalog, half, second, 0);
        let pod = bed.pod(spec, 0);
        let mut scheduler = scheduler_of(bed, |p| p.score = vec![(PluginId::NodeResourcesBalancedAllocation, 1)]);
        decide(&mut scheduler, bed, pod).explanation.map(|e| e.totals)
    });
    let (before, since) = (Some(vec![100, 100]), Some(vec![75, 75]));
    assert_eq!(scores, [before.clone(), before.clone(), before, since], "an even pod changes no balance");
}

/// S/apis/config/v1/default_plugins.go.
#[test]
fn the_default_profile_grows() {
    let post_filter = KubernetesVersion::ALL.map(|v| Profile::of_version(v).post_filter.len());
    assert_eq!(post_filter, [1, 2, 2, 2], "DynamicResources since 1.34");
    let weights = KubernetesVersion::ALL.map(|v| Profile::of_version(v).weight(PluginId::DynamicResources));
    assert_eq!(weights, [0, 0, 2, 2], "which scores since 1.35");
    let features = KubernetesVersion::ALL.map(|v| Profile::of_version(v).filters(PluginId::NodeDeclaredFeatures));
    assert_eq!(features, [false, false, false, true]);
}

/// P/imagelocality: image volumes score since 1.36.
#[test]
fn image_volumes_score_since_1_36() {
    let found = by_version(|bed| {
        let mut shape = bed.shape(100, 0);
        shape.images = vec![bed.sym("app:1"), bed.sym("model:1")];
        let spec = bed.spec(shape, &[]);
        bed.start();
        bed.node("n0", 4000, &[]);
        let name = bed.sym("model:1");
        let mut with = bed.node_spec("n1", 4000, &[]);
        with.images = vec![NodeImage { name, size: 3 << 30 }];
        bed.state.add_node(Arc::new(with), None, true, 0);
        let pod = bed.pod(spec, 0);
        let mut scheduler = scheduler_of(bed, |p| p.score = vec![(PluginId::ImageLocality, 1)]);
        decide(&mut scheduler, bed, pod).explanation.map(|e| e.totals)
    });
    let nothing = Some(vec![0, 0]);
    assert_eq!(found, [nothing.clone(), nothing.clone(), nothing, Some(vec![0, 100])]);
}

/// A scheduler without default spread constraints.
fn unspread(bed: &mut Bed) -> Scheduler {
    let text = "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, profiles: [{pluginConfig: \
                [{name: PodTopologySpread, args: {defaultingType: List}}]}]}";
    let config = SchedulerConfig::from_yaml(text, &mut bed.catalog).expect("valid");
    Scheduler::new(&bed.catalog, &bed.state, config)
}

/// Two pods, one after the other, upon three nodes with room for one each; where the second goes and whether by a hint.
fn second_of_two(bed: &mut Bed, specs: [SpecIdx; 2], scheduler: &mut Scheduler, later_ms: i64) -> (NodeIdx, bool) {
    let first = bed.pod(specs[0], 0);
    let node = decide(scheduler, bed, first).node().expect("room");
    bed.state.bind(&bed.catalog, first, node, 0);
    scheduler.at(later_ms);
    let second = bed.pod(specs[1], 0);
    let decision = decide(scheduler, bed, second);
    (decision.node().expect("room"), decision.hinted)
}

/// S/framework/runtime/batch.go: a heap of three equals gives the first and then the last.
#[test]
fn a_pod_like_the_last_gets_its_next_best_node_since_1_35() {
    let hinted = by_version(|bed| {
        let shape = bed.shape(3000, 0);
        let spec = bed.spec(shape, &[]);
        bed.start();
        let nodes = ["n0", "n1", "n2"].map(|n| bed.node(n, 4000, &[]));
        let mut scheduler = unspread(bed);
        let (node, hinted) = second_of_two(bed, [spec, spec], &mut scheduler, 500);
        assert!(!hinted || node == nodes[2]);
        hinted
    });
    assert_eq!(hinted, [false, false, true, true]);
}

#[test]
fn a_hint_needs_a_full_node_pods_alike_and_half_a_second() {
    let hinted = |millis: i64, label: &str, later_ms: i64, spreads: bool| {
        let mut bed = Bed::new();
        let shape = bed.shape(millis, 0);
        let specs = [bed.spec(shape.clone(), &[("app", "a")]), bed.spec(shape, &[("app", label)])];
        bed.start();
        for name in ["n0", "n1", "n2"] {
            bed.node(name, 4000, &[]);
        }
        let mut scheduler = match spreads {
            true => Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::default()),
            false => unspread(&mut bed),
        };
        second_of_two(&mut bed, specs, &mut scheduler, later_ms).1
    };
    assert!(hinted(3000, "a", 0, false));
    assert!(!hinted(1000, "a", 0, false), "the node has room for another");
    assert!(!hinted(3000, "b", 0, false), "other labels");
    assert!(!hinted(3000, "a", 501, false), "too late");
    assert!(!hinted(3000, "a", 0, true), "the default profile never");
}

/// P/nodedeclaredfeatures: a pod that needs a feature of its kubelet goes only to nodes that declare it, and preemption does not help.
#[test]
fn a_feature_is_needed_of_the_node_since_1_36() {
    let said = by_version(|bed| {
        let feature = bed.sym("RestartAllContainersOnContainerExits");
        let mut shape = bed.shape(100, 0);
        shape.features = vec![feature];
        let spec = bed.spec(shape, &[]);
        bed.start();
        bed.node("plain", 4000, &[]);
        let able = NodeSpec { declared_features: vec![feature], ..bed.node_spec("able", 4000, &[]) };
        bed.state.add_node(Arc::new(able), None, true, 0);
        let pod = bed.pod(spec, 0);
        let mut scheduler =
            Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::of_version(bed.catalog.kubernetes));
        decide(&mut scheduler, bed, pod).feasible
    });
    assert_eq!(said, [2, 2, 2, 1]);
}

/// `interpodaffinity/plugin.go` `mergeAffinityTermNamespacesIfNotEmpty`: a namespace selector that no labels satisfy too takes pods of every
/// namespace since 1.34, as far as the pod being scheduled is concerned.
#[test]
fn a_negative_namespace_selector_takes_every_namespace_since_1_34() {
    let feasible = by_version(|bed| {
        let name = bed.sym("elsewhere");
        let elsewhere = bed.catalog.namespaces.push(Namespace { name, labels: Labels::default(), terminating: false });
        let mut kept_out = bed.shape(100, 0);
        kept_out.anti_affinity = vec![PodTerm {
            takes_unlabelled: true,
            namespaces: vec![NsIdx(0)],
            ..term(bed, "web", "kubernetes.io/hostname")
        }];
        let kept_out = bed.spec(kept_out, &[("app", "web")]);
        let web = bed.shape(100, 0);
        let web = bed.spec(web, &[("app", "web")]);
        bed.catalog.specs[web].namespace = elsewhere;
        bed.start();
        let nodes = ["a", "b"].map(|n| bed.node(n, 4000, &[]));
        bed.running(web, nodes[0], 0);
        let (pod, other) = (bed.pod(kept_out, 0), bed.pod(web, 0));
        let mut scheduler =
            Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::of_version(bed.catalog.kubernetes));
        let first = decide(&mut scheduler, bed, pod).feasible;
        bed.state.bind(&bed.catalog, pod, nodes[1], 0);
        (first, decide(&mut scheduler, bed, other).feasible)
    });
    assert_eq!(
        feasible,
        [(2, 2), (1, 2), (1, 2), (1, 2)],
        "the term of a pod that has its node sees namespaces as they are"
    );
}

/// PodTopologyLabels admission: a pod with a node has that node's zone as a label, whatever it was created with.
#[test]
fn pods_have_the_zone_of_their_node_since_1_35() {
    let feasible = by_version(|bed| {
        let zone = bed.catalog.known.zone;
        let (key, value) = (zone, bed.sym("a"));
        let in_a = Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None };
        let mut near = bed.shape(100, 0);
        let hostname = bed.catalog.known.hostname;
        near.affinity = vec![PodTerm::new(Selector::All(vec![in_a]), vec![NsIdx(0)], hostname)];
        let near = bed.spec(near, &[]);
        let any = bed.shape(100, 0);
        let any = bed.spec(any, &[("topology.kubernetes.io/zone", "a")]);
        bed.start();
        let (a, b) = ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone");
        let nodes = [bed.node("a1", 4000, &[(a, "a")]), bed.node("b1", 4000, &[(b, "b")])];
        bed.running(any, nodes[1], 0);
        let pod = bed.pod(near, 0);
        let mut scheduler =
            Scheduler::new(&bed.catalog, &bed.state, SchedulerConfig::of_version(bed.catalog.kubernetes));
        let before = decide(&mut scheduler, bed, pod).feasible;
        bed.running(any, nodes[0], 0);
        (before, decide(&mut scheduler, bed, pod).feasible)
    });
    assert_eq!(feasible, [(1, 2), (1, 2), (0, 1), (0, 1)]);
}

/// P/podtopologyspread/scoring.go: `node.Labels[key]` is "" where the key is missing, so that such nodes are of one domain with those
/// whose label is empty, pods and all.
#[test]
fn nodes_without_a_zone_share_that_of_the_empty_label() {
    let mut bed = Bed::new();
    let shape = bed.shape(100, 0);
    let web = bed.spec(shape, &[("app", "web")]);
    let (name, selector) = (bed.sym("web"), Labels::new([(bed.sym("app"), bed.sym("web"))]));
    bed.catalog.services.push(Service { namespace: NsIdx(0), name, selector: Some(selector) });
    bed.start();
    let zone = "topology.kubernetes.io/zone";
    let nodes =
        [bed.node("none", 4000, &[]), bed.node("empty", 4000, &[(zone, "")]), bed.node("b", 4000, &[(zone, "b")])];
    bed.running(web, nodes[0], 0);
    bed.running(web, nodes[0], 0);
    let pod = bed.pod(web, 0);
    let mut scheduler = scheduler_of(&bed, |_| ());
    let decision = decide(&mut scheduler, &mut bed, pod);
    let explained = decision.explanation.as_ref().expect("three nodes are feasible");
    let (_, scores) = explained.plugins.iter().find(|p| p.0 == PluginId::PodTopologySpread).expect("it scores");
    let place = |node| explained.feasible.iter().position(|n| *n == node).expect("it is feasible");
    // The default constraints: skew 3 over hosts, 5 over zones. Two pods on the host without a zone: 2·ln 5 + 2; in the zone "", which is also
    // that of the node without one, 2·ln 4 + 4 (there are two zones); none in b: 4 and 2.
    let raw = [2.0 * 5_f64.ln() + 2.0, 2.0 + 2.0 * 4_f64.ln() + 4.0, 2.0 + 4.0].map(|s: f64| s.round() as i64);
    let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
    // Weight 2.
    assert_eq!(nodes.map(|n| scores[place(n)]), raw.map(|s| 2 * (100 * (most + least - s) / most)));
}
