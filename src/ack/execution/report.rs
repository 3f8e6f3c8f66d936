//! Predicted against actual, and how an execution stands, for people and machines.

use super::record::Entry;
use super::state::{Begun, Stage, State};
use crate::plan::verdict::Percentiles;
use crate::report::format::time;
use crate::report::table::{Align, Table};
use crate::snapshot::time::format_rfc3339;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Parts of the plan's afterwards that an execution does itself.
pub(crate) const DONE: [&str; 2] = ["look", "delete-masters"];

/// A length, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// `outage`, `rush`, `quiet`.
    pub what: &'static str,
    /// Predicted, milliseconds.
    pub predicted_ms: Option<Percentiles<i64>>,
    /// Measured, milliseconds.
    pub actual_ms: Option<i64>,
    /// The measured one from the predicted median, percent of the median.
    pub difference_percent: Option<f64>,
    /// Its beginning and end were seen by one process; else the measured length is an upper bound.
    pub is_exact: bool,
}

/// How an execution stands and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AckReport {
    /// Name of the execution.
    pub execution: String,
    /// The cluster's id at ACK.
    pub cluster_id: String,
    /// uid of the namespace kube-system.
    pub cluster: String,
    /// Name of the context.
    pub context: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// When the latest entry was written, RFC 3339.
    pub latest: String,
    /// `drain`, `inventory`, `gate`, `away`, `prove`, `settle`, `delete`, `ended`.
    pub stage: &'static str,
    /// What is done in it.
    pub doing: &'static str,
    /// Since when, milliseconds since the beginning.
    pub stage_since_ms: i64,
    /// When the wait of this stage is given up, milliseconds since the beginning.
    pub until_ms: Option<i64>,
    /// `running`, `interrupted`, `killed`, `ended`.
    pub state: &'static str,
    /// The process that works at it, in words.
    pub process: Option<String>,
    /// How many processes have worked at it.
    pub processes: u32,
    /// Why the latest process left, if it said so.
    pub interrupted: Option<String>,
    /// How it ended.
    pub outcome: Option<&'static str>,
    /// Code of the reason.
    pub reason: Option<String>,
    /// What happened.
    pub message: Option<String>,
    /// What to do next.
    pub next: String,
    /// Id of the task, where one was named.
    pub task_id: Option<String>,
    /// What the task said last.
    pub task: Option<String>,
    /// Outage, rush and quiet.
    pub lengths: Vec<Compared>,
    /// How long the drain took, milliseconds.
    pub drain_ms: Option<i64>,
    /// When the masters were Unknown, milliseconds since the first step.
    pub masters_unknown_ms: Option<i64>,
    /// Objects of each kind before and after.
    pub objects: BTreeMap<String, (usize, usize)>,
    /// What differs.
    pub differences: Vec<String>,
    /// Nodes but masters that are gone.
    pub nodes_gone: Vec<String>,
    /// Masters that are deleted.
    pub deleted: Vec<String>,
    /// Masters that are kept, and why.
    pub kept: BTreeMap<String, String>,
    /// Machines that are billed until they are released: node and instance.
    pub billed: Vec<(String, Option<String>)>,
    /// What is left to be done by hand once the masters are deleted: what, and its commands.
    pub to_do: Vec<(String, Vec<String>)>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl AckReport {
    /// Of a journal; `process` is who works at it now.
    pub fn of(entries: &[Entry], process: Option<String>, dir: &str) -> Option<AckReport> {
        let s = State::fold(entries)?;
        let state = match (&s.ended, &process, &s.interrupted) {
            (Some(_), _, _) => "ended",
            (None, Some(_), _) => "running",
            (None, None, Some(_)) => "interrupted",
            (None, None, None) => "killed",
        };
        let compared = s.compared.clone().unwrap_or_default();
        Some(AckReport {
            began: format_rfc3339(s.began.unix_ms, 3),
            latest: format_rfc3339(s.began.unix_ms + s.t_ms, 3),
            stage: s.stage.name(),
            doing: s.stage.words(),
            stage_since_ms: s.stage_since_ms,
            until_ms: limit(&s).map(|l| s.wait_since_ms + l).filter(|_| s.ended.is_none()),
            state,
            process,
            processes: s.processes,
            interrupted: s.interrupted.as_ref().map(|(why, ..)| why.clone()),
            outcome: s.ended.as_ref().map(|e| e.outcome.text()),
            reason: s.ended.as_ref().and_then(|e| e.reason.clone()),
            message: s.ended.as_ref().map(|e| e.message.clone()),
            next: next(&s, state, dir),
            lengths: lengths(&s),
            drain_ms: s.drain_ms.0.zip(s.drain_ms.1).map(|(from, to)| to - from),
            masters_unknown_ms: s.unknown_ms.zip(s.away_ms).map(|(at, away)| at - away),
            objects: compared.counts.clone(),
            differences: compared.lines(),
            billed: if s.unknown_ms.is_some() { s.machines() } else { Vec::new() },
            to_do: to_do(&s),
            cluster_id: s.began.plan.cluster.id.clone(),
            task: s.task.as_ref().map(|t| t.text()),
            execution: s.began.execution,
            cluster: s.began.cluster,
            context: s.began.context,
            task_id: s.task_id,
            nodes_gone: s.nodes_gone,
            deleted: s.deleted,
            kept: s.kept,
            notes: s.notes,
        })
    }

    /// For people.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = format!(
            "{} of cluster {} (context {}), begun {}\n",
            self.execution, self.cluster_id, self.context, self.began
        );
        let _ = match (self.outcome, &self.message) {
            (Some(outcome), Some(message)) => {
                let code = self.reason.as_ref().map_or(String::new(), |r| format!(" ({r})"));
                writeln!(out, "{outcome}{code}: {message}")
            }
            _ => {
                let until = self.until_ms.map_or(String::new(), |u| format!(", given up at {}", time(u)));
                writeln!(
                    out,
                    "{}: stage {}, since {}{until}: {}",
                    self.state,
                    self.stage,
                    time(self.stage_since_ms),
                    self.doing
                )
            }
        };
        if let Some(why) = &self.interrupted {
            let _ = writeln!(out, "interrupted: {why}");
        }
        let _ = writeln!(out, "next: {}", self.next);
        if let (Some(id), Some(task)) = (&self.task_id, &self.task) {
            let _ = writeln!(out, "task {id}: {task}");
        }
        if self.lengths.iter().any(|l| l.predicted_ms.is_some() || l.actual_ms.is_some()) {
            let _ = write!(out, "\n{}", self.table(width));
        }
        for (title, lines) in
            [("What differs", &self.differences), ("Nodes that are gone", &self.nodes_gone), ("Notes", &self.notes)]
        {
            if !lines.is_empty() {
                let _ = writeln!(out, "\n{title}:\n  {}", lines.join("\n  "));
            }
        }
        if !self.objects.is_empty() {
            let kinds: Vec<String> = self
                .objects
                .iter()
                .filter(|(_, (before, after))| before != after)
                .map(|(kind, (before, after))| format!("{kind} {before} → {after}"))
                .collect();
            let total: usize = self.objects.values().map(|(before, _)| before).sum();
            let changed = if kinds.is_empty() { "as many of each kind as before".to_owned() } else { kinds.join(", ") };
            let _ = writeln!(out, "\nObjects: {total} of {} kinds before; {changed}", self.objects.len());
        }
        if !self.deleted.is_empty() {
            let _ = writeln!(out, "Masters deleted: {}", self.deleted.join(", "));
        }
        for (node, why) in &self.kept {
            let _ = writeln!(out, "Master {node} is kept: {why}");
        }
        if !self.billed.is_empty() {
            let machine = |(node, id): &(String, Option<String>)| match id {
                Some(id) => format!("{id} ({node})"),
                None => format!("the instance of {node}"),
            };
            let list: Vec<String> = self.billed.iter().map(machine).collect();
            let _ = writeln!(out, "Billed until they are released: {}", list.join(", "));
        }
        if !self.to_do.is_empty() {
            out.push_str("\nStill to do, by hand:\n");
        }
        for (what, commands) in &self.to_do {
            let _ = writeln!(out, "  {what}");
            commands.iter().for_each(|c| _ = writeln!(out, "    {c}"));
        }
        out
    }

    fn table(&self, width: Option<u16>) -> String {
        let mut table = Table::new(&[
            ("", Align::Left),
            ("PREDICTED", Align::Right),
            ("P5 TO P95", Align::Right),
            ("ACTUAL", Align::Right),
            ("", Align::Right),
        ]);
        for l in &self.lengths {
            let dash = || "-".to_owned();
            let bound = if l.is_exact { "" } else { "at most " };
            table.row([
                l.what.to_owned(),
                l.predicted_ms.map_or_else(dash, |p| time(p.p50)),
                l.predicted_ms.map_or_else(dash, |p| format!("{} to {}", time(p.p5), time(p.p95))),
                l.actual_ms.map_or_else(dash, |a| format!("{bound}{}", time(a))),
                l.difference_percent.map_or_else(dash, |d| format!("{d:+.1} %")),
            ]);
        }
        table.render(width)
    }
}

