//! What is known of a cluster, from whatever source, and that no two sources contradict each other.

use super::facts::{AckFacts, FACTS_VERSION, FactInfo};
use crate::snapshot::plain_words;
use crate::typed;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Why facts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A file cannot be read.
    #[error("{file}: cannot be read: {source}; check the path")]
    Read {
        /// File.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file has another form.
    #[error("{file}: {problem}")]
    Form {
        /// File.
        file: String,
        /// What is wrong where, and what is expected.
        problem: String,
    },
    /// A file holds credentials.
    #[error(
        "{file}: at {place}: this is a credential; nodeferry reads none and needs none: give a file without it (facts.yaml, or the output of one of the commands in docs/ack.md)"
    )]
    Credential {
        /// File.
        file: String,
        /// Where in it.
        place: String,
    },
    /// Two sources say different things of one fact.
    #[error("{0}")]
    Contradiction(Box<Contradiction>),
    /// A fact is needed and nobody states it.
    #[error("{file}: {place} is missing: {needed}; get it: {how}")]
    Missing {
        /// The facts file, or that there is none.
        file: String,
        /// The fact.
        place: String,
        /// What it is needed for.
        needed: String,
        /// How to get it.
        how: String,
    },
}

/// Two sources say different things of one fact.
#[derive(Debug, thiserror::Error)]
#[error(
    "{place} is contradictory: {first_source} says {first}, {second_source} says {second}; find out which is right ({how}) and correct or leave out the other"
)]
pub struct Contradiction {
    /// The fact.
    pub place: String,
    /// What was said first.
    pub first: String,
    /// Where.
    pub first_source: String,
    /// What was said then.
    pub second: String,
    /// Where.
    pub second_source: String,
    /// How to find out.
    pub how: String,
}

impl From<Contradiction> for FactsError {
    fn from(contradiction: Contradiction) -> FactsError {
        FactsError::Contradiction(Box::new(contradiction))
    }
}

/// Where in the facts something stands.
pub type Place = Vec<String>;

/// A place as text: `masters["cn-hangzhou.10.0.0.1"].instance`.
pub fn place_text(place: &[String]) -> String {
    let mut text = String::new();
    for key in place {
        match key.contains('.') {
            true => text.push_str(&format!("[{key:?}]")),
            false if text.is_empty() => text.push_str(key),
            false => text.push_str(&format!(".{key}")),
        }
    }
    text
}

/// Facts from all sources, and who states each.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The facts.
    pub facts: AckFacts,
    /// Name of the facts file; None if none was given.
    pub file: Option<String>,
    value: Value,
    sources: BTreeMap<Place, String>,
}

impl Known {
    /// Nothing is known yet; `file` is the facts file, if there is one.
    pub(super) fn nothing(file: Option<String>) -> Known {
        Known { value: Value::Object(Map::new()), file, ..Known::default() }
    }

