//! Storage classes, claims and volumes.

use super::{Ask, Code, Found, Ground, Rule, Sink, Standing, code, standing};
use crate::transfer::claims;
use crate::transfer::edit::Edit;
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use serde_json::Value;

const CLASS: Code = code(
    "transfer-storage-class",
    Severity::Rewritten,
    "a claim or claim template asks for a class that has another name on the target",
);
const UNMAPPED: Code = code(
    "transfer-storage-class-unmapped",
    Severity::Blocks,
    "a claim asks for a class that has no place on the target yet",
);
const LEFT: Code = code(
    "transfer-storage-class-left",
    Severity::Note,
    "a StorageClass of a driver of AWS is not rendered: the target has its own",
);
const FSX: Code = code("transfer-fsx", Severity::Blocks, "FSx has no twin that its driver could be mapped to");
const ACCESS: Code =
    code("transfer-access-mode", Severity::Blocks, "a claim is shared by nodes, and its class on the target is a disk");
const DEFAULT: Code =
    code("transfer-default-class", Severity::Note, "a claim names no class and gets the default one of the target");
const VOLUME: Code =
    code("transfer-volume-source", Severity::Blocks, "a pod or volume names a disk or file system of AWS");
const STATIC: Code = code("transfer-static-volume", Severity::ByHand, "a claim names a volume that was made by hand");
const SNAPSHOT: Code = code("transfer-volume-snapshot", Severity::ByHand, "snapshots of volumes do not cross clouds");
const PARAMETERS: Code = code(
    "transfer-storage-parameters",
    Severity::Note,
    "parameters of a class (type, IOPS, encryption key) must be in its twin",
);

const UNUSED: Code =
    code("transfer-claim-unused", Severity::ByHand, "no workload uses a claim: its data does not move");
const NOT_RUNNING: Code = code(
    "transfer-claim-not-running",
    Severity::Blocks,
    "a workload with data runs no pods: Velero skips volumes of pods that do not run, without an error",
);

/// The rule.
pub(super) const RULE: Rule = Rule {
    subject: "Storage",
    codes: &[CLASS, UNMAPPED, LEFT, FSX, ACCESS, DEFAULT, VOLUME, STATIC, SNAPSHOT, PARAMETERS, UNUSED, NOT_RUNNING],
    judge,
};

/// What a driver of AWS usually becomes.
fn twin(driver: &str, parameters: Option<&Value>) -> Option<&'static str> {
    let kind = parameters.and_then(|p| p.get("type")).and_then(Value::as_str).unwrap_or_default();
    match driver {
        "ebs.csi.aws.com" | "kubernetes.io/aws-ebs" | "ebs.csi.eks.amazonaws.com" => {
            Some(if kind.starts_with("io") { "managed-csi-premium" } else { "managed-csi" })
        }
        "efs.csi.aws.com" => Some("azurefile-csi-premium"),
        "s3.csi.aws.com" => Some("azureblob-nfs-premium"),
        _ => None,
    }
}

fn is_aws(driver: &str) -> bool {
    driver.ends_with(".amazonaws.com") || driver.ends_with(".aws.com") || driver == "kubernetes.io/aws-ebs"
}

/// The storage class of a name.
fn class_of<'a>(g: &Ground<'a>, name: &str) -> Option<&'a Item> {
    super::named(g, "storage.k8s.io", "StorageClass", None, name)
}

/// What a class becomes: its name on the target; None where it stays as it is; Err with the question where that is open.
pub(in crate::transfer) fn target_class(g: &Ground<'_>, name: &str) -> Result<Option<String>, Ask> {
    if let Some(Some(to)) = g.mapping.storage_classes.get(name) {
        return Ok((to != name).then(|| to.clone()));
    }
    let class = class_of(g, name);
    let driver = class.and_then(|c| c.text("/provisioner"));
    let usual = ["gp2", "gp3", "io1", "io2", "sc1", "st1", "efs", "efs-sc", "ebs-sc", "auto-ebs-sc"];
    match driver {
        Some(driver) if !is_aws(driver) => Ok(None),
        None if !usual.contains(&name) && !g.mapping.storage_classes.contains_key(name) => Err(Ask::at(
            &["storage_classes", name],
            "the input has no such StorageClass: the class on the target, or the same name if the target has it",
        )),
        _ => {
            let ask = Ask::at(&["storage_classes", name], "a class of the target: kubectl get storageclass on AKS");
            let parameters = class.and_then(|c| c.object.get("parameters"));
            let usual = match driver {
                Some(driver) => twin(driver, parameters),
                None if name.starts_with("efs") => Some("azurefile-csi-premium"),
                None if name.starts_with("io") => Some("managed-csi-premium"),
                None => Some("managed-csi"),
            };
            Err(match usual {
                Some(usual) => ask.suggest(usual),
                None => ask,
            })
        }
    }
}

