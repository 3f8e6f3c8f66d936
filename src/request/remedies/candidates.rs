//! Which edits may lift what held a run: read off what was refused, what still waits, and how the plan goes about it.

use super::Ground;
use super::edits::{
    Candidate, Change, demand_edit, flag_edit, generous, maximum_edit, replica_edit, toleration_edit, zone_edit,
};
use crate::cluster::labels::Operator;
use crate::cluster::{
    Amount, BudgetIdx, Demand, Effect, GroupIdx, Idx, NodeIdx, OwnerKind, PodIdx, State, Sym, Taint, Toleration, View,
};
use crate::disruption::arithmetic::Tally;
use crate::intent::options::{BatchSize, BatcherKind, CordonWhen};
use crate::plan::verdict::RunRow;
use crate::trace::Metrics;
use crate::trace::metrics::Departure;
use crate::trace::observation::workload;
use std::collections::{BTreeMap, BTreeSet};

/// A run that does not complete.
pub(super) struct Failing<'a> {
    pub row: &'a RunRow,
    pub metrics: &'a Metrics,
    /// The cluster at its end.
    pub state: &'a State,
}

/// Budgets of which one is tried each.
const BUDGETS: usize = 4;
/// Groups and workloads likewise.
const FEW: usize = 2;
/// Reasons that more or other machines can lift.
const WANT_OF_ROOM: [&str; 4] = ["no-new-nodes", "pods-not-scheduled", "technical-timeout", "unscheduled-at-start"];

/// Edits in the order in which they are tried: those that touch least first.
pub(super) fn candidates(ground: &Ground<'_>, failing: &Failing<'_>) -> Vec<Candidate> {
    let mut list = budgets(ground, failing);
    list.extend(marks(ground));
    let reason = failing.row.reason.as_deref().unwrap_or_default();
    let waiting = waiting(ground.view(), failing.state);
    if !waiting.is_empty() || WANT_OF_ROOM.contains(&reason) {
        list.extend(maxima(ground, failing, reason));
        list.extend(zones(ground, &waiting));
        list.extend(tolerations(ground, failing, &waiting));
    }
    list.extend(order(ground));
    list
}

/// The budgets that held pods to the end, those first that held the most; then those that can never be met.
fn budgets(ground: &Ground<'_>, failing: &Failing<'_>) -> Vec<Candidate> {
    let mut held: BTreeMap<&str, u32> = BTreeMap::new();
    for pod in failing.metrics.pods.iter().filter(|p| p.departure == Departure::Stays) {
        if let Some(budget) = &pod.last_refusal_budget {
            *held.entry(budget).or_default() += 1;
        }
    }
    let held_to_the_end: BTreeSet<&str> = held.keys().copied().collect();
    let mut held: Vec<(&str, u32)> = held.into_iter().collect();
    held.sort_by_key(|(_, pods)| std::cmp::Reverse(*pods));
    let catalog = ground.view().catalog;
    let named = |name: &str| catalog.budgets.indices().find(|b| catalog.budget_text(*b) == name);
    let mut names: Vec<&str> = held.into_iter().map(|(name, _)| name).collect();
    // A procedure may not even try where a budget can never be met.
    let never = ground.findings.iter().filter(|f| f.code == "budget-never-met");
    let never = never.filter_map(|f| f.object.strip_prefix("PodDisruptionBudget/"));
    names.extend(never.filter(|name| !held_to_the_end.contains(name)));
    names.into_iter().take(BUDGETS).filter_map(named).flat_map(|b| lifting(ground, b)).collect()
}

/// What lets a budget allow one disruption more than it can now.
fn lifting(ground: &Ground<'_>, budget: BudgetIdx) -> Vec<Candidate> {
    let View { catalog, state } = ground.view();
    let index = &ground.ensemble.experiment.site().budgets;
    let covered = |p: &PodIdx| index.budgets_of(state.pods[*p].spec).contains(&budget);
    let pods: Vec<PodIdx> = state.live_pods().filter(covered).collect();
    let owner = |p: &PodIdx| catalog.specs[state.pods[*p].spec].owner;
    // An operator writes the budgets of what it manages again: an edit of ours would not stay.
    let managed = pods.iter().filter_map(owner).any(|o| catalog.owners[catalog.top_owner(o)].kind == OwnerKind::Custom);
    if managed || pods.is_empty() {
        return Vec::new();
    }
    let tally = Tally::count(catalog, state, index, budget);
    let status = &state.budgets[budget];
    let (healthy, expected) = (tally.healthy, status.expected.max(tally.pods));
    let unready = (expected - healthy).max(0);
    let blocker = format!("PodDisruptionBudget/{}", catalog.budget_text(budget));
    let (demand, replaces) = match catalog.budgets[budget].demand {
        // A budget that cannot be computed as it is can be by a count of healthy pods.
        _ if status.sync_failed.is_some() => (Demand::MinAvailable(Amount::Count((healthy - 1).max(0))), true),
        None => return Vec::new(),
        Some(Demand::MaxUnavailable(_)) => {
            let now = (expected - status.desired).max(0);
            (Demand::MaxUnavailable(Amount::Count((now + 1).max(unready + 1))), false)
        }
        Some(Demand::MinAvailable(_)) => {
            let to = (status.desired - 1).min(healthy - 1).max(0);
            (Demand::MinAvailable(Amount::Count(to)), false)
        }
    };
    let edit = demand_edit(catalog, budget, demand, replaces);
    let lift = Candidate { blocker: blocker.clone(), change: Change::Demand { budget, demand }, edit };
    scaling(ground, budget, &pods, &blocker).into_iter().chain([lift]).collect()
}

