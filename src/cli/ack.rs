//! `nodeferry ack`: the control plane of an ACK cluster is swapped under the running cluster.

use super::cluster_args::InputArgs;
use super::output::Output;
use super::progress::with_progress;
use super::time::parse_time;
use super::value_file::value_of_file;
use super::{print, width};
use crate::ack::simulate::{AckSimOptions, OutageRange};
use crate::ack::{self, AckPlan, Known, Preflight, PreflightOptions, skeleton};
use crate::cluster::{View, version};
use crate::plan::verdict::default_runs;
use crate::private_file;
use crate::report::summary;
use crate::request::ack::AckRequest;
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, Input, Loaded};
use crate::request::plan::plan as make_plan;
use crate::snapshot::Source;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};

/// `ack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry ack preflight dump --write-facts facts.yaml
  nodeferry ack preflight dump --facts facts.yaml --output-of cluster.json --output-of slb.json
  nodeferry ack plan dump --facts facts.yaml --plan ack-plan.json
  nodeferry ack simulate dump --outage 1m..1h
  nodeferry ack execute ack-plan.json --journal migration

docs/ack.md walks from the dump to the report.")]
pub struct AckArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AckCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum AckCommand {
    /// Judge every prerequisite and usage note of the migration, each with its fact and its fix.
    Preflight(AckPreflightArgs),
    /// Plan the migration: the drain of the masters, the permissions, the cut-over, and what follows.
    Plan(AckPlanArgs),
    /// Simulate it: how long the API server is away, when all is quiet again, which workloads suffer, and by what.
    Simulate(AckSimulateArgs),
    /// Carry it out: drain the masters, wait for the console or begin it, watch the API server go and come back, prove that nothing is lost, delete the masters.
    #[cfg(feature = "live")]
    Execute(Box<super::ack_execute::AckExecuteArgs>),
}

/// Where facts come from.
#[derive(Debug, Args)]
pub struct FactsArgs {
    /// Facts that no dump shows (YAML or JSON; `nodeferry schema ack-facts`). --write-facts writes one to be filled in.
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// Output of one of the vendor's own commands, or of its check, as JSON; once for each. docs/ack.md lists them.
    #[arg(long, value_name = "FILE")]
    pub output_of: Vec<PathBuf>,
    /// The oldest Kubernetes that is migrated. Default 1.16; newer pages of the vendor say 1.18.
    #[arg(long, value_name = "1.N")]
    pub oldest_kubernetes: Option<String>,
}

/// `ack preflight`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 all rules pass, 2 bad input (among it facts that contradict each other), 3 a rule fails, 4 none fails and one is unknown.")]
pub struct AckPreflightArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Facts.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// Write a facts file with what is known, and for each fact what it is needed for and how to get it. A file that exists is kept.
    #[arg(long, value_name = "FILE")]
    pub write_facts: Option<PathBuf>,
    /// Overwrite the file of --write-facts.
    #[arg(long, requires = "write_facts")]
    pub overwrite: bool,
    /// Take a dump that says of itself that it is not whole (dump-not-whole) as it is, instead of refusing it: pods that it lacks may be on masters.
    #[arg(long)]
    pub allow_partial_dump: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// How the masters are drained, simulated.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// Parameters of the drain of the masters (YAML or JSON; options of `nodeferry schema scenario`). By default kubectl drain, all masters in one batch.
    #[arg(long, value_name = "FILE")]
    pub drain_options: Option<PathBuf>,
    /// Delays of pods and machines, as `nodeferry calibrate` writes them (YAML or JSON; sim.delays of a scenario).
    #[arg(long, value_name = "FILE")]
    pub delays: Option<PathBuf>,
    /// Random seed. Default 1.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulate so many times, each with another random seed. By default 30 times, or 5 times with more than 20,000 pods.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub replications: Option<u32>,
    /// Take a dump that says of itself that it is not whole (dump-not-whole) as it is, instead of refusing it.
    #[arg(long)]
    pub allow_partial_dump: bool,
}

