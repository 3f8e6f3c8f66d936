//! Ocean's workload migration, on both clouds (docs/reference/ocean.md): replacements first, then a paced drain.
//!
//! Per batch: cordon → launch replacements, packed for the batch's pods → wait until they are Ready → evict, spread over
//! 120 s → wait until what was evicted is scheduled and ready → terminate the old nodes. The two clouds share all of it
//! but their words ([`aws`], [`azure`]) and what matching a node means.

pub mod aws;
pub mod azure;
pub mod controller;
#[cfg(test)]
mod tests;
mod validate;

pub(crate) use validate::refuse_start;
pub use validate::{Obstacle, Validation};

use super::batch_run::{BatchRun, End, Words};
use super::client::Ask;
use super::common::Fate;
use super::context::Cx;
use super::evictor::Evictor;
use super::interface::{Announcement, Answer, CallId, Ms};
use super::look::{Found, Looks, some};
use super::outcome::Reason;
use super::refs::N;
use super::retire::{Left, Retire};
use super::stand::Doing;
use super::{late_machines, names};
use crate::cluster::{NodeIdx, PodIdx};
use crate::groups::matching::moving_pods;
use crate::intent::options::{AwaitedPods, OceanCloud, ProcedureKind};
use serde::{Deserialize, Serialize};

/// Cordons and launches that were refused are asked for again after so long (C).
const RETRY_MS: Ms = 10_000;

/// Where a batch stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was done.
    #[default]
    Start,
    /// Old nodes are being cordoned.
    Cordon,
    /// New nodes are awaited.
    Replacements,
    /// Pods are being evicted.
    Drain,
    /// All evictions are over.
    Validate,
    /// Evicted pods are awaited.
    Unscheduled,
    /// Old machines are being given back.
    Terminate,
    /// They are awaited to go.
    AwaitTermination,
}

impl Stage {
    fn doing(self) -> Doing {
        match self {
            Stage::Start | Stage::Cordon => Doing::Starting,
            Stage::Replacements => Doing::AwaitingNodes,
            Stage::Drain => Doing::Draining,
            Stage::Validate => Doing::Validating,
            Stage::Unscheduled => Doing::AwaitingPods,
            Stage::Terminate => Doing::Terminating,
            Stage::AwaitTermination => Doing::AwaitingTermination,
        }
    }
}

/// One batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ocean {
    stage: Stage,
    /// When the stage is given up.
    deadline: Option<Ms>,
    /// Nodes of the batch that passed validation and are not settled yet.
    nodes: Vec<N>,
    /// Calls to repeat.
    again: Vec<(Ms, Ask)>,
    evictor: Evictor,
    retire: Retire,
    /// Drained nodes that are looked at while their pods are awaited.
    #[serde(default)]
    looks: Looks,
    /// Nodes that are drained a second time.
    #[serde(default)]
    again_drained: Vec<N>,
    /// Nodes changed since new ones were counted.
    dirty: bool,
    stopped: bool,
    unreachable: Option<Ms>,
    technical: Option<Ms>,
    /// Latest refusal of a cordon or launch.
    trouble: String,
    /// Cordons have been refused since.
    refused_since: Option<Ms>,
}

impl Ocean {
    fn enter(&mut self, cx: &mut Cx<'_>, stage: Stage, timeout: Option<Ms>) {
        self.stage = stage;
        self.deadline = timeout.map(|t| cx.now + t);
        // To wait for the pods of the last batch is what stopping is; terminating is not.
        if !(self.stopped && matches!(stage, Stage::Validate | Stage::Unscheduled)) {
            cx.doing(stage.doing());
        }
    }

    // --- replacements ---

