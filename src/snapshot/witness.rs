//! A dump as its own witness: what its objects say of others that it lacks.
//!
//! Lists say themselves that the server gave a part only. Controllers and budgets count pods in their status, and pods name
//! their controllers. A dump is not taken in one instant, so a few that differ are pods that came or went meanwhile; beyond
//! [`SLACK_PERCENT`] something was left out.

use super::builder::Builder;
use super::diagnostics::{Notices, kind_text};
use super::document::CutList;
use super::wire::workload::WorkloadStatus;
use crate::cluster::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// So many of a hundred counted pods may be missing without the dump being called partial (C).
const SLACK_PERCENT: i64 = 5;
/// Objects named in one finding.
const NAMED: usize = 5;

/// How many pods a controller's status counts (kubernetes v1.36.3: ReplicaSets, ReplicationControllers and StatefulSets count
/// those that have not ended and are not being deleted, Deployments those of their ReplicaSets, DaemonSets the nodes that run one
/// and should, Jobs those that are pending or running).
pub(super) fn stated_pods(kind: OwnerKind, status: &WorkloadStatus<'_>) -> Option<i64> {
    match kind {
        OwnerKind::DaemonSet => status.current_number_scheduled,
        OwnerKind::Job => status.active,
        _ => status.replicas,
    }
    .filter(|n| *n > 0)
}

/// Says of lists that are cut, unless the rest of them is in the input too: `whole` is how many items the lists have, by kind, that go to their
/// end.
pub(super) fn note_cut(notices: &mut Notices, cut: &[CutList], whole: &FxHashMap<String, usize>) {
    // Each page of a list but the last says how many come after it.
    let has_rest = |list: &CutList| {
        let after = |other: &&CutList| other.kind == list.kind && other.remaining < list.remaining;
        let pages: usize = cut.iter().filter(after).map(|other| other.items).sum();
        let rest = whole.get(&list.kind).map_or(0, |last| pages + last);
        list.kind != "List" && list.remaining.is_some_and(|n| i64::try_from(rest).is_ok_and(|rest| rest >= n))
    };
    for list in cut.iter().filter(|list| !has_rest(list)) {
        let more = list
            .remaining
            .map_or("how many more there are it does not say".to_owned(), |n| format!("{n} more are left out"));
        let detail = format!(
            "this dump is not whole: the {} has {} item{} and says by metadata.continue that it is the first part only, {more}",
            list.kind,
            list.items,
            if list.items == 1 { "" } else { "s" }
        );
        notices.note("dump-not-whole", || format!("File/{}", list.place), &detail);
    }
}

/// Compares what statuses count and pods name with what was read.
pub(super) fn note(b: &mut Builder, state: &State) {
    owners_of_pods(b, state);
    nodes_of_pods(b, state);
    one_namespace(b, state);
    let pods = Pods::of(&b.catalog, state);
    controllers(b, state, &pods);
    budgets(b, state, &pods);
}

/// Pods by what selectors find them by: a large namespace has thousands of selectors, each of which selects few of its pods.
struct Pods {
    by_namespace: Vec<Vec<SpecIdx>>,
    by_label: FxHashMap<(NsIdx, Sym, Sym), Vec<SpecIdx>>,
}

impl Pods {
    fn of(catalog: &Catalog, state: &State) -> Pods {
        let budgets = catalog.budgets.iter().map(|b| &b.selector);
        let selectors = catalog.owners.iter().map(|o| &o.selector).chain(budgets);
        let keys: FxHashSet<Sym> = selectors.filter_map(|s| s.demanded()).map(|d| d.0).collect();
        let mut pods =
            Pods { by_namespace: vec![Vec::new(); catalog.namespaces.len()], by_label: FxHashMap::default() };
        for pod in state.pods.iter() {
            let spec = &catalog.specs[pod.spec];
            pods.by_namespace[spec.namespace.at()].push(pod.spec);
            for (key, value) in spec.labels.iter().filter(|label| keys.contains(&label.0)) {
                pods.by_label.entry((spec.namespace, key, value)).or_default().push(pod.spec);
            }
        }
        pods
    }

