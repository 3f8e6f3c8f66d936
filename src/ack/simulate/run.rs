//! One run: the masters are drained, the API server goes away and comes back, and the cluster is watched until all is quiet.

use super::options::{AckSimOptions, LONGEST_MS};
use super::risk::{Exposed, Failing};
use super::timeline::{CutOverFailure, StepRun, Timeline};
use crate::cluster::draw::Draws;
use crate::cluster::{NodeIdx, OwnerIdx, View};
use crate::experiment::{
    At, Experiment, Inject, InjectError, Life, ReplicateError, Simulation, Sink, SiteIdx, SiteRun,
};
use crate::runner::Outcome;
use crate::sim::Fault;
use crate::sim::faults::Component;
use crate::trace::{EventKind, Observation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// A run has no end of its own: whoever steps it stops.
const FOREVER_MS: i64 = i64::MAX / 4;
/// Most nodes and workloads that a list names.
const NAMED: usize = 20;

/// What controllers, scheduler and kubelets do once the API server is back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rush {
    /// Pods created.
    pub pods_created: u64,
    /// Most pods created in one second.
    pub most_created_in_a_second: u64,
    /// Pods bound.
    pub pods_bound: u64,
    /// Most pods bound in one second.
    pub most_bound_in_a_second: u64,
    /// Pods that ended or were removed.
    pub pods_ended: u64,
    /// Writes of budgets' status.
    pub budgets_written: u64,
    /// Nodes found NotReady, masters among them.
    pub nodes_not_ready: u64,
}

/// A workload that was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// `Kind/namespace/name`.
    pub workload: String,
    /// Its ready pods when the outage began.
    pub ready: u32,
    /// How many of them were lost during the outage.
    pub lost: u32,
    /// Whether none was left.
    pub at_zero: bool,
    /// From the first loss until it had as many ready pods again, milliseconds; null if it had not when the watch ended.
    pub short_ms: Option<i64>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AckRun {
    /// Which of the runs, counted from 0.
    pub run: u32,
    /// Its seed.
    pub seed: u64,
    /// How it ended: `COMPLETED`, `FAILED`.
    pub outcome: String,
    /// Why, unless it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CutOverFailure>,
    /// The drain of the masters took so long, milliseconds.
    pub drain_ms: i64,
    /// When the first step began, milliseconds since the start of the drain. What follows is counted from there.
    pub first_step_ms: i64,
    /// The steps.
    pub steps: Vec<StepRun>,
    /// When nothing took it back any more; null if it did not come to that.
    pub cut_over_ms: Option<i64>,
    /// How long the API server was away; null if it stays away.
    pub outage_ms: Option<i64>,
    /// When controllers and scheduler worked again.
    pub controllers_back_ms: Option<i64>,
    /// When the last of the masters was found gone.
    pub masters_unknown_ms: Option<i64>,
    /// When the last budget had caught up: the last write of a status.
    pub budgets_caught_up_ms: Option<i64>,
    /// When all was quiet again: nothing changed in the cluster from then on.
    pub quiet_ms: Option<i64>,
    /// What failed by itself during the outage: nodes and pods by name.
    pub failed_meanwhile: Vec<String>,
    /// Workloads that lost ready pods during the outage.
    pub hit: Vec<Hit>,
    /// Workloads that had fewer ready pods when the watch ended than when the outage began.
    pub not_as_before: Vec<String>,
    /// Nodes but the masters that were not Ready when the watch ended, and were when the outage began.
    pub nodes_lost: Vec<String>,
    /// What came in a rush.
    pub rush: Rush,
}

/// What was seen since the outage began.
#[derive(Default)]
struct Seen {
    log: Vec<(i64, EventKind, Option<(OwnerIdx, u32)>, Option<NodeIdx>)>,
    on: bool,
}

