//! What is left out of a dump before it is written: what the reader needs not, and what whoever records wants to keep to himself.

use super::process::random;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::str::FromStr;

/// An annotation that is longer holds a manifest or the like, and is always left out.
const LONG_ANNOTATION: usize = 256;

/// What is left out or replaced.
///
/// Always: managed fields, the environment of containers, `last-applied-configuration` and other long annotations, schemas of custom
/// resource definitions, webhooks' certificates. The reader reads none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Names of images are replaced, the same by the same, on nodes too, so that image locality is as it was.
    images: bool,
    /// Containers' commands, arguments, probes and hooks are left out.
    commands: bool,
    /// Every annotation is left out but the few that Kubernetes itself reads.
    annotations: bool,
    /// Addresses of nodes, pods and Services are left out.
    addresses: bool,
    /// Values of these labels are replaced, the same by the same, wherever they are selected by, too.
    labels: BTreeSet<String>,
    /// What is hashed with each name that is replaced: nobody can find a name by hashing those that he guesses, nor hold one file against another.
    salt: [u8; 32],
}

impl FromStr for Redaction {
    type Err = String;

    fn from_str(text: &str) -> Result<Redaction, String> {
        let mut redaction = Redaction { salt: salt()?, ..Redaction::default() };
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            match word.split_once('=') {
                None if word == "images" => redaction.images = true,
                None if word == "commands" => redaction.commands = true,
                None if word == "annotations" => redaction.annotations = true,
                None if word == "addresses" => redaction.addresses = true,
                Some(("label", key)) if !key.is_empty() => {
                    redaction.labels.insert(key.to_owned());
                }
                _ => {
                    return Err(format!(
                        "{word:?} cannot be redacted; expected images, commands, annotations, addresses or label=KEY, comma-separated"
                    ));
                }
            }
        }
        Ok(redaction)
    }
}

/// Annotations whose values decide something in the reader.
const READ: &[&str] = &[
    "kubernetes.io/config.mirror",
    "batch.kubernetes.io/job-completion-index",
    "pv.kubernetes.io/bind-completed",
    "volume.kubernetes.io/selected-node",
    "storageclass.kubernetes.io/is-default-class",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "karpenter.sh/do-not-disrupt",
    "controller.kubernetes.io/pod-deletion-cost",
];

/// Fields that hold maps of labels.
const LABEL_MAPS: &[&str] = &["labels", "matchLabels", "nodeSelector", "selector"];

impl Redaction {
    /// Redacts an object in place.
    pub fn apply(&self, object: &mut Value) {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        match object["kind"].as_str() {
            Some("CustomResourceDefinition") => without_schemas(object),
            Some("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => without_clients(object),
            _ => {}
        }
        self.walk(object);
        if self.addresses {
            without_addresses(object);
        }
    }

    /// Redacts what may be anywhere: pod templates are found in every workload, however deep.
    fn walk(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                self.fields(fields);
                fields.values_mut().for_each(|v| self.walk(v));
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.walk(v)),
            _ => {}
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>) {
        for name in ["env", "envFrom"] {
            if fields.get(name).is_some_and(Value::is_array) {
                fields.remove(name);
            }
        }
        if let Some(annotations) = fields.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|k, v| self.keeps_annotation(k, v));
        }
        if self.commands {
            for name in ["command", "args", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                fields.remove(name);
            }
        }
        if self.images {
            self.images(fields);
        }
        if !self.labels.is_empty() {
            self.label_values(fields);
        }
    }

    fn keeps_annotation(&self, key: &str, value: &Value) -> bool {
        let length = value.as_str().map_or(0, str::len);
        key != "kubectl.kubernetes.io/last-applied-configuration"
            && length <= LONG_ANNOTATION
            && (!self.annotations || READ.contains(&key))
    }

    fn label_values(&self, fields: &mut Map<String, Value>) {
        for name in LABEL_MAPS {
            let Some(map) = fields.get_mut(*name).and_then(Value::as_object_mut) else { continue };
            for (_, value) in map.iter_mut().filter(|(k, _)| self.labels.contains(*k)) {
                self.replace(value, "v");
            }
        }
        // An expression of a selector: key, operator, values.
        let concerned = fields.get("key").and_then(Value::as_str).is_some_and(|k| self.labels.contains(k));
        if let (true, Some(values)) = (concerned, fields.get_mut("values").and_then(Value::as_array_mut)) {
            values.iter_mut().for_each(|v| self.replace(v, "v"));
        }
    }

    /// Replaces a text by one that says nothing and is the same for the same, in this file.
    fn replace(&self, value: &mut Value, prefix: &str) {
        if let Some(text) = value.as_str() {
            let hash = Sha256::new().chain_update(self.salt).chain_update(text.as_bytes()).finalize();
            let digits: String = hash.iter().take(6).map(|b| format!("{b:02x}")).collect();
            *value = Value::String(format!("{prefix}-{digits}"));
        }
    }

    /// `image` of containers and their statuses, and `names` of a node's images.
    fn images(&self, fields: &mut Map<String, Value>) {
        if let Some(image) = fields.get_mut("image").filter(|i| i.is_string()) {
            self.replace(image, "image");
        }
        fields.remove("imageID");
        for list in fields.get_mut("images").and_then(Value::as_array_mut).into_iter().flatten() {
            for name in list.get_mut("names").and_then(Value::as_array_mut).into_iter().flatten() {
                self.replace(name, "image");
            }
        }
    }
}

