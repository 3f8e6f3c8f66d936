//! The directory of a transfer that is carried out: `transfer.jsonl` is its journal.

use super::entry_dir::{EntryDir, EntryDirError, EntryWriter, Journaled};
use super::journal_dir::JournalDirError;
use crate::report::format::time;
use crate::transfer::execution::{Entry, Record, State, TransferReport};

/// The directory of a transfer.
pub type TransferDir = EntryDir<Entry>;
/// Its journal, locked and written on.
pub type TransferWriter = EntryWriter<Entry>;

impl Journaled for Entry {
    const FILE: &'static str = "transfer.jsonl";
}

impl TransferDir {
    /// How it stands.
    ///
    /// # Errors
    /// There is no journal, or it is damaged.
    pub fn report(&self, shown: &str) -> Result<TransferReport, EntryDirError> {
        // The lock before the journal: a process that ends in between has said so when its journal is read.
        let process = self.dir().process()?;
        TransferReport::of(&self.read()?, process, shown)
            .ok_or_else(|| JournalDirError::Missing { dir: self.path().to_owned() }.into())
    }
}

/// What a journal says happened, a line each: when, and what.
pub fn history(entries: &[Entry]) -> Vec<String> {
    let Some(Record::Began(began)) = entries.first().map(|e| &e.record) else { return Vec::new() };
    let mut state = State::new((**began).clone());
    let mut lines = Vec::new();
    for entry in entries {
        if let Some(words) = entry.record.words(&state) {
            lines.push(format!("{:>9}  {words}", time(entry.t_ms)));
        }
        state.add(entry);
    }
    lines
}