/// Why a run has no result: a bug of ours.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An invariant of the simulation broke.
    #[error("a bug of nodeferry: {violation} (seed {seed}, version {}); please report it with the dump or scenario", env!("CARGO_PKG_VERSION"))]
    Violation {
        /// What broke.
        violation: String,
        /// Seed of the run.
        seed: u64,
    },
    /// Something could not be injected.
    #[error("a bug of nodeferry: the outage could not be simulated: {0}")]
    Inject(#[from] InjectError),
    /// Threads.
    #[error(transparent)]
    Threads(#[from] ReplicateError),
    /// The experiment has no cluster.
    #[error("a bug of nodeferry: the experiment has no cluster")]
    NoSite,
}

/// A run under way.
struct Running<'a> {
    options: &'a AckSimOptions,
    masters: &'a BTreeSet<NodeIdx>,
    draws: Draws,
    simulation: Simulation,
    seen: Arc<Mutex<Seen>>,
    out: AckRun,
}

/// Runs the migration of a cluster once. `masters` are the old nodes of its drain.
///
/// # Errors
/// A bug of ours.
pub fn run(
    experiment: &Experiment,
    masters: &BTreeSet<NodeIdx>,
    options: &AckSimOptions,
    nth: u32,
    seed: u64,
) -> Result<(AckRun, Exposed), RunError> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let keep = seen.clone();
    let sink = Sink::Callback(Arc::new(move |o: At<&Observation>, _: View<'_>| {
        if let Ok(mut seen) = keep.lock()
            && seen.on
        {
            let workload = o.what.workload.map(|w| (w.owner, w.ready));
            seen.log.push((o.what.t_ms, o.what.kind, workload, o.what.node));
        }
    }));
    let simulation = experiment.living(Life::Until(FOREVER_MS)).start(seed, sink);
    let out = AckRun {
        run: nth,
        seed,
        outcome: Outcome::Completed.text().to_owned(),
        failure: None,
        drain_ms: 0,
        first_step_ms: 0,
        steps: Vec::new(),
        cut_over_ms: None,
        outage_ms: None,
        controllers_back_ms: None,
        masters_unknown_ms: None,
        budgets_caught_up_ms: None,
        quiet_ms: None,
        failed_meanwhile: Vec::new(),
        hit: Vec::new(),
        not_as_before: Vec::new(),
        nodes_lost: Vec::new(),
        rush: Rush::default(),
    };
    let mut running = Running { options, masters, draws: Draws::new(seed), simulation, seen, out };
    let exposed = running.run()?;
    let violation = running.site()?.violations().first().map(ToString::to_string);
    match violation {
        Some(violation) => Err(RunError::Violation { violation, seed }),
        None => Ok((running.out, exposed)),
    }
}

