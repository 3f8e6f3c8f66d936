//! What EKS, AKS and GKE do when they upgrade a node pool (docs/fidelity.md#surge-rule-by-rule says of each rule where it is from).
//!
//! Of a group's old nodes so many are under way at once as its preset allows, each cordoned (EKS: tainted), drained, left to rest, and then given
//! back or reimaged in place. `pool` knows how many new nodes there must be and who may begin, `surplus` removes at the end what the group has
//! more than before.

mod pool;
mod surplus;
#[cfg(test)]
mod tests;

use super::batch_run::{BatchRun, End};
use super::client::Ask;
use super::common::Fate;
use super::context::Cx;
use super::evictor::Evictor;
use super::interface::{Announcement, Answer, CallId, Ms};
use super::look::{Found, Looks, some};
use super::outcome::{Failure, Reason};
use super::refs::N;
use super::retire::{Left, Retire};
use crate::cluster::PodIdx;
use crate::intent::options::{CordonWhen, SurgePreset, Undrainable};
use pool::{Pool, Way};
use serde::{Deserialize, Serialize};

/// A refused eviction is retried after so long (C; kubectl's own interval).
const RETRY_MS: Ms = 5000;
/// Calls on nodes that were refused or lost are repeated after so long (C).
const CALL_RETRY_MS: Ms = 10_000;
/// After the last node: how long to wait for workloads (C).
const SETTLE_MS: Ms = 600_000;

/// Where an old node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Waiting,
    Cordoning,
    Draining {
        deadline: Ms,
    },
    /// EKS cordons after the drain.
    LateCordon,
    Soaking {
        until: Ms,
    },
    /// Its machine is being given back, or reimaged.
    Retiring,
    /// It stays, and is looked at before it counts as replaced.
    Looking,
    Done,
    /// Kept as it is.
    Held,
}

/// An old node, or a surplus node that goes the same way at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Old {
    n: N,
    /// Place of its pool.
    pool: usize,
    /// The demand for the node that replaces it.
    #[serde(default)]
    demand: Option<u32>,
    step: Step,
    /// When its turn began.
    #[serde(default)]
    begun: Option<Ms>,
    /// It was launched by this batch.
    #[serde(default)]
    surplus: bool,
}

/// One batch: usually all nodes at once, for the window is the limit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Surge {
    olds: Vec<Old>,
    pools: Vec<Pool>,
    /// Places of old nodes that have begun and are not over, in the order in which they began.
    active: Vec<usize>,
    evictor: Evictor,
    retire: Retire,
    #[serde(default)]
    looks: Looks,
    /// Nodes that are drained a second time.
    #[serde(default)]
    again_drained: Vec<N>,
    /// Taints under way (EKS).
    tainting: u32,
    again: Vec<(Ms, Ask)>,
    dirty: bool,
    stopped: bool,
    failed: Option<Failure>,
    settle_deadline: Option<Ms>,
    new_nodes_timeout: Ms,
    /// The least time from one node's turn to the next in its place.
    #[serde(default)]
    interval: Ms,
}

