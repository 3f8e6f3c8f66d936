//! How a cluster is read, and what is asked of it: the arguments that several commands share.

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

/// What is planned, and under which circumstances: the flags that `plan` and `sweep` share, and that `sweep --vary` varies.
#[derive(Debug, Clone, Default, Args)]
pub struct WhatArgs {
    /// Node groups: Ocean VNGs (AWS, Azure), Karpenter NodePools, or nodeferry's own form. Inferred from the dump if not given.
    #[arg(long, value_name = "FILE")]
    pub groups: Vec<PathBuf>,
    /// Sizes and prices of machine types (Karpenter's instance-types form) for groups that only name them.
    #[arg(long, value_name = "FILE")]
    pub machine_types: Option<PathBuf>,
    /// Old nodes by name, instance id (i-0abc…) or provider id, in any mixture, comma-separated; one that is named twice counts once.
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "selector")]
    pub nodes: Vec<String>,
    /// Old nodes by the pool that their labels name (AKS agentpool, EKS nodegroup, GKE, Karpenter), comma-separated.
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "nodes")]
    pub node_pools: Vec<String>,
    /// Old nodes by label selector (k=v, k!=v, k in (a,b), k, !k; comma-separated).
    #[arg(long, short = 'l', value_name = "K=V")]
    pub selector: Option<String>,
    /// How a batch goes: kubectl-drain, ocean-aws, ocean-azure, surge.
    #[arg(long, value_name = "P")]
    pub procedure: Option<String>,
    /// Which nodes go together: size, budget-aware, listed.
    #[arg(long, value_name = "B")]
    pub batcher: Option<String>,
    /// Nodes in a batch, in percent of the selected ones (20%).
    #[arg(long, value_name = "N%")]
    pub batch_size: Option<String>,
    /// Percent of a batch's nodes that must be replaced for the next batch to start (Ocean).
    #[arg(long, value_name = "PERCENT")]
    pub batch_min_healthy: Option<u32>,
    /// Budgets are honoured: a node that one holds back is not replaced (the default).
    #[arg(long, conflicts_with = "force_pdb")]
    pub respect_pdb: bool,
    /// Pods that their budget holds back are deleted in the end.
    #[arg(long)]
    pub force_pdb: bool,
    /// End the old machines once they are empty.
    #[arg(long, value_name = "BOOL")]
    pub terminate_nodes: Option<bool>,
    /// Evict pods that nothing recreates.
    #[arg(long, value_name = "BOOL")]
    pub evict_stand_alone_pods: Option<bool>,
    /// Let running Jobs' pods finish before they are evicted, as long as the procedure waits for the pods of a node; what still runs then keeps its node.
    #[arg(long)]
    pub wait_for_jobs: bool,
    /// Leave nodes alone whose pods ask not to be scaled down.
    #[arg(long, value_name = "BOOL")]
    pub respect_restrict_scale_down: Option<bool>,
    /// Whose free room spares the launch of a replacement (Ocean): ocean-nodes, any.
    #[arg(long, value_name = "ocean-nodes|any")]
    pub free_room: Option<String>,
    /// What is assumed of Ocean's controller: true that it reports, false that it does not. By default what the dump shows.
    #[arg(long, value_name = "BOOL")]
    pub controller_reports: Option<bool>,
    /// The oldest Kubernetes that counts as recent among Ocean's prerequisites. Default 1.33.
    #[arg(long, value_name = "1.N")]
    pub oldest_kubernetes: Option<String>,
    /// Pods that are unschedulable before the start: refuse (Ocean's rule), or ignore (only new ones count).
    #[arg(long, value_name = "refuse|ignore")]
    pub unscheduled_at_start: Option<String>,
    /// When old nodes are cordoned: all-first, per-batch.
    #[arg(long, value_name = "all-first|per-batch")]
    pub cordon: Option<String>,
    /// Only these node groups give new nodes, in the procedure's own launches as well as the autoscaler's.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub to: Vec<String>,
    /// Which autoscaler acts on pending pods beside the migration: none, reactive (like cluster-autoscaler), karpenter, ocean.
    #[arg(long, value_name = "A")]
    pub autoscaler: Option<String>,
    /// A program that must succeed before each batch but the first, split at white space, without a shell; {batch} is filled in.
    #[arg(long, value_name = "CMD ARGS")]
    pub check: Option<String>,
    /// A person must approve (nodeferry approve): the second batch, or every batch but the first.
    #[arg(long, value_name = "after-first|every-batch")]
    pub approve: Option<String>,
    /// How new machines come and old ones are given back when the plan is carried out (YAML or JSON; options.execution of `nodeferry schema plan`).
    #[arg(long, value_name = "FILE")]
    pub execution: Option<PathBuf>,
    /// Delays of pods and machines, as `nodeferry calibrate` writes them (YAML or JSON; sim.delays of a scenario).
    #[arg(long, value_name = "FILE")]
    pub delays: Option<PathBuf>,
    /// What goes wrong in the simulation, as `[WHAT:]KIND[=VALUE][@WHEN]`: zone=b:no-capacity, group=new:capacity=3, slow-nodes=5m, launch-failure=10%,
    /// node=old-1:node-loss@10m, component=api-server:outage@4m..6m, …, or a fault of a scenario's sim.faults as JSON; none for none. Several
    /// times for several.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
    /// A delay in the simulation: start, stop, run, launch or retire, as NAME=TIME, NAME=LEAST..MOST (uniform) or NAME=MEDIAN~P95 (log-normal), such
    /// as launch=90s..3m.
    #[arg(long, value_name = "NAME=TIME")]
    pub delay: Vec<String>,
    /// Batches start only in a window that opens by this cron schedule ('0 22 * * *'), in the simulation and when the plan is carried out. Several
    /// times for several; a batch under way goes on when it closes.
    #[arg(long, value_name = "CRON")]
    pub window: Vec<String>,
    /// How long such a window is open (8h).
    #[arg(long, value_name = "TIME")]
    pub window_duration: Option<String>,
    /// Time zone of the schedule, by its IANA name (Europe/Berlin). UTC by default.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// When the simulated migration begins (2026-11-27T20:00:00Z). By default at the newest timestamp in the dump, never at the time of the clock.
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// When the migration is given up, simulated or carried out (36h, 7d). 24 h by default.
    #[arg(long, value_name = "TIME")]
    pub horizon: Option<String>,
    /// Any field of a scenario's options, sim or autoscaler: options.kubectl_drain.timeout_ms=60000 (`nodeferry schema scenario` lists them).
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// In the simulation somebody stops the migration at this moment (10m, 90s, 1h); an execution of the plan is not stopped by it.
    #[arg(long, value_name = "TIME")]
    pub stop_at: Option<String>,
    /// What that stop says of nodes that are drained by then: terminate them, or keep them.
    #[arg(long, value_name = "BOOL", requires = "stop_at")]
    pub terminate_drained: Option<bool>,
    /// The scheduler's own configuration file (KubeSchedulerConfiguration, kubescheduler.config.k8s.io/v1); once for each scheduler where
    /// several run, `default` for Kubernetes' own. Kubernetes' default if not given.
    #[arg(long, value_name = "FILE")]
    pub scheduler_config: Vec<PathBuf>,
    /// Version of the control plane, whose rules hold (1.33 to 1.36). That of the newest kubelet if not given.
    #[arg(long, value_name = "1.N")]
    pub kubernetes_version: Option<String>,
}

/// How often a migration is simulated.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// Random seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulate so many times, each with another random seed. By default 30 times, or 5 times with more than 20,000 pods.
    #[arg(long, value_name = "N")]
    pub replications: Option<u32>,
    /// Percent of the runs that must complete for exit status 0 (100 by default); if fewer do, the status is that of the most frequent other ending.
    #[arg(long, value_name = "PERCENT", value_parser = super::percent::percent)]
    pub require: Option<f64>,
    /// Threads for the replications; the result is the same for any number. All cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}
