//! Decides nodes, DaemonSets and the ordinary workloads, and where their pods are.

use rustc_hash::FxHashSet;

use super::GenerateError;
use super::model::{
    Amount, Apart, Budget, BudgetForm, Kind, Model, Node, Pod, PodState, Pool, Priority, SYSTEM_NAMESPACE, Shape,
    Spread, Workload,
};
use super::names::{CLUSTER_CREATED, DAY, NOW, suffix};
use super::params::{GenerateParams, Machine, Range};
use super::placer::{Choice, Placer};
use super::traps;
use crate::cluster::draw::Draws;

/// Round figures that people write into requests: cpu in thousandths, memory in MiB.
const FIGURES: [u64; 23] = [
    10, 20, 25, 32, 50, 64, 100, 128, 200, 256, 300, 400, 500, 512, 750, 1000, 1024, 1500, 2000, 2048, 4000, 4096, 8192,
];
/// Percent in parts per million.
const PERCENT: u64 = 10_000;
/// So many workloads in a row that found no room end the filling.
const MISSES: u32 = 64;

/// Decides the whole cluster.
pub(super) fn build(params: &GenerateParams) -> Result<Model<'_>, GenerateError> {
    params.validate()?;
    let mut model = Model {
        params,
        draws: Draws::new(params.seed),
        zones: params.zone_names(),
        nodes: Vec::new(),
        workloads: Vec::new(),
    };
    make_daemon_sets(&mut model);
    make_nodes(&mut model);
    let mut placer = Placer::new(&model);
    fill(&mut model, &mut placer)?;
    traps::set(&mut model, &mut placer)?;
    Ok(model)
}

fn make_nodes(model: &mut Model<'_>) {
    let params = model.params;
    let new_machines = if params.new_machines.is_empty() { &params.old_machines } else { &params.new_machines };
    for index in 0..params.nodes {
        let node = ordinary_node(model, &params.old_pool, index, &params.old_machines, Pool::Old);
        add_node(model, node);
    }
    for index in 0..params.new_nodes {
        let mut node = ordinary_node(model, &params.new_pool, index, new_machines, Pool::New);
        node.created += NOW - CLUSTER_CREATED - 1800;
        node.ssd = true;
        add_node(model, node);
    }
    for index in 0..params.special_pool.nodes {
        let machines = [Machine { weight: 1, ..params.special_pool.machine.clone() }];
        let mut node = ordinary_node(model, &params.special_pool.pool, index, &machines, Pool::Special);
        node.room.special = u64::from(params.special_pool.per_node);
        add_node(model, node);
    }
}

fn ordinary_node(model: &Model<'_>, pool_name: &str, index: u32, machines: &[Machine], pool: Pool) -> Node {
    let name = format!("{pool_name}-{index:04}");
    let weights: Vec<u64> = machines.iter().map(|machine| machine.weight).collect();
    let machine = &machines[model.draws.weighted(&name, "machine", 0, &weights).unwrap_or(0)];
    Node {
        pool,
        zone: (index % model.params.zones) as usize,
        machine: machine.name.clone(),
        room: Amount {
            cpu_millis: machine.cpu_millis,
            memory_mib: machine.memory_mib,
            special: 0,
            pods: u64::from(machine.pods),
            volumes: u64::from(model.params.attach_limit),
        },
        used: Amount::default(),
        ssd: model.draws.chance(&name, "ssd", 0, 60 * PERCENT),
        created: CLUSTER_CREATED + 300 + model.draws.below(&name, "created", 0, 600),
        closed: false,
        mark: None,
        name,
    }
}

/// Adds a node and the DaemonSets' pods on it, as far as they fit.
pub(super) fn add_node(model: &mut Model<'_>, mut node: Node) -> usize {
    let index = model.nodes.len();
    for workload in model.workloads.iter_mut().filter(|workload| workload.kind == Kind::DaemonSet) {
        if workload.shape.ask.fits(&node.used, &node.room) {
            node.used.add(&workload.shape.ask);
            let name = format!(
                "{}-{}",
                workload.name,
                suffix(&model.draws, &format!("{}/{}", workload.name, node.name), "pod", 0, 5)
            );
            workload.pods.push(Pod {
                name,
                node: Some(index),
                created: node.created.max(workload.created) + 5,
                state: PodState::Running,
            });
            workload.replicas += 1;
        }
    }
    model.nodes.push(node);
    index
}

fn make_daemon_sets(model: &mut Model<'_>) {
    for index in 0..model.params.daemon_sets {
        let name = format!("{}-{index}", Kind::DaemonSet.word());
        let mut shape = plain_shape(model.draws, model.params, &name, 50, 64);
        shape.priority = Some(Priority::NodeCritical);
        let mut workload = workload(model, name, Kind::DaemonSet, shape);
        workload.namespace = SYSTEM_NAMESPACE.into();
        workload.created = CLUSTER_CREATED + 120;
        model.workloads.push(workload);
    }
}

