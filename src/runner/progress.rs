//! How far a run is: all that must survive a restart.

use super::common::{BatchReport, Common, Fate};
use super::interface::Ms;
use super::look::Looks;
use super::outcome::{Failure, Outcome};
use super::phase::Phase;
use super::procedure::ProcedureState;
use crate::intent::NodeId;
use serde::{Deserialize, Serialize};

/// How far a run is: with the plan and a fresh list of the cluster it can be resumed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// Moment of the latest input.
    pub now: Ms,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// What all procedures share.
    pub(crate) common: Common,
    /// The batch under way.
    pub(crate) procedure: Option<ProcedureState>,
    /// The last look at the nodes that count as replaced.
    #[serde(default, skip_serializing_if = "Looks::is_over")]
    pub(crate) looks: Looks,
    /// Set once the migration has ended.
    pub outcome: Option<Outcome>,
    /// Why, unless it completed.
    pub failure: Option<Failure>,
}

impl Progress {
    /// Moment of the first input.
    pub fn began(&self) -> Ms {
        self.common.began
    }
    /// What became of each batch that has begun, in order.
    pub fn batches(&self) -> &[BatchReport] {
        &self.common.reports
    }
    /// What became of each old node, in the order of the plan.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeId, Fate)> {
        let planned = self.common.node_ids.iter().take(self.common.planned());
        planned.zip(self.common.nodes.iter().map(|n| n.fate))
    }
}
