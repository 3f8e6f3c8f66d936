//! Decisions and the actor around them, upon a cluster made by hand.

use super::karpenter::Batching;
use super::scans::{Policy, Scans, Situation, scale_down};
use super::*;
use crate::cluster::draw::Draws;
use crate::cluster::*;
use crate::groups::Templates;
use crate::groups::tests::World;
use crate::sim::delays::{DelayOptions, Delays};
use crate::sim::faults::{Fault, MachineFilter, Window};
use crate::sim::{EventQueue, Faults, SimOptions};
use crate::trace::{EventKind, Observation};
use std::collections::BTreeMap;

/// What a [`Ctx`] borrows.
struct Stage {
    cluster: Cluster,
    timers: EventQueue,
    draws: Draws,
    options: SimOptions,
    delays: Delays,
    faults: Faults,
    events: Vec<Observation>,
    provider: Provider,
}

impl Stage {
    fn new(cluster: Cluster, faults: &[Fault]) -> Stage {
        let templates = Templates::new(View { catalog: &cluster.catalog, state: &cluster.state });
        Stage {
            cluster,
            timers: EventQueue::default(),
            draws: Draws::new(1),
            options: SimOptions::default(),
            delays: Delays::new(&DelayOptions::default(), &Default::default()),
            faults: Faults::new(faults),
            events: Vec::new(),
            provider: Provider::new(Arc::new(templates), AutoscalerOptions::default().fallbacks),
        }
    }
    fn act<T>(&mut self, now: i64, act: impl FnOnce(&mut Ctx<'_>, &mut Provider) -> T) -> T {
        let mut ctx = Ctx {
            now,
            catalog: &self.cluster.catalog,
            state: &mut self.cluster.state,
            timers: &mut self.timers,
            draws: &self.draws,
            options: &self.options,
            delays: &self.delays,
            faults: &self.faults,
            events: &mut self.events,
        };
        act(&mut ctx, &mut self.provider)
    }
    fn seen(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|e| e.kind == kind).count()
    }
}

fn pending_world(pods: usize, max: u32) -> Cluster {
    let mut w = World::new();
    let small = w.machine("m4", 4000, 16, Some(100));
    let large = w.machine("m8", 8000, 32, Some(300));
    w.group("g", &[("pool", "g")], &[small, large], max);
    w.pods("x", pods, 3000, 1, None, |_, _| {});
    let mut c = w.build();
    let all: Vec<PodIdx> = c.state.live_pods().collect();
    all.into_iter().for_each(|p| c.state.set_unschedulable_pod(p, true));
    c
}

fn actor(kind: AutoscalerKind) -> Box<dyn Autoscaler> {
    of_options(Arc::new(AutoscalerOptions { kind, ..AutoscalerOptions::default() }))
}

#[test]
fn pending_pods_are_seen_at_the_next_scan_and_what_is_under_way_counts() {
    let mut s = Stage::new(pending_world(3, 10), &[]);
    let mut a = actor(AutoscalerKind::Reactive);
    s.act(0, |ctx, p| a.begin(ctx, p));
    let (at, timer) = s.timers.pop_until(60_000).unwrap();
    assert_eq!((at, timer), (10_000, Timer::Autoscaler));
    s.act(at, |ctx, m| a.on_timer(ctx, m, timer));
    assert_eq!(s.provider.machines.unregistered().count(), 3);
    s.act(20_000, |ctx, m| a.on_timer(ctx, m, Timer::Autoscaler));
    assert_eq!(s.seen(EventKind::NodeLaunchRequested), 3);
}

