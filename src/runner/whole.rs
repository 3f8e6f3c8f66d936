//! Whether workloads are whole again: every owner a batch touched has as many ready replicas as at the batch's start,
//! or as it wants now if that is less.

use super::trouble::{self, Trouble};
use crate::cluster::{Idx, NodeIdx, OwnerIdx, OwnerKind, PodIdx, SharedArena, View};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An owner that a batch touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerMark {
    /// `Kind/namespace/name` of the topmost owner.
    pub owner: String,
    /// Ready replicas at the batch's start.
    pub ready_at_start: u32,
    /// It had no pod on the batch's nodes, but pods of its own were preempted since the batch's start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preempted: bool,
}

/// When a pod counts as a ready replica.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rule {
    /// Only when it has been ready for `minReadySeconds` of its workload.
    pub available: bool,
    /// Milliseconds since the snapshot.
    pub now: i64,
}

impl Rule {
    /// Since when (or until when not) a pod counts; None if it is not ready.
    fn counts_from(self, view: View<'_>, pod: PodIdx) -> Option<i64> {
        let p = &view.state.pods[pod];
        if !(p.ready && p.is_active()) {
            return None;
        }
        let owner = view.catalog.specs[p.spec].owner.filter(|_| self.available);
        let own = |o: OwnerIdx| view.catalog.owners[o].min_ready_ms;
        let wait = owner.map_or(0, |o| own(view.catalog.top_owner(o)).max(own(o)));
        Some(if wait > 0 { p.ready_since.saturating_add(wait) } else { i64::MIN })
    }
}

/// Counts of ready pods per touched owner, kept up to date with the view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    rule: Rule,
    /// Pods that are ready and count from a later moment on.
    maturing: BTreeSet<(i64, PodIdx)>,
    /// By place in the list of marks.
    owners: Vec<Option<OwnerIdx>>,
    place: Places,
    tops: Tops,
    ready: Vec<u32>,
    ready_pods: FxHashSet<PodIdx>,
    behind: Vec<bool>,
    behind_count: usize,
}

/// The topmost owner of each owner, worked out once for all batches.
#[derive(Clone, Debug, Default)]
struct Tops(Arc<[OwnerIdx]>);

impl Tops {
    /// Of the owners of a view, which may be more than when it was worked out.
    fn read(self, view: View<'_>) -> Tops {
        let owners = &view.catalog.owners;
        if self.0.len() == owners.len() {
            return self;
        }
        Tops(owners.indices().map(|o| view.catalog.top_owner(o)).collect())
    }

    fn of(&self, view: View<'_>, owner: OwnerIdx) -> OwnerIdx {
        self.0.get(owner.at()).copied().unwrap_or_else(|| view.catalog.top_owner(owner))
    }
}

/// Where topmost owners stand in the list of marks.
#[derive(Clone, Debug, Default)]
struct Places {
    /// By owner.
    of: Vec<u32>,
    len: usize,
}

impl Places {
    const NONE: u32 = u32::MAX;

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn get(&self, owner: OwnerIdx) -> Option<usize> {
        self.of.get(owner.at()).filter(|place| **place != Places::NONE).map(|place| *place as usize)
    }

    /// An owner that has a place already gets another.
    fn insert(&mut self, owner: OwnerIdx, place: usize) {
        if self.of.len() <= owner.at() {
            self.of.resize(owner.at() + 1, Places::NONE);
        }
        self.len += usize::from(self.of[owner.at()] == Places::NONE);
        self.of[owner.at()] = place as u32;
    }
}

/// The topmost owner of a pod whose readiness a batch is answerable for; DaemonSets' and nodes' own pods go with the node.
fn top(view: View<'_>, pod: PodIdx) -> Option<OwnerIdx> {
    let owner = view.catalog.specs[view.state.pods[pod].spec].owner?;
    let top = view.catalog.top_owner(owner);
    (!matches!(view.catalog.owners[top].kind, OwnerKind::DaemonSet | OwnerKind::Node)).then_some(top)
}

