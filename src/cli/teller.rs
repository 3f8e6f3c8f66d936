//! What an execution shows while it runs: lines for people, JSON for machines, Events on nodes, metrics.

use super::output::Output;
use crate::live::driver::Observer;
use crate::live::events::NodeEvents;
use crate::live::metrics::{Counts, MetricsServer};
use crate::runner::{is_left_reason, of_batch};
use crate::session::{Entry, Record};
use crate::trace::{Event, EventKind, NodeRole, time::words};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

/// Tells what is written into the journal.
pub(super) struct Teller {
    output: Output,
    bar: Option<ProgressBar>,
    counts: Counts,
    events: NodeEvents,
    metrics: Option<MetricsServer>,
    /// Pods whose refusal was told: each once, however often it is asked again.
    waiting: BTreeSet<String>,
    /// Nodes that came and are not ready yet.
    coming: BTreeSet<String>,
}

impl Teller {
    pub(super) fn new(output: Output, counts: Counts, events: NodeEvents, metrics: Option<MetricsServer>) -> Teller {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(counts.fates.len() as u64);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} nodes  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        Teller { output, bar, counts, events, metrics, waiting: BTreeSet::new(), coming: BTreeSet::new() }
    }

    /// Waits for what is sent beside, and leaves the terminal as it was.
    pub(super) async fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.events.finish().await;
    }

    fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(super::terminal::visible(text)),
            None => drop(writeln!(super::terminal::err(), "{text}")),
        }
    }

    fn show_progress(&self) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(self.counts.at(&["drained", "retired"]));
        bar.set_message(format!(
            "batch {}/{}  {} pods evicted, {} refusals",
            self.counts.batch, self.counts.batches, self.counts.accepted, self.counts.refused
        ));
    }

    /// What an entry says to people, if anything.
    fn words(&mut self, entry: &Entry) -> Option<String> {
        match &entry.record {
            Record::Happened(event) => self.event(event),
            Record::Note { text } => Some(text.clone()),
            Record::Paused { why } => why.as_ref().map(|why| format!("paused: {why}")),
            Record::Approved { batch, by } => Some(format!("batch {} is approved by {by}", batch.saturating_add(1))),
            Record::StopAsked(_) => Some("a stop was asked for".into()),
            _ => None,
        }
    }

    fn event(&mut self, event: &Event) -> Option<String> {
        let node = event.node.as_deref().unwrap_or_default();
        let why = event.message.as_deref().or(event.reason.as_deref()).unwrap_or_default();
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        let batch = event.batch.map_or(0, |b| b + 1);
        let of = self.counts.batches;
        let is_old = self.counts.fates.contains_key(node);
        match event.event {
            EventKind::BatchStarted => Some(format!("batch {batch} of {of} begins")),
            EventKind::BatchFinished => {
                let because = if why.is_empty() { String::new() } else { format!(": {}", of_batch(why)) };
                Some(format!("batch {batch} of {of} ended: {}{because}", event.outcome.as_deref().unwrap_or("?")))
            }
            EventKind::NodeLaunchRequested => Some(format!(
                "{} new nodes of group {} are wanted",
                event.nodes.unwrap_or(1),
                event.group.as_deref().unwrap_or("?")
            )),
            EventKind::NodeLaunchFailed => Some(format!("a new node did not come{because}")),
            EventKind::NodeAdded => {
                (event.role == Some(NodeRole::New)).then(|| self.coming.insert(node.to_owned()));
                None
            }
            EventKind::NodeReady => self.coming.remove(node).then(|| format!("new node {node} is ready")),
            EventKind::NodeDrained => Some(format!("node {node} is drained")),
            EventKind::DrainFailed if event.reason.as_deref().is_some_and(is_left_reason) => {
                Some(format!("node {node} does not count as replaced{because}"))
            }
            EventKind::DrainFailed => Some(format!("node {node} could not be drained{because}")),
            EventKind::NodeWarning => Some(format!("node {node} {why}")),
            EventKind::NodeDeleted if is_old => Some(format!("node {node} is gone")),
            EventKind::NodeUncordoned if is_old => Some(format!("node {node} is schedulable again")),
            EventKind::GateWaiting => Some(format!("batch {batch} waits{because}")),
            EventKind::GateOpened => Some(format!("batch {batch} may begin{because}")),
            EventKind::MigrationState => Some(format!("the migration is {}", event.state.as_deref().unwrap_or("?"))),
            // The other states of nodes are in what happens to them.
            EventKind::NodeState => {
                let state = event.state.as_deref().unwrap_or_default();
                let held = state.starts_with("NOT_REPLACED") || state == "REQUIRES_MANUAL_MIGRATION";
                held.then(|| format!("node {node} is {state}{because}"))
            }
            EventKind::PodForced => {
                Some(format!("pod {} was deleted past its budgets{because}", event.pod.as_deref().unwrap_or("?")))
            }
            EventKind::EvictionRefused => {
                let pod = event.pod.clone()?;
                self.waiting.insert(pod.clone()).then(|| format!("pod {pod} is held back{because}"))
            }
            _ => None,
        }
    }
}

/// Whether an entry is for machines to see: what happened, not how the runner keeps its books.
fn is_public(record: &Record) -> bool {
    !matches!(record, Record::Began(_) | Record::Checkpoint { .. } | Record::Progressed { .. } | Record::Intends { .. })
}

impl Observer for Teller {
    fn entry(&mut self, entry: &Entry) {
        self.counts.entry(entry);
        self.events.entry(entry);
        if let Some(metrics) = &self.metrics {
            metrics.entry(entry);
        }
        if self.output == Output::Json {
            if is_public(&entry.record)
                && let Ok(text) = serde_json::to_string(entry)
            {
                // A reader that has gone away is no reason to leave a migration half done.
                let _ = writeln!(std::io::stdout(), "{text}");
            }
        } else if let Some(text) = self.words(entry) {
            let at = words(u64::try_from(entry.t_ms).unwrap_or(0));
            self.line(&format!("{at:>9}  {text}"));
        }
        self.show_progress();
    }
    fn say(&mut self, text: &str) {
        self.line(text);
    }
}