impl Surge {
    /// EKS marks old nodes unschedulable as soon as the group has grown. With cordon all-first they are cordoned already.
    fn taint(&mut self, cx: &mut Cx<'_>) {
        let eks = Self::parameters(cx).preset == SurgePreset::Eks && cx.options.cordon != CordonWhen::AllFirst;
        for pool in 0..self.pools.len() {
            let q = &mut self.pools[pool];
            if !eks || q.tainted || q.arrived < q.surge {
                continue;
            }
            q.tainted = true;
            for o in self.olds.iter().filter(|o| o.pool == pool && !o.surplus) {
                cx.common.client.ask(cx.now, Ask::Taint(o.n));
                self.tainting += 1;
            }
        }
    }
    fn start_nodes(&mut self, cx: &mut Cx<'_>) {
        if self.stopped || self.failed.is_some() {
            return;
        }
        self.taint(cx);
        if self.tainting > 0 {
            return;
        }
        for pool in 0..self.pools.len() {
            while self.may_start(cx, pool) {
                let Some(k) = self.pools[pool].waiting.pop_front() else { break };
                self.pools[pool].started += 1;
                self.olds[k].begun = Some(cx.now);
                self.begin_node(cx, k);
            }
        }
    }
    fn begin_node(&mut self, cx: &mut Cx<'_>, k: usize) {
        let n = self.olds[k].n;
        self.active.push(k);
        cx.settle(n, Fate::InProgress, "");
        let late = Self::parameters(cx).preset == SurgePreset::Eks && !self.olds[k].surplus;
        match cx.node(n) {
            None => self.finish(cx, k, Fate::Retired, ""),
            Some(_) if cx.is_left(n) => self.finish(cx, k, Fate::Failed, ""),
            Some(_) if !late && cx.needs_cordon(n) => {
                cx.ask(Ask::Cordon(n));
                self.olds[k].step = Step::Cordoning;
            }
            Some(_) => self.drain(cx, k),
        }
    }
    fn drain(&mut self, cx: &mut Cx<'_>, k: usize) {
        self.olds[k].step = Step::Draining { deadline: cx.now + Self::parameters(cx).node_timeout_ms };
        self.evictor.plan(cx, self.olds[k].n, 0);
    }
    /// A node is over: the window moves on.
    fn finish(&mut self, cx: &mut Cx<'_>, k: usize, fate: Fate, why: &str) {
        if self.olds[k].surplus {
            return self.finish_surplus(cx, k, fate, why);
        }
        let pool = self.olds[k].pool;
        self.active.retain(|a| *a != k);
        cx.settle(self.olds[k].n, fate, why);
        let replaced = cx.common.nodes[self.olds[k].n.at()].fate.is_replaced();
        self.olds[k].step = if replaced { Step::Done } else { Step::Held };
        self.pools[pool].done += 1;
        self.pools[pool].replaced += u32::from(replaced);
        if self.failed.is_none() && !self.stopped {
            self.ensure(cx, pool);
        }
    }
    fn soak(&mut self, cx: &mut Cx<'_>, k: usize) {
        let p = Self::parameters(cx);
        // AKS documents its soak as a rest before a node is reimaged.
        let rests = !self.olds[k].surplus || p.preset == SurgePreset::Eks;
        self.olds[k].step = Step::Soaking { until: cx.now + if rests { p.node_soak_ms } else { 0 } };
    }
    fn emptied(&mut self, cx: &mut Cx<'_>, k: usize) {
        let n = self.olds[k].n;
        // Pods that arrived meanwhile have to go too, if it is the same node that they are on; and none may arrive any more.
        if !cx.is_closed(n) || self.looks.has(n) {
            return;
        }
        if Evictor::has_news(cx, n) {
            return self.looks.add(cx, n);
        }
        cx.settle(n, Fate::Drained, "");
        let Some(node) = cx.node(n) else { return self.finish(cx, k, Fate::Retired, "") };
        let batch = cx.common.batch;
        cx.say(Announcement::NodeDrained { batch, node });
        if cx.needs_cordon(n) {
            cx.ask(Ask::Cordon(n));
            self.olds[k].step = Step::LateCordon;
        } else {
            self.soak(cx, k);
        }
    }
    /// A node's pods resisted for too long.
    fn timed_out(&mut self, cx: &mut Cx<'_>, k: usize) {
        let (n, p, surplus) = (self.olds[k].n, Self::parameters(cx), self.olds[k].surplus);
        let (pods, refused) = self.evictor.remaining(cx, n);
        let why = pods.join("; ");
        let undrainable = if surplus { p.undrainable_surplus } else { p.undrainable };
        if undrainable == Undrainable::Force {
            self.evictor.force(cx, n);
            self.evictor.end_at_once(cx, n);
            self.olds[k].step = Step::Draining { deadline: Ms::MAX };
            return;
        }
        self.evictor.cancel(cx, Some(n));
        if let Some(node) = cx.node(n) {
            let batch = cx.common.batch;
            let reason = if p.preset == SurgePreset::Eks { "PodEvictionFailure" } else { "DrainTimeout" };
            cx.say(Announcement::DrainFailed { batch, node, reason, message: why.clone() });
        }
        let fate = if refused { Fate::HeldByBudget } else { Fate::Failed };
        cx.common.nodes[n.at()].quarantined = undrainable == Undrainable::Cordon;
        if surplus {
            return self.finish(cx, k, fate, &why);
        }
        self.pools[self.olds[k].pool].blocked += u32::from(undrainable == Undrainable::Cordon);
        self.finish(cx, k, fate, &why);
        self.blocked(cx, k, undrainable, &why);
    }
    /// The upgrade fails if a node could not be drained, or if too many are left cordoned for that.
    fn blocked(&mut self, cx: &Cx<'_>, k: usize, undrainable: Undrainable, why: &str) {
        let (p, q) = (Self::parameters(cx), &self.pools[self.olds[k].pool]);
        let minutes = p.node_timeout_ms / 60_000;
        let mut cause = format!("node {} was not empty after {minutes} min: {why}", cx.node_name(self.olds[k].n));
        if undrainable == Undrainable::Cordon {
            let Some(most) = p.blocked_of(q.count).filter(|most| q.blocked > *most) else { return };
            cause = format!(
                "{} nodes could not be drained and are left cordoned, where max_blocked_nodes allows {most}; {cause}",
                q.blocked
            );
        }
        if self.failed.is_none() {
            self.failed = Some(cx.failure(Reason::NodeTimeout, cause));
        }
    }
    /// Ends the nodes whose machines are gone or reimaged, or are not to be.
    fn retire(&mut self, cx: &mut Cx<'_>) {
        for (n, left) in self.retire.step(cx) {
            let Some(k) = self.olds.iter().position(|o| o.n == n) else { continue };
            match left {
                Left::Gone => self.finish(cx, k, Fate::Retired, ""),
                Left::Reimaged => self.finish(cx, k, Fate::Reimaged, ""),
                Left::Kept(why) => self.finish(cx, k, Fate::Failed, &why),
                Left::Late if self.olds[k].surplus => {
                    let why = self.retire.late(cx, &[n]);
                    self.finish(cx, k, Fate::Failed, &why);
                }
                Left::Late if !cx.common.nodes[n.at()].reimaged.is_empty() => {
                    let cause = self.retire.not_back(cx, n);
                    self.failed.get_or_insert(cx.failure(Reason::NoNewNodes, cause));
                    self.finish(cx, k, Fate::Failed, "it was to be reimaged, and did not come back in time");
                }
                Left::Late => {
                    let cause = self.retire.late(cx, &[n]);
                    self.failed.get_or_insert(cx.failure(Reason::NodesNotTerminated, cause));
                    self.finish(cx, k, Fate::Drained, "its machine could not be given back");
                }
            }
        }
    }
    /// Ends the nodes that were seen to be empty; those to which pods came are drained once more.
    fn look(&mut self, cx: &mut Cx<'_>) {
        for (n, found) in self.looks.step(cx) {
            let Some(k) = self.olds.iter().position(|o| o.n == n) else { continue };
            match found {
                Found::Pods(_) | Found::Going(_) if matches!(self.olds[k].step, Step::Draining { .. }) => {
                    self.evictor.plan(cx, n, 0);
                }
                found if self.olds[k].step != Step::Looking => drop(cx.believe(n, found)),
                Found::Pods(pods) if !self.stopped && !self.again_drained.contains(&n) => {
                    let text = format!("is drained once more; pods came after it had been drained: {}", some(&pods));
                    cx.warn(n, Reason::PodsLeft, text);
                    self.again_drained.push(n);
                    cx.settle(n, Fate::InProgress, "");
                    self.drain(cx, k);
                }
                Found::Gone => self.finish(cx, k, Fate::Retired, ""),
                found => {
                    cx.believe(n, found);
                    self.finish(cx, k, Fate::Drained, "");
                }
            }
        }
    }
    /// Moves every node whose time has come.
    fn run(&mut self, cx: &mut Cx<'_>) {
        for k in self.active.clone() {
            if cx.is_left(self.olds[k].n) && !matches!(self.olds[k].step, Step::Retiring | Step::Looking) {
                self.evictor.cancel(cx, Some(self.olds[k].n));
                self.looks.forget(self.olds[k].n);
                self.again.retain(|a| a.1 != Ask::Cordon(self.olds[k].n));
                self.finish(cx, k, Fate::Failed, "");
            }
        }
        self.evictor.run(cx);
        self.retire(cx);
        self.look(cx);
        for k in self.active.clone() {
            let n = self.olds[k].n;
            match self.olds[k].step {
                Step::Draining { .. } if self.evictor.left(n) == 0 => self.emptied(cx, k),
                Step::Draining { deadline } if cx.now >= deadline => self.timed_out(cx, k),
                _ => {}
            }
            match self.olds[k].step {
                Step::Soaking { until } if cx.now >= until && cx.options.terminates() => {
                    match Way::of(cx) == Way::Reimages && !self.olds[k].surplus {
                        true => self.retire.reimage(cx, n, self.new_nodes_timeout),
                        false => self.retire.add(cx, n),
                    }
                    self.olds[k].step = Step::Retiring;
                }
                Step::Soaking { until } if cx.now >= until => {
                    self.looks.add(cx, n);
                    self.olds[k].step = Step::Looking;
                }
                _ => {}
            }
        }
    }
    /// Whether nothing is under way that must be waited for.
    fn is_quiet(&mut self, cx: &mut Cx<'_>) -> bool {
        let removed = self.remove_surplus(cx);
        let over = self.stopped || self.failed.is_some();
        removed && self.active.is_empty() && (over || self.pools.iter().all(|q| q.waiting.is_empty()))
    }
    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopped = true;
        // A launch that was refused is not asked for again: nobody would want the node.
        self.again.retain(|(_, ask)| !matches!(ask, Ask::Ensure { .. }));
        self.evictor.cancel(cx, None);
        for k in self.active.clone() {
            let o = &mut self.olds[k];
            if matches!(o.step, Step::Cordoning | Step::Draining { .. }) {
                o.step = Step::Waiting;
                self.looks.forget(o.n);
                cx.settle(o.n, Fate::Waiting, "");
                self.active.retain(|a| *a != k);
            }
        }
    }
    fn end(&mut self, cx: &Cx<'_>) -> Option<End> {
        let deadline = *self.settle_deadline.get_or_insert(cx.now + SETTLE_MS);
        let mut late = None;
        if !cx.is_whole() {
            if cx.now < deadline {
                return None;
            }
            late = Some(cx.failure(Reason::PodsNotScheduled, cx.not_whole()));
        }
        Some(match self.failed.take() {
            Some(failure) => End::Abort { exit: None, failure },
            None if self.stopped => End::Stopped { failure: None },
            None => End::Next { exit: None, failure: late },
        })
    }
}

