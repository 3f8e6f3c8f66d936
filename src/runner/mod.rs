//! How a plan is CARRIED OUT: the batch state machine, its procedures, and why it ends.
//!
//! [`Runner`] is the one state machine behind both worlds, simulated and live. It sees what the API could show, puts
//! out calls and announcements, and keeps in [`Progress`] all that a restart needs.

mod advice;
mod base;
mod batch_run;
mod by_hand;
pub mod call;
mod client;
pub(crate) mod common;
mod context;
mod cordons;
mod denial;
mod evictor;
mod gate;
pub mod interface;
mod jobs;
mod kubectl_drain;
mod look;
pub mod observe;
pub mod ocean;
pub mod outcome;
pub mod packer;
pub(crate) mod phase;
mod procedure;
pub mod progress;
pub mod refs;
mod retire;
mod stand;
mod states;
pub mod surge;
#[cfg(test)]
pub(crate) mod testing;
mod trouble;
pub mod whole;
pub mod wording;

pub use call::{Call, GroupRef, Named, NodeRef, PodRef, TaintText};
pub use common::{BatchReport, Fate};
pub use cordons::is_left_reason;
pub(crate) use denial::Denial;
pub use gate::Waiting;
pub use interface::*;
pub use outcome::{Failure, Outcome, Reason, of_batch};
pub use packer::GroupPacker;
pub use progress::Progress;

use crate::cluster::{NodeIdx, SharedArena, View};
use crate::intent::options::{CordonWhen, Options, ProcedureKind, UnscheduledAtStart};
use crate::intent::{Intent, NodeId};
use batch_run::End;
use client::{Ask, Client};
use common::{Common, OldNode};
use context::Cx;
use look::Looks;
use phase::{Phase, Stage};
use procedure::ProcedureState;
use refs::{N, Tables};
use stand::Doing;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long the closing may take before it ends regardless (C).
const CLOSING_MS: Ms = 120_000;
/// A launch that failed is asked for again after so long (ours).
const LAUNCH_RETRY_MS: Ms = 30_000;
/// Refused or lost calls of the closing are repeated after so long (C).
const CLOSING_RETRY_MS: Ms = 5000;

