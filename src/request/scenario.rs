//! Scenarios: a cluster, what to do with it, what goes wrong, and what to expect.

use crate::ack::simulate::AckSimOptions;
use crate::ack::{AckFacts, PreflightOptions};
use crate::intent::options::Options;
pub use crate::intent::select::NodeChoice;
use crate::plan::verdict::{DEFAULT_REQUIRE, replications_problem, require_problem};
use crate::sim::SimOptions;
use crate::sim::autoscaler::AutoscalerOptions;
use crate::snapshot::generate::GenerateParams;
use crate::snapshot::{json_problem, plain_words, yaml_problem};
use crate::transfer::simulate::TransferSimOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A scenario file (JSON or YAML); a regression test is a scenario with expectations.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name; a file with this field is a scenario, not a dump.
    pub scenario: String,
    /// What happens, told for people.
    #[serde(default)]
    pub story: String,
    /// The cluster.
    pub cluster: ClusterSource,
    /// Node groups; inferred from the cluster if not given.
    #[serde(default)]
    pub groups: GroupsSource,
    /// File with sizes and prices of machine types, relative to the scenario.
    #[serde(default)]
    pub machine_types: Option<PathBuf>,
    /// Version of the control plane (`1.34`), whose rules hold. By default that of the newest kubelet.
    #[serde(default)]
    pub kubernetes: Option<String>,
    /// The scheduler's configuration; Kubernetes' default if not given.
    #[serde(default)]
    pub scheduler: SchedulerSource,
    /// Old nodes.
    #[serde(default)]
    pub nodes: NodeChoice,
    /// Parameters of the migration.
    #[serde(default)]
    pub options: Options,
    /// Parameters of the simulation: delays, faults, limits.
    #[serde(default)]
    pub sim: SimOptions,
    /// The autoscaler beside the migration.
    #[serde(default)]
    pub autoscaler: AutoscalerOptions,
    /// Random seed. Default 1.
    #[serde(default = "one")]
    pub seed: u64,
    /// How many times to simulate, each with another random seed. Default: once for `nodeferry test`, so that a regression test is one
    /// run of one seed; for `nodeferry plan` as for a dump (30 times, or 5 with more than 20,000 pods).
    #[serde(default)]
    pub replications: Option<u32>,
    /// Percent of the runs that must complete for exit status 0. Default 100.
    #[serde(default = "all")]
    pub require_percent: f64,
    /// The control plane of an ACK cluster is swapped (`nodeferry ack`); `nodes` are its masters, those of the cluster's labels if not given.
    #[serde(default)]
    pub ack: Option<AckScenario>,
    /// Workloads of another cluster move to this one (`nodeferry transfer`); the cluster is the target.
    #[serde(default)]
    pub transfer: Option<TransferScenario>,
    /// What must come out.
    #[serde(default)]
    pub expect: Expect,
    /// What a real control plane did upon this cluster, and ours must say too; then no migration is simulated.
    #[serde(default)]
    pub recorded: Option<Recorded>,
}

/// What a real control plane did, in the lines that `nodeferry verify` reads.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recorded {
    /// The scheduler's `KubeSchedulerConfiguration`; the default one if not given.
    pub scheduler: Option<serde_json::Value>,
    /// Decisions of the scheduler, one after the other: lines of `decisions.jsonl`.
    pub decisions: Vec<serde_json::Value>,
    /// Answers to dry-run evictions, with the budgets as the cluster has them: lines of `verdicts.jsonl`.
    pub verdicts: Vec<serde_json::Value>,
    /// What then happened to pods and budgets, step by step: lines of `changes.jsonl`.
    pub changes: Vec<serde_json::Value>,
}

/// The control plane of an ACK cluster is swapped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AckScenario {
    /// Facts, as a facts file states them.
    pub facts: AckFacts,
    /// Parameters of the preflight.
    pub preflight: PreflightOptions,
    /// Parameters of the simulated cut-over.
    pub simulation: AckSimOptions,
}

/// Workloads of another cluster move to this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransferScenario {
    /// The plan, as `nodeferry transfer plan` writes it, relative to the scenario.
    pub plan: PathBuf,
    /// Parameters of the simulated transfer.
    pub simulation: TransferSimOptions,
}

fn one() -> u64 {
    1
}
fn all() -> f64 {
    DEFAULT_REQUIRE
}

/// Where a scenario's cluster comes from: any of these, together.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSource {
    /// Dumps, relative to the scenario.
    pub dump: Vec<PathBuf>,
    /// A generated cluster.
    pub generate: Option<GenerateParams>,
    /// Objects as kubectl prints them, added to the others; one of the same kind, namespace and name replaces.
    pub objects: Vec<serde_json::Value>,
}

/// Where a scenario's groups come from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupsSource {
    /// Files, relative to the scenario.
    pub files: Vec<PathBuf>,
    /// Groups in any of the known forms, inline.
    pub inline: Option<serde_json::Value>,
}

/// Where a scenario's scheduler configuration comes from: one of these.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerSource {
    /// A KubeSchedulerConfiguration's file, relative to the scenario.
    pub config: Option<PathBuf>,
    /// The same, inline.
    pub inline: Option<serde_json::Value>,
}

