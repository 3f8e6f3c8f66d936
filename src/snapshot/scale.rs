//! Where the disruption controller finds the scale of an owner that is no workload of its own listers
//! (pkg/controller/disruption/disruption.go `getScaleController`, `implementsScale`, 1.36).
//!
//! It looks up the kind by the version that the pod names, asks for `/scale` in the pod's namespace at the version that
//! the API prefers, and only if that is not found looks whether the version named has a `/scale` at all.

use super::kinds::{group, plural};
use super::wire::workload as wire;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;

/// What of the custom resources is still known when pods are read that were recorded later.
#[derive(Debug, Default)]
pub(crate) struct CustomKinds {
    /// `group/Kind/namespace/name` of each.
    pub(crate) names: FxHashSet<String>,
    /// `group/Kind` → what the API serves.
    pub(crate) definitions: FxHashMap<String, Definition>,
}

/// What the API serves under a custom kind.
#[derive(Debug)]
pub(crate) struct Definition {
    plural: String,
    namespaced: bool,
    /// Versions that are served, with the path of their replica count if they have `/scale`; the preferred one first.
    served: Vec<(String, Option<String>)>,
}

/// Where a scale is found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The replica count tells.
    Replicas,
    /// Not where the controller asks.
    Unreachable,
    /// Asking fails with this text.
    Refused(String),
    /// The dump does not tell.
    Unknown,
}

impl Definition {
    pub(crate) fn new(spec: &wire::DefinitionSpec<'_>) -> Definition {
        let versions = spec.versions.iter().filter(|v| v.served != Some(false));
        let mut served: Vec<(String, Option<String>)> = versions
            .map(|v| {
                let scale = v.subresources.as_ref().and_then(|s| s.scale.as_ref());
                (v.name.to_string(), scale.map(|s| s.spec_replicas_path.to_string()))
            })
            .collect();
        served.sort_by_cached_key(|(name, _)| Reverse(precedence(name)));
        let plural = match &*spec.names.plural {
            "" => plural(&spec.names.kind),
            given => given.to_owned(),
        };
        Definition { plural, namespaced: &*spec.scope != "Cluster", served }
    }
    /// Path of the replica count at the version that the API prefers.
    pub(crate) fn preferred_path(&self) -> Option<&str> {
        self.served.first()?.1.as_deref()
    }
    /// What asking for the scale of an object gives, when a pod names it by this `apiVersion`.
    pub(crate) fn scale(&self, api_version: &str, kind: &str, object: Object) -> Scale {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let Some((_, named)) = self.served.iter().find(|(name, _)| name == version) else {
            return Scale::Refused(no_matches(api_version, kind));
        };
        match (self.preferred_path().filter(|_| self.namespaced), object, named) {
            (Some(path), Object::WithoutCount, _) => {
                Scale::Refused(format!("Internal error occurred: the spec replicas field {path:?} does not exist"))
            }
            (Some(_), Object::WithCount, _) | (Some(_), _, Some(_)) => Scale::Replicas,
            (Some(_), Object::AnotherUid, None) => Scale::Unreachable,
            (None, _, Some(_)) => Scale::Unreachable,
            (_, _, None) => Scale::Refused(no_subresource(&self.plural, group(api_version))),
        }
    }
}

/// What the dump has of the object that a pod names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// It, with a replica count.
    WithCount,
    /// It, without.
    WithoutCount,
    /// One of the same name.
    AnotherUid,
    /// Nothing.
    Missing,
}

/// The same for a kind that no definition of the dump describes: of Kubernetes itself, or unknown.
pub(crate) fn without_definition(api_version: &str, kind: &str, has_definitions: bool) -> Scale {
    let group = group(api_version);
    let Some((_, version, kinds)) = BUILT_IN.iter().find(|(g, _, _)| *g == group) else {
        // Without any definition in the dump it may be that nobody asked for them.
        return if has_definitions { Scale::Refused(no_matches(api_version, kind)) } else { Scale::Unknown };
    };
    let versions = |v: &str| version.split(' ').any(|known| known == v);
    if !versions(api_version.rsplit('/').next().unwrap_or_default()) || !kinds.split(' ').any(|k| k == kind) {
        return Scale::Refused(no_matches(api_version, kind));
    }
    match kind {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "ReplicationController" => Scale::Replicas,
        _ => Scale::Refused(no_subresource(&plural(kind), group)),
    }
}

