//! `report`, `calibrate` and `diff`: what runs and plans that are on file say.

use super::output::{Output, finding_row};
use super::time::parse_time;
use super::{DIFFERS, print, width};
use crate::compare::actual::{actual, show};
use crate::compare::calibrate::{delay_options, yaml};
use crate::compare::diff::diff;
use crate::execution::run_file::{Document, Run, read_document, read_run};
use crate::private_file;
use crate::report::{FindingRow, write_metrics};
use crate::trace::{Metrics, SeenDelays};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry report nodeferry-20261121-165000-1c2d
  nodeferry report nodeferry-20261121-165000-1c2d/journal.jsonl -o json
  nodeferry report nodeferry-20261121-165000-1c2d --report reports/monday")]
pub struct ReportArgs {
    /// Directory or file of an execution's journal; it may still be under way.
    #[arg(value_name = "JOURNAL")]
    pub journal: PathBuf,
    /// Write CSV files and plots of the execution into this directory, with predicted.csv and delays.csv beside them.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Write the execution's trace (JSON Lines) here.
    #[arg(long, value_name = "F")]
    pub trace: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry calibrate nodeferry-20261121-165000-1c2d > delays.yaml
  nodeferry plan cluster.json -l agentpool=old --delays delays.yaml
  nodeferry calibrate monday/ tuesday/ --least 5")]
pub struct CalibrateArgs {
    /// Journals (directory or file) and traces; all of them together.
    #[arg(required = true, value_name = "JOURNAL|TRACE")]
    pub runs: Vec<PathBuf>,
    /// A workload with at least so many samples has its own delays, others go by those of all pods.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub least: u32,
}

/// `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry diff monday.json tuesday.json
  nodeferry diff trace-1.jsonl trace-2.jsonl --tolerance 2s
  nodeferry diff forecast.jsonl nodeferry-20261121-165000-1c2d

Exit status: 0 the same, 1 they differ, 2 bad input.")]
pub struct DiffArgs {
    /// A plan, a trace or a journal.
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// Another of the same kind; a trace and a journal are of one kind.
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// Times of two runs may differ by so much (90s, 10m). By default not at all between traces, 1 s where one is a journal.
    #[arg(long, value_name = "TIME")]
    pub tolerance: Option<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// Runs `report`.
pub fn report(args: ReportArgs) -> Result<i32> {
    let run = read_run(&args.journal)?;
    let actual = actual(&run).map_err(|e| anyhow!("{}: {e}", args.journal.display()))?;
    if let Some(dir) = &args.report {
        let mut written = write_metrics(&Metrics::from_events(&run.events), &findings(&run), &[], dir)?.len();
        for (name, text) in show::csv_files(&actual) {
            let path = dir.join(name);
            private_file::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            written += 1;
        }
        let _ = writeln!(super::terminal::err(), "report: {written} files in {}", dir.display());
    }
    if let Some(path) = &args.trace {
        let file =
            private_file::create(path).with_context(|| format!("cannot write the trace to {}", path.display()))?;
        crate::trace::recorder::write_jsonl(&run.events, std::io::BufWriter::new(file))?;
    }
    match args.output {
        Output::Json => print(&crate::typed::pretty(&actual)?)?,
        Output::Table => print(&show::text(&actual, width()))?,
    }
    Ok(0)
}

/// What the plan's forecast noticed.
fn findings(run: &Run) -> Vec<FindingRow> {
    let forecast = run.execution.as_ref().and_then(|e| e.began.plan.forecast.as_ref());
    forecast.iter().flat_map(|f| &f.findings).map(finding_row).collect()
}

/// Runs `calibrate`.
pub fn calibrate(args: CalibrateArgs) -> Result<i32> {
    let runs = args.runs.iter().map(|path| Ok(read_run(path)?.delays())).collect::<Result<Vec<SeenDelays>>>()?;
    let seen = SeenDelays::of_runs(runs);
    let names: Vec<String> = args.runs.iter().map(|p| name(p)).collect();
    if seen.is_empty() {
        bail!("no delay was seen in {}: no pod was started or stopped there, and no node came", names.join(", "));
    }
    print(&yaml(&seen, &delay_options(&seen, args.least as usize), &names))?;
    Ok(0)
}

/// A file's own name, without the folders that it lies in.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Runs `diff`.
pub fn diff_files(args: DiffArgs) -> Result<i32> {
    let (first, second) = (read_document(&args.first)?, read_document(&args.second)?);
    let tolerance_ms = match &args.tolerance {
        Some(text) => parse_time(text).with_context(|| format!("--tolerance {text}"))?.unsigned_abs(),
        None if is_journal(&first) || is_journal(&second) => 1000,
        None => 0,
    };
    let diff = diff(&first, &second, tolerance_ms)
        .map_err(|e| anyhow!("{} and {}: {e}", args.first.display(), args.second.display()))?;
    match args.output {
        Output::Json => print(&crate::typed::pretty(&diff)?)?,
        Output::Table => {
            if !diff.is_same() {
                print(&format!("{} → {}\n", args.first.display(), args.second.display()))?;
            }
            print(&diff.text(MOST_LINES))?;
        }
    }
    Ok(if diff.is_same() { 0 } else { DIFFERS })
}

/// Lines of a section that are shown to people.
const MOST_LINES: usize = 40;

fn is_journal(document: &Document) -> bool {
    matches!(document, Document::Run(run) if run.execution.is_some())
}
