//! What Velero is given on both clusters: locations, class and image maps, resource modifiers.

use super::Change;
use crate::snapshot::hex;
use crate::transfer::analysis::ImageImport;
use crate::transfer::mapping::Mapping;
use crate::transfer::plan::Velero;
use crate::transfer::rules::{self, Ground};
use crate::transfer::yaml;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The name of both locations.
pub const LOCATION: &str = "transfer";
/// How the name of the ConfigMap of resource modifiers begins; what they say follows, for two transfers may be under way at the same time.
const MODIFIERS: &str = "nodeferry-modifiers-";

/// The annotation in which kubectl keeps the manifest that it has applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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
        image_map: map(namespace, "nodeferry-images", "velero.io/change-image-name", images(imports, moved)),
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

/// Images that become others, by a key that says which. Velero replaces the name wherever it stands within another: one that would spoil another is
/// left to the modifiers, which change it container by container.
fn images(imports: &[ImageImport], moved: &[&Change]) -> BTreeMap<String, String> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for change in moved {
        let Some(spec) = change.before.pointer("/spec/template/spec").or_else(|| change.before.get("spec")) else {
            continue;
        };
        let lists = ["initContainers", "containers"].into_iter().filter_map(|list| spec.get(list)?.as_array());
        used.extend(lists.flatten().filter_map(|c| c.get("image")?.as_str()));
    }
    let becomes = |image: &str| imports.iter().find(|i| i.from == image).map_or(image.to_owned(), |i| i.to.clone());
    let spoils = |image: &&ImageImport| {
        used.iter().any(|other| other.contains(&image.from) && other.replace(&image.from, &image.to) != becomes(other))
    };
    let key = |image: &ImageImport| format!("image-{}", &hex(&Sha256::digest(image.from.as_bytes()))[..10]);
    imports.iter().filter(|i| !spoils(i)).map(|i| (key(i), format!("{},{}", i.from, i.to))).collect()
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

/// What kubectl has applied last stays in what is restored unless it is taken out, with all that it says of AWS.
fn drop_last_applied(patch: &mut Value) {
    let Some(patch) = patch.as_object_mut() else { return };
    let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    // Null takes all of them out.
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(LAST_APPLIED.to_owned(), Value::Null);
    }
}

fn modifiers(namespace: &str, moved: &[&Change]) -> Option<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for change in moved {
        let (Some(resource), Some(after)) = (resource(change), &change.after) else { continue };
        let mut patch = merge_patch(&change.before, after).unwrap_or_else(|| json!({}));
        drop_last_applied(&mut patch);
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
    let name = format!("{MODIFIERS}{}", &hex(&Sha256::digest(text.as_bytes()))[..10]);
    Some(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"modifiers.yaml": text}}),
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
    fn an_image_whose_name_stands_within_that_of_another_is_not_in_the_map() {
        let id = crate::transfer::ObjectId::new("apps/v1", "StatefulSet", Some("shop"), "db");
        let container = |image: &str| json!({"name": image, "image": image});
        let before = json!({"spec": {"template": {"spec": {"containers": [container("redis"), container("quay.io/redis-exporter:1"), container("web:1"), container("web:10")]}}}});
        let change = Change { id, origin: String::new(), before, after: None, made: Vec::new(), edits: Vec::new() };
        let import = |from: &str| ImageImport { from: from.to_owned(), to: format!("acr.io/{from}") };
        let map = images(&[import("redis"), import("web:1"), import("web:10")], &[&change]);
        let values: Vec<&str> = map.values().map(String::as_str).collect();
        assert_eq!(values.len(), 2, "redis would spoil the exporter, which stays: {values:?}");
        assert!(values.contains(&"web:1,acr.io/web:1"), "web:10 becomes the same by web:1");
    }

    #[test]
    fn what_kubectl_has_applied_last_is_not_restored() {
        let of = |mut patch: Value| {
            drop_last_applied(&mut patch);
            patch
        };
        let gone = json!({"metadata": {"annotations": {LAST_APPLIED: null}}});
        assert_eq!(of(json!({})), gone);
        assert_eq!(of(json!({"metadata": {"annotations": null}})), json!({"metadata": {"annotations": null}}));
        let both = of(json!({"metadata": {"annotations": {"a": null}}, "spec": {"b": 1}}));
        assert_eq!(both, json!({"metadata": {"annotations": {"a": null, LAST_APPLIED: null}}, "spec": {"b": 1}}));
    }

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
