//! How an execution stands and what came of it, predicted against actual, for people and machines.

use super::record::{Entry, Record};
use super::state::State;
use crate::report::format::{bytes, count, time};
use crate::report::table::{Align, Table};
use crate::snapshot::time::format_rfc3339;
use crate::transfer::ObjectId;
use crate::transfer::plan::{Action, WaveName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A wave, predicted and actual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaveRow {
    /// Which.
    pub wave: WaveName,
    /// When it began, milliseconds since the execution began.
    pub began_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// How long it was predicted to take, without the time that its gates wait for people.
    pub predicted_ms: Option<i64>,
    /// How long it took, without the time that its gates waited.
    pub actual_ms: Option<i64>,
    /// How long its gates waited.
    pub gates_ms: i64,
    /// Steps that are done, and all.
    pub steps: (usize, usize),
}

/// A workload whose writes are stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkloadRow {
    /// The workload.
    pub workload: ObjectId,
    /// From the fence until it was ready on the target, predicted, milliseconds.
    pub predicted_ms: Option<i64>,
    /// The same, measured.
    pub actual_ms: Option<i64>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// Its id.
    pub step: String,
    /// What is done.
    pub what: String,
    /// `done`, `running`, `failed`.
    pub state: &'static str,
    /// When it began for the first time, milliseconds since the execution began.
    pub began_ms: i64,
    /// How long it took, all tries together.
    pub took_ms: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// Figures of it (`objects`, `bytes`, `claims`).
    pub figures: BTreeMap<String, i64>,
    /// What was seen last (`Restore shop`: `Finalizing`).
    pub seen: BTreeMap<String, String>,
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransferReport {
    /// Name of the execution.
    pub execution: String,
    /// The clusters: name in the plan, context, uid of the namespace kube-system.
    pub source: (String, String, String),
    /// The same of the target.
    pub target: (String, String, String),
    /// When it began, RFC 3339.
    pub began: String,
    /// When the latest entry was written, RFC 3339.
    pub latest: String,
    /// `running`, `interrupted`, `killed`, `failed`, `ended`.
    pub state: &'static str,
    /// The process that works at it, in words.
    pub process: Option<String>,
    /// How many processes have worked at it.
    pub processes: u32,
    /// The wave under way, or the last.
    pub wave: Option<WaveName>,
    /// The step under way, or that failed.
    pub step: Option<String>,
    /// What it does.
    pub doing: String,
    /// When the wait of this step is given up, milliseconds since the execution began.
    pub until_ms: Option<i64>,
    /// Why the latest process left, if it said so.
    pub interrupted: Option<String>,
    /// Code of the reason for which the step failed.
    pub reason: Option<String>,
    /// How it ended.
    pub outcome: Option<&'static str>,
    /// What happened.
    pub message: Option<String>,
    /// What to do next.
    pub next: String,
    /// The first wave that is taken back, if any is.
    pub rolled_back_to: Option<WaveName>,
    /// Names point to the target, or perhaps do.
    pub cut_over: bool,
    /// Gates, and who approved each; null while it is open or to come.
    pub gates: BTreeMap<String, Option<String>>,
    /// Waves.
    pub waves: Vec<WaveRow>,
    /// Workloads whose writes are stopped for a time.
    pub downtime: Vec<WorkloadRow>,
    /// Steps that have begun, in the order of the plan.
    pub steps: Vec<StepRow>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl TransferReport {
    /// Of a journal; `process` is who works at it now, `dir` where it is.
    pub fn of(entries: &[Entry], process: Option<String>, dir: &str) -> Option<TransferReport> {
        let s = State::fold(entries)?;
        let state = match (&s.ended, &process, &s.failed, &s.interrupted) {
            (Some(_), ..) => "ended",
            (None, Some(_), ..) => "running",
            (None, None, Some(_), _) => "failed",
            (None, None, None, Some(_)) => "interrupted",
            (None, None, None, None) => "killed",
        };
        let step = s.current.clone().or_else(|| s.failed.as_ref().map(|f| f.step.clone()));
        let current = s.current.as_deref().and_then(|id| s.step(id));
        let site = |name: &str, at: &super::Where| (name.to_owned(), at.context.clone(), at.cluster.clone());
        let gates = s.began.plan.steps().filter_map(|(_, s)| match &s.action {
            Action::Gate { name, .. } => Some(name.clone()),
            _ => None,
        });
        Some(TransferReport {
            execution: s.began.execution.clone(),
            source: site(&s.began.plan.source.name, &s.began.source),
            target: site(&s.began.plan.target.name, &s.began.target),
            began: format_rfc3339(s.began.unix_ms, 3),
            latest: format_rfc3339(s.began.unix_ms.saturating_add(s.t_ms), 3),
            state,
            process,
            processes: s.processes,
            wave: s.wave(),
            doing: step.as_deref().and_then(|id| s.step(id)).map_or_else(String::new, |s| s.what.clone()),
            step,
            until_ms: current.map(|c| s.wait_since_ms.saturating_add(c.timeout_ms)).filter(|_| s.ended.is_none()),
            interrupted: s.interrupted.as_ref().map(|(why, ..)| why.clone()),
            reason: s.failed.as_ref().map(|f| f.reason.clone()),
            outcome: s.ended.as_ref().map(|e| e.outcome.text()),
            message: s.ended.as_ref().map(|e| e.message.clone()).or_else(|| s.failed.as_ref().map(|f| f.why.clone())),
            next: next(&s, state, dir),
            rolled_back_to: s.rollback,
            cut_over: s.cut_over,
            gates: gates.map(|g| (g.clone(), s.approved.get(&g).cloned())).collect(),
            waves: waves(&s, entries),
            downtime: downtime(&s),
            steps: steps(&s),
            notes: s.notes.clone(),
        })
    }

    /// For people.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = format!(
            "{}: {} (context {}) to {} (context {}), begun {}\n",
            self.execution, self.source.0, self.source.1, self.target.0, self.target.1, self.began
        );
        let code = self.reason.as_ref().map_or(String::new(), |r| format!(" ({r})"));
        let _ = match (self.outcome, &self.message, &self.step) {
            (Some(outcome), Some(message), _) => writeln!(out, "{outcome}{code}: {message}"),
            (_, Some(message), Some(step)) => writeln!(out, "{} at {step}{code}: {message}", self.state),
            (_, _, Some(step)) => {
                let until = self.until_ms.map_or(String::new(), |u| format!(", given up at {}", time(u)));
                writeln!(out, "{}: {step}{until}: {}", self.state, self.doing)
            }
            _ => writeln!(out, "{}", self.state),
        };
        if let Some(why) = &self.interrupted {
            let _ = writeln!(out, "interrupted: {why}");
        }
        let _ = writeln!(out, "next: {}", self.next);
        let _ = write!(out, "\n{}", self.waves_table(width));
        if !self.downtime.is_empty() {
            let _ =
                write!(out, "\nDowntime, from the fence until ready on the target:\n{}", self.downtime_table(width));
        }
        for (gate, by) in &self.gates {
            let by = by.as_ref().map_or_else(|| "not approved".to_owned(), |by| format!("approved by {by}"));
            let _ = writeln!(out, "Gate {gate}: {by}");
        }
        if !self.steps.is_empty() {
            let _ = write!(out, "\n{}", self.steps_table(width));
        }
        if !self.notes.is_empty() {
            let _ = writeln!(out, "\nNotes:\n  {}", self.notes.join("\n  "));
        }
        out
    }

    fn waves_table(&self, width: Option<u16>) -> String {
        let mut table = Table::new(&[
            ("WAVE", Align::Left),
            ("STEPS", Align::Right),
            ("BEGAN", Align::Right),
            ("PREDICTED", Align::Right),
            ("ACTUAL", Align::Right),
            ("GATES", Align::Right),
        ]);
        let or_dash = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), time);
        for w in &self.waves {
            table.row([
                format!("{:?}", w.wave),
                format!("{} of {}", w.steps.0, w.steps.1),
                or_dash(w.began_ms),
                or_dash(w.predicted_ms),
                or_dash(w.actual_ms),
                if w.gates_ms == 0 { "-".to_owned() } else { time(w.gates_ms) },
            ]);
        }
        table.render(width)
    }

    fn downtime_table(&self, width: Option<u16>) -> String {
        let mut table = Table::new(&[("WORKLOAD", Align::Left), ("PREDICTED", Align::Right), ("ACTUAL", Align::Right)]);
        let or_dash = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), time);
        for d in &self.downtime {
            table.row([d.workload.to_string(), or_dash(d.predicted_ms), or_dash(d.actual_ms)]);
        }
        table.render(width)
    }

    fn steps_table(&self, width: Option<u16>) -> String {
        let mut table = Table::new(&[
            ("STEP", Align::Left),
            ("", Align::Left),
            ("BEGAN", Align::Right),
            ("TOOK", Align::Right),
            ("", Align::Left),
        ]);
        for s in &self.steps {
            let mut more: Vec<String> = s.figures.iter().map(|(k, v)| figure(k, *v)).collect();
            if s.attempts > 1 {
                more.push(format!("try {}", s.attempts));
            }
            if s.state != "done" {
                more.extend(s.seen.iter().map(|(what, state)| format!("{what}: {state}")));
            }
            table.row([
                s.step.clone(),
                s.state.to_owned(),
                time(s.began_ms),
                s.took_ms.map_or_else(|| "-".to_owned(), time),
                more.join(", "),
            ]);
        }
        table.render(width)
    }
}