    /// Takes all that a facts file states.
    pub(super) fn take_file(&mut self, file: &str, facts: AckFacts) -> Result<(), FactsError> {
        if facts.ack_facts != FACTS_VERSION {
            let problem = format!(
                "ack_facts is {}; this nodeferry reads version {FACTS_VERSION}: write `ack_facts: {FACTS_VERSION}` and the facts in its form (nodeferry schema ack-facts)",
                facts.ack_facts
            );
            return Err(FactsError::Form { file: file.to_owned(), problem });
        }
        let masters: Vec<String> = facts.masters.keys().cloned().collect();
        let mut value = serde_json::to_value(facts)
            .map_err(|e| FactsError::Form { file: file.to_owned(), problem: e.to_string() })?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("ack_facts");
        }
        self.take_all(file, &mut Vec::new(), value)?;
        // One that is named without any fact is a master all the same.
        for name in masters {
            let place = vec!["masters".to_owned(), name];
            self.sources.entry(place.clone()).or_insert_with(|| format!("{file}: {}", place_text(&place)));
            self.make(&place);
        }
        Ok(())
    }

    fn take_all(&mut self, file: &str, place: &mut Place, value: Value) -> Result<(), FactsError> {
        match value {
            Value::Null => Ok(()),
            Value::Object(fields) if *place != ["ram", "document"] => {
                for (key, inner) in fields {
                    place.push(key);
                    self.take_all(file, place, inner)?;
                    place.pop();
                }
                Ok(())
            }
            value => {
                let source = format!("{file}: {}", place_text(place));
                self.take(place.clone(), value, source)
            }
        }
    }

    /// Takes a fact from a source.
    ///
    /// # Errors
    /// Another source says something else.
    pub(super) fn take(&mut self, place: Place, value: Value, source: String) -> Result<(), FactsError> {
        if value.is_null() {
            self.make(&place);
            return Ok(());
        }
        let value = usual(&place, value);
        if let Some(first) = self.sources.get(&place) {
            let known = self.at(&place).cloned().unwrap_or(Value::Null);
            if !known.is_null() {
                return match known == value {
                    true => Ok(()),
                    false => Err(Contradiction {
                        how: how(&place),
                        place: place_text(&place),
                        first: shown(&known),
                        first_source: first.clone(),
                        second: shown(&value),
                        second_source: source,
                    }
                    .into()),
                };
            }
        }
        *self.make(&place) = value;
        self.sources.insert(place, source);
        Ok(())
    }

    fn at(&self, place: &[String]) -> Option<&Value> {
        place.iter().try_fold(&self.value, |value, key| value.get(key))
    }

    fn make(&mut self, place: &[String]) -> &mut Value {
        let mut value = &mut self.value;
        for key in place {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            // An object now, so that indexing adds what is missing.
            value = &mut value[key.as_str()];
        }
        value
    }

    /// Who states the masters: a facts file that names one which the dump does not have as such contradicts it.
    pub(super) fn check_masters(&self, masters: &[String]) -> Result<(), FactsError> {
        if masters.is_empty() {
            return Ok(());
        }
        for (place, source) in self.sources.iter().filter(|(place, _)| place.len() == 2 && place[0] == "masters") {
            if !masters.contains(&place[1]) {
                return Err(Contradiction {
                    place: place_text(place),
                    first: "it is a master".to_owned(),
                    first_source: source.clone(),
                    second: format!("the masters are {}", masters.join(", ")),
                    second_source: "the dump (label node-role.kubernetes.io/master or control-plane)".to_owned(),
                    how: "kubectl get node".to_owned(),
                }
                .into());
            }
        }
        Ok(())
    }

    /// The typed form of what was gathered.
    pub(super) fn settle(&mut self) -> Result<(), FactsError> {
        let mut value = self.value.clone();
        value["ack_facts"] = FACTS_VERSION.into();
        if let Some(masters) = value.get_mut("masters").and_then(Value::as_object_mut) {
            for master in masters.values_mut().filter(|m| m.is_null()) {
                *master = Value::Object(Map::new());
            }
        }
        self.facts = typed::from_value(&value).map_err(|e| {
            let source = self.sources.iter().find(|(place, _)| place_text(place) == e.path);
            let file = source.map_or_else(|| "facts".to_owned(), |(_, source)| source.clone());
            FactsError::Form { file, problem: format!("at {}: {}", e.path, plain_words(&e.what)) }
        })?;
        Ok(())
    }

    /// Who states a fact; None if nobody does.
    pub fn source(&self, place: &[&str]) -> Option<&str> {
        let place: Place = place.iter().map(|p| (*p).to_owned()).collect();
        self.sources.get(&place).map(String::as_str)
    }

    /// The name of the master of an instance.
    pub(super) fn master_of(&self, instance: &str) -> Option<String> {
        let masters = self.value.get("masters")?.as_object()?;
        let is = |m: &Value| m.get("instance").and_then(Value::as_str) == Some(instance);
        masters.iter().find(|(_, m)| is(m)).map(|(name, _)| name.clone())
    }

    /// A fact that something cannot be done without.
    ///
    /// # Errors
    /// Nobody states it: file, place, what it is needed for and how to get it.
    pub fn need<'k>(&self, path: &str, fact: Option<&'k String>) -> Result<&'k str, FactsError> {
        match fact.map(|f| f.trim()).filter(|f| !f.is_empty()) {
            Some(fact) => Ok(fact),
            None => Err(self.missing(path)),
        }
    }

    /// That a fact is missing.
    pub fn missing(&self, path: &str) -> FactsError {
        let info = FactInfo::of(path);
        let file = match &self.file {
            Some(file) => file.clone(),
            None => "no facts file is given (--facts; --write-facts writes one to be filled in)".to_owned(),
        };
        FactsError::Missing {
            file,
            place: path.to_owned(),
            needed: info.map_or("it is needed", |i| i.needed).to_owned(),
            how: info.map_or("see docs/ack.md", |i| i.how).to_owned(),
        }
    }
}

fn how(place: &[String]) -> String {
    let mut path: Vec<&str> = place.iter().map(String::as_str).collect();
    if path.len() > 2 && path[0] == "masters" {
        path[1] = "*";
    }
    FactInfo::of(&path.join(".")).map_or("see docs/ack.md", |i| i.how).to_owned()
}

/// A value as the same thing is written by every source.
fn usual(place: &[String], value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    let text = text.trim();
    let path: Vec<&str> = place.iter().map(String::as_str).collect();
    Value::String(match path[..] {
        ["cluster", "version"] => text.trim_start_matches('v').to_owned(),
        ["cluster", "state" | "type"] => text.to_lowercase(),
        ["bucket", "region"] => text.trim_start_matches("oss-").to_owned(),
        ["bucket", "endpoint"] => text.trim_start_matches("https://").trim_start_matches("http://").to_owned(),
        ["api_server", "internal_slb", "specification"] if text.is_empty() => "shared".to_owned(),
        _ => text.to_owned(),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Object(_) | Value::Array(_) => "another document".to_owned(),
        other => other.to_string(),
    }
}