/// Bytes that nobody can guess.
fn salt() -> Result<[u8; 32], String> {
    random().ok_or_else(|| "the system gives no random numbers, without which redacted names can be guessed".to_owned())
}

fn without_schemas(definition: &mut Value) {
    for version in definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = version.as_object_mut() {
            fields.remove("schema");
            fields.remove("additionalPrinterColumns");
        }
    }
    if let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("conversion");
    }
}

fn without_clients(configuration: &mut Value) {
    for webhook in configuration.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = webhook.as_object_mut() {
            fields.remove("clientConfig");
        }
    }
}

fn without_addresses(object: &mut Value) {
    for (place, names) in [
        ("/status", &["addresses", "podIP", "podIPs", "hostIP", "hostIPs", "loadBalancer"][..]),
        ("/spec", &["podCIDR", "podCIDRs", "clusterIP", "clusterIPs", "externalIPs", "loadBalancerIP", "hostAliases"]),
    ] {
        if let Some(fields) = object.pointer_mut(place).and_then(Value::as_object_mut) {
            names.iter().for_each(|n| drop(fields.remove(*n)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(words: &str, mut object: Value) -> Value {
        words.parse::<Redaction>().expect("known words").apply(&mut object);
        object
    }

    fn deployment() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "managedFields": [{}], "labels": {"team": "blue", "app": "web"}, "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}", "long": "x".repeat(257), "short": "y"}},
            "spec": {"selector": {"matchLabels": {"team": "blue"}}, "template": {
                "metadata": {"labels": {"team": "blue"}, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "p"}},
                "spec": {"nodeSelector": {"team": "blue"},
                    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector":
                        {"matchExpressions": [{"key": "team", "operator": "In", "values": ["blue", "red"]}]}, "topologyKey": "team"}]}},
                    "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "s"}}]}],
                    "containers": [{"name": "c", "image": "registry/app:1", "command": ["run", "--password=x"],
                        "env": [{"name": "TOKEN", "value": "sEcReT"}], "livenessProbe": {"exec": {"command": ["x"]}}}]}}}})
    }

    #[test]
    fn environment_and_manifests_never_stay() {
        let object = redacted("", deployment());
        let text = object.to_string();
        for gone in ["sEcReT", "secretRef", "last-applied", "long", "managedFields"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["command"][1], "--password=x", "commands stay unless asked for");
        assert_eq!(object["metadata"]["annotations"], json!({"short": "y"}));
    }

    #[test]
    fn a_label_is_replaced_wherever_it_is_selected_by() {
        let object = redacted("label=team", deployment());
        let value = object["metadata"]["labels"]["team"].as_str().unwrap().to_owned();
        assert!(value.starts_with("v-") && value.len() == 14, "{value}");
        let spec = &object["spec"];
        assert_eq!(spec["selector"]["matchLabels"]["team"], value.as_str());
        assert_eq!(spec["template"]["metadata"]["labels"]["team"], value.as_str());
        assert_eq!(spec["template"]["spec"]["nodeSelector"]["team"], value.as_str());
        assert!(object.to_string().contains(&format!("\"values\":[\"{value}\"")), "{object}");
        assert!(!object.to_string().contains("blue"));
        assert_eq!(object["metadata"]["labels"]["app"], "web");
    }

    #[test]
    fn images_are_the_same_on_pods_and_nodes() {
        let redaction: Redaction = "images,commands".parse().expect("known words");
        let mut pod = deployment();
        let mut node = json!({"kind": "Node", "status": {"images": [{"names": ["registry/app:1"], "sizeBytes": 5}]}});
        redaction.apply(&mut pod);
        redaction.apply(&mut node);
        let container = &pod["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], node["status"]["images"][0]["names"][0]);
        assert_eq!(container.get("command").or(container.get("livenessProbe")), None);
    }

    #[test]
    fn names_of_one_file_are_not_those_of_another() {
        let image = |object: Value| object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
        assert_ne!(image(redacted("images", deployment())), image(redacted("images", deployment())));
    }

    #[test]
    fn words_that_mean_nothing_are_refused_with_those_that_do() {
        let e = "images,names".parse::<Redaction>().unwrap_err();
        assert!(e.starts_with("\"names\" cannot be redacted; expected images, commands"), "{e}");
    }
}