impl Running<'_> {
    fn site(&self) -> Result<&SiteRun, RunError> {
        self.simulation.at(SiteIdx::FIRST).ok_or(RunError::NoSite)
    }

    fn run(&mut self) -> Result<Exposed, RunError> {
        self.drain()?;
        let begin = self.out.drain_ms.saturating_add(self.options.wait_before_ms);
        self.simulation.advance_to(begin);
        self.out.first_step_ms = begin;
        let exposed = Exposed::of(self.site()?.view(), self.masters);
        if self.out.failure.is_some() {
            return Ok(exposed);
        }
        let timeline = Timeline::draw(self.options, &self.draws, self.masters.len());
        let before = Before::of(self.site()?.view(), &exposed, self.masters);
        self.outage(begin, &timeline, &exposed)?;
        self.out.steps = timeline.steps;
        self.out.cut_over_ms = timeline.cut_over_ms;
        self.out.outage_ms = timeline.back_ms;
        if timeline.failure.is_some() {
            self.out.outcome = Outcome::Failed.text().to_owned();
            self.out.failure = timeline.failure;
        }
        if timeline.back_ms.is_some() {
            self.compare(begin, &before)?;
        }
        Ok(exposed)
    }

    /// The masters are drained; what is left on them forbids the cut-over.
    fn drain(&mut self) -> Result<(), RunError> {
        while self.site()?.outcome().is_none() && self.simulation.step() {}
        self.out.drain_ms = self.simulation.now_ms();
        let site = self.site()?;
        let outcome = site.outcome().unwrap_or(Outcome::Failed);
        if outcome == Outcome::Completed {
            return Ok(());
        }
        let failure = site.failure();
        let why =
            failure.map_or_else(|| outcome.text().to_owned(), |f| format!("{} ({})\n{}", f.message, f.reason, f.cause));
        let remedy = failure.map_or_else(String::new, |f| f.remedy.clone());
        self.out.outcome = Outcome::Failed.text().to_owned();
        self.out.failure = Some(CutOverFailure {
            reason: "ack-masters-not-drained".to_owned(),
            message: format!("The masters are not empty, so that the cut-over must not begin: {why}"),
            remedy,
        });
        Ok(())
    }

    fn inject(&mut self, what: Inject) -> Result<(), RunError> {
        self.simulation.inject(what)?;
        Ok(())
    }

    /// The API server goes away at `begin`, things fail, and it comes back; then the cluster is watched.
    fn outage(&mut self, begin: i64, timeline: &Timeline, exposed: &Exposed) -> Result<(), RunError> {
        if let Ok(mut seen) = self.seen.lock() {
            seen.on = true;
        }
        // The old controllers end with it, whoever comes back.
        const AWAY: [Component; 3] = [Component::ApiServer, Component::ControllerManager, Component::Scheduler];
        for component in AWAY {
            self.inject(Inject::Outage(component))?;
        }
        let names = |view: View<'_>, n: NodeIdx| view.state.node_name(view.catalog, n).to_owned();
        if let Some(cut_over) = timeline.cut_over_ms {
            let masters: Vec<String> =
                self.masters.iter().map(|n| Ok(names(self.site()?.view(), *n))).collect::<Result<_, RunError>>()?;
            for node in masters {
                self.inject(Inject::Fault(Fault::NodeLoss { node, at_ms: begin + cut_over }))?;
            }
        }
        let span = timeline.back_ms.unwrap_or_else(|| timeline.steps.last().map_or(0, |s| s.end_ms));
        let failing = exposed.fail(self.options.failures, &self.draws, 0, span);
        let lost = exposed.lost(&failing);
        for (at, what) in &failing {
            let view = self.site()?.view();
            let (fault, name) = match what {
                Failing::Node(node) => {
                    let node = names(view, *node);
                    (Fault::NodeLoss { node: node.clone(), at_ms: begin + at }, format!("node {node}"))
                }
                Failing::Pod(pod) => {
                    let text = view.state.pod_text(view.catalog, *pod);
                    let (namespace, name) = text.split_once('/').unwrap_or(("", &text));
                    let fault =
                        Fault::PodFailure { namespace: namespace.to_owned(), pod: name.to_owned(), at_ms: begin + at };
                    (fault, format!("pod {text}"))
                }
            };
            self.out.failed_meanwhile.push(name);
            self.inject(Inject::Fault(fault))?;
        }
        let view = self.site()?.view();
        let hit = |(workload, (lost, first)): (&OwnerIdx, &(u32, i64))| Hit {
            workload: view.catalog.owner_text(*workload),
            ready: exposed.ready(*workload),
            lost: *lost,
            at_zero: *lost == exposed.ready(*workload),
            // Since when; until when follows from what is seen.
            short_ms: Some(*first),
        };
        let hits: Vec<Hit> = lost.iter().map(hit).collect();
        self.out.hit = hits;
        let Some(back) = timeline.back_ms else {
            self.out.hit.iter_mut().for_each(|h| h.short_ms = None);
            return Ok(());
        };
        self.simulation.advance_to(begin + back);
        self.inject(Inject::Restore(Component::ApiServer))?;
        let controllers = self.options.controllers.sample(self.draws.u64("ack", "controllers", 0)).min(LONGEST_MS);
        let controllers_back = back.saturating_add(controllers);
        self.simulation.advance_to(begin + controllers_back);
        self.inject(Inject::Restore(Component::ControllerManager))?;
        self.inject(Inject::Restore(Component::Scheduler))?;
        self.out.controllers_back_ms = Some(controllers_back);
        // It is quiet from the last change on.
        let until = begin.saturating_add(back).saturating_add(self.options.watch_ms);
        let mut quiet = controllers_back;
        let mut cursor = self.site()?.view().state.cursor();
        while self.simulation.next_ms().is_some_and(|next| next <= until) && self.simulation.step() {
            let now = self.site()?.view().state.cursor();
            if now != cursor {
                cursor = now;
                quiet = self.simulation.now_ms() - begin;
            }
        }
        self.out.quiet_ms = Some(quiet);
        Ok(())
    }

    /// What is not as it was, and what came in a rush.
    fn compare(&mut self, begin: i64, before: &Before) -> Result<(), RunError> {
        let view = self.site()?.view();
        let after = Exposed::of(view, self.masters);
        let short: Vec<OwnerIdx> =
            before.ready.iter().filter(|(w, n)| after.ready(**w) < **n).map(|(w, _)| *w).collect();
        let not_as_before: Vec<String> = short.iter().take(NAMED).map(|w| view.catalog.owner_text(*w)).collect();
        let lost = |n: &&NodeIdx| !view.state.nodes[**n].ready || view.state.nodes[**n].gone;
        let nodes_lost: Vec<String> = before
            .nodes
            .iter()
            .filter(lost)
            .take(NAMED)
            .map(|n| view.state.node_name(view.catalog, *n).to_owned())
            .collect();
        let log = self.seen.lock().map(|mut seen| std::mem::take(&mut seen.log)).unwrap_or_default();
        let back = begin + self.out.outage_ms.unwrap_or(0);
        // When each workload had last as many ready pods again as before.
        let mut recovered: BTreeMap<String, i64> = BTreeMap::new();
        let mut dipped: BTreeSet<OwnerIdx> = BTreeSet::new();
        for (t, _, workload, _) in &log {
            let Some((owner, ready)) = workload else { continue };
            let wanted = before.ready.get(owner).copied().unwrap_or(0);
            if *ready < wanted {
                dipped.insert(*owner);
            } else if dipped.remove(owner) {
                recovered.insert(view.catalog.owner_text(*owner), t - begin);
            }
        }
        let is_short: BTreeSet<String> = short.iter().map(|w| view.catalog.owner_text(*w)).collect();
        for hit in &mut self.out.hit {
            let since = hit.short_ms.unwrap_or(0);
            hit.short_ms = match is_short.contains(&hit.workload) {
                true => None,
                false => Some(recovered.get(&hit.workload).map_or(0, |at| at - since)),
            };
        }
        self.out.not_as_before = not_as_before;
        self.out.nodes_lost = nodes_lost;
        let last = |kind: EventKind, is: &dyn Fn(Option<NodeIdx>) -> bool| {
            log.iter().rev().find(|(t, k, _, n)| *k == kind && *t >= back && is(*n)).map(|(t, ..)| t - begin)
        };
        self.out.budgets_caught_up_ms = last(EventKind::BudgetChanged, &|_| true);
        if self.out.cut_over_ms.is_some() && self.out.failure.is_none() {
            let is_master = |n: Option<NodeIdx>| n.is_some_and(|n| self.masters.contains(&n));
            self.out.masters_unknown_ms = last(EventKind::NodeNotReady, &is_master);
        }
        self.out.rush = rush(log.iter().filter(|(t, ..)| *t >= back).map(|(t, k, ..)| (*t, *k)));
        Ok(())
    }
}

