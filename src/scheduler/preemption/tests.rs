//! Preemption by rule, with a filter that knows cpu only; upstream's cases are in `default_preemption_test.go`.

use super::*;
use crate::cluster::{Amount, Budget, BudgetStatus, CPU, Demand, Operator, Phase, Requirement, Selector, SpecIdx};
use crate::scheduler::testbed::Bed;
use crate::scheduler::{Code, PluginSet, Reason, Statuses};
use smallvec::smallvec;

/// Fit on cpu, and nothing else.
struct CpuOnly;

impl NodeCheck for CpuOnly {
    fn check(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx, node: NodeIdx) -> Result<(), Rejection> {
        let wanted = catalog.shape(state.pods[pod].spec).requests.get(CPU);
        if state.requested(node)[0] + wanted <= state.nodes[node].spec.allocatable(CPU) {
            return Ok(());
        }
        Err(Rejection {
            plugin: PluginId::NodeResourcesFit,
            code: Code::Unschedulable,
            reasons: smallvec![Reason::Insufficient(CPU)],
        })
    }
}

/// A failure in which every node lacks cpu.
fn failure(bed: &Bed) -> Failure {
    let refusal = Rejection {
        plugin: PluginId::NodeResourcesFit,
        code: Code::Unschedulable,
        reasons: smallvec![Reason::Insufficient(CPU)],
    };
    let statuses: Statuses = bed.state.live_nodes().map(|n| (n, refusal.clone())).collect();
    Failure {
        nodes: statuses.len(),
        statuses,
        rejectors: PluginSet::of(&[PluginId::NodeResourcesFit]),
        ..Failure::default()
    }
}

fn run(bed: &mut Bed, pod: PodIdx) -> Preemption {
    let failure = failure(bed);
    let pods = |bed: &Bed| bed.state.nodes.iter().map(|n| n.pods.clone()).collect::<Vec<_>>();
    let before = pods(bed);
    let config = Profile::default();
    let out = preempt(&mut CpuOnly, &config, &bed.catalog, &mut bed.state, pod, &failure, &mut |_| 0);
    assert_eq!(before, pods(bed), "everything is back where it stood");
    out
}

/// What the message of the pod gets.
fn said(bed: &mut Bed, pod: PodIdx) -> String {
    let out = run(bed, pod);
    out.post_filter(&Profile::default(), &bed.catalog, &failure(bed))
}

/// Specs of 400m at priorities 0, 5, 10 (labelled app=a) and a preemptor of 600m at 100.
fn bed() -> (Bed, [SpecIdx; 3], SpecIdx) {
    let mut bed = Bed::new();
    let specs = [0, 5, 10].map(|priority| {
        let shape = bed.shape(400, priority);
        bed.spec(shape, &[("app", "a")])
    });
    let shape = bed.shape(600, 100);
    let preemptor = bed.spec(shape, &[]);
    (bed, specs, preemptor)
}

#[test]
fn as_many_as_possible_are_spared_the_most_important_first() {
    let (mut bed, [low, mid, high], preemptor) = bed();
    bed.start();
    let node = bed.node("n1", 1400, &[]);
    let (_h, m, l) = (bed.running(high, node, 0), bed.running(mid, node, 0), bed.running(low, node, 0));
    let pod = bed.pod(preemptor, 0);
    let out = run(&mut bed, pod);
    let candidate = out.candidate().expect("one node");
    assert_eq!((candidate.node, candidate.victims.as_slice(), candidate.violations), (node, &[l][..], 0));
    assert!(bed.state.pods[m].node.is_some());
}

#[test]
fn of_equal_priority_the_younger_goes() {
    let (mut bed, [low, ..], preemptor) = bed();
    bed.start();
    let node = bed.node("n1", 1000, &[]);
    let (young, old) = (bed.running(low, node, 9_000), bed.running(low, node, 1_000));
    let pod = bed.pod(preemptor, 10_000);
    assert_eq!(run(&mut bed, pod).candidate().map(|c| c.victims.clone()), Some(vec![young]));
    assert!(bed.state.pods[old].node.is_some());
}

