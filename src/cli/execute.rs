//! `execute` and `resume`: a plan carried out on a live cluster.

use super::carry::CarryArgs;
use super::confirm::Confirmation;
use super::output::Output;
use super::teller::Teller;
use super::terminal::say;
use super::{TargetArgs, runtime};
use crate::execution::journal_dir::{JournalDir, JournalWriter};
use crate::live::clock::{Clock, unix_ms};
use crate::live::driver::drive;
use crate::live::events::NodeEvents;
use crate::live::metrics::{Counts, MetricsServer};
use crate::live::permissions::{self, Deeds};
use crate::live::process;
use crate::live::program::Programs;
use crate::live::proof::{self, Proven, Refusal};
use crate::live::record::{self, Recorded};
use crate::live::redact::Redaction;
use crate::live::{Client, LEASE_NAMESPACE};
use crate::plan::Plan;
use crate::plan::preflight::ocean_imitated;
use crate::runner::Progress;
use crate::session::journal::{JOURNAL_VERSION, fold};
use crate::session::{Began, End, Resumed, Session, Setup};
use crate::snapshot::hex;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Exit status of an execution that ended before its end and can be resumed.
pub(super) const RESUMABLE: i32 = 5;
/// Exit status of a plan that is not carried out.
pub(super) const REFUSED: i32 = 2;
/// Objects of one page of a list.
const PAGE: u32 = 500;

/// `execute`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry execute plan.json --dry-run
  nodeferry execute plan.json --context prod --journal runs/monday
  nodeferry execute plan.json --yes -o json --metrics :9100 > events.jsonl

Before anything is touched it is proved that the plan fits: the same cluster, the permissions, no other execution, nothing changed that it
depends on, the prediction from the present state. Ctrl-C stops in order; twice leaves at once, to be resumed. From another terminal:
nodeferry status, stop, approve, history with the journal's directory. docs/execute.md has it all.

Exit status: 0 completed or stopped as asked, 2 refused (nothing was changed) or bad input, 3 failed, 4 completed in part, 5 interrupted:
go on with nodeferry resume.")]
pub struct ExecuteArgs {
    /// The plan, as `nodeferry plan --plan F` wrote it.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// How it is carried out.
    #[command(flatten)]
    pub carry: CarryArgs,
    /// Serve Prometheus metrics at this address (127.0.0.1:9100, :0 for any port).
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
}

/// `resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nodeferry resume nodeferry-20261121-165000-3fa9

