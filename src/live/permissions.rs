//! What each command must be allowed to do: asked of the API server before anything is touched, and shipped as ClusterRoles.
//!
//! One list for both: the files `deploy/clusterrole-*.yaml` are held to it by a test.

use super::TRANSFER_LEASE;
use super::client::{Client, ConnectError};
use super::events;
use super::record::kinds::RECORDED;
use super::record::transfer::{FOR_TRANSFER, SECRETS};
use crate::intent::execution::Retirement;
use crate::intent::procedure::Access;
use crate::plan::Plan;
use crate::session::api::{FOLLOWED, LEASES, NODE_CLAIMS, NODES, PODS};
use crate::session::{Exchange, LEASE, Method, Resource};
use crate::snapshot::group;
use serde_json::json;
use std::collections::BTreeSet;

/// Namespace of the kubelets' Leases.
pub const NODE_LEASES: &str = "kube-node-lease";

/// One thing that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// API group; empty for the core's.
    pub group: &'static str,
    /// `pods`, `pods/eviction`.
    pub resource: String,
    /// `get`, `list`, ….
    pub verb: &'static str,
    /// In this namespace only; None for the whole cluster.
    pub namespace: Option<String>,
    /// On the object of this name only; None for all.
    pub name: Option<&'static str>,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(name) = self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// A set of permissions, in a fixed order.
pub type Permissions = BTreeSet<Permission>;

fn allow(
    set: &mut Permissions,
    resource: &Resource,
    subresource: &str,
    verbs: &[&'static str],
    namespace: Option<&str>,
) {
    for verb in verbs {
        set.insert(Permission {
            group: group(resource.api_version),
            resource: format!("{}{subresource}", resource.plural),
            verb,
            namespace: namespace.map(str::to_owned),
            name: None,
        });
    }
}

/// What `record` would like: a kind that may not be listed is left out of the dump.
pub fn record() -> Permissions {
    let mut set = Permissions::new();
    for resource in RECORDED {
        allow(&mut set, resource, "", &["list"], None);
    }
    for resource in [&NODES, &PODS, &NODE_CLAIMS] {
        allow(&mut set, resource, "", &["watch"], None);
    }
    set
}

/// What `record --for-transfer` would like; `secret_keys` as with `--secret-keys`.
pub fn record_for_transfer(secret_keys: bool) -> Permissions {
    let mut set = record();
    for resource in FOR_TRANSFER.iter().chain(secret_keys.then_some(&SECRETS)) {
        allow(&mut set, resource, "", &["list"], None);
    }
    set
}

/// What an execution does to the world, as far as permissions depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deeds {
    /// What its procedure needs.
    procedure: &'static [Access],
    /// Node objects are deleted.
    deletes_nodes: bool,
    /// Karpenter's claims are deleted.
    deletes_claims: bool,
}

impl Deeds {
    /// What every execution does: it evicts within budgets, and ends no machine.
    pub const LEAST: Deeds =
        Deeds { procedure: &[Access::PatchNodes, Access::EvictPods], deletes_nodes: false, deletes_claims: false };
    /// All that any plan may do.
    pub const ALL: Deeds = Deeds { procedure: Access::ALL, deletes_nodes: true, deletes_claims: true };

    /// What a plan does.
    pub fn of(plan: &Plan) -> Deeds {
        let options = &plan.intent.options;
        // A stop may be told to end nodes that are drained, whatever the plan says.
        let retires = |wanted: fn(&Retirement) -> bool| options.execution.retire.values().any(wanted);
        Deeds {
            procedure: options.access(),
            deletes_nodes: retires(|r| !matches!(r, Retirement::Nodeclaim)),
            deletes_claims: retires(|r| matches!(r, Retirement::Nodeclaim)),
        }
    }
}

/// What `plan` reads of a live cluster.
pub fn plan() -> Permissions {
    record().into_iter().filter(|p| p.verb == "list").collect()
}

