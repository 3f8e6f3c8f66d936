//! A KubeSchedulerConfiguration file (kubescheduler.config.k8s.io/v1): read as strictly as kube-scheduler reads it,
//! its defaults filled in, and refused where kube-scheduler would not start with it (S/apis/config/{v1,validation}).
//!
//! What it asks for and is not modelled is a [`Notice`], of which findings are made.

mod arguments;
mod plugins;
mod refusal;
#[cfg(test)]
mod tests;
mod wire;

pub use refusal::{ConfigError, Refusal};

use super::backoff::QueueConfig;
use super::config::{Batching, DefaultSpread, FitStrategy, Notice, Profile, SchedulerConfig};
use super::record::ControlPlaneRecord;
use super::syntax;
use crate::cluster::plain::plain;
use crate::cluster::{Catalog, KubernetesVersion, RateLimit};
use arguments::Arguments;
use plugins::{Reading, is_removed};
use refusal::Refusals;
use serde_json::Value;
use std::sync::Arc;

/// The only version of the file's form that kube-scheduler still reads.
const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
const KIND: &str = "KubeSchedulerConfiguration";

impl SchedulerConfig {
    /// Reads a KubeSchedulerConfiguration in YAML or JSON, for the catalogue's version of Kubernetes. Names it mentions
    /// go into the catalogue, so it must come before the state makes names (`State::catalog_grew`).
    ///
    /// # Errors
    /// What cannot be read or kube-scheduler would refuse, and what to do.
    pub fn from_yaml(text: &str, catalog: &mut Catalog) -> Result<SchedulerConfig, ConfigError> {
        SchedulerConfig::from_value(&document(text)?, catalog)
    }
    /// The same from its value, as [`document`] gives it.
    ///
    /// # Errors
    /// As [`SchedulerConfig::from_yaml`].
    pub fn from_value(value: &Value, catalog: &mut Catalog) -> Result<SchedulerConfig, ConfigError> {
        check_type(value)?;
        let file: wire::File = crate::typed::from_value(&without_nulls(value))
            .map_err(|e| ConfigError::Syntax(format!("at {}: {}", e.path, plain(&e.what))))?;
        let (mut refusals, mut notices) = (Refusals::default(), Vec::new());
        check_file(&file, &mut refusals);
        let ignored = extenders(&file.extenders, &mut refusals, &mut notices);
        let mut given = file.profiles;
        if given.is_empty() {
            given.push(wire::Profile::default());
        }
        let alone = given.len() == 1;
        for i in 1..given.len() {
            if !Reading::same_queue_sort(&given[0].plugins, &given[i].plugins) {
                let at = format!("profiles[{i}].plugins.queueSort");
                refusals.add(at, "is not that of the first profile", "give all profiles the same");
            }
        }
        let mut profiles: Vec<Arc<Profile>> = Vec::new();
        for (i, given) in given.into_iter().enumerate() {
            let name = given.scheduler_name.clone().or_else(|| alone.then(|| "default-scheduler".to_owned()));
            let name = name.unwrap_or_default();
            let at = format!("profiles[{i}]");
            if name.is_empty() {
                refusals.add(format!("{at}.schedulerName"), "is missing", "give each profile its own name");
            } else if profiles.iter().any(|p| p.name == name) {
                let what = format!("is {name} again");
                refusals.add(format!("{at}.schedulerName"), what, "give each profile its own name");
            }
            let percentage = given.percentage_of_nodes_to_score;
            check_percentage(percentage, &format!("{at}.percentageOfNodesToScore"), &mut refusals);
            let percentage = percentage.or(file.percentage_of_nodes_to_score).unwrap_or(0);
            let mut profile = read_profile(given, &at, name, catalog, &mut refusals, &mut notices);
            profile.percentage_of_nodes_to_score = i64::from(percentage);
            if !file.extenders.is_empty() {
                profile.batching = Batching::Off;
            }
            if !ignored.is_empty() {
                profile.ignored_resources.clone_from(&ignored);
            }
            profiles.push(Arc::new(profile));
        }
        refusals.into_result()?;
        let client = &file.client_connection;
        Ok(SchedulerConfig {
            profiles,
            queue: QueueConfig {
                initial_backoff_ms: file.pod_initial_backoff_seconds.unwrap_or(1).saturating_mul(1000),
                max_backoff_ms: file.pod_max_backoff_seconds.unwrap_or(10).saturating_mul(1000),
                ..QueueConfig::default()
            },
            client: client_limit(client, &mut notices),
            notices,
            record: ControlPlaneRecord::default(),
        })
    }
}

/// The value of a configuration's text.
///
/// # Errors
/// It is neither YAML nor JSON.
pub fn document(text: &str) -> Result<Value, ConfigError> {
    serde_saphyr::from_str(text).map_err(|e| ConfigError::Syntax(e.to_string()))
}