/// Whether the class of the target is a disk, as far as its name says it.
fn is_disk(class: &str) -> bool {
    class.starts_with("managed") || class == "default" || class.contains("disk")
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.moving() {
        match (item.id.group(), item.id.kind()) {
            ("", "PersistentVolumeClaim") => claim(g, item, "", sink),
            ("apps", "StatefulSet") => {
                let templates = item.object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
                for i in 0..templates.map_or(0, Vec::len) {
                    claim(g, item, &format!("/spec/volumeClaimTemplates/{i}"), sink);
                }
            }
            ("storage.k8s.io", "StorageClass") => storage_class(item, sink),
            ("snapshot.storage.k8s.io", kind) => {
                let aws = item.text("/driver").is_none_or(is_aws);
                let what =
                    format!("a {kind} {}", if aws { "of a driver of AWS" } else { "names what is on the source" });
                sink.add(Found::new(item, &SNAPSHOT, what).edit(Edit::LeaveOut).remedy(
                    "make a VolumeSnapshotClass of disk.csi.azure.com on the target, and take the first snapshots there; data moves by Velero's file-system backup",
                ));
            }
            _ => {}
        }
    }
    for (item, template) in g.workloads() {
        for (i, volume) in list(item, &format!("{template}/spec/volumes")).iter().enumerate() {
            let at = format!("{template}/spec/volumes/{i}");
            if let Some(source) = volume.get("awsElasticBlockStore") {
                let id = source.get("volumeID").and_then(Value::as_str).unwrap_or_default();
                block(item, &format!("{at}/awsElasticBlockStore"), id, "a disk of EBS by its id", sink);
            }
            if let Some(driver) = volume.pointer("/csi/driver").and_then(Value::as_str).filter(|d| is_aws(d)) {
                block(item, &format!("{at}/csi/driver"), driver, "a volume within the pod by a driver of AWS", sink);
            }
            if volume.pointer("/ephemeral/volumeClaimTemplate").is_some() {
                claim(g, item, &format!("{at}/ephemeral/volumeClaimTemplate"), sink);
            }
            if let Some(server) =
                volume.pointer("/nfs/server").and_then(Value::as_str).filter(|s| s.contains(".amazonaws.com"))
            {
                block(item, &format!("{at}/nfs/server"), server, "a file system of EFS or FSx by NFS", sink);
            }
        }
    }
    for id in claims::unused(g.inventory) {
        let Some(claim) = g.inventory.get(&id).filter(|c| standing(c) == Standing::Moves) else { continue };
        let leaves =
            g.mapping.data.leave.contains_key(&format!("{}/{}", id.namespace().unwrap_or_default(), id.name()));
        if !leaves {
            sink.add(Found::new(claim, &UNUSED, "volumes are backed up with the pods that mount them").remedy(
                "run a pod that mounts it, or write why its data stays behind under data.leave in the mapping",
            ));
        }
    }
    for (item, _) in g.workloads().filter(|(i, _)| i.id.kind() != "Pod" && claims::pods(g.inventory, i) == Some(0)) {
        let moves = |c: &claims::Claim| !g.mapping.data.leave.contains_key(&format!("{}/{}", c.namespace, c.name));
        let names: Vec<String> =
            claims::claims_of(g.inventory, item).iter().filter(|c| moves(c)).map(|c| c.name.clone()).collect();
        if !names.is_empty() {
            sink.add(Found::new(item, &NOT_RUNNING, format!("it has the data of {}", names.join(", "))).at("/spec/replicas").remedy(
                "let it run while it is backed up (or a pod that mounts the claims), or write why the data stays behind under data.leave in the mapping",
            ));
        }
    }
    // Volumes that were made by hand are not rendered, but their claims wait for them.
    for volume in g.inventory.of_kind("", "PersistentVolume") {
        let provisioned = volume.annotation("pv.kubernetes.io/provisioned-by").is_some();
        let driver = volume
            .text("/spec/csi/driver")
            .or_else(|| volume.object.pointer("/spec/awsElasticBlockStore").map(|_| "kubernetes.io/aws-ebs"));
        if let Some(driver) = driver.filter(|d| is_aws(d) && !provisioned) {
            let handle = volume.text("/spec/csi/volumeHandle").unwrap_or(driver);
            let message = format!("made by hand, of {driver}: its content does not move by itself");
            sink.add(Found::new(volume, &STATIC, message).at("/spec/csi/volumeHandle").was(handle).remedy(
                "make a share or disk on the target, copy the content (azcopy, rsync), and give the claim a class or a volume there",
            ));
        }
    }
}

