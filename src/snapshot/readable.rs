//! Whether a single object is one that the reader can read, without a snapshot around it.

use super::document::Raw;
use super::kinds::group;
use super::wire::{Bare, node, pod, policy, workload};
use serde::Deserialize;
use serde_json::Value;

/// What keeps the reader from reading an object of this kind: the field and the complaint. None if it can be read; of
/// kinds that are not among those an execution follows only the metadata are looked at.
pub(crate) fn unreadable(api_version: &str, kind: &str, object: &Value) -> Option<String> {
    match (group(api_version), kind) {
        ("", "Node") => problem::<node::Node<'_>>(object),
        ("", "Namespace") => problem::<node::Namespace<'_>>(object),
        ("", "Pod") => problem::<pod::Pod<'_>>(object),
        ("", "ReplicationController") => problem::<workload::ReplicationController<'_>>(object),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {
            problem::<workload::Workload<'_>>(object)
        }
        ("policy", "PodDisruptionBudget") => problem::<policy::Budget<'_>>(object),
        _ => problem::<Bare<'_>>(object),
    }
}

fn problem<'a, T: Deserialize<'a>>(object: &'a Value) -> Option<String> {
    let (path, problem) = Raw::Value(object).decode::<T>().err()?;
    Some(format!("{path}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_field_that_cannot_be_read_is_named() {
        let pod = |cpu: &str| json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}});
        assert_eq!(unreadable("v1", "Pod", &pod("100m")), None);
        let why = unreadable("v1", "Pod", &pod("1x0m")).expect("no quantity");
        assert!(why.starts_with("spec.containers[0].resources.requests.cpu: "), "{why}");
        assert!(unreadable("v1", "Node", &json!({"metadata": {"name": "a"}, "spec": 7})).is_some());
        assert!(unreadable("example.com/v1", "Thing", &json!({"metadata": 7})).is_some());
        assert_eq!(unreadable("example.com/v1", "Thing", &json!({"metadata": {}, "spec": 7})), None);
    }
}