/// The batch algorithm as a state machine.
#[derive(Clone)]
pub struct Runner {
    intent: Arc<Intent>,
    packer: Arc<dyn Packer>,
    progress: Progress,
    tables: Tables,
    /// Resumed, and nobody has looked at the fresh list yet.
    fresh: bool,
    /// Resumed, and nobody has compared the old nodes with the fresh list yet.
    unfollowed: bool,
    /// Draws the order in which `kubectl drain` starts a node's evictions; none where nothing is drawn.
    order_seed: Option<u64>,
    /// When it began, in milliseconds since 1970: windows by the calendar count from there. It is given, and nobody asks a clock for it.
    start_unix_ms: Ms,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Runner {
    /// A run of `intent` that has not begun; it begins at the first input.
    ///
    /// # Errors
    /// Says which nodes of the plan the cluster lacks, or which parameter is out of range.
    pub fn new(intent: Arc<Intent>, view: View<'_>, packer: Arc<dyn Packer>) -> Result<Runner, String> {
        intent.resolve(view)?;
        let problems = intent.options.problems();
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let node_ids: Vec<NodeId> = intent.batches.iter().flatten().cloned().collect();
        let mut starts = vec![0u32];
        for b in &intent.batches {
            starts.push(starts[starts.len() - 1] + b.len() as u32);
        }
        let nodes = node_ids.iter().map(|_| OldNode::waiting()).collect();
        let common = Common {
            client: Client::new(intent.options.client()),
            node_ids: Arc::new(node_ids),
            nodes,
            starts,
            pod_ids: SharedArena::default(),
            marks: SharedArena::default(),
            reports: Vec::new(),
            batch: 0,
            demands: Vec::new(),
            groups: Vec::new(),
            pending_at_start: Default::default(),
            known_nodes: Default::default(),
            stop: None,
            unreachable_since: None,
            began: 0,
            gate_said: String::new(),
            concluding: None,
            not_uncordoned: Vec::new(),
            lost_call: String::new(),
            said_state: String::new(),
            pools: Vec::new(),
        };
        let progress = Progress {
            now: 0,
            phase: Phase::NotBegun,
            common,
            procedure: None,
            looks: Looks::default(),
            outcome: None,
            failure: None,
        };
        Self::resume(intent, progress, view, packer)
    }

    /// Goes on from `progress` over a fresh view. Answers to the calls of [`Runner::open_calls`] may still come; a
    /// driver that lost them feeds `Answer::Unknown` for each.
    ///
    /// # Errors
    /// Says if the progress is not of this plan.
    pub fn resume(
        intent: Arc<Intent>,
        progress: Progress,
        view: View<'_>,
        packer: Arc<dyn Packer>,
    ) -> Result<Runner, String> {
        if !intent.batches.iter().flatten().eq(progress.common.node_ids.iter().take(progress.common.planned())) {
            return Err("the progress is of another plan: its old nodes are not those of the plan's batches".into());
        }
        let mut tables = Tables::resolve(view, &progress.common.node_ids, &progress.common.pod_ids);
        tables.owners = whole::Counts::resolve(view, &progress.common.marks, rule(&intent.options, progress.now));
        let known = &progress.common.known_nodes;
        if !known.is_empty() {
            let nodes = view.state.nodes.entries();
            let is_known = nodes.filter(|(_, n)| known.contains(view.state.name(view.catalog, n.spec.uid)));
            tables.known = is_known.map(|(index, _)| index).collect();
        }
        tables.lefts = progress.common.nodes.iter().filter(|n| n.left).count() as u32;
        Ok(Runner {
            intent,
            packer,
            progress,
            tables,
            fresh: true,
            unfollowed: true,
            order_seed: None,
            start_unix_ms: 0,
        })
    }

    /// What a restart makes of it: its progress written down, read back and resumed over `view`. Tests do this after
    /// every event; the end must be the same.
    ///
    /// # Errors
    /// Says why the progress cannot be written or read.
    pub fn reborn(&self, view: View<'_>) -> Result<Runner, String> {
        let text = serde_json::to_string(&self.progress).map_err(|e| format!("the progress cannot be written: {e}"))?;
        let progress = crate::typed::from_text(&text).map_err(|e| format!("the progress cannot be read: {e}"))?;
        let resumed = Self::resume(self.intent.clone(), progress, view, self.packer.clone())?;
        Ok(resumed.with_order_seed(self.order_seed).with_start(self.start_unix_ms))
    }

    /// The same run over a fresh view. Answers to the calls that are open may still come.
    ///
    /// # Errors
    /// As [`Runner::resume`].
    pub fn renewed(self, view: View<'_>, packer: Arc<dyn Packer>) -> Result<Runner, String> {
        let (order_seed, start) = (self.order_seed, self.start_unix_ms);
        Ok(Self::resume(self.intent, self.progress, view, packer)?.with_order_seed(order_seed).with_start(start))
    }

    /// Nodes by uid that the API shows as cordoned by this execution: these cordons are its own to take back, whatever its progress says of
    /// them. Nodes that are left to a person stay so.
    pub fn claim_cordons(&mut self, uids: &BTreeSet<&str>) {
        let common = &mut self.progress.common;
        for (id, node) in common.node_ids.iter().zip(&mut common.nodes) {
            node.cordoned |= !node.left && uids.contains(id.uid.as_str());
        }
    }

    /// The same run with evictions of `kubectl drain` in an order that is drawn from a seed, for a simulation.
    pub fn with_order_seed(mut self, seed: Option<u64>) -> Runner {
        self.order_seed = seed;
        self
    }

    /// The same run as one that began at a moment, in milliseconds since 1970.
    pub fn with_start(mut self, unix_ms: Ms) -> Runner {
        self.start_unix_ms = unix_ms;
        self
    }

    /// The procedure that it carries out.
    pub fn procedure(&self) -> ProcedureKind {
        self.intent.options.procedure
    }

    /// When it gives up, in ms since its beginning.
    pub fn horizon_ms(&self) -> Ms {
        self.intent.options.horizon_ms
    }

    /// How far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
    /// Calls that left and are unanswered, in order.
    pub fn open_calls(&self) -> Vec<CallId> {
        self.progress.common.client.open.keys().copied().collect()
    }
    /// The outcome, once it has ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.progress.outcome
    }

    /// When the driver must call again at the latest; None if the runner only waits for the world (or has ended).
    pub fn next_wakeup(&self) -> Option<Ms> {
        let p = &self.progress;
        if p.outcome.is_some() {
            return None;
        }
        let o = &self.intent.options;
        let phase = match p.phase {
            Phase::NotBegun => Some(p.now),
            Phase::Between(gate) => gate.next_wakeup(p.now),
            Phase::Closing { since } => Some(since + CLOSING_MS),
            Phase::Batch => {
                let own = p.procedure.as_ref().and_then(|s| s.next_wakeup(p.now));
                own.into_iter().chain(self.tables.owners.next_at()).min()
            }
            Phase::Looking => p.looks.next_wakeup(),
            Phase::CordonAll | Phase::Ended => None,
        };
        let launches =
            matches!(p.phase, Phase::Batch).then(|| p.common.demands.iter().filter_map(|d| d.again_at).min());
        let limits = [launches.flatten(), Some(o.horizon_ms).filter(|_| !matches!(p.phase, Phase::Closing { .. }))];
        p.common
            .client
            .next_at()
            .into_iter()
            .chain(phase)
            .chain(limits.into_iter().flatten())
            .min()
            .map(|t| t.max(p.now))
    }