fn list<'a>(item: &'a Item, at: &str) -> &'a [Value] {
    item.object.pointer(at).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn block(item: &Item, at: &str, was: &str, what: &str, sink: &mut Sink) {
    sink.add(
        Found::new(item, &VOLUME, format!("{what}: nothing on the target can mount it"))
            .at(at)
            .was(was)
            .remedy("use a PersistentVolumeClaim with a class in the manifest, so that the volume can be moved"),
    );
}

fn claim(g: &Ground<'_>, item: &Item, at: &str, sink: &mut Sink) {
    let place = format!("{at}/spec/storageClassName");
    let beta = format!("{at}/metadata/annotations/volume.beta.kubernetes.io~1storage-class");
    let (place, name) = match (item.text(&place), item.text(&beta)) {
        (Some(name), _) => (place, name),
        (None, Some(name)) => (beta, name),
        (None, None) => {
            let message = "it names no class: the default one of the target is a managed disk (default), that of the source may differ";
            sink.add(
                Found::new(item, &DEFAULT, message)
                    .at(&place)
                    .remedy("name a class if the default one of the target is not meant"),
            );
            return;
        }
    };
    if name.is_empty() {
        // A claim without dynamic provisioning: its volume was made by hand.
        let message = "it asks for no class and waits for a volume that is made by hand";
        sink.add(
            Found::new(item, &STATIC, message).at(&place).remedy("make the volume on the target, or name a class"),
        );
        return;
    }
    let shared =
        list(item, &format!("{at}/spec/accessModes")).iter().any(|m| m == "ReadWriteMany" || m == "ReadOnlyMany");
    match target_class(g, name) {
        Ok(None) => {}
        Ok(Some(to)) => {
            if shared && is_disk(&to) {
                sink.add(
                    Found::new(
                        item,
                        &ACCESS,
                        format!("it is shared by nodes (ReadWriteMany), and {to} is a disk, which one node mounts"),
                    )
                    .at(&place)
                    .was(name)
                    .becomes(&to)
                    .remedy("map the class to azurefile-csi, azurefile-csi-premium or azureblob-nfs-premium"),
                );
            }
            sink.add(
                Found::new(item, &CLASS, "the class of the mapping; it must exist on the target")
                    .set(&place, name, &to),
            );
        }
        Err(ask) => {
            let driver = class_of(g, name).and_then(|c| c.text("/provisioner"));
            match driver {
                Some(driver) if driver.starts_with("fsx") => sink.add(
                    Found::new(item, &FSX, format!("its class {name} is of {driver}"))
                        .at(&place)
                        .was(name)
                        .ask(ask)
                        .remedy("choose what takes its place (Azure Managed Lustre, Azure NetApp Files), make a class of it on the target, and map the class"),
                ),
                _ => {
                    let of = driver.map_or("which the input does not have".to_owned(), |d| format!("of {d}"));
                    sink.add(Found::new(item, &UNMAPPED, format!("class {name}, {of}")).at(&place).was(name).ask(ask));
                }
            }
        }
    }
}

fn storage_class(item: &Item, sink: &mut Sink) {
    let driver = item.text("/provisioner").unwrap_or_default();
    if !is_aws(driver) {
        return;
    }
    let usual =
        twin(driver, item.object.get("parameters")).map_or(String::new(), |t| format!("; usually {t} takes its place"));
    sink.add(
        Found::new(item, &LEFT, format!("its driver {driver} is not on the target{usual}"))
            .at("/provisioner")
            .was(driver)
            .edit(Edit::LeaveOut),
    );
    let parameters = item.object.get("parameters").and_then(Value::as_object);
    for (key, value) in parameters.into_iter().flatten() {
        if ["type", "fsType", "csi.storage.k8s.io/fstype", "provisioningMode", "directoryPerms"].contains(&key.as_str())
        {
            continue;
        }
        let value = value.as_str().unwrap_or_default();
        sink.add(
            Found::new(
                item,
                &PARAMETERS,
                "see whether the class of the target needs the like (skuName, DiskIOPSReadWrite, diskEncryptionSetID)",
            )
            .at(&format!("/parameters{}", crate::transfer::edit::step(key)))
            .was(value),
        );
    }
}
