//! The disk under a journal: what was synced stays, of what was not a killed process leaves any part.

use crate::session::journal::{self, Entry, JournalError, Writer};
use crate::session::{Began, Resumed};

/// A journal's file on a disk that keeps its promises and no others.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    writer: Writer,
    safe: Vec<u8>,
    loose: Vec<u8>,
    /// Entries that were written, the lost ones taken out.
    entries: Vec<Entry>,
    synced: usize,
}

/// What a journal says when it is opened again.
pub type Opened = Result<Option<(Began, Resumed)>, String>;

impl Disk {
    /// Writes an entry, not yet safe.
    ///
    /// # Errors
    /// The entry does not follow the one before.
    pub fn append(&mut self, entry: Entry) -> Result<(), JournalError> {
        let line = self.writer.encode(&entry)?;
        self.loose.extend_from_slice(&line);
        self.entries.push(entry);
        Ok(())
    }
    /// All that was written is safe from here on.
    pub fn sync(&mut self) {
        self.safe.append(&mut self.loose);
        self.synced = self.entries.len();
    }
    /// The file as it is.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.safe[..], &self.loose].concat()
    }
    /// Bytes that a crash may lose.
    pub fn loose_bytes(&self) -> usize {
        self.loose.len()
    }
    /// Entries that are safe.
    pub fn safe_entries(&self) -> &[Entry] {
        &self.entries[..self.synced]
    }
    /// The process was killed: of the bytes that were not synced `kept` have reached the disk.
    pub fn crash(&mut self, kept: usize) {
        let kept = kept.min(self.loose.len());
        self.safe.extend_from_slice(&self.loose[..kept]);
        self.loose.clear();
    }
    /// The next process opens the journal: a torn tail is cut, the rest is folded. Nothing, if not even the first entry
    /// was safe.
    pub fn open(&mut self) -> Opened {
        let found = journal::read(&self.safe).map_err(|e| format!("it cannot be read: {e}"))?;
        if found.entries.len() < self.synced || found.entries.len() > self.entries.len() {
            let (n, low, high) = (found.entries.len(), self.synced, self.entries.len());
            return Err(format!("{n} entries are read of {high} written and {low} synced"));
        }
        if found.entries[..] != self.entries[..found.entries.len()] {
            return Err("the entries that are read are not those that were written".into());
        }
        self.safe.truncate(usize::try_from(found.kept_bytes).unwrap_or(usize::MAX));
        self.writer = found.writer;
        self.entries.truncate(found.entries.len());
        self.synced = self.entries.len();
        if self.entries.is_empty() {
            return Ok(None);
        }
        journal::fold(&self.entries).map(Some).map_err(|e| format!("it does not fold: {e}"))
    }
}
