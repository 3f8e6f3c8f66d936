//! How entries stand in a file: one line of JSON each, whose last member is a checksum that hangs on the line before.
//!
//! The checksum is over the checksum of the line before and all of this line's bytes up to it. So no line can be
//! changed, dropped, doubled or moved unseen. The one thing that is forgiven is what a killed process leaves: a last
//! line that breaks off. Nothing can depend on it, for whatever waited for that line had not been told of it.

use super::error::JournalError;
use super::record::{Entry, JOURNAL_VERSION};
use crate::plan::PLAN_VERSION;
use crate::typed;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Stands before the checksum.
const SUM: &[u8] = b",\"sum\":\"";
/// Stands after it.
const END: &[u8] = b"\"}";
/// Hexadecimal digits of a checksum: the first 8 bytes of SHA-256.
const DIGITS: usize = 16;
/// Everything of a line from its checksum on, without the newline.
const TAIL: usize = SUM.len() + DIGITS + END.len();

type Sum = [u8; DIGITS];

/// Turns entries into lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    sum: Sum,
    next_seq: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Writer::new()
    }
}

impl Writer {
    /// A writer of a journal that has no line yet.
    pub fn new() -> Writer {
        Writer { sum: [b'0'; DIGITS], next_seq: 0 }
    }
    /// Sequence number that the next entry must have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }
    /// The line of the next entry, newline included.
    ///
    /// # Errors
    /// Says so if the entry is not the next one, or cannot be written as JSON.
    pub fn encode(&mut self, entry: &Entry) -> Result<Vec<u8>, JournalError> {
        let refuse = |why: String| JournalError {
            line: self.next_seq + 1,
            byte: None,
            why,
            remedy: "this is a defect of nodeferry: please report it".into(),
        };
        if entry.seq != self.next_seq {
            return Err(refuse(format!("entry {} was to be written where {} is next", entry.seq, self.next_seq)));
        }
        let mut line = serde_json::to_vec(entry).map_err(|e| refuse(format!("an entry is no JSON: {e}")))?;
        line.pop(); // the closing brace comes after the checksum
        self.sum = chain(&self.sum, &line);
        self.next_seq += 1;
        line.extend_from_slice(SUM);
        line.extend_from_slice(&self.sum);
        line.extend_from_slice(END);
        line.push(b'\n');
        Ok(line)
    }
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Journal {
    /// All whole entries, in order.
    pub entries: Vec<Entry>,
    /// How many bytes they take: the file is cut to so many before it is written on.
    pub kept_bytes: u64,
    /// What breaks off at the end and is left out, if something does.
    pub torn: Option<Torn>,
    /// Goes on after the last entry.
    pub writer: Writer,
}

/// A last line that breaks off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Its number, counted from 1.
    pub line: u64,
    /// Where in the file it begins.
    pub byte: u64,
    /// How many bytes of it there are.
    pub bytes: u64,
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "journal, line {} (byte {}): the line breaks off after {} bytes, as a killed process leaves it; nothing was done because of it, and it is left out",
            self.line, self.byte, self.bytes
        )
    }
}

/// Reads a journal's bytes.
///
/// # Errors
/// Says where and why they are not what was written: a checksum that does not fit, a sequence number that is not the
/// next, another version.
pub fn read(bytes: &[u8]) -> Result<Journal, JournalError> {
    // All checksums before any meaning: what is not whole is not interpreted.
    let Scan { lines, place, torn, writer } = scan(Writer::new(), Place { line: 1, byte: 0 }, bytes)?;
    let entries: Result<Vec<Entry>, JournalError> = lines.iter().map(|(place, body)| decode(*place, body)).collect();
    Ok(Journal { entries: entries?, kept_bytes: place.byte, torn, writer })
}

/// Lines whose checksums fit.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    /// What the checksums are over, and where each line begins.
    pub lines: Vec<(Place, &'a [u8])>,
    /// Where the next line begins.
    pub place: Place,
    /// See [`Journal::torn`].
    pub torn: Option<Torn>,
    /// See [`Journal::writer`].
    pub writer: Writer,
}

/// Goes on after what `writer` wrote: checks the lines that begin at `place`.
pub(super) fn scan(mut writer: Writer, mut place: Place, bytes: &[u8]) -> Result<Scan<'_>, JournalError> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(length) = rest.iter().position(|b| *b == b'\n') {
        let body = verify(&mut writer, &rest[..length]).map_err(|e| place.damaged(e))?;
        lines.push((place, body));
        rest = &rest[length + 1..];
        place = Place { line: place.line + 1, byte: place.byte + length as u64 + 1 };
    }
    let torn = torn(&writer, place, rest)?;
    Ok(Scan { lines, place, torn, writer })
}

