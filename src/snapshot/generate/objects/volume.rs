//! Claims, volumes, their class and driver, and what is attached where.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::model::{Model, Node, Pod, Workload};
use super::super::names::{CLUSTER_CREATED, timestamp};
use super::cluster::memory;
use super::{metadata, object_uid, workloads};

/// One bound volume.
struct Volume<'m> {
    workload: &'m Workload,
    pod: &'m Pod,
    node: &'m Node,
    gib: u64,
    claim: String,
    claim_uid: String,
    /// Name of the PersistentVolume.
    name: String,
}

/// PersistentVolumeClaims, PersistentVolumes, StorageClass, CSINodes, CSIDriver and VolumeAttachments.
pub(super) fn each<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    let mut volumes = volumes(model);
    volumes.sort_by(|a, b| (&a.workload.namespace, &a.claim).cmp(&(&b.workload.namespace, &b.claim)));
    for volume in &volumes {
        out(claim(model, volume))?;
    }
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    for volume in &volumes {
        out(persistent_volume(model, volume))?;
    }
    out(storage_class(model))?;
    let mut nodes: Vec<&Node> = model.nodes.iter().collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    for node in nodes {
        out(csi_node(model, node))?;
    }
    out(csi_driver(model))?;
    let mut attached: Vec<(String, &Volume<'_>)> =
        volumes.iter().map(|volume| (attachment_name(model, volume), volume)).collect();
    attached.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, volume) in attached {
        out(attachment(model, &name, volume))?;
    }
    Ok(())
}

fn volumes<'m>(model: &'m Model<'_>) -> Vec<Volume<'m>> {
    let mut volumes = Vec::new();
    for workload in workloads(model, |w| w.shape.volume_gib.is_some()) {
        let gib = workload.shape.volume_gib.unwrap_or(1);
        for pod in &workload.pods {
            let Some(node) = pod.node else { continue };
            let claim = format!("data-{}", pod.name);
            let claim_uid = object_uid(model, "PersistentVolumeClaim", Some(&workload.namespace), &claim);
            volumes.push(Volume {
                workload,
                pod,
                node: &model.nodes[node],
                gib,
                claim,
                name: format!("pvc-{claim_uid}"),
                claim_uid,
            });
        }
    }
    volumes
}

/// The claim template of a StatefulSet, as the API prints it back.
pub(super) fn claim_template(model: &Model<'_>, gib: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": memory(gib * 1024)}},
            "storageClassName": &model.params.storage_class, "volumeMode": "Filesystem",
        },
        "status": {"phase": "Pending"},
    })
}

fn claim(model: &Model<'_>, volume: &Volume<'_>) -> Value {
    let driver = &model.params.csi_driver;
    let mut meta =
        metadata(model, "PersistentVolumeClaim", Some(&volume.workload.namespace), &volume.claim, volume.pod.created);
    meta["annotations"] = json!({
        "pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
        "volume.kubernetes.io/selected-node": &volume.node.name, "volume.kubernetes.io/storage-provisioner": driver,
    });
    meta["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
    meta["labels"] = json!({"app": &volume.workload.name});
    let size = memory(volume.gib * 1024);
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta,
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": &size}},
            "storageClassName": &model.params.storage_class, "volumeMode": "Filesystem", "volumeName": &volume.name,
        },
        "status": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, "phase": "Bound"},
    })
}

fn persistent_volume(model: &Model<'_>, volume: &Volume<'_>) -> Value {
    let driver = &model.params.csi_driver;
    let mut meta = metadata(model, "PersistentVolume", None, &volume.name, volume.pod.created);
    meta["annotations"] = json!({"pv.kubernetes.io/provisioned-by": driver});
    meta["finalizers"] = json!(["kubernetes.io/pv-protection"]);
    let zone = &model.zones[volume.node.zone];
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta,
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": memory(volume.gib * 1024)},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": &volume.claim, "namespace": &volume.workload.namespace, "uid": &volume.claim_uid,
            },
            "csi": {"driver": driver, "volumeHandle": handle(volume)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]},
            ]}},
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": &model.params.storage_class, "volumeMode": "Filesystem",
        },
        "status": {"lastPhaseTransitionTime": timestamp(volume.pod.created), "phase": "Bound"},
    })
}

fn handle(volume: &Volume<'_>) -> String {
    format!("vol-{}", volume.claim_uid)
}

fn storage_class(model: &Model<'_>) -> Value {
    json!({
        "allowVolumeExpansion": true, "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": metadata(model, "StorageClass", None, &model.params.storage_class, CLUSTER_CREATED + 60),
        "provisioner": &model.params.csi_driver, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    })
}

fn csi_node(model: &Model<'_>, node: &Node) -> Value {
    let mut meta = metadata(model, "CSINode", None, &node.name, node.created + 15);
    let owner = object_uid(model, "Node", None, &node.name);
    meta["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": &node.name, "uid": owner}]);
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": meta,
        "spec": {"drivers": [{
            "allocatable": {"count": node.room.volumes}, "name": &model.params.csi_driver, "nodeID": &node.name,
            "topologyKeys": ["topology.kubernetes.io/zone"],
        }]},
    })
}

fn csi_driver(model: &Model<'_>) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
        "metadata": metadata(model, "CSIDriver", None, &model.params.csi_driver, CLUSTER_CREATED + 60),
        "spec": {
            "attachRequired": true, "fsGroupPolicy": "ReadWriteOnceWithFSType", "podInfoOnMount": false, "requiresRepublish": false,
            "seLinuxMount": false, "storageCapacity": false, "volumeLifecycleModes": ["Persistent"],
        },
    })
}

/// "csi-" and the hash of handle, driver and node (pkg/volume/csi/csi_attacher.go, `getAttachmentName`, 1.36).
fn attachment_name(model: &Model<'_>, volume: &Volume<'_>) -> String {
    let digest = Sha256::digest(format!("{}{}{}", handle(volume), model.params.csi_driver, volume.node.name));
    digest.iter().fold(String::from("csi-"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn attachment(model: &Model<'_>, name: &str, volume: &Volume<'_>) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment",
        "metadata": metadata(model, "VolumeAttachment", None, name, volume.pod.created),
        "spec": {"attacher": &model.params.csi_driver, "nodeName": &volume.node.name, "source": {"persistentVolumeName": &volume.name}},
        "status": {"attached": true},
    })
}