/// A shape with nothing special.
pub(super) fn plain_shape(draws: Draws, params: &GenerateParams, key: &str, cpu_millis: u64, memory_mib: u64) -> Shape {
    Shape {
        ask: Amount { cpu_millis, memory_mib, special: 0, pods: 1, volumes: 0 },
        special: false,
        ssd: false,
        old_pool_only: false,
        apart: None,
        spread: None,
        empty_dir: false,
        volume_gib: None,
        priority: None,
        start_seconds: between(draws, key, "start-seconds", params.start_seconds),
        stop_seconds: between(draws, key, "stop-seconds", params.stop_seconds),
        labels: Vec::new(),
        annotations: Vec::new(),
    }
}

/// A workload without pods yet; its namespace and age are drawn by its name.
pub(super) fn workload(model: &Model<'_>, name: String, kind: Kind, shape: Shape) -> Workload {
    let namespace = model.draws.pick(&name, "namespace", 0, &model.params.namespaces).cloned().unwrap_or_default();
    Workload {
        namespace,
        kind,
        replicas: 0,
        shape,
        created: CLUSTER_CREATED + 3600 + model.draws.below(&name, "created", 0, 20 * DAY),
        hash: suffix(&model.draws, &name, "hash", 0, 10),
        pods: Vec::new(),
        budgets: Vec::new(),
        service: false,
        name,
    }
}

/// Makes workloads until the old nodes are as full as asked.
fn fill(model: &mut Model<'_>, placer: &mut Placer) -> Result<(), GenerateError> {
    let params = model.params;
    let old = |model: &Model<'_>, amount: fn(&Node) -> u64| {
        model.nodes.iter().filter(|node| node.pool == Pool::Old).map(amount).sum::<u64>()
    };
    let cpu_goal = old(model, |node| node.room.cpu_millis) * params.fill_limit() / 100;
    let mut cpu = old(model, |node| node.used.cpu_millis);
    let pod_goal = params.pods_per_node.map_or(u64::MAX, |per_node| u64::from(per_node) * u64::from(params.nodes));
    let (mut pods, mut misses) = (0_u64, 0);
    for index in 0.. {
        if cpu >= cpu_goal || pods >= pod_goal || misses >= MISSES {
            break;
        }
        let mut workload = ordinary_workload(model, index);
        let fit = (cpu_goal - cpu).div_ceil(workload.shape.ask.cpu_millis).min(pod_goal - pods);
        workload.replicas = workload.replicas.min(u32::try_from(fit).unwrap_or(u32::MAX));
        let mut placed = placer.place(model, &workload.name, &workload.shape, workload.replicas, Choice::Emptiest);
        if placed.is_empty() && workload.shape.special {
            leave_special_pool(&mut workload.shape);
            placed = placer.place(model, &workload.name, &workload.shape, workload.replicas, Choice::Emptiest);
        }
        if placed.is_empty() {
            misses += 1;
            continue;
        }
        misses = 0;
        if !workload.shape.special {
            cpu += workload.shape.ask.cpu_millis * placed.len() as u64;
            pods += placed.len() as u64;
        }
        workload.replicas = placed.len() as u32;
        give_pods(model, &mut workload, &placed);
        give_budget(model, &mut workload);
        model.workloads.push(workload);
    }
    // Whoever names both accepts the fill as the bound; whoever names the pods alone wants them.
    let wanted = params.pods_per_node.is_some() && (params.fill_percent.is_none() || cpu < cpu_goal);
    if pods < pod_goal && wanted {
        return Err(GenerateError::NoRoom {
            what: format!("pods_per_node: {} pods on the {} old nodes", pod_goal, params.nodes),
            why: format!("after {pods} the nodes' cpu, memory, pods or volumes are used up"),
            remedy: "ask for fewer, smaller requests (cpu_millis, memory_mib) or larger old_machines".into(),
        });
    }
    Ok(())
}

fn leave_special_pool(shape: &mut Shape) {
    shape.special = false;
    shape.ask.special = 0;
}

