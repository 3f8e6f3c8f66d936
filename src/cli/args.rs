//! What can be asked on the command line, as clap sees it.

use super::cluster_args::{FromArgs, InputArgs, RunsArgs, WhatArgs};
use super::journal::{ApproveArgs, HistoryArgs, StatusArgs, StopArgs};
use super::output::Output;
use crate::cluster::Quantity;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Predict, plan and carry out the move of a Kubernetes cluster's workloads from old nodes to new ones.
///
/// nodeferry reads the cluster as `kubectl get -o json` prints it, runs the real batch algorithm against it in virtual
/// time, says how long it takes and what fails and why, and writes the plan.
#[derive(Debug, Parser)]
#[command(name = "nodeferry", version, max_term_width = 110)]
#[command(after_help = "\
Examples:
  nodeferry plan scenarios/quickstart.yaml
  nodeferry plan cluster.json.gz --selector agentpool=old --batch-size 10%
  nodeferry discover cluster.json --groups groups.yaml
  nodeferry plan cluster.json --selector pool=old --replications 100 --report reports/old-pool

Making a dump: see docs/kubectl.md. Exit status: 0 completes, 2 bad input or refused, 3 fails, 4 completes in part, 5 interrupted and resumable, 6 completes but harms workloads.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Read no more of an input than this, unpacked: bytes, or an amount such as 500Mi. 4Gi by default.
    #[arg(long, global = true, value_name = "SIZE", value_parser = bytes)]
    pub max_input: Option<u64>,
}

/// Reads a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let problem = || format!("{text:?} is no size; expected bytes above 0, or an amount such as 500Mi or 8Gi");
    let bytes = Quantity::parse(text).map_err(|_| problem())?.value();
    u64::try_from(bytes).ok().filter(|b| *b > 0).ok_or_else(problem)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show each node: its instance, pods, blocking budgets, the group that would make another like it, and whether Ocean can migrate it.
    Discover(DiscoverArgs),
    /// Simulate a migration: how long, what fails and why; write the plan.
    Plan(Box<PlanArgs>),
    /// Simulate many variants of a plan under the same random seeds, and rank them.
    Sweep(Box<super::sweep::SweepArgs>),
    /// Put plans and journals, or dumps, side by side and explain what differs.
    Compare(super::compare::CompareArgs),
    /// Re-run a saved plan against a dump.
    Simulate(Box<SimulateArgs>),
    /// Show how an execution stands, from its journal: what is done, under way, refused and waited for.
    Status(StatusArgs),
    /// List the executions of a directory's journals, or show what happened in one, entry by entry.
    History(HistoryArgs),
    /// Ask a running execution to stop in order.
    Stop(StopArgs),
    /// Approve a batch that waits for it.
    Approve(ApproveArgs),
    /// Carry a plan out on a simulated API server that fails in every way, seed by seed, and judge it.
    Rehearse(super::rehearse::RehearseArgs),
    /// Swap the control plane of an ACK cluster: from a dedicated to a professional managed cluster.
    Ack(super::ack::AckArgs),
    /// Move workloads from EKS to AKS: find what is tied to AWS, render manifests for the target, plan in waves, simulate, carry out.
    Transfer(super::transfer::TransferArgs),
    /// Dump the live cluster, with everything that a plan needs.
    #[cfg(feature = "live")]
    Record(super::record::RecordArgs),
    /// Carry a plan out on the live cluster.
    #[cfg(feature = "live")]
    Execute(super::execute::ExecuteArgs),
    /// Go on with an execution whose process ended.
    #[cfg(feature = "live")]
    Resume(super::execute::ResumeArgs),
    /// Run every scenario of a directory and check what each expects.
    Test(TestArgs),
    /// Replay recordings of a real control plane and compare.
    Verify(VerifyArgs),
    /// Show predicted against actual of an execution, batch by batch, with the delays that were really seen.
    Report(super::runs::ReportArgs),
    /// Write the delays that runs really had, for the next plan's --delays.
    Calibrate(super::runs::CalibrateArgs),
    /// Explain what differs between two plans, or between two runs.
    Diff(super::runs::DiffArgs),
    /// Write a synthetic cluster as a kubectl List.
    Generate(GenerateArgs),
    /// Measure how fast nodeferry is on this machine.
    Bench(super::bench::BenchArgs),
    /// Print the JSON Schema of a file format.
    Schema(SchemaArgs),
    /// Print a shell's completion script.
    Completions(CompletionsArgs),
}

