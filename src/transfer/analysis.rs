//! The analysis as a document: everything found, what is open, and what is imported.

use super::finding::{Severity, TransferFinding};
use super::inventory::Inventory;
use super::mapping::Mapping;
use super::plan::{FindingSummary, InputDigest};
use super::rules::{self, Found, Ground};
use crate::report::format::count;
use crate::report::table::{Align, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Exit status where something blocks.
pub const BLOCKED: i32 = 3;

/// What the analysis says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Version of nodeferry.
    pub nodeferry: String,
    /// 0 if nothing blocks, 3 if something does that the mapping does not accept.
    pub exit_status: i32,
    /// What was read.
    pub inputs: Vec<InputDigest>,
    /// How many objects move.
    pub moving: u32,
    /// How many are left out, by why.
    pub left_out: BTreeMap<String, u32>,
    /// How many findings of each severity there are.
    pub counts: Counts,
    /// The findings, by severity, code, object and field.
    pub findings: Vec<TransferFinding>,
    /// Questions of the mapping that are open.
    pub questions: Vec<Question>,
    /// Images that are imported, as the source and the target name them.
    pub imports: Vec<ImageImport>,
    /// Keys of `accepted` in the mapping that no finding has.
    pub unused_acceptances: Vec<String>,
}

/// How many findings there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// That block and are not accepted.
    pub blocks: u32,
    /// That block and are accepted by the mapping.
    pub accepted: u32,
    /// That are rewritten.
    pub rewritten: u32,
    /// To be done by hand.
    pub by_hand: u32,
    /// Worth knowing.
    pub notes: u32,
}

/// A question of the mapping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Where its answer goes.
    pub path: String,
    /// What usually stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// What it is needed for, and how to get it.
    pub how: String,
    /// How many findings wait for it.
    pub findings: u32,
}

/// An image that is imported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageImport {
    /// As the source names it.
    pub from: String,
    /// As the target names it.
    pub to: String,
}

/// Everything found, with what it causes.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The findings with their changes.
    pub found: Vec<Found>,
    /// The document.
    pub analysis: Analysis,
}

/// Judges objects by the rules.
pub fn analyse(inventory: &Inventory, mapping: &Mapping) -> Judged {
    let ground = Ground { inventory, mapping };
    let mut found = rules::judge(&ground);
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for found in &mut found {
        let f = &mut found.finding;
        if f.severity != Severity::Blocks {
            continue;
        }
        let (of_object, of_field) =
            (format!("{} {}", f.code, f.object), format!("{} {} {}", f.code, f.object, f.field));
        let accepted = mapping.accepted.iter().find(|(key, _)| **key == of_object || **key == of_field);
        if let Some((key, why)) = accepted {
            used.insert(key);
            f.accepted = Some(why.clone());
        }
    }
    let findings: Vec<TransferFinding> = found.iter().map(|f| f.finding.clone()).collect();
    let counts = counts(&findings);
    let mut questions: BTreeMap<String, Question> = BTreeMap::new();
    for ask in found.iter().filter(|f| f.finding.accepted.is_none()).filter_map(|f| f.ask.as_ref()) {
        let path = ask.text();
        let question = questions.entry(path.clone()).or_insert_with(|| Question {
            path,
            suggestion: ask.suggestion.clone(),
            how: ask.how.clone(),
            findings: 0,
        });
        question.findings += 1;
    }
    let imports: BTreeSet<ImageImport> = findings
        .iter()
        .filter(|f| f.code == "transfer-image")
        .filter_map(|f| Some(ImageImport { from: f.was.clone()?, to: f.becomes.clone()? }))
        .collect();
    let left_out = rules::left_out(inventory).into_iter().map(|(why, n)| (why.to_owned(), n)).collect();
    let moving = inventory.items().filter(|i| rules::standing(i) == rules::Standing::Moves).count() as u32;
    let analysis = Analysis {
        nodeferry: env!("CARGO_PKG_VERSION").to_owned(),
        exit_status: if counts.blocks > 0 { BLOCKED } else { 0 },
        inputs: inventory.inputs.clone(),
        moving,
        left_out,
        counts,
        questions: questions.into_values().collect(),
        imports: imports.into_iter().collect(),
        unused_acceptances: mapping.accepted.keys().filter(|k| !used.contains(k.as_str())).cloned().collect(),
        findings,
    };
    Judged { found, analysis }
}

fn counts(findings: &[TransferFinding]) -> Counts {
    let mut counts = Counts::default();
    for f in findings {
        *match (f.severity, &f.accepted) {
            (Severity::Blocks, None) => &mut counts.blocks,
            (Severity::Blocks, Some(_)) => &mut counts.accepted,
            (Severity::Rewritten, _) => &mut counts.rewritten,
            (Severity::ByHand, _) => &mut counts.by_hand,
            (Severity::Note, _) => &mut counts.notes,
        } += 1;
    }
    counts
}

