//! How it is ASKED: clap types, resolved into a request, one call, and what it prints.

mod ack;
#[cfg(feature = "live")]
pub mod ack_execute;
pub mod args;
mod bench;
#[cfg(feature = "live")]
pub mod carry;
pub mod cluster_args;
pub mod compare;
#[cfg(feature = "live")]
mod confirm;
#[cfg(feature = "live")]
pub mod execute;
mod file;
mod from;
mod groups;
pub mod journal;
mod near;
pub mod output;
mod percent;
mod plan;
mod progress;
#[cfg(feature = "live")]
pub mod record;
mod rehearse;
pub mod runs;
mod save;
pub mod sweep;
#[cfg(feature = "live")]
mod teller;
mod terminal;
mod time;
mod transfer;
#[cfg(feature = "live")]
mod transfer_run;
mod value_file;
mod what_if;

use crate::discovery::discover::{Wanted, discover_wanted};
use crate::intent::select::chosen;
use crate::report::table::{Align, Table};
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, Input};
use crate::request::scenario::NodeChoice;
use crate::snapshot::generate::{GenerateParams, write_list};
use crate::snapshot::yaml_problem;
use crate::verify::decisions::verify_decisions;
use crate::verify::drain::verify_drain;
use crate::verify::evictions::verify_evictions;
use crate::verify::expect::{ScenarioResult, run_scenario, scenario_files};
use anyhow::{Context, Result, bail};
use args::{Cli, Command, DiscoverArgs, GenerateArgs, SchemaArgs, SchemaName, TestArgs, Verify, VerifyArgs};
use clap::{CommandFactory, FromArgMatches};
use output::Output;
use std::io::Write;

/// Exit status of bad input.
const BAD_INPUT: i32 = 2;
/// Exit status of expectations or recordings that differ.
const DIFFERS: i32 = 1;

/// Runs what the command line asks and returns the exit status.
pub fn run() -> i32 {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    #[cfg(feature = "live")]
    if let Some(status) = crate::live::program::started_program(&arguments) {
        return status;
    }
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { BAD_INPUT } else { 0 };
        }
    };
    if let Some(bytes) = cli.max_input {
        crate::snapshot::bounds::set_max_input(bytes);
    }
    match dispatch(cli.command) {
        Ok(status) => status,
        Err(e) if is_broken_pipe(&e) => 0,
        Err(e) => {
            let _ = writeln!(terminal::err(), "error: {}", message(&e));
            BAD_INPUT
        }
    }
}

