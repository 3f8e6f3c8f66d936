//! The kubelets: containers start, become ready, stop within their grace, and the object goes.

use super::ctx::Ctx;
use super::event::Timer;
use crate::cluster::{
    Catalog, Change, NodeChange, NodeIdx, OwnerIdx, OwnerKind, Phase, PodChange, PodIdx, START_PATIENCE_MS, SpecIdx,
};
use crate::disruption::deletion::{has_blocking_finalizer, is_tracked};
use crate::sim::controllers::JOB_BATCH_MS;
use std::collections::{BTreeMap, BTreeSet};

/// All kubelets of a cluster.
///
/// A bound pod is Running and Ready a start delay after its volumes are mounted; one that crash-loops is Running and
/// never Ready. A deleted pod's containers stop after its stop delay, at the end of its grace at the latest (SIGKILL);
/// then its phase is terminal, and the object goes `pod_removal_ms` and a call to the API later unless a finalizer holds it
/// (pkg/kubelet/kubelet_pods.go, pkg/kubelet/status: the status manager writes the last status, then deletes). A deletion
/// reaches the kubelet through its watch, `kubelet_latency_ms` after the API has it: whoever polls a pod from the moment
/// its deletion was answered is always a little ahead of the kubelet. A node that is not Ready or is lost starts and stops nothing.
///
/// A pod of the dump that is broken is not healed by being moved: as many pods of its owner stay broken as there were, or
/// the one of its name, where names stay.
#[derive(Clone, Debug, Default)]
pub struct Kubelet {
    lost: BTreeSet<NodeIdx>,
    waiting: BTreeSet<PodIdx>,
    /// Nodes that are called unready because nothing was heard of them, though their kubelets live.
    unheard: BTreeSet<NodeIdx>,
    /// Broken pods of owners whose pods are interchangeable.
    broken: BTreeMap<OwnerIdx, BrokenPods>,
}

/// The broken pods of an owner whose pods are interchangeable.
#[derive(Clone, Debug, Default)]
struct BrokenPods {
    /// Phases of those of the dump.
    phases: Vec<Phase>,
    /// Those that exist now.
    now: BTreeSet<PodIdx>,
}

/// The owner of a pod made from `spec`, if any of its pods may stand for any other.
fn interchangeable(catalog: &Catalog, spec: SpecIdx) -> Option<OwnerIdx> {
    let s = &catalog.specs[spec];
    let owner = s.owner?;
    let named = match catalog.owners[owner].kind {
        OwnerKind::StatefulSet | OwnerKind::DaemonSet | OwnerKind::Node => true,
        OwnerKind::Job => s.ordinal.is_some(),
        OwnerKind::Custom => s.generate_name.is_none(),
        OwnerKind::Deployment | OwnerKind::ReplicaSet | OwnerKind::ReplicationController => false,
    };
    (!named).then_some(owner)
}

