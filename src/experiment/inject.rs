//! What somebody does to a simulation under way.

use super::simulation::Simulation;
use super::site::{At, SiteIdx};
use super::site_run::SiteRun;
use crate::cluster::View;
use crate::runner::{Call, CallId, GroupRef, NodeRef, PodRef, StopMode};
use crate::sim::Fault;
use crate::sim::faults::{Component, Window};

/// What somebody does to a simulation, at its present moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Inject {
    /// From now on this goes wrong too, just as if it had stood last in the scenario's list of faults.
    Fault(Fault),
    /// Somebody other than the migration makes a call. The migration sees what comes of it in the cluster, not the answer.
    Call(Call),
    /// Somebody stops the migration.
    Stop(StopMode),
    /// A component goes away, until it is restored or for the rest of the run.
    Outage(Component),
    /// A component that is away comes back; what waited for it goes on.
    Restore(Component),
}

/// Why nothing was injected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// The run is over.
    #[error("the run has ended in this cluster; inject before its end, into a fork of an earlier moment")]
    Ended,
    /// There is no such cluster.
    #[error("there is no {0}: the experiment has {1}, numbered from 0")]
    NoSuchSite(SiteIdx, usize),
    /// It would strike in the past.
    #[error("the fault strikes at {at_ms} ms and the simulation stands at {now_ms} ms; give a moment that is to come")]
    Past {
        /// When it would strike.
        at_ms: i64,
        /// Where the simulation stands.
        now_ms: i64,
    },
    /// What an API server would add to the pods is not known.
    #[error(
        "manual_pods cannot be injected: this experiment was prepared without what its API server adds to new pods (priority, limits); make it of a scenario or a dump, or put the fault into sim.faults"
    )]
    NoAdmission,
    /// The API would not store such a pod.
    #[error("manual_pods cannot be injected: {0}")]
    NoSuchPod(String),
    /// Only what is away can come back.
    #[error("{0} is not away at {1} ms: there is nothing to restore")]
    NotAway(&'static str, i64),
    /// The call names what is not there.
    #[error(
        "the call is about {0}, which this cluster does not have; take names and uids from the simulation's own view"
    )]
    NoSuchObject(String),
}

impl Simulation {
    /// Does it now: to a cluster with [`SiteIdx::at`], else to the first one. A call returns its number, under which
    /// [`Simulation::answer_of`] finds what became of it.
    ///
    /// # Errors
    /// Says why it cannot be done; then nothing is changed.
    pub fn inject(&mut self, what: impl Into<At<Inject>>) -> Result<Option<At<CallId>>, InjectError> {
        let At { site, what } = what.into();
        let now_ms = self.now_ms();
        let sites = self.sites().count();
        let run = self.at(site).ok_or(InjectError::NoSuchSite(site, sites))?;
        if run.is_over(now_ms) {
            return Err(InjectError::Ended);
        }
        match &what {
            Inject::Fault(fault) => match fault.moment() {
                Some(at_ms) if at_ms < now_ms => return Err(InjectError::Past { at_ms, now_ms }),
                _ => {}
            },
            Inject::Call(call) => check(run.view(), call)?,
            Inject::Stop(_) | Inject::Outage(_) | Inject::Restore(_) => {}
        }
        if matches!(what, Inject::Call(_) | Inject::Restore(_)) {
            // What they do is done at once, after all that happens at the beginning.
            self.settle_beginning();
        }
        let Some(run) = self.at_mut(site) else { return Err(InjectError::NoSuchSite(site, sites)) };
        run.inject(now_ms, what).map(|call| call.map(|call| site.at(call)))
    }
}

impl SiteRun {
    /// Does what was found possible.
    fn inject(&mut self, now_ms: i64, what: Inject) -> Result<Option<CallId>, InjectError> {
        match what {
            Inject::Fault(fault) => {
                self.admit(&fault)?;
                self.world.add_fault(fault);
            }
            Inject::Call(call) => {
                let call = self.world.call_of_others(now_ms, call);
                self.collect();
                return Ok(Some(call));
            }
            Inject::Stop(mode) => self.world.stop_at(now_ms, mode),
            Inject::Outage(component) => {
                let window = Window { from_ms: now_ms, until_ms: None };
                self.world.add_fault(Fault::Outage { component, window });
            }
            Inject::Restore(component) => {
                let restored = self.world.restore(now_ms, component);
                self.collect();
                if !restored {
                    return Err(InjectError::NotAway(component.as_str(), now_ms));
                }
            }
        }
        Ok(None)
    }
}

impl SiteRun {
    /// Lets the API server know what pods a fault will create, as if they had been in the scenario.
    fn admit(&mut self, fault: &Fault) -> Result<(), InjectError> {
        let Some(manifest) = fault.manifest(self.world.faults()) else { return Ok(()) };
        let admission = self.spec().admission.clone().ok_or(InjectError::NoAdmission)?;
        let admitted = self.world.grow_catalog(|catalog| admission.admit(catalog, &manifest));
        admitted.map(|_| ()).map_err(|e| InjectError::NoSuchPod(e.to_string()))
    }
}

/// Whether the cluster has what a call names.
fn check(view: View<'_>, call: &Call) -> Result<(), InjectError> {
    let known = |is: bool, what: String| if is { Ok(()) } else { Err(InjectError::NoSuchObject(what)) };
    let node = |n: &NodeRef| known(n.find(view).is_some(), format!("node {} (uid {:?})", n.name, n.uid));
    let pod = |p: &PodRef| known(p.find(view).is_some(), format!("pod {} (uid {:?})", p.text(), p.uid));
    let group = |g: &GroupRef| known(g.find(view).is_some(), format!("node group {}", g.id));
    match call {
        Call::Cordon { node: n }
        | Call::Uncordon { node: n }
        | Call::Taint { node: n, .. }
        | Call::Untaint { node: n, .. }
        | Call::GetNode { node: n }
        | Call::ListPods { node: n }
        | Call::RetireNode { node: n, .. }
        | Call::ReimageNode { node: n, .. } => node(n),
        Call::Evict { pod: p, .. } | Call::DeletePod { pod: p, .. } | Call::GetPod { pod: p } => pod(p),
        Call::EnsureNodes { group: g, .. } | Call::FreezeGroup { group: g, .. } | Call::UnfreezeGroup { group: g } => {
            group(g)
        }
        Call::FindNode { .. } | Call::Check { .. } | Call::AwaitApproval { .. } => Ok(()),
    }
}
