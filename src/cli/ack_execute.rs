//! `nodeferry ack execute`: the migration of a control plane carried out on a live cluster, and its journal shown.

use super::carry::{CarryArgs, Shown, answer, nothing_to_stop, show_history};
use super::confirm::Confirmation;
use super::execute::{REFUSED, RESUMABLE, ResumeArgs, Run, began, execution_name, look, programs};
use super::journal::{HistoryArgs, StatusArgs, StopArgs, user};
use super::output::Output;
use super::runs::ReportArgs;
use super::terminal::say;
use super::time::parse_time;
use super::value_file::value_of_file;
use super::{print, runtime, width};
use crate::ack::AckPlan;
use crate::ack::execution::{Began, Entry, JOURNAL_VERSION, Limits, Record, Stage, State};
use crate::ack::simulate::AckSimOptions;
use crate::execution::ack_dir::{AckDir, AckWriter, history as history_of};
use crate::execution::journal_dir::Order;
use crate::intent::command::split;
use crate::live::ack::{End, carry};
use crate::live::clock::{Clock, unix_ms};
use crate::live::metrics::Counts;
use crate::live::proof::{self, Limits as ProofLimits, Proven, Refusal};
use crate::live::{Client, Observer};
use crate::runner::Outcome;
use crate::session::journal::fold;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use std::path::{Path, PathBuf};

/// `ack execute`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry ack execute ack-plan.json --dry-run
  nodeferry ack execute ack-plan.json --journal migration
  nodeferry ack execute ack-plan.json --journal migration --yes \\
    --begin './begin.sh' --poll 'aliyun cs GET /tasks/{task_id}'

