//! A recording's directory (docs/recordings.md): its files, gzipped or not, their lines, and what may be wrong with them.

use crate::request::input::InputError;
use crate::request::plan::PlanError;
use crate::snapshot::{ReadError, Source, source};
use crate::typed;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Why a recording cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file of it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// `scheduler.yaml` cannot be used.
    #[error(transparent)]
    Config(#[from] InputError),
    /// A file is not there.
    #[error(
        "{directory} holds neither {name} nor {name}.gz; give the directory of a recording, with the files that docs/recordings.md lists"
    )]
    Missing {
        /// Directory as given.
        directory: String,
        /// Name of the file.
        name: &'static str,
    },
    /// A file is not what it should be.
    #[error("{file}: {problem}; docs/recordings.md says what belongs there")]
    Form {
        /// Path.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A line of a file is not what it should be.
    #[error("{file}, line {line}: {problem}; docs/recordings.md says what belongs there")]
    Line {
        /// Path.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The migration cannot be simulated.
    #[error("the recorded migration cannot be simulated: {0}")]
    Plan(#[from] PlanError),
}

/// A file of the directory, unpacked.
pub(super) fn load(directory: &Path, name: &'static str) -> Result<Source, VerifyError> {
    let missing = || VerifyError::Missing { directory: directory.display().to_string(), name };
    load_if_there(directory, name)?.ok_or_else(missing)
}

/// A file that a recording need not have.
pub(super) fn load_if_there(directory: &Path, name: &'static str) -> Result<Option<Source>, VerifyError> {
    let candidates = [directory.join(name), directory.join(format!("{name}.gz"))];
    match candidates.into_iter().find(|p| p.is_file()) {
        Some(path) => Ok(source::load(&[path])?.pop()),
        None => Ok(None),
    }
}

/// The scheduler's configuration, if the recording has one.
pub(super) fn scheduler_config(directory: &Path) -> Result<Option<String>, VerifyError> {
    let file = load_if_there(directory, "scheduler.yaml")?;
    Ok(file.map(|source| String::from_utf8_lossy(&source.bytes).into_owned()))
}

/// Every line of a file as a value; empty lines are none.
pub(super) fn lines<T: DeserializeOwned>(source: &Source) -> Result<Vec<T>, VerifyError> {
    let text = String::from_utf8_lossy(&source.bytes);
    let lines = text.lines().enumerate().filter(|l| !l.1.trim().is_empty());
    lines.map(|(i, line)| typed::from_json(line.as_bytes()).map_err(|e| wrong_line(&source.name, i, &e))).collect()
}

/// Lines that a scenario holds instead of a file.
pub(super) fn values<T: DeserializeOwned>(file: &str, values: &[Value]) -> Result<Vec<T>, VerifyError> {
    values.iter().enumerate().map(|(i, v)| typed::from_value(v).map_err(|e| wrong_line(file, i, &e))).collect()
}

fn wrong_line(file: &str, index: usize, problem: &typed::Misfit) -> VerifyError {
    VerifyError::Line { file: file.to_owned(), line: index + 1, problem: problem.to_string() }
}
