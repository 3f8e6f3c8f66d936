//! No Karpenter acts beside Ocean: it spins up nodes for pending pods too.

use super::{Judgement, Rule, count, some};
use crate::cluster::Severity;
use crate::cluster::components::{Health, find, image_name};
use crate::plan::preflight::Facts;

/// Kinds by which Karpenter is known.
const KINDS: &[&str] =
    &["NodePool.karpenter.sh", "NodeClaim.karpenter.sh", "Provisioner.karpenter.sh", "Machine.karpenter.sh"];

/// See the module.
pub const RULE: Rule = Rule {
    name: "karpenter",
    requirement: |_| "If the Kubernetes Autoscaler is active, there will be inconsistency in spinning up new nodes.",
    source: super::prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let view = facts.view;
    let inventory = &view.catalog.inventory;
    let found = find(view, |c| {
        c.name == "karpenter"
            || c.name.ends_with("-karpenter")
            || c.images.iter().any(|i| i.contains("/karpenter/") || image_name(i).0 == "karpenter")
    });
    let remedy = "Stop Karpenter for the time of the migration (scale it to 0, or set the limits of its NodePools to 0): it launches nodes for the pods that Ocean launches nodes for.";
    if let Some(active) = found.iter().find(|c| c.health(view) != Health::ScaledToZero) {
        let replicas =
            active.replicas.map_or(String::new(), |n| format!(", with {}", count(n.max(0) as usize, "replica")));
        return Judgement::fail(format!("{} is there{replicas}", active.object.replacen('/', " ", 1)), remedy).finding(
            Severity::Warning,
            "karpenter-active",
            active.object.clone(),
        );
    }
    if !found.is_empty() {
        let names: Vec<String> = found.iter().map(|c| c.object.replacen('/', " ", 1)).collect();
        return Judgement::pass(format!("{} is scaled to 0", some(&names, 3)));
    }
    let objects: Vec<String> = KINDS
        .iter()
        .filter_map(|k| inventory.others.get(*k).map(|n| count(*n, k.split('.').next().unwrap_or(k))))
        .collect();
    if !objects.is_empty() {
        // EKS Auto Mode and AKS node auto provisioning run the controller outside of the cluster.
        return Judgement::fail(
            format!(
                "the dump has {}; no Deployment of it is Karpenter, so it may run outside of the cluster",
                objects.join(", ")
            ),
            remedy,
        )
        .finding(Severity::Warning, "karpenter-active", "NodePool/*");
    }
    if !inventory.has("Deployment") {
        return Judgement::unknown(
            "the dump has neither Deployments nor NodePools",
            "Add deployments of all namespaces to the dump, and nodepools.karpenter.sh if there are any.",
        )
        .finding(Severity::Info, "karpenter-unknown", "Deployment/*");
    }
    Judgement::pass("no Deployment of the dump is Karpenter, by name or image, and it has no NodePool")
}