/// What `execute` and `resume` must be allowed to do.
pub fn execute(deeds: Deeds, lease_namespace: &str) -> Permissions {
    let mut set = Permissions::new();
    for resource in FOLLOWED {
        allow(&mut set, resource, "", &["list", "watch"], None);
    }
    // The cluster's identity, kubectl's look at a node, the look at a pod whose eviction was answered strangely.
    for resource in FOLLOWED.iter().filter(|r| ["namespaces", "nodes", "pods"].contains(&r.plural)) {
        allow(&mut set, resource, "", &["get"], None);
    }
    for access in deeds.procedure {
        match access {
            Access::PatchNodes => allow(&mut set, &NODES, "", &["patch"], None),
            Access::EvictPods => allow(&mut set, &PODS, "/eviction", &["create"], None),
            Access::DeletePods => allow(&mut set, &PODS, "", &["delete"], None),
        }
    }
    // By its name, for its namespace holds the Leases by which the scheduler and the controller manager elect their leaders. To create an object cannot
    // be allowed by name: nobody knows it before it is there.
    allow(&mut set, &LEASES, "", &["create"], Some(lease_namespace));
    set.extend(["get", "update", "delete"].map(|verb| Permission {
        group: group(LEASES.api_version),
        resource: LEASES.plural.to_owned(),
        verb,
        namespace: Some(lease_namespace.to_owned()),
        name: Some(LEASE),
    }));
    if deeds.deletes_nodes {
        allow(&mut set, &NODES, "", &["delete"], None);
    }
    if deeds.deletes_claims {
        allow(&mut set, &NODE_CLAIMS, "", &["list", "delete"], None);
    }
    set
}

/// What `ack execute` must be allowed to do besides.
pub fn ack() -> Permissions {
    let mut set = Permissions::new();
    allow(&mut set, &NODES, "", &["get", "delete"], None);
    set
}

