//! Findings of the analysis: what is tied to the source's cloud, by object and field, and what becomes of it.

use super::object::ObjectId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What has to happen about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The object does not work on the target as it is, and nothing here can change that: a question of the mapping is open, or there is no twin.
    Blocks,
    /// It is rewritten; `becomes` says how.
    Rewritten,
    /// Something has to be done outside of the manifests.
    ByHand,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// As it is shown.
    pub fn text(self) -> &'static str {
        match self {
            Severity::Blocks => "blocks",
            Severity::Rewritten => "rewritten",
            Severity::ByHand => "by hand",
            Severity::Note => "note",
        }
    }
}

/// Something found in an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferFinding {
    /// What has to happen.
    pub severity: Severity,
    /// Stable code, kebab-case (`transfer-image`); docs/transfer.md lists them.
    pub code: String,
    /// The object.
    pub object: ObjectId,
    /// The field (`spec.template.spec.containers[0].image`); empty where it is the object itself.
    pub field: String,
    /// What stands there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What it becomes; null where nothing is rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub becomes: Option<String>,
    /// What is so, and what it means on the target.
    pub message: String,
    /// What to do; empty where there is nothing to do.
    pub remedy: String,
    /// The question of the mapping that is open (`registries.…`), where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Where the object stands: file and line, or place in the dump.
    pub origin: String,
    /// Why it is taken as it is, where the mapping says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}