/// Bounds of a figure, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Least.
    pub min: Option<i64>,
    /// Most.
    pub max: Option<i64>,
}

/// What must come out of a scenario; what is not given is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// `COMPLETED`, `PARTLY_COMPLETED`, `FAILED`, `STOPPED`.
    pub outcome: Option<String>,
    /// Code of the reason.
    pub reason: Option<String>,
    /// Text that the message must contain.
    pub message: Option<String>,
    /// Text that some failure's cause must contain.
    pub cause: Option<String>,
    /// Codes of findings that must be there.
    pub findings: Vec<String>,
    /// Codes of findings that must not be there.
    pub no_findings: Vec<String>,
    /// Harm that must be done: the kind (`workload-broken`), or kind and workload (`workload-broken Deployment/shop/cart`).
    pub harm: Vec<String>,
    /// Harm that must not be done, in the same form.
    pub no_harm: Vec<String>,
    /// Exit status of `plan`.
    pub exit_status: Option<i64>,
    /// Milliseconds (median).
    pub duration_ms: Option<Bounds>,
    /// Number of batches carried out.
    pub batches: Option<Bounds>,
    /// Pods moved.
    pub pods_moved: Option<Bounds>,
    /// Pods moved twice.
    pub pods_moved_twice: Option<Bounds>,
    /// Pods that were moved and ended on a node that is not Ocean's; 0 unless the procedure is one of Ocean's.
    pub did_not_reach_ocean: Option<Bounds>,
    /// Most nodes at once.
    pub peak_nodes: Option<Bounds>,
    /// Refused evictions.
    pub refused: Option<Bounds>,
    /// Nodes launched.
    pub launched: Option<Bounds>,
    /// Shares of the outcomes in percent, with replications.
    pub outcomes_percent: BTreeMap<String, Bounds>,
    /// What must come out of the swap of an ACK cluster's control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<ExpectAck>,
    /// What must come out of a transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<ExpectTransfer>,
}

/// What must come out of a transfer; what is not given is not looked at. `outcome`, `reason`, `message`, `exit_status`, `duration_ms` and
/// `launched` of the others hold too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectTransfer {
    /// The step that fails.
    pub step: Option<String>,
    /// How long waves take, milliseconds, by their names (`W2`).
    pub waves_ms: BTreeMap<String, Bounds>,
    /// How long workloads are not served, milliseconds, by their names (`StatefulSet.apps/shop/db`).
    pub downtime_ms: BTreeMap<String, Bounds>,
    /// How much of what is written is lost, milliseconds, by workload.
    pub rpo_ms: BTreeMap<String, Bounds>,
    /// From the first fence until names point to the target, milliseconds.
    pub rto_ms: Option<Bounds>,
}

/// What must come out of the swap of an ACK cluster's control plane; what is not given is not looked at. `outcome`, `reason`, `message` and
/// `exit_status` of the others hold too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectAck {
    /// Verdicts of rules by their code: `pass`, `fail`, `unknown`.
    pub rules: BTreeMap<String, String>,
    /// Exit status of `ack preflight`.
    pub preflight_exit_status: Option<i64>,
    /// How long the API server is away, milliseconds (median).
    pub outage_ms: Option<Bounds>,
    /// From the return of the API server until all is quiet, milliseconds (median).
    pub rush_ms: Option<Bounds>,
    /// Pods created in the rush, in the run that is shown.
    pub pods_created: Option<Bounds>,
    /// Nodes found NotReady, masters among them, in the run that is shown.
    pub nodes_not_ready: Option<Bounds>,
    /// Workloads that lost all of their pods during the outage, in the run that is shown.
    pub at_zero: Vec<String>,
    /// Workloads that are not as before in the end, in any run.
    pub not_as_before: Vec<String>,
    /// Nothing else is not as before in the end.
    pub all_as_before: bool,
}

/// What is wrong with a scenario file.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("{}: {source}; check the path", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no scenario.
    #[error("{}: {problem}; see `nodeferry schema scenario` for what is expected", path.display())]
    Form {
        /// File.
        path: PathBuf,
        /// What is wrong where.
        problem: String,
    },
}

/// Keys of `options` that say what happens in the simulation only. They belong to `sim`, and are read from here too.
const ALIASES: [(&str, &str, &str); 3] = [
    ("/options", "stop_at_ms", "options.stop_at_ms"),
    ("/options", "stop_terminates_drained", "options.stop_terminates_drained"),
    ("/options/kubectl_drain", "order_seed", "options.kubectl_drain.order_seed"),
];

/// Moves what stands under an alias to its place under `sim`; gives where each stands now and where it stood.
fn take_aliases(value: &mut serde_json::Value) -> Result<Vec<(String, &'static str)>, String> {
    let mut moved = Vec::new();
    for (parent, key, written) in ALIASES {
        let Some(from) = value.pointer_mut(parent).and_then(serde_json::Value::as_object_mut) else { continue };
        let Some(given) = from.remove(key) else { continue };
        let place = format!("sim.{key}");
        let Some(root) = value.as_object_mut() else { continue };
        let sim = root.entry("sim").or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
        // What is no object is refused as such when the scenario is read.
        let Some(sim) = sim.as_object_mut() else { continue };
        if sim.insert(key.to_owned(), given).is_some() {
            return Err(format!("{written} and {place} are both given, and are one setting; leave one of them out"));
        }
        moved.push((place, written));
    }
    Ok(moved)
}

