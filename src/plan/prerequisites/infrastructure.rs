//! The cluster runs on the cloud whose migration is planned.

use super::{Judgement, Rule, count, prerequisites_page};
use crate::cluster::Severity;
use crate::groups::identity::{Cloud, cloud};
use crate::intent::options::OceanCloud;
use crate::plan::preflight::Facts;

/// See the module.
pub const RULE: Rule = Rule {
    name: "infrastructure",
    requirement: |cloud| match cloud {
        OceanCloud::Aws => "A Kubernetes cluster running on AWS infrastructure.",
        _ => "The Kubernetes cluster is running on AKS infrastructure.",
    },
    source: prerequisites_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let wanted = if facts.options.procedure.ocean() == Some(OceanCloud::Aws) { Cloud::Aws } else { Cloud::Azure };
    let (mut fit, mut unknown, mut others) = (0, 0, Vec::new());
    for node in facts.old {
        match cloud(facts.view, *node) {
            Some(c) if c == wanted => fit += 1,
            Some(c @ (Cloud::Aws | Cloud::Azure | Cloud::Gcp)) => others.push((c, *node)),
            // A stand-in (kwok, kind) or a cloud that Ocean does not know.
            Some(Cloud::Other) | None => unknown += 1,
        }
    }
    if let Some((other, node)) = others.first() {
        return Judgement::fail(
            format!("{} of {} are instances of {}", others.len(), count(facts.old.len(), "node"), other.name()),
            format!("Plan with {} nodes, or with the procedure of the cloud that they are of.", wanted.name()),
        )
        .finding(Severity::Error, "other-infrastructure", format!("Node/{}", facts.node(*node)));
    }
    if unknown > 0 {
        return Judgement::unknown(
            format!(
                "neither provider id nor labels of {} of {} show the cloud",
                unknown,
                count(facts.old.len(), "node")
            ),
            format!("Make sure that they are instances of {}.", wanted.name()),
        )
        .finding(Severity::Info, "infrastructure-unknown", "Node/*");
    }
    Judgement::pass(format!("{} of {}, by provider id or labels", count(fit, "node"), wanted.name()))
}
