//! Who moved more than once: each pod is joined with the one whose place it took, as [`crate::trace::metrics`] joins them.

use crate::cluster::{Idx, NsIdx, OwnerKind, PodIdx, Sym, View};
use crate::trace::lineage::{Loss, OwnerLineage};
use crate::trace::observation::workload;
use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;

/// A pod that ended by itself is in nobody's line.
const NOBODY: usize = usize::MAX;

/// A workload by its names: two of them that are called the same are one to the trace.
type Workload = (Sym, NsIdx, Sym);

/// How often the pods of each line were moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// By pod: how often it and those before it were moved, and one more; 0 for one that neither left nor was to leave.
    moves: Vec<u32>,
    /// By pod: whose place it took, and one more; 0 if nobody's.
    before: Vec<u32>,
    /// Pods whose leaving is known.
    lost: FixedBitSet,
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
        *moves - 1
    }

    /// How often the line of a pod was moved, and one more.
    fn line(&mut self, pod: usize) -> &mut u32 {
        let known = |list: &[u32], at: usize| list.get(at).copied().and_then(|n| n.checked_sub(1));
        let before = known(&self.before, pod).and_then(|b| known(&self.moves, b as usize)).unwrap_or(0);
        if self.moves.len() <= pod {
            self.moves.resize(pod + 1, 0);
        }
        let moves = &mut self.moves[pod];
        if *moves == 0 {
            *moves = before + 1;
        }
        moves
    }

    /// A pod is leaving; by itself if nobody made it.
    pub fn lost(&mut self, pod: PodIdx, by_itself: bool, view: View<'_>) {
        if stays_with_node(view, pod) {
            return;
        }
        self.lost.grow(pod.at() + 1);
        if self.lost.put(pod.at()) {
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
            if self.before.len() <= pod {
                self.before.resize(pod + 1, 0);
            }
            self.before[pod] = before as u32 + 1;
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
