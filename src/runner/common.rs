//! What all procedures share of a run's progress: old nodes and what became of them, batches, demands.

use super::client::{Ask, Client};
use super::interface::{Ms, StopMode};
use super::outcome::{Failure, Outcome, Reason};
use super::refs::{N, PodId};
use super::whole::OwnerMark;
use crate::cluster::SharedArena;
use crate::intent::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What became of an old node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Not begun.
    Waiting,
    /// Its batch is under way.
    InProgress,
    /// Empty.
    Drained,
    /// Empty and its machine given back.
    Retired,
    /// Empty, and its machine reimaged in place: a node of its name is Ready again.
    Reimaged,
    /// A budget kept it.
    HeldByBudget,
    /// A pod with restrict-scale-down kept it.
    HeldByRestriction,
    /// A pod without a controller kept it.
    HeldByStandAlone,
    /// It did not pass validation.
    Invalid,
    /// Something else kept it.
    Failed,
}

impl Fate {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Fate::Waiting => "not begun",
            Fate::InProgress => "in progress",
            Fate::Drained => "drained",
            Fate::Retired => "given back",
            Fate::Reimaged => "reimaged",
            Fate::HeldByBudget => "held by a budget",
            Fate::HeldByRestriction => "held by restrict-scale-down",
            Fate::HeldByStandAlone => "held by a stand-alone pod",
            Fate::Invalid => "not valid",
            Fate::Failed => "failed",
        }
    }
    /// Whether its pods have moved.
    pub fn is_replaced(self) -> bool {
        matches!(self, Fate::Drained | Fate::Retired | Fate::Reimaged)
    }
}

/// An old node's state of affairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OldNode {
    pub fate: Fate,
    /// We cordoned it (and it was not cordoned before).
    pub cordoned: bool,
    /// It was seen cordoned. If it is schedulable after that, somebody has taken our cordon back, and the next is not ours.
    #[serde(default)]
    pub seen_cordoned: bool,
    /// Why it was not replaced; empty if it was, or nobody tried.
    pub why: String,
    /// The condition of the outcome that this is, where `why` is one of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// It is left to a person: nothing more is done with it, and it does not count as replaced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left: bool,
    /// It bears the taint that keeps pods away before it is cordoned (EKS).
    #[serde(default, skip_serializing_if = "is_default")]
    pub tainted: bool,
    /// How often its cordon was refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refusals: u32,
    /// How often it was found schedulable after it had been cordoned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub losses: u32,
    /// One of these came after it had been drained: somebody may want it, and its machine is not given back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub claimed: bool,
    /// uid of the other node that was seen under its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namesake: String,
    /// What a person should know of it, though it may be replaced all the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Its batch saw its pods ready elsewhere, and its instance go where that was asked for.
    #[serde(default)]
    pub replaced: bool,
    /// It is kept cordoned when the migration ends, though it was not replaced (AKS: quarantined).
    #[serde(default, skip_serializing_if = "is_default")]
    pub quarantined: bool,
    /// Its machine was asked to be reimaged in place: the group that it belongs to. Empty if not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reimaged: String,
    /// It is no node of the plan but one that this batch launched and removes again at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surplus_of: Option<u32>,
    /// The provider's state of it that was announced last; empty for none.
    #[serde(default)]
    pub said: String,
}

impl OldNode {
    /// A node whose batch has not begun.
    pub fn waiting() -> OldNode {
        OldNode {
            fate: Fate::Waiting,
            cordoned: false,
            seen_cordoned: false,
            why: String::new(),
            reason: None,
            left: false,
            tainted: false,
            refusals: 0,
            losses: 0,
            claimed: false,
            namesake: String::new(),
            note: String::new(),
            replaced: false,
            quarantined: false,
            reimaged: String::new(),
            surplus_of: None,
            said: String::new(),
        }
    }

    /// A node that a batch launched and removes again.
    pub fn surplus(batch: u32) -> OldNode {
        OldNode { surplus_of: Some(batch), ..OldNode::waiting() }
    }

    /// Why it was not replaced, or how it stands.
    pub fn reason(&self) -> &str {
        if self.why.is_empty() { self.fate.text() } else { &self.why }
    }
}

/// New nodes of a group, over all batches, of a provider that has a word for their scaling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewPool {
    pub group: String,
    /// The latest batch that wanted some.
    pub batch: u32,
    /// How many were Ready when that batch began.
    pub before: u32,
    /// How many are wanted in all.
    pub wanted: u32,
    /// How many of them are Ready.
    pub ready: u32,
    /// The provider's state of it that was announced last.
    pub said: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchReport {
    /// Counted from 0.
    pub index: u32,
    /// When it began.
    pub start_ms: Ms,
    /// When it ended; None while it is under way.
    pub end_ms: Option<Ms>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Exit status of the imitated command, where there is one.
    pub exit: Option<i32>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// Evictions that were admitted.
    pub evictions: u64,
    /// Evictions that were refused.
    pub refused: u64,
    /// Pods deleted past their budgets.
    pub forced: u64,
    /// New nodes asked for.
    pub launched: u32,
}