impl BatchRun for Surge {
    fn begin(&mut self, cx: &mut Cx<'_>) {
        let p = Self::parameters(cx);
        let force = (p.undrainable == Undrainable::Force).then_some(p.node_timeout_ms);
        self.evictor = Evictor::new(RETRY_MS, force);
        self.new_nodes_timeout = p.new_nodes_timeout_ms;
        self.interval = p.node_interval_ms;
        self.dirty = true;
        if let Err(cause) = self.pools(cx) {
            self.olds.clear();
            self.pools.clear();
            self.failed = Some(cx.failure(Reason::NoNewNodes, cause));
            return;
        }
        for pool in 0..self.pools.len() {
            self.ensure(cx, pool);
        }
    }

    fn answer(&mut self, cx: &mut Cx<'_>, _id: CallId, ask: Ask, answer: Answer) {
        if self.evictor.answer(cx, ask, &answer)
            || self.retire.answer(cx, ask, &answer)
            || self.looks.answer(cx, ask, &answer)
        {
            return;
        }
        if let (Ask::Cordon(n) | Ask::Taint(n), Answer::Refused { code: 400..=428 | 430..=499, message, .. }) =
            (ask, &answer)
        {
            match cx.cordon_refused(n, message) {
                Some(at) => self.again.push((at, ask)),
                None if matches!(ask, Ask::Taint(_)) => self.tainting = self.tainting.saturating_sub(1),
                None => {}
            }
            return;
        }
        let failed = matches!(answer, Answer::Refused { .. } | Answer::Unknown);
        let place = |n: N| self.olds.iter().position(|o| o.n == n);
        match ask {
            _ if failed => {
                if let (Ask::Ensure { demand, .. }, Answer::Refused { message, .. }) = (ask, answer) {
                    cx.common.demands[demand as usize].trouble = message;
                }
                self.again.push((cx.now + CALL_RETRY_MS, ask));
            }
            Ask::Taint(_) => self.tainting = self.tainting.saturating_sub(1),
            Ask::Cordon(n) => match place(n).map(|k| (k, self.olds[k].step)) {
                Some((k, Step::Cordoning)) => self.drain(cx, k),
                Some((k, Step::LateCordon)) => self.soak(cx, k),
                _ => {}
            },
            _ => {}
        }
    }

