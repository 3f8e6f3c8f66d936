//! What truly happened at the server, for those who judge it.

use super::objects::Place;
use crate::cluster::{NodeIdx, PodIdx};
use crate::sim::apiserver::Grant;

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The session that is judged.
    Us,
    /// Somebody else.
    Other,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A node's `spec.unschedulable` changed.
    Cordon {
        /// By whom.
        who: Who,
        /// Which.
        node: NodeIdx,
        /// Cordoned, not uncordoned.
        on: bool,
    },
    /// Somebody else asked to cordon a node that is cordoned.
    CordonedToo {
        /// Which.
        node: NodeIdx,
    },
    /// An eviction of a pod was asked for.
    EvictionAsked {
        /// By whom.
        who: Who,
        /// Which.
        pod: PodIdx,
        /// Without a uid as its precondition.
        by_name: bool,
    },
    /// An eviction was granted.
    Granted {
        /// With what was so just before.
        grant: Grant,
        /// Who had asked for it, if it is known.
        who: Option<Who>,
    },
    /// A pod was deleted past its budgets.
    PodDeleted {
        /// By whom.
        who: Who,
        /// Which.
        place: Place,
        /// Where it ran.
        node: Option<NodeIdx>,
        /// It was being deleted already.
        already: bool,
    },
    /// A machine is being given back, or a Node object was deleted.
    Retired {
        /// By whom.
        who: Who,
        /// Which.
        node: NodeIdx,
        /// Its name.
        name: String,
    },
    /// A machine is being reimaged in place.
    Reimaged {
        /// By whom.
        who: Who,
        /// Which.
        node: NodeIdx,
        /// Its name.
        name: String,
    },
    /// A node and its machine are gone.
    Ended {
        /// Which.
        node: NodeIdx,
        /// Pods that were on it to the last.
        pods: Vec<PodIdx>,
    },
    /// The provisioner started machines.
    Launched {
        /// Key of the demand.
        key: String,
        /// How many it started now.
        started: u32,
        /// How many were asked for in all under this key.
        total: u32,
    },
}
