//! kube-scheduler in virtual time: its queue, its cycles, and the rate of its client.

use super::checkers::Checkers;
use super::ctx::Ctx;
use super::event::Timer;
use super::options::SimOptions;
use super::volumes;
use crate::cluster::{Catalog, NodeIdx, PodChange, PodIdx, State, TokenBucket};
use crate::scheduler::plugins::volume_binding::{VolumeAction, assume_volumes};
use crate::scheduler::preemption::{Preemption, Preemptor, nominate};
use crate::scheduler::queue::Queue;
use crate::scheduler::{Failure, Scheduler, SchedulerConfig, Verdict};
use crate::trace::observation::workload_text;
use crate::trace::{Detail, EventKind, Observation, witness};

/// The scheduler, its queue and its client.
#[derive(Clone)]
pub struct Scheduling {
    scheduler: Scheduler,
    queue: Queue,
    preemptor: Preemptor,
    client: TokenBucket,
}

impl Scheduling {
    /// A scheduler whose queue holds the pods that are pending in the state.
    pub fn new(catalog: &Catalog, state: &State, config: SchedulerConfig, options: &SimOptions) -> Scheduling {
        // What the simulation is told about the client goes before what the scheduler's own file says.
        let told = options.scheduler_client != SimOptions::default().scheduler_client;
        let client = config.client.filter(|_| !told).unwrap_or(options.scheduler_client);
        let queue = Queue::of(&config, catalog, state, 0);
        let mut scheduler = Scheduler::new(catalog, state, config);
        if options.draw_equal_nodes {
            scheduler.draw_equal_nodes();
        }
        Scheduling { preemptor: Preemptor::default(), queue, scheduler, client: TokenBucket::new(client, 0) }
    }
    /// Up to where both readers of the change log have read.
    pub fn cursor(&self) -> u64 {
        self.queue.cursor().min(self.scheduler.cursor())
    }
    /// Takes in what changed.
    pub fn observe(&mut self, catalog: &Catalog, state: &State, now: i64) {
        self.queue.observe(catalog, state, now);
        if self.scheduler.cursor() != state.cursor() {
            self.scheduler.sync(catalog, state);
        }
    }
    /// When a waiting pod may be tried again; None while nothing changes by itself.
    pub fn next_wakeup(&self) -> Option<i64> {
        self.queue.next_wakeup()
    }
    /// One scheduling cycle; false if no pod is to be tried now.
    pub fn step(&mut self, ctx: &mut Ctx<'_>, checkers: &mut Checkers) -> bool {
        self.queue.observe(ctx.catalog, ctx.state, ctx.now);
        let Some(pod) = self.queue.pop(ctx.state, ctx.now) else { return false };
        let p = &ctx.state.pods[pod];
        if p.gone || p.node.is_some() || p.phase.is_terminal() {
            self.queue.done(pod);
            return true;
        }
        let (draws, key, attempt) = (*ctx.draws, ctx.pod_key(pod), u64::from(p.incarnation));
        let mut tie = |n: usize| draws.below(&key, "tie", attempt, n as u64) as usize;
        self.scheduler.at(ctx.now);
        let decision = self.scheduler.decide(ctx.catalog, ctx.state, pod, &mut tie);
        match decision.verdict {
            Verdict::Node(node) => self.place(ctx, checkers, pod, node),
            Verdict::Unschedulable(failure) => self.reject(ctx, pod, &failure),
        }
        true
    }

    /// Assumes a pod on its node; the binding goes out as soon as the client may send it and its volumes are there.
    fn place(&mut self, ctx: &mut Ctx<'_>, checkers: &mut Checkers, pod: PodIdx, node: NodeIdx) {
        let volumes = assume_volumes(ctx.catalog, ctx.state, pod, node);
        ctx.state.nominate(pod, None);
        ctx.state.set_unschedulable_pod(pod, false);
        ctx.state.bind(ctx.catalog, pod, node, ctx.now);
        checkers.placed(ctx.now, ctx.catalog, ctx.state, pod, node);
        let waited = self.queue.waited(pod);
        for (reason, ms) in [("Backoff", waited.backoff_ms), ("QueueFlush", waited.flush_ms)] {
            if let Some(ms) = u64::try_from(ms).ok().filter(|ms| *ms > 0) {
                let detail = Detail {
                    reason: Some(reason.to_owned()),
                    waited_ms: Some(ms),
                    sim_only: true,
                    ..Detail::default()
                };
                ctx.events.push(Observation::new(ctx.now, EventKind::PodWaited).pod(pod).node(node).detail(detail));
            }
        }
        self.queue.done(pod);
        let mut at = self.client.reserve(ctx.now);
        for action in volumes {
            match action {
                VolumeAction::Bind { claim, volume } => ctx.state.bind_claim(claim, volume),
                VolumeAction::Provision { claim, node } => {
                    volumes::provision(ctx, claim, node);
                    at = at.max(ctx.now + ctx.options.volume_provision_ms);
                }
            }
        }
        ctx.timers.schedule(at, Timer::Bound(pod));
    }

    /// Tries preemption, tells why the pod cannot be placed, and queues it again.
    fn reject(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx, failure: &Failure) {
        let (draws, key) = (*ctx.draws, ctx.pod_key(pod));
        let mut offset = |n: usize| draws.below(&key, "preemption-offset", ctx.now as u64, n as u64) as usize;
        let profile = self.scheduler.profile(ctx.catalog, ctx.state, pod).clone();
        let preemption = match failure.nodes {
            0 => None,
            _ => {
                let check = &mut self.scheduler;
                Some(self.preemptor.preempt(check, &profile, ctx.catalog, ctx.state, pod, failure, &mut offset))
            }
        };
        if !ctx.state.pods[pod].unschedulable {
            let part = preemption.as_ref().map(|p| p.post_filter(&profile, ctx.catalog, failure)).unwrap_or_default();
            ctx.state.set_unschedulable_pod(pod, true);
            let seen = witness::pod(ctx.now, pod, &ctx.state.pods[pod], PodChange::Unschedulable);
            ctx.events.extend(seen.map(|seen| {
                seen.detail(Detail {
                    reason: Some("Unschedulable".to_owned()),
                    message: Some(failure.message(ctx.catalog, &part)),
                    ..Detail::default()
                })
            }));
        }
        self.queue.failed(ctx.catalog, ctx.state, pod, failure.rejectors, ctx.now);
        match preemption {
            Some(Preemption::Candidate(candidate)) => {
                let by = workload_text(ctx.catalog, ctx.state, pod);
                for victim in nominate(ctx.catalog, ctx.state, pod, &candidate) {
                    ctx.events.push(
                        Observation::new(ctx.now, EventKind::PodPreempted).pod(victim).node(candidate.node).detail(
                            Detail {
                                reason: Some("PreemptionByScheduler".to_owned()),
                                message: Some(format!("for {key}")),
                                by: Some(by.clone()),
                                ..Detail::default()
                            },
                        ),
                    );
                    crate::disruption::delete_pod(ctx.catalog, ctx.state, victim, ctx.now, None);
                }
            }
            Some(Preemption::NoCandidate(_)) => ctx.state.nominate(pod, None),
            Some(Preemption::Off) if profile.post_filter.is_empty() => ctx.state.nominate(pod, None),
            Some(Preemption::Off | Preemption::NotEligible(_)) | None => {}
        }
    }
}