impl Kubelet {
    /// Goes on with what the snapshot shows under way.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>) {
        for pod in ctx.state.live_pods().collect::<Vec<_>>() {
            let p = &ctx.state.pods[pod];
            let broken = ctx.catalog.inventory.broken.get(&p.spec);
            if let (Some(broken), None, Some(owner)) = (broken, p.deleting, interchangeable(ctx.catalog, p.spec)) {
                let of = self.broken.entry(owner).or_default();
                of.phases.push(broken.phase);
                of.now.insert(pod);
            }
            if p.node.is_none() || p.phase.is_terminal() {
                continue;
            }
            await_deadline(ctx, pod);
            let p = &ctx.state.pods[pod];
            if p.deleting.is_some() {
                self.stop(ctx, pod);
            } else if broken.is_none() && p.ready {
                await_end(ctx, pod, p.started);
            } else if broken.is_none() && !p.ready && p.restarts == 0 && ctx.now - p.started <= START_PATIENCE_MS {
                let rest = p.started + start_ms(ctx, pod) - ctx.now;
                self.start_in(ctx, pod, rest.max(0));
            }
        }
    }

    /// A pod was bound and its volumes are mounted.
    pub fn start(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        await_deadline(ctx, pod);
        let delay = start_ms(ctx, pod);
        self.start_in(ctx, pod, delay);
    }

    /// A node stops answering for good.
    pub fn lose(&mut self, _ctx: &mut Ctx<'_>, node: NodeIdx) {
        self.lost.insert(node);
    }

    /// A node is called unready because the API server was away; its kubelet lives and goes on.
    pub fn unheard(&mut self, node: NodeIdx) {
        self.unheard.insert(node);
    }

    /// Sees deletions, and nodes that become ready.
    pub fn on_change(&mut self, ctx: &mut Ctx<'_>, change: Change) {
        match change {
            Change::Pod(pod, PodChange::Deleting) => {
                self.no_longer_broken(ctx, pod);
                self.stop(ctx, pod);
            }
            Change::Pod(pod, PodChange::Removed) => {
                self.waiting.remove(&pod);
                self.no_longer_broken(ctx, pod);
                self.mirror_again(ctx, pod);
            }
            // It has been at work all the time.
            Change::Node(node, NodeChange::Ready) if self.unheard.contains(&node) => {
                _ = ctx.state.nodes[node].ready && self.unheard.remove(&node);
            }
            Change::Node(node, NodeChange::Ready) if self.answers(ctx, node) => {
                for pod in ctx.state.nodes[node].pods.clone() {
                    if ctx.state.pods[pod].deleting.is_some() {
                        self.stop(ctx, pod);
                    } else if self.waiting.remove(&pod) {
                        self.start(ctx, pod);
                    }
                }
            }
            _ => {}
        }
    }

    /// A moment has come: ready, stopped or removed.
    pub fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: Timer) {
        match timer {
            Timer::PodReady(pod) => self.ready(ctx, pod),
            Timer::PodDeadline(pod) => self.past_deadline(ctx, pod),
            Timer::PodFinished(pod) => self.finished(ctx, pod),
            // As when its time is over: it fails, and its object stays.
            Timer::PodFailed(pod) => self.past_deadline(ctx, pod),
            Timer::PodStopped(pod) => self.stopped(ctx, pod),
            Timer::PodRemoved(pod) => self.removed(ctx, pod),
            _ => {}
        }
    }

    /// A static pod goes on running whatever happens to its mirror; the kubelet makes the mirror anew
    /// (pkg/kubelet/kubelet.go `tryReconcileMirrorPods`).
    fn mirror_again(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        let p = &ctx.state.pods[pod];
        let (spec, name) = (p.spec, p.name);
        let node = p.node.filter(|n| self.answers(ctx, *n));
        if let (true, Some(node)) = (ctx.catalog.specs[spec].mirror, node) {
            let mirror = ctx.state.create_pod(ctx.catalog, spec, name, ctx.now);
            ctx.state.bind(ctx.catalog, mirror, node, ctx.now);
            ctx.state.set_phase(ctx.catalog, mirror, Phase::Running);
            ctx.state.set_ready(mirror, true, ctx.now);
        }
    }

    fn answers(&self, ctx: &Ctx<'_>, node: NodeIdx) -> bool {
        let n = &ctx.state.nodes[node];
        (n.ready || self.unheard.contains(&node)) && !n.gone && !self.lost.contains(&node)
    }

    /// Whether the pod is on a node whose kubelet answers.
    fn reached(&self, ctx: &Ctx<'_>, pod: PodIdx) -> bool {
        let p = &ctx.state.pods[pod];
        !p.gone && p.node.is_some_and(|n| self.answers(ctx, n))
    }

    fn start_in(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx, delay_ms: i64) {
        let p = &ctx.state.pods[pod];
        if p.gone || p.deleting.is_some() || p.phase.is_terminal() {
            return;
        }
        if self.reached(ctx, pod) {
            ctx.after(delay_ms, Timer::PodReady(pod));
        } else {
            self.waiting.insert(pod);
        }
    }

    fn ready(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        let p = &ctx.state.pods[pod];
        if p.deleting.is_some() || p.phase.is_terminal() || !self.reached(ctx, pod) {
            return;
        }
        let broken = self.broken_as(ctx, pod);
        if broken == Some(Phase::Pending) {
            return;
        }
        let crashes = ctx.faults.crash_loops(ctx.catalog, ctx.state, ctx.draws, ctx.now, pod) || broken.is_some();
        ctx.state.set_phase(ctx.catalog, pod, Phase::Running);
        if !crashes {
            ctx.state.set_ready(pod, true, ctx.now);
            await_end(ctx, pod, ctx.now);
        }
    }

    /// A Job's pod has done its work.
    fn finished(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        let p = &ctx.state.pods[pod];
        if !p.phase.is_terminal() && p.deleting.is_none() && self.reached(ctx, pod) {
            ctx.state.set_ready(pod, false, ctx.now);
            ctx.state.set_phase(ctx.catalog, pod, Phase::Succeeded);
        }
    }

    /// A pod that has run for its `activeDeadlineSeconds` fails (pkg/kubelet/active_deadline.go). Its object stays.
    fn past_deadline(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        let p = &ctx.state.pods[pod];
        if !p.phase.is_terminal() && p.deleting.is_none() && self.reached(ctx, pod) {
            self.no_longer_broken(ctx, pod);
            ctx.state.set_ready(pod, false, ctx.now);
            ctx.state.set_phase(ctx.catalog, pod, Phase::Failed);
        }
    }

    /// How far a pod comes that would be ready now, if it is as broken as those that its owner had.
    fn broken_as(&mut self, ctx: &Ctx<'_>, pod: PodIdx) -> Option<Phase> {
        let spec = ctx.state.pods[pod].spec;
        let Some(owner) = interchangeable(ctx.catalog, spec) else {
            return ctx.catalog.inventory.broken.get(&spec).map(|b| b.phase);
        };
        let of = self.broken.get_mut(&owner)?;
        if !of.now.contains(&pod) && of.now.len() < of.phases.len() {
            of.now.insert(pod);
        }
        let place = of.now.iter().position(|p| *p == pod)?;
        of.phases.get(place).copied()
    }

    /// A broken pod goes: the next that starts takes its place.
    fn no_longer_broken(&mut self, ctx: &Ctx<'_>, pod: PodIdx) {
        if let Some(of) =
            interchangeable(ctx.catalog, ctx.state.pods[pod].spec).and_then(|owner| self.broken.get_mut(&owner))
        {
            of.now.remove(&pod);
        }
    }

    /// Plans the end of a deleted pod. Containers that never ran need no time to stop.
    fn stop(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        self.waiting.remove(&pod);
        let p = &ctx.state.pods[pod];
        let Some(deletion) = p.deleting else { return };
        if deletion.deadline <= deletion.asked && is_tracked(ctx.catalog, ctx.state, pod) {
            // The API server needs no kubelet for a grace of 0, but the Job controller for its finalizer.
            let at = tracked_until(ctx, pod).max(ctx.now);
            return ctx.timers.schedule(at, Timer::PodRemoved(pod));
        }
        if !self.reached(ctx, pod) {
            return;
        }
        let grace = (deletion.deadline - deletion.asked).max(0);
        let stop = match p.phase {
            Phase::Pending => 0,
            _ => ctx.delays.stop_ms(ctx.catalog, ctx.state, ctx.draws, pod).clamp(0, grace),
        };
        let at = (deletion.asked + ctx.options.kubelet_latency_ms + stop).max(ctx.now);
        ctx.timers.schedule(at, Timer::PodStopped(pod));
    }

    fn stopped(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        if ctx.state.pods[pod].deleting.is_none() || !self.reached(ctx, pod) {
            return;
        }
        let held = if is_tracked(ctx.catalog, ctx.state, pod) { tracked_until(ctx, pod) } else { ctx.now };
        let restarts_always = ctx.catalog.shape(ctx.state.pods[pod].spec).restarts_always;
        if !ctx.state.pods[pod].phase.is_terminal() {
            // What is stopped by a signal has not done its work; a server that is stopped exits cleanly.
            let phase = match restarts_always {
                true => Phase::Succeeded,
                false => Phase::Failed,
            };
            ctx.state.set_ready(pod, false, ctx.now);
            ctx.state.set_phase(ctx.catalog, pod, phase);
        }
        let at = held.max(ctx.now + ctx.options.pod_removal_ms + ctx.options.api_latency_ms);
        if at <= ctx.now {
            self.removed(ctx, pod);
        } else {
            ctx.timers.schedule(at, Timer::PodRemoved(pod));
        }
    }

    fn removed(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        let at_once = ctx.state.pods[pod].deleting.is_some_and(|d| d.deadline <= d.asked);
        let asked = !ctx.state.pods[pod].gone && (at_once || self.reached(ctx, pod));
        // A Job's finalizer may go before the containers have stopped.
        let has_stopped = at_once || ctx.state.pods[pod].phase.is_terminal();
        if asked && has_stopped && !has_blocking_finalizer(ctx.catalog, ctx.state, pod) {
            ctx.state.remove_pod(ctx.catalog, pod);
        }
    }
}

