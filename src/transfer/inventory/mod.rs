//! What is read: manifests (files, directories, the output of kustomize and Helm, Lists) and dumps of `nodeferry record --for-transfer`, as objects
//! with the place that each stands at.
//!
//! Values of Secrets are dropped while an object is taken in: what is kept of them are their keys. Of an object that a dump and a manifest both have
//! the manifest stands, for a dump holds reduced values.

mod lines;
mod scope;

use super::object::ObjectId;
use super::plan::InputDigest;
use crate::snapshot::{ReadError, Source, parsed_values};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub use scope::is_of_cluster;

/// What a recorded dump has in the place of a value that was left out; what is recognised in it (host names, ARNs) follows.
pub const REDUCED: &str = "nodeferry:reduced";

/// An object and where it stands.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name.
    pub id: ObjectId,
    /// The object; of a Secret without its values.
    pub object: Value,
    /// File and line, or place in the file.
    pub origin: String,
    /// An API server has made it what it is: it has a uid.
    pub live: bool,
}

impl Item {
    /// A text in it.
    pub fn text(&self, place: &str) -> Option<&str> {
        self.object.pointer(place).and_then(Value::as_str)
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.object.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Its annotations that are texts.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let map = self.object.pointer("/metadata/annotations").and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
    }

    /// Its labels.
    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.object.pointer("/metadata/labels")?.as_object()
    }

    /// Version of its API.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion").unwrap_or_default()
    }

    /// Whether it belongs to another object that makes it again.
    pub fn is_owned(&self) -> bool {
        let owners = self.object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners.is_some_and(|o| o.iter().any(|r| r["controller"] == true))
    }
}

/// Something noticed while reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// Stable code.
    pub code: &'static str,
    /// The object, where it is about one.
    pub object: ObjectId,
    /// Where.
    pub origin: String,
    /// What is so.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Objects by name.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    items: BTreeMap<ObjectId, Item>,
    /// What was read.
    pub inputs: Vec<InputDigest>,
    /// What was noticed.
    pub noticed: Vec<Noticed>,
    /// Objects of dumps as they were read, Secrets without values: for what needs the cluster itself (nodes, pods, delays).
    pub live: Vec<Value>,
    /// Custom objects without a namespace, with their places: a definition that is read later may say that their kind is one of the cluster.
    waiting: Vec<(Value, String)>,
}

/// An input that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It is no text, no YAML, no JSON.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A template.
    #[error(
        "{file}, line {line}: it is a template of Helm, not a manifest; render the chart first: helm template NAME CHART -f VALUES > manifests.yaml"
    )]
    HelmTemplate {
        /// The file.
        file: String,
        /// The first line with a template in it.
        line: usize,
    },
    /// An object lacks what names it.
    #[error("{origin}: {what}; {remedy}")]
    BadObject {
        /// File and place.
        origin: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Two manifests of one object say different things.
    #[error(
        "{id} stands twice and differs at {field}: {first} and {second}; give one of the two, or render overlays of kustomize one at a time"
    )]
    Contradiction {
        /// The object.
        id: ObjectId,
        /// The first field that differs.
        field: String,
        /// File and place.
        first: String,
        /// File and place.
        second: String,
    },
    /// Nothing in it.
    #[error(
        "{0} holds no Kubernetes object; give manifests, the output of kustomize or Helm, or a dump of nodeferry record --for-transfer"
    )]
    Nothing(String),
}

impl Inventory {
    /// Takes sources in, in order.
    ///
    /// # Errors
    /// Text that is no manifest, an object without kind or name, two manifests that contradict each other.
    pub fn from_sources(sources: &[Source], namespace: &str) -> Result<Inventory, InventoryError> {
        let mut inventory = Inventory::default();
        for source in sources {
            let sha256 = crate::snapshot::hex(&Sha256::digest(&source.bytes));
            inventory.inputs.push(InputDigest { name: source.name.clone(), sha256 });
            inventory.take_source(source, namespace)?;
        }
        for (object, place) in std::mem::take(&mut inventory.waiting) {
            let of = match inventory.defined_of_cluster(&object) {
                true => None,
                false => Some(namespace),
            };
            inventory.take_named(object, &place, of)?;
        }
        if inventory.items.is_empty() {
            let names: Vec<&str> = sources.iter().map(|s| s.name.as_str()).collect();
            return Err(InventoryError::Nothing(names.join(", ")));
        }
        inventory.notice_partial();
        Ok(inventory)
    }

    /// The objects in order of their names.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// An object.
    pub fn get(&self, id: &ObjectId) -> Option<&Item> {
        self.items.get(id)
    }

    /// An object by its parts.
    pub fn find(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Item> {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        self.get(&ObjectId::new(&version, kind, namespace, name))
    }

    /// Objects of one kind.
    pub fn of_kind<'a>(&'a self, group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items().filter(move |i| i.id.kind() == kind && i.id.group() == group)
    }

