//! Persistent volumes, claims and what binds them.

use super::ids::*;
use super::intern::Sym;
use super::labels::{Labels, NodeSelector, Selector};

/// Access modes as flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccessModes {
    /// ReadWriteOnce.
    pub rwo: bool,
    /// ReadOnlyMany.
    pub rox: bool,
    /// ReadWriteMany.
    pub rwx: bool,
    /// ReadWriteOncePod.
    pub rwop: bool,
}

impl AccessModes {
    /// Whether these include all of `wanted`.
    pub fn covers(self, wanted: AccessModes) -> bool {
        (self.rwo || !wanted.rwo)
            && (self.rox || !wanted.rox)
            && (self.rwx || !wanted.rwx)
            && (self.rwop || !wanted.rwop)
    }
}

/// A PersistentVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pv {
    /// Name.
    pub name: Sym,
    /// Labels (VolumeZone reads the zone and region ones, values split at `__`).
    pub labels: Labels,
    /// `spec.storageClassName`, the symbol of "" if none.
    pub class: Sym,
    /// `spec.volumeAttributesClassName`, the symbol of "" if none.
    pub attributes_class: Sym,
    /// Capacity in bytes.
    pub capacity: i64,
    /// Access modes.
    pub modes: AccessModes,
    /// `volumeMode: Block`.
    pub block: bool,
    /// `spec.nodeAffinity.required`.
    pub node_affinity: Option<NodeSelector>,
    /// CSI driver (or in-tree plugin name), where there is one.
    pub driver: Option<Sym>,
    /// CSI volume handle.
    pub handle: Option<Sym>,
    /// `spec.claimRef` as namespace and name.
    pub claim_ref: Option<(NsIdx, Sym)>,
    /// `spec.claimRef.uid` is set: the binding is complete, not merely reserved by name.
    pub claim_ref_has_uid: bool,
    /// `status.phase` is Available, Bound, Released …
    pub phase: Sym,
    /// Being deleted.
    pub deleting: bool,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pvc {
    /// Namespace.
    pub namespace: NsIdx,
    /// Name.
    pub name: Sym,
    /// `metadata.uid`.
    pub uid: Sym,
    /// `spec.storageClassName`; None if not given, the symbol of "" if empty.
    pub class: Option<Sym>,
    /// `spec.volumeAttributesClassName`, the symbol of "" if none.
    pub attributes_class: Sym,
    /// Requested bytes.
    pub request: i64,
    /// Access modes.
    pub modes: AccessModes,
    /// `volumeMode: Block`.
    pub block: bool,
    /// `spec.selector`; None if not given.
    pub selector: Option<Selector>,
    /// `status.phase` is Lost.
    pub lost: bool,
    /// Being deleted.
    pub deleting: bool,
}

/// How a claim stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PvcState {
    /// `spec.volumeName` as a volume; None if unbound (or the volume is not there).
    pub volume: Option<PvIdx>,
    /// `spec.volumeName` names a volume that the dump lacks.
    pub volume_missing: bool,
    /// Annotation `pv.kubernetes.io/bind-completed`.
    pub bind_completed: bool,
    /// Annotation `volume.kubernetes.io/selected-node`.
    pub selected_node: Option<NodeIdx>,
    /// The claim no longer exists.
    pub gone: bool,
}

/// A StorageClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// Name.
    pub name: Sym,
    /// `provisioner`.
    pub provisioner: Sym,
    /// `volumeBindingMode: WaitForFirstConsumer`.
    pub waits_for_consumer: bool,
    /// `allowedTopologies`; None if not restricted.
    pub allowed_topologies: Option<NodeSelector>,
    /// Annotation `storageclass.kubernetes.io/is-default-class`.
    pub is_default: bool,
}

/// A CSIDriver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiDriver {
    /// Name.
    pub name: Sym,
    /// `attachRequired` (default true).
    pub attach_required: bool,
    /// `storageCapacity`: placements depend on CSIStorageCapacity objects.
    pub storage_capacity: bool,
}

/// A volume attached to a node, or being detached from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The volume.
    pub volume: PvIdx,
    /// The node.
    pub node: NodeIdx,
}