#[test]
fn karpenter_decides_once_no_further_pod_has_come_for_a_second() {
    let pod = PodIdx;
    let options = AutoscalerOptions::default();
    let run = |w: &mut Batching, now| w.ends(now, &options, |_| true);
    let mut w = Batching::default();
    assert_eq!(w.next(), None);
    w.seen(26_540, &options, pod(0));
    w.seen(27_300, &options, pod(1));
    // A pod that was told already makes it no longer.
    w.seen(27_900, &options, pod(0));
    assert_eq!(w.next(), Some(28_300));
    assert!(!run(&mut w, 28_299) && run(&mut w, 28_300));
    // What still waits is told again ten seconds after it was first seen, which opens a window of its own.
    assert_eq!(w.next(), Some(36_540));
    assert!(!run(&mut w, 36_540));
    assert_eq!(w.next(), Some(37_300));
    assert!(!run(&mut w, 37_300));
    assert!(!run(&mut w, 38_299) && run(&mut w, 38_300));
    assert!(!w.ends(46_540, &options, |_| false));
    assert_eq!(w.next(), None);
    // And a stream that does not end is cut after ten seconds.
    (0..30).for_each(|n| w.seen(50_000 + 500 * n, &options, pod(n as u32)));
    assert!(!run(&mut w, 59_999) && run(&mut w, 60_000));

    // The actor launches at the end of the window, not at a tick, and once for all that came.
    let mut s = Stage::new(pending_world(3, 10), &[]);
    let mut a = actor(AutoscalerKind::Karpenter);
    s.act(250, |ctx, p| a.begin(ctx, p));
    let (at, timer) = s.timers.pop_until(60_000).unwrap();
    assert_eq!((at, timer), (1_250, Timer::Autoscaler));
    s.act(at, |ctx, m| a.on_timer(ctx, m, timer));
    assert_eq!(s.provider.machines.unregistered().count(), 3);
    // Told again after ten seconds: what is under way counts.
    while let Some((at, timer)) = s.timers.pop_until(30_000) {
        s.act(at, |ctx, m| a.on_timer(ctx, m, timer));
    }
    assert_eq!(s.seen(EventKind::NodeLaunchRequested), 3);
}

#[test]
fn no_autoscaler_does_nothing() {
    let mut s = Stage::new(pending_world(3, 10), &[]);
    let mut a = actor(AutoscalerKind::None);
    s.act(0, |ctx, p| a.begin(ctx, p));
    assert!(s.timers.is_empty());
}

#[test]
fn a_frozen_or_full_group_is_not_grown() {
    let mut s = Stage::new(pending_world(3, 2), &[]);
    let mut a = actor(AutoscalerKind::Reactive);
    a.freeze(GroupIdx(0), true, true);
    s.act(0, |ctx, p| a.begin(ctx, p));
    s.act(10_000, |ctx, m| a.on_timer(ctx, m, Timer::Autoscaler));
    assert_eq!(s.provider.machines.unregistered().count(), 0);
    a.freeze(GroupIdx(0), false, false);
    s.act(20_000, |ctx, m| a.on_timer(ctx, m, Timer::Autoscaler));
    assert_eq!(s.provider.machines.unregistered().count(), 2);
    let refused = s.act(20_000, |ctx, p| p.launch(ctx, GroupIdx(0), None, None, Some(0), false));
    assert_eq!(refused, Err("GroupFull"));
}

#[test]
fn ocean_waits_for_its_cooldown() {
    let c = pending_world(3, 10);
    let templates = Templates::new(View { catalog: &c.catalog, state: &c.state });
    let pending: Vec<PodIdx> = c.state.live_pods().collect();
    let options = AutoscalerOptions::default();
    let at = |now| Situation {
        now,
        view: View { catalog: &c.catalog, state: &c.state },
        templates: &templates,
        frozen: Vec::new(),
        in_flight: Vec::new(),
        starting: Vec::new(),
        shortages: Vec::new(),
    };
    assert_eq!(ocean::Ocean.decide(&at(299_999), &options, Some(0), &pending).nodes(), 0);
    assert_eq!(ocean::Ocean.decide(&at(300_000), &options, Some(0), &pending).nodes(), 3);
    assert_eq!(ocean::Ocean.decide(&at(0), &options, None, &pending).nodes(), 3);
}