    fn take_source(&mut self, source: &Source, namespace: &str) -> Result<(), InventoryError> {
        let text = source.text()?;
        if source.found && text.trim().is_empty() {
            return Ok(());
        }
        let values = match parsed_values(source) {
            Ok(values) => values,
            Err(e) => match lines::template(text) {
                Some(line) => return Err(InventoryError::HelmTemplate { file: source.name.clone(), line }),
                None => return Err(e.into()),
            },
        };
        let starts = lines::documents(text);
        let known = starts.len() == values.iter().filter(|v| !v.is_null()).count();
        let mut documents = 0;
        for (nth, value) in values.into_iter().enumerate() {
            if value.is_null() {
                continue;
            }
            let place = match starts.get(documents).filter(|_| known) {
                Some(line) => format!("{}, line {line}", source.name),
                None if nth == 0 => source.name.clone(),
                None => format!("{}, document {}", source.name, nth + 1),
            };
            documents += 1;
            self.take_value(value, &place, source.found, namespace)?;
        }
        Ok(())
    }

    fn take_value(&mut self, value: Value, place: &str, found: bool, namespace: &str) -> Result<(), InventoryError> {
        let bad =
            |what: &str, remedy| InventoryError::BadObject { origin: place.to_owned(), what: what.to_owned(), remedy };
        match value {
            Value::Null => Ok(()),
            Value::Array(list) => {
                for (i, value) in list.into_iter().enumerate() {
                    self.take_value(value, &format!("{place}, [{i}]"), found, namespace)?;
                }
                Ok(())
            }
            Value::Object(mut object) => {
                let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
                if kind.ends_with("List") && object.get("items").is_some_and(|i| i.is_array() || i.is_null()) {
                    let api_version = object.get("apiVersion").cloned();
                    let of = kind.trim_end_matches("List").to_owned();
                    let Some(Value::Array(items)) = object.remove("items") else { return Ok(()) };
                    for (i, mut item) in items.into_iter().enumerate() {
                        // Items of a PodList do not repeat their kind.
                        if let (Some(fields), false) = (item.as_object_mut(), of.is_empty())
                            && !fields.contains_key("kind")
                        {
                            fields.insert("kind".into(), of.clone().into());
                            fields.insert("apiVersion".into(), api_version.clone().unwrap_or("v1".into()));
                        }
                        self.take_value(item, &format!("{place}, items[{i}]"), found, namespace)?;
                    }
                    return Ok(());
                }
                if kind.is_empty() || object.get("apiVersion").and_then(Value::as_str).is_none_or(str::is_empty) {
                    let which = if kind.is_empty() { "kind" } else { "apiVersion" };
                    let what = format!("{which} is missing, so that it is no Kubernetes object");
                    // Values of a chart, patches, and the like stand beside manifests.
                    return match found && kind.is_empty() {
                        true => {
                            self.pass_over(place, &what);
                            Ok(())
                        }
                        false => Err(bad(&what, "add it, or leave the file out")),
                    };
                }
                if kind == "Kustomization"
                    && object["apiVersion"].as_str().is_some_and(|v| v.starts_with("kustomize.config"))
                {
                    self.pass_over(place, "it is a kustomization, which is not built here");
                    return Ok(());
                }
                self.take_object(Value::Object(object), place, namespace)
            }
            _ if found => {
                self.pass_over(place, "it is a text or a number, no object");
                Ok(())
            }
            _ => Err(bad("it is a text or a number, no object", "give manifests in YAML or JSON")),
        }
    }

    fn pass_over(&mut self, place: &str, why: &str) {
        self.noticed.push(Noticed {
            code: "transfer-passed-over",
            object: ObjectId::new("v1", "Input", None, &place.replace('/', "_")),
            origin: place.to_owned(),
            message: format!("not read: {why}"),
            remedy: "give the output of kustomize build or helm template where something is made from it".to_owned(),
        });
    }

