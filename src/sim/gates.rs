//! The gates between batches in a simulation: how long a check runs and how often it fails, how long a person takes.

use super::ctx::Ctx;
use super::event::Timer;
use crate::cluster::{Delay, Finding, Severity};
use crate::intent::gates::Gates as Wanted;
use crate::runner::Answer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Default time that a check runs.
pub const DEFAULT_CHECK: Delay = Delay::Constant { ms: 1_000 };

/// How long the gates between batches take in a simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GateOptions {
    /// A check runs so long. Default 1 s.
    pub check: Option<Delay>,
    /// So many times a check fails before it succeeds, before each batch anew. Default 0.
    pub check_failures: u32,
    /// Somebody approves so long after being asked. Default at once, which a finding says.
    pub approval: Option<Delay>,
}

impl GateOptions {
    /// Whether nothing was said.
    pub fn is_default(&self) -> bool {
        *self == GateOptions::default()
    }
    /// What is out of range, in words; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let own = [("check", &self.check), ("approval", &self.approval)];
        let problem = |(name, delay): (&str, &Option<Delay>)| {
            delay.as_ref().and_then(Delay::problem).map(|p| format!("sim.gates.{name}: {p}"))
        };
        own.into_iter().filter_map(problem).collect()
    }
    /// What a forecast assumes of the gates that a plan wants.
    pub fn findings(&self, wanted: &Wanted) -> Vec<Finding> {
        let mut findings = Vec::new();
        if wanted.check.is_some() && self.check.is_none() {
            findings.push(Finding::new(
                Severity::Info,
                "check-time-assumed",
                "Gate/check",
                "each check is assumed to run 1 s and to succeed",
                "set sim.gates.check and sim.gates.check_failures in a scenario if you know better",
            ));
        }
        if wanted.approval.is_some() && self.approval.is_none() {
            findings.push(Finding::new(
                Severity::Info,
                "approval-not-counted",
                "Gate/approval",
                "the time until somebody approves is not counted: the forecast takes every approval as given at once",
                "set sim.gates.approval in a scenario to count it",
            ));
        }
        findings
    }
}

/// Checks that run and approvals that are waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates {
    /// Checks begun, by batch.
    begun: BTreeMap<u32, u32>,
    /// How each call under way will be answered.
    answers: BTreeMap<u64, Answer>,
}

impl Gates {
    /// A check begins to run, or somebody is asked for an approval.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>, id: u64, batch: u32, check: bool) {
        let options = &ctx.options.gates;
        let key = format!("batch-{batch}");
        let (delay, purpose, nth) = match check {
            true => {
                let begun = self.begun.entry(batch).or_default();
                *begun += 1;
                (options.check.as_ref().unwrap_or(&DEFAULT_CHECK), "gate-check", *begun - 1)
            }
            false => (options.approval.as_ref().unwrap_or(&Delay::Constant { ms: 0 }), "gate-approval", 0),
        };
        let ms = delay.sample(ctx.draws.u64(&key, purpose, u64::from(nth)));
        let fails = check && nth < options.check_failures;
        self.answers.insert(id, if fails { failed(nth + 1) } else { Answer::Accepted });
        ctx.after(ms, Timer::Gate(id));
    }
    /// How a call is answered whose time has come.
    pub fn answer(&mut self, id: u64) -> Answer {
        self.answers.remove(&id).unwrap_or(Answer::Unknown)
    }
}

fn failed(nth: u32) -> Answer {
    Answer::Refused {
        code: 1,
        reason: "CheckFailed".into(),
        cause: String::new(),
        message: format!("exit status 1 (simulated failure {nth})"),
        retry_after_ms: None,
    }
}
