//! What is written to people's terminals: names and messages are somebody else's, and a terminal obeys what is in them.

use crate::report::format::written_out;
use std::borrow::Cow;
use std::io::{self, Write};

/// Standard output, as [`Visible`] text.
pub(super) fn out() -> Visible<impl Write> {
    Visible(anstream::stdout().lock())
}

/// Standard error, as [`Visible`] text.
pub(super) fn err() -> Visible<impl Write> {
    Visible(anstream::stderr().lock())
}

/// Writes control characters as `\u001b`, which a terminal does not obey and which is the same text within JSON. Line ends and tabs
/// stay.
pub(super) struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is no UTF-8 by itself ends within a character, of which the rest follows: no control character is so cut.
        match std::str::from_utf8(bytes).map(visible) {
            Ok(text) => self.0.write_all(text.as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A text with its control characters written out.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, |c| c != '\n' && c != '\t')
}

/// Something for people, on standard error.
#[cfg(feature = "live")]
pub(super) fn say(text: &str) {
    let _ = writeln!(err(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_given_nothing_to_obey() {
        let name = "web\u{1b}[2J\u{9b}31m\u{7f}\r\n\tend";
        assert_eq!(visible(name), "web\\u001b[2J\\u009b31m\\u007f\\r\n\tend");
        assert!(matches!(visible("plain – text\n"), Cow::Borrowed(_)));
        let mut written = Visible(Vec::new());
        write!(written, "{name} {}", serde_json::json!({"name": name})).expect("it is memory");
        let written = String::from_utf8(written.0).expect("it is text");
        assert!(!written.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{written:?}");
        let object = written.split_once(" {").map(|(_, rest)| format!("{{{rest}")).expect("an object");
        let read: serde_json::Value = serde_json::from_str(&object).expect("JSON stays JSON");
        assert_eq!(read["name"], name);
    }
}
