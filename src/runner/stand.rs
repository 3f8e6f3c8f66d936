//! How a migration, an old node and a new pool stand, for which a provider may have words.

use super::common::{Fate, NewPool, OldNode};
use super::outcome::Outcome;

/// What a migration does, as far as a provider may have a word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It begins, or a batch does: nodes are being cordoned, or a gate is waited at.
    Starting,
    /// New nodes are awaited.
    AwaitingNodes,
    /// Pods are being evicted.
    Draining,
    /// All evictions are over.
    Validating,
    /// Evicted pods are awaited to be scheduled and ready.
    AwaitingPods,
    /// Old instances are being terminated.
    Terminating,
    /// They are awaited to go.
    AwaitingTermination,
    /// It was stopped, and the batch under way is brought to its end.
    Stopping,
    /// It has failed.
    Failing,
    /// Old nodes that were not drained are made schedulable again.
    Rescheduling,
    /// It is over.
    Ended(Outcome),
}

/// How an old node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeIs {
    /// Its batch has not begun.
    Waiting,
    /// Its batch is under way.
    InProgress,
    /// Its pods are ready elsewhere, and its instance is gone if that was asked for.
    Replaced,
    /// A budget keeps it.
    HeldByBudget,
    /// A pod with restrict-scale-down keeps it.
    HeldByRestriction,
    /// A pod without a controller keeps it.
    HeldByStandAlone,
    /// It did not pass validation, or something else went wrong with it.
    NotReplaced,
    /// The migration is over, by a stop, and it was not tried.
    LeftOut,
}

/// How the scaling of a new pool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolIs {
    /// New nodes are awaited.
    Scaling,
    /// All that were wanted came.
    Ready,
    /// Some did not come, and are not awaited any more.
    Partly,
    /// None came.
    Failed,
}

impl NodeIs {
    /// How a node stands by its fate; `ended` once the migration is over, and `stopped` if somebody asked for that.
    pub fn of(node: &OldNode, ended: Option<Outcome>, stopped: bool) -> NodeIs {
        match node.fate {
            // After a failure it has still "to be replaced": another migration may take it up.
            Fate::Waiting if ended.is_some_and(|o| stopped || o != Outcome::Failed) => NodeIs::LeftOut,
            Fate::Waiting => NodeIs::Waiting,
            Fate::InProgress => NodeIs::InProgress,
            Fate::Retired | Fate::Reimaged => NodeIs::Replaced,
            Fate::Drained if node.replaced => NodeIs::Replaced,
            // Its pods never became ready elsewhere, or its instance stayed.
            Fate::Drained if ended.is_some() => NodeIs::NotReplaced,
            Fate::Drained => NodeIs::InProgress,
            Fate::HeldByBudget => NodeIs::HeldByBudget,
            Fate::HeldByRestriction => NodeIs::HeldByRestriction,
            Fate::HeldByStandAlone => NodeIs::HeldByStandAlone,
            Fate::Invalid | Fate::Failed => NodeIs::NotReplaced,
        }
    }
}

impl PoolIs {
    /// How a pool stands when its new nodes are not awaited any more.
    pub fn settled(pool: &NewPool) -> PoolIs {
        match pool.ready {
            n if n >= pool.wanted => PoolIs::Ready,
            0 => PoolIs::Failed,
            _ => PoolIs::Partly,
        }
    }
}
