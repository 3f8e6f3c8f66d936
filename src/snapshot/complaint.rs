//! What is wrong with a text, in words for the people who wrote it: the line, what stands there, the cause, what to do.
//!
//! What the parsers say is for programmers who use them, so nothing of it is passed on but the place.

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

/// What a typed decoder says, in words of the API: `invalid type: map, expected a string` is `expected a string, found an object`.
pub(crate) fn plain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let between = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split_once(", expected "));
    if let Some((found, expected)) =
        between("invalid type: ").or(between("invalid value: ")).or(between("invalid length "))
    {
        return format!("expected {}, found {}", expectation(expected), what_is(found));
    }
    if let Some((field, rest)) = message.strip_prefix("unknown field `").and_then(|m| m.split_once('`')) {
        let known = rest.trim_start_matches(", expected ").trim_start_matches("one of ").replace('`', "");
        let known = if known.is_empty() { String::new() } else { format!("; known are {known}") };
        return format!("the field {field} is not known here{known}");
    }
    if let Some((value, rest)) = message.strip_prefix("unknown variant `").and_then(|m| m.split_once('`')) {
        let known = rest.trim_start_matches(", expected ").trim_start_matches("one of ").replace('`', "");
        return format!("{value} is not among {known}");
    }
    if let Some(field) = message.strip_prefix("missing field `") {
        return format!("{} is missing", field.trim_end_matches('`'));
    }
    if let Some(field) = message.strip_prefix("duplicate field `") {
        return format!("{} stands twice in one object", field.trim_end_matches('`'));
    }
    match message {
        "expected value" => "expected a value".into(),
        "trailing comma" => "a comma without a value after it".into(),
        "key must be a string" => "a key must be a string in double quotes".into(),
        "trailing characters" => "more follows after the value".into(),
        "recursion limit exceeded" => "objects are nested too deeply".into(),
        other => other.replace('`', ""),
    }
}

/// What was found, as serde calls it.
fn what_is(found: &str) -> String {
    let quoted = |prefix: &str| found.strip_prefix(prefix).map(|v| v.trim_matches('`').to_owned());
    match found {
        "map" | "Map" => "an object".into(),
        "sequence" | "seq" => "a list".into(),
        "null" | "unit" | "unit value" | "Option value" => "null".into(),
        _ => quoted("integer ")
            .or_else(|| quoted("floating point "))
            .or_else(|| quoted("boolean "))
            .or_else(|| quoted("string "))
            .or_else(|| quoted("character "))
            .unwrap_or_else(|| found.replace('`', "")),
    }
}

/// What was expected: Rust's names of types in words.
fn expectation(expected: &str) -> String {
    match expected {
        "u16" => "a whole number from 0 to 65535".into(),
        "u8" | "u32" | "u64" | "usize" => "a whole number from 0".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" | "bool" => "true or false".into(),
        "a map" | "map" => "an object".into(),
        "a sequence" | "sequence" => "a list".into(),
        "unit" => "null".into(),
        other if other.starts_with("struct ") || other.starts_with("internally tagged") => "an object".into(),
        other => other.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decoders_say_becomes_words_of_the_api() {
        for (message, words) in [
            ("invalid type: map, expected a string at line 1 column 2", "expected a string, found an object"),
            ("invalid type: integer `5`, expected a sequence", "expected a list, found 5"),
            ("invalid value: integer `-1`, expected u16", "expected a whole number from 0 to 65535, found -1"),
            ("invalid type: string \"x\", expected i64", "expected a whole number, found \"x\""),
            ("invalid type: sequence, expected struct Meta", "expected an object, found a list"),
            ("unknown field `a`, expected one of `b`, `c`", "the field a is not known here; known are b, c"),
            ("unknown variant `a`, expected `b` or `c`", "a is not among b or c"),
            ("missing field `kind`", "kind is missing"),
            ("expected a quantity such as 100m", "expected a quantity such as 100m"),
        ] {
            assert_eq!(plain(message), words);
        }
    }

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
