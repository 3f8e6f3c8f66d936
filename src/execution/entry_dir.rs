//! The directory of an execution whose journal is a file of entries, a line of JSON each: locked by who writes it, and read by anybody.
//!
//! Beside the journal, `lock` and `requests/` are as in every journal's directory.

use super::journal_dir::{JournalDir, JournalDirError, failed, sync_dir};
use crate::private_file;
use crate::trace::lines::{Line, read, write};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EntryDirError {
    /// As of any journal's directory.
    #[error(transparent)]
    Dir(#[from] JournalDirError),
    /// It is damaged.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// File.
        path: PathBuf,
        /// Where, why, and what to do.
        why: String,
    },
}

/// What a directory holds.
pub trait Journaled: Line {
    /// Name of the journal in its directory.
    const FILE: &'static str;
}

/// The directory of an execution.
#[derive(Clone, Debug)]
pub struct EntryDir<L> {
    dir: JournalDir,
    entries: PhantomData<L>,
}

impl<L: Journaled> EntryDir<L> {
    /// The directory at a path; nothing is looked at or made.
    pub fn at(path: impl Into<PathBuf>) -> EntryDir<L> {
        EntryDir { dir: JournalDir::at(path), entries: PhantomData }
    }

    /// The directory at a path, or of the journal at it, if there is a journal of this form.
    pub fn found(path: &Path) -> Option<EntryDir<L>> {
        let dir = match path.parent() {
            Some(parent) if path.ends_with(L::FILE) => {
                EntryDir::at(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
            }
            _ => EntryDir::at(path),
        };
        dir.journal().is_file().then_some(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What every journal's directory has: the lock, and what was asked.
    pub fn dir(&self) -> &JournalDir {
        &self.dir
    }

    fn journal(&self) -> PathBuf {
        self.path().join(L::FILE)
    }

    /// Whether an execution may begin here.
    ///
    /// # Errors
    /// There is a journal already, of this form or another.
    pub fn vacant(&self) -> Result<(), EntryDirError> {
        self.dir.vacant()?;
        match self.read() {
            Ok(entries) if entries.is_empty() => Ok(()),
            Ok(_) => Err(JournalDirError::Exists { dir: self.path().to_owned() }.into()),
            Err(EntryDirError::Dir(JournalDirError::Missing { .. })) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// What the journal holds now.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read(&self) -> Result<Vec<L>, EntryDirError> {
        let path = self.journal();
        match private_file::must_be_regular(&path).and_then(|()| std::fs::read(&path)) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(JournalDirError::Missing { dir: self.path().to_owned() }.into())
            }
            Err(e) => Err(failed("read", &path)(e).into()),
            Ok(bytes) => self.parse(&bytes).map(|(entries, _)| entries),
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<(Vec<L>, u64), EntryDirError> {
        read(bytes).map_err(|e| EntryDirError::Damaged { path: self.journal(), why: e.to_string() })
    }

    /// Makes the directory and an empty journal in it, and locks it.
    ///
    /// # Errors
    /// There is one already, another process has it, or the file system refuses.
    pub fn create(&self) -> Result<EntryWriter<L>, EntryDirError> {
        self.vacant()?;
        let path = self.path();
        private_file::create_dir_all(path).map_err(failed("make the directory", path))?;
        let (writer, entries) = self.open(true)?;
        if entries.is_empty() { Ok(writer) } else { Err(JournalDirError::Exists { dir: path.to_owned() }.into()) }
    }

    /// Locks a journal to write it on, and returns what it holds; a torn last line is cut off.
    ///
    /// # Errors
    /// There is none, another process has it, or it is damaged.
    pub fn reopen(&self) -> Result<(EntryWriter<L>, Vec<L>), EntryDirError> {
        if !self.journal().is_file() {
            return Err(JournalDirError::Missing { dir: self.path().to_owned() }.into());
        }
        self.open(false)
    }

    fn open(&self, create: bool) -> Result<(EntryWriter<L>, Vec<L>), EntryDirError> {
        let lock = self.dir.lock()?;
        let path = self.journal();
        let open = private_file::options().read(true).write(true).create(create).truncate(false).open(&path);
        let mut file = open.map_err(failed("open", &path))?;
        private_file::must_be_regular(&path).map_err(failed("open", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read", &path))?;
        let (entries, kept) = self.parse(&bytes)?;
        let cut = file.set_len(kept).and_then(|()| file.seek(SeekFrom::Start(kept))).and_then(|_| file.sync_all());
        cut.map_err(failed("cut the torn line off", &path))?;
        sync_dir(self.path())?;
        self.dir.forget_interruptions()?;
        let dir = EntryDir { dir: self.dir.clone(), entries: PhantomData };
        Ok((EntryWriter { dir, file, is_broken: false, _lock: lock }, entries))
    }
}

/// A journal that is locked and written on.
#[derive(Debug)]
pub struct EntryWriter<L> {
    dir: EntryDir<L>,
    file: File,
    is_broken: bool,
    /// Held as long as this lives; the system lets it go when the process ends, however it ends.
    _lock: File,
}

impl<L: Journaled> EntryWriter<L> {
    /// Its directory.
    pub fn dir(&self) -> &EntryDir<L> {
        &self.dir
    }

    /// Writes an entry and makes it safe.
    ///
    /// # Errors
    /// The file system refuses; nothing is written after that, for a line may be there in part.
    pub fn append(&mut self, entry: &L) -> Result<(), EntryDirError> {
        let path = self.dir.journal();
        if self.is_broken {
            let dir = self.dir.path().to_owned();
            return Err(JournalDirError::Broken { dir, why: "an entry could not be written".to_owned() }.into());
        }
        let line = write(entry).map_err(|e| EntryDirError::Damaged { path: path.clone(), why: e.to_string() })?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        self.is_broken = written.is_err();
        Ok(written.map_err(failed("write", &path))?)
    }
}