fn figure(name: &str, value: i64) -> String {
    match name {
        "bytes" => bytes(value),
        _ => count(u64::try_from(value).unwrap_or(0), name.trim_end_matches('s')),
    }
}

fn waves(s: &State, entries: &[Entry]) -> Vec<WaveRow> {
    let gates = gate_waits(s, entries);
    let row = |wave: &crate::transfer::plan::Wave| {
        let (began_ms, ended_ms) = s.waves.get(&wave.name).map_or((None, None), |(b, e)| (Some(*b), *e));
        let gates_ms = wave.steps.iter().filter_map(|s| gates.get(&s.id)).sum();
        let done = wave.steps.iter().filter(|x| s.step_done.contains_key(&x.id)).count();
        WaveRow {
            wave: wave.name,
            began_ms,
            ended_ms,
            predicted_ms: s.began.predicted.as_ref().and_then(|p| p.waves.get(&wave.name)).copied(),
            actual_ms: began_ms.zip(ended_ms).map(|(b, e)| e.saturating_sub(b).saturating_sub(gates_ms)),
            gates_ms,
            steps: (done, wave.steps.len()),
        }
    };
    s.began.plan.waves.iter().map(row).collect()
}

/// How long each gate waited.
fn gate_waits(s: &State, entries: &[Entry]) -> BTreeMap<String, i64> {
    let opened = entries.iter().filter_map(|e| match &e.record {
        Record::GateOpened { step, .. } => Some((step.clone(), e.t_ms)),
        _ => None,
    });
    let mut waits: BTreeMap<String, i64> = BTreeMap::new();
    for (step, opened) in opened {
        if let Some(done) = s.step_done.get(&step) {
            waits.entry(step).or_insert(done.saturating_sub(opened));
        }
    }
    waits
}

