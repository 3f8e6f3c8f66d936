//! A journal of entries, a line of JSON each: read, with what a killed process leaves behind, and written.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An entry of such a journal.
pub trait Line: Serialize + DeserializeOwned {
    /// Its place, counted from 0.
    fn seq(&self) -> u64;

    /// When, milliseconds since the execution began.
    fn t_ms(&self) -> i64;

    /// If it is the one that a journal begins with: what is wrong with its version, or nothing.
    fn begins(&self) -> Option<Result<(), String>>;
}

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry<R> {
    /// Counted from 0.
    pub seq: u64,
    /// Milliseconds since the execution began.
    pub t_ms: i64,
    /// What.
    #[serde(flatten)]
    pub record: R,
}

/// The form of a journal, as its first entry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// The field that has it.
    pub field: &'static str,
    /// Which form it is.
    pub is: u32,
    /// Which one this nodeferry reads.
    pub known: u32,
    /// Version of the nodeferry that has written it.
    pub by: &'a str,
}

/// What an entry says.
pub trait Recorded: Serialize + DeserializeOwned {
    /// The form of the journal, if this is what a journal begins with.
    fn form(&self) -> Option<Form<'_>>;
}

impl<R: Recorded> Line for Entry<R> {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn t_ms(&self) -> i64 {
        self.t_ms
    }

    fn begins(&self) -> Option<Result<(), String>> {
        let Form { field, is, known, by } = self.record.form()?;
        Some(match is == known {
            true => Ok(()),
            false => Err(format!(
                "{field} is {is}; this nodeferry reads {known}: go on with the version that began it ({by})"
            )),
        })
    }
}

/// Why a journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct LineProblem {
    /// Which line, counted from 1.
    pub line: usize,
    /// Why, and what to do.
    pub why: String,
}

/// The line of an entry, with its end.
///
/// # Errors
/// Never, in practice: every entry can be written as JSON.
pub fn write(entry: &impl Line) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a journal: its entries and how many bytes they take. A last line without an end is what a killed process leaves, and is left out.
///
/// # Errors
/// Where it is damaged.
pub fn read<L: Line>(bytes: &[u8]) -> Result<(Vec<L>, u64), LineProblem> {
    let (mut entries, mut kept) = (Vec::new(), 0u64);
    for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        let problem = |why: String| LineProblem { line: i + 1, why };
        let entry: L = serde_json::from_slice(line).map_err(|e| {
            problem(format!(
                "{e}; the journal is damaged or of another version of nodeferry, and nothing is concluded from it"
            ))
        })?;
        if entry.seq() != i as u64 {
            return Err(problem(format!(
                "entry {} stands where {i} is next; lines are missing or doubled",
                entry.seq()
            )));
        }
        let begins = entry.begins();
        if begins.is_some() != (i == 0) {
            return Err(problem("the first entry, and no other, says what began".to_owned()));
        }
        begins.unwrap_or(Ok(())).map_err(problem)?;
        kept += line.len() as u64;
        entries.push(entry);
    }
    Ok((entries, kept))
}
