//! What is written down of an execution, a line of JSON each.

use super::comparison::Comparison;
use super::task::TaskState;
use crate::ack::plan::AckPlan;
use crate::ack::simulate::AckSimOptions;
use crate::plan::verdict::Percentiles;
use crate::runner::Outcome;
use crate::trace::lines::{self, Form, Recorded};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Form of the journal; raised when an older reader would misread it.
pub const JOURNAL_VERSION: u32 = 1;

/// How long each wait may take, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Until the migration is begun.
    pub gate_ms: i64,
    /// From its beginning until the API server goes away.
    pub begin_ms: i64,
    /// Until the API server is back: the limits of all steps and the life of the signed URL.
    pub away_ms: i64,
    /// Until the cluster can be read again.
    pub prove_ms: i64,
    /// Until everything stands as before and the masters are Unknown.
    pub settle_ms: i64,
    /// Until a master is deleted.
    pub delete_ms: i64,
    /// Nothing has changed for so long: all is quiet.
    pub quiet_ms: i64,
}

impl Limits {
    /// Those of a plan, with what is ours where nothing is published (C).
    pub fn of(plan: &AckPlan) -> Limits {
        Limits {
            gate_ms: 24 * 3_600_000,
            begin_ms: 15 * 60_000,
            away_ms: plan.cut_over.until_cut_over_ms.saturating_add(plan.cut_over.signed_url_ms),
            prove_ms: 10 * 60_000,
            settle_ms: 30 * 60_000,
            delete_ms: 2 * 60_000,
            quiet_ms: 15_000,
        }
    }
}

/// What an execution begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Began {
    /// [`JOURNAL_VERSION`].
    pub ack_journal_version: u32,
    /// nodeferry's version.
    pub nodeferry: String,
    /// Name of the execution.
    pub execution: String,
    /// uid of the namespace kube-system.
    pub cluster: String,
    /// Name of the context.
    pub context: String,
    /// When, milliseconds since 1970.
    pub unix_ms: i64,
    /// SHA-256 of the plan's file.
    pub plan_sha256: String,
    /// Names of variables that programs get of the environment, besides those that each gets (`--pass-env`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// The command that begins the migration, in words; empty: the console does.
    pub begin: Vec<String>,
    /// The command that says how its task stands, in words; empty: nobody asks.
    pub poll: Vec<String>,
    /// Rules that are open and were accepted.
    pub accepted: Vec<String>,
    /// Limits of all waits.
    pub limits: Limits,
    /// Parameters of the simulation that predicts the outage.
    pub simulation: AckSimOptions,
    /// The plan.
    pub plan: AckPlan,
}

/// What is predicted from the state before the cut-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// Runs.
    pub runs: u32,
    /// How long the API server is away, milliseconds.
    pub outage_ms: Percentiles<i64>,
    /// From its return until all is quiet.
    pub rush_ms: Percentiles<i64>,
    /// From the first step until all is quiet.
    pub quiet_ms: Percentiles<i64>,
}

/// Something that happened. Moments are in milliseconds since the execution began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", content = "data", rename_all = "snake_case")]
pub enum Record {
    /// The first.
    Began(Box<Began>),
    /// Another process goes on.
    Resumed,
    /// The drain of the masters begins; its own journal is in `drain`.
    DrainBegan,
    /// It ended.
    DrainEnded {
        /// How.
        outcome: Outcome,
        /// Why, unless it completed.
        why: String,
    },
    /// What is predicted from here on; null where the plan has no simulation.
    Predicted(Option<Predicted>),
    /// What there is before the cut-over; `inventory.json` has it all.
    Inventoried {
        /// Objects of each kind.
        counts: BTreeMap<String, usize>,
        /// Kinds that could not be read.
        left_out: Vec<String>,
    },
    /// The gate is open: whoever begins the migration may do so.
    GateOpened,
    /// The command that begins the migration is about to be run. If nothing follows, nobody knows whether it was.
    BeginAnnounced,
    /// It ended well.
    Begun {
        /// Id of its task, where it named one.
        task_id: Option<String>,
    },
    /// It failed.
    BeginFailed {
        /// Exit status; null if it was killed or could not be run.
        code: Option<i32>,
        /// What is known; without what it printed.
        why: String,
    },
    /// What the task says, when it says something else than before.
    Task(TaskState),
    /// The API server is away.
    Away {
        /// Since when.
        since_ms: i64,
        /// The process saw it go: the moment is exact.
        seen: bool,
    },
    /// It is back.
    Back {
        /// Since when.
        since_ms: i64,
        /// The process saw it come: the moment is exact.
        seen: bool,
    },
    /// It is the same cluster with the same objects.
    Proved(Comparison),
    /// It is not.
    Differs(Comparison),
    /// All masters are Unknown.
    MastersUnknown {
        /// Since when it was seen.
        since_ms: i64,
    },
    /// All stands as before, and nothing changes any more.
    Settled {
        /// When the last change was seen.
        last_change_ms: i64,
        /// One process watched from the return of the API server on: the moment is exact.
        watched: bool,
        /// Nodes that were there before and are gone, masters aside.
        nodes_gone: Vec<String>,
    },
    /// A master is about to be deleted.
    DeleteAnnounced {
        /// Name.
        node: String,
        /// uid.
        uid: String,
    },
    /// It is gone.
    Deleted {
        /// Name.
        node: String,
    },
    /// It is kept.
    Kept {
        /// Name.
        node: String,
        /// Why.
        why: String,
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
        /// Code of the reason, unless it completed or was stopped.
        reason: Option<String>,
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
            field: "ack_journal_version",
            is: began.ack_journal_version,
            known: JOURNAL_VERSION,
            by: &began.nodeferry,
        })
    }
}
