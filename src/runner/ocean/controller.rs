//! Ocean's controller in the cluster: whether it is there, ready, and of which version.
//!
//! Two generations are about: the first is the Deployment `spotinst-kubernetes-cluster-controller` with the image
//! `spotinst/kubernetes-cluster-controller`, the second that of the Helm chart `ocean-kubernetes-controller`, whose full name has the
//! release's name in front (`ocean-controller-ocean-kubernetes-controller`), with the image `…/spotinst-kubernetes-controller:v2…`.

use crate::cluster::View;
use crate::cluster::components::{Candidate, Component, Health, find, image_name};
use crate::intent::Options;

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
