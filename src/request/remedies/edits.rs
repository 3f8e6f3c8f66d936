//! Edits of a cluster or a plan, each with the command that makes it for real.

use crate::cluster::{
    Amount, BudgetIdx, Catalog, Cluster, Demand, GroupIdx, Idx, NodeIdx, OwnerIdx, PodIdx, ShapeIdx, State, Sym,
    Toleration,
};
use crate::disruption::BudgetIndex;
use crate::disruption::arithmetic::{Tally, compute};
use crate::experiment::RunResult;
use crate::intent::options::{BatchSize, BatcherKind, CordonWhen, Options};
use crate::plan::remedy::Edit;
use crate::trace::EventKind;
use std::sync::Arc;

/// What an edit changes.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A budget demands something else.
    Demand { budget: BudgetIdx, demand: Demand },
    /// The workload of this pod has one more replica.
    Replica { like: PodIdx },
    /// A group may have more nodes.
    Maximum { group: GroupIdx, count: u32 },
    /// A group offers one more zone.
    Zone { group: GroupIdx, zone: Sym },
    /// The pods of a workload tolerate a taint.
    Tolerate { owner: OwnerIdx, toleration: Toleration },
    /// Pods without a controller are evicted.
    EvictBarePods,
    /// Marks that hold pods are not respected.
    IgnoreMarks,
    /// Batches have another size.
    BatchSize(BatchSize),
    /// Batches are made in another way.
    Batcher(BatcherKind),
    /// All old nodes are cordoned before the first batch.
    CordonFirst,
}

/// An edit that may help.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// What it is to lift; edits for the same blocker are alternatives.
    pub blocker: String,
    pub change: Change,
    pub edit: Edit,
}

impl Candidate {
    /// The same, with no more of it than a run that completed made use of; `catalog` is that of the cluster as it is.
    pub fn no_more_than_needed(&self, catalog: &Catalog, run: &RunResult) -> Candidate {
        let mut own = self.clone();
        if let Change::Maximum { group, count } = self.change {
            let used = most_at_once(run, group);
            if used > 0 && used < count {
                own.change = Change::Maximum { group, count: used };
                own.edit = maximum_edit(catalog, group, used);
            }
        }
        own
    }
}

