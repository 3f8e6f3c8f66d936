//! Ocean's controller: there, ready, and of a version that can migrate.

use super::{Judgement, Rule, count, prerequisites_page};
use crate::cluster::Severity;
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;
use crate::runner::ocean::controller::{Controller, numbers, state};

/// See the module.
pub const RULE: Rule = Rule {
    name: "ocean-controller",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "Ocean Controller Version 2 installed in the cluster.",
        _ => "The Ocean Controller was installed and updated and runs in the cluster.",
    },
    source: prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let install = "Install Ocean's controller (Helm chart ocean-kubernetes-controller)";
    let oldest = facts.options.oldest_controller();
    match state(facts.view) {
        Controller::Unknown => Judgement::unknown(
            "the dump has no Deployments and no pod of Ocean's controller",
            "Add deployments and pods of all namespaces to the dump.",
        )
        .finding(Severity::Info, "ocean-controller-unknown", "Deployment/*"),
        Controller::Absent(n) => Judgement::fail(
            format!("the dump has {}, and none is Ocean's controller by name or image", count(n, "Deployment")),
            format!(
                "{install}; the prediction assumes that it runs when the migration starts (--controller-reports false predicts what comes without it)."
            ),
        )
        .finding(Severity::Error, "ocean-controller-absent", "Deployment/*"),
        Controller::NotReady(object, why) => Judgement::fail(
            format!("{} is not ready: {why}", lower_kind(&object)),
            "Repair the controller: Ocean ends a migration with \"connectivity issues\" if it does not report (--controller-reports true plans as if it did).",
        )
        .finding(Severity::Error, "ocean-controller-not-ready", object),
        Controller::Ready(object, Some(version)) | Controller::Unseen(object, Some(version))
            if numbers(&version) < numbers(oldest) =>
        {
            Judgement::fail(
                format!("{} is of version {version}; the migration needs {oldest} or newer", lower_kind(&object)),
                format!("{install}, and remove the old one."),
            )
            .finding(Severity::Error, "ocean-controller-old", object)
        }
        Controller::Unseen(object, _) => Judgement::unknown(
            format!("{} is there; without pods in the dump it cannot be seen whether it is ready", lower_kind(&object)),
            "Add pods of all namespaces to the dump.",
        )
        .finding(Severity::Info, "ocean-controller-unknown", object),
        Controller::Ready(object, None) if !oldest.is_empty() => Judgement::unknown(
            format!("{} is ready; its image does not show its version", lower_kind(&object)),
            format!("Make sure that its version is {oldest} or newer."),
        )
        .finding(Severity::Info, "ocean-controller-unknown", object),
        Controller::Ready(object, version) => {
            let version = version.map_or(String::new(), |v| format!(", version {v}"));
            Judgement::pass(format!("{} is ready{version}", lower_kind(&object)))
        }
    }
}

/// `Deployment a/b` for `Deployment/a/b`.
fn lower_kind(object: &str) -> String {
    object.replacen('/', " ", 1)
}
