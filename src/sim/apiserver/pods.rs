//! Deletions of pods, and which pod a name means.

use super::{ApiServer, Preconditions, Refusal, Served};
use crate::cluster::{BudgetIdx, BudgetStatus, NodeIdx, Phase, PodIdx};
use crate::disruption;
use crate::sim::site::Site;
use crate::trace::{Detail, EventKind, Observation};

/// A pod that is to be evicted or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The pod, or one whose namespace and name it has.
    pub pod: PodIdx,
    /// It is this pod only, by its uid.
    pub by_uid: bool,
    /// `deleteOptions.gracePeriodSeconds`, in milliseconds; None for the pod's own.
    pub grace_ms: Option<i64>,
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

impl ApiServer {
    /// Deletes a pod, past its budgets.
    ///
    /// # Errors
    /// Says why it is not deleted.
    pub fn delete_pod(&self, site: &mut Site, removal: Removal) -> Served {
        let pod = found(site, removal)?;
        let node = site.state.pods[pod].node;
        let batch = batch_of(site, pod);
        site.observations.push(
            Observation::new(site.now, EventKind::EvictionAccepted)
                .pod(pod)
                .node(node)
                .batch(batch)
                .detail(Detail { reason: Some("Deleted".to_owned()), ..Detail::default() }),
        );
        disruption::delete_pod(&site.catalog, &mut site.state, pod, site.now, removal.grace_ms);
        Ok(())
    }

    /// Notes a grant for whoever takes them.
    pub(super) fn note_grant(&mut self, site: &Site, pod: PodIdx) {
        let Some(grants) = &mut self.grants else { return };
        let p = &site.state.pods[pod];
        let namespace = site.catalog.specs[p.spec].namespace;
        let own = site.catalog.budgets.entries().filter(|(_, b)| b.namespace == namespace);
        grants.push(Grant {
            pod,
            node: p.node,
            ready: p.ready,
            exempt: matches!(p.phase, Phase::Pending) || p.phase.is_terminal() || p.deleting.is_some(),
            statuses: own.map(|(i, _)| (i, site.state.budgets[i].clone())).collect(),
        });
    }
}

/// The pod that has a namespace and name now, if it is as it must be.
///
/// # Errors
/// There is none, or it is another.
pub fn named(site: &Site, namespace: &str, name: &str, if_so: Preconditions<'_>) -> Result<PodIdx, Refusal> {
    let pod = site.pod_named(namespace, name).ok_or(Refusal::NotFound)?;
    if_so.check(site.state.name(&site.catalog, site.state.pods[pod].uid))?;
    Ok(pod)
}

/// The pod that has the namespace and name of `pod` now: itself, or its successor under the same owner.
pub fn current(site: &Site, pod: PodIdx) -> Option<PodIdx> {
    let p = &site.state.pods[pod];
    if !p.gone {
        return Some(pod);
    }
    let name = site.state.name(&site.catalog, p.name);
    let owner = site.catalog.specs[p.spec].owner?;
    let same = |o: &PodIdx| site.state.name(&site.catalog, site.state.pods[*o].name) == name;
    site.state.owned[owner].iter().copied().find(same)
}

/// The pod that is to be removed, if it is there and the one that is meant.
pub(super) fn found(site: &Site, removal: Removal) -> Result<PodIdx, Refusal> {
    let Some(current) = current(site, removal.pod) else { return Err(Refusal::NotFound) };
    if removal.by_uid && current != removal.pod {
        let uid = |pod: PodIdx| site.state.name(&site.catalog, site.state.pods[pod].uid).to_owned();
        return Err(Refusal::OtherUid { wanted: uid(removal.pod), found: uid(current) });
    }
    Ok(current)
}

/// The batch that the trace counts a pod's removal to.
pub(super) fn batch_of(site: &Site, pod: PodIdx) -> Option<u32> {
    site.state.pods[pod].node.and_then(|n| site.batch_of.get(&n).copied()).or(site.batch)
}
