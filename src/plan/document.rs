//! The plan document: what is intended, for which cluster, and what was forecast.

use super::verdict::{replications_problem, require_problem};
use super::{Baseline, Forecast, SimulationSettings};
use crate::cluster::plain::plain;
use crate::intent::Intent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the plan's form; raised when an older reader would misread it.
///
/// 2: `simulation` stands beside the intent and holds the control plane too; what only a simulation is given (`stop_at_ms`, `order_seed`)
/// is no option of the intent; the forecast is typed.
pub const PLAN_VERSION: u32 = 2;

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
    /// The world that it was simulated in; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationSettings>,
    /// The cluster that it was made for.
    pub baseline: Baseline,
    /// What was predicted, for people and for comparison, never read back as an instruction; absent if it was not simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

impl Plan {
    /// A plan that was not simulated, with this program's version.
    pub fn new(intent: Intent, baseline: Baseline) -> Plan {
        Plan {
            plan_version: PLAN_VERSION,
            nodeferry: env!("CARGO_PKG_VERSION").into(),
            intent,
            simulation: None,
            baseline,
            forecast: None,
        }
    }

    /// The same with what a simulation of it gave.
    pub fn simulated(self, simulation: SimulationSettings, forecast: Forecast) -> Plan {
        Plan { simulation: Some(simulation), forecast: Some(forecast), ..self }
    }

    /// Reads a plan's text.
    ///
    /// # Errors
    /// Says where the text is no plan, or which version it has, which is understood, and how to make it again.
    pub fn parse(text: &str) -> Result<Plan, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("the plan is not JSON: {e}"))?;
        match value.get("plan_version").and_then(Value::as_u64) {
            Some(v) if v == u64::from(PLAN_VERSION) => {}
            Some(v) if v < u64::from(PLAN_VERSION) => return Err(older(v, &value)),
            Some(v) => {
                let by = value.get("nodeferry").and_then(Value::as_str).unwrap_or("a newer version");
                return Err(format!(
                    "plan_version is {v}; this nodeferry ({}) reads version {PLAN_VERSION}: use the nodeferry that wrote it ({by}), or make the plan again with this one",
                    env!("CARGO_PKG_VERSION")
                ));
            }
            None => {
                return Err(
                    "plan_version is missing: this is no plan of nodeferry's (see `nodeferry schema plan`)".into()
                );
            }
        }
        let plan: Plan =
            crate::typed::from_value(&value).map_err(|e| format!("plan, at {}: {}", e.path, plain(&e.what)))?;
        let problems = plan.problems();
        if !problems.is_empty() {
            return Err(format!("the plan was changed: {}", problems.join("; ")));
        }
        plan.intent.names_each_once().map(|()| plan)
    }

    /// What is out of range, in words; of a plan as it was written nothing is.
    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> =
            self.intent.options.problems().into_iter().map(|p| format!("intent.{p}")).collect();
        if let Some(settings) = &self.simulation {
            problems.extend(settings.sim.problems().into_iter().map(|p| format!("simulation.{p}")));
            problems.extend(settings.autoscaler.problems().into_iter().map(|p| format!("simulation.{p}")));
            let runs = replications_problem(settings.replications.max(1));
            problems.extend(runs.map(|p| format!("simulation.replications {p}")));
            let required = require_problem(settings.require_percent);
            problems.extend(required.map(|p| format!("simulation.require_percent: {p}")));
        }
        problems
    }
}

/// That a plan is of an older version, with the command that makes it again for the same nodes.
fn older(version: u64, plan: &Value) -> String {
    const NAMED: usize = 20;
    let batches = plan.pointer("/intent/batches").and_then(Value::as_array);
    let nodes = batches.into_iter().flatten().filter_map(Value::as_array).flatten();
    let names: Vec<&str> = nodes.filter_map(|n| n.get("name").and_then(Value::as_str)).collect();
    let choice = match names.len() {
        1..=NAMED => format!("--nodes {}", names.join(",")),
        _ => "--selector SELECTOR".to_owned(),
    };
    let procedure = plan.pointer("/intent/options/procedure").and_then(Value::as_str).unwrap_or("kubectl-drain");
    format!(
        "plan_version is {version}; this nodeferry ({}) reads version {PLAN_VERSION}: make the plan again with it, from a fresh dump and with the options that it had: nodeferry plan DUMP {choice} --procedure {procedure} --plan FILE",
        env!("CARGO_PKG_VERSION")
    )
}
