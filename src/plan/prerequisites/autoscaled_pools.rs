//! The pools that are migrated are scaled by hand: before a migration on AKS they are switched from autoscaling to manual.

use super::cluster_autoscaler::status_is_fresh;
use super::{Judgement, Rule, count, some};
use crate::cluster::{AutoscaledGroup, NodeIdx, Severity};
use crate::groups::identity;
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;
use std::collections::BTreeMap;

/// See the module.
pub const RULE: Rule = Rule {
    name: "autoscaled-pools",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "Deactivated Kubernetes Cluster Autoscaler.",
        _ => "Before the migration the node pools are switched from autoscaling to manual.",
    },
    source: super::prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

/// What cluster-autoscaler scales of which a node is: its scale set on Azure, its Auto Scaling group on AWS.
fn group_of<'a>(facts: &Facts<'_>, groups: &'a [AutoscaledGroup], node: NodeIdx) -> Option<&'a AutoscaledGroup> {
    let id = identity::provider_id(facts.view, node);
    let set = id.and_then(identity::scale_set_of_provider_id).map(str::to_owned);
    let name = set.or_else(|| identity::auto_scaling_group(facts.view, node))?;
    groups.iter().find(|g| g.name.eq_ignore_ascii_case(&name))
}

fn judge(facts: &Facts<'_>) -> Judgement {
    let inventory = &facts.view.catalog.inventory;
    let Some(status) = inventory.autoscaler.as_ref().filter(|_| status_is_fresh(facts) == Some(true)) else {
        return unseen(facts);
    };
    let scaled = |g: &AutoscaledGroup| g.min.is_none() || g.max.is_none() || g.min < g.max;
    let mut pools: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for node in facts.old {
        let Some(group) = group_of(facts, &status.groups, *node).filter(|g| scaled(g)) else { continue };
        let bounds = match (group.min, group.max) {
            (Some(min), Some(max)) => format!("{}, {min} to {max} nodes", group.name),
            _ => group.name.clone(),
        };
        let pool = identity::pool(facts.view, *node).unwrap_or(&group.name).to_owned();
        pools.entry(pool).or_insert((bounds, 0)).1 += 1;
    }
    if !pools.is_empty() {
        let names: Vec<String> = pools.iter().map(|(pool, (bounds, _))| format!("{pool} ({bounds})")).collect();
        let first = pools.keys().next().cloned().unwrap_or_default();
        let remedy = match facts.options.procedure.ocean() {
            Some(OceanCloud::Aws) => {
                "Take the Auto Scaling groups out of cluster-autoscaler's hands for the time of the migration."
                    .to_owned()
            }
            _ => format!(
                "Switch the pools to manual scaling (az aks nodepool update --disable-cluster-autoscaler --name {first} …)."
            ),
        };
        return Judgement::fail(
            format!("cluster-autoscaler scales {}: {}", count(pools.len(), "pool"), some(&names, 3)),
            remedy,
        )
        .finding(Severity::Warning, "autoscaled-pools", format!("NodePool/{first}"));
    }
    if status.groups.is_empty() {
        return unseen(facts);
    }
    Judgement::pass(format!(
        "none of the {} that cluster-autoscaler lists is that of a selected node",
        count(status.groups.len(), "group")
    ))
}

/// The dump has no status of a cluster-autoscaler that would name its groups.
fn unseen(facts: &Facts<'_>) -> Judgement {
    let inventory = &facts.view.catalog.inventory;
    if inventory.autoscaler.is_none() && inventory.has("ConfigMap") {
        return Judgement::pass("cluster-autoscaler has not written its ConfigMap cluster-autoscaler-status");
    }
    Judgement::unknown(
        "a dump shows which pools are scaled automatically only by the ConfigMap cluster-autoscaler-status",
        match facts.options.procedure.ocean() {
            Some(OceanCloud::Aws) => "Make sure that nothing scales the Auto Scaling groups of the old nodes.",
            _ => "Make sure that the pools are scaled manually (az aks nodepool show: enableAutoScaling), or add the ConfigMap to the dump (docs/kubectl.md).",
        },
    )
    .finding(Severity::Info, "autoscaled-pools-unknown", "ConfigMap/kube-system/cluster-autoscaler-status")
}
