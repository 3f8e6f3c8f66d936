//! What is asked of an execution by way of its journal: how it stands, what happened, to stop it, to approve a batch.

use super::output::Output;
use super::{print, width};
use crate::execution::executions::Executions;
use crate::execution::history::{Line, history};
use crate::execution::journal_dir::{Asked, JournalDir, Order};
use crate::execution::status::{State, Status};
use crate::runner::WaitFor;
use crate::session::journal::fold;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The journal of an execution.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// Directory of the journal (--journal of nodeferry execute), or its journal.jsonl.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads files only, no cluster; works while the execution runs, and after it was killed.

Examples:
  nodeferry status nodeferry-20261121-104916
  nodeferry status nodeferry-20261121-104916 -o json | jq -r .state     running, interrupted, killed, ended")]
pub struct StatusArgs {
    /// Journal.
    #[command(flatten)]
    pub journal: JournalArgs,
}

/// `history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without DIR, lists the executions whose journals are in the working directory (or in --dir): their names, clusters, states, times, and how many
nodes were replaced. Times are wall time, UTC. Exit status 0, also where there is none; 2 if the directory or a journal named by DIR cannot be read.

Examples:
  nodeferry history
  nodeferry history --dir runs --cluster prod -o json
  nodeferry history nodeferry-20261121-104916
  nodeferry history nodeferry-20261121-104916 --batch 2
  nodeferry history nodeferry-20261121-104916 -o json | jq -c '.[] | select(.record == \"answered\")'")]
pub struct HistoryArgs {
    /// Directory of the journal (--journal of nodeferry execute), or its journal.jsonl; without it, executions are listed.
    #[arg(value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
    /// Only what belongs to this batch, counted from 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "journal")]
    pub batch: Option<u32>,
    /// Also what only a resuming process needs: the cluster at the start, budgets' figures, the written progress.
    #[arg(long, requires = "journal")]
    pub all: bool,
    /// Lists the executions whose journals are in this directory; the working directory if not given.
    #[arg(long, value_name = "DIR", conflicts_with = "journal")]
    pub dir: Option<PathBuf>,
    /// Lists only the executions of this cluster: the name of its context, or the uid of its namespace kube-system.
    #[arg(long, value_name = "NAME|UID", conflicts_with = "journal")]
    pub cluster: Option<String>,
}

/// `stop`.
#[derive(Debug, Args)]
#[command(after_help = "\
The pods of the batch under way are brought to their end; then the nodes that the execution cordoned and did not drain are
made schedulable again, and no others. If no process carries the execution out, the next one (nodeferry resume) takes it up.

Examples:
  nodeferry stop nodeferry-20261121-104916
  nodeferry stop nodeferry-20261121-104916 --terminate-drained true
  nodeferry stop nodeferry-20261121-104916 --now     leave everything as it is; nodeferry resume goes on")]
pub struct StopArgs {
    /// Journal.
    #[command(flatten)]
    pub journal: JournalArgs,
    /// Give back the nodes that are drained already, or keep them; as the plan says if not given.
    #[arg(long, value_name = "BOOL")]
    pub terminate_drained: Option<bool>,
    /// End the process now, as it is, without an orderly stop; the execution can be resumed.
    #[arg(long, conflicts_with = "terminate_drained")]
    pub now: bool,
}

/// `approve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry approve nodeferry-20261121-104916                       the batch that waits
  nodeferry approve nodeferry-20261121-104916 --batch 2 --by ada    beforehand")]
