//! `nodeferry transfer`: workloads change clusters and clouds.

use anyhow::Result;
use clap::{Args, Subcommand};

/// `transfer`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TransferCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum TransferCommand {
    /// What is done with a plan.
    #[command(flatten)]
    Run(super::transfer_run::TransferRun),
}

/// Runs `transfer`.
pub(super) fn transfer(args: TransferArgs) -> Result<i32> {
    match args.command {
        TransferCommand::Run(run) => super::transfer_run::run(run),
    }
}