/// What the plan has for afterwards, without what was done already.
fn to_do(s: &State) -> Vec<(String, Vec<String>)> {
    let swapped = s.settled.is_some() && s.ended.is_some();
    let left = s.began.plan.afterwards.iter().filter(|a| swapped && !DONE.contains(&a.name.as_str()));
    left.map(|a| (format!("{}: {}", a.name, a.what), a.commands.clone())).collect()
}

fn lengths(s: &State) -> Vec<Compared> {
    let predicted = s.predicted.flatten();
    let back = s.back_ms.map(|(back, _)| back);
    let seen = s.away_seen && s.back_ms.is_some_and(|(_, seen)| seen);
    let quiet = s.settled.map(|(last, _)| back.map_or(last, |b| last.max(b)));
    let watched = s.settled.is_some_and(|(_, watched)| watched);
    let one =
        |what, of: fn(super::record::Predicted) -> Percentiles<i64>, from: Option<i64>, to: Option<i64>, is_exact| {
            let predicted_ms = predicted.map(of);
            let actual_ms = from.zip(to).map(|(from, to)| to - from);
            let difference_percent = predicted_ms
                .zip(actual_ms)
                .filter(|(p, _)| p.p50 > 0)
                .map(|(p, a)| (a - p.p50) as f64 * 100.0 / p.p50 as f64);
            Compared { what, predicted_ms, actual_ms, difference_percent, is_exact }
        };
    vec![
        one("outage", |p| p.outage_ms, s.away_ms, back, seen),
        one("rush", |p| p.rush_ms, back, quiet, watched),
        one("quiet", |p| p.quiet_ms, s.away_ms, quiet, watched && s.away_seen),
    ]
}

/// The limit of the wait of a stage, milliseconds.
fn limit(s: &State) -> Option<i64> {
    let l = &s.began.limits;
    match s.stage {
        Stage::Gate if s.begun != Begun::No => Some(l.begin_ms),
        Stage::Gate => Some(l.gate_ms),
        Stage::Away => Some(l.away_ms),
        Stage::Prove => Some(l.prove_ms),
        Stage::Settle => Some(l.settle_ms),
        Stage::Drain | Stage::Inventory | Stage::Delete | Stage::Ended => None,
    }
}

fn next(s: &State, state: &str, dir: &str) -> String {
    if let Some(ended) = &s.ended {
        return ended.remedy.clone();
    }
    if let Some((_, remedy, _)) = &s.interrupted {
        return remedy.clone();
    }
    if state != "running" {
        return format!("nodeferry resume {dir} goes on");
    }
    match s.stage {
        Stage::Gate if s.begun == Begun::No && s.began.begin.is_empty() => {
            format!("begin the migration in the console, or with {}", s.began.plan.cut_over.command)
        }
        Stage::Away => "nothing: it is watched until it is back; change nothing meanwhile".to_owned(),
        _ => "nothing: it goes on by itself".to_owned(),
    }
}