#[test]
fn a_machine_type_without_capacity_gives_way_to_one_no_smaller() {
    let fault = |machine: &str| Fault::CapacityShortage {
        machines: MachineFilter { machine_type: Some(machine.into()), ..MachineFilter::default() },
        window: Window::default(),
        available: 0,
    };
    let mut s = Stage::new(pending_world(0, 10), &[fault("m4")]);
    let small = Some(MachineIdx(0));
    assert_eq!(s.act(0, |ctx, p| p.launch(ctx, GroupIdx(0), small, None, None, false)), Ok(()));
    assert_eq!(s.provider.machines.unregistered().map(|r| r.machine).collect::<Vec<_>>(), [MachineIdx(1)]);
    let mut s = Stage::new(pending_world(0, 10), &[fault("m8")]);
    let large = Some(MachineIdx(1));
    assert_eq!(s.act(0, |ctx, p| p.launch(ctx, GroupIdx(0), large, None, None, false)), Err("InsufficientCapacity"));
}

#[test]
fn empty_nodes_go_after_a_while_but_not_below_the_minimum_nor_cordoned() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    let g = w.group("g", &[("pool", "g")], &[m], 10);
    w.catalog.groups[g].min_count = 1;
    for name in ["a", "b", "c", "busy"] {
        w.node(name, &[("pool", "g")], 4000, 16);
    }
    w.pods("x", 1, 100, 1, Some(3), |_, _| {});
    let mut c = w.build();
    c.state.set_unschedulable(NodeIdx(2), true);
    let view = View { catalog: &c.catalog, state: &c.state };
    let options = AutoscalerOptions::default();
    let since: BTreeMap<NodeIdx, i64> = (0..4).map(|n| (NodeIdx(n), 0)).collect();
    let at = |now| scale_down::removable(view, &options, &[], &since, now);
    assert_eq!(at(599_999), []);
    assert_eq!(at(600_000), [NodeIdx(0), NodeIdx(1)]);
    assert_eq!(scale_down::removable(view, &options, &[g], &since, 600_000), []);
}

#[test]
fn the_actor_retires_empty_nodes_at_a_scan() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    w.group("g", &[("pool", "g")], &[m], 10);
    w.node("a", &[("pool", "g")], 4000, 16);
    let mut s = Stage::new(w.build(), &[]);
    let mut a = actor(AutoscalerKind::Reactive);
    s.act(0, |ctx, p| a.begin(ctx, p));
    let (at, timer) = s.timers.pop_until(i64::MAX).unwrap();
    assert_eq!(at, 600_000);
    s.act(at, |ctx, m| a.on_timer(ctx, m, timer));
    assert!(s.provider.machines.is_retiring(NodeIdx(0)));
}

#[test]
fn a_pod_that_machines_do_not_help_rests_before_it_starts_more_of_them() {
    let mut s = Stage::new(pending_world(1, 10), &[]);
    let options = AutoscalerOptions { launches_per_pod: 3, ..AutoscalerOptions::default() };
    let mut a = Scans::new(reactive::Reactive, Arc::new(options));
    s.act(0, |ctx, p| a.begin(ctx, p));
    for scan in 1..10 {
        // Each machine is there at once, and the pod still waits.
        s.act(scan * 60_000, |ctx, m| {
            a.on_timer(ctx, m, Timer::Autoscaler);
            a.next_scan = Some(0);
        });
        s.provider.machines = Default::default();
    }
    // At 60, 120 and 180 s; then it rests for the 300 s of the back-off; at 480 and 540 s again.
    assert_eq!(s.seen(EventKind::NodeLaunchRequested), 5);
}

#[test]
fn a_group_that_is_left_is_never_grown() {
    let mut s = Stage::new(pending_world(3, 10), &[]);
    let mut a = actor(AutoscalerKind::Ocean);
    a.never_grow(&[GroupIdx(0)]);
    // A freeze that is taken back does not change that.
    a.freeze(GroupIdx(0), false, true);
    s.act(0, |ctx, p| a.begin(ctx, p));
    let (at, timer) = s.timers.pop_until(60_000).unwrap();
    s.act(at, |ctx, p| a.on_timer(ctx, p, timer));
    assert_eq!(s.provider.machines.unregistered().count(), 0);
}