/// What there was when the outage began.
struct Before {
    ready: BTreeMap<OwnerIdx, u32>,
    nodes: Vec<NodeIdx>,
}

impl Before {
    fn of(view: View<'_>, exposed: &Exposed, masters: &BTreeSet<NodeIdx>) -> Before {
        let ready = exposed.workloads().map(|w| (w, exposed.ready(w))).collect();
        let nodes = view.state.live_nodes().filter(|n| !masters.contains(n) && view.state.nodes[*n].ready).collect();
        Before { ready, nodes }
    }
}

fn rush(events: impl Iterator<Item = (i64, EventKind)>) -> Rush {
    let mut rush = Rush::default();
    let (mut created, mut bound): (BTreeMap<i64, u64>, BTreeMap<i64, u64>) = Default::default();
    for (t, kind) in events {
        match kind {
            EventKind::PodCreated => {
                rush.pods_created += 1;
                *created.entry(t / 1_000).or_default() += 1;
            }
            EventKind::PodBound => {
                rush.pods_bound += 1;
                *bound.entry(t / 1_000).or_default() += 1;
            }
            EventKind::PodTerminated => rush.pods_ended += 1,
            EventKind::BudgetChanged => rush.budgets_written += 1,
            EventKind::NodeNotReady => rush.nodes_not_ready += 1,
            _ => {}
        }
    }
    rush.most_created_in_a_second = created.values().copied().max().unwrap_or(0);
    rush.most_bound_in_a_second = bound.values().copied().max().unwrap_or(0);
    rush
}
