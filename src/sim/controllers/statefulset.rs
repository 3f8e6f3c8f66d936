//! StatefulSets (pkg/controller/statefulset/stateful_set_control.go, 1.36).

use super::memory::Memory;
use super::{Action, Sync};
use crate::cluster::{Catalog, OwnerIdx, Phase, PodIdx, State};
use std::collections::BTreeMap;

/// `updateStatefulSet` without rolling updates: replicas in order of their ordinals, then the condemned from the
/// highest down. OrderedReady stops at the first that is not yet there, not available or on its way out; Parallel does
/// not. A pod bears its name again, so it is created only when the old object is gone.
pub fn sync(catalog: &Catalog, state: &State, memory: &Memory, owner: OwnerIdx, now: i64) -> Sync {
    let o = &catalog.owners[owner];
    let mut sync = Sync { slow_start: o.parallel, ..Sync::default() };
    let Some(wanted) = state.replicas[owner].or(memory.kept) else {
        return sync;
    };
    if o.deleting || memory.orphaned {
        return sync;
    }
    let wanted = u32::try_from(wanted.max(0)).unwrap_or(u32::MAX);
    let range = o.first_ordinal..o.first_ordinal.saturating_add(wanted);
    let there: BTreeMap<u32, PodIdx> =
        state.owned[owner].iter().filter_map(|p| Some((catalog.specs[state.pods[*p].spec].ordinal?, *p))).collect();
    let set = Set { state, min_ready_ms: o.min_ready_ms, monotonic: !o.parallel, now };
    for ordinal in range.clone() {
        let blocked = match there.get(&ordinal) {
            Some(pod) => set.replica(*pod, &mut sync),
            None => match memory.by_ordinal.get(&ordinal).copied() {
                Some((spec, name)) => {
                    sync.create(spec, Some(name));
                    set.monotonic
                }
                // Never seen and nothing to clone it from: it stays missing, and OrderedReady waits for it.
                None => set.monotonic,
            },
        };
        if blocked {
            return sync;
        }
    }
    let condemned: Vec<PodIdx> =
        there.iter().rev().filter(|(ordinal, _)| !range.contains(ordinal)).map(|(_, pod)| *pod).collect();
    set.scale_down(&condemned, &mut sync);
    sync
}

struct Set<'a> {
    state: &'a State,
    min_ready_ms: i64,
    monotonic: bool,
    now: i64,
}

impl Set<'_> {
    /// `processReplica` of a pod that exists; true if nothing after it may be touched now.
    fn replica(&self, pod: PodIdx, sync: &mut Sync) -> bool {
        let p = &self.state.pods[pod];
        if p.phase.is_terminal() {
            if p.deleting.is_none() {
                sync.actions.push(Action::Delete(pod));
            }
            return self.monotonic;
        }
        self.monotonic && (p.deleting.is_some() || !self.available(pod, sync))
    }
    /// Running and ready for at least `minReadySeconds`; asks for a later look if only time is missing.
    fn available(&self, pod: PodIdx, sync: &mut Sync) -> bool {
        let p = &self.state.pods[pod];
        if p.phase != Phase::Running || !p.ready {
            return false;
        }
        let at = p.ready_since + self.min_ready_ms;
        if self.min_ready_ms > 0 && at > self.now {
            sync.again_at = Some(sync.again_at.map_or(at, |a| a.min(at)));
            return false;
        }
        true
    }
    /// `processCondemned`: one at a time from the highest ordinal down in OrderedReady, all at once in Parallel.
    fn scale_down(&self, condemned: &[PodIdx], sync: &mut Sync) {
        let first_unhealthy = condemned.iter().rev().copied().find(|p| !self.available(*p, &mut Sync::default()));
        for pod in condemned {
            if self.state.pods[*pod].deleting.is_some() {
                if self.monotonic {
                    return;
                }
                continue;
            }
            let waits = self.monotonic && first_unhealthy.is_some_and(|f| f != *pod);
            if waits && !self.available(*pod, sync) {
                return;
            }
            sync.actions.push(Action::Delete(*pod));
            if self.monotonic {
                return;
            }
        }
    }
}