/// A workload of one pod can have a second one instead of none for a while, where a budget asks for one that is available.
fn scaling(ground: &Ground<'_>, budget: BudgetIdx, pods: &[PodIdx], blocker: &str) -> Option<Candidate> {
    let View { catalog, state } = ground.view();
    let [pod] = pods else { return None };
    let spec = &catalog.specs[state.pods[*pod].spec];
    let owner = spec.owner?;
    let kind = catalog.owners[owner].kind;
    let scales = matches!(kind, OwnerKind::ReplicaSet | OwnerKind::ReplicationController) && spec.claims.is_empty();
    let asks = matches!(catalog.budgets[budget].demand, Some(Demand::MinAvailable(Amount::Count(1))));
    let to = state.replicas[owner].filter(|n| *n == 1)? + 1;
    (scales && asks).then(|| Candidate {
        blocker: blocker.to_owned(),
        change: Change::Replica { like: *pod },
        edit: replica_edit(catalog, workload(catalog, owner), to),
    })
}

/// Pods that hold their node because the plan lets them.
fn marks(ground: &Ground<'_>) -> Vec<Candidate> {
    let candidate = |code: &str, change: Change, text: &str, flag: &str| {
        let found = ground.findings.iter().any(|f| f.code == code);
        found.then(|| Candidate { blocker: code.to_owned(), change, edit: flag_edit(text, flag.to_owned()) })
    };
    let bare = candidate(
        "stand-alone-pod-holds-node",
        Change::EvictBarePods,
        "evict the pods that have no controller, which nothing recreates",
        "--evict-stand-alone-pods true",
    );
    let marked = candidate(
        "restrict-scale-down",
        Change::IgnoreMarks,
        "do not respect the marks that hold pods on their nodes",
        "--respect-restrict-scale-down false",
    );
    bare.into_iter().chain(marked).collect()
}

/// Pods that have no node at the end of a run; of a workload one.
fn waiting(view: View<'_>, state: &State) -> Vec<PodIdx> {
    let without_node = |p: &PodIdx| {
        let pod = &state.pods[*p];
        pod.node.is_none() && pod.deleting.is_none() && !pod.phase.is_terminal()
    };
    let mut seen = BTreeSet::new();
    let first = |p: &PodIdx| view.catalog.specs[state.pods[*p].spec].owner.is_none_or(|o| seen.insert(o));
    state.live_pods().filter(without_node).filter(first).collect()
}

/// Groups that had no more machines to give; all that could give some, where none was even begun.
fn maxima(ground: &Ground<'_>, failing: &Failing<'_>, reason: &str) -> Vec<Candidate> {
    let catalog = ground.view().catalog;
    let old: Vec<NodeIdx> = ground.batches.iter().flatten().copied().collect();
    let nodes = |group| failing.state.nodes.iter().filter(|n| !n.gone && n.group == Some(group)).count();
    let launches = |g: &GroupIdx| !catalog.groups[*g].template_only;
    let full = |g: &GroupIdx| nodes(*g) >= catalog.groups[*g].max_count as usize;
    let all: Vec<GroupIdx> = catalog.groups.indices().filter(launches).collect();
    let mut chosen: Vec<GroupIdx> = all.iter().copied().filter(full).collect();
    if chosen.is_empty() && reason == "no-new-nodes" {
        chosen = all;
    }
    let candidate = |group: GroupIdx| {
        let count = generous(&ground.ensemble.experiment.site().state, &old, catalog.groups[group].max_count);
        Candidate {
            blocker: format!("NodeGroup/{}", catalog.text(catalog.groups[group].id)),
            change: Change::Maximum { group, count },
            edit: maximum_edit(catalog, group, count),
        }
    };
    chosen.into_iter().take(FEW).map(candidate).collect()
}