    fn cordon(&mut self, cx: &mut Cx<'_>) {
        self.enter(cx, Stage::Cordon, None);
        for n in self.nodes.clone() {
            cx.settle(n, Fate::InProgress, "");
            if cx.needs_cordon(n) {
                cx.ask(Ask::Cordon(n));
            }
        }
    }
    /// Whether cordons are under way, or to be asked for again.
    fn is_cordoning(&self, cx: &Cx<'_>) -> bool {
        let cordons = |a: Ask| matches!(a, Ask::Cordon(_));
        self.again.iter().any(|a| cordons(a.1)) || cx.common.client.pending().any(cordons)
    }
    /// Lets go of nodes that are left to a person.
    fn drop_left(&mut self, cx: &mut Cx<'_>) {
        // Asked at each input.
        if cx.tables.lefts == 0 {
            return;
        }
        for n in self.nodes.iter().copied().filter(|n| cx.is_left(*n)).collect::<Vec<_>>() {
            self.evictor.cancel(cx, Some(n));
            self.looks.forget(n);
            self.nodes.retain(|m| *m != n);
            self.again.retain(|a| a.1 != Ask::Cordon(n));
        }
    }
    /// Plans and asks for the new nodes. Err if some pods find no place.
    fn launch(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        let old: Vec<NodeIdx> = cx.tables.nodes.iter().flatten().copied().collect();
        let owned = |p: &PodIdx| cx.view.catalog.specs[cx.view.state.pods[*p].spec].owner.is_some();
        // Nothing recreates a stand-alone pod, so it needs no room.
        let pods: Vec<PodIdx> =
            self.nodes.iter().filter_map(|n| cx.node(*n)).flat_map(|n| moving_pods(cx.view, n)).filter(owned).collect();
        let packing = cx.packer.pack(cx.view, &pods, &old);
        if !packing.unplaceable.is_empty() {
            let text = |p| cx.view.state.pod_text(cx.view.catalog, p);
            let mut causes: Vec<String> =
                packing.unplaceable.iter().take(5).map(|u| format!("pod {}: {}", text(u.pod), u.why)).collect();
            if packing.unplaceable.len() > 5 {
                causes.push(format!("and {} more pods", packing.unplaceable.len() - 5));
            }
            return Some(Self::abort(cx, Reason::NoNewNodes, causes.join("; ")));
        }
        self.enter(cx, Stage::Replacements, Some(cx.options.ocean.new_nodes_timeout_ms));
        for l in packing.launches {
            let c = cx.view.catalog;
            let group = c.text(c.groups[l.group].id).to_owned();
            let machine = l.machine.map(|m| c.text(c.machines[m].name).to_owned());
            let zone = l.zone.map(|z| c.text(z).to_owned());
            let key = format!(
                "batch-{}/{group}/{}/{}",
                cx.common.batch,
                machine.as_deref().unwrap_or("any"),
                zone.as_deref().unwrap_or("any")
            );
            let demand = cx.demand(key, group, machine, zone);
            let total = cx.common.demands[demand as usize].total + l.count;
            cx.ensure(demand, total);
        }
        self.dirty = true;
        None
    }
    /// Whether all new nodes are Ready.
    fn arrived(cx: &mut Cx<'_>) -> bool {
        let arrived = cx.arrived();
        cx.counted_nodes(&arrived);
        arrived.iter().zip(&cx.common.demands).all(|(got, d)| *got >= d.total)
    }
    fn missing(&self, cx: &Cx<'_>) -> String {
        let lacks: Vec<String> = cx
            .arrived()
            .iter()
            .zip(&cx.common.demands)
            .filter(|(got, d)| **got < d.total)
            .map(|(got, d)| {
                let machine = d.machine.as_ref().map_or(String::new(), |m| format!(" {m}"));
                let zone = d.zone.as_ref().map_or(String::new(), |z| format!(" in {z}"));
                let trouble = if d.trouble.is_empty() { String::new() } else { format!(" ({})", d.trouble) };
                format!("group {}{machine}{zone}: {got} of {} new nodes are Ready{trouble}", d.group, d.total)
            })
            .collect();
        let trouble = (!self.trouble.is_empty()).then(|| self.trouble.clone());
        lacks.into_iter().chain(trouble).collect::<Vec<_>>().join("; ")
    }

    // --- drain ---