#[test]
fn the_node_whose_worst_victim_matters_least() {
    let (mut bed, [low, mid, _], preemptor) = bed();
    bed.start();
    let (one, two) = (bed.node("n1", 800, &[]), bed.node("n2", 800, &[]));
    bed.running(mid, one, 0);
    bed.running(mid, one, 0);
    // Two victims of priority 0 are better than one of priority 5.
    bed.running(low, two, 0);
    bed.running(low, two, 0);
    let pod = bed.pod(preemptor, 0);
    let out = run(&mut bed, pod);
    let candidate = out.candidate().expect("two nodes");
    assert_eq!((candidate.node, candidate.tied.as_slice()), (two, &[two][..]));
}

#[test]
fn equal_nodes_are_told_and_the_later_start_wins() {
    let (mut bed, [low, ..], preemptor) = bed();
    bed.start();
    let nodes = [bed.node("n1", 800, &[]), bed.node("n2", 800, &[]), bed.node("n3", 800, &[])];
    for (node, start) in nodes.into_iter().zip([1_000, 5_000, 5_400]) {
        bed.running(low, node, start);
    }
    let pod = bed.pod(preemptor, 10_000);
    let out = run(&mut bed, pod);
    let candidate = out.candidate().expect("three nodes");
    assert_eq!((candidate.node, candidate.tied.as_slice()), (nodes[1], &nodes[1..]));
}

fn budget(bed: &mut Bed, selector: Selector) -> BudgetIdx {
    let name = bed.sym("b");
    bed.catalog.budgets.push(Budget {
        namespace: NsIdx(0),
        name,
        uid: name,
        selector,
        demand: Some(Demand::MinAvailable(Amount::Count(1))),
        always_allow_unhealthy: false,
        generation: 1,
    })
}

#[test]
fn budgets_are_asked_but_an_empty_selector_matches_nothing() {
    for (empty, expected) in [(false, 1), (true, 0)] {
        let (mut bed, [low, mid, _], preemptor) = bed();
        let (key, value) = (bed.sym("app"), bed.sym("a"));
        let requirement = Requirement { key, operator: Operator::In, values: smallvec![value], bound: None };
        let index = budget(&mut bed, Selector::All(if empty { Vec::new() } else { vec![requirement] }));
        bed.start();
        bed.state.set_budget(index, BudgetStatus { allowed: 0, ..BudgetStatus::default() });
        let node = bed.node("n1", 800, &[]);
        bed.running(low, node, 0);
        let spared = bed.running(mid, node, 0);
        let pod = bed.pod(preemptor, 0);
        let out = run(&mut bed, pod);
        let candidate = out.candidate().expect("one node");
        // 600m beside 400m never fit on 800m: both go, both against the budget.
        assert_eq!((candidate.victims.len(), candidate.violations), (2, expected * 2));
        assert_eq!(candidate.victims[0], spared);
    }
}

#[test]
fn what_is_said_where_nothing_helps() {
    let (mut bed, [low, _, high], preemptor) = bed();
    let never = {
        let mut shape = bed.shape(600, 100);
        shape.may_preempt = false;
        bed.spec(shape, &[])
    };
    let huge = {
        let shape = bed.shape(5000, 100);
        bed.spec(shape, &[])
    };
    bed.start();
    let node = bed.node("n1", 800, &[]);
    bed.node("n2", 500, &[]);
    let running = bed.running(high, node, 0);

    let pod = bed.pod(never, 0);
    let text = said(&mut bed, pod);
    assert_eq!(text, "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.");

    let pod = bed.pod(low, 0);
    let text = said(&mut bed, pod);
    assert_eq!(
        text,
        "no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."
    );

    let pod = bed.pod(huge, 0);
    let text = said(&mut bed, pod);
    assert_eq!(
        text,
        "no new claims to deallocate, preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod."
    );

    // A preemptor waits while its victim leaves.
    let pod = bed.pod(preemptor, 0);
    let out = run(&mut bed, pod);
    let candidate = out.candidate().expect("one node").clone();
    assert_eq!(nominate(&bed.catalog, &mut bed.state, pod, &candidate), [running]);
    bed.state.set_deleting(running, 0, 30_000);
    assert_eq!(
        run(&mut bed, pod),
        Preemption::NotEligible("not eligible due to a terminating pod on the nominated node.")
    );
    bed.state.set_phase(&bed.catalog, running, Phase::Succeeded);
    assert!(nominate(&bed.catalog, &mut bed.state, pod, &candidate).is_empty());
}

