//! From files to a request: a scenario or a dump is read, its groups are found, and what is asked is checked.

use super::control_plane::{Configuration, ControlPlane, minor_of};
pub use super::error::InputError;
use super::plan::Request;
use super::scenario::{GroupsSource, NodeChoice, Scenario};
use crate::cluster::group::GroupOrigin;
use crate::cluster::{Cluster, Finding, ForeignDocument, Severity};
use crate::intent::options::Options;
use crate::plan::verdict::DEFAULT_REQUIRE;
use crate::scheduler::SchedulerConfig;
use crate::sim::SimOptions;
use crate::sim::autoscaler::{AutoscalerKind, AutoscalerOptions};
use crate::snapshot::generate::{GenerateError, generate_each};
use crate::snapshot::groups::{self, MachineCatalogue};
use crate::snapshot::{Snapshot, Source, not_whole, source, strict_violations};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A cluster with its groups.
pub struct Loaded {
    /// The snapshot; its cluster has the groups.
    pub snapshot: Snapshot,
    /// What the groups were read from, for the plan document.
    pub groups: Vec<ForeignDocument>,
    /// The scheduler.
    pub scheduler: SchedulerConfig,
}

/// Refuses a dump of which its own objects say that it is partial, unless that is allowed: no plan is made of it in silence.
///
/// # Errors
/// What they say.
pub fn refuse_partial(snapshot: &Snapshot, allowed: bool) -> Result<(), InputError> {
    let found = not_whole(&snapshot.findings);
    if allowed || found.is_empty() {
        return Ok(());
    }
    let said = |f: &&Finding| {
        let what = f.message.trim_start_matches("this dump is not whole: ");
        format!("  {}: {}", f.object, what.split_once(": what it lacks").map_or(what, |(what, _)| what))
    };
    Err(InputError::NotWhole(found.iter().map(said).collect()))
}

/// What an input file holds.
pub enum Input {
    /// A scenario.
    Scenario(Box<Scenario>),
    /// Dumps.
    Dump(Vec<Source>),
}

/// Loads files and tells a scenario from a dump.
///
/// # Errors
/// A file that cannot be read, or a scenario that is none.
pub fn load(paths: &[PathBuf]) -> Result<Input, InputError> {
    input_of(paths, source::load_condensed(paths)?)
}

/// As [`load`], for those who want the objects themselves and not what a cluster is made of.
///
/// # Errors
/// As [`load`].
pub fn load_whole(paths: &[PathBuf]) -> Result<Input, InputError> {
    input_of(paths, source::load(paths)?)
}

fn input_of(paths: &[PathBuf], sources: Vec<Source>) -> Result<Input, InputError> {
    if let [only] = sources.as_slice()
        && let Some(text) = std::str::from_utf8(&only.bytes).ok().filter(|t| Scenario::is_scenario(t))
    {
        let path = paths.first().map_or(Path::new("-"), PathBuf::as_path);
        return Ok(Input::Scenario(Box::new(Scenario::parse(text, path)?)));
    }
    Ok(Input::Dump(sources))
}

/// The cluster of a dump, with its groups.
///
/// # Errors
/// Input that cannot be read; with `strict`, whatever matters and is not modelled.
pub fn cluster_of_dump(
    sources: &[Source],
    group_files: &[PathBuf],
    machine_types: Option<&Path>,
    control_plane: &ControlPlane,
    strict: bool,
) -> Result<Loaded, InputError> {
    let snapshot = Snapshot::from_sources(sources)?;
    let source = GroupsSource { files: group_files.to_vec(), inline: None };
    with_groups(snapshot, &source, machine_types, control_plane, strict)
}

/// The cluster of a dump with groups that a plan document keeps.
///
/// # Errors
/// As [`cluster_of_dump`].
pub fn cluster_with_values(
    sources: &[Source],
    values: &[ForeignDocument],
    machine_types: Option<&Path>,
    control_plane: &ControlPlane,
    strict: bool,
) -> Result<Loaded, InputError> {
    let snapshot = Snapshot::from_sources(sources)?;
    let values = values.iter().map(|v| ("groups of the plan".to_owned(), v.value().clone())).collect();
    with_group_values(snapshot, values, machine_types, control_plane, strict)
}

