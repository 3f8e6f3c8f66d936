//! Random owners of pods: every kind that the disruption controller knows, many that it does not, and references to none.

use super::definitions::{CUSTOMS, GROUP};
use super::world::{Owner, Reference, World};
use crate::luck::Luck;
use serde_json::{Value, json};

/// References to kinds of which no object is made: with other scopes, without `/scale`, unknown to the API.
const ABSENT: [(&str, &str); 20] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "ReplicationController"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Node"),
    ("v1", "ConfigMap"),
    ("v1", "Endpoints"),
    ("v1", "Pod"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "Ingress"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("apps/v1", "Nonsense"),
    ("apps/v1beta1", "StatefulSet"),
    ("example.com/v1", "Ghost"),
    ("example.com/v9", "Widget"),
    ("example.com/v1", "Widget"),
    ("nowhere.example.org/v1", "Thing"),
];

/// Adds an owner (or a chain of them) of a random kind; how a pod names it, and the labels its selector asks for.
pub fn draw(luck: &mut Luck, world: &mut World, namespace: &str, name: &str) -> Reference {
    let replicas = luck.between(0, 9);
    match luck.between(1, 100) {
        1..=20 => replica_set(luck, world, namespace, name, replicas),
        21..=32 => {
            add(world, namespace, name, "apps/v1", "StatefulSet", "statefulsets", workload(name, replicas), None)
        }
        33..=40 => replication_controller(world, namespace, name, replicas),
        41..=46 => add(world, namespace, name, "batch/v1", "Job", "jobs", job(), None),
        47..=52 => add(world, namespace, name, "apps/v1", "DaemonSet", "daemonsets", daemon_set(name), None),
        53..=75 => custom(luck, world, namespace, name, replicas),
        76..=87 => {
            let (api, kind) = ABSENT[luck.between(0, ABSENT.len() as i64 - 1) as usize];
            absent(luck, api, kind, name)
        }
        _ => Reference::None,
    }
}

fn absent(luck: &mut Luck, api: &'static str, kind: &'static str, name: &str) -> Reference {
    let uid = format!("00000000-0000-4000-8000-{:012x}", luck.between(0, 1 << 47));
    Reference::Absent { api, kind, name: name.to_owned(), uid }
}

fn template(name: &str) -> Value {
    json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn workload(name: &str, replicas: i64) -> Value {
    json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name)})
}

fn daemon_set(name: &str) -> Value {
    json!({"selector": {"matchLabels": {"app": name}}, "template": template(name)})
}

fn job() -> Value {
    let containers = json!([{"name": "c", "image": "i"}]);
    json!({"parallelism": 3, "completions": 5, "template": {"spec": {"containers": containers, "restartPolicy": "Never"}}})
}

#[allow(clippy::too_many_arguments)]
fn add(
    world: &mut World,
    namespace: &str,
    name: &str,
    api: &str,
    kind: &str,
    plural: &str,
    spec: Value,
    parent: Option<Reference>,
) -> Reference {
    let prefix = if api.contains('/') { format!("/apis/{api}") } else { format!("/api/{api}") };
    let object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let namespace = Some(namespace).filter(|n| !n.is_empty()).map(str::to_owned);
    world.owners.push(Owner { prefix, plural: plural.to_owned(), namespace, object, parent });
    Reference::Owner { index: world.owners.len() - 1, api: api.to_owned() }
}

fn replication_controller(world: &mut World, namespace: &str, name: &str, replicas: i64) -> Reference {
    let spec = json!({"replicas": replicas, "selector": {"app": name}, "template": template(name)});
    add(world, namespace, name, "v1", "ReplicationController", "replicationcontrollers", spec, None)
}

/// A ReplicaSet alone, of a Deployment that is there or not, or of something else.
fn replica_set(luck: &mut Luck, world: &mut World, namespace: &str, name: &str, replicas: i64) -> Reference {
    let parent = match luck.between(0, 9) {
        0..=4 => {
            let spec = workload(name, luck.between(0, 9));
            Some(add(world, namespace, name, "apps/v1", "Deployment", "deployments", spec, None))
        }
        5 => Some(absent(luck, "apps/v1", "Deployment", name)),
        6 => {
            let spec = workload(name, luck.between(0, 9));
            let parent = add(world, namespace, name, "apps/v1", "Deployment", "deployments", spec, None);
            Some(Reference::OtherUid(Box::new(parent)))
        }
        7 => Some(custom(luck, world, namespace, name, replicas + 1)),
        _ => None,
    };
    let set = format!("{name}-1");
    let reference =
        add(world, namespace, &set, "apps/v1", "ReplicaSet", "replicasets", workload(name, replicas), parent.clone());
    match (luck.between(0, 9), &reference, parent) {
        // The group of old; the controller takes it for a ReplicaSet that stands alone or in a Deployment.
        (0, Reference::Owner { index, .. }, None) => {
            Reference::Owner { index: *index, api: "extensions/v1beta1".to_owned() }
        }
        // A pod that names the Deployment itself.
        (1, _, Some(parent @ Reference::Owner { .. })) => parent,
        _ => reference,
    }
}

fn custom(luck: &mut Luck, world: &mut World, namespace: &str, name: &str, replicas: i64) -> Reference {
    let kind = &CUSTOMS[luck.between(0, CUSTOMS.len() as i64 - 1) as usize];
    let spec = match luck.between(0, 9) {
        0 => json!({}),
        1 => json!({"replicas": 0, "size": 0}),
        _ => json!({"replicas": replicas, "size": replicas + 2}),
    };
    let api = format!("{GROUP}/v1");
    let (namespace, name) =
        if kind.namespaced { (namespace, name.to_owned()) } else { ("", format!("{namespace}-{name}")) };
    let reference = add(world, namespace, &name, &api, kind.kind, kind.plural, spec, None);
    let Reference::Owner { index, .. } = reference else { return reference };
    Reference::Owner { index, api: format!("{GROUP}/{}", luck.one(&kind.versions())) }
}
