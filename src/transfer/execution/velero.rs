//! What Velero's objects say: how a backup or a restore ended, and whose data is in it.

use crate::transfer::plan::ClaimName;
use serde_json::Value;
use std::collections::BTreeSet;

/// Label of what belongs to a backup.
pub const BACKUP_LABEL: &str = "velero.io/backup-name";
/// Label of what a restore has made.
pub const RESTORE_LABEL: &str = "velero.io/restore-name";
/// Annotation of a PodVolumeBackup that names the claim.
pub const CLAIM_ANNOTATION: &str = "velero.io/pvc-name";

/// How a backup or a restore ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As Completed.
    Completed,
    /// Otherwise.
    Otherwise {
        /// The phase.
        phase: String,
        /// What the object says of it.
        why: String,
    },
}

/// A text in an object, empty where there is none.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The phase of an object of Velero; `New` where it has none yet.
pub fn phase(object: &Value) -> &str {
    match text(object, "/status/phase") {
        "" => "New",
        phase => phase,
    }
}

/// How a Backup or a Restore ended; None while it has not.
pub fn ending(object: &Value) -> Option<Ending> {
    let phase = phase(object);
    match phase {
        "Completed" => return Some(Ending::Completed),
        "Failed" | "PartiallyFailed" | "FailedValidation" | "Deleting" => {}
        _ => return None,
    }
    let mut said = Vec::new();
    if let Some(problems) = object.pointer("/status/validationErrors").and_then(Value::as_array) {
        said.extend(problems.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    match text(object, "/status/failureReason") {
        "" => {}
        reason => said.push(reason.to_owned()),
    }
    let count = |key: &str| object.pointer(&format!("/status/{key}")).and_then(Value::as_u64).unwrap_or(0);
    if count("errors") > 0 {
        said.push(format!("{} errors, {} warnings", count("errors"), count("warnings")));
    }
    Some(Ending::Otherwise { phase: phase.to_owned(), why: said.join("; ") })
}

/// The data of one volume, backed up or restored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeRun {
    /// Namespace of its pod.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// The volume, as the pod calls it.
    pub volume: String,
    /// The claim, where the object names it.
    pub claim: Option<String>,
    /// Its phase.
    pub phase: String,
    /// What it says of a failure.
    pub message: String,
    /// Bytes that were moved.
    pub bytes: i64,
}

impl VolumeRun {
    /// Of a PodVolumeBackup or a PodVolumeRestore.
    pub fn of(object: &Value) -> VolumeRun {
        let claim = object["metadata"]["annotations"][CLAIM_ANNOTATION].as_str();
        VolumeRun {
            namespace: text(object, "/spec/pod/namespace").to_owned(),
            pod: text(object, "/spec/pod/name").to_owned(),
            volume: text(object, "/spec/volume").to_owned(),
            claim: claim.map(str::to_owned),
            phase: phase(object).to_owned(),
            message: text(object, "/status/message").to_owned(),
            bytes: object.pointer("/status/progress/totalBytes").and_then(Value::as_i64).unwrap_or(0),
        }
    }

    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        let message = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        let what = format!("volume {} of pod {}/{}", self.volume, self.namespace, self.pod);
        (self.phase != "Completed").then(|| format!("{what} is {}{message}", self.phase))
    }
}

/// A claim whose data is not in a backup, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The claim.
    pub claim: ClaimName,
    /// Why, where its volume was tried.
    pub why: Option<String>,
}

/// Claims for which there is no Completed PodVolumeBackup.
pub fn skipped(claims: &[ClaimName], runs: &[VolumeRun]) -> Vec<Skipped> {
    let mut skipped = Vec::new();
    for claim in claims {
        let mine = || runs.iter().filter(|r| r.namespace == claim.namespace && r.claim.as_ref() == Some(&claim.name));
        if mine().any(|r| r.phase == "Completed") {
            continue;
        }
        skipped.push(Skipped { claim: claim.clone(), why: mine().find_map(VolumeRun::problem) });
    }
    skipped
}

/// Volumes of a backup for which a restore has no Completed PodVolumeRestore, with what is known of it.
pub fn not_restored(backups: &[VolumeRun], restores: &[VolumeRun]) -> Vec<String> {
    let same = |a: &VolumeRun, b: &VolumeRun| (&a.namespace, &a.pod, &a.volume) == (&b.namespace, &b.pod, &b.volume);
    let done: Vec<&VolumeRun> = backups.iter().filter(|b| b.phase == "Completed" && b.claim.is_some()).collect();
    let mut lines = BTreeSet::new();
    for backup in done {
        match restores.iter().find(|r| same(r, backup)) {
            Some(restore) => lines.extend(restore.problem()),
            None => _ = lines.insert(format!(
                "volume {} of pod {}/{} has no PodVolumeRestore: was the pod there already, or left out of the restore?",
                backup.volume, backup.namespace, backup.pod
            )),
        }
    }
    lines.into_iter().collect()
}

/// Why Velero has passed over a claim's volume, by the pods of its namespace: it says nothing of it itself.
pub fn why_not(claim: &ClaimName, pods: &[Value]) -> String {
    let volumes = |pod: &Value| pod.pointer("/spec/volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let uses = |pod: &Value| {
        volumes(pod).iter().find_map(|v| {
            (text(v, "/persistentVolumeClaim/claimName") == claim.name).then(|| text(v, "/name").to_owned())
        })
    };
    let using: Vec<(&Value, String)> = pods.iter().filter_map(|p| Some((p, uses(p)?))).collect();
    if using.is_empty() {
        return "no pod uses it, and Velero backs volumes up through their running pods: was its workload scaled to 0? Keep it running and stop the writes instead, or start a pod that mounts it".to_owned();
    }
    let running = using.iter().find(|(p, _)| text(p, "/status/phase") == "Running");
    let Some((pod, volume)) = running else {
        let states: Vec<String> = using
            .iter()
            .map(|(p, _)| format!("{} is {}", text(p, "/metadata/name"), text(p, "/status/phase")))
            .collect();
        return format!(
            "no pod that uses it runs ({}), and Velero backs volumes up through their running pods",
            states.join(", ")
        );
    };
    let name = text(pod, "/metadata/name");
    let excluded =
        pod["metadata"]["annotations"]["backup.velero.io/backup-volumes-excludes"].as_str().unwrap_or_default();
    if excluded.split(',').any(|v| v.trim() == volume) {
        return format!(
            "pod {name} leaves its volume {volume} out (annotation backup.velero.io/backup-volumes-excludes)"
        );
    }
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).cloned().unwrap_or_default();
    let has = |key: &str| {
        containers.iter().any(|c| c[key].as_array().is_some_and(|m| m.iter().any(|m| m["name"] == volume.as_str())))
    };
    if has("volumeDevices") {
        return format!(
            "volume {volume} of pod {name} is a block device, which a file-system backup does not read: move it by hand"
        );
    }
    if !has("volumeMounts") {
        return format!("no container of pod {name} mounts its volume {volume}");
    }
    format!(
        "pod {name} runs with it: is its volume a hostPath, is the pod left out of the backup, or is no node-agent on its node? See `velero backup logs`"
    )
}