fn check_type(value: &Value) -> Result<(), ConfigError> {
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
    let (version, kind) = (field("apiVersion"), field("kind"));
    if version == API_VERSION && kind == KIND {
        return Ok(());
    }
    let older = version.starts_with("kubescheduler.config.k8s.io/") && version != API_VERSION;
    Err(ConfigError::Syntax(match (version, kind) {
        ("", _) => "apiVersion is missing".to_owned(),
        (_, "") => "kind is missing".to_owned(),
        _ if older => format!("apiVersion is {version}, which kube-scheduler no longer reads"),
        _ => format!("it is a {kind} of {version}"),
    }))
}

/// Fields that are null count as not given, as Go's JSON has it.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|f| !f.1.is_null());
            Value::Object(given.map(|(k, v)| (k.clone(), without_nulls(v))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn check_percentage(given: Option<i32>, at: &str, refusals: &mut Refusals) {
    if let Some(percentage) = given.filter(|p| !(0..=100).contains(p)) {
        refusals.add(at, format!("is {percentage}"), "give 0 (adaptive) to 100");
    }
}

fn check_time(given: Option<&str>, at: &str, refusals: &mut Refusals) {
    if let Some(text) = given.filter(|t| syntax::duration_s(t).is_none()) {
        refusals.add(at, format!("is {text:?}"), "give a time such as 10s or 1m30s");
    }
}

/// `ValidateKubeSchedulerConfiguration` but for profiles and extenders.
fn check_file(file: &wire::File, refusals: &mut Refusals) {
    if let Some(parallelism) = file.parallelism.filter(|p| *p <= 0) {
        refusals.add("parallelism", format!("is {parallelism}"), "give 1 or more");
    }
    check_percentage(file.percentage_of_nodes_to_score, "percentageOfNodesToScore", refusals);
    let initial = file.pod_initial_backoff_seconds.unwrap_or(1);
    let max = file.pod_max_backoff_seconds.unwrap_or(10);
    if initial <= 0 {
        refusals.add("podInitialBackoffSeconds", format!("is {initial}"), "give 1 or more");
    }
    if max < initial {
        let remedy = format!("give podInitialBackoffSeconds ({initial}) or more");
        refusals.add("podMaxBackoffSeconds", format!("is {max}"), remedy);
    }
    if let Some(burst) = file.client_connection.burst.filter(|b| *b < 0) {
        refusals.add("clientConnection.burst", format!("is {burst}"), "give 0 or more");
    }
    let election = &file.leader_election;
    for (field, text) in [
        ("leaseDuration", &election.lease_duration),
        ("renewDeadline", &election.renew_deadline),
        ("retryPeriod", &election.retry_period),
    ] {
        check_time(text.as_deref(), &format!("leaderElection.{field}"), refusals);
    }
    if election.leader_elect != Some(false)
        && let Some(lock) = election.resource_lock.as_deref().filter(|l| !matches!(*l, "" | "leases"))
    {
        refusals.add("leaderElection.resourceLock", format!("is {lock}"), "write leases");
    }
}

/// Checks extenders, says that they are not asked, and gives the resources that they take from the scheduler's hands
/// (`validateExtenders`, `buildExtenders`).
fn extenders(given: &[wire::Extender], refusals: &mut Refusals, notices: &mut Vec<Notice>) -> Vec<String> {
    let mut managed: Vec<&str> = Vec::new();
    let mut ignored = Vec::new();
    for (i, extender) in given.iter().enumerate() {
        if !extender.prioritize_verb.is_empty() && extender.weight <= 0 {
            refusals.add(format!("extenders[{i}].weight"), format!("is {}", extender.weight), "give 1 or more");
        }
        check_time(extender.http_timeout.as_deref(), &format!("extenders[{i}].httpTimeout"), refusals);
        for (j, resource) in extender.managed_resources.iter().enumerate() {
            let at = format!("extenders[{i}].managedResources[{j}].name");
            if !syntax::is_extended_resource(&resource.name) {
                refusals.add(&at, format!("is {:?}", resource.name), "give an extended resource (example.com/device)");
            }
            if managed.contains(&resource.name.as_str()) {
                refusals.add(&at, format!("is {} again", resource.name), "name each resource once");
            }
            managed.push(&resource.name);
            if resource.ignored_by_scheduler {
                ignored.push(resource.name.clone());
            }
        }
        let verbs = [
            ("filters", &extender.filter_verb),
            ("scores", &extender.prioritize_verb),
            ("preempts", &extender.preempt_verb),
            ("binds", &extender.bind_verb),
        ];
        let does: Vec<&str> = verbs.iter().filter(|v| !v.1.is_empty()).map(|v| v.0).collect();
        let does = if does.is_empty() { "does nothing".to_owned() } else { does.join(", ") };
        notices.push(Notice {
            code: "scheduler-extender",
            object: format!("Scheduler/extenders/{i}"),
            detail: format!("an extender {does}"),
        });
    }
    let binders = given.iter().filter(|e| !e.bind_verb.is_empty()).count();
    if binders > 1 {
        refusals.add("extenders", format!("has {binders} that bind"), "leave bindVerb to one");
    }
    ignored
}

fn read_profile(
    given: wire::Profile,
    at: &str,
    name: String,
    catalog: &mut Catalog,
    refusals: &mut Refusals,
    notices: &mut Vec<Notice>,
) -> Profile {
    let version = catalog.kubernetes;
    let object = format!("Scheduler/{name}");
    let mut reading = Reading { version, at: at.to_owned(), object: object.clone(), refusals, notices };
    let running = reading.plugins(&given.plugins);
    let (spread, affinity) = (running.spreads, running.attracts);
    let others = notices.iter().any(|n| n.code == "scheduler-plugin-unknown");
    let mut profile = Profile {
        name,
        pre_filter: running.pre_filter,
        filter: running.filter,
        post_filter: running.post_filter,
        score: running.score,
        ..Profile::without_plugins()
    };
    let mut seen: Vec<String> = Vec::new();
    for (i, config) in given.plugin_config.into_iter().enumerate() {
        let at = format!("{at}.pluginConfig[{i}]");
        if seen.contains(&config.name) {
            refusals.add(&at, format!("is for {} again", config.name), "give each plugin's arguments once");
        }
        if is_removed(&config.name) {
            refusals.add(&at, format!("is for {}, which Kubernetes no longer has", config.name), "take it out");
        }
        let mut arguments = Arguments {
            version,
            at: format!("{at}.args"),
            object: format!("{object}/{}", config.name),
            catalog,
            refusals,
            notices,
        };
        arguments.take(&config.name, config.args.unwrap_or_default(), &mut profile);
        seen.push(config.name);
    }
    let defaults = spread && profile.default_spread != DefaultSpread::List(Vec::new());
    if version.rules().batches_pods && !defaults && !others {
        let labels = affinity && !profile.ignore_preferred_terms_of_existing_pods;
        profile.batching = Batching::Pods { spread, affinity, labels };
    }
    profile
}

impl Profile {
    /// The profile of a scheduler without a configuration.
    pub fn of_version(version: KubernetesVersion) -> Profile {
        let mut catalog = Catalog::new();
        catalog.kubernetes = version;
        let (mut refusals, mut notices) = (Refusals::default(), Vec::new());
        let name = "default-scheduler".to_owned();
        read_profile(wire::Profile::default(), "profiles[0]", name, &mut catalog, &mut refusals, &mut notices)
    }
    /// Every argument's default.
    fn without_plugins() -> Profile {
        Profile {
            name: String::new(),
            pre_filter: Vec::new(),
            filter: Vec::new(),
            post_filter: Vec::new(),
            score: Vec::new(),
            percentage_of_nodes_to_score: 0,
            fit: FitStrategy::LeastAllocated,
            fit_resources: vec![("cpu".into(), 1), ("memory".into(), 1)],
            ignored_resources: Vec::new(),
            ignored_resource_groups: Vec::new(),
            balanced_resources: vec!["cpu".into(), "memory".into()],
            hard_pod_affinity_weight: 1,
            ignore_preferred_terms_of_existing_pods: false,
            default_spread: DefaultSpread::System,
            added_affinity: None,
            added_preferred: Vec::new(),
            min_candidate_nodes_percentage: 10,
            min_candidate_nodes_absolute: 100,
            batching: Batching::Off,
        }
    }
}

/// The client's limits where the file sets them; those it leaves out have the scheduler's defaults.
fn client_limit(client: &wire::ClientConnection, notices: &mut Vec<Notice>) -> Option<RateLimit> {
    let qps = client.qps.filter(|q| *q != 0.0);
    let burst = client.burst.filter(|b| *b != 0);
    if qps.is_none() && burst.is_none() {
        return None;
    }
    let qps = qps.unwrap_or(50.0);
    if qps.fract() != 0.0 {
        notices.push(Notice {
            code: "scheduler-argument-not-modelled",
            object: "Scheduler/clientConnection".to_owned(),
            detail: format!("qps is {qps}; whole calls a second are modelled"),
        });
    }
    // No limit below nought, as in client-go.
    let whole = if qps < 0.0 { 0 } else { (qps as u32).max(1) };
    Some(RateLimit { qps: whole, burst: burst.unwrap_or(100).max(0) as u32 })
}
