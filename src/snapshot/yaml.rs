//! YAML as most of it is written, read fast: saphyr-parser finds the structure, and values are made of it here.
//!
//! What plain scalars mean is serde-saphyr's to say: it is asked for each of which it is not plain. And whatever is less common (anchors, tags,
//! merge keys, keys that are no texts, a key that stands twice), and all that is wrong, is left to it as a whole.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Lists and objects are nested no deeper; what is deeper is read the other way.
const DEEPEST: usize = 100;

/// A list or an object that is not read to its end.
enum Open {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Object(Map<String, Value>, Option<String>),
}

/// The documents of a text; none where it has to be read the other way.
pub(super) fn values(text: &str) -> Option<Vec<Value>> {
    let (mut documents, mut open) = (Vec::new(), Vec::new());
    for event in Parser::new_from_str(text) {
        let done = match event.ok()?.0 {
            Event::Scalar(text, style, 0, None) => match open.last_mut() {
                Some(Open::Object(_, key @ None)) => {
                    *key = Some(key_of(text, style)?);
                    continue;
                }
                _ => scalar(text, style)?,
            },
            Event::SequenceStart(0, None) if open.len() < DEEPEST => {
                expects_value(&open)?;
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(0, None) if open.len() < DEEPEST => {
                expects_value(&open)?;
                open.push(Open::Object(Map::new(), None));
                continue;
            }
            Event::SequenceEnd => match open.pop()? {
                Open::List(list) => Value::Array(list),
                Open::Object(..) => return None,
            },
            Event::MappingEnd => match open.pop()? {
                Open::Object(object, None) => Value::Object(object),
                _ => return None,
            },
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => continue,
            _ => return None,
        };
        match open.last_mut() {
            // Documents of nothing, or of a text, are for others to judge.
            None if done.is_object() || done.is_array() => documents.push(done),
            None => return None,
            Some(Open::List(list)) => list.push(done),
            Some(Open::Object(object, key)) => {
                if object.insert(key.take()?, done).is_some() {
                    return None;
                }
            }
        }
    }
    (open.is_empty() && !documents.is_empty()).then_some(documents)
}

/// None where a key comes, which cannot be a list or an object.
fn expects_value(open: &[Open]) -> Option<()> {
    (!matches!(open.last(), Some(Open::Object(_, None)))).then_some(())
}

fn key_of(text: Cow<'_, str>, style: ScalarStyle) -> Option<String> {
    (style != ScalarStyle::Plain || is_text(&text)).then(|| text.into_owned())
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Option<Value> {
    if style != ScalarStyle::Plain || is_text(&text) {
        return Some(Value::String(text.into_owned()));
    }
    match &*text {
        "" | "null" => return Some(Value::Null),
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    let few_digits = text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit());
    if few_digits && (text.len() == 1 || !text.starts_with('0')) {
        return text.parse::<u64>().ok().map(Value::from);
    }
    // By itself it means what it means where it stands, unless it begins as a marker or a directive does.
    let is_safe = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "+-.~_/".contains(c));
    (is_safe && !text.starts_with("---") && !text.starts_with("..."))
        .then(|| serde_saphyr::from_str(&text).ok())
        .flatten()
}

/// Whether a plain scalar is surely a text: no number, truth value or absence in any of YAML's versions.
fn is_text(text: &str) -> bool {
    const WORDS: [&str; 13] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", "inf", "nan"];
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(first) if first.is_ascii_alphabetic() => {
            text.len() > 8
                || !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) && !text.eq_ignore_ascii_case("infinity")
        }
        // An amount, a time, an address, a version, a uid: numbers have none of these letters, one sign after another but behind an exponent, or
        // two points.
        Some(first) if first.is_ascii_digit() => {
            let dashes = bytes.iter().filter(|b| **b == b'-').count();
            let points = bytes.iter().filter(|b| **b == b'.').count();
            let is_other = |b: &u8| matches!(b, b'g'..=b'm' | b'p'..=b'w' | b'y' | b'z' | b'G'..=b'M' | b'P'..=b'W' | b'Y' | b'Z' | b'/');
            !bytes.contains(&b':') && (dashes > 2 || points > 1 || bytes.iter().any(is_other))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::draw::Draws;
    use crate::snapshot::generate::{GenerateParams, write_list};

    fn slow(text: &str) -> Option<Vec<Value>> {
        serde_saphyr::from_multiple_with_options(text, serde_saphyr::options! { budget: None }).ok()
    }

    #[test]
    fn a_dump_is_read_the_fast_way_and_the_same() {
        let mut bytes = Vec::new();
        write_list(&GenerateParams { nodes: 3, ..GenerateParams::default() }, &mut bytes).expect("a cluster");
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        let text = serde_saphyr::to_string(&value).expect("YAML");
        assert_eq!(values(&text), Some(vec![value.clone()]));
        assert_eq!(values(&format!("---\n{text}---\n{text}")), Some(vec![value.clone(), value]));
    }

    /// As kubectl writes: lists not indented, blocks of text, quotes where a text could be something else.
    #[test]
    fn what_kubectl_writes_is_read_the_fast_way() {
        let text = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    annotations:\n      a: |\n        {\"x\":1}\n      b: \"true\"\n      \
                    c: >-\n        one\n        two\n    creationTimestamp: \"2026-01-06T02:24:29Z\"\n    labels: {}\n    name: p-0\n    uid: 0572f951-611b-4395-b8a1-5ec521e2cc9c\n  \
                    spec:\n    containers:\n    - args:\n      - --port=80\n      - -v\n      image: r/i:1.2\n      resources:\n        requests:\n          cpu: 64m\n          memory: 1e3\n    \
                    priority: -10\n    ratio: 0.5\n    nothing: null\n    empty:\n    ip: 10.0.0.1\nkind: List\nmetadata:\n  resourceVersion: \"\"\n";
        assert!(values(text).is_some());
        assert_eq!(values(text), slow(text));
    }

    #[test]
    fn what_is_less_common_is_read_the_other_way() {
        for text in [
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "<<: {a: 1}\n",
            "1: a\n",
            "a: 1\na: 2\n",
            "? [a]\n: 1\n",
            "a: [1\n",
            "text",
            "",
            "---\n---\na: 1\n",
            "yes: 1\n",
            "a: b: c\n",
            "a:\n\tb: 1\n",
        ] {
            assert_eq!(values(text), None, "{text:?}");
        }
    }

    /// Scalars of characters that numbers, truth values and texts are made of.
    #[test]
    fn plain_scalars_mean_what_they_mean_to_the_other_reader() {
        let draws = Draws::new(7);
        const PARTS: [&str; 40] = [
            "0", "1", "9", "12", "007", "0x", "0o", "0b", "e", "E", "+", "-", ".", "_", "f", "a", "inf", ".inf", "nan",
            "NaN", "null", "Null", "~", "true", "TRUE", "no", "Yes", "on", "y", "N", "m", "Mi", "T", "Z", "/", "2026",
            "-01-", "T02", "t", "infinity",
        ];
        let mut fast = 0;
        for nth in 0..20_000 {
            let parts = 1 + draws.below("scalar", "parts", nth, 5);
            let text: String = (0..parts)
                .map(|k| PARTS[draws.below("scalar", "part", nth * 8 + k, PARTS.len() as u64) as usize])
                .collect();
            for document in [format!("a: {text}\n"), format!("- {text}\n"), format!("{text}: 1\n")] {
                if let Some(read) = values(&document) {
                    fast += 1;
                    assert_eq!(Some(read), slow(&document), "{document:?}");
                }
            }
        }
        assert!(fast > 40_000, "{fast}");
    }
}
