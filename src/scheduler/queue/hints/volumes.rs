//! Hints of VolumeRestrictions, NodeVolumeLimits, VolumeBinding and VolumeZone.

use super::ClusterEvent;
use crate::cluster::{Catalog, ClaimRef, PodIdx, PvcIdx, State, Volume};

/// A node added; a pod of the namespace removed that shares a disk or a claim; the pod's own claim created
/// (`volumerestrictions/volume_restrictions.go`).
pub(super) fn restrictions(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
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

/// A node added with a CSINode; a pod removed that had claims; an attachment gone; the pod's own claim created
/// (`nodevolumelimits/csi.go`).
pub(super) fn limits(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::NodeAdded(node) => state.nodes[*node].spec.attach_limits.is_some(),
        ClusterEvent::PodRemoved { pod: removed, .. } => {
            let shape = catalog.shape(state.pods[*removed].spec);
            shape.volumes.iter().any(|v| match v {
                Volume::Claim(_) => true,
                // In-tree disks that are migrated to CSI count as well.
                Volume::Disk { kind, .. } => matches!(catalog.text(*kind), "gce-pd" | "aws-ebs"),
                _ => false,
            })
        }
        ClusterEvent::ClaimAdded(claim) => mounts(catalog, state, pod, *claim, true),
        ClusterEvent::Detached(_) => catalog.specs[state.pods[pod].spec].claims.iter().any(|c| !c.ephemeral),
        _ => false,
    }
}

/// A node or a volume added, a volume changed, the pod's own claim created or changed (`volumebinding/volume_binding.go`).
pub(super) fn binding(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::NodeAdded(_) | ClusterEvent::VolumeAdded(_) | ClusterEvent::VolumeChanged(_) => true,
        ClusterEvent::ClaimAdded(claim) | ClusterEvent::ClaimChanged(claim) => {
            mounts(catalog, state, pod, *claim, true)
        }
        _ => false,
    }
}

/// A node or a volume added, the pod's own claim created or changed (`volumezone/volume_zone.go`).
pub(super) fn zone(catalog: &Catalog, state: &State, pod: PodIdx, event: &ClusterEvent) -> bool {
    match event {
        ClusterEvent::NodeAdded(_) | ClusterEvent::VolumeAdded(_) => true,
        ClusterEvent::ClaimAdded(claim) | ClusterEvent::ClaimChanged(claim) => {
            mounts(catalog, state, pod, *claim, false)
        }
        _ => false,
    }
}

/// Whether the pod mounts the claim, counting those of generic ephemeral volumes or not.
fn mounts(catalog: &Catalog, state: &State, pod: PodIdx, claim: PvcIdx, ephemeral_too: bool) -> bool {
    let spec = &catalog.specs[state.pods[pod].spec];
    spec.claims.iter().any(|c| c.claim == Some(claim) && (ephemeral_too || !c.ephemeral))
}

/// Whether both pods use a legacy disk in a way that excludes the other (`isVolumeConflict`).
pub(crate) fn disks_conflict(catalog: &Catalog, state: &State, a: PodIdx, b: PodIdx) -> bool {
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
