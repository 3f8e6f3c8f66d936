//! Options of carrying a plan out.

use super::TargetArgs;
use super::output::Output;
use crate::live::program::environment::parse_name;
use crate::live::proof::Limits;
use clap::Args;
use std::path::PathBuf;

/// How a plan is carried out, whatever it is a plan of.
#[derive(Debug, Args)]
pub struct CarryArgs {
    /// Which cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Prove that the plan fits, and stop there.
    #[arg(long)]
    pub dry_run: bool,
    /// Directory of the journal; named after the execution, in the working directory, if not given.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Do not ask. Where nobody is at the terminal, a plan that runs programs, loses pods or ends machines needs the beginning of the SHA-256 of its
    /// file, which `--dry-run` shows.
    #[arg(long, short, value_name = "SHA256", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub yes: Option<String>,
    /// A variable of the environment that programs get besides PATH, HOME, LANG, KUBECONFIG and the like; once for each, or the beginning of some
    /// (AWS_*). A resumed execution hands on the same.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub pass_env: Vec<String>,
    /// So many nodes, workloads, budgets and groups may have changed since the plan was made.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_drift: usize,
    /// Accept new errors, and a prediction that is worse than the plan's.
    #[arg(long)]
    pub accept_forecast: bool,
    /// How to print: for people on standard error, or a JSON object a line on standard output.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

impl CarryArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits { max_drift: self.max_drift, accept_forecast: self.accept_forecast }
    }

    /// Where the journal of an execution is kept.
    pub(super) fn journal_of(&self, execution: &str) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| PathBuf::from(execution))
    }
}
