//! How an execution stands, from its journal alone: what is done, what is under way, what it waits for.

use super::journal_dir::{JournalDir, JournalDirError, Order};
use crate::report::format::{count, duration, thousands, written_out};
use crate::report::table::{Align, Table};
use crate::runner::phase::Phase;
use crate::runner::{BatchReport, CallId, Failure, Fate, Ms, Outcome, Progress, Reason, StopMode, WaitFor};
use crate::session::Began;
use crate::session::journal::{Call, Entry, Journal, JournalError, Record, fold};
use crate::snapshot::time::format_rfc3339;
use crate::trace::states::{ForcedPod, PoolNow};
use crate::trace::{EventKind, PodDetail, ProviderStates};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How an execution stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Name of the execution.
    pub execution: String,
    /// uid of the cluster's namespace kube-system.
    pub cluster: String,
    /// Name of the context.
    pub context: String,
    /// nodeferry's version that began it.
    pub nodeferry: String,
    /// How a batch goes (`kubectl-drain`).
    pub procedure: &'static str,
    /// SHA-256 of the plan's file.
    pub plan_sha256: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// When the latest entry was written, RFC 3339.
    pub latest: String,
    /// Milliseconds from the one to the other.
    pub elapsed_ms: Ms,
    /// How many processes have worked at it.
    pub processes: u32,
    /// Whether one does now.
    pub state: State,
    /// Which, in words.
    pub process: Option<String>,
    /// Why the latest process left, if it said so.
    pub interrupted: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why, unless it completed.
    pub failure: Option<Failure>,
    /// The provider's word for how the migration stands (`AWAIT_REPLACEMENTS`); null for procedures that have none.
    pub migration_state: Option<String>,
    /// What it does, in words.
    pub doing: String,
    /// The batch under way, counted from 0.
    pub batch: Option<u32>,
    /// A stop was asked for.
    pub stop: Option<StopMode>,
    /// What it waits for between two batches.
    pub waiting: Option<Gate>,
    /// Nothing is sent, since rights are lacking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Batches that were approved (counted from 0), and by whom.
    pub approved: BTreeMap<u32, String>,
    /// What was asked from another terminal and not taken up yet.
    pub asked: Vec<Order>,
    /// All batches of the plan.
    pub batches: Vec<Batch>,
    /// All old nodes, in the order of the plan.
    pub nodes: Vec<Node>,
    /// Each group in which new nodes were launched, in the provider's words; empty where it has none.
    pub pools: Vec<PoolNow>,
    /// Pods that were deleted past their budgets.
    pub pods_forced: Vec<ForcedPod>,
    /// Calls that left and whose answers the journal does not have.
    pub open_calls: Vec<OpenCall>,
    /// What the API, the provider or a program refuses at the moment.
    pub refusals: Vec<Refusal>,
    /// Entries of the journal.
    pub entries: u64,
    /// What breaks off at its end.
    pub torn: Option<String>,
}

/// Whether somebody works at an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process does.
    Running,
    /// The latest process left in order; it can be resumed.
    Interrupted,
    /// The latest process was killed; it can be resumed.
    Killed,
    /// It is over.
    Ended,
}

impl State {
    /// The word of the JSON form (`running`).
    pub fn text(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Interrupted => "interrupted",
            State::Killed => "killed",
            State::Ended => "ended",
        }
    }
}

/// What is waited for before a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The batch that is to start, counted from 0.
    pub batch: u32,
    /// What for.
    pub wait: WaitFor,
    /// When that is over or given up, in ms since the beginning.
    pub until_ms: Option<Ms>,
    /// What the gate said last.
    pub said: String,
}

/// Nothing is sent, since rights are lacking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// Since when, in ms since the beginning.
    pub t_ms: Ms,
    /// What is refused, and what to do.
    pub why: String,
}

/// A batch of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct Batch {
    /// Counted from 0.
    pub index: u32,
    /// How many old nodes it has.
    pub nodes: usize,
    /// Somebody must approve it before it starts.
    pub needs_approval: bool,
    /// What became of it; None if it has not begun.
    pub report: Option<BatchReport>,
}

