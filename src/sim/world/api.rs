//! The API server as the runner's calls reach it.

use super::World;
use crate::cluster::{BudgetIdx, Catalog, NodeIdx, PodIdx, State};
use crate::disruption::eviction::Effect;
use crate::disruption::{self, Request, Verdict};
use crate::intent::NodeId;
use crate::runner::{Action, Answer, CallId, Input};
use crate::sim::event::Timer;
use crate::sim::evictions::{Evictions, Waiting, Write};
use crate::sim::faults::Component;
use crate::sim::gates::Gates;
use crate::trace::{Detail, EventKind, Observation};
use std::collections::BTreeMap;

/// Calls under way, and what the server remembers of earlier ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Api {
    /// Calls that have left and not arrived.
    pub calls: BTreeMap<u64, Action>,
    /// How many calls others than the runner have made.
    pub calls_of_others: u64,
    pub evictions: Evictions,
    pub gates: Gates,
    /// Machines launched under each key.
    pub ensured: BTreeMap<String, u32>,
}

impl World {
    /// A moment that a call asked for has come.
    pub(super) fn call_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Call(id) => self.perform(id),
            Timer::EvictionLook(id) => self.eviction_look(id),
            Timer::EvictionWrite(id) => self.eviction_write(id),
            Timer::EvictionRetry(id) => self.eviction_retry(id),
            Timer::Gate(id) => {
                let answer = self.api.gates.answer(id);
                let lost = self.site.faults.outage(Component::MigrationController, self.site.now).is_some();
                self.reply(id, if lost { Answer::Unknown } else { answer });
            }
            _ => self.site.on_timer(timer),
        }
    }

    /// A call of the runner reaches its server.
    pub(super) fn perform(&mut self, id: u64) {
        let Some(action) = self.api.calls.remove(&id) else { return };
        let answer = match action {
            Action::Check { batch } | Action::AwaitApproval { batch } => {
                let check = matches!(action, Action::Check { .. });
                return self.api.gates.begin(&mut self.site.ctx(), id, batch, check);
            }
            _ if self.site.is_away() => Answer::Unknown,
            Action::Evict { pod, precondition, grace_ms } => match self.evict(id, pod, precondition, grace_ms) {
                Some(answer) => answer,
                None => return,
            },
            _ => self.answer(&action),
        };
        self.reply(id, answer);
    }

    pub(super) fn reply(&mut self, id: u64, answer: Answer) {
        self.spread_changes();
        if id >= super::run::OTHERS {
            return self.driver.told.answers.push((id, answer));
        }
        self.feed(Input::Answer(CallId(id), answer));
    }

    fn answer(&mut self, action: &Action) -> Answer {
        match action {
            Action::Cordon { node } | Action::Uncordon { node } if self.site.state.nodes[*node].gone => Answer::Gone,
            Action::Cordon { node } => {
                if let Some(code) = self.cordon_refused(*node) {
                    return Answer::refused(
                        code,
                        refusal_reason(code),
                        "cordoning is refused (a fault of the scenario)",
                    );
                }
                self.site.state.set_unschedulable(*node, true);
                Answer::Accepted
            }
            Action::Uncordon { node } => {
                if self.site.faults.uncordon_refused(&self.site.catalog, &self.site.state, self.site.now, *node) {
                    return Answer::refused(403, "Forbidden", "uncordoning is refused (a fault of the scenario)");
                }
                self.site.state.set_unschedulable(*node, false);
                Answer::Accepted
            }
            Action::Taint { node, taint } => self.taint(*node, taint, true),
            Action::Untaint { node, taint } => self.taint(*node, taint, false),
            Action::Evict { .. } => Answer::Unknown, // answered by `evict`, in its time
            Action::DeletePod { pod, precondition: true, .. } if self.site.state.pods[*pod].gone => {
                self.other_uid_or_gone(*pod)
            }
            Action::DeletePod { pod, grace_ms, .. } => {
                let Some(pod) = self.current(*pod) else { return Answer::Gone };
                let node = self.site.state.pods[pod].node;
                let batch = node.and_then(|n| self.site.batch_of.get(&n).copied()).or(self.site.batch);
                self.site.observations.push(
                    Observation::new(self.site.now, EventKind::EvictionAccepted)
                        .pod(pod)
                        .node(node)
                        .batch(batch)
                        .detail(Detail { reason: Some("Deleted".to_owned()), ..Detail::default() }),
                );
                crate::disruption::delete_pod(&self.site.catalog, &mut self.site.state, pod, self.site.now, *grace_ms);
                Answer::Accepted
            }
            Action::GetNode { node } if self.site.state.nodes[*node].gone => Answer::Gone,
            Action::GetNode { .. } => Answer::Accepted,
            Action::FindNode { id } => self.find(id),
            Action::GetPod { pod } => self.current(*pod).map_or(Answer::Gone, Answer::Pod),
            Action::ListPods { .. } => Answer::Accepted,
            Action::EnsureNodes { key, group, machine, zone, total } => {
                // What was launched counts, not what was asked for: a launch that failed can be asked for again.
                let had = self.api.ensured.get(key).copied().unwrap_or(0);
                for _ in had..*total {
                    match self.site.launch(*group, *machine, *zone) {
                        Ok(()) => *self.api.ensured.entry(key.clone()).or_default() += 1,
                        Err(reason) => {
                            let message = format!("the provider gave no machine: {reason}");
                            self.feed(Input::LaunchFailed { key, count: 1, reason, message: &message });
                        }
                    }
                }
                Answer::Accepted
            }
            Action::FreezeGroup { group, scale_up, scale_down } => {
                self.site.autoscaler.freeze(*group, *scale_up, *scale_down);
                Answer::Accepted
            }
            Action::UnfreezeGroup { group } => {
                self.site.autoscaler.freeze(*group, false, false);
                Answer::Accepted
            }
            Action::Check { .. } | Action::AwaitApproval { .. } => Answer::Unknown, // answered in their time
            Action::RetireNode { node } => match self.site.retire(*node) {
                Ok(()) => Answer::Accepted,
                Err(reason) => Answer::refused(403, reason, "the provider refuses to end the machine"),
            },
        }
    }

    /// The node of a name: itself, another, or none.
    fn find(&self, id: &NodeId) -> Answer {
        let view = self.site.view();
        let named = view.state.live_nodes().find(|n| view.state.node_name(view.catalog, *n) == id.name);
        match named.map(|n| NodeId::of(view, n) == *id) {
            Some(true) => Answer::Accepted,
            Some(false) => Answer::UidChanged,
            None => Answer::Gone,
        }
    }

    /// The pod that bears the namespace and name of `pod` now: itself, or its successor under the same owner.
    fn current(&self, pod: PodIdx) -> Option<PodIdx> {
        let p = &self.site.state.pods[pod];
        if !p.gone {
            return Some(pod);
        }
        let name = self.site.state.name(&self.site.catalog, p.name);
        let owner = self.site.catalog.specs[p.spec].owner?;
        self.site.state.owned[owner]
            .iter()
            .copied()
            .find(|o| self.site.state.name(&self.site.catalog, self.site.state.pods[*o].name) == name)
    }

    /// A precondition on the uid: whoever bears the name now is another pod.
    fn other_uid_or_gone(&self, pod: PodIdx) -> Answer {
        if self.current(pod).is_some() { Answer::UidChanged } else { Answer::Gone }
    }

    /// An eviction reaches the API server. None if it is answered later: where a budget could protect the pod, the budgets are listed
    /// first, which may have to wait.
    fn evict(&mut self, id: u64, pod: PodIdx, precondition: bool, grace_ms: Option<i64>) -> Option<Answer> {
        let waiting = Waiting { pod, precondition, grace_ms };
        let lists = self.current(pod).is_some_and(|p| {
            let p = &self.site.state.pods[p];
            p.phase == crate::cluster::Phase::Running && p.deleting.is_none()
        });
        let at = if lists { self.api.evictions.list_at(self.site.now) } else { self.site.now };
        if at > self.site.now {
            self.api.evictions.wait(id, waiting);
            self.site.timers.schedule(at, Timer::EvictionLook(id));
            return None;
        }
        self.look(id, waiting)
    }

    /// The budgets are listed.
    fn eviction_look(&mut self, id: u64) {
        let Some(waiting) = self.api.evictions.listed(id) else { return };
        let answer = if self.site.is_away() { Some(Answer::Unknown) } else { self.look(id, waiting) };
        if let Some(answer) = answer {
            self.reply(id, answer);
        }
    }

    /// The API server looks at an eviction's pod and budget. None if it is answered later: where a budget has to be charged, its status
    /// is written first, a call of the server to itself.
    fn look(&mut self, id: u64, Waiting { pod, precondition, grace_ms }: Waiting) -> Option<Answer> {
        if precondition && self.site.state.pods[pod].gone {
            return Some(self.other_uid_or_gone(pod));
        }
        let Some(pod) = self.current(pod) else { return Some(Answer::Gone) };
        let verdict = disruption::verdict(&self.site.catalog, &self.site.state, self.site.disruption.index(), pod);
        if let Effect::Charge(budget) = verdict.effect {
            self.api.evictions.looked(id, pod, grace_ms, budget);
            self.site
                .timers
                .schedule(self.site.now + self.site.options.api_latency_ms.max(0), Timer::EvictionWrite(id));
            return None;
        }
        Some(self.evicted(pod, grace_ms, &verdict))
    }

    /// The new status of an eviction's budget arrives, if nobody else has written it since it was read.
    fn eviction_write(&mut self, id: u64) {
        let Some(pod) = self.api.evictions.get(id).map(|e| e.pod) else { return };
        if self.site.is_away() {
            self.api.evictions.forget(id);
            return self.reply(id, Answer::Unknown);
        }
        let name = self.site.state.pod_text(&self.site.catalog, pod);
        let answer = match self.api.evictions.write(id, &self.site.draws, &name) {
            None => return,
            Some(Write::Conflict(sleep)) => {
                return self.site.timers.schedule(self.site.now + sleep, Timer::EvictionRetry(id));
            }
            Some(Write::GivenUp(e)) => {
                let verdict = disruption::eviction::too_many_conflicts(&self.site.catalog, e.budget);
                self.evicted(pod, e.grace_ms, &verdict)
            }
            Some(Write::Done(e)) if self.site.state.pods[pod].gone => {
                disruption::eviction::charge(&self.site.catalog, &mut self.site.state, e.budget, pod, self.site.now);
                Answer::Gone
            }
            Some(Write::Done(e)) => {
                let verdict = Verdict::accept(Effect::Charge(e.budget));
                self.evicted(pod, e.grace_ms, &verdict)
            }
        };
        self.reply(id, answer);
    }

    /// After a conflict the API server looks at the budget again.
    fn eviction_retry(&mut self, id: u64) {
        let Some((pod, budget)) = self.api.evictions.get(id).map(|e| (e.pod, e.budget)) else { return };
        if self.site.is_away() {
            self.api.evictions.forget(id);
            return self.reply(id, Answer::Unknown);
        }
        let verdict = disruption::verdict_of_budget(&self.site.catalog, &self.site.state, budget);
        if verdict.is_accepted() {
            self.api.evictions.looked_again(id);
            return self
                .site
                .timers
                .schedule(self.site.now + self.site.options.api_latency_ms.max(0), Timer::EvictionWrite(id));
        }
        let grace_ms = self.api.evictions.forget(id).and_then(|e| e.grace_ms);
        let answer = self.evicted(pod, grace_ms, &verdict);
        self.reply(id, answer);
    }

    /// Carries out the verdict on an eviction, tells the trace, and words the answer.
    fn evicted(&mut self, pod: PodIdx, grace_ms: Option<i64>, verdict: &Verdict) -> Answer {
        let batch =
            self.site.state.pods[pod].node.and_then(|n| self.site.batch_of.get(&n).copied()).or(self.site.batch);
        let node = self.site.state.pods[pod].node;
        let may = self.site.disruption.allows(&self.site.catalog, &self.site.state, pod);
        if self.driver.runner.is_none() && verdict.is_accepted() {
            self.note_grant(pod);
        }
        disruption::apply(&self.site.catalog, &mut self.site.state, pod, verdict, Request { grace_ms }, self.site.now);
        let cause = verdict.causes.first().map(|c| c.message.clone()).unwrap_or_default();
        let kind = if verdict.is_accepted() { EventKind::EvictionAccepted } else { EventKind::EvictionRefused };
        let mut observation = Observation::new(self.site.now, kind).pod(pod).node(node).batch(batch).detail(Detail {
            code: Some(verdict.code),
            reason: verdict.reason.map(str::to_owned),
            message: Some(if cause.is_empty() { verdict.message.clone().unwrap_or_default() } else { cause.clone() })
                .filter(|m| !m.is_empty()),
            ..Detail::default()
        });
        observation.budget = verdict.budget.or_else(|| self.first_budget(pod));
        self.site.observations.push(observation);
        if verdict.is_accepted() {
            self.site.checkers.evicted(self.site.now, &self.site.catalog, &self.site.state, pod, may);
            return Answer::Accepted;
        }
        Answer::Refused {
            code: verdict.code,
            reason: verdict.reason.unwrap_or_default().to_owned(),
            cause,
            message: verdict.message.clone().unwrap_or_default(),
            retry_after_ms: verdict.retry_after_s.map(|s| i64::from(s) * 1000),
        }
    }

    fn first_budget(&self, pod: PodIdx) -> Option<BudgetIdx> {
        self.site.disruption.index().budgets_of(self.site.state.pods[pod].spec).first().copied()
    }

    fn taint(&mut self, node: NodeIdx, taint: &crate::runner::TaintText, add: bool) -> Answer {
        use crate::cluster::{Effect, Taint};
        if self.site.state.nodes[node].gone {
            return Answer::Gone;
        }
        let effect = match taint.effect.as_str() {
            "PreferNoSchedule" => Effect::PreferNoSchedule,
            "NoExecute" => Effect::NoExecute,
            _ => Effect::NoSchedule,
        };
        // A key or value that the snapshot does not know is tolerated by no pod of it that names keys.
        let key = self.site.catalog.names.get(&taint.key).unwrap_or_else(|| self.site.state.make_name(&taint.key));
        let value =
            self.site.catalog.names.get(&taint.value).unwrap_or_else(|| self.site.state.make_name(&taint.value));
        let mut taints = self.site.state.nodes[node].taints.clone();
        let same =
            |t: &Taint, state: &State, catalog: &Catalog| t.effect == effect && state.name(catalog, t.key) == taint.key;
        taints.retain(|t| !same(t, &self.site.state, &self.site.catalog));
        if add {
            taints.push(Taint { key, value, effect });
        }
        self.site.state.set_taints(node, taints);
        Answer::Accepted
    }
}

/// What the API gives as the reason of a status.
fn refusal_reason(code: u16) -> &'static str {
    match code {
        422 => "Invalid",
        _ => "Forbidden",
    }
}