/// The JSON schema of a scenario file, its aliases among it.
pub fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(Scenario);
    for (parent, key, _) in ALIASES {
        let holder = if parent == "/options" { "Options" } else { "KubectlDrainOptions" };
        let Some(property) = schema.pointer(&format!("/$defs/SimOptions/properties/{key}")).cloned() else { continue };
        let properties = schema.pointer_mut(&format!("/$defs/{holder}/properties"));
        if let Some(properties) = properties.and_then(serde_json::Value::as_object_mut) {
            properties.insert(key.to_owned(), property);
        }
    }
    schema
}

impl Scenario {
    /// A scenario with a name and nothing else.
    pub fn named(name: &str) -> Scenario {
        Scenario {
            scenario: name.to_owned(),
            story: String::new(),
            cluster: ClusterSource::default(),
            groups: GroupsSource::default(),
            machine_types: None,
            kubernetes: None,
            scheduler: SchedulerSource::default(),
            nodes: NodeChoice::default(),
            options: Options::default(),
            sim: SimOptions::default(),
            autoscaler: AutoscalerOptions::default(),
            seed: one(),
            replications: None,
            require_percent: all(),
            ack: None,
            transfer: None,
            expect: Expect::default(),
            recorded: None,
        }
    }

    /// Reads a scenario's text; relative paths in it are taken from `dir`.
    ///
    /// # Errors
    /// Says where the text is not a scenario, or which parameter is out of range.
    pub fn parse(text: &str, path: &Path) -> Result<Scenario, ScenarioError> {
        let form = |problem: String| ScenarioError::Form { path: path.to_owned(), problem };
        let mut value: serde_json::Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|e| form(format!("no valid JSON: {}", json_problem(&e, text))))?
        } else {
            serde_saphyr::from_str(text).map_err(|e| form(format!("no valid YAML: {}", yaml_problem(&e, text))))?
        };
        let moved = take_aliases(&mut value).map_err(form)?;
        let as_written = |text: String| moved.iter().fold(text, |text, (to, from)| text.replace(to, from));
        let mut scenario: Scenario = crate::typed::from_value(&value)
            .map_err(|e| form(as_written(format!("at {}: {}", e.path, plain_words(&e.what)))))?;
        let mut problems = scenario.options.problems();
        problems.extend(scenario.sim.problems());
        problems.extend(scenario.autoscaler.problems());
        problems.extend(scenario.nodes.problems());
        let empty = |r: &Recorded| r.decisions.is_empty() && r.verdicts.is_empty() && r.changes.is_empty();
        if scenario.recorded.as_ref().is_some_and(empty) {
            problems.push("recorded holds nothing to compare; expected decisions, verdicts or changes".into());
        }
        problems
            .extend(scenario.ack.iter().flat_map(|a| a.simulation.problems()).map(|p| format!("ack.simulation.{p}")));
        if scenario.ack.is_none() && scenario.expect.ack.is_some() {
            problems.push("expect.ack is for a scenario with `ack` (facts, simulation), and there is none: what it expects would not be checked".into());
        }
        problems.extend(
            scenario.transfer.iter().flat_map(|t| t.simulation.problems()).map(|p| format!("transfer.simulation.{p}")),
        );
        if scenario.transfer.is_none() && scenario.expect.transfer.is_some() {
            problems.push("expect.transfer is for a scenario with `transfer` (plan, simulation), and there is none: what it expects would not be checked".into());
        }
        problems.extend(scenario.replications.and_then(replications_problem).map(|p| format!("replications {p}")));
        problems.extend(require_problem(scenario.require_percent).map(|p| format!("require_percent: {p}")));
        if scenario.scheduler.config.is_some() && scenario.scheduler.inline.is_some() {
            problems.push("scheduler has both config and inline; give one".into());
        }
        if !problems.is_empty() {
            return Err(form(as_written(problems.join("; "))));
        }
        let dir = path.parent().unwrap_or(Path::new("."));
        let groups = scenario.groups.files.iter_mut().chain(&mut scenario.machine_types);
        let files = scenario.cluster.dump.iter_mut().chain(groups).chain(&mut scenario.scheduler.config);
        let files = files.chain(scenario.transfer.as_mut().map(|t| &mut t.plan));
        for file in files {
            if file.is_relative() {
                *file = dir.join(&*file);
            }
        }
        Ok(scenario)
    }

    /// Whether a file's text is a scenario rather than a dump: it has the field `scenario` at the top.
    pub fn is_scenario(text: &str) -> bool {
        if text.trim_start().starts_with('{') {
            text.lines()
                .take(5)
                .any(|l| l.trim_start().trim_start_matches('{').trim_start().starts_with("\"scenario\""))
        } else {
            text.lines().any(|l| l.starts_with("scenario:"))
        }
    }
}
