//! The border between the batch algorithm and the world that carries it out: what goes in, what comes out.
//!
//! The runner has no clock, network or threads. A driver (the simulator, or a session against an API) hands it the
//! time and a view of the cluster with every input, performs the calls it puts into the outbox, and answers each of
//! them exactly once, at the same instant or later. Between inputs nothing happens but time: the driver calls again
//! with [`Input::Tick`] at [`super::Runner::next_wakeup`] at the latest.
//!
//! **Invariants.** The view given with an answer is at least as new as the answer. A call leaves the runner only when
//! the client's rate limit has a token for it, so a driver may perform it at once. Indices are valid within one view's
//! lineage only; what must survive a restart is kept by name and uid.

pub use super::base::{ApiGroup, Ms};
use super::call::Call;
use super::outcome::{Failure, Outcome};
use crate::cluster::{GroupIdx, MachineIdx, NodeIdx, PodIdx, Sym};
use serde::{Deserialize, Serialize};

/// Identity of a call within a run; counted from 0 and kept across a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// An object of the cluster that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjId {
    /// Added, changed or removed.
    Node(NodeIdx),
    /// Added, changed or removed.
    Pod(PodIdx),
    /// Its `spec.replicas`.
    Owner(crate::cluster::OwnerIdx),
    /// Its status.
    Budget(crate::cluster::BudgetIdx),
}

/// What is put in.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// These objects are not as they were; the view has them as they are now. One call per instant and round.
    Changed(&'a [ObjId]),
    /// What became of a call.
    Answer(CallId, Answer),
    /// The group's provider says something about a launch.
    LaunchFailed {
        /// The key of the [`Call::EnsureNodes`] it is about.
        key: &'a str,
        /// How many machines did not come.
        count: u32,
        /// Short cause, CamelCase (`InsufficientCapacity`, `GroupFull`).
        reason: &'a str,
        /// The provider's words.
        message: &'a str,
    },
    /// Somebody asks the migration to stop.
    Stop(StopMode),
    /// Time passed.
    Tick,
}

/// How a stop is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct StopMode {
    /// Nodes that are drained already are terminated (AWS: the stop's `shouldTerminateDrainedNodes`); None: as the
    /// migration's own option says.
    pub terminate_drained: Option<bool>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done (2xx): cordoned, eviction admitted (201), deletion begun, list delivered (the view is as new as it).
    Accepted,
    /// Refused by the API or the provider.
    Refused {
        /// HTTP status.
        code: u16,
        /// `status.reason` (`TooManyRequests`, `InternalError`, `Forbidden`) or the provider's.
        reason: String,
        /// `status.details.causes[0].message`, empty if none.
        cause: String,
        /// `status.message`.
        message: String,
        /// `Retry-After`, which the API sends with some 429 and 500 but not with an exhausted budget's.
        retry_after_ms: Option<Ms>,
    },
    /// It was so already, by somebody else's doing: a node that another had cordoned, which is not ours to uncordon.
    Unchanged,
    /// The object does not exist (404).
    Gone,
    /// An object of that name exists with another uid (409 to a precondition).
    UidChanged,
    /// The answer was lost, or the runner was restarted before it came: re-read, then ask again.
    Unknown,
    /// `GetPod`: the pod that has this namespace and name now (the one asked for, or its successor).
    Pod(PodIdx),
}

impl Answer {
    /// A refusal without a cause of its own, to be asked for again whenever the runner likes.
    pub fn refused(code: u16, reason: &str, message: &str) -> Answer {
        Answer::Refused {
            code,
            reason: reason.to_owned(),
            cause: String::new(),
            message: message.to_owned(),
            retry_after_ms: None,
        }
    }
}

/// Which stream of the imitated command a line goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // named after the streams
pub enum Stream {
    Stdout,
    Stderr,
}

/// What a migration waits for before a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// The rest after the batch before.
    Soak,
    /// A window in which batches may start.
    Window,
    /// A program that must succeed.
    Check,
    /// A person's approval.
    Approval,
}