    fn drain(&mut self, cx: &mut Cx<'_>) {
        let o = &cx.options.ocean;
        // AWS: deleted after 1 minute of refusals; on Azure respectPdb false does the same (C).
        self.evictor = Evictor::new(o.eviction_retry_ms, (!o.respect_pdb).then_some(o.force_after_ms));
        self.enter(cx, Stage::Drain, Some(o.draining_timeout_ms));
        let spread = o.eviction_spread_ms;
        for n in self.nodes.clone() {
            self.evictor.plan(cx, n, spread);
        }
    }
    /// Settles the nodes that are empty; pods that arrived meanwhile (they tolerate the cordon) have to go too, if it is
    /// the same node that they are on.
    fn settle_drained(&mut self, cx: &mut Cx<'_>) {
        for (n, found) in self.looks.step(cx) {
            match found {
                Found::Pods(_) | Found::Going(_) => drop(self.evictor.plan(cx, n, 0)),
                found => drop(cx.believe(n, found)),
            }
        }
        self.drop_left(cx);
        // Asked at each input: most see no node emptied.
        if !self.evictor.may_have_emptied(&self.nodes) {
            return;
        }
        let is_empty = |n: &N| self.evictor.left(*n) == 0 && cx.is_closed(*n) && !self.looks.has(*n);
        let empty: Vec<N> = self.nodes.iter().copied().filter(is_empty).collect();
        for n in empty {
            if Evictor::has_news(cx, n) {
                self.looks.add(cx, n);
                continue;
            }
            self.nodes.retain(|m| *m != n);
            self.evictor.settled(n);
            cx.settle(n, Fate::Drained, "");
            if let Some(node) = cx.node(n) {
                let batch = cx.common.batch;
                cx.say(Announcement::NodeDrained { batch, node });
            }
        }
    }
    /// Gives up the nodes that are not empty.
    fn give_up(&mut self, cx: &mut Cx<'_>, stopping: bool) {
        for n in std::mem::take(&mut self.nodes) {
            self.evictor.cancel(cx, Some(n));
            self.looks.forget(n);
            let (pods, refused) = self.evictor.remaining(cx, n);
            let why = pods.join("; ");
            if stopping {
                cx.settle(n, Fate::Waiting, why);
                continue;
            }
            let fate = if refused && cx.options.ocean.respect_pdb { Fate::HeldByBudget } else { Fate::Failed };
            cx.settle(n, fate, why.clone());
            if let Some(node) = cx.node(n) {
                let batch = cx.common.batch;
                let reason = if fate == Fate::HeldByBudget { "PodDisruptionBudget" } else { "DrainingTimeout" };
                cx.say(Announcement::DrainFailed { batch, node, reason, message: why });
            }
        }
    }

    // --- what was drained is empty ---

    fn validate(&mut self, cx: &mut Cx<'_>) {
        self.enter(cx, Stage::Validate, Some(cx.options.ocean.pods_timeout_ms));
        if !self.stopped {
            for n in Self::drained(cx) {
                self.looks.add(cx, n);
            }
        }
    }
    /// Nodes to which pods came that would have had to move are drained once more.
    fn look(&mut self, cx: &mut Cx<'_>) {
        let mut again = Vec::new();
        for (n, found) in self.looks.step(cx) {
            match found {
                Found::Pods(pods) if !self.stopped && !self.again_drained.contains(&n) => {
                    let text = format!("is drained once more; pods came after it had been drained: {}", some(&pods));
                    cx.warn(n, Reason::PodsLeft, text);
                    again.push(n);
                }
                found => drop(cx.believe(n, found)),
            }
        }
        if again.is_empty() {
            return;
        }
        self.enter(cx, Stage::Drain, Some(cx.options.ocean.draining_timeout_ms));
        for n in again {
            cx.settle(n, Fate::InProgress, "");
            self.evictor.plan(cx, n, 0);
            self.again_drained.push(n);
            self.nodes.push(n);
        }
        // The others are looked at again when these are done.
        self.looks = Looks::default();
        cx.common.client.withdraw(|a| matches!(a, Ask::LookNode(_) | Ask::LookPods(_)));
    }

    // --- the end ---

