//! `nodeferry transfer execute | resume | status | history | approve | stop`: a plan of a transfer carried out on two live clusters.

use super::carry::{BeginArgs, Shown, answer, nothing_to_stop, show_history};
use super::confirm::{Yes, environment, needs};
use super::execute::{REFUSED, RESUMABLE, execution_name, programs};
use super::journal::{HistoryArgs, StatusArgs, StopArgs, user};
use super::output::Output;
use super::runs::ReportArgs;
use super::terminal::say;
use super::value_file::value_of_file;
use super::{print, runtime, width};
use crate::execution::journal_dir::Order;
use crate::execution::transfer_dir::{TransferDir, TransferWriter, history as history_of};
use crate::live::clock::{Clock, unix_ms};
use crate::live::record;
use crate::live::redact::Redaction;
use crate::live::transfer::lease::{Leases, NotTaken};
use crate::live::transfer::proof::{self, Refused};
use crate::live::transfer::{End, carry};
use crate::live::{Client, Observer, Target, process};
use crate::request::control_plane::ControlPlane;
use crate::request::input;
use crate::request::plan::Request;
use crate::request::transfer::TransferRequest;
use crate::snapshot::{Source, hex, parsed_values, source};
use crate::transfer::execution::{Began, Entry, JOURNAL_VERSION, Record, State, Where};
use crate::transfer::plan::{Action, WaveName};
use crate::transfer::simulate::{Predicted, TransferSimOptions};
use crate::transfer::{Commands, Places, TransferPlan};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Exit status of an execution in which a step failed.
const FAILED: i32 = 3;

/// What is done with a plan.
#[derive(Debug, Subcommand)]
pub enum TransferRun {
    /// Simulate a plan: how long each wave takes, how long each workload is not served, what fails and why.
    Simulate(Box<TransferSimulateArgs>),
    /// Carry a plan out: wave by wave, with gates, on both clusters.
    Execute(Box<TransferExecuteArgs>),
    /// Go on with a transfer whose process ended, try a step again that failed, or take waves back.
    Resume(TransferResumeArgs),
    /// Show how a transfer stands: waves predicted and actual, downtime, steps, gates, and what to do next.
    Status(TransferDirArgs),
    /// Show what happened in a transfer, entry by entry.
    History(TransferDirArgs),
    /// Approve a gate, or give evidence for an item of the checklist.
    Approve(TransferApproveArgs),
    /// Ask a running transfer to stop after the step under way.
    Stop(TransferStopArgs),
}

/// `transfer simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry transfer simulate plan.json
  nodeferry transfer simulate plan.json --target-dump aks.json.gz --groups pools.yaml --source-dump eks.json.gz
  nodeferry transfer simulate plan.json --simulation times.yaml -o json

Without a dump of the target every pod finds a place at once, and storage classes are taken to be there. Exit status: 0 completes, 2 bad input, 3 fails.")]
pub struct TransferSimulateArgs {
    /// The plan, as `nodeferry transfer plan` wrote it.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Dump(s) of the target: where pods find places, by the rules of its scheduler.
    #[arg(long, value_name = "DUMP")]
    pub target_dump: Vec<PathBuf>,
    /// Node groups of the target that an autoscaler makes larger, in nodeferry's own form. Inferred from the dump if not given.
    #[arg(long, value_name = "FILE", requires = "target_dump")]
    pub groups: Vec<PathBuf>,
    /// Dump(s) of the source: for pods of workloads that Velero restores, which the plan does not hold.
    #[arg(long, value_name = "DUMP")]
    pub source_dump: Vec<PathBuf>,
    /// Bandwidths, times and what fails (YAML or JSON; `nodeferry schema transfer-simulation`).
    #[arg(long, value_name = "FILE")]
    pub simulation: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// The two clusters.
#[derive(Clone, Debug, Args)]
pub struct ClustersArgs {
    /// The kubeconfig's context of the cluster that workloads leave.
    #[arg(long, value_name = "C")]
    pub source_context: Option<String>,
    /// The kubeconfig's context of the cluster that they move to.
    #[arg(long, value_name = "C")]
    pub target_context: Option<String>,
    /// The kubeconfig of the source; KUBECONFIG or ~/.kube/config if not given.
    #[arg(long, value_name = "F")]
    pub source_kubeconfig: Option<PathBuf>,
    /// The kubeconfig of the target; KUBECONFIG or ~/.kube/config if not given.
    #[arg(long, value_name = "F")]
    pub target_kubeconfig: Option<PathBuf>,
}

impl ClustersArgs {
    /// A context of the journal where the command line names no cluster; that it is still the same one is proved afterwards.
    fn or(&self, began: &Began) -> ClustersArgs {
        let mut clusters = self.clone();
        for (context, kubeconfig, at) in [
            (&mut clusters.source_context, &self.source_kubeconfig, &began.source),
            (&mut clusters.target_context, &self.target_kubeconfig, &began.target),
        ] {
            if kubeconfig.is_none() && !at.context.is_empty() {
                context.get_or_insert_with(|| at.context.clone());
            }
        }
        clusters
    }

