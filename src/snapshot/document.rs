//! From bytes to items: JSON documents one after another, YAML documents, Lists taken apart.

use super::error::ReadError;
use super::wire::scalar::{List, Text};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One object of the input, not decoded yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// As JSON text.
    Json(&'a str),
    /// Already a value (YAML, generators).
    Value(&'a Value),
}

impl<'a> Raw<'a> {
    /// Decodes it; on failure the path of the field and the complaint.
    pub(crate) fn decode<T: Deserialize<'a>>(self) -> Result<T, (String, String)> {
        let (fast, tracked) = match self {
            Raw::Json(text) => match serde_json::from_str(text) {
                Ok(t) => return Ok(t),
                Err(e) => {
                    let mut d = serde_json::Deserializer::from_str(text);
                    (
                        e,
                        serde_path_to_error::deserialize::<_, T>(&mut d)
                            .map_err(|e| (e.path().to_string(), e.into_inner())),
                    )
                }
            },
            Raw::Value(value) => match T::deserialize(value) {
                Ok(t) => return Ok(t),
                Err(e) => (
                    e,
                    serde_path_to_error::deserialize::<_, T>(value).map_err(|e| (e.path().to_string(), e.into_inner())),
                ),
            },
        };
        // The second pass only finds the path; it fails where the first did.
        let (path, error) = tracked.err().unwrap_or((".".into(), fast));
        Err((path, without_position(&error.to_string())))
    }
}

/// Line and column within one item would only mislead: they do not count from the file's start.
fn without_position(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// An object of the input and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Index of the source.
    pub(crate) source: usize,
    /// Place in the source (`items[3]`, `document 2`).
    pub(crate) place: Place,
    /// Its text or value.
    pub(crate) raw: Raw<'a>,
    /// `apiVersion`.
    pub(crate) api_version: Text<'a>,
    /// `kind`.
    pub(crate) kind: Text<'a>,
}

/// Where an object stands in its source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// A document of its own.
    Document(usize),
    /// An item of a List in a document.
    Item(usize, usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Document(d) => write!(f, "document {}", d + 1),
            Place::Item(0, i) => write!(f, "items[{i}]"),
            Place::Item(d, i) => write!(f, "document {}, items[{i}]", d + 1),
        }
    }
}

/// The outermost fields of a document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Top<'a, T> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(default = "Option::default")]
    items: Option<List<T>>,
}

/// The items of JSON text: Lists, single objects, or several of them one after another.
pub(crate) fn json_items<'a>(file: &str, source: usize, text: &'a str) -> Result<Vec<Item<'a>>, ReadError> {
    let syntax = |e: serde_json::Error| {
        if e.is_data() {
            ReadError::NotAnObject { file: file.into(), item: "the document".into(), problem: e.to_string() }
        } else {
            ReadError::Syntax { file: file.into(), format: "JSON", problem: e.to_string() }
        }
    };
    let mut items = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Top<'a, &'a RawValue>>();
    let mut document = 0;
    loop {
        let start = stream.byte_offset();
        let Some(top) = stream.next() else { break };
        let top = top.map_err(syntax)?;
        let whole = text[start..stream.byte_offset()].trim();
        take_document(file, source, document, top, Raw::Json(whole), |raw| Raw::Json(raw.get()), &mut items)?;
        document += 1;
    }
    Ok(items)
}

/// The items of values that somebody else parsed, each an object or a List.
pub(crate) fn value_items<'a>(
    file: &str,
    source: usize,
    values: impl IntoIterator<Item = &'a Value>,
) -> Result<Vec<Item<'a>>, ReadError> {
    let mut items = Vec::new();
    for (document, value) in values.into_iter().enumerate() {
        // An empty YAML document (`---` twice, or only comments).
        let Some(map) = value.as_object() else {
            if value.is_null() {
                continue;
            }
            return Err(ReadError::NotAnObject {
                file: file.into(),
                item: Place::Document(document).to_string(),
                problem: "it is no mapping".into(),
            });
        };
        let text = |key: &str| Text(map.get(key).and_then(Value::as_str).unwrap_or("").into());
        let top = Top {
            api_version: text("apiVersion"),
            kind: text("kind"),
            items: map.get("items").and_then(Value::as_array).map(|a| List(a.iter().collect())),
        };
        take_document(file, source, document, top, Raw::Value(value), Raw::Value, &mut items)?;
    }
    Ok(items)
}

/// Adds a document, or the items of a List, to `items`.
fn take_document<'a, T: Copy>(
    file: &str,
    source: usize,
    document: usize,
    top: Top<'a, T>,
    whole: Raw<'a>,
    raw: impl Fn(T) -> Raw<'a>,
    items: &mut Vec<Item<'a>>,
) -> Result<(), ReadError> {
    let missing = |place: Place, problem: &str| ReadError::NotAnObject {
        file: file.into(),
        item: place.to_string(),
        problem: problem.into(),
    };
    match top.items {
        Some(list) if top.kind.ends_with("List") => {
            items.reserve(list.len());
            for (i, item) in list.iter().enumerate() {
                let place = Place::Item(document, i);
                let raw = raw(*item);
                let mut head = head(raw);
                // `kubectl get --raw` prints a PodList whose items do not repeat their kind.
                if head.1.is_empty() && &*top.kind != "List" {
                    head = (top.api_version.clone(), Text(top.kind.trim_end_matches("List").to_owned().into()));
                }
                if head.1.is_empty() {
                    return Err(missing(place, "kind is missing"));
                }
                items.push(Item { source, place, raw, api_version: head.0, kind: head.1 });
            }
        }
        _ => {
            let place = Place::Document(document);
            if top.kind.is_empty() {
                return Err(missing(place, "kind is missing"));
            }
            items.push(Item { source, place, raw: whole, api_version: top.api_version, kind: top.kind });
        }
    }
    Ok(())
}

/// `apiVersion` and `kind` of an item; "" for what is not there.
fn head<'a>(raw: Raw<'a>) -> (Text<'a>, Text<'a>) {
    match raw {
        Raw::Value(value) => {
            let text = |key: &str| Text(value.get(key).and_then(Value::as_str).unwrap_or("").into());
            (text("apiVersion"), text("kind"))
        }
        Raw::Json(text) => sniff(text),
    }
}

/// Reads `apiVersion` and `kind` and stops: kubectl prints them first, so that most of the item is not looked at.
fn sniff(text: &str) -> (Text<'_>, Text<'_>) {
    struct Visitor<'s, 'a>(&'s mut (Text<'a>, Text<'a>));
    impl<'de> serde::de::Visitor<'de> for Visitor<'_, 'de> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Text<'de>>()? {
                match &*key {
                    "apiVersion" => self.0.0 = map.next_value()?,
                    "kind" => self.0.1 = map.next_value()?,
                    _ => {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                }
                if !self.0.0.is_empty() && !self.0.1.is_empty() {
                    return Err(serde::de::Error::custom("found"));
                }
            }
            Ok(())
        }
    }
    let mut found = (Text::default(), Text::default());
    // The error is how it stops early; a real one shows again when the item is decoded.
    let _ = serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(text), Visitor(&mut found));
    found
}

/// The documents of YAML text.
pub(crate) fn yaml_values(file: &str, text: &str) -> Result<Vec<Value>, ReadError> {
    let options = serde_saphyr::options! { budget: None };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|e| ReadError::Syntax {
        file: file.into(),
        format: "YAML",
        problem: e.to_string(),
    })
}

/// Whether text is JSON rather than YAML: it begins with a brace or bracket.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '['])
}
