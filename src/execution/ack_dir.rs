//! The directory of a migration of a control plane: its journal, the inventory of before, the journal of the drain, and what was asked.
//!
//! `ack.jsonl` is the journal, `inventory.json` what there was before the cut-over, `drain` the directory of the drain's own journal; `lock` and
//! `requests/` are as in every journal's directory.

use super::entry_dir::{EntryDir, EntryDirError, EntryWriter, Journaled};
use super::journal_dir::{Asked, JournalDir, JournalDirError, Order, failed, sync_dir};
use crate::ack::execution::{AckReport, Entry, Inventory, Record, State, time};
use crate::private_file;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Name of what there was before the cut-over.
const INVENTORY: &str = "inventory.json";
/// Name of the directory of the drain's journal.
const DRAIN: &str = "drain";

/// Why the directory cannot be used.
pub type AckDirError = EntryDirError;

impl Journaled for Entry {
    const FILE: &'static str = "ack.jsonl";
}

/// The directory of a migration.
#[derive(Clone, Debug)]
pub struct AckDir {
    dir: EntryDir<Entry>,
}

impl AckDir {
    /// The directory at a path; nothing is looked at or made.
    pub fn at(path: impl Into<PathBuf>) -> AckDir {
        AckDir { dir: EntryDir::at(path) }
    }

    /// The directory at a path, or of its `ack.jsonl`, if there is the journal of a migration in it.
    pub fn found(path: &Path) -> Option<AckDir> {
        EntryDir::found(path).map(|dir| AckDir { dir })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the programs that run are recorded.
    pub fn programs(&self) -> PathBuf {
        self.dir.dir().programs()
    }

    /// The directory of the drain's journal.
    pub fn drain(&self) -> JournalDir {
        JournalDir::at(self.path().join(DRAIN))
    }

    /// Whether a migration may begin here.
    ///
    /// # Errors
    /// There is a journal already, of a migration or of an execution.
    pub fn vacant(&self) -> Result<(), AckDirError> {
        self.dir.vacant()
    }

    /// What the journal holds now.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read(&self) -> Result<Vec<Entry>, AckDirError> {
        self.dir.read()
    }

    /// How it stands.
    ///
    /// # Errors
    /// There is no journal, or it is damaged.
    pub fn report(&self, shown: &str) -> Result<AckReport, AckDirError> {
        // The lock before the journal: a process that ends in between has said so when its journal is read.
        let process = self.dir.dir().process()?;
        AckReport::of(&self.read()?, process, shown)
            .ok_or_else(|| JournalDirError::Missing { dir: self.path().to_owned() }.into())
    }

    /// Makes the directory and an empty journal in it, and locks it.
    ///
    /// # Errors
    /// There is one already, another process has it, or the file system refuses.
    pub fn create(&self) -> Result<AckWriter, AckDirError> {
        Ok(AckWriter { dir: self.clone(), entries: self.dir.create()? })
    }

    /// Locks a journal to write it on, and returns what it holds; a torn last line is cut off.
    ///
    /// # Errors
    /// There is none, another process has it, or it is damaged.
    pub fn reopen(&self) -> Result<(AckWriter, Vec<Entry>), AckDirError> {
        let (entries, read) = self.dir.reopen()?;
        Ok((AckWriter { dir: self.clone(), entries }, read))
    }

    /// What there was before the cut-over; None if it was not noted yet.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn inventory(&self) -> Result<Option<Inventory>, AckDirError> {
        let path = self.path().join(INVENTORY);
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed("read", &path))?,
        };
        let damaged = |why: String| AckDirError::Damaged { path: path.clone(), why };
        Inventory::parse(&bytes).map(Some).map_err(|e| damaged(e.to_string()))
    }

    /// Asks something of the process that carries it out, or of the next one. While the masters are drained, it is asked of the drain.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn ask(&self, order: &Order) -> Result<(), AckDirError> {
        self.dir.dir().ask(order)?;
        Ok(())
    }

    /// What was asked, and what is wrong with files that are no orders.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn asked(&self) -> Result<(Vec<Asked>, Vec<String>), AckDirError> {
        Ok(self.dir.dir().asked()?)
    }

    /// Takes an order away.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn taken(&self, asked: &Asked) -> Result<(), AckDirError> {
        Ok(self.dir.dir().taken(asked)?)
    }
}