/// A demand for new nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Demand {
    pub key: String,
    pub group: String,
    pub machine: Option<String>,
    pub zone: Option<String>,
    /// How many are wanted in all; fewer again while a surge removes its surplus, which is never asked for.
    pub total: u32,
    /// What the provider last said about a launch that failed.
    pub trouble: String,
    /// When to ask for the total again, after a launch that failed.
    #[serde(default)]
    pub again_at: Option<i64>,
}

/// What all procedures share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Common {
    pub client: Client,
    /// Old nodes, batch after batch; after those of the plan, nodes that a batch launched and removes again.
    pub node_ids: Arc<Vec<NodeId>>,
    pub nodes: Vec<OldNode>,
    /// Of each batch, where its nodes start in `nodes`; one more at the end.
    pub starts: Vec<u32>,
    /// Pods of the batch under way.
    pub pod_ids: SharedArena<usize, Arc<PodId>>,
    /// Owners of the batch under way.
    pub marks: SharedArena<usize, OwnerMark>,
    pub reports: Vec<BatchReport>,
    /// The batch under way, or the next one.
    pub batch: u32,
    pub demands: Vec<Demand>,
    /// Names of groups that calls mention.
    pub groups: Vec<String>,
    /// uids of pods that were unschedulable at the start.
    pub pending_at_start: BTreeSet<String>,
    /// uids of the nodes there were when the batch began, for procedures that launch.
    pub known_nodes: BTreeSet<String>,
    pub stop: Option<StopMode>,
    /// The server has been refusing or losing calls since.
    pub unreachable_since: Option<Ms>,
    pub began: Ms,
    /// What the gate that is waited at said last, if it refused.
    #[serde(default)]
    pub gate_said: String,
    /// How it ends once the closing is over.
    pub concluding: Option<Outcome>,
    /// Nodes whose uncordoning was refused while closing, with the refusal.
    pub not_uncordoned: Vec<String>,
    /// The call that was refused for want of a server, or lost, last, in words.
    #[serde(default)]
    pub lost_call: String,
    /// The provider's state of the migration that was announced last; empty for none.
    #[serde(default)]
    pub said_state: String,
    #[serde(default)]
    pub pools: Vec<NewPool>,
}

impl Common {
    /// A fresh process of the imitated client: nothing of the one before is waited for, but for what is the migration's own.
    pub fn forget_calls(&mut self) {
        self.restart_client(Ask::is_own);
    }
    /// Nothing at all is waited for any more.
    pub fn forget_all_calls(&mut self) {
        self.restart_client(|_| false);
    }
    /// A cordon whose answer is not here yet may have had its effect: it counts as ours, to be taken back like the others.
    fn restart_client(&mut self, kept: impl Fn(Ask) -> bool) {
        for n in self.client.open.values().filter(|a| !kept(**a)).filter_map(|a| a.cordons()) {
            self.nodes[n.at()].cordoned = true;
        }
        self.client.restart(kept);
    }
    /// How many nodes the plan has. Those after them in the lists are surplus nodes.
    pub fn planned(&self) -> usize {
        self.starts.last().copied().unwrap_or(0) as usize
    }
    /// The batch of an old node, or of a surplus node.
    pub fn batch_of(&self, n: N) -> u32 {
        if let Some(batch) = self.nodes[n.at()].surplus_of {
            return batch;
        }
        (self.starts.partition_point(|s| *s <= n.0) as u32).saturating_sub(1)
    }
    /// Whether a node's batch is under way.
    pub fn is_under_way(&self, n: N) -> bool {
        self.reports.last().is_some_and(|r| r.end_ms.is_none() && r.index == self.batch_of(n))
    }
    /// Old nodes of a batch.
    pub fn batch_nodes(&self, batch: u32) -> Vec<N> {
        match (self.starts.get(batch as usize), self.starts.get(batch as usize + 1)) {
            (Some(a), Some(b)) => (*a..*b).map(N).collect(),
            _ => Vec::new(),
        }
    }
    /// How many batches there are.
    pub fn batches(&self) -> u32 {
        (self.starts.len().saturating_sub(1)) as u32
    }
    /// Old nodes of the batch under way.
    pub fn here(&self) -> Vec<N> {
        self.batch_nodes(self.batch)
    }
    /// The report of the batch under way.
    pub fn report(&mut self) -> Option<&mut BatchReport> {
        self.reports.last_mut()
    }
}