/// Until when a Job's finalizer holds a pod that is being deleted: its controller looks at its pods a second after what
/// happened to them, writes what it counted into the Job's status, and only then lets the pod go
/// (pkg/controller/job `enqueueSyncBatched`, `trackJobStatusAndRemoveFinalizers`).
fn tracked_until(ctx: &Ctx<'_>, pod: PodIdx) -> i64 {
    let p = &ctx.state.pods[pod];
    let job = ctx.catalog.specs[p.spec].owner.and_then(|o| ctx.catalog.owners[o].job.as_ref());
    let counted = match (p.deleting, job) {
        (Some(deletion), Some(job)) if !job.replace_only_failed => deletion.asked,
        _ => ctx.now,
    };
    counted + ctx.options.controller_latency_ms + JOB_BATCH_MS + 2 * ctx.options.api_latency_ms
}

/// Waits for the moment at which a pod's `activeDeadlineSeconds` are over, if it has any.
fn await_deadline(ctx: &mut Ctx<'_>, pod: PodIdx) {
    let p = &ctx.state.pods[pod];
    let after = ctx.catalog.inventory.declared.get(&p.spec).and_then(|d| d.active_deadline_ms);
    if let Some(after) = after {
        let at = p.started.saturating_add(after).max(ctx.now);
        ctx.timers.schedule(at, Timer::PodDeadline(pod));
    }
}

