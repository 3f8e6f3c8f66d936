//! A transfer as it is asked for: its plan, and what is known of the clusters.

use super::input::{InputError, request_of_scenario};
use super::plan::Request;
use super::scenario::Scenario;
use crate::experiment::Experiment;
use crate::sim::SiteSpec;
use crate::transfer::TransferPlan;
use crate::transfer::simulate::{Ground, TransferResult, TransferSimOptions, simulate};
use serde_json::Value;
use std::collections::BTreeSet;

/// Why it cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The target's cluster.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The plan.
    #[error("{0}")]
    Plan(String),
}

/// A transfer that is asked for.
pub struct TransferRequest {
    plan: TransferPlan,
    target: Option<Experiment>,
    classes: Option<BTreeSet<String>>,
    source: Vec<Value>,
}

impl TransferRequest {
    /// Of a plan; with the target's cluster, if its dump is given, and objects of the source, for templates of pods that the plan does not hold.
    pub fn new(plan: TransferPlan, target: Option<Request>, source: Vec<Value>) -> TransferRequest {
        let mut classes = None;
        let target = target.map(|request| {
            let catalog = &request.cluster.catalog;
            classes = Some(catalog.classes.iter().map(|c| catalog.text(c.name).to_owned()).collect());
            let Request { cluster, measured, admission, sim, autoscaler, scheduler, .. } = request;
            let mut site = SiteSpec::new(cluster, [], sim, &measured, autoscaler, scheduler);
            site.admission = admission;
            Experiment::of_cluster(site)
        });
        TransferRequest { plan, target, classes, source }
    }

    /// Of a scenario, whose cluster is the target.
    ///
    /// # Errors
    /// It has no `transfer`, its plan is none, or its cluster cannot be read.
    pub fn of_scenario(scenario: &Scenario) -> Result<(TransferRequest, TransferSimOptions), TransferError> {
        let Some(transfer) = &scenario.transfer else {
            return Err(TransferError::Plan(format!(
                "scenario {:?} has no `transfer`: add it (plan, simulation; see `nodeferry schema scenario`)",
                scenario.scenario
            )));
        };
        let at = transfer.plan.display();
        let text = std::fs::read_to_string(&transfer.plan)
            .map_err(|e| TransferError::Plan(format!("transfer.plan {at}: cannot be read: {e}")))?;
        let plan = TransferPlan::parse(&text).map_err(|e| TransferError::Plan(format!("transfer.plan {at}: {e}")))?;
        let unknown = transfer.simulation.unknown(&plan);
        if !unknown.is_empty() {
            return Err(TransferError::Plan(format!("transfer.simulation.{}", unknown.join("; "))));
        }
        let target = request_of_scenario(scenario, false)?;
        let known = !super::input::is_empty(&target.cluster);
        Ok((TransferRequest::new(plan, known.then_some(target), Vec::new()), transfer.simulation.clone()))
    }

    /// Its plan.
    pub fn plan(&self) -> &TransferPlan {
        &self.plan
    }

    /// Simulates it.
    pub fn simulate(&self, options: &TransferSimOptions) -> TransferResult {
        let ground =
            Ground { target: self.target.as_ref(), target_classes: self.classes.as_ref(), source: &self.source };
        simulate(&self.plan, ground, options)
    }
}
