//! Turns the model into API objects as kubectl prints them, one at a time.

mod budget;
mod cluster;
mod pod;
mod volume;
mod workload;

use serde_json::{Map, Value, json};

use super::model::{Model, Workload};
use super::names::{timestamp, uid};

pub(super) use pod::PodWriter;

/// Hands out every object of the cluster, in the order of `kubectl get nodes,namespaces,services,pods,…`, sorted by namespace and name within a kind.
pub(super) fn each<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    cluster::nodes(model, &mut sorting(out))?;
    cluster::namespaces(model, &mut sorting(out))?;
    cluster::services(model, &mut sorting(out))?;
    // Pods are by far the most, and come with their keys in order.
    PodWriter::new(model).each(out)?;
    let mut sorted = sorting(out);
    workload::each(model, &mut sorted)?;
    budget::each(model, &mut sorted)?;
    cluster::priority_classes(model, &mut sorted)?;
    volume::each(model, &mut sorted)?;
    workload::custom(model, &mut sorted)
}

/// Brings the keys of each object into the order in which the API prints them.
fn sorting<E>(out: &mut impl FnMut(Value) -> Result<(), E>) -> impl FnMut(Value) -> Result<(), E> {
    |mut object: Value| {
        object.sort_all_objects();
        out(object)
    }
}

/// `metadata` of an object, without labels and such.
fn metadata(model: &Model<'_>, kind: &str, namespace: Option<&str>, name: &str, created: u64) -> Value {
    let mut metadata = json!({
        "creationTimestamp": timestamp(created),
        "name": name,
        "uid": object_uid(model, kind, namespace, name),
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

/// The uid of an object, from its kind and name alone, so that every reference to it agrees.
fn object_uid(model: &Model<'_>, kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => uid(&model.draws, kind, &format!("{namespace}/{name}")),
        None => uid(&model.draws, kind, name),
    }
}

/// A controller's owner reference.
fn owned_by(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!([{"apiVersion": api_version, "blockOwnerDeletion": true, "controller": true, "kind": kind, "name": name, "uid": uid}])
}

/// An object of values that are moved in; `json!` would copy each.
fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn string_map<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.into(), Value::String(value.into()))).collect()
}

/// Workloads sorted by namespace and name, those that `keep` wants.
fn workloads<'m>(model: &'m Model<'_>, keep: impl Fn(&Workload) -> bool) -> Vec<&'m Workload> {
    let mut kept: Vec<&Workload> = model.workloads.iter().filter(|workload| keep(workload)).collect();
    kept.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    kept
}
