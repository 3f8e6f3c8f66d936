//! Why nodes could not be emptied and what would lift it, from the pods that are left on them: a cause and a remedy for each
//! kind of trouble.

use super::jobs;
use crate::cluster::{BudgetIdx, NodeIdx, OwnerKind, PodIdx, View, duration_text};
use crate::disruption::BudgetIndex;
use crate::disruption::admission::{is_asked_of_eviction, silent_of_evictions};
use crate::disruption::deletion::{blocking_finalizers, has_blocking_finalizer};
use crate::disruption::holder::{Holder, broken_text, holder, parts};
use crate::disruption::never::escapes;
use crate::intent::Options;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// What is known beyond the refusals themselves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Advice {
    /// Added to the cause; each once.
    pub causes: Vec<String>,
    /// What would lift it; each once.
    pub remedies: Vec<String>,
}

impl Advice {
    fn add(&mut self, cause: String, remedy: String) {
        if !cause.is_empty() && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        if !self.remedies.contains(&remedy) {
            self.remedies.push(remedy);
        }
    }

    /// The remedies as one text; None if there is none.
    pub fn remedy(&self) -> Option<String> {
        (!self.remedies.is_empty()).then(|| self.remedies.join(" "))
    }
}

/// What holds the pods that are left on `nodes`.
pub(crate) fn advise(view: View<'_>, options: &Options, nodes: &[NodeIdx]) -> Advice {
    let mut advice = Advice::default();
    let mut pods: Vec<(NodeIdx, Vec<PodIdx>)> = nodes.iter().map(|n| (*n, Vec::new())).collect();
    // A node's list lacks pods whose containers have ended.
    let places: FxHashMap<NodeIdx, usize> = nodes.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    for pod in view.state.live_pods().filter(|p| is_left(view, *p)) {
        if let Some(place) = view.state.pods[pod].node.and_then(|n| places.get(&n)) {
            pods[*place].1.push(pod);
        }
    }
    for (node, pods) in &pods {
        terminating(view, options, *node, pods, &mut advice);
    }
    let staying = |p: &PodIdx| view.state.pods[*p].deleting.is_none();
    let staying: Vec<PodIdx> = pods.into_iter().flat_map(|n| n.1).filter(staying).collect();
    let (of_jobs, staying): (Vec<PodIdx>, Vec<PodIdx>) =
        staying.into_iter().partition(|p| jobs::awaited(view, options, *p).is_some());
    awaited_jobs(view, options, &of_jobs, &mut advice);
    let staying = webhooks(view, staying, &mut advice);
    if !staying.is_empty() && !view.catalog.budgets.is_empty() {
        budgets(view, options, &staying, &mut advice);
    }
    advice
}

/// Whether a pod that had to leave is still there: one whose containers have ended counts while it is being deleted.
fn is_left(view: View<'_>, pod: PodIdx) -> bool {
    let p = &view.state.pods[pod];
    let owner = view.catalog.specs[p.spec].owner.map(|o| view.catalog.owners[o].kind);
    let stays = matches!(owner, Some(OwnerKind::DaemonSet | OwnerKind::Node)) || view.catalog.specs[p.spec].mirror;
    !p.gone && !stays && (p.occupies() || p.deleting.is_some())
}

/// Pods that were deleted and are still there.
fn terminating(view: View<'_>, options: &Options, node: NodeIdx, pods: &[PodIdx], advice: &mut Advice) {
    let (c, s) = (view.catalog, view.state);
    let going: Vec<PodIdx> = pods.iter().copied().filter(|p| s.pods[*p].deleting.is_some()).collect();
    let Some(first) = going.first().copied() else { return };
    let name = s.node_name(c, node);
    if !s.nodes[node].ready {
        return advice.add(
            format!("node {name} is not Ready: no kubelet ends its pods"),
            format!("Delete the object of node {name} once its machine is gone, or repair the node."),
        );
    }
    if let Some(held) = going.iter().copied().find(|p| has_blocking_finalizer(c, s, *p)) {
        let names = blocking_finalizers(c, s, held);
        return advice.add(
            format!("pod {} is kept by its finalizers ({})", s.pod_text(c, held), names.join(", ")),
            "Make sure that the controllers run that take off the named finalizers.".to_owned(),
        );
    }
    let grace = going.iter().map(|p| c.shape(s.pods[*p].spec).grace_ms).max().unwrap_or(0);
    let Some(limit) = options.drain_limit() else { return };
    advice.add(
        format!("pod {} takes longer to stop than {} allows ({})", s.pod_text(c, first), limit.option, duration_text(limit.ms)),
        format!(
            "Raise {} above the time that the named pods take to stop (their grace is up to {}), or shorten their preStop hooks and grace.",
            limit.option,
            duration_text(grace)
        ),
    );
}