/// Checks a line without its newline against the chain, takes it into the chain, and returns what the checksum is over.
fn verify<'a>(writer: &mut Writer, line: &'a [u8]) -> Result<&'a [u8], String> {
    let Some(cut) = line.len().checked_sub(TAIL) else {
        return Err(format!("the line has {} bytes, fewer than a checksum takes", line.len()));
    };
    let (body, tail) = line.split_at(cut);
    let Some(said) = tail.strip_prefix(SUM).and_then(|t| t.strip_suffix(END)) else {
        return Err("the line does not end in a checksum".into());
    };
    let sum = chain(&writer.sum, body);
    if said != sum {
        return Err(format!(
            "the checksum says {}, but this line after the one before it has {}",
            String::from_utf8_lossy(said),
            String::from_utf8_lossy(&sum)
        ));
    }
    *writer = Writer { sum, next_seq: writer.next_seq + 1 };
    Ok(body)
}

/// What stands after the last newline: nothing, or the beginning of a line. A whole line with another byte where its
/// newline was is no beginning.
fn torn(writer: &Writer, place: Place, rest: &[u8]) -> Result<Option<Torn>, JournalError> {
    if let Some((_, whole)) = rest.split_last()
        && verify(&mut writer.clone(), whole).is_ok()
    {
        return Err(place.damaged("the line is whole, but its newline is another byte".into()));
    }
    let Place { line, byte } = place;
    Ok((!rest.is_empty()).then_some(Torn { line, byte, bytes: rest.len() as u64 }))
}

/// Reads what the checksum is over.
fn decode(place: Place, body: &[u8]) -> Result<Entry, JournalError> {
    let mut text = Vec::with_capacity(body.len() + 1);
    text.extend_from_slice(body);
    text.push(b'}');
    if place.line == 1 {
        known_version(&text, place)?;
    }
    let entry: Entry =
        typed::from_json(&text).map_err(|e| place.unknown(format!("the line is whole but no known entry: {e}")))?;
    if entry.seq + 1 != place.line {
        return Err(place.damaged(format!("the entry has number {}, expected {}", entry.seq, place.line - 1)));
    }
    Ok(entry)
}

/// The first line's version, before anything else is made of it.
fn known_version(text: &[u8], place: Place) -> Result<(), JournalError> {
    #[derive(Deserialize)]
    struct First {
        data: Versioned,
    }
    #[derive(Deserialize)]
    struct Versioned {
        journal_version: u32,
        plan: VersionedPlan,
    }
    #[derive(Deserialize)]
    struct VersionedPlan {
        plan_version: u32,
    }
    match typed::from_json::<First>(text) {
        Ok(First { data: Versioned { journal_version, .. } }) if journal_version != JOURNAL_VERSION => Err(place
            .unknown(format!("journal_version is {journal_version}; this nodeferry understands {JOURNAL_VERSION}"))),
        Ok(First { data: Versioned { plan: VersionedPlan { plan_version }, .. } }) if plan_version != PLAN_VERSION => {
            Err(place.unknown(format!(
                "plan_version of its plan is {plan_version}; this nodeferry understands {PLAN_VERSION}"
            )))
        }
        Ok(_) => Ok(()),
        Err(e) => {
            Err(place.unknown(format!("the first entry says no journal_version, or its plan no plan_version: {e}")))
        }
    }
}

/// The checksum of a line after one with the checksum `before`.
fn chain(before: &Sum, body: &[u8]) -> Sum {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::new().chain_update(before).chain_update(body).finalize();
    let mut sum = [0; DIGITS];
    for (n, byte) in digest.iter().take(DIGITS / 2).enumerate() {
        sum[2 * n] = HEX[usize::from(byte >> 4)];
        sum[2 * n + 1] = HEX[usize::from(byte & 15)];
    }
    sum
}

/// Where in the file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from 1.
    pub line: u64,
    /// Counted from 0.
    pub byte: u64,
}

impl Place {
    fn damaged(self, why: String) -> JournalError {
        let remedy = "the file was changed or damaged after it was written: restore it from a copy; if there is none, uncordon \
                      by hand what is left (kubectl get nodes shows it) and plan again from a fresh dump";
        JournalError { line: self.line, byte: Some(self.byte), why, remedy: remedy.into() }
    }
    fn unknown(self, why: String) -> JournalError {
        let remedy = "use the nodeferry that wrote it (the first line names its version)";
        JournalError { line: self.line, byte: Some(self.byte), why, remedy: remedy.into() }
    }
}
