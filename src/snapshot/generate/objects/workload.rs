//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, ReplicationControllers and custom resources.

use serde_json::{Value, json};

use super::super::model::{Kind, Model, PodState, Workload};
use super::super::names::{CLUSTER_CREATED, timestamp};
use super::pod::{template, template_labels};
use super::volume::claim_template;
use super::{metadata, object_uid, owned_by, workloads};

const GROUP: &str = "example.com";

/// The owner references of a workload's pods; `None` for pods that stand alone.
pub(super) fn owner(model: &Model<'_>, workload: &Workload) -> Option<Value> {
    let (api_version, kind, name) = match workload.kind {
        Kind::Deployment => ("apps/v1", "ReplicaSet", replica_set_name(workload)),
        Kind::ReplicaSet => ("apps/v1", "ReplicaSet", workload.name.clone()),
        Kind::StatefulSet | Kind::StatefulSetParallel => ("apps/v1", "StatefulSet", workload.name.clone()),
        Kind::Job => ("batch/v1", "Job", workload.name.clone()),
        Kind::ReplicationController => ("v1", "ReplicationController", workload.name.clone()),
        Kind::DaemonSet => ("apps/v1", "DaemonSet", workload.name.clone()),
        Kind::Custom => ("example.com/v1", "Widget", workload.name.clone()),
        Kind::StandAlone => return None,
    };
    Some(owned_by(api_version, kind, &name, &object_uid(model, kind, Some(&workload.namespace), &name)))
}

fn replica_set_name(workload: &Workload) -> String {
    format!("{}-{}", workload.name, workload.hash)
}

pub(super) fn each<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    for workload in workloads(model, |w| w.kind == Kind::Deployment) {
        out(deployment(model, workload))?;
    }
    let mut sets = workloads(model, |w| matches!(w.kind, Kind::Deployment | Kind::ReplicaSet));
    let set_name = |w: &Workload| if w.kind == Kind::Deployment { replica_set_name(w) } else { w.name.clone() };
    sets.sort_by_cached_key(|w| (w.namespace.clone(), set_name(w)));
    for workload in sets {
        out(replica_set(model, workload, &set_name(workload)))?;
    }
    for workload in workloads(model, |w| w.kind.stateful()) {
        out(stateful_set(model, workload))?;
    }
    for workload in workloads(model, |w| w.kind == Kind::DaemonSet) {
        out(daemon_set(model, workload))?;
    }
    for workload in workloads(model, |w| w.kind == Kind::Job) {
        out(job(model, workload))?;
    }
    for workload in workloads(model, |w| w.kind == Kind::ReplicationController) {
        out(replication_controller(model, workload))?;
    }
    Ok(())
}

