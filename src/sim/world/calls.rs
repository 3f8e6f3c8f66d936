//! The runner's calls as they reach whom they are for: the API server, the provider, a gate before a batch.

use super::World;
use crate::cluster::{NodeIdx, PodIdx};
use crate::intent::NodeId;
use crate::runner::{Answer, Call, CallId, GroupRef, Input, NodeRef, PodRef};
use crate::sim::apiserver::{NodePatch, Preconditions, Refusal, Removal, Served, current, named};
use crate::sim::event::Timer;
use crate::sim::faults::Component;
use crate::sim::gates::Gates;
use crate::sim::site::Site;
use std::collections::{BTreeMap, VecDeque};

/// Calls under way, and what those who answer them remember of earlier ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// Calls that have left and not arrived.
    pub under_way: UnderWay,
    /// How many calls others than the runner have made.
    pub of_others: u64,
    pub gates: Gates,
    /// Machines launched under each key.
    pub ensured: BTreeMap<String, u32>,
}

/// Calls by their numbers, in the order in which they left: mostly they arrive in this order too.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(VecDeque<(u64, Call)>);

impl UnderWay {
    /// Adds a call; no other has its number.
    pub fn insert(&mut self, id: u64, call: Call) {
        self.0.push_back((id, call));
    }

    /// Takes a call out.
    fn remove(&mut self, id: u64) -> Option<Call> {
        let place = self.0.iter().position(|(other, _)| *other == id)?;
        self.0.remove(place).map(|(_, call)| call)
    }
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
        let Some(call) = self.calls.under_way.remove(id) else { return };
        match &call {
            Call::Check { batch } | Call::AwaitApproval { batch } => {
                let check = matches!(call, Call::Check { .. });
                self.calls.gates.begin(&mut self.site.ctx(), id, *batch, check);
            }
            _ if self.site.is_away() => self.reply(id, Answer::Unknown),
            Call::Evict { pod, precondition, grace_ms } => {
                let served = match self.meant(pod, *precondition) {
                    Ok(pod) => {
                        let removal = Removal { pod, by_uid: *precondition, grace_ms: *grace_ms };
                        self.api.evict(&mut self.site, id, removal)
                    }
                    Err(refusal) => Some(Err(refusal)),
                };
                if let Some(served) = served {
                    self.reply(id, answer(served));
                }
            }
            _ => {
                let answer = self.answer(&call);
                self.reply(id, answer);
            }
        }
    }

    /// A removal of a pod is answered: as it is to somebody who serves requests, else in the runner's words.
    pub(super) fn served(&mut self, id: u64, served: Served) {
        if self.driver.runner.is_some() || self.driver.is_nobody {
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
    fn answer(&mut self, call: &Call) -> Answer {
        match call {
            Call::Cordon { node } => self.patch(node, |_, _| NodePatch::cordon(true)),
            Call::Uncordon { node } => self.patch(node, |_, _| NodePatch::cordon(false)),
            Call::Taint { node, taint } => self.patch(node, |site, n| NodePatch::taint(site, n, taint, true)),
            Call::Untaint { node, taint } => self.patch(node, |site, n| NodePatch::taint(site, n, taint, false)),
            Call::DeletePod { pod, precondition, grace_ms } => {
                let deleted = self.meant(pod, *precondition).and_then(|pod| {
                    let removal = Removal { pod, by_uid: *precondition, grace_ms: *grace_ms };
                    self.api.delete_pod(&mut self.site, removal)
                });
                answer(deleted)
            }
            Call::GetNode { node } => match self.site.there(node) {
                Some(_) => Answer::Accepted,
                None => Answer::Gone,
            },
            Call::ListPods { .. } => Answer::Accepted,
            Call::FindNode { node } => match self.site.named(&node.name) {
                Some(found) if NodeId::of(self.site.view(), found) == node.id => Answer::Accepted,
                Some(_) => Answer::UidChanged,
                None => Answer::Gone,
            },
            Call::GetPod { pod } => {
                let found = self.meant(pod, false).ok().and_then(|p| current(&self.site, p));
                found.map_or(Answer::Gone, Answer::Pod)
            }
            _ => self.ask_provider(call),
        }
    }

    /// What the provider answers, or its autoscaler.
    fn ask_provider(&mut self, call: &Call) -> Answer {
        let group = |group: &GroupRef, world: &World| group.find(world.site.view());
        match call {
            Call::EnsureNodes { key, group: of, machine, zone, total, beyond_max } => {
                let Some(of) = group(of, self) else { return Answer::Gone };
                let (machine, zone) = (machine.as_ref().and_then(|m| m.at), zone.as_ref().and_then(|z| z.at));
                // What was launched counts, not what was asked for: a launch that failed can be asked for again.
                let had = self.calls.ensured.get(key).copied().unwrap_or(0);
                for _ in had..*total {
                    match self.site.launch(of, machine, zone, *beyond_max) {
                        Ok(()) => *self.calls.ensured.entry(key.clone()).or_default() += 1,
                        Err(reason) => {
                            let message = format!("the provider gave no machine: {reason}");
                            self.feed(Input::LaunchFailed { key, count: 1, reason, message: &message });
                        }
                    }
                }
                Answer::Accepted
            }
            Call::FreezeGroup { group: of, scale_up, scale_down } => {
                let Some(of) = group(of, self) else { return Answer::Gone };
                self.site.autoscaler.freeze(of, *scale_up, *scale_down);
                Answer::Accepted
            }
            Call::UnfreezeGroup { group: of } => {
                let Some(of) = group(of, self) else { return Answer::Gone };
                self.site.autoscaler.freeze(of, false, false);
                Answer::Accepted
            }
            Call::RetireNode { node, .. } => match node.find(self.site.view()).map(|n| self.site.retire(n)) {
                None => Answer::Gone,
                Some(Ok(())) => Answer::Accepted,
                Some(Err(reason)) => Answer::refused(403, reason, "the provider refuses to end the machine"),
            },
            Call::ReimageNode { node, .. } => match node.find(self.site.view()).map(|n| self.site.reimage(n)) {
                None => Answer::Gone,
                Some(Ok(())) => Answer::Accepted,
                Some(Err(reason)) => Answer::refused(403, reason, "the provider refuses to reimage the machine"),
            },
            // Answered in their time, or before.
            _ => Answer::Unknown,
        }
    }

    /// Patches the node that is meant.
    fn patch(&mut self, node: &NodeRef, patch: impl FnOnce(&Site, NodeIdx) -> NodePatch) -> Answer {
        let Some(node) = self.site.there(node) else { return Answer::Gone };
        let patch = patch(&self.site, node);
        answer(self.api.patch_node(&mut self.site, node, Preconditions::default(), &patch))
    }

    /// The pod that is meant, be it gone; of one that the cluster never had only the name counts.
    fn meant(&self, pod: &PodRef, by_uid: bool) -> Result<PodIdx, Refusal> {
        match pod.find(self.site.view()) {
            Some(found) => Ok(found),
            None => {
                let if_so = Preconditions { uid: Some(pod.uid.as_str()).filter(|_| by_uid), version: None };
                named(&self.site, &pod.namespace, &pod.name, if_so)
            }
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