    /// Takes an input at `now`, which never goes back, and puts calls and announcements into `out`.
    pub fn handle(&mut self, now: Ms, view: View<'_>, input: Input<'_>, out: &mut Outbox) {
        if self.progress.outcome.is_some() {
            return;
        }
        let now = now.max(self.progress.now);
        self.progress.now = now;
        self.tables.owners.pass_to(view, &self.progress.common.marks, now);
        if self.progress.phase == Phase::NotBegun {
            self.begin(now, view, out);
        }
        if std::mem::take(&mut self.fresh)
            && let Some(mut state) = self.progress.procedure.take()
        {
            self.with(now, view, out, |cx| state.get().resumed(cx));
            self.progress.procedure = Some(state);
        }
        // What became of a node is seen when it is told, be it in one go: not with the answer to some call that happens to come first.
        if matches!(input, Input::Changed(_) | Input::Tick) && std::mem::take(&mut self.unfollowed) {
            self.follow((0..self.progress.common.nodes.len() as u32).map(N), now, view, out);
        }
        match input {
            Input::Changed(objects) => self.changed(now, view, objects, out),
            Input::Answer(id, answer) => self.answered(now, view, id, answer, out),
            Input::LaunchFailed { key, count, reason, message } => {
                if let Some(d) = self.progress.common.demands.iter_mut().find(|d| d.key == key) {
                    d.trouble = format!("{count} x {}: {reason}: {message}", d.group);
                    d.again_at.get_or_insert(now + LAUNCH_RETRY_MS);
                }
            }
            Input::Stop(mode) => {
                self.progress.common.stop.get_or_insert(mode);
                self.progress.common.client.withdraw(client::Ask::is_own);
            }
            Input::Tick => {}
        }
        if now >= self.intent.options.horizon_ms && !matches!(self.progress.phase, Phase::Closing { .. } | Phase::Ended)
        {
            let cause = self.horizon_cause(now, view, out);
            self.conclude(now, view, Some((Reason::Horizon, cause)), out);
        }
        self.ask_again_for_launches(now, view, out);
        self.advance(now, view, out);
        self.flush(now, view, out);
        self.tell_nodes(view, out);
    }

    /// Asks once more for the totals of which launches failed: the total is absolute, so only what is missing is launched.
    fn ask_again_for_launches(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        if !matches!(self.progress.phase, Phase::Batch) {
            return;
        }
        for i in 0..self.progress.common.demands.len() {
            let d = &mut self.progress.common.demands[i];
            if d.again_at.is_some_and(|at| at <= now) {
                d.again_at = None;
                let ask = Ask::Ensure { demand: i as u32, total: d.total };
                self.with(now, view, out, |cx| cx.ask(ask));
            }
        }
    }

    /// Goes as far as it can at this moment.
    fn advance(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        // Each round changes the phase or ends; batches are finite, and so is this.
        for _ in 0..=2 * self.progress.common.batches() + 8 {
            let before = (self.progress.phase, self.progress.common.batch);
            match self.progress.phase {
                Phase::CordonAll if self.progress.common.client.is_idle() => {
                    self.wait_at(now, Stage::Window, out);
                }
                Phase::Between(gate) => self.step_gate(now, view, gate, out),
                Phase::Batch => self.step_batch(now, view, out),
                Phase::Looking => self.step_looks(now, view, out),
                Phase::Closing { since } => {
                    let idle = self.progress.common.client.is_idle();
                    if idle || now >= since + CLOSING_MS {
                        self.end(now, view, out);
                    }
                }
                _ => {}
            }
            if (self.progress.phase, self.progress.common.batch) == before || self.progress.outcome.is_some() {
                break;
            }
        }
    }

