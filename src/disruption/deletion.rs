//! What a DELETE of a pod does (pkg/registry/core/pod/strategy.go `CheckGracefulDelete`, 1.36).

use crate::cluster::{Catalog, PodIdx, State};

/// How a deletion left the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The object is gone: unbound, terminal, or deleted with a grace of 0.
    Gone,
    /// It has a deletion timestamp; the kubelet (or whoever holds a finalizer) ends it.
    Terminating,
    /// There was no such object.
    NotFound,
}

/// The grace period that a deletion gets, in milliseconds: the caller's or the pod's own, 0 if the pod is unbound or
/// terminal, and a negative one becomes a second.
pub fn grace_ms(catalog: &Catalog, state: &State, pod: PodIdx, asked_ms: Option<i64>) -> i64 {
    let p = &state.pods[pod];
    if p.node.is_none() || p.phase.is_terminal() {
        return 0;
    }
    match asked_ms.unwrap_or(catalog.shape(p.spec).grace_ms) {
        negative if negative < 0 => 1_000,
        period => period,
    }
}

/// Deletes a pod as the API server does: at once if its grace is 0 and no finalizer holds it, else by a deletion
/// timestamp that a second deletion can only bring forward.
pub fn delete_pod(catalog: &Catalog, state: &mut State, pod: PodIdx, now: i64, asked_grace_ms: Option<i64>) -> Deleted {
    if state.pods[pod].gone {
        return Deleted::NotFound;
    }
    let grace = grace_ms(catalog, state, pod, asked_grace_ms);
    state.set_deleting(pod, now, grace);
    let tracked = state.pods[pod].node.is_some() && is_tracked(catalog, state, pod);
    if grace > 0 || tracked || has_blocking_finalizer(catalog, state, pod) {
        return Deleted::Terminating;
    }
    state.remove_pod(catalog, pod);
    Deleted::Gone
}

/// Finalizer of the Job controller on its pods.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// Whether a Job that lives has yet to count a pod before the object can go: every Job puts its finalizer on its pods. What
/// has ended was counted when it ended.
pub fn is_tracked(catalog: &Catalog, state: &State, pod: PodIdx) -> bool {
    let p = &state.pods[pod];
    let owner = catalog.specs[p.spec].owner.map(|o| &catalog.owners[o]);
    !p.phase.is_terminal() && owner.is_some_and(|o| o.job.is_some() && !o.missing)
}

/// Whether a finalizer holds the object after its containers have stopped. The Job controller's own does so for a moment only
/// ([`is_tracked`]), but where it keeps a pod until its index has a replacement.
pub fn has_blocking_finalizer(catalog: &Catalog, state: &State, pod: PodIdx) -> bool {
    !blocking_finalizers(catalog, state, pod).is_empty()
}

/// The finalizers that do so, by name.
pub fn blocking_finalizers<'c>(catalog: &'c Catalog, state: &State, pod: PodIdx) -> Vec<&'c str> {
    let p = &state.pods[pod];
    let own = catalog.specs[p.spec].finalizers.iter().map(|f| catalog.text(*f)).filter(|f| *f != TRACKING);
    own.chain(p.kept_by_job.then_some(TRACKING)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::cluster::Phase;

    #[test]
    fn grace_is_the_callers_or_the_pods_and_nothing_for_the_unbound() {
        let mut w = World::new();
        let bound = w.pod("a", "x", None, true);
        let pending = w.pod("b", "x", None, false);
        w.phase(Phase::Pending);
        let done = w.pod("c", "x", None, false);
        w.phase(Phase::Succeeded);
        let mut s = w.state();
        let c = &w.catalog;
        assert_eq!(grace_ms(c, &s, bound, None), 30_000);
        assert_eq!(grace_ms(c, &s, bound, Some(5_000)), 5_000);
        assert_eq!(grace_ms(c, &s, bound, Some(-7)), 1_000);
        assert_eq!(grace_ms(c, &s, pending, Some(5_000)), 0);
        assert_eq!(grace_ms(c, &s, done, None), 0);
        assert_eq!(delete_pod(c, &mut s, pending, 0, None), Deleted::Gone);
        assert_eq!(delete_pod(c, &mut s, pending, 0, None), Deleted::NotFound);
        assert_eq!(delete_pod(c, &mut s, bound, 0, None), Deleted::Terminating);
        assert_eq!(delete_pod(c, &mut s, bound, 1, Some(1_000)), Deleted::Terminating);
        assert_eq!(s.pods[bound].deleting.map(|d| d.deadline), Some(1_001));
    }

    #[test]
    fn a_finalizer_keeps_the_object_but_the_jobs_own_does_not() {
        let mut w = World::new();
        let held = w.pod("a", "x", None, false);
        w.phase(Phase::Pending);
        let f = w.sym("example.com/hold");
        w.catalog.specs[crate::cluster::SpecIdx(0)].finalizers = vec![f];
        let job = w.pod("b", "x", None, false);
        w.phase(Phase::Pending);
        let f = w.sym("batch.kubernetes.io/job-tracking");
        w.catalog.specs[crate::cluster::SpecIdx(1)].finalizers = vec![f];
        let mut s = w.state();
        assert_eq!(delete_pod(&w.catalog, &mut s, held, 0, None), Deleted::Terminating);
        assert_eq!(delete_pod(&w.catalog, &mut s, job, 0, None), Deleted::Gone);
    }
}
