//! Node groups from files: Ocean's JSON of both clouds, Karpenter NodePools, and a form of our own; told apart by their fields.
//!
//! A vendor's fields that we do not read are counted in a finding; those of our own form are refused. Machine types that are only
//! named get their sizes from a catalogue file or from nodes of the cluster, and from nowhere else: unknown is said.

mod fields;
mod karpenter;
mod machine_labels;
pub mod machines;
mod make;
mod ocean;
pub mod own;
#[cfg(test)]
mod tests;

pub use machines::MachineCatalogue;
pub use own::GroupsFile;

use super::diagnostics::diagnostic;
use super::document;
use super::error::ReadError;
use super::source::{self, Source};
use crate::cluster::*;
use crate::groups::price::price_nodes;
use crate::groups::{assign_groups, infer_groups};
use fields::{Fields, Unread, form};
use make::{Draft, DraftMachine};
use ocean::Note;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Why node groups cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GroupsError {
    /// The file cannot be read or parsed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A field is not what it must be.
    #[error("{file}: {path}: {problem}; expected {expected}")]
    Form {
        /// File as the user named it.
        file: String,
        /// Path of the field.
        path: String,
        /// What was found.
        problem: String,
        /// What was expected.
        expected: String,
    },
    /// A file without a group.
    #[error(
        "{file} holds no node group; expected Ocean's launchSpec or virtualNodeGroup JSON, Karpenter NodePools, or nodeferry's own form (`groups: […]`)"
    )]
    NoGroup {
        /// File as the user named it.
        file: String,
    },
}

/// Reads files of node groups into a cluster: fills the catalogue's groups and machine types, sets each node's group.
///
/// `machine_types` is a catalogue in Karpenter's form for types that the groups only name. Must come before a run has begun.
///
/// # Errors
/// File, path of the field, and what was expected.
pub fn read_groups(
    paths: &[PathBuf],
    machine_types: Option<&Path>,
    cluster: &mut Cluster,
) -> Result<Vec<Finding>, GroupsError> {
    let catalogue = machine_types.map(read_machine_types).transpose()?.unwrap_or_default();
    groups_from_values(&values_of(paths)?, catalogue, cluster)
}

/// The documents of files of node groups, each with the name of its file. Of a directory or archive those that describe groups.
///
/// # Errors
/// A file that cannot be read or parsed, a directory or archive without a group.
pub fn values_of(paths: &[PathBuf]) -> Result<Vec<(String, Value)>, GroupsError> {
    let mut values = Vec::new();
    for path in paths {
        let before = values.len();
        for source in source::load(std::slice::from_ref(path))? {
            let documents = parse(&source)?.into_iter().filter(|v| !source.found || describes_groups(v));
            values.extend(documents.map(|v| (source.name.clone(), v)));
        }
        if values.len() == before {
            return Err(GroupsError::NoGroup { file: path.display().to_string() });
        }
    }
    Ok(values)
}

/// Whether a document describes a group, among other things.
fn describes_groups(value: &Value) -> bool {
    let described = |item: &Value| !matches!(detect(item), None | Some(Form::OtherKind));
    value.get("groups").is_some() || items(String::new(), value).iter().any(|(_, item)| described(item))
}

/// Reads a catalogue of machine types from a file.
///
/// # Errors
/// File, path of the field, and what was expected.
pub fn read_machine_types(path: &Path) -> Result<MachineCatalogue, GroupsError> {
    let mut all = MachineCatalogue::default();
    for source in source::load(&[path.to_path_buf()])? {
        for value in parse(&source)? {
            all.types.extend(MachineCatalogue::parse(&source.name, &value)?.types);
        }
    }
    Ok(all)
}

/// Reads node groups from values that somebody else parsed, each with the name of its file; pure.
///
/// # Errors
/// File, path of the field, and what was expected.
pub fn groups_from_values(
    values: &[(String, Value)],
    catalogue: MachineCatalogue,
    cluster: &mut Cluster,
) -> Result<Vec<Finding>, GroupsError> {
    let mut reader = Reader::new(catalogue, cluster);
    // A file often holds more than groups: a NodePool and, as a second document, the EC2NodeClass that it names.
    for of_file in values.chunk_by(|a, b| a.0 == b.0) {
        let before = reader.cluster.catalog.groups.len();
        for (file, value) in of_file {
            reader.read(file, value)?;
        }
        if reader.cluster.catalog.groups.len() == before {
            return Err(GroupsError::NoGroup { file: of_file[0].0.clone() });
        }
    }
    Ok(reader.finish())
}