/// An old node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Its batch, counted from 0.
    pub batch: u32,
    /// What became of it.
    pub fate: Fate,
    /// The provider's word for how it stands (`NOT_REPLACED_DUE_TO_PDB`); null where it has none.
    pub state: Option<String>,
    /// Its pods that would have to move, where the provider lists them by kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod_details: Vec<PodDetail>,
    /// We cordoned it; it was not cordoned before.
    pub cordoned: bool,
    /// Why it was not replaced.
    pub why: String,
    /// The reason of the outcome that this is (`cordon-refused`), where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What happened to it that a person should know, though it may be replaced all the same.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A call without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenCall {
    /// When it was announced.
    pub t_ms: Ms,
    /// Which.
    #[serde(flatten)]
    pub call: Call,
}

/// A call that was refused, and has not succeeded since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What was asked for (`evict`).
    pub what: String,
    /// Of which object.
    pub object: String,
    /// How often it was refused in this batch.
    pub times: u64,
    /// When it was last.
    pub t_ms: Ms,
    /// With which words.
    pub answer: String,
}

impl Status {
    /// How the execution of a directory stands.
    ///
    /// # Errors
    /// If there is no journal, or it is damaged.
    pub fn of(dir: &JournalDir) -> Result<Status, JournalDirError> {
        // The lock before the journal: a process that ends in between has said so when its journal is read.
        let process = dir.process()?;
        let journal = dir.read()?;
        let asked = dir.pending()?;
        Status::from_journal(&journal, process, asked)
            .map_err(|source| JournalDirError::Damaged { dir: dir.path().to_owned(), source })
    }
    /// The same from what the directory holds.
    ///
    /// # Errors
    /// If the entries do not fit each other.
    pub fn from_journal(journal: &Journal, process: Option<String>, asked: Vec<Order>) -> Result<Status, JournalError> {
        let (began, resumed) = fold(&journal.entries)?;
        let calls = Calls::of(&journal.entries, resumed.progress.as_ref());
        let interrupted = calls.interrupted.clone();
        let state = match (&resumed.ended, &process, &interrupted) {
            (Some(_), _, _) => State::Ended,
            (None, Some(_), _) => State::Running,
            (None, None, Some(_)) => State::Interrupted,
            (None, None, None) => State::Killed,
        };
        let progress = resumed.progress.as_ref();
        let states = provider_states(&journal.entries);
        Ok(Status {
            doing: doing(progress),
            batch: progress.filter(|p| matches!(p.phase, Phase::Batch)).map(|p| p.common.batch),
            waiting: progress.and_then(gate),
            paused: calls.paused.clone().filter(|_| state == State::Running),
            batches: batches(&began, progress),
            nodes: nodes(&began, progress, &states),
            migration_state: states.migration,
            pools: states.pools.into_values().collect(),
            pods_forced: states.forced,
            began: format_rfc3339(began.unix_ms, 3),
            latest: format_rfc3339(began.unix_ms + resumed.t_ms, 3),
            elapsed_ms: resumed.t_ms,
            processes: calls.processes,
            open_calls: calls.open(),
            refusals: calls.refusals.into_values().collect(),
            entries: resumed.next_seq,
            torn: journal.torn.as_ref().map(ToString::to_string),
            procedure: began.plan.intent.options.procedure.name(),
            execution: began.execution,
            cluster: began.cluster,
            context: began.context,
            nodeferry: began.nodeferry,
            plan_sha256: began.plan_sha256,
            state,
            process,
            interrupted,
            stop: resumed.stop.or(progress.and_then(|p| p.common.stop)),
            approved: resumed.approved,
            asked,
            outcome: resumed.ended.as_ref().map(|e| e.0),
            failure: resumed.ended.and_then(|e| e.1),
        })
    }
}