    fn take_object(&mut self, mut object: Value, place: &str, namespace: &str) -> Result<(), InventoryError> {
        let bad = |what: String, remedy| InventoryError::BadObject { origin: place.to_owned(), what, remedy };
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        if object["apiVersion"] == "v1" && kind == "Status" {
            let said = object["message"].as_str().unwrap_or_default();
            return Err(bad(
                format!("it is a Status, the API server's answer to a request that failed ({said})"),
                "make the dump again",
            ));
        }
        if !object.get("metadata").is_some_and(Value::is_object) {
            return Err(bad(format!("{kind} has no metadata"), "add metadata.name"));
        }
        if object.pointer("/metadata/name").and_then(Value::as_str).is_none_or(str::is_empty) {
            let generated = object.pointer("/metadata/generateName").is_some();
            let what = if generated { "has generateName and no name" } else { "has no metadata.name" };
            return Err(bad(
                format!("{kind} {what}"),
                "give it a name: what is moved must have the same name each time",
            ));
        }
        let text =
            |field: &str| object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).unwrap_or_default();
        if let Some(field) = ["name", "namespace"].into_iter().find(|f| text(f).contains("{{")) {
            return Err(bad(
                format!(
                    "metadata.{field} of the {kind} is {:?}: it is a template of Helm, not a manifest",
                    text(field)
                ),
                "render the chart first: helm template NAME CHART -f VALUES > manifests.yaml",
            ));
        }
        let named = !text("namespace").is_empty();
        let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
        match (scope::is_of_cluster(&api_version, &kind), named) {
            (Some(true), true) => {
                drop(object["metadata"].as_object_mut().and_then(|m| m.remove("namespace")));
                self.take_named(object, place, None)
            }
            // What an API server gives without a namespace has none.
            (None, false) if object.pointer("/metadata/uid").is_some() => self.take_named(object, place, None),
            (Some(false) | None, false) if api_version.contains('.') => {
                self.waiting.push((object, place.to_owned()));
                Ok(())
            }
            (Some(false) | None, false) => self.take_named(object, place, Some(namespace)),
            (_, true) | (Some(true), false) => self.take_named(object, place, None),
        }
    }

    /// Takes an object in, in a namespace that is assumed where one is given.
    fn take_named(&mut self, mut object: Value, place: &str, assumed: Option<&str>) -> Result<(), InventoryError> {
        if let Some(namespace) = assumed {
            object["metadata"]["namespace"] = namespace.into();
        }
        if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
            without_values(&mut object);
        }
        let live = object.pointer("/metadata/uid").is_some();
        let Some(id) = ObjectId::of(&object) else { return Ok(()) };
        if let Some(namespace) = assumed {
            self.noticed.push(Noticed {
                code: "transfer-namespace-assumed",
                object: id.clone(),
                origin: place.to_owned(),
                message: format!(
                    "it has no namespace; {namespace} is assumed, as kubectl apply would without another context"
                ),
                remedy: "write metadata.namespace, or say which with --namespace".to_owned(),
            });
        }
        if live {
            self.live.push(object.clone());
        }
        let item = Item { id: id.clone(), object, origin: place.to_owned(), live };
        match self.items.get(&id) {
            None => drop(self.items.insert(id, item)),
            // What the cluster has is known from the dump alone; what is applied is the manifest.
            Some(first) if first.live && !live => drop(self.items.insert(id, item)),
            Some(first) if !first.live && live => {}
            Some(first) => {
                if let Some(field) = difference(&first.object, &item.object, "") {
                    return Err(InventoryError::Contradiction {
                        id,
                        field,
                        first: first.origin.clone(),
                        second: item.origin,
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether a definition among the objects says that the kind of an object is one of the cluster.
    fn defined_of_cluster(&self, object: &Value) -> bool {
        let group = object["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |(g, _)| g);
        self.of_kind("apiextensions.k8s.io", "CustomResourceDefinition").any(|d| {
            d.text("/spec/group") == Some(group)
                && d.text("/spec/names/kind") == object["kind"].as_str()
                && d.text("/spec/scope") == Some("Cluster")
        })
    }

    /// A dump of a cluster that has no ConfigMaps was made without them: every namespace of a cluster has one.
    fn notice_partial(&mut self) {
        let live = |kind: &str| self.items().any(|i| i.live && i.id.kind() == kind);
        if live("Pod") && live("Namespace") && !live("ConfigMap") {
            let origin = self.inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ");
            self.noticed.push(Noticed {
                code: "transfer-dump-without-configuration",
                object: ObjectId::new("v1", "Input", None, "dump"),
                origin,
                message: "the dump has no ConfigMaps, ServiceAccounts or environments: it was not made for a transfer, and what is tied to AWS in them cannot be seen".to_owned(),
                remedy: "make it with: nodeferry record --for-transfer -o dump.json.gz".to_owned(),
            });
        }
    }
}

/// Drops the values of a Secret; its keys stay.
pub fn without_values(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else { return };
    let mut keys = Map::new();
    for name in ["data", "stringData"] {
        if let Some(Value::Object(data)) = fields.remove(name) {
            keys.extend(data.into_iter().map(|(key, _)| (key, Value::String(String::new()))));
        }
    }
    fields.insert("data".into(), Value::Object(keys));
    // They may repeat the values.
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
        metadata.remove("managedFields");
    }
}

/// The first field in which two manifests differ, but for what an API server writes.
fn difference(a: &Value, b: &Value, at: &str) -> Option<String> {
    const SERVERS: [&str; 7] =
        ["status", "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let mut keys: Vec<&String> = x.keys().chain(y.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().filter(|k| !SERVERS.contains(&k.as_str())).find_map(|key| {
                let place = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match (x.get(key), y.get(key)) {
                    (Some(a), Some(b)) => difference(a, b, &place),
                    _ => Some(place),
                }
            })
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(i, (a, b))| difference(a, b, &format!("{at}[{i}]")))
        }
        _ => (a != b).then(|| at.to_owned()),
    }
}

#[cfg(test)]
mod tests;