    /// Both must be named: the current context alone would be one cluster for both.
    async fn connect(&self) -> Result<(Client, Client)> {
        for (role, context, kubeconfig) in [
            ("source", &self.source_context, &self.source_kubeconfig),
            ("target", &self.target_context, &self.target_kubeconfig),
        ] {
            if context.is_none() && kubeconfig.is_none() {
                bail!("which cluster is the {role}? give --{role}-context or --{role}-kubeconfig");
            }
        }
        let target = |kubeconfig: &Option<PathBuf>, context: &Option<String>| Target {
            kubeconfig: kubeconfig.clone(),
            context: context.clone(),
        };
        let source = Client::connect(&target(&self.source_kubeconfig, &self.source_context)).await?;
        Ok((source, Client::connect(&target(&self.target_kubeconfig, &self.target_context)).await?))
    }
}

/// `transfer execute`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry transfer execute plan.json --source-context eks --target-context aks --dry-run
  nodeferry transfer execute plan.json --source-context eks --target-context aks \\
    --journal transfer --set STORAGE_ACCOUNT=shopbackups --yes-gate reconciliation-paused

Commands run without a shell; --set fills in their words in angle brackets, and NODEFERRY_EXECUTION, NODEFERRY_STEP, NODEFERRY_SOURCE_CONTEXT and
NODEFERRY_TARGET_CONTEXT stand in their environment. A command may run twice if the process is killed while it runs.

Ctrl-C leaves at once, and after the end of a command that runs: what goes on in the clusters goes on, and nodeferry transfer resume waits for it again.
docs/transfer-execute.md has it all.

Exit status: 0 completed or taken back as asked, 2 refused (nothing was changed) or bad input, 3 a step failed: try it again or take its wave back with
nodeferry transfer resume, 5 interrupted, a wait has reached its limit, or another process carries it out: go on with nodeferry transfer resume.")]
pub struct TransferExecuteArgs {
    /// The plan, as `nodeferry transfer plan` wrote it.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Which clusters.
    #[command(flatten)]
    pub clusters: ClustersArgs,
    /// How it begins.
    #[command(flatten)]
    pub begin: BeginArgs,
    /// A gate, or an item of the checklist, that is approved beforehand; once for each.
    #[arg(long, value_name = "GATE")]
    pub yes_gate: Vec<String>,
    /// What stands for `<NAME>` in commands of the plan; once for each.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Predict with these bandwidths and times before it begins, from the clusters as they are (YAML or JSON; `nodeferry schema
    /// transfer-simulation`); `nodeferry transfer status` holds what comes against it.
    #[arg(long, value_name = "FILE")]
    pub simulation: Option<PathBuf>,
}

/// `transfer resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry transfer resume transfer
  nodeferry transfer resume transfer --retry
  nodeferry transfer resume transfer --source-context eks --target-context aks --roll-back W1

The contexts are those with which the transfer began, if none are given.

Exit status: as of nodeferry transfer execute.")]
pub struct TransferResumeArgs {
    /// Directory of the journal.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Which clusters.
    #[command(flatten)]
    pub clusters: ClustersArgs,
    /// Try the step again that failed. What Velero has made is made again under another name; what a restore has made is deleted before.
    #[arg(long, conflicts_with = "roll_back")]
    pub retry: bool,
    /// Take waves back, the latest first, down to this one; the wave under way if none is named. Refused once names point to the target.
    #[arg(long, value_name = "WAVE", num_args = 0..=1, default_missing_value = "", value_parser = wave)]
    pub roll_back: Option<Back>,
    /// How to print: for people on standard error, or a JSON object a line on standard output.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// How far waves are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back(Option<WaveName>);

fn wave(text: &str) -> Result<Back, String> {
    let all = [WaveName::W0, WaveName::W1, WaveName::W2, WaveName::W3, WaveName::W4];
    match text {
        "" => Ok(Back(None)),
        text => match all.into_iter().find(|w| w.id() == text.to_lowercase()) {
            Some(wave) => Ok(Back(Some(wave))),
            None => Err("no such wave; waves are W0 to W4".to_owned()),
        },
    }
}

/// A journal's directory, and how to print.
#[derive(Debug, Args)]
pub struct TransferDirArgs {
    /// Directory of the journal.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `transfer approve`.
#[derive(Debug, Args)]
pub struct TransferApproveArgs {
    /// Directory of the journal.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The gate, or the item of the checklist.
    #[arg(value_name = "GATE")]
    pub gate: String,
    /// What shows that an item of the checklist is so: words or a link. Noted in the journal.
    #[arg(long, value_name = "TEXT")]
    pub evidence: Option<String>,
    /// Who approves, for the journal; the name of the user if not given.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// `transfer stop`.
#[derive(Debug, Args)]
pub struct TransferStopArgs {
    /// Directory of the journal.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// End the process now instead of after the step under way.
    #[arg(long)]
    pub now: bool,
}

/// Runs it.
pub(super) fn run(command: TransferRun) -> Result<i32> {
    match command {
        TransferRun::Simulate(args) => simulate(&args),
        TransferRun::Execute(args) => execute(&args),
        TransferRun::Resume(args) => resume(&args),
        TransferRun::Status(args) => show(&dir_of(&args.dir), args.output),
        TransferRun::History(args) => show_history(&dir_of(&args.dir).read()?, history_of, args.output),
        TransferRun::Approve(args) => approve(&args),
        TransferRun::Stop(args) => ask_to_stop(&dir_of(&args.dir), args.now, Output::Table),
    }
}

/// The directory of a journal that is named by it, or by its file.
fn dir_of(path: &Path) -> TransferDir {
    TransferDir::found(path).unwrap_or_else(|| TransferDir::at(path))
}

/// Reads a plan, with its bytes.
fn read_plan(path: &Path) -> Result<(TransferPlan, Vec<u8>)> {
    let at = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the plan {at}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("{at}: not text; expected the JSON of a plan"))?;
    let plan = TransferPlan::parse(text).map_err(|e| anyhow!("{at}: {e}"))?;
    Ok((plan, bytes))
}

fn simulation(path: &Path, plan: &TransferPlan) -> Result<TransferSimOptions> {
    let form = "the form of `nodeferry schema transfer-simulation`";
    let options: TransferSimOptions = value_of_file(path, "--simulation", form)?;
    let mut problems = options.problems();
    problems.extend(options.unknown(plan));
    match problems.is_empty() {
        true => Ok(options),
        false => bail!("--simulation {}: {}", path.display(), problems.join("; ")),
    }
}

fn simulate(args: &TransferSimulateArgs) -> Result<i32> {
    let (plan, _) = read_plan(&args.plan)?;
    let options = match &args.simulation {
        Some(path) => simulation(path, &plan)?,
        None => TransferSimOptions::default(),
    };
    let target = match args.target_dump.as_slice() {
        [] => None,
        dump => Some(target_of(&source::load(dump)?, &args.groups)?),
    };
    let objects = match args.source_dump.as_slice() {
        [] => Vec::new(),
        dump => objects_of(&source::load(dump)?)?,
    };
    let result = TransferRequest::new(plan, target, objects).simulate(&options);
    match args.output {
        Output::Json => print(&crate::typed::pretty(&result)?)?,
        Output::Table => print(&result.text(width()))?,
    }
    Ok(result.exit_status())
}

/// The target's cluster of a dump, with the autoscaler that goes with its groups.
fn target_of(sources: &[Source], groups: &[PathBuf]) -> Result<Request> {
    let loaded = input::cluster_of_dump(sources, groups, None, &ControlPlane::default(), false)?;
    let mut request = input::request_of_cluster(loaded);
    input::assume_autoscaler(&mut request);
    Ok(request)
}

/// Objects of a dump.
fn objects_of(sources: &[Source]) -> Result<Vec<serde_json::Value>> {
    let mut objects = Vec::new();
    for source in sources {
        for document in parsed_values(source)? {
            match document["items"].as_array() {
                Some(items) => objects.extend(items.iter().cloned()),
                None => objects.push(document),
            }
        }
    }
    Ok(objects)
}

/// What is predicted from the clusters as they are.
async fn predict(
    source: &Client,
    target: &Client,
    plan: &TransferPlan,
    mut options: TransferSimOptions,
    synced_ms: Option<i64>,
) -> Result<Predicted> {
    let read = |client: &Client| {
        let client = client.clone();
        async move { record::record(&client, &Redaction::default(), &mut |_| ()).await }
    };
    if options.first_sync_ms.is_none() {
        // It looks again a period after the last time.
        options.first_sync_ms =
            synced_ms.map(|last| (last + options.sync_period_ms - unix_ms()).rem_euclid(options.sync_period_ms));
    }
    let (from, to) = (read(source).await?, read(target).await?);
    let request = target_of(&[to.source()?], &[])?;
    let result = TransferRequest::new(plan.clone(), Some(request), from.objects).simulate(&options);
    say(&format!("predicted: {} after {}", result.outcome, crate::report::format::time(result.duration_ms)));
    if let Some(f) = &result.failure {
        bail!("it is predicted to fail at {} ({}): {}; {}", f.step, f.reason, f.why, f.remedy);
    }
    Ok(result.predicted())
}

fn execute(args: &TransferExecuteArgs) -> Result<i32> {
    let at = args.plan.display().to_string();
    let (plan, bytes) = read_plan(&args.plan)?;
    let options = match &args.simulation {
        Some(path) => Some(simulation(path, &plan)?),
        None => None,
    };
    let begin = &args.begin;
    let places = Places::of(&args.set).map_err(|e| anyhow!("--set: {e}"))?;
    // Said before the proof, which takes a while, and not after it.
    fits(&plan, &places, &args.yes_gate).with_context(|| at.clone())?;
    let lines = dangers(&plan, &places, begin);
    let plan_sha256 = hex(&Sha256::digest(&bytes));
    let yes = Yes { begin, sha256: &plan_sha256, lines: &lines, is_harmless: lines.is_empty() };
    yes.check()?;
    if let Some(dir) = &begin.journal {
        TransferDir::at(dir).vacant()?;
    }
    runtime()?.block_on(async {
        let (source, target) = args.clusters.connect().await?;
        let proved = proof::prove(&source, &target, &plan, &mut |step| say(&format!("ok: {step}"))).await?;
        proved.notes.iter().for_each(|note| say(&format!("note: {note}")));
        lines.iter().for_each(|danger| say(&format!("this plan {danger}")));
        let predicted = match options {
            Some(options) => Some(predict(&source, &target, &plan, options, proved.synced_ms).await?),
            None => None,
        };
        if begin.dry_run {
            return dry_run(&target, &plan, &lines, &plan_sha256, begin.output).await;
        }
        if !yes.is_given(&question(&plan, &source, &target))? {
            say("Nothing was done.");
            return Ok(REFUSED);
        }
        let unix_ms = unix_ms();
        let began = Began {
            transfer_journal_version: JOURNAL_VERSION,
            nodeferry: env!("CARGO_PKG_VERSION").to_owned(),
            execution: execution_name(unix_ms, &plan_sha256),
            source: Where { context: source.context().to_owned(), cluster: proved.source },
            target: Where { context: target.context().to_owned(), cluster: proved.target },
            unix_ms,
            plan_sha256: plan_sha256.clone(),
            pass_env: begin.pass_env.clone(),
            places: places.0,
            approved: args.yes_gate.clone(),
            predicted,
            plan,
        };
        let clock = Clock::since(unix_ms, 0);
        let Some(leases) = take(&source, &began, clock).await? else { return Ok(RESUMABLE) };
        let dir = TransferDir::at(begin.journal_of(&began.execution));
        let journal = match dir.create() {
            Ok(journal) => journal,
            Err(e) => {
                leases.give_back().await;
                return Err(e.into());
            }
        };
        say(&format!("execution {}; journal in {}", began.execution, dir.path().display()));
        let mut process = Process { journal, state: State::new(began.clone()), output: begin.output };
        process.write(Record::Began(Box::new(began)))?;
        process.carry_on(&source, &target, leases).await
    })
}

/// Refuses a plan that nobody may begin: findings that block, commands with open places, gates that are none.
fn fits(plan: &TransferPlan, places: &Places, gates: &[String]) -> Result<()> {
    if !plan.findings.open.is_empty() {
        let list: String =
            plan.findings.open.iter().map(|f| format!("\n  {} {}: {}", f.code, f.object, f.message)).collect();
        bail!(
            "the plan has findings that block:{list}\nanswer them in the mapping, or accept each there with its reason, and plan again"
        );
    }
    let problems = Commands::problems(plan, places);
    if !problems.is_empty() {
        bail!("commands of the plan cannot run:\n  {}\nfill places in with --set NAME=VALUE", problems.join("\n  "));
    }
    let known: Vec<&str> = gates_of(plan).chain(plan.checklist.iter().map(|i| i.name.as_str())).collect();
    if let Some(unknown) = gates.iter().find(|g| !known.contains(&g.as_str())) {
        bail!("--yes-gate {unknown}: the plan has no such gate (it has: {})", known.join(", "));
    }
    Ok(())
}

/// Gates of a plan, those of ways back too.
fn gates_of(plan: &TransferPlan) -> impl Iterator<Item = &str> {
    plan.waves.iter().flat_map(|w| w.steps.iter().chain(&w.rollback)).filter_map(|s| match &s.action {
        Action::Gate { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// What a plan does that a person should see before saying yes: programs, those of ways back too, and what stops or is deleted.
fn dangers(plan: &TransferPlan, places: &Places, begin: &BeginArgs) -> Vec<String> {
    let (mut lines, mut runs) = (Vec::new(), false);
    let steps = plan.steps().map(|(_, step)| (step, ""));
    let back = plan.waves.iter().flat_map(|w| &w.rollback).map(|step| (step, ", if its wave is taken back"));
    for (step, when) in steps.chain(back) {
        for words in Commands::words(step, places).unwrap_or_default() {
            runs = true;
            lines.push(format!("runs at {}{when}: {}", step.id, words.join(" ")));
        }
        match &step.action {
            Action::Fence { workloads, .. } => {
                let names: Vec<&str> = workloads.iter().map(|w| w.as_str()).collect();
                lines.push(format!("stops writes to {} on the source at {}", names.join(", "), step.id));
            }
            Action::CutOver { hosts, .. } => {
                let names: Vec<&str> = hosts.iter().map(|h| h.host.as_str()).filter(|h| !h.is_empty()).collect();
                let names = if names.is_empty() { "traffic".to_owned() } else { names.join(", ") };
                lines.push(format!("points {names} to the target at {}: after that no wave is taken back", step.id));
            }
            _ => {}
        }
    }
    if runs {
        lines.push(environment(begin));
    }
    lines
}

fn question(plan: &TransferPlan, source: &Client, target: &Client) -> String {
    let workloads = plan.waves.iter().flat_map(|w| &w.members).filter(|m| m.pods.is_some()).count();
    format!(
        "Move {workloads} workloads in {} waves from context {} to context {}.",
        plan.waves.len(),
        source.context(),
        target.context()
    )
}

async fn dry_run(
    target: &Client,
    plan: &TransferPlan,
    dangers: &[String],
    sha256: &str,
    output: Output,
) -> Result<i32> {
    let (refused, later) = proof::dry_run(target, plan).await?;
    match output {
        Output::Json => print(&crate::typed::pretty(
            &serde_json::json!({"refused": refused, "not_asked": later, "dangers": dangers, "plan_sha256": sha256}),
        )?)?,
        Output::Table => {
            refused.iter().for_each(|line| say(&format!("the target refuses {line}")));
            if later > 0 {
                say(&format!(
                    "{later} objects cannot be asked for yet: their namespace or kind is made by an earlier step"
                ));
            }
            let verdict = if refused.is_empty() { "The plan fits." } else { "The plan does not fit." };
            let how = if dangers.is_empty() { String::new() } else { needs(sha256) };
            say(&format!("{verdict} Nothing was done (--dry-run).{how}"));
        }
    }
    Ok(if refused.is_empty() { 0 } else { REFUSED })
}

fn resume(args: &TransferResumeArgs) -> Result<i32> {
    let dir = dir_of(&args.dir);
    let (journal, entries) = dir.reopen()?;
    let state = State::fold(&entries)
        .with_context(|| format!("{}: the journal has no entry: nothing has begun", dir.path().display()))?;
    if let Some(ended) = &state.ended {
        say(&format!(
            "execution {} has ended already: {}: {}\n  next: {}",
            state.began.execution,
            ended.outcome.text(),
            ended.message,
            ended.remedy
        ));
        return Ok(ended.outcome.exit_status());
    }
    let mut records = vec![Record::Resumed];
    match (&state.failed, args.roll_back) {
        (_, Some(Back(wave))) => {
            if let Some(why) = state.cannot_roll_back() {
                bail!("--roll-back: {why}");
            }
            let under_way = state.wave().unwrap_or(WaveName::W0);
            let first = wave.unwrap_or(under_way);
            if first > under_way {
                bail!("--roll-back {first:?}: this wave has not begun; {under_way:?} is under way");
            }
            if state.rollback.is_some_and(|r| r < first) {
                bail!("--roll-back {first:?}: waves are being taken back further than that already");
            }
            records.push(Record::RollbackBegan { wave: first });
        }
        (Some(failed), None) if args.retry => records.push(Record::Retried { from: state.retry_from(&failed.step) }),
        (Some(failed), None) => {
            say(&format!("{} failed ({}): {}\n  next: {}", failed.step, failed.reason, failed.why, failed.remedy));
            say(&format!("then {}", state.ways_on(&dir.path().display().to_string())));
            return Ok(FAILED);
        }
        (None, None) if args.retry => bail!("--retry: no step has failed; without it the transfer goes on"),
        (None, None) => {}
    }
    runtime()?.block_on(async {
        let (source, target) = args.clusters.or(&state.began).connect().await?;
        for (client, role, at) in [(&source, "source", &state.began.source), (&target, "target", &state.began.target)] {
            match proof::cluster(client, role, Some(&at.cluster)).await {
                Ok(_) => {}
                Err(Refused::Api(e)) => {
                    say(&format!("interrupted: {e}\nGo on with: nodeferry transfer resume {}", dir.path().display()));
                    return Ok(RESUMABLE);
                }
                Err(e) => return Err(e.into()),
            }
        }
        let clock = Clock::since(state.began.unix_ms, state.t_ms);
        let Some(leases) = take(&source, &state.began, clock).await? else { return Ok(RESUMABLE) };
        say(&format!("execution {} goes on; journal in {}", state.began.execution, dir.path().display()));
        let mut process = Process { journal, state, output: args.output };
        for record in records {
            process.write(record)?;
        }
        process.carry_on(&source, &target, leases).await
    })
}

/// Takes the Leases of a transfer, before anything is written down; None if another process has one.
async fn take(source: &Client, began: &Began, clock: Clock) -> Result<Option<Leases>> {
    let process = process::this();
    let at = (clock, began.unix_ms);
    match Leases::take(source, &began.plan, &began.execution, &process, at, &mut |note| say(note)).await {
        Ok(leases) => Ok(Some(leases)),
        Err(NotTaken::Held(why)) => {
            say(&format!("{why}: the transfer is under way there; nothing was done here"));
            Ok(None)
        }
        Err(refused) => Err(refused.into()),
    }
}

/// A process at work.
struct Process {
    journal: TransferWriter,
    state: State,
    output: Output,
}

impl Process {
    fn clock(&self) -> Clock {
        Clock::since(self.state.began.unix_ms, self.state.t_ms)
    }

    fn write(&mut self, record: Record) -> Result<()> {
        let entry = Entry { seq: self.state.next_seq, t_ms: self.clock().now().max(self.state.t_ms), record };
        self.journal.append(&entry)?;
        if !matches!(entry.record, Record::Began(_)) {
            Shown(self.output).entry(&entry, entry.record.words(&self.state).as_deref());
        }
        self.state.add(&entry);
        Ok(())
    }

    async fn carry_on(mut self, source: &Client, target: &Client, leases: Leases) -> Result<i32> {
        let clock = self.clock();
        let dir = self.journal.dir().path().to_owned();
        let mut shown = Shown(self.output);
        let programs = programs(&self.journal.dir().dir().programs(), &self.state.began.pass_env).await?;
        match carry((source, target), leases, &programs, &mut self.journal, self.state, clock, &mut shown).await {
            Ok(End::Ended(outcome)) => {
                say(&format!(
                    "{}; what was predicted against what came: nodeferry transfer status {}",
                    outcome.text(),
                    dir.display()
                ));
                Ok(outcome.exit_status())
            }
            Ok(End::Failed) => Ok(FAILED),
            Ok(End::Interrupted) => Ok(RESUMABLE),
            Err(e) => {
                say(&format!("error: {e}"));
                Ok(RESUMABLE)
            }
        }
    }
}

fn show(dir: &TransferDir, output: Output) -> Result<i32> {
    let report = dir.report(&dir.path().display().to_string())?;
    match output {
        Output::Json => print(&crate::typed::pretty(&report)?)?,
        Output::Table => print(&report.text(width()))?,
    }
    Ok(0)
}

/// The state of a journal.
fn state_of(dir: &TransferDir) -> Result<State> {
    State::fold(&dir.read()?).context("the journal has no entry: nothing has begun")
}

fn approve(args: &TransferApproveArgs) -> Result<i32> {
    let dir = dir_of(&args.dir);
    let state = state_of(&dir)?;
    if let Some(ended) = &state.ended {
        bail!("{} has ended already ({}); no gate is to come", state.began.execution, ended.outcome.text());
    }
    let plan = &state.began.plan;
    let gates: Vec<&str> = gates_of(plan).collect();
    let items: Vec<&str> = plan.checklist.iter().map(|i| i.name.as_str()).collect();
    let is_item = items.contains(&args.gate.as_str());
    if !gates.contains(&args.gate.as_str()) && !is_item {
        bail!(
            "the plan has no gate {}; it has the gates {} and the checklist {}",
            args.gate,
            gates.join(", "),
            items.join(", ")
        );
    }
    let by = args.by.clone().unwrap_or_else(user);
    let by = match (is_item, &args.evidence) {
        (true, None) => bail!("{} is an item of the checklist: give its evidence (--evidence TEXT)", args.gate),
        (_, Some(evidence)) => format!("{by}: {evidence}"),
        (false, None) => by,
    };
    dir.dir().ask(&Order::ApproveGate { gate: args.gate.clone(), by })?;
    print(&format!("gate {} of {} is approved", args.gate, state.began.execution))?;
    Ok(0)
}

fn ask_to_stop(dir: &TransferDir, now: bool, output: Output) -> Result<i32> {
    let state = state_of(dir)?;
    if let Some(ended) = &state.ended {
        return answer(&nothing_to_stop(&state.began.execution, ended.outcome), output);
    }
    let process = dir.dir().process()?;
    if now && process.is_none() {
        let text = format!(
            "no process carries {} out; there is nothing to end (nodeferry transfer resume {} goes on)",
            state.began.execution,
            dir.path().display()
        );
        return answer(&text, output);
    }
    let order = match now {
        true => Order::Interrupt { why: format!("{} asked it to end now", user()) },
        false => Order::Stop { terminate_drained: None },
    };
    dir.dir().ask(&order)?;
    let how = if now { "to end now" } else { "to stop after the step under way" };
    let who = match process {
        Some(_) => String::new(),
        None => format!(
            "; no process carries it out now: nodeferry transfer resume {} will take it up",
            dir.path().display()
        ),
    };
    answer(&format!("asked {} {how}{who}", state.began.execution), output)
}

/// `status` of a journal's directory, whatever it is of.
pub(super) fn status_of(args: &StatusArgs, dir: &TransferDir) -> Result<i32> {
    show(dir, args.journal.output)
}

/// `report`.
pub(super) fn report(args: &ReportArgs, dir: &TransferDir) -> Result<i32> {
    if args.report.is_some() || args.trace.is_some() {
        bail!("--report and --trace are for a migration of workloads; {} is a transfer", dir.path().display());
    }
    show(dir, args.output)
}

/// `approve`, which names a batch.
pub(super) fn needs_gate(path: &Path) -> Result<i32> {
    bail!(
        "{0} is the journal of a transfer, whose gates have names: nodeferry transfer approve {0} GATE",
        path.display()
    )
}

/// `history`.
pub(super) fn history(args: &HistoryArgs, dir: &TransferDir) -> Result<i32> {
    show_history(&dir.read()?, history_of, args.output)
}

/// `stop`.
pub(super) fn stop(args: &StopArgs, dir: &TransferDir) -> Result<i32> {
    if args.terminate_drained.is_some() {
        bail!(
            "--terminate-drained is for a migration of workloads to other nodes; {} is a transfer",
            dir.path().display()
        );
    }
    ask_to_stop(dir, args.now, args.journal.output)
}

/// `resume`, which names one cluster.
pub(super) fn needs_two(path: &Path) -> Result<i32> {
    bail!("{0} is the journal of a transfer, which has two clusters: nodeferry transfer resume {0}", path.display())
}
