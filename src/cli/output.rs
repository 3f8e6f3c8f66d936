//! How commands print: as text for people or as JSON.

use crate::cluster::{Finding, Severity};
use crate::report::FindingRow;
use clap::ValueEnum;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

/// A finding as files show it.
pub(super) fn finding_row(f: &Finding) -> FindingRow {
    FindingRow {
        code: f.code.clone(),
        severity: severity(f).to_owned(),
        object: f.object.clone(),
        message: f.message.clone(),
        remedy: f.remedy.clone(),
    }
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