/// Zones of volumes that no group offers.
fn zones(ground: &Ground<'_>, waiting: &[PodIdx]) -> Vec<Candidate> {
    let View { catalog, state } = ground.view();
    let old: BTreeSet<NodeIdx> = ground.batches.iter().flatten().copied().collect();
    let moving = state.live_pods().filter(|p| state.pods[*p].node.is_some_and(|n| old.contains(&n)));
    // Pods that a run made are not in the cluster at its start; what they were made as is.
    let specs = waiting.iter().filter(|p| p.at() < state.pods.len()).copied().chain(moving);
    let launches: Vec<GroupIdx> = catalog.groups.indices().filter(|g| !catalog.groups[*g].template_only).collect();
    let offered = |zone: Sym| {
        let has = |g: &GroupIdx| catalog.groups[*g].zones.is_empty() || catalog.groups[*g].zones.contains(&zone);
        launches.iter().any(has)
    };
    let wanted: BTreeSet<Sym> = specs.flat_map(|p| volume_zones(ground.view(), p)).filter(|z| !offered(*z)).collect();
    let pairs = wanted.into_iter().flat_map(|zone| launches.iter().map(move |group| (zone, *group)));
    pairs
        .take(FEW)
        .map(|(zone, group)| Candidate {
            blocker: format!("Zone/{}", catalog.text(zone)),
            change: Change::Zone { group, zone },
            edit: zone_edit(catalog, group, zone),
        })
        .collect()
}

/// Zones that the volumes of a pod are bound to.
fn volume_zones(View { catalog, state }: View<'_>, pod: PodIdx) -> Vec<Sym> {
    let claims = catalog.specs[state.pods[pod].spec].claims.iter().filter_map(|c| c.claim);
    let volumes = claims.filter_map(|c| state.claims[c].volume).map(|v| &state.volumes[v]);
    let known = [catalog.known.zone, catalog.known.zone_beta];
    let terms = volumes.filter_map(|v| v.node_affinity.as_ref()).flat_map(|a| &a.terms);
    let zones = terms.flat_map(|t| &t.expressions).filter(|e| e.operator == Operator::In && known.contains(&e.key));
    zones.flat_map(|e| e.values.iter().copied()).collect()
}

/// Taints that keep what waits from nodes which are there, or which a group would make.
fn tolerations(ground: &Ground<'_>, failing: &Failing<'_>, waiting: &[PodIdx]) -> Vec<Candidate> {
    let View { catalog, state } = ground.view();
    let old: BTreeSet<NodeIdx> = ground.batches.iter().flatten().copied().collect();
    let open = state.nodes.entries().filter(|(i, n)| !n.gone && n.ready && !n.unschedulable && !old.contains(i));
    let taints: Vec<Vec<Taint>> = open
        .map(|(_, n)| n.taints.to_vec())
        .chain(catalog.groups.iter().filter(|g| !g.template_only).map(|g| g.taints.clone()))
        .collect();
    let own =
        |t: &&Taint| t.effect != Effect::PreferNoSchedule && !catalog.text(t.key).starts_with("node.kubernetes.io/");
    let mut list = Vec::new();
    for pod in waiting {
        let spec = &catalog.specs[failing.state.pods[*pod].spec];
        let shape = &catalog.shapes[spec.shape.at()];
        let Some(owner) = spec.owner else { continue };
        let Some(taint) = taints.iter().filter_map(|t| shape.first_untolerated(t)).find(own) else { continue };
        let value = (taint.value != catalog.known.empty).then_some(taint.value);
        let toleration = Toleration { key: Some(taint.key), value, effect: Some(taint.effect), seconds: None };
        list.push(Candidate {
            blocker: catalog.owner_text(workload(catalog, owner)),
            change: Change::Tolerate { owner, toleration },
            edit: toleration_edit(catalog, workload(catalog, owner), toleration, &shape.tolerations),
        });
        if list.len() == FEW {
            break;
        }
    }
    list
}

/// Fewer nodes at a time, and another order.
fn order(ground: &Ground<'_>) -> Vec<Candidate> {
    let options = &ground.intent.options;
    let most = ground.batches.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let mut list = Vec::new();
    if options.batcher != BatcherKind::Listed && most > 1 {
        for size in BTreeSet::from([most.div_ceil(2), 1]).into_iter().rev() {
            let nodes = if size == 1 { "1 node".to_owned() } else { format!("{size} nodes") };
            list.push(Candidate {
                blocker: "batch size".into(),
                change: Change::BatchSize(BatchSize::Nodes(size)),
                edit: flag_edit(&format!("empty {nodes} at a time instead of {most}"), format!("--batch-size {size}")),
            });
        }
    }
    if options.cordon == CordonWhen::PerBatch {
        list.push(Candidate {
            blocker: "cordon".into(),
            change: Change::CordonFirst,
            edit: flag_edit("cordon all old nodes before the first batch", "--cordon all-first".into()),
        });
    }
    if options.batcher == BatcherKind::Size && ground.batches.len() > 1 {
        list.push(Candidate {
            blocker: "order".into(),
            change: Change::Batcher(BatcherKind::BudgetAware),
            edit: flag_edit("put nodes into batches by their budgets", "--batcher budget-aware".into()),
        });
    }
    list
}
