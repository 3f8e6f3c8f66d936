//! What can stand in a journal: one [`Entry`] a line.
//!
//! The runner's progress is kept as RFC 6902 patches between checkpoints, so that a line stays small however large the
//! migration is.

use crate::plan::Plan;
use crate::runner::{Failure, Ms, Outcome, StopMode, Stream};
use crate::trace::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the journal's form; raised when an older reader would misread it.
pub const JOURNAL_VERSION: u32 = 1;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 0 without gaps, over all processes.
    pub seq: u64,
    /// Milliseconds since the execution began (wall time).
    pub t_ms: Ms,
    /// What is written down.
    #[serde(flatten)]
    pub record: Record,
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", content = "data", rename_all = "snake_case")]
pub enum Record {
    /// The first entry: all that a later process has to know.
    Began(Box<Began>),
    /// Another process goes on.
    Resumed {
        /// nodeferry's version.
        nodeferry: String,
        /// When, in milliseconds since 1970.
        unix_ms: i64,
    },
    /// The runner's whole progress.
    Checkpoint {
        /// [`crate::runner::Progress`].
        progress: Value,
    },
    /// Calls are about to be made; none leaves before this is safe.
    Intends {
        /// The calls, in words.
        calls: Vec<Call>,
        /// What changed of the progress since the last checkpoint or patch.
        progress: json_patch::Patch,
    },
    /// What changed of the progress, where no call is made.
    Progressed {
        /// As above.
        progress: json_patch::Patch,
    },
    /// A call was answered.
    Answered {
        /// Which.
        call: u64,
        /// Its answer in words: `accepted`, `gone`, `429 TooManyRequests: Cannot evict …`, `lost: …`.
        answer: String,
    },
    /// What happened, as a trace has it.
    Happened(Box<Event>),
    /// A line that the imitated command prints.
    Printed {
        /// Batch.
        batch: u32,
        /// Stream.
        stream: Stream,
        /// Text.
        text: String,
    },
    /// Something a person should know: what a program printed, when the API server is in trouble.
    Note {
        /// Text, without credentials.
        text: String,
    },
    /// Nothing is sent any more, for we lack rights; or (no reason) it goes on.
    Paused {
        /// What is refused, with which words.
        why: Option<String>,
    },
    /// Somebody approved a batch.
    Approved {
        /// Batch, counted from 0.
        batch: u32,
        /// Who.
        by: String,
    },
    /// Somebody asked for an orderly stop.
    StopAsked(StopMode),
    /// The process ends though the migration has not; it can be resumed.
    Interrupted {
        /// Why.
        why: String,
    },
    /// The migration is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// Why, unless it completed.
        failure: Option<Failure>,
    },
}

/// The first entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// [`JOURNAL_VERSION`].
    pub journal_version: u32,
    /// nodeferry's version.
    pub nodeferry: String,
    /// Name of the execution; holder of the Lease, mark of our cordons.
    pub execution: String,
    /// uid of the namespace kube-system: which cluster it is.
    pub cluster: String,
    /// Name of the context, for people; no credentials, no address.
    pub context: String,
    /// When, in milliseconds since 1970: `t_ms` counts from here.
    pub unix_ms: i64,
    /// SHA-256 of the plan's file, hexadecimal.
    pub plan_sha256: String,
    /// Names of variables that programs get of the environment, besides those that each gets (`--pass-env`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// The plan.
    pub plan: Plan,
}

/// A call in words that survive a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The runner's number of it.
    pub call: u64,
    /// `cordon`, `evict`, `delete-pod`, `retire`, `ensure`, ….
    pub what: String,
    /// Name of the object: `old-1`, `default/web-1`, a group's id.
    pub object: String,
    /// Its uid; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}