/// The cluster of a scenario: dumps, generated objects and inline ones together, with its groups.
///
/// # Errors
/// As [`cluster_of_dump`].
pub fn cluster_of_scenario(
    scenario: &Scenario,
    control_plane: &ControlPlane,
    strict: bool,
) -> Result<Loaded, InputError> {
    let sources = with_own_objects(scenario, source::load_condensed(&scenario.cluster.dump)?)?;
    let mut snapshot = Snapshot::from_sources(&sources)?;
    drop(sources);
    add_manual_pods(&mut snapshot, &scenario.sim)?;
    with_groups(snapshot, &scenario.groups, scenario.machine_types.as_deref(), control_plane, strict)
}

/// What a scenario's cluster is read from: its dumps, and generated and inline objects as one more.
///
/// # Errors
/// A dump that cannot be read, or parameters that generate nothing.
pub fn sources_of_scenario(scenario: &Scenario) -> Result<Vec<Source>, InputError> {
    with_own_objects(scenario, source::load(&scenario.cluster.dump)?)
}

fn with_own_objects(scenario: &Scenario, mut sources: Vec<Source>) -> Result<Vec<Source>, InputError> {
    let same = |a: &Value, b: &Value| {
        ["/kind", "/metadata/namespace", "/metadata/name"].iter().all(|p| a.pointer(p) == b.pointer(p))
    };
    let mut own: Vec<&Value> = Vec::new();
    for object in &scenario.cluster.objects {
        own.retain(|o| !same(o, object));
        own.push(object);
    }
    const START: &[u8] = br#"{"apiVersion":"v1","kind":"List","items":["#;
    let mut bytes = START.to_vec();
    let mut add = |object: &Value| {
        if bytes.len() > START.len() {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, object).map_err(|e| GenerateError::Write(e.into()))
    };
    if let Some(params) = &scenario.cluster.generate {
        generate_each(params, |object| match own.iter().any(|o| same(o, &object)) {
            true => Ok(()),
            false => add(&object),
        })?;
    }
    own.into_iter().try_for_each(add)?;
    if bytes.len() > START.len() {
        bytes.extend_from_slice(b"]}");
        let name = format!("cluster of scenario {:?}", scenario.scenario);
        sources.push(Source::of_text(name, bytes));
    }
    Ok(sources)
}

/// Adds the specs of pods that faults create by hand to the catalogue, one per fault, named `<name>-<index of the fault>`.
fn add_manual_pods(snapshot: &mut Snapshot, sim: &SimOptions) -> Result<(), InputError> {
    let faults = sim.faults.iter().enumerate();
    let pods: Vec<Value> = faults.filter_map(|(nth, fault)| fault.manifest(nth)).collect();
    snapshot.decode_pods(&pods)?;
    Ok(())
}

fn with_groups(
    snapshot: Snapshot,
    source: &GroupsSource,
    machine_types: Option<&Path>,
    control_plane: &ControlPlane,
    strict: bool,
) -> Result<Loaded, InputError> {
    let mut values = groups::values_of(&source.files)?;
    values.extend(source.inline.iter().map(|v| ("groups.inline".to_owned(), v.clone())));
    with_group_values(snapshot, values, machine_types, control_plane, strict)
}

fn with_group_values(
    mut snapshot: Snapshot,
    values: Vec<(String, Value)>,
    machine_types: Option<&Path>,
    control_plane: &ControlPlane,
    strict: bool,
) -> Result<Loaded, InputError> {
    let scheduler = control_plane.settle(&mut snapshot)?;
    let catalogue = match machine_types {
        Some(path) => groups::read_machine_types(path)?,
        None => MachineCatalogue::default(),
    };
    let described = values.iter().filter_map(|v| ForeignDocument::new(v.1.clone())).collect();
    let findings = if !values.is_empty() {
        groups::groups_from_values(&values, catalogue, &mut snapshot.cluster)?
    } else if !snapshot.node_pools.is_empty() {
        groups::groups_of_dump(&snapshot.node_pools, catalogue, &mut snapshot.cluster)
    } else {
        groups::inferred(&catalogue, &mut snapshot.cluster)
    };
    snapshot.findings.extend(findings);
    snapshot.findings.sort();
    snapshot.findings.dedup();
    if strict {
        let broken = strict_violations(&snapshot.findings);
        if !broken.is_empty() {
            return Err(InputError::Strict(
                broken.iter().map(|f| format!("  {} {}: {}", f.code, f.object, f.message)).collect(),
            ));
        }
    }
    Ok(Loaded { snapshot, groups: described, scheduler })
}

