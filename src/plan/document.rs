//! The plan document: what is intended, upon which cluster, and what was forecast.

use crate::intent::Intent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the plan's form; raised when an older reader would misread it.
pub const PLAN_VERSION: u32 = 1;

/// A plan: readable in a review, stable in a diff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub plan_version: u32,
    /// Version of nodeferry that wrote it.
    pub nodeferry: String,
    /// What to do.
    pub intent: Intent,
    /// What it was made upon.
    pub baseline: super::baseline::Baseline,
    /// What was predicted, for people and for comparison; never read back as an instruction.
    pub forecast: serde_json::Value,
}

impl Plan {
    /// A plan from its parts, with this program's version.
    pub fn new(intent: Intent, baseline: super::baseline::Baseline, forecast: serde_json::Value) -> Plan {
        Plan { plan_version: PLAN_VERSION, nodeferry: env!("CARGO_PKG_VERSION").into(), intent, baseline, forecast }
    }
    /// Reads a plan's text.
    ///
    /// # Errors
    /// Says where the text is no plan, or which version it has and which is understood.
    pub fn parse(text: &str) -> Result<Plan, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("the plan is not JSON: {e}"))?;
        match value.get("plan_version").and_then(serde_json::Value::as_u64) {
            Some(v) if v == u64::from(PLAN_VERSION) => {}
            Some(v) => {
                return Err(format!(
                    "plan_version is {v}; this nodeferry understands {PLAN_VERSION}: plan again with it"
                ));
            }
            None => {
                return Err(
                    "plan_version is missing: this is no plan of nodeferry's (see `nodeferry schema plan`)".into()
                );
            }
        }
        let plan: Plan =
            serde_path_to_error::deserialize(value).map_err(|e| format!("plan, at {}: {}", e.path(), e.inner()))?;
        plan.intent.names_each_once().map(|()| plan)
    }
}
