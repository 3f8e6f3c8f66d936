//! What Velero is given on both clusters: locations, class and image maps, resource modifiers.

use super::Change;
use crate::transfer::analysis::ImageImport;
use crate::transfer::mapping::Mapping;
use crate::transfer::plan::Velero;
use crate::transfer::rules::{self, Ground};
use crate::transfer::yaml;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The name of both locations.
pub const LOCATION: &str = "transfer";
/// The name of the ConfigMap of resource modifiers.
pub const MODIFIERS: &str = "nodeferry-modifiers";

/// Namespace of Velero.
pub fn namespace(mapping: &Mapping) -> &str {
    mapping.data.velero_namespace.as_deref().unwrap_or("velero")
}

/// What Velero is given; `moved` are the workloads that it restores.
pub fn velero(ground: &Ground<'_>, imports: &[ImageImport], moved: &[&Change]) -> Velero {
    let mapping = ground.mapping;
    let namespace = namespace(mapping);
    Velero {
        namespace: namespace.to_owned(),
        source_location: source_location(mapping, namespace),
        target_location: target_location(mapping, namespace),
        class_map: map(namespace, "nodeferry-storage-classes", "velero.io/change-storage-class", classes(ground)),
        image_map: map(
            namespace,
            "nodeferry-images",
            "velero.io/change-image-name",
            imports
                .iter()
                .enumerate()
                .map(|(i, image)| (format!("image-{i}"), format!("{},{}", image.from, image.to)))
                .collect(),
        ),
        resource_modifiers: modifiers(namespace, moved),
    }
}

fn source_location(mapping: &Mapping, namespace: &str) -> Option<Value> {
    let bucket = mapping.data.bucket.as_ref()?;
    let mut config = Map::new();
    if let Some(region) = &mapping.source.region {
        config.insert("region".into(), region.as_str().into());
    }
    Some(
        json!({"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": LOCATION, "namespace": namespace},
        "spec": {"provider": "aws", "objectStorage": {"bucket": bucket}, "config": config}}),
    )
}

fn target_location(mapping: &Mapping, namespace: &str) -> Option<Value> {
    let (account, container) = (mapping.data.storage_account.as_ref()?, mapping.data.container.as_ref()?);
    let mut config = json!({"storageAccount": account, "useAAD": "true"});
    if let Some(group) = mapping.data.storage_resource_group.as_ref().or(mapping.target.resource_group.as_ref()) {
        config["resourceGroup"] = group.as_str().into();
    }
    if let Some(subscription) = &mapping.target.subscription {
        config["subscriptionId"] = subscription.as_str().into();
    }
    // Restores write their results into a location that is read only, too: the credential must be able to write.
    Some(
        json!({"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": LOCATION, "namespace": namespace},
        "spec": {"provider": "azure", "accessMode": "ReadOnly", "objectStorage": {"bucket": container}, "config": config}}),
    )
}

/// Classes that claims ask for and that change.
fn classes(ground: &Ground<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in ground.mapping.storage_classes.keys() {
        if let Ok(Some(to)) = rules::target_class(ground, name) {
            all.insert(name.clone(), to);
        }
    }
    all
}

fn map(namespace: &str, name: &str, plugin: &str, data: BTreeMap<String, String>) -> Option<Value> {
    if data.is_empty() {
        return None;
    }
    Some(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"velero.io/plugin-config": "", plugin: "RestoreItemAction"}}, "data": data}))
}

/// The resource of a kind, as Velero's conditions name it.
fn resource(change: &Change) -> Option<&'static str> {
    Some(match (change.id.group(), change.id.kind()) {
        ("apps", "StatefulSet") => "statefulsets.apps",
        ("apps", "Deployment") => "deployments.apps",
        ("apps", "DaemonSet") => "daemonsets.apps",
        ("batch", "CronJob") => "cronjobs.batch",
        ("batch", "Job") => "jobs.batch",
        ("", "Pod") => "pods",
        ("", "PersistentVolumeClaim") => "persistentvolumeclaims",
        ("", "ReplicationController") => "replicationcontrollers",
        _ => return None,
    })
}

/// The merge patch (RFC 7386) that makes one value of another.
pub fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let mut patch = Map::new();
            for key in a.keys().filter(|k| !b.contains_key(*k)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in b {
                match a.get(key) {
                    Some(old) => drop(merge_patch(old, value).map(|p| patch.insert(key.clone(), p))),
                    None => drop(patch.insert(key.clone(), value.clone())),
                }
            }
            Some(Value::Object(patch))
        }
        _ => Some(after.clone()),
    }
}

