//! Findings: what was noticed about a cluster or a plan, with a stable code and a remedy.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Makes the migration fail, or the input unusable.
    Error,
    /// May change the outcome, or is not modelled.
    Warning,
    /// Worth knowing.
    Info,
}

/// Something noticed; text, JSON and CSV are made from this one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Stable code, kebab-case (`budget-never-met`).
    pub code: String,
    /// `Kind/namespace/name` of the object, or of the kind or file it is about.
    pub object: String,
    /// What is so, and what it does to the run.
    pub message: String,
    /// What would lift it.
    pub remedy: String,
}

impl Finding {
    /// A finding from its parts.
    pub fn new(
        severity: Severity,
        code: impl Into<String>,
        object: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { severity, code: code.into(), object: object.into(), message: message.into(), remedy: remedy.into() }
    }
}