    /// Runs `f` with a procedure's context.
    fn with<R>(&mut self, now: Ms, view: View<'_>, out: &mut Outbox, f: impl FnOnce(&mut Cx<'_>) -> R) -> R {
        let mut cx = Cx {
            now,
            view,
            options: &self.intent.options,
            packer: &*self.packer,
            order_seed: self.order_seed,
            common: &mut self.progress.common,
            tables: &mut self.tables,
            out,
        };
        f(&mut cx)
    }

    // --- the beginning ---

    fn begin(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        let intent = self.intent.clone();
        let (batches, nodes) = (self.progress.common.batches(), self.progress.common.nodes.len() as u32);
        out.announce(Announcement::MigrationStarted { batches, nodes });
        self.progress.common.began = now;
        self.doing(now, view, Doing::Starting, out);
        self.all_nodes_unsaid();
        let pending: Vec<_> = view
            .state
            .live_pods()
            .filter(|p| {
                let p = &view.state.pods[*p];
                p.unschedulable && p.node.is_none() && p.is_active()
            })
            .collect();
        let uid = |p: &crate::cluster::PodIdx| view.state.name(view.catalog, view.state.pods[*p].uid).to_owned();
        self.progress.common.pending_at_start = pending.iter().map(uid).collect();
        if intent.options.unscheduled() == UnscheduledAtStart::Refuse && !pending.is_empty() {
            let mut names: Vec<String> = pending.iter().map(|p| view.state.pod_text(view.catalog, *p)).collect();
            names.sort();
            let cause = format!("{} unschedulable before the start: {}", count(names.len(), "pod"), names.join(", "));
            return self.conclude(now, view, Some((Reason::UnscheduledAtStart, cause)), out);
        }
        if let Some((reason, cause)) = self.with(now, view, out, ocean::refuse_start) {
            return self.conclude(now, view, Some((reason, cause)), out);
        }
        self.freeze(now, view, out);
        self.progress.phase = Phase::CordonAll;
        for (node, old) in self.tables.nodes.iter().zip(&mut self.progress.common.nodes) {
            old.seen_cordoned = node.is_some_and(|n| view.state.nodes[n].unschedulable);
        }
        if intent.options.cordon == CordonWhen::AllFirst {
            self.with(now, view, out, |cx| {
                for n in (0..cx.common.nodes.len() as u32).map(N) {
                    let valid = cx.common.nodes[n.at()].fate != Fate::Invalid;
                    if valid && cx.needs_cordon(n) {
                        cx.ask(Ask::Cordon(n));
                    }
                }
            });
        }
    }

    /// Keeps the autoscaler from shrinking what Ocean fills, and from growing what is to be left, if asked.
    fn freeze(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        let options = &self.intent.options;
        let (ocean, may_grow) = (options.procedure.is_ocean(), options.source_groups_may_grow);
        let old: Vec<_> = self.tables.nodes.iter().flatten().filter_map(|n| view.state.nodes[*n].group).collect();
        let closed = packer::Closed::of(options);
        for (i, g) in view.catalog.groups.entries() {
            let scale_up = !may_grow && old.contains(&i) || !closed.is_chosen(view.catalog, i);
            if !ocean && !scale_up {
                continue;
            }
            let group = self.progress.common.groups.len() as u32;
            self.progress.common.groups.push(view.catalog.text(g.id).to_owned());
            let ask = Ask::Freeze { group, scale_up, scale_down: ocean };
            self.with(now, view, out, |cx| cx.ask(ask));
        }
    }

    // --- batches ---

    fn next_batch(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        let batch = self.progress.common.batch;
        if batch >= self.progress.common.batches() {
            return self.conclude(now, view, None, out);
        }
        let procedure = self.intent.options.procedure;
        let here = self.progress.common.here();
        let nodes: Vec<_> = here.iter().filter_map(|n| self.tables.nodes[n.at()]).collect();
        out.announce(Announcement::BatchStarted { batch, nodes: nodes.clone() });
        let c = &mut self.progress.common;
        c.reports.push(BatchReport {
            index: batch,
            start_ms: now,
            end_ms: None,
            outcome: None,
            exit: None,
            failure: None,
            evictions: 0,
            refused: 0,
            forced: 0,
            launched: 0,
        });
        c.pod_ids.clear();
        self.tables.pods.clear();
        self.tables.pod_of.clear();
        if procedure.launches() {
            let uid = |n| view.state.name(view.catalog, view.state.nodes[n].spec.uid).to_owned();
            c.known_nodes = view.state.live_nodes().map(uid).collect();
            self.tables.known = view.state.live_nodes().collect();
            c.demands.clear();
        }
        let before = std::mem::take(&mut self.tables.owners);
        (self.tables.owners, c.marks) = whole::Counts::mark(view, &nodes, rule(&self.intent.options, now), before);
        let mut state = ProcedureState::new(procedure);
        self.with(now, view, out, |cx| state.get().begin(cx));
        self.progress.procedure = Some(state);
        self.progress.phase = Phase::Batch;
        self.step_batch(now, view, out);
    }
    fn step_batch(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        let Some(mut state) = self.progress.procedure.take() else { return };
        let end = self.with(now, view, out, |cx| state.get().step(cx));
        self.progress.procedure = Some(state);
        let Some(end) = end else { return };
        let (exit, failure, next) = match end {
            End::Next { exit, failure } => (exit, failure.clone(), Ok(())),
            End::Abort { exit, failure } => (exit, Some(failure.clone()), Err((Outcome::Failed, Some(failure)))),
            End::Stopped { failure } => {
                let outcome = if failure.is_some() { Outcome::Failed } else { Outcome::Stopped };
                (None, failure.clone(), Err((outcome, failure)))
            }
        };
        let outcome = self.batch_outcome(next.as_ref().err().map(|e| e.0), failure.is_some());
        let batch = self.progress.common.batch;
        let failed = matches!(next, Err((Outcome::Failed, _)));
        self.with(now, view, out, |cx| {
            cx.settle_pools();
            if failed {
                cx.doing(Doing::Failing);
            }
        });
        self.tell_nodes(view, out);
        if let Some(r) = self.progress.common.report() {
            (r.end_ms, r.outcome, r.exit, r.failure) = (Some(now), Some(outcome), exit, failure.clone());
        }
        out.announce(Announcement::BatchFinished { batch, outcome, exit, failure });
        self.progress.procedure = None;
        self.progress.common.batch += 1;
        match next {
            Ok(()) if self.progress.common.batch >= self.progress.common.batches() => {
                self.conclude(now, view, None, out)
            }
            Ok(()) => {
                self.doing(now, view, Doing::Starting, out);
                self.wait_at(now, Stage::Soak, out);
            }
            Err((Outcome::Stopped, _)) => self.conclude_stop(now, view, out),
            Err((_, failure)) => {
                self.progress.failure = failure;
                self.close(now, view, Outcome::Failed, out);
            }
        }
    }
    /// How a batch ended, by what became of its nodes.
    fn batch_outcome(&self, aborted: Option<Outcome>, failed: bool) -> Outcome {
        let here = self.progress.common.here();
        let replaced = here.iter().filter(|n| self.progress.common.nodes[n.at()].fate.is_replaced()).count();
        match aborted {
            Some(o) => o,
            None if replaced == here.len() && !failed => Outcome::Completed,
            None if replaced > 0 => Outcome::PartlyCompleted,
            None => Outcome::Failed,
        }
    }

    // --- the end ---

    /// What was waited for when the horizon came.
    fn horizon_cause(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) -> String {
        if let Some(cause) = self.horizon_between() {
            return cause;
        }
        if self.progress.phase == Phase::Looking {
            return "every batch was worked through, and it could not be seen whether every node is empty".into();
        }
        let batch = self.progress.common.batch;
        let behind = self.with(now, view, out, |cx| cx.not_whole());
        let whys = self.progress.common.nodes.iter().map(|n| &n.why).filter(|w| !w.is_empty());
        let refused: Vec<String> = whys.take(3).cloned().collect();
        let mut parts = vec![format!("batch {} of {} was under way", batch + 1, self.progress.common.batches())];
        let state = self.progress.procedure.take();
        let waits = state.as_ref().map_or(String::new(), |s| self.with(now, view, out, |cx| s.waits_for(cx)));
        self.progress.procedure = state;
        let is_told = waits.contains(&behind);
        parts.extend((!waits.is_empty()).then_some(waits));
        parts.extend((!is_told).then_some(behind));
        parts.extend(refused);
        parts.join("; ")
    }
    /// Ends the migration: with a reason, or by what became of the nodes, once they were looked at a last time.
    fn conclude(&mut self, now: Ms, view: View<'_>, reason: Option<(Reason, String)>, out: &mut Outbox) {
        let Some((reason, cause)) = reason else { return self.look_at_all(now, view, out) };
        if reason.outcome() == Outcome::Failed {
            self.doing(now, view, Doing::Failing, out);
        }
        self.progress.failure = Some(Failure::new(reason, &self.intent.options, cause));
        self.close(now, view, reason.outcome(), out);
    }
    /// Looks at every node that counts as replaced, before that is said of it.
    fn look_at_all(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        self.progress.common.forget_calls();
        let mut looks = std::mem::take(&mut self.progress.looks);
        self.with(now, view, out, |cx| {
            for n in (0..cx.common.nodes.len() as u32).map(N) {
                if cx.common.nodes[n.at()].fate.is_replaced() {
                    looks.add(cx, n);
                }
            }
        });
        self.progress.looks = looks;
        self.progress.phase = Phase::Looking;
        self.step_looks(now, view, out);
    }
    /// The migration ends as soon as every node was seen.
    fn step_looks(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        let mut looks = std::mem::take(&mut self.progress.looks);
        let over = self.with(now, view, out, |cx| {
            for (n, found) in looks.step(cx) {
                cx.believe(n, found);
            }
            // While the last of them was looked at, another one may have changed: the watch says so.
            if looks.is_over() {
                let replaced = |n: &N| cx.common.nodes[n.at()].fate.is_replaced();
                let all = (0..cx.common.nodes.len() as u32).map(N).filter(replaced);
                let changed: Vec<N> =
                    all.filter(|n| !matches!(look::look(cx, *n), look::Found::Gone | look::Found::Empty)).collect();
                changed.into_iter().for_each(|n| looks.add(cx, n));
            }
            looks.is_over()
        });
        self.progress.looks = looks;
        if over && self.ends_by_stop() {
            let (reason, cause) = (Reason::Stopped, self.stop_cause(now));
            self.conclude(now, view, Some((reason, cause)), out);
        } else if over {
            let (outcome, failure) = self.by_nodes(view);
            self.progress.failure = failure;
            self.close(now, view, outcome, out);
        }
    }

    /// Ends a migration that was stopped as asked, once every node that counts as replaced was looked at a last time: what
    /// is not empty after all was not drained, and is made schedulable again like the others.
    pub(super) fn conclude_stop(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        self.look_at_all(now, view, out);
    }
    /// Whether the migration ends before its last batch was worked through, because a stop was asked for.
    fn ends_by_stop(&self) -> bool {
        let c = &self.progress.common;
        let cut_short = c.reports.last().is_some_and(|r| r.outcome == Some(Outcome::Stopped));
        c.stop.is_some() && (c.batch < c.batches() || cut_short)
    }
    fn stop_cause(&self, now: Ms) -> String {
        let c = &self.progress.common;
        let left = c.node_ids.iter().zip(&c.nodes).take(c.planned()).filter(|(_, n)| !n.fate.is_replaced());
        let left: Vec<String> = left.map(|(id, _)| id.name.clone()).collect();
        let mut cause = format!("a stop was asked for; {} s after the start it was over", (now - c.began) / 1000);
        if !left.is_empty() {
            cause.push_str("; not replaced: ");
            cause.push_str(&names(left));
        }
        cause
    }

    /// The outcome of a migration whose every batch was worked through.
    fn by_nodes(&self, view: View<'_>) -> (Outcome, Option<Failure>) {
        let nodes = &self.progress.common.nodes;
        let planned = self.progress.common.planned();
        let replaced = nodes.iter().take(planned).filter(|n| n.fate.is_replaced()).count();
        let left: Vec<(usize, &OldNode)> = nodes.iter().enumerate().filter(|(_, n)| !n.fate.is_replaced()).collect();
        if left.is_empty() {
            return match self.progress.common.reports.iter().find_map(|r| r.failure.clone()) {
                // All nodes are empty, but some workload did not become ready within its limit: nothing stopped for it, yet it fails.
                Some(f) if f.reason == Reason::PodsNotScheduled.code() => {
                    let message = "Every node was emptied, but workloads did not become fully ready again.".into();
                    (Reason::PodsNotScheduled.outcome(), Some(Failure { message, ..f }))
                }
                _ => (Outcome::Completed, None),
            };
        }
        let reason = match left[0].1.fate {
            _ if replaced == 0 => Reason::NothingReplaced,
            _ if left[0].0 >= planned => Reason::SurplusLeft,
            Fate::Failed => left[0].1.reason.unwrap_or(Reason::SomeNotReplaced),
            Fate::HeldByBudget => Reason::HeldByBudget,
            Fate::HeldByRestriction => Reason::HeldByRestriction,
            Fate::HeldByStandAlone => Reason::HeldByStandAlone,
            _ => Reason::SomeNotReplaced,
        };
        let mut causes: Vec<String> = left
            .iter()
            .take(10)
            .map(|(i, n)| {
                let (name, why) = (&self.progress.common.node_ids[*i].name, n.reason());
                if why.contains(name.as_str()) { why.to_owned() } else { format!("node {name}: {why}") }
            })
            .collect();
        if left.len() > 10 {
            causes.push(format!("and {} more", left.len() - 10));
        }
        let there: Vec<NodeIdx> = left
            .iter()
            .filter(|(_, n)| matches!(n.fate, Fate::HeldByBudget | Fate::Failed))
            .filter_map(|(i, _)| self.tables.nodes[*i].filter(|n| !view.state.nodes[*n].gone))
            .collect();
        let advice = advice::advise(view, &self.intent.options, &there);
        causes.extend(advice.causes.iter().cloned());
        let failure = Failure::new(reason, &self.intent.options, causes.join("; "));
        let held = matches!(reason, Reason::NothingReplaced | Reason::HeldByBudget | Reason::SomeNotReplaced);
        let failure = match advice.remedy().filter(|_| held) {
            Some(remedy) => failure.with_remedy(remedy),
            None => failure,
        };
        (reason.outcome(), Some(failure))
    }
    /// Leaves the cluster in order: freezes are lifted, and after a stop or failure what was cordoned and not drained
    /// is made schedulable again.
    fn close(&mut self, now: Ms, view: View<'_>, outcome: Outcome, out: &mut Outbox) {
        self.progress.procedure = None;
        self.break_batch_off(now, view, outcome, out);
        self.progress.looks = Looks::default();
        self.progress.common.forget_all_calls();
        let procedure = self.intent.options.procedure;
        let all_first = self.intent.options.cordon == CordonWhen::AllFirst;
        // kubectl leaves its cordons, and after its errors so do we, but for nodes that it never came to. A stop takes back all that
        // is not drained: nobody will come back to it.
        let undo = procedure.launches() || all_first || outcome == Outcome::Stopped;
        self.with(now, view, out, |cx| {
            let mut uncordons = false;
            for n in (0..cx.common.nodes.len() as u32).map(N) {
                let node = &cx.common.nodes[n.at()];
                let taken_back = outcome == Outcome::Stopped
                    || procedure.launches()
                    || matches!(node.fate, Fate::Waiting | Fate::InProgress);
                let undone = undo && node.cordoned && !node.fate.is_replaced() && !node.quarantined;
                if undone && taken_back && cx.node(n).is_some() {
                    cx.ask(Ask::Uncordon(n));
                    uncordons = true;
                }
            }
            if uncordons {
                cx.doing(Doing::Rescheduling);
            }
            for group in 0..cx.common.groups.len() as u32 {
                cx.ask(Ask::Unfreeze { group });
            }
        });
        self.progress.phase = Phase::Closing { since: now };
        self.progress.common.concluding = Some(outcome);
    }
    /// Ends the batch that is under way, if one is, because the migration ends.
    fn break_batch_off(&mut self, now: Ms, view: View<'_>, outcome: Outcome, out: &mut Outbox) {
        if self.progress.common.reports.last().is_none_or(|r| r.end_ms.is_some()) {
            return;
        }
        self.with(now, view, out, |cx| cx.settle_pools());
        self.tell_nodes(view, out);
        let (batch, failure) = (self.progress.common.batch, self.progress.failure.clone());
        if let Some(r) = self.progress.common.report() {
            (r.end_ms, r.outcome, r.failure) = (Some(now), Some(outcome), failure.clone());
        }
        out.announce(Announcement::BatchFinished { batch, outcome, exit: None, failure });
    }

    fn end(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        let mut outcome = self.progress.common.concluding.unwrap_or(Outcome::Failed);
        let left: Vec<String> = self
            .progress
            .common
            .client
            .pending()
            .filter_map(|a| match a {
                Ask::Uncordon(n) => Some(format!("{} (no answer)", self.progress.common.node_ids[n.at()].name)),
                _ => None,
            })
            .chain(self.progress.common.not_uncordoned.iter().cloned())
            .collect();
        if outcome == Outcome::Stopped && !left.is_empty() {
            outcome = Outcome::Failed;
            let cause = format!("still cordoned: {}", names(left));
            self.progress.failure = Some(Failure::new(Reason::StopNotRescheduled, &self.intent.options, cause));
            self.doing(now, view, Doing::Failing, out);
        }
        self.progress.common.forget_all_calls();
        self.finish(now, view, outcome, out);
    }

    /// The migration is over: nothing of it is under way any more.
    fn finish(&mut self, now: Ms, view: View<'_>, outcome: Outcome, out: &mut Outbox) {
        let cause = self.progress.failure.as_ref().map_or(String::new(), |f| f.cause.clone());
        let stopped = self.progress.common.stop.is_some();
        for node in self.progress.common.nodes.iter_mut().filter(|n| n.fate == Fate::InProgress) {
            (node.fate, node.why) = match stopped {
                true => (Fate::Waiting, String::new()),
                false => (Fate::Failed, cause.clone()),
            };
        }
        self.progress.phase = Phase::Ended;
        self.progress.outcome = Some(outcome);
        self.all_nodes_unsaid();
        self.tell_nodes(view, out);
        self.doing(now, view, Doing::Ended(outcome), out);
        out.announce(Announcement::MigrationFinished { outcome, failure: self.progress.failure.clone() });
    }

    /// Ends at once and without a call, with this failure: the world in which it runs does not go on.
    pub fn abandon(&mut self, now: Ms, view: View<'_>, failure: Failure, out: &mut Outbox) {
        if self.progress.outcome.is_some() {
            return;
        }
        self.doing(now, view, Doing::Failing, out);
        self.progress.procedure = None;
        self.progress.failure = Some(failure);
        self.break_batch_off(now, view, Outcome::Failed, out);
        self.finish(now, view, Outcome::Failed, out);
    }

    // --- inputs ---

    fn changed(&mut self, now: Ms, view: View<'_>, objects: &[ObjId], out: &mut Outbox) {
        let mut old: Vec<N> = objects
            .iter()
            .filter_map(|o| match o {
                ObjId::Node(node) => self.tables.note_node(view, *node),
                _ => None,
            })
            .collect();
        old.sort_unstable();
        old.dedup();
        self.follow(old, now, view, out);
        let mut state = self.progress.procedure.take();
        let since = self.progress.common.reports.last().filter(|r| r.end_ms.is_none()).map(|r| r.start_ms);
        for object in objects {
            match object {
                ObjId::Pod(pod) => {
                    if let Some(since) = since {
                        self.tables.owners.preempted(view, &mut self.progress.common.marks, *pod, since);
                    }
                    self.tables.owners.pod_changed(view, &self.progress.common.marks, *pod);
                    self.tables.note_terminal(view, *pod);
                    if let Some(s) = &mut state {
                        self.with(now, view, out, |cx| s.get().pod_changed(cx, *pod));
                    }
                }
                ObjId::Owner(owner) => self.tables.owners.owner_changed(view, &self.progress.common.marks, *owner),
                ObjId::Node(_) => {
                    if let Some(s) = &mut state {
                        s.get().node_changed();
                    }
                }
                ObjId::Budget(_) => {}
            }
        }
        self.progress.procedure = state;
    }
    /// Compares old nodes with what is known of them.
    fn follow(&mut self, nodes: impl IntoIterator<Item = N>, now: Ms, view: View<'_>, out: &mut Outbox) {
        self.with(now, view, out, |cx| nodes.into_iter().for_each(|n| cx.follow(n)));
    }
    fn answered(&mut self, now: Ms, view: View<'_>, id: CallId, answer: Answer, out: &mut Outbox) {
        // An answer to a call of an earlier process or batch concerns nobody.
        let Some(ask) = self.progress.common.client.open.remove(&id) else { return };
        // A check's program and a person's approval say nothing of the API server.
        if !ask.is_gate() {
            self.with(now, view, out, |cx| cx.note_answer(ask, &answer));
        }
        match ask {
            Ask::CordonAgain(n) => return self.with(now, view, out, |cx| cx.cordoned_again(n, &answer)),
            Ask::Cordon(n) => self.with(now, view, out, |cx| cx.cordon_answered(n, &answer)),
            Ask::Taint(n) => self.with(now, view, out, |cx| cx.taint_answered(n, &answer)),
            _ => {}
        }
        match self.progress.phase {
            Phase::Batch if matches!(ask, Ask::Freeze { .. }) => {}
            Phase::Batch => {
                if let Some(mut state) = self.progress.procedure.take() {
                    self.with(now, view, out, |cx| state.get().answer(cx, id, ask, answer));
                    self.progress.procedure = Some(state);
                }
            }
            Phase::Looking => {
                let mut looks = std::mem::take(&mut self.progress.looks);
                self.with(now, view, out, |cx| looks.answer(cx, ask, &answer));
                self.progress.looks = looks;
            }
            Phase::Between(gate) => self.gate_answered(now, gate, ask, answer, out),
            Phase::CordonAll => match (ask, answer) {
                (Ask::Cordon(n), Answer::Refused { message, .. }) => self.with(now, view, out, |cx| {
                    if let Some(at) = cx.cordon_refused(n, &message) {
                        cx.common.client.ask_at(at, ask);
                    }
                }),
                (Ask::Cordon(_) | Ask::Freeze { .. }, Answer::Unknown) => {
                    self.with(now, view, out, |cx| cx.ask(ask));
                }
                _ => {}
            },
            Phase::Closing { .. } => match (ask, answer) {
                (Ask::Uncordon(n), Answer::Accepted | Answer::Unchanged) => {
                    self.progress.common.nodes[n.at()].cordoned = false
                }
                (Ask::Uncordon(n), Answer::Refused { message, .. }) => {
                    let name = &self.progress.common.node_ids[n.at()].name;
                    self.progress.common.not_uncordoned.push(format!("{name} ({message})"));
                }
                (Ask::Uncordon(_) | Ask::Unfreeze { .. }, Answer::Unknown) => {
                    self.with(now + CLOSING_RETRY_MS, view, out, |cx| cx.ask(ask));
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Lets the calls leave whose token is there.
    fn flush(&mut self, now: Ms, view: View<'_>, out: &mut Outbox) {
        // What cannot be named any more (an object the fresh list lacks) is answered as gone; the answers may make new
        // calls, but each needs an object that the view has.
        for _ in 0..1000 {
            let mut gone = Vec::new();
            for (id, ask) in self.progress.common.client.leaving(now) {
                match self.call(view, ask) {
                    Some(call) => out.call(id, call),
                    None => gone.push(id),
                }
            }
            if gone.is_empty() {
                return;
            }
            for id in gone {
                self.answered(now, view, id, Answer::Gone, out);
            }
            self.advance(now, view, out);
        }
    }
    /// A call with the names that it is about; None if an object of it is not there.
    fn call(&self, view: View<'_>, ask: Ask) -> Option<Call> {
        let there = |n: N| self.tables.nodes[n.at()].filter(|i| !view.state.nodes[*i].gone);
        let node = |n: N| Some(NodeRef::of(view, there(n)?));
        let pod = |p: refs::P| {
            let at = self.tables.pods.get(p.at()).copied().flatten()?;
            Some(PodRef { id: self.progress.common.pod_ids.get(p.at())?.clone(), at: Some(at) })
        };
        let group = |i: u32| GroupRef::from(self.progress.common.groups[i as usize].clone()).in_view(view);
        Some(match ask {
            Ask::Cordon(n) | Ask::CordonAgain(n) => Call::Cordon { node: node(n)? },
            Ask::LookNode(n) => Call::FindNode { node: self.progress.common.node_ids[n.at()].clone().into() },
            Ask::LookPods(n) => {
                let found = there(n).or_else(|| self.tables.namesake(view, n))?;
                Call::ListPods { node: NodeRef::of(view, found) }
            }
            Ask::Uncordon(n) => Call::Uncordon { node: node(n)? },
            Ask::Taint(n) => Call::Taint { node: node(n)?, taint: cordons::eks_taint() },
            Ask::Untaint(n) => Call::Untaint { node: node(n)?, taint: cordons::eks_taint() },
            Ask::Evict { pod: p, precondition, grace_ms } => Call::Evict { pod: pod(p)?, precondition, grace_ms },
            Ask::Delete { pod: p, precondition, grace_ms } => Call::DeletePod { pod: pod(p)?, precondition, grace_ms },
            Ask::GetPod(p) => Call::GetPod { pod: pod(p)? },
            Ask::GetNode(n) => Call::GetNode { node: node(n)? },
            Ask::ListPods(n) => Call::ListPods { node: node(n)? },
            Ask::Ensure { demand, total } => {
                let d = self.progress.common.demands.get(demand as usize)?;
                let c = view.catalog;
                let group = GroupRef::from(d.group.clone()).in_view(view)?;
                // Two groups may give their machine types the same name: the group's own counts.
                let own = |m: &String| {
                    let all = &c.groups[group.at?].machines;
                    let at = all.iter().copied().find(|k| c.text(c.machines[*k].name) == m)?;
                    Some(Named { id: m.clone(), at: Some(at) })
                };
                let machine = d.machine.as_ref().and_then(own);
                let known = |z: &String| Some(Named { id: z.clone(), at: Some(c.names.get(z)?) });
                let zone = d.zone.as_ref().and_then(known);
                let beyond_max = self.intent.options.procedure.procedure().launches_beyond_max();
                Call::EnsureNodes { key: d.key.clone(), group, machine, zone, total, beyond_max }
            }
            Ask::Freeze { group: g, scale_up, scale_down } => {
                Call::FreezeGroup { group: group(g)?, scale_up, scale_down }
            }
            Ask::Unfreeze { group: g } => Call::UnfreezeGroup { group: group(g)? },
            Ask::Retire(n) => Call::retire(view, there(n)?),
            Ask::Reimage(n) => Call::reimage(view, there(n)?),
            Ask::Check { batch } => Call::Check { batch },
            Ask::AwaitApproval { batch } => Call::AwaitApproval { batch },
        })
    }
}

/// `1 pod`, `2 pods`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// When a pod counts as a ready replica of a workload that a batch waits for.
fn rule(options: &Options, now: Ms) -> whole::Rule {
    let available = options.procedure.procedure().drains_as_kubectl() && options.kubectl_drain.await_available;
    whole::Rule { available, now }
}

/// What to do about machines that were asked for, that nobody refused, and that are not Ready in time.
pub(crate) fn late_machines(option: &str, limit: Ms) -> String {
    format!(
        "Raise {option} above the {} that it is if machines may take longer to be Ready; if they do not come at all, see at the provider why (capacity, \
         quota, the group's maximum).",
        crate::cluster::duration_text(limit)
    )
}

/// `a, b, c and 4 more`.
pub(crate) fn names(mut names: Vec<String>) -> String {
    const NAMED: usize = 5;
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let named = names.join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}