/// Puts an object together; `metadata.generation` is 1.
fn object(
    model: &Model<'_>,
    api_version: &str,
    kind: &str,
    workload: &Workload,
    name: &str,
    spec: Value,
    status: Value,
) -> Value {
    let mut meta = metadata(model, kind, Some(&workload.namespace), name, workload.created);
    meta["generation"] = 1.into();
    json!({"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec, "status": status})
}

fn selector(workload: &Workload) -> Value {
    json!({"matchLabels": {"app": &workload.name}})
}

/// A status map whose zero counts are left out, as the API's `omitempty` does.
fn counts(fixed: Value, counts: &[(&str, u64)]) -> Value {
    let mut status = fixed;
    for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
        status[*name] = (*count).into();
    }
    status
}

fn deployment(model: &Model<'_>, workload: &Workload) -> Value {
    let (ready, wanted) = (model.healthy(workload), u64::from(workload.replicas));
    let spec = json!({
        "progressDeadlineSeconds": 600, "replicas": wanted, "revisionHistoryLimit": 10, "selector": selector(workload),
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
        "template": template(model, workload, template_labels(model, workload)),
    });
    // At least replicas less 25 % (rounded down) must be available (pkg/controller/deployment/util, MaxUnavailable).
    let available = ready >= wanted - wanted / 4;
    let since = timestamp(workload.created + 60);
    let condition = |kind: &str, status: bool, reason: &str, message: String| {
        json!({
            "lastTransitionTime": &since, "lastUpdateTime": &since, "message": message, "reason": reason,
            "status": if status { "True" } else { "False" }, "type": kind,
        })
    };
    let progressed = format!("ReplicaSet \"{}\" has successfully progressed.", replica_set_name(workload));
    let availability = if available {
        condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.".into())
    } else {
        condition(
            "Available",
            false,
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.".into(),
        )
    };
    let fixed = json!({
        "conditions": [availability, condition("Progressing", true, "NewReplicaSetAvailable", progressed)],
        "observedGeneration": 1, "terminatingReplicas": workload.terminating(),
    });
    let live = workload.live();
    let numbers = [
        ("availableReplicas", ready),
        ("readyReplicas", ready),
        ("replicas", live),
        ("unavailableReplicas", wanted.saturating_sub(ready)),
        ("updatedReplicas", live),
    ];
    let mut deployment =
        object(model, "apps/v1", "Deployment", workload, &workload.name, spec, counts(fixed, &numbers));
    deployment["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    deployment
}

fn replica_set(model: &Model<'_>, workload: &Workload, name: &str) -> Value {
    let of_deployment = workload.kind == Kind::Deployment;
    let (ready, live, wanted) = (model.healthy(workload), workload.live(), workload.replicas);
    let mut labels = template_labels(model, workload);
    let mut selector = selector(workload);
    if of_deployment {
        labels.insert("pod-template-hash".into(), workload.hash.as_str().into());
        selector["matchLabels"]["pod-template-hash"] = workload.hash.as_str().into();
    }
    let spec = json!({"replicas": wanted, "selector": selector, "template": template(model, workload, labels.clone())});
    let fixed = json!({"observedGeneration": 1, "replicas": live, "terminatingReplicas": workload.terminating()});
    let status =
        counts(fixed, &[("availableReplicas", ready), ("fullyLabeledReplicas", live), ("readyReplicas", ready)]);
    let mut set = object(model, "apps/v1", "ReplicaSet", workload, name, spec, status);
    if of_deployment {
        let surge = u64::from(wanted) + u64::from(wanted).div_ceil(4);
        set["metadata"]["annotations"] = json!({
            "deployment.kubernetes.io/desired-replicas": wanted.to_string(),
            "deployment.kubernetes.io/max-replicas": surge.to_string(),
            "deployment.kubernetes.io/revision": "1",
        });
        set["metadata"]["labels"] = labels.into();
        let owner = object_uid(model, "Deployment", Some(&workload.namespace), &workload.name);
        set["metadata"]["ownerReferences"] = owned_by("apps/v1", "Deployment", &workload.name, &owner);
    }
    set
}

fn stateful_set(model: &Model<'_>, workload: &Workload) -> Value {
    let (ready, live) = (model.healthy(workload), workload.live());
    let policy = if workload.kind == Kind::StatefulSet { "OrderedReady" } else { "Parallel" };
    let mut spec = json!({
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "podManagementPolicy": policy, "replicas": workload.replicas, "revisionHistoryLimit": 10, "selector": selector(workload),
        "serviceName": &workload.name, "template": template(model, workload, template_labels(model, workload)),
        "updateStrategy": {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"},
    });
    if let Some(gib) = workload.shape.volume_gib {
        spec["volumeClaimTemplates"] = json!([claim_template(model, gib)]);
    }
    let revision = format!("{}-{}", workload.name, workload.hash);
    let fixed = json!({
        "availableReplicas": ready, "collisionCount": 0, "currentRevision": &revision, "observedGeneration": 1, "replicas": live, "updateRevision": &revision,
    });
    let status = counts(fixed, &[("currentReplicas", live), ("readyReplicas", ready), ("updatedReplicas", live)]);
    object(model, "apps/v1", "StatefulSet", workload, &workload.name, spec, status)
}

fn daemon_set(model: &Model<'_>, workload: &Workload) -> Value {
    let (ready, all) = (model.healthy(workload), workload.live());
    let spec = json!({
        "revisionHistoryLimit": 10, "selector": selector(workload), "template": template(model, workload, template_labels(model, workload)),
        "updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"},
    });
    let fixed = json!({
        "currentNumberScheduled": all, "desiredNumberScheduled": all, "numberMisscheduled": 0, "numberReady": ready, "observedGeneration": 1,
    });
    let status = counts(
        fixed,
        &[("numberAvailable", ready), ("numberUnavailable", all - ready), ("updatedNumberScheduled", all)],
    );
    let mut set = object(model, "apps/v1", "DaemonSet", workload, &workload.name, spec, status);
    set["metadata"]["annotations"] = json!({"deprecated.daemonset.template.generation": "1"});
    set
}

/// A Job with a selector of its own: a selector made by the API server names a uid that no other server would accept.
fn job(model: &Model<'_>, workload: &Workload) -> Value {
    let spec = json!({
        "backoffLimit": 6, "completionMode": "NonIndexed", "completions": workload.replicas, "manualSelector": true, "parallelism": workload.replicas,
        "podReplacementPolicy": "TerminatingOrFailed", "selector": selector(workload), "suspend": false,
        "template": template(model, workload, template_labels(model, workload)),
    });
    let ready = model.healthy(workload);
    let fixed = json!({"ready": ready, "startTime": timestamp(workload.created), "terminating": workload.terminating(), "uncountedTerminatedPods": {}});
    object(model, "batch/v1", "Job", workload, &workload.name, spec, counts(fixed, &[("active", workload.live())]))
}

fn replication_controller(model: &Model<'_>, workload: &Workload) -> Value {
    let (ready, live) = (model.healthy(workload), workload.live());
    let spec = json!({
        "replicas": workload.replicas, "selector": {"app": &workload.name}, "template": template(model, workload, template_labels(model, workload)),
    });
    let fixed = json!({"observedGeneration": 1, "replicas": live});
    let status =
        counts(fixed, &[("availableReplicas", ready), ("fullyLabeledReplicas", live), ("readyReplicas", ready)]);
    let mut controller = object(model, "v1", "ReplicationController", workload, &workload.name, spec, status);
    controller["metadata"]["labels"] = json!({"app": &workload.name});
    controller
}

/// The definition of the custom resource, if there are any, and they themselves.
pub(super) fn custom<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    let all = workloads(model, |w| w.kind == Kind::Custom);
    if all.is_empty() {
        return Ok(());
    }
    out(definition(model))?;
    for workload in all {
        let live = workload.pods.iter().filter(|pod| pod.state != PodState::Terminating).count();
        let spec = json!({"replicas": workload.replicas, "template": template(model, workload, template_labels(model, workload))});
        let status = json!({"replicas": live, "selector": format!("app={}", workload.name)});
        out(object(model, "example.com/v1", "Widget", workload, &workload.name, spec, status))?;
    }
    Ok(())
}

fn definition(model: &Model<'_>) -> Value {
    let name = format!("widgets.{GROUP}");
    let mut meta = metadata(model, "CustomResourceDefinition", None, &name, CLUSTER_CREATED + 60);
    meta["generation"] = 1.into();
    let since = timestamp(CLUSTER_CREATED + 60);
    let names = json!({"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"});
    let condition = |kind: &str, reason: &str, message: &str| json!({"lastTransitionTime": &since, "message": message, "reason": reason, "status": "True", "type": kind});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta,
        "spec": {
            "conversion": {"strategy": "None"}, "group": GROUP, "names": &names, "scope": "Namespaced",
            "versions": [{
                "name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "served": true, "storage": true,
                "subresources": {
                    "scale": {"labelSelectorPath": ".status.selector", "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                    "status": {},
                },
            }],
        },
        "status": {
            "acceptedNames": names,
            "conditions": [
                condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            ],
            "storedVersions": ["v1"],
        },
    })
}
