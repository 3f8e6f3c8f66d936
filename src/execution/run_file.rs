//! Files of plans and runs, told apart by what is in them: a plan, a trace, a journal or its directory.

use super::journal_dir::JOURNAL;
use crate::plan::Plan;
use crate::runner::{Failure, Outcome};
use crate::session::RETIRE;
use crate::session::journal::{self, Began, Entry, Record};
use crate::trace::delays::Gap;
use crate::trace::{Event, SeenDelays, read_jsonl};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Document {
    /// A plan, as `nodeferry plan --plan F` writes it.
    Plan(Box<Plan>),
    /// What happened: a trace or a journal.
    Run(Box<Run>),
}

/// A run that was simulated or carried out.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened, in order of time.
    pub events: Vec<Event>,
    /// What its journal says besides, if it has one.
    pub execution: Option<Execution>,
}

/// What a journal says besides what happened.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Its first entry.
    pub began: Began,
    /// Time of its latest entry, in milliseconds since it began.
    pub last_ms: u64,
    /// How it ended; None if it has not.
    pub ended: Option<(Outcome, Option<Failure>)>,
    /// How many times a process went on with it.
    pub resumed: u64,
    /// Spans in which no process carried it out, until the first thing that the next one saw.
    pub away: Vec<Gap>,
    /// When each node's machine was given back for the first time, by node.
    pub retired: BTreeMap<String, u64>,
    /// What of its end was left out, in words.
    pub torn: Option<String>,
}

impl Run {
    /// The delays that it had.
    pub fn delays(&self) -> SeenDelays {
        match &self.execution {
            Some(e) => SeenDelays::of_run(&self.events, &e.away, &e.retired),
            None => SeenDelays::of_run(&self.events, &[], &BTreeMap::new()),
        }
    }
    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        if self.execution.is_some() { "journal" } else { "trace" }
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// It cannot be read.
    #[error("{}: {source}; expected a plan, a trace, a journal or a journal's directory", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what it seems to be.
    #[error("{}: {problem}", path.display())]
    Form {
        /// File.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

/// Reads a file, or the journal of a directory.
///
/// # Errors
/// Says why it cannot be read, or where it is not what it seems to be.
pub fn read_document(path: &Path) -> Result<Document, RunFileError> {
    let file = if path.is_dir() { path.join(JOURNAL) } else { path.to_owned() };
    let bytes = std::fs::read(&file).map_err(|source| RunFileError::Read { path: file.clone(), source })?;
    parse(&bytes).map_err(|problem| RunFileError::Form { path: file, problem })
}

/// Reads a run; a plan is refused.
///
/// # Errors
/// As [`read_document`], and that it is a plan.
pub fn read_run(path: &Path) -> Result<Run, RunFileError> {
    match read_document(path)? {
        Document::Run(run) => Ok(*run),
        Document::Plan(_) => Err(RunFileError::Form {
            path: path.to_owned(),
            problem: "this is a plan, and says what shall happen; expected what did happen: a trace or a journal"
                .into(),
        }),
    }
}

/// Reads a file's bytes, whatever they are.
///
/// # Errors
/// Says where they are not what they seem to be.
pub fn parse(bytes: &[u8]) -> Result<Document, String> {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let head: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(line).ok();
    let has = |key: &str| head.as_ref().is_some_and(|h| h.contains_key(key));
    if has("seq") {
        return Ok(Document::Run(Box::new(of_journal(bytes)?)));
    }
    if has("t_ms") {
        let events = read_jsonl(bytes).map_err(|e| e.to_string())?;
        return Ok(Document::Run(Box::new(Run { events, execution: None })));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| format!("neither plan, trace nor journal: {e}"))?;
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Plan::parse(text).map(|p| Document::Plan(Box::new(p))),
        Err(e) => Err(format!(
            "neither a plan (JSON with plan_version) nor a trace (lines with t_ms and event) nor a journal (lines with seq and record): {e}"
        )),
    }
}

fn of_journal(bytes: &[u8]) -> Result<Run, String> {
    let read = journal::read(bytes).map_err(|e| e.to_string())?;
    let mut run = of_entries(&read.entries)?;
    if let Some(e) = &mut run.execution {
        e.torn = read.torn.map(|t| t.to_string());
    }
    Ok(run)
}

/// What entries of a journal say.
///
/// # Errors
/// If the first of them is not the beginning.
pub fn of_entries(entries: &[Entry]) -> Result<Run, String> {
    let Some(Record::Began(began)) = entries.first().map(|e| &e.record) else {
        return Err("the journal's first entry is not the beginning of an execution".into());
    };
    let ms = |t: i64| u64::try_from(t).unwrap_or(0);
    let mut events = Vec::new();
    let mut e = Execution {
        began: (**began).clone(),
        last_ms: entries.last().map_or(0, |e| ms(e.t_ms)),
        ended: None,
        resumed: 0,
        away: Vec::new(),
        retired: BTreeMap::new(),
        torn: None,
    };
    // Since when no process has seen anything.
    let mut unseen_since: Option<u64> = None;
    let mut last = 0;
    for entry in entries {
        let now = ms(entry.t_ms);
        match &entry.record {
            // One may be killed before it has seen anything: the span goes on.
            Record::Resumed { .. } => {
                e.resumed += 1;
                unseen_since.get_or_insert(last);
            }
            Record::Happened(event) => {
                if let Some(since) = unseen_since.take() {
                    e.away.push((since, event.t_ms.max(now)));
                }
                events.push((**event).clone());
            }
            Record::Intends { calls, .. } => {
                for call in calls.iter().filter(|c| c.what == RETIRE) {
                    e.retired.entry(call.object.clone()).or_insert(now);
                }
            }
            Record::Ended { outcome, failure } => e.ended = Some((*outcome, failure.clone())),
            _ => {}
        }
        last = now;
    }
    e.away.extend(unseen_since.map(|since| (since, last)));
    events.sort_by_key(|e: &Event| e.t_ms);
    Ok(Run { events, execution: Some(e) })
}
