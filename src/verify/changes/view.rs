//! A cluster as it was after some event of a watch.

use super::event::Seen;
use crate::cluster::{Budget, BudgetIdx, BudgetStatus, Catalog, NsIdx, PodIdx, PodState, State, Sym};
use crate::disruption::BudgetIndex;
use crate::disruption::arithmetic::{Tally, compute, failures};
use crate::snapshot::RecordedBudget;
use std::sync::Arc;

/// How a change calls the controller to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It will look at it.
    Sure,
    /// It will look at one of several, and which is luck.
    Maybe,
}

/// Catalogue, index and state of one moment; the catalogue changes when a budget is edited or an owner goes.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) catalog: Arc<Catalog>,
    pub(super) index: Arc<BudgetIndex>,
    pub(super) state: State,
}

impl View {
    /// The view of a snapshot.
    pub(super) fn new(catalog: &Arc<Catalog>, state: &State) -> View {
        View { catalog: catalog.clone(), index: Arc::new(BudgetIndex::new(catalog)), state: state.clone() }
    }
    /// The pod with this uid that is still there.
    pub(super) fn pod(&self, uid: Sym) -> Option<PodIdx> {
        self.state.live_pods().find(|p| self.state.pods[*p].uid == uid)
    }
    /// The pod that bears a name in a namespace.
    pub(super) fn pod_named(&self, namespace: NsIdx, name: Sym) -> Option<PodIdx> {
        let named = |p: &PodIdx| {
            let pod = &self.state.pods[*p];
            pod.name == name && self.catalog.specs[pod.spec].namespace == namespace
        };
        self.state.live_pods().find(named)
    }
    /// Which budgets an event calls the controller to.
    pub(super) fn calls(&self, seen: &Seen) -> Vec<(BudgetIdx, Call)> {
        match seen {
            Seen::Pod { state, .. } => match self.index.budgets_of(state.spec) {
                [one] => vec![(*one, Call::Sure)],
                several => several.iter().map(|b| (*b, Call::Maybe)).collect(),
            },
            Seen::Budget { budget, .. } => vec![(*budget, Call::Sure)],
            Seen::Owner { .. } => Vec::new(),
        }
    }
    /// Takes in what an event shows.
    pub(super) fn apply(&mut self, seen: &Seen) {
        match seen {
            Seen::Pod { state, gone, .. } => self.set_pod(state, *gone),
            Seen::Owner { owner, replicas, gone } => {
                self.state.set_replicas(*owner, *replicas);
                if *gone {
                    Arc::make_mut(&mut self.catalog).owners[*owner].missing = true;
                }
            }
            Seen::Budget { budget, read, .. } => {
                self.edit(*budget, &read.spec);
                let status = self.status(read);
                self.state.set_budget(*budget, status);
            }
        }
    }
    /// Replaces a budget's spec; whether it was another.
    pub(super) fn edit(&mut self, budget: BudgetIdx, spec: &Budget) -> bool {
        let changed = self.catalog.budgets[budget] != *spec;
        if changed {
            Arc::make_mut(&mut self.catalog).budgets[budget] = spec.clone();
            self.index = Arc::new(BudgetIndex::new(&self.catalog));
        }
        changed
    }
    /// A recorded status with its disrupted pods as they are called here. One that is gone is left out.
    pub(super) fn status(&self, read: &RecordedBudget) -> BudgetStatus {
        let mut status = read.status.clone();
        let pods = read.disrupted.iter();
        status.disrupted =
            pods.filter_map(|(name, at)| Some((self.pod_named(read.spec.namespace, *name)?, *at))).collect();
        status.disrupted.sort_unstable();
        status
    }
    /// Makes a pod what a watch showed. A change of labels is a change of its spec.
    pub(super) fn set_pod(&mut self, seen: &PodState, gone: bool) {
        let catalog = &*self.catalog;
        let Some(pod) = self.pod(seen.uid) else {
            if !gone {
                self.state.add_pod(catalog, seen.clone());
            }
            return;
        };
        if catalog.specs[self.state.pods[pod].spec].labels != catalog.specs[seen.spec].labels {
            self.state.pods[pod].spec = seen.spec;
        }
        if let (Some(node), None) = (seen.node, self.state.pods[pod].node) {
            self.state.bind(catalog, pod, node, seen.started);
        }
        self.state.set_phase(catalog, pod, seen.phase);
        self.state.set_ready(pod, seen.ready, seen.ready_since);
        if let Some(deletion) = seen.deleting {
            self.state.set_deleting(pod, deletion.asked, deletion.deadline - deletion.asked);
        }
        if gone {
            self.state.remove_pod(catalog, pod);
        }
    }
    /// Whether the controller, with these pods before its eyes and `base` stored, would store `written`.
    ///
    /// The moment it looked is known to two seconds. A look that fails leaves `disruptedPods` as they were.
    pub(super) fn explains(&self, budget: BudgetIdx, base: &BudgetStatus, written: &BudgetStatus, now: i64) -> bool {
        let mut state = self.state.clone();
        state.set_budget(budget, base.clone());
        let tally = Tally::count(&self.catalog, &state, &self.index, budget);
        let told = match (&written.sync_failed, failures(&self.catalog, &state, budget, &tally)) {
            (None, possible) => possible.is_empty(),
            (Some(message), possible) => possible.contains(message),
        };
        let fails = written.sync_failed.is_some();
        let kept = |s: &BudgetStatus| if fails { Vec::new() } else { s.disrupted.clone() };
        let plain = |s: &BudgetStatus| BudgetStatus { sync_failed: None, disrupted: kept(s), ..s.clone() };
        let computed = |now| compute(&self.catalog, &state, budget, &tally, now).status;
        told && [now - 2_000, now, now + 2_000].into_iter().any(|now| plain(&computed(now)) == plain(written))
    }
}
