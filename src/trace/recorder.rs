//! Collects events in memory and carries them to and from JSON Lines.

use std::borrow::Borrow;
use std::io::{self, BufRead, BufReader, Read, Write};

use super::event::Event;
use crate::typed;

/// The append-only list of a run's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorder {
    events: Vec<Event>,
}

impl Recorder {
    /// An empty recorder.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// Appends one event.
    ///
    /// Events come in order of time; a caller that breaks this has a bug, which
    /// [`read_jsonl`] would report to whoever reads the file.
    pub fn push(&mut self, event: Event) {
        debug_assert!(
            self.events.last().is_none_or(|last| last.t_ms <= event.t_ms),
            "an event at {} ms comes after one at {:?} ms",
            event.t_ms,
            self.events.last().map(|last| last.t_ms)
        );
        self.events.push(event);
    }

    /// All events so far, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Writes one JSON object a line, each line ended by `\n`; `w` is flushed.
    pub fn write_jsonl(&self, w: impl Write) -> io::Result<()> {
        write_jsonl(&self.events, w)
    }
}

impl From<Vec<Event>> for Recorder {
    fn from(events: Vec<Event>) -> Recorder {
        Recorder { events }
    }
}

/// Writes `events` as JSON Lines: one JSON object a line, each line ended by `\n`; `w` is flushed.
///
/// Takes events by reference or as they are made, so that a run kept as observations is named and written
/// one line at a time.
pub fn write_jsonl(events: impl IntoIterator<Item = impl Borrow<Event>>, mut w: impl Write) -> io::Result<()> {
    let mut line = Vec::with_capacity(256);
    for event in events {
        line.clear();
        serde_json::to_writer(&mut line, event.borrow())?;
        line.push(b'\n');
        w.write_all(&line)?;
    }
    w.flush()
}

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The bytes could not be had.
    #[error("the trace could not be read after line {line}: {source}")]
    Io {
        /// Last line read whole, counted from 1.
        line: usize,
        /// The reader's own error.
        source: io::Error,
    },
    /// A line that is not an event.
    #[error(
        "line {line} of the trace, {place}: {what}; expected one JSON object a line, {{\"t_ms\":…,\"event\":…}}, as --trace writes it"
    )]
    NotAnEvent {
        /// Line, counted from 1.
        line: usize,
        /// JSON path and column within the line.
        place: String,
        /// What was wrong and what was expected.
        what: String,
    },
    /// A line whose time is before the line above it.
    #[error(
        "line {line} of the trace: t_ms is {t_ms}, but an earlier line has {previous_ms}; expected lines in order of time (are two traces in one file?)"
    )]
    TimeGoesBack {
        /// Line, counted from 1.
        line: usize,
        /// The line's time in milliseconds.
        t_ms: u64,
        /// The latest time before it, in milliseconds.
        previous_ms: u64,
    },
    /// Nothing in it.
    #[error("the trace is empty; expected at least one line, as --trace writes it")]
    Empty,
}

/// Reads JSON Lines as [`write_jsonl`] writes them; blank lines are skipped.
///
/// # Errors
/// [`TraceError`] with the line's number for the first line that is not an event, and for time that goes back.
pub fn read_jsonl(reader: impl Read) -> Result<Vec<Event>, TraceError> {
    let mut events: Vec<Event> = Vec::new();
    for (n, text) in BufReader::new(reader).lines().enumerate() {
        let text = text.map_err(|source| TraceError::Io { line: n, source })?;
        if text.trim().is_empty() {
            continue;
        }
        let event = parse_line(n + 1, &text)?;
        let previous_ms = events.last().map_or(0, |e| e.t_ms);
        if event.t_ms < previous_ms {
            return Err(TraceError::TimeGoesBack { line: n + 1, t_ms: event.t_ms, previous_ms });
        }
        events.push(event);
    }
    if events.is_empty() { Err(TraceError::Empty) } else { Ok(events) }
}

fn parse_line(line: usize, text: &str) -> Result<Event, TraceError> {
    typed::from_json(text.as_bytes()).map_err(|e| {
        let column = e.at.map_or(0, |(_, column)| column);
        match e.what == "trailing characters" && e.path == "." {
            true => TraceError::NotAnEvent {
                line,
                place: format!("column {column}"),
                what: "more text after the event".to_owned(),
            },
            false => TraceError::NotAnEvent { line, place: format!("at `{}`, column {column}", e.path), what: e.what },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::EventKind;
    use crate::trace::synthetic;

    #[test]
    fn round_trip() {
        let recorder = Recorder::from(synthetic::small());
        let mut bytes = Vec::new();
        recorder.write_jsonl(&mut bytes).expect("a Vec takes everything");
        let back = read_jsonl(bytes.as_slice()).expect("what was written can be read");
        assert_eq!(back, recorder.events());
        let figures = crate::trace::Metrics::from_events(&back);
        assert_eq!(figures, crate::trace::Metrics::from_events(recorder.events()));
    }

    #[test]
    fn only_fields_that_apply_are_written() {
        let mut e = Event::new(7, EventKind::NodeCordoned);
        e.node = Some("n1".into());
        let mut bytes = Vec::new();
        write_jsonl(&[e], &mut bytes).expect("a Vec takes everything");
        assert_eq!(
            String::from_utf8(bytes).expect("JSON is UTF-8"),
            "{\"t_ms\":7,\"event\":\"node_cordoned\",\"node\":\"n1\"}\n"
        );
    }

    fn error(text: &str) -> String {
        read_jsonl(text.as_bytes()).expect_err("broken input").to_string()
    }

    #[test]
    fn errors_name_line_place_and_expectation() {
        let ok = "{\"t_ms\":5,\"event\":\"node_ready\"}\n";
        assert!(error("").contains("empty"));
        let e = error(&format!("{ok}\nnot json\n"));
        assert!(e.starts_with("line 3 of the trace") && e.contains("expected one JSON object"), "{e}");
        let e = error(&format!("{ok}{{\"t_ms\":\"6\",\"event\":\"node_ready\"}}\n"));
        assert!(e.contains("line 2") && e.contains("`t_ms`") && e.contains("expected u64"), "{e}");
        let e = error(&format!("{ok}{{\"t_ms\":6,\"event\":\"node_gone\"}}\n"));
        assert!(e.contains("unknown variant `node_gone`") && e.contains("node_deleted"), "{e}");
        let e = error(&format!("{ok}{{\"t_ms\":6,\"event\":\"node_ready\"}} {{}}\n"));
        assert!(e.contains("more text after the event"), "{e}");
        let e = error(&format!("{ok}{{\"t_ms\":4,\"event\":\"node_ready\"}}\n"));
        assert!(e.contains("line 2") && e.contains("t_ms is 4") && e.contains("has 5"), "{e}");
    }
}