/// The control plane that a scenario describes.
///
/// # Errors
/// A version that is none, or a file that cannot be read.
pub fn control_plane_of(scenario: &Scenario) -> Result<ControlPlane, InputError> {
    let minor = scenario.kubernetes.as_deref().map(minor_of).transpose()?;
    let scheduler = match (&scenario.scheduler.inline, &scenario.scheduler.config) {
        (Some(value), _) => Some(Configuration::of_kept("scheduler.inline", value.clone())),
        (None, Some(path)) => Some(Configuration::of_file(path)?),
        (None, None) => None,
    };
    Ok(ControlPlane { minor, stated_minor: minor, scheduler })
}

/// The request of a scenario.
///
/// # Errors
/// As [`cluster_of_scenario`].
pub fn request_of_scenario(scenario: &Scenario, strict: bool) -> Result<Request, InputError> {
    request_under(scenario, &control_plane_of(scenario)?, strict)
}

/// The request of a scenario under a control plane that may be another than its own.
///
/// # Errors
/// As [`cluster_of_scenario`].
pub fn request_under(scenario: &Scenario, control_plane: &ControlPlane, strict: bool) -> Result<Request, InputError> {
    let loaded = cluster_of_scenario(scenario, control_plane, strict)?;
    let mut request = request_of_cluster(loaded);
    request.nodes = scenario.nodes.clone();
    request.options = scenario.options.clone();
    request.sim = scenario.sim.clone();
    request.autoscaler = scenario.autoscaler.clone();
    request.seed = scenario.seed;
    request.replications = scenario.replications.unwrap_or(1);
    request.require_percent = scenario.require_percent;
    Ok(request)
}

/// A request for a cluster with every parameter at its default.
pub fn request_of_cluster(loaded: Loaded) -> Request {
    let Loaded { snapshot, groups, scheduler } = loaded;
    let admission = Some(Arc::new(snapshot.admission()));
    let Snapshot { cluster, findings, sha256, delays, .. } = snapshot;
    Request {
        cluster,
        findings,
        snapshot_sha256: sha256,
        measured: delays,
        admission,
        nodes: NodeChoice::default(),
        options: Options::default(),
        sim: SimOptions::default(),
        autoscaler: AutoscalerOptions::default(),
        scheduler,
        groups,
        seed: 1,
        replications: 1,
        require_percent: DEFAULT_REQUIRE,
        threads: 0,
        uncertain: false,
        remedies: false,
    }
}

/// Assumes the autoscaler that goes with a procedure, for a dump that cannot tell which one runs; says so.
pub fn assume_autoscaler(request: &mut Request) {
    let groups = &request.cluster.catalog.groups;
    let kind = match request.options.procedure.is_ocean() {
        _ if groups.is_empty() => AutoscalerKind::None,
        true => AutoscalerKind::Ocean,
        false if groups.iter().any(|g| g.origin == GroupOrigin::Karpenter) => AutoscalerKind::Karpenter,
        false => AutoscalerKind::Reactive,
    };
    request.autoscaler.kind = kind;
    let name = kind.name();
    request.findings.push(Finding::new(
        Severity::Info,
        "autoscaler-assumed",
        "Autoscaler",
        format!("a dump does not tell which autoscaler acts on pending pods; {name} is assumed"),
        "say which with --autoscaler none|reactive|karpenter|ocean",
    ));
}

/// Whether a cluster has nodes at all.
pub fn is_empty(cluster: &Cluster) -> bool {
    cluster.state.live_nodes().next().is_none()
}
