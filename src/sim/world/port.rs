//! A world without a runner: somebody else lets time pass, makes the calls and hears what came of them.
//!
//! The simulated API drives it so. What a runner would be told is collected until it is taken with [`World::take_told`].

use super::World;
use crate::cluster::{Catalog, NodeIdx, PodIdx, State};
use crate::runner::{Answer, Call, CallId, Input, ObjId};
use crate::sim::Violation;
use crate::sim::apiserver::{self, Grant, NodePatch, Preconditions, Refusal, Removal, Served};

/// What a runner would have been told since it was taken last.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Objects that are not as they were, in the order of their first change.
    pub changed: Vec<ObjId>,
    /// What became of calls; what the API server refuses is in its own terms.
    pub answers: Vec<(u64, Result<Answer, Refusal>)>,
    /// Machines that the provider did not give.
    pub launch_failed: Vec<LaunchFailed>,
    /// Evictions that were granted.
    pub grants: Vec<Grant>,
}

/// A machine that the provider did not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchFailed {
    /// Key of the demand.
    pub key: String,
    /// The provider's words.
    pub message: String,
}

impl Told {
    pub(super) fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Changed(objects) => {
                for object in objects {
                    if !self.changed.contains(object) {
                        self.changed.push(*object);
                    }
                }
            }
            Input::Answer(CallId(id), answer) => self.answers.push((id, Ok(answer))),
            Input::LaunchFailed { key, message, .. } => {
                self.launch_failed.push(LaunchFailed { key: key.to_owned(), message: message.to_owned() });
            }
            Input::Stop(_) | Input::Tick => {}
        }
    }
}

impl World {
    /// Time passes until `moment`, and all that happens by itself up to then happens.
    pub fn advance_to(&mut self, moment: i64) {
        self.settle();
        while let Some(next) = self.next_moment().filter(|n| *n <= moment) {
            self.reach(next);
        }
        self.site.now = self.site.now.max(moment);
        self.forget_observations();
    }

    /// A call to the provider or to a gate arrives now; it is answered now or, where it takes time, later.
    pub fn call(&mut self, id: u64, call: Call) {
        self.calls.under_way.insert(id, call);
        self.perform(id);
        self.settle();
        self.forget_observations();
    }

    /// A pod's eviction or deletion reaches the API server now; it is answered now or, where the server takes time for it, later.
    pub fn remove_pod(&mut self, id: u64, removal: Removal, evict: bool) {
        let served = match (self.site.is_away(), evict) {
            (true, _) => Some(Err(Refusal::NoAnswer)),
            (false, true) => self.api.evict(&mut self.site, id, removal),
            (false, false) => Some(self.api.delete_pod(&mut self.site, removal)),
        };
        if let Some(served) = served {
            self.served(id, served);
        }
        self.settle();
        self.forget_observations();
    }

    /// A patch of a node reaches the API server now.
    ///
    /// # Errors
    /// Says why nothing was written.
    pub fn patch_node(&mut self, node: NodeIdx, if_so: Preconditions<'_>, patch: &NodePatch) -> Served {
        let served = self.api.patch_node(&mut self.site, node, if_so, patch);
        self.settle();
        self.forget_observations();
        served
    }

    /// The deletion of a Node object reaches the API server now.
    ///
    /// # Errors
    /// Says why it is still there.
    pub fn delete_node(&mut self, node: NodeIdx, if_so: Preconditions<'_>) -> Served {
        let served = self.api.delete_node(&mut self.site, node, if_so);
        self.settle();
        served
    }

    /// A node stops answering for good.
    pub fn lose(&mut self, node: NodeIdx) {
        self.site.lose(node);
        self.settle();
    }

    /// A node's machine and object vanish at once, as when somebody ends a machine by hand.
    pub fn vanish(&mut self, node: NodeIdx) {
        self.site.vanish(node);
        self.settle();
    }

    /// Somebody deletes a node, and it is registered again under its name so long after.
    pub fn register_again(&mut self, node: NodeIdx, after_ms: i64) {
        self.site.register_again(node, after_ms);
        self.settle();
    }

    /// Nobody keeps a trace of a world without a runner: what its clients see is the API.
    fn forget_observations(&mut self) {
        self.site.observations.clear();
    }

    /// What a runner would have been told since.
    pub fn take_told(&mut self) -> Told {
        Told { grants: self.api.take_grants(), ..std::mem::take(&mut self.driver.told) }
    }

    /// Milliseconds since the snapshot.
    pub fn now(&self) -> i64 {
        self.site.now
    }

    /// What never changes.
    pub fn catalog(&self) -> &Catalog {
        &self.site.catalog
    }

    /// The cluster now.
    pub fn state(&self) -> &State {
        &self.site.state
    }

    /// The node that has a name now.
    pub fn node_named(&self, name: &str) -> Option<NodeIdx> {
        self.site.named(name)
    }

    /// The pod that has a namespace and name now, if it is as it must be.
    ///
    /// # Errors
    /// There is none, or it is another.
    pub fn pod_named(&self, namespace: &str, name: &str, if_so: Preconditions<'_>) -> Result<PodIdx, Refusal> {
        apiserver::named(&self.site, namespace, name, if_so)
    }

    /// Whether a node's machine is being ended.
    pub fn is_retiring(&self, node: NodeIdx) -> bool {
        self.site.provider.machines.is_retiring(node)
    }

    /// Machines of a group that were asked for and are not Ready yet.
    pub fn under_way(&self, group: crate::cluster::GroupIdx) -> u32 {
        self.site.provider.machines.under_way(group)
    }

    /// Machines that were started so far.
    pub fn launches(&self) -> u32 {
        self.site.provider.machines.started()
    }

    /// Broken invariants of the world itself: bugs of ours.
    pub fn violations(&self) -> &[Violation] {
        &self.site.checkers.violations
    }
}
