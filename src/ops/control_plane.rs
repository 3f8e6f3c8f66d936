//! The control plane that a simulation assumes: its version, and its scheduler's configuration.

use super::input::InputError;
use crate::cluster::{KubernetesVersion, version};
use crate::scheduler::{ConfigError, SchedulerConfig, document};
use crate::snapshot::diagnostics::Notices;
use crate::snapshot::{Snapshot, hex};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What is said of the control plane; the rest is found out from the dump, or is Kubernetes' default.
#[derive(Clone, Debug, Default)]
pub struct ControlPlane {
    /// Minor version of Kubernetes 1 whose rules are asked for.
    pub minor: Option<u32>,
    /// Minor version that somebody said the control plane has, by flag or scenario; rules may be known for others only.
    pub stated_minor: Option<u32>,
    /// The scheduler's configuration.
    pub scheduler: Option<Configuration>,
}

/// A scheduler's configuration and where it stands.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// For messages: a file's name, or what it is part of.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// SHA-256 of its text.
    pub sha256: String,
}

/// What a plan document keeps of the control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Whose rules hold.
    pub kubernetes: KubernetesVersion,
    /// The minor version that was stated, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_minor: Option<u32>,
    /// The scheduler's configuration; Kubernetes' default if there is none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub configuration: Value,
    /// SHA-256 of the configuration's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_sha256: Option<String>,
}

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is neither YAML nor JSON.
    pub fn of_file(path: &Path) -> Result<Configuration, InputError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| InputError::SchedulerFile { file: name.clone(), source })?;
        let value = document(&text).map_err(|source| InputError::Scheduler { name: name.clone(), source })?;
        Ok(Configuration { name, value, sha256: sha256(&text) })
    }
    /// A configuration that is part of another document.
    pub fn of_value(name: &str, value: Value) -> Configuration {
        let sha256 = sha256(&value.to_string());
        Configuration { name: name.to_owned(), value, sha256 }
    }
}

