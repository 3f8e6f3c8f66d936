//! The one small trait behind which every procedure stands.

use super::client::Ask;
use super::context::Cx;
use super::interface::{Answer, CallId, Ms};
use super::kubectl_drain::KubectlDrain;
use super::ocean::Ocean;
use super::outcome::Failure;
use super::surge::Surge;
use crate::cluster::PodIdx;
use crate::intent::options::ProcedureKind;
use serde::{Deserialize, Serialize};

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
pub(crate) trait Procedure {
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

/// The procedure of the batch under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProcedureState {
    KubectlDrain(Box<KubectlDrain>),
    Ocean(Box<Ocean>),
    Surge(Box<Surge>),
}

impl ProcedureState {
    /// A procedure that has not begun.
    pub fn new(kind: ProcedureKind) -> ProcedureState {
        match kind {
            ProcedureKind::KubectlDrain => ProcedureState::KubectlDrain(Box::default()),
            ProcedureKind::OceanAws | ProcedureKind::OceanAzure => ProcedureState::Ocean(Box::default()),
            ProcedureKind::Surge => ProcedureState::Surge(Box::default()),
        }
    }
    /// The procedure itself.
    pub fn get(&mut self) -> &mut dyn Procedure {
        match self {
            ProcedureState::KubectlDrain(p) => &mut **p,
            ProcedureState::Ocean(p) => &mut **p,
            ProcedureState::Surge(p) => &mut **p,
        }
    }
    /// See [`Procedure::waits_for`].
    pub fn waits_for(&self, cx: &Cx<'_>) -> String {
        match self {
            ProcedureState::KubectlDrain(p) => p.waits_for(cx),
            ProcedureState::Ocean(p) => p.waits_for(cx),
            ProcedureState::Surge(p) => p.waits_for(cx),
        }
    }
    /// See [`Procedure::next_wakeup`].
    pub fn next_wakeup(&self, now: Ms) -> Option<Ms> {
        match self {
            ProcedureState::KubectlDrain(p) => p.next_wakeup(now),
            ProcedureState::Ocean(p) => p.next_wakeup(now),
            ProcedureState::Surge(p) => p.next_wakeup(now),
        }
    }
}
