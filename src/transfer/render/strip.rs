//! What an API server and its controllers write into objects, and no manifest holds.

use crate::transfer::inventory::Item;
use crate::transfer::rules;
use serde_json::{Map, Value};

/// Annotations that the cluster writes.
const ANNOTATIONS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "control-plane.alpha.kubernetes.io/leader",
    "batch.kubernetes.io/job-tracking",
    "batch.kubernetes.io/cronjob-scheduled-timestamp",
];

/// Labels that the cluster writes into Jobs and their pods.
const JOB_LABELS: [&str; 4] =
    ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

/// An object as its manifest is: without status, managed fields, last-applied, and what its controllers have filled in.
pub fn strip(item: &Item) -> Value {
    let mut object = item.object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        clean_metadata(metadata, item.live);
        for field in [
            "uid",
            "resourceVersion",
            "generation",
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "ownerReferences",
        ] {
            metadata.shift_remove(field);
        }
        if item.live {
            // Finalizers are those of controllers of the source.
            metadata.shift_remove("finalizers");
            metadata.shift_remove("generateName");
        }
    }
    if let Some(template) = rules::template(item)
        && let Some(metadata) = object.pointer_mut(&format!("{template}/metadata")).and_then(Value::as_object_mut)
    {
        clean_metadata(metadata, item.live);
    }
    if item.live {
        of_controllers(item, &mut object);
    }
    ordered(object)
}

fn clean_metadata(metadata: &mut Map<String, Value>, live: bool) {
    if live || metadata.get("creationTimestamp").is_some_and(Value::is_null) {
        metadata.shift_remove("creationTimestamp");
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !ANNOTATIONS.contains(&key.as_str()));
    }
    if metadata.get("annotations").is_some_and(|a| a.is_null() || a.as_object().is_some_and(Map::is_empty)) {
        metadata.shift_remove("annotations");
    }
}

/// Fields that controllers and admission fill in.
fn of_controllers(item: &Item, object: &mut Value) {
    let remove = |object: &mut Value, parent: &str, fields: &[&str]| {
        if let Some(map) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.iter().for_each(|f| drop(map.shift_remove(*f)));
        }
    };
    match item.id.kind() {
        "Service" if item.id.group().is_empty() => {
            if item.text("/spec/clusterIP") != Some("None") {
                remove(object, "/spec", &["clusterIP", "clusterIPs"]);
            }
            remove(object, "/spec", &["healthCheckNodePort", "ipFamilies", "ipFamilyPolicy", "loadBalancerIP"]);
            // A node port of a Service of type NodePort may be known to somebody outside.
            if item.text("/spec/type") != Some("NodePort") {
                let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
                ports
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_object_mut)
                    .for_each(|p| drop(p.shift_remove("nodePort")));
            }
        }
        "PersistentVolumeClaim" => remove(object, "/spec", &["volumeName"]),
        "ServiceAccount" => remove(object, "", &["secrets"]),
        "Namespace" => {
            remove(object, "/spec", &["finalizers"]);
            if object.get("spec").and_then(Value::as_object).is_some_and(Map::is_empty) {
                remove(object, "", &["spec"]);
            }
            remove(object, "/metadata/labels", &["kubernetes.io/metadata.name"]);
        }
        "Job" if object.pointer("/spec/manualSelector") != Some(&Value::Bool(true)) => {
            remove(object, "/spec", &["selector"]);
            remove(object, "/spec/template/metadata/labels", &JOB_LABELS);
            remove(object, "/metadata/labels", &JOB_LABELS);
        }
        "Pod" => pod(object),
        "StatefulSet" => {
            let templates = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
            for template in templates.into_iter().flatten().filter_map(Value::as_object_mut) {
                template.shift_remove("status");
                if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
                    clean_metadata(metadata, true);
                }
            }
        }
        _ => {}
    }
    if let Some(labels) = object.pointer("/metadata/labels").and_then(Value::as_object)
        && labels.is_empty()
    {
        remove(object, "/metadata", &["labels"]);
    }
}

/// What admission and the scheduler write into a pod that nobody owns.
fn pod(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["nodeName", "priority", "preemptionPolicy", "ephemeralContainers", "serviceAccount"] {
        spec.shift_remove(field);
    }
    let is_token = |name: Option<&Value>| {
        name.and_then(Value::as_str).is_some_and(|n| n.starts_with("kube-api-access-") || n == "aws-iam-token")
    };
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|v| !is_token(v.get("name")));
    }
    if let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        tolerations.retain(|t| t.get("tolerationSeconds") != Some(&300.into()));
    }
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|m| !is_token(m.get("name")));
            }
            // The webhooks of IRSA and Pod Identity write these.
            if let Some(variables) = container.get_mut("env").and_then(Value::as_array_mut) {
                let written = [
                    "AWS_ROLE_ARN",
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "AWS_STS_REGIONAL_ENDPOINTS",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                ];
                variables.retain(|v| !v.get("name").and_then(Value::as_str).is_some_and(|n| written.contains(&n)));
            }
        }
    }
}

/// The fields of an object in the order in which people write them.
fn ordered(object: Value) -> Value {
    let Value::Object(mut fields) = object else { return object };
    let mut out = Map::new();
    for key in ["apiVersion", "kind", "metadata"] {
        if let Some(value) = fields.shift_remove(key) {
            out.insert(key.to_owned(), value);
        }
    }
    if let Some(metadata) = out.get_mut("metadata").and_then(Value::as_object_mut) {
        let mut sorted = Map::new();
        for key in ["name", "namespace", "labels", "annotations"] {
            if let Some(value) = metadata.shift_remove(key) {
                sorted.insert(key.to_owned(), value);
            }
        }
        sorted.append(metadata);
        *metadata = sorted;
    }
    out.append(&mut fields);
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::object::ObjectId;
    use serde_json::json;

    fn stripped(object: Value) -> Value {
        let live = object.pointer("/metadata/uid").is_some();
        strip(&Item { id: ObjectId::of(&object).expect("named"), object, origin: String::new(), live })
    }

    #[test]
    fn what_the_cluster_wrote_goes_and_the_rest_stays() {
        let service = stripped(json!({"kind": "Service", "apiVersion": "v1", "status": {"loadBalancer": {}},
            "metadata": {"uid": "u", "resourceVersion": "1", "creationTimestamp": "x", "namespace": "n", "name": "s", "managedFields": [], "finalizers": ["service.k8s.aws/resources"],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "labels": {"a": "b"}},
            "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30000}]}}));
        assert_eq!(
            service.to_string(),
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"n","labels":{"a":"b"}},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}"#
        );
        let headless = stripped(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "uid": "u"}, "spec": {"clusterIP": "None"}}),
        );
        assert_eq!(headless["spec"]["clusterIP"], "None");
        let manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "finalizers": ["a"]}, "spec": {"clusterIP": "10.0.0.1"}});
        assert_eq!(stripped(manifest.clone()), manifest, "what somebody wrote stays");
    }

    #[test]
    fn a_pod_that_nobody_owns_is_as_it_was_written() {
        let pod = stripped(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"nodeName": "x", "priority": 0, "volumes": [{"name": "kube-api-access-1"}, {"name": "v"}], "tolerations": [{"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 300}],
                "containers": [{"name": "c", "env": [{"name": "AWS_ROLE_ARN", "value": "arn"}], "volumeMounts": [{"name": "kube-api-access-1"}]}]}}),
        );
        assert_eq!(
            pod["spec"],
            json!({"volumes": [{"name": "v"}], "tolerations": [], "containers": [{"name": "c", "env": [], "volumeMounts": []}]})
        );
    }
}
