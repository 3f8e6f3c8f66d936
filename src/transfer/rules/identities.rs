//! IAM roles of service accounts: Workload Identity.

use super::{Ask, Code, Found, Ground, Rule, Sink, code, service_account};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use crate::transfer::mapping::Identity;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const IRSA: Code = code(
    "transfer-iam-role",
    Severity::Rewritten,
    "an IAM role of a service account becomes a managed identity of Workload Identity",
);
const UNMAPPED: Code = code(
    "transfer-iam-role-unmapped",
    Severity::Blocks,
    "an IAM role without an identity on the target, or whose Azure roles nobody has named",
);
const LABEL: Code = code(
    "transfer-workload-identity-label",
    Severity::Rewritten,
    "pods of such a service account get the label that injects tokens",
);
const MANY: Code = code(
    "transfer-identity-limit",
    Severity::Blocks,
    "more service accounts use an identity than it can have federated credentials (20)",
);
const POD_IDENTITY: Code = code(
    "transfer-pod-identity",
    Severity::Rewritten,
    "an EKS Pod Identity association that the mapping names becomes Workload Identity",
);
const POD_IDENTITY_UNKNOWN: Code = code(
    "transfer-pod-identity-unknown",
    Severity::Blocks,
    "the EKS Pod Identity agent runs, and its associations are in no manifest",
);
const KUBE2IAM: Code =
    code("transfer-kube2iam", Severity::Blocks, "pods get their role by an annotation of kube2iam or kiam");
const KEYS: Code = code("transfer-aws-credentials", Severity::ByHand, "credentials of AWS in an environment");
const SETTING: Code = code("transfer-aws-setting", Severity::Note, "a setting of AWS' libraries in an environment");

/// The rule.
pub(super) const RULE: Rule = Rule {
    subject: "Identities",
    codes: &[IRSA, UNMAPPED, LABEL, MANY, POD_IDENTITY, POD_IDENTITY_UNKNOWN, KUBE2IAM, KEYS, SETTING],
    judge,
};

const ROLE_ARN: &str = "eks.amazonaws.com/role-arn";
/// Variables with access keys.
const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// Variables that libraries of AWS read.
const SETTINGS: [&str; 5] =
    ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_STS_REGIONAL_ENDPOINTS"];
const USE_LABEL: &str = "azure.workload.identity/use";
/// Federated credentials that a managed identity can have.
const MOST: usize = 20;

/// Whether a variable is for the libraries of AWS.
pub(super) fn is_setting(name: &str) -> bool {
    CREDENTIALS.contains(&name) || SETTINGS.contains(&name)
}

/// What of an identity is not known, with the question.
fn open(role: &str, identity: Option<&Identity>) -> Option<Ask> {
    let ask = |field: &str, how: &str| Some(Ask::at(&["identities", role, field], how));
    match identity {
        Some(i) if i.client_id.is_none() => {
            ask("client_id", "client id of the managed identity: az identity show -g GROUP -n NAME --query clientId")
        }
        Some(i) if i.roles.is_none() => ask(
            "roles",
            "Azure roles that do what the policies of the IAM role did (aws iam list-attached-role-policies --role-name NAME); an empty list if none",
        ),
        Some(_) => None,
        None => ask("client_id", "client id of the managed identity that takes the role's place"),
    }
}

/// The role that a service account has, and by what.
pub(in crate::transfer) fn role_of(g: &Ground<'_>, namespace: &str, name: &str) -> Option<String> {
    let account = super::named(g, "", "ServiceAccount", Some(namespace), name);
    if let Some(role) = account.and_then(|a| a.annotation(ROLE_ARN)) {
        return Some(role.to_owned());
    }
    g.mapping.pod_identities.get(&format!("{namespace}/{name}")).cloned().flatten()
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in g.moving().filter(|i| i.id.kind() == "ServiceAccount" && i.id.group().is_empty()) {
        let by_annotation = item.annotation(ROLE_ARN);
        let key = format!("{}/{}", item.id.namespace().unwrap_or_default(), item.id.name());
        let by_association = g.mapping.pod_identities.get(&key).and_then(Option::as_deref);
        let Some(role) = by_annotation.or(by_association) else { continue };
        used.entry(role.to_owned()).or_default().insert(key.clone());
        account(g, item, role, by_annotation.is_some(), sink);
    }
    for (role, accounts) in &used {
        if accounts.len() <= MOST {
            continue;
        }
        let first = accounts.iter().next().and_then(|a| a.split_once('/'));
        let item = first.and_then(|(namespace, name)| super::named(g, "", "ServiceAccount", Some(namespace), name));
        let Some(item) = item else { continue };
        let message = format!(
            "{} service accounts use {role}; an identity has at most {MOST} federated credentials",
            accounts.len()
        );
        sink.add(Found::new(item, &MANY, message).remedy(
            "share them out over several identities, or use identity bindings, which have no such limit (az aks identity-binding create)",
        ));
    }
    pods(g, sink);
    agent(g, sink);
}

