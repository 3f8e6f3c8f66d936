//! How a plan touches the world outside of Kubernetes when it is carried out: where new machines come from and how old ones
//! are given back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How new nodes of a group come.
///
/// A command is a template: `{key}`, `{group}`, `{machine}`, `{zone}`, `{total}` and `{desired}` are filled in, in each argument by itself;
/// no shell is between. `{total}` is the absolute number of nodes wanted under `{key}`, `{desired}` the absolute size of the whole group that
/// follows from it, so that running it again launches nothing twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Provision {
    /// An autoscaler, Karpenter or a person brings them; nothing is asked of anybody. The deadline is the procedure's
    /// (`new_nodes_timeout_ms`; kubectl-drain: `settle_timeout_ms`).
    Wait,
    /// A program is run, again and again until they are there or the procedure's deadline has come.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Run again after so long, in ms. Default 30 s.
        #[serde(default = "half_minute")]
        every_ms: i64,
        /// Killed after so long, in ms. Default 60 s.
        #[serde(default = "minute")]
        timeout_ms: i64,
    },
}

/// How an old node of a group is given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Retirement {
    /// Its Node object is deleted, and nothing else: for static clusters. On a cloud the machine goes on running, and being billed.
    Node,
    /// Its Karpenter NodeClaim is deleted; Karpenter ends the machine and the Node object.
    Nodeclaim,
    /// A program gives the machine back and lowers the group's capacity; then the Node object is deleted if it is still there.
    ///
    /// `{node}`, `{provider_id}`, `{group}` and `{key}` are filled in. Exit status 0: the instance is gone; 75 (try again later): it is
    /// going, ask again; anything else is a refusal.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Run again after so long, in ms. Default 10 s.
        #[serde(default = "ten_seconds")]
        every_ms: i64,
        /// Killed after so long, in ms. Default 60 s.
        #[serde(default = "minute")]
        timeout_ms: i64,
    },
}

/// How the machine of an old node of a group is reimaged in place.
///
/// The program is filled in and answers as that of [`Retirement::Command`] does: exit status 0 once the machine runs its new image; 75 (try again
/// later): it is under way, ask again; anything else is a refusal. The node is awaited under its name. If its Node object is still the old one
/// then, it is made schedulable again; else the one that was registered in its place counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reimage {
    /// A program is run.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Run again after so long, in ms. Default 10 s.
        #[serde(default = "ten_seconds")]
        every_ms: i64,
        /// Killed after so long, in ms. Default 60 s.
        #[serde(default = "minute")]
        timeout_ms: i64,
    },
}

/// Longer than any span of an execution: 30 days. What is added to a moment must stay one.
pub(super) const LONGEST_MS: i64 = 30 * 86_400_000;

const fn ten_seconds() -> i64 {
    10_000
}
const fn half_minute() -> i64 {
    30_000
}
const fn minute() -> i64 {
    60_000
}

/// What touches the world outside when a plan is carried out. Keys are ids of groups; `*` stands for all that are not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutionOptions {
    /// How new nodes come. Default wait.
    pub provision: BTreeMap<String, Provision>,
    /// How old nodes are given back. No default: where a plan ends nodes it must be said, for a deleted Node object alone leaves a machine
    /// running.
    pub retire: BTreeMap<String, Retirement>,
    /// How the machines of old nodes are reimaged in place, for a plan that does so (surge, preset aks). No default: without it such a plan is
    /// refused.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reimage: BTreeMap<String, Reimage>,
    /// How long an execution that lacks rights (403 of the authorizer, 401) waits for them, sending nothing more, before it leaves to be
    /// resumed, in ms (C). Default 5 min.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights_timeout_ms: Option<i64>,
}

/// How long rights that are lacking are waited for where the plan does not say.
const RIGHTS_TIMEOUT_MS: i64 = 5 * 60_000;

impl ExecutionOptions {
    /// How new nodes of a group come.
    pub fn provision(&self, group: &str) -> Provision {
        self.provision.get(group).or_else(|| self.provision.get("*")).cloned().unwrap_or(Provision::Wait)
    }
    /// How an old node of a group (None: of no group) is given back, if that was said.
    pub fn retirement(&self, group: Option<&str>) -> Option<&Retirement> {
        group.and_then(|g| self.retire.get(g)).or_else(|| self.retire.get("*"))
    }
    /// How the machine of an old node of a group (None: of no group) is reimaged, if that was said.
    pub fn reimage(&self, group: Option<&str>) -> Option<&Reimage> {
        group.and_then(|g| self.reimage.get(g)).or_else(|| self.reimage.get("*"))
    }
    /// How long rights that are lacking are waited for.
    pub fn rights_timeout_ms(&self) -> i64 {
        self.rights_timeout_ms.unwrap_or(RIGHTS_TIMEOUT_MS)
    }

    /// What is out of range, in words; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(ms) = self.rights_timeout_ms.filter(|ms| !(0..=LONGEST_MS).contains(ms)) {
            problems.push(format!("options.execution.rights_timeout_ms is {ms}; expected 0 to 30 days"));
        }
        let mut check = |place: String, command: &[String], times: &[(&str, i64)]| {
            if command.first().is_none_or(String::is_empty) {
                problems.push(format!("{place}.command is empty; expected a program and its arguments"));
            }
            for (name, ms) in times.iter().filter(|t| !(1..=LONGEST_MS).contains(&t.1)) {
                problems.push(format!("{place}.{name} is {ms}; expected a time above 0 and of at most 30 days"));
            }
        };
        for (group, p) in &self.provision {
            if let Provision::Command { command, every_ms, timeout_ms } = p {
                check(
                    format!("options.execution.provision.{group}"),
                    command,
                    &[("every_ms", *every_ms), ("timeout_ms", *timeout_ms)],
                );
            }
        }
        for (group, r) in &self.retire {
            if let Retirement::Command { command, every_ms, timeout_ms } = r {
                check(
                    format!("options.execution.retire.{group}"),
                    command,
                    &[("every_ms", *every_ms), ("timeout_ms", *timeout_ms)],
                );
            }
        }
        for (group, Reimage::Command { command, every_ms, timeout_ms }) in &self.reimage {
            check(
                format!("options.execution.reimage.{group}"),
                command,
                &[("every_ms", *every_ms), ("timeout_ms", *timeout_ms)],
            );
        }
        problems
    }
}
