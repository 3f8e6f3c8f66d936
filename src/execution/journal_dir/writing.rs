//! The one process that writes a journal.

use super::{JournalDir, JournalDirError, LOCK, PAUSE, failed, sync_dir};
use crate::private_file;
use crate::session::journal::{Entry, Journal, Writer};
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Somebody who only looks (`nodeferry status`) holds the lock for a moment; a writer tries so often before it gives up.
const TRIES: u32 = 40;

/// A journal that is locked and written on.
#[derive(Debug)]
pub struct JournalWriter {
    dir: JournalDir,
    file: File,
    writer: Writer,
    /// Why nothing may be written any more.
    broken: Option<String>,
    /// Held as long as this lives; the system lets it go when the process ends, however it ends.
    _lock: File,
}

impl JournalDir {
    /// Whether an execution may begin here: nothing is made, and nothing locked.
    ///
    /// # Errors
    /// If there is a journal with an entry, or one that cannot be read.
    pub fn vacant(&self) -> Result<(), JournalDirError> {
        match self.read() {
            Ok(journal) if journal.entries.is_empty() => Ok(()),
            Ok(_) => Err(JournalDirError::Exists { dir: self.path().to_owned() }),
            Err(JournalDirError::Missing { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }
    /// Makes the directory, if need be, and a journal in it that has no entry yet, and locks it.
    ///
    /// # Errors
    /// If there is a journal with an entry, another process has the lock, or the file system refuses.
    pub fn create(&self) -> Result<JournalWriter, JournalDirError> {
        let path = self.path();
        private_file::create_dir_all(path).map_err(failed("make the directory", path))?;
        let lock = self.lock()?;
        let file = self.open_file(true)?;
        let (journal, file) = self.mend(file)?;
        if !journal.entries.is_empty() {
            return Err(JournalDirError::Exists { dir: path.to_owned() });
        }
        private_file::create_dir_all(&self.requests()).map_err(failed("make the directory", &self.requests()))?;
        sync_dir(path)?;
        if let Ok(Some(parent)) = std::path::absolute(path).map(|p| p.parent().map(Path::to_owned)) {
            sync_dir(&parent)?;
        }
        Ok(JournalWriter { dir: self.clone(), file, writer: journal.writer, broken: None, _lock: lock })
    }
    /// Locks an execution's journal to write it on, and returns what it holds. A torn last line is cut off the file.
    ///
    /// # Errors
    /// If there is no journal, another process has the lock, it is damaged, or the file system refuses.
    pub fn reopen(&self) -> Result<(JournalWriter, Journal), JournalDirError> {
        if !self.file().exists() {
            return Err(JournalDirError::Missing { dir: self.path().to_owned() });
        }
        let lock = self.lock()?;
        let file = self.open_file(false)?;
        let (journal, file) = self.mend(file)?;
        private_file::create_dir_all(&self.requests()).map_err(failed("make the directory", &self.requests()))?;
        sync_dir(self.path())?;
        self.forget_interruptions()?;
        let writer = journal.writer.clone();
        Ok((JournalWriter { dir: self.clone(), file, writer, broken: None, _lock: lock }, journal))
    }
    /// Takes the lock and says in it who has it.
    pub(in crate::execution) fn lock(&self) -> Result<File, JournalDirError> {
        let path = self.path().join(LOCK);
        let open = private_file::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(failed("open", &path))?;
        let mut tries = 1;
        while let Err(e) = file.try_lock() {
            match e {
                TryLockError::WouldBlock if tries < TRIES => std::thread::sleep(PAUSE),
                TryLockError::WouldBlock => {
                    return Err(JournalDirError::Busy { dir: self.path().to_owned(), process: self.holder() });
                }
                TryLockError::Error(source) => return Err(failed("lock", &path)(source)),
            }
            tries += 1;
        }
        let said = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
        said.map_err(failed("write", &path))?;
        Ok(file)
    }
    fn open_file(&self, create: bool) -> Result<File, JournalDirError> {
        let path = self.file();
        let open = private_file::options().read(true).write(true).create(create).truncate(false).open(&path);
        let file = open.map_err(failed("open", &path))?;
        private_file::must_be_regular(&path).map_err(failed("open", &path))?;
        Ok(file)
    }
    /// Reads the file under the lock, cuts what is torn, and stands at its end. What is kept is made safe: a process
    /// that was killed may have left it in memory only.
    fn mend(&self, mut file: File) -> Result<(Journal, File), JournalDirError> {
        let path = self.file();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read", &path))?;
        let journal = self.parse(&bytes)?;
        let cut = file.set_len(journal.kept_bytes).and_then(|()| file.seek(SeekFrom::Start(journal.kept_bytes)));
        cut.map_err(failed("cut the torn line off", &path))?;
        file.sync_all().map_err(failed("make safe", &path))?;
        Ok((journal, file))
    }
}

impl JournalWriter {
    /// Its directory.
    pub fn dir(&self) -> &JournalDir {
        &self.dir
    }
    /// Sequence number of the next entry.
    pub fn next_seq(&self) -> u64 {
        self.writer.next_seq()
    }
    /// Hands an entry to the system. It survives this process, but not a power cut before [`JournalWriter::sync`].
    ///
    /// # Errors
    /// If it cannot be written. Nothing is written after that: a line may have been left half-written, and what comes
    /// after it would make the journal unreadable; the process must end and be resumed.
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalDirError> {
        self.whole()?;
        let line = self.writer.encode(entry);
        let line = line.map_err(|source| JournalDirError::Damaged { dir: self.dir.path().to_owned(), source })?;
        let written = self.file.write_all(&line);
        self.checked("write", written)
    }
    /// Makes every entry so far safe, and returns the sequence number of the last (for
    /// [`crate::session::Input::Appended`]); None if there is none.
    ///
    /// # Errors
    /// If the disk refuses. A second try would prove nothing (the system may have dropped what it could not write), so
    /// nothing is written after that; the process must end and be resumed.
    pub fn sync(&mut self) -> Result<Option<u64>, JournalDirError> {
        self.whole()?;
        let synced = self.file.sync_data();
        self.checked("make safe", synced)?;
        Ok(self.writer.next_seq().checked_sub(1))
    }
    fn whole(&self) -> Result<(), JournalDirError> {
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(JournalDirError::Broken { dir: self.dir.path().to_owned(), why: why.clone() }),
        }
    }
    fn checked(&mut self, what: &'static str, result: std::io::Result<()>) -> Result<(), JournalDirError> {
        result.map_err(|source| {
            self.broken = Some(source.to_string());
            failed(what, &self.dir.file())(source)
        })
    }
    /// Writes to another file from now on: one that refuses.
    #[cfg(test)]
    pub(super) fn break_for_test(&mut self, file: File) {
        self.file = file;
    }
}
