//! What is wrong with a text, in words for the people who wrote it: the line, what stands there, the cause, what to do.
//!
//! What the parsers say is for programmers who use them, so nothing of it is passed on but the place.

pub(crate) use crate::cluster::plain::plain;
use serde_json::error::Category;

/// Why a text cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What is wrong, with the line.
    pub(crate) problem: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// Where the end of the text is missing.
const CUT_OFF: &str = "the file is cut off: make the dump again, and see whether the command that wrote it failed";

impl Complaint {
    fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Complaint {
        Complaint { problem: problem.into(), remedy: remedy.into() }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// What is wrong with JSON; `from` is where the part of `text` begins that was parsed.
pub(crate) fn json(error: &serde_json::Error, text: &str, from: usize) -> Complaint {
    let line = line_at(text, from) + error.line().saturating_sub(1);
    if let Some(known) = known_text(text) {
        return Complaint::new(format!("line {line}: {}", known.0), known.1);
    }
    let what = error.to_string();
    let what = what.split(" at line ").next().unwrap_or_default();
    match error.classify() {
        Category::Eof => Complaint::new(format!("it ends on line {line} in the middle of a value"), CUT_OFF),
        Category::Data => Complaint::new(format!("line {line}: {}", plain(what)), "correct it there"),
        _ => Complaint::new(
            format!("line {line}: {}{}", plain(what), shown(text, line)),
            "correct that line, or make the dump again",
        ),
    }
}

/// What is wrong with text that follows a JSON value and begins at `from`.
pub(crate) fn stray(text: &str, from: usize) -> Complaint {
    let line = line_at(text, from);
    match known_text(text) {
        Some(known) => Complaint::new(format!("line {line}: {}", known.0), known.1),
        None => Complaint::new(
            format!("line {line}: after an object comes what is none{}", shown(text, line)),
            "take it out: nothing but white space may stand between objects",
        ),
    }
}

/// What is wrong with YAML.
pub(crate) fn yaml(error: &serde_saphyr::Error, text: &str) -> Complaint {
    use serde_saphyr::Error;
    let line = error.location().map_or(1, |l| usize::try_from(l.line()).unwrap_or(1).max(1));
    let at = |what: String| format!("line {line}: {what}");
    if let Some(known) = known_text(text) {
        return Complaint::new(at(known.0.into()), known.1);
    }
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            let remedy = match key {
                "apiVersion" | "kind" | "metadata" | "items" | "spec" | "status" => {
                    "if several objects follow one another, put a line --- between them; else remove one of the two"
                }
                _ => "remove one of the two",
            };
            Complaint::new(at(format!("{key} stands twice in one object")), remedy)
        }
        Error::MultipleDocuments { .. } => {
            Complaint::new(at("a second document begins where one is expected".into()), "give each a file of its own")
        }
        Error::UnknownAnchor { .. } => Complaint::new(
            at(format!("an alias (*name) without its anchor (&name){}", shown(text, line))),
            "define the anchor before it",
        ),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            let words = plain(&format!("invalid type: {unexpected}, expected {expected}"));
            Complaint::new(at(words), "correct it there")
        }
        Error::SerdeUnknownField { field, expected, .. } => Complaint::new(
            at(format!("the field {field} is not known here; known are {}", expected.join(", "))),
            "check its spelling and indentation",
        ),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            Complaint::new(at(format!("{variant} is not among {}", expected.join(", "))), "give one of them")
        }
        Error::SerdeMissingField { field, .. } => Complaint::new(at(format!("{field} is missing")), "give it"),
        _ if line_text(text, line).trim_start_matches(' ').starts_with('\t') => {
            Complaint::new(at("it is indented with a tab".into()), "indent with spaces")
        }
        _ if line >= text.trim_end().lines().count() && text.lines().count() > 1 => {
            let line = line.min(text.lines().count());
            Complaint::new(format!("it ends on line {line} within a list, an object or a string"), CUT_OFF)
        }
        _ => Complaint::new(
            at(format!("it cannot be understood as YAML{}", shown(text, line))),
            "correct that line (indentation, quotes, colons), or make the dump again",
        ),
    }
}

/// Texts that people give instead of a dump: what it is, and what to do.
pub(crate) fn known_text(text: &str) -> Option<(&'static str, &'static str)> {
    let start = text.trim_start();
    let first = start.lines().next().unwrap_or_default();
    let columns: Vec<&str> = first.split_whitespace().collect();
    if text.contains("==== START logs for container") {
        return Some((
            "it is what `kubectl cluster-info dump` prints, with logs of containers between the objects",
            "write it into files with --output-directory=DIR and give that directory, or take the logs out",
        ));
    }
    if first.starts_with('<') {
        return Some(("it is a web page or XML", "give what `kubectl get … -o json` prints"));
    }
    if matches!(columns[..], ["NAME", ..] | ["NAMESPACE", "NAME", ..]) {
        return Some(("it is the table that kubectl prints for people", "add -o json to the command"));
    }
    let is_log = |c: &[char]| matches!(c, ['I' | 'W' | 'E', rest @ ..] if rest.len() > 4 && rest[..4].iter().all(char::is_ascii_digit) && rest[4] == ' ');
    if first.starts_with("Warning: ") || is_log(&first.chars().take(6).collect::<Vec<_>>()) {
        return Some((
            "a message of kubectl stands before the objects",
            "take it out, or write standard error into a file of its own (2> messages.txt) and make the dump again",
        ));
    }
    let errors = ["Error from server", "error: ", "Unable to connect to the server", "No resources found"];
    if errors.iter().any(|e| first.starts_with(e)) {
        return Some(("it is a message of kubectl, no objects", "see why the command failed, and make the dump again"));
    }
    None
}

/// Line number, from 1, of a byte of a text.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

fn line_text(text: &str, line: usize) -> &str {
    text.lines().nth(line.saturating_sub(1)).unwrap_or_default()
}

/// The beginning of a line, for a message.
fn shown(text: &str, line: usize) -> String {
    let line = line_text(text, line).trim();
    match line.chars().count() {
        0 => String::new(),
        1..=60 => format!(": {line}"),
        _ => format!(": {}…", line.chars().take(59).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_complained_of_by_line_and_cause() {
        let complaint = |text: &str| match serde_saphyr::from_multiple::<serde_json::Value>(text) {
            Ok(v) => panic!("{v:?}"),
            Err(e) => yaml(&e, text).to_string(),
        };
        for (text, wanted) in [
            ("a: 1\nb: 2\na: 3\n", "line 3: a stands twice in one object; remove one of the two"),
            (
                "kind: List\nkind: List\n",
                "line 2: kind stands twice in one object; if several objects follow one another, put a line ---",
            ),
            ("a: *x\nb: 1\n", "line 1: an alias (*name) without its anchor (&name): a: *x; define"),
            ("a:\n\tb: 1\nc: 2\nd: 4\n", "line 2: it is indented with a tab; indent with spaces"),
        ] {
            let got = complaint(text);
            assert!(got.starts_with(wanted), "{text:?}\n  gave   {got}\n  wanted {wanted}");
        }
        for text in
            ["a: b: c\nd: e\n", "a: [unclosed\nb: 1\nc: }\n", "a: \"x\nb: 2\n", "a: !!str {}\n---\n&: 7\n%: {\n"]
        {
            if let Err(e) = serde_saphyr::from_multiple::<serde_json::Value>(text) {
                let got = yaml(&e, text).to_string();
                assert!(!got.contains('\n') && !got.contains("Options") && !got.contains("-->"), "{text:?} gave {got}");
            }
        }
    }
}
