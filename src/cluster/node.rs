//! Nodes: what they offer, and how they are now.

use super::ids::*;
use super::intern::Sym;
use super::labels::Labels;
use super::taint::Taint;
use smallvec::SmallVec;

/// An image on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeImage {
    /// One of its names, as `status.images` has it.
    pub name: Sym,
    /// Size in bytes.
    pub size: i64,
}

/// Attach limit of a CSI driver on a node (CSINode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttachLimit {
    /// Driver name.
    pub driver: Sym,
    /// `allocatable.count`; None for no limit.
    pub count: Option<i64>,
}

/// What a node offers; shared by nodes launched from one template but for name and hostname.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name.
    pub name: Sym,
    /// `metadata.uid`.
    pub uid: Sym,
    /// Labels.
    pub labels: Labels,
    /// Annotations of at most 256 bytes.
    pub annotations: Vec<(Sym, Sym)>,
    /// Allocatable by resource, as long as the catalogue's list of resources (missing = 0); cpu in milli.
    pub allocatable: Vec<i64>,
    /// `allocatable.pods`.
    pub pod_slots: i64,
    /// Taints in `spec.taints` as created.
    pub taints: Vec<Taint>,
    /// Images, every name of each.
    pub images: Vec<NodeImage>,
    /// Attach limits; None if the node has no CSINode.
    pub attach_limits: Option<Vec<AttachLimit>>,
    /// `status.volumesInUse`, driver-qualified as the node names them.
    pub volumes_in_use: Vec<Sym>,
    /// `spec.providerID`.
    pub provider_id: Option<Sym>,
    /// `status.nodeInfo.kubeletVersion`.
    pub kubelet_version: Option<Sym>,
    /// `status.declaredFeatures`.
    pub declared_features: Vec<Sym>,
    /// Milliseconds since the snapshot, negative for what was there.
    pub created: i64,
    /// Machine type, where known.
    pub machine: Option<MachineIdx>,
    /// Price in millionths of a currency unit per hour, where known.
    pub price_micros_per_hour: Option<u64>,
}

impl NodeSpec {
    /// Allocatable of one resource.
    pub fn allocatable(&self, resource: ResIdx) -> i64 {
        self.allocatable.get(resource.at()).copied().unwrap_or(0)
    }
}

/// A node as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// What it offers.
    pub spec: std::sync::Arc<NodeSpec>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Condition Ready is True.
    pub ready: bool,
    /// Taints now.
    pub taints: SmallVec<[Taint; 2]>,
    /// Group it belongs to, where known.
    pub group: Option<GroupIdx>,
    /// When it appeared (milliseconds since the snapshot).
    pub created: i64,
    /// The object no longer exists.
    pub gone: bool,
    /// Raised by every change that can alter a placement on this node (pods, taints, allocatable, labels).
    pub version: u32,
    /// Pods that occupy it (`PodState::occupies`), in the order of arrival.
    pub pods: Vec<PodIdx>,
}
