//! No Kubernetes cluster autoscaler acts beside Ocean.

use super::{Judgement, Rule, count, some};
use crate::cluster::Severity;
use crate::cluster::components::{Health, find, image_name};
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;

/// A status that is older than this when the dump is taken may be a remnant (C); a running cluster-autoscaler writes every few seconds.
const STALE_MS: i64 = 10 * 60_000;

/// Taints that only cluster-autoscaler puts on nodes.
const TAINTS: &[&str] = &["ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler"];

/// See the module.
pub const RULE: Rule = Rule {
    name: "cluster-autoscaler",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "Deactivated Kubernetes Cluster Autoscaler.",
        _ => "If the Kubernetes Autoscaler is active, there will be inconsistency in spinning up new nodes.",
    },
    source: super::prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

/// Whether the status that cluster-autoscaler wrote is of a running one; None if there is none, or if it may be a remnant.
pub(super) fn status_is_fresh(facts: &Facts<'_>) -> Option<bool> {
    let status = facts.view.catalog.inventory.autoscaler.as_ref()?;
    let age = status.updated_unix_ms.map(|at| facts.view.catalog.taken_unix_ms.saturating_sub(at));
    Some(age.is_none_or(|age| age <= STALE_MS))
}

fn judge(facts: &Facts<'_>) -> Judgement {
    let view = facts.view;
    let inventory = &view.catalog.inventory;
    let found = find(view, |c| {
        c.name.contains("cluster-autoscaler")
            || c.images.iter().any(|i| image_name(i).0.starts_with("cluster-autoscaler"))
    });
    let remedy = "Stop it for the time of the migration (scale it to 0, or switch the node pools to manual scaling): it adds and removes nodes while Ocean does.";
    if let Some(active) = found.iter().find(|c| c.health(view) != Health::ScaledToZero) {
        let replicas =
            active.replicas.map_or(String::new(), |n| format!(", with {}", count(n.max(0) as usize, "replica")));
        return Judgement::fail(format!("{} is there{replicas}", active.object.replacen('/', " ", 1)), remedy).finding(
            Severity::Warning,
            "cluster-autoscaler-active",
            active.object.clone(),
        );
    }
    let marked = view
        .state
        .live_nodes()
        .find(|n| view.state.nodes[*n].taints.iter().any(|t| TAINTS.contains(&view.catalog.text(t.key))));
    if let Some(node) = marked {
        let node = facts.node(node);
        return Judgement::fail(format!("node {node} has a taint that cluster-autoscaler put on it"), remedy).finding(
            Severity::Warning,
            "cluster-autoscaler-active",
            format!("Node/{node}"),
        );
    }
    match (status_is_fresh(facts), inventory.autoscaler.as_ref()) {
        (Some(true), Some(status)) => {
            return Judgement::fail(format!("ConfigMap {} is kept up to date by one", status.object), remedy).finding(
                Severity::Warning,
                "cluster-autoscaler-active",
                format!("ConfigMap/{}", status.object),
            );
        }
        (Some(false), Some(status)) if found.is_empty() => {
            return Judgement::unknown(
                format!("ConfigMap {} was written some time before the dump: it may be a remnant", status.object),
                "Make sure that no cluster autoscaler runs, then delete the ConfigMap.",
            )
            .finding(Severity::Info, "cluster-autoscaler-unknown", format!("ConfigMap/{}", status.object));
        }
        _ => {}
    }
    if !found.is_empty() {
        let names: Vec<String> = found.iter().map(|c| c.object.replacen('/', " ", 1)).collect();
        return Judgement::pass(format!("{} is scaled to 0", some(&names, 3)));
    }
    if !inventory.has("Deployment") {
        return Judgement::unknown("the dump has no Deployments", "Add deployments of all namespaces to the dump.")
            .finding(Severity::Info, "cluster-autoscaler-unknown", "Deployment/*");
    }
    match facts.options.procedure.ocean() {
        Some(OceanCloud::Aws) => Judgement::pass("no Deployment of the dump is a cluster-autoscaler, by name or image"),
        // AKS runs its own outside of the cluster; what is seen of it is the ConfigMap that it writes.
        _ if inventory.has("ConfigMap") => Judgement::pass(
            "no Deployment is a cluster-autoscaler, and AKS' own has not written its ConfigMap cluster-autoscaler-status",
        ),
        _ => Judgement::unknown(
            "no Deployment is a cluster-autoscaler; that of AKS runs outside of the cluster, and the dump has no ConfigMaps that would tell",
            "Make sure that the node pools are scaled manually, or add the ConfigMap kube-system/cluster-autoscaler-status to the dump (docs/kubectl.md).",
        )
        .finding(Severity::Info, "cluster-autoscaler-unknown", "ConfigMap/kube-system/cluster-autoscaler-status"),
    }
}