fn account(g: &Ground<'_>, item: &Item, role: &str, annotated: bool, sink: &mut Sink) {
    let identity = g.mapping.identities.get(role);
    let place = format!("/metadata/annotations{}", step(ROLE_ARN));
    if let Some(ask) = open(role, identity) {
        let found = Found::new(item, &UNMAPPED, format!("its pods act as {role}, which nothing on the target knows"))
            .was(role)
            .ask(ask);
        sink.add(if annotated { found.at(&place) } else { found });
        return;
    }
    let client = identity.and_then(|i| i.client_id.clone()).unwrap_or_default();
    let to = format!("/metadata/annotations{}", step("azure.workload.identity/client-id"));
    let (code, what) = match annotated {
        true => (&IRSA, "the role becomes the managed identity; a federated credential joins the two"),
        false => (&POD_IDENTITY, "the association becomes the managed identity; a federated credential joins the two"),
    };
    let mut found = Found::new(item, code, what)
        .at(&place)
        .was(role)
        .becomes(format!("azure.workload.identity/client-id: {client}"));
    if annotated {
        for key in [ROLE_ARN, "eks.amazonaws.com/sts-regional-endpoints", "eks.amazonaws.com/audience"] {
            found = found.edit(Edit::Remove(format!("/metadata/annotations{}", step(key))));
        }
        let expiration = item.annotation("eks.amazonaws.com/token-expiration");
        if let Some(seconds) = expiration {
            let at = |key: &str| format!("/metadata/annotations{}", step(key));
            found = found
                .edit(Edit::Remove(at("eks.amazonaws.com/token-expiration")))
                .edit(Edit::Set(at("azure.workload.identity/service-account-token-expiration"), seconds.into()));
        }
    }
    found = found.edit(Edit::Set(to, client.as_str().into()));
    if let Some(tenant) = &g.mapping.target.tenant_id {
        found = found.edit(Edit::Set(
            format!("/metadata/annotations{}", step("azure.workload.identity/tenant-id")),
            tenant.as_str().into(),
        ));
    }
    sink.add(found);
}

/// Pods whose account has an identity, and what else of AWS is in their environment.
fn pods(g: &Ground<'_>, sink: &mut Sink) {
    for (item, template) in g.workloads() {
        let namespace = item.id.namespace().unwrap_or_default();
        let account = service_account(item, template);
        if role_of(g, namespace, account).is_some() {
            let at = format!("{template}/metadata/labels{}", step(USE_LABEL));
            let has = item.text(&at) == Some("true");
            if !has {
                let message = format!("its pods run under {account}, which has an identity");
                sink.add(Found::new(item, &LABEL, message).at(&at).becomes("true").edit(Edit::Set(at, json!("true"))));
            }
        }
        let annotations = item.object.pointer(&format!("{template}/metadata/annotations")).and_then(Value::as_object);
        for key in ["iam.amazonaws.com/role", "iam.amazonaws.com/external-id"] {
            let Some(role) = annotations.and_then(|a| a.get(key)).and_then(Value::as_str) else { continue };
            let at = format!("{template}/metadata/annotations{}", step(key));
            sink.add(
                Found::new(item, &KUBE2IAM, "kube2iam and kiam have no twin on the target")
                    .at(&at)
                    .was(role)
                    .remedy("give the pods a service account of their own with the annotation eks.amazonaws.com/role-arn in the manifest, so that it can be mapped to an identity"),
            );
        }
        for (at, container) in super::containers(item, template) {
            let variables = container.get("env").and_then(Value::as_array);
            for (i, variable) in variables.into_iter().flatten().enumerate() {
                let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
                let at = format!("{at}/env/{i}");
                if CREDENTIALS.contains(&name) {
                    let found = Found::new(item, &KEYS, format!("{name} is set: access keys, not a role")).at(&at);
                    sink.add(found.remedy(
                        "use Workload Identity with an SDK of Azure; keep the keys where the program goes on calling AWS",
                    ));
                } else if SETTINGS.contains(&name) {
                    let message =
                        format!("{name} is for an SDK of AWS: does the program still call AWS on the target?");
                    let found = Found::new(item, &SETTING, message).at(&at);
                    sink.add(found.remedy("take it out with the program's calls of AWS"));
                }
            }
        }
    }
}

/// The agent runs and nobody has said for whom.
fn agent(g: &Ground<'_>, sink: &mut Sink) {
    let agent = g.inventory.of_kind("apps", "DaemonSet").find(|d| d.id.name() == "eks-pod-identity-agent");
    if let Some(agent) = agent.filter(|_| g.mapping.pod_identities.is_empty()) {
        sink.add(
            Found::new(agent, &POD_IDENTITY_UNKNOWN, "which service accounts have a role by it is known to AWS alone")
                .remedy("write each association under pod_identities in the mapping (namespace/serviceaccount: role ARN; none/none: null if there are none): aws eks list-pod-identity-associations --cluster-name NAME, then describe-pod-identity-association")
                .ask(Ask::at(&["pod_identities", "none/none"], "associations: aws eks list-pod-identity-associations --cluster-name NAME; put each here as namespace/serviceaccount: role ARN")),
        );
    }
}