impl ControlPlane {
    /// What a plan document keeps.
    ///
    /// # Errors
    /// Says where it is not of the shape.
    pub fn of_plan(kept: &Value) -> Result<ControlPlane, String> {
        if kept.is_null() {
            return Ok(ControlPlane::default());
        }
        let kept: Kept = serde_path_to_error::deserialize(kept)
            .map_err(|e| format!("intent.scheduler.{}: {}", e.path(), e.inner()))?;
        let scheduler = (!kept.configuration.is_null()).then(|| Configuration {
            sha256: kept.configuration_sha256.unwrap_or_else(|| sha256(&kept.configuration.to_string())),
            ..Configuration::of_value("intent.scheduler.configuration", kept.configuration)
        });
        Ok(ControlPlane { minor: Some(kept.kubernetes.minor()), stated_minor: kept.stated_minor, scheduler })
    }
    /// That of a recording, with the text of its `scheduler.yaml` if it has one.
    ///
    /// # Errors
    /// The text is neither YAML nor JSON.
    pub fn recorded(config: Option<&str>) -> Result<ControlPlane, InputError> {
        let Some(text) = config else { return Ok(ControlPlane::default()) };
        let name = "scheduler.yaml".to_owned();
        let value = document(text).map_err(|source| InputError::Scheduler { name: name.clone(), source })?;
        let scheduler = Configuration { name, value, sha256: sha256(text) };
        Ok(ControlPlane { scheduler: Some(scheduler), ..ControlPlane::default() })
    }
    /// Lays flags over it.
    ///
    /// # Errors
    /// A version that is none, or a file that cannot be read.
    pub fn with_flags(mut self, config: Option<&Path>, version: Option<&str>) -> Result<ControlPlane, InputError> {
        if let Some(path) = config {
            self.scheduler = Some(Configuration::of_file(path)?);
        }
        if let Some(text) = version {
            self.minor = Some(minor_of(text)?);
            self.stated_minor = self.minor;
        }
        Ok(self)
    }
    /// Settles the version and the scheduler of a cluster that was just read, and says what is assumed or not modelled.
    ///
    /// # Errors
    /// A configuration that kube-scheduler would refuse.
    pub fn settle(&self, snapshot: &mut Snapshot) -> Result<SchedulerConfig, InputError> {
        let mut notices = Notices::default();
        self.settle_version(snapshot, &mut notices);
        let catalog = Arc::make_mut(&mut snapshot.cluster.catalog);
        let mut scheduler = match &self.scheduler {
            None => SchedulerConfig::of_version(catalog.kubernetes),
            Some(given) => {
                let failed = |source: ConfigError| InputError::Scheduler { name: given.name.clone(), source };
                SchedulerConfig::from_value(&given.value, catalog).map_err(failed)?
            }
        };
        snapshot.cluster.state.catalog_grew(&snapshot.cluster.catalog);
        let kept = Kept {
            kubernetes: snapshot.cluster.catalog.kubernetes,
            stated_minor: self.stated_minor,
            configuration: self.scheduler.as_ref().map_or(Value::Null, |s| s.value.clone()),
            configuration_sha256: self.scheduler.as_ref().map(|s| s.sha256.clone()),
        };
        scheduler.document = json!(kept);
        for notice in &scheduler.notices {
            notices.note(notice.code, || notice.object.clone(), &notice.detail);
        }
        note_unserved(snapshot, &scheduler, &mut notices);
        snapshot.findings.retain(|f| f.code != "other-scheduler");
        snapshot.findings.extend(notices.findings());
        snapshot.findings.sort();
        Ok(scheduler)
    }
    /// The version that was asked for, else that of the newest kubelet, which may not be newer than the API server
    /// (version skew policy), else the newest known.
    fn settle_version(&self, snapshot: &mut Snapshot, notices: &mut Notices) {
        let object = || "ControlPlane".to_owned();
        let catalog = &snapshot.cluster.catalog;
        let minor = self.minor.or(catalog.kubernetes_minor);
        let version = minor.map_or_else(KubernetesVersion::default, KubernetesVersion::nearest);
        match minor {
            None => {
                let detail = format!("no node tells its kubelet's version; {version} is assumed");
                notices.note("kubernetes-version-assumed", object, &detail);
            }
            Some(minor) if minor != version.minor() => {
                let detail = format!("the rules of Kubernetes 1.{minor} are not known; those of {version} are used");
                notices.note("kubernetes-version-unknown", object, &detail);
            }
            Some(_) => {}
        }
        let minors: BTreeSet<u32> = snapshot
            .cluster
            .state
            .nodes
            .iter()
            .filter_map(|n| version::minor_of(catalog.text(n.spec.kubelet_version?)))
            .collect();
        if self.minor.is_none() && minors.len() > 1 {
            let list: Vec<String> = minors.iter().map(|m| format!("1.{m}")).collect();
            let detail = format!("kubelets are of {}; the newest counts", list.join(", "));
            notices.note("kubelets-differ", object, &detail);
        }
        let catalog = Arc::make_mut(&mut snapshot.cluster.catalog);
        catalog.kubernetes = version;
        catalog.inventory.control_plane_minor = self.stated_minor;
    }
}

/// Pods that no profile of the scheduler places.
fn note_unserved(snapshot: &Snapshot, scheduler: &SchedulerConfig, notices: &mut Notices) {
    let (catalog, state) = (&*snapshot.cluster.catalog, &snapshot.cluster.state);
    for (pod, p) in state.pods.entries().filter(|(_, p)| !p.gone && !p.phase.is_terminal()) {
        let name = catalog.shape(p.spec).scheduler_name;
        if scheduler.profile(catalog, name).is_none() {
            let detail = format!("it names the scheduler {}, which no profile has", catalog.text(name));
            notices.note("other-scheduler", || format!("Pod/{}", state.pod_text(catalog, pod)), &detail);
        }
    }
}

/// The minor version in `1.34` or `v1.34.2`.
///
/// # Errors
/// It is none of Kubernetes 1.
pub fn minor_of(text: &str) -> Result<u32, InputError> {
    version::minor_of(text).ok_or_else(|| InputError::Version(text.to_owned()))
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}
