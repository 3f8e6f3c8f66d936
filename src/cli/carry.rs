//! What commands have in common that carry plans out: their options, and what they show of a journal of entries.

use super::output::Output;
use super::terminal::say;
use super::{TargetArgs, print};
use crate::live::Observer;
use crate::live::program::environment::parse_name;
use crate::live::proof::Limits;
use crate::report::format::time;
use crate::runner::Outcome;
use crate::trace::lines::Line;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// How a plan is begun, whatever it is a plan of.
#[derive(Debug, Args)]
pub struct BeginArgs {
    /// Prove that the plan fits, and stop there.
    #[arg(long)]
    pub dry_run: bool,
    /// Directory of the journal; named after the execution, in the working directory, if not given.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Do not ask. Where nobody is at the terminal, a plan that runs programs, loses pods, ends machines, stops writes or points names elsewhere
    /// needs the beginning of the SHA-256 of its file, which `--dry-run` shows.
    #[arg(long, short, value_name = "SHA256", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub yes: Option<String>,
    /// A variable of the environment that programs get besides PATH, HOME, LANG, KUBECONFIG and the like; once for each, or the beginning of some
    /// (AWS_*). A resumed execution hands on the same.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub pass_env: Vec<String>,
    /// How to print: for people on standard error, or a JSON object a line on standard output.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

impl BeginArgs {
    /// Where the journal of an execution is kept.
    pub(super) fn journal_of(&self, execution: &str) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| PathBuf::from(execution))
    }
}

/// How a plan for one cluster is carried out.
#[derive(Debug, Args)]
pub struct CarryArgs {
    /// Which cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How it begins.
    #[command(flatten)]
    pub begin: BeginArgs,
    /// So many nodes, workloads, budgets and groups may have changed since the plan was made.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_drift: usize,
    /// Accept new errors, and a prediction that is worse than the plan's.
    #[arg(long)]
    pub accept_forecast: bool,
}

impl CarryArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits { max_drift: self.max_drift, accept_forecast: self.accept_forecast }
    }
}

/// Shows what is written into a journal of entries.
pub(super) struct Shown(pub(super) Output);

impl<E: Line> Observer<E> for Shown {
    fn entry(&mut self, entry: &E, words: Option<&str>) {
        match (self.0, words) {
            (Output::Json, _) => {
                // Somebody who has stopped reading stops nothing.
                let _ = serde_json::to_string(entry).map(|line| print(&line));
            }
            (Output::Table, Some(words)) => say(&format!("{:>9}  {words}", time(entry.t_ms()))),
            (Output::Table, None) => {}
        }
    }

    fn say(&mut self, text: &str) {
        say(text);
    }
}

/// Shows a journal's entries, or what they say to people.
pub(super) fn show_history<E: Line>(entries: &[E], words: impl Fn(&[E]) -> Vec<String>, output: Output) -> Result<i32> {
    match output {
        Output::Json => print(&crate::typed::pretty(&entries)?)?,
        Output::Table => print(&words(entries).join("\n"))?,
    }
    Ok(0)
}

/// The answer to a stop of what has ended.
pub(super) fn nothing_to_stop(execution: &str, outcome: Outcome) -> String {
    format!("{execution} has ended already ({}); there is nothing to stop", outcome.text())
}

/// Answers an order.
pub(super) fn answer(text: &str, output: Output) -> Result<i32> {
    match output {
        Output::Table => print(text)?,
        Output::Json => print(&crate::typed::pretty(&serde_json::json!({"message": text}))?)?,
    }
    Ok(0)
}
