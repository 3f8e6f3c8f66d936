//! What all entries of a journal together say.

use super::error::JournalError;
use super::record::{Began, Entry, Record};
use crate::cluster::plain::plain;
use crate::session::{RETIRE, Resumed};
use crate::typed;
use serde_json::Value;

/// What a journal says of its execution: its beginning, and how far it is.
///
/// # Errors
/// Says which entry does not fit those before it.
pub fn fold(entries: &[Entry]) -> Result<(Began, Resumed), JournalError> {
    let mut folding = Folding::default();
    for entry in entries {
        folding.take(entry)?;
    }
    folding.end()
}

/// A journal folded as far as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folding {
    began: Option<Began>,
    next_seq: u64,
    /// Entry of the latest change of the progress, and the progress.
    pub progress: Option<(u64, Value)>,
    t_ms: i64,
    approved: std::collections::BTreeMap<u32, String>,
    retiring: std::collections::BTreeSet<String>,
    stop: Option<crate::runner::StopMode>,
    ended: Option<(crate::runner::Outcome, Option<crate::runner::Failure>)>,
}

impl Folding {
    /// Takes the next entry.
    pub fn take(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let seq = entry.seq;
        if seq != self.next_seq {
            return Err(misfit(seq, format!("entry {seq} follows where {} is next", self.next_seq)));
        }
        let is_first = self.began.is_none();
        self.next_seq += 1;
        self.t_ms = self.t_ms.max(entry.t_ms);
        match &entry.record {
            Record::Began(began) if is_first => self.began = Some((**began).clone()),
            Record::Began(_) => return Err(misfit(seq, "the execution begins a second time".into())),
            _ if is_first => return Err(misfit(seq, "the first entry is not the execution's beginning".into())),
            Record::Checkpoint { progress } => self.progress = Some((seq, progress.clone())),
            Record::Intends { calls, progress } => {
                self.retiring.extend(calls.iter().filter(|c| c.what == RETIRE).map(|c| c.uid.clone()));
                self.patch(seq, progress)?;
            }
            Record::Progressed { progress } => self.patch(seq, progress)?,
            Record::Approved { batch, by } => {
                self.approved.insert(*batch, by.clone());
            }
            Record::StopAsked(mode) => self.stop = Some(*mode),
            Record::Ended { outcome, failure } => self.ended = Some((*outcome, failure.clone())),
            Record::Resumed { .. }
            | Record::Answered { .. }
            | Record::Happened(_)
            | Record::Printed { .. }
            | Record::Note { .. }
            | Record::Paused { .. }
            | Record::Interrupted { .. } => {}
        }
        Ok(())
    }
    fn patch(&mut self, seq: u64, patch: &json_patch::Patch) -> Result<(), JournalError> {
        if patch.is_empty() {
            return Ok(());
        }
        let Some((at, progress)) = &mut self.progress else {
            return Err(misfit(seq, "the progress changes before there was any (a checkpoint)".into()));
        };
        *at = seq;
        json_patch::patch_unsafe(progress, patch)
            .map_err(|e| misfit(seq, format!("the change does not fit the progress before it: {e}")))
    }
    /// What it says.
    pub fn end(self) -> Result<(Began, Resumed), JournalError> {
        let Some(began) = self.began else {
            return Err(JournalError {
                line: 1,
                byte: Some(0),
                why: "the journal is empty: the execution was killed before it had begun, and nothing was done".into(),
                remedy: "begin it again with nodeferry execute".into(),
            });
        };
        let progress = match self.progress {
            None => None,
            Some((seq, value)) => Some(
                typed::from_value(&value)
                    .map_err(|e| misfit(seq, format!("the progress, at {}: {}", e.path, plain(&e.what))))?,
            ),
        };
        let resumed = Resumed {
            next_seq: self.next_seq,
            progress,
            t_ms: self.t_ms,
            approved: self.approved,
            retiring: self.retiring,
            stop: self.stop,
            ended: self.ended,
        };
        Ok((began, resumed))
    }
}

/// An entry that does not fit, though its line is whole.
fn misfit(seq: u64, why: String) -> JournalError {
    JournalError {
        line: seq + 1,
        byte: None,
        why,
        remedy: "the lines are whole, so what wrote them was not this nodeferry, or it has a defect: use the nodeferry that wrote \
                 it (the first line names its version)"
            .into(),
    }
}
