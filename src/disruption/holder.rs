//! Who decides when a budget lets its pods go: an operator that manages it, the Jobs whose pods it covers, or somebody who repairs
//! broken pods. What a budget's amounts alone say is [`never`](super::never).

use super::BudgetIndex;
use crate::cluster::{BudgetIdx, Manager, OwnerKind, PodIdx, View};

/// Who decides when a budget lets its pods go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An operator, which is not simulated.
    Operator(Manager),
    /// The pods are of Jobs: each goes when its Job ends.
    Jobs {
        /// `Job/namespace/name` of each.
        jobs: Vec<String>,
        /// When the last of them ends at the latest, in milliseconds since the snapshot; None if that is not known.
        end_ms: Option<i64>,
    },
    /// So many of its pods are broken that it allows nothing until they are repaired.
    Broken(Vec<PodIdx>),
}

/// Pods that a budget holds, those of Jobs apart: they go when their Job ends, whatever becomes of the others.
pub fn parts(view: View<'_>, pods: &[PodIdx]) -> Vec<Vec<PodIdx>> {
    let of_job = |p: &PodIdx| {
        view.catalog.specs[view.state.pods[*p].spec].owner.is_some_and(|o| view.catalog.owners[o].job.is_some())
    };
    let (jobs, others): (Vec<PodIdx>, Vec<PodIdx>) = pods.iter().copied().partition(of_job);
    [others, jobs].into_iter().filter(|part| !part.is_empty()).collect()
}

/// Who decides about a budget that holds `pods`; None if its own amounts do.
pub fn holder(view: View<'_>, budgets: &BudgetIndex, budget: BudgetIdx, pods: &[PodIdx]) -> Option<Holder> {
    if let Some(manager) = manager(view, budget, pods) {
        return Some(Holder::Operator(manager));
    }
    jobs(view, pods).or_else(|| {
        let broken = broken(view, budgets, budget);
        let status = &view.state.budgets[budget];
        let reachable = status.expected - broken.len() as i64;
        (!broken.is_empty() && status.expected > 0 && reachable <= status.desired).then_some(Holder::Broken(broken))
    })
}

/// The operator of a budget: its owner or labels name it, or all held pods are owned by custom resources or carry a known operator's labels.
fn manager(view: View<'_>, budget: BudgetIdx, pods: &[PodIdx]) -> Option<Manager> {
    let (c, spec) = (view.catalog, &view.catalog.budgets[budget]);
    if let Some(manager) = c.inventory.budget_managers.get(&(spec.namespace, spec.name)) {
        return Some(manager.clone());
    }
    let mut found = None;
    for pod in pods {
        let spec = &c.specs[view.state.pods[*pod].spec];
        let owner = c.top_owner(spec.owner?);
        let o = &c.owners[owner];
        let by_label = || Manager::of_labels(spec.labels.iter().map(|(k, v)| (c.text(k), c.text(v))));
        let manager = match o.kind {
            OwnerKind::Custom => Manager::of_owner(c.text(o.api_version), c.text(o.kind_name), c.text(o.name)),
            _ => c.inventory.workload_managers.get(&owner).cloned().or_else(by_label),
        }?;
        found.get_or_insert(manager);
    }
    found
}

fn jobs(view: View<'_>, pods: &[PodIdx]) -> Option<Holder> {
    let c = view.catalog;
    let (mut jobs, mut end_ms) = (Vec::new(), Some(i64::MIN));
    for pod in pods {
        let owner = c.specs[view.state.pods[*pod].spec].owner?;
        c.owners[owner].job.as_ref()?;
        jobs.push(c.owner_text(owner));
        end_ms = end_ms.zip(ends_at(view, *pod)).map(|(a, b)| a.max(b));
    }
    jobs.sort();
    jobs.dedup();
    (!jobs.is_empty()).then_some(Holder::Jobs { jobs, end_ms })
}

/// When a pod is ended at the latest by a deadline of its own or of its Job, in milliseconds since the snapshot.
pub fn ends_at(view: View<'_>, pod: PodIdx) -> Option<i64> {
    let p = &view.state.pods[pod];
    let own = view.catalog.inventory.declared.get(&p.spec).and_then(|d| d.active_deadline_ms);
    let own = own.map(|ms| p.started.saturating_add(ms));
    let owner = view.catalog.specs[p.spec].owner;
    let job = owner.and_then(|o| view.catalog.owners[o].job.as_ref()).and_then(|j| j.deadline_ms);
    own.into_iter().chain(job).min()
}

/// Broken pods under a budget, which stay so wherever they are moved.
fn broken(view: View<'_>, budgets: &BudgetIndex, budget: BudgetIdx) -> Vec<PodIdx> {
    if view.catalog.inventory.broken.is_empty() {
        return Vec::new();
    }
    let counts = |p: &PodIdx| {
        let pod = &view.state.pods[*p];
        let covered = || budgets.budgets_of(pod.spec).contains(&budget);
        pod.is_active() && !pod.ready && covered() && why_broken(view, *p).is_some()
    };
    view.state.live_pods().filter(counts).collect()
}

/// Why a pod that is not ready is broken, if it is a broken one of the dump or takes the place of one.
pub fn why_broken(view: View<'_>, pod: PodIdx) -> Option<&str> {
    let (c, p) = (view.catalog, &view.state.pods[pod]);
    let broken = &c.inventory.broken;
    let owner = c.specs[p.spec].owner;
    let of_owner = || broken.iter().find(|(spec, _)| owner.is_some() && c.specs[**spec].owner == owner).map(|(_, b)| b);
    broken.get(&p.spec).or_else(of_owner).map(|b| b.why.as_str())
}

/// Pods as text, each with why it is broken.
pub fn broken_text(view: View<'_>, pods: &[PodIdx]) -> String {
    let (c, s) = (view.catalog, view.state);
    let why = |p: &PodIdx| why_broken(view, *p).unwrap_or("");
    let mut names: Vec<String> = pods.iter().take(3).map(|p| format!("{}: {}", s.pod_text(c, *p), why(p))).collect();
    if pods.len() > 3 {
        names.push(format!("{} more", pods.len() - 3));
    }
    names.join("; ")
}