/// Reads the NodePools that a dump holds; pure. One that cannot be read is left out and said. Without any that can, groups are
/// read off the nodes.
pub fn groups_of_dump(pools: &[(String, Value)], catalogue: MachineCatalogue, cluster: &mut Cluster) -> Vec<Finding> {
    let mut reader = Reader::new(catalogue.clone(), cluster);
    for (file, pool) in pools {
        if let Err(e) = reader.read_item(file, "", pool) {
            let name = pool.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without name");
            reader.say("group-not-read", &format!("NodePool/{name}"), format!("{e}; the group is left out"));
        }
    }
    let mut findings = reader.finish();
    if cluster.catalog.groups.is_empty() {
        findings.extend(inferred(&catalogue, cluster));
    }
    findings
}

/// Reads node groups from sources that are loaded already; pure. What `fuzz/` tries.
///
/// # Errors
/// File, path of the field, and what was expected.
pub fn groups_from_sources(
    sources: &[Source],
    catalogue: MachineCatalogue,
    cluster: &mut Cluster,
) -> Result<Vec<Finding>, GroupsError> {
    let mut values = Vec::new();
    for source in sources {
        values.extend(parse(source)?.into_iter().map(|v| (source.name.clone(), v)));
    }
    groups_from_values(&values, catalogue, cluster)
}

/// Reads groups off the nodes ([`infer_groups`]), with a catalogue's prices for their machine types and the nodes that are there.
pub fn inferred(catalogue: &MachineCatalogue, cluster: &mut Cluster) -> Vec<Finding> {
    let mut findings = infer_groups(cluster);
    apply_prices(catalogue, std::sync::Arc::make_mut(&mut cluster.catalog));
    price_nodes(cluster);
    let unpriced =
        |g: &NodeGroup| g.machines.iter().any(|m| cluster.catalog.machines[*m].price_micros_per_hour.is_none());
    if !cluster.catalog.groups.iter().any(unpriced) {
        findings.retain(|f| f.code != "price-unknown");
    }
    findings
}

/// Fills in prices of a catalogue where machine types have none: for inferred groups.
pub fn apply_prices(catalogue: &MachineCatalogue, catalog: &mut Catalog) {
    let Catalog { machines, names, .. } = catalog;
    for machine in machines.iter_mut() {
        let Some(known) = names.text(machine.name).and_then(|n| catalogue.types.get(n)) else { continue };
        machine.price_micros_per_hour = machine.price_micros_per_hour.or(known.price);
        machine.spot_price_micros_per_hour = machine.spot_price_micros_per_hour.or(known.spot_price);
    }
}

/// The documents of a source, JSON or YAML.
fn parse(source: &Source) -> Result<Vec<Value>, ReadError> {
    parse_text(&source.name, source.text()?)
}

/// The documents of a text, JSON or YAML, but for empty ones.
pub(crate) fn parse_text(file: &str, text: &str) -> Result<Vec<Value>, ReadError> {
    if text.trim().is_empty() {
        return Err(ReadError::EmptyFile { file: file.to_owned() });
    }
    let values = match document::is_json(text) {
        true => document::json_values(file, text)?,
        false => document::yaml_values(file, text)?,
    };
    Ok(values.into_iter().filter(|v| !v.is_null()).collect())
}

/// What is kept while groups are read.
struct Reader<'c> {
    cluster: &'c mut Cluster,
    known: MachineCatalogue,
    /// Zones of the cluster's nodes, sorted.
    zones: Vec<String>,
    findings: Vec<Finding>,
    unread: BTreeMap<String, Unread>,
    /// Machine types whose reservation was assumed.
    reserved: BTreeSet<String>,
}

