//! How the runner's progress is written small: what changed since the last time, and the whole from time to time.

use super::record::{Call, Record};
use json_patch::Patch;
use serde_json::Value;

/// Patches are let grow to this many bytes before a checkpoint is thought of.
const LEAST: usize = 16 * 1024;

/// Remembers the progress as the journal has it, and says what to write so that it has the next one.
///
/// A checkpoint is written when the patches since the last one outweigh it: a journal is then at most a few times as
/// long as its patches, and a reader applies at most a checkpoint's worth of them.
#[derive(Clone, Debug, Default)]
pub struct ProgressLog {
    /// As the journal has it; None if it has none yet.
    known: Option<Value>,
    checkpoint_bytes: usize,
    patch_bytes: usize,
}

impl ProgressLog {
    /// A log whose first record is a checkpoint: of an execution that begins, or of a process that goes on with one.
    pub fn new() -> ProgressLog {
        ProgressLog::default()
    }
    /// What to write, in order, before `calls` leave: they have been put out by a runner whose progress is now
    /// `progress`. Nothing if nothing changed and no call is made.
    pub fn records(&mut self, progress: Value, calls: Vec<Call>) -> Vec<Record> {
        let patch = self.known.as_ref().map(|known| json_patch::diff(known, &progress));
        let mut records = Vec::new();
        let patch = match patch {
            Some(patch) if self.keeps(&patch, &progress) => patch,
            _ => {
                records.push(self.checkpoint(progress));
                Patch::default()
            }
        };
        match calls.is_empty() {
            false => records.push(Record::Intends { calls, progress: patch }),
            true if !patch.is_empty() => records.push(Record::Progressed { progress: patch }),
            true => {}
        }
        records
    }
    /// Takes a patch up, if it is small enough and makes of the known progress the new one, to the letter.
    fn keeps(&mut self, patch: &Patch, progress: &Value) -> bool {
        self.patch_bytes += if patch.is_empty() { 0 } else { length(patch) };
        if self.patch_bytes > self.checkpoint_bytes.max(LEAST) {
            return false;
        }
        let Some(known) = &mut self.known else { return false };
        json_patch::patch_unsafe(known, patch).is_ok() && known == progress
    }
    fn checkpoint(&mut self, progress: Value) -> Record {
        self.checkpoint_bytes = length(&progress);
        self.patch_bytes = 0;
        self.known = Some(progress.clone());
        Record::Checkpoint { progress }
    }
}

/// Bytes that a value takes as JSON.
fn length(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len())
}
