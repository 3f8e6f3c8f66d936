//! VolumeRestrictions: a ReadWriteOncePod claim has one user in the whole cluster, a legacy disk one writer on a node
//! (`P/volumerestrictions/volume_restrictions.go`).

use crate::cluster::{NodeIdx, PodIdx, PvcIdx, State, Volume};
use crate::scheduler::plugin::Code;
use crate::scheduler::queue::hints::disks_conflict;
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};
use rustc_hash::FxHashMap;

/// `ErrReasonDiskConflict`.
const DISK_CONFLICT: &str = "node(s) had no available disk";
/// `ErrReasonReadWriteOncePodConflict`.
const ONCE_POD_CONFLICT: &str =
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

/// The same until 1.33.
const ONCE_POD_CONFLICT_BEFORE: &str =
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

/// The VolumeRestrictions plugin.
#[derive(Clone, Debug, Default)]
pub struct VolumeRestrictions {
    /// Pods that mount a ReadWriteOncePod claim, in order of creation; also those that are gone.
    users: FxHashMap<PvcIdx, Vec<PodIdx>>,
    /// Pods that `users` covers: arenas only grow.
    pods_seen: usize,
    /// The pod's ReadWriteOncePod claims.
    claims: Vec<PvcIdx>,
    disks: bool,
}

impl VolumeRestrictions {
    fn learn(&mut self, view: &PodView<'_>) {
        let state = view.state;
        for i in self.pods_seen..state.pods.len() {
            let pod = PodIdx(i as u32);
            for claim in &view.catalog.specs[state.pods[pod].spec].claims {
                if let (Some(index), false) = (claim.claim, claim.ephemeral)
                    && view.catalog.claims[index].modes.rwop
                {
                    self.users.entry(index).or_default().push(pod);
                }
            }
        }
        self.pods_seen = state.pods.len();
        // Users that are gone never come back.
        for claim in &self.claims {
            if let Some(users) = self.users.get_mut(claim) {
                users.retain(|p| !state.pods[*p].gone);
            }
        }
    }
    /// Whether another pod that holds a node uses one of the claims, or one put on `node` since.
    fn in_use(&self, state: &State, pod: PodIdx) -> bool {
        self.claims
            .iter()
            .any(|c| self.users.get(c).is_some_and(|u| u.iter().any(|p| *p != pod && state.pods[*p].occupies())))
    }
}

impl PodPlugin for VolumeRestrictions {
    const PLUGIN: PluginId = PluginId::VolumeRestrictions;

    fn pre_filter(&mut self, view: PodView<'_>) -> PreFilter {
        let spec = view.spec();
        self.disks = view.shape().volumes.iter().any(|v| matches!(v, Volume::Disk { .. }));
        self.claims.clear();
        for claim in spec.claims.iter().filter(|c| !c.ephemeral) {
            let Some(index) = claim.claim.filter(|c| !view.state.claims[*c].gone) else {
                let name = view.catalog.text(claim.name);
                let text = format!("persistentvolumeclaim {name:?} not found");
                return PreFilter::Reject(Rejection::text(Self::PLUGIN, Code::Unresolvable, text));
            };
            if view.catalog.claims[index].modes.rwop {
                self.claims.push(index);
            }
        }
        if !self.claims.is_empty() {
            self.learn(&view);
        }
        if self.disks || self.in_use(view.state, view.pod) { PreFilter::Run } else { PreFilter::Skip }
    }

    fn filter(&self, view: PodView<'_>, node: NodeIdx) -> Result<(), Rejection> {
        if self.disks {
            let pods = &view.state.nodes[node].pods;
            if pods.iter().any(|other| disks_conflict(view.catalog, view.state, view.pod, *other)) {
                return Err(Rejection::unschedulable(Self::PLUGIN, DISK_CONFLICT));
            }
        }
        if self.in_use(view.state, view.pod) {
            let counted = view.catalog.kubernetes.rules().once_pod_is_counted;
            let words = if counted { ONCE_POD_CONFLICT } else { ONCE_POD_CONFLICT_BEFORE };
            return Err(Rejection::unschedulable(Self::PLUGIN, words));
        }
        Ok(())
    }
}