/// `discover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry discover cluster.json --groups vngs.json -o json
  nodeferry discover cluster.json --groups vngs.json --node-pools old --pods
  nodeferry discover cluster.json --groups vngs.json --write-groups missing.json")]
pub struct DiscoverArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Only these nodes, by name, instance id or provider id, comma-separated.
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "selector")]
    pub nodes: Vec<String>,
    /// Only the nodes of these pools, comma-separated.
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "nodes")]
    pub node_pools: Vec<String>,
    /// Only these nodes (label selector).
    #[arg(long, short = 'l', value_name = "K=V")]
    pub selector: Option<String>,
    /// Write a virtual node group (AWS: launchSpec) for every node that matches none: nodes alike share one. A file that exists is kept.
    #[arg(long, value_name = "FILE")]
    pub write_groups: Option<PathBuf>,
    /// Overwrite the file of --write-groups.
    #[arg(long, requires = "write_groups")]
    pub overwrite: bool,
    /// Whose virtual node groups to write. That of the groups and nodes if not given.
    #[arg(long, value_enum, value_name = "aws|azure", requires = "write_groups")]
    pub cloud: Option<Cloud>,
    /// List the pods of each node.
    #[arg(long)]
    pub pods: bool,
    /// Judge nodes and prerequisites for this procedure: ocean-aws, ocean-azure. By default that of the groups, if they are Ocean's.
    #[arg(long, value_name = "P")]
    pub procedure: Option<String>,
    /// Nodes whose pods ask not to be scaled down cannot be migrated.
    #[arg(long, value_name = "BOOL")]
    pub respect_restrict_scale_down: Option<bool>,
    /// Pods that nothing recreates may be evicted.
    #[arg(long, value_name = "BOOL")]
    pub evict_stand_alone_pods: Option<bool>,
    /// The oldest Kubernetes that counts as recent. Default 1.33.
    #[arg(long, value_name = "1.N")]
    pub oldest_kubernetes: Option<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// A cloud of Ocean's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cloud {
    /// EKS: `launchSpec`.
    Aws,
    /// AKS: `virtualNodeGroup`.
    Azure,
}

