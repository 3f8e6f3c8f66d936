//! What only people know: the mapping file, with its published schema. A value that is null is a question that is open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the form of the mapping; raised when an older reader would misread it.
pub const MAPPING_VERSION: u32 = 1;

/// What becomes of names and identities of the source on the target (YAML or JSON). No credential belongs in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// [`MAPPING_VERSION`].
    pub transfer_mapping: u32,
    /// The cluster that workloads leave.
    pub source: SourceSite,
    /// The cluster that they move to.
    pub target: TargetSite,
    /// Registries of images by host (and a path below it, where only that is moved): where their images are on the target.
    pub registries: BTreeMap<String, Option<String>>,
    /// Single images, as they are written, before `registries` is looked at.
    pub images: BTreeMap<String, Option<String>>,
    /// IAM roles that service accounts use, by ARN: the identity on the target.
    pub identities: BTreeMap<String, Identity>,
    /// EKS Pod Identity associations, which no manifest shows: `namespace/serviceaccount`, and the ARN of the role.
    pub pod_identities: BTreeMap<String, Option<String>>,
    /// IAM principals of `aws-auth`, by ARN: who they are on the target.
    pub access: BTreeMap<String, Access>,
    /// Storage classes by name; the class must exist on the target.
    pub storage_classes: BTreeMap<String, Option<String>>,
    /// Ingress.
    pub ingress: IngressMapping,
    /// Host names, URLs and ARNs in environments and configuration: what stands there on the target.
    pub endpoints: BTreeMap<String, Option<String>>,
    /// Queues that KEDA scales by, by URL or name: the queue on the target.
    pub queues: BTreeMap<String, Queue>,
    /// Secrets of AWS Secrets Manager and Parameter Store by name or ARN: their names in the key vault.
    pub vault_objects: BTreeMap<String, Option<String>>,
    /// Labels of nodes that pods ask for (`key=value`): the label on the target, or "" to ask for none.
    pub node_labels: BTreeMap<String, Option<String>>,
    /// Custom AMIs and user data are replaced: the kubelet configuration and DaemonSets are written down and reviewed.
    pub node_customization: Option<String>,
    /// The network of the target.
    pub network: NetworkMapping,
    /// How data moves.
    pub data: DataMapping,
    /// What must be so before traffic is redirected, by the item's name: evidence in words or a link; null is open.
    pub checklist: BTreeMap<String, Option<String>>,
    /// Findings that are taken as they are, by `code object` or `code object field`: the reason.
    pub accepted: BTreeMap<String, String>,
}

/// The cluster that workloads leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSite {
    /// A name for it. Default `eks`.
    pub name: Option<String>,
    /// AWS region.
    pub region: Option<String>,
    /// AWS account number.
    pub account: Option<String>,
    /// Kubernetes version (`1.33`), where no dump shows it.
    pub kubernetes_version: Option<String>,
    /// Version of the AWS Load Balancer Controller, where no dump shows it: from 2.2 on its load balancers are internal unless asked otherwise.
    pub load_balancer_controller: Option<String>,
}

/// The cluster that workloads move to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSite {
    /// A name for it. Default `aks`.
    pub name: Option<String>,
    /// Kubernetes version (`1.33`).
    pub kubernetes_version: Option<String>,
    /// Name of the AKS cluster.
    pub cluster: Option<String>,
    /// Its resource group.
    pub resource_group: Option<String>,
    /// Azure subscription id.
    pub subscription: Option<String>,
    /// Azure region.
    pub location: Option<String>,
    /// Microsoft Entra tenant id.
    pub tenant_id: Option<String>,
    /// OIDC issuer URL of the cluster.
    pub oidc_issuer: Option<String>,
    /// Key vault that secrets come from.
    pub key_vault: Option<String>,
}

/// An identity on the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Name of the user-assigned managed identity.
    pub name: Option<String>,
    /// Its client id.
    pub client_id: Option<String>,
    /// Azure roles that do what the IAM role's policies did; an empty list says that it needs none.
    pub roles: Option<Vec<RoleAssignment>>,
}

/// A role assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoleAssignment {
    /// Name of the Azure role (`Azure Service Bus Data Receiver`).
    pub role: String,
    /// Its scope (`/subscriptions/…`).
    pub scope: String,
}

/// Somebody who uses the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Object id of the Entra user, group or identity; "none" if nobody takes its place.
    pub object_id: Option<String>,
    /// Azure role (`Azure Kubernetes Service RBAC Writer`).
    pub role: Option<String>,
}

/// What becomes of Ingresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngressMapping {
    /// Gateway API or the managed NGINX. Default `gateway`.
    pub target: Option<IngressTarget>,
    /// Name of the GatewayClass or IngressClass. Default `approuting-istio`, or `webapprouting.kubernetes.azure.com` for NGINX.
    pub class: Option<String>,
    /// Secrets with certificates by host name, in the namespace of the Ingress, for hosts whose certificate was in AWS Certificate Manager.
    pub certificates: BTreeMap<String, Option<String>>,
    /// Zones of Azure DNS by name, and the resource group of each: names in them are pointed to the target there.
    pub dns_zones: BTreeMap<String, Option<String>>,
    /// The command that points one name to the target, where another DNS has it; it runs for each name, with `<HOST>` and `<ADDRESS>` filled in.
    pub dns_command: Option<String>,
}

