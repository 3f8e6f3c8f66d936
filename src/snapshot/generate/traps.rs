//! Sets the traps: each adds objects of its own, or marks a node, and leaves everything else as it was.

use rustc_hash::FxHashSet;

use super::GenerateError;
use super::build::{add_node, give_pods, plain_shape, pod_name, workload};
use super::model::{Amount, Apart, Budget, BudgetForm, Kind, Mark, Model, Node, Pod, PodState, Pool, Stale, Workload};
use super::names::{CLUSTER_CREATED, NOW};
use super::placer::{Choice, Placer};
use super::trap::TrapKind;

/// What a trap's pod asks for, in thousandths of a core and MiB: little, so that it finds room.
const CPU_MILLIS: u64 = 20;
const MEMORY_MIB: u64 = 32;

/// Sets all traps of the parameters: those with pods first, marked nodes last, pending pods in between.
pub(super) fn set(model: &mut Model<'_>, placer: &mut Placer) -> Result<(), GenerateError> {
    let mut counts = [0_u32; TrapKind::ALL.len()];
    for trap in &model.params.traps {
        let at = TrapKind::ALL.iter().position(|kind| *kind == trap.trap).unwrap_or(0);
        counts[at] = counts[at].saturating_add(trap.count);
    }
    for (kind, count) in TrapKind::ALL.into_iter().zip(counts) {
        for nth in 0..count {
            match kind {
                TrapKind::NotReadyNode | TrapKind::CordonedNode | TrapKind::OvercommittedNode => {}
                TrapKind::ZonalVolumeWithoutNode => zonal_volume(model, kind, nth),
                TrapKind::HugePod => huge_pod(model, kind, nth)?,
                TrapKind::PendingPod => pending_pod(model, kind, nth),
                _ => pod_trap(model, placer, kind, nth)?,
            }
        }
    }
    let mark_of = |kind| match kind {
        TrapKind::NotReadyNode => Some(Mark::NotReady),
        TrapKind::CordonedNode => Some(Mark::Cordoned),
        TrapKind::OvercommittedNode => Some(Mark::Overcommitted),
        _ => None,
    };
    for (kind, count) in TrapKind::ALL.into_iter().zip(counts) {
        if let Some(mark) = mark_of(kind) {
            mark_nodes(model, kind, mark, count)?;
        }
    }
    Ok(())
}

/// A small workload of the trap's, without pods yet.
fn small(model: &Model<'_>, trap: TrapKind, nth: u32, kind: Kind, replicas: u32) -> Workload {
    let name = trap.object_name(nth);
    let shape = plain_shape(model.draws, model.params, &name, CPU_MILLIS, MEMORY_MIB);
    let mut workload = workload(model, name, kind, shape);
    workload.replicas = replicas;
    workload
}

/// The traps that are a small workload somewhere on the old nodes.
fn pod_trap(model: &mut Model<'_>, placer: &mut Placer, trap: TrapKind, nth: u32) -> Result<(), GenerateError> {
    let (kind, replicas) = match trap {
        TrapKind::StandAlonePod => (Kind::StandAlone, 1),
        TrapKind::JobRunning => (Kind::Job, 1),
        TrapKind::StaleBudget => (Kind::Deployment, 3),
        TrapKind::BudgetNeverMet
        | TrapKind::BudgetMinAvailableEqualsReplicas
        | TrapKind::TwoBudgetsOnePod
        | TrapKind::TerminatingPod
        | TrapKind::CrashLoopingPod => (Kind::Deployment, 2),
        TrapKind::AntiAffinitySaturated => (Kind::Deployment, model.params.zones.min(model.params.nodes)),
        _ => (Kind::Deployment, 1),
    };
    let mut workload = small(model, trap, nth, kind, replicas);
    shape_trap(&mut workload, trap);
    budget_trap(&mut workload, trap, nth);
    let all = workload.replicas + u32::from(trap == TrapKind::TerminatingPod);
    let placed = placer.place(model, &workload.name, &workload.shape, all, Choice::First);
    if placed.len() < all as usize {
        return Err(no_room(trap, nth, format!("{} of its {all} pods fit the old nodes", placed.len())));
    }
    give_pods(model, &mut workload, &placed);
    match trap {
        TrapKind::TerminatingPod => {
            if let Some(pod) = workload.pods.last_mut() {
                pod.state = PodState::Terminating;
            }
            // Its replacement came when it was told to go.
            workload.pods[0].created = NOW - 10 - workload.shape.start_seconds.min(60);
        }
        TrapKind::CrashLoopingPod => workload.pods[0].state = PodState::CrashLooping,
        _ => {}
    }
    model.workloads.push(workload);
    Ok(())
}

fn shape_trap(workload: &mut Workload, trap: TrapKind) {
    let shape = &mut workload.shape;
    match trap {
        TrapKind::UnschedulableSelector => shape.old_pool_only = true,
        TrapKind::RestrictScaleDown => {
            shape.labels.push(("spotinst.io/restrict-scale-down", "true"));
            shape.annotations.push(("spotinst.io/restrict-scale-down", "true"));
        }
        TrapKind::SafeToEvictFalse => {
            shape.annotations.push(("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"))
        }
        TrapKind::LocalStoragePod => shape.empty_dir = true,
        TrapKind::AntiAffinitySaturated => shape.apart = Some(Apart::Zones),
        _ => {}
    }
}

