//! Ocean's controller: there, ready, and of a version that can migrate.
//!
//! Two generations are about: the first is the Deployment `spotinst-kubernetes-cluster-controller` with the image
//! `spotinst/kubernetes-cluster-controller`, the second that of the Helm chart `ocean-kubernetes-controller`, whose full name has the
//! release's name in front (`ocean-controller-ocean-kubernetes-controller`), with the image `…/spotinst-kubernetes-controller:v2…`.

use super::components::{Candidate, Component, Health, find, image_name};
use super::{Judgement, Rule, count, prerequisites_page};
use crate::cluster::{Severity, View};
use crate::plan::options::{Options, ProcedureKind};
use crate::plan::preflight::Facts;

/// Names of the controller's Deployment; a Helm release's name may stand in front.
const NAMES: &[&str] = &[
    "spotinst-kubernetes-cluster-controller",
    "spotinst-kubernetes-controller",
    "ocean-kubernetes-controller",
    "ocean-controller",
];

/// Names of its image.
const IMAGES: &[&str] = &[
    "kubernetes-cluster-controller",
    "spotinst-kubernetes-cluster-controller",
    "spotinst-kubernetes-controller",
    "ocean-kubernetes-controller",
    "ocean-controller",
];

/// See the module.
pub const RULE: Rule = Rule {
    name: "ocean-controller",
    requirement: |procedure| match procedure {
        ProcedureKind::OceanAws => "Ocean Controller Version 2 installed in the cluster.",
        _ => "The Ocean Controller was installed and updated and runs in the cluster.",
    },
    source: prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn is_controller(candidate: &Candidate<'_>) -> bool {
    let named =
        |text: &str| NAMES.iter().any(|n| text.strip_suffix(n).is_some_and(|h| h.is_empty() || h.ends_with('-')));
    named(candidate.name)
        || candidate.images.iter().any(|i| IMAGES.contains(&image_name(i).0))
        || candidate.labels.iter().any(|l| NAMES.contains(l))
}

/// How Ocean's controller stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Controller {
    /// It runs; with its object and version, if the image's tag shows it.
    Ready(String, Option<String>),
    /// It is there and does not run: its object, and why.
    NotReady(String, String),
    /// It is there; whether it runs the dump does not tell.
    Unseen(String, Option<String>),
    /// It is not among the Deployments of the dump.
    Absent(usize),
    /// The dump has neither Deployments nor a pod of it.
    Unknown,
}

/// Finds Ocean's controller in a cluster and says how it stands. Of several the one that is ready counts, then the newest.
pub fn state(view: View<'_>) -> Controller {
    let found = find(view, is_controller);
    let health: Vec<(&Component, Health)> = found.iter().map(|c| (c, c.health(view))).collect();
    let rank = |h: &Health| match h {
        Health::Ready => 3,
        Health::Unknown => 2,
        Health::NotReady(_) => 1,
        Health::ScaledToZero => 0,
    };
    let best = health.iter().max_by_key(|(c, h)| (rank(h), version(c).map(|v| numbers(&v))));
    match best {
        None if view.catalog.inventory.has("Deployment") => {
            let deployments = view.catalog.owners.iter().filter(|o| o.kind == crate::cluster::OwnerKind::Deployment);
            Controller::Absent(deployments.filter(|o| !o.missing).count())
        }
        None => Controller::Unknown,
        Some((c, Health::Ready)) => Controller::Ready(c.object.clone(), version(c)),
        Some((c, Health::Unknown)) => Controller::Unseen(c.object.clone(), version(c)),
        Some((c, Health::NotReady(why))) => Controller::NotReady(c.object.clone(), why.clone()),
        Some((c, Health::ScaledToZero)) => Controller::NotReady(c.object.clone(), "it is scaled to 0 replicas".into()),
    }
}

/// Why the controller cannot report to Ocean; None if it can, or if the dump does not tell.
///
/// One that is not there at all is taken to be installed before the start (C): plans are made before Ocean is set up.
pub fn does_not_report(view: View<'_>, options: &Options) -> Option<String> {
    match options.ocean.controller_reports {
        Some(true) => None,
        Some(false) => Some("the Spotinst controller does not report".into()),
        None => match state(view) {
            Controller::NotReady(object, why) => Some(format!("Ocean's controller {object} is not ready: {why}")),
            _ => None,
        },
    }
}

/// The version in the tag of the controller's image; `latest` and the like are none.
fn version(component: &Component) -> Option<String> {
    let own = component.images.iter().map(|i| image_name(i)).find(|(name, _)| IMAGES.contains(name));
    let tag = own.and_then(|(_, tag)| tag)?.trim_start_matches('v');
    tag.starts_with(|c: char| c.is_ascii_digit()).then(|| tag.to_owned())
}

/// The numbers of a version, to compare: `2.0.69-beta` is [2, 0, 69].
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    version.trim_start_matches('v').split('.').map_while(digits).collect()
}

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