    fn drained(cx: &Cx<'_>) -> Vec<N> {
        cx.common.here().into_iter().filter(|n| cx.common.nodes[n.at()].fate == Fate::Drained).collect()
    }
    fn terminate(&mut self, cx: &mut Cx<'_>) {
        let terminates = match cx.common.stop.filter(|_| self.stopped) {
            // AWS: optional, and false by default; Azure has no such field: the migration's own option.
            Some(mode) => mode
                .terminate_drained
                .unwrap_or(cx.options.procedure.ocean() == Some(OceanCloud::Azure) && cx.options.terminates()),
            None => cx.options.terminates(),
        };
        let nodes = if terminates { Self::drained(cx) } else { Vec::new() };
        if nodes.is_empty() {
            // Nothing is terminated, so nothing is said of it.
            (self.stage, self.deadline) = (Stage::AwaitTermination, None);
            return;
        }
        self.enter(cx, Stage::Terminate, None);
        for n in nodes {
            self.retire.add(cx, n);
        }
        self.enter(cx, Stage::AwaitTermination, None);
    }
    fn await_termination(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        let mut late = Vec::new();
        for (n, left) in self.retire.step(cx) {
            match left {
                Left::Gone | Left::Reimaged => cx.settle(n, Fate::Retired, ""),
                Left::Kept(why) => cx.settle(n, Fate::Failed, why),
                Left::Late => late.push(n),
            }
        }
        if late.is_empty() {
            return self.retire.is_over().then(|| self.end(cx));
        }
        let cause = self.retire.late(cx, &late);
        Some(match self.stopped {
            true => End::Stopped { failure: Some(cx.failure(Reason::StopNotTerminated, cause)) },
            false => Self::abort(cx, Reason::NodesNotTerminated, cause),
        })
    }
    fn end(&self, cx: &mut Cx<'_>) -> End {
        for n in cx.common.here() {
            if cx.common.nodes[n.at()].fate.is_replaced() {
                cx.replaced(n);
            }
        }
        if self.stopped {
            return End::Stopped { failure: None };
        }
        let here = cx.common.here();
        let o = &cx.options.ocean;
        // (D) A node held back by a budget counts as healthy unless budgets are forced.
        let healthy = |f: Fate| f.is_replaced() || (f == Fate::HeldByBudget && o.respect_pdb);
        let good = here.iter().filter(|n| healthy(cx.common.nodes[n.at()].fate)).count() as u64;
        let is_last = cx.common.batch + 1 >= cx.common.batches();
        if !is_last && good * 100 < u64::from(o.batch_min_healthy_percent) * here.len() as u64 {
            let causes: Vec<String> = here
                .iter()
                .filter(|n| !healthy(cx.common.nodes[n.at()].fate))
                .take(10)
                .map(|n| format!("node {}: {}", cx.node_name(*n), cx.common.nodes[n.at()].why))
                .collect();
            let cause = format!(
                "{good} of {} nodes of batch {} are healthy, {} % must be; {}",
                here.len(),
                cx.common.batch + 1,
                o.batch_min_healthy_percent,
                causes.join("; ")
            );
            return Self::abort(cx, Reason::BatchUnhealthy, cause);
        }
        End::Next { exit: None, failure: None }
    }
    fn abort(cx: &mut Cx<'_>, reason: Reason, cause: String) -> End {
        for n in cx.common.here() {
            if cx.common.nodes[n.at()].fate == Fate::InProgress {
                cx.settle(n, Fate::Failed, cause.clone());
            }
        }
        End::Abort { exit: None, failure: cx.failure(reason, cause) }
    }
    /// A stop: nothing new is begun, what is under way is brought to an end.
    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopped = true;
        cx.doing(Doing::Stopping);
        if matches!(self.stage, Stage::Start | Stage::Cordon | Stage::Replacements | Stage::Drain) {
            self.again.clear();
            self.settle_if_draining(cx);
            self.give_up(cx, true);
            self.validate(cx);
        }
        // Nobody says any more that the nodes were replaced.
        self.looks = Looks::default();
    }
    fn settle_if_draining(&mut self, cx: &mut Cx<'_>) {
        if self.stage == Stage::Drain {
            self.settle_drained(cx);
        }
    }
    /// Limits that hold in every stage.
    fn limits(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        let o = &cx.options.ocean;
        self.technical = o.technical_timeout_ms.map(|t| cx.common.began + t);
        let since = [cx.common.unreachable_since, self.refused_since].into_iter().flatten().min();
        self.unreachable = since.map(|s| s + o.connectivity_timeout_ms);
        if self.unreachable.is_some_and(|t| cx.now >= t) {
            let mut cause = format!("calls were refused or lost for {} s", o.connectivity_timeout_ms / 1000);
            // What is refused is told; what is lost is named.
            for part in [&self.trouble, &cx.common.lost_call].into_iter().filter(|p| !p.is_empty()) {
                cause.push_str("; ");
                cause.push_str(part);
            }
            return Some(Self::abort(cx, Reason::Connectivity, cause));
        }
        if self.technical.is_some_and(|t| cx.now >= t) {
            let cause = format!(
                "after {} s, batch {} of {} was under way: {}",
                o.technical_timeout_ms.unwrap_or_default() / 1000,
                cx.common.batch + 1,
                cx.common.batches(),
                self.awaited(cx)
            );
            return Some(Self::abort(cx, Reason::TechnicalTimeout, cause));
        }
        None
    }
    /// What the batch waits for, with its objects.
    fn awaited(&self, cx: &Cx<'_>) -> String {
        let named = |nodes: &[N]| names(nodes.iter().map(|n| cx.node_name(*n).to_owned()).collect());
        let (what, more) = match self.stage {
            Stage::Start | Stage::Cordon => (format!("cordoning {}", named(&self.nodes)), self.trouble.clone()),
            Stage::Replacements => ("waiting for new nodes".to_owned(), self.missing(cx)),
            Stage::Drain => {
                let left = self.nodes.iter().flat_map(|n| self.evictor.remaining(cx, *n).0);
                (format!("draining {}", named(&self.nodes)), left.take(5).collect::<Vec<_>>().join("; "))
            }
            Stage::Validate | Stage::Unscheduled => {
                ("waiting for evicted pods to be scheduled and ready".to_owned(), Self::pods_not_ready(cx))
            }
            Stage::Terminate | Stage::AwaitTermination => {
                ("waiting for old nodes to be terminated".to_owned(), self.retire.late(cx, &self.retire.waiting()))
            }
        };
        if more.is_empty() { what } else { format!("{what}: {more}") }
    }

    /// Whether all pods that the batch waits for are scheduled and ready.
    fn pods_are_ready(cx: &Cx<'_>) -> bool {
        let all = cx.options.ocean.awaited_pods == AwaitedPods::Cluster;
        cx.is_whole() && (!all || !cx.has_new_pods_not_ready())
    }

    /// Which are not, and what was created by hand meanwhile.
    fn pods_not_ready(cx: &Cx<'_>) -> String {
        match cx.options.ocean.awaited_pods {
            AwaitedPods::Cluster if cx.is_whole() => cx.with_those_by_hand(vec![names(cx.new_pods_not_ready())]),
            _ => cx.not_whole(),
        }
    }

    fn is_late(&self, cx: &Cx<'_>) -> bool {
        self.deadline.is_some_and(|d| cx.now >= d)
    }
    /// Goes one stage further, if it can: None if it must wait.
    fn advance(&mut self, cx: &mut Cx<'_>) -> Option<Option<End>> {
        match self.stage {
            Stage::Start => self.cordon(cx),
            Stage::Cordon if !self.is_cordoning(cx) => {
                self.refused_since = None;
                return self.launch(cx).map(Some).or(Some(None));
            }
            Stage::Replacements => {
                // Counting costs a look at every node, so only when one changed.
                if std::mem::take(&mut self.dirty) && Self::arrived(cx) {
                    self.drain(cx);
                } else if self.is_late(cx) {
                    let cause = self.missing(cx);
                    let refused = !self.trouble.is_empty() || cx.common.demands.iter().any(|d| !d.trouble.is_empty());
                    let end = Self::abort(cx, Reason::NoNewNodes, cause);
                    return Some(Some(match end {
                        End::Abort { exit, failure } if !refused => {
                            let limit = cx.options.ocean.new_nodes_timeout_ms;
                            let remedy = late_machines("ocean.new_nodes_timeout_ms", limit);
                            End::Abort { exit, failure: failure.with_remedy(remedy) }
                        }
                        end => end,
                    }));
                } else {
                    return None;
                }
            }
            Stage::Drain => {
                self.evictor.run(cx);
                self.settle_drained(cx);
                if self.is_late(cx) {
                    self.give_up(cx, false);
                }
                if !self.nodes.is_empty() {
                    return None;
                }
                self.validate(cx);
            }
            Stage::Validate | Stage::Unscheduled if self.looks.is_over() && Self::pods_are_ready(cx) => {
                self.terminate(cx)
            }
            Stage::Validate | Stage::Unscheduled if self.is_late(cx) && !Self::pods_are_ready(cx) => {
                let cause = Self::pods_not_ready(cx);
                return Some(Some(match self.stopped {
                    true => End::Stopped { failure: Some(cx.failure(Reason::PodsNotScheduled, cause)) },
                    false => Self::abort(cx, Reason::PodsNotScheduled, cause),
                }));
            }
            Stage::Validate => {
                let left = self.deadline;
                self.enter(cx, Stage::Unscheduled, None);
                self.deadline = left;
            }
            Stage::AwaitTermination => return self.await_termination(cx).map(Some),
            _ => return None,
        }
        Some(None)
    }
}

