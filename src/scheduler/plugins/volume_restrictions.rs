//! VolumeRestrictions: a ReadWriteOncePod claim has one user in the whole cluster, a legacy disk one writer on a node
//! (`P/volumerestrictions/volume_restrictions.go`).

use super::volume_binding::mounts;
use super::{JudgesBy, Plugin};
use crate::cluster::{Catalog, ClaimRef, NodeIdx, PodIdx, PvcIdx, State, Volume};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::{Code, Point};
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

impl Plugin for VolumeRestrictions {
    const ID: PluginId = PluginId::VolumeRestrictions;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter)];
    const JUDGES_BY: JudgesBy = JudgesBy::Claims;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded, EventKind::PodRemoved, EventKind::ClaimAdded];

    /// A node added; a pod of the namespace removed that shares a disk or a claim; the pod's own claim created
    /// (`volumerestrictions/volume_restrictions.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::PodRemoved { pod: removed, .. } => {
                let (mine, theirs) = (&catalog.specs[state.pods[pod].spec], &catalog.specs[state.pods[*removed].spec]);
                let named = |claim: &&ClaimRef| !claim.ephemeral;
                mine.namespace == theirs.namespace
                    && (disks_conflict(catalog, state, pod, *removed)
                        || mine
                            .claims
                            .iter()
                            .filter(named)
                            .any(|m| theirs.claims.iter().filter(named).any(|t| t.name == m.name)))
            }
            ClusterEvent::ClaimAdded(claim) => mounts(catalog, state, pod, *claim, false),
            _ => false,
        }
    }
}

/// Whether both pods use a legacy disk in a way that excludes the other (`isVolumeConflict`).
fn disks_conflict(catalog: &Catalog, state: &State, a: PodIdx, b: PodIdx) -> bool {
    let disks = |pod: PodIdx| {
        catalog.shape(state.pods[pod].spec).volumes.iter().filter_map(|v| match v {
            Volume::Disk { kind, id, read_only } => Some((*kind, *id, *read_only)),
            _ => None,
        })
    };
    disks(a).any(|(kind, id, read_only)| {
        disks(b).any(|(other_kind, other_id, other_read_only)| {
            // EBS volumes conflict even where both are mounted read-only.
            let both_read = read_only && other_read_only && catalog.text(kind) != "aws-ebs";
            kind == other_kind && id == other_id && !both_read
        })
    })
}
