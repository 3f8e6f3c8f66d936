//! A dump of the live cluster: every kind that the reader wants, paged, with what cannot be had left out and said.

pub mod changes;
mod customs;
pub mod kinds;
mod list;
pub mod observed;
pub mod transfer;

use super::client::{Client, ConnectError};
use crate::live::redact::Redaction;
use crate::session::Resource;
use crate::snapshot::{Source, group};
use crate::transfer::inventory::without_values;
use crate::transfer::reduce::reduce;
use crate::transfer::services::services;
use kinds::RECORDED;
use list::{Listed, list};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// A cluster as it was recorded.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Every object, redacted, by kind in a fixed order, then by namespace and name.
    pub objects: Vec<Value>,
    /// Kinds that could not be had, and why.
    pub left_out: Vec<LeftOut>,
    /// Resource versions of the lists, by plural.
    pub versions: BTreeMap<&'static str, String>,
}

/// A kind that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// `NodePool.karpenter.sh`.
    pub kind: String,
    /// Why.
    pub why: String,
}

/// Records a cluster. `tell` hears the kind that is being asked for.
///
/// # Errors
/// A server that does not answer, or refuses for another reason than that the kind is unknown or not to be read by us.
pub async fn record(
    client: &Client,
    redaction: &Redaction,
    tell: &mut dyn FnMut(&str),
) -> Result<Recorded, ConnectError> {
    let mut recorded = Recorded::default();
    for resource in RECORDED {
        tell(resource.plural);
        match list(client, &resource.collection(), resource.api_version, resource.kind).await? {
            Listed::Objects(objects, version) => {
                recorded.add(objects, redaction);
                recorded.versions.insert(resource.plural, version);
            }
            Listed::LeftOut(why) => {
                recorded.left_out.push(LeftOut { kind: kind_text(resource.api_version, resource.kind), why });
            }
        }
    }
    customs::record(client, &mut recorded, redaction, tell).await?;
    Ok(recorded)
}

