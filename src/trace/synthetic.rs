//! Made-up traces for the tests of this room and of `report`: no simulation, only plausible events.

use super::event::{Event, EventKind, NodeRole};

/// Sizes of a made-up migration.
pub(crate) struct Shape {
    pub old_nodes: u32,
    pub other_nodes: u32,
    pub pods_per_node: u32,
    pub batch_size: u32,
    pub owners: u32,
}

/// 10 old nodes, 60 pods, 5 batches, 2 other nodes.
pub(crate) fn small() -> Vec<Event> {
    Shape { old_nodes: 10, other_nodes: 2, pods_per_node: 6, batch_size: 2, owners: 8 }.events()
}

/// 1,500 old nodes, 15,000 pods, 10 batches.
pub(crate) fn large() -> Vec<Event> {
    Shape { old_nodes: 1_500, other_nodes: 23, pods_per_node: 10, batch_size: 150, owners: 200 }.events()
}

/// 40 nodes drained one by one: many batches, no launches, the last one fails.
pub(crate) fn one_by_one() -> Vec<Event> {
    let shape = Shape { old_nodes: 48, other_nodes: 30, pods_per_node: 4, batch_size: 1, owners: 12 };
    let mut events = shape.events();
    let last = events.iter().rposition(|e| e.event == EventKind::NodeDrained).expect("a node is drained");
    let (node, batch) = (events[last].node.clone(), events[last].batch);
    events[last].event = EventKind::DrainFailed;
    events[last].reason = Some("DrainTimeout".into());
    events.retain(|e| e.event != EventKind::NodeDeleted || e.node != node);
    for e in events.iter_mut().filter(|e| e.outcome.is_some()) {
        if e.event == EventKind::MigrationFinished || e.batch == batch {
            e.outcome = Some("FAILED".into());
            e.reason = Some("DrainTimeout".into());
        }
    }
    events
}

/// [`small`] with all old nodes cordoned at the start.
pub(crate) fn cordoned_first() -> Vec<Event> {
    let mut events = small();
    for e in events.iter_mut().filter(|e| e.event == EventKind::NodeCordoned) {
        e.t_ms = 1_000;
        e.batch = None;
    }
    events.sort_by_key(|e| e.t_ms);
    events
}

/// 120 nodes in one batch, as a sliding window does it.
pub(crate) fn one_batch() -> Vec<Event> {
    Shape { old_nodes: 120, other_nodes: 0, pods_per_node: 8, batch_size: 120, owners: 3 }.events()
}

/// A cheap stateless draw in `0..n` from two numbers.
fn draw(a: u32, b: u32, n: u64) -> u64 {
    let x = (u64::from(a) << 32 | u64::from(b)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) % n
}

const POD_CPU: i64 = 500;
const POD_MEMORY: i64 = 1 << 30;