fn ordinary_workload(model: &Model<'_>, index: u64) -> Workload {
    let (params, draws) = (model.params, model.draws);
    let kind = draws
        .weighted(&format!("workload-{index:04}"), "kind", 0, &params.mix.weights())
        .map_or(Kind::Deployment, |at| Kind::MIX[at]);
    let name = format!("{}-{index:04}", kind.word());
    let share = |purpose: &str, percent: u32| draws.chance(&name, purpose, 0, u64::from(percent) * PERCENT);
    let cpu = figure(draws, &name, "cpu", params.cpu_millis);
    let mut shape = plain_shape(draws, params, &name, cpu, figure(draws, &name, "memory", params.memory_mib));
    if params.special_pool.nodes > 0
        && matches!(kind, Kind::Deployment | Kind::Job)
        && share("special-pool", params.special_pool.workload_percent)
    {
        shape.special = true;
        shape.ask.special = 1;
    }
    if kind.stateful() && share("zonal-volume", params.zonal_volume_percent) {
        shape.volume_gib = Some(between(draws, &name, "volume", params.volume_gib));
        shape.ask.volumes = 1;
    }
    shape.ssd = !shape.special && share("node-selector", params.node_selector_percent);
    shape.empty_dir = share("empty-dir", params.empty_dir_percent);
    let many = kind != Kind::StandAlone;
    if many && share("spread", params.spread_percent) {
        shape.spread = Some(if share("spread-hard", params.spread_hard_percent) { Spread::Hard } else { Spread::Soft });
    }
    if many && share("anti-affinity", params.anti_affinity_percent) {
        shape.apart = Some(Apart::Nodes);
    }
    if share("priority", params.priority_percent) {
        shape.priority = draws.pick(&name, "priority-class", 0, &[Priority::High, Priority::Low]).copied();
    }
    let mut workload = workload(model, name.clone(), kind, shape);
    let replicas = if many { between(draws, &name, "replicas", params.replicas) } else { 1 };
    workload.replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
    workload.service = kind.stateful() || (kind == Kind::Deployment && share("service", params.service_percent));
    workload
}

/// Gives a workload a pod for each node of `placed`.
pub(super) fn give_pods(model: &Model<'_>, workload: &mut Workload, placed: &[usize]) {
    let key = workload.key();
    let mut seen = FxHashSet::default();
    for (ordinal, node) in placed.iter().enumerate() {
        let ordinal = ordinal as u64;
        let name = pod_name(model, workload, ordinal, &mut seen);
        let created = workload.created.max(model.nodes[*node].created)
            + 1
            + model.draws.below(&key, "pod-created", ordinal, 3600);
        workload.pods.push(Pod { name, node: Some(*node), created, state: PodState::Running });
    }
}

/// The name that the pod's controller would give it.
pub(super) fn pod_name(model: &Model<'_>, workload: &Workload, ordinal: u64, seen: &mut FxHashSet<String>) -> String {
    let stem = match workload.kind {
        Kind::StatefulSet | Kind::StatefulSetParallel => return format!("{}-{ordinal}", workload.name),
        Kind::StandAlone => return workload.name.clone(),
        Kind::Deployment => format!("{}-{}", workload.name, workload.hash),
        _ => workload.name.clone(),
    };
    // Another try for a suffix that is taken; the draws of the ordinals do not overlap for less than 2^32 replicas.
    (0..64)
        .map(|attempt| format!("{stem}-{}", suffix(&model.draws, &workload.name, "pod", ordinal + (attempt << 32), 5)))
        .find(|name| seen.insert(name.clone()))
        .unwrap_or_else(|| format!("{stem}-n{ordinal}"))
}

/// Perhaps gives the workload a budget, one that lets at least one of its pods go.
fn give_budget(model: &Model<'_>, workload: &mut Workload) {
    let (params, draws, name) = (model.params, model.draws, &workload.name);
    let scalable = !matches!(workload.kind, Kind::Job | Kind::StandAlone | Kind::DaemonSet);
    if !scalable || !draws.chance(name, "budget", 0, u64::from(params.budget_percent) * PERCENT) {
        return;
    }
    let replicas = u64::from(workload.replicas);
    let form = match draws.weighted(name, "budget-form", 0, &params.budget_mix.weights()) {
        Some(0) if replicas > 1 => BudgetForm::MinAvailable(draws.between(
            name,
            "budget-value",
            0,
            replicas.div_ceil(2).min(replicas - 1),
            replicas - 1,
        )),
        Some(1) => match draws.pick(name, "budget-value", 0, &[40, 50, 60, 75]) {
            Some(percent) if (replicas * percent).div_ceil(100) < replicas => BudgetForm::MinAvailablePercent(*percent),
            _ => BudgetForm::MinAvailablePercent(if replicas > 1 { 50 } else { 0 }),
        },
        Some(3) => BudgetForm::MaxUnavailablePercent(
            draws.pick(name, "budget-value", 0, &[20, 25, 34, 50]).copied().unwrap_or(25),
        ),
        _ => BudgetForm::MaxUnavailable(draws.between(name, "budget-value", 0, 1, replicas.div_ceil(3))),
    };
    workload.budgets.push(Budget {
        name: name.clone(),
        form,
        always_allow: draws.chance(name, "budget-always-allow", 0, u64::from(params.always_allow_percent) * PERCENT),
        expressions: draws.chance(name, "budget-expressions", 0, 20 * PERCENT),
        stale: None,
    });
}

fn between(draws: Draws, name: &str, purpose: &str, range: Range) -> u64 {
    draws.between(name, purpose, 0, range.min, range.max)
}

/// A round figure within the range, or its upper bound when there is none.
fn figure(draws: Draws, name: &str, purpose: &str, range: Range) -> u64 {
    let round: Vec<u64> = FIGURES.into_iter().filter(|figure| (range.min..=range.max).contains(figure)).collect();
    draws.pick(name, purpose, 0, &round).copied().unwrap_or(range.max)
}
