//! The preflight as a document: every rule with its verdict, and what follows of all of them.

use super::known::Known;
use super::rules::{Fix, Ground, Judged, PreflightOptions, judge};
use crate::cluster::View;
use crate::plan::Verdict;
use crate::report::format::count;
use crate::report::table::{Align, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exit status where a rule fails: as of a migration that fails.
const FAILS: i32 = 3;
/// Exit status where no rule fails and some are unknown.
const UNKNOWN: i32 = 4;

/// What stands between a cluster and its migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preflight {
    /// `fail` if a rule fails, else `unknown` if one is unknown, else `pass`.
    pub verdict: Verdict,
    /// 0 if all rules pass, 3 if one fails, 4 if none fails and one is unknown.
    pub exit_status: i32,
    /// How many rules pass.
    pub passed: u32,
    /// How many fail.
    pub failed: u32,
    /// How many are unknown.
    pub unknown: u32,
    /// The rules, in the order of the documentation.
    pub rules: Vec<Judged>,
    /// SHA-256 of the dump.
    pub snapshot_sha256: String,
    /// Version of nodeferry.
    pub nodeferry: String,
}

impl Preflight {
    /// Judges a cluster.
    pub fn of(known: &Known, view: View<'_>, options: &PreflightOptions, snapshot_sha256: &str) -> Preflight {
        let rules = judge(&Ground { known, view, options });
        let of = |v: Verdict| rules.iter().filter(|r| r.verdict == v).count() as u32;
        let (failed, unknown) = (of(Verdict::Fail), of(Verdict::Unknown));
        let (verdict, exit_status) = match (failed, unknown) {
            (0, 0) => (Verdict::Pass, 0),
            (0, _) => (Verdict::Unknown, UNKNOWN),
            _ => (Verdict::Fail, FAILS),
        };
        Preflight {
            verdict,
            exit_status,
            passed: of(Verdict::Pass),
            failed,
            unknown,
            rules,
            snapshot_sha256: snapshot_sha256.to_owned(),
            nodeferry: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The verdict in a sentence.
    pub fn sentence(&self) -> String {
        let rules = |n: u32, does: &str, do_: &str| match n {
            1 => format!("1 rule {does}"),
            n => format!("{n} rules {do_}"),
        };
        match self.verdict {
            Verdict::Pass => format!("Preflight: pass. All {} pass.", count(self.rules.len() as u64, "rule")),
            Verdict::Unknown => format!(
                "Preflight: unknown. {} unknown, which is not a pass; {}.",
                rules(self.unknown, "is", "are"),
                rules(self.passed, "passes", "pass")
            ),
            Verdict::Fail => format!(
                "Preflight: fail. {}, {} unknown, {}.",
                rules(self.failed, "fails", "fail"),
                rules(self.unknown, "is", "are"),
                rules(self.passed, "passes", "pass")
            ),
        }
    }

    /// For people.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut table = Table::new(&[("RULE", Align::Left), ("VERDICT", Align::Left), ("FACT", Align::Left)]);
        for rule in &self.rules {
            table.row([rule.rule.clone(), rule.verdict.text().to_owned(), rule.fact.clone()]);
        }
        let mut text = format!("{}\n\n{}", self.sentence(), table.render(width));
        for (verdict, title) in [(Verdict::Fail, "Fails"), (Verdict::Unknown, "Unknown")] {
            let of = self.rules.iter().filter(|r| r.verdict == verdict).collect::<Vec<_>>();
            if !of.is_empty() {
                text.push_str(&format!("\n{title}:\n"));
            }
            for rule in of {
                text.push_str(&format!(
                    "  {}: {}\n    asked for: {} ({})\n",
                    rule.rule, rule.fact, rule.requirement, rule.source
                ));
                for by in &rule.stated_by {
                    text.push_str(&format!("    stated by: {by}\n"));
                }
                for fix in &rule.fixes {
                    text.push_str(&fix_text(fix, "    "));
                }
            }
        }
        text
    }
}

/// A fix in lines for people.
pub(super) fn fix_text(fix: &Fix, indent: &str) -> String {
    match fix {
        Fix::Command { text } => format!("{indent}fix: {text}\n"),
        Fix::Words { text } => format!("{indent}fix: {text}\n"),
        Fix::Document { what, text } => {
            let lines = text.lines().map(|l| format!("{indent}  {l}\n")).collect::<String>();
            format!("{indent}fix: {what}:\n{lines}")
        }
    }
}
