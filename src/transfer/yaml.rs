//! YAML as it is written: the same value gives the same text, and each line knows the field that it shows.
//!
//! Texts that a parser of YAML 1.1 (as kubectl has) would take for something else are quoted.

use super::edit::step;
use serde_json::Value;

/// A line and the JSON pointer of the field that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text, without a line break.
    pub text: String,
    /// The pointer.
    pub at: String,
}

/// A value as lines.
pub fn lines(value: &Value) -> Vec<Line> {
    let mut out = Vec::new();
    write(value, "", 0, &mut out);
    out
}

/// A value as text, each line ended.
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    for line in lines(value) {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// Values as documents of one text.
pub fn documents<'v>(values: impl IntoIterator<Item = &'v Value>) -> String {
    values.into_iter().map(text).collect::<Vec<_>>().join("---\n")
}

fn write(value: &Value, at: &str, indent: usize, out: &mut Vec<Line>) {
    let pad = " ".repeat(indent);
    let mut push = |text: String, at: String| out.push(Line { text, at });
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let place = format!("{at}{}", step(key));
                let head = format!("{pad}{}:", scalar(key));
                entry(value, head, &place, indent, indent + 2, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (i, value) in list.iter().enumerate() {
                let place = format!("{at}/{i}");
                let before = out.len();
                match value {
                    Value::Object(map) if !map.is_empty() => write(value, &place, indent + 2, out),
                    Value::Array(inner) if !inner.is_empty() => write(value, &place, indent + 2, out),
                    _ => {
                        entry(value, format!("{pad}-"), &place, indent, indent + 2, out);
                        continue;
                    }
                }
                if let Some(first) = out.get_mut(before) {
                    first.text.replace_range(indent..indent + 1, "-");
                }
            }
        }
        other => push(format!("{pad}{}", inline(other)), at.to_owned()),
    }
}

/// A value after its key or its dash.
fn entry(value: &Value, head: String, at: &str, indent: usize, below: usize, out: &mut Vec<Line>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push(Line { text: head, at: at.to_owned() });
            write(value, at, below, out);
        }
        // Lists stand under their key without further indentation, as kubectl prints them.
        Value::Array(list) if !list.is_empty() => {
            out.push(Line { text: head, at: at.to_owned() });
            write(value, at, indent, out);
        }
        Value::String(text) if is_block(text) => {
            let (mark, body) = match text.strip_suffix('\n') {
                Some(body) => ("|", body),
                None => ("|-", text.as_str()),
            };
            out.push(Line { text: format!("{head} {mark}"), at: at.to_owned() });
            for line in body.split('\n') {
                let text = if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(below)) };
                out.push(Line { text, at: at.to_owned() });
            }
        }
        other => out.push(Line { text: format!("{head} {}", inline(other)), at: at.to_owned() }),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a text of several lines can stand as a block.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let printable = |c: char| {
        c == '\n' || (!c.is_control() && c != '\u{feff}' && c != '\u{2028}' && c != '\u{2029}' && c != '\u{85}')
    };
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && body.chars().all(printable)
        && body.lines().all(|l| !l.ends_with(' '))
}

/// A text without quotes where every parser takes it for a text, else quoted as in JSON.
pub(super) fn scalar(text: &str) -> String {
    const OTHERS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, '-' | '_' | '.' | '/' | '@' | ':' | '+' | ' ' | ',' | '(' | ')' | '=')
        })
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !OTHERS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "a": {"on": "yes", "n": "1", "e": "", "t": "true", "s": "a: b", "h": "#x", "d": "2001-01-01", "star": "*x", "p": "/var", "o": "0o7", "u": "1_000"},
            "list": [1, "x", {"k": [{"z": null}, []], "m": {}}, [["deep"]], "a\nb\n", "a\nb"],
            "block": "first\n  second\n\nthird\n", "tail": "a\n\n", "lead": " a\nb", "tab": "a\tb", "odd": "a \nb", "key with: colon": 1.5,
            "esc": "\u{85}\u{0}é", "no": false, "empty": {}
        });
        let written = text(&value);
        let read: Value = serde_saphyr::from_str(&written).unwrap_or_else(|e| panic!("{e}: {written}"));
        assert_eq!(read, value, "{written}");
    }

    #[test]
    fn it_looks_as_kubectl_prints_it() {
        let value = json!({"spec": {"containers": [{"name": "c", "args": ["-v", "--x=1"], "script": "a\nb\n"}]}});
        assert_eq!(
            text(&value),
            "spec:\n  containers:\n  - name: c\n    args:\n    - \"-v\"\n    - \"--x=1\"\n    script: |\n      a\n      b\n"
        );
        let at: Vec<String> = lines(&value).into_iter().map(|l| l.at).collect();
        assert_eq!(at[4], "/spec/containers/0/args/0");
    }
}