impl<'c> Reader<'c> {
    fn new(mut known: MachineCatalogue, cluster: &'c mut Cluster) -> Reader<'c> {
        known.learn(cluster);
        let catalog = &cluster.catalog;
        let zone = |n: NodeIdx| cluster.state.nodes[n].spec.labels.get(catalog.known.zone);
        let zones: BTreeSet<String> =
            cluster.state.live_nodes().filter_map(zone).map(|z| catalog.text(z).to_string()).collect();
        Reader {
            known,
            zones: zones.into_iter().collect(),
            findings: Vec::new(),
            unread: BTreeMap::new(),
            reserved: BTreeSet::new(),
            cluster,
        }
    }
    /// Says something by its code, whose severity and remedy are in the table of all findings.
    fn say(&mut self, code: &'static str, object: &str, message: String) {
        debug_assert!(diagnostic(code).is_some(), "{code} is not in the table");
        if let Some(d) = diagnostic(code) {
            self.findings.push(Finding::new(d.severity, code, object, message, d.remedy));
        }
    }

    /// Sets what could not be set before all groups were read, and gives the findings.
    fn finish(mut self) -> Vec<Finding> {
        // Labels that every new node gets must be in the catalogue before a run.
        let catalog = std::sync::Arc::make_mut(&mut self.cluster.catalog);
        for text in ["kubernetes.io/os", "kubernetes.io/arch", "linux", "amd64"] {
            catalog.names.intern(text);
        }
        self.cluster.state.catalog_grew(&self.cluster.catalog);
        assign_groups(&self.cluster.catalog, &mut self.cluster.state);
        self.settle();
        price_nodes(self.cluster);
        self.say_unread();
        self.findings
    }
    /// A machine type that our own form defines for all its groups.
    fn define(&mut self, draft: DraftMachine) {
        let known = self.known.types.entry(draft.name).or_default();
        if let Some(amounts) = draft.allocatable {
            known.allocatable = amounts.into_iter().collect();
            known.assumed_reservation = false;
        }
        known.pod_slots = draft.pod_slots.unwrap_or(known.pod_slots);
        known.price = draft.price.or(known.price);
        known.spot_price = draft.spot_price.or(known.spot_price);
        known.labels.extend(draft.labels);
        if !draft.zones.is_empty() {
            known.zones = draft.zones;
        }
        known.attach_limits = draft.attach_limits.or(known.attach_limits.take());
    }
    /// Zones of the nodes and of the catalogue's offerings, sorted.
    fn all_zones(&self) -> Vec<String> {
        let offered = self.known.types.values().flat_map(|k| k.zones.iter());
        let all: BTreeSet<&String> = self.zones.iter().chain(offered).collect();
        all.into_iter().cloned().collect()
    }

    /// Reads a document of any known form.
    fn read(&mut self, file: &str, value: &Value) -> Result<(), GroupsError> {
        if value.get("groups").is_some() {
            let drafts = own::read(self, file, value)?;
            drafts.into_iter().for_each(|d| self.add(d));
            return Ok(());
        }
        let mut items = items(String::new(), value);
        by_creation(&mut items);
        for (path, item) in items {
            self.read_item(file, &path, item)?;
        }
        Ok(())
    }

    fn read_item(&mut self, file: &str, path: &str, item: &Value) -> Result<(), GroupsError> {
        let mut unread = self.unread.remove(file).unwrap_or_default();
        // Errors name the object, for a file may hold many.
        let name = |kind: &str, object: &Value, at: &str| {
            let name = object.pointer(at).or_else(|| object.get("id")).and_then(Value::as_str);
            name.map_or_else(|| file.to_owned(), |name| format!("{file}: {kind} {name}"))
        };
        let read: Option<Result<(Draft, Vec<Note>), GroupsError>> = match detect(item) {
            Some(Form::Karpenter) => {
                let named = name("NodePool", item, "/metadata/name");
                Some(Fields::of(&named, path, item).and_then(|f| karpenter::read(self, f, &mut unread)))
            }
            Some(Form::Aws(inner, at)) => {
                let named = name("launchSpec", inner, "/name");
                Some(Fields::of(&named, join(path, at), inner).and_then(|f| ocean::read_aws(self, f, &mut unread)))
            }
            Some(Form::Azure(inner, at)) => {
                let named = name("virtualNodeGroup", inner, "/name");
                Some(Fields::of(&named, join(path, at), inner).and_then(|f| ocean::read_azure(self, f, &mut unread)))
            }
            Some(Form::OtherKind) => None,
            None => return Err(form(file, path, item, "a launchSpec, a virtualNodeGroup or a NodePool")),
        };
        self.unread.insert(file.to_string(), unread);
        if let Some(read) = read {
            let (draft, notes) = read?;
            for (code, message) in notes {
                self.say(code, &format!("NodeGroup/{}", draft.name), message);
            }
            self.add(draft);
        }
        Ok(())
    }

    fn say_unread(&mut self) {
        for (file, unread) in std::mem::take(&mut self.unread) {
            if unread.is_empty() {
                continue;
            }
            let list: Vec<String> = unread.iter().map(|(k, n)| format!("{k} ({n})")).collect();
            let message = format!("fields of the groups that are not read: {}", list.join(", "));
            self.say("group-fields-not-read", &format!("File/{file}"), message);
        }
    }
}

fn join(path: &str, at: &str) -> String {
    match (path.is_empty(), at.is_empty()) {
        (true, _) => at.to_string(),
        (_, true) => path.to_string(),
        _ => format!("{path}.{at}"),
    }
}

/// The descriptions in a document: itself, the items of a list, of a Kubernetes List, or of an API answer (`response.items[]`).
fn items(path: String, value: &Value) -> Vec<(String, &Value)> {
    if let Some(list) = value.as_array() {
        return list.iter().enumerate().flat_map(|(i, v)| items(format!("{path}[{i}]"), v)).collect();
    }
    if let Some(response) = value.get("response") {
        return items(join(&path, "response"), response);
    }
    if let Some(list) = value.get("items").filter(|i| i.is_array()) {
        return items(join(&path, "items"), list);
    }
    vec![(path, value)]
}

/// Brings the descriptions that say when they were created into that order: the first that matches a node counts, and an API lists them in
/// any order. The others keep their places.
fn by_creation(items: &mut [(String, &Value)]) {
    let created = |item: &Value| match detect(item)? {
        Form::Aws(inner, _) | Form::Azure(inner, _) => ocean::created_ms(inner),
        Form::Karpenter | Form::OtherKind => None,
    };
    let places: Vec<usize> = (0..items.len()).filter(|i| created(items[*i].1).is_some()).collect();
    let mut dated: Vec<(String, &Value)> = places.iter().map(|i| items[*i].clone()).collect();
    dated.sort_by_key(|(_, item)| created(item));
    for (place, item) in places.into_iter().zip(dated) {
        items[place] = item;
    }
}

enum Form<'v> {
    Karpenter,
    Aws(&'v Value, &'static str),
    Azure(&'v Value, &'static str),
    /// A Kubernetes object of another kind, in a List beside NodePools.
    OtherKind,
}

