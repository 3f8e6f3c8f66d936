//! A run against an API, still PURE: answers, watch events and timers in; requests and journal entries out.
//!
//! A [`Session`] drives the same [`crate::runner::Runner`] that the simulator drives. It keeps a mirror of the cluster,
//! turns the runner's calls into requests and their answers back, and lets a request that changes something leave only
//! after the entry that announces it is safe on disk.

pub mod api;
pub mod journal;

pub use api::{Exchange, Input, Method, Output, Program, Request, RequestId, Resource, Response, WatchEvent};
pub use journal::{Began, Entry, Record};

use crate::runner::{Failure, Ms, Outcome, Progress, StopMode};

/// What a session is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The first entry of its journal: plan, cluster, name of the execution, beginning.
    pub began: Began,
    /// Objects of the cluster that are not followed but that the plan's packing needs: storage classes, volumes, custom owners.
    pub background: Vec<serde_json::Value>,
    /// Namespace of the Lease.
    pub namespace: String,
    /// What a journal says of an execution that goes on; None for one that begins.
    pub resumed: Option<Resumed>,
    /// Objects of one page of a list.
    pub page: u32,
}

/// What a journal says of an execution, all entries folded.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// Sequence number of the next entry.
    pub next_seq: u64,
    /// The runner's progress; None if the process died before it had begun.
    pub progress: Option<Progress>,
    /// Time of the latest entry.
    pub t_ms: Ms,
    /// Batches that were approved, and by whom.
    pub approved: std::collections::BTreeMap<u32, String>,
    /// The latest orderly stop that was asked for; the progress may not know of it yet.
    pub stop: Option<StopMode>,
    /// How it ended, if it did: nothing is left to do.
    pub ended: Option<(Outcome, Option<Failure>)>,
}

/// How a session is over.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The migration is over.
    Finished(Outcome, Option<Failure>),
    /// It cannot begin or go on: what, why and what to do. Nothing was changed by this process.
    Refused(String),
    /// It was interrupted, and can be resumed.
    Interrupted(String),
}

/// An execution of a plan against an API.
#[derive(Debug)]
pub struct Session {
    end: Option<End>,
}

impl Session {
    /// A session that has not begun; it begins at the first input (a [`Input::Tick`]).
    pub fn new(_setup: Setup) -> Session {
        Session { end: None }
    }
    /// Takes an input at `now` (ms since the execution began; never goes back) and puts out what is to be done, in order.
    pub fn handle(&mut self, _now: Ms, _input: Input, _out: &mut Vec<Output>) {}
    /// When the driver must call again at the latest.
    pub fn next_wakeup(&self) -> Option<Ms> {
        None
    }
    /// How it is over; the driver performs what is still in the outbox, then leaves.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
}