    /// How many pods of a namespace a selector selects.
    fn selected(&self, catalog: &Catalog, namespace: NsIdx, selector: &Selector) -> i64 {
        let selects = |s: &&SpecIdx| selector.matches(&catalog.specs[**s].labels, &catalog.names);
        let found = match selector.demanded() {
            Some((key, values)) => {
                let mut values = values.to_vec();
                values.sort_unstable();
                values.dedup();
                let lists = values.into_iter().filter_map(|v| self.by_label.get(&(namespace, key, v)));
                lists.flatten().filter(selects).count()
            }
            None => self.by_namespace[namespace.at()].iter().filter(selects).count(),
        };
        found as i64
    }
}

/// What was counted of how much, and by whom.
#[derive(Default)]
struct Tally {
    stated: i64,
    missing: i64,
    named: Vec<String>,
}

impl Tally {
    fn add(&mut self, object: impl FnOnce() -> String, stated: i64, seen: i64) {
        self.stated += stated;
        if seen < stated {
            self.missing += stated - seen;
            if self.named.len() < NAMED {
                self.named.push(format!("{}: {seen} of {stated}", object()));
            }
        }
    }

    fn is_much(&self) -> bool {
        self.missing * 100 > self.stated * SLACK_PERCENT
    }
}

fn controllers(b: &mut Builder, state: &State, pods: &Pods) {
    let mut tally = Tally::default();
    let stated = std::mem::take(&mut b.lookup.stated_pods);
    let mut has_sets = vec![false; b.catalog.owners.len()];
    for parent in b.catalog.owners.iter().filter_map(|o| o.parent) {
        has_sets[parent.at()] = true;
    }
    for (owner, count) in stated {
        let o = &b.catalog.owners[owner];
        let seen = match o.kind {
            // Its ReplicaSets say it more exactly.
            OwnerKind::Deployment if has_sets[owner.at()] => continue,
            OwnerKind::Deployment => pods.selected(&b.catalog, o.namespace, &o.selector),
            _ => state.owned[owner].len() as i64,
        };
        let left_out = b.lookup.left_out.get(&o.uid).copied().unwrap_or(0);
        note_fewer(b, &mut tally, count, seen + left_out, |b| b.catalog.owner_text(owner));
    }
    if tally.is_much() {
        let detail = format!(
            "this dump is not whole: the controllers' statuses count {} pods that it lacks, of {} ({})",
            tally.missing,
            tally.stated,
            tally.named.join(", ")
        );
        b.notices.note("dump-not-whole", || "Pod".into(), &detail);
    }
}

fn note_fewer(b: &mut Builder, tally: &mut Tally, stated: i64, seen: i64, object: impl Fn(&Builder) -> String) {
    tally.add(|| object(b), stated, seen);
    if seen < stated {
        let text = object(b);
        let detail = format!("its status counts {stated} pods, the dump has {seen} of them");
        b.notices.note("pods-missing", || text, &detail);
    }
}