impl Counts {
    /// Marks the owners of all pods on `nodes`, as ready as they are now.
    ///
    /// `before` are those of the batch before, if there was one.
    pub fn mark(
        view: View<'_>,
        nodes: &[NodeIdx],
        rule: Rule,
        before: Counts,
    ) -> (Counts, SharedArena<usize, OwnerMark>) {
        let mut owners: Vec<OwnerIdx> =
            nodes.iter().flat_map(|n| view.state.nodes[*n].pods.iter()).filter_map(|p| top(view, *p)).collect();
        owners.sort();
        owners.dedup();
        let names: Vec<String> = owners.iter().map(|o| view.catalog.owner_text(*o)).collect();
        let mut counts = Counts::over(view, owners.into_iter().map(Some).collect(), rule, before.tops);
        let marks: SharedArena<usize, OwnerMark> = names
            .into_iter()
            .zip(&counts.ready)
            .map(|(owner, ready)| OwnerMark { owner, ready_at_start: *ready, preempted: false })
            .collect();
        counts.judge_all(view, &marks);
        (counts, marks)
    }
    /// Resolves marks in a fresh view.
    pub fn resolve(view: View<'_>, marks: &SharedArena<usize, OwnerMark>, rule: Rule) -> Counts {
        let wanted: FxHashSet<&str> = marks.iter().map(|m| m.owner.as_str()).collect();
        let by_name: FxHashMap<String, OwnerIdx> = view
            .catalog
            .owners
            .indices()
            .filter(|o| view.catalog.owners[*o].parent.is_none())
            .map(|o| (view.catalog.owner_text(o), o))
            .filter(|(t, _)| wanted.contains(t.as_str()))
            .collect();
        let owners = marks.iter().map(|m| by_name.get(&m.owner).copied()).collect();
        let mut counts = Counts::over(view, owners, rule, Tops::default());
        counts.judge_all(view, marks);
        counts
    }
    fn over(view: View<'_>, owners: Vec<Option<OwnerIdx>>, rule: Rule, tops: Tops) -> Counts {
        let (ready, behind) = (vec![0; owners.len()], vec![false; owners.len()]);
        let mut c = Counts { rule, ready, behind, tops: tops.read(view), ..Counts::default() };
        for (i, owner) in owners.iter().enumerate() {
            owner.iter().for_each(|o| c.place.insert(*o, i));
        }
        c.owners = owners;
        if c.place.is_empty() {
            return c;
        }
        // By owner, not by pod: a batch touches few of a large cluster's owners.
        for owner in view.catalog.owners.indices() {
            let Some(i) = c.place.get(c.tops.of(view, owner)) else { continue };
            for pod in &view.state.owned[owner] {
                match rule.counts_from(view, *pod) {
                    Some(from) if from > rule.now => _ = c.maturing.insert((from, *pod)),
                    Some(_) => {
                        c.ready[i] += 1;
                        c.ready_pods.insert(*pod);
                    }
                    None => {}
                }
            }
        }
        c
    }
    /// How many ready replicas an owner wants now; one without a replica count (a Job, an unknown kind) wants as many
    /// as it has pods that are neither finished nor going.
    fn wanted(view: View<'_>, owner: OwnerIdx) -> u32 {
        let o = &view.catalog.owners[owner];
        match view.state.replicas[owner] {
            Some(n) if !o.missing && o.kind != OwnerKind::Job => u32::try_from(n.max(0)).unwrap_or(u32::MAX),
            _ => Self::active(view, owner),
        }
    }
    fn active(view: View<'_>, owner: OwnerIdx) -> u32 {
        // Such owners hold their pods directly; a controller between is as rare as it is shallow.
        let direct = view.state.owned[owner].iter().filter(|p| view.state.pods[**p].is_active()).count();
        u32::try_from(direct).unwrap_or(u32::MAX)
    }
    fn judge(&mut self, view: View<'_>, marks: &SharedArena<usize, OwnerMark>, i: usize) {
        let behind = match self.owners[i] {
            // An owner that no longer exists wants nothing.
            None => false,
            Some(o) => self.ready[i] < marks[i].ready_at_start.min(Self::wanted(view, o)),
        };
        if behind != self.behind[i] {
            self.behind[i] = behind;
            if behind { self.behind_count += 1 } else { self.behind_count -= 1 }
        }
    }
    fn judge_all(&mut self, view: View<'_>, marks: &SharedArena<usize, OwnerMark>) {
        for i in 0..marks.len() {
            self.judge(view, marks, i);
        }
    }
    /// A pod changed.
    pub fn pod_changed(&mut self, view: View<'_>, marks: &SharedArena<usize, OwnerMark>, pod: PodIdx) {
        if self.place.is_empty() {
            return;
        }
        // Only topmost owners whose readiness counts have a place.
        let owner = view.catalog.specs[view.state.pods[pod].spec].owner;
        let Some(i) = owner.and_then(|o| self.place.get(self.tops.of(view, o))) else { return };
        let from = self.rule.counts_from(view, pod);
        if let Some(later) = from.filter(|from| *from > self.rule.now) {
            self.maturing.insert((later, pod));
        }
        if from.is_some_and(|from| from <= self.rule.now) {
            if self.ready_pods.insert(pod) {
                self.ready[i] += 1;
            }
        } else if self.ready_pods.remove(&pod) {
            self.ready[i] -= 1;
        }
        self.judge(view, marks, i);
    }
    /// Marks the owners of a further node's pods too, as ready as they were at the batch's start if they are marked already, else as they are now.
    pub fn also(&mut self, view: View<'_>, marks: &mut SharedArena<usize, OwnerMark>, node: NodeIdx) {
        let mut owners: Vec<OwnerIdx> = view.state.nodes[node].pods.iter().filter_map(|p| top(view, *p)).collect();
        owners.sort();
        owners.dedup();
        for owner in owners {
            if self.place.get(owner).is_none() {
                self.mark_one(view, marks, owner, |_| false, false);
            }
        }
    }
    /// Marks an owner of which the pods that count now, and those others, count as ready at the start.
    fn mark_one(
        &mut self,
        view: View<'_>,
        marks: &mut SharedArena<usize, OwnerMark>,
        owner: OwnerIdx,
        others: impl Fn(PodIdx) -> bool,
        preempted: bool,
    ) {
        let (mut ready, mut at_start) = (0, 0);
        let tops = self.tops.clone();
        for below in view.catalog.owners.indices().filter(|o| tops.of(view, *o) == owner) {
            for p in &view.state.owned[below] {
                let from = self.rule.counts_from(view, *p);
                let counts = from.is_some_and(|from| from <= self.rule.now);
                if counts {
                    self.ready_pods.insert(*p);
                    ready += 1;
                } else if let Some(from) = from {
                    self.maturing.insert((from, *p));
                }
                at_start += u32::from(counts || others(*p));
            }
        }
        self.place.insert(owner, self.owners.len());
        self.owners.push(Some(owner));
        self.ready.push(ready);
        self.behind.push(false);
        marks.push(OwnerMark { owner: view.catalog.owner_text(owner), ready_at_start: at_start, preempted });
        self.judge(view, marks, marks.len() - 1);
    }