/// The command line, under the name that we were called by: as a plugin, `kubectl nodeferry`.
fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let name = arguments.first().map(std::path::Path::new).and_then(|p| p.file_stem()?.to_str());
    let command = match name {
        Some("kubectl-nodeferry") => Cli::command().bin_name("kubectl nodeferry"),
        _ => Cli::command(),
    };
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// An error and its causes, each said once: many messages quote their cause already.
fn message(e: &anyhow::Error) -> String {
    let mut text = e.to_string();
    for cause in e.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// The reader of our output went away (`| head`): no error of ours.
fn is_broken_pipe(e: &anyhow::Error) -> bool {
    e.chain().any(|c| c.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}

/// What is asked of the journal of a transfer; None for any other.
#[cfg(feature = "live")]
fn of_transfer(command: &Command) -> Option<Result<i32>> {
    use crate::execution::transfer_dir::TransferDir;
    Some(match command {
        Command::Status(args) => transfer_run::status_of(args, &TransferDir::found(&args.journal.dir)?),
        Command::History(args) => transfer_run::history(args, &TransferDir::found(args.journal.as_deref()?)?),
        Command::Stop(args) => transfer_run::stop(args, &TransferDir::found(&args.journal.dir)?),
        Command::Report(args) => transfer_run::report(args, &TransferDir::found(&args.journal)?),
        Command::Approve(args) => transfer_run::needs_gate(TransferDir::found(&args.journal.dir)?.path()),
        Command::Resume(args) => transfer_run::needs_two(TransferDir::found(&args.dir)?.path()),
        _ => return None,
    })
}

/// What is asked of the journal of a migration of a control plane; None for any other.
#[cfg(feature = "live")]
fn of_control_plane(command: &Command) -> Option<Result<i32>> {
    use crate::execution::ack_dir::AckDir;
    Some(match command {
        Command::Status(args) => ack_execute::status(args, &AckDir::found(&args.journal.dir)?),
        Command::History(args) => ack_execute::history(args, &AckDir::found(args.journal.as_deref()?)?),
        Command::Stop(args) => ack_execute::stop(args, &AckDir::found(&args.journal.dir)?),
        Command::Report(args) => ack_execute::report(args, &AckDir::found(&args.journal)?),
        Command::Resume(args) => ack_execute::resume(args, &AckDir::found(&args.dir)?),
        _ => return None,
    })
}

fn dispatch(command: Command) -> Result<i32> {
    #[cfg(feature = "live")]
    if let Some(done) = of_control_plane(&command).or_else(|| of_transfer(&command)) {
        return done;
    }
    match command {
        Command::Discover(args) => discover_nodes(args),
        Command::Plan(args) => plan::plan(*args),
        Command::Sweep(args) => sweep::sweep(*args),
        Command::Compare(args) => compare::compare(&args),
        Command::Simulate(args) => plan::simulate(*args),
        Command::Status(args) => journal::status(&args),
        Command::History(args) => journal::show_history(&args),
        Command::Stop(args) => journal::stop(&args),
        Command::Approve(args) => journal::approve(&args),
        Command::Rehearse(args) => rehearse::rehearse(args),
        Command::Transfer(args) => transfer::transfer(args),
        Command::Ack(args) => ack::ack(args),
        Command::Test(args) => test(args),
        Command::Verify(args) => verify(args),
        Command::Generate(args) => generate(args),
        Command::Report(args) => runs::report(args),
        Command::Calibrate(args) => runs::calibrate(args),
        Command::Diff(args) => runs::diff_files(args),
        Command::Schema(args) => schema(args),
        Command::Bench(args) => bench::bench(&args),
        #[cfg(feature = "live")]
        Command::Record(args) => record::record(args),
        #[cfg(feature = "live")]
        Command::Execute(args) => execute::execute(args),
        #[cfg(feature = "live")]
        Command::Resume(args) => execute::resume(args),
        Command::Completions(args) => {
            clap_complete::generate(args.shell, &mut Cli::command(), "nodeferry", &mut std::io::stdout());
            Ok(0)
        }
    }
}

/// Which cluster is meant.
#[cfg(feature = "live")]
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TargetArgs {
    /// The context of the kubeconfig; its current one if not given.
    #[arg(long, value_name = "C")]
    pub context: Option<String>,
    /// The kubeconfig; KUBECONFIG, ~/.kube/config or the pod's service account if not given.
    #[arg(long, value_name = "F")]
    pub kubeconfig: Option<std::path::PathBuf>,
}

#[cfg(feature = "live")]
impl TargetArgs {
    fn target(&self) -> crate::live::Target {
        crate::live::Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

/// What sockets, timers and signals run on: one thread, so that one thing happens after the other.
#[cfg(feature = "live")]
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

fn print(text: &str) -> Result<()> {
    let mut out = terminal::out();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Width for tables: the terminal's, or None when the output goes elsewhere.
fn width() -> Option<u16> {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    terminal.then(|| std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(120))
}

fn discover_nodes(args: DiscoverArgs) -> Result<i32> {
    let sources = match input::load(&args.input.dump)? {
        Input::Dump(sources) => sources,
        Input::Scenario(s) => bail!("{:?} is a scenario; discover wants a dump", s.scenario),
    };
    let asked = &args.input;
    let control_plane =
        ControlPlane::default().with_flags(&asked.scheduler_config, asked.kubernetes_version.as_deref())?;
    let machine_types = asked.machine_types.as_deref();
    let loaded = input::cluster_of_dump(&sources, &asked.groups, machine_types, &control_plane, asked.strict)?;
    let cluster = &loaded.snapshot.cluster;
    if args.write_groups.is_some() {
        groups::write(&args, cluster)?;
    }
    let mut wanted = Wanted { pods: args.pods, ..Wanted::of(cluster) };
    let choice =
        NodeChoice { names: args.nodes.clone(), node_pools: args.node_pools.clone(), selector: args.selector.clone() };
    if !choice.is_empty() {
        let view = crate::cluster::View { catalog: &cluster.catalog, state: &cluster.state };
        wanted.nodes = Some(chosen(view, &choice).map_err(anyhow::Error::msg)?);
    }
    let options = &mut wanted.options;
    if let Some(procedure) = &args.procedure {
        options.procedure = procedure.parse().map_err(anyhow::Error::msg)?;
    }
    let ocean = &mut options.ocean;
    ocean.respect_restrict_scale_down = args.respect_restrict_scale_down.unwrap_or(ocean.respect_restrict_scale_down);
    ocean.evict_stand_alone_pods = args.evict_stand_alone_pods.unwrap_or(ocean.evict_stand_alone_pods);
    ocean.oldest_kubernetes = args.oldest_kubernetes.clone().unwrap_or_else(|| ocean.oldest_kubernetes.clone());
    let problems = options.problems();
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    let found = discover_wanted(cluster, &wanted);
    match args.output {
        Output::Json => print(&found.json()?)?,
        Output::Table => {
            print(&found.text(width()))?;
            let mut findings = loaded.snapshot.findings.clone();
            findings.extend(found.unmet.iter().cloned());
            findings.sort();
            print(&crate::report::summary::findings(&findings))?;
        }
    }
    Ok(0)
}

fn test(args: TestArgs) -> Result<i32> {
    let mut results: Vec<ScenarioResult> = Vec::new();
    for file in scenario_files(&args.paths)? {
        results.push(run_scenario(&file).with_context(|| format!("scenario {}", file.display()))?);
    }
    let failed = results.iter().filter(|r| !r.differences.is_empty()).count();
    match args.output {
        Output::Json => print(&crate::typed::pretty(&results)?)?,
        Output::Table => {
            let mut table = Table::new(&[("SCENARIO", Align::Left), ("OUTCOME", Align::Left), ("", Align::Left)]);
            for r in &results {
                let verdict = if r.differences.is_empty() { "ok" } else { "DIFFERS" };
                table.row([r.file.display().to_string(), r.outcome.clone(), verdict.to_owned()]);
            }
            let mut text = table.render(None);
            for r in results.iter().filter(|r| !r.differences.is_empty()) {
                text.push_str(&format!("\n{} ({}):\n", r.file.display(), r.scenario));
                for d in &r.differences {
                    text.push_str(&format!("  {}\n  - {}\n  + {}\n", d.what, d.expected, d.came));
                }
            }
            text.push_str(&format!("\n{} passed, {failed} failed\n", results.len() - failed));
            print(&text)?;
        }
    }
    Ok(if failed == 0 { 0 } else { DIFFERS })
}

fn verify(args: VerifyArgs) -> Result<i32> {
    let (output, table, json, perfect) = match args.what {
        Verify::Decisions(dir) => {
            let r = verify_decisions(&dir.dir)?;
            (dir.output, r.render_table(), crate::typed::pretty(&r)?, r.is_perfect())
        }
        Verify::Evictions(dir) => {
            let r = verify_evictions(&dir.dir)?;
            (dir.output, r.render_table(), crate::typed::pretty(&r)?, r.is_perfect())
        }
        Verify::Drain(drain) => {
            let r = verify_drain(&drain.recording.dir, drain.seeds)?;
            (drain.recording.output, r.render_table(), crate::typed::pretty(&r)?, r.is_perfect())
        }
    };
    print(if output == Output::Json { &json } else { &table })?;
    Ok(if perfect { 0 } else { DIFFERS })
}

fn generate(args: GenerateArgs) -> Result<i32> {
    let mut params = match &args.params {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
            serde_saphyr::from_str::<GenerateParams>(&text).map_err(|e| {
                anyhow::anyhow!("{}: {}; see `nodeferry schema generate`", path.display(), yaml_problem(&e, &text))
            })?
        }
        None => GenerateParams::default(),
    };
    params.nodes = args.nodes.unwrap_or(params.nodes);
    params.new_nodes = args.new_nodes.unwrap_or(params.new_nodes);
    params.seed = args.seed.unwrap_or(params.seed);
    if args.pods_per_node.is_some() {
        params.pods_per_node = args.pods_per_node;
    }
    match &args.out {
        None => write_list(&params, std::io::BufWriter::new(std::io::stdout().lock()))?,
        Some(path) => file::write_at_once(path, |out| Ok(write_list(&params, out)?))?,
    }
    Ok(0)
}

fn schema(args: SchemaArgs) -> Result<i32> {
    let schema = match args.name {
        SchemaName::Scenario => crate::request::scenario::schema(),
        SchemaName::Plan => schemars::schema_for!(crate::plan::Plan),
        SchemaName::Result => schemars::schema_for!(crate::plan::forecast::Forecast),
        SchemaName::Sweep => schemars::schema_for!(crate::sweep::show::SweepDocument),
        SchemaName::Discovery => schemars::schema_for!(crate::discovery::discover::Discovery),
        SchemaName::Groups => schemars::schema_for!(crate::snapshot::groups::GroupsFile),
        SchemaName::Generate => schemars::schema_for!(GenerateParams),
        SchemaName::Bench => schemars::schema_for!(crate::bench::Report),
        SchemaName::AckFacts => schemars::schema_for!(crate::ack::AckFacts),
        SchemaName::AckResult => schemars::schema_for!(crate::ack::simulate::AckResult),
        SchemaName::AckSimulation => schemars::schema_for!(crate::ack::simulate::AckSimOptions),
        SchemaName::AckPlan => schemars::schema_for!(crate::ack::AckPlan),
        SchemaName::AckPreflight => schemars::schema_for!(crate::ack::Preflight),
        SchemaName::TransferAnalysis => schemars::schema_for!(crate::transfer::Analysis),
        SchemaName::TransferMapping => schemars::schema_for!(crate::transfer::Mapping),
        SchemaName::TransferSimulation => schemars::schema_for!(crate::transfer::simulate::TransferSimOptions),
        SchemaName::TransferOptions => schemars::schema_for!(crate::transfer::planner::PlanOptions),
        SchemaName::TransferPlan => schemars::schema_for!(crate::transfer::TransferPlan),
    };
    print(&crate::typed::pretty(&schema)?)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_shows_the_name_that_it_is_called_by() {
        let help = |name: &str| parse(vec![name.into(), "plan".into(), "--help".into()]).unwrap_err().to_string();
        assert!(help("/usr/local/bin/kubectl-nodeferry").contains("Usage: kubectl nodeferry plan"));
        assert!(help("target/debug/nodeferry").contains("Usage: nodeferry plan"));
    }
}
