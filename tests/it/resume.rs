//! A runner that is written down and resumed before every single input reaches the same end as one that is not.

use nodeferry::cluster::{NodeIdx, View};
use nodeferry::experiment::{Experiment, Inject, Sink};
use nodeferry::groups::infer_groups;
use nodeferry::intent::gates::{ApprovalGate, ApproveWhen, CheckGate, Gates};
use nodeferry::intent::options::{Options, ProcedureKind, SurgeOptions, SurgePreset};
use nodeferry::intent::{Intent, batches, select};
use nodeferry::runner::{GroupPacker, StopMode};
use nodeferry::scheduler::SchedulerConfig;
use nodeferry::sim::autoscaler::AutoscalerOptions;
use nodeferry::sim::faults::{Fault, Window};
use nodeferry::sim::{GateOptions, SimOptions, SiteSpec};
use nodeferry::snapshot::Snapshot;
use nodeferry::snapshot::generate::{GenerateParams, generate};
use std::sync::Arc;

/// A small cluster with budgets, stateful sets and a few traps, emptied by a procedure; the whole trace as text.
fn story(
    seed: u64,
    procedure: ProcedureKind,
    preset: SurgePreset,
    stop_at: Option<i64>,
    gates: Gates,
    faults: Vec<Fault>,
    restarts: bool,
) -> Vec<String> {
    // Ocean launches nothing in the group that the nodes leave: the pool of the new nodes stands in for its groups.
    let pool_label = match procedure {
        ProcedureKind::OceanAws => "eks.amazonaws.com/nodegroup",
        ProcedureKind::OceanAzure => "kubernetes.azure.com/agentpool",
        ProcedureKind::KubectlDrain | ProcedureKind::Surge => "agentpool",
    };
    let pool_label = pool_label.to_owned();
    let params = GenerateParams {
        seed,
        nodes: 6,
        new_nodes: 4,
        pods_per_node: Some(5),
        pool_label,
        ..GenerateParams::default()
    };
    let objects = generate(&params).expect("a cluster is generated");
    let snapshot = Snapshot::from_objects(&objects).expect("the reader reads what the generator writes");
    let mut cluster = snapshot.cluster;
    infer_groups(&mut cluster);
    let catalog = cluster.catalog.clone();
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let options = Options {
        procedure,
        soak_ms: 5_000,
        gates,
        surge: SurgeOptions { preset, node_timeout_ms: Some(120_000), ..SurgeOptions::default() },
        ..Options::default()
    };
    let selector = format!("{}={}", params.pool_label, params.old_pool);
    let old = select(view, &[], Some(&selector)).expect("the old pool is there");
    let cut = batches(view, &old, &options).expect("batches");
    let old_nodes: Vec<NodeIdx> = cut.iter().flatten().copied().collect();
    let intent = Arc::new(Intent::new(view, &cut, options.clone()));
    let packer = Arc::new(GroupPacker::new(view, &options));
    let gates = GateOptions { check_failures: 1, ..GateOptions::default() };
    let sim = SimOptions { gates, faults, ..SimOptions::default() };
    let site = SiteSpec::new(
        cluster,
        old_nodes,
        sim,
        &snapshot.delays,
        AutoscalerOptions::default(),
        SchedulerConfig::default(),
    );
    let mut run = Experiment::prepare(site, intent, packer).expect("the plan fits").start(seed, Sink::trace());
    if restarts {
        run.restart_runner_before_every_input();
    }
    if let Some(at) = stop_at {
        run.advance_to(at);
        // With some faults it is over by then.
        _ = run.inject(Inject::Stop(StopMode { terminate_drained: None }));
    }
    let result = run.finish();
    assert!(result.violations.is_empty(), "{:?}", result.violations);
    let view = View { catalog: &catalog, state: &result.state };
    let mut lines: Vec<String> = result
        .observations
        .iter()
        .map(|o| serde_json::to_string(&o.render(view)).expect("an event serialises"))
        .collect();
    lines.extend(result.lines.iter().map(|l| format!("{l:?}")));
    lines.push(format!("{:?} {:?} {}", result.outcome, result.failure, result.duration_ms));
    lines
}