/// The groups that every API server of 1.36 serves, with their versions and kinds.
const BUILT_IN: [(&str, &str, &str); 19] = [
    (
        "",
        "v1",
        "Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume \
         PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration ValidatingAdmissionPolicy \
         ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
    ),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "v1", "APIService"),
    ("apps", "v1", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
    ("authentication.k8s.io", "v1", "SelfSubjectReview TokenReview"),
    (
        "authorization.k8s.io",
        "v1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    ("autoscaling", "v1 v2", "HorizontalPodAutoscaler"),
    ("batch", "v1", "CronJob Job"),
    ("certificates.k8s.io", "v1", "CertificateSigningRequest"),
    ("coordination.k8s.io", "v1", "Lease"),
    ("discovery.k8s.io", "v1", "EndpointSlice"),
    ("events.k8s.io", "v1", "Event"),
    ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema PriorityLevelConfiguration"),
    ("networking.k8s.io", "v1", "IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole ClusterRoleBinding Role RoleBinding"),
    ("scheduling.k8s.io", "v1", "PriorityClass"),
    (
        "storage.k8s.io",
        "v1",
        "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass",
    ),
];

fn no_subresource(plural: &str, group: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("{plural}{dot}{group} does not implement the scale subresource")
}

fn no_matches(api_version: &str, kind: &str) -> String {
    format!("no matches for kind {kind:?} in version {api_version:?}")
}

/// How much the API prefers a version (apimachinery `CompareKubeAwareVersionStrings`): stable ones, then betas, then
/// alphas, the greater numbers first; then all other names, by the alphabet.
fn precedence(version: &str) -> (u8, u64, u64, Reverse<String>) {
    let other = (0, 0, 0, Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else { return other };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(digits);
    let Ok(major) = major.parse() else { return other };
    let minor = |prefix: &str| rest.strip_prefix(prefix).and_then(|n| n.parse().ok());
    let none = Reverse(String::new());
    match (rest, minor("beta"), minor("alpha")) {
        ("", ..) => (3, major, 0, none),
        (_, Some(minor), _) => (2, major, minor, none),
        (_, _, Some(minor)) => (1, major, minor, none),
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    fn definition(scope: &str, versions: &[(&str, Option<&str>)]) -> Definition {
        let versions = versions.iter().map(|(name, path)| match path {
            Some(path) => json!({"name": name, "subresources": {"scale": {"specReplicasPath": path}}}),
            None => json!({"name": name}),
        });
        let spec = json!({
            "group": "example.com", "names": {"kind": "Mouse", "plural": "mice"}, "scope": scope,
            "versions": versions.collect::<Vec<Value>>(),
        });
        Definition::new(&wire::DefinitionSpec::deserialize(&spec).unwrap())
    }
    fn refused(text: &str) -> Scale {
        Scale::Refused(text.to_owned())
    }

    #[test]
    fn the_preferred_version_answers_whichever_is_named() {
        let d = definition("Namespaced", &[("v1beta1", None), ("v1", Some(".spec.size"))]);
        assert_eq!(d.preferred_path(), Some(".spec.size"));
        assert_eq!(d.scale("example.com/v1beta1", "Mouse", Object::WithCount), Scale::Replicas);
        assert_eq!(
            d.scale("example.com/v1beta1", "Mouse", Object::Missing),
            refused("mice.example.com does not implement the scale subresource")
        );
        assert_eq!(
            d.scale("example.com/v1", "Mouse", Object::WithoutCount),
            refused("Internal error occurred: the spec replicas field \".spec.size\" does not exist")
        );
        assert_eq!(
            d.scale("example.com/v2", "Mouse", Object::WithCount),
            refused("no matches for kind \"Mouse\" in version \"example.com/v2\"")
        );
    }

    #[test]
    fn a_scale_elsewhere_finds_no_controller() {
        let d = definition("Namespaced", &[("v1beta1", Some(".spec.replicas")), ("v1", None)]);
        assert_eq!(d.scale("example.com/v1beta1", "Mouse", Object::WithCount), Scale::Unreachable);
        let d = definition("Cluster", &[("v1", Some(".spec.replicas"))]);
        assert_eq!(d.scale("example.com/v1", "Mouse", Object::WithCount), Scale::Unreachable);
    }

    #[test]
    fn kinds_of_kubernetes_are_known_without_a_definition() {
        let ask = |api: &str, kind: &str| without_definition(api, kind, false);
        assert_eq!(ask("v1", "ConfigMap"), refused("configmaps does not implement the scale subresource"));
        assert_eq!(ask("v1", "Endpoints"), refused("endpoints does not implement the scale subresource"));
        assert_eq!(
            ask("networking.k8s.io/v1", "Ingress"),
            refused("ingresses.networking.k8s.io does not implement the scale subresource")
        );
        assert_eq!(ask("apps/v1", "Nonsense"), refused("no matches for kind \"Nonsense\" in version \"apps/v1\""));
        assert_eq!(
            ask("apps/v1beta1", "StatefulSet"),
            refused("no matches for kind \"StatefulSet\" in version \"apps/v1beta1\"")
        );
        assert_eq!(ask("apps/v1", "StatefulSet"), Scale::Replicas);
        assert_eq!(ask("example.com/v1", "Ghost"), Scale::Unknown);
        assert_eq!(
            without_definition("example.com/v1", "Ghost", true),
            refused("no matches for kind \"Ghost\" in version \"example.com/v1\"")
        );
    }

    #[test]
    fn stable_versions_come_before_betas_and_greater_before_less() {
        let mut versions = ["foo", "v1alpha2", "v2", "v1beta1", "v10", "v1beta3", "v3beta1", "bar"];
        versions.sort_by_cached_key(|v| Reverse(precedence(v)));
        assert_eq!(versions, ["v10", "v2", "v3beta1", "v1beta3", "v1beta1", "v1alpha2", "bar", "foo"]);
    }
}
