//! Who moved more than once: each pod is joined with the one whose place it took, as [`crate::trace::metrics`] joins them.

use crate::cluster::{Idx, NsIdx, OwnerKind, PodIdx, Sym, View};
use crate::trace::lineage::{Loss, OwnerLineage};
use crate::trace::observation::workload;
use rustc_hash::{FxHashMap, FxHashSet};

/// A pod that ended by itself is in nobody's line.
const NOBODY: usize = usize::MAX;

/// A workload by its names: two of them that are called the same are one to the trace.
type Workload = (Sym, NsIdx, Sym);

/// How often the pods of each line were moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// Pods that left or were to leave: how often they and those before them were moved.
    moves: FxHashMap<usize, u32>,
    /// Whose place a pod took.
    before: FxHashMap<usize, usize>,
    /// Pods whose leaving is known.
    lost: FxHashSet<usize>,
    lineages: FxHashMap<Workload, OwnerLineage<PodIdx>>,
}

impl Moves {
    /// A pod left, or was to leave: from now on its line is what it is.
    pub fn seen(&mut self, pod: PodIdx) {
        self.line(pod.at());
    }

    /// A pod was moved; how often its line was, this time included.
    pub fn moved(&mut self, pod: PodIdx) -> u32 {
        let moves = self.line(pod.at());
        *moves += 1;
        *moves
    }

    fn line(&mut self, pod: usize) -> &mut u32 {
        let before = self.before.get(&pod).and_then(|b| self.moves.get(b)).copied().unwrap_or(0);
        self.moves.entry(pod).or_insert(before)
    }

    /// A pod is leaving; by itself if nobody made it.
    pub fn lost(&mut self, pod: PodIdx, by_itself: bool, view: View<'_>) {
        if stays_with_node(view, pod) || !self.lost.insert(pod.at()) {
            return;
        }
        let Some(workload) = workload_of(view, pod) else { return };
        let lineage = self.lineages.entry(workload).or_default();
        lineage.forget(pod.at());
        let place = if by_itself { NOBODY } else { pod.at() };
        if let Some(taken) = lineage.lost(Loss { pod: place, name: pod, by_itself }) {
            self.join(place, taken);
        }
    }

    /// A pod was created that was not there at the start.
    pub fn created(&mut self, pod: PodIdx, view: View<'_>) {
        if stays_with_node(view, pod) {
            return;
        }
        let Some(workload) = workload_of(view, pod) else { return };
        let name = |pod: PodIdx| view.state.name(view.catalog, view.state.pods[pod].name);
        let lineage = self.lineages.entry(workload).or_default();
        if let Some(before) = lineage.created(pod.at(), |lost| name(*lost) == name(pod)) {
            self.join(before, pod.at());
        }
    }

    fn join(&mut self, before: usize, pod: usize) {
        if before != NOBODY {
            self.before.insert(pod, before);
        }
    }
}

fn workload_of(view: View<'_>, pod: PodIdx) -> Option<Workload> {
    let catalog = view.catalog;
    let owner = catalog.specs[view.state.pods[pod].spec].owner?;
    let top = &catalog.owners[workload(catalog, owner)];
    Some((top.kind_name, top.namespace, top.name))
}

/// DaemonSet and static pods come and go with their node.
pub(super) fn stays_with_node(view: View<'_>, pod: PodIdx) -> bool {
    let owner = view.catalog.specs[view.state.pods[pod].spec].owner;
    owner.is_some_and(|o| {
        matches!(view.catalog.owners[workload(view.catalog, o)].kind, OwnerKind::DaemonSet | OwnerKind::Node)
    })
}
