//! How a cluster gets IN: kubectl JSON and YAML, node groups, generators.
//!
//! [`read_paths`] loads and decodes; [`Snapshot::from_sources`] and [`Snapshot::from_objects`] decode what somebody
//! else loaded and do no I/O. What matters and cannot be read or is not modelled is a finding, never silence.
//!
//! Order: nodes by name (as a scheduler that just started lists them), everything else as the input has it.
//! Time: milliseconds since the snapshot's moment, which is the latest moment that the input mentions.

mod admission;
pub mod bounds;
mod budgets;
mod builder;
mod complaint;
mod condense;
mod declared;
mod decoder;
pub mod delays;
pub mod diagnostics;
mod document;
pub mod error;
pub mod generate;
pub mod groups;
mod health;
mod inventory;
mod kinds;
mod nodes;
mod notices;
mod owners;
mod pods;
mod quotas;
mod readable;
mod requests;
mod scale;
mod shape;
pub mod source;
mod tar;
pub mod time;
mod volumes;
mod webhooks;
mod wire;
mod witness;
mod yaml;

pub use admission::Admission;
pub(crate) use complaint::plain as plain_words;
pub use decoder::Decoder;
pub use delays::{StartDelays, StartSample};
pub use diagnostics::{not_whole, strict_violations};
pub use error::ReadError;
pub use kinds::KNOWN;
#[cfg(feature = "live")]
pub(crate) use kinds::group;
pub(crate) use readable::unreadable;
pub use source::Source;

use crate::cluster::*;
use builder::{Builder, Lookup};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A cluster as it was read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The cluster at the snapshot's moment.
    pub cluster: Cluster,
    /// What was noticed, sorted by severity, code, then order of appearance.
    pub findings: Vec<Finding>,
    /// SHA-256 in hex of the unpacked input as UTF-8, sources one after another: what `cat FILES | sha256sum` prints.
    pub sha256: String,
    /// How many objects of each kind were read.
    pub counts: BTreeMap<String, usize>,
    /// How many objects of kinds that are not read (`Widget.example.com`).
    pub unknown: BTreeMap<String, usize>,
    /// Karpenter NodePools as the dump has them, each with the name of its file, for those who read node groups.
    pub node_pools: Vec<(String, Value)>,
    /// Start delays measured from the pods.
    pub delays: StartDelays,
    lookup: Lookup,
}

/// Reads files, directories and standard input (`-`) into one snapshot.
pub fn read_paths(paths: &[PathBuf]) -> Result<Snapshot, ReadError> {
    Snapshot::from_sources(&source::load_condensed(paths)?)
}

/// The objects of sources, one by one, as values: Lists are taken apart.
///
/// # Errors
/// As [`Snapshot::from_sources`].
pub fn objects_of(sources: &[Source]) -> Result<Vec<Value>, ReadError> {
    let mut objects = Vec::new();
    for source in sources {
        let (text, yaml) = parsed(source)?;
        let origin = document::Origin { file: &source.name, source: 0, found: source.found };
        let contents = match &yaml {
            Some(values) => document::of_values(origin, values)?,
            None => document::of_json(origin, text)?,
        };
        for item in contents.items {
            let mut object: Value = item.raw.decode().map_err(|(path, problem)| ReadError::NotAnObject {
                file: source.name.clone(),
                item: format!("{} {path}", item.place),
                problem,
            })?;
            object["apiVersion"] = (*item.api_version).into();
            object["kind"] = (*item.kind).into();
            objects.push(object);
        }
    }
    Ok(objects)
}

/// A source's text, and its values where it is YAML.
fn parsed(source: &Source) -> Result<(&str, Option<Vec<Value>>), ReadError> {
    let text = source.text()?;
    if text.trim().is_empty() {
        return Err(ReadError::EmptyFile { file: source.name.clone() });
    }
    if document::is_json(text) {
        return Ok((text, None));
    }
    let values = document::yaml_values(&source.name, text)?;
    // Any text is YAML; one that is something well known is better called by its name.
    let without_kind = values.iter().all(|v| v.get("kind").is_none());
    if let (true, Some((what, remedy))) = (without_kind, complaint::known_text(text)) {
        return Err(ReadError::Syntax {
            file: source.name.clone(),
            format: "dump",
            problem: what.into(),
            remedy: remedy.into(),
        });
    }
    Ok((text, Some(values)))
}

/// The documents of a source as values, JSON or YAML, an empty one as null.
///
/// # Errors
/// What is no text, no JSON and no YAML.
pub(crate) fn parsed_values(source: &Source) -> Result<Vec<Value>, ReadError> {
    match parsed(source)? {
        (_, Some(values)) => Ok(values),
        (text, None) => document::json_values(&source.name, text),
    }
}

/// What is wrong with JSON that somebody else parsed, and what to do: the line and the cause, nothing of the parser.
pub(crate) fn json_problem(error: &serde_json::Error, text: &str) -> String {
    complaint::json(error, text, 0).to_string()
}