    fn pod_changed(&mut self, cx: &mut Cx<'_>, pod: PodIdx) {
        self.evictor.pod_changed(cx, pod);
    }

    fn node_changed(&mut self) {
        self.dirty = true;
    }

    fn resumed(&mut self, cx: &mut Cx<'_>) {
        self.dirty = true;
        self.evictor.refresh(cx);
    }

    fn step(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        if cx.common.stop.is_some() && !self.stopped {
            self.stop(cx);
        }
        let due: Vec<Ask> = self.again.iter().filter(|a| a.0 <= cx.now).map(|a| a.1).collect();
        self.again.retain(|a| a.0 > cx.now);
        for ask in due {
            cx.ask(ask);
        }
        // A node that is over makes room for the next, which may be empty and over at once.
        for _ in 0..=self.olds.len() {
            let before: Vec<u32> = self.pools.iter().map(|q| q.started + q.done).collect();
            self.run(cx);
            self.count_arrived(cx);
            self.start_nodes(cx);
            if self.pools.iter().map(|q| q.started + q.done).eq(before) {
                break;
            }
        }
        self.evictor.run(cx);
        if self.failed.is_none() && !self.stopped {
            self.failed = self.starved(cx);
            self.start_nodes(cx);
        }
        if self.is_quiet(cx) { self.end(cx) } else { None }
    }

    fn next_wakeup(&self, now: Ms) -> Option<Ms> {
        let nodes = self.active.iter().filter_map(|k| match self.olds[*k].step {
            Step::Draining { deadline } if deadline == Ms::MAX => None,
            Step::Draining { deadline } => Some(deadline),
            Step::Soaking { until } => Some(until),
            _ => None,
        });
        let starving = self
            .pools
            .iter()
            .filter(|q| q.surplus.is_none() && q.started == q.done && !self.stopped && self.failed.is_none())
            .map(|q| q.since + self.new_nodes_timeout)
            .filter(|at| *at > now);
        let again = self.again.iter().map(|a| a.0);
        nodes
            .chain(starving)
            .chain(again)
            .chain(self.next_turn(now))
            .chain(self.evictor.next_at())
            .chain(self.retire.next_wakeup())
            .chain(self.looks.next_wakeup())
            .chain(self.settle_deadline)
            .min()
    }
}
