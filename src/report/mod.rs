//! How a run is SHOWN: tables, CSV and plots, made from the trace alone.
//!
//! [`write_report`] is the only function here that touches files; `docs/outputs.md` describes what it writes.

pub mod csv;
mod ending;
pub mod format;
mod harm;
pub mod summary;
pub mod svg;
pub mod table;
mod waits;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::plan::RunRow;
use crate::trace::{Event, Metrics};

/// One finding as files and tables show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRow {
    /// Stable code.
    pub code: String,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// What it is about, `Kind/namespace/name`.
    pub object: String,
    /// What is the matter.
    pub message: String,
    /// What would lift it.
    pub remedy: String,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The directory could not be made.
    #[error("the report's directory {} could not be created: {source}; name one that can be written to with --report", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("{} could not be written: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

/// Writes all CSV files and plots of a run into `dir`, which is created if it is absent; files of the
/// same name are replaced. Returns the paths in the order in which they were written.
///
/// `runs` are all runs of a prediction, of which this one is shown; without one there is neither `runs.csv` nor a histogram of durations.
///
/// # Errors
/// The first directory or file that cannot be written.
pub fn write_report(
    events: &[Event],
    findings: &[FindingRow],
    runs: &[RunRow],
    dir: &Path,
) -> Result<Vec<PathBuf>, ReportError> {
    write_metrics(&Metrics::from_events(events), findings, runs, dir)
}

/// [`write_report`] for figures made already.
///
/// # Errors
/// The first directory or file that cannot be written.
pub fn write_metrics(
    metrics: &Metrics,
    findings: &[FindingRow],
    runs: &[RunRow],
    dir: &Path,
) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(dir).map_err(|source| ReportError::Directory { path: dir.to_owned(), source })?;
    let mut files = csv::files(metrics, findings);
    if !runs.is_empty() {
        files.push(("runs.csv", csv::runs(runs)));
    }
    let durations_ms: Vec<u64> = runs.iter().map(|r| u64::try_from(r.duration_ms).unwrap_or(0)).collect();
    files.extend(svg::files(metrics, &durations_ms));
    let mut written = Vec::with_capacity(files.len());
    for (name, text) in files {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| ReportError::File { path: path.clone(), source })?;
        written.push(path);
    }
    Ok(written)
}