/// Characters that mean something in a regular expression are taken as they are.
fn literally(name: &str) -> String {
    format!("^{}$", name.replace('.', "\\."))
}

fn modifiers(namespace: &str, moved: &[&Change]) -> Option<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for change in moved {
        let (Some(resource), Some(after)) = (resource(change), &change.after) else { continue };
        let Some(patch) = merge_patch(&change.before, after) else { continue };
        let mut conditions = json!({"groupResource": resource, "resourceNameRegex": literally(change.id.name())});
        if let Some(namespace) = change.id.namespace() {
            conditions["namespaces"] = json!([namespace]);
        }
        rules.push(json!({"conditions": conditions, "mergePatches": [{"patchData": yaml::text(&patch)}]}));
        if let Some((selector, patch)) = pods(change, after) {
            let conditions = json!({"groupResource": "pods", "namespaces": [change.id.namespace()], "labelSelector": {"matchLabels": selector}});
            rules.push(json!({"conditions": conditions, "strategicPatches": [{"patchData": yaml::text(&patch)}]}));
        }
    }
    if rules.is_empty() {
        return None;
    }
    let text = yaml::text(&json!({"version": "v1", "resourceModifierRules": rules}));
    Some(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MODIFIERS, "namespace": namespace}, "data": {"modifiers.yaml": text}}),
    )
}

/// What changes in the pods of a workload: they are restored as they were, with what their template says now.
fn pods(change: &Change, after: &Value) -> Option<(Value, Value)> {
    let selector = change.before.pointer("/spec/selector/matchLabels")?.clone();
    let (old, new) = (change.before.pointer("/spec/template")?, after.pointer("/spec/template")?);
    let mut patch = Map::new();
    let part = |place: &str| {
        merge_patch(old.pointer(place).unwrap_or(&Value::Null), new.pointer(place).unwrap_or(&Value::Null))
    };
    let mut metadata = Map::new();
    for key in ["labels", "annotations"] {
        if let Some(p) = part(&format!("/metadata/{key}")) {
            metadata.insert(key.to_owned(), p);
        }
    }
    if !metadata.is_empty() {
        patch.insert("metadata".into(), Value::Object(metadata));
    }
    let mut spec = Map::new();
    for key in ["nodeSelector", "affinity", "tolerations", "topologySpreadConstraints"] {
        if let Some(p) = part(&format!("/spec/{key}")) {
            spec.insert(key.to_owned(), p);
        }
    }
    for list in ["initContainers", "containers"] {
        let containers = containers(old, new, list);
        if !containers.is_empty() {
            spec.insert(list.to_owned(), containers.into());
        }
    }
    if !spec.is_empty() {
        patch.insert("spec".into(), Value::Object(spec));
    }
    (!patch.is_empty()).then_some((selector, Value::Object(patch)))
}

/// Containers whose image or environment changes, by name, with what is new of them.
fn containers(old: &Value, new: &Value, list: &str) -> Vec<Value> {
    let of = |template: &Value| {
        template.pointer(&format!("/spec/{list}")).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let before = of(old);
    let mut all = Vec::new();
    for container in of(new) {
        let name = container.get("name");
        let Some(was) = before.iter().find(|c| c.get("name") == name) else { continue };
        let mut patch = Map::new();
        if container.get("image") != was.get("image")
            && let Some(image) = container.get("image")
        {
            patch.insert("image".into(), image.clone());
        }
        let variables = container.get("env").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let had = was.get("env").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let changed: Vec<Value> = variables.iter().filter(|v| !had.contains(v)).cloned().collect();
        if !changed.is_empty() {
            patch.insert("env".into(), changed.into());
        }
        if !patch.is_empty() {
            patch.insert("name".into(), name.cloned().unwrap_or_default());
            all.push(Value::Object(patch));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_makes_one_value_of_another() {
        let (a, b) =
            (json!({"a": 1, "b": {"c": [1], "d": 2}, "e": 3}), json!({"a": 1, "b": {"c": [2], "d": 2}, "f": 4}));
        let patch = merge_patch(&a, &b).expect("they differ");
        assert_eq!(patch, json!({"e": null, "b": {"c": [2]}, "f": 4}));
        let mut patched = a.clone();
        json_patch::merge(&mut patched, &patch);
        assert_eq!(patched, b);
        assert_eq!(merge_patch(&a, &a), None);
    }
}