/// S/framework/runtime/framework.go `RunPostFilterPlugins`: what each says, in their order; nothing where none runs.
#[test]
fn the_message_follows_the_plugins_that_run() {
    let (mut bed, [low, ..], _) = bed();
    let pod = bed.pod(low, 0);
    bed.node("n0", 100, &[]);
    let failure = failure(&bed);
    let nobody = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    use PluginId::{DefaultPreemption, DynamicResources};
    for (post_filter, words) in [
        (vec![DynamicResources, DefaultPreemption], format!("no new claims to deallocate, {nobody}")),
        (vec![DefaultPreemption, DynamicResources], format!("{nobody}, no new claims to deallocate")),
        (vec![DefaultPreemption], nobody.to_string()),
        (vec![DynamicResources], "no new claims to deallocate".to_string()),
        (vec![], String::new()),
    ] {
        let config = Profile { post_filter, ..Profile::default() };
        let out = preempt(&mut CpuOnly, &config, &bed.catalog, &mut bed.state, pod, &failure, &mut |_| 0);
        assert_eq!(out == Preemption::Off, !config.preempts());
        assert_eq!(out.post_filter(&config, &bed.catalog, &failure), words);
    }
}

/// What is kept from one attempt to the next changes nothing: whatever happens in between, an attempt says what one by itself says.
#[test]
fn what_is_remembered_of_nodes_changes_no_attempt() {
    let draws = crate::cluster::draw::Draws::new(11);
    let mut reused = 0;
    for seed in 0..12_u64 {
        let (mut bed, specs, preemptor) = bed();
        let shape = bed.shape(900, 7);
        let middling = bed.spec(shape, &[]);
        let taint = bed.taint("t");
        bed.start();
        let nodes: Vec<NodeIdx> = (0..8).map(|i| bed.node(&format!("n{i}"), 400 + 200 * (i % 4), &[])).collect();
        let config = Profile::default();
        let mut scheduler = Scheduler::new(&bed.catalog, &bed.state, crate::scheduler::SchedulerConfig::default());
        let mut kept = Preemptor::default();
        let pending: Vec<PodIdx> = [preemptor, middling, preemptor].map(|spec| bed.pod(spec, 0)).to_vec();
        for step in 0..400_u64 {
            let draw = |what: &str, n: usize| draws.below(what, "preemption", seed * 1_000 + step, n as u64) as usize;
            let node = nodes[draw("node", nodes.len())];
            match draw("what", 5) {
                0 if bed.state.nodes[node].pods.len() < 4 => _ = bed.running(specs[draw("spec", 3)], node, step as i64),
                1 => {
                    if let Some(pod) = bed.state.nodes[node].pods.first().copied() {
                        bed.state.remove_pod(&bed.catalog, pod);
                    }
                }
                2 => {
                    let taints = if draw("taint", 2) == 0 { taint.clone() } else { Default::default() };
                    bed.state.set_taints(node, taints);
                }
                3 => bed.state.nominate(pending[2], (draw("nominate", 2) == 0).then_some(node)),
                _ => {}
            }
            for pod in pending.iter().copied().take(2) {
                let decision = scheduler.decide(&bed.catalog, &mut bed.state, pod, &mut |_| 0);
                let Some(failure) = decision.failure().cloned() else { continue };
                let before: Vec<u32> = bed.state.nodes.iter().map(|n| n.version).collect();
                let (catalog, state) = (&bed.catalog, &mut bed.state);
                let alone = preempt(&mut scheduler, &config, catalog, state, pod, &failure, &mut |n| draw("offset", n));
                reused += kept.hopeless.by_shape.values().map(|r| r.said.len()).sum::<usize>();
                let again =
                    kept.preempt(&mut scheduler, &config, catalog, state, pod, &failure, &mut |n| draw("offset", n));
                assert_eq!(alone, again, "seed {seed}, step {step}");
                assert_eq!(before, bed.state.nodes.iter().map(|n| n.version).collect::<Vec<_>>(), "as it was");
            }
        }
    }
    assert!(reused > 200, "only {reused} refusals were known");
}
