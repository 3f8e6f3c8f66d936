//! Why a journal is not believed.

use std::fmt;

/// Why a journal is refused: where, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalError {
    /// Line, counted from 1.
    pub line: u64,
    /// Where in the file that line begins, in bytes from 0; None where only entries were looked at.
    pub byte: Option<u64>,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal, line {}", self.line)?;
        if let Some(byte) = self.byte {
            write!(f, " (byte {byte})")?;
        }
        write!(f, ": {}; {}", self.why, self.remedy)
    }
}

impl std::error::Error for JournalError {}
