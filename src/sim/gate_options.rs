//! How long the gates between batches take in a simulation: a check, how often it fails, a person who approves.

use crate::cluster::{Delay, Finding, Severity};
use crate::intent::gates::Gates as Wanted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
