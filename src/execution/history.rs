//! What happened in an execution, entry by entry, as people read it.

use super::status::plain;
use crate::runner::of_batch;
use crate::session::journal::{Call, Entry, Record};
use crate::snapshot::time::format_rfc3339;
use crate::trace::{Event, EventKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// An entry of a journal for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// Wall time, RFC 3339.
    pub time: String,
    /// Milliseconds since the execution began.
    pub t_ms: i64,
    /// The batch it belongs to, counted from 0.
    pub batch: Option<u32>,
    /// What kind of entry it is (`answered`).
    pub record: &'static str,
    /// What it says.
    pub text: String,
    /// Whether it tells people something; what only a resuming process needs does not.
    #[serde(skip)]
    pub is_news: bool,
}

impl Line {
    /// `2026-11-21T10:49:16.789Z  batch 1  node old-1 cordoned`.
    pub fn text(&self) -> String {
        let batch = self.batch.map_or(String::new(), |b| format!("batch {}", b + 1));
        format!("{}  {batch:<9} {}", self.time, self.text).trim_end().to_owned()
    }
}

/// The lines of a journal's entries, all of them, in order.
pub fn history(entries: &[Entry]) -> Vec<Line> {
    let mut teller = Teller::default();
    entries.iter().map(|e| teller.tell(e)).collect()
}

/// What must be remembered from one entry to the next.
#[derive(Debug, Default)]
struct Teller {
    unix_ms: i64,
    batch: Option<u32>,
    calls: BTreeMap<u64, Call>,
}

impl Teller {
    fn tell(&mut self, entry: &Entry) -> Line {
        let before = self.batch;
        let own = self.follow(&entry.record);
        // The end of a batch belongs to it.
        let batch = own.or(self.batch).or(before);
        let (record, text, is_news) = self.words(&entry.record);
        let time = format_rfc3339(self.unix_ms.saturating_add(entry.t_ms), 3);
        Line { seq: entry.seq, time, t_ms: entry.t_ms, batch, record, text: plain(&text), is_news }
    }
    /// Learns from a record; the batch that it names itself.
    fn follow(&mut self, record: &Record) -> Option<u32> {
        match record {
            Record::Began(began) => self.unix_ms = began.unix_ms,
            Record::Intends { calls, .. } => self.calls.extend(calls.iter().map(|c| (c.call, c.clone()))),
            Record::Happened(event) => {
                match event.event {
                    EventKind::BatchStarted => self.batch = event.batch,
                    EventKind::BatchFinished | EventKind::MigrationFinished => self.batch = None,
                    _ => {}
                }
                return event.batch;
            }
            Record::Printed { batch, .. } | Record::Approved { batch, .. } => return Some(*batch),
            _ => {}
        }
        None
    }
    fn words(&mut self, record: &Record) -> (&'static str, String, bool) {
        match record {
            Record::Began(began) => {
                let nodes: usize = began.plan.intent.batches.iter().map(Vec::len).sum();
                let text = format!(
                    "{} begins: {nodes} nodes in {} batches with {}, cluster {} (context {}), nodeferry {}",
                    began.execution,
                    began.plan.intent.batches.len(),
                    began.plan.intent.options.procedure.name(),
                    began.cluster,
                    began.context,
                    began.nodeferry
                );
                ("began", text, true)
            }
            Record::Resumed { nodeferry, .. } => {
                ("resumed", format!("another process goes on, nodeferry {nodeferry}"), true)
            }
            Record::Checkpoint { .. } => ("checkpoint", "the whole progress is written down".into(), false),
            Record::Progressed { progress } => {
                ("progressed", format!("the progress changes in {} places", progress.len()), false)
            }
            Record::Intends { calls, .. } => {
                let calls: Vec<String> = calls.iter().map(call).collect();
                ("intends", format!("asks: {}", calls.join(", ")), true)
            }
            Record::Answered { call: id, answer } => {
                let asked = self.calls.remove(id).map_or_else(|| format!("call {id}"), |c| call(&c));
                ("answered", format!("{asked}: {answer}"), true)
            }
            Record::Happened(e) => ("happened", event(e), !e.initial && e.event != EventKind::BudgetChanged),
            Record::Printed { text, .. } => ("printed", format!("| {text}"), true),
            Record::Note { text } => ("note", text.clone(), true),
            Record::Paused { why } => match why {
                Some(why) => ("paused", format!("nothing is sent: {why}"), true),
                None => ("paused", "requests are sent again".into(), true),
            },
            Record::Approved { batch, by } => {
                ("approved", format!("batch {} may start, says {by}", batch.saturating_add(1)), true)
            }
            Record::StopAsked(mode) => {
                let drained = match mode.terminate_drained {
                    Some(true) => "; drained nodes are to be given back",
                    Some(false) => "; drained nodes are to be kept",
                    None => "",
                };
                ("stop_asked", format!("an orderly stop is asked for{drained}"), true)
            }
            Record::Interrupted { why } => ("interrupted", format!("the process leaves: {why}"), true),
            Record::Ended { outcome, failure } => {
                let why = failure.as_ref().map_or(String::new(), |f| format!(": {}: {}", f.reason, f.message));
                ("ended", format!("{}{why}", outcome.text()), true)
            }
        }
    }
}

