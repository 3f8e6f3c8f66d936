//! What a dump for a transfer keeps of values: of environments and ConfigMaps the host names and ARNs that are recognised, of Secrets the keys.
//!
//! A value that is nothing but such a name stays as it is. Of any other the names are kept after [`REDUCED`], so that the analysis finds them and
//! nobody takes what is left for the value.

use super::inventory::{REDUCED, without_values};
use super::rules::{annotation_of_load_balancers, named_in};
use super::services::{Services, services_named};
use serde_json::{Map, Value};

/// An annotation that is longer holds a manifest or the like.
const LONG: usize = 256;

/// Reduces an object in place.
pub fn reduce(object: &mut Value, services: &Services) {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    match (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default()) {
        ("v1", "Secret") => without_values(object),
        ("v1", "ConfigMap") => config_map(object, services, &namespace),
        (_, "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => webhooks(object),
        _ => {}
    }
    walk(object, services, &namespace);
}

fn config_map(object: &mut Value, services: &Services, namespace: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    // Bytes may be anything.
    if let Some(Value::Object(bytes)) = fields.get_mut("binaryData") {
        bytes.values_mut().for_each(|v| *v = Value::String(String::new()));
    }
    // Access of people and nodes is what the analysis is asked for; it holds names, no credentials.
    let is_auth = namespace == "kube-system" && fields["metadata"]["name"] == "aws-auth";
    if let Some(Value::Object(data)) = fields.get_mut("data").filter(|_| !is_auth) {
        data.values_mut().for_each(|v| text(v, services, namespace));
    }
}

fn webhooks(object: &mut Value) {
    for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(client) = webhook.get_mut("clientConfig").and_then(Value::as_object_mut) {
            client.shift_remove("caBundle");
        }
    }
}

/// Environments and annotations, however deep: pod templates are found in every workload.
fn walk(value: &mut Value, services: &Services, namespace: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(variables)) = fields.get_mut("env") {
                for variable in variables.iter_mut().filter_map(|v| v.get_mut("value")) {
                    text(variable, services, namespace);
                }
            }
            if let Some(Value::Object(annotations)) = fields.get_mut("annotations") {
                keep(annotations);
            }
            fields.values_mut().for_each(|v| walk(v, services, namespace));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| walk(v, services, namespace)),
        _ => {}
    }
}

fn keep(annotations: &mut Map<String, Value>) {
    annotations.retain(|key, value| {
        let length = value.as_str().map_or(0, str::len);
        key != "kubectl.kubernetes.io/last-applied-configuration"
            && (length <= LONG || annotation_of_load_balancers(key))
    });
}

fn text(value: &mut Value, services: &Services, namespace: &str) {
    if let Value::String(text) = value {
        *text = reduced(text, services, namespace);
    }
}

/// A text of which only names are left.
pub fn reduced(text: &str, services: &Services, namespace: &str) -> String {
    let names = named_in(text);
    if text.is_empty() || names.first().is_some_and(|n| *n == text) {
        return text.to_owned();
    }
    let mut out = REDUCED.to_owned();
    names.iter().for_each(|n| out.push_str(&format!(" {n}")));
    for (of, name) in services_named(text, services, namespace) {
        out.push_str(&format!(" //{name}.{of}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn services() -> Services {
        Services::from([("shop".to_owned(), BTreeSet::from(["api".to_owned(), "db".to_owned()]))])
    }

    #[test]
    fn of_values_only_names_stay() {
        let of = |text: &str| reduced(text, &services(), "shop");
        assert_eq!(
            of("postgres://admin:hunter2@db.x.eu-west-1.rds.amazonaws.com:5432/a"),
            "nodeferry:reduced db.x.eu-west-1.rds.amazonaws.com"
        );
        assert_eq!(of("http://api:8080/?token=hunter2"), "nodeferry:reduced //api.shop");
        assert_eq!(of("arn:aws:sqs:eu-west-1:123456789012:jobs"), "arn:aws:sqs:eu-west-1:123456789012:jobs");
        assert_eq!((of("hunter2").as_str(), of("").as_str()), ("nodeferry:reduced", ""));
    }

    #[test]
    fn nothing_of_a_secret_stays_wherever_it_stands() {
        let pod = json!({"containers": [{"name": "c", "env": [{"name": "P", "value": "hunter2"}, {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]});
        let mut objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {"a": "hunter2"}}, "data": {"k": "hunter2"}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": {"a": "x=hunter2"}, "binaryData": {"b": "hunter2"}}),
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "j", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}}, "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
        ];
        for object in &mut objects {
            reduce(object, &services());
            assert!(!object.to_string().contains("hunter2"), "{object}");
        }
        assert_eq!(objects[0]["data"], json!({"k": ""}));
        assert!(
            objects[2].to_string().contains(r#""secretKeyRef":{"name":"s","key":"k"}"#),
            "which Secret is used is known"
        );
    }

    #[test]
    fn who_may_use_the_cluster_is_kept() {
        let mut auth = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth", "namespace": "kube-system"}, "data": {"mapRoles": "- rolearn: arn"}});
        let before = auth.clone();
        reduce(&mut auth, &services());
        assert_eq!(auth, before);
    }
}