pub struct ApproveArgs {
    /// Journal.
    #[command(flatten)]
    pub journal: JournalArgs,
    /// Which batch, counted from 1; the one that waits if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Who approves, for the journal; the name of the user if not given.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

impl JournalArgs {
    fn dir(&self) -> JournalDir {
        journal_dir(&self.dir)
    }
}

/// The directory of a journal that is named by it, or by its file.
fn journal_dir(path: &Path) -> JournalDir {
    match path.parent() {
        Some(here) if path.is_file() && here.as_os_str().is_empty() => JournalDir::at("."),
        Some(parent) if path.is_file() => JournalDir::at(parent),
        _ => JournalDir::at(path),
    }
}

/// A directory as it is written in a command.
fn shown(dir: &JournalDir) -> String {
    match dir.path().to_string_lossy().as_ref() {
        text if text.contains(char::is_whitespace) => format!("{text:?}"),
        text => text.to_owned(),
    }
}

/// Runs `status`.
pub(super) fn status(args: &StatusArgs) -> Result<i32> {
    let dir = args.journal.dir();
    let status = Status::of(&dir)?;
    match args.journal.output {
        Output::Json => print(&crate::typed::pretty(&status)?)?,
        Output::Table => print(&status.text(&shown(&dir), width()))?,
    }
    Ok(0)
}

/// Runs `history`.
pub(super) fn show_history(args: &HistoryArgs) -> Result<i32> {
    let Some(path) = &args.journal else { return list_executions(args) };
    let dir = journal_dir(path);
    let journal = dir.read()?;
    let (began, _) = fold(&journal.entries).map_err(|e| anyhow!("{}: {e}", dir.path().display()))?;
    let batches = began.plan.intent.batches.len();
    if let Some(n) = args.batch.filter(|n| *n as usize > batches) {
        bail!("--batch {n}: the plan of {} has {batches} batches", began.execution);
    }
    let mut lines = history(&journal.entries);
    lines.retain(|l| args.batch.is_none_or(|b| l.batch == Some(b - 1)));
    match args.output {
        Output::Json => print(&crate::typed::pretty(&lines)?)?,
        Output::Table => {
            let told = lines.iter().filter(|l| args.all || l.is_news);
            let text: Vec<String> = told.map(Line::text).collect();
            if !text.is_empty() {
                print(&text.join("\n"))?;
            }
        }
    }
    if let Some(torn) = &journal.torn {
        writeln!(super::terminal::err(), "note: {torn}")?;
    }
    Ok(0)
}

/// Lists the executions of a directory.
fn list_executions(args: &HistoryArgs) -> Result<i32> {
    let dir = args.dir.as_deref().unwrap_or(Path::new("."));
    let mut found = Executions::in_dir(dir)
        .with_context(|| format!("cannot read the directory {}; check the path (--dir)", dir.display()))?;
    let all = found.list.len();
    if let Some(cluster) = &args.cluster {
        found.of_cluster(cluster);
    }
    match args.output {
        Output::Json => print(&crate::typed::pretty(&found.list)?)?,
        Output::Table if found.list.is_empty() => {
            let of = args.cluster.as_ref().map_or(String::new(), |c| format!(" of cluster {c}"));
            let others = if all > 0 { format!(" ({all} of other clusters)") } else { String::new() };
            print(&format!(
                "No executions{of} in {}{others}: no directory in it has the journal.jsonl of one (nodeferry execute --journal).",
                dir.display()
            ))?;
        }
        Output::Table => print(&found.text(width()))?,
    }
    for problem in &found.problems {
        writeln!(super::terminal::err(), "note: not listed: {problem}")?;
    }
    Ok(0)
}

/// What was asked for, or why nothing was.
#[derive(Debug)]
struct Told {
    status: Status,
    asked: Option<Asked>,
    text: String,
}

/// Runs `stop`.
pub(super) fn stop(args: &StopArgs) -> Result<i32> {
    tell(&args.journal, &ask_to_stop(args)?)
}

fn ask_to_stop(args: &StopArgs) -> Result<Told> {
    let dir = args.journal.dir();
    let status = Status::of(&dir)?;
    if let Some(outcome) = status.outcome {
        let text = format!("{} has ended already ({}); there is nothing to stop", status.execution, outcome.text());
        return Ok(Told { status, asked: None, text });
    }
    if args.now && status.state != State::Running {
        let text = format!(
            "no process carries {} out; there is nothing to end (nodeferry resume {} goes on)",
            status.execution,
            shown(&dir)
        );
        return Ok(Told { status, asked: None, text });
    }
    let order = match args.now {
        true => Order::Interrupt { why: format!("{} asked it to end now", user()) },
        false => Order::Stop { terminate_drained: args.terminate_drained },
    };
    let asked = Some(dir.ask(&order)?);
    let text = match args.now {
        true => format!("asked {} to end now", process(&status)),
        false => format!("asked for an orderly stop of {}; {}", status.execution, taken_up(&status, &dir)),
    };
    Ok(Told { status, asked, text })
}

/// Runs `approve`.
pub(super) fn approve(args: &ApproveArgs) -> Result<i32> {
    tell(&args.journal, &give_approval(args)?)
}

fn give_approval(args: &ApproveArgs) -> Result<Told> {
    let dir = args.journal.dir();
    let status = Status::of(&dir)?;
    let batch = which(&status, &dir, args.batch)?;
    if let Some(by) = status.approved.get(&batch) {
        let text = format!("batch {} is approved already, by {by}", batch + 1);
        return Ok(Told { status, asked: None, text });
    }
    let by = args.by.clone().unwrap_or_else(user);
    let asked = Some(dir.ask(&Order::Approve { batch, by })?);
    let text = format!("approved batch {} of {}; {}", batch + 1, status.execution, taken_up(&status, &dir));
    Ok(Told { status, asked, text })
}

/// The batch to approve, counted from 0.
fn which(status: &Status, dir: &JournalDir, named: Option<u32>) -> Result<u32> {
    if let Some(outcome) = status.outcome {
        bail!("{} has ended already ({}); no batch is to come", status.execution, outcome.text());
    }
    let waits = status.waiting.as_ref().filter(|w| w.wait == WaitFor::Approval).map(|w| w.batch);
    let Some(named) = named else {
        return waits.ok_or_else(|| {
            anyhow!(
                "no batch of {} waits for approval ({}); name one to approve it beforehand (--batch N), or look again later \
                 (nodeferry status {})",
                status.execution,
                status.doing,
                shown(dir)
            )
        });
    };
    let batch = named - 1;
    match status.batches.get(batch as usize) {
        None => bail!("there is no batch {named}: the plan has {}", status.batches.len()),
        Some(b) if b.report.is_some() => bail!("batch {named} has begun already; there is nothing to approve"),
        Some(b) if !b.needs_approval => bail!(
            "batch {named} needs no approval: the plan's gates.approval does not ask for it; batches that need it: {}",
            needing(status)
        ),
        Some(_) => Ok(batch),
    }
}

fn needing(status: &Status) -> String {
    let names: Vec<String> =
        status.batches.iter().filter(|b| b.needs_approval).map(|b| (b.index + 1).to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn process(status: &Status) -> &str {
    status.process.as_deref().unwrap_or("the process")
}

/// Who will take an order up.
fn taken_up(status: &Status, dir: &JournalDir) -> String {
    match status.state {
        State::Running => format!("{} takes it up within a second or two", process(status)),
        _ => format!("no process carries it out now: nodeferry resume {} will take it up", shown(dir)),
    }
}

fn tell(args: &JournalArgs, told: &Told) -> Result<i32> {
    match args.output {
        Output::Table => print(&told.text)?,
        Output::Json => {
            let said = json!({
                "execution": told.status.execution,
                "state": told.status.state,
                "asked": told.asked.as_ref().map(|a| &a.order),
                "message": told.text,
            });
            print(&crate::typed::pretty(&said)?)?;
        }
    }
    Ok(0)
}

/// Name of the user, as the environment has it.
pub(super) fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"].iter().filter_map(|v| std::env::var(v).ok());
    named.into_iter().find(|n| !n.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

#[cfg(test)]
mod tests;