/// Kinds that a plan of a transfer applies to the target: group, kind, resource. Roles and their bindings are [`TRANSFER_RBAC`]'s.
pub const TRANSFER_APPLIED: &[(&str, &str, &str)] = &[
    ("", "Namespace", "namespaces"),
    ("", "ServiceAccount", "serviceaccounts"),
    ("", "ConfigMap", "configmaps"),
    ("", "Service", "services"),
    ("", "Endpoints", "endpoints"),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("", "LimitRange", "limitranges"),
    ("", "ResourceQuota", "resourcequotas"),
    ("", "Pod", "pods"),
    ("", "ReplicationController", "replicationcontrollers"),
    ("apps", "Deployment", "deployments"),
    ("apps", "StatefulSet", "statefulsets"),
    ("apps", "DaemonSet", "daemonsets"),
    ("apps", "ReplicaSet", "replicasets"),
    ("batch", "Job", "jobs"),
    ("batch", "CronJob", "cronjobs"),
    ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "verticalpodautoscalers"),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("networking.k8s.io", "Ingress", "ingresses"),
    ("networking.k8s.io", "IngressClass", "ingressclasses"),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices"),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses"),
    ("storage.k8s.io", "StorageClass", "storageclasses"),
    ("node.k8s.io", "RuntimeClass", "runtimeclasses"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    ("gateway.networking.k8s.io", "Gateway", "gateways"),
    ("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),
    ("secrets-store.csi.x-k8s.io", "SecretProviderClass", "secretproviderclasses"),
    ("external-secrets.io", "ExternalSecret", "externalsecrets"),
    ("external-secrets.io", "SecretStore", "secretstores"),
    ("external-secrets.io", "ClusterSecretStore", "clustersecretstores"),
    ("cert-manager.io", "Issuer", "issuers"),
    ("cert-manager.io", "ClusterIssuer", "clusterissuers"),
    ("cert-manager.io", "Certificate", "certificates"),
    ("keda.sh", "ScaledObject", "scaledobjects"),
    ("keda.sh", "ScaledJob", "scaledjobs"),
    ("keda.sh", "TriggerAuthentication", "triggerauthentications"),
    ("keda.sh", "ClusterTriggerAuthentication", "clustertriggerauthentications"),
    ("monitoring.coreos.com", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com", "PodMonitor", "podmonitors"),
    ("monitoring.coreos.com", "PrometheusRule", "prometheusrules"),
];

/// Kinds that give permissions: whoever may make them may give them to anybody, so they are a role of their own.
pub const TRANSFER_RBAC: &[(&str, &str, &str)] = &[
    ("rbac.authorization.k8s.io", "Role", "roles"),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings"),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings"),
];

/// What an object that is applied needs: to see whether it is there, to make it by a patch, and to take it back.
const APPLY: &[&str] = &["get", "create", "patch", "delete"];

fn grant(
    set: &mut Permissions,
    group: &'static str,
    resources: &[&str],
    verbs: &[&'static str],
    namespace: Option<&str>,
) {
    for (resource, verb) in resources.iter().flat_map(|r| verbs.iter().map(move |v| (*r, *v))) {
        set.insert(Permission {
            group,
            resource: resource.to_owned(),
            verb,
            namespace: namespace.map(str::to_owned),
            name: None,
        });
    }
}

/// What Velero's installation is looked at with, and what an error is read with.
fn transfer_velero(set: &mut Permissions, namespace: &str) {
    grant(set, "apps", &["deployments", "daemonsets"], &["get"], Some(namespace));
    grant(set, "velero.io", &["podvolumebackups"], &["list"], Some(namespace));
    grant(set, "velero.io", &["downloadrequests"], &["get", "create", "delete"], Some(namespace));
}

/// What `transfer execute` and `transfer resume` must be allowed to do on the source; `velero` is Velero's namespace, where the plan uses it.
pub fn transfer_source(velero: Option<&str>) -> Permissions {
    let mut set = Permissions::new();
    // Which cluster it is, and which of the plan's namespaces it has.
    grant(&mut set, "", &["namespaces"], &["get"], None);
    grant(&mut set, group(LEASES.api_version), &[LEASES.plural], &["create"], None);
    set.extend(["get", "update", "delete"].map(|verb| Permission {
        group: group(LEASES.api_version),
        resource: LEASES.plural.to_owned(),
        verb,
        namespace: None,
        name: Some(TRANSFER_LEASE),
    }));
    let Some(velero) = velero else { return set };
    grant(&mut set, "networking.k8s.io", &["networkpolicies"], APPLY, None);
    // Why a claim is in no backup.
    grant(&mut set, "", &["pods"], &["list"], None);
    transfer_velero(&mut set, velero);
    grant(&mut set, "velero.io", &["backupstoragelocations"], &["get"], Some(velero));
    grant(&mut set, "velero.io", &["backups"], &["get", "create"], Some(velero));
    set
}

/// What they must be allowed to do on the target with objects of these kinds (group and kind).
pub fn transfer_target(velero: Option<&str>, applies: impl Fn(&str, &str) -> bool) -> Permissions {
    let mut set = Permissions::new();
    grant(&mut set, "", &["namespaces"], &["get"], None);
    for (group, _, resource) in TRANSFER_APPLIED.iter().filter(|(group, kind, _)| applies(group, kind)) {
        grant(&mut set, group, &[*resource], APPLY, None);
    }
    for (group, kind, resource) in TRANSFER_RBAC.iter().filter(|(group, kind, _)| applies(group, kind)) {
        grant(&mut set, group, &[*resource], APPLY, None);
        if kind.ends_with("Role") {
            // Else nobody can give what they do not have themselves.
            grant(&mut set, group, &[*resource], &["bind", "escalate"], None);
        }
    }
    // Pods that pull an image, and why pods are not ready.
    grant(&mut set, "", &["pods"], &["get", "list", "create", "delete"], None);
    let Some(velero) = velero else { return set };
    transfer_velero(&mut set, velero);
    grant(&mut set, "velero.io", &["backupstoragelocations"], &["list"], Some(velero));
    grant(&mut set, "velero.io", &["backups"], &["get"], Some(velero));
    grant(&mut set, "velero.io", &["restores"], &["get", "create"], Some(velero));
    // A restore that waits for the data of a volume is ended by them.
    grant(&mut set, "velero.io", &["podvolumerestores"], &["list", "patch"], Some(velero));
    // Class map, image map and modifiers.
    grant(&mut set, "", &["configmaps"], &["get", "list", "create", "patch"], Some(velero));
    // What a restore has made is looked for by its label, and taken back.
    for (group, resources) in RESTORED {
        grant(&mut set, group, resources, &["get", "list", "delete"], None);
    }
    set
}

/// Resources that a restore makes.
const RESTORED: [(&str, &[&str]); 3] = [
    ("", &["pods", "persistentvolumeclaims", "services"]),
    ("apps", &["deployments", "statefulsets", "daemonsets", "replicasets"]),
    ("batch", &["jobs", "cronjobs"]),
];

/// What it would like beside that: the Leases of the masters' kubelets.
pub fn ack_beside() -> Permissions {
    let mut set = Permissions::new();
    allow(&mut set, &LEASES, "", &["get"], Some(NODE_LEASES));
    set
}

/// What `execute` would like beside that: Events on nodes, and whatever `record` reads.
pub fn execute_beside() -> Permissions {
    let mut set = record();
    set.insert(Permission {
        group: "events.k8s.io",
        resource: "events".into(),
        verb: "create",
        namespace: Some(events::NAMESPACE.into()),
        name: None,
    });
    set
}

/// Asks the API server which of these we lack.
///
/// # Errors
/// A server that does not answer a SelfSubjectAccessReview.
pub async fn missing(client: &Client, wanted: &Permissions) -> Result<Vec<Permission>, ConnectError> {
    let mut missing = Vec::new();
    for permission in wanted {
        let review = review(permission);
        let what = "cannot ask for our permissions (SelfSubjectAccessReview)";
        let kind = ("authorization.k8s.io/v1", "SelfSubjectAccessReview");
        let answer = client.ask(what, &review, kind).await?;
        match answer.pointer("/status/allowed").and_then(serde_json::Value::as_bool) {
            Some(true) => {}
            Some(false) => missing.push(permission.clone()),
            None => {
                let why = "the answer does not say whether it is allowed (status.allowed)".into();
                return Err(ConnectError::Request { what: what.into(), why });
            }
        }
    }
    Ok(missing)
}

fn review(permission: &Permission) -> Exchange {
    let (resource, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
    let attributes = json!({
        "group": permission.group, "resource": resource, "subresource": subresource, "verb": permission.verb,
        "namespace": permission.namespace.as_deref().unwrap_or_default(), "name": permission.name.unwrap_or_default(),
    });
    Exchange {
        method: Method::Post,
        path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".into(),
        body: Some(json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes},
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::Options;
    use crate::live::testing::{Server, ok, runtime};
    use serde_json::Value;

    /// Group, resource, verb, namespace, name.
    type Allowed = (String, String, String, Option<String>, Option<String>);

    /// What the roles of a file allow, by the bindings' scope: a Role's rules count in its namespace.
    fn allowed(yaml: &str) -> BTreeSet<Allowed> {
        let mut set = BTreeSet::new();
        for document in yaml.split("\n---\n") {
            let value: Value = serde_saphyr::from_str(document).expect("YAML");
            let namespace = match value["kind"].as_str() {
                Some("ClusterRole") => None,
                Some("Role") => Some(value["metadata"]["namespace"].as_str().expect("a namespace").to_owned()),
                _ => continue,
            };
            let texts = |v: &Value| -> Vec<String> {
                v.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect()
            };
            for rule in value["rules"].as_array().expect("rules") {
                let name = texts(&rule["resourceNames"]).pop();
                for group in texts(&rule["apiGroups"]) {
                    for resource in texts(&rule["resources"]) {
                        for verb in texts(&rule["verbs"]) {
                            assert!(
                                ![&group, &resource, &verb].iter().any(|t| *t == "*"),
                                "least privilege has no stars"
                            );
                            set.insert((group.clone(), resource.clone(), verb, namespace.clone(), name.clone()));
                        }
                    }
                }
            }
        }
        set
    }

    fn wanted(permissions: impl IntoIterator<Item = Permission>) -> BTreeSet<Allowed> {
        let one =
            |p: Permission| (p.group.to_owned(), p.resource, p.verb.to_owned(), p.namespace, p.name.map(str::to_owned));
        permissions.into_iter().map(one).collect()
    }

    #[test]
    fn the_shipped_roles_allow_what_is_asked_for_and_nothing_more() {
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-record.yaml")), wanted(record()));
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-plan.yaml")), wanted(plan()));
        let of = |deeds| execute(deeds, super::super::LEASE_NAMESPACE);
        let least: Permissions = of(Deeds::LEAST).into_iter().chain(execute_beside()).collect();
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-execute.yaml")), wanted(least.clone()));
        let beyond = |deeds| wanted(of(deeds).into_iter().filter(|p| !least.contains(p)));
        let retiring = Deeds { deletes_nodes: true, deletes_claims: true, ..Deeds::LEAST };
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-retire.yaml")), beyond(retiring));
        let deleting = Deeds { procedure: Access::ALL, ..Deeds::LEAST };
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-delete-pods.yaml")), beyond(deleting));
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-transfer.yaml")), wanted(record_for_transfer(false)));
        let secrets = record_for_transfer(true).difference(&record_for_transfer(false)).cloned().collect::<Vec<_>>();
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-transfer-secrets.yaml")), wanted(secrets));
        let transfer = |file: &str| allowed(file);
        assert_eq!(
            transfer(include_str!("../../deploy/clusterrole-transfer-source.yaml")),
            wanted(transfer_source(Some("velero")))
        );
        let is_rbac = |group: &str, _: &str| group == "rbac.authorization.k8s.io";
        let all = transfer_target(Some("velero"), |group, kind| !is_rbac(group, kind));
        assert_eq!(transfer(include_str!("../../deploy/clusterrole-transfer-target.yaml")), wanted(all.clone()));
        let with_rbac = transfer_target(Some("velero"), |_, _| true).into_iter().filter(|p| !all.contains(p));
        assert_eq!(transfer(include_str!("../../deploy/clusterrole-transfer-target-rbac.yaml")), wanted(with_rbac));
        // Neither of them reads a Secret.
        let both = transfer_source(Some("velero")).into_iter().chain(transfer_target(Some("velero"), |_, _| true));
        assert!(both.into_iter().all(|p| p.resource != "secrets"));
        let ack = ack().into_iter().chain(ack_beside());
        assert_eq!(allowed(include_str!("../../deploy/clusterrole-ack.yaml")), wanted(ack));
    }

    #[test]
    fn what_is_refused_is_named_with_its_verb() {
        let said = runtime().block_on(async {
            let server = Server::answering(|request| {
                let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
                let asked = &body["spec"]["resourceAttributes"];
                ok(&json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "status": {"allowed": asked["subresource"] != "eviction" && asked["verb"] != "update"}}))
            })
            .await;
            let client = Client::plain(&server.url, std::time::Duration::from_secs(5));
            let deeds = Deeds { procedure: Options::default().access(), deletes_nodes: false, deletes_claims: false };
            missing(&client, &execute(deeds, "ops")).await.expect("answers")
        });
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["create pods/eviction", "update leases.coordination.k8s.io nodeferry in namespace ops"]);
    }
}
