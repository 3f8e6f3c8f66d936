//! Custom resources that own pods: with and without `/scale`, in several versions, with an irregular plural.

use serde_json::{Value, json};

/// A custom kind: its plural, and whether its objects live in namespaces.
pub struct Custom {
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    /// Version, whether it is served, and where its scale is; the first is stored.
    versions: &'static [(&'static str, bool, Option<&'static str>)],
}

/// Group of all of them.
pub const GROUP: &str = "example.com";
const REPLICAS: Option<&str> = Some(".spec.replicas");

/// What there is.
pub const CUSTOMS: [Custom; 7] = [
    Custom { kind: "Gadget", plural: "gadgets", namespaced: true, versions: &[("v1", true, None)] },
    Custom { kind: "Widget", plural: "widgets", namespaced: true, versions: &[("v1", true, REPLICAS)] },
    Custom { kind: "Mouse", plural: "mice", namespaced: true, versions: &[("v1", true, None)] },
    Custom {
        kind: "Sprocket",
        plural: "sprockets",
        namespaced: true,
        versions: &[("v1", true, Some(".spec.size")), ("v1beta1", true, None)],
    },
    Custom {
        kind: "Cog",
        plural: "cogs",
        namespaced: true,
        versions: &[("v1", true, None), ("v1beta1", true, REPLICAS)],
    },
    Custom { kind: "Planet", plural: "planets", namespaced: false, versions: &[("v1", true, REPLICAS)] },
    Custom {
        kind: "Relic",
        plural: "relics",
        namespaced: true,
        versions: &[("v1", true, REPLICAS), ("v1alpha1", false, REPLICAS)],
    },
];

impl Custom {
    /// Its definition.
    pub fn definition(&self) -> Value {
        let version = |i: usize, (name, served, scale): &(&str, bool, Option<&str>)| {
            let mut subresources = json!({"status": {}});
            if let Some(path) = scale {
                subresources["scale"] = json!({"specReplicasPath": path, "statusReplicasPath": ".status.replicas"});
            }
            json!({
                "name": name, "served": served, "storage": i == 0, "subresources": subresources,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            })
        };
        let versions: Vec<Value> = self.versions.iter().enumerate().map(|(i, v)| version(i, v)).collect();
        let scope = if self.namespaced { "Namespaced" } else { "Cluster" };
        let names = json!({
            "kind": self.kind, "listKind": format!("{}List", self.kind), "plural": self.plural,
            "singular": self.kind.to_ascii_lowercase(),
        });
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{GROUP}", self.plural)},
            "spec": {"group": GROUP, "names": names, "scope": scope, "versions": versions},
        })
    }
    /// Where all its objects are listed.
    pub fn path(&self) -> String {
        format!("/apis/{GROUP}/v1/{}", self.plural)
    }
    /// The versions by which a pod may name it.
    pub fn versions(&self) -> Vec<&'static str> {
        self.versions.iter().map(|v| v.0).collect()
    }
}
