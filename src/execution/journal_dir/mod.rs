//! A journal as a directory: the file itself, the lock of the process that writes it, and what people ask of that
//! process from another terminal.
//!
//! `journal.jsonl` is the journal, `lock` is locked (flock) by the one process that may write it, `requests/` holds
//! what was asked and not taken up yet. Nothing here needs a cluster or a socket.

mod order;
mod writing;

pub use order::{Asked, Order};
pub use writing::JournalWriter;

use crate::private_file;
use crate::session::journal::{self, Journal, JournalError};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the journal in its directory.
pub const JOURNAL: &str = "journal.jsonl";
/// Name of the lock.
const LOCK: &str = "lock";
/// Name of the directory of what was asked.
const REQUESTS: &str = "requests";
/// Name of the directory of records of the programs that run.
const PROGRAMS: &str = "programs";

/// So often the lock is looked at before it is believed: a child of its last holder has it for the moment in which it
/// is not yet its own program.
const LOOKS: u32 = 6;
/// Between two tries at the lock.
const PAUSE: Duration = Duration::from_millis(25);

/// Why a journal's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalDirError {
    /// There is no journal.
    #[error(
        "{dir}: there is no journal.jsonl; expected the directory that nodeferry execute was given (--journal), or that it named when it began"
    )]
    Missing {
        /// Directory.
        dir: PathBuf,
    },
    /// There is one already.
    #[error(
        "{dir}: there is the journal of an execution already; go on with it (nodeferry resume {dir}), or choose another directory (--journal)"
    )]
    Exists {
        /// Directory.
        dir: PathBuf,
    },
    /// Another process writes it.
    #[error(
        "{dir}: {process} carries this execution out; watch it with nodeferry status {dir}, end it with nodeferry stop {dir}"
    )]
    Busy {
        /// Directory.
        dir: PathBuf,
        /// Who.
        process: String,
    },
    /// It is damaged.
    #[error("{dir}: {source}")]
    Damaged {
        /// Directory.
        dir: PathBuf,
        /// Where, why, and what to do.
        source: JournalError,
    },
    /// An earlier write failed.
    #[error(
        "{dir}: nothing more is written, since an earlier write failed ({why}); when there is room and the disk is well again, nodeferry resume {dir} goes on"
    )]
    Broken {
        /// Directory.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// The file system refuses.
    #[error("cannot {what} {path}: {source}; check the path, its rights and the room on its disk")]
    Io {
        /// `read`, `write`, ….
        what: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Names the operation and the path of what failed.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalDirError {
    move |source| JournalDirError::Io { what, path: path.to_owned(), source }
}

/// The directory of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalDir {
    path: PathBuf,
}

impl JournalDir {
    /// The directory at a path; nothing is looked at or made.
    pub fn at(path: impl Into<PathBuf>) -> JournalDir {
        JournalDir { path: path.into() }
    }
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
    fn file(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }
    fn requests(&self) -> PathBuf {
        self.path.join(REQUESTS)
    }

    /// Where the programs that run are recorded.
    pub fn programs(&self) -> PathBuf {
        self.path.join(PROGRAMS)
    }

    /// What the journal holds now. Another process may be writing it: a line that it has not written to its end is then
    /// a torn one.
    ///
    /// # Errors
    /// Says if there is none, or where and why it is damaged.
    pub fn read(&self) -> Result<Journal, JournalDirError> {
        let path = self.file();
        let bytes = match private_file::must_be_regular(&path).and_then(|()| std::fs::read(&path)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(JournalDirError::Missing { dir: self.path.clone() });
            }
            other => other.map_err(failed("read", &path))?,
        };
        self.parse(&bytes)
    }
    fn parse(&self, bytes: &[u8]) -> Result<Journal, JournalDirError> {
        journal::read(bytes).map_err(|source| JournalDirError::Damaged { dir: self.path.clone(), source })
    }

    /// The process that carries the execution out at this moment, in words; None if none does.
    ///
    /// # Errors
    /// If the lock cannot be looked at.
    pub fn process(&self) -> Result<Option<String>, JournalDirError> {
        let path = self.path.join(LOCK);
        let file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed("open", &path))?,
        };
        for _ in 0..LOOKS {
            match file.try_lock_shared() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(source)) => return Err(failed("look at the lock of", &path)(source)),
            }
        }
        Ok(Some(self.holder()))
    }
    /// What the lock's holder wrote into it.
    fn holder(&self) -> String {
        match std::fs::read_to_string(self.path.join(LOCK)) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            _ => "another process".to_owned(),
        }
    }
}

/// Makes a directory's entries safe: a file that was made or renamed in it is there after a crash.
pub(super) fn sync_dir(path: &Path) -> Result<(), JournalDirError> {
    File::open(path).and_then(|d| d.sync_all()).map_err(failed("make safe the directory", path))
}

#[cfg(test)]
mod tests;
