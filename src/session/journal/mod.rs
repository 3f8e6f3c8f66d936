//! What a session writes down: enough to go on after the process was killed at any instruction.
//!
//! [`record`] is what can stand in a journal, [`codec`] how it stands there (a line of JSON with a checksum that hangs
//! on the line before), [`fold`] what all of it together says, [`progress`] how the runner's progress is written small.
//! `docs/journal.md` describes the form for people.

pub mod codec;
mod error;
pub mod fold;
pub mod progress;
pub mod record;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use codec::{Journal, Torn, Writer, read};
pub use error::JournalError;
pub use fold::fold;
pub use progress::ProgressLog;
pub use record::{Began, Call, Entry, JOURNAL_VERSION, Record};