fn downtime(s: &State) -> Vec<WorkloadRow> {
    let mut rows = Vec::new();
    for (_, fence) in s.began.plan.steps() {
        let Action::Fence { workloads, .. } = &fence.action else { continue };
        let from = s.step_began.get(&fence.id);
        for workload in workloads {
            let verified = s.began.plan.steps().filter_map(|(_, step)| match &step.action {
                Action::Verify { workload: w, .. } if w == workload => s.step_done.get(&step.id),
                _ => None,
            });
            rows.push(WorkloadRow {
                workload: workload.clone(),
                predicted_ms: s.began.predicted.as_ref().and_then(|p| p.downtime.get(workload)).copied(),
                actual_ms: from.zip(verified.max()).map(|(from, to)| to.saturating_sub(*from)),
            });
        }
    }
    rows
}

fn steps(s: &State) -> Vec<StepRow> {
    let all = s.began.plan.waves.iter().flat_map(|w| w.steps.iter().chain(&w.rollback));
    let row = |step: &crate::transfer::plan::Step| {
        let began_ms = *s.step_began.get(&step.id)?;
        let done = s.step_done.get(&step.id);
        Some(StepRow {
            step: step.id.clone(),
            what: step.what.clone(),
            state: match done {
                Some(_) => "done",
                None if s.failed.as_ref().is_some_and(|f| f.step == step.id) => "failed",
                None => "running",
            },
            began_ms,
            took_ms: done.map(|d| d.saturating_sub(began_ms)),
            attempts: s.attempt(&step.id),
            figures: s.figures.get(&step.id).filter(|_| done.is_some()).cloned().unwrap_or_default(),
            seen: s.seen.get(&step.id).cloned().unwrap_or_default(),
        })
    };
    all.filter_map(row).collect()
}

