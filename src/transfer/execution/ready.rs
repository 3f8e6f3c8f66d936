//! Whether a workload on the target is ready, and why not.

use super::velero::text;
use serde_json::Value;

/// How a workload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// It has the pods that it shall have, all of its latest template.
    pub is_ready: bool,
    /// In figures (`1 of 3 pods ready, 2 of the latest template`).
    pub figures: String,
}

/// How a workload stands that shall have so many ready pods. What has no pods of its own is ready when it is there.
pub fn readiness(object: &Value, pods: u32) -> Readiness {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let wanted = u64::from(pods);
    let (ready, updated, wanted) = match text(object, "/kind") {
        "Deployment" => (number("/status/readyReplicas"), Some(number("/status/updatedReplicas")), wanted),
        "StatefulSet" => {
            // Under OnDelete nothing is replaced by itself.
            let by_itself = text(object, "/spec/updateStrategy/type") != "OnDelete";
            (number("/status/readyReplicas"), by_itself.then_some(number("/status/updatedReplicas")), wanted)
        }
        "ReplicaSet" | "ReplicationController" => (number("/status/readyReplicas"), None, wanted),
        // As many as the nodes of the target that it is for, whatever the source had.
        "DaemonSet" => (
            number("/status/numberReady"),
            Some(number("/status/updatedNumberScheduled")),
            number("/status/desiredNumberScheduled").max(u64::from(wanted > 0)),
        ),
        "Job" => (number("/status/ready") + number("/status/succeeded"), None, wanted.min(1)),
        "Pod" => {
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let is_ready = conditions.is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
            (u64::from(is_ready), None, wanted.min(1))
        }
        _ => return Readiness { is_ready: true, figures: "it is there".to_owned() },
    };
    let seen = number("/status/observedGeneration") >= number("/metadata/generation") || text(object, "/kind") == "Pod";
    let figures = match updated.filter(|u| *u < wanted) {
        Some(updated) => format!("{ready} of {wanted} pods ready, {updated} of the latest template"),
        None => format!("{ready} of {wanted} pods ready"),
    };
    let has_extra = updated.is_some() && ["Deployment", "StatefulSet"].contains(&text(object, "/kind")) && {
        // Pods of an older template are still there: the second roll-out after a restore is not over.
        number("/status/replicas") > updated.unwrap_or(0)
    };
    let is_ready = seen && ready >= wanted && updated.is_none_or(|u| u >= wanted) && !has_extra;
    Readiness { is_ready, figures }
}

/// Why pods are not ready, a line each, the first few: no place, an image that cannot be pulled, a container that ends.
pub fn pod_problems(pods: &[Value]) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut lines = Vec::new();
    for pod in pods {
        let name = text(pod, "/metadata/name");
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
            continue;
        }
        let unscheduled = conditions.iter().find(|c| c["type"] == "PodScheduled" && c["status"] == "False");
        let statuses = ["initContainerStatuses", "containerStatuses"]
            .iter()
            .flat_map(|key| pod["status"][key].as_array().cloned().unwrap_or_default());
        let waiting = statuses.into_iter().find_map(|s| {
            let reason = text(&s, "/state/waiting/reason").to_owned();
            let known = !reason.is_empty() && !["ContainerCreating", "PodInitializing"].contains(&reason.as_str());
            known.then(|| format!("{reason}: {}", text(&s, "/state/waiting/message")))
        });
        let why = match (unscheduled, waiting) {
            (Some(c), _) => format!("{}: {}", text(c, "/reason"), text(c, "/message")),
            (None, Some(waiting)) => waiting,
            (None, None) => format!("is {}", text(pod, "/status/phase")),
        };
        lines.push(format!("pod {name} {why}"));
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