/// The same for YAML.
pub(crate) fn yaml_problem(error: &serde_saphyr::Error, text: &str) -> String {
    complaint::yaml(error, text).to_string()
}

impl Snapshot {
    /// Decodes sources that are loaded already; pure.
    pub fn from_sources(sources: &[Source]) -> Result<Snapshot, ReadError> {
        let mut hash = Sha256::new();
        let mut texts = Vec::with_capacity(sources.len());
        for source in sources {
            match &source.condensed {
                Some(original) => hash = original.hash.clone(),
                None => hash.update(&source.bytes),
            }
            texts.push((source, parsed(source)?));
        }
        let mut decoder = Decoder::new();
        for (source, (text, yaml)) in &texts {
            decoder.add_source(source, text, yaml.as_deref())?;
        }
        decoder.finish(hex(&hash.finalize()))
    }

    /// Decodes objects that somebody else made (each an object or a List); pure. The hash is that of their JSON texts.
    pub fn from_objects(objects: &[Value]) -> Result<Snapshot, ReadError> {
        let mut hash = Sha256::new();
        for object in objects {
            hash.update(object.to_string().as_bytes());
        }
        let mut decoder = Decoder::new();
        decoder.add_values("objects", objects)?;
        decoder.finish(hex(&hash.finalize()))
    }

    /// Adds recorded pods to the catalogue without putting them into the state, so that they can be replayed.
    ///
    /// Returns their specs and the states the API gave them, in order. Must come before the state has made names.
    pub fn decode_pods<'v>(
        &mut self,
        pods: impl IntoIterator<Item = &'v Value>,
    ) -> Result<Vec<(SpecIdx, PodState)>, ReadError> {
        self.with_builder(|builder| {
            // A pod of the recording may be one of the dump too; here each is wanted.
            builder.lookup.pod_uids.clear();
            let taken = builder.catalog.taken_unix_ms;
            let read = pods.into_iter().filter_map(|p| decoder::decode_pod(builder, p).transpose());
            read.map(|r| r.map(|r| (r.state.spec, decoder::since(taken, r.state)))).collect()
        })
    }

    /// Decodes budgets as they were at some later moment, without adding them to the catalogue or the state.
    ///
    /// Must come before the state has made names.
    pub fn decode_budgets<'v>(
        &mut self,
        budgets: impl IntoIterator<Item = &'v Value>,
    ) -> Result<Vec<RecordedBudget>, ReadError> {
        self.with_builder(|builder| {
            let known = std::mem::take(&mut builder.catalog.budgets);
            let mut decoded = Vec::new();
            let mut result = Ok(());
            for budget in budgets {
                builder.lookup.budgets.clear();
                match decoder::decode_budget(builder, budget) {
                    Ok(read) => decoded.extend(read),
                    Err(e) => {
                        result = Err(e);
                        break;
                    }
                }
            }
            builder.lookup.budgets = known.iter().map(|b| (b.namespace, b.name)).collect();
            builder.catalog.budgets = known;
            result.map(|()| decoded)
        })
    }

    /// Decodes nodes as they were at some later moment, without adding them to the state.
    ///
    /// Must come before the state has made names.
    pub fn decode_nodes<'v>(
        &mut self,
        nodes: impl IntoIterator<Item = &'v Value>,
    ) -> Result<Vec<RecordedNode>, ReadError> {
        self.with_builder(|builder| nodes.into_iter().map(|n| decoder::decode_node(builder, n)).collect())
    }

    /// What the cluster's API server adds to pods that are created later.
    pub fn admission(&self) -> Admission {
        Admission::of(&self.lookup)
    }

    /// Lets `f` add to the catalogue of a cluster that has been read already.
    fn with_builder<R>(&mut self, f: impl FnOnce(&mut Builder) -> Result<R, ReadError>) -> Result<R, ReadError> {
        if self.cluster.state.has_made_names() {
            return Err(ReadError::TooLate);
        }
        let mut builder = Builder {
            catalog: std::mem::take(Arc::make_mut(&mut self.cluster.catalog)),
            lookup: std::mem::take(&mut self.lookup),
            ..Builder::default()
        };
        let result = f(&mut builder);
        self.lookup = builder.lookup;
        self.cluster.catalog = Arc::new(builder.catalog);
        self.cluster.state.catalog_grew(&self.cluster.catalog);
        result
    }
}

/// What of a node changes while it lives.
#[derive(Clone, Debug)]
pub struct RecordedNode {
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Condition Ready is True.
    pub ready: bool,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
}

/// A budget as a recording has it at some moment.
#[derive(Clone, Debug)]
pub struct RecordedBudget {
    /// Its spec.
    pub spec: Budget,
    /// Its stored status, but for `disrupted`.
    pub status: BudgetStatus,
    /// `disruptedPods` by name, in milliseconds since the snapshot.
    pub disrupted: Vec<(Sym, i64)>,
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