/// What serves HTTP on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IngressTarget {
    /// The Gateway API.
    #[default]
    Gateway,
    /// Ingresses of the managed NGINX, whose support ends in November 2026.
    Nginx,
}

/// A queue on the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// Azure Service Bus or a queue of Azure Storage. Default `service-bus`.
    pub kind: Option<QueueKind>,
    /// Service Bus namespace, or storage account.
    pub account: Option<String>,
    /// Name of the queue.
    pub queue: Option<String>,
}

/// A kind of queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueKind {
    /// Azure Service Bus.
    #[default]
    ServiceBus,
    /// Azure Queue Storage.
    StorageQueue,
}

/// The network of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkMapping {
    /// The network plug-in that is chosen.
    pub plugin: Option<NetworkPlugin>,
    /// Address range of the virtual network's subnet for nodes.
    pub node_subnet: Option<String>,
    /// Address range of pods: of the overlay, or of their own subnet.
    pub pod_range: Option<String>,
    /// Address range of Services.
    pub service_range: Option<String>,
    /// Pods a node can run, 10 to 250. Default AKS' own: 30 with Azure CNI whose pods are in the subnet of nodes, 110 with kubenet, else 250.
    pub pods_per_node: Option<u32>,
}

/// A network plug-in of AKS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPlugin {
    /// kubenet.
    Kubenet,
    /// Azure CNI with pods in the subnet of nodes.
    AzureCni,
    /// Azure CNI Overlay.
    AzureCniOverlay,
    /// Azure CNI with a subnet of pods, allocated dynamically.
    AzureCniDynamic,
    /// Azure CNI powered by Cilium, over an overlay.
    AzureCniCilium,
    /// A plug-in that is brought along.
    Byo,
}

/// How data moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataMapping {
    /// Namespace of Velero on both clusters. Default `velero`.
    pub velero_namespace: Option<String>,
    /// Bucket of the source that Velero backs up to.
    pub bucket: Option<String>,
    /// Storage account of the target that backups are copied to.
    pub storage_account: Option<String>,
    /// Resource group of the storage account. Default: that of the target.
    pub storage_resource_group: Option<String>,
    /// Blob container that backups are copied to.
    pub container: Option<String>,
    /// Client id of the identity that Velero uses on the target; it must be able to write even where the location is read only.
    pub velero_client_id: Option<String>,
    /// The command that copies backups from the bucket to the container. Default: AzCopy of both names.
    pub copy_command: Option<String>,
    /// Commands by workload (`StatefulSet.apps/shop/db`) that stop writes while its pods keep running, and such that let them go on.
    pub fences: BTreeMap<String, FenceCommands>,
    /// Commands by workload that say with exit status 0 that its data is right on the target.
    pub checks: BTreeMap<String, String>,
    /// Claims whose data does not move (`namespace/name`), and why.
    pub leave: BTreeMap<String, String>,
}

/// How writes are stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FenceCommands {
    /// Stops writes.
    pub close: Option<String>,
    /// Lets them go on.
    pub open: Option<String>,
}

impl Mapping {
    /// What in it cannot be, beyond what its form says. `checklist` are the names of the items of the checklist.
    pub fn problems(&self, checklist: &[&str]) -> Vec<String> {
        let mut problems = Vec::new();
        for (place, version) in
            [("source", &self.source.kubernetes_version), ("target", &self.target.kubernetes_version)]
        {
            if let Some(version) = version.as_ref().filter(|v| crate::cluster::version::minor_of(v).is_none()) {
                problems.push(format!(
                    "{place}.kubernetes_version is {version:?}; write its first two numbers, such as '1.34'"
                ));
            }
        }
        let registries = self.registries.iter().chain(&self.images).filter_map(|(from, to)| Some((from, to.as_ref()?)));
        for (from, to) in registries {
            if to.contains("://") || to.trim().is_empty() || to.contains(char::is_whitespace) {
                problems.push(format!(
                    "the place of {from} is {to:?}; write it as an image names it, without a scheme (shop.azurecr.io)"
                ));
            }
        }
        if let Some(command) = &self.ingress.dns_command {
            for place in ["<HOST>", "<ADDRESS>"].into_iter().filter(|p| !command.contains(p)) {
                problems.push(format!(
                    "ingress.dns_command is {command:?}, without {place}: it would point every name to the same place"
                ));
            }
        }
        for zone in self.ingress.dns_zones.keys().filter(|z| z.is_empty() || z.starts_with('.') || z.ends_with('.')) {
            problems
                .push(format!("ingress.dns_zones[{zone:?}]: write the zone without a dot at its ends (shop.example)"));
        }
        for name in self.checklist.keys().filter(|n| !checklist.contains(&n.as_str())) {
            problems.push(format!("checklist.{name} is no item; known are {}", checklist.join(", ")));
        }
        for (key, name) in self
            .pod_identities
            .keys()
            .map(|k| (k, "pod_identities"))
            .chain(self.data.leave.keys().map(|k| (k, "data.leave")))
        {
            if key.split('/').count() != 2 || key.split('/').any(str::is_empty) {
                problems.push(format!("{name}[{key:?}]: write namespace/name"));
            }
        }
        for (arn, identity) in &self.identities {
            for role in identity.roles.iter().flatten().filter(|r| r.role.is_empty() || !r.scope.starts_with('/')) {
                problems.push(format!("identities[{arn:?}].roles: role {:?} with scope {:?}; a role has a name, and a scope begins with /", role.role, role.scope));
            }
        }
        problems
    }
}