/// What `plan` and `simulate` simulate beside the prediction itself.
#[derive(Debug, Args)]
pub struct BesideArgs {
    /// Halve and double each delay that is assumed, one at a time, simulate all again, and say which assumption decides.
    #[arg(long)]
    pub uncertain: bool,
    /// Try no remedies. By default, where not all runs complete, an edit for each blocker is tried in the same runs, and offered if it helps.
    #[arg(long)]
    pub no_remedies: bool,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry plan scenarios/quickstart.yaml
  nodeferry plan cluster.json --selector agentpool=old
  nodeferry plan cluster.json --nodes old-1,old-2 --procedure ocean-azure --groups vngs.json --batch-size 20%
  nodeferry plan cluster.json -l agentpool=old --replications 200 --require 95 --report reports/mine --plan plan.json --trace trace.jsonl
  nodeferry plan cluster.json -l agentpool=old --procedure ocean-azure --groups vngs.json --emit-request create.json
  nodeferry plan -l eks.amazonaws.com/nodegroup=blue --save-dump cluster.json.gz
  nodeferry plan --context prod -l agentpool=old
  nodeferry plan cluster.json -l agentpool=old --fault zone=b:no-capacity --delay launch=90s..3m --save-scenario no-zone-b.yaml
  nodeferry plan cluster.json -l agentpool=old --window '0 22 * * *' --window-duration 8h --time-zone Europe/Berlin --horizon 7d

Without INPUT the live cluster is read as `nodeferry record` reads it (permissions: deploy/clusterrole-record.yaml), and nothing is written to it.")]
pub struct PlanArgs {
    /// Where the cluster comes from.
    #[command(flatten)]
    pub from: FromArgs,
    /// What is planned.
    #[command(flatten)]
    pub what: WhatArgs,
    /// How often it is simulated.
    #[command(flatten)]
    pub runs: RunsArgs,
    /// What is simulated beside the prediction itself.
    #[command(flatten)]
    pub beside: BesideArgs,
    /// Write the plan here.
    #[arg(long, value_name = "F")]
    pub plan: Option<PathBuf>,
    /// Write all this as a scenario, with the result as its expectation: a regression test for `nodeferry test`.
    #[arg(long, value_name = "FILE")]
    pub save_scenario: Option<PathBuf>,
    /// Write the trace (JSON Lines) of the run that is shown here; - for standard output.
    #[arg(long, value_name = "F")]
    pub trace: Option<PathBuf>,
    /// Write the body of the call with which Ocean itself would be asked for this migration (ocean-aws, ocean-azure); - for standard output.
    #[arg(long, value_name = "F")]
    pub emit_request: Option<PathBuf>,
    /// Comment in that body, at most 256 characters (ocean-azure).
    #[arg(long, value_name = "TEXT", requires = "emit_request")]
    pub comment: Option<String>,
    /// Write CSV files and plots into this directory.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nodeferry simulate plan.json cluster.json.gz --seed 7 -o json")]
pub struct SimulateArgs {
    /// The plan, as `nodeferry plan --plan F` wrote it.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Take a dump that says of itself that it is not whole (dump-not-whole) as it is, instead of refusing it.
    #[arg(long)]
    pub allow_partial_dump: bool,
    /// Random seed; the plan's own if not given.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulate so many times, each with another random seed; as often as the plan's forecast if not given.
    #[arg(long, value_name = "N")]
    pub replications: Option<u32>,
    /// Percent of the runs that must complete for exit status 0; the plan's own (100 by default) if not given.
    #[arg(long, value_name = "PERCENT", value_parser = super::percent::percent)]
    pub require: Option<f64>,
    /// What is simulated beside the prediction itself.
    #[command(flatten)]
    pub beside: BesideArgs,
    /// Write the trace (JSON Lines) of the run that is shown here; - for standard output.
    #[arg(long, value_name = "F")]
    pub trace: Option<PathBuf>,
    /// Write CSV files and plots into this directory.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `test`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nodeferry test scenarios")]
pub struct TestArgs {
    /// Scenario files, or directories of them.
    #[arg(required = true, value_name = "DIR")]
    pub paths: Vec<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// What to compare.
    #[command(subcommand)]
    pub what: Verify,
}

/// What to compare.
#[derive(Debug, Subcommand)]
pub enum Verify {
    /// The scheduler: each recorded decision upon the real outcome of the one before.
    Decisions(VerifyDir),
    /// Budgets and the eviction API: each stored status and each recorded verdict.
    Evictions(VerifyDir),
    /// Whole migrations with `kubectl drain`: exits, error lines and times of each batch.
    Drain(VerifyDrainArgs),
}

/// A recorded migration.
#[derive(Debug, Args)]
pub struct VerifyDrainArgs {
    /// The recording.
    #[command(flatten)]
    pub recording: VerifyDir,
    /// Predict with so many seeds and show how the times spread; judged is the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub seeds: u32,
}

/// A recording.
#[derive(Debug, Args)]
pub struct VerifyDir {
    /// Directory of the recording.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry generate --nodes 50 --seed 7 > cluster.json
  nodeferry generate --params cluster.yaml --out cluster.json.gz")]
pub struct GenerateArgs {
    /// Parameters (YAML or JSON; `nodeferry schema generate`, docs/generate.md).
    #[arg(long, value_name = "FILE")]
    pub params: Option<PathBuf>,
    /// Old nodes.
    #[arg(long, value_name = "N")]
    pub nodes: Option<u32>,
    /// New, empty nodes.
    #[arg(long, value_name = "N")]
    pub new_nodes: Option<u32>,
    /// Pods on each old node, on average.
    #[arg(long, value_name = "N")]
    pub pods_per_node: Option<u32>,
    /// Seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where to write (gzip if it ends in .gz); standard output if not given.
    #[arg(long, value_name = "F")]
    pub out: Option<PathBuf>,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which format.
    #[arg(value_enum, value_name = "NAME")]
    pub name: SchemaName,
}

/// A published format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaName {
    /// Scenario files.
    Scenario,
    /// Plan documents.
    Plan,
    /// What `plan -o json` prints.
    Result,
    /// What `sweep -o json` prints.
    Sweep,
    /// What `discover -o json` prints.
    Discovery,
    /// Node groups in nodeferry's own form.
    Groups,
    /// Parameters of `generate`.
    Generate,
    /// What `bench -o json` prints.
    Bench,
    /// Facts of an ACK cluster.
    AckFacts,
    /// Plans of `ack plan`.
    AckPlan,
    /// What `ack preflight -o json` prints.
    AckPreflight,
    /// What `ack simulate -o json` prints.
    AckResult,
    /// Parameters of `ack simulate`.
    AckSimulation,
    /// What `transfer analyse -o json` prints.
    TransferAnalysis,
    /// The mapping of `transfer`: what only people know.
    TransferMapping,
    /// Parameters of `transfer plan`.
    TransferOptions,
    /// Plans of `transfer plan`.
    TransferPlan,
    /// The parameters of a simulated transfer.
    TransferSimulation,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