/// What it does, in words.
fn doing(progress: Option<&Progress>) -> String {
    let Some(p) = progress else { return "nothing was done yet".into() };
    let of = p.common.batches();
    match p.phase {
        Phase::NotBegun => "nothing was done yet".into(),
        Phase::CordonAll => "all old nodes are being cordoned".into(),
        Phase::Between(_) => format!("batch {} of {of} is next", p.common.batch + 1),
        Phase::Batch => format!("batch {} of {of} is under way", p.common.batch + 1),
        Phase::Looking => "every node that counts as replaced is looked at once more".into(),
        Phase::Closing { .. } => "nodes that were not drained are made schedulable again".into(),
        Phase::Ended => "it is over".into(),
    }
}

fn gate(p: &Progress) -> Option<Gate> {
    let w = p.waiting()?;
    Some(Gate { batch: w.batch, wait: w.wait, until_ms: w.until, said: p.common.gate_said.clone() })
}

fn batches(began: &Began, progress: Option<&Progress>) -> Vec<Batch> {
    let reports = progress.map_or(&[][..], |p| p.batches());
    let approval = began.plan.intent.options.gates.approval;
    let planned = began.plan.intent.batches.iter().zip(0u32..);
    planned
        .map(|(nodes, index)| Batch {
            index,
            nodes: nodes.len(),
            needs_approval: approval.is_some_and(|a| a.concerns(index)),
            report: reports.iter().find(|r| r.index == index).cloned(),
        })
        .collect()
}

/// How all stands in the provider's words, by what the entries say happened.
fn provider_states(entries: &[Entry]) -> ProviderStates {
    let mut states = ProviderStates::default();
    for entry in entries {
        if let Record::Happened(event) = &entry.record {
            states.observe(event);
        }
    }
    states
}

fn nodes(began: &Began, progress: Option<&Progress>, states: &ProviderStates) -> Vec<Node> {
    let planned = began.plan.intent.batches.iter().zip(0u32..).flat_map(|(nodes, b)| nodes.iter().map(move |n| (n, b)));
    planned
        .enumerate()
        .map(|(n, (id, batch))| {
            let old = progress.and_then(|p| p.common.nodes.get(n));
            let now = states.nodes.get(&id.name);
            Node {
                name: id.name.clone(),
                batch,
                fate: old.map_or(Fate::Waiting, |o| o.fate),
                state: now.map(|n| n.state.clone()),
                pod_details: now.map_or(Vec::new(), |n| n.pod_details.clone()),
                cordoned: old.is_some_and(|o| o.cordoned),
                why: old.map_or(String::new(), |o| o.why.clone()),
                reason: old.and_then(|o| o.reason).map(Reason::code),
                note: old.map_or(String::new(), |o| o.note.clone()),
            }
        })
        .collect()
}

/// What the entries say of calls and processes, taken one after the other.
#[derive(Debug, Default)]
struct Calls {
    processes: u32,
    interrupted: Option<String>,
    paused: Option<Paused>,
    announced: BTreeMap<u64, OpenCall>,
    refusals: BTreeMap<(String, String), Refusal>,
    /// Calls that the runner waits for; None if it has not begun.
    awaited: Option<Vec<CallId>>,
}

impl Calls {
    fn of(entries: &[Entry], progress: Option<&Progress>) -> Calls {
        let awaited = progress.map(|p| p.common.client.open.keys().copied().collect());
        let mut calls = Calls { awaited, ..Calls::default() };
        entries.iter().for_each(|e| calls.take(e));
        calls
    }
    fn take(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Began(_) => self.processes = 1,
            Record::Resumed { .. } => {
                self.processes += 1;
                (self.interrupted, self.paused) = (None, None);
            }
            Record::Paused { why } => self.paused = why.clone().map(|why| Paused { t_ms: entry.t_ms, why }),
            Record::Interrupted { why } => self.interrupted = Some(why.clone()),
            Record::Intends { calls, .. } => {
                let open = |c: &Call| (c.call, OpenCall { t_ms: entry.t_ms, call: c.clone() });
                self.announced.extend(calls.iter().map(open));
            }
            Record::Answered { call, answer } => {
                if let Some(open) = self.announced.remove(call) {
                    self.answered(entry.t_ms, open.call, answer);
                }
            }
            // What was refused in a batch that is over is in the fates of its nodes.
            Record::Happened(event) if event.event == EventKind::BatchFinished => self.refusals.clear(),
            _ => {}
        }
    }
    fn answered(&mut self, t_ms: Ms, call: Call, answer: &str) {
        let key = (call.what, call.object);
        if !is_refusal(answer) {
            self.refusals.remove(&key);
            return;
        }
        let (what, object) = key.clone();
        let first = Refusal { what, object, times: 0, t_ms, answer: String::new() };
        let refusal = self.refusals.entry(key).or_insert(first);
        (refusal.times, refusal.t_ms, refusal.answer) = (refusal.times + 1, t_ms, answer.to_owned());
    }
    fn open(&self) -> Vec<OpenCall> {
        let awaited = |c: &&OpenCall| self.awaited.as_ref().is_none_or(|a| a.contains(&CallId(c.call.call)));
        self.announced.values().filter(awaited).cloned().collect()
    }
}

