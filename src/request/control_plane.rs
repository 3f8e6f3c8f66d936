//! The control plane that a simulation assumes: its version, and its scheduler's configuration.

use super::error::InputError;
use crate::cluster::{Catalog, ForeignDocument, KubernetesVersion, version};
use crate::plan::Plan;
use crate::scheduler::{ControlPlaneRecord, SchedulerConfig};
use crate::snapshot::diagnostics::Notices;
use crate::snapshot::{ReadError, Snapshot, groups, hex, source};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands for the configuration of Kubernetes' own default scheduler where a file's name is expected.
const DEFAULT: &str = "default";

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
    /// SHA-256 of its text; of several files that of their texts one after another.
    pub sha256: String,
    /// Configurations of further schedulers that run beside it.
    pub beside: Vec<Configuration>,
}

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is neither YAML nor JSON.
    pub fn of_file(path: &Path) -> Result<Configuration, InputError> {
        let empty = || InputError::Read(ReadError::EmptyFile { file: path.display().to_string() });
        Configuration::of_files(&[path.to_owned()])?.ok_or_else(empty)
    }

    /// Reads the files of schedulers that run beside each other; None for no file. `default` is that of Kubernetes' own default scheduler.
    ///
    /// # Errors
    /// One cannot be read, is neither YAML nor JSON, or holds more than one configuration.
    pub fn of_files(paths: &[PathBuf]) -> Result<Option<Configuration>, InputError> {
        let (mut all, mut texts) = (Vec::new(), String::new());
        for path in paths {
            let name = path.display().to_string();
            if name == DEFAULT && !path.exists() {
                let value =
                    json!({"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"});
                texts.push_str(DEFAULT);
                all.push(Configuration::of_value(&name, value));
                continue;
            }
            let sources = source::load(std::slice::from_ref(path)).map_err(|e| match e {
                ReadError::Io { file, source } => InputError::SchedulerFile { file, source },
                other => InputError::Read(other),
            })?;
            for source in sources {
                let text = source.text()?;
                let value = document(&source.name, text)?;
                texts.push_str(text);
                all.push(Configuration { name: name.clone(), value, sha256: sha256(text), beside: Vec::new() });
            }
        }
        let mut all = all.into_iter();
        Ok(all.next().map(|first| Configuration { sha256: sha256(&texts), beside: all.collect(), ..first }))
    }

    /// A configuration that is part of another document.
    pub fn of_value(name: &str, value: Value) -> Configuration {
        let sha256 = sha256(&value.to_string());
        Configuration { name: name.to_owned(), value, sha256, beside: Vec::new() }
    }

    /// What a plan document keeps: the value, or a list of several.
    pub(crate) fn kept(&self) -> Value {
        match self.beside.is_empty() {
            true => self.value.clone(),
            false => std::iter::once(&self.value).chain(self.beside.iter().map(|c| &c.value)).cloned().collect(),
        }
    }

    /// From what [`kept`](Configuration::kept) gave.
    pub(crate) fn of_kept(name: &str, kept: Value) -> Configuration {
        let Value::Array(list) = kept else { return Configuration::of_value(name, kept) };
        let mut all = list.into_iter().enumerate().map(|(i, v)| Configuration::of_value(&format!("{name}[{i}]"), v));
        let first = all.next().unwrap_or_else(|| Configuration::of_value(name, Value::Null));
        Configuration { beside: all.collect(), ..first }
    }
}

impl ControlPlane {
    /// The one that a plan was forecast with.
    pub fn of_plan(plan: &Plan) -> ControlPlane {
        let Some(kept) = plan.simulation.as_ref().map(|s| &s.scheduler) else { return ControlPlane::default() };
        let scheduler = kept.configuration.as_ref().map(|document| Configuration {
            sha256: kept.configuration_sha256.clone().unwrap_or_else(|| sha256(&document.value().to_string())),
            ..Configuration::of_kept("simulation.scheduler.configuration", document.value().clone())
        });
        ControlPlane { minor: Some(kept.kubernetes.minor()), stated_minor: kept.stated_minor, scheduler }
    }
    /// That of a recording, with the text of its `scheduler.yaml` if it has one.
    ///
    /// # Errors
    /// The text is neither YAML nor JSON.
    pub fn recorded(config: Option<&str>) -> Result<ControlPlane, InputError> {
        let Some(text) = config else { return Ok(ControlPlane::default()) };
        let name = "scheduler.yaml".to_owned();
        let value = document(&name, text)?;
        let scheduler = Configuration { name, value, sha256: sha256(text), beside: Vec::new() };
        Ok(ControlPlane { scheduler: Some(scheduler), ..ControlPlane::default() })
    }
    /// Lays flags over it.
    ///
    /// # Errors
    /// A version that is none, or a file that cannot be read.
    pub fn with_flags(mut self, configs: &[PathBuf], version: Option<&str>) -> Result<ControlPlane, InputError> {
        if let Some(given) = Configuration::of_files(configs)? {
            self.scheduler = Some(given);
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
            Some(given) => joined(given, catalog, &mut notices)?,
        };
        snapshot.cluster.state.catalog_grew(&snapshot.cluster.catalog);
        scheduler.record = ControlPlaneRecord {
            kubernetes: snapshot.cluster.catalog.kubernetes,
            stated_minor: self.stated_minor,
            configuration: self.scheduler.as_ref().and_then(|s| ForeignDocument::new(s.kept())),
            configuration_sha256: self.scheduler.as_ref().map(|s| s.sha256.clone()),
        };
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

/// The schedulers of all configurations as one with all their profiles.
fn joined(given: &Configuration, catalog: &mut Catalog, notices: &mut Notices) -> Result<SchedulerConfig, InputError> {
    let read = |c: &Configuration, catalog: &mut Catalog| {
        SchedulerConfig::from_value(&c.value, catalog)
            .map_err(|source| InputError::Scheduler { name: c.name.clone(), source })
    };
    let mut scheduler = read(given, catalog)?;
    let mut owners: Vec<(String, &str)> =
        scheduler.profiles.iter().map(|p| (p.name.clone(), given.name.as_str())).collect();
    for other in &given.beside {
        let more = read(other, catalog)?;
        for profile in &more.profiles {
            if let Some((_, first)) = owners.iter().find(|(name, _)| *name == profile.name) {
                let (scheduler, first, second) = (profile.name.clone(), (*first).to_owned(), other.name.clone());
                return Err(InputError::SchedulerTwice { scheduler, first, second });
            }
            owners.push((profile.name.clone(), &other.name));
        }
        let same = more.queue == scheduler.queue && more.client == scheduler.client;
        let settings = if same { "" } else { "; its backoff and client limits are those of the first file" };
        let detail = format!(
            "{} is simulated with {} as one scheduler with all their profiles: pods wait in one queue{settings}",
            other.name, given.name
        );
        notices.note("schedulers-as-one", || format!("Scheduler/{}", more.profiles[0].name), &detail);
        scheduler.profiles.extend(more.profiles);
        scheduler.notices.extend(more.notices);
    }
    Ok(scheduler)
}

/// The one configuration that a file holds.
fn document(name: &str, text: &str) -> Result<Value, InputError> {
    let mut values = groups::parse_text(name, text)?;
    match values.len() {
        1 => Ok(values.remove(0)),
        0 => Err(InputError::Read(ReadError::EmptyFile { file: name.to_owned() })),
        documents => Err(InputError::SchedulerDocuments { name: name.to_owned(), documents }),
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