/// A journal that is locked and written on.
#[derive(Debug)]
pub struct AckWriter {
    dir: AckDir,
    entries: EntryWriter<Entry>,
}

impl AckWriter {
    /// Its directory.
    pub fn dir(&self) -> &AckDir {
        &self.dir
    }

    /// Writes an entry and makes it safe.
    ///
    /// # Errors
    /// The file system refuses; nothing is written after that, for a line may be there in part.
    pub fn append(&mut self, entry: &Entry) -> Result<(), AckDirError> {
        self.entries.append(entry)
    }

    /// Notes what there is before the cut-over: the new one is there, or the old one still is.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn keep(&self, inventory: &Inventory) -> Result<(), AckDirError> {
        let (path, part) = (self.dir.path().join(INVENTORY), self.dir.path().join("inventory.part"));
        let text = serde_json::to_vec(inventory)
            .map_err(|e| AckDirError::Damaged { path: path.clone(), why: e.to_string() })?;
        let mut file = private_file::create(&part).map_err(failed("make", &part))?;
        let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&part, &path));
        written.map_err(failed("write", &path))?;
        Ok(sync_dir(self.dir.path())?)
    }
}

/// What a journal says happened, a line each: when, and what.
pub fn history(entries: &[Entry]) -> Vec<String> {
    let Some(first) = entries.first() else { return Vec::new() };
    let Record::Began(began) = &first.record else { return Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ack::execution::Stage;
    use crate::ack::execution::tests::entries;

    #[test]
    fn a_journal_is_written_locked_and_opened_again_without_its_torn_line() {
        let tmp = tempfile::tempdir().expect("a directory");
        let dir = AckDir::at(tmp.path().join("j"));
        assert!(AckDir::found(dir.path()).is_none() && dir.vacant().is_ok());
        let entries = entries();
        let mut writer = dir.create().expect("a journal");
        entries[..6].iter().for_each(|e| writer.append(e).expect("an entry"));
        let busy = dir.reopen().map(|_| ()).expect_err("locked").to_string();
        assert!(busy.contains("carries this execution out"), "{busy}");
        assert_eq!(dir.report("j").expect("a report").state, "running");
        drop(writer);
        let path = dir.path().join(Entry::FILE);
        let mut torn = std::fs::read(&path).expect("bytes");
        torn.extend_from_slice(b"{\"seq\":6,\"t_ms\":60");
        std::fs::write(&path, torn).expect("a torn line");
        assert!(matches!(dir.create(), Err(AckDirError::Dir(JournalDirError::Exists { .. }))));
        let (mut writer, read) = dir.reopen().expect("a journal");
        assert_eq!(read, entries[..6]);
        writer.append(&entries[6]).expect("an entry");
        drop(writer);
        assert_eq!(dir.read().expect("entries"), entries[..7]);
        assert_eq!(AckDir::found(&path).expect("by its file").path(), dir.path());
        let report = dir.report("j").expect("a report");
        assert_eq!((report.state, report.stage), ("killed", Stage::Gate.name()));
        assert!(
            history(&entries).iter().any(|l| l.contains("the API server is back after 2 s")),
            "{:?}",
            history(&entries)
        );
    }

    #[test]
    fn a_damaged_journal_and_a_damaged_inventory_are_named() {
        let tmp = tempfile::tempdir().expect("a directory");
        let dir = AckDir::at(tmp.path());
        assert!(matches!(dir.read(), Err(AckDirError::Dir(JournalDirError::Missing { .. }))));
        assert_eq!(dir.inventory().expect("none"), None);
        std::fs::write(dir.path().join(Entry::FILE), "{}\n").expect("a file");
        std::fs::write(dir.path().join(INVENTORY), "{}").expect("a file");
        let why = dir.read().map(|_| ()).expect_err("damaged").to_string();
        assert!(why.contains("ack.jsonl: line 1"), "{why}");
        let why = dir.inventory().map(|_| ()).expect_err("damaged").to_string();
        assert!(why.contains("inventory.json: the inventory is damaged"), "{why}");
    }
}