/// Whether an answer in words begins with the status of a refusal (`429 TooManyRequests: …`).
fn is_refusal(answer: &str) -> bool {
    let status: String = answer.chars().take_while(char::is_ascii_digit).collect();
    status.parse::<u16>().is_ok_and(|s| s >= 300)
}

// --- as people read it ---

/// More rows of a kind are counted, not shown.
const MOST_ROWS: usize = 40;

impl Status {
    /// In words and tables; `dir` is what the commands that it names are to be given.
    pub fn text(&self, dir: &str, width: Option<u16>) -> String {
        let mut out = format!("{}: {}\n", self.execution, self.headline());
        let mut say = |name: &str, text: String| {
            let _ = writeln!(out, "  {name:<9} {}", plain(&text));
        };
        say("cluster", format!("{} (context {})", self.cluster, self.context));
        say("procedure", format!("{} in {}", self.procedure, count(self.batches.len() as u64, "batch")));
        let processes = if self.processes > 1 { format!(", {} processes", self.processes) } else { String::new() };
        let since =
            format!("{} (latest entry {} later{processes})", self.began, duration(self.elapsed_ms.unsigned_abs()));
        say("began", since);
        if let Some(state) = &self.migration_state {
            say("ocean", state.clone());
        }
        if let Some(stop) = &self.stop {
            say("stop", stop_words(stop).into());
        }
        if let Some(waiting) = self.waiting.as_ref().filter(|_| self.state != State::Ended) {
            say("waits", self.waiting_words(waiting, dir));
        }
        if let Some(paused) = &self.paused {
            say("paused", format!("since +{}: {}", duration(paused.t_ms.max(0).unsigned_abs()), paused.why));
        }
        for order in &self.asked {
            say("asked", format!("{}; not taken up yet", order.words()));
        }
        if let Some(failure) = &self.failure {
            say("failure", format!("{}: {}", failure.reason, failure.message));
            // A stop that was asked for has none.
            if !failure.cause.is_empty() {
                say("cause", failure.cause.clone());
            }
            say("remedy", failure.remedy.clone());
            if !failure.advice.is_empty() {
                say("vendor", failure.advice.clone());
            }
        }
        // While a process runs, a line that breaks off is one that it is writing.
        if let Some(torn) = self.torn.as_ref().filter(|_| self.state != State::Running) {
            say("torn", torn.clone());
        }
        if matches!(self.state, State::Interrupted | State::Killed) {
            say("go on", format!("nodeferry resume {dir}"));
        }
        out.push_str(&self.batch_table(width));
        out.push_str(&self.node_table(width));
        out.push_str(&self.pool_table(width));
        out.push_str(&self.pod_tables(width));
        out.push_str(&self.call_table(width));
        out
    }
    fn headline(&self) -> String {
        match (self.state, self.outcome) {
            (State::Ended, outcome) => outcome.map_or("ended".into(), |o| o.text().to_owned()),
            (State::Running, _) if self.paused.is_some() => {
                let process = self.process.as_deref().unwrap_or("a process");
                format!("paused ({process}), for rights are lacking; {}", self.doing)
            }
            (State::Running, _) => {
                format!("running ({}); {}", self.process.as_deref().unwrap_or("a process"), self.doing)
            }
            (State::Interrupted, _) => {
                format!("nobody carries it out ({}); {}", self.interrupted.as_deref().unwrap_or("left"), self.doing)
            }
            (State::Killed, _) => format!("nobody carries it out (its process was killed); {}", self.doing),
        }
    }
    fn waiting_words(&self, w: &Gate, dir: &str) -> String {
        let mut text = format!("batch {} waits for {}", w.batch + 1, w.wait.text());
        if let Some(until) = w.until_ms {
            let left = until - self.elapsed_ms;
            let _ = write!(text, ", for {} more at the most", duration(left.max(0).unsigned_abs()));
        }
        if w.wait == WaitFor::Approval {
            let _ = write!(text, ": nodeferry approve {dir}");
        }
        if !w.said.is_empty() {
            let _ = write!(text, " (it said: {})", w.said);
        }
        text
    }
    fn batch_table(&self, width: Option<u16>) -> String {
        let right = |name| (name, Align::Right);
        let mut table = Table::new(&[
            right("BATCH"),
            right("NODES"),
            right("BEGAN"),
            right("TOOK"),
            right("EVICTED"),
            right("REFUSED"),
            right("FORCED"),
            right("NEW NODES"),
            ("STATE", Align::Left),
        ]);
        for b in self.batches.iter().take(MOST_ROWS) {
            let mut row = vec![(b.index + 1).to_string(), b.nodes.to_string()];
            match &b.report {
                None => row.extend(["-", "-", "-", "-", "-", "-", "not begun"].map(String::from)),
                Some(r) => row.extend([
                    format!("+{}", duration(r.start_ms.max(0).unsigned_abs())),
                    r.end_ms.map_or("-".into(), |e| duration((e - r.start_ms).max(0).unsigned_abs())),
                    thousands(r.evictions),
                    thousands(r.refused),
                    thousands(r.forced),
                    thousands(u64::from(r.launched)),
                    r.outcome.map_or("under way".into(), |o| o.text().to_owned()),
                ]),
            }
            table.row(row);
        }
        format!("\n{}{}", table.render(width), more(self.batches.len(), "batch"))
    }
    fn node_table(&self, width: Option<u16>) -> String {
        // A stop takes nodes back that were being drained: why they are not says that they had begun.
        let touched = |n: &&Node| n.fate != Fate::Waiting || n.cordoned || !n.why.is_empty() || !n.note.is_empty();
        let begun: Vec<&Node> = self.nodes.iter().filter(touched).collect();
        // The provider's own words are a column only where it has some.
        let worded = self.nodes.iter().any(|n| n.state.is_some());
        let left = |name| (name, Align::Left);
        let mut columns = vec![left("NODE"), ("BATCH", Align::Right), left("STATE")];
        columns.extend(worded.then(|| left("OCEAN")));
        columns.extend([left("CORDONED"), left("WHY")]);
        let mut table = Table::new(&columns);
        // Those that are done say least.
        let (done, open): (Vec<&Node>, Vec<&Node>) = begun.into_iter().partition(|n| n.fate.is_replaced());
        for n in open.iter().chain(&done).take(MOST_ROWS) {
            let cordoned = if n.cordoned { "by us" } else { "" };
            let why = if n.why.is_empty() { &n.note } else { &n.why };
            let fate = if n.fate == Fate::Waiting && !n.why.is_empty() { "not drained" } else { n.fate.text() };
            let mut row = vec![n.name.clone(), (n.batch + 1).to_string(), fate.into()];
            row.extend(worded.then(|| n.state.clone().unwrap_or_default()));
            row.extend([cordoned.into(), plain(why)]);
            table.row(row);
        }
        let mut out = String::new();
        if !table.is_empty() {
            let _ = write!(out, "\n{}{}", table.render(width), more(open.len() + done.len(), "node"));
        }
        let untouched: Vec<&Node> = self.nodes.iter().filter(|n| !touched(n)).collect();
        if let Some(first) = untouched.first() {
            let same = untouched.iter().all(|n| n.state == first.state);
            let state = first.state.as_ref().filter(|_| same).map_or(String::new(), |s| format!(" ({s})"));
            let _ = writeln!(out, "\n{} not touched{state}.", count(untouched.len() as u64, "node"));
        }
        out
    }
    fn pool_table(&self, width: Option<u16>) -> String {
        let left = |name| (name, Align::Left);
        let mut table = Table::new(&[left("NEW POOL"), left("OCEAN"), left("")]);
        for p in self.pools.iter().take(MOST_ROWS) {
            table.row([plain(&p.group), p.state.clone(), plain(&p.message)]);
        }
        match table.is_empty() {
            true => String::new(),
            false => format!("\n{}{}", table.render(width), more(self.pools.len(), "pool")),
        }
    }
    /// Pods that hold a node, by kind, and pods that were deleted past their budgets.
    fn pod_tables(&self, width: Option<u16>) -> String {
        let left = |name| (name, Align::Left);
        let mut out = String::new();
        let mut table = Table::new(&[left("POD"), left("ON NODE"), left("OCEAN")]);
        let held: Vec<(&Node, &PodDetail)> =
            self.nodes.iter().flat_map(|n| n.pod_details.iter().map(move |p| (n, p))).collect();
        for (node, pod) in held.iter().take(MOST_ROWS) {
            table.row([plain(&pod.pod), node.name.clone(), plain(&pod.kind)]);
        }
        if !table.is_empty() {
            let _ = write!(out, "\n{}{}", table.render(width), more(held.len(), "pod"));
        }
        let mut table = Table::new(&[left("FORCED"), left("ON NODE"), ("AT", Align::Right), left("WHY")]);
        for p in self.pods_forced.iter().take(MOST_ROWS) {
            let at = format!("+{}", duration(p.t_ms));
            table.row([plain(&p.pod), p.node.clone().unwrap_or_default(), at, plain(&p.message)]);
        }
        if !table.is_empty() {
            let _ = write!(out, "\n{}{}", table.render(width), more(self.pods_forced.len(), "pod"));
        }
        out
    }
    fn call_table(&self, width: Option<u16>) -> String {
        let mut out = String::new();
        let mut table = Table::new(&[("NO ANSWER YET", Align::Left), ("OBJECT", Align::Left), ("SINCE", Align::Right)]);
        for c in self.open_calls.iter().take(MOST_ROWS) {
            let since = format!("+{}", duration(c.t_ms.unsigned_abs()));
            table.row([plain(&c.call.what), plain(&c.call.object), since]);
        }
        if !table.is_empty() {
            let _ = write!(out, "\n{}{}", table.render(width), more(self.open_calls.len(), "call"));
        }
        let mut table = Table::new(&[
            ("REFUSED", Align::Left),
            ("OBJECT", Align::Left),
            ("TIMES", Align::Right),
            ("LATEST", Align::Right),
            ("ANSWER", Align::Left),
        ]);
        for r in self.refusals.iter().take(MOST_ROWS) {
            let latest = format!("+{}", duration(r.t_ms.unsigned_abs()));
            table.row([plain(&r.what), plain(&r.object), thousands(r.times), latest, plain(&r.answer)]);
        }
        if !table.is_empty() {
            let _ = write!(out, "\n{}{}", table.render(width), more(self.refusals.len(), "refusal"));
        }
        out
    }
}

fn stop_words(stop: &StopMode) -> &'static str {
    match stop.terminate_drained {
        Some(true) => "asked for; nodes that are drained are given back",
        Some(false) => "asked for; nodes that are drained are kept",
        None => "asked for; nodes that are drained are given back or kept as the plan says",
    }
}

fn more(all: usize, noun: &str) -> String {
    match all.saturating_sub(MOST_ROWS) {
        0 => String::new(),
        n => format!("… and {} more (-o json has all)\n", count(n as u64, noun)),
    }
}

/// Text of somebody else's on one line, and nothing in it that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    written_out(text.trim_end(), |_| true).into_owned()
}

#[cfg(test)]
mod tests;
