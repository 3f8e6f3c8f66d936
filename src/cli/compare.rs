//! `compare`: plans, journals and traces, or dumps, side by side.

use super::output::Output;
use super::time::parse_time;
use super::{print, width};
use crate::compare::beside::{Dump, Subject, beside};
use crate::execution::journal_dir::JOURNAL;
use crate::execution::run_file::read_document;
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, Input};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry compare 10-percent.json 25-percent.json 50-percent.json
  nodeferry compare plan.json nodeferry-20261121-165000-1c2d
  nodeferry compare monday.json.gz tuesday.json.gz

Figures that are the same in all are named in one line; what differs from the first is explained below the table, alike lines as one. `nodeferry diff` shows two of them in
full, and its exit status says whether they differ. Exit status: 0 compared, 2 bad input.")]
pub struct CompareArgs {
    /// Plans, journals and traces, or dumps: at least two.
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Times of two runs may differ by so much (90s, 10m). By default not at all between traces, 1 s where one is a journal.
    #[arg(long, value_name = "TIME")]
    pub tolerance: Option<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// Lines of a section that are shown to people.
const MOST_LINES: usize = 12;

/// Runs `compare`.
pub(super) fn compare(args: &CompareArgs) -> Result<i32> {
    let subjects = args.files.iter().map(|path| Ok((name(path), subject(path)?))).collect::<Result<Vec<_>>>()?;
    let is_journal = |s: &Subject| s.kind() == "journal";
    let tolerance_ms = match &args.tolerance {
        Some(text) => parse_time(text).with_context(|| format!("--tolerance {text}"))?.unsigned_abs(),
        None if subjects.iter().any(|(_, s)| is_journal(s)) => 1_000,
        None => 0,
    };
    let beside = beside(&subjects, tolerance_ms).map_err(|e| anyhow!(e))?;
    match args.output {
        Output::Json => print(&crate::typed::pretty(&beside)?)?,
        Output::Table => print(&beside.text(width(), MOST_LINES))?,
    }
    Ok(0)
}

/// A file's name without the folders that it lies in; that of its folder too where it is a journal within one.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

fn subject(path: &Path) -> Result<Subject> {
    if is_document(path)? {
        return Ok(Subject::Document(read_document(path)?));
    }
    match input::load(&[path.to_owned()])? {
        Input::Scenario(_) => bail!(
            "{} is a scenario, which says what is asked and not what comes of it; plan it first: nodeferry plan {} --plan plan.json",
            path.display(),
            path.display()
        ),
        Input::Dump(sources) => {
            let loaded =
                input::cluster_of_dump(&sources, &[], None, &ControlPlane::default(), false).with_context(|| {
                    format!("{}: neither a plan, a journal nor a trace; read as a dump", path.display())
                })?;
            let snapshot = loaded.snapshot;
            Ok(Subject::Cluster(Box::new(Dump {
                cluster: snapshot.cluster,
                findings: snapshot.findings,
                sha256: snapshot.sha256,
            })))
        }
    }
}

/// Whether a file is a plan, a trace or a journal, or a directory that of a journal; else it is taken for a dump.
fn is_document(path: &Path) -> Result<bool> {
    if path.is_dir() {
        return Ok(path.join(JOURNAL).exists());
    }
    let mut head = Vec::new();
    let file =
        std::fs::File::open(path).with_context(|| format!("{}: cannot be read; check the path", path.display()))?;
    file.take(4096).read_to_end(&mut head)?;
    let text = String::from_utf8_lossy(&head);
    let line = text.lines().next().unwrap_or_default();
    let has = |key: &str| line.starts_with('{') && line.contains(&format!("\"{key}\":"));
    Ok(has("seq") || has("t_ms") || (text.trim_start().starts_with('{') && text.contains("\"plan_version\"")))
}