/// Waits for the moment at which a Job's pod that has run since `from` has done its work, if anybody knows it.
fn await_end(ctx: &mut Ctx<'_>, pod: PodIdx, from: i64) {
    let ran = (ctx.now - from).max(0);
    if let Some(run) = ctx.delays.run_ms(ctx.catalog, ctx.state, ctx.draws, pod, ran) {
        ctx.timers.schedule(from.saturating_add(run).max(ctx.now), Timer::PodFinished(pod));
    }
}

fn start_ms(ctx: &Ctx<'_>, pod: PodIdx) -> i64 {
    ctx.delays.start_ms(ctx.catalog, ctx.state, ctx.draws, pod).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disruption::testing::World;
    use crate::sim::SimOptions;
    use crate::sim::faults::{Fault, PodFilter, Window};
    use crate::sim::testing::Bench;

    #[test]
    fn a_pod_stops_after_its_delay_but_never_after_its_grace() {
        let mut w = World::new();
        let slow = w.pod("slow", "x", None, true);
        let hasty = w.pod("hasty", "x", None, true);
        let mut b = Bench::new(w);
        b.delete(slow);
        crate::disruption::delete_pod(&b.catalog, &mut b.state, hasty, 0, Some(300));
        b.run_to(310);
        assert_eq!((b.state.pods[slow].gone, b.state.pods[hasty].gone), (false, true));
        b.run_to(1_010);
        assert!(b.state.pods[slow].gone);
        assert_eq!(b.state.pods[slow].phase, Phase::Succeeded);
    }

    #[test]
    fn a_deletion_reaches_the_kubelet_a_little_later_and_its_own_call_takes_time() {
        let mut w = World::new();
        let pod = w.pod("p", "x", None, true);
        let mut b = Bench::new(w);
        b.delete(pod);
        b.run_to(1_004);
        assert!(b.state.pods[pod].ready, "the containers stop 5 ms and their delay after the deletion");
        b.run_to(1_009);
        assert_eq!((b.state.pods[pod].phase, b.state.pods[pod].gone), (Phase::Succeeded, false));
        b.run_to(1_010);
        assert!(b.state.pods[pod].gone);
    }

    #[test]
    fn a_young_pod_goes_on_starting_and_an_old_one_stays_broken() {
        let mut w = World::new();
        let young = w.pod("young", "x", None, false);
        let old = w.pod("old", "x", None, false);
        let mut state = w.state();
        state.pods[old].started = -START_PATIENCE_MS - 1;
        let mut b = Bench::over(w.catalog, state, SimOptions::default());
        b.run_to(5_000);
        assert!(b.state.pods[young].ready && !b.state.pods[old].ready);
        // started 1 s before the snapshot, ready 2 s after its start
        assert_eq!(b.state.pods[young].ready_since, 1_000);
    }

    #[test]
    fn a_crash_looping_pod_runs_and_is_never_ready() {
        let mut w = World::new();
        let pod = w.pod("p", "x", None, false);
        w.phase(Phase::Pending);
        let mut b = Bench::new(w);
        b.fault(Fault::CrashLoop { pods: PodFilter::default(), window: Window::default(), probability_ppm: 1_000_000 });
        b.run_to(60_000);
        let p = &b.state.pods[pod];
        assert_eq!((p.phase, p.ready), (Phase::Running, false));
    }

    #[test]
    fn as_many_pods_of_an_owner_stay_broken_as_there_were() {
        let mut w = World::new();
        let owner = w.owner(OwnerKind::ReplicaSet, "rs", Some(2));
        let (sick, well) = (w.pod("rs-a", "x", Some(owner), false), w.pod("rs-b", "x", Some(owner), true));
        let broken = crate::cluster::Broken { why: "it is so".into(), phase: Phase::Running };
        w.catalog.inventory.broken.insert(SpecIdx(0), broken);
        let mut b = Bench::new(w);
        b.run_to(20_000);
        assert!(!b.state.pods[sick].ready, "it stays broken where it is");
        let ready = |b: &Bench| b.state.live_pods().filter(|p| b.state.pods[*p].ready).count();
        b.delete(sick);
        b.run_to(60_000);
        assert_eq!((b.state.live_pods().count(), ready(&b)), (2, 1), "what replaces it is as broken");
        b.delete(well);
        b.run_to(120_000);
        assert_eq!((b.state.live_pods().count(), ready(&b)), (2, 1), "what replaces a healthy one is healthy");
    }

    #[test]
    fn a_static_pods_mirror_comes_back_at_once() {
        let mut w = World::new();
        let pod = w.pod("etcd-n0", "x", None, true);
        w.catalog.specs[crate::cluster::SpecIdx(0)].mirror = true;
        let mut b = Bench::new(w);
        b.delete(pod);
        b.run_to(1_010);
        assert!(b.state.pods[pod].gone);
        let again = &b.state.pods[PodIdx(1)];
        assert_eq!((again.ready, again.created), (true, 1_010));
    }

    #[test]
    fn a_finalizer_holds_the_object_of_a_stopped_pod() {
        let mut w = World::new();
        let pod = w.pod("p", "x", None, true);
        let hold = w.sym("example.com/hold");
        w.catalog.specs[crate::cluster::SpecIdx(0)].finalizers = vec![hold];
        let mut b = Bench::new(w);
        b.delete(pod);
        b.run_to(60_000);
        let p = &b.state.pods[pod];
        assert_eq!((p.gone, p.phase), (false, Phase::Succeeded));
    }
}
