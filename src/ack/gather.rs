//! Facts gathered from the facts file, the outputs of the vendor's commands and the dump.

use super::dump;
use super::facts::AckFacts;
use super::known::{FactsError, Known, Place, place_text};
use super::vendor;
use crate::cluster::View;
use crate::snapshot::{json_problem, plain_words, yaml_problem};
use serde_json::Value;
use std::path::{Path, PathBuf};

impl Known {
    /// The facts of a facts file, of outputs of the vendor's commands, and of the dump.
    ///
    /// # Errors
    /// A file that cannot be read or has another form or holds a credential; two sources that contradict each other.
    pub fn gather(view: View<'_>, facts: Option<&Path>, outputs: &[PathBuf]) -> Result<Known, FactsError> {
        let facts = facts.map(read).transpose()?;
        let outputs = outputs.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        Known::of_texts(view, facts, outputs)
    }

    /// The same from texts with the names of their files.
    ///
    /// # Errors
    /// As [`Known::gather`].
    pub fn of_texts(
        view: View<'_>,
        facts: Option<(String, String)>,
        outputs: Vec<(String, String)>,
    ) -> Result<Known, FactsError> {
        let mut known = Known::nothing(facts.as_ref().map(|(file, _)| file.clone()));
        if let Some((file, text)) = facts {
            let value = parsed(&file, &text)?;
            let typed = typed(&file, &value)?;
            known.take_file(&file, typed)?;
        }
        let masters = dump::take(&mut known, view)?;
        known.check_masters(&masters)?;
        for (file, text) in outputs {
            let value = parsed(&file, &text)?;
            vendor::take(&mut known, &file, &value)?;
        }
        known.settle()?;
        dump::check_version(&known, view)?;
        Ok(known)
    }

    /// Facts that stand in something else, called `name`; and those of the dump.
    ///
    /// # Errors
    /// They contradict the dump, or are of another version.
    pub fn stated(view: View<'_>, name: &str, facts: AckFacts) -> Result<Known, FactsError> {
        let mut known = Known::nothing(Some(name.to_owned()));
        known.take_file(name, facts)?;
        let masters = dump::take(&mut known, view)?;
        known.check_masters(&masters)?;
        known.settle()?;
        dump::check_version(&known, view)?;
        Ok(known)
    }
}

/// A file's name and text.
fn read(path: &Path) -> Result<(String, String), FactsError> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((file, text)),
        Err(source) => Err(FactsError::Read { file, source }),
    }
}

fn parsed(file: &str, text: &str) -> Result<Value, FactsError> {
    let form = |what: &str, problem: String| {
        // A problem is shown with its line, in which a credential may stand.
        let problem = match names_credential(text) {
            true => "the line is not shown, for the file names a credential, which nodeferry does not need".to_owned(),
            false => problem,
        };
        FactsError::Form { file: file.to_owned(), problem: format!("no valid {what}: {problem}") }
    };
    let value: Value = if text.trim_start().starts_with(['{', '[']) {
        serde_json::from_str(text).map_err(|e| form("JSON", json_problem(&e, text)))?
    } else {
        serde_saphyr::from_str(text).map_err(|e| form("YAML", yaml_problem(&e, text)))?
    };
    match credential(&value, &mut Vec::new()) {
        Some(place) => Err(FactsError::Credential { file: file.to_owned(), place }),
        None => Ok(value),
    }
}

/// Keys under which credentials stand in kubeconfigs, profiles of the vendor's command line, and answers of its API.
const CREDENTIALS: &[&str] = &[
    "accesskeyid",
    "accesskeysecret",
    "securitytoken",
    "ststoken",
    "privatekey",
    "clientkeydata",
    "clientcertificatedata",
    "password",
    "token",
    "refreshtoken",
    "accesstoken",
    "idtoken",
    "clientsecret",
];

/// A key as [`CREDENTIALS`] has it, however it is written.
fn plain_key(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a text that cannot be read as a document names a credential.
fn names_credential(text: &str) -> bool {
    let plain = plain_key(text);
    CREDENTIALS.iter().any(|c| plain.contains(c))
}

/// Where a credential stands, without what it is. A key with an empty value holds none.
fn credential(value: &Value, place: &mut Place) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, inner)| {
            place.push(key.clone());
            let plain = plain_key(key);
            let holds = inner.as_str().is_some_and(|text| !text.is_empty());
            let found = match holds && CREDENTIALS.contains(&plain.as_str()) {
                true => Some(place_text(place)),
                false => credential(inner, place),
            };
            place.pop();
            found
        }),
        Value::Array(items) => items.iter().find_map(|item| credential(item, place)),
        _ => None,
    }
}

fn typed(file: &str, value: &Value) -> Result<AckFacts, FactsError> {
    crate::typed::from_value(value).map_err(|e| FactsError::Form {
        file: file.to_owned(),
        problem: format!(
            "at {}: {}; see `nodeferry schema ack-facts` for what is expected",
            e.path,
            plain_words(&e.what)
        ),
    })
}
