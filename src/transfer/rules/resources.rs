//! Objects that make or join resources of AWS.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::Edit;
use crate::transfer::finding::Severity;

const RESOURCE: Code = code(
    "transfer-aws-resource",
    Severity::Blocks,
    "an object makes or joins a resource of AWS, which the target cannot",
);
const DEFINITION: Code =
    code("transfer-aws-definition", Severity::Note, "a definition of kinds of AWS is not rendered");
const WEBHOOK: Code = code("transfer-aws-webhook", Severity::Note, "a webhook of an add-on of AWS is not rendered");
const ISSUER: Code = code("transfer-certificate-issuer", Severity::ByHand, "certificates are proved or issued by AWS");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Resources of AWS", codes: &[RESOURCE, DEFINITION, WEBHOOK, ISSUER], judge };

/// Groups that rules of their own judge.
const JUDGED: [&str; 8] = [
    "karpenter.k8s.aws",
    "vpcresources.k8s.aws",
    "crd.k8s.amazonaws.com",
    "eks.amazonaws.com",
    "cloudwatch.aws.amazon.com",
    "networking.k8s.aws",
    "karpenter.sh",
    "node.eks.aws",
];

pub(in crate::transfer) fn is_aws_group(group: &str) -> bool {
    group.ends_with(".k8s.aws")
        || group.ends_with(".amazonaws.com")
        || group.ends_with(".amazon.com")
        || group.ends_with(".eks.aws")
        || group.ends_with(".aws.crossplane.io")
        || group.ends_with(".aws.upbound.io")
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.moving() {
        let group = item.id.group();
        if is_aws_group(group) && !JUDGED.contains(&group) && item.id.kind() != "IngressClassParams" {
            let what = match group {
                "elbv2.k8s.aws" => {
                    "it binds a Service to a target group of AWS; a Gateway or a load balancer of Azure takes its place"
                }
                g if g.ends_with(".services.k8s.aws") => {
                    "a controller of AWS (ACK) makes the resource from it; Azure Service Operator, or the pipeline that makes it on Azure, takes its place"
                }
                "appmesh.k8s.aws" => {
                    "a mesh of AWS; the Istio add-on takes its place, and its rules have to be rewritten"
                }
                _ => "only a controller of AWS does something with it",
            };
            sink.add(
                Found::new(item, &RESOURCE, what)
                    .edit(Edit::LeaveOut)
                    .remedy("bring about on the target what it does, and accept the finding in the mapping with that"),
            );
            continue;
        }
        match (group, item.id.kind()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition")
                if item.text("/spec/group").is_some_and(is_aws_group) =>
            {
                sink.add(
                    Found::new(item, &DEFINITION, "its controller does not run on the target").edit(Edit::LeaveOut),
                );
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition")
                if item.text("/spec/group") == Some("karpenter.sh") =>
            {
                sink.add(Found::new(item, &DEFINITION, "node auto-provisioning brings its own").edit(Edit::LeaveOut));
            }
            ("admissionregistration.k8s.io", _) => {
                let hooks = item.object.get("webhooks").and_then(serde_json::Value::as_array);
                let aws = item.id.name().contains("aws")
                    || item.id.name().contains("eks")
                    || item.id.name().contains("amazon")
                    || item.id.name().contains("vpc-resource")
                    || item.id.name().contains("karpenter")
                    || item.id.name() == "pod-identity-webhook"
                    || hooks.is_some_and(|h| {
                        h.iter().any(|h| {
                            h.get("name")
                                .and_then(serde_json::Value::as_str)
                                .is_some_and(|n| n.ends_with(".k8s.aws") || n.ends_with(".amazonaws.com"))
                        })
                    });
                if aws {
                    sink.add(
                        Found::new(
                            item,
                            &WEBHOOK,
                            "what it calls does not run on the target: every write would fail or wait for it",
                        )
                        .edit(Edit::LeaveOut),
                    );
                }
            }
            ("cert-manager.io", "Issuer" | "ClusterIssuer") => {
                let solvers = item.object.pointer("/spec/acme/solvers").and_then(serde_json::Value::as_array);
                for (i, _) in
                    solvers.into_iter().flatten().enumerate().filter(|(_, s)| s.pointer("/dns01/route53").is_some())
                {
                    sink.add(Found::new(item, &ISSUER, "names are proved in Route 53; where the zone stays there, the issuer needs credentials of AWS").at(&format!("/spec/acme/solvers/{i}/dns01/route53")).remedy(
                        "use azureDNS with a managed identity where the zone moves",
                    ));
                }
            }
            _ => {}
        }
    }
}
