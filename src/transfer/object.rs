//! How an object is named: `Kind.group/namespace/name`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Name of an object within one cluster, whatever version of its API it was read in: `Deployment.apps/shop/web`, `Service/shop/web`,
/// `StorageClass.storage.k8s.io/gp3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ObjectId(String);

impl ObjectId {
    /// The name of an object by its parts; without a namespace it is one of the cluster.
    pub fn new(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
        let mut text = kind.to_owned();
        if let Some((group, _)) = api_version.split_once('/') {
            text.push('.');
            text.push_str(group);
        }
        for part in namespace.into_iter().chain([name]) {
            text.push('/');
            text.push_str(part);
        }
        ObjectId(text)
    }

    /// The name of an object; None where it has no kind or no name.
    pub fn of(object: &Value) -> Option<ObjectId> {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str).filter(|t| !t.is_empty());
        Some(ObjectId::new(
            text("/apiVersion").unwrap_or_default(),
            text("/kind")?,
            text("/metadata/namespace"),
            text("/metadata/name")?,
        ))
    }

    /// Its kind (`Deployment`).
    pub fn kind(&self) -> &str {
        self.kind_and_group().0
    }

    /// The group of its API; "" for the core group.
    pub fn group(&self) -> &str {
        self.kind_and_group().1
    }

    /// Its namespace; None for an object of the cluster.
    pub fn namespace(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once('/')?;
        rest.split_once('/').map(|(namespace, _)| namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn kind_and_group(&self) -> (&str, &str) {
        let head = self.0.split('/').next().unwrap_or_default();
        head.split_once('.').unwrap_or((head, ""))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_of_a_name_are_those_it_was_made_of() {
        let web = ObjectId::of(
            &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}),
        )
        .expect("named");
        assert_eq!(web.as_str(), "Deployment.apps/shop/web");
        assert_eq!((web.kind(), web.group(), web.namespace(), web.name()), ("Deployment", "apps", Some("shop"), "web"));
        let class = ObjectId::new("storage.k8s.io/v1", "StorageClass", None, "gp3");
        assert_eq!(
            (class.kind(), class.group(), class.namespace(), class.name()),
            ("StorageClass", "storage.k8s.io", None, "gp3")
        );
        let service = ObjectId::new("v1", "Service", Some("shop"), "web");
        assert_eq!((service.as_str(), service.group()), ("Service/shop/web", ""));
        assert_eq!(ObjectId::of(&json!({"kind": "Service", "metadata": {}})), None);
    }
}