impl Shape {
    /// The whole run, in order of time.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut out = vec![Event::new(0, EventKind::MigrationStarted)];
        out[0].nodes = Some(self.old_nodes);
        out[0].pods = Some(self.old_nodes * self.pods_per_node);
        self.start(&mut out);
        let mut t = 1_000;
        let mut batch = 0;
        let mut first = 0;
        while first < self.old_nodes {
            let last = (first + self.batch_size).min(self.old_nodes);
            t = self.batch(&mut out, t, batch, first..last) + 15_000;
            (batch, first) = (batch + 1, last);
        }
        let mut end = Event::new(t, EventKind::MigrationFinished);
        end.outcome = Some("COMPLETED".into());
        end.message = Some("All batches finished.".into());
        out.push(end);
        out.sort_by_key(|e| e.t_ms);
        out
    }

    fn start(&self, out: &mut Vec<Event>) {
        for n in 0..self.old_nodes + self.other_nodes {
            let old = n < self.old_nodes;
            let mut e = Event::new(0, EventKind::NodeAdded);
            e.node = Some(if old { format!("old-{n}") } else { format!("other-{n}") });
            e.role = Some(if old { NodeRole::Old } else { NodeRole::Other });
            e.initial = true;
            node_room(&mut e);
            let pods = if old { i64::from(self.pods_per_node) } else { 3 };
            e.requested_cpu_milli = Some(pods * POD_CPU);
            e.requested_memory_bytes = Some(pods * POD_MEMORY);
            e.pods = Some(pods as u32);
            out.push(e);
        }
        for owner in 0..self.owners {
            out.push(self.budget(0, owner, 2));
        }
        for n in 0..3 {
            let mut e = Event::new(0, EventKind::PodCreated);
            e.initial = true;
            e.pod = Some(format!("shop/waiting-{n}"));
            e.uid = Some(format!("waiting-{n}"));
            out.push(e);
        }
    }

    fn budget(&self, t: u64, owner: u32, allowed: i64) -> Event {
        let mut e = Event::new(t, EventKind::BudgetChanged);
        e.budget = Some(format!("shop/budget-{owner}"));
        e.allowed = Some(allowed);
        e.healthy = Some(6 + allowed);
        e.desired = Some(6);
        e.expected = Some(8);
        e
    }

    fn batch(&self, out: &mut Vec<Event>, t0: u64, batch: u32, nodes: std::ops::Range<u32>) -> u64 {
        let mut started = Event::new(t0, EventKind::BatchStarted);
        started.batch = Some(batch);
        started.nodes = Some(nodes.len() as u32);
        out.push(started);
        let ready = self.launches(out, t0, batch, &nodes);
        let mut end = ready;
        for n in nodes {
            end = end.max(self.drain(out, t0, ready, batch, n));
        }
        let mut finished = Event::new(end, EventKind::BatchFinished);
        finished.batch = Some(batch);
        finished.outcome = Some("COMPLETED".into());
        out.push(finished);
        end
    }

    fn launches(&self, out: &mut Vec<Event>, t0: u64, batch: u32, nodes: &std::ops::Range<u32>) -> u64 {
        let mut requested = Event::new(t0 + 500, EventKind::NodeLaunchRequested);
        requested.batch = Some(batch);
        requested.group = Some("general".into());
        requested.nodes = Some(nodes.len() as u32);
        out.push(requested);
        let mut all_ready = t0;
        for n in nodes.clone() {
            let added = t0 + 40_000 + draw(batch, n, 25_000);
            let ready = added + 20_000 + draw(n, batch, 20_000);
            let mut e = Event::new(added, EventKind::NodeAdded);
            e.batch = Some(batch);
            e.node = Some(format!("new-{n}"));
            e.role = Some(NodeRole::New);
            e.group = Some("general".into());
            node_room(&mut e);
            out.push(e);
            let mut e = Event::new(ready, EventKind::NodeReady);
            e.node = Some(format!("new-{n}"));
            out.push(e);
            all_ready = all_ready.max(ready);
        }
        all_ready
    }

    fn drain(&self, out: &mut Vec<Event>, t0: u64, ready: u64, batch: u32, n: u32) -> u64 {
        let node_event = |t, kind| {
            let mut e = Event::new(t, kind);
            e.batch = Some(batch);
            e.node = Some(format!("old-{n}"));
            e
        };
        out.push(node_event(t0, EventKind::NodeCordoned));
        let mut gone = ready;
        for p in 0..self.pods_per_node {
            gone = gone.max(self.evict(out, ready + 1_000 + u64::from(p) * 3_000, batch, n, p));
        }
        out.push(node_event(gone, EventKind::NodeDrained));
        out.push(node_event(gone + 30_000, EventKind::NodeDeleted));
        gone + 30_000
    }

    fn evict(&self, out: &mut Vec<Event>, mut t: u64, batch: u32, n: u32, p: u32) -> u64 {
        let owner = (n * self.pods_per_node + p) % self.owners;
        let pod_event = |t, kind, new: bool| {
            let mut e = Event::new(t, kind);
            let side = if new { "new-pod" } else { "pod" };
            e.pod = Some(format!("shop/{side}-{n}-{p}"));
            e.uid = Some(if new { format!("sim-{n}-{p}") } else { format!("uid-{n}-{p}") });
            e.owner = Some(format!("Deployment/shop/app-{owner}"));
            e.cpu_milli = Some(POD_CPU);
            e.memory_bytes = Some(POD_MEMORY);
            e
        };
        for _ in 0..draw(n, p, 4).saturating_sub(1) {
            let mut e = pod_event(t, EventKind::EvictionRefused, false);
            e.node = Some(format!("old-{n}"));
            e.batch = Some(batch);
            e.code = Some(429);
            e.reason = Some("DisruptionBudget".into());
            e.budget = Some(format!("shop/budget-{owner}"));
            out.push(e);
            t += 5_000;
        }
        let mut e = pod_event(t, EventKind::EvictionAccepted, false);
        e.node = Some(format!("old-{n}"));
        e.batch = Some(batch);
        e.code = Some(201);
        out.push(e);
        out.push(self.budget(t, owner, draw(p, n, 2) as i64));
        out.push(pod_event(t + 20, EventKind::PodCreated, true));
        let mut e = pod_event(t + 60 + draw(n, p, 2_000), EventKind::PodBound, true);
        e.node = Some(format!("new-{n}"));
        out.push(e);
        let gone = t + 10_000 + draw(p, n, 20_000);
        let mut e = pod_event(gone, EventKind::PodTerminated, false);
        e.node = Some(format!("old-{n}"));
        out.push(e);
        let back = t + 15_000 + draw(n + 7, p, 20_000);
        out.push(pod_event(back, EventKind::PodReady, true));
        out.push(self.budget(back, owner, 2));
        gone
    }
}

fn node_room(e: &mut Event) {
    e.cpu_milli = Some(7_900);
    e.memory_bytes = Some(30 << 30);
    e.pod_slots = Some(58);
    e.machine_type = Some("m6i.2xlarge".into());
    e.price_micros_per_hour = Some(384_000);
}
