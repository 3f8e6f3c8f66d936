//! What must still be so when a plan is carried out.

use crate::cluster::Finding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must still be so when the plan is carried out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Codes of findings that were accepted when the plan was made; a new one stops the execution.
    pub accepted_findings: Vec<String>,
    /// How many pods may have come or gone since, in percent.
    pub pod_drift_percent: u32,
}

impl Guards {
    /// Guards that accept these findings.
    pub fn accepting(findings: &[Finding]) -> Guards {
        let mut accepted: Vec<String> = findings.iter().map(|f| f.code.clone()).collect();
        accepted.sort();
        accepted.dedup();
        Guards { accepted_findings: accepted, pod_drift_percent: 20 }
    }
}
