//! The one small trait behind which every procedure runs, and the words that it may have.

use super::client::Ask;
use super::context::Cx;
use super::interface::{Answer, CallId, Ms};
use super::outcome::{Failure, Reason};
use super::stand::{Doing, NodeIs, PoolIs};
use crate::cluster::PodIdx;
use crate::intent::Options;
use crate::intent::options::ProcedureKind;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// Go on with the next batch (if this one is not the last). The exit status is the imitated command's.
    Next { exit: Option<i32>, failure: Option<Failure> },
    /// The migration ends here.
    Abort { exit: Option<i32>, failure: Failure },
    /// It was stopped as asked.
    Stopped { failure: Option<Failure> },
}

/// How a batch goes: a state machine that is fed and then asked for its end.
pub(crate) trait BatchRun {
    /// The imitated system's words.
    fn words(_: ProcedureKind) -> Words
    where
        Self: Sized,
    {
        Words::NONE
    }

    /// The batch begins.
    fn begin(&mut self, cx: &mut Cx<'_>);
    /// What became of a call of this batch.
    fn answer(&mut self, cx: &mut Cx<'_>, id: CallId, ask: Ask, answer: Answer);
    /// A pod changed.
    fn pod_changed(&mut self, _cx: &mut Cx<'_>, _pod: PodIdx) {}
    /// A node came, went or changed.
    fn node_changed(&mut self) {}
    /// The run was resumed over a fresh list, whose changes nobody told.
    fn resumed(&mut self, _cx: &mut Cx<'_>) {}
    /// Goes as far as it can at this moment; Some once the batch has ended. Called after every input.
    fn step(&mut self, cx: &mut Cx<'_>) -> Option<End>;
    /// What it waits for at this moment, with the objects concerned; empty if it has nothing to say beyond what the runner knows.
    fn waits_for(&self, _cx: &Cx<'_>) -> String {
        String::new()
    }
    /// When it must be stepped at the latest, if nothing else happens.
    fn next_wakeup(&self, cx_now: Ms) -> Option<Ms>;
}

/// The imitated system's own words; None for what it has no published word for.
pub(crate) struct Words {
    /// What its API says of a migration.
    pub doing: fn(Doing) -> Option<&'static str>,
    /// What it says of an old node.
    pub node: fn(NodeIs) -> Option<&'static str>,
    /// What it says of new nodes of a group.
    pub pool: fn(PoolIs) -> Option<&'static str>,
    /// The kinds of a node's pods: without a controller, and any other.
    pub pod_kinds: Option<[&'static str; 2]>,
    /// How it words a failure.
    pub message: fn(Reason, &Options) -> Option<Cow<'static, str>>,
    /// What its documentation advises.
    pub advice: fn(Reason) -> Option<&'static str>,
}

impl Words {
    /// Those of a system that publishes none.
    pub const NONE: Words = Words {
        doing: |_| None,
        node: |_| None,
        pool: |_| None,
        pod_kinds: None,
        message: |_, _| None,
        advice: |_| None,
    };
}