fn next(s: &State, state: &str, dir: &str) -> String {
    if let Some(ended) = &s.ended {
        return ended.remedy.clone();
    }
    if let Some(failed) = &s.failed {
        return format!("{}; then {}", failed.remedy, ways(s, dir));
    }
    if let Some((_, remedy, _)) = &s.interrupted {
        return remedy.clone();
    }
    if state != "running" {
        return format!("nodeferry transfer resume {dir} goes on");
    }
    match s.current.as_deref().and_then(|id| s.step(id)).map(|s| &s.action) {
        Some(Action::Gate { name, .. }) => approve(dir, name),
        Some(Action::CutOver { .. }) if !s.open_items().is_empty() => {
            format!("{} --evidence TEXT", approve(dir, &s.open_items()[0]))
        }
        _ => "nothing: it goes on by itself".to_owned(),
    }
}

/// The command that approves a gate; many names of gates have spaces.
pub fn approve(dir: &str, gate: &str) -> String {
    match gate.contains(|c: char| !c.is_alphanumeric() && !"-_.".contains(c)) {
        true => format!("nodeferry transfer approve {dir} {gate:?}"),
        false => format!("nodeferry transfer approve {dir} {gate}"),
    }
}

/// The ways on from a step that failed.
fn ways(s: &State, dir: &str) -> String {
    // What is being taken back already can only be tried again.
    let back = match s.rollback.is_none() && s.cannot_roll_back().is_none() {
        true => format!(", or take the wave back: nodeferry transfer resume {dir} --roll-back"),
        false => String::new(),
    };
    format!("try again: nodeferry transfer resume {dir} --retry{back}")
}

impl State {
    /// The commands with which somebody goes on from a step that failed.
    pub fn ways_on(&self, dir: &str) -> String {
        ways(self, dir)
    }
}

impl Record {
    /// What it says to people; None for what only a process needs.
    pub fn words(&self, state: &State) -> Option<String> {
        Some(match self {
            Record::Began(began) => format!("execution {} begins", began.execution),
            Record::Resumed => "another process goes on".to_owned(),
            Record::WaveBegan { wave } => {
                let reason = state.began.plan.waves.iter().find(|w| w.name == *wave).map_or("", |w| w.reason.as_str());
                format!("wave {wave:?} begins: {reason}")
            }
            Record::WaveEnded { wave } => format!("wave {wave:?} ended"),
            Record::StepBegan { step } => {
                format!("{step}: {}", state.step(step).map_or("", |s| s.what.as_str()))
            }
            Record::Found { .. } | Record::CommandAnnounced { .. } | Record::CommandRan { .. } => return None,
            Record::Seen { step, what, state } => format!("{step}: {what}: {state}"),
            Record::GateOpened { step, gate } => {
                let question = match state.step(step).map(|s| &s.action) {
                    Some(Action::Gate { question, commands, .. }) => {
                        let commands: String = commands.iter().map(|c| format!("\n    {c}")).collect();
                        format!("{question}{commands}")
                    }
                    _ => {
                        let item = state.began.plan.checklist.iter().find(|i| i.name == *gate);
                        item.map_or_else(String::new, |i| {
                            format!("{} Evidence is needed before names point to the target.", i.question)
                        })
                    }
                };
                format!("gate {gate}: {question}")
            }
            Record::Approved { gate, by } => format!("gate {gate} is approved by {by}"),
            Record::StepDone { step, figures } if figures.is_empty() => format!("{step} is done"),
            Record::StepDone { step, figures } => {
                let figures: Vec<String> = figures.iter().map(|(k, v)| figure(k, *v)).collect();
                format!("{step} is done: {}", figures.join(", "))
            }
            Record::StepFailed { step, reason, why, remedy } => {
                format!("{step} failed ({reason}): {why}\n  next: {remedy}")
            }
            Record::Retried { from } => format!("it is tried again from {from} on"),
            Record::RollbackBegan { wave } => format!("waves are taken back, {wave:?} last"),
            Record::Note { text } => text.clone(),
            Record::StopAsked => "a stop was asked for".to_owned(),
            Record::Interrupted { why, remedy, .. } => format!("interrupted: {why}\n  next: {remedy}"),
            Record::Ended { outcome, message, remedy } => format!("{}: {message}\n  next: {remedy}", outcome.text()),
        })
    }
}
