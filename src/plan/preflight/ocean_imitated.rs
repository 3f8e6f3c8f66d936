//! Ocean's migration is imitated: its own controller is not asked.

use super::Facts;
use crate::cluster::{Finding, Severity};
use crate::intent::options::ProcedureKind;
use crate::plan::ocean_rules::chosen_options;

/// What is so, in one sentence; an execution says it too.
pub fn notice(procedure: ProcedureKind) -> String {
    format!(
        "{} imitates Ocean's migration through the Kubernetes eviction API; Ocean's own controller is not asked, and carries nothing out",
        procedure.name()
    )
}

/// See the module: said once in a plan.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let procedure = facts.options.procedure;
    if !procedure.is_ocean() {
        return Vec::new();
    }
    vec![Finding::new(
        Severity::Info,
        "ocean-imitated",
        format!("Procedure/{}", procedure.name()),
        format!(
            "{}. Where Ocean documents nothing the rule is chosen (C), and these change it: {}",
            notice(procedure),
            chosen_options().join(", ")
        ),
        "docs/ocean.md lists every rule, documented or chosen, with its option",
    )]
}
