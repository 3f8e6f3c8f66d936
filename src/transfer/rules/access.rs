//! Who may use the cluster: `aws-auth`, and the roles of nodes.

use super::{Ask, Code, Found, Ground, Rule, Sink, code};
use crate::transfer::finding::Severity;
use serde_json::Value;

const PRINCIPAL: Code =
    code("transfer-aws-auth", Severity::ByHand, "an IAM principal of aws-auth becomes a role assignment in Azure");
const UNMAPPED: Code = code(
    "transfer-aws-auth-unmapped",
    Severity::Blocks,
    "an IAM principal of aws-auth that nobody on the target takes the place of",
);
const NODE_ROLE: Code =
    code("transfer-node-role", Severity::ByHand, "a role of nodes: what pods did by it must be given to identities");
const UNREADABLE: Code = code("transfer-aws-auth-unreadable", Severity::Blocks, "aws-auth cannot be read");
const ENTRIES: Code = code("transfer-access-entries", Severity::Note, "access entries of EKS are in no manifest");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Access", codes: &[PRINCIPAL, UNMAPPED, NODE_ROLE, UNREADABLE, ENTRIES], judge };

/// An entry of aws-auth.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Principal {
    /// ARN of the role or user.
    arn: String,
    /// Groups of Kubernetes.
    groups: Vec<String>,
    /// Key of the ConfigMap, and the place in its list.
    at: String,
}

/// The entries of aws-auth.
fn principals(g: &Ground<'_>) -> Result<Vec<Principal>, String> {
    let Some(item) = super::named(g, "", "ConfigMap", Some("kube-system"), "aws-auth") else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (key, name) in [("mapRoles", "rolearn"), ("mapUsers", "userarn")] {
        let Some(text) = item.text(&format!("/data/{key}")) else { continue };
        let list: Vec<Value> = serde_saphyr::from_str(text)
            .map_err(|e| format!("data.{key} is no YAML list: {}", crate::snapshot::yaml_problem(&e, text)))?;
        for (i, entry) in list.iter().enumerate() {
            let arn = entry
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("entry {i} of data.{key} has no {name}"))?;
            let groups = entry.get("groups").and_then(Value::as_array).into_iter().flatten();
            all.push(Principal {
                arn: arn.to_owned(),
                groups: groups.filter_map(|g| Some(g.as_str()?.to_owned())).collect(),
                at: format!("/data/{key}/{i}"),
            });
        }
    }
    Ok(all)
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let cluster = g.inventory.items().any(|i| i.live && i.id.kind() == "Node");
    let Some(item) = super::named(g, "", "ConfigMap", Some("kube-system"), "aws-auth") else {
        if let Some(namespace) = super::named(g, "", "Namespace", None, "kube-system").filter(|_| cluster) {
            let message = "the cluster has no aws-auth: access is by access entries, which AWS alone knows";
            sink.add(Found::new(namespace, &ENTRIES, message).remedy(
                "write the principals under access in the mapping: aws eks list-access-entries --cluster-name NAME",
            ));
        }
        return;
    };
    let principals = match principals(g) {
        Ok(principals) => principals,
        Err(why) => {
            return sink.add(
                Found::new(item, &UNREADABLE, why)
                    .at("/data")
                    .remedy("correct the ConfigMap: kubectl edit configmap aws-auth -n kube-system"),
            );
        }
    };
    for principal in principals {
        if principal.groups.iter().any(|g| g == "system:nodes" || g == "system:bootstrappers") {
            let message = "nodes of the target have an identity of their own; pods that used the role of their node (no role of their own) need one";
            sink.add(Found::new(item, &NODE_ROLE, message).at(&principal.at).was(&principal.arn).remedy(
                "look through the policies of the role beyond those of EKS (aws iam list-attached-role-policies), and give identities what pods used of them",
            ));
            continue;
        }
        let access = g.mapping.access.get(&principal.arn);
        let groups = principal.groups.join(", ");
        match access.and_then(|a| Some((a.object_id.as_deref()?, a.role.as_deref().unwrap_or_default()))) {
            Some(("none", _)) => {}
            Some((object, role)) if !role.is_empty() => sink.add(
                Found::new(item, &PRINCIPAL, format!("its groups here: {groups}"))
                    .at(&principal.at)
                    .was(&principal.arn)
                    .becomes(format!("{role} for {object}"))
                    .remedy("run the command in identities.sh"),
            ),
            _ => {
                let field = if access.is_some_and(|a| a.object_id.is_some()) { "role" } else { "object_id" };
                sink.add(
                    Found::new(item, &UNMAPPED, format!("it has groups {groups}, and nobody takes its place"))
                        .at(&principal.at)
                        .was(&principal.arn)
                        .ask(Ask::at(
                            &["access", &principal.arn, field],
                            "Entra object id (az ad group show -g NAME --query id; \"none\" if nobody) and Azure role (Azure Kubernetes Service RBAC Cluster Admin, Admin, Writer or Reader)",
                        )),
                );
            }
        }
    }
}
