//! Kubernetes is of a recent version; which ones are recent is not published, so it is an option (C).

use super::{Judgement, Rule, count, prerequisites_page, some};
use crate::cluster::{NodeGroup, Severity, version};
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;

/// See the module.
pub const RULE: Rule = Rule {
    name: "kubernetes-version",
    requirement: |cloud| match cloud {
        // AWS publishes no such sentence; its console checks each node for a supported version all the same.
        OceanCloud::Aws => "Support for the Kubernetes version.",
        _ => "Cluster or Virtual Node Group upgraded to a recent K8s version.",
    },
    source: prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let catalog = facts.view.catalog;
    let oldest = &facts.options.ocean.oldest_kubernetes;
    let least = version::minor_of(oldest).unwrap_or(0);
    let (minor, fact) = match (catalog.inventory.control_plane_minor, catalog.kubernetes_minor) {
        (Some(stated), _) => (stated, format!("the control plane is stated to be of 1.{stated}")),
        (None, Some(newest)) => {
            let kubelets = facts.view.state.live_nodes().filter_map(|n| facts.view.state.nodes[n].spec.kubelet_version);
            let texts = kubelets.map(|v| catalog.text(v)).filter(|v| version::minor_of(v) == Some(newest));
            (newest, format!("the newest kubelet is {}", texts.max().unwrap_or("?")))
        }
        (None, None) => {
            return Judgement::unknown(
                "no node reports the version of its kubelet",
                "Say which version it is with --kubernetes-version.",
            )
            .see("kubernetes-version-assumed");
        }
    };
    if minor < least {
        return Judgement::fail(
            format!("{fact}; {oldest} or newer counts as recent (C)"),
            "Upgrade the cluster first, or say with --oldest-kubernetes which versions Ocean supports for you.",
        )
        .finding(Severity::Warning, "kubernetes-version-old", "ControlPlane");
    }
    let pinned = |g: &NodeGroup| {
        let text = catalog.text(g.kubernetes_version?);
        version::minor_of(text).filter(|m| *m < least).map(|_| format!("{} ({text})", catalog.text(g.id)))
    };
    let behind: Vec<String> = catalog.groups.iter().filter_map(pinned).collect();
    if let Some(first) = behind.first() {
        return Judgement::fail(
            format!(
                "{fact}; {} of an older version than {oldest}: {}",
                count(behind.len(), "Virtual Node Group"),
                some(&behind, 5)
            ),
            "Upgrade these Virtual Node Groups, or say with --oldest-kubernetes which versions Ocean supports for you.",
        )
        .finding(
            Severity::Warning,
            "kubernetes-version-old",
            format!("NodeGroup/{}", first.split(' ').next().unwrap_or(first)),
        );
    }
    Judgement::pass(format!("{fact}; {oldest} or newer counts as recent (C)"))
}
