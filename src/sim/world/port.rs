//! A world without a runner: somebody else lets time pass, makes the calls and hears what came of them.
//!
//! The simulated API drives it so. What a runner would be told is collected until it is taken with [`World::take_told`].

use super::World;
use crate::cluster::{BudgetIdx, BudgetStatus, Catalog, NodeIdx, PodIdx, State};
use crate::runner::{Action, Answer, CallId, Input, ObjId};
use crate::sim::Violation;

/// What a runner would have been told since it was taken last.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Objects that are not as they were, in the order of their first change.
    pub changed: Vec<ObjId>,
    /// What became of calls.
    pub answers: Vec<(u64, Answer)>,
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

/// An eviction that was granted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Which pod.
    pub pod: PodIdx,
    /// Where it ran.
    pub node: Option<NodeIdx>,
    /// Its condition Ready just before.
    pub ready: bool,
    /// It was Pending, had ended or was being deleted already: budgets are not asked.
    pub exempt: bool,
    /// The stored status of every budget of its namespace just before.
    pub statuses: Vec<(BudgetIdx, BudgetStatus)>,
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
            Input::Answer(CallId(id), answer) => self.answers.push((id, answer)),
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
    /// A call reaches its server now; its answer is told now or, where the server takes time for it, later.
    pub fn call(&mut self, id: u64, action: Action) {
        self.api.calls.insert(id, action);
        self.perform(id);
        self.settle();
        self.forget_observations();
    }
    /// Somebody else changes the cluster now.
    pub fn edit<R>(&mut self, change: impl FnOnce(&Catalog, &mut State, i64) -> R) -> R {
        let result = change(&self.site.catalog, &mut self.site.state, self.site.now);
        self.settle();
        self.forget_observations();
        result
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
    /// The status with which cordoning a node is refused now, if it is.
    pub fn cordon_refused(&self, node: NodeIdx) -> Option<u16> {
        self.site.faults.cordon_refused(&self.site.catalog, &self.site.state, self.site.now, node)
    }
    /// Nobody keeps a trace of a world without a runner: what its clients see is the API.
    fn forget_observations(&mut self) {
        self.site.observations.clear();
    }

    /// What a runner would have been told since.
    pub fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.driver.told)
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
    pub(super) fn note_grant(&mut self, pod: PodIdx) {
        let p = &self.site.state.pods[pod];
        let namespace = self.site.catalog.specs[p.spec].namespace;
        let pending = matches!(p.phase, crate::cluster::Phase::Pending);
        let statuses = self
            .site
            .catalog
            .budgets
            .entries()
            .filter(|(_, b)| b.namespace == namespace)
            .map(|(i, _)| (i, self.site.state.budgets[i].clone()))
            .collect();
        self.driver.told.grants.push(Grant {
            pod,
            node: p.node,
            ready: p.ready,
            exempt: pending || p.phase.is_terminal() || p.deleting.is_some(),
            statuses,
        });
    }
}
