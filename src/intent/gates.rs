//! What must be so before a batch may start: a span of time, a check that succeeds, a person's approval.

use super::execution::LONGEST_MS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const fn half_minute() -> i64 {
    30_000
}

const fn minute() -> i64 {
    60_000
}

/// A program that must succeed before a batch may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckGate {
    /// Program and arguments; `{batch}` (counted from 0) is filled in. Exit status 0 opens the gate.
    pub command: Vec<String>,
    /// Run again after so long when it failed, in ms. Default 30 s.
    #[serde(default = "half_minute")]
    pub every_ms: i64,
    /// Killed after so long, in ms. Default 60 s.
    #[serde(default = "minute")]
    pub timeout_ms: i64,
    /// The migration ends if it has not succeeded within so long, in ms. Default 10 min.
    #[serde(default = "ten_minutes")]
    pub limit_ms: i64,
}

const fn ten_minutes() -> i64 {
    600_000
}

/// Which batches a person must approve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApproveWhen {
    /// The second batch: what follows the first, which a canary usually is.
    #[default]
    AfterFirst,
    /// Every batch but the first.
    EveryBatch,
}

/// A person must approve (`nodeferry approve`) before a batch may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalGate {
    /// Which batches.
    pub when: ApproveWhen,
    /// The migration ends if nobody has within so long, in ms; None to wait until the horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<i64>,
}

impl ApprovalGate {
    /// Whether a batch (counted from 0) needs it.
    pub fn concerns(&self, batch: u32) -> bool {
        match self.when {
            ApproveWhen::AfterFirst => batch == 1,
            ApproveWhen::EveryBatch => batch > 0,
        }
    }
}

/// What must be so between two batches, on top of soak, canary and windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// A program that must succeed before each batch but the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckGate>,
    /// A person's approval, asked for once the check has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalGate>,
}

impl Gates {
    /// What is out of range, in words; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(check) = &self.check {
            if check.command.first().is_none_or(String::is_empty) {
                problems.push("options.gates.check.command is empty; expected a program and its arguments".into());
            }
            let times = [("every_ms", check.every_ms), ("timeout_ms", check.timeout_ms), ("limit_ms", check.limit_ms)];
            for (name, ms) in times.into_iter().filter(|t| !(1..=LONGEST_MS).contains(&t.1)) {
                problems.push(format!(
                    "options.gates.check.{name} is {ms}; expected a time above 0 and of at most 30 days"
                ));
            }
        }
        if let Some(ms) = self.approval.and_then(|a| a.limit_ms).filter(|ms| !(1..=LONGEST_MS).contains(ms)) {
            problems.push(format!(
                "options.gates.approval.limit_ms is {ms}; expected a time above 0 and of at most 30 days, or none"
            ));
        }
        problems
    }
}

/// A span of time in which batches may start, in ms since the migration started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Opens.
    pub from_ms: i64,
    /// Closes; a batch under way goes on.
    pub to_ms: i64,
    /// Opens again every so many ms; None for once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<i64>,
}

impl Window {
    /// The earliest moment at or after `now` at which it is open.
    pub fn next_open(&self, now: i64) -> Option<i64> {
        if now < self.from_ms {
            return Some(self.from_ms);
        }
        match self.every_ms {
            Some(every) if every > 0 => {
                let into = (now - self.from_ms) % every;
                Some(if into < self.to_ms - self.from_ms { now } else { now - into + every })
            }
            _ => (now < self.to_ms).then_some(now),
        }
    }
}