/// Pods that run and whose Jobs are let finish.
fn awaited_jobs(view: View<'_>, options: &Options, pods: &[PodIdx], advice: &mut Advice) {
    let mut names: Vec<String> = pods.iter().filter_map(|p| jobs::awaited_text(view, options, *p)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return;
    }
    let option = options.drain_limit().map_or("the limit of the drain", |l| l.option);
    advice.add(
        String::new(),
        format!(
            "Wait until {} has ended, or raise {option} above what it still needs, then plan again for the nodes that are left; without \
             wait_for_jobs its pods are evicted, and begin again.",
            super::names(names)
        ),
    );
}

/// Pods whose evictions a webhook refuses because none of its backends is ready; gives back the others.
fn webhooks(view: View<'_>, pods: Vec<PodIdx>, advice: &mut Advice) -> Vec<PodIdx> {
    let silent = silent_of_evictions(view);
    let mut is_free = |p: &PodIdx| match silent.iter().find(|h| is_asked_of_eviction(view, h, *p) == Some(true)) {
        Some(hook) => {
            advice.add(
                format!("no backend of Service {} is ready, and its webhook {} fails closed", hook.service, hook.name),
                format!(
                    "Bring a backend of Service {} back, or delete {} for the time of the migration.",
                    hook.service, hook.config
                ),
            );
            false
        }
        None => true,
    };
    pods.into_iter().filter(|p| is_free(p)).collect()
}

/// Pods that a budget holds.
fn budgets(view: View<'_>, options: &Options, pods: &[PodIdx], advice: &mut Advice) {
    let index = BudgetIndex::new(view.catalog);
    let mut held: BTreeMap<BudgetIdx, Vec<PodIdx>> = BTreeMap::new();
    for pod in pods {
        if let [budget] = index.budgets_of(view.state.pods[*pod].spec)
            && view.state.budgets[*budget].allowed <= 0
            && !escapes(view, *budget, *pod)
        {
            held.entry(*budget).or_default().push(*pod);
        }
    }
    let parted = held.into_iter().flat_map(|(b, pods)| parts(view, &pods).into_iter().map(move |part| (b, part)));
    for (budget, pods) in parted {
        let name = view.catalog.budget_text(budget);
        match holder(view, &index, budget, &pods) {
            Some(Holder::Operator(m)) => advice.add(
                format!(
                    "uncertain: the budget {name} is managed by {} ({}), which {}; that is not simulated",
                    m.name(),
                    m.by,
                    m.does()
                ),
                m.remedy(),
            ),
            Some(Holder::Jobs { jobs, end_ms: None }) => advice.add(
                format!("{} held until the Job ends; its end is not known", jobs.join(", ")),
                format!("Wait until {} has ended, then plan again for the nodes that are left.", jobs.join(", ")),
            ),
            Some(Holder::Jobs { jobs, end_ms: Some(end) }) => {
                let option = options.drain_limit().map_or("the limit of the drain", |l| l.option);
                advice.add(
                    format!(
                        "{} held until the Job ends, at the latest {} after the dump",
                        jobs.join(", "),
                        duration_text(end)
                    ),
                    format!("Raise {option} above that, or wait until {} has ended.", jobs.join(", ")),
                );
            }
            Some(Holder::Broken(broken)) => advice.add(
                format!("the budget {name} is exhausted by pods that stay broken ({})", broken_text(view, &broken)),
                "Repair the broken pods' workload, then plan again for the nodes that are left.".to_owned(),
            ),
            None => advice.add(
                String::new(),
                "Raise the named budgets' allowance (maxUnavailable, replicas), or force them.".to_owned(),
            ),
        }
    }
}