/// Most nodes of a group at the end of any instant of a run that was kept.
fn most_at_once(run: &RunResult, group: GroupIdx) -> u32 {
    let (mut now, mut most, mut at_ms) = (0u32, 0, 0);
    for o in &run.observations {
        if o.t_ms != at_ms {
            (most, at_ms) = (most.max(now), o.t_ms);
        }
        let of_group = o.node.is_some_and(|n| run.state.nodes[n].group == Some(group));
        match o.kind {
            EventKind::NodeAdded if of_group => now += 1,
            EventKind::NodeDeleted if of_group => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most.max(now)
}

impl Change {
    /// Whether it lifts something that holds whatever the plan is, so that it can be needed beside others.
    pub fn lifts(&self) -> bool {
        !matches!(self, Change::BatchSize(_) | Change::Batcher(_) | Change::CordonFirst)
    }

    /// Makes the edit.
    pub fn apply(&self, cluster: &mut Cluster, options: &mut Options) {
        match self {
            Change::Demand { budget, demand } => {
                Arc::make_mut(&mut cluster.catalog).budgets[*budget].demand = Some(*demand);
                settle_budgets(cluster, &[*budget]);
            }
            Change::Replica { like } => one_more(cluster, *like),
            Change::Maximum { group, count } => {
                Arc::make_mut(&mut cluster.catalog).groups[*group].max_count = *count;
            }
            Change::Zone { group, zone } => offer(Arc::make_mut(&mut cluster.catalog), *group, *zone),
            Change::Tolerate { owner, toleration } => {
                tolerate(Arc::make_mut(&mut cluster.catalog), *owner, *toleration);
            }
            Change::EvictBarePods => {
                options.ocean.evict_stand_alone_pods = true;
                options.kubectl_drain.force = true;
            }
            Change::IgnoreMarks => options.ocean.respect_restrict_scale_down = false,
            Change::BatchSize(size) => options.batch_size = Some(*size),
            Change::Batcher(batcher) => options.batcher = *batcher,
            Change::CordonFirst => options.cordon = CordonWhen::AllFirst,
        }
    }
}

/// Gives budgets the status that the disruption controller writes after a change.
fn settle_budgets(cluster: &mut Cluster, budgets: &[BudgetIdx]) {
    let index = BudgetIndex::new(&cluster.catalog);
    for budget in budgets {
        let tally = Tally::count(&cluster.catalog, &cluster.state, &index, *budget);
        let status = compute(&cluster.catalog, &cluster.state, *budget, &tally, 0).status;
        cluster.state.set_budget(*budget, status);
    }
}

/// One more pod like this one, which its controllers want too. It is pending when the migration begins.
fn one_more(cluster: &mut Cluster, like: PodIdx) {
    let spec = cluster.state.pods[like].spec;
    let catalog = Arc::make_mut(&mut cluster.catalog);
    let mut owner = catalog.specs[spec].owner;
    // Owner chains are short; the bound guards against a cycle in a hand-made dump.
    for _ in 0..16 {
        let Some(o) = owner else { break };
        if let Some(replicas) = cluster.state.replicas[o] {
            cluster.state.set_replicas(o, Some(replicas + 1));
            catalog.owners[o].replicas = Some(replicas + 1);
        }
        owner = catalog.owners[o].parent;
    }
    let name = format!("{}-added", cluster.state.name(catalog, cluster.state.pods[like].name));
    let name = cluster.state.make_name(&name);
    cluster.state.create_pod(&cluster.catalog, spec, name, 0);
    let covering = BudgetIndex::new(&cluster.catalog).budgets_of(spec).to_vec();
    settle_budgets(cluster, &covering);
}

fn offer(catalog: &mut Catalog, group: GroupIdx, zone: Sym) {
    catalog.groups[group].zones.push(zone);
    for machine in catalog.groups[group].machines.clone() {
        let zones = &mut catalog.machines[machine].zones;
        if !zones.is_empty() && !zones.contains(&zone) {
            zones.push(zone);
        }
    }
}

fn tolerate(catalog: &mut Catalog, owner: OwnerIdx, toleration: Toleration) {
    for spec in catalog.specs.indices().collect::<Vec<_>>() {
        if catalog.specs[spec].owner != Some(owner) {
            continue;
        }
        let mut shape = catalog.shapes[catalog.specs[spec].shape.at()].clone();
        shape.tolerations.push(toleration);
        let (at, _) = catalog.shapes.insert_full(shape);
        catalog.specs[spec].shape = ShapeIdx::new(at);
    }
}

/// `maxUnavailable of shop/db to 1` with the patch that does it.
pub(super) fn demand_edit(catalog: &Catalog, budget: BudgetIdx, demand: Demand, replaces: bool) -> Edit {
    let name = catalog.budget_text(budget);
    let (verb, field, other, count) = match demand {
        Demand::MaxUnavailable(Amount::Count(n) | Amount::Percent(n)) => ("raise", "maxUnavailable", "minAvailable", n),
        Demand::MinAvailable(Amount::Count(n) | Amount::Percent(n)) => ("lower", "minAvailable", "maxUnavailable", n),
    };
    let text = match replaces {
        true => format!("give {name} {field} {count} instead of {other}"),
        false => format!("{verb} {field} of {name} to {count}"),
    };
    let spec = match replaces {
        true => format!(r#"{{"spec":{{"{other}":null,"{field}":{count}}}}}"#),
        false => format!(r#"{{"spec":{{"{field}":{count}}}}}"#),
    };
    let (namespace, short) = name.split_once('/').unwrap_or(("default", &name));
    let command = format!("kubectl patch poddisruptionbudget {short} -n {namespace} --type merge -p '{spec}'");
    Edit { object: format!("PodDisruptionBudget/{name}"), text, command }
}

/// One more replica of a workload.
pub(super) fn replica_edit(catalog: &Catalog, workload: OwnerIdx, to: i64) -> Edit {
    let object = catalog.owner_text(workload);
    let (kind, namespace, name) = parts(&object);
    Edit {
        text: format!("scale {object} to {to} replicas"),
        command: format!("kubectl scale {} {name} -n {namespace} --replicas={to}", kind.to_lowercase()),
        object: object.clone(),
    }
}

/// A workload's pods tolerate a taint; the toleration takes its place among those that the template has.
pub(super) fn toleration_edit(
    catalog: &Catalog,
    workload: OwnerIdx,
    toleration: Toleration,
    own: &[Toleration],
) -> Edit {
    let object = catalog.owner_text(workload);
    let (kind, namespace, name) = parts(&object);
    // Kubernetes itself gives every pod these two; they are not in the template.
    let given = |t: &&Toleration| t.key.is_none_or(|k| !catalog.text(k).starts_with("node.kubernetes.io/"));
    let list: Vec<serde_json::Value> =
        own.iter().filter(given).chain([&toleration]).map(|t| toleration_json(catalog, t)).collect();
    let patch = serde_json::json!([{"op": "add", "path": "/spec/template/spec/tolerations", "value": list}]);
    let taint = toleration.key.map_or("every taint", |k| catalog.text(k));
    let value = toleration.value.map(|v| catalog.text(v)).filter(|v| !v.is_empty());
    let taint = value.map_or_else(|| taint.to_owned(), |v| format!("{taint}={v}"));
    Edit {
        text: format!("let {object} tolerate the taint {taint}"),
        command: format!("kubectl patch {} {name} -n {namespace} --type json -p '{patch}'", kind.to_lowercase()),
        object: object.clone(),
    }
}

fn toleration_json(catalog: &Catalog, t: &Toleration) -> serde_json::Value {
    let mut value = serde_json::Map::new();
    let mut put = |key: &str, text: &str| _ = value.insert(key.to_owned(), text.into());
    if let Some(key) = t.key {
        put("key", catalog.text(key));
    }
    match t.value {
        Some(v) => {
            put("operator", "Equal");
            put("value", catalog.text(v));
        }
        None => put("operator", "Exists"),
    }
    if let Some(effect) = t.effect {
        put("effect", effect.as_str());
    }
    if let Some(seconds) = t.seconds {
        value.insert("tolerationSeconds".to_owned(), seconds.into());
    }
    value.into()
}

/// A group's maximum; of an assumed one the fact is asked for.
pub(super) fn maximum_edit(catalog: &Catalog, group: GroupIdx, to: u32) -> Edit {
    let g = &catalog.groups[group];
    let id = catalog.text(g.id);
    let text = match g.max_is_assumed {
        true => format!(
            "give group {id} its real maximum (--groups; {} is assumed), which must be raised to {to}",
            g.max_count
        ),
        false => format!("raise the maximum of group {id} from {} to {to}", g.max_count),
    };
    Edit {
        object: format!("NodeGroup/{id}"),
        text,
        command: format!("max_count of {id} = {to} (--groups FILE, and at the provider)"),
    }
}

/// A zone more for a group.
pub(super) fn zone_edit(catalog: &Catalog, group: GroupIdx, zone: Sym) -> Edit {
    let (id, zone) = (catalog.text(catalog.groups[group].id), catalog.text(zone));
    Edit {
        object: format!("NodeGroup/{id}"),
        text: format!("offer zone {zone} in group {id}"),
        command: format!("zones of {id}: add {zone} (--groups FILE, and at the provider)"),
    }
}

/// A flag of `plan`.
pub(super) fn flag_edit(text: &str, flag: String) -> Edit {
    Edit { object: "Plan".into(), text: text.to_owned(), command: flag }
}

fn parts(object: &str) -> (&str, &str, &str) {
    let mut parts = object.splitn(3, '/');
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

/// Old nodes of a group's own, which say how many more it may have to make at most.
pub(super) fn generous(state: &State, old: &[NodeIdx], now: u32) -> u32 {
    let live = old.iter().filter(|n| !state.nodes[**n].gone).count() as u32;
    now.saturating_add(live.max(1))
}