fn call(c: &Call) -> String {
    format!("{} {}", c.what, c.object)
}

/// A trace's event in one line: what, to what, and why.
fn event(e: &Event) -> String {
    let mut text = kind(e.event).replace('_', " ");
    let mut add = |part: &Option<String>| {
        if let Some(part) = part.as_ref().filter(|p| !p.is_empty()) {
            let _ = write!(text, " {part}");
        }
    };
    add(&e.pod);
    // A pod's node is where it is (or was).
    let at = e.pod.as_ref().and(e.node.as_ref()).map(|n| format!("on {n}"));
    add(&at.or_else(|| e.node.clone()));
    add(&e.group.as_ref().map(|g| format!("of group {g}")));
    add(&e.budget);
    add(&e.outcome);
    add(&e.state);
    let message = match e.event {
        EventKind::BatchFinished => e.message.as_deref().map(|m| of_batch(m).to_owned()),
        _ => e.message.clone(),
    };
    let detail: Vec<String> = [e.code.map(|c| c.to_string()), e.reason.clone(), message]
        .into_iter()
        .flatten()
        .filter(|d| !d.is_empty())
        .collect();
    if !detail.is_empty() {
        let _ = write!(text, ": {}", detail.join(": "));
    }
    text
}

/// The kind as the wire has it.
fn kind(kind: EventKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::journal::testing::story;

    #[test]
    fn every_entry_has_its_line() {
        let (entries, _) = story();
        let lines = history(&entries);
        assert_eq!(lines.len(), entries.len());
        assert_eq!(
            lines[0].text(),
            "2026-11-21T02:57:36.000Z            shop-1 begins: 2 nodes in 2 batches with kubectl-drain, cluster \
             5d1c6d0e-0000-4000-8000-000000000001 (context kind-shop — “blue”), nodeferry 0.1.0"
        );
        let texts: Vec<String> = lines.iter().filter(|l| l.is_news).map(Line::text).collect();
        for wanted in [
            "  batch 2   batch 2 may start, says ada \"the\" \\ first",
            "  an orderly stop is asked for; drained nodes are to be given back",
            "  batch 1   | node/old-0 cordoned",
            "  node cordoned old-0",
            "  asks: cordon old-0",
            "  cordon old-0: accepted",
            "  evict default/web-0: 429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget.",
            "  the process leaves: killed",
            "  another process goes on, nodeferry 0.1.0",
            "  COMPLETED",
        ] {
            assert!(texts.iter().any(|t| t.ends_with(wanted)), "{wanted} is not in\n{}", texts.join("\n"));
        }
        assert!(texts.iter().all(|t| !t.contains(char::is_control)), "nothing that a terminal would obey");
        assert!(lines.iter().filter(|l| l.record == "checkpoint").all(|l| !l.is_news));
    }

    #[test]
    fn an_event_says_what_befell_what_and_why() {
        let refused = Event {
            pod: Some("default/web-1".into()),
            node: Some("old-1".into()),
            code: Some(429),
            message: Some("Cannot evict pod".into()),
            ..Event::new(0, EventKind::EvictionRefused)
        };
        assert_eq!(event(&refused), "eviction refused default/web-1 on old-1: 429: Cannot evict pod");
    }

    #[test]
    fn entries_belong_to_the_batch_in_which_they_are() {
        let happened = |seq, kind| {
            let event = Event { batch: Some(4), ..Event::new(0, kind) };
            Entry { seq, t_ms: 0, record: Record::Happened(Box::new(event)) }
        };
        let note = |seq| Entry { seq, t_ms: 0, record: Record::Note { text: "x".into() } };
        let entries =
            [note(0), happened(1, EventKind::BatchStarted), note(2), happened(3, EventKind::BatchFinished), note(4)];
        let batches: Vec<Option<u32>> = history(&entries).into_iter().map(|l| l.batch).collect();
        assert_eq!(batches, [None, Some(4), Some(4), Some(4), None]);
    }
}