fn budget_trap(workload: &mut Workload, trap: TrapKind, nth: u32) {
    let plain = |name: String, form| Budget { name, form, always_allow: false, expressions: false, stale: None };
    let name = workload.name.clone();
    let replicas = u64::from(workload.replicas);
    let budgets = match trap {
        TrapKind::BudgetNeverMet => vec![plain(name, BudgetForm::MaxUnavailable(0))],
        TrapKind::BudgetMinAvailableEqualsReplicas => vec![plain(name, BudgetForm::MinAvailable(replicas))],
        TrapKind::TwoBudgetsOnePod => {
            vec![
                plain(format!("{name}-a"), BudgetForm::MaxUnavailable(1)),
                plain(format!("{name}-b"), BudgetForm::MinAvailable(1)),
            ]
        }
        TrapKind::CrashLoopingPod => vec![plain(name, BudgetForm::MinAvailable(1))],
        TrapKind::StaleBudget => {
            let stale = if nth.is_multiple_of(2) { Stale::Counters } else { Stale::Generation };
            vec![Budget { stale: Some(stale), ..plain(name, BudgetForm::MaxUnavailable(1)) }]
        }
        _ => Vec::new(),
    };
    workload.budgets = budgets;
}

/// A node for one trap alone, in the old pool.
fn trap_node(model: &mut Model<'_>, name: &str, zone: usize, room: Amount, machine: String) -> usize {
    let created = CLUSTER_CREATED + 300 + model.draws.below(name, "created", 0, 600);
    let name = format!("{}-{name}", model.params.old_pool);
    let node = Node {
        name,
        pool: Pool::Old,
        zone,
        machine,
        room,
        used: Amount::default(),
        ssd: false,
        created,
        closed: true,
        mark: None,
    };
    add_node(model, node)
}

/// The largest machine of any node, each dimension by itself.
fn largest(model: &Model<'_>) -> Amount {
    let most = |amount: fn(&Node) -> u64| model.nodes.iter().filter(|node| !node.closed).map(amount).max().unwrap_or(1);
    Amount {
        cpu_millis: most(|node| node.room.cpu_millis),
        memory_mib: most(|node| node.room.memory_mib),
        special: 0,
        pods: most(|node| node.room.pods),
        volumes: u64::from(model.params.attach_limit),
    }
}

fn zonal_volume(model: &mut Model<'_>, trap: TrapKind, nth: u32) {
    let mut workload = small(model, trap, nth, Kind::StatefulSet, 1);
    workload.service = true;
    workload.shape.volume_gib = Some(16);
    workload.shape.ask.volumes = 1;
    let zone = model.zones.len();
    model.zones.push(format!("{}-only-old-{nth}", model.params.region));
    let room = Amount { volumes: u64::from(model.params.attach_limit.max(1)), ..largest(model) };
    let machine = model.params.old_machines.first().map_or_else(String::new, |machine| machine.name.clone());
    let node = trap_node(model, &workload.name, zone, room, machine);
    put(model, workload, node);
}

fn huge_pod(model: &mut Model<'_>, trap: TrapKind, nth: u32) -> Result<(), GenerateError> {
    let mut workload = small(model, trap, nth, Kind::Deployment, 1);
    let most = largest(model);
    let room = Amount { cpu_millis: most.cpu_millis * 2, memory_mib: most.memory_mib * 2, ..most };
    let node = trap_node(model, &workload.name, 0, room, "huge".into());
    let used = model.nodes[node].used;
    workload.shape.ask.cpu_millis = (room.cpu_millis - used.cpu_millis) * 9 / 10;
    workload.shape.ask.memory_mib = (room.memory_mib - used.memory_mib) * 9 / 10;
    if workload.shape.ask.cpu_millis <= most.cpu_millis {
        return Err(no_room(trap, nth, "the DaemonSets take almost half of a node twice as large as any other".into()));
    }
    put(model, workload, node);
    Ok(())
}

fn put(model: &mut Model<'_>, mut workload: Workload, node: usize) {
    model.nodes[node].used.add(&workload.shape.ask);
    give_pods(model, &mut workload, &[node]);
    model.workloads.push(workload);
}

fn pending_pod(model: &mut Model<'_>, trap: TrapKind, nth: u32) {
    let mut workload = small(model, trap, nth, Kind::Deployment, 1);
    workload.shape.ask.cpu_millis = largest(model).cpu_millis * 4;
    let name = pod_name(model, &workload, 0, &mut FxHashSet::default());
    workload.pods.push(Pod { name, node: None, created: NOW - 600, state: PodState::Pending });
    workload.created = workload.created.min(NOW - 660);
    model.workloads.push(workload);
}

/// Marks old nodes, by lot; those with pods of other traps only when there are no others.
fn mark_nodes(model: &mut Model<'_>, trap: TrapKind, mark: Mark, count: u32) -> Result<(), GenerateError> {
    let trapped: FxHashSet<usize> = model
        .workloads
        .iter()
        .filter(|w| w.name.starts_with("trap-"))
        .flat_map(|w| w.pods.iter().filter_map(|pod| pod.node))
        .collect();
    let mut free: Vec<(bool, u64, usize)> = Vec::new();
    for (index, node) in model.nodes.iter().enumerate() {
        if node.pool == Pool::Old && !node.closed && node.mark.is_none() && node.used.cpu_millis > 0 {
            free.push((trapped.contains(&index), model.draws.u64(&node.name, trap.as_str(), 0), index));
        }
    }
    if free.len() < count as usize {
        return Err(no_room(
            trap,
            count - 1,
            format!("only {} old nodes have pods and no mark of another trap", free.len()),
        ));
    }
    free.sort_unstable();
    for (_, _, index) in free.into_iter().take(count as usize) {
        model.nodes[index].mark = Some(mark);
    }
    Ok(())
}

fn no_room(trap: TrapKind, nth: u32, why: String) -> GenerateError {
    GenerateError::NoRoom {
        what: format!("trap {trap}, number {}", nth + 1),
        why,
        remedy: "make more nodes or larger old_machines, lower fill_percent or pods_per_node, or set fewer traps"
            .into(),
    }
}
