//! The cluster is connected to an Ocean cluster.

use super::{Judgement, Rule, prerequisites_page};
use crate::cluster::Severity;
use crate::groups::membership::oceans_mark;
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;

/// See the module.
pub const RULE: Rule = Rule {
    name: "ocean-cluster",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "A Kubernetes cluster connected to an Ocean cluster.",
        _ => "Kubernetes cluster connected to an Ocean cluster",
    },
    source: prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let view = facts.view;
    if let Some(config) = &view.catalog.inventory.ocean_config {
        return Judgement::pass(format!("ConfigMap {} names the Ocean cluster {}", config.object, config.identifier));
    }
    let launched = view.state.live_nodes().find_map(|n| Some((n, oceans_mark(view, n)?)));
    if let Some((node, mark)) = launched {
        return Judgement::pass(format!("node {} is Ocean's ({mark})", facts.node(node)));
    }
    Judgement::unknown(
        "no node of the dump is Ocean's, and it has no ConfigMap with the key spotinst.cluster-identifier",
        "Import the cluster into Ocean if that was not done; a dump with Ocean's ConfigMap shows it (docs/kubectl.md).",
    )
    .finding(Severity::Info, "ocean-cluster-unknown", "Cluster")
}