Commands run without a shell; {cluster_id}, {task_id}, {bucket}, {bucket_endpoint} and {execution} are filled in, and stand in the environment as
NODEFERRY_CLUSTER_ID and so on. --begin prints {\"task_id\": …} as POST /clusters/{id}/migrate answers; --poll prints what GET /tasks/{id} answers.
Nothing else of what they print is kept.

nodeferry status, history, stop, resume and report take the journal's directory. Ctrl-C stops in order until the migration is begun; after that nothing
is stopped or taken back, and Ctrl-C twice leaves, to be resumed. docs/ack.md has it all.

Exit status: 0 completed or stopped as asked, 2 refused (nothing was changed) or bad input, 3 failed, 4 completed in part, 5 interrupted, or a wait has
reached its limit: go on with nodeferry resume.")]
pub struct AckExecuteArgs {
    /// The plan, as `nodeferry ack plan --plan F` wrote it.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// How it is carried out.
    #[command(flatten)]
    pub carry: CarryArgs,
    /// A rule that is open in the plan and is accepted; once for each. It is noted in the journal.
    #[arg(long, value_name = "RULE")]
    pub accept: Vec<String>,
    /// The command that begins the migration (POST /clusters/{id}/migrate). Without it the console does, and is waited for.
    #[arg(long, value_name = "COMMAND")]
    pub begin: Option<String>,
    /// The command that says how the task stands (GET /tasks/{id}).
    #[arg(long, value_name = "COMMAND")]
    pub poll: Option<String>,
    /// Parameters of the cut-over for the prediction (YAML or JSON; `nodeferry schema ack-simulation`).
    #[arg(long, value_name = "FILE")]
    pub simulation: Option<PathBuf>,
    /// How long to wait for the migration to be begun. 24h by default.
    #[arg(long, value_name = "TIME")]
    pub gate_limit: Option<String>,
    /// How long to wait for the API server to come back. By default the limits of all steps and the life of the signed URL: 56 min.
    #[arg(long, value_name = "TIME")]
    pub away_limit: Option<String>,
    /// How long to wait until every node reports, every workload is as before and the masters are Unknown. 30m by default.
    #[arg(long, value_name = "TIME")]
    pub settle_limit: Option<String>,
    /// All is quiet when nothing has changed for so long. 15s by default.
    #[arg(long, value_name = "TIME")]
    pub quiet_for: Option<String>,
}

/// Runs `ack execute`.
pub(super) fn execute(args: &AckExecuteArgs) -> Result<i32> {
    let at = args.plan.display().to_string();
    let bytes = std::fs::read(&args.plan).with_context(|| format!("cannot read the plan {at}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("{at}: not text; expected the JSON of a plan"))?;
    let plan = AckPlan::parse(text).map_err(|e| anyhow!("{at}: {e}"))?;
    let problems = plan.drain.intent.options.problems();
    if !problems.is_empty() {
        bail!("{at}, drain: {}", problems.join("; "));
    }
    let command = |flag: &str, text: Option<&String>| -> Result<Vec<String>> {
        text.map_or(Ok(Vec::new()), |t| split(t).map_err(|e| anyhow!("{flag}: {e}")))
    };
    let (begin, poll) = (command("--begin", args.begin.as_ref())?, command("--poll", args.poll.as_ref())?);
    let (limits, simulation) = (limits(args, &plan)?, simulation(args)?);
    // Said before the proof, which takes a while, and not after it.
    let (carry, asked) = (&args.carry, &args.carry.begin);
    let options = plan.drain.intent.options.clone();
    let confirmation = Confirmation::of(&options, &bytes, asked);
    confirmation.check()?;
    if let Some(dir) = &asked.journal {
        AckDir::at(dir).vacant()?;
    }
    open_rules(&plan, &args.accept)?;
    runtime()?.block_on(async {
        let client = Client::connect(&carry.target.target()).await?;
        let proven =
            proof::prove(&client, &plan.drain, carry.limits(), &mut |step| say(&format!("ok: {step}"))).await?;
        proof::may_delete_nodes(&client).await?;
        say("ok: we may delete the masters afterwards");
        let confirmation = confirmation.with(&proven);
        confirmation.say();
        if asked.dry_run {
            return confirmation.dry_run(&proven);
        }
        if !confirmation.is_given(&question(&plan, &client, &proven, !begin.is_empty()))? {
            say("Nothing was done.");
            return Ok(REFUSED);
        }
        let unix_ms = unix_ms();
        let plan_sha256 = confirmation.sha256.clone();
        let began = Began {
            ack_journal_version: JOURNAL_VERSION,
            nodeferry: env!("CARGO_PKG_VERSION").to_owned(),
            execution: execution_name(unix_ms, &plan_sha256),
            cluster: proven.cluster.clone(),
            context: client.context().to_owned(),
            unix_ms,
            plan_sha256,
            pass_env: asked.pass_env.clone(),
            begin,
            poll,
            accepted: args.accept.clone(),
            limits,
            simulation,
            plan,
        };
        let dir = AckDir::at(asked.journal_of(&began.execution));
        let journal = dir.create()?;
        say(&format!("execution {}; journal in {}", began.execution, dir.path().display()));
        let mut process = Process { client, journal, state: State::new(began.clone()), output: asked.output };
        process.write(Record::Began(Box::new(began)))?;
        process.carry_on(Some(proven)).await
    })
}

/// Goes on with a migration whose process ended.
pub(super) fn resume(args: &ResumeArgs, dir: &AckDir) -> Result<i32> {
    if args.metrics.is_some() {
        bail!("--metrics is for a migration of workloads; {} is one of a control plane", dir.path().display());
    }
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
    runtime()?.block_on(async {
        let client = Client::connect(&args.target.target()).await?;
        // While the API server is away, nobody can say which cluster it is; it is looked at when it is back.
        if state.stage <= Stage::Inventory {
            match proof::same_cluster(&client, Some(&state.began.cluster)).await {
                Ok(_) => {}
                Err(Refusal::Api(e)) => {
                    say(&format!("interrupted: {e}\nGo on with: nodeferry resume {}", dir.path().display()));
                    return Ok(RESUMABLE);
                }
                Err(e) => return Err(e.into()),
            }
        }
        say(&format!("execution {} goes on; journal in {}", state.began.execution, dir.path().display()));
        let mut process = Process { client, journal, state, output: args.output };
        process.write(Record::Resumed)?;
        process.carry_on(None).await
    })
}

fn limits(args: &AckExecuteArgs, plan: &AckPlan) -> Result<Limits> {
    let mut limits = Limits::of(plan);
    for (flag, text, limit) in [
        ("--gate-limit", &args.gate_limit, &mut limits.gate_ms),
        ("--away-limit", &args.away_limit, &mut limits.away_ms),
        ("--settle-limit", &args.settle_limit, &mut limits.settle_ms),
        ("--quiet-for", &args.quiet_for, &mut limits.quiet_ms),
    ] {
        if let Some(text) = text {
            *limit = parse_time(text).with_context(|| format!("{flag} {text}"))?;
        }
    }
    Ok(limits)
}

fn simulation(args: &AckExecuteArgs) -> Result<AckSimOptions> {
    let Some(path) = &args.simulation else { return Ok(AckSimOptions::default()) };
    let simulation: AckSimOptions =
        value_of_file(path, "--simulation", "the form of `nodeferry schema ack-simulation`")?;
    let problems = simulation.problems();
    if !problems.is_empty() {
        bail!("--simulation {}: {}", path.display(), problems.join("; "));
    }
    Ok(simulation)
}

/// Refuses a plan in which a rule is open that nobody has accepted.
fn open_rules(plan: &AckPlan, accepted: &[String]) -> Result<()> {
    if let Some(unknown) = accepted.iter().find(|a| !plan.open.contains(a)) {
        let open = if plan.open.is_empty() { "none is".to_owned() } else { plan.open.join(", ") };
        bail!("--accept {unknown}: no such rule is open in the plan ({open})");
    }
    let open: Vec<&String> = plan.open.iter().filter(|r| !accepted.contains(r)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let why = |code: &&String| {
        let judged = plan.preflight.rules.iter().find(|r| r.rule == **code);
        format!("\n  {code}: {}", judged.map_or("", |j| j.fact.as_str()))
    };
    let list: String = open.iter().map(why).collect();
    bail!(
        "the plan has open rules, and after the cut-over there is no way back:{list}\nfix them (nodeferry ack preflight has the fixes) and plan again, or accept each by its name (--accept RULE)"
    )
}

fn question(plan: &AckPlan, client: &Client, proven: &Proven, begins: bool) -> String {
    let how = if begins {
        "begin the migration by the command of --begin"
    } else {
        "wait until the console begins the migration"
    };
    format!(
        "Drain {} masters of context {} (predicted: {}), {how}, and delete the masters when all is as before. After the cut-over there is no way back.",
        plan.masters.len(),
        client.context(),
        proof::predicted_text(&proven.forecast),
    )
}

/// A process at work.
struct Process {
    client: Client,
    journal: AckWriter,
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

    /// Carries it on from where it stands. `proven` is at hand when it begins.
    async fn carry_on(mut self, proven: Option<Proven>) -> Result<i32> {
        if self.state.stage == Stage::Drain
            && let Some(status) = self.drain(proven).await?
        {
            return Ok(status);
        }
        let clock = self.clock();
        let dir = self.journal.dir().path().to_owned();
        let mut shown = Shown(self.output);
        let programs = programs(&self.journal.dir().programs(), &self.state.began.pass_env).await?;
        let end = carry(&self.client, &programs, &mut self.journal, self.state, clock, &mut shown).await;
        match end {
            Ok(End::Ended(outcome)) => {
                say(&format!(
                    "{}; what was predicted against what came: nodeferry report {}",
                    outcome.text(),
                    dir.display()
                ));
                Ok(outcome.exit_status())
            }
            Ok(End::Interrupted) => Ok(RESUMABLE),
            Err(e) => {
                say(&format!("error: {e}"));
                Ok(RESUMABLE)
            }
        }
    }

    /// Drains the masters, with a session and a journal of its own. An exit status if it goes no further.
    async fn drain(&mut self, proven: Option<Proven>) -> Result<Option<i32>> {
        let dir = self.journal.dir().drain();
        let begun = dir.vacant().is_err();
        if self.state.drain_ms.0.is_none() {
            self.write(Record::DrainBegan)?;
        }
        let (journal, began, resumed, background, counts) = if begun {
            let (journal, read) = dir.reopen()?;
            let (began, resumed) = fold(&read.entries).map_err(|e| anyhow!("{}: {e}", dir.path().display()))?;
            let mut counts = Counts::of(&began.plan.intent);
            read.entries.iter().for_each(|e| counts.entry(e));
            if resumed.ended.is_some() {
                drop(journal);
                return self.drained();
            }
            let recorded = match look(&self.client, &began).await {
                Ok(recorded) => recorded,
                Err(Refusal::Api(e)) => {
                    say(&format!(
                        "interrupted: {e}\nGo on with: nodeferry resume {}",
                        self.journal.dir().path().display()
                    ));
                    return Ok(Some(RESUMABLE));
                }
                Err(e) => return Err(e.into()),
            };
            (journal, began, Some(resumed), proof::background(&recorded), counts)
        } else {
            let plan = self.state.began.plan.drain.clone();
            let proven = match proven {
                Some(proven) => proven,
                // The process before ended before the drain had a journal: the plan is held against the cluster once more.
                None => {
                    let limits = ProofLimits { max_drift: 0, accept_forecast: false };
                    proof::prove(&self.client, &plan, limits, &mut |step| say(&format!("ok: {step}"))).await?
                }
            };
            let of = &self.state.began;
            let began = began(plan, &self.client, &proven, &of.plan_sha256, of.pass_env.clone());
            let counts = Counts::of(&began.plan.intent);
            (dir.create()?, began, None, proof::background(&proven.recorded), counts)
        };
        let run = Run {
            client: self.client.clone(),
            journal,
            metrics: None,
            output: self.output,
            resumed_by: Some(self.journal.dir().path().to_owned()),
        };
        let status = run.carry_out(began, background, resumed, counts).await?;
        match status {
            RESUMABLE | REFUSED => Ok(Some(status)),
            _ => self.drained(),
        }
    }

    /// Takes the end of the drain over from its journal.
    fn drained(&mut self) -> Result<Option<i32>> {
        let dir = self.journal.dir().drain();
        let journal = dir.read()?;
        let (_, resumed) = fold(&journal.entries).map_err(|e| anyhow!("{}: {e}", dir.path().display()))?;
        let Some((outcome, failure)) = resumed.ended else { return Ok(Some(RESUMABLE)) };
        let why = failure.as_ref().map_or_else(String::new, |f| f.message.clone());
        self.write(Record::DrainEnded { outcome, why: why.clone() })?;
        if outcome == Outcome::Completed {
            return Ok(None);
        }
        let remedy = failure.map_or_else(String::new, |f| format!("{} ", f.remedy));
        let drain = dir.path().display();
        let (message, reason) = match outcome {
            Outcome::Stopped => ("stopped as asked while the masters were drained".to_owned(), None),
            _ => (
                format!(
                    "the drain of the masters ended as {}: {why} The cut-over must not begin, for what is left on them is lost",
                    outcome.text()
                ),
                Some("ack-drain-ended".to_owned()),
            ),
        };
        let remedy = format!(
            "{remedy}nodeferry report {drain} has the details. Then plan again (nodeferry ack plan) and begin again with another journal, or give it up; {}",
            self.state.way_back()
        );
        self.write(Record::Ended { outcome, reason, message, remedy })?;
        Ok(Some(outcome.exit_status()))
    }
}

/// `status` and `report` of a migration's journal.
pub(super) fn show(dir: &AckDir, path: &Path, output: Output) -> Result<i32> {
    let report = dir.report(&path.display().to_string())?;
    match output {
        Output::Json => print(&crate::typed::pretty(&report)?)?,
        Output::Table => {
            let mut text = report.text(width());
            if report.stage == Stage::Drain.name()
                && let Ok(drain) = crate::execution::status::Status::of(&dir.drain())
            {
                text.push('\n');
                text.push_str(&drain.text(&path.display().to_string(), width()));
            }
            print(&text)?;
        }
    }
    Ok(0)
}

/// `report`.
pub(super) fn report(args: &ReportArgs, dir: &AckDir) -> Result<i32> {
    if args.report.is_some() || args.trace.is_some() {
        bail!(
            "--report and --trace are for a migration of workloads; the drain of the masters is one: nodeferry report {}",
            dir.drain().path().display()
        );
    }
    show(dir, dir.path(), args.output)
}

/// `status`.
pub(super) fn status(args: &StatusArgs, dir: &AckDir) -> Result<i32> {
    show(dir, dir.path(), args.journal.output)
}

/// `history`.
pub(super) fn history(args: &HistoryArgs, dir: &AckDir) -> Result<i32> {
    show_history(&dir.read()?, history_of, args.output)
}

/// `stop`.
pub(super) fn stop(args: &StopArgs, dir: &AckDir) -> Result<i32> {
    let entries = dir.read()?;
    let state = State::fold(&entries).context("the journal has no entry: nothing has begun")?;
    if let Some(ended) = &state.ended {
        return answer(&nothing_to_stop(&state.began.execution, ended.outcome), args.journal.output);
    }
    let order = match args.now {
        true => Order::Interrupt { why: format!("{} asked it to end now", user()) },
        false if !state.may_stop() => bail!(
            "the migration was begun at the vendor, who alone can end it: it is watched, and nothing is stopped or taken back from here (--now ends the process, which can be resumed)"
        ),
        false => Order::Stop { terminate_drained: None },
    };
    // While the masters are drained, its session takes orders up; else this one does.
    match state.stage {
        Stage::Drain if dir.drain().vacant().is_err() => _ = dir.drain().ask(&order)?,
        _ => dir.ask(&order)?,
    }
    let how = if args.now { "to end now" } else { "for an orderly stop" };
    answer(&format!("asked {} {how}", state.began.execution), args.journal.output)
}