impl Analysis {
    /// What a plan keeps of it.
    pub fn summary(&self) -> FindingSummary {
        let of = |is: &dyn Fn(&&TransferFinding) -> bool| self.findings.iter().filter(is).cloned().collect();
        FindingSummary {
            blocks: self.counts.blocks,
            accepted: self.counts.accepted,
            rewritten: self.counts.rewritten,
            by_hand: self.counts.by_hand,
            notes: self.counts.notes,
            open: of(&|f| f.severity == Severity::Blocks && f.accepted.is_none()),
            to_do: of(&|f| f.severity == Severity::ByHand || f.accepted.is_some()),
        }
    }

    /// The result in a sentence.
    pub fn sentence(&self) -> String {
        let c = &self.counts;
        let head = match c.blocks {
            0 => "Nothing blocks".to_owned(),
            1 => "1 finding blocks".to_owned(),
            n => format!("{n} findings block"),
        };
        let accepted = if c.accepted > 0 { format!(" ({} accepted)", c.accepted) } else { String::new() };
        format!(
            "{head}{accepted}; {} rewritten, {} by hand, {}. {} {}.",
            c.rewritten,
            c.by_hand,
            count(u64::from(c.notes), "note"),
            count(u64::from(self.moving), "object"),
            if self.moving == 1 { "moves" } else { "move" }
        )
    }

    /// For people.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = format!("{}\n", self.sentence());
        for severity in [Severity::Blocks, Severity::Rewritten, Severity::ByHand, Severity::Note] {
            let findings: Vec<&TransferFinding> =
                self.findings.iter().filter(|f| f.severity == severity && f.accepted.is_none()).collect();
            if findings.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n{}:", heading(severity));
            let mut table = Table::new(&[
                ("CODE", Align::Left),
                ("OBJECT", Align::Left),
                ("FIELD", Align::Left),
                ("WHAT", Align::Left),
            ]);
            for f in &findings {
                table.row([f.code.as_str(), f.object.as_str(), f.field.as_str(), &what(f)]);
            }
            out.push_str(&table.render(width));
            let mut remedies: Vec<(&str, &str)> = findings
                .iter()
                .filter(|f| f.question.is_none())
                .map(|f| (f.code.as_str(), f.remedy.as_str()))
                .collect();
            remedies.retain(|(_, r)| !r.is_empty());
            remedies.sort_unstable();
            remedies.dedup();
            for (code, remedy) in remedies {
                let _ = writeln!(out, "  {code}: {remedy}");
            }
        }
        let accepted: Vec<&TransferFinding> = self.findings.iter().filter(|f| f.accepted.is_some()).collect();
        if !accepted.is_empty() {
            out.push_str("\nAccepted by the mapping:\n");
            for f in accepted {
                let _ = writeln!(out, "  {} {}: {}", f.code, f.object, f.accepted.as_deref().unwrap_or_default());
            }
        }
        if !self.questions.is_empty() {
            out.push_str("\nOpen questions of the mapping (analyse --write-mapping writes them into a file):\n");
            for q in &self.questions {
                let usual = q.suggestion.as_ref().map_or(String::new(), |s| format!(" (usually {s})"));
                let _ = writeln!(out, "  {}{usual}: {}", q.path, q.how);
            }
        }
        if !self.imports.is_empty() {
            out.push_str("\nImages to import:\n");
            self.imports.iter().for_each(|i| _ = writeln!(out, "  {} -> {}", i.from, i.to));
        }
        if !self.left_out.is_empty() {
            out.push_str("\nLeft out:\n");
            self.left_out.iter().for_each(|(why, n)| _ = writeln!(out, "  {}: {why}", count(u64::from(*n), "object")));
        }
        for key in &self.unused_acceptances {
            let _ = writeln!(
                out,
                "\naccepted[{key:?}] of the mapping matches no finding that blocks: is the code, the object or the field misspelt?"
            );
        }
        out
    }
}

fn heading(severity: Severity) -> &'static str {
    match severity {
        Severity::Blocks => "Blockers",
        Severity::Rewritten => "Rewritten",
        Severity::ByHand => "By hand",
        Severity::Note => "Notes",
    }
}

fn what(f: &TransferFinding) -> String {
    match (&f.was, &f.becomes) {
        (Some(was), Some(becomes)) => format!("{was} -> {becomes}: {}", f.message),
        (Some(was), None) => format!("{was}: {}", f.message),
        (None, Some(becomes)) => format!("-> {becomes}: {}", f.message),
        (None, None) => f.message.clone(),
    }
}