/// Records a cluster whose workloads are to change clusters: also configuration, accounts, access and ingress, with the values of environments and
/// ConfigMaps reduced to host names and ARNs. Secrets are asked for only where `secret_keys` says so, and of them the keys are kept.
///
/// # Errors
/// As [`record`].
pub async fn record_for_transfer(
    client: &Client,
    secret_keys: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<Recorded, ConnectError> {
    let mut recorded = Recorded::default();
    let secrets = secret_keys.then_some(&transfer::SECRETS);
    let mut lists: Vec<Vec<Value>> = Vec::new();
    for resource in RECORDED.iter().chain(transfer::FOR_TRANSFER).chain(secrets) {
        tell(resource.plural);
        match list(client, &resource.collection(), resource.api_version, resource.kind).await? {
            Listed::Objects(mut objects, version) => {
                if resource.kind == "Secret" {
                    // Nothing of a value lives longer than this.
                    objects.iter_mut().for_each(without_values);
                }
                lists.push(objects);
                // Plurals of two groups may be the same; those that are watched are of one.
                recorded.versions.entry(resource.plural).or_insert(version);
            }
            Listed::LeftOut(why) => {
                recorded.left_out.push(LeftOut { kind: kind_text(resource.api_version, resource.kind), why });
            }
        }
    }
    let services = services(lists.iter().flatten());
    for mut objects in lists {
        objects.iter_mut().for_each(|o| reduce(o, &services));
        sort(&mut objects);
        recorded.objects.append(&mut objects);
    }
    customs::record(client, &mut recorded, &Redaction::default(), tell).await?;
    Ok(recorded)
}

/// By namespace and name.
fn sort(objects: &mut [Value]) {
    objects.sort_by_cached_key(|o| {
        let text = |field: &str| o["metadata"][field].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    });
}

/// Lists all objects of one kind, with their `apiVersion` and `kind`.
///
/// # Errors
/// As [`record`]; and a kind that is not served, or that we may not list.
pub async fn all_of(client: &Client, resource: &Resource) -> Result<Vec<Value>, ConnectError> {
    match list(client, &resource.collection(), resource.api_version, resource.kind).await? {
        Listed::Objects(objects, _) => Ok(objects),
        Listed::LeftOut(why) => {
            let what = format!("cannot list {}", kind_text(resource.api_version, resource.kind));
            Err(ConnectError::Request { what, why })
        }
    }
}

fn kind_text(api_version: &str, kind: &str) -> String {
    match group(api_version) {
        "" => kind.to_owned(),
        group => format!("{kind}.{group}"),
    }
}

impl Recorded {
    /// Adds the objects of one kind.
    fn add(&mut self, mut objects: Vec<Value>, redaction: &Redaction) {
        for object in &mut objects {
            redaction.apply(object);
        }
        sort(&mut objects);
        self.objects.append(&mut objects);
    }

    /// Writes a List, an object a line: the same bytes for the same state of the cluster.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(&self, mut out: impl Write) -> std::io::Result<()> {
        out.write_all(b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n")?;
        for (i, object) in self.objects.iter().enumerate() {
            if i > 0 {
                out.write_all(b",\n")?;
            }
            serde_json::to_writer(&mut out, object).map_err(std::io::Error::from)?;
        }
        out.write_all(b"\n]}\n")?;
        out.flush()
    }

    /// The dump as a source that the reader takes.
    ///
    /// # Errors
    /// Never, in practice: it is written to memory.
    pub fn source(&self) -> std::io::Result<Source> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(Source::of_text("the live cluster", bytes))
    }

    /// uid of the namespace kube-system; None if namespaces could not be read.
    pub fn cluster(&self) -> Option<&str> {
        let system =
            self.objects.iter().find(|o| o["kind"] == "Namespace" && o["metadata"]["name"] == "kube-system")?;
        system["metadata"]["uid"].as_str()
    }

    /// How many objects of each kind there are.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for object in &self.objects {
            let text = |field: &str| object[field].as_str().unwrap_or_default();
            *counts.entry(kind_text(text("apiVersion"), text("kind"))).or_insert(0) += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, ok, runtime, status};
    use serde_json::json;
    use std::time::Duration;

    /// A small cluster behind HTTP, its objects in the order of `pods`.
    fn recorded(pods: &[&str]) -> Recorded {
        let pods: Vec<Value> = pods
            .iter()
            .map(|name| {
                json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "managedFields": [1],
                    "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Rollout", "name": "r", "uid": "r-1", "controller": true}]},
                    "spec": {"containers": [{"name": "c", "env": [{"name": "PASSWORD", "value": "sEcReT"}]}]}})
            })
            .collect();
        runtime().block_on(async {
            let server = Server::answering(move |request| match request.split(['?', ' ']).nth(1).unwrap_or_default() {
                "/api/v1/namespaces" => {
                    ok(&json!({"kind": "NamespaceList", "items": [{"metadata": {"name": "kube-system", "uid": "u-1"}}]}))
                }
                "/api/v1/pods" => ok(&json!({"metadata": {"resourceVersion": "9"}, "items": pods})),
                "/apis/example.com/v1" => ok(&json!({"kind": "APIResourceList", "apiVersion": "v1", "resources": [
                    {"name": "rollouts", "kind": "Rollout", "namespaced": true}, {"name": "rollouts/scale", "kind": "Scale"}]})),
                "/apis/example.com/v1/rollouts" => ok(&json!({"kind": "RolloutList", "items": [
                    {"metadata": {"name": "r", "namespace": "shop", "uid": "r-1"}, "spec": {"replicas": 3, "password": "sEcReT"}}]})),
                "/apis/karpenter.sh/v1/nodepools" => status(404, "not found"),
                "/api/v1/persistentvolumes" => status(403, "forbidden"),
                _ => ok(&json!({"metadata": {"resourceVersion": "9"}, "items": []})),
            })
            .await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let recorded = record(&client, &Redaction::default(), &mut |_| ()).await.expect("a recording");
            let asked = server.requests().join("\n");
            assert!(!asked.contains("secrets") && !asked.contains("configmaps"), "{asked}");
            recorded
        })
    }

    #[test]
    fn the_same_cluster_gives_the_same_bytes_and_the_reader_takes_them() {
        let bytes = |r: &Recorded| r.source().unwrap().bytes;
        let recording = recorded(&["b", "a"]);
        assert_eq!(bytes(&recording), bytes(&recorded(&["a", "b"])));
        let text = String::from_utf8(bytes(&recording)).unwrap();
        assert!(!text.contains("sEcReT") && !text.contains("managedFields"), "{text}");
        let snapshot = crate::snapshot::Snapshot::from_sources(&[recording.source().unwrap()]).unwrap();
        assert_eq!(snapshot.counts["Pod"], 2);
        assert_eq!(snapshot.cluster.catalog.cluster_uid.as_deref(), Some("u-1"));
        assert_eq!(recording.cluster(), Some("u-1"));
    }

    #[test]
    fn what_cannot_be_had_is_said_and_custom_owners_are_found() {
        let recording = recorded(&["a"]);
        let said: Vec<(&str, &str)> = recording.left_out.iter().map(|l| (l.kind.as_str(), l.why.as_str())).collect();
        assert_eq!(
            said,
            [("PersistentVolume", "we may not list it"), ("NodePool.karpenter.sh", "the server does not serve it"),]
        );
        assert_eq!(recording.counts()["Rollout.example.com"], 1);
        let rollout = recording.objects.last().unwrap();
        assert_eq!((&rollout["spec"], &rollout["kind"]), (&json!({"replicas": 3}), &json!("Rollout")));
    }
}