fn budgets(b: &mut Builder, state: &State, pods: &Pods) {
    let mut tally = Tally::default();
    for budget in b.catalog.budgets.indices().collect::<Vec<_>>() {
        let spec = &b.catalog.budgets[budget];
        let status = &state.budgets[budget];
        if matches!(spec.selector, Selector::Invalid(_)) {
            continue;
        }
        if status.sync_failed.is_some() || b.lookup.left_out_of.contains(&spec.namespace) {
            continue;
        }
        let seen = pods.selected(&b.catalog, spec.namespace, &spec.selector);
        // Healthy pods were there. Expected ones are counted where minAvailable is a number, and else taken from the
        // controllers' replicas, but only if there is a pod at all (disruption.go `getExpectedPodCount`).
        let counted = matches!(spec.demand, Some(Demand::MinAvailable(Amount::Count(_)))) || seen == 0;
        let stated = if counted { status.healthy.max(status.expected) } else { status.healthy };
        if status.observed_generation >= spec.generation && stated > 0 {
            note_fewer(b, &mut tally, stated, seen, |b| {
                format!("PodDisruptionBudget/{}", b.catalog.budget_text(budget))
            });
        }
    }
    if tally.is_much() {
        let detail = format!(
            "this dump is not whole: the budgets' statuses count {} pods that it lacks, of {} ({})",
            tally.missing,
            tally.stated,
            tally.named.join(", ")
        );
        b.notices.note("dump-not-whole", || "Pod".into(), &detail);
    }
}

/// Pods of nodes that are gone are removed within a minute, a node at a time: where many pods are bound to several nodes that the dump lacks, it
/// lacks nodes.
fn nodes_of_pods(b: &mut Builder, state: &State) {
    let absent = std::mem::take(&mut b.lookup.absent_nodes);
    let missing: i64 = absent.values().sum();
    let bound = state.pods.iter().filter(|p| p.node.is_some()).count() as i64 + missing;
    let tally = Tally { stated: bound, missing, named: Vec::new() };
    if absent.len() < 2 || !tally.is_much() {
        return;
    }
    let named: Vec<&str> = absent.keys().take(NAMED).map(String::as_str).collect();
    let more = if absent.len() > NAMED { format!(" and {} more", absent.len() - NAMED) } else { String::new() };
    let detail = format!(
        "this dump is not whole: {missing} of {bound} pods are bound to {} nodes that it lacks ({}{more})",
        absent.len(),
        named.join(", ")
    );
    b.notices.note("dump-not-whole", || "Node".into(), &detail);
}

/// Every cluster has pods in kube-system: where all are of another namespace, others were not asked for.
fn one_namespace(b: &mut Builder, state: &State) {
    let mut namespaces: Vec<NsIdx> = state.pods.iter().map(|p| b.catalog.specs[p.spec].namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let name = |ns: NsIdx| b.catalog.text(b.catalog.namespaces[ns].name);
    let has_system = || b.catalog.namespaces.indices().any(|ns| name(ns) == "kube-system");
    if let ([only], true) = (namespaces.as_slice(), b.lookup.kinds.contains("Namespace"))
        && name(*only) != "kube-system"
        && has_system()
    {
        let detail = format!("all pods of the dump are in namespace {}, and it has others", name(*only));
        b.notices.note("pods-of-one-namespace", || "Pod".into(), &detail);
    }
}

/// Garbage collection removes pods whose controller is gone: that many live ones name one that the dump lacks, while it has
/// others of its kind, means that it lacks controllers.
fn owners_of_pods(b: &mut Builder, state: &State) {
    let mut tally = Tally::default();
    let mut kinds: Vec<&'static str> = Vec::new();
    for (owner, pods) in state.owned.entries() {
        let o = &b.catalog.owners[owner];
        let kind = kind_text(o.kind);
        if !b.lookup.kinds.contains(kind) || b.catalog.namespaces[o.namespace].terminating {
            continue;
        }
        let live = pods.iter().filter(|p| state.pods[**p].is_active()).count() as i64;
        tally.stated += live;
        if o.missing && live > 0 {
            tally.missing += live;
            if tally.named.len() < NAMED {
                tally.named.push(b.catalog.owner_text(owner));
            }
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    if tally.is_much() {
        kinds.sort_unstable();
        let detail = format!(
            "this dump is not whole: {} of {} pods name a controller that it lacks, though it has others of its kind ({})",
            tally.missing,
            tally.stated,
            tally.named.join(", ")
        );
        b.notices.note("dump-not-whole", || kinds.join(", "), &detail);
    }
}