Goes on with an execution whose process ended, however it ended: the journal says how far it is, and the cluster what became of it.
Exit status: as of nodeferry execute.")]
pub struct ResumeArgs {
    /// Directory of the journal.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Which cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Serve Prometheus metrics at this address (127.0.0.1:9100, :0 for any port).
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// How to print: for people on standard error, or a JSON object a line on standard output.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// Runs `execute`.
pub(super) fn execute(args: ExecuteArgs) -> Result<i32> {
    let at = args.plan.display().to_string();
    let bytes = std::fs::read(&args.plan).with_context(|| format!("cannot read the plan {at}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("{at}: not text; expected the JSON of a plan"))?;
    let plan = Plan::parse(text).map_err(|e| anyhow!("{at}: {e}"))?;
    let problems = plan.intent.options.problems();
    if !problems.is_empty() {
        bail!("{at}: {}", problems.join("; "));
    }
    // Said before the proof, which takes a while, and not after it.
    let carry = &args.carry;
    let options = plan.intent.options.clone();
    let begin = &carry.begin;
    let confirmation = Confirmation::of(&options, &bytes, begin);
    confirmation.check()?;
    if let Some(dir) = &begin.journal {
        JournalDir::at(dir).vacant()?;
    }
    let procedure = plan.intent.options.procedure;
    if procedure.is_ocean() {
        say(&format!("note: {}", ocean_imitated::notice(procedure)));
    }
    runtime()?.block_on(async {
        let client = Client::connect(&carry.target.target()).await?;
        let limits = carry.limits();
        let proven = proof::prove(&client, &plan, limits, &mut |step| say(&format!("ok: {step}"))).await?;
        let confirmation = confirmation.with(&proven);
        confirmation.say();
        if begin.dry_run {
            return confirmation.dry_run(&proven);
        }
        if !confirmation.is_given(&question(&plan, &client, &proven))? {
            say("Nothing was done.");
            return Ok(REFUSED);
        }
        let began = began(plan, &client, &proven, &confirmation.sha256, begin.pass_env.clone());
        let counts = Counts::of(&began.plan.intent);
        let metrics = serve(args.metrics.as_deref(), &counts).await?;
        let dir = JournalDir::at(begin.journal_of(&began.execution));
        let journal = dir.create()?;
        say(&format!("execution {}; journal in {}", began.execution, dir.path().display()));
        let background = proof::background(&proven.recorded);
        drop(proven);
        let run = Run { client, journal, metrics, output: begin.output, resumed_by: None };
        run.carry_out(began, background, None, counts).await
    })
}

/// Runs `resume`.
pub(super) fn resume(args: ResumeArgs) -> Result<i32> {
    let dir = JournalDir::at(&args.dir);
    let (journal, read) = dir.reopen()?;
    let (began, resumed) = fold(&read.entries).map_err(|e| anyhow!("{}: {e}", args.dir.display()))?;
    if let Some(torn) = &read.torn {
        say(&format!("the journal's last line was never finished, and is cut off: {torn}"));
    }
    if let Some((outcome, failure)) = &resumed.ended {
        say(&format!("execution {} has ended already: {}", began.execution, outcome.text()));
        failure.iter().for_each(|f| say(&f.message));
        return Ok(outcome.exit_status());
    }
    let mut counts = Counts::of(&began.plan.intent);
    read.entries.iter().for_each(|e| counts.entry(e));
    runtime()?.block_on(async {
        let client = Client::connect(&args.target.target()).await?;
        let metrics = serve(args.metrics.as_deref(), &counts).await?;
        let recorded = match look(&client, &began).await {
            Ok(recorded) => recorded,
            // An API that does not answer is no reason to give up: it can be tried again.
            Err(Refusal::Api(e)) => return Ok(ended(&End::Interrupted(e.to_string()), &args.dir, &[])),
            Err(e) => return Err(e.into()),
        };
        say(&format!("execution {} goes on; journal in {}", began.execution, args.dir.display()));
        let background = proof::background(&recorded);
        drop(recorded);
        let run = Run { client, journal, metrics, output: args.output, resumed_by: None };
        run.carry_out(began, background, Some(resumed), counts).await
    })
}

/// The cluster of an execution that goes on, if it is the same and we may go on in it.
pub(super) async fn look(client: &Client, began: &Began) -> Result<Recorded, Refusal> {
    proof::same_cluster(client, Some(&began.cluster)).await?;
    proof::permitted(client, &permissions::execute(Deeds::of(&began.plan), LEASE_NAMESPACE)).await?;
    Ok(record::record(client, &Redaction::default(), &mut |_| ()).await?)
}

fn question(plan: &Plan, client: &Client, proven: &Proven) -> String {
    let nodes: usize = plan.intent.batches.iter().map(Vec::len).sum();
    format!(
        "Empty {nodes} nodes of context {} in {} batches with procedure {}{}; predicted: {}.",
        client.context(),
        plan.intent.batches.len(),
        plan.intent.options.procedure.name(),
        if plan.intent.options.terminates() { ", and end their machines" } else { "" },
        proof::predicted_text(&proven.forecast),
    )
}

pub(super) fn began(plan: Plan, client: &Client, proven: &Proven, sha256: &str, pass_env: Vec<String>) -> Began {
    let unix_ms = unix_ms();
    let plan_sha256 = sha256.to_owned();
    Began {
        journal_version: JOURNAL_VERSION,
        nodeferry: env!("CARGO_PKG_VERSION").into(),
        execution: execution_name(unix_ms, &plan_sha256),
        cluster: proven.cluster.clone(),
        context: client.context().to_owned(),
        unix_ms,
        plan_sha256,
        pass_env,
        plan,
    }
}

/// `nodeferry-20261121-165000-3fa9`: when, and four digits that tell apart what began in the same second.
pub(super) fn execution_name(unix_ms: i64, plan_sha256: &str) -> String {
    let text = crate::snapshot::time::format_rfc3339(unix_ms, 0);
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    let seed = format!("{unix_ms} {} {plan_sha256}", std::process::id());
    let tail: String = hex(&Sha256::digest(seed.as_bytes())).chars().take(4).collect();
    format!("nodeferry-{}-{tail}", digits.replace('T', "-"))
}

/// An execution's process.
pub(super) struct Run {
    pub(super) client: Client,
    pub(super) journal: JournalWriter,
    pub(super) metrics: Option<MetricsServer>,
    pub(super) output: Output,
    /// The directory that goes on with it, where that is not the journal's.
    pub(super) resumed_by: Option<PathBuf>,
}

/// Serves the metrics, where they are asked for.
pub(super) async fn serve(address: Option<&str>, counts: &Counts) -> Result<Option<MetricsServer>> {
    let Some(address) = address else { return Ok(None) };
    let server = MetricsServer::start(address, counts.clone()).await;
    let server = server.with_context(|| {
        format!("--metrics {address}: cannot listen there; expected an address such as 127.0.0.1:9100")
    })?;
    say(&format!("metrics at http://{}/metrics", server.address()));
    Ok(Some(server))
}

/// What runs the programs of an execution; what an earlier process of it has left running is ended.
pub(super) async fn programs(dir: &Path, pass_env: &[String]) -> Result<Programs> {
    // The file that we are, even if another version has been installed meanwhile.
    let own = Path::new("/proc/self/exe");
    let starter = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
    let programs = Programs::recorded(pass_env, dir, starter)
        .with_context(|| format!("cannot make the directory {}", dir.display()))?;
    programs.end_left_over().await.iter().for_each(|what| say(what));
    Ok(programs)
}

impl Run {
    pub(super) async fn carry_out(
        mut self,
        began: Began,
        background: Vec<serde_json::Value>,
        resumed: Option<Resumed>,
        counts: Counts,
    ) -> Result<i32> {
        let intent = &began.plan.intent;
        let programs = programs(&self.journal.dir().programs(), &began.pass_env).await?;
        let uids = intent.batches.iter().flatten().map(|n| (n.name.clone(), n.uid.clone())).collect();
        let events = NodeEvents::new(self.client.clone(), &began.execution, uids);
        let mut teller = Teller::new(self.output, counts, events, self.metrics.take());
        let clock = Clock::since(began.unix_ms, resumed.as_ref().map_or(0, |r| r.t_ms));
        let names: Vec<String> = began.plan.intent.batches.iter().flatten().map(|n| n.name.clone()).collect();
        let before = resumed.as_ref().and_then(|r| r.progress.clone());
        let (process, dead) = (process::this(), proof::dead_holder(&self.client).await);
        let namespace = LEASE_NAMESPACE.into();
        let setup = Setup { began, background, namespace, process, dead, resumed, page: PAGE };
        let mut session = Session::new(setup);
        let end = drive(&mut session, &self.client, &programs, clock, &mut self.journal, &mut teller).await;
        teller.finish().await;
        let left = session.progress().or(before.as_ref()).map_or(Vec::new(), |p| left_cordoned(p, &names));
        let dir = match (self.resumed_by, &end) {
            // Of a part, the whole says how it ended.
            (Some(_), Ok(End::Finished(outcome, _))) => return Ok(outcome.exit_status()),
            (Some(whole), _) => whole,
            (None, _) => self.journal.dir().path().to_owned(),
        };
        match end {
            Ok(end) => Ok(ended(&end, &dir, &left)),
            Err(e) => {
                say(&format!("error: {e}\nGo on with: nodeferry resume {}", dir.display()));
                Ok(RESUMABLE)
            }
        }
    }
}

/// Nodes that this execution has cordoned and that are not drained: nobody else will make them schedulable again.
fn left_cordoned(progress: &Progress, names: &[String]) -> Vec<String> {
    let left = progress.common.nodes.iter().zip(names).filter(|(n, _)| n.cordoned && !n.fate.is_replaced());
    left.map(|(_, name)| name.clone()).collect()
}

/// Says how it is over, and gives the exit status.
fn ended(end: &End, dir: &Path, left: &[String]) -> i32 {
    let cordoned = |next: String| match left {
        [] => String::new(),
        _ => format!("\nCordoned by this execution and not drained: {}; {next}", left.join(", ")),
    };
    let dir = dir.display();
    match end {
        End::Finished(outcome, failure) => {
            say(&format!("{}; what was predicted against what came: nodeferry report {dir}", outcome.text()));
            if let Some(f) = failure {
                let cause = if f.cause.is_empty() { String::new() } else { format!("\n  cause:  {}", f.cause) };
                say(&format!("{}{cause}\n  remedy: {}", f.message, f.remedy));
            }
            let text = cordoned(format!("to let pods onto them again: kubectl uncordon {}", left.join(" ")));
            if !text.is_empty() {
                say(text.trim_start());
            }
            outcome.exit_status()
        }
        End::Refused(why) => {
            say(&format!("error: {why}\nNothing was changed."));
            REFUSED
        }
        End::Interrupted(why) => {
            let text = cordoned(format!(
                "going on, it drains them; to let pods onto them until then: kubectl uncordon {}",
                left.join(" ")
            ));
            // Whoever is left with a half-done migration wants to know that, too.
            let text = if text.is_empty() {
                "\nNo node is left cordoned by this execution and not drained.".to_owned()
            } else {
                text
            };
            say(&format!("interrupted: {why}{text}\nGo on with: nodeferry resume {dir}"));
            RESUMABLE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_named_after_their_beginning() {
        let name = execution_name(1_795_258_200_000, "00");
        assert!(name.starts_with("nodeferry-20261121-105000-") && name.len() == 30, "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
    }
}