impl WaitFor {
    /// The reason of the trace's events (`Check`).
    pub fn reason(self) -> &'static str {
        match self {
            WaitFor::Soak => "Soak",
            WaitFor::Window => "Window",
            WaitFor::Check => "Check",
            WaitFor::Approval => "Approval",
        }
    }
    /// What is waited for, as the end of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            WaitFor::Soak => "the end of its soak",
            WaitFor::Window => "a window in which it may start",
            WaitFor::Check => "its check to succeed",
            WaitFor::Approval => "its approval",
        }
    }
}

/// A pod that is left on an old node, in its provider's terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodOfNode {
    /// `namespace/name`.
    pub pod: String,
    /// The provider's word (`STAND_ALONE_POD`).
    pub kind: &'static str,
}

/// Something worth telling: what the trace, the reports and an operator want to know and no call shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Announcement {
    /// The migration begins.
    MigrationStarted {
        /// Batches.
        batches: u32,
        /// Old nodes.
        nodes: u32,
    },
    /// A batch begins.
    BatchStarted {
        /// Counted from 0.
        batch: u32,
        /// Its old nodes.
        nodes: Vec<NodeIdx>,
    },
    /// The migration as a whole entered a state of its provider's enum (`AWAIT_REPLACEMENTS`, `IN_PROGRESS`).
    State {
        /// Batch, if in one.
        batch: Option<u32>,
        /// The provider's word.
        state: &'static str,
    },
    /// An old node entered a state of its provider's enum (`TO_BE_REPLACED`, `REQUIRES_MANUAL_MIGRATION`).
    NodeState {
        /// Its name: the node itself may be gone.
        node: String,
        /// The provider's word.
        state: &'static str,
        /// Why, where there is more to say; empty if not.
        message: String,
        /// Its pods that would have to move, where the provider lists them by kind.
        pods: Vec<PodOfNode>,
    },
    /// The scaling of a new pool entered a state of its provider's enum (`SCALING`, `PARTIAL_SUCCESS`).
    PoolState {
        /// The latest batch that wants new nodes of it.
        batch: u32,
        /// The group's name.
        group: String,
        /// The provider's word.
        state: &'static str,
        /// New nodes that are wanted so far, over all batches.
        wanted: u32,
        /// How many of them are Ready.
        ready: u32,
    },
    /// A line that the imitated command prints, to the letter, without the newline.
    Line {
        /// Batch.
        batch: u32,
        /// Stream.
        stream: Stream,
        /// Text.
        text: String,
    },
    /// The imitated command returned; the batch goes on until its workloads are whole.
    CommandReturned {
        /// Batch.
        batch: u32,
        /// Its exit status.
        exit: i32,
    },
    /// All that had to leave a node has left it.
    NodeDrained {
        /// Batch.
        batch: u32,
        /// Which.
        node: NodeIdx,
    },
    /// A node could not be drained.
    DrainFailed {
        /// Batch.
        batch: u32,
        /// Which.
        node: NodeIdx,
        /// Short cause, CamelCase.
        reason: &'static str,
        /// The full text, as the imitated system words it.
        message: String,
    },
    /// Something about an old node that a person should know: its cordon was refused or taken back, another node bears
    /// its name, pods came after it had been drained.
    NodeWarning {
        /// The node's batch.
        batch: u32,
        /// Which; the one that bears the name, if the plan's is gone.
        node: NodeIdx,
        /// Short cause, CamelCase (`CordonLost`).
        reason: &'static str,
        /// What happened and what is done about it, as the rest of a sentence that begins with the node's name.
        message: String,
    },
    /// A pod's eviction was given up, or it was deleted past its budgets.
    PodForced {
        /// Batch.
        batch: u32,
        /// Which.
        pod: PodIdx,
        /// Why.
        message: String,
    },
    /// The migration waits before a batch.
    Waiting {
        /// The batch that is to start, counted from 0.
        batch: u32,
        /// What for.
        wait: WaitFor,
        /// When a soak or window is over, or the limit of a check or approval; None for no limit but the horizon.
        until: Option<Ms>,
    },
    /// Such a wait is over, in the batch's favour.
    Opened {
        /// The batch that is to start, counted from 0.
        batch: u32,
        /// What was waited for.
        wait: WaitFor,
    },
    /// A batch ended.
    BatchFinished {
        /// Counted from 0.
        batch: u32,
        /// How.
        outcome: Outcome,
        /// Exit status of the imitated command (`kubectl drain`), where there is one.
        exit: Option<i32>,
        /// What went wrong, if something did.
        failure: Option<Failure>,
    },
    /// The migration ended; nothing comes after it.
    MigrationFinished {
        /// How.
        outcome: Outcome,
        /// Why, unless it completed.
        failure: Option<Failure>,
    },
}

