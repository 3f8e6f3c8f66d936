//! What a dump for a transfer holds besides: configuration, accounts, access, ingress, and the custom resources that the analysis knows.

use crate::session::Resource;
use crate::session::api::resource as kind;

/// Kinds that are asked for besides [`super::kinds::RECORDED`], in the order of the dump. Secrets are not among them.
pub const FOR_TRANSFER: &[Resource] = &[
    kind("v1", "ServiceAccount", "serviceaccounts", true),
    kind("v1", "ConfigMap", "configmaps", true),
    kind("batch/v1", "CronJob", "cronjobs", true),
    kind("networking.k8s.io/v1", "Ingress", "ingresses", true),
    kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", false),
    kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
    kind("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true),
    kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false),
    kind("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", false),
    kind("gateway.networking.k8s.io/v1", "Gateway", "gateways", true),
    kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", true),
    kind("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "volumesnapshotclasses", false),
    kind("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "volumesnapshots", true),
    kind("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "secretproviderclasses", true),
    kind("external-secrets.io/v1", "ExternalSecret", "externalsecrets", true),
    kind("external-secrets.io/v1", "SecretStore", "secretstores", true),
    kind("external-secrets.io/v1", "ClusterSecretStore", "clustersecretstores", false),
    kind("cert-manager.io/v1", "Issuer", "issuers", true),
    kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", false),
    kind("cert-manager.io/v1", "Certificate", "certificates", true),
    kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", true),
    kind("keda.sh/v1alpha1", "ScaledJob", "scaledjobs", true),
    kind("keda.sh/v1alpha1", "TriggerAuthentication", "triggerauthentications", true),
    kind("keda.sh/v1alpha1", "ClusterTriggerAuthentication", "clustertriggerauthentications", false),
    kind("karpenter.k8s.aws/v1", "EC2NodeClass", "ec2nodeclasses", false),
    kind("eks.amazonaws.com/v1", "NodeClass", "nodeclasses", false),
    kind("eks.amazonaws.com/v1", "IngressClassParams", "ingressclassparams", false),
    kind("elbv2.k8s.aws/v1beta1", "IngressClassParams", "ingressclassparams", false),
    kind("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "targetgroupbindings", true),
    kind("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", "securitygrouppolicies", true),
    kind("crd.k8s.amazonaws.com/v1alpha1", "ENIConfig", "eniconfigs", false),
    kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", true),
    kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", true),
    kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", true),
    kind("cloudwatch.aws.amazon.com/v1alpha1", "AmazonCloudWatchAgent", "amazoncloudwatchagents", true),
    kind("opentelemetry.io/v1beta1", "OpenTelemetryCollector", "opentelemetrycollectors", true),
    kind("argoproj.io/v1alpha1", "Application", "applications", true),
    kind("source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories", true),
    kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations", true),
    kind("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", true),
    kind("velero.io/v1", "Schedule", "schedules", true),
    kind("velero.io/v1", "Backup", "backups", true),
];

/// Secrets, asked for only with `--secret-keys`. Their values go by the wire, and are dropped before anything is kept.
pub const SECRETS: Resource = kind("v1", "Secret", "secrets", true);

#[cfg(test)]
mod tests {
    use super::super::kinds::RECORDED;
    use super::*;

    #[test]
    fn no_kind_is_asked_for_twice_and_secrets_only_where_wanted() {
        let mut seen = std::collections::BTreeSet::new();
        for resource in RECORDED.iter().chain(FOR_TRANSFER) {
            assert!(seen.insert((resource.api_version, resource.kind)), "{} {}", resource.api_version, resource.kind);
            assert_ne!(resource.kind, "Secret");
        }
    }
}
