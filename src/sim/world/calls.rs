//! The runner's calls as they reach whom they are for: the API server, the provider, a gate before a batch.

use super::World;
use crate::plan::NodeId;
use crate::runner::{Action, Answer, CallId, Input};
use crate::sim::apiserver::{NodePatch, Preconditions, Removal, Served, current};
use crate::sim::event::Timer;
use crate::sim::faults::Component;
use crate::sim::gates::Gates;
use std::collections::BTreeMap;

/// Calls under way, and what those who answer them remember of earlier ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// Calls that have left and not arrived.
    pub under_way: BTreeMap<u64, Action>,
    /// How many calls others than the runner have made.
    pub of_others: u64,
    pub gates: Gates,
    /// Machines launched under each key.
    pub ensured: BTreeMap<String, u32>,
}

impl World {
    /// A moment that a call asked for has come.
    pub(super) fn call_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Call(id) => self.perform(id),
            Timer::EvictionLook(_) | Timer::EvictionWrite(_) | Timer::EvictionRetry(_) => {
                if let Some((id, served)) = self.api.on_timer(&mut self.site, timer) {
                    self.served(id, served);
                }
            }
            Timer::Gate(id) => {
                let answer = self.calls.gates.answer(id);
                let lost = self.site.faults.outage(Component::MigrationController, self.site.now).is_some();
                self.reply(id, if lost { Answer::Unknown } else { answer });
            }
            _ => self.site.on_timer(timer),
        }
    }

    /// A call of the runner reaches its server.
    pub(super) fn perform(&mut self, id: u64) {
        let Some(action) = self.calls.under_way.remove(&id) else { return };
        match action {
            Action::Check { batch } | Action::AwaitApproval { batch } => {
                let check = matches!(action, Action::Check { .. });
                self.calls.gates.begin(&mut self.site.ctx(), id, batch, check);
            }
            _ if self.site.is_away() => self.reply(id, Answer::Unknown),
            Action::Evict { pod, precondition, grace_ms } => {
                let removal = Removal { pod, by_uid: precondition, grace_ms };
                if let Some(served) = self.api.evict(&mut self.site, id, removal) {
                    self.reply(id, answer(served));
                }
            }
            _ => {
                let answer = self.answer(&action);
                self.reply(id, answer);
            }
        }
    }

    /// A removal of a pod is answered: as it is to somebody who serves requests, else in the runner's words.
    pub(super) fn served(&mut self, id: u64, served: Served) {
        if self.driver.runner.is_some() {
            return self.reply(id, answer(served));
        }
        self.spread_changes();
        self.driver.told.answers.push((id, served.map(|()| Answer::Accepted)));
    }

    pub(super) fn reply(&mut self, id: u64, answer: Answer) {
        self.spread_changes();
        if id >= super::run::OTHERS {
            return self.driver.told.answers.push((id, Ok(answer)));
        }
        self.feed(Input::Answer(CallId(id), answer));
    }

    /// What is answered at once.
    fn answer(&mut self, action: &Action) -> Answer {
        let (api, site) = (&self.api, &mut self.site);
        match *action {
            Action::Cordon { node } => {
                answer(api.patch_node(site, node, Preconditions::default(), &NodePatch::cordon(true)))
            }
            Action::Uncordon { node } => {
                answer(api.patch_node(site, node, Preconditions::default(), &NodePatch::cordon(false)))
            }
            Action::Taint { node, ref taint } | Action::Untaint { node, ref taint } => {
                let patch = NodePatch::taint(site, node, taint, matches!(action, Action::Taint { .. }));
                answer(api.patch_node(site, node, Preconditions::default(), &patch))
            }
            Action::DeletePod { pod, precondition, grace_ms } => {
                answer(api.delete_pod(site, Removal { pod, by_uid: precondition, grace_ms }))
            }
            Action::GetNode { node } if site.state.nodes[node].gone => Answer::Gone,
            Action::GetNode { .. } | Action::ListPods { .. } => Answer::Accepted,
            Action::FindNode { ref id } => self.find(id),
            Action::GetPod { pod } => current(site, pod).map_or(Answer::Gone, Answer::Pod),
            Action::EnsureNodes { ref key, group, machine, zone, total } => {
                // What was launched counts, not what was asked for: a launch that failed can be asked for again.
                let had = self.calls.ensured.get(key).copied().unwrap_or(0);
                for _ in had..total {
                    match self.site.launch(group, machine, zone) {
                        Ok(()) => *self.calls.ensured.entry(key.clone()).or_default() += 1,
                        Err(reason) => {
                            let message = format!("the provider gave no machine: {reason}");
                            self.feed(Input::LaunchFailed { key, count: 1, reason, message: &message });
                        }
                    }
                }
                Answer::Accepted
            }
            Action::FreezeGroup { group, scale_up, scale_down } => {
                site.autoscaler.freeze(group, scale_up, scale_down);
                Answer::Accepted
            }
            Action::UnfreezeGroup { group } => {
                site.autoscaler.freeze(group, false, false);
                Answer::Accepted
            }
            Action::RetireNode { node } => match site.retire(node) {
                Ok(()) => Answer::Accepted,
                Err(reason) => Answer::refused(403, reason, "the provider refuses to end the machine"),
            },
            // Answered in their time.
            Action::Evict { .. } | Action::Check { .. } | Action::AwaitApproval { .. } => Answer::Unknown,
        }
    }

    /// The node of a name: itself, another, or none.
    fn find(&self, id: &NodeId) -> Answer {
        match self.site.named(&id.name).map(|n| NodeId::of(self.site.view(), n) == *id) {
            Some(true) => Answer::Accepted,
            Some(false) => Answer::UidChanged,
            None => Answer::Gone,
        }
    }
}

/// What came of a write, in the runner's words.
fn answer(served: Served) -> Answer {
    match served {
        Ok(()) => Answer::Accepted,
        Err(refusal) => refusal.answer(),
    }
}