/// One thing that comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A call to perform now and to answer once.
    Call(CallId, Call),
    /// Something to write down.
    Announce(Announcement),
}

/// Where the runner puts what comes out, in order.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// Oldest first; the driver drains it after each call of `handle`.
    pub items: Vec<Output>,
    /// Nobody keeps what the imitated command prints: its lines are not made.
    pub without_lines: bool,
}

impl Outbox {
    /// Adds an announcement.
    pub fn announce(&mut self, announcement: Announcement) {
        self.items.push(Output::Announce(announcement));
    }
    /// Adds a call.
    pub fn call(&mut self, id: CallId, call: Call) {
        self.items.push(Output::Call(id, call));
    }

    /// Takes all that is in it.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.items.drain(..)
    }
}

/// New nodes that a batch's pods need, by group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// What to launch, in a fixed order.
    pub launches: Vec<Launch>,
    /// Pods for which there is no place.
    pub unplaceable: Vec<Unplaceable>,
}

/// A pod for which there is no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaceable {
    /// The pod.
    pub pod: PodIdx,
    /// Why: each group's refusal.
    pub why: String,
    /// No group could ever host it; false if the groups are only full, frozen or out of capacity.
    pub permanent: bool,
}

/// Machines of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Launch {
    /// Group.
    pub group: GroupIdx,
    /// Machine type; None for the group's choice.
    pub machine: Option<MachineIdx>,
    /// Zone; None for the provider's choice.
    pub zone: Option<Sym>,
    /// How many.
    pub count: u32,
}

/// Plans the new nodes for pods that must move; `groups` has the real one.
pub trait Packer: Send + Sync {
    /// What to launch so that `pods` find room once the nodes `leaving` take no more pods. `old` are all old nodes of
    /// the migration, which are no home for a pod that moves; the free room of other nodes may be used.
    fn pack(&self, view: crate::cluster::View<'_>, pods: &[PodIdx], old: &[NodeIdx]) -> Packing;
    /// The groups that give no new nodes in a migration of these old nodes.
    fn closed(&self, _: crate::cluster::View<'_>, _old: &[NodeIdx]) -> Vec<GroupIdx> {
        Vec::new()
    }
    /// The group that would make a node like this one, where `closed` are those that give none: None for the default group; the error
    /// is the nearest and what differs.
    fn match_node(
        &self,
        view: crate::cluster::View<'_>,
        node: NodeIdx,
        closed: &[GroupIdx],
    ) -> Result<Option<GroupIdx>, String>;
}

/// Launches nothing: pods go to the nodes that are there, or wait for an autoscaler that sees them pending.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLaunches;

impl Packer for NoLaunches {
    fn pack(&self, _: crate::cluster::View<'_>, _: &[PodIdx], _: &[NodeIdx]) -> Packing {
        Packing::default()
    }
    fn match_node(&self, _: crate::cluster::View<'_>, _: NodeIdx, _: &[GroupIdx]) -> Result<Option<GroupIdx>, String> {
        Ok(None)
    }
}
