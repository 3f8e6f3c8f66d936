//! How a cluster is read: the arguments that several commands share.

use clap::Args;
use std::path::PathBuf;

/// Reading a cluster.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Dump(s) of the cluster: kubectl JSON or YAML, gzip or not, a directory, or - for standard input.
    #[arg(required = true, value_name = "DUMP")]
    pub dump: Vec<PathBuf>,
    /// Node groups: Ocean VNGs (AWS, Azure), Karpenter NodePools, or nodeferry's own form. Inferred from the dump if not given.
    #[arg(long, value_name = "FILE")]
    pub groups: Vec<PathBuf>,
    /// Sizes and prices of machine types (Karpenter's instance-types form) for groups that only name them.
    #[arg(long, value_name = "FILE")]
    pub machine_types: Option<PathBuf>,
    /// The scheduler's own configuration file (KubeSchedulerConfiguration, kubescheduler.config.k8s.io/v1); once for each scheduler where
    /// several run, `default` for Kubernetes' own. Kubernetes' default if not given.
    #[arg(long, value_name = "FILE")]
    pub scheduler_config: Vec<PathBuf>,
    /// Version of the control plane, whose rules hold (1.33 to 1.36). That of the newest kubelet if not given.
    #[arg(long, value_name = "1.N")]
    pub kubernetes_version: Option<String>,
    /// Make an error of everything that matters and is not modelled.
    #[arg(long)]
    pub strict: bool,
}

/// Where a cluster comes from: files, or the live cluster.
#[derive(Debug, Clone, Args)]
pub struct FromArgs {
    /// A scenario (YAML or JSON with a `scenario:` field), or dump(s) of a cluster; - for standard input. If not given, the live cluster is
    /// read, and nothing is written to it.
    #[arg(value_name = "INPUT")]
    pub input: Vec<PathBuf>,
    /// Which cluster is read if no INPUT is given.
    #[cfg(feature = "live")]
    #[command(flatten)]
    pub target: super::TargetArgs,
    /// Write what was read of the live cluster to this file (gzip if it ends in .gz): the same plan can be made from it again.
    #[cfg(feature = "live")]
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    pub save_dump: Option<PathBuf>,
    /// Make an error of everything that matters and is not modelled.
    #[arg(long)]
    pub strict: bool,
    /// Take a dump that says of itself that it is not whole (dump-not-whole) as it is, instead of refusing it.
    #[arg(long)]
    pub allow_partial_dump: bool,
}