impl BatchRun for Ocean {
    fn words(kind: ProcedureKind) -> Words {
        match kind.ocean() {
            Some(OceanCloud::Aws) => aws::WORDS,
            Some(OceanCloud::Azure) => azure::WORDS,
            None => Words::NONE,
        }
    }

    fn begin(&mut self, cx: &mut Cx<'_>) {
        let waiting = |n: &N| cx.common.nodes[n.at()].fate == Fate::Waiting;
        self.nodes = cx.common.here().into_iter().filter(waiting).collect();
    }

    fn answer(&mut self, cx: &mut Cx<'_>, _id: CallId, ask: Ask, answer: Answer) {
        if self.evictor.answer(cx, ask, &answer)
            || self.retire.answer(cx, ask, &answer)
            || self.looks.answer(cx, ask, &answer)
        {
            return;
        }
        match (ask, answer) {
            (Ask::Cordon(n), Answer::Refused { code, message, .. }) => {
                self.trouble = format!("node {} could not be cordoned: {message}", cx.node_name(n));
                // The server is in trouble, or it says no.
                let at = match code {
                    429 | 500.. => {
                        self.refused_since.get_or_insert(cx.now);
                        Some(cx.now + RETRY_MS)
                    }
                    _ => cx.cordon_refused(n, &message),
                };
                self.again.extend(at.map(|at| (at, ask)));
            }
            (Ask::Cordon(_), Answer::Unknown) => self.again.push((cx.now + RETRY_MS, ask)),
            (Ask::Ensure { demand, .. }, Answer::Refused { message, .. }) => {
                cx.common.demands[demand as usize].trouble = message;
                self.again.push((cx.now + RETRY_MS, ask));
            }
            (Ask::Ensure { .. }, Answer::Unknown) => self.again.push((cx.now + RETRY_MS, ask)),
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
        if let Some(end) = self.limits(cx) {
            return Some(end);
        }
        self.drop_left(cx);
        if matches!(self.stage, Stage::Validate | Stage::Unscheduled) {
            self.look(cx);
        }
        let due: Vec<Ask> = self.again.iter().filter(|a| a.0 <= cx.now).map(|a| a.1).collect();
        self.again.retain(|a| a.0 > cx.now);
        for ask in due {
            cx.ask(ask);
        }
        // As many rounds as there are stages.
        for _ in 0..10 {
            match self.advance(cx) {
                None => return None,
                Some(Some(end)) => return Some(end),
                Some(None) => {}
            }
        }
        None
    }

    fn waits_for(&self, cx: &Cx<'_>) -> String {
        self.awaited(cx)
    }

    fn next_wakeup(&self, now: Ms) -> Option<Ms> {
        let retire = (self.stage == Stage::AwaitTermination).then(|| self.retire.next_wakeup()).flatten();
        let evictions = (self.stage == Stage::Drain).then(|| self.evictor.next_at()).flatten();
        let again = self.again.iter().map(|a| a.0).min();
        // Pods may be ready in time and nodes not looked at yet: that has no limit of its own.
        let deadline = self.deadline.filter(|d| *d > now || self.looks.is_over());
        [retire, evictions, again, deadline, self.unreachable, self.technical, self.looks.next_wakeup()]
            .into_iter()
            .flatten()
            .min()
    }
}
