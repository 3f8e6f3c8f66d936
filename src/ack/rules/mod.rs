//! What has to be so before the control plane is swapped: each rule with the sentence that it stands for, its verdict and its fix.
//!
//! What nobody knows is `unknown`, and never passes. What is chosen where the documentation is silent is marked (C).

mod acknowledged;
mod api_server;
mod bucket;
mod cluster;
mod masters;
mod policy;

use super::facts::{AckFacts, FactInfo};
use super::known::Known;
use crate::cluster::View;
use crate::plan::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use api_server::{SLB_SPECIFICATIONS, SlbClass};
pub use masters::tmp_needed_bytes;
pub use policy::{POLICY_RULE, statement_text};

/// What the rules look at.
pub struct Ground<'a> {
    /// What is known.
    pub known: &'a Known,
    /// The cluster of the dump.
    pub view: View<'a>,
    /// Parameters of the rules.
    pub options: &'a PreflightOptions,
}

impl<'a> Ground<'a> {
    fn facts(&self) -> &'a AckFacts {
        &self.known.facts
    }
}

/// Parameters of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreflightOptions {
    /// The oldest Kubernetes that is migrated. Default 1.16 (the documentation of 2021); newer pages say 1.18.
    pub oldest_kubernetes: String,
}

impl Default for PreflightOptions {
    fn default() -> Self {
        PreflightOptions { oldest_kubernetes: "1.16".to_owned() }
    }
}

/// How something is fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fix {
    /// By a command, ready to be pasted but for what stands in angle brackets.
    Command {
        /// The command.
        text: String,
    },
    /// By a document, ready to be pasted.
    Document {
        /// What it is and where it goes.
        what: String,
        /// The document.
        text: String,
    },
    /// By something that no command does.
    Words {
        /// What to do.
        text: String,
    },
}

impl Fix {
    fn command(text: impl Into<String>) -> Fix {
        Fix::Command { text: text.into() }
    }

    fn document(what: impl Into<String>, text: impl Into<String>) -> Fix {
        Fix::Document { what: what.into(), text: text.into() }
    }

    fn words(text: impl Into<String>) -> Fix {
        Fix::Words { text: text.into() }
    }
}

/// What a rule makes of a cluster.
#[derive(Clone, Debug)]
pub struct Judgement {
    verdict: Verdict,
    fact: String,
    /// Who states it: files with places, or the dump.
    sources: Vec<String>,
    fixes: Vec<Fix>,
}

impl Judgement {
    fn of(verdict: Verdict, fact: impl Into<String>) -> Judgement {
        Judgement { verdict, fact: fact.into(), sources: Vec::new(), fixes: Vec::new() }
    }

    fn pass(fact: impl Into<String>) -> Judgement {
        Judgement::of(Verdict::Pass, fact)
    }

    fn fail(fact: impl Into<String>) -> Judgement {
        Judgement::of(Verdict::Fail, fact)
    }

    fn unknown(fact: impl Into<String>) -> Judgement {
        Judgement::of(Verdict::Unknown, fact)
    }

    /// A fact of this place is not known: what it is needed for, and how to get it.
    fn not_stated(place: &str) -> Judgement {
        Judgement::unknown(format!("{place} is not stated")).get(place)
    }

    /// How to get the fact of a place (its form in [`super::facts::FACTS`]).
    fn get(self, path: &str) -> Judgement {
        let Some(info) = FactInfo::of(path) else { return self };
        let is_command = info.how.starts_with("aliyun ") || info.how.starts_with("kubectl ");
        self.fix(if is_command { Fix::command(info.how) } else { Fix::words(info.how) })
    }

    fn fix(mut self, fix: Fix) -> Judgement {
        self.fixes.push(fix);
        self
    }

    fn stated_by(mut self, known: &Known, place: &[&str]) -> Judgement {
        self.sources.extend(known.source(place).map(str::to_owned));
        self
    }

    fn seen_in_dump(mut self) -> Judgement {
        self.sources.push("the dump".to_owned());
        self
    }
}

/// A rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Stable code.
    pub code: &'static str,
    /// What has to be so.
    pub requirement: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// Facts that it needs, by their place in the facts file; empty for what only the dump shows.
    pub needs: &'static [&'static str],
    /// The dump shows it, or part of it.
    pub in_dump: bool,
    judge: fn(&Ground<'_>) -> Judgement,
}

/// The page of the migration.
const PAGE: &str = "Hot migration from dedicated to professional managed clusters";
/// Its newer edition.
const NEWER_PAGE: &str = "Hot migration to ACK Pro clusters (2025)";
/// The procedure that the vendor's orchestration service publishes.
const PROCEDURE: &str = "published procedure (OOS template of the migration)";

/// All rules, in the order of the documentation.
pub const RULES: &[Rule] = &[
    cluster::KIND,
    cluster::STATE,
    cluster::ID,
    masters::CLOUD_ASSISTANT,
    api_server::INTERNAL_SLB,
    masters::SYSTEM_PODS,
    masters::USER_PODS,
    bucket::EXISTS,
    bucket::REGION,
    bucket::HOTLINK,
    policy::RULE,
    cluster::ALLOW_LIST,
    cluster::VERSION,
    cluster::TIME_ZONE,
    api_server::PUBLIC_SLB,
    masters::TMP_ROOM,
    masters::ETCD_CERTIFICATES,
    cluster::CHECK,
    acknowledged::CGPU,
    acknowledged::MASTERS_UNKNOWN,
    acknowledged::NO_ROLLBACK,
    acknowledged::NO_NEW_DEDICATED,
    acknowledged::MACHINES_BILLED,
    acknowledged::SIGNING_KEYS,
];

/// A rule's verdict on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Stable code of the rule.
    pub rule: String,
    /// What has to be so.
    pub requirement: String,
    /// Who says so.
    pub source: String,
    /// Whether it is so.
    pub verdict: Verdict,
    /// What is known.
    pub fact: String,
    /// Who states it: file and place, or the dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stated_by: Vec<String>,
    /// What fixes it, or makes it known; empty where it passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// Judges every rule.
pub fn judge(ground: &Ground<'_>) -> Vec<Judged> {
    let of = |rule: &Rule| {
        let j = (rule.judge)(ground);
        Judged {
            rule: rule.code.to_owned(),
            requirement: rule.requirement.to_owned(),
            source: rule.source.to_owned(),
            verdict: j.verdict,
            fact: j.fact,
            stated_by: j.sources,
            fixes: if j.verdict == Verdict::Pass { Vec::new() } else { j.fixes },
        }
    };
    RULES.iter().map(of).collect()
}

/// The rules as a table in Markdown: a part of docs/ack.md is made of it.
pub fn markdown() -> String {
    let mut text = "| rule | what has to be so | who says so | the fact |\n|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let mut from: Vec<String> = rule.needs.iter().map(|n| format!("`{n}`")).collect();
        if rule.in_dump {
            from.push("the dump".to_owned());
        }
        text.push_str(&format!("| `{}` | {} | {} | {} |\n", rule.code, rule.requirement, rule.source, from.join(", ")));
    }
    text
}

/// Some of a list, and how many more there are.
fn some(list: &[String]) -> String {
    const MOST: usize = 5;
    let shown = list.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