/// A check that fails once before each batch, and an approval for each.
fn gates() -> Gates {
    let check = CheckGate { command: vec!["true".into()], every_ms: 3_000, timeout_ms: 60_000, limit_ms: 600_000 };
    let approval = ApprovalGate { when: ApproveWhen::EveryBatch, limit_ms: None };
    Gates { check: Some(check), approval: Some(approval) }
}

/// `stop_at` is in the middle of the procedure's run.
fn same_end(procedure: ProcedureKind, preset: SurgePreset, stop_at: i64) {
    for (seed, stop_at, gates) in [(1, None, Gates::default()), (2, None, gates()), (3, Some(stop_at), gates())] {
        let run = |restarts| story(seed, procedure, preset, stop_at, gates.clone(), Vec::new(), restarts);
        let (once, often) = (run(false), run(true));
        eprintln!("{procedure:?} {preset:?} seed {seed}: {} lines, {}", once.len(), once.last().map_or("", |l| l));
        let differs = once.iter().zip(&often).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once.len(), often.len(), "seed {seed}");
    }
}

/// Cordons are refused and taken back, once and twice, and a node is registered again under its name.
fn meddling() -> Vec<Fault> {
    let node = |n: u32| format!("old-000{n}");
    let uncordon = |n, at_ms| Fault::Uncordon { node: node(n), at_ms };
    let until = |until_ms| Window { from_ms: 0, until_ms };
    vec![
        Fault::CordonRefused { node: Some(node(0)), window: until(None), code: 422 },
        Fault::CordonRefused { node: Some(node(1)), window: until(Some(9_000)), code: 403 },
        uncordon(2, 12_000),
        uncordon(2, 100_000),
        uncordon(3, 90_000),
        uncordon(3, 91_000),
        Fault::NodeRegisteredAgain { node: node(4), at_ms: 150_000, after_ms: 5_000 },
    ]
}

#[test]
fn cordons_that_are_refused_and_taken_back() {
    for (procedure, preset) in [
        (ProcedureKind::KubectlDrain, SurgePreset::Aks),
        (ProcedureKind::OceanAws, SurgePreset::Aks),
        (ProcedureKind::Surge, SurgePreset::Aks),
        (ProcedureKind::Surge, SurgePreset::Eks),
    ] {
        for (seed, stop_at) in [(1, None), (2, None), (3, Some(150_000))] {
            let run = |restarts| story(seed, procedure, preset, stop_at, Gates::default(), meddling(), restarts);
            let (once, often) = (run(false), run(true));
            let differs = once.iter().zip(&often).find(|(a, b)| a != b);
            assert_eq!(differs, None, "{procedure:?} {preset:?} seed {seed}");
            assert_eq!(once.len(), often.len(), "{procedure:?} {preset:?} seed {seed}");
            let told = |what: &str| once.iter().any(|l| l.contains("node_warning") && l.contains(what));
            assert!(stop_at.is_some() || told("CordonRefused"), "{procedure:?} {preset:?} seed {seed}");
            assert!(!once.last().is_some_and(|l| l.starts_with("Completed")), "{:?}", once.last());
        }
    }
}

#[test]
fn kubectl_drain() {
    same_end(ProcedureKind::KubectlDrain, SurgePreset::Aks, 40_000);
}

#[test]
fn ocean_on_both_clouds() {
    same_end(ProcedureKind::OceanAws, SurgePreset::Aks, 150_000);
    same_end(ProcedureKind::OceanAzure, SurgePreset::Aks, 150_000);
}

#[test]
fn surge_of_every_preset() {
    for preset in [SurgePreset::Eks, SurgePreset::Aks, SurgePreset::Gke] {
        same_end(ProcedureKind::Surge, preset, 150_000);
    }
}

/// Seed 1 has stateful sets with volumes attached to old nodes: they are let go there, and the pods start elsewhere.
#[test]
fn volumes_follow_their_pods() {
    let lines = story(1, ProcedureKind::KubectlDrain, SurgePreset::Aks, None, Gates::default(), Vec::new(), false);
    assert!(lines.last().is_some_and(|l| l.starts_with("Completed")), "{:?}", lines.last());
}