fn detect(item: &Value) -> Option<Form<'_>> {
    if let Some(inner) = item.get("launchSpec") {
        return Some(Form::Aws(inner, "launchSpec"));
    }
    if let Some(inner) = item.get("virtualNodeGroup") {
        return Some(Form::Azure(inner, "virtualNodeGroup"));
    }
    match (item.get("kind").and_then(Value::as_str), item.get("apiVersion")) {
        // Other projects have a kind of this name too.
        (Some("NodePool"), api) if api.and_then(Value::as_str).is_none_or(|a| a.starts_with("karpenter.sh/")) => {
            return Some(Form::Karpenter);
        }
        (Some(_), Some(_)) => return Some(Form::OtherKind),
        _ => {}
    }
    let has = |keys: &[&str]| keys.iter().any(|k| item.get(k).is_some());
    let labels_as_list = item.get("labels").is_some_and(Value::is_array);
    if has(&["nodePoolProperties", "nodeCountLimits", "vmSizes", "availabilityZones"])
        || item.get("labels").is_some_and(Value::is_object)
    {
        Some(Form::Azure(item, ""))
    } else if labels_as_list
        || has(&["instanceTypes", "instanceTypesFilters", "subnetIds", "resourceLimits", "imageId", "oceanId"])
    {
        Some(Form::Aws(item, ""))
    } else {
        None
    }
}
