//! What is written down of an execution, a line of JSON each.

use crate::runner::Outcome;
use crate::trace::lines::{self, Form, Recorded};
use crate::transfer::ObjectId;
use crate::transfer::plan::{TransferPlan, WaveName};
use crate::transfer::simulate::Predicted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Form of the journal; raised when an older reader would misread it.
pub const JOURNAL_VERSION: u32 = 1;

/// A cluster, as an execution found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Where {
    /// Name of the context.
    pub context: String,
    /// uid of the namespace kube-system.
    pub cluster: String,
}

/// What an execution begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Began {
    /// [`JOURNAL_VERSION`].
    pub transfer_journal_version: u32,
    /// nodeferry's version.
    pub nodeferry: String,
    /// Name of the execution.
    pub execution: String,
    /// The cluster that workloads leave.
    pub source: Where,
    /// The cluster that they move to.
    pub target: Where,
    /// When, milliseconds since 1970.
    pub unix_ms: i64,
    /// SHA-256 of the plan's file.
    pub plan_sha256: String,
    /// Names of variables that programs get of the environment, besides those that each gets (`--pass-env`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// What stands in the places of commands.
    pub places: BTreeMap<String, String>,
    /// Gates that were approved beforehand, by name.
    pub approved: Vec<String>,
    /// What is predicted; null where it was not simulated.
    pub predicted: Option<Predicted>,
    /// The plan.
    pub plan: TransferPlan,
}

/// Something that happened. Moments are in milliseconds since the execution began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", content = "data", rename_all = "snake_case")]
pub enum Record {
    /// The first.
    Began(Box<Began>),
    /// Another process goes on.
    Resumed,
    /// A wave begins.
    WaveBegan {
        /// Which.
        wave: WaveName,
    },
    /// It ended.
    WaveEnded {
        /// Which.
        wave: WaveName,
    },
    /// A step is about to begin: nothing of it has had an effect yet.
    StepBegan {
        /// Its id.
        step: String,
    },
    /// Objects are about to be applied or restored, and these are there already: they are not taken back.
    Found {
        /// The step.
        step: String,
        /// Those that are there.
        objects: Vec<ObjectId>,
    },
    /// A command is about to be run. If nothing follows, nobody knows whether it was.
    CommandAnnounced {
        /// The step.
        step: String,
        /// Which of its commands, counted from 0.
        command: u32,
    },
    /// A command ended well.
    CommandRan {
        /// The step.
        step: String,
        /// Which of its commands, counted from 0.
        command: u32,
    },
    /// Something of Velero, or a workload, is in another state than before.
    Seen {
        /// The step.
        step: String,
        /// What (`Backup shop`).
        what: String,
        /// The phase, or figures (`2 of 3 pods ready`).
        state: String,
    },
    /// A gate is open.
    GateOpened {
        /// The step.
        step: String,
        /// Its name.
        gate: String,
    },
    /// Somebody approved it.
    Approved {
        /// Its name.
        gate: String,
        /// Who.
        by: String,
    },
    /// A step is done.
    StepDone {
        /// Its id.
        step: String,
        /// Figures of it (`objects`, `bytes`, `claims`).
        figures: BTreeMap<String, i64>,
    },
    /// A step failed.
    StepFailed {
        /// Its id.
        step: String,
        /// Code of the reason.
        reason: String,
        /// What happened.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// Failed steps are tried again, from this one on.
    Retried {
        /// The first step that is tried again.
        from: String,
    },
    /// Waves are taken back, the latest first, to before this one.
    RollbackBegan {
        /// The first wave that is taken back.
        wave: WaveName,
    },
    /// Something that a person should know.
    Note {
        /// What.
        text: String,
    },
    /// A stop was asked for.
    StopAsked,
    /// The process leaves before the end; it can be resumed.
    Interrupted {
        /// Why.
        why: String,
        /// What to do.
        remedy: String,
        /// The wait whose limit was reached, if that is why.
        limit: Option<String>,
    },
    /// The end.
    Ended {
        /// How.
        outcome: Outcome,
        /// What happened.
        message: String,
        /// What to do.
        remedy: String,
    },
}

/// A line of the journal.
pub type Entry = lines::Entry<Record>;

impl Recorded for Record {
    fn form(&self) -> Option<Form<'_>> {
        let Record::Began(began) = self else { return None };
        Some(Form {
            field: "transfer_journal_version",
            is: began.transfer_journal_version,
            known: JOURNAL_VERSION,
            by: &began.nodeferry,
        })
    }
}