    /// Time has come to `now`: pods that have been ready for long enough count.
    pub fn pass_to(&mut self, view: View<'_>, marks: &SharedArena<usize, OwnerMark>, now: i64) {
        self.rule.now = now;
        while let Some((_, pod)) = self.maturing.first().copied().filter(|m| m.0 <= now) {
            self.maturing.pop_first();
            self.pod_changed(view, marks, pod);
        }
    }

    /// When the next pod has been ready for long enough.
    pub fn next_at(&self) -> Option<i64> {
        self.maturing.first().map(|m| m.0)
    }

    /// A pod that was preempted since the batch's start makes the batch wait for its owner too: it had to go for a pod that the batch moved.
    pub fn preempted(&mut self, view: View<'_>, marks: &mut SharedArena<usize, OwnerMark>, pod: PodIdx, since: i64) {
        let gone_for_others = |p: PodIdx| {
            let p = &view.state.pods[p];
            // The API keeps whole seconds.
            p.preempted && p.deleting.is_some_and(|d| d.asked + 1_000 > since)
        };
        if !gone_for_others(pod) {
            return;
        }
        let Some(owner) = top(view, pod).filter(|o| self.place.get(*o).is_none()) else { return };
        self.mark_one(view, marks, owner, gone_for_others, true);
        if view.state.pods[pod].gone {
            let last = marks.len() - 1;
            marks[last].ready_at_start += 1;
            self.judge(view, marks, last);
        }
    }
    /// An owner's replica count changed.
    pub fn owner_changed(&mut self, view: View<'_>, marks: &SharedArena<usize, OwnerMark>, owner: OwnerIdx) {
        if let Some(i) = self.place.get(self.tops.of(view, owner)) {
            self.judge(view, marks, i);
        }
    }
    /// Whether all are whole.
    pub fn are_whole(&self) -> bool {
        self.behind_count == 0
    }
    /// The owners that are not whole, with ready and expected replicas and what their first pod that is not ready waits for.
    pub fn behind(&self, view: View<'_>, marks: &SharedArena<usize, OwnerMark>) -> Vec<String> {
        let troubles = self.troubles(view);
        let line = |(i, _, detail): (usize, Trouble, String)| {
            let mark = &marks[i];
            let preempted = if mark.preempted { "; its pods were preempted" } else { "" };
            let (ready, wanted) = (self.ready[i], mark.ready_at_start);
            format!("{} has {ready} of {wanted} ready replicas{preempted}; {detail}", mark.owner)
        };
        let more = troubles.len().saturating_sub(10);
        let mut lines: Vec<String> = troubles.into_iter().take(10).map(line).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }
    /// By place in the list of marks: what keeps each owner that is not whole from it, and in words.
    pub(crate) fn troubles(&self, view: View<'_>) -> Vec<(usize, Trouble, String)> {
        let s = view.state;
        let of_owner = |i: usize| {
            let owner = self.owners[i];
            let waits = |p: &PodIdx| top(view, *p) == owner && !s.pods[*p].ready && s.pods[*p].is_active();
            let ordered = owner.filter(|o| {
                let set = &view.catalog.owners[*o];
                set.kind == OwnerKind::StatefulSet && !set.parallel && Self::active(view, *o) < Self::wanted(view, *o)
            });
            let pod = s.live_pods().find(|p| ordered.is_none() && waits(p));
            let young =
                self.maturing.iter().find(|m| top(view, m.1) == owner && self.rule.counts_from(view, m.1) == Some(m.0));
            let (trouble, text) = match (pod, young, ordered.or(owner)) {
                (Some(p), ..) => trouble::of_pod(view, p),
                (None, Some((from, p)), _) => trouble::of_young(view, *p, *from),
                (None, None, Some(owner)) => trouble::of_missing(view, owner),
                (None, None, None) => (Trouble::NotCreated, "its replacement does not exist yet".into()),
            };
            (i, trouble, text)
        };
        (0..self.owners.len()).filter(|i| self.behind[*i]).map(of_owner).collect()
    }
}