/// `ack plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: that of the drain unless it completes (docs/verdict.md); else 0 if every rule of the preflight passes but those that the drain lifts, 3 if one fails,
4 if none fails and one is unknown; 2 bad input, and a fact is missing without which there is no plan.")]
pub struct AckPlanArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Facts.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// The drain of the masters.
    #[command(flatten)]
    pub drain: DrainArgs,
    /// Threads for the replications; the result is the same for any number. All cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Write the plan here.
    #[arg(long, value_name = "F")]
    pub plan: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `ack simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry ack simulate dump --outage 1m..1h
  nodeferry ack simulate scenarios/ack-completes.yaml

Exit status: 0 the runs complete, 2 bad input, 3 they fail, 6 they complete but leave workloads with fewer ready pods (docs/verdict.md).")]
pub struct AckSimulateArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Facts.
    #[command(flatten)]
    pub facts: FactsArgs,
    /// The drain of the masters.
    #[command(flatten)]
    pub drain: DrainArgs,
    /// Parameters of the cut-over: delays of its steps, rates of failures (YAML or JSON; `nodeferry schema ack-simulation`).
    #[arg(long, value_name = "FILE")]
    pub simulation: Option<PathBuf>,
    /// How long the API server is away (10m) instead of as long as the steps take; or a range (1m..1h), to show from which length on what breaks.
    #[arg(long, value_name = "TIME[..TIME]")]
    pub outage: Option<String>,
    /// Percent of the runs that must complete for exit status 0 (100 by default).
    #[arg(long, value_name = "PERCENT", value_parser = super::percent::percent)]
    pub require: Option<f64>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// Runs `ack`.
pub fn ack(args: AckArgs) -> Result<i32> {
    match args.command {
        AckCommand::Preflight(args) => preflight(&args),
        AckCommand::Plan(args) => plan(&args),
        AckCommand::Simulate(args) => simulate(&args),
        #[cfg(feature = "live")]
        AckCommand::Execute(args) => super::ack_execute::execute(&args),
    }
}

fn preflight(args: &AckPreflightArgs) -> Result<i32> {
    let sources = match input::load(&args.input.dump)? {
        Input::Scenario(scenario) => {
            refuse_with_scenario(&args.input, &args.facts)?;
            if args.write_facts.is_some() {
                bail!("--write-facts is for a dump; a scenario holds its facts itself (ack.facts)");
            }
            let (request, _) = AckRequest::of_scenario(&scenario)?;
            return show_preflight(&request.preflight, args.output);
        }
        Input::Dump(sources) => sources,
    };
    let loaded = cluster_of(&args.input, &sources)?;
    input::refuse_partial(&loaded.snapshot, args.allow_partial_dump)?;
    let view = view_of(&loaded);
    let known = gather(&args.facts, view)?;
    if let Some(path) = &args.write_facts {
        write_facts(path, args.overwrite, &known)?;
    }
    let preflight = Preflight::of(&known, view, &options(&args.facts)?, &loaded.snapshot.sha256);
    show_preflight(&preflight, args.output)
}

fn show_preflight(preflight: &Preflight, output: Output) -> Result<i32> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(preflight)?)?,
        Output::Table => print(&preflight.text(width()))?,
    }
    Ok(preflight.exit_status)
}

/// What is asked for, and how its cut-over is simulated where a scenario says so.
fn asked(input: &InputArgs, facts: &FactsArgs, drain: &DrainArgs) -> Result<(AckRequest, AckSimOptions)> {
    let (mut request, simulation) = match input::load(&input.dump)? {
        Input::Scenario(scenario) => {
            refuse_with_scenario(input, facts)?;
            let (request, ack) = AckRequest::of_scenario(&scenario)?;
            (request, ack.simulation)
        }
        Input::Dump(sources) => {
            let loaded = cluster_of(input, &sources)?;
            input::refuse_partial(&loaded.snapshot, drain.allow_partial_dump)?;
            let known = gather(facts, view_of(&loaded))?;
            let mut request = input::request_of_cluster(loaded);
            input::assume_autoscaler(&mut request);
            request.replications = default_runs(request.cluster.state.live_pods().count());
            (AckRequest::of(request, known, &options(facts)?)?, AckSimOptions::default())
        }
    };
    let r = &mut request.drain;
    if let Some(path) = &drain.drain_options {
        r.options = value_of_file(path, "--drain-options", "options of `nodeferry schema scenario`")?;
        ack::drain_all(&mut r.options);
    }
    if let Some(path) = &drain.delays {
        r.sim.delays = value_of_file(path, "--delays", "sim.delays of `nodeferry schema scenario`")?;
        let problems = r.sim.problems();
        if !problems.is_empty() {
            bail!("--delays {}: {}", path.display(), problems.join("; "));
        }
    }
    r.replications = drain.replications.unwrap_or(r.replications);
    r.seed = drain.seed.unwrap_or(r.seed);
    Ok((request, simulation))
}

fn plan(args: &AckPlanArgs) -> Result<i32> {
    let (request, _) = asked(&args.input, &args.facts, &args.drain)?;
    let AckRequest { known, cluster, preflight, mut drain } = request;
    drain.threads = args.threads.unwrap_or(0);
    AckPlan::check(&known)?;
    let planned = with_progress(drain.replications, |tick| make_plan(drain, tick))?;
    let shown = summary::summary(&planned.plan.intent, &planned.forecast, None);
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let plan = AckPlan::new(&known, view, preflight, planned.plan)?;
    if let Some(path) = &args.plan {
        let text = serde_json::to_string_pretty(&plan)? + "\n";
        private_file::write(path, text).with_context(|| format!("cannot write the plan to {}", path.display()))?;
    }
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&plan)?)?,
        Output::Table => print(&plan.text(&shown))?,
    }
    Ok(plan.exit_status)
}

fn simulate(args: &AckSimulateArgs) -> Result<i32> {
    let (mut request, mut simulation) = asked(&args.input, &args.facts, &args.drain)?;
    if let Some(path) = &args.simulation {
        simulation = value_of_file(path, "--simulation", "the form of `nodeferry schema ack-simulation`")?;
        let problems = simulation.problems();
        if !problems.is_empty() {
            bail!("--simulation {}: {}", path.display(), problems.join("; "));
        }
    }
    let lengths = match args.outage.as_deref().map(|text| (text, text.split_once(".."))) {
        None => None,
        Some((text, None)) => {
            simulation.outage_ms = Some(parse_time(text).with_context(|| format!("--outage {text}"))?);
            refuse_outage(text, &simulation)?;
            None
        }
        Some((text, Some((from, to)))) => {
            let end = |end: &str| parse_time(end).with_context(|| format!("--outage {text}"));
            let range = OutageRange { from_ms: end(from)?, to_ms: end(to)? };
            if range.to_ms < range.from_ms {
                bail!("--outage {text}: the range ends before it begins");
            }
            refuse_outage(text, &AckSimOptions { outage_ms: Some(range.to_ms), ..AckSimOptions::default() })?;
            Some(range)
        }
    };
    let r = &mut request.drain;
    r.require_percent = args.require.unwrap_or(r.require_percent);
    let result = with_progress(r.replications, |tick| request.simulate(&simulation, lengths, tick))?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&result)?)?,
        Output::Table => print(&result.text(width()))?,
    }
    Ok(result.exit_status())
}

/// A length of the outage that is out of range.
fn refuse_outage(text: &str, simulation: &AckSimOptions) -> Result<()> {
    let problems = simulation.problems();
    if !problems.is_empty() {
        bail!("--outage {text}: {}", problems.join("; "));
    }
    Ok(())
}

/// A scenario says these things itself: a flag that would not be heeded is refused.
fn refuse_with_scenario(input: &InputArgs, facts: &FactsArgs) -> Result<()> {
    let given = [
        ("--facts", facts.facts.is_some()),
        ("--output-of", !facts.output_of.is_empty()),
        ("--oldest-kubernetes", facts.oldest_kubernetes.is_some()),
        ("--groups", !input.groups.is_empty()),
        ("--machine-types", input.machine_types.is_some()),
        ("--scheduler-config", !input.scheduler_config.is_empty()),
        ("--kubernetes-version", input.kubernetes_version.is_some()),
        ("--strict", input.strict),
    ];
    if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
        bail!("{flag} is for a dump; a scenario says it itself (nodeferry schema scenario)");
    }
    Ok(())
}

fn cluster_of(asked: &InputArgs, sources: &[Source]) -> Result<Loaded> {
    let control_plane =
        ControlPlane::default().with_flags(&asked.scheduler_config, asked.kubernetes_version.as_deref())?;
    let machine_types = asked.machine_types.as_deref();
    Ok(input::cluster_of_dump(sources, &asked.groups, machine_types, &control_plane, asked.strict)?)
}

fn view_of(loaded: &Loaded) -> View<'_> {
    let cluster = &loaded.snapshot.cluster;
    View { catalog: &cluster.catalog, state: &cluster.state }
}

fn gather(args: &FactsArgs, view: View<'_>) -> Result<Known> {
    Ok(Known::gather(view, args.facts.as_deref(), &args.output_of)?)
}

fn options(args: &FactsArgs) -> Result<PreflightOptions> {
    let mut options = PreflightOptions::default();
    if let Some(oldest) = &args.oldest_kubernetes {
        if version::minor_of(oldest).is_none() {
            bail!("--oldest-kubernetes {oldest}: no version of Kubernetes; write its first two numbers, such as 1.18");
        }
        options.oldest_kubernetes.clone_from(oldest);
    }
    Ok(options)
}

fn write_facts(path: &Path, overwrite: bool, known: &Known) -> Result<()> {
    if !overwrite && path.exists() {
        bail!("{} exists; give another name with --write-facts, or --overwrite to replace it", path.display());
    }
    private_file::write(path, skeleton(known))
        .with_context(|| format!("cannot write the facts to {}", path.display()))?;
    let _ = writeln!(super::terminal::err(), "facts: written to {}; fill in what is null", path.display());
    Ok(())
}
