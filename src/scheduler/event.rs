//! What happens in a cluster, as far as a waiting pod may care.

use crate::cluster::{NodeIdx, PodIdx, PvIdx, PvcIdx, Taint};
use smallvec::SmallVec;

/// Taints of a node.
pub type Taints = SmallVec<[Taint; 2]>;

/// An event of kube-scheduler's informers (`pkg/scheduler/eventhandlers.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A pod was bound, or appeared with a node (AssignedPodAdd).
    PodAssigned(PodIdx),
    /// A pod that held room is gone, reached a terminal phase, or gave its nomination up (AssignedPodDelete).
    ///
    /// Never at its deletionTimestamp: the scheduler's informer leaves terminal pods out, so that is when it sees the deletion.
    PodRemoved {
        /// The pod; its spec can still be read.
        pod: PodIdx,
        /// For a nomination given up: only pods up to this priority care (`getLEPriorityPreCheck`).
        up_to_priority: Option<i32>,
    },
    /// A node appeared, and its CSINode with it.
    NodeAdded(NodeIdx),
    /// A node's object is gone.
    NodeRemoved(NodeIdx),
    /// A node is schedulable again. (A cordon is no event: `extractNodeSpecUnschedulableChange`.)
    Uncordoned(NodeIdx),
    /// A node's taints changed.
    Taints {
        /// The node.
        node: NodeIdx,
        /// Its taints before.
        before: Taints,
        /// Its taints after.
        after: Taints,
    },
    /// A claim appeared.
    ClaimAdded(PvcIdx),
    /// A claim changed.
    ClaimChanged(PvcIdx),
    /// A volume appeared.
    VolumeAdded(PvIdx),
    /// A volume changed (was bound).
    VolumeChanged(PvIdx),
    /// A volume was detached from a node (VolumeAttachment deleted).
    Detached(NodeIdx),
    /// Pods that waited for five minutes are tried again (UnschedulableTimeout): concerns every pod.
    Timeout,
}

/// Which event it is, for plugins to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as the events
pub enum EventKind {
    PodAssigned,
    PodRemoved,
    NodeAdded,
    NodeRemoved,
    Uncordoned,
    Taints,
    ClaimAdded,
    ClaimChanged,
    VolumeAdded,
    VolumeChanged,
    Detached,
}

impl EventKind {
    /// How many there are.
    pub const COUNT: usize = EventKind::Detached as usize + 1;
}

impl ClusterEvent {
    /// Which event it is; None for those that no plugin is asked about.
    pub fn kind(&self) -> Option<EventKind> {
        Some(match self {
            ClusterEvent::PodAssigned(_) => EventKind::PodAssigned,
            ClusterEvent::PodRemoved { .. } => EventKind::PodRemoved,
            ClusterEvent::NodeAdded(_) => EventKind::NodeAdded,
            ClusterEvent::NodeRemoved(_) => EventKind::NodeRemoved,
            ClusterEvent::Uncordoned(_) => EventKind::Uncordoned,
            ClusterEvent::Taints { .. } => EventKind::Taints,
            ClusterEvent::ClaimAdded(_) => EventKind::ClaimAdded,
            ClusterEvent::ClaimChanged(_) => EventKind::ClaimChanged,
            ClusterEvent::VolumeAdded(_) => EventKind::VolumeAdded,
            ClusterEvent::VolumeChanged(_) => EventKind::VolumeChanged,
            ClusterEvent::Detached(_) => EventKind::Detached,
            ClusterEvent::Timeout => return None,
        })
    }
}
